//! Every event there is, and the table of their types.

use schemars::{Schema, SchemaGenerator};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::audience::Audience;
use crate::id::{EntityRef, Kind};
use crate::touch;

/// One event type at its newest version.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// The kind whose event it is.
    pub kind: Kind,
    /// The name within the kind, in the past tense: `agreed`.
    pub name: &'static str,
    /// The version of its data.
    pub version: u32,
    /// Who may read it.
    pub audience: Audience,
    /// The JSON Schema of its data.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl EventType {
    /// `hire.agreed`.
    pub fn short_name(&self) -> String {
        format!("{}.{}", self.kind, self.name)
    }

    /// `hire.agreed.v1`, the name of its schema.
    pub fn schema_name(&self) -> String {
        format!("{}.v{}", self.short_name(), self.version)
    }

    /// `cn.linggong.hire.agreed.v1`, the CloudEvents `type`.
    pub fn full_name(&self) -> String {
        format!("{TYPE_PREFIX}{}", self.schema_name())
    }
}

/// What every CloudEvents `type` of ours begins with.
pub const TYPE_PREFIX: &str = "cn.linggong.";

/// Declares the events of one kind: a struct per event, the enum of them, and their table.
///
/// The first braces hold the fields that are always there, `+ optional` those that may be absent.
macro_rules! events {
    ($(#[$doc:meta])* $Enum:ident: $kind:ident { $(
        $(#[$edoc:meta])* $Name:ident = $name:literal, $version:literal, $audience:ident $(($($dept:ident),*))? => {
            $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)?
        } $(+ optional { $($(#[$odoc:meta])* $ofield:ident: $otype:ty),* $(,)? })?
    )* }) => {
        $(
            $(#[$edoc])*
            #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $Name {
                $($(#[$fdoc])* pub $field: $type,)*
                $($($(#[$odoc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $ofield: Option<$otype>,)*)?
            }

            impl From<$Name> for crate::event::Event {
                fn from(data: $Name) -> Self { crate::event::Event::$kind($Enum::$Name(data)) }
            }
        )*

        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "an event is moved a few times and stored once")]
        pub enum $Enum { $($(#[$edoc])* $Name($Name)),* }

        impl $Enum {
            /// The types of this kind, in the order of declaration.
            pub const TYPES: &'static [crate::event::EventType] = &[$(crate::event::EventType {
                kind: crate::id::Kind::$kind,
                name: $name,
                version: $version,
                audience: events!(@audience $audience $(($($dept),*))?),
                schema: <$Name as schemars::JsonSchema>::json_schema,
            }),*];

            /// The type of this event.
            pub fn event_type(&self) -> &'static crate::event::EventType {
                #[derive(Clone, Copy)]
                enum Nth { $($Name),* }
                &Self::TYPES[match self { $(Self::$Name(_) => Nth::$Name),* } as usize]
            }

            pub(crate) fn decode(name: &str, data: &str) -> Option<Result<Self, serde_json::Error>> {
                match name {
                    $($name => Some(serde_json::from_str(data).map(Self::$Name)),)*
                    _ => None,
                }
            }

            pub(crate) fn visit<R>(&self, visitor: impl crate::event::Visitor<R>) -> R {
                match self { $(Self::$Name(data) => visitor.visit(data)),* }
            }
        }
    };
    (@audience Never) => { crate::audience::Audience::Never };
    (@audience Open) => { crate::audience::Audience::Open };
    (@audience To($($dept:ident),*)) => {
        crate::audience::Audience::Departments(&[$(crate::audience::Department::$dept),*])
    };
}
pub(crate) use events;

/// Something to be done with the data of whichever event it is.
pub(crate) trait Visitor<R> {
    fn visit(self, data: &impl serde::Serialize) -> R;
}

macro_rules! event_enum {
    ($($kind:ident($module:ident::$enum:ident)),* $(,)?) => {
        /// A fact, named in the past tense; it carries the results of the decision, so replay needs no rules.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is the kind of the same name")]
        #[allow(clippy::large_enum_variant, reason = "an event is moved a few times and stored once")]
        pub enum Event { $($kind(crate::$module::$enum)),* }

        impl Event {
            /// Every event type at its newest version.
            pub fn types() -> impl Iterator<Item = &'static EventType> {
                std::iter::empty()$(.chain(crate::$module::$enum::TYPES))*
            }

            /// The event types of one kind.
            fn types_of(kind: Kind) -> &'static [EventType] {
                match kind { $(Kind::$kind => crate::$module::$enum::TYPES),* }
            }

            /// The type of this event.
            pub fn event_type(&self) -> &'static EventType {
                match self { $(Event::$kind(event) => event.event_type()),* }
            }

            fn decode_newest(kind: Kind, name: &str, data: &str) -> Option<Result<Event, serde_json::Error>> {
                match kind { $(Kind::$kind => crate::$module::$enum::decode(name, data).map(|it| it.map(Event::$kind))),* }
            }

            fn visit<R>(&self, visitor: impl Visitor<R>) -> R {
                match self { $(Event::$kind(event) => event.visit(visitor)),* }
            }
        }
    };
}

event_enum! {
    Market(market::MarketEvent),
    Office(office::OfficeEvent),
    Person(person::PersonEvent),
    Worker(worker::WorkerEvent),
    Employer(employer::EmployerEvent),
    Posting(posting::PostingEvent),
    Offer(offer::OfferEvent),
    Match(matching::MatchEvent),
    Hire(hire::HireEvent),
    Attendance(attendance::AttendanceEvent),
    Wage(wage::WageEvent),
    Insurance(insurance::InsuranceEvent),
    Claim(claim::ClaimEvent),
    Case(case::CaseEvent),
    Rules(rules::RulesEvent),
}

struct Touches;
impl Visitor<Vec<EntityRef>> for Touches {
    fn visit(self, data: &impl serde::Serialize) -> Vec<EntityRef> {
        touch::entities_in(data)
    }
}

struct ToRaw;
impl Visitor<Result<Box<RawValue>, serde_json::Error>> for ToRaw {
    fn visit(self, data: &impl serde::Serialize) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(data)
    }
}

struct ToJson<'a>(&'a mut Vec<u8>);
impl Visitor<Result<(), serde_json::Error>> for ToJson<'_> {
    fn visit(self, data: &impl serde::Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer(self.0, data)
    }
}

impl Event {
    /// The entity whose history this event belongs to first: the first id of the event's own kind.
    ///
    /// # Panics
    /// Where an event type names no entity of its kind; a test visits every type, so none lands.
    pub fn subject(&self) -> EntityRef {
        self.subject_among(&self.touches())
    }

    /// [`Event::subject`], where [`Event::touches`] is at hand.
    ///
    /// # Panics
    /// As there.
    pub fn subject_among(&self, touches: &[EntityRef]) -> EntityRef {
        let kind = self.event_type().kind;
        let own = touches.iter().find(|entity| entity.kind == kind);
        *own.unwrap_or_else(|| panic!("`{}` names no {kind}", self.event_type().short_name()))
    }

    /// Every entity the event names, its subject among them.
    pub fn touches(&self) -> Vec<EntityRef> {
        self.visit(Touches)
    }

    /// The event's data as JSON.
    pub fn data(&self) -> Result<Box<RawValue>, serde_json::Error> {
        self.visit(ToRaw)
    }

    /// Writes the event's data as JSON behind what stands in `bytes`.
    pub(crate) fn write_data(&self, bytes: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.visit(ToJson(bytes))
    }

    /// Reads the data of an event of the full type name `type_name`, lifting older versions to the newest.
    pub fn decode(type_name: &str, data: &str) -> Result<Event, DecodeError> {
        let unknown = || DecodeError::Unknown { type_name: type_name.to_owned() };
        let (kind, name, version) = split_type(type_name).ok_or_else(unknown)?;
        let newest = Event::types_of(kind).iter().find(|it| it.name == name).ok_or_else(unknown)?.version;
        let bad_data = |cause| DecodeError::Data { type_name: type_name.to_owned(), cause };

        let (reached, lifted) = crate::upcast::lift(kind, name, version, data).map_err(bad_data)?;
        // Newer than this software, or so old that no step leads here: its data must not be guessed at.
        if reached != newest {
            return Err(unknown());
        }
        let data = lifted.as_deref().map_or(data, RawValue::get);
        Event::decode_newest(kind, name, data).ok_or_else(unknown)?.map_err(bad_data)
    }
}

/// Splits `cn.linggong.hire.agreed.v1` into its parts.
fn split_type(type_name: &str) -> Option<(Kind, &str, u32)> {
    let rest = type_name.strip_prefix(TYPE_PREFIX)?;
    let (rest, digits) = rest.rsplit_once(".v")?;
    let (kind, name) = rest.split_once('.')?;
    // `v01` and `v+1` are no names of ours: one type has one spelling.
    if digits.starts_with(['0', '+']) {
        return None;
    }
    Some((kind.parse().ok()?, name, digits.parse().ok()?))
}

/// Why an event's data could not be read.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// A type or version that this software does not know; views show it raw, the engine stops before it.
    #[error("unknown event type `{type_name}`")]
    Unknown {
        /// The type as written.
        type_name: String,
    },
    /// A known type whose data is not of its form.
    #[error("data of `{type_name}` is not of its form")]
    Data {
        /// The type as written.
        type_name: String,
        /// What the decoder says.
        #[source]
        cause: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(type_name: &str, data: &str) -> Result<Event, DecodeError> {
        Event::decode(type_name, data)
    }

    #[test]
    fn only_the_one_spelling_of_a_known_version_is_read() {
        let data = r#"{"posting":"00000000-0000-0000-0000-000000000001"}"#;
        assert!(decode("cn.linggong.posting.filled.v1", data).is_ok());
        for type_name in [
            "cn.linggong.posting.filled.v0",
            "cn.linggong.posting.filled.v2",
            "cn.linggong.posting.filled.v01",
            "cn.linggong.posting.filled.v+1",
            "cn.linggong.posting.filled.v",
            "cn.linggong.posting.filled",
            "cn.linggong.posting.invented.v1",
            "cn.linggong.moon.filled.v1",
            "linggong.posting.filled.v1",
            "",
        ] {
            assert!(matches!(decode(type_name, data), Err(DecodeError::Unknown { .. })), "{type_name}");
        }
    }

    #[test]
    fn data_of_a_newer_version_is_unknown_and_not_broken() {
        let newer = decode("cn.linggong.posting.filled.v2", r#"{"posting":{"a":"form of 2031"}}"#);
        assert!(matches!(newer, Err(DecodeError::Unknown { .. })));
        let broken = decode("cn.linggong.posting.filled.v1", r#"{"posting":{"a":"form of 2031"}}"#);
        assert!(matches!(broken, Err(DecodeError::Data { .. })));
    }

    #[test]
    fn no_two_types_share_a_name() {
        let mut names: Vec<String> = Event::types().map(EventType::short_name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
