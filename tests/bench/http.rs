//! The same appends over HTTP, against the server with its views and its vault: one connection per client, kept
//! alive, one request under way on each.

use std::time::{Duration, Instant};

use linggong_engine::claim::AddEvidence;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::ClaimId;
use linggong_gateway::clock::Clock;
use linggong_gateway::serve::{self, Founding};
use serde_json::{Map, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Options;
use crate::append::Size;
use crate::measure::{Failed, Row, Rows, Watch};
use crate::w1::{self, Clerk, PER_CASE};

pub(crate) fn append(size: Size, options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = w1::config(folder.path());
        let running = serve::start(&config, Clock::wall(), &Founding::staffed(&config)).await?;
        let token = std::fs::read_to_string(config.data.join("tokens/clerk.token"))?;
        let claims = Clerk::of(&running.partition, &running.clock)?.claims(size.cases).await?;
        let head = running.partition.head.borrow().position;
        running.projections.all_reached(head).await?;
        let first = *claims.first().ok_or("no claims")?;
        let papers = stored(TcpStream::connect(running.address).await?, &token, first).await?;
        let watch = Watch::start();
        let mut clients = tokio::task::JoinSet::new();
        for own in claims.chunks(claims.len() / size.writers) {
            let stream = TcpStream::connect(running.address).await?;
            stream.set_nodelay(true)?;
            clients.spawn(client(stream, token.clone(), running.clock.clone(), own.to_vec(), papers.clone()));
        }
        let mut each = Vec::new();
        while let Some(done) = clients.join_next().await {
            each.extend(done??);
        }
        let took = watch.stop();
        let head = running.partition.head.borrow().position;
        let views = running.projections.standings().iter().map(|it| it.position).min();
        let behind = views.map_or(0, |it| head.0 - it.0);
        running.stop().await?;
        let mut more = Map::new();
        more.insert("views_behind".into(), json!(behind));
        let (case, n) = (size.writers.to_string(), size.events());
        rows.add(Row { bench: "append", case, system: "linggong-http", n, each, took, more })
    })
}

/// The same requests to a server that only reads them and answers each with the same bytes: what clients, sockets and the
/// system's scheduling take of this machine before anything is decided.
pub(crate) fn floor(size: Size, rows: &mut Rows) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answering = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream));
            }
        });
        let papers = vec![EvidenceDigest(linggong_events::commit::Digest::of(b"")); PER_CASE as usize];
        let claims: Vec<ClaimId> =
            (0..size.cases).map(|nth| ClaimId(uuid::Uuid::from_u128(nth.into()))).collect();
        let watch = Watch::start();
        let mut clients = tokio::task::JoinSet::new();
        for own in claims.chunks(claims.len() / size.writers) {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            clients.spawn(client(stream, "t".repeat(40), Clock::wall(), own.to_vec(), papers.clone()));
        }
        let mut each = Vec::new();
        while let Some(done) = clients.join_next().await {
            each.extend(done??);
        }
        let took = watch.stop();
        answering.abort();
        let (case, n) = (size.writers.to_string(), size.events());
        rows.add(Row { bench: "append", case, system: "http-floor", n, each, took, more: Map::new() })
    })
}

async fn answer_all(mut stream: TcpStream) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let body = format!("{{\"position\":\"{}\"}}", "0".repeat(180));
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut request = Vec::new();
    loop {
        read_answer(&mut stream, &mut request).await?;
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Stores one paper for each event of a claim, for the server asks its vault before it decides; not measured.
pub(crate) async fn stored(
    mut stream: TcpStream,
    token: &str,
    about: ClaimId,
) -> Result<Vec<EvidenceDigest>, Failed> {
    let (mut papers, mut answer) = (Vec::new(), Vec::new());
    for nth in 0..PER_CASE {
        let paper = format!("photo-{nth:08}");
        let request = format!(
            "POST /v1/evidence?about=claim/{about} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
             content-type: text/plain\r\ncontent-length: {}\r\n\r\n{paper}",
            paper.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        read_answer(&mut stream, &mut answer).await?;
        let told = answer.split(|it| *it == b'\n').next_back().unwrap_or_default();
        let told: serde_json::Value = serde_json::from_slice(told)?;
        papers.push(serde_json::from_value(told["digest"].clone())?);
    }
    Ok(papers)
}

async fn client(
    mut stream: TcpStream,
    token: String,
    clock: Clock,
    own: Vec<ClaimId>,
    papers: Vec<EvidenceDigest>,
) -> Result<Vec<Duration>, Failed> {
    let (mut each, mut answer) = (Vec::new(), Vec::new());
    for (nth, &digest) in (0..PER_CASE).zip(&papers) {
        for &claim in &own {
            let asked = Instant::now();
            let request = request(&token, &clock, claim, nth, digest)?;
            stream.write_all(request.as_bytes()).await?;
            read_answer(&mut stream, &mut answer).await?;
            each.push(asked.elapsed());
            if !answer.starts_with(b"HTTP/1.1 200") {
                return Err(String::from_utf8_lossy(&answer).into());
            }
        }
    }
    Ok(each)
}

/// The command that adds the evidence number `nth` to a claim, guarded by its version.
pub(crate) fn request(
    token: &str,
    clock: &Clock,
    claim: ClaimId,
    nth: u64,
    digest: EvidenceDigest,
) -> Result<String, Failed> {
    let mut body = serde_json::to_value(AddEvidence { digest, ..w1::evidence(claim, nth) })?;
    body["about"] = json!({ "if_version": (nth + 1).to_string() });
    let body = body.to_string();
    Ok(format!(
        "POST /v1/commands/claim.add_evidence HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         idempotency-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        clock.new_key(),
        body.len(),
    ))
}

/// Reads one whole answer into `answer`.
pub(crate) async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<(), Failed> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end])?;
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
        let length: usize = length.ok_or("no content-length")?.parse()?;
        if answer.len() >= end + 4 + length {
            return Ok(());
        }
    }
}
