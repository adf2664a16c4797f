//! What is so: the fold of all events. Decisions read it; only [`State::evolve`] writes it.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::case::DeadlineOf;
use linggong_events::codec::digest_of_whole;
use linggong_events::commit::Digest;
use linggong_events::envelope::Envelope;
use linggong_events::event::Event;
use linggong_events::id::{
    AttendanceId, CardId, CaseId, ClaimId, CommandId, EmployerId, EntityRef, EventId, HireId, InsuranceId,
    MarketId, OfferId, OfficeId, PersonId, PostingId, WageId, WorkerId,
};
use linggong_events::measure::{Position, Version};
use linggong_events::office::ClockDoubt;
use linggong_events::region::Region;
use linggong_events::rules::PackKind;
use linggong_events::time::{DAY_MS, Date, MINUTE_MS, Timestamp};
use serde::{Deserialize, Serialize};

use crate::remembered::{Memory, Remembered};
use crate::rules::RuleBook;
use crate::{
    attendance, case, claim, employer, hire, insurance, market, matching, offer, office, past, person,
    posting, rules, wage, worker,
};

/// How long a command is remembered, by recorded time.
pub const KEY_WINDOW_MS: i64 = 90 * DAY_MS;

/// How far ahead of the engine's clock a client's may stand when it makes a key.
pub(crate) const MAX_KEY_AHEAD_MS: i64 = 10 * MINUTE_MS;

/// How far recorded time may lag behind the clock of the machine, while that is in doubt, for a key by the latter to be
/// taken. It is remembered for as much longer.
pub(crate) const MAX_DOUBT_MS: i64 = 30 * DAY_MS;

/// Everything that is so at one position of the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub(crate) markets: BTreeMap<MarketId, market::Market>,
    pub(crate) offices: BTreeMap<OfficeId, office::Office>,
    pub(crate) persons: BTreeMap<PersonId, person::Person>,
    /// Every card that was ever given out, dead ones too, so that none is given out twice.
    pub(crate) cards: BTreeMap<CardId, PersonId>,
    pub(crate) workers: BTreeMap<WorkerId, worker::Worker>,
    pub(crate) employers: BTreeMap<EmployerId, employer::Employer>,
    pub(crate) postings: BTreeMap<PostingId, posting::Posting>,
    pub(crate) offers: BTreeMap<OfferId, offer::Offer>,
    pub(crate) hires: BTreeMap<HireId, hire::Hire>,
    pub(crate) attendances: BTreeMap<AttendanceId, attendance::Attendance>,
    pub(crate) wages: BTreeMap<WageId, wage::Wage>,
    pub(crate) insurances: BTreeMap<InsuranceId, insurance::Insurance>,
    pub(crate) claims: BTreeMap<ClaimId, claim::Claim>,
    pub(crate) cases: BTreeMap<CaseId, case::Case>,
    /// The packs in force, in the order in which their names were first adopted.
    pub(crate) packs: Vec<AdoptedPack>,
    /// The calendars that were adopted, each with the event that did so last.
    pub(crate) calendars: BTreeMap<Digest, (Position, EventId)>,
    pub(crate) deadlines: BTreeSet<Deadline>,
    /// Why the clock is not trusted; nothing falls due until somebody vouches for it.
    pub(crate) clock_doubt: Option<ClockDoubt>,
    /// The attendances of a worker by work date, so that overlaps are found without a search.
    pub(crate) attended: BTreeMap<(WorkerId, Date), BTreeSet<AttendanceId>>,
    /// What is known of cover, by hire.
    pub(crate) covers: BTreeMap<HireId, insurance::Covers>,
    /// Postings with places that came free and were not offered since, with the event that freed the last.
    pub(crate) owed: BTreeMap<PostingId, (Position, EventId)>,
    /// The claims that name a wage (or a hire, where the wage is not on the books).
    pub(crate) claimed: BTreeMap<EntityRef, BTreeSet<ClaimId>>,
    /// Who declined a posting, as long as it is known.
    pub(crate) declined_by: BTreeMap<PostingId, BTreeSet<WorkerId>>,
    /// What will be over, and when to look whether it is.
    pub(crate) passing: BTreeSet<(Timestamp, EntityRef)>,
    remembered: Memory,
    /// The version of each entity, and the position and time of its last event.
    versions: BTreeMap<EntityRef, (Version, Position, Timestamp)>,
    last: Position,
    last_time: Option<Timestamp>,
}

/// A pack in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdoptedPack {
    pub(crate) pack_kind: PackKind,
    pub(crate) name: String,
    pub(crate) digest: Digest,
}

/// An instant at which time alone makes a fact true, in the order of firing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline {
    /// The instant from which the fact is true.
    pub at: Timestamp,
    /// What it is about.
    pub entity: EntityRef,
    /// Which fact.
    pub due: Due,
}

/// The facts that time alone makes true.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Due {
    /// Nobody answered the offer.
    OfferExpires,
    /// The last shift began with places left.
    PostingExpires,
    /// The worker's day at the market is over.
    PresenceEnds,
    /// A shift begins soon and cover must be looked at.
    CoverChecked,
    /// Nobody told of the wage of a shift, or of its end where the hire ends with it.
    ShiftPresumed,
    /// The pay date passed.
    WageOverdue,
    /// The office that holds a claim did not answer.
    ClaimUnanswered,
    /// A case's deadline comes near.
    CaseWarned(DeadlineOf),
    /// A case's deadline passed.
    CaseLapsed(DeadlineOf),
}

impl Due {
    /// The label from which the ids of the resulting events follow.
    pub fn label(&self) -> String {
        match self {
            Due::OfferExpires => "offer_expires".into(),
            Due::PostingExpires => "posting_expires".into(),
            Due::PresenceEnds => "presence_ends".into(),
            Due::CoverChecked => "cover_checked".into(),
            Due::ShiftPresumed => "shift_presumed".into(),
            Due::WageOverdue => "wage_overdue".into(),
            Due::ClaimUnanswered => "claim_unanswered".into(),
            Due::CaseWarned(rule) => format!("case_warned:{rule}"),
            Due::CaseLapsed(rule) => format!("case_lapsed:{rule}"),
        }
    }
}

impl State {
    /// Applies one event. Cannot fail: what was recorded is so.
    pub fn evolve(&mut self, envelope: &Envelope) {
        let meta = &envelope.meta;
        self.versions.insert(meta.subject, (meta.version, meta.position, meta.time));
        self.last = meta.position;
        self.last_time = Some(meta.time);
        self.remembered.note(meta);
        match &envelope.event {
            Event::Market(event) => market::evolve(self, event),
            Event::Office(event) => office::evolve(self, event, meta),
            Event::Person(event) => person::evolve(self, event, meta),
            Event::Worker(event) => worker::evolve(self, event, meta),
            Event::Employer(event) => employer::evolve(self, event, meta),
            Event::Posting(event) => posting::evolve(self, event, meta),
            Event::Offer(event) => offer::evolve(self, event, meta),
            Event::Match(event) => matching::evolve(self, event),
            Event::Hire(event) => {
                hire::evolve(self, event, meta);
                attendance::after(self, event);
            }
            Event::Attendance(event) => attendance::evolve(self, event, meta),
            Event::Wage(event) => wage::evolve(self, event, meta),
            Event::Insurance(event) => insurance::evolve(self, event, meta),
            Event::Claim(event) => claim::evolve(self, event, meta),
            Event::Case(event) => case::evolve(self, event, meta),
            Event::Rules(event) => rules::evolve(self, event, meta),
        }
        past::note(self, &envelope.event, meta.subject, meta.time);
        past::let_go(self, meta.time);
    }

    /// What `event` makes necessary at once, in the same commit.
    pub fn follow_up(&self, envelope: &Envelope, rules: &RuleBook) -> Vec<Event> {
        let meta = &envelope.meta;
        match &envelope.event {
            Event::Worker(event) => worker::follow_up(self, event, meta, rules),
            Event::Posting(event) => posting::follow_up(self, event, meta),
            Event::Hire(event) => {
                let mut events = hire::follow_up(self, event, meta, rules);
                events.extend(insurance::after(self, event, rules));
                events
            }
            Event::Attendance(event) => attendance::follow_up(self, event, meta, rules),
            Event::Wage(event) => wage::follow_up(self, event, meta, rules),
            Event::Claim(event) => claim::follow_up(self, event, meta, rules),
            Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Employer(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Insurance(_)
            | Event::Case(_)
            | Event::Rules(_) => Vec::new(),
        }
    }

    /// The first fact that is due at `now`, with the events that state it.
    pub fn due(&self, now: Timestamp, rules: &RuleBook) -> Option<(Deadline, Vec<Event>)> {
        let deadline = self.deadlines.first().filter(|it| it.at <= now)?.clone();
        let events = match &deadline.due {
            Due::OfferExpires => offer::due(self, &deadline),
            Due::PostingExpires => posting::due(self, &deadline),
            Due::PresenceEnds => worker::due(self, &deadline),
            Due::CoverChecked => insurance::due(self, &deadline, rules),
            Due::ShiftPresumed => attendance::due(self, &deadline, rules),
            Due::WageOverdue => wage::due(self, &deadline, rules),
            Due::ClaimUnanswered => claim::due(self, &deadline),
            Due::CaseWarned(_) | Due::CaseLapsed(_) => case::due(self, &deadline, rules),
        };
        assert!(!events.is_empty(), "the deadline {deadline:?} outlived its cause");
        Some((deadline, events))
    }

    /// The instant of the next deadline.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|it| it.at)
    }

    /// A claim, not yet closed, by this human or against an employer that this human is or runs, or answers for: it
    /// holds their record.
    pub(crate) fn open_claim_about(&self, person: PersonId) -> Option<ClaimId> {
        let is_claimant = |worker: WorkerId| self.workers.get(&worker).is_some_and(|it| it.person == person);
        let runs =
            |id: EmployerId| self.employers.get(&id).is_some_and(|it| it.details.person == Some(person));
        let is_debtor = |id: EmployerId| runs(id) || self.principal_of(id).is_some_and(runs);
        let holds = |it: &claim::Claim| it.is_open() && (is_claimant(it.worker) || is_debtor(it.employer));
        self.claims.iter().find(|(_, it)| holds(it)).map(|(id, _)| *id)
    }

    /// The version of an entity; 0 where it has no events.
    pub fn version(&self, entity: EntityRef) -> Version {
        self.versions.get(&entity).map(|(version, _, _)| *version).unwrap_or_default()
    }

    /// The position of an entity's last event, and when it was recorded.
    pub fn last_of(&self, entity: EntityRef) -> Option<(Position, Timestamp)> {
        self.versions.get(&entity).map(|(_, position, time)| (*position, *time))
    }

    /// Lets go of the version of something that can have no event any more.
    pub(crate) fn forget_version(&mut self, entity: EntityRef) {
        self.versions.remove(&entity);
    }

    /// Whoever declined, let an offer lapse or gave a place up is not asked again for the same posting.
    pub(crate) fn decline(&mut self, worker: WorkerId, posting: PostingId) {
        let Some(known) = self.workers.get_mut(&worker) else { return };
        known.declined.insert(posting);
        self.declined_by.entry(posting).or_default().insert(worker);
    }

    /// Why the clock is not trusted, while nobody has vouched for it.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.clock_doubt
    }

    /// The position of the last event.
    pub fn last(&self) -> Position {
        self.last
    }

    /// The recorded time of the last event.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    /// What is remembered of a command.
    pub fn remembered(&self, command: CommandId) -> Option<&Remembered> {
        self.remembered.get(command)
    }

    /// The county that an entity belongs to, where it has one.
    pub fn region_of(&self, entity: EntityRef) -> Option<Region> {
        use linggong_events::id::Kind;
        let id = entity.id;
        match entity.kind {
            Kind::Market => self.markets.get(&MarketId(id)).map(|it| it.region),
            Kind::Office => self.offices.get(&OfficeId(id)).map(|it| it.region),
            Kind::Employer => self.employers.get(&EmployerId(id)).map(|it| it.details.region),
            Kind::Posting => self.postings.get(&PostingId(id)).map(|it| it.terms.region),
            Kind::Hire => self.hires.get(&HireId(id)).map(|it| it.terms.region),
            Kind::Offer => self.offers.get(&OfferId(id)).and_then(|it| self.region_of(it.posting.into())),
            Kind::Attendance => {
                self.attendances.get(&AttendanceId(id)).and_then(|it| self.region_of(it.hire.into()))
            }
            Kind::Wage => self.wages.get(&WageId(id)).and_then(|it| self.region_of(it.hire.into())),
            Kind::Insurance => {
                self.insurances.get(&InsuranceId(id)).and_then(|it| self.region_of(it.hire.into()))
            }
            Kind::Claim => self.claims.get(&ClaimId(id)).and_then(|it| self.region_of(it.office.into())),
            Kind::Case => self.cases.get(&CaseId(id)).and_then(|it| self.region_of(it.office.into())),
            Kind::Person | Kind::Worker | Kind::Match | Kind::Rules => None,
        }
    }

    /// How many things there are that may have to change with `entity`, follow-ups included.
    pub(crate) fn hanging_on(&self, entity: EntityRef) -> usize {
        use linggong_events::id::Kind;
        let claims = |of: EntityRef| self.claimed.get(&of).map_or(0, BTreeSet::len);
        let id = entity.id;
        match entity.kind {
            Kind::Worker => self.workers.get(&WorkerId(id)).map_or(0, |it| it.offers.len() + it.hires.len()),
            Kind::Posting => {
                self.postings.get(&PostingId(id)).map_or(0, |it| it.offers.len() + it.hires.len())
            }
            Kind::Offer => self
                .offers
                .get(&OfferId(id))
                .map_or(0, |it| self.hanging_on(it.posting.into()) + self.hanging_on(it.worker.into())),
            Kind::Hire => self.hires.get(&HireId(id)).map_or(0, |it| {
                let (pay_kind, shifts) = (it.terms.pay.pay_kind, it.terms.shifts.len());
                let wages = (0..).take(shifts).map(|n| wage::wage_id(HireId(id), pay_kind, n));
                shifts + claims(entity) + wages.map(|it| claims(it.into())).sum::<usize>()
            }),
            Kind::Attendance => {
                self.attendances.get(&AttendanceId(id)).map_or(0, |it| self.hanging_on(it.hire.into()))
            }
            Kind::Wage => claims(entity),
            Kind::Insurance => {
                self.insurances.get(&InsuranceId(id)).map_or(0, |it| self.hanging_on(it.hire.into()))
            }
            Kind::Claim => self.claims.get(&ClaimId(id)).map_or(0, |it| it.about().map(claims).sum()),
            Kind::Case => self.cases.get(&CaseId(id)).map_or(0, |it| it.claims.len()),
            Kind::Market | Kind::Office | Kind::Person | Kind::Employer | Kind::Match | Kind::Rules => 0,
        }
    }

    /// A digest of everything that is so: equal for equal logs, on every machine.
    ///
    /// It is taken over the form in which snapshots hold the state; every map in it is ordered.
    pub fn digest(&self) -> Digest {
        digest_of_whole(self)
    }

    pub(crate) fn expect_by(&mut self, at: Timestamp, entity: impl Into<EntityRef>, due: Due) {
        self.deadlines.insert(Deadline { at, entity: entity.into(), due });
    }

    /// Ends one expectation whose instant is known.
    pub(crate) fn expect_not(&mut self, at: Timestamp, entity: impl Into<EntityRef>, due: Due) {
        self.deadlines.remove(&Deadline { at, entity: entity.into(), due });
    }

    pub(crate) fn no_longer_expect(&mut self, entity: impl Into<EntityRef>, which: impl Fn(&Due) -> bool) {
        let entity = entity.into();
        self.deadlines.retain(|it| it.entity != entity || !which(&it.due));
    }
}
