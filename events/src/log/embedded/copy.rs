//! A copy of a log that may be written meanwhile: everything that was durable when it began, and nothing that is not.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::head_file::{Remembered, read_head, write_head};
use super::load::segment_paths;
use super::segment::{END_FRAME, Next, Opening, Walk};
use super::{OpenError, VerifyFault, VerifyReport, damage, io_error, sync_dir, verify};
use crate::merkle::Tree;

/// How often a segment is read again that did not make sense: a writer may have been at work in it.
const READINGS: u32 = 8;

/// Copies the log in `dir` into the folder `to`, which has none, changing and locking nothing in `dir`, and reads
/// every byte of the copy again. The copy is durable, opens as a log, and ends with a whole commit.
pub fn copy(dir: &Path, to: &Path) -> Result<VerifyReport, VerifyFault> {
    let segments = to.join("segments");
    if segments.exists() || to.join("head").exists() {
        return Err(OpenError::Exists { dir: to.to_owned() }.into());
    }
    fs::create_dir_all(&segments).map_err(io_error(&segments))?;
    // The head file before the segments: a log only grows, so what is read after it reaches it.
    let remembered = read_head(dir)?;
    let paths = segment_paths(dir)?;
    for path in &paths {
        let copied = segments.join(path.file_name().unwrap_or_default());
        let Settled { bytes, length } = settled(path)?;
        write_new(&copied, &bytes, length).map_err(io_error(&copied))?;
    }
    let durable = || {
        sync_dir(&segments)?;
        write_head(to, &remembered)
    };
    durable().map_err(io_error(to))?;
    let mut tree = Tree::default();
    let mut report = verify(to, |_, audit| tree = audit.tree().clone());
    if let Some(fault) = report.fault.take() {
        return Err(fault);
    }
    let newest = paths.last().and_then(|it| it.file_stem()?.to_str()?.parse().ok()).unwrap_or(0);
    write_head(to, &Remembered::new(report.head, newest, &tree)).map_err(io_error(to))?;
    Ok(report)
}

/// What of a segment nobody changes any more.
struct Settled {
    bytes: Vec<u8>,
    /// How long the file is, zeros behind the bytes.
    length: u64,
}

fn settled(path: &Path) -> Result<Settled, OpenError> {
    let mut readings = 1;
    loop {
        match read_settled(path) {
            // Bytes that were read at two moments need not fit together; those of a damaged file never do.
            Err(OpenError::Damaged(_)) if readings < READINGS => readings += 1,
            read => return read,
        }
    }
}

fn read_settled(path: &Path) -> Result<Settled, OpenError> {
    let mut file = File::open(path).map_err(io_error(path))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io_error(path))?;
    let opening = Opening::read(&bytes).map_err(damage(path))?;
    let mut walk = Walk::start(&bytes, opening.before.into()).map_err(damage(path))?;
    let (end, length) = loop {
        match walk.next().map_err(damage(path))? {
            Next::Commit(..) => {}
            Next::Unwritten { at } => break (at, opening.length),
            // The commit under way; nobody was told of it yet.
            Next::Torn(range) => break (range.start, opening.length),
            Next::Sealed { at, .. } => break (at + END_FRAME, (at + END_FRAME) as u64),
        }
    };
    bytes.truncate(end);
    // What was read may not be on the disk yet. A copy never knows more than the log does after a loss of power.
    file.sync_data().map_err(io_error(path))?;
    Ok(Settled { bytes, length })
}

fn write_new(path: &Path, bytes: &[u8], length: u64) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_len(length)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::tests::{SMALL, small_log};
    use super::super::{EmbeddedLog, EventLog as _};
    use super::*;
    use crate::log::LogReader as _;
    use crate::log::conformance::commit_after;

    #[test]
    fn whenever_a_log_is_copied_the_copy_holds_every_commit_appended_before_and_opens() {
        let (dir, mut log) = small_log(&[1, 2]);
        let copies = tempfile::tempdir().unwrap();
        let (reader, over) = (log.reader(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                // An end of its own too, so that a slow disk makes no long log.
                while !over.load(Ordering::Relaxed) && log.head().commit < 1500 {
                    log.append(&commit_after(&log.head(), 2)).unwrap();
                }
            });
            let mut before = reader.head();
            for nth in 0..6 {
                let to = copies.path().join(nth.to_string());
                let known = reader.head();
                let report = copy(dir.path(), &to).unwrap();
                assert!(report.is_sound(), "{report:?}");
                assert!(report.head.commit >= known.commit && report.head.commit >= before.commit);
                before = report.head;
                let opened = EmbeddedLog::open(&to, SMALL).unwrap();
                assert_eq!(opened.head(), report.head);
                assert!(opened.torn().is_none());
            }
            over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_damaged_log_is_not_copied_and_no_copy_is_put_over_another() {
        let (dir, log) = small_log(&[1, 2, 1]);
        drop(log);
        let copies = tempfile::tempdir().unwrap();
        copy(dir.path(), copies.path()).unwrap();
        let refused = copy(dir.path(), copies.path()).unwrap_err();
        assert!(matches!(refused, VerifyFault::File(OpenError::Exists { .. })), "{refused}");
        let path = segment_paths(dir.path()).unwrap().remove(0);
        let mut bytes = fs::read(&path).unwrap();
        bytes[END_FRAME + 40] ^= 1;
        fs::write(&path, bytes).unwrap();
        let refused = copy(dir.path(), &copies.path().join("other")).unwrap_err();
        let VerifyFault::File(OpenError::Damaged(damage)) = &refused else { panic!("{refused}") };
        assert_eq!((&damage.file, damage.offset), (&path, END_FRAME as u64));
    }
}
