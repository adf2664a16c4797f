//! 机构: offices, who acts for them, and their number series.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audience::Department;
use crate::event::events;
use crate::id::{ActorId, EmployerId, MarketId, OfficeId, PersonId, WorkerId};
use crate::identity::OrgCode;
use crate::region::Region;

/// What an actor may be (domain.md §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 系统: the engine itself.
    Engine,
    /// 零工.
    Worker,
    /// 用人主体 or somebody who acts for it.
    Employer,
    /// 班组长.
    CrewLeader,
    /// 窗口登记员.
    Clerk,
    /// 派工员.
    Dispatcher,
    /// 岗位审核员.
    Reviewer,
    /// 市场管理员.
    MarketManager,
    /// 门禁设备.
    Gate,
    /// 保险机构.
    Insurer,
    /// 劳动监察员.
    CaseOfficer,
    /// 监察负责人.
    CaseLead,
    /// 调解员.
    Mediator,
    /// 审计员: reads, never writes.
    Auditor,
    /// 个人信息保护负责人.
    PrivacyOfficer,
    /// 系统管理员.
    Keeper,
    /// 下游部门: subscribes.
    Subscriber,
}

impl Role {
    /// Every role, in the order of declaration.
    pub const ALL: &'static [Role] = &[
        Role::Engine,
        Role::Worker,
        Role::Employer,
        Role::CrewLeader,
        Role::Clerk,
        Role::Dispatcher,
        Role::Reviewer,
        Role::MarketManager,
        Role::Gate,
        Role::Insurer,
        Role::CaseOfficer,
        Role::CaseLead,
        Role::Mediator,
        Role::Auditor,
        Role::PrivacyOfficer,
        Role::Keeper,
        Role::Subscriber,
    ];
}

/// A role held by an actor at an office, and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Who holds it.
    pub actor: ActorId,
    /// What they may be.
    pub role: Role,
    /// Where they may act: codes of counties, cities (`370100`) or the province (`370000`).
    pub regions: Vec<Region>,
    /// The human behind the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The worker they are, for [`Role::Worker`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// The employer they act for, for [`Role::Employer`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employer: Option<EmployerId>,
    /// The market they serve, for the roles of one market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketId>,
    /// The department whose events they may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Department>,
    /// The insurer they act for, for [`Role::Insurer`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insurer: Option<OrgCode>,
}

/// What a number series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// 受理.
    Acceptance,
    /// 不予受理.
    Refusal,
    /// 监察立案.
    Filing,
}

/// Why the clock is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockDoubt {
    /// 跳变: the wall clock moved against the monotonic one.
    Jump,
    /// 停机: nothing ran for longer than a deadline may pass unseen.
    Pause,
}

events! {
    /// What happens to an office.
    OfficeEvent: Office {
        /// The office acts from now on.
        Registered = "registered", 1, Open => {
            office: OfficeId, name: String, region: Region, department: Department,
        }
        /// Somebody asked for a role to be granted; a second officer must confirm.
        RoleProposed = "role_proposed", 1, Never => { office: OfficeId, grant: Grant, reason: String }
        /// The actor holds the role.
        RoleGranted = "role_granted", 1, Never => { office: OfficeId, grant: Grant, basis: String }
        /// The actor no longer holds the role.
        RoleRevoked = "role_revoked", 1, Never => {
            office: OfficeId, actor: ActorId, role: Role, reason: String,
        }
        /// A series of numbers is open: numbers are given out in order and never again.
        SeriesOpened = "series_opened", 1, Never => {
            office: OfficeId, series: SeriesKind, year: i16, prefix: String, next: u32,
        }
        /// A number of a series stays unused; the reason is on file.
        NumberVoided = "number_voided", 1, Never => {
            office: OfficeId, series: SeriesKind, year: i16, number: u32, reason: String,
        }
        /// The clock is not trusted: deadlines wait until an operator vouches for it. It is recorded at the last
        /// instant that was trusted, under the office that stands for all: the clock is one for the whole log.
        ClockHeld = "clock_held", 1, Never => {
            office: OfficeId, reason: ClockDoubt,
            /// By how much the clock is off from what was expected, in milliseconds; ahead is positive.
            by_ms: i64,
        }
        /// An operator vouched for the clock after a jump or a long pause; deadlines fire again.
        ClockConfirmed = "clock_confirmed", 1, Never => { office: OfficeId, reason: String }
    }
}
