//! 早市看板: who is at the market this morning, who is hired, who still waits; and the day's report.

use linggong_events::Event;
use linggong_events::envelope::Meta;
use linggong_events::hire::HireEvent;
use linggong_events::id::{HireId, MarketId, PostingId, WorkerId};
use linggong_events::occupation::Occupation;
use linggong_events::time::{Date, Timestamp};
use linggong_events::worker::{ArrivalMeans, Profile, Skill, WorkerEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader};
use crate::store::StoreError;
use crate::view::{Rows, Snapshot, View};

/// Arrivals, calls and departures at the markets, by day.
pub struct MorningBoard;

/// Where somebody who came stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// 在场.
    Here,
    /// 已叫号.
    Called,
    /// 离场.
    Left,
    /// 未派离场.
    WentHomeUnhired,
}

/// One arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueRow {
    /// The market.
    pub market: MarketId,
    /// The day.
    pub date: Date,
    /// The order of arrival.
    pub queue_no: u32,
    /// Who came.
    pub worker: WorkerId,
    /// How it was noticed.
    pub means: ArrivalMeans,
    /// When.
    pub arrived_at: Timestamp,
    /// How long the worker waits at most.
    pub until: Timestamp,
    /// Where the worker stands now.
    pub presence: Presence,
    /// What the worker was last called for.
    pub called_for: Option<PostingId>,
    /// How often the worker was called.
    pub calls: u32,
    /// The hire struck that day; it stays after the worker left for work.
    pub hire: Option<HireId>,
    /// When the worker left.
    pub left_at: Option<Timestamp>,
    /// What the worker can do.
    pub skills: Vec<Skill>,
}

/// How many came and where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// 到场: all who came that day.
    pub came: u32,
    /// 在场: those who are still at the market, hired or not.
    pub present: u32,
    /// 已派: those with a hire, wherever they are now.
    pub hired: u32,
    /// 未派: those who are still at the market without a hire.
    pub waiting: u32,
    /// 离场: those who left.
    pub left: u32,
    /// 未派离场: those who left without a hire.
    pub went_home_unhired: u32,
}

/// The counts of one trade; somebody of two trades counts in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TradeCounts {
    /// The trade.
    pub occupation: Occupation,
    /// How many of it.
    pub counts: Counts,
}

/// A market on one day; past days are the daily reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Board {
    /// The market.
    pub market: MarketId,
    /// The day.
    pub date: Date,
    /// Everybody, each once.
    pub counts: Counts,
    /// By trade, in the order of the code set.
    pub trades: Vec<TradeCounts>,
}

/// Which part of a queue is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFilter {
    /// Only those who stand so.
    pub presence: Option<Presence>,
    /// Only those of this trade.
    pub occupation: Option<Occupation>,
    /// Only those with a hire, or only those without.
    pub hired: Option<bool>,
}

/// Market, date, queue number.
const QUEUE: Table<QueueRow> = Table::new(1);
/// Where a worker is or was last, whenever it was told.
const LAST: Table<Last> = Table::new(2);
/// The arrival that a hire was struck from.
const HIRES: Table<Place> = Table::new(3);
/// Market, date.
const DAYS: Table<Date> = Table::new(4);
const SKILLS: Table<Vec<Skill>> = Table::new(5);
/// The arrival of a worker at a market on a date.
const CAME: Table<Place> = Table::new(6);
/// The latest arrival of a worker on a date.
const CAME_ON: Table<Last> = Table::new(7);

/// A place in a queue.
type Place = (MarketId, Date, u32);
/// A place in a queue, and since when it was held.
type Last = (Timestamp, Place);

fn queue((market, date, queue_no): Place) -> Key<QueueRow> {
    QUEUE.key().id(market.0).date(date).number(queue_no)
}

fn last(worker: WorkerId) -> Key<Last> {
    LAST.key().id(worker.0)
}

fn came(worker: WorkerId, market: MarketId, date: Date) -> Key<Place> {
    CAME.key().id(worker.0).id(market.0).date(date)
}

fn came_on(worker: WorkerId, date: Date) -> Key<Last> {
    CAME_ON.key().id(worker.0).date(date)
}

fn of_hire(hire: HireId) -> Key<Place> {
    HIRES.key().id(hire.0)
}

fn skills(worker: WorkerId) -> Key<Vec<Skill>> {
    SKILLS.key().id(worker.0)
}

impl View for MorningBoard {
    const NAME: &'static str = "morning_board";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Worker(event) => of_worker(rows, meta, event),
            Event::Hire(event) => of_a_hire(rows, meta, event),
            Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Employer(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Claim(_)
            | Event::Case(_)
            | Event::Rules(_) => {}
        }
    }
}

fn of_worker(rows: &mut Rows<'_>, meta: &Meta, event: &WorkerEvent) {
    match event {
        WorkerEvent::Registered(it) => learn(rows, it.worker, &it.profile),
        WorkerEvent::ProfileChanged(it) => learn(rows, it.worker, &it.profile),
        WorkerEvent::Arrived(it) => {
            let place = (it.market, it.date, it.queue_no);
            let row = QueueRow {
                market: it.market,
                date: it.date,
                queue_no: it.queue_no,
                worker: it.worker,
                means: it.means,
                arrived_at: meta.occurred_at,
                until: it.until,
                presence: Presence::Here,
                called_for: None,
                calls: 0,
                hire: None,
                left_at: None,
                skills: rows.get(&skills(it.worker)).unwrap_or_default(),
            };
            rows.put(queue(place), &row);
            rows.put(came(it.worker, it.market, it.date), &place);
            for key in [last(it.worker), came_on(it.worker, it.date)] {
                // An arrival told late is not where the worker is now.
                if rows.get(&key).is_none_or(|(since, _)| since <= meta.occurred_at) {
                    rows.put(key, &(meta.occurred_at, place));
                }
            }
            rows.put(DAYS.key().id(it.market.0).date(it.date), &it.date);
        }
        WorkerEvent::Called(it) => {
            let Some(place) = place_at(rows, it.worker, it.market, meta) else { return };
            rows.update(queue(place), |row| {
                row.called_for = it.posting;
                row.calls += 1;
                if row.presence == Presence::Here {
                    row.presence = Presence::Called;
                }
            });
        }
        WorkerEvent::Left(it) => {
            let Some(place) = place_at(rows, it.worker, it.market, meta) else { return };
            leave(rows, meta, place, Presence::Left);
        }
        WorkerEvent::WentHomeUnhired(it) => {
            let Some(place) = rows.get(&came(it.worker, it.market, it.date)) else { return };
            leave(rows, meta, place, Presence::WentHomeUnhired);
        }
        WorkerEvent::JoinedCrew(_) | WorkerEvent::LeftCrew(_) | WorkerEvent::BarAttested(_) => {}
    }
}

fn of_a_hire(rows: &mut Rows<'_>, meta: &Meta, event: &HireEvent) {
    match event {
        HireEvent::Agreed(it) => {
            // A hire struck on a later day is not the success of that morning.
            let here = came_on(it.terms.worker, meta.occurred_at.date());
            let Some((_, place)) = rows.get(&here) else { return };
            rows.put(of_hire(it.hire), &place);
            rows.update(queue(place), |row| row.hire = Some(it.hire));
        }
        HireEvent::Cancelled(it) => {
            let Some(place) = rows.get(&of_hire(it.hire)) else { return };
            rows.update(queue(place), |row| {
                if row.hire == Some(it.hire) {
                    row.hire = None;
                }
            });
        }
        // Whatever comes of a hire later, the worker was sent to work from this market on that morning.
        HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Changed(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::NoShow(_)
        | HireEvent::SentHome(_)
        | HireEvent::Replaced(_)
        | HireEvent::Ended(_)
        | HireEvent::EndCorrected(_)
        | HireEvent::FollowedUp(_)
        | HireEvent::InjuryReported(_) => {}
    }
}

fn learn(rows: &mut Rows<'_>, worker: WorkerId, profile: &Profile) {
    rows.put(skills(worker), &profile.skills);
}

fn leave(rows: &mut Rows<'_>, meta: &Meta, place: Place, how: Presence) {
    rows.update(queue(place), |row| {
        row.presence = how;
        row.left_at = Some(meta.occurred_at);
    });
}

/// The arrival of `worker` at `market` that something said of them there concerns: of the day on which it happened,
/// and where there is none, the last. A presence ends at the midnight after its day.
fn place_at(rows: &mut Rows<'_>, worker: WorkerId, market: MarketId, meta: &Meta) -> Option<Place> {
    let of_that_day = rows.get(&came(worker, market, meta.occurred_at.date()));
    let last = || rows.get(&last(worker)).map(|(_, place)| place).filter(|place| place.0 == market);
    of_that_day.or_else(last)
}

impl Counts {
    fn add(&mut self, row: &QueueRow) {
        let here = match row.presence {
            Presence::Here | Presence::Called => true,
            Presence::Left | Presence::WentHomeUnhired => false,
        };
        let hired = row.hire.is_some();
        self.came += 1;
        self.present += u32::from(here);
        self.hired += u32::from(hired);
        self.waiting += u32::from(here && !hired);
        self.left += u32::from(!here);
        self.went_home_unhired += u32::from(!here && !hired);
    }
}

fn board(snapshot: Snapshot<'_>, market: MarketId, date: Date) -> Result<Board, StoreError> {
    let mut counts = Counts::default();
    let mut trades = std::collections::BTreeMap::<Occupation, Counts>::new();
    snapshot.each(QUEUE.key().id(market.0).date(date), |_, row| {
        counts.add(&row);
        for occupation in row.skills.iter().map(|skill| skill.occupation) {
            trades.entry(occupation).or_default().add(&row);
        }
        Ok(())
    })?;
    let trades = trades.into_iter().map(|(occupation, counts)| TradeCounts { occupation, counts }).collect();
    Ok(Board { market, date, counts, trades })
}

impl Reader<MorningBoard> {
    /// The board of `market` on `date`.
    pub fn board(&self, market: MarketId, date: Date) -> Result<At<Board>, StoreError> {
        self.read(|snapshot| board(snapshot, market, date))
    }

    /// The queue of `market` on `date`, in order of arrival.
    pub fn queue(
        &self,
        market: MarketId,
        date: Date,
        filter: &QueueFilter,
        page: &PageRequest,
    ) -> Result<At<Page<QueueRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(QUEUE.key().id(market.0).date(date), page, |_, row| {
                let of_trade = |it| row.skills.iter().any(|skill| skill.occupation == it);
                let wanted = filter.presence.is_none_or(|it| it == row.presence)
                    && filter.occupation.is_none_or(of_trade)
                    && filter.hired.is_none_or(|it| it == row.hire.is_some());
                Ok(wanted.then_some(row))
            })
        })
    }

    /// The days on which somebody came to `market`, each with its report.
    pub fn days(&self, market: MarketId, page: &PageRequest) -> Result<At<Page<Board>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(DAYS.key().id(market.0), page, |_, date| board(snapshot, market, date).map(Some))
        })
    }

    /// Where `worker` last came.
    pub fn last_arrival(&self, worker: WorkerId) -> Result<At<Option<QueueRow>>, StoreError> {
        self.read(|snapshot| match snapshot.get(&last(worker))? {
            Some((_, place)) => snapshot.get(&queue(place)),
            None => Ok(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{Ledger, agreed, date, hire, market, posting, profile, worker, worker_registered};
    use linggong_events::hire::{CancelReason, Cancelled};
    use linggong_events::worker::{Arrived, Called, Left, ProfileChanged, WentHomeUnhired};

    const DAY: &str = "2026-11-22";

    /// Four people come; 1 is hired and left for work, 2 is called, 3 went home, 4 is hired and still here.
    fn morning() -> Ledger {
        let mut ledger = Ledger::new();
        for n in 1..=4 {
            ledger.record(worker_registered(n));
        }
        let both = profile(&["bricklayer", "painter"]);
        ledger.record(ProfileChanged { worker: worker(2), profile: both });
        for n in 1..=4 {
            ledger.record(Arrived {
                worker: worker(n),
                market: market(1),
                queue_no: n as u32,
                date: date(DAY),
                means: ArrivalMeans::Card,
                until: date(DAY).at_minute(600),
            });
        }
        ledger.record(Called { worker: worker(2), market: market(1), posting: Some(posting(1)) });
        ledger.record(agreed(1, DAY));
        ledger.record(Left { worker: worker(1), market: market(1) });
        ledger.record(WentHomeUnhired { worker: worker(3), market: market(1), date: date(DAY) });
        ledger.record(agreed(4, DAY));
        ledger
    }

    fn counts(ledger: &Ledger) -> Counts {
        refold::<MorningBoard>(&ledger.events).board(market(1), date(DAY)).unwrap().value.counts
    }

    #[test]
    fn the_board_counts_who_came_is_here_was_hired_and_went_home() {
        let ledger = morning();
        let all = Counts { came: 4, present: 2, hired: 2, waiting: 1, left: 2, went_home_unhired: 1 };
        assert_eq!(counts(&ledger), all);
        let board = refold::<MorningBoard>(&ledger.events);
        let trades = board.board(market(1), date(DAY)).unwrap().value.trades;
        let painters = Counts { came: 1, present: 1, waiting: 1, ..Counts::default() };
        let by_trade: Vec<_> = trades.iter().map(|it| (it.occupation.code(), it.counts)).collect();
        assert_eq!(by_trade, [("bricklayer", all), ("painter", painters)]);
        assert_eq!(board.board(market(2), date(DAY)).unwrap().value.counts, Counts::default());
    }

    #[test]
    fn a_cancelled_hire_puts_the_worker_back_among_those_who_wait() {
        let mut ledger = morning();
        ledger.record(Cancelled {
            hire: hire(4),
            revision: 1,
            supersedes: None,
            terms: agreed(4, DAY).terms,
            reason: CancelReason::Weather,
            note: None,
        });
        let now = counts(&ledger);
        assert_eq!((now.hired, now.waiting, now.present), (1, 2, 2));
    }

    #[test]
    fn a_hire_of_the_next_day_is_not_the_success_of_this_morning() {
        let mut ledger = morning();
        ledger.at("2026-11-23", 480).record(agreed(2, "2026-11-24"));
        assert_eq!(counts(&ledger).hired, 2);
    }

    #[test]
    fn the_queue_shows_calls_and_can_be_filtered() {
        let board = refold::<MorningBoard>(&morning().events);
        let queue = |filter| {
            let page = board.queue(market(1), date(DAY), &filter, &PageRequest::first(10)).unwrap();
            page.value.rows
        };
        let numbers = |rows: Vec<QueueRow>| rows.iter().map(|row| row.queue_no).collect::<Vec<_>>();
        assert_eq!(numbers(queue(QueueFilter::default())), [1, 2, 3, 4]);
        let waiting = QueueFilter { hired: Some(false), ..QueueFilter::default() };
        assert_eq!(numbers(queue(waiting)), [2, 3]);
        let called = QueueFilter { presence: Some(Presence::Called), ..QueueFilter::default() };
        let called = queue(called);
        assert_eq!(
            (called[0].worker, called[0].calls, called[0].called_for),
            (worker(2), 1, Some(posting(1)))
        );
        let days = board.days(market(1), &PageRequest::first(10)).unwrap().value.rows;
        assert_eq!((days.len(), days[0].counts.came), (1, 4));
    }

    #[test]
    fn what_is_told_late_of_yesterday_is_yesterday_s_and_the_worker_stays_where_they_are() {
        let mut ledger = morning();
        ledger.at("2026-11-21", 360).record(Arrived {
            worker: worker(2),
            market: market(1),
            queue_no: 1,
            date: date("2026-11-21"),
            means: ArrivalMeans::Card,
            until: date("2026-11-21").at_minute(1440),
        });
        ledger.record(WentHomeUnhired { worker: worker(2), market: market(1), date: date("2026-11-21") });
        let here = counts(&ledger);
        assert_eq!((here.came, here.present, here.went_home_unhired), (4, 2, 1), "today is as it was");
        let board = refold::<MorningBoard>(&ledger.events);
        let yesterday = board.board(market(1), date("2026-11-21")).unwrap().value.counts;
        assert_eq!((yesterday.came, yesterday.present, yesterday.went_home_unhired), (1, 0, 1));
        let last = board.last_arrival(worker(2)).unwrap().value.expect("came twice");
        assert_eq!((last.date, last.presence), (date(DAY), Presence::Called));
    }
}
