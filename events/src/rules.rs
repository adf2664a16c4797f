//! 规则包: statutes, calendars and tables as data, adopted by events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::RulesId;
use crate::time::Date;

/// How a deadline was computed, so that it can be checked by hand years later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadlineTrace {
    /// The row of the rule pack.
    pub rule: String,
    /// Its legal source.
    pub citation: String,
    /// `name@digest` of the pack and of the calendar.
    pub packs: Vec<String>,
    /// The civil date of the trigger; it is not counted (民法典 201).
    pub trigger: Date,
    /// Length and unit, as in the row: `15 nd`.
    pub length: String,
    /// Where the count ended before rolling.
    pub counted_to: Date,
    /// The last day after rolling over non-working days.
    pub last_day: Date,
    /// Whether the row was verified against its statute; an unverified row has no legal effect.
    pub verified: bool,
}

/// What a pack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackKind {
    /// Deadlines, posting rules, limits.
    Statutes,
    /// Working days of the years it names.
    Calendar,
    /// The weights of matching.
    Policy,
}

events! {
    /// What happens to rules.
    RulesEvent: Rules {
        /// New triggers go by this pack from now on; running deadlines keep theirs.
        Adopted = "adopted", 1, Open => { rules: RulesId, name: String, pack_kind: PackKind, digest: String, reason: String }
    }
}
