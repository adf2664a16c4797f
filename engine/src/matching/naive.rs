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
    // Everybody in a queue; whoever is at no market stands at its end.
    all.sort_by_key(|it| {
        let since = state.workers[&it.worker].presence.map_or(i64::MAX, |presence| presence.since.ms());
        (since, it.lot, it.worker)
    });
    // Whoever wants to be ranked steps out and takes, best first, one of the places so left.
    let declines = |it: &Candidate| state.workers[&it.worker].profile.declines_ranking;
    let mut ranked: Vec<Candidate> = all.iter().filter(|it| !declines(it)).cloned().collect();
    ranked.sort_by(|a, b| b.score.cmp(&a.score).then(a.lot.cmp(&b.lot)).then(a.worker.cmp(&b.worker)));
    let mut ranked = ranked.into_iter();
    for place in &mut all {
        if !declines(place)
            && let Some(next) = ranked.next()
        {
            *place = next;
        }
    }
    all.truncate(k);
    Some(all)
}
