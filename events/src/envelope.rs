//! One event as it is written down: a CloudEvents 1.0 JSON object on one line.
//!
//! The line is the record: the Merkle leaf, the export and the message on the feed. Nobody re-encodes it.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::value::{self, BorrowedStrDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::audience::RecordedAudience;
use crate::event::{DecodeError, Event, EventType, TYPE_PREFIX};
use crate::id::{ActorId, CommandId, EntityRef, EventId, OfficeId, PersonId, uuid_of};
use crate::mandate::{Mandate, OnBehalfOf};
use crate::measure::{MAX_JSON_INTEGER, Position, Version};
use crate::newer::{Beyond, RawEnvelope};
use crate::office::Role;
use crate::region::Region;
use crate::rules::PackNames;
use crate::time::Timestamp;

/// The longest event line, in bytes.
pub const MAX_EVENT_BYTES: usize = 60 * 1024;

/// Room for a line of usual length.
const USUAL_BYTES: usize = 1400;

/// The version of CloudEvents.
const SPEC_VERSION: &str = "1.0";
/// What the data of every event is.
const CONTENT_TYPE: &str = "application/json";

/// Where the JSON Schema of a type's data is served.
const SCHEMA_PREFIX: &str = "/v1/schemas/";

/// How something reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// 窗口.
    Window,
    /// 线上.
    Online,
    /// 电话.
    Phone,
    /// 纸质表格导入.
    Import,
    /// 设备.
    Device,
    /// The engine itself.
    Engine,
}

/// What proves the filing instant, which decides "in time".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FiledBasis {
    /// 线上提交.
    Online,
    /// 窗口收件章.
    WindowStamp,
    /// 邮戳.
    Postmark,
    /// 首接机关.
    FirstReceiver,
}

/// When something was filed, and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filed {
    /// The instant.
    pub at: Timestamp,
    /// What proves it.
    pub basis: FiledBasis,
}

/// Everything about an event but its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The event.
    pub id: EventId,
    /// `/linggong/<log>/<partition>`.
    pub source: String,
    /// The entity whose history it belongs to first.
    pub subject: EntityRef,
    /// Recorded, stamped by the engine; never runs backward within a partition.
    pub time: Timestamp,
    /// Its place in the partition.
    pub position: Position,
    /// Its place among the events of `subject`.
    pub version: Version,
    /// When it happened in the world, as asserted.
    pub occurred_at: Timestamp,
    /// When our gateway received it; absent for facts that time alone makes true.
    pub received_at: Option<Timestamp>,
    /// When it was filed and what proves it, where filing matters.
    pub filed: Option<Filed>,
    /// The county it concerns: the place of work where there is one.
    pub region: Region,
    /// Who did it.
    pub actor: ActorId,
    /// As what.
    pub role: Role,
    /// At which office.
    pub office: Option<OfficeId>,
    /// For whom, and by what mandate.
    pub on_behalf_of: Option<OnBehalfOf>,
    /// How it reached us.
    pub channel: Channel,
    /// `sha256:…#sheet!row` of the form it came from.
    pub source_doc: Option<String>,
    /// The position that the actor had seen when deciding.
    pub based_on: Option<Position>,
    /// The command, and the keyed digest of its clear request; absent for facts that time alone makes true.
    pub command: Option<(CommandId, String)>,
    /// The event that made this one necessary.
    pub causation: Option<EventId>,
    /// What belongs together across commands.
    pub correlation: Option<Uuid>,
    /// Every entity the event concerns.
    pub touches: Vec<EntityRef>,
    /// Who may read it.
    pub audience: RecordedAudience,
    /// The rule packs in force.
    pub rules: PackNames,
}

/// One event with all that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Everything but the data.
    pub meta: Meta,
    /// The fact itself.
    pub event: Event,
}

/// One line read back.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every line is known")]
pub enum Recorded {
    /// An event of a known type.
    Known(Envelope),
    /// One of a newer software.
    Unknown(RawEnvelope),
}

/// Whose history an event belongs to first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// An entity.
    Known(EntityRef),
    /// One of a kind that this software does not know, as it was written.
    Beyond(&'a str),
}

impl Subject<'_> {
    /// The entity, where its kind is known.
    pub fn known(self) -> Option<EntityRef> {
        match self {
            Subject::Known(entity) => Some(entity),
            Subject::Beyond(_) => None,
        }
    }
}

/// What every event tells of itself, of whichever software; words that are not known here are absent.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each field is that of the same name in `Meta`")]
pub struct Outline<'a> {
    pub id: EventId,
    pub source: &'a str,
    pub subject: Subject<'a>,
    pub time: Timestamp,
    pub position: Position,
    pub version: Version,
    pub occurred_at: Timestamp,
    pub received_at: Option<Timestamp>,
    pub filed: Option<Filed>,
    pub region: Region,
    pub actor: ActorId,
    pub role: Option<Role>,
    pub office: Option<OfficeId>,
    pub channel: Option<Channel>,
    pub source_doc: Option<&'a str>,
    pub command: Option<CommandId>,
    pub causation: Option<EventId>,
    /// Those of a kind that is known.
    pub touches: &'a [EntityRef],
    /// As written: see [`crate::audience::admits`].
    pub audience: &'a str,
}

impl Meta {
    /// What it has in common with every event.
    pub fn outline(&self) -> Outline<'_> {
        Outline {
            id: self.id,
            source: &self.source,
            subject: Subject::Known(self.subject),
            time: self.time,
            position: self.position,
            version: self.version,
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            filed: self.filed,
            region: self.region,
            actor: self.actor,
            role: Some(self.role),
            office: self.office,
            channel: Some(self.channel),
            source_doc: self.source_doc.as_deref(),
            command: self.command.as_ref().map(|(id, _)| *id),
            causation: self.causation,
            touches: &self.touches,
            audience: self.audience.as_str(),
        }
    }
}

impl Recorded {
    /// What can be told of it, whether it is known or not.
    pub fn outline(&self) -> Outline<'_> {
        match self {
            Recorded::Known(envelope) => envelope.meta.outline(),
            Recorded::Unknown(raw) => raw.outline(),
        }
    }
}

/// A line as it is read; [`Envelope::to_line`] writes the same members in the same order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: EventId,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    type_name: Cow<'a, str>,
    subject: EntityRef,
    time: Timestamp,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow)]
    dataschema: Cow<'a, str>,
    position: Position,
    version: Version,
    occurredat: Timestamp,
    #[serde(default)]
    receivedat: Option<Timestamp>,
    #[serde(default)]
    filedat: Option<Timestamp>,
    #[serde(default)]
    filedbasis: Option<FiledBasis>,
    region: Region,
    actor: ActorId,
    role: Role,
    #[serde(default)]
    office: Option<OfficeId>,
    #[serde(default)]
    onbehalfof: Option<PersonId>,
    #[serde(default)]
    mandate: Option<Mandate>,
    channel: Channel,
    #[serde(default)]
    sourcedoc: Option<String>,
    #[serde(default)]
    basedon: Option<Position>,
    #[serde(default)]
    commandid: Option<CommandId>,
    #[serde(default)]
    commanddigest: Option<String>,
    #[serde(default)]
    causation: Option<EventId>,
    #[serde(default)]
    correlation: Option<Uuid>,
    #[serde(borrow)]
    touches: Cow<'a, str>,
    audience: RecordedAudience,
    #[serde(default)]
    rules: PackNames,
    #[serde(borrow, deserialize_with = "raw_text")]
    data: &'a str,
}

/// A value of whatever form, as it stands there.
fn raw_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(deserializer).map(RawValue::get)
}

impl<'a> Line<'a> {
    /// Reads a line in the very spelling of [`Envelope::to_line`], which nearly every one has; `None` says nothing.
    ///
    /// Its data is whatever stands there, of which only its decoder can tell whether it is JSON.
    fn as_written(text: &'a str) -> Option<Line<'a>> {
        let mut line = Written(text);
        Some(Line {
            specversion: line.text("{\"specversion\":\"")?.into(),
            id: line.parsed(",\"id\":\"")?,
            source: line.text(",\"source\":\"")?.into(),
            type_name: line.text(",\"type\":\"")?.into(),
            subject: line.parsed(",\"subject\":\"")?,
            time: line.parsed(",\"time\":\"")?,
            datacontenttype: line.text(",\"datacontenttype\":\"")?.into(),
            dataschema: line.text(",\"dataschema\":\"")?.into(),
            position: line.parsed(",\"position\":\"")?,
            version: line.parsed(",\"version\":\"")?,
            occurredat: line.parsed(",\"occurredat\":\"")?,
            receivedat: line.optional(",\"receivedat\":\"", Written::parsed)?,
            filedat: line.optional(",\"filedat\":\"", Written::parsed)?,
            filedbasis: line.optional(",\"filedbasis\":\"", Written::word)?,
            region: line.parsed(",\"region\":\"")?,
            actor: line.parsed(",\"actor\":\"")?,
            role: line.word(",\"role\":\"")?,
            office: line.optional(",\"office\":\"", Written::parsed)?,
            onbehalfof: line.optional(",\"onbehalfof\":\"", Written::parsed)?,
            mandate: line.optional(",\"mandate\":\"", Written::word)?,
            channel: line.word(",\"channel\":\"")?,
            sourcedoc: line.optional(",\"sourcedoc\":\"", Written::text)?.map(str::to_owned),
            basedon: line.optional(",\"basedon\":\"", Written::parsed)?,
            commandid: line.optional(",\"commandid\":\"", Written::parsed)?,
            commanddigest: line.optional(",\"commanddigest\":\"", Written::text)?.map(str::to_owned),
            causation: line.optional(",\"causation\":\"", Written::parsed)?,
            correlation: match line.optional(",\"correlation\":\"", Written::text)? {
                Some(text) => Some(uuid_of(text)?),
                None => None,
            },
            touches: line.text(",\"touches\":\"")?.into(),
            audience: line.parsed(",\"audience\":\"")?,
            rules: line.optional(",\"rules\":\"", Written::parsed)?.unwrap_or_default(),
            data: line.0.strip_prefix(",\"data\":")?.strip_suffix('}')?,
        })
    }
}

/// What is left to be read of a line that is written as we write.
struct Written<'a>(&'a str);

impl<'a> Written<'a> {
    /// The text behind `before`, in which nothing is escaped.
    fn text(&mut self, before: &str) -> Option<&'a str> {
        let (text, rest) = self.0.strip_prefix(before)?.split_once('"')?;
        // Of every byte, so that they can be looked at many at a time; a JSON text holds no control character bare.
        let is_plain = text.bytes().fold(true, |plain, it| plain & (it != b'\\') & (it >= b' '));
        self.0 = rest;
        is_plain.then_some(text)
    }

    fn parsed<T: FromStr>(&mut self, before: &str) -> Option<T> {
        self.text(before)?.parse().ok()
    }

    fn word<T: Deserialize<'a>>(&mut self, before: &str) -> Option<T> {
        let text: BorrowedStrDeserializer<'a, value::Error> =
            BorrowedStrDeserializer::new(self.text(before)?);
        T::deserialize(text).ok()
    }

    /// What `read` finds behind `before`, where that is what comes next; `None` where it cannot be read.
    #[expect(clippy::option_option, reason = "absent is not the same as unreadable")]
    fn optional<T>(
        &mut self,
        before: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.0.starts_with(before) { read(self, before).map(Some) } else { Some(None) }
    }
}

/// Why an event cannot be written down.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The line would exceed [`MAX_EVENT_BYTES`].
    #[error("the event `{type_name}` would be {bytes} bytes long, more than {MAX_EVENT_BYTES}")]
    TooLong {
        /// Its type.
        type_name: String,
        /// Its length.
        bytes: usize,
    },
    /// Something in it has no JSON.
    #[error("something in the event cannot be written as JSON")]
    Form(#[from] serde_json::Error),
    /// A number in its data would be another one to some readers.
    #[error("the data of the event `{type_name}` holds a number that not every reader keeps exactly")]
    Inexact {
        /// Its type.
        type_name: String,
    },
}

/// Why a line cannot be read as an event.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// The line is no envelope of ours.
    #[error("the line is not an event envelope")]
    Form(#[from] serde_json::Error),
    /// The line is an envelope, but something in it contradicts the contract.
    #[error("the envelope breaks the contract: {0}")]
    Contract(&'static str),
    /// The list of what it touches names something that is no entity.
    #[error("the envelope's `touches` is not a list of entities")]
    Entities,
    /// The data of a known type is not of its form.
    #[error(transparent)]
    Data(DecodeError),
}

impl Envelope {
    /// The line of this event, without its line feed.
    pub fn to_line(&self) -> Result<Vec<u8>, WriteError> {
        let Envelope { meta, event } = self;
        let event_type = event.event_type();
        let mut line = Members::begin();
        line.plain("specversion", SPEC_VERSION);
        line.plain("id", meta.id);
        line.member("source", &meta.source)?;
        line.plain("type", Schema(TYPE_PREFIX, event_type));
        line.plain("subject", meta.subject);
        line.plain("time", meta.time);
        line.plain("datacontenttype", CONTENT_TYPE);
        line.plain("dataschema", Schema(SCHEMA_PREFIX, event_type));
        line.plain("position", meta.position);
        line.plain("version", meta.version);
        line.plain("occurredat", meta.occurred_at);
        line.plain_if("receivedat", meta.received_at);
        line.plain_if("filedat", meta.filed.map(|it| it.at));
        line.member_if("filedbasis", meta.filed.map(|it| it.basis))?;
        line.plain("region", Shown(meta.region));
        line.plain("actor", meta.actor);
        line.member("role", &meta.role)?;
        line.plain_if("office", meta.office);
        line.plain_if("onbehalfof", meta.on_behalf_of.map(|it| it.person));
        line.plain_if("mandate", meta.on_behalf_of.map(|it| Shown(it.mandate)));
        line.member("channel", &meta.channel)?;
        line.member_if("sourcedoc", meta.source_doc.as_ref())?;
        line.plain_if("basedon", meta.based_on);
        line.plain_if("commandid", meta.command.as_ref().map(|(id, _)| *id));
        line.member_if("commanddigest", meta.command.as_ref().map(|(_, digest)| digest))?;
        line.plain_if("causation", meta.causation);
        line.plain_if("correlation", meta.correlation);
        line.plain("touches", meta.touches.as_slice());
        line.plain("audience", meta.audience.as_str());
        line.member_if("rules", Some(&meta.rules).filter(|it| !it.is_empty()))?;
        line.name("data");
        let data_begins = line.0.len();
        event.write_data(&mut line.0)?;
        if !numbers_are_exact(&line.0[data_begins..]) {
            return Err(WriteError::Inexact { type_name: event_type.short_name() });
        }
        line.0.push(b'}');
        if line.0.len() > MAX_EVENT_BYTES {
            return Err(WriteError::TooLong { type_name: event_type.short_name(), bytes: line.0.len() });
        }
        Ok(line.0)
    }
}

/// The members of a JSON object, written one after the other.
struct Members(Vec<u8>);

impl Members {
    fn begin() -> Members {
        Members(Vec::with_capacity(USUAL_BYTES))
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(if self.0.is_empty() { b"{\"" } else { b",\"" });
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// A member that holds nothing a JSON text escapes: an id, an instant, a counter, a word of ours.
    fn plain(&mut self, name: &str, value: impl Plain) {
        self.name(name);
        self.0.push(b'"');
        value.put(&mut self.0);
        self.0.push(b'"');
    }

    fn plain_if(&mut self, name: &str, value: Option<impl Plain>) {
        if let Some(value) = value {
            self.plain(name, value);
        }
    }

    fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.name(name);
        serde_json::to_writer(&mut self.0, value)
    }

    fn member_if(&mut self, name: &str, value: Option<impl Serialize>) -> Result<(), serde_json::Error> {
        value.map_or(Ok(()), |it| self.member(name, &it))
    }
}

/// What is written in few bytes that nothing escapes. Each line has a dozen of them, so they go without a formatter.
trait Plain {
    fn put(self, line: &mut Vec<u8>);
}

impl Plain for &str {
    fn put(self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.as_bytes());
    }
}

impl Plain for Uuid {
    fn put(self, line: &mut Vec<u8>) {
        let mut text = [0; Hyphenated::LENGTH];
        self.hyphenated().encode_lower(&mut text);
        line.extend_from_slice(&text);
    }
}

/// Gives each of these the plain form of what it holds.
macro_rules! plain_as {
    ($($of:ty),+) => {
        $(impl Plain for $of {
            fn put(self, line: &mut Vec<u8>) {
                self.0.put(line);
            }
        })+
    };
}
plain_as!(ActorId, CommandId, EventId, OfficeId, PersonId, Position, Version);

impl Plain for u64 {
    fn put(mut self, line: &mut Vec<u8>) {
        let mut digits = [0; 20];
        let mut begins = digits.len();
        loop {
            begins -= 1;
            digits[begins] = b'0' + (self % 10) as u8;
            self /= 10;
            if self == 0 {
                break;
            }
        }
        line.extend_from_slice(&digits[begins..]);
    }
}

impl Plain for Timestamp {
    fn put(self, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.text());
    }
}

impl Plain for EntityRef {
    fn put(self, line: &mut Vec<u8>) {
        self.kind.name().put(line);
        line.push(b'/');
        self.id.put(line);
    }
}

/// Separated by spaces.
impl Plain for &[EntityRef] {
    fn put(self, line: &mut Vec<u8>) {
        for (nth, entity) in self.iter().enumerate() {
            if nth > 0 {
                line.push(b' ');
            }
            entity.put(line);
        }
    }
}

/// The name of a type's schema behind a prefix: `hire.agreed.v1`.
struct Schema(&'static str, &'static EventType);

impl Plain for Schema {
    fn put(self, line: &mut Vec<u8>) {
        let Schema(prefix, EventType { kind, name, version, .. }) = self;
        for part in [prefix, kind.name(), ".", name, ".v"] {
            part.put(line);
        }
        u64::from(*version).put(line);
    }
}

/// What is rare enough to be formatted as it is shown.
struct Shown<D>(D);

impl<D: Display> Plain for Shown<D> {
    fn put(self, line: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        let _ = write!(line, "{}", self.0);
    }
}

impl Recorded {
    /// Reads one line (without its line feed).
    pub fn from_line(line: &[u8]) -> Result<Recorded, EnvelopeError> {
        if line.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::Contract("a line longer than an event may be"));
        }
        // Looked at once as a whole: cheaper than text by text.
        let line =
            std::str::from_utf8(line).map_err(|_| EnvelopeError::Contract("a line that is no text"))?;
        match Recorded::from_known(line) {
            Err(EnvelopeError::Data(DecodeError::Unknown { .. })) => {
                let raw = RawEnvelope::read(line, Some(Beyond::Type))?;
                raw.map(Recorded::Unknown).ok_or(EnvelopeError::Contract("an event of no type"))
            }
            // A newer software may have another kind, role or attribute: only what has none of them is damaged.
            Err(error @ (EnvelopeError::Form(_) | EnvelopeError::Entities)) => {
                match RawEnvelope::read(line, None) {
                    Ok(Some(raw)) => Ok(Recorded::Unknown(raw)),
                    Ok(None) | Err(_) => Err(error),
                }
            }
            known => known.map(Recorded::Known),
        }
    }

    /// Reads a line in which every word is one of ours.
    fn from_known(text: &str) -> Result<Envelope, EnvelopeError> {
        // Whatever is amiss with a line, and any other spelling of it, is told by the one full reading below.
        match Line::as_written(text).map(Recorded::from_members) {
            Some(Ok(envelope)) => Ok(envelope),
            Some(Err(_)) | None => Recorded::from_any_spelling(text),
        }
    }

    /// Reads a line of whatever spelling JSON has for it.
    fn from_any_spelling(text: &str) -> Result<Envelope, EnvelopeError> {
        Recorded::from_members(serde_json::from_str(text)?)
    }

    fn from_members(line: Line<'_>) -> Result<Envelope, EnvelopeError> {
        check_format(&line.specversion, &line.datacontenttype)?;
        let filed = match (line.filedat, line.filedbasis) {
            (Some(at), Some(basis)) => Some(Filed { at, basis }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(EnvelopeError::Contract("filedat without filedbasis"));
            }
        };
        let on_behalf_of = match (line.onbehalfof, line.mandate) {
            (Some(person), Some(mandate)) => Some(OnBehalfOf { person, mandate }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(EnvelopeError::Contract("onbehalfof without mandate"));
            }
        };
        let command = match (line.commandid, line.commanddigest) {
            (Some(id), Some(digest)) => Some((id, digest)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(EnvelopeError::Contract("commandid without commanddigest"));
            }
        };
        check_schema(&line.type_name, &line.dataschema)?;
        let touches: Result<Vec<EntityRef>, _> = line.touches.split(' ').map(str::parse).collect();
        check_numbers(line.data)?;
        let meta = Meta {
            id: line.id,
            source: line.source.into_owned(),
            subject: line.subject,
            time: line.time,
            position: line.position,
            version: line.version,
            occurred_at: line.occurredat,
            received_at: line.receivedat,
            filed,
            region: line.region,
            actor: line.actor,
            role: line.role,
            office: line.office,
            on_behalf_of,
            channel: line.channel,
            source_doc: line.sourcedoc,
            based_on: line.basedon,
            command,
            causation: line.causation,
            correlation: line.correlation,
            touches: touches.map_err(|_| EnvelopeError::Entities)?,
            audience: line.audience,
            rules: line.rules,
        };
        let event = Event::decode(&line.type_name, line.data).map_err(EnvelopeError::Data)?;
        Ok(Envelope { meta, event })
    }
}

pub(crate) fn check_format(specversion: &str, datacontenttype: &str) -> Result<(), EnvelopeError> {
    if specversion == SPEC_VERSION && datacontenttype == CONTENT_TYPE {
        return Ok(());
    }
    Err(EnvelopeError::Contract("specversion or datacontenttype is not ours"))
}

pub(crate) fn check_schema(type_name: &str, dataschema: &str) -> Result<(), EnvelopeError> {
    let schema = type_name.strip_prefix(TYPE_PREFIX).unwrap_or(type_name);
    if dataschema.strip_prefix(SCHEMA_PREFIX) == Some(schema) {
        return Ok(());
    }
    Err(EnvelopeError::Contract("dataschema is not that of the type"))
}

pub(crate) fn check_numbers(data: &str) -> Result<(), EnvelopeError> {
    if numbers_are_exact(data.as_bytes()) {
        return Ok(());
    }
    Err(EnvelopeError::Contract("data holds a number that not every reader keeps exactly"))
}

/// Whether every number in `json`, which is well-formed, is written as an integer of at most 2^53 − 1.
fn numbers_are_exact(json: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += match byte {
            b'"' => 1 + text_length(&json[at + 1..]),
            b'-' | b'0'..=b'9' => {
                let is_of_it = |it: &&u8| matches!(it, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = json[at..].iter().take_while(is_of_it).count();
                let number = std::str::from_utf8(&json[at..at + length]).ok().and_then(|it| it.parse().ok());
                if !number.is_some_and(|it| (-MAX_JSON_INTEGER..=MAX_JSON_INTEGER).contains(&it)) {
                    return false;
                }
                length
            }
            _ => 1,
        };
    }
    true
}

/// The length of a text with its closing quote, from behind its opening one.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|it| matches!(it, b'"' | b'\\')) {
        if bytes[at + next] == b'"' {
            return at + next + 1;
        }
        // What follows a backslash ends no text.
        at = (at + next + 2).min(bytes.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden_lines() -> Vec<String> {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")).unwrap();
        let paths =
            files.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some_and(|it| it == "json"));
        paths.map(|it| std::fs::read_to_string(it).unwrap().trim_end().to_owned()).collect()
    }

    #[test]
    fn every_golden_line_is_in_the_spelling_that_is_read_at_once() {
        for line in golden_lines() {
            let at_once = Recorded::from_members(Line::as_written(&line).expect(&line)).expect(&line);
            assert_eq!(at_once, Recorded::from_any_spelling(&line).unwrap());
        }
    }

    #[test]
    fn what_is_read_at_once_is_what_any_spelling_of_it_says_whatever_byte_is_changed() {
        let (mut read, mut refused) = (0, 0);
        for line in golden_lines() {
            for at in (0..line.len()).filter(|at| line.is_char_boundary(*at) && line.is_char_boundary(at + 1))
            {
                let instead = [
                    "", "\"", "\\", "\\u0061", "\n", " ", "0", "9", "a", "F", "-", "{", "}", ",", "[1.5]",
                    "é",
                ];
                let instead = instead[(at * 7 + line.len()) % instead.len()];
                let changed = [&line[..at], instead, &line[at + 1..]].concat();
                let Some(Ok(at_once)) = Line::as_written(&changed).map(Recorded::from_members) else {
                    refused += 1;
                    continue;
                };
                assert_eq!(at_once, Recorded::from_any_spelling(&changed).expect(&changed));
                read += 1;
            }
        }
        assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
    }

    #[test]
    fn numbers_that_a_reader_would_round_are_found() {
        for json in [
            r#"{"a":9007199254740991,"b":-9007199254740991,"c":[0,-1],"d":true,"e":false,"f":null}"#,
            r#"{"a":"9007199254740992 1.5 \\","b":"\"1.5","c":{}}"#,
            "7",
            "{}",
        ] {
            assert!(numbers_are_exact(json.as_bytes()), "{json}");
        }
        for json in [
            r#"{"a":9007199254740992}"#,
            r#"[-9007199254740992]"#,
            r#"{"a":18446744073709551615}"#,
            r#"{"a":1.5}"#,
            r#"{"a":"\\","b":1e3}"#,
            "1.0",
        ] {
            assert!(!numbers_are_exact(json.as_bytes()), "{json}");
        }
    }
}
