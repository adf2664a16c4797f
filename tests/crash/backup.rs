//! The restore drill: load, a backup in the midst of it, a kill, another machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use linggong_engine::snapshot::Replay;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;
use linggong_tests::binary;
use serde_json::{Value, json};

use crate::history::{History, verified};
use crate::server::Server;

/// What a verb of the binary writes.
pub(crate) fn linggong(args: &[&str]) -> Value {
    let run = Command::new(binary()).args(["-o", "json"]).args(args).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_str(&said).expect("a record")
}

/// The digest of what the first `last` commits of a log come to.
fn replayed(data: &Path, last: u64) -> Value {
    let mut replay = Replay::default();
    let log = EmbeddedLog::open_read_only(&data.join("log")).expect("the log");
    for commit in log.reader.commits(1).take(last as usize) {
        replay.apply(&commit.expect("a commit")).expect("known events");
    }
    assert_eq!(replay.head.commit, last, "the log has what its backup has");
    json!(replay.state.digest())
}

#[test]
fn a_backup_made_under_load_is_put_back_after_a_kill_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, vault, restored] =
        ["data", "backup", "vault", "restored"].map(|it| folder.path().join(it));
    let [data_at, backup_at, vault_at, restored_at] =
        [&data, &backup, &vault, &restored].map(|it| it.to_str().expect("a path of letters"));
    let (mut before, mut during, mut after) = (History::default(), History::default(), History::default());
    let server = before.load(Server::start(&data), 60, |server| server);
    let making = ["backup", "create", backup_at, "--vault", vault_at, "--data", data_at];
    let made = during.load(server, 5, |server| {
        let made = linggong(&making);
        server.kill();
        made
    });
    let commit = made["commit"].as_u64().expect("a commit");

    let (head, master_key) = (backup.join("head.signed"), data.join("vault.key"));
    let [head_at, master_at] = [&head, &master_key].map(|it| it.to_str().expect("a path of letters"));
    let key = made["public_key"].as_str().expect("the public key");
    let told = linggong(&[
        "backup",
        "restore",
        backup_at,
        "--vault",
        vault_at,
        "--data",
        restored_at,
        "--master-key",
        master_at,
        "--against",
        head_at,
        "--key",
        key,
    ]);
    assert_eq!(told["state_digest"], replayed(&data, commit), "{told}");
    assert_eq!(told["vault_opened"], true);
    before.is_held_by(&restored);

    for name in ["vault.key", "head.key", "tokens.toml"] {
        fs::copy(data.join(name), restored.join(name)).expect("a secret");
    }
    fs::create_dir(restored.join("tokens")).unwrap();
    fs::copy(data.join("tokens/keeper1.token"), restored.join("tokens/keeper1.token")).unwrap();
    let again = Server::start(&restored);
    before.repeat(&again);
    let (status, said) = again.get("/v1/markets", Some("keeper1"));
    assert_eq!(status, 200, "{said}");
    assert_eq!(after.give_one(&again).status, 200);
    again.stop();
    before.is_held_by(&restored);
    after.is_held_by(&restored);
    let found = verified(&restored);
    assert_eq!(found["state_digest"], found["snapshot_digest"], "{found}");
    linggong(&["log", "verify", "--data", restored_at, "--against", head_at, "--key", key]);
    eprintln!(
        "{} acknowledged before the backup, all in it; {commit} commits, {} bytes",
        before.acknowledged(),
        made["bytes"]
    );
}
