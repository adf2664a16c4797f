//! One commit: a header line and the lines of its events. Its bytes are the record, in every log.

use std::fmt;
use std::io::BufRead as _;
use std::iter;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::envelope::{EnvelopeError, MAX_EVENT_BYTES, Recorded};
use crate::measure::{MAX_JSON_INTEGER, Position};

/// The most events of one commit.
pub const MAX_COMMIT_EVENTS: u32 = 500;
/// The most bytes of one commit.
pub const MAX_COMMIT_BYTES: usize = 256 * 1024;
/// The format this software writes.
pub const FORMAT: u32 = 1;

/// What the text of a digest begins with.
const PREFIX: &str = "sha256:";

/// A hash with the name of its algorithm; SHA-256 today, SM3 can stand beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands where there is nothing before: `prev` of the first commit.
    pub const ZERO: Digest = Digest([0; 32]);

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// A digest computed elsewhere with SHA-256.
    pub const fn from_sha256(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(PREFIX)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Digest, BadDigest> {
        let digits = text.strip_prefix(PREFIX).and_then(|it| it.as_bytes().as_array()).ok_or(BadDigest)?;
        crate::text::of_hex::<32, 64>(digits).map(Digest).ok_or(BadDigest)
    }
}

/// A text that is no digest with the name of its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct BadDigest;

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        crate::text::parsed(deserializer)
    }
}

/// What the first commit of a log says about it, once and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The format of the whole log.
    pub format: u32,
    /// The hash algorithm of chain and tree.
    pub hash: String,
    /// A demo log may drive its own clock; a production `serve` refuses it.
    pub demo: bool,
}

/// The first line of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format of this commit.
    pub v: u32,
    /// The log, `lg-37`.
    pub log: String,
    /// The partition.
    pub partition: u16,
    /// Counts the commits of the partition, from 1.
    pub commit: u64,
    /// Counts the writers that took the partition over, from 1.
    pub epoch: u64,
    /// The position of the first event; of an empty commit, the next position.
    pub first: u64,
    /// How many events; 0 for the genesis and for epoch records.
    pub count: u32,
    /// The hash of the bytes of the commit before.
    pub prev: Digest,
    /// The version of the software that wrote it.
    pub software: String,
    /// How far the wall clock stood from the monotonic one since start, in milliseconds.
    pub clock_offset_ms: i64,
    /// In commit 1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis: Option<Genesis>,
}

/// One commit as written; a clone is the same one.
#[derive(Clone)]
pub struct Commit(Arc<Content>);

struct Content {
    header: Header,
    bytes: Vec<u8>,
    /// Where each event's line starts in `bytes`, and the end.
    offsets: Vec<u32>,
    /// Taken once, when first asked for: engine, log and receipts all need it.
    digest: OnceLock<Digest>,
}

impl PartialEq for Commit {
    fn eq(&self, other: &Commit) -> bool {
        self.bytes() == other.bytes()
    }
}
impl Eq for Commit {}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { commit, count, first, .. } = self.header();
        write!(f, "Commit({commit}, {count} events from {first})")
    }
}

/// Why bytes are no commit, or a commit does not fit after another.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The header line is not one.
    #[error("the header of the commit cannot be read")]
    Header(#[source] serde_json::Error),
    /// The header is one of a newer format.
    #[error("the commit is of format {v}, this software reads up to {FORMAT}")]
    Format {
        /// The format found.
        v: u32,
    },
    /// The bytes break a rule of the format.
    #[error("the commit breaks the format: {0}")]
    Broken(&'static str),
    /// It does not continue the chain.
    #[error("commit {commit} does not continue the log: {what}")]
    Chain {
        /// The commit.
        commit: u64,
        /// Which part of the header disagrees.
        what: &'static str,
    },
    /// It is larger than a commit may be.
    #[error("the commit would hold {events} events in {bytes} bytes, more than one may")]
    TooLarge {
        /// Its events.
        events: usize,
        /// Its bytes.
        bytes: usize,
    },
}

impl Commit {
    /// Writes a commit of `header` (whose `count` is set here) and the given event lines; what it writes,
    /// [`Commit::parse`] reads.
    pub fn build(mut header: Header, lines: &[Vec<u8>]) -> Result<Commit, CommitError> {
        let total: usize = lines.iter().map(|line| line.len() + 1).sum();
        let too_large = |bytes| CommitError::TooLarge { events: lines.len(), bytes };
        header.count = u32::try_from(lines.len()).map_err(|_| too_large(total))?;
        check_header(&header)?;
        let mut bytes = serde_json::to_vec(&header).map_err(CommitError::Header)?;
        if header.count > MAX_COMMIT_EVENTS || bytes.len() + 1 + total > MAX_COMMIT_BYTES {
            return Err(too_large(bytes.len() + 1 + total));
        }
        bytes.push(b'\n');
        let mut offsets = vec![bytes.len() as u32];
        for line in lines {
            if line.is_empty() || line.contains(&b'\n') || line.len() > MAX_EVENT_BYTES {
                return Err(CommitError::Broken("an event is not one line of the allowed length"));
            }
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
            offsets.push(bytes.len() as u32);
        }
        Ok(Commit(Arc::new(Content { header, bytes, offsets, digest: OnceLock::new() })))
    }

    /// Reads a commit back; checks its own form, not its place in a chain.
    pub fn parse(bytes: Vec<u8>) -> Result<Commit, CommitError> {
        if bytes.len() > MAX_COMMIT_BYTES {
            return Err(CommitError::Broken("more bytes than a commit may have"));
        }
        if bytes.last() != Some(&b'\n') {
            return Err(CommitError::Broken("the last line is not ended"));
        }
        let mut ends = line_ends(&bytes);
        let header_end = ends.next().ok_or(CommitError::Broken("no header line"))?;
        let header: Header = serde_json::from_slice(&bytes[..header_end - 1]).map_err(CommitError::Header)?;
        check_header(&header)?;
        let mut offsets = vec![header_end as u32];
        offsets.extend(ends.map(|end| end as u32));
        if offsets.len() != header.count as usize + 1 {
            return Err(CommitError::Broken("not as many events as the header says"));
        }
        let again = serde_json::to_vec(&header).map_err(CommitError::Header)?;
        if again != bytes[..header_end - 1] {
            return Err(CommitError::Broken("the header is not in its one canonical spelling"));
        }
        let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize - 1);
        if header.count > MAX_COMMIT_EVENTS {
            return Err(CommitError::Broken("more events than a commit may have"));
        }
        if lengths.into_iter().any(|length| length == 0 || length > MAX_EVENT_BYTES) {
            return Err(CommitError::Broken("an event is not one line of the allowed length"));
        }
        Ok(Commit(Arc::new(Content { header, bytes, offsets, digest: OnceLock::new() })))
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The bytes: what is stored, sent and hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The hash of the bytes: `prev` of the next commit.
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| Digest::of(self.bytes()))
    }

    /// The event lines, without their line feeds.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.offsets.windows(2).map(|pair| &self.bytes()[pair[0] as usize..pair[1] as usize - 1])
    }

    /// The line of the event at `position`, if it is in this commit.
    pub fn line_at(&self, position: Position) -> Option<&[u8]> {
        let nth = usize::try_from(position.0.checked_sub(self.header().first)?).ok()?;
        if nth < self.header().count as usize { self.lines().nth(nth) } else { None }
    }

    /// The position of the last event up to and including this commit.
    pub fn last(&self) -> Position {
        Position(self.header().first + u64::from(self.header().count) - 1)
    }

    /// Reads every event; one that does not stand at its position is refused.
    pub fn events(&self) -> impl Iterator<Item = Result<Recorded, EnvelopeError>> {
        self.lines().zip(self.header().first..).map(|(line, position)| {
            let recorded = Recorded::from_line(line)?;
            if recorded.outline().position != Position(position) {
                return Err(EnvelopeError::Contract("position is not the one its place in the commit gives"));
            }
            Ok(recorded)
        })
    }
}

/// Where each line ends, behind its line feed. Searched for in words: byte by byte it would cost as much as the hash.
fn line_ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let (mut rest, mut end) = (bytes, 0);
    iter::from_fn(move || {
        // Reading from memory cannot fail; what is left without a line feed is no line.
        end += rest.skip_until(b'\n').ok().filter(|length| *length > 0)?;
        (bytes.get(end - 1) == Some(&b'\n')).then_some(end)
    })
}

/// What a header says of itself; whether it continues a log is [`Head::after`]'s question.
fn check_header(header: &Header) -> Result<(), CommitError> {
    if header.v > FORMAT {
        return Err(CommitError::Format { v: header.v });
    }
    let counters = 1..=MAX_JSON_INTEGER as u64 - u64::from(u32::MAX);
    let counts_from_one = [u64::from(header.v), header.commit, header.epoch, header.first];
    if !counts_from_one.iter().all(|it| counters.contains(it)) {
        return Err(CommitError::Broken("a counter of the header is 0 or too great"));
    }
    if header.clock_offset_ms.unsigned_abs() > MAX_JSON_INTEGER as u64 {
        return Err(CommitError::Broken("the clock offset is too great"));
    }
    if header.genesis.is_some() && (header.commit, header.first, header.count) != (1, 1, 0) {
        return Err(CommitError::Broken("a genesis that is not commit 1 or holds events"));
    }
    Ok(())
}

/// Where a partition's log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last commit; 0 where there is none.
    pub commit: u64,
    /// The epoch of the last commit.
    pub epoch: u64,
    /// The position of the last event.
    pub position: Position,
    /// The hash of the last commit's bytes.
    pub digest: Digest,
}

impl Head {
    /// The head of an empty log.
    pub const EMPTY: Head = Head { commit: 0, epoch: 0, position: Position(0), digest: Digest::ZERO };

    /// The head after `commit`, if it continues the log from here.
    pub fn after(&self, commit: &Commit) -> Result<Head, CommitError> {
        let header = commit.header();
        let chain = |what| CommitError::Chain { commit: header.commit, what };
        if header.commit != self.commit + 1 {
            return Err(chain("commit is not the next one"));
        }
        if header.prev != self.digest {
            return Err(chain("prev is not the hash of the commit before"));
        }
        if header.first != self.position.0 + 1 {
            return Err(chain("first is not the next position"));
        }
        let epoch_record = header.count == 0 && header.genesis.is_none();
        let epoch_fits = if epoch_record {
            header.epoch > self.epoch
        } else {
            header.epoch == self.epoch || self.commit == 0
        };
        if !epoch_fits {
            return Err(chain("epoch is not that of the writer in charge"));
        }
        if header.genesis.is_some() != (self.commit == 0) {
            return Err(chain("genesis is in commit 1 and nowhere else"));
        }
        Ok(Head {
            commit: header.commit,
            epoch: header.epoch,
            position: commit.last(),
            digest: commit.digest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_written_and_has_one_spelling() {
        let digest = Digest::of(b"paper");
        let text = digest.to_string();
        assert_eq!(text.len(), "sha256:".len() + 64);
        assert_eq!(text.parse(), Ok(digest));
        let (prefix, digits) = text.split_at("sha256:".len());
        let upper = format!("{prefix}{}", digits.to_uppercase());
        for text in [upper, text.to_uppercase(), digits.to_owned(), text[..70].to_owned()] {
            assert_eq!(text.parse::<Digest>(), Err(BadDigest), "{text}");
        }
    }
}
