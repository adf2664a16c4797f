//! Backups: made while the server works, read to the last byte, put back elsewhere; what is older is noticed, and
//! what was shredded does not come back.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use linggong_engine::snapshot::Replay;
use linggong_events::commit::Digest;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::{EmbeddedLog, OpenError};
use linggong_gateway::backup::{self, BackupError, Places};
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::cli::output::{Format, Out};
use linggong_gateway::cli::{Cli, Command, perform};
use linggong_gateway::clock::Clock;
use linggong_gateway::serve::ServeError;
use linggong_tests::{Answer, Server, id_of};
use serde_json::{Value, json};

const DAWN: &str = "2026-11-23T04:50:00+08:00";

/// A demo server with small files.
async fn server() -> Server {
    Server::start_with(DAWN, |config| config.segment_bytes = 1 << 16).await
}

/// Registers a worker; worker and person.
async fn worker(server: &Server, name: &str, document: &str) -> (String, String) {
    let register = json!({
        "person": { "name": name, "document": { "kind": "resident_id", "number": document }, "phone": "13900000000" },
        "profile": { "skills": [{ "occupation": "loader", "level": "skilled" }], "certificates": [],
                     "reach": 20_000, "expectation": 20_000, "available": [], "declines_ranking": false },
    });
    let receipt = server.command("clerk", "worker.register", register).await.ok();
    (id_of(&receipt, "worker"), id_of(&receipt, "person"))
}

async fn open_market(server: &Server, name: &str) -> Value {
    let body = json!({ "name": name, "region": "370000", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_650_000, "lon_e6": 117_120_000 } });
    server.command("keeper1", "market.register", body).await.ok()
}

async fn open(server: &Server, who: &str, person: &str, purpose: &str) -> Answer {
    let body = json!({ "fields": ["name"], "purpose": purpose }).to_string();
    let path = format!("/v1/persons/{person}/open");
    server.send("POST", &path, Some(&server.token(who)), &[], Some(body)).await
}

async fn read_evidence(server: &Server, digest: &str) -> Answer {
    let body = json!({ "purpose": "claim_handling" }).to_string();
    let path = format!("/v1/evidence/{digest}/open");
    server.send("POST", &path, Some(&server.token("officer")), &[], Some(body)).await
}

/// The key that seals for a person.
async fn key_of(server: &Server, person: &str) -> Value {
    let page = server.get("privacy", "/v1/events?type=person.registered&limit=200").await.ok();
    let subject = format!("person/{person}");
    let event = page["items"].as_array().into_iter().flatten().find(|it| it["subject"] == subject);
    event.expect("the person is registered")["data"]["known"]["sealed"]["name"]["key"].clone()
}

/// What a verb of the command line exits with and writes.
fn shown(args: &[&str]) -> (Exit, Value) {
    let cli = Cli::try_parse_from([&["linggong"], args].concat()).unwrap_or_else(|error| panic!("{error}"));
    let Command::Verb(verb) = &cli.command else { panic!("a verb: {args:?}") };
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let mut out = Out::new(&mut data, &mut notes, Format::Json, cli.global.lang);
    let done = perform(&cli.global, verb, &Clock::wall(), &mut out);
    let exit = out.end(done);
    eprint!("{}", String::from_utf8_lossy(&notes));
    (exit, serde_json::from_slice(&data).unwrap_or_default())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// Makes a backup of what the server holds now.
async fn back_up(server: &Server, to: &Path) -> backup::Found {
    let (data, places, now) = (server.data(), Places::new(to, None), server.running.clock.now());
    let made = tokio::task::spawn_blocking(move || backup::create(&data, &places, now)).await;
    made.expect("it ends").expect("a backup")
}

/// What the first commits of a log come to.
fn replayed(log: &Path, last: u64) -> Digest {
    let mut replay = Replay::default();
    let opened = EmbeddedLog::open_read_only(log).expect("the log");
    for commit in opened.reader.commits(1).take(last as usize) {
        replay.apply(&commit.expect("a commit")).expect("known events");
    }
    replay.state.digest()
}

/// Puts the secrets of `server` beside what was restored, as its operator does.
fn hand_over_secrets(server: &Server, restored: &Path) {
    for name in backup::SECRETS {
        fs::copy(server.data().join(name), restored.join(name)).expect("a secret");
    }
    copy(&server.data().join("tokens"), &restored.join("tokens"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its sort").is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_back_elsewhere_is_read_opened_and_goes_on() {
    let server = server().await;
    let (worker, person) = worker(&server, "张三", "370102199003070016").await;
    let evidence = server.store_evidence("officer", &format!("person/{person}"), "欠条一张").await;
    let places = tempfile::tempdir().unwrap();
    let [dir, vault, data] = ["backup", "vault", "data"].map(|it| places.path().join(it));

    // Commands go on while the backup is made.
    let (live, apart) = (server.data(), Places::new(&dir, Some(&vault)));
    let now = server.running.clock.now();
    let making = tokio::task::spawn_blocking(move || backup::create(&live, &apart, now));
    for n in 0..30 {
        open_market(&server, &format!("{n}号")).await;
    }
    let found = making.await.unwrap().unwrap();
    let (head, key) = (dir.join("head.signed"), found.manifest.key.clone().unwrap());
    let master_key = server.data().join("vault.key");
    let options = ["--vault", text(&vault), "--master-key", text(&master_key), "--key", &key];
    let (exit, checked) = shown(&[&["backup", "check", text(&dir)], &options[..]].concat());
    assert_eq!((exit, &checked["sound"], &checked["vault_opened"]), (Exit::Ok, &json!(true), &json!(true)));

    let to = ["--data", text(&data)];
    let (exit, restored) = shown(&[&["backup", "restore", text(&dir)], &options[..], &to].concat());
    assert_eq!(exit, Exit::Ok);
    let fresh = replayed(&server.data().join("log"), found.manifest.commit);
    assert_eq!(restored["state_digest"], json!(fresh), "the state is that of the same commits");
    let (exit, _) = shown(&[&["backup", "restore", text(&dir)], &options[..], &to].concat());
    assert_eq!(exit, Exit::Conflict, "nothing is put over what is there");

    hand_over_secrets(&server, &data);
    let again = Server::start_on(data.clone(), &server).await.expect("it starts on what was put back");
    again.views_catch_up().await;
    assert_eq!(again.get("clerk", &format!("/v1/workers/{worker}")).await.ok()["value"]["person"], person);
    assert_eq!(open(&again, "clerk", &person, "desk_service").await.ok(), json!({ "name": "张三" }));
    let read = read_evidence(&again, &evidence).await;
    assert_eq!((read.status, read.text.as_str()), (200, "欠条一张"));
    open_market(&again, "新东关").await;
    again.running.stop().await.unwrap();
    let data_of = ["log", "verify", "--data", text(&data), "--against", text(&head), "--key", &key];
    assert_eq!(shown(&data_of).0, Exit::Ok, "it goes on from the head that was signed");
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_backup_is_held_against_what_was_copied() {
    let server = server().await;
    let (_, person) = worker(&server, "张三", "370102199003070016").await;
    server.store_evidence("officer", &format!("person/{person}"), "欠条一张").await;
    let places = tempfile::tempdir().unwrap();
    let dir = places.path().join("backup");
    back_up(&server, &dir).await;
    let sound = Places::new(&dir, None);
    let check = |places: &Places| backup::check(places, None, None);

    let mut files = Vec::new();
    let mut folders = vec![dir.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() >= 15, "{files:?}");
    for path in &files {
        let bytes = fs::read(path).unwrap();
        for at in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let Some(byte) = bytes.get(at) else { continue };
            let mut changed = bytes.clone();
            changed[at] = byte ^ 1;
            fs::write(path, changed).unwrap();
            check(&sound).expect_err(&format!("byte {at} of {}", path.display()));
        }
        fs::write(path, [bytes.as_slice(), b"\n"].concat()).unwrap();
        check(&sound).expect_err(&format!("{} is longer", path.display()));
        fs::remove_file(path).unwrap();
        check(&sound).expect_err(&format!("without {}", path.display()));
        fs::write(path, bytes).unwrap();
    }
    fs::write(dir.join("log/segments/note"), "one more").unwrap();
    assert!(matches!(check(&sound), Err(BackupError::File { .. })), "a file that was not copied");
    fs::remove_file(dir.join("log/segments/note")).unwrap();
    check(&sound).expect("it is what it was");

    // Another backup's vault, a backup without its manifest, a log that is damaged.
    let later = places.path().join("later");
    open_market(&server, "东关").await;
    back_up(&server, &later).await;
    fs::rename(dir.join("vault"), places.path().join("apart")).unwrap();
    check(&Places::new(&dir, Some(&places.path().join("apart")))).expect("the vault lies elsewhere");
    let mixed = Places::new(&dir, Some(&later.join("vault")));
    assert!(matches!(check(&mixed), Err(BackupError::OtherVault { .. })));
    fs::remove_file(later.join("manifest")).unwrap();
    assert!(matches!(check(&Places::new(&later, None)), Err(BackupError::None { .. })));
    let data = server.data();
    server.running.stop().await.unwrap();
    let segment = fs::read_dir(data.join("log/segments")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[600] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let refused = backup::create(&data, &Places::new(&places.path().join("no"), None), Clock::wall().now());
    assert!(matches!(refused, Err(BackupError::Log(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_noticed_by_any_later_head_and_by_views_that_know_better() {
    let server = server().await;
    let places = tempfile::tempdir().unwrap();
    let [older, later, data] = ["older", "later", "data"].map(|it| places.path().join(it));
    back_up(&server, &older).await;
    open_market(&server, "东关").await;
    let key = back_up(&server, &later).await.manifest.key.unwrap();
    let [old_head, head] = [&older, &later].map(|it| it.join("head.signed"));
    let against = |dir: &PathBuf, head: &PathBuf| {
        shown(&["backup", "check", text(dir), "--against", text(head), "--key", &key]).0
    };
    assert_eq!(against(&older, &head), Exit::Integrity);
    assert_eq!(against(&older, &old_head), Exit::Ok);
    assert_eq!(against(&later, &old_head), Exit::Ok);
    let told = ["--against", text(&head), "--key", &key, "--data", text(&data)];
    let (exit, _) = shown(&[&["backup", "restore", text(&older)], &told[..]].concat());
    assert_eq!((exit, data.exists()), (Exit::Integrity, false), "nothing is put back");

    // Put back without asking, it is noticed by the head, and by what is left of the later data.
    let (exit, _) = shown(&["backup", "restore", text(&older), "--data", text(&data)]);
    assert_eq!(exit, Exit::Ok);
    let verify = ["log", "verify", "--data", text(&data), "--against", text(&head), "--key", &key];
    assert_eq!(shown(&verify).0, Exit::Integrity);
    server.views_catch_up().await;
    let live = server.data();
    let (refused, server) = server
        .restart_mended(
            || {
                fs::rename(live.join("log"), live.join("later")).unwrap();
                copy(&data.join("log"), &live.join("log"));
            },
            || {
                fs::remove_dir_all(live.join("log")).unwrap();
                fs::rename(live.join("later"), live.join("log")).unwrap();
            },
        )
        .await;
    assert!(matches!(refused, ServeError::Log(OpenError::Forgotten { .. })), "{refused:?}");
    server.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shredded_stays_shredded_and_sealed_sealed_when_an_older_vault_is_put_back() {
    let server = server().await;
    let (_, shredded) = worker(&server, "张三", "370102199003070016").await;
    let (_, sealed) = worker(&server, "李四", "370102199003070024").await;
    let evidence = server.store_evidence("officer", &format!("person/{shredded}"), "欠条一张").await;
    let places = tempfile::tempdir().unwrap();
    let older = places.path().join("older");
    back_up(&server, &older).await;
    server.views_catch_up().await;
    assert_eq!(open(&server, "clerk", &shredded, "desk_service").await.ok(), json!({ "name": "张三" }));

    let key = key_of(&server, &shredded).await;
    for (who, person, state) in
        [("privacy", &shredded, "sealed"), ("lead", &shredded, "shredded"), ("privacy", &sealed, "sealed")]
    {
        let key = key_of(&server, person).await;
        let body = json!({ "person": person, "key": key, "basis": "本人申请", "key_state": state });
        server.command(who, "person.set_key_state", body).await.ok();
    }
    let key = key.as_str().expect("a key").to_owned();
    let keys_of = |vault: &Path| fs::read_to_string(vault.join("keys.log")).expect("the keys");
    assert!(keys_of(&older.join("vault")).contains(&key), "the older vault has the key");

    // As an operator would who lost the vault and has only last month's.
    let data = server.data();
    let server = server
        .restart_after(|| {
            fs::remove_dir_all(data.join("vault")).unwrap();
            copy(&older.join("vault"), &data.join("vault"));
        })
        .await;
    server.views_catch_up().await;
    assert!(!keys_of(&data.join("vault")).contains(&key), "the key is gone again before anybody is served");
    open(&server, "clerk", &shredded, "desk_service").await.refused(403, "opening_refused");
    assert_eq!(read_evidence(&server, &evidence).await.status, 403);
    open(&server, "clerk", &sealed, "desk_service").await.refused(403, "opening_refused");
    server.running.stop().await.unwrap();
}
