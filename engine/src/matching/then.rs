//! Why somebody was or was not proposed, at an earlier moment: the same rules over a fold of what concerns the two.

use linggong_events::envelope::Envelope;
use linggong_events::id::{PostingId, WorkerId};
use linggong_events::time::Timestamp;

use super::{Explanation, explain};
use crate::partition::{Fault, Packs, rules_in_force};
use crate::refusal::Refusal;
use crate::state::State;

/// Explains as of `at` from `events`, given in order of position: those that name the worker or the posting, those
/// of what these events name, and the adoptions of rules. Nothing else enters an explanation of one worker.
pub fn explain_then<'a>(
    events: impl IntoIterator<Item = &'a Envelope>,
    packs: &Packs,
    posting: PostingId,
    worker: WorkerId,
    at: Timestamp,
) -> Result<Result<Explanation, Refusal>, Fault> {
    let mut state = State::default();
    events.into_iter().for_each(|it| state.evolve(it));
    let rules = rules_in_force(&state, packs)?;
    Ok(explain(&state, posting, worker, at, &rules))
}
