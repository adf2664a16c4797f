//! Lawful noes: each has a stable code, a class and a sentence that a person can act on.

use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{BadId, EntityRef};
use linggong_events::measure::{Fen, Version};
use linggong_events::posting::Finding;
use linggong_events::time::{Date, Timestamp};
use serde::Serialize;
use thiserror::Error;

/// What kind of no it is; the gateway turns it into a status, the CLI into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The thing does not exist, or not for this actor.
    NotFound,
    /// The thing is not in a state that allows it.
    Conflict,
    /// The request itself cannot be right.
    Invalid,
    /// The actor may not.
    NotPermitted,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty),* $(,)? })? = $code:literal, $class:ident, $text:literal;)*) => {
        /// Why a command was refused. A refusal changes nothing and is not remembered.
        #[derive(Clone, Debug, PartialEq, Eq, Error, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "the fields are named in the sentence of their refusal")]
        pub enum Refusal { $($(#[$doc])* #[error($text)] $name $({ $($field: $type),* })?),* }

        impl Refusal {
            /// Every code there is, with its class, for documents and tests.
            pub const CODES: &'static [(&'static str, Class)] = &[$(($code, Class::$class)),*];

            /// The stable code.
            pub fn code(&self) -> &'static str {
                match self { $(Refusal::$name { .. } => $code),* }
            }

            /// The class.
            pub fn class(&self) -> Class {
                match self { $(Refusal::$name { .. } => Class::$class),* }
            }
        }
    };
}

refusals! {
    /// No such thing, or not for this actor: the two look alike on purpose.
    Unknown { entity: EntityRef } = "unknown", NotFound, "there is no `{entity}`";
    /// Something with this id is there already, under another command.
    Exists { entity: EntityRef } = "exists", Conflict, "`{entity}` is already registered";
    /// The command was given before with other content.
    KeyReused = "key_reused", Conflict, "this key was used before for another request: choose a new key";
    /// The key is older than the time for which commands are remembered.
    KeyTooOld { made: Timestamp } = "key_too_old", Invalid, "this key was made at `{made}`, too long ago: choose a new key";
    /// The key is no UUIDv7.
    BadKey = "bad_key", Invalid, "the key must be a UUID of version 7";
    /// The entity has changed since the actor looked.
    VersionConflict { entity: EntityRef, expected: Version, actual: Version } = "version_conflict", Conflict,
        "`{entity}` is at version {actual}, not {expected}: look again before you decide";
    /// `if_version` names a version of nothing.
    NoVersionedEntity = "no_versioned_entity", Invalid, "this command names no entity whose version could be compared";
    /// The role may not give this command.
    RoleNotAllowed = "role_not_allowed", NotPermitted, "your role may not do this";
    /// The actor has no relation to the thing that would allow it.
    NotYours { entity: EntityRef } = "not_yours", NotPermitted, "`{entity}` is not yours to act on";
    /// A crew leader acts for those of their own crew alone.
    NotTheirCrew { entity: EntityRef } = "not_their_crew", NotPermitted, "`{entity}` is not of your crew";
    /// Nothing shows that the actor may speak for the person.
    MandateUnfounded = "mandate_unfounded", NotPermitted,
        "who stands at the desk is seen at its window alone: from anywhere else name their paper mandate";
    /// Outside the actor's region.
    OutsideRegion = "outside_region", NotPermitted, "this lies outside your region";
    /// 回避: the officer is a party, or acts for one.
    ConflictOfInterest { entity: EntityRef } = "conflict_of_interest", NotPermitted, "the officer is a party of `{entity}` or acts for one";
    /// The second officer must be another than the first.
    SecondOfficerNeeded = "second_officer_needed", NotPermitted, "a second officer must confirm what the first proposed";
    /// Nothing was proposed that could be confirmed.
    NothingProposed { entity: EntityRef } = "nothing_proposed", Conflict, "nothing is proposed for `{entity}`";
    /// A field is empty, too long or out of range.
    BadField { field: String, problem: String } = "bad_field", Invalid, "the field `{field}` {problem}";
    /// A sum that cannot be.
    BadAmount { amount: Fen } = "bad_amount", Invalid, "an amount of {amount} yuan cannot be right here";
    /// The state does not allow it.
    NotPossible { entity: EntityRef, is: String } = "not_possible", Conflict, "`{entity}` is {is}";
    /// It has ended.
    Ended { entity: EntityRef } = "ended", Conflict, "`{entity}` has ended";
    /// Nothing can be said to happen in the future.
    InTheFuture { at: Timestamp } = "in_the_future", Invalid, "`{at}` lies in the future";
    /// Nobody may be introduced to work under the lawful age (禁止使用童工规定 2, 4).
    UnderAge { date: Date } = "under_age", NotPermitted, "on {date} the worker would be under 16: nobody may introduce them to work";
    /// Minors need the listed registration and may not do listed work (劳动法 64, 65; 未成年人保护法 61).
    MinorBarred { date: Date } = "minor_barred", NotPermitted, "on {date} the worker would be under 18, and this work is barred to minors";
    /// No valid document was shown (山东人力资源市场条例 28).
    DocumentMissing = "document_missing", NotPermitted, "no valid identity document was shown, so nobody may introduce this worker";
    /// The words or fields are blocked by law; the corrected text can be sent instead.
    PostingBlocked { findings: Vec<Finding>, corrected: Option<String> } = "posting_blocked", Invalid,
        "the posting breaks the law in what it says or leaves out: send a corrected one";
    /// The employer is lawfully restricted.
    EmployerRestricted { until: Date } = "employer_restricted", NotPermitted, "the employer may not hire here until {until}";
    /// Every place is taken.
    Full { entity: EntityRef } = "full", Conflict, "every place of `{entity}` is taken";
    /// The worker works elsewhere in the same minutes.
    Overlaps { entity: EntityRef } = "overlaps", Conflict, "the worker is hired for the same minutes by `{entity}`";
    /// The worker is hired for this posting already.
    AlreadyHired { entity: EntityRef } = "already_hired", Conflict, "the worker has a place already: `{entity}`";
    /// The worker is not at the market.
    NotPresent = "not_present", Conflict, "the worker is not at this market now";
    /// The worker lacks what the work needs.
    NotEligible { rule: String } = "not_eligible", Conflict, "the worker does not meet `{rule}`";
    /// The shift is over or has begun.
    TooLate { at: Timestamp } = "too_late", Conflict, "it is too late: `{at}` has passed";
    /// Before its time.
    TooEarly { at: Timestamp } = "too_early", Conflict, "it is too early: not before `{at}`";
    /// More than is owed.
    MoreThanOwed { outstanding: Fen } = "more_than_owed", Conflict, "only {outstanding} yuan is owed";
    /// A rule pack that is not in the store.
    PackMissing { digest: String } = "pack_missing", Invalid, "no rule pack with the digest `{digest}` is stored";
    /// What the command rests on does not lie in the vault.
    EvidenceUnknown { digest: EvidenceDigest } = "evidence_unknown", Invalid, "the vault holds no evidence `{digest}`: store it first";
    /// No such card was given out here.
    CardUnknown = "card_unknown", NotFound, "no card with this number was given out here";
    /// The card was lost, damaged or returned.
    CardDead = "card_dead", Conflict, "this card is no longer in use: look for its holder by document or phone";
    /// The card is, or was, another human's.
    CardTaken = "card_taken", Conflict, "this card was given to somebody already: take a new one";
    /// No row of the rules says what is asked.
    RuleMissing { rule: String } = "rule_missing", Conflict, "no adopted rule pack has the row `{rule}`";
    /// No series of numbers is open.
    NoSeries = "no_series", Conflict, "the office has no open series of numbers for this year: open one first";
    /// The matter is before another body already (监察条例 21 ¶2).
    ElsewhereAlready { entity: EntityRef } = "elsewhere_already", Conflict,
        "the same wage is before another body already under `{entity}`: inform and direct, do not process";
    /// Too much at once.
    TooLarge = "too_large", Invalid, "the command would write more than one commit may hold: split it";
    /// Still held for a claim or by law.
    OnHold { entity: EntityRef } = "on_hold", Conflict, "`{entity}` is still open, so this must wait";
}

impl Refusal {
    /// `entity` is not there.
    pub fn unknown(entity: impl Into<EntityRef>) -> Refusal {
        Refusal::Unknown { entity: entity.into() }
    }

    /// `entity` is in a state that does not allow it.
    pub fn not_possible(entity: impl Into<EntityRef>, is: impl Into<String>) -> Refusal {
        Refusal::NotPossible { entity: entity.into(), is: is.into() }
    }

    /// `field` is wrong in the way that `problem` says.
    pub fn bad_field(field: impl Into<String>, problem: impl Into<String>) -> Refusal {
        Refusal::BadField { field: field.into(), problem: problem.into() }
    }
}

impl From<BadId> for Refusal {
    fn from(error: BadId) -> Refusal {
        Refusal::bad_field("id", error.to_string())
    }
}
