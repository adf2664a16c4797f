//! interim
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::offer::OfferEvent;
use linggong_events::id::PostingId;
use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::rules::RuleBook;
use crate::state::{Deadline, State};

commands! { /// interim
    OfferCommand: Offer { /// interim
 Interim = "interim", [] => {} } }
#[derive(Clone, Debug)]
pub(crate) struct Offer { pub(crate) posting: PostingId }
pub(crate) fn decide(_: &State, command: &OfferCommand, _: &Context<'_>) -> Result<Vec<Event>, Refusal> { let _ = command; Ok(Vec::new()) }
pub(crate) fn evolve(_: &mut State, _: &OfferEvent, _: &Meta) {}
pub(crate) fn follow_up(_: &State, _: &OfferEvent, _: &Meta, _: &RuleBook) -> Vec<Event> { Vec::new() }
pub(crate) fn due(_: &State, _: &Deadline, _: &RuleBook) -> Vec<Event> { Vec::new() }
