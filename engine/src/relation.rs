//! 关系: what an actor has to do with what a command is about, and on whose behalf they speak.

use linggong_events::envelope::Channel;
use linggong_events::hire::HireTerms;
use linggong_events::id::{ActorId, EmployerId, EntityRef, InsuranceId, OfficeId, PersonId, WorkerId};
use linggong_events::identity::OrgCode;
use linggong_events::mandate::Mandate;
use linggong_events::office::Role;
use linggong_events::region::Region;

use crate::command::{Actor, Context};
use crate::refusal::Refusal;
use crate::state::State;

/// What an actor has to do with something. The last four allow nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// They are its worker, or act for its employer.
    Own,
    /// They lead the crew of its worker, within their regions.
    CrewOf,
    /// It was asked of the insurer that they act for, within their regions.
    Insures,
    /// Their office holds it, and nobody is assigned to it or they lead those who are.
    Holds,
    /// It is assigned to them.
    Assigned,
    /// It lies where their desk, office or device acts.
    Region,
    /// 回避: they sit at a desk and are a side of it, or answer for one.
    Party(EntityRef),
    /// It is somebody else's, and this is what of it is.
    SomebodyElses(EntityRef),
    /// Its worker is in no crew of theirs.
    OtherCrew(WorkerId),
    /// It lies outside their regions.
    Elsewhere,
}

/// Whose something is, and where it lies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sides {
    worker: Option<WorkerId>,
    employer: Option<EmployerId>,
    /// The cover that was asked for, and of which insurer.
    asked: Option<(InsuranceId, Option<OrgCode>)>,
    held: Option<Held>,
    /// Where it lies; absent where that is nobody's limit.
    regions: Option<Vec<Region>>,
}

/// Something that an office holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    entity: EntityRef,
    office: OfficeId,
    officer: Option<ActorId>,
}

impl Sides {
    /// What is about one worker.
    pub(crate) fn of_worker(worker: WorkerId) -> Sides {
        Sides { worker: Some(worker), ..Sides::default() }
    }

    /// What is an employer's.
    pub(crate) fn of_employer(employer: EmployerId) -> Sides {
        Sides { employer: Some(employer), ..Sides::default() }
    }

    /// What is between the two sides of a hire, at the place of work.
    pub(crate) fn of_hire(terms: &HireTerms) -> Sides {
        Sides::of_worker(terms.worker).and_of(terms.employer).at(terms.region)
    }

    /// What an office holds.
    pub(crate) fn held(entity: impl Into<EntityRef>, office: OfficeId) -> Sides {
        let held = Held { entity: entity.into(), office, officer: None };
        Sides { held: Some(held), ..Sides::default() }
    }

    fn and_of(self, employer: EmployerId) -> Sides {
        Sides { employer: Some(employer), ..self }
    }

    /// The worker whom it is about.
    pub(crate) fn about(self, worker: WorkerId) -> Sides {
        Sides { worker: Some(worker), ..self }
    }

    /// The officer who handles it.
    pub(crate) fn assigned_to(self, officer: Option<ActorId>) -> Sides {
        Sides { held: self.held.map(|it| Held { officer, ..it }), ..self }
    }

    /// The insurer whom cover was asked of; absent where only a name is known.
    pub(crate) fn asked_of(self, insurance: InsuranceId, insurer: Option<OrgCode>) -> Sides {
        Sides { asked: Some((insurance, insurer)), ..self }
    }

    /// Where it lies.
    pub(crate) fn at(self, region: Region) -> Sides {
        self.at_any([region])
    }

    /// Where it lies, at any of which an actor may act.
    pub(crate) fn at_any(self, regions: impl IntoIterator<Item = Region>) -> Sides {
        Sides { regions: Some(regions.into_iter().collect()), ..self }
    }
}

impl Sides {
    /// The side that the actor is, or that their own person is or answers for.
    fn party(&self, state: &State, actor: &Actor) -> Option<EntityRef> {
        let is_their_person = |person: Option<PersonId>| person.is_some() && person == actor.person;
        let worker = self.worker.filter(|id| {
            actor.worker == Some(*id) || is_their_person(state.workers.get(id).map(|it| it.person))
        });
        let employer = self.employer.filter(|id| {
            let person = state.employers.get(id).and_then(|it| it.details.person);
            actor.employer == Some(*id) || is_their_person(person)
        });
        worker.map(EntityRef::from).or(employer.map(EntityRef::from))
    }
}

impl Actor {
    /// Whether a cover asked of `insurer` was asked of the insurer that they act for; what names no code was asked of
    /// none. Reads ask this too.
    pub fn insures(&self, insurer: Option<&OrgCode>) -> bool {
        self.role == Role::Insurer && insurer.is_some() && self.insurer.as_ref() == insurer
    }
}

/// What `actor` has to do with what these sides have.
pub(crate) fn relation(state: &State, actor: &Actor, sides: &Sides) -> Relation {
    let here = |relation: Relation| {
        let is_here = sides.regions.as_ref().is_none_or(|all| all.iter().any(|it| actor.covers(*it)));
        if is_here { relation } else { Relation::Elsewhere }
    };
    match actor.role {
        // One's own matters have no region.
        Role::Worker => match sides.worker {
            Some(worker) if actor.worker != Some(worker) => Relation::SomebodyElses(worker.into()),
            Some(_) | None => Relation::Own,
        },
        Role::Employer => match sides.employer {
            Some(employer) if actor.employer != Some(employer) => Relation::SomebodyElses(employer.into()),
            Some(_) | None => Relation::Own,
        },
        Role::CrewLeader => match sides.worker {
            Some(worker) if state.leader_of(worker) != Some(actor.id) => Relation::OtherCrew(worker),
            Some(_) => here(Relation::CrewOf),
            None => here(Relation::Region),
        },
        Role::Insurer => match &sides.asked {
            Some((_, insurer)) if actor.insures(insurer.as_ref()) => here(Relation::Insures),
            Some((insurance, _)) => Relation::SomebodyElses((*insurance).into()),
            None => here(Relation::Region),
        },
        Role::Gate
        | Role::Engine
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Keeper
        | Role::Subscriber => match (sides.party(state, actor), sides.held) {
            (Some(entity), _) => Relation::Party(entity),
            (None, Some(held)) => at_office(state, actor, held),
            (None, None) => here(Relation::Region),
        },
    }
}

/// What whoever sits at an office has to do with what an office holds.
fn at_office(state: &State, actor: &Actor, held: Held) -> Relation {
    if !state.offices.get(&held.office).is_some_and(|it| actor.covers(it.region)) {
        return Relation::Elsewhere;
    }
    if actor.office != Some(held.office) {
        return Relation::SomebodyElses(held.entity);
    }
    match held.officer {
        Some(officer) if officer == actor.id => Relation::Assigned,
        Some(_) if actor.role != Role::CaseLead => Relation::SomebodyElses(held.entity),
        Some(_) | None => Relation::Holds,
    }
}

/// Refuses whoever has nothing to do with it.
pub(crate) fn check(state: &State, actor: &Actor, sides: &Sides) -> Result<(), Refusal> {
    match relation(state, actor, sides) {
        Relation::Own
        | Relation::CrewOf
        | Relation::Insures
        | Relation::Holds
        | Relation::Assigned
        | Relation::Region => Ok(()),
        Relation::Party(entity) => Err(Refusal::ConflictOfInterest { entity }),
        Relation::SomebodyElses(entity) => Err(Refusal::NotYours { entity }),
        Relation::OtherCrew(worker) => Err(Refusal::NotTheirCrew { entity: worker.into() }),
        Relation::Elsewhere => Err(Refusal::OutsideRegion),
    }
}

/// Refuses whoever speaks for a worker without being that worker or naming them as the one spoken for.
pub(crate) fn check_mandate(state: &State, worker: WorkerId, context: &Context<'_>) -> Result<(), Refusal> {
    let person = state.worker(worker)?.person;
    if context.actor.role == Role::Worker {
        return check(state, context.actor, &Sides::of_worker(worker));
    }
    let linked = |other| state.persons.get(&person).is_some_and(|it| it.linked.contains(&other));
    match context.about.on_behalf_of {
        Some(named) if named.person == person || linked(named.person) => Ok(()),
        Some(_) | None => Err(Refusal::bad_field("on_behalf_of", "does not name the worker")),
    }
}

/// Refuses whoever says that a person stands before them where nobody can: a window is at a desk, and only those
/// who sit there see who comes to it. A paper mandate may come from anybody; it lies in the vault by then.
pub(crate) fn check_mandate_founded(context: &Context<'_>) -> Result<(), Refusal> {
    match context.about.on_behalf_of.map(|it| it.mandate) {
        None | Some(Mandate::Paper(_)) => Ok(()),
        Some(Mandate::InPerson) => {
            let at_a_window =
                context.channel() == Channel::Window && context.actor.channels().contains(&Channel::Window);
            if at_a_window { Ok(()) } else { Err(Refusal::MandateUnfounded) }
        }
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::employer::EmployerKind;
    use linggong_events::office::Role;

    use super::*;
    use crate::hire::Start;
    use crate::testing::{DIGEST, Given, HIRE, PERSON, actor, at, clerk, hired, worker};

    /// A command whose relation holds for whoever gives it, so that the mandate alone decides.
    fn starts(given: Given) -> crate::testing::Then {
        given.at("2026-11-22 07:05").when(Start { hire: HIRE, at: at("2026-11-22 07:00") })
    }

    #[test]
    fn who_stands_before_one_is_seen_by_the_staff_at_a_window_and_by_nobody_else() {
        let by = |actor| hired(EmployerKind::Enterprise).by(actor);
        starts(by(clerk()).for_person(PERSON)).then(["hire.started"]);
        for role in [Role::Worker, Role::Employer, Role::CrewLeader, Role::Gate] {
            starts(by(actor(role, 0)).for_person(PERSON)).then_refused("mandate_unfounded");
        }
        for channel in [None, Some(Channel::Online), Some(Channel::Phone), Some(Channel::Import)] {
            starts(by(clerk()).for_person(PERSON).through(channel)).then_refused("mandate_unfounded");
        }
    }

    #[test]
    fn a_paper_mandate_may_come_from_anywhere() {
        let by = |actor| hired(EmployerKind::Enterprise).by(actor);
        starts(by(worker()).by_mandate(PERSON, Mandate::Paper(DIGEST))).then(["hire.started"]);
        let phoned = by(clerk()).by_mandate(PERSON, Mandate::Paper(DIGEST)).through(Some(Channel::Phone));
        starts(phoned).then(["hire.started"]);
    }
}
