//! What every list and every thing by its id can be asked.

use clap::Args;
use linggong_events::id::EntityRef;
use linggong_events::measure::Position;
use linggong_events::time::{Date, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::client::{Client, Wanted};
use super::exit::Stop;
use super::output::{Column, Format, Out, Show, shown, word};

/// How much of a list.
#[derive(Clone, Debug, Args)]
pub struct Page {
    /// At most so many.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Everything, however much.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// The cursor that an earlier list ended with.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// Wait until the view has seen this position.
    #[arg(long, value_name = "POSITION")]
    pub at_least: Option<Position>,
}

impl Page {
    fn wanted(&self) -> Wanted {
        let limit = if self.all { None } else { usize::try_from(self.limit).ok() };
        Wanted { limit, after: self.after.clone() }
    }
}

/// As of when a thing is shown; without either, as it is now.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
pub struct AsOf {
    /// As it was known then: what was recorded up to this instant (RFC 3339) or position.
    #[arg(long, value_name = "T", value_parser = moment)]
    pub as_known: Option<String>,
    /// As it had happened by then: what occurred up to this instant (RFC 3339), by what is known today.
    #[arg(long, value_name = "T", value_parser = instant)]
    pub as_happened: Option<String>,
}

impl AsOf {
    /// As the server is asked.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let axes = [("as_known", &self.as_known), ("as_happened", &self.as_happened)];
        axes.into_iter().filter_map(|(name, moment)| Some((name, moment.clone()?))).collect()
    }
}

/// One thing by its id.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// Its id, with or without the kind before it.
    #[arg(value_name = "ID", value_parser = id)]
    pub id: Uuid,
    /// As of when.
    #[command(flatten)]
    pub as_of: AsOf,
    /// Wait until the view has seen this position.
    #[arg(long, value_name = "POSITION")]
    pub at_least: Option<Position>,
}

impl One {
    /// Asks for the thing under `path` and shows it.
    pub(super) fn show(&self, path: &str, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        self.show_at(&format!("{path}/{}", self.id), client, out)
    }

    /// Asks at `path`, which names the thing already, and shows what is there.
    pub(super) fn show_at(&self, path: &str, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut query = self.as_of.query();
        query.extend(self.at_least.map(|it| ("at_least", it.to_string())));
        let answer = client.get(path, &query)?;
        let people = matches!(out.format, Format::Table | Format::Csv);
        // What was read stands beside the position that it takes into account.
        match answer.get("value").filter(|_| people) {
            Some(value) => {
                out.record(value)?;
                out.note(&format!(
                    "{} {}",
                    word("as_of_position", out.lang),
                    shown(Show::Text, answer.get("position"), out.lang, false)
                ))
            }
            None => out.record(&answer),
        }
    }
}

/// Asks for a list and shows it.
pub(super) fn show(
    path: &str,
    mut query: Vec<(&str, String)>,
    page: &Page,
    columns: &[Column],
    client: &Client<'_>,
    out: &mut Out<'_>,
) -> Result<(), Stop> {
    query.extend(page.at_least.map(|it| ("at_least", it.to_string())));
    let (answer, items) = client.list(path, &query, &page.wanted())?;
    out.list(columns, &answer, &items)?;
    if let Value::String(next) = &answer["next"] {
        out.note(&format!("{}: --after {next}", word("more", out.lang)))?;
    }
    Ok(())
}

/// The queries that were given.
pub(super) fn given<const N: usize>(
    queries: [(&'static str, Option<String>); N],
) -> Vec<(&'static str, String)> {
    queries.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// An id, alone or after its kind, as tables and timelines show it.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    if let Ok(entity) = text.parse::<EntityRef>() {
        return Ok(entity.id);
    }
    Uuid::try_parse(text)
        .map_err(|_| format!("`{}` is not an id: expected a UUID", super::output::clean(text)))
}

/// An instant or a position. A bare date has no axis and no hour, so it is refused.
fn moment(text: &str) -> Result<String, String> {
    if text.parse::<Position>().is_ok() { Ok(text.to_owned()) } else { instant(text) }
}

fn instant(text: &str) -> Result<String, String> {
    if text.parse::<Timestamp>().is_ok() {
        return Ok(text.to_owned());
    }
    if text.parse::<Date>().is_ok() {
        return Err(
            "a date alone does not say which moment: add the time, as in 2026-11-22T17:00:00+08:00".into()
        );
    }
    Err("expected an instant as in 2026-11-22T17:00:00+08:00".into())
}
