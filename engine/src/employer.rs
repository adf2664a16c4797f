//! 用人主体.

use std::collections::BTreeMap;

use linggong_events::codec::as_written;
use linggong_events::employer::{
    Changed, EmployerDetails, EmployerEvent, EmployerKind, Registered, Restricted, RestrictionLifted,
};
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{EmployerId, EventId, Kind};
use linggong_events::identity::OrgCode;
use linggong_events::person::KnownPerson;
use linggong_events::place::Point;
use linggong_events::region::Region;
use linggong_events::time::Date;
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::person;
use crate::refusal::Refusal;
use crate::state::State;
use crate::text;

commands! {
    /// What can be asked of an employer.
    EmployerCommand: Employer {
        /// 招工登记: whoever hires is registered first.
        Register = "register", [Clerk, Dispatcher, Reviewer, MarketManager, CrewLeader, Employer], seal [person: Person] => {
            employer_kind: EmployerKind, region: Region,
        } + optional {
            /// The name of an organisation.
            name: String,
            code: OrgCode,
            /// The natural person, for a household, a foreman or one's own business.
            person: KnownPerson,
            principal: EmployerId, licence: String, place: Point,
        }
        /// States the details as they are from now on; absent fields are gone.
        Change = "change", [Clerk, Dispatcher, Reviewer, MarketManager] => { employer: EmployerId, details: EmployerDetails }
        /// Records that an authority lawfully restricted the employer; names the authority and the basis.
        Restrict = "restrict", [CaseOfficer, CaseLead] => { employer: EmployerId, authority: String, basis: String, until: Date }
        /// Ends a restriction before its time; others stay.
        LiftRestriction = "lift_restriction", [CaseLead] => { employer: EmployerId, basis: String } + optional {
            /// The event that put it on; needed where several are in force.
            restriction: EventId,
        }
    }
}

/// An employer of the register.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Employer {
    #[serde(with = "as_written")]
    pub(crate) details: EmployerDetails,
    /// The last day of each restriction that nobody lifted, by the event that put it on.
    pub(crate) restrictions: BTreeMap<EventId, Date>,
}

impl Employer {
    /// Refuses an employer that some authority keeps from hiring on that day.
    pub(crate) fn check_unrestricted(&self, on: Date) -> Result<(), Refusal> {
        match self.restrictions.values().max().filter(|until| **until >= on) {
            Some(until) => Err(Refusal::EmployerRestricted { until: *until }),
            None => Ok(()),
        }
    }

    /// The restriction that is meant: the named one, or the only one in force.
    fn restriction(&self, id: EmployerId, named: Option<EventId>, on: Date) -> Result<EventId, Refusal> {
        if let Some(named) = named {
            let known = self.restrictions.contains_key(&named);
            return known.then_some(named).ok_or_else(|| Refusal::not_possible(id, "not restricted by it"));
        }
        let mut in_force =
            self.restrictions.iter().filter(|(_, until)| **until >= on).map(|(event, _)| *event);
        match (in_force.next(), in_force.next()) {
            (None, _) => Err(Refusal::not_possible(id, "not restricted")),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Refusal::bad_field("restriction", "is needed: several are in force")),
        }
    }
}

impl State {
    pub(crate) fn employer(&self, id: EmployerId) -> Result<&Employer, Refusal> {
        self.employers.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// Who answers for the wages of `id` beside it: the principal of a foreman, if one is known.
    pub(crate) fn principal_of(&self, id: EmployerId) -> Option<EmployerId> {
        self.employers.get(&id).and_then(|it| it.details.principal)
    }
}

pub(crate) fn decide(
    state: &State,
    command: &EmployerCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        EmployerCommand::Register(it) => register(state, it, context),
        EmployerCommand::Change(it) => {
            let employer = state.employer(it.employer)?;
            context.actor.check_region(employer.details.region)?;
            check_details(state, &it.details)?;
            if employer.details == it.details {
                return Ok(Vec::new());
            }
            if it.details.principal == Some(it.employer) {
                return Err(Refusal::bad_field("details.principal", "is the employer itself"));
            }
            if let Some(person) = it.details.person.filter(|it| !state.persons.contains_key(it)) {
                return Err(Refusal::unknown(person));
            }
            check_stays(&employer.details, &it.details)?;
            check_is_new(state, &it.details, Some(it.employer))?;
            Ok(vec![Changed { employer: it.employer, details: it.details.clone() }.into()])
        }
        EmployerCommand::Restrict(it) => {
            context.actor.check_region(state.employer(it.employer)?.details.region)?;
            text::check("authority", &it.authority, text::LINE)?;
            text::check("basis", &it.basis, text::LINE)?;
            if it.until <= context.now.date() {
                return Err(Refusal::bad_field("until", "has passed"));
            }
            let (authority, basis) = (it.authority.clone(), it.basis.clone());
            Ok(vec![Restricted { employer: it.employer, authority, basis, until: it.until }.into()])
        }
        EmployerCommand::LiftRestriction(it) => {
            let employer = state.employer(it.employer)?;
            context.actor.check_region(employer.details.region)?;
            text::check("basis", &it.basis, text::LINE)?;
            let restriction = employer.restriction(it.employer, it.restriction, context.now.date())?;
            let (employer, basis) = (it.employer, it.basis.clone());
            Ok(vec![RestrictionLifted { employer, restriction, basis }.into()])
        }
    }
}

fn register(state: &State, it: &Register, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    // The seat may lie anywhere: whoever hires here comes from elsewhere, too. The desk does not.
    state.check_own_office(context.actor)?;
    let details = EmployerDetails {
        employer_kind: it.employer_kind,
        name: it.name.clone(),
        code: it.code.clone(),
        person: it.person.as_ref().map(|known| known.person),
        principal: it.principal,
        licence: it.licence.clone(),
        region: it.region,
        place: it.place,
    };
    check_details(state, &details)?;
    check_is_new(state, &details, None)?;
    let mut events = it.person.as_ref().map(|known| person::introduce(state, known)).unwrap_or_default();
    let employer = EmployerId(context.new_id(Kind::Employer, 0));
    events.push(Registered { employer, details }.into());
    Ok(events)
}

/// An employer is its code, or the person where it has none: whoever is owed by them does not lose them by a change.
fn check_stays(was: &EmployerDetails, is: &EmployerDetails) -> Result<(), Refusal> {
    let another = |field: &str| Refusal::bad_field(field, "is who this employer is: register another");
    match &was.code {
        Some(_) if is.code != was.code => Err(another("details.code")),
        None if is.person != was.person => Err(another("details.person")),
        Some(_) | None => Ok(()),
    }
}

/// No employer but `itself` has the credit code. A natural person is an employer of one kind once: the vault
/// knows them again from one sheet to the next.
fn check_is_new(state: &State, details: &EmployerDetails, itself: Option<EmployerId>) -> Result<(), Refusal> {
    let is_same = |known: &EmployerDetails| match (&details.code, details.person) {
        (Some(code), _) => known.code.as_ref() == Some(code),
        (None, Some(person)) => {
            known.person == Some(person)
                && known.code.is_none()
                && (known.employer_kind, known.principal) == (details.employer_kind, details.principal)
        }
        (None, None) => false,
    };
    let mut others = state.employers.iter().filter(|(id, _)| Some(**id) != itself);
    match others.find(|(_, known)| is_same(&known.details)) {
        Some((id, _)) => Err(Refusal::Exists { entity: (*id).into() }),
        None => Ok(()),
    }
}

/// An organisation has a name and code, a natural person is known to the vault, an agency has a licence.
fn check_details(state: &State, details: &EmployerDetails) -> Result<(), Refusal> {
    let needs = |field: &str| Refusal::bad_field(field, "is needed for an employer of this kind");
    match details.employer_kind {
        EmployerKind::Enterprise | EmployerKind::Cooperative | EmployerKind::IndividualBusiness => {
            text::check("name", details.name.as_deref().unwrap_or_default(), 100)?;
            if details.code.is_none() {
                return Err(needs("code"));
            }
        }
        EmployerKind::Agency => {
            text::check("name", details.name.as_deref().unwrap_or_default(), 100)?;
            if details.code.is_none() {
                return Err(needs("code"));
            }
            // 人力资源市场暂行条例 18: an agency without a licence may not introduce anybody.
            text::check("licence", details.licence.as_deref().unwrap_or_default(), 60)?;
        }
        EmployerKind::Household | EmployerKind::Unlicensed | EmployerKind::Foreman => {
            if details.person.is_none() {
                return Err(needs("person"));
            }
            if let Some(name) = &details.name {
                text::check("name", name, 100)?;
            }
        }
    }
    match details.principal {
        Some(principal) => state.employer(principal).map(|_| ()),
        None => Ok(()),
    }
}

pub(crate) fn evolve(state: &mut State, event: &EmployerEvent, meta: &Meta) {
    match event {
        EmployerEvent::Registered(it) => {
            let employer = Employer { details: it.details.clone(), restrictions: BTreeMap::new() };
            state.employers.insert(it.employer, employer);
        }
        EmployerEvent::Changed(it) => {
            if let Some(employer) = state.employers.get_mut(&it.employer) {
                employer.details = it.details.clone();
            }
        }
        EmployerEvent::Restricted(it) => {
            if let Some(employer) = state.employers.get_mut(&it.employer) {
                employer.restrictions.insert(meta.id, it.until);
            }
        }
        EmployerEvent::RestrictionLifted(it) => {
            if let Some(employer) = state.employers.get_mut(&it.employer) {
                employer.restrictions.remove(&it.restriction);
            }
        }
    }
}
