//! Who and what: typed ids, the kinds of the domain, and the one pure function that makes new ids.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

/// Declares ids of entities that have events of their own, the kind each belongs to, and [`Kind`] itself.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $id:ident, $serde_name:literal;)*) => {
        /// A domain noun with its own ids and its own events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $variant),* }

        impl Kind {
            /// Every kind, in the order of the documents.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The word for this kind in event types, commands, addresses and files.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name),* }
            }

            /// The kind of the id type that serde calls `serde_name`; `None` for ids without events of their own.
            pub(crate) fn of_serde_name(serde_name: &str) -> Option<Kind> {
                match serde_name { $($serde_name => Some(Kind::$variant),)* _ => None }
            }
        }

        $(
            id_type! { $(#[$doc])* $id }

            impl From<$id> for EntityRef {
                fn from(id: $id) -> EntityRef { EntityRef { kind: Kind::$variant, id: id.0 } }
            }
        )*
    };
}

macro_rules! id_type {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        pub struct $id(pub Uuid);

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$id, D::Error> {
                // In texts one id has one spelling; formats of our own hold the bytes.
                if !deserializer.is_human_readable() {
                    return Uuid::deserialize(deserializer).map($id);
                }
                crate::text::parsed(deserializer)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl FromStr for $id {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> { parse_uuid(text).map($id) }
        }
    };
}

kinds! {
    /// 零工市场: a place where day labourers and employers meet.
    Market = "market", MarketId, "MarketId";
    /// A public body or the desk of one, with its staff and their roles.
    Office = "office", OfficeId, "OfficeId";
    /// A human whose data is sealed.
    Person = "person", PersonId, "PersonId";
    /// 零工: a person who looks for gig work.
    Worker = "worker", WorkerId, "WorkerId";
    /// 用人主体: whoever pays for work, from an enterprise to a household.
    Employer = "employer", EmployerId, "EmployerId";
    /// 岗位: work offered, with its places and pay.
    Posting = "posting", PostingId, "PostingId";
    /// 派工: one place of a posting held open for one worker, which ends exactly once.
    Offer = "offer", OfferId, "OfferId";
    /// 撮合: one run of the matching core.
    Match = "match", MatchId, "MatchId";
    /// 用工: one worker engaged for one posting.
    Hire = "hire", HireId, "HireId";
    /// 考勤: what is said about presence on one hire.
    Attendance = "attendance", AttendanceId, "AttendanceId";
    /// 工钱: what one hire earns, until it is paid.
    Wage = "wage", WageId, "WageId";
    /// 保险: one cover of one worker.
    Insurance = "insurance", InsuranceId, "InsuranceId";
    /// 欠薪反映: what a worker claims, as registered at a desk.
    Claim = "claim", ClaimId, "ClaimId";
    /// 案件: what an office does about claims.
    Case = "case", CaseId, "CaseId";
    /// 规则包: statutes, calendars and tables as data.
    Rules = "rules", RulesId, "RulesId";
}

id_type! {
    /// One event; derived from the command or the deadline that caused it.
    EventId
}
id_type! {
    /// One command, by actor and the key that the client chose.
    CommandId
}
id_type! {
    /// Somebody or something with a credential of their own.
    ActorId
}
id_type! {
    /// One key in the vault; it seals the fields of one person.
    KeyId
}
id_type! {
    /// One market card: a keyed hash of its number, which tells nothing without the vault's key.
    CardId
}

impl ActorId {
    /// The engine itself: the actor of facts that time alone makes true.
    pub const ENGINE: ActorId = ActorId(Uuid::nil());
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Kind, BadId> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| BadId { text: shortened(text) })
    }
}

/// Any entity of any kind, written `hire/<uuid>`: the CloudEvents `subject` and the items of `touches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef {
    /// The kind of the entity.
    pub kind: Kind,
    /// Its id within that kind.
    pub id: Uuid,
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl FromStr for EntityRef {
    type Err = BadId;
    fn from_str(text: &str) -> Result<EntityRef, BadId> {
        let (kind, id) = text.split_once('/').ok_or_else(|| BadId { text: shortened(text) })?;
        Ok(EntityRef { kind: kind.parse()?, id: parse_uuid(id)? })
    }
}

impl EntityRef {
    /// The name under which serde knows the type.
    pub(crate) const SERDE_NAME: &'static str = "EntityRef";
}

impl Serialize for EntityRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(EntityRef::SERDE_NAME, &format_args!("{self}"))
    }
}

impl<'de> Deserialize<'de> for EntityRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EntityRef, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl JsonSchema for EntityRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EntityRef".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z]+/[0-9a-f-]{36}$" })
    }
}

/// A text that is no id of the form asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an id of this form")]
pub struct BadId {
    /// What was given, shortened.
    pub text: String,
}

/// The id of the command that `actor` gave under `key`.
pub fn command_id(actor: ActorId, key: Uuid) -> CommandId {
    CommandId(hashed(&[b"linggong:command", actor.0.as_bytes(), key.as_bytes()]))
}

/// The `n`-th new id of `kind` (a kind's name, or `event`) under one command.
///
/// Gateway, engine and offline clients share this function, so that ids are known before the command is
/// sent and replay needs no chance.
pub fn new_id(command: CommandId, kind: &str, n: u32) -> Uuid {
    hashed(&[b"linggong:new", command.0.as_bytes(), kind.as_bytes(), &n.to_be_bytes()])
}

/// The stand-in for a command where time alone makes a fact true: one per entity, label and due instant.
pub fn deadline_id(entity: EntityRef, label: &str, due_ms: i64) -> CommandId {
    CommandId(hashed(&[
        b"linggong:deadline",
        entity.kind.name().as_bytes(),
        entity.id.as_bytes(),
        label.as_bytes(),
        &due_ms.to_be_bytes(),
    ]))
}

/// A UUIDv8 of SHA-256 over length-prefixed parts: no two lists of parts run into each other.
fn hashed(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

/// Accepts only the lower-case hyphenated form, so that one id has one spelling everywhere.
fn parse_uuid(text: &str) -> Result<Uuid, BadId> {
    uuid_of(text).ok_or_else(|| BadId { text: shortened(text) })
}

/// The id of a text in the one form.
pub(crate) fn uuid_of(text: &str) -> Option<Uuid> {
    let text: &[u8; uuid::fmt::Hyphenated::LENGTH] = text.as_bytes().as_array()?;
    let mut digits = [0; uuid::fmt::Simple::LENGTH];
    let mut filled = 0;
    for (nth, group) in [0..8, 9..13, 14..18, 19..23, 24..36].into_iter().enumerate() {
        if nth > 0 && text[group.start - 1] != b'-' {
            return None;
        }
        let from = &text[group];
        digits[filled..filled + from.len()].copy_from_slice(from);
        filled += from.len();
    }
    crate::text::of_hex(&digits).map(Uuid::from_bytes)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_frozen() {
        let actor = ActorId(Uuid::from_u128(1));
        let command = command_id(actor, Uuid::from_u128(2));
        assert_eq!(command.to_string(), "0989f881-9ea4-84af-a413-8f74e743bcb7");
        assert_eq!(new_id(command, "hire", 0).to_string(), "697a1da7-95a7-821c-b676-d6d0e280ae14");
        assert_eq!(new_id(command, "event", 0).get_version_num(), 8);
        assert_ne!(new_id(command, "hire", 0), new_id(command, "hire", 1));
    }

    #[test]
    fn an_entity_reads_back_as_written() {
        let entity = EntityRef::from(HireId(Uuid::from_u128(7)));
        assert_eq!(entity.to_string().parse(), Ok(entity));
        assert!("hire/0000".parse::<EntityRef>().is_err());
        assert!("HIRE/00000000-0000-0000-0000-000000000007".parse::<EntityRef>().is_err());
        assert!("hire/00000000-0000-0000-0000-00000000000A".parse::<EntityRef>().is_err());
        let spelled = |text: &str| serde_json::from_str::<HireId>(&format!("\"{text}\""));
        assert!(spelled("00000000-0000-0000-0000-00000000000a").is_ok());
        for other in ["00000000-0000-0000-0000-00000000000A", "{00000000-0000-0000-0000-00000000000a}"] {
            assert!(spelled(other).is_err(), "one id has one spelling: {other}");
        }
    }
}
