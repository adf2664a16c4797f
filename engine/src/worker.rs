//! interim
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::worker::WorkerEvent;
use linggong_events::id::PersonId;
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};

commands! { /// interim
    WorkerCommand: Worker { /// interim
 Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Worker { pub(crate) person: PersonId }
pub(crate) fn decide(_: &State, command: &WorkerCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> { let _ = command; Ok(Vec::new()) }
pub(crate) fn evolve(_: &mut State, _: &WorkerEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &WorkerEvent, _: &Meta, _: &RuleBook) -> Vec<Event> { Vec::new() }
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> { Vec::new() }
