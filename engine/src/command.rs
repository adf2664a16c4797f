//! What can be asked for: commands, who gives them, and the registry that routes and documents come from.

use linggong_events::audience::Department;
use linggong_events::commit::{BadDigest, Digest};
use linggong_events::envelope::{Channel, Filed};
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{
    ActorId, CommandId, EmployerId, EntityRef, EventId, Kind, MarketId, OfficeId, PersonId, WorkerId, new_id,
};
use linggong_events::identity::OrgCode;
use linggong_events::mandate::OnBehalfOf;
use linggong_events::measure::{Position, Version};
use linggong_events::office::{Grant, Role};
use linggong_events::region::Region;
use linggong_events::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use crate::refusal::Refusal;
use crate::relation;
use crate::rules::RuleBook;
use crate::state::State;

/// A command's field that holds personal data on the wire and sealed data here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalField {
    /// The name of the field.
    pub name: &'static str,
    /// What it holds.
    pub shape: PersonalShape,
}

/// What a personal field holds on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonalShape {
    /// One human in clear.
    Person,
    /// A free text about one human.
    Text,
    /// The number of a market card; here, its id.
    Card,
    /// What is told anew of one human.
    Revision,
}

/// A command's field in which a scanned card may stand for whoever holds it: `{"card": "…"}` in place of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedField {
    /// Where it stands, members separated by dots; a list takes cards item by item.
    pub path: &'static str,
    /// As what the holder is meant.
    pub holder: Holder,
}

/// As what the holder of a card is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The worker they are.
    Worker,
    /// The employer they are.
    Employer,
}

/// One command of the registry.
#[derive(Clone, Copy, Debug)]
pub struct CommandType {
    /// The kind it is about.
    pub kind: Kind,
    /// The verb, in the imperative.
    pub verb: &'static str,
    /// Who may give it at all; the relation to the thing is checked in `decide`.
    pub roles: &'static [Role],
    /// Which fields the gateway seals.
    pub personal: &'static [PersonalField],
    /// Where the gateway takes a card for its holder.
    pub scanned: &'static [ScannedField],
    /// The JSON Schema of its fields as the engine sees them.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl CommandType {
    /// `hire.register_on_site`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.kind, self.verb)
    }
}

/// Declares the commands of one kind: a struct per command, the enum of them, and their table.
macro_rules! commands {
    ($(#[$doc:meta])* $Enum:ident: $kind:ident { $(
        $(#[$cdoc:meta])* $Name:ident = $verb:literal, [$($role:ident),* $(,)?]
        $(, seal [$($personal:ident: $shape:ident),*])?
        $(, scan [$($path:literal: $holder:ident),*])? => {
            $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)?
        } $(+ optional { $($(#[$odoc:meta])* $ofield:ident: $otype:ty),* $(,)? })?
    )* }) => {
        $(
            $(#[$cdoc])*
            #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $Name {
                $($(#[$fdoc])* pub $field: $type,)*
                $($($(#[$odoc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $ofield: Option<$otype>,)*)?
            }

            impl From<$Name> for crate::command::Command {
                fn from(fields: $Name) -> Self { crate::command::Command::$kind($Enum::$Name(fields)) }
            }
        )*

        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "a command is moved a few times and never stored")]
        pub enum $Enum { $($(#[$cdoc])* $Name($Name)),* }

        impl $Enum {
            /// The commands of this kind, in the order of declaration.
            pub const TYPES: &'static [crate::command::CommandType] = &[$(crate::command::CommandType {
                kind: linggong_events::id::Kind::$kind,
                verb: $verb,
                roles: &[$(linggong_events::office::Role::$role),*],
                personal: &[$($(crate::command::PersonalField {
                    name: stringify!($personal),
                    shape: crate::command::PersonalShape::$shape,
                }),*)?],
                scanned: &[$($(crate::command::ScannedField {
                    path: $path,
                    holder: crate::command::Holder::$holder,
                }),*)?],
                schema: <$Name as schemars::JsonSchema>::json_schema,
            }),*];

            /// The registry's entry of this command.
            pub fn command_type(&self) -> &'static crate::command::CommandType {
                #[derive(Clone, Copy)]
                enum Nth { $($Name),* }
                &Self::TYPES[match self { $(Self::$Name(_) => Nth::$Name),* } as usize]
            }

            pub(crate) fn decode(verb: &str, fields: serde_json::Value) -> Option<Result<Self, serde_json::Error>> {
                match verb {
                    $($verb => Some(serde_json::from_value(fields).map(Self::$Name)),)*
                    _ => None,
                }
            }

            pub(crate) fn touches(&self) -> Vec<linggong_events::id::EntityRef> {
                match self { $(Self::$Name(fields) => linggong_events::entities_in(fields)),* }
            }

            pub(crate) fn evidence(&self) -> Vec<linggong_events::evidence::EvidenceDigest> {
                match self { $(Self::$Name(fields) => linggong_events::evidence_in(fields)),* }
            }
        }
    };
}
pub(crate) use commands;

macro_rules! command_enum {
    ($($kind:ident($module:ident::$enum:ident)),* $(,)?) => {
        /// What an actor asks for, in the imperative.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is the kind of the same name")]
        #[allow(clippy::large_enum_variant, reason = "a command is moved a few times and never stored")]
        pub enum Command { $($kind(crate::$module::$enum)),* }

        impl Command {
            /// Every command there is.
            pub fn types() -> impl Iterator<Item = &'static CommandType> {
                std::iter::empty()$(.chain(crate::$module::$enum::TYPES))*
            }

            /// The registry's entry of this command.
            pub fn command_type(&self) -> &'static CommandType {
                match self { $(Command::$kind(command) => command.command_type()),* }
            }

            /// Every entity that the command names.
            pub fn touches(&self) -> Vec<EntityRef> {
                match self { $(Command::$kind(command) => command.touches()),* }
            }

            /// Every piece of evidence that the command names: it must lie in the vault before anything is decided.
            pub fn evidence(&self) -> Vec<EvidenceDigest> {
                match self { $(Command::$kind(command) => command.evidence()),* }
            }

            fn decode_kind(kind: Kind, verb: &str, fields: Value) -> Option<Result<Command, serde_json::Error>> {
                match kind {
                    $(Kind::$kind => crate::$module::$enum::decode(verb, fields).map(|it| it.map(Command::$kind)),)*
                    Kind::Match => None,
                }
            }

            /// The events that `command` makes, or why not; reads `state`, changes nothing.
            pub fn decide(&self, state: &State, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
                relation::check_mandate_founded(context)?;
                match self { $(Command::$kind(command) => crate::$module::decide(state, command, context)),* }
            }
        }
    };
}

command_enum! {
    Market(market::MarketCommand),
    Office(office::OfficeCommand),
    Person(person::PersonCommand),
    Worker(worker::WorkerCommand),
    Employer(employer::EmployerCommand),
    Posting(posting::PostingCommand),
    Offer(offer::OfferCommand),
    Hire(hire::HireCommand),
    Attendance(attendance::AttendanceCommand),
    Wage(wage::WageCommand),
    Insurance(insurance::InsuranceCommand),
    Claim(claim::ClaimCommand),
    Case(case::CaseCommand),
    Rules(rules::RulesCommand),
}

/// Why a request is no command.
#[derive(Debug, Error)]
pub enum CommandError {
    /// No such command.
    #[error("there is no command `{name}`")]
    Unknown {
        /// What was asked for, shortened.
        name: String,
    },
    /// Its fields are not of its form.
    #[error("the fields of `{name}` are not of its form")]
    Fields {
        /// The command.
        name: String,
        /// What the decoder says.
        #[source]
        cause: serde_json::Error,
    },
}

impl Command {
    /// The registry's entry of `hire.register_on_site`.
    pub fn find(name: &str) -> Option<&'static CommandType> {
        Command::types().find(|it| name.strip_prefix(it.kind.name()) == Some(&format!(".{}", it.verb)))
    }

    /// Reads the fields of the command `name`; personal fields must be sealed already.
    pub fn decode(name: &str, fields: Value) -> Result<Command, CommandError> {
        let unknown =
            || CommandError::Unknown { name: name.chars().filter(|c| !c.is_control()).take(64).collect() };
        let (kind, verb) = name.split_once('.').ok_or_else(unknown)?;
        let kind = kind.parse().map_err(|_| unknown())?;
        match Command::decode_kind(kind, verb, fields) {
            Some(decoded) => decoded.map_err(|cause| CommandError::Fields { name: name.to_owned(), cause }),
            None => Err(unknown()),
        }
    }

    /// The entity whose version `if_version` is compared with: the first of the command's own kind.
    pub fn versioned_entity(&self) -> Option<EntityRef> {
        self.versioned_among(&self.touches())
    }

    /// [`Command::versioned_entity`], where [`Command::touches`] is at hand.
    pub(crate) fn versioned_among(&self, touches: &[EntityRef]) -> Option<EntityRef> {
        let kind = self.command_type().kind;
        touches.iter().copied().find(|entity| entity.kind == kind)
    }
}

/// Who gives a command, as the gateway established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub id: ActorId,
    /// As what.
    pub role: Role,
    /// At which office; absent for the engine alone.
    pub office: Option<OfficeId>,
    /// Where they may act.
    pub regions: Vec<Region>,
    /// The human behind the credential.
    pub person: Option<PersonId>,
    /// The worker they are.
    pub worker: Option<WorkerId>,
    /// The employer they act for.
    pub employer: Option<EmployerId>,
    /// The market they serve.
    pub market: Option<MarketId>,
    /// The department whose events they may read.
    pub department: Option<Department>,
    /// The insurer they act for.
    pub insurer: Option<OrgCode>,
}

/// Whether a role is one of a desk or office.
pub(crate) fn is_staff(role: Role) -> bool {
    match role {
        Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::PrivacyOfficer
        | Role::Keeper
        | Role::Engine => true,
        Role::Worker
        | Role::Employer
        | Role::CrewLeader
        | Role::Gate
        | Role::Insurer
        | Role::Auditor
        | Role::Subscriber => false,
    }
}

impl Actor {
    /// The engine itself, for facts that time alone makes true.
    pub fn engine() -> Actor {
        Actor {
            id: ActorId::ENGINE,
            role: Role::Engine,
            office: None,
            regions: Vec::new(),
            person: None,
            worker: None,
            employer: None,
            market: None,
            department: None,
            insurer: None,
        }
    }

    /// Whoever holds `grant` at `office`.
    pub fn holding(grant: &Grant, office: OfficeId) -> Actor {
        Actor {
            id: grant.actor,
            role: grant.role,
            office: Some(office),
            regions: grant.regions.clone(),
            person: grant.person,
            worker: grant.worker,
            employer: grant.employer,
            market: grant.market,
            department: grant.department,
            insurer: grant.insurer.clone(),
        }
    }

    /// Whether the actor works at a desk or office, and so may act for others.
    pub fn is_staff(&self) -> bool {
        is_staff(self.role)
    }

    /// The ways in which a command of this actor may have reached us; the first is meant where none is named.
    pub fn channels(&self) -> &'static [Channel] {
        match self.role {
            Role::Engine => &[Channel::Engine],
            Role::Gate => &[Channel::Device],
            Role::Clerk
            | Role::Dispatcher
            | Role::Reviewer
            | Role::MarketManager
            | Role::CaseOfficer
            | Role::CaseLead
            | Role::Mediator
            | Role::PrivacyOfficer
            | Role::Keeper => &[Channel::Online, Channel::Window, Channel::Phone, Channel::Import],
            Role::Worker
            | Role::Employer
            | Role::CrewLeader
            | Role::Insurer
            | Role::Auditor
            | Role::Subscriber => &[Channel::Online],
        }
    }

    /// Refuses what lies outside the actor's regions.
    pub fn check_region(&self, region: Region) -> Result<(), Refusal> {
        if self.covers(region) { Ok(()) } else { Err(Refusal::OutsideRegion) }
    }

    /// Whether the actor may act in `region`.
    pub(crate) fn covers(&self, region: Region) -> bool {
        self.regions.iter().any(|it| it.covers(region))
    }

    /// The office the actor sits at; only the engine has none.
    pub fn office(&self) -> Result<OfficeId, Refusal> {
        self.office.ok_or(Refusal::RoleNotAllowed)
    }
}

/// What is told with a command besides its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    /// When it happened in the world; absent: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// When it was filed and what proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filed: Option<Filed>,
    /// For whom, and by what mandate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
    /// How it reached us, as far as the role may say; absent: online, or by device where a gate tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// `sha256:…#sheet!row` of the form it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_doc: Option<String>,
    /// The position that the actor had seen when deciding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub based_on: Option<Position>,
    /// The version of the command's entity that the actor had seen; another is a conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
    /// What caused it, where that is an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// What belongs together across commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Uuid>,
}

impl About {
    /// How it reached us: as it is told, or as the role of whoever tells it does.
    pub fn channel_of(&self, actor: &Actor) -> Channel {
        self.channel.unwrap_or(actor.channels()[0])
    }

    /// The file that the command was read from, or why what is told names none.
    pub fn source(&self) -> Result<Option<EvidenceDigest>, Refusal> {
        let Some(source) = &self.source_doc else { return Ok(None) };
        crate::text::check("source_doc", source, crate::text::LINE)?;
        let (digest, _) = source.split_once('#').unwrap_or((source, ""));
        let digest: Digest =
            digest.parse().map_err(|error: BadDigest| Refusal::bad_field("source_doc", error.to_string()))?;
        Ok(Some(EvidenceDigest(digest)))
    }
}

/// A command with everything the engine needs to decide and record it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key that the client chose, a UUIDv7.
    pub key: Uuid,
    /// Keyed digest of the canonical clear request.
    pub digest: String,
    /// Who.
    pub actor: Actor,
    /// What is told besides.
    pub about: About,
    /// When the gateway received it.
    pub received_at: Timestamp,
    /// What is asked for.
    pub command: Command,
}

impl Request {
    /// All that must lie in the vault before this is decided: the evidence that the command names, the paper by
    /// which somebody acts for another, and the file that it was read from.
    pub fn evidence(&self) -> Result<Vec<EvidenceDigest>, Refusal> {
        let paper = self.about.on_behalf_of.and_then(|it| it.mandate.paper());
        Ok(self.about.source()?.into_iter().chain(paper).chain(self.command.evidence()).collect())
    }
}

/// What a decision may look at besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instant of the decision.
    pub now: Timestamp,
    /// The command; new ids follow from it.
    pub command: CommandId,
    /// Who asks.
    pub actor: &'a Actor,
    /// What is told besides.
    pub about: &'a About,
    /// The rules in force.
    pub rules: &'a RuleBook,
}

impl Context<'_> {
    /// The `n`-th new id of `kind` under this command.
    pub fn new_id(&self, kind: Kind, n: u32) -> Uuid {
        new_id(self.command, kind.name(), n)
    }

    /// How it reached us: as it was told, or as the actor's role does where nothing is told.
    pub fn channel(&self) -> Channel {
        self.about.channel_of(self.actor)
    }

    /// When it happened, as asserted; never later than now.
    pub fn occurred_at(&self) -> Timestamp {
        self.about.occurred_at.unwrap_or(self.now)
    }

    /// Refuses an instant that has not come.
    pub fn check_past(&self, at: Timestamp) -> Result<(), Refusal> {
        if at <= self.now { Ok(()) } else { Err(Refusal::InTheFuture { at }) }
    }

    /// What decides "in time": the filing instant where one is proved, else the decision's own.
    pub fn filed_at(&self) -> Timestamp {
        self.about.filed.map_or(self.now, |filed| filed.at)
    }
}
