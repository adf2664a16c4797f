//! 案件卷宗: a case with its claims, every step in order with both clocks, its deadlines and amounts.

use linggong_events::Event;
use linggong_events::case::{CaseEvent, Conclusion, Deadline, ServiceMode, SettlementPaper};
use linggong_events::claim::{ClaimEvent, ClaimItem, ClaimOutcome, ExternalRef, Track};
use linggong_events::codec::as_written;
use linggong_events::envelope::{Channel, Filed, Meta, RawEnvelope};
use linggong_events::event::TYPE_PREFIX;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{
    ActorId, CaseId, ClaimId, EmployerId, EntityRef, EventId, Kind, OfficeId, WorkerId,
};
use linggong_events::measure::{Fen, Position};
use linggong_events::office::Role;
use linggong_events::region::Region;
use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::{Key, Table, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, Snapshot, View};

/// Claims, cases, and every event that touches one.
pub struct CaseHistories;

/// A case as it stands, and how it came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CaseHistory {
    /// The case.
    pub case: CaseRow,
    /// Its claims.
    pub claims: Vec<ClaimRow>,
    /// Every event that touches the case or one of its claims, in the order of recording.
    pub steps: Vec<Step>,
}

/// A claim as it stands, and how it came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClaimHistory {
    /// The claim.
    pub claim: ClaimRow,
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
    /// The entity whose history it belongs to first.
    pub subject: EntityRef,
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
    pub role: Role,
    /// At which office.
    pub office: Option<OfficeId>,
    /// How it reached us.
    pub channel: Channel,
    /// The form and row that it came from.
    pub source_doc: Option<String>,
    /// The event that made it necessary.
    pub causation: Option<EventId>,
    /// The event's data, as recorded.
    #[serde(with = "as_written")]
    #[schemars(with = "Value")]
    pub data: Value,
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
    /// The case that took it up.
    pub case: Option<CaseId>,
    /// Evidence in the vault.
    pub evidence: Vec<Evidence>,
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
}

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// 待补正.
    SupplementAsked,
    /// 不予受理.
    Refused,
    /// 已告知他处.
    DirectedElsewhere,
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
            | CaseState::Accepted
            | CaseState::Filed
            | CaseState::Mediated
            | CaseState::MediationFailed => true,
            CaseState::Refused | CaseState::DirectedElsewhere | CaseState::Closed => false,
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
    /// It passed; this opens a right and closes nothing.
    Lapsed,
    /// The case was closed before it passed.
    Discharged,
}

/// A deadline of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadlineRow {
    /// The row of the rule pack; `supplement` and `document/<number>` for dates that an officer set.
    pub rule: String,
    /// The last day.
    pub last_day: Date,
    /// The date to be safe by.
    pub safe_day: Date,
    /// Where it stands.
    pub state: DeadlineState,
    /// Whether somebody was warned.
    pub warned: bool,
    /// How it was computed; absent for dates that an officer set.
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

    fn new(case: CaseId, state: CaseState, meta: &Meta) -> CaseRow {
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

    fn set_deadline(&mut self, meta: &Meta, deadline: &Deadline, approved_by: Option<ActorId>) {
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

    fn set_officers_date(&mut self, meta: &Meta, rule: String, due: Date) {
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
    fn deadline(&mut self, meta: &Meta, rule: &str, last_day: Date) -> &mut DeadlineRow {
        let known = self.deadlines.iter().rposition(|it| it.rule == rule && it.last_day == last_day);
        let at = known.unwrap_or_else(|| {
            self.set_officers_date(meta, rule.to_owned(), last_day);
            self.deadlines.len() - 1
        });
        &mut self.deadlines[at]
    }

    fn end_deadline(&mut self, meta: &Meta, rule: &str, last_day: Date, state: DeadlineState) {
        let deadline = self.deadline(meta, rule, last_day);
        deadline.state = state;
        deadline.ended_by = Some(meta.position);
    }

    fn turn_deadlines(&mut self, from: DeadlineState, to: DeadlineState, ended_by: Option<Position>) {
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

/// Which cases are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// In this division.
    pub region: Option<Region>,
    /// At this office.
    pub office: Option<OfficeId>,
    /// Of this officer.
    pub officer: Option<ActorId>,
    /// Against this employer.
    pub employer: Option<EmployerId>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// That stand so.
    pub state: Option<CaseState>,
    /// Only those in which an office still has to act, or only the others.
    pub open: Option<bool>,
    /// With a running deadline up to and including this day.
    pub due_by: Option<Date>,
}

impl CaseFilter {
    fn admits(&self, row: &CaseRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.office.is_none_or(|it| row.office == Some(it))
            && self.officer.is_none_or(|it| row.officer == Some(it))
            && self.employer.is_none_or(|it| row.employer == Some(it))
            && self.worker.is_none_or(|it| row.worker == Some(it))
            && self.state.is_none_or(|it| it == row.state)
            && self.open.is_none_or(|it| it == row.state.is_open())
            && self.due_by.is_none_or(|it| row.next_due().is_some_and(|due| due <= it))
    }
}

/// Which claims are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimFilter {
    /// In this division.
    pub region: Option<Region>,
    /// At this office.
    pub office: Option<OfficeId>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// Against this employer.
    pub employer: Option<EmployerId>,
    /// That stand so.
    pub state: Option<ClaimState>,
}

impl ClaimFilter {
    fn admits(&self, row: &ClaimRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.office.is_none_or(|it| it == row.office)
            && self.worker.is_none_or(|it| it == row.worker)
            && self.employer.is_none_or(|it| it == row.employer)
            && self.state.is_none_or(|it| it == row.state)
    }
}

const CASES: Table<CaseRow> = Table::new(1);
const CLAIMS: Table<ClaimRow> = Table::new(2);
/// Claim or case, position.
const STEPS: Table<Step> = Table::new(3);
/// Where an event is, for corrections.
const EVENTS: Table<Position> = Table::new(4);
/// When it was opened, case.
const CASES_BY_TIME: Table<()> = Table::new(5);
/// The next due date, case; only where one runs.
const CASES_BY_DUE: Table<()> = Table::new(6);
/// When it was filed, claim.
const CLAIMS_BY_TIME: Table<()> = Table::new(7);
/// The case of a number.
const NUMBERS: Table<CaseId> = Table::new(8);

fn case(id: CaseId) -> Key<CaseRow> {
    CASES.key().id(id.0)
}

fn claim(id: ClaimId) -> Key<ClaimRow> {
    CLAIMS.key().id(id.0)
}

fn step(of: EntityRef, position: Position) -> Key<Step> {
    STEPS.key().entity(of).position(position)
}

impl View for CaseHistories {
    const NAME: &'static str = "case_history";
    const VERSION: u32 = 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Claim(event) => of_claim(rows, meta, event),
            Event::Case(event) => of_case(rows, meta, event),
            Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Employer(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Hire(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Rules(_) => {}
        }
        if meta.touches.iter().any(is_ours) {
            let data = event.data().ok().and_then(|raw| serde_json::from_str(raw.get()).ok());
            add_step(rows, meta, event.event_type().schema_name(), data, true);
        }
    }

    fn apply_unknown(rows: &mut Rows<'_>, raw: &RawEnvelope) {
        let name = raw.type_name.strip_prefix(TYPE_PREFIX).unwrap_or(&raw.type_name);
        if raw.meta.touches.iter().any(is_ours) {
            let data = serde_json::from_str(raw.data.get()).ok();
            add_step(rows, &raw.meta, name.to_owned(), data, false);
        }
    }
}

/// Adds an event to the history of every claim and case that it touches.
fn add_step(rows: &mut Rows<'_>, meta: &Meta, type_name: String, data: Option<Value>, known: bool) {
    let row = Step {
        position: meta.position,
        event: meta.id,
        type_name,
        known,
        subject: meta.subject,
        occurred_at: meta.occurred_at,
        recorded_at: meta.time,
        received_at: meta.received_at,
        filed: meta.filed,
        actor: meta.actor,
        role: meta.role,
        office: meta.office,
        channel: meta.channel,
        source_doc: meta.source_doc.clone(),
        causation: meta.causation,
        data: data.unwrap_or(Value::Null),
        corrected_by: None,
    };
    rows.put(EVENTS.key().id(meta.id.0), &meta.position);
    for entity in meta.touches.iter().filter(|it| is_ours(it)) {
        rows.put(step(*entity, meta.position), &row);
    }
}

fn is_ours(entity: &EntityRef) -> bool {
    entity.kind == Kind::Claim || entity.kind == Kind::Case
}

fn of_claim(rows: &mut Rows<'_>, meta: &Meta, event: &ClaimEvent) {
    match event {
        ClaimEvent::Registered(it) => {
            let row = ClaimRow {
                claim: it.claim,
                state: ClaimState::Registered,
                worker: it.worker,
                employer: it.employer,
                office: it.office,
                region: meta.region,
                items: it.items.clone(),
                total: it.total,
                outstanding: it.total,
                disputed: it.disputed,
                filed_at: it.filed_at,
                suggested_track: it.suggested_track,
                safe_date: it.safe_date,
                case: None,
                evidence: Vec::new(),
                external: it.external.clone(),
                linked: Vec::new(),
                duplicates_suspected: Vec::new(),
                outcome: None,
                satisfied: None,
                position: meta.position,
            };
            rows.put(CLAIMS_BY_TIME.key().instant(it.filed_at).id(it.claim.0), &());
            rows.put(claim(it.claim), &row);
        }
        ClaimEvent::DuplicateSuspected(it) => {
            change_claim(rows, meta, it.claim, |row| row.duplicates_suspected.push(it.other));
        }
        ClaimEvent::Linked(it) => change_claim(rows, meta, it.claim, |row| row.linked.push(it.other)),
        ClaimEvent::EvidenceAdded(it) => change_claim(rows, meta, it.claim, |row| {
            row.evidence.push(Evidence {
                digest: it.digest,
                media_type: it.media_type.clone(),
                bytes: it.bytes,
                label: it.label.clone(),
                recorded_at: meta.time,
            });
        }),
        ClaimEvent::Referred(it) => change_claim(rows, meta, it.claim, |row| {
            row.state = ClaimState::Referred;
            row.office = it.to;
        }),
        ClaimEvent::AmountChanged(it) => {
            change_claim(rows, meta, it.claim, |row| {
                (row.total, row.outstanding, row.disputed) = (it.total, it.outstanding, it.disputed);
            });
            sum_up(rows, meta, it.claim);
        }
        ClaimEvent::Withdrawn(it) => {
            change_claim(rows, meta, it.claim, |row| row.state = ClaimState::Withdrawn);
        }
        ClaimEvent::Closed(it) => {
            change_claim(rows, meta, it.claim, |row| {
                row.state = ClaimState::Closed;
                row.outcome = Some(it.outcome);
                row.outstanding = it.outstanding;
                row.case = row.case.or(it.case);
            });
            sum_up(rows, meta, it.claim);
        }
        ClaimEvent::FollowedUp(it) => {
            change_claim(rows, meta, it.claim, |row| row.satisfied = Some(it.satisfied));
        }
    }
}

fn of_case(rows: &mut Rows<'_>, meta: &Meta, event: &CaseEvent) {
    match event {
        CaseEvent::Accepted(it) => {
            for id in &it.claims {
                change_claim(rows, meta, *id, |row| {
                    row.state = ClaimState::Accepted;
                    row.case = Some(it.case);
                    row.office = it.office;
                });
            }
            begin(rows, meta, it.case, CaseState::Accepted, |row| {
                row.number = Some(it.number.clone());
                row.office = Some(it.office);
                row.worker = Some(it.worker);
                row.employer = Some(it.employer);
                row.track = Some(it.track);
                row.claims.clone_from(&it.claims);
                // What was to be supplied has been: the office took the case on.
                row.turn_deadlines(DeadlineState::Running, DeadlineState::Met, Some(meta.position));
                it.deadlines.iter().for_each(|deadline| row.set_deadline(meta, deadline, None));
            });
            if let Some(id) = it.claims.first() {
                sum_up(rows, meta, *id);
            }
        }
        CaseEvent::Refused(it) => {
            turn_down(
                rows,
                meta,
                (it.case, it.claim, it.office),
                CaseState::Refused,
                ClaimState::Refused,
                |row| {
                    row.number = Some(it.number.clone());
                    row.reason = Some(it.reason.clone());
                },
            );
        }
        CaseEvent::SupplementAsked(it) => {
            let (case, claim) = (CaseState::SupplementAsked, ClaimState::SupplementAsked);
            turn_down(rows, meta, (it.case, it.claim, it.office), case, claim, |row| {
                row.reason = Some(it.missing.clone());
                row.set_officers_date(meta, "supplement".to_owned(), it.due);
            });
        }
        CaseEvent::DirectedElsewhere(it) => {
            let (case, claim) = (CaseState::DirectedElsewhere, ClaimState::DirectedElsewhere);
            turn_down(rows, meta, (it.case, it.claim, it.office), case, claim, |row| {
                row.reason = Some(it.reason.clone());
            });
        }
        CaseEvent::FilingProposed(it) => propose(rows, meta, it.case, Proposed::Filing, &it.reason),
        CaseEvent::Filed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Filed;
            row.filing_number = Some(it.number.clone());
            row.proposal = None;
            it.deadlines.iter().for_each(|deadline| row.set_deadline(meta, deadline, None));
        }),
        CaseEvent::Assigned(it) => change_case(rows, meta, it.case, |row| row.officer = Some(it.officer)),
        CaseEvent::DocumentIssued(it) => change_case(rows, meta, it.case, |row| {
            if let Some(due) = it.due {
                row.set_officers_date(meta, format!("document/{}", it.number), due);
            }
            row.documents.push(Document {
                document: it.document.clone(),
                number: it.number.clone(),
                digest: it.digest,
                served: it.served,
                served_at: it.served_at,
                due: it.due,
            });
        }),
        CaseEvent::Extended(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.deadline.rule, it.supersedes, DeadlineState::Extended);
            row.set_deadline(meta, &it.deadline, Some(it.approved_by));
        }),
        CaseEvent::DeadlineMet(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.rule, it.last_day, DeadlineState::Met);
        }),
        CaseEvent::DeadlineWarned(it) => change_case(rows, meta, it.case, |row| {
            row.deadline(meta, &it.rule, it.last_day).warned = true;
        }),
        CaseEvent::DeadlineLapsed(it) => change_case(rows, meta, it.case, |row| {
            row.end_deadline(meta, &it.rule, it.last_day, DeadlineState::Lapsed);
        }),
        CaseEvent::Mediated(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Mediated;
            row.settlements.push(Settlement {
                claim: it.claim,
                amount: it.amount,
                pay_by: it.pay_by,
                paper: it.paper,
                document: it.document,
            });
        }),
        CaseEvent::MediationFailed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::MediationFailed;
            row.reason = Some(it.reason.clone());
        }),
        CaseEvent::PaymentSeen(it) => {
            change_claim(rows, meta, it.claim, |row| row.outstanding = it.outstanding);
            change_case(rows, meta, it.case, |row| {
                let (claim, amount, outstanding) = (it.claim, it.amount, it.outstanding);
                row.payments.push(PaymentSeen { claim, amount, outstanding, at: meta.occurred_at });
            });
            sum_up(rows, meta, it.claim);
        }
        CaseEvent::Closed(it) => change_case(rows, meta, it.case, |row| {
            row.state = CaseState::Closed;
            row.conclusion = Some(it.conclusion);
            row.reason = Some(it.reason.clone());
            row.outstanding = it.outstanding;
            row.closed_at = Some(meta.time);
            row.turn_deadlines(DeadlineState::Running, DeadlineState::Discharged, Some(meta.position));
        }),
        CaseEvent::ReopenProposed(it) => propose(rows, meta, it.case, Proposed::Reopening, &it.reason),
        CaseEvent::Reopened(it) => change_case(rows, meta, it.case, |row| {
            let filed = row.filing_number.is_some();
            row.state = if filed { CaseState::Filed } else { CaseState::Accepted };
            row.reason = Some(it.reason.clone());
            (row.conclusion, row.closed_at, row.proposal) = (None, None, None);
            row.turn_deadlines(DeadlineState::Discharged, DeadlineState::Running, None);
        }),
        CaseEvent::Corrected(it) => {
            mark_corrected(rows, meta, it.case, it.corrects);
            change_case(rows, meta, it.case, |row| {
                row.corrections.push(Correction {
                    corrects: it.corrects,
                    was: it.was.clone(),
                    is: it.is.clone(),
                    reason: it.reason.clone(),
                    position: meta.position,
                });
            });
        }
    }
}

/// Changes a case, which begins with this event where it is the first.
fn begin(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, state: CaseState, change: impl FnOnce(&mut CaseRow)) {
    if rows.get(&case(id)).is_none() {
        rows.put(CASES_BY_TIME.key().instant(meta.time).id(id.0), &());
        rows.put(case(id), &CaseRow::new(id, state, meta));
    }
    change_case(rows, meta, id, |row| {
        row.state = state;
        change(row);
    });
}

/// The office does not take a claim on, or not yet.
fn turn_down(
    rows: &mut Rows<'_>,
    meta: &Meta,
    (case_id, claim_id, office): (CaseId, ClaimId, OfficeId),
    state: CaseState,
    claim_state: ClaimState,
    change: impl FnOnce(&mut CaseRow),
) {
    change_claim(rows, meta, claim_id, |row| {
        row.state = claim_state;
        row.case = Some(case_id);
    });
    let of_claim = rows.get(&claim(claim_id));
    begin(rows, meta, case_id, state, |row| {
        row.office = Some(office);
        row.worker = of_claim.as_ref().map(|it| it.worker).or(row.worker);
        row.employer = of_claim.as_ref().map(|it| it.employer).or(row.employer);
        if !row.claims.contains(&claim_id) {
            row.claims.push(claim_id);
        }
        change(row);
    });
    sum_up(rows, meta, claim_id);
}

fn propose(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, what: Proposed, reason: &str) {
    change_case(rows, meta, id, |row| {
        let (reason, by, position) = (reason.to_owned(), meta.actor, meta.position);
        row.proposal = Some(Proposal { what, reason, by, position });
    });
}

fn change_case(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, change: impl FnOnce(&mut CaseRow)) {
    let Some(mut row) = rows.get(&case(id)) else { return };
    let due = |row: &CaseRow| row.next_due().map(|day| CASES_BY_DUE.key().date(day).id(id.0));
    if let Some(key) = due(&row) {
        rows.remove(key);
    }
    change(&mut row);
    row.position = meta.position;
    if let Some(key) = due(&row) {
        rows.put(key, &());
    }
    for number in [&row.number, &row.filing_number].into_iter().flatten() {
        rows.put(NUMBERS.key().word(number), &id);
    }
    rows.put(case(id), &row);
}

fn change_claim(rows: &mut Rows<'_>, meta: &Meta, id: ClaimId, change: impl FnOnce(&mut ClaimRow)) {
    rows.update(claim(id), |row| {
        change(row);
        row.position = meta.position;
    });
}

/// Brings the amounts of the case that took `id` up to those of its claims.
fn sum_up(rows: &mut Rows<'_>, meta: &Meta, id: ClaimId) {
    let Some(case_id) = rows.get(&claim(id)).and_then(|row| row.case) else { return };
    let Some(row) = rows.get(&case(case_id)) else { return };
    let claims: Vec<ClaimRow> = row.claims.iter().filter_map(|id| rows.get(&claim(*id))).collect();
    let sum = |of: fn(&ClaimRow) -> Fen| {
        claims.iter().fold(Fen::ZERO, |sum, claim| sum.plus(of(claim)).unwrap_or(sum))
    };
    let (total, outstanding, disputed) =
        (sum(|it| it.total), sum(|it| it.outstanding), sum(|it| it.disputed));
    change_case(rows, meta, case_id, |row| {
        (row.total, row.outstanding, row.disputed) = (total, outstanding, disputed);
    });
}

fn mark_corrected(rows: &mut Rows<'_>, meta: &Meta, id: CaseId, corrects: EventId) {
    let Some(position) = rows.get(&EVENTS.key().id(corrects.0)) else { return };
    let claims = rows.get(&case(id)).map(|row| row.claims).unwrap_or_default();
    let claims = claims.into_iter().map(EntityRef::from);
    for entity in std::iter::once(EntityRef::from(id)).chain(claims) {
        rows.update(step(entity, position), |step| step.corrected_by = Some(meta.position));
    }
}

fn steps(snapshot: Snapshot<'_>, of: impl Iterator<Item = EntityRef>) -> Result<Vec<Step>, StoreError> {
    let mut steps = std::collections::BTreeMap::new();
    for entity in of {
        snapshot.each(STEPS.key().entity(entity), |_, step| {
            steps.insert(step.position, step);
            Ok(())
        })?;
    }
    Ok(steps.into_values().collect())
}

impl Reader<CaseHistories> {
    /// A case with its claims and every step.
    pub fn case(&self, id: CaseId) -> Result<At<Option<CaseHistory>>, StoreError> {
        self.read(|snapshot| {
            let Some(case) = snapshot.get(&case(id))? else { return Ok(None) };
            let mut claims = Vec::new();
            for id in &case.claims {
                claims.extend(snapshot.get(&claim(*id))?);
            }
            let entities = std::iter::once(EntityRef::from(id));
            let steps = steps(snapshot, entities.chain(case.claims.iter().map(|id| (*id).into())))?;
            Ok(Some(CaseHistory { case, claims, steps }))
        })
    }

    /// The case that was accepted, refused or filed under `number`.
    pub fn numbered(&self, number: &str) -> Result<At<Option<CaseId>>, StoreError> {
        self.read(|snapshot| snapshot.get(&NUMBERS.key().word(number)))
    }

    /// A claim with every step.
    pub fn claim(&self, id: ClaimId) -> Result<At<Option<ClaimHistory>>, StoreError> {
        self.read(|snapshot| {
            let Some(claim) = snapshot.get(&claim(id))? else { return Ok(None) };
            let steps = steps(snapshot, std::iter::once(id.into()))?;
            Ok(Some(ClaimHistory { claim, steps }))
        })
    }

    /// Cases by the time they were opened.
    pub fn cases(&self, filter: &CaseFilter, page: &PageRequest) -> Result<At<Page<CaseRow>>, StoreError> {
        self.list(CASES_BY_TIME.key(), filter, page)
    }

    /// Cases with a running deadline, the next one first.
    pub fn due(&self, filter: &CaseFilter, page: &PageRequest) -> Result<At<Page<CaseRow>>, StoreError> {
        self.list(CASES_BY_DUE.key(), filter, page)
    }

    /// Claims by the time they were filed.
    pub fn claims(&self, filter: &ClaimFilter, page: &PageRequest) -> Result<At<Page<ClaimRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(CLAIMS_BY_TIME.key(), page, |key, ()| {
                Ok(snapshot.get(&claim(ClaimId(last_id(key))))?.filter(|row| filter.admits(row)))
            })
        })
    }

    fn list(
        &self,
        prefix: Key<()>,
        filter: &CaseFilter,
        page: &PageRequest,
    ) -> Result<At<Page<CaseRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                Ok(snapshot.get(&case(CaseId(last_id(key))))?.filter(|row| filter.admits(row)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::{AsOf, refold};
    use crate::testing::{self, Ledger, date, trace};
    use linggong_events::case::{
        Accepted, Closed, Corrected, DeadlineLapsed, DeadlineMet, DeadlineWarned, DocumentIssued, Extended,
        FilingProposed, Mediated, ReopenProposed, Reopened, SupplementAsked,
    };
    use linggong_events::claim::{self, Referred};
    use linggong_events::envelope::Recorded;

    fn registered(n: u128, total: i64) -> claim::Registered {
        claim::Registered {
            claim: testing::claim(n),
            worker: testing::worker(n),
            employer: testing::employer(1),
            office: testing::office(1),
            items: vec![ClaimItem {
                wage: None,
                hire: None,
                amount: Fen(total),
                from: date("2026-11-22"),
                until: date("2026-11-22"),
            }],
            total: Fen(total),
            filed_at: date("2026-11-23").at_minute(1438),
            disputed: Fen::ZERO,
            suggested_track: Track::Supervision,
            receipt_text: "回执".into(),
            safe_date: Some(date("2027-11-23")),
            safe_trace: None,
            statement: None,
            external: None,
            mandate: None,
        }
    }

    fn deadline(rule: &str, last_day: &str) -> Deadline {
        let (last_day, trace) = (date(last_day), trace(rule, "2026-11-25", last_day));
        Deadline { rule: rule.into(), last_day, safe_day: last_day.plus_days(-1), trace }
    }

    fn accepted(deadlines: Vec<Deadline>) -> Accepted {
        Accepted {
            case: testing::case(1),
            claims: vec![testing::claim(1), testing::claim(2)],
            worker: testing::worker(1),
            employer: testing::employer(1),
            office: testing::office(2),
            number: "历下人社监受〔2026〕1号".into(),
            track: Track::Supervision,
            deadlines,
            warn_days: vec![3],
        }
    }

    /// Two claims are registered and referred, then accepted as one case with two deadlines.
    fn one_case() -> Ledger {
        let mut ledger = Ledger::new();
        ledger.at("2026-11-24", 540);
        let (from, to) = (testing::office(1), testing::office(2));
        for n in [1, 2] {
            ledger.record(registered(n, 28_000 * n as i64));
            ledger.record(Referred { claim: testing::claim(n), from, to, reason: "用工地".into() });
        }
        ledger.at("2026-11-25", 600);
        ledger.record(accepted(vec![
            deadline("sup.accept", "2026-12-01"),
            deadline("sup.investigate", "2027-02-20"),
        ]));
        ledger
    }

    fn history(ledger: &Ledger) -> CaseHistory {
        refold::<CaseHistories>(&ledger.events).case(testing::case(1)).unwrap().value.unwrap()
    }

    fn states(history: &CaseHistory) -> Vec<(&str, String, DeadlineState)> {
        let deadlines = history.case.deadlines.iter();
        deadlines.map(|it| (it.rule.as_str(), it.last_day.to_string(), it.state)).collect()
    }

    #[test]
    fn a_case_tells_the_story_of_its_claims_from_before_it_was_a_case() {
        let history = history(&one_case());
        let steps: Vec<_> =
            history.steps.iter().map(|step| (step.position.0, step.type_name.as_str())).collect();
        let expected = [
            (1, "claim.registered.v1"),
            (2, "claim.referred.v1"),
            (3, "claim.registered.v1"),
            (4, "claim.referred.v1"),
            (5, "case.accepted.v1"),
        ];
        assert_eq!(steps, expected, "the acceptance touches three entities and is one step");
        assert_eq!((history.case.total, history.case.outstanding), (Fen(84_000), Fen(84_000)));
        assert!(history.claims.iter().all(|claim| claim.state == ClaimState::Accepted));
        assert_eq!(history.steps[0].data["total"], 28_000);
    }

    #[test]
    fn both_clocks_of_a_step_are_shown() {
        let mut ledger = one_case();
        let occurred = date("2026-11-20").at_minute(600);
        ledger.meta_of(Position(1), |meta| meta.occurred_at = occurred);
        let step = history(&ledger).steps[0].clone();
        assert_eq!((step.occurred_at, step.recorded_at), (occurred, date("2026-11-24").at_minute(540)));
    }

    #[test]
    fn deadlines_run_are_met_are_extended_and_lapse() {
        use DeadlineState::{Extended as Longer, Lapsed, Met, Running};
        let case = testing::case(1);
        let mut ledger = one_case();
        let met = |rule: &str, day| DeadlineMet { case, rule: rule.into(), last_day: date(day) };
        ledger.record(met("sup.accept", "2026-12-01"));
        let (rule, last_day) = (String::from("sup.investigate"), date("2027-02-20"));
        ledger.record(DeadlineWarned { case, rule, last_day });
        ledger.record(Extended {
            case,
            deadline: deadline("sup.investigate", "2027-04-05"),
            supersedes: last_day,
            reason: "案情复杂".into(),
            approved_by: testing::actor(9),
            warn_days: vec![3],
        });
        let history_now = history(&ledger);
        let expected = [
            ("sup.accept", "2026-12-01".into(), Met),
            ("sup.investigate", "2027-02-20".into(), Longer),
            ("sup.investigate", "2027-04-05".into(), Running),
        ];
        assert_eq!(states(&history_now), expected);
        assert_eq!(history_now.case.next_due(), Some(date("2027-04-05")));
        assert!(history_now.case.deadlines[1].warned && !history_now.case.deadlines[2].warned);
        assert_eq!(history_now.case.deadlines[2].approved_by, Some(testing::actor(9)));

        let (rule, last_day) = (String::from("sup.investigate"), date("2027-04-05"));
        ledger.record(DeadlineLapsed { case, rule, last_day });
        assert_eq!(states(&history(&ledger))[2].2, Lapsed);
        assert_eq!(history(&ledger).case.state, CaseState::Accepted, "lapsing closes nothing");
    }

    #[test]
    fn an_officers_own_date_is_a_deadline_too() {
        let mut ledger = one_case();
        ledger.record(DocumentIssued {
            case: testing::case(1),
            document: "限期改正指令书".into(),
            number: "3".into(),
            digest: testing::EVIDENCE,
            served: ServiceMode::Direct,
            served_at: date("2026-11-26").at_minute(600),
            warn_days: vec![3],
            due: Some(date("2026-11-30")),
        });
        assert_eq!(history(&ledger).case.next_due(), Some(date("2026-11-30")));
        let view = refold::<CaseHistories>(&ledger.events);
        let due = |day| {
            let filter = CaseFilter { due_by: Some(date(day)), ..CaseFilter::default() };
            view.due(&filter, &PageRequest::first(10)).unwrap().value.rows.len()
        };
        assert_eq!((due("2026-11-29"), due("2026-11-30")), (0, 1));
    }

    #[test]
    fn payment_seen_on_one_claim_leaves_the_other_in_the_sum() {
        let (case, claim) = (testing::case(1), testing::claim(1));
        let mut ledger = one_case();
        ledger.record(Mediated {
            case,
            claim,
            worker: testing::worker(1),
            employer: testing::employer(1),
            amount: Fen(28_000),
            pay_by: date("2026-12-10"),
            paper: SettlementPaper::MediationAgreement,
            document: testing::EVIDENCE,
        });
        let (amount, outstanding) = (Fen(28_000), Fen::ZERO);
        ledger.record(linggong_events::case::PaymentSeen { case, claim, amount, outstanding });
        let history = history(&ledger);
        assert_eq!((history.case.total, history.case.outstanding), (Fen(84_000), Fen(56_000)));
        assert_eq!(history.case.settlements[0].amount, Fen(28_000));
        assert_eq!(history.claims[0].outstanding, Fen::ZERO);
    }

    #[test]
    fn closing_discharges_what_runs_and_reopening_lets_it_run_again() {
        let case = testing::case(1);
        let mut ledger = one_case();
        let (conclusion, reason) = (Conclusion::Paid, String::from("已付清"));
        ledger.record(Closed { case, conclusion, reason, outstanding: Fen::ZERO });
        let closed = history(&ledger);
        assert_eq!(closed.case.state, CaseState::Closed);
        assert!(closed.case.closed_at.is_some() && closed.case.next_due().is_none());
        ledger.record(ReopenProposed { case, reason: "未到账".into() });
        let proposal = history(&ledger).case.proposal.unwrap();
        assert_eq!((proposal.what, proposal.by), (Proposed::Reopening, testing::actor(1)));
        ledger.record(Reopened { case, reason: "未到账".into(), proposed_by: testing::actor(1) });
        let open = history(&ledger);
        assert_eq!((open.case.state, open.case.proposal), (CaseState::Accepted, None));
        assert_eq!(open.case.deadlines[0].state, DeadlineState::Running);
    }

    #[test]
    fn a_correction_is_visible_and_so_is_what_it_corrects() {
        let mut ledger = one_case();
        let corrects = ledger.id_of(Position(1));
        let (was, is) = (String::from("180"), String::from("1800"));
        let at =
            ledger.record(Corrected { case: testing::case(1), corrects, was, is, reason: "笔误".into() });
        let history = history(&ledger);
        assert_eq!(history.steps[0].corrected_by, Some(at));
        assert_eq!(history.steps[0].data["total"], 28_000, "the words before stay readable");
        assert_eq!((history.case.corrections[0].was.as_str(), history.steps[1].corrected_by), ("180", None));
    }

    #[test]
    fn a_supplement_is_asked_for_before_a_case_is_accepted() {
        let mut ledger = Ledger::new();
        ledger.record(registered(1, 28_000));
        ledger.record(SupplementAsked {
            case: testing::case(1),
            claim: testing::claim(1),
            worker: testing::worker(1),
            employer: testing::employer(1),
            office: testing::office(2),
            missing: "工资凭证".into(),
            due: date("2026-12-05"),
            warn_days: vec![3],
        });
        let asked = history(&ledger);
        assert_eq!(
            (asked.case.state, asked.case.next_due()),
            (CaseState::SupplementAsked, Some(date("2026-12-05")))
        );
        assert_eq!(asked.case.worker, Some(testing::worker(1)));
        ledger.record(registered(2, 28_000));
        ledger.record(accepted(Vec::new()));
        let accepted = history(&ledger);
        assert_eq!((accepted.case.state, accepted.case.next_due()), (CaseState::Accepted, None));
    }

    #[test]
    fn a_case_can_be_read_as_it_was_known_or_as_it_had_happened() {
        let case = testing::case(1);
        let mut ledger = one_case();
        // It happened before the acceptance was recorded, and was told later.
        let late = ledger.record(FilingProposed { case, reason: "补录".into() });
        ledger.meta_of(late, |meta| meta.occurred_at = date("2026-11-25").at_minute(601));
        ledger.meta_of(late, |meta| meta.time = date("2026-11-28").at_minute(600));
        let proposed = |as_of: AsOf| {
            let events: Vec<&Recorded> =
                ledger.events.iter().filter(|event| as_of.includes(event.meta())).collect();
            let history = refold::<CaseHistories>(events).case(case).unwrap().value;
            history.map(|history| history.case.proposal.is_some())
        };
        let noon = date("2026-11-26").at_minute(720);
        assert_eq!(proposed(AsOf::Known(noon)), Some(false));
        assert_eq!(proposed(AsOf::Happened(noon)), Some(true));
        assert_eq!(proposed(AsOf::KnownAt(late)), Some(true));
        assert_eq!(proposed(AsOf::KnownAt(Position(4))), None, "there was no case yet");
    }

    #[test]
    fn an_unknown_event_about_a_claim_is_a_step_shown_raw() {
        let mut ledger = one_case();
        ledger.record_unknown("cn.linggong.claim.appraised.v3", testing::claim(2).into());
        let step = history(&ledger).steps.pop().unwrap();
        assert_eq!((step.type_name.as_str(), step.known), ("claim.appraised.v3", false));
        assert_eq!(step.data["what"], "unheard of");
    }

    #[test]
    fn cases_and_claims_are_listed_by_office_and_state() {
        let ledger = one_case();
        let view = refold::<CaseHistories>(&ledger.events);
        let page = PageRequest::first(10);
        let of = |office| CaseFilter { office: Some(office), open: Some(true), ..CaseFilter::default() };
        assert_eq!(view.cases(&of(testing::office(2)), &page).unwrap().value.rows.len(), 1);
        assert!(view.cases(&of(testing::office(1)), &page).unwrap().value.rows.is_empty());
        let accepted = ClaimFilter { state: Some(ClaimState::Accepted), ..ClaimFilter::default() };
        assert_eq!(view.claims(&accepted, &page).unwrap().value.rows.len(), 2);
        let numbered = view.numbered("历下人社监受〔2026〕1号").unwrap().value;
        assert_eq!(numbered, Some(testing::case(1)));
    }
}
