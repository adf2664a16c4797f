//! 工钱: due, paid, contradicted, overdue. Money changes only by events; every event carries what is left.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::evidence::EvidenceDigest;
use crate::id::{AttendanceId, CaseId, EmployerId, EventId, HireId, OfficeId, WageId, WorkerId};
use crate::measure::Fen;
use crate::rules::DeadlineTrace;
use crate::time::{Date, Timestamp};

/// What the amount follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WageBasis {
    /// Both sides' attendance, or one that nobody contradicts.
    Attendance,
    /// The employer's wage sheet.
    WageSheet,
    /// The worker's assertion.
    WorkerAssertion,
    /// The terms of the hire, since nobody signed out.
    HireTerms,
}

/// How somebody was paid (条例 11: in money, to the worker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayMeans {
    /// 银行转账 to the worker's own account.
    Bank,
    /// 现金 against signature.
    Cash,
    /// 电子钱包.
    EWallet,
}

/// To whom money went that should have gone to the worker; a word for the relation, never a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThirdParty {
    /// 包工头.
    Foreman,
    /// 班组长.
    CrewLeader,
    /// 中介或派遣单位.
    Agency,
    /// 亲友.
    Relative,
    /// 其他.
    Other,
}

/// How a demand was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DemandMeans {
    /// 当面.
    InPerson,
    /// 电话.
    Phone,
    /// 短信或微信.
    Message,
    /// 书面.
    Letter,
}

events! {
    /// What happens to a wage.
    WageEvent: Wage {
        /// The wage is payable.
        Due = "due", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, amount: Fen, outstanding: Fen,
            basis: WageBasis,
            /// The work date that it pays; for a task the date of completion.
            date: Date,
            /// Payable up to and including this date.
            due_on: Date,
            trace: DeadlineTrace,
        }
        /// Nobody signed out by noon of the next day: due by the terms, and somebody must ask the worker.
        PresumedDue = "presumed_due", 1, Never => {
            wage: WageId,
            /// The shift that nobody signed out of.
            attendance: AttendanceId,
            hire: HireId, worker: WorkerId, employer: EmployerId, amount: Fen, outstanding: Fen, date: Date, due_on: Date,
            trace: DeadlineTrace,
        }
        /// The amount was found to be another; what was paid stays paid.
        Adjusted = "adjusted", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, amount: Fen, outstanding: Fen,
            basis: WageBasis, reason: String,
        }
        /// Money reached the worker.
        Paid = "paid", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, amount: Fen, outstanding: Fen,
            means: PayMeans, at: Timestamp,
            /// `sha256:…` of the slip, sheet or screenshot in the vault.
            evidence: EvidenceDigest,
        } + optional {
            /// `sha256:…` of the paper with the worker's own signature or thumb print, which a desk has seen.
            signature: EvidenceDigest,
        }
        /// Money went to somebody else (a foreman); it does not discharge.
        PaidToThird = "paid_to_third", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, amount: Fen, outstanding: Fen,
            to: ThirdParty, at: Timestamp,
        } + optional { to_employer: EmployerId, evidence: EvidenceDigest }
        /// The worker says the money came: a word against one's own interest, so it counts as paid.
        ReceiptConfirmed = "receipt_confirmed", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId,
            /// What the worker has received for this wage in all.
            amount: Fen,
            outstanding: Fen,
            /// What of the recorded payments the worker still says never came.
            disputed: Fen,
        }
        /// 付款有争议: the worker says that less of a recorded payment came, or nothing. Both words stand; what counts
        /// as paid meanwhile follows from who has to prove it (条例 15, 50; 调解仲裁法 6).
        PaymentContradicted = "payment_contradicted", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId,
            /// The event that recorded the payment.
            payment: EventId,
            /// What was recorded.
            recorded: Fen,
            /// What came of it, as the worker says.
            received: Fen,
            /// What of it counts as paid until the two agree or an officer finds: what the worker says, unless the worker
            /// has signed for it.
            counted: Fen,
            outstanding: Fen,
            /// What of the recorded payments the worker says never came, this one included.
            disputed: Fen,
        } + optional { evidence: EvidenceDigest }
        /// 核定已付: an officer found how much has been paid for this wage in all; the finding stands above either word.
        PaymentDetermined = "payment_determined", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId,
            /// What has been paid by now, in all.
            paid: Fen,
            outstanding: Fen, disputed: Fen,
            /// The office that answers for the finding.
            authority: OfficeId,
            /// On what law and evidence it rests.
            basis: String,
        } + optional { case: CaseId, evidence: EvidenceDigest }
        /// The date passed with money outstanding; time alone makes this true.
        Overdue = "overdue", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, outstanding: Fen, due_on: Date,
        }
        /// 催告: payment was demanded (调解仲裁法 27 ¶2: whether it interrupts is not ours to say).
        Demanded = "demanded", 1, Never => {
            wage: WageId, worker: WorkerId, employer: EmployerId, amount: Fen, means: DemandMeans, by_mandate: bool,
        } + optional { proof: EvidenceDigest }
        /// 欠条: the employer signed that the money is owed (解释一 15: may be sued on directly).
        OwedNoteGiven = "owed_note_given", 1, Never => {
            wage: WageId, worker: WorkerId, employer: EmployerId, amount: Fen, evidence: EvidenceDigest,
        }
        /// An earlier entry was wrong; it points at what it corrects, and both stay readable.
        Corrected = "corrected", 1, Never => {
            wage: WageId, hire: HireId, worker: WorkerId, employer: EmployerId, corrects: EventId,
            /// The sum as it was written.
            was: Fen,
            /// The sum as it is right.
            is: Fen,
            /// What the wage comes to afterwards.
            amount: Fen,
            outstanding: Fen,
            /// What of the recorded payments the worker says never came.
            disputed: Fen,
            reason: String,
        }
    }
}
