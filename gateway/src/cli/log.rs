//! 日志: checking every byte of it offline, its signed head, and the day's closing sheet.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use linggong_engine::snapshot::{Replay, Snapshot};
use linggong_events::commit::{Commit, Digest};
use linggong_events::head::{HeadKey, HeadPublicKey, SignedHead};
use linggong_events::log::embedded::repair::Proof;
use linggong_events::log::embedded::{EmbeddedLog, VerifyReport, verify as read_again};
use linggong_events::log::{Audit, LogReader as _};
use linggong_events::measure::Position;
use linggong_events::time::Date;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Failure, Stop};
use super::output::{Format, Out, clean, word};
use super::progress::Progress;
use crate::chain;
use crate::day_sheet::{Day, Standing};
use crate::glossary::Lang;
use crate::serve::read_head_key;
use crate::snapshot::SnapshotStore;

/// What can be asked about the log.
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// Reads every byte of a log on this machine again: frames, hash chain, Merkle tree. Changes nothing.
    Verify(VerifyArgs),
    /// Mends a damaged log of which no server holds the lock: shows what it would do, and does it with --yes.
    Repair(super::repair::RepairArgs),
    /// The signed head, to be kept elsewhere.
    Head {
        /// Of the log in this data directory, without a server or a token.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data: Option<PathBuf>,
    },
    /// 日结单: the day's closing sheet, to be printed and signed.
    SealDay {
        /// The day; today where it is not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<Date>,
        /// Of the log in this data directory, without a server or a token; it leaves out the access log, which
        /// only the vault can read.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data: Option<PathBuf>,
    },
}

/// Which log, and against what.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// A signed head, a closing sheet (JSON) or a receipt (JSON) that was kept elsewhere.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub against: Option<PathBuf>,
    /// The public key of signed heads, `name+hash+key`.
    #[arg(long, value_name = "KEY", requires = "against")]
    pub key: Option<HeadPublicKey>,
    /// Also fold every event into the engine's state, tell its digest, and compare the newest snapshot with it.
    #[arg(long)]
    pub state: bool,
}

/// The folder of the log in a data directory; the directory itself where it is one.
pub(super) fn folder(data: &Path) -> PathBuf {
    let inner = data.join("log");
    if inner.is_dir() { inner } else { data.to_owned() }
}

pub(super) fn verify(args: &VerifyArgs, out: &mut Out<'_>) -> Result<(), Stop> {
    let kept =
        args.against.as_deref().map(|path| Kept::read(path, args.key.as_ref(), out.lang)).transpose()?;
    let log = folder(&args.data);
    if !log.join("segments").is_dir() {
        return Err(Failure::local(out.lang, "no_log", log.display().to_string()).into());
    }
    mark_demo(&log, out);
    let Checked { report, against } = check(&log, kept.as_ref(), out.terminal);
    let fault = report.fault.as_ref().map(|it| chain(it));
    let mut found = json!({
        "segments": report.segments, "bytes": report.bytes, "commit": report.head.commit,
        "position": report.head.position, "digest": report.head.digest, "root": report.root,
        "sound": fault.is_none() && against.is_ok(), "fault": fault, "against": against.as_ref().err(),
    });
    if let Some(torn) = &report.torn {
        found["torn"] = json!(format!("{} {}..{}", torn.file.display(), torn.bytes.start, torn.bytes.end));
        out.note(word("torn", out.lang))?;
    }
    let mut other_state = None;
    if args.state && fault.is_none() {
        let folded = fold(&log, &args.data.join("snapshots"));
        let folded = folded.map_err(|why| Failure::local(out.lang, "not_sound", why))?;
        found["state_digest"] = json!(folded.digest);
        if let Some(snapshot) = folded.snapshot {
            found["snapshot_commit"] = json!(snapshot.commit);
            found["snapshot_digest"] = json!(snapshot.digest);
            if snapshot.replayed.is_some_and(|it| it != snapshot.digest) {
                found["sound"] = json!(false);
                other_state = Some(format!("the snapshot of commit {} is not its state", snapshot.commit));
            }
        }
    }
    out.record(&found)?;
    match fault.into_iter().chain(against.err()).chain(other_state).next() {
        None => Ok(()),
        Some(what) => Err(Failure::local(out.lang, "not_sound", what).into()),
    }
}

/// Lets the output say so where the log in `log` is a demo.
pub(super) fn mark_demo(log: &Path, out: &mut Out<'_>) {
    let first = EmbeddedLog::open_read_only(log).ok().and_then(|it| it.reader.commits(1).next()?.ok());
    if first.is_some_and(|it| it.header().genesis.as_ref().is_some_and(|it| it.demo)) {
        out.is_of_demo();
    }
}

/// What all events together come to.
struct Folded {
    digest: Digest,
    snapshot: Option<FoldedSnapshot>,
}

/// The newest snapshot that can be read.
struct FoldedSnapshot {
    commit: u64,
    digest: Digest,
    /// What a replay has at that commit; nothing where another build made the snapshot.
    replayed: Option<Digest>,
}

/// Folds the whole log in `log`, and looks on the way whether the newest of `snapshots` is what is so at its commit.
fn fold(log: &Path, snapshots: &Path) -> Result<Folded, String> {
    let told = |error: &dyn std::error::Error| chain(error);
    let files = SnapshotStore::new(snapshots.to_owned(), "", 0).files().map_err(|error| told(&error))?;
    let newest = files.iter().find_map(|path| {
        let bytes = fs::read(path).ok()?;
        let snapshot = Snapshot::check(&bytes).ok()?;
        Some((snapshot.head().commit, snapshot.state_digest(), snapshot.is_of_this_fold()))
    });
    let (mut replay, mut replayed) = (Replay::default(), None);
    let opened = EmbeddedLog::open_read_only(log).map_err(|error| told(&error))?;
    for commit in opened.reader.commits(1) {
        replay.apply(&commit.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
        if newest.is_some_and(|(at, _, comparable)| comparable && at == replay.head.commit) {
            replayed = Some(replay.state.digest());
        }
    }
    let snapshot = newest.map(|(commit, digest, _)| FoldedSnapshot { commit, digest, replayed });
    Ok(Folded { digest: replay.state.digest(), snapshot })
}

/// What reading a log again has found.
pub(super) struct Checked {
    pub(super) report: VerifyReport,
    /// Whether it holds what was kept elsewhere; if not, in which way.
    pub(super) against: Result<(), String>,
}

/// Reads the log in `log` again and compares it with what was kept.
pub(super) fn check(log: &Path, kept: Option<&Kept>, terminal: bool) -> Checked {
    let all = kept_bytes(&log.join("segments"));
    let (mut progress, mut bytes) = (Progress::new(terminal), 0);
    let mut found = None;
    let report = read_again(log, |commit, audit| {
        bytes += commit.bytes().len() as u64;
        progress.at(bytes, all);
        if let Some(kept) = kept
            && kept.commit == audit.head().commit
        {
            found = Some(kept.compared(commit, audit));
        }
    });
    let against = match (kept, found) {
        (None, _) => Ok(()),
        (Some(_), Some(compared)) => compared,
        (Some(kept), None) => Err(format!(
            "the log is shorter than it was: it ends with commit {} at position {}, but {} knows commit {}{}",
            report.head.commit,
            report.head.position,
            kept.what,
            kept.commit,
            kept.size.map(|it| format!(" at position {it}")).unwrap_or_default(),
        )),
    };
    Checked { report, against }
}

fn kept_bytes(segments: &Path) -> u64 {
    let entries = fs::read_dir(segments).into_iter().flatten().flatten();
    entries.filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum()
}

/// What a head, sheet or receipt says that the log held.
pub(super) struct Kept {
    /// What it is, in words.
    what: &'static str,
    commit: u64,
    digest: Digest,
    size: Option<Position>,
    root: Option<Digest>,
    /// The hashes of single events, by position.
    events: Vec<(Position, Digest)>,
}

impl Kept {
    pub(super) fn read(path: &Path, key: Option<&HeadPublicKey>, lang: Lang) -> Result<Kept, Failure> {
        let bad = |why: String| Failure::local(lang, "bad_head_file", format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        Kept::parse(&text, key, lang).map_err(bad)
    }

    /// Reads what somebody kept for years; otherwise says what of it cannot be read.
    pub(super) fn parse(text: &str, key: Option<&HeadPublicKey>, lang: Lang) -> Result<Kept, String> {
        let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        if let (Some(commit), Some(digest)) = (json["commit"].as_u64(), json["commit_digest"].as_str()) {
            let digest = digest.parse().map_err(|_| "commit_digest".to_owned())?;
            let events = json["events"].as_array().into_iter().flatten().map(|it| {
                let position = it["position"].as_str().and_then(|it| it.parse().ok());
                let digest = it["digest"].as_str().and_then(|it| it.parse().ok());
                position.zip(digest).ok_or_else(|| "events".to_owned())
            });
            let events = events.collect::<Result<_, _>>()?;
            return Ok(Kept { what: "the receipt", commit, digest, size: None, root: None, events });
        }
        let what = if json["signed_head"].is_string() { "the closing sheet" } else { "the signed head" };
        let signed = json["signed_head"].as_str().or(json["signed"].as_str()).unwrap_or(text);
        // The line above the head of a demo is not signed.
        let signed = match signed.split_once('\n') {
            Some((first, rest)) if first.starts_with("# ") => rest,
            Some(_) | None => signed,
        };
        let key = key.ok_or_else(|| word("key_wanted", lang).to_owned())?;
        let signed = SignedHead::verify(signed, key).map_err(|error| error.to_string())?;
        let head = signed.head();
        let (size, root) = (Some(head.size), Some(head.root));
        Ok(Kept { what, commit: head.commit, digest: head.digest, size, root, events: Vec::new() })
    }

    /// What a repair goes by.
    pub(super) fn proof(&self) -> Proof {
        Proof { commit: self.commit, digest: self.digest, tree: self.size.zip(self.root) }
    }

    /// Whether the commit that it names is in the log as it says; if not, what is expected and what is found.
    fn compared(&self, commit: &Commit, audit: &Audit) -> Result<(), String> {
        let (what, number, head) = (self.what, self.commit, audit.head());
        let differs = |place: String, expected: String, found: String| {
            Err(format!("{place} is not what {what} knows: expected {expected}, found {found}"))
        };
        for (position, expected) in &self.events {
            let found = commit.line_at(*position).map(Digest::of);
            if found != Some(*expected) {
                let found = found.map_or_else(|| "no such event there".to_owned(), |it| it.to_string());
                return differs(format!("the event at position {position}"), expected.to_string(), found);
            }
        }
        if self.digest != head.digest {
            return differs(format!("commit {number}"), self.digest.to_string(), head.digest.to_string());
        }
        if let Some(size) = self.size.filter(|it| *it != head.position) {
            let place = format!("the position after commit {number}");
            return differs(place, size.to_string(), head.position.to_string());
        }
        if let Some(root) = self.root.filter(|it| *it != audit.root()) {
            let place = format!("the root over positions 1 to {}", head.position);
            return differs(place, root.to_string(), audit.root().to_string());
        }
        Ok(())
    }
}

/// Reads every byte of the log in a data directory and tells `each` of every sound commit.
fn read_through(
    data: &Path,
    lang: Lang,
    mut each: impl FnMut(&Commit, &Audit),
) -> Result<(VerifyReport, Commit, HeadKey), Stop> {
    let log = folder(data);
    let fails = |code: &str, what: String| Failure::local(lang, code, what);
    if !log.join("segments").is_dir() {
        return Err(fails("no_log", log.display().to_string()).into());
    }
    let (mut genesis, mut key) = (None, None);
    let report = read_again(&log, |commit, audit| {
        if commit.header().genesis.is_some() {
            key = read_head_key(data, &commit.header().log).map_err(|error| chain(&error)).into();
            genesis = Some(commit.clone());
        }
        each(commit, audit);
    });
    if let Some(fault) = &report.fault {
        return Err(fails("not_sound", chain(fault)).into());
    }
    match (genesis, key) {
        (Some(genesis), Some(Ok(key))) => Ok((report, genesis, key)),
        (_, Some(Err(why))) => Err(fails("file", why).into()),
        (_, None) | (None, Some(Ok(_))) => Err(fails("no_log", log.display().to_string()).into()),
    }
}

/// The signed head of the log in a data directory, once every byte of it was read again.
pub(super) fn head_of(data: &Path, out: &mut Out<'_>) -> Result<(), Stop> {
    let (report, _, key) = read_through(data, out.lang, |_, _| {})?;
    mark_demo(&folder(data), out);
    let signed = SignedHead::of(report.head, report.root, &key).text().to_owned();
    let public = key.public().to_string();
    if out.format == Format::Table {
        return signed_lines(&signed, &public, out);
    }
    let head = report.head;
    out.record(&json!({
        "commit": head.commit, "epoch": head.epoch, "position": head.position, "digest": head.digest,
        "signed": signed, "public_key": public,
    }))
}

/// 日结单 of the log in a data directory, once every byte of it was read again.
pub(super) fn seal_day_of(
    date: Option<Date>,
    today: Date,
    data: &Path,
    out: &mut Out<'_>,
) -> Result<(), Stop> {
    let date = date.unwrap_or(today);
    let mut day = Day::new(date);
    let (_, genesis, key) = read_through(data, out.lang, |commit, audit| day.commit(commit, audit))?;
    let demo = genesis.header().genesis.as_ref().is_some_and(|it| it.demo);
    mark_demo(&folder(data), out);
    let standing = day.standing(today);
    if standing == Standing::ToCome {
        return Err(Failure::local(out.lang, "day_to_come", date.to_string()).into());
    }
    show_sheet(&day.sheet(&key, None, demo, standing), out)
}

pub(super) fn head(client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let head = client.get("/v1/log/head", &[])?;
    match (out.format, head["signed"].as_str()) {
        // As it is: a single blank more would break the signature.
        (Format::Table, Some(signed)) => {
            signed_lines(signed, head["public_key"].as_str().unwrap_or_default(), out)
        }
        (Format::Table | Format::Json | Format::Ndjson | Format::Csv, _) => out.record(&head),
    }
}

pub(super) fn seal_day(date: Option<Date>, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let query: Vec<_> = date.iter().map(|it| ("date", it.to_string())).collect();
    show_sheet(&client.get("/v1/log/seal-day", &query)?, out)
}

fn show_sheet(sheet: &Value, out: &mut Out<'_>) -> Result<(), Stop> {
    match (out.format, sheet["sheet"].as_str(), sheet["signed_head"].as_str()) {
        (Format::Table, Some(text), Some(signed)) => {
            lines(text, out)?;
            out.line("")?;
            lines(signed, out)
        }
        (Format::Table | Format::Json | Format::Ndjson | Format::Csv, _, _) => out.record(sheet),
    }
}

/// A signed head as it is; above that of a demo stands a line that says so, which `--against` passes over. The key is
/// no part of what is kept: it is told beside it, to be pinned elsewhere.
fn signed_lines(signed: &str, public: &str, out: &mut Out<'_>) -> Result<(), Stop> {
    if out.demo() {
        lines(&format!("# {}", word("demo_data", out.lang)), out)?;
    }
    lines(signed, out)?;
    out.note(&format!("{}: {public}", word("pinned_key", out.lang)))
}

fn lines(text: &str, out: &mut Out<'_>) -> Result<(), Stop> {
    let text: Vec<_> = text.lines().map(clean).collect();
    out.bytes(format!("{}\n", text.join("\n")).as_bytes())
}

#[cfg(test)]
mod tests {
    use linggong_events::head::HeadKey;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A receipt or sheet comes from outside, and may be anything.
        #[test]
        fn what_somebody_kept_is_read_or_refused(
            commit in "[0-9]{1,21}|-1|null|\"1\"",
            digest in "[0-9a-f]{62,66}|sha256:.{0,8}|",
            events in "\\[\\{\"position\":\"?[0-9]{1,21}\"?,\"digest\":\"[0-9a-f]{0,66}\"\\}?\\]?|\\{\\}|\\[1\\]",
            signed in "(# .{0,8}\n)?.{0,60}",
            cut in 0_usize..200,
        ) {
            let key = HeadKey::new("linggong/lg-37/0", &[7; 32]).unwrap().public();
            let sheet = serde_json::json!({ "signed_head": signed }).to_string();
            let receipt = format!("{{\"commit\":{commit},\"commit_digest\":\"{digest}\",\"events\":{events}}}");
            for whole in [&receipt, &sheet, &signed] {
                let part: String = whole.chars().take(cut).collect();
                for text in [whole.as_str(), &part] {
                    if let Ok(kept) = Kept::parse(text, Some(&key), Lang::En) {
                        prop_assert_eq!(kept.what, "the receipt", "nothing of this was signed");
                    }
                }
            }
        }
    }
}
