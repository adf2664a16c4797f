//! interim
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::HireId;
use linggong_events::insurance::InsuranceEvent;

commands! { /// interim
   InsuranceCommand: Insurance { /// interim
Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Insurance {
    pub(crate) hire: HireId,
}
pub(crate) fn decide(_: &State, command: &InsuranceCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let _ = command;
    Ok(Vec::new())
}
pub(crate) fn evolve(_: &mut State, _: &InsuranceEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &InsuranceEvent, _: &Meta, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
pub(crate) fn expect(_: &mut State, _: HireId) {}
pub(crate) fn no_longer_expect(_: &mut State, _: HireId) {}
impl State {
    pub(crate) fn covered_at(&self, _: HireId, _: linggong_events::time::Timestamp) -> bool {
        false
    }
}
