//! Heads of requests, as a socket brings them: the server answers what it understands and hangs up on the rest.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use linggong_tests::Server;

use crate::{Chance, corpus, folder, mutated, rounds};

#[tokio::test(flavor = "multi_thread")]
async fn no_head_of_a_request_breaks_the_server() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (address, token) = (server.running.address, server.token("auditor"));
    let tried = tokio::task::spawn_blocking(move || {
        let seeds = corpus(&folder().join("request"));
        let named = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).replace("TOKEN", &token).into_bytes();
        let seeds: Vec<Vec<u8>> = seeds.iter().map(named).collect();
        let mut chance = Chance::of("request");
        let made = (0..rounds(400)).map(|_| mutated(&seeds, &mut chance)).collect::<Vec<_>>();
        for bytes in seeds.iter().chain(&made) {
            let answer = said(address, bytes);
            let status = answer.split(' ').nth(1).and_then(|it| it.parse::<u16>().ok());
            let fine = answer.is_empty() || status.is_some_and(|it| it < 500 || it == 503);
            assert!(fine, "{:?}: {answer:.300}", String::from_utf8_lossy(bytes));
        }
    });
    tried.await.expect("every answer is one");
    server.get("auditor", "/v1/markets").await.ok();
}

/// What is answered to these bytes and nothing more.
fn said(address: SocketAddr, bytes: &[u8]) -> String {
    let mut line = TcpStream::connect(address).expect("a connection");
    let _ = line.write_all(bytes);
    let _ = line.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
