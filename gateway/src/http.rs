//! The HTTP surface: one generic command route, reads, events, and what operators need.

mod around;
mod asked;
mod at_vault;
mod auth;
mod cards;
mod claim_receipt;
mod commands;
mod demo_mark;
mod departments;
mod error;
mod events;
mod explain_then;
pub(crate) mod listen;
mod names;
mod ops;
mod reads;
mod seen_through;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post, put};
use linggong_events::commit::Head;
use linggong_events::head::{HeadKey, SignedHead};
use linggong_events::log::embedded::EmbeddedReader;
use linggong_events::log::{Audit, LogReader};
use linggong_events::time::Date;
use linggong_projections::Readers;
use serde_json::Value;
use tokio::sync::watch;

use around::Around;
pub use at_vault::SharedVault;
pub use commands::ReceiptAnswer;
pub use error::{CODES, Problem};
pub use events::Streams;

use crate::clock::Clock;
use crate::day_sheet::{Day, Standing};
use crate::identity::Tokens;
use crate::packs::PackStore;
use crate::partition_task::{PartitionHandle, Unavailable};
use crate::projection_task::ProjectionsHandle;

/// Everything a request may need: handles to the tasks, readers, the vault.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// The one clock.
    pub clock: Clock,
    /// The partition.
    pub partition: PartitionHandle,
    /// The log.
    pub log: EmbeddedReader,
    /// The views.
    pub readers: Readers,
    /// The thread that brings them forward.
    pub projections: ProjectionsHandle,
    /// Whose token is whose.
    pub tokens: watch::Receiver<Tokens>,
    /// The store of rule packs.
    pub packs: PackStore,
    /// The one that renders metrics.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// The key that signs heads.
    pub head_key: HeadKey,
    /// Whether this is a demo log: every answer says so.
    pub demo: bool,
    /// The limits of requests.
    pub limits: Limits,
    /// The vault, one request at a time.
    pub vault: Arc<SharedVault>,
    /// The streams that are open.
    pub streams: Arc<Streams>,
    /// Turns true when the process is asked to stop: streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// How much a request may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Time.
    pub request: Duration,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// An app of these parts.
    pub fn new(parts: Parts) -> App {
        App(Arc::new(parts))
    }

    /// The head of the log as it is now, and signed, over the tree that its writer keeps.
    fn tree_head(&self) -> Option<(Head, String)> {
        let (head, tree) = self.log.tree()?;
        Some((head, SignedHead::of(head, tree.root(), &self.head_key).text().to_owned()))
    }

    /// 日结单 of a civil date.
    async fn day_sheet(&self, date: Date) -> Result<Value, Problem> {
        self.partition.check_whole()?;
        // What was stamped before midnight may still be on its way into the log; whatever answers was decided before
        // now. A partition that stopped writes nothing more.
        let today = match self.partition.ask(|_, now| now.date()).await {
            Ok(today) => today,
            Err(busy @ Unavailable::Busy) => return Err(busy.into()),
            Err(Unavailable::NoSpace | Unavailable::ReadOnly | Unavailable::Stopped) => {
                self.clock.now().date()
            }
        };
        let app = self.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let (mut day, mut audit) = (Day::new(date), Audit::default());
            for commit in app.log.commits(1) {
                let commit = commit?;
                audit.commit(&commit).map_err(|error| Problem::internal(&error))?;
                day.commit(&commit, &audit);
            }
            Ok::<_, Problem>(day)
        });
        let day = gathered.await.map_err(|error| Problem::internal(&error))??;
        let standing = day.standing(today);
        if standing == Standing::ToCome {
            return Err(Problem::bad_request(format!("`date` is to come: {date} has not begun")));
        }
        let access = self.vault.at(|vault| vault.access_head()).await?;
        Ok(day.sheet(&self.head_key, Some(&access), self.demo, standing))
    }
}

/// One route: what it answers to, and who answers.
pub(crate) struct Route {
    /// `get`, `post` or `put`.
    pub(crate) method: &'static str,
    /// The path, with its parameters in braces.
    pub(crate) path: &'static str,
    /// The most bytes of a body, where it is not the limit that all share.
    body_bytes: Option<usize>,
    handler: fn() -> MethodRouter<App>,
}

const fn only(listed: &[usize]) -> Option<usize> {
    match listed {
        [] => None,
        [one, ..] => Some(*one),
    }
}

impl Route {
    /// The most bytes of a body.
    fn most(&self, limits: Limits) -> usize {
        self.body_bytes.unwrap_or(limits.body_bytes)
    }

    /// Whether a demo log's answer says so in a member too: what is a document of another form does not.
    fn is_marked(&self) -> bool {
        let of_another_form = matches!(
            self.path,
            "/v1/events/{position}" | "/v1/openapi.json" | "/v1/schemas/{name}" | "/v1/log/seal-day"
        );
        let receipt = self.path == "/v1/commands/{name}";
        receipt || (self.method == "get" && self.path.starts_with("/v1/") && !of_another_form)
    }
}

macro_rules! routes {
    ($($method:ident $path:literal $([$bytes:expr])? => $handler:expr;)*) => {
        /// Every route there is; the router and the OpenAPI document are both held to this list.
        pub(crate) const ROUTES: &[Route] = &[
            $(Route {
                method: stringify!($method),
                path: $path,
                body_bytes: only(&[$($bytes)?]),
                handler: || $method($handler),
            },)*
        ];
    };
}

routes! {
    get "/v1/commands" => crate::openapi::registry;
    post "/v1/commands/{name}" => commands::give;
    get "/v1/receipts/{command}" => commands::receipt;
    get "/v1/markets" => reads::markets;
    get "/v1/markets/{market}/board" => reads::board;
    get "/v1/postings" => reads::postings;
    get "/v1/postings/{id}" => reads::posting;
    get "/v1/postings/{id}/explain" => reads::explain;
    get "/v1/hires" => reads::hires;
    get "/v1/hires/{id}" => reads::hire;
    get "/v1/hires/{id}/cover" => reads::cover;
    get "/v1/wages" => reads::wages;
    get "/v1/wages/summary" => reads::arrears;
    get "/v1/wages/{id}" => reads::wage;
    get "/v1/insurances" => reads::insurances;
    get "/v1/claims" => reads::claims;
    get "/v1/claims/{id}" => reads::claim;
    post "/v1/claims/{id}/receipt" => claim_receipt::print;
    get "/v1/cases" => reads::cases;
    get "/v1/cases/{id}" => reads::case;
    get "/v1/workers/{id}" => reads::worker;
    get "/v1/employers/{id}" => reads::employer;
    post "/v1/persons/{id}/open" => ops::open_person;
    get "/v1/timelines/{kind}/{id}" => events::timeline;
    get "/v1/events" => events::list;
    get "/v1/events/stream" => events::stream;
    get "/v1/events/{position}" => events::one;
    get "/v1/events/{position}/causes" => events::causes;
    get "/v1/events/{position}/effects" => events::effects;
    post "/v1/sealed/{position}/{field}/open" => ops::open_text;
    post "/v1/evidence/{digest}/open" => ops::open_evidence;
    post "/v1/evidence" [crate::vault::MAX_EVIDENCE_BYTES] => ops::store_evidence;
    post "/v1/departments/{department}/key" => departments::issue_key;
    get "/v1/accesses" => ops::accesses;
    get "/v1/staff" => reads::staff;
    put "/v1/packs" => ops::store_pack;
    get "/v1/sources/{digest}" => ops::source;
    put "/v1/sources/{digest}" [crate::vault::MAX_EVIDENCE_BYTES] => ops::store_source;
    get "/v1/log/head" => ops::head;
    get "/v1/log/seal-day" => ops::seal_day;
    get "/v1/projections" => ops::projections;
    post "/v1/projections/{name}/rebuild" => ops::rebuild;
    get "/v1/schemas" => crate::openapi::schemas;
    get "/v1/schemas/{name}" => crate::openapi::schema;
    get "/v1/openapi.json" => crate::openapi::answer;
    get "/healthz" => ops::alive;
    get "/readyz" => ops::ready;
    get "/metrics" => ops::metrics;
}

/// Every route, behind the layer that all share.
pub fn router(app: App) -> Router {
    let limits = app.limits;
    let sort = if app.partition.read_only.is_some() { "damaged" } else { "production" };
    let sort = if app.demo { "demo" } else { sort };
    let around = Around { limits, sort, clock: app.clock.clone() };
    let bounded = |it: &Route| {
        let route = (it.handler)().layer(DefaultBodyLimit::max(it.most(limits)));
        let marks = app.demo && it.is_marked();
        if marks { route.layer(axum::middleware::from_fn(demo_mark::told)) } else { route }
    };
    let routes = ROUTES.iter().fold(Router::new(), |router, it| router.route(it.path, bounded(it)));
    routes.with_state(app).layer(axum::middleware::from_fn_with_state(around, around::around))
}
