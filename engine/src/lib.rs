//! What should happen: commands, decisions, deadlines, matching.
//!
//! Synchronous and deterministic: time, ids and rules are arguments; there is no I/O, clock or chance here.

pub mod attendance;
pub mod calendar;
pub mod case;
pub mod claim;
pub mod command;
pub mod deadline;
pub mod employer;
pub mod hire;
pub mod insurance;
pub mod market;
pub mod matching;
pub mod offer;
pub mod office;
pub mod pack;
pub mod partition;
pub mod past;
pub mod person;
pub mod posting;
pub mod posting_check;
mod recount;
pub mod refusal;
mod relation;
pub mod remembered;
pub mod rules;
pub mod snapshot;
pub mod state;
#[cfg(test)]
mod testing;
pub mod text;
pub mod wage;
pub mod worker;
