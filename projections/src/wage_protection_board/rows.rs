//! What the board shows.

use linggong_events::employer::EmployerKind;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{CaseId, ClaimId, EmployerId, EventId, HireId, OfficeId, WageId, WorkerId};
use linggong_events::measure::{Fen, Position};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use linggong_events::wage::{DemandMeans, PayMeans, WageBasis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case_history::DeadlineState;
use crate::projection::Source;

/// One wage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageRow {
    /// The wage.
    pub wage: WageId,
    /// What it is for.
    pub hire: HireId,
    /// To whom it is owed.
    pub worker: WorkerId,
    /// Who owes it.
    pub employer: EmployerId,
    /// The employer's name, where it is an organisation.
    pub employer_name: Option<String>,
    /// The county of the place of work.
    pub region: Region,
    /// The whole amount.
    pub amount: Fen,
    /// What is left of it.
    pub outstanding: Fen,
    /// 有争议: what of the payments on record the worker says never came.
    pub disputed: Fen,
    /// What the amount follows from; absent where it was presumed by the terms of the hire.
    pub basis: Option<WageBasis>,
    /// Payable up to and including this date.
    pub due_on: Date,
    /// The rule that set the date, as cited.
    pub citation: String,
    /// Whether the date passed with money outstanding.
    pub went_overdue: bool,
    /// What calls for somebody's attention.
    pub warnings: Warnings,
    /// Money that reached the worker, the oldest first.
    pub payments: Vec<Payment>,
    /// Times that payment was demanded, the oldest first.
    pub demands: Vec<Demand>,
    /// Claims about it, the oldest first.
    pub claims: Vec<WageClaim>,
    /// Entries that were corrected.
    pub corrections: Vec<WageCorrection>,
    /// Its last event.
    pub position: Position,
}

/// What calls for attention on a wage; each is a fact of its own, so they stand side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warnings {
    /// Nobody signed out: due by the terms, and somebody must ask the worker.
    pub presumed_due: bool,
    /// Money went to somebody else, which does not discharge.
    pub paid_to_third: Fen,
    /// What the employer signed to owe.
    pub owed_note: Option<Fen>,
    /// What the worker says has come in all.
    pub receipt_confirmed: Option<Fen>,
    /// What an officer found to have been paid in all, which stands above what either side says.
    pub determined: Option<Determined>,
}

/// An officer's finding about what has been paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Determined {
    /// What has been paid in all.
    pub paid: Fen,
    /// The office that answers for it.
    pub authority: OfficeId,
    /// The event, with its basis.
    pub position: Position,
}

/// Money that is recorded as having reached the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The event that recorded it, which a contradiction names.
    pub event: EventId,
    /// How much.
    pub amount: Fen,
    /// How.
    pub means: PayMeans,
    /// When.
    pub at: Timestamp,
    /// The hash of what proves it.
    pub evidence: EvidenceDigest,
    /// The hash of the paper that the worker signed, where a desk has seen it.
    pub signature: Option<EvidenceDigest>,
    /// What was left after it.
    pub outstanding: Fen,
    /// The worker's newest word against it; it stays readable when the matter is settled.
    pub contradicted: Option<Contradiction>,
}

/// The worker's word against a payment on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// What came of it, as the worker says.
    pub received: Fen,
    /// What of it counts as paid meanwhile.
    pub counted: Fen,
    /// When the worker said so, as asserted.
    pub at: Timestamp,
    /// The hash of what the worker showed.
    pub evidence: Option<EvidenceDigest>,
}

/// A demand for payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Demand {
    /// How much.
    pub amount: Fen,
    /// How.
    pub means: DemandMeans,
    /// When.
    pub at: Timestamp,
    /// The hash of what proves it.
    pub proof: Option<EvidenceDigest>,
}

/// A claim about a wage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageClaim {
    /// The claim.
    pub claim: ClaimId,
    /// Whether it is neither closed nor withdrawn.
    pub pending: bool,
    /// What was agreed on it last.
    pub agreed: Option<Agreed>,
}

/// Terms that the parties agreed on for a claim, and whether they were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agreed {
    /// The case that mediated.
    pub case: CaseId,
    /// How much is to be paid.
    pub amount: Fen,
    /// Up to and including this day.
    pub pay_by: Date,
    /// Whether payment is awaited, came, or did not come in time.
    pub state: DeadlineState,
    /// What had not been paid when the day passed.
    pub unpaid: Option<Fen>,
}

/// A correction of an earlier entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WageCorrection {
    /// The entry that was wrong.
    pub corrects: EventId,
    /// Why.
    pub reason: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl WageRow {
    /// What a refold of this row needs.
    pub fn sources(&self) -> Vec<Source> {
        let own = [Source::Touching(self.wage.into()), Source::Own(self.employer.into())];
        let claims = self.claims.iter().map(|it| Source::Own(it.claim.into()));
        let cases = self.claims.iter().filter_map(|it| Some(Source::Own(it.agreed?.case.into())));
        own.into_iter().chain(claims).chain(cases).collect()
    }

    /// How old the debt is on `today`.
    pub fn bucket(&self, today: Date) -> Bucket {
        Bucket::of(self.due_on, today)
    }
}

/// How old a debt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// 未到期.
    NotDue,
    /// 今日到期.
    DueToday,
    /// 逾期 1–7 日.
    #[serde(rename = "overdue_1_7")]
    Overdue1To7,
    /// 逾期 8–30 日.
    #[serde(rename = "overdue_8_30")]
    Overdue8To30,
    /// 逾期 30 日以上.
    #[serde(rename = "overdue_over_30")]
    OverdueOver30,
}

impl Bucket {
    /// Every bucket, the youngest first.
    pub const ALL: [Bucket; 5] =
        [Bucket::NotDue, Bucket::DueToday, Bucket::Overdue1To7, Bucket::Overdue8To30, Bucket::OverdueOver30];

    /// The bucket on `today` of what is payable up to and including `due_on`.
    pub fn of(due_on: Date, today: Date) -> Bucket {
        match today.days() - due_on.days() {
            ..0 => Bucket::NotDue,
            0 => Bucket::DueToday,
            1..=7 => Bucket::Overdue1To7,
            8..=30 => Bucket::Overdue8To30,
            31.. => Bucket::OverdueOver30,
        }
    }
}

/// A wage with its age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgedWage {
    /// How old the debt is on the day asked for.
    pub bucket: Bucket,
    /// The wage.
    #[serde(flatten)]
    pub wage: WageRow,
}

/// Wages of one age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ageing {
    /// The age.
    pub bucket: Bucket,
    /// How many wages.
    pub wages: u32,
    /// What is outstanding of them.
    pub outstanding: Fen,
}

/// What is owed in a division, by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RegionArrears {
    /// The county.
    pub region: Region,
    /// What is outstanding.
    pub outstanding: Fen,
    /// By age, every bucket once.
    pub ageing: Vec<Ageing>,
}

/// What is owed to a worker, by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkerArrears {
    /// The worker.
    pub worker: WorkerId,
    /// What is outstanding.
    pub outstanding: Fen,
    /// By age, every bucket once.
    pub ageing: Vec<Ageing>,
}

/// What calls for attention, as a list is added up by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// 无人签退, 按约定计: somebody must ask the worker.
    PresumedDue,
    /// 付给了他人.
    PaidToThird,
    /// 打了欠条.
    OwedNote,
    /// 双方说法不一.
    Disputed,
    /// 有未办结的欠薪反映.
    Claimed,
    /// 约定付款日已过.
    AgreementBroken,
}

impl Warning {
    /// Every warning.
    pub const ALL: [Warning; 6] = [
        Warning::PresumedDue,
        Warning::PaidToThird,
        Warning::OwedNote,
        Warning::Disputed,
        Warning::Claimed,
        Warning::AgreementBroken,
    ];

    /// Whether it stands on a wage.
    pub fn is_on(self, row: &WageRow) -> bool {
        match self {
            Warning::PresumedDue => row.warnings.presumed_due,
            Warning::PaidToThird => row.warnings.paid_to_third > Fen::ZERO,
            Warning::OwedNote => row.warnings.owed_note.is_some(),
            Warning::Disputed => row.disputed > Fen::ZERO,
            Warning::Claimed => row.claims.iter().any(|it| it.pending),
            Warning::AgreementBroken => {
                let broken = |it: &Agreed| it.state == DeadlineState::Lapsed;
                row.claims.iter().any(|it| it.agreed.as_ref().is_some_and(broken))
            }
        }
    }
}

/// The wages on which a warning stands; one wage may stand under several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WarningSum {
    /// What calls for attention.
    pub warning: Warning,
    /// How many wages.
    pub wages: u64,
    /// What is outstanding on them.
    pub outstanding: Fen,
}

/// An employer's wages, all together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmployerArrears {
    /// The employer.
    pub employer: EmployerId,
    /// Its name, where it is an organisation.
    pub name: Option<String>,
    /// What it is.
    pub employer_kind: Option<EmployerKind>,
    /// Every wage there ever was.
    pub wages: u32,
    /// Wages with money outstanding.
    pub open_wages: u32,
    /// What is outstanding.
    pub outstanding: Fen,
    /// What workers say never came of the payments on record.
    pub disputed: Fen,
    /// How many wages ever went past their date: more than one is a repeated offender.
    pub went_overdue: u32,
    /// Claims that are not closed, also those about wages that are not on the books.
    pub pending_claims: u32,
    /// Claims there ever were.
    pub claims: u32,
}
