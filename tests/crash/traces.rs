//! Traces of the real binary: whatever is sent, each stays one line of JSON that the server alone words.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::server::{Around, Server};
use crate::soon;

/// A trace that nobody but a forger would write, as it would have to stand in the stream.
const FORGED: &str =
    r#"{"timestamp":"2026-11-22T00:00:00Z","level":"ERROR","fields":{"message":"forged"},"target":"x"}"#;

/// Sends bytes as they are and waits for the whole answer.
fn send(server: &Server, request: &str) {
    let mut line = TcpStream::connect(&server.address).expect("a connection");
    line.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = Vec::new();
    // Hung up on is an answer too.
    let _ = line.read_to_end(&mut answer);
}

#[test]
fn nothing_that_is_sent_makes_a_trace_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let env = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    let server = Server::start_within(&folder.path().join("data"), &Around { env, ..Around::default() });
    let server = server.expect("the server starts");
    let token = server.token("keeper1");
    let escaped: String = format!("\n{FORGED}\n\u{1b}[2J").bytes().map(|it| format!("%{it:02x}")).collect();
    let in_json = serde_json::to_string(&format!("\n{FORGED}\r\n\u{1b}[31m\u{202e}")).unwrap();
    let head = format!("host: a\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    for path in [
        format!("/v1/commands/{escaped}"),
        format!("/v1/hires/{escaped}"),
        format!("/v1/events?after={escaped}"),
        format!("/v1/timelines/{escaped}/{escaped}"),
        format!("/{escaped}"),
    ] {
        send(&server, &format!("GET {path} HTTP/1.1\r\n{head}\r\n"));
        send(&server, &format!("POST {path} HTTP/1.1\r\n{head}content-length: 2\r\n\r\n{{}}"));
    }
    let body = format!(r#"{{"name":{in_json},"region":{in_json},"market_kind":{in_json},{in_json}:1}}"#);
    let give = |more: &str| {
        let length = body.len();
        let path = "/v1/commands/market.register";
        send(&server, &format!("POST {path} HTTP/1.1\r\n{head}{more}content-length: {length}\r\n\r\n{body}"));
    };
    give("idempotency-key: 0197f1d0-0000-7000-8000-000000000001\r\n");
    // A folded header, a bare line feed, and what looks like a line of its own in each place of the head.
    give(&format!("x-request-id: a\r\n {FORGED}\r\n"));
    give(&format!("x-request-id: a\n{FORGED}\r\n"));
    give(&format!("x-request-id: {FORGED}\r\n"));
    give(&format!("linggong-role: {FORGED}\r\nidempotency-key: {FORGED}\r\n"));
    send(&server, &format!("GET / HTTP/1.1\r\nconnection: close\r\n{FORGED}\r\n\r\n"));
    send(
        &server,
        &format!(
            "GET /v1/markets HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {FORGED}\r\n\r\n"
        ),
    );
    assert_eq!(server.get("/healthz", None).0, 200);
    server.signal("TERM");
    soon(|| server.traces().iter().any(|it| it.contains("linggong stopped")), "it says that it ended");

    let traces = server.traces();
    for trace in &traces {
        let Ok(Value::Object(told)) = serde_json::from_str(trace) else { panic!("no trace: {trace}") };
        assert!(told["timestamp"].is_string() && told["level"].is_string(), "{trace}");
        assert_ne!(told["fields"]["message"], "forged", "{trace}");
        assert!(!trace.chars().any(char::is_control), "{trace:?}");
        assert!(!trace.contains(&token), "a token in a trace");
    }
}
