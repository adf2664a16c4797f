//! Snapshots of the engine's state on disk, and the thread that writes them.
//!
//! The thread folds the log itself, from the newest snapshot on: nothing is copied from the deciding thread and
//! nothing waits for it. At an orderly stop the state itself is written once more.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use linggong_engine::partition::{Fault, Partition};
use linggong_engine::snapshot::{self, BadSnapshot, Replay, Snapshot};
use linggong_events::commit::Head;
use linggong_events::log::{LogReader, ReadError};
use linggong_events::measure::Position;
use thiserror::Error;
use tokio::sync::watch;

use crate::wake::{Woken, wait};

/// How many snapshots are kept: the one before the newest, should the newest rot.
const KEPT: usize = 2;
const EXTENSION: &str = "snapshot";
/// How long the thread waits where nothing happens; it only looks whether anything did.
const IDLE: std::time::Duration = std::time::Duration::from_secs(60);

/// The folder of a log's snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    dir: PathBuf,
    log: String,
    partition: u16,
}

/// Why a log cannot be trusted, by a snapshot of it.
#[derive(Debug, Error)]
pub enum SnapshotAlarm {
    /// The log lost its end, or an older copy of it was put back.
    #[error("`{}` is of commit {commit}, but the log ends with commit {head}", path.display())]
    Ahead {
        /// The snapshot.
        path: PathBuf,
        /// Its commit.
        commit: u64,
        /// The log's last.
        head: u64,
    },
    /// The log was rewritten, or is another one.
    #[error("`{}` is of another commit {commit} than the log has", path.display())]
    Other {
        /// The snapshot.
        path: PathBuf,
        /// Its commit.
        commit: u64,
    },
    /// The log cannot be asked.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The folder cannot be read.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// What can be started from.
#[derive(Debug, Default)]
pub struct Found {
    /// The state after the newest snapshot that holds, or before the first event.
    pub replay: Replay,
    /// What was passed over, with the reason: not a loss, only a longer start.
    pub ignored: Vec<(PathBuf, BadSnapshot)>,
}

impl SnapshotStore {
    /// The snapshots of `log` in `dir`, which is made with the first of them.
    pub fn new(dir: PathBuf, log: &str, partition: u16) -> SnapshotStore {
        SnapshotStore { dir, log: log.to_owned(), partition }
    }

    /// The newest snapshot that holds. One that is not as it was written is passed over; one that is, and knows
    /// of a commit that the log does not have, is an alarm.
    pub fn newest(&self, log: &impl LogReader) -> Result<Found, SnapshotAlarm> {
        let mut found = Found::default();
        for path in self.files().map_err(|cause| SnapshotAlarm::Io { path: self.dir.clone(), cause })? {
            // What cannot be read is passed over as what is no snapshot: the log has everything.
            let bytes = fs::read(&path).unwrap_or_default();
            match self.try_open(&path, &bytes, log)? {
                Ok(replay) => {
                    found.replay = replay;
                    break;
                }
                Err(bad) => found.ignored.push((path, bad)),
            }
        }
        Ok(found)
    }

    fn try_open(
        &self,
        path: &Path,
        bytes: &[u8],
        log: &impl LogReader,
    ) -> Result<Result<Replay, BadSnapshot>, SnapshotAlarm> {
        let snapshot = match Snapshot::check(bytes) {
            Ok(snapshot) => snapshot,
            Err(bad) => return Ok(Err(bad)),
        };
        let (path, claimed, head) = (path.to_owned(), snapshot.head(), log.head());
        if snapshot.log() != (&self.log, self.partition) {
            return Err(SnapshotAlarm::Other { path, commit: claimed.commit });
        }
        if claimed.commit > head.commit {
            return Err(SnapshotAlarm::Ahead { path, commit: claimed.commit, head: head.commit });
        }
        let commit = log.commits(claimed.commit).next().transpose()?;
        if commit.map(|it| it.digest()) != Some(claimed.digest) {
            return Err(SnapshotAlarm::Other { path, commit: claimed.commit });
        }
        Ok(snapshot.open())
    }

    /// Keeps a snapshot: it is on the disk, under its name, when this returns.
    pub fn keep(&self, bytes: &[u8]) -> Result<Head, KeepError> {
        // Read back before anybody relies on it.
        let head = Snapshot::check(bytes)?.read_back()?.head;
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(format!("{:020}.{EXTENSION}", head.commit));
        let unfinished = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(&self.dir)?.sync_all()?;
        for old in self.files()?.into_iter().skip(KEPT) {
            // Another thread may have removed it already.
            let _ = fs::remove_file(old);
        }
        Ok(head)
    }

    /// The files of snapshots, the newest first.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == EXTENSION) {
                files.push(path);
            }
        }
        files.sort_by(|one, other| other.cmp(one));
        Ok(files)
    }
}

/// Why a snapshot was not kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// It does not read back.
    #[error("the snapshot does not read back")]
    Bad(#[from] BadSnapshot),
    /// It cannot be written.
    #[error("the snapshot cannot be written")]
    Io(#[from] io::Error),
}

/// Why no snapshot was made.
#[derive(Debug, Error)]
enum NotMade {
    #[error("the log and its snapshots do not agree")]
    Alarm(#[from] SnapshotAlarm),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the log cannot be folded")]
    Fold(#[from] Fault),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// When the next snapshot is due: what the log has beyond the newest is what a start reads.
#[derive(Clone, Copy, Debug)]
struct Cadence {
    every: u64,
    due: u64,
}

impl Cadence {
    fn new(every: u64, newest: Position) -> Cadence {
        let every = every.max(1);
        Cadence { every, due: newest.0.saturating_add(every) }
    }

    fn is_due(&self, head: Position) -> bool {
        self.due <= head.0
    }

    fn kept(&mut self, at: Position) {
        self.due = at.0.saturating_add(self.every);
    }

    /// What failed is tried again soon, for the tail grows meanwhile, but not with every event.
    fn failed(&mut self, head: Position) {
        self.due = head.0.saturating_add((self.every / 8).max(1));
    }
}

/// Starts the thread that writes a snapshot after every `every` events, and tells the last event of the newest; it
/// ends when `head` is gone.
pub fn start<R: LogReader>(
    store: SnapshotStore,
    log: R,
    mut head: watch::Receiver<Head>,
    every: u64,
    from: Position,
) -> io::Result<(watch::Receiver<Position>, std::thread::JoinHandle<()>)> {
    let mut cadence = Cadence::new(every, from);
    let (newest, told) = watch::channel(from);
    let thread = std::thread::Builder::new().name("snapshots".into()).spawn(move || {
        loop {
            let target = *head.borrow_and_update();
            if cadence.is_due(target.position) {
                match make(&store, &log, &target) {
                    Ok(()) => {
                        metrics::counter!("linggong_snapshots_written_total").increment(1);
                        metrics::gauge!("linggong_snapshot_position").set(target.position.0 as f64);
                        cadence.kept(target.position);
                        newest.send_replace(target.position);
                    }
                    Err(why) => {
                        metrics::counter!("linggong_snapshots_failed_total").increment(1);
                        tracing::error!(why = %crate::chain(&why), "no snapshot could be made");
                        cadence.failed(target.position);
                    }
                }
            }
            if wait(&mut head, IDLE) == Woken::Over {
                return;
            }
        }
    })?;
    Ok((told, thread))
}

/// Folds the log from the newest snapshot up to `target` and keeps what is so then.
fn make(store: &SnapshotStore, log: &impl LogReader, target: &Head) -> Result<(), NotMade> {
    let mut replay = store.newest(log)?.replay;
    for commit in log.commits(replay.head.commit + 1) {
        if replay.head.commit >= target.commit {
            break;
        }
        replay.apply(&commit?)?;
    }
    store.keep(&snapshot::write(&store.log, store.partition, &replay.head, &replay.state))?;
    Ok(())
}

/// Keeps what is so at an orderly stop.
pub fn at_stop(store: &SnapshotStore, partition: &Partition) {
    let Some(bytes) = partition.snapshot() else { return };
    if let Err(error) = store.keep(&bytes) {
        tracing::error!(error = %crate::chain(&error), "no snapshot at the stop: the next start reads more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_behind_the_newest_snapshot_stays_short_also_where_some_fail() {
        let every = 50_000;
        let mut cadence = Cadence::new(every, Position(0));
        let (mut newest, mut longest, mut tried) = (0, 0, 0);
        for head in (0..3_000_000).step_by(7) {
            longest = longest.max(head - newest);
            if !cadence.is_due(Position(head)) {
                continue;
            }
            tried += 1;
            if tried % 4 == 0 {
                cadence.kept(Position(head));
                newest = head;
            } else {
                cadence.failed(Position(head));
            }
        }
        assert!((every..100_000).contains(&longest), "three of four fail: {longest}");
    }
}
