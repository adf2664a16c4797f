//! The server is killed while commits are on their way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use linggong_events::commit::{Commit, Head};
use linggong_events::log::conformance::{commit_after, fill};
use linggong_events::log::jetstream::{JetStreamLog, Options};
use linggong_events::log::{AppendError, EventLog as _, LogReader as _, Resolution};
use linggong_tests::nats::{NatsServer, Sync};

use crate::options;

const ROUNDS: usize = 16;
/// How many commits are acknowledged between two kills.
const BETWEEN: usize = 40;

/// How often an outcome was not known, and what it turned out to be.
#[derive(Debug, Default)]
struct Outcomes {
    landed: u32,
    absent: u32,
}

/// Appends until it is known to have landed.
fn surely(log: &mut JetStreamLog, commit: &Commit, outcomes: &mut Outcomes) -> Head {
    let mut outcome = log.append(commit);
    loop {
        match outcome {
            Ok(head) => return head,
            Err(AppendError::Unknown { .. }) => match log.resolve(commit).expect("settled") {
                Resolution::Landed(head) => {
                    outcomes.landed += 1;
                    return head;
                }
                Resolution::Absent => {
                    outcomes.absent += 1;
                    outcome = log.append(commit);
                }
                Resolution::Deposed => panic!("nobody else writes"),
            },
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a recovery takes is measured")]
fn what_was_acknowledged_outlives_every_kill_of_the_server() {
    let mut server = NatsServer::start(Sync::Always);
    let options = Options { answer_within: Duration::from_millis(500), ..options(&server, 0) };
    let mut log = JetStreamLog::create(options.clone()).unwrap();
    let mut expected = fill(&mut log, &[1]);
    let (sender, acked) = channel();
    let done = AtomicBool::new(false);
    let mut slowest = Duration::ZERO;
    let (written, outcomes) = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let (mut written, mut outcomes) = (Vec::new(), Outcomes::default());
            while !done.load(Ordering::Relaxed) {
                let commit = commit_after(&log.head(), 1 + written.len() as u64 % 5);
                let head = surely(&mut log, &commit, &mut outcomes);
                assert_eq!(head.digest, commit.digest());
                written.push(commit);
                // The other side has heard enough at the end.
                sender.send(()).ok();
            }
            (written, outcomes)
        });
        for _ in 0..ROUNDS {
            acked.iter().take(BETWEEN).for_each(drop);
            server.kill();
            // Acknowledged before the kill, and not yet heard of.
            acked.try_iter().for_each(drop);
            server.start_again();
            let ready = Instant::now();
            acked.recv().expect("the writer goes on");
            slowest = slowest.max(ready.elapsed());
        }
        done.store(true, Ordering::Relaxed);
        writer.join().expect("no panic")
    });
    expected.extend(written);
    let again = JetStreamLog::open(options).expect("sound");
    let found: Vec<_> = again.reader().commits(1).map(Result::unwrap).collect();
    assert_eq!(found, expected, "each once, in order");
    eprintln!("{ROUNDS} kills, {} commits, {outcomes:?}, writing again within {slowest:?}", found.len());
}
