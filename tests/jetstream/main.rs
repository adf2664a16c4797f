//! The log in a stream, on a real server.

mod fence;
mod kills;
mod rot;

use std::collections::BTreeSet;

use linggong_events::commit::Head;
use linggong_events::log::conformance::{self, Store, author, commit_after, fill};
use linggong_events::log::jetstream::{Durability, JetStreamLog, OpenError, Options};
use linggong_events::log::{AppendError, EventLog as _, LogReader as _, Resolution};
use linggong_events::measure::Position;
use linggong_tests::nats::{NatsServer, Sync};

/// A stream of its own for each check.
struct Streams {
    options: Options,
    made: bool,
}

impl Store for Streams {
    type Log = JetStreamLog;
    fn open(&mut self) -> JetStreamLog {
        let options = self.options.clone();
        if self.made {
            return JetStreamLog::open(options).expect("it is there");
        }
        self.made = true;
        JetStreamLog::create(options).expect("it is new")
    }
}

/// The settings for a stream on `server`, small enough for a test's disk.
fn options(server: &NatsServer, partition: u16) -> Options {
    Options {
        max_bytes: 256 << 20,
        monitor: Some(server.monitor.clone()),
        ..Options::at(&server.url(), partition)
    }
}

#[test]
fn the_log_in_a_stream_is_a_log() {
    let server = NatsServer::start(Sync::Always);
    let mut partition = 0;
    conformance::run(|| {
        partition += 1;
        Streams { options: options(&server, partition), made: false }
    });
}

#[test]
fn a_log_is_made_once_and_opened_only_where_there_is_one() {
    let server = NatsServer::start(Sync::Always);
    let missing = JetStreamLog::open(options(&server, 0));
    assert!(matches!(missing, Err(OpenError::Missing { stream }) if stream == "LGL_P00"));
    let log = JetStreamLog::create(options(&server, 0)).unwrap();
    assert_eq!(log.durability(), Durability::Synced);
    let again = JetStreamLog::create(options(&server, 0));
    assert!(matches!(again, Err(OpenError::Exists { stream }) if stream == "LGL_P00"));
}

#[test]
fn a_server_that_acknowledges_before_it_syncs_is_refused_and_one_that_is_not_asked_is_not_trusted() {
    let server = NatsServer::start(Sync::Later);
    let refused = JetStreamLog::create(options(&server, 0));
    assert!(matches!(refused, Err(OpenError::NotSynced)));
    let unasked = Options { monitor: None, ..options(&server, 0) };
    assert_eq!(JetStreamLog::create(unasked).unwrap().durability(), Durability::Unverified);
    let other = NatsServer::start(Sync::Always);
    let mistaken = Options { monitor: Some(other.monitor.clone()), ..options(&server, 0) };
    assert!(matches!(JetStreamLog::open(mistaken), Err(OpenError::OtherServer)));
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_and_a_secret_in_its_url_is_not_told() {
    let mut server = NatsServer::start(Sync::Always);
    server.kill();
    let within = Options { answer_within: std::time::Duration::from_millis(300), ..options(&server, 0) };
    assert!(matches!(JetStreamLog::open(within), Err(OpenError::Server { .. })));
    let secret = Options::at("nats://desk:paper@127.0.0.1:4222", 0);
    let refused = JetStreamLog::open(secret).unwrap_err();
    assert!(matches!(refused, OpenError::SecretInUrl) && !format!("{refused} {refused:?}").contains("paper"));
}

#[test]
fn a_stream_that_is_set_up_otherwise_is_refused_with_each_setting_named() {
    let server = NatsServer::start(Sync::Always);
    drop(JetStreamLog::create(options(&server, 0)).unwrap());
    let wanted = Options { max_bytes: 128 << 20, ..options(&server, 0) };
    let Err(OpenError::Drift { fields, .. }) = JetStreamLog::open(wanted) else { panic!("it was opened") };
    assert_eq!(fields, BTreeSet::from(["max_bytes".to_owned()]));
    JetStreamLog::open(options(&server, 0)).expect("the stream is as it was");
}

#[test]
fn a_log_that_ends_before_what_was_seen_is_refused() {
    let server = NatsServer::start(Sync::Always);
    fill(&mut JetStreamLog::create(options(&server, 0)).unwrap(), &[3]);
    let known = |position| Options { known: Position(position), ..options(&server, 0) };
    JetStreamLog::open(known(3)).expect("nothing is missing");
    let refused = JetStreamLog::open(known(4));
    assert!(matches!(refused, Err(OpenError::Forgotten { found: Position(3), known: Position(4) })));
}

#[test]
fn a_full_stream_takes_nothing_and_says_so() {
    let server = NatsServer::start(Sync::Always);
    let small = Options { max_bytes: 64 << 10, ..options(&server, 0) };
    let mut log = JetStreamLog::create(small.clone()).unwrap();
    fill(&mut log, &[1]);
    let mut refused = None;
    for _ in 0..64 {
        let head = log.head();
        match log.append(&commit_after(&head, 20)) {
            Ok(_) => {}
            Err(error) => {
                refused = Some((head, error));
                break;
            }
        }
    }
    let (head, error) = refused.expect("64 times 20 events are more than 64 KiB");
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    assert_eq!(log.head(), head);
    drop(log);
    assert_eq!(JetStreamLog::open(small).unwrap().head(), head);
}

#[test]
fn of_two_that_take_over_with_the_same_bytes_one_goes_on() {
    let server = NatsServer::start(Sync::Always);
    fill(&mut JetStreamLog::create(options(&server, 0)).unwrap(), &[1]);
    let mut first = JetStreamLog::open(options(&server, 0)).unwrap();
    let mut second = JetStreamLog::open(options(&server, 0)).unwrap();
    let record = author().takeover(&first.head(), 0).unwrap();
    first.append(&record).unwrap();
    assert!(matches!(second.append(&record), Err(AppendError::Deposed)));
    assert!(matches!(second.resolve(&record), Err(AppendError::Deposed)));
    assert_eq!(first.resolve(&record).unwrap(), Resolution::Landed(first.head()));
    first.append(&commit_after(&first.head(), 1)).expect("the first goes on");
}

#[test]
fn a_log_longer_than_one_window_is_read_in_order() {
    let server = NatsServer::start(Sync::Later);
    let unasked = Options { monitor: None, ..options(&server, 0) };
    let written = fill(&mut JetStreamLog::create(unasked.clone()).unwrap(), &[2; 300]);
    let log = JetStreamLog::open(unasked).unwrap();
    assert_eq!(log.head(), Head { commit: 301, position: Position(600), ..log.head() });
    let read: Vec<_> = log.reader().commits(1).map(Result::unwrap).collect();
    assert_eq!(read, written);
}
