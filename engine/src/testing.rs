//! Given what has happened, when somebody asks for something or time passes, then this happens or is refused.

use std::collections::VecDeque;
use std::sync::Arc;

use linggong_events::audience::RecordedAudience;
use linggong_events::commit::Digest;
use linggong_events::employer::{EmployerDetails, EmployerKind};
use linggong_events::envelope::{Channel, Envelope, Meta};
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::{Agreed, HireTerms, InsuranceDecision, Presumed};
use linggong_events::id::{
    ActorId, CommandId, EmployerId, EntityRef, EventId, HireId, OfficeId, PersonId, PostingId, WorkerId,
    command_id, deadline_id, new_id,
};
use linggong_events::mandate::{Mandate, OnBehalfOf};
use linggong_events::measure::{Fen, Metres};
use linggong_events::office::{Grant, Role, SeriesKind, SeriesOpened};
use linggong_events::posting::{FillMode, PayDue, PayKind, PayTerms, RelationKind};
use linggong_events::region::Region;
use linggong_events::rules::{PackKind, PackNames};
use linggong_events::time::{Shift, Timestamp};
use linggong_events::worker::Profile;
use uuid::Uuid;

use crate::command::{About, Actor, Command, Context};
use crate::matching;
use crate::refusal::Refusal;
use crate::rules::{Pack, RuleBook};
use crate::state::State;

pub(crate) const OFFICE: OfficeId = OfficeId(Uuid::from_u128(0x0f));
pub(crate) const EMPLOYER: EmployerId = EmployerId(Uuid::from_u128(0xe1));
pub(crate) const WORKER: WorkerId = WorkerId(Uuid::from_u128(0xa1));
pub(crate) const PERSON: PersonId = PersonId(Uuid::from_u128(0xb1));
pub(crate) const HIRE: HireId = HireId(Uuid::from_u128(0xc1));
/// The insurer that whoever has that role acts for.
pub(crate) const INSURER: &str = "91350100M000100Y43";
/// A digest such as the vault gives; what it stands for is nobody's business here.
pub(crate) const DIGEST: EvidenceDigest = EvidenceDigest(Digest::from_sha256([0x9f; 32]));

/// What is so before somebody acts.
pub(crate) struct Given {
    pub(crate) state: State,
    rules: RuleBook,
    now: Timestamp,
    actor: Actor,
    about: About,
    keys: u128,
}

/// What became of it.
pub(crate) struct Then {
    given: Given,
    outcome: Result<Vec<Envelope>, Refusal>,
}

/// A world in which `events` have happened, at dawn of 2026-11-22 in Shanghai.
pub(crate) fn given(events: impl IntoIterator<Item = Event>) -> Given {
    let mut given = Given {
        state: State::default(),
        rules: rules(),
        now: at("2026-11-22 05:00"),
        actor: clerk(),
        about: About::default(),
        keys: 0,
    };
    for event in events {
        given.record(vec![event]);
    }
    given
}

impl Given {
    /// Time passes; what is due on the way happens.
    pub(crate) fn at(mut self, local: &str) -> Given {
        self.pass_until(at(local));
        self
    }

    /// Whoever acts from now on.
    pub(crate) fn by(mut self, actor: Actor) -> Given {
        self.actor = actor;
        self.about = About::default();
        self
    }

    /// For whom they act: for somebody who stands at the window.
    pub(crate) fn for_person(mut self, person: PersonId) -> Given {
        self.about.channel = Some(Channel::Window);
        self.by_mandate(person, Mandate::InPerson)
    }

    /// How the next command reaches us.
    pub(crate) fn through(mut self, channel: Option<Channel>) -> Given {
        self.about.channel = channel;
        self
    }

    /// For whom they act, and by what mandate.
    pub(crate) fn by_mandate(mut self, person: PersonId, mandate: Mandate) -> Given {
        self.about.on_behalf_of = Some(OnBehalfOf { person, mandate });
        self
    }

    /// The next command tells of something that happened then.
    pub(crate) fn of(mut self, local: &str) -> Given {
        self.about.occurred_at = Some(at(local));
        self
    }

    /// A hire that both sides are agreed on.
    pub(crate) fn hired(mut self, id: HireId, terms: HireTerms) -> Given {
        let presumed = presumed();
        self.record(vec![
            Agreed { hire: id, revision: 1, terms, mode: FillMode::OnSite, presumed, offer: None }.into(),
        ]);
        self
    }

    /// Something else has happened.
    pub(crate) fn happened(mut self, event: impl Into<Event>) -> Given {
        self.record(vec![event.into()]);
        self
    }

    /// Something else has happened, and what became of it at once.
    pub(crate) fn told(mut self, event: Event) -> (Given, Vec<Envelope>) {
        let happened = self.record(vec![event]);
        (self, happened)
    }

    /// Other rules are in force.
    pub(crate) fn under(mut self, rules: RuleBook) -> Given {
        self.rules = rules;
        self
    }

    /// No pack was adopted.
    pub(crate) fn without_rules(mut self) -> Given {
        self.rules = RuleBook::default();
        self
    }

    /// An earlier command, which succeeded.
    pub(crate) fn and(self, command: impl Into<Command>) -> Given {
        let then = self.when(command);
        assert!(then.outcome.is_ok(), "refused: {:?}", then.outcome);
        then.given
    }

    /// The state as somebody changes it behind the commands' back.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut State)) -> Given {
        change(&mut self.state);
        self
    }

    /// Somebody asks for something.
    pub(crate) fn when(mut self, command: impl Into<Command>) -> Then {
        let command = command.into();
        self.keys += 1;
        let id = command_id(self.actor.id, Uuid::from_u128(self.keys));
        let context = Context {
            now: self.now,
            command: id,
            actor: &self.actor,
            about: &self.about,
            rules: &self.rules,
        };
        let decided = if command.command_type().roles.contains(&self.actor.role) {
            command.decide(&self.state, &context)
        } else {
            Err(Refusal::RoleNotAllowed)
        };
        let outcome = decided.map(|events| self.record_as(id, events));
        self.about.occurred_at = None;
        Then { given: self, outcome }
    }

    /// Time passes, and its facts are looked at.
    pub(crate) fn when_time_is(mut self, local: &str) -> Then {
        let events = self.pass_until(at(local));
        Then { given: self, outcome: Ok(events) }
    }

    fn pass_until(&mut self, then: Timestamp) -> Vec<Envelope> {
        let mut happened = Vec::new();
        while let Some(next) = self.state.next_deadline().filter(|next| *next <= then) {
            self.now = self.now.max(next);
            let Some((deadline, events)) = self.state.due(self.now, &self.rules) else { break };
            let seed = deadline_id(deadline.entity, &deadline.due.label(), deadline.at.ms());
            happened.extend(self.record_as(seed, events));
            assert!(!self.state.deadlines.contains(&deadline), "the fact of {deadline:?} did not end it");
        }
        self.now = self.now.max(then);
        happened
    }

    fn record(&mut self, events: Vec<Event>) -> Vec<Envelope> {
        self.keys += 1;
        let seed = command_id(ActorId::ENGINE, Uuid::from_u128(self.keys));
        self.record_as(seed, events)
    }

    /// Writes events down with what they make necessary, as the partition does.
    fn record_as(&mut self, seed: CommandId, events: Vec<Event>) -> Vec<Envelope> {
        let mut queue: VecDeque<Event> = events.into();
        let mut happened = Vec::new();
        while let Some(event) = queue.pop_front() {
            let n = u32::try_from(happened.len()).unwrap();
            let envelope = Envelope { meta: self.meta(&event, EventId(new_id(seed, "event", n))), event };
            self.state.evolve(&envelope);
            for follow_up in self.state.follow_up(&envelope, &self.rules).into_iter().rev() {
                queue.push_front(follow_up);
            }
            happened.push(envelope);
            if queue.is_empty() {
                let owed = matching::owed(&self.state).into_iter();
                let offers =
                    |(id, cause)| matching::offer_owed(&self.state, id, cause, self.now, &self.rules);
                queue.extend(owed.map(offers).find(|it| !it.is_empty()).unwrap_or_default());
            }
        }
        happened
    }

    fn meta(&self, event: &Event, id: EventId) -> Meta {
        let subject = event.subject();
        Meta {
            id,
            source: "/linggong/lg-37/0".into(),
            subject,
            time: self.now,
            position: self.state.last().next(),
            version: self.state.version(subject).next(),
            occurred_at: self.about.occurred_at.unwrap_or(self.now),
            received_at: None,
            filed: self.about.filed,
            region: region(),
            actor: self.actor.id,
            role: self.actor.role,
            office: self.actor.office,
            on_behalf_of: self.about.on_behalf_of,
            channel: Channel::Window,
            source_doc: None,
            based_on: None,
            command: None,
            causation: None,
            correlation: None,
            touches: event.touches(),
            audience: RecordedAudience::of(event.event_type().audience),
            rules: PackNames::default(),
        }
    }
}

/// What is expected: an event as it is, or one of a name.
#[derive(Debug)]
pub(crate) enum Expected {
    Name(&'static str),
    Event(Box<Event>),
}

impl From<&'static str> for Expected {
    fn from(name: &'static str) -> Expected {
        Expected::Name(name)
    }
}

impl From<Event> for Expected {
    fn from(event: Event) -> Expected {
        Expected::Event(Box::new(event))
    }
}

impl Then {
    /// Exactly these events happened, in this order.
    #[track_caller]
    pub(crate) fn then<E: Into<Expected>>(self, expected: impl IntoIterator<Item = E>) -> Given {
        let happened = match &self.outcome {
            Ok(happened) => happened.iter().map(|it| it.event.clone()).collect::<Vec<_>>(),
            Err(refusal) => panic!("refused: {refusal}"),
        };
        let expected: Vec<Expected> = expected.into_iter().map(Into::into).collect();
        let is = |(event, expected): (&Event, &Expected)| match expected {
            Expected::Name(name) => event.event_type().short_name() == *name,
            Expected::Event(expected) => *event == **expected,
        };
        let all = happened.len() == expected.len() && happened.iter().zip(&expected).all(is);
        assert!(all, "happened: {happened:#?}\nexpected: {expected:#?}");
        self.given
    }

    /// Nothing happened, since all of it was so already.
    #[track_caller]
    pub(crate) fn then_nothing(self) -> Given {
        self.then::<&'static str>([])
    }

    /// It was refused with this code.
    #[track_caller]
    pub(crate) fn then_refused(self, code: &str) -> Given {
        match &self.outcome {
            Ok(happened) => {
                panic!("not refused: {:?}", happened.iter().map(|it| &it.event).collect::<Vec<_>>())
            }
            Err(refusal) => assert_eq!(refusal.code(), code, "{refusal}"),
        }
        self.given
    }

    /// The first event, whose id a later command points at.
    #[track_caller]
    pub(crate) fn first(&self) -> Envelope {
        self.outcome.as_ref().unwrap().first().unwrap().clone()
    }

    /// What happened, which is nothing where it was refused.
    pub(crate) fn whatever(self) -> (Given, Vec<Envelope>) {
        (self.given, self.outcome.unwrap_or_default())
    }

    /// What is so afterwards.
    pub(crate) fn given(self) -> Given {
        assert!(self.outcome.is_ok(), "refused: {:?}", self.outcome);
        self.given
    }
}

/// An instant by the clocks of Shanghai: `2026-11-22 05:30`.
pub(crate) fn at(local: &str) -> Timestamp {
    format!("{}:00+08:00", local.replace(' ', "T")).parse().unwrap()
}

/// A shift by the clocks of Shanghai.
pub(crate) fn shift(from: &str, until: &str) -> Shift {
    Shift::new(at(from), at(until)).unwrap()
}

pub(crate) fn region() -> Region {
    "370102".parse().unwrap()
}

/// The rules of these tests: their own numbers, so that no test depends on a pack's.
pub(crate) fn rules() -> RuleBook {
    let rows = [
        ("pay.one_off", 0),
        ("pay.date", 0),
        ("claim.safe_date", 365),
        ("sup.accept", 5),
        ("sup.investigate", 60),
        ("med.no_agreement", 15),
        ("arb.accept", 5),
        ("arb.serve_copy", 5),
        ("arb.tribunal_notice", 5),
        ("arb.award", 45),
    ];
    let quote = "本行只供试验。";
    let hash = Digest::of(quote.as_bytes()).to_string().replace("sha256:", "");
    let basis = format!(
        "citation = \"试验\"\nconf = \"V\"\nverified = true\nsource = \"a test\"\nquote = \"{quote}\"\n\
         quoted_text_sha256 = \"{hash}\"\nverified_by = \"a test\"\nverified_at = \"2026-11-22\"\n"
    );
    let mut pack = "name = \"test\"\nversion = \"1\"\n[office]\noffer_expiry_minutes = 20\n\
                    presumed_due_after_days = 1\npresumed_due_minute = 720\nattendance_tolerance_minutes = 30\n\
                    near_deadline_days = [2]\ninsurance_gap_lead_minutes = 60\npay_deferral_review_days = 3\n\
                    long_shift_review_minutes = 720\nnight_from_minute = 1320\nnight_to_minute = 360\n\
                    travel_minutes = 0\nevidence_max_bytes = 1\nevidence_max_per_claim = 1\nevidence_types = []\n"
        .to_owned();
    for (id, days) in rows {
        pack += &format!(
            "[[deadline]]\nid = \"{id}\"\ntrigger = \"Test|Supplemented\"\nlength = {days}\nunit = \"nd\"\nroll = \"none\"\n\
             extension = {{ length = 30, unit = \"nd\", by = \"the lead\" }}\n[deadline.basis]\n{basis}"
        );
    }
    RuleBook::new([Arc::new(Pack::parse(PackKind::Statutes, pack.as_bytes()).unwrap())])
}

/// A hire of one day, 07:00 to 17:00 on 2026-11-22, for 280 yuan on completion.
pub(crate) fn terms() -> HireTerms {
    HireTerms {
        posting: PostingId(Uuid::from_u128(0xd1)),
        worker: WORKER,
        person_tokens: None,
        employer: EMPLOYER,
        employer_code: None,
        employer_kind: EmployerKind::Unlicensed,
        employer_seat: region(),
        region: region(),
        occupation: "loader".parse().unwrap(),
        shifts: vec![shift("2026-11-22 07:00", "2026-11-22 17:00")],
        pay: pay(PayKind::Day, 28_000),
        relation: RelationKind::TaskContract,
        relation_basis: "one task".into(),
        insurance: InsuranceDecision::RefusedByWorker,
    }
}

/// Noon of the next day, as the pack of [`rules`] says.
pub(crate) fn presumed() -> Presumed {
    Presumed { after_days: 1, at_minute: 720 }
}

/// Pay that is due on completion.
pub(crate) fn pay(pay_kind: PayKind, rate: i64) -> PayTerms {
    PayTerms { pay_kind, rate: Fen(rate), unit: None, usual_day: None, due: PayDue::OnCompletion {} }
}

/// An office, an employer of that kind, a worker, and the hire of [`terms`].
pub(crate) fn hired(employer_kind: EmployerKind) -> Given {
    hired_on(employer_kind, terms())
}

/// The same with other terms.
pub(crate) fn hired_on(employer_kind: EmployerKind, terms: HireTerms) -> Given {
    registered(employer_kind).hired(HIRE, HireTerms { employer_kind, ..terms })
}

/// An office with open series, an employer, and a worker who goes with the crew of the first leader.
pub(crate) fn registered(employer_kind: EmployerKind) -> Given {
    use linggong_events::{audience::Department, employer, office, worker};
    let details = EmployerDetails {
        employer_kind,
        name: Some("王记装卸".into()),
        code: None,
        person: Some(PersonId(Uuid::from_u128(0xb9))),
        principal: None,
        licence: None,
        region: region(),
        place: None,
    };
    let office = |series, prefix: &str| -> Event {
        SeriesOpened { office: OFFICE, series, year: 2026, prefix: prefix.into(), next: 1 }.into()
    };
    let department = Department::Hrss;
    given([
        office::Registered {
            office: OFFICE,
            name: "历下区劳动监察大队".into(),
            region: region(),
            department,
        }
        .into(),
        office(SeriesKind::Acceptance, "历下受"),
        office(SeriesKind::Refusal, "历下不受"),
        office(SeriesKind::Filing, "历下监"),
        employer::Registered { employer: EMPLOYER, details }.into(),
        worker::Registered {
            worker: WORKER,
            person: PERSON,
            profile: profile(),
            document_verified: true,
            age: None,
            person_tokens: None,
        }
        .into(),
        worker::JoinedCrew { worker: WORKER, leader: actor(Role::CrewLeader, 0).id }.into(),
    ])
}

/// A worker who does nothing in particular.
fn profile() -> Profile {
    Profile {
        skills: Vec::new(),
        certificates: Vec::new(),
        place: None,
        reach: Metres(5_000),
        expectation: Fen(20_000),
        available: Vec::new(),
        declines_ranking: false,
    }
}

/// Somebody with a credential of this role; the number tells apart who has the same role.
pub(crate) fn actor(role: Role, n: u128) -> Actor {
    let id = ActorId(Uuid::from_u128(0x1000 + 0x100 * n + role as u128));
    let grant = Grant {
        actor: id,
        role,
        regions: vec![region()],
        person: None,
        worker: (role == Role::Worker).then_some(WORKER),
        employer: (role == Role::Employer).then_some(EMPLOYER),
        market: None,
        department: None,
        insurer: (role == Role::Insurer).then(|| INSURER.parse().unwrap()),
    };
    Actor::holding(&grant, OFFICE)
}

pub(crate) fn worker() -> Actor {
    actor(Role::Worker, 0)
}

pub(crate) fn employer() -> Actor {
    actor(Role::Employer, 0)
}

pub(crate) fn clerk() -> Actor {
    actor(Role::Clerk, 0)
}

pub(crate) fn officer() -> Actor {
    actor(Role::CaseOfficer, 0)
}

pub(crate) fn lead() -> Actor {
    actor(Role::CaseLead, 0)
}

/// Whether time alone will make another fact true of `entity`.
pub(crate) fn expects(state: &State, entity: impl Into<EntityRef>) -> bool {
    let entity = entity.into();
    state.deadlines.iter().any(|it| it.entity == entity)
}
