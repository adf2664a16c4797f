//! The segment that is being written, and what a failed write means.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::thread::JoinHandle;

use crate::commit::Head;

/// How much of a segment is filled with zeros at a time.
const STEP: u64 = 8 << 20;
/// With less than this before it, the writer has more filled.
const LOW: u64 = 4 << 20;

/// The segment that is being written.
///
/// Zeros are written and synced ahead of the commits. So the disk has the space before a commit needs it, and
/// a commit changes nothing about the file but its bytes, which makes its sync cheap.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: File,
    /// Where it lies, or will once it is whole.
    path: PathBuf,
    pub(super) at: u64,
    pub(super) length: u64,
    pub(super) before: Head,
    /// Up to where the file is filled for certain.
    filled: u64,
    filling: Option<JoinHandle<Result<u64, Trouble>>>,
    /// There was no space to fill more; asked again only when a commit needs it.
    short: bool,
}

impl Active {
    /// A segment whose commits end at `at`. What follows may be filled or not.
    pub(super) fn new(file: File, path: PathBuf, at: u64, length: u64, before: Head) -> Active {
        Active { file, path, at, length, before, filled: at, filling: None, short: false }
    }

    /// Makes sure that the file is filled up to `end`.
    pub(super) fn make_room(&mut self, end: u64) -> Result<(), Trouble> {
        while self.filled < end {
            let filled = match self.filling.take() {
                Some(filling) => joined(filling),
                None => fill(&self.file, self.filled..self.step(end)),
            };
            self.filled = match filled {
                // There may still be space for this commit alone.
                Err(Trouble::Full(_)) => fill(&self.file, self.filled..end.min(self.length))?,
                filled => filled?,
            };
            self.short = false;
        }
        Ok(())
    }

    /// Has more filled where little is left, without waiting for it.
    pub(super) fn look_ahead(&mut self) -> Result<(), Trouble> {
        if self.filling.as_ref().is_some_and(JoinHandle::is_finished) {
            self.settle()?;
        }
        if self.short || self.filling.is_some() || self.filled == self.length || self.filled - self.at >= LOW
        {
            return Ok(());
        }
        // Opened anew: the system tells of a failed sync once for each opening, and what the filler were told about a
        // commit's bytes, the writer would not be. Without file or thread the writer fills by itself when it must.
        let Ok(file) = OpenOptions::new().write(true).open(&self.path) else { return Ok(()) };
        let range = self.filled..self.step(self.filled + 1);
        let spawned = std::thread::Builder::new().name("log-filler".into()).spawn(move || fill(&file, range));
        self.filling = spawned.ok();
        Ok(())
    }

    /// Waits until nothing is being filled.
    pub(super) fn settle(&mut self) -> Result<(), Trouble> {
        match self.filling.take().map(joined) {
            Some(Ok(filled)) => self.filled = filled,
            // Nothing depends on it yet.
            Some(Err(Trouble::Full(_))) => self.short = true,
            Some(Err(broken @ Trouble::Broken(_))) => return Err(broken),
            None => {}
        }
        Ok(())
    }

    /// Writes `bytes` at the end, not yet synced. Where there is no space, nothing is left of them.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<Range<u64>, Trouble> {
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

    /// What was put at `range` is durable; the next stands behind it.
    pub(super) fn advance(&mut self, range: &Range<u64>) {
        self.at = range.end;
    }

    /// Where filling stops that must reach `end`.
    fn step(&self, end: u64) -> u64 {
        end.max(self.filled + STEP).min(self.length)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        // Whoever opens the file next must not have zeros written under their hands, and reads what they find.
        let _ = self.settle();
    }
}

fn joined(filling: JoinHandle<Result<u64, Trouble>>) -> Result<u64, Trouble> {
    filling.join().unwrap_or_else(|_| Err(Trouble::Broken(io::Error::other("filling a segment panicked"))))
}

/// Writes zeros over `range`, synced; nothing else was ever written there.
pub(super) fn fill(file: &File, range: Range<u64>) -> Result<u64, Trouble> {
    const ZEROS: &[u8] = &[0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let count = ZEROS.len().min((range.end - at) as usize);
        file.write_all_at(&ZEROS[..count], at).map_err(Trouble::of)?;
        at += count as u64;
    }
    file.sync_data().map_err(Trouble::Broken)?;
    Ok(range.end)
}

/// What a failed write means for the writer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It can go on once there is space.
    Full(io::Error),
    /// It is finished: what the disk holds is only known by reading it again.
    Broken(io::Error),
}

impl Trouble {
    pub(super) fn of(error: io::Error) -> Trouble {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        if full.contains(&error.kind()) { Trouble::Full(error) } else { Trouble::Broken(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(dir: &std::path::Path, length: u64) -> Active {
        let path = dir.join("segment");
        let file = File::create_new(&path).unwrap();
        Active::new(file, path, 0, length, Head::EMPTY)
    }

    #[test]
    fn the_filler_has_an_opening_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut active = active(dir.path(), STEP);
        // With a handle that cannot write, the writer could not fill; the filler does.
        active.file = File::open(&active.path).unwrap();
        active.look_ahead().unwrap();
        active.settle().unwrap();
        assert_eq!(active.filled, STEP);
        assert!(active.make_room(STEP).is_ok(), "there is nothing left to fill");
    }

    #[test]
    fn a_filling_that_failed_is_told_whoever_waits_for_it() {
        let failed = || Some(std::thread::spawn(|| Err(Trouble::Broken(io::Error::other("EIO")))));
        let dir = tempfile::tempdir().unwrap();
        let mut active = active(dir.path(), STEP);
        active.filling = failed();
        assert!(matches!(active.settle(), Err(Trouble::Broken(_))), "as a segment is closed");
        active.filling = failed();
        assert!(matches!(active.make_room(1), Err(Trouble::Broken(_))), "as a commit needs the room");
        active.filling = failed();
        while !active.filling.as_ref().is_some_and(JoinHandle::is_finished) {
            std::thread::yield_now();
        }
        assert!(matches!(active.look_ahead(), Err(Trouble::Broken(_))), "behind a commit");
    }
}
