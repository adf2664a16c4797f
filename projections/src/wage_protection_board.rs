//! 工资保障: what is owed, by whom, to whom, for how long; and what warns before anybody claims.

use linggong_events::Event;
use linggong_events::claim::ClaimEvent;
use linggong_events::employer::{EmployerDetails, EmployerEvent, EmployerKind};
use linggong_events::envelope::Meta;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ClaimId, EmployerId, EventId, HireId, OfficeId, WageId, WorkerId};
use linggong_events::measure::{Fen, Position};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use linggong_events::wage::{DemandMeans, PayMeans, WageBasis, WageEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Wages and what is claimed of them.
pub struct WageProtectionBoard;

/// One wage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageRow {
    /// The wage.
    pub wage: WageId,
    /// What it is for.
    pub hire: HireId,
    /// To whom it is owed.
    pub worker: WorkerId,
    /// Who owes it.
    pub employer: EmployerId,
    /// The employer's name, where it is an organisation.
    pub employer_name: Option<String>,
    /// The county of the place of work.
    pub region: Region,
    /// The whole amount.
    pub amount: Fen,
    /// What is left of it.
    pub outstanding: Fen,
    /// 有争议: what of the payments on record the worker says never came.
    pub disputed: Fen,
    /// What the amount follows from; absent where it was presumed by the terms of the hire.
    pub basis: Option<WageBasis>,
    /// Payable up to and including this date.
    pub due_on: Date,
    /// The rule that set the date, as cited.
    pub citation: String,
    /// Whether the date passed with money outstanding.
    pub went_overdue: bool,
    /// What calls for somebody's attention.
    pub warnings: Warnings,
    /// Money that reached the worker, the oldest first.
    pub payments: Vec<Payment>,
    /// Times that payment was demanded, the oldest first.
    pub demands: Vec<Demand>,
    /// Claims about it, the oldest first.
    pub claims: Vec<WageClaim>,
    /// Entries that were corrected.
    pub corrections: Vec<WageCorrection>,
    /// Its last event.
    pub position: Position,
}

/// What calls for attention on a wage; each is a fact of its own, so they stand side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warnings {
    /// Nobody signed out: due by the terms, and somebody must ask the worker.
    pub presumed_due: bool,
    /// Money went to somebody else, which does not discharge.
    pub paid_to_third: Fen,
    /// What the employer signed to owe.
    pub owed_note: Option<Fen>,
    /// What the worker says has come in all.
    pub receipt_confirmed: Option<Fen>,
    /// What an officer found to have been paid in all, which stands above what either side says.
    pub determined: Option<Determined>,
}

/// An officer's finding about what has been paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Determined {
    /// What has been paid in all.
    pub paid: Fen,
    /// The office that answers for it.
    pub authority: OfficeId,
    /// The event, with its basis.
    pub position: Position,
}

/// Money that is recorded as having reached the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The event that recorded it, which a contradiction names.
    pub event: EventId,
    /// How much.
    pub amount: Fen,
    /// How.
    pub means: PayMeans,
    /// When.
    pub at: Timestamp,
    /// The hash of what proves it.
    pub evidence: EvidenceDigest,
    /// The hash of the paper that the worker signed, where a desk has seen it.
    pub signature: Option<EvidenceDigest>,
    /// What was left after it.
    pub outstanding: Fen,
    /// The worker's newest word against it; it stays readable when the matter is settled.
    pub contradicted: Option<Contradiction>,
}

/// The worker's word against a payment on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// What came of it, as the worker says.
    pub received: Fen,
    /// What of it counts as paid meanwhile.
    pub counted: Fen,
    /// When the worker said so, as asserted.
    pub at: Timestamp,
    /// The hash of what the worker showed.
    pub evidence: Option<EvidenceDigest>,
}

/// A demand for payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demand {
    /// How much.
    pub amount: Fen,
    /// How.
    pub means: DemandMeans,
    /// When.
    pub at: Timestamp,
    /// The hash of what proves it.
    pub proof: Option<EvidenceDigest>,
}

/// A claim about a wage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageClaim {
    /// The claim.
    pub claim: ClaimId,
    /// Whether it is neither closed nor withdrawn.
    pub pending: bool,
}

/// A correction of an earlier entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageCorrection {
    /// The entry that was wrong.
    pub corrects: EventId,
    /// Why.
    pub reason: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl WageRow {
    /// What a refold of this row needs.
    pub fn sources(&self) -> Vec<Source> {
        let own = [Source::Touching(self.wage.into()), Source::Own(self.employer.into())];
        own.into_iter().chain(self.claims.iter().map(|it| Source::Own(it.claim.into()))).collect()
    }

    /// How old the debt is on `today`.
    pub fn bucket(&self, today: Date) -> Bucket {
        Bucket::of(self.due_on, today)
    }
}

/// How old a debt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// 未到期.
    NotDue,
    /// 今日到期.
    DueToday,
    /// 逾期 1–7 日.
    #[serde(rename = "overdue_1_7")]
    Overdue1To7,
    /// 逾期 8–30 日.
    #[serde(rename = "overdue_8_30")]
    Overdue8To30,
    /// 逾期 30 日以上.
    #[serde(rename = "overdue_over_30")]
    OverdueOver30,
}

impl Bucket {
    /// Every bucket, the youngest first.
    pub const ALL: [Bucket; 5] =
        [Bucket::NotDue, Bucket::DueToday, Bucket::Overdue1To7, Bucket::Overdue8To30, Bucket::OverdueOver30];

    /// The bucket on `today` of what is payable up to and including `due_on`.
    pub fn of(due_on: Date, today: Date) -> Bucket {
        match today.days() - due_on.days() {
            ..0 => Bucket::NotDue,
            0 => Bucket::DueToday,
            1..=7 => Bucket::Overdue1To7,
            8..=30 => Bucket::Overdue8To30,
            31.. => Bucket::OverdueOver30,
        }
    }
}

/// A wage with its age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgedWage {
    /// How old the debt is on the day asked for.
    pub bucket: Bucket,
    /// The wage.
    #[serde(flatten)]
    pub wage: WageRow,
}

/// Wages of one age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ageing {
    /// The age.
    pub bucket: Bucket,
    /// How many wages.
    pub wages: u32,
    /// What is outstanding of them.
    pub outstanding: Fen,
}

/// What is owed in a division, by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RegionArrears {
    /// The county.
    pub region: Region,
    /// What is outstanding.
    pub outstanding: Fen,
    /// By age, every bucket once.
    pub ageing: Vec<Ageing>,
}

/// An employer's wages, all together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmployerArrears {
    /// The employer.
    pub employer: EmployerId,
    /// Its name, where it is an organisation.
    pub name: Option<String>,
    /// What it is.
    pub employer_kind: Option<EmployerKind>,
    /// Every wage there ever was.
    pub wages: u32,
    /// Wages with money outstanding.
    pub open_wages: u32,
    /// What is outstanding.
    pub outstanding: Fen,
    /// What workers say never came of the payments on record.
    pub disputed: Fen,
    /// How many wages ever went past their date: more than one is a repeated offender.
    pub went_overdue: u32,
    /// Claims that are not closed, also those about wages that are not on the books.
    pub pending_claims: u32,
    /// Claims there ever were.
    pub claims: u32,
}

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

const WAGES: Table<WageRow> = Table::new(1);
/// Due date, wage; only with money outstanding or disputed.
const OPEN: Table<()> = Table::new(2);
/// Employer, due date, wage.
const BY_EMPLOYER: Table<()> = Table::new(3);
/// Worker, due date, wage.
const BY_WORKER: Table<()> = Table::new(4);
const EMPLOYERS: Table<EmployerArrears> = Table::new(5);
/// Outstanding sum falling, employer; only with money outstanding or disputed, or claims pending.
const RANKING: Table<()> = Table::new(6);
/// The employer that a claim is about, while it is not closed.
const CLAIMS: Table<EmployerId> = Table::new(7);
/// The wages that a claim is about.
const CLAIMED: Table<Vec<WageId>> = Table::new(8);

fn wage(id: WageId) -> Key<WageRow> {
    WAGES.key().id(id.0)
}

fn employer(id: EmployerId) -> Key<EmployerArrears> {
    EMPLOYERS.key().id(id.0)
}

fn open(row: &WageRow) -> Key<()> {
    OPEN.key().date(row.due_on).id(row.wage.0)
}

fn is_open(row: &WageRow) -> bool {
    is_owed(row) || row.disputed > Fen::ZERO
}

fn is_owed(row: &WageRow) -> bool {
    row.outstanding > Fen::ZERO
}

impl View for WageProtectionBoard {
    const NAME: &'static str = "wage_protection_board";
    const VERSION: u32 = 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Wage(event) => of_wage(rows, meta, event),
            Event::Claim(event) => of_claim(rows, meta, event),
            Event::Employer(EmployerEvent::Registered(it)) => learn(rows, it.employer, &it.details),
            Event::Employer(EmployerEvent::Changed(it)) => learn(rows, it.employer, &it.details),
            Event::Employer(EmployerEvent::Restricted(_) | EmployerEvent::RestrictionLifted(_))
            | Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Hire(_)
            | Event::Attendance(_)
            | Event::Insurance(_)
            | Event::Case(_)
            | Event::Rules(_) => {}
        }
    }
}

fn learn(rows: &mut Rows<'_>, id: EmployerId, details: &EmployerDetails) {
    total(rows, id, |row| {
        row.name = details.name.clone();
        row.employer_kind = Some(details.employer_kind);
    });
}

fn of_wage(rows: &mut Rows<'_>, meta: &Meta, event: &WageEvent) {
    match event {
        WageEvent::Due(it) => {
            let terms = (it.amount, it.outstanding, it.due_on, it.trace.citation.clone());
            let people = (it.hire, it.worker, it.employer);
            set_due(rows, meta, it.wage, people, terms, Some(it.basis));
        }
        WageEvent::PresumedDue(it) => {
            let terms = (it.amount, it.outstanding, it.due_on, it.trace.citation.clone());
            let people = (it.hire, it.worker, it.employer);
            set_due(rows, meta, it.wage, people, terms, None);
        }
        WageEvent::Adjusted(it) => change(rows, meta, it.wage, |row| {
            (row.amount, row.outstanding) = (it.amount, it.outstanding);
            row.basis = Some(it.basis);
            row.warnings.presumed_due = false;
        }),
        WageEvent::Paid(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.payments.push(Payment {
                event: meta.id,
                amount: it.amount,
                means: it.means,
                at: it.at,
                evidence: it.evidence,
                signature: it.signature,
                outstanding: it.outstanding,
                contradicted: None,
            });
        }),
        WageEvent::PaidToThird(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.warnings.paid_to_third = plus(row.warnings.paid_to_third, it.amount);
        }),
        WageEvent::ReceiptConfirmed(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            row.warnings.receipt_confirmed = Some(it.amount);
        }),
        WageEvent::PaymentContradicted(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            for payment in row.payments.iter_mut().filter(|payment| payment.event == it.payment) {
                payment.contradicted = Some(Contradiction {
                    received: it.received,
                    counted: it.counted,
                    at: meta.occurred_at,
                    evidence: it.evidence,
                });
            }
        }),
        WageEvent::PaymentDetermined(it) => change(rows, meta, it.wage, |row| {
            (row.outstanding, row.disputed) = (it.outstanding, it.disputed);
            let (paid, authority, position) = (it.paid, it.authority, meta.position);
            row.warnings.determined = Some(Determined { paid, authority, position });
        }),
        WageEvent::Overdue(it) => change(rows, meta, it.wage, |row| {
            row.outstanding = it.outstanding;
            row.went_overdue = true;
        }),
        WageEvent::Demanded(it) => change(rows, meta, it.wage, |row| {
            row.demands.push(Demand {
                amount: it.amount,
                means: it.means,
                at: meta.occurred_at,
                proof: it.proof,
            });
        }),
        WageEvent::OwedNoteGiven(it) => {
            change(rows, meta, it.wage, |row| row.warnings.owed_note = Some(it.amount));
        }
        WageEvent::Corrected(it) => change(rows, meta, it.wage, |row| {
            (row.amount, row.outstanding, row.disputed) = (it.amount, it.outstanding, it.disputed);
            row.corrections.push(WageCorrection {
                corrects: it.corrects,
                reason: it.reason.clone(),
                recorded_at: meta.time,
            });
        }),
    }
}

/// A wage becomes payable; a wage that was presumed due and is then known keeps its history.
fn set_due(
    rows: &mut Rows<'_>,
    meta: &Meta,
    id: WageId,
    (hire, worker, employer_id): (HireId, WorkerId, EmployerId),
    (amount, outstanding, due_on, citation): (Fen, Fen, Date, String),
    basis: Option<WageBasis>,
) {
    if rows.get(&wage(id)).is_none() {
        let row = WageRow {
            wage: id,
            hire,
            worker,
            employer: employer_id,
            employer_name: rows.get(&employer(employer_id)).and_then(|it| it.name),
            region: meta.region,
            amount: Fen::ZERO,
            outstanding: Fen::ZERO,
            disputed: Fen::ZERO,
            basis: None,
            due_on,
            citation: String::new(),
            went_overdue: false,
            warnings: Warnings::default(),
            payments: Vec::new(),
            demands: Vec::new(),
            claims: Vec::new(),
            corrections: Vec::new(),
            position: meta.position,
        };
        rows.put(wage(id), &row);
        total(rows, employer_id, |total| total.wages += 1);
    }
    change(rows, meta, id, |row| {
        (row.amount, row.outstanding, row.due_on, row.citation) = (amount, outstanding, due_on, citation);
        row.warnings.presumed_due = basis.is_none();
        row.basis = basis;
    });
}

fn of_claim(rows: &mut Rows<'_>, meta: &Meta, event: &ClaimEvent) {
    match event {
        ClaimEvent::Registered(it) => {
            let wages: Vec<WageId> = it.items.iter().filter_map(|item| item.wage).collect();
            rows.put(CLAIMS.key().id(it.claim.0), &it.employer);
            rows.put(CLAIMED.key().id(it.claim.0), &wages);
            total(rows, it.employer, |row| {
                row.claims += 1;
                row.pending_claims += 1;
            });
            for id in wages {
                change(rows, meta, id, |row| {
                    let known = row.claims.iter().any(|claim| claim.claim == it.claim);
                    if !known {
                        row.claims.push(WageClaim { claim: it.claim, pending: true });
                    }
                });
            }
        }
        ClaimEvent::Withdrawn(it) => settle(rows, meta, it.claim),
        ClaimEvent::Closed(it) => settle(rows, meta, it.claim),
        // What is left of a wage is told by the wage's own events.
        ClaimEvent::AmountChanged(_)
        | ClaimEvent::DuplicateSuspected(_)
        | ClaimEvent::Linked(_)
        | ClaimEvent::EvidenceAdded(_)
        | ClaimEvent::Referred(_)
        | ClaimEvent::FollowedUp(_) => {}
    }
}

/// A claim is no longer pending; told twice, it counts once.
fn settle(rows: &mut Rows<'_>, meta: &Meta, claim: ClaimId) {
    let Some(id) = rows.get(&CLAIMS.key().id(claim.0)) else { return };
    rows.remove(CLAIMS.key().id(claim.0));
    total(rows, id, |row| row.pending_claims = row.pending_claims.saturating_sub(1));
    for id in rows.get(&CLAIMED.key().id(claim.0)).unwrap_or_default() {
        change(rows, meta, id, |row| {
            for it in row.claims.iter_mut().filter(|it| it.claim == claim) {
                it.pending = false;
            }
        });
    }
}

fn change(rows: &mut Rows<'_>, meta: &Meta, id: WageId, change: impl FnOnce(&mut WageRow)) {
    let Some(before) = rows.get(&wage(id)) else { return };
    let mut row = before.clone();
    change(&mut row);
    row.position = meta.position;
    rows.remove(open(&before));
    rows.remove(BY_EMPLOYER.key().id(before.employer.0).date(before.due_on).id(id.0));
    rows.remove(BY_WORKER.key().id(before.worker.0).date(before.due_on).id(id.0));
    if is_open(&row) {
        rows.put(open(&row), &());
    }
    rows.put(BY_EMPLOYER.key().id(row.employer.0).date(row.due_on).id(id.0), &());
    rows.put(BY_WORKER.key().id(row.worker.0).date(row.due_on).id(id.0), &());
    total(rows, row.employer, |total| {
        total.open_wages = total.open_wages + u32::from(is_owed(&row)) - u32::from(is_owed(&before));
        total.outstanding = plus(total.outstanding, Fen(row.outstanding.0 - before.outstanding.0));
        total.disputed = plus(total.disputed, Fen(row.disputed.0 - before.disputed.0));
        total.went_overdue += u32::from(row.went_overdue && !before.went_overdue);
    });
    rows.put(wage(id), &row);
}

/// Changes an employer's totals and its place in the ranking.
fn total(rows: &mut Rows<'_>, id: EmployerId, change: impl FnOnce(&mut EmployerArrears)) {
    let mut row = rows.get(&employer(id)).unwrap_or(EmployerArrears {
        employer: id,
        name: None,
        employer_kind: None,
        wages: 0,
        open_wages: 0,
        outstanding: Fen::ZERO,
        disputed: Fen::ZERO,
        went_overdue: 0,
        pending_claims: 0,
        claims: 0,
    });
    let place = |row: &EmployerArrears| RANKING.key().falling(row.outstanding.0).id(id.0);
    rows.remove(place(&row));
    change(&mut row);
    if row.outstanding > Fen::ZERO || row.disputed > Fen::ZERO || row.pending_claims > 0 {
        rows.put(place(&row), &());
    }
    rows.put(employer(id), &row);
}

/// A sum for a screen; beyond what JSON readers keep exactly it stays at the edge.
fn plus(one: Fen, other: Fen) -> Fen {
    one.plus(other).unwrap_or(one)
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
        self.read(|snapshot| {
            let mut ageing = no_ageing();
            snapshot.each(OPEN.key(), |key, ()| {
                let row = snapshot.get(&wage(WageId(last_id(key))))?;
                if let Some(row) = row.filter(|row| is_owed(row) && filter.admits(row, today)) {
                    age(&mut ageing, &row, today);
                }
                Ok(())
            })?;
            Ok(ageing)
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{self, Ledger, date, employer_registered, trace};
    use linggong_events::claim::{ClaimItem, Registered, Track, Withdrawn};
    use linggong_events::wage::{
        Demanded, Due, Overdue, OwedNoteGiven, Paid, PaidToThird, PaymentContradicted, PaymentDetermined,
        PresumedDue,
    };

    const DUE: &str = "2026-11-22";

    fn due(n: u128, owed_by: u128, amount: i64, due_on: &str) -> Due {
        Due {
            wage: testing::wage(n),
            hire: testing::hire(n),
            worker: testing::worker(n),
            employer: testing::employer(owed_by),
            amount: Fen(amount),
            outstanding: Fen(amount),
            basis: WageBasis::Attendance,
            date: date(due_on),
            due_on: date(due_on),
            trace: trace("wage.completion", due_on, due_on),
        }
    }

    fn paid(n: u128, amount: i64, outstanding: i64) -> Paid {
        Paid {
            wage: testing::wage(n),
            hire: testing::hire(n),
            worker: testing::worker(n),
            employer: testing::employer(1),
            amount: Fen(amount),
            outstanding: Fen(outstanding),
            means: PayMeans::Cash,
            at: date(DUE).at_minute(1080),
            evidence: testing::EVIDENCE,
            signature: None,
        }
    }

    fn overdue(n: u128, outstanding: i64) -> Overdue {
        Overdue {
            wage: testing::wage(n),
            hire: testing::hire(n),
            worker: testing::worker(n),
            employer: testing::employer(1),
            outstanding: Fen(outstanding),
            due_on: date(DUE),
        }
    }

    fn claimed(n: u128, wages: &[u128]) -> Registered {
        let item = |n: &u128| ClaimItem {
            wage: Some(testing::wage(*n)),
            hire: None,
            amount: Fen(28_000),
            from: date(DUE),
            until: date(DUE),
        };
        Registered {
            claim: testing::claim(n),
            worker: testing::worker(1),
            employer: testing::employer(1),
            office: testing::office(1),
            items: wages.iter().map(item).collect(),
            total: Fen(28_000),
            filed_at: date(DUE).at_minute(1200),
            disputed: Fen::ZERO,
            suggested_track: Track::Supervision,
            receipt_text: "回执".into(),
            safe_date: Some(date("2027-11-22")),
            safe_trace: None,
            statement: None,
            external: None,
            mandate: None,
        }
    }

    fn board(ledger: &Ledger) -> Reader<WageProtectionBoard> {
        refold(&ledger.events)
    }

    fn wages(ledger: &Ledger, today: &str, filter: WageFilter) -> Vec<AgedWage> {
        board(ledger).wages(date(today), &filter, &PageRequest::first(10)).unwrap().value.rows
    }

    fn employer(ledger: &Ledger, n: u128) -> EmployerArrears {
        board(ledger).employer(testing::employer(n)).unwrap().value.unwrap()
    }

    #[test]
    fn a_debt_ages_by_the_day_it_is_looked_at() {
        let cases = [
            ("2026-11-21", Bucket::NotDue),
            ("2026-11-22", Bucket::DueToday),
            ("2026-11-23", Bucket::Overdue1To7),
            ("2026-11-29", Bucket::Overdue1To7),
            ("2026-11-30", Bucket::Overdue8To30),
            ("2026-12-22", Bucket::Overdue8To30),
            ("2026-12-23", Bucket::OverdueOver30),
        ];
        let mut ledger = Ledger::new();
        ledger.record(due(1, 1, 28_000, DUE));
        for (today, bucket) in cases {
            assert_eq!(wages(&ledger, today, WageFilter::default())[0].bucket, bucket, "{today}");
        }
    }

    #[test]
    fn part_pay_reduces_the_sum_and_full_pay_clears_the_board() {
        let mut ledger = Ledger::new();
        ledger.record(employer_registered(1, "甲建筑公司"));
        ledger.record(due(1, 1, 28_000, DUE));
        ledger.record(overdue(1, 28_000));
        ledger.record(paid(1, 10_000, 18_000));
        let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
        assert_eq!((row.amount, row.outstanding), (Fen(28_000), Fen(18_000)));
        assert_eq!(row.employer_name.as_deref(), Some("甲建筑公司"));
        assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).outstanding), (1, Fen(18_000)));

        ledger.record(paid(1, 18_000, 0));
        assert!(wages(&ledger, DUE, WageFilter::default()).is_empty());
        let total = employer(&ledger, 1);
        assert_eq!((total.wages, total.open_wages, total.outstanding), (1, 0, Fen::ZERO));
        assert_eq!(total.went_overdue, 1, "it is remembered that it was late");
        let all =
            WageFilter { employer: Some(testing::employer(1)), paid_too: true, ..WageFilter::default() };
        assert_eq!(wages(&ledger, DUE, all)[0].wage.payments.len(), 2);
        assert!(board(&ledger).employers(&PageRequest::first(10)).unwrap().value.rows.is_empty());
    }

    #[test]
    fn sums_by_age_county_and_employer_agree() {
        let mut ledger = Ledger::new();
        ledger.record(due(1, 1, 28_000, DUE));
        ledger.record(due(2, 1, 20_000, "2026-10-01"));
        let away = ledger.record(due(3, 2, 50_000, DUE));
        ledger.meta_of(away, |meta| meta.region = "370202".parse().unwrap());

        let board = board(&ledger);
        let today = date("2026-11-23");
        let ageing = board.ageing(today, &WageFilter::default()).unwrap().value;
        let sums: Vec<_> = ageing.iter().map(|it| (it.wages, it.outstanding.0)).collect();
        assert_eq!(sums, [(0, 0), (0, 0), (2, 78_000), (0, 0), (1, 20_000)]);

        let regions = board.regions(today, None).unwrap().value;
        let sums: Vec<_> = regions.iter().map(|it| (it.region.to_string(), it.outstanding.0)).collect();
        assert_eq!(sums, [("370102".into(), 48_000), ("370202".into(), 50_000)]);
        let city = board.regions(today, "370100".parse().ok()).unwrap().value;
        assert_eq!(city.len(), 1);

        let ranking = board.employers(&PageRequest::first(10)).unwrap().value.rows;
        let sums: Vec<_> = ranking.iter().map(|it| (it.employer, it.outstanding.0)).collect();
        assert_eq!(sums, [(testing::employer(2), 50_000), (testing::employer(1), 48_000)]);
    }

    #[test]
    fn warnings_stand_beside_the_sum_and_do_not_change_it() {
        let mut ledger = Ledger::new();
        let (wage, hire, worker) = (testing::wage(1), testing::hire(1), testing::worker(1));
        let (employer, amount) = (testing::employer(1), Fen(28_000));
        ledger.record(PresumedDue {
            wage,
            attendance: linggong_events::id::AttendanceId(wage.0),
            hire,
            worker,
            employer,
            amount,
            outstanding: amount,
            date: date(DUE),
            due_on: date(DUE),
            trace: trace("wage.completion", DUE, DUE),
        });
        let (to, at) = (linggong_events::wage::ThirdParty::CrewLeader, date(DUE).at_minute(1100));
        ledger.record(PaidToThird {
            wage,
            hire,
            worker,
            employer,
            amount,
            outstanding: amount,
            to,
            at,
            to_employer: None,
            evidence: None,
        });
        ledger.record(OwedNoteGiven { wage, worker, employer, amount, evidence: testing::EVIDENCE });
        let means = DemandMeans::Phone;
        ledger.record(Demanded { wage, worker, employer, amount, means, by_mandate: false, proof: None });
        let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
        let warnings = Warnings {
            presumed_due: true,
            paid_to_third: amount,
            owed_note: Some(amount),
            receipt_confirmed: None,
            determined: None,
        };
        assert_eq!((row.outstanding, row.warnings), (amount, warnings));
        assert_eq!((row.demands.len(), row.payments.len()), (1, 0));
    }

    #[test]
    fn a_disputed_wage_stays_on_the_board_until_it_is_settled_even_where_nothing_is_owed() {
        let mut ledger = Ledger::new();
        ledger.record(due(1, 1, 28_000, DUE));
        ledger.record(paid(1, 28_000, 0));
        let payment = ledger.events.last().unwrap().meta().id;
        let (wage, hire, worker) = (testing::wage(1), testing::hire(1), testing::worker(1));
        let (employer_id, recorded) = (testing::employer(1), Fen(28_000));
        let evidence = None;
        // The worker had signed for it, so it counts.
        ledger.record(PaymentContradicted {
            wage,
            hire,
            worker,
            employer: employer_id,
            payment,
            recorded,
            received: Fen(8_000),
            counted: recorded,
            outstanding: Fen::ZERO,
            disputed: Fen(20_000),
            evidence,
        });
        let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
        assert_eq!((row.outstanding, row.disputed), (Fen::ZERO, Fen(20_000)));
        assert_eq!(row.payments[0].contradicted.as_ref().map(|it| it.received), Some(Fen(8_000)));
        assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).disputed), (0, Fen(20_000)));
        let ageing = board(&ledger).ageing(date(DUE), &WageFilter::default()).unwrap().value;
        assert!(ageing.iter().all(|it| it.wages == 0), "nothing is owed that could be old");

        ledger.record(PaymentDetermined {
            wage,
            hire,
            worker,
            employer: employer_id,
            paid: Fen(8_000),
            outstanding: Fen(20_000),
            disputed: Fen::ZERO,
            authority: testing::office(1),
            basis: "银行流水".into(),
            case: None,
            evidence: None,
        });
        let row = &wages(&ledger, DUE, WageFilter::default())[0].wage;
        assert_eq!((row.outstanding, row.disputed), (Fen(20_000), Fen::ZERO));
        assert_eq!(row.warnings.determined.map(|it| it.paid), Some(Fen(8_000)));
        assert_eq!((employer(&ledger, 1).open_wages, employer(&ledger, 1).disputed), (1, Fen::ZERO));
    }

    #[test]
    fn a_claim_is_pending_on_its_wages_until_it_ends_once() {
        let mut ledger = Ledger::new();
        for n in [1, 2] {
            ledger.record(due(n, 1, 28_000, DUE));
        }
        ledger.record(claimed(1, &[1]));
        let claimed = WageFilter { claimed: Some(true), ..WageFilter::default() };
        let rows = wages(&ledger, DUE, claimed);
        let pending = WageClaim { claim: testing::claim(1), pending: true };
        assert_eq!((rows.len(), rows[0].wage.claims.as_slice()), (1, [pending].as_slice()));
        assert_eq!((employer(&ledger, 1).claims, employer(&ledger, 1).pending_claims), (1, 1));

        let withdrawn =
            || Withdrawn { claim: testing::claim(1), worker: testing::worker(1), reason: "已付".into() };
        ledger.record(withdrawn());
        ledger.record(withdrawn());
        assert!(wages(&ledger, DUE, claimed).is_empty());
        assert_eq!((employer(&ledger, 1).claims, employer(&ledger, 1).pending_claims), (1, 0));
    }

    #[test]
    fn an_aged_wage_is_one_flat_object_in_json() {
        let mut ledger = Ledger::new();
        ledger.record(due(1, 1, 28_000, DUE));
        let row = &wages(&ledger, "2026-11-25", WageFilter::default())[0];
        let json = serde_json::to_value(row).unwrap();
        assert_eq!(json["bucket"], "overdue_1_7");
        assert_eq!(json["outstanding"], 28_000);
    }
}
