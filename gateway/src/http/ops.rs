//! People's sealed fields, evidence, packs, sources, the log's head, views: what operators and officers need.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linggong_engine::rules::Pack;
use linggong_events::id::{ActorId, CaseId, EntityRef, PersonId};
use linggong_events::person::PersonField;
use linggong_events::rules::PackKind;
use linggong_events::time::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::App;
use super::auth::Asking;
use super::commands::not_opened;
use super::error::Problem;
use crate::permission::{Reach, Resource, reach};
use crate::vault::{MediaType, Purpose, PurposeKind, person_label};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    fields: Vec<PersonField>,
    purpose: PurposeKind,
    #[serde(default)]
    case: Option<CaseId>,
    #[serde(default)]
    second_officer: Option<ActorId>,
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
    let sealed_by = row.sealed_by.ok_or_else(Problem::not_found)?;
    let purpose = Purpose {
        actor: actor.id,
        role: actor.role,
        reason: opening.purpose,
        case: opening.case,
        second_officer: opening.second_officer,
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
    if !actor.is_staff() && actor.worker.is_none() && actor.employer.is_none() {
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

fn operator(role: &linggong_events::office::Role) -> Result<(), Problem> {
    match reach(*role, Resource::Operation) {
        Reach::Nothing | Reach::Own => Err(Problem::not_found()),
        Reach::Regions => Ok(()),
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
