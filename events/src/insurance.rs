//! 保险: one cover of one worker. A fee to market, agency or employer cannot be expressed here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{EmployerId, HireId, InsuranceId, WorkerId};
use crate::identity::OrgCode;
use crate::measure::Fen;
use crate::time::Timestamp;

/// Who pays the premium, always to the insurer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PremiumPayer {
    /// The employer.
    Employer,
    /// The worker, with consent, directly to the insurer.
    Worker,
    /// A public subsidy.
    Subsidy,
}

/// Why an insurer declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverRejection {
    /// 超出承保工种.
    Occupation,
    /// 超龄.
    Age,
    /// 投保过晚.
    TooLate,
    /// 资料不全.
    Papers,
    /// 其他.
    Other,
}

/// Why a cover ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverEnd {
    /// 退保.
    Cancelled,
    /// 未缴保费.
    PremiumUnpaid,
    /// 其他.
    Other,
}

events! {
    /// What happens to a cover.
    InsuranceEvent: Insurance {
        /// Cover will be looked at so many minutes before each shift of the hire.
        CheckPlanned = "check_planned", 1, Never => {
            insurance: InsuranceId, hire: HireId, worker: WorkerId, employer: EmployerId, lead_minutes: u16,
        }
        /// Cover was asked for.
        Applied = "applied", 1, To(Si) => {
            insurance: InsuranceId, hire: HireId, worker: WorkerId, employer: EmployerId, insurer: String, product: String,
            premium: Fen, payer: PremiumPayer,
        } + optional {
            /// By which the insurer answers under its own credential; without it a desk enters the answer.
            insurer_code: OrgCode,
        }
        /// The insurer confirmed it.
        Confirmed = "confirmed", 1, To(Si) => {
            insurance: InsuranceId, hire: HireId, worker: WorkerId, policy: String,
            effective_from: Timestamp, effective_until: Timestamp,
        } + optional { insurer_code: OrgCode }
        /// The insurer declined.
        Rejected = "rejected", 1, To(Si) => { insurance: InsuranceId, hire: HireId, worker: WorkerId, reason: CoverRejection } + optional { insurer_code: OrgCode }
        /// The worker does not want this cover; 工伤保险 is never waived by it.
        RefusedByWorker = "refused_by_worker", 1, To(Si) => { insurance: InsuranceId, hire: HireId, worker: WorkerId }
        /// The cover ended before its time.
        Ended = "ended", 1, To(Si) => { insurance: InsuranceId, hire: HireId, worker: WorkerId, at: Timestamp, reason: CoverEnd } + optional { insurer_code: OrgCode }
        /// A shift begins soon and no cover is in force for it.
        GapAlarmed = "gap_alarmed", 1, To(Hrss) => {
            insurance: InsuranceId, hire: HireId, worker: WorkerId, employer: EmployerId, shift_start: Timestamp,
        } + optional {
            /// When a cover that is on its way begins.
            covered_from: Timestamp,
        }
    }
}
