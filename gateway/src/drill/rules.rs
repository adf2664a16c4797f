//! Which packs a drill goes by: those that the software ships, those a log has adopted, those in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use linggong_engine::pack::{DEFAULT_PACKS, Pack};
use linggong_events::envelope::Recorded;
use linggong_events::event::Event;
use linggong_events::log::embedded::verify;
use linggong_events::rules::{Adopted, PackKind, RulesEvent};
use thiserror::Error;

use super::PackSource;
use crate::packs::{PackStore, PackStoreError};

/// Why the packs to go by cannot be told.
#[derive(Debug, Error)]
pub enum RulesError {
    /// A folder or a file of it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// There is no log in the data folder.
    #[error("`{}` holds no log: serve it once, or leave out where it is", path.display())]
    NoLog {
        /// The folder.
        path: PathBuf,
    },
    /// The log is damaged: what it adopted cannot be told.
    #[error("the log in `{}` is not sound", path.display())]
    Log {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An adopted pack is not in the store, or not what its name says.
    #[error("the adopted pack `{name}` cannot be had")]
    Store {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: PackStoreError,
    },
    /// A file is no pack of any kind.
    #[error("`{}` is no pack: {why}", path.display())]
    NoPack {
        /// The file.
        path: PathBuf,
        /// Why, of each kind that it could be.
        why: String,
    },
    /// The folder holds no pack.
    #[error("`{}` holds no pack", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// The packs that this software ships.
pub fn shipped_rules() -> Vec<PackSource> {
    let source = |(name, kind, text): &(&str, _, &str)| PackSource {
        name: (*name).to_owned(),
        kind: *kind,
        text: (*text).to_owned(),
    };
    DEFAULT_PACKS.iter().map(source).collect()
}

/// The packs in force in the log of a data folder, in the order in which their names were first adopted. The log
/// may be in use meanwhile.
pub fn adopted_rules(data: &Path) -> Result<Vec<PackSource>, RulesError> {
    let log = data.join("log");
    if !log.join("segments").is_dir() {
        return Err(RulesError::NoLog { path: data.to_owned() });
    }
    let mut adopted: Vec<Adopted> = Vec::new();
    let report = verify(&log, |commit, _| {
        for event in commit.events().filter_map(Result::ok) {
            let Recorded::Known(envelope) = event else { continue };
            let Event::Rules(RulesEvent::Adopted(it)) = envelope.event else { continue };
            match adopted.iter_mut().find(|held| held.rules == it.rules) {
                Some(held) => *held = it,
                None => adopted.push(it),
            }
        }
    });
    if let Some(fault) = report.fault {
        return Err(RulesError::Log { path: log, cause: fault.into() });
    }
    let folder = data.join("packs");
    let store = PackStore::open(folder.clone()).map_err(|cause| RulesError::Io { path: folder, cause })?;
    let source = |it: Adopted| match store.text(it.pack_kind, &it.digest) {
        Ok(text) => Ok(PackSource { name: it.name, kind: it.pack_kind, text }),
        Err(cause) => Err(RulesError::Store { name: it.name, cause }),
    };
    adopted.into_iter().map(source).collect()
}

/// `rules`, with the packs in `folder` in the places of those of their names, or after them.
///
/// The folder is laid out as the software's own (`rules/`, `calendars/`, `policies/`) or flat.
pub fn with_folder(mut rules: Vec<PackSource>, folder: &Path) -> Result<Vec<PackSource>, RulesError> {
    let parts =
        [("rules", PackKind::Statutes), ("calendars", PackKind::Calendar), ("policies", PackKind::Policy)];
    let mut found = Vec::new();
    for (part, kind) in parts {
        let part = folder.join(part);
        if part.is_dir() {
            found.extend(files(&part)?.into_iter().map(|path| (path, vec![kind])));
        }
    }
    if found.is_empty() {
        let any = || parts.iter().map(|(_, kind)| *kind).collect();
        found.extend(files(folder)?.into_iter().map(|path| (path, any())));
    }
    if found.is_empty() {
        return Err(RulesError::Empty { path: folder.to_owned() });
    }
    for (path, kinds) in found {
        let source = source(&path, &kinds)?;
        match rules.iter_mut().find(|held| (held.kind, &held.name) == (source.kind, &source.name)) {
            Some(held) => *held = source,
            None => rules.push(source),
        }
    }
    Ok(rules)
}

/// The packs' files of one folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, RulesError> {
    let unread = |cause| RulesError::Io { path: folder.to_owned(), cause };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|it| it == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The pack in a file, of the first of `kinds` that it fits.
fn source(path: &Path, kinds: &[PackKind]) -> Result<PackSource, RulesError> {
    let text = fs::read_to_string(path).map_err(|cause| RulesError::Io { path: path.to_owned(), cause })?;
    let mut why = Vec::new();
    for kind in kinds {
        match Pack::parse(*kind, text.as_bytes()) {
            Ok(pack) => return Ok(PackSource { name: pack.name().to_owned(), kind: *kind, text }),
            Err(error) => why.push(crate::chain(&error)),
        }
    }
    Err(RulesError::NoPack { path: path.to_owned(), why: why.join("; ") })
}
