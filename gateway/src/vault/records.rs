//! Record files: one record a line behind a checksum, appended and synced before anybody is told.
//!
//! The line feed is the last byte of an append. So a tail without one was never acknowledged and is cut at
//! open; a finished line whose checksum fails is damage, and damage is named, never cut.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::seal::{Secret, mac};

/// What guards each record and its place in the file.
pub(crate) enum Check {
    /// CRC-32: against decay, where the key for more is itself in the file.
    Crc,
    /// HMAC-SHA256: also against an editor without the master key.
    Mac(Secret),
}

impl Check {
    fn of(&self, number: u64, payload: &[u8]) -> String {
        match self {
            Check::Crc => {
                let mut crc = crc32fast::Hasher::new();
                crc.update(&number.to_be_bytes());
                crc.update(payload);
                format!("{:08x}", crc.finalize())
            }
            Check::Mac(key) => hex::encode(&mac(key, &[&number.to_be_bytes(), payload])[..16]),
        }
    }
}

/// Why a record file cannot be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// A finished record is not what was written.
    #[error("record {record} of `{path}` is damaged: restore the vault from its backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The record, counted from 1.
        record: u64,
    },
    /// An earlier write failed, so that nobody knows where the file ends.
    #[error("an earlier write to `{path}` failed: open the vault again")]
    Unsure {
        /// The file.
        path: PathBuf,
    },
    /// A record may not hold a line feed.
    #[error("a record for `{path}` is not one line")]
    NotOneLine {
        /// The file.
        path: PathBuf,
    },
}

impl RecordError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordError {
        move |source| RecordError::Io { doing, path: path.to_owned(), source }
    }
}

/// An open record file; the one writer.
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
    check: Check,
    count: u64,
    unsure: bool,
}

impl RecordFile {
    /// Writes a new file with these records, whole or not at all.
    pub(crate) fn create(path: &Path, check: &Check, records: &[Vec<u8>]) -> Result<(), RecordError> {
        let mut bytes = Vec::new();
        for (number, record) in (1..).zip(records) {
            bytes.extend(line(path, check, number, record)?);
        }
        write_whole(path, &bytes)
    }

    /// Opens a file and hands out its records in order; a tail that was never acknowledged is cut.
    pub(crate) fn open(path: &Path, check: Check) -> Result<(RecordFile, Vec<Vec<u8>>), RecordError> {
        let file =
            OpenOptions::new().read(true).append(true).open(path).map_err(RecordError::io("open", path))?;
        let mut file = RecordFile { path: path.to_owned(), file, check, count: 0, unsure: false };
        let (records, whole, bytes) = file.read()?;
        if whole < bytes {
            file.file.set_len(whole).map_err(RecordError::io("cut the unfinished tail of", path))?;
            file.file.sync_all().map_err(RecordError::io("sync", path))?;
        }
        file.count = records.len() as u64;
        Ok((file, records))
    }

    /// Reads every byte again and hands out the records.
    pub(crate) fn reread(&self) -> Result<Vec<Vec<u8>>, RecordError> {
        Ok(self.read()?.0)
    }

    /// Appends one record; when this returns, it is on the disk.
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<(), RecordError> {
        if self.unsure {
            return Err(RecordError::Unsure { path: self.path.clone() });
        }
        let bytes = line(&self.path, &self.check, self.count + 1, record)?;
        // After a failed write or sync the kernel may have dropped the pages: only a fresh read knows.
        self.unsure = true;
        self.file.write_all(&bytes).map_err(RecordError::io("append to", &self.path))?;
        self.file.sync_data().map_err(RecordError::io("sync", &self.path))?;
        self.unsure = false;
        self.count += 1;
        Ok(())
    }

    /// Replaces the whole file: what is not among `records` is gone from it.
    pub(crate) fn rewrite(&mut self, records: &[Vec<u8>]) -> Result<(), RecordError> {
        self.unsure = true;
        RecordFile::create(&self.path, &self.check, records)?;
        self.file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&self.path)
            .map_err(RecordError::io("open", &self.path))?;
        self.count = records.len() as u64;
        self.unsure = false;
        Ok(())
    }

    /// The records, the bytes they fill, and the bytes there are.
    fn read(&self) -> Result<(Vec<Vec<u8>>, u64, u64), RecordError> {
        let mut bytes = Vec::new();
        let mut file = File::open(&self.path).map_err(RecordError::io("open", &self.path))?;
        file.read_to_end(&mut bytes).map_err(RecordError::io("read", &self.path))?;
        let mut records = Vec::new();
        let mut rest = bytes.as_slice();
        loop {
            let number = records.len() as u64 + 1;
            let damaged = || RecordError::Damaged { path: self.path.clone(), record: number };
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                // A whole record behind which something other than the line feed stands was acknowledged.
                let spoilt_end = rest.split_last().is_some_and(|(_, it)| self.payload(number, it).is_some());
                if spoilt_end {
                    return Err(damaged());
                }
                let whole = bytes.len() - rest.len();
                return Ok((records, whole as u64, bytes.len() as u64));
            };
            records.push(self.payload(number, &rest[..end]).ok_or_else(damaged)?.to_vec());
            rest = &rest[end + 1..];
        }
    }

    fn payload<'a>(&self, number: u64, line: &'a [u8]) -> Option<&'a [u8]> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (check, payload) = (&line[..space], &line[space + 1..]);
        (check == self.check.of(number, payload).as_bytes()).then_some(payload)
    }
}

fn line(path: &Path, check: &Check, number: u64, record: &[u8]) -> Result<Vec<u8>, RecordError> {
    if record.contains(&b'\n') {
        return Err(RecordError::NotOneLine { path: path.to_owned() });
    }
    let mut line = check.of(number, record).into_bytes();
    line.push(b' ');
    line.extend_from_slice(record);
    line.push(b'\n');
    Ok(line)
}

/// Writes `path` so that after a crash it holds either nothing new or all of `bytes`.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(RecordError::io("create", &temporary))?;
    file.write_all(bytes).map_err(RecordError::io("write", &temporary))?;
    file.sync_all().map_err(RecordError::io("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(RecordError::io("put in place", path))?;
    sync_parent(path)
}

/// Makes the names in the directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), RecordError> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(parent).map_err(RecordError::io("open", parent))?;
    directory.sync_all().map_err(RecordError::io("sync", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_three() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.log");
        RecordFile::create(&path, &Check::Crc, &[b"one".to_vec()]).unwrap();
        let (mut file, _) = RecordFile::open(&path, Check::Crc).unwrap();
        file.append(b"two").unwrap();
        file.append(b"three").unwrap();
        let bytes = fs::read(&path).unwrap();
        (directory, path, bytes)
    }

    #[test]
    fn an_unfinished_tail_is_cut_and_the_file_goes_on() {
        let (_directory, path, bytes) = with_three();
        let last = bytes.len() - "00000000 three\n".len();
        for cut in last..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (mut file, records) = RecordFile::open(&path, Check::Crc).unwrap();
            assert_eq!(records, [b"one".to_vec(), b"two".to_vec()], "cut at {cut}");
            file.append(b"again").unwrap();
            assert_eq!(file.reread().unwrap().len(), 3);
        }
    }

    #[test]
    fn a_changed_byte_is_damage_and_never_cut() {
        let (_directory, path, bytes) = with_three();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                fs::write(&path, &changed).unwrap();
                assert!(
                    matches!(RecordFile::open(&path, Check::Crc), Err(RecordError::Damaged { .. })),
                    "byte {at}, bit {bit}"
                );
                assert_eq!(fs::read(&path).unwrap(), changed, "nothing was cut");
            }
        }
    }

    #[test]
    fn a_record_cannot_change_its_place() {
        let (_directory, path, bytes) = with_three();
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.swap(0, 1);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert!(matches!(RecordFile::open(&path, Check::Crc), Err(RecordError::Damaged { record: 1, .. })));
    }
}
