//! Starting from a snapshot and the log's tail: as good as from the whole log, and never instead of it.

use std::fs;
use std::path::{Path, PathBuf};

use linggong_engine::snapshot::{Replay, Snapshot};
use linggong_events::commit::Digest;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::{EmbeddedLog, OpenError};
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::packs::PackStore;
use linggong_gateway::serve::{self, Founding, ServeError};
use linggong_gateway::snapshot::{SnapshotAlarm, SnapshotStore};
use linggong_tests::{Server, instant};
use serde_json::json;

const NOON: &str = "2026-11-23T12:00:00+08:00";

async fn digest(server: &Server) -> Digest {
    server
        .running
        .partition
        .ask(|partition, _| partition.state().digest())
        .await
        .expect("the partition answers")
}

async fn open_market(server: &Server, name: &str) {
    let body = json!({ "name": name, "region": "370000", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_650_000, "lon_e6": 117_120_000 } });
    server.command("keeper1", "market.register", body).await.ok();
}

fn newest(data: &Path) -> PathBuf {
    let mut files: Vec<_> =
        fs::read_dir(data.join("snapshots")).into_iter().flatten().flatten().map(|it| it.path()).collect();
    files.sort();
    files.pop().expect("a snapshot")
}

/// What is so after commit `last`, by the log alone.
fn replayed(data: &Path, last: u64) -> Replay {
    let mut replay = Replay::default();
    let log = EmbeddedLog::open_read_only(&data.join("log")).expect("the log");
    for commit in log.reader.commits(1) {
        if replay.head.commit < last {
            replay.apply(&commit.expect("a commit")).expect("known events");
        }
    }
    replay
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_a_snapshot_from_a_damaged_one_and_from_none_is_the_same() {
    let mut server = Server::start(NOON).await;
    open_market(&server, "东关").await;
    let before = digest(&server).await;
    server = server.restart().await;
    assert_eq!(digest(&server).await, before, "from the snapshot of the stop");

    let data = server.data();
    open_market(&server, "西关").await;
    let before = digest(&server).await;
    let store = SnapshotStore::new(data.join("snapshots"), &server.config().log, 0);
    server = server
        .restart_after(|| {
            let log = EmbeddedLog::open_read_only(&data.join("log")).unwrap().reader;
            let newest_is_from = store.newest(&log).unwrap().replay.head.commit;
            let path = newest(&data);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
            let found = store.newest(&log).unwrap();
            assert_eq!(
                found.ignored.iter().map(|(path, _)| path).collect::<Vec<_>>(),
                [&path],
                "it is named"
            );
            let from = found.replay.head.commit;
            assert!(0 < from && from < newest_is_from, "the one before is started from, not the whole log");
        })
        .await;
    assert_eq!(digest(&server).await, before, "from the one before, and more of the log");
    let told = server.send("GET", "/metrics", None, &[], None).await.text;
    assert!(told.contains("\nlinggong_snapshots_ignored_total 1\n"), "it is reported: {told}");
    server = server.restart_after(|| fs::remove_dir_all(data.join("snapshots")).unwrap()).await;
    assert_eq!(digest(&server).await, before, "from the log alone");
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_serving_is_the_state_at_its_commit() {
    let server = Server::start_with(NOON, |config| config.snapshot_events = 1).await;
    for name in ["东关", "西关", "南关", "北关"] {
        open_market(&server, name).await;
    }
    let (data, _folder) = (server.data(), server.folder);
    server.running.stop().await.unwrap();
    let files = fs::read_dir(data.join("snapshots")).unwrap().map(|it| it.unwrap().path());
    let mut commits = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let snapshot = Snapshot::check(&bytes).unwrap();
        let replay = replayed(&data, snapshot.head().commit);
        assert_eq!(snapshot.state_digest(), replay.state.digest(), "{}", file.display());
        assert_eq!(snapshot.head(), replay.head);
        commits.push(replay.head.commit);
    }
    assert_eq!(commits.len(), 2, "the newest and the one before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_serves_starts_from_a_snapshot_and_a_short_tail() {
    let every = 20;
    let server = Server::start_with(NOON, |config| config.snapshot_events = every).await;
    for n in 0..90 {
        open_market(&server, &format!("{n}号")).await;
    }
    let head = server.running.partition.head.borrow().position;
    let mut newest = server.running.newest_snapshot.clone();
    newest.wait_for(|at| head.0 - at.0 < every).await.expect("snapshots are written while it serves");
    // What a killed process leaves.
    let killed = tempfile::tempdir().expect("a folder");
    for part in ["log", "snapshots", "packs"] {
        copy(&server.data().join(part), &killed.path().join(part));
    }
    let before = digest(&server).await;
    let config = Config { data: killed.path().to_owned(), ..server.config().clone() };
    let packs = PackStore::open(config.data.join("packs")).expect("the packs");
    let clock = server.running.clock.clone();
    let opened =
        serve::open_log(&config, &packs, &clock, &Founding::staffed(&config)).expect("it starts again");
    assert!(head.0 - opened.started_from.0 < every, "{} of {head}", opened.started_from);
    assert_eq!(opened.partition.state().digest(), before);
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_shorter_than_a_view_or_a_snapshot_of_it_or_another_is_not_served() {
    let server = Server::start(NOON).await;
    let data = server.data();
    let config = server.config().clone();
    let server = server.restart_after(|| copy(&data.join("log"), &data.join("older"))).await;
    open_market(&server, "东关").await;
    server.views_catch_up().await;
    let _folder = server.folder;
    server.running.stop().await.unwrap();
    fs::rename(data.join("log"), data.join("newer")).unwrap();
    fs::rename(data.join("older"), data.join("log")).unwrap();

    let founding = Founding::staffed(&config);
    let start = || serve::start(&config, Clock::driven(instant(NOON)), &founding);
    let refused = start().await.unwrap_err();
    assert!(matches!(refused, ServeError::Log(OpenError::Forgotten { .. })), "{refused:?}");
    assert_eq!(refused.exit(), Exit::Integrity);

    fs::rename(data.join("views"), data.join("views of the newer")).unwrap();
    let refused = start().await.unwrap_err();
    assert!(matches!(refused, ServeError::Snapshot(SnapshotAlarm::Ahead { .. })), "{refused:?}");

    // Two takeovers bring the older log as far as the newer one was: as long, and not the same.
    fs::rename(data.join("snapshots"), data.join("of the newer")).unwrap();
    for _ in 0..3 {
        start().await.unwrap().stop().await.unwrap();
    }
    fs::remove_dir_all(data.join("snapshots")).unwrap();
    fs::rename(data.join("of the newer"), data.join("snapshots")).unwrap();
    let refused = start().await.unwrap_err();
    assert!(matches!(refused, ServeError::Snapshot(SnapshotAlarm::Other { .. })), "{refused:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its sort").is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}
