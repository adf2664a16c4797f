//! The decoders, each as cargo-fuzz calls one.

use std::fs;
use std::path::Path;
use std::str::from_utf8;

use linggong_engine::pack::Pack;
use linggong_events::commit::{Commit, Digest};
use linggong_events::envelope::Recorded;
use linggong_events::head::{HeadKey, HeadPublicKey, SignedHead};
use linggong_events::id::EntityRef;
use linggong_events::log::embedded::{EmbeddedLog, Options, verify};
use linggong_events::log::{Author, EventLog as _};
use linggong_events::measure::Position;
use linggong_events::region::Region;
use linggong_events::rules::PackKind;
use linggong_events::time::{Date, Timestamp};
use linggong_gateway::import::{self, Options as ImportOptions};
use linggong_projections::Cursor;

use crate::{corpus, office};

/// Its name, where its seeds come from (given the folder of the corpora), how many mutations in a hurry, and itself.
type Target = (&'static str, fn(&Path) -> Vec<Vec<u8>>, usize, fn(&[u8]));

pub(crate) const TARGETS: &[Target] = &[
    ("frame", frames, 300, frame),
    ("commit", commits, 4000, commit),
    ("event", |_| goldens("json"), 6000, event),
    ("import", sheets, 250, sheet),
    ("cursor", |folder| corpus(&folder.join("cursor")), 20_000, cursor),
    ("head", |folder| [corpus(&folder.join("head")), signed()].concat(), 2000, head),
    ("pack", packs, 60, pack),
    ("log", office::logs, 150, office::log),
    ("snapshot", office::snapshots, 1500, office::one_snapshot),
    ("manifest", office::manifests, 100, office::manifest),
    ("vault", office::vaults, 100, office::vault),
    ("scenario", office::scenarios, 1500, office::scenario),
    ("row", office::rows, 10_000, office::row),
];

/// Frames of a segment: whatever stands in the file is sound, torn or damaged, and said so.
fn frame(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let segments = folder.path().join("segments");
    fs::create_dir(&segments).expect("its segments");
    fs::write(segments.join(format!("{:020}.log", 1)), bytes).expect("a segment");
    let mut sound = 0;
    let report = verify(folder.path(), |commit, _| {
        assert!(Commit::parse(commit.bytes().to_vec()).is_ok(), "a sound commit is one");
        sound += 1;
    });
    assert!(report.head.commit == sound, "every sound commit was shown");
    let _ = EmbeddedLog::open_read_only(folder.path());
}

/// A commit, and every event of it.
fn commit(bytes: &[u8]) {
    let Ok(commit) = Commit::parse(bytes.to_vec()) else { return };
    assert_eq!(commit.bytes(), bytes, "the bytes are the record");
    for event in commit.events() {
        let _ = event;
    }
    let _ = commit.line_at(commit.last());
}

/// An event's line: read, lifted to its newest version, written and read again.
fn event(bytes: &[u8]) {
    let Ok(Recorded::Known(envelope)) = Recorded::from_line(bytes) else { return };
    let Ok(line) = envelope.to_line() else { return };
    let again = Recorded::from_line(&line).expect("what we write we read");
    let Recorded::Known(again) = again else { panic!("a known event stays known") };
    assert_eq!(again, envelope);
}

/// An office's sheet, CSV or XLSX, by its bytes alone.
fn sheet(bytes: &[u8]) {
    let options = ImportOptions {
        region: "371622".parse().expect("a county"),
        markets: [].into(),
        today: "2026-09-14".parse().expect("a date"),
        year: 2026,
        shift_days: 0,
    };
    let _ = import::read(bytes, "表", &options);
}

/// What stands in paths and queries: cursors, positions, instants, ids, divisions, digests.
fn cursor(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor), "a cursor is read as it is written");
    }
    let _ = (text.parse::<Position>(), text.parse::<Region>(), text.parse::<EntityRef>());
    if let Ok(at) = text.parse::<Timestamp>() {
        assert_eq!(at.to_string().parse::<Timestamp>().ok(), Some(at), "an instant is read as it is written");
        let _ = (at.date(), at.local());
    }
    if let Ok(date) = text.parse::<Date>() {
        assert_eq!(date.to_string().parse::<Date>().ok(), Some(date), "a date is read as it is written");
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(
            digest.to_string().parse::<Digest>().ok(),
            Some(digest),
            "a digest is read as it is written"
        );
    }
}

fn key() -> HeadKey {
    HeadKey::new("linggong/lg-37/0", &[7; 32]).expect("a key of a test")
}

/// A signed head and a public key, as somebody may hand them in.
fn head(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(signed) = SignedHead::verify(text, &key().public()) {
        assert_eq!(signed.text(), text, "what is signed is what was handed in");
    }
    if let Ok(key) = text.parse::<HeadPublicKey>() {
        assert_eq!(key.to_string(), text, "one way of writing a key");
    }
}

/// A rule pack of any kind, as an office may upload one.
fn pack(bytes: &[u8]) {
    for kind in [PackKind::Statutes, PackKind::Calendar, PackKind::Policy] {
        if let Ok(pack) = Pack::parse(kind, bytes) {
            assert_eq!(pack.digest(), Digest::of(bytes));
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository")
}

/// The golden files of one ending: what landed is the best corpus there is.
fn goldens(ending: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(repository().join("events/golden"))
        .expect("the golden files")
        .map(|it| it.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let mut bytes = fs::read(path).expect("a golden file");
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        bytes
    };
    paths.iter().map(read).collect()
}

/// A small log of three commits: the genesis, events of many types, and a taking over.
fn small_log() -> (tempfile::TempDir, Vec<Commit>) {
    let author = Author { log: "lg-37".into(), partition: 0, software: "fuzz".into() };
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { segment_bytes: 1 << 16, ..Options::default() };
    let mut log = EmbeddedLog::create(folder.path(), options).expect("a log");
    let mut written = vec![author.genesis(true).expect("a genesis")];
    log.append(&written[0]).expect("it is appended");
    for _ in 0..2 {
        let takeover = author.takeover(&log.head(), 12).expect("a taking over");
        log.append(&takeover).expect("it is appended");
        written.push(takeover);
    }
    (folder, written)
}

/// The segment of a small log, with and without what was preallocated.
fn frames(folder: &Path) -> Vec<Vec<u8>> {
    let (log, _) = small_log();
    let whole = corpus(&log.path().join("segments")).remove(0);
    let used = whole.iter().rposition(|it| *it != 0).map_or(0, |it| it + 1);
    let own = vec![whole[..used].to_vec(), whole[..used.next_multiple_of(32)].to_vec(), whole];
    [own, corpus(&folder.join("frame"))].concat()
}

fn commits(_: &Path) -> Vec<Vec<u8>> {
    let own = small_log().1.iter().map(|it| it.bytes().to_vec()).collect();
    let golden = goldens("jsonl").into_iter().map(|mut bytes| {
        bytes.push(b'\n');
        bytes
    });
    [own, golden.collect::<Vec<_>>()].concat()
}

fn sheets(folder: &Path) -> Vec<Vec<u8>> {
    let sample = linggong_gateway::sample::FILES.iter().map(|(_, bytes)| bytes.to_vec());
    sample.chain(corpus(&folder.join("import"))).collect()
}

fn signed() -> Vec<Vec<u8>> {
    let (_, commits) = small_log();
    let mut audit = linggong_events::log::Audit::default();
    for commit in &commits {
        audit.commit(commit).expect("a sound commit");
    }
    let head = SignedHead::sign(&audit, &key()).text().as_bytes().to_vec();
    vec![head, key().public().to_string().into_bytes()]
}

fn packs(folder: &Path) -> Vec<Vec<u8>> {
    let shipped = linggong_engine::pack::DEFAULT_PACKS.iter().map(|(_, _, text)| text.as_bytes().to_vec());
    shipped.chain(corpus(&folder.join("pack"))).collect()
}
