//! 案件: what an office does about claims. Deadlines warn and lapse by themselves; they never close a case.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::case::{
    Accepted, Assigned, CaseEvent, Closed, Conclusion, Corrected, Deadline as Period, DeadlineLapsed,
    DeadlineMet, DeadlineOf, DeadlineRecounted, DeadlineWarned, DirectedElsewhere, DocumentIssued, Excess,
    Extended, Filed, FilingProposed, Mediated, MediationFailed, Refused, ReopenProposed, Reopened,
    ServiceMode, SettlementPaper, SupplementAsked, Supplemented,
};
use linggong_events::claim::Track;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, CaseId, ClaimId, EmployerId, EventId, Kind, OfficeId, WageId, WorkerId};
use linggong_events::measure::{Fen, MAX_JSON_INTEGER};
use linggong_events::office::{Role, SeriesKind};
use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};

use crate::claim::{self, Answer, Claim, DISPUTED};
use crate::command::{Actor, Context, commands};
use crate::recount::{Counted, Recount, Recounted};
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::wage::Wage;
use crate::{deadline, text};

commands! {
    /// What can be asked about cases.
    CaseCommand: Case {
        /// 受理: takes on claims of one worker against one employer.
        Accept = "accept", [CaseOfficer, CaseLead, Mediator] => { claims: Vec<ClaimId>, track: Track }
        /// 不予受理, in writing.
        Refuse = "refuse", [CaseOfficer, CaseLead, Mediator] => { claim: ClaimId, reason: String }
        /// 补正: asks the claimant for what is missing.
        AskSupplement = "ask_supplement", [CaseOfficer, CaseLead, Mediator] => { claim: ClaimId, missing: String, due: Date }
        /// 补正 came in: what was missing was supplied, so that the office answers within the period that begins anew.
        Supplement = "supplement", [CaseOfficer, CaseLead, Mediator] => { claim: ClaimId, supplied: String }
        /// 告知他处: shows the way to another body or court.
        DirectElsewhere = "direct_elsewhere", [CaseOfficer, CaseLead, Mediator] => { claim: ClaimId, to: String, reason: String }
        /// Asks for 立案.
        ProposeFiling = "file.propose", [CaseOfficer, CaseLead] => { case: CaseId, reason: String }
        /// 立案, by a second officer.
        ConfirmFiling = "file.confirm", [CaseOfficer, CaseLead] => { case: CaseId }
        /// Names the officer who answers for it.
        Assign = "assign", [CaseLead] => { case: CaseId, officer: ActorId, reason: String }
        /// Records a document that went out, and how it was served.
        IssueDocument = "issue_document", [CaseOfficer, CaseLead, Mediator] => {
            case: CaseId, document: String, number: String, digest: EvidenceDigest, served: ServiceMode, served_at: Timestamp,
        } + optional {
            /// By when its addressee is to act.
            due: Date,
        }
        /// Approves a longer period, as the rules allow it; for a document's own date, as the officer sets it.
        Extend = "extend", [CaseLead] => { case: CaseId, rule: DeadlineOf, reason: String } + optional { last_day: Date }
        /// Says that what a deadline was for is done.
        MeetDeadline = "meet_deadline", [CaseOfficer, CaseLead, Mediator] => { case: CaseId, rule: DeadlineOf }
        /// 调解 reached terms for one claim; the paper with the claimant's consent is in the vault.
        Mediate = "mediate", [CaseOfficer, CaseLead, Mediator] => {
            case: CaseId, claim: ClaimId, amount: Fen, pay_by: Date, paper: SettlementPaper, document: EvidenceDigest,
        } + optional {
            /// Why the terms are more than what is outstanding.
            excess: Excess,
        }
        /// 调解不成.
        FailMediation = "fail_mediation", [CaseOfficer, CaseLead, Mediator] => { case: CaseId, reason: String }
        /// 结案.
        Close = "close", [CaseOfficer, CaseLead, Mediator] => { case: CaseId, conclusion: Conclusion, reason: String }
        /// Asks to take a closed case up again.
        ProposeReopening = "reopen.propose", [CaseOfficer, CaseLead, Mediator] => { case: CaseId, reason: String }
        /// Takes it up again, by a second officer.
        ConfirmReopening = "reopen.confirm", [CaseOfficer, CaseLead] => { case: CaseId }
        /// 更正: says what an earlier entry should have said; the entry stays readable.
        Correct = "correct", [CaseOfficer, CaseLead, Mediator] => {
            case: CaseId, corrects: EventId, was: String, is: String, reason: String,
        }
    }
}

/// A case as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) office: OfficeId,
    pub(crate) worker: WorkerId,
    pub(crate) employer: EmployerId,
    pub(crate) claims: BTreeSet<ClaimId>,
    /// Claims for which mediation reached terms.
    pub(crate) mediated: BTreeSet<ClaimId>,
    /// The terms by claim, until they are kept.
    agreed: BTreeMap<ClaimId, Agreed>,
    pub(crate) stage: Stage,
    pub(crate) officer: Option<ActorId>,
    filing_proposed: Option<ActorId>,
    reopening_proposed: Option<(ActorId, String)>,
    deadlines: BTreeMap<DeadlineOf, Running>,
    documents: BTreeSet<String>,
    /// Every entry, so that a correction points at one.
    entries: BTreeSet<EventId>,
}

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// 补正: the claimant is to supply something before it is decided whether the claim is accepted.
    Supplementing,
    /// The claim went no further here.
    TurnedAway,
    /// 受理.
    Accepted { track: Track, filed: bool },
    /// 结案; what it was before.
    Closed { track: Track, filed: bool },
}

/// A deadline that runs, or has run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Running {
    trigger: Date,
    last_day: Date,
    /// So many days before the last one the officer is warned.
    warn_days: Vec<u16>,
    /// The warnings to come.
    warn_at: BTreeSet<Timestamp>,
    /// When it lapses; nothing while the case is closed, or where nobody vouched for the row.
    lapses_at: Option<Timestamp>,
    /// Whether it may lapse: its row was verified, or an officer set it.
    vouched: bool,
    extended: bool,
    lapsed: bool,
    /// The packs by which a row of the rules was counted; empty for a day that somebody set or approved, which no
    /// calendar moves.
    counted_by: Vec<String>,
}

/// Terms that the parties agreed on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Agreed {
    amount: Fen,
    /// What of the wages in question had been paid before.
    before: BTreeMap<WageId, Fen>,
}

impl Agreed {
    /// What is still to come. What goes beyond the wages on the books is seen by an officer alone.
    fn unpaid(&self, state: &State) -> Fen {
        let since = |(wage, before): (&WageId, &Fen)| {
            let paid = state.wages.get(wage).map_or(*before, Wage::paid);
            paid.minus(*before).map_or(Fen::ZERO, |it| it.max(Fen::ZERO))
        };
        let came = self.before.iter().map(since).fold(Fen::ZERO, |sum, it| sum.plus(it).unwrap_or(sum));
        self.amount.minus(came).map_or(Fen::ZERO, |it| it.max(Fen::ZERO))
    }
}

impl State {
    fn case(&self, id: CaseId) -> Result<&Case, Refusal> {
        self.cases.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// A case at work, for an officer who may act in it; with its track and whether it is filed.
    fn open_case(&self, id: CaseId, actor: &Actor) -> Result<(&Case, Track, bool), Refusal> {
        let case = self.case(id)?;
        check_officer(self, id, case, actor)?;
        let (track, filed) = at_work(id, case)?;
        Ok((case, track, filed))
    }

    fn outstanding_of(&self, case: &Case) -> Fen {
        self.sum_of(case, |claim| claim.outstanding)
    }

    fn sum_of(&self, case: &Case, part: impl Fn(&Claim) -> Fen) -> Fen {
        let sums = case.claims.iter().filter_map(|id| self.claims.get(id)).map(part);
        sums.fold(Fen::ZERO, |sum, it| sum.plus(it).unwrap_or(sum))
    }
}

/// The track of a case at work, and whether it is filed.
fn at_work(id: CaseId, case: &Case) -> Result<(Track, bool), Refusal> {
    match case.stage {
        Stage::Accepted { track, filed } => Ok((track, filed)),
        Stage::Supplementing => Err(Refusal::not_possible(id, "not accepted yet")),
        Stage::TurnedAway | Stage::Closed { .. } => Err(Refusal::Ended { entity: id.into() }),
    }
}

/// Refuses whoever does not sit at the office, and where an officer is assigned, whoever is neither that nor lead.
fn check_officer(state: &State, id: CaseId, case: &Case, actor: &Actor) -> Result<(), Refusal> {
    check_office(state, case.office, actor)?;
    check_impartial(state, id, case, actor)?;
    relation::check(state, actor, &Sides::held(id, case.office).assigned_to(case.officer))
}

fn check_office(state: &State, office: OfficeId, actor: &Actor) -> Result<(), Refusal> {
    relation::check(state, actor, &Sides::held(office, office))
}

/// 回避: nobody handles a case of their own.
fn check_impartial(state: &State, id: CaseId, case: &Case, actor: &Actor) -> Result<(), Refusal> {
    let is_party = is_party(state, case.worker, case.employer, actor);
    if is_party { Err(Refusal::ConflictOfInterest { entity: id.into() }) } else { Ok(()) }
}

fn is_party(state: &State, worker: WorkerId, employer: EmployerId, actor: &Actor) -> bool {
    let claimant = state.workers.get(&worker).map(|it| it.person);
    let debtor = state.employers.get(&employer).and_then(|it| it.details.person);
    actor.person.is_some_and(|person| claimant == Some(person) || debtor == Some(person))
        || actor.worker == Some(worker)
        || actor.employer == Some(employer)
}

fn cases_about(state: &State, wage: WageId) -> impl Iterator<Item = CaseId> {
    let claims = state.claimed.get(&wage.into()).into_iter().flatten();
    claims.filter_map(|claim| state.claims.get(claim)?.case)
}

/// The accepted case that is about a wage, if there is one.
pub(crate) fn accepted_about(state: &State, wage: WageId) -> Option<CaseId> {
    let is_accepted =
        |case: &CaseId| state.cases.get(case).is_some_and(|it| matches!(it.stage, Stage::Accepted { .. }));
    cases_about(state, wage).find(is_accepted)
}

/// Refuses a finding about a wage by a party of it and, where a case about it is accepted, outside that case.
pub(crate) fn check_finder(
    state: &State,
    id: WageId,
    wage: &Wage,
    case: Option<CaseId>,
    actor: &Actor,
) -> Result<(), Refusal> {
    if is_party(state, wage.worker, wage.employer, actor) {
        return Err(Refusal::ConflictOfInterest { entity: id.into() });
    }
    let Some(case) = case else {
        return match accepted_about(state, id) {
            Some(_) => Err(Refusal::bad_field("case", "is needed: one about this wage is accepted")),
            None => Ok(()),
        };
    };
    state.open_case(case, actor)?;
    if cases_about(state, id).any(|about| about == case) {
        Ok(())
    } else {
        Err(Refusal::bad_field("case", "is not about this wage"))
    }
}

pub(crate) fn decide(
    state: &State,
    command: &CaseCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        CaseCommand::Accept(it) => accept(state, it, context),
        CaseCommand::Refuse(it) => refuse(state, it, context),
        CaseCommand::AskSupplement(it) => ask_supplement(state, it, context),
        CaseCommand::Supplement(it) => supplement(state, it, context),
        CaseCommand::DirectElsewhere(it) => direct_elsewhere(state, it, context),
        CaseCommand::ProposeFiling(it) => propose_filing(state, it, context),
        CaseCommand::ConfirmFiling(it) => confirm_filing(state, it, context),
        CaseCommand::Assign(it) => assign(state, it, context),
        CaseCommand::IssueDocument(it) => issue_document(state, it, context),
        CaseCommand::Extend(it) => extend(state, it, context),
        CaseCommand::MeetDeadline(it) => meet_deadline(state, it, context),
        CaseCommand::Mediate(it) => mediate(state, it, context),
        CaseCommand::FailMediation(it) => {
            state.open_case(it.case, context.actor)?;
            text::check("reason", &it.reason, text::LINE)?;
            Ok(vec![MediationFailed { case: it.case, reason: it.reason.clone() }.into()])
        }
        CaseCommand::Close(it) => close(state, it, context),
        CaseCommand::ProposeReopening(it) => propose_reopening(state, it, context),
        CaseCommand::ConfirmReopening(it) => confirm_reopening(state, it, context),
        CaseCommand::Correct(it) => correct(state, it, context),
    }
}

/// A claim that waits for this office's answer, and the case in which a supplement was asked for, if one was.
fn waiting<'a>(
    state: &'a State,
    id: ClaimId,
    context: &Context<'_>,
) -> Result<(&'a Claim, Option<CaseId>), Refusal> {
    let claim = state.open_claim(id)?;
    check_office(state, claim.office, context.actor)?;
    if let Some((case, known)) = claim.case.and_then(|case| state.cases.get(&case).map(|known| (case, known)))
    {
        check_officer(state, case, known, context.actor)?;
    }
    match claim.answer {
        Answer::Awaited => Ok((claim, claim.case)),
        Answer::Accepted => Err(Refusal::not_possible(id, "accepted already")),
        Answer::Refused => Err(Refusal::not_possible(id, "refused already")),
        Answer::DirectedElsewhere => Err(Refusal::not_possible(id, "directed elsewhere already")),
    }
}

fn new_case(known: Option<CaseId>, context: &Context<'_>) -> CaseId {
    known.unwrap_or_else(|| CaseId(context.new_id(Kind::Case, 0)))
}

fn year(context: &Context<'_>) -> i16 {
    context.now.date().civil().year()
}

fn warn_days(rules: &RuleBook) -> Vec<u16> {
    rules.office().map(|office| office.near_deadline_days.clone()).unwrap_or_default()
}

/// The period of a row of the rules from `trigger`.
pub(crate) fn period(rules: &RuleBook, row: &str, trigger: Date) -> Result<Period, Refusal> {
    let computed =
        rules.deadline(row, trigger, &[]).ok_or_else(|| Refusal::RuleMissing { rule: row.into() })?;
    Ok(written(row, computed))
}

/// The same with the extension that the row allows.
fn prolonged(rules: &RuleBook, row: &str, trigger: Date) -> Result<Period, Refusal> {
    let missing = || Refusal::RuleMissing { rule: row.into() };
    let known = rules.deadline_row(row).ok_or_else(missing)?;
    let computed = deadline::extended(known, trigger, rules.calendar(), &[]);
    let computed = computed.ok_or_else(|| Refusal::bad_field("rule", "allows no longer period"))?;
    Ok(written(row, computed))
}

pub(crate) fn written(row: &str, computed: deadline::Deadline) -> Period {
    Period {
        rule: row.into(),
        last_day: computed.last_day(),
        safe_day: computed.safe_day,
        trace: computed.trace,
    }
}

/// The row that acceptance itself has to keep, and the rows whose periods begin with acceptance or, in mediation,
/// with the application.
fn rows_of(track: Track) -> Result<(Option<&'static str>, &'static [&'static str]), Refusal> {
    match track {
        Track::Supervision => Ok((Some("sup.accept"), &[])),
        Track::Arbitration => {
            Ok((Some("arb.accept"), &["arb.serve_copy", "arb.tribunal_notice", "arb.award"]))
        }
        Track::Mediation => Ok((None, &["med.no_agreement"])),
        Track::Civil => Err(Refusal::bad_field("track", "leads to a court: direct the claimant there")),
    }
}

fn accept(state: &State, it: &Accept, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (first, rest) = it.claims.split_first().ok_or_else(|| Refusal::bad_field("claims", "is empty"))?;
    let (claim, known) = waiting(state, *first, context)?;
    let (worker, employer, office) = (claim.worker, claim.employer, claim.office);
    // Whoever waited longest decides whether the answer comes in time.
    let (mut held_since, mut answer_since) = (claim.held_since, claim.answer_since);
    for id in rest {
        let (other, _) = waiting(state, *id, context)?;
        (held_since, answer_since) = (held_since.min(other.held_since), answer_since.min(other.answer_since));
        if (other.worker, other.employer) != (worker, employer) {
            return Err(Refusal::bad_field("claims", "are not of one worker against one employer"));
        }
    }
    let mut named = BTreeSet::new();
    if !it.claims.iter().all(|id| named.insert(*id)) {
        return Err(Refusal::bad_field("claims", "name one claim twice"));
    }
    let (kept_by_now, running) = rows_of(it.track)?;
    // 劳动合同法 2, 调解仲裁法 2: between a household and whoever works there is no labour relation.
    if matches!(it.track, Track::Supervision | Track::Arbitration)
        && !state.employer(employer)?.details.employer_kind.is_supervised()
    {
        return Err(Refusal::not_possible(
            employer,
            "a household, which is neither supervised nor arbitrated with: mediate or direct elsewhere",
        ));
    }
    for id in &it.claims {
        check_elsewhere(state, *id, &named)?;
    }
    let case = new_case(known, context);
    let kept = kept_by_now
        .map(|row| {
            let anew = begins_anew(context.rules, row);
            period(context.rules, row, if anew { answer_since } else { held_since })
        })
        .transpose()?;
    let mut deadlines: Vec<Period> = kept.iter().cloned().collect();
    // What was stamped earlier and entered now was done when it was stamped.
    let done = context.filed_at();
    if done.date() < held_since {
        return Err(Refusal::bad_field("about.filed", "lies before the claim came to this office"));
    }
    // 自收到调解申请之日起: mediation is under way from the application on, not from its acceptance (调解仲裁法 14).
    let from = if it.track == Track::Mediation { held_since } else { done.date() };
    for row in running {
        deadlines.push(period(context.rules, row, from)?);
    }
    let accepted = Accepted {
        case,
        claims: it.claims.clone(),
        worker,
        employer,
        office,
        number: state.next_number(office, SeriesKind::Acceptance, year(context))?,
        track: it.track,
        deadlines,
        warn_days: warn_days(context.rules),
    };
    check_new_case(state, &accepted, context.actor)?;
    let mut events = vec![accepted.into()];
    // An acceptance that comes too late does not undo the lapse: it is stated as soon as time is looked at.
    if let Some(kept) = kept.filter(|kept| done <= kept.last_day.end()) {
        events.push(DeadlineMet { case, rule: kept.rule, last_day: kept.last_day, claim: None }.into());
    }
    Ok(events)
}

fn check_new_case(state: &State, accepted: &Accepted, actor: &Actor) -> Result<(), Refusal> {
    let case = opened(accepted.office, accepted.worker, accepted.employer);
    check_impartial(state, accepted.case, &case, actor)
}

/// 监察条例 21 ¶2: a wage that is before another body is not processed here; an officer directs the claimant.
fn check_elsewhere(state: &State, claim: ClaimId, together: &BTreeSet<ClaimId>) -> Result<(), Refusal> {
    for rival in state.rivals(claim).into_iter().filter(|rival| !together.contains(rival)) {
        let case = state.claims.get(&rival).and_then(|it| it.case);
        let stage = case.and_then(|case| state.cases.get(&case)).map(|it| it.stage);
        if let (Some(case), Some(Stage::Accepted { .. })) = (case, stage) {
            return Err(Refusal::ElsewhereAlready { entity: case.into() });
        }
    }
    Ok(())
}

fn refuse(state: &State, it: &Refuse, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (claim, known) = waiting(state, it.claim, context)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    let number = state.next_number(claim.office, SeriesKind::Refusal, year(context))?;
    let (case, office) = (new_case(known, context), claim.office);
    let (worker, employer, reason) = (claim.worker, claim.employer, it.reason.clone());
    Ok(vec![Refused { case, claim: it.claim, worker, employer, office, number, reason }.into()])
}

fn ask_supplement(state: &State, it: &AskSupplement, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (claim, known) = waiting(state, it.claim, context)?;
    text::check("missing", &it.missing, text::PARAGRAPH)?;
    check_future(it.due, context)?;
    let asked = SupplementAsked {
        case: new_case(known, context),
        claim: it.claim,
        worker: claim.worker,
        employer: claim.employer,
        office: claim.office,
        missing: it.missing.clone(),
        due: it.due,
        warn_days: warn_days(context.rules),
    };
    Ok(vec![asked.into()])
}

/// The answer is due anew where the row counts from a supplement, else as before the office asked.
fn supplement(state: &State, it: &Supplement, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (claim, known) = waiting(state, it.claim, context)?;
    text::check("supplied", &it.supplied, text::PARAGRAPH)?;
    let of = DeadlineOf::Supplement(it.claim);
    let asked = |case: &CaseId| state.cases.get(case).is_some_and(|it| it.deadlines.contains_key(&of));
    let case =
        known.filter(asked).ok_or_else(|| Refusal::not_possible(it.claim, "not to be supplemented"))?;
    let received = context.occurred_at().date();
    let from = if begins_anew(context.rules, claim::ANSWER) { received } else { claim.answer_since };
    let supplemented = Supplemented {
        case,
        claim: it.claim,
        worker: claim.worker,
        employer: claim.employer,
        office: claim.office,
        supplied: it.supplied.clone(),
        received,
        answer_by: period(context.rules, claim::ANSWER, from).ok(),
    };
    Ok(vec![supplemented.into()])
}

/// Whether the period of a row begins anew with a supplement, as its trigger says.
fn begins_anew(rules: &RuleBook, row: &str) -> bool {
    rules.deadline_row(row).is_some_and(|row| row.trigger.split('|').any(|it| it == "Supplemented"))
}

fn check_future(due: Date, context: &Context<'_>) -> Result<(), Refusal> {
    if due > context.now.date() { Ok(()) } else { Err(Refusal::bad_field("due", "is not a day to come")) }
}

fn direct_elsewhere(
    state: &State,
    it: &DirectElsewhere,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let (claim, known) = waiting(state, it.claim, context)?;
    text::check("to", &it.to, text::LINE)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    let (case, office) = (new_case(known, context), claim.office);
    let (worker, employer, to, reason) = (claim.worker, claim.employer, it.to.clone(), it.reason.clone());
    Ok(vec![DirectedElsewhere { case, claim: it.claim, worker, employer, office, to, reason }.into()])
}

fn propose_filing(state: &State, it: &ProposeFiling, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (_, track, filed) = state.open_case(it.case, context.actor)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    if track != Track::Supervision {
        return Err(Refusal::not_possible(it.case, "no case of supervision, which alone is filed"));
    }
    if filed {
        return Err(Refusal::not_possible(it.case, "filed already"));
    }
    Ok(vec![FilingProposed { case: it.case, reason: it.reason.clone() }.into()])
}

fn confirm_filing(state: &State, it: &ConfirmFiling, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    // The second officer need not be the one assigned.
    let case = state.case(it.case)?;
    check_office(state, case.office, context.actor)?;
    check_impartial(state, it.case, case, context.actor)?;
    at_work(it.case, case)?;
    let proposed_by = case.filing_proposed.ok_or(Refusal::NothingProposed { entity: it.case.into() })?;
    if proposed_by == context.actor.id {
        return Err(Refusal::SecondOfficerNeeded);
    }
    let number = state.next_number(case.office, SeriesKind::Filing, year(context))?;
    let deadlines = vec![period(context.rules, "sup.investigate", context.filed_at().date())?];
    let warn_days = warn_days(context.rules);
    Ok(vec![Filed { case: it.case, number, deadlines, proposed_by, warn_days }.into()])
}

fn assign(state: &State, it: &Assign, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (case, _, _) = state.open_case(it.case, context.actor)?;
    text::check("reason", &it.reason, text::LINE)?;
    let grants = &state.office(case.office)?.grants;
    let roles = [Role::CaseOfficer, Role::CaseLead, Role::Mediator];
    let grant = roles.iter().find_map(|role| grants.get(&(it.officer, *role)));
    let grant = grant.ok_or_else(|| Refusal::bad_field("officer", "is no officer of this office"))?;
    check_impartial(state, it.case, case, &Actor::holding(grant, case.office))?;
    if case.officer == Some(it.officer) {
        return Ok(Vec::new());
    }
    Ok(vec![Assigned { case: it.case, officer: it.officer, reason: it.reason.clone() }.into()])
}

fn issue_document(state: &State, it: &IssueDocument, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (case, _, _) = state.open_case(it.case, context.actor)?;
    text::check("document", &it.document, 60)?;
    text::check("number", &it.number, 60)?;
    if it.served_at > context.now {
        return Err(Refusal::InTheFuture { at: it.served_at });
    }
    if case.documents.contains(&it.number) {
        return Err(Refusal::bad_field("number", "is that of a document of this case already"));
    }
    if it.due.is_some_and(|due| due < it.served_at.date()) {
        return Err(Refusal::bad_field("due", "lies before the service"));
    }
    let issued = DocumentIssued {
        case: it.case,
        document: it.document.clone(),
        number: it.number.clone(),
        digest: it.digest,
        served: it.served,
        served_at: it.served_at,
        warn_days: warn_days(context.rules),
        due: it.due,
    };
    Ok(vec![issued.into()])
}

/// A deadline of the case that is not over when the act is done: what is entered late was done when it was stamped, so
/// that a lapse on record is answered by an act that came in time.
fn running<'a>(case: &'a Case, rule: &DeadlineOf, context: &Context<'_>) -> Result<&'a Running, Refusal> {
    let running =
        case.deadlines.get(rule).ok_or_else(|| Refusal::bad_field("rule", "is no deadline of this case"))?;
    let (done, end) = (context.filed_at(), running.last_day.end());
    if done.date() < running.trigger {
        return Err(Refusal::bad_field("about.filed", "lies before the period began"));
    }
    let is_over = done > end || (running.lapsed && context.about.filed.is_none());
    if is_over { Err(Refusal::TooLate { at: end }) } else { Ok(running) }
}

fn extend(state: &State, it: &Extend, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (case, _, _) = state.open_case(it.case, context.actor)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    // Whoever works on the case does not grant themselves more time.
    if case.officer == Some(context.actor.id) {
        return Err(Refusal::SecondOfficerNeeded);
    }
    let known = running(case, &it.rule, context)?;
    if let DeadlineOf::Settlement(_) = it.rule {
        return Err(Refusal::not_possible(it.case, "agreed by the parties: other terms are mediated"));
    }
    let deadline = match (&it.rule, it.last_day) {
        (of, Some(last_day)) if of.is_of_officer() => {
            set_by_officer(of, known.trigger, last_day, context.rules)
        }
        (of, None) if of.is_of_officer() => {
            return Err(Refusal::bad_field("last_day", "is needed for an officer's own date"));
        }
        (_, Some(_)) => return Err(Refusal::bad_field("last_day", "is set by the rules")),
        (_, None) if known.extended => return Err(Refusal::not_possible(it.case, "extended already")),
        (of, None) => prolonged(context.rules, &of.to_string(), known.trigger)?,
    };
    if deadline.last_day <= known.last_day {
        return Err(Refusal::bad_field("last_day", "is not later than it was"));
    }
    let extended = Extended {
        case: it.case,
        deadline: Period { rule: it.rule.clone(), ..deadline },
        supersedes: known.last_day,
        reason: it.reason.clone(),
        approved_by: context.actor.id,
        warn_days: warn_days(context.rules),
    };
    Ok(vec![extended.into()])
}

fn set_by_officer(rule: &DeadlineOf, trigger: Date, last_day: Date, rules: &RuleBook) -> Period {
    let trace = DeadlineTrace {
        rule: rule.to_string(),
        citation: "承办机关指定期限".into(),
        packs: rules.names().to_vec(),
        trigger,
        length: format!("{} nd", last_day.days() - trigger.days()),
        counted_to: last_day,
        last_day,
        // It rests on the officer's own act, not on a row that somebody would have to read.
        verified: true,
    };
    Period { rule: rule.clone(), last_day, safe_day: last_day, trace }
}

fn meet_deadline(state: &State, it: &MeetDeadline, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let last_day = if let DeadlineOf::Settlement(_) = it.rule {
        // Terms are kept or not also after the case was closed on them.
        let case = state.case(it.case)?;
        check_officer(state, it.case, case, context.actor)?;
        let awaited = running(case, &it.rule, context)?;
        if awaited.lapses_at.is_none() && !awaited.lapsed {
            return Err(Refusal::Ended { entity: it.case.into() });
        }
        awaited.last_day
    } else {
        let (case, ..) = state.open_case(it.case, context.actor)?;
        running(case, &it.rule, context)?.last_day
    };
    let claim = it.rule.claim();
    Ok(vec![DeadlineMet { case: it.case, rule: it.rule.clone(), last_day, claim }.into()])
}

fn mediate(state: &State, it: &Mediate, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (case, track, _) = state.open_case(it.case, context.actor)?;
    if !case.claims.contains(&it.claim) {
        return Err(Refusal::bad_field("claim", "is not in this case"));
    }
    let exceeds = it.amount > state.open_claim(it.claim)?.outstanding;
    if !(1..=MAX_JSON_INTEGER).contains(&it.amount.0) {
        return Err(Refusal::BadAmount { amount: it.amount });
    }
    if it.pay_by < context.filed_at().date() {
        let problem = "lies before the agreement: `about.filed` says when that was made";
        return Err(Refusal::bad_field("pay_by", problem));
    }
    if it.paper == SettlementPaper::ArbitrationMediation && track != Track::Arbitration {
        return Err(Refusal::bad_field("paper", "is made in arbitration only"));
    }
    match it.excess {
        None if exceeds => {
            return Err(Refusal::bad_field("excess", "is needed: more than what is outstanding"));
        }
        Some(_) if !exceeds => {
            return Err(Refusal::bad_field("excess", "is not so: no more than is outstanding"));
        }
        None | Some(_) => {}
    }
    let mediated = Mediated {
        case: it.case,
        claim: it.claim,
        worker: case.worker,
        employer: case.employer,
        amount: it.amount,
        pay_by: it.pay_by,
        paper: it.paper,
        document: it.document,
        warn_days: warn_days(context.rules),
        excess: it.excess,
    };
    Ok(vec![mediated.into()])
}

fn close(state: &State, it: &Close, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let (case, _, _) = state.open_case(it.case, context.actor)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    let outstanding = state.outstanding_of(case);
    if it.conclusion == Conclusion::Paid && outstanding > Fen::ZERO {
        return Err(Refusal::not_possible(it.case, format!("not paid in full: {outstanding} yuan is owed")));
    }
    if it.conclusion == Conclusion::Paid && state.sum_of(case, |claim| claim.disputed) > Fen::ZERO {
        return Err(Refusal::not_possible(it.case, DISPUTED));
    }
    let open = |id: &ClaimId| state.claims.get(id).is_some_and(|claim| claim.is_open());
    let unmediated = case.claims.iter().find(|id| open(id) && !case.mediated.contains(*id));
    if let (Conclusion::Settled, Some(claim)) = (it.conclusion, unmediated) {
        return Err(Refusal::not_possible(*claim, "not mediated, so nothing of it is settled"));
    }
    if it.conclusion == Conclusion::Withdrawn && case.claims.iter().any(open) {
        return Err(Refusal::not_possible(it.case, "not withdrawn by the claimant"));
    }
    let (conclusion, reason) = (it.conclusion, it.reason.clone());
    Ok(vec![Closed { case: it.case, conclusion, reason, outstanding }.into()])
}

fn closed<'a>(state: &'a State, id: CaseId, context: &Context<'_>) -> Result<&'a Case, Refusal> {
    let case = state.case(id)?;
    check_office(state, case.office, context.actor)?;
    check_impartial(state, id, case, context.actor)?;
    match case.stage {
        Stage::Closed { .. } => Ok(case),
        Stage::Supplementing | Stage::TurnedAway | Stage::Accepted { .. } => {
            Err(Refusal::not_possible(id, "not closed"))
        }
    }
}

fn propose_reopening(
    state: &State,
    it: &ProposeReopening,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    closed(state, it.case, context)?;
    text::check("reason", &it.reason, text::PARAGRAPH)?;
    Ok(vec![ReopenProposed { case: it.case, reason: it.reason.clone() }.into()])
}

fn confirm_reopening(
    state: &State,
    it: &ConfirmReopening,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let case = closed(state, it.case, context)?;
    let proposed = case.reopening_proposed.clone();
    let (proposed_by, reason) = proposed.ok_or(Refusal::NothingProposed { entity: it.case.into() })?;
    if proposed_by == context.actor.id {
        return Err(Refusal::SecondOfficerNeeded);
    }
    for claim in &case.claims {
        check_elsewhere(state, *claim, &case.claims)?;
    }
    Ok(vec![Reopened { case: it.case, reason, proposed_by }.into()])
}

/// Also in a closed case: a correction changes what is read, not what was done.
fn correct(state: &State, it: &Correct, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let case = state.case(it.case)?;
    check_officer(state, it.case, case, context.actor)?;
    text::check("was", &it.was, text::PARAGRAPH)?;
    text::check("is", &it.is, text::PARAGRAPH)?;
    text::check("reason", &it.reason, text::LINE)?;
    if !case.entries.contains(&it.corrects) {
        return Err(Refusal::bad_field("corrects", "is no entry of this case"));
    }
    let (corrects, was, is, reason) = (it.corrects, it.was.clone(), it.is.clone(), it.reason.clone());
    Ok(vec![Corrected { case: it.case, corrects, was, is, reason }.into()])
}

fn opened(office: OfficeId, worker: WorkerId, employer: EmployerId) -> Case {
    Case {
        office,
        worker,
        employer,
        claims: BTreeSet::new(),
        stage: Stage::Supplementing,
        officer: None,
        filing_proposed: None,
        reopening_proposed: None,
        deadlines: BTreeMap::new(),
        mediated: BTreeSet::new(),
        agreed: BTreeMap::new(),
        documents: BTreeSet::new(),
        entries: BTreeSet::new(),
    }
}

pub(crate) fn evolve(state: &mut State, event: &CaseEvent, meta: &Meta) {
    let today = meta.time.date();
    match event {
        CaseEvent::Accepted(it) => {
            for claim in &it.claims {
                let parties = (it.office, it.worker, it.employer);
                answer(state, it.case, *claim, parties, Answer::Accepted);
            }
            change(state, it.case, |case| case.stage = Stage::Accepted { track: it.track, filed: false });
            state.take_number(it.office, SeriesKind::Acceptance, today.civil().year());
            for period in &it.deadlines {
                run_counted(state, it.case, period, &it.warn_days, meta.time);
            }
        }
        CaseEvent::Refused(it) => {
            answer(state, it.case, it.claim, (it.office, it.worker, it.employer), Answer::Refused);
            change(state, it.case, |case| case.stage = Stage::TurnedAway);
            state.take_number(it.office, SeriesKind::Refusal, today.civil().year());
        }
        CaseEvent::SupplementAsked(it) => {
            answer(state, it.case, it.claim, (it.office, it.worker, it.employer), Answer::Awaited);
            let of = DeadlineOf::Supplement(it.claim);
            run(state, it.case, &of, (today, it.due, true), &it.warn_days, meta.time);
        }
        CaseEvent::Supplemented(it) => {
            await_supplement_no_more(state, it.claim);
            claim::supplemented(state, it);
        }
        CaseEvent::DirectedElsewhere(it) => {
            let parties = (it.office, it.worker, it.employer);
            answer(state, it.case, it.claim, parties, Answer::DirectedElsewhere);
            change(state, it.case, |case| case.stage = Stage::TurnedAway);
        }
        CaseEvent::FilingProposed(it) => {
            change(state, it.case, |case| case.filing_proposed = Some(meta.actor))
        }
        CaseEvent::Filed(it) => {
            change(state, it.case, |case| {
                case.filing_proposed = None;
                case.stage = Stage::Accepted { track: Track::Supervision, filed: true };
            });
            if let Some(office) = state.cases.get(&it.case).map(|case| case.office) {
                state.take_number(office, SeriesKind::Filing, today.civil().year());
            }
            for period in &it.deadlines {
                run_counted(state, it.case, period, &it.warn_days, meta.time);
            }
        }
        CaseEvent::Assigned(it) => change(state, it.case, |case| case.officer = Some(it.officer)),
        CaseEvent::DocumentIssued(it) => {
            change(state, it.case, |case| {
                case.documents.insert(it.number.clone());
            });
            if let Some(due) = it.due {
                let dates = (it.served_at.date(), due, true);
                run(
                    state,
                    it.case,
                    &DeadlineOf::Document(it.number.clone()),
                    dates,
                    &it.warn_days,
                    meta.time,
                );
            }
        }
        CaseEvent::Extended(it) => {
            let dates = dates_of(&it.deadline);
            run(state, it.case, &it.deadline.rule, dates, &it.warn_days, meta.time);
            change(state, it.case, |case| {
                if let Some(running) = case.deadlines.get_mut(&it.deadline.rule) {
                    running.extended = true;
                }
            });
        }
        CaseEvent::DeadlineRecounted(it) => {
            run_counted(state, it.case, &it.deadline, &it.warn_days, meta.time);
        }
        CaseEvent::DeadlineMet(it) => {
            stop(state, it.case, &it.rule);
            if let DeadlineOf::Settlement(claim) = it.rule {
                change(state, it.case, |case| _ = case.agreed.remove(&claim));
            }
        }
        CaseEvent::DeadlineWarned(it) => {
            let warn_at =
                running_mut(state, it.case, &it.rule).and_then(|running| running.warn_at.pop_first());
            if let Some(at) = warn_at {
                state.expect_not(at, it.case, Due::CaseWarned(it.rule.clone()));
            }
        }
        CaseEvent::DeadlineLapsed(it) => {
            halt(state, it.case, &it.rule);
            if let Some(running) = running_mut(state, it.case, &it.rule) {
                running.lapsed = true;
            }
        }
        CaseEvent::Closed(it) => {
            change(state, it.case, |case| {
                if let Stage::Accepted { track, filed } = case.stage {
                    case.stage = Stage::Closed { track, filed };
                }
                // What was proposed for a case at work is not confirmed in one that was closed or taken up again.
                case.filing_proposed = None;
            });
            // What closes a case as settled is a promise, which is kept or broken afterwards.
            let settled = it.conclusion == Conclusion::Settled;
            let outlives = |rule: &DeadlineOf| settled && matches!(rule, DeadlineOf::Settlement(_));
            for rule in rules_of(state, it.case).into_iter().filter(|rule| !outlives(rule)) {
                halt(state, it.case, &rule);
            }
        }
        CaseEvent::ReopenProposed(it) => {
            change(state, it.case, |case| case.reopening_proposed = Some((meta.actor, it.reason.clone())));
        }
        CaseEvent::Reopened(it) => {
            change(state, it.case, |case| {
                case.reopening_proposed = None;
                if let Stage::Closed { track, filed } = case.stage {
                    case.stage = Stage::Accepted { track, filed };
                }
            });
            // Periods that were running when it was closed run on: closing did not keep them.
            for rule in rules_of(state, it.case) {
                go_on(state, it.case, &rule, meta.time);
            }
        }
        CaseEvent::Mediated(it) => {
            change(state, it.case, |case| {
                case.mediated.insert(it.claim);
            });
            agree(state, it, meta);
        }
        CaseEvent::MediationFailed(_) | CaseEvent::PaymentSeen(_) | CaseEvent::Corrected(_) => {}
    }
    if let linggong_events::id::EntityRef { kind: Kind::Case, id } = meta.subject {
        change(state, CaseId(id), |case| {
            case.entries.insert(meta.id);
        });
    }
}

/// The office said something about a claim: the case exists from then on.
fn answer(
    state: &mut State,
    id: CaseId,
    claim: ClaimId,
    (office, worker, employer): (OfficeId, WorkerId, EmployerId),
    answer: Answer,
) {
    await_supplement_no_more(state, claim);
    if state.claims.get(&claim).is_some_and(|it| it.case != Some(id)) {
        leave(state, claim);
    }
    let case = state.cases.entry(id).or_insert_with(|| opened(office, worker, employer));
    case.claims.insert(claim);
    if let Some(known) = state.claims.get_mut(&claim) {
        (known.case, known.answer) = (Some(id), answer);
    }
    claim::answered(state, claim);
}

/// Payment of new terms is awaited, and of earlier ones for the same claim no longer.
fn agree(state: &mut State, it: &Mediated, meta: &Meta) {
    await_terms_no_more(state, it.claim);
    let wages = state.claims.get(&it.claim).into_iter().flat_map(Claim::wages);
    let before = wages.filter_map(|id| Some((id, state.wages.get(&id)?.paid()))).collect();
    change(state, it.case, |case| {
        case.agreed.insert(it.claim, Agreed { amount: it.amount, before });
    });
    let agreed_on = meta.filed.map_or(meta.time, |filed| filed.at).date();
    let dates = (agreed_on, it.pay_by, true);
    run(state, it.case, &DeadlineOf::Settlement(it.claim), dates, &it.warn_days, meta.time);
}

/// The terms of a claim are replaced, or the claimant asks for nothing any more.
pub(crate) fn await_terms_no_more(state: &mut State, claim: ClaimId) {
    let Some(case) = state.claims.get(&claim).and_then(|it| it.case) else { return };
    stop(state, case, &DeadlineOf::Settlement(claim));
    change(state, case, |case| {
        case.agreed.remove(&claim);
    });
}

/// What a claim lacked was supplied, or is asked for no more.
fn await_supplement_no_more(state: &mut State, claim: ClaimId) {
    let Some(case) = state.claims.get(&claim).and_then(|it| it.case) else { return };
    stop(state, case, &DeadlineOf::Supplement(claim));
}

/// A claim goes on elsewhere, or not at all: a case that has not taken it on ends with it.
pub(crate) fn leave(state: &mut State, claim: ClaimId) {
    await_supplement_no_more(state, claim);
    let Some(case) = state.claims.get(&claim).and_then(|it| it.case) else { return };
    change(state, case, |case| {
        if case.stage == Stage::Supplementing {
            case.stage = Stage::TurnedAway;
        }
    });
}

/// What counts as paid before terms were agreed is less, where a payment turned out to be less.
pub(crate) fn lower_what_was_paid_before(state: &mut State, wage: WageId, paid: Fen) {
    let claims = state.claimed.get(&wage.into()).into_iter().flatten();
    let cases: BTreeSet<CaseId> = claims.filter_map(|claim| state.claims.get(claim)?.case).collect();
    for case in cases {
        let agreed = state.cases.get_mut(&case).into_iter().flat_map(|it| it.agreed.values_mut());
        for before in agreed.filter_map(|it| it.before.get_mut(&wage)) {
            *before = paid.min(*before);
        }
    }
}

/// The terms about a wage that are paid in full by now and in time. What the worker disputes is not taken for paid.
pub(crate) fn terms_kept(state: &State, wage: WageId) -> Vec<Event> {
    let kept = |id: &ClaimId| {
        let claim = state.claims.get(id)?;
        let case_id = claim.case?;
        let case = state.cases.get(&case_id)?;
        let agreed = case.agreed.get(id)?;
        let rule = DeadlineOf::Settlement(*id);
        let awaited = case.deadlines.get(&rule).filter(|it| it.lapses_at.is_some())?;
        let is_paid = agreed.unpaid(state) == Fen::ZERO && claim.in_dispute(state) == Fen::ZERO;
        is_paid
            .then(|| DeadlineMet { case: case_id, rule, last_day: awaited.last_day, claim: Some(*id) }.into())
    };
    state.claimed.get(&wage.into()).into_iter().flatten().filter_map(kept).collect()
}

fn change(state: &mut State, id: CaseId, change: impl FnOnce(&mut Case)) {
    if let Some(case) = state.cases.get_mut(&id) {
        change(case);
    }
}

fn running_mut<'a>(state: &'a mut State, id: CaseId, rule: &DeadlineOf) -> Option<&'a mut Running> {
    state.cases.get_mut(&id)?.deadlines.get_mut(rule)
}

fn rules_of(state: &State, id: CaseId) -> Vec<DeadlineOf> {
    state.cases.get(&id).map(|case| case.deadlines.keys().cloned().collect()).unwrap_or_default()
}

/// From when and until when, and whether somebody vouched for it.
fn dates_of(period: &Period) -> (Date, Date, bool) {
    (period.trace.trigger, period.last_day, period.trace.verified)
}

/// A deadline runs, instead of the one it supersedes; it lapses only where somebody vouched for it.
fn run(
    state: &mut State,
    id: CaseId,
    rule: &DeadlineOf,
    (trigger, last_day, vouched): (Date, Date, bool),
    warn_days: &[u16],
    now: Timestamp,
) {
    halt(state, id, rule);
    let Some(case) = state.cases.get_mut(&id) else { return };
    let running = Running {
        trigger,
        last_day,
        warn_days: warn_days.to_vec(),
        warn_at: BTreeSet::new(),
        lapses_at: None,
        vouched,
        extended: false,
        lapsed: false,
        counted_by: Vec::new(),
    };
    case.deadlines.insert(rule.clone(), running);
    go_on(state, id, rule, now);
}

/// The period of a row runs as it was counted.
fn run_counted(state: &mut State, id: CaseId, period: &Period, warn_days: &[u16], now: Timestamp) {
    run(state, id, &period.rule, dates_of(period), warn_days, now);
    if let Some(running) = running_mut(state, id, &period.rule) {
        running.counted_by.clone_from(&period.trace.packs);
    }
}

/// The periods of a case at work that were counted by another calendar than is in force, as they are by that one.
pub(crate) fn recounted(state: &State, id: CaseId, recount: &Recount<'_>) -> Vec<Event> {
    let at_work = |it: &&Case| matches!(it.stage, Stage::Accepted { .. });
    let Some(case) = state.cases.get(&id).filter(at_work) else { return Vec::new() };
    let again = |(of, known): (&DeadlineOf, &Running)| {
        let DeadlineOf::Row(row) = of else { return None };
        let counted = Counted { trigger: known.trigger, last_day: known.last_day, by: &known.counted_by };
        let Recounted { deadline, had_passed } = recount.again(row, &counted).filter(|_| !known.lapsed)?;
        let (supersedes, warn_days) = (known.last_day, known.warn_days.clone());
        Some(DeadlineRecounted { case: id, deadline, supersedes, warn_days, had_passed }.into())
    };
    case.deadlines.iter().filter_map(again).collect()
}

/// A deadline that has not lapsed warns and lapses from now on.
fn go_on(state: &mut State, id: CaseId, rule: &DeadlineOf, now: Timestamp) {
    let Some(running) = running_mut(state, id, rule).filter(|running| !running.lapsed) else { return };
    let last_day = running.last_day;
    let lapses_at = running.vouched.then(|| last_day.end().plus_ms(1));
    // Whoever is told on the same day that a period runs need not be warned of it.
    let warnings = running.warn_days.iter().map(|days| last_day.plus_days(-i64::from(*days)).at_minute(0));
    let warn_at: BTreeSet<Timestamp> = warnings.filter(|at| *at > now).collect();
    (running.warn_at, running.lapses_at) = (warn_at.clone(), lapses_at);
    for at in warn_at {
        state.expect_by(at, id, Due::CaseWarned(rule.clone()));
    }
    if let Some(at) = lapses_at {
        state.expect_by(at, id, Due::CaseLapsed(rule.clone()));
    }
}

/// A deadline neither warns nor lapses any more; what it was stays known.
fn halt(state: &mut State, id: CaseId, rule: &DeadlineOf) {
    let Some(running) = running_mut(state, id, rule) else { return };
    let (warn_at, lapses_at) = (std::mem::take(&mut running.warn_at), running.lapses_at.take());
    for at in warn_at {
        state.expect_not(at, id, Due::CaseWarned(rule.clone()));
    }
    if let Some(at) = lapses_at {
        state.expect_not(at, id, Due::CaseLapsed(rule.clone()));
    }
}

/// What the deadline was for is done.
fn stop(state: &mut State, id: CaseId, rule: &DeadlineOf) {
    halt(state, id, rule);
    change(state, id, |case| {
        case.deadlines.remove(rule);
    });
}

pub(crate) fn due(state: &State, deadline: &Deadline, _: &RuleBook) -> Vec<Event> {
    let case = CaseId(deadline.entity.id);
    let last_day = |rule: &DeadlineOf| Some(state.cases.get(&case)?.deadlines.get(rule)?.last_day);
    let event = match &deadline.due {
        Due::CaseWarned(rule) => last_day(rule).map(|last_day| {
            DeadlineWarned { case, rule: rule.clone(), last_day, claim: rule.claim() }.into()
        }),
        Due::CaseLapsed(rule) => {
            let terms = rule.claim().and_then(|it| state.cases.get(&case)?.agreed.get(&it));
            let unpaid = terms.map(|it| it.unpaid(state));
            last_day(rule).map(|last_day| {
                DeadlineLapsed { case, rule: rule.clone(), last_day, claim: rule.claim(), unpaid }.into()
            })
        }
        Due::OfferExpires
        | Due::PostingExpires
        | Due::PresenceEnds
        | Due::CoverChecked
        | Due::ShiftPresumed
        | Due::WageOverdue
        | Due::ClaimUnanswered => None,
    };
    event.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use linggong_events::claim::{ClaimItem, ClaimOutcome};
    use linggong_events::commit::{Digest, Head};
    use linggong_events::employer::EmployerKind;
    use linggong_events::office::Grant;
    use linggong_events::posting::PayKind;
    use linggong_events::wage::{PayMeans, WageBasis};

    use super::*;
    use crate::snapshot;
    use crate::testing::{
        DIGEST, EMPLOYER, Given, HIRE, OFFICE, PERSON, Then, WORKER, actor, at, clerk, employer, expects,
        hired, lead, officer, worker,
    };
    use crate::wage::{RecordPayment, StateDue, wage_id};

    /// A wage of 280 yuan was not paid and is claimed on Monday 2026-11-30.
    fn claimed(employer_kind: EmployerKind) -> (ClaimId, Given) {
        let due = StateDue { hire: HIRE, amount: Fen(28_000), basis: WageBasis::WageSheet, shift: None };
        let given =
            hired(employer_kind).by(employer()).at("2026-11-22 17:00").and(due).at("2026-11-30 09:00");
        claim_again(given)
    }

    fn claim_again(given: Given) -> (ClaimId, Given) {
        let day: Date = "2026-11-22".parse().unwrap();
        let wage = Some(wage_id(HIRE, PayKind::Day, 0));
        let items = vec![ClaimItem { wage, hire: None, amount: Fen(28_000), from: day, until: day }];
        let (statement, external) = (None, None);
        let register = claim::Register { worker: WORKER, employer: EMPLOYER, items, statement, external };
        let then = given.by(worker()).when(register);
        (ClaimId(then.first().meta.subject.id), then.given())
    }

    fn accept(claim: ClaimId) -> Accept {
        Accept { claims: vec![claim], track: Track::Supervision }
    }

    fn case_of(then: &Then) -> CaseId {
        CaseId(then.first().meta.subject.id)
    }

    fn accepted() -> (CaseId, ClaimId, Given) {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let then = given.by(officer()).when(accept(claim));
        (case_of(&then), claim, then.given())
    }

    fn filed() -> (CaseId, ClaimId, Given) {
        let (case, claim, given) = accepted();
        let given = given.and(ProposeFiling { case, reason: "wages are owed".into() });
        (case, claim, given.by(lead()).and(ConfirmFiling { case }))
    }

    /// Of a closed case and its claim that stays for ever which a correction, a reopening or another claim needs: nobody can
    /// tell when the last of those comes.
    #[test]
    fn two_dozen_closed_cases_add_the_same_few_bytes_each() {
        let (case, _, given) = filed();
        let close = |case| Close { case, conclusion: Conclusion::Unfounded, reason: "no proof".into() };
        let mut given = given.by(officer()).and(close(case));
        let mut day: Date = "2026-12-07".parse().unwrap();
        let mut sizes = Vec::new();
        for _ in 0..24 {
            let (claim, again) = claim_again(given.at(&format!("{day} 09:00")));
            let then = again.by(officer()).when(accept(claim));
            let case = case_of(&then);
            given = then.given().and(close(case));
            let head = Head { commit: 1, epoch: 1, position: given.state.last(), digest: Digest::ZERO };
            sizes.push(snapshot::write("lg-test", 0, &head, &given.state).len());
            day = day.plus_days(1);
        }
        let growth: Vec<usize> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (growth.iter().min().unwrap(), growth.iter().max().unwrap());
        assert!(most - least < 100, "each adds the same: {growth:?}");
        assert!(*most < 600, "{most} bytes for a closed case with its claim");
    }

    #[test]
    fn acceptance_in_time_meets_its_own_deadline_and_counts_the_number_on() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let then = given.by(officer()).when(accept(claim));
        let Event::Case(CaseEvent::Accepted(it)) = then.first().event else { panic!() };
        assert_eq!(it.number, "历下受〔2026〕第1号");
        assert_eq!(it.deadlines.iter().map(|it| it.rule.to_string()).collect::<Vec<_>>(), ["sup.accept"]);
        let given = then.then(["case.accepted", "case.deadline_met"]);
        assert!(!expects(&given.state, it.case));
        assert!(given.state.next_number(OFFICE, SeriesKind::Acceptance, 2026).unwrap().contains("第2号"));
        given.when(accept(claim)).then_refused("not_possible");
    }

    #[test]
    fn acceptance_that_comes_too_late_does_not_undo_the_lapse() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let given = given.at("2026-12-06 09:00").by(officer()).when(accept(claim)).then(["case.accepted"]);
        given.when_time_is("2026-12-06 09:01").then(["case.deadline_lapsed"]);
    }

    #[test]
    fn another_office_does_not_accept_and_neither_does_a_party() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let elsewhere = Actor { office: Some(OfficeId(uuid::Uuid::from_u128(3))), ..officer() };
        let given = given.by(elsewhere).when(accept(claim)).then_refused("not_yours");
        let claimant = Actor { person: Some(PERSON), ..officer() };
        let given = given.by(claimant).when(accept(claim)).then_refused("conflict_of_interest");
        given.by(clerk()).when(accept(claim)).then_refused("role_not_allowed");
    }

    #[test]
    fn a_household_is_mediated_or_sent_to_a_court_and_not_supervised() {
        let (claim, given) = claimed(EmployerKind::Household);
        let given = given.by(officer()).when(accept(claim)).then_refused("not_possible");
        let given = given.when(Accept { track: Track::Civil, ..accept(claim) }).then_refused("bad_field");
        given.when(Accept { track: Track::Mediation, ..accept(claim) }).then(["case.accepted"]);
    }

    #[test]
    fn a_wage_before_another_track_is_not_processed_but_the_claimant_is_shown_the_way() {
        let (_, _, given) = accepted();
        let (second, given) = claim_again(given);
        let arbitrate = Accept { track: Track::Arbitration, ..accept(second) };
        let given = given.by(officer()).when(arbitrate).then_refused("elsewhere_already");
        let (to, reason) = ("历下区劳动监察大队".to_owned(), "it is supervised already".to_owned());
        let given =
            given.when(DirectElsewhere { claim: second, to, reason }).then(["case.directed_elsewhere"]);
        let close = claim::Close { claim: second, outcome: ClaimOutcome::DirectedElsewhere };
        given.by(clerk()).when(close).then(["claim.closed"]);
    }

    #[test]
    fn a_refusal_is_in_writing_with_a_number_of_its_own() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let then = given.by(officer()).when(Refuse { claim, reason: "the employer cannot be found".into() });
        let Event::Case(CaseEvent::Refused(it)) = then.first().event else { panic!() };
        assert_eq!(it.number, "历下不受〔2026〕第1号");
        then.given().when(accept(claim)).then_refused("not_possible");
    }

    #[test]
    fn a_supplement_has_a_date_and_acceptance_goes_on_in_the_same_case() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let ask = AskSupplement { claim, missing: "the sheet".into(), due: "2026-12-05".parse().unwrap() };
        let asked = given.by(officer()).when(ask);
        let case = case_of(&asked);
        let given = asked.given().when_time_is("2026-12-03 00:00").then(["case.deadline_warned"]);
        let accepted = given.when(accept(claim));
        assert_eq!(case_of(&accepted), case);
        assert!(!expects(&accepted.given().state, case));
    }

    #[test]
    fn of_several_claims_the_one_that_waited_longest_decides_whether_acceptance_is_in_time() {
        let (first, given) = claimed(EmployerKind::Enterprise);
        let (second, given) = claim_again(given.at("2026-12-04 09:00"));
        let accept = Accept { claims: vec![second, first], track: Track::Supervision };
        let accepted = given.at("2026-12-07 09:00").by(officer()).when(accept);
        let Event::Case(CaseEvent::Accepted(it)) = accepted.first().event else { panic!() };
        assert_eq!(it.deadlines[0].last_day, "2026-12-05".parse().unwrap(), "counted from the first claim");
        accepted.then(["case.accepted"]);
    }

    #[test]
    fn mediation_counts_from_the_day_the_application_was_received() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let accept = Accept { claims: vec![claim], track: Track::Mediation };
        let accepted = given.at("2026-12-03 09:00").by(actor(Role::Mediator, 0)).when(accept);
        let Event::Case(CaseEvent::Accepted(it)) = accepted.first().event else { panic!() };
        assert_eq!(it.deadlines[0].last_day, "2026-12-15".parse().unwrap(), "fifteen days from 11-30");
    }

    #[test]
    fn filing_takes_a_second_officer_and_starts_the_investigation() {
        let (case, _, given) = accepted();
        let given = given.when(ConfirmFiling { case }).then_refused("nothing_proposed");
        let given = given
            .when(ProposeFiling { case, reason: "wages are owed".into() })
            .then(["case.filing_proposed"]);
        let given = given.when(ConfirmFiling { case }).then_refused("second_officer_needed");
        let confirmed = given.by(lead()).when(ConfirmFiling { case });
        let Event::Case(CaseEvent::Filed(it)) = confirmed.first().event else { panic!() };
        assert_eq!(
            (it.number.as_str(), it.deadlines[0].rule.to_string().as_str()),
            ("历下监〔2026〕第1号", "sup.investigate")
        );
        confirmed.given().when(ConfirmFiling { case }).then_refused("nothing_proposed");
    }

    #[test]
    fn a_deadline_warns_then_lapses_and_closes_nothing() {
        let (case, _, given) = filed();
        let given = given.when_time_is("2027-01-26 23:59").then_nothing();
        let given = given.when_time_is("2027-01-27 00:00").then(["case.deadline_warned"]);
        let given = given.when_time_is("2027-01-29 23:59").then_nothing();
        let given = given.when_time_is("2027-01-30 00:00").then(["case.deadline_lapsed"]);
        assert!(matches!(given.state.cases[&case].stage, Stage::Accepted { .. }));
        given.when(MeetDeadline { case, rule: "sup.investigate".into() }).then_refused("too_late");
    }

    #[test]
    fn a_row_that_nobody_read_in_its_statute_warns_and_does_not_lapse() {
        let (claim, given) = claimed(EmployerKind::Enterprise);
        let given = given.at("2026-12-20 09:00").under(RuleBook::shipped().unwrap());
        let accepted = given.by(officer()).when(accept(claim));
        let Event::Case(CaseEvent::Accepted(it)) = accepted.first().event else { panic!() };
        assert!(!it.deadlines[0].trace.verified, "sup.accept rests on a text that nobody has read yet");
        accepted.given().when_time_is("2026-12-31 09:00").then_nothing();
    }

    #[test]
    fn what_is_met_neither_warns_nor_lapses() {
        let (case, _, given) = filed();
        let given =
            given.when(MeetDeadline { case, rule: "sup.investigate".into() }).then(["case.deadline_met"]);
        assert!(!expects(&given.state, case));
    }

    #[test]
    fn an_extension_supersedes_the_period_once_and_is_not_granted_to_oneself() {
        let (case, _, given) = filed();
        let extend =
            Extend { case, rule: "sup.investigate".into(), reason: "twelve workers".into(), last_day: None };
        let given = given.by(officer()).when(extend.clone()).then_refused("role_not_allowed");
        let given = given.by(lead()).when(extend.clone()).then(["case.extended"]);
        let given = given.when(extend).then_refused("not_possible");
        let given = given.when_time_is("2027-01-30 00:00").then_nothing();
        let given = given.when_time_is("2027-02-26 00:00").then(["case.deadline_warned"]);
        given.when_time_is("2027-03-01 00:00").then(["case.deadline_lapsed"]);
    }

    #[test]
    fn a_document_has_a_deadline_of_its_own() {
        let (case, _, given) = accepted();
        let issue = IssueDocument {
            case,
            document: "限期改正指令书".into(),
            number: "历人社监令〔2026〕1号".into(),
            digest: DIGEST,
            served: ServiceMode::Direct,
            served_at: at("2026-11-30 09:00"),
            due: Some("2026-12-07".parse().unwrap()),
        };
        let given = given.when(issue.clone()).then(["case.document_issued"]);
        let given = given.when(issue).then_refused("bad_field");
        let lapsed = given.when_time_is("2026-12-08 00:00");
        lapsed.then(["case.deadline_warned", "case.deadline_lapsed"]);
    }

    #[test]
    fn the_lead_assigns_an_officer_of_the_office_who_is_no_party_and_only_they_act() {
        let (case, _, given) = accepted();
        let grant = |officer: &Actor, person| Grant {
            actor: officer.id,
            role: Role::CaseOfficer,
            regions: officer.regions.clone(),
            person,
            worker: None,
            employer: None,
            market: None,
            department: None,
            insurer: None,
        };
        let (partial, other) = (actor(Role::CaseOfficer, 1), actor(Role::CaseOfficer, 2));
        let grants = [grant(&partial, Some(PERSON)), grant(&other, None)];
        let given = given.by(lead()).but(|state| {
            let office = state.offices.get_mut(&OFFICE).unwrap();
            office.grants.extend(grants.map(|grant| ((grant.actor, grant.role), grant)));
        });
        let assign = |officer: &Actor| Assign { case, officer: officer.id, reason: "by rota".into() };
        let given = given.when(assign(&officer())).then_refused("bad_field");
        let given = given.when(assign(&partial)).then_refused("conflict_of_interest");
        let given = given.when(assign(&other)).then(["case.assigned"]);
        let fail = FailMediation { case, reason: "the employer did not come".into() };
        let given = given.by(officer()).when(fail.clone()).then_refused("not_yours");
        given.by(other).when(fail).then(["case.mediation_failed"]);
    }

    #[test]
    fn a_payment_is_seen_by_the_case_which_an_officer_then_closes() {
        let (case, _, given) = filed();
        let close = |conclusion| Close { case, conclusion, reason: "paid".into() };
        let given = given.when(close(Conclusion::Paid)).then_refused("not_possible");
        let (wage, evidence) = (wage_id(HIRE, PayKind::Day, 0), DIGEST);
        let at = at("2026-11-30 09:00");
        let pay =
            RecordPayment { wage, amount: Fen(28_000), means: PayMeans::Bank, at, evidence, signature: None };
        let given =
            given.by(employer()).when(pay).then(["wage.paid", "claim.amount_changed", "case.payment_seen"]);
        let given = given.by(officer()).when(close(Conclusion::Paid)).then(["case.closed"]);
        assert!(!expects(&given.state, case), "nothing lapses in a closed case");
        given.when(FailMediation { case, reason: "x".into() }).then_refused("ended");
    }

    #[test]
    fn a_closed_case_changes_by_correction_or_by_reopening_with_a_second_officer() {
        let (case, _, given) = filed();
        let closed = given.when(Close { case, conclusion: Conclusion::Unfounded, reason: "no proof".into() });
        let corrects = closed.first().meta.id;
        let (was, is) = ("no proof".to_owned(), "no proof of the hours".to_owned());
        let correct = Correct { case, corrects, was, is, reason: "incomplete".into() };
        let given = closed.given().when(correct.clone()).then(["case.corrected"]);
        let stray = EventId(uuid::Uuid::from_u128(4));
        let given = given.when(Correct { corrects: stray, ..correct }).then_refused("bad_field");
        let given = given.and(ProposeReopening { case, reason: "the sheet was found".into() });
        let given = given.when(ConfirmReopening { case }).then_refused("second_officer_needed");
        let given = given.by(officer()).when(ConfirmReopening { case }).then(["case.reopened"]);
        given.when_time_is("2027-01-30 00:00").then(["case.deadline_warned", "case.deadline_lapsed"]);
    }

    #[test]
    fn terms_beyond_what_is_owed_say_why_and_an_ended_claim_is_not_mediated() {
        let (case, claim, given) = accepted();
        let mediate = Mediate {
            case,
            claim,
            amount: Fen(30_000),
            pay_by: "2026-12-10".parse().unwrap(),
            paper: SettlementPaper::DeskSettlement,
            document: DIGEST,
            excess: None,
        };
        let given = given.when(mediate.clone()).then_refused("bad_field");
        let compensated = Mediate { excess: Some(Excess::Compensation), ..mediate.clone() };
        let unfounded = Mediate { amount: Fen(28_000), ..compensated.clone() };
        let given = given.when(unfounded).then_refused("bad_field").when(compensated).then(["case.mediated"]);
        let given = given.by(worker()).and(claim::Withdraw { claim, reason: "paid in cash".into() });
        given.by(officer()).when(Mediate { amount: Fen(1), ..mediate }).then_refused("ended");
    }

    #[test]
    fn terms_are_put_down_per_claim_on_paper_of_the_right_kind() {
        let (case, claim, given) = accepted();
        let mediate = Mediate {
            case,
            claim,
            amount: Fen(25_000),
            pay_by: "2026-12-10".parse().unwrap(),
            paper: SettlementPaper::DeskSettlement,
            document: DIGEST,
            excess: None,
        };
        let given = given.when(mediate.clone()).then(["case.mediated"]);
        let paper = SettlementPaper::ArbitrationMediation;
        let given = given.when(Mediate { paper, ..mediate.clone() }).then_refused("bad_field");
        given.when(Mediate { claim: ClaimId(uuid::Uuid::from_u128(8)), ..mediate }).then_refused("bad_field");
    }
}
