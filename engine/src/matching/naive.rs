//! The oracle: what a worker's and a posting's own fields mean for each other, written a second time.
//!
//! Slow, plain, and right by inspection. It reads what is so, and asks no function of the core: whom it leaves out, by
//! which reason first, what each term comes to and in which order people stand, it says itself. It reads no index
//! either, but looks through every hire and every offer.

use std::collections::BTreeMap;
use std::ops::Range;

use linggong_events::id::{CommandId, PostingId, WorkerId, new_id};
use linggong_events::matching::{Candidate, Exclusion, ScoreTerm};
use linggong_events::person::AgeBand;
use linggong_events::posting::{FillMode, PayKind, PostingTerms};
use linggong_events::time::{Date, Shift, Timestamp};
use linggong_events::worker::SkillLevel;
use uuid::Uuid;

use crate::hire::Stage;
use crate::pack::{Term, Weights};
use crate::posting::{Posting, Status};
use crate::rules::RuleBook;
use crate::state::State;
use crate::worker::Worker;

const MINUTE: i64 = 60_000;

/// One posting, looked at now.
pub(super) struct Naive<'a> {
    pub(super) state: &'a State,
    pub(super) rules: &'a RuleBook,
    pub(super) now: Timestamp,
    pub(super) posting: PostingId,
}

impl Naive<'_> {
    fn posted(&self) -> &Posting {
        &self.state.postings[&self.posting]
    }

    fn terms(&self) -> &PostingTerms {
        &self.posted().terms
    }

    fn weights(&self) -> &Weights {
        &self.rules.policy().unwrap().weights
    }

    /// The first reason that speaks against the worker.
    pub(super) fn reason(&self, id: WorkerId) -> Option<&'static str> {
        let worker = &self.state.workers[&id];
        let reasons = [
            ("not_available", !self.is_at_a_market(worker) && !self.is_free_throughout(worker)),
            ("has_place", self.has_place(id)),
            ("declined", worker.declined.contains(&self.posting)),
            ("skill", !self.is_able(worker)),
            ("certificate", !self.is_certified(worker)),
            ("out_of_reach", self.metres(worker) > i64::from(worker.profile.reach.0)),
            ("below_expectation", self.pays_too_little(worker)),
            ("document", !worker.document_verified || worker.age.is_none()),
            ("lawful_bar", self.is_barred(worker)),
            ("busy", self.is_busy(id)),
        ];
        reasons.into_iter().find(|(_, speaks_against)| *speaks_against).map(|(name, _)| name)
    }

    /// A day at the market ends at an instant; from then on nobody is there.
    fn is_at_a_market(&self, worker: &Worker) -> bool {
        match worker.presence {
            Some(presence) => self.now < presence.until,
            None => false,
        }
    }

    /// Every shift, from its first minute to its last, lies in one declared stretch.
    fn is_free_throughout(&self, worker: &Worker) -> bool {
        for shift in &self.terms().shifts {
            let mut lies_in_one = false;
            for free in &worker.profile.available {
                lies_in_one |= free.start() <= shift.start() && shift.end() <= free.end();
            }
            if !lies_in_one {
                return false;
            }
        }
        true
    }

    /// A hire that is not void, over or not, or an offer that nobody answered yet.
    fn has_place(&self, id: WorkerId) -> bool {
        let here = |posting, worker| posting == self.posting && worker == id;
        let hired =
            self.state.hires.values().any(|hire| {
                here(hire.terms.posting, hire.terms.worker) && !matches!(hire.stage, Stage::Void(_))
            });
        hired || self.state.offers.values().any(|offer| here(offer.posting, offer.worker) && offer.open)
    }

    fn levels_in_trade(&self, worker: &Worker) -> Vec<i64> {
        let skills = worker.profile.skills.iter();
        skills.filter(|it| it.occupation == self.terms().occupation).map(|it| rung(it.level)).collect()
    }

    fn is_able(&self, worker: &Worker) -> bool {
        self.levels_in_trade(worker).into_iter().any(|it| it >= rung(self.terms().requirements.level))
    }

    /// Each certificate asked for, on each day that has a minute of the work.
    fn is_certified(&self, worker: &Worker) -> bool {
        let needed = &self.terms().requirements.certificates;
        needed.iter().all(|kind| {
            self.terms().shifts.iter().flat_map(days).all(|day| has_valid(worker, kind.code(), day))
        })
    }

    /// From home, else from the market of the day; nobody who has neither is far from anything.
    fn metres(&self, worker: &Worker) -> i64 {
        let market = worker.presence.filter(|_| self.is_at_a_market(worker)).map(|it| it.market);
        let from = match (worker.profile.place, market) {
            (Some(home), _) => home,
            (None, Some(market)) if self.state.markets.contains_key(&market) => {
                self.state.markets[&market].place
            }
            (None, _) => return 0,
        };
        i64::from(from.distance(self.terms().place).0)
    }

    /// What a day pays, in fen; of piece-work only where somebody says what a day usually comes to.
    fn fen_a_day(&self) -> Option<i128> {
        let (shifts, pay) = (&self.terms().shifts, &self.terms().pay);
        let rate = i128::from(pay.rate.0);
        let first = shifts.iter().min_by_key(|it| it.start()).unwrap();
        match pay.pay_kind {
            PayKind::Day => Some(rate),
            PayKind::Hour => Some(rate * i128::from((first.end().ms() - first.start().ms()) / MINUTE) / 60),
            PayKind::Task => Some(rate / shifts.len() as i128),
            PayKind::Piece => pay.usual_day.map(|it| i128::from(it.0)),
        }
    }

    fn pays_too_little(&self, worker: &Worker) -> bool {
        let expected = i128::from(worker.profile.expectation.0);
        match self.fen_a_day() {
            Some(pays) => self.weights().pay_must_meet_expectation && pays < expected,
            None => false,
        }
    }

    /// On a work date: a child, a minor who is not registered, or somebody whom an officer attested a bar for.
    fn is_barred(&self, worker: &Worker) -> bool {
        let barred_on = |date: Date| {
            let band = worker.age.map(|age| age.on(date));
            let child = band == Some(AgeBand::Under16);
            let minor = band == Some(AgeBand::From16To17) && !has_valid(worker, "minor_registration", date);
            let attested = worker
                .bars
                .iter()
                .any(|(trade, until)| *trade == self.terms().occupation && date.days() <= until.days());
            child || minor || attested
        };
        self.terms().shifts.iter().any(|shift| barred_on(shift.start().date()))
    }

    /// A minute of the work in which the worker has worked already; of the work, or of the way from one to the other, in
    /// which the worker works or may be asked to.
    fn is_busy(&self, id: WorkerId) -> bool {
        let mut taken: Vec<Shift> = Vec::new();
        for hire in self.state.hires.values().filter(|it| self.is_one_human(it.terms.worker, id)) {
            if matches!(hire.stage, Stage::Agreed | Stage::Started { .. }) {
                taken.extend(&hire.terms.shifts);
            }
            let worked_until = match hire.stage {
                Stage::Ended { until, .. } => until.ms(),
                Stage::Agreed | Stage::Started { .. } | Stage::Void(_) => i64::MIN,
            };
            for (own, it) in
                self.terms().shifts.iter().flat_map(|own| hire.terms.shifts.iter().map(move |it| (own, it)))
            {
                let both = own.start().ms().max(it.start().ms())..own.end().ms().min(it.end().ms());
                if !both.is_empty() && both.start < worked_until {
                    return true;
                }
            }
        }
        for offer in self.state.offers.values().filter(|it| it.worker == id && it.open) {
            taken.extend(self.state.postings.get(&offer.posting).into_iter().flat_map(|it| &it.terms.shifts));
        }
        let travel = self.rules.office().map_or(0, |it| i64::from(it.travel_minutes));
        let with_way_back =
            |shift: &Shift| -> Range<i64> { shift.start().ms() / MINUTE..shift.end().ms() / MINUTE + travel };
        let share_a_minute = |a: Range<i64>, b: Range<i64>| a.start.max(b.start) < a.end.min(b.end);
        let work = &self.terms().shifts;
        taken.iter().any(|it| work.iter().any(|own| share_a_minute(with_way_back(it), with_way_back(own))))
    }

    fn is_one_human(&self, one: WorkerId, other: WorkerId) -> bool {
        let person = |id: WorkerId| self.state.workers[&id].person;
        let linked =
            self.state.persons.get(&person(one)).is_some_and(|it| it.linked.contains(&person(other)));
        one == other || linked
    }

    /// Somebody whom no reason speaks against.
    pub(super) fn scored(&self, id: WorkerId, run: Uuid) -> Candidate {
        let (worker, weights) = (&self.state.workers[&id], self.weights());
        let mut terms = Vec::new();
        let mut add = |name: &str, term: Term, quantity: i64| {
            terms.push(ScoreTerm { term: name.into(), points: worth(term, quantity) });
        };
        if !worker.profile.declines_ranking {
            add("distance", weights.distance, i64::from(worker.profile.reach.0) - self.metres(worker));
            let best = self.levels_in_trade(worker).into_iter().max().unwrap();
            add("skill", weights.skill, best - rung(self.terms().requirements.level));
            add("reliability", weights.reliability, self.reliability(worker));
        }
        add("waiting", weights.waiting, self.waited(worker));
        if !worker.profile.declines_ranking {
            let together = worker.worked_for.get(&self.terms().employer);
            add("cooperation", weights.cooperation, together.map_or(0, |it| i64::from(*it)));
        }
        let score = terms.iter().map(|it| it.points).sum();
        Candidate { worker: id, score, terms, lot: drawn(run, &id.to_string()) }
    }

    /// Percent of hires kept, as if some more had gone like a newcomer's.
    fn reliability(&self, worker: &Worker) -> i64 {
        let newcomer = i64::from(self.weights().reliability_of_newcomers);
        let mut hundreds = vec![newcomer; usize::from(self.weights().reliability_hires)];
        hundreds.extend(vec![100; worker.kept as usize]);
        hundreds.extend(vec![0; worker.missed as usize]);
        if hundreds.is_empty() {
            return newcomer;
        }
        hundreds.iter().sum::<i64>() / hundreds.len() as i64
    }

    /// Whole minutes at the market.
    fn waited(&self, worker: &Worker) -> i64 {
        match worker.presence {
            Some(presence) if self.is_at_a_market(worker) => (self.now.ms() - presence.since.ms()) / MINUTE,
            Some(_) | None => 0,
        }
    }

    /// Everybody who fits, in the order in which they are to be asked.
    pub(super) fn in_order(&self, run: Uuid) -> Vec<Candidate> {
        let fit = self.state.workers.keys().filter(|id| self.reason(**id).is_none());
        let mut queue: Vec<Candidate> = fit.map(|id| self.scored(*id, run)).collect();
        // Everybody in a queue; whoever is at no market stands at its end.
        let came = |it: &Candidate| {
            let worker = &self.state.workers[&it.worker];
            worker.presence.filter(|_| self.is_at_a_market(worker)).map_or(i64::MAX, |it| it.since.ms())
        };
        queue.sort_by_key(|it| (came(it), it.lot, it.worker));
        // Whoever wants to be ranked steps out and takes, best first, one of the places so left.
        let declines = |it: &Candidate| self.state.workers[&it.worker].profile.declines_ranking;
        let mut ranked: Vec<Candidate> = queue.iter().filter(|it| !declines(it)).cloned().collect();
        ranked.sort_by(|a, b| b.score.cmp(&a.score).then(a.lot.cmp(&b.lot)).then(a.worker.cmp(&b.worker)));
        let mut ranked = ranked.into_iter();
        for place in &mut queue {
            if !declines(place) {
                *place = ranked.next().unwrap();
            }
        }
        queue
    }

    /// How many each reason leaves out before any other does.
    pub(super) fn left_out(&self) -> BTreeMap<&'static str, u32> {
        let mut left_out = BTreeMap::new();
        for reason in self.state.workers.keys().filter_map(|id| self.reason(*id)) {
            *left_out.entry(reason).or_default() += 1;
        }
        left_out
    }

    /// Whom a run offers a place, in order; `None` where there is nothing to run for.
    pub(super) fn asked(&self, run: Uuid) -> Option<Vec<WorkerId>> {
        let free = self.free();
        let first = self.terms().shifts.iter().map(|it| it.start()).min().unwrap();
        if free == 0
            || self.posted().status != Status::Open
            || first <= self.now
            || self.is_kept_from_hiring()
        {
            return None;
        }
        Some(self.in_order(run).into_iter().take(free).map(|it| it.worker).collect())
    }

    /// Places that no hire takes and no offer holds.
    fn free(&self) -> usize {
        let hires = self.state.hires.values();
        let taken =
            hires.filter(|it| it.terms.posting == self.posting && !matches!(it.stage, Stage::Void(_)));
        let held = self.state.offers.values().filter(|it| it.posting == self.posting && it.open);
        usize::from(self.terms().headcount).saturating_sub(taken.count() + held.count())
    }

    /// A restriction counts on its last day too.
    fn is_kept_from_hiring(&self) -> bool {
        let restrictions = self.state.employers.get(&self.terms().employer).map(|it| &it.restrictions);
        restrictions.into_iter().flatten().any(|(_, until)| self.now.date().days() <= until.days())
    }
}

/// The posting for which somebody who arrives is first looked at: the most urgent that fits best.
pub(super) fn for_arrival(
    state: &State,
    id: WorkerId,
    run: Uuid,
    now: Timestamp,
    rules: &RuleBook,
) -> Option<PostingId> {
    let mut fitting = Vec::new();
    for posting in state.postings.keys() {
        let naive = Naive { state, rules, now, posting: *posting };
        let waits = naive.terms().mode == FillMode::Dispatch && naive.asked(run).is_some();
        if !waits || naive.reason(id).is_some() {
            continue;
        }
        let first = naive.terms().shifts.iter().map(|it| it.start().ms()).min().unwrap();
        let weights = naive.weights();
        let nearer = i64::from(weights.urgency_horizon_minutes) - (first - now.ms()) / MINUTE;
        let score = worth(weights.urgency, nearer) + naive.scored(id, run).score;
        fitting.push((-score, drawn(run, &posting.to_string()), *posting));
    }
    fitting.sort_unstable();
    fitting.first().map(|(_, _, posting)| *posting)
}

/// The reasons as a run records them: in the order in which they are looked at.
pub(super) fn as_recorded(left_out: &BTreeMap<&'static str, u32>) -> Vec<Exclusion> {
    let order = [
        "not_available",
        "has_place",
        "declined",
        "skill",
        "certificate",
        "out_of_reach",
        "below_expectation",
        "document",
        "lawful_bar",
        "busy",
    ];
    let counted = order.iter().filter_map(|rule| left_out.get(rule).map(|workers| (*rule, *workers)));
    counted.map(|(rule, workers)| Exclusion { rule: rule.into(), workers }).collect()
}

fn rung(level: SkillLevel) -> i64 {
    match level {
        SkillLevel::Helper => 1,
        SkillLevel::Skilled => 2,
        SkillLevel::Master => 3,
    }
}

/// min(cap, weight × quantity ÷ per), the rest dropped, never below nothing: as the policy says of itself.
fn worth(term: Term, quantity: i64) -> i64 {
    if quantity <= 0 {
        return 0;
    }
    let (weight, per, cap) = (u128::from(term.weight), u128::from(term.per), u128::from(term.cap));
    let whole = weight * quantity.unsigned_abs() as u128 / per;
    whole.min(cap) as i64
}

/// The lottery: 53 bits of the id that a run and a label give.
fn drawn(run: Uuid, whom: &str) -> u64 {
    let id = new_id(CommandId(run), &format!("lot:{whom}"), 0);
    let low = id.as_u128() % (1 << 53);
    low as u64
}

/// Every civil date that has a minute of the shift.
fn days(shift: &Shift) -> Vec<Date> {
    let mut days = Vec::new();
    let mut minute = shift.start();
    while minute < shift.end() {
        days.push(minute.date());
        minute = minute.date().end().plus_ms(1);
    }
    days
}

fn has_valid(worker: &Worker, code: &str, day: Date) -> bool {
    worker.profile.certificates.iter().any(|it| {
        it.certificate.code() == code && it.from.days() <= day.days() && day.days() <= it.until.days()
    })
}
