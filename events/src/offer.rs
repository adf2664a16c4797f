//! 派工: one place held open for one worker; ends exactly once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{MatchId, OfferId, PostingId, WorkerId};
use crate::posting::FillMode;
use crate::time::Timestamp;

/// Why an offer was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawReason {
    /// Every place was taken meanwhile.
    Filled,
    /// The posting was withdrawn or changed.
    PostingEnded,
    /// The worker was hired elsewhere in the same minutes.
    WorkerHired,
    /// The desk decided so.
    Desk,
}

events! {
    /// What happens to an offer.
    OfferEvent: Offer {
        /// A place is held until `expires`.
        Made = "made", 1, Never => {
            offer: OfferId, posting: PostingId, worker: WorkerId, mode: FillMode, expires: Timestamp,
        } + optional {
            /// The matching run that proposed it.
            proposed_by: MatchId,
            /// Why the desk chose otherwise than proposed.
            override_reason: String,
        }
        /// 接单.
        Accepted = "accepted", 1, Never => { offer: OfferId, posting: PostingId, worker: WorkerId }
        /// 拒单.
        Declined = "declined", 1, Never => { offer: OfferId, posting: PostingId, worker: WorkerId } + optional { reason: String }
        /// Nobody answered in time.
        Expired = "expired", 1, Never => { offer: OfferId, posting: PostingId, worker: WorkerId }
        /// It was taken back.
        Withdrawn = "withdrawn", 1, Never => {
            offer: OfferId, posting: PostingId, worker: WorkerId, reason: WithdrawReason,
        }
    }
}
