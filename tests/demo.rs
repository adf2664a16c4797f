//! The demo as `cargo demo` runs it: its cast, its sheets and its script, over HTTP, to the last step.

use std::path::Path;

use linggong_engine::snapshot::{self, Replay, Snapshot};
use linggong_events::commit::Digest;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::{EmbeddedLog, verify};
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::{demo, sample, serve};
use linggong_tests::instant;

#[tokio::test(flavor = "multi_thread")]
async fn the_morning_and_its_weeks_play_to_the_end_and_every_byte_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data: folder.path().join("demo"),
        listen: ([127, 0, 0, 1], 0).into(),
        log: "demo".into(),
        segment_bytes: 1 << 20,
        ..Config::default()
    };
    let morning = instant("2026-10-26T00:00:00+08:00").date();
    let founding = demo::founding(&sample::script());
    let clock = Clock::driven(morning.plus_days(-3).at_minute(480));
    let running = serve::start(&config, clock, &founding).await.unwrap();
    let played = demo::play(&running, &config, &founding, morning).await.unwrap();
    assert_eq!(played.steps, sample::script().step.len());

    let head = running.partition.head.borrow().position;
    let views = running.projections.all_reached(head).await;
    assert!(views.is_ok(), "{:?}", running.projections.standings());
    let live = running.partition.ask(|partition, _| partition.state().digest()).await.unwrap();
    running.stop().await.unwrap();

    let report = verify(&config.data.join("log"), |_, _| ());
    assert!(report.is_sound(), "{report:?}");
    assert!(report.head.position >= head);
    assert_eq!(every_commit_through_a_snapshot(&config.data.join("log")), live);
    let clock = Clock::driven(played.until.unwrap());
    let again = serve::start(&config, clock, &founding).await.unwrap();
    let replayed = again.partition.ask(|partition, _| partition.state().digest()).await.unwrap();
    assert_eq!(replayed, live, "the log replayed is what was");

    let weeks_later = morning.plus_days(90).at_minute(0);
    demo::come_to(&again, weeks_later).await.unwrap();
    assert!(!*again.partition.clock_held.borrow(), "weeks in which no demo ran put its clock in no doubt");
    let seen = again.partition.ask(|partition, _| partition.last_trusted()).await.unwrap();
    assert_eq!(seen, Some(weeks_later));
    again.stop().await.unwrap();
}

/// Folds the log twice, straight on and through a snapshot after every commit; both ways are one at each.
fn every_commit_through_a_snapshot(log: &Path) -> Digest {
    let (mut straight, mut resumed) = (Replay::default(), Replay::default());
    for commit in EmbeddedLog::open_read_only(log).expect("the log").reader.commits(1) {
        let commit = commit.expect("a commit");
        straight.apply(&commit).expect("known events");
        resumed.apply(&commit).expect("known events");
        let bytes = snapshot::write("demo", 0, &resumed.head, &resumed.state);
        let snapshot = Snapshot::check(&bytes).expect("a snapshot");
        // To compare at each commit would take a minute; a difference does not mend itself.
        if straight.head.commit % 16 == 0 {
            assert_eq!(snapshot.state_digest(), straight.state.digest(), "after {:?}", straight.head);
        }
        resumed = snapshot.open().expect("a state");
    }
    assert_eq!(resumed.state.digest(), straight.state.digest());
    assert_eq!(format!("{:?}", straight.state), format!("{:?}", resumed.state));
    straight.state.digest()
}
