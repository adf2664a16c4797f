//! 用工: agreed, signed, started, changed, ended.

use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::hire::{HireEvent, HireTerms};
use linggong_events::id::HireId;
use linggong_events::posting::FillMode;
use linggong_events::time::{Date, Shift, Timestamp};

use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::State;

commands! { /// interim
    HireCommand: Hire { /// interim
 Interim = "interim", [] => {} } }

/// A hire as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Hire {
    pub(crate) terms: HireTerms,
    pub(crate) revision: u32,
    pub(crate) mode: FillMode,
    pub(crate) signed: bool,
    pub(crate) stage: Stage,
}

/// Where a hire stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Agreed, not yet started.
    Agreed,
    /// At work since.
    Started { at: Timestamp },
    /// It will not take place, or not as agreed.
    Void(VoidReason),
    /// Over since that date.
    Ended { on: Date },
}

/// Why a hire is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoidReason {
    /// Cancelled before it began.
    Cancelled,
    /// The worker did not come.
    NoShow,
    /// The worker came and was sent home.
    SentHome,
    /// Somebody else works instead.
    Replaced,
}

impl Hire {
    /// Whether the worker's minutes are taken by it.
    pub(crate) fn occupies(&self, shift: Shift) -> bool {
        let live = match self.stage {
            Stage::Agreed | Stage::Started { .. } => true,
            Stage::Void(_) | Stage::Ended { .. } => false,
        };
        live && self.terms.shifts.iter().any(|it| it.overlaps(shift))
    }
}

impl State {
    pub(crate) fn hire(&self, id: HireId) -> Result<&Hire, Refusal> {
        self.hires.get(&id).ok_or_else(|| Refusal::unknown(id))
    }
}

pub(crate) fn decide(_: &State, command: &HireCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> { let _ = command; Ok(Vec::new()) }
pub(crate) fn evolve(_: &mut State, _: &HireEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &HireEvent, _: &Meta, _: &RuleBook) -> Vec<Event> { Vec::new() }
