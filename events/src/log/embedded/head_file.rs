//! The head file: a head that the log has reached, so that a log which has become shorter is missed, and the
//! Merkle tree at that head, so that nobody reads the log from its beginning to go on with it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::segment::HeadRecord;
use super::{Damage, OpenError, io_error, sync_dir};
use crate::commit::{Digest, Head};
use crate::merkle::Tree;

/// What the head file remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remembered {
    pub(super) head: HeadRecord,
    /// The name of the newest segment; 0 before the first.
    pub(super) segment: u64,
    /// The roots of the full subtrees of the Merkle tree at that head, the largest first.
    tree: Vec<Digest>,
}

impl Remembered {
    pub(super) fn new(head: Head, segment: u64, tree: &Tree) -> Remembered {
        Remembered { head: head.into(), segment, tree: tree.full().to_vec() }
    }

    /// The tree at the head; `None` where the two do not fit together.
    pub(super) fn tree(&self) -> Option<Tree> {
        Tree::of_full(self.head.position.0, self.tree.clone())
    }
}

pub(super) fn read_head(dir: &Path) -> Result<Remembered, OpenError> {
    let path = dir.join("head");
    let bytes = fs::read(&path).map_err(io_error(&path))?;
    let json = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let remembered = serde_json::from_slice(json).ok();
    // The line is written anew from what was read, so that its checksum and its spelling are checked as well.
    let sound = remembered
        .filter(|it: &Remembered| it.tree().is_some() && head_line(it).is_ok_and(|line| line == bytes));
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
pub(super) fn write_head(dir: &Path, remembered: &Remembered) -> io::Result<()> {
    let (path, unfinished) = (dir.join("head"), dir.join("head.new"));
    let mut file = File::create(&unfinished)?;
    file.write_all(&head_line(remembered)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync_dir(dir)
}
