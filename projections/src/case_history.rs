//! 案件卷宗: a case with its claims, every step in order with both clocks, its deadlines and amounts.

mod fold;
mod questions;
mod rows;
#[cfg(test)]
mod tests;

use linggong_events::Event;
use linggong_events::codec::Json;
use linggong_events::envelope::Meta;
use linggong_events::event::TYPE_PREFIX;
use linggong_events::id::{CaseId, ClaimId, EntityRef};
use linggong_events::newer::RawEnvelope;

use crate::key::{Key, Table};
use crate::part::Part;
use crate::view::{Rows, View};

use fold::{add_step, is_ours, of_case, of_claim};
pub use questions::{CaseFilter, ClaimFilter};
pub use rows::{
    CaseHistory, CaseRow, CaseState, ClaimHistory, ClaimRow, ClaimState, Correction, DeadlineRow,
    DeadlineState, Document, Evidence, PaymentSeen, Proposal, Proposed, Settlement, Step,
};

/// Claims, cases, and every event that touches one.
pub struct CaseHistories;

const CASES: Table<CaseRow> = Table::new(1);
const CLAIMS: Table<ClaimRow> = Table::new(2);
/// Claim or case: what happened to it.
const STEPS: Table<Part<Step>> = Table::new(3);
/// Claim: its evidence.
const EVIDENCE: Table<Part<Evidence>> = Table::new(4);
/// When it was opened, case.
const CASES_BY_TIME: Table<()> = Table::new(5);
/// The next due date, case; only where one runs.
const CASES_BY_DUE: Table<()> = Table::new(6);
/// When it was filed, claim.
const CLAIMS_BY_TIME: Table<()> = Table::new(7);
/// The case of a number.
const NUMBERS: Table<CaseId> = Table::new(8);

fn case(id: CaseId) -> Key<CaseRow> {
    CASES.key().id(id.0)
}

fn claim(id: ClaimId) -> Key<ClaimRow> {
    CLAIMS.key().id(id.0)
}

fn evidence(of: ClaimId) -> Key<Part<Evidence>> {
    EVIDENCE.key().id(of.0)
}

fn steps(of: EntityRef) -> Key<Part<Step>> {
    STEPS.key().entity(of)
}

impl View for CaseHistories {
    const NAME: &'static str = "case_history";
    const VERSION: u32 = 4;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Claim(event) => of_claim(rows, meta, event),
            Event::Case(event) => of_case(rows, meta, event),
            Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Employer(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Hire(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Rules(_) => {}
        }
        if meta.touches.iter().any(is_ours) {
            let data = event.data().map(Json::from).unwrap_or_default();
            add_step(rows, &meta.outline(), event.event_type().schema_name(), data, true);
        }
    }

    fn apply_unknown(rows: &mut Rows<'_>, raw: &RawEnvelope) {
        let name = raw.type_name.strip_prefix(TYPE_PREFIX).unwrap_or(&raw.type_name);
        if raw.outline().touches.iter().any(is_ours) {
            add_step(rows, &raw.outline(), name.to_owned(), Json::from(raw.data.clone()), false);
        }
    }
}
