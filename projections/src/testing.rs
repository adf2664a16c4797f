//! Ledgers written by hand, for tests.

use linggong_events::Event;
use linggong_events::audience::{Audience, Department, RecordedAudience};
use linggong_events::case::{self, Conclusion, Deadline};
use linggong_events::claim::{self, ClaimItem, ClaimOutcome, Track};
use linggong_events::commit::Digest;
use linggong_events::employer::{self, EmployerDetails, EmployerKind};
use linggong_events::envelope::{Channel, Envelope, Meta, Recorded};
use linggong_events::event::TYPE_PREFIX;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::{self, Agreed, AssertedBy, HireTerms, InsuranceDecision, Presumed};
use linggong_events::id::{
    ActorId, CaseId, ClaimId, EmployerId, EntityRef, EventId, HireId, InsuranceId, MarketId, OfferId,
    OfficeId, PersonId, PostingId, WageId, WorkerId,
};
use linggong_events::insurance::{self, PremiumPayer};
use linggong_events::market::{self, MarketKind};
use linggong_events::measure::{Fen, Metres, Position, Version};
use linggong_events::offer;
use linggong_events::office::{self, Grant, Role};
use linggong_events::person::{self, Age, AgeBand, KnownPerson};
use linggong_events::place::Point;
use linggong_events::posting::{
    self, FillMode, PayDue, PayKind, PayTerms, PostingTerms, Published, RelationKind, Requirements,
};
use linggong_events::region::Region;
use linggong_events::rules::{DeadlineTrace, PackNames};
use linggong_events::time::{Date, HOUR_MS, MINUTE_MS, Shift, Timestamp};
use linggong_events::wage::{self, PayMeans, WageBasis};
use linggong_events::worker::{self, ArrivalMeans, Profile, Skill, SkillLevel};
use serde_json::{Value, json};
use uuid::Uuid;

/// Something that the vault holds.
pub(crate) const EVIDENCE: EvidenceDigest = EvidenceDigest(Digest::from_sha256([0xaa; 32]));

/// A log under construction: positions, versions and instants follow each other.
pub(crate) struct Ledger {
    pub(crate) events: Vec<Recorded>,
    now: Timestamp,
}

impl Ledger {
    /// An empty log at five in the morning of 2026-11-22 in Shanghai.
    pub(crate) fn new() -> Ledger {
        Ledger { events: Vec::new(), now: date("2026-11-22").at_minute(300) }
    }

    /// Goes on at `minute` of `day`.
    pub(crate) fn at(&mut self, day: &str, minute: u16) -> &mut Ledger {
        self.now = date(day).at_minute(minute);
        self
    }

    pub(crate) fn record(&mut self, event: impl Into<Event>) -> Position {
        let event = event.into();
        let meta = self.next_meta(event.subject(), event.touches());
        self.push(Recorded::Known(Envelope { meta, event }))
    }

    pub(crate) fn record_unknown(&mut self, type_name: &str, about: EntityRef) -> Position {
        let meta = self.next_meta(about, vec![about]);
        let posting = PostingId(Uuid::from_u128(1));
        let event = posting::Filled { posting }.into();
        let line = Envelope { meta, event }.to_line().unwrap();
        let mut line: Value = serde_json::from_slice(&line).unwrap();
        let schema = type_name.strip_prefix(TYPE_PREFIX).unwrap();
        line["type"] = type_name.into();
        line["dataschema"] = format!("/v1/schemas/{schema}").into();
        line["data"] = json!({ "what": "unheard of" });
        // What is not known is read and never made.
        self.push(Recorded::from_line(line.to_string().as_bytes()).unwrap())
    }

    /// Changes what surrounds an event that was recorded.
    pub(crate) fn meta_of(&mut self, position: Position, change: impl FnOnce(&mut Meta)) {
        match &mut self.events[position.0 as usize - 1] {
            Recorded::Known(envelope) => change(&mut envelope.meta),
            Recorded::Unknown(_) => panic!("an event of a newer software stays as it came"),
        }
    }

    pub(crate) fn id_of(&self, position: Position) -> EventId {
        self.events[position.0 as usize - 1].outline().id
    }

    fn push(&mut self, event: Recorded) -> Position {
        self.now = self.now.plus_ms(MINUTE_MS);
        self.events.push(event);
        Position(self.events.len() as u64)
    }

    fn next_meta(&self, subject: EntityRef, touches: Vec<EntityRef>) -> Meta {
        let position = self.events.len() as u64 + 1;
        let before =
            self.events.iter().filter(|event| event.outline().subject.known() == Some(subject)).count()
                as u64;
        Meta {
            id: EventId(Uuid::from_u128(0xE0_0000 + u128::from(position))),
            source: "/linggong/lg-37/0".into(),
            subject,
            time: self.now,
            position: Position(position),
            version: Version(before + 1),
            occurred_at: self.now,
            received_at: Some(self.now),
            filed: None,
            region: region(),
            actor: actor(1),
            role: Role::Dispatcher,
            office: Some(office(1)),
            on_behalf_of: None,
            channel: Channel::Window,
            source_doc: None,
            based_on: None,
            command: None,
            causation: None,
            correlation: None,
            touches,
            audience: RecordedAudience::of(Audience::Never),
            rules: PackNames::default(),
        }
    }
}

macro_rules! ids {
    ($($name:ident: $id:ident = $base:literal;)*) => {
        $(pub(crate) fn $name(n: u128) -> $id { $id(Uuid::from_u128($base << 64 | n)) })*
    };
}

ids! {
    market: MarketId = 1;
    office: OfficeId = 2;
    person: PersonId = 3;
    worker: WorkerId = 4;
    employer: EmployerId = 5;
    posting: PostingId = 6;
    offer: OfferId = 7;
    hire: HireId = 9;
    wage: WageId = 11;
    insurance: InsuranceId = 12;
    claim: ClaimId = 13;
    case: CaseId = 14;
    actor: ActorId = 16;
}

pub(crate) fn region() -> Region {
    "370102".parse().unwrap()
}

pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(crate) fn shift(day: &str, from_hour: u16, hours: i64) -> Shift {
    let start = date(day).at_minute(from_hour * 60);
    Shift::new(start, start.plus_ms(hours * HOUR_MS)).unwrap()
}

pub(crate) fn skill(code: &str) -> Skill {
    Skill { occupation: code.parse().unwrap(), level: SkillLevel::Skilled }
}

pub(crate) fn profile(codes: &[&str]) -> Profile {
    Profile {
        skills: codes.iter().map(|code| skill(code)).collect(),
        certificates: Vec::new(),
        place: None,
        reach: Metres(20_000),
        expectation: Fen(20_000),
        available: Vec::new(),
        declines_ranking: false,
    }
}

pub(crate) fn person_registered(n: u128) -> person::Registered {
    let known = KnownPerson {
        person: person(n),
        age: Some(Age { band: AgeBand::From18To59, changes_on: None }),
        document_verified: true,
        sealed: Default::default(),
        tokens: Default::default(),
        duplicate_suspected: None,
    };
    person::Registered { person: person(n), known }
}

pub(crate) fn worker_registered(n: u128) -> worker::Registered {
    worker::Registered {
        worker: worker(n),
        person: person(n),
        profile: profile(&["bricklayer"]),
        document_verified: true,
        age: None,
        person_tokens: None,
    }
}

pub(crate) fn employer_registered(n: u128, name: &str) -> employer::Registered {
    let details = EmployerDetails {
        employer_kind: EmployerKind::Enterprise,
        name: Some(name.into()),
        code: None,
        person: None,
        principal: None,
        licence: None,
        region: region(),
        place: None,
    };
    employer::Registered { employer: employer(n), details }
}

pub(crate) fn pay() -> PayTerms {
    PayTerms {
        pay_kind: PayKind::Day,
        rate: Fen(28_000),
        unit: None,
        usual_day: None,
        due: PayDue::OnCompletion {},
    }
}

pub(crate) fn posting_terms(employer_no: u128, headcount: u16, day: &str) -> PostingTerms {
    PostingTerms {
        employer: employer(employer_no),
        occupation: "bricklayer".parse().unwrap(),
        text: "砌墙".into(),
        region: region(),
        place: Point { lat_e6: 36_650_000, lon_e6: 117_120_000 },
        address: "历下区工地".into(),
        shifts: vec![shift(day, 7, 9)],
        headcount,
        pay: pay(),
        requirements: Requirements { level: SkillLevel::Skilled, certificates: Vec::new() },
        mode: FillMode::Dispatch,
        market: Some(market(1)),
    }
}

pub(crate) fn published(n: u128, terms: PostingTerms) -> Published {
    Published {
        posting: posting(n),
        terms,
        relation: RelationKind::TaskContract,
        relation_basis: "按天用工".into(),
    }
}

/// Hire `n` of worker `n` for posting 1 of employer 1 on `day`.
pub(crate) fn agreed(n: u128, day: &str) -> Agreed {
    let terms = HireTerms {
        posting: posting(1),
        worker: worker(n),
        person_tokens: None,
        employer: employer(1),
        employer_code: None,
        employer_kind: EmployerKind::Enterprise,
        employer_seat: region(),
        region: region(),
        occupation: "bricklayer".parse().unwrap(),
        shifts: vec![shift(day, 7, 9)],
        pay: pay(),
        relation: RelationKind::TaskContract,
        relation_basis: "按天用工".into(),
        insurance: InsuranceDecision::ByEmployer,
    };
    let presumed = Presumed { after_days: 1, at_minute: 720 };
    Agreed { hire: hire(n), revision: 1, terms, mode: FillMode::Dispatch, presumed, offer: None }
}

pub(crate) fn trace(rule: &str, trigger: &str, last_day: &str) -> DeadlineTrace {
    DeadlineTrace {
        rule: rule.into(),
        citation: "劳动保障监察条例17".into(),
        packs: vec!["cn-national@00".into()],
        trigger: date(trigger),
        length: "60 wd".into(),
        counted_to: date(last_day),
        last_day: date(last_day),
        verified: true,
    }
}

/// A morning and what came of it: every kind of entity, one unpaid wage, its claim and its case.
pub(crate) fn morning() -> Ledger {
    const DAY: &str = "2026-11-22";
    let mut ledger = Ledger::new();
    let (market, office, employer) = (market(1), office(1), employer(1));
    ledger.record(market::Registered {
        market,
        name: "历下零工市场".into(),
        region: region(),
        place: Point { lat_e6: 36_650_000, lon_e6: 117_120_000 },
        market_kind: MarketKind::PublicBenefit,
        operator: None,
    });
    ledger.record(office::Registered {
        office,
        name: "历下区人社局".into(),
        region: region(),
        department: Department::Hrss,
    });
    let grant = Grant {
        actor: actor(1),
        role: Role::Dispatcher,
        regions: vec![region()],
        person: None,
        worker: None,
        employer: None,
        market: Some(market),
        department: None,
        insurer: None,
    };
    ledger.record(office::RoleGranted { office, grant, basis: "任命书".into() });
    ledger.record(employer_registered(1, "甲建筑公司"));
    for n in 1..=6 {
        ledger.record(person_registered(n));
        ledger.record(worker_registered(n));
        ledger.record(worker::Arrived {
            worker: worker(n),
            market,
            queue_no: n as u32,
            date: date(DAY),
            means: ArrivalMeans::Card,
            until: date(DAY).at_minute(600),
        });
    }
    ledger.record(published(1, posting_terms(1, 4, DAY)));
    let posting = posting(1);
    for n in 1..=4 {
        let (offer, hire, worker, wage) = (offer(n), hire(n), worker(n), wage(n));
        ledger.record(offer::Made {
            offer,
            posting,
            worker,
            mode: FillMode::Dispatch,
            expires: date(DAY).at_minute(420),
            proposed_by: None,
            override_reason: None,
        });
        ledger.record(offer::Accepted { offer, posting, worker });
        ledger.record(agreed(n, DAY));
        ledger.record(worker::Left { worker, market });
        let insurance = insurance(n);
        ledger.record(insurance::Applied {
            insurance,
            hire,
            worker,
            employer,
            insurer: "某保险".into(),
            product: "日结意外险".into(),
            premium: Fen(300),
            payer: PremiumPayer::Employer,
            insurer_code: None,
        });
        let terms = agreed(n, DAY).terms;
        if n == 4 {
            let at = date(DAY).at_minute(430);
            ledger.record(hire::SentHome {
                hire,
                revision: 1,
                supersedes: None,
                terms,
                at,
                asserted_by: AssertedBy::Worker,
            });
            continue;
        }
        let at = date(DAY).at_minute(420);
        ledger.record(hire::Started {
            hire,
            revision: 1,
            supersedes: None,
            terms: terms.clone(),
            at,
            asserted_by: AssertedBy::Gate,
        });
        ledger.record(hire::Ended {
            hire,
            revision: 1,
            supersedes: None,
            terms,
            date: date(DAY),
            basis: hire::EndBasis::WorkDone,
            asserted_by: AssertedBy::Desk,
        });
        ledger.record(wage::Due {
            wage,
            hire,
            worker,
            employer,
            amount: Fen(28_000),
            outstanding: Fen(28_000),
            basis: WageBasis::Attendance,
            date: date(DAY),
            due_on: date(DAY),
            trace: trace("wage.completion", DAY, DAY),
        });
    }
    ledger.record(posting::Filled { posting });
    ledger.record(worker::WentHomeUnhired { worker: worker(5), market, date: date(DAY) });
    ledger.at("2026-11-23", 0);
    let (hire, worker, wage, claim, case) = (hire(1), worker(1), wage(1), claim(1), case(1));
    let outstanding = Fen(28_000);
    ledger.record(wage::Overdue { wage, hire, worker, employer, outstanding, due_on: date(DAY) });
    ledger.record(claim::Registered {
        claim,
        worker,
        employer,
        office,
        items: vec![ClaimItem {
            wage: Some(wage),
            hire: Some(hire),
            amount: outstanding,
            from: date(DAY),
            until: date(DAY),
        }],
        total: outstanding,
        filed_at: date("2026-11-23").at_minute(540),
        disputed: Fen::ZERO,
        suggested_track: Track::Supervision,
        safe_date: Some(date("2027-11-23")),
        safe_trace: None,
        answer_by: None,
        receipt_text: "回执".into(),
        statement: None,
        external: None,
        mandate: None,
    });
    ledger.record(case::Accepted {
        case,
        claims: vec![claim],
        worker,
        employer,
        office,
        number: "1号".into(),
        track: Track::Supervision,
        deadlines: vec![Deadline {
            rule: "sup.investigate".into(),
            last_day: date("2027-02-20"),
            safe_day: date("2027-02-19"),
            trace: trace("sup.investigate", "2026-11-23", "2027-02-20"),
        }],
        warn_days: vec![7],
    });
    ledger.record_unknown("cn.linggong.case.appraised.v1", case.into());
    ledger.record(wage::Paid {
        wage,
        hire,
        worker,
        employer,
        amount: outstanding,
        outstanding: Fen::ZERO,
        means: PayMeans::Cash,
        at: date("2026-11-24").at_minute(600),
        evidence: EVIDENCE,
        signature: None,
    });
    let (amount, left) = (outstanding, Fen::ZERO);
    ledger.record(case::PaymentSeen { case, claim, amount, outstanding: left });
    let conclusion = Conclusion::Paid;
    ledger.record(case::Closed { case, conclusion, reason: "已付清".into(), outstanding: left });
    let outcome = ClaimOutcome::Paid;
    ledger.record(claim::Closed { claim, outcome, outstanding: left, case: Some(case) });
    ledger
}
