//! What the log says, read line by line by somebody who shares no code with the engine: the invariants of the
//! whole, each a function named after its number, and the things that clients know of.

use std::collections::{BTreeMap, BTreeSet};

use linggong_engine::command::Command;
use linggong_engine::partition::Receipt;
use linggong_engine::person::ToldAnew;
use linggong_events::commit::{Commit, Digest, Head, MAX_COMMIT_BYTES, MAX_COMMIT_EVENTS};
use linggong_events::id::{ActorId, OfficeId};
use linggong_events::merkle::{Tree, leaf_hash, prove_inclusion, verify_inclusion};
use linggong_events::office::{Grant, Role};
use linggong_events::time::{DAY_MS, Date, Timestamp};
use serde_json::Value;

use crate::claimed::Claimed;
use crate::covered::Covered;
use crate::days::i11_a_day_has_ended_before_it_is_missed;
use crate::random::Random;
use crate::travel::{Travel, Ways, collide};

/// Every name in clear in a simulated vault holds these characters; nothing else in a run does.
pub(crate) const CANARY: &str = "金丝雀";
/// Where every posting of a run is, as whoever posts it says.
pub(crate) const WORKPLACE: &str = "历下区仓库";

/// A broken invariant: its number and what was seen.
pub(crate) type Broken = String;
pub(crate) type Holds = Result<(), Broken>;

/// One event as its line says it.
pub(crate) struct Fact<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: &'a Value,
    pub(crate) data: &'a Value,
    pub(crate) time: Timestamp,
}

impl Fact<'_> {
    pub(crate) fn id(&self, field: &str) -> Result<String, Broken> {
        text(self.data, field).ok_or_else(|| format!("form: {} has no `{field}`: {}", self.name, self.data))
    }

    pub(crate) fn sum(&self, field: &str) -> Result<i64, Broken> {
        let sum = self.data[field].as_i64();
        sum.ok_or_else(|| format!("form: {} has no `{field}`: {}", self.name, self.data))
    }

    pub(crate) fn instant(&self, field: &str) -> Result<Timestamp, Broken> {
        self.id(field)?.parse().map_err(|_| format!("form: `{field}` of {} is no instant", self.name))
    }

    /// When it is said to have happened, which may be before it was recorded.
    pub(crate) fn happened(&self) -> Result<Timestamp, Broken> {
        let said = text(self.line, "occurredat").and_then(|it| it.parse().ok());
        said.ok_or_else(|| format!("form: {} has no `occurredat`: {}", self.name, self.line))
    }

    fn actor(&self) -> &str {
        self.line["actor"].as_str().unwrap_or_default()
    }
}

pub(crate) fn text(value: &Value, field: &str) -> Option<String> {
    value[field].as_str().map(str::to_owned)
}

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) person: String,
    pub(crate) market: Option<String>,
    pub(crate) is_adult: bool,
    declines_ranking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostingIs {
    Reviewed,
    Open,
    Filled,
    Over,
}

#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) terms: Value,
    pub(crate) is: PostingIs,
}

#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) end: Option<String>,
    expires: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HireIs {
    Agreed,
    Started,
    Ended,
    Void,
}

#[derive(Clone, Debug)]
pub(crate) struct Hire {
    pub(crate) terms: Value,
    pub(crate) is: HireIs,
}

#[derive(Clone, Debug)]
pub(crate) struct Attendance {
    pub(crate) signed_in: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Wage {
    pub(crate) hire: String,
    pub(crate) worker: String,
    pub(crate) employer: String,
    pub(crate) date: String,
    pub(crate) amount: i64,
    pub(crate) outstanding: i64,
    pub(crate) last_payment: Option<String>,
    /// What the worker said last to have received of each payment.
    contradicted: BTreeMap<String, i64>,
    due_on: String,
    is_overdue: bool,
    was_overdue: bool,
    /// When something was owed again after all had been paid late: overdue anew, not before.
    owed_again: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(crate) struct Cover {
    pub(crate) is: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) worker: String,
    pub(crate) is_open: bool,
    pub(crate) case: Option<String>,
}

/// Where a deadline of a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Running,
    Met,
    Lapsed,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) claims: Vec<String>,
    pub(crate) is_open: bool,
    pub(crate) is_filed: bool,
    pub(crate) filing_by: Option<String>,
    pub(crate) reopening_by: Option<String>,
    pub(crate) last_event: String,
    deadlines: BTreeMap<(String, String), Runs>,
    /// Those of them that may lapse: somebody has read the row.
    vouched: BTreeSet<(String, String)>,
    /// Closed as settled: agreed terms are awaited further.
    is_settled: bool,
}

/// Whether a deadline is the day of agreed terms, which a case closed on them outlives.
fn is_of_terms(rule: &str) -> bool {
    rule.starts_with("settlement:")
}

impl Case {
    pub(crate) fn running_rule(&self) -> Option<String> {
        let running =
            self.deadlines.iter().find(|((rule, _), it)| **it == Runs::Running && !is_of_terms(rule));
        running.map(|((rule, _), _)| rule.clone())
    }
}

/// A command as its events in the log show it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) digest: String,
}

/// Everything the log says so far.
#[derive(Default)]
pub(crate) struct Oracle {
    /// Every line that holds this is printed as it is read.
    trace: Option<String>,
    head: Option<Head>,
    pub(crate) commands: BTreeMap<String, Recorded>,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) seen_types: BTreeSet<String>,
    versions: BTreeMap<String, u64>,
    ids: BTreeSet<String>,
    time: Option<Timestamp>,
    tree: Tree,
    checkpoints: Vec<(usize, Digest)>,
    pub(crate) offices: Vec<String>,
    pub(crate) markets: Vec<String>,
    pub(crate) grants: BTreeMap<(ActorId, Role), (OfficeId, Grant)>,
    pub(crate) proposed: Vec<(String, Grant, String)>,
    granted: BTreeSet<(String, String)>,
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) employers: BTreeSet<String>,
    /// The codes of those that have one.
    pub(crate) codes: BTreeMap<String, String>,
    /// Those of them that anybody may work for and 劳动监察 looks at.
    pub(crate) supervised: BTreeSet<String>,
    /// Those of them whose place of work is their home.
    households: BTreeSet<String>,
    /// The people who may work.
    adults: BTreeSet<String>,
    /// The key under which the vault sealed what it was told of a person.
    pub(crate) person_keys: BTreeMap<String, String>,
    pub(crate) postings: BTreeMap<String, Posting>,
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) hires: BTreeMap<String, Hire>,
    /// Hires that take the place of another.
    replacements: BTreeSet<String>,
    pub(crate) attendances: BTreeMap<String, Attendance>,
    pub(crate) wages: BTreeMap<String, Wage>,
    pub(crate) covers: BTreeMap<String, Cover>,
    pub(crate) claims: BTreeMap<String, Claim>,
    pub(crate) cases: BTreeMap<String, Case>,
    /// By claim, the case that waits for a supplement to it, and until when.
    supplements: BTreeMap<String, (String, String)>,
    pub(crate) series: BTreeSet<String>,
    /// Every paper that an event names.
    pub(crate) evidence: BTreeSet<String>,
    pub(crate) keys: BTreeMap<String, (String, String, String)>,
    /// Who asked to open what a sealed key keeps: person, key, officer.
    pub(crate) openings_proposed: BTreeSet<(String, String, String)>,
    /// Who may open it with whom, until when.
    pub(crate) openings: BTreeMap<(String, String, String), (String, Timestamp)>,
    /// Who ever might, also where that is over.
    pub(crate) opened_once: BTreeSet<(String, String, String)>,
    /// The document and phone of a person that were told anew last.
    pub(crate) told_anew: BTreeMap<String, ToldAnew>,
    /// Whose each card is, and whether it is in use.
    pub(crate) cards: BTreeMap<String, (String, bool)>,
    pub(crate) travel: Travel,
    claimed: Claimed,
    covered: Covered,
}

impl Oracle {
    /// One that prints what it reads of `trace`, and knows how long the way is by each pack.
    pub(crate) fn tracing(trace: Option<String>, ways: &Ways) -> Oracle {
        Oracle { trace, travel: Travel::by(ways), ..Oracle::default() }
    }

    /// Reads one commit that has become durable.
    pub(crate) fn read(&mut self, commit: &Commit) -> Holds {
        self.i03_positions_versions_and_times_run_on(commit)?;
        self.i20_commits_and_events_have_bounds(commit)?;
        i16_nothing_personal_stands_in_clear(commit.bytes())?;
        for line in commit.lines() {
            let value: Value = serde_json::from_slice(line).map_err(|error| format!("3: {error}"))?;
            let full = value["type"].as_str().unwrap_or_default();
            let short = full.strip_prefix("cn.linggong.").unwrap_or(full);
            let name = short.rsplit_once(".v").map_or(short, |(name, _)| name);
            let time: Timestamp = value["time"]
                .as_str()
                .and_then(|it| it.parse().ok())
                .ok_or_else(|| format!("3: no time: {value}"))?;
            let fact = Fact { name, line: &value, data: &value["data"], time };
            self.seen_types.insert(name.to_owned());
            if self.trace.as_ref().is_some_and(|it| String::from_utf8_lossy(line).contains(it)) {
                println!("{} {} {name} {}", value["position"], time.local(), value["data"]);
            }
            self.tree.push(line);
            self.lines.push(line.to_vec());
            self.i03_one_event(&fact)?;
            self.i01_a_command_has_its_events_once(&fact)?;
            self.i04_every_event_has_its_cause_and_its_authority(&fact)?;
            i11_a_day_has_ended_before_it_is_missed(&fact)?;
            self.i15_no_worker_pays_to_work(&fact)?;
            self.learn(&fact)?;
            self.travel.learn(&fact);
            self.claimed.learn(&fact)?;
            self.covered.learn(&fact)?;
        }
        self.claimed.i10_a_claim_knows_its_wages()
    }

    fn learn(&mut self, fact: &Fact<'_>) -> Holds {
        let papers = ["digest", "evidence", "document", "proof", "signature", "mandate"].into_iter();
        let papers = papers.filter_map(|field| text(fact.data, field)).filter(|it| it.starts_with("sha256:"));
        self.evidence.extend(papers.filter(|_| fact.name != "rules.adopted"));
        match fact.name.split_once('.').map_or("", |(kind, _)| kind) {
            "market" => self.learn_market(fact),
            "office" | "person" => self.i17_roles_and_keys_take_two(fact),
            "worker" | "employer" => self.learn_people(fact),
            "posting" => self.learn_posting(fact),
            "offer" => self.i08_every_offer_ends_once(fact),
            "match" => self.i14_a_ranking_is_by_its_scores(fact),
            "hire" => self.i09_nobody_is_in_two_places(fact),
            "attendance" => self.learn_attendance(fact),
            "wage" => self.i10_every_fen_is_accounted_for(fact),
            "insurance" => self.i13_cover_is_taken_out_once(fact),
            "claim" => {
                self.i11_a_supplement_is_awaited_while_its_claim_waits(fact)?;
                self.learn_claim(fact)
            }
            "case" => {
                self.i11_a_supplement_is_awaited_while_its_claim_waits(fact)?;
                self.i12_a_closed_case_stays_closed(fact)?;
                self.i11_a_deadline_ends_one_way(fact)
            }
            _ => Ok(()),
        }
    }

    /// Invariant 3: Positions are dense, commits chain, epochs never fall.
    fn i03_positions_versions_and_times_run_on(&mut self, commit: &Commit) -> Holds {
        let header = commit.header();
        let before = self.head.unwrap_or(Head::EMPTY);
        let is_next = header.commit == before.commit + 1 && header.first == before.position.0 + 1;
        // Who takes over writes a record of it: an epoch begins with a commit of no events.
        let is_fenced = header.epoch == before.epoch || header.epoch == before.epoch + 1 && header.count == 0;
        if !is_next || !is_fenced || header.prev != before.digest {
            return Err(format!("3: commit {header:?} after {before:?}"));
        }
        let (epoch, position) = (header.epoch, commit.last());
        self.head = Some(Head { commit: header.commit, epoch, position, digest: Digest::of(commit.bytes()) });
        Ok(())
    }

    fn i03_one_event(&mut self, fact: &Fact<'_>) -> Holds {
        let position = self.lines.len() as u64;
        if fact.line["position"].as_str() != Some(&position.to_string()) {
            return Err(format!("3: position {} at {position}", fact.line["position"]));
        }
        let subject = text(fact.line, "subject").unwrap_or_default();
        let version = self.versions.entry(subject.clone()).or_default();
        *version += 1;
        if fact.line["version"].as_str() != Some(&version.to_string()) {
            return Err(format!("3: version {} of {subject} where {version} is next", fact.line["version"]));
        }
        if self.time.is_some_and(|before| fact.time < before) {
            return Err(format!("3: time runs back at {position}"));
        }
        self.time = Some(fact.time);
        Ok(())
    }

    /// Invariant 1: Who gives a command for a version of something has met that version.
    pub(crate) fn i01_it_met_the_version_it_was_given_for(
        &self,
        receipt: &Receipt,
        entity: &str,
        expected: &str,
    ) -> Holds {
        let met = (self.lines.iter().take(receipt.first.0 as usize - 1))
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .filter(|line| line["subject"].as_str() == Some(entity))
            .count();
        if met.to_string() == expected {
            return Ok(());
        }
        Err(format!("1: given for version {expected} of {entity}, it met version {met}"))
    }

    /// Invariant 1: The events of a command are contiguous and there once, all of one content.
    fn i01_a_command_has_its_events_once(&mut self, fact: &Fact<'_>) -> Holds {
        let Some(command) = text(fact.line, "commandid") else { return Ok(()) };
        let digest = text(fact.line, "commanddigest").unwrap_or_default();
        let position = self.lines.len() as u64;
        match self.commands.get_mut(&command) {
            None => {
                self.commands.insert(command, Recorded { first: position, last: position, digest });
            }
            Some(known) if known.last + 1 == position && known.digest == digest => known.last = position,
            Some(known) => {
                return Err(format!(
                    "1: command {command} had its events at {}..{} and has another at {position}",
                    known.first, known.last
                ));
            }
        }
        Ok(())
    }

    /// Invariant 4: What caused an event stands before it; who commanded it held the role.
    fn i04_every_event_has_its_cause_and_its_authority(&mut self, fact: &Fact<'_>) -> Holds {
        let id = text(fact.line, "id").unwrap_or_default();
        if let Some(cause) = text(fact.line, "causation").filter(|cause| !self.ids.contains(cause)) {
            return Err(format!("4: {} is caused by {cause}, which is not there", fact.name));
        }
        if !self.ids.insert(id.clone()) {
            return Err(format!("1: the event {id} ({}) is there twice", fact.name));
        }
        let role = text(fact.line, "role").unwrap_or_default();
        let by_command = fact.line.get("commandid").is_some();
        let held = self.granted.contains(&(fact.actor().to_owned(), role.clone()));
        if by_command && !held {
            return Err(format!("4: {} by {} who never was {role}", fact.name, fact.actor()));
        }
        if !by_command && role != "engine" {
            return Err(format!("4: {} by a {role} without a command", fact.name));
        }
        Ok(())
    }

    /// Invariant 7: Every root ever stated is the root of that many events, by the other way of reckoning it.
    pub(crate) fn i07_every_root_is_reproduced(&self) -> Holds {
        let leaves: Vec<Digest> = self.lines.iter().map(|line| leaf_hash(line)).collect();
        for (size, root) in &self.checkpoints {
            if root_by_halves(&leaves[..*size]) != *root {
                return Err(format!("7: the root of {size} events was stated as {root}"));
            }
        }
        Ok(())
    }

    /// Invariant 7: A line that a receipt names is proved to be in the log by any later root, and no other line is.
    pub(crate) fn i07_receipts_are_proved_against_later_heads(
        &self,
        random: &mut Random,
    ) -> Result<u64, Broken> {
        let leaves: Vec<Digest> = self.lines.iter().map(|line| leaf_hash(line)).collect();
        let mut proved = 0;
        for (size, root) in self.checkpoints.iter().filter(|(size, _)| *size > 1).take(3) {
            let index = random.below(*size);
            let path =
                prove_inclusion(&leaves[..*size], index).ok_or("7: no proof of a line that is there")?;
            let holds = |leaf| verify_inclusion(*root, *size as u64, index as u64, leaf, &path);
            let other = leaves[(index + 1) % size];
            if !holds(leaves[index]) || other != leaves[index] && holds(other) {
                return Err(format!("7: line {index} is not proved by the root of {size} events"));
            }
            proved += 1;
        }
        Ok(proved)
    }

    /// Invariant 11: Whatever fell due by itself before `now` was stated, once everything has come to rest.
    pub(crate) fn i11_nothing_due_was_missed(&self, now: Timestamp) -> Holds {
        self.covered.i13_nobody_works_uncovered_untold(now)?;
        for (id, offer) in &self.offers {
            if offer.end.is_none() && offer.expires < now {
                return Err(format!("11: the offer {id} should have expired at {}", offer.expires));
            }
        }
        for (id, wage) in &self.wages {
            let is_late = wage.outstanding > 0 && !wage.is_overdue;
            let since =
                wage.owed_again.map_or(end_of(&wage.due_on), |it| Ok(it.max(end_of(&wage.due_on)?)))?;
            if is_late && since < now {
                return Err(format!("11: the wage {id} was due on {} and is not overdue", wage.due_on));
            }
        }
        for (claim, (case, due)) in &self.supplements {
            if end_of(due)? < now {
                return Err(format!("11: the supplement to {claim} due {due} in {case} never lapsed"));
            }
        }
        for (id, case) in &self.cases {
            let running = case
                .deadlines
                .iter()
                .filter(|(key, it)| **it == Runs::Running && case.vouched.contains(*key))
                .filter(|((rule, _), _)| case.is_open || case.is_settled && is_of_terms(rule));
            for ((rule, day), _) in running {
                if end_of(day)? < now {
                    return Err(format!("11: the deadline {rule} of {day} of the case {id} never lapsed"));
                }
            }
        }
        Ok(())
    }

    /// States a root, to be held against the log later.
    pub(crate) fn state_root(&mut self) {
        self.checkpoints.push((self.lines.len(), self.tree.root()));
    }

    /// Invariant 8: An offer is accepted, declined, expired or withdrawn: one of them, once.
    fn i08_every_offer_ends_once(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("offer")?;
        if fact.name == "offer.made" {
            let expires = fact.id("expires")?.parse().map_err(|_| "form: an offer without an end")?;
            let offer = Offer { end: None, expires };
            return match self.offers.insert(id.clone(), offer) {
                None => Ok(()),
                Some(_) => Err(format!("8: the offer {id} was made twice")),
            };
        }
        let offer = self.offers.get_mut(&id).ok_or_else(|| format!("8: {} of no offer {id}", fact.name))?;
        match offer.end.replace(fact.name.to_owned()) {
            None => Ok(()),
            Some(before) => Err(format!("8: the offer {id} ended by {before} and by {}", fact.name)),
        }
    }

    /// Invariant 9: Nobody is hired twice for the same minutes, nor for those of the way between, no posting takes more
    /// than it has places, and one that is over takes nobody.
    fn i09_nobody_is_in_two_places(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("hire")?;
        match fact.name {
            "hire.agreed" => {
                let terms = fact.data["terms"].clone();
                self.check_engagement(&id, &terms, self.travel.ms)?;
                let posting = text(&terms, "posting").unwrap_or_default();
                let taken = |it: &&Hire| it.is != HireIs::Void && it.terms["posting"] == terms["posting"];
                let taken = self.hires.values().filter(taken).count() as i64 + 1;
                let known = self.postings.get(&posting).ok_or_else(|| format!("9: no posting {posting}"))?;
                if known.terms["headcount"].as_i64() < Some(taken) {
                    return Err(format!("9: {taken} hired for {posting} of {}", known.terms["headcount"]));
                }
                // Who replaces somebody takes a place that was taken already, also where the posting is over.
                let replaces = self.replacements.contains(&id);
                if !replaces && matches!(known.is, PostingIs::Over | PostingIs::Reviewed) {
                    return Err(format!("9: a hire for {posting}, which is {:?}", known.is));
                }
                self.hires.insert(id, Hire { terms, is: HireIs::Agreed });
                return Ok(());
            }
            "hire.changed" => {
                let terms = fact.data["terms"].clone();
                // What was agreed before the way took so long stays agreed.
                let stays = self.hires.get(&id).is_some_and(|it| it.terms["shifts"] == terms["shifts"]);
                self.check_engagement(&id, &terms, if stays { 0 } else { self.travel.ms })?;
                let hire = self.hires.get_mut(&id).ok_or_else(|| format!("9: no hire {id}"))?;
                hire.terms = terms;
                return Ok(());
            }
            _ => {}
        }
        let hire = self.hires.get_mut(&id).ok_or_else(|| format!("9: {} of no hire {id}", fact.name))?;
        match fact.name {
            "hire.started" => hire.is = HireIs::Started,
            "hire.ended" => hire.is = HireIs::Ended,
            "hire.cancelled" | "hire.no_show" | "hire.sent_home" | "hire.replaced" => {
                if hire.is == HireIs::Void {
                    return Err(format!("9: {} of {id}, which was void already", fact.name));
                }
                hire.is = HireIs::Void;
                self.replacements.extend(text(fact.data, "by"));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_engagement(&self, id: &str, terms: &Value, travel_ms: i64) -> Holds {
        let engaged = |it: &Hire| matches!(it.is, HireIs::Agreed | HireIs::Started);
        for (other, hire) in self.hires.iter().filter(|(other, it)| *other != id && engaged(it)) {
            if hire.terms["worker"] == terms["worker"] && collide(&hire.terms, terms, travel_ms) {
                return Err(format!(
                    "9: {} is hired by {other} and {id} at once, the way between being {travel_ms} ms",
                    terms["worker"]
                ));
            }
        }
        Ok(())
    }

    /// Invariant 10: What is outstanding follows from what was due and what was paid; it is never negative.
    fn i10_every_fen_is_accounted_for(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("wage")?;
        if matches!(fact.name, "wage.due" | "wage.presumed_due") {
            let (amount, outstanding) = (fact.sum("amount")?, fact.sum("outstanding")?);
            if amount < 0 || outstanding != amount {
                return Err(format!("10: due {amount}, outstanding {outstanding} of {id}"));
            }
            let wage = Wage {
                hire: fact.id("hire")?,
                worker: fact.id("worker")?,
                employer: fact.id("employer")?,
                date: fact.id("date")?,
                amount,
                outstanding,
                last_payment: None,
                contradicted: BTreeMap::new(),
                due_on: fact.id("due_on")?,
                is_overdue: false,
                was_overdue: false,
                owed_again: None,
            };
            // A presumption gives way to what is known: the same wage may be due with another amount.
            self.wages.insert(id, wage);
            return Ok(());
        }
        let event = text(fact.line, "id");
        let wage = self.wages.get_mut(&id).ok_or_else(|| format!("10: {} of no wage {id}", fact.name))?;
        let before = wage.outstanding;
        let now = fact.data["outstanding"].as_i64().unwrap_or(before);
        let wrong = match fact.name {
            // Money of before the worker's word on all that came may be part of it already.
            "wage.paid" => now > before || now < before - fact.sum("amount")?,
            "wage.paid_to_third" => now > before,
            "wage.receipt_confirmed" | "wage.corrected" => false,
            // The worker's own word takes the place of what they said before of the same payment.
            "wage.payment_contradicted" => {
                let (recorded, received) = (fact.sum("recorded")?, fact.sum("received")?);
                let said = wage.contradicted.insert(fact.id("payment")?, received).unwrap_or(recorded);
                now < before - (received - said).max(0)
            }
            // What was paid, or said to have come, after the instant that the finding is about adds to it.
            "wage.payment_determined" => now > (wage.amount - fact.sum("paid")?).max(0),
            "wage.overdue" => {
                let twice = std::mem::replace(&mut wage.is_overdue, true);
                twice || now != before || now <= 0 || fact.time < end_of(&fact.id("due_on")?)?
            }
            "wage.adjusted" => {
                let (was, is) = (wage.amount, fact.sum("amount")?);
                wage.amount = is;
                let left = (is - was + before).max(0);
                // Who was overpaid owes less of a raise.
                if before > 0 { now != left } else { now > left }
            }
            "wage.demanded" => fact.sum("amount")? != before,
            _ => now != before,
        };
        if wrong || now < 0 || now > wage.amount {
            return Err(format!("10: {} takes {id} of {} from {before} to {now}", fact.name, wage.amount));
        }
        if fact.name == "wage.paid" {
            wage.last_payment = event;
        }
        wage.outstanding = now;
        wage.was_overdue |= wage.is_overdue;
        if before == 0 && now > 0 && wage.was_overdue {
            wage.owed_again = Some(fact.time);
        }
        // It is overdue once, until nothing is left; where something is left again, once more.
        wage.is_overdue &= now > 0;
        Ok(())
    }

    /// Invariant 11: A supplement is awaited until the claim is answered or leaves the case that asked, and no longer.
    fn i11_a_supplement_is_awaited_while_its_claim_waits(&mut self, fact: &Fact<'_>) -> Holds {
        match fact.name {
            "case.supplement_asked" => {
                self.supplements.insert(fact.id("claim")?, (fact.id("case")?, fact.id("due")?));
            }
            "case.accepted" => {
                for claim in fact.data["claims"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.supplements.remove(claim);
                }
            }
            "case.supplemented"
            | "case.refused"
            | "case.directed_elsewhere"
            | "claim.withdrawn"
            | "claim.referred"
            | "claim.closed" => {
                self.supplements.remove(&fact.id("claim")?);
            }
            "case.deadline_warned" | "case.deadline_lapsed" => {
                let rule = fact.id("rule")?;
                let Some(claim) = rule.strip_prefix("supplement:") else { return Ok(()) };
                let told = (fact.id("case")?, fact.id("last_day")?);
                if self.supplements.get(claim) != Some(&told) {
                    return Err(format!("11: {} of {claim}, for which nobody waits: {told:?}", fact.name));
                }
                if fact.name == "case.deadline_lapsed" {
                    self.supplements.remove(claim);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 11: A deadline runs until it is met or lapses, never both; what was missed is met by what was filed in time.
    fn i11_a_deadline_ends_one_way(&mut self, fact: &Fact<'_>) -> Holds {
        let Some(case) = self.cases.get_mut(&fact.id("case")?) else { return Ok(()) };
        if fact.name == "case.mediated" {
            let rule = format!("settlement:{}", fact.id("claim")?);
            case.deadlines.retain(|(known, _), _| *known != rule);
            let key = (rule, fact.id("pay_by")?);
            case.vouched.insert(key.clone());
            case.deadlines.insert(key, Runs::Running);
        }
        let given = fact.data["deadlines"].as_array().into_iter().flatten().chain(fact.data.get("deadline"));
        for deadline in given {
            let (rule, day) = (text(deadline, "rule"), text(deadline, "last_day"));
            let key = (rule.unwrap_or_default(), day.unwrap_or_default());
            if let Some(superseded) = text(fact.data, "supersedes") {
                let superseded = (key.0.clone(), superseded);
                case.deadlines.remove(&superseded);
                case.vouched.remove(&superseded);
            }
            if deadline["trace"]["verified"] == true {
                case.vouched.insert(key.clone());
            }
            case.deadlines.insert(key, Runs::Running);
        }
        if !fact.name.starts_with("case.deadline_") || fact.name == "case.deadline_recounted" {
            return Ok(());
        }
        let (rule, day) = (fact.id("rule")?, fact.id("last_day")?);
        let state = case.deadlines.entry((rule.clone(), day.clone())).or_insert(Runs::Running);
        let next = match fact.name {
            "case.deadline_met" => Runs::Met,
            "case.deadline_lapsed" => Runs::Lapsed,
            _ => Runs::Running,
        };
        // What was stamped in time and entered late answers a lapse on record.
        let filed = text(fact.line, "filedat").and_then(|it| it.parse::<Timestamp>().ok());
        let end = end_of(&day)?;
        let answers = (*state, next) == (Runs::Lapsed, Runs::Met) && filed.is_some_and(|filed| filed <= end);
        if *state != Runs::Running && !answers {
            return Err(format!("11: the deadline {rule} of {day} was {state:?} and is {next:?}"));
        }
        if next == Runs::Lapsed && fact.time < end_of(&day)? {
            return Err(format!("11: the deadline {rule} of {day} lapsed at {}", fact.time));
        }
        *state = next;
        Ok(())
    }

    /// Invariant 12: A closed case changes by a correction or by reopening, which takes two; so does filing.
    fn i12_a_closed_case_stays_closed(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("case")?;
        let event = text(fact.line, "id").unwrap_or_default();
        if fact.name == "case.accepted" {
            let claims: Vec<String> = serde_json::from_value(fact.data["claims"].clone())
                .map_err(|error| format!("form: {error}"))?;
            for claim in &claims {
                if let Some(claim) = self.claims.get_mut(claim) {
                    claim.case = Some(id.clone());
                }
            }
            let case = Case {
                claims,
                is_open: true,
                is_filed: false,
                filing_by: None,
                reopening_by: None,
                last_event: event,
                deadlines: BTreeMap::new(),
                vouched: BTreeSet::new(),
                is_settled: false,
            };
            self.cases.insert(id, case);
            return Ok(());
        }
        let Some(case) = self.cases.get_mut(&id) else { return Ok(()) };
        let may_follow = matches!(
            fact.name,
            "case.corrected" | "case.reopen_proposed" | "case.reopened" | "case.payment_seen"
        );
        let of_terms = fact.name.starts_with("case.deadline_")
            && text(fact.data, "rule").is_some_and(|rule| is_of_terms(&rule));
        if !(case.is_open || may_follow || of_terms && case.is_settled) {
            return Err(format!("12: {} of {id}, which is closed", fact.name));
        }
        case.last_event = event;
        let alone = |by: &Option<String>| by.as_deref() == Some(fact.actor()) || by.is_none();
        match fact.name {
            "case.filing_proposed" => case.filing_by = Some(fact.actor().to_owned()),
            "case.reopen_proposed" => case.reopening_by = Some(fact.actor().to_owned()),
            "case.filed" => {
                if alone(&case.filing_by) {
                    return Err(format!("12: {id} was filed by one officer alone"));
                }
                case.is_filed = true;
            }
            "case.reopened" => {
                if alone(&case.reopening_by) {
                    return Err(format!("12: {id} was reopened by one officer alone"));
                }
                (case.is_open, case.is_settled, case.reopening_by) = (true, false, None);
            }
            "case.closed" => {
                case.is_open = false;
                case.is_settled = text(fact.data, "conclusion").as_deref() == Some("settled");
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 13: A cover is applied for once per hire and product, decided once, ended once.
    fn i13_cover_is_taken_out_once(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("insurance")?;
        let is = match fact.name {
            "insurance.check_planned" => "planned",
            "insurance.applied" => "applied",
            "insurance.confirmed" => "confirmed",
            "insurance.rejected" => "rejected",
            "insurance.refused_by_worker" => "refused",
            "insurance.ended" => "ended",
            _ => return Ok(()),
        };
        let before = self.covers.get(&id).map_or("none", |it| it.is);
        let lawful = match is {
            "confirmed" | "rejected" => before == "applied",
            "ended" => matches!(before, "applied" | "confirmed"),
            "applied" => before == "none",
            _ => true,
        };
        if !lawful {
            return Err(format!("13: cover {id} was {before} and is {is}"));
        }
        self.covers.insert(id, Cover { is });
        Ok(())
    }

    /// Invariant 15: Nothing that happens charges a worker for finding or having work.
    fn i15_no_worker_pays_to_work(&self, fact: &Fact<'_>) -> Holds {
        fn charges(value: &Value) -> Option<&String> {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .find(|(name, _)| {
                        ["fee", "charge", "deduct", "deposit"].iter().any(|it| name.contains(it))
                    })
                    .map(|(name, _)| name)
                    .or_else(|| fields.values().find_map(charges)),
                Value::Array(items) => items.iter().find_map(charges),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            }
        }
        match charges(fact.data) {
            None => Ok(()),
            Some(field) => Err(format!("15: {} has `{field}`", fact.name)),
        }
    }

    /// Invariant 17: A key is destroyed by a second officer after a first sealed it, and never while a claim is open; a
    /// role is given by two.
    fn i17_roles_and_keys_take_two(&mut self, fact: &Fact<'_>) -> Holds {
        match fact.name {
            "office.registered" => self.offices.push(fact.id("office")?),
            "office.series_opened" => {
                self.series.insert(format!("{} {}", fact.id("office")?, fact.id("series")?));
            }
            "office.role_proposed" => {
                let by = fact.actor().to_owned();
                self.proposed.push((fact.id("office")?, grant_in(fact)?, by));
            }
            "office.role_granted" => {
                let (office, grant) = (fact.id("office")?, grant_in(fact)?);
                let proposal = |(at, it, _): &(String, Grant, String)| *at == office && *it == grant;
                let founding = fact.line["role"] == "engine";
                match self.proposed.iter().rposition(proposal) {
                    Some(nth) => {
                        let (_, _, by) = self.proposed.remove(nth);
                        if by == fact.actor() || grant.actor.0.to_string() == fact.actor() {
                            return Err(format!("17: {} gave a role alone", fact.actor()));
                        }
                    }
                    None if founding => {}
                    None => return Err("17: a role was given that nobody proposed".into()),
                }
                let role = fact.data["grant"]["role"].as_str().unwrap_or_default().to_owned();
                self.granted.insert((grant.actor.0.to_string(), role));
                let office: OfficeId = read(&fact.data["office"])?;
                self.grants.insert((grant.actor, grant.role), (office, grant));
            }
            "office.role_revoked" => {
                let (actor, role): (ActorId, Role) = (read(&fact.data["actor"])?, read(&fact.data["role"])?);
                self.grants.remove(&(actor, role));
            }
            "person.registered" => {
                let known = &fact.data["known"];
                if known["document_verified"] == true && known["age"]["band"] == "from18_to59" {
                    self.adults.insert(fact.id("person")?);
                }
                let sealed = fact.data["known"]["sealed"].as_object().into_iter().flatten();
                for key in sealed.filter_map(|(_, it)| text(it, "key")) {
                    self.person_keys.insert(fact.id("person")?, key);
                }
            }
            "person.key_state_changed" => {
                let (person, key, state) = (fact.id("person")?, fact.id("key")?, fact.id("state")?);
                let before = self.keys.get(&person).cloned();
                if state == "shredded" {
                    let sealed_by_another =
                        before.is_some_and(|(_, is, by)| is == "sealed" && by != fact.actor());
                    let open = |it: &&Claim| {
                        it.is_open && self.workers.get(&it.worker).is_some_and(|it| it.person == person)
                    };
                    if !sealed_by_another || self.claims.values().find(open).is_some() {
                        return Err(format!("17: the key of {person} was destroyed out of order"));
                    }
                }
                self.openings_proposed.retain(|it| it.0 != person);
                self.openings.retain(|it, _| it.0 != person);
                self.keys.insert(person, (key, state, fact.actor().to_owned()));
            }
            "person.key_opening_proposed" => {
                let (person, key) = (fact.id("person")?, fact.id("key")?);
                self.openings_proposed.insert((person, key, fact.actor().to_owned()));
            }
            "person.key_opened" => {
                let (person, key, officer) = (fact.id("person")?, fact.id("key")?, fact.id("officer")?);
                let is_sealed =
                    self.keys.get(&person).is_some_and(|(own, is, _)| *own == key && is == "sealed");
                let until: Timestamp =
                    fact.id("until")?.parse().map_err(|_| "form: an opening without an end")?;
                let asked = (person.clone(), key, officer.clone());
                let is_asked = self.openings_proposed.remove(&asked);
                let is_short = fact.time < until && until <= fact.time.plus_ms(DAY_MS);
                if !is_sealed || !is_asked || officer == fact.actor() || !is_short {
                    return Err(format!("17: what the key of {person} keeps was opened out of order"));
                }
                self.opened_once.insert(asked.clone());
                self.openings.insert(asked, (fact.actor().to_owned(), until));
            }
            "person.revised" => {
                let sealed = &fact.data["revision"]["sealed"];
                let told = |field: &str| Some(Digest::of(text(&sealed[field], "box")?.as_bytes()));
                let anew = self.told_anew.entry(fact.id("person")?).or_default();
                anew.document = told("document").or(anew.document);
                anew.phone = told("phone").or(anew.phone);
            }
            "person.card_issued" => {
                let (person, card) = (fact.id("person")?, fact.id("card")?);
                let live = self.cards.values().any(|(of, live)| *of == person && *live);
                if live || self.cards.insert(card, (person.clone(), true)).is_some() {
                    return Err(format!("17: a second card for {person}, or one that was given before"));
                }
            }
            "person.card_ended" => {
                let (person, card) = (fact.id("person")?, fact.id("card")?);
                if self.cards.insert(card, (person.clone(), false)) != Some((person.clone(), true)) {
                    return Err(format!("17: a card of {person} ended that was not in use"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 20: Lines, commits and their numbers of events have bounds.
    fn i20_commits_and_events_have_bounds(&self, commit: &Commit) -> Holds {
        let too_many = commit.lines().len() > MAX_COMMIT_EVENTS as usize;
        let too_long = commit.lines().any(|line| line.len() > 60 * 1024);
        if too_many || too_long || commit.bytes().len() > MAX_COMMIT_BYTES {
            return Err(format!("20: commit {} is too large", commit.header().commit));
        }
        Ok(())
    }

    fn learn_market(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("market")?;
        match fact.name {
            "market.registered" => self.markets.push(id),
            "market.closed" => self.markets.retain(|it| *it != id),
            _ => {}
        }
        Ok(())
    }

    fn learn_people(&mut self, fact: &Fact<'_>) -> Holds {
        match fact.name {
            "employer.registered" => {
                let id = fact.id("employer")?;
                match fact.data["details"]["employer_kind"].as_str() {
                    Some("enterprise") => _ = self.supervised.insert(id.clone()),
                    Some("household") => _ = self.households.insert(id.clone()),
                    _ => {}
                }
                if let Some(code) = text(&fact.data["details"], "code") {
                    self.codes.insert(id.clone(), code);
                }
                self.employers.insert(id);
            }
            "employer.changed" => {
                let id = fact.id("employer")?;
                match fact.data["details"]["employer_kind"].as_str() {
                    Some("household") => _ = self.households.insert(id),
                    _ => _ = self.households.remove(&id),
                }
            }
            "worker.registered" => {
                let declines_ranking = fact.data["profile"]["declines_ranking"] == true;
                let person = fact.id("person")?;
                let is_adult = self.adults.contains(&person);
                let worker = Worker { person, market: None, is_adult, declines_ranking };
                self.workers.insert(fact.id("worker")?, worker);
            }
            "worker.profile_changed" => {
                if let Some(worker) = self.workers.get_mut(&fact.id("worker")?) {
                    worker.declines_ranking = fact.data["profile"]["declines_ranking"] == true;
                }
            }
            "worker.arrived" | "worker.left" | "worker.went_home_unhired" => {
                let market = fact.id("market")?;
                if let Some(worker) = self.workers.get_mut(&fact.id("worker")?) {
                    worker.market = (fact.name == "worker.arrived").then_some(market);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 16: Terms that everybody may read do not hold the address of a household.
    fn i16_a_home_is_told_apart(&self, id: &str, terms: &Value) -> Holds {
        let at_home = text(terms, "employer").is_some_and(|it| self.households.contains(&it));
        if at_home && terms["address"] == WORKPLACE {
            return Err(format!("16: the terms of {id} tell where a household lives"));
        }
        Ok(())
    }

    fn learn_posting(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("posting")?;
        if fact.data.get("terms").is_some() {
            self.i16_a_home_is_told_apart(&id, &fact.data["terms"])?;
        }
        let is = match fact.name {
            "posting.published" | "posting.review_requested" => {
                let is = if fact.name == "posting.published" { PostingIs::Open } else { PostingIs::Reviewed };
                self.postings.insert(id, Posting { terms: fact.data["terms"].clone(), is });
                return Ok(());
            }
            // They say more of what was just told, and change nothing of it.
            "posting.place_told" | "posting.flagged" if self.postings.contains_key(&id) => return Ok(()),
            "posting.changed" => None,
            // One that was struck on the spot is looked at afterwards, which opens nothing.
            "posting.approved" if self.postings.get(&id).is_some_and(|it| it.is != PostingIs::Reviewed) => {
                return Ok(());
            }
            "posting.approved" | "posting.reopened" => Some(PostingIs::Open),
            "posting.filled" => Some(PostingIs::Filled),
            _ => Some(PostingIs::Over),
        };
        let Some(posting) = self.postings.get_mut(&id) else {
            return Err(format!("9: {} of no posting {id}", fact.name));
        };
        match is {
            Some(is) => posting.is = is,
            None => posting.terms = fact.data["terms"].clone(),
        }
        Ok(())
    }

    fn learn_attendance(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("attendance")?;
        if fact.name == "attendance.signed_in" {
            let signed_in = text(fact.line, "id").unwrap_or_default();
            self.attendances.entry(id).or_insert(Attendance { signed_in });
        }
        Ok(())
    }

    fn learn_claim(&mut self, fact: &Fact<'_>) -> Holds {
        let id = fact.id("claim")?;
        match fact.name {
            "claim.registered" => {
                let claim = Claim { worker: fact.id("worker")?, is_open: true, case: None };
                self.claims.insert(id, claim);
            }
            "claim.closed" | "claim.withdrawn" => {
                // Whoever withdrew asks for nothing any more; terms of a closed claim are awaited further.
                if fact.name == "claim.withdrawn" {
                    let rule = format!("settlement:{id}");
                    for case in self.cases.values_mut() {
                        case.deadlines.retain(|(known, _), it| *known != rule || *it != Runs::Running);
                    }
                }
                if let Some(claim) = self.claims.get_mut(&id) {
                    claim.is_open = false;
                }
            }
            "claim.unanswered" => {
                let day = fact.id("last_day")?;
                let is_open = self.claims.get(&id).is_some_and(|it| it.is_open);
                if !is_open || fact.time < end_of(&day)? {
                    return Err(format!("11: the claim {id} is unanswered at {}, due {day}", fact.time));
                }
            }
            "claim.amount_changed" => {
                let (total, outstanding) = (fact.sum("total")?, fact.sum("outstanding")?);
                if outstanding < 0 || outstanding > total {
                    return Err(format!("10: {outstanding} of {total} outstanding in the claim {id}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 14: Candidates stand in the order of their scores; who declines ranking keeps the place of arrival.
    fn i14_a_ranking_is_by_its_scores(&self, fact: &Fact<'_>) -> Holds {
        let candidates = fact.data["candidates"].as_array().into_iter().flatten();
        let ranked = candidates.filter(|it| {
            let worker = it["worker"].as_str().and_then(|it| self.workers.get(it));
            worker.is_some_and(|it| !it.declines_ranking)
        });
        let scores: Vec<i64> = ranked.filter_map(|it| it["score"].as_i64()).collect();
        if scores.is_sorted_by(|one, next| one >= next) {
            Ok(())
        } else {
            Err(format!("14: ranked {scores:?}"))
        }
    }

    /// Whether the role may give the command, by the registry.
    pub(crate) fn i04_the_role_may(name: &str, role: Role) -> Holds {
        match Command::find(name) {
            Some(entry) if entry.roles.contains(&role) => Ok(()),
            _ => Err(format!("4: {name} was accepted from a {role:?}")),
        }
    }
}

/// Invariant 16: What the vault seals stands nowhere in clear.
pub(crate) fn i16_nothing_personal_stands_in_clear(bytes: &[u8]) -> Holds {
    let needle = CANARY.as_bytes();
    if bytes.windows(needle.len()).any(|it| it == needle) {
        return Err("16: a name stands in clear".into());
    }
    Ok(())
}

/// The root of RFC 6962 as its text defines it, by halves at the largest power of two below the count.
fn root_by_halves(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let half = 1 << (usize::BITS - 1 - (leaves.len() - 1).leading_zeros());
            let mut node = vec![1];
            node.extend_from_slice(root_by_halves(&leaves[..half]).bytes());
            node.extend_from_slice(root_by_halves(&leaves[half..]).bytes());
            Digest::of(&node)
        }
    }
}

fn end_of(day: &str) -> Result<Timestamp, Broken> {
    let day: Date = day.parse().map_err(|_| format!("form: `{day}` is no day"))?;
    Ok(day.end())
}

fn grant_in(fact: &Fact<'_>) -> Result<Grant, Broken> {
    read(&fact.data["grant"])
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Broken> {
    serde_json::from_value(value.clone()).map_err(|error| format!("form: {error}"))
}
