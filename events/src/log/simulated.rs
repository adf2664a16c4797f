//! A log in memory that fails as planned.
//!
//! Like a remote store, it lets several writers be open at once and fences them by the chain alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{AppendError, Author, Cause, EventLog, LogReader, ReadError, Resolution, is_last};
use crate::commit::{Commit, Head};
use crate::measure::Position;

/// What goes wrong with one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The commit lands, the answer is lost.
    LostAck,
    /// The commit is lost on the way, and nobody says so.
    LostCommit,
    /// Nobody answers, and a copy of the commit lands just before the writer's next append.
    LandsLate,
    /// The store is handed the commit twice.
    Duplicated,
    /// The store says that it is full.
    Refused,
    /// Another writer takes over just before.
    Deposed,
    /// The store fails after the commit has landed.
    PoisonedAfter,
    /// The store fails before the commit has landed.
    PoisonedBefore,
}

/// Which appends of one writer go wrong: the first is number 1.
pub type FaultPlan = BTreeMap<u64, Fault>;

/// What outlives the writers: the commits. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SimulatedStore {
    commits: Arc<Mutex<Vec<Commit>>>,
}

impl SimulatedStore {
    /// A writer that starts at the present head and meets the faults of `plan`.
    pub fn writer(&self, plan: FaultPlan) -> SimulatedLog {
        SimulatedLog { store: self.clone(), head: self.head(), plan, appends: 0, late: None, over: None }
    }

    /// Stores `commit` if it is the next one; `None` if it neither is nor is the last one already.
    fn put(&self, commit: &Commit) -> Option<Head> {
        let mut commits = self.lock();
        let head = head_of(&commits);
        if is_last(&head, commit) {
            return Some(head);
        }
        let next = head.after(commit).ok()?;
        commits.push(commit.clone());
        Some(next)
    }

    fn take_over(&self) {
        let rival = Author { log: "rival".to_owned(), partition: 0, software: "simulated".to_owned() };
        // The record is a few small fields: it always fits a commit.
        if let Ok(record) = rival.takeover(&self.head(), 0) {
            self.put(&record);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Commit>> {
        // The list changes by one push, so a panic elsewhere cannot leave it half changed.
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head_of(commits: &[Commit]) -> Head {
    commits.last().map_or(Head::EMPTY, |last| Head {
        commit: last.header().commit,
        epoch: last.header().epoch,
        position: last.last(),
        digest: last.digest(),
    })
}

/// A writer of a [`SimulatedStore`].
#[derive(Debug)]
pub struct SimulatedLog {
    store: SimulatedStore,
    head: Head,
    plan: FaultPlan,
    appends: u64,
    /// A commit that is still on its way.
    late: Option<Commit>,
    over: Option<Over>,
}

/// Why a writer is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Deposed,
    Poisoned,
}

impl SimulatedLog {
    fn still_writes(&self) -> Result<(), AppendError> {
        match self.over {
            None => Ok(()),
            Some(Over::Deposed) => Err(AppendError::Deposed),
            Some(Over::Poisoned) => Err(poisoned()),
        }
    }

    /// What an append does when nothing goes wrong.
    fn put(&mut self, commit: &Commit) -> Result<Head, AppendError> {
        let Some(head) = self.store.put(commit) else {
            self.over = Some(Over::Deposed);
            return Err(AppendError::Deposed);
        };
        self.head = head;
        Ok(head)
    }
}

impl EventLog for SimulatedLog {
    type Reader = SimulatedStore;

    fn head(&self) -> Head {
        self.head
    }

    fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
        self.still_writes()?;
        if is_last(&self.head, commit) {
            return Ok(self.head);
        }
        self.head.after(commit).map_err(AppendError::NotNext)?;
        if let Some(late) = self.late.take() {
            self.store.put(&late);
        }
        self.appends += 1;
        match self.plan.get(&self.appends) {
            None => self.put(commit),
            Some(Fault::Duplicated) => {
                self.put(commit)?;
                self.put(commit)
            }
            Some(Fault::LostAck) => {
                self.store.put(commit);
                Err(unknown())
            }
            Some(Fault::LostCommit) => Err(unknown()),
            Some(Fault::LandsLate) => {
                self.late = Some(commit.clone());
                Err(unknown())
            }
            Some(Fault::Refused) => Err(AppendError::Full { cause: planned() }),
            Some(Fault::Deposed) => {
                self.store.take_over();
                self.put(commit)
            }
            Some(Fault::PoisonedAfter) => {
                self.store.put(commit);
                self.over = Some(Over::Poisoned);
                Err(poisoned())
            }
            Some(Fault::PoisonedBefore) => {
                self.over = Some(Over::Poisoned);
                Err(poisoned())
            }
        }
    }

    fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError> {
        self.still_writes()?;
        let head = self.store.head();
        if is_last(&head, commit) {
            self.head = head;
            return Ok(Resolution::Landed(head));
        }
        if head.after(commit).is_ok() {
            return Ok(Resolution::Absent);
        }
        self.over = Some(Over::Deposed);
        Ok(Resolution::Deposed)
    }

    fn reader(&self) -> SimulatedStore {
        self.store.clone()
    }
}

impl LogReader for SimulatedStore {
    fn head(&self) -> Head {
        head_of(&self.lock())
    }

    fn commits(&self, from: u64) -> impl Iterator<Item = Result<Commit, ReadError>> + Send {
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let commits: Vec<Commit> = self.lock().iter().skip(skipped).cloned().collect();
        commits.into_iter().map(Ok)
    }

    fn commit_of(&self, position: Position) -> Result<Option<Commit>, ReadError> {
        let commits = self.lock();
        // Of several commits with the same first position only the last one holds it: the others are empty.
        let until = commits.partition_point(|it| it.header().first <= position.0);
        let commit = until.checked_sub(1).and_then(|nth| commits.get(nth));
        Ok(commit.filter(|it| it.line_at(position).is_some()).cloned())
    }
}

fn unknown() -> AppendError {
    AppendError::Unknown { cause: planned() }
}

fn poisoned() -> AppendError {
    AppendError::Poisoned { cause: planned() }
}

fn planned() -> Cause {
    "a fault of the plan".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::conformance::{self, Store, commit_after, fill};

    impl Store for SimulatedStore {
        type Log = SimulatedLog;
        fn open(&mut self) -> SimulatedLog {
            self.writer(FaultPlan::new())
        }
    }

    #[test]
    fn the_simulated_log_is_a_log() {
        conformance::run(SimulatedStore::default);
    }

    /// A store with three commits and a writer whose first append from now on meets `fault`.
    fn about_to_meet(fault: Fault) -> (SimulatedStore, SimulatedLog, Commit) {
        let store = SimulatedStore::default();
        fill(&mut store.writer(FaultPlan::new()), &[1, 1]);
        let log = store.writer(FaultPlan::from([(1, fault)]));
        let next = commit_after(&log.head(), 2);
        (store, log, next)
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_found() {
        let (store, mut log, next) = about_to_meet(Fault::LostAck);
        assert!(matches!(log.append(&next), Err(AppendError::Unknown { .. })));
        assert_eq!(log.head().commit, 3, "nobody knows yet");
        assert_eq!(log.resolve(&next).unwrap(), Resolution::Landed(store.head()));
        assert_eq!(log.head().commit, 4);
    }

    #[test]
    fn a_commit_that_was_lost_is_appended_again_once() {
        let (store, mut log, next) = about_to_meet(Fault::LostCommit);
        assert!(matches!(log.append(&next), Err(AppendError::Unknown { .. })));
        assert_eq!(log.resolve(&next).unwrap(), Resolution::Absent);
        assert_eq!(log.append(&next).unwrap(), store.head());
        assert_eq!(store.head().commit, 4);
    }

    #[test]
    fn a_late_copy_does_no_harm_to_the_same_bytes_and_deposes_a_writer_of_others() {
        for same in [true, false] {
            let (store, mut log, next) = about_to_meet(Fault::LandsLate);
            assert!(matches!(log.append(&next), Err(AppendError::Unknown { .. })));
            assert_eq!(log.resolve(&next).unwrap(), Resolution::Absent);
            let again = if same { next.clone() } else { commit_after(&log.head(), 1) };
            match log.append(&again) {
                Ok(head) => assert!(same && head == store.head()),
                Err(error) => assert!(!same && matches!(error, AppendError::Deposed)),
            }
            assert_eq!(store.commits(4).map(Result::unwrap).collect::<Vec<_>>(), [next]);
        }
    }

    #[test]
    fn a_commit_handed_over_twice_stands_once() {
        let (store, mut log, next) = about_to_meet(Fault::Duplicated);
        assert_eq!(log.append(&next).unwrap(), store.head());
        assert_eq!(store.head().commit, 4);
    }

    #[test]
    fn a_full_store_takes_nothing_and_later_goes_on() {
        let (store, mut log, next) = about_to_meet(Fault::Refused);
        assert!(matches!(log.append(&next), Err(AppendError::Full { .. })));
        assert_eq!(store.head().commit, 3);
        assert_eq!(log.append(&next).unwrap().commit, 4);
    }

    #[test]
    fn a_deposed_writer_writes_nothing_more() {
        let (store, mut log, next) = about_to_meet(Fault::Deposed);
        assert!(matches!(log.append(&next), Err(AppendError::Deposed)));
        assert_eq!(store.head().epoch, 2);
        assert!(matches!(log.append(&next), Err(AppendError::Deposed)));
        assert_eq!(store.head().commit, 4, "the record of the other writer is the last");
    }

    #[test]
    fn of_two_writers_the_chain_lets_one_through() {
        let store = SimulatedStore::default();
        fill(&mut store.writer(FaultPlan::new()), &[1]);
        let (mut old, mut new) = (store.writer(FaultPlan::new()), store.writer(FaultPlan::new()));
        let stale = commit_after(&old.head(), 1);
        let takeover = conformance::author().takeover(&new.head(), 0).unwrap();
        new.append(&takeover).unwrap();
        assert!(matches!(old.append(&stale), Err(AppendError::Deposed)));
        new.append(&commit_after(&new.head(), 1)).unwrap();
        assert_eq!(store.head().commit, 4);
    }

    #[test]
    fn a_failed_store_is_settled_by_opening_it_again() {
        for (fault, landed) in [(Fault::PoisonedAfter, 4), (Fault::PoisonedBefore, 3)] {
            let (store, mut log, next) = about_to_meet(fault);
            assert!(matches!(log.append(&next), Err(AppendError::Poisoned { .. })));
            assert!(matches!(log.resolve(&next), Err(AppendError::Poisoned { .. })));
            assert_eq!(store.writer(FaultPlan::new()).head().commit, landed);
        }
    }
}
