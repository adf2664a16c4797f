//! interim
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::posting::PostingEvent;
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};

commands! { /// interim
    PostingCommand: Posting { /// interim
 Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Posting { pub(crate) terms: linggong_events::posting::PostingTerms }
pub(crate) fn decide(_: &State, command: &PostingCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> { let _ = command; Ok(Vec::new()) }
pub(crate) fn evolve(_: &mut State, _: &PostingEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &PostingEvent, _: &Meta, _: &RuleBook) -> Vec<Event> { Vec::new() }
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> { Vec::new() }
