//! Under load, at a stop and after it: nothing that was answered is lost, nothing happens twice, nobody waits for ever.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linggong_gateway::clock::Clock;
use linggong_gateway::serve;
use linggong_tests::{Answer, Server, id_of, instant};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::cast::{self, DAWN};

/// Sends a command over its own connection; none when the server is no longer there to take it.
fn post(
    address: std::net::SocketAddr,
    token: &str,
    key: &str,
    name: &str,
    body: &Value,
) -> Option<(u16, Value, Option<String>)> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let sent = agent
        .post(format!("http://{address}/v1/commands/{name}"))
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .send(body.to_string());
    let mut answer = sent.ok()?;
    let wait = answer.headers().get("retry-after").and_then(|it| it.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::Null), wait))
}

fn market(n: usize) -> Value {
    json!({ "name": format!("零工市场{n}"), "region": "370102", "market_kind": "public_benefit",
            "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } })
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_make_one_event_and_fifty_equal_receipts() {
    let server = Arc::new(Server::start(DAWN).await);
    let before = server.running.partition.head.borrow().position.0;
    let key = server.running.clock.new_key();
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let server = server.clone();
        all.spawn(
            async move { server.command_with_key("manager", "market.register", key, market(1)).await.ok() },
        );
    }
    let receipts = all.join_all().await;
    assert!(receipts.iter().all(|it| it == &receipts[0]), "{receipts:#?}");
    assert_eq!(server.running.partition.head.borrow().position.0, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_who_grab_one_place_exactly_one_gets_it() {
    let server = Server::start(DAWN).await;
    let market = cast::market(&server, "历下区零工市场", "370102").await;
    let employer = cast::employer(&server, "济南某建筑有限公司", "91350100M000100Y43", "370102").await;
    let mut workers = Vec::new();
    for n in 0..100 {
        let (worker, _) = cast::worker(&server, cast::person("张三", 100 + n)).await;
        cast::arrives(&server, &worker, &market).await;
        workers.push(worker);
    }
    let terms = cast::terms(&employer, &market, "370102", "grab", 1);
    let posting = id_of(
        &server.command("dispatcher", "posting.submit", json!({ "terms": terms })).await.ok(),
        "posting",
    );
    let server = Arc::new(server);
    let mut all: JoinSet<Answer> = JoinSet::new();
    for worker in workers {
        let (server, grab) = (server.clone(), json!({ "posting": posting, "worker": worker }));
        all.spawn(async move { server.command("dispatcher", "offer.grab", grab).await });
    }
    let answers = all.join_all().await;
    let won = answers.iter().filter(|it| it.status == 200).count();
    let full = answers.iter().filter(|it| it.status == 409 && it.body["code"] == "full").count();
    let other = answers.iter().find(|it| it.status != 200 && it.body["code"] != "full").map(|it| &it.text);
    assert_eq!((won, full), (1, 99), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_is_told_when_to_come_back_and_nobody_who_was_let_in_is_lost() {
    let places = 16;
    let server = Server::start_with(DAWN, |config| config.commands = places).await;
    // The deciding thread is kept busy until the test lets it go.
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let partition = server.running.partition.clone();
    let blocked = tokio::spawn(async move {
        let hold = move |_: &_, _| {
            let _ = begun.send(());
            let _ = gone.recv();
        };
        partition.ask(hold).await.expect("the partition answers once it may");
    });
    has_begun.await.unwrap();
    let (address, token) = (server.running.address, server.token("manager"));
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut all = Vec::new();
    for n in 0..places + 8 {
        let (token, told) = (token.clone(), told.clone());
        let key = server.running.clock.new_key().to_string();
        all.push(tokio::task::spawn_blocking(move || {
            let answer = post(address, &token, &key, "market.register", &market(n)).expect("an answer");
            told.send(answer).expect("the test listens");
        }));
    }
    drop(told);
    for _ in 0..8 {
        let (status, body, wait) = answers.recv().await.unwrap();
        assert_eq!(
            (status, body["code"].as_str(), wait.as_deref()),
            (503, Some("busy"), Some("1")),
            "{body}"
        );
    }
    go.send(()).unwrap();
    blocked.await.unwrap();
    let mut taken = 0;
    while let Some((status, body, _)) = answers.recv().await {
        match status {
            200 => taken += 1,
            _ => assert_eq!((status, body["code"].as_str()), (503, Some("busy")), "{body}"),
        }
    }
    for one in all {
        one.await.unwrap();
    }
    assert!((places..places + 8).contains(&taken), "{taken} were taken");
    let markets = server
        .get("auditor", &format!("/v1/markets?at_least={}", server.running.partition.head.borrow().position))
        .await
        .ok();
    assert_eq!(
        markets["items"].as_array().map(Vec::len),
        Some(taken),
        "each that was answered, and no other"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_given_before_a_stop_is_in_the_log_after_it() {
    let server = Server::start(DAWN).await;
    let (address, token) = (server.running.address, server.token("manager"));
    let clock = server.running.clock.clone();
    let stopped = Arc::new(AtomicBool::new(false));
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut all = Vec::new();
    for n in 0..6 {
        let (token, clock, stopped, told) = (token.clone(), clock.clone(), stopped.clone(), told.clone());
        all.push(tokio::task::spawn_blocking(move || {
            for m in 0.. {
                let key = clock.new_key().to_string();
                let Some((status, body, _)) =
                    post(address, &token, &key, "market.register", &market(n * 10_000 + m))
                else {
                    break;
                };
                if status == 200 {
                    let _ = told.send(body);
                }
                if stopped.load(Ordering::Acquire) {
                    break;
                }
            }
        }));
    }
    drop(told);
    let mut receipts = Vec::new();
    while receipts.len() < 60 {
        receipts.push(answers.recv().await.expect("answers"));
    }
    // In the middle of it.
    let server = server.restart().await;
    stopped.store(true, Ordering::Release);
    for one in all {
        one.await.unwrap();
    }
    while let Some(receipt) = answers.recv().await {
        receipts.push(receipt);
    }
    let mut positions = BTreeSet::new();
    for receipt in &receipts {
        let again =
            server.get("manager", &format!("/v1/receipts/{}", receipt["command"].as_str().unwrap())).await;
        assert_eq!(&again.ok(), receipt, "the same events in the same commit with the same digests");
        positions.insert(receipt["position"].as_str().unwrap().to_owned());
    }
    assert_eq!(positions.len(), receipts.len(), "each has its own place");
    // Every commit is whole: the chain is walked from its first byte to sign the head.
    server.get("auditor", "/v1/log/head").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_folder_is_refused_and_the_first_goes_on() {
    let server = Server::start(DAWN).await;
    let founding = serve::Founding::staffed(server.config());
    let second = serve::start(server.config(), Clock::driven(instant(DAWN)), &founding).await;
    let error = linggong_gateway::chain(&second.expect_err("the folder is in use"));
    assert!(
        error.contains("in use") || error.contains("another process") || error.contains("lock"),
        "{error}"
    );
    server.command("manager", "market.register", market(1)).await.ok();
}

/// Reads events of the stream until the one at `until`: their ids, in the order of arrival.
fn streamed(address: std::net::SocketAddr, token: &str, after: &str, until: &str) -> Vec<(u64, Value)> {
    let answer = ureq::get(format!("http://{address}/v1/events/stream"))
        .header("authorization", format!("Bearer {token}"))
        .header("last-event-id", after)
        .call()
        .expect("a stream");
    let mut seen = Vec::new();
    let mut id = String::new();
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let line = line.expect("a line");
        if let Some(it) = line.strip_prefix("id: ").or(line.strip_prefix("id:")) {
            id = it.to_owned();
        }
        if let Some(data) = line.strip_prefix("data: ").or(line.strip_prefix("data:")) {
            seen.push((id.parse().expect("a position"), serde_json::from_str(data).expect("an event")));
            if id == until {
                break;
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_a_restart_without_loss_or_repetition() {
    let server = Server::start(DAWN).await;
    for n in 0..10 {
        server.command("manager", "market.register", market(n)).await.ok();
    }
    let head = server.running.partition.head.borrow().position;
    let (address, token) = (server.running.address, server.token("auditor"));
    let middle = (head.0 - 4).to_string();
    let until = middle.clone();
    let first = tokio::task::spawn_blocking(move || streamed(address, &token, "0", &until)).await.unwrap();
    let server = server.restart().await;
    let (address, token) = (server.running.address, server.token("auditor"));
    // The listener comes back before the news does.
    let last = (head.0 + 5).to_string();
    let listening = tokio::task::spawn_blocking(move || streamed(address, &token, &middle, &last));
    for n in 10..15 {
        server.command("manager", "market.register", market(n)).await.ok();
    }
    let second = listening.await.unwrap();
    let ids: Vec<u64> = first.iter().chain(&second).map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=head.0 + 5).collect::<Vec<_>>(), "in order, each once");
    for (id, event) in first.iter().chain(&second) {
        assert_eq!(event["position"], json!(id.to_string()));
        let read = server.get("auditor", &format!("/v1/events/{id}")).await.ok();
        assert_eq!(event, &read, "the very event");
    }
}

/// Opens an event stream over a connection of its own, and reads how it is answered.
fn stream(server: &Server, who: &str) -> (TcpStream, String) {
    let mut line = TcpStream::connect(server.running.address).expect("a connection");
    let token = server.token(who);
    let request =
        format!("GET /v1/events/stream HTTP/1.1\r\nHost: linggong\r\nAuthorization: Bearer {token}\r\n\r\n");
    line.write_all(request.as_bytes()).expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(line.read(&mut byte).expect("an answer"), 1, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    (line, String::from_utf8(head).expect("a head of text").to_lowercase())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_has_eight_streams_at_once_and_gets_another_when_one_is_closed() {
    let server = Server::start(DAWN).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let (line, head) = stream(&server, "auditor");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        open.push(line);
    }
    let (_, head) = stream(&server, "auditor");
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 5"), "{head}");
    let (_, head) = stream(&server, "officer");
    assert!(head.starts_with("http/1.1 200"), "nobody else is kept out: {head}");
    open.pop();
    // The server notices a closed line in its own time.
    let mut freed = false;
    for _ in 0..100 {
        freed = freed || stream(&server, "auditor").1.starts_with("http/1.1 200");
        if freed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(freed, "a closed stream leaves its place");
}

/// A connection on which no more than this is said.
fn says(server: &Server, words: &str) -> TcpStream {
    let mut line = TcpStream::connect(server.running.address).expect("a connection");
    line.write_all(words.as_bytes()).expect("it is sent");
    line
}

/// Everything that still comes until the other side closes.
async fn until_closed(mut line: TcpStream) -> String {
    let heard = tokio::task::spawn_blocking(move || {
        let mut heard = Vec::new();
        // What was not read when the line was closed is answered with a reset: that is an end too.
        let _ = line.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    });
    heard.await.expect("a line that ends")
}

const HALF_A_HEAD: &str = "GET /v1/markets HTTP/1.1\r\nHost: linggong\r\nX-Slow: ";

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_the_head_of_a_request_is_hung_up_on() {
    let server = Server::start_with(DAWN, |config| config.header_seconds = 1).await;
    let silent = says(&server, "");
    let slow = says(&server, HALF_A_HEAD);
    let idle = says(&server, "GET /healthz HTTP/1.1\r\nHost: linggong\r\n\r\n");
    assert_eq!(until_closed(silent).await, "");
    assert_eq!(until_closed(slow).await, "");
    let heard = until_closed(idle).await;
    assert!(heard.starts_with("HTTP/1.1 200") && heard.matches("HTTP/1.1").count() == 1, "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_heads_keep_nobody_out_and_cost_no_busy_connection() {
    const BOUND: usize = 32;
    // No time limit comes to anybody's help here.
    let server = Server::start_with(DAWN, |config| {
        config.connections = BOUND;
        config.header_seconds = 3600;
    })
    .await;
    let (mut listening, head) = stream(&server, "auditor");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let mut slow = JoinSet::new();
    for _ in 0..1000 {
        let line = says(&server, HALF_A_HEAD);
        line.set_nonblocking(true).expect("a line that waits for nobody");
        let mut line = tokio::net::TcpStream::from_std(line).expect("a line");
        slow.spawn(async move {
            let mut heard = String::new();
            let _ = line.read_to_string(&mut heard).await;
            heard
        });
    }
    let registered = server.command("manager", "market.register", market(1)).await.ok();
    // Which ones stay to the last depends on which were heard first; that only so many stay does not.
    for _ in 0..1000 - BOUND {
        assert_eq!(slow.join_next().await.expect("a line").expect("it is read to its end"), "");
    }
    let mut heard = Vec::new();
    let position = format!("id: {}\n", registered["position"].as_str().expect("a position"));
    while !String::from_utf8_lossy(&heard).contains(&position) {
        let mut some = [0; 4096];
        let read = listening.read(&mut some).expect("the stream goes on");
        assert!(read > 0, "the stream was cut off: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&some[..read]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_given_up_in_the_readers_language() {
    let server = Server::start_with(DAWN, |config| config.request_seconds = 1).await;
    let token = server.token("manager");
    let key = server.running.clock.new_key();
    for (language, word) in [("zh-CN", "办理超时"), ("en", "took too long")] {
        let line = says(
            &server,
            &format!(
                "POST /v1/commands/market.register HTTP/1.1\r\nHost: linggong\r\nAuthorization: Bearer {token}\r\n\
                 Idempotency-Key: {key}\r\nAccept-Language: {language}\r\nContent-Length: 500\r\n\r\n{{\"name\":"
            ),
        );
        let heard = until_closed(line).await;
        let (head, body) = heard.split_once("\r\n\r\n").expect("an answer");
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 503") && head.contains("\r\nretry-after: 1"), "{heard}");
        assert!(head.contains("application/problem+json"), "{heard}");
        assert!(head.contains(&format!("content-language: {}", language.to_lowercase())), "{heard}");
        assert!(body.contains("\"timed_out\"") && body.contains(word), "{heard}");
    }
    let markets = server.get("auditor", "/v1/markets").await.ok();
    assert_eq!(markets["items"], json!([]), "half a command does nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_the_answers_is_cut_off() {
    let server = Server::start_with(DAWN, |config| config.untaken_seconds = 1).await;
    let mut line = says(&server, "");
    let ask = "GET /v1/openapi.json HTTP/1.1\r\nHost: linggong\r\n\r\n".repeat(64);
    let cut_off = tokio::task::spawn_blocking(move || {
        // Once nothing more fits in between, this blocks, until the server is tired of it.
        loop {
            if let Err(error) = line.write_all(ask.as_bytes()) {
                return error.kind();
            }
        }
    });
    let kind = cut_off.await.expect("the line ends");
    assert!(matches!(kind, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_long_or_of_too_many_fields_is_refused_before_it_is_read_on() {
    let server = Server::start(DAWN).await;
    let (bytes, fields) = (server.config().header_bytes, server.config().header_count);
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(bytes));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: a\r\n".repeat(fields));
    for head in [long, many] {
        let heard = until_closed(says(&server, &head)).await;
        assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_stream_and_for_no_half_said_head() {
    let server = Server::start(DAWN).await;
    let slow = says(&server, HALF_A_HEAD);
    let (listening, _) = stream(&server, "auditor");
    let prompt = std::time::Duration::from_secs(8);
    let stopped = tokio::time::timeout(prompt, server.running.stop()).await;
    stopped.expect("it does not wait for them").expect("it stops");
    let heard = until_closed(listening).await;
    assert!(heard.ends_with("0\r\n\r\n"), "the stream ends whole: {heard}");
    assert_eq!(until_closed(slow).await, "");
}
