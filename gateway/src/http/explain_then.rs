//! Why somebody was or was not proposed, as it could have been told at an earlier moment.

use std::collections::BTreeSet;

use linggong_engine::matching::then::explain_then;
use linggong_events::Event;
use linggong_events::envelope::{Envelope, Recorded};
use linggong_events::id::{EntityRef, Kind, PostingId, WorkerId};
use linggong_events::log::LogReader;
use linggong_events::matching::MatchEvent;
use linggong_events::time::Timestamp;
use linggong_projections::{AsOf, Source};
use serde_json::{Value, json};

use super::App;
use super::error::Problem;
use super::reads::{check_known, events_then};

/// Explains one worker by the rules and facts of then; without one, what the last run by then has counted.
pub(super) async fn explained(
    app: &App,
    posting: PostingId,
    worker: Option<WorkerId>,
    as_of: AsOf,
) -> Result<Value, Problem> {
    check_known(app, as_of)?;
    let Some(worker) = worker else { return last_run(app, posting, as_of) };
    let at = instant(app, as_of)?;
    let events = concerning(app, posting, worker, as_of)?;
    let packs = app.partition.ask(|partition, _| partition.packs().clone()).await?;
    let explaining = tokio::task::spawn_blocking(move || {
        explain_then(events.iter(), &packs, posting, worker, at).map_err(|fault| Problem::internal(&fault))
    });
    let explained = explaining.await.map_err(|error| Problem::internal(&error))?;
    Ok(json!(explained??))
}

/// The events that an explanation of this worker and posting may rest on.
fn concerning(
    app: &App,
    posting: PostingId,
    worker: WorkerId,
    as_of: AsOf,
) -> Result<Vec<Envelope>, Problem> {
    let mut sources = vec![Source::Touching(posting.into()), Source::Touching(worker.into())];
    // Where they wait, what else they hold an offer of, which other records are they.
    let named = events_then(app, &sources, as_of)?;
    let named = named.iter().flat_map(|it| it.outline().touches).filter(|it| tells_of_the_two(it.kind));
    let named: BTreeSet<EntityRef> = named.copied().collect();
    sources.extend(named.into_iter().map(Source::Own));
    let packs = app.readers.directory.packs()?.value;
    sources.extend(packs.into_iter().map(|it| Source::Own(it.rules.into())));
    let known = events_then(app, &sources, as_of)?.into_iter().filter_map(|it| match it {
        Recorded::Known(envelope) => Some(envelope),
        Recorded::Unknown(_) => None,
    });
    Ok(known.collect())
}

fn tells_of_the_two(kind: Kind) -> bool {
    match kind {
        Kind::Market | Kind::Person | Kind::Worker | Kind::Posting | Kind::Offer | Kind::Hire => true,
        Kind::Attendance | Kind::Employer | Kind::Office | Kind::Match | Kind::Wage => false,
        Kind::Insurance | Kind::Claim | Kind::Case | Kind::Rules => false,
    }
}

/// The instant at which the question is asked.
fn instant(app: &App, as_of: AsOf) -> Result<Timestamp, Problem> {
    let position = match as_of {
        AsOf::Known(at) | AsOf::Happened(at) => return Ok(at),
        AsOf::KnownAt(position) => position.min(app.partition.head.borrow().position),
    };
    let line = app.log.line(position)?.ok_or_else(Problem::not_found)?;
    Ok(Recorded::from_line(&line)?.outline().time)
}

/// How many workers the last run by then looked at, and which rules excluded how many: as it was recorded.
fn last_run(app: &App, posting: PostingId, as_of: AsOf) -> Result<Value, Problem> {
    let events = events_then(app, &[Source::Touching(posting.into())], as_of)?;
    let runs = events.iter().rev().find_map(|it| match it {
        Recorded::Known(Envelope { event: Event::Match(MatchEvent::Reasoned(run)), .. }) => Some(run),
        Recorded::Known(_) | Recorded::Unknown(_) => None,
    });
    let run = runs.ok_or_else(Problem::not_found)?;
    Ok(json!({ "considered": run.considered, "excluded": run.excluded }))
}
