//! The only place that touches the world: HTTP, identity, clock, vault, tasks, the binary.
//!
//! Nothing here decides anything; see `linggong-engine`.

pub mod backup;
pub mod claim_receipt;
pub mod cli;
pub mod clock;
pub mod config;
pub mod day_sheet;
pub mod demo;
pub mod drill;
pub mod glossary;
pub mod http;
pub mod identity;
pub mod import;
pub mod openapi;
pub mod packs;
pub mod partition_task;
pub mod permission;
pub mod projection_task;
pub mod sample;
pub mod serve;
pub mod snapshot;
pub mod space;
pub mod standstill;
pub mod vault;
pub mod wake;

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.replace(char::is_control, " ")
}
