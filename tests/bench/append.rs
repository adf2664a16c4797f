//! Appends of one event each, every one awaited: the whole engine, the bare log, and what the disk allows.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use linggong_events::commit::MAX_COMMIT_BYTES;
use linggong_events::envelope::Envelope;
use linggong_events::id::ClaimId;
use linggong_events::log::embedded::{EmbeddedLog, Options as LogOptions};
use linggong_events::log::{Author, EventLog as _, LogReader as _};
use linggong_events::measure::{Position, Version};
use serde_json::{Map, json};

use crate::Options;
use crate::measure::{Failed, Row, Rows, Watch};
use crate::w1::{self, Clerk, DATA_BYTES, Engine, PER_CASE};

/// So many events, in so many cases, by so many writers.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) writers: usize,
    pub(crate) cases: u64,
}

impl Size {
    /// One writer waits for the disk each time, so it gets fewer events; each has the same number of cases.
    pub(crate) fn of(writers: usize, options: &Options) -> Size {
        let most = match writers {
            1 => 10_000,
            2..=16 => 51_200,
            _ => u64::MAX,
        };
        let per_writer = (options.events.min(most) / PER_CASE / writers as u64).max(1);
        Size { writers, cases: per_writer * writers as u64 }
    }

    pub(crate) const fn events(self) -> u64 {
        self.cases * PER_CASE
    }
}

pub(crate) fn run(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    for &writers in &options.writers {
        let size = Size::of(writers, options);
        if options.wants("linggong") {
            engine(size, options, rows)?;
        }
        if options.wants("linggong-http") {
            crate::http::append(size, options, rows)?;
        }
        if options.wants("http-floor") {
            crate::http::floor(size, rows)?;
        }
        if options.wants("log") {
            bare_log(size, options, rows)?;
        }
        #[cfg(feature = "peers")]
        if options.wants("tephra") {
            crate::peer::append(size, options, rows)?;
        }
        if options.wants("floor") {
            floor(size, options, rows)?;
        }
    }
    Ok(())
}

fn engine(size: Size, options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    // The clients share one thread: the engine has two of its own, and the machine may have no more than these.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::open(folder.path())?;
        let clerk = Clerk::of(&engine.handle, &engine.clock)?;
        let claims = clerk.claims(size.cases).await?;
        let before = engine.handle.head.borrow().commit;
        let watch = Watch::start();
        let each = add_all(&clerk, &claims, size.writers).await?;
        let took = watch.stop();
        let commits = engine.handle.head.borrow().commit - before;
        let last = engine.handle.head.borrow().position;
        engine.stop().await?;
        let (log, _) = w1::open(&w1::config(folder.path()), &linggong_gateway::clock::Clock::wall())?;
        let line = log.reader().line(last)?.unwrap_or_default();
        let data = data_bytes(&line);
        if data != DATA_BYTES {
            return Err(format!("an event has {data} bytes of data").into());
        }
        let mut more = Map::new();
        more.insert("commits".into(), json!(commits));
        more.insert("line_bytes".into(), json!(line.len()));
        let (case, n) = (size.writers.to_string(), size.events());
        rows.add(Row { bench: "append", case, system: "linggong", n, each, took, more })
    })
}

/// Each writer adds to cases of its own, in turns; every append is awaited and guarded by the case's version.
pub(crate) async fn add_all(
    clerk: &Clerk,
    claims: &[ClaimId],
    writers: usize,
) -> Result<Vec<Duration>, Failed> {
    let mut tasks = tokio::task::JoinSet::new();
    for own in claims.chunks(claims.len() / writers) {
        let (clerk, own) = (clerk.clone(), own.to_vec());
        tasks.spawn(async move {
            let mut each = Vec::with_capacity(own.len() * PER_CASE as usize);
            for nth in 0..PER_CASE {
                for &claim in &own {
                    let asked = Instant::now();
                    // Its registration is version 1.
                    clerk.give(w1::evidence(claim, nth), Some(Version(nth + 1))).await?;
                    each.push(asked.elapsed());
                }
            }
            Ok::<_, Failed>(each)
        });
    }
    let mut each = Vec::new();
    while let Some(done) = tasks.join_next().await {
        each.extend(done??);
    }
    Ok(each)
}

fn data_bytes(line: &[u8]) -> usize {
    let data: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    data.and_then(|it| serde_json::to_vec(&it["data"]).ok()).map_or(0, |it| it.len())
}

/// The log alone, as full as the writers would make each commit.
fn bare_log(size: Size, options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let mut log = EmbeddedLog::create(folder.path(), LogOptions::default())?;
    let author = author();
    log.append(&author.genesis(true)?)?;
    let lines = lines(size);
    // As many as the bytes of a commit allow.
    let most = (MAX_COMMIT_BYTES - 1024) / (lines.iter().map(Vec::len).max().unwrap_or(1) + 1);
    let batch = size.writers.min(most);
    let (mut each, watch) = (Vec::new(), Watch::start());
    for lines in lines.chunks(batch) {
        let asked = Instant::now();
        log.append(&author.commit(&log.head(), 0, lines)?)?;
        each.push(asked.elapsed());
    }
    let (took, case, n) = (watch.stop(), size.writers.to_string(), size.events());
    rows.add(Row { bench: "append", case, system: "log", n, each, took, more: Map::new() })
}

pub(crate) fn author() -> Author {
    Author { log: "lg-37".into(), partition: 0, software: "bench".into() }
}

/// The lines of the workload, as the engine would write them.
pub(crate) fn lines(size: Size) -> Vec<Vec<u8>> {
    let template = template();
    let nth = |n: u64| {
        let mut envelope: Envelope = template.clone();
        let (seq, case) = (n / size.cases, n % size.cases);
        let claim = w1::nth_claim(case);
        envelope.meta.position = Position(n + 1);
        envelope.meta.version = Version(seq + 1);
        envelope.meta.subject = claim.into();
        envelope.meta.touches = vec![claim.into()];
        envelope.event = w1::evidence_added(claim, seq).into();
        envelope.to_line().unwrap_or_default()
    };
    (0..size.events()).map(nth).collect()
}

/// An event with everything that the engine writes around the data.
fn template() -> Envelope {
    use linggong_events::audience::{Audience, RecordedAudience};
    use linggong_events::envelope::{Channel, Meta};
    use linggong_events::id::{ActorId, EventId, OfficeId, command_id, new_id};
    use linggong_events::office::Role;
    use linggong_events::time::Timestamp;
    let command = command_id(ActorId::ENGINE, uuid::Uuid::from_u128(7));
    let (claim, time) = (w1::nth_claim(0), Timestamp::EARLIEST);
    let digest = linggong_events::commit::Digest::ZERO.to_string();
    let meta = Meta {
        id: EventId(new_id(command, "event", 0)),
        source: author().source(),
        subject: claim.into(),
        time,
        position: Position(1),
        version: Version(1),
        occurred_at: time,
        received_at: Some(time),
        filed: None,
        region: linggong_events::region::Region::SHANDONG,
        actor: ActorId(uuid::Uuid::from_u128(5)),
        role: Role::Clerk,
        office: Some(OfficeId(uuid::Uuid::from_u128(6))),
        on_behalf_of: None,
        channel: Channel::Online,
        source_doc: None,
        based_on: None,
        command: Some((command, format!("hmac-{digest}"))),
        causation: None,
        correlation: None,
        touches: vec![claim.into()],
        audience: RecordedAudience::of(Audience::Never),
        rules: ["cn-national@0123456789ab", "holidays-2026@0123456789ab", "words@0123456789ab"]
            .into_iter()
            .collect(),
    };
    Envelope { meta, event: w1::evidence_added(claim, 0).into() }
}

/// What the disk allows: the same bytes, written and synced, nothing else. Once into a file that grows, as
/// a plain program would, once into one that was filled before.
fn floor(size: Size, options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let lines = lines(Size { writers: size.writers, cases: size.cases.min(200).max(size.writers as u64) });
    let written: Vec<Vec<u8>> = lines.chunks(size.writers).map(<[Vec<u8>]>::concat).collect();
    for (system, filled) in [("floor", false), ("floor-prefilled", true)] {
        let folder = options.folder()?;
        let file = make(&folder.path().join("file"), filled.then(|| written.iter().map(Vec::len).sum()))?;
        let (mut at, mut each, watch) = (0, Vec::new(), Watch::start());
        for bytes in &written {
            let asked = Instant::now();
            file.write_all_at(bytes, at)?;
            file.sync_data()?;
            each.push(asked.elapsed());
            at += bytes.len() as u64;
        }
        let (took, case, n) = (watch.stop(), size.writers.to_string(), lines.len() as u64);
        rows.add(Row { bench: "append", case, system, n, each, took, more: Map::new() })?;
    }
    Ok(())
}

fn make(path: &Path, filled: Option<usize>) -> Result<File, Failed> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    if let Some(length) = filled {
        file.write_all_at(&vec![0; length], 0)?;
    }
    file.sync_all()?;
    Ok(file)
}
