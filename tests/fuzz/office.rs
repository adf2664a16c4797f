//! What an office keeps in files, made once: a log of two segments, snapshots, a backup, a vault; each decoder gets the
//! files back with changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linggong_engine::snapshot::{self, Replay, Snapshot};
use linggong_events::codec;
use linggong_events::commit::Commit;
use linggong_events::log::embedded::{EmbeddedLog, Options};
use linggong_events::log::{Author, EventLog as _, LogReader as _};
use linggong_events::time::Timestamp;
use linggong_gateway::backup::{self, Places};
use linggong_gateway::drill::format;
use linggong_gateway::vault::{Vault, VaultSettings};
use linggong_tests::{Server, id_of};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The file of a backup that says what it holds.
const MANIFEST: &str = "manifest";
const SMALL: Options =
    Options { segment_bytes: 4096, head_every: 2, known: linggong_events::measure::Position(0) };

/// The folders of an office that is closed.
struct Office {
    folder: tempfile::TempDir,
    vault: VaultSettings,
    log: String,
    commits: Vec<Commit>,
}

impl Office {
    /// A day of an office, once for all targets.
    fn get() -> &'static Office {
        static OFFICE: OnceLock<Office> = OnceLock::new();
        OFFICE.get_or_init(|| {
            let runtime = tokio::runtime::Runtime::new().expect("threads");
            runtime.block_on(Office::open())
        })
    }

    async fn open() -> Office {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start("2026-11-23T04:50:00+08:00").await;
        for (nth, number) in ["370102199003070016", "370102199003070024"].into_iter().enumerate() {
            let person = json!({ "name": "张三", "document": { "kind": "resident_id", "number": number },
                                 "phone": format!("1390000000{nth}") });
            let profile = json!({ "skills": [{ "occupation": "loader", "level": "skilled" }], "certificates": [], "reach": 20_000, "expectation": 0,
                                  "available": [], "declines_ranking": false });
            let body = json!({ "person": person, "profile": profile });
            let receipt = server.command("clerk", "worker.register", body).await.ok();
            let person = id_of(&receipt, "person");
            server.store_evidence("officer", &format!("person/{person}"), "欠条一张").await;
        }
        let config = server.config().clone();
        server.running.stop().await.expect("it stops");
        let [data, made, vault] = ["data", "backup", "backup-vault"].map(|it| folder.path().join(it));
        copy_tree(&config.data, &data);
        backup::create(
            &data,
            &Places { dir: made, vault },
            Timestamp::from_ms(1_795_000_000_000).expect("a time"),
        )
        .expect("a backup");
        let master_key = data.join(config.vault_key_file().file_name().expect("its name"));
        let settings =
            VaultSettings { directory: data.join("vault"), master_key, log: config.log.clone(), demo: true };
        // The same commits in small segments, so that some are sealed.
        let kept = EmbeddedLog::open_read_only(&data.join("log")).expect("the log");
        let commits: Vec<Commit> = kept.reader.commits(1).map(|it| it.expect("a commit")).collect();
        let mut small = EmbeddedLog::create(&folder.path().join("small"), SMALL).expect("a log");
        for commit in &commits {
            small.append(commit).expect("it is appended");
        }
        Office { folder, vault: settings, log: config.log, commits }
    }

    fn small(&self) -> PathBuf {
        self.folder.path().join("small")
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Each file with its number before it: the number says which file of a copy the rest stands in for.
fn numbered(folder: &Path) -> Vec<Vec<u8>> {
    let read = |(nth, path): (usize, &PathBuf)| {
        let bytes = fs::read(path).expect("a file");
        let used = bytes.iter().rposition(|it| *it != 0).map_or(0, |it| it + 1);
        [&[nth as u8], &bytes[..bytes.len().min(used + 600)]].concat()
    };
    files(folder).iter().enumerate().map(read).collect()
}

/// A copy of `folder` in which one file is as `bytes` say.
fn changed(folder: &Path, bytes: &[u8]) -> Option<tempfile::TempDir> {
    let (nth, bytes) = bytes.split_first()?;
    let copy = tempfile::tempdir().expect("a folder");
    copy_tree(folder, copy.path());
    let all = files(copy.path());
    fs::write(&all[usize::from(*nth) % all.len()], bytes).expect("a file");
    Some(copy)
}

pub(crate) fn logs(_: &Path) -> Vec<Vec<u8>> {
    numbered(&Office::get().small())
}

/// A segment or the head file of a log that is opened to be written: it is refused, or what it gives was written, and it
/// goes on.
pub(crate) fn log(bytes: &[u8]) {
    let office = Office::get();
    let Some(copy) = changed(&office.small(), bytes) else { return };
    let Ok(mut log) = EmbeddedLog::open(copy.path(), SMALL) else { return };
    let mut read = 0;
    for (commit, written) in log.reader().commits(1).map_while(Result::ok).zip(&office.commits) {
        assert_eq!(commit.bytes(), written.bytes(), "what is read was written");
        read += 1;
    }
    if read == log.head().commit {
        let author = Author { log: office.log.clone(), partition: 0, software: "fuzz".into() };
        let next = author.takeover(&log.head(), 0).expect("a taking over");
        log.append(&next).expect("a log that opened is written");
    }
}

pub(crate) fn snapshots(_: &Path) -> Vec<Vec<u8>> {
    let office = Office::get();
    let (mut replay, mut all) = (Replay::default(), Vec::new());
    for commit in &office.commits {
        replay.apply(commit).expect("known events");
        all.push(snapshot::write(&office.log, 0, &replay.head, &replay.state));
    }
    all
}

/// A snapshot: what is started from is written again to the same bytes.
pub(crate) fn one_snapshot(bytes: &[u8]) {
    let Ok(checked) = Snapshot::check(bytes) else { return };
    let Ok(replay) = checked.open() else { return };
    let (log, partition) = checked.log();
    assert_eq!(snapshot::write(log, partition, &replay.head, &replay.state), bytes, "read as it was written");
}

pub(crate) fn manifests(_: &Path) -> Vec<Vec<u8>> {
    let folder = Office::get().folder.path();
    let is_manifest = |path: &PathBuf| path.file_name().is_some_and(|it| it == MANIFEST);
    let all: Vec<_> =
        [folder.join("backup"), folder.join("backup-vault")].iter().flat_map(|it| files(it)).collect();
    all.iter().filter(|it| is_manifest(it)).map(|it| fs::read(it).expect("a manifest")).collect()
}

/// The manifest of a backup: it is the one that was made, or the backup is refused and nothing outside it is read.
pub(crate) fn manifest(bytes: &[u8]) {
    let folder = Office::get().folder.path();
    let (made, vault) = (folder.join("backup"), folder.join("backup-vault"));
    let copy = tempfile::tempdir().expect("a folder");
    copy_tree(&made, copy.path());
    fs::write(copy.path().join(MANIFEST), bytes).expect("a manifest");
    let places = Places { dir: copy.path().to_owned(), vault };
    let sound = backup::check(&places, None, None).is_ok();
    let same = bytes == fs::read(made.join(MANIFEST)).expect("the manifest");
    assert_eq!(sound, same, "only what was made is a backup");
}

pub(crate) fn vaults(_: &Path) -> Vec<Vec<u8>> {
    numbered(&Office::get().vault.directory)
}

/// A file of the vault: it opens or says why not.
pub(crate) fn vault(bytes: &[u8]) {
    let settings = &Office::get().vault;
    let Some(copy) = changed(&settings.directory, bytes) else { return };
    let settings = VaultSettings { directory: copy.path().to_owned(), ..settings.clone() };
    if let Ok(vault) = Vault::open(&settings) {
        let _ = (vault.accesses(), vault.access_head());
    }
}

pub(crate) fn scenarios(_: &Path) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    files(&folder).iter().step_by(7).map(|it| fs::read(it).expect("a scenario")).collect()
}

/// A scenario, as an officer writes one.
pub(crate) fn scenario(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = format::read(Path::new("any.case"), text);
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    at: Timestamp,
    text: String,
    numbers: Vec<u64>,
    data: codec::Json,
    rest: Option<Box<Row>>,
}

pub(crate) fn rows(_: &Path) -> Vec<Vec<u8>> {
    let row = |nth: u64, rest| Row {
        at: Timestamp::from_ms(1_795_000_000_000 + nth as i64).expect("a time"),
        text: "零工".repeat(nth as usize),
        numbers: (0..nth).collect(),
        data: serde_json::value::to_raw_value(&json!({ "nth": nth })).expect("JSON").into(),
        rest,
    };
    let rows = (0..8).map(|nth| row(nth, (nth % 2 == 0).then(|| Box::new(row(nth, None)))));
    rows.map(|row| codec::encode(1, b"key", &row)).collect()
}

/// A row of a view: what is read is written again to the same bytes.
pub(crate) fn row(bytes: &[u8]) {
    if let Ok(row) = codec::decode::<Row>(1, b"key", bytes) {
        assert_eq!(codec::encode(1, b"key", &row), bytes, "read as it was written");
    }
}
