//! 用人主体: whoever pays for work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{EmployerId, EventId, PersonId};
use crate::identity::OrgCode;
use crate::place::Point;
use crate::region::Region;
use crate::time::Date;

/// What an employer is (domain.md §8); it decides which remedies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmployerKind {
    /// 企业.
    Enterprise,
    /// 个体工商户.
    IndividualBusiness,
    /// 合作社.
    Cooperative,
    /// 农户 / 家庭: own use; civil law only.
    Household,
    /// 无照经营者: supervised all the same (监察条例 33).
    Unlicensed,
    /// 包工头 without qualification: the principal answers (条例 18, 19, 36).
    Foreman,
    /// 人力资源服务机构 or 劳务派遣单位.
    Agency,
}

impl EmployerKind {
    /// Whether the place of work is somebody's home, of which everybody may know no more than about where it lies.
    pub fn works_at_home(self) -> bool {
        match self {
            EmployerKind::Household => true,
            // Natural persons some of them, but they hire for a trade: the place of work is a site or a shop.
            EmployerKind::IndividualBusiness
            | EmployerKind::Unlicensed
            | EmployerKind::Foreman
            | EmployerKind::Enterprise
            | EmployerKind::Cooperative
            | EmployerKind::Agency => false,
        }
    }

    /// Whether labour supervision covers it; a household hiring for own use is not.
    pub fn is_supervised(self) -> bool {
        match self {
            EmployerKind::Household => false,
            EmployerKind::Enterprise
            | EmployerKind::IndividualBusiness
            | EmployerKind::Cooperative
            | EmployerKind::Unlicensed
            | EmployerKind::Foreman
            | EmployerKind::Agency => true,
        }
    }
}

/// Who an employer is, as registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmployerDetails {
    /// What it is.
    pub employer_kind: EmployerKind,
    /// The name of an organisation; a natural person's name is sealed with the person instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 统一社会信用代码.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<OrgCode>,
    /// The natural person: household, foreman, or the one who runs the business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// Who answers for a foreman.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<EmployerId>,
    /// 人力资源服务许可证 or 劳务派遣许可证 number, for agencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The county of the seat.
    pub region: Region,
    /// The seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Point>,
}

events! {
    /// What happens to an employer.
    EmployerEvent: Employer {
        /// The employer may post work.
        Registered = "registered", 1, Never => { employer: EmployerId, details: EmployerDetails }
        /// The details as they are from now on.
        Changed = "changed", 1, Never => { employer: EmployerId, details: EmployerDetails }
        /// An authority lawfully restricted the employer from hiring here.
        Restricted = "restricted", 1, To(Hrss) => {
            employer: EmployerId, authority: String, basis: String, until: Date,
        }
        /// The restriction ended before its time; others stay.
        RestrictionLifted = "restriction_lifted", 1, To(Hrss) => {
            employer: EmployerId,
            /// The event that put it on.
            restriction: EventId,
            basis: String,
        }
    }
}
