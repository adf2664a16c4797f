//! 撮合: who is eligible, in which order, and why not.
//!
//! Scores are integers by a policy that is data; equal scores are decided by a lottery that is recorded with
//! the run, never by id or clock. Sex, exact age, origin, household and health are not in the types that this
//! module reads, so they cannot enter. Pay counts only as "meets the expectation".

#[cfg(test)]
mod against_naive;
#[cfg(test)]
mod naive;
pub mod then;

use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{CommandId, EventId, Kind, MatchId, OfferId, PostingId, WorkerId, new_id};
use linggong_events::matching::{Candidate, Exclusion, MatchEvent, Reasoned, ScoreTerm};
use linggong_events::measure::{Fen, Metres};
use linggong_events::offer::Made;
use linggong_events::place::Point;
use linggong_events::posting::{FillMode, PayKind, PostingTerms};
use linggong_events::time::{MINUTE_MS, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::offer;
use crate::pack::PolicyPack;
use crate::posting::{Posting, Status};
use crate::rules::RuleBook;
use crate::state::State;
use crate::worker::{Presence, Worker};
use crate::{hire, refusal::Refusal};

/// The most candidates whose reasons one run records; every free place is offered all the same.
pub const MAX_CANDIDATES: usize = 20;

/// Why a worker is not proposed for a posting: the first rule, in this order, that excludes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// Neither at a market nor declared available for the whole of every shift.
    NotAvailable,
    /// The worker has a place of this posting, or one is held.
    HasPlace,
    /// The worker declined it, let an offer lapse or gave the place up, or the desk took an offer back.
    Declined,
    /// Not the trade, or not the level.
    Skill,
    /// A needed certificate is not valid on every day.
    Certificate,
    /// Farther than the worker goes.
    OutOfReach,
    /// Less than the worker comes for.
    BelowExpectation,
    /// No valid document was shown.
    Document,
    /// Under 16 on a work date, a minor and the work is barred, or an officer attested a bar.
    LawfulBar,
    /// Hired, or held by an offer, in the same minutes.
    Busy,
}

impl Excluded {
    /// The name of the rule in events and answers.
    pub fn name(self) -> &'static str {
        match self {
            Excluded::NotAvailable => "not_available",
            Excluded::HasPlace => "has_place",
            Excluded::Declined => "declined",
            Excluded::Skill => "skill",
            Excluded::Certificate => "certificate",
            Excluded::OutOfReach => "out_of_reach",
            Excluded::BelowExpectation => "below_expectation",
            Excluded::Document => "document",
            Excluded::LawfulBar => "lawful_bar",
            Excluded::Busy => "busy",
        }
    }
}

/// What the core found for one posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// The best, in order.
    pub candidates: Vec<Candidate>,
    /// How many workers were looked at.
    pub considered: u32,
    /// How many each rule excluded first.
    pub excluded: Vec<Exclusion>,
}

/// The answer to "why not me".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// The worker.
    pub worker: WorkerId,
    /// The first rule that excludes them; absent where they are eligible.
    pub excluded: Option<Excluded>,
    /// Their score terms; empty where they are excluded.
    pub terms: Vec<ScoreTerm>,
    /// Their score.
    pub score: i64,
}

/// The best `k` workers for a posting now, by one pass with two bounded lists.
///
/// Whoever declines ranking (PIPL 24) stands where they would stand in a list of everybody by arrival; the
/// others fill the remaining places by score.
pub fn rank(
    state: &State,
    id: PostingId,
    run: Uuid,
    k: usize,
    now: Timestamp,
    rules: &RuleBook,
) -> Option<Ranking> {
    let posting = state.postings.get(&id)?;
    let policy = rules.policy()?;
    let (mut best, mut earliest) = (Vec::with_capacity(k + 1), Vec::with_capacity(k + 1));
    let mut excluded = std::collections::BTreeMap::<Excluded, u32>::new();
    let mut considered = 0;
    for (worker_id, worker) in &state.workers {
        considered += 1;
        match eligible(state, *worker_id, worker, id, posting, now, rules) {
            Err(rule) => *excluded.entry(rule).or_default() += 1,
            Ok(distance) => {
                let candidate = candidate(*worker_id, worker, posting, distance, run, now, policy);
                let arrived = (arrival(worker, now), candidate.lot, candidate.worker);
                let unranked = worker.profile.declines_ranking.then(|| candidate.clone());
                keep(&mut earliest, k, (arrived, unranked), |it| it.0);
                if !worker.profile.declines_ranking {
                    keep(&mut best, k, candidate, order);
                }
            }
        }
    }
    let mut ranked = best.into_iter();
    let candidates = earliest.into_iter().filter_map(|(_, unranked)| unranked.or_else(|| ranked.next()));
    let candidates = candidates.collect();
    let exclusion = |(rule, workers): (Excluded, u32)| Exclusion { rule: rule.name().into(), workers };
    Some(Ranking { candidates, considered, excluded: excluded.into_iter().map(exclusion).collect() })
}

/// Puts `it` in its place in a list of the first `k` by `key`.
fn keep<T, K: Ord>(list: &mut Vec<T>, k: usize, it: T, key: impl Fn(&T) -> K) {
    let at = list.partition_point(|known| key(known) < key(&it));
    if at < k {
        list.insert(at, it);
        list.truncate(k);
    }
}

/// Since when somebody waits; whoever is at no market comes after everybody who is.
fn arrival(worker: &Worker, now: Timestamp) -> (bool, Option<Timestamp>) {
    let since = presence(worker, now).map(|it| it.since);
    (since.is_none(), since)
}

/// The total order of candidates: higher score, then the recorded lottery, then the id for completeness.
fn order(candidate: &Candidate) -> (std::cmp::Reverse<i64>, u64, WorkerId) {
    (std::cmp::Reverse(candidate.score), candidate.lot, candidate.worker)
}

/// Why `worker` is or is not proposed for `posting` now.
///
/// # Errors
/// A refusal where one of them is not there.
pub fn explain(
    state: &State,
    posting_id: PostingId,
    worker_id: WorkerId,
    now: Timestamp,
    rules: &RuleBook,
) -> Result<Explanation, Refusal> {
    let (posting, worker) = (state.posting(posting_id)?, state.worker(worker_id)?);
    let policy = rules.policy().ok_or_else(|| Refusal::RuleMissing { rule: "policy".into() })?;
    Ok(match eligible(state, worker_id, worker, posting_id, posting, now, rules) {
        Err(rule) => Explanation { worker: worker_id, excluded: Some(rule), terms: Vec::new(), score: 0 },
        Ok(distance) => {
            let it = candidate(worker_id, worker, posting, distance, posting_id.0, now, policy);
            Explanation { worker: worker_id, excluded: None, terms: it.terms, score: it.score }
        }
    })
}

/// The distance to the work, or the first rule that excludes the worker.
pub(crate) fn eligible(
    state: &State,
    worker_id: WorkerId,
    worker: &Worker,
    posting_id: PostingId,
    posting: &Posting,
    now: Timestamp,
    rules: &RuleBook,
) -> Result<Metres, Excluded> {
    let terms = &posting.terms;
    let present = presence(worker, now);
    let declared = |terms: &PostingTerms| {
        terms.shifts.iter().all(|shift| worker.profile.available.iter().any(|free| free.contains(*shift)))
    };
    if present.is_none() && !declared(terms) {
        return Err(Excluded::NotAvailable);
    }
    let hired =
        posting.hires.iter().filter_map(|it| state.hires.get(it)).any(|it| it.terms.worker == worker_id);
    let held = posting.offers.iter().filter_map(|it| state.offers.get(it)).any(|it| it.worker == worker_id);
    if hired || held {
        return Err(Excluded::HasPlace);
    }
    if worker.declined.contains(&posting_id) {
        return Err(Excluded::Declined);
    }
    let able = worker
        .profile
        .skills
        .iter()
        .any(|skill| skill.occupation == terms.occupation && skill.level >= terms.requirements.level);
    if !able {
        return Err(Excluded::Skill);
    }
    hire::check_certificates(worker, terms).map_err(|_| Excluded::Certificate)?;
    let market = present.and_then(|it| state.markets.get(&it.market)).map(|market| market.place);
    let distance = distance(worker.profile.place.or(market), terms.place);
    if distance > worker.profile.reach {
        return Err(Excluded::OutOfReach);
    }
    let must_meet = rules.policy().is_none_or(|it| it.weights.pay_must_meet_expectation);
    if must_meet && daily_pay(terms).is_some_and(|pay| pay < worker.profile.expectation) {
        return Err(Excluded::BelowExpectation);
    }
    match hire::check_lawful(state, worker_id, terms, rules) {
        Ok(()) => {}
        Err(Refusal::DocumentMissing) => return Err(Excluded::Document),
        Err(Refusal::Overlaps { .. }) => return Err(Excluded::Busy),
        Err(_) => return Err(Excluded::LawfulBar),
    }
    let offered = worker.offers.iter().filter_map(|it| state.offers.get(it)).filter(|it| it.open);
    let mut held = offered.filter_map(|it| state.postings.get(&it.posting));
    let near = |a, b| hire::near(a, b, rules.travel_ms());
    if held.any(|it| it.terms.shifts.iter().any(|a| terms.shifts.iter().any(|b| near(*a, *b)))) {
        return Err(Excluded::Busy);
    }
    Ok(distance)
}

/// Who names no place starts from the work itself: nothing is held against them.
fn distance(from: Option<Point>, to: Point) -> Metres {
    from.map_or(Metres(0), |from| from.distance(to))
}

/// What a usual day of the posting pays, where that can be said.
pub(crate) fn daily_pay(terms: &PostingTerms) -> Option<Fen> {
    let minutes = terms.shifts.iter().min().map(|shift| shift.minutes())?;
    let days = i64::try_from(terms.shifts.len()).ok().filter(|days| *days > 0)?;
    match terms.pay.pay_kind {
        PayKind::Day => Some(terms.pay.rate),
        PayKind::Hour => terms.pay.rate.times(minutes).map(|it| Fen(it.0 / 60)),
        PayKind::Task => Some(Fen(terms.pay.rate.0 / days)),
        PayKind::Piece => terms.pay.usual_day,
    }
}

/// Being at a market now.
fn presence(worker: &Worker, now: Timestamp) -> Option<Presence> {
    worker.presence.filter(|it| it.until > now)
}

/// Minutes since arrival; whoever is not at a market has not begun to wait.
fn waiting_minutes(worker: &Worker, now: Timestamp) -> i64 {
    presence(worker, now).map_or(0, |it| (now.ms() - it.since.ms()).max(0) / MINUTE_MS)
}

fn reliability_percent(worker: &Worker, policy: &PolicyPack) -> i64 {
    // Shrunk to the newcomers' value: the office counts as if that many hires had gone like a newcomer's.
    let prior = i64::from(policy.weights.reliability_hires);
    let (kept, all) = (i64::from(worker.kept), i64::from(worker.kept) + i64::from(worker.missed));
    let newcomers = i64::from(policy.weights.reliability_of_newcomers);
    match all + prior {
        0 => newcomers,
        counted => (kept * 100 + prior * newcomers) / counted,
    }
}

pub(crate) fn candidate(
    id: WorkerId,
    worker: &Worker,
    posting: &Posting,
    distance: Metres,
    run: Uuid,
    now: Timestamp,
    policy: &PolicyPack,
) -> Candidate {
    let terms = &posting.terms;
    let weights = &policy.weights;
    let level =
        worker.profile.skills.iter().filter(|it| it.occupation == terms.occupation).map(|it| it.level).max();
    let above = level.map_or(0, |level| level as i64 - terms.requirements.level as i64);
    let spare_reach = i64::from(worker.profile.reach.0) - i64::from(distance.0);
    let together = worker.worked_for.get(&terms.employer).copied().unwrap_or(0);
    let mut scored = vec![
        ("distance", weights.distance.points(spare_reach)),
        ("skill", weights.skill.points(above)),
        ("reliability", weights.reliability.points(reliability_percent(worker, policy))),
        ("waiting", weights.waiting.points(waiting_minutes(worker, now))),
        ("cooperation", weights.cooperation.points(i64::from(together))),
    ];
    if worker.profile.declines_ranking {
        // PIPL 24: nothing about the person counts; their place follows from when they came.
        scored.retain(|(term, _)| *term == "waiting");
    }
    let score = scored.iter().map(|(_, points)| points).sum();
    let terms = scored.into_iter().map(|(term, points)| ScoreTerm { term: term.into(), points }).collect();
    Candidate { worker: id, score, terms, lot: lot(run, id) }
}

/// The worker's lot in one run: 53 bits, so that every JSON reader keeps it exactly.
fn lot(run: Uuid, worker: WorkerId) -> u64 {
    let drawn = new_id(CommandId(run), &format!("lot:{worker}"), 0);
    drawn.as_u64_pair().1 & ((1 << 53) - 1)
}

/// One run: the reasons, and an offer for each free place to the best in order.
pub(crate) fn offer_places(
    state: &State,
    id: PostingId,
    run: Uuid,
    now: Timestamp,
    rules: &RuleBook,
) -> Vec<Event> {
    let Some(posting) = state.postings.get(&id) else { return Vec::new() };
    let (free, Some(expires)) = (posting.free(), offer::expiry(posting, now, rules)) else {
        return Vec::new();
    };
    if posting.status != Status::Open || free == 0 || !may_hire(state, posting, now) {
        return Vec::new();
    }
    let k = usize::from(free).max(MAX_CANDIDATES);
    let (Some(mut ranking), Some(policy)) = (rank(state, id, run, k, now, rules), rules.policy()) else {
        return Vec::new();
    };
    let match_id = MatchId(run);
    let offers = ranking.candidates.iter().take(usize::from(free)).zip(0..).map(|(candidate, n)| {
        Event::from(Made {
            offer: OfferId(new_id(CommandId(run), Kind::Offer.name(), n)),
            posting: id,
            worker: candidate.worker,
            mode: FillMode::Dispatch,
            expires,
            proposed_by: Some(match_id),
            override_reason: None,
        })
    });
    let offers: Vec<Event> = offers.collect();
    ranking.candidates.truncate(MAX_CANDIDATES);
    let reasoned = Reasoned {
        run: match_id,
        posting: id,
        policy: policy.label(),
        candidates: ranking.candidates,
        considered: ranking.considered,
        excluded: ranking.excluded,
    };
    std::iter::once(reasoned.into()).chain(offers).collect()
}

/// Whether nobody lawfully keeps the employer of a posting from hiring.
fn may_hire(state: &State, posting: &Posting, now: Timestamp) -> bool {
    state.employers.get(&posting.terms.employer).is_none_or(|it| it.check_unrestricted(now.date()).is_ok())
}

/// Whoever arrives is offered the most urgent posting that fits best, where a place is free.
pub(crate) fn offer_to_arrival(state: &State, id: WorkerId, meta: &Meta, rules: &RuleBook) -> Vec<Event> {
    let (Some(worker), Some(policy)) = (state.workers.get(&id), rules.policy()) else { return Vec::new() };
    let (now, run) = (meta.time, new_id(CommandId(meta.id.0), Kind::Match.name(), 0));
    let horizon = i64::from(policy.weights.urgency_horizon_minutes);
    let waiting = state.postings.iter().filter(|(_, posting)| {
        posting.status == Status::Open
            && posting.terms.mode == FillMode::Dispatch
            && posting.free() > 0
            && posting.starts().0 > now
            && may_hire(state, posting, now)
    });
    let fitting = waiting.filter_map(|(posting_id, posting)| {
        let distance = eligible(state, id, worker, *posting_id, posting, now, rules).ok()?;
        let until = (posting.starts().0.ms() - now.ms()) / MINUTE_MS;
        let urgency = policy.weights.urgency.points(horizon - until);
        let score = candidate(id, worker, posting, distance, run, now, policy).score;
        Some((std::cmp::Reverse(urgency + score), lot(run, WorkerId(posting_id.0)), *posting_id))
    });
    match fitting.min() {
        Some((_, _, posting)) => offer_places(state, posting, run, now, rules),
        None => Vec::new(),
    }
}

/// A place of the posting came free: it is to be offered, once the decision is made that freed it.
pub(crate) fn owe(state: &mut State, id: PostingId, meta: &Meta) {
    let open = |it: &Posting| it.status == Status::Open && it.terms.mode == FillMode::Dispatch;
    if state.postings.get(&id).is_some_and(open) {
        state.owed.insert(id, (meta.position, meta.id));
    }
}

/// Nothing of the posting is to be offered any more.
pub(crate) fn owe_not(state: &mut State, id: PostingId) {
    state.owed.remove(&id);
}

/// The postings whose places are to be offered, in the order in which they came free, with what freed them.
pub(crate) fn owed(state: &State) -> Vec<(PostingId, EventId)> {
    let mut owed: Vec<_> = state.owed.iter().map(|(id, (at, cause))| (*at, *id, *cause)).collect();
    owed.sort_unstable();
    owed.into_iter().map(|(_, id, cause)| (id, cause)).collect()
}

/// The offers of a posting whose places `cause` freed.
pub(crate) fn offer_owed(
    state: &State,
    id: PostingId,
    cause: EventId,
    now: Timestamp,
    rules: &RuleBook,
) -> Vec<Event> {
    offer_places(state, id, new_id(CommandId(cause.0), Kind::Match.name(), 0), now, rules)
}

pub(crate) fn evolve(state: &mut State, event: &MatchEvent) {
    match event {
        // What follows from the reasons are offers: every free place was offered that somebody fits.
        MatchEvent::Reasoned(it) => owe_not(state, it.posting),
    }
}
