//! 用工: agreed, signed, started, changed, ended.

use linggong_events::codec::as_written;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::{
    Agreed, AgreementSigned, AssertedBy, CancelReason, Cancelled, ChangeReason, Changed, EndBasis,
    EndCorrected, Ended, FollowedUp, HireEvent, HireTerms, InjuryReported, InsuranceDecision, NoShow,
    Presumed, Replaced, SentHome, Started, Withdrawn,
};
use linggong_events::id::{HireId, Kind, OfferId, PostingId, WorkerId};
use linggong_events::office::Role;
use linggong_events::person::{AgeBand, SealedText};
use linggong_events::posting::{FillMode, Filled, PayTerms, PostingTerms, Reopened};
use linggong_events::region::Region;
use linggong_events::time::{DAY_MS, Date, MINUTE_MS, Shift, Timestamp};
use linggong_events::worker::Certificate;
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::pack::Action;
use crate::posting::{self, Posting, Status};
use crate::posting_check::check_posting;
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::State;
use crate::worker::{Worker, asserted_as, asserted_by};
use crate::{attendance, insurance, matching, offer, text, wage};

/// The most people of one crew that are hired at once.
pub const MAX_CREW: usize = 40;

commands! {
    /// What can be asked of a hire.
    HireCommand: Hire {
        /// 现场成交登记 (即时快招): a posting and its hires in one, for what was struck on the spot.
        RegisterOnSite = "register_on_site", [Clerk, Dispatcher, MarketManager, CrewLeader],
        scan ["workers": Worker, "terms.employer": Employer] => {
            terms: PostingTerms, workers: Vec<WorkerId>, insurance: InsuranceDecision,
        }
        /// 用工协议 signed: the template and the hash of what was signed.
        SignAgreement = "sign_agreement", [Clerk, Dispatcher, Employer, Worker] => { hire: HireId, template: String, document: EvidenceDigest }
        /// 上工.
        Start = "start", [Worker, Employer, Gate, Clerk, Dispatcher, CrewLeader] => { hire: HireId, at: Timestamp }
        /// States changed terms: pay, shifts or the place of work. Both sides must have agreed, so that a desk that
        /// has heard both records it: neither side changes alone what both had agreed.
        Change = "change", [Clerk, Dispatcher] => { hire: HireId, shifts: Vec<Shift>, pay: PayTerms, region: Region, reason: ChangeReason }
        /// Records what was decided about cover.
        DecideInsurance = "decide_insurance", [Clerk, Dispatcher, Employer, Worker] => { hire: HireId, insurance: InsuranceDecision }
        /// It will not take place.
        Cancel = "cancel", [Clerk, Dispatcher, Employer, Worker, CrewLeader], seal [note: Text] => { hire: HireId, reason: CancelReason } + optional { note: SealedText }
        /// 爽约.
        ReportNoShow = "report_no_show", [Employer, Clerk, Dispatcher] => { hire: HireId }
        /// 到了没活.
        ReportSentHome = "report_sent_home", [Worker, Employer, Clerk, Dispatcher, CrewLeader] => { hire: HireId, at: Timestamp }
        /// 换人: somebody else works instead, under a hire of their own. Whoever is of the crew has let its leader agree for
        /// them; at a desk the command is given on behalf of the substitute. An employer cancels, and the place is offered on.
        Replace = "replace", [Clerk, Dispatcher, CrewLeader] => { hire: HireId, by: WorkerId }
        /// The engagement ended on that date, on which basis.
        End = "end", [Worker, Employer, Clerk, Dispatcher, CrewLeader] => { hire: HireId, date: Date, basis: EndBasis }
        /// Puts right when the engagement ended: for whoever told that date, and for a desk.
        CorrectEnd = "correct_end", [Worker, Employer, Clerk, Dispatcher, CrewLeader] => { hire: HireId, date: Date, basis: EndBasis }
        /// 回访.
        FollowUp = "follow_up", [Clerk, Dispatcher, CaseOfficer], seal [note: Text] => { hire: HireId, worked: bool, paid: bool } + optional { note: SealedText }
        /// 受伤: somebody says the worker was hurt at work.
        ReportInjury = "report_injury", [Worker, Employer, Clerk, Dispatcher, CrewLeader], seal [note: Text] => { hire: HireId, at: Timestamp } + optional { note: SealedText }
    }
}

/// A hire as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hire {
    #[serde(with = "as_written")]
    pub(crate) terms: HireTerms,
    pub(crate) revision: u32,
    pub(crate) mode: FillMode,
    pub(crate) presumed: Presumed,
    pub(crate) signed: bool,
    pub(crate) stage: Stage,
    /// Who owes the wage and said alone that the day was not worked: whoever was there may say otherwise.
    pub(crate) undone_by: Option<AssertedBy>,
    /// Whether anybody said so.
    contested: bool,
    /// Whether it is over, paid and claimed by nobody since long: only what later commands need is kept.
    pub(crate) settled: bool,
}

/// Where a hire stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Agreed, not yet started.
    Agreed,
    /// At work since.
    Started { at: Timestamp },
    /// It will not take place, or not as agreed.
    Void(VoidReason),
    /// Over since that date, as somebody told; nothing was worked after that instant.
    Ended { on: Date, until: Timestamp, basis: EndBasis, by: AssertedBy },
}

/// Why a hire is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum VoidReason {
    /// Cancelled before it began.
    Cancelled,
    /// The worker did not come.
    NoShow,
    /// The worker came and was sent home.
    SentHome,
    /// Somebody else works instead.
    Replaced,
}

impl Hire {
    /// The hire as every event tells it: the revision in force, the one it replaced, the terms.
    pub(crate) fn stated(&self) -> (u32, Option<u32>, HireTerms) {
        let supersedes = (self.revision > 1).then(|| self.revision - 1);
        (self.revision, supersedes, self.terms.clone())
    }

    /// The first shift.
    pub(crate) fn first_shift(&self) -> Shift {
        let first = self.terms.shifts.iter().min().copied();
        first.unwrap_or_else(|| unreachable!("terms without a shift are refused"))
    }

    /// The start of the first shift.
    pub(crate) fn first_start(&self) -> Timestamp {
        self.first_shift().start()
    }

    /// The end of the last shift.
    pub(crate) fn last_end(&self) -> Timestamp {
        let last = self.terms.shifts.iter().map(|it| it.end()).max();
        last.unwrap_or_else(|| unreachable!("terms without a shift are refused"))
    }

    /// Whether the worker's minutes are taken by it, or those in which they travel.
    pub(crate) fn occupies(&self, shift: Shift, travel_ms: i64) -> bool {
        let mut shifts = self.terms.shifts.iter();
        match self.stage {
            Stage::Agreed | Stage::Started { .. } => shifts.any(|it| near(*it, shift, travel_ms)),
            // What was worked until then is not worked again for somebody else.
            Stage::Ended { until, .. } => {
                shifts.any(|it| it.start().max(shift.start()) < it.end().min(shift.end()).min(until))
            }
            Stage::Void(_) => false,
        }
    }
}

/// Whether one person cannot work both, for want of minutes or of the time to travel between them.
pub(crate) fn near(one: Shift, other: Shift, travel_ms: i64) -> bool {
    one.start().plus_ms(-travel_ms) < other.end() && other.start().plus_ms(-travel_ms) < one.end()
}

impl State {
    pub(crate) fn hire(&self, id: HireId) -> Result<&Hire, Refusal> {
        self.hires.get(&id).ok_or_else(|| Refusal::unknown(id))
    }
}

/// The hire, if the actor is one of its sides or works at a desk of its region.
fn own_hire<'a>(state: &'a State, id: HireId, context: &Context<'_>) -> Result<&'a Hire, Refusal> {
    let hire = state.hire(id)?;
    relation::check(state, context.actor, &Sides::of_hire(&hire.terms))?;
    Ok(hire)
}

/// Whether a hire goes on or is still to begin: what is over takes no cover.
pub(crate) fn check_live(hire: &Hire, id: HireId) -> Result<(), Refusal> {
    match hire.stage {
        Stage::Agreed | Stage::Started { .. } => Ok(()),
        Stage::Void(_) | Stage::Ended { .. } => Err(Refusal::Ended { entity: id.into() }),
    }
}

/// The hire, if it is neither void nor over.
fn live_hire<'a>(state: &'a State, id: HireId, context: &Context<'_>) -> Result<&'a Hire, Refusal> {
    let hire = own_hire(state, id, context)?;
    check_live(hire, id)?;
    Ok(hire)
}

pub(crate) fn decide(
    state: &State,
    command: &HireCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        HireCommand::RegisterOnSite(it) => register_on_site(state, it, context),
        HireCommand::SignAgreement(it) => {
            let hire = live_hire(state, it.hire, context)?;
            text::check("template", &it.template, text::LINE)?;
            if hire.signed {
                return Ok(Vec::new());
            }
            let (revision, supersedes, terms) = hire.stated();
            let (hire, template, document) = (it.hire, it.template.clone(), it.document);
            Ok(vec![AgreementSigned { hire, revision, supersedes, terms, template, document }.into()])
        }
        HireCommand::Start(it) => {
            let hire = own_hire(state, it.hire, context)?;
            check_time(hire, it.at, hire.last_end(), context)?;
            match hire.stage {
                Stage::Agreed => {}
                // Whoever signed in has started, and so has whatever is over.
                Stage::Started { .. } | Stage::Ended { .. } => return Ok(Vec::new()),
                Stage::Void(_) => return Err(Refusal::Ended { entity: it.hire.into() }),
            }
            let (revision, supersedes, terms) = hire.stated();
            let (hire, at, asserted_by) = (it.hire, it.at, asserted_by(context.actor));
            Ok(vec![Started { hire, revision, supersedes, terms, at, asserted_by }.into()])
        }
        HireCommand::Change(it) => change(state, it, context),
        HireCommand::DecideInsurance(it) => {
            let hire = live_hire(state, it.hire, context)?;
            insurance::check_decision(it.insurance)?;
            if hire.terms.insurance == it.insurance {
                return Ok(Vec::new());
            }
            let terms = HireTerms { insurance: it.insurance, ..hire.terms.clone() };
            Ok(vec![changed(it.hire, hire, terms, ChangeReason::Insurance)])
        }
        HireCommand::Cancel(it) => {
            let hire = live_hire(state, it.hire, context)?;
            check_reason(it.reason, context)?;
            check_note(state, hire, it.note.as_ref())?;
            if let Stage::Started { at } = hire.stage {
                return Err(Refusal::TooLate { at });
            }
            // From its start on the words are: did not come, was sent home, ended. Rain may stop it until its end.
            let until = match it.reason {
                CancelReason::Weather => hire.first_shift().end(),
                CancelReason::Employer | CancelReason::Worker | CancelReason::PostingWithdrawn => {
                    hire.first_start()
                }
            };
            if until <= context.now || attendance::was_there(state, it.hire) {
                return Err(Refusal::TooLate { at: until });
            }
            Ok(vec![cancelled(it.hire, hire, it.reason, it.note.clone())])
        }
        HireCommand::ReportNoShow(it) => {
            let hire = live_hire(state, it.hire, context)?;
            check_unpaid_for(state, it.hire, hire)?;
            if attendance::was_there(state, it.hire) {
                return Err(Refusal::not_possible(it.hire, "signed in to: the sides contradict each other"));
            }
            if let Stage::Started { .. } = hire.stage {
                return Err(Refusal::not_possible(it.hire, "at work: correct the start first"));
            }
            let start = hire.first_start();
            if start > context.now {
                return Err(Refusal::TooEarly { at: start });
            }
            let (revision, supersedes, terms) = hire.stated();
            let (hire, asserted_by) = (it.hire, asserted_by(context.actor));
            Ok(vec![NoShow { hire, revision, supersedes, terms, asserted_by }.into()])
        }
        HireCommand::ReportSentHome(it) => {
            let hire = live_hire(state, it.hire, context)?;
            check_time(hire, it.at, hire.last_end(), context)?;
            check_unpaid_for(state, it.hire, hire)?;
            if attendance::was_worked(state, it.hire) {
                return Err(Refusal::not_possible(it.hire, "signed out of: what was worked stays worked"));
            }
            // Whoever owes the wage does not undo by a word the day of somebody who is there.
            if asserted_by(context.actor).may_owe() && attendance::was_there(state, it.hire) {
                let way = "signed in to: sign the worker out, or let the worker or the desk say so";
                return Err(Refusal::not_possible(it.hire, way));
            }
            let (revision, supersedes, terms) = hire.stated();
            let (hire, at, asserted_by) = (it.hire, it.at, asserted_by(context.actor));
            Ok(vec![SentHome { hire, revision, supersedes, terms, at, asserted_by }.into()])
        }
        HireCommand::Replace(it) => replace(state, it, context),
        HireCommand::End(it) => {
            let hire = own_hire(state, it.hire, context)?;
            match hire.stage {
                Stage::Agreed | Stage::Started { .. } => {}
                Stage::Ended { on, .. } if on == it.date => return Ok(Vec::new()),
                Stage::Ended { .. } | Stage::Void(_) => {
                    return Err(Refusal::Ended { entity: it.hire.into() });
                }
            }
            check_end(state, it.hire, hire, it.date, context)?;
            let (revision, supersedes, terms) = hire.stated();
            let (hire, date, basis) = (it.hire, it.date, it.basis);
            let asserted_by = asserted_by(context.actor);
            Ok(vec![Ended { hire, revision, supersedes, terms, date, basis, asserted_by }.into()])
        }
        HireCommand::CorrectEnd(it) => correct_end(state, it, context),
        HireCommand::FollowUp(it) => {
            let hire = own_hire(state, it.hire, context)?;
            check_note(state, hire, it.note.as_ref())?;
            let (worker, employer, note) = (hire.terms.worker, hire.terms.employer, it.note.clone());
            let event =
                FollowedUp { hire: it.hire, worker, employer, worked: it.worked, paid: it.paid, note };
            Ok(vec![event.into()])
        }
        HireCommand::ReportInjury(it) => {
            let hire = own_hire(state, it.hire, context)?;
            check_time(hire, it.at, hire.last_end().plus_ms(DAY_MS), context)?;
            check_note(state, hire, it.note.as_ref())?;
            if matches!(hire.stage, Stage::Void(_)) && hire.undone_by.is_none() {
                return Err(Refusal::Ended { entity: it.hire.into() });
            }
            let (revision, supersedes, terms) = hire.stated();
            let event = InjuryReported {
                hire: it.hire,
                revision,
                supersedes,
                terms,
                at: it.at,
                asserted_by: asserted_by(context.actor),
                covered: state.covered_at(it.hire, it.at),
                note: it.note.clone(),
            };
            Ok(vec![event.into()])
        }
    }
}

/// Whether the engagement can have ended on that date, by the word of this actor.
fn check_end(
    state: &State,
    id: HireId,
    hire: &Hire,
    date: Date,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    if date > context.now.date() {
        return Err(Refusal::InTheFuture { at: date.at_minute(0) });
    }
    if date < hire.first_start().date() {
        return Err(Refusal::bad_field("date", "lies before the first shift"));
    }
    // Whoever owes the wage does not drop by a date the day of somebody who came.
    let last_there = attendance::last_there(state, id);
    if asserted_by(context.actor).may_owe() && last_there.is_some_and(|last| date < last) {
        let problem =
            "lies before a shift that was signed in to: name that day, or let the worker or the desk say so";
        return Err(Refusal::bad_field("date", problem));
    }
    Ok(())
}

/// A side corrects the end that it told itself; a desk corrects anybody's, and one that was presumed.
fn correct_end(state: &State, it: &CorrectEnd, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hire = own_hire(state, it.hire, context)?;
    let (was, basis, by) = match hire.stage {
        Stage::Ended { on, basis, by, .. } => (on, basis, by),
        Stage::Agreed | Stage::Started { .. } => {
            return Err(Refusal::not_possible(it.hire, "not over yet: end it instead"));
        }
        Stage::Void(_) => return Err(Refusal::Ended { entity: it.hire.into() }),
    };
    let own = asserted_by(context.actor);
    if by != own && own != AssertedBy::Desk {
        return Err(Refusal::not_possible(
            it.hire,
            "over by another's word: whoever told it corrects it, or a desk",
        ));
    }
    if (it.date, it.basis) == (was, basis) {
        return Ok(Vec::new());
    }
    // Who came on which day is kept no longer: nobody could hold the new date against it.
    if hire.settled {
        return Err(Refusal::not_possible(it.hire, "settled since long"));
    }
    check_end(state, it.hire, hire, it.date, context)?;
    // As far off as the words about a shift may be.
    if it.date.at_minute(0) > hire.last_end().plus_ms(Shift::MAX_MINUTES * MINUTE_MS) {
        return Err(Refusal::bad_field("date", "lies days after the last shift"));
    }
    let corrected = EndCorrected {
        hire: it.hire,
        revision: hire.revision + 1,
        terms: hire.terms.clone(),
        was,
        date: it.date,
        basis: it.basis,
        asserted_by: own,
        supersedes: hire.revision,
    };
    Ok(vec![corrected.into()])
}

/// What is said of a worker, an injury above all, is sealed under the worker's own key: departments that read the event
/// cannot open it, and shredding that key takes it along.
fn check_note(state: &State, hire: &Hire, note: Option<&SealedText>) -> Result<(), Refusal> {
    let person = state.workers.get(&hire.terms.worker).map(|it| it.person);
    if note.is_some_and(|note| Some(note.person) != person) {
        return Err(Refusal::bad_field("note", "is not sealed under the worker's key"));
    }
    Ok(())
}

/// Nobody gives the other side's reason: whoever is said to have given up does not get the place again.
fn check_reason(reason: CancelReason, context: &Context<'_>) -> Result<(), Refusal> {
    let role = context.actor.role;
    let is_theirs = match reason {
        CancelReason::Weather => true,
        CancelReason::Employer => role != Role::Worker,
        CancelReason::Worker => role != Role::Employer,
        // It follows from `posting.withdraw`.
        CancelReason::PostingWithdrawn => false,
    };
    if is_theirs { Ok(()) } else { Err(Refusal::bad_field("reason", "is not for you to give")) }
}

/// Somebody else takes over what was agreed with the first, as it stands.
fn replace(state: &State, it: &Replace, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hire = live_hire(state, it.hire, context)?;
    if hire.terms.worker == it.by {
        return Err(Refusal::bad_field("by", "is the same worker"));
    }
    // Whoever is of the crew has let the leader act for them; at the desk the substitute says so.
    relation::check(state, context.actor, &Sides::of_worker(it.by).at(hire.terms.region))?;
    if context.actor.role != Role::CrewLeader {
        relation::check_mandate(state, it.by, context)?;
    }
    let start = hire.first_start();
    if start <= context.now && !context.actor.is_staff() {
        return Err(Refusal::TooLate { at: start });
    }
    check_unpaid_for(state, it.hire, hire)?;
    if attendance::was_there(state, it.hire) {
        return Err(Refusal::not_possible(it.hire, "signed in to: end it, and hire somebody else"));
    }
    let posting = state.posting(hire.terms.posting)?;
    check_lawful(state, it.by, &as_posted(&hire.terms, posting), context.rules)?;
    let instead = HireTerms {
        worker: it.by,
        person_tokens: state.worker(it.by)?.tokens.clone(),
        insurance: InsuranceDecision::Open,
        ..hire.terms.clone()
    };
    let by = HireId(context.new_id(Kind::Hire, 0));
    let agreed = agreed_on(state, by, instead, (hire.mode, None), context)?;
    let (revision, supersedes, terms) = hire.stated();
    Ok(vec![Replaced { hire: it.hire, revision, supersedes, terms, by }.into(), agreed])
}

/// What a posting with the terms of a hire would say.
fn as_posted(terms: &HireTerms, posting: &Posting) -> PostingTerms {
    PostingTerms {
        occupation: terms.occupation,
        region: terms.region,
        shifts: terms.shifts.clone(),
        pay: terms.pay.clone(),
        ..posting.terms.clone()
    }
}

/// A hire for which a wage is on the books cannot be made void: what was worked stays worked.
fn check_unpaid_for(state: &State, id: HireId, hire: &Hire) -> Result<(), Refusal> {
    let kind = hire.terms.pay.pay_kind;
    let wages = (0..).take(hire.terms.shifts.len()).map(|n| wage::wage_id(id, kind, n));
    match wages.into_iter().find(|wage| state.wages.contains_key(wage)) {
        Some(wage) => Err(Refusal::OnHold { entity: wage.into() }),
        None => Ok(()),
    }
}

/// Words about a hire belong to its time: from the day before its first shift until `until`.
fn check_time(hire: &Hire, at: Timestamp, until: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    context.check_past(at)?;
    if (hire.first_start().plus_ms(-DAY_MS)..until).contains(&at) {
        return Ok(());
    }
    Err(Refusal::bad_field("at", "lies outside the time of this hire"))
}

fn register_on_site(
    state: &State,
    it: &RegisterOnSite,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    insurance::check_decision(it.insurance)?;
    if it.terms.mode != FillMode::OnSite {
        return Err(Refusal::bad_field("terms.mode", "must be `on_site` for what was struck on the spot"));
    }
    if it.workers.is_empty()
        || it.workers.len() > MAX_CREW
        || it.workers.len() > usize::from(it.terms.headcount)
    {
        return Err(Refusal::bad_field(
            "workers",
            "names nobody, or more than the places or than a crew may be",
        ));
    }
    let mut once = it.workers.clone();
    once.sort_unstable();
    once.dedup();
    if once.len() < it.workers.len() {
        return Err(Refusal::bad_field("workers", "names somebody twice"));
    }
    let id = PostingId(context.new_id(Kind::Posting, 0));
    let mut events = posting::publish(state, id, &it.terms, context)?;
    let Some(Event::Posting(linggong_events::posting::PostingEvent::Published(shown))) = events.first()
    else {
        return Err(Refusal::not_possible(id, "under review"));
    };
    let posting = Posting::new(&shown.terms, shown.relation, &shown.relation_basis);
    for (n, worker) in (0..).zip(&it.workers) {
        relation::check(state, context.actor, &Sides::of_worker(*worker).at(it.terms.region))?;
        check_lawful(state, *worker, &it.terms, context.rules)?;
        let hire = HireId(context.new_id(Kind::Hire, n));
        let mut event = agreed(state, hire, id, &posting, *worker, (FillMode::OnSite, None), context)?;
        if let Event::Hire(HireEvent::Agreed(agreed)) = &mut event {
            agreed.terms.insurance = it.insurance;
        }
        events.push(event);
    }
    Ok(events)
}

/// The event by which a worker takes a place.
pub(crate) fn agreed(
    state: &State,
    hire: HireId,
    posting_id: PostingId,
    posting: &Posting,
    worker: WorkerId,
    filled: (FillMode, Option<OfferId>),
    context: &Context<'_>,
) -> Result<Event, Refusal> {
    let employer = state.employer(posting.terms.employer)?;
    let terms = HireTerms {
        posting: posting_id,
        worker,
        person_tokens: state.worker(worker)?.tokens.clone(),
        employer: posting.terms.employer,
        employer_code: employer.details.code.clone(),
        employer_kind: employer.details.employer_kind,
        employer_seat: employer.details.region,
        region: posting.terms.region,
        occupation: posting.terms.occupation,
        shifts: posting.terms.shifts.clone(),
        pay: posting.terms.pay.clone(),
        relation: posting.relation,
        relation_basis: posting.relation_basis.clone(),
        insurance: InsuranceDecision::Open,
    };
    agreed_on(state, hire, terms, filled, context)
}

/// The one place where anybody is hired, on whatever terms.
fn agreed_on(
    state: &State,
    hire: HireId,
    terms: HireTerms,
    (mode, offer): (FillMode, Option<OfferId>),
    context: &Context<'_>,
) -> Result<Event, Refusal> {
    state.employer(terms.employer)?.check_unrestricted(context.now.date())?;
    let missing = || Refusal::RuleMissing { rule: "office".into() };
    let office = context.rules.office().ok_or_else(missing)?;
    let (after_days, at_minute) = (office.presumed_due_after_days, office.presumed_due_minute);
    let presumed = Presumed { after_days, at_minute };
    Ok(Agreed { hire, revision: 1, terms, mode, presumed, offer }.into())
}

/// What the law bars, whoever agrees: no document, under age, a listed bar, the same minutes twice.
pub(crate) fn check_lawful(
    state: &State,
    worker_id: WorkerId,
    terms: &PostingTerms,
    rules: &RuleBook,
) -> Result<(), Refusal> {
    check_lawful_beside(state, worker_id, terms, None, rules)
}

/// The same for a worker who has the hire `except` already, whose minutes these replace.
fn check_lawful_beside(
    state: &State,
    worker_id: WorkerId,
    terms: &PostingTerms,
    except: Option<HireId>,
    rules: &RuleBook,
) -> Result<(), Refusal> {
    let worker = state.worker(worker_id)?;
    let Some(age) = worker.age.filter(|_| worker.document_verified) else {
        return Err(Refusal::DocumentMissing);
    };
    for shift in &terms.shifts {
        let date = shift.work_date();
        match age.on(date) {
            AgeBand::Under16 => return Err(Refusal::UnderAge { date }),
            AgeBand::From16To17 if !is_registered_minor(worker, date) => {
                return Err(Refusal::MinorBarred { date });
            }
            AgeBand::From16To17 | AgeBand::From18To59 | AgeBand::From60 => {}
        }
        if worker.bars.iter().any(|(occupation, until)| *occupation == terms.occupation && date <= *until) {
            return Err(Refusal::NotEligible { rule: "officer_attested_bar".into() });
        }
    }
    check_certificates(worker, terms)?;
    check_overlap(state, worker_id, &terms.shifts, except, rules)
}

/// Whether a minor shows the registration without which nobody may employ them (劳部发〔1994〕498号).
fn is_registered_minor(worker: &Worker, date: Date) -> bool {
    let valid = |it: &Certificate| it.from <= date && date <= it.until;
    let registration = |it: &Certificate| it.certificate.code() == "minor_registration";
    worker.profile.certificates.iter().any(|it| registration(it) && valid(it))
}

pub(crate) fn check_certificates(worker: &Worker, terms: &PostingTerms) -> Result<(), Refusal> {
    for needed in &terms.requirements.certificates {
        let valid = |date: Date| {
            let held = |it: &Certificate| it.from <= date && date <= it.until;
            worker.profile.certificates.iter().any(|it| it.certificate == *needed && held(it))
        };
        // On every day of the shift, the one it ends on too.
        let last_day = |it: &Shift| it.end().plus_ms(-1).date();
        let days = |it: &Shift| 0..=last_day(it).days() - it.work_date().days();
        let mut dates = terms.shifts.iter().flat_map(|it| days(it).map(|n| it.work_date().plus_days(n)));
        if !dates.all(valid) {
            return Err(Refusal::NotEligible { rule: format!("certificate:{needed}") });
        }
    }
    Ok(())
}

/// The same minutes twice, travel included, are refused with the hire that takes them.
fn check_overlap(
    state: &State,
    worker: WorkerId,
    shifts: &[Shift],
    except: Option<HireId>,
    rules: &RuleBook,
) -> Result<(), Refusal> {
    state.worker(worker)?;
    let hires = state.same_human(worker).flat_map(|it| &it.hires);
    for id in hires.filter(|id| Some(**id) != except) {
        let Some(hire) = state.hires.get(id) else { continue };
        if shifts.iter().any(|shift| hire.occupies(*shift, rules.travel_ms())) {
            return Err(Refusal::Overlaps { entity: (*id).into() });
        }
    }
    Ok(())
}

fn change(state: &State, it: &Change, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hire = live_hire(state, it.hire, context)?;
    context.actor.check_region(it.region)?;
    posting::check_shifts("shifts", &it.shifts)?;
    posting::check_pay("pay.unit", &it.pay)?;
    let (was, shifts, pay) = (&hire.terms, it.shifts.clone(), it.pay.clone());
    if (&shifts, &pay, it.region) == (&was.shifts, &was.pay, was.region) {
        return Ok(Vec::new());
    }
    attendance::check_kept(state, it.hire, hire, &shifts, pay.pay_kind)?;
    // What both had agreed is not made worse for the worker by the word of a desk alone.
    let is_as_good = pay.pay_kind == was.pay.pay_kind && pay.rate >= was.pay.rate && pay.due == was.pay.due;
    if !is_as_good {
        relation::check_mandate(state, was.worker, context)?;
    }
    let posted = as_posted(was, state.posting(was.posting)?);
    let asked = PostingTerms { shifts, pay, region: it.region, ..posted.clone() };
    if asked.shifts != was.shifts {
        // What is over is told by words about it, not agreed afterwards.
        let new = asked.shifts.iter().filter(|shift| !was.shifts.contains(shift));
        if let Some(over) = new.map(|shift| shift.end()).filter(|end| *end <= context.now).min() {
            return Err(Refusal::TooLate { at: over });
        }
        check_lawful_beside(state, was.worker, &asked, Some(it.hire), context.rules)?;
    }
    check_not_blocked(&asked, &posted, was, context.rules)?;
    let (relation, relation_basis) = posting::presumed_relation(was.employer_kind, &asked, context.rules);
    let PostingTerms { shifts, pay, region, .. } = asked;
    let terms = HireTerms { shifts, pay, region, relation, relation_basis, ..was.clone() };
    let mut events = Vec::new();
    if it.region != hire.terms.region {
        // Told under the old county first, so that its subscribers let go of it.
        let (revision, supersedes, terms) = hire.stated();
        events.push(Withdrawn { hire: it.hire, revision, supersedes, terms, moved_to: it.region }.into());
    }
    events.push(changed(it.hire, hire, terms, it.reason));
    Ok(events)
}

/// What the law keeps from being posted is not agreed afterwards either; what stood in the posting before stays.
fn check_not_blocked(
    asked: &PostingTerms,
    was: &PostingTerms,
    hire: &HireTerms,
    rules: &RuleBook,
) -> Result<(), Refusal> {
    let blocking = |terms| check_posting(terms, hire.employer_kind, rules).findings(Action::Block);
    let known = blocking(was);
    let mut findings = blocking(asked);
    findings.retain(|it| !known.contains(it));
    if findings.is_empty() { Ok(()) } else { Err(Refusal::PostingBlocked { findings, corrected: None }) }
}

fn changed(id: HireId, hire: &Hire, terms: HireTerms, reason: ChangeReason) -> Event {
    let (revision, supersedes) = (hire.revision + 1, hire.revision);
    Changed { hire: id, revision, terms, reason, supersedes }.into()
}

/// The start of a hire that had not started, because somebody says that the worker was there.
pub(crate) fn begun(state: &State, id: HireId, at: Timestamp, asserted_by: AssertedBy) -> Option<Event> {
    let known = state.hires.get(&id)?;
    match known.stage {
        Stage::Agreed => {}
        Stage::Started { .. } | Stage::Void(_) | Stage::Ended { .. } => return None,
    }
    let (revision, supersedes, terms) = known.stated();
    Some(Started { hire: id, revision, supersedes, terms, at, asserted_by }.into())
}

/// The end of a hire that had not ended, because its last shift is over.
pub(crate) fn over(
    state: &State,
    id: HireId,
    date: Date,
    basis: EndBasis,
    asserted_by: AssertedBy,
) -> Option<Event> {
    let known = state.hires.get(&id)?;
    match known.stage {
        Stage::Agreed | Stage::Started { .. } => {}
        Stage::Void(_) | Stage::Ended { .. } => return None,
    }
    let (revision, supersedes, terms) = known.stated();
    Some(Ended { hire: id, revision, supersedes, terms, date, basis, asserted_by }.into())
}

fn cancelled(id: HireId, hire: &Hire, reason: CancelReason, note: Option<SealedText>) -> Event {
    let (revision, supersedes, terms) = hire.stated();
    Cancelled { hire: id, revision, supersedes, terms, reason, note }.into()
}

/// Cancels every hire of a posting that has not started.
pub(crate) fn cancel_all_of(state: &State, posting: PostingId, now: Timestamp) -> Vec<Event> {
    let falling = cancelled_with(state, posting, now);
    falling.map(|(id, hire)| cancelled(id, hire, CancelReason::PostingWithdrawn, None)).collect()
}

/// How many shifts, over all hires, a withdrawal of the posting cancels.
pub(crate) fn shifts_cancelled_with(state: &State, posting: PostingId, now: Timestamp) -> usize {
    cancelled_with(state, posting, now).map(|(_, hire)| hire.terms.shifts.len()).sum()
}

/// The hires that do not take place once the posting is withdrawn.
fn cancelled_with(
    state: &State,
    posting: PostingId,
    now: Timestamp,
) -> impl Iterator<Item = (HireId, &Hire)> {
    let hires = state.postings.get(&posting).into_iter().flat_map(|it| &it.hires);
    let known = hires.filter_map(|id| state.hires.get(id).map(|hire| (*id, hire)));
    // Whoever was there has worked, whatever becomes of the posting; of whoever nobody told, it is presumed.
    known.filter(move |(id, hire)| {
        hire.stage == Stage::Agreed && now < hire.first_start() && !attendance::was_there(state, *id)
    })
}

pub(crate) fn evolve(state: &mut State, event: &HireEvent, meta: &Meta) {
    match event {
        HireEvent::Agreed(it) => {
            let (worker, posting) = (it.terms.worker, it.terms.posting);
            let hire = Hire {
                terms: it.terms.clone(),
                revision: it.revision,
                mode: it.mode,
                presumed: it.presumed,
                signed: false,
                stage: Stage::Agreed,
                undone_by: None,
                contested: false,
                settled: false,
            };
            state.hires.insert(it.hire, hire);
            if let Some(posting) = state.postings.get_mut(&posting) {
                posting.hires.insert(it.hire);
            }
            if let Some(worker) = state.workers.get_mut(&worker) {
                worker.hires.insert(it.hire);
            }
            attendance::expect(state, it.hire);
            insurance::expect(state, it.hire);
        }
        HireEvent::AgreementSigned(it) => {
            if let Some(hire) = state.hires.get_mut(&it.hire) {
                hire.signed = true;
            }
        }
        HireEvent::Started(it) => set_stage(state, it.hire, Stage::Started { at: it.at }),
        HireEvent::Changed(it) => {
            attendance::keep_pay(state, it.hire);
            attendance::no_longer_expect(state, it.hire);
            insurance::no_longer_expect(state, it.hire);
            let decided = state.hires.get(&it.hire).map(|hire| hire.terms.insurance);
            if decided != Some(it.terms.insurance) {
                insurance::decided_anew(state, it.hire);
            }
            if let Some(hire) = state.hires.get_mut(&it.hire) {
                hire.terms = it.terms.clone();
                hire.revision = it.revision;
            }
            attendance::expect(state, it.hire);
            insurance::expect(state, it.hire);
        }
        HireEvent::Withdrawn(_) | HireEvent::FollowedUp(_) | HireEvent::InjuryReported(_) => {}
        HireEvent::Cancelled(it) => {
            // Called off before it began, it was never to be worked; afterwards that it rained is one side's word.
            let begun = state.hires.get(&it.hire).is_some_and(|hire| hire.first_start() <= meta.time);
            let said_by = begun.then(|| asserted_as(meta.role));
            make_void(state, it.hire, VoidReason::Cancelled, said_by, meta);
            if it.reason == CancelReason::Worker {
                state.decline(it.terms.worker, it.terms.posting);
            }
        }
        HireEvent::NoShow(it) => {
            make_void(state, it.hire, VoidReason::NoShow, Some(it.asserted_by), meta);
            state.decline(it.terms.worker, it.terms.posting);
            if let Some(worker) = state.workers.get_mut(&it.terms.worker) {
                worker.missed += 1;
            }
        }
        HireEvent::SentHome(it) => {
            make_void(state, it.hire, VoidReason::SentHome, Some(it.asserted_by), meta);
        }
        HireEvent::Replaced(it) => make_void(state, it.hire, VoidReason::Replaced, None, meta),
        HireEvent::Ended(it) => {
            let until = meta.occurred_at.min(it.date.end());
            let (on, basis, by) = (it.date, it.basis, it.asserted_by);
            set_stage(state, it.hire, Stage::Ended { on, until, basis, by });
            insurance::no_longer_expect(state, it.hire);
            if let Some(worker) = state.workers.get_mut(&it.terms.worker) {
                worker.kept += 1;
                *worker.worked_for.entry(it.terms.employer).or_default() += 1;
            }
        }
        HireEvent::EndCorrected(it) => end_anew(state, it, meta),
    }
}

/// Which shifts are still expected follows from the new date; what is on the books stays there, due when it was.
fn end_anew(state: &mut State, it: &EndCorrected, meta: &Meta) {
    let until = meta.occurred_at.min(it.date.end());
    let (on, basis, by) = (it.date, it.basis, it.asserted_by);
    set_stage(state, it.hire, Stage::Ended { on, until, basis, by });
    if let Some(hire) = state.hires.get_mut(&it.hire) {
        hire.revision = it.revision;
    }
}

fn set_stage(state: &mut State, id: HireId, stage: Stage) {
    if let Some(hire) = state.hires.get_mut(&id) {
        hire.stage = stage;
    }
}

/// Somebody says that a day was worked which one side alone undid: until people decide, it is not held against the
/// worker.
pub(crate) fn contest(state: &mut State, id: HireId) {
    let Some(hire) = state.hires.get_mut(&id).filter(|it| it.undone_by.is_some() && !it.contested) else {
        return;
    };
    hire.contested = true;
    let (stage, worker) = (hire.stage, hire.terms.worker);
    if let Some(worker) = state.workers.get_mut(&worker).filter(|_| stage == Stage::Void(VoidReason::NoShow))
    {
        worker.missed = worker.missed.saturating_sub(1);
    }
}

/// A void hire gives its place and its worker's minutes back.
fn make_void(state: &mut State, id: HireId, reason: VoidReason, said_by: Option<AssertedBy>, meta: &Meta) {
    set_stage(state, id, Stage::Void(reason));
    if let Some(hire) = state.hires.get_mut(&id) {
        hire.undone_by = said_by.filter(|by| by.may_owe());
    }
    attendance::no_longer_expect(state, id);
    insurance::no_longer_expect(state, id);
    let Some(hire) = state.hires.get(&id) else { return };
    let (worker, posting) = (hire.terms.worker, hire.terms.posting);
    if let Some(posting) = state.postings.get_mut(&posting) {
        posting.hires.remove(&id);
    }
    if let Some(worker) = state.workers.get_mut(&worker) {
        worker.hires.remove(&id);
    }
    match reason {
        VoidReason::Cancelled | VoidReason::NoShow | VoidReason::SentHome => {
            matching::owe(state, posting, meta);
        }
        // Whoever comes instead takes the place in the same decision.
        VoidReason::Replaced => {}
    }
}

pub(crate) fn follow_up(state: &State, event: &HireEvent, meta: &Meta, rules: &RuleBook) -> Vec<Event> {
    match event {
        HireEvent::Agreed(it) => {
            let mut events = offer::withdraw_overlapping(state, it.terms.worker, it.hire, rules);
            let posting = state.postings.get(&it.terms.posting);
            if posting.is_some_and(|posting| posting.status == Status::Open && posting.not_taken() == 0) {
                events.push(Filled { posting: it.terms.posting }.into());
            }
            events
        }
        HireEvent::Cancelled(it) => place_free(state, it.terms.posting, meta),
        HireEvent::NoShow(it) => place_free(state, it.terms.posting, meta),
        HireEvent::SentHome(it) => place_free(state, it.terms.posting, meta),
        HireEvent::Ended(it) => wage::of_ended_hire(state, it.hire, it.date, rules),
        // Whoever comes instead takes the place in the same decision.
        HireEvent::Replaced(_)
        | HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Changed(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::EndCorrected(_)
        | HireEvent::FollowedUp(_)
        | HireEvent::InjuryReported(_) => Vec::new(),
    }
}

/// A place was given back: a full posting opens again before its last shift.
fn place_free(state: &State, id: PostingId, meta: &Meta) -> Vec<Event> {
    let Some(posting) = state.postings.get(&id) else { return Vec::new() };
    match posting.status {
        Status::Filled if posting.starts().1 > meta.time => {
            vec![Reopened { posting: id, free: posting.not_taken() }.into()]
        }
        Status::Open | Status::Filled | Status::UnderReview | Status::Ended => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::id::{CommandId, KeyId, PersonId};
    use linggong_events::posting::Requirements;
    use linggong_events::time::MINUTE_MS;
    use linggong_events::worker::SkillLevel;

    use super::*;
    use crate::command::About;
    use crate::testing::*;

    #[test]
    fn a_note_about_a_worker_is_sealed_under_no_other_key() {
        let sealed =
            |person| SealedText { person, key: KeyId(uuid::Uuid::from_u128(5)), boxed: "xc20p:AAAA".into() };
        let report = |note| ReportInjury { hire: HIRE, at: at("2026-11-22 09:00"), note: Some(sealed(note)) };
        let somebody = PersonId(uuid::Uuid::from_u128(0xbad));
        let given = hired(EmployerKind::Enterprise).at("2026-11-22 10:00").by(clerk());
        let given = given.when(report(somebody)).then_refused("bad_field");
        let note = Some(sealed(somebody));
        let called = FollowUp { hire: HIRE, worked: true, paid: false, note };
        let given = given.when(called).then_refused("bad_field");
        given.when(report(PERSON)).then(["hire.injury_reported"]);
    }

    #[test]
    fn the_end_of_a_hire_is_put_right_by_whoever_told_it_and_what_is_expected_follows() {
        let days = ["2026-11-22", "2026-11-23", "2026-11-24"];
        let shifts = days.map(|day| shift(&format!("{day} 07:00"), &format!("{day} 17:00")));
        let day = |day: &str| day.parse::<Date>().unwrap();
        let correct = |date| CorrectEnd { hire: HIRE, date: day(date), basis: EndBasis::WorkDone };
        let end = End { hire: HIRE, date: day("2026-11-22"), basis: EndBasis::WorkDone };
        let given = hired_on(EmployerKind::Enterprise, HireTerms { shifts: shifts.into(), ..terms() });
        let given = given.at("2026-11-22 18:00").by(employer());
        let given = given.when(correct("2026-11-22")).then_refused("not_possible").and(end);
        let given = given.when(correct("2026-11-22")).then_nothing();
        let given = given.when(correct("2026-11-23")).then_refused("in_the_future");
        let given = given.when(correct("2026-11-21")).then_refused("bad_field");
        let given = given.by(worker()).when(correct("2026-11-22")).then_refused("not_possible");

        // One more day was worked: its wage is presumed like any other, though its hour has passed.
        let given = given.at("2026-11-25 18:00");
        assert_eq!(given.state.wages.len(), 1);
        let given = given.by(employer()).when(correct("2026-11-23")).then(["hire.end_corrected"]);
        assert_eq!((given.state.wages.len(), given.state.hires[&HIRE].revision), (1, 2));
        let given = given.at("2026-11-25 18:01");
        assert_eq!(given.state.wages.len(), 2, "the third day is not expected");

        // A desk puts right whatever was told, and then it is the desk's.
        let given = given.at("2026-11-28 09:00").by(clerk());
        let given = given.when(correct("2026-11-27")).then_refused("bad_field");
        let given = given.when(correct("2026-11-22")).then(["hire.end_corrected"]);
        assert_eq!(given.state.wages.len(), 2, "what is on the books stays there");
        given.by(employer()).when(correct("2026-11-23")).then_refused("not_possible");
    }

    #[test]
    fn whoever_owes_the_wage_moves_no_end_before_a_day_on_which_somebody_came() {
        let days = ["2026-11-22", "2026-11-23"];
        let shifts = days.map(|day| shift(&format!("{day} 07:00"), &format!("{day} 17:00")));
        let date = |day: &str| day.parse::<Date>().unwrap();
        let end = End { hire: HIRE, date: date("2026-11-23"), basis: EndBasis::WorkDone };
        let earlier = CorrectEnd { hire: HIRE, date: date("2026-11-22"), basis: EndBasis::WorkDone };
        let given = hired_on(EmployerKind::Enterprise, HireTerms { shifts: shifts.into(), ..terms() });
        let came = attendance::SignIn { hire: HIRE, shift: None };
        let given = given.at("2026-11-23 07:00").by(worker()).and(came).at("2026-11-23 09:00");
        let given = given.by(employer()).and(end).when(earlier.clone()).then_refused("bad_field");
        given.by(clerk()).when(earlier).then(["hire.end_corrected"]);
    }

    #[test]
    fn travel_counts_between_two_shifts_also_beside_the_longest() {
        let long = shift("2026-11-22 00:00", "2026-11-24 00:00");
        let next = shift("2026-11-24 00:30", "2026-11-24 04:30");
        let hour = 60 * MINUTE_MS;
        assert!(near(long, next, hour) && near(next, long, hour));
        assert!(!near(long, next, hour / 2) && !near(next, long, hour / 2));
    }

    #[test]
    fn nobody_is_hired_without_the_offices_own_numbers() {
        let hire = terms();
        let terms = PostingTerms {
            employer: hire.employer,
            occupation: hire.occupation,
            text: "装卸".into(),
            region: hire.region,
            place: linggong_events::place::Point { lat_e6: 36_650_000, lon_e6: 117_120_000 },
            address: "物流园".into(),
            shifts: hire.shifts,
            headcount: 1,
            pay: hire.pay,
            requirements: Requirements { level: SkillLevel::Helper, certificates: Vec::new() },
            mode: FillMode::Grab,
            market: None,
        };
        let posting = Posting::new(&terms, hire.relation, &hire.relation_basis);
        let state = registered(EmployerKind::Unlicensed).state;
        let (actor, about) = (clerk(), About::default());
        let under = |rules: &RuleBook| {
            let (now, command) = (at("2026-11-22 05:00"), CommandId(HIRE.0));
            let context = Context { now, command, actor: &actor, about: &about, rules };
            agreed(&state, HIRE, hire.posting, &posting, WORKER, (FillMode::Grab, None), &context)
        };
        assert_eq!(under(&RuleBook::default()).unwrap_err().code(), "rule_missing");
        let Ok(Event::Hire(HireEvent::Agreed(agreed))) = under(&rules()) else { panic!("no hire") };
        assert_eq!(agreed.presumed, presumed());
    }
}
