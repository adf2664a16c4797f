//! Events of a newer software: shown as they are, never concluded from, and never written by this one.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::audience::{DEPARTMENTS, Department, NEVER, OPEN};
use crate::envelope::{
    Channel, EnvelopeError, Filed, FiledBasis, Outline, Subject, check_format, check_numbers, check_schema,
};
use crate::id::{ActorId, CommandId, EntityRef, EventId, OfficeId, PersonId};
use crate::mandate::Mandate;
use crate::measure::{Position, Version};
use crate::office::Role;
use crate::region::Region;
use crate::rules::PackNames;
use crate::time::Timestamp;

/// An event that this software does not know, by its type or by a word around it: carried and shown raw, never
/// skipped. It comes from a line that was read and from nowhere else, and nothing writes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RawEnvelope {
    /// The CloudEvents `type`.
    pub type_name: String,
    /// The data as written.
    pub data: Box<RawValue>,
    /// What of it this software does not know: the first that was met.
    pub beyond: Beyond,
    id: EventId,
    source: String,
    /// As written, for its kind may be unknown.
    subject: String,
    time: Timestamp,
    position: Position,
    version: Version,
    occurred_at: Timestamp,
    received_at: Option<Timestamp>,
    filed: Option<Filed>,
    region: Region,
    actor: ActorId,
    role: Option<Role>,
    office: Option<OfficeId>,
    channel: Option<Channel>,
    source_doc: Option<String>,
    command: Option<CommandId>,
    causation: Option<EventId>,
    touches: Vec<EntityRef>,
    audience: String,
}

/// What this software does not know of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Its type, or the version of its data.
    Type,
    /// An attribute that is not among ours.
    Attribute(String),
    /// What an attribute of ours says.
    Word {
        /// The attribute.
        attribute: &'static str,
        /// What it says.
        word: String,
    },
}

impl Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Beyond::Type => f.write_str("the type"),
            Beyond::Attribute(name) => write!(f, "the attribute `{name}`"),
            Beyond::Word { attribute, word } => write!(f, "the {attribute} `{word}`"),
        }
    }
}

impl RawEnvelope {
    /// What can be told of it.
    pub fn outline(&self) -> Outline<'_> {
        Outline {
            id: self.id,
            source: &self.source,
            subject: self.subject.parse().map_or(Subject::Beyond(&self.subject), Subject::Known),
            time: self.time,
            position: self.position,
            version: self.version,
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            filed: self.filed,
            region: self.region,
            actor: self.actor,
            role: self.role,
            office: self.office,
            channel: self.channel,
            source_doc: self.source_doc.as_deref(),
            command: self.command,
            causation: self.causation,
            touches: &self.touches,
            audience: &self.audience,
        }
    }

    /// Reads a line leniently; `beyond` is what is known to be unknown of it. `None` where the line holds nothing that
    /// a newer software might have added: then it is no event of ours at all.
    pub(crate) fn read(line: &str, beyond: Option<Beyond>) -> Result<Option<RawEnvelope>, EnvelopeError> {
        let mut members: Members<'_> = serde_json::from_str(line)?;
        members.beyond = beyond;
        let specversion: String = members.needed("specversion")?;
        check_format(&specversion, &members.needed::<String>("datacontenttype")?)?;
        for (one, other) in PAIRS {
            if members.found.contains_key(*one) != members.found.contains_key(*other) {
                return Err(EnvelopeError::Contract("one of two attributes that belong together is missing"));
            }
        }
        let type_name: String = members.needed("type")?;
        check_schema(&type_name, &members.needed::<String>("dataschema")?)?;
        let data: &RawValue = members.found.remove("data").ok_or(MISSING)?;
        check_numbers(data.get())?;
        let id = members.needed("id")?;
        let source = members.needed("source")?;
        let (subject, _) = members.entities("subject", |text| vec![text])?;
        let (_, touches) = members.entities("touches", |text| text.split(' ').collect())?;
        let (time, position, version) =
            (members.needed("time")?, members.needed("position")?, members.needed("version")?);
        let (occurred_at, region) = (members.needed("occurredat")?, members.needed("region")?);
        let (actor, role) = (members.needed("actor")?, members.word::<Role>("role")?);
        let (office, channel) = (members.optional("office")?, members.word::<Channel>("channel")?);
        let (source_doc, command) = (members.optional("sourcedoc")?, members.optional("commandid")?);
        let causation = members.optional("causation")?;
        let (received_at, filed) = (members.optional("receivedat")?, members.filed()?);
        let audience = members.audience()?;
        members.rest()?;
        let Some(beyond) = members.beyond else { return Ok(None) };
        let data = data.to_owned();
        Ok(Some(RawEnvelope {
            type_name,
            data,
            beyond,
            id,
            source,
            subject,
            time,
            position,
            version,
            occurred_at,
            received_at,
            filed,
            region,
            actor,
            role,
            office,
            channel,
            source_doc,
            command,
            causation,
            touches,
            audience,
        }))
    }
}

/// Attributes of which the one is never told without the other.
const PAIRS: &[(&str, &str)] =
    &[("filedat", "filedbasis"), ("onbehalfof", "mandate"), ("commandid", "commanddigest")];

/// An envelope lacks something that every one has.
const MISSING: EnvelopeError = EnvelopeError::Contract("an attribute that every event has is missing");

/// The longest word that a newer software may have for anything.
const MAX_WORD: usize = 64;

/// Whether a text may be a word of a newer software: of our spelling, which damage seldom is.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= MAX_WORD
        && text.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// The members of a line that are still to be read, each by its name.
struct Members<'a> {
    found: BTreeMap<String, &'a RawValue>,
    /// The first thing met that is not known here.
    beyond: Option<Beyond>,
}

impl Members<'_> {
    fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, EnvelopeError> {
        let Some(value) = self.found.remove(name) else { return Ok(None) };
        serde_json::from_str(value.get()).map(Some).map_err(EnvelopeError::Form)
    }

    fn needed<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, EnvelopeError> {
        self.optional(name)?.ok_or(MISSING)
    }

    /// Notes that a word is not known, where it may be one.
    fn unknown(&mut self, attribute: &'static str, word: &str) -> Result<(), EnvelopeError> {
        if !is_word(word) {
            return Err(EnvelopeError::Contract("an attribute holds what can be no word of ours"));
        }
        let word = word.to_owned();
        self.beyond.get_or_insert(Beyond::Word { attribute, word });
        Ok(())
    }

    /// A word of a closed list of ours, or of a longer one.
    fn word<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, EnvelopeError> {
        let value = *self.found.get(name).ok_or(MISSING)?;
        let text: String = self.needed(name)?;
        let known = serde_json::from_str(value.get()).ok();
        if known.is_none() {
            self.unknown(name, &text)?;
        }
        Ok(known)
    }

    /// The entities in an attribute that are of a kind known here, and its whole text.
    fn entities(
        &mut self,
        name: &'static str,
        split: impl FnOnce(&str) -> Vec<&str>,
    ) -> Result<(String, Vec<EntityRef>), EnvelopeError> {
        let text: String = self.needed(name)?;
        let mut known = Vec::new();
        for entity in split(&text) {
            if let Ok(entity) = entity.parse() {
                known.push(entity);
                continue;
            }
            let bad = || EnvelopeError::Contract("an attribute names no entity where it should");
            let (kind, id) = entity.split_once('/').ok_or_else(bad)?;
            // Of a known kind it would have been read, were its id one.
            if kind.parse::<crate::id::Kind>().is_ok() || id.parse::<EventId>().is_err() {
                return Err(bad());
            }
            self.unknown(name, kind)?;
        }
        Ok((text, known))
    }

    /// When it was filed, where this software knows what proves it.
    fn filed(&mut self) -> Result<Option<Filed>, EnvelopeError> {
        let Some(at) = self.optional("filedat")? else { return Ok(None) };
        Ok(self.word::<FiledBasis>("filedbasis")?.map(|basis| Filed { at, basis }))
    }

    fn audience(&mut self) -> Result<String, EnvelopeError> {
        let text: String = self.needed("audience")?;
        match text.strip_prefix(DEPARTMENTS) {
            Some(list) => {
                for name in list.split(',').filter(|it| it.parse::<Department>().is_err()) {
                    self.unknown("audience", name)?;
                }
            }
            None if text == OPEN || text == NEVER => {}
            None => self.unknown("audience", &text)?,
        }
        Ok(text)
    }

    /// What nobody asks of an event that is only shown, and whatever else stands there.
    fn rest(&mut self) -> Result<(), EnvelopeError> {
        self.optional::<PersonId>("onbehalfof")?;
        if self.found.contains_key("mandate") {
            self.word::<Mandate>("mandate")?;
        }
        self.optional::<Position>("basedon")?;
        self.optional::<String>("commanddigest")?;
        self.optional::<Uuid>("correlation")?;
        self.optional::<PackNames>("rules")?;
        for (name, value) in std::mem::take(&mut self.found) {
            let is_text = serde_json::from_str::<String>(value.get()).is_ok();
            if !is_word(&name) || name.contains('_') || !is_text {
                return Err(EnvelopeError::Contract("an attribute that can be none of a newer software"));
            }
            self.beyond.get_or_insert(Beyond::Attribute(name));
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            // Of two that say different things each reader would believe another one.
            if found.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands there twice"));
            }
        }
        Ok(Members { found, beyond: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Recorded;

    const LINE: &str = include_str!("../golden/posting.filled.v1.json");

    fn read(line: &str) -> Result<Recorded, EnvelopeError> {
        Recorded::from_line(line.trim_end().as_bytes())
    }

    /// The line with one piece changed, which it has.
    fn with(piece: &str, other: &str) -> String {
        assert!(LINE.contains(piece), "{piece} in {LINE}");
        LINE.replacen(piece, other, 1)
    }

    #[test]
    fn what_a_newer_software_may_have_added_makes_an_event_unknown_and_not_damaged() {
        let entity = |kind: &str| format!("{kind}/a267151d-8128-8cde-a5df-3fb159488f60");
        let word = |attribute, word: &str| Beyond::Word { attribute, word: word.to_owned() };
        let attribute = Beyond::Attribute("phase".to_owned());
        for (piece, other, beyond) in [
            (r#""role":"dispatcher""#, r#""role":"robot""#.to_owned(), word("role", "robot")),
            (r#""channel":"window""#, r#""channel":"radio""#.to_owned(), word("channel", "radio")),
            (r#""window_stamp""#, r#""blockchain""#.to_owned(), word("filedbasis", "blockchain")),
            (r#""in_person""#, r#""by_voice""#.to_owned(), word("mandate", "by_voice")),
            (r#""audience":"open""#, r#""audience":"dept:si,water""#.to_owned(), word("audience", "water")),
            (r#""audience":"open""#, r#""audience":"household""#.to_owned(), word("audience", "household")),
            (r#""region""#, r#""phase":"new","region""#.to_owned(), attribute),
            (r#""touches":""#, format!(r#""touches":"{} "#, entity("moon")), word("touches", "moon")),
            (r#""subject":"posting/"#, r#""subject":"moon/"#.to_owned(), word("subject", "moon")),
        ] {
            let Recorded::Unknown(raw) = read(&with(piece, &other)).expect(piece) else { panic!("{other}") };
            assert_eq!(raw.beyond, beyond);
            assert_eq!(raw.type_name, "cn.linggong.posting.filled.v1");
            let Recorded::Known(plain) = read(LINE).unwrap() else { panic!("it is known") };
            assert_eq!(
                (raw.data.get(), raw.outline().id),
                (plain.event.data().unwrap().get(), plain.meta.id)
            );
            assert_eq!(raw.outline().touches, plain.meta.touches, "those of a known kind");
        }
    }

    #[test]
    fn what_no_software_of_ours_would_write_is_still_refused() {
        for (piece, other) in [
            (r#""role":"dispatcher""#, r#""role":"Dis patcher""#),
            (r#""role":"dispatcher""#, r#""role":7"#),
            (r#""role":"dispatcher","#, ""),
            (r#""role":"dispatcher""#, r#""role":"robot","role":"dispatcher""#),
            (r#""region":"370102""#, r#""phase":"new","region":"37""#),
            (r#""region""#, r#""phase":1,"region""#),
            (r#""region""#, r#""Phase":"new","region""#),
            (r#""region""#, r#""a_phase":"new","region""#),
            (r#""filedbasis":"window_stamp""#, r#""phase":"new""#),
            (r#""subject":"posting/a267"#, r#""subject":"posting/z267"#),
            (r#""subject":"posting/a267"#, r#""subject":"moon/z267"#),
            (r#""audience":"open""#, r#""audience":"dept:""#),
            (r#""in_person""#, r#""sha256:00""#),
            (r#""data":{"#, r#""phase":"new","data":{"share":0.5,"#),
            (r#"/v1/schemas/posting"#, r#"/v1/schemas/moon"#),
            (r#""specversion":"1.0""#, r#""specversion":"2.0""#),
        ] {
            assert!(read(&with(piece, other)).is_err(), "{other}");
        }
    }

    #[test]
    fn an_event_of_an_unknown_kind_says_all_that_can_be_told_of_it() {
        let line = LINE.replace("posting.filled", "moon.landed").replace("posting/", "moon/");
        let Recorded::Unknown(raw) = read(&line).unwrap() else { panic!("no such kind is known") };
        let outline = raw.outline();
        assert_eq!(raw.type_name, "cn.linggong.moon.landed.v1");
        assert_eq!(outline.subject, Subject::Beyond("moon/a267151d-8128-8cde-a5df-3fb159488f60"));
        assert_eq!((outline.position, outline.touches), (Position(118), &[][..]));
        assert_eq!((outline.role, outline.channel), (Some(Role::Dispatcher), Some(Channel::Window)));
        assert_eq!(raw.beyond.to_string(), "the subject `moon`");
    }
}
