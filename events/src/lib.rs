//! What can happen, and how it is written down: ids, units, event types, envelope, commits, logs.
//!
//! Nothing here decides anything; see `linggong-engine` for what should happen.

pub mod attendance;
pub mod audience;
pub mod case;
pub mod claim;
#[cfg(feature = "compact")]
pub mod codec;
pub mod commit;
pub mod employer;
pub mod envelope;
pub mod event;
pub mod evidence;
#[cfg(feature = "signing")]
pub mod head;
pub mod hire;
pub mod id;
pub mod identity;
pub mod insurance;
pub mod log;
pub mod mandate;
pub mod market;
pub mod matching;
pub mod measure;
pub mod merkle;
pub mod newer;
pub mod occupation;
pub mod offer;
pub mod office;
pub mod person;
pub mod place;
pub mod posting;
pub mod region;
pub mod rules;
mod text;
pub mod time;
mod touch;
mod upcast;
pub mod wage;
pub mod worker;

pub use event::{DecodeError, Event, EventType};
pub use touch::{entities_in, evidence_in, first_of_kind};
