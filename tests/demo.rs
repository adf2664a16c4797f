//! The demo as `cargo demo` runs it: its cast, its sheets and its script, over HTTP, to the last step.

use linggong_events::log::embedded::verify;
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
    let clock = Clock::driven(played.until.unwrap());
    let again = serve::start(&config, clock, &founding).await.unwrap();
    let replayed = again.partition.ask(|partition, _| partition.state().digest()).await.unwrap();
    assert_eq!(replayed, live, "the log replayed is what was");
    again.stop().await.unwrap();
}
