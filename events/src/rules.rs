//! 规则包: statutes, calendars and tables as data, adopted by events.

use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

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

/// The rule packs in force, `name@digest` each, separated by spaces; shared by the events decided by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackNames(Arc<str>);

impl PackNames {
    /// Whether no pack is in force.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: AsRef<str>> FromIterator<S> for PackNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> PackNames {
        let names: Vec<S> = names.into_iter().collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        PackNames(names.join(" ").into())
    }
}

impl FromStr for PackNames {
    type Err = BadPackNames;
    fn from_str(text: &str) -> Result<PackNames, BadPackNames> {
        if text.split(' ').any(str::is_empty) { Err(BadPackNames) } else { Ok(PackNames(text.into())) }
    }
}

/// A text that does not name rule packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the names of rule packs: one of them is empty")]
pub struct BadPackNames;

impl Serialize for PackNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for PackNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PackNames, D::Error> {
        crate::text::parsed(deserializer)
    }
}

events! {
    /// What happens to rules.
    RulesEvent: Rules {
        /// New triggers go by this pack from now on. Running deadlines keep the law they were counted by; of a calendar,
        /// they are counted again.
        Adopted = "adopted", 1, Open => { rules: RulesId, name: String, pack_kind: PackKind, digest: String, reason: String }
    }
}
