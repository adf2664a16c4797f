//! 工钱: wages and the wage protection board.

use clap::{Args, Subcommand, ValueEnum};
use linggong_events::region::Region;
use uuid::Uuid;

use super::client::Client;
use super::exit::Stop;
use super::list::{self, One, Page};
use super::output::{Column, Out, Show, column};

/// What can be asked about wages.
#[derive(Debug, Subcommand)]
pub enum WageVerb {
    /// One wage, as it is or was.
    Show(One),
    /// Wages.
    List(WageFilter),
    /// 工资保障看板: what is owed, by employer, region or age.
    Board {
        /// By what.
        #[arg(long, value_enum, default_value_t)]
        by: By,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
}

/// Which wages.
#[derive(Clone, Debug, Args)]
pub struct WageFilter {
    /// Who owes.
    #[arg(long, value_name = "ID", value_parser = list::id)]
    pub employer: Option<Uuid>,
    /// Who is owed.
    #[arg(long, value_name = "ID", value_parser = list::id)]
    pub worker: Option<Uuid>,
    /// Where the work was: a division code of GB/T 2260.
    #[arg(long)]
    pub region: Option<Region>,
    /// Those that are paid too.
    #[arg(long)]
    pub paid_too: bool,
    /// How old the debt is.
    #[arg(long, value_parser = ["not_due", "due_today", "overdue_1_7", "overdue_8_30", "overdue_over_30"])]
    pub bucket: Option<String>,
    /// Which page.
    #[command(flatten)]
    pub page: Page,
}

/// By what the board adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// 用人主体.
    #[default]
    Employer,
    /// 地区.
    Region,
    /// 账龄.
    Age,
    /// 零工.
    Worker,
    /// 预警.
    Warning,
}

pub(super) const WAGES: &[Column] = &[
    column("wage", "wage", Show::Id),
    column("bucket", "bucket", Show::Code(&["Bucket"])),
    column("due_on", "due_on", Show::Text),
    column("worker", "worker", Show::Id),
    column("employer", "employer_name|employer", Show::Id),
    column("amount", "amount", Show::Money),
    column("outstanding", "outstanding", Show::Money),
    column("basis", "basis", Show::Code(&["WageBasis"])),
    column("claims", "claims", Show::Claims),
    column("region", "region", Show::Text),
    column("position", "position", Show::Count),
    column("disputed", "disputed", Show::Money),
];

pub(super) const BY_EMPLOYER: &[Column] = &[
    column("employer", "employer", Show::Id),
    column("name", "name", Show::Text),
    column("employer_kind", "employer_kind", Show::Code(&["EmployerKind"])),
    column("wages", "wages", Show::Count),
    column("open_wages", "open_wages", Show::Count),
    column("outstanding", "outstanding", Show::Money),
    column("went_overdue", "went_overdue", Show::Count),
    column("pending_claims", "pending_claims", Show::Count),
    column("claims", "claims", Show::Count),
    column("disputed", "disputed", Show::Money),
];

pub(super) const BY_AGE: &[Column] = &[
    column("bucket", "bucket", Show::Code(&["Bucket"])),
    column("wages", "wages", Show::Count),
    column("outstanding", "outstanding", Show::Money),
];

pub(super) const BY_REGION: &[Column] = &[
    column("region", "region", Show::Text),
    column("outstanding", "outstanding", Show::Money),
    column("not_due", "ageing.0.outstanding", Show::Money),
    column("due_today", "ageing.1.outstanding", Show::Money),
    column("overdue_1_7", "ageing.2.outstanding", Show::Money),
    column("overdue_8_30", "ageing.3.outstanding", Show::Money),
    column("overdue_over_30", "ageing.4.outstanding", Show::Money),
];

pub(super) const BY_WORKER: &[Column] = &[
    column("worker", "worker", Show::Id),
    column("outstanding", "outstanding", Show::Money),
    column("not_due", "ageing.0.outstanding", Show::Money),
    column("due_today", "ageing.1.outstanding", Show::Money),
    column("overdue_1_7", "ageing.2.outstanding", Show::Money),
    column("overdue_8_30", "ageing.3.outstanding", Show::Money),
    column("overdue_over_30", "ageing.4.outstanding", Show::Money),
];

pub(super) const BY_WARNING: &[Column] = &[
    column("warning", "warning", Show::Code(&["Warning"])),
    column("wages", "wages", Show::Count),
    column("outstanding", "outstanding", Show::Money),
];

pub(super) fn run(verb: &WageVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        WageVerb::Show(one) => one.show("/v1/wages", client, out),
        WageVerb::List(filter) => {
            let query = list::given([
                ("employer", filter.employer.map(|it| it.to_string())),
                ("worker", filter.worker.map(|it| it.to_string())),
                ("region", filter.region.map(|it| it.to_string())),
                ("bucket", filter.bucket.clone()),
                ("state", filter.paid_too.then(|| "all".to_owned())),
            ]);
            list::show("/v1/wages", query, &filter.page, WAGES, client, out)
        }
        WageVerb::Board { by, page } => {
            let (by, columns) = match by {
                By::Employer => ("employer", BY_EMPLOYER),
                By::Region => ("region", BY_REGION),
                By::Age => ("age", BY_AGE),
                By::Worker => ("worker", BY_WORKER),
                By::Warning => ("warning", BY_WARNING),
            };
            list::show("/v1/wages/summary", vec![("by", by.to_owned())], page, columns, client, out)
        }
    }
}
