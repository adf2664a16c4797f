//! People's sealed fields, evidence, packs, sources, the log's head, views: what operators and officers need.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linggong_engine::command::Actor;
use linggong_engine::rules::Pack;
use linggong_events::id::{CaseId, EntityRef, PersonId};
use linggong_events::office::Role;
use linggong_events::person::PersonField;
use linggong_events::rules::PackKind;
use linggong_events::time::Date;
use linggong_projections::PageRequest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::auth::Asking;
use super::commands::not_opened;
use super::error::Problem;
use super::{App, events, reads};
use crate::permission::{Own, Reach, Resource, covers, may_open, reach};
use crate::vault::{MediaType, Purpose, PurposeKind, person_label};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    fields: Vec<PersonField>,
    purpose: PurposeKind,
    #[serde(default)]
    case: Option<CaseId>,
}

/// Opens sealed fields of one person, for a stated purpose; each opening is on record before it happens.
pub(super) async fn open_person(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(person): Path<PersonId>,
    Json(opening): Json<Opening>,
) -> Result<Json<Value>, Problem> {
    if reach(actor.role, Resource::Sealed) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let row = app.readers.directory.person(person)?.value.ok_or_else(Problem::not_found)?;
    if !reads::known_here(&app, &actor, person.into())? && !works_here(&app, &actor, person)? {
        return Err(Problem::not_found());
    }
    let refused = |why| Problem::new(StatusCode::FORBIDDEN, "opening_refused", why);
    if !may_open(actor.role, opening.purpose) {
        return Err(refused("your role does not open sealed fields for this purpose"));
    }
    if opening.purpose == PurposeKind::CaseHandling && !handles(&app, &actor, opening.case, person)? {
        return Err(refused("name a case of this person that is assigned to you"));
    }
    let sealed_by = row.sealed_by.ok_or_else(Problem::not_found)?;
    let purpose = Purpose {
        actor: actor.id,
        role: actor.role,
        reason: opening.purpose,
        case: opening.case,
        // Nobody vouches for a second officer by naming one: what a sealed key keeps does not open here.
        second_officer: None,
        at: app.clock.now(),
    };
    let opened = tokio::task::spawn_blocking(move || {
        let mut vault = app.vault();
        let mut clear = Map::new();
        for field in opening.fields {
            let Some(sealed) = row.known.sealed.get(&field) else { continue };
            let text = vault.open_sealed(sealed, sealed_by, person_label(field), &purpose)?;
            clear.insert(person_label(field).to_owned(), Value::from(text.expose()));
        }
        Ok(clear)
    });
    let clear =
        opened.await.map_err(|error| Problem::internal(&error))?.map_err(|error| not_opened(&error))?;
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

/// Whether `case` is the actor's to handle and `person` is a party of it.
fn handles(app: &App, actor: &Actor, case: Option<CaseId>, person: PersonId) -> Result<bool, Problem> {
    let Some(case) = case else { return Ok(false) };
    let Some(history) = app.readers.case_history.case(case)?.value else { return Ok(false) };
    let row = history.case;
    // As for acting in it: of its office, and where somebody is assigned, they or the lead.
    let at_office = row.office.is_some() && row.office == actor.office;
    let theirs = row.officer.is_none_or(|it| it == actor.id) || actor.role == Role::CaseLead;
    if !at_office || !theirs || !covers(actor, row.region) {
        return Ok(false);
    }
    let workers = app.readers.directory.workers_of(person)?.value;
    let claims = row.worker.is_some_and(|it| workers.contains(&it));
    let employer = match row.employer {
        Some(employer) => app.readers.directory.employer(employer)?.value,
        None => None,
    };
    Ok(claims || employer.is_some_and(|it| it.details.person == Some(person)))
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
    let refused = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "evidence_refused", detail);
    let media = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let media: MediaType = serde_json::from_value(Value::from(media))
        .map_err(|_| refused("this media type is not taken as evidence".into()))?;
    let bytes = body.len();
    let stored = tokio::task::spawn_blocking(move || app.vault().store_evidence(query.about, media, &body));
    let digest = stored.await.map_err(|error| Problem::internal(&error))?;
    let digest = digest.map_err(|error| refused(crate::chain(&error)))?;
    Ok(Json(json!({ "digest": digest.to_string(), "bytes": bytes })))
}

pub(super) async fn accesses(State(app): State<App>, Asking(actor): Asking) -> Result<Json<Value>, Problem> {
    if reach(actor.role, Resource::AccessLog) == Reach::Nothing {
        return Err(Problem::not_found());
    }
    let read = tokio::task::spawn_blocking(move || {
        let vault = app.vault();
        vault.accesses().map(|records| (records, vault.access_head()))
    });
    let (records, head) =
        read.await.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))?;
    let head = json!({ "commit": head.commit, "digest": head.digest });
    Ok(Json(json!({ "items": records, "head": head })))
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
    operator(&actor.role)?;
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

fn operator(role: &Role) -> Result<(), Problem> {
    match reach(*role, Resource::Operation) {
        Reach::Nothing | Reach::Own => Err(Problem::not_found()),
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
    let digest: linggong_events::commit::Digest = format!("sha256:{}", digest.trim_start_matches("sha256:"))
        .parse()
        .map_err(|_| Problem::not_found())?;
    let rows = app.readers.sources.rows(&digest.to_string())?;
    Ok(Json(json!({ "rows": rows.value, "position": rows.position })))
}

pub(super) async fn head(State(app): State<App>, Asking(_): Asking) -> Result<Json<Value>, Problem> {
    let head = *app.partition.head.borrow();
    let tree = app.tree_head().await?;
    Ok(Json(json!({
        "commit": head.commit, "epoch": head.epoch, "position": head.position, "digest": head.digest.to_string(),
        "signed": tree,
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
    operator(&actor.role)?;
    let head = app.partition.head.borrow().position;
    let standings = app.projections.standings();
    let items = standings.into_iter().map(|it| {
        let lag = head.0.saturating_sub(it.position.0);
        let state = if it.trouble.is_some() {
            "parked"
        } else if lag > 0 {
            "behind"
        } else {
            "current"
        };
        json!({ "name": it.name, "version": it.version, "position": it.position, "lag": lag, "state": state,
                "trouble": it.trouble, "rebuilt": it.rebuilt })
    });
    Ok(Json(json!({ "items": items.collect::<Vec<_>>(), "position": head })))
}

pub(super) async fn rebuild(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    operator(&actor.role)?;
    if app.projections.rebuild(&name) { Ok(StatusCode::ACCEPTED) } else { Err(Problem::not_found()) }
}

pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Ready while commands are taken and no view stands still.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let stopped = app.partition.stopped.borrow().clone();
    let troubled: Vec<_> =
        app.projections.standings().into_iter().filter(|it| it.trouble.is_some()).map(|it| it.name).collect();
    let ready = stopped.is_none() && troubled.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let why = json!({ "ready": ready, "partition": stopped.unwrap_or_else(|| "running".into()), "parked": troubled });
    (status, Json(why)).into_response()
}

pub(super) async fn metrics(State(app): State<App>) -> String {
    let head = app.partition.head.borrow().position;
    metrics::gauge!("linggong_log_position").set(head.0 as f64);
    for standing in app.projections.standings() {
        let lag = head.0.saturating_sub(standing.position.0);
        metrics::gauge!("linggong_view_lag_events", "view" => standing.name).set(lag as f64);
        let parked = f64::from(u8::from(standing.trouble.is_some()));
        metrics::gauge!("linggong_view_parked", "view" => standing.name).set(parked);
    }
    app.metrics.render()
}
