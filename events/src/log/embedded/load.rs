//! What stands in the directory of a log when it is opened.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::active::Active;
use super::reader::{Frame, Index, Segment};
use super::segment::{Closing, END_FRAME, Next, Walk};
use super::{Damage, OpenError, Torn, damage, io_error};
use crate::commit::Head;

/// What stands in a directory.
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) last: Option<Last>,
    /// The first thing that is not as it should be; the index ends before it.
    pub(super) trouble: Option<OpenError>,
}

/// How the newest segment ends.
pub(super) struct Last {
    path: PathBuf,
    before: Head,
    length: u64,
    end: LastEnd,
}

enum LastEnd {
    Open { at: u64, torn: Option<Range<u64>> },
    Sealed { end: u64, cut: bool },
}

impl Last {
    pub(super) fn torn(&self) -> Option<Torn> {
        match &self.end {
            LastEnd::Open { torn, .. } => torn.clone().map(|bytes| Torn { file: self.path.clone(), bytes }),
            LastEnd::Sealed { .. } => None,
        }
    }

    /// Makes the segment fit for writing: zeroes a torn frame, finishes a sealing that was interrupted.
    pub(super) fn make_ready(self) -> Result<Option<Active>, OpenError> {
        let io = io_error(&self.path);
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(&io)?;
        match self.end {
            LastEnd::Sealed { cut: true, .. } => Ok(None),
            LastEnd::Sealed { end, cut: false } => {
                file.set_len(end).and_then(|()| file.sync_all()).map_err(&io)?;
                Ok(None)
            }
            LastEnd::Open { at, torn } => {
                if let Some(torn) = torn {
                    let zeros = vec![0; (torn.end - torn.start) as usize];
                    file.write_all_at(&zeros, torn.start).and_then(|()| file.sync_data()).map_err(&io)?;
                }
                let Last { path, before, length, .. } = self;
                Ok(Some(Active::new(file, path, at, length, before)))
            }
        }
    }
}

/// Reads the directory as far as it is sound: every byte of the newest segment, the ends of the sealed ones.
pub(super) fn load(dir: &Path) -> Loaded {
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
        let open = |at: usize, torn| LastEnd::Open { at: at as u64, torn };
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
pub(super) fn segment_paths(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
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

pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
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

/// Removes segments that a crash kept from getting their names.
pub(super) fn remove_unfinished(dir: &Path) -> Result<(), OpenError> {
    let segments = dir.join("segments");
    for entry in fs::read_dir(&segments).map_err(io_error(&segments))? {
        let path = entry.map_err(io_error(&segments))?.path();
        if path.extension().is_some_and(|it| it == "new") {
            fs::remove_file(&path).map_err(io_error(&path))?;
        }
    }
    Ok(())
}
