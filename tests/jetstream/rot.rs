//! The server's store is damaged, put back or lost: nothing is written over what is missing, and nobody reads past it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use linggong_events::commit::{Commit, Head};
use linggong_events::log::conformance::{commit_after, fill};
use linggong_events::log::jetstream::{JetStreamLog, OpenError, Options};
use linggong_events::log::{AppendError, EventLog as _, LogReader as _, ReadError, Resolution};
use linggong_tests::nats::{NatsServer, Sync};

use crate::options;

/// What happens to the bytes of a store.
type Damage = Box<dyn Fn(&mut Vec<u8>)>;

/// A server with a log of some commits, and its writer.
fn written() -> (NatsServer, Options, JetStreamLog) {
    let server = NatsServer::start(Sync::Always);
    let options = Options { answer_within: Duration::from_millis(500), ..options(&server, 0) };
    let mut log = JetStreamLog::create(options.clone()).expect("it is new");
    fill(&mut log, &[2; 60]);
    (server, options, log)
}

/// How the append of `commit` ends once the server answers.
fn ended(log: &mut JetStreamLog, commit: &Commit) -> Result<Head, AppendError> {
    let mut outcome = log.append(commit);
    while let Err(AppendError::Unknown { .. }) = outcome {
        outcome = match log.resolve(commit)? {
            Resolution::Landed(head) => Ok(head),
            Resolution::Absent => log.append(commit),
            Resolution::Deposed => Err(AppendError::Deposed),
        };
    }
    outcome
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("`cp` runs");
    assert!(copied.success());
}

#[test]
fn an_older_store_put_back_ends_the_writer_and_is_not_opened_by_who_has_seen_more() {
    let (mut server, options, mut log) = written();
    let aside = tempfile::tempdir().unwrap();
    let older = aside.path().join("store");
    server.kill();
    copy(&server.store(), &older);
    server.start_again();
    let next = commit_after(&log.head(), 3);
    let seen = ended(&mut log, &next).expect("the writer goes on after a restart");
    server.kill();
    fs::remove_dir_all(server.store()).unwrap();
    copy(&older, &server.store());
    server.start_again();
    let lost = ended(&mut log, &commit_after(&seen, 1));
    assert!(matches!(lost, Err(AppendError::Poisoned { .. })), "{lost:?}");
    let reading = log.reader().commits(1).last();
    assert!(matches!(reading, Some(Err(ReadError::Damaged { .. }))), "{reading:?}");
    let opened = JetStreamLog::open(Options { known: seen.position, ..options });
    assert!(matches!(opened, Err(OpenError::Forgotten { known, .. }) if known == seen.position));
}

#[test]
fn a_store_that_is_lost_ends_the_writer_and_no_log_is_found() {
    let (mut server, options, mut log) = written();
    server.kill();
    fs::remove_dir_all(server.store()).unwrap();
    server.start_again();
    let next = commit_after(&log.head(), 1);
    let lost = ended(&mut log, &next);
    assert!(matches!(lost, Err(AppendError::Poisoned { .. })), "{lost:?}");
    assert!(matches!(JetStreamLog::open(options), Err(OpenError::Missing { .. })));
}

#[test]
fn a_flipped_bit_and_a_cut_tail_end_the_writer_and_are_refused() {
    let flipped = |share: usize| {
        move |bytes: &mut Vec<u8>| {
            let at = bytes.len() * share / 100;
            bytes[at] ^= 4;
        }
    };
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 150);
    let damages: [(&str, Damage); 4] = [
        ("a bit near the beginning", Box::new(flipped(2))),
        ("a bit in the middle", Box::new(flipped(50))),
        ("a bit near the end", Box::new(flipped(99))),
        ("the tail", Box::new(cut)),
    ];
    for (what, damage) in damages {
        let (mut server, options, mut log) = written();
        let seen = log.head();
        server.kill();
        let block = server.store().join("jetstream/$G/streams/LGL_P00/msgs/1.blk");
        let mut bytes = fs::read(&block).unwrap();
        damage(&mut bytes);
        fs::write(&block, bytes).unwrap();
        server.start_again();
        let lost = ended(&mut log, &commit_after(&seen, 1));
        eprintln!("{what}: {lost:?}");
        let opened = JetStreamLog::open(Options { known: seen.position, ..options });
        let Err(refused) = opened else { panic!("{what}: the log was opened") };
        assert!(refused.is_loss(), "{what}: {refused:?}");
        assert!(matches!(lost, Err(AppendError::Poisoned { .. })), "{what}: {lost:?}");
    }
}
