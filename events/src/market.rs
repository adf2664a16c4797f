//! 零工市场: the places, their operators and their days.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::MarketId;
use crate::place::Point;
use crate::region::Region;

/// 市场类别 (policy 鲁人社字〔2022〕3号, 二 and 三).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarketKind {
    /// 公益性: basic service is free.
    PublicBenefit,
    /// 经营性: run by a licensed agency or platform.
    Commercial,
    /// 自发: by the road, to be led into a proper one.
    Spontaneous,
}

events! {
    /// What happens to a market.
    MarketEvent: Market {
        /// The market stands in the register.
        Registered = "registered", 1, Open => {
            market: MarketId, name: String, region: Region, place: Point, market_kind: MarketKind,
        } + optional {
            /// Who runs it, where that is not the office itself.
            operator: String,
        }
        /// It was put into another category.
        Reclassified = "reclassified", 1, Open => { market: MarketId, market_kind: MarketKind, reason: String }
        /// It is no longer in use.
        Closed = "closed", 1, Open => { market: MarketId, reason: String }
    }
}
