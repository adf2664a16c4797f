//! What clients saw, and whether the log agrees: the checker knows histories, not the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;
use linggong_gateway::clock::Clock;
use linggong_tests::binary;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::Server;

/// What became of a command, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered: written at that position.
    Acknowledged(String),
    /// The server refused it and said so.
    Refused(u16),
    /// No answer, or one that leaves it open.
    Unknown,
}

/// Every command that clients ever gave, by its key; each registers a market of that name.
#[derive(Default)]
pub(crate) struct History {
    commands: BTreeMap<Uuid, Outcome>,
}

impl History {
    /// Gives commands from several clients at once until `enough` are acknowledged, then calls `then` in the midst of
    /// them; returns once every client has noticed.
    pub(crate) fn load<T>(&mut self, server: Server, enough: usize, then: impl FnOnce(Server) -> T) -> T {
        let (acknowledged, acks) = mpsc::channel();
        let (over, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let (address, token, clock) = (server.address.clone(), server.token("keeper1"), Clock::wall());
        let done = std::thread::scope(|scope| {
            for _ in 0..4 {
                let acknowledged = acknowledged.clone();
                let (over, seen, address, token, clock) = (&over, &seen, &address, &token, &clock);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let key = clock.new_key();
                        let outcome = give(address, token, key);
                        let open = outcome == Outcome::Unknown;
                        let _ = acknowledged.send(matches!(outcome, Outcome::Acknowledged(_)));
                        seen.lock().expect("no client panics").push((key, outcome));
                        if open {
                            // A server that does not answer gets no more than one command of each client.
                            return;
                        }
                    }
                });
            }
            drop(acknowledged);
            let mut count = 0;
            while count < enough {
                match acks.recv() {
                    Ok(is_ack) => count += usize::from(is_ack),
                    Err(_) => break,
                }
            }
            let done = then(server);
            over.store(true, Ordering::Relaxed);
            done
        });
        self.commands.extend(seen.into_inner().expect("no client panics"));
        done
    }

    /// Gives `each` commands from each of so many clients at once, who come back at once when they are told to come back;
    /// how often that was.
    pub(crate) fn overload(&mut self, server: &Server, clients: usize, each: usize) -> usize {
        let (token, clock) = (server.token("keeper1"), Clock::wall());
        let (turned_away, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    for _ in 0..each {
                        let key = clock.new_key();
                        let outcome = loop {
                            let (outcome, told) = asked(&server.address, &token, key);
                            let busy = told.filter(|it| it.status == 503);
                            let Some(told) = busy else { break outcome };
                            assert_eq!((told.code.as_deref(), told.retry_after), (Some("busy"), Some(1)));
                            turned_away.fetch_add(1, Ordering::Relaxed);
                        };
                        assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
                        seen.lock().expect("no client panics").push((key, outcome));
                    }
                });
            }
        });
        self.commands.extend(seen.into_inner().expect("no client panics"));
        turned_away.into_inner()
    }

    pub(crate) fn unknown(&self) -> usize {
        self.commands.values().filter(|it| **it == Outcome::Unknown).count()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.commands.values().filter(|it| matches!(it, Outcome::Acknowledged(_))).count()
    }

    /// Sends every command of unknown outcome again under its key: now each is known.
    pub(crate) fn resolve(&mut self, server: &Server) {
        let token = server.token("keeper1");
        for (key, outcome) in self.commands.iter_mut().filter(|(_, it)| **it == Outcome::Unknown) {
            *outcome = give(&server.address, &token, *key);
            assert!(matches!(outcome, Outcome::Acknowledged(_)), "{key} stays open: {outcome:?}");
        }
    }

    /// Sends some acknowledged commands again: each gets its first receipt.
    pub(crate) fn repeat(&self, server: &Server) {
        let token = server.token("keeper1");
        for (key, outcome) in self.commands.iter().rev().filter(|(_, it)| **it != Outcome::Unknown).take(5) {
            assert_eq!(&give(&server.address, &token, *key), outcome, "{key}");
        }
    }

    /// Every acknowledged command is in the log where its receipt says, once, whatever else is there.
    pub(crate) fn is_held_by(&self, data: &Path) {
        let written = written(data);
        for (key, outcome) in &self.commands {
            let Outcome::Acknowledged(position) = outcome else { continue };
            assert_eq!(written.get(&name(*key)).map(Vec::as_slice), Some(&[position.clone()][..]), "{key}");
        }
    }

    /// Every acknowledged command is in the log where its receipt says, once; no refused one is; nothing else is.
    pub(crate) fn check(&self, data: &Path) {
        let written = written(data);
        let mut known = BTreeSet::new();
        for (key, outcome) in &self.commands {
            let found = written.get(&name(*key)).cloned().unwrap_or_default();
            known.insert(name(*key));
            match outcome {
                Outcome::Acknowledged(position) => assert_eq!(found, std::slice::from_ref(position), "{key}"),
                Outcome::Refused(status) => assert!(found.is_empty(), "{key} was refused with {status}"),
                Outcome::Unknown => assert!(found.len() <= 1, "{key} is written twice"),
            }
        }
        let strange: Vec<_> = written.keys().filter(|it| !known.contains(*it)).collect();
        assert!(strange.is_empty(), "nobody gave these: {strange:?}");
    }
}

/// At which positions of the log in `data` each name was given by a command.
fn written(data: &Path) -> BTreeMap<String, Vec<String>> {
    let log = EmbeddedLog::open_read_only(&data.join("log")).expect("the log");
    assert!(log.trouble.is_none(), "{:?}", log.trouble);
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for commit in log.reader.commits(1) {
        for line in commit.expect("a commit").lines() {
            let event: Value = serde_json::from_slice(line).expect("an event");
            if let Some(name) = event["data"]["name"].as_str().filter(|_| event["commandid"].is_string()) {
                let position = event["position"].as_str().unwrap_or_default().to_owned();
                written.entry(name.to_owned()).or_default().push(position);
            }
        }
    }
    written
}

fn name(key: Uuid) -> String {
    format!("market {key}")
}

/// What one command is told: the status, after how many seconds to come back, the stable code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) code: Option<String>,
}

impl History {
    /// Gives one new command and says what its client was told.
    pub(crate) fn give_one(&mut self, server: &Server) -> Told {
        let key = Clock::wall().new_key();
        let (outcome, told) = asked(&server.address, &server.token("keeper1"), key);
        self.commands.insert(key, outcome);
        told.expect("an answer")
    }
}

fn give(address: &str, token: &str, key: Uuid) -> Outcome {
    asked(address, token, key).0
}

fn asked(address: &str, token: &str, key: Uuid) -> (Outcome, Option<Told>) {
    let body = json!({ "name": name(key), "region": "370102", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_650_000, "lon_e6": 117_120_000 } });
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let sent = agent
        .post(format!("http://{address}/v1/commands/market.register"))
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", key.to_string())
        .send_json(body);
    let Ok(mut response) = sent else { return (Outcome::Unknown, None) };
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
    let body = response.body_mut().read_json::<Value>();
    let code = body.as_ref().ok().and_then(|it| it["code"].as_str()).map(str::to_owned);
    let outcome = match (status, body) {
        (200, Ok(receipt)) => match receipt["position"].as_str() {
            Some(position) => Outcome::Acknowledged(position.to_owned()),
            None => Outcome::Unknown,
        },
        (400..=499, Ok(_)) if status != 429 => Outcome::Refused(status),
        (_, _) => Outcome::Unknown,
    };
    (outcome, Some(Told { status, retry_after, code }))
}

/// `linggong log verify`: every byte, the chain, the tree, and that the newest snapshot is what a replay gives.
pub(crate) fn verified(data: &Path) -> Value {
    let run =
        Command::new(binary()).args(["log", "verify", "--state", "-o", "json", "--data"]).arg(data).output();
    let run = run.expect("the binary runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let found: Value = serde_json::from_str(&said).expect("a record");
    assert_eq!(found["sound"], true, "{found}");
    found
}
