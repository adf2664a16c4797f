//! 备份: a copy of ledger, rules and vault made while the server runs, checked byte by byte, and put back elsewhere.
//!
//! ```text
//! DIR/manifest       what the backup holds: every file with its length and SHA-256, and where the log ends
//! DIR/head.signed    the signed head of the log at its end
//! DIR/log/           a log that opens; DIR/packs/ the rule packs
//! VAULT/             the vault as it lies, encrypted, with a manifest of its own; DIR/vault unless set elsewhere
//! ```
//! The ledger is copied before packs and vault, which know of everything before the ledger does: what the copied
//! ledger names is in their copies. A manifest is written last, so that half a backup is none.
//!
//! Secrets are not in it: not the vault's master key, not the key of signed heads, not the list of tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use linggong_engine::partition::Fault;
use linggong_engine::snapshot::Replay;
use linggong_events::commit::{Digest, Head};
use linggong_events::head::{BadSignedHead, HeadPublicKey, SignedHead};
use linggong_events::log::embedded::{EmbeddedLog, OpenError, VerifyFault, copy, verify};
use linggong_events::log::{LogReader as _, ReadError};
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::drill::{RulesError, adopted_rules};
use crate::packs::{PackStore, PackStoreError};
use crate::serve::{ServeError, read_head_key};
use crate::vault::{Vault, VaultError, VaultSettings};

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest";
const SIGNED: &str = "head.signed";
/// What a restored server still needs of its operator, in its data directory unless the settings say elsewhere.
pub const SECRETS: [&str; 3] = ["vault.key", "head.key", "tokens.toml"];

/// Where a backup lies.
#[derive(Clone, Debug)]
pub struct Places {
    /// The ledger, the rules and the signed head.
    pub dir: PathBuf,
    /// The vault.
    pub vault: PathBuf,
}

impl Places {
    /// In `dir`, with the vault at `vault` or in a folder of its own in `dir`.
    pub fn new(dir: &Path, vault: Option<&Path>) -> Places {
        Places { dir: dir.to_owned(), vault: vault.map_or_else(|| dir.join("vault"), Path::to_owned) }
    }
}

/// What a backup says that it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The log.
    pub log: String,
    /// When it was made.
    pub made: Timestamp,
    /// The last commit of the log.
    pub commit: u64,
    /// The hash of that commit.
    pub digest: Digest,
    /// The last event.
    pub position: Position,
    /// The root of the tree over all events.
    pub root: Digest,
    /// The public key with which the head was signed; nothing in the vault's part.
    pub key: Option<String>,
    /// The digest of the manifest of the vault's part; nothing in that part, or where there was no vault.
    pub vault: Option<Digest>,
    /// Every file by its path in the part.
    pub files: BTreeMap<String, Kept>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    bytes: u64,
    sha256: Digest,
}

/// What reading a whole backup has found; all of it sound.
#[derive(Debug)]
pub struct Found {
    /// What it says of itself.
    pub manifest: Manifest,
    /// How many files it has.
    pub files: usize,
    /// How many bytes.
    pub bytes: u64,
    /// The digest of what all its events come to.
    pub state: Digest,
    /// Whether the vault was opened with its master key and knows everybody whom the ledger names.
    pub vault_opened: bool,
    /// The manifest of the vault's part.
    vault: Option<Manifest>,
}

/// Why a backup was not made, is not sound, or was not put back.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file or folder cannot be used.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// There is something already.
    #[error("`{}` is not empty", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// There is no backup, or only half of one.
    #[error("`{}` holds no whole backup: it has no manifest", path.display())]
    None {
        /// Where.
        path: PathBuf,
    },
    /// The manifest is not as it was written, or of a format that this software does not read.
    #[error("the manifest `{}` is not as it was written", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the one that was copied.
    #[error("`{}` is not as it was copied: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// In which way.
        what: &'static str,
    },
    /// The two parts are not of one backup.
    #[error("the vault in `{}` is of another backup than the ledger", path.display())]
    OtherVault {
        /// Where it lies.
        path: PathBuf,
    },
    /// The log is not sound.
    #[error("the log is not sound")]
    Log(#[source] VerifyFault),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Open(#[from] OpenError),
    /// A commit cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The events do not come to a state.
    #[error("the events of the log do not come to a state")]
    Fold(#[from] Fault),
    /// The log does not end where the manifest or the signed head says.
    #[error("the log is not the one that {0} names")]
    OtherLog(&'static str),
    /// The signed head does not hold.
    #[error("the signed head does not hold")]
    Signed(#[from] BadSignedHead),
    /// The key of signed heads cannot be used.
    #[error("the head cannot be signed")]
    HeadKey(#[source] Box<ServeError>),
    /// A rule pack is missing or not what it was.
    #[error("a rule pack that the log has adopted is not there")]
    Rules(#[from] RulesError),
    /// A rule pack cannot be read.
    #[error(transparent)]
    Packs(#[from] PackStoreError),
    /// The vault does not open.
    #[error("the vault does not open")]
    Vault(#[from] VaultError),
    /// The vault is older than the ledger.
    #[error("the vault does not know {0} of the people whom the ledger names")]
    Unknown(usize),
}

impl From<VerifyFault> for BackupError {
    fn from(fault: VerifyFault) -> BackupError {
        match fault {
            // A file that cannot be used says nothing about what stands in it.
            VerifyFault::File(OpenError::Io { path, cause }) => BackupError::Io { path, cause },
            other @ (VerifyFault::File(_) | VerifyFault::Commit { .. }) => BackupError::Log(other),
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |cause| BackupError::Io { path: path.clone(), cause }
}

/// Makes a backup of the data directory `data`, whose server may be at work, and reads all of it again.
pub fn create(data: &Path, places: &Places, made: Timestamp) -> Result<Found, BackupError> {
    let Places { dir, vault } = places;
    let (log, packs) = (dir.join("log"), dir.join("packs"));
    for place in [dir, vault] {
        must_be_empty(place)?;
    }
    for folder in [dir, &log, &packs] {
        make_folder(folder)?;
    }
    let report = copy(&data.join("log"), &log)?;
    let first = EmbeddedLog::open_read_only(&log)?.reader.commits(1).next().transpose()?;
    let name = first.ok_or(BackupError::OtherLog("a genesis"))?.header().log.clone();
    let key = read_head_key(data, &name).map_err(|error| BackupError::HeadKey(Box::new(error)))?;
    let signed = SignedHead::of(report.head, report.root, &key);
    write_new(&dir.join(SIGNED), signed.text().as_bytes())?;
    copy_tree(&data.join("packs"), &packs, Copying::Whole)?;

    let Head { commit, position, digest, .. } = report.head;
    let manifest = |key, vault, files| {
        let log = name.clone();
        Manifest { format: FORMAT, log, made, commit, digest, position, root: report.root, key, vault, files }
    };
    let mut of_vault = None;
    if data.join("vault").is_dir() {
        make_folder(vault)?;
        copy_vault(&data.join("vault"), vault)?;
        of_vault = Some(write_manifest(vault, &manifest(None, None, files_in(vault, None)?))?);
    }
    let files = files_in(dir, Some(vault))?;
    write_manifest(dir, &manifest(Some(key.public().to_string()), of_vault, files))?;
    check(places, None, None)
}

/// Reads every byte of a backup: the files by their digests, the log by its chain and its signed head, evidence by
/// its names, the packs by those that the log has adopted; with `master_key` also every record of the vault.
/// Nothing sealed is opened. Without `key` the head is held against the key that the backup names itself.
pub fn check(
    places: &Places,
    key: Option<&HeadPublicKey>,
    master_key: Option<&Path>,
) -> Result<Found, BackupError> {
    let Places { dir, vault } = places;
    let (manifest, _) = read_manifest(dir)?;
    let mut bytes = same_files(dir, Some(vault), &manifest)?;
    let mut of_vault = None;
    if let Some(digest) = manifest.vault {
        let (found, own) = read_manifest(vault)?;
        if own != digest {
            return Err(BackupError::OtherVault { path: vault.clone() });
        }
        bytes += same_files(vault, None, &found)?;
        evidence_is_named(vault, &found)?;
        of_vault = Some(found);
    }

    let log = dir.join("log");
    let report = verify(&log, |_, _| {});
    if let Some(fault) = report.fault {
        return Err(fault.into());
    }
    let named = (manifest.commit, manifest.digest, manifest.position, manifest.root);
    if (report.head.commit, report.head.digest, report.head.position, report.root) != named {
        return Err(BackupError::OtherLog("the manifest"));
    }
    let path = dir.join(SIGNED);
    let signed = fs::read_to_string(&path).map_err(at(&path))?;
    let own = manifest.key.as_deref().and_then(|it| it.parse().ok());
    let key = key.or(own.as_ref()).ok_or(BackupError::Manifest { path: dir.join(MANIFEST) })?;
    let signed = SignedHead::verify(&signed, key)?;
    let head = signed.head();
    if (head.commit, head.digest, head.size, head.root) != named {
        return Err(BackupError::OtherLog("the signed head"));
    }
    PackStore::open(dir.join("packs")).map_err(at(dir))?.load()?;
    adopted_rules(dir)?;
    let (replay, demo) = replayed(&log)?;
    let vault_opened = match (&of_vault, master_key) {
        (Some(of_vault), Some(master_key)) => {
            let people: Vec<_> = replay.state.people().collect();
            let settings = VaultSettings {
                directory: vault.clone(),
                master_key: master_key.to_owned(),
                log: manifest.log.clone(),
                demo,
            };
            match opened_beside(settings, of_vault)?.unknown(&people) {
                0 => true,
                unknown => return Err(BackupError::Unknown(unknown)),
            }
        }
        (None, _) | (_, None) => false,
    };
    let files = manifest.files.len() + of_vault.as_ref().map_or(0, |it| it.files.len());
    Ok(Found { manifest, files, bytes, state: replay.state.digest(), vault_opened, vault: of_vault })
}

/// Puts a backup that was checked into `data`, which must not hold anything; it is there whole or not at all.
pub fn restore(places: &Places, found: &Found, data: &Path) -> Result<Digest, BackupError> {
    must_be_empty(data)?;
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let unfinished = data.with_file_name(name);
    must_be_empty(&unfinished)?;
    make_folder(&unfinished)?;
    put(&places.dir, &found.manifest, &unfinished)?;
    if let Some(vault) = &found.vault {
        let folder = unfinished.join("vault");
        make_folder(&folder)?;
        put(&places.vault, vault, &folder)?;
    }
    let report = verify(&unfinished.join("log"), |_, _| {});
    if let Some(fault) = report.fault {
        return Err(fault.into());
    }
    if report.head.digest != found.manifest.digest {
        return Err(BackupError::OtherLog("the manifest"));
    }
    let state = replayed(&unfinished.join("log"))?.0.state.digest();
    fs::rename(&unfinished, data).map_err(at(data))?;
    sync_parent(data)?;
    Ok(state)
}

/// What all events of a log come to, and whether it is a demo.
fn replayed(log: &Path) -> Result<(Replay, bool), BackupError> {
    let (mut replay, mut demo) = (Replay::default(), false);
    for commit in EmbeddedLog::open_read_only(log)?.reader.commits(1) {
        let commit = commit?;
        demo |= commit.header().genesis.as_ref().is_some_and(|it| it.demo);
        replay.apply(&commit)?;
    }
    Ok((replay, demo))
}

/// Opens the records of a copied vault in a folder of their own, since opening may write; evidence stays where it is.
fn opened_beside(settings: VaultSettings, manifest: &Manifest) -> Result<Vault, BackupError> {
    let scratch = tempfile::tempdir().map_err(at(&settings.directory))?;
    for name in manifest.files.keys().filter(|it| !it.contains('/')) {
        let from = settings.directory.join(name);
        fs::copy(&from, scratch.path().join(name)).map_err(at(&from))?;
    }
    Ok(Vault::open(&VaultSettings { directory: scratch.path().to_owned(), ..settings })?)
}

/// Copies the files that `manifest` names, each held against it on the way.
fn put(from: &Path, manifest: &Manifest, to: &Path) -> Result<(), BackupError> {
    let mut folders = BTreeSet::from([to.to_owned()]);
    for (name, kept) in &manifest.files {
        let (source, target) = (from.join(name), to.join(name));
        for folder in target.ancestors().skip(1).take_while(|it| *it != to) {
            folders.insert(folder.to_owned());
        }
        make_folder(target.parent().unwrap_or(to))?;
        let bytes = fs::read(&source).map_err(at(&source))?;
        if Digest::of(&bytes) != kept.sha256 {
            return Err(BackupError::File { path: source, what: "other bytes" });
        }
        write_new(&target, &bytes)?;
    }
    folders.iter().try_for_each(|it| sync(it))
}

/// The vault as a server at work may leave it at any moment. The order is that in which nothing is missed: people
/// and evidence before the keys, which were made before them, and the list of the shredded after the keys.
fn copy_vault(from: &Path, to: &Path) -> Result<(), BackupError> {
    let late = ["keys.log", "shredded.log", "access.log"];
    let early = entries(from)?.into_iter().filter(|it| !late.contains(&it.as_str()));
    for name in early.chain(late.map(str::to_owned)) {
        let (source, target) = (from.join(&name), to.join(&name));
        // A lock is of a process, a manifest of an older backup, and what has no name of its own yet is nothing yet.
        if name == "lock" || name == MANIFEST || name.ends_with(".new") {
            continue;
        }
        if source.is_dir() {
            make_folder(&target)?;
            copy_tree(&source, &target, Copying::Whole)?;
        } else {
            copy_file(&source, &target, Copying::Lines)?;
        }
    }
    sync(to)
}

/// How much of a file is copied.
#[derive(Clone, Copy)]
enum Copying {
    /// All: such files get their names once they are whole.
    Whole,
    /// Up to the last line feed: what stands behind it is being written.
    Lines,
}

fn copy_tree(from: &Path, to: &Path, copying: Copying) -> Result<(), BackupError> {
    for name in entries(from)?.into_iter().filter(|it| !it.ends_with(".new")) {
        let (source, target) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            make_folder(&target)?;
            copy_tree(&source, &target, copying)?;
        } else {
            copy_file(&source, &target, copying)?;
        }
    }
    sync(to)
}

fn copy_file(from: &Path, to: &Path, copying: Copying) -> Result<(), BackupError> {
    let file = File::open(from).map_err(at(from))?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut &file, &mut bytes).map_err(at(from))?;
    match copying {
        Copying::Whole => {}
        Copying::Lines => bytes.truncate(bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1)),
    }
    // What was read may not be on the disk yet.
    file.sync_data().map_err(at(from))?;
    write_new(to, &bytes)
}

/// Evidence lies under the hash of what is stored.
fn evidence_is_named(vault: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    for (name, kept) in &manifest.files {
        let Some(digits) = name.strip_prefix("evidence/").and_then(|it| it.rsplit('/').next()) else {
            continue;
        };
        if digits != hex::encode(kept.sha256.bytes()) {
            return Err(BackupError::File { path: vault.join(name), what: "evidence under another name" });
        }
    }
    Ok(())
}

/// Every file in `dir` but its manifest and what is in `without`, with its digest.
fn files_in(dir: &Path, without: Option<&Path>) -> Result<BTreeMap<String, Kept>, BackupError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in entries(&dir.join(&folder))? {
            let name = if folder.is_empty() { entry } else { format!("{folder}/{entry}") };
            let path = dir.join(&name);
            if name == MANIFEST || without == Some(&path) {
                continue;
            }
            let about = fs::symlink_metadata(&path).map_err(at(&path))?;
            if about.is_dir() {
                folders.push(name);
            } else if about.is_file() {
                let bytes = fs::read(&path).map_err(at(&path))?;
                files.insert(name, Kept { bytes: bytes.len() as u64, sha256: Digest::of(&bytes) });
            } else {
                return Err(BackupError::File { path, what: "neither a file nor a folder" });
            }
        }
    }
    Ok(files)
}

/// Reads every file of one part and holds it against the manifest: none other, none more, none less. The bytes.
fn same_files(dir: &Path, without: Option<&Path>, manifest: &Manifest) -> Result<u64, BackupError> {
    let found = files_in(dir, without)?;
    let named = |name: &str, what| BackupError::File { path: dir.join(name), what };
    for (name, kept) in &manifest.files {
        match found.get(name) {
            None => return Err(named(name, "it is missing")),
            Some(it) if it.bytes != kept.bytes => return Err(named(name, "another length")),
            Some(it) if it.sha256 != kept.sha256 => return Err(named(name, "other bytes")),
            Some(_) => {}
        }
    }
    match found.keys().find(|it| !manifest.files.contains_key(*it)) {
        Some(name) => Err(named(name, "it was not there")),
        None => Ok(found.values().map(|it| it.bytes).sum()),
    }
}

/// The manifest of a part, and its own digest.
fn read_manifest(dir: &Path) -> Result<(Manifest, Digest), BackupError> {
    let path = dir.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(BackupError::None { path: dir.to_owned() });
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(BackupError::Manifest { path }),
        Err(cause) => return Err(BackupError::Io { path, cause }),
    };
    let bad = || BackupError::Manifest { path: path.clone() };
    let (json, digest) = text.strip_suffix('\n').and_then(|it| it.rsplit_once('\n')).ok_or_else(bad)?;
    if Digest::of(json.as_bytes()).to_string() != digest {
        return Err(bad());
    }
    let manifest: Manifest = serde_json::from_str(json).map_err(|_| bad())?;
    // A name is a path below the part, so that none leads out of the folder that is restored.
    let below = |name: &String| Path::new(name).components().all(|it| matches!(it, Component::Normal(_)));
    if manifest.format != FORMAT || !manifest.files.keys().all(|it| !it.is_empty() && below(it)) {
        return Err(bad());
    }
    Ok((manifest, Digest::of(text.as_bytes())))
}

/// Writes the manifest, its own SHA-256 on the last line; its digest.
fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<Digest, BackupError> {
    let path = dir.join(MANIFEST);
    let json = serde_json::to_string_pretty(manifest).map_err(|error| at(&path)(error.into()))?;
    let text = format!("{json}\n{}\n", Digest::of(json.as_bytes()));
    sync(dir)?;
    write_new(&path, text.as_bytes())?;
    sync(dir)?;
    sync_parent(dir)?;
    Ok(Digest::of(text.as_bytes()))
}

fn must_be_empty(path: &Path) -> Result<(), BackupError> {
    match fs::read_dir(path).map(|mut it| it.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::NotEmpty { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

/// The names in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let name = entry.map_err(at(folder))?.file_name();
        names.push(name.into_string().map_err(|_| at(folder)(ErrorKind::InvalidFilename.into()))?);
    }
    names.sort();
    Ok(names)
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(at(path))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(at(folder))
}

fn sync_parent(path: &Path) -> Result<(), BackupError> {
    sync(path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}
