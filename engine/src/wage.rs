//! interim
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::HireId;
use linggong_events::wage::WageEvent;

commands! { /// interim
   WageCommand: Wage { /// interim
Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Wage {
    pub(crate) hire: HireId,
}
pub(crate) fn decide(_: &State, command: &WageCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let _ = command;
    Ok(Vec::new())
}
pub(crate) fn evolve(_: &mut State, _: &WageEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &WageEvent, _: &Meta, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> {
    Vec::new()
}
pub(crate) fn of_ended_hire(
    _: &State,
    _: HireId,
    _: linggong_events::time::Date,
    _: &RuleBook,
) -> Vec<Event> {
    Vec::new()
}
