//! 体检: what a server says of itself, or what a data directory looks like from outside. It repairs nothing.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueHint};
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;
use linggong_events::measure::Position;
use serde_json::{Value, json};

use super::client::{Client, Wanted};
use super::exit::{Exit, Failure, Stop};
use super::output::{Column, Out, Show, column, shown, word};
use super::projection::count;
use crate::chain;
use crate::glossary::Lang;
use crate::serve::read_head_key;
use crate::vault::{Vault, VaultError, VaultSettings};

/// Less free disk than this is a warning.
const LOW_DISK_BYTES: u64 = 1 << 30;
/// A view that lags by more is a warning.
const LONG_LAG: u64 = 1000;

/// What to look at.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Look at this data directory instead of at the server.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// The vault's master key; vault.key in the data directory where it is not given.
    #[arg(long, value_name = "FILE", requires = "data", value_hint = ValueHint::FilePath)]
    pub master_key: Option<PathBuf>,
}

pub(super) const CHECKS: &[Column] = &[
    column("check", "check", Show::Code(&["Check"])),
    column("verdict", "verdict", Show::Code(&["Verdict"])),
    column("found", "found", Show::Text),
];

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Warning,
    Bad,
    Skipped,
}

/// The checks that were made.
#[derive(Default)]
struct Checks {
    rows: Vec<(&'static str, Verdict, String)>,
    broken: bool,
}

impl Checks {
    fn add(&mut self, check: &'static str, verdict: Verdict, found: impl Into<String>) {
        self.rows.push((check, verdict, found.into()));
    }

    /// Something kept is not as it was written.
    fn broken(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Verdict::Bad, found);
        self.broken = true;
    }

    fn show(self, out: &mut Out<'_>) -> Result<(), Stop> {
        let row = |(check, verdict, found): &(&str, Verdict, String)| {
            let verdict = match verdict {
                Verdict::Good => "good",
                Verdict::Warning => "warning",
                Verdict::Bad => "bad",
                Verdict::Skipped => "skipped",
            };
            json!({ "check": check, "verdict": verdict, "found": found })
        };
        let items: Vec<Value> = self.rows.iter().map(row).collect();
        let bad: Vec<_> =
            self.rows.iter().filter(|(_, it, _)| *it == Verdict::Bad).map(|(it, ..)| *it).collect();
        out.list(CHECKS, &json!({ "items": items, "healthy": bad.is_empty() }), &items)?;
        if bad.is_empty() {
            return Ok(());
        }
        let code = if self.broken { "not_sound" } else { "unhealthy" };
        Err(Failure::local(out.lang, code, bad.join(", ")).into())
    }
}

pub(super) fn online(client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let mut checks = Checks::default();
    let health = client.probe("/healthz")?;
    let alive = if health.0 == 200 { Verdict::Good } else { Verdict::Bad };
    checks.add("healthz", alive, format!("HTTP {}", health.0));
    let (status, said) = client.probe("/readyz")?;
    let verdict = if status == 200 { Verdict::Good } else { Verdict::Bad };
    checks.add("readyz", verdict, if said.is_null() { format!("HTTP {status}") } else { said.to_string() });
    if let Some(held) = said["clock_held"].as_bool() {
        let (verdict, found) =
            if held { (Verdict::Bad, "held: office.confirm_clock") } else { (Verdict::Good, "") };
        checks.add("clock", verdict, found);
    }
    match client.get("/v1/log/head", &[]) {
        Ok(head) => checks.add("head_key", Verdict::Good, head["public_key"].as_str().unwrap_or_default()),
        // Whatever keeps the head from being told is told by the other checks.
        Err(failure) => checks.add("head_key", Verdict::Skipped, failure.title),
    }
    match client.list("/v1/projections", &[], &Wanted::default()) {
        Ok((_, views)) => views.iter().for_each(|view| {
            let lag = count(&view["lag"]);
            let verdict = match view["state"].as_str() {
                Some("parked" | "frozen" | "ahead" | "failed") => Verdict::Bad,
                Some(_) | None if lag > LONG_LAG => Verdict::Warning,
                Some(_) | None => Verdict::Good,
            };
            let name = shown(Show::View, Some(&view["name"]), out.lang, true);
            let why = view["trouble"].as_str().map(|it| format!(" ({it})")).unwrap_or_default();
            checks.add("view_lag", verdict, format!("{name}: {lag}{why}"));
        }),
        Err(failure) if failure.exit == Exit::NotPermitted || failure.exit == Exit::NotFound => {
            checks.add("view_lag", Verdict::Skipped, failure.title);
        }
        Err(failure) => return Err(failure.into()),
    }
    checks.show(out)
}

pub(super) fn offline(data: &Path, master_key: Option<&Path>, out: &mut Out<'_>) -> Result<(), Stop> {
    let log = super::log::folder(data);
    if !log.join("segments").is_dir() {
        return Err(Failure::local(out.lang, "no_log", log.display().to_string()).into());
    }
    super::log::mark_demo(&log, out);
    let mut checks = Checks::default();
    let in_use = lock(&log, out.lang, &mut checks);
    let head = segments(&log, out.terminal, &mut checks);
    views(&data.join("views"), head, in_use, out.lang, &mut checks);
    let key = master_key.map_or_else(|| data.join("vault.key"), Path::to_owned);
    vault(&data.join("vault"), key, &log, out.lang, &mut checks);
    head_key(data, &log, out.lang, &mut checks);
    disk(data, &mut checks);
    checks.show(out)
}

/// Whether a process holds the log; that is as it should be while the server runs.
fn lock(log: &Path, lang: Lang, checks: &mut Checks) -> bool {
    let lock = File::open(log.join("lock")).map_err(TryLockError::Error).and_then(|it| it.try_lock());
    match lock {
        Ok(()) => checks.add("lock", Verdict::Good, word("free", lang)),
        Err(TryLockError::WouldBlock) => {
            checks.add("lock", Verdict::Good, word("in_use", lang));
            return true;
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::NotFound => {
            checks.add("lock", Verdict::Good, word("free", lang));
        }
        Err(TryLockError::Error(error)) => checks.add("lock", Verdict::Bad, error.to_string()),
    }
    false
}

/// Reads every byte of the log again, its head file with it.
fn segments(log: &Path, terminal: bool, checks: &mut Checks) -> Position {
    let report = super::log::check(log, None, terminal).report;
    let head = report.head;
    match &report.fault {
        None => checks.add(
            "segments",
            Verdict::Good,
            format!("{} / {} B / {}", report.segments, report.bytes, head.position),
        ),
        Some(fault) => checks.broken("segments", chain(fault)),
    }
    if let Some(torn) = &report.torn {
        let place = format!("{} {}..{}", torn.file.display(), torn.bytes.start, torn.bytes.end);
        checks.add("torn", Verdict::Warning, place);
    }
    head.position
}

/// Opens a copy of the views, since opening may set some aside, and compares their checkpoints with the log.
fn views(views: &Path, head: Position, in_use: bool, lang: Lang, checks: &mut Checks) {
    if !views.is_dir() {
        return checks.add("views", Verdict::Warning, word("not_there", lang));
    }
    if in_use {
        return checks.add("views", Verdict::Skipped, word("in_use", lang));
    }
    let copied = tempfile::tempdir().and_then(|dir| copy(views, dir.path()).map(|()| dir));
    let dir = match copied {
        Ok(dir) => dir,
        Err(error) => return checks.add("views", Verdict::Skipped, error.to_string()),
    };
    let opened = match linggong_projections::open_all(dir.path()) {
        Ok(opened) => opened,
        Err(error) => return checks.add("views", Verdict::Bad, chain(&error)),
    };
    for aside in &opened.quarantined {
        let found = serde_json::to_string(aside).unwrap_or_default();
        checks.add("views", Verdict::Warning, found);
    }
    for view in &opened.projections {
        match view.checkpoint() {
            // A view that saw more than the log holds: the log lost what it had told.
            Ok(at) if at > head => checks.broken("checkpoint", format!("{}: {at} > {head}", view.name())),
            Ok(at) => checks.add("checkpoint", Verdict::Good, format!("{}: {at} / {head}", view.name())),
            Err(error) => {
                checks.add("checkpoint", Verdict::Warning, format!("{}: {}", view.name(), chain(&error)))
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn vault(directory: &Path, master_key: PathBuf, log: &Path, lang: Lang, checks: &mut Checks) {
    // Opening makes what is not there; looking must not.
    if !directory.join("keys.log").exists() {
        return checks.add("vault", Verdict::Bad, word("not_there", lang));
    }
    let first = EmbeddedLog::open_read_only(log).ok().and_then(|it| it.reader.commits(1).next()?.ok());
    let Some(first) = first else {
        return checks.add("vault", Verdict::Skipped, word("not_there", lang));
    };
    let header = first.header();
    let demo = header.genesis.as_ref().is_some_and(|it| it.demo);
    let settings =
        VaultSettings { directory: directory.to_owned(), master_key, log: header.log.clone(), demo };
    match Vault::open(&settings) {
        Ok(_) => checks.add("vault", Verdict::Good, word("opens", lang)),
        Err(VaultError::Locked { .. }) => checks.add("vault", Verdict::Good, word("in_use", lang)),
        Err(error) => checks.broken("vault", chain(&error)),
    }
}

/// The public key of signed heads, to be compared with the one that was pinned elsewhere.
fn head_key(data: &Path, log: &Path, lang: Lang, checks: &mut Checks) {
    if !data.join("head.key").exists() {
        return checks.add("head_key", Verdict::Warning, word("not_there", lang));
    }
    let first = EmbeddedLog::open_read_only(log).ok().and_then(|it| it.reader.commits(1).next()?.ok());
    let Some(first) = first else {
        return checks.add("head_key", Verdict::Skipped, word("not_there", lang));
    };
    match read_head_key(data, &first.header().log) {
        Ok(key) => checks.add("head_key", Verdict::Good, key.public().to_string()),
        Err(error) => checks.add("head_key", Verdict::Bad, chain(&error)),
    }
}

/// Asks `df`, since the standard library does not tell how much is free.
fn disk(data: &Path, checks: &mut Checks) {
    let output = Command::new("df").arg("-Pk").arg(data).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default();
    let kilobytes = text.lines().nth(1).and_then(|it| it.split_whitespace().nth(3)?.parse::<u64>().ok());
    let Some(kilobytes) = kilobytes else { return checks.add("disk", Verdict::Skipped, "df") };
    let verdict =
        if kilobytes.saturating_mul(1024) < LOW_DISK_BYTES { Verdict::Warning } else { Verdict::Good };
    checks.add("disk", verdict, format!("{} MiB", kilobytes / 1024));
}
