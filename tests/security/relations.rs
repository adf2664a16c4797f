//! Who may do what about whom: role × command × relation, cell by cell against a table written by hand.
//!
//! Decisions are pure, so that every cell is decided on one and the same state: the same body, given by somebody of
//! that role who stands in that relation to what it is about.

use std::collections::BTreeSet;

use linggong_engine::attendance::attendance_id;
use linggong_engine::command::{About, Actor, Command, Context, Request};
use linggong_engine::wage::wage_id;
use linggong_events::commit::Digest;
use linggong_events::envelope::{Channel, Envelope};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{
    ActorId, ClaimId, EmployerId, HireId, Kind, OfficeId, PersonId, WorkerId, command_id,
};
use linggong_events::mandate::{Mandate, OnBehalfOf};
use linggong_events::office::Role;
use linggong_events::posting::PayKind;
use linggong_gateway::drill::sandbox::{Sandbox, actor};
use linggong_gateway::drill::shipped_rules;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cast::{profile, role_name, terms};

const RELATIONS: &str = include_str!("relations.txt");
const HERE: &str = "370102";
const ELSEWHERE: &str = "370202";
/// Codes that say that somebody has not the relation which the command needs.
const NO_RELATION: &[&str] = &["not_yours", "not_their_crew", "outside_region", "second_officer_needed"];

/// One row of the table, for one command and one role.
#[derive(Debug)]
struct Row {
    command: String,
    role: Role,
    cells: Vec<(String, String)>,
}

/// `kind.{a,b}  role,role  relation=code …`
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in RELATIONS.lines().filter(|it| !it.starts_with('#') && !it.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (names, roles) = (words.next().expect("a command"), words.next().expect("roles"));
        let cells: Vec<(String, String)> = words
            .map(|it| it.split_once('=').unwrap_or_else(|| panic!("no cell: {it}")))
            .map(|(relation, code)| (relation.to_owned(), code.to_owned()))
            .collect();
        let names = match names.split_once(".{") {
            Some((kind, verbs)) => {
                let verbs = verbs.trim_end_matches('}').split(',');
                verbs.map(|verb| format!("{kind}.{verb}")).collect()
            }
            None => vec![names.to_owned()],
        };
        for command in names {
            for role in roles.split(',') {
                let role = serde_json::from_value(json!(role)).unwrap_or_else(|_| panic!("no role: {role}"));
                rows.push(Row { command: command.clone(), role, cells: cells.clone() });
            }
        }
    }
    rows
}

/// The relations that a role has to be tried in, whatever the command; a row may try more.
fn least(role: Role, kind: Kind) -> &'static [&'static str] {
    match role {
        Role::Worker => &["own", "another"],
        Role::Employer => &["own"],
        Role::CrewLeader | Role::Gate => &["elsewhere"],
        Role::Insurer => &["own", "another", "elsewhere"],
        Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::PrivacyOfficer
        | Role::Keeper => match kind {
            Kind::Case => &["beside", "elsewhere"],
            Kind::Market
            | Kind::Office
            | Kind::Person
            | Kind::Worker
            | Kind::Employer
            | Kind::Posting
            | Kind::Offer
            | Kind::Match
            | Kind::Hire
            | Kind::Attendance
            | Kind::Wage
            | Kind::Insurance
            | Kind::Claim
            | Kind::Rules => &["elsewhere"],
        },
        Role::Engine | Role::Auditor | Role::Subscriber => &[],
    }
}

#[test]
fn the_table_has_a_row_for_every_role_of_every_command_once() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        let named = (row.command.clone(), role_name(row.role));
        assert!(seen.insert(named.clone()), "{named:?} stands twice");
        let kind = row.command.split('.').next().unwrap().parse().unwrap();
        for relation in least(row.role, kind) {
            assert!(row.cells.iter().any(|(it, _)| it == relation), "{named:?} says nothing of {relation}");
        }
    }
    let all = Command::types().flat_map(|it| it.roles.iter().map(|role| (it.name(), role_name(*role))));
    assert_eq!(seen, all.collect::<BTreeSet<_>>());
}

#[test]
fn every_command_is_refused_for_its_relation_where_the_table_says_and_nowhere_else() {
    let world = World::begin();
    let (mut cells, mut wrong) = (0, Vec::new());
    for row in rows() {
        for (relation, expected) in &row.cells {
            let found = world.decided(&row, relation);
            let fits = match expected.as_str() {
                "yes" => !NO_RELATION.contains(&found.as_str()),
                code => found == code,
            };
            cells += 1;
            if !fits {
                let role = role_name(row.role);
                wrong.push(format!("{} {role} {relation}: {found}, not {expected}", row.command));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 400, "the table has {cells} cells");
}

/// A hire in one county, overdue, claimed and before an officer; an offer; a cover that was asked for.
struct World {
    sandbox: Sandbox,
    office: OfficeId,
    beside: OfficeId,
    market: Uuid,
    worker: WorkerId,
    /// Another of the same crew.
    second: WorkerId,
    person: PersonId,
    other_person: PersonId,
    employer: EmployerId,
    posting: Uuid,
    offer: Uuid,
    hire: HireId,
    insurance: Uuid,
    case_claim: ClaimId,
    claim: ClaimId,
    case: Uuid,
}

/// The credentials of this world, told apart by a number.
fn id(n: u128) -> ActorId {
    ActorId(Uuid::from_u128(0xac_0000 + n))
}
const LEADER: u128 = 1;
const OFFICER: u128 = 2;
const ANYBODY: u128 = 3;
const INSURER: &str = "91350100M000100Y43";
const OTHER_INSURER: &str = "91370200MA3TE5T035";

fn known_person(n: u128) -> Value {
    let (person, key) = (Uuid::from_u128(0xb0 + n), Uuid::from_u128(0xc0 + n));
    json!({ "person": person, "age": { "band": "from18_to59" }, "document_verified": true,
            "sealed": { "name": { "person": person, "key": key, "box": "c2VhbGVk" } }, "tokens": {} })
}

fn employed(employer: Value, market: Value, mode: &str, day: &str, headcount: u16) -> Value {
    let text = |it: &Value| it.as_str().expect("an id").to_owned();
    let mut terms = terms(&text(&employer), &text(&market), HERE, mode, headcount);
    terms["shifts"] =
        json!([{ "start": format!("{day}T06:00:00+08:00"), "end": format!("{day}T17:00:00+08:00") }]);
    terms
}

/// What happened, by the first entity of a kind.
fn made(events: &[Envelope], kind: Kind) -> Uuid {
    let subject = events.iter().map(|it| it.meta.subject).find(|it| it.kind == kind);
    subject.unwrap_or_else(|| panic!("no {kind} was made")).id
}

impl World {
    fn begin() -> World {
        let rules: Vec<_> = shipped_rules().iter().map(|it| it.read().expect("a pack")).collect();
        let start = "2026-11-23T04:50:00+08:00".parse().expect("an instant");
        let mut begun = Begun { sandbox: Sandbox::new(&rules, start).expect("a sandbox"), office: None };
        let keeper = |office| Actor { office, ..staff(Role::Keeper, ANYBODY, "370000") };
        let office = json!({ "name": "历下区人社局", "region": HERE, "department": "hrss" });
        let office = OfficeId(made(&begun.give(keeper(None), "office.register", office), Kind::Office));
        let beside = json!({ "name": "历下区调解中心", "region": HERE, "department": "hrss" });
        let beside = OfficeId(made(&begun.give(keeper(None), "office.register", beside), Kind::Office));
        let far = json!({ "name": "市南区人社局", "region": ELSEWHERE, "department": "hrss" });
        begun.give(keeper(None), "office.register", far);
        begun.office = Some(office);
        let market = json!({ "name": "历下区零工市场", "region": HERE, "market_kind": "public_benefit",
                             "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
        let market = made(&begun.give(keeper(None), "market.register", market), Kind::Market);
        for series in ["acceptance", "filing"] {
            let open =
                json!({ "office": office, "series": series, "year": 2026, "prefix": "历下", "next": 1 });
            begun.give(keeper(None), "office.open_series", open);
        }
        // The officer is one of the office's, so that a case can be assigned.
        let grant = json!({ "actor": id(OFFICER), "role": "case_officer", "regions": [HERE] });
        let propose = json!({ "office": office, "grant": grant, "reason": "上岗" });
        begun.give(keeper(None), "office.role_grant.propose", propose);
        let confirm =
            json!({ "office": office, "holder": id(OFFICER), "role": "case_officer", "basis": "批准" });
        begun.give(staff(Role::Keeper, 9, "370000"), "office.role_grant.confirm", confirm);

        let clerk = || staff(Role::Clerk, ANYBODY, HERE);
        let leader = || staff(Role::CrewLeader, LEADER, HERE);
        let register = json!({ "person": known_person(1), "profile": profile() });
        let worker = WorkerId(made(&begun.give(leader(), "worker.register", register), Kind::Worker));
        let register = json!({ "person": known_person(2), "profile": profile() });
        let second = WorkerId(made(&begun.give(leader(), "worker.register", register), Kind::Worker));
        let employer =
            json!({ "employer_kind": "enterprise", "region": HERE, "name": "某建筑公司", "code": INSURER });
        let employer = EmployerId(made(&begun.give(clerk(), "employer.register", employer), Kind::Employer));
        let struck = employed(json!(employer), json!(market), "on_site", "2026-11-23", 1);
        let struck = json!({ "terms": struck, "workers": [worker], "insurance": "open" });
        let hire = HireId(made(&begun.give(leader(), "hire.register_on_site", struck), Kind::Hire));
        let posting = employed(json!(employer), json!(market), "grab", "2026-11-27", 3);
        let posting =
            made(&begun.give(clerk(), "posting.submit", json!({ "terms": posting })), Kind::Posting);
        let offer = json!({ "posting": posting, "worker": worker });
        let offer = made(&begun.give(clerk(), "offer.make", offer), Kind::Offer);
        let apply = json!({ "hire": hire, "insurer": "某财险", "insurer_code": INSURER, "product": "日险",
                            "premium": 300, "payer": "employer" });
        let insurance = made(&begun.give(clerk(), "insurance.apply", apply), Kind::Insurance);
        // Nobody signs out: at noon of the next day the wage is presumed due.
        begun.sandbox.pass_to("2026-11-25T09:00:00+08:00".parse().expect("an instant")).expect("time passes");
        let wage = wage_id(hire, PayKind::Day, 0);
        let item = json!({ "wage": wage, "hire": hire, "amount": 28_000, "from": "2026-11-23", "until": "2026-11-23" });
        let claims = json!({ "worker": worker, "employer": employer, "items": [item] });
        let claimant = || bound(Role::Worker, Some(worker), None);
        let mut claim =
            || ClaimId(made(&begun.give(claimant(), "claim.register", claims.clone()), Kind::Claim));
        let (case_claim, claim) = (claim(), claim());
        let officer = || staff(Role::CaseOfficer, OFFICER, HERE);
        let accept = json!({ "claims": [case_claim], "track": "supervision" });
        let case = made(&begun.give(officer(), "case.accept", accept), Kind::Case);
        let assign = json!({ "case": case, "officer": id(OFFICER), "reason": "分工" });
        begun.give(staff(Role::CaseLead, ANYBODY, HERE), "case.assign", assign);
        begun.give(officer(), "case.file.propose", json!({ "case": case, "reason": "查实" }));
        let (person, other_person) = (PersonId(Uuid::from_u128(0xb1)), PersonId(Uuid::from_u128(0xb2)));
        let sandbox = begun.sandbox;
        World {
            sandbox,
            office,
            beside,
            market,
            worker,
            second,
            person,
            other_person,
            employer,
            posting,
            offer,
            hire,
            insurance,
            case_claim,
            claim,
            case,
        }
    }

    /// Whoever has this role and stands in this relation to what this world is about.
    fn somebody(&self, role: Role, relation: &str) -> Actor {
        let stranger = Uuid::from_u128(0x5742);
        let own = relation != "another";
        let n = match (relation, role) {
            ("assigned", _) => OFFICER,
            ("crew" | "elsewhere", Role::CrewLeader) => LEADER,
            _ => ANYBODY,
        };
        let region = match relation {
            "elsewhere" => ELSEWHERE,
            "everywhere" => "370000",
            _ => HERE,
        };
        let office = if relation == "beside" { self.beside } else { self.office };
        let mut actor = Actor { office: Some(office), ..staff(role, n, region) };
        match role {
            Role::Worker => actor.worker = Some(if own { self.worker } else { WorkerId(stranger) }),
            Role::Employer => actor.employer = Some(if own { self.employer } else { EmployerId(stranger) }),
            Role::Insurer => {
                let code = if own { INSURER } else { OTHER_INSURER };
                actor.insurer = Some(code.parse().expect("an organisation code"));
            }
            Role::Engine
            | Role::CrewLeader
            | Role::Clerk
            | Role::Dispatcher
            | Role::Reviewer
            | Role::MarketManager
            | Role::Gate
            | Role::CaseOfficer
            | Role::CaseLead
            | Role::Mediator
            | Role::Auditor
            | Role::PrivacyOfficer
            | Role::Keeper
            | Role::Subscriber => {}
        }
        actor
    }

    /// `yes`, or the code with which the command of a row is refused in that relation.
    fn decided(&self, row: &Row, relation: &str) -> String {
        let actor = self.somebody(row.role, relation);
        let (state, rules) = (self.sandbox.partition().state(), self.sandbox.partition().rules());
        let command = command_id(actor.id, Uuid::from_u128(7));
        // Whoever speaks for the worker does so as they may: the worker is at the window, or has signed a paper.
        let mandate = match actor.channels().contains(&Channel::Window) {
            true => Mandate::InPerson,
            false => Mandate::Paper(EvidenceDigest(Digest::of(b"paper"))),
        };
        let channel = (mandate == Mandate::InPerson).then_some(Channel::Window);
        let speaks = actor.role != Role::Worker;
        // Who works instead of another is the one who has to agree.
        let person = if row.command == "hire.replace" { self.other_person } else { self.person };
        let on_behalf_of = speaks.then_some(OnBehalfOf { person, mandate });
        let about = About { channel, on_behalf_of, ..About::default() };
        let context = Context { now: self.sandbox.now(), command, actor: &actor, about: &about, rules };
        let body = self.body(&row.command);
        let decided = Command::decode(&row.command, body)
            .unwrap_or_else(|error| {
                panic!("{}: {error}: {:?}", row.command, std::error::Error::source(&error))
            })
            .decide(state, &context);
        decided.map_or_else(|refusal| refusal.code().to_owned(), |_| "yes".to_owned())
    }

    /// The fields of a command about this world.
    fn body(&self, command: &str) -> Value {
        let (worker, employer, hire, case, claim) =
            (self.worker, self.employer, self.hire, self.case, self.claim);
        let (market, posting, offer, insurance) = (self.market, self.posting, self.offer, self.insurance);
        let wage = wage_id(hire, PayKind::Day, 0);
        let paper = Digest::of(b"paper").to_string();
        let at = "2026-11-23T17:00:00+08:00";
        let terms = |mode: &str| employed(json!(employer), json!(market), mode, "2026-11-28", 1);
        let person = self.person;
        match command {
            "market.register" => json!({ "name": "新市场", "region": HERE, "market_kind": "public_benefit",
                                         "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } }),
            "market.reclassify" => {
                json!({ "market": market, "market_kind": "spontaneous", "reason": "调整" })
            }
            "market.close" => json!({ "market": market, "reason": "搬迁" }),
            "office.register" => json!({ "name": "新机构", "region": HERE, "department": "hrss" }),
            "office.role_grant.propose" => {
                let grant = json!({ "actor": id(77), "role": "worker", "regions": [HERE], "worker": worker });
                json!({ "office": self.office, "grant": grant, "reason": "开通" })
            }
            "office.role_grant.confirm" => {
                json!({ "office": self.office, "holder": id(77), "role": "worker", "basis": "批准" })
            }
            "office.revoke_role" => {
                json!({ "office": self.office, "holder": id(77), "role": "worker", "reason": "离岗" })
            }
            "office.open_series" => {
                json!({ "office": self.office, "series": "refusal", "year": 2026, "prefix": "历下", "next": 1 })
            }
            "office.void_number" => {
                json!({ "office": self.office, "series": "filing", "year": 2026, "reason": "写坏" })
            }
            "office.confirm_clock" => json!({ "office": self.office, "reason": "对过时" }),
            "person.link" | "person.unlink" => {
                json!({ "person": person, "other": self.other_person, "basis": "同一人" })
            }
            "person.set_key_state" => {
                json!({ "person": person, "key": Uuid::from_u128(0xc1), "key_state": "sealed", "basis": "归档" })
            }
            "person.key_opening.propose" => {
                json!({ "person": person, "key": Uuid::from_u128(0xc1), "basis": "调阅" })
            }
            "person.key_opening.confirm" => {
                let officer = Uuid::from_u128(0xc2);
                json!({ "person": person, "key": Uuid::from_u128(0xc1), "officer": officer, "basis": "调阅" })
            }
            "person.issue_card" => json!({ "person": person, "card": Uuid::from_u128(0xc3) }),
            "person.end_card" => json!({ "person": person, "why": "lost" }),
            "person.revise" => {
                let sealed =
                    json!({ "name": { "person": person, "key": Uuid::from_u128(0xc1), "box": "xc20p:AA" } });
                json!({ "revision": { "person": person, "sealed": sealed }, "reason": "mistaken" })
            }
            "rules.adopt" => {
                json!({ "name": "own", "pack_kind": "statutes", "digest": paper, "reason": "更新" })
            }
            "worker.register" => json!({ "person": known_person(3), "profile": profile() }),
            "worker.change_profile" => json!({ "worker": worker, "profile": profile() }),
            "worker.arrive" => json!({ "worker": worker, "market": market, "means": "card" }),
            "worker.leave" | "worker.call" => json!({ "worker": worker, "market": market }),
            "worker.join_crew" => json!({ "worker": worker, "leader": id(LEADER) }),
            "worker.leave_crew" => json!({ "worker": worker }),
            "worker.attest_bar" => {
                json!({ "worker": worker, "occupations": ["loader"], "until": "2027-01-01", "basis": "卷宗" })
            }
            "employer.register" => {
                json!({ "employer_kind": "enterprise", "region": HERE, "name": "新公司", "code": OTHER_INSURER })
            }
            "employer.change" => {
                let details = json!({ "employer_kind": "enterprise", "region": HERE, "name": "改名公司", "code": INSURER });
                json!({ "employer": employer, "details": details })
            }
            "employer.restrict" => {
                json!({ "employer": employer, "authority": "人社局", "basis": "决定书", "until": "2027-01-01" })
            }
            "employer.lift_restriction" => json!({ "employer": employer, "basis": "改正" }),
            "posting.submit" => json!({ "terms": terms("grab") }),
            "posting.change" => json!({ "posting": posting, "terms": terms("grab") }),
            "posting.approve" => json!({ "posting": posting, "reason": "verified" }),
            "posting.reject" => json!({ "posting": posting, "reason": "看过" }),
            "posting.withdraw" => json!({ "posting": posting, "reason": "not_needed" }),
            "posting.match" => json!({ "posting": posting }),
            "offer.make" | "offer.grab" => json!({ "posting": posting, "worker": worker }),
            "offer.accept" | "offer.decline" | "offer.withdraw" => json!({ "offer": offer }),
            "hire.register_on_site" => {
                json!({ "terms": terms("on_site"), "workers": [worker], "insurance": "open" })
            }
            "hire.sign_agreement" => json!({ "hire": hire, "template": "日结协议", "document": paper }),
            "hire.start" | "hire.report_sent_home" | "hire.report_injury" => {
                json!({ "hire": hire, "at": at })
            }
            "hire.change" => {
                let terms = terms("on_site");
                json!({ "hire": hire, "shifts": terms["shifts"], "pay": terms["pay"], "region": HERE, "reason": "agreed" })
            }
            "hire.decide_insurance" => json!({ "hire": hire, "insurance": "by_employer" }),
            "hire.cancel" => json!({ "hire": hire, "reason": "weather" }),
            "hire.report_no_show" => json!({ "hire": hire }),
            "hire.replace" => json!({ "hire": hire, "by": self.second }),
            "hire.end" | "hire.correct_end" => {
                json!({ "hire": hire, "date": "2026-11-23", "basis": "work_done" })
            }
            "hire.follow_up" => json!({ "hire": hire, "worked": true, "paid": false }),
            "attendance.sign_in" => json!({ "hire": hire }),
            "attendance.sign_out" => json!({ "hire": hire, "break_minutes": 0 }),
            "attendance.report_absence" => json!({ "hire": hire, "shift": 0 }),
            "attendance.correct" => {
                json!({ "attendance": attendance_id(hire, 0), "corrects": Uuid::from_u128(8),
                                            "at": at, "reason": "记错" })
            }
            "wage.state_due" => json!({ "hire": hire, "amount": 28_000, "basis": "wage_sheet" }),
            "wage.adjust" => {
                json!({ "wage": wage, "amount": 29_000, "basis": "wage_sheet", "reason": "核对" })
            }
            "wage.record_payment" => {
                json!({ "wage": wage, "amount": 100, "means": "cash", "at": at, "evidence": paper })
            }
            "wage.record_payment_to_third" => {
                json!({ "wage": wage, "amount": 100, "to": "foreman", "at": at })
            }
            "wage.confirm_receipt" => json!({ "wage": wage, "amount": 100 }),
            "wage.contradict_payment" => {
                json!({ "wage": wage, "payment": Uuid::from_u128(8), "received": 0 })
            }
            "wage.determine_payment" => json!({ "wage": wage, "paid": 100, "basis": "查明", "case": case }),
            "wage.demand" => json!({ "wage": wage, "means": "phone" }),
            "wage.record_owed_note" => json!({ "wage": wage, "amount": 100, "evidence": paper }),
            "wage.correct" => {
                json!({ "wage": wage, "corrects": Uuid::from_u128(8), "amount": 100, "reason": "记错" })
            }
            "insurance.apply" => {
                json!({ "hire": hire, "insurer": "某寿险", "product": "月险", "premium": 300,
                                         "payer": "subsidy" })
            }
            "insurance.confirm" => json!({ "insurance": insurance, "policy": "P1", "effective_from": at,
                                           "effective_until": "2026-11-24T00:00:00+08:00" }),
            "insurance.reject" => json!({ "insurance": insurance, "reason": "occupation" }),
            "insurance.end" => json!({ "insurance": insurance, "at": at, "reason": "cancelled" }),
            "insurance.refuse" => json!({ "hire": hire }),
            "claim.register" => {
                let item = json!({ "wage": wage, "hire": hire, "amount": 28_000, "from": "2026-11-23",
                                   "until": "2026-11-23" });
                json!({ "worker": worker, "employer": employer, "items": [item] })
            }
            "claim.add_evidence" => json!({ "claim": claim, "digest": paper, "media_type": "image/jpeg",
                                            "bytes": 10, "label": "工牌" }),
            "claim.link" => json!({ "claim": claim, "other": self.case_claim, "reason": "同一事" }),
            "claim.refer" => json!({ "claim": claim, "to": self.beside, "reason": "转办" }),
            "claim.withdraw" => json!({ "claim": claim, "reason": "已和解" }),
            "claim.close" => json!({ "claim": claim, "outcome": "paid" }),
            "claim.follow_up" => json!({ "claim": claim, "satisfied": true }),
            "case.accept" => json!({ "claims": [claim], "track": "supervision" }),
            "case.refuse" => json!({ "claim": claim, "reason": "不属受理范围" }),
            "case.supplement" => json!({ "claim": claim, "supplied": "身份材料" }),
            "case.ask_supplement" => json!({ "claim": claim, "missing": "身份材料", "due": "2026-12-01" }),
            "case.direct_elsewhere" => json!({ "claim": claim, "to": "法院", "reason": "民事" }),
            "case.file.propose" | "case.fail_mediation" | "case.reopen.propose" => {
                json!({ "case": case, "reason": "查实" })
            }
            "case.file.confirm" | "case.reopen.confirm" => json!({ "case": case }),
            "case.assign" => json!({ "case": case, "officer": id(OFFICER), "reason": "分工" }),
            "case.issue_document" => {
                json!({ "case": case, "document": "询问书", "number": "1号", "digest": paper,
                                             "served": "direct", "served_at": at })
            }
            "case.extend" => json!({ "case": case, "rule": "sup.investigate", "reason": "案情复杂" }),
            "case.meet_deadline" => json!({ "case": case, "rule": "sup.investigate" }),
            "case.mediate" => {
                json!({ "case": case, "claim": self.case_claim, "amount": 100, "pay_by": "2026-12-01",
                                      "paper": "mediation_agreement", "document": paper })
            }
            "case.close" => json!({ "case": case, "conclusion": "paid", "reason": "已付" }),
            "case.correct" => json!({ "case": case, "corrects": Uuid::from_u128(8), "was": "甲", "is": "乙",
                                      "reason": "笔误" }),
            other => panic!("`{other}` has no body in this test"),
        }
    }
}

/// A sandbox while its world begins.
struct Begun {
    sandbox: Sandbox,
    office: Option<OfficeId>,
}

impl Begun {
    fn give(&mut self, mut actor: Actor, name: &str, body: Value) -> Vec<Envelope> {
        actor.office = actor.office.or(self.office);
        let command = Command::decode(name, body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let (key, received_at) = (self.sandbox.new_key(), self.sandbox.now());
        let digest = format!("hmac-sha256:{key}");
        let request = Request { key, digest, actor, about: About::default(), received_at, command };
        let answer = self.sandbox.give(request).expect("the sandbox goes on");
        answer.result.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        answer.events
    }
}

fn staff(role: Role, n: u128, region: &str) -> Actor {
    actor(id(n), role, vec![region.parse().expect("a division")])
}

fn bound(role: Role, worker: Option<WorkerId>, employer: Option<EmployerId>) -> Actor {
    Actor { worker, employer, ..staff(role, ANYBODY, HERE) }
}
