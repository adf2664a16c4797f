//! 案件 and 欠薪反映.

use clap::{Args, Subcommand};
use linggong_events::id::{EntityRef, Kind};
use linggong_events::measure::Position;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, Going, Wanted};
use super::events::{EVENTS, TIMELINE};
use super::exit::Stop;
use super::list::{self, AsOf, One, Page};
use super::output::{Column, Format, Out, Show, at, column, event_name, shown};

/// What can be asked about cases.
#[derive(Debug, Subcommand)]
pub enum CaseVerb {
    /// One case, as it is or was.
    Show(One),
    /// What happened to a case, in order.
    History(HistoryArgs),
    /// Cases.
    List {
        /// Only those with a deadline that runs, the nearest first.
        #[arg(long)]
        due: bool,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
}

/// What can be asked about claims.
#[derive(Debug, Subcommand)]
pub enum ClaimVerb {
    /// One claim, as it is or was.
    Show(One),
    /// 登记回执: the page that the claimant takes along; opening the name is on record.
    Receipt(ReceiptArgs),
    /// Claims.
    List {
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
}

/// Whose receipt, and why the name is opened.
#[derive(Clone, Debug, Args)]
pub struct ReceiptArgs {
    /// The claim.
    #[arg(value_name = "ID", value_parser = list::id)]
    pub id: Uuid,
    /// Why the claimant's name is opened.
    #[arg(long, value_name = "PURPOSE", default_value = "claim_handling")]
    #[arg(value_parser = ["claim_handling", "case_handling"])]
    pub purpose: String,
    /// The case, for `case_handling`.
    #[arg(long, value_name = "ID", value_parser = list::id)]
    pub case: Option<Uuid>,
    /// As a page for a browser's printer.
    #[arg(long)]
    pub html: bool,
}

/// Which part of a case's history.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The case.
    #[arg(value_name = "ID", value_parser = list::id)]
    pub id: Uuid,
    /// As of when.
    #[command(flatten)]
    pub as_of: AsOf,
    /// Only events that say all these words; a word after `-` must not be said: `--grep '张庄 -调解'`.
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub grep: Option<String>,
    /// Only events whose type begins so: `case.deadline`.
    #[arg(long = "type", value_name = "PREFIX")]
    pub type_prefix: Option<String>,
    /// Go on with what happens from now on.
    #[arg(long, conflicts_with_all = ["as_known", "as_happened"])]
    pub follow: bool,
}

pub(super) const CASES: &[Column] = &[
    column("case", "case", Show::Id),
    column("number", "number", Show::Text),
    column("state", "state", Show::Code(&["CaseState"])),
    column("track", "track", Show::Code(&["Track"])),
    column("employer", "employer", Show::Id),
    column("officer", "officer", Show::Id),
    column("outstanding", "outstanding", Show::Money),
    column("last_day", "deadlines", Show::Deadlines),
    column("position", "position", Show::Count),
];

pub(super) const CLAIMS: &[Column] = &[
    column("claim", "claim", Show::Id),
    column("state", "state", Show::Code(&["ClaimState"])),
    column("worker", "worker", Show::Id),
    column("employer", "employer", Show::Id),
    column("total", "total", Show::Money),
    column("outstanding", "outstanding", Show::Money),
    column("suggested_track", "suggested_track", Show::Code(&["Track"])),
    column("filed_at", "filed_at", Show::Time),
    column("case", "case", Show::Id),
    column("position", "position", Show::Count),
];

pub(super) fn run(verb: &CaseVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        CaseVerb::Show(one) => one.show("/v1/cases", client, out),
        CaseVerb::History(args) => history(args, client, out),
        CaseVerb::List { due, page } => {
            let query = due.then(|| ("state", "due".to_owned())).into_iter().collect();
            list::show("/v1/cases", query, page, CASES, client, out)
        }
    }
}

pub(super) fn claim(verb: &ClaimVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        ClaimVerb::Show(one) => one.show("/v1/claims", client, out),
        ClaimVerb::Receipt(args) => receipt(args, client, out),
        ClaimVerb::List { page } => list::show("/v1/claims", Vec::new(), page, CLAIMS, client, out),
    }
}

fn receipt(args: &ReceiptArgs, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let path = format!("/v1/claims/{}/receipt", args.id);
    let mut why = json!({ "purpose": args.purpose });
    if let Some(case) = args.case {
        why["case"] = json!(case);
    }
    if args.html {
        let page = client.post_for(&path, "text/html", &why)?;
        return out.bytes(&page);
    }
    let receipt = client.post(&path, client.new_key(), &why)?;
    match (out.format, receipt["text"].as_str()) {
        (Format::Table, Some(text)) => text.lines().try_for_each(|line| out.line(line)),
        (Format::Table | Format::Json | Format::Ndjson | Format::Csv, _) => out.record(&receipt),
    }
}

fn history(args: &HistoryArgs, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let case = EntityRef { kind: Kind::Case, id: args.id };
    let filter = Filter::of(args);
    let (mut answer, mut items) =
        client.list(&format!("/v1/timelines/{case}"), &args.as_of.query(), &Wanted::default())?;
    let last = items.iter().filter_map(|it| position_of(&it["event"])).max().unwrap_or_default();
    let seen = answer["position"].as_str().and_then(|it| it.parse().ok()).unwrap_or(last);
    items.retain(|it| filter.lets_pass(&it["event"]));
    if !args.follow {
        answer["items"] = Value::Array(items.clone());
        return out.list(TIMELINE, &answer, &items);
    }
    if out.format == Format::Json {
        out.format = Format::Ndjson;
    }
    items.iter().try_for_each(|it| out.item(EVENTS, &it["event"]))?;
    let case = case.to_string();
    client.follow(seen, args.type_prefix.as_deref().unwrap_or_default(), |event: Value| {
        let touches = event["touches"].as_str().unwrap_or_default();
        let ours = event["subject"] == case.as_str() || touches.split(' ').any(|it| it == case);
        if ours && filter.lets_pass(&event) {
            out.item(EVENTS, &event)?;
        }
        Ok(Going::On)
    })
}

pub(super) fn position_of(event: &Value) -> Option<Position> {
    event["position"].as_str()?.parse().ok()
}

/// Which events are wanted.
struct Filter {
    type_prefix: String,
    said: Vec<String>,
    unsaid: Vec<String>,
}

impl Filter {
    fn of(args: &HistoryArgs) -> Filter {
        let words = args.grep.as_deref().unwrap_or_default().split_whitespace().map(str::to_lowercase);
        let (unsaid, said): (Vec<_>, Vec<_>) = words.partition(|it| it.len() > 1 && it.starts_with('-'));
        let unsaid = unsaid.into_iter().map(|it| it.trim_start_matches('-').to_owned()).collect();
        Filter { type_prefix: args.type_prefix.clone().unwrap_or_default(), said, unsaid }
    }

    fn lets_pass(&self, event: &Value) -> bool {
        if !event_name(event["type"].as_str().unwrap_or_default()).starts_with(&self.type_prefix) {
            return false;
        }
        // What the reader sees is searched as well as what is written: 「调解」 finds `case.mediated`.
        let labels = [crate::glossary::Lang::Zh, crate::glossary::Lang::En].map(|lang| {
            EVENTS.iter().map(|it| shown(it.show, at(event, it.path), lang, false)).collect::<Vec<_>>()
        });
        let text = format!("{event} {}", labels.concat().join(" ")).to_lowercase();
        self.said.iter().all(|word| text.contains(word))
            && !self.unsaid.iter().any(|word| text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(grep: &str, type_prefix: Option<&str>) -> bool {
        let args = HistoryArgs {
            id: Uuid::nil(),
            as_of: AsOf::default(),
            grep: Some(grep.to_owned()),
            type_prefix: type_prefix.map(str::to_owned),
            follow: false,
        };
        Filter::of(&args).lets_pass(&json!({
            "type": "cn.linggong.case.mediated.v1", "position": "7", "data": { "document": "济劳人仲〔2026〕3号" },
        }))
    }

    #[test]
    fn words_are_sought_in_what_is_written_and_in_what_is_shown() {
        assert!(passes("〔2026〕", None) && passes("调解", None) && passes("MEDIATED", None));
        assert!(passes("调解 3号", None) && !passes("调解 4号", None));
    }

    #[test]
    fn a_word_after_a_hyphen_must_not_be_said() {
        assert!(!passes("3号 -调解", None) && passes("3号 -结案", None) && !passes("-仲", None));
    }

    #[test]
    fn a_type_is_sought_by_its_beginning() {
        assert!(
            passes("", Some("case.")) && passes("", Some("case.mediated")) && !passes("", Some("mediated"))
        );
    }
}
