//! 人: records of humans; the vault seals before anything comes here.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::commit::Digest;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{
    ActorId, CardId, EmployerId, EntityRef, EventId, HireId, KeyId, PersonId, WageId, WorkerId,
};
use linggong_events::measure::Fen;
use linggong_events::person::{
    CardEnd, CardEnded, CardIssued, DuplicateSuspected, IdentityLinked, IdentityUnlinked, KeyOpened,
    KeyOpeningProposed, KeyState, KeyStateChanged, KnownPerson, PersonEvent, PersonField, Registered,
    Revised, Revision, RevisionReason,
};
use linggong_events::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Actor, Context, commands};
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::state::State;
use crate::text;

commands! {
    /// What can be asked of the record of a human.
    PersonCommand: Person {
        /// Finds two records to be one human (`IdentityLinked`); earlier events stay as they are.
        Link = "link", [CaseOfficer, PrivacyOfficer] => { person: PersonId, other: PersonId, basis: String }
        /// Dissolves a link that was wrong.
        Unlink = "unlink", [CaseOfficer, PrivacyOfficer] => { person: PersonId, other: PersonId, basis: String }
        /// 更正: tells some of what is known of a human anew.
        Revise = "revise", [Clerk, Dispatcher, MarketManager, PrivacyOfficer], seal [revision: Revision] => { revision: Revision, reason: RevisionReason }
        /// Changes what the vault may do with a key of this person.
        SetKeyState = "set_key_state", [PrivacyOfficer, CaseLead] => { person: PersonId, key: KeyId, key_state: KeyState, basis: String }
        /// Asks to open what a sealed key keeps.
        ProposeOpening = "key_opening.propose", [CaseOfficer, CaseLead, PrivacyOfficer] => { person: PersonId, key: KeyId, basis: String }
        /// Agrees that the officer who asked opens it, for a day; the key stays sealed.
        ConfirmOpening = "key_opening.confirm", [CaseLead, PrivacyOfficer] => { person: PersonId, key: KeyId, officer: ActorId, basis: String }
        /// 发卡: gives a person a market card; whoever has one still says what became of it.
        IssueCard = "issue_card", [Clerk, Dispatcher, MarketManager], seal [card: Card] => { person: PersonId, card: CardId }
            + optional { replaces: CardEnd }
        /// 挂失或收回: nobody is known by this card any more.
        EndCard = "end_card", [Clerk, Dispatcher, MarketManager] => { person: PersonId, why: CardEnd }
    }
}

/// A human in the engine's eyes: nothing but ids.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) linked: BTreeSet<PersonId>,
    pub(crate) key_state: Option<KeyState>,
    /// The state of each key that the ledger speaks of.
    pub(crate) keys: BTreeMap<KeyId, KeyState>,
    /// Who set that state.
    pub(crate) key_set_by: Option<ActorId>,
    /// Who asked to open which sealed key.
    pub(crate) openings_proposed: BTreeSet<(KeyId, ActorId)>,
    /// Who may open what a sealed key keeps.
    pub(crate) openings: BTreeMap<(KeyId, ActorId), Opening>,
    /// The event that told of this human last.
    pub(crate) told_by: Option<EventId>,
    /// The document and phone that were told anew last.
    pub(crate) told_anew: ToldAnew,
    /// The card by which this human is known at gates.
    pub(crate) card: Option<CardId>,
    /// The worker that this human is.
    pub(crate) worker: Option<WorkerId>,
}

/// Which document and phone of a human were told anew, each by the hash of its sealed box: no two sealings share one,
/// so that it says which telling it was and nothing of what was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAnew {
    /// The document.
    pub document: Option<Digest>,
    /// The phone.
    pub phone: Option<Digest>,
}

impl ToldAnew {
    /// Of one revision.
    pub fn by(revision: &Revision) -> ToldAnew {
        let told = |field| revision.sealed.get(&field).map(|it| Digest::of(it.boxed.as_bytes()));
        ToldAnew { document: told(PersonField::Document), phone: told(PersonField::Phone) }
    }
}

/// What two officers agreed on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The second officer.
    pub(crate) second: ActorId,
    pub(crate) until: Timestamp,
}

/// How long a sealed key opens for whom two officers agreed on: a day at the desk, not a standing permission.
const OPENING_MS: i64 = DAY_MS;

impl State {
    /// The second officer with whom `officer` may open at `now` what a sealed key keeps.
    pub fn opened_with(
        &self,
        person: PersonId,
        key: KeyId,
        officer: ActorId,
        now: Timestamp,
    ) -> Option<ActorId> {
        let opening = self.persons.get(&person)?.openings.get(&(key, officer))?;
        (now < opening.until).then_some(opening.second)
    }

    /// The state of a person's key, where the ledger has set one.
    pub fn key_state_of(&self, person: PersonId) -> Option<KeyState> {
        self.persons.get(&person).and_then(|it| it.key_state)
    }

    /// The last state of every key that the ledger speaks of.
    pub fn key_states(&self) -> impl Iterator<Item = (PersonId, KeyId, KeyState)> {
        let of_person = |(id, person): (&PersonId, &Person)| {
            let id = *id;
            person.keys.clone().into_iter().map(move |(key, state)| (id, key, state))
        };
        self.persons.iter().flat_map(of_person)
    }

    /// The document and phone of `person` that were told anew last.
    pub fn told_anew(&self, person: PersonId) -> ToldAnew {
        self.persons.get(&person).map(|it| it.told_anew).unwrap_or_default()
    }

    /// Everybody whose data the vault must hold: all but those whose key was shredded.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        let kept = |it: &(&PersonId, &Person)| it.1.key_state != Some(KeyState::Shredded);
        self.persons.iter().filter(kept).map(|(id, _)| *id)
    }

    /// Every card that was given out, with whether it is still in use.
    pub fn cards(&self) -> impl Iterator<Item = (PersonId, CardId, bool)> {
        self.cards.iter().map(|(card, person)| (*person, *card, self.card_of(*person) == Some(*card)))
    }

    /// The card by which `person` is known at gates.
    fn card_of(&self, person: PersonId) -> Option<CardId> {
        self.persons.get(&person).and_then(|it| it.card)
    }

    /// The worker that a human is.
    pub fn worker_of(&self, person: PersonId) -> Option<WorkerId> {
        self.persons.get(&person).and_then(|it| it.worker)
    }

    /// The employers that a human is: their household, their farm, themselves as a foreman.
    pub fn employers_of(&self, person: PersonId) -> impl Iterator<Item = EmployerId> {
        self.employers.iter().filter(move |(_, it)| it.details.person == Some(person)).map(|(id, _)| *id)
    }

    /// Refuses whoever acts on the record of nobody, or of a human who has nothing to do with their regions.
    fn check_person_here(&self, person: PersonId, actor: &Actor) -> Result<(), Refusal> {
        if !self.persons.contains_key(&person) {
            return Err(Refusal::unknown(person));
        }
        let workers = self.workers.values().filter(|it| it.person == person);
        let as_worker = workers.flat_map(|it| self.regions_of_worker(it));
        let employers = self.employers.values().filter(|it| it.details.person == Some(person));
        let as_employer = employers.map(|it| it.details.region);
        relation::check(self, actor, &Sides::default().at_any(as_worker.chain(as_employer)))
    }

    /// A wage of this human on which money is outstanding: it holds their record.
    fn unpaid_wage_of(&self, person: PersonId) -> Option<WageId> {
        let own = |hire: &HireId| {
            let worker = self.hires.get(hire).and_then(|it| self.workers.get(&it.terms.worker));
            worker.is_some_and(|it| it.person == person)
        };
        self.wages
            .iter()
            .find(|(_, wage)| wage.outstanding() > Fen::ZERO && own(&wage.hire))
            .map(|(id, _)| *id)
    }
}

/// The events that make a human known, as a part of registering a worker or employer.
pub(crate) fn introduce(state: &State, known: &KnownPerson) -> Vec<Event> {
    let person = known.person;
    if state.persons.contains_key(&person) {
        return Vec::new();
    }
    let mut events: Vec<Event> = vec![Registered { person, known: known.clone() }.into()];
    if let Some(other) = known.duplicate_suspected.filter(|other| *other != person) {
        events.push(DuplicateSuspected { person, other }.into());
    }
    events
}

pub(crate) fn decide(
    state: &State,
    command: &PersonCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let known = |id: PersonId| state.persons.get(&id).ok_or_else(|| Refusal::unknown(id));
    let event = match command {
        PersonCommand::Link(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            known(it.other)?;
            for person in [it.person, it.other] {
                state.check_person_here(person, context.actor)?;
            }
            if it.person == it.other {
                return Err(Refusal::bad_field("other", "is the same person"));
            }
            if known(it.person)?.linked.contains(&it.other) {
                return Ok(Vec::new());
            }
            IdentityLinked { person: it.person, other: it.other, basis: it.basis.clone() }.into()
        }
        PersonCommand::Unlink(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            for person in [it.person, it.other] {
                state.check_person_here(person, context.actor)?;
            }
            if !known(it.person)?.linked.contains(&it.other) {
                return Err(Refusal::not_possible(it.person, "not linked to the other"));
            }
            IdentityUnlinked { person: it.person, other: it.other, basis: it.basis.clone() }.into()
        }
        PersonCommand::SetKeyState(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            let person = known(it.person)?;
            state.check_person_here(it.person, context.actor)?;
            if person.key_state == Some(KeyState::Shredded) {
                return Err(Refusal::Ended { entity: it.person.into() });
            }
            if person.keys.get(&it.key).is_some_and(|now| *now == it.key_state) {
                return Ok(Vec::new());
            }
            // What one officer put away, the same one does not take out again alone.
            let takes_out = it.key_state == KeyState::Active && person.key_state == Some(KeyState::Sealed);
            if takes_out && person.key_set_by == Some(context.actor.id) {
                return Err(Refusal::SecondOfficerNeeded);
            }
            if it.key_state == KeyState::Shredded {
                let claim = state.open_claim_about(it.person).map(EntityRef::from);
                if let Some(entity) = claim.or(state.unpaid_wage_of(it.person).map(EntityRef::from)) {
                    return Err(Refusal::OnHold { entity });
                }
                // Destroying takes two: one seals, another shreds what is sealed.
                if person.key_state != Some(KeyState::Sealed) {
                    return Err(Refusal::not_possible(it.person, "not sealed: seal the key first"));
                }
                if person.key_set_by == Some(context.actor.id) {
                    return Err(Refusal::SecondOfficerNeeded);
                }
            }
            KeyStateChanged { person: it.person, key: it.key, state: it.key_state, basis: it.basis.clone() }
                .into()
        }
        PersonCommand::ProposeOpening(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            let person = known(it.person)?;
            check_sealed(state, it.person, it.key, context.actor)?;
            if person.openings_proposed.contains(&(it.key, context.actor.id)) {
                return Ok(Vec::new());
            }
            KeyOpeningProposed { person: it.person, key: it.key, basis: it.basis.clone() }.into()
        }
        PersonCommand::ConfirmOpening(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            let person = known(it.person)?;
            check_sealed(state, it.person, it.key, context.actor)?;
            if !person.openings_proposed.contains(&(it.key, it.officer)) {
                return Err(Refusal::NothingProposed { entity: it.person.into() });
            }
            if it.officer == context.actor.id {
                return Err(Refusal::SecondOfficerNeeded);
            }
            let until = context.now.plus_ms(OPENING_MS);
            let (officer, basis) = (it.officer, it.basis.clone());
            KeyOpened { person: it.person, key: it.key, officer, until, basis }.into()
        }
        PersonCommand::Revise(it) => {
            let revision = &it.revision;
            let person = known(revision.person)?;
            state.check_person_here(revision.person, context.actor)?;
            // Whoever writes down another document is another human for every check that follows.
            if context.actor.person == Some(revision.person) {
                return Err(Refusal::ConflictOfInterest { entity: revision.person.into() });
            }
            if person.key_state == Some(KeyState::Shredded) {
                return Err(Refusal::Ended { entity: revision.person.into() });
            }
            if revision.sealed.is_empty() {
                return Err(Refusal::bad_field("revision", "tells nothing anew"));
            }
            let corrects = person.told_by.ok_or_else(|| Refusal::unknown(revision.person))?;
            let (person, reason) = (revision.person, it.reason);
            let mut events = vec![Revised { person, revision: revision.clone(), reason, corrects }.into()];
            if let Some(other) = revision.duplicate_suspected.filter(|it| *it != person) {
                events.push(DuplicateSuspected { person, other }.into());
            }
            return Ok(events);
        }
        PersonCommand::IssueCard(it) => return issue_card(state, it, context),
        PersonCommand::EndCard(it) => {
            let person = known(it.person)?;
            state.check_person_here(it.person, context.actor)?;
            let Some(card) = person.card else { return Ok(Vec::new()) };
            CardEnded { person: it.person, card, why: it.why }.into()
        }
    };
    Ok(vec![event])
}

/// Refuses what is no sealed key of somebody here, and an officer whose own record it is.
fn check_sealed(state: &State, id: PersonId, key: KeyId, actor: &Actor) -> Result<(), Refusal> {
    state.check_person_here(id, actor)?;
    if actor.person == Some(id) {
        return Err(Refusal::ConflictOfInterest { entity: id.into() });
    }
    match state.persons.get(&id).and_then(|it| it.keys.get(&key)) {
        Some(KeyState::Sealed) => Ok(()),
        Some(KeyState::Shredded) => Err(Refusal::Ended { entity: id.into() }),
        Some(KeyState::Active) | None => {
            Err(Refusal::not_possible(id, "not sealed: what it keeps opens without a second officer"))
        }
    }
}

fn issue_card(state: &State, it: &IssueCard, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let person = state.persons.get(&it.person).ok_or_else(|| Refusal::unknown(it.person))?;
    state.check_person_here(it.person, context.actor)?;
    if person.key_state == Some(KeyState::Shredded) {
        return Err(Refusal::Ended { entity: it.person.into() });
    }
    match state.cards.get(&it.card) {
        Some(_) if person.card == Some(it.card) => return Ok(Vec::new()),
        Some(holder) if *holder == it.person => return Err(Refusal::CardDead),
        Some(_) => return Err(Refusal::CardTaken),
        None => {}
    }
    let issued = CardIssued { person: it.person, card: it.card }.into();
    let ended = match (person.card, it.replaces) {
        (None, _) => return Ok(vec![issued]),
        (Some(_), None) => {
            return Err(Refusal::not_possible(it.person, "known by a card already: say what became of it"));
        }
        (Some(card), Some(why)) => CardEnded { person: it.person, card, why }.into(),
    };
    Ok(vec![ended, issued])
}

pub(crate) fn evolve(state: &mut State, event: &PersonEvent, meta: &Meta) {
    match event {
        PersonEvent::Registered(it) => {
            state.persons.entry(it.person).or_default().told_by = Some(meta.id);
        }
        PersonEvent::Revised(it) => {
            let told = ToldAnew::by(&it.revision);
            let person = state.persons.entry(it.person).or_default();
            person.told_by = Some(meta.id);
            person.told_anew.document = told.document.or(person.told_anew.document);
            person.told_anew.phone = told.phone.or(person.told_anew.phone);
            let worker = person.worker.and_then(|id| state.workers.get_mut(&id));
            if let (Some(worker), Some(document)) = (worker, &it.revision.document) {
                (worker.age, worker.document_verified) = (document.age, true);
                worker.tokens = Some(document.tokens.clone());
            }
        }
        PersonEvent::DuplicateSuspected(_) => {}
        PersonEvent::IdentityLinked(it) => {
            state.persons.entry(it.person).or_default().linked.insert(it.other);
            state.persons.entry(it.other).or_default().linked.insert(it.person);
        }
        PersonEvent::IdentityUnlinked(it) => {
            state.persons.entry(it.person).or_default().linked.remove(&it.other);
            state.persons.entry(it.other).or_default().linked.remove(&it.person);
        }
        PersonEvent::KeyStateChanged(it) => {
            let person = state.persons.entry(it.person).or_default();
            (person.key_state, person.key_set_by) = (Some(it.state), Some(meta.actor));
            person.keys.insert(it.key, it.state);
            person.openings_proposed.clear();
            person.openings.clear();
        }
        PersonEvent::KeyOpeningProposed(it) => {
            let person = state.persons.entry(it.person).or_default();
            person.openings_proposed.insert((it.key, meta.actor));
        }
        PersonEvent::KeyOpened(it) => {
            let person = state.persons.entry(it.person).or_default();
            person.openings_proposed.remove(&(it.key, it.officer));
            person.openings.retain(|_, opening| meta.time < opening.until);
            person.openings.insert((it.key, it.officer), Opening { second: meta.actor, until: it.until });
        }
        PersonEvent::CardIssued(it) => {
            state.persons.entry(it.person).or_default().card = Some(it.card);
            state.cards.insert(it.card, it.person);
        }
        PersonEvent::CardEnded(it) => {
            let person = state.persons.entry(it.person).or_default();
            person.card = person.card.filter(|card| *card != it.card);
        }
    }
}
