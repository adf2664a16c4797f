//! The oracle: score everybody, sort, cut. Slow, short, and right by inspection.

use linggong_events::id::PostingId;
use linggong_events::matching::Candidate;
use linggong_events::time::Timestamp;
use uuid::Uuid;

use super::{candidate, eligible};
use crate::rules::RuleBook;
use crate::state::State;

/// The best `k` workers for a posting now.
pub fn rank(
    state: &State,
    id: PostingId,
    run: Uuid,
    k: usize,
    now: Timestamp,
    rules: &RuleBook,
) -> Option<Vec<Candidate>> {
    let posting = state.postings.get(&id)?;
    let policy = rules.policy()?;
    let mut all: Vec<Candidate> = Vec::new();
    for (worker_id, worker) in &state.workers {
        if let Ok(distance) = eligible(state, *worker_id, worker, id, posting, now, rules) {
            all.push(candidate(*worker_id, worker, posting, distance, run, now, policy));
        }
    }
    all.sort_by(|a, b| b.score.cmp(&a.score).then(a.lot.cmp(&b.lot)).then(a.worker.cmp(&b.worker)));
    all.truncate(k);
    Some(all)
}
