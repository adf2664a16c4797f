//! Source files: an imported sheet is known by the hash of its own bytes, and lies among the evidence.
//!
//! The rows of a file stand in the ledger under the file's own hash, so that the same file is known again; what
//! is stored of it is encrypted and has another address. This file tells which is which.

use std::collections::BTreeMap;
use std::path::Path;

use linggong_events::commit::Digest;
use serde::{Deserialize, Serialize};

use super::records::{Check, RecordError, RecordFile};
use super::seal::Secret;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    /// SHA-256 of the file.
    source: Digest,
    /// Where it lies among the evidence.
    evidence: Digest,
}

/// The open list of source files.
pub(crate) struct Sources {
    file: RecordFile,
    evidence: BTreeMap<Digest, Digest>,
}

impl Sources {
    pub(crate) fn open(path: &Path, check: Secret) -> Result<Sources, RecordError> {
        let (file, records) = RecordFile::open(path, Check::Mac(check))?;
        let mut evidence = BTreeMap::new();
        for (record, number) in records.iter().zip(1..) {
            let damaged = |_| RecordError::Damaged { path: path.to_owned(), record: number };
            let it: Source = serde_json::from_slice(record).map_err(damaged)?;
            evidence.insert(it.source, it.evidence);
        }
        Ok(Sources { file, evidence })
    }

    /// Where a source file lies among the evidence.
    pub(crate) fn evidence(&self, source: Digest) -> Option<Digest> {
        self.evidence.get(&source).copied()
    }

    /// Remembers where a source file lies; when this returns, it is on the disk.
    pub(crate) fn learn(&mut self, source: Digest, evidence: Digest) -> Result<(), RecordError> {
        let record = serde_json::to_vec(&Source { source, evidence }).expect("two digests are JSON");
        self.file.append(&record)?;
        self.evidence.insert(source, evidence);
        Ok(())
    }
}
