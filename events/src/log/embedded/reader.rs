//! Reads the log beside its writer: where every durable commit stands, and what stands there.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::head_file::{Remembered, read_head};
use super::segment::{END_FRAME, FRAME_HEADER, FrameHeader, Tag};
use super::{Damage, OpenError, Torn, unreadable};
use crate::commit::{Commit, Head};
use crate::log::{LogReader, ReadError};
use crate::measure::Position;
use crate::merkle::Tree;

/// How many of the last commits are kept at hand: receipts are asked for right after their commit.
const RECENT: usize = 16;

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
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    index: RwLock<Index>,
}

/// Where every durable commit stands.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) head: Head,
    pub(super) segments: Vec<Segment>,
    /// Over every event line; `None` in a log that is only read.
    pub(super) tree: Option<Tree>,
    /// The last commits that this process has appended.
    pub(super) recent: VecDeque<Commit>,
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) before: Head,
    /// `None` in a sealed segment until somebody reads from it.
    pub(super) frames: Option<Vec<Frame>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) at: u64,
    pub(super) first: u64,
}

impl Index {
    pub(super) const fn empty() -> Index {
        Index { head: Head::EMPTY, segments: Vec::new(), tree: None, recent: VecDeque::new() }
    }

    /// Keeps a commit at hand that has just become durable.
    pub(super) fn keep(&mut self, commit: Commit) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(commit);
    }
}

/// Where one commit stands.
struct Place {
    commit: u64,
    path: PathBuf,
    at: u64,
}

impl EmbeddedReader {
    /// The same log as if it ended at `head`, which it once did: nothing that came after is shown.
    pub fn ending_at(self, head: Head) -> EmbeddedReader {
        let index = self.index();
        let before = index.segments.iter().filter(|it| it.before.commit < head.commit);
        let ended = Index { head, segments: before.cloned().collect(), ..Index::empty() };
        EmbeddedReader::over(ended, &self.shared.dir)
    }

    pub(super) fn over(index: Index, dir: &Path) -> EmbeddedReader {
        EmbeddedReader { shared: Arc::new(Shared { dir: dir.to_owned(), index: RwLock::new(index) }) }
    }

    // The index changes by single pushes and assignments, so a panic elsewhere leaves it whole.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
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

    /// The commit that holds the event at `position`; read from the disk only where it is not one of the last.
    pub fn shared_commit_of(&self, position: Position) -> Result<Option<Commit>, ReadError> {
        let holds = |it: &&Commit| it.line_at(position).is_some();
        let recent = self.index().recent.iter().rev().find(holds).cloned();
        match recent {
            Some(commit) => Ok(Some(commit)),
            None => self.commit_of(position),
        }
    }

    /// The head, and the Merkle tree over every event up to it; `None` in a log that is only read.
    pub fn tree(&self) -> Option<(Head, Tree)> {
        let index = self.index();
        index.tree.clone().map(|tree| (index.head, tree))
    }

    /// Compares the log with the head file: the log may have gone on since, but never back.
    pub(super) fn check_head_file(&self) -> Result<Remembered, OpenError> {
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
            Err(error) => return Err(unreadable(&self.shared.dir, error)),
        };
        if now != known {
            return Err(OpenError::Other { commit: known.commit });
        }
        Ok(remembered)
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
