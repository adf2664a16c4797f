//! The store of rule packs: what was adopted once stays readable under its digest for ever.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use linggong_engine::pack::PackError;
use linggong_engine::partition::Packs;
use linggong_engine::rules::Pack;
use linggong_events::commit::Digest;
use linggong_events::rules::PackKind;
use thiserror::Error;

/// A folder of packs, each under its kind and digest.
#[derive(Clone, Debug)]
pub struct PackStore {
    dir: PathBuf,
}

/// Why packs could not be read.
#[derive(Debug, Error)]
pub enum PackStoreError {
    /// The folder or a file cannot be read.
    #[error("cannot read the rule packs")]
    Io(#[from] io::Error),
    /// A file is not what its name says.
    #[error("the rule pack `{name}` is not what its name says")]
    Changed {
        /// The file.
        name: String,
    },
    /// A file is no pack.
    #[error("the rule pack `{name}` cannot be read")]
    Form {
        /// The file.
        name: String,
        /// Why.
        #[source]
        cause: Box<PackError>,
    },
}

const KINDS: [(PackKind, &str); 3] =
    [(PackKind::Statutes, "statutes"), (PackKind::Calendar, "calendar"), (PackKind::Policy, "policy")];

impl PackStore {
    /// The store in `dir`, which is made where it is not there.
    pub fn open(dir: PathBuf) -> io::Result<PackStore> {
        fs::create_dir_all(&dir)?;
        Ok(PackStore { dir })
    }

    /// Stores the bytes of a pack; they are on the disk when this returns.
    pub fn store(&self, kind: PackKind, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let word = KINDS.iter().find(|(it, _)| *it == kind).map_or("statutes", |(_, word)| word);
        let name = format!("{word}-{}.toml", hex::encode(digest.bytes()));
        let path = self.dir.join(&name);
        if path.exists() {
            return Ok(());
        }
        let unfinished = self.dir.join(format!("{name}.new"));
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(&self.dir)?.sync_all()
    }

    /// The text of one stored pack, checked against its digest.
    pub fn text(&self, kind: PackKind, digest: &str) -> Result<String, PackStoreError> {
        let word = KINDS.iter().find(|(it, _)| *it == kind).map_or("statutes", |(_, word)| word);
        let changed = |name: &str| PackStoreError::Changed { name: name.to_owned() };
        let digest: Digest = digest.parse().map_err(|_| changed(digest))?;
        let name = format!("{word}-{}.toml", hex::encode(digest.bytes()));
        let bytes = fs::read(self.dir.join(&name))?;
        if Digest::of(&bytes) != digest {
            return Err(changed(&name));
        }
        String::from_utf8(bytes).map_err(|_| changed(&name))
    }

    /// Every stored pack, each checked against the digest in its name.
    pub fn load(&self) -> Result<Packs, PackStoreError> {
        let mut packs = Packs::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some((kind, digits)) = name.strip_suffix(".toml").and_then(|it| it.split_once('-')) else {
                continue;
            };
            let Some((kind, _)) = KINDS.iter().find(|(_, word)| *word == kind) else { continue };
            let bytes = fs::read(self.dir.join(&name))?;
            if hex::encode(Digest::of(&bytes).bytes()) != digits {
                return Err(PackStoreError::Changed { name });
            }
            let pack = Pack::parse(*kind, &bytes)
                .map_err(|cause| PackStoreError::Form { name: name.clone(), cause: Box::new(cause) })?;
            packs.insert(pack.digest(), Arc::new(pack));
        }
        Ok(packs)
    }
}
