//! 用工: one worker engaged for one posting. These events are enough to act on without calling back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::employer::EmployerKind;
use crate::event::events;
use crate::evidence::EvidenceDigest;
use crate::id::{EmployerId, HireId, OfferId, PostingId, WorkerId};
use crate::identity::OrgCode;
use crate::occupation::Occupation;
use crate::person::SealedText;
use crate::posting::{FillMode, PayTerms, RelationKind};
use crate::region::Region;
use crate::time::{Date, Shift, Timestamp};

/// What is decided about cover at the moment of hiring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InsuranceDecision {
    /// The employer insures.
    ByEmployer,
    /// The worker insures with consent, paying the insurer directly.
    ByWorker,
    /// The worker refused; work-injury law stays as it is.
    RefusedByWorker,
    /// Still to be decided before the first shift.
    Open,
}

/// Everything a subscriber needs to act on a hire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HireTerms {
    /// What was posted.
    pub posting: PostingId,
    /// Who works.
    pub worker: WorkerId,
    /// Keyed hashes of the worker's identity document, each under the key of one department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_tokens: Option<std::collections::BTreeMap<String, String>>,
    /// Who hires.
    pub employer: EmployerId,
    /// The employer's 统一社会信用代码, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employer_code: Option<OrgCode>,
    /// What the employer is.
    pub employer_kind: EmployerKind,
    /// The county of the employer's seat.
    pub employer_seat: Region,
    /// The county of the place of work.
    pub region: Region,
    /// The trade.
    pub occupation: Occupation,
    /// When.
    pub shifts: Vec<Shift>,
    /// What is paid.
    pub pay: PayTerms,
    /// The relation as presumed.
    pub relation: RelationKind,
    /// By which signs.
    pub relation_basis: String,
    /// What was decided about cover.
    pub insurance: InsuranceDecision,
}

/// How long an office waits for somebody to sign out: its own choice, as it was when the hire was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Presumed {
    /// So many days after the end of the shift …
    pub after_days: u8,
    /// … at this minute of the day.
    pub at_minute: u16,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssertedBy {
    /// The worker.
    Worker,
    /// The employer.
    Employer,
    /// 班组长: neither side; the word of a crew leader stands beside both.
    CrewLeader,
    /// A gate or other device.
    Gate,
    /// An officer at the desk.
    Desk,
    /// Nobody: presumed by the terms.
    Presumed,
}

impl AssertedBy {
    /// Whether who speaks pays the wage, or may: such a word can add to what a worker is owed, never take from it alone.
    pub const fn may_owe(self) -> bool {
        match self {
            AssertedBy::Employer | AssertedBy::CrewLeader => true,
            AssertedBy::Worker | AssertedBy::Gate | AssertedBy::Desk | AssertedBy::Presumed => false,
        }
    }
}

/// Why a hire that had not started will not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// 下雨停工.
    Weather,
    /// 用人主体取消.
    Employer,
    /// 零工取消.
    Worker,
    /// 岗位撤回.
    PostingWithdrawn,
}

/// Why the terms of a hire changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReason {
    /// 双方商定.
    Agreed,
    /// 工作量有变.
    WorkChanged,
    /// 登记有误.
    TypingError,
    /// 保险决定.
    Insurance,
}

/// On which basis an engagement is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndBasis {
    /// 活干完了.
    WorkDone,
    /// 用人方停工.
    StoppedByEmployer,
    /// 零工离开.
    LeftByWorker,
    /// 末班签退.
    LastSignOut,
    /// 末班已过, 到次日无人另报, 推定下工.
    Presumed,
}

events! {
    /// What happens to a hire. Whatever a department may read states the hire completely, as it is then.
    HireEvent: Hire {
        /// The two sides are agreed.
        Agreed = "agreed", 1, To(Hrss, Si) => {
            hire: HireId,
            /// Counts the complete statements of this hire's terms, from 1.
            revision: u32,
            terms: HireTerms, mode: FillMode,
            /// When a shift of which nobody tells is presumed to have been worked.
            presumed: Presumed,
        } + optional { offer: OfferId }
        /// 用工协议 signed; the text's hash and template are on file.
        AgreementSigned = "agreement_signed", 1, To(Hrss) => {
            hire: HireId, revision: u32, terms: HireTerms, template: String, document: EvidenceDigest,
        } + optional { supersedes: u32 }
        /// 上工.
        Started = "started", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, at: Timestamp, asserted_by: AssertedBy,
        } + optional { supersedes: u32 }
        /// The terms as they are from now on.
        Changed = "changed", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, reason: ChangeReason,
            /// The revision that this one replaced.
            supersedes: u32,
        }
        /// The place of work moved to another county: told under the old one.
        Withdrawn = "withdrawn", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, moved_to: Region,
        } + optional { supersedes: u32 }
        /// It will not take place.
        Cancelled = "cancelled", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, reason: CancelReason,
        } + optional { supersedes: u32, note: SealedText }
        /// 爽约: the worker did not come.
        NoShow = "no_show", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, asserted_by: AssertedBy,
        } + optional { supersedes: u32 }
        /// 到了没活: the worker came and was sent home.
        SentHome = "sent_home", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, at: Timestamp, asserted_by: AssertedBy,
        } + optional { supersedes: u32 }
        /// 换人: somebody else works instead, under a hire of their own.
        Replaced = "replaced", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, by: HireId,
        } + optional { supersedes: u32 }
        /// 下工 for good: the engagement ended on that date.
        Ended = "ended", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, date: Date, basis: EndBasis, asserted_by: AssertedBy,
        } + optional { supersedes: u32 }
        /// The engagement ended on that date and not on the one that was told before; both stay readable.
        EndCorrected = "end_corrected", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms,
            /// The date as it was told before.
            was: Date,
            date: Date, basis: EndBasis, asserted_by: AssertedBy,
            /// The revision that this one replaced.
            supersedes: u32,
        }
        /// 回访: what the worker said when asked afterwards.
        FollowedUp = "followed_up", 1, Never => {
            hire: HireId, worker: WorkerId, employer: EmployerId, worked: bool, paid: bool,
        } + optional { note: SealedText }
        /// 受伤: somebody says the worker was hurt at work; clocks of 工伤保险条例 17 may run.
        InjuryReported = "injury_reported", 1, To(Hrss, Si) => {
            hire: HireId, revision: u32, terms: HireTerms, at: Timestamp, asserted_by: AssertedBy,
            /// Whether a confirmed cover was in force at that minute.
            covered: bool,
        } + optional { supersedes: u32, note: SealedText }
    }
}

#[cfg(test)]
mod tests {
    use schemars::SchemaGenerator;

    use super::*;
    use crate::audience::Audience;

    #[test]
    fn whatever_a_department_reads_of_a_hire_states_it_completely() {
        let read = HireEvent::TYPES.iter().filter(|it| matches!(it.audience, Audience::Departments(_)));
        for event in read {
            let schema = (event.schema)(&mut SchemaGenerator::default());
            let required = schema.get("required").and_then(|it| it.as_array()).unwrap();
            for field in ["hire", "revision", "terms"] {
                assert!(required.iter().any(|it| it == field), "`{}` lacks `{field}`", event.short_name());
            }
        }
    }
}
