//! The one route of all commands, and receipts.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use linggong_engine::command::{About, Actor, Command, CommandError, Request};
use linggong_engine::partition::Receipt;
use linggong_engine::refusal::Refusal;
use linggong_events::commit::Digest;
use linggong_events::envelope::{Channel, Envelope, Recorded};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{CommandId, EntityRef, EventId, KeyId, PersonId, command_id};
use linggong_events::measure::{Position, Version};
use linggong_projections::timeline::Timeline;
use linggong_projections::{Order, PageRequest, View};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::at_vault::Follows;
use super::auth::Asking;
use super::error::Problem;
use super::seen_through::SeenThrough;
use super::{App, cards, names};
use crate::partition_task::Place;
use crate::vault::{OpenError, SealError, VaultError};

/// What a command's actor gets: proof of what was recorded.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ReceiptAnswer {
    /// The command.
    command: CommandId,
    /// The position of its first event.
    first: Position,
    /// The position of its last event; a read with `at_least` of it sees everything.
    position: Position,
    /// When it was recorded.
    recorded_at: linggong_events::time::Timestamp,
    /// Whether nothing new was written because all of it was so already.
    unchanged: bool,
    /// The commit that holds the events.
    commit: u64,
    /// The hash of that commit's bytes.
    commit_digest: String,
    /// The events.
    events: Vec<ReceiptEvent>,
}

/// One recorded event in a receipt.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ReceiptEvent {
    /// The event.
    id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    type_name: String,
    /// The entity it is about.
    subject: EntityRef,
    /// Its position.
    position: Position,
    /// The hash of its line.
    digest: String,
}

pub(super) async fn give(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ReceiptAnswer>, Problem> {
    let received_at = app.clock.now();
    let command_type = Command::find(&name).ok_or_else(Problem::not_found)?;
    if !command_type.roles.contains(&actor.role) {
        return Err(Refusal::RoleNotAllowed.into());
    }
    let key = key(&headers)?;
    // Before anything is read or sealed: whoever is turned away costs next to nothing.
    let place = app.partition.enter()?;
    let request: Value = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not JSON: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let Value::Object(mut fields) = request else {
        return Err(Problem::bad_request("the body is not a JSON object"));
    };
    if fields.iter().any(|(name, value)| hides(name) || any_text(value, hides)) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_fields",
            "a text holds characters that cannot be seen or that turn the direction of reading",
        ));
    }
    let canonical = serde_json::to_string(&fields).map_err(|error| Problem::internal(&error))?;
    let about: About = match fields.remove("about") {
        Some(about) => serde_json::from_value(about).map_err(|error| bad_fields("about", &error))?,
        None => About::default(),
    };
    check_cause(&app, &actor, about.causation).await?;
    let command_id = command_id(actor.id, key);
    cards::resolve(&app, actor.role, command_id, command_type, &mut fields).await?;
    let digest = app.vault.digests.of(actor.id, &format!("{name}\n{canonical}"));
    let is_personal = command_type.personal.iter().any(|it| fields.contains_key(it.name));
    let mut payload = Value::Object(fields);
    if is_personal && actor.is_staff() && about.channel == Some(Channel::Import) {
        names::check(&app, command_id, command_type.personal, &payload, received_at).await?;
    }
    if is_personal {
        let sealed = app.vault.at(move |vault| {
            vault.seal_command(&mut payload, command_type.personal, command_id, received_at.date())?;
            Ok::<_, SealError>(payload)
        });
        payload = sealed.await?.map_err(unsealed)?;
    }
    let command = Command::decode(&command_type.name(), payload).map_err(|error| match error {
        CommandError::Unknown { .. } => Problem::not_found(),
        CommandError::Fields { cause, .. } => bad_fields("body", &cause),
    })?;
    let follows = Follows::of(&command);
    if let Some(Follows::Key(person, key)) = follows {
        check_key(&app, person, key).await?;
    }
    let asking = actor.clone();
    let request = Request { key, digest, actor, about, received_at, command };
    check_evidence(&app, command_id, request.evidence()?).await?;
    // Whoever hangs up now keeps neither the vault from being told nor the place from being held.
    let deciding = SeenThrough::new(decide(app.clone(), place, request, follows));
    let receipt = match deciding.await? {
        Ok(receipt) => receipt,
        Err(refusal) => return Err(refused(&app, &asking, refusal)),
    };
    metrics::counter!("linggong_commands_accepted_total").increment(1);
    answer(&app, receipt).map(Json)
}

/// Lets the partition decide, and the vault follow it.
async fn decide(
    app: App,
    place: Place,
    request: Request,
    follows: Option<Follows>,
) -> Result<Result<Receipt, Refusal>, Problem> {
    let decided = app.partition.command_from(place, request).await?;
    match follows {
        // What a refused command told anew is dropped.
        Some(follows @ Follows::Revision(..)) => follows.told(&app.vault, &app.partition).await?,
        Some(follows @ (Follows::Key(..) | Follows::Cards(_))) if decided.is_ok() => {
            follows.told(&app.vault, &app.partition).await?;
        }
        Some(Follows::Key(..) | Follows::Cards(_)) | None => {}
    }
    Ok(decided)
}

/// The most changes that a conflict of versions tells.
const CHANGES: usize = 50;

/// A refusal; a conflict of versions says what changed since the actor looked, as far as they may see it, so that
/// they can decide again.
fn refused(app: &App, actor: &Actor, refusal: Refusal) -> Problem {
    let Refusal::VersionConflict { entity, expected, actual } = &refusal else { return refusal.into() };
    let Ok(changed) = changed_since(app, actor, *entity, *expected) else { return refusal.into() };
    let more = json!({ "entity": entity, "expected": expected, "actual": actual, "changed": changed });
    Problem::from(refusal).with(more)
}

/// The newest changes of `entity` after its version `since`, the newest first.
fn changed_since(app: &App, actor: &Actor, entity: EntityRef, since: Version) -> Result<Vec<Value>, Problem> {
    let mut changed = Vec::new();
    let mut page = PageRequest::first(200).order(Order::Down);
    loop {
        let found = app.readers.timeline.touching(entity, &page)?.value;
        for it in found.rows.iter().filter(|it| it.subject == Some(entity)) {
            if it.version <= since || changed.len() == CHANGES {
                return Ok(changed);
            }
            if super::events::visible(app, actor, it.position, "")?.is_some() {
                changed.push(json!({
                    "version": it.version, "position": it.position, "type": it.type_name,
                    "recorded_at": it.recorded_at, "actor": it.actor, "role": it.role,
                }));
            }
        }
        let Some(next) = found.next else { return Ok(changed) };
        page = page.at(Some(next));
    }
}

/// Refuses a command that names evidence which does not lie in the vault: what an event says is proved can be
/// shown. Whoever repeats a command still gets its first receipt, whatever became of the evidence since.
async fn check_evidence(app: &App, command: CommandId, evidence: Vec<EvidenceDigest>) -> Result<(), Problem> {
    if evidence.is_empty() {
        return Ok(());
    }
    if app.vault.glance(|vault| vault.saw_evidence(&evidence)) == Some(true) {
        return Ok(());
    }
    let missing = app.vault.look(move |vault| vault.missing_evidence(&evidence)).await?;
    let Some(digest) = missing.map_err(|error| Problem::internal(&error))? else { return Ok(()) };
    let repeated =
        app.partition.ask(move |partition, _| partition.state().remembered(command).is_some()).await?;
    if repeated { Ok(()) } else { Err(Refusal::EvidenceUnknown { digest }.into()) }
}

/// Refuses a cause that is no event, or none that the actor may see: nobody makes up why something happened.
async fn check_cause(app: &App, actor: &Actor, cause: Option<EventId>) -> Result<(), Problem> {
    let Some(cause) = cause else { return Ok(()) };
    let head = app.partition.head.borrow().position;
    app.wait_for(Some(head), &[Timeline::NAME]).await?;
    let known = match app.readers.timeline.position_of(cause)?.value {
        Some(position) => super::events::visible(app, actor, position, "")?.is_some(),
        None => false,
    };
    if known {
        Ok(())
    } else {
        Err(Refusal::bad_field("about.causation", "is no event that you can see").into())
    }
}

/// Refuses a key that is not the person's: the engine checks holds by person, so the two must belong together.
async fn check_key(app: &App, person: PersonId, key: KeyId) -> Result<(), Problem> {
    match app.vault.look(move |vault| vault.key_of(person)).await? {
        Some((own, _)) if own == key => Ok(()),
        Some(_) | None => Err(Refusal::bad_field("key", "is not a key of this person").into()),
    }
}

pub(super) async fn receipt(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(command): Path<String>,
) -> Result<Json<ReceiptAnswer>, Problem> {
    let command: CommandId = command.parse().map_err(|_| Problem::not_found())?;
    let receipt = app.partition.receipt_of(actor.id, command).await?;
    let receipt = receipt.ok_or_else(Problem::not_found)?;
    answer(&app, receipt).map(Json)
}

/// Whether a text holds what changes the reading without being seen. Commands check their texts too; this holds
/// for whatever a command may yet forget, also for what is sealed and read by nobody until years later.
fn hides(text: &str) -> bool {
    text.chars().any(linggong_engine::text::is_hidden)
}

fn any_text(value: &Value, is: fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|it| any_text(it, is)),
        Value::Object(members) => members.iter().any(|(name, it)| is(name) || any_text(it, is)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn key(headers: &HeaderMap) -> Result<Uuid, Problem> {
    let missing =
        || Problem::bad_request("send one `Idempotency-Key` with a UUID of version 7 that you choose");
    let mut values = headers.get_all("idempotency-key").iter();
    let value = values.next().and_then(|it| it.to_str().ok()).ok_or_else(missing)?;
    // One form only, so that one key is never written in two ways.
    if values.next().is_some() || value.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(missing());
    }
    Uuid::try_parse(value).map_err(|_| missing())
}

/// What is wrong, and where, without what was sent.
pub(super) fn bad_fields(at: &str, error: &serde_json::Error) -> Problem {
    let what = error.to_string();
    // Serde quotes what it did not expect, which may be anybody's data: only names of ours are shown.
    let named = ["unknown field", "missing field", "invalid type", "duplicate field", "unknown variant"];
    let shown = named.iter().find(|it| what.starts_with(**it)).map(|it| match *it {
        "missing field" | "duplicate field" => what.chars().take(160).collect(),
        "unknown field" => match what.split_once(", expected ") {
            Some((_, ours)) => {
                format!("unknown field; expected {}", ours.chars().take(400).collect::<String>())
            }
            None => (*it).to_owned(),
        },
        _ => (*it).to_owned(),
    });
    let detail = format!(
        "`{at}` is not of the form of this command: {}",
        shown.unwrap_or_else(|| "a value is out of range or form".into())
    );
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", detail)
}

fn unsealed(error: SealError) -> Problem {
    match &error {
        SealError::Form { .. } | SealError::Clear { .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", crate::chain(&error))
        }
        SealError::Vault(VaultError::CommandReused) => Refusal::KeyReused.into(),
        SealError::Vault(VaultError::Clear(bad)) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", crate::chain(bad))
        }
        SealError::Vault(unknown @ VaultError::UnknownPerson { .. }) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_fields", crate::chain(unknown))
        }
        SealError::Vault(closed @ (VaultError::Sealed { .. } | VaultError::Shredded { .. })) => {
            Problem::new(StatusCode::CONFLICT, "not_possible", crate::chain(closed))
        }
        SealError::Vault(_) => Problem::internal(&error),
    }
}

/// Completes an engine's receipt with what the log alone knows: hashes.
fn answer(app: &App, receipt: Receipt) -> Result<ReceiptAnswer, Problem> {
    let commit = app.log.shared_commit_of(receipt.position)?.ok_or_else(Problem::not_found)?;
    let mut events = Vec::new();
    let first = receipt.first.0.max(commit.header().first);
    for position in (first..=receipt.position.0).map(Position) {
        let Some(line) = commit.line_at(position) else { continue };
        // The engine goes past no event that it does not know, so that no receipt of it speaks of one.
        let Recorded::Known(Envelope { meta, event }) = Recorded::from_line(line)? else { continue };
        let type_name = event.event_type().short_name();
        let digest = Digest::of(line).to_string();
        events.push(ReceiptEvent { id: meta.id, type_name, subject: meta.subject, position, digest });
    }
    Ok(ReceiptAnswer {
        command: receipt.command,
        first: receipt.first,
        position: receipt.position,
        recorded_at: receipt.recorded_at,
        unchanged: receipt.unchanged,
        commit: commit.header().commit,
        commit_digest: commit.digest().to_string(),
        events: if receipt.unchanged { Vec::new() } else { events },
    })
}

/// Why a field was not opened, as an answer.
pub(super) fn not_opened(error: &OpenError) -> Problem {
    tracing::warn!(error = %crate::chain(error), "a sealed field was not opened");
    Problem::new(StatusCode::FORBIDDEN, "opening_refused", error.to_string())
}
