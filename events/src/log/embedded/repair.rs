//! Repair of a log that does not open: only when asked for, only as far as it is proved, and what was there is
//! kept aside.
//!
//! There are two ways. [`from_copy`] takes a sound copy of the log in the place of the damaged one, if the copy
//! holds everything that the damaged one still shows, that its head file remembers and that the proofs name.
//! [`cut`] gives up what stands behind the last sound commit, if nothing shows that a commit ever stood there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::head_file::{Remembered, read_head, write_head};
use super::load::{lock, segment_paths};
use super::segment::{END_FRAME, FRAME_HEADER, Opening, Tag, whole_frame};
use super::{OpenError, VerifyFault, VerifyReport, io_error, remove_if_there, sync_dir, verify};
use crate::commit::{Digest, Head};
use crate::measure::Position;

/// What somebody outside has kept of the log: a signed head, a closing sheet, a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The commit.
    pub commit: u64,
    /// The hash of its bytes.
    pub digest: Digest,
    /// How many events there were after it, and the root over them, where the proof says so.
    pub tree: Option<(Position, Digest)>,
}

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// The last commit of the log as it is now.
    pub head: Head,
    /// Where what was there before is kept.
    pub aside: PathBuf,
}

/// Why a log was not repaired. Nothing was changed.
#[derive(Debug, Error)]
pub enum RepairError {
    /// A file could not be read or written, or another process writes the log.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to repair.
    #[error("the log is sound: there is nothing to repair")]
    Sound,
    /// The copy is not sound itself.
    #[error("the copy is not sound")]
    Copy(#[source] VerifyFault),
    /// The copy ends in a frame that was never wholly written: it was made while the log was written.
    #[error("the copy ends in a commit that was never wholly written")]
    TornCopy,
    /// A commit is known that the repaired log would not have.
    #[error("commit {commit} would be lost: {source_of} knows it")]
    Lost {
        /// The commit.
        commit: u64,
        /// Who knows it.
        source_of: Witness,
    },
    /// A commit is known to be another than the repaired log would have.
    #[error("commit {commit} would not be the one that {source_of} knows")]
    Other {
        /// The commit.
        commit: u64,
        /// Who knows it.
        source_of: Witness,
    },
    /// A cut needs something from outside that says how far the log went.
    #[error("a cut needs a proof from outside: a signed head, a closing sheet or a receipt")]
    Unproved,
    /// The damage is not at the end, so that no cut can mend it.
    #[error("the damage is not at the end of the log: only a sound copy can mend it")]
    NotAtTheEnd(#[source] VerifyFault),
}

/// Who knows of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The damaged log itself still shows it.
    Log,
    /// The head file remembers it.
    HeadFile,
    /// A proof from outside names it.
    Proof,
}

impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Witness::Log => "the damaged log itself",
            Witness::HeadFile => "the head file",
            Witness::Proof => "the proof",
        })
    }
}

/// What a repair would come to.
#[derive(Debug)]
pub struct Plan {
    /// The last commit that the log would have.
    pub head: Head,
    /// From where on which file would be given up, where a cut touches a segment.
    pub gives_up: Option<(PathBuf, u64)>,
}

/// What [`from_copy`] would do; changes nothing.
pub fn plan_from_copy(dir: &Path, copy: &Path, proofs: &[Proof]) -> Result<Plan, RepairError> {
    let _lock = lock(dir)?;
    Ok(Plan { head: sound_copy(dir, copy, proofs)?, gives_up: None })
}

/// What [`cut`] would do; changes nothing.
pub fn plan_cut(dir: &Path, proofs: &[Proof]) -> Result<Plan, RepairError> {
    let _lock = lock(dir)?;
    end_of_sound(dir, proofs)
}

/// The end of `copy`, if it is sound and holds all that is known of the log in `dir`.
fn sound_copy(dir: &Path, copy: &Path, proofs: &[Proof]) -> Result<Head, RepairError> {
    // A log that is as it was written needs no copy in its place, least of all an older one.
    let own = verify(dir, |_, _| {});
    let copied = check(copy, &known(dir, proofs)?)?;
    if own.is_sound() && own.head == copied.head {
        return Err(RepairError::Sound);
    }
    match (copied.fault, copied.torn) {
        (Some(fault), _) => Err(RepairError::Copy(fault)),
        (None, Some(_)) => Err(RepairError::TornCopy),
        (None, None) => Ok(copied.head),
    }
}

/// Where the sound part of the log in `dir` ends, if a cut behind it gives up nothing that is known.
fn end_of_sound(dir: &Path, proofs: &[Proof]) -> Result<Plan, RepairError> {
    if proofs.is_empty() {
        return Err(RepairError::Unproved);
    }
    let report = check(dir, &known(dir, proofs)?)?;
    let newest = segment_paths(dir)?.pop();
    // Where only the head file is damaged, no segment is touched.
    let gives_up = match report.fault {
        None => return Err(RepairError::Sound),
        Some(VerifyFault::File(OpenError::Damaged(damage))) if Some(&damage.file) == newest.as_ref() => {
            Some((damage.file, damage.offset))
        }
        Some(VerifyFault::File(OpenError::Damaged(damage))) if damage.file == dir.join("head") => None,
        Some(fault) => return Err(RepairError::NotAtTheEnd(fault)),
    };
    Ok(Plan { head: report.head, gives_up })
}

/// Puts the sound log in `copy` in the place of the one in `dir`.
pub fn from_copy(dir: &Path, copy: &Path, proofs: &[Proof]) -> Result<Repaired, RepairError> {
    let _lock = lock(dir)?;
    let head = sound_copy(dir, copy, proofs)?;
    let (segments, unfinished) = (dir.join("segments"), dir.join("segments.new"));
    let copied = || {
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        for path in segment_paths(copy).map_err(io::Error::other)? {
            let to = unfinished.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &to)?;
            File::open(&to)?.sync_all()?;
        }
        sync_dir(&unfinished)
    };
    copied().map_err(io_error(&unfinished))?;
    let aside = aside(dir);
    let swapped = || {
        if segments.exists() {
            fs::rename(&segments, &aside)?;
        }
        fs::rename(&unfinished, &segments)?;
        fs::copy(copy.join("head"), dir.join("head.new"))?;
        File::open(dir.join("head.new"))?.sync_all()?;
        fs::rename(dir.join("head.new"), dir.join("head"))?;
        sync_dir(dir)
    };
    swapped().map_err(io_error(dir))?;
    Ok(Repaired { head, aside })
}

/// Gives up what stands behind the last sound commit of the log in `dir`.
pub fn cut(dir: &Path, proofs: &[Proof]) -> Result<Repaired, RepairError> {
    let _lock = lock(dir)?;
    let Plan { gives_up, .. } = end_of_sound(dir, proofs)?;
    let (aside, segments) = (aside(dir), dir.join("segments"));
    let mended = || {
        fs::create_dir(&aside)?;
        if let Some((path, from)) = &gives_up {
            fs::copy(path, aside.join(path.file_name().unwrap_or_default()))?;
            clear(path, *from)?;
        }
        if dir.join("head").exists() {
            fs::copy(dir.join("head"), aside.join("head"))?;
        }
        remove_if_there(&dir.join("head.new"))?;
        sync_dir(&aside)?;
        sync_dir(&segments)
    };
    mended().map_err(io_error(dir))?;
    remember(dir)?;
    Ok(Repaired { head: check(dir, &BTreeMap::new())?.head, aside })
}

/// Everything that is known of the commits of the log in `dir` without trusting it, by number.
fn known(dir: &Path, proofs: &[Proof]) -> Result<Known, RepairError> {
    let mut known = Known::new();
    let mut add = |commit, digest, tree, witness| {
        let entry = known.entry(commit).or_insert(Seen { digest, tree, witness });
        entry.tree = entry.tree.or(tree);
        let same = entry.digest == digest;
        if same { Ok(()) } else { Err(RepairError::Other { commit, source_of: witness }) }
    };
    for proof in proofs {
        add(proof.commit, proof.digest, proof.tree, Witness::Proof)?;
    }
    if let Ok(remembered) = read_head(dir) {
        let head = Head::from(remembered.head);
        if head != Head::EMPTY {
            add(head.commit, head.digest, None, Witness::HeadFile)?;
        }
    }
    for path in segment_paths(dir).unwrap_or_default() {
        let bytes = fs::read(&path).map_err(io_error(&path))?;
        for at in (0..bytes.len()).step_by(FRAME_HEADER) {
            let Some(whole) = whole_frame(&bytes[at..]).filter(|it| it.header.tag == Tag::Commit) else {
                continue;
            };
            add(whole.header.commit, Digest::of(whole.body), None, Witness::Log)?;
        }
    }
    Ok(known)
}

type Known = BTreeMap<u64, Seen>;

struct Seen {
    digest: Digest,
    tree: Option<(Position, Digest)>,
    witness: Witness,
}

/// Verifies the log in `dir`, and that its sound part holds every commit that is known.
fn check(dir: &Path, known: &Known) -> Result<VerifyReport, RepairError> {
    let mut wrong = None;
    let report = verify(dir, |_, audit| {
        let head = audit.head();
        let Some(seen) = known.get(&head.commit) else { return };
        let tree = seen.tree.is_none_or(|it| it == (head.position, audit.root()));
        if seen.digest != head.digest || !tree {
            wrong.get_or_insert(RepairError::Other { commit: head.commit, source_of: seen.witness });
        }
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    match known.range(report.head.commit + 1..).next() {
        Some((&commit, seen)) => Err(RepairError::Lost { commit, source_of: seen.witness }),
        None => Ok(report),
    }
}

/// Makes everything of the segment behind `from` unwritten again.
fn clear(path: &Path, from: u64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut opening = [0; END_FRAME];
    let read = file.read_exact_at(&mut opening, 0).ok();
    let length = read.and_then(|()| Opening::read(&opening).ok()).map(|it| it.length);
    let Some(length) = length.filter(|_| from > 0) else {
        // Nothing was ever written in it but its opening, and that is not whole.
        return fs::remove_file(path);
    };
    file.set_len(from)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Writes the head file anew from what the log holds.
fn remember(dir: &Path) -> Result<(), RepairError> {
    let (mut head, mut tree) = (Head::EMPTY, crate::merkle::Tree::default());
    match verify(dir, |_, audit| (head, tree) = (audit.head(), audit.tree().clone())).fault {
        None => {}
        // The old head file is the damage itself.
        Some(VerifyFault::File(OpenError::Damaged(damage))) if damage.file == dir.join("head") => {}
        Some(fault) => return Err(RepairError::NotAtTheEnd(fault)),
    }
    let names = segment_paths(dir)?;
    let newest = names.last().and_then(|it| it.file_stem()?.to_str()?.parse().ok()).unwrap_or(0);
    write_head(dir, &Remembered::new(head, newest, &tree)).map_err(io_error(dir))?;
    Ok(())
}

/// A name that nothing has yet.
fn aside(dir: &Path) -> PathBuf {
    let nth = |n: u32| dir.join(format!("damaged.{n}"));
    (1..).map(nth).find(|it| !it.exists()).unwrap_or_else(|| nth(0))
}
