//! A log that a newer software went on writing: shown as it is, to the byte, and not written to.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use linggong_events::commit::{Commit, Header};
use linggong_events::log::embedded::{EmbeddedLog, Options};
use linggong_events::log::{EventLog as _, LogReader as _};
use linggong_events::measure::Position;
use linggong_tests::binary;
use serde_json::{Value, json};

use crate::history::History;
use crate::server::Server;
use crate::soon;

/// Goes on with the log as a newer software might: a commit with these changes to its last event, each an event.
fn continued(data: &Path, changes: &[Value]) -> Vec<String> {
    let mut log = EmbeddedLog::open(&data.join("log"), Options::default()).expect("the log");
    let reader = log.reader();
    let head = reader.head();
    let before = reader.commit_of(head.position).expect("a commit").expect("the last event");
    let last = before.line_at(head.position).expect("the last event");
    let last: Value = serde_json::from_slice(last).expect("an event");
    let mut lines = Vec::new();
    for (change, position) in changes.iter().zip(head.position.0 + 1..) {
        let mut line = last.clone();
        line["position"] = position.to_string().into();
        line["id"] = format!("00000000-0000-8000-8000-{position:012}").into();
        line["audience"] = "open".into();
        for (name, value) in change.as_object().expect("members") {
            line[name] = value.clone();
        }
        // In the order and spelling of somebody else.
        lines.push(line.to_string().replacen(":", ": ", 1));
    }
    let header = Header {
        commit: head.commit + 1,
        epoch: head.epoch,
        first: head.position.0 + 1,
        count: 0,
        prev: head.digest,
        software: "9.0.0".to_owned(),
        genesis: None,
        ..before.header().clone()
    };
    let bytes: Vec<Vec<u8>> = lines.iter().map(|it| it.clone().into_bytes()).collect();
    let commit = Commit::build(header, &bytes).expect("a commit");
    log.append(&commit).expect("it is appended");
    lines
}

#[test]
fn a_log_with_kinds_roles_and_attributes_of_a_newer_software_is_shown_to_the_byte_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = History::default();
    let server = history.load(Server::start(&data), 20, |server| server);
    server.stop();
    let known = EmbeddedLog::open_read_only(&data.join("log")).unwrap().reader.head().position;
    let market = "market/00000000-0000-8000-8000-000000000001";
    let lines = continued(
        &data,
        &[
            json!({ "type": "cn.linggong.moon.landed.v1", "dataschema": "/v1/schemas/moon.landed.v1",
                    "subject": "moon/00000000-0000-8000-8000-000000000002", "version": "1", "role": "robot",
                    "touches": format!("moon/00000000-0000-8000-8000-000000000002 {market}"),
                    "audience": "open", "data": { "zeta": 1, "alpha": [true, { "y": "月", "b": 2 }] } }),
            json!({ "subject": market, "touches": market, "version": "1", "phase": "new" }),
        ],
    );

    let server = Server::start(&data);
    let (status, ready) = server.get("/readyz", None);
    let why = ready["read_only"].as_str().unwrap_or_default();
    assert!(status == 503 && why.contains("moon") && why.contains("newer"), "{ready}");
    soon(|| server.get("/v1/markets", Some("keeper1")).0 == 200, "its views go past what they do not know");
    for (line, position) in lines.iter().zip(known.0 + 1..) {
        let shown = server.text(&format!("/v1/events/{position}"), Some("keeper1"));
        assert_eq!(shown, (200, line.clone()), "to the byte");
    }
    let (status, listed) = server.text(&format!("/v1/events?after={known}"), Some("keeper1"));
    assert!(status == 200 && listed.contains(&lines.join(",")), "{listed}");
    let (status, timeline) = server.text(&format!("/v1/timelines/{market}"), Some("keeper1"));
    assert!(status == 200 && lines.iter().all(|it| timeline.contains(it)), "{timeline}");
    assert_eq!(streamed(&server, known, lines.len()), lines);
    let told = history.give_one(&server);
    assert_eq!((told.status, told.code.as_deref()), (503, Some("read_only")));
    server.signal("TERM");
    assert_eq!(server.ends().code(), Some(5), "it says by its exit code that it could not go on");

    let verified = Command::new(binary()).args(["log", "verify", "--data"]).arg(&data).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "every byte is as it was written: {said}");
}

/// The first `count` events of the stream from behind `after`.
fn streamed(server: &Server, after: Position, count: usize) -> Vec<String> {
    let asked = ureq::get(format!("http://{}/v1/events/stream?after={after}", server.address));
    let answer = asked
        .header("authorization", format!("Bearer {}", server.token("keeper1")))
        .call()
        .expect("a stream");
    let lines = BufReader::new(answer.into_body().into_reader()).lines().map_while(Result::ok);
    let data = lines.filter_map(|it| it.strip_prefix("data: ").map(str::to_owned));
    data.take(count).collect()
}
