//! What is asked of the board.

use linggong_events::id::{EmployerId, WageId, WorkerId};
use linggong_events::measure::Fen;
use linggong_events::region::Region;
use linggong_events::time::Date;

use crate::key::last_id;
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader};
use crate::store::StoreError;

use super::{
    AgedWage, Ageing, BY_EMPLOYER, BY_WORKER, Bucket, EmployerArrears, OPEN, RANKING, RegionArrears,
    WageProtectionBoard, WageRow, Warning, WarningSum, WorkerArrears, employer, is_open, is_owed, plus, wage,
};

/// Which wages are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WageFilter {
    /// Earned in this division.
    pub region: Option<Region>,
    /// Owed by this employer.
    pub employer: Option<EmployerId>,
    /// Owed to this worker.
    pub worker: Option<WorkerId>,
    /// Of this age.
    pub bucket: Option<Bucket>,
    /// Only those with, or only those without, a claim that is not closed.
    pub claimed: Option<bool>,
    /// Also those that are paid; they are listed by employer or worker only.
    pub paid_too: bool,
}

impl WageFilter {
    fn admits(&self, row: &WageRow, today: Date) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.employer.is_none_or(|it| it == row.employer)
            && self.worker.is_none_or(|it| it == row.worker)
            && self.bucket.is_none_or(|it| it == row.bucket(today))
            && self.claimed.is_none_or(|it| it == row.claims.iter().any(|claim| claim.pending))
            && (self.paid_too || is_open(row))
    }
}

impl Reader<WageProtectionBoard> {
    /// Wages by due date, the oldest first; by employer or worker where one is named.
    pub fn wages(
        &self,
        today: Date,
        filter: &WageFilter,
        page: &PageRequest,
    ) -> Result<At<Page<AgedWage>>, StoreError> {
        let prefix = match (filter.worker, filter.employer) {
            (Some(worker), _) => BY_WORKER.key().id(worker.0),
            (None, Some(employer)) => BY_EMPLOYER.key().id(employer.0),
            (None, None) => OPEN.key(),
        };
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                let row = snapshot.get(&wage(WageId(last_id(key))))?;
                let row = row.filter(|row| filter.admits(row, today));
                Ok(row.map(|row| AgedWage { bucket: row.bucket(today), wage: row }))
            })
        })
    }

    /// One wage.
    pub fn wage(&self, id: WageId) -> Result<At<Option<WageRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&wage(id)))
    }

    /// What is outstanding on `today`, by age; of what `filter` lets through.
    pub fn ageing(&self, today: Date, filter: &WageFilter) -> Result<At<Vec<Ageing>>, StoreError> {
        let mut ageing = no_ageing();
        let at = self.each_owed(today, filter, |row| age(&mut ageing, row, today))?;
        Ok(At { position: at.position, value: ageing })
    }

    /// What is outstanding on `today` by county, within `region` where it is named.
    pub fn regions(&self, today: Date, region: Option<Region>) -> Result<At<Vec<RegionArrears>>, StoreError> {
        self.read(|snapshot| {
            let mut regions = std::collections::BTreeMap::<Region, RegionArrears>::new();
            snapshot.each(OPEN.key(), |key, ()| {
                let row = snapshot.get(&wage(WageId(last_id(key))))?;
                let within = |row: &WageRow| is_owed(row) && region.is_none_or(|it| it.covers(row.region));
                let Some(row) = row.filter(within) else {
                    return Ok(());
                };
                let of = regions.entry(row.region).or_insert_with(|| RegionArrears {
                    region: row.region,
                    outstanding: Fen::ZERO,
                    ageing: no_ageing(),
                });
                of.outstanding = plus(of.outstanding, row.outstanding);
                age(&mut of.ageing, &row, today);
                Ok(())
            })?;
            Ok(regions.into_values().collect())
        })
    }

    /// What is outstanding on `today` by worker, who is owed most first; of what `filter` lets through.
    pub fn workers(&self, today: Date, filter: &WageFilter) -> Result<At<Vec<WorkerArrears>>, StoreError> {
        let mut workers = std::collections::BTreeMap::<WorkerId, WorkerArrears>::new();
        let at = self.each_owed(today, filter, |row| {
            let (worker, outstanding) = (row.worker, Fen::ZERO);
            let of = workers.entry(worker).or_insert_with(|| WorkerArrears {
                worker,
                outstanding,
                ageing: no_ageing(),
            });
            of.outstanding = plus(of.outstanding, row.outstanding);
            age(&mut of.ageing, row, today);
        })?;
        let mut found: Vec<WorkerArrears> = workers.into_values().collect();
        found.sort_by_key(|it| (std::cmp::Reverse(it.outstanding), it.worker));
        Ok(At { position: at.position, value: found })
    }

    /// How many wages call for attention, and for which; every warning once.
    pub fn warnings(&self, today: Date, filter: &WageFilter) -> Result<At<Vec<WarningSum>>, StoreError> {
        let none = |warning| WarningSum { warning, wages: 0, outstanding: Fen::ZERO };
        let mut sums = Warning::ALL.map(none);
        let at = self.each_owed(today, filter, |row| {
            for sum in sums.iter_mut().filter(|it| it.warning.is_on(row)) {
                sum.wages += 1;
                sum.outstanding = plus(sum.outstanding, row.outstanding);
            }
        })?;
        Ok(At { position: at.position, value: sums.to_vec() })
    }

    fn each_owed(
        &self,
        today: Date,
        filter: &WageFilter,
        mut see: impl FnMut(&WageRow),
    ) -> Result<At<()>, StoreError> {
        self.read(|snapshot| {
            snapshot.each(OPEN.key(), |key, ()| {
                let row = snapshot.get(&wage(WageId(last_id(key))))?;
                if let Some(row) = row.filter(|row| is_owed(row) && filter.admits(row, today)) {
                    see(&row);
                }
                Ok(())
            })
        })
    }

    /// Employers that owe or are claimed against, the greatest sum first.
    pub fn employers(&self, page: &PageRequest) -> Result<At<Page<EmployerArrears>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(RANKING.key(), page, |key, ()| snapshot.get(&employer(EmployerId(last_id(key)))))
        })
    }

    /// One employer's totals.
    pub fn employer(&self, id: EmployerId) -> Result<At<Option<EmployerArrears>>, StoreError> {
        self.read(|snapshot| snapshot.get(&employer(id)))
    }
}

fn no_ageing() -> Vec<Ageing> {
    Bucket::ALL.iter().map(|bucket| Ageing { bucket: *bucket, wages: 0, outstanding: Fen::ZERO }).collect()
}

fn age(ageing: &mut [Ageing], row: &WageRow, today: Date) {
    let bucket = row.bucket(today);
    for it in ageing.iter_mut().filter(|it| it.bucket == bucket) {
        it.wages += 1;
        it.outstanding = plus(it.outstanding, row.outstanding);
    }
}
