//! What clients ask for: lawful more often than not, over all kinds, about things that they know of.

use linggong_events::commit::Digest;
use linggong_events::id::ActorId;
use linggong_events::office::Role;
use linggong_events::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::oracle::{CANARY, HireIs, Oracle, PostingIs, WORKPLACE};
use crate::random::Random;
use crate::world::{ABROAD, INSURER};

/// The county in which everything happens.
pub(crate) const COUNTY: &str = "370102";
/// The county to which work moves now and then.
pub(crate) const NEXT_COUNTY: &str = "370103";

/// Something to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) actor: ActorId,
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    /// What is asked for, as a client writes it: people in clear, evidence by what it shows.
    pub(crate) body: Value,
    pub(crate) about: Value,
    /// How it is meant, where that is not in the body.
    pub(crate) how: &'static str,
}

/// Where a wish comes from.
pub(crate) struct Desk<'a> {
    pub(crate) knows: &'a Oracle,
    pub(crate) random: &'a mut Random,
    pub(crate) now: Timestamp,
    /// The digests of packs that are stored and may be adopted.
    pub(crate) packs: &'a [(&'static str, &'static str, Digest)],
}

/// The commands by how often they are wished for.
const WISHES: &[(u64, &str)] = &[
    (2, "market.register"),
    (1, "market.reclassify"),
    (1, "market.close"),
    (6, "office.role_grant.propose"),
    (8, "office.role_grant.confirm"),
    (1, "office.revoke_role"),
    (3, "office.open_series"),
    (1, "office.void_number"),
    (3, "office.confirm_clock"),
    (1, "office.register"),
    (1, "person.link"),
    (1, "person.unlink"),
    (2, "person.set_key_state"),
    (2, "person.issue_card"),
    (1, "person.end_card"),
    (2, "person.revise"),
    (1, "person.key_opening.propose"),
    (1, "person.key_opening.confirm"),
    (12, "worker.register"),
    (2, "worker.change_profile"),
    (25, "worker.arrive"),
    (8, "worker.join_crew"),
    (1, "worker.leave_crew"),
    (2, "worker.call"),
    (3, "worker.leave"),
    (1, "worker.attest_bar"),
    (5, "employer.register"),
    (1, "employer.change"),
    (1, "employer.restrict"),
    (1, "employer.lift_restriction"),
    (25, "posting.submit"),
    (6, "posting.approve"),
    (2, "posting.reject"),
    (3, "posting.change"),
    (3, "posting.withdraw"),
    (5, "posting.match"),
    (10, "offer.make"),
    (20, "offer.grab"),
    (25, "offer.accept"),
    (6, "offer.decline"),
    (3, "offer.withdraw"),
    (4, "hire.register_on_site"),
    (4, "hire.sign_agreement"),
    (6, "hire.start"),
    (3, "hire.change"),
    (3, "hire.decide_insurance"),
    (5, "hire.cancel"),
    (3, "hire.report_no_show"),
    (3, "hire.report_sent_home"),
    (4, "hire.replace"),
    (5, "hire.end"),
    (3, "hire.correct_end"),
    (3, "hire.follow_up"),
    (2, "hire.report_injury"),
    (25, "attendance.sign_in"),
    (25, "attendance.sign_out"),
    (4, "attendance.report_absence"),
    (4, "attendance.correct"),
    (6, "wage.state_due"),
    (6, "wage.adjust"),
    (12, "wage.record_payment"),
    (3, "wage.record_payment_to_third"),
    (6, "wage.confirm_receipt"),
    (4, "wage.demand"),
    (2, "wage.record_owed_note"),
    (3, "wage.correct"),
    (3, "wage.contradict_payment"),
    (2, "wage.determine_payment"),
    (5, "insurance.apply"),
    (6, "insurance.confirm"),
    (2, "insurance.reject"),
    (2, "insurance.refuse"),
    (2, "insurance.end"),
    (14, "claim.register"),
    (3, "claim.add_evidence"),
    (1, "claim.link"),
    (2, "claim.refer"),
    (2, "claim.withdraw"),
    (2, "claim.close"),
    (2, "claim.follow_up"),
    (12, "case.accept"),
    (2, "case.refuse"),
    (3, "case.ask_supplement"),
    (3, "case.supplement"),
    (2, "case.direct_elsewhere"),
    (6, "case.file.propose"),
    (6, "case.file.confirm"),
    (3, "case.assign"),
    (4, "case.issue_document"),
    (3, "case.extend"),
    (4, "case.meet_deadline"),
    (4, "case.mediate"),
    (2, "case.fail_mediation"),
    (6, "case.close"),
    (4, "case.reopen.propose"),
    (4, "case.reopen.confirm"),
    (3, "case.correct"),
    (2, "rules.adopt"),
];

impl Desk<'_> {
    /// A wish, where one of a few tries finds what it needs.
    pub(crate) fn wish(&mut self) -> Option<Wish> {
        if let Some(name) = self.what_is_missing().filter(|_| self.random.one_in_thousand(700)) {
            let body = self.body(name)?;
            return self.by_somebody(name, body);
        }
        let deep: Vec<&'static str> = WISHES.iter().map(|(_, name)| *name).filter(|it| is_deep(it)).collect();
        for _ in 0..if self.random.coin() { 20 } else { 0 } {
            let name = self.random.pick(&deep)?;
            if let Some(body) = self.body(name) {
                return self.by_somebody(name, body);
            }
        }
        let all: u64 = WISHES.iter().map(|(weight, _)| weight).sum();
        for _ in 0..12 {
            let mut at = self.random.next() % all;
            let (_, name) = WISHES.iter().find(|(weight, _)| {
                let found = at < *weight;
                at = at.saturating_sub(*weight);
                found
            })?;
            if let Some(body) = self.body(name) {
                return self.by_somebody(name, body);
            }
        }
        None
    }

    /// Whether those are there whom stories are about.
    pub(crate) fn is_ready(&self) -> bool {
        let knows = self.knows;
        !knows.markets.is_empty()
            && !knows.supervised.is_empty()
            && knows.workers.len() >= 4
            && self.series_missing().is_none()
    }

    /// A series of numbers that the first office does not count in yet.
    fn series_missing(&self) -> Option<&'static str> {
        let office = self.knows.offices.first()?;
        let is_open = |it: &&str| self.knows.series.contains(&format!("{office} {it}"));
        ["acceptance", "refusal", "filing"].into_iter().find(|it| !is_open(it))
    }

    /// What nothing can happen without.
    fn what_is_missing(&mut self) -> Option<&'static str> {
        let knows = self.knows;
        if knows.markets.is_empty() {
            return Some("market.register");
        }
        if knows.supervised.is_empty() {
            return Some("employer.register");
        }
        if knows.workers.len() < 5 {
            return Some("worker.register");
        }
        if self.series_missing().is_some() {
            return Some("office.open_series");
        }
        let hired = knows.hires.values().filter(|it| it.is != HireIs::Void).count();
        if hired < 3 && self.random.coin() {
            return self.random.pick(&[
                "posting.submit",
                "offer.grab",
                "offer.accept",
                "hire.register_on_site",
            ]);
        }
        None
    }

    /// By whoever may, most of the time; a tenth of all wishes has something wrong.
    fn by_somebody(&mut self, name: &'static str, mut body: Value) -> Option<Wish> {
        let roles = linggong_engine::command::Command::find(name)?.roles;
        let wrong_role = self.random.one_in_thousand(30);
        let fits = |role: &Role| wrong_role || roles.contains(role);
        let staff: Vec<(ActorId, Role)> = self
            .knows
            .grants
            .keys()
            .filter(|it| fits(&it.1) && (wrong_role || it.0.0 != ABROAD))
            .copied()
            .collect();
        let (actor, role) = self.random.pick(&staff)?;
        let mut about = json!({});
        if self.random.one_in_thousand(30) {
            self.go_wrong(&mut body);
        }
        match self.random.below(30) {
            0 => about["if_version"] = json!(self.random.between(1, 4).to_string()),
            1 => about["occurred_at"] = json!(self.now.plus_ms(-self.random.between(0, 3 * HOUR_MS))),
            2 => about["occurred_at"] = json!(self.now.plus_ms(self.random.between(0, 2 * DAY_MS))),
            3..=5 => {
                let people: Vec<String> = self.knows.workers.values().map(|it| it.person.clone()).collect();
                about["on_behalf_of"] =
                    json!({ "person": self.random.pick(&people)?, "mandate": "in_person" });
            }
            _ => {}
        }
        let speaks_for = matches!(name.split_once('.'), Some(("wage" | "claim" | "insurance", _)));
        if speaks_for || name.ends_with("_crew") {
            let knows = self.knows;
            let of_wage = || Some(knows.wages.get(&text(&body, "wage")?)?.worker.clone());
            let of_claim = || Some(knows.claims.get(&text(&body, "claim")?)?.worker.clone());
            let of_hire =
                || knows.hires.get(&text(&body, "hire")?)?.terms["worker"].as_str().map(str::to_owned);
            let worker = text(&body, "worker").or_else(of_wage).or_else(of_claim).or_else(of_hire);
            if let Some(worker) = worker.and_then(|it| knows.workers.get(&it)) {
                (about["on_behalf_of"], about["channel"]) =
                    (json!({ "person": worker.person, "mandate": "in_person" }), json!("window"));
            }
        }
        Some(Wish { actor, role, name, body, about, how: "" })
    }

    /// Puts a thing of another kind, or none at all, where one was named.
    fn go_wrong(&mut self, body: &mut Value) {
        let Some(fields) = body.as_object_mut() else { return };
        let named: Vec<String> = fields
            .iter()
            .filter(|(_, it)| it.as_str().is_some_and(|it| Uuid::parse_str(it).is_ok()))
            .map(|(name, _)| name.clone())
            .collect();
        let Some(name) = self.random.pick(&named) else { return };
        let others: Vec<String> = self.knows.workers.keys().chain(self.knows.hires.keys()).cloned().collect();
        let nobody = Uuid::from_u128(u128::from(self.random.next())).to_string();
        let other = self.random.pick(&others).unwrap_or(nobody);
        fields.insert(name, json!(other));
    }

    fn body(&mut self, name: &str) -> Option<Value> {
        let (kind, _) = name.split_once('.')?;
        match kind {
            "market" | "office" | "person" | "rules" => self.of_the_office(name),
            "worker" | "employer" => self.of_people(name),
            "posting" | "offer" => self.of_work(name),
            "hire" | "insurance" => self.of_hires(name),
            "attendance" | "wage" => self.of_money(name),
            _ => self.of_disputes(name),
        }
    }

    fn of_the_office(&mut self, name: &str) -> Option<Value> {
        let office = self.random.pick(&self.knows.offices)?;
        let kinds = ["public_benefit", "commercial", "spontaneous"].map(str::to_owned);
        Some(match name {
            "market.register" if self.knows.markets.len() < 3 => json!({
                "name": "东站零工市场", "region": COUNTY, "place": self.place(), "market_kind": self.random.pick(&kinds)?,
            }),
            "market.reclassify" => json!({
                "market": self.random.pick(&self.knows.markets)?, "market_kind": self.random.pick(&kinds)?, "reason": "重新认定",
            }),
            "market.close" if self.knows.markets.len() > 1 => {
                json!({ "market": self.random.pick(&self.knows.markets)?, "reason": "搬迁" })
            }
            "office.register" if self.knows.offices.len() < 3 => {
                json!({ "name": "历下区劳动监察大队", "region": COUNTY, "department": "hrss" })
            }
            "office.role_grant.propose" => self.grant(office)?,
            "office.role_grant.confirm" => {
                let (office, grant, _) = self.random.pick(&self.knows.proposed)?;
                json!({ "office": office, "holder": grant.actor, "role": grant.role, "basis": "任命书" })
            }
            "office.revoke_role" => {
                // Those of the founding stay, so that a run does not end for want of officers.
                let later: Vec<_> = self
                    .knows
                    .grants
                    .values()
                    .filter(|(_, it)| it.worker.is_some() || it.employer.is_some())
                    .cloned()
                    .collect();
                let (office, grant) = self.random.pick(&later)?;
                json!({ "office": office, "holder": grant.actor, "role": grant.role, "reason": "离岗" })
            }
            "office.open_series" => {
                let all = ["acceptance", "refusal", "filing"];
                let missing = self.series_missing();
                let is_missing = missing.is_some();
                let series = missing.or_else(|| self.random.pick(&all))?;
                let office = if is_missing { self.knows.offices.first()?.clone() } else { office };
                json!({ "office": office, "series": series, "year": 2026, "prefix": "历下受", "next": 1 })
            }
            "office.void_number" => {
                json!({ "office": office, "series": "acceptance", "year": 2026, "reason": "打印错误" })
            }
            "office.confirm_clock" => json!({ "office": office, "reason": "已核对时钟" }),
            "person.link" | "person.unlink" => {
                json!({ "person": self.person()?, "other": self.person()?, "basis": "核对证件" })
            }
            "person.set_key_state" => {
                let person = self.person()?;
                let state = self.random.pick(&["active", "sealed", "shredded"])?;
                json!({ "person": person, "key": self.knows.person_keys.get(&person)?, "key_state": state, "basis": "注销申请" })
            }
            "person.issue_card" => {
                let card = self.card();
                let replaces = self.random.pick(&["lost", "damaged", "returned"])?;
                json!({ "person": self.person()?, "card": card, "replaces": replaces })
            }
            "person.end_card" => json!({ "person": self.person()?, "why": "lost" }),
            "person.revise" => {
                let (person, human) = (self.person()?, self.human(""));
                let mut revision = json!({ "person": person, "name": human["name"] });
                for field in ["document", "phone"] {
                    if self.random.coin() {
                        revision[field] = human[field].clone();
                    }
                }
                json!({ "revision": revision, "reason": self.random.pick(&["mistaken", "changed", "document_shown"])? })
            }
            "person.key_opening.propose" => {
                let keys = self.knows.keys.iter().filter(|(_, it)| it.1 != "active");
                let keys: Vec<_> = keys.map(|(person, it)| (person.clone(), it.0.clone())).collect();
                let (person, key) = self.random.pick(&keys)?;
                json!({ "person": person, "key": key, "basis": "仲裁委调阅函" })
            }
            "person.key_opening.confirm" => {
                let proposed: Vec<_> = self.knows.openings_proposed.iter().cloned().collect();
                let (person, key, officer) = self.random.pick(&proposed)?;
                json!({ "person": person, "key": key, "officer": officer, "basis": "同意调阅" })
            }
            "rules.adopt" => {
                let (name, pack_kind, digest) = self.random.pick(self.packs)?;
                json!({ "name": name, "pack_kind": pack_kind, "digest": digest.to_string(), "reason": "新规则" })
            }
            _ => return None,
        })
    }

    fn grant(&mut self, office: String) -> Option<Value> {
        let for_worker = self.random.coin();
        let worker = self.worker();
        let employer = self.employer();
        let of = if for_worker { worker.clone()? } else { employer.clone()? };
        let actor = Uuid::parse_str(&of).ok()?.as_u128() ^ 0xAC;
        let mut grant = json!({
            "actor": Uuid::from_u128(actor), "role": if for_worker { "worker" } else { "employer" }, "regions": [COUNTY],
        });
        if for_worker {
            grant["person"] = json!(self.knows.workers.get(&of)?.person);
            grant["worker"] = json!(of);
        } else {
            grant["employer"] = json!(of);
        }
        Some(json!({ "office": office, "grant": grant, "reason": "开通账号" }))
    }

    fn of_people(&mut self, name: &str) -> Option<Value> {
        let until = self.now.date().plus_days(self.random.between(0, 4));
        Some(match name {
            "worker.register" if self.knows.workers.len() < 12 => {
                json!({ "person": self.human(""), "profile": self.profile() })
            }
            "worker.change_profile" => json!({ "worker": self.worker()?, "profile": self.profile() }),
            "worker.arrive" => {
                let means = self.random.pick(&["card", "desk"])?;
                let worker = if means == "card" { self.scanned()? } else { json!(self.worker()?) };
                json!({ "worker": worker, "market": self.random.pick(&self.knows.markets)?, "means": means })
            }
            "worker.call" | "worker.leave" => {
                let present =
                    |(id, it): (&String, &crate::oracle::Worker)| Some((id.clone(), it.market.clone()?));
                let present: Vec<_> = self.knows.workers.iter().filter_map(present).collect();
                let (worker, market) = self.random.pick(&present)?;
                json!({ "worker": worker, "market": market })
            }
            "worker.join_crew" => {
                let leads = |it: &&(ActorId, Role)| it.1 == Role::CrewLeader;
                let leaders: Vec<ActorId> = self.knows.grants.keys().filter(leads).map(|it| it.0).collect();
                json!({ "worker": self.worker()?, "leader": self.random.pick(&leaders)? })
            }
            "worker.leave_crew" => json!({ "worker": self.worker()? }),
            "worker.attest_bar" => json!({
                "worker": self.worker()?, "occupations": ["loader"], "until": until, "basis": "体检",
            }),
            "employer.register" if self.knows.employers.len() < 5 => match self.random.below(6) {
                0 => json!({ "employer_kind": "household", "region": COUNTY, "person": self.human("") }),
                1 => {
                    json!({ "employer_kind": "unlicensed", "region": COUNTY, "name": "王记装卸", "person": self.human("") })
                }
                _ => json!({
                    "employer_kind": "enterprise", "region": COUNTY, "name": "顺达装卸有限公司",
                    "code": self.code(),
                }),
            },
            "employer.change" => json!({
                "employer": self.employer()?,
                "details": { "employer_kind": "individual_business", "region": COUNTY, "name": "王记装卸", "code": self.code() },
            }),
            "employer.restrict" => json!({
                "employer": self.employer()?, "authority": "人社局", "basis": "拖欠工资", "until": until,
            }),
            "employer.lift_restriction" => json!({ "employer": self.employer()?, "basis": "已整改" }),
            _ => return None,
        })
    }

    fn of_work(&mut self, name: &str) -> Option<Value> {
        let open: Vec<String> = self.postings(|it| it == PostingIs::Open);
        Some(match name {
            "posting.submit" if open.len() < 12 => {
                let mode = self.random.pick(&["grab", "grab", "dispatch", "dispatch", "named"])?;
                json!({ "terms": self.terms(mode)? })
            }
            "posting.approve" | "posting.reject" => {
                let reviewed = self.postings(|it| it == PostingIs::Reviewed);
                json!({ "posting": self.random.pick(&reviewed)?, "reason": "verified" })
            }
            "posting.change" => {
                let posting = self.random.pick(&open)?;
                let mut terms = self.knows.postings.get(&posting)?.terms.clone();
                let headcount = terms["headcount"].as_i64()? + self.random.between(-1, 2);
                terms["headcount"] = json!(headcount.max(1));
                if self.random.coin() {
                    terms["pay"]["rate"] = json!(terms["pay"]["rate"].as_i64()? + 1000);
                }
                json!({ "posting": posting, "terms": terms })
            }
            "posting.withdraw" => json!({ "posting": self.random.pick(&open)?, "reason": "not_needed" }),
            "posting.match" => json!({ "posting": self.random.pick(&open)? }),
            "offer.make" => {
                let mut body = json!({ "posting": self.random.pick(&open)?, "worker": self.worker()? });
                if self.random.coin() {
                    body["override_reason"] = json!("雇主点名");
                }
                body
            }
            "offer.grab" => json!({ "posting": self.random.pick(&open)?, "worker": self.worker()? }),
            "offer.accept" | "offer.decline" | "offer.withdraw" => {
                let live: Vec<String> = self
                    .knows
                    .offers
                    .iter()
                    .filter(|(_, it)| it.end.is_none())
                    .map(|(id, _)| id.clone())
                    .collect();
                let any: Vec<String> = self.knows.offers.keys().cloned().collect();
                let from = if self.random.one_in_thousand(100) { any } else { live };
                json!({ "offer": self.random.pick(&from)? })
            }
            _ => return None,
        })
    }

    fn of_hires(&mut self, name: &str) -> Option<Value> {
        if name == "hire.register_on_site" {
            let mut workers: Vec<Value> =
                self.worker().into_iter().chain(self.worker()).map(Value::from).collect();
            if self.random.one_in_thousand(150) {
                workers.extend(self.scanned());
            }
            let mut terms = self.terms("on_site")?;
            if self.random.one_in_thousand(300)
                && let Some((worker, shifts)) = self.close_to_another()
            {
                (workers, terms["shifts"]) = (vec![json!(worker)], shifts);
            }
            terms["headcount"] = json!(workers.len());
            let insurance = self.random.pick(&["by_employer", "by_worker", "refused_by_worker", "open"])?;
            return Some(json!({ "terms": terms, "workers": workers, "insurance": insurance }));
        }
        let from = self.now.plus_ms(self.random.between(-DAY_MS, DAY_MS));
        if matches!(name, "insurance.confirm" | "insurance.reject" | "insurance.end") {
            let covers: Vec<String> = self
                .knows
                .covers
                .iter()
                .filter(|(_, it)| it.is != "ended")
                .map(|(id, _)| id.clone())
                .collect();
            let insurance = self.random.pick(&covers)?;
            return Some(match name {
                "insurance.confirm" => json!({
                    "insurance": insurance, "policy": "PICC-1", "effective_from": from, "effective_until": from.plus_ms(DAY_MS),
                }),
                "insurance.reject" => json!({ "insurance": insurance, "reason": "age" }),
                _ => json!({ "insurance": insurance, "at": self.lately(), "reason": "cancelled" }),
            });
        }
        if name == "hire.correct_end" {
            let ended: Vec<String> = self.hires(|it| matches!(it, HireIs::Ended));
            let (hire, back) = (self.random.pick(&ended)?, self.random.between(0, 3));
            let date = self.now.plus_ms(-back * DAY_MS).date();
            return Some(json!({ "hire": hire, "date": date, "basis": "stopped_by_employer" }));
        }
        let live: Vec<String> = self.hires(|it| matches!(it, HireIs::Agreed | HireIs::Started));
        let hire = self.random.pick(&live)?;
        let terms = self.knows.hires.get(&hire)?.terms.clone();
        let insurance = self.random.pick(&["by_employer", "refused_by_worker", "open"])?;
        Some(match name {
            "hire.sign_agreement" => {
                json!({ "hire": hire, "template": "用工协议", "document": evidence("协议") })
            }
            "hire.start" | "hire.report_sent_home" | "hire.report_injury" => {
                json!({ "hire": hire, "at": self.lately() })
            }
            "hire.change" => {
                let mut shifts = terms["shifts"].clone();
                if self.random.coin() {
                    shifts = self.shifts();
                }
                let moves = self.random.one_in_thousand(150);
                let region = if moves { json!(NEXT_COUNTY) } else { terms["region"].clone() };
                json!({ "hire": hire, "shifts": shifts, "pay": terms["pay"], "region": region, "reason": "agreed" })
            }
            "hire.decide_insurance" => json!({ "hire": hire, "insurance": insurance }),
            "hire.cancel" => {
                json!({ "hire": hire, "reason": self.random.pick(&["weather", "employer", "worker"])? })
            }
            "hire.report_no_show" => json!({ "hire": hire }),
            "hire.replace" => json!({ "hire": hire, "by": self.worker()? }),
            "attendance.report_absence" => json!({ "hire": hire, "shift": 0 }),
            "hire.end" => json!({ "hire": hire, "date": self.now.date(), "basis": "work_done" }),
            "hire.follow_up" => {
                json!({ "hire": hire, "worked": self.random.coin(), "paid": self.random.coin() })
            }
            "insurance.apply" => json!({
                "hire": hire, "insurer": "某财险", "insurer_code": INSURER, "product": "日险", "premium": 300,
                "payer": self.random.pick(&["employer", "subsidy", "worker"])?,
            }),
            "insurance.refuse" => json!({ "hire": hire }),
            _ => return None,
        })
    }

    fn of_money(&mut self, name: &str) -> Option<Value> {
        match name {
            "attendance.sign_in" | "attendance.sign_out" | "wage.state_due" => {
                let begun = |terms: &Value| {
                    let start =
                        terms["shifts"][0]["start"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
                    start.is_some_and(|it| it.ms() < self.now.ms() + 2 * HOUR_MS)
                };
                let hires = self.knows.hires.iter();
                let hires: Vec<String> = hires
                    .filter(|(_, it)| it.is != HireIs::Void && begun(&it.terms))
                    .map(|(id, _)| id.clone())
                    .collect();
                let hire = self.random.pick(&hires)?;
                return Some(match name {
                    "attendance.sign_in" => json!({ "hire": hire }),
                    "attendance.sign_out" => {
                        let mut body = json!({ "hire": hire, "break_minutes": self.random.between(0, 60) });
                        if self.knows.hires.get(&hire)?.terms["pay"]["pay_kind"] == "piece" {
                            body["pieces"] = json!(self.random.between(1, 50));
                        }
                        body
                    }
                    _ => {
                        json!({ "hire": hire, "amount": self.random.between(5_000, 40_000), "basis": "wage_sheet" })
                    }
                });
            }
            "attendance.correct" => {
                let all: Vec<_> = self
                    .knows
                    .attendances
                    .iter()
                    .map(|(id, it)| (id.clone(), it.signed_in.clone()))
                    .collect();
                let (attendance, corrects) = self.random.pick(&all)?;
                return Some(json!({
                    "attendance": attendance, "corrects": corrects, "at": self.lately(), "reason": "记错了",
                }));
            }
            _ => {}
        }
        let wages: Vec<String> = self.knows.wages.keys().cloned().collect();
        let id = self.random.pick(&wages)?;
        let wage = self.knows.wages.get(&id)?.clone();
        let part =
            if self.random.coin() { wage.outstanding } else { self.random.between(1, wage.amount.max(2)) };
        Some(match name {
            "wage.adjust" => json!({
                "wage": id, "amount": self.random.between(1_000, 50_000), "reason": "核对工资表",
                "basis": self.random.pick(&["wage_sheet", "worker_assertion"])?,
            }),
            "wage.record_payment" => json!({
                "wage": id, "amount": part, "means": self.random.pick(&["bank", "cash"])?, "at": self.lately(),
                "evidence": evidence("回单"),
            }),
            "wage.record_payment_to_third" => {
                json!({ "wage": id, "amount": part, "to": "foreman", "at": self.lately() })
            }
            "wage.confirm_receipt" => json!({ "wage": id, "amount": part }),
            "wage.demand" => json!({ "wage": id, "means": "phone" }),
            "wage.record_owed_note" => json!({ "wage": id, "amount": part, "evidence": evidence("欠条") }),
            "wage.contradict_payment" => {
                json!({ "wage": id, "payment": wage.last_payment?, "received": self.random.between(0, wage.amount.max(2)) })
            }
            "wage.determine_payment" => {
                let of_case = |it: &crate::oracle::Claim| it.worker == wage.worker && it.is_open;
                let case = self.knows.claims.values().find(|it| of_case(it)).and_then(|it| it.case.clone());
                let mut body = json!({ "wage": id, "paid": part, "basis": "核对流水" });
                if let Some(case) = case {
                    body["case"] = json!(case);
                }
                body
            }
            "wage.correct" => json!({
                "wage": id, "corrects": wage.last_payment?, "amount": self.random.between(1, wage.amount.max(2)), "reason": "录入错误",
            }),
            _ => return None,
        })
    }

    fn of_disputes(&mut self, name: &str) -> Option<Value> {
        let office = self.random.pick(&self.knows.offices)?;
        if name == "claim.register" {
            let wages: Vec<_> = self.knows.wages.iter().filter(|(_, it)| it.outstanding > 0).collect();
            let (id, wage) = *wages.get(self.random.below(wages.len().max(1)))?;
            return Some(json!({
                "worker": wage.worker, "employer": wage.employer,
                "items": [{ "wage": id, "hire": wage.hire, "amount": wage.outstanding, "from": wage.date, "until": wage.date }],
            }));
        }
        let by_claim = name.starts_with("claim.")
            || matches!(
                name,
                "case.accept"
                    | "case.refuse"
                    | "case.ask_supplement"
                    | "case.supplement"
                    | "case.direct_elsewhere"
            );
        if by_claim {
            let claims: Vec<String> = self
                .knows
                .claims
                .iter()
                .filter(|(_, it)| name.starts_with("claim.f") || it.is_open)
                .map(|(id, _)| id.clone())
                .collect();
            let claim = self.random.pick(&claims)?;
            let due = self.now.date().plus_days(self.random.between(0, 6));
            return Some(match name {
                "claim.add_evidence" => json!({
                    "claim": claim, "digest": evidence("照片"), "media_type": "image/jpeg", "bytes": 100, "label": "考勤照片",
                }),
                "claim.link" => {
                    json!({ "claim": claim, "other": self.random.pick(&claims)?, "reason": "同一事项" })
                }
                "claim.refer" => json!({ "claim": claim, "to": office, "reason": "管辖" }),
                "claim.withdraw" => json!({ "claim": claim, "reason": "已解决" }),
                "claim.close" => {
                    json!({ "claim": claim, "outcome": self.random.pick(&["paid", "settled", "withdrawn"])? })
                }
                "claim.follow_up" => json!({ "claim": claim, "satisfied": self.random.coin() }),
                "case.accept" => json!({
                    "claims": [claim], "track": self.random.pick(&["supervision", "supervision", "mediation", "arbitration"])?,
                }),
                "case.refuse" => json!({ "claim": claim, "reason": "不属管辖" }),
                "case.ask_supplement" => json!({ "claim": claim, "missing": "身份证明", "due": due }),
                "case.supplement" => json!({ "claim": claim, "supplied": "身份证明复印件" }),
                "case.direct_elsewhere" => json!({ "claim": claim, "to": "人民法院", "reason": "民事纠纷" }),
                _ => return None,
            });
        }
        let wants_closed = name.starts_with("case.reopen") || self.random.one_in_thousand(50);
        let cases: Vec<String> = self
            .knows
            .cases
            .iter()
            .filter(|(_, it)| it.is_open != wants_closed || name == "case.correct")
            .map(|(id, _)| id.clone())
            .collect();
        let id = self.random.pick(&cases)?;
        let case = self.knows.cases.get(&id)?.clone();
        let due = self.now.date().plus_days(self.random.between(0, 8));
        Some(match name {
            "case.file.propose" if !case.is_filed => json!({ "case": id, "reason": "拟立案" }),
            "case.file.confirm" | "case.reopen.confirm" => json!({ "case": id }),
            "case.reopen.propose" | "case.fail_mediation" => json!({ "case": id, "reason": "新证据" }),
            "case.assign" => {
                let officers: Vec<ActorId> =
                    self.knows.grants.keys().filter(|it| it.1 == Role::CaseOfficer).map(|it| it.0).collect();
                json!({ "case": id, "officer": self.random.pick(&officers)?, "reason": "分办" })
            }
            "case.issue_document" => {
                let mut body = json!({
                    "case": id, "document": "限期改正指令书", "number": format!("令{}号", self.random.below(50)),
                    "digest": evidence("指令书"), "served": "direct", "served_at": self.lately(),
                });
                if self.random.coin() {
                    body["due"] = json!(due);
                }
                body
            }
            "case.extend" => json!({ "case": id, "rule": case.running_rule()?, "reason": "情况复杂" }),
            "case.meet_deadline" => json!({ "case": id, "rule": case.running_rule()? }),
            "case.mediate" => json!({
                "case": id, "claim": self.random.pick(&case.claims)?, "amount": self.random.between(1_000, 30_000),
                "pay_by": due, "paper": "mediation_agreement", "document": evidence("调解协议"),
            }),
            "case.close" => json!({
                "case": id, "conclusion": self.random.pick(&["paid", "settled", "withdrawn", "unfounded"])?, "reason": "办结",
            }),
            "case.correct" => json!({
                "case": id, "corrects": case.last_event, "was": "旧", "is": "新", "reason": "笔误",
            }),
            _ => return None,
        })
    }

    fn terms(&mut self, mode: &str) -> Option<Value> {
        let pay = match self.random.below(5) {
            0 => json!({ "pay_kind": "hour", "rate": 3_000, "due": { "when": "on_completion" } }),
            1 => {
                json!({ "pay_kind": "piece", "rate": 450, "unit": "袋", "usual_day": 22_000, "due": { "when": "on_completion" } })
            }
            2 => {
                json!({ "pay_kind": "day", "rate": 25_000, "due": { "when": "within_days", "days": self.random.between(0, 3) } })
            }
            _ => json!({ "pay_kind": "day", "rate": 24_000, "due": { "when": "on_completion" } }),
        };
        let mut terms = json!({
            "employer": self.employer()?, "occupation": self.random.pick(&["loader", "cleaner"])?, "text": "装卸小工",
            "region": COUNTY, "place": self.place(), "address": WORKPLACE, "shifts": self.shifts(),
            "headcount": self.random.between(1, 4), "pay": pay,
            "requirements": { "level": "helper", "certificates": [] }, "mode": mode,
        });
        if let Some(market) = self.random.pick(&self.knows.markets) {
            terms["market"] = json!(market);
        }
        Some(terms)
    }

    /// One shift or two, from soon to tomorrow.
    fn shifts(&mut self) -> Value {
        let day = self.now.date().plus_days(self.random.between(0, 2));
        let soon = self.now.plus_ms(self.random.between(1, 240) * MINUTE_MS);
        let morning = day.at_minute(self.random.between(24, 60) as u16 * 15);
        let start = if self.random.coin() { soon } else { morning.max(soon) };
        let start = start.plus_ms(-start.ms().rem_euclid(MINUTE_MS));
        let hours = self.random.between(2, 10) * HOUR_MS;
        let first = json!({ "start": start, "end": start.plus_ms(hours) });
        if self.random.one_in_thousand(150) {
            let next = start.plus_ms(DAY_MS);
            return json!([first, { "start": next, "end": next.plus_ms(hours) }]);
        }
        json!([first])
    }

    pub(crate) fn profile(&mut self) -> Value {
        json!({
            "skills": [
                { "occupation": "loader", "level": self.random.pick(&["helper", "skilled"]) },
                { "occupation": "cleaner", "level": "helper" },
            ],
            "certificates": [], "reach": 20_000, "expectation": self.random.pick(&[0, 15_000, 23_000]),
            "available": [], "declines_ranking": self.random.one_in_thousand(100), "place": self.place(),
        })
    }

    /// A human as a client tells of one; there are not many, so that the same come again.
    pub(crate) fn human(&mut self, how: &str) -> Value {
        let nth = self.random.below(18);
        let born = match how {
            "child" => "20120309",
            "minor" => "20090117",
            _ => ["19780506", "19850712", "19931128", "19660203"][nth % 4],
        };
        let mut human = json!({
            "name": format!("{CANARY}{}", ["张三", "李四", "王五", "赵六"][nth % 4]),
            "document": { "kind": "resident_id", "number": resident_id(born, nth) },
            "phone": format!("1390537{nth:04}"),
        });
        if how == "unproved" || how.is_empty() && self.random.one_in_thousand(40) {
            human["document"] = Value::Null;
            human["birth_date"] = json!("1990-01-02");
        }
        if self.random.one_in_thousand(200) {
            // A phone that a household shares.
            human["phone"] = json!("13905379999");
            human["address"] = json!(format!("{CANARY}路7号"));
        }
        human
    }

    /// An organisation's code that few others have.
    pub(crate) fn code(&mut self) -> String {
        const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
        const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        let mut code: Vec<u8> = b"91370102MA".to_vec();
        code.extend((0..7).map(|_| ALPHABET[self.random.below(31)]));
        let value = |byte: &u8| ALPHABET.iter().position(|it| it == byte).unwrap_or_default();
        let sum: usize = code.iter().zip(WEIGHTS).map(|(byte, weight)| value(byte) * weight).sum();
        code.push(ALPHABET[(31 - sum % 31) % 31]);
        String::from_utf8_lossy(&code).into_owned()
    }

    pub(crate) fn place(&mut self) -> Value {
        json!({ "lat_e6": 36_670_000 + self.random.between(0, 5_000), "lon_e6": 117_050_000 })
    }

    /// An instant of the last two hours, to the minute.
    fn lately(&mut self) -> Timestamp {
        self.now.plus_ms(-self.random.between(0, 2 * HOUR_MS))
    }

    pub(crate) fn worker(&mut self) -> Option<String> {
        let all: Vec<String> = self.knows.workers.keys().cloned().collect();
        self.random.pick(&all)
    }

    /// Few cards, so that some are lost, dead or somebody else's.
    fn card(&mut self) -> String {
        Uuid::from_u128(self.random.below(8) as u128).to_string()
    }

    /// A worker whose card is read, or typed in by hand.
    fn scanned(&mut self) -> Option<Value> {
        if self.random.coin() { Some(json!({ "card": self.card() })) } else { Some(json!(self.worker()?)) }
    }

    fn employer(&mut self) -> Option<String> {
        let any = self.random.one_in_thousand(200);
        let from = if any { &self.knows.employers } else { &self.knows.supervised };
        let all: Vec<String> = from.iter().cloned().collect();
        self.random.pick(&all)
    }

    fn person(&mut self) -> Option<String> {
        let worker = self.worker()?;
        Some(self.knows.workers.get(&worker)?.person.clone())
    }

    fn postings(&self, are: impl Fn(PostingIs) -> bool) -> Vec<String> {
        self.knows.postings.iter().filter(|(_, it)| are(it.is)).map(|(id, _)| id.clone()).collect()
    }

    fn hires(&self, are: impl Fn(HireIs) -> bool) -> Vec<String> {
        self.knows.hires.iter().filter(|(_, it)| are(it.is)).map(|(id, _)| id.clone()).collect()
    }
}

/// What comes late in the life of a hire, and so would be rare.
fn is_deep(name: &str) -> bool {
    let kind = name.split_once('.').map_or("", |(kind, _)| kind);
    matches!(kind, "attendance" | "wage" | "claim" | "case" | "insurance")
}

/// Stands for the digest of a paper that the client stores first.
pub(crate) fn evidence(shows: &str) -> String {
    format!("{EVIDENCE}{shows}")
}

/// What such a stand-in begins with.
pub(crate) const EVIDENCE: &str = "evidence:";

/// The number of a resident's card, with its check character (GB 11643).
fn resident_id(born: &str, nth: usize) -> String {
    let number = format!("370102{born}{nth:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = number.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = b"10X98765432"[sum as usize % 11];
    format!("{number}{}", char::from(check))
}

fn text(body: &Value, field: &str) -> Option<String> {
    let fields: &Map<String, Value> = body.as_object()?;
    fields.get(field)?.as_str().map(str::to_owned)
}
