//! 岗位, 用工 and 市场.

use clap::{Args, Subcommand};
use linggong_events::id::EntityRef;
use linggong_events::occupation::Occupation;
use linggong_events::region::Region;
use linggong_events::time::Date;
use serde_json::json;
use uuid::Uuid;

use super::client::Client;
use super::exit::Stop;
use super::list::{self, AsOf, One, Page};
use super::output::{Column, Out, Show, column};
use super::scan;
use crate::clock::Clock;

/// What can be asked about postings.
#[derive(Debug, Subcommand)]
pub enum PostingVerb {
    /// One posting, as it is or was.
    Show(One),
    /// Postings.
    List(PostingFilter),
    /// Why a worker suits a posting or not; without a worker, how many each rule keeps out.
    Explain {
        /// The posting.
        #[arg(value_name = "ID", value_parser = list::id)]
        id: Uuid,
        /// The worker.
        #[arg(long, value_name = "ID", value_parser = list::id)]
        worker: Option<Uuid>,
        /// As of when.
        #[command(flatten)]
        as_of: AsOf,
    },
}

/// Which postings.
#[derive(Clone, Debug, Args)]
pub struct PostingFilter {
    /// Where the work is: a division code of GB/T 2260.
    #[arg(long)]
    pub region: Option<Region>,
    /// The trade.
    #[arg(long)]
    pub occupation: Option<Occupation>,
    /// The work date.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
    /// Where they stand: `open`, or `review` for those that a person must look at.
    #[arg(long, value_parser = ["open", "review"])]
    pub state: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
}

/// What can be asked about hires.
#[derive(Debug, Subcommand)]
pub enum HireVerb {
    /// One hire, as it is or was.
    Show(One),
    /// The cover of one hire, as it is or was.
    Cover(One),
    /// 招工用工登记台账.
    List(HireFilter),
    /// 刷卡成交: a posting and its hires from ready terms and scanned cards, one a line; an empty line sends.
    Scan(scan::ScanArgs),
}

/// Which hires.
#[derive(Clone, Debug, Args)]
pub struct HireFilter {
    /// Where the work is: a division code of GB/T 2260.
    #[arg(long)]
    pub region: Option<Region>,
    /// Who hires.
    #[arg(long, value_name = "ID", value_parser = list::id)]
    pub employer: Option<Uuid>,
    /// Who works.
    #[arg(long, value_name = "ID", value_parser = list::id)]
    pub worker: Option<Uuid>,
    /// The work date.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
}

/// What can be asked about markets.
#[derive(Debug, Subcommand)]
pub enum MarketVerb {
    /// Markets.
    List {
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// The board of one morning: who came, who is hired, who waits, by trade.
    Board {
        /// The market.
        #[arg(value_name = "ID", value_parser = list::id)]
        id: Uuid,
        /// The day; today where it is not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<Date>,
        /// The queue, one by one, instead of the counts.
        #[arg(long)]
        queue: bool,
    },
}

pub(super) const POSTINGS: &[Column] = &[
    column("posting", "posting", Show::Id),
    column("state", "state", Show::Code(&["PostingState"])),
    column("occupation", "terms.occupation", Show::Code(&["Occupation"])),
    column("text", "terms.text", Show::Text),
    column("employer", "employer_name|terms.employer", Show::Id),
    column("region", "terms.region", Show::Text),
    column("shifts", "terms.shifts", Show::Shifts),
    column("pay_kind", "terms.pay.pay_kind", Show::Code(&["PayKind"])),
    column("rate", "terms.pay.rate", Show::Money),
    column("headcount", "terms.headcount", Show::Count),
    column("free", "free", Show::Count),
    column("position", "position", Show::Count),
];

pub(super) const HIRES: &[Column] = &[
    column("hire", "hire", Show::Id),
    column("state", "state", Show::Code(&["HireState"])),
    column("date", "date", Show::Text),
    column("worker", "worker", Show::Id),
    column("employer", "employer_name|employer", Show::Id),
    column("occupation", "occupation", Show::Code(&["Occupation"])),
    column("shifts", "shifts", Show::Shifts),
    column("pay_kind", "pay.pay_kind", Show::Code(&["PayKind"])),
    column("rate", "pay.rate", Show::Money),
    column("relation", "relation", Show::Code(&["RelationKind"])),
    column("cover", "cover", Show::Code(&["Standing"])),
    column("mode", "mode", Show::Code(&["FillMode"])),
    column("region", "region", Show::Text),
    column("position", "position", Show::Count),
];

pub(super) const MARKETS: &[Column] = &[
    column("market", "market", Show::Id),
    column("name", "name", Show::Text),
    column("market_kind", "market_kind", Show::Code(&["MarketKind"])),
    column("region", "region", Show::Text),
    column("operator", "operator", Show::Text),
];

pub(super) const BOARD: &[Column] = &[
    column("occupation", "all|occupation", Show::Code(&["Board", "Occupation"])),
    column("came", "counts.came", Show::Count),
    column("present", "counts.present", Show::Count),
    column("hired", "counts.hired", Show::Count),
    column("waiting", "counts.waiting", Show::Count),
    column("left", "counts.left", Show::Count),
    column("went_home_unhired", "counts.went_home_unhired", Show::Count),
];

pub(super) const QUEUE: &[Column] = &[
    column("worker", "worker", Show::Id),
    column("queue_no", "queue_no", Show::Count),
    column("presence", "presence", Show::Code(&["Presence"])),
    column("means", "means", Show::Code(&["ArrivalMeans"])),
    column("arrived_at", "arrived_at", Show::Time),
    column("calls", "calls", Show::Count),
    column("called_for", "called_for", Show::Id),
    column("hire", "hire", Show::Id),
    column("left_at", "left_at", Show::Time),
];

pub(super) fn run(verb: &PostingVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        PostingVerb::Show(one) => one.show("/v1/postings", client, out),
        PostingVerb::List(filter) => {
            let query = list::given([
                ("region", filter.region.map(|it| it.to_string())),
                ("occupation", filter.occupation.map(|it| it.to_string())),
                ("date", filter.date.map(|it| it.to_string())),
                ("state", filter.state.clone()),
            ]);
            list::show("/v1/postings", query, &filter.page, POSTINGS, client, out)
        }
        PostingVerb::Explain { id, worker, as_of } => {
            let mut query = list::given([("worker", worker.map(|it| it.to_string()))]);
            query.extend(as_of.query());
            out.record(&client.get(&format!("/v1/postings/{id}/explain"), &query)?)
        }
    }
}

pub(super) fn hire(
    verb: &HireVerb,
    client: &Client<'_>,
    out: &mut Out<'_>,
    clock: &Clock,
) -> Result<(), Stop> {
    match verb {
        HireVerb::Scan(args) => scan::run(args, &mut std::io::stdin().lock(), client, clock, out),
        HireVerb::Show(one) => one.show("/v1/hires", client, out),
        HireVerb::Cover(one) => one.show_at(&format!("/v1/hires/{}/cover", one.id), client, out),
        HireVerb::List(filter) => {
            let query = list::given([
                ("region", filter.region.map(|it| it.to_string())),
                ("employer", filter.employer.map(|it| it.to_string())),
                ("worker", filter.worker.map(|it| it.to_string())),
                ("date", filter.date.map(|it| it.to_string())),
            ]);
            list::show("/v1/hires", query, &filter.page, HIRES, client, out)
        }
    }
}

pub(super) fn market(
    verb: &MarketVerb,
    client: &Client<'_>,
    out: &mut Out<'_>,
    clock: &Clock,
) -> Result<(), Stop> {
    match verb {
        MarketVerb::List { page } => list::show("/v1/markets", Vec::new(), page, MARKETS, client, out),
        MarketVerb::Board { id, date, queue } => {
            let date = date.unwrap_or_else(|| clock.now().date());
            let query = [("date", date.to_string()), ("limit", "200".to_owned())];
            let answer = client.get(&format!("/v1/markets/{id}/board"), &query)?;
            if *queue {
                let items = answer["queue"]["items"].as_array().cloned().unwrap_or_default();
                return out.list(QUEUE, &answer, &items);
            }
            // Everybody first, each once; then trade by trade.
            let mut rows = vec![json!({ "all": "all", "counts": answer["board"]["counts"] })];
            rows.extend(answer["board"]["trades"].as_array().into_iter().flatten().cloned());
            out.list(BOARD, &answer, &rows)
        }
    }
}

/// `kind/id`, as timelines are asked for.
pub(super) fn entity(text: &str) -> Result<EntityRef, String> {
    text.parse().map_err(|_| "expected a kind and an id, as in hire/0d5c1f0e-….".to_owned())
}
