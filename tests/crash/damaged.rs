//! A damaged log: what is sound is still shown, nothing is added to it, and a repair brings the server back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;

use crate::backup::linggong;
use crate::history::History;
use crate::server::Server;
use crate::soon;

/// Every file below a folder, with its bytes; the lock names whichever process came last.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else if !path.ends_with("lock") {
            found.insert(path.clone(), fs::read(path).expect("a file"));
        }
    }
    found
}

/// Flips one bit in the middle of what the newest segment holds.
fn flip(log: &Path) {
    let newest = files(&log.join("segments")).pop_last();
    let (path, mut bytes) = newest.expect("a segment");
    let written = bytes.iter().rposition(|it| *it != 0).expect("something is written");
    bytes[written / 2] ^= 1;
    fs::write(path, bytes).expect("a flipped bit");
}

#[test]
fn a_damaged_log_is_served_as_far_as_it_is_sound_and_takes_nothing_until_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let [data, copy] = ["data", "copy"].map(|it| folder.path().join(it));
    let mut history = History::default();
    let server = history.load(Server::start(&data), 60, |server| server);
    server.stop();
    let (log, sound) = (data.join("log"), copy.join("log"));
    fs::create_dir_all(sound.join("segments")).unwrap();
    for (path, bytes) in files(&log) {
        fs::write(sound.join(path.strip_prefix(&log).unwrap()), bytes).unwrap();
    }
    flip(&log);
    let damaged = files(&log);
    let readable = EmbeddedLog::open_read_only(&log).unwrap();
    let trouble = readable.trouble.expect("the flip is seen").to_string();
    let left = readable.reader.head();
    let whole = EmbeddedLog::open_read_only(&sound).unwrap().reader.head();
    assert!(0 < left.commit && left.commit < whole.commit, "{left:?} of {whole:?}");

    let server = Server::start(&data);
    let (status, ready) = server.get("/readyz", None);
    let why = ready["read_only"].as_str().unwrap_or_default().to_owned();
    assert!(status == 503 && why.contains(&trouble) && why.contains("offset"), "{ready}");
    assert_eq!(server.get("/healthz", None).0, 200);
    let of = |path: &str| server.get(path, Some("keeper1"));
    soon(|| of("/v1/markets").0 == 200, "its views are built from what is sound");
    let (status, said) = of(&format!("/v1/events/{}", left.position));
    assert_eq!(status, 200, "{said}");
    assert_eq!(of(&format!("/v1/events/{}", left.position.next())).0, 404, "what is not sound is not shown");
    let (status, said) = of("/v1/log/head");
    assert_eq!((status, said["code"].as_str()), (503, Some("read_only")), "no head vouches for it: {said}");
    let told = history.give_one(&server);
    assert_eq!((told.status, told.code.as_deref()), (503, Some("read_only")));
    assert!(told.retry_after.is_some(), "it says when to come back");
    server.signal("TERM");
    assert_eq!(server.ends().code(), Some(5), "the integrity failure is told by the exit code");
    assert!(files(&log) == damaged, "not a byte of the log was touched");

    let [data_at, copy_at] = [&data, &copy].map(|it| it.to_str().expect("a path of letters"));
    linggong(&["log", "repair", "--data", data_at, "--from", copy_at, "--yes"]);
    let server = Server::start(&data);
    history.repeat(&server);
    assert_eq!(history.give_one(&server).status, 200);
    soon(|| server.get("/readyz", None).0 == 200, "its views are those from before");
    server.stop();
    history.check(&data);
    eprintln!("{} of {} commits were shown: {trouble}", left.commit, whole.commit);
}
