//! The log in files of our own: append-only segments in one directory, for one writing process.
//!
//! ```text
//! lock                                   held by the writing process, names it
//! head                                   a head the log has reached, written now and then, never ahead of it
//! segments/00000000000000000001.log      named by the first commit in it; see `segment`
//! ```
//! Every commit is one write and one fdatasync, into space that was filled with zeros before: a full disk shows
//! before a commit needs it, takes nothing, and when there is space again the writer goes on. After any other
//! failed write or sync the writer is finished, and only opening the log again tells what the disk holds.
//!
//! What cannot be told from damage is never cut off: only a last frame of which a part was never written is, and
//! nobody was ever told that its commit had landed. Everything else is for [`repair`], which is asked for, checks
//! its proofs, and keeps what it replaces.
//!
//! One case cannot be told apart from within: a last commit of which the disk later forgets a whole sector looks
//! as if it had never been wholly written. The head file, the views' checkpoints and signed heads know better.

mod active;
mod copy;
mod head_file;
mod load;
mod reader;
pub mod repair;
mod segment;
mod verify;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::active::{Active, Trouble};
use self::head_file::{Remembered, write_head};
use self::load::{Last, Loaded, load, lock, remove_unfinished};
use self::reader::{Frame, Index, Segment};
use self::segment::{Closing, END_FRAME, FRAME_HEADER, Opening, Tag, frame};
use super::{AppendError, EventLog, LogReader as _, ReadError, Resolution, is_last};
use crate::commit::{Commit, Head};
use crate::measure::Position;
use crate::merkle::Tree;

pub use copy::copy;
pub use reader::{EmbeddedReader, ReadOnly};
pub use verify::{VerifyFault, VerifyReport, verify};

/// How an embedded log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The length to which a segment is preallocated; a larger commit gets a larger segment.
    pub segment_bytes: u64,
    /// After how many commits the head file is written again.
    pub head_every: u64,
    /// A position that somebody has seen: a log that ends before it has lost something and is not opened.
    pub known: Position,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: 64 << 20, head_every: 256, known: Position(0) }
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
    /// The log ends before an event that somebody has seen.
    #[error("the log ends with position {found}, but position {known} was seen")]
    Forgotten {
        /// Where it ends.
        found: Position,
        /// What was seen.
        known: Position,
    },
    /// The log once held another commit at a place where it has one now.
    #[error("commit {commit} is not the one that the head file remembers")]
    Other {
        /// The commit.
        commit: u64,
    },
}

impl OpenError {
    /// Whether the log is there but not as it was written, so that it can be read and must not be written.
    pub const fn is_loss(&self) -> bool {
        match self {
            OpenError::Damaged(_)
            | OpenError::Shorter { .. }
            | OpenError::Forgotten { .. }
            | OpenError::Other { .. } => true,
            OpenError::Locked { .. }
            | OpenError::Missing { .. }
            | OpenError::Exists { .. }
            | OpenError::Io { .. } => false,
        }
    }
}

fn named(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
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
        let tree = Tree::default();
        write_head(dir, &Remembered::new(Head::EMPTY, 0, &tree)).map_err(io_error(dir))?;
        if let Some(parent) = dir.parent().filter(|it| !it.as_os_str().is_empty()) {
            sync_dir(parent).map_err(io_error(parent))?;
        }
        let index = Index { tree: Some(tree), ..Index::empty() };
        Ok(EmbeddedLog::new(EmbeddedReader::over(index, dir), None, options, lock))
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
        let remembered = reader.check_head_file()?;
        let tree = grown(&reader, remembered)?;
        reader.index_mut().tree = Some(tree);
        let found = reader.head().position;
        if found < options.known {
            return Err(OpenError::Forgotten { found, known: options.known });
        }
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
        // A log that is written always has its tree.
        let tree = index.tree.as_ref().ok_or(ErrorKind::InvalidData)?;
        let remembered = Remembered::new(index.head, segment, tree);
        drop(index);
        write_head(&self.reader.shared.dir, &remembered)?;
        self.since_head_file = 0;
        Ok(())
    }

    /// The same, tried again with the next commit where there is no space; the log is good without it.
    fn remember_if_there_is_space(&mut self) -> Result<(), Trouble> {
        match self.remember().map_err(Trouble::of) {
            Err(Trouble::Full(_)) => self.since_head_file = self.options.head_every,
            Err(broken @ Trouble::Broken(_)) => return Err(broken),
            Ok(()) => {}
        }
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
        // With room for the closing too, so that a full segment can always be sealed.
        active.make_room(active.at + needed + END_FRAME as u64)?;
        let range = active.put(bytes)?;
        active.file.sync_data().map_err(Trouble::Broken)?;
        active.advance(&range);
        Ok(range)
    }

    /// Puts the closing at the end of `active` and cuts the file off there.
    fn seal(&mut self, mut active: Active) -> Result<(), Trouble> {
        active.settle()?;
        let head = self.head();
        let closing =
            Closing { head: head.into(), commits: head.commit - active.before.commit, content: None };
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
            Ok(Active::new(file, path.clone(), opening.len() as u64, length, before))
        };
        // Until the segment has its name nothing depends on it, so it can be made again once there is space.
        let mut active = build().map_err(Trouble::of)?;
        active.make_room(least)?;
        active.file.sync_all().map_err(Trouble::Broken)?;
        fs::rename(&unfinished, &path).and_then(|()| sync_dir(&segments)).map_err(Trouble::Broken)?;
        self.reader.index_mut().segments.push(Segment {
            path: path.clone(),
            before,
            frames: Some(Vec::new()),
        });
        // The head file names the newest segment, so that one which disappears is missed.
        self.remember_if_there_is_space()?;
        Ok(self.active.insert(active))
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
        if let Some(tree) = &mut index.tree {
            commit.lines().for_each(|line| tree.push(line));
        }
        if let Some(frames) = index.segments.last_mut().and_then(|it| it.frames.as_mut()) {
            frames.push(Frame { at: at.start, first: header.first });
        }
        index.keep(commit.clone());
        index.head = next;
        drop(index);
        if let Some(active) = &mut self.active
            && let Err(trouble) = active.look_ahead()
        {
            // This commit is durable; the next one is refused.
            self.fail(trouble);
        }
        self.since_head_file += 1;
        if self.since_head_file >= self.options.head_every {
            // This commit is durable whatever becomes of the head file; after a failure the next one is refused.
            if let Err(trouble) = self.remember_if_there_is_space() {
                self.fail(trouble);
            }
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

/// The Merkle tree of the whole log, from the one that the head file remembers.
fn grown(reader: &EmbeddedReader, remembered: Remembered) -> Result<Tree, OpenError> {
    let dir = &reader.shared.dir;
    let mut tree = remembered.tree().ok_or(OpenError::Other { commit: remembered.head.commit })?;
    for commit in reader.commits(remembered.head.commit + 1) {
        let commit = commit.map_err(|error| unreadable(dir, error))?;
        commit.lines().for_each(|line| tree.push(line));
    }
    Ok(tree)
}

/// Why something that stands in the log could not be read when it was opened.
fn unreadable(dir: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Damaged { cause } => match cause.downcast::<Damage>() {
            Ok(damage) => OpenError::Damaged(*damage),
            Err(cause) => io_error(dir)(io::Error::other(cause)),
        },
        ReadError::Store { cause } => io_error(dir)(io::Error::other(cause)),
    }
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
mod damage_tests;
#[cfg(test)]
mod tests;
