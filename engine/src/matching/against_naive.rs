//! The core and the oracle look at the same invented mornings and must name the same people, reasons and points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use linggong_events::employer::{self, EmployerDetails, EmployerKind};
use linggong_events::envelope::Envelope;
use linggong_events::event::Event;
use linggong_events::hire::{CancelReason, EndBasis, HireEvent};
use linggong_events::id::{EmployerId, HireId, Kind, MarketId, OfferId, PersonId, PostingId, WorkerId};
use linggong_events::market::{self, MarketKind};
use linggong_events::matching::MatchEvent;
use linggong_events::measure::{Fen, Metres};
use linggong_events::offer::{OfferEvent, WithdrawReason};
use linggong_events::person::{Age, AgeBand};
use linggong_events::place::Point;
use linggong_events::posting::{
    self, FillMode, PayDue, PayKind, PayTerms, PostingTerms, RelationKind, Requirements,
};
use linggong_events::rules::PackKind;
use linggong_events::time::{Shift, Timestamp};
use linggong_events::worker::{
    ArrivalMeans, Arrived, BarAttested, Certificate, Profile, ProfileChanged, Registered, Skill, SkillLevel,
    WorkerEvent,
};
use uuid::Uuid;

use super::naive::{self, Naive};
use super::{MAX_CANDIDATES, explain, rank};
use crate::command::Command;
use crate::hire::{Cancel, End, ReportNoShow, Stage};
use crate::offer::{Accept, Decline, Withdraw};
use crate::posting::Match;
use crate::rules::{Pack, RuleBook};
use crate::state::State;
use crate::testing::{Given, OFFICE, given, region, shift};
use crate::worker::Leave;

const WORKERS: u128 = 24;
const POSTINGS: u128 = 3;

#[test]
fn the_core_and_the_oracle_say_the_same_of_everybody_at_every_step() {
    let mut seen = Seen::default();
    for seed in 0..120 {
        let mut dice = Dice(seed);
        let rules = rules(&mut dice);
        let mut morning = Morning::begin(&mut dice, rules, &mut seen);
        for n in 1..=36 {
            morning.goes_on(&mut dice, &mut seen);
            if n % 18 == 0 {
                morning.everybody(seed, &mut seen);
            }
        }
    }
    let rare: Vec<_> = REASONS.iter().filter(|it| seen.reasons.get(**it).is_none_or(|n| *n < 8)).collect();
    assert!(rare.is_empty(), "the mornings hardly show {rare:?}: {seen:?}");
    let Seen { eligible, ties, unranked, runs, offers, arrivals, happened, .. } = &seen;
    let much = *eligible > 300 && *ties > 20 && *unranked > 30 && *runs > 200 && *offers > 150;
    assert!(much && *arrivals > 30, "the mornings are worth looking at: {seen:?}");
    let missing: Vec<_> = HAPPENINGS.iter().filter(|it| !happened.contains(**it)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

const REASONS: [&str; 10] = [
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

/// What must have happened in some morning, so that what follows from it was compared.
const HAPPENINGS: [&str; 10] = [
    "match.reasoned",
    "offer.accepted",
    "offer.declined",
    "offer.expired",
    "offer.withdrawn",
    "hire.cancelled",
    "hire.no_show",
    "hire.ended",
    "worker.went_home_unhired",
    "employer.restricted",
];

/// What the mornings showed, so that none is empty of what it is to show.
#[derive(Debug, Default)]
struct Seen {
    reasons: BTreeMap<String, usize>,
    happened: BTreeSet<String>,
    eligible: usize,
    ties: usize,
    unranked: usize,
    runs: usize,
    offers: usize,
    arrivals: usize,
}

/// A market's morning that may still go anywhere.
struct Morning {
    given: Option<Given>,
    rules: RuleBook,
    told: Told,
    /// The time by the clock of the test, in minutes after 05:00.
    minute: u64,
}

/// What the events say of a worker's past, folded a second time.
#[derive(Default)]
struct Told {
    declined: BTreeSet<(WorkerId, PostingId)>,
    kept: BTreeMap<WorkerId, u32>,
    missed: BTreeMap<WorkerId, u32>,
    together: BTreeMap<(WorkerId, EmployerId), u32>,
}

impl Told {
    fn hear(&mut self, event: &Event) {
        if let Event::Offer(event) = event {
            match event {
                OfferEvent::Declined(it) => self.decline(it.worker, it.posting),
                OfferEvent::Expired(it) => self.decline(it.worker, it.posting),
                OfferEvent::Withdrawn(it) if it.reason == WithdrawReason::Desk => {
                    self.decline(it.worker, it.posting);
                }
                OfferEvent::Made(_) | OfferEvent::Accepted(_) | OfferEvent::Withdrawn(_) => {}
            }
        }
        let Event::Hire(event) = event else { return };
        if let HireEvent::Cancelled(it) = event
            && it.reason == CancelReason::Worker
        {
            self.decline(it.terms.worker, it.terms.posting);
        }
        if let HireEvent::NoShow(it) = event {
            self.decline(it.terms.worker, it.terms.posting);
            *self.missed.entry(it.terms.worker).or_default() += 1;
        }
        if let HireEvent::Ended(it) = event {
            *self.kept.entry(it.terms.worker).or_default() += 1;
            *self.together.entry((it.terms.worker, it.terms.employer)).or_default() += 1;
        }
    }

    fn decline(&mut self, worker: WorkerId, posting: PostingId) {
        self.declined.insert((worker, posting));
    }
}

impl Morning {
    fn begin(dice: &mut Dice, rules: RuleBook, seen: &mut Seen) -> Morning {
        let given = given([]).under(rules.clone());
        let mut morning = Morning { given: Some(given), rules, told: Told::default(), minute: 0 };
        let name = || "一个".to_owned();
        for n in 0..2 {
            let (market, place) = (MarketId(Uuid::from_u128(0x100 + n)), point(dice));
            let market_kind = MarketKind::PublicBenefit;
            let event = market::Registered {
                market,
                name: name(),
                region: region(),
                place,
                market_kind,
                operator: None,
            };
            morning.happens(event.into(), seen);
        }
        for n in 0..3 {
            let employer = employer(n);
            let details = EmployerDetails {
                employer_kind: EmployerKind::Unlicensed,
                name: None,
                code: None,
                person: Some(PersonId(Uuid::from_u128(0x200 + n))),
                principal: None,
                licence: None,
                region: region(),
                place: None,
            };
            morning.happens(employer::Registered { employer, details }.into(), seen);
        }
        let wanted: Vec<PostingTerms> = (0..POSTINGS).map(|_| terms(dice)).collect();
        // Some come before there is work, and some after; who was there first is asked first.
        let early = dice.below(WORKERS as u64);
        for n in 0..WORKERS {
            if u64::try_from(n).unwrap() == early {
                for (terms, n) in wanted.iter().zip(0..) {
                    morning.publish(n, terms, seen);
                }
            }
            morning.register(dice, n, &wanted, seen);
        }
        morning
    }

    fn publish(&mut self, n: u128, terms: &PostingTerms, seen: &mut Seen) {
        let event = posting::Published {
            posting: posting_id(n),
            terms: terms.clone(),
            relation: RelationKind::TaskContract,
            relation_basis: "试验".into(),
        };
        self.happens(event.into(), seen);
    }

    fn register(&mut self, dice: &mut Dice, n: u128, wanted: &[PostingTerms], seen: &mut Seen) {
        let about = &wanted[dice.below(wanted.len() as u64) as usize];
        let worker = worker_id(n);
        let date = about.shifts[0].work_date();
        let band = [AgeBand::Under16, AgeBand::From16To17, AgeBand::From18To59, AgeBand::From60];
        let age = Age {
            band: if dice.one_in(6) { dice.of(&band) } else { AgeBand::From18To59 },
            changes_on: dice.one_in(4).then(|| date.plus_days(dice.of(&[0, 1, 2]) - 1)),
        };
        let registered = Registered {
            worker,
            person: PersonId(Uuid::from_u128(0x300 + n)),
            profile: profile(dice, about),
            document_verified: !dice.one_in(15),
            age: (!dice.one_in(15)).then_some(age),
            person_tokens: None,
        };
        self.happens(registered.into(), seen);
        if dice.one_in(10) {
            let occupations = vec![dice.of(&["loader", "bricklayer"]).parse().unwrap()];
            let until = date.plus_days(dice.of(&[0, 1, 2]) - 1);
            let basis = "试验".to_owned();
            self.happens(BarAttested { worker, occupations, until, office: OFFICE, basis }.into(), seen);
        }
        if !dice.one_in(5) {
            self.arrive(dice, worker, seen);
        }
    }

    fn arrive(&mut self, dice: &mut Dice, worker: WorkerId, seen: &mut Seen) {
        if self.state().workers[&worker].presence.is_some() {
            return;
        }
        let now = self.now();
        let until = if dice.one_in(8) {
            now.plus_ms(60_000 * (1 + dice.below(120) as i64))
        } else {
            now.date().at_minute(1440)
        };
        let market = MarketId(Uuid::from_u128(0x100 + u128::from(dice.below(2))));
        let date = now.date();
        self.happens(
            Arrived { worker, market, queue_no: 1, date, means: ArrivalMeans::Desk, until }.into(),
            seen,
        );
    }

    /// One more thing happens: somebody acts, or time passes.
    fn goes_on(&mut self, dice: &mut Dice, seen: &mut Seen) {
        let worker = worker_id(u128::from(dice.below(WORKERS as u64)));
        let posting = posting_id(u128::from(dice.below(POSTINGS as u64)));
        let open: Vec<(OfferId, WorkerId)> =
            self.state().offers.iter().filter(|(_, it)| it.open).map(|(id, it)| (*id, it.worker)).collect();
        let live = |it: &crate::hire::Hire| matches!(it.stage, Stage::Agreed | Stage::Started { .. });
        let hires: Vec<HireId> =
            self.state().hires.iter().filter(|(_, it)| live(it)).map(|(id, _)| *id).collect();
        match dice.below(13) {
            0 => self.passes(dice.of(&[1, 5, 19, 20, 60, 120, 240]), seen),
            1 => self.asks(Match { posting }, seen),
            2 => self.arrive(dice, worker, seen),
            3 => {
                if let Some(presence) = self.state().workers[&worker].presence {
                    self.asks(Leave { worker, market: presence.market }, seen);
                }
            }
            4 if dice.one_in(2) => {
                let about = self.state().postings[&posting].terms.clone();
                let profile = profile(dice, &about);
                self.happens(ProfileChanged { worker, profile }.into(), seen);
            }
            5 if dice.one_in(3) => {
                let (employer, until) = (employer(2), self.now().date().plus_days(dice.below(3) as i64 - 1));
                let (authority, basis) = ("试验".to_owned(), "试验".to_owned());
                self.happens(employer::Restricted { employer, authority, basis, until }.into(), seen);
            }
            n if n <= 8 && !open.is_empty() => {
                let (offer, _) = dice.of(&open);
                match n {
                    6 => self.asks(Decline { offer, reason: None }, seen),
                    7 => self.asks(Withdraw { offer }, seen),
                    _ => self.asks(Accept { offer }, seen),
                }
            }
            n if n >= 9 && !hires.is_empty() => {
                let hire = dice.of(&hires);
                match n {
                    9 => self.asks(Cancel { hire, reason: CancelReason::Worker, note: None }, seen),
                    10 => self.asks(Cancel { hire, reason: CancelReason::Employer, note: None }, seen),
                    // A no-show is told of once the work has begun.
                    11 => {
                        let start = self.state().hires[&hire].first_start();
                        let minutes = (start.ms() - self.now().ms()).max(0) / 60_000;
                        if minutes < 600 {
                            self.passes(minutes.unsigned_abs(), seen);
                            self.asks(ReportNoShow { hire }, seen);
                        }
                    }
                    _ => {
                        let (date, basis) = (self.now().date(), EndBasis::WorkDone);
                        self.asks(End { hire, date, basis }, seen);
                    }
                }
            }
            _ => self.passes(15, seen),
        }
    }

    fn passes(&mut self, minutes: u64, seen: &mut Seen) {
        self.minute += minutes;
        let then = crate::testing::at("2026-11-22 05:00").plus_ms(60_000 * self.minute as i64).local();
        self.step(|given| given.when_time_is(&then[..16]).whatever(), seen);
    }

    fn asks(&mut self, command: impl Into<Command>, seen: &mut Seen) {
        self.step(|given| given.when(command).whatever(), seen);
    }

    fn happens(&mut self, event: Event, seen: &mut Seen) {
        self.step(|given| given.told(event), seen);
    }

    /// One step; every run and every choice of a posting on the way is the oracle's too.
    fn step(&mut self, step: impl FnOnce(Given) -> (Given, Vec<Envelope>), seen: &mut Seen) {
        let given = self.given.take().unwrap();
        let mut state = given.state.clone();
        let (given, happened) = step(given);
        let mut arrived: Option<PostingId> = None;
        for (n, envelope) in happened.iter().enumerate() {
            let now = envelope.meta.time;
            if let Event::Match(MatchEvent::Reasoned(it)) = &envelope.event {
                let naive = Naive { state: &state, rules: &self.rules, now, posting: it.posting };
                let mut candidates = naive.in_order(it.run.0);
                candidates.truncate(MAX_CANDIDATES);
                assert_eq!(it.candidates, candidates, "who is proposed");
                assert_eq!(it.excluded, naive::as_recorded(&naive.left_out()), "who is left out");
                assert_eq!(it.considered as usize, state.workers.len());
                let asked = naive.asked(it.run.0).expect("a run for places that are to be filled");
                assert_eq!(offers_of(&happened[n + 1..], it.run.0), asked, "who is asked");
                seen.runs += 1;
                seen.offers += asked.len();
            }
            if let Some(expected) = arrived.take() {
                let Event::Match(MatchEvent::Reasoned(it)) = &envelope.event else {
                    panic!("nobody looked at {expected:?} for whoever arrived: {envelope:?}");
                };
                let chosen = it.posting;
                assert_eq!(chosen, expected, "for which posting somebody who arrives is looked at");
            }
            state.evolve(envelope);
            self.told.hear(&envelope.event);
            seen.happened.insert(envelope.event.event_type().short_name().to_owned());
            if let Event::Worker(WorkerEvent::Arrived(it)) = &envelope.event {
                let run = super::new_id(super::CommandId(envelope.meta.id.0), Kind::Match.name(), 0);
                arrived = naive::for_arrival(&state, it.worker, run, now, &self.rules);
                seen.arrivals += usize::from(arrived.is_some());
            }
        }
        assert!(arrived.is_none(), "whoever arrives is looked at where work waits for them");
        self.given = Some(given);
    }

    /// Everybody for every posting: the reason or the points, and the order.
    fn everybody(&self, seed: u64, seen: &mut Seen) {
        let (state, now) = (self.state(), self.now());
        for posting in state.postings.keys().copied() {
            let naive = Naive { state, rules: &self.rules, now, posting };
            for worker in state.workers.keys().copied() {
                let told = explain(state, posting, worker, now, &self.rules).unwrap();
                let reason = naive.reason(worker);
                assert_eq!(told.excluded.map(|it| it.name()), reason, "seed {seed}, {worker} for {posting}");
                match reason {
                    Some(reason) => *seen.reasons.entry(reason.into()).or_default() += 1,
                    None => {
                        let scored = naive.scored(worker, posting.0);
                        assert_eq!((told.score, told.terms), (scored.score, scored.terms), "seed {seed}");
                        seen.eligible += 1;
                    }
                }
            }
            // Where somebody's day at the market ends at that very minute, before anything tells of it.
            let ends = state.workers.values().filter_map(|it| it.presence).map(|it| it.until).min();
            if let Some(then) = ends {
                let naive = Naive { state, rules: &self.rules, now: then, posting };
                for worker in state.workers.keys().copied() {
                    let told = explain(state, posting, worker, then, &self.rules).unwrap();
                    assert_eq!(told.excluded.map(|it| it.name()), naive.reason(worker), "seed {seed}");
                }
            }
            let run = Uuid::from_u128(u128::from(seed));
            let order = naive.in_order(run);
            seen.ties += order.windows(2).filter(|pair| pair[0].score == pair[1].score).count();
            let declines = |it: WorkerId| state.workers[&it].profile.declines_ranking;
            seen.unranked += order.iter().filter(|it| declines(it.worker)).count();
            let left_out = naive::as_recorded(&naive.left_out());
            for k in [1, 3, MAX_CANDIDATES, 60] {
                let ranking = rank(state, posting, run, k, now, &self.rules).unwrap();
                assert_eq!(ranking.candidates, order[..order.len().min(k)], "seed {seed}, the first {k}");
                assert_eq!(ranking.excluded, left_out, "seed {seed}");
            }
        }
        for (id, worker) in &state.workers {
            let declined = self.told.declined.iter().filter(|(it, _)| it == id).map(|(_, posting)| *posting);
            assert_eq!(worker.declined, declined.collect(), "seed {seed}: what {id} declined");
            let count = |of: &BTreeMap<WorkerId, u32>| of.get(id).copied().unwrap_or_default();
            let past = (count(&self.told.kept), count(&self.told.missed));
            assert_eq!((worker.kept, worker.missed), past, "seed {seed}: how {id} kept their word");
            for (employer, times) in &worker.worked_for {
                assert_eq!(self.told.together.get(&(*id, *employer)), Some(times), "seed {seed}");
            }
        }
    }

    fn state(&self) -> &State {
        &self.given.as_ref().unwrap().state
    }

    fn now(&self) -> Timestamp {
        crate::testing::at("2026-11-22 05:00").plus_ms(60_000 * self.minute as i64)
    }
}

/// The workers to whom a run made offers.
fn offers_of(after: &[Envelope], run: Uuid) -> Vec<WorkerId> {
    let made = after.iter().filter_map(|it| {
        if let Event::Offer(OfferEvent::Made(made)) = &it.event { Some(made) } else { None }
    });
    made.filter(|it| it.proposed_by.is_some_and(|by| by.0 == run)).map(|it| it.worker).collect()
}

/// The shipped packs, with numbers of the office and of the policy that another county might have chosen.
fn rules(dice: &mut Dice) -> RuleBook {
    let other: &[(&str, &str)] = &[
        ("travel_minutes = 0", "travel_minutes = 30"),
        ("pay_must_meet_expectation = true", "pay_must_meet_expectation = false"),
        ("reliability_hires = 20", "reliability_hires = 0"),
        ("cap = 200", "cap = 37"),
        ("per = 100", "per = 333"),
        ("weight = 40", "weight = 0"),
    ];
    let chosen: Vec<_> = other.iter().filter(|_| dice.one_in(3)).collect();
    let packs = crate::pack::DEFAULT_PACKS.iter().map(|(_, kind, text)| {
        let mut text = (*text).to_owned();
        if *kind != PackKind::Calendar {
            chosen.iter().for_each(|(from, to)| text = text.replace(from, to));
        }
        Arc::new(Pack::parse(*kind, text.as_bytes()).unwrap())
    });
    RuleBook::new(packs)
}

fn terms(dice: &mut Dice) -> PostingTerms {
    let menu = [
        vec![shift("2026-11-22 05:40", "2026-11-22 15:40")],
        vec![shift("2026-11-22 12:30", "2026-11-22 20:00")],
        vec![shift("2026-11-22 22:00", "2026-11-23 06:00")],
        vec![shift("2026-11-22 22:00", "2026-11-23 00:00")],
        vec![shift("2026-11-22 23:59", "2026-11-24 00:01")],
        vec![shift("2026-11-23 13:00", "2026-11-23 18:00"), shift("2026-11-22 17:30", "2026-11-22 21:30")],
    ];
    let pay_kind = dice.of(&[PayKind::Day, PayKind::Hour, PayKind::Task, PayKind::Piece]);
    let certificates = if dice.one_in(2) { vec!["forklift".parse().unwrap()] } else { Vec::new() };
    PostingTerms {
        employer: employer(u128::from(dice.below(3))),
        occupation: dice.of(&["loader", "loader", "loader", "bricklayer"]).parse().unwrap(),
        text: "装卸".into(),
        region: region(),
        place: point(dice),
        address: "物流园".into(),
        shifts: menu[dice.below(menu.len() as u64) as usize].clone(),
        headcount: 1 + dice.below(5) as u16,
        pay: PayTerms {
            pay_kind,
            rate: Fen(dice.of(&[2_999, 24_001])),
            unit: Some("袋".into()),
            usual_day: dice.one_in(2).then_some(Fen(20_000)),
            due: PayDue::OnCompletion {},
        },
        requirements: Requirements { level: dice.of(&LEVELS), certificates },
        mode: if dice.one_in(4) { FillMode::Grab } else { FillMode::Dispatch },
        market: None,
    }
}

const LEVELS: [SkillLevel; 3] = [SkillLevel::Helper, SkillLevel::Skilled, SkillLevel::Master];

/// Somebody who nearly always fits `about`, and whom what is one too few or one too many keeps out of it.
fn profile(dice: &mut Dice, about: &PostingTerms) -> Profile {
    let level = if dice.one_in(6) { dice.of(&LEVELS) } else { SkillLevel::Master };
    let mut skills = vec![Skill { occupation: about.occupation, level }];
    if dice.one_in(3) {
        skills.push(Skill {
            occupation: dice.of(&["loader", "bricklayer"]).parse().unwrap(),
            level: dice.of(&LEVELS),
        });
    }
    if dice.one_in(12) {
        skills.remove(0);
    }
    let place = (!dice.one_in(4)).then(|| point(dice));
    let metres = place.map_or(5_000, |place| place.distance(about.place).0);
    let reach = if dice.one_in(3) { (metres + 1).saturating_sub(dice.of(&[0, 1, 2])) } else { 60_000 };
    let [first, last] =
        [about.shifts.iter().map(|it| it.start()).min(), about.shifts.iter().map(|it| it.end()).max()];
    let (first, last) = (first.unwrap(), last.unwrap());
    let minutes = |n: i64| 60_000 * n;
    let mut available = Vec::new();
    for it in about.shifts.iter().filter(|it| it.minutes() < 2_000) {
        let (early, late) = (dice.of(&[-1, 0, 1]), dice.of(&[-1, 0, 1]));
        let free = Shift::new(it.start().plus_ms(minutes(early)), it.end().plus_ms(minutes(late)));
        available.extend(free.ok().filter(|_| dice.one_in(2)));
    }
    Profile {
        skills,
        certificates: certificates(dice, first, last),
        place,
        reach: Metres(reach),
        expectation: if dice.one_in(3) { expectation(dice, about) } else { Fen(2_000) },
        available,
        declines_ranking: dice.one_in(8),
    }
}

/// What the posting pays a day, a fen more or less.
fn expectation(dice: &mut Dice, about: &PostingTerms) -> Fen {
    let hours = |minutes: i64| about.pay.rate.0 * minutes / 60;
    let days = [about.pay.rate.0, hours(240), hours(300), hours(600), about.pay.rate.0 / 2, 20_000];
    Fen(dice.of(&days) + dice.of(&[-1, 0, 1]))
}

/// One that lasts, one that ends too soon or begins too late, two with a gap between; sometimes another kind.
fn certificates(dice: &mut Dice, first: Timestamp, last: Timestamp) -> Vec<Certificate> {
    let (first, last) = (first.date(), last.plus_ms(-1).date());
    let around = |dice: &mut Dice| dice.of(&[-1, 0, 1]);
    let kind = dice.of(&["forklift", "forklift", "forklift", "welding"]).parse().unwrap();
    let held = |from, until| Certificate { certificate: kind, from, until };
    let mut certificates = match dice.below(4) {
        0 => vec![held(first.plus_days(around(dice)), last.plus_days(1))],
        1 => vec![held(first.plus_days(-1), last.plus_days(around(dice)))],
        2 => vec![held(first.plus_days(-9), first), held(last.plus_days(around(dice)), last.plus_days(9))],
        _ => vec![held(first.plus_days(-9), last.plus_days(9))],
    };
    if dice.one_in(3) {
        let until = first.plus_days(around(dice));
        let certificate = "minor_registration".parse().unwrap();
        certificates.push(Certificate { certificate, from: first.plus_days(-9), until });
    }
    certificates
}

fn point(dice: &mut Dice) -> Point {
    Point {
        lat_e6: 36_600_000 + dice.below(200_000) as i32,
        lon_e6: 117_000_000 + dice.below(200_000) as i32,
    }
}

fn worker_id(n: u128) -> WorkerId {
    WorkerId(Uuid::from_u128(0x400 + n))
}

fn posting_id(n: u128) -> PostingId {
    PostingId(Uuid::from_u128(0x500 + n))
}

fn employer(n: u128) -> EmployerId {
    EmployerId(Uuid::from_u128(0x600 + n))
}

/// A generator whose numbers are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
