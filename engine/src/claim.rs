//! 欠薪反映: registered at a desk, referred to the office that may accept it. A claim is never refused by machine.

use std::collections::BTreeSet;

use linggong_events::case::{Deadline as Period, PaymentSeen, Supplemented};
use linggong_events::claim::{
    AmountChanged, AnswerRecounted, ClaimEvent, ClaimItem, ClaimOutcome, Closed, DuplicateSuspected,
    EvidenceAdded, ExternalRef, FollowedUp, Linked, Referred, Registered, Track, Unanswered, Withdrawn,
};
use linggong_events::codec::as_written;
use linggong_events::employer::EmployerKind;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{CaseId, ClaimId, EmployerId, EntityRef, Kind, OfficeId, WageId, WorkerId};
use linggong_events::measure::{Fen, MAX_JSON_INTEGER};
use linggong_events::office::Role;
use linggong_events::person::SealedText;
use linggong_events::posting::RelationKind;
use linggong_events::time::{Date, Timestamp};
use serde::{Deserialize, Serialize};

use crate::case::Stage;
use crate::command::{Context, commands};
use crate::recount::{Counted, Recount, Recounted};
use crate::refusal::Refusal;
use crate::relation::{self, Sides, check_mandate};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::{case, text};

/// The most items of one claim: more than anybody works for one employer between two claims.
const MOST_ITEMS: usize = 100;

/// The row by which an office is to answer a claim; arbitration has one of the same length for itself.
pub(crate) const ANSWER: &str = "sup.accept";

/// Why what counts as paid in full is not closed as paid.
pub(crate) const DISPUTED: &str = "disputed: the worker says that a recorded payment did not come";

commands! {
    /// What can be asked about claims.
    ClaimCommand: Claim {
        /// 登记: takes down what a worker claims, and gives a receipt.
        Register = "register", [Worker, CrewLeader, Clerk, Dispatcher, CaseOfficer, Mediator], seal [statement: Text] => {
            worker: WorkerId, employer: EmployerId, items: Vec<ClaimItem>,
        } + optional { statement: SealedText, external: ExternalRef }
        /// Adds evidence that the vault holds.
        AddEvidence = "add_evidence", [Worker, CrewLeader, Clerk, Dispatcher, CaseOfficer, CaseLead, Mediator] => {
            claim: ClaimId, digest: EvidenceDigest, media_type: String, bytes: u64, label: String,
        }
        /// Says that two claims belong to the same matter.
        Link = "link", [Clerk, Dispatcher, CaseOfficer, CaseLead] => { claim: ClaimId, other: ClaimId, reason: String }
        /// 转办: sends it to the office that may accept it.
        Refer = "refer", [Clerk, Dispatcher, MarketManager, CaseOfficer, CaseLead, Mediator] => {
            claim: ClaimId, to: OfficeId, reason: String,
        }
        /// 撤回, by the claimant.
        Withdraw = "withdraw", [Worker, Clerk, CaseOfficer, Mediator] => { claim: ClaimId, reason: String }
        /// Ends it, with the outcome.
        Close = "close", [Clerk, CaseOfficer, CaseLead, Mediator] => { claim: ClaimId, outcome: ClaimOutcome }
        /// 回访 after the end.
        FollowUp = "follow_up", [Clerk, Dispatcher, CaseOfficer, Mediator], seal [note: Text] => {
            claim: ClaimId, satisfied: bool,
        } + optional { note: SealedText }
    }
}

/// A claim as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) worker: WorkerId,
    pub(crate) employer: EmployerId,
    /// The office that holds it.
    pub(crate) office: OfficeId,
    /// Since when that office holds it.
    pub(crate) held_since: Date,
    /// Since when it can answer: since it holds the claim, or since what it asked for was supplied.
    pub(crate) answer_since: Date,
    /// What is claimed, and what of it was paid before it was claimed.
    #[serde(with = "as_written")]
    items: Vec<(ClaimItem, Fen)>,
    pub(crate) outstanding: Fen,
    /// What of the payments on record for its wages the claimant says never came.
    pub(crate) disputed: Fen,
    /// The case that an office opened, or answered it with.
    pub(crate) case: Option<CaseId>,
    pub(crate) answer: Answer,
    evidence: BTreeSet<EvidenceDigest>,
    linked: BTreeSet<ClaimId>,
    ended: bool,
    /// Until when the office is to answer, while it has not; absent where nobody vouched for the row.
    answer_by: Option<Date>,
    /// The same as it was counted, also where nobody vouched for the row.
    answer_counted: Option<AnswerCounted>,
}

/// How the day of an answer was counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AnswerCounted {
    trigger: Date,
    last_day: Date,
    by: Vec<String>,
}

/// What an office answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Nothing yet.
    Awaited,
    /// 受理.
    Accepted,
    /// 不予受理.
    Refused,
    /// 告知他处.
    DirectedElsewhere,
}

impl Claim {
    pub(crate) fn is_open(&self) -> bool {
        !self.ended
    }

    /// The wages it is about; a hire stands for those that are not on the books.
    pub(crate) fn about(&self) -> impl Iterator<Item = EntityRef> {
        self.items.iter().filter_map(|(item, _)| about(item))
    }

    /// What is claimed and was not paid since.
    fn left(&self, state: &State) -> Fen {
        let left = |(item, before): &(ClaimItem, Fen)| {
            let paid = item.wage.and_then(|wage| state.wages.get(&wage)).map_or(*before, |wage| wage.paid());
            let since = paid.minus(*before).map_or(Fen::ZERO, |it| it.max(Fen::ZERO));
            item.amount.minus(since).map_or(Fen::ZERO, |it| it.max(Fen::ZERO))
        };
        self.items.iter().map(left).fold(Fen::ZERO, |sum, it| sum.plus(it).unwrap_or(sum))
    }

    /// The wages on the books that it is about.
    pub(crate) fn wages(&self) -> impl Iterator<Item = WageId> {
        self.items.iter().filter_map(|(item, _)| item.wage)
    }

    pub(crate) fn in_dispute(&self, state: &State) -> Fen {
        disputed(state, self.items.iter().map(|(item, _)| item))
    }

    fn total(&self) -> Fen {
        self.items.iter().fold(Fen::ZERO, |sum, (item, _)| sum.plus(item.amount).unwrap_or(sum))
    }
}

/// What of the payments on record for the wages of `items` the worker says never came.
fn disputed<'a>(state: &State, items: impl Iterator<Item = &'a ClaimItem>) -> Fen {
    let wages = items.filter_map(|item| state.wages.get(&item.wage?));
    wages.map(|wage| wage.disputed()).fold(Fen::ZERO, |sum, it| sum.plus(it).unwrap_or(sum))
}

fn about(item: &ClaimItem) -> Option<EntityRef> {
    item.wage.map(EntityRef::from).or(item.hire.map(EntityRef::from))
}

impl State {
    pub(crate) fn open_claim(&self, id: ClaimId) -> Result<&Claim, Refusal> {
        let claim = self.claim(id)?;
        if claim.is_open() { Ok(claim) } else { Err(Refusal::Ended { entity: id.into() }) }
    }

    fn claim(&self, id: ClaimId) -> Result<&Claim, Refusal> {
        self.claims.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// The other open claims about the same wages.
    pub(crate) fn rivals(&self, id: ClaimId) -> BTreeSet<ClaimId> {
        let entities = self.claims.get(&id).into_iter().flat_map(|it| it.about());
        let claims = entities.filter_map(|entity| self.claimed.get(&entity)).flatten();
        let is_open = |other: &ClaimId| self.claims.get(other).is_some_and(|it| it.is_open());
        claims.copied().filter(|other| *other != id && is_open(other)).collect()
    }
}

/// What a changed wage means to the claims, and their cases, that are about it.
pub(crate) fn wage_changed(state: &State, wage: WageId) -> Vec<Event> {
    let mut events = Vec::new();
    for claim in state.claimed.get(&wage.into()).into_iter().flatten().copied() {
        let Some(known) = state.claims.get(&claim).filter(|it| it.is_open()) else { continue };
        let (outstanding, disputed) = (known.left(state), known.in_dispute(state));
        if (outstanding, disputed) == (known.outstanding, known.disputed) {
            continue;
        }
        events.push(AmountChanged { claim, wage, total: known.total(), outstanding, disputed }.into());
        if let Some(case) = known.case
            && known.answer == Answer::Accepted
            && let Some(amount) = known.outstanding.minus(outstanding).filter(|it| *it > Fen::ZERO)
        {
            events.push(PaymentSeen { case, claim, amount, outstanding }.into());
        }
    }
    events.extend(case::terms_kept(state, wage));
    events
}

/// A payment turned out to be less: what had been paid before a claim is less too, so that what comes later counts.
pub(crate) fn lower_what_was_paid_before(state: &mut State, wage: WageId) {
    let Some(paid) = state.wages.get(&wage).map(|it| it.paid()) else { return };
    for claim in state.claimed.get(&wage.into()).into_iter().flatten() {
        let items = state.claims.get_mut(claim).into_iter().flat_map(|it| &mut it.items);
        for (_, before) in items.filter(|(item, _)| item.wage == Some(wage)) {
            *before = paid.min(*before);
        }
    }
    case::lower_what_was_paid_before(state, wage, paid);
}

pub(crate) fn decide(
    state: &State,
    command: &ClaimCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let event = match command {
        ClaimCommand::Register(it) => register(state, it, context)?,
        ClaimCommand::AddEvidence(it) => {
            let known = state.open_claim(it.claim)?;
            check_relation(state, it.claim, known, context)?;
            text::check("media_type", &it.media_type, 100)?;
            text::check("label", &it.label, 100)?;
            if known.evidence.contains(&it.digest) {
                return Ok(Vec::new());
            }
            let (digest, media_type, label) = (it.digest, it.media_type.clone(), it.label.clone());
            EvidenceAdded { claim: it.claim, digest, media_type, bytes: it.bytes, label }.into()
        }
        ClaimCommand::Link(it) => {
            let known = state.claim(it.claim)?;
            check_relation(state, it.claim, known, context)?;
            state.claim(it.other)?;
            text::check("reason", &it.reason, text::LINE)?;
            if it.claim == it.other {
                return Err(Refusal::bad_field("other", "is the same claim"));
            }
            if known.linked.contains(&it.other) {
                return Ok(Vec::new());
            }
            Linked { claim: it.claim, other: it.other, reason: it.reason.clone() }.into()
        }
        ClaimCommand::Refer(it) => {
            let known = state.open_claim(it.claim)?;
            check_relation(state, it.claim, known, context)?;
            let (from_region, to_region) = (state.office(known.office)?.region, state.office(it.to)?.region);
            text::check("reason", &it.reason, text::LINE)?;
            if known.answer == Answer::Accepted {
                return Err(Refusal::not_possible(
                    it.claim,
                    "accepted: its case is transferred, not the claim",
                ));
            }
            if known.office == it.to {
                return Ok(Vec::new());
            }
            let (claim, from, to, reason) = (it.claim, known.office, it.to, it.reason.clone());
            // The next office answers for itself, from the day on which the claim reaches it.
            let answer_by = case::period(context.rules, ANSWER, context.now.date()).ok();
            Referred { claim, from, to, from_region, to_region, reason, answer_by }.into()
        }
        ClaimCommand::Withdraw(it) => {
            let known = state.open_claim(it.claim)?;
            check_relation(state, it.claim, known, context)?;
            check_mandate(state, known.worker, context)?;
            text::check("reason", &it.reason, text::LINE)?;
            Withdrawn { claim: it.claim, worker: known.worker, reason: it.reason.clone() }.into()
        }
        ClaimCommand::Close(it) => close(state, it, context)?,
        ClaimCommand::FollowUp(it) => {
            let known = state.claim(it.claim)?;
            check_relation(state, it.claim, known, context)?;
            if known.is_open() {
                return Err(Refusal::not_possible(it.claim, "still open"));
            }
            let (worker, satisfied, note) = (known.worker, it.satisfied, it.note.clone());
            FollowedUp { claim: it.claim, worker, satisfied, note }.into()
        }
    };
    Ok(vec![event])
}

/// The claimant, and whoever sits at the office that holds the claim.
fn check_relation(state: &State, id: ClaimId, known: &Claim, context: &Context<'_>) -> Result<(), Refusal> {
    relation::check(state, context.actor, &Sides::held(id, known.office).about(known.worker))?;
    // A leader of the claimant's crew speaks for the claimant besides.
    if context.actor.role == Role::CrewLeader { check_mandate(state, known.worker, context) } else { Ok(()) }
}

fn register(state: &State, it: &Register, context: &Context<'_>) -> Result<Event, Refusal> {
    let office = context.actor.office()?;
    relation::check(state, context.actor, &Sides::of_worker(it.worker))?;
    check_mandate(state, it.worker, context)?;
    if let Some(external) = &it.external {
        text::check("external.system", &external.system, 40)?;
        text::check("external.number", &external.number, 60)?;
    }
    if it
        .statement
        .as_ref()
        .is_some_and(|sealed| state.workers.get(&it.worker).is_none_or(|w| w.person != sealed.person))
    {
        return Err(Refusal::bad_field("statement", "is not sealed under the worker's key"));
    }
    let details = &state.employer(it.employer)?.details;
    let total = check_items(state, it, context)?;
    let filed_at = context.filed_at();
    let first_worked = it.items.iter().map(|item| item.from).min();
    if first_worked.is_some_and(|from| filed_at.date() < from) {
        return Err(Refusal::bad_field(
            "about.filed",
            "lies before the first day of work that is claimed for",
        ));
    }
    // Whoever asks for relief gets a receipt, also where no pack says how far a safe date lies.
    let safe = case::period(context.rules, "claim.safe_date", filed_at.date()).ok();
    let registered = Registered {
        claim: ClaimId(context.new_id(Kind::Claim, 0)),
        worker: it.worker,
        employer: it.employer,
        office,
        items: it.items.clone(),
        total,
        filed_at,
        disputed: disputed(state, it.items.iter()),
        suggested_track: suggested_track(state, it, details.employer_kind),
        receipt_text: receipt_text(state, it, office, total, filed_at)?,
        safe_date: safe.as_ref().map(|it| it.last_day),
        safe_trace: safe.map(|it| it.trace),
        answer_by: case::period(context.rules, ANSWER, filed_at.date()).ok(),
        statement: it.statement.clone(),
        external: it.external.clone(),
        mandate: context.about.on_behalf_of.and_then(|it| it.mandate.paper()),
    };
    Ok(registered.into())
}

/// Each item is a sum for days that have passed; what is on the books is the worker's and the employer's.
fn check_items(state: &State, it: &Register, context: &Context<'_>) -> Result<Fen, Refusal> {
    if it.items.is_empty() || it.items.len() > MOST_ITEMS {
        return Err(Refusal::bad_field("items", format!("must be 1 to {MOST_ITEMS}")));
    }
    // A principal answers for the wages of its foreman (条例 19, 36).
    let answers = |employer| employer == it.employer || state.principal_of(employer) == Some(it.employer);
    let mut named = BTreeSet::new();
    let mut total = Fen::ZERO;
    for item in &it.items {
        let bad = |problem: &str| Refusal::bad_field("items", problem);
        if !(1..=MAX_JSON_INTEGER).contains(&item.amount.0) {
            return Err(Refusal::BadAmount { amount: item.amount });
        }
        if item.until < item.from || item.until > context.now.date() {
            return Err(bad("name days that are no past period"));
        }
        if let Some(id) = item.wage {
            let wage = state.wage(id)?;
            if wage.worker != it.worker
                || !answers(wage.employer)
                || item.hire.is_some_and(|hire| hire != wage.hire)
            {
                return Err(bad("name a wage of somebody else"));
            }
        } else if let Some(id) = item.hire {
            let terms = &state.hire(id)?.terms;
            if terms.worker != it.worker || !answers(terms.employer) {
                return Err(bad("name a hire of somebody else"));
            }
        }
        if about(item).is_some_and(|entity| !named.insert(entity)) {
            return Err(bad("name one wage twice"));
        }
        total = total.plus(item.amount).ok_or(Refusal::BadAmount { amount: item.amount })?;
    }
    Ok(total)
}

/// A household and a contract for work go to a court, everybody else is supervised; an officer decides.
fn suggested_track(state: &State, it: &Register, employer_kind: EmployerKind) -> Track {
    let hires = it.items.iter().filter_map(|item| {
        let of_wage = item.wage.and_then(|wage| state.wages.get(&wage)).map(|wage| wage.hire);
        state.hires.get(&item.hire.or(of_wage)?)
    });
    let mut relations = hires.map(|hire| hire.terms.relation).peekable();
    let by_contract = relations.peek().is_some() && relations.all(|it| it == RelationKind::Contract);
    if !employer_kind.is_supervised() || by_contract { Track::Civil } else { Track::Supervision }
}

/// What the receipt proves, and no more: whether the period is interrupted is not ours to say (domain.md §8).
fn receipt_text(
    state: &State,
    it: &Register,
    office: OfficeId,
    total: Fen,
    filed_at: Timestamp,
) -> Result<String, Refusal> {
    let details = &state.employer(it.employer)?.details;
    // The name of an organisation is public; that of a natural person stays sealed.
    let named = match details.employer_kind {
        EmployerKind::Enterprise
        | EmployerKind::IndividualBusiness
        | EmployerKind::Cooperative
        | EmployerKind::Agency => details.name.clone(),
        EmployerKind::Household | EmployerKind::Unlicensed | EmployerKind::Foreman => None,
    };
    let employer = named.unwrap_or_else(|| EntityRef::from(it.employer).to_string());
    let (worker, office) = (EntityRef::from(it.worker), &state.office(office)?.name);
    let from = it.items.iter().map(|item| item.from).min();
    let until = it.items.iter().map(|item| item.until).max();
    let period = from.zip(until).map(|(from, until)| format!("{from}至{until}")).unwrap_or_default();
    Ok(format!(
        "本回执证明{worker}于{}向{office}就{employer}、{period}工资{total}元请求权利救济(调解仲裁法27条2款);\
         是否中断由仲裁或审判机构认定",
        filed_at.local()
    ))
}

fn close(state: &State, it: &Close, context: &Context<'_>) -> Result<Event, Refusal> {
    let known = state.open_claim(it.claim)?;
    check_relation(state, it.claim, known, context)?;
    let is = |is: &str| Err(Refusal::not_possible(it.claim, is));
    let case = known.case.and_then(|id| state.cases.get(&id).map(|case| (id, case)));
    if let Some((id, case)) = case
        && matches!(case.stage, Stage::Accepted { .. })
    {
        return Err(Refusal::OnHold { entity: id.into() });
    }
    match it.outcome {
        ClaimOutcome::Settled if !case.is_some_and(|(_, case)| case.mediated.contains(&it.claim)) => {
            return is("not settled by mediation");
        }
        ClaimOutcome::Paid if known.outstanding > Fen::ZERO => return is("not paid in full"),
        // Whoever signed and says that nothing came is heard by an officer, not closed at a desk.
        ClaimOutcome::Paid if known.disputed > Fen::ZERO => return is(DISPUTED),
        ClaimOutcome::Withdrawn => return is("not withdrawn by the claimant"),
        ClaimOutcome::NotAccepted if known.answer != Answer::Refused => return is("not refused in writing"),
        ClaimOutcome::DirectedElsewhere if known.answer != Answer::DirectedElsewhere => {
            return is("not directed elsewhere");
        }
        ClaimOutcome::Paid
        | ClaimOutcome::Settled
        | ClaimOutcome::NotAccepted
        | ClaimOutcome::DirectedElsewhere => {}
    }
    Ok(Closed { claim: it.claim, outcome: it.outcome, outstanding: known.outstanding, case: known.case }
        .into())
}

pub(crate) fn evolve(state: &mut State, event: &ClaimEvent, meta: &Meta) {
    match event {
        ClaimEvent::Registered(it) => {
            let paid = |item: &ClaimItem| {
                item.wage.and_then(|wage| state.wages.get(&wage)).map_or(Fen::ZERO, |wage| wage.paid())
            };
            let claim = Claim {
                worker: it.worker,
                employer: it.employer,
                office: it.office,
                held_since: it.filed_at.date(),
                answer_since: it.filed_at.date(),
                items: it.items.iter().map(|item| (item.clone(), paid(item))).collect(),
                outstanding: it.total,
                disputed: it.disputed,
                case: None,
                answer: Answer::Awaited,
                evidence: BTreeSet::new(),
                linked: BTreeSet::new(),
                ended: false,
                answer_by: None,
                answer_counted: None,
            };
            for entity in claim.about() {
                state.claimed.entry(entity).or_default().insert(it.claim);
            }
            state.claims.insert(it.claim, claim);
            await_answer(state, it.claim, it.answer_by.as_ref());
        }
        ClaimEvent::EvidenceAdded(it) => change(state, it.claim, |claim| {
            claim.evidence.insert(it.digest);
        }),
        ClaimEvent::Linked(it) => {
            for (one, other) in [(it.claim, it.other), (it.other, it.claim)] {
                change(state, one, |claim| {
                    claim.linked.insert(other);
                });
            }
        }
        ClaimEvent::Referred(it) => {
            case::leave(state, it.claim);
            change(state, it.claim, |claim| {
                (claim.office, claim.held_since) = (it.to, meta.time.date());
                claim.answer_since = claim.held_since;
                // The next office answers for itself.
                (claim.case, claim.answer) = (None, Answer::Awaited);
            });
            await_answer(state, it.claim, it.answer_by.as_ref());
        }
        ClaimEvent::Unanswered(it) => answered(state, it.claim),
        ClaimEvent::AnswerRecounted(it) => await_answer(state, it.claim, Some(&it.answer_by)),
        ClaimEvent::AmountChanged(it) => change(state, it.claim, |claim| {
            (claim.outstanding, claim.disputed) = (it.outstanding, it.disputed);
        }),
        ClaimEvent::Withdrawn(it) => {
            end(state, it.claim);
            case::await_terms_no_more(state, it.claim);
        }
        ClaimEvent::Closed(it) => end(state, it.claim),
        ClaimEvent::DuplicateSuspected(_) | ClaimEvent::FollowedUp(_) => {}
    }
}

fn end(state: &mut State, id: ClaimId) {
    answered(state, id);
    case::leave(state, id);
    change(state, id, |claim| claim.ended = true);
}

/// The office that holds it is to answer by then; a row that nobody vouched for is shown and never lapses.
fn await_answer(state: &mut State, id: ClaimId, period: Option<&Period>) {
    answered(state, id);
    change(state, id, |claim| {
        claim.answer_counted = period.map(|it| AnswerCounted {
            trigger: it.trace.trigger,
            last_day: it.last_day,
            by: it.trace.packs.clone(),
        });
    });
    let Some(last_day) = period.filter(|it| it.trace.verified).map(|it| it.last_day) else { return };
    change(state, id, |claim| claim.answer_by = Some(last_day));
    state.expect_by(last_day.end().plus_ms(1), id, Due::ClaimUnanswered);
}

/// What the office asked for was supplied: it is to answer again.
pub(crate) fn supplemented(state: &mut State, it: &Supplemented) {
    change(state, it.claim, |claim| claim.answer_since = claim.answer_since.max(it.received));
    await_answer(state, it.claim, it.answer_by.as_ref());
}

/// No answer is awaited any more: there is one, the claim has ended, or that there was none is on record.
pub(crate) fn answered(state: &mut State, id: ClaimId) {
    change(state, id, |claim| claim.answer_counted = None);
    let Some(last_day) = state.claims.get_mut(&id).and_then(|it| it.answer_by.take()) else { return };
    state.expect_not(last_day.end().plus_ms(1), id, Due::ClaimUnanswered);
}

pub(crate) fn due(state: &State, deadline: &Deadline) -> Vec<Event> {
    let claim = ClaimId(deadline.entity.id);
    let held = state.claims.get(&claim).and_then(|it| Some((it, it.answer_by?)));
    let stated = held.map(|(it, last_day)| Unanswered {
        claim,
        worker: it.worker,
        employer: it.employer,
        office: it.office,
        rule: ANSWER.into(),
        last_day,
    });
    stated.map(Event::from).into_iter().collect()
}

/// The day of an awaited answer, where it was counted by another calendar than is in force, as it is by that one.
pub(crate) fn recounted(state: &State, claim: ClaimId, recount: &Recount<'_>) -> Option<Event> {
    let known = state.claims.get(&claim)?.answer_counted.as_ref()?;
    let counted = Counted { trigger: known.trigger, last_day: known.last_day, by: &known.by };
    let Recounted { deadline: answer_by, had_passed } = recount.again(ANSWER, &counted)?;
    Some(AnswerRecounted { claim, answer_by, supersedes: known.last_day, had_passed }.into())
}

fn change(state: &mut State, id: ClaimId, change: impl FnOnce(&mut Claim)) {
    if let Some(claim) = state.claims.get_mut(&id) {
        change(claim);
    }
}

pub(crate) fn follow_up(state: &State, event: &ClaimEvent, _: &Meta, _: &RuleBook) -> Vec<Event> {
    match event {
        ClaimEvent::Registered(it) => {
            let rivals = state.rivals(it.claim);
            rivals.into_iter().map(|other| DuplicateSuspected { claim: it.claim, other }.into()).collect()
        }
        ClaimEvent::DuplicateSuspected(_)
        | ClaimEvent::Linked(_)
        | ClaimEvent::EvidenceAdded(_)
        | ClaimEvent::Referred(_)
        | ClaimEvent::Unanswered(_)
        | ClaimEvent::AnswerRecounted(_)
        | ClaimEvent::AmountChanged(_)
        | ClaimEvent::Withdrawn(_)
        | ClaimEvent::Closed(_)
        | ClaimEvent::FollowedUp(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::id::PersonId;
    use linggong_events::mandate::Mandate;
    use linggong_events::posting::PayKind;
    use linggong_events::wage::{PayMeans, WageBasis};

    use super::*;
    use crate::testing::*;
    use crate::wage::{ConfirmReceipt, ContradictPayment, RecordPayment, StateDue, wage_id};

    fn wage() -> WageId {
        wage_id(HIRE, PayKind::Day, 0)
    }

    /// 280 yuan are owed and overdue.
    fn owed(employer_kind: EmployerKind) -> Given {
        let due = StateDue { hire: HIRE, amount: Fen(28_000), basis: WageBasis::WageSheet, shift: None };
        hired(employer_kind).by(employer()).at("2026-11-22 17:00").and(due).at("2026-11-30 09:00")
    }

    fn item(fen: i64) -> ClaimItem {
        let day: Date = "2026-11-22".parse().unwrap();
        ClaimItem { wage: Some(wage()), hire: None, amount: Fen(fen), from: day, until: day }
    }

    fn register(items: Vec<ClaimItem>) -> Register {
        Register { worker: WORKER, employer: EMPLOYER, items, statement: None, external: None }
    }

    fn registered(then: &Then) -> Registered {
        let Event::Claim(ClaimEvent::Registered(it)) = then.first().event else { panic!("not registered") };
        it
    }

    #[test]
    fn a_receipt_proves_what_was_asked_and_promises_no_effect() {
        let it = registered(&owed(EmployerKind::Enterprise).by(worker()).when(register(vec![item(28_000)])));
        assert_eq!(
            it.receipt_text,
            "本回执证明worker/00000000-0000-0000-0000-0000000000a1于2026-11-30 09:00:00向历下区劳动监察大队\
             就王记装卸、2026-11-22至2026-11-22工资280.00元请求权利救济(调解仲裁法27条2款);是否中断由仲裁或审判机构认定"
        );
        assert_eq!(it.safe_date, Some("2027-11-30".parse().unwrap()));
        assert_eq!((it.total, it.suggested_track), (Fen(28_000), Track::Supervision));
    }

    #[test]
    fn a_natural_person_is_not_named_on_the_receipt_and_a_household_goes_to_a_court() {
        let it = registered(&owed(EmployerKind::Household).by(worker()).when(register(vec![item(28_000)])));
        assert!(
            !it.receipt_text.contains("王记") && it.receipt_text.contains("employer/"),
            "{}",
            it.receipt_text
        );
        assert_eq!(it.suggested_track, Track::Civil);
    }

    #[test]
    fn a_claim_is_taken_without_any_rules() {
        let it =
            owed(EmployerKind::Enterprise).without_rules().by(worker()).when(register(vec![item(28_000)]));
        assert_eq!(registered(&it).safe_date, None);
    }

    #[test]
    fn staff_claim_for_the_worker_they_name_and_a_crew_leader_shows_a_mandate() {
        let owed = || owed(EmployerKind::Enterprise);
        let claim = || register(vec![item(28_000)]);
        owed().by(clerk()).when(claim()).then_refused("bad_field");
        owed().by(clerk()).for_person(PERSON).when(claim()).then(["claim.registered"]);
        let leader = || owed().by(actor(Role::CrewLeader, 0));
        leader().for_person(PERSON).when(claim()).then_refused("mandate_unfounded");
        let by_paper = leader().by_mandate(PERSON, Mandate::Paper(DIGEST)).when(claim());
        assert_eq!(registered(&by_paper).mandate, Some(DIGEST));
    }

    #[test]
    fn items_are_sums_for_past_days_about_ones_own_wages_each_once() {
        let refused = |items: Vec<ClaimItem>, code: &str| {
            owed(EmployerKind::Enterprise).by(worker()).when(register(items)).then_refused(code);
        };
        refused(vec![], "bad_field");
        refused(vec![item(0)], "bad_amount");
        refused(vec![item(1), item(2)], "bad_field");
        refused(vec![ClaimItem { until: "2026-12-01".parse().unwrap(), ..item(1) }], "bad_field");
        refused(vec![ClaimItem { wage: Some(WageId(uuid::Uuid::from_u128(5))), ..item(1) }], "unknown");
        let other = EmployerId(uuid::Uuid::from_u128(0xe2));
        owed(EmployerKind::Enterprise)
            .but(|state| state.wages.get_mut(&wage()).unwrap().employer = other)
            .by(worker())
            .when(register(vec![item(1)]))
            .then_refused("bad_field");
    }

    #[test]
    fn the_same_wage_claimed_twice_is_shown_and_both_stay_open() {
        let given = owed(EmployerKind::Enterprise).by(worker()).and(register(vec![item(28_000)]));
        let given =
            given.when(register(vec![item(28_000)])).then(["claim.registered", "claim.duplicate_suspected"]);
        assert!(given.state.claims.values().all(Claim::is_open));
    }

    #[test]
    fn a_payment_lowers_what_is_claimed_and_closes_nothing() {
        let claimed = owed(EmployerKind::Enterprise).by(worker()).when(register(vec![item(30_000)]));
        let claim = registered(&claimed).claim;
        let pay = |fen| {
            let (at, evidence) = (at("2026-11-30 09:00"), DIGEST);
            RecordPayment {
                wage: wage(),
                amount: Fen(fen),
                means: PayMeans::Bank,
                at,
                evidence,
                signature: None,
            }
        };
        let given =
            claimed.given().by(employer()).when(pay(10_000)).then(["wage.paid", "claim.amount_changed"]);
        assert_eq!(
            given.state.claims[&claim].outstanding,
            Fen(20_000),
            "more is claimed than is on the books"
        );
        let given = given.and(pay(18_000)).by(clerk());
        let close = Close { claim, outcome: ClaimOutcome::Paid };
        let given = given.when(close.clone()).then_refused("not_possible");
        // Nobody mediated it: that the rest is waived is not for a desk to say.
        given.when(Close { outcome: ClaimOutcome::Settled, ..close }).then_refused("not_possible");
    }

    #[test]
    fn what_was_paid_before_the_claim_does_not_count_against_it() {
        let (at, evidence) = (at("2026-11-30 09:00"), DIGEST);
        let pay = RecordPayment {
            wage: wage(),
            amount: Fen(8_000),
            means: PayMeans::Cash,
            at,
            evidence,
            signature: None,
        };
        let given =
            owed(EmployerKind::Enterprise).and(pay.clone()).by(worker()).and(register(vec![item(20_000)]));
        let given = given.by(employer()).when(pay).then(["wage.paid", "claim.amount_changed"]);
        assert_eq!(given.state.claims.values().next().unwrap().outstanding, Fen(12_000));
    }

    #[test]
    fn a_contradicted_payment_counts_again_in_the_claim_and_is_closed_as_paid_by_nobody_while_disputed() {
        let (at, evidence) = (at("2026-11-30 09:00"), DIGEST);
        let (means, signature) = (PayMeans::Cash, Some(DIGEST));
        let pay = RecordPayment { wage: wage(), amount: Fen(28_000), means, at, evidence, signature };
        let paid = owed(EmployerKind::Enterprise).by(clerk()).when(pay.clone());
        let payment = paid.first().meta.id;
        let contradict = ContradictPayment { wage: wage(), payment, received: Fen::ZERO, evidence: None };
        // Signed for: it counts, and the claim of the whole is disputed from its first day.
        let given = paid.given().by(worker()).and(contradict.clone());
        let claimed = given.when(register(vec![item(28_000)]));
        let it = registered(&claimed);
        assert_eq!(it.disputed, Fen(28_000));

        let paid = owed(EmployerKind::Enterprise).when(RecordPayment { signature: None, ..pay });
        let payment = paid.first().meta.id;
        let claimed = paid.given().by(worker()).when(register(vec![item(28_000)]));
        let claim = registered(&claimed).claim;
        let contradicted = claimed.given().when(ContradictPayment { payment, ..contradict });
        let given = contradicted.then(["wage.payment_contradicted", "claim.amount_changed"]);
        assert_eq!(given.state.claims[&claim].disputed, Fen(28_000));
        let confirm = ConfirmReceipt { wage: wage(), amount: Fen(28_000) };
        let given = given.when(confirm).then(["wage.receipt_confirmed", "claim.amount_changed"]);
        let known = &given.state.claims[&claim];
        assert_eq!(
            (known.outstanding, known.disputed),
            (Fen::ZERO, Fen::ZERO),
            "the word came after the claim"
        );
        given.by(clerk()).when(Close { claim, outcome: ClaimOutcome::Paid }).then(["claim.closed"]);
    }

    #[test]
    fn the_office_that_holds_a_claim_refers_it_and_then_holds_it_no_longer() {
        let claimed = owed(EmployerKind::Enterprise).by(worker()).when(register(vec![item(28_000)]));
        let claim = registered(&claimed).claim;
        let other = OfficeId(uuid::Uuid::from_u128(0x0e));
        let given = claimed.given().but(|state| {
            let office = state.offices[&OFFICE].clone();
            state.offices.insert(other, office);
        });
        let refer = Refer { claim, to: other, reason: "the work was done there".into() };
        let given = given.by(clerk()).when(refer.clone()).then(["claim.referred"]);
        given.when(Refer { to: OFFICE, ..refer }).then_refused("not_yours");
    }

    #[test]
    fn an_office_that_stays_silent_is_put_on_record_once_and_every_answer_or_referral_ends_the_period() {
        use crate::case::{Accept, AskSupplement, Refuse, Supplement};
        let claimed = || {
            let given = owed(EmployerKind::Enterprise).by(worker());
            let then = given.when(register(vec![item(28_000)]));
            (registered(&then).claim, then.given())
        };
        let (claim, given) = claimed();
        let given = given.when_time_is("2026-12-05 23:59").then_nothing();
        let given = given.when_time_is("2026-12-06 00:00").then(["claim.unanswered"]);
        assert!(given.state.claims[&claim].is_open(), "it still can be accepted");
        given.when_time_is("2027-01-31 00:00").then_nothing();

        let (claim, given) = claimed();
        let other = OfficeId(uuid::Uuid::from_u128(0x0e));
        let given = given.at("2026-12-03 09:00").but(|state| {
            let office = state.offices[&OFFICE].clone();
            state.offices.insert(other, office);
        });
        let given = given.by(clerk()).and(Refer { claim, to: other, reason: "the work was there".into() });
        let given = given.when_time_is("2026-12-08 23:59").then_nothing();
        let silent = given.when_time_is("2026-12-09 00:00");
        let Event::Claim(ClaimEvent::Unanswered(it)) = silent.first().event else { panic!() };
        assert_eq!(it.office, other, "five days from when it reached the other office");

        let (claim, given) = claimed();
        let given = given.by(officer()).and(Accept { claims: vec![claim], track: Track::Supervision });
        assert!(!expects(&given.state, claim));
        let (claim, given) = claimed();
        let given = given.by(officer()).and(Refuse { claim, reason: "no work was done".into() });
        assert!(!expects(&given.state, claim), "a refusal is an answer");
        let (claim, given) = claimed();
        let due = "2026-12-05".parse().unwrap();
        let given = given.by(officer()).and(AskSupplement { claim, missing: "the sheet".into(), due });
        assert!(!expects(&given.state, claim), "the claimant is asked, the office waits");
        let supplied = Supplement { claim, supplied: "the sheet".into() };
        let given = given.at("2026-12-04 09:00").when(supplied.clone()).then(["case.supplemented"]);
        let given = given.when(supplied).then_refused("not_possible");
        let given = given.when_time_is("2026-12-09 23:59").then_nothing();
        given.when_time_is("2026-12-10 00:00").then(["claim.unanswered"]);
        let (claim, given) = claimed();
        let given = given.and(Withdraw { claim, reason: "paid in cash".into() });
        assert!(!expects(&given.state, claim));
    }

    #[test]
    fn the_claimant_alone_withdraws_and_an_open_claim_holds_the_record() {
        let claimed = owed(EmployerKind::Enterprise).by(worker()).when(register(vec![item(28_000)]));
        let claim = registered(&claimed).claim;
        let withdraw = Withdraw { claim, reason: "paid in cash".into() };
        let given = claimed.given();
        assert_eq!(given.state.open_claim_about(PERSON), Some(claim));
        let given = given.by(clerk()).when(withdraw.clone()).then_refused("bad_field");
        let debtor = PersonId(uuid::Uuid::from_u128(0xd1));
        let given = given.but(|state| {
            state.employers.get_mut(&EMPLOYER).unwrap().details.person = Some(debtor);
        });
        assert_eq!(given.state.open_claim_about(debtor), Some(claim), "whoever runs the debtor is held, too");
        let given = given.by(worker()).when(withdraw).then(["claim.withdrawn"]);
        assert_eq!(given.state.open_claim_about(PERSON), None);
        let follow_up = FollowUp { claim, satisfied: true, note: None };
        given.by(clerk()).when(follow_up).then(["claim.followed_up"]);
    }

    #[test]
    fn evidence_is_added_once_by_its_digest() {
        let claimed = owed(EmployerKind::Enterprise).by(worker()).when(register(vec![item(28_000)]));
        let claim = registered(&claimed).claim;
        let (media_type, label) = ("image/jpeg".to_owned(), "sheet".to_owned());
        let evidence = AddEvidence { claim, digest: DIGEST, media_type, bytes: 9, label };
        let given = claimed.given().when(evidence.clone()).then(["claim.evidence_added"]);
        given.when(evidence).then_nothing();
    }
}
