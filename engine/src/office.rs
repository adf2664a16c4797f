//! 机构: offices, roles by two persons, number series.

use std::collections::BTreeMap;

use linggong_events::audience::Department;
use linggong_events::codec::values_as_written;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{ActorId, Kind, OfficeId};
use linggong_events::office::{
    ClockConfirmed, Grant, NumberVoided, OfficeEvent, Registered, Role, RoleGranted, RoleProposed,
    RoleRevoked, SeriesKind, SeriesOpened,
};
use linggong_events::region::Region;
use serde::{Deserialize, Serialize};

use crate::command::{Actor, Command, Context, commands};
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::state::State;
use crate::text;

/// The most regions of one grant: a city has fewer counties.
const MAX_REGIONS: usize = 32;

commands! {
    /// What can be asked of an office.
    OfficeCommand: Office {
        /// Enters an office; its first keeper comes with the log's start.
        Register = "register", [Keeper] => { name: String, region: Region, department: Department }
        /// Asks for a role to be granted.
        ProposeRole = "role_grant.propose", [Keeper, CaseLead, MarketManager] => { office: OfficeId, grant: Grant, reason: String }
        /// Grants the role that somebody else proposed.
        ConfirmRole = "role_grant.confirm", [Keeper, CaseLead, MarketManager] => { office: OfficeId, holder: ActorId, role: Role, basis: String }
        /// Takes a role back at once, or a proposal of it.
        RevokeRole = "revoke_role", [Keeper, CaseLead, MarketManager] => { office: OfficeId, holder: ActorId, role: Role, reason: String }
        /// Opens a series of numbers for a year.
        OpenSeries = "open_series", [Keeper, CaseLead] => { office: OfficeId, series: SeriesKind, year: i16, prefix: String, next: u32 }
        /// Leaves the next number of a series unused.
        VoidNumber = "void_number", [CaseLead] => { office: OfficeId, series: SeriesKind, year: i16, reason: String }
        /// Vouches for the clock after a jump or a long pause.
        ConfirmClock = "confirm_clock", [Keeper] => { office: OfficeId, reason: String }
    }
}

/// An office, who may act for it, and its numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Office {
    pub(crate) name: String,
    pub(crate) region: Region,
    #[serde(with = "values_as_written")]
    pub(crate) grants: BTreeMap<(ActorId, Role), Grant>,
    #[serde(with = "values_as_written")]
    pub(crate) proposed: BTreeMap<(ActorId, Role), (Grant, ActorId)>,
    pub(crate) series: BTreeMap<(SeriesKind, i16), Series>,
}

/// A series of numbers of one year.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) prefix: String,
    pub(crate) next: u32,
}

impl State {
    /// Refuses whoever acts for others at an office outside their regions: what was granted for one county is no
    /// desk in another.
    pub(crate) fn check_own_office(&self, actor: &Actor) -> Result<(), Refusal> {
        let Some(office) = actor.office else { return Ok(()) };
        relation::check(self, actor, &Sides::default().at(self.office(office)?.region))
    }

    pub(crate) fn office(&self, id: OfficeId) -> Result<&Office, Refusal> {
        self.offices.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// The grant by which `actor` holds `role`, at whichever office.
    pub fn grant_of(&self, actor: ActorId, role: Role) -> Option<(OfficeId, &Grant)> {
        self.offices
            .iter()
            .find_map(|(id, office)| office.grants.get(&(actor, role)).map(|grant| (*id, grant)))
    }

    /// Every grant in force, with its office.
    pub fn grants(&self) -> impl Iterator<Item = (OfficeId, &Grant)> {
        self.offices.iter().flat_map(|(id, office)| office.grants.values().map(|grant| (*id, grant)))
    }

    /// The next number of a series: the office's prefix, the year, the count; and the count itself.
    pub(crate) fn next_number(
        &self,
        office: OfficeId,
        series: SeriesKind,
        year: i16,
    ) -> Result<String, Refusal> {
        let open = self.office(office)?.series.get(&(series, year)).ok_or(Refusal::NoSeries)?;
        Ok(format!("{}〔{year}〕第{}号", open.prefix, open.next))
    }

    /// Counts a series on after one of its numbers was given out.
    pub(crate) fn take_number(&mut self, office: OfficeId, series: SeriesKind, year: i16) {
        if let Some(open) = self.offices.get_mut(&office).and_then(|it| it.series.get_mut(&(series, year))) {
            open.next += 1;
        }
    }
}

/// Whether somebody vouches for the clock with this command.
pub(crate) fn confirms_clock(command: &Command) -> bool {
    matches!(command, Command::Office(OfficeCommand::ConfirmClock(_)))
}

pub(crate) fn decide(
    state: &State,
    command: &OfficeCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let actor = context.actor;
    let event = match command {
        OfficeCommand::Register(it) => {
            text::check("name", &it.name, 100)?;
            actor.check_region(it.region)?;
            let office = OfficeId(context.new_id(Kind::Office, 0));
            Registered { office, name: it.name.clone(), region: it.region, department: it.department }.into()
        }
        OfficeCommand::ProposeRole(it) => {
            text::check("reason", &it.reason, text::LINE)?;
            let office = state.office(it.office)?;
            actor.check_region(office.region)?;
            check_grant(&it.grant, context)?;
            check_may_grant(actor.role, it.grant.role)?;
            let held = (it.grant.actor, it.grant.role);
            if office.grants.get(&held) == Some(&it.grant) {
                return Ok(Vec::new());
            }
            // Whoever confirms must get what was proposed: a second proposal never takes the place of the first.
            match office.proposed.get(&held) {
                Some((grant, _)) if *grant == it.grant => return Ok(Vec::new()),
                Some(_) => {
                    return Err(Refusal::not_possible(
                        it.office,
                        "waiting for another proposal of this role",
                    ));
                }
                None => {}
            }
            RoleProposed { office: it.office, grant: it.grant.clone(), reason: it.reason.clone() }.into()
        }
        OfficeCommand::ConfirmRole(it) => {
            text::check("basis", &it.basis, text::LINE)?;
            let office = state.office(it.office)?;
            actor.check_region(office.region)?;
            check_may_grant(actor.role, it.role)?;
            let proposed = office.proposed.get(&(it.holder, it.role));
            let (grant, by) = proposed.ok_or(Refusal::NothingProposed { entity: it.office.into() })?;
            // Neither who asked nor who would gain may confirm.
            if *by == actor.id || grant.actor == actor.id {
                return Err(Refusal::SecondOfficerNeeded);
            }
            RoleGranted { office: it.office, grant: grant.clone(), basis: it.basis.clone() }.into()
        }
        OfficeCommand::RevokeRole(it) => {
            text::check("reason", &it.reason, text::LINE)?;
            let office = state.office(it.office)?;
            actor.check_region(office.region)?;
            check_may_grant(actor.role, it.role)?;
            let held = (it.holder, it.role);
            if !office.grants.contains_key(&held) && !office.proposed.contains_key(&held) {
                return Ok(Vec::new());
            }
            RoleRevoked { office: it.office, actor: it.holder, role: it.role, reason: it.reason.clone() }
                .into()
        }
        OfficeCommand::OpenSeries(it) => {
            text::check("prefix", &it.prefix, 40)?;
            let office = state.office(it.office)?;
            actor.check_region(office.region)?;
            if office.series.contains_key(&(it.series, it.year)) {
                return Err(Refusal::not_possible(it.office, "counting in this series already"));
            }
            if it.next == 0 {
                return Err(Refusal::bad_field("next", "starts at 1"));
            }
            let (office, series, year) = (it.office, it.series, it.year);
            SeriesOpened { office, series, year, prefix: it.prefix.clone(), next: it.next }.into()
        }
        OfficeCommand::VoidNumber(it) => {
            text::check("reason", &it.reason, text::LINE)?;
            let office = state.office(it.office)?;
            actor.check_region(office.region)?;
            let open = office.series.get(&(it.series, it.year)).ok_or(Refusal::NoSeries)?;
            let (office, series, year) = (it.office, it.series, it.year);
            NumberVoided { office, series, year, number: open.next, reason: it.reason.clone() }.into()
        }
        OfficeCommand::ConfirmClock(it) => {
            text::check("reason", &it.reason, text::LINE)?;
            state.office(it.office)?;
            // One clock lapses the cases of all: whoever vouches for it answers for every office.
            for office in state.offices.values() {
                context.actor.check_region(office.region)?;
            }
            ClockConfirmed { office: it.office, reason: it.reason.clone() }.into()
        }
    };
    Ok(vec![event])
}

/// Keepers grant any role; a market manager those of a market, a case lead those of cases.
fn check_may_grant(granting: Role, role: Role) -> Result<(), Refusal> {
    let may = match granting {
        Role::Keeper => true,
        Role::MarketManager => match role {
            Role::Worker | Role::Employer | Role::CrewLeader | Role::Clerk | Role::Dispatcher => true,
            Role::Reviewer | Role::Gate => true,
            Role::Engine
            | Role::MarketManager
            | Role::Insurer
            | Role::CaseOfficer
            | Role::CaseLead
            | Role::Mediator
            | Role::Auditor
            | Role::PrivacyOfficer
            | Role::Keeper
            | Role::Subscriber => false,
        },
        Role::CaseLead => matches!(role, Role::CaseOfficer | Role::Mediator | Role::Worker),
        Role::Engine
        | Role::Worker
        | Role::Employer
        | Role::CrewLeader
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::Gate
        | Role::Insurer
        | Role::CaseOfficer
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Subscriber => false,
    };
    if may { Ok(()) } else { Err(Refusal::RoleNotAllowed) }
}

/// A grant names what its role is bound to, and lies within the regions of whoever proposes it.
fn check_grant(grant: &Grant, context: &Context<'_>) -> Result<(), Refusal> {
    if grant.role == Role::Engine || grant.actor == ActorId::ENGINE {
        return Err(Refusal::bad_field("grant.role", "cannot be granted"));
    }
    let bound = match grant.role {
        Role::Worker => grant.worker.is_some(),
        Role::Employer => grant.employer.is_some(),
        Role::Subscriber => grant.department.is_some(),
        Role::Insurer => grant.insurer.is_some(),
        Role::Engine
        | Role::CrewLeader
        | Role::Clerk
        | Role::Dispatcher
        | Role::Reviewer
        | Role::MarketManager
        | Role::Gate
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Keeper => true,
    };
    if !bound {
        return Err(Refusal::bad_field("grant", "does not say whom or what the role is bound to"));
    }
    if grant.regions.is_empty() || grant.regions.len() > MAX_REGIONS {
        return Err(Refusal::bad_field(
            "grant.regions",
            format!("does not name between 1 and {MAX_REGIONS}"),
        ));
    }
    grant.regions.iter().try_for_each(|region| context.actor.check_region(*region))
}

pub(crate) fn evolve(state: &mut State, event: &OfficeEvent, meta: &Meta) {
    match event {
        OfficeEvent::Registered(it) => {
            let office = Office {
                name: it.name.clone(),
                region: it.region,
                grants: BTreeMap::new(),
                proposed: BTreeMap::new(),
                series: BTreeMap::new(),
            };
            state.offices.insert(it.office, office);
        }
        OfficeEvent::RoleProposed(it) => {
            if let Some(office) = state.offices.get_mut(&it.office) {
                office.proposed.insert((it.grant.actor, it.grant.role), (it.grant.clone(), meta.actor));
            }
        }
        OfficeEvent::RoleGranted(it) => {
            if let Some(office) = state.offices.get_mut(&it.office) {
                let key = (it.grant.actor, it.grant.role);
                office.proposed.remove(&key);
                office.grants.insert(key, it.grant.clone());
            }
        }
        OfficeEvent::RoleRevoked(it) => {
            if let Some(office) = state.offices.get_mut(&it.office) {
                office.grants.remove(&(it.actor, it.role));
                office.proposed.remove(&(it.actor, it.role));
            }
        }
        OfficeEvent::SeriesOpened(it) => {
            if let Some(office) = state.offices.get_mut(&it.office) {
                let series = Series { prefix: it.prefix.clone(), next: it.next };
                office.series.insert((it.series, it.year), series);
            }
        }
        OfficeEvent::NumberVoided(it) => state.take_number(it.office, it.series, it.year),
        OfficeEvent::ClockHeld(it) => state.clock_doubt = Some(it.reason),
        OfficeEvent::ClockConfirmed(_) => state.clock_doubt = None,
    }
}
