//! The peer: tephra, an embedded event store. One thread per writer, as its own benchmarks do; every append is
//! guarded by a condition on the tag of its case, after the last event that the writer knows of it.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value};
use tephra::{
    AppendCondition, Event, EventType, Position, Query, QueryItem, SegmentConfig, SegmentSet, Tag, Tags,
    WriteCoordinator, WriteHandle, WriterConfig,
};

use crate::Options;
use crate::append::Size;
use crate::measure::{Failed, Row, Rows, Watch};
use crate::w1::{self, PER_CASE};

const SEGMENT_BYTES: usize = 256 * 1024 * 1024;

pub(crate) fn append(size: Size, options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let (coordinator, handle) = open(folder.path())?;
    let (watch, each) = (Watch::start(), fill(&handle, size)?);
    let (took, case, n) = (watch.stop(), size.writers.to_string(), size.events());
    coordinator.shutdown();
    rows.add(Row { bench: "append", case, system: "tephra", n, each, took, more: Map::new() })
}

pub(crate) fn open(dir: &Path) -> Result<(WriteCoordinator, WriteHandle), Failed> {
    let set = SegmentSet::open(dir, SegmentConfig::new(SEGMENT_BYTES))?;
    Ok(WriteCoordinator::start(set, WriterConfig::default())?)
}

pub(crate) fn fill(handle: &WriteHandle, size: Size) -> Result<Vec<std::time::Duration>, Failed> {
    let per_writer = size.cases / size.writers as u64;
    let writers: Vec<_> = (0..size.writers as u64)
        .map(|writer| {
            let handle = handle.clone();
            std::thread::spawn(move || write(&handle, writer * per_writer..(writer + 1) * per_writer))
        })
        .collect();
    let mut each = Vec::new();
    for writer in writers {
        each.extend(writer.join().map_err(|_| "a writer panicked")??);
    }
    Ok(each)
}

fn write(handle: &WriteHandle, cases: std::ops::Range<u64>) -> Result<Vec<std::time::Duration>, Failed> {
    let event_type = EventType::new("evidence_added")?;
    let mut last = vec![Position::ZERO; (cases.end - cases.start) as usize];
    let mut each = Vec::new();
    for nth in 0..PER_CASE {
        for (case, last) in cases.clone().zip(&mut last) {
            let asked = Instant::now();
            let data = serde_json::to_vec(&w1::evidence_added(w1::nth_claim(case), nth))?;
            let event = Event::new(&event_type, &tags(case)?, &data)?;
            let guard = AppendCondition::new(of_case(case)?).after(*last);
            *last = handle.append(vec![event], Some(guard))?.last;
            each.push(asked.elapsed());
        }
    }
    Ok(each)
}

fn tags(case: u64) -> Result<Tags, Failed> {
    Ok(Tags::new([Tag::new(format!("case:{case}"))?])?)
}

fn of_case(case: u64) -> Result<Query, Failed> {
    Ok(Query::item(QueryItem::with_tags(tags(case)?)))
}

/// Reads one case and decodes its events.
pub(crate) fn read_case(handle: &WriteHandle, case: u64) -> Result<u64, Failed> {
    let mut reads = handle.read(&of_case(case)?, Position::ZERO, None);
    let mut count = 0;
    while let Some(item) = reads.next() {
        let event: linggong_events::claim::EvidenceAdded = serde_json::from_slice(item?.event.data())?;
        black_box(&event);
        count += 1;
    }
    Ok(count)
}

/// Reads everything, decodes it and sums bytes by case.
pub(crate) fn replay(options: &Options, size: Size, rows: &mut Rows) -> Result<(), Failed> {
    let folder = options.folder()?;
    let (coordinator, handle) = open(folder.path())?;
    fill(&handle, size)?;
    let watch = Watch::start();
    let mut sums = std::collections::HashMap::new();
    let mut reads = handle.read(&Query::all(), Position::ZERO, None);
    let mut n = 0;
    while let Some(item) = reads.next() {
        let event: linggong_events::claim::EvidenceAdded = serde_json::from_slice(item?.event.data())?;
        *sums.entry(event.claim).or_insert(0) += event.bytes;
        n += 1;
    }
    let took = watch.stop();
    drop(reads);
    coordinator.shutdown();
    if sums.len() as u64 != size.cases {
        return Err("the peer lost cases".into());
    }
    let more: Map<String, Value> = Map::new();
    rows.add(Row { bench: "replay", case: "1".into(), system: "tephra", n, each: Vec::new(), took, more })
}
