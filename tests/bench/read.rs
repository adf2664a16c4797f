//! Reading: everything from the first event, one case, and a view built anew.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use linggong_engine::partition::{Partition, Setting};
use linggong_events::claim::ClaimEvent;
use linggong_events::commit::{Commit, Head};
use linggong_events::envelope::Recorded;
use linggong_events::event::Event;
use linggong_events::id::ClaimId;
use linggong_events::log::LogReader;
use linggong_events::log::embedded::EmbeddedReader;
use linggong_events::region::Region;
use linggong_gateway::clock::Clock;
use linggong_gateway::packs::PackStore;
use linggong_gateway::serve::{self, Founding, Running};
use linggong_gateway::vault::{Vault, VaultSettings};
use linggong_projections::PageRequest;
use serde_json::Map;

use crate::Options;
use crate::append::{self, Size};
use crate::measure::{Failed, Row, Rows, Watch};
use crate::w1::{self, Clerk, Engine};

/// Makes a log of the workload in `dir` with the engine, 256 writers at a time; gives its claims.
pub(crate) fn make_log(dir: &Path, size: Size) -> Result<Vec<ClaimId>, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::open(dir)?;
        let clerk = Clerk::of(&engine.handle, &engine.clock)?;
        let claims = clerk.claims(size.cases).await?;
        append::add_all(&clerk, &claims, size.writers).await?;
        drop(clerk);
        engine.stop().await?;
        make_vault(dir)?;
        Ok(claims)
    })
}

/// A server starts on a log that names people only where their vault is; this one holds nobody, for the people of the
/// workload are made up.
fn make_vault(dir: &Path) -> Result<(), Failed> {
    let config = w1::config(dir);
    let (directory, master_key) = (config.data.join("vault"), config.vault_key_file());
    Vault::open(&VaultSettings { directory, master_key, log: config.log, demo: true })?;
    Ok(())
}

fn reader(dir: &Path) -> Result<EmbeddedReader, Failed> {
    Ok(linggong_events::log::embedded::EmbeddedLog::open_read_only(&dir.join("log"))?.reader)
}

pub(crate) fn replay(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let size = Size::of(256, options);
    let folder = options.folder()?;
    make_log(folder.path(), size)?;
    let reader = reader(folder.path())?;
    let row = |case: &str, system| Row {
        bench: "replay",
        case: case.to_owned(),
        system,
        n: reader.head().position.0,
        each: Vec::new(),
        took: Watch::start().stop(),
        more: Map::new(),
    };
    if options.wants("linggong") {
        let (watch, mut sums, mut head) = (Watch::start(), BTreeMap::new(), Head::EMPTY);
        for commit in reader.commits(1) {
            let commit = commit?;
            head = head.after(&commit)?;
            fold(&commit, &mut sums)?;
        }
        let took = watch.stop();
        check_sums(&sums, size)?;
        rows.add(Row { took, ..row("1", "linggong") })?;

        let (watch, sums) = (Watch::start(), by_two(&reader)?);
        let took = watch.stop();
        check_sums(&sums, size)?;
        rows.add(Row { took, ..row("2", "linggong") })?;
    }
    if options.wants("linggong-engine") {
        let packs = PackStore::open(folder.path().join("packs"))?.load()?;
        let setting = Setting {
            log: w1::config(folder.path()).log,
            partition: 0,
            software: "bench".into(),
            region: Region::SHANDONG,
        };
        let (watch, mut partition) = (Watch::start(), Partition::new(setting, packs));
        for commit in reader.commits(1) {
            partition.replay(&commit?)?;
        }
        let took = watch.stop();
        rows.add(Row { took, ..row("1", "linggong-engine") })?;
    }
    #[cfg(feature = "peers")]
    if options.wants("tephra") {
        crate::peer::replay(options, size, rows)?;
    }
    Ok(())
}

type Sums = BTreeMap<ClaimId, u64>;

fn fold(commit: &Commit, sums: &mut Sums) -> Result<(), Failed> {
    for recorded in commit.events() {
        if let Recorded::Known(envelope) = recorded?
            && let Event::Claim(ClaimEvent::EvidenceAdded(it)) = envelope.event
        {
            *sums.entry(it.claim).or_insert(0) += it.bytes;
        }
    }
    Ok(())
}

fn check_sums(sums: &Sums, size: Size) -> Result<(), Failed> {
    if sums.len() as u64 == size.cases { Ok(()) } else { Err("the log lost cases".into()) }
}

/// One thread reads and checks the chain, the other decodes and folds.
fn by_two(reader: &EmbeddedReader) -> Result<Sums, Failed> {
    std::thread::scope(|scope| {
        let (give, take) = std::sync::mpsc::sync_channel(64);
        let checks = scope.spawn(move || {
            let mut head = Head::EMPTY;
            for commit in reader.commits(1) {
                let commit = commit?;
                head = head.after(&commit)?;
                if give.send(commit).is_err() {
                    break;
                }
            }
            Ok::<_, Failed>(())
        });
        let mut sums = Sums::new();
        for commit in take {
            fold(&commit, &mut sums)?;
        }
        checks.join().map_err(|_| "the reading thread panicked")??;
        Ok(sums)
    })
}

/// A server on the workload, its views caught up.
async fn serving(dir: &Path) -> Result<Running, Failed> {
    let config = w1::config(dir);
    let running = serve::start(&config, Clock::wall(), &Founding::staffed(&config)).await?;
    let head = running.partition.head.borrow().position;
    running.projections.all_reached(head).await?;
    Ok(running)
}

pub(crate) fn case_read(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let size = Size::of(256, options);
    let folder = options.folder()?;
    let claims = make_log(folder.path(), size)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if options.wants("linggong") {
        runtime.block_on(async {
            let running = serving(folder.path()).await?;
            let readers = running.readers.clone();
            let log = reader(folder.path())?;
            let view = |claim| {
                let found = readers.case_history.claim(claim)?.value.ok_or("no such claim")?;
                Ok(black_box(found).evidence.len())
            };
            read_all("idle", "linggong", &claims, view, rows)?;
            let events = |claim: ClaimId| {
                let page = PageRequest::first(200);
                let mut count = 0;
                for entry in readers.timeline.touching(claim.into(), &page)?.value.rows {
                    let line = log.line(entry.position)?.ok_or("no such event")?;
                    black_box(Recorded::from_line(&line)?);
                    count += 1;
                }
                Ok(count - 1)
            };
            read_all("idle", "linggong-events", &claims, events, rows)?;

            // The same while others write to cases of their own.
            let clerk = Clerk::of(&running.partition, &running.clock)?;
            let others = clerk.claims(size.cases.min(1024)).await;
            let others = match others {
                Ok(others) => others,
                Err(error) => return Err(error),
            };
            let begun = running.partition.head.borrow().position.0 + 1000;
            let mut head = running.partition.head.clone();
            let writing = tokio::spawn(async move { append::add_all(&clerk, &others, 256).await });
            // Only once they are all at it.
            head.wait_for(|it| it.position.0 > begun).await?;
            let reads = tokio::task::spawn_blocking(move || {
                let mut each = Vec::new();
                for nth in 0..2000 {
                    let claim = claims[(nth * 7919) % claims.len()];
                    let asked = Instant::now();
                    let found = readers.case_history.claim(claim)?.value.ok_or("no such claim")?;
                    each.push(asked.elapsed());
                    if found.evidence.len() as u64 != w1::PER_CASE {
                        return Err("a claim lost evidence".into());
                    }
                }
                Ok::<_, Failed>(each)
            });
            let watch = Watch::start();
            let each = reads.await??;
            let took = watch.stop();
            writing.await??;
            let n = each.len() as u64;
            let case = "256".to_owned();
            rows.add(Row { bench: "case-read", case, system: "linggong", n, each, took, more: Map::new() })?;
            running.stop().await?;
            Ok::<_, Failed>(())
        })?;
    }
    #[cfg(feature = "peers")]
    if options.wants("tephra") {
        let folder = options.folder()?;
        let (coordinator, handle) = crate::peer::open(folder.path())?;
        crate::peer::fill(&handle, size)?;
        let cases: Vec<u64> = (0..size.cases).collect();
        read_all("idle", "tephra", &cases, |case| Ok(crate::peer::read_case(&handle, case)? as usize), rows)?;
        coordinator.shutdown();
    }
    Ok(())
}

/// 2,000 cases in an order without pattern, one after another.
fn read_all<C: Copy>(
    case: &str,
    system: &str,
    cases: &[C],
    read: impl Fn(C) -> Result<usize, Failed>,
    rows: &mut Rows,
) -> Result<(), Failed> {
    let (mut each, watch) = (Vec::new(), Watch::start());
    for nth in 0..2000 {
        let asked = Instant::now();
        let found = read(cases[(nth * 7919) % cases.len()])?;
        each.push(asked.elapsed());
        if found as u64 != w1::PER_CASE {
            return Err(format!("{found} events in a case").into());
        }
    }
    let (took, n, case) = (watch.stop(), each.len() as u64, case.to_owned());
    rows.add(Row { bench: "case-read", case, system, n, each, took, more: Map::new() })
}

/// Each view alone, from an empty folder to the end of the log; and what sled does with rows of 300 bytes.
pub(crate) fn rebuild(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let size = Size::of(256, options);
    let folder = options.folder()?;
    make_log(folder.path(), size)?;
    let log = reader(folder.path())?;
    let n = log.head().position.0;
    for &(name, _) in linggong_projections::NAMES {
        if !options.wants("linggong") {
            break;
        }
        let views = options.folder()?;
        let mut opened = linggong_projections::open_all(views.path())?;
        let view = opened.projections.iter_mut().find(|it| it.name() == name).ok_or("no such view")?;
        let (watch, mut batch) = (Watch::start(), Vec::new());
        for commit in log.commits(1) {
            for recorded in commit?.events() {
                batch.push(recorded?);
            }
            if batch.len() >= 1000 {
                view.apply_batch(&batch)?;
                batch.clear();
            }
        }
        view.apply_batch(&batch)?;
        let took = watch.stop();
        let (case, each) = (name.to_owned(), Vec::new());
        rows.add(Row { bench: "rebuild", case, system: "linggong", n, each, took, more: Map::new() })?;
        drop(opened);
        if options.wants("sled") {
            same_rows(options, name, views.path(), n, rows)?;
        }
    }
    if options.wants("sled") {
        raw_sled(options, n, rows)?;
    }
    Ok(())
}

/// What sled alone needs for the rows that the view in `dir` came to, each written once: the floor for a view that
/// writes several rows an event. `n` stays the number of events, so that the rates compare.
fn same_rows(options: &Options, view: &str, dir: &Path, n: u64, rows: &mut Rows) -> Result<(), Failed> {
    let files = std::fs::read_dir(dir)?.filter_map(|it| Some(it.ok()?.path()));
    let of_view = |it: &std::path::PathBuf| {
        it.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{view}-v")))
    };
    let built = files.into_iter().find(of_view).ok_or("the view left no files")?;
    let built: Vec<_> = sled::open(built)?.iter().collect::<Result<_, _>>()?;
    // All tables go on together and each in the order of its keys, which is kinder to sled than the events are.
    let mut sizes = BTreeMap::new();
    let nth_of_table: Vec<(u8, u64)> = built
        .iter()
        .map(|(key, _)| {
            let table = key.first().copied().unwrap_or_default();
            let size = sizes.entry(table).or_insert(0_u64);
            *size += 1;
            (table, *size)
        })
        .collect();
    let (folder, mut order): (_, Vec<usize>) = (options.folder()?, (0..built.len()).collect());
    order.sort_by_key(|at| (nth_of_table[*at].1 << 20) / sizes[&nth_of_table[*at].0]);
    let database = sled::Config::new().path(folder.path().join("sled")).cache_capacity(32 << 20).open()?;
    let watch = Watch::start();
    for part in order.chunks(1000) {
        let mut batch = sled::Batch::default();
        for nth in part {
            let (key, row) = &built[*nth];
            batch.insert(key, row);
        }
        database.apply_batch(batch)?;
    }
    let (took, case, each) = (watch.stop(), view.to_owned(), Vec::new());
    let more = Map::from_iter([("rows".to_owned(), built.len().into())]);
    rows.add(Row { bench: "rebuild", case, system: "sled", n, each, took, more })
}

/// Batches of 1000 rows of 300 bytes each under 500,000 keys in no order, as a view would write them.
fn raw_sled(options: &Options, n: u64, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let database = sled::Config::new().path(folder.path().join("sled")).open()?;
    let watch = Watch::start();
    let mut row = [0_u8; 300];
    for from in (0..n).step_by(1000) {
        let mut batch = sled::Batch::default();
        for nth in from..n.min(from + 1000) {
            let key = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 500_000;
            row[..8].copy_from_slice(&nth.to_le_bytes());
            batch.insert(&key.to_be_bytes(), &row[..]);
        }
        database.apply_batch(batch)?;
    }
    let (took, case, each) = (watch.stop(), "raw".to_owned(), Vec::new());
    rows.add(Row { bench: "rebuild", case, system: "sled", n, each, took, more: Map::new() })
}
