//! 零工: profile, presence at a market, going home.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{ActorId, MarketId, OfficeId, PersonId, PostingId, WorkerId};
use crate::measure::{Fen, Metres};
use crate::occupation::{CertificateKind, Occupation};
use crate::person::Age;
use crate::place::Point;
use crate::time::{Date, Shift, Timestamp};

/// How well somebody does a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkillLevel {
    /// 小工: helps.
    Helper,
    /// 熟练工: works alone.
    Skilled,
    /// 大工 / 师傅: leads.
    Master,
}

/// A trade and how well it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// The trade.
    pub occupation: Occupation,
    /// How well.
    pub level: SkillLevel,
}

/// A certificate that was shown, valid on every day from `from` to `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What it certifies.
    pub certificate: CertificateKind,
    /// First valid day.
    pub from: Date,
    /// Last valid day.
    pub until: Date,
}

/// What matching knows of a worker. Sex, exact age, origin, household, health are not here, so they cannot enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What the worker can do.
    pub skills: Vec<Skill>,
    /// What is certified.
    pub certificates: Vec<Certificate>,
    /// Where the worker starts from; absent: from the market of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Point>,
    /// How far the worker goes.
    pub reach: Metres,
    /// The least daily pay the worker comes for, in fen.
    pub expectation: Fen,
    /// When the worker may be hired without being present; empty: only when present.
    pub available: Vec<Shift>,
    /// Does not want to be ranked by machine (PIPL 24): is listed in order of arrival.
    pub declines_ranking: bool,
}

/// How somebody's arrival was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalMeans {
    /// 市场卡 or QR code.
    Card,
    /// 窗口登记.
    Desk,
    /// 班组长代报.
    CrewLeader,
    /// 线上.
    Online,
}

events! {
    /// What happens to a worker.
    WorkerEvent: Worker {
        /// 求职登记: the worker may be matched.
        Registered = "registered", 1, Never => {
            worker: WorkerId, person: PersonId, profile: Profile,
            /// Whether a valid identity document was shown; without it no agency may introduce (山东人力资源市场条例 28).
            document_verified: bool,
        } + optional {
            age: Age,
            /// Keyed hash of the identity document per department, for that department alone.
            person_tokens: std::collections::BTreeMap<String, String>,
        }
        /// The profile as it is from now on.
        ProfileChanged = "profile_changed", 1, Never => { worker: WorkerId, profile: Profile }
        /// 到场: the worker is at the market.
        Arrived = "arrived", 1, Never => {
            worker: WorkerId, market: MarketId,
            /// The order of arrival at this market on this date, from 1.
            queue_no: u32,
            date: Date, means: ArrivalMeans, until: Timestamp,
        }
        /// 叫号: the desk called the worker for a posting.
        Called = "called", 1, Never => { worker: WorkerId, market: MarketId } + optional { posting: PostingId }
        /// 离场.
        Left = "left", 1, Never => { worker: WorkerId, market: MarketId }
        /// 未派离场: the worker came and went home without work.
        WentHomeUnhired = "went_home_unhired", 1, Never => { worker: WorkerId, market: MarketId, date: Date }
        /// 入班组: the worker goes with the crew that `leader` leads; who was in another has left it.
        JoinedCrew = "joined_crew", 1, Never => { worker: WorkerId, leader: ActorId }
        /// 离班组.
        LeftCrew = "left_crew", 1, Never => { worker: WorkerId, leader: ActorId }
        /// An officer attested a statutory bar for listed jobs; matching sees the bar, never its ground.
        BarAttested = "bar_attested", 1, Never => {
            worker: WorkerId, occupations: Vec<Occupation>, until: Date, office: OfficeId, basis: String,
        }
    }
}
