//! People's sealed fields, evidence, packs, sources, the log's head, views: what operators and officers need.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linggong_engine::command::Actor;
use linggong_engine::rules::Pack;
use linggong_events::commit::Digest;
use linggong_events::envelope::Recorded;
use linggong_events::id::{ActorId, CaseId, EntityRef, KeyId, Kind, PersonId};
use linggong_events::measure::Position;
use linggong_events::office::Role;
use linggong_events::person::{PersonField, Sealed};
use linggong_events::rules::PackKind;
use linggong_events::time::Date;
use linggong_projections::PageRequest;
use linggong_projections::case_history::CaseRow;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asked::{Body, Limit, Query};
use super::auth::Asking;
use super::commands::not_opened;
use super::error::Problem;
use super::{App, events, reads};
use crate::permission::{Own, Reach, Resource, covers, may_open, reach};
use crate::projection_task::ViewState;
use crate::space::Room;
use crate::vault::{AccessRecord, MediaType, Purpose, PurposeKind, person_label};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    fields: Vec<PersonField>,
    purpose: PurposeKind,
    #[serde(default)]
    case: Option<CaseId>,
}

/// What somebody says who wants to open one sealed text or one piece of evidence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    purpose: PurposeKind,
    #[serde(default)]
    case: Option<CaseId>,
}

impl Why {
    /// The purpose, where the actor's role has it; a case must be theirs, and the thing must belong to it.
    pub(super) fn admitted(
        &self,
        app: &App,
        actor: &Actor,
        belongs: impl FnOnce(&CaseRow) -> Result<bool, Problem>,
    ) -> Result<Purpose, Problem> {
        let refused = |why| Problem::new(StatusCode::FORBIDDEN, "opening_refused", why);
        if !may_open(actor.role, self.purpose) {
            return Err(refused("your role does not open sealed fields for this purpose"));
        }
        if self.purpose == PurposeKind::CaseHandling {
            let belongs = match own_case(app, actor, self.case)? {
                Some(case) => belongs(&case)?,
                None => false,
            };
            if !belongs {
                return Err(refused("name a case that this belongs to and that is assigned to you"));
            }
        }
        Ok(Purpose {
            actor: actor.id,
            role: actor.role,
            reason: self.purpose,
            case: self.case,
            // Nobody vouches for a second officer by naming one: whoever agreed stands in the ledger.
            second_officer: None,
            at: app.clock.now(),
        })
    }
}

/// The second officer who agreed in the ledger that the actor opens what this key keeps, where it is sealed.
async fn second_officer(
    app: &App,
    actor: &Actor,
    (person, key): (PersonId, KeyId),
) -> Result<Option<ActorId>, Problem> {
    let (officer, now) = (actor.id, app.clock.now());
    let ask = app.partition.ask(move |partition, _| partition.state().opened_with(person, key, officer, now));
    Ok(ask.await?)
}

/// Opens sealed fields of one person, for a stated purpose; each opening is on record before it happens.
pub(super) async fn open_person(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(person): Path<PersonId>,
    Body(opening): Body<Opening>,
) -> Result<Json<Value>, Problem> {
    if reach(actor.role, Resource::Sealed) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let row = app.readers.directory.person(person)?.value.ok_or_else(Problem::not_found)?;
    if !reads::known_here(&app, &actor, person.into())? && !works_here(&app, &actor, person)? {
        return Err(Problem::not_found());
    }
    let why = Why { purpose: opening.purpose, case: opening.case };
    let mut purpose = why.admitted(&app, &actor, |case| is_party(&app, case, person))?;
    if let Some(sealed) = row.known.sealed.values().next() {
        purpose.second_officer = second_officer(&app, &actor, (person, sealed.key)).await?;
    }
    let opened = app.vault.at(move |vault| {
        let mut clear = Map::new();
        for field in opening.fields {
            let (Some(sealed), Some(sealed_by)) = (row.known.sealed.get(&field), row.sealed_by.get(&field))
            else {
                continue;
            };
            let text = vault.open_sealed(sealed, *sealed_by, person_label(field), &purpose)?;
            clear.insert(person_label(field).to_owned(), Value::from(text.expose()));
        }
        Ok(clear)
    });
    let clear = opened.await?.map_err(|error| not_opened(&error))?;
    Ok(Json(Value::Object(clear)))
}

/// Whether the person works or worked within the actor's regions, wherever they are registered.
fn works_here(app: &App, actor: &Actor, person: PersonId) -> Result<bool, Problem> {
    for worker in app.readers.directory.workers_of(person)?.value {
        if reads::known_here(app, actor, worker.into())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The case, if it is the actor's to handle.
fn own_case(app: &App, actor: &Actor, case: Option<CaseId>) -> Result<Option<CaseRow>, Problem> {
    let Some(case) = case else { return Ok(None) };
    let Some(history) = app.readers.case_history.case(case)?.value else { return Ok(None) };
    let row = history.case;
    // As for acting in it: of its office, and where somebody is assigned, they or the lead.
    let at_office = row.office.is_some() && row.office == actor.office;
    let theirs = row.officer.is_none_or(|it| it == actor.id) || actor.role == Role::CaseLead;
    Ok((at_office && theirs && covers(actor, row.region)).then_some(row))
}

/// Whether the person is a party of the case.
fn is_party(app: &App, case: &CaseRow, person: PersonId) -> Result<bool, Problem> {
    let workers = app.readers.directory.workers_of(person)?.value;
    let claims = case.worker.is_some_and(|it| workers.contains(&it));
    let employer = match case.employer {
        Some(employer) => app.readers.directory.employer(employer)?.value,
        None => None,
    };
    Ok(claims || employer.is_some_and(|it| it.details.person == Some(person)))
}

/// Opens the sealed text in one field of an event that the actor may see, for a stated purpose.
pub(super) async fn open_text(
    State(app): State<App>,
    Asking(actor): Asking,
    Path((position, field)): Path<(Position, String)>,
    Body(why): Body<Why>,
) -> Result<Json<Value>, Problem> {
    if reach(actor.role, Resource::Sealed) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let line = events::visible(&app, &actor, position, "")?.ok_or_else(Problem::not_found)?;
    let recorded = Recorded::from_line(line.get().as_bytes())?;
    let written: Value = serde_json::from_str(line.get()).map_err(|error| Problem::internal(&error))?;
    let sealed: Option<Sealed> =
        written["data"].get(&field).and_then(|it| serde_json::from_value(it.clone()).ok());
    let sealed = sealed.ok_or_else(Problem::not_found)?;
    let command = recorded.outline().command.ok_or_else(Problem::not_found)?;
    let mut purpose = why.admitted(&app, &actor, |case| {
        let outline = recorded.outline();
        let about: EntityRef = case.case.into();
        Ok(outline.subject.known() == Some(about)
            || outline.touches.contains(&about)
            || is_party(&app, case, sealed.person)?)
    })?;
    purpose.second_officer = second_officer(&app, &actor, (sealed.person, sealed.key)).await?;
    let opened = app.vault.at(move |vault| {
        let text = vault.open_sealed(&sealed, command, &field, &purpose)?;
        Ok(json!({ (field): text.expose() }))
    });
    let clear = opened.await?;
    clear.map(Json).map_err(|error| not_opened(&error))
}

/// Answers a piece of evidence in clear, for a stated purpose.
pub(super) async fn open_evidence(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(digest): Path<String>,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    if reach(actor.role, Resource::Sealed) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let digest = digest_of(&digest)?;
    let about =
        app.vault.look(move |vault| vault.evidence_about(digest)).await?.ok_or_else(Problem::not_found)?;
    if !deals_with(&app, &actor, about)? {
        return Err(Problem::not_found());
    }
    let mut purpose = why.admitted(&app, &actor, |case| match about.kind {
        Kind::Case => Ok(about == case.case.into()),
        Kind::Claim => Ok(case.claims.iter().any(|it| about == (*it).into())),
        Kind::Person => is_party(&app, case, PersonId(about.id)),
        Kind::Worker => Ok(case.worker.is_some_and(|it| about == it.into())),
        Kind::Employer => Ok(case.employer.is_some_and(|it| about == it.into())),
        Kind::Hire | Kind::Wage | Kind::Attendance | Kind::Insurance | Kind::Posting => Ok(false),
        Kind::Market | Kind::Office | Kind::Offer | Kind::Match | Kind::Rules => Ok(false),
    })?;
    if about.kind == Kind::Person {
        let person = PersonId(about.id);
        if let Some((key, _)) = app.vault.look(move |vault| vault.key_of(person)).await? {
            purpose.second_officer = second_officer(&app, &actor, (person, key)).await?;
        }
    }
    let read = app.vault.at(move |vault| vault.read_evidence(digest, &purpose)).await?;
    let evidence = read.map_err(|error| not_opened(&error))?;
    // Whatever it is, a browser keeps it as a file and runs nothing of it.
    let headers =
        [(header::CONTENT_TYPE, evidence.media_type.name()), (header::CONTENT_DISPOSITION, "attachment")];
    Ok((headers, Bytes::copy_from_slice(evidence.expose())).into_response())
}

/// Whether staff may see events of what a piece of evidence is about; of a person, whether they are known here.
fn deals_with(app: &App, actor: &Actor, about: EntityRef) -> Result<bool, Problem> {
    if about.kind == Kind::Person {
        return has_to_do(app, actor, about);
    }
    let found = app.readers.timeline.touching(about, &PageRequest::first(200))?;
    for entry in found.value.rows.iter().filter(|it| it.subject == Some(about)) {
        if events::visible(app, actor, entry.position, "")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A digest as paths have it, with `sha256:` or without.
fn digest_of(text: &str) -> Result<Digest, Problem> {
    let text = format!("sha256:{}", text.trim_start_matches("sha256:"));
    text.parse().map_err(|_| Problem::not_found())
}

/// Whether somebody who is no staff has to do with `about`: their own record, or what an event of theirs touches.
fn concerns(app: &App, actor: &Actor, about: EntityRef) -> Result<bool, Problem> {
    let Some(own) = Own::of(actor) else { return Ok(false) };
    if about == own.entity() || actor.person.is_some_and(|it| about == it.into()) {
        return Ok(true);
    }
    let found = app.readers.timeline.touching(about, &PageRequest::first(200))?;
    for entry in found.value.rows {
        if events::visible(app, actor, entry.position, "")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceQuery {
    /// The entity it is about: `claim/<id>`, `person/<id>` …
    about: EntityRef,
}

pub(super) async fn store_evidence(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<EvidenceQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    if !actor.is_staff() && !concerns(&app, &actor, query.about)? {
        return Err(Problem::not_found());
    }
    app.partition.check_writable()?;
    let media = media_type(&headers)?;
    let bytes = body.len();
    let digest = app.vault.at(move |vault| vault.store_evidence(query.about, media, &body)).await?;
    let digest = digest.map_err(|error| not_evidence(crate::chain(&error)))?;
    Ok(Json(json!({ "digest": digest.to_string(), "bytes": bytes })))
}

/// Stores a file before its rows are told of, under the hash that their events will name.
pub(super) async fn store_source(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let office = actor.office.filter(|_| actor.is_staff()).ok_or_else(Problem::not_found)?;
    let named = digest_of(&digest)?;
    app.partition.check_writable()?;
    let media = media_type(&headers)?;
    let stored = app.vault.at(move |vault| {
        if Digest::of(&body) != named {
            return Err(not_evidence("these are not the bytes of that digest"));
        }
        let stored = vault.store_source(office, media, &body);
        let (source, evidence) = stored.map_err(|error| not_evidence(crate::chain(&error)))?;
        Ok(json!({ "digest": source, "evidence": evidence, "bytes": body.len() }))
    });
    stored.await?.map(Json)
}

fn not_evidence(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "evidence_refused", detail)
}

fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    serde_json::from_value(Value::from(media))
        .map_err(|_| not_evidence("this media type is not taken as evidence"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessQuery {
    #[serde(default)]
    limit: Limit,
    /// Records after this number.
    after: Option<Position>,
    /// The last records before this number.
    before: Option<Position>,
}

/// Who opened what about people and matters of the reader's regions, in order; each answer comes of the whole
/// record, verified anew.
pub(super) async fn accesses(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<AccessQuery>,
) -> Result<Json<Value>, Problem> {
    if reach(actor.role, Resource::AccessLog) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    if query.after.is_some() && query.before.is_some() {
        return Err(Problem::bad_request("`after` and `before` exclude each other"));
    }
    let read = app.vault.look(|vault| vault.accesses().map(|records| (records, vault.access_head())));
    let (records, head) = read.await?.map_err(|error| Problem::internal(&error))?;
    let mut known: BTreeMap<EntityRef, bool> = BTreeMap::new();
    let mut numbered: Vec<(usize, AccessRecord)> = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let here = match known.get(&record.subject) {
            Some(here) => *here,
            None => *known.entry(record.subject).or_insert(has_to_do(&app, &actor, record.subject)?),
        };
        if here {
            numbered.push((index + 1, record));
        }
    }
    let number = |it: Position| usize::try_from(it.0).unwrap_or(usize::MAX);
    let limit = usize::from(query.limit.0);
    let until = query.before.map_or(numbered.len(), |it| numbered.partition_point(|row| row.0 < number(it)));
    let from = match (query.after, query.before) {
        (Some(after), _) => numbered.partition_point(|row| row.0 <= number(after)),
        (None, Some(_)) => until.saturating_sub(limit),
        (None, None) => 0,
    };
    let until = until.min(from.saturating_add(limit));
    let page = numbered.get(from..until).unwrap_or_default();
    let next = page.last().filter(|_| until < numbered.len()).map(|it| it.0.to_string());
    let prev = page.first().filter(|_| from > 0).map(|it| it.0.to_string());
    let items: Vec<&AccessRecord> = page.iter().map(|it| &it.1).collect();
    let head = json!({ "commit": head.commit, "digest": head.digest });
    Ok(Json(json!({ "items": items, "next": next, "prev": prev, "head": head })))
}

/// Whether what a record of the access log is about has to do with the reader's regions.
fn has_to_do(app: &App, actor: &Actor, about: EntityRef) -> Result<bool, Problem> {
    let of_person = about.kind == Kind::Person && works_here(app, actor, PersonId(about.id))?;
    Ok(of_person || reads::known_here(app, actor, about)?)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackQuery {
    kind: PackKind,
}

/// Stores a rule pack under its digest, so that it can be adopted.
pub(super) async fn store_pack(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<PackQuery>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    admitted(&actor, Resource::Control)?;
    app.partition.check_writable()?;
    let pack = Pack::parse(query.kind, &body).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", crate::chain(&error))
    })?;
    let (name, digest) = (pack.name().to_owned(), pack.digest());
    let packs = app.packs.clone();
    let written = tokio::task::spawn_blocking(move || packs.store(query.kind, digest, &body));
    written.await.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))?;
    app.partition.store_pack(digest, Arc::new(pack)).await?;
    Ok(Json(json!({ "name": name, "digest": digest.to_string() })))
}

fn admitted(actor: &Actor, resource: Resource) -> Result<(), Problem> {
    match reach(actor.role, resource) {
        Reach::Nothing | Reach::Own | Reach::Insured => Err(Problem::not_found()),
        Reach::Regions | Reach::All => Ok(()),
    }
}

/// The rows of a source file that are recorded already.
pub(super) async fn source(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(digest): Path<String>,
) -> Result<Json<Value>, Problem> {
    if !actor.is_staff() {
        return Err(Problem::not_found());
    }
    let digest = digest_of(&digest)?;
    let rows = app.readers.sources.rows(&digest.to_string())?;
    Ok(Json(json!({ "rows": rows.value, "position": rows.position })))
}

pub(super) async fn head(State(app): State<App>, Asking(_): Asking) -> Result<Json<Value>, Problem> {
    // Nothing is vouched for that is known to be damaged; a log that is written has its tree.
    app.partition.check_whole()?;
    let (head, signed) = app.tree_head().ok_or_else(Problem::not_found)?;
    Ok(Json(json!({
        "commit": head.commit, "epoch": head.epoch, "position": head.position, "digest": head.digest.to_string(),
        "signed": signed, "public_key": app.head_key.public().to_string(),
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DayQuery {
    date: Option<Date>,
}

/// 日结单: the day's last position, its count, and the signed head, to be printed and signed by hand.
pub(super) async fn seal_day(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<DayQuery>,
) -> Result<Json<Value>, Problem> {
    if !actor.is_staff() && reach(actor.role, Resource::Operation) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let date = query.date.unwrap_or_else(|| app.clock.now().date());
    app.day_sheet(date).await.map(Json)
}

pub(super) async fn projections(
    State(app): State<App>,
    Asking(actor): Asking,
) -> Result<Json<Value>, Problem> {
    admitted(&actor, Resource::Operation)?;
    let head = app.partition.head.borrow().position;
    let standings = app.projections.standings();
    let items = standings.into_iter().map(|it| {
        let (lag, state) = (head.0.saturating_sub(it.position.0), it.state(head));
        json!({ "name": it.name, "version": it.version, "position": it.position, "lag": lag, "state": state,
                "trouble": it.trouble.map(|it| it.why), "rebuilt": it.rebuilt, "rebuilding": it.rebuilding,
                "rebuild_failed": it.rebuild_failed })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>(), "position": head })))
}

pub(super) async fn rebuild(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    admitted(&actor, Resource::Control)?;
    if app.projections.rebuild(&name) { Ok(StatusCode::ACCEPTED) } else { Err(Problem::not_found()) }
}

pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Ready while commands are taken and no view stands still.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let stopped = app.partition.stopped.borrow().clone();
    let head = app.partition.head.borrow().position;
    let standings = app.projections.standings();
    let room = *app.partition.room.borrow();
    let alarm = standings.iter().any(|it| it.state(head).is_alarm());
    let read_only = app.partition.read_only.as_deref();
    let ready = stopped.is_none() && read_only.is_none() && !alarm && room == Room::Enough;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let said = standings.into_iter().filter(|it| it.state(head).is_alarm() || it.building).map(|it| {
        json!({ "name": it.name, "state": it.state(head), "position": it.position,
                "trouble": it.trouble.map(|it| it.why) })
    });
    let views: Vec<_> = said.collect();
    let why = json!({ "ready": ready, "partition": stopped.unwrap_or_else(|| "running".into()), "views": views,
                       "room": room.name(), "clock_held": *app.partition.clock_held.borrow(),
                       "read_only": read_only });
    (status, Json(why)).into_response()
}

pub(super) async fn metrics(State(app): State<App>) -> String {
    let head = app.partition.head.borrow().position;
    metrics::gauge!("linggong_log_position").set(head.0 as f64);
    for standing in app.projections.standings() {
        let lag = head.0.saturating_sub(standing.position.0);
        metrics::gauge!("linggong_view_lag_events", "view" => standing.name).set(lag as f64);
        metrics::gauge!("linggong_view_position", "view" => standing.name).set(standing.position.0 as f64);
        let state = standing.state(head);
        for one in ViewState::ALL {
            let is = f64::from(u8::from(one == state));
            metrics::gauge!("linggong_view_state", "view" => standing.name, "state" => one.word()).set(is);
        }
    }
    app.metrics.render()
}
