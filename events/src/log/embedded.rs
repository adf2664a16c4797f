//! The log in files of our own: append-only segments in one directory, for one writing process.
//!
//! ```text
//! lock                                   held by the writing process, names it
//! head                                   a head the log has reached, written now and then, never ahead of it
//! segments/00000000000000000001.log      named by the first commit in it; see `segment`
//! ```
//! Every commit is one write and one fdatasync. What cannot be told from damage is never cut off: only a last
//! frame of which a part was never written is, and nobody was ever told that its commit had landed.
//!
//! One case cannot be told apart from within: a last commit of which the disk later forgets a whole sector looks
//! as if it had never been wholly written. The head file, the views' checkpoints and signed heads know better.

mod segment;
mod verify;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use self::segment::{
    Closing, END_FRAME, FRAME_HEADER, FrameHeader, HeadRecord, Next, Opening, Tag, Walk, frame,
};
use super::{AppendError, EventLog, LogReader, ReadError, Resolution, is_last};
use crate::commit::{Commit, Digest, Head};
use crate::measure::Position;

pub use verify::{VerifyFault, VerifyReport, verify};

/// How an embedded log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The length to which a segment is preallocated; a larger commit gets a larger segment.
    pub segment_bytes: u64,
    /// After how many commits the head file is written again.
    pub head_every: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: 64 << 20, head_every: 256 }
    }
}

/// A place in a file where something is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` is damaged at offset {offset}: {what}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// A last frame that was never wholly written, and that nobody was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: PathBuf,
    /// From where to where.
    pub bytes: Range<u64>,
}

/// Why a log was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another writer holds it.
    #[error("the log in `{}` is in use by {}", dir.display(), named(*holder))]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process that holds it, where it said so.
        holder: Option<u32>,
    },
    /// There is no log there.
    #[error("there is no log in `{}`", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// A log was to be created where there is one.
    #[error("there is a log in `{}` already", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        cause: io::Error,
    },
    /// Something is not as it was written. Nothing was changed.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log once reached further than it does now.
    #[error("the log ends with commit {found}, but it once reached commit {known}")]
    Shorter {
        /// Where it ends.
        found: u64,
        /// Where it ended once, by the head file.
        known: u64,
    },
    /// The log once held another commit at a place where it has one now.
    #[error("commit {commit} is not the one that the head file remembers")]
    Other {
        /// The commit.
        commit: u64,
    },
}

fn named(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

/// What the head file remembers.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    head: HeadRecord,
    /// The name of the newest segment; 0 before the first.
    segment: u64,
}

/// The writer of an embedded log.
#[derive(Debug)]
pub struct EmbeddedLog {
    reader: EmbeddedReader,
    options: Options,
    active: Option<Active>,
    since_head_file: u64,
    poisoned: bool,
    torn: Option<Torn>,
    /// Held as long as the log is open.
    _lock: File,
}

/// The segment that is being written.
#[derive(Debug)]
struct Active {
    file: File,
    at: u64,
    length: u64,
    before: Head,
    /// Over every byte before `at`.
    content: Sha256,
}

impl EmbeddedLog {
    /// Makes an empty log in `dir`; its first commit must be a genesis.
    pub fn create(dir: &Path, options: Options) -> Result<EmbeddedLog, OpenError> {
        fs::create_dir_all(dir).map_err(io_error(dir))?;
        let lock = lock(dir)?;
        let segments = dir.join("segments");
        let used = fs::read_dir(&segments).is_ok_and(|mut entries| entries.next().is_some());
        if used || dir.join("head").exists() {
            return Err(OpenError::Exists { dir: dir.to_owned() });
        }
        fs::create_dir_all(&segments).map_err(io_error(&segments))?;
        write_head(dir, Remembered { head: Head::EMPTY.into(), segment: 0 }).map_err(io_error(dir))?;
        if let Some(parent) = dir.parent().filter(|it| !it.as_os_str().is_empty()) {
            sync_dir(parent).map_err(io_error(parent))?;
        }
        Ok(EmbeddedLog::new(EmbeddedReader::over(Index::empty(), dir), None, options, lock))
    }

    /// Opens the log in `dir` for writing. Refuses a log that is damaged or shorter than it once was.
    pub fn open(dir: &Path, options: Options) -> Result<EmbeddedLog, OpenError> {
        if !dir.join("head").exists() && !dir.join("segments").exists() {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let lock = lock(dir)?;
        let Loaded { index, last, trouble } = load(dir);
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let reader = EmbeddedReader::over(index, dir);
        reader.check_head_file()?;
        // Nothing is changed before this line: a log that is refused stays as it is.
        let torn = last.as_ref().and_then(Last::torn);
        let active = match last {
            Some(last) => last.make_ready()?,
            None => None,
        };
        remove_unfinished(dir)?;
        let mut log = EmbeddedLog::new(reader, active, options, lock);
        log.torn = torn;
        log.remember().map_err(io_error(dir))?;
        Ok(log)
    }

    /// Opens whatever can be read of the log in `dir`, changing nothing and locking nothing.
    ///
    /// A commit that another process is just writing may show as torn.
    pub fn open_read_only(dir: &Path) -> Result<ReadOnly, OpenError> {
        if !dir.join("segments").exists() {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let Loaded { index, last, trouble } = load(dir);
        let torn = last.as_ref().and_then(Last::torn);
        let reader = EmbeddedReader::over(index, dir);
        let trouble = trouble.or_else(|| reader.check_head_file().err());
        Ok(ReadOnly { reader, torn, trouble })
    }

    /// The last frame that was cut off when the log was opened, because part of it was never written.
    pub const fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    fn new(reader: EmbeddedReader, active: Option<Active>, options: Options, lock: File) -> EmbeddedLog {
        EmbeddedLog { reader, options, active, since_head_file: 0, poisoned: false, torn: None, _lock: lock }
    }

    /// Writes the present head into the head file.
    fn remember(&mut self) -> io::Result<()> {
        let index = self.reader.index();
        let segment = index.segments.last().map_or(0, |it| it.before.commit + 1);
        let head = index.head.into();
        drop(index);
        write_head(&self.reader.shared.dir, Remembered { head, segment })?;
        self.since_head_file = 0;
        Ok(())
    }

    /// Writes and syncs one frame, in a new segment where it does not fit the present one.
    fn write(&mut self, bytes: &[u8]) -> Result<Range<u64>, Trouble> {
        let needed = bytes.len() as u64;
        let fits = |it: &Active| it.at + needed + END_FRAME as u64 <= it.length;
        if let Some(full) = self.active.take_if(|it| !fits(it)) {
            self.seal(full)?;
        }
        let active = match &mut self.active {
            Some(active) => active,
            None => self.start_segment(needed)?,
        };
        let range = active.put(bytes)?;
        active.file.sync_data().map_err(Trouble::Broken)?;
        active.advance(bytes);
        Ok(range)
    }

    /// Puts the closing at the end of `active` and cuts the file off there.
    fn seal(&mut self, mut active: Active) -> Result<(), Trouble> {
        let head = self.head();
        let closing = Closing {
            head: head.into(),
            commits: head.commit - active.before.commit,
            content: Digest::from_sha256(active.content.clone().finalize().into()),
        };
        let bytes = closing.to_frame().map_err(|error| Trouble::Broken(error.into()))?;
        let range = match active.put(&bytes) {
            Ok(range) => range,
            Err(trouble) => {
                self.active = Some(active);
                return Err(trouble);
            }
        };
        let sealed = || {
            active.file.sync_data()?;
            active.file.set_len(range.end)?;
            active.file.sync_all()
        };
        sealed().map_err(Trouble::Broken)
    }

    /// Makes a segment that has room for a frame of `needed` bytes, whole and durable under its name.
    fn start_segment(&mut self, needed: u64) -> Result<&mut Active, Trouble> {
        let before = self.head();
        let least = needed + 2 * END_FRAME as u64;
        let length = self.options.segment_bytes.max(least).next_multiple_of(FRAME_HEADER as u64);
        let opening =
            Opening::new(before, length).to_frame().map_err(|error| Trouble::Broken(error.into()))?;
        let segments = self.reader.shared.dir.join("segments");
        let path = segments.join(format!("{:020}.log", before.commit + 1));
        let unfinished = path.with_extension("new");
        let build = || {
            remove_if_there(&unfinished)?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&unfinished)?;
            file.set_len(length)?;
            file.write_all_at(&opening, 0)?;
            file.sync_all()?;
            Ok(file)
        };
        // Until the segment has its name nothing depends on it, so it can be made again once there is space.
        let file = build().map_err(Trouble::of)?;
        fs::rename(&unfinished, &path).and_then(|()| sync_dir(&segments)).map_err(Trouble::Broken)?;
        self.reader.index_mut().segments.push(Segment {
            path: path.clone(),
            before,
            frames: Some(Vec::new()),
        });
        // The head file names the newest segment, so that one which disappears is missed. The segment is good
        // without it; where there is no space for it, it is tried again with the next commit.
        if self.remember().is_err() {
            self.since_head_file = self.options.head_every;
        }
        let content = Sha256::new_with_prefix(&opening);
        let at = opening.len() as u64;
        Ok(self.active.insert(Active { file, at, length, before, content }))
    }

    fn fail(&mut self, trouble: Trouble) -> AppendError {
        match trouble {
            Trouble::Full(cause) => AppendError::Full { cause: cause.into() },
            Trouble::Broken(cause) => {
                self.poisoned = true;
                AppendError::Poisoned { cause: cause.into() }
            }
        }
    }

    fn still_writes(&self) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned { cause: "an earlier write failed".into() });
        }
        Ok(())
    }
}

impl Active {
    /// Writes `bytes` at the end, not yet synced. Where there is no space, nothing is left of them.
    fn put(&mut self, bytes: &[u8]) -> Result<Range<u64>, Trouble> {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], self.at + written as u64) {
                Ok(0) => return Err(Trouble::Broken(ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.file.write_all_at(&vec![0; written], self.at).map_err(Trouble::Broken)?;
                    return Err(Trouble::of(error));
                }
            }
        }
        Ok(self.at..self.at + bytes.len() as u64)
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
        self.at += bytes.len() as u64;
    }
}

/// What a failed write means for the writer.
enum Trouble {
    /// It can go on once there is space.
    Full(io::Error),
    /// It is finished: what the disk holds is only known by reading it again.
    Broken(io::Error),
}

impl Trouble {
    fn of(error: io::Error) -> Trouble {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        if full.contains(&error.kind()) { Trouble::Full(error) } else { Trouble::Broken(error) }
    }
}

impl EventLog for EmbeddedLog {
    type Reader = EmbeddedReader;

    fn head(&self) -> Head {
        self.reader.head()
    }

    fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
        self.still_writes()?;
        let head = self.head();
        if is_last(&head, commit) {
            return Ok(head);
        }
        let next = head.after(commit).map_err(AppendError::NotNext)?;
        let header = commit.header();
        let bytes = frame(Tag::Commit, header.commit, header.first, commit.bytes());
        let at = self.write(&bytes).map_err(|trouble| self.fail(trouble))?;
        let mut index = self.reader.index_mut();
        if let Some(frames) = index.segments.last_mut().and_then(|it| it.frames.as_mut()) {
            frames.push(Frame { at: at.start, first: header.first });
        }
        index.head = next;
        drop(index);
        self.since_head_file += 1;
        if self.since_head_file >= self.options.head_every {
            // The commit is durable whatever becomes of the head file, which is tried again next time.
            self.remember().ok();
        }
        Ok(next)
    }

    fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError> {
        self.still_writes()?;
        let head = self.head();
        if is_last(&head, commit) {
            return Ok(Resolution::Landed(head));
        }
        Ok(if head.after(commit).is_ok() { Resolution::Absent } else { Resolution::Deposed })
    }

    fn reader(&self) -> EmbeddedReader {
        self.reader.clone()
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if !self.poisoned {
            // Only a convenience for the next start, which does without it.
            self.remember().ok();
        }
    }
}

/// A log opened for reading only: as much of it as is sound.
#[derive(Debug)]
pub struct ReadOnly {
    /// Reads up to the trouble.
    pub reader: EmbeddedReader,
    /// A last frame that was never wholly written.
    pub torn: Option<Torn>,
    /// Why the log would not open for writing.
    pub trouble: Option<OpenError>,
}

/// A reader of an embedded log.
#[derive(Clone, Debug)]
pub struct EmbeddedReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    index: RwLock<Index>,
}

/// Where every durable commit stands.
#[derive(Debug)]
struct Index {
    head: Head,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    before: Head,
    /// `None` in a sealed segment until somebody reads from it.
    frames: Option<Vec<Frame>>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    at: u64,
    first: u64,
}

impl Index {
    const fn empty() -> Index {
        Index { head: Head::EMPTY, segments: Vec::new() }
    }
}

/// Where one commit stands.
struct Place {
    commit: u64,
    path: PathBuf,
    at: u64,
}

impl EmbeddedReader {
    fn over(index: Index, dir: &Path) -> EmbeddedReader {
        EmbeddedReader { shared: Arc::new(Shared { dir: dir.to_owned(), index: RwLock::new(index) }) }
    }

    // The index changes by single pushes and assignments, so a panic elsewhere leaves it whole.
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.shared.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a frame in the segment number `nth`, by its place among the frames of the segment.
    fn place(&self, nth: usize, pick: impl Fn(&[Frame]) -> Option<usize>) -> Result<Option<Place>, Damage> {
        let index = self.index();
        let Some(segment) = index.segments.get(nth) else { return Ok(None) };
        let (path, before) = (segment.path.clone(), segment.before);
        let find = |frames: &[Frame]| {
            let frame = pick(frames)?;
            Some(Place {
                commit: before.commit + 1 + frame as u64,
                path: path.clone(),
                at: frames.get(frame)?.at,
            })
        };
        if let Some(frames) = &segment.frames {
            return Ok(find(frames));
        }
        drop(index);
        let frames = frames_of_sealed(&path)?;
        let place = find(&frames);
        if let Some(segment) = self.index_mut().segments.get_mut(nth) {
            segment.frames = Some(frames);
        }
        Ok(place)
    }

    fn place_of_commit(&self, commit: u64) -> Result<Option<Place>, Damage> {
        let index = self.index();
        if commit == 0 || commit > index.head.commit {
            return Ok(None);
        }
        let nth = index.segments.partition_point(|it| it.before.commit < commit) - 1;
        let within = (commit - index.segments[nth].before.commit - 1) as usize;
        drop(index);
        self.place(nth, |_| Some(within))
    }

    fn place_of_event(&self, position: Position) -> Result<Option<Place>, Damage> {
        let index = self.index();
        if position.0 == 0 || position > index.head.position {
            return Ok(None);
        }
        let nth = index.segments.partition_point(|it| it.before.position < position) - 1;
        drop(index);
        // Of several commits with the same first position only the last one holds it: the others are empty.
        self.place(nth, |frames| frames.partition_point(|it| it.first <= position.0).checked_sub(1))
    }

    fn commit(&self, commit: u64) -> Result<Option<Commit>, ReadError> {
        let damaged = |cause: Damage| ReadError::Damaged { cause: cause.into() };
        let Some(place) = self.place_of_commit(commit).map_err(damaged)? else { return Ok(None) };
        let file = File::open(&place.path).map_err(|cause| ReadError::Store { cause: cause.into() })?;
        read_commit(&file, &place).map(Some)
    }

    /// Compares the log with the head file: the log may have gone on since, but never back.
    fn check_head_file(&self) -> Result<(), OpenError> {
        let remembered = read_head(&self.shared.dir)?;
        let known = Head::from(remembered.head);
        let index = self.index();
        let (found, newest) = (index.head.commit, index.segments.last().map_or(0, |it| it.before.commit + 1));
        drop(index);
        if known.commit > found || remembered.segment > newest {
            return Err(OpenError::Shorter {
                found,
                known: known.commit.max(remembered.segment.saturating_sub(1)),
            });
        }
        let now = match self.commit(known.commit) {
            Ok(Some(commit)) => Head {
                commit: commit.header().commit,
                epoch: commit.header().epoch,
                position: commit.last(),
                digest: commit.digest(),
            },
            Ok(None) => Head::EMPTY,
            Err(error) => return Err(io_error(&self.shared.dir)(io::Error::other(error))),
        };
        if now != known {
            return Err(OpenError::Other { commit: known.commit });
        }
        Ok(())
    }
}

impl LogReader for EmbeddedReader {
    fn head(&self) -> Head {
        self.index().head
    }

    fn commits(&self, from: u64) -> impl Iterator<Item = Result<Commit, ReadError>> + Send {
        Commits { reader: self, next: from.max(1), last: self.head().commit, open: None }
    }

    fn commit_of(&self, position: Position) -> Result<Option<Commit>, ReadError> {
        let damaged = |cause: Damage| ReadError::Damaged { cause: cause.into() };
        let Some(place) = self.place_of_event(position).map_err(damaged)? else { return Ok(None) };
        let store = |cause: io::Error| ReadError::Store { cause: cause.into() };
        let file = File::open(&place.path).map_err(store)?;
        read_commit(&file, &place).map(Some)
    }
}

/// Reads on from one commit to the next; stops after an error.
struct Commits<'a> {
    reader: &'a EmbeddedReader,
    next: u64,
    last: u64,
    /// The segment that was read last.
    open: Option<(PathBuf, File)>,
}

impl Iterator for Commits<'_> {
    type Item = Result<Commit, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.last {
            return None;
        }
        let commit = self.next;
        let read = self.read(commit);
        self.next = if matches!(read, Ok(Some(_))) { commit + 1 } else { u64::MAX };
        read.transpose()
    }
}

impl Commits<'_> {
    fn read(&mut self, commit: u64) -> Result<Option<Commit>, ReadError> {
        let damaged = |cause: Damage| ReadError::Damaged { cause: cause.into() };
        let Some(place) = self.reader.place_of_commit(commit).map_err(damaged)? else { return Ok(None) };
        let file = match self.open.take().filter(|(path, _)| *path == place.path) {
            Some((_, file)) => file,
            None => File::open(&place.path).map_err(|cause| ReadError::Store { cause: cause.into() })?,
        };
        let read = read_commit(&file, &place)?;
        self.open = Some((place.path, file));
        Ok(Some(read))
    }
}

fn read_commit(file: &File, place: &Place) -> Result<Commit, ReadError> {
    let commit = place.commit;
    let store = |cause: io::Error| ReadError::Store { cause: cause.into() };
    let damaged = |what| {
        let damage = Damage { file: place.path.clone(), offset: place.at, what };
        ReadError::Damaged { cause: damage.into() }
    };
    let mut header = [0; FRAME_HEADER];
    file.read_exact_at(&mut header, place.at).map_err(store)?;
    let header = FrameHeader::read(&header).ok_or_else(|| damaged("no header of a frame"))?;
    if header.tag != Tag::Commit || header.commit != commit {
        return Err(damaged("the frame of another commit"));
    }
    // The length is sound, for the header's own checksum covers it.
    let mut body = vec![0; header.length as usize];
    file.read_exact_at(&mut body, place.at + FRAME_HEADER as u64).map_err(store)?;
    if !header.fits(&body) {
        return Err(damaged("the bytes of the commit are not those written"));
    }
    let read = Commit::parse(body).map_err(|_| damaged("no commit in the frame"))?;
    if read.header().commit != commit {
        return Err(damaged("the frame names another commit than it holds"));
    }
    Ok(read)
}

/// What stands in a directory.
struct Loaded {
    index: Index,
    last: Option<Last>,
    /// The first thing that is not as it should be; the index ends before it.
    trouble: Option<OpenError>,
}

/// How the newest segment ends.
struct Last {
    path: PathBuf,
    before: Head,
    length: u64,
    end: LastEnd,
}

enum LastEnd {
    Open { at: u64, content: Sha256, torn: Option<Range<u64>> },
    Sealed { end: u64, cut: bool },
}

impl Last {
    fn torn(&self) -> Option<Torn> {
        match &self.end {
            LastEnd::Open { torn, .. } => torn.clone().map(|bytes| Torn { file: self.path.clone(), bytes }),
            LastEnd::Sealed { .. } => None,
        }
    }

    /// Makes the segment fit for writing: zeroes a torn frame, finishes a sealing that was interrupted.
    fn make_ready(self) -> Result<Option<Active>, OpenError> {
        let io = io_error(&self.path);
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(&io)?;
        match self.end {
            LastEnd::Sealed { cut: true, .. } => Ok(None),
            LastEnd::Sealed { end, cut: false } => {
                file.set_len(end).and_then(|()| file.sync_all()).map_err(&io)?;
                Ok(None)
            }
            LastEnd::Open { at, content, torn } => {
                if let Some(torn) = torn {
                    let zeros = vec![0; (torn.end - torn.start) as usize];
                    file.write_all_at(&zeros, torn.start).and_then(|()| file.sync_data()).map_err(&io)?;
                }
                let Last { before, length, .. } = self;
                Ok(Some(Active { file, at, length, before, content }))
            }
        }
    }
}

/// Reads the directory as far as it is sound: every byte of the newest segment, the ends of the sealed ones.
fn load(dir: &Path) -> Loaded {
    let mut loaded = Loaded { index: Index::empty(), last: None, trouble: None };
    loaded.trouble = loaded.read(dir).err();
    loaded
}

impl Loaded {
    fn read(&mut self, dir: &Path) -> Result<(), OpenError> {
        let paths = segment_paths(dir)?;
        let Some((newest, sealed)) = paths.split_last() else { return Ok(()) };
        for path in sealed {
            let before = self.index.head;
            let closing = read_sealed_ends(path, before)?;
            self.index.segments.push(Segment { path: path.clone(), before, frames: None });
            self.index.head = closing.head.into();
        }
        self.read_newest(newest)
    }

    fn read_newest(&mut self, path: &Path) -> Result<(), OpenError> {
        let before = self.index.head;
        let bytes = fs::read(path).map_err(io_error(path))?;
        let mut walk = Walk::start(&bytes, before).map_err(damage(path))?;
        let mut frames = Vec::new();
        let end = loop {
            match walk.next() {
                Ok(Next::Commit(commit, range)) => {
                    frames.push(Frame { at: range.start as u64, first: commit.header().first });
                }
                Ok(end) => break Ok(end),
                Err(broken) => break Err(damage(path)(broken)),
            }
        };
        self.index.head = walk.head();
        self.index.segments.push(Segment { path: path.to_owned(), before, frames: Some(frames) });
        let content = |at: usize| Sha256::new_with_prefix(&bytes[..at]);
        let open = |at: usize, torn| LastEnd::Open { at: at as u64, content: content(at), torn };
        let end = match end? {
            Next::Unwritten { at } => open(at, None),
            Next::Torn(range) => open(range.start, Some(range.start as u64..range.end as u64)),
            Next::Sealed { at, cut, .. } => LastEnd::Sealed { end: (at + END_FRAME) as u64, cut },
            Next::Commit(..) => return Ok(()),
        };
        self.last = Some(Last { path: path.to_owned(), before, length: bytes.len() as u64, end });
        Ok(())
    }
}

/// The segments in the order of their first commits, each named as it must be.
fn segment_paths(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let segments = dir.join("segments");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&segments).map_err(io_error(&segments))? {
        let path = entry.map_err(io_error(&segments))?.path();
        if path.extension().is_some_and(|it| it == "log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Checks the opening and the closing of a sealed segment, and that it follows `before`.
fn read_sealed_ends(path: &Path, before: Head) -> Result<Closing, OpenError> {
    let file = File::open(path).map_err(io_error(path))?;
    let length = file.metadata().map_err(io_error(path))?.len();
    let damaged = |offset, what| Damage { file: path.to_owned(), offset, what };
    let Some(closing_at) = length.checked_sub(END_FRAME as u64) else {
        return Err(damaged(0, "a segment without an end").into());
    };
    let (mut first, mut last) = ([0; END_FRAME], [0; END_FRAME]);
    file.read_exact_at(&mut first, 0).map_err(io_error(path))?;
    file.read_exact_at(&mut last, closing_at).map_err(io_error(path))?;
    Walk::start(&first, before).map_err(damage(path))?;
    let closing = Closing::read(&last).ok_or(damaged(closing_at, "the closing is damaged or missing"))?;
    if closing.head.commit.checked_sub(closing.commits) != Some(before.commit) {
        return Err(damaged(closing_at, "the closing is not that of this segment").into());
    }
    Ok(closing)
}

/// Where the commits of a sealed segment stand, by the headers of its frames.
fn frames_of_sealed(path: &Path) -> Result<Vec<Frame>, Damage> {
    let damaged = |offset, what| Damage { file: path.to_owned(), offset, what };
    let bytes = fs::read(path).map_err(|_| damaged(0, "the segment cannot be read"))?;
    let mut at = END_FRAME;
    let mut frames = Vec::new();
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let header = FrameHeader::read(rest).ok_or(damaged(at as u64, "no header of a frame"))?;
        if header.tag != Tag::Commit {
            return Ok(frames);
        }
        frames.push(Frame { at: at as u64, first: header.first });
        at += FRAME_HEADER + (header.length as usize).next_multiple_of(FRAME_HEADER);
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).ok().and_then(|it| it.trim().parse().ok());
            return Err(OpenError::Locked { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(OpenError::Io { path, cause }),
    }
    let name = format!("{}\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(io_error(&path))?;
    Ok(file)
}

fn read_head(dir: &Path) -> Result<Remembered, OpenError> {
    let path = dir.join("head");
    let bytes = fs::read(&path).map_err(io_error(&path))?;
    let json = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let remembered = serde_json::from_slice(json).ok();
    // The line is written anew from what was read, so that its checksum and its spelling are checked as well.
    let sound = remembered.filter(|it| head_line(it).is_ok_and(|line| line == bytes));
    sound.ok_or_else(|| {
        Damage { file: path, offset: 0, what: "the head file is not as it was written" }.into()
    })
}

/// JSON, a space, the crc32 of the JSON.
fn head_line(remembered: &Remembered) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(remembered)?;
    let crc = crc32fast::hash(&line);
    writeln!(line, " {crc:08x}")?;
    Ok(line)
}

/// Replaces the head file: after a crash the old one stands there, or the new one.
fn write_head(dir: &Path, remembered: Remembered) -> io::Result<()> {
    let (path, unfinished) = (dir.join("head"), dir.join("head.new"));
    let mut file = File::create(&unfinished)?;
    file.write_all(&head_line(&remembered)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_dir(dir)
}

/// Removes segments that a crash kept from getting their names.
fn remove_unfinished(dir: &Path) -> Result<(), OpenError> {
    let segments = dir.join("segments");
    for entry in fs::read_dir(&segments).map_err(io_error(&segments))? {
        let path = entry.map_err(io_error(&segments))?.path();
        if path.extension().is_some_and(|it| it == "new") {
            fs::remove_file(&path).map_err(io_error(&path))?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |cause| OpenError::Io { path: path.clone(), cause }
}

fn damage(path: &Path) -> impl Fn(segment::Broken) -> Damage {
    move |broken| Damage { file: path.to_owned(), offset: broken.offset as u64, what: broken.what }
}

#[cfg(test)]
mod tests;
