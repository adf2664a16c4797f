//! Evidence: encrypted files, each under the key of a person or a matter, at the hash of what is stored.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linggong_events::commit::Digest;
use linggong_events::id::KeyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::records::{RecordError, sync_parent, write_whole};
use super::seal::{BoxShut, NoChance, Secret, open_bytes, seal_bytes};

/// The largest piece of evidence, in bytes.
pub const MAX_EVIDENCE_BYTES: usize = 20 * 1024 * 1024;
/// What a stored file begins with; the key's id follows, then the box.
const MAGIC: &[u8; 4] = b"LGE1";
/// The bytes of both.
const HEAD_BYTES: usize = 20;
/// How many files are remembered as seen; then it begins anew.
const SEEN: usize = 1 << 16;

/// What evidence may be; anything that a reader could run is not among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum MediaType {
    /// A photograph.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A picture of a screen.
    #[serde(rename = "image/png")]
    Png,
    /// A paper.
    #[serde(rename = "application/pdf")]
    Pdf,
    /// A recording with pictures.
    #[serde(rename = "video/mp4")]
    Mp4,
    /// A recording of voices.
    #[serde(rename = "audio/mp4")]
    M4a,
    /// A text in UTF-8.
    #[serde(rename = "text/plain")]
    Text,
    /// A sheet as text, in UTF-8 or GB18030.
    #[serde(rename = "text/csv")]
    Csv,
    /// A sheet of a spreadsheet program.
    #[serde(rename = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")]
    Xlsx,
}

impl MediaType {
    /// Every type, in the order of declaration; a stored file tells its type by its place here.
    pub const ALL: &'static [MediaType] = &[
        MediaType::Jpeg,
        MediaType::Png,
        MediaType::Pdf,
        MediaType::Mp4,
        MediaType::M4a,
        MediaType::Text,
        MediaType::Csv,
        MediaType::Xlsx,
    ];

    /// The name of the type in HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            MediaType::Jpeg => "image/jpeg",
            MediaType::Png => "image/png",
            MediaType::Pdf => "application/pdf",
            MediaType::Mp4 => "video/mp4",
            MediaType::M4a => "audio/mp4",
            MediaType::Text => "text/plain",
            MediaType::Csv => "text/csv",
            MediaType::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// Whether the bytes are what the type says.
    fn fits(self, bytes: &[u8]) -> bool {
        let brand = bytes.get(4..12);
        let is_mp4 = brand.is_some_and(|it| it.starts_with(b"ftyp"));
        let is_audio = brand.is_some_and(|it| it == b"ftypM4A " || it == b"ftypM4B ");
        match self {
            MediaType::Jpeg => bytes.starts_with(&[0xFF, 0xD8, 0xFF]),
            MediaType::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            MediaType::Pdf => bytes.starts_with(b"%PDF-"),
            MediaType::Mp4 => is_mp4 && !is_audio,
            MediaType::M4a => is_mp4,
            MediaType::Text => !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok(),
            // GB18030 holds no zero byte either.
            MediaType::Csv => !bytes.contains(&0),
            MediaType::Xlsx => bytes.starts_with(b"PK\x03\x04"),
        }
    }
}

/// Why evidence was not stored or not read.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// Nothing, or more than may be.
    #[error("the evidence has {bytes} bytes, not 1 to {MAX_EVIDENCE_BYTES}")]
    Size {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are something else.
    #[error("the evidence is not of the type `{}` that it is said to be", media_type.name())]
    Type {
        /// What it was said to be.
        media_type: MediaType,
    },
    /// There is none of that digest.
    #[error("there is no evidence `{digest}`")]
    Unknown {
        /// What was asked for.
        digest: Digest,
    },
    /// The stored bytes are not those that were stored.
    #[error("the evidence `{digest}` is damaged: restore it from the vault's backup")]
    Damaged {
        /// Which.
        digest: Digest,
    },
    /// It does not open.
    #[error(transparent)]
    Shut(#[from] BoxShut),
    /// The file system.
    #[error(transparent)]
    File(#[from] RecordError),
    /// No chance for a nonce.
    #[error(transparent)]
    Chance(#[from] NoChance),
}

/// Evidence in clear; wiped when dropped.
pub struct Evidence {
    /// What it is.
    pub media_type: MediaType,
    bytes: Zeroizing<Vec<u8>>,
}

impl Evidence {
    /// The clear bytes.
    pub fn expose(&self) -> &[u8] {
        &self.bytes[1..]
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({})", self.media_type.name())
    }
}

/// The evidence that is stored, still shut.
pub(crate) struct Stored {
    pub(crate) key: KeyId,
    bytes: Vec<u8>,
}

/// The folder of encrypted files.
pub(crate) struct EvidenceStore {
    directory: PathBuf,
    /// What was stored or found lately, and under which key.
    seen: Mutex<BTreeMap<Digest, KeyId>>,
}

impl EvidenceStore {
    pub(crate) fn at(directory: PathBuf) -> EvidenceStore {
        EvidenceStore { directory, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Digest, KeyId>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, digest: Digest, key: KeyId) {
        let mut seen = self.seen();
        if seen.len() >= SEEN {
            seen.clear();
        }
        seen.insert(digest, key);
    }

    /// The key of what was stored or found lately under `digest` and still lies there: its file is not read again.
    pub(crate) fn seen_key_of(&self, digest: Digest) -> Option<KeyId> {
        let key = self.seen().get(&digest).copied()?;
        self.path(digest).is_file().then_some(key)
    }

    /// Whether these bytes may be stored as what they are said to be.
    pub(crate) fn check(media_type: MediaType, bytes: &[u8]) -> Result<(), EvidenceError> {
        if bytes.is_empty() || bytes.len() > MAX_EVIDENCE_BYTES {
            return Err(EvidenceError::Size { bytes: bytes.len() });
        }
        if !media_type.fits(bytes) {
            return Err(EvidenceError::Type { media_type });
        }
        Ok(())
    }

    /// Stores checked bytes; when this returns, they are on the disk.
    pub(crate) fn store(
        &self,
        key: KeyId,
        secret: &Secret,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Result<Digest, EvidenceError> {
        let mut clear = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
        clear.push(media_type as u8);
        clear.extend_from_slice(bytes);
        let boxed = seal_bytes(secret, &belongs_to(&key), &clear)?;
        let stored = [MAGIC.as_slice(), key.0.as_bytes(), &boxed].concat();
        let digest = Digest::of(&stored);
        let path = self.path(digest);
        make_directory(path.parent().unwrap_or(&self.directory))?;
        write_whole(&path, &stored)?;
        self.saw(digest, key);
        Ok(digest)
    }

    /// The key of what is stored under `digest`, read from the head of its file; none where there is no such file.
    pub(crate) fn key_of(&self, digest: Digest) -> Result<Option<KeyId>, EvidenceError> {
        let path = self.path(digest);
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::io("open", &path)(source).into()),
        };
        let mut head = [0; HEAD_BYTES];
        file.read_exact(&mut head).map_err(RecordError::io("read", &path))?;
        let key = key_in(&head);
        if let Some(key) = key {
            self.saw(digest, key);
        }
        Ok(key)
    }

    /// Reads a file and proves that it is the one of that digest.
    pub(crate) fn find(&self, digest: Digest) -> Result<Stored, EvidenceError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(EvidenceError::Unknown { digest });
            }
            Err(source) => return Err(RecordError::io("read", &path)(source).into()),
        };
        let key = if Digest::of(&bytes) == digest { key_in(&bytes) } else { None };
        let key = key.ok_or(EvidenceError::Damaged { digest })?;
        Ok(Stored { key, bytes })
    }

    pub(crate) fn open(stored: &Stored, secret: &Secret) -> Result<Evidence, EvidenceError> {
        let bytes = open_bytes(secret, &belongs_to(&stored.key), &stored.bytes[HEAD_BYTES..])?;
        let code = bytes.first().copied().ok_or(BoxShut)?;
        let media_type = MediaType::ALL.get(usize::from(code)).copied().ok_or(BoxShut)?;
        Ok(Evidence { media_type, bytes })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let name = hex::encode(digest.bytes());
        self.directory.join(&name[..2]).join(name)
    }
}

/// The key that the head of a stored file names.
fn key_in(bytes: &[u8]) -> Option<KeyId> {
    let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let key = head.strip_prefix(MAGIC)?;
    Uuid::from_slice(key).ok().map(KeyId)
}

fn belongs_to(key: &KeyId) -> [&[u8]; 2] {
    [b"linggong:evidence:v1", key.0.as_bytes()]
}

/// Makes a folder that only we may enter, and makes its name durable.
pub(crate) fn make_directory(path: &Path) -> Result<(), RecordError> {
    // Also where the folder is there already: an earlier process may have died before its name was durable.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(RecordError::io("create the folder", path))?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_must_be_what_they_are_said_to_be() {
        let check = EvidenceStore::check;
        assert!(check(MediaType::Jpeg, b"\xFF\xD8\xFF\xE0 photo").is_ok());
        assert!(check(MediaType::M4a, b"\0\0\0\x20ftypM4A voice").is_ok());
        assert!(check(MediaType::Text, "工钱一直没给".as_bytes()).is_ok());
        assert!(check(MediaType::Csv, b"\xD0\xD5\xC3\xFB,\xB5\xE7\xBB\xB0\n").is_ok(), "GB18030");
        assert!(check(MediaType::Xlsx, b"PK\x03\x04 sheet").is_ok());
        for (said, bytes) in [
            (MediaType::Jpeg, b"<svg onload=alert(1)>".as_slice()),
            (MediaType::Png, b"%PDF-1.7"),
            (MediaType::Text, b"MZ\0\0"),
            (MediaType::Csv, b"PK\x03\x04\0"),
            (MediaType::Xlsx, b"name,phone"),
            (MediaType::Mp4, b"\0\0\0\x20ftypM4A voice"),
        ] {
            assert!(matches!(check(said, bytes), Err(EvidenceError::Type { .. })), "{said:?}");
        }
        assert!(matches!(check(MediaType::Text, b""), Err(EvidenceError::Size { bytes: 0 })));
        let large = vec![b'a'; MAX_EVIDENCE_BYTES + 1];
        assert!(matches!(check(MediaType::Text, &large), Err(EvidenceError::Size { .. })));
    }
}
