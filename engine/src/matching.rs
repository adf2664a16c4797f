//! interim
use linggong_events::envelope::Meta;
use linggong_events::matching::MatchEvent;
use crate::state::State;
pub(crate) fn evolve(_: &mut State, _: &MatchEvent, _: &Meta) {}
