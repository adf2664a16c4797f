//! 工资保障: what is owed, by whom, to whom, for how long; and what warns before anybody claims.

mod fold;
mod questions;
mod rows;
#[cfg(test)]
mod tests;

use linggong_events::Event;
use linggong_events::employer::EmployerEvent;
use linggong_events::envelope::Meta;
use linggong_events::id::{ClaimId, EmployerId, WageId};
use linggong_events::measure::Fen;

use crate::key::{Key, Table};
use crate::view::{Rows, View};

use fold::{learn, of_case, of_claim, of_wage};
pub use questions::WageFilter;
pub use rows::{
    AgedWage, Ageing, Agreed, Bucket, Contradiction, Demand, Determined, EmployerArrears, Payment,
    RegionArrears, WageClaim, WageCorrection, WageRow, Warning, WarningSum, Warnings, WorkerArrears,
};

/// Wages and what is claimed of them.
pub struct WageProtectionBoard;

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
/// The claims that a case took on.
const TAKEN_ON: Table<Vec<ClaimId>> = Table::new(9);

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

/// A sum for a screen; beyond what JSON readers keep exactly it stays at the edge.
fn plus(one: Fen, other: Fen) -> Fen {
    one.plus(other).unwrap_or(one)
}

impl View for WageProtectionBoard {
    const NAME: &'static str = "wage_protection_board";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Wage(event) => of_wage(rows, meta, event),
            Event::Claim(event) => of_claim(rows, meta, event),
            Event::Case(event) => of_case(rows, meta, event),
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
            | Event::Rules(_) => {}
        }
    }
}
