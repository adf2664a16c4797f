//! The real binary under fire: killed, without power, without space, with a disk that fails.
//!
//! `LINGGONG_LONG=1` runs the long forms. What this machine cannot do is skipped, loudly.

mod backup;
mod damaged;
mod history;
mod newer;
mod server;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use history::{History, verified};
use server::{Around, SEGMENT_BYTES, Server};

fn rounds(short: usize, long: usize) -> usize {
    if std::env::var_os("LINGGONG_LONG").is_some() { long } else { short }
}

/// How many acknowledgements come before the fault: another number in each round, the same in each run.
fn enough(round: usize) -> usize {
    1 + (round * 7) % 23
}

/// Stops the server in order and compares what it had with a replay of every event.
fn settle(history: &History, server: Server, data: &Path) {
    server.stop();
    history.check(data);
    let found = verified(data);
    assert_eq!(found["state_digest"], found["snapshot_digest"], "{found}");
}

#[test]
fn killed_under_load_it_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = History::default();
    let mut server = Server::start(&data);
    let rounds = rounds(20, 500);
    let mut open = 0;
    for round in 0..rounds {
        history.load(server, enough(round), Server::kill);
        history.check(&data);
        server = Server::start(&data);
        open += history.unknown();
        history.resolve(&server);
        history.repeat(&server);
    }
    settle(&history, server, &data);
    eprintln!(
        "{rounds} kills, {} acknowledged, {open} left open and resolved, 0 lost",
        history.acknowledged()
    );
}

#[test]
fn without_power_it_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = LoopDisk::make(folder.path()) else {
        eprintln!("SKIPPED: no loop-mounted file system here; power loss is not tested");
        return;
    };
    let mut history = History::default();
    let rounds = rounds(5, 100);
    let mut open = 0;
    for round in 0..rounds {
        let data = disk.folder.join("data");
        let server = Server::start(&data);
        history.resolve(&server);
        let next = folder.path().join(format!("image-{}", round + 1));
        // Stopped, not ended: what it has not written yet never reaches the copy.
        history.load(server, enough(round), |server| {
            server.signal("STOP");
            fs::copy(&disk.image, &next).expect("a copy of the disk as it is");
            server.kill();
        });
        disk = disk.replaced_by(next);
        open += history.unknown();
        history.check(&disk.folder.join("data"));
    }
    let data = disk.folder.join("data");
    let server = Server::start(&data);
    history.resolve(&server);
    settle(&history, server, &data);
    eprintln!("{rounds} losses of power, {} acknowledged, {open} left open, 0 lost", history.acknowledged());
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_that_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::tmpfs(folder.path(), "24m") else {
        eprintln!("SKIPPED: no tmpfs can be mounted here; a full disk is not tested");
        return;
    };
    let data = disk.folder.join("data");
    let mut history = History::default();
    let mut server = Server::start(&data);
    let ballast = disk.folder.join("ballast");
    // First less is left than the reserve, so that commands are turned away in time; then nothing at all.
    for left in [2 << 20, 0] {
        server = history.load(server, 5, |server| {
            fill(&ballast, left);
            server
        });
        // Clients go on until each has met the full disk: nobody gets an answer that rests on what is not written.
        server = history.load(server, usize::MAX, |server| server);
        let acknowledged = history.acknowledged();
        let told = history.give_one(&server);
        assert_eq!((told.status, told.code.as_deref()), (503, Some("no_space")));
        assert!(told.retry_after.is_some(), "it says when to come back");
        let (status, ready) = server.get("/readyz", None);
        assert_eq!(status, 503, "{ready}");
        assert_ne!(ready["room"], "enough", "{ready}");
        assert_eq!(server.get("/healthz", None).0, 200);
        for path in ["/v1/markets", "/v1/events?limit=5", "/v1/log/head"] {
            let (status, said) = server.get(path, Some("keeper1"));
            assert_eq!(status, 200, "{path}: {said}");
        }
        history.check(&data);

        fs::remove_file(&ballast).expect("space returns");
        soon(|| history.give_one(&server).status == 200, "the same process takes commands again");
        history.resolve(&server);
        history.repeat(&server);
        assert!(history.acknowledged() > acknowledged, "all are answered now");
        if left > 0 {
            soon(|| server.get("/readyz", None).0 == 200, "no view was lost");
        }
    }
    settle(&history, server, &data);
}

/// Asks until it is so.
#[expect(clippy::disallowed_methods, reason = "a test waits for another process, and not for ever")]
fn soon(mut is_so: impl FnMut() -> bool, what: &str) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
    }
}

#[test]
fn a_limit_on_file_size_tears_no_commit_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = History::default();
    let server = Server::start(&data);
    history.load(server, 3, Server::kill);
    // What lies there fits, with what a start adds; a segment more does not.
    let most = SEGMENT_BYTES - 4096;
    let limit = vec!["prlimit".to_owned(), format!("--fsize={most}")];
    let server = Server::start_within(&data, &Around { wrapper: limit, ..Around::default() });
    let server = history.load(server.expect("it starts within the limit"), usize::MAX, |server| server);
    let told = history.give_one(&server);
    assert_eq!((told.status, told.code.as_deref()), (503, Some("no_space")), "it lives and says why");
    assert_eq!(server.get("/healthz", None).0, 200);
    server.kill();
    history.check(&data);
    let server = Server::start(&data);
    history.resolve(&server);
    settle(&history, server, &data);
}

/// Ten times as many clients as commands are let in: the rest is turned away, and nothing piles up for them. How long
/// those wait that were let in is measured by `bench overload`.
#[test]
fn ten_times_too_many_clients_are_told_to_come_back_and_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (places, mut history) = (8, History::default());
    let settings = format!("commands = {places}\n");
    let server = Server::start_within(&data, &Around { settings, ..Around::default() }).expect("it starts");
    history.overload(&server, 10 * places, 5);
    let before = server.resident_mb();
    let turned_away = history.overload(&server, 10 * places, rounds(20, 200));
    let grown = server.resident_mb().saturating_sub(before);
    assert!(turned_away > 10 * places, "it was overloaded: {turned_away}");
    assert!(grown < 32, "its memory grew by {grown} MB from {before}");
    eprintln!(
        "{turned_away} told to come back, {} acknowledged, grown by {grown} MB",
        history.acknowledged()
    );
    settle(&history, server, &data);
}

#[test]
fn a_verb_that_meets_a_limit_on_file_size_says_so_and_does_not_die_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, vault] = ["data", "backup", "vault"].map(|it| folder.path().join(it));
    Server::start(&data).kill();
    let mut command = Command::new("prlimit");
    command.arg("--fsize=100").arg(linggong_tests::binary()).args(["backup", "create"]).arg(&backup);
    let run = command.arg("--vault").arg(&vault).arg("--data").arg(&data).output().expect("it runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{:?}: {said}", run.status);
    assert!(said.contains("File too large"), "{said}");
}

#[test]
fn a_disk_that_syncs_no_more_ends_the_writer_and_nothing_it_held_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = sync_shim(folder.path()) else {
        eprintln!("SKIPPED: no C compiler here; a failing sync is not tested");
        return;
    };
    let data = folder.path().join("data");
    let mut history = History::default();
    history.load(Server::start(&data), 2, Server::kill);
    for nth in [4, 9, 30] {
        let env = vec![
            ("LD_PRELOAD".to_owned(), shim.display().to_string()),
            ("FAIL_SYNC_FROM".to_owned(), nth.to_string()),
            ("FAIL_SYNC_OF".to_owned(), "/".to_owned()),
        ];
        match Server::start_within(&data, &Around { env, ..Around::default() }) {
            // Whoever asks after the failure gets no answer, so each client ends by itself.
            Ok(server) => {
                let ended = history.load(server, usize::MAX, Server::ends);
                assert!(!ended.success(), "it says that it broke");
            }
            // A disk that fails under the views while they open ends the process before it can say more.
            Err(said) => assert!(
                said.contains("linggong ends") || said.contains("Input/output error"),
                "it says why: {said}"
            ),
        }
        history.check(&data);
        let server = Server::start(&data);
        history.resolve(&server);
        server.kill();
    }
    let server = Server::start(&data);
    history.repeat(&server);
    settle(&history, server, &data);
}

/// A system tells of a failed sync once: whoever syncs again is told that all is well, and loses what was not written.
#[test]
fn a_sync_of_the_log_that_fails_once_is_never_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = sync_shim(folder.path()) else {
        eprintln!("SKIPPED: no C compiler here; a failing sync is not tested");
        return;
    };
    let data = folder.path().join("data");
    let mut history = History::default();
    history.load(Server::start(&data), 2, Server::kill);
    // A start fills the segment and takes over; then come commits, and in time a sealing and the next segment.
    for (of, nth) in [("/segments/", 5), ("/segments/", 12), ("/segments/", 40), ("/head.new", 3)] {
        let env = vec![
            ("LD_PRELOAD".to_owned(), shim.display().to_string()),
            ("FAIL_SYNC_ONLY".to_owned(), nth.to_string()),
            ("FAIL_SYNC_OF".to_owned(), of.to_owned()),
        ];
        let server = Server::start_within(&data, &Around { env, ..Around::default() });
        let ended = history.load(server.expect("it starts"), usize::MAX, Server::ends);
        assert!(!ended.success(), "sync {nth} of {of}: it says that it broke");
        history.check(&data);
        let server = Server::start(&data);
        history.resolve(&server);
        server.kill();
    }
    let server = Server::start(&data);
    history.repeat(&server);
    settle(&history, server, &data);
}

/// Takes what space there is but for so many bytes.
fn fill(ballast: &Path, left: u64) {
    use std::io::Write as _;
    let mut file = fs::File::create(ballast).expect("a file");
    while file.write_all(&[0x5a; 4096]).is_ok() {}
    let length = file.metadata().expect("its length").len();
    file.set_len(length.saturating_sub(left)).expect("a shorter file");
}

/// A library that lets syncs fail of files whose path holds `FAIL_SYNC_OF`: the nth and all after it, as a disk does that
/// has died (`FAIL_SYNC_FROM`), or the nth alone, as a system tells of pages that it could not write (`FAIL_SYNC_ONLY`).
fn sync_shim(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    let text = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int syncs;
static int fails(int fd) {
    const char *from = getenv("FAIL_SYNC_FROM"), *only = getenv("FAIL_SYNC_ONLY"), *of = getenv("FAIL_SYNC_OF");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !of) return 0;
    path[length] = 0;
    if (!strstr(path, of)) return 0;
    int nth = __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    return (from && nth >= atoi(from)) || (only && nth == atoi(only));
}
int fdatasync(int fd) { if (fails(fd)) { errno = EIO; return -1; } return syscall(SYS_fdatasync, fd); }
int fsync(int fd) { if (fails(fd)) { errno = EIO; return -1; } return syscall(SYS_fsync, fd); }
"#;
    fs::write(&source, text).expect("a source");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    compiled.ok()?.success().then_some(library)
}

/// A file system on a file of its own.
struct LoopDisk {
    image: PathBuf,
    folder: PathBuf,
    _mounted: Mounted,
}

impl LoopDisk {
    fn make(folder: &Path) -> Option<LoopDisk> {
        let image = folder.join("image-0");
        fs::File::create(&image).and_then(|it| it.set_len(96 << 20)).expect("an image");
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
        made.ok().filter(|it| it.success())?;
        LoopDisk::mount(image)
    }

    fn mount(image: PathBuf) -> Option<LoopDisk> {
        let folder = image.with_extension("mounted");
        let mounted = Mounted::at(&folder, &["-o", "loop"], &image)?;
        Some(LoopDisk { image, folder, _mounted: mounted })
    }

    /// The power is back: another disk has what this one had on it when it went.
    fn replaced_by(self, image: PathBuf) -> LoopDisk {
        let old = self.image.clone();
        drop(self);
        fs::remove_file(old).expect("the old image");
        LoopDisk::mount(image).expect("the journal is replayed")
    }
}

/// A mounted file system, unmounted when dropped.
struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    fn tmpfs(folder: &Path, size: &str) -> Option<Mounted> {
        let size = format!("size={size}");
        Mounted::at(&folder.join("small"), &["-t", "tmpfs", "-o", &size], Path::new("tmpfs"))
    }

    fn at(folder: &Path, options: &[&str], what: &Path) -> Option<Mounted> {
        fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount").args(options).arg(what).arg(folder).output();
        mounted.ok()?.status.success().then(|| Mounted { folder: folder.to_owned() })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}
