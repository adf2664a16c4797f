//! One hand-written sample of every event, with every optional field present.
//!
//! The ids say what they are: `n` = 1 is the entity whose event it is, others are 2 and up.

use std::collections::BTreeMap;

use linggong_events::Event;
use linggong_events::attendance;
use linggong_events::audience::Department;
use linggong_events::case::{self, Conclusion, Deadline, ServiceMode, SettlementPaper};
use linggong_events::claim::{self, ClaimItem, ClaimOutcome, ExternalRef, Track};
use linggong_events::commit::Digest;
use linggong_events::employer::{self, EmployerDetails, EmployerKind};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::{self, AssertedBy, CancelReason, HireTerms, InsuranceDecision, Presumed};
use linggong_events::id::{
    ActorId, AttendanceId, CardId, CaseId, ClaimId, CommandId, EmployerId, EventId, HireId, InsuranceId,
    KeyId, Kind, MarketId, MatchId, OfferId, OfficeId, PersonId, PostingId, RulesId, WageId, WorkerId,
    new_id,
};
use linggong_events::insurance::{self, PremiumPayer};
use linggong_events::market::{self, MarketKind};
use linggong_events::matching::{self, Candidate, Exclusion, ScoreTerm};
use linggong_events::measure::{Fen, Metres};
use linggong_events::occupation::{CertificateKind, Occupation};
use linggong_events::offer::{self, WithdrawReason};
use linggong_events::office::{self, Grant, Role, SeriesKind};
use linggong_events::person::{
    self, Age, AgeBand, CardEnd, DocumentFacts, KeyState, KnownPerson, PersonField, Revision, RevisionReason,
    Sealed,
};
use linggong_events::place::Point;
use linggong_events::posting::{
    self, FillMode, Finding, PayDue, PayKind, PayTerms, PostingTerms, RelationKind, Requirements,
};
use linggong_events::region::Region;
use linggong_events::rules::{self, DeadlineTrace, PackKind};
use linggong_events::time::{Date, Shift, Timestamp};
use linggong_events::wage::{self, DemandMeans, PayMeans, ThirdParty, WageBasis};
use linggong_events::worker::{self, ArrivalMeans, Certificate, Profile, Skill, SkillLevel};
use uuid::Uuid;

/// The `n`-th id of `kind` in samples.
pub(crate) fn uuid(kind: &str, n: u32) -> Uuid {
    new_id(CommandId(Uuid::nil()), kind, n)
}

macro_rules! ids {
    ($($name:ident = $id:ident, $kind:expr;)*) => {
        $(pub(crate) fn $name(n: u32) -> $id { $id(uuid($kind, n)) })*
    };
}
ids! {
    a_market = MarketId, Kind::Market.name();
    an_office = OfficeId, Kind::Office.name();
    a_person = PersonId, Kind::Person.name();
    a_worker = WorkerId, Kind::Worker.name();
    an_employer = EmployerId, Kind::Employer.name();
    a_posting = PostingId, Kind::Posting.name();
    an_offer = OfferId, Kind::Offer.name();
    a_match = MatchId, Kind::Match.name();
    a_hire = HireId, Kind::Hire.name();
    an_attendance = AttendanceId, Kind::Attendance.name();
    a_wage = WageId, Kind::Wage.name();
    an_insurance = InsuranceId, Kind::Insurance.name();
    a_claim = ClaimId, Kind::Claim.name();
    a_case = CaseId, Kind::Case.name();
    a_rules = RulesId, Kind::Rules.name();
    an_event = EventId, "event";
    an_actor = ActorId, "actor";
    a_key = KeyId, "key";
    a_card = CardId, "card";
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn region(code: &str) -> Region {
    code.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn digest() -> String {
    format!("sha256:{}", "9f".repeat(32))
}

fn evidence() -> EvidenceDigest {
    EvidenceDigest(Digest::from_sha256([0x9f; 32]))
}

fn sealed() -> Sealed {
    Sealed { person: a_person(2), key: a_key(1), boxed: "xc20p:c2VhbGVkIGJ5IHRoZSB2YXVsdA".into() }
}

fn tokens() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("hrss".into(), format!("hmac-sha256:{}", "1a".repeat(32))),
        ("si".into(), format!("hmac-sha256:{}", "2b".repeat(32))),
    ])
}

fn age() -> Age {
    Age { band: AgeBand::From16To17, changes_on: Some(day("2027-05-02")) }
}

fn shift() -> Shift {
    Shift::new(at("2026-11-22T22:00:00.000Z"), at("2026-11-23T09:30:00.000Z")).unwrap()
}

fn place() -> Point {
    Point { lat_e6: 36_666_465, lon_e6: 117_076_441 }
}

fn occupation(code: &str) -> Occupation {
    code.parse().unwrap()
}

fn certificate(code: &str) -> CertificateKind {
    code.parse().unwrap()
}

fn known(person: PersonId) -> KnownPerson {
    let own = Sealed { person, ..sealed() };
    KnownPerson {
        person,
        age: Some(age()),
        document_verified: true,
        sealed: BTreeMap::from([
            (PersonField::Name, own.clone()),
            (PersonField::Document, own.clone()),
            (PersonField::Phone, own),
        ]),
        tokens: tokens(),
        duplicate_suspected: Some(a_person(3)),
    }
}

fn revision(person: PersonId) -> Revision {
    Revision {
        person,
        sealed: BTreeMap::from([(PersonField::Document, Sealed { person, ..sealed() })]),
        document: Some(DocumentFacts { age: Some(age()), tokens: tokens() }),
        duplicate_suspected: Some(a_person(3)),
    }
}

fn profile() -> Profile {
    Profile {
        skills: vec![
            Skill { occupation: occupation("bricklayer"), level: SkillLevel::Master },
            Skill { occupation: occupation("loader"), level: SkillLevel::Helper },
        ],
        certificates: vec![Certificate {
            certificate: certificate("work_at_height"),
            from: day("2025-03-01"),
            until: day("2028-02-29"),
        }],
        place: Some(place()),
        reach: Metres(15_000),
        expectation: Fen(28_000),
        available: vec![shift()],
        declines_ranking: false,
    }
}

fn details() -> EmployerDetails {
    EmployerDetails {
        employer_kind: EmployerKind::Enterprise,
        name: Some("济南示例建筑劳务有限公司".into()),
        code: Some("91350100M000100Y43".parse().unwrap()),
        person: Some(a_person(2)),
        principal: Some(an_employer(2)),
        licence: Some("370100202600001".into()),
        region: region("370102"),
        place: Some(place()),
    }
}

fn pay() -> PayTerms {
    PayTerms {
        pay_kind: PayKind::Piece,
        rate: Fen(35),
        unit: Some("斤".into()),
        usual_day: Some(Fen(26_000)),
        due: PayDue::WithinDays { days: 3 },
    }
}

fn posting_terms() -> PostingTerms {
    PostingTerms {
        employer: an_employer(2),
        occupation: occupation("garlic_picker"),
        text: "摘蒜, 自带手套, 管一顿午饭".into(),
        region: region("370102"),
        place: place(),
        address: "历下区龙洞街道某村东地".into(),
        shifts: vec![shift()],
        headcount: 12,
        pay: pay(),
        requirements: Requirements { level: SkillLevel::Helper, certificates: vec![certificate("health")] },
        mode: FillMode::Dispatch,
        market: Some(a_market(2)),
    }
}

fn hire_terms() -> HireTerms {
    HireTerms {
        posting: a_posting(2),
        worker: a_worker(2),
        person_tokens: Some(tokens()),
        employer: an_employer(2),
        employer_code: Some("91350100M000100Y43".parse().unwrap()),
        employer_kind: EmployerKind::Enterprise,
        employer_seat: region("370103"),
        region: region("370102"),
        occupation: occupation("garlic_picker"),
        shifts: vec![shift()],
        pay: pay(),
        relation: RelationKind::TaskContract,
        relation_basis: "employer_kind=enterprise, one task".into(),
        insurance: InsuranceDecision::ByEmployer,
    }
}

fn trace() -> DeadlineTrace {
    DeadlineTrace {
        rule: "sup.investigate".into(),
        citation: "劳动保障监察条例 17".into(),
        packs: vec![format!("cn-national@{}", digest()), format!("cn-calendar-2026@{}", digest())],
        trigger: day("2026-11-23"),
        length: "60 wd".into(),
        counted_to: day("2027-02-18"),
        last_day: day("2027-02-18"),
        verified: true,
    }
}

fn deadline() -> Deadline {
    Deadline {
        rule: "sup.investigate".into(),
        last_day: day("2027-02-18"),
        safe_day: day("2027-02-18"),
        trace: trace(),
    }
}

fn grant() -> Grant {
    Grant {
        actor: an_actor(2),
        role: Role::Dispatcher,
        regions: vec![region("370102"), region("370100")],
        person: Some(a_person(2)),
        worker: Some(a_worker(2)),
        employer: Some(an_employer(2)),
        market: Some(a_market(2)),
        department: Some(Department::Hrss),
        insurer: Some("91350100M000100Y43".parse().unwrap()),
    }
}

/// Every event there is, in the order of declaration.
pub(crate) fn all() -> Vec<Event> {
    let mut samples = Vec::new();
    samples.extend(of_places_and_people());
    samples.extend(of_work());
    samples.extend(of_money());
    samples.extend(of_disputes());
    samples
}

fn of_places_and_people() -> Vec<Event> {
    let (market, office, person, worker, employer) =
        (a_market(1), an_office(1), a_person(1), a_worker(1), an_employer(1));
    let reason = || "主管部门决定".to_owned();
    vec![
        market::Registered {
            market,
            name: "历下区零工市场".into(),
            region: region("370102"),
            place: place(),
            market_kind: MarketKind::PublicBenefit,
            operator: Some("历下区人力资源服务中心".into()),
        }
        .into(),
        market::Reclassified { market, market_kind: MarketKind::Commercial, reason: reason() }.into(),
        market::Closed { market, reason: reason() }.into(),
        office::Registered {
            office,
            name: "历下区劳动保障监察大队".into(),
            region: region("370102"),
            department: Department::Hrss,
        }
        .into(),
        office::RoleProposed { office, grant: grant(), reason: reason() }.into(),
        office::RoleGranted { office, grant: grant(), basis: "历人社任〔2026〕7号".into() }.into(),
        office::RoleRevoked { office, actor: an_actor(2), role: Role::Dispatcher, reason: reason() }.into(),
        office::SeriesOpened {
            office,
            series: SeriesKind::Acceptance,
            year: 2026,
            prefix: "历劳监受字〔2026〕".into(),
            next: 1,
        }
        .into(),
        office::NumberVoided {
            office,
            series: SeriesKind::Refusal,
            year: 2026,
            number: 17,
            reason: reason(),
        }
        .into(),
        office::ClockHeld { office, reason: office::ClockDoubt::Jump, by_ms: -7_200_000 }.into(),
        office::ClockConfirmed { office, reason: "停电三小时, 时钟已与授时核对".into() }.into(),
        person::Registered { person, known: known(person) }.into(),
        person::Revised {
            person,
            revision: revision(person),
            reason: RevisionReason::Mistaken,
            corrects: an_event(1),
        }
        .into(),
        person::DuplicateSuspected { person, other: a_person(2) }.into(),
        person::IdentityLinked { person, other: a_person(2), basis: "核对两份身份证原件".into() }.into(),
        person::IdentityUnlinked { person, other: a_person(2), basis: "同名不同人".into() }.into(),
        person::KeyStateChanged {
            person,
            key: a_key(1),
            state: KeyState::Sealed,
            basis: "个人信息保护法 47".into(),
        }
        .into(),
        person::KeyOpeningProposed { person, key: a_key(1), basis: "劳动仲裁委调阅".into() }.into(),
        person::KeyOpened {
            person,
            key: a_key(1),
            officer: an_actor(1),
            until: at("2026-11-23T09:10:00.000+08:00"),
            basis: "仲裁委调阅函 12 号".into(),
        }
        .into(),
        person::CardIssued { person, card: a_card(1) }.into(),
        person::CardEnded { person, card: a_card(1), why: CardEnd::Lost }.into(),
        worker::Registered {
            worker,
            person: a_person(2),
            profile: profile(),
            document_verified: true,
            age: Some(age()),
            person_tokens: Some(tokens()),
        }
        .into(),
        worker::ProfileChanged { worker, profile: profile() }.into(),
        worker::Arrived {
            worker,
            market: a_market(2),
            queue_no: 31,
            date: day("2026-11-23"),
            means: ArrivalMeans::Card,
            until: at("2026-11-23T02:00:00.000Z"),
        }
        .into(),
        worker::Called { worker, market: a_market(2), posting: Some(a_posting(2)) }.into(),
        worker::Left { worker, market: a_market(2) }.into(),
        worker::WentHomeUnhired { worker, market: a_market(2), date: day("2026-11-23") }.into(),
        worker::JoinedCrew { worker, leader: an_actor(2) }.into(),
        worker::LeftCrew { worker, leader: an_actor(2) }.into(),
        worker::BarAttested {
            worker,
            occupations: vec![occupation("loader"), occupation("demolition")],
            until: day("2027-05-01"),
            office: an_office(2),
            basis: "劳动法 64".into(),
        }
        .into(),
        employer::Registered { employer, details: details() }.into(),
        employer::Changed { employer, details: details() }.into(),
        employer::Restricted {
            employer,
            authority: "历下区人力资源和社会保障局".into(),
            basis: "鲁人社监〔2026〕3号".into(),
            until: day("2027-11-22"),
        }
        .into(),
        employer::RestrictionLifted {
            employer,
            restriction: an_event(1),
            basis: "鲁人社监〔2026〕9号".into(),
        }
        .into(),
    ]
}

fn finding() -> Finding {
    Finding {
        rule: "posting.sex".into(), citation: "妇女权益保障法 43".into(), words: "限男".into()
    }
}

fn of_work() -> Vec<Event> {
    let (posting, offer, hire) = (a_posting(1), an_offer(1), a_hire(1));
    let (insurance, attendance) = (an_insurance(1), an_attendance(1));
    let (worker, employer) = (a_worker(2), an_employer(2));
    let reason = || "雨天改期".to_owned();
    let relation_basis = || "employer_kind=enterprise, one task".to_owned();
    vec![
        posting::Published {
            posting,
            terms: posting_terms(),
            relation: RelationKind::TaskContract,
            relation_basis: relation_basis(),
        }
        .into(),
        posting::PlaceTold {
            posting,
            employer,
            place: Point { lat_e6: 36_671_204, lon_e6: 117_083_377 },
            address: "历下区龙洞街道某村 18 号".into(),
        }
        .into(),
        posting::Flagged { posting, findings: vec![finding()] }.into(),
        posting::ReviewRequested {
            posting,
            terms: posting_terms(),
            relation: RelationKind::PersonalService,
            relation_basis: relation_basis(),
            findings: vec![finding()],
        }
        .into(),
        posting::Approved { posting, reason: posting::ApprovalGround::HouseholdUse }.into(),
        posting::Rejected { posting, reason: reason() }.into(),
        posting::Changed {
            posting,
            terms: posting_terms(),
            relation: RelationKind::PersonalService,
            relation_basis: relation_basis(),
        }
        .into(),
        posting::Filled { posting }.into(),
        posting::Reopened { posting, free: 2 }.into(),
        posting::Withdrawn { posting, reason: posting::PostingWithdrawal::NotNeeded }.into(),
        posting::Expired { posting, unfilled: 3 }.into(),
        offer::Made {
            offer,
            posting: a_posting(2),
            worker,
            mode: FillMode::Dispatch,
            expires: at("2026-11-22T21:40:00.000Z"),
            proposed_by: Some(a_match(2)),
            override_reason: Some("雇主点名".into()),
        }
        .into(),
        offer::Accepted { offer, posting: a_posting(2), worker }.into(),
        offer::Declined { offer, posting: a_posting(2), worker, reason: Some("太远".into()) }.into(),
        offer::Expired { offer, posting: a_posting(2), worker }.into(),
        offer::Withdrawn { offer, posting: a_posting(2), worker, reason: WithdrawReason::Filled }.into(),
        matching::Reasoned {
            run: a_match(1),
            posting: a_posting(2),
            policy: "score-2026-11@1".into(),
            candidates: vec![Candidate {
                worker,
                score: 870,
                terms: vec![
                    ScoreTerm { term: "skill".into(), points: 600 },
                    ScoreTerm { term: "distance".into(), points: -30 },
                    ScoreTerm { term: "waiting".into(), points: 300 },
                ],
                lot: 9_007_199_254_740_991,
            }],
            considered: 31,
            excluded: vec![Exclusion { rule: "certificate".into(), workers: 7 }],
        }
        .into(),
        hire::Agreed {
            hire,
            revision: 1,
            terms: hire_terms(),
            mode: FillMode::Dispatch,
            presumed: Presumed { after_days: 1, at_minute: 720 },
            offer: Some(an_offer(2)),
        }
        .into(),
        hire::AgreementSigned {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            template: "task-contract-2026".into(),
            document: evidence(),
        }
        .into(),
        hire::Started {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            at: at("2026-11-22T22:03:00.000Z"),
            asserted_by: AssertedBy::Gate,
        }
        .into(),
        hire::Changed {
            hire,
            revision: 2,
            terms: hire_terms(),
            reason: hire::ChangeReason::Agreed,
            supersedes: 1,
        }
        .into(),
        hire::Withdrawn {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            moved_to: region("370103"),
        }
        .into(),
        hire::Cancelled {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            reason: CancelReason::Weather,
            note: Some(sealed()),
        }
        .into(),
        hire::NoShow {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            asserted_by: AssertedBy::Employer,
        }
        .into(),
        hire::SentHome {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            at: at("2026-11-22T22:10:00.000Z"),
            asserted_by: AssertedBy::Worker,
        }
        .into(),
        hire::Replaced { hire, revision: 2, supersedes: Some(1), terms: hire_terms(), by: a_hire(2) }.into(),
        hire::Ended {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            date: day("2026-11-23"),
            basis: hire::EndBasis::WorkDone,
            asserted_by: AssertedBy::Employer,
        }
        .into(),
        hire::EndCorrected {
            hire,
            revision: 3,
            supersedes: 2,
            terms: hire_terms(),
            was: day("2026-11-23"),
            date: day("2026-11-24"),
            basis: hire::EndBasis::WorkDone,
            asserted_by: AssertedBy::Desk,
        }
        .into(),
        hire::FollowedUp { hire, worker, employer, worked: true, paid: false, note: Some(sealed()) }.into(),
        hire::InjuryReported {
            hire,
            revision: 2,
            supersedes: Some(1),
            terms: hire_terms(),
            at: at("2026-11-23T03:15:00.000Z"),
            asserted_by: AssertedBy::Worker,
            covered: true,
            note: Some(sealed()),
        }
        .into(),
        attendance::SignedIn {
            attendance,
            hire: a_hire(2),
            worker,
            date: day("2026-11-23"),
            at: at("2026-11-22T22:01:00.000Z"),
            asserted_by: AssertedBy::Gate,
        }
        .into(),
        attendance::SignedOut {
            attendance,
            hire: a_hire(2),
            worker,
            date: day("2026-11-23"),
            at: at("2026-11-23T09:32:00.000Z"),
            asserted_by: AssertedBy::Worker,
            break_minutes: 60,
            pieces: Some(740),
        }
        .into(),
        attendance::AbsenceReported {
            attendance,
            hire,
            worker,
            date: day("2026-11-23"),
            asserted_by: AssertedBy::Employer,
        }
        .into(),
        attendance::Contradicted {
            attendance,
            hire: a_hire(2),
            worker,
            first: AssertedBy::Worker,
            second: AssertedBy::Employer,
            minutes_apart: 95,
            pieces_apart: Some(12),
        }
        .into(),
        attendance::OverlapFlagged { attendance, hire: a_hire(2), other: a_hire(3), worker }.into(),
        attendance::Corrected {
            attendance,
            hire: a_hire(2),
            worker,
            corrects: an_event(1),
            at: at("2026-11-23T09:30:00.000Z"),
            reason: "看错表".into(),
            asserted_by: AssertedBy::Desk,
            break_minutes: Some(45),
            pieces: Some(470),
        }
        .into(),
        insurance::CheckPlanned { insurance, hire: a_hire(2), worker, employer, lead_minutes: 60 }.into(),
        insurance::Applied {
            insurance,
            hire: a_hire(2),
            worker,
            employer,
            insurer: "示例财产保险".into(),
            product: "日结意外险".into(),
            premium: Fen(300),
            payer: PremiumPayer::Employer,
            insurer_code: Some("91350100M000100Y43".parse().unwrap()),
        }
        .into(),
        insurance::Confirmed {
            insurance,
            hire: a_hire(2),
            worker,
            policy: "PA2026112200017".into(),
            effective_from: at("2026-11-22T16:00:00.000Z"),
            effective_until: at("2026-11-23T16:00:00.000Z"),
            insurer_code: Some("91350100M000100Y43".parse().unwrap()),
        }
        .into(),
        insurance::Rejected {
            insurance,
            hire: a_hire(2),
            worker,
            reason: insurance::CoverRejection::Age,
            insurer_code: Some("91350100M000100Y43".parse().unwrap()),
        }
        .into(),
        insurance::RefusedByWorker { insurance, hire: a_hire(2), worker }.into(),
        insurance::Ended {
            insurance,
            hire: a_hire(2),
            worker,
            at: at("2026-11-23T16:00:00.000Z"),
            reason: insurance::CoverEnd::Cancelled,
            insurer_code: Some("91350100M000100Y43".parse().unwrap()),
        }
        .into(),
        insurance::GapAlarmed {
            insurance,
            hire: a_hire(2),
            worker,
            employer,
            shift_start: at("2026-11-22T22:00:00.000Z"),
            covered_from: Some(at("2026-11-23T16:00:00.000Z")),
        }
        .into(),
    ]
}

fn of_money() -> Vec<Event> {
    let (wage, hire, worker, employer) = (a_wage(1), a_hire(2), a_worker(2), an_employer(2));
    let (amount, outstanding) = (Fen(28_000), Fen(8_000));
    vec![
        wage::Due {
            wage,
            hire,
            worker,
            employer,
            amount,
            outstanding: amount,
            basis: WageBasis::Attendance,
            date: day("2026-11-23"),
            due_on: day("2026-11-23"),
            trace: trace(),
        }
        .into(),
        wage::PresumedDue {
            wage,
            attendance: an_attendance(2),
            hire,
            worker,
            employer,
            amount,
            outstanding: amount,
            date: day("2026-11-23"),
            due_on: day("2026-11-23"),
            trace: trace(),
        }
        .into(),
        wage::Adjusted {
            wage,
            hire,
            worker,
            employer,
            amount,
            outstanding,
            basis: WageBasis::WageSheet,
            reason: "按工资单".into(),
        }
        .into(),
        wage::Paid {
            wage,
            hire,
            worker,
            employer,
            amount: Fen(20_000),
            outstanding,
            means: PayMeans::Cash,
            at: at("2026-11-23T10:00:00.000Z"),
            evidence: evidence(),
            signature: Some(evidence()),
        }
        .into(),
        wage::PaidToThird {
            wage,
            hire,
            worker,
            employer,
            amount: Fen(20_000),
            outstanding: amount,
            to: ThirdParty::CrewLeader,
            at: at("2026-11-23T10:00:00.000Z"),
            to_employer: Some(an_employer(3)),
            evidence: Some(evidence()),
        }
        .into(),
        wage::ReceiptConfirmed {
            wage,
            hire,
            worker,
            employer,
            amount: Fen(20_000),
            outstanding,
            disputed: Fen::ZERO,
        }
        .into(),
        wage::PaymentContradicted {
            wage,
            hire,
            worker,
            employer,
            payment: an_event(1),
            recorded: Fen(20_000),
            received: Fen(5_000),
            counted: Fen(5_000),
            outstanding: Fen(23_000),
            disputed: Fen(15_000),
            evidence: Some(evidence()),
        }
        .into(),
        wage::PaymentDetermined {
            wage,
            hire,
            worker,
            employer,
            paid: Fen(20_000),
            outstanding,
            disputed: Fen::ZERO,
            authority: an_office(2),
            basis: "保障农民工工资支付条例第五十条; 工资支付台账与银行流水".into(),
            case: Some(a_case(1)),
            evidence: Some(evidence()),
        }
        .into(),
        wage::Overdue { wage, hire, worker, employer, outstanding, due_on: day("2026-11-23") }.into(),
        wage::Demanded {
            wage,
            worker,
            employer,
            amount: outstanding,
            means: DemandMeans::Message,
            by_mandate: true,
            proof: Some(evidence()),
        }
        .into(),
        wage::OwedNoteGiven { wage, worker, employer, amount: outstanding, evidence: evidence() }.into(),
        wage::Corrected {
            wage,
            hire,
            worker,
            employer,
            corrects: an_event(1),
            was: Fen(200_000),
            is: Fen(20_000),
            amount,
            outstanding,
            disputed: Fen::ZERO,
            reason: "多录一个零".into(),
        }
        .into(),
        rules::Adopted {
            rules: a_rules(1),
            name: "cn-national".into(),
            pack_kind: PackKind::Statutes,
            digest: digest(),
            reason: "首次启用".into(),
        }
        .into(),
    ]
}

fn of_disputes() -> Vec<Event> {
    let (claim, case, worker, employer, office) =
        (a_claim(1), a_case(1), a_worker(2), an_employer(2), an_office(2));
    let outstanding = Fen(8_000);
    let reason = || "另有调查结论".to_owned();
    let warn_days = || vec![15, 5, 1];
    vec![
        claim::Registered {
            claim,
            worker,
            employer,
            office,
            items: vec![ClaimItem {
                wage: Some(a_wage(2)),
                hire: Some(a_hire(2)),
                amount: outstanding,
                from: day("2026-11-22"),
                until: day("2026-11-23"),
            }],
            total: outstanding,
            filed_at: at("2026-11-25T01:05:00.000Z"),
            disputed: Fen(2_000),
            suggested_track: Track::Supervision,
            receipt_text: "本回执证明某人于某时向某机关就某单位、某事项请求权利救济".into(),
            safe_date: Some(day("2027-11-25")),
            safe_trace: Some(trace()),
            answer_by: Some(deadline()),
            statement: Some(sealed()),
            external: Some(ExternalRef { system: "12345".into(), number: "370102-2026-001".into() }),
            mandate: Some(evidence()),
        }
        .into(),
        claim::DuplicateSuspected { claim, other: a_claim(2) }.into(),
        claim::Linked { claim, other: a_claim(2), reason: reason() }.into(),
        claim::EvidenceAdded {
            claim,
            digest: evidence(),
            media_type: "image/jpeg".into(),
            bytes: 183_204,
            label: "工地打卡照片".into(),
        }
        .into(),
        claim::Referred {
            claim,
            from: an_office(2),
            to: an_office(3),
            from_region: region("370202"),
            to_region: region("370102"),
            reason: reason(),
            answer_by: Some(deadline()),
        }
        .into(),
        claim::AnswerRecounted {
            claim,
            answer_by: deadline(),
            supersedes: day("2027-02-18"),
            had_passed: Some(day("2026-11-20")),
        }
        .into(),
        claim::Unanswered {
            claim,
            worker,
            employer,
            office: an_office(3),
            rule: "sup.accept".into(),
            last_day: day("2026-12-02"),
        }
        .into(),
        claim::AmountChanged {
            claim,
            wage: a_wage(2),
            total: Fen(28_000),
            outstanding,
            disputed: Fen(2_000),
        }
        .into(),
        claim::Withdrawn { claim, worker, reason: reason() }.into(),
        claim::Closed { claim, outcome: ClaimOutcome::Settled, outstanding: Fen(0), case: Some(a_case(2)) }
            .into(),
        claim::FollowedUp { claim, worker, satisfied: true, note: Some(sealed()) }.into(),
        case::Accepted {
            case,
            claims: vec![a_claim(2), a_claim(3)],
            worker,
            employer,
            office,
            number: "历劳监受字〔2026〕1号".into(),
            track: Track::Supervision,
            deadlines: vec![deadline()],
            warn_days: warn_days(),
        }
        .into(),
        case::Refused {
            case,
            claim: a_claim(2),
            worker,
            employer,
            office,
            number: "历劳监不受字〔2026〕1号".into(),
            reason: reason(),
        }
        .into(),
        case::SupplementAsked {
            case,
            claim: a_claim(2),
            worker,
            employer,
            office,
            missing: "用人主体的名称".into(),
            due: day("2026-12-02"),
            warn_days: warn_days(),
        }
        .into(),
        case::Supplemented {
            case,
            claim: a_claim(2),
            worker,
            employer,
            office,
            supplied: "用人主体的营业执照照片".into(),
            received: day("2026-11-30"),
            answer_by: Some(deadline()),
        }
        .into(),
        case::DirectedElsewhere {
            case,
            claim: a_claim(2),
            worker,
            employer,
            office,
            to: "历下区人民法院".into(),
            reason: reason(),
        }
        .into(),
        case::FilingProposed { case, reason: reason() }.into(),
        case::Filed {
            case,
            number: "历劳监立字〔2026〕1号".into(),
            deadlines: vec![deadline()],
            proposed_by: an_actor(2),
            warn_days: warn_days(),
        }
        .into(),
        case::Assigned { case, officer: an_actor(2), reason: reason() }.into(),
        case::DocumentIssued {
            case,
            document: "限期改正指令书".into(),
            number: "历劳监令字〔2026〕1号".into(),
            digest: evidence(),
            served: ServiceMode::Direct,
            served_at: at("2026-12-01T02:00:00.000Z"),
            warn_days: warn_days(),
            due: Some(day("2026-12-08")),
        }
        .into(),
        case::Extended {
            case,
            deadline: deadline(),
            supersedes: day("2027-02-18"),
            reason: reason(),
            approved_by: an_actor(3),
            warn_days: warn_days(),
        }
        .into(),
        case::DeadlineRecounted {
            case,
            deadline: deadline(),
            supersedes: day("2027-02-18"),
            warn_days: warn_days(),
            had_passed: Some(day("2026-11-20")),
        }
        .into(),
        case::DeadlineMet {
            case,
            rule: case::DeadlineOf::Settlement(a_claim(2)),
            last_day: day("2026-12-31"),
            claim: Some(a_claim(2)),
        }
        .into(),
        case::DeadlineWarned {
            case,
            rule: case::DeadlineOf::Settlement(a_claim(2)),
            last_day: day("2026-12-31"),
            claim: Some(a_claim(2)),
        }
        .into(),
        case::DeadlineLapsed {
            case,
            rule: case::DeadlineOf::Settlement(a_claim(2)),
            last_day: day("2026-12-31"),
            claim: Some(a_claim(2)),
            unpaid: Some(Fen(2_500)),
        }
        .into(),
        case::Mediated {
            case,
            claim: a_claim(2),
            worker,
            employer,
            amount: Fen(7_500),
            pay_by: day("2026-12-31"),
            paper: SettlementPaper::MediationAgreement,
            document: evidence(),
            warn_days: warn_days(),
            excess: Some(case::Excess::Compensation),
        }
        .into(),
        case::MediationFailed { case, reason: reason() }.into(),
        case::PaymentSeen { case, claim: a_claim(2), amount: Fen(7_500), outstanding: Fen(500) }.into(),
        case::Closed { case, conclusion: Conclusion::Paid, reason: reason(), outstanding: Fen(0) }.into(),
        case::ReopenProposed { case, reason: reason() }.into(),
        case::Reopened { case, reason: reason(), proposed_by: an_actor(2) }.into(),
        case::Corrected {
            case,
            corrects: an_event(1),
            was: "2026-11-32".into(),
            is: "2026-11-23".into(),
            reason: reason(),
        }
        .into(),
    ]
}
