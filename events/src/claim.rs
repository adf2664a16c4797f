//! 欠薪反映: registered at a desk, referred to the office that may accept it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::Deadline;
use crate::event::events;
use crate::evidence::EvidenceDigest;
use crate::id::{CaseId, ClaimId, EmployerId, HireId, OfficeId, WageId, WorkerId};
use crate::measure::Fen;
use crate::person::SealedText;
use crate::region::Region;
use crate::rules::DeadlineTrace;
use crate::time::{Date, Timestamp};

/// Where a matter can go; relation kind and employer kind route it, an officer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// 劳动保障监察.
    Supervision,
    /// 劳动人事争议仲裁.
    Arbitration,
    /// 调解.
    Mediation,
    /// 民事诉讼 / 支付令: a household or a contract for work.
    Civil,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimItem {
    /// The wage, where it is on the books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wage: Option<WageId>,
    /// The hire, where it is on the books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hire: Option<HireId>,
    /// How much, in fen, as claimed.
    pub amount: Fen,
    /// First day of the work not paid.
    pub from: Date,
    /// Last day of the work not paid.
    pub until: Date,
}

/// A reference of another system about the same matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalRef {
    /// 欠薪平台, 12345, 信访 …
    pub system: String,
    /// Its number there.
    pub number: String,
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    /// Paid in full.
    Paid,
    /// Settled for another amount.
    Settled,
    /// Taken back by the claimant.
    Withdrawn,
    /// Shown the way to another authority or court.
    DirectedElsewhere,
    /// Not accepted, with the reason on file.
    NotAccepted,
}

events! {
    /// What happens to a claim.
    ClaimEvent: Claim {
        /// 登记: a right-holder asked for relief; the receipt proves when and about whom.
        Registered = "registered", 1, Never => {
            claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, items: Vec<ClaimItem>, total: Fen,
            /// What decides "in time".
            filed_at: Timestamp,
            /// What of the payments on record for these wages the worker says never came.
            disputed: Fen,
            /// The track that relation and employer kind suggest.
            suggested_track: Track,
            receipt_text: String,
        } + optional {
            /// Filing plus one year: a date to be safe by; whether the period was interrupted is for the tribunal.
            /// Absent where no adopted pack has the row: a claim is taken all the same.
            safe_date: Date,
            /// How the safe date was computed.
            safe_trace: DeadlineTrace,
            /// By when the office is to answer, as computed; absent where no adopted pack has the row.
            answer_by: Deadline,
            statement: SealedText, external: ExternalRef,
            /// `sha256:…` of the mandate (授权委托书) in the vault, where somebody else registered it.
            mandate: EvidenceDigest,
        }
        /// The same wage is claimed elsewhere; an officer looks.
        DuplicateSuspected = "duplicate_suspected", 1, Never => { claim: ClaimId, other: ClaimId }
        /// Belongs to the same matter as another.
        Linked = "linked", 1, Never => { claim: ClaimId, other: ClaimId, reason: String }
        /// Evidence is in the vault under its hash.
        EvidenceAdded = "evidence_added", 1, Never => {
            claim: ClaimId, digest: EvidenceDigest, media_type: String, bytes: u64, label: String,
        }
        /// 转办: sent to the office that may accept it.
        Referred = "referred", 1, Never => {
            claim: ClaimId, from: OfficeId, to: OfficeId,
            /// The county that it leaves, which still reads where it went.
            from_region: Region,
            /// The county whose claim it is from now on.
            to_region: Region, reason: String,
        } + optional {
            /// By when the next office is to answer.
            answer_by: Deadline,
        }
        /// A calendar was adopted after the day of the answer was counted: what it comes to by that one.
        AnswerRecounted = "answer_recounted", 1, Never => {
            claim: ClaimId,
            /// Until when the office is to answer from now on.
            answer_by: Deadline,
            supersedes: Date,
        } + optional {
            /// What the count came to, where that day had passed already: the day that was told stays.
            had_passed: Date,
        }
        /// 逾期未答复: the office that holds it neither accepted nor refused it in time; the way to a court may be open.
        Unanswered = "unanswered", 1, Never => {
            claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, rule: String, last_day: Date,
        }
        /// What is left of it changed, or what is disputed, as seen on the wage itself.
        AmountChanged = "amount_changed", 1, Never => {
            claim: ClaimId, wage: WageId, total: Fen, outstanding: Fen, disputed: Fen,
        }
        /// 撤回.
        Withdrawn = "withdrawn", 1, Never => { claim: ClaimId, worker: WorkerId, reason: String }
        /// It is done.
        Closed = "closed", 1, Never => { claim: ClaimId, outcome: ClaimOutcome, outstanding: Fen } + optional { case: CaseId }
        /// 回访 after the end.
        FollowedUp = "followed_up", 1, Never => { claim: ClaimId, worker: WorkerId, satisfied: bool } + optional { note: SealedText }
    }
}
