//! The commits of a run in the files of the embedded log, and what a disk does to those: recovery and verification are the
//! product's own, on the bytes that it wrote.

use std::ops::Range;
use std::path::{Path, PathBuf};

use linggong_events::commit::Commit;
use linggong_events::log::embedded::{Damage, EmbeddedLog, OpenError, Options, VerifyFault, verify};
use linggong_events::log::{EventLog as _, LogReader as _};

use crate::oracle::{Broken, Holds};
use crate::random::Random;

/// What stands before the bytes of a commit.
const FRAME_HEADER: usize = 32;

/// Writes the commits into files, has something happen to them, and looks what the log says of it; says what happened.
pub(crate) fn files_tell_what_was_done_to_them(
    commits: &[Commit],
    random: &mut Random,
) -> Result<&'static str, Broken> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.map_err(|error| error.to_string())?;
    let files = Files::write(folder.path().join("log"), commits, random)?;
    match random.below(3) {
        0 => files.torn(random).map(|()| "files: a torn write"),
        1 => files.misdirected(random).map(|()| "files: a misdirected write"),
        _ => files.corrupt(random).map(|()| "files: a corrupt write"),
    }
}

struct Files<'a> {
    dir: PathBuf,
    options: Options,
    commits: &'a [Commit],
    /// Where each commit lies.
    places: Vec<(PathBuf, Range<usize>)>,
    /// The head file before the last commit was durable.
    head: Vec<u8>,
}

impl<'a> Files<'a> {
    fn write(dir: PathBuf, commits: &'a [Commit], random: &mut Random) -> Result<Files<'a>, Broken> {
        let segment_bytes = if random.coin() { 64 << 10 } else { 1 << 20 };
        let options = Options { segment_bytes, head_every: u64::MAX, ..Options::default() };
        let mut log = EmbeddedLog::create(&dir, options).map_err(said)?;
        for commit in commits {
            log.append(commit).map_err(said)?;
        }
        let head = read(&dir.join("head"))?;
        drop(log);
        let mut paths: Vec<_> = std::fs::read_dir(dir.join("segments"))
            .and_then(|it| it.map(|entry| entry.map(|it| it.path())).collect())
            .map_err(|error| error.to_string())?;
        paths.sort();
        let (mut places, mut rest) = (Vec::new(), commits);
        for path in paths {
            let (bytes, mut from) = (read(&path)?, 0);
            while let Some((commit, others)) = rest.split_first()
                && let Some(at) = find(&bytes[from..], commit.bytes())
            {
                let start = from + at - FRAME_HEADER;
                from += at + commit.bytes().len();
                places.push((path.clone(), start..from));
                rest = others;
            }
        }
        if !rest.is_empty() {
            return Err("3: a commit is in no file".into());
        }
        Ok(Files { dir, options, commits, places, head })
    }

    /// The power goes while the last commit is written: of its frame only a beginning is there.
    fn torn(&self, random: &mut Random) -> Holds {
        let Some((path, place)) = self.places.last() else { return Ok(()) };
        let mut bytes = read(path)?;
        let written = random.below(place.len());
        bytes[place.start + written..place.end].fill(0);
        std::fs::write(path, bytes)
            .and_then(|()| std::fs::write(self.dir.join("head"), &self.head))
            .map_err(|error| error.to_string())?;
        let mut log = EmbeddedLog::open(&self.dir, self.options).map_err(|error| {
            format!("3: a last commit of which {written} bytes were written makes the log unusable: {error}")
        })?;
        let (found, all) = (log.head().commit as usize, self.commits.len());
        if found != all - 1 || log.torn().is_some() != (written > 0) {
            return Err(format!(
                "3: {written} bytes of commit {all} were written and {found} commits are there"
            ));
        }
        let last = &self.commits[all - 1];
        log.append(last).map_err(|error| format!("3: what was cut off cannot be written again: {error}"))?;
        drop(log);
        self.is_sound()
    }

    /// What was meant for one place lands at another.
    fn misdirected(&self, random: &mut Random) -> Holds {
        let (one, other) = (random.below(self.places.len()), random.below(self.places.len()));
        if one == other {
            return Ok(());
        }
        let (from, to) = (&self.places[one], &self.places[other]);
        let meant = read(&from.0)?[from.1.clone()].to_vec();
        self.damaged(other, random, |bytes, _| {
            let end = bytes.len().min(to.1.start + meant.len());
            bytes[to.1.start..end].copy_from_slice(&meant[..end - to.1.start]);
        })
    }

    /// A bit flips in what was durable.
    fn corrupt(&self, random: &mut Random) -> Holds {
        let nth = random.below(self.places.len());
        let place = self.places[nth].1.clone();
        self.damaged(nth, random, |bytes, random| {
            bytes[place.start + random.below(place.len())] ^= 1 << random.below(8);
        })
    }

    /// Changes the file of a commit there: verification names file and place, and no reading gives it as a commit.
    fn damaged(&self, nth: usize, random: &mut Random, change: impl FnOnce(&mut [u8], &mut Random)) -> Holds {
        let (path, place) = &self.places[nth];
        let mut bytes = read(path)?;
        change(&mut bytes, random);
        std::fs::write(path, bytes).map_err(|error| error.to_string())?;
        let (file, offset) = match verify(&self.dir, |_, _| {}).fault {
            Some(VerifyFault::File(OpenError::Damaged(Damage { file, offset, .. }))) => (file, offset),
            Some(VerifyFault::Commit { file, offset, .. }) => (file, offset),
            other => return Err(format!("3: damage at commit {} is not placed: {other:?}", nth + 1)),
        };
        if (&file, offset) != (path, place.start as u64) {
            return Err(format!(
                "3: damage at {} of {path:?} is said to be at {offset} of {file:?}",
                place.start
            ));
        }
        match EmbeddedLog::open(&self.dir, self.options) {
            Err(error) if error.is_loss() => Ok(()),
            Err(error) => Err(format!("3: a damaged log is taken for something else: {error}")),
            // Of a sealed segment a start reads the ends alone: whoever reads on comes upon it.
            Ok(log) => {
                let sound = log.reader().commits(1).take_while(Result::is_ok).count();
                if sound <= nth { Ok(()) } else { Err(format!("3: damaged commit {} is read", nth + 1)) }
            }
        }
    }

    fn is_sound(&self) -> Holds {
        let report = verify(&self.dir, |_, _| {});
        match report.fault {
            None if report.head.commit as usize == self.commits.len() => Ok(()),
            other => Err(format!("3: a log that was recovered is not sound: {other:?}")),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

fn read(path: &Path) -> Result<Vec<u8>, Broken> {
    std::fs::read(path).map_err(|error| error.to_string())
}

fn said(error: impl std::error::Error) -> Broken {
    linggong_gateway::chain(&error)
}
