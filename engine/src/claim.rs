//! interim
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};
use linggong_events::claim::ClaimEvent;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::OfficeId;

commands! { /// interim
   ClaimCommand: Claim { /// interim
Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) office: OfficeId,
}
pub(crate) fn decide(_: &State, command: &ClaimCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let _ = command;
    Ok(Vec::new())
}
pub(crate) fn evolve(_: &mut State, _: &ClaimEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &ClaimEvent, _: &Meta, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
