//! 零工市场.

use std::collections::BTreeMap;

use linggong_events::event::Event;
use linggong_events::id::{Kind, MarketId};
use linggong_events::market::{Closed, MarketEvent, MarketKind, Reclassified, Registered};
use linggong_events::place::Point;
use linggong_events::region::Region;
use linggong_events::time::Date;
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::refusal::Refusal;
use crate::state::State;
use crate::text;

/// The dates whose numbers are counted on: arrivals are told days late, not a year.
const MAX_QUEUES: usize = 400;

commands! {
    /// What can be asked of a market.
    MarketCommand: Market {
        /// Enters a market in the register.
        Register = "register", [Keeper, MarketManager] => {
            name: String, region: Region, place: Point, market_kind: MarketKind,
        } + optional { operator: String }
        /// Puts it into another category.
        Reclassify = "reclassify", [Keeper] => { market: MarketId, market_kind: MarketKind, reason: String }
        /// Takes it out of use.
        Close = "close", [Keeper] => { market: MarketId, reason: String }
    }
}

/// A market of the register.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Market {
    pub(crate) region: Region,
    pub(crate) place: Point,
    pub(crate) market_kind: MarketKind,
    pub(crate) open: bool,
    /// The last number given out on each date; an arrival may be told days late.
    queue: BTreeMap<Date, u32>,
}

impl Market {
    /// The next number of `date`; none where the date lies before every date that is still counted.
    pub(crate) fn next_number(&self, date: Date) -> Option<u32> {
        let forgotten =
            self.queue.len() >= MAX_QUEUES && self.queue.keys().next().is_some_and(|it| date < *it);
        (!forgotten).then(|| self.queue.get(&date).map_or(1, |no| no + 1))
    }

    pub(crate) fn give_number(&mut self, date: Date, no: u32) {
        self.queue.insert(date, no);
        while self.queue.len() > MAX_QUEUES {
            self.queue.pop_first();
        }
    }
}

impl State {
    pub(crate) fn open_market(&self, id: MarketId) -> Result<&Market, Refusal> {
        let market = self.markets.get(&id).ok_or_else(|| Refusal::unknown(id))?;
        if market.open { Ok(market) } else { Err(Refusal::Ended { entity: id.into() }) }
    }
}

pub(crate) fn decide(
    state: &State,
    command: &MarketCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let event = match command {
        MarketCommand::Register(it) => {
            text::check("name", &it.name, 60)?;
            if let Some(operator) = &it.operator {
                text::check("operator", operator, 100)?;
            }
            context.actor.check_region(it.region)?;
            Registered {
                market: MarketId(context.new_id(Kind::Market, 0)),
                name: it.name.clone(),
                region: it.region,
                place: it.place,
                market_kind: it.market_kind,
                operator: it.operator.clone(),
            }
            .into()
        }
        MarketCommand::Reclassify(it) => {
            let market = state.open_market(it.market)?;
            context.actor.check_region(market.region)?;
            text::check("reason", &it.reason, text::LINE)?;
            if market.market_kind == it.market_kind {
                return Ok(Vec::new());
            }
            Reclassified { market: it.market, market_kind: it.market_kind, reason: it.reason.clone() }.into()
        }
        MarketCommand::Close(it) => {
            let market = state.open_market(it.market)?;
            context.actor.check_region(market.region)?;
            text::check("reason", &it.reason, text::LINE)?;
            Closed { market: it.market, reason: it.reason.clone() }.into()
        }
    };
    Ok(vec![event])
}

pub(crate) fn evolve(state: &mut State, event: &MarketEvent) {
    match event {
        MarketEvent::Registered(it) => {
            let market = Market {
                region: it.region,
                place: it.place,
                market_kind: it.market_kind,
                open: true,
                queue: BTreeMap::new(),
            };
            state.markets.insert(it.market, market);
        }
        MarketEvent::Reclassified(it) => {
            if let Some(market) = state.markets.get_mut(&it.market) {
                market.market_kind = it.market_kind;
            }
        }
        MarketEvent::Closed(it) => {
            if let Some(market) = state.markets.get_mut(&it.market) {
                market.open = false;
            }
        }
    }
}
