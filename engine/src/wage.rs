//! 工钱: what a hire earns, until it is paid. Money changes only by events; each carries what is left.

mod paid;

use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::HireTerms;
use linggong_events::id::{
    AttendanceId, CaseId, CommandId, EmployerId, EventId, HireId, Kind, WageId, WorkerId, new_id,
};
use linggong_events::measure::{Fen, MAX_JSON_INTEGER};
use linggong_events::office::Role;
use linggong_events::posting::{PayDue, PayKind, PayTerms, RelationKind};
use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{DAY_MS, Date, Shift, Timestamp};
use linggong_events::wage::{
    Adjusted, Corrected, DemandMeans, Demanded, Due as WageDue, Overdue, OwedNoteGiven, Paid, PaidToThird,
    PayMeans, PaymentContradicted, PaymentDetermined, PresumedDue, ReceiptConfirmed, ThirdParty, WageBasis,
    WageEvent,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::attendance::{self, Attendance, Finding};
use crate::command::{Context, commands};
use crate::hire::Stage;
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::wage::paid::Money;
use crate::{case, claim, text};

/// Stands for the event that a decision is about to make, where the reckoning asks for one.
const NOT_WRITTEN_YET: EventId = EventId(Uuid::nil());
/// How long before the first shift money may have been given for it: whoever is told of more has mistyped the year.
const ADVANCE_DAYS: i64 = 31;

commands! {
    /// What can be asked about wages.
    WageCommand: Wage {
        /// Enters a wage by the wage sheet or, at the desk, by the worker's word.
        StateDue = "state_due", [Employer, Clerk, Dispatcher, MarketManager, CaseOfficer] => {
            hire: HireId, amount: Fen, basis: WageBasis,
        } + optional {
            /// Which shift of the hire, from 0; absent: the first.
            shift: u32,
        }
        /// Finds the amount to be another; an employer alone may only raise it.
        Adjust = "adjust", [Employer, Clerk, Dispatcher, MarketManager, CaseOfficer] => {
            wage: WageId, amount: Fen, basis: WageBasis, reason: String,
        }
        /// Records money that reached the worker; the evidence is in the vault already.
        RecordPayment = "record_payment", [Employer, Clerk, Dispatcher, MarketManager, CaseOfficer] => {
            wage: WageId, amount: Fen, means: PayMeans, at: Timestamp, evidence: EvidenceDigest,
        } + optional {
            /// `sha256:…` of the paper with the worker's own signature or thumb print; a desk states it that saw it.
            signature: EvidenceDigest,
        }
        /// Records money that went to somebody else; it does not discharge.
        RecordPaymentToThird = "record_payment_to_third",
            [Employer, Worker, CrewLeader, Clerk, Dispatcher, MarketManager, CaseOfficer] => {
            wage: WageId, amount: Fen, to: ThirdParty, at: Timestamp,
        } + optional { to_employer: EmployerId, evidence: EvidenceDigest }
        /// Says how much the worker has received for this wage in all.
        ConfirmReceipt = "confirm_receipt", [Worker, Clerk, Dispatcher, CaseOfficer] => { wage: WageId, amount: Fen }
        /// Says, for the worker, that less of a recorded payment came, or nothing; no crew leader says so, who may be the
        /// one that it went to.
        ContradictPayment = "contradict_payment", [Worker, Clerk, Dispatcher, CaseOfficer, Mediator] => {
            wage: WageId,
            /// The event that recorded the payment.
            payment: EventId,
            /// What came of it, from nothing to less than was recorded.
            received: Fen,
        } + optional { evidence: EvidenceDigest }
        /// Finds how much has been paid for this wage in all, whatever either side says.
        DeterminePayment = "determine_payment", [CaseOfficer, CaseLead] => {
            wage: WageId, paid: Fen,
            /// On what law and evidence it rests.
            basis: String,
        } + optional {
            /// The case in which it was found; needed where one is accepted about this wage.
            case: CaseId, evidence: EvidenceDigest,
        }
        /// 催告: demands what is outstanding.
        Demand = "demand", [Worker, CrewLeader, Clerk, Dispatcher, CaseOfficer, Mediator] => {
            wage: WageId, means: DemandMeans,
        } + optional {
            /// `sha256:…` of what proves that the demand arrived.
            proof: EvidenceDigest,
        }
        /// Records a 欠条 that the employer signed.
        RecordOwedNote = "record_owed_note", [Worker, Employer, Clerk, Dispatcher, CaseOfficer, Mediator] => {
            wage: WageId, amount: Fen, evidence: EvidenceDigest,
        }
        /// Puts the sum of an earlier entry right; both stay readable.
        Correct = "correct", [Clerk, Dispatcher, MarketManager, CaseOfficer] => {
            wage: WageId, corrects: EventId, amount: Fen, reason: String,
        }
    }
}

/// A wage on the books.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wage {
    pub(crate) hire: HireId,
    pub(crate) worker: WorkerId,
    pub(crate) employer: EmployerId,
    pub(crate) amount: Fen,
    pub(crate) basis: WageBasis,
    pub(crate) due_on: Date,
    money: Money,
    /// The event that set the amount in force.
    amount_set_by: EventId,
    /// When the wage will be overdue, while anything is outstanding and it is not.
    overdue_at: Option<Timestamp>,
    /// Whether the date passed with money outstanding that still is.
    pub(crate) overdue: bool,
    /// Whether it was ever overdue.
    was_overdue: bool,
}

/// The wage of a shift; one for the whole hire where a task is paid.
pub fn wage_id(hire: HireId, pay_kind: PayKind, shift: u32) -> WageId {
    let nth = match pay_kind {
        PayKind::Day | PayKind::Hour | PayKind::Piece => shift,
        PayKind::Task => 0,
    };
    WageId(new_id(CommandId(hire.0), Kind::Wage.name(), nth))
}

/// Pay by the hour for some minutes, rounded up to the fen.
pub(crate) fn by_minutes(rate: Fen, minutes: i64) -> Fen {
    let fen = (i128::from(rate.0) * i128::from(minutes) + 59) / 60;
    Fen(i64::try_from(fen).unwrap_or(MAX_JSON_INTEGER).min(MAX_JSON_INTEGER))
}

/// What the terms alone come to for a shift; nothing for piece-work whose usual day nobody stated.
pub(crate) fn by_terms(pay: &PayTerms, shift: Shift) -> Option<Fen> {
    match pay.pay_kind {
        PayKind::Day | PayKind::Task => Some(pay.rate),
        PayKind::Hour => Some(by_minutes(pay.rate, shift.minutes())),
        PayKind::Piece => pay.usual_day,
    }
}

impl Wage {
    /// What counts as paid.
    pub(crate) fn paid(&self) -> Fen {
        self.money.paid()
    }

    /// What of the payments on record the worker says never came.
    pub(crate) fn disputed(&self) -> Fen {
        self.money.disputed()
    }

    /// What is left; never below zero, also where the amount was lowered after payment.
    pub(crate) fn outstanding(&self) -> Fen {
        left(self.amount, self.paid())
    }
}

fn left(amount: Fen, paid: Fen) -> Fen {
    amount.minus(paid).map_or(Fen::ZERO, |left| left.max(Fen::ZERO))
}

impl State {
    pub(crate) fn wage(&self, id: WageId) -> Result<&Wage, Refusal> {
        self.wages.get(&id).ok_or_else(|| Refusal::unknown(id))
    }
}

/// Until when a wage is payable for work that was complete on `completed`: as agreed, and no later than the law lets
/// anybody agree.
fn due_on(terms: &HireTerms, completed: Date, rules: &RuleBook) -> (Date, DeadlineTrace) {
    let (date, trace) = agreed_due_on(&terms.pay, completed, rules);
    if terms.relation != RelationKind::PartTime {
        return (date, trace);
    }
    // 劳动合同法 72: part-time work is settled and paid within fifteen days.
    match case::period(rules, "pay.hourly_settlement", completed) {
        Ok(latest) if latest.trace.verified && latest.last_day < date => (latest.last_day, latest.trace),
        Ok(_) | Err(_) => (date, trace),
    }
}

fn agreed_due_on(pay: &PayTerms, completed: Date, rules: &RuleBook) -> (Date, DeadlineTrace) {
    let agreed = |last_day: Date, days: i64| DeadlineTrace {
        rule: "hire.terms".into(),
        citation: "用工约定".into(),
        packs: rules.names().to_vec(),
        trigger: completed,
        length: format!("{days} nd"),
        counted_to: last_day,
        last_day,
        verified: false,
    };
    let by_row = |row: &str, date: Date| match case::period(rules, row, date) {
        // A pay date rolls back over a rest day, yet nobody is paid before the work is done.
        Ok(deadline) if deadline.trace.verified => (deadline.last_day.max(completed), deadline.trace),
        // What no verified rule moves is due as agreed.
        Ok(_) | Err(_) => (date, agreed(date, date.days() - completed.days())),
    };
    match pay.due {
        PayDue::OnCompletion {} => by_row("pay.one_off", completed),
        PayDue::OnDate { date } => by_row("pay.date", date.max(completed)),
        PayDue::WithinDays { days } => {
            let last_day = completed.plus_days(i64::from(days));
            (last_day, agreed(last_day, i64::from(days)))
        }
    }
}

/// The wage that attendance comes to, or its adjustment where the machine had found another.
pub(crate) fn earned(state: &State, known: &Attendance, finding: Finding, rules: &RuleBook) -> Option<Event> {
    let hire = state.hires.get(&known.hire)?;
    let (amount, basis, reason) = match finding {
        Finding::Attendance(amount) => (amount, WageBasis::Attendance, "考勤已补报"),
        Finding::Contradicted(amount) => {
            (amount, WageBasis::HireTerms, "考勤说法不一: 先按用工约定计, 由工作人员核定")
        }
        Finding::Denied(amount) => {
            (amount, WageBasis::Attendance, "计件说法不一: 先不按用工方所说减少, 由工作人员核定")
        }
        Finding::Admitted(amount) => {
            (amount, WageBasis::HireTerms, "只有用工方说少于约定: 先按用工约定计, 待零工或工作人员说明")
        }
    };
    let wage = wage_id(known.hire, hire.terms.pay.pay_kind, known.index);
    let (worker, employer) = (hire.terms.worker, hire.terms.employer);
    let Some(on_books) = state.wages.get(&wage) else {
        let (due_on, trace) = due_on(&hire.terms, known.completed_on(), rules);
        let (hire, date, outstanding) = (known.hire, known.shift.work_date(), amount);
        let due = WageDue { wage, hire, worker, employer, amount, outstanding, basis, date, due_on, trace };
        return Some(due.into());
    };
    match on_books.basis {
        // People have settled the amount: words that come later are for them to weigh.
        WageBasis::WageSheet | WageBasis::WorkerAssertion => return None,
        WageBasis::Attendance | WageBasis::HireTerms => {}
    }
    if (on_books.amount, on_books.basis) == (amount, basis) {
        return None;
    }
    let (hire, outstanding) = (known.hire, left(amount, on_books.paid()));
    let reason = reason.into();
    Some(Adjusted { wage, hire, worker, employer, amount, outstanding, basis, reason }.into())
}

/// The wage of a shift that nobody signed out of, unless it is on the books by somebody's word.
pub(crate) fn presumed(
    state: &State,
    attendance: AttendanceId,
    known: &Attendance,
    rules: &RuleBook,
) -> Option<Event> {
    let terms = &state.hires.get(&known.hire)?.terms;
    let wage = wage_id(known.hire, terms.pay.pay_kind, known.index);
    if state.wages.contains_key(&wage) {
        return None;
    }
    // Piece-work whose usual day nobody stated is presumed due all the same, so that somebody asks the worker.
    let amount = by_terms(&terms.pay, known.shift).unwrap_or_default();
    let (due_on, trace) = due_on(terms, known.completed_on(), rules);
    let presumed = PresumedDue {
        wage,
        attendance,
        hire: known.hire,
        worker: terms.worker,
        employer: terms.employer,
        amount,
        outstanding: amount,
        date: known.shift.work_date(),
        due_on,
        trace,
    };
    Some(presumed.into())
}

/// The pay of a task, due because the hire ended on `date`.
pub(crate) fn of_ended_hire(state: &State, hire_id: HireId, date: Date, rules: &RuleBook) -> Vec<Event> {
    let Some(hire) = state.hires.get(&hire_id) else { return Vec::new() };
    let terms = &hire.terms;
    let wage = wage_id(hire_id, terms.pay.pay_kind, 0);
    if terms.pay.pay_kind != PayKind::Task || state.wages.contains_key(&wage) {
        return Vec::new();
    }
    let (due_on, trace) = due_on(terms, date, rules);
    let (hire, worker, employer, amount) = (hire_id, terms.worker, terms.employer, terms.pay.rate);
    let (outstanding, basis) = (amount, WageBasis::HireTerms);
    vec![WageDue { wage, hire, worker, employer, amount, outstanding, basis, date, due_on, trace }.into()]
}

pub(crate) fn decide(
    state: &State,
    command: &WageCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        WageCommand::StateDue(it) => state_due(state, it, context),
        WageCommand::Adjust(it) => adjust(state, it, context),
        WageCommand::RecordPayment(it) => record_payment(state, it, context),
        WageCommand::RecordPaymentToThird(it) => record_payment_to_third(state, it, context),
        WageCommand::ConfirmReceipt(it) => confirm_receipt(state, it, context),
        WageCommand::ContradictPayment(it) => contradict_payment(state, it, context),
        WageCommand::DeterminePayment(it) => determine_payment(state, it, context),
        WageCommand::Demand(it) => demand(state, it, context),
        WageCommand::RecordOwedNote(it) => record_owed_note(state, it, context),
        WageCommand::Correct(it) => correct(state, it, context),
    }
}

/// The wage, for an actor who has a relation to it.
fn own<'a>(state: &'a State, id: WageId, context: &Context<'_>) -> Result<&'a Wage, Refusal> {
    let wage = state.wage(id)?;
    relation::check(state, context.actor, &Sides::of_hire(&state.hire(wage.hire)?.terms))?;
    Ok(wage)
}

/// What an accepted case is about is found to be less by an officer of that case alone.
fn check_may_lower(state: &State, id: WageId, known: &Wage, context: &Context<'_>) -> Result<(), Refusal> {
    match case::accepted_about(state, id) {
        Some(case) if context.actor.role != Role::CaseOfficer => Err(Refusal::OnHold { entity: case.into() }),
        Some(case) => case::check_finder(state, id, known, Some(case), context.actor),
        None => Ok(()),
    }
}

/// Money that was given when, asserted as it is, has to do with this hire: an advance comes a month before it at most.
fn check_paid_at(state: &State, known: &Wage, at: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    context.check_past(at)?;
    if at < state.hire(known.hire)?.first_start().plus_ms(-ADVANCE_DAYS * DAY_MS) {
        return Err(Refusal::bad_field(
            "at",
            format!("lies more than {ADVANCE_DAYS} days before the first shift"),
        ));
    }
    Ok(())
}

/// The civil date of the shift that the wage is for; of a task, of its first.
fn work_date(state: &State, id: WageId, known: &Wage) -> Result<Date, Refusal> {
    let hire = state.hire(known.hire)?;
    let kind = hire.terms.pay.pay_kind;
    let mut shifts = (0..).zip(&hire.terms.shifts);
    let own = shifts.find(|(nth, _)| wage_id(known.hire, kind, *nth) == id).map(|(_, shift)| *shift);
    let shift = match kind {
        PayKind::Day | PayKind::Hour | PayKind::Piece => own.unwrap_or(hire.first_shift()),
        PayKind::Task => hire.first_shift(),
    };
    Ok(shift.work_date())
}

fn check_positive(amount: Fen) -> Result<(), Refusal> {
    if (1..=MAX_JSON_INTEGER).contains(&amount.0) { Ok(()) } else { Err(Refusal::BadAmount { amount }) }
}

/// People state a wage sheet; the desk may also write down what the worker says.
fn check_basis(basis: WageBasis, context: &Context<'_>) -> Result<(), Refusal> {
    match basis {
        WageBasis::WageSheet => Ok(()),
        WageBasis::WorkerAssertion if context.actor.role != Role::Employer => Ok(()),
        WageBasis::WorkerAssertion => Err(Refusal::bad_field("basis", "is not the employer's to state")),
        WageBasis::Attendance | WageBasis::HireTerms => {
            Err(Refusal::bad_field("basis", "follows from attendance and terms and cannot be stated"))
        }
    }
}

fn state_due(state: &State, it: &StateDue, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hire = state.hire(it.hire)?;
    let terms = &hire.terms;
    relation::check(state, context.actor, &Sides::of_hire(terms))?;
    check_positive(it.amount)?;
    check_basis(it.basis, context)?;
    let nth = it.shift.unwrap_or_default();
    let none = || Refusal::bad_field("shift", "is none of this hire");
    let known = state.attendance(attendance::attendance_id(it.hire, nth)).map_err(|_| none())?;
    if known.shift.start() > context.now {
        return Err(Refusal::TooEarly { at: known.shift.start() });
    }
    let wage = wage_id(it.hire, terms.pay.pay_kind, nth);
    if state.wages.contains_key(&wage) {
        return Err(Refusal::not_possible(wage, "on the books already: adjust it"));
    }
    // As with `adjust`: a debtor may admit more than was agreed, never decide alone that it is less.
    let agreed = by_terms(&terms.pay, known.shift);
    if context.actor.role == Role::Employer && agreed.is_none_or(|agreed| it.amount < agreed) {
        return Err(Refusal::RoleNotAllowed);
    }
    let date = match (terms.pay.pay_kind, hire.stage) {
        (PayKind::Task, Stage::Ended { on, .. }) => on,
        (PayKind::Task, Stage::Agreed | Stage::Started { .. } | Stage::Void(_)) => context.now.date(),
        (PayKind::Day | PayKind::Hour | PayKind::Piece, _) => known.shift.work_date(),
    };
    let (due_on, trace) = due_on(terms, known.completed_on().max(date), context.rules);
    let (hire, worker, employer, amount, basis) =
        (it.hire, terms.worker, terms.employer, it.amount, it.basis);
    let outstanding = amount;
    Ok(vec![WageDue { wage, hire, worker, employer, amount, outstanding, basis, date, due_on, trace }.into()])
}

fn adjust(state: &State, it: &Adjust, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    text::check("reason", &it.reason, text::LINE)?;
    check_basis(it.basis, context)?;
    if !(0..=MAX_JSON_INTEGER).contains(&it.amount.0) {
        return Err(Refusal::BadAmount { amount: it.amount });
    }
    // A debtor may admit more, never decide alone that it is less.
    if context.actor.role == Role::Employer && it.amount < known.amount {
        return Err(Refusal::RoleNotAllowed);
    }
    if (known.amount, known.basis) == (it.amount, it.basis) {
        return Ok(Vec::new());
    }
    if it.amount < known.amount {
        check_may_lower(state, it.wage, known, context)?;
    }
    let adjusted = Adjusted {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        amount: it.amount,
        outstanding: left(it.amount, known.paid()),
        basis: it.basis,
        reason: it.reason.clone(),
    };
    Ok(vec![adjusted.into()])
}

fn record_payment(state: &State, it: &RecordPayment, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    check_positive(it.amount)?;
    check_paid_at(state, known, it.at, context)?;
    // Whoever owes does not attest what the worker signed.
    if it.signature.is_some() && !context.actor.is_staff() {
        return Err(Refusal::bad_field("signature", "is for a desk to state that saw the paper"));
    }
    let outstanding = known.outstanding();
    if it.amount > outstanding {
        return Err(Refusal::MoreThanOwed { outstanding });
    }
    let after = known.after(|money| money.record(NOT_WRITTEN_YET, it.amount, it.at, it.signature.is_some()));
    let paid = Paid {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        amount: it.amount,
        outstanding: after.outstanding(),
        means: it.means,
        at: it.at,
        evidence: it.evidence,
        signature: it.signature,
    };
    Ok(vec![paid.into()])
}

fn record_payment_to_third(
    state: &State,
    it: &RecordPaymentToThird,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    check_positive(it.amount)?;
    check_paid_at(state, known, it.at, context)?;
    if let Some(employer) = it.to_employer {
        state.employer(employer)?;
    }
    let paid = PaidToThird {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        amount: it.amount,
        outstanding: known.outstanding(),
        to: it.to,
        at: it.at,
        to_employer: it.to_employer,
        evidence: it.evidence,
    };
    Ok(vec![paid.into()])
}

/// The worker's own word, or that of staff who asked the worker.
fn confirm_receipt(state: &State, it: &ConfirmReceipt, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    relation::check_mandate(state, known.worker, context)?;
    check_positive(it.amount)?;
    if it.amount > known.amount.max(known.paid()).max(known.money.recorded()) {
        return Err(Refusal::MoreThanOwed { outstanding: known.outstanding() });
    }
    let after = known.after(|money| money.confirm(NOT_WRITTEN_YET, it.amount, context.occurred_at()));
    let says_no_more = (after.paid(), after.disputed()) == (known.paid(), known.disputed());
    if known.money.confirmed() == Some(it.amount) && says_no_more {
        return Ok(Vec::new());
    }
    let (outstanding, disputed) = (after.outstanding(), after.disputed());
    let (wage, hire, worker, employer) = (it.wage, known.hire, known.worker, known.employer);
    Ok(vec![
        ReceiptConfirmed { wage, hire, worker, employer, amount: it.amount, outstanding, disputed }.into(),
    ])
}

/// The worker's word against a record; it settles nothing, and says what counts until something does.
fn contradict_payment(
    state: &State,
    it: &ContradictPayment,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    relation::check_mandate(state, known.worker, context)?;
    let none = || Refusal::bad_field("payment", "is no payment on record for this wage");
    let payment = known.money.payment(it.payment).ok_or_else(none)?;
    if known.money.is_found(payment) {
        return Err(Refusal::not_possible(it.wage, "paid as an officer found: ask for another finding"));
    }
    if it.received < Fen::ZERO || it.received >= payment.amount {
        return Err(Refusal::bad_field("received", "is not less than what was recorded"));
    }
    if payment.received == Some(it.received) {
        return Ok(Vec::new());
    }
    let after = known.after(|money| money.contradict(it.payment, it.received));
    let contradicted = PaymentContradicted {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        payment: it.payment,
        recorded: payment.amount,
        received: it.received,
        counted: after.money.counted(it.payment),
        outstanding: after.outstanding(),
        disputed: after.disputed(),
        evidence: it.evidence,
    };
    Ok(vec![contradicted.into()])
}

/// What an officer finds stands above what either side says.
fn determine_payment(
    state: &State,
    it: &DeterminePayment,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    case::check_finder(state, it.wage, known, it.case, context.actor)?;
    text::check("basis", &it.basis, text::PARAGRAPH)?;
    if it.paid < Fen::ZERO || it.paid > known.amount.max(known.money.recorded()) {
        return Err(Refusal::BadAmount { amount: it.paid });
    }
    if known.money.found_in_all() == Some(it.paid) {
        return Ok(Vec::new());
    }
    let after = known.after(|money| money.find(NOT_WRITTEN_YET, it.paid, context.occurred_at()));
    let determined = PaymentDetermined {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        paid: it.paid,
        outstanding: after.outstanding(),
        disputed: after.disputed(),
        authority: context.actor.office()?,
        basis: it.basis.clone(),
        case: it.case,
        evidence: it.evidence,
    };
    Ok(vec![determined.into()])
}

fn demand(state: &State, it: &Demand, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    relation::check_mandate(state, known.worker, context)?;
    let amount = known.outstanding();
    if amount == Fen::ZERO {
        return Err(Refusal::not_possible(it.wage, "paid in full"));
    }
    if context.occurred_at().date() < work_date(state, it.wage, known)? {
        return Err(Refusal::bad_field("occurred_at", "lies before the work that it demands pay for"));
    }
    let demanded = Demanded {
        wage: it.wage,
        worker: known.worker,
        employer: known.employer,
        amount,
        means: it.means,
        by_mandate: context.actor.role != Role::Worker,
        proof: it.proof,
    };
    Ok(vec![demanded.into()])
}

fn record_owed_note(
    state: &State,
    it: &RecordOwedNote,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    check_positive(it.amount)?;
    let (wage, worker, employer) = (it.wage, known.worker, known.employer);
    Ok(vec![OwedNoteGiven { wage, worker, employer, amount: it.amount, evidence: it.evidence }.into()])
}

/// The sum of a payment, of a confirmed receipt, or of whatever set the amount in force.
fn correct(state: &State, it: &Correct, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let known = own(state, it.wage, context)?;
    text::check("reason", &it.reason, text::LINE)?;
    if !(0..=MAX_JSON_INTEGER).contains(&it.amount.0) {
        return Err(Refusal::BadAmount { amount: it.amount });
    }
    let was = known
        .entry(it.corrects)
        .ok_or_else(|| Refusal::bad_field("corrects", "is no sum in force of this wage"))?;
    if was == it.amount {
        return Ok(Vec::new());
    }
    if it.corrects == known.amount_set_by && it.amount < was {
        check_may_lower(state, it.wage, known, context)?;
    }
    let mut after = known.clone();
    after.put_right(it.corrects, it.amount);
    if it.corrects != known.amount_set_by && after.paid() > after.amount.max(known.paid()) {
        return Err(Refusal::MoreThanOwed { outstanding: known.outstanding() });
    }
    let corrected = Corrected {
        wage: it.wage,
        hire: known.hire,
        worker: known.worker,
        employer: known.employer,
        corrects: it.corrects,
        was,
        is: it.amount,
        amount: after.amount,
        outstanding: after.outstanding(),
        disputed: after.disputed(),
        reason: it.reason.clone(),
    };
    Ok(vec![corrected.into()])
}

impl Wage {
    /// The sum that the event `id` put on the books, while it is in force.
    fn entry(&self, id: EventId) -> Option<Fen> {
        if self.amount_set_by == id { Some(self.amount) } else { self.money.entry(id) }
    }

    fn put_right(&mut self, id: EventId, amount: Fen) {
        if self.amount_set_by == id {
            self.amount = amount;
        } else {
            self.money.put_right(id, amount);
        }
    }

    /// The wage as it will be once its money has changed so.
    fn after(&self, change: impl FnOnce(&mut Money)) -> Wage {
        let mut after = self.clone();
        change(&mut after.money);
        after
    }
}

pub(crate) fn evolve(state: &mut State, event: &WageEvent, meta: &Meta) {
    match event {
        WageEvent::Due(it) => {
            let parties = (it.hire, it.worker, it.employer);
            enter(state, it.wage, parties, it.amount, it.basis, it.due_on, meta);
        }
        WageEvent::PresumedDue(it) => {
            let parties = (it.hire, it.worker, it.employer);
            enter(state, it.wage, parties, it.amount, WageBasis::HireTerms, it.due_on, meta);
        }
        WageEvent::Adjusted(it) => change(state, it.wage, meta, |wage| {
            (wage.amount, wage.basis, wage.amount_set_by) = (it.amount, it.basis, meta.id);
        }),
        WageEvent::Paid(it) => change(state, it.wage, meta, |wage| {
            wage.money.record(meta.id, it.amount, it.at, it.signature.is_some());
        }),
        WageEvent::ReceiptConfirmed(it) => change(state, it.wage, meta, |wage| {
            wage.money.confirm(meta.id, it.amount, meta.occurred_at);
        }),
        WageEvent::PaymentContradicted(it) => change(state, it.wage, meta, |wage| {
            wage.money.contradict(it.payment, it.received);
        }),
        WageEvent::PaymentDetermined(it) => change(state, it.wage, meta, |wage| {
            wage.money.find(meta.id, it.paid, meta.occurred_at);
        }),
        WageEvent::Corrected(it) => change(state, it.wage, meta, |wage| wage.put_right(it.corrects, it.is)),
        WageEvent::Overdue(it) => {
            if let Some(wage) = state.wages.get_mut(&it.wage)
                && let Some(at) = wage.overdue_at.take()
            {
                (wage.overdue, wage.was_overdue) = (true, true);
                state.expect_not(at, it.wage, Due::WageOverdue);
            }
        }
        WageEvent::PaidToThird(_) | WageEvent::Demanded(_) | WageEvent::OwedNoteGiven(_) => {}
    }
}

fn enter(
    state: &mut State,
    id: WageId,
    (hire, worker, employer): (HireId, WorkerId, EmployerId),
    amount: Fen,
    basis: WageBasis,
    due_on: Date,
    meta: &Meta,
) {
    let wage = Wage {
        hire,
        worker,
        employer,
        amount,
        basis,
        due_on,
        money: Money::default(),
        amount_set_by: meta.id,
        overdue_at: None,
        overdue: false,
        was_overdue: false,
    };
    state.wages.insert(id, wage);
    attendance::settled(state, hire);
    change(state, id, meta, |_| {});
}

/// Changes a wage and, with it, whether and when it will be overdue.
fn change(state: &mut State, id: WageId, meta: &Meta, change: impl FnOnce(&mut Wage)) {
    let Some(wage) = state.wages.get_mut(&id) else { return };
    change(wage);
    if wage.outstanding() == Fen::ZERO {
        wage.overdue = false;
        if let Some(at) = wage.overdue_at.take() {
            state.expect_not(at, id, Due::WageOverdue);
        }
    } else if !wage.overdue && wage.overdue_at.is_none() {
        let passed = wage.due_on.end().plus_ms(1);
        // A debt that a correction brought back is overdue anew, never twice at one instant.
        let at = if wage.was_overdue { passed.max(meta.time.plus_ms(1)) } else { passed };
        wage.overdue_at = Some(at);
        state.expect_by(at, id, Due::WageOverdue);
    }
    claim::lower_what_was_paid_before(state, id);
}

pub(crate) fn follow_up(state: &State, event: &WageEvent, _: &Meta, _: &RuleBook) -> Vec<Event> {
    match event {
        WageEvent::Adjusted(it) => claim::wage_changed(state, it.wage),
        WageEvent::Paid(it) => claim::wage_changed(state, it.wage),
        WageEvent::ReceiptConfirmed(it) => claim::wage_changed(state, it.wage),
        WageEvent::PaymentContradicted(it) => claim::wage_changed(state, it.wage),
        WageEvent::PaymentDetermined(it) => claim::wage_changed(state, it.wage),
        WageEvent::Corrected(it) => claim::wage_changed(state, it.wage),
        WageEvent::Due(_)
        | WageEvent::PresumedDue(_)
        | WageEvent::PaidToThird(_)
        | WageEvent::Overdue(_)
        | WageEvent::Demanded(_)
        | WageEvent::OwedNoteGiven(_) => Vec::new(),
    }
}

pub(crate) fn due(state: &State, deadline: &Deadline, _: &RuleBook) -> Vec<Event> {
    let wage = WageId(deadline.entity.id);
    let Some(known) = state.wages.get(&wage) else { return Vec::new() };
    let (hire, worker, employer) = (known.hire, known.worker, known.employer);
    let (outstanding, due_on) = (known.outstanding(), known.due_on);
    vec![Overdue { wage, hire, worker, employer, outstanding, due_on }.into()]
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::hire::HireTerms;

    use super::*;
    use crate::command::Actor;
    use crate::testing::*;

    fn id() -> WageId {
        wage_id(HIRE, PayKind::Day, 0)
    }

    fn due() -> Given {
        let stated = StateDue { hire: HIRE, amount: Fen(28_000), basis: WageBasis::WageSheet, shift: None };
        hired(EmployerKind::Unlicensed).at("2026-11-22 17:00").by(employer()).and(stated)
    }

    fn pay_out(fen: i64) -> RecordPayment {
        let (at, evidence) = (at("2026-11-22 17:00"), DIGEST);
        RecordPayment { wage: id(), amount: Fen(fen), means: PayMeans::Cash, at, evidence, signature: None }
    }

    #[test]
    fn hourly_pay_is_rounded_up_to_the_fen() {
        assert_eq!(by_minutes(Fen(2_000), 61), Fen(2_034));
        assert_eq!(by_minutes(Fen(2_000), 60), Fen(2_000));
        assert_eq!(by_minutes(Fen(i64::MAX), 3_000), Fen(MAX_JSON_INTEGER));
    }

    #[test]
    fn a_part_payment_leaves_the_rest_and_no_more_is_taken_than_is_owed() {
        let given = due().when(pay_out(10_000)).then(["wage.paid"]);
        assert_eq!(given.state.wages[&id()].outstanding(), Fen(18_000));
        let given = given.when(pay_out(18_001)).then_refused("more_than_owed");
        let given = given.when(pay_out(18_000)).then(["wage.paid"]);
        assert!(!expects(&given.state, id()), "what is paid cannot become overdue");
    }

    #[test]
    fn money_needs_evidence_and_has_been_paid_already() {
        let later = at("2026-11-22 17:01");
        due().when(RecordPayment { at: later, ..pay_out(1) }).then_refused("in_the_future");
        due().when(pay_out(0)).then_refused("bad_amount");
    }

    #[test]
    fn a_wage_is_overdue_when_its_day_ended_and_no_longer_once_paid() {
        let given = due().when_time_is("2026-11-22 23:59").then_nothing();
        let given = given.when_time_is("2026-11-23 00:00").then(["wage.overdue"]);
        assert!(given.state.wages[&id()].overdue);
        let given = given.when(pay_out(28_000)).then(["wage.paid"]);
        assert!(!given.state.wages[&id()].overdue);
    }

    #[test]
    fn money_to_a_foreman_does_not_discharge() {
        let to_foreman = RecordPaymentToThird {
            wage: id(),
            amount: Fen(28_000),
            to: ThirdParty::Foreman,
            at: at("2026-11-22 17:00"),
            to_employer: None,
            evidence: None,
        };
        let given = due().when(to_foreman).then(["wage.paid_to_third"]);
        assert_eq!(given.state.wages[&id()].outstanding(), Fen(28_000));
    }

    #[test]
    fn the_workers_own_word_that_the_money_came_counts() {
        let confirm = ConfirmReceipt { wage: id(), amount: Fen(28_000) };
        due().when(confirm.clone()).then_refused("role_not_allowed");
        due().by(clerk()).when(confirm.clone()).then_refused("bad_field");
        let given = due().by(worker()).when(confirm.clone()).then(["wage.receipt_confirmed"]);
        assert_eq!(given.state.wages[&id()].outstanding(), Fen::ZERO);
        given.by(clerk()).for_person(PERSON).when(confirm).then_nothing();
    }

    fn contradict(paid: &Then, received: i64) -> ContradictPayment {
        let payment = paid.first().meta.id;
        ContradictPayment { wage: id(), payment, received: Fen(received), evidence: None }
    }

    fn contradicted(then: &Then) -> PaymentContradicted {
        let Event::Wage(WageEvent::PaymentContradicted(it)) = then.first().event else {
            panic!("not contradicted")
        };
        it
    }

    #[test]
    fn a_contradicted_payment_counts_for_what_the_worker_says_and_the_arrears_run_from_the_first_due_date() {
        let paid = due().when(pay_out(28_000));
        let contradict = contradict(&paid, 5_000);
        let given = paid.given().at("2026-12-02 09:00").by(worker());
        let then = given.when(contradict.clone());
        let it = contradicted(&then);
        assert_eq!((it.recorded, it.received, it.counted), (Fen(28_000), Fen(5_000), Fen(5_000)));
        assert_eq!((it.outstanding, it.disputed), (Fen(23_000), Fen(23_000)));
        let given = then.given().when(contradict).then_nothing();
        let then = given.when_time_is("2026-12-02 09:00");
        let overdue = then.first();
        assert_eq!(overdue.event.event_type().short_name(), "wage.overdue");
        let Event::Wage(WageEvent::Overdue(it)) = overdue.event else { panic!() };
        assert_eq!((it.due_on.to_string().as_str(), it.outstanding), ("2026-11-22", Fen(23_000)));
    }

    #[test]
    fn what_the_worker_signed_for_goes_on_counting_and_only_a_desk_says_that_it_was_signed() {
        let signed = RecordPayment { signature: Some(DIGEST), ..pay_out(28_000) };
        let given = due().when(signed.clone()).then_refused("bad_field");
        let paid = given.by(clerk()).when(signed);
        let contradict = contradict(&paid, 0);
        let it = contradicted(&paid.given().by(worker()).when(contradict));
        assert_eq!((it.counted, it.outstanding, it.disputed), (Fen(28_000), Fen::ZERO, Fen(28_000)));
    }

    #[test]
    fn a_contradiction_is_the_workers_and_about_less_than_a_payment_of_this_wage() {
        let paid = due().when(pay_out(28_000));
        let (none, all) = (contradict(&paid, 0), contradict(&paid, 28_000));
        let given = paid.given().when(none.clone()).then_refused("role_not_allowed");
        let given = given.by(actor(Role::CrewLeader, 0)).when(none.clone()).then_refused("role_not_allowed");
        let given = given.by(clerk()).when(none.clone()).then_refused("bad_field");
        let given = given.by(worker()).when(all).then_refused("bad_field");
        let payment = EventId(Uuid::from_u128(5));
        given.when(ContradictPayment { payment, ..none }).then_refused("bad_field");
    }

    #[test]
    fn the_workers_later_word_that_the_money_came_settles_the_dispute() {
        let paid = due().when(pay_out(28_000));
        let contradict = contradict(&paid, 0);
        let given = paid.given().by(worker()).and(contradict);
        let confirmed = given.when(ConfirmReceipt { wage: id(), amount: Fen(28_000) });
        let Event::Wage(WageEvent::ReceiptConfirmed(it)) = confirmed.first().event else { panic!() };
        assert_eq!((it.outstanding, it.disputed), (Fen::ZERO, Fen::ZERO));
        assert!(!expects(&confirmed.given().state, id()), "what is paid cannot become overdue");
    }

    #[test]
    fn an_officers_finding_stands_above_both_words() {
        let paid = due().when(pay_out(28_000));
        let contradict = contradict(&paid, 0);
        let given = paid.given().by(worker()).and(contradict.clone());
        let determine = |fen| DeterminePayment {
            wage: id(),
            paid: Fen(fen),
            basis: "the bank shows 100 yuan".into(),
            case: None,
            evidence: None,
        };
        let given = given.when(determine(10_000)).then_refused("role_not_allowed");
        let party = Actor { person: Some(PERSON), ..officer() };
        let given = given.by(party).when(determine(10_000)).then_refused("conflict_of_interest");
        let given = given.by(officer()).when(determine(28_001)).then_refused("bad_amount");
        let found = given.when(determine(10_000));
        let Event::Wage(WageEvent::PaymentDetermined(it)) = found.first().event else { panic!() };
        assert_eq!((it.outstanding, it.disputed, it.authority), (Fen(18_000), Fen::ZERO, OFFICE));
        let given = found.given().when(determine(10_000)).then_nothing();
        given.by(worker()).when(contradict).then_refused("not_possible");
    }

    #[test]
    fn what_an_event_says_is_left_is_what_is_left() {
        let confirm = |fen| ConfirmReceipt { wage: id(), amount: Fen(fen) };
        let given = due().by(worker()).and(confirm(10_000)).at("2026-11-22 17:10").by(employer());
        let then = given.when(RecordPayment { at: at("2026-11-22 17:05"), ..pay_out(12_000) });
        let Event::Wage(WageEvent::Paid(it)) = then.first().event else { panic!() };
        assert_eq!(it.outstanding, Fen(6_000), "it came after the 100 yuan that the worker confirmed");
        assert_eq!(then.given().state.wages[&id()].outstanding(), Fen(6_000));
    }

    #[test]
    fn a_typing_error_is_put_right_and_a_debt_that_comes_back_is_overdue_anew() {
        let paid = due().when(pay_out(28_000));
        let corrects = paid.first().meta.id;
        let correct = |fen: i64| {
            let reason = "2,800 typed as 28,000".into();
            Correct { wage: id(), corrects, amount: Fen(fen), reason }
        };
        let given = paid.given().at("2026-11-25 09:00").by(clerk());
        let given = given.when(correct(28_001)).then_refused("more_than_owed");
        let given = given.when(correct(2_800)).then(["wage.corrected"]);
        assert_eq!(given.state.wages[&id()].outstanding(), Fen(25_200));
        let given = given.when_time_is("2026-11-25 09:01").then(["wage.overdue"]);
        let given = given.when(correct(28_000)).then(["wage.corrected"]);
        let given = given.when(correct(2_800)).then(["wage.corrected"]);
        given.when_time_is("2026-11-25 09:02").then(["wage.overdue"]);
    }

    #[test]
    fn an_employer_admits_more_and_never_decides_alone_that_it_is_less() {
        let adjust = |fen| {
            let (basis, reason) = (WageBasis::WageSheet, "overtime".to_owned());
            Adjust { wage: id(), amount: Fen(fen), basis, reason }
        };
        due().when(adjust(27_999)).then_refused("role_not_allowed");
        due().when(adjust(30_000)).then(["wage.adjusted"]);
        due().by(clerk()).when(adjust(27_999)).then(["wage.adjusted"]);
    }

    #[test]
    fn what_people_settled_is_not_changed_by_a_later_sign_out() {
        let out = attendance::SignOut { hire: HIRE, break_minutes: 0, shift: None, pieces: None };
        due().at("2026-11-22 18:00").by(worker()).when(out).then([
            "attendance.signed_out",
            "hire.started",
            "hire.ended",
        ]);
    }

    #[test]
    fn a_demand_names_what_is_outstanding_and_needs_the_worker() {
        let demand = Demand { wage: id(), means: DemandMeans::Phone, proof: None };
        due().by(clerk()).when(demand.clone()).then_refused("bad_field");
        due().by(clerk()).for_person(PERSON).when(demand.clone()).then(["wage.demanded"]);
        due().and(pay_out(28_000)).by(worker()).when(demand).then_refused("not_possible");
    }

    #[test]
    fn nobody_demands_pay_before_the_day_of_the_work_nor_pays_more_than_a_month_before_it() {
        let demand = Demand { wage: id(), means: DemandMeans::Phone, proof: None };
        let given = due().by(worker()).of("2026-11-21 23:59").when(demand.clone()).then_refused("bad_field");
        given.of("2026-11-22 00:00").when(demand).then(["wage.demanded"]);
        let at = |text| RecordPayment { at: at(text), ..pay_out(100) };
        let given = due().when(at("2026-10-22 06:59")).then_refused("bad_field");
        let given = given.when(at("2026-10-22 07:00")).then(["wage.paid"]);
        let to_third = |it: RecordPayment| RecordPaymentToThird {
            wage: it.wage,
            amount: it.amount,
            to: ThirdParty::Foreman,
            at: it.at,
            to_employer: None,
            evidence: None,
        };
        let given = given.when(to_third(at("1992-01-01 08:00"))).then_refused("bad_field");
        given.when(to_third(at("2026-11-22 17:00"))).then(["wage.paid_to_third"]);
    }

    #[test]
    fn a_task_is_due_when_the_hire_ends_and_only_once() {
        let task = HireTerms {
            pay: pay(PayKind::Task, 90_000),
            shifts: vec![
                shift("2026-11-22 07:00", "2026-11-22 17:00"),
                shift("2026-11-23 07:00", "2026-11-23 17:00"),
            ],
            ..terms()
        };
        let given = hired_on(EmployerKind::Unlicensed, task);
        let given = given.when_time_is("2026-11-23 18:00").then_nothing();
        let due = of_ended_hire(&given.state, HIRE, "2026-11-23".parse().unwrap(), &rules());
        assert!(matches!(&due[..], [Event::Wage(WageEvent::Due(it))] if it.amount == Fen(90_000)));
        let given = given.when_time_is("2026-11-24 12:00");
        let given = given.then(["wage.presumed_due", "hire.ended", "wage.overdue"]);
        assert_eq!(of_ended_hire(&given.state, HIRE, "2026-11-24".parse().unwrap(), &rules()), []);
    }

    #[test]
    fn an_agreed_date_is_kept_unless_the_work_ends_later() {
        let on = |date: &str| PayTerms {
            due: PayDue::OnDate { date: date.parse().unwrap() },
            ..pay(PayKind::Day, 1)
        };
        let completed: Date = "2026-11-22".parse().unwrap();
        assert_eq!(agreed_due_on(&on("2026-11-30"), completed, &rules()).0.to_string(), "2026-11-30");
        assert_eq!(agreed_due_on(&on("2026-11-20"), completed, &rules()).0, completed);
        let within = PayTerms { due: PayDue::WithinDays { days: 3 }, ..pay(PayKind::Day, 1) };
        let (due, trace) = agreed_due_on(&within, completed, &RuleBook::default());
        assert_eq!((due.to_string().as_str(), trace.rule.as_str()), ("2026-11-25", "hire.terms"));
    }

    #[test]
    fn an_agreed_date_that_no_verified_calendar_moves_is_due_as_agreed() {
        let due = PayDue::OnDate { date: "2027-01-02".parse().unwrap() };
        let pay = PayTerms { due, ..pay(PayKind::Day, 1) };
        let (due, trace) = agreed_due_on(&pay, "2026-12-30".parse().unwrap(), &RuleBook::shipped().unwrap());
        assert_eq!((due.to_string().as_str(), trace.rule.as_str()), ("2027-01-02", "hire.terms"));
    }
}
