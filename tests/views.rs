//! Views through the real server: parked, frozen, built for the first time, built anew, and read all the while.

use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use linggong_events::Event;
use linggong_events::envelope::Meta;
use linggong_events::id::HireId;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;
use linggong_events::market::MarketEvent;
use linggong_events::measure::Position;
use linggong_gateway::projection_task::{self, ViewState};
use linggong_projections::directory::Directory;
use linggong_projections::hiring_ledger::HiringLedger;
use linggong_projections::{Projection, Rows, StoreError, View, Views, open_all, refold};
use linggong_tests::{Answer, Server};
use serde_json::{Value, json};
use tokio::sync::watch;

const NOON: &str = "2026-11-23T12:00:00+08:00";
const LEDGER: &str = HiringLedger::NAME;

/// What is measured is measured for the whole process: one test at a time asks for it.
static METRICS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The views, the ledger folded by `V`.
fn with_ledger_of<V: View>(dir: &Path) -> Result<Views, StoreError> {
    let mut views = open_all(dir)?;
    let nth = views.projections.iter().position(|it| it.name() == LEDGER).expect("the ledger is a view");
    // The files are let go of before they are opened again.
    views.readers.hiring_ledger = refold::<HiringLedger>([]);
    drop(views.projections.remove(nth));
    if V::VERSION != HiringLedger::VERSION {
        // What opening the real one began.
        std::fs::remove_dir_all(dir.join(format!("{LEDGER}-v{}", HiringLedger::VERSION))).expect("its files");
    }
    let (projection, _) = Projection::<V>::open(dir)?;
    views.readers.hiring_ledger = projection.reader_as().expect("of that name");
    views.projections.insert(nth, Box::new(projection));
    Ok(views)
}

async fn open_market(server: &Server, name: &str) -> Position {
    let body = json!({ "name": name, "region": "370000", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_650_000, "lon_e6": 117_120_000 } });
    let receipt = server.command("keeper1", "market.register", body).await.ok();
    receipt["position"].as_str().expect("a position").parse().expect("a number")
}

async fn ready(server: &Server) -> Answer {
    server.send("GET", "/readyz", None, &[], None).await
}

async fn metrics(server: &Server) -> String {
    server.send("GET", "/metrics", None, &[], None).await.text
}

/// What `linggong projection list` shows of the ledger.
async fn listed(server: &Server) -> Value {
    let list = server.get("keeper1", "/v1/projections").await.ok();
    let found = list["items"].as_array().expect("a list").iter().find(|it| it["name"] == LEDGER);
    found.expect("the ledger").clone()
}

/// The ledger by a fold that cannot bear one market.
struct Brittle;

impl View for Brittle {
    const NAME: &'static str = LEDGER;
    const VERSION: u32 = HiringLedger::VERSION + 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        if let Event::Market(MarketEvent::Registered(it)) = event {
            assert_ne!(it.name, "毒");
        }
        HiringLedger::apply(rows, meta, event);
    }
}

/// The brittle ledger, mended in a later version of the software.
struct Mended;

impl View for Mended {
    const NAME: &'static str = LEDGER;
    const VERSION: u32 = Brittle::VERSION + 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        HiringLedger::apply(rows, meta, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_parks_one_view_says_so_everywhere_and_mended_software_builds_it_by_itself() {
    let alone = METRICS.lock().await;
    let mut server = Server::start_with_views(NOON, |_| (), with_ledger_of::<Brittle>).await;
    let before = open_market(&server, "东关").await;
    server.views_catch_up().await;
    server.get("clerk", &format!("/v1/hires?at_least={before}")).await.ok();
    assert_eq!(ready(&server).await.ok()["views"], json!([]));

    let poison = open_market(&server, "毒").await;
    for _ in 0..2 {
        server.running.projections.wait_for(LEDGER, |it| it.trouble.is_some()).await;
        let at = format!("/v1/hires?at_least={poison}");
        let refused = server.get("clerk", &at).await.refused(503, "view_parked");
        let detail = format!("the view `{LEDGER}` stands before event {poison}, which it cannot take");
        assert_eq!(refused["detail"], detail.as_str());
        server.get("clerk", "/v1/hires").await.refused(503, "view_parked");

        let said = ready(&server).await;
        assert_eq!(said.status, 503, "{}", said.text);
        let why = format!("its store failed: view `{LEDGER}` cannot take the event at {poison}");
        let parked = json!([{ "name": LEDGER, "state": "parked", "position": before, "trouble": why }]);
        assert_eq!(said.body["views"], parked);
        let row = listed(&server).await;
        assert_eq!((&row["state"], &row["position"]), (&json!("parked"), &json!(before)));
        assert_eq!(row["trouble"], why.as_str());
        let measured = metrics(&server).await;
        for line in [
            format!("linggong_view_state{{view=\"{LEDGER}\",state=\"parked\"}} 1"),
            format!("linggong_view_state{{view=\"{LEDGER}\",state=\"current\"}} 0"),
            format!("linggong_view_position{{view=\"{LEDGER}\"}} {before}"),
            "linggong_view_state{view=\"directory\",state=\"parked\"} 0".to_owned(),
        ] {
            assert!(measured.contains(&line), "{line} in {measured}");
        }

        // Everything else goes on, and so it is after a restart.
        let after = open_market(&server, "西关").await;
        server.running.projections.wait_for("directory", |it| it.position >= after).await;
        server.get("clerk", &format!("/v1/markets?at_least={after}")).await.ok();
        server = server.restart_with_views(with_ledger_of::<Brittle>).await;
    }

    let head = server.running.partition.head.borrow().position;
    server = server.restart_with_views(with_ledger_of::<Mended>).await;
    server.views_catch_up().await;
    server.get("clerk", &format!("/v1/hires?at_least={head}")).await.ok();
    assert_eq!(ready(&server).await.ok()["views"], json!([]));
    let older = server.data().join(format!("views/{LEDGER}-v{}", Brittle::VERSION));
    assert!(!older.exists(), "the parked version is of no more use");
    server.running.stop().await.unwrap();
    drop(alone);
}

/// Lets a fold go on as far as a test allows, and tells the test where it waits.
struct Gate {
    allowed: Mutex<(u64, Option<u64>)>,
    changed: Condvar,
}

impl Gate {
    const fn open() -> Gate {
        Gate { allowed: Mutex::new((u64::MAX, None)), changed: Condvar::new() }
    }

    /// Lets events up to `position` pass.
    fn allow(&self, position: u64) {
        self.allowed().0 = position;
        self.changed.notify_all();
    }

    fn pass(&self, position: u64) {
        let mut allowed = self.allowed();
        while allowed.0 < position {
            allowed.1 = Some(position);
            self.changed.notify_all();
            allowed = self.changed.wait(allowed).expect("no test fails at a gate");
        }
        allowed.1 = None;
    }

    /// Waits until a fold waits, and tells before which event.
    async fn somebody_waits(&'static self) -> u64 {
        let waiting = tokio::task::spawn_blocking(|| {
            let waits = self.changed.wait_while(self.allowed(), |it| it.1.is_none_or(|at| at <= it.0));
            waits.expect("no test fails at a gate").1.expect("somebody waits")
        });
        waiting.await.expect("the thread that waits")
    }

    fn allowed(&self) -> std::sync::MutexGuard<'_, (u64, Option<u64>)> {
        self.allowed.lock().expect("no test fails at a gate")
    }
}

static GATES: [Gate; 3] = [Gate::open(), Gate::open(), Gate::open()];

/// The ledger by its own fold, before which a gate stands; one gate and one later version for each test.
struct Gated<const N: u32>;

impl<const N: u32> View for Gated<N> {
    const NAME: &'static str = LEDGER;
    const VERSION: u32 = HiringLedger::VERSION + 1 + N;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        GATES[N as usize].pass(meta.position.0);
        HiringLedger::apply(rows, meta, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_built_anew_beside_the_live_one_which_answers_until_it_is_replaced() {
    let gate = &GATES[0];
    let server = Server::start_with_views(NOON, |_| (), with_ledger_of::<Gated<0>>).await;
    let head = open_market(&server, "东关").await;
    server.views_catch_up().await;
    let path = format!("/v1/hires?at_least={head}");
    let before = server.get("clerk", &path).await.ok();

    gate.allow(0);
    server.get("auditor", "/v1/projections").await.ok();
    let asked = |name: &str| format!("/v1/projections/{name}/rebuild");
    let token = server.token("keeper1");
    server.send("POST", &asked("no_such"), Some(&token), &[], None).await.refused(404, "not_found");
    let taken = server.send("POST", &asked(LEDGER), Some(&token), &[], None).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    assert_ne!(listed(&server).await["rebuilding"], Value::Null, "told before it is begun");
    assert_eq!(gate.somebody_waits().await, 1, "folded from the first event on");

    assert_eq!(server.get("clerk", &path).await.ok(), before, "the live view answers");
    let row = listed(&server).await;
    assert_eq!((&row["state"], &row["rebuilding"]), (&json!("current"), &json!(Position(0))));
    assert!(ready(&server).await.ok()["ready"].as_bool().unwrap());

    gate.allow(u64::MAX);
    server.running.projections.wait_for(LEDGER, |it| it.rebuilt == 1 && it.rebuilding.is_none()).await;
    assert_eq!(server.get("clerk", &path).await.ok(), before);
    let files = |name: &str| server.data().join("views").join(name).exists();
    let name = format!("{LEDGER}-v{}", Gated::<0>::VERSION);
    assert_eq!((files(&name), files(&format!("{name}.1"))), (false, true));
    let after = open_market(&server, "西关").await;
    server.views_catch_up().await;
    server.get("clerk", &format!("/v1/hires?at_least={after}")).await.ok();
    server.running.stop().await.unwrap();
}

/// The ledger by the fold of another view: sound rows, and none that its reader can read.
struct Muddled;

impl View for Muddled {
    const NAME: &'static str = LEDGER;
    const VERSION: u32 = HiringLedger::VERSION + 1;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        Directory::apply(rows, meta, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_cannot_read_has_the_view_built_anew_beside_the_live_one_and_not_for_ever() {
    let server = Server::start_with_views(NOON, |_| (), with_ledger_of::<Muddled>).await;
    open_market(&server, "东关").await;
    server.views_catch_up().await;
    let market = server.get("clerk", "/v1/markets").await.ok()["items"][0]["market"].clone();
    let market: HireId = serde_json::from_value(market).expect("an id");
    for n in 1..=4 {
        let read = server.running.readers.hiring_ledger.hire(market);
        assert!(matches!(read, Err(StoreError::Broken { .. })), "{read:?}");
        // The thread hears of it when it looks next.
        open_market(&server, "西关").await;
        let stands = server.running.projections.wait_for(LEDGER, |it| it.rebuilt == n.min(3)).await.unwrap();
        assert!(!stands.building, "the rows that can be read are shown meanwhile");
        server.get("clerk", "/v1/hires").await.ok();
    }
    assert_eq!(listed(&server).await["rebuilt"], 3, "somebody must look at it");
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_rotted_while_the_server_was_down_are_put_aside_and_the_view_is_built_by_itself() {
    let server = Server::start(NOON).await;
    open_market(&server, "东关").await;
    server.views_catch_up().await;
    let before = server.get("clerk", "/v1/markets").await.ok();
    let views = server.data().join("views");
    let server = server
        .restart_after(|| {
            let names = std::fs::read_dir(&views).unwrap().flatten().map(|it| it.path());
            let dir = names.into_iter().find(|it| it.to_string_lossy().contains("/directory-v")).unwrap();
            let length = std::fs::metadata(dir.join("conf")).unwrap().len();
            std::fs::write(dir.join("conf"), vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
        })
        .await;
    server.views_catch_up().await;
    assert_eq!(server.get("clerk", "/v1/markets").await.ok()["items"], before["items"]);
    assert_eq!(std::fs::read_dir(views.join("quarantine")).unwrap().count(), 1);
    ready(&server).await.ok();
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_ahead_of_its_log_is_an_alarm_answers_nothing_and_keeps_its_rows() {
    let server = Server::start(NOON).await;
    let (data, older) = (server.data(), server.folder.path().join("older"));
    copy(&data.join("log"), &older);
    open_market(&server, "东关").await;
    server.views_catch_up().await;
    let _folder = server.folder;
    server.running.stop().await.unwrap();

    let log = EmbeddedLog::open_read_only(&older).unwrap().reader;
    let views = open_all(&data.join("views")).unwrap();
    let (head, seen) = watch::channel(log.head());
    let (handle, thread) =
        projection_task::start(views.projections, log.clone(), seen, Duration::from_secs(30)).unwrap();
    assert!(handle.rebuild(LEDGER));
    let stands =
        handle.wait_for(LEDGER, |it| it.trouble.is_some() && it.rebuild_failed.is_some()).await.unwrap();
    assert_eq!(stands.state(log.head().position), ViewState::Ahead);
    assert!(stands.position > log.head().position && stands.rebuilt == 0, "its rows are kept");
    let told = views.readers.hiring_ledger.position().unwrap_err();
    assert!(matches!(told, StoreError::AheadOfLog { .. }), "{told}");
    drop(head);
    thread.join().unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its sort").is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_stands_still_while_the_log_goes_on_is_an_alarm_until_it_moves() {
    let alone = METRICS.lock().await;
    let gate = &GATES[1];
    let server = Server::start_with_views(NOON, |_| (), with_ledger_of::<Gated<1>>).await;
    let before = open_market(&server, "东关").await;
    server.views_catch_up().await;
    gate.allow(before.0);
    let head = open_market(&server, "西关").await;
    assert_eq!(gate.somebody_waits().await, head.0);

    let views = &server.running.projections;
    views.look(Duration::from_secs(1000), head);
    views.look(Duration::from_secs(1030), head);
    let said = ready(&server).await;
    assert_eq!(said.status, 503, "{}", said.text);
    let frozen = json!({ "name": LEDGER, "state": "frozen", "position": before, "trouble": null });
    assert!(said.body["views"].as_array().unwrap().contains(&frozen), "{}", said.text);
    assert_eq!(listed(&server).await["state"], "frozen");
    let measured = metrics(&server).await;
    assert!(measured.contains(&format!("linggong_view_state{{view=\"{LEDGER}\",state=\"frozen\"}} 1")));

    gate.allow(u64::MAX);
    server.views_catch_up().await;
    server.running.projections.look(Duration::from_secs(1031), head);
    ready(&server).await.ok();
    assert_eq!(listed(&server).await["state"], "current");
    server.running.stop().await.unwrap();
    drop(alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_view_catches_up_while_the_others_go_on_and_shows_nothing_until_it_has() {
    let gate = &GATES[2];
    let server = Server::start(NOON).await;
    let mut had = server.running.partition.head.borrow().position.0;
    // More than one batch.
    while had < 1200 {
        let some = (0..50).map(|n| {
            let name = format!("{n}号");
            let server = &server;
            async move { open_market(server, &name).await.0 }
        });
        had = futures_of(some).await.into_iter().max().unwrap();
    }
    gate.allow(0);
    let server = server.restart_with_views(with_ledger_of::<Gated<2>>).await;
    assert_eq!(gate.somebody_waits().await, 1);
    server.get("clerk", "/v1/hires").await.refused(503, "view_building");
    server.get("clerk", "/v1/markets").await.ok();
    let said = ready(&server).await.ok();
    let building = json!([{ "name": LEDGER, "state": "building", "position": Position(0), "trouble": null }]);
    assert_eq!((&said["ready"], &said["views"]), (&json!(true), &building));

    let later = open_market(&server, "新开").await;
    gate.allow(1100);
    assert!(gate.somebody_waits().await > 1100, "one batch is in");
    server.get("clerk", &format!("/v1/markets?at_least={later}")).await.ok();
    server.get("clerk", "/v1/hires").await.refused(503, "view_building");

    gate.allow(u64::MAX);
    let stands = server.running.projections.wait_for(LEDGER, |it| it.position >= later).await;
    assert_eq!(stands.map(|it| it.state(later)), Some(ViewState::Current));
    server.get("clerk", &format!("/v1/hires?at_least={later}")).await.ok();
    server.running.stop().await.unwrap();
}

/// Awaits all of them at once.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in &mut all {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if all.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}
