//! Reads every byte of an embedded log again, trusting neither index nor writer.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::head_file::read_head;
use super::load::segment_paths;
use super::segment::{Next, Walk};
use super::{Damage, OpenError, Torn, damage, io_error};
use crate::commit::{Commit, Digest, Head};
use crate::log::{Audit, AuditError};

/// What was found.
#[derive(Debug)]
pub struct VerifyReport {
    /// How many segments were read.
    pub segments: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The last sound commit; its number and position say how many commits and events are sound.
    pub head: Head,
    /// The root of the Merkle tree over the lines of the sound events.
    pub root: Digest,
    /// A last frame that was never wholly written; with a writer at work it may be the commit under way.
    pub torn: Option<Torn>,
    /// The first thing that is not as it must be; what comes after it was not looked at.
    pub fault: Option<VerifyFault>,
}

impl VerifyReport {
    /// Whether every byte is as it was written.
    pub const fn is_sound(&self) -> bool {
        self.fault.is_none() && self.torn.is_none()
    }
}

/// The first thing in a log that is not as it must be.
#[derive(Debug, Error)]
pub enum VerifyFault {
    /// A file is not as it was written, or cannot be read, or is not there.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The bytes are as they were written, but a commit is not what it should be.
    #[error("`{}` holds a commit at offset {offset} that breaks the log", file.display())]
    Commit {
        /// The file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        #[source]
        cause: AuditError,
    },
}

impl From<Damage> for VerifyFault {
    fn from(damage: Damage) -> VerifyFault {
        VerifyFault::File(damage.into())
    }
}

/// Reads the whole log in `dir` and calls `each` with every sound commit and the state of the audit after it.
///
/// `each` is where a signed head, a receipt or a closing sheet is compared with what the log holds.
pub fn verify(dir: &Path, mut each: impl FnMut(&Commit, &Audit)) -> VerifyReport {
    let mut reading = Reading::default();
    let fault = reading.all(dir, &mut each).err();
    let Reading { audit, segments, bytes, torn, .. } = reading;
    VerifyReport { segments, bytes, head: audit.head(), root: audit.root(), torn, fault }
}

#[derive(Default)]
struct Reading {
    audit: Audit,
    segments: u64,
    bytes: u64,
    torn: Option<Torn>,
}

impl Reading {
    fn all(&mut self, dir: &Path, each: &mut impl FnMut(&Commit, &Audit)) -> Result<(), VerifyFault> {
        let remembered = read_head(dir);
        // What the segments hold is told first: it weighs more.
        let known = remembered.as_ref().ok().map(|it| Head::from(it.head));
        let mut matched = known == Some(Head::EMPTY);
        let paths = segment_paths(dir)?;
        let mut newest = 0;
        for (nth, path) in paths.iter().enumerate() {
            newest = self.audit.head().commit + 1;
            self.segment(path, nth + 1 == paths.len(), &mut |commit, audit| {
                matched |= known == Some(audit.head())
                    && remembered.as_ref().is_ok_and(|it| it.tree().as_ref() == Some(audit.tree()));
                each(commit, audit);
            })?;
        }
        let remembered = remembered?;
        let (found, known) = (self.audit.head().commit, remembered.head.commit);
        if known > found || remembered.segment > newest {
            let known = known.max(remembered.segment.saturating_sub(1));
            return Err(OpenError::Shorter { found, known }.into());
        }
        if !matched {
            return Err(OpenError::Other { commit: known }.into());
        }
        Ok(())
    }

    fn segment(
        &mut self,
        path: &Path,
        newest: bool,
        each: &mut impl FnMut(&Commit, &Audit),
    ) -> Result<(), VerifyFault> {
        let bytes = fs::read(path).map_err(io_error(path))?;
        self.segments += 1;
        self.bytes += bytes.len() as u64;
        let damaged = |offset: usize, what| {
            VerifyFault::from(Damage { file: path.to_owned(), offset: offset as u64, what })
        };
        let mut walk = Walk::start(&bytes, self.audit.head()).map_err(damage(path))?;
        loop {
            match walk.next().map_err(damage(path))? {
                Next::Commit(commit, range) => {
                    let offset = range.start as u64;
                    let breaks = |cause| VerifyFault::Commit { file: path.to_owned(), offset, cause };
                    self.audit.commit(&commit).map_err(breaks)?;
                    each(&commit, &self.audit);
                }
                Next::Sealed { cut: true, .. } => return Ok(()),
                Next::Sealed { .. } | Next::Unwritten { .. } if newest => return Ok(()),
                Next::Torn(range) if newest => {
                    let bytes = range.start as u64..range.end as u64;
                    self.torn = Some(Torn { file: path.to_owned(), bytes });
                    return Ok(());
                }
                Next::Sealed { at, .. } | Next::Unwritten { at } => {
                    return Err(damaged(at, "a segment before the newest is not sealed"));
                }
                Next::Torn(range) => {
                    return Err(damaged(range.start, "a segment before the newest is not sealed"));
                }
            }
        }
    }
}
