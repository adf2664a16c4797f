//! Reads a log from its first commit as an auditor would: chain, positions, versions, time, tree.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::commit::{Commit, CommitError, Digest, Head};
use crate::envelope::{EnvelopeError, Recorded, Subject};
use crate::id::EntityRef;
use crate::measure::{Position, Version};
use crate::merkle::Tree;
use crate::time::Timestamp;

/// What has been seen of a log so far, and found sound.
#[derive(Clone, Debug)]
pub struct Audit {
    head: Head,
    tree: Tree,
    log: Option<(String, u16)>,
    versions: BTreeMap<EntityRef, Version>,
    /// Those of entities of a kind that this software does not know, as written.
    beyond: BTreeMap<String, Version>,
    time: Option<Timestamp>,
}

/// The first thing in a commit that is not as it must be.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The commit does not continue the log.
    #[error(transparent)]
    Chain(#[from] CommitError),
    /// The commit belongs to another log or partition.
    #[error("commit {commit} is of another log or partition than the first")]
    Foreign {
        /// The commit.
        commit: u64,
    },
    /// The line of an event cannot be read.
    #[error("the event at position {position} cannot be read")]
    Line {
        /// Where the event stands.
        position: Position,
        /// Why.
        #[source]
        cause: EnvelopeError,
    },
    /// The event contradicts its place.
    #[error("the event at position {position} breaks the log: {what}")]
    Event {
        /// Where the event stands.
        position: Position,
        /// Which part disagrees.
        what: &'static str,
    },
}

impl Default for Audit {
    fn default() -> Audit {
        Audit {
            head: Head::EMPTY,
            tree: Tree::default(),
            log: None,
            versions: BTreeMap::new(),
            beyond: BTreeMap::new(),
            time: None,
        }
    }
}

impl Audit {
    /// The last commit that was found sound.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The Merkle tree over every event line so far.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The root of that tree.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Checks the next commit. After an error nothing more can be said about the log.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), AuditError> {
        let next = self.head.after(commit)?;
        let header = commit.header();
        let (log, partition) = self.log.get_or_insert_with(|| (header.log.clone(), header.partition));
        if (log.as_str(), *partition) != (header.log.as_str(), header.partition) {
            return Err(AuditError::Foreign { commit: header.commit });
        }
        let source = format!("/linggong/{log}/{partition}");
        for (line, position) in commit.lines().zip(header.first..) {
            self.event(line, Position(position), &source)?;
        }
        self.head = next;
        Ok(())
    }

    fn event(&mut self, line: &[u8], position: Position, source: &str) -> Result<(), AuditError> {
        let recorded = Recorded::from_line(line).map_err(|cause| AuditError::Line { position, cause })?;
        let meta = recorded.outline();
        let breaks = |what| Err(AuditError::Event { position, what });
        if meta.position != position {
            return breaks("its position is not its place");
        }
        if meta.source != source {
            return breaks("its source is not this log");
        }
        if self.time.is_some_and(|before| meta.time < before) {
            return breaks("its time is before that of the event before");
        }
        let version = match meta.subject {
            Subject::Known(entity) => self.versions.entry(entity).or_default(),
            Subject::Beyond(entity) => self.beyond.entry(entity.to_owned()).or_default(),
        };
        if meta.version != version.next() {
            return breaks("its version is not the next one of its subject");
        }
        *version = meta.version;
        self.time = Some(meta.time);
        self.tree.push(line);
        Ok(())
    }
}
