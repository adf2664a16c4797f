//! 视图: what the views have seen, and building one anew.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Wanted};
use super::exit::{Failure, Stop};
use super::output::{Column, Out, Show, column, word};

/// How often a rebuild is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What can be asked about views.
#[derive(Debug, Subcommand)]
pub enum ProjectionVerb {
    /// Every view, what it has seen and how far it lags.
    List,
    /// Builds a view anew beside the live one, then switches.
    Rebuild {
        /// Its name: `morning_board`.
        #[arg(value_name = "NAME", value_parser = name)]
        name: String,
        /// Wait until it has caught up.
        #[arg(long)]
        wait: bool,
    },
}

pub(super) const PROJECTIONS: &[Column] = &[
    column("name", "name", Show::Text),
    column("view", "name", Show::View),
    column("view_version", "version", Show::Count),
    column("position", "position", Show::Count),
    column("lag", "lag", Show::Count),
    column("state", "state", Show::Code(&["ViewState"])),
    column("trouble", "trouble", Show::Text),
    column("rebuilding", "rebuilding", Show::Count),
];

pub(super) fn run(verb: &ProjectionVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        ProjectionVerb::List => {
            let (answer, items) = client.list("/v1/projections", &[], &Wanted::default())?;
            out.list(PROJECTIONS, &answer, &items)
        }
        ProjectionVerb::Rebuild { name, wait } => {
            client.post(&format!("/v1/projections/{name}/rebuild"), client.new_key(), &json!({}))?;
            if !wait {
                return out.note(word("rebuild_asked", out.lang));
            }
            let standing = caught_up(name, client, out)?;
            out.record(&standing)
        }
    }
}

/// Waits until what is built beside the view has taken its place and lags by nothing.
fn caught_up(name: &str, client: &Client<'_>, out: &mut Out<'_>) -> Result<Value, Stop> {
    let mut progress = super::progress::Progress::new(out.terminal);
    loop {
        std::thread::sleep(LOOK);
        let (_, items) = client.list("/v1/projections", &[], &Wanted::default())?;
        let Some(standing) = items.into_iter().find(|it| it["name"] == name) else {
            return Err(Failure::local(out.lang, "bad_answer", format!("/v1/projections: {name}")).into());
        };
        let lag = count(&standing["lag"]);
        if let Some(why) = standing["rebuild_failed"].as_str() {
            return Err(Failure::local(out.lang, "unhealthy", why).into());
        }
        if standing["state"] == "current" && standing["rebuilding"].is_null() {
            return Ok(standing);
        }
        if let Some(trouble) = standing["trouble"].as_str() {
            return Err(Failure::local(out.lang, "unhealthy", trouble).into());
        }
        let (live, beside) = (count(&standing["position"]), &standing["rebuilding"]);
        progress.at(if beside.is_null() { live } else { count(beside) }, live + lag);
    }
}

/// A count, whether it is written as a number or as a string of digits.
pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// A name that can stand in a path.
fn name(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty()
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
    if fits { Ok(text.to_owned()) } else { Err("expected the name of a view, as in morning_board") }
}
