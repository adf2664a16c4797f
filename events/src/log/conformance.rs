//! What every log must do, whatever it stands on.
//!
//! A test calls [`run`] with a way to make an empty store; each check gets one of its own and panics where
//! the log does not do what it says.

use uuid::Uuid;

use super::{AppendError, Author, EventLog, LogReader, Resolution};
use crate::audience::{Audience, RecordedAudience};
use crate::commit::{Commit, Head};
use crate::envelope::{Channel, Envelope, Meta};
use crate::id::{ActorId, EventId, MarketId, new_id};
use crate::market::Closed;
use crate::measure::{Position, Version};
use crate::office::Role;
use crate::rules::PackNames;
use crate::time::Timestamp;

/// A place that outlives the writers of one log.
pub trait Store {
    /// The log that stands on it.
    type Log: EventLog;

    /// Opens the writer; the one before has been dropped.
    fn open(&mut self) -> Self::Log;
}

/// What a log must do, in words and in code.
type Check<S> = (&'static str, fn(S));

/// Runs every check, each on an empty store of its own, and prints its name.
pub fn run<S: Store>(mut empty: impl FnMut() -> S) {
    let checks: [Check<S>; 10] = [
        ("an empty log says so", an_empty_log_says_so),
        ("what was appended is read back byte for byte", what_was_appended_is_read_back),
        ("only what continues the log is appended", only_what_continues_the_log_is_appended),
        ("the last commit given again changes nothing", the_last_commit_again_changes_nothing),
        ("every event is found by its position", every_event_is_found_by_its_position),
        ("reading starts where it is asked to", reading_starts_where_it_is_asked_to),
        ("a reader sees what is appended later", a_reader_sees_what_is_appended_later),
        ("a log opened again goes on where it was", a_log_opened_again_goes_on),
        ("a takeover ends the epoch before", a_takeover_ends_the_epoch_before),
        ("resolve tells what landed from what did not", resolve_tells_what_landed),
    ];
    for (name, check) in checks {
        eprintln!("conformance: {name}");
        check(empty());
    }
}

/// The author of every commit of [`genesis`] and [`commit_after`].
pub fn author() -> Author {
    Author { log: "lg-37".to_owned(), partition: 0, software: "0.1.0".to_owned() }
}

/// The first commit of a log.
pub fn genesis() -> Commit {
    author().genesis(false).expect("a genesis is small")
}

/// A commit of `events` sound events that follows `head`.
pub fn commit_after(head: &Head, events: u64) -> Commit {
    let lines: Vec<Vec<u8>> = (1..=events).map(|n| line(Position(head.position.0 + n))).collect();
    author().commit(head, 0, &lines).expect("a few small events fit a commit")
}

/// The line of a sound event at `position`; three subjects take turns, so that versions count on.
pub fn line(position: Position) -> Vec<u8> {
    let nth = position.0 - 1;
    let market = MarketId(Uuid::from_u128(u128::from(nth % 3 + 1)));
    let command = crate::id::command_id(ActorId::ENGINE, Uuid::from_u128(u128::from(nth)));
    let time = Timestamp::from_ms(1_800_000_000_000 + nth as i64).expect("within the years we know");
    let meta = Meta {
        id: EventId(new_id(command, "event", 0)),
        source: author().source(),
        subject: market.into(),
        time,
        position,
        version: Version(nth / 3 + 1),
        occurred_at: time,
        received_at: None,
        filed: None,
        region: "370102".parse().expect("a division code"),
        actor: ActorId::ENGINE,
        role: Role::Engine,
        office: None,
        on_behalf_of: None,
        channel: Channel::Engine,
        source_doc: None,
        based_on: None,
        command: None,
        causation: None,
        correlation: None,
        touches: vec![market.into()],
        audience: RecordedAudience::of(Audience::Open),
        rules: PackNames::default(),
    };
    let event = Closed { market, reason: format!("第{position}次") };
    Envelope { meta, event: event.into() }.to_line().expect("a small event")
}

/// Appends a genesis and then commits of so many events each.
pub fn fill(log: &mut impl EventLog, sizes: &[u64]) -> Vec<Commit> {
    let mut commits = vec![genesis()];
    let mut head = log.append(&commits[0]).expect("a genesis is accepted");
    for size in sizes {
        let commit = commit_after(&head, *size);
        head = log.append(&commit).expect("the next commit is accepted");
        commits.push(commit);
    }
    commits
}

fn read_all(reader: &impl LogReader, from: u64) -> Vec<Commit> {
    reader.commits(from).map(|it| it.expect("a sound commit")).collect()
}

fn an_empty_log_says_so(mut store: impl Store) {
    let log = store.open();
    assert_eq!(log.head(), Head::EMPTY);
    assert_eq!(read_all(&log.reader(), 1), []);
    assert_eq!(log.reader().commit_of(Position(1)).expect("no failure"), None);
}

fn what_was_appended_is_read_back(mut store: impl Store) {
    let mut log = store.open();
    let commits = fill(&mut log, &[1, 3, 400]);
    let last = commits.last().expect("three commits");
    let head = Head { commit: 4, epoch: 1, position: Position(404), digest: last.digest() };
    assert_eq!(log.head(), head);
    assert_eq!(log.reader().head(), head);
    assert_eq!(read_all(&log.reader(), 1), commits);
}

fn only_what_continues_the_log_is_appended(mut store: impl Store) {
    let mut log = store.open();
    let not_next = |outcome| matches!(outcome, Err(AppendError::NotNext(_)));
    let in_the_air = commit_after(&Head { epoch: 1, ..Head::EMPTY }, 1);
    assert!(not_next(log.append(&in_the_air)), "a log begins with its genesis");
    let commits = fill(&mut log, &[2, 2]);
    let head = log.head();
    let skipping = commit_after(&Head { commit: head.commit + 1, ..head }, 1);
    let gap = commit_after(&Head { position: Position(9), ..head }, 1);
    let foreign = commit_after(&Head { digest: commits[0].digest(), ..head }, 1);
    let usurped = commit_after(&Head { epoch: 2, ..head }, 1);
    for wrong in [&commits[0], &commits[1], &skipping, &gap, &foreign, &usurped] {
        assert!(not_next(log.append(wrong)), "{wrong:?} does not continue the log");
    }
    assert_eq!(log.head(), head);
    assert_eq!(read_all(&log.reader(), 1), commits);
    log.append(&commit_after(&head, 1)).expect("the writer goes on");
}

fn the_last_commit_again_changes_nothing(mut store: impl Store) {
    let mut log = store.open();
    let commits = fill(&mut log, &[2]);
    let head = log.append(&commits[1]).expect("the very bytes again are accepted");
    assert_eq!(head, log.head());
    assert_eq!(read_all(&log.reader(), 1), commits);
}

fn every_event_is_found_by_its_position(mut store: impl Store) {
    let mut log = store.open();
    fill(&mut log, &[1, 4, 2]);
    let takeover = author().takeover(&log.head(), 0).expect("an epoch record is small");
    log.append(&takeover).expect("a takeover is accepted");
    let head = log.head();
    log.append(&commit_after(&head, 3)).expect("the next commit is accepted");
    log.append(&author().takeover(&log.head(), 0).expect("small")).expect("accepted");
    let reader = log.reader();
    for position in (1..=10).map(Position) {
        assert_eq!(reader.line(position).expect("readable"), Some(line(position)), "at {position}");
        let commit = reader.commit_of(position).expect("readable").expect("there is one");
        assert_eq!(commit.line_at(position), Some(line(position).as_slice()));
    }
    for position in [0, 11, u64::MAX] {
        assert_eq!(reader.line(Position(position)).expect("no failure"), None, "at {position}");
    }
}

fn reading_starts_where_it_is_asked_to(mut store: impl Store) {
    let mut log = store.open();
    let commits = fill(&mut log, &[1; 5]);
    for from in 1..=7 {
        let expected = commits.get(from - 1..).unwrap_or_default();
        assert_eq!(read_all(&log.reader(), from as u64), expected, "from {from}");
    }
}

fn a_reader_sees_what_is_appended_later(mut store: impl Store) {
    let mut log = store.open();
    fill(&mut log, &[1]);
    let reader = log.reader();
    let under_way = reader.commits(1);
    let head = log.append(&commit_after(&log.head(), 1)).expect("accepted");
    assert_eq!(under_way.count(), 2, "a reading ends where the log ended when it began");
    assert_eq!(reader.head(), head);
    let elsewhere = std::thread::spawn({
        let reader = reader.clone();
        move || read_all(&reader, 3)
    });
    assert_eq!(elsewhere.join().expect("no panic").len(), 1);
}

fn a_log_opened_again_goes_on(mut store: impl Store) {
    let mut log = store.open();
    let mut commits = fill(&mut log, &[2, 1]);
    let reader = log.reader();
    drop(log);
    assert_eq!(read_all(&reader, 1), commits, "a reader outlives the writer");
    let mut log = store.open();
    assert_eq!(log.head(), reader.head());
    let next = commit_after(&log.head(), 4);
    log.append(&next).expect("accepted");
    commits.push(next);
    drop(log);
    assert_eq!(read_all(&store.open().reader(), 1), commits);
}

fn a_takeover_ends_the_epoch_before(mut store: impl Store) {
    let mut log = store.open();
    fill(&mut log, &[1]);
    let of_old_epoch = commit_after(&log.head(), 1);
    drop(log);
    let mut log = store.open();
    let record = author().takeover(&log.head(), 0).expect("an epoch record is small");
    let head = log.append(&record).expect("a takeover is accepted");
    assert_eq!((head.epoch, head.position), (2, Position(1)));
    assert!(log.append(&of_old_epoch).is_err(), "a commit of the writer before is refused");
    assert_eq!(log.resolve(&of_old_epoch).expect("settled"), Resolution::Deposed);
}

fn resolve_tells_what_landed(mut store: impl Store) {
    let mut log = store.open();
    let commits = fill(&mut log, &[1]);
    let head = log.head();
    assert_eq!(log.resolve(&commits[1]).expect("settled"), Resolution::Landed(head));
    let next = commit_after(&head, 1);
    assert_eq!(log.resolve(&next).expect("settled"), Resolution::Absent);
    let landed = log.append(&next).expect("what is absent can be appended");
    assert_eq!(log.resolve(&next).expect("settled"), Resolution::Landed(landed));
}
