//! 考勤: what each side says about presence. Words live side by side; the earlier are never overwritten.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::attendance::{
    AbsenceReported, AttendanceEvent, Contradicted, Corrected, OverlapFlagged, SignedIn, SignedOut,
};
use linggong_events::codec::as_written;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::hire::{AssertedBy, EndBasis, HireEvent};
use linggong_events::id::{AttendanceId, CommandId, EventId, HireId, Kind, WorkerId, new_id};
use linggong_events::measure::Fen;
use linggong_events::posting::{PayKind, PayTerms};
use linggong_events::time::{Date, MINUTE_MS, Shift, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Actor, Context, commands};
use crate::hire::{Hire, Stage, VoidReason};
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::worker::asserted_by;
use crate::{hire, text, wage};

commands! {
    /// What can be asked about presence.
    AttendanceCommand: Attendance {
        /// 签到: says when work began, which is the instant of occurrence.
        SignIn = "sign_in", [Worker, Employer, CrewLeader, Gate, Clerk, Dispatcher, MarketManager] => {
            hire: HireId,
        } + optional {
            /// Which shift of the hire, from 0; absent: the nearest.
            shift: u32,
        }
        /// 签退: says when work ended, which is the instant of occurrence, and what was done.
        SignOut = "sign_out", [Worker, Employer, CrewLeader, Gate, Clerk, Dispatcher, MarketManager] => {
            hire: HireId, break_minutes: u16,
        } + optional {
            /// Which shift of the hire, from 0; absent: the nearest.
            shift: u32,
            /// Pieces done, for piece-work.
            pieces: u32,
        }
        /// 缺勤: says that the worker did not come to this shift of several; of a hire to which they never came,
        /// `hire.report_no_show` says so.
        ReportAbsence = "report_absence", [Worker, Employer, Gate, Clerk, Dispatcher] => {
            hire: HireId,
            /// Which shift of the hire, from 0.
            shift: u32,
        }
        /// Says that one's own earlier words were wrong.
        Correct = "correct", [Worker, Employer, CrewLeader, Clerk, Dispatcher, MarketManager] => {
            attendance: AttendanceId, corrects: EventId, at: Timestamp, reason: String,
        } + optional { break_minutes: u16, pieces: u32 }
    }
}

/// What is said about presence on one shift of a hire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attendance {
    pub(crate) hire: HireId,
    pub(crate) worker: WorkerId,
    /// Which shift of the hire, from 0.
    pub(crate) index: u32,
    pub(crate) shift: Shift,
    said: BTreeMap<AssertedBy, Said>,
    /// Which event said what, so that it can be corrected.
    words: BTreeMap<EventId, (AssertedBy, Word)>,
    contradictions: BTreeSet<(AssertedBy, AssertedBy)>,
    overlaps: BTreeSet<HireId>,
    /// Who says that the worker did not come, and did not say otherwise since.
    absent_by: BTreeSet<AssertedBy>,
    presumed_at: Option<Timestamp>,
    /// The pay under which its wage came on the books, once other pay was agreed for what comes after.
    #[serde(with = "as_written")]
    earned_under: Option<PayTerms>,
}

/// The newest words of one side.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Said {
    signed_in: Option<Timestamp>,
    signed_out: Option<Out>,
}

/// When somebody left, and what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Out {
    at: Timestamp,
    break_minutes: u16,
    pieces: Option<u32>,
}

/// What an event was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    In,
    Out,
}

/// The attendance of the `shift`-th shift of `hire`.
pub fn attendance_id(hire: HireId, shift: u32) -> AttendanceId {
    AttendanceId(new_id(CommandId(hire.0), Kind::Attendance.name(), shift))
}

/// Whether anybody said that the worker was there.
pub(crate) fn was_there(state: &State, hire: HireId) -> bool {
    attendances(state, hire).any(Attendance::is_told)
}

/// The work date of the last shift to which anybody said that the worker came.
pub(crate) fn last_there(state: &State, hire: HireId) -> Option<Date> {
    let there = attendances(state, hire).filter(|it| it.is_told());
    there.map(|it| it.shift.work_date()).max()
}

/// Whether anybody said that the worker left after working.
pub(crate) fn was_worked(state: &State, hire: HireId) -> bool {
    words_about(state, hire).any(|said| said.signed_out.is_some())
}

/// What anybody said about any shift of a hire.
fn words_about(state: &State, hire: HireId) -> impl Iterator<Item = &Said> {
    attendances(state, hire).flat_map(|it| it.said.values())
}

/// The attendance of each shift of a hire.
fn attendances(state: &State, hire: HireId) -> impl Iterator<Item = &Attendance> {
    let shifts = state.hires.get(&hire).map_or(0, |it| it.terms.shifts.len());
    (0..).take(shifts).filter_map(move |n| state.attendances.get(&attendance_id(hire, n)))
}

impl Attendance {
    /// Whether anybody said that the worker came or left.
    fn is_told(&self) -> bool {
        self.said.values().any(|said| said.signed_in.is_some() || said.signed_out.is_some())
    }

    /// Whether somebody said that the worker did not come, and nobody that they did.
    fn is_absent(&self) -> bool {
        !self.absent_by.is_empty() && !self.is_told()
    }

    /// The stretch that `said` asserts, once it says when work ended; a missing sign-in is the shift's start.
    fn stretch(&self, said: &Said) -> Option<(Timestamp, Timestamp)> {
        let out = said.signed_out?;
        Some((said.signed_in.unwrap_or(self.shift.start()), out.at))
    }

    /// The minutes to be paid by what `said` asserts: coming early is not work, staying is.
    fn minutes(&self, said: &Said) -> Option<i64> {
        let (from, until) = self.stretch(said)?;
        let ms = until.ms() - from.max(self.shift.start()).ms();
        let rest = i64::from(said.signed_out?.break_minutes);
        Some(((ms + MINUTE_MS - 1) / MINUTE_MS - rest).max(0))
    }

    /// The pay that was agreed when it was worked.
    fn pay<'a>(&'a self, hire: &'a Hire) -> &'a PayTerms {
        self.earned_under.as_ref().unwrap_or(&hire.terms.pay)
    }

    /// What the pay comes to by what `said` asserts.
    fn earned(&self, hire: &Hire, said: &Said) -> Option<Fen> {
        let (pay, out) = (self.pay(hire), said.signed_out?);
        match pay.pay_kind {
            PayKind::Day => Some(pay.rate),
            PayKind::Hour => Some(wage::by_minutes(pay.rate, self.minutes(said)?)),
            PayKind::Piece => pay.rate.times(i64::from(out.pieces?)),
            PayKind::Task => None,
        }
    }

    /// Whether time alone will put a wage for it on the books.
    pub(crate) fn presumes_a_wage(&self) -> bool {
        self.presumed_at.is_some() && !self.is_absent()
    }

    /// The civil date on which the shift was over: its own end, or a later sign-out by anybody who does not owe.
    pub(crate) fn completed_on(&self) -> Date {
        // Whoever owes the wage does not put off by a word the day from which it is due.
        let others = self.said.iter().filter(|(by, _)| !by.may_owe());
        let outs = others.filter_map(|(_, it)| it.signed_out).map(|out| self.left_on(out));
        outs.max().map_or(end_date(self.shift), |date| date.max(end_date(self.shift)))
    }

    /// The civil date on which the worker left for good; midnight belongs to the day before it.
    fn left_on(&self, out: Out) -> Date {
        out.at.plus_ms(-1).date().max(self.shift.work_date())
    }
}

/// The civil date on which a shift ends; one that ends at midnight ends on the day before it.
pub(crate) fn end_date(shift: Shift) -> Date {
    shift.end().plus_ms(-1).date()
}

/// Refuses to move, drop or pay by another measure what somebody told of: words and wages belong to a shift by its
/// place in the list.
pub(crate) fn check_kept(
    state: &State,
    id: HireId,
    hire: &Hire,
    shifts: &[Shift],
    pay_kind: PayKind,
) -> Result<(), Refusal> {
    let was_paid_by = hire.terms.pay.pay_kind;
    let next = shifts.iter().map(Some).chain(std::iter::repeat(None));
    for ((index, was), is) in (0..).zip(&hire.terms.shifts).zip(next) {
        let known = state.attendances.get(&attendance_id(id, index));
        let said = known.is_some_and(|it| !it.said.is_empty() || !it.absent_by.is_empty());
        let begun = matches!(hire.stage, Stage::Started { .. }) && *was == hire.first_shift();
        let on_books = state.wages.contains_key(&wage::wage_id(id, was_paid_by, index));
        if (said || begun || on_books) && pay_kind != was_paid_by {
            let way = "begun: end it, and agree another for what is paid by another measure";
            return Err(Refusal::not_possible(id, way));
        }
        // The wage of a task is not one shift's.
        let is_whole = !on_books || was_paid_by == PayKind::Task || is == Some(was);
        let is_there = !(said || begun) || is.is_some_and(|is| is.start() == was.start());
        if !is_whole || !is_there {
            let problem = format!("must keep what was told of: the one at {} in its place", was.start());
            return Err(Refusal::bad_field("shifts", problem));
        }
    }
    Ok(())
}

/// What is on the books stays earned under the pay as it was; called before the terms of the hire change.
pub(crate) fn keep_pay(state: &mut State, id: HireId) {
    let Some(hire) = state.hires.get(&id) else { return };
    let (pay, count) = (&hire.terms.pay, hire.terms.shifts.len());
    for index in (0..).take(count) {
        if state.wages.contains_key(&wage::wage_id(id, pay.pay_kind, index))
            && let Some(known) = state.attendances.get_mut(&attendance_id(id, index))
        {
            known.earned_under.get_or_insert_with(|| pay.clone());
        }
    }
}

impl State {
    pub(crate) fn attendance(&self, id: AttendanceId) -> Result<&Attendance, Refusal> {
        self.attendances.get(&id).ok_or_else(|| Refusal::unknown(id))
    }
}

/// From now on somebody should sign out of each shift of the hire; called when its terms are as they are.
pub(crate) fn expect(state: &mut State, hire_id: HireId) {
    let Some(hire) = state.hires.get(&hire_id) else { return };
    let (worker, shifts) = (hire.terms.worker, hire.terms.shifts.clone());
    let count = u32::try_from(shifts.len()).unwrap_or(u32::MAX);
    for (index, shift) in (0..).zip(shifts) {
        let id = attendance_id(hire_id, index);
        let attendance = state.attendances.entry(id).or_insert_with(|| Attendance {
            hire: hire_id,
            worker,
            index,
            shift,
            said: BTreeMap::new(),
            words: BTreeMap::new(),
            contradictions: BTreeSet::new(),
            overlaps: BTreeSet::new(),
            absent_by: BTreeSet::new(),
            presumed_at: None,
            earned_under: None,
        });
        let was_on = attendance.shift.work_date();
        attendance.shift = shift;
        if let Some(known) = state.attended.get_mut(&(worker, was_on)) {
            known.remove(&id);
        }
        state.attended.entry((worker, shift.work_date())).or_default().insert(id);
    }
    // Shifts that the hire has no more: nobody told of them.
    for id in (count..).map(|index| attendance_id(hire_id, index)) {
        let Some(gone) = state.attendances.remove(&id) else { break };
        if let Some(known) = state.attended.get_mut(&(worker, gone.shift.work_date())) {
            known.remove(&id);
        }
    }
    look_again(state, hire_id);
}

/// Sets when each shift is presumed to be over: those alone whose wage or whose end nobody told of yet.
fn look_again(state: &mut State, hire_id: HireId) {
    no_longer_expect(state, hire_id);
    let Some(hire) = state.hires.get(&hire_id) else { return };
    let presumed = hire.presumed;
    let untold: Vec<(u32, Shift)> = (0..)
        .zip(hire.terms.shifts.iter().copied())
        .filter(|it| is_untold(state, hire_id, hire, *it))
        .collect();
    for (index, shift) in untold {
        let id = attendance_id(hire_id, index);
        let at = end_date(shift).plus_days(presumed.after_days.into()).at_minute(presumed.at_minute);
        if let Some(known) = state.attendances.get_mut(&id) {
            known.presumed_at = Some(at);
            state.expect_by(at, id, Due::ShiftPresumed);
        }
    }
}

fn is_untold(state: &State, id: HireId, hire: &Hire, (index, shift): (u32, Shift)) -> bool {
    let pay_kind = hire.terms.pay.pay_kind;
    let last = shift.end() == hire.last_end();
    // A task is paid once, so its end alone is presumed.
    let pays = pay_kind != PayKind::Task || last;
    let absent = state.attendances.get(&attendance_id(id, index)).is_some_and(Attendance::is_absent);
    let unpaid = pays && !absent && !state.wages.contains_key(&wage::wage_id(id, pay_kind, index));
    match hire.stage {
        Stage::Agreed | Stage::Started { .. } => unpaid || last,
        // Of a hire that ended early, shifts that would begin later are no longer expected, unless somebody came.
        Stage::Ended { on, .. } => {
            let came = || state.attendances.get(&attendance_id(id, index)).is_some_and(Attendance::is_told);
            unpaid && (shift.work_date() <= on || came())
        }
        Stage::Void(_) => unpaid && is_contested(state, id, hire, index),
    }
}

/// Whether it is on record that words about the shift contradict whoever alone undid the day.
fn is_contested(state: &State, id: HireId, hire: &Hire, index: u32) -> bool {
    let Some(known) = state.attendances.get(&attendance_id(id, index)) else { return false };
    let by = |undone_by| known.contradictions.iter().any(|(a, b)| *a == undone_by || *b == undone_by);
    hire.undone_by.is_some_and(by)
}

/// Nobody need sign out any more: the hire will not take place, or its terms are about to change.
pub(crate) fn no_longer_expect(state: &mut State, hire_id: HireId) {
    let shifts = state.hires.get(&hire_id).map_or(0, |it| it.terms.shifts.len());
    for id in (0..).take(shifts).map(|index| attendance_id(hire_id, index)) {
        if let Some(at) = state.attendances.get_mut(&id).and_then(|it| it.presumed_at.take()) {
            state.expect_not(at, id, Due::ShiftPresumed);
        }
    }
}

/// A hire that is over needs no end that is presumed.
pub(crate) fn after(state: &mut State, event: &HireEvent) {
    match event {
        HireEvent::Ended(it) => look_again(state, it.hire),
        HireEvent::EndCorrected(it) => look_again(state, it.hire),
        HireEvent::Agreed(_)
        | HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Changed(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::Cancelled(_)
        | HireEvent::NoShow(_)
        | HireEvent::SentHome(_)
        | HireEvent::Replaced(_)
        | HireEvent::FollowedUp(_)
        | HireEvent::InjuryReported(_) => {}
    }
}

/// A wage of the hire is on the books, so it need not be presumed.
pub(crate) fn settled(state: &mut State, hire: HireId) {
    look_again(state, hire);
}

pub(crate) fn decide(
    state: &State,
    command: &AttendanceCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        AttendanceCommand::SignIn(it) => sign_in(state, it, context),
        AttendanceCommand::SignOut(it) => sign_out(state, it, context),
        AttendanceCommand::ReportAbsence(it) => report_absence(state, it, context),
        AttendanceCommand::Correct(it) => correct(state, it, context),
    }
}

/// Until somebody says that the worker came, no wage is presumed for that shift; as with a no-show of the whole hire,
/// nothing that is on the books is taken by it, and no day to which anybody says that they came.
fn report_absence(state: &State, it: &ReportAbsence, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hire = state.hire(it.hire)?;
    relation::check(state, context.actor, &Sides::of_hire(&hire.terms))?;
    let attendance = attendance_id(it.hire, it.shift);
    let none = || Refusal::bad_field("shift", "is none of this hire");
    let known = state.attendances.get(&attendance).ok_or_else(none)?;
    hire::check_live(hire, it.hire)?;
    if hire.terms.shifts.len() == 1 {
        return Err(Refusal::not_possible(it.hire, "one shift: report a no-show instead"));
    }
    // The wage of a task is not one shift's, so that no shift takes from it.
    if hire.terms.pay.pay_kind == PayKind::Task {
        return Err(Refusal::not_possible(it.hire, "paid by the task, not by the shift: end it instead"));
    }
    if known.is_told() {
        let way = "signed in to: the sides contradict each other";
        return Err(Refusal::not_possible(attendance, way));
    }
    if let Stage::Started { at } = hire.stage
        && nearest(hire, at) == Some(it.shift)
    {
        return Err(Refusal::not_possible(it.hire, "at work: correct the start first"));
    }
    let wage = wage::wage_id(it.hire, hire.terms.pay.pay_kind, it.shift);
    if state.wages.contains_key(&wage) {
        return Err(Refusal::OnHold { entity: wage.into() });
    }
    let start = known.shift.start();
    if start > context.now {
        return Err(Refusal::TooEarly { at: start });
    }
    let asserted_by = asserted_by(context.actor);
    if known.absent_by.contains(&asserted_by) {
        return Ok(Vec::new());
    }
    let (worker, date) = (known.worker, known.shift.work_date());
    Ok(vec![AbsenceReported { attendance, hire: it.hire, worker, date, asserted_by }.into()])
}

/// Words are taken whatever became of the hire: a worker may contradict a no-show.
fn sign_in(state: &State, it: &SignIn, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (at, by) = (context.occurred_at(), asserted_by(context.actor));
    let (attendance, known) = place(state, it.hire, it.shift, at, context.actor)?;
    let said = known.said.get(&by).copied().unwrap_or_default();
    match said.signed_in {
        Some(earlier) if earlier == at => return Ok(Vec::new()),
        Some(earlier) => {
            return Err(Refusal::not_possible(
                attendance,
                format!("signed into at {earlier}: correct that instead"),
            ));
        }
        None => {}
    }
    if said.signed_out.is_some_and(|out| at >= out.at) {
        return Err(Refusal::bad_field("occurred_at", "is not before the sign-out"));
    }
    let (worker, date) = (known.worker, known.shift.work_date());
    Ok(vec![SignedIn { attendance, hire: it.hire, worker, date, at, asserted_by: by }.into()])
}

fn sign_out(state: &State, it: &SignOut, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (at, by) = (context.occurred_at(), asserted_by(context.actor));
    let (attendance, known) = place(state, it.hire, it.shift, at, context.actor)?;
    let said = known.said.get(&by).copied().unwrap_or_default();
    let out = Out { at, break_minutes: it.break_minutes, pieces: it.pieces };
    match said.signed_out {
        Some(earlier) if earlier == out => return Ok(Vec::new()),
        Some(earlier) => {
            let is = format!("signed out of at {}: correct that instead", earlier.at);
            return Err(Refusal::not_possible(attendance, is));
        }
        None => {}
    }
    check_out(known, said.signed_in, out)?;
    let piece_work = state.hire(it.hire)?.terms.pay.pay_kind == PayKind::Piece;
    if piece_work && it.pieces.is_none() && by != AssertedBy::Gate {
        return Err(Refusal::bad_field("pieces", "is needed for piece-work"));
    }
    Ok(vec![
        SignedOut {
            attendance,
            hire: it.hire,
            worker: known.worker,
            date: known.shift.work_date(),
            at,
            asserted_by: by,
            break_minutes: it.break_minutes,
            pieces: it.pieces,
        }
        .into(),
    ])
}

/// A side corrects its own words only; those of others stay as they are.
fn correct(state: &State, it: &Correct, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    text::check("reason", &it.reason, text::LINE)?;
    let known = state.attendance(it.attendance)?;
    relation::check(state, context.actor, &Sides::of_hire(&state.hire(known.hire)?.terms))?;
    let not_here = || Refusal::bad_field("corrects", "is no words about this attendance");
    let (by, word) = *known.words.get(&it.corrects).ok_or_else(not_here)?;
    let own = asserted_by(context.actor);
    // Nobody else speaks for a gate, so the desk puts its readings right.
    if by != own && !(by == AssertedBy::Gate && own == AssertedBy::Desk) {
        return Err(Refusal::NotYours { entity: it.attendance.into() });
    }
    if it.at > context.now {
        return Err(Refusal::InTheFuture { at: it.at });
    }
    if is_days_away(&known.shift, it.at) {
        return Err(Refusal::bad_field("at", "is days away from the shift"));
    }
    let said = known.said.get(&by).copied().unwrap_or_default();
    match (word, said.signed_out) {
        (Word::In, Some(out)) if it.at >= out.at => {
            return Err(Refusal::bad_field("at", "is not before the sign-out"));
        }
        (Word::In, Some(_) | None) => {}
        (Word::Out, out) => {
            check_out(known, said.signed_in, corrected_out(out, it.at, it.break_minutes, it.pieces))?
        }
    }
    let (attendance, hire, worker) = (it.attendance, known.hire, known.worker);
    let (corrects, at, reason) = (it.corrects, it.at, it.reason.clone());
    let (break_minutes, pieces) = (it.break_minutes, it.pieces);
    let asserted_by = by;
    Ok(vec![
        Corrected { attendance, hire, worker, corrects, at, reason, asserted_by, break_minutes, pieces }
            .into(),
    ])
}

fn corrected_out(was: Option<Out>, at: Timestamp, break_minutes: Option<u16>, pieces: Option<u32>) -> Out {
    Out {
        at,
        break_minutes: break_minutes.or(was.map(|out| out.break_minutes)).unwrap_or_default(),
        pieces: pieces.or(was.and_then(|out| out.pieces)),
    }
}

/// Work ends after it began, and rest is no longer than work.
fn check_out(known: &Attendance, signed_in: Option<Timestamp>, out: Out) -> Result<(), Refusal> {
    let from = signed_in.unwrap_or(known.shift.start());
    if out.at <= from {
        return Err(Refusal::bad_field("occurred_at", "is not after the beginning of work"));
    }
    if i64::from(out.break_minutes) * MINUTE_MS > out.at.ms() - from.ms() {
        return Err(Refusal::bad_field("break_minutes", "is longer than the work"));
    }
    Ok(())
}

/// The attendance that words about `at` belong to: the named shift of the hire, or the nearest.
fn place<'a>(
    state: &'a State,
    hire_id: HireId,
    shift: Option<u32>,
    at: Timestamp,
    actor: &Actor,
) -> Result<(AttendanceId, &'a Attendance), Refusal> {
    let hire = state.hire(hire_id)?;
    relation::check(state, actor, &Sides::of_hire(&hire.terms))?;
    let none = || Refusal::bad_field("shift", "is none of this hire");
    let id = attendance_id(hire_id, shift.or_else(|| nearest(hire, at)).ok_or_else(none)?);
    let known = state.attendances.get(&id).ok_or_else(none)?;
    if is_days_away(&known.shift, at) {
        return Err(Refusal::bad_field("occurred_at", "is days away from any shift of this hire"));
    }
    Ok((id, known))
}

/// The shift to which an instant belongs: the one it is least far from.
fn nearest(hire: &Hire, at: Timestamp) -> Option<u32> {
    (0..).zip(&hire.terms.shifts).min_by_key(|(_, it)| away(it, at)).map(|(index, _)| index)
}

/// How far an instant is from a shift, in milliseconds; nothing within it.
fn away(shift: &Shift, at: Timestamp) -> i64 {
    (shift.start().ms() - at.ms()).max(at.ms() - shift.end().ms()).max(0)
}

/// Whether nobody can have come or gone then for that shift, as first told or as corrected.
fn is_days_away(shift: &Shift, at: Timestamp) -> bool {
    away(shift, at) > Shift::MAX_MINUTES * MINUTE_MS
}

pub(crate) fn evolve(state: &mut State, event: &AttendanceEvent, meta: &Meta) {
    match event {
        AttendanceEvent::SignedIn(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance) {
                known.words.insert(meta.id, (it.asserted_by, Word::In));
                known.said.entry(it.asserted_by).or_default().signed_in = Some(it.at);
            }
            let was_absent = takes_back_absence(state, it.attendance, it.asserted_by);
            // Whoever comes after the end that another stated is to be asked about that day, and so is whoever comes
            // where another said that nobody did.
            let ended = |hire: &Hire| matches!(hire.stage, Stage::Ended { .. });
            if was_absent || state.hires.get(&it.hire).is_some_and(ended) {
                look_again(state, it.hire);
            }
        }
        AttendanceEvent::SignedOut(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance) {
                let out = Out { at: it.at, break_minutes: it.break_minutes, pieces: it.pieces };
                known.words.insert(meta.id, (it.asserted_by, Word::Out));
                known.said.entry(it.asserted_by).or_default().signed_out = Some(out);
            }
            if takes_back_absence(state, it.attendance, it.asserted_by) {
                look_again(state, it.hire);
            }
        }
        AttendanceEvent::AbsenceReported(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance) {
                known.absent_by.insert(it.asserted_by);
            }
            look_again(state, it.hire);
        }
        AttendanceEvent::Corrected(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance)
                && let Some((by, word)) = known.words.get(&it.corrects).copied()
            {
                known.words.insert(meta.id, (by, word));
                // What contradicted the old words need not contradict the new ones.
                known.contradictions.retain(|(first, second)| *first != by && *second != by);
                let said = known.said.entry(by).or_default();
                match word {
                    Word::In => said.signed_in = Some(it.at),
                    Word::Out => {
                        said.signed_out =
                            Some(corrected_out(said.signed_out, it.at, it.break_minutes, it.pieces));
                    }
                }
            }
        }
        AttendanceEvent::Contradicted(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance) {
                known.contradictions.insert((it.first, it.second));
            }
            hire::contest(state, it.hire);
            // Of a day that one side alone undid, the wage is presumed again.
            look_again(state, it.hire);
        }
        AttendanceEvent::OverlapFlagged(it) => {
            if let Some(known) = state.attendances.get_mut(&it.attendance) {
                known.overlaps.insert(it.other);
            }
        }
    }
}

/// Whoever says that the worker came says no more that they did not. Whether anybody had said so.
fn takes_back_absence(state: &mut State, id: AttendanceId, by: AssertedBy) -> bool {
    let Some(known) = state.attendances.get_mut(&id) else { return false };
    let was_absent = !known.absent_by.is_empty();
    known.absent_by.remove(&by);
    was_absent
}

pub(crate) fn follow_up(state: &State, event: &AttendanceEvent, _: &Meta, rules: &RuleBook) -> Vec<Event> {
    let (id, by) = match event {
        AttendanceEvent::SignedIn(it) => (it.attendance, it.asserted_by),
        AttendanceEvent::SignedOut(it) => (it.attendance, it.asserted_by),
        AttendanceEvent::Corrected(it) => (it.attendance, it.asserted_by),
        AttendanceEvent::AbsenceReported(_)
        | AttendanceEvent::Contradicted(_)
        | AttendanceEvent::OverlapFlagged(_) => return Vec::new(),
    };
    let Some(known) = state.attendances.get(&id) else { return Vec::new() };
    let said = known.said.get(&by).copied().unwrap_or_default();
    let contradictions = contradictions(state, known, id, by, rules);
    let contradicted = !contradictions.is_empty() || !known.contradictions.is_empty();
    let mut events = Vec::new();
    events.extend(hire::begun(state, known.hire, said.signed_in.unwrap_or(known.shift.start()), by));
    events.extend(contradictions);
    events.extend(overlaps(state, known, id));
    events.extend(
        determine(state, known, contradicted, rules).and_then(|it| wage::earned(state, known, it, rules)),
    );
    // The end comes after the wage of its shift: whoever hears of the end finds the wage on the books.
    let out = said.signed_out.filter(|_| ends_hire(state, known));
    events.extend(
        out.and_then(|out| hire::over(state, known.hire, known.left_on(out), EndBasis::LastSignOut, by)),
    );
    events
}

/// Whether the hire is over once this shift is.
fn ends_hire(state: &State, known: &Attendance) -> bool {
    state.hires.get(&known.hire).is_some_and(|hire| known.shift.end() == hire.last_end())
}

/// Whom the words of `by` contradict that they did not contradict before.
fn contradictions(
    state: &State,
    known: &Attendance,
    id: AttendanceId,
    by: AssertedBy,
    rules: &RuleBook,
) -> Vec<Event> {
    let tolerated = tolerated(rules);
    let Some(own) = known.said.get(&by) else { return Vec::new() };
    let mut events = Vec::new();
    for (other, said) in known.said.iter().filter(|(other, _)| **other != by) {
        let (first, second) = (by.min(*other), by.max(*other));
        let (minutes_apart, pieces_apart) = apart(own, said);
        let differ = i64::from(minutes_apart) > tolerated || pieces_apart.is_some();
        if differ && !known.contradictions.contains(&(first, second)) {
            let (attendance, hire, worker) = (id, known.hire, known.worker);
            events.push(
                Contradicted { attendance, hire, worker, first, second, minutes_apart, pieces_apart }.into(),
            );
        }
    }
    // Whoever said that nobody came, and whoever alone undid the day, is contradicted by whoever says that they came.
    let absent_by = known.absent_by.iter().copied().filter(|other| *other != by);
    for other in absent_by.chain(undone_against(state, known, by, own, tolerated)) {
        let (first, second) = (by.min(other), by.max(other));
        if events.is_empty() && !known.contradictions.contains(&(first, second)) {
            let (attendance, hire, worker) = (id, known.hire, known.worker);
            let minutes_apart = u32::try_from(known.shift.minutes()).unwrap_or(u32::MAX);
            let pieces_apart = None;
            events.push(
                Contradicted { attendance, hire, worker, first, second, minutes_apart, pieces_apart }.into(),
            );
        }
    }
    events
}

fn tolerated(rules: &RuleBook) -> i64 {
    rules.office().map_or(0, |office| i64::from(office.attendance_tolerance_minutes))
}

/// Who alone said that the day was not worked, where `by` says that it was: came, against a no-show; worked for
/// longer than a way in and out, against being sent home or rained off.
fn undone_against(
    state: &State,
    known: &Attendance,
    by: AssertedBy,
    said: &Said,
    tolerated: i64,
) -> Option<AssertedBy> {
    let hire = state.hires.get(&known.hire)?;
    let Stage::Void(reason) = hire.stage else { return None };
    let undone_by = hire.undone_by.filter(|it| *it != by && by != AssertedBy::Employer)?;
    let ms = known.stretch(said).map_or(0, |(from, until)| until.ms() - from.ms());
    let otherwise = match reason {
        VoidReason::NoShow => said.signed_in.is_some() || said.signed_out.is_some(),
        VoidReason::SentHome | VoidReason::Cancelled => ms > tolerated * MINUTE_MS,
        VoidReason::Replaced => false,
    };
    otherwise.then_some(undone_by)
}

/// How far apart two sides are where both say something: in minutes, and in pieces where these differ.
fn apart(a: &Said, b: &Said) -> (u32, Option<u32>) {
    let between = |a: Timestamp, b: Timestamp| a.ms().abs_diff(b.ms()) / MINUTE_MS as u64;
    let ins = a.signed_in.zip(b.signed_in).map_or(0, |(a, b)| between(a, b));
    let outs = a.signed_out.zip(b.signed_out);
    let ends =
        outs.map_or(0, |(a, b)| between(a.at, b.at).max(a.break_minutes.abs_diff(b.break_minutes).into()));
    let pieces = outs.and_then(|(a, b)| a.pieces.zip(b.pieces)).map(|(a, b)| a.abs_diff(b));
    (u32::try_from(ins.max(ends)).unwrap_or(u32::MAX), pieces.filter(|apart| *apart > 0))
}

/// Other hires of the worker at which somebody asserts the same minutes; nothing is cancelled for it.
fn overlaps(state: &State, known: &Attendance, id: AttendanceId) -> Vec<Event> {
    let stretches =
        |it: &Attendance| it.said.values().filter_map(|said| it.stretch(said)).collect::<Vec<_>>();
    let own = stretches(known);
    let date = known.shift.work_date();
    let mut others = BTreeSet::new();
    // A shift is at most two days long, so nothing farther off can share a minute with it.
    let near = (known.worker, date.plus_days(-3))..=(known.worker, date.plus_days(3));
    for other in
        state.attended.range(near).flat_map(|(_, ids)| ids).filter_map(|id| state.attendances.get(id))
    {
        let shares =
            |(from, until): &(Timestamp, Timestamp)| own.iter().any(|own| own.0 < *until && *from < own.1);
        if other.hire != known.hire
            && !known.overlaps.contains(&other.hire)
            && stretches(other).iter().any(shares)
        {
            others.insert(other.hire);
        }
    }
    let (hire, worker) = (known.hire, known.worker);
    others.into_iter().map(|other| OverlapFlagged { attendance: id, hire, other, worker }.into()).collect()
}

/// What the words come to: the best of what nobody contradicts; the terms of the hire where somebody does, or where
/// whoever owes the wage alone says that it is less.
///
/// A machine finds no fact between two contradicting sides. What they agreed before is the one thing that both
/// have said; an officer adjusts it. So the result does not depend on whose words came first.
fn determine(state: &State, known: &Attendance, contradicted: bool, rules: &RuleBook) -> Option<Finding> {
    let hire = state.hires.get(&known.hire)?;
    match hire.stage {
        Stage::Agreed | Stage::Started { .. } | Stage::Ended { .. } => {}
        Stage::Void(_) => {
            let mut words = known.said.iter();
            words.find_map(|(by, said)| undone_against(state, known, *by, said, tolerated(rules)))?;
        }
    }
    let earned = |(by, said): (&AssertedBy, &Said)| known.earned(hire, said).map(|amount| (*by, amount));
    let asserted: Vec<(AssertedBy, Fen)> = known.said.iter().filter_map(earned).collect();
    let best = asserted.iter().map(|(_, amount)| *amount).max()?;
    let agreed = wage::by_terms(known.pay(hire), known.shift);
    if contradicted {
        return Some(match agreed {
            Some(agreed) => Finding::Contradicted(agreed),
            // Piece-work whose usual day nobody stated: what nobody but whoever owes it denies.
            None => {
                let by_others = asserted.iter().filter(|(by, _)| !by.may_owe()).map(|(_, amount)| *amount);
                by_others.min().map_or(Finding::Attendance(best), Finding::Denied)
            }
        });
    }
    if asserted.iter().all(|(by, _)| by.may_owe()) {
        return match agreed {
            Some(agreed) if best < agreed => Some(Finding::Admitted(agreed)),
            Some(_) => Some(Finding::Attendance(best)),
            // That nothing was done is not admitted; in time the worker is asked.
            None => (best > Fen::ZERO).then_some(Finding::Attendance(best)),
        };
    }
    Some(Finding::Attendance(best))
}

/// What a machine finds that a shift earned, and why.
pub(crate) enum Finding {
    /// By the words about it, which agree.
    Attendance(Fen),
    /// By the terms of the hire, for the words contradict each other.
    Contradicted(Fen),
    /// By the least that anybody but whoever owes the wage says, for the words contradict each other and no terms tell.
    Denied(Fen),
    /// By the terms of the hire, for only whoever owes the wage said that it is less.
    Admitted(Fen),
}

/// A shift is presumed to be over: its wage is due, and after the last one the hire has ended.
pub(crate) fn due(state: &State, deadline: &Deadline, rules: &RuleBook) -> Vec<Event> {
    let id = AttendanceId(deadline.entity.id);
    let Some(known) = state.attendances.get(&id) else { return Vec::new() };
    // The wage first: the end of a task would enter it by the terms, and nobody would ask the worker.
    let mut events = Vec::new();
    if !known.is_absent() {
        events.extend(wage::presumed(state, id, known, rules));
    }
    if ends_hire(state, known) {
        let (on, basis) = (end_date(known.shift), EndBasis::Presumed);
        events.extend(hire::over(state, known.hire, on, basis, AssertedBy::Presumed));
    }
    events
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::hire::Ended;
    use linggong_events::hire::HireTerms;
    use linggong_events::office::Role;
    use linggong_events::wage::WageBasis;

    use super::*;
    use crate::testing::*;

    const SHIFT: &str = "2026-11-22 07:00";

    fn id() -> AttendanceId {
        attendance_id(HIRE, 0)
    }

    fn sign_in() -> SignIn {
        SignIn { hire: HIRE, shift: None }
    }

    fn sign_out() -> SignOut {
        SignOut { hire: HIRE, break_minutes: 0, shift: None, pieces: None }
    }

    fn hourly() -> HireTerms {
        HireTerms { pay: pay(PayKind::Hour, 2_000), ..terms() }
    }

    fn amount(given: &Given) -> (Fen, WageBasis) {
        let wage = &given.state.wages[&wage::wage_id(HIRE, PayKind::Hour, 0)];
        (wage.amount, wage.basis)
    }

    #[test]
    fn one_side_that_nobody_contradicts_makes_the_wage_due() {
        let out = hired(EmployerKind::Unlicensed)
            .at("2026-11-22 07:00")
            .by(worker())
            .and(sign_in())
            .at("2026-11-22 17:05")
            .when(sign_out());
        let given = out.then(["attendance.signed_out", "wage.due", "hire.ended"]);
        assert!(!expects(&given.state, id()), "it need not be presumed any more");
    }

    #[test]
    fn a_word_that_was_said_is_not_said_again() {
        hired(EmployerKind::Unlicensed)
            .at("2026-11-22 07:10")
            .by(worker())
            .of(SHIFT)
            .and(sign_in())
            .of(SHIFT)
            .when(sign_in())
            .then_nothing()
            .when(sign_in())
            .then_refused("not_possible");
    }

    #[test]
    fn somebody_elses_worker_or_employer_says_nothing_here() {
        let stranger = Actor { worker: Some(WorkerId(uuid::Uuid::from_u128(9))), ..worker() };
        hired(EmployerKind::Unlicensed).at(SHIFT).by(stranger).when(sign_in()).then_refused("not_yours");
        let far = Actor { regions: vec!["310101".parse().unwrap()], ..actor(Role::Gate, 0) };
        hired(EmployerKind::Unlicensed).at(SHIFT).by(far).when(sign_in()).then_refused("outside_region");
    }

    #[test]
    fn contradicting_words_lead_to_the_terms_whoever_spoke_first() {
        let words = [(worker(), "2026-11-22 20:00"), (employer(), "2026-11-22 12:00")];
        let said = |order: [usize; 2]| {
            let mut given = hired_on(EmployerKind::Unlicensed, hourly()).at("2026-11-22 21:00");
            for (actor, out) in order.map(|n| words[n].clone()) {
                given = given.by(actor).of(out).when(sign_out()).given();
            }
            amount(&given)
        };
        assert_eq!(said([0, 1]), (Fen(20_000), WageBasis::HireTerms));
        assert_eq!(said([1, 0]), said([0, 1]));
    }

    #[test]
    fn a_small_difference_is_no_contradiction() {
        let given = hired_on(EmployerKind::Unlicensed, hourly())
            .at("2026-11-22 21:00")
            .by(worker())
            .of("2026-11-22 17:30")
            .and(sign_out())
            .by(employer())
            .of("2026-11-22 17:00")
            .when(sign_out())
            .then(["attendance.signed_out"]);
        assert_eq!(amount(&given), (Fen(21_000), WageBasis::Attendance));
    }

    #[test]
    fn a_correction_that_ends_a_contradiction_brings_attendance_back() {
        let wrong = hired_on(EmployerKind::Unlicensed, hourly())
            .at("2026-11-22 21:00")
            .by(worker())
            .of("2026-11-22 17:00")
            .and(sign_out())
            .by(employer())
            .of("2026-11-22 12:00")
            .when(sign_out());
        let correct = Correct {
            attendance: id(),
            corrects: wrong.first().meta.id,
            at: at("2026-11-22 17:10"),
            reason: "typed the wrong hour".into(),
            break_minutes: None,
            pieces: None,
        };
        let given = wrong.then(["attendance.signed_out", "attendance.contradicted", "wage.adjusted"]);
        let given = given.by(worker()).when(correct.clone()).then_refused("not_yours");
        let given = given.by(employer()).when(correct).then(["attendance.corrected", "wage.adjusted"]);
        assert_eq!(amount(&given), (Fen(20_334), WageBasis::Attendance));
    }

    #[test]
    fn nobody_signs_out_so_the_wage_is_presumed_at_noon_of_the_next_day() {
        let given = hired(EmployerKind::Unlicensed)
            .when_time_is("2026-11-23 11:59")
            .then_nothing()
            .when_time_is("2026-11-23 12:00")
            .then(["wage.presumed_due", "hire.ended", "wage.overdue"]);
        assert!(!expects(&given.state, id()));
    }

    #[test]
    fn a_hire_that_will_not_take_place_presumes_no_wage() {
        hired(EmployerKind::Unlicensed)
            .but(|state| no_longer_expect(state, HIRE))
            .when_time_is("2026-12-31 12:00")
            .then_nothing();
    }

    #[test]
    fn a_hire_that_ended_early_presumes_the_shifts_before_its_end_alone() {
        let days = ["2026-11-22", "2026-11-23", "2026-11-24"];
        let shifts = days.map(|day| shift(&format!("{day} 07:00"), &format!("{day} 17:00")));
        let ended = Ended {
            hire: HIRE,
            revision: 1,
            supersedes: None,
            terms: HireTerms { shifts: shifts.into(), ..terms() },
            date: "2026-11-23".parse().unwrap(),
            basis: EndBasis::WorkDone,
            asserted_by: AssertedBy::Worker,
        };
        let given = hired_on(EmployerKind::Unlicensed, HireTerms { shifts: shifts.into(), ..terms() });
        let given = given.at("2026-11-23 18:00").happened(ended);
        assert_eq!(given.state.wages.len(), 1, "the first day is presumed already");
        let given = given.at("2026-12-31 12:00");
        assert_eq!(given.state.wages.len(), 2);
    }

    /// A hire of two days, of which the second ends it.
    fn two_days(pay_kind: PayKind) -> Given {
        let shifts =
            ["2026-11-22", "2026-11-23"].map(|day| shift(&format!("{day} 07:00"), &format!("{day} 17:00")));
        let terms = HireTerms { shifts: shifts.into(), pay: pay(pay_kind, 28_000), ..terms() };
        hired_on(EmployerKind::Unlicensed, terms).by(worker())
    }

    fn start() -> hire::Start {
        hire::Start { hire: HIRE, at: at(SHIFT) }
    }

    fn end(date: &str) -> hire::End {
        hire::End { hire: HIRE, date: date.parse().unwrap(), basis: EndBasis::WorkDone }
    }

    #[test]
    fn the_first_word_starts_the_hire_and_the_last_shift_ends_it() {
        let given = two_days(PayKind::Day).at(SHIFT).when(sign_in());
        let given = given.then(["attendance.signed_in", "hire.started"]).at("2026-11-22 17:00");
        let given = given.when(start()).then_nothing();
        let given = given.when(sign_out()).then(["attendance.signed_out", "wage.due"]);
        let given = given.at("2026-11-23 07:00").when(sign_in()).then(["attendance.signed_in"]);
        let given = given.at("2026-11-23 17:00").when(sign_out());
        let given = given.then(["attendance.signed_out", "wage.due", "hire.ended"]);
        let given = given.when(end("2026-11-23")).then_nothing().when(start()).then_nothing();
        given.when(end("2026-11-22")).then_refused("ended");
    }

    #[test]
    fn the_wage_of_a_task_is_presumed_before_its_end_would_enter_it() {
        let presumed = two_days(PayKind::Task).when_time_is("2026-11-24 12:00");
        let given = presumed.then(["wage.presumed_due", "hire.ended", "wage.overdue"]);
        assert_eq!(given.state.wages.len(), 1);
        two_days(PayKind::Task).at("2026-11-23 17:00").when(sign_out()).then([
            "attendance.signed_out",
            "hire.started",
            "hire.ended",
            "wage.due",
        ]);
    }

    #[test]
    fn a_hire_whose_wage_somebody_stated_ends_all_the_same() {
        let stated =
            wage::StateDue { hire: HIRE, amount: Fen(28_000), basis: WageBasis::WageSheet, shift: None };
        let given = hired(EmployerKind::Unlicensed).at("2026-11-22 17:00").by(employer()).and(stated);
        let paid = wage::RecordPayment {
            wage: wage::wage_id(HIRE, PayKind::Day, 0),
            amount: Fen(28_000),
            means: linggong_events::wage::PayMeans::Cash,
            at: at("2026-11-22 17:00"),
            evidence: DIGEST,
            signature: None,
        };
        let given = given.and(paid).when_time_is("2026-11-23 11:59").then_nothing();
        let given = given.when_time_is("2026-11-23 12:00").then(["hire.ended"]);
        given.when_time_is("2026-12-31 12:00").then_nothing();
    }

    #[test]
    fn a_hire_that_was_interrupted_does_not_end_as_well() {
        let sent_home = hire::ReportSentHome { hire: HIRE, at: at("2026-11-22 07:20") };
        let given = hired(EmployerKind::Unlicensed).at("2026-11-22 07:20").by(worker()).and(sign_in());
        let given = given.and(sent_home).at("2026-11-22 17:00");
        let given = given.when(sign_out()).then(["attendance.signed_out"]);
        given.when_time_is("2026-12-31 12:00").then_nothing();
    }

    #[test]
    fn a_hire_that_somebody_ended_is_paid_by_later_words_and_ends_once() {
        let given = two_days(PayKind::Day).at("2026-11-22 16:00").and(end("2026-11-22"));
        let given = given.at("2026-11-22 17:00").when(sign_out());
        let given = given.then(["attendance.signed_out", "wage.due"]);
        assert!(!expects(&given.state, id()));
        assert_eq!(given.at("2026-12-31 12:00").state.wages.len(), 1, "the second day is not worked");
    }

    #[test]
    fn words_that_come_days_later_replace_the_presumption() {
        let given = hired_on(EmployerKind::Unlicensed, hourly())
            .at("2026-11-24 09:00")
            .by(worker())
            .of("2026-11-22 15:00")
            .when(sign_out())
            .then(["attendance.signed_out", "wage.adjusted"]);
        assert_eq!(amount(&given), (Fen(16_000), WageBasis::Attendance));
    }

    #[test]
    fn two_hires_asserted_for_the_same_minutes_are_flagged_and_both_stay() {
        let other = HireId(uuid::Uuid::from_u128(0xc2));
        let afternoon = HireTerms { shifts: vec![shift("2026-11-22 16:00", "2026-11-22 18:00")], ..terms() };
        let given = hired(EmployerKind::Unlicensed)
            .hired(other, afternoon)
            .at("2026-11-22 19:00")
            .by(worker())
            .of("2026-11-22 17:00")
            .and(sign_out())
            .of("2026-11-22 18:00")
            .when(SignOut { hire: other, ..sign_out() })
            .then([
                "attendance.signed_out",
                "hire.started",
                "attendance.overlap_flagged",
                "wage.due",
                "hire.ended",
            ]);
        assert_eq!(given.state.wages.len(), 2, "nothing is cancelled by machine");
    }

    fn no_show() -> hire::ReportNoShow {
        hire::ReportNoShow { hire: HIRE }
    }

    #[test]
    fn whoever_was_there_contradicts_a_no_show_of_the_employer_and_the_wage_is_presumed() {
        let given = hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").by(employer()).and(no_show());
        assert_eq!(given.state.workers[&WORKER].missed, 1);
        let given = given.by(actor(Role::Gate, 0)).of("2026-11-22 06:55").when(sign_in());
        let given = given.then(["attendance.signed_in", "attendance.contradicted"]);
        assert_eq!(given.state.workers[&WORKER].missed, 0, "nothing is held against them meanwhile");
        let given = given.when_time_is("2026-11-23 12:00").then(["wage.presumed_due", "wage.overdue"]);
        assert_eq!(given.state.wages.len(), 1);
    }

    #[test]
    fn the_workers_sign_out_brings_the_terms_back_that_the_employer_alone_undid() {
        let sent_home = hire::ReportSentHome { hire: HIRE, at: at("2026-11-22 07:20") };
        let sent_home = hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").by(employer()).and(sent_home);
        let rained_off =
            hire::Cancel { hire: HIRE, reason: linggong_events::hire::CancelReason::Weather, note: None };
        let rained_off =
            hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").by(employer()).and(rained_off);
        for given in [sent_home, rained_off] {
            let given = given.at("2026-11-22 17:00").by(worker()).when(sign_out());
            let given = given.then(["attendance.signed_out", "attendance.contradicted", "wage.due"]);
            assert_eq!(amount(&given), (Fen(28_000), WageBasis::HireTerms));
        }
    }

    #[test]
    fn a_way_in_and_out_does_not_contradict_being_sent_home_nor_does_the_desk_need_to_be_contradicted() {
        let sent_home = hire::ReportSentHome { hire: HIRE, at: at("2026-11-22 07:20") };
        let given = hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").by(employer()).and(sent_home);
        let given = given.by(actor(Role::Gate, 0)).of("2026-11-22 07:22").when(sign_out());
        given.then(["attendance.signed_out"]);
        let given = hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").and(no_show());
        given.by(worker()).when(sign_in()).then(["attendance.signed_in"]);
    }

    fn absence(shift: u32) -> ReportAbsence {
        ReportAbsence { hire: HIRE, shift }
    }

    #[test]
    fn of_a_shift_from_which_somebody_was_absent_no_wage_is_presumed_and_the_others_stay() {
        let given = two_days(PayKind::Day).at("2026-11-22 17:00").and(sign_out());
        let given = given.at("2026-11-23 06:59").by(employer()).when(absence(1)).then_refused("too_early");
        let given = given.at("2026-11-23 09:00").when(absence(0)).then_refused("not_possible");
        let given = given.when(absence(2)).then_refused("bad_field");
        let given = given.when(absence(1)).then(["attendance.absence_reported"]);
        let given = given.when(absence(1)).then_nothing();
        let given = given.when_time_is("2026-11-24 12:00").then(["hire.ended"]);
        assert_eq!(given.at("2026-12-31 12:00").state.wages.len(), 1, "the second day is owed to nobody");
    }

    #[test]
    fn whoever_came_contradicts_an_absence_and_the_wage_is_presumed_or_earned_as_without_it() {
        let absent = || {
            let given = two_days(PayKind::Day).at("2026-11-22 17:00").and(sign_out());
            given.at("2026-11-23 09:00").by(employer()).and(absence(1))
        };
        let given = absent().by(worker()).of("2026-11-23 07:00").when(sign_in());
        let given = given.then(["attendance.signed_in", "attendance.contradicted"]);
        let given = given.by(employer()).when(absence(1)).then_refused("not_possible");
        let given = given.when_time_is("2026-11-24 12:00");
        given.then(["wage.presumed_due", "hire.ended", "wage.overdue"]);

        // Told after the presumption would have come, and after the hire had ended.
        let given = absent().at("2026-11-25 09:00").by(worker()).of("2026-11-23 17:00").when(sign_out());
        let given = given.then(["attendance.signed_out", "attendance.contradicted", "wage.due"]);
        let wage = &given.state.wages[&wage::wage_id(HIRE, PayKind::Day, 1)];
        assert_eq!((wage.amount, wage.basis), (Fen(28_000), WageBasis::HireTerms));

        // Whoever takes their own words back contradicts nobody.
        let given = absent().of("2026-11-23 10:00").when(sign_in()).then(["attendance.signed_in"]);
        assert_eq!(given.at("2026-11-24 12:00").state.wages.len(), 2);
    }

    #[test]
    fn an_absence_takes_no_wage_of_a_task_nor_of_a_day_on_the_books_nor_of_whoever_is_at_work() {
        let task = two_days(PayKind::Task).at("2026-11-23 09:00").by(employer());
        task.when(absence(1)).then_refused("not_possible");
        let presumed = two_days(PayKind::Day).at("2026-11-23 12:00").by(employer());
        presumed.when(absence(0)).then_refused("on_hold");
        let started = two_days(PayKind::Day).at(SHIFT).and(start()).at("2026-11-22 08:00").by(employer());
        started.when(absence(0)).then_refused("not_possible");
        let once = hired(EmployerKind::Unlicensed).at("2026-11-22 08:00").by(employer());
        once.when(absence(0)).then_refused("not_possible");
    }

    #[test]
    fn midnight_belongs_to_the_day_before_it_and_the_employers_late_word_puts_no_due_date_off() {
        let evening = HireTerms { shifts: vec![shift("2026-11-22 16:00", "2026-11-22 22:00")], ..terms() };
        let due_on = |actor: Actor, out: &str| {
            let given = hired_on(EmployerKind::Unlicensed, evening.clone()).at("2026-11-23 09:00").by(actor);
            let given = given.of(out).when(sign_out()).given();
            given.state.wages[&wage::wage_id(HIRE, PayKind::Day, 0)].due_on.to_string()
        };
        assert_eq!(due_on(worker(), "2026-11-23 00:00"), "2026-11-22");
        assert_eq!(due_on(worker(), "2026-11-23 00:01"), "2026-11-23");
        assert_eq!(due_on(employer(), "2026-11-23 00:01"), "2026-11-22");
    }

    #[test]
    fn piece_work_is_paid_by_the_piece() {
        let pieces = HireTerms { pay: pay(PayKind::Piece, 150), ..terms() };
        let given = hired_on(EmployerKind::Unlicensed, pieces)
            .at("2026-11-22 17:00")
            .by(worker())
            .when(sign_out())
            .then_refused("bad_field")
            .when(SignOut { pieces: Some(60), ..sign_out() })
            .then(["attendance.signed_out", "hire.started", "wage.due", "hire.ended"]);
        assert_eq!(amount(&given), (Fen(9_000), WageBasis::Attendance));
    }
}
