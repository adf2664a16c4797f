//! The file of one segment: an opening, commits, and in a sealed one a closing, each in a frame.
//!
//! ```text
//! frame    tag [4] | length of body u32 | crc32 of body u32 | commit u64 | first position u64 |
//!          crc32 of the 28 bytes before u32; body; zeros up to a multiple of 32 (integers little-endian)
//! opening  tag `LGop`, body JSON: format, the head before, the preallocated length;     512 bytes
//! commit   tag `LGco`, body the bytes of the commit
//! closing  tag `LGcl`, body JSON: the last head, the number of commits;               512 bytes
//! ```
//! A file has its preallocated length until it is sealed, then it ends with its closing. Every body ends with
//! a line feed and holds no zero byte, which is what tells a frame that was never wholly written from rot.
//! Every byte is held by something: those of a commit by the digest that the next commit and the closing name,
//! those of a frame's header and its padding by what they must be.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::commit::{Commit, Digest, Head, MAX_COMMIT_BYTES};
use crate::measure::Position;

/// The format of the file; the format of the commits has a number of its own.
pub(super) const FILE_FORMAT: u32 = 1;
/// The length of a frame's header, and what the length of a frame is a multiple of: a header never lies
/// across two sectors.
pub(super) const FRAME_HEADER: usize = 32;
/// The length of an opening and of a closing.
pub(super) const END_FRAME: usize = 512;
/// What disks write whole or not at all.
const SECTOR: usize = 512;
pub(super) const MAX_FRAME: usize = FRAME_HEADER + MAX_COMMIT_BYTES.next_multiple_of(FRAME_HEADER);

/// A head as the files write it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadRecord {
    pub(super) commit: u64,
    pub(super) epoch: u64,
    pub(super) position: Position,
    pub(super) digest: Digest,
}

impl From<Head> for HeadRecord {
    fn from(Head { commit, epoch, position, digest }: Head) -> HeadRecord {
        HeadRecord { commit, epoch, position, digest }
    }
}
impl From<HeadRecord> for Head {
    fn from(HeadRecord { commit, epoch, position, digest }: HeadRecord) -> Head {
        Head { commit, epoch, position, digest }
    }
}

/// The first frame of a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    format: u32,
    /// Where the log ended before this segment.
    pub(super) before: HeadRecord,
    /// The preallocated length of the file.
    pub(super) length: u64,
}

/// The last frame of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    /// Where the log ends with this segment.
    pub(super) head: HeadRecord,
    /// How many commits the segment holds.
    pub(super) commits: u64,
    /// SHA-256 of every byte of the file before this frame, where an earlier build wrote it: it tells nothing that the
    /// chain of the commits does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Digest>,
}

impl Opening {
    pub(super) fn new(before: Head, length: u64) -> Opening {
        Opening { format: FILE_FORMAT, before: before.into(), length }
    }

    pub(super) fn to_frame(&self) -> Result<Vec<u8>, serde_json::Error> {
        let head = &self.before;
        Ok(frame(Tag::Opening, head.commit + 1, head.position.0 + 1, &end_body(self)?))
    }

    /// Reads the opening from the first bytes of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Opening, Broken> {
        let broken = |what| Broken { offset: 0, what };
        let whole = whole_frame(bytes).ok_or(broken("the opening of the segment is damaged"))?;
        if whole.header.tag != Tag::Opening {
            return Err(broken("the segment does not begin with its opening"));
        }
        let opening: Opening =
            serde_json::from_slice(whole.body).map_err(|_| broken("the opening cannot be read"))?;
        if opening.format != FILE_FORMAT {
            return Err(broken("the segment is of a format that this software does not know"));
        }
        if whole.header.commit != opening.before.commit + 1 {
            return Err(broken("the opening contradicts itself"));
        }
        Ok(opening)
    }
}

impl Closing {
    pub(super) fn to_frame(&self) -> Result<Vec<u8>, serde_json::Error> {
        let head = &self.head;
        Ok(frame(Tag::Closing, head.commit, head.position.0 + 1, &end_body(self)?))
    }

    /// Reads the closing from the last bytes of a sealed file.
    pub(super) fn read(bytes: &[u8]) -> Option<Closing> {
        let whole = whole_frame(bytes)?;
        let closing = whole.header.tag == Tag::Closing && whole.length == bytes.len();
        closing.then(|| serde_json::from_slice(whole.body).ok()).flatten()
    }
}

/// JSON on one line, filled up with spaces to the length that every opening and closing has.
fn end_body(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = serde_json::to_vec(value)?;
    body.resize(END_FRAME - FRAME_HEADER - 1, b' ');
    body.push(b'\n');
    Ok(body)
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Opening,
    Commit,
    Closing,
}

impl Tag {
    const fn bytes(self) -> [u8; 4] {
        match self {
            Tag::Opening => *b"LGop",
            Tag::Commit => *b"LGco",
            Tag::Closing => *b"LGcl",
        }
    }
}

/// The header of a frame, its own checksum verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    pub(super) tag: Tag,
    pub(super) length: u32,
    body_crc: u32,
    pub(super) commit: u64,
    pub(super) first: u64,
}

impl FrameHeader {
    pub(super) fn read(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.first_chunk::<FRAME_HEADER>()?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes[at..].first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes[at..].first_chunk()?));
        if u32_at(28)? != crc32fast::hash(&bytes[..28]) {
            return None;
        }
        let length = u32_at(4)?;
        if length as usize > MAX_COMMIT_BYTES {
            return None;
        }
        let tag = [Tag::Opening, Tag::Commit, Tag::Closing];
        Some(FrameHeader {
            tag: tag.into_iter().find(|tag| bytes.starts_with(&tag.bytes()))?,
            length,
            body_crc: u32_at(8)?,
            commit: u64_at(12)?,
            first: u64_at(20)?,
        })
    }

    pub(super) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.length as usize && crc32fast::hash(body) == self.body_crc
    }
}

/// The bytes of a frame, with its padding.
pub(super) fn frame(tag: Tag, commit: u64, first: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_HEADER + body.len().next_multiple_of(FRAME_HEADER));
    bytes.extend_from_slice(&tag.bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    bytes.extend_from_slice(&commit.to_le_bytes());
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(FRAME_HEADER), 0);
    bytes
}

pub(super) struct WholeFrame<'a> {
    pub(super) header: FrameHeader,
    pub(super) body: &'a [u8],
    length: usize,
}

/// The frame at the beginning of `bytes`, if every byte of it is as it was written.
pub(super) fn whole_frame(bytes: &[u8]) -> Option<WholeFrame<'_>> {
    let header = FrameHeader::read(bytes)?;
    let length = FRAME_HEADER + (header.length as usize).next_multiple_of(FRAME_HEADER);
    let frame = bytes.get(..length)?;
    let (body, padding) = frame[FRAME_HEADER..].split_at(header.length as usize);
    (header.fits(body) && is_zero(padding)).then_some(WholeFrame { header, body, length })
}

/// Something in a segment is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) what: &'static str,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Next {
    /// A commit, and where its frame stands.
    Commit(Commit, Range<usize>),
    /// Never written from here on.
    Unwritten { at: usize },
    /// A frame that was never wholly written; beyond it nothing was written.
    Torn(Range<usize>),
    /// The closing; `cut` where the file already ends with it.
    Sealed { at: usize, cut: bool },
}

/// Reads a whole segment from its bytes, trusting nothing.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    length: u64,
    before: Head,
    head: Head,
}

impl<'a> Walk<'a> {
    /// Starts at the opening, which must follow `before`.
    pub(super) fn start(bytes: &'a [u8], before: Head) -> Result<Walk<'a>, Broken> {
        let opening = Opening::read(bytes)?;
        if Head::from(opening.before) != before {
            return Err(Broken { offset: 0, what: "the segment does not follow the one before" });
        }
        Ok(Walk { bytes, at: END_FRAME, length: opening.length, before, head: before })
    }

    /// The head after the commits read so far.
    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Reads on; not to be called again after anything but a commit.
    pub(super) fn next(&mut self) -> Result<Next, Broken> {
        let at = self.at;
        let broken = |what| Broken { offset: at, what };
        let rest = self.bytes.get(at..).unwrap_or_default();
        let Some(whole) = whole_frame(rest) else {
            return self.tail(at, rest);
        };
        let end = at + whole.length;
        match whole.header.tag {
            Tag::Opening => Err(broken("a second opening")),
            Tag::Commit => {
                let commit =
                    Commit::parse(whole.body.to_vec()).map_err(|_| broken("no commit in the frame"))?;
                let header = commit.header();
                if (whole.header.commit, whole.header.first) != (header.commit, header.first) {
                    return Err(broken("the frame names another commit than it holds"));
                }
                self.head =
                    self.head.after(&commit).map_err(|_| broken("the commit does not continue the log"))?;
                self.at = end;
                Ok(Next::Commit(commit, at..end))
            }
            Tag::Closing => {
                let closing =
                    Closing::read(&rest[..whole.length]).ok_or(broken("the closing cannot be read"))?;
                let commits = self.head.commit - self.before.commit;
                if Head::from(closing.head) != self.head || closing.commits != commits {
                    return Err(broken("the closing is not that of the commits before it"));
                }
                if closing.content.is_some_and(|it| it != Digest::of(&self.bytes[..at])) {
                    return Err(broken("the closing is not that of the bytes before it"));
                }
                if !is_zero(&self.bytes[end..]) {
                    return Err(Broken { offset: end, what: "bytes after the closing" });
                }
                let cut = end == self.bytes.len();
                if !cut && self.bytes.len() as u64 != self.length {
                    return Err(Broken { offset: end, what: "the file is longer than its closing says" });
                }
                Ok(Next::Sealed { at, cut })
            }
        }
    }

    /// Tells what was never written from what is damaged, at `at`, where no whole frame stands.
    fn tail(&self, at: usize, rest: &[u8]) -> Result<Next, Broken> {
        let broken = |what| Err(Broken { offset: at, what });
        if self.bytes.len() as u64 != self.length {
            return broken("the file has been cut off or lengthened");
        }
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
            return Ok(Next::Unwritten { at });
        };
        let written = last + 1;
        if written > MAX_FRAME {
            // More than one frame was under way at no time: what stands here was whole once.
            return broken("a frame that is not sound before further bytes");
        }
        // One writer never has two frames under way, so whatever stands before a whole frame was once whole.
        let mut later = (FRAME_HEADER..written).step_by(FRAME_HEADER);
        if later.any(|from| whole_frame(&rest[from..]).is_some()) {
            return broken("a damaged frame before a whole one");
        }
        let torn = match FrameHeader::read(rest) {
            Some(header) => never_whole(rest, at, written, header),
            // Nothing but the beginning of a header was written, or its sector is not there at all.
            None => written < FRAME_HEADER || is_zero(&rest[..rest.len().min(SECTOR - at % SECTOR)]),
        };
        if torn { Ok(Next::Torn(at..at + written)) } else { broken("a damaged frame") }
    }
}

/// Whether part of the frame at `at`, of whose bytes the last that is not zero ends at `written`, never
/// reached the disk: its end, or a whole sector.
fn never_whole(rest: &[u8], at: usize, written: usize, header: FrameHeader) -> bool {
    let end = FRAME_HEADER + header.length as usize;
    if written > end || end > rest.len() {
        return false;
    }
    let body_end_unwritten = written < end;
    let first_sector = at.next_multiple_of(SECTOR) - at;
    let mut sectors = (first_sector..end).step_by(SECTOR);
    body_end_unwritten || sectors.any(|from| is_zero(&rest[from..end.min(from + SECTOR)]))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
