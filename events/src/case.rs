//! 案件: what an office does about claims, with its deadlines.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claim::Track;
use crate::event::events;
use crate::evidence::EvidenceDigest;
use crate::id::{ActorId, CaseId, ClaimId, EmployerId, EventId, OfficeId, WorkerId};
use crate::measure::Fen;
use crate::rules::DeadlineTrace;
use crate::time::{Date, Timestamp};

/// A deadline of a case, by the row of the rule pack that sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// What sets it: a row of the rule pack, such as `sup.investigate`.
    pub rule: DeadlineOf,
    /// The last day.
    pub last_day: Date,
    /// The working day before it where the period is one of natural days: the date to be safe by.
    pub safe_day: Date,
    /// How it was computed.
    pub trace: DeadlineTrace,
}

/// What sets a deadline of a case; written as one word, such as `sup.investigate` or `settlement:<claim>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum DeadlineOf {
    /// A row of the rule pack.
    Row(String),
    /// The date that a document sets, by its number.
    Document(String),
    /// The day by which the claimant is to supply what a claim lacks.
    Supplement(ClaimId),
    /// The day by which the terms agreed on for a claim are to be paid: it outlives a case closed as settled.
    Settlement(ClaimId),
}

impl DeadlineOf {
    const DOCUMENT: &str = "document:";
    const SUPPLEMENT: &str = "supplement:";
    const SETTLEMENT: &str = "settlement:";

    /// The claim that it is about, where it is about one.
    pub fn claim(&self) -> Option<ClaimId> {
        match self {
            DeadlineOf::Supplement(claim) | DeadlineOf::Settlement(claim) => Some(*claim),
            DeadlineOf::Row(_) | DeadlineOf::Document(_) => None,
        }
    }

    /// Whether an officer sets the day, as no rule and no party does.
    pub fn is_of_officer(&self) -> bool {
        match self {
            DeadlineOf::Document(_) | DeadlineOf::Supplement(_) => true,
            DeadlineOf::Row(_) | DeadlineOf::Settlement(_) => false,
        }
    }
}

impl fmt::Display for DeadlineOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadlineOf::Row(row) => f.write_str(row),
            DeadlineOf::Document(number) => write!(f, "{}{number}", Self::DOCUMENT),
            DeadlineOf::Supplement(claim) => write!(f, "{}{}", Self::SUPPLEMENT, claim.0),
            DeadlineOf::Settlement(claim) => write!(f, "{}{}", Self::SETTLEMENT, claim.0),
        }
    }
}

impl From<String> for DeadlineOf {
    /// What is written in no other way is a row, so that every text reads back as it was.
    fn from(text: String) -> DeadlineOf {
        let claim = |of: &str| uuid::Uuid::try_parse(text.strip_prefix(of)?).ok().map(ClaimId);
        let settlement = || claim(Self::SETTLEMENT).map(DeadlineOf::Settlement);
        let supplement = || claim(Self::SUPPLEMENT).map(DeadlineOf::Supplement);
        let document = || text.strip_prefix(Self::DOCUMENT).map(|it| DeadlineOf::Document(it.to_owned()));
        let found = settlement().or_else(supplement).or_else(document);
        found.filter(|it| it.to_string() == text).unwrap_or(DeadlineOf::Row(text))
    }
}

impl From<&str> for DeadlineOf {
    fn from(text: &str) -> DeadlineOf {
        text.to_owned().into()
    }
}

impl From<DeadlineOf> for String {
    fn from(it: DeadlineOf) -> String {
        it.to_string()
    }
}

/// How a document was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceMode {
    /// 直接送达.
    Direct,
    /// 留置送达.
    Left,
    /// 邮寄送达.
    Post,
    /// 公告送达.
    PublicNotice,
}

/// The paper an agreement is written on; their force differs (domain.md §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettlementPaper {
    /// 和解: a market desk's paper.
    DeskSettlement,
    /// 调解协议 of a body of 调解仲裁法 10.
    MediationAgreement,
    /// 仲裁调解书.
    ArbitrationMediation,
}

/// Why agreed terms are more than what is outstanding of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// 加付赔偿金.
    Compensation,
    /// 利息.
    Interest,
    /// 另含未在本件请求中的工钱.
    OtherWages,
    /// 工钱以外的费用, 如医药费、路费.
    Expenses,
}

/// How a case was concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// 已支付.
    Paid,
    /// 调解结案.
    Settled,
    /// 撤回.
    Withdrawn,
    /// 移送.
    Transferred,
    /// 查无实据: an officer's finding with a reason.
    Unfounded,
}

events! {
    /// What happens to a case.
    CaseEvent: Case {
        /// 受理: the office takes it on.
        Accepted = "accepted", 1, Never => {
            case: CaseId, claims: Vec<ClaimId>, worker: WorkerId, employer: EmployerId, office: OfficeId, number: String,
            track: Track, deadlines: Vec<Deadline>,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        }
        /// 不予受理, in writing and with the reason.
        Refused = "refused", 1, Never => {
            case: CaseId, claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, number: String, reason: String,
        }
        /// 补正: something is missing.
        SupplementAsked = "supplement_asked", 1, Never => {
            case: CaseId, claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, missing: String, due: Date,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        }
        /// 已补正: what was missing was supplied; the office's answer is awaited again.
        Supplemented = "supplemented", 1, Never => {
            case: CaseId, claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, supplied: String,
            /// On which day the office received it.
            received: Date,
        } + optional {
            /// Until when the office is to answer: anew from that day where the row counts from a supplement.
            answer_by: Deadline,
        }
        /// 告知他处 (监察条例 21 ¶2 and others).
        DirectedElsewhere = "directed_elsewhere", 1, Never => {
            case: CaseId, claim: ClaimId, worker: WorkerId, employer: EmployerId, office: OfficeId, to: String, reason: String,
        }
        /// Somebody asked for 立案; a second officer must approve.
        FilingProposed = "filing_proposed", 1, Never => { case: CaseId, reason: String }
        /// 立案.
        Filed = "filed", 1, Never => {
            case: CaseId, number: String, deadlines: Vec<Deadline>, proposed_by: ActorId,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        }
        /// The officer who answers for it.
        Assigned = "assigned", 1, Never => { case: CaseId, officer: ActorId, reason: String }
        /// A document went out; its own date is a deadline too.
        DocumentIssued = "document_issued", 1, Never => {
            case: CaseId, document: String, number: String, digest: EvidenceDigest, served: ServiceMode, served_at: Timestamp,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        } + optional { due: Date }
        /// A longer period was approved, by whom and why.
        Extended = "extended", 1, Never => {
            case: CaseId,
            /// The longer period, under the row of the one it replaces.
            deadline: Deadline,
            supersedes: Date, reason: String, approved_by: ActorId,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        }
        /// A calendar was adopted after the period was counted: what it comes to by that one, and by the same row.
        DeadlineRecounted = "deadline_recounted", 1, Never => {
            case: CaseId,
            /// The period as it is from now on, under the row of the one it replaces.
            deadline: Deadline,
            supersedes: Date,
            /// So many days before a last day the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        } + optional {
            /// What the count came to, where that day had passed already: the day that was told stays.
            had_passed: Date,
        }
        /// What the deadline was for has been done in time.
        DeadlineMet = "deadline_met", 1, Never => { case: CaseId, rule: DeadlineOf, last_day: Date } + optional {
            /// Whose terms, where it is the day of agreed ones.
            claim: ClaimId,
        }
        /// A deadline comes near.
        DeadlineWarned = "deadline_warned", 1, Never => { case: CaseId, rule: DeadlineOf, last_day: Date } + optional {
            /// Whose terms, where it is the day of agreed ones.
            claim: ClaimId,
        }
        /// A deadline passed; this opens a right, it never closes a case.
        DeadlineLapsed = "deadline_lapsed", 1, Never => { case: CaseId, rule: DeadlineOf, last_day: Date } + optional {
            /// Whose terms, where it is the day of agreed ones.
            claim: ClaimId,
            /// What of them was not paid by then.
            unpaid: Fen,
        }
        /// 调解 reached terms; each claimant's own consent and amount.
        Mediated = "mediated", 1, Never => {
            case: CaseId, claim: ClaimId, worker: WorkerId, employer: EmployerId, amount: Fen, pay_by: Date, paper: SettlementPaper,
            document: EvidenceDigest,
            /// So many days before `pay_by` the officer is warned, the farthest first.
            warn_days: Vec<u16>,
        } + optional {
            /// Why it is more than what was outstanding; absent where it is not.
            excess: Excess,
        }
        /// 调解不成.
        MediationFailed = "mediation_failed", 1, Never => { case: CaseId, reason: String }
        /// What the case is about has been paid, in part or whole.
        PaymentSeen = "payment_seen", 1, Never => { case: CaseId, claim: ClaimId, amount: Fen, outstanding: Fen }
        /// 结案.
        Closed = "closed", 1, Never => { case: CaseId, conclusion: Conclusion, reason: String, outstanding: Fen }
        /// Somebody asked to take it up again; a second officer must agree.
        ReopenProposed = "reopen_proposed", 1, Never => { case: CaseId, reason: String }
        /// It is open again.
        Reopened = "reopened", 1, Never => { case: CaseId, reason: String, proposed_by: ActorId }
        /// An earlier entry was wrong; the text before stays readable.
        Corrected = "corrected", 1, Never => { case: CaseId, corrects: EventId, was: String, is: String, reason: String }
    }
}
