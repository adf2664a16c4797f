//! Where a view keeps its rows. The only sled of the crate.
//!
//! One Db per view and version, one tree, one writer. Readers and the writer never touch sled at the same moment
//! (a lock stands between them): that gives every read one state of the view, and spares sled the concurrent
//! use in which it is known to lock up. Nothing is ever acknowledged because sled has it: after a loss of power
//! the checkpoint is older, together with its rows, and the log is folded on from there.
//!
//! The files of a view stand in `NAME-vVERSION`, those of the view built anew beside it in `NAME-vVERSION.N`, with a
//! file `NAME-vVERSION.N.unfinished` until it takes the other's place. Removing that file is the switch: whatever
//! moment a process ends at, the highest number without such a file is the view, and the rest is removed at start.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use linggong_events::codec::{self, BadRow};
use linggong_events::measure::Position;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::ViewDigest;

/// The key of the checkpoint; tables of views begin at 1.
const CHECKPOINT: &[u8] = &[0];
/// A key that is there once the view has caught up with its log.
const BUILT: &[u8] = &[0, 1];
/// The first key that a row can have.
const ROWS: &[u8] = &[1];
/// Ends the name of the file that says of a view's files that they are not the view yet.
const UNFINISHED: &str = ".unfinished";
/// What one view may keep in memory.
const CACHE_BYTES: u64 = 32 << 20;
/// How often what was written is synced. The log has it all: the more seldom, the less the log waits for the disk, and
/// the more is folded again after a crash.
const SYNC_EVERY_MS: u64 = 2_000;

/// How often a lock that is held is tried, and how long between two attempts.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Why a view cannot be read or brought forward.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("view `{view}` is in use by another process")]
    Locked {
        /// The view.
        view: &'static str,
    },
    /// The disk is full, read-only or not ours.
    #[error("cannot reach the files of view `{view}`")]
    Io {
        /// The view.
        view: &'static str,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The rows cannot be trusted; quarantine the view and fold it from the log again.
    #[error("view `{view}` is broken: {what}")]
    Broken {
        /// The view.
        view: &'static str,
        /// What was noticed.
        what: String,
    },
    /// The events do not continue where the view stands.
    #[error("view `{view}` stands before {expected}, the event given is {found}")]
    Gap {
        /// The view.
        view: &'static str,
        /// The position it can take next.
        expected: Position,
        /// The position given.
        found: Position,
    },
    /// The fold failed on one event; this view stands still before it, the others go on.
    #[error("view `{view}` cannot take the event at {position}")]
    Poison {
        /// The view.
        view: &'static str,
        /// The event.
        position: Position,
    },
    /// The view is being built: what it has is not yet what was.
    #[error("view `{view}` is being built")]
    Building {
        /// The view.
        view: &'static str,
    },
    /// The view knows events that the log does not have: the log lost its end, or is another log.
    #[error("view `{view}` stands at {checkpoint}, beyond the head of the log at {head}")]
    AheadOfLog {
        /// The view.
        view: &'static str,
        /// Where the view stands.
        checkpoint: Position,
        /// Where the log ends.
        head: Position,
    },
}

impl StoreError {
    /// Whether the rows cannot be trusted, so that putting them aside and folding the log again helps.
    ///
    /// It never helps where the log is shorter than the view (an alarm: look at the log first), where an event
    /// cannot be taken, where the disk is full or where somebody else has the files.
    pub fn calls_for_rebuild(&self) -> bool {
        match self {
            StoreError::Broken { .. } => true,
            StoreError::Locked { .. }
            | StoreError::Building { .. }
            | StoreError::Io { .. }
            | StoreError::Gap { .. }
            | StoreError::Poison { .. }
            | StoreError::AheadOfLog { .. } => false,
        }
    }
}

/// A view whose files were put aside because they could not be trusted; it starts again from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The view.
    pub view: &'static str,
    /// Why.
    pub reason: String,
    /// Where its files are now.
    pub moved_to: PathBuf,
}

/// How far a view is, written in the same batch as the rows that it speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) position: Position,
    /// How many events of unknown types were passed over.
    pub(crate) unknown: u64,
    pub(crate) digest: ViewDigest,
}

/// The rows of one view on disk.
pub(crate) struct Store {
    view: &'static str,
    schema: u16,
    root: PathBuf,
    open: RwLock<Place>,
    shown: RwLock<Shown>,
    /// What a reader came upon; the writer may never touch that row.
    noticed: Mutex<Option<String>>,
}

/// Whether readers get answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// They do.
    Yes,
    /// The view is being built from the first event on.
    Building,
    /// The view stands before an event that it cannot take.
    Parked(Position),
    /// The view knows of more than the log, which ends at that position.
    BeyondLog(Position),
}

/// Where the files of a view are, and they themselves.
struct Place {
    dir: PathBuf,
    /// None only while the files are being put aside, or after that failed.
    opened: Option<Opened>,
}

struct Opened {
    db: sled::Db,
    checkpoint: Checkpoint,
    built: bool,
}

impl Store {
    /// Opens the rows of `view` under `root`; what cannot be trusted is put aside and begun anew.
    pub(crate) fn open(
        root: &Path,
        view: &'static str,
        version: u32,
    ) -> Result<(Store, Option<Quarantined>), StoreError> {
        let schema = u16::try_from(version).map_err(|_| broken(view, "its version is out of range"))?;
        let io = |cause| StoreError::Io { view, cause };
        let (dir, leftovers) = live_dir(root, &dir_name(view, schema)).map_err(io)?;
        let store = Store::at(root, view, schema, dir, Shown::Yes);
        let quarantined = match store.reopen() {
            Ok(()) => None,
            Err(StoreError::Broken { what, .. }) => Some(store.quarantine(&what)?),
            Err(other) => return Err(other),
        };
        // Only now is it certain that no other process has the view.
        leftovers.iter().try_for_each(|it| remove(it)).map_err(io)?;
        Ok((store, quarantined))
    }

    fn at(root: &Path, view: &'static str, schema: u16, dir: PathBuf, shown: Shown) -> Store {
        let (open, shown) = (RwLock::new(Place { dir, opened: None }), RwLock::new(shown));
        Store { view, schema, root: root.to_owned(), open, shown, noticed: Mutex::new(None) }
    }

    /// An empty store of the same view beside this one, unfinished until [`Store::succeed`].
    pub(crate) fn beside(&self) -> Result<Store, StoreError> {
        let io = |cause| StoreError::Io { view: self.view, cause };
        let base = self.dir_name();
        let live = self.place().dir.clone();
        let number = generation(&base, &name_of(&live)).unwrap_or(0) + 1;
        let dir = self.root.join(format!("{base}.{number}"));
        // The mark comes before what it speaks of, and outlasts it.
        std::fs::File::create(mark_of(&dir)).and_then(|it| it.sync_all()).map_err(io)?;
        sync(&self.root).map_err(io)?;
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(io)?;
        }
        let store = Store::at(&self.root, self.view, self.schema, dir, Shown::Building);
        store.reopen()?;
        Ok(store)
    }

    /// Goes on with the rows of `successor`; readers see the old ones or the new ones and nothing between. The old
    /// files are removed, or put aside where there is a `reason` to look at them.
    pub(crate) fn succeed(
        &self,
        successor: &Store,
        reason: Option<&str>,
    ) -> Result<Option<Quarantined>, StoreError> {
        let io = |cause| StoreError::Io { view: self.view, cause };
        successor.flush()?;
        let old = {
            let (mut place, mut next) = (self.lock_to_write(), successor.lock_to_write());
            if next.opened.is_none() {
                return Err(broken(self.view, "its successor is put aside"));
            }
            std::fs::remove_file(mark_of(&next.dir)).map_err(io)?;
            let nowhere = Place { dir: PathBuf::new(), opened: None };
            std::mem::replace(&mut *place, std::mem::replace(&mut *next, nowhere))
        };
        *self.noticed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        close(old.opened);
        if let Some(reason) = reason {
            // Where they cannot be moved they stay until the next start.
            let stays = Quarantined { view: self.view, reason: reason.to_owned(), moved_to: old.dir.clone() };
            return Ok(Some(self.put_aside(&old.dir, reason).unwrap_or(stays)));
        }
        // Only once it is certain that the new files are the view; what cannot be removed goes at the next start.
        if sync(&self.root).is_ok() {
            let _ = std::fs::remove_dir_all(&old.dir);
        }
        Ok(None)
    }

    /// Lets go of a store that was begun beside another, and removes it.
    pub(crate) fn abandon(&self) {
        let mut place = self.lock_to_write();
        close(place.opened.take());
        // What stays behind is marked as unfinished and goes at the next start.
        if std::fs::remove_dir_all(&place.dir).is_ok() {
            let _ = std::fs::remove_file(mark_of(&place.dir));
        }
    }

    pub(crate) fn view(&self) -> &'static str {
        self.view
    }

    pub(crate) fn schema(&self) -> u16 {
        self.schema
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        self.read(|_, checkpoint| Ok(checkpoint))
    }

    /// Runs `query` on one state of the view.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(Backing<'_>, Checkpoint) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = self.place();
        let opened = place.opened.as_ref().ok_or_else(|| broken(self.view, "its files are put aside"))?;
        query(Backing::Stored { db: &opened.db, view: self.view }, opened.checkpoint)
    }

    /// Runs `query` for a reader: not while the view is withheld; what is broken is told to the writer.
    pub(crate) fn read_shown<T>(
        &self,
        query: impl FnOnce(Backing<'_>, Checkpoint) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.shown() {
            Shown::Yes => {}
            Shown::Building => return Err(StoreError::Building { view: self.view }),
            Shown::Parked(position) => return Err(StoreError::Poison { view: self.view, position }),
            Shown::BeyondLog(head) => {
                let checkpoint = self.checkpoint()?.position;
                return Err(StoreError::AheadOfLog { view: self.view, checkpoint, head });
            }
        }
        let answer = self.read(query);
        if let Err(StoreError::Broken { what, .. }) = &answer {
            *self.noticed.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.clone());
        }
        answer
    }

    pub(crate) fn shown(&self) -> Shown {
        *self.shown.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the view ever caught up with its log.
    pub(crate) fn is_built(&self) -> bool {
        self.place().opened.as_ref().is_some_and(|it| it.built)
    }

    /// Keeps that the view has caught up with its log; what an older version of it left goes then.
    pub(crate) fn set_built(&self) -> Result<(), StoreError> {
        let mut place = self.lock_to_write();
        let opened = place.opened.as_mut().ok_or_else(|| broken(self.view, "its files are put aside"))?;
        guarded(self.view, || opened.db.insert(BUILT, &[]))?;
        opened.built = true;
        drop(place);
        // An older version is of no more use, and in nobody's way where it cannot be removed.
        let names = names_in(&self.root).unwrap_or_default();
        for version in 0..self.schema {
            let base = dir_name(self.view, version);
            for name in names.iter().filter(|it| generation(&base, it).is_some()) {
                let _ = std::fs::remove_dir_all(self.root.join(name));
            }
        }
        Ok(())
    }

    pub(crate) fn show(&self, shown: Shown) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    /// What a reader came upon since this was asked last.
    pub(crate) fn noticed(&self) -> Option<String> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes rows and checkpoint, all or nothing.
    pub(crate) fn write(&self, changes: Changes, position: Position, unknown: u64) -> Result<(), StoreError> {
        let mut place = self.lock_to_write();
        let opened = place.opened.as_mut().ok_or_else(|| broken(self.view, "its files are put aside"))?;
        let mut digest = opened.checkpoint.digest;
        let mut batch = sled::Batch::default();
        let Changes { rows, found } = changes;
        for (key, new) in rows {
            let read;
            let old = match found.get(&key) {
                Some(found) => found.as_deref(),
                None => {
                    read = guarded(self.view, || opened.db.get(&key))?;
                    read.as_deref()
                }
            };
            if old == new.as_deref() {
                continue;
            }
            if let Some(old) = old {
                digest = digest.minus(&key, old);
            }
            match new {
                Some(row) => {
                    digest = digest.plus(&key, &row);
                    batch.insert(key, row);
                }
                None => batch.remove(key),
            }
        }
        let checkpoint = Checkpoint { position, unknown, digest };
        batch.insert(CHECKPOINT, codec::encode(self.schema, CHECKPOINT, &checkpoint));
        guarded(self.view, || opened.db.apply_batch(batch))?;
        opened.checkpoint = checkpoint;
        Ok(())
    }

    /// Reads every row and compares their digest with the checkpoint's.
    pub(crate) fn verify(&self) -> Result<ViewDigest, StoreError> {
        self.read(|backing, checkpoint| {
            verify(self.view, backing, checkpoint)?;
            Ok(checkpoint.digest)
        })
    }

    /// Hands what is written so far to the system; not a promise of durability.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let place = self.lock_to_write();
        match place.opened.as_ref() {
            Some(opened) => guarded(self.view, || opened.db.flush()).map(|_| ()),
            None => Ok(()),
        }
    }

    pub(crate) fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        let place = self.place();
        place.opened.as_ref().map_or(Ok(0), |opened| guarded(self.view, || opened.db.size_on_disk()))
    }

    /// Puts the files aside and begins anew, while no reader looks on.
    pub(crate) fn quarantine(&self, reason: &str) -> Result<Quarantined, StoreError> {
        let mut place = self.lock_to_write();
        // The files are moved away whatever becomes of sled.
        close(place.opened.take());
        let quarantined = self.put_aside(&place.dir, reason)?;
        place.opened = Some(self.try_open(&place.dir)?);
        Ok(quarantined)
    }

    fn put_aside(&self, dir: &Path, reason: &str) -> Result<Quarantined, StoreError> {
        let io = |cause| StoreError::Io { view: self.view, cause };
        let aside = self.root.join("quarantine");
        std::fs::create_dir_all(&aside).map_err(io)?;
        let moved_to = (1u32..)
            .map(|n| aside.join(format!("{}-{n}", self.dir_name())))
            .find(|path| !path.exists())
            .ok_or_else(|| broken(self.view, "no free name to put its files aside"))?;
        // Nothing is there where an earlier attempt got this far and could not begin anew.
        if dir.exists() {
            std::fs::rename(dir, &moved_to).map_err(io)?;
        }
        Ok(Quarantined { view: self.view, reason: reason.to_owned(), moved_to })
    }

    fn dir_name(&self) -> String {
        dir_name(self.view, self.schema)
    }

    fn place(&self) -> RwLockReadGuard<'_, Place> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_to_write(&self) -> RwLockWriteGuard<'_, Place> {
        // A panic while the lock was held left a complete batch or none: sled applies batches atomically.
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut place = self.lock_to_write();
        place.opened = Some(self.try_open(&place.dir)?);
        Ok(())
    }

    fn try_open(&self, dir: &Path) -> Result<Opened, StoreError> {
        let db = open_db(self.view, dir)?;
        let backing = Backing::Stored { db: &db, view: self.view };
        let checkpoint = match backing.get(CHECKPOINT)? {
            Some(bytes) => codec::decode(self.schema, CHECKPOINT, &bytes)
                .map_err(|bad: BadRow| broken(self.view, format!("its checkpoint cannot be read: {bad}")))?,
            None => Checkpoint::default(),
        };
        let built = backing.get(BUILT)?.is_some();
        verify(self.view, backing, checkpoint)?;
        Ok(Opened { db, checkpoint, built })
    }
}

fn dir_name(view: &str, schema: u16) -> String {
    format!("{view}-v{schema}")
}

/// Which building of the view `base` the folder `name` holds: `base` is 0, `base.3` is 3.
fn generation(base: &str, name: &str) -> Option<u32> {
    match name.strip_prefix(base)? {
        "" => Some(0),
        rest => rest.strip_prefix('.')?.parse().ok(),
    }
}

/// The file that says of the files in `dir` that they are not the view yet.
fn mark_of(dir: &Path) -> PathBuf {
    dir.with_file_name(name_of(dir) + UNFINISHED)
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

fn names_in(root: &Path) -> io::Result<Vec<String>> {
    if !root.exists() {
        return Ok(Vec::new());
    }
    std::fs::read_dir(root)?.map(|it| Ok(it?.file_name().to_string_lossy().into_owned())).collect()
}

/// Where the files of the view are, and what an earlier process had not finished, or not removed any more.
fn live_dir(root: &Path, base: &str) -> io::Result<(PathBuf, Vec<PathBuf>)> {
    let names = names_in(root)?;
    let numbers = || names.iter().filter_map(|it| generation(base, it));
    let dir = |number| root.join(if number == 0 { base.to_owned() } else { format!("{base}.{number}") });
    let live = numbers().filter(|it| !mark_of(&dir(*it)).exists()).max().unwrap_or(0);
    let mut leftovers: Vec<_> = numbers().filter(|it| *it != live).map(dir).collect();
    // Marks go after what they speak of, and those of nothing too.
    let marks = names
        .iter()
        .filter(|it| it.strip_suffix(UNFINISHED).is_some_and(|it| generation(base, it).is_some()));
    leftovers.extend(marks.map(|it| root.join(it)));
    Ok((dir(live), leftovers))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

fn sync(dir: &Path) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Lets go of sled, which can fail inside even then.
fn close(opened: Option<Opened>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
}

/// What a fold of some events makes of the rows.
pub(crate) struct Changes {
    /// The rows to write, none where one goes.
    pub(crate) rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What is stored under those keys that the fold read: there is one writer, so it still is.
    pub(crate) found: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Where rows are read from: the store, or the memory of a refold.
#[derive(Clone, Copy)]
pub(crate) enum Backing<'a> {
    Stored { db: &'a sled::Db, view: &'static str },
    Memory(&'a BTreeMap<Vec<u8>, Vec<u8>>),
}

/// A row with its key, or why it could not be had.
pub(crate) type KeyedRow = Result<(Vec<u8>, Vec<u8>), StoreError>;

impl<'a> Backing<'a> {
    pub(crate) fn get(self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Backing::Stored { db, view } => Ok(guarded(view, || db.get(key))?.map(|row| row.to_vec())),
            Backing::Memory(rows) => Ok(rows.get(key).cloned()),
        }
    }

    /// Rows between two keys, in order or in the reverse order.
    pub(crate) fn range(
        self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        backward: bool,
    ) -> Box<dyn Iterator<Item = KeyedRow> + 'a> {
        match self {
            Backing::Stored { db, view } => {
                let mut range = db.range((from, to));
                Box::new(std::iter::from_fn(move || {
                    let step = || if backward { range.next_back() } else { range.next() }.transpose();
                    let found = guarded(view, step).transpose()?;
                    Some(found.map(|(key, row)| (key.to_vec(), row.to_vec())))
                }))
            }
            Backing::Memory(rows) => {
                let range = rows.range((from, to)).map(|(key, row)| Ok((key.clone(), row.clone())));
                if backward { Box::new(range.rev()) } else { Box::new(range) }
            }
        }
    }
}

pub(crate) fn broken(view: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::Broken { view, what: what.into() }
}

fn verify(view: &'static str, backing: Backing<'_>, checkpoint: Checkpoint) -> Result<(), StoreError> {
    let mut digest = ViewDigest::default();
    for row in backing.range(Bound::Included(ROWS.to_vec()), Bound::Unbounded, false) {
        let (key, row) = row?;
        digest = digest.plus(&key, &row);
    }
    if digest == checkpoint.digest {
        Ok(())
    } else {
        Err(broken(view, "its rows are not those that were written"))
    }
}

/// Opens sled; its own threads may hold the lock for moments after a Db was dropped, so a held lock is tried again.
fn open_db(view: &'static str, dir: &Path) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
    let config = config.flush_every_ms(Some(SYNC_EVERY_MS));
    for _ in 1..LOCK_ATTEMPTS {
        match guarded(view, || config.open()) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    guarded(view, || config.open())
}

/// Calls sled; it panics on some kinds of rot, which is an answer like any other here.
fn guarded<T>(view: &'static str, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(cause))) => Err(of_io(view, cause)),
        Ok(Err(error)) => Err(broken(view, error.to_string())),
        Err(_) => Err(broken(view, "sled panicked")),
    }
}

/// Tells what the surroundings do (a lock, a full disk) from what the files are.
fn of_io(view: &'static str, cause: io::Error) -> StoreError {
    use io::ErrorKind;
    if cause.to_string().contains("could not acquire lock") {
        return StoreError::Locked { view };
    }
    let of_the_surroundings = matches!(
        cause.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::StorageFull
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::QuotaExceeded
    );
    if of_the_surroundings { StoreError::Io { view, cause } } else { broken(view, cause.to_string()) }
}

/// Writes a row past the store, as rot or a stranger would.
#[cfg(test)]
pub(crate) fn vandalise(dir: &Path, key: &[u8], row: &[u8]) {
    open_db("vandalised", dir).unwrap().insert(key, row).unwrap();
}
