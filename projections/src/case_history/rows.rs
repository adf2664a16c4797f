//! What the histories of claims and cases show.

use linggong_events::case::{Conclusion, Deadline, DeadlineOf, ServiceMode, SettlementPaper};
use linggong_events::claim::{ClaimItem, ClaimOutcome, ExternalRef, Track};
use linggong_events::codec::{Json, as_written};
use linggong_events::envelope::{Channel, Filed, Meta};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, CaseId, ClaimId, EmployerId, EntityRef, EventId, OfficeId, WorkerId};
use linggong_events::measure::{Fen, Position};
use linggong_events::office::Role;
use linggong_events::region::Region;
use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::projection::Source;

/// A case as it stands, and how it came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CaseHistory {
    /// The case.
    pub case: CaseRow,
    /// Its claims.
    pub claims: Vec<ClaimRow>,
    /// The evidence of its claims, in the order of recording.
    pub evidence: Vec<Evidence>,
    /// Every event that touches the case or one of its claims, in the order of recording.
    pub steps: Vec<Step>,
}

/// A claim as it stands, and how it came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClaimHistory {
    /// The claim.
    pub claim: ClaimRow,
    /// Its evidence, in the order of recording.
    pub evidence: Vec<Evidence>,
    /// Every event that touches it, in the order of recording.
    pub steps: Vec<Step>,
}

/// One event of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its place in the log.
    pub position: Position,
    /// The event.
    pub event: EventId,
    /// `case.accepted.v1`; the label for people comes from the glossary.
    pub type_name: String,
    /// Whether this software knows the type; an unknown one is shown raw.
    pub known: bool,
    /// The entity whose history it belongs to first; absent where its kind is not known here, as are the other words
    /// of a newer software.
    pub subject: Option<EntityRef>,
    /// When it happened, as asserted.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it reached us.
    pub received_at: Option<Timestamp>,
    /// When it was filed and what proves it: what decides "in time".
    #[serde(with = "as_written")]
    #[schemars(with = "Option<Filed>")]
    pub filed: Option<Filed>,
    /// Who did it.
    pub actor: ActorId,
    /// As what.
    pub role: Option<Role>,
    /// At which office.
    pub office: Option<OfficeId>,
    /// How it reached us.
    pub channel: Option<Channel>,
    /// The form and row that it came from.
    pub source_doc: Option<String>,
    /// The event that made it necessary.
    pub causation: Option<EventId>,
    /// The event's data, as recorded.
    #[schemars(with = "serde_json::Value")]
    pub data: Json,
    /// The later entry that corrects this one; the words before it stay readable.
    pub corrected_by: Option<Position>,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// 已登记.
    Registered,
    /// 已转办.
    Referred,
    /// 待补正.
    SupplementAsked,
    /// 已补正, 待答复.
    Supplemented,
    /// 已受理.
    Accepted,
    /// 不予受理.
    Refused,
    /// 已告知他处.
    DirectedElsewhere,
    /// 已撤回.
    Withdrawn,
    /// 已办结.
    Closed,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimRow {
    /// The claim.
    pub claim: ClaimId,
    /// Where it stands.
    pub state: ClaimState,
    /// Who claims.
    pub worker: WorkerId,
    /// Against whom.
    pub employer: EmployerId,
    /// The office that has it now.
    pub office: OfficeId,
    /// The county it concerns.
    pub region: Region,
    /// What is claimed.
    #[serde(with = "as_written")]
    #[schemars(with = "Vec<ClaimItem>")]
    pub items: Vec<ClaimItem>,
    /// How much is claimed.
    pub total: Fen,
    /// What is left of it.
    pub outstanding: Fen,
    /// 有争议: what of the payments on record the claimant says never came.
    pub disputed: Fen,
    /// What decides "in time".
    pub filed_at: Timestamp,
    /// The track that relation and employer kind suggest; an officer decides.
    pub suggested_track: Track,
    /// A date to be safe by, where the rules set one.
    pub safe_date: Option<Date>,
    /// By when the office that has it is to answer, where the rules say so.
    pub answer_by: Option<Date>,
    /// Whether that day passed without an answer.
    pub unanswered: bool,
    /// The case that took it up.
    pub case: Option<CaseId>,
    /// How many pieces of evidence there are.
    pub pieces: u32,
    /// The matter in another system.
    pub external: Option<ExternalRef>,
    /// Claims of the same matter.
    pub linked: Vec<ClaimId>,
    /// Claims of the same wage; an officer looks.
    pub duplicates_suspected: Vec<ClaimId>,
    /// How it ended.
    pub outcome: Option<ClaimOutcome>,
    /// Whether the worker was content when asked afterwards.
    pub satisfied: Option<bool>,
    /// Its last event.
    pub position: Position,
}

/// Evidence in the vault under its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The claim that it is for.
    pub claim: ClaimId,
    /// The hash.
    pub digest: EvidenceDigest,
    /// What kind of file.
    pub media_type: String,
    /// How long.
    pub bytes: u64,
    /// What it shows.
    pub label: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its event.
    pub position: Position,
}

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// 待补正.
    SupplementAsked,
    /// 已补正, 待答复.
    Supplemented,
    /// 不予受理.
    Refused,
    /// 已告知他处.
    DirectedElsewhere,
    /// 终止办理: before it was accepted, its claim was withdrawn, closed, referred or taken on in another case.
    Discontinued,
    /// 已受理.
    Accepted,
    /// 已立案.
    Filed,
    /// 调解达成.
    Mediated,
    /// 调解不成.
    MediationFailed,
    /// 已结案.
    Closed,
}

impl CaseState {
    /// Whether an office still has to act.
    pub fn is_open(self) -> bool {
        match self {
            CaseState::SupplementAsked
            | CaseState::Supplemented
            | CaseState::Accepted
            | CaseState::Filed
            | CaseState::Mediated
            | CaseState::MediationFailed => true,
            CaseState::Refused
            | CaseState::DirectedElsewhere
            | CaseState::Discontinued
            | CaseState::Closed => false,
        }
    }
}

/// Where a deadline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineState {
    /// It runs.
    Running,
    /// What it was for was done in time.
    Met,
    /// A later one stands in its place.
    Extended,
    /// Another stands in its place, or nobody asks for what it was for.
    Superseded,
    /// It passed; this opens a right and closes nothing.
    Lapsed,
    /// The case was closed before it passed.
    Discharged,
}

/// A deadline of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadlineRow {
    /// The row of the rule pack; `supplement` and `document:<number>` for dates that an officer set,
    /// `settlement:<claim>` for the day by which agreed terms are to be paid.
    pub rule: DeadlineOf,
    /// The last day.
    pub last_day: Date,
    /// The date to be safe by.
    pub safe_day: Date,
    /// Where it stands.
    pub state: DeadlineState,
    /// Whether somebody was warned.
    pub warned: bool,
    /// How it was computed; absent for dates that an officer set or the parties agreed on.
    pub trace: Option<DeadlineTrace>,
    /// The event that set it.
    pub set_by: Position,
    /// The event that ended it.
    pub ended_by: Option<Position>,
    /// Who approved the longer period, for one that stands in the place of another.
    pub approved_by: Option<ActorId>,
}

/// Something that waits for a second officer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Whether it is filing or taking up again.
    pub what: Proposed,
    /// Why.
    pub reason: String,
    /// Who asked; the same officer cannot approve.
    pub by: ActorId,
    /// The event.
    pub position: Position,
}

/// What waits for a second officer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proposed {
    /// 立案.
    Filing,
    /// 重新办理.
    Reopening,
}

/// A document that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// What it is.
    pub document: String,
    /// Its number.
    pub number: String,
    /// The hash of its text.
    pub digest: EvidenceDigest,
    /// How it was served.
    pub served: ServiceMode,
    /// When.
    pub served_at: Timestamp,
    /// The date that it sets.
    pub due: Option<Date>,
}

/// Terms that one claimant consented to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settlement {
    /// Whose claim.
    pub claim: ClaimId,
    /// How much.
    pub amount: Fen,
    /// Payable up to and including this date.
    pub pay_by: Date,
    /// On which paper.
    pub paper: SettlementPaper,
    /// Its text.
    pub document: EvidenceDigest,
}

/// A payment seen by the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentSeen {
    /// On which claim.
    pub claim: ClaimId,
    /// How much.
    pub amount: Fen,
    /// What was left of the claim.
    pub outstanding: Fen,
    /// When it happened, as asserted.
    pub at: Timestamp,
}

/// A correction of an earlier entry; both stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correction {
    /// The entry that was wrong.
    pub corrects: EventId,
    /// What stood there.
    pub was: String,
    /// What is right.
    pub is: String,
    /// Why.
    pub reason: String,
    /// The correcting event.
    pub position: Position,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseRow {
    /// The case.
    pub case: CaseId,
    /// Where it stands.
    pub state: CaseState,
    /// The number under which it was accepted or refused.
    pub number: Option<String>,
    /// The number under which it was filed (立案).
    pub filing_number: Option<String>,
    /// The office that has it.
    pub office: Option<OfficeId>,
    /// The officer who answers for it.
    pub officer: Option<ActorId>,
    /// The county it concerns.
    pub region: Region,
    /// Who claims.
    pub worker: Option<WorkerId>,
    /// Against whom.
    pub employer: Option<EmployerId>,
    /// The way it goes.
    pub track: Option<Track>,
    /// What it is about.
    pub claims: Vec<ClaimId>,
    /// What is claimed, all claims together.
    pub total: Fen,
    /// What is left of it.
    pub outstanding: Fen,
    /// 有争议: what of the payments on record the claimant says never came.
    pub disputed: Fen,
    /// Its deadlines, in the order in which they were set.
    pub deadlines: Vec<DeadlineRow>,
    /// What waits for a second officer.
    pub proposal: Option<Proposal>,
    /// What went out.
    pub documents: Vec<Document>,
    /// What was agreed.
    pub settlements: Vec<Settlement>,
    /// What was paid.
    pub payments: Vec<PaymentSeen>,
    /// What was corrected.
    pub corrections: Vec<Correction>,
    /// How it was concluded.
    pub conclusion: Option<Conclusion>,
    /// The reason of its last turn: refusal, closing, reopening.
    pub reason: Option<String>,
    /// When its first event was recorded.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Its last event.
    pub position: Position,
}

impl CaseRow {
    /// What a refold of this case needs.
    pub fn sources(&self) -> Vec<Source> {
        let claims = self.claims.iter().map(|claim| Source::Touching((*claim).into()));
        std::iter::once(Source::Touching(self.case.into())).chain(claims).collect()
    }

    /// The last day of the deadline that runs out first.
    pub fn next_due(&self) -> Option<Date> {
        let running = self.deadlines.iter().filter(|it| it.state == DeadlineState::Running);
        running.map(|it| it.last_day).min()
    }

    pub(super) fn new(case: CaseId, state: CaseState, meta: &Meta) -> CaseRow {
        CaseRow {
            case,
            state,
            number: None,
            filing_number: None,
            office: meta.office,
            officer: None,
            region: meta.region,
            worker: None,
            employer: None,
            track: None,
            claims: Vec::new(),
            total: Fen::ZERO,
            outstanding: Fen::ZERO,
            disputed: Fen::ZERO,
            deadlines: Vec::new(),
            proposal: None,
            documents: Vec::new(),
            settlements: Vec::new(),
            payments: Vec::new(),
            corrections: Vec::new(),
            conclusion: None,
            reason: None,
            opened_at: meta.time,
            closed_at: None,
            position: meta.position,
        }
    }

    pub(super) fn set_deadline(&mut self, meta: &Meta, deadline: &Deadline, approved_by: Option<ActorId>) {
        self.deadlines.push(DeadlineRow {
            rule: deadline.rule.clone(),
            last_day: deadline.last_day,
            safe_day: deadline.safe_day,
            state: DeadlineState::Running,
            warned: false,
            trace: Some(deadline.trace.clone()),
            set_by: meta.position,
            ended_by: None,
            approved_by,
        });
    }

    pub(super) fn set_officers_date(&mut self, meta: &Meta, rule: DeadlineOf, due: Date) {
        self.deadlines.push(DeadlineRow {
            rule,
            last_day: due,
            safe_day: due,
            state: DeadlineState::Running,
            warned: false,
            trace: None,
            set_by: meta.position,
            ended_by: None,
            approved_by: None,
        });
    }

    /// The newest deadline of that rule and day; one that is told of first by its end is entered then.
    pub(super) fn deadline(&mut self, meta: &Meta, rule: &DeadlineOf, last_day: Date) -> &mut DeadlineRow {
        let known = self.deadlines.iter().rposition(|it| it.rule == *rule && it.last_day == last_day);
        let at = known.unwrap_or_else(|| {
            self.set_officers_date(meta, rule.clone(), last_day);
            self.deadlines.len() - 1
        });
        &mut self.deadlines[at]
    }

    pub(super) fn end_deadline(
        &mut self,
        meta: &Meta,
        rule: &DeadlineOf,
        last_day: Date,
        state: DeadlineState,
    ) {
        let deadline = self.deadline(meta, rule, last_day);
        deadline.state = state;
        deadline.ended_by = Some(meta.position);
    }

    /// The running deadline of `rule`, if there is one, ends as `state`.
    pub(super) fn end_running(&mut self, meta: &Meta, rule: &DeadlineOf, state: DeadlineState) {
        let running = |it: &&mut DeadlineRow| it.state == DeadlineState::Running && it.rule == *rule;
        for deadline in self.deadlines.iter_mut().filter(running) {
            (deadline.state, deadline.ended_by) = (state, Some(meta.position));
        }
    }

    /// Nobody asks any more for what it was for, nor would where a closed case is taken up again.
    pub(super) fn ask_no_more(&mut self, meta: &Meta, rule: &DeadlineOf) {
        self.end_running(meta, rule, DeadlineState::Superseded);
        let discharged = |it: &&mut DeadlineRow| it.state == DeadlineState::Discharged && it.rule == *rule;
        for deadline in self.deadlines.iter_mut().filter(discharged) {
            (deadline.state, deadline.ended_by) = (DeadlineState::Superseded, Some(meta.position));
        }
    }

    pub(super) fn turn_deadlines(
        &mut self,
        from: DeadlineState,
        to: DeadlineState,
        ended_by: Option<Position>,
    ) {
        for deadline in self.deadlines.iter_mut().filter(|it| it.state == from) {
            deadline.state = to;
            deadline.ended_by = ended_by;
        }
    }
}

impl ClaimRow {
    /// What a refold of this claim needs.
    pub fn sources(&self) -> Vec<Source> {
        vec![Source::Touching(self.claim.into())]
    }
}
