//! 参保: which hires are covered from when to when, and which are not.

use linggong_events::Event;
use linggong_events::envelope::Meta;
use linggong_events::hire::{HireEvent, HireTerms, InsuranceDecision};
use linggong_events::id::{EmployerId, HireId, InsuranceId, WorkerId};
use linggong_events::identity::OrgCode;
use linggong_events::insurance::{CoverEnd, CoverRejection, InsuranceEvent, PremiumPayer};
use linggong_events::measure::Fen;
use linggong_events::region::Region;
use linggong_events::time::{Shift, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Covers by hire, and gaps.
pub struct Insured;

/// Where one cover stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverState {
    /// 已申请.
    Applied,
    /// 已生效, as the insurer confirmed.
    Confirmed {
        /// The policy.
        policy: String,
        /// The first instant covered.
        from: Timestamp,
        /// The first instant no longer covered.
        until: Timestamp,
    },
    /// 保险公司未承保.
    Rejected {
        /// Why.
        reason: CoverRejection,
    },
    /// 本人不参保; 工伤保险 is never waived by it.
    RefusedByWorker,
    /// 已终止.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        reason: CoverEnd,
    },
}

/// One cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cover {
    /// The cover.
    pub insurance: InsuranceId,
    /// Where it stands.
    pub state: CoverState,
    /// Who insures.
    pub insurer: Option<String>,
    /// By which the insurer answers itself.
    pub insurer_code: Option<OrgCode>,
    /// What.
    pub product: Option<String>,
    /// For how much.
    pub premium: Option<Fen>,
    /// Who pays the insurer.
    pub payer: Option<PremiumPayer>,
}

/// How a hire stands, all covers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing was asked for.
    None,
    /// Asked for, not confirmed.
    Applied,
    /// Confirmed by an insurer; see from when to when.
    Confirmed,
    /// The worker does not want it.
    Refused,
    /// The insurer declined.
    Rejected,
    /// It was in force and no longer is.
    Ended,
}

/// A shift that begins without cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The shift's first instant.
    pub shift_start: Timestamp,
    /// When a cover that is on its way begins.
    pub covered_from: Option<Timestamp>,
    /// When the alarm was recorded.
    pub alarmed_at: Timestamp,
    /// When it was closed: by a cover in time, or because nobody works.
    pub closed_at: Option<Timestamp>,
}

/// One hire and its cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InsuredRow {
    /// The hire.
    pub hire: HireId,
    /// Who works.
    pub worker: WorkerId,
    /// For whom.
    pub employer: EmployerId,
    /// Where.
    pub region: Region,
    /// When.
    pub shifts: Vec<Shift>,
    /// What was decided at hiring.
    pub decision: InsuranceDecision,
    /// All covers together.
    pub standing: Standing,
    /// Each cover, the oldest first.
    pub covers: Vec<Cover>,
    /// Each gap that was alarmed, the oldest first.
    pub gaps: Vec<Gap>,
    /// Whether the hire will still be worked.
    pub live: bool,
    /// Injuries reported, with whether a confirmed cover was in force at that minute.
    pub injuries: Vec<Injury>,
}

/// An injury as reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Injury {
    /// When it happened, as asserted.
    pub at: Timestamp,
    /// Whether a confirmed cover was in force.
    pub covered: bool,
}

impl InsuredRow {
    /// What a refold of this row needs.
    pub fn sources(&self) -> Vec<Source> {
        vec![Source::Touching(self.hire.into())]
    }

    /// Whether this insurer was asked for a cover of the hire.
    pub fn is_asked_of(&self, insurer: &OrgCode) -> bool {
        self.covers.iter().any(|it| it.insurer_code.as_ref() == Some(insurer))
    }

    fn begins(&self) -> Option<Timestamp> {
        self.shifts.iter().map(|shift| shift.start()).min()
    }
}

/// Which hires are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InsuredFilter {
    /// In this division.
    pub region: Option<Region>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// Of this employer.
    pub employer: Option<EmployerId>,
    /// With a cover asked of this insurer.
    pub insurer: Option<OrgCode>,
    /// That stand so.
    pub standing: Option<Standing>,
}

impl InsuredFilter {
    fn admits(&self, row: &InsuredRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.worker.is_none_or(|it| it == row.worker)
            && self.employer.is_none_or(|it| it == row.employer)
            && self.insurer.as_ref().is_none_or(|it| row.is_asked_of(it))
            && self.standing.is_none_or(|it| it == row.standing)
    }
}

const HIRES: Table<InsuredRow> = Table::new(1);
/// First shift, hire.
const BY_START: Table<()> = Table::new(2);
/// Start of the shift, hire; only gaps that are open.
const GAPS: Table<()> = Table::new(3);

fn hire(id: HireId) -> Key<InsuredRow> {
    HIRES.key().id(id.0)
}

fn by_start(row: &InsuredRow) -> Option<Key<()>> {
    row.begins().map(|start| BY_START.key().instant(start).id(row.hire.0))
}

impl View for Insured {
    const NAME: &'static str = "insured";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Hire(event) => of_hire(rows, meta, event),
            Event::Insurance(event) => of_insurance(rows, meta, event),
            Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Employer(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Claim(_)
            | Event::Case(_)
            | Event::Rules(_) => {}
        }
    }
}

fn of_hire(rows: &mut Rows<'_>, meta: &Meta, event: &HireEvent) {
    match event {
        HireEvent::Agreed(it) => {
            let row = begun(it.hire, &it.terms);
            if let Some(key) = by_start(&row) {
                rows.put(key, &());
            }
            rows.put(hire(it.hire), &row);
        }
        HireEvent::Changed(it) => change(rows, meta, it.hire, |row| {
            row.region = it.terms.region;
            row.shifts = it.terms.shifts.clone();
            row.decision = it.terms.insurance;
        }),
        HireEvent::Cancelled(it) => change(rows, meta, it.hire, |row| row.live = false),
        HireEvent::NoShow(it) => change(rows, meta, it.hire, |row| row.live = false),
        HireEvent::SentHome(it) => change(rows, meta, it.hire, |row| row.live = false),
        HireEvent::Replaced(it) => change(rows, meta, it.hire, |row| row.live = false),
        HireEvent::Ended(it) => change(rows, meta, it.hire, |row| row.live = false),
        HireEvent::InjuryReported(it) => change(rows, meta, it.hire, |row| {
            row.injuries.push(Injury { at: it.at, covered: it.covered });
        }),
        HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::EndCorrected(_)
        | HireEvent::FollowedUp(_) => {}
    }
}

fn of_insurance(rows: &mut Rows<'_>, meta: &Meta, event: &InsuranceEvent) {
    let id = hire_of(event);
    change(rows, meta, id, |row| {
        step(&mut row.covers, event);
        if let InsuranceEvent::GapAlarmed(it) = event {
            let (shift_start, covered_from) = (it.shift_start, it.covered_from);
            row.gaps.push(Gap { shift_start, covered_from, alarmed_at: meta.time, closed_at: None });
        }
    });
}

/// The hire that an insurance event is about.
pub(crate) fn hire_of(event: &InsuranceEvent) -> HireId {
    match event {
        InsuranceEvent::CheckPlanned(it) => it.hire,
        InsuranceEvent::Applied(it) => it.hire,
        InsuranceEvent::Confirmed(it) => it.hire,
        InsuranceEvent::Rejected(it) => it.hire,
        InsuranceEvent::RefusedByWorker(it) => it.hire,
        InsuranceEvent::Ended(it) => it.hire,
        InsuranceEvent::GapAlarmed(it) => it.hire,
    }
}

/// Folds one event into the covers of a hire.
pub(crate) fn step(covers: &mut Vec<Cover>, event: &InsuranceEvent) {
    match event {
        InsuranceEvent::Applied(it) => {
            let cover = cover(covers, it.insurance);
            cover.insurer = Some(it.insurer.clone());
            cover.insurer_code = it.insurer_code.clone();
            cover.product = Some(it.product.clone());
            cover.premium = Some(it.premium);
            cover.payer = Some(it.payer);
        }
        InsuranceEvent::Confirmed(it) => {
            let (policy, from, until) = (it.policy.clone(), it.effective_from, it.effective_until);
            cover(covers, it.insurance).state = CoverState::Confirmed { policy, from, until };
        }
        InsuranceEvent::Rejected(it) => {
            cover(covers, it.insurance).state = CoverState::Rejected { reason: it.reason };
        }
        InsuranceEvent::RefusedByWorker(it) => {
            cover(covers, it.insurance).state = CoverState::RefusedByWorker;
        }
        InsuranceEvent::Ended(it) => {
            cover(covers, it.insurance).state = CoverState::Ended { at: it.at, reason: it.reason };
        }
        InsuranceEvent::CheckPlanned(_) | InsuranceEvent::GapAlarmed(_) => {}
    }
}

fn begun(hire: HireId, terms: &HireTerms) -> InsuredRow {
    InsuredRow {
        hire,
        worker: terms.worker,
        employer: terms.employer,
        region: terms.region,
        shifts: terms.shifts.clone(),
        decision: terms.insurance,
        standing: standing(terms.insurance, &[]),
        covers: Vec::new(),
        gaps: Vec::new(),
        live: true,
        injuries: Vec::new(),
    }
}

/// The cover of that id, which begins as applied for.
fn cover(covers: &mut Vec<Cover>, insurance: InsuranceId) -> &mut Cover {
    let known = covers.iter().position(|cover| cover.insurance == insurance);
    let at = known.unwrap_or_else(|| {
        covers.push(Cover {
            insurance,
            state: CoverState::Applied,
            insurer: None,
            insurer_code: None,
            product: None,
            premium: None,
            payer: None,
        });
        covers.len() - 1
    });
    &mut covers[at]
}

fn change(rows: &mut Rows<'_>, meta: &Meta, id: HireId, change: impl FnOnce(&mut InsuredRow)) {
    let Some(mut row) = rows.get(&hire(id)) else { return };
    if let Some(key) = by_start(&row) {
        rows.remove(key);
    }
    change(&mut row);
    row.standing = standing(row.decision, &row.covers);
    for gap in &mut row.gaps {
        let closes = !row.live || row.covers.iter().any(|cover| covers(&cover.state, gap.shift_start));
        if closes && gap.closed_at.is_none() {
            gap.closed_at = Some(meta.time);
        }
    }
    for gap in &row.gaps {
        let key = GAPS.key().instant(gap.shift_start).id(id.0);
        match gap.closed_at {
            Some(_) => rows.remove(key),
            None => rows.put(key, &()),
        }
    }
    if let Some(key) = by_start(&row) {
        rows.put(key, &());
    }
    rows.put(hire(id), &row);
}

fn covers(state: &CoverState, at: Timestamp) -> bool {
    match state {
        CoverState::Confirmed { from, until, .. } => *from <= at && at < *until,
        CoverState::Applied
        | CoverState::Rejected { .. }
        | CoverState::RefusedByWorker
        | CoverState::Ended { .. } => false,
    }
}

/// The best of the covers; without any, what was decided at hiring.
pub(crate) fn standing(decision: InsuranceDecision, covers: &[Cover]) -> Standing {
    let rank = |state: &CoverState| match state {
        CoverState::Confirmed { .. } => (5, Standing::Confirmed),
        CoverState::Applied => (4, Standing::Applied),
        CoverState::Ended { .. } => (3, Standing::Ended),
        CoverState::Rejected { .. } => (2, Standing::Rejected),
        CoverState::RefusedByWorker => (1, Standing::Refused),
    };
    let best = covers.iter().map(|cover| rank(&cover.state)).max_by_key(|(rank, _)| *rank);
    match (best, decision) {
        (Some((_, standing)), _) => standing,
        (None, InsuranceDecision::RefusedByWorker) => Standing::Refused,
        (None, InsuranceDecision::ByEmployer | InsuranceDecision::ByWorker | InsuranceDecision::Open) => {
            Standing::None
        }
    }
}

impl Reader<Insured> {
    /// Hires and their covers, by the start of the first shift.
    pub fn hires(
        &self,
        filter: &InsuredFilter,
        page: &PageRequest,
    ) -> Result<At<Page<InsuredRow>>, StoreError> {
        self.list(BY_START.key(), filter, page)
    }

    /// Shifts that begin without cover and are not closed, the next one first.
    pub fn gaps(
        &self,
        filter: &InsuredFilter,
        page: &PageRequest,
    ) -> Result<At<Page<InsuredRow>>, StoreError> {
        self.list(GAPS.key(), filter, page)
    }

    /// One hire's cover.
    pub fn hire(&self, id: HireId) -> Result<At<Option<InsuredRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&hire(id)))
    }

    fn list(
        &self,
        prefix: Key<()>,
        filter: &InsuredFilter,
        page: &PageRequest,
    ) -> Result<At<Page<InsuredRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                Ok(snapshot.get(&hire(HireId(last_id(key))))?.filter(|row| filter.admits(row)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{self, Ledger, agreed, date};
    use linggong_events::hire::{AssertedBy, InjuryReported};
    use linggong_events::insurance::{Applied, Confirmed, Ended, GapAlarmed, RefusedByWorker, Rejected};

    const DAY: &str = "2026-11-22";

    fn applied(n: u128) -> Applied {
        Applied {
            insurance: testing::insurance(n),
            hire: testing::hire(1),
            worker: testing::worker(1),
            employer: testing::employer(1),
            insurer: "某保险".into(),
            product: "日结意外险".into(),
            premium: Fen(300),
            payer: PremiumPayer::Employer,
            insurer_code: None,
        }
    }

    fn confirmed(n: u128, from: Timestamp) -> Confirmed {
        Confirmed {
            insurance: testing::insurance(n),
            hire: testing::hire(1),
            worker: testing::worker(1),
            policy: "P-1".into(),
            effective_from: from,
            effective_until: date("2026-11-24").at_minute(0),
            insurer_code: None,
        }
    }

    fn alarmed() -> GapAlarmed {
        GapAlarmed {
            insurance: testing::insurance(1),
            hire: testing::hire(1),
            worker: testing::worker(1),
            employer: testing::employer(1),
            shift_start: date(DAY).at_minute(420),
            covered_from: None,
        }
    }

    fn row(ledger: &Ledger) -> InsuredRow {
        refold::<Insured>(&ledger.events).hire(testing::hire(1)).unwrap().value.unwrap()
    }

    fn gaps(ledger: &Ledger) -> usize {
        let view = refold::<Insured>(&ledger.events);
        view.gaps(&InsuredFilter::default(), &PageRequest::first(10)).unwrap().value.rows.len()
    }

    #[test]
    fn a_cover_goes_from_applied_to_confirmed_to_ended() {
        let mut ledger = Ledger::new();
        ledger.record(agreed(1, DAY));
        assert_eq!(row(&ledger).standing, Standing::None);
        ledger.record(applied(1));
        assert_eq!(row(&ledger).standing, Standing::Applied);
        let from = date(DAY).at_minute(400);
        ledger.record(confirmed(1, from));
        let covered = row(&ledger);
        assert_eq!(covered.standing, Standing::Confirmed);
        let until = date("2026-11-24").at_minute(0);
        assert_eq!(covered.covers[0].state, CoverState::Confirmed { policy: "P-1".into(), from, until });
        let (insurance, hire, worker) = (testing::insurance(1), testing::hire(1), testing::worker(1));
        let (at, reason) = (until, CoverEnd::Cancelled);
        ledger.record(Ended { insurance, hire, worker, at, reason, insurer_code: None });
        assert_eq!(row(&ledger).standing, Standing::Ended);
    }

    #[test]
    fn a_gap_stays_open_until_a_cover_reaches_the_start_of_the_shift() {
        let mut ledger = Ledger::new();
        ledger.record(agreed(1, DAY));
        ledger.record(alarmed());
        assert_eq!(gaps(&ledger), 1);
        ledger.record(applied(1));
        ledger.record(confirmed(1, date("2026-11-23").at_minute(0)));
        assert_eq!(gaps(&ledger), 1, "cover that begins at the next midnight does not close it");
        ledger.record(applied(2));
        ledger.record(confirmed(2, date(DAY).at_minute(420)));
        assert_eq!(gaps(&ledger), 0);
        assert!(row(&ledger).gaps[0].closed_at.is_some(), "the history keeps it");
    }

    #[test]
    fn a_refusal_and_a_rejection_are_told_apart() {
        let (insurance, hire, worker) = (testing::insurance(1), testing::hire(1), testing::worker(1));
        let mut ledger = Ledger::new();
        ledger.record(agreed(1, DAY));
        ledger.record(RefusedByWorker { insurance, hire, worker });
        assert_eq!(row(&ledger).standing, Standing::Refused);
        ledger.record(Rejected {
            insurance: testing::insurance(2),
            hire,
            worker,
            reason: CoverRejection::Age,
            insurer_code: None,
        });
        assert_eq!(row(&ledger).standing, Standing::Rejected);
    }

    #[test]
    fn an_injury_says_whether_cover_was_in_force() {
        let mut ledger = Ledger::new();
        ledger.record(agreed(1, DAY));
        let at = date(DAY).at_minute(500);
        ledger.record(InjuryReported {
            hire: testing::hire(1),
            revision: 1,
            supersedes: None,
            terms: agreed(1, DAY).terms,
            at,
            asserted_by: AssertedBy::Worker,
            covered: false,
            note: None,
        });
        assert_eq!(row(&ledger).injuries, [Injury { at, covered: false }]);
    }
}
