//! 岗位: work offered, its true fields, its review.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{EmployerId, MarketId, PostingId};
use crate::measure::Fen;
use crate::occupation::{CertificateKind, Occupation};
use crate::place::Point;
use crate::region::Region;
use crate::time::{Date, Shift};
use crate::worker::SkillLevel;

/// How pay is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayKind {
    /// 日结: per day.
    Day,
    /// 小时工: per hour.
    Hour,
    /// 计件: per piece of `unit` (斤, 袋, 件).
    Piece,
    /// 包活: for the whole task.
    Task,
}

/// When pay is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "when", deny_unknown_fields)]
pub enum PayDue {
    /// On completion of the work (工资支付暂行规定 8).
    OnCompletion {},
    /// On a civil date that was agreed.
    OnDate {
        /// That date.
        date: Date,
    },
    /// Within so many days after the work ended.
    WithinDays {
        /// Natural days.
        days: u16,
    },
}

/// What is paid, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PayTerms {
    /// How it is counted.
    pub pay_kind: PayKind,
    /// Fen per day, hour, piece or task.
    pub rate: Fen,
    /// What a piece is, for [`PayKind::Piece`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What a day's piece-work usually comes to, so that it can be compared with an expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_day: Option<Fen>,
    /// When it is due.
    pub due: PayDue,
}

/// What somebody must have to do the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// The least level in the posting's trade.
    pub level: SkillLevel,
    /// Certificates that must be valid on every day of every shift.
    pub certificates: Vec<CertificateKind>,
}

/// How places are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FillMode {
    /// 派工: the desk offers to the best.
    Dispatch,
    /// 抢单: who accepts first.
    Grab,
    /// 点工: the employer names workers.
    Named,
    /// 现场成交: struck on the spot.
    OnSite,
}

/// 用工关系, as presumed; a tribunal decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// 劳动关系 (全日制).
    FullTime,
    /// 以完成一定工作任务为期限的劳动合同 (劳动合同法 15).
    TaskContract,
    /// 非全日制 (劳动合同法 68).
    PartTime,
    /// 劳务派遣.
    Dispatched,
    /// 个人劳务.
    PersonalService,
    /// 承揽 (民法典 770).
    Contract,
    /// 共享用工.
    Shared,
    /// 超龄用工.
    OverAge,
}

/// The required true fields of a posting (人力资源市场暂行条例 24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostingTerms {
    /// Who hires.
    pub employer: EmployerId,
    /// The trade.
    pub occupation: Occupation,
    /// The work, in the words that are shown.
    pub text: String,
    /// The county of the place of work.
    pub region: Region,
    /// The place of work; in events, where that is a home, the middle of the cell in which it lies.
    pub place: Point,
    /// The place of work in words; in events, where that is a home, the county and township.
    pub address: String,
    /// When; each hire is for all of them.
    pub shifts: Vec<Shift>,
    /// How many people.
    pub headcount: u16,
    /// What is paid.
    pub pay: PayTerms,
    /// What is needed.
    pub requirements: Requirements,
    /// How places are filled.
    pub mode: FillMode,
    /// The market it is shown at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketId>,
}

/// Something in a posting that a rule blocks or sends to review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The row of the rule pack.
    pub rule: String,
    /// Its legal source.
    pub citation: String,
    /// The words it is about; empty where it is about a field.
    pub words: String,
}

/// Why a posting was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostingWithdrawal {
    /// 不需要了.
    NotNeeded,
    /// 已另找人.
    FilledElsewhere,
    /// 下雨停工.
    Weather,
    /// 内容有误.
    WronglyPosted,
    /// 其他.
    Other,
}

/// Why a reviewer let a posting pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalGround {
    /// 合法合规: nothing in it is against the law.
    Lawful,
    /// 家庭自用: a household is no 用人单位.
    HouseholdUse,
    /// 已核实: what was in doubt was asked after and is in order.
    Verified,
}

events! {
    /// What happens to a posting.
    PostingEvent: Posting {
        /// The posting is shown and may be filled.
        Published = "published", 1, Open => {
            posting: PostingId, terms: PostingTerms,
            /// What the relation is presumed to be, by which signs.
            relation: RelationKind, relation_basis: String,
        }
        /// Where exactly the work is, of terms told just before whose place is a home: for those hired, the employer and
        /// the office.
        PlaceTold = "place_told", 1, Never => {
            posting: PostingId, employer: EmployerId, place: Point, address: String,
        }
        /// Rules found something in what was struck on the spot: a person looks at it afterwards.
        Flagged = "flagged", 1, Never => { posting: PostingId, findings: Vec<Finding> }
        /// A person must look at it before it is shown.
        ReviewRequested = "review_requested", 1, Never => {
            posting: PostingId, terms: PostingTerms, relation: RelationKind, relation_basis: String,
            findings: Vec<Finding>,
        }
        /// The reviewer let it pass; it is shown.
        Approved = "approved", 1, Open => { posting: PostingId, reason: ApprovalGround }
        /// The reviewer turned it down.
        Rejected = "rejected", 1, Never => { posting: PostingId, reason: String }
        /// Its terms as they are from now on; hires already agreed keep theirs.
        Changed = "changed", 1, Open => {
            posting: PostingId, terms: PostingTerms,
            /// The relation as presumed by these terms, and by which signs.
            relation: RelationKind, relation_basis: String,
        }
        /// Every place is taken.
        Filled = "filled", 1, Open => { posting: PostingId }
        /// A place came free again.
        Reopened = "reopened", 1, Open => { posting: PostingId, free: u16 }
        /// The employer took it back.
        Withdrawn = "withdrawn", 1, Open => { posting: PostingId, reason: PostingWithdrawal }
        /// Its last shift has begun with places left.
        Expired = "expired", 1, Open => { posting: PostingId, unfilled: u16 }
    }
}

impl PostingEvent {
    /// The posting whose terms the event states, and the terms, where it states any.
    pub fn terms(&self) -> Option<(PostingId, &PostingTerms)> {
        match self {
            PostingEvent::Published(it) => Some((it.posting, &it.terms)),
            PostingEvent::ReviewRequested(it) => Some((it.posting, &it.terms)),
            PostingEvent::Changed(it) => Some((it.posting, &it.terms)),
            PostingEvent::PlaceTold(_)
            | PostingEvent::Flagged(_)
            | PostingEvent::Approved(_)
            | PostingEvent::Rejected(_)
            | PostingEvent::Filled(_)
            | PostingEvent::Reopened(_)
            | PostingEvent::Withdrawn(_)
            | PostingEvent::Expired(_) => None,
        }
    }
}
