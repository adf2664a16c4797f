//! Events as they were written: pages, single ones, causes and effects, timelines, and a live stream.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Sse, KeepAlive, Sse as SseResponse};
use linggong_engine::command::Actor;
use linggong_events::envelope::Recorded;
use linggong_events::id::{ActorId, EntityRef, Kind};
use linggong_events::log::LogReader;
use linggong_events::measure::Position;
use linggong_projections::timeline::{Entry, Timeline};
use linggong_projections::{AsOf, Cursor, PageRequest, View as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_stream::{Stream, StreamExt as _};
use uuid::Uuid;

use super::App;
use super::asked::{Limit, Query};
use super::auth::Asking;
use super::error::Problem;
use super::reads::{OneQuery, check_known};
use crate::permission::may_see;

/// The most lines that one page looks at.
const SCAN: u64 = 5_000;

/// The most effects that stand with an event of a timeline; all of them, in pages, are at `…/effects`.
const EFFECTS: u16 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventsQuery {
    after: Option<Position>,
    before: Option<Position>,
    limit: Limit,
    #[serde(rename = "type")]
    type_prefix: Option<String>,
    at_least: Option<Position>,
}

/// Events as answers carry them: each in the very bytes that were written.
#[derive(Debug, Serialize)]
pub(super) struct Events<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    /// The last event that the answer takes into account.
    position: Position,
}

/// One event of a timeline, with the positions of what caused it and what it caused.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    event: Box<RawValue>,
    causes: Vec<Position>,
    /// The first [`EFFECTS`] of them.
    effects: Vec<Position>,
}

/// The line at `position`, if the actor may see it and its type begins with `prefix`.
pub(super) fn visible(
    app: &App,
    actor: &Actor,
    position: Position,
    prefix: &str,
) -> Result<Option<Box<RawValue>>, Problem> {
    visible_then(app, actor, position, prefix, None)
}

/// The same, if it was so by the moment asked for.
fn visible_then(
    app: &App,
    actor: &Actor,
    position: Position,
    prefix: &str,
    as_of: Option<AsOf>,
) -> Result<Option<Box<RawValue>>, Problem> {
    let Some(line) = app.log.line(position)? else { return Ok(None) };
    let recorded = Recorded::from_line(&line)?;
    if as_of.is_some_and(|it| !it.includes(&recorded)) {
        return Ok(None);
    }
    let type_name = match &recorded {
        Recorded::Known(it) => it.event.event_type().short_name(),
        Recorded::Unknown(raw) => raw.type_name.clone(),
    };
    if !type_name.starts_with(prefix) || !may_see(actor, &recorded, &type_name) {
        return Ok(None);
    }
    // The very bytes that were written, not a copy made anew.
    let text = String::from_utf8(line).map_err(|error| Problem::internal(&error))?;
    RawValue::from_string(text).map(Some).map_err(|error| Problem::internal(&error))
}

pub(super) async fn list(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Events<Box<RawValue>>>, Problem> {
    if query.after.is_some() && query.before.is_some() {
        return Err(Problem::bad_request("`after` and `before` exclude each other"));
    }
    app.wait_for_log(query.at_least).await?;
    let head = app.partition.head.borrow().position;
    let limit = usize::from(query.limit.0);
    let prefix = query.type_prefix.unwrap_or_default();
    let mut items = Vec::new();
    // What the page has looked at: every position after `from` up to `to`.
    let (mut from, mut to);
    if let Some(before) = query.before {
        to = Position(before.0.saturating_sub(1).min(head.0));
        from = to;
        let stop = Position(to.0.saturating_sub(SCAN));
        while from > stop && items.len() < limit {
            give_way(from).await;
            items.extend(visible(&app, &actor, from, &prefix)?);
            from = Position(from.0 - 1);
        }
        items.reverse();
    } else {
        from = query.after.unwrap_or_default();
        to = from;
        let stop = Position(head.0.min(to.0.saturating_add(SCAN)));
        while to < stop && items.len() < limit {
            to = to.next();
            give_way(to).await;
            items.extend(visible(&app, &actor, to, &prefix)?);
        }
    }
    let next = (to < head).then(|| to.to_string());
    let prev = (from.0 > 0).then(|| from.next().to_string());
    Ok(Json(Events { items, next, prev, position: head }))
}

pub(super) async fn one(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(position): Path<Position>,
) -> Result<Json<Box<RawValue>>, Problem> {
    visible(&app, &actor, position, "")?.map(Json).ok_or_else(Problem::not_found)
}

pub(super) async fn causes(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(position): Path<Position>,
) -> Result<Json<Events<Box<RawValue>>>, Problem> {
    visible(&app, &actor, position, "")?.ok_or_else(Problem::not_found)?;
    let found = app.readers.timeline.causes(position)?;
    let items = seen(&app, &actor, found.value)?;
    Ok(Json(Events { items, next: None, prev: None, position: found.position }))
}

pub(super) async fn effects(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(position): Path<Position>,
    Query(query): Query<EffectsQuery>,
) -> Result<Json<Events<Box<RawValue>>>, Problem> {
    visible(&app, &actor, position, "")?.ok_or_else(Problem::not_found)?;
    let page = PageRequest { cursor: query.after.or(query.before), limit: query.limit.0, order: query.order };
    let found = app.readers.timeline.effects(position, &page)?;
    let items = seen(&app, &actor, found.value.rows)?;
    let cursor = |cursor: Option<Cursor>| cursor.map(|it| it.to_string());
    let (next, prev) = (cursor(found.value.next), cursor(found.value.prev));
    Ok(Json(Events { items, next, prev, position: found.position }))
}

/// A page of the direct effects of one event.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EffectsQuery {
    limit: Limit,
    after: Option<Cursor>,
    before: Option<Cursor>,
    order: linggong_projections::Order,
}

/// Lets others go on, and the request's time limit strike, once in a while of a long search.
async fn give_way(at: Position) {
    if at.0.is_multiple_of(64) {
        tokio::task::yield_now().await;
    }
}

/// The lines behind the entries that the actor may see.
fn seen(app: &App, actor: &Actor, entries: Vec<Entry>) -> Result<Vec<Box<RawValue>>, Problem> {
    let mut lines = Vec::new();
    for entry in entries {
        lines.extend(visible(app, actor, entry.position, "")?);
    }
    Ok(lines)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimelineQuery {
    limit: Limit,
    after: Option<Cursor>,
    before: Option<Cursor>,
    order: linggong_projections::Order,
    at_least: Option<Position>,
    as_known: Option<String>,
    as_happened: Option<String>,
}

pub(super) async fn timeline(
    State(app): State<App>,
    Asking(actor): Asking,
    Path((kind, id)): Path<(String, Uuid)>,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Events<Moment>>, Problem> {
    app.wait_for(query.at_least, &[Timeline::NAME]).await?;
    let kind: Kind = kind.parse().map_err(|_| Problem::not_found())?;
    let as_of = OneQuery::moment(query.as_known, query.as_happened).as_of()?;
    let is_first = query.after.is_none() && query.before.is_none();
    let mut request =
        PageRequest { cursor: query.after.or(query.before), limit: query.limit.0, order: query.order };
    let entity = EntityRef { kind, id };
    let mut found = app.readers.timeline.touching(entity, &request)?;
    let mut items = moments(&app, &actor, &found.value.rows, as_of)?;
    // A page of which nothing may be seen tells nothing, not even that it is there.
    while items.is_empty() {
        let Some(next) = found.value.next.take() else { break };
        tokio::task::yield_now().await;
        request = request.at(Some(next));
        found = app.readers.timeline.touching(entity, &request)?;
        items = moments(&app, &actor, &found.value.rows, as_of)?;
    }
    if items.is_empty() && is_first {
        return Err(Problem::not_found());
    }
    if let Some(as_of) = as_of {
        check_known(&app, as_of)?;
    }
    let cursor = |cursor: Option<Cursor>| cursor.map(|it| it.to_string());
    let (next, prev) = (cursor(found.value.next), cursor(found.value.prev));
    Ok(Json(Events { items, next, prev, position: found.position }))
}

/// The events behind `entries` that the actor may see, with those causes and effects that they may see too.
fn moments(app: &App, actor: &Actor, entries: &[Entry], as_of: Option<AsOf>) -> Result<Vec<Moment>, Problem> {
    let mut items = Vec::new();
    for entry in entries {
        let Some(event) = visible_then(app, actor, entry.position, "", as_of)? else { continue };
        let causes = shown(app, actor, app.readers.timeline.causes(entry.position)?.value, as_of)?;
        let effects = app.readers.timeline.effects(entry.position, &PageRequest::first(EFFECTS))?.value.rows;
        items.push(Moment { event, causes, effects: shown(app, actor, effects, as_of)? });
    }
    Ok(items)
}

/// The positions of those entries that the actor may see and that were so by then.
fn shown(
    app: &App,
    actor: &Actor,
    entries: Vec<Entry>,
    as_of: Option<AsOf>,
) -> Result<Vec<Position>, Problem> {
    let mut positions = Vec::new();
    for entry in entries {
        if visible_then(app, actor, entry.position, "", as_of)?.is_some() {
            positions.push(entry.position);
        }
    }
    Ok(positions)
}

/// The most streams at once.
const MAX_STREAMS: usize = 256;
/// The most streams at once of one actor.
const MAX_STREAMS_OF_ONE: usize = 8;

/// The streams that are open, by whose they are.
#[derive(Debug, Default)]
pub struct Streams(Mutex<BTreeMap<ActorId, usize>>);

impl Streams {
    fn open(self: &Arc<Streams>, actor: ActorId) -> Result<OpenStream, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (open.values().sum::<usize>(), open.get(&actor).copied().unwrap_or(0));
        if all >= MAX_STREAMS || own >= MAX_STREAMS_OF_ONE {
            let detail = "too many streams are open: close one, or come back later";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(5));
        }
        open.insert(actor, own + 1);
        Ok(OpenStream { streams: self.clone(), actor })
    }
}

/// A stream's place among those that may be open; free again when dropped.
struct OpenStream {
    streams: Arc<Streams>,
    actor: ActorId,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.actor).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            open.remove(&self.actor);
        } else {
            open.insert(self.actor, left);
        }
    }
}

/// Every event that the actor may see, from the one after `Last-Event-ID` or `after` on, and then as they come.
pub(super) async fn stream(
    State(app): State<App>,
    Asking(actor): Asking,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<SseResponse<impl Stream<Item = Result<Sse, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let last: Option<Position> = match last {
        Some(text) => {
            Some(text.parse().map_err(|_| Problem::bad_request("`Last-Event-ID` is not a position"))?)
        }
        None => query.after,
    };
    let place = app.streams.open(actor.id)?;
    let end = app.partition.head.borrow().position;
    let from = last.unwrap_or(end);
    if from > end {
        // Whoever waits there would hear nothing for long, and then the events of another log.
        let detail = format!("this log ends at {end}: position {from} is of another log, or of none");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "ahead_of_log", detail));
    }
    let prefix = query.type_prefix.unwrap_or_default();
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let mut head = app.partition.head.clone();
    let (grants, mut stopping) = (app.partition.grants.clone(), app.stopping.clone());
    tokio::spawn(async move {
        let _place = place;
        let mut at = from;
        // A comment: whoever keeps the stream keeps it too, and no client takes it for an event.
        if app.demo && sender.send(Ok(Sse::default().comment("demo data, of nobody real"))).await.is_err() {
            return;
        }
        loop {
            let target = head.borrow_and_update().position;
            while at < target {
                at = at.next();
                // Where nothing is to be told for long, the others get their turn, and a reader gone is noticed.
                if at.0.is_multiple_of(64) {
                    tokio::task::yield_now().await;
                }
                if sender.is_closed() || *stopping.borrow() {
                    return;
                }
                // A role taken back ends the stream before the next event.
                let Ok(actor) = grants.borrow().actor(actor.id, Some(actor.role), actor.office) else {
                    return;
                };
                match visible(&app, &actor, at, &prefix) {
                    Ok(Some(line)) => {
                        let event = Sse::default().id(at.to_string()).data(line.get());
                        if sender.send(Ok(event)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                _ = stopping.wait_for(|it| *it) => return,
            }
        }
    });
    let events = tokio_stream::wrappers::ReceiverStream::new(receiver).map(|it| it);
    Ok(SseResponse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
