//! Two processes that both think they write: one is stopped, the other takes over, the first goes on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use linggong_events::commit::Commit;
use linggong_events::log::conformance::{author, commit_after, fill};
use linggong_events::log::jetstream::{JetStreamLog, OpenError, Options};
use linggong_events::log::{AppendError, EventLog as _, LogReader as _, ReadError, Resolution};
use linggong_tests::nats::{NatsServer, Sync};

use crate::options;

/// Where a process that writes finds the server; tests without it do nothing of the kind.
const SERVER: &str = "LINGGONG_TEST_FENCE_SERVER";
const UNFENCED: &str = "LINGGONG_TEST_FENCE_REMOVED";
const TAKEOVERS: u64 = 24;
/// How many commits a writer has acknowledged before it is stopped.
const COMMITS: usize = 15;

/// A writer in a process of its own.
struct Writer {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
}

impl Writer {
    fn start(server: &NatsServer, fenced: bool) -> Writer {
        let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
        command.args(["--exact", "fence::writes_in_a_process_of_its_own", "--nocapture"]);
        command.env(SERVER, server.url()).stdin(Stdio::piped()).stdout(Stdio::piped());
        if !fenced {
            command.env(UNFENCED, "1");
        }
        let mut child = command.spawn().expect("this test runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            // The harness says something too, before our first word on the same line.
            let ours = lines.map_while(Result::ok).filter_map(|it| Some(it.split_once("> ")?.1.to_owned()));
            ours.for_each(|it| drop(sender.send(it)));
        });
        let orders = child.stdin.take().expect("piped");
        Writer { child, orders, said }
    }

    fn take_over(&mut self) {
        writeln!(self.orders, "take over").expect("the writer is there");
    }

    fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("`kill` runs");
        assert!(sent.success());
    }

    fn hear(&self) -> String {
        self.said.recv().expect("the writer is there")
    }

    /// Hears what was acknowledged until `enough` says so, and keeps it.
    fn hear_acked(&self, acked: &mut BTreeMap<u64, String>, enough: impl Fn(usize, &str) -> bool) -> String {
        let mut heard = 0;
        loop {
            let line = self.hear();
            if let Some((commit, digest)) = line.strip_prefix("acked ").and_then(|it| it.split_once(' ')) {
                heard += 1;
                let other = acked.insert(commit.parse().expect("a number"), digest.to_owned());
                assert_eq!(other, None, "commit {commit} was acknowledged by two");
            }
            if enough(heard, &line) {
                return line;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "> {line}").expect("somebody hears");
}

/// Appends, whatever is lost on the way; `None` where somebody else has taken over.
fn surely(log: &mut JetStreamLog, commit: &Commit) -> Option<()> {
    let mut outcome = log.append(commit);
    loop {
        match outcome {
            Ok(_) => return Some(()),
            Err(AppendError::Unknown { .. }) => match log.resolve(commit).expect("settled") {
                Resolution::Landed(_) => return Some(()),
                Resolution::Absent => outcome = log.append(commit),
                Resolution::Deposed => return None,
            },
            // Poisoned is how a writer without a fence finds its commit in another place.
            Err(AppendError::Deposed | AppendError::Poisoned { .. }) => return None,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The process that the other tests of this module start, with a server to write to; alone it does nothing.
#[test]
fn writes_in_a_process_of_its_own() {
    let Ok(url) = std::env::var(SERVER) else { return };
    for order in std::io::stdin().lines() {
        assert_eq!(order.unwrap(), "take over");
        let mut log = JetStreamLog::open(Options { max_bytes: 256 << 20, ..Options::at(&url, 0) }).unwrap();
        let mut next = author().takeover(&log.head(), 0).unwrap();
        if std::env::var_os(UNFENCED).is_some() {
            log.without_fence();
        }
        while surely(&mut log, &next).is_some() {
            say(&format!("acked {} {}", next.header().commit, next.digest()));
            next = commit_after(&log.head(), 1 + next.header().commit % 3);
        }
        say("over");
    }
}

#[test]
fn a_writer_that_was_stopped_and_goes_on_changes_nothing() {
    let server = NatsServer::start(Sync::Always);
    fill(&mut JetStreamLog::create(options(&server, 0)).unwrap(), &[1]);
    let (mut writes, mut waits) = (Writer::start(&server, true), Writer::start(&server, true));
    let mut acked = BTreeMap::new();
    writes.take_over();
    writes.hear_acked(&mut acked, |heard, _| heard == COMMITS);
    for _ in 1..TAKEOVERS {
        writes.signal("-STOP");
        waits.take_over();
        waits.hear_acked(&mut acked, |heard, _| heard == COMMITS);
        // The other one writes on meanwhile.
        writes.signal("-CONT");
        writes.hear_acked(&mut acked, |_, line| line == "over");
        std::mem::swap(&mut writes, &mut waits);
    }
    drop((writes, waits));
    let log = JetStreamLog::open(options(&server, 0)).expect("no commit is out of place");
    let commits: Vec<_> = log.reader().commits(1).map(Result::unwrap).collect();
    assert_eq!(log.head().epoch, 1 + TAKEOVERS);
    let stale = commits.windows(2).filter(|it| it[1].header().epoch < it[0].header().epoch).count();
    let gaps = commits.iter().zip(1..).filter(|(it, nth)| it.header().commit != *nth).count();
    assert_eq!((stale, gaps), (0, 0));
    for (commit, digest) in &acked {
        assert_eq!(&commits[*commit as usize - 1].digest().to_string(), digest, "commit {commit} was lost");
    }
    eprintln!(
        "{TAKEOVERS} takeovers, {} commits, {} acknowledged, 0 stale, 0 gaps",
        commits.len(),
        acked.len()
    );
}

#[test]
fn without_the_fence_a_stale_commit_lands_and_is_seen() {
    let server = NatsServer::start(Sync::Always);
    fill(&mut JetStreamLog::create(options(&server, 0)).unwrap(), &[1]);
    let (mut old, mut new) = (Writer::start(&server, false), Writer::start(&server, false));
    let mut acked = BTreeMap::new();
    old.take_over();
    old.hear_acked(&mut acked, |heard, _| heard == COMMITS);
    old.signal("-STOP");
    new.take_over();
    new.hear_acked(&mut acked, |heard, _| heard == COMMITS);
    old.signal("-CONT");
    old.hear_acked(&mut acked, |_, line| line == "over");
    let opened = JetStreamLog::open(options(&server, 0));
    let damaged = |it: &ReadError| matches!(it, ReadError::Damaged { .. });
    assert!(matches!(opened, Err(OpenError::Commit { cause, .. }) if damaged(&cause)));
}
