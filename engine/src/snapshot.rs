//! The state at one commit, written down: a start reads it and the log's tail instead of the whole log.
//!
//! ```text
//! [magic 7][version u8][crc32 of the cover u32][length of the cover u32][cover][state]
//! ```
//! The cover says of which log and commit the state is, by whose fold, and its digest. A snapshot proves nothing:
//! it can be thrown away at any time, and what it says is believed only where its digest holds, the very same code
//! folded it, and the log has the very commit that it names.

use linggong_events::codec::{read_whole, write_whole};
use linggong_events::commit::{Commit, Digest, Head};
use linggong_events::envelope::Recorded;
use linggong_events::measure::Position;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::partition::Fault;
use crate::state::State;

const MAGIC: &[u8; 7] = b"lgsnap\n";
/// The form of cover and frame; that of the state is named by [`FOLD`].
const VERSION: u8 = 1;
/// Names the code that folds events into state and writes the state down.
const FOLD: &str = env!("LINGGONG_FOLD");

/// What is so after one commit, and which commit that is.
#[derive(Debug)]
pub struct Replay {
    /// The last commit folded in.
    pub head: Head,
    /// What is so after it.
    pub state: State,
}

impl Default for Replay {
    fn default() -> Replay {
        Replay { head: Head::EMPTY, state: State::default() }
    }
}

impl Replay {
    /// Folds the next commit in.
    pub fn apply(&mut self, commit: &Commit) -> Result<(), Fault> {
        self.head = self.head.after(commit)?;
        for recorded in commit.events() {
            match recorded? {
                Recorded::Known(envelope) => self.state.evolve(&envelope),
                Recorded::Unknown(raw) => {
                    let position = raw.outline().position;
                    return Err(Fault::UnknownEvent {
                        type_name: raw.type_name,
                        beyond: raw.beyond,
                        position,
                    });
                }
            }
        }
        Ok(())
    }
}

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cover {
    log: String,
    partition: u16,
    fold: String,
    commit: u64,
    epoch: u64,
    position: u64,
    commit_digest: [u8; 32],
    state_digest: [u8; 32],
}

/// A snapshot whose bytes are those that were written; its state is still to be read.
#[derive(Debug)]
pub struct Snapshot<'a> {
    cover: Cover,
    state: &'a [u8],
}

/// Why bytes are no snapshot to start from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadSnapshot {
    /// It does not begin as a snapshot does, or is cut short.
    #[error("it is no snapshot, or not a whole one")]
    Header,
    /// Its form is of another version of the software.
    #[error("its form is version {0}")]
    Version(u8),
    /// Its cover is not as it was written.
    #[error("the checksum of its cover is wrong")]
    Checksum,
    /// Its state is not as it was written.
    #[error("its state does not have the digest {0}")]
    Digest(Digest),
    /// Another fold made it: its state may be of another form, or differ from a replay.
    #[error("it was made by another build of the software")]
    OtherFold,
    /// The digest is right, but the state cannot be read back.
    #[error("its state cannot be read")]
    Form,
}

/// Writes down what is so after the commit `head` of a log.
pub fn write(log: &str, partition: u16, head: &Head, state: &State) -> Vec<u8> {
    assert!(state.last() == head.position, "a snapshot is of one commit");
    let body = write_whole(state);
    let cover = Cover {
        log: log.to_owned(),
        partition,
        fold: FOLD.to_owned(),
        commit: head.commit,
        epoch: head.epoch,
        position: head.position.0,
        commit_digest: *head.digest.bytes(),
        state_digest: *Digest::of(&body).bytes(),
    };
    let cover = write_whole(&cover);
    let mut bytes = Vec::with_capacity(16 + cover.len() + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32fast::hash(&cover).to_be_bytes());
    bytes.extend_from_slice(&(cover.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&cover);
    bytes.extend_from_slice(&body);
    bytes
}

impl<'a> Snapshot<'a> {
    /// Checks the bytes and reads what the snapshot says of itself.
    pub fn check(bytes: &'a [u8]) -> Result<Snapshot<'a>, BadSnapshot> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(BadSnapshot::Header)?;
        let (version, rest) = rest.split_first().ok_or(BadSnapshot::Header)?;
        if *version != VERSION {
            return Err(BadSnapshot::Version(*version));
        }
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or(BadSnapshot::Header)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(BadSnapshot::Header)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (cover, state) = rest.split_at_checked(length).ok_or(BadSnapshot::Header)?;
        if crc32fast::hash(cover) != u32::from_be_bytes(*sum) {
            return Err(BadSnapshot::Checksum);
        }
        let cover: Cover = read_whole(cover).map_err(|_| BadSnapshot::Version(VERSION))?;
        let digest = Digest::from_sha256(cover.state_digest);
        if Digest::of(state) != digest {
            return Err(BadSnapshot::Digest(digest));
        }
        Ok(Snapshot { cover, state })
    }

    /// The log that it is of, and the partition.
    pub fn log(&self) -> (&str, u16) {
        (&self.cover.log, self.cover.partition)
    }

    /// The commit that it is of.
    pub fn head(&self) -> Head {
        Head {
            commit: self.cover.commit,
            epoch: self.cover.epoch,
            position: Position(self.cover.position),
            digest: Digest::from_sha256(self.cover.commit_digest),
        }
    }

    /// The digest of its state; equal to [`State::digest`] where the same code folded it.
    pub fn state_digest(&self) -> Digest {
        Digest::from_sha256(self.cover.state_digest)
    }

    /// Whether the very code that runs now made it.
    pub fn is_of_this_fold(&self) -> bool {
        self.cover.fold == FOLD
    }

    /// Reads the state, as the very code that runs now has folded it.
    pub fn open(&self) -> Result<Replay, BadSnapshot> {
        if !self.is_of_this_fold() {
            return Err(BadSnapshot::OtherFold);
        }
        let state: State = read_whole(self.state).map_err(|_| BadSnapshot::Form)?;
        if state.last() != self.head().position {
            return Err(BadSnapshot::Form);
        }
        Ok(Replay { head: self.head(), state })
    }

    /// Reads the state and looks whether that is the one that was written: a form that loses something on the
    /// way shows here, before anybody relies on it.
    pub fn read_back(&self) -> Result<Replay, BadSnapshot> {
        let replay = self.open()?;
        if replay.state.digest() == self.state_digest() { Ok(replay) } else { Err(BadSnapshot::Form) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HIRE, given, terms};

    fn snapshot() -> Vec<u8> {
        let given = given([]).hired(HIRE, terms());
        let head =
            Head { commit: 7, epoch: 2, position: given.state.last(), digest: Digest::of(b"commit 7") };
        write("lg-test", 0, &head, &given.state)
    }

    #[test]
    fn a_snapshot_reads_back_as_the_state_it_was_taken_of() {
        let given = given([]).hired(HIRE, terms());
        let bytes = snapshot();
        let read = Snapshot::check(&bytes).unwrap();
        assert_eq!((read.log(), read.state_digest()), (("lg-test", 0), given.state.digest()));
        let replay = read.open().unwrap();
        assert_eq!(format!("{:?}", replay.state), format!("{:?}", given.state));
        assert_eq!((replay.head.commit, replay.head.digest), (7, Digest::of(b"commit 7")));
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_read_as_a_snapshot() {
        let bytes = snapshot();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Snapshot::check(&bad).is_err(), "byte {at}, bit {bit}");
            }
            assert!(Snapshot::check(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_snapshot_of_another_build_says_so() {
        let bytes = snapshot();
        let mut other = Snapshot::check(&bytes).unwrap();
        other.cover.fold = "another".into();
        assert_eq!(other.open().unwrap_err(), BadSnapshot::OtherFold);
        assert_eq!(other.head().commit, 7, "where it stood is still known");
    }
}
