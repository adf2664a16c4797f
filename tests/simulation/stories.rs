//! Clients who want something: each carries one matter through its life, step by step, however long that takes.
//!
//! A step is a line: a command, how it is meant, `@` whose role gives it, `#` which holder of that role, and `?` the
//! refusal that is looked for. What a step made is known to those after it.

use std::collections::BTreeMap;

use linggong_engine::command::Command;
use linggong_events::commit::Digest;
use linggong_events::id::ActorId;
use linggong_events::office::Role;
use linggong_events::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::oracle::{Oracle, WORKPLACE};
use crate::random::Random;
use crate::travel::shifts;
use crate::work::{COUNTY, Desk, NEXT_COUNTY, Wish, evidence};

/// How often a step is tried before the story goes on without it.
const TRIES: u32 = 4;

/// The lives of matters.
const PLOTS: &[&[&str]] = &[
    // 监察: filed by two, extended, paid, closed, taken up again by two.
    &[
        "hire.register_on_site",
        "hire.sign_agreement",
        "hire.start",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.demand",
        "claim.register",
        "claim.add_evidence",
        "case.file.propose ?unknown",
        "case.accept supervision",
        "case.accept supervision ?not_possible",
        "case.file.confirm #1 ?nothing_proposed",
        "case.file.propose",
        "case.file.confirm ?second_officer_needed",
        "case.file.confirm #1",
        "case.issue_document",
        "case.extend document",
        "case.extend sup.investigate",
        "case.meet_deadline document",
        "case.assign",
        "claim.close paid ?on_hold",
        "wage.record_payment more ?more_than_owed",
        "wage.record_payment all",
        "wage.confirm_receipt all",
        "case.close paid @case_lead",
        "claim.close paid",
        "claim.follow_up",
        "case.mediate @case_lead ?ended",
        "case.correct @case_lead",
        "case.reopen.confirm #1 ?nothing_proposed",
        "case.reopen.propose",
        "case.reopen.confirm ?second_officer_needed",
        "case.reopen.confirm #1",
        "case.close transferred @case_lead",
        "hire.end",
        "hire.follow_up",
    ],
    // 调解 reaches terms.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "claim.register",
        "case.accept mediation",
        "claim.register",
        "case.accept mediation ?elsewhere_already",
        "claim.withdraw",
        "claim.older",
        "case.mediate",
        "case.close settled",
        "claim.close settled",
        "claim.follow_up",
        "wage.record_payment part",
        "wage.confirm_receipt part",
    ],
    // 调解不成, then the claimant withdraws.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "claim.register",
        "case.accept mediation",
        "case.fail_mediation",
        "case.close withdrawn ?not_possible",
        "claim.withdraw",
        "case.close withdrawn",
        "claim.follow_up",
    ],
    // 仲裁.
    &[
        "hire.register_on_site",
        "hire.start",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.record_owed_note",
        "claim.register",
        "case.accept arbitration",
        "case.extend arb.award",
        "case.meet_deadline any",
        "case.mediate",
        "case.close settled",
        "case.reopen.propose",
        "case.reopen.confirm #1",
        "case.close unfounded",
    ],
    // Turned away in writing.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "claim.register",
        "case.ask_supplement",
        "case.supplement",
        "claim.add_evidence",
        "case.refuse",
        "claim.close not_accepted",
        "claim.follow_up",
    ],
    // 转办, then shown the way elsewhere by the other office.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "claim.register",
        "claim.refer",
        "case.accept supervision ?not_yours",
        "case.direct_elsewhere #2",
        "claim.close directed_elsewhere @case_officer #2",
    ],
    // Payments that are contradicted, found, corrected.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.correct",
        "attendance.sign_out",
        "wage.record_payment_to_third",
        "wage.record_payment part",
        "wage.contradict_payment",
        "claim.register",
        "claim.register",
        "claim.link",
        "case.accept supervision",
        "wage.determine_payment",
        "wage.adjust",
        "wage.record_payment part",
        "wage.correct",
        "wage.record_payment all",
        "wage.confirm_receipt all",
        "case.close paid",
        "hire.end",
    ],
    // Cover, an injury, the end of both.
    &[
        "hire.register_on_site",
        "insurance.apply",
        "insurance.confirm",
        "hire.start",
        "hire.report_injury",
        "insurance.end",
        "insurance.apply other",
        "insurance.reject",
        "insurance.refuse",
        "hire.decide_insurance",
        "hire.end",
        "hire.correct_end",
        "hire.sign_agreement ?ended",
    ],
    // Terms that change, somebody else instead, nobody at all.
    &[
        "hire.register_on_site",
        "hire.register_on_site ?overlaps",
        "hire.change",
        "hire.report_no_show ?too_early",
        "hire.replace",
        "hire.cancel",
        "hire.register_on_site",
        "hire.report_sent_home",
        "hire.register_on_site",
        "hire.report_no_show",
        "hire.register_on_site",
        "hire.start",
        "hire.cancel ?too_late",
        "wage.state_due",
        "wage.adjust",
        "hire.report_sent_home ?on_hold",
    ],
    // Two records of one human; a key sealed by one, destroyed by another.
    &[
        "worker.register",
        "person.link",
        "person.unlink",
        "person.set_key_state shredded ?not_possible",
        "person.set_key_state sealed",
        "worker.register",
        "person.set_key_state shredded ?second_officer_needed",
        "person.set_key_state shredded #1",
        "person.set_key_state active ?ended",
        "worker.register",
    ],
    // What a sealed key keeps opens for two; what is told anew of a human takes the place of what was told.
    &[
        "worker.register",
        "person.key_opening.propose ?not_possible",
        "person.set_key_state sealed",
        "person.key_opening.confirm ?nothing_proposed",
        "person.key_opening.propose @privacy_officer",
        "person.key_opening.confirm @privacy_officer ?second_officer_needed",
        "person.key_opening.confirm @privacy_officer #1",
        "person.key_opening.propose",
        "person.set_key_state active ?second_officer_needed",
        "person.set_key_state active #1",
        "person.key_opening.confirm ?not_possible",
        "person.revise phone",
        "person.revise document",
        "person.revise nothing ?bad_field",
        "worker.register",
    ],
    // What was opened once is closed again with the next sealing, also where that comes within the day.
    &[
        "worker.register",
        "person.set_key_state sealed",
        "person.key_opening.propose @privacy_officer",
        "person.key_opening.confirm @privacy_officer #1",
        "person.set_key_state active #1",
        "person.set_key_state sealed",
        "person.key_opening.confirm @privacy_officer #1 ?nothing_proposed",
        "person.key_opening.propose @privacy_officer",
        "person.key_opening.confirm @privacy_officer #1",
    ],
    // A card at the gate: nobody's, somebody's, lost, and never anybody else's.
    &[
        "worker.register",
        "worker.arrive card @gate ?card_unknown",
        "person.issue_card",
        "worker.arrive card @gate",
        "hire.register_on_site card @dispatcher",
        "worker.leave card @gate",
        "person.end_card",
        "worker.arrive card @gate ?card_dead",
        "person.issue_card ?card_dead",
        "worker.another",
        "worker.register",
        "person.issue_card ?card_taken",
    ],
    // A wage holds the key of whom it is owed to.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "person.set_key_state sealed",
        "person.set_key_state shredded #1 ?on_hold",
        "person.set_key_state active #1",
    ],
    // What the law bars.
    &[
        "worker.register child",
        "hire.register_on_site ?under_age",
        "worker.register minor",
        "hire.register_on_site ?minor_barred",
        "worker.register unproved",
        "hire.register_on_site ?document_missing",
        "worker.register",
        "hire.register_on_site blocked ?posting_blocked",
        "hire.register_on_site certificate ?not_eligible",
        "worker.attest_bar",
        "posting.submit review",
        "posting.approve",
        "posting.submit review",
        "posting.reject",
    ],
    // An employer restricted, its record changed.
    &[
        "employer.register",
        "employer.change",
        "employer.restrict",
        "hire.register_on_site ?employer_restricted",
        "employer.lift_restriction",
        "hire.register_on_site",
    ],
    // One place, two who want it, and the same one twice.
    &[
        "posting.submit two",
        "worker.arrive",
        "offer.grab",
        "offer.grab ?already_hired",
        "worker.another",
        "worker.arrive",
        "offer.grab",
        "worker.another",
        "offer.grab ?full",
        "posting.withdraw",
        "offer.grab ?ended",
        "worker.leave",
        "worker.call ?not_present",
    ],
    // Numbers, packs and keys that are not there.
    &[
        "office.void_number other ?no_series",
        "office.void_number",
        "rules.adopt missing ?pack_missing",
        "rules.adopt",
        "market.register",
        "market.register key4 ?bad_key",
        "market.register old ?key_too_old",
        "market.register version ?no_versioned_entity",
        "market.reclassify version ?version_conflict",
        "market.reclassify future ?in_the_future",
        "market.reclassify abroad ?outside_region",
        "market.close",
        "employer.register code",
        "employer.register code ?exists",
        "office.confirm_clock",
    ],
    // An officer who is a party of the case.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "office.role_grant.propose",
        "office.role_grant.confirm ?second_officer_needed",
        "office.role_grant.confirm #1",
        "wage.state_due more ?not_possible",
        "wage.adjust negative ?bad_amount",
        "claim.register",
        "case.accept party ?conflict_of_interest",
        "case.accept supervision",
        "office.revoke_role",
    ],
    // An officer whose own key is sealed.
    &[
        "worker.register",
        "office.role_grant.propose",
        "office.role_grant.confirm #1",
        "person.set_key_state sealed",
        "person.key_opening.propose party ?conflict_of_interest",
        "person.set_key_state active #1",
        "office.revoke_role",
    ],
    // 监察 in short: assigned, written to, handed on, taken up again, put right.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "claim.register",
        "case.accept supervision",
        "case.assign",
        "case.issue_document @case_officer",
        "case.meet_deadline document @case_officer",
        "case.close transferred @case_lead",
        "case.reopen.propose",
        "case.reopen.confirm @case_lead",
        "case.correct @case_lead",
    ],
    // Work that moves to the next county.
    &["hire.register_on_site", "hire.change moved @dispatcher"],
    // What the desk reads before anybody sees it.
    &["posting.submit review", "posting.approve", "posting.submit review", "posting.reject"],
    // Offers that come to nothing.
    &[
        "posting.submit",
        "offer.make",
        "offer.withdraw",
        "offer.withdraw ?ended",
        "worker.another",
        "offer.make",
        "offer.decline",
        "worker.another",
        "offer.make",
        "offer.withdraw",
    ],
    // What nobody can read any more since its key was destroyed is named all the same.
    &[
        "worker.register",
        "person.hand_in",
        "person.set_key_state sealed",
        "person.set_key_state shredded #1",
        "worker.another",
        "hire.register_on_site",
        "hire.sign_agreement again ?evidence_unknown",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.record_payment again ?evidence_unknown",
    ],
    // Work close to other work, before it and after it, which the way between may leave no time for.
    &[
        "hire.register_on_site ahead",
        "hire.register_on_site close",
        "hire.register_on_site close",
        "hire.register_on_site close",
        "hire.change",
    ],
    // A payment that was claimed against before the worker said that it never came, and then that it did.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.record_payment part",
        "claim.register",
        "wage.contradict_payment",
        "wage.confirm_receipt part",
        "wage.confirm_receipt all",
    ],
    // Cover that is called off again before the work begins.
    &[
        "hire.register_on_site ahead",
        "insurance.apply",
        "insurance.confirm",
        "insurance.end",
        "insurance.end ?not_possible",
    ],
    // A payment that was written down wrongly, and a claim that belongs elsewhere.
    &[
        "hire.register_on_site",
        "attendance.sign_in",
        "attendance.sign_out",
        "wage.record_payment part",
        "wage.correct",
        "claim.register",
        "case.direct_elsewhere",
        "claim.close directed_elsewhere",
    ],
];

/// Who gives a step, where it does not say: the first of these whom the registry lets.
const USUALLY: &[Role] = &[
    Role::Clerk,
    Role::Mediator,
    Role::CaseOfficer,
    Role::CaseLead,
    Role::PrivacyOfficer,
    Role::Keeper,
    Role::Reviewer,
];

/// One matter and how far it has come.
pub(crate) struct Story {
    plot: &'static [&'static str],
    at: usize,
    tries: u32,
    pub(crate) waits: bool,
    /// Whether the one whom it is about has a paper to hand in.
    hands_in: bool,
    /// By kind, the thing that the next steps are about.
    ids: BTreeMap<String, String>,
    /// The thing of that kind before it.
    earlier: BTreeMap<String, String>,
}

/// A step as its line says it.
struct Step {
    name: &'static str,
    how: &'static str,
    by: Option<Role>,
    nth: usize,
    looked_for: Option<&'static str>,
}

impl Step {
    fn read(line: &'static str) -> Step {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or(line);
        let mut step = Step { name, how: "", by: None, nth: 0, looked_for: None };
        for word in words {
            match word.split_at(1) {
                ("@", role) => step.by = serde_json::from_value(json!(role)).ok(),
                ("#", nth) => step.nth = nth.parse().unwrap_or_default(),
                ("?", code) => step.looked_for = Some(code),
                _ => step.how = word,
            }
        }
        step
    }
}

impl Story {
    pub(crate) fn begin(desk: &mut Desk<'_>) -> Option<Story> {
        // The longest life is lived more often, so that its end is.
        let longest = desk.random.one_in_thousand(200);
        let plot = if longest { *PLOTS.first()? } else { desk.random.pick(PLOTS)? };
        let number = Uuid::from_u128(u128::from(desk.random.next())).to_string();
        let (ids, earlier) = (BTreeMap::from([("number".to_owned(), number)]), BTreeMap::new());
        Some(Story { plot, at: 0, tries: 0, waits: false, hands_in: false, ids, earlier })
    }

    /// Who hands in a paper now that no command names: mostly nobody, where the plot does not say so.
    pub(crate) fn hands_in(&mut self, random: &mut Random) -> Option<String> {
        let says_so = std::mem::take(&mut self.hands_in);
        let hands_in = says_so || !self.is_over() && random.one_in_thousand(20);
        self.id("person").filter(|_| hands_in).cloned()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.plot.len()
    }

    /// What is asked for next; nothing where it cannot be asked for, and the story has gone on without it.
    pub(crate) fn next(&mut self, desk: &mut Desk<'_>) -> Option<Wish> {
        let step = Step::read(self.plot.get(self.at)?);
        match step.name {
            "claim.older" => {
                self.back_to_earlier("claim");
                self.go_on();
                return None;
            }
            "person.hand_in" => {
                self.hands_in = true;
                self.go_on();
                return None;
            }
            "worker.another" => {
                self.ids.remove("worker");
                self.go_on();
                return None;
            }
            _ => {}
        }
        let wish = self.wish(&step, desk);
        if wish.is_none() {
            self.fail();
        }
        wish
    }

    /// The answer to what was asked for last.
    pub(crate) fn hear(&mut self, answer: Result<&[Value], &str>) {
        self.waits = false;
        let Some(line) = self.plot.get(self.at) else { return };
        let step = Step::read(line);
        match answer {
            Ok(made) => {
                for line in made {
                    self.learn(line);
                }
                self.go_on();
            }
            Err(code) if step.looked_for == Some(code) => self.go_on(),
            Err(_) => {
                // Another may be free, or nobody's debtor.
                if step.name == "hire.register_on_site" && self.at == 0 {
                    self.ids.clear();
                }
                self.fail();
            }
        }
    }

    fn go_on(&mut self) {
        self.at += 1;
        self.tries = 0;
    }

    fn fail(&mut self) {
        self.tries += 1;
        if self.tries >= TRIES {
            self.go_on();
        }
    }

    fn back_to_earlier(&mut self, kind: &str) {
        if let Some(id) = self.earlier.get(kind) {
            self.ids.insert(kind.to_owned(), id.clone());
        }
    }

    fn learn(&mut self, line: &Value) {
        let full = line["type"].as_str().unwrap_or_default();
        let name = full.strip_prefix("cn.linggong.").unwrap_or(full);
        let kind = name.split_once('.').map_or(name, |(kind, _)| kind);
        if let Some(id) = line["data"][kind].as_str()
            && let Some(before) = self.ids.insert(kind.to_owned(), id.to_owned())
            && before != id
        {
            self.earlier.insert(kind.to_owned(), before);
        }
        if name.starts_with("worker.registered")
            && let Some(person) = line["data"]["person"].as_str()
        {
            self.ids.insert("person".into(), person.to_owned());
        }
    }

    fn id(&self, kind: &str) -> Option<&String> {
        self.ids.get(kind)
    }

    fn wish(&mut self, step: &Step, desk: &mut Desk<'_>) -> Option<Wish> {
        let roles = Command::find(step.name)?.roles;
        let usual = USUALLY.iter().find(|it| roles.contains(it)).copied();
        let role = step.by.or(usual)?;
        let holders: Vec<ActorId> =
            desk.knows.grants.keys().filter(|it| it.1 == role).map(|it| it.0).collect();
        let mut actor = *holders.get(step.nth).or(holders.first())?;
        let mut about = json!({});
        let body = self.body(step, desk)?;
        let substitute = (step.name == "hire.replace").then(|| body["by"].as_str()).flatten();
        let worker =
            substitute.or(self.id("worker").map(|it| &**it)).and_then(|it| desk.knows.workers.get(it));
        let speaks_for = matches!(step.name.split_once('.'), Some(("wage" | "claim" | "insurance", _)));
        let speaks_for = speaks_for || substitute.is_some();
        if let Some(worker) = worker.filter(|_| speaks_for) {
            (about["on_behalf_of"], about["channel"]) =
                (json!({ "person": worker.person, "mandate": "in_person" }), json!("window"));
        }
        match (step.name, step.how) {
            (_, "version") => about["if_version"] = json!("77"),
            (_, "future") => about["occurred_at"] = json!(desk.now.plus_ms(9 * DAY_MS)),
            (_, "abroad") => actor = *holders.iter().find(|it| it.0 == crate::world::ABROAD)?,
            (_, "party") => actor = ActorId(party(self.id("worker")?)?),
            _ => {}
        }
        Some(Wish { actor, role, name: step.name, body, about, how: step.how })
    }

    fn worker(&mut self, desk: &mut Desk<'_>) -> Option<String> {
        if let Some(worker) = self.id("worker") {
            return Some(worker.clone());
        }
        let adults = desk.knows.workers.iter().filter(|(_, it)| it.is_adult);
        let adults: Vec<String> = adults.map(|(id, _)| id.clone()).collect();
        let worker = desk.random.pick(&adults)?;
        let person = desk.knows.workers.get(&worker)?.person.clone();
        self.ids.insert("worker".into(), worker.clone());
        self.ids.insert("person".into(), person);
        Some(worker)
    }

    /// The card of this story, as it is read at a gate.
    fn scanned(&self) -> Option<Value> {
        Some(json!({ "card": self.id("number")? }))
    }

    fn employer(&mut self, desk: &mut Desk<'_>) -> Option<String> {
        if let Some(employer) = self.id("employer") {
            return Some(employer.clone());
        }
        let supervised: Vec<String> = desk.knows.supervised.iter().cloned().collect();
        let employer = desk.random.pick(&supervised)?;
        self.ids.insert("employer".into(), employer.clone());
        Some(employer)
    }

    fn body(&mut self, step: &Step, desk: &mut Desk<'_>) -> Option<Value> {
        let (name, how) = (step.name, step.how);
        match name.split_once('.')?.0 {
            "hire" | "attendance" | "posting" | "offer" | "insurance" => self.of_work(name, how, desk),
            "wage" | "claim" | "case" => self.of_disputes(name, how, desk),
            _ => self.of_the_office(name, how, desk),
        }
    }

    fn terms(&mut self, mode: &str, how: &str, desk: &mut Desk<'_>) -> Option<Value> {
        let start = desk.now.plus_ms(-desk.now.ms().rem_euclid(MINUTE_MS) + MINUTE_MS);
        let places = if how == "two" { 2 } else { 1 };
        let text = match how {
            "blocked" => "装卸工, 限男性, 35岁以下",
            "review" => "卸货, 第四级体力劳动",
            _ => "装卸小工",
        };
        let certificates = if how == "certificate" { json!(["health"]) } else { json!([]) };
        let hours = desk.random.between(2, 5) * HOUR_MS;
        // Most begin at once; what is to be cancelled or changed begins later, what is to be offered much later.
        let is_ahead = |names: &[&str]| {
            names.iter().any(|it| self.plot.iter().skip(self.at).take(6).any(|line| line.starts_with(it)))
        };
        let in_hours = if is_ahead(&["offer.make", "posting.approve", "posting.reject"]) {
            30
        } else if is_ahead(&["hire.change", "hire.cancel", "offer.grab"]) {
            6
        } else {
            0
        };
        let in_hours = if how == "ahead" { 6 } else { in_hours };
        let start = start.plus_ms(in_hours * HOUR_MS);
        let mut shift = json!({ "start": start, "end": start.plus_ms(hours) });
        if how == "close" {
            let other = &desk.knows.hires.get(self.id("hire")?)?.terms;
            shift = desk.shift_close_to(&shifts(other))?;
        }
        Some(json!({
            "employer": self.employer(desk)?, "occupation": "loader", "text": text, "region": COUNTY,
            "place": desk.place(), "address": WORKPLACE,
            "shifts": [shift], "headcount": places,
            "pay": { "pay_kind": "day", "rate": 24_000, "due": { "when": "on_completion" } },
            "requirements": { "level": "helper", "certificates": certificates }, "mode": mode,
        }))
    }

    fn of_work(&mut self, name: &str, how: &str, desk: &mut Desk<'_>) -> Option<Value> {
        let now = desk.now;
        match name {
            "hire.register_on_site" => {
                let worker = if how == "card" { self.scanned()? } else { json!(self.worker(desk)?) };
                let terms = self.terms("on_site", how, desk)?;
                return Some(json!({ "terms": terms, "workers": [worker], "insurance": "open" }));
            }
            "posting.submit" => {
                let terms = self.terms(if how == "two" { "grab" } else { "dispatch" }, how, desk)?;
                return Some(json!({ "terms": terms }));
            }
            "posting.approve" | "posting.reject" | "posting.withdraw" => {
                let reason = match name {
                    "posting.approve" => "verified",
                    "posting.withdraw" => "not_needed",
                    _ => "已核",
                };
                return Some(json!({ "posting": self.id("posting")?, "reason": reason }));
            }
            "offer.grab" => {
                let worker = self.worker(desk)?;
                return Some(json!({ "posting": self.id("posting")?, "worker": worker }));
            }
            "offer.make" => {
                let worker = self.worker(desk)?;
                return Some(
                    json!({ "posting": self.id("posting")?, "worker": worker, "override_reason": "雇主点名" }),
                );
            }
            "offer.decline" | "offer.withdraw" => return Some(json!({ "offer": self.id("offer")? })),
            "insurance.confirm" => {
                let insurance = self.id("insurance")?;
                return Some(json!({
                    "insurance": insurance, "policy": "PICC-7", "effective_from": now.plus_ms(-HOUR_MS),
                    "effective_until": now.plus_ms(3 * DAY_MS),
                }));
            }
            "insurance.reject" => {
                return Some(json!({ "insurance": self.id("insurance")?, "reason": "age" }));
            }
            "insurance.end" => {
                return Some(json!({ "insurance": self.id("insurance")?, "at": now, "reason": "cancelled" }));
            }
            _ => {}
        }
        let hire = self.id("hire")?.clone();
        let terms = &desk.knows.hires.get(&hire)?.terms;
        Some(match name {
            "hire.sign_agreement" => {
                json!({ "hire": hire, "template": "用工协议", "document": evidence("协议") })
            }
            "hire.start" | "hire.report_sent_home" | "hire.report_injury" => {
                json!({ "hire": hire, "at": now })
            }
            "hire.change" => json!({
                "hire": hire, "shifts": terms["shifts"], "reason": "agreed",
                "region": if how == "moved" { json!(NEXT_COUNTY) } else { terms["region"].clone() },
                "pay": { "pay_kind": "day", "rate": 26_000, "due": { "when": "on_completion" } },
            }),
            "hire.decide_insurance" => json!({ "hire": hire, "insurance": "by_worker" }),
            "hire.cancel" => json!({ "hire": hire, "reason": "employer" }),
            "hire.report_no_show" => json!({ "hire": hire }),
            "hire.replace" => json!({ "hire": hire, "by": desk.worker()? }),
            "hire.end" => json!({ "hire": hire, "date": now.date(), "basis": "work_done" }),
            "hire.correct_end" => json!({ "hire": hire, "date": now.date(), "basis": "left_by_worker" }),
            "hire.follow_up" => json!({ "hire": hire, "worked": true, "paid": true }),
            "attendance.sign_in" => json!({ "hire": hire }),
            "attendance.sign_out" => json!({ "hire": hire, "break_minutes": 0 }),
            "attendance.correct" => {
                let attendance = self.id("attendance")?;
                let corrects = &desk.knows.attendances.get(attendance)?.signed_in;
                json!({ "attendance": attendance, "corrects": corrects, "at": now.plus_ms(-MINUTE_MS), "reason": "记错了" })
            }
            "insurance.apply" => {
                let product = if how == "other" { "周险" } else { "日险" };
                json!({ "hire": hire, "insurer": "某财险", "product": product, "premium": 300, "payer": "employer" })
            }
            "insurance.refuse" => json!({ "hire": hire }),
            _ => return None,
        })
    }

    fn of_disputes(&mut self, name: &str, how: &str, desk: &mut Desk<'_>) -> Option<Value> {
        let due = desk.now.date().plus_days(desk.random.between(2, 9));
        if name.starts_with("wage.") {
            return self.of_wages(name, how, desk);
        }
        if name == "claim.register" {
            let id = self.id("wage")?;
            let wage = desk.knows.wages.get(id)?;
            let amount = wage.outstanding.max(1);
            return Some(json!({
                "worker": wage.worker, "employer": wage.employer,
                "items": [{ "wage": id, "hire": wage.hire, "amount": amount, "from": wage.date, "until": wage.date }],
            }));
        }
        let claim = self.id("claim")?.clone();
        let by_claim = match name {
            "claim.add_evidence" => json!({
                "claim": claim, "digest": evidence("照片"), "media_type": "image/jpeg", "bytes": 100, "label": "考勤照片",
            }),
            "claim.link" => {
                json!({ "claim": claim, "other": self.earlier.get("claim")?, "reason": "同一事项" })
            }
            "claim.refer" => json!({ "claim": claim, "to": desk.knows.offices.get(1)?, "reason": "管辖" }),
            "claim.withdraw" => json!({ "claim": claim, "reason": "已解决" }),
            "claim.close" => json!({ "claim": claim, "outcome": how }),
            "claim.follow_up" => json!({ "claim": claim, "satisfied": true }),
            "case.accept" => {
                json!({ "claims": [claim], "track": if how == "party" { "supervision" } else { how } })
            }
            "case.refuse" => json!({ "claim": claim, "reason": "不属管辖" }),
            "case.ask_supplement" => json!({ "claim": claim, "missing": "身份证明", "due": due }),
            "case.supplement" => json!({ "claim": claim, "supplied": "身份证明复印件" }),
            "case.direct_elsewhere" => json!({ "claim": claim, "to": "人民法院", "reason": "民事纠纷" }),
            _ => Value::Null,
        };
        if !by_claim.is_null() {
            return Some(by_claim);
        }
        if name == "case.file.propose" && self.id("case").is_none() {
            // Of a case that is not there.
            return Some(
                json!({ "case": Uuid::from_u128(u128::from(desk.random.next())), "reason": "拟立案" }),
            );
        }
        let id = self.id("case")?.clone();
        let case = desk.knows.cases.get(&id)?;
        Some(match name {
            "case.file.propose" | "case.reopen.propose" | "case.fail_mediation" => {
                json!({ "case": id, "reason": "新情况" })
            }
            "case.file.confirm" | "case.reopen.confirm" => json!({ "case": id }),
            "case.assign" => {
                let mut officers = desk.knows.grants.keys().filter(|it| it.1 == Role::CaseOfficer);
                json!({ "case": id, "officer": officers.next()?.0, "reason": "分办" })
            }
            "case.issue_document" => json!({
                "case": id, "document": "限期改正指令书", "number": "令1号", "digest": evidence("指令书"),
                "served": "direct", "served_at": desk.now, "due": due,
            }),
            "case.extend" if how == "document" => json!({
                "case": id, "rule": "document:令1号", "reason": "情况复杂", "last_day": due.plus_days(20),
            }),
            "case.extend" => json!({ "case": id, "rule": how, "reason": "情况复杂" }),
            "case.meet_deadline" if how == "document" => json!({ "case": id, "rule": "document:令1号" }),
            "case.meet_deadline" => json!({ "case": id, "rule": case.running_rule()? }),
            "case.mediate" => json!({
                "case": id, "claim": claim, "amount": 9_000, "pay_by": due, "paper": "mediation_agreement",
                "document": evidence("调解协议"),
            }),
            "case.close" => json!({ "case": id, "conclusion": how, "reason": "办结" }),
            "case.correct" => {
                json!({ "case": id, "corrects": case.last_event, "was": "旧", "is": "新", "reason": "笔误" })
            }
            _ => return None,
        })
    }

    fn of_wages(&mut self, name: &str, how: &str, desk: &mut Desk<'_>) -> Option<Value> {
        if name == "wage.state_due" {
            return Some(json!({ "hire": self.id("hire")?, "amount": 24_000, "basis": "wage_sheet" }));
        }
        let id = self.id("wage")?.clone();
        let wage = desk.knows.wages.get(&id)?;
        let amount = match how {
            "all" if name == "wage.confirm_receipt" => wage.amount,
            "all" => wage.outstanding,
            "part" => (wage.outstanding / 3).max(1),
            "more" => wage.outstanding + 1,
            "negative" => -5,
            _ => 20_000,
        };
        Some(match name {
            "wage.adjust" => {
                json!({ "wage": id, "amount": amount, "reason": "核对工资表", "basis": "wage_sheet" })
            }
            "wage.record_payment" => json!({
                "wage": id, "amount": amount, "means": "bank", "at": desk.now, "evidence": evidence("回单"),
            }),
            "wage.record_payment_to_third" => {
                json!({ "wage": id, "amount": 5_000, "to": "foreman", "at": desk.now })
            }
            "wage.confirm_receipt" => json!({ "wage": id, "amount": amount.max(1) }),
            "wage.demand" => json!({ "wage": id, "means": "phone" }),
            "wage.record_owed_note" => json!({ "wage": id, "amount": amount, "evidence": evidence("欠条") }),
            "wage.contradict_payment" => {
                json!({ "wage": id, "payment": wage.last_payment.clone()?, "received": 0 })
            }
            "wage.determine_payment" => {
                json!({ "wage": id, "paid": 1_000, "basis": "核对流水", "case": self.id("case")? })
            }
            "wage.correct" => {
                json!({ "wage": id, "corrects": wage.last_payment.clone()?, "amount": 2_000, "reason": "录入错误" })
            }
            _ => return None,
        })
    }

    fn of_the_office(&mut self, name: &str, how: &str, desk: &mut Desk<'_>) -> Option<Value> {
        let office = desk.knows.offices.first()?.clone();
        let until = desk.now.date().plus_days(3);
        Some(match name {
            "worker.register" => json!({ "person": desk.human(how), "profile": desk.profile() }),
            "worker.arrive" => {
                let market = desk.random.pick(&desk.knows.markets)?;
                let worker = self.worker(desk)?;
                if how == "card" {
                    return Some(json!({ "worker": self.scanned()?, "market": market, "means": "card" }));
                }
                json!({ "worker": worker, "market": market, "means": "desk" })
            }
            "worker.leave" | "worker.call" => {
                let worker = self.worker(desk)?;
                let market = desk.knows.workers.get(&worker)?.market.clone();
                let worker = if how == "card" { self.scanned()? } else { json!(worker) };
                json!({ "worker": worker, "market": market.or(desk.knows.markets.first().cloned())? })
            }
            "worker.attest_bar" => json!({
                "worker": self.worker(desk)?, "occupations": ["loader"], "until": until, "basis": "体检",
            }),
            "person.link" | "person.unlink" => {
                self.worker(desk)?;
                let own = self.id("person")?.clone();
                let others = desk.knows.workers.values().map(|it| &it.person);
                let other = others.filter(|it| **it != own).min()?;
                json!({ "person": own, "other": other, "basis": "核对证件" })
            }
            "person.set_key_state" => {
                self.worker(desk)?;
                let person = self.id("person")?;
                let key = desk.knows.person_keys.get(person)?;
                json!({ "person": person, "key": key, "key_state": how, "basis": "注销申请" })
            }
            "person.key_opening.propose" | "person.key_opening.confirm" => {
                self.worker(desk)?;
                let person = self.id("person")?;
                let mut body = json!({
                    "person": person, "key": desk.knows.person_keys.get(person)?, "basis": "仲裁委调阅函",
                });
                if name.ends_with("confirm") {
                    let asked = desk.knows.openings_proposed.iter().find(|it| it.0 == *person);
                    let nobody = Uuid::from_u128(u128::from(desk.random.next())).to_string();
                    body["officer"] = json!(asked.map_or(nobody, |it| it.2.clone()));
                }
                body
            }
            "person.revise" => {
                self.worker(desk)?;
                let human = desk.human("");
                let mut revision = json!({ "person": self.id("person")? });
                if how != "nothing" {
                    (revision["name"], revision[how]) = (human["name"].clone(), human[how].clone());
                }
                json!({ "revision": revision, "reason": "changed" })
            }
            "person.issue_card" => {
                self.worker(desk)?;
                json!({ "person": self.id("person")?, "card": self.id("number")?, "replaces": "damaged" })
            }
            "person.end_card" => {
                self.worker(desk)?;
                json!({ "person": self.id("person")?, "why": "lost" })
            }
            "employer.register" => {
                let code = if how == "code" { "91370102MA3LDCHX0R".to_owned() } else { desk.code() };
                json!({ "employer_kind": "enterprise", "region": COUNTY, "name": "顺达装卸有限公司", "code": code })
            }
            "employer.change" => {
                let employer = self.employer(desk)?;
                let code = desk.knows.codes.get(&employer)?;
                json!({
                    "details": { "employer_kind": "enterprise", "region": COUNTY, "name": "顺达物流有限公司", "code": code },
                    "employer": employer,
                })
            }
            "employer.restrict" => json!({
                "employer": self.employer(desk)?, "authority": "人社局", "basis": "拖欠工资", "until": until,
            }),
            "employer.lift_restriction" => json!({ "employer": self.employer(desk)?, "basis": "已整改" }),
            "office.void_number" => {
                let year = if how == "other" { 2031 } else { 2026 };
                json!({ "office": office, "series": "acceptance", "year": year, "reason": "打印错误" })
            }
            "office.confirm_clock" => json!({ "office": office, "reason": "已核对时钟" }),
            "office.role_grant.propose" => {
                let worker = self.worker(desk)?;
                let person = self.id("person")?;
                json!({ "office": office, "reason": "任用", "grant": {
                    "actor": party(&worker)?, "role": "case_officer", "regions": [COUNTY], "person": person,
                } })
            }
            "office.role_grant.confirm" => {
                json!({ "office": office, "holder": party(self.id("worker")?)?, "role": "case_officer", "basis": "任命书" })
            }
            "office.revoke_role" => {
                json!({ "office": office, "holder": party(self.id("worker")?)?, "role": "case_officer", "reason": "离岗" })
            }
            "market.register" => json!({
                "name": "西站零工市场", "region": COUNTY, "place": desk.place(), "market_kind": "commercial",
            }),
            "market.reclassify" => {
                let market = self.id("market").or(desk.knows.markets.first())?;
                json!({ "market": market, "market_kind": "public_benefit", "reason": "重新认定" })
            }
            "market.close" => json!({ "market": self.id("market")?, "reason": "搬迁" }),
            "rules.adopt" => {
                let (name, pack_kind, digest) = desk.random.pick(desk.packs)?;
                let digest = if how == "missing" { Digest::of(b"nothing") } else { digest };
                json!({ "name": name, "pack_kind": pack_kind, "digest": digest.to_string(), "reason": "新规则" })
            }
            _ => return None,
        })
    }
}

/// The officer who is the worker in another part of life.
fn party(worker: &str) -> Option<Uuid> {
    let worker = Uuid::parse_str(worker).ok()?.as_u128();
    // After the officers of the founding, so that those keep their places.
    Some(Uuid::from_u128(worker | 0xF << 124))
}

/// What the events of a command in the log say, in order.
pub(crate) fn made_by(oracle: &Oracle, command: &str) -> Vec<Value> {
    let Some(known) = oracle.commands.get(command) else { return Vec::new() };
    let lines = oracle.lines.get(known.first as usize - 1..known.last as usize).unwrap_or_default();
    lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect()
}
