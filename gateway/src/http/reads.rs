//! Reads of the views: lists in pages, one thing as it stands or as it stood.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use linggong_engine::command::Actor;
use linggong_engine::matching;
use linggong_events::envelope::Recorded;
use linggong_events::id::{
    CaseId, ClaimId, EmployerId, EntityRef, HireId, MarketId, PostingId, WageId, WorkerId,
};
use linggong_events::identity::OrgCode;
use linggong_events::log::LogReader;
use linggong_events::measure::{Fen, Position};
use linggong_events::occupation::Occupation;
use linggong_events::office::Grant;
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use linggong_projections::case_history::{CaseFilter, CaseHistories, ClaimFilter};
use linggong_projections::directory::{self, Directory};
use linggong_projections::hiring_ledger::{HireFilter, HiringLedger};
use linggong_projections::insured::{Insured, InsuredFilter, InsuredRow};
use linggong_projections::morning_board::MorningBoard;
use linggong_projections::open_postings::{OpenPostings, PostingFilter, PostingRow};
use linggong_projections::staff::Staff;
use linggong_projections::timeline::Timeline;
use linggong_projections::wage_protection_board::{
    Ageing, Bucket, WageFilter, WageProtectionBoard, WarningSum, WorkerArrears,
};
use linggong_projections::{AsOf, At, Cursor, Order, Page, PageRequest, Reader, Source, View, refold};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::App;
use super::asked::{Limit, Query};
use super::auth::Asking;
use super::error::Problem;
use super::explain_then;
use crate::glossary::{self, Lang};
use crate::permission::{Own, Reach, Resource, covers, hidden, reach, sees_step, serves};
use crate::projection_task::StandsStill;

/// How long a read waits for what it is asked to take into account.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// What every list is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    pub(super) limit: Limit,
    pub(super) after: Option<Cursor>,
    pub(super) before: Option<Cursor>,
    pub(super) order: Order,
    pub(super) at_least: Option<Position>,
    pub(super) region: Option<Region>,
    pub(super) occupation: Option<Occupation>,
    pub(super) date: Option<Date>,
    pub(super) employer: Option<EmployerId>,
    pub(super) worker: Option<WorkerId>,
    pub(super) market: Option<MarketId>,
    pub(super) posting: Option<PostingId>,
    pub(super) state: Option<String>,
    pub(super) bucket: Option<Bucket>,
    pub(super) gaps: Option<bool>,
    pub(super) by: Option<String>,
    as_known: Option<String>,
    as_happened: Option<String>,
}

impl ListQuery {
    /// Refuses a moment: a list of then would need the whole log of then, each time it is asked for.
    fn is_of_now(&self) -> Result<(), Problem> {
        if self.as_known.is_none() && self.as_happened.is_none() {
            return Ok(());
        }
        let detail = "a list is read as it stands: `as_known` and `as_happened` are asked of one thing or its timeline";
        Err(Problem::bad_request(detail))
    }

    fn page(&self) -> Result<PageRequest, Problem> {
        if self.after.is_some() && self.before.is_some() {
            return Err(Problem::bad_request("`after` and `before` exclude each other"));
        }
        let cursor = self.after.clone().or_else(|| self.before.clone());
        Ok(PageRequest { cursor, limit: self.limit.0, order: self.order })
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    items: Vec<T>,
    next: Option<Cursor>,
    prev: Option<Cursor>,
    /// The last event that the list takes into account.
    position: Position,
}

impl<T> From<At<Page<T>>> for List<T> {
    fn from(at: At<Page<T>>) -> List<T> {
        List { items: at.value.rows, next: at.value.next, prev: at.value.prev, position: at.position }
    }
}

/// What somebody may see of a resource: their regions, or what is about themself.
#[derive(Debug)]
pub(super) struct Scope {
    /// The division that the views select by.
    region: Option<Region>,
    /// Where a row must lie besides; none: nowhere in particular, for the rows are their own or public.
    within: Option<Vec<Region>>,
    worker: Option<WorkerId>,
    employer: Option<EmployerId>,
    /// The insurer that must have been asked.
    insurer: Option<OrgCode>,
}

impl Scope {
    fn keeps(&self, region: Region) -> bool {
        self.within.as_ref().is_none_or(|regions| regions.iter().any(|it| it.covers(region)))
    }

    /// Takes away the rows that lie elsewhere; the page may get shorter and still has a next one.
    fn keep<T>(&self, mut found: At<Page<T>>, region: impl Fn(&T) -> Region) -> At<Page<T>> {
        found.value.rows.retain(|row| self.keeps(region(row)));
        found
    }

    /// The divisions to be summed up, none of which holds another.
    fn divisions(&self) -> Vec<Option<Region>> {
        let Some(within) = &self.within else { return vec![self.region] };
        let mut apart: Vec<Region> = Vec::new();
        for region in within {
            if !apart.iter().any(|it| it.covers(*region)) {
                apart.retain(|it| !region.covers(*it));
                apart.push(*region);
            }
        }
        apart.into_iter().map(Some).collect()
    }
}

/// Narrows a question to what the actor may see; what they may not see at all is not there.
pub(super) fn scope(actor: &Actor, resource: Resource, asked: &ListQuery) -> Result<Scope, Problem> {
    asked.is_of_now()?;
    let ListQuery { region, worker, employer, .. } = *asked;
    let asked = Scope { region, within: None, worker, employer, insurer: None };
    let within_regions = |asked: Scope| match (region, actor.regions.as_slice()) {
        (Some(region), _) if covers(actor, region) => Ok(asked),
        (Some(_), _) => Err(Problem::not_found()),
        (None, [only]) => Ok(Scope { region: Some(*only), ..asked }),
        (None, several) => Ok(Scope { within: Some(several.to_vec()), ..asked }),
    };
    match reach(actor.role, resource) {
        Reach::Nothing => Err(Problem::not_found()),
        Reach::All => Ok(asked),
        Reach::Own => match Own::of(actor) {
            Some(Own::Worker(own)) if worker.is_none_or(|it| it == own) => {
                Ok(Scope { worker: Some(own), ..asked })
            }
            Some(Own::Employer(own)) if employer.is_none_or(|it| it == own) => {
                Ok(Scope { employer: Some(own), ..asked })
            }
            Some(Own::Worker(_) | Own::Employer(_)) | None => Err(Problem::not_found()),
        },
        Reach::Insured => match &actor.insurer {
            Some(insurer) => within_regions(Scope { insurer: Some(insurer.clone()), ..asked }),
            None => Err(Problem::not_found()),
        },
        Reach::Regions => within_regions(asked),
    }
}

/// Whether one thing may be shown to the actor.
pub(super) fn may_show(
    actor: &Actor,
    resource: Resource,
    region: Region,
    worker: Option<WorkerId>,
    employer: Option<EmployerId>,
) -> Result<(), Problem> {
    let shown = match reach(actor.role, resource) {
        Reach::Nothing => false,
        Reach::All => true,
        Reach::Own => match Own::of(actor) {
            Some(Own::Worker(own)) => worker == Some(own),
            Some(Own::Employer(own)) => employer == Some(own),
            None => false,
        },
        // Where that can be, it is asked of the covers: see `may_show_cover`.
        Reach::Insured => false,
        Reach::Regions => covers(actor, region),
    };
    if shown { Ok(()) } else { Err(Problem::not_found()) }
}

/// Writes an answer without the members that the actor's role never sees.
fn told(actor: &Actor, resource: Resource, value: impl Serialize) -> Answer<Value> {
    let Json(mut answer) = to_json(value)?;
    for rows in ["items", "value"] {
        let Some(rows) = answer.get_mut(rows) else { continue };
        if let Some(steps) = rows.get_mut("steps").and_then(Value::as_array_mut) {
            steps.retain(|step| step["type_name"].as_str().is_some_and(|it| sees_step(actor.role, it)));
        }
        for member in hidden(actor.role, resource) {
            take_out(rows, member);
        }
    }
    Ok(Json(answer))
}

/// Takes a member out of an object, or out of each object of a list.
fn take_out(of: &mut Value, path: &str) {
    match of {
        Value::Object(map) => match path.split_once('.') {
            Some((name, rest)) => {
                if let Some(under) = map.get_mut(name) {
                    take_out(under, rest);
                }
            }
            None => {
                map.remove(path);
            }
        },
        Value::Array(items) => items.iter_mut().for_each(|it| take_out(it, path)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether anything about `entity` happened within the actor's regions: who comes from elsewhere is known here too.
pub(super) fn known_here(app: &App, actor: &Actor, entity: EntityRef) -> Result<bool, Problem> {
    let regions = app.readers.timeline.regions(entity)?.value;
    Ok(regions.into_iter().any(|it| covers(actor, it)))
}

type Answer<T> = Result<Json<T>, Problem>;

/// Refuses what a parameter cannot be.
fn one_of(name: &str, asked: Option<&str>, allowed: &[&str]) -> Result<(), Problem> {
    if asked.is_none_or(|it| allowed.contains(&it)) {
        return Ok(());
    }
    let allowed = allowed.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    Err(Problem::bad_request(format!("`{name}` is {allowed}, or is left out")))
}

pub(super) async fn markets(
    State(app): State<App>,
    Asking(_): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    query.is_of_now()?;
    app.wait_for(query.at_least, &[Directory::NAME]).await?;
    let found = app.readers.directory.markets(query.region)?;
    Ok(Json(json!({ "items": found.value, "position": found.position })))
}

pub(super) async fn board(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(market): Path<MarketId>,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    query.is_of_now()?;
    app.wait_for(query.at_least, &[Directory::NAME, MorningBoard::NAME]).await?;
    let row = app.readers.directory.market(market)?.value.ok_or_else(Problem::not_found)?;
    may_show(&actor, Resource::Board, row.region, None, None)?;
    if !serves(&actor, market) {
        return Err(Problem::not_found());
    }
    let date = query.date.unwrap_or_else(|| app.clock.now().date());
    let board = app.readers.morning_board.board(market, date)?;
    let queue = app.readers.morning_board.queue(market, date, &Default::default(), &query.page()?)?;
    Ok(Json(
        json!({ "market": row, "board": board.value, "queue": List::from(queue), "position": board.position }),
    ))
}

pub(super) async fn postings(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[OpenPostings::NAME]).await?;
    // What waits for review or was rejected is not public, so that neither is a list of all.
    let (review, resource) = match query.state.as_deref() {
        None | Some("open") => (false, Resource::Postings),
        Some("review" | "all") => (true, Resource::Review),
        Some(_) => return Err(Problem::bad_request("`state` is `open`, `review` or `all`")),
    };
    let scope = scope(&actor, resource, &query)?;
    let filter = PostingFilter {
        region: scope.region,
        occupation: query.occupation,
        date: query.date,
        market: query.market,
        employer: query.employer,
        ..PostingFilter::default()
    };
    let page = query.page()?;
    let found = if query.state.as_deref() == Some("all") {
        let of = "`state=all` is asked of one `employer`";
        let employer = query.employer.ok_or_else(|| Problem::bad_request(of))?;
        app.readers.open_postings.of_employer(employer, &filter, &page)?
    } else if review {
        app.readers.open_postings.under_review(&filter, &page)?
    } else {
        app.readers.open_postings.open(&filter, &page)?
    };
    let At { value: Page { rows, next, prev }, position } = scope.keep(found, |row| row.terms.region);
    let rows: Result<Vec<Value>, Problem> = rows.iter().map(|row| told_posting(&actor, row)).collect();
    to_json(List { items: rows?, next, prev, position })
}

pub(super) async fn hires(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[HiringLedger::NAME]).await?;
    let scope = scope(&actor, Resource::Hires, &query)?;
    let filter = HireFilter {
        region: scope.region,
        occupation: query.occupation,
        from: query.date,
        until: query.date,
        worker: scope.worker,
        employer: scope.employer,
        posting: query.posting,
        ..HireFilter::default()
    };
    let found = scope.keep(app.readers.hiring_ledger.hires(&filter, &query.page()?)?, |row| row.region);
    told(&actor, Resource::Hires, List::from(found))
}

pub(super) async fn wages(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[WageProtectionBoard::NAME]).await?;
    one_of("state", query.state.as_deref(), &["all"])?;
    let scope = scope(&actor, Resource::Wages, &query)?;
    let filter = WageFilter {
        region: scope.region,
        employer: scope.employer,
        worker: scope.worker,
        bucket: query.bucket,
        paid_too: query.state.as_deref() == Some("all"),
        ..WageFilter::default()
    };
    let today = app.clock.now().date();
    let found = app.readers.wage_protection_board.wages(today, &filter, &query.page()?)?;
    told(&actor, Resource::Wages, List::from(scope.keep(found, |row| row.wage.region)))
}

pub(super) async fn arrears(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[WageProtectionBoard::NAME, Directory::NAME, Timeline::NAME]).await?;
    let scope = scope(&actor, Resource::Arrears, &query)?;
    let today = app.clock.now().date();
    let board = &app.readers.wage_protection_board;
    let (worker, employer) = (scope.worker, scope.employer);
    let whose = |region| WageFilter { region, worker, employer, ..WageFilter::default() };
    match query.by.as_deref() {
        None | Some("age") => {
            let mut sum: Option<At<Vec<Ageing>>> = None;
            for region in scope.divisions() {
                let of = board.ageing(today, &whose(region))?;
                let Some(sum) = &mut sum else {
                    sum = Some(of);
                    continue;
                };
                for (sum, of) in sum.value.iter_mut().zip(of.value) {
                    sum.wages += of.wages;
                    sum.outstanding = Fen(sum.outstanding.0.saturating_add(of.outstanding.0));
                }
            }
            sum.map_or_else(|| Err(Problem::not_found()), to_json)
        }
        Some("region") => {
            let mut found = board.regions(today, scope.region)?;
            found.value.retain(|row| scope.keeps(row.region));
            to_json(found)
        }
        Some("worker") => {
            let mut sum: Option<At<Vec<WorkerArrears>>> = None;
            for region in scope.divisions() {
                let found = board.workers(today, &whose(region))?;
                match &mut sum {
                    Some(sum) => sum.value.extend(found.value),
                    None => sum = Some(found),
                }
            }
            sum.map_or_else(|| Err(Problem::not_found()), to_json)
        }
        Some("warning") => {
            let mut sum: Option<At<Vec<WarningSum>>> = None;
            for region in scope.divisions() {
                let of = board.warnings(today, &whose(region))?;
                let Some(sum) = &mut sum else {
                    sum = Some(of);
                    continue;
                };
                for (sum, of) in sum.value.iter_mut().zip(of.value) {
                    sum.wages += of.wages;
                    sum.outstanding = Fen(sum.outstanding.0.saturating_add(of.outstanding.0));
                }
            }
            sum.map_or_else(|| Err(Problem::not_found()), to_json)
        }
        Some("employer") => {
            // A debtor's sums are whole, wherever they arose; who has no business here is not listed.
            let mut found = board.employers(&query.page()?)?;
            let mut here = Vec::new();
            for row in found.value.rows {
                let seat = app.readers.directory.employer(row.employer)?.value.map(|it| it.details.region);
                let seated = seat.is_some_and(|it| covers(&actor, it));
                if seated || known_here(&app, &actor, row.employer.into())? {
                    here.push(row);
                }
            }
            found.value.rows = here;
            to_json(List::from(found))
        }
        Some(_) => Err(Problem::bad_request("`by` is `age`, `region`, `employer`, `worker` or `warning`")),
    }
}

pub(super) async fn insurances(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[Insured::NAME]).await?;
    let scope = scope(&actor, Resource::Insurances, &query)?;
    let filter = InsuredFilter {
        region: scope.region,
        worker: scope.worker,
        employer: scope.employer,
        insurer: scope.insurer.clone(),
        ..InsuredFilter::default()
    };
    let page = query.page()?;
    let found = if query.gaps == Some(true) {
        // That nobody covers a shift is no matter of one insurer's.
        if filter.insurer.is_some() {
            return Err(Problem::not_found());
        }
        app.readers.insured.gaps(&filter, &page)?
    } else {
        app.readers.insured.hires(&filter, &page)?
    };
    let mut found = scope.keep(found, |row| row.region);
    found.value.rows.iter_mut().for_each(|row| keep_own_covers(&actor, row));
    told(&actor, Resource::Insurances, List::from(found))
}

/// Whether a hire and its covers may be shown: to an insurer where it was asked for one of them.
fn may_show_cover(actor: &Actor, row: &InsuredRow) -> Result<(), Problem> {
    match reach(actor.role, Resource::Insurances) {
        Reach::Insured => {
            let asked = row.covers.iter().any(|it| actor.insures(it.insurer_code.as_ref()));
            if asked && covers(actor, row.region) { Ok(()) } else { Err(Problem::not_found()) }
        }
        Reach::Nothing | Reach::Own | Reach::Regions | Reach::All => {
            may_show(actor, Resource::Insurances, row.region, Some(row.worker), Some(row.employer))
        }
    }
}

/// Leaves an insurer the covers that it was asked for.
fn keep_own_covers(actor: &Actor, row: &mut InsuredRow) {
    if reach(actor.role, Resource::Insurances) == Reach::Insured {
        row.covers.retain(|it| actor.insures(it.insurer_code.as_ref()));
    }
}

pub(super) async fn claims(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[CaseHistories::NAME]).await?;
    let scope = scope(&actor, Resource::Cases, &query)?;
    let filter = ClaimFilter {
        region: scope.region,
        worker: scope.worker,
        employer: scope.employer,
        ..ClaimFilter::default()
    };
    let found = app.readers.case_history.claims(&filter, &query.page()?)?;
    told(&actor, Resource::Cases, List::from(scope.keep(found, |row| row.region)))
}

pub(super) async fn cases(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[CaseHistories::NAME]).await?;
    let scope = scope(&actor, Resource::Cases, &query)?;
    let filter = CaseFilter {
        region: scope.region,
        worker: scope.worker,
        employer: scope.employer,
        ..CaseFilter::default()
    };
    let page = query.page()?;
    one_of("state", query.state.as_deref(), &["due"])?;
    let due = query.state.as_deref() == Some("due");
    let found = if due {
        app.readers.case_history.due(&filter, &page)?
    } else {
        app.readers.case_history.cases(&filter, &page)?
    };
    told(&actor, Resource::Cases, List::from(scope.keep(found, |row| row.region)))
}

/// Who may act as what; or the roles that were asked for and wait for a second officer of the reader's office.
pub(super) async fn staff(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<ListQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[Staff::NAME]).await?;
    scope(&actor, Resource::Staff, &query)?;
    let within = |grant: &Grant| grant.regions.iter().any(|it| covers(&actor, *it));
    match query.state.as_deref() {
        None | Some("granted") => {
            let mut found = app.readers.staff.all(None, &query.page()?)?;
            found.value.rows.retain(|row| within(&row.grant));
            to_json(List::from(found))
        }
        Some("proposed") => {
            let office = actor.office.ok_or_else(Problem::not_found)?;
            let found = app.readers.staff.proposed(office)?;
            Ok(Json(json!({ "items": found.value, "next": null, "prev": null, "position": found.position })))
        }
        Some(_) => Err(Problem::bad_request("`state` is `granted` or `proposed`")),
    }
}

/// What one thing is asked with: as it stands, or as it stood on a named axis.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OneQuery {
    pub(super) at_least: Option<Position>,
    as_known: Option<String>,
    as_happened: Option<String>,
    worker: Option<WorkerId>,
}

impl OneQuery {
    /// A question that is only about a moment.
    pub(super) fn moment(as_known: Option<String>, as_happened: Option<String>) -> OneQuery {
        OneQuery { as_known, as_happened, ..OneQuery::default() }
    }

    /// The moment asked for; a bare date without an axis or an hour is no moment.
    pub(super) fn as_of(&self) -> Result<Option<AsOf>, Problem> {
        let instant = |text: &str| {
            let parsed: Result<Timestamp, _> = text.parse();
            parsed.map_err(|_| {
                Problem::bad_request("give an instant with its offset, such as 2026-11-22T08:00:00+08:00")
            })
        };
        match (&self.as_known, &self.as_happened) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("`as_known` and `as_happened` exclude each other"))
            }
            (None, Some(text)) => Ok(Some(AsOf::Happened(instant(text)?))),
            (Some(text), None) => match text.parse::<Position>() {
                Ok(position) => Ok(Some(AsOf::KnownAt(position))),
                Err(_) => Ok(Some(AsOf::Known(instant(text)?))),
            },
        }
    }
}

/// Folds the events of `sources` up to the moment, with the code of the stored view.
async fn as_it_stood<V: View>(
    app: &App,
    sources: &[Source],
    as_of: AsOf,
    at_least: Option<Position>,
) -> Result<Reader<V>, Problem> {
    app.wait_for(at_least, &[Timeline::NAME]).await?;
    Ok(refold::<V>(&events_then(app, sources, as_of)?))
}

/// Refuses a position that the log has not come to: what is recorded there may be told otherwise tomorrow.
pub(super) fn check_known(app: &App, as_of: AsOf) -> Result<(), Problem> {
    let end = app.partition.head.borrow().position;
    match as_of {
        AsOf::KnownAt(position) if position > end => {
            let detail = format!("`as_known`: this log ends at {end}, before position {position}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "ahead_of_log", detail))
        }
        AsOf::KnownAt(_) | AsOf::Known(_) | AsOf::Happened(_) => Ok(()),
    }
}

/// The events of `sources` up to the moment, in order.
pub(super) fn events_then(app: &App, sources: &[Source], as_of: AsOf) -> Result<Vec<Recorded>, Problem> {
    check_known(app, as_of)?;
    let mut events: Vec<Recorded> = Vec::new();
    for position in app.readers.timeline.positions(sources)?.value {
        let line = app.log.line(position)?.ok_or_else(Problem::not_found)?;
        let event = Recorded::from_line(&line)?;
        if as_of.includes(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

/// Shows one row of a view, now or as it stood: what of the answer is the row, and whose it is.
macro_rules! one {
    ($name:ident, $id:ty, $resource:ident, $reader:ident: $View:ty, $ask:ident, |$answer:ident| $of:expr,
     |$row:ident| $who:expr) => {
        pub(super) async fn $name(
            State(app): State<App>,
            Asking(actor): Asking,
            Path(id): Path<$id>,
            Query(query): Query<OneQuery>,
        ) -> Answer<Value> {
            app.wait_for(query.at_least, &[<$View>::NAME]).await?;
            let as_of = query.as_of()?;
            let stored = app.readers.$reader.$ask(id)?;
            let $answer = stored.value.as_ref().ok_or_else(Problem::not_found)?;
            let $row = &$of;
            let (region, worker, employer) = $who;
            may_show(&actor, Resource::$resource, region, worker, employer)?;
            let Some(as_of) = as_of else { return told(&actor, Resource::$resource, stored) };
            let then: Reader<$View> = as_it_stood(&app, &$row.sources(), as_of, query.at_least).await?;
            let found = then.$ask(id)?;
            if found.value.is_none() {
                return Err(Problem::not_found());
            }
            told(&actor, Resource::$resource, found)
        }
    };
}

one!(hire, HireId, Hires, hiring_ledger: HiringLedger, hire, |hire| *hire, |row| {
    (row.region, Some(row.worker), Some(row.employer))
});
one!(wage, WageId, Wages, wage_protection_board: WageProtectionBoard, wage, |wage| *wage, |row| {
    (row.region, Some(row.worker), Some(row.employer))
});
one!(case, CaseId, Cases, case_history: CaseHistories, case, |history| history.case, |row| {
    (row.region, row.worker, None)
});
one!(claim, ClaimId, Cases, case_history: CaseHistories, claim, |history| history.claim, |row| {
    (row.region, Some(row.worker), None)
});

/// Whether the actor may see a posting: what is or was offered is public, what waits for review is not.
fn may_show_posting(actor: &Actor, row: &PostingRow) -> Result<(), Problem> {
    let own = Own::of(actor) == Some(Own::Employer(row.terms.employer));
    let resource = if row.state.is_public() { Resource::Postings } else { Resource::Review };
    if own { Ok(()) } else { may_show(actor, resource, row.terms.region, None, None) }
}

pub(super) async fn posting(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<PostingId>,
    Query(query): Query<OneQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[OpenPostings::NAME]).await?;
    let as_of = query.as_of()?;
    let stored = app.readers.open_postings.posting(id)?;
    let row = stored.value.as_ref().ok_or_else(Problem::not_found)?;
    may_show_posting(&actor, row)?;
    let Some(as_of) = as_of else {
        return to_json(At { value: told_posting(&actor, row)?, position: stored.position });
    };
    let then: Reader<OpenPostings> = as_it_stood(&app, &row.sources(), as_of, query.at_least).await?;
    let found = then.posting(id)?;
    // It may not have been public yet then.
    let row = found.value.as_ref().ok_or_else(Problem::not_found)?;
    may_show_posting(&actor, row)?;
    to_json(At { value: told_posting(&actor, row)?, position: found.position })
}

/// A posting without what is not for everybody: where exactly a home is, and what rules found that waits to be looked at.
/// The office of the county reads all of it. The employer knows the home, and why their posting is not shown.
fn told_posting(actor: &Actor, row: &PostingRow) -> Result<Value, Problem> {
    let mut told = serde_json::to_value(row).map_err(|error| Problem::internal(&error))?;
    if may_show(actor, Resource::Review, row.terms.region, None, None).is_ok() {
        return Ok(told);
    }
    let own = Own::of(actor) == Some(Own::Employer(row.terms.employer));
    let findings = ["findings", "review_pending", "reason"];
    let hidden: &[&str] = match (own, row.state.is_public()) {
        (true, false) => &[],
        (true, true) => &findings,
        (false, _) => &["home", "findings", "review_pending", "reason"],
    };
    for member in hidden {
        take_out(&mut told, member);
    }
    Ok(told)
}

pub(super) async fn cover(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<HireId>,
    Query(query): Query<OneQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[Insured::NAME]).await?;
    let as_of = query.as_of()?;
    let mut found = app.readers.insured.hire(id)?;
    let row = found.value.as_ref().ok_or_else(Problem::not_found)?;
    may_show_cover(&actor, row)?;
    if let Some(as_of) = as_of {
        let then: Reader<Insured> = as_it_stood(&app, &row.sources(), as_of, query.at_least).await?;
        found = then.hire(id)?;
    }
    let row = found.value.as_mut().ok_or_else(Problem::not_found)?;
    // It may not have been asked yet then.
    may_show_cover(&actor, row)?;
    keep_own_covers(&actor, row);
    told(&actor, Resource::Insurances, found)
}

pub(super) async fn worker(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<WorkerId>,
    Query(query): Query<OneQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[Directory::NAME, Timeline::NAME]).await?;
    let as_of = query.as_of()?;
    let found = app.readers.directory.worker(id)?;
    let row = found.value.as_ref().ok_or_else(Problem::not_found)?;
    let registered_here = may_show(&actor, Resource::Directory, row.region, Some(id), None);
    if registered_here.is_err() {
        staff_knows(&app, &actor, id.into())?;
    }
    let Some(as_of) = as_of else { return to_json(found) };
    let then = as_it_stood::<Directory>(&app, &directory::sources(id.into()), as_of, query.at_least).await?;
    there(then.worker(id)?)
}

pub(super) async fn employer(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<EmployerId>,
    Query(query): Query<OneQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[Directory::NAME, Timeline::NAME]).await?;
    let as_of = query.as_of()?;
    let found = app.readers.directory.employer(id)?;
    let row = found.value.as_ref().ok_or_else(Problem::not_found)?;
    let seated_here = may_show(&actor, Resource::Directory, row.details.region, None, Some(id));
    if seated_here.is_err() {
        staff_knows(&app, &actor, id.into())?;
    }
    let Some(as_of) = as_of else { return to_json(found) };
    let then = as_it_stood::<Directory>(&app, &directory::sources(id.into()), as_of, query.at_least).await?;
    there(then.employer(id)?)
}

/// What was read as of then, where it was there by then.
fn there<T: Serialize>(found: At<Option<T>>) -> Answer<Value> {
    if found.value.is_none() {
        return Err(Problem::not_found());
    }
    to_json(found)
}

/// Whether staff of these regions has to do with somebody who is registered elsewhere.
fn staff_knows(app: &App, actor: &Actor, entity: EntityRef) -> Result<(), Problem> {
    let staff = reach(actor.role, Resource::Directory) == Reach::Regions;
    if staff && known_here(app, actor, entity)? { Ok(()) } else { Err(Problem::not_found()) }
}

/// Why a worker was or was not proposed; without one, how many each rule excludes.
pub(super) async fn explain(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(id): Path<PostingId>,
    Query(query): Query<OneQuery>,
) -> Answer<Value> {
    app.wait_for(query.at_least, &[OpenPostings::NAME]).await?;
    let as_of = query.as_of()?;
    let posting = app.readers.open_postings.posting(id)?.value.ok_or_else(Problem::not_found)?;
    may_show_posting(&actor, &posting)?;
    may_show(&actor, Resource::Explain, posting.terms.region, query.worker, None)?;
    let worker = query.worker;
    if let Some(as_of) = as_of {
        app.wait_for(query.at_least, &[Timeline::NAME]).await?;
        return explain_then::explained(&app, id, worker, as_of).await.map(Json).map(named);
    }
    let answer = app.partition.ask(move |partition, now| match worker {
        Some(worker) => {
            matching::explain(partition.state(), id, worker, now, partition.rules()).map(|it| json!(it))
        }
        None => {
            let ranking = matching::rank(partition.state(), id, id.0, 0, now, partition.rules());
            let unknown = || linggong_engine::refusal::Refusal::Unknown { entity: id.into() };
            ranking
                .ok_or_else(unknown)
                .map(|it| json!({ "considered": it.considered, "excluded": it.excluded }))
        }
    });
    Ok(named(Json(answer.await??)))
}

/// The answer with the excluding rule in words, where one rule excludes one worker.
fn named(Json(mut answer): Json<Value>) -> Json<Value> {
    if let Some(rule) = answer.get("excluded").and_then(Value::as_str).and_then(words_of) {
        answer["words"] = json!(rule);
    }
    Json(answer)
}

fn words_of(rule: &str) -> Option<[&'static str; 2]> {
    let word = |lang| glossary::label("exclusions", rule, lang);
    Some([word(Lang::Zh)?, word(Lang::En)?])
}

pub(super) fn to_json(value: impl Serialize) -> Answer<Value> {
    serde_json::to_value(value).map(Json).map_err(|error| Problem::internal(&error))
}

impl App {
    /// Waits until these views have caught up with `position`, two seconds at most.
    pub(super) async fn wait_for(&self, position: Option<Position>, views: &[&str]) -> Result<(), Problem> {
        let Some(position) = position else { return Ok(()) };
        let waiting = self.projections.reached(views, position);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(StandsStill { view: Some((view, position)) })) => Err(Problem::parked(view, position)),
            Ok(Err(StandsStill { view: None })) => {
                let detail = "this view stands still: it cannot show what happened since";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "view_unavailable", detail).retry_after(2))
            }
            Err(_) => Err(not_yet("the views have", position)),
        }
    }

    /// Waits until the log itself has come to `position`, two seconds at most.
    pub(super) async fn wait_for_log(&self, position: Option<Position>) -> Result<(), Problem> {
        let Some(position) = position else { return Ok(()) };
        let mut head = self.partition.head.clone();
        let waiting = head.wait_for(|it| it.position >= position);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(not_yet("the log has", position)),
        }
    }
}

fn not_yet(who: &str, position: Position) -> Problem {
    let detail = format!("{who} not reached position {position} yet");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_yet", detail).retry_after(1)
}
