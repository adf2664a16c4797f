//! 零工: register, presence, going home.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::codec::as_written;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::hire::AssertedBy;
use linggong_events::id::{
    ActorId, EmployerId, HireId, Kind, MarketId, OfferId, PersonId, PostingId, WorkerId,
};
use linggong_events::occupation::Occupation;
use linggong_events::office::Role;
use linggong_events::person::{Age, AgeBand, KnownPerson};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use linggong_events::worker::{
    ArrivalMeans, Arrived, BarAttested, Called, JoinedCrew, Left, LeftCrew, Profile, ProfileChanged,
    Registered, WentHomeUnhired, WorkerEvent,
};
use serde::{Deserialize, Serialize};

use crate::command::{Actor, Context, commands, is_staff};
use crate::hire::Stage;
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::{matching, person, text};

/// The most entries of one list in a profile.
const MAX_LIST: usize = 40;

commands! {
    /// What can be asked of a worker.
    WorkerCommand: Worker {
        /// 求职登记.
        Register = "register", [Clerk, Dispatcher, MarketManager, CrewLeader], seal [person: Person] => {
            person: KnownPerson, profile: Profile,
        }
        /// States the profile as it is from now on.
        ChangeProfile = "change_profile", [Clerk, Dispatcher, MarketManager, Worker] => { worker: WorkerId, profile: Profile }
        /// 到场: by card, at the desk, or brought by a crew leader.
        Arrive = "arrive", [Clerk, Dispatcher, MarketManager, CrewLeader, Gate, Worker], scan ["worker": Worker] => {
            worker: WorkerId, market: MarketId, means: ArrivalMeans,
        }
        /// 叫号.
        Call = "call", [Clerk, Dispatcher, MarketManager] => { worker: WorkerId, market: MarketId } + optional { posting: PostingId }
        /// 离场: home without work, or off to it.
        Leave = "leave", [Clerk, Dispatcher, MarketManager, CrewLeader, Gate, Worker], scan ["worker": Worker] => { worker: WorkerId, market: MarketId }
        /// 入班组: from now on `leader` may act for the worker, as far as a crew leader may for anybody.
        JoinCrew = "join_crew", [Worker, Clerk, Dispatcher, MarketManager] => { worker: WorkerId, leader: ActorId }
        /// 离班组: by the worker's own word, or the leader's.
        LeaveCrew = "leave_crew", [Worker, CrewLeader, Clerk, Dispatcher, MarketManager] => { worker: WorkerId }
        /// Attests a statutory bar for listed trades; its ground stays with the officer's file.
        AttestBar = "attest_bar", [CaseOfficer, Reviewer] => {
            worker: WorkerId, occupations: Vec<Occupation>, until: Date, basis: String,
        }
    }
}

/// A worker of the register.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) person: PersonId,
    /// The county of the desk that registered the worker.
    pub(crate) region: Region,
    #[serde(with = "as_written")]
    pub(crate) profile: Profile,
    #[serde(with = "as_written")]
    pub(crate) age: Option<Age>,
    pub(crate) document_verified: bool,
    pub(crate) tokens: Option<BTreeMap<String, String>>,
    pub(crate) presence: Option<Presence>,
    /// Who leads the crew that the worker goes with.
    pub(crate) crew: Option<ActorId>,
    pub(crate) bars: Vec<(Occupation, Date)>,
    /// Every hire of the worker that is not void.
    pub(crate) hires: BTreeSet<HireId>,
    /// Offers that wait for an answer.
    pub(crate) offers: BTreeSet<OfferId>,
    /// Postings the worker declined.
    pub(crate) declined: BTreeSet<PostingId>,
    /// Hires that were kept, and hires the worker did not come to.
    pub(crate) kept: u32,
    pub(crate) missed: u32,
    /// Good endings by employer.
    pub(crate) worked_for: BTreeMap<EmployerId, u32>,
}

/// Being at a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub(crate) market: MarketId,
    pub(crate) queue_no: u32,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl State {
    pub(crate) fn worker(&self, id: WorkerId) -> Result<&Worker, Refusal> {
        self.workers.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// Where the worker has to do with a desk: the county that registered them, the market where they are, and
    /// wherever they are or were hired.
    pub(crate) fn regions_of_worker<'a>(&'a self, worker: &'a Worker) -> impl Iterator<Item = Region> + 'a {
        let market = worker.presence.and_then(|it| self.markets.get(&it.market)).map(|it| it.region);
        let hires = worker.hires.iter().filter_map(|id| self.hires.get(id)).map(|it| it.terms.region);
        std::iter::once(worker.region).chain(market).chain(hires)
    }

    /// Whose the worker's own matters are, and at which desks.
    fn sides_of_worker(&self, id: WorkerId, worker: &Worker) -> Sides {
        Sides::of_worker(id).at_any(self.regions_of_worker(worker))
    }

    /// The worker, and every other worker whom an officer found to be the same human: nobody is in two places.
    pub(crate) fn same_human(&self, id: WorkerId) -> impl Iterator<Item = &Worker> {
        let worker = self.workers.get(&id);
        let linked = worker.and_then(|it| self.persons.get(&it.person)).map(|it| &it.linked);
        // Hardly anybody is linked, so that the others are looked through for those alone.
        let linked = linked.filter(|it| !it.is_empty());
        let others = linked.into_iter().flat_map(move |linked| {
            self.workers.values().filter(move |other| linked.contains(&other.person))
        });
        worker.into_iter().chain(others)
    }

    /// Who leads the crew of the worker.
    pub(crate) fn leader_of(&self, worker: WorkerId) -> Option<ActorId> {
        self.workers.get(&worker).and_then(|it| it.crew)
    }

    /// Whether the worker has a hire, not void, that starts on `date`.
    pub(crate) fn is_hired_on(&self, worker: &Worker, date: Date) -> bool {
        worker.hires.iter().filter_map(|id| self.hires.get(id)).any(|hire| {
            !matches!(hire.stage, Stage::Void(_)) && hire.terms.shifts.iter().any(|it| it.work_date() == date)
        })
    }
}

/// Whose assertion a command of this actor is. A crew leader is neither side, so one's words replace nobody's.
pub(crate) fn asserted_by(actor: &Actor) -> AssertedBy {
    asserted_as(actor.role)
}

/// Whose assertion a command given in that role is.
pub(crate) fn asserted_as(role: Role) -> AssertedBy {
    match role {
        Role::Worker => AssertedBy::Worker,
        Role::CrewLeader => AssertedBy::CrewLeader,
        Role::Employer => AssertedBy::Employer,
        Role::Gate => AssertedBy::Gate,
        Role::Engine => AssertedBy::Presumed,
        Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::Insurer
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Keeper
        | Role::Subscriber => AssertedBy::Desk,
    }
}

pub(crate) fn decide(
    state: &State,
    command: &WorkerCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        WorkerCommand::Register(it) => register(state, it, context),
        WorkerCommand::ChangeProfile(it) => {
            check_profile(&it.profile)?;
            let worker = state.worker(it.worker)?;
            relation::check(state, context.actor, &state.sides_of_worker(it.worker, worker))?;
            if worker.profile == it.profile {
                return Ok(Vec::new());
            }
            // Nobody certifies themselves: papers are shown at a desk, and what one is able to do is seen there.
            if context.actor.role == Role::Worker {
                if it.profile.certificates != worker.profile.certificates {
                    return Err(Refusal::bad_field(
                        "profile.certificates",
                        "are entered by a desk that sees them",
                    ));
                }
                if it.profile.skills != worker.profile.skills {
                    return Err(Refusal::bad_field("profile.skills", "are entered by a desk"));
                }
            }
            Ok(vec![ProfileChanged { worker: it.worker, profile: it.profile.clone() }.into()])
        }
        WorkerCommand::Arrive(it) => arrive(state, it, context),
        WorkerCommand::Call(it) => {
            if let Some(market) = state.markets.get(&it.market) {
                relation::check(state, context.actor, &Sides::default().at(market.region))?;
            }
            check_present(state.worker(it.worker)?, it.market, context)?;
            it.posting.map(|posting| state.posting(posting)).transpose()?;
            Ok(vec![Called { worker: it.worker, market: it.market, posting: it.posting }.into()])
        }
        WorkerCommand::Leave(it) => {
            let worker = state.worker(it.worker)?;
            let region = state.markets.get(&it.market).map(|it| it.region);
            relation::check(state, context.actor, &Sides::of_worker(it.worker).at_any(region))?;
            check_present(worker, it.market, context)?;
            Ok(vec![leaving(state, it.worker, worker, it.market, seen_at(context).date())])
        }
        WorkerCommand::JoinCrew(it) => join_crew(state, it, context),
        WorkerCommand::LeaveCrew(it) => leave_crew(state, it, context),
        WorkerCommand::AttestBar(it) => {
            let worker = state.worker(it.worker)?;
            relation::check(state, context.actor, &state.sides_of_worker(it.worker, worker))?;
            text::check("basis", &it.basis, text::LINE)?;
            if it.occupations.is_empty() || it.occupations.len() > MAX_LIST {
                return Err(Refusal::bad_field("occupations", "names no trade or too many"));
            }
            let event = BarAttested {
                worker: it.worker,
                occupations: it.occupations.clone(),
                until: it.until,
                office: context.actor.office()?,
                basis: it.basis.clone(),
            };
            Ok(vec![event.into()])
        }
    }
}

fn register(state: &State, it: &Register, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    state.check_own_office(context.actor)?;
    check_profile(&it.profile)?;
    // A sheet of last week is judged by last week: whoever was too young then was not to be introduced.
    let date = context.occurred_at().date();
    if it.person.age.is_some_and(|age| age.on(date) == AgeBand::Under16) {
        return Err(Refusal::UnderAge { date });
    }
    if let Some((id, _)) = state.workers.iter().find(|(_, known)| known.person == it.person.person) {
        return Err(Refusal::Exists { entity: (*id).into() });
    }
    let worker = WorkerId(context.new_id(Kind::Worker, 0));
    let mut events = person::introduce(state, &it.person);
    let tokens = (!it.person.tokens.is_empty()).then(|| it.person.tokens.clone());
    events.push(
        Registered {
            worker,
            person: it.person.person,
            profile: it.profile.clone(),
            document_verified: it.person.document_verified,
            age: it.person.age,
            person_tokens: tokens,
        }
        .into(),
    );
    // Whom a leader brings along at dawn, unknown to every desk, goes with that crew until one of the two says
    // otherwise; who is known already joins by their own word alone.
    if context.actor.role == Role::CrewLeader {
        events.push(JoinedCrew { worker, leader: context.actor.id }.into());
    }
    Ok(events)
}

/// Nobody is taken into a crew without a word of theirs: their own, or one that a desk hears or reads.
fn join_crew(state: &State, it: &JoinCrew, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = state.worker(it.worker)?;
    relation::check(state, context.actor, &state.sides_of_worker(it.worker, known))?;
    relation::check_mandate(state, it.worker, context)?;
    let joined = JoinedCrew { worker: it.worker, leader: it.leader };
    match known.crew {
        Some(leader) if leader == it.leader => Ok(Vec::new()),
        Some(leader) => Ok(vec![LeftCrew { worker: it.worker, leader }.into(), joined.into()]),
        None => Ok(vec![joined.into()]),
    }
}

/// A leader sends somebody away as freely as a worker goes.
fn leave_crew(state: &State, it: &LeaveCrew, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = state.worker(it.worker)?;
    relation::check(state, context.actor, &state.sides_of_worker(it.worker, known))?;
    if context.actor.role != Role::CrewLeader {
        relation::check_mandate(state, it.worker, context)?;
    }
    Ok(known.crew.map(|leader| LeftCrew { worker: it.worker, leader }.into()).into_iter().collect())
}

fn check_profile(profile: &Profile) -> Result<(), Refusal> {
    if profile.skills.is_empty() || profile.skills.len() > MAX_LIST {
        return Err(Refusal::bad_field("profile.skills", "names no trade or too many"));
    }
    if profile.certificates.len() > MAX_LIST || profile.available.len() > MAX_LIST {
        return Err(Refusal::bad_field("profile", "has a list that is too long"));
    }
    if profile.certificates.iter().any(|it| it.until < it.from) {
        return Err(Refusal::bad_field("profile.certificates", "has one that ends before it begins"));
    }
    if profile.expectation.0 < 0 {
        return Err(Refusal::BadAmount { amount: profile.expectation });
    }
    Ok(())
}

fn arrive(state: &State, it: &Arrive, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let market = state.open_market(it.market)?;
    relation::check(state, context.actor, &Sides::of_worker(it.worker).at(market.region))?;
    let worker = state.worker(it.worker)?;
    if !is_means_of(context.actor.role, it.means) {
        return Err(Refusal::bad_field("means", "is not how your role tells of an arrival"));
    }
    let at = seen_at(context);
    let date = at.date();
    // A presence ends with its civil day; one that is told late has ended already.
    let until = date.at_minute(1440);
    let day_is_over = until <= context.now;
    let went_on = worker.presence.is_some_and(|presence| at < presence.since);
    let mut events = Vec::new();
    if let Some(presence) = worker.presence.filter(|_| !day_is_over) {
        if presence.market == it.market && presence.since.date() == date {
            return Ok(Vec::new());
        }
        // Where the worker came later, they still are.
        if !went_on {
            events.push(Left { worker: it.worker, market: presence.market }.into());
        }
    }
    let arrived = Arrived {
        worker: it.worker,
        market: it.market,
        queue_no: market.next_number(date).ok_or(Refusal::TooLate { at: until })?,
        date,
        means: it.means,
        until,
    };
    events.push(arrived.into());
    if day_is_over {
        events.push(leaving(state, it.worker, worker, it.market, date));
    } else if went_on {
        events.push(Left { worker: it.worker, market: it.market }.into());
    }
    Ok(events)
}

/// How each role tells that somebody is there: a card is read at the gate or the desk, never from home.
fn is_means_of(role: Role, means: ArrivalMeans) -> bool {
    let own = [
        (Role::Worker, ArrivalMeans::Online),
        (Role::CrewLeader, ArrivalMeans::CrewLeader),
        (Role::Gate, ArrivalMeans::Card),
    ];
    is_staff(role) || own.contains(&(role, means))
}

/// Whether a desk or a device saw it; what people tell of themselves counts from when they tell it.
fn is_seen(role: Role) -> bool {
    is_staff(role) || role == Role::Gate
}

/// The instant that counts for presence, and so for the order of waiting.
fn seen_at(context: &Context<'_>) -> Timestamp {
    if is_seen(context.actor.role) { context.occurred_at() } else { context.now }
}

/// The same of what was recorded; what time alone makes true happened when it fell due.
fn was_seen_at(meta: &Meta) -> Timestamp {
    if is_seen(meta.role) || meta.role == Role::Engine { meta.occurred_at } else { meta.time }
}

/// Refuses whoever is not there, and was not yet at the instant told: a presence of an earlier day ended with it.
fn check_present(worker: &Worker, market: MarketId, context: &Context<'_>) -> Result<(), Refusal> {
    let at = seen_at(context);
    let is_present = worker.presence.is_some_and(|it| it.market == market && it.since <= at);
    if is_present { Ok(()) } else { Err(Refusal::NotPresent) }
}

/// Leaving with work is one thing, going home without it another.
fn leaving(state: &State, id: WorkerId, worker: &Worker, market: MarketId, date: Date) -> Event {
    if state.is_hired_on(worker, date) {
        Left { worker: id, market }.into()
    } else {
        WentHomeUnhired { worker: id, market, date }.into()
    }
}

pub(crate) fn evolve(state: &mut State, event: &WorkerEvent, meta: &Meta) {
    match event {
        WorkerEvent::Registered(it) => {
            let worker = Worker {
                person: it.person,
                region: meta.region,
                profile: it.profile.clone(),
                age: it.age,
                document_verified: it.document_verified,
                tokens: it.person_tokens.clone(),
                presence: None,
                crew: None,
                bars: Vec::new(),
                hires: BTreeSet::new(),
                offers: BTreeSet::new(),
                declined: BTreeSet::new(),
                kept: 0,
                missed: 0,
                worked_for: BTreeMap::new(),
            };
            state.workers.insert(it.worker, worker);
            if let Some(person) = state.persons.get_mut(&it.person) {
                person.worker = Some(it.worker);
            }
        }
        WorkerEvent::ProfileChanged(it) => {
            if let Some(worker) = state.workers.get_mut(&it.worker) {
                worker.profile = it.profile.clone();
            }
        }
        WorkerEvent::Arrived(it) => {
            if let Some(market) = state.markets.get_mut(&it.market) {
                market.give_number(it.date, it.queue_no);
            }
            let Some(worker) = state.workers.get_mut(&it.worker) else { return };
            let since = was_seen_at(meta);
            // What is told of an earlier day, or of earlier this day, is not where the worker is now.
            if it.until <= meta.time || worker.presence.is_some_and(|known| since < known.since) {
                return;
            }
            let presence = Presence { market: it.market, queue_no: it.queue_no, since, until: it.until };
            worker.presence = Some(presence);
            state.expect_by(it.until, it.worker, Due::PresenceEnds);
        }
        WorkerEvent::Called(_) => {}
        WorkerEvent::Left(it) => end_presence(state, it.worker, it.market, meta),
        WorkerEvent::WentHomeUnhired(it) => end_presence(state, it.worker, it.market, meta),
        WorkerEvent::JoinedCrew(it) => go_with(state, it.worker, Some(it.leader)),
        WorkerEvent::LeftCrew(it) => go_with(state, it.worker, None),
        WorkerEvent::BarAttested(it) => {
            if let Some(worker) = state.workers.get_mut(&it.worker) {
                worker.bars.extend(it.occupations.iter().map(|occupation| (*occupation, it.until)));
            }
        }
    }
}

fn go_with(state: &mut State, id: WorkerId, leader: Option<ActorId>) {
    if let Some(worker) = state.workers.get_mut(&id) {
        worker.crew = leader;
    }
}

/// A leaving told late does not end a presence that began after it.
fn end_presence(state: &mut State, id: WorkerId, market: MarketId, meta: &Meta) {
    let Some(worker) = state.workers.get_mut(&id) else { return };
    let at = was_seen_at(meta);
    if worker.presence.is_some_and(|it| it.market != market || at < it.since) {
        return;
    }
    worker.presence = None;
    state.no_longer_expect(id, |due| *due == Due::PresenceEnds);
}

pub(crate) fn follow_up(state: &State, event: &WorkerEvent, meta: &Meta, rules: &RuleBook) -> Vec<Event> {
    match event {
        WorkerEvent::Arrived(it) => {
            // Whoever was there only once is offered nothing for it now.
            let presence = state.workers.get(&it.worker).and_then(|worker| worker.presence);
            match presence.filter(|known| (known.market, known.until) == (it.market, it.until)) {
                Some(known) if known.queue_no == it.queue_no => {
                    matching::offer_to_arrival(state, it.worker, meta, rules)
                }
                Some(_) | None => Vec::new(),
            }
        }
        WorkerEvent::Registered(_)
        | WorkerEvent::ProfileChanged(_)
        | WorkerEvent::Called(_)
        | WorkerEvent::Left(_)
        | WorkerEvent::WentHomeUnhired(_)
        | WorkerEvent::JoinedCrew(_)
        | WorkerEvent::LeftCrew(_)
        | WorkerEvent::BarAttested(_) => Vec::new(),
    }
}

pub(crate) fn due(state: &State, deadline: &Deadline) -> Vec<Event> {
    let id = WorkerId(deadline.entity.id);
    let Some(worker) = state.workers.get(&id) else { return Vec::new() };
    let Some(presence) = worker.presence else { return Vec::new() };
    vec![leaving(state, id, worker, presence.market, presence.since.date())]
}
