//! Questions to the views, folded in memory from what a sandbox has written.

use linggong_events::commit::Commit;
use linggong_events::envelope::{EnvelopeError, Recorded};
use linggong_events::id::{CaseId, ClaimId, EntityRef, HireId, Kind, MarketId, PostingId, WageId};
use linggong_events::time::Date;
use linggong_projections::StoreError;
use linggong_projections::case_history::{CaseHistories, CaseHistory, ClaimHistory};
use linggong_projections::hiring_ledger::{HireRow, HiringLedger};
use linggong_projections::insured::{Insured, InsuredRow};
use linggong_projections::morning_board::{Board, MorningBoard};
use linggong_projections::open_postings::{OpenPostings, PostingRow};
use linggong_projections::refold;
use linggong_projections::wage_protection_board::{WageProtectionBoard, WageRow};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::values::Form;

/// Why a view does not answer.
#[derive(Debug, Error)]
pub enum ViewError {
    /// No such view, or it knows nothing of this kind of thing.
    #[error("no view `{view}` that could be asked about a {kind}")]
    Unknown {
        /// The view.
        view: String,
        /// The kind of thing.
        kind: Kind,
    },
    /// An event cannot be read back.
    #[error("an event cannot be read back")]
    Event(#[from] EnvelopeError),
    /// The fold failed.
    #[error("the view cannot be read")]
    Store(#[from] StoreError),
    /// The row cannot be written down.
    #[error("the row cannot be written down")]
    Row(#[from] serde_json::Error),
}

/// The row of `view` about `entity`, with its form; of the board, the one of `date`.
pub fn ask(
    view: &str,
    entity: EntityRef,
    date: Date,
    commits: &[Commit],
) -> Result<(Form, Option<Value>), ViewError> {
    let events: Result<Vec<Recorded>, EnvelopeError> = commits.iter().flat_map(Commit::events).collect();
    let (events, id) = (events?, entity.id);
    match (view, entity.kind) {
        ("hiring_ledger", Kind::Hire) => {
            answer::<HireRow>(refold::<HiringLedger>(&events).hire(HireId(id))?.value.as_ref())
        }
        ("open_postings", Kind::Posting) => {
            answer::<PostingRow>(refold::<OpenPostings>(&events).posting(PostingId(id))?.value.as_ref())
        }
        ("wage_protection_board", Kind::Wage) => {
            answer::<WageRow>(refold::<WageProtectionBoard>(&events).wage(WageId(id))?.value.as_ref())
        }
        ("insured", Kind::Hire) => {
            answer::<InsuredRow>(refold::<Insured>(&events).hire(HireId(id))?.value.as_ref())
        }
        ("case_history", Kind::Claim) => {
            answer::<ClaimHistory>(refold::<CaseHistories>(&events).claim(ClaimId(id))?.value.as_ref())
        }
        ("case_history", Kind::Case) => {
            answer::<CaseHistory>(refold::<CaseHistories>(&events).case(CaseId(id))?.value.as_ref())
        }
        ("morning_board", Kind::Market) => {
            let board = refold::<MorningBoard>(&events).board(MarketId(id), date)?;
            answer::<Board>(Some(&board.value))
        }
        (_, kind) => Err(ViewError::Unknown { view: view.to_owned(), kind }),
    }
}

fn answer<R: Serialize + JsonSchema>(row: Option<&R>) -> Result<(Form, Option<Value>), ViewError> {
    let value = row.map(serde_json::to_value).transpose()?;
    Ok((Form::of(R::json_schema), value))
}
