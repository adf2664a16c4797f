//! The formats are frozen in `events/golden`: one line per event type and version, and one small log.
//!
//! `UPDATE_GOLDEN=1` writes what is missing and touches nothing that stands. A landed file is never edited: a
//! change of form is a new version of the type and a step that lifts the old one. Only before the first release
//! `UPDATE_GOLDEN=all` rewrites everything; from the first released section of the changelog on it is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod conform;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use linggong_events::audience::RecordedAudience;
use linggong_events::commit::{Commit, Digest, FORMAT, Genesis, Head, Header};
use linggong_events::envelope::{Channel, Envelope, Filed, FiledBasis, Meta, Recorded};
use linggong_events::id::{EntityRef, EventId, command_id, new_id};
use linggong_events::mandate::{Mandate, OnBehalfOf};
use linggong_events::measure::{Position, Version};
use linggong_events::office::Role;
use linggong_events::{Event, EventType};

use samples::{a_person, an_actor, an_event, an_office, at, region, uuid};

#[test]
fn every_event_type_has_exactly_one_sample() {
    let sampled: Vec<String> = samples::all().iter().map(|it| it.event_type().short_name()).collect();
    let mut once = sampled.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), sampled.len(), "a type is sampled twice");
    let types: BTreeSet<String> = Event::types().map(EventType::short_name).collect();
    assert_eq!(BTreeSet::from_iter(sampled), types);
}

#[test]
fn every_sample_and_the_small_log_are_written_as_their_golden_files_say() {
    for (name, bytes) in golden_files() {
        check_golden(&name, &bytes);
    }
}

#[test]
fn every_golden_file_is_read_back_as_its_sample() {
    for event in samples::all() {
        let name = event.event_type().schema_name();
        let line = read_golden(&format!("{name}.json"));
        let line = line.strip_suffix(b"\n").unwrap_or_else(|| panic!("`{name}` is one ended line"));
        match Recorded::from_line(line) {
            Ok(Recorded::Known(envelope)) => assert_eq!(envelope, envelope_at(118, event), "{name}"),
            Ok(Recorded::Unknown(_)) => panic!("`{name}` is not known"),
            Err(error) => panic!("`{name}` cannot be read: {error:?}"),
        }
    }
}

#[test]
fn every_golden_file_belongs_to_a_type_and_reads_as_its_newest_version() {
    LazyLock::force(&WRITTEN_AS_ASKED);
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if ["README.md", "commit.v1.jsonl", "commit.v1.digests"].contains(&name.as_str()) {
            continue;
        }
        let schema = name.strip_suffix(".json").unwrap_or_else(|| panic!("`{name}` is no golden file"));
        let (short, version) = schema.rsplit_once(".v").unwrap();
        let known = Event::types().find(|it| it.short_name() == short);
        let newest = known.unwrap_or_else(|| panic!("`{name}` has no event type")).version;
        assert!((1..=newest).contains(&version.parse().unwrap()), "`{name}` is newer than its type");
        let bytes = read_golden(&name);
        let recorded = Recorded::from_line(bytes.trim_ascii_end()).unwrap();
        assert!(matches!(recorded, Recorded::Known(_)), "no step lifts `{name}` to version {newest}");
    }
}

#[test]
fn the_data_of_every_sample_conforms_to_its_schema_and_has_every_optional_field() {
    for event in samples::all() {
        let event_type = event.event_type();
        let data = serde_json::from_str(event.data().unwrap().get()).unwrap();
        let mut generator = schemars::SchemaGenerator::default();
        let schema = (event_type.schema)(&mut generator);
        let problem = conform::problem(&data, schema.as_value(), generator.definitions());
        assert_eq!(problem, None, "{}", event_type.short_name());
    }
}

#[test]
fn an_event_belongs_first_to_its_own_entity_and_touches_all_that_it_names() {
    for event in samples::all() {
        let (kind, name) = (event.event_type().kind, event.event_type().short_name());
        assert_eq!(event.subject(), EntityRef { kind, id: uuid(kind.name(), 1) }, "subject of {name}");

        let data = event.data().unwrap().get().to_owned();
        let kinds = linggong_events::id::Kind::ALL.iter();
        let named: BTreeSet<EntityRef> = kinds
            .flat_map(|kind| (1..=9).map(|n| EntityRef { kind: *kind, id: uuid(kind.name(), n) }))
            .filter(|entity| data.contains(&entity.id.to_string()))
            .collect();
        let touches = event.touches();
        assert_eq!(touches.len(), named.len(), "{name} touches an entity twice or misses one");
        assert_eq!(BTreeSet::from_iter(touches), named, "what {name} touches");
    }
}

#[test]
fn the_golden_log_is_read_back_and_continues_from_commit_to_commit() {
    let bytes = read_golden("commit.v1.jsonl");
    let digests = String::from_utf8(read_golden("commit.v1.digests")).unwrap();
    let mut rest: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut head = Head::EMPTY;
    for digest in digests.lines() {
        let header: Header = serde_json::from_slice(rest[0]).unwrap();
        let tail = rest.split_off(1 + header.count as usize);
        let commit = Commit::parse(rest.concat()).unwrap();
        rest = tail;
        assert!(commit.events().all(|it| matches!(it, Ok(Recorded::Known(_)))));
        head = head.after(&commit).unwrap();
        assert_eq!(head.digest, digest.parse::<Digest>().unwrap());
    }
    assert!(rest.is_empty(), "more commits than digests");
    assert_eq!((head.commit, head.epoch, head.position), (3, 2, Position(2)));
}

/// A genesis, a takeover, and a commit of two events.
fn small_log() -> Vec<Commit> {
    let genesis = Genesis { format: FORMAT, hash: "sha256".into(), demo: false };
    let first = Commit::build(header_after(Head::EMPTY, 1, Some(genesis)), &[]).unwrap();
    let head = Head::EMPTY.after(&first).unwrap();
    let second = Commit::build(header_after(head, 2, None), &[]).unwrap();
    let head = head.after(&second).unwrap();
    let named = |name: &str| {
        let mut all = samples::all().into_iter();
        all.find(|it| it.event_type().short_name() == name).unwrap()
    };
    let events = [envelope_at(1, named("rules.adopted")), envelope_at(2, named("posting.filled"))];
    let lines: Vec<Vec<u8>> = events.iter().map(|it| it.to_line().unwrap()).collect();
    let third = Commit::build(header_after(head, 2, None), &lines).unwrap();
    head.after(&third).unwrap();
    vec![first, second, third]
}

fn header_after(head: Head, epoch: u64, genesis: Option<Genesis>) -> Header {
    Header {
        v: FORMAT,
        log: "lg-37".into(),
        partition: 0,
        commit: head.commit + 1,
        epoch,
        first: head.position.0 + 1,
        count: 0,
        prev: head.digest,
        software: "0.1.0".into(),
        clock_offset_ms: -12,
        genesis,
    }
}

fn envelope_at(position: u64, event: Event) -> Envelope {
    let command = command_id(an_actor(1), uuid(&event.event_type().short_name(), 1));
    let meta = Meta {
        id: EventId(new_id(command, "event", 0)),
        source: "/linggong/lg-37/0".into(),
        subject: event.subject(),
        time: at("2026-11-22T05:31:07.456Z"),
        position: Position(position),
        version: Version(1),
        occurred_at: at("2026-11-22T05:30:00.000Z"),
        received_at: Some(at("2026-11-22T05:31:07.123Z")),
        filed: Some(Filed { at: at("2026-11-22T05:30:30.000Z"), basis: FiledBasis::WindowStamp }),
        region: region("370102"),
        actor: an_actor(1),
        role: Role::Dispatcher,
        office: Some(an_office(9)),
        on_behalf_of: Some(OnBehalfOf { person: a_person(9), mandate: Mandate::InPerson }),
        channel: Channel::Window,
        source_doc: Some(format!("sha256:{}#sheet1!17", "5c".repeat(32))),
        based_on: Some(Position(117)),
        command: Some((command, format!("hmac-sha256:{}", "7d".repeat(32)))),
        causation: Some(an_event(9)),
        correlation: Some(uuid("correlation", 1)),
        touches: event.touches(),
        audience: RecordedAudience::of(event.event_type().audience),
        rules: ["cn-national", "cn-37"]
            .map(|it| format!("{it}@sha256:{}", "3f".repeat(32)))
            .into_iter()
            .collect(),
    };
    Envelope { meta, event }
}

fn line_of(envelope: &Envelope) -> Vec<u8> {
    let mut line = envelope.to_line().unwrap();
    line.push(b'\n');
    line
}

fn check_golden(name: &str, bytes: &[u8]) {
    let golden = read_golden(name);
    let same = golden == bytes;
    assert!(
        same,
        "`{name}` is written differently now\n golden: {}\n    now: {}",
        String::from_utf8_lossy(&golden),
        String::from_utf8_lossy(bytes)
    );
}

fn read_golden(name: &str) -> Vec<u8> {
    LazyLock::force(&WRITTEN_AS_ASKED);
    let path = folder().join(name);
    fs::read(&path).unwrap_or_else(|_| panic!("`{name}` is missing: run once with UPDATE_GOLDEN=1"))
}

/// Writes the files that the environment asks for, once for all tests.
static WRITTEN_AS_ASKED: LazyLock<()> = LazyLock::new(|| {
    let overwrite = match std::env::var("UPDATE_GOLDEN").unwrap_or_default().as_str() {
        "" => return,
        "1" => false,
        "all" => true,
        other => panic!("`UPDATE_GOLDEN={other}`: expected `1` or `all`"),
    };
    assert!(!overwrite || !is_released(), "a version is released: its formats stay, see golden/README.md");
    for (name, bytes) in golden_files() {
        let path = folder().join(name);
        if overwrite || !path.exists() {
            fs::write(&path, bytes).unwrap();
        }
    }
});

/// What the golden files should hold, by their names.
fn golden_files() -> BTreeMap<String, Vec<u8>> {
    let commits = small_log();
    let digests: String = commits.iter().map(|it| format!("{}\n", it.digest())).collect();
    let log = [
        ("commit.v1.jsonl".to_owned(), commits.iter().flat_map(|it| it.bytes().to_vec()).collect()),
        ("commit.v1.digests".to_owned(), digests.into_bytes()),
    ];
    let events = samples::all().into_iter().map(|event| {
        let name = format!("{}.json", event.event_type().schema_name());
        (name, line_of(&envelope_at(118, event)))
    });
    events.chain(log).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Whether the changelog has a section of a version, that is, one besides the unreleased one.
fn is_released() -> bool {
    let changelog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CHANGELOG.md");
    let text = fs::read_to_string(changelog).unwrap_or_default();
    text.lines().any(|line| {
        let title = line.strip_prefix("## ").map(|it| it.trim_start_matches(['[', 'v']));
        title.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    })
}
