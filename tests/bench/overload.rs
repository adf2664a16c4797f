//! Ten times as many clients as the server takes on at once: what it takes on is answered as fast as ever, the
//! rest is told when to come back and does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::ClaimId;
use linggong_gateway::clock::Clock;
use linggong_gateway::serve::{self, Founding};
use serde_json::{Map, json};
use tokio::net::TcpStream;

use crate::Options;
use crate::http::{read_answer, request, stored};
use crate::measure::{Failed, Row, Rows, Watch, resident_mb};
use crate::w1::{self, Clerk, PER_CASE};

/// How many clients the server takes on at once, as it is set up by default.
const NORMAL: usize = 256;

pub(crate) fn run(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config =
            linggong_gateway::config::Config { connections: 11 * NORMAL, ..w1::config(folder.path()) };
        let running = serve::start(&config, Clock::wall(), &Founding::staffed(&config)).await?;
        let token = std::fs::read_to_string(config.data.join("tokens/clerk.token"))?;
        let clerk = Clerk::of(&running.partition, &running.clock)?;
        for (case, clients) in [("1x", NORMAL), ("10x", 10 * NORMAL)] {
            let claims = clerk.claims(2 * 10 * NORMAL as u64).await?;
            let head = running.partition.head.borrow().position;
            running.projections.all_reached(head).await?;
            let first = *claims.first().ok_or("no claims")?;
            let papers = stored(TcpStream::connect(running.address).await?, &token, first).await?;
            let load = Arc::new(Load {
                token: token.clone(),
                clock: running.clock.clone(),
                papers,
                left: AtomicU64::new(options.events),
            });
            let mut streams = Vec::new();
            for own in claims.chunks(claims.len() / clients) {
                let stream = TcpStream::connect(running.address).await?;
                stream.set_nodelay(true)?;
                streams.push((stream, own.to_vec()));
            }
            let (before, watch) = (resident_mb(), Watch::start());
            let mut under_way = tokio::task::JoinSet::new();
            for (stream, own) in streams {
                under_way.spawn(client(stream, load.clone(), own));
            }
            let (mut each, mut turned_away, mut longest) = (Vec::new(), 0, Duration::ZERO);
            while let Some(done) = under_way.join_next().await {
                let seen = done??;
                each.extend(seen.accepted);
                turned_away += seen.turned_away;
                longest = longest.max(seen.longest_refusal);
            }
            let took = watch.stop();
            let mut more = Map::new();
            more.insert("turned_away".into(), json!(turned_away));
            more.insert("longest_refusal_us".into(), json!(longest.as_micros() as u64));
            more.insert("grown_mb".into(), json!(resident_mb() - before));
            let n = each.len() as u64;
            rows.add(Row {
                bench: "overload",
                case: case.into(),
                system: "linggong-http",
                n,
                each,
                took,
                more,
            })?;
        }
        running.stop().await?;
        Ok(())
    })
}

/// What all clients share.
struct Load {
    token: String,
    clock: Clock,
    papers: Vec<EvidenceDigest>,
    /// How many commands are still to be accepted.
    left: AtomicU64,
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    /// How long each answer took that told of an accepted command, from the request that was accepted on.
    accepted: Vec<Duration>,
    /// How often it was told to come back.
    turned_away: u64,
    /// How long it waited for that at most.
    longest_refusal: Duration,
}

/// Adds to claims of its own in turns until enough is accepted, and comes back when it is told to.
async fn client(mut stream: TcpStream, load: Arc<Load>, own: Vec<ClaimId>) -> Result<Seen, Failed> {
    let (mut seen, mut answer) = (Seen::default(), Vec::new());
    for (nth, &digest) in (0..PER_CASE).zip(&load.papers) {
        for &claim in &own {
            let request = request(&load.token, &load.clock, claim, nth, digest)?;
            loop {
                if load.left.load(Ordering::Relaxed) == 0 {
                    return Ok(seen);
                }
                let asked = Instant::now();
                tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await?;
                read_answer(&mut stream, &mut answer).await?;
                if answer.starts_with(b"HTTP/1.1 200") {
                    seen.accepted.push(asked.elapsed());
                    let _ =
                        load.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
                    break;
                }
                seen.turned_away += 1;
                seen.longest_refusal = seen.longest_refusal.max(asked.elapsed());
                tokio::time::sleep(when_to_come_back(&answer)?).await;
            }
        }
    }
    Ok(seen)
}

/// What a 503 says; every other answer is a failure, and so is one that does not say when to come back.
fn when_to_come_back(answer: &[u8]) -> Result<Duration, Failed> {
    let told = String::from_utf8_lossy(answer);
    let wait = told.lines().find_map(|it| it.strip_prefix("retry-after: ")).and_then(|it| it.parse().ok());
    match wait {
        Some(seconds) if told.starts_with("HTTP/1.1 503") => Ok(Duration::from_secs(seconds)),
        Some(_) | None => Err(told.into_owned().into()),
    }
}
