//! 保险: covers of one hire, and the alarm where a shift would begin without one.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::hire::{HireEvent, InsuranceDecision};
use linggong_events::id::{CommandId, EmployerId, HireId, InsuranceId, Kind, WorkerId, new_id};
use linggong_events::identity::OrgCode;
use linggong_events::insurance::{
    Applied, CheckPlanned, Confirmed, CoverEnd, CoverRejection, Ended, GapAlarmed, InsuranceEvent,
    PremiumPayer, RefusedByWorker, Rejected,
};
use linggong_events::measure::{Fen, MAX_JSON_INTEGER};
use linggong_events::office::Role;
use linggong_events::time::{MINUTE_MS, Shift, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::relation::{self, Sides, check_mandate};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::{hire, text};

commands! {
    /// What can be asked about covers.
    InsuranceCommand: Insurance {
        /// Asks an insurer for cover of a hire.
        Apply = "apply", [Employer, Worker, Clerk, Dispatcher, MarketManager] => {
            hire: HireId, insurer: String, product: String, premium: Fen, payer: PremiumPayer,
        } + optional {
            /// Of the insurer, so that it can answer itself.
            insurer_code: OrgCode,
        }
        /// The insurer takes it on, from when and until when.
        Confirm = "confirm", [Insurer, Clerk, Dispatcher, MarketManager] => {
            insurance: InsuranceId, policy: String, effective_from: Timestamp, effective_until: Timestamp,
        }
        /// The insurer declines.
        Reject = "reject", [Insurer, Clerk, Dispatcher, MarketManager] => { insurance: InsuranceId, reason: CoverRejection }
        /// The worker does not want cover for this hire; 工伤保险 is never waived by it.
        Refuse = "refuse", [Worker, Clerk, Dispatcher] => { hire: HireId }
        /// Ends a cover before its time.
        End = "end", [Insurer, Clerk, Dispatcher, MarketManager] => { insurance: InsuranceId, at: Timestamp, reason: CoverEnd }
    }
}

/// One cover asked for, or the look at one shift.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Insurance {
    pub(crate) hire: HireId,
    pub(crate) worker: WorkerId,
    insurer: String,
    insurer_code: Option<OrgCode>,
    product: String,
    cover: Cover,
    /// Whether it was ended before its time, which happens once.
    ended: bool,
}

/// Where a cover stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cover {
    /// Nobody asked for it yet; cover is looked at before this shift.
    Looked(Shift),
    /// Asked for.
    Applied,
    /// In force from, and up to but not including.
    Confirmed { from: Timestamp, until: Timestamp },
    /// Declined by the insurer or refused by the worker.
    Declined,
}

/// What is known of the covers of one hire.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Covers {
    ids: BTreeSet<InsuranceId>,
    lead_minutes: u16,
    /// When each shift's cover will be looked at.
    looks: BTreeMap<InsuranceId, Timestamp>,
    alarmed: BTreeSet<Shift>,
    refused: bool,
}

/// The insurance under which the cover of the `shift`-th shift is looked at.
pub fn look_id(hire: HireId, shift: u32) -> InsuranceId {
    InsuranceId(new_id(CommandId(hire.0), Kind::Insurance.name(), shift))
}

impl State {
    /// Whether a confirmed cover of the hire is in force at that instant.
    pub(crate) fn covered_at(&self, hire: HireId, at: Timestamp) -> bool {
        self.confirmed(hire).any(|(from, until)| from <= at && at < until)
    }

    fn confirmed(&self, hire: HireId) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let ids = self.covers.get(&hire).into_iter().flat_map(|it| &it.ids);
        ids.filter_map(|id| match self.insurances.get(id)?.cover {
            Cover::Confirmed { from, until } => Some((from, until)),
            Cover::Looked(_) | Cover::Applied | Cover::Declined => None,
        })
    }

    /// Whether covers hold from the first to the last minute of a shift, one after another without a gap.
    fn covers_shift(&self, hire: HireId, shift: Shift) -> bool {
        let mut covers: Vec<_> = self.confirmed(hire).collect();
        covers.sort_unstable();
        let mut covered_until = shift.start();
        for (from, until) in covers {
            if from <= covered_until {
                covered_until = covered_until.max(until);
            }
        }
        shift.end() <= covered_until
    }

    fn insurance(&self, id: InsuranceId) -> Result<&Insurance, Refusal> {
        self.insurances.get(&id).ok_or_else(|| Refusal::unknown(id))
    }
}

/// The lead of the looks at cover, where a hire is agreed or changed: written into an event, so that replay
/// needs no rules.
pub(crate) fn after(state: &State, event: &HireEvent, rules: &RuleBook) -> Option<Event> {
    let hire = match event {
        HireEvent::Agreed(it) => it.hire,
        HireEvent::Changed(it) => it.hire,
        HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::Cancelled(_)
        | HireEvent::NoShow(_)
        | HireEvent::SentHome(_)
        | HireEvent::Replaced(_)
        | HireEvent::Ended(_)
        | HireEvent::EndCorrected(_)
        | HireEvent::FollowedUp(_)
        | HireEvent::InjuryReported(_) => return None,
    };
    let terms = &state.hires.get(&hire)?.terms;
    if terms.insurance == InsuranceDecision::RefusedByWorker {
        return None;
    }
    let lead_minutes = u16::try_from(rules.office()?.insurance_gap_lead_minutes).unwrap_or(u16::MAX);
    // The lead that holds already need not be stated again.
    if state.covers.get(&hire).is_some_and(|covers| covers.lead_minutes == lead_minutes) {
        return None;
    }
    let (insurance, worker, employer) = (look_id(hire, 0), terms.worker, terms.employer);
    Some(CheckPlanned { insurance, hire, worker, employer, lead_minutes }.into())
}

/// From now on cover is looked at before each shift of the hire: at its start, until a lead is stated.
pub(crate) fn expect(state: &mut State, hire_id: HireId) {
    let Some(terms) = state.hires.get(&hire_id).map(|it| it.terms.clone()) else { return };
    let covers = state.covers.entry(hire_id).or_default();
    covers.refused |= terms.insurance == InsuranceDecision::RefusedByWorker;
    for (index, shift) in (0..).zip(terms.shifts) {
        let look = Insurance {
            hire: hire_id,
            worker: terms.worker,
            insurer: String::new(),
            insurer_code: None,
            product: String::new(),
            cover: Cover::Looked(shift),
            ended: false,
        };
        state.insurances.insert(look_id(hire_id, index), look);
    }
    if let Some(now) = state.last_time() {
        look_again(state, hire_id, now);
    }
}

/// Refuses to write down among other terms that a worker wants no cover: that is the worker's own word, and it silences
/// the alarm.
pub(crate) fn check_decision(decision: InsuranceDecision) -> Result<(), Refusal> {
    match decision {
        InsuranceDecision::ByEmployer | InsuranceDecision::ByWorker | InsuranceDecision::Open => Ok(()),
        InsuranceDecision::RefusedByWorker => {
            Err(Refusal::bad_field("insurance", "is the worker's own word: give it by `insurance.refuse`"))
        }
    }
}

/// Somebody is to insure after all: what the worker refused before no longer keeps the cover from being looked at.
pub(crate) fn decided_anew(state: &mut State, hire: HireId) {
    if let Some(covers) = state.covers.get_mut(&hire) {
        covers.refused = false;
    }
}

/// Cover need not be looked at: the hire will not take place, has ended, or its terms are about to change.
pub(crate) fn no_longer_expect(state: &mut State, hire: HireId) {
    let looks = state.covers.get_mut(&hire).map(|it| std::mem::take(&mut it.looks)).unwrap_or_default();
    for (id, at) in looks {
        state.expect_not(at, id, Due::CoverChecked);
    }
}

/// Whether the cover of some shift is still to be looked at.
pub(crate) fn is_looked_at(state: &State, hire: HireId) -> bool {
    state.covers.get(&hire).is_some_and(|it| !it.looks.is_empty())
}

/// Lets go of the looks at the cover of a hire that is over; what was asked for and confirmed stays.
pub(crate) fn let_looks_go(state: &mut State, hire: HireId) -> Vec<InsuranceId> {
    let mut gone = Vec::new();
    for index in 0..shift_count(state, hire) {
        let id = look_id(hire, index);
        if matches!(state.insurances.get(&id).map(|it| it.cover), Some(Cover::Looked(_))) {
            state.insurances.remove(&id);
            gone.push(id);
        }
    }
    if state.covers.get(&hire).is_some_and(|it| it.ids.is_empty()) {
        state.covers.remove(&hire);
    }
    gone
}

fn shift_count(state: &State, hire: HireId) -> u32 {
    state.hires.get(&hire).map_or(0, |it| u32::try_from(it.terms.shifts.len()).unwrap_or(u32::MAX))
}

pub(crate) fn decide(
    state: &State,
    command: &InsuranceCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let event = match command {
        InsuranceCommand::Apply(it) => return apply(state, it, context),
        InsuranceCommand::Confirm(it) => {
            let known = asked_for(state, it.insurance, context)?;
            text::check("policy", &it.policy, 60)?;
            if it.effective_until <= it.effective_from {
                return Err(Refusal::bad_field("effective_until", "is not after `effective_from`"));
            }
            let (insurance, hire, worker, policy) =
                (it.insurance, known.hire, known.worker, it.policy.clone());
            let (effective_from, effective_until) = (it.effective_from, it.effective_until);
            let insurer_code = known.insurer_code.clone();
            Confirmed { insurance, hire, worker, policy, effective_from, effective_until, insurer_code }
                .into()
        }
        InsuranceCommand::Reject(it) => {
            let known = asked_for(state, it.insurance, context)?;
            let (insurance, hire, worker) = (it.insurance, known.hire, known.worker);
            let insurer_code = known.insurer_code.clone();
            Rejected { insurance, hire, worker, reason: it.reason, insurer_code }.into()
        }
        InsuranceCommand::Refuse(it) => {
            let hired = state.hire(it.hire)?;
            let terms = &hired.terms;
            relation::check(state, context.actor, &Sides::of_hire(terms))?;
            hire::check_live(hired, it.hire)?;
            check_mandate(state, terms.worker, context)?;
            if state.covers.get(&it.hire).is_some_and(|it| it.refused) {
                return Ok(Vec::new());
            }
            RefusedByWorker { insurance: look_id(it.hire, 0), hire: it.hire, worker: terms.worker }.into()
        }
        InsuranceCommand::End(it) => {
            let known = answered(state, it.insurance, context)?;
            let Cover::Confirmed { from, until } = known.cover else {
                return Err(Refusal::not_possible(it.insurance, "not in force"));
            };
            if known.ended {
                return Err(Refusal::not_possible(it.insurance, "ended already"));
            }
            if !(from..until).contains(&it.at) {
                return Err(Refusal::bad_field("at", "is not within the time of the cover"));
            }
            let (insurance, hire, worker) = (it.insurance, known.hire, known.worker);
            let insurer_code = known.insurer_code.clone();
            Ended { insurance, hire, worker, at: it.at, reason: it.reason, insurer_code }.into()
        }
    };
    Ok(vec![event])
}

/// Whoever asks for cover pays, or a subsidy does; the worker, only where the worker or somebody for them asks.
/// An employer acts on behalf of no worker, whatever mandate is claimed.
fn apply(state: &State, it: &Apply, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let hired = state.hire(it.hire)?;
    let terms = &hired.terms;
    relation::check(state, context.actor, &Sides::of_hire(terms))?;
    hire::check_live(hired, it.hire)?;
    text::check("insurer", &it.insurer, 100)?;
    text::check("product", &it.product, 100)?;
    if !(0..=MAX_JSON_INTEGER).contains(&it.premium.0) {
        return Err(Refusal::BadAmount { amount: it.premium });
    }
    match (it.payer, context.actor.role) {
        (PremiumPayer::Worker, Role::Employer) => {
            return Err(Refusal::bad_field("payer", "cannot be decided for the worker"));
        }
        // 条例 and clause (五): a premium is the worker's only with the worker's consent, to the insurer directly.
        (PremiumPayer::Worker, _) => check_mandate(state, terms.worker, context)?,
        (PremiumPayer::Employer, Role::Worker) => {
            return Err(Refusal::bad_field("payer", "cannot be decided for the employer"));
        }
        (PremiumPayer::Employer | PremiumPayer::Subsidy, _) => {}
    }
    let ids = state.covers.get(&it.hire).into_iter().flat_map(|it| &it.ids);
    let mut known = ids.filter_map(|id| state.insurances.get(id));
    let stands = |cover: Cover| matches!(cover, Cover::Applied | Cover::Confirmed { .. });
    if known.any(|known| {
        stands(known.cover) && !known.ended && (&known.insurer, &known.product) == (&it.insurer, &it.product)
    }) {
        return Ok(Vec::new());
    }
    let applied = Applied {
        insurance: InsuranceId(context.new_id(Kind::Insurance, 0)),
        hire: it.hire,
        worker: terms.worker,
        employer: terms.employer,
        insurer: it.insurer.clone(),
        insurer_code: it.insurer_code.clone(),
        product: it.product.clone(),
        premium: it.premium,
        payer: it.payer,
    };
    Ok(vec![applied.into()])
}

/// The cover, if the actor is the insurer that it was asked of, or a desk that enters what the insurer says.
fn answered<'a>(state: &'a State, id: InsuranceId, context: &Context<'_>) -> Result<&'a Insurance, Refusal> {
    let known = state.insurance(id)?;
    let sides = Sides::of_hire(&state.hire(known.hire)?.terms).asked_of(id, known.insurer_code.clone());
    relation::check(state, context.actor, &sides)?;
    Ok(known)
}

/// A cover that waits for the insurer's answer.
fn asked_for<'a>(state: &'a State, id: InsuranceId, context: &Context<'_>) -> Result<&'a Insurance, Refusal> {
    let known = answered(state, id, context)?;
    match known.cover {
        Cover::Applied => Ok(known),
        Cover::Looked(_) => Err(Refusal::not_possible(id, "not applied for")),
        Cover::Confirmed { .. } | Cover::Declined => Err(Refusal::not_possible(id, "answered already")),
    }
}

pub(crate) fn evolve(state: &mut State, event: &InsuranceEvent, meta: &Meta) {
    match event {
        InsuranceEvent::CheckPlanned(it) => {
            state.covers.entry(it.hire).or_default().lead_minutes = it.lead_minutes;
            look_again(state, it.hire, meta.time);
        }
        InsuranceEvent::Applied(it) => {
            let applied = Insurance {
                hire: it.hire,
                worker: it.worker,
                insurer: it.insurer.clone(),
                insurer_code: it.insurer_code.clone(),
                product: it.product.clone(),
                cover: Cover::Applied,
                ended: false,
            };
            state.insurances.insert(it.insurance, applied);
            let covers = state.covers.entry(it.hire).or_default();
            covers.ids.insert(it.insurance);
            // Whoever is to be insured after all is looked after again.
            covers.refused = false;
            look_again(state, it.hire, meta.time);
        }
        InsuranceEvent::Confirmed(it) => {
            let cover = Cover::Confirmed { from: it.effective_from, until: it.effective_until };
            set(state, it.insurance, cover);
            look_again(state, it.hire, meta.time);
        }
        InsuranceEvent::Rejected(it) => set(state, it.insurance, Cover::Declined),
        InsuranceEvent::RefusedByWorker(it) => {
            state.covers.entry(it.hire).or_default().refused = true;
            look_again(state, it.hire, meta.time);
        }
        InsuranceEvent::Ended(it) => {
            if let Some(known) = state.insurances.get_mut(&it.insurance)
                && let Cover::Confirmed { from, .. } = known.cover
            {
                known.cover = Cover::Confirmed { from, until: it.at };
                known.ended = true;
            }
            look_again(state, it.hire, meta.time);
        }
        InsuranceEvent::GapAlarmed(it) => {
            let shift = shift_of(state, it.insurance);
            let Some(covers) = state.covers.get_mut(&it.hire) else { return };
            covers.alarmed.extend(shift);
            if let Some(at) = covers.looks.remove(&it.insurance) {
                state.expect_not(at, it.insurance, Due::CoverChecked);
            }
        }
    }
}

fn set(state: &mut State, id: InsuranceId, cover: Cover) {
    if let Some(known) = state.insurances.get_mut(&id) {
        known.cover = cover;
    }
}

fn shift_of(state: &State, look: InsuranceId) -> Option<Shift> {
    match state.insurances.get(&look)?.cover {
        Cover::Looked(shift) => Some(shift),
        Cover::Applied | Cover::Confirmed { .. } | Cover::Declined => None,
    }
}

/// Sets when each shift is looked at: only those that lack cover, are not over and were not alarmed before. Of a hire
/// that is over or will not take place none is: its cover is answered and ended all the same.
fn look_again(state: &mut State, hire: HireId, now: Timestamp) {
    no_longer_expect(state, hire);
    if state.hires.get(&hire).is_none_or(|it| hire::check_live(it, hire).is_err()) {
        return;
    }
    let count = shift_count(state, hire);
    let Some(covers) = state.covers.get(&hire).filter(|it| !it.refused) else { return };
    let lead_ms = i64::from(covers.lead_minutes) * MINUTE_MS;
    let mut looks = BTreeMap::new();
    for id in (0..count).map(|index| look_id(hire, index)) {
        let Some(shift) = shift_of(state, id) else { continue };
        let gap = !covers.alarmed.contains(&shift) && !state.covers_shift(hire, shift);
        if gap && now < shift.end() {
            // Nothing that became known later can have been alarming before.
            looks.insert(id, shift.start().plus_ms(-lead_ms).max(now));
        }
    }
    for (id, at) in &looks {
        state.expect_by(*at, *id, Due::CoverChecked);
    }
    if let Some(covers) = state.covers.get_mut(&hire) {
        covers.looks = looks;
    }
}

pub(crate) fn due(state: &State, deadline: &Deadline, _: &RuleBook) -> Vec<Event> {
    let insurance = InsuranceId(deadline.entity.id);
    let alarm = || {
        let shift_start = shift_of(state, insurance)?.start();
        let known = state.insurances.get(&insurance)?;
        let employer: EmployerId = state.hires.get(&known.hire)?.terms.employer;
        let later = state.confirmed(known.hire).map(|(from, _)| from).filter(|from| *from > shift_start);
        let (hire, worker, covered_from) = (known.hire, known.worker, later.min());
        Some(GapAlarmed { insurance, hire, worker, employer, shift_start, covered_from }.into())
    };
    alarm().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::hire::{CancelReason, HireTerms};

    use super::*;
    use crate::hire;
    use crate::testing::*;

    fn open() -> Given {
        hired_on(EmployerKind::Unlicensed, HireTerms { insurance: InsuranceDecision::Open, ..terms() })
    }

    fn apply(payer: PremiumPayer) -> Apply {
        let (insurer, product) = ("人保".to_owned(), "日结意外险".to_owned());
        let insurer_code = Some(INSURER.parse().unwrap());
        Apply { hire: HIRE, insurer, product, premium: Fen(300), payer, insurer_code }
    }

    /// Applied for and confirmed from then to the next midnight.
    fn confirmed(from: &str) -> (InsuranceId, Given) {
        let applied = open().by(employer()).when(apply(PremiumPayer::Employer));
        let insurance = InsuranceId(applied.first().meta.subject.id);
        let confirm = Confirm {
            insurance,
            policy: "P-1".into(),
            effective_from: at(from),
            effective_until: at("2026-11-24 00:00"),
        };
        (insurance, applied.given().by(actor(Role::Insurer, 0)).and(confirm))
    }

    #[test]
    fn a_shift_without_cover_raises_an_alarm_once_before_it_begins() {
        let given = open().when_time_is("2026-11-22 05:59").then_nothing();
        let given = given.when_time_is("2026-11-22 06:00").then(["insurance.gap_alarmed"]);
        assert!(!expects(&given.state, look_id(HIRE, 0)));
    }

    #[test]
    fn a_cover_that_holds_for_the_whole_shift_leaves_no_alarm() {
        let (_, given) = confirmed("2026-11-22 06:30");
        assert!(given.state.covered_at(HIRE, at("2026-11-22 06:30")));
        assert!(!given.state.covered_at(HIRE, at("2026-11-22 06:29")));
        assert!(!given.state.covered_at(HIRE, at("2026-11-24 00:00")), "the end is not part of it");
        given.when_time_is("2026-11-22 07:00").then_nothing();
    }

    #[test]
    fn a_cover_that_begins_at_the_next_midnight_is_a_gap_today() {
        let (_, given) = confirmed("2026-11-23 00:00");
        let alarmed = given.when_time_is("2026-11-22 06:00");
        let Event::Insurance(InsuranceEvent::GapAlarmed(alarm)) = alarmed.first().event else { panic!() };
        assert_eq!(alarm.covered_from, Some(at("2026-11-23 00:00")));
    }

    #[test]
    fn a_cover_that_ends_before_the_shift_is_a_gap_again() {
        let (insurance, given) = confirmed("2026-11-22 05:00");
        let end = End { insurance, at: at("2026-11-22 06:00"), reason: CoverEnd::PremiumUnpaid };
        let given = given.when(end).then(["insurance.ended"]);
        given.when_time_is("2026-11-22 06:00").then(["insurance.gap_alarmed"]);
    }

    #[test]
    fn a_cover_that_ends_or_is_confirmed_after_the_hire_was_called_off_is_no_gap() {
        let cancel = hire::Cancel { hire: HIRE, reason: CancelReason::Weather, note: None };
        let (insurance, given) = confirmed("2026-11-22 05:00");
        let end = End { insurance, at: at("2026-11-22 06:00"), reason: CoverEnd::Cancelled };
        let given = given.by(clerk()).and(cancel.clone()).and(end);
        assert!(!expects(&given.state, look_id(HIRE, 0)));
        given.when_time_is("2026-11-22 07:00").then_nothing();

        let applied = open().by(employer()).when(apply(PremiumPayer::Employer));
        let insurance = InsuranceId(applied.first().meta.subject.id);
        let (effective_from, effective_until) = (at("2026-11-23 00:00"), at("2026-11-24 00:00"));
        let confirm = Confirm { insurance, policy: "P-1".into(), effective_from, effective_until };
        let given = applied.given().by(clerk()).and(cancel).and(confirm);
        given.when_time_is("2026-11-22 07:00").then_nothing();
    }

    #[test]
    fn whoever_refused_cover_is_not_alarmed_about() {
        let given = open().by(worker()).when(Refuse { hire: HIRE }).then(["insurance.refused_by_worker"]);
        given.when_time_is("2026-11-22 07:00").then_nothing();
    }

    #[test]
    fn nobody_but_the_worker_refuses_cover_and_a_later_decision_brings_the_alarm_back() {
        let decide = |insurance| hire::DecideInsurance { hire: HIRE, insurance };
        let refused = decide(InsuranceDecision::RefusedByWorker);
        let given = open().by(employer()).when(refused.clone()).then_refused("bad_field");
        let given = given.by(clerk()).when(refused).then_refused("bad_field");
        let given = given.by(worker()).and(Refuse { hire: HIRE });
        let given = given.by(employer()).and(decide(InsuranceDecision::ByEmployer));
        given.when_time_is("2026-11-22 06:00").then(["insurance.gap_alarmed"]);
    }

    /// A night of two policies, of which the second begins then.
    fn night(second_from: &str) -> Given {
        let night = vec![shift("2026-11-22 22:00", "2026-11-23 06:00")];
        let terms = HireTerms { shifts: night, insurance: InsuranceDecision::Open, ..terms() };
        let mut given = hired_on(EmployerKind::Unlicensed, terms).by(clerk());
        let days = [("2026-11-22 00:00", "2026-11-23 00:00"), (second_from, "2026-11-24 00:00")];
        for (n, (from, until)) in days.into_iter().enumerate() {
            let applied =
                given.when(Apply { product: format!("日险{n}"), ..apply(PremiumPayer::Employer) });
            let insurance = InsuranceId(applied.first().meta.subject.id);
            let (effective_from, effective_until) = (at(from), at(until));
            let confirm = Confirm { insurance, policy: "P".into(), effective_from, effective_until };
            given = applied.given().and(confirm);
        }
        given
    }

    #[test]
    fn a_night_under_two_policies_that_meet_at_midnight_is_covered() {
        night("2026-11-23 00:00").when_time_is("2026-11-22 22:00").then_nothing();
        night("2026-11-23 00:01").when_time_is("2026-11-22 22:00").then(["insurance.gap_alarmed"]);
    }

    #[test]
    fn an_employer_cannot_make_the_worker_pay() {
        open().by(employer()).when(apply(PremiumPayer::Worker)).then_refused("bad_field");
        // Nor may they say that the worker stands before them.
        let said = open().by(employer()).for_person(PERSON);
        said.when(apply(PremiumPayer::Worker)).then_refused("mandate_unfounded");
        open().by(worker()).when(apply(PremiumPayer::Employer)).then_refused("bad_field");
        open().by(worker()).when(apply(PremiumPayer::Worker)).then(["insurance.applied"]);
    }

    #[test]
    fn the_same_cover_is_asked_for_once_and_answered_once() {
        let (insurance, given) = confirmed("2026-11-22 05:00");
        let given = given.by(employer()).when(apply(PremiumPayer::Employer)).then_nothing();
        let reject = Reject { insurance, reason: CoverRejection::TooLate };
        given.by(actor(Role::Insurer, 0)).when(reject).then_refused("not_possible");
    }
}
