//! 人员: who may act as what, where, and by what authority.

use linggong_events::Event;
use linggong_events::audience::Department;
use linggong_events::codec::as_written;
use linggong_events::envelope::Meta;
use linggong_events::id::{ActorId, OfficeId};
use linggong_events::measure::Position;
use linggong_events::office::{Grant, OfficeEvent, Role};
use linggong_events::region::Region;
use linggong_events::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Grants in force and grants asked for.
pub struct Staff;

/// A role that an actor holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrantRow {
    /// The office that granted it.
    pub office: OfficeId,
    /// Who, what, where, bound to what.
    #[serde(with = "as_written")]
    #[schemars(with = "Grant")]
    pub grant: Grant,
    /// By what authority.
    pub basis: String,
    /// Who granted it.
    pub granted_by: ActorId,
    /// The event.
    pub position: Position,
    /// Since when.
    pub since: Timestamp,
}

/// A role that somebody asked to be granted and nobody has confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposedRow {
    /// The office asked.
    pub office: OfficeId,
    /// What is asked for.
    #[serde(with = "as_written")]
    #[schemars(with = "Grant")]
    pub grant: Grant,
    /// Why.
    pub reason: String,
    /// Who asked; the same officer cannot confirm.
    pub proposed_by: ActorId,
    /// The event.
    pub position: Position,
    /// When.
    pub at: Timestamp,
}

/// An office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfficeRow {
    /// The office.
    pub office: OfficeId,
    /// Its name.
    pub name: String,
    /// Where it acts.
    pub region: Region,
    /// The department it belongs to.
    pub department: Department,
}

const OFFICES: Table<OfficeRow> = Table::new(1);
const GRANTS: Table<GrantRow> = Table::new(2);
const PROPOSED: Table<ProposedRow> = Table::new(3);

fn office(id: OfficeId) -> Key<OfficeRow> {
    OFFICES.key().id(id.0)
}

fn grant(actor: ActorId, office: OfficeId, role: Role) -> Key<GrantRow> {
    GRANTS.key().id(actor.0).id(office.0).number(role as u32)
}

fn proposed(office: OfficeId, actor: ActorId, role: Role) -> Key<ProposedRow> {
    PROPOSED.key().id(office.0).id(actor.0).number(role as u32)
}

impl View for Staff {
    const NAME: &'static str = "staff";
    const VERSION: u32 = 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        let Event::Office(event) = event else { return };
        match event {
            OfficeEvent::Registered(it) => {
                let row = OfficeRow {
                    office: it.office,
                    name: it.name.clone(),
                    region: it.region,
                    department: it.department,
                };
                rows.put(office(it.office), &row);
            }
            OfficeEvent::RoleProposed(it) => {
                let row = ProposedRow {
                    office: it.office,
                    grant: it.grant.clone(),
                    reason: it.reason.clone(),
                    proposed_by: meta.actor,
                    position: meta.position,
                    at: meta.time,
                };
                rows.put(proposed(it.office, it.grant.actor, it.grant.role), &row);
            }
            OfficeEvent::RoleGranted(it) => {
                let row = GrantRow {
                    office: it.office,
                    grant: it.grant.clone(),
                    basis: it.basis.clone(),
                    granted_by: meta.actor,
                    position: meta.position,
                    since: meta.time,
                };
                rows.put(grant(it.grant.actor, it.office, it.grant.role), &row);
                rows.remove(proposed(it.office, it.grant.actor, it.grant.role));
            }
            OfficeEvent::RoleRevoked(it) => rows.remove(grant(it.actor, it.office, it.role)),
            OfficeEvent::SeriesOpened(_)
            | OfficeEvent::NumberVoided(_)
            | OfficeEvent::ClockHeld(_)
            | OfficeEvent::ClockConfirmed(_) => {}
        }
    }
}

/// What a refold of the grants of `office` needs.
pub fn sources(office: OfficeId) -> Vec<Source> {
    vec![Source::Own(office.into())]
}

impl Reader<Staff> {
    /// What `actor` may be.
    pub fn grants(&self, actor: ActorId) -> Result<At<Vec<GrantRow>>, StoreError> {
        self.read(|snapshot| snapshot.all(GRANTS.key().id(actor.0)))
    }

    /// Every grant in force, actor by actor; of one office where it is named.
    pub fn all(&self, at: Option<OfficeId>, page: &PageRequest) -> Result<At<Page<GrantRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(GRANTS.key(), page, |_, row| {
                Ok(at.is_none_or(|office| row.office == office).then_some(row))
            })
        })
    }

    /// What waits for a second officer at `office`.
    pub fn proposed(&self, office: OfficeId) -> Result<At<Vec<ProposedRow>>, StoreError> {
        self.read(|snapshot| snapshot.all(PROPOSED.key().id(office.0)))
    }

    /// Every office.
    pub fn offices(&self) -> Result<At<Vec<OfficeRow>>, StoreError> {
        self.read(|snapshot| snapshot.all(OFFICES.key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{Ledger, actor, office as office_id};
    use linggong_events::office::{RoleGranted, RoleProposed, RoleRevoked};

    fn grant_of(who: u128, role: Role) -> Grant {
        Grant {
            actor: actor(who),
            role,
            regions: vec!["370102".parse().unwrap()],
            person: None,
            worker: None,
            employer: None,
            market: None,
            department: None,
            insurer: None,
        }
    }

    #[test]
    fn a_role_is_held_from_its_grant_to_its_revocation() {
        let office = office_id(1);
        let mut ledger = Ledger::new();
        let clerk = grant_of(7, Role::Clerk);
        ledger.record(RoleProposed { office, grant: clerk.clone(), reason: "新进".into() });
        assert_eq!(refold::<Staff>(&ledger.events).proposed(office).unwrap().value[0].grant, clerk);

        ledger.record(RoleGranted { office, grant: clerk.clone(), basis: "任命书3号".into() });
        ledger.record(RoleGranted {
            office,
            grant: grant_of(7, Role::Dispatcher),
            basis: "任命书3号".into(),
        });
        let staff = refold::<Staff>(&ledger.events);
        let held: Vec<Role> =
            staff.grants(actor(7)).unwrap().value.iter().map(|row| row.grant.role).collect();
        assert_eq!(held, [Role::Clerk, Role::Dispatcher]);
        assert!(staff.proposed(office).unwrap().value.is_empty(), "it waits no longer");
        assert!(staff.grants(actor(8)).unwrap().value.is_empty(), "somebody else holds nothing");

        ledger.record(RoleRevoked { office, actor: actor(7), role: Role::Clerk, reason: "调离".into() });
        let staff = refold::<Staff>(&ledger.events);
        let left = staff.grants(actor(7)).unwrap().value;
        assert_eq!((left.len(), left[0].grant.role), (1, Role::Dispatcher));
    }
}
