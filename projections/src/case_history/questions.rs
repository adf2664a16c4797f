//! What is asked of the histories of claims and cases.

use linggong_events::id::{ActorId, CaseId, ClaimId, EmployerId, EntityRef, OfficeId, WorkerId};
use linggong_events::region::Region;
use linggong_events::time::Date;

use crate::key::{Key, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader};
use crate::store::StoreError;
use crate::view::Snapshot;

use super::{
    CASES_BY_DUE, CASES_BY_TIME, CLAIMS_BY_TIME, CaseHistories, CaseHistory, CaseRow, CaseState,
    ClaimHistory, ClaimRow, ClaimState, Evidence, NUMBERS, Step, case, claim, evidence, steps,
};

/// Which cases are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// In this division.
    pub region: Option<Region>,
    /// At this office.
    pub office: Option<OfficeId>,
    /// Of this officer.
    pub officer: Option<ActorId>,
    /// Against this employer.
    pub employer: Option<EmployerId>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// That stand so.
    pub state: Option<CaseState>,
    /// Only those in which an office still has to act, or only the others.
    pub open: Option<bool>,
    /// With a running deadline up to and including this day.
    pub due_by: Option<Date>,
}

impl CaseFilter {
    fn admits(&self, row: &CaseRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.office.is_none_or(|it| row.office == Some(it))
            && self.officer.is_none_or(|it| row.officer == Some(it))
            && self.employer.is_none_or(|it| row.employer == Some(it))
            && self.worker.is_none_or(|it| row.worker == Some(it))
            && self.state.is_none_or(|it| it == row.state)
            && self.open.is_none_or(|it| it == row.state.is_open())
            && self.due_by.is_none_or(|it| row.next_due().is_some_and(|due| due <= it))
    }
}

/// Which claims are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimFilter {
    /// In this division.
    pub region: Option<Region>,
    /// At this office.
    pub office: Option<OfficeId>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// Against this employer.
    pub employer: Option<EmployerId>,
    /// That stand so.
    pub state: Option<ClaimState>,
}

impl ClaimFilter {
    fn admits(&self, row: &ClaimRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.office.is_none_or(|it| it == row.office)
            && self.worker.is_none_or(|it| it == row.worker)
            && self.employer.is_none_or(|it| it == row.employer)
            && self.state.is_none_or(|it| it == row.state)
    }
}

impl Reader<CaseHistories> {
    /// A case with its claims and every step.
    pub fn case(&self, id: CaseId) -> Result<At<Option<CaseHistory>>, StoreError> {
        self.read(|snapshot| {
            let Some(case) = snapshot.get(&case(id))? else { return Ok(None) };
            let mut claims = Vec::new();
            for id in &case.claims {
                claims.extend(snapshot.get(&claim(*id))?);
            }
            let evidence = evidence_of(snapshot, &case.claims)?;
            let entities = std::iter::once(EntityRef::from(id));
            let steps = steps_of(snapshot, entities.chain(case.claims.iter().map(|id| (*id).into())))?;
            Ok(Some(CaseHistory { case, claims, evidence, steps }))
        })
    }

    /// The case that was accepted, refused or filed under `number`.
    pub fn numbered(&self, number: &str) -> Result<At<Option<CaseId>>, StoreError> {
        self.read(|snapshot| snapshot.get(&NUMBERS.key().word(number)))
    }

    /// A claim with every step.
    pub fn claim(&self, id: ClaimId) -> Result<At<Option<ClaimHistory>>, StoreError> {
        self.read(|snapshot| {
            let Some(claim) = snapshot.get(&claim(id))? else { return Ok(None) };
            let evidence = evidence_of(snapshot, &[id])?;
            let steps = steps_of(snapshot, std::iter::once(id.into()))?;
            Ok(Some(ClaimHistory { claim, evidence, steps }))
        })
    }

    /// Cases by the time they were opened.
    pub fn cases(&self, filter: &CaseFilter, page: &PageRequest) -> Result<At<Page<CaseRow>>, StoreError> {
        self.list(CASES_BY_TIME.key(), filter, page)
    }

    /// Cases with a running deadline, the next one first.
    pub fn due(&self, filter: &CaseFilter, page: &PageRequest) -> Result<At<Page<CaseRow>>, StoreError> {
        self.list(CASES_BY_DUE.key(), filter, page)
    }

    /// Claims by the time they were filed.
    pub fn claims(&self, filter: &ClaimFilter, page: &PageRequest) -> Result<At<Page<ClaimRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(CLAIMS_BY_TIME.key(), page, |key, ()| {
                Ok(snapshot.get(&claim(ClaimId(last_id(key))))?.filter(|row| filter.admits(row)))
            })
        })
    }

    fn list(
        &self,
        prefix: Key<()>,
        filter: &CaseFilter,
        page: &PageRequest,
    ) -> Result<At<Page<CaseRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                Ok(snapshot.get(&case(CaseId(last_id(key))))?.filter(|row| filter.admits(row)))
            })
        })
    }
}

/// The evidence of some claims in the order of recording.
fn evidence_of(snapshot: Snapshot<'_>, claims: &[ClaimId]) -> Result<Vec<Evidence>, StoreError> {
    let mut all = Vec::new();
    for claim in claims {
        all.extend(snapshot.pushed(evidence(*claim))?);
    }
    all.sort_by_key(|it| it.position);
    Ok(all)
}

/// The steps of some entities in order; one that touches several of them is there once.
fn steps_of(snapshot: Snapshot<'_>, of: impl Iterator<Item = EntityRef>) -> Result<Vec<Step>, StoreError> {
    let mut all = Vec::new();
    for entity in of {
        all.extend(snapshot.pushed(steps(entity))?);
    }
    all.sort_by_key(|it| it.position);
    all.dedup_by_key(|it| it.position);
    Ok(all)
}
