//! The log of one partition: where a decision becomes a fact.
//!
//! Every implementation passes the checks of `conformance`. All calls may block; the gateway makes them
//! from a thread of their own.

mod audit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "jetstream")]
pub mod jetstream;
pub mod simulated;

use std::error::Error;

use thiserror::Error;

use crate::commit::{Commit, CommitError, FORMAT, Genesis, Head, Header};
use crate::measure::Position;

pub use audit::{Audit, AuditError};

/// The one writer of a partition. Dropping it gives the partition up.
pub trait EventLog: Send {
    /// What reads the log beside the writer.
    type Reader: LogReader;

    /// Where the log ends, as far as this writer knows.
    fn head(&self) -> Head;

    /// Appends `commit`; when `Ok`, it is durable and every reader sees it.
    ///
    /// The last commit given once more changes nothing and is `Ok`: a retry of the very bytes is safe.
    fn append(&mut self, commit: &Commit) -> Result<Head, AppendError>;

    /// After [`AppendError::Unknown`]: settles whether the very bytes are in the log.
    fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError>;

    /// A reader of the same log.
    fn reader(&self) -> Self::Reader;
}

/// Reads what is durable; cheap to clone.
pub trait LogReader: Clone + Send + Sync + 'static {
    /// The last durable commit.
    fn head(&self) -> Head;

    /// The commits from number `from` on (the first is 1), in order, up to the head at the time of the call.
    fn commits(&self, from: u64) -> impl Iterator<Item = Result<Commit, ReadError>> + Send;

    /// The commit that holds the event at `position`; `None` where there is no such event yet.
    fn commit_of(&self, position: Position) -> Result<Option<Commit>, ReadError>;

    /// The line of the event at `position`, without its line feed.
    fn line(&self, position: Position) -> Result<Option<Vec<u8>>, ReadError> {
        let commit = self.commit_of(position)?;
        Ok(commit.and_then(|it| it.line_at(position).map(<[u8]>::to_vec)))
    }
}

/// What became of a commit whose append nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is in the log.
    Landed(Head),
    /// It is not. The very same bytes may be appended again, never others in their place: a copy on its way
    /// may still land.
    Absent,
    /// Another writer has taken over; this one is finished.
    Deposed,
}

/// The cause of a failure, as the store below tells it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a commit was not appended, or why nobody knows.
#[derive(Debug, Error)]
pub enum AppendError {
    /// It does not continue the log: a fault of the caller. Nothing was written.
    #[error("the commit is not the next one of the log")]
    NotNext(#[source] CommitError),
    /// It may have landed or not, or may land yet: ask [`EventLog::resolve`].
    #[error("the outcome of the append is not known")]
    Unknown {
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// Another writer has taken over; this one is finished.
    #[error("another writer has taken the partition over")]
    Deposed,
    /// There is no space. Nothing landed; the writer goes on once there is.
    #[error("there is no space left for the commit")]
    Full {
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The store failed in a way that must not be retried: this writer is finished. Opening the log again
    /// settles whether the commit landed.
    #[error("the log failed and must be opened again")]
    Poisoned {
        /// What happened.
        #[source]
        cause: Cause,
    },
}

/// Why something in the log could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store did not give it.
    #[error("cannot read from the log")]
    Store {
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The store gave something else than what was appended.
    #[error("the log is damaged")]
    Damaged {
        /// Where and how.
        #[source]
        cause: Cause,
    },
}

/// Who writes: which partition of which log, with what software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The log, `lg-37`.
    pub log: String,
    /// The partition.
    pub partition: u16,
    /// The version of the software.
    pub software: String,
}

impl Author {
    /// The CloudEvents `source` of every event: `/linggong/<log>/<partition>`.
    pub fn source(&self) -> String {
        format!("/linggong/{}/{}", self.log, self.partition)
    }

    /// Commit 1 of a new log.
    pub fn genesis(&self, demo: bool) -> Result<Commit, CommitError> {
        let genesis = Genesis { format: FORMAT, hash: "sha256".to_owned(), demo };
        let header = Header { epoch: 1, genesis: Some(genesis), ..self.header(&Head::EMPTY, 0) };
        Commit::build(header, &[])
    }

    /// The epoch record by which this author takes the partition over.
    pub fn takeover(&self, head: &Head, clock_offset_ms: i64) -> Result<Commit, CommitError> {
        let header = Header { epoch: head.epoch + 1, ..self.header(head, clock_offset_ms) };
        Commit::build(header, &[])
    }

    /// The commit that follows `head` and holds the given event lines.
    pub fn commit(
        &self,
        head: &Head,
        clock_offset_ms: i64,
        lines: &[Vec<u8>],
    ) -> Result<Commit, CommitError> {
        Commit::build(self.header(head, clock_offset_ms), lines)
    }

    fn header(&self, head: &Head, clock_offset_ms: i64) -> Header {
        Header {
            v: FORMAT,
            log: self.log.clone(),
            partition: self.partition,
            commit: head.commit + 1,
            epoch: head.epoch,
            first: head.position.0 + 1,
            count: 0,
            prev: head.digest,
            software: self.software.clone(),
            clock_offset_ms,
            genesis: None,
        }
    }
}

/// Whether `commit` is the very commit that `head` names.
fn is_last(head: &Head, commit: &Commit) -> bool {
    head.commit == commit.header().commit && head.digest == commit.digest()
}
