//! 备份: making a backup, checking one, putting one back; on the server's own machine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use linggong_events::head::HeadPublicKey;
use serde_json::{Value, json};

use super::exit::{Failure, Stop};
use super::log::{Kept, check as read_log, folder, mark_demo};
use super::output::{Out, word};
use crate::backup::{self, BackupError, Found, Places, SECRETS};
use crate::chain;
use crate::clock::Clock;
use crate::glossary::Lang;

/// What can be done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupVerb {
    /// Copies ledger, rules and vault of a data directory whose server may be at work, and reads the copy again.
    Create {
        /// Where to; a folder that is empty or not there.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "data", value_hint = ValueHint::DirPath)]
        data: PathBuf,
        /// Where the vault's part is to lie; `vault` in the backup where it is not given.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        vault: Option<PathBuf>,
    },
    /// Reads every byte of a backup again and changes nothing.
    Check(Which),
    /// Puts a backup into a data directory that does not hold anything yet, once every byte of it was read.
    Restore {
        /// Which backup.
        #[command(flatten)]
        which: Which,
        /// The data directory that is to be.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data: PathBuf,
    },
}

/// Which backup, and against what.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The backup.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Where its vault's part lies; `vault` in the backup where it is not given.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub vault: Option<PathBuf>,
    /// The vault's master key: with it every record of the vault is read, and nothing sealed is opened.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub master_key: Option<PathBuf>,
    /// Signed heads, closing sheets (JSON) and receipts (JSON) that were kept elsewhere: an older backup is noticed.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub against: Vec<PathBuf>,
    /// The public key of signed heads, `name+hash+key`; without it the one that the backup names.
    #[arg(long, value_name = "KEY")]
    pub key: Option<HeadPublicKey>,
}

pub(super) fn run(verb: &BackupVerb, clock: &Clock, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        BackupVerb::Create { dir, data, vault } => {
            let log = folder(data);
            if !data.join("log").join("segments").is_dir() {
                return Err(Failure::local(out.lang, "no_log", log.display().to_string()).into());
            }
            let places = Places::new(dir, vault.as_deref());
            let made = backup::create(data, &places, clock.now());
            let found = made.map_err(|error| failure(&error, out.lang))?;
            mark_demo(&log, out);
            out.record(&told(&found))
        }
        BackupVerb::Check(which) => {
            let found = checked(which, out)?;
            out.record(&told(&found))
        }
        BackupVerb::Restore { which, data } => {
            let found = checked(which, out)?;
            let places = Places::new(&which.dir, which.vault.as_deref());
            let state = backup::restore(&places, &found, data);
            let state = state.map_err(|error| failure(&error, out.lang))?;
            let mut report = told(&found);
            report["state_digest"] = json!(state);
            report["data"] = json!(data.display().to_string());
            report["needs"] = json!(SECRETS.join(", "));
            out.note(word("restored", out.lang))?;
            out.record(&report)
        }
    }
}

/// A backup that is sound in itself and holds what `--against` names.
fn checked(which: &Which, out: &mut Out<'_>) -> Result<Found, Stop> {
    let kept = which.against.iter().map(|path| Kept::read(path, which.key.as_ref(), out.lang));
    let kept: Vec<Kept> = kept.collect::<Result<_, _>>()?;
    let places = Places::new(&which.dir, which.vault.as_deref());
    let found = backup::check(&places, which.key.as_ref(), which.master_key.as_deref());
    let found = found.map_err(|error| failure(&error, out.lang))?;
    let log = which.dir.join("log");
    for kept in &kept {
        let against = read_log(&log, Some(kept), out.terminal).against;
        against.map_err(|why| Failure::local(out.lang, "not_sound", why))?;
    }
    mark_demo(&log, out);
    Ok(found)
}

fn told(found: &Found) -> Value {
    let it = &found.manifest;
    json!({
        "log": it.log, "made": it.made, "commit": it.commit, "position": it.position, "digest": it.digest,
        "root": it.root, "public_key": it.key, "state_digest": found.state, "files": found.files, "bytes": found.bytes,
        "vault": it.vault.is_some(), "vault_opened": found.vault_opened, "sound": true,
    })
}

fn failure(error: &BackupError, lang: Lang) -> Stop {
    let code = match error {
        BackupError::Io { .. } | BackupError::HeadKey(_) => "file",
        BackupError::NotEmpty { .. } => "not_empty",
        BackupError::None { .. } => "no_backup",
        BackupError::Open(error) if !error.is_loss() => "file",
        BackupError::Manifest { .. }
        | BackupError::File { .. }
        | BackupError::OtherVault { .. }
        | BackupError::Log(_)
        | BackupError::Open(_)
        | BackupError::Read(_)
        | BackupError::Fold(_)
        | BackupError::OtherLog(_)
        | BackupError::Signed(_)
        | BackupError::Rules(_)
        | BackupError::Packs(_)
        | BackupError::Vault(_)
        | BackupError::Unknown(_) => "not_sound",
    };
    Failure::local(lang, code, chain(error)).into()
}
