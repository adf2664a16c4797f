//! What every view owes: the same rows however they came about, and never a wrong answer from broken files.

use std::path::Path;

use linggong_events::Event;
use linggong_events::envelope::{Meta, Recorded};
use linggong_events::measure::Position;
use linggong_events::worker::WorkerEvent;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use crate::key::Table;
use crate::store::{broken, vandalise};
use crate::testing::{self, Ledger, morning};
use crate::*;

fn views(dir: &Path) -> Views {
    open_all(dir).unwrap()
}

fn catch_up(views: &mut Views, events: &[Recorded]) {
    for projection in &mut views.projections {
        let from = projection.checkpoint().unwrap().0 as usize;
        projection.apply_batch(&events[from..]).unwrap();
    }
}

fn digests(views: &Views) -> Vec<(&'static str, ViewDigest)> {
    views.projections.iter().map(|it| (it.name(), it.verify().unwrap())).collect()
}

/// The digests of views that took the whole ledger in one batch.
fn expected(ledger: &Ledger) -> Vec<(&'static str, ViewDigest)> {
    let dir = tempdir().unwrap();
    let mut views = views(dir.path());
    catch_up(&mut views, &ledger.events);
    digests(&views)
}

fn timeline(dir: &Path) -> Projection<timeline::Timeline> {
    Projection::open(dir).unwrap().0
}

/// Where the files of the timeline are, and what is beside or in them.
fn files(rest: &str) -> String {
    format!("timeline-v{}{rest}", timeline::Timeline::VERSION)
}

#[test]
fn every_view_is_registered_under_a_name_of_its_own() {
    let dir = tempdir().unwrap();
    let names: std::collections::BTreeSet<_> = NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), NAMES.len());
    let opened: Vec<_> = views(dir.path()).projections.iter().map(|it| (it.name(), it.version())).collect();
    assert_eq!(opened, NAMES);
}

#[test]
fn a_view_that_is_closed_and_opened_again_stands_where_it_stood() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut live = views(dir.path());
    catch_up(&mut live, &ledger.events);
    let before = digests(&live);
    drop(live);
    let again = views(dir.path());
    assert!(again.quarantined.is_empty());
    assert_eq!(digests(&again), before);
    for projection in &again.projections {
        assert_eq!(projection.checkpoint().unwrap().0 as usize, ledger.events.len(), "{}", projection.name());
    }
    let grants = again.readers.staff.grants(testing::actor(1)).unwrap();
    assert_eq!((grants.value.len(), grants.position.0 as usize), (1, ledger.events.len()));
}

#[test]
fn the_same_events_given_twice_change_nothing() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut live = views(dir.path());
    catch_up(&mut live, &ledger.events);
    let before = digests(&live);
    for projection in &mut live.projections {
        projection.apply_batch(&ledger.events).unwrap();
        projection.apply_batch(&ledger.events[3..9]).unwrap();
        assert_eq!(projection.unknown().unwrap(), 1, "{}", projection.name());
    }
    assert_eq!(digests(&live), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn rows_do_not_depend_on_how_events_came_in_batches(sizes in prop::collection::vec(1usize..30, 1..8)) {
        let (ledger, dir) = (morning(), tempdir().unwrap());
        let mut live = views(dir.path());
        let mut rest = ledger.events.as_slice();
        for size in sizes.iter().cycle() {
            let (batch, later) = rest.split_at((*size).min(rest.len()));
            if batch.is_empty() {
                break;
            }
            for projection in &mut live.projections {
                projection.apply_batch(batch).unwrap();
            }
            rest = later;
        }
        prop_assert_eq!(digests(&live), expected(&ledger));
    }
}

#[test]
fn a_rebuild_beside_the_live_view_gives_the_same_digest_and_takes_its_place() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut live = views(dir.path());
    for event in &ledger.events {
        for projection in &mut live.projections {
            projection.apply_batch(std::slice::from_ref(event)).unwrap();
        }
    }
    let (before, head) = (digests(&live), Position(ledger.events.len() as u64));
    for projection in &mut live.projections {
        projection.begin_successor().unwrap();
        projection.successor().unwrap().apply_batch(&ledger.events[..7]).unwrap();
        assert_eq!(projection.switch(None).unwrap(), None, "not before both stand at one place");
        projection.successor().unwrap().apply_batch(&ledger.events).unwrap();
        let switched = projection.switch(None).unwrap();
        assert_eq!(switched, Some(Switched { position: head, aside: None }), "{}", projection.name());
    }
    assert_eq!(digests(&live), before);
    assert_eq!(names(dir.path()), NAMES.iter().map(|(name, v)| format!("{name}-v{v}.1")).collect::<Vec<_>>());
    drop(live);
    assert_eq!(digests(&views(dir.path())), before);
}

#[test]
fn whatever_moment_a_rebuild_is_cut_off_at_one_whole_view_is_left_and_nothing_else() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut live = timeline(dir.path());
    live.apply_batch(&ledger.events).unwrap();
    live.flush().unwrap();
    let (head, expected) = (live.checkpoint().unwrap(), live.verify_digest());
    let mut moments = vec![copied(dir.path())];
    live.begin_successor().unwrap();
    moments.push(copied(dir.path()));
    let unbegun = copied(dir.path());
    std::fs::remove_dir_all(unbegun.path().join(files(".1"))).unwrap();
    moments.push(unbegun);
    for batch in ledger.events.chunks(20) {
        live.successor().unwrap().apply_batch(batch).unwrap();
        moments.push(copied(dir.path()));
    }
    live.successor().unwrap().flush().unwrap();
    let (switched, half_removed) = (copied(dir.path()), copied(dir.path()));
    for just in [&switched, &half_removed] {
        std::fs::remove_file(just.path().join(files(".1.unfinished"))).unwrap();
    }
    std::fs::remove_file(half_removed.path().join(files("/db"))).unwrap();
    moments.extend([switched, half_removed]);
    live.switch(None).unwrap().unwrap();
    moments.push(copied(dir.path()));
    for (n, moment) in moments.iter().enumerate() {
        let (view, aside) = Projection::<timeline::Timeline>::open(moment.path()).unwrap();
        assert_eq!(aside, None, "moment {n}");
        assert_eq!((view.checkpoint().unwrap(), view.verify_digest()), (head, expected), "moment {n}");
        assert_eq!(names(moment.path()).len(), 1, "moment {n}: {:?}", names(moment.path()));
    }
}

#[test]
fn readers_never_miss_the_view_while_it_is_built_anew_and_switched() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut live = timeline(dir.path());
    live.apply_batch(&ledger.events).unwrap();
    let (head, reader) = (live.checkpoint().unwrap(), live.reader());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reads = 0u64;
            while !over.load(std::sync::atomic::Ordering::Acquire) || reads == 0 {
                assert_eq!(reader.position().unwrap(), head);
                reads += 1;
            }
        });
        for _ in 0..4 {
            live.begin_successor().unwrap();
            live.successor().unwrap().apply_batch(&ledger.events).unwrap();
            live.switch(None).unwrap().unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Release);
        reading.join().unwrap();
    });
}

#[test]
fn rows_that_the_log_does_not_give_are_put_aside_for_those_that_it_gives() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let expected = expected(&ledger).into_iter().find(|(name, _)| *name == "timeline").unwrap().1;
    let mut live = Projection::<Careless>::open(dir.path()).unwrap().0;
    live.apply_batch(&ledger.events).unwrap();
    drop(live);
    let mut live = timeline(dir.path());
    assert_ne!(live.verify_digest(), expected);
    live.begin_successor().unwrap();
    live.successor().unwrap().apply_batch(&ledger.events).unwrap();
    let switched = live.switch(None).unwrap().unwrap();
    let aside = switched.aside.unwrap();
    assert_eq!(aside.reason, "its rows are not those that the log gives");
    assert!(aside.moved_to.join("db").exists());
    assert_eq!(live.verify_digest(), expected);
}

/// The timeline as a careless hand once folded it under the same version: without half of the events.
struct Careless;

impl View for Careless {
    const NAME: &'static str = timeline::Timeline::NAME;
    const VERSION: u32 = timeline::Timeline::VERSION;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        if meta.position.0.is_multiple_of(2) {
            timeline::Timeline::apply(rows, meta, event);
        }
    }
}

#[test]
fn a_new_version_of_a_view_starts_beside_the_old_one_which_goes_once_the_new_one_has_caught_up() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut old = Projection::<Brittle>::open(dir.path()).unwrap().0;
    let parked = old.apply_batch(&ledger.events).unwrap_err();
    assert!(matches!(parked, StoreError::Poison { .. }));
    drop(old);
    let mut new = Projection::<Mended>::open(dir.path()).unwrap().0;
    assert!(!new.is_built());
    new.apply_batch(&ledger.events).unwrap();
    assert_eq!(names(dir.path()), ["brittle-v1", "brittle-v2"]);
    new.show().unwrap();
    assert_eq!(names(dir.path()), ["brittle-v2"]);
    drop(new);
    assert!(Projection::<Mended>::open(dir.path()).unwrap().0.is_built(), "known at every later start");
}

/// The brittle view, mended.
struct Mended;

impl View for Mended {
    const NAME: &'static str = Brittle::NAME;
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, _: &Meta, event: &Event) {
        count_workers(rows, event);
    }
}

/// What a killed process leaves on disk is a copy of its files at some moment; it was never asked to flush.
#[test]
fn a_view_killed_at_any_moment_catches_up_to_the_same_rows() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let expected = expected(&ledger);
    let mut live = views(dir.path());
    let mut left_behind = Vec::new();
    for batch in ledger.events.chunks(9) {
        for projection in &mut live.projections {
            projection.apply_batch(batch).unwrap();
        }
        left_behind.push(copied(dir.path()));
    }
    for dir in left_behind {
        let mut views = views(dir.path());
        catch_up(&mut views, &ledger.events);
        assert_eq!(digests(&views), expected);
    }
}

#[test]
fn files_with_flipped_bytes_never_give_a_wrong_answer() {
    let ledger = morning();
    let dir = tempdir().unwrap();
    let mut sound = timeline(dir.path());
    sound.apply_batch(&ledger.events).unwrap();
    let expected = sound.verify_digest();
    drop(sound);
    let (mut quarantined, mut tried) = (0, 0);
    for file in ["db", "conf"] {
        let bytes = std::fs::read(dir.path().join(files("")).join(file)).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        for at in (0..written).step_by((written / 220).max(1)) {
            let broken = copied(dir.path());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(broken.path().join(files("")).join(file), flipped).unwrap();
            let (mut view, aside) = Projection::<timeline::Timeline>::open(broken.path()).unwrap();
            let from = view.checkpoint().unwrap().0 as usize;
            view.apply_batch(&ledger.events[from..]).unwrap();
            assert_eq!(view.verify_digest(), expected, "byte {at} of {file}");
            tried += 1;
            quarantined += u32::from(aside.is_some());
        }
    }
    assert!(quarantined > 0 && tried > 200, "{quarantined} of {tried} were noticed and put aside");
}

#[test]
fn what_is_put_aside_is_kept_and_reported_and_the_view_starts_from_zero() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    for n in 1..=2 {
        timeline(dir.path()).apply_batch(&ledger.events).unwrap();
        vandalise(&dir.path().join(files("")), &[3, 1, 4], b"a row that nobody wrote");
        let (view, aside) = Projection::<timeline::Timeline>::open(dir.path()).unwrap();
        let aside = aside.unwrap();
        assert_eq!(aside.moved_to, dir.path().join(format!("quarantine/{}-{n}", files(""))));
        assert_eq!(aside.reason, "its rows are not those that were written");
        assert!(aside.moved_to.join("db").exists());
        assert_eq!(view.checkpoint().unwrap(), Position(0));
    }
}

#[test]
fn a_reader_goes_on_over_the_new_rows_when_its_view_is_rebuilt() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut views = views(dir.path());
    catch_up(&mut views, &ledger.events);
    let reader = views.readers.hiring_ledger.clone();
    let before = reader.hire(testing::hire(1)).unwrap();
    for projection in &mut views.projections {
        projection.rebuild("by order of a test").unwrap();
    }
    assert_eq!(reader.hire(testing::hire(1)).unwrap().value, None);
    catch_up(&mut views, &ledger.events);
    assert_eq!(reader.hire(testing::hire(1)).unwrap(), before);
}

#[test]
fn a_second_process_is_refused_and_nothing_is_put_aside() {
    let dir = tempdir().unwrap();
    let mut first = timeline(dir.path());
    first.begin_successor().unwrap();
    let before = names(dir.path());
    let second = Projection::<timeline::Timeline>::open(dir.path());
    assert!(matches!(second, Err(StoreError::Locked { .. })));
    assert_eq!(names(dir.path()), before, "nor is anything removed that the first builds");
}

#[test]
fn events_after_a_gap_are_refused() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut view = timeline(dir.path());
    view.apply_batch(&ledger.events[..3]).unwrap();
    let refused = view.apply_batch(&ledger.events[4..]);
    assert!(matches!(refused, Err(StoreError::Gap { expected: Position(4), found: Position(5), .. })));
    assert_eq!(view.checkpoint().unwrap(), Position(3));
}

#[test]
fn a_view_beyond_the_head_of_the_log_is_an_alarm_and_keeps_its_rows() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut view = timeline(dir.path());
    view.apply_batch(&ledger.events[..10]).unwrap();
    assert!(view.check_head(Position(10)).is_ok() && view.check_head(Position(11)).is_ok());
    let alarm = view.check_head(Position(9)).unwrap_err();
    assert_eq!(alarm.to_string(), "view `timeline` stands at 10, beyond the head of the log at 9");
    assert!(!alarm.calls_for_rebuild(), "the rows may be all that is left of what the log lost");
    assert_eq!(view.checkpoint().unwrap(), Position(10));
    let told = view.reader().position().unwrap_err();
    assert!(matches!(told, StoreError::AheadOfLog { .. }), "what it tells is on no record: {told}");
}

#[test]
fn a_view_that_is_being_built_answers_nothing_and_what_a_reader_finds_broken_is_told_to_its_writer() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut views = views(dir.path());
    catch_up(&mut views, &ledger.events);
    let reader = views.readers.hiring_ledger.clone();
    let view = views.projections.iter().find(|it| it.name() == "hiring_ledger").unwrap();
    view.withhold();
    assert!(matches!(reader.hire(testing::hire(1)), Err(StoreError::Building { .. })));
    view.show().unwrap();
    assert!(reader.hire(testing::hire(1)).is_ok());
    let broken = reader.read(|_| Err::<(), _>(broken("hiring_ledger", "a row of another")));
    assert!(broken.is_err());
    assert_eq!(view.noticed().as_deref(), Some("a row of another"));
    assert_eq!(view.noticed(), None, "told once");
}

/// Counts workers and cannot bear one who leaves.
struct Brittle;
const COUNT: Table<u32> = Table::new(1);

impl View for Brittle {
    const NAME: &'static str = "brittle";
    const VERSION: u32 = 1;

    fn apply(rows: &mut Rows<'_>, _: &Meta, event: &Event) {
        count_workers(rows, event);
        assert!(!matches!(event, Event::Worker(WorkerEvent::Left(_))), "poison");
    }
}

fn count_workers(rows: &mut Rows<'_>, event: &Event) {
    if let Event::Worker(WorkerEvent::Registered(_)) = event {
        let count = rows.get(&COUNT.key()).unwrap_or(0);
        rows.put(COUNT.key(), &(count + 1));
    }
}

#[test]
fn a_poison_event_parks_that_view_before_it_and_no_other() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let is_poison = |it: &Recorded| matches!(it, Recorded::Known(it) if it.event.event_type().short_name() == "worker.left");
    let poison = ledger.events.iter().find(|it| is_poison(it)).unwrap().outline().position;
    let mut brittle = Projection::<Brittle>::open(dir.path()).unwrap().0;
    for _ in 0..2 {
        let parked = brittle.apply_batch(&ledger.events).unwrap_err();
        assert!(matches!(parked, StoreError::Poison { position, .. } if position == poison));
    }
    assert_eq!(brittle.checkpoint().unwrap().next(), poison, "what came before is kept");
    let told = brittle.reader().position().unwrap_err();
    assert!(matches!(told, StoreError::Poison { position, .. } if position == poison), "it is old: {told}");
    brittle.show().unwrap();
    let count = brittle.reader().read(|snapshot| snapshot.get(&COUNT.key())).unwrap();
    assert_eq!(count.value, Some(6));
    assert!(timeline(dir.path()).apply_batch(&ledger.events).is_ok());
}

/// As-of rests on this: the events that a row's sources name are all that its fold looks at.
#[test]
fn a_row_refolded_from_its_own_events_is_the_stored_row() {
    let (ledger, dir) = (morning(), tempdir().unwrap());
    let mut views = views(dir.path());
    catch_up(&mut views, &ledger.events);
    let readers = &views.readers;
    let events = |sources: Vec<Source>| {
        let positions = readers.timeline.positions(&sources).unwrap().value;
        assert!(positions.len() < ledger.events.len() / 2, "not the whole log");
        positions.into_iter().map(|it| &ledger.events[it.0 as usize - 1]).collect::<Vec<_>>()
    };

    let posting = readers.open_postings.posting(testing::posting(1)).unwrap().value.unwrap();
    let refolded = refold::<open_postings::OpenPostings>(events(posting.sources()));
    assert_eq!(refolded.posting(testing::posting(1)).unwrap().value, Some(posting));

    for n in 1..=4 {
        let hire = readers.hiring_ledger.hire(testing::hire(n)).unwrap().value.unwrap();
        let refolded = refold::<hiring_ledger::HiringLedger>(events(hire.sources()));
        assert_eq!(refolded.hire(testing::hire(n)).unwrap().value, Some(hire));

        let insured = readers.insured.hire(testing::hire(n)).unwrap().value.unwrap();
        let refolded = refold::<insured::Insured>(events(insured.sources()));
        assert_eq!(refolded.hire(testing::hire(n)).unwrap().value, Some(insured));
    }
    for n in 1..=3 {
        let wage = readers.wage_protection_board.wage(testing::wage(n)).unwrap().value.unwrap();
        let refolded = refold::<wage_protection_board::WageProtectionBoard>(events(wage.sources()));
        assert_eq!(refolded.wage(testing::wage(n)).unwrap().value, Some(wage));
    }
    let case = readers.case_history.case(testing::case(1)).unwrap().value.unwrap();
    assert_eq!(case.steps.len(), 6);
    let refolded = refold::<case_history::CaseHistories>(events(case.case.sources()));
    assert_eq!(refolded.case(testing::case(1)).unwrap().value, Some(case));

    let claim = readers.case_history.claim(testing::claim(1)).unwrap().value.unwrap();
    let refolded = refold::<case_history::CaseHistories>(events(claim.claim.sources()));
    assert_eq!(refolded.claim(testing::claim(1)).unwrap().value, Some(claim));

    let grants = readers.staff.grants(testing::actor(1)).unwrap().value;
    let refolded = refold::<staff::Staff>(events(staff::sources(testing::office(1))));
    assert_eq!(refolded.grants(testing::actor(1)).unwrap().value, grants);
}

#[test]
fn the_schema_of_a_row_is_that_of_its_json() {
    let schema = schemars::schema_for!(Page<wage_protection_board::AgedWage>);
    let text = serde_json::to_string(&schema).unwrap();
    for property in ["bucket", "due_on", "outstanding", "next"] {
        assert!(text.contains(&format!("\"{property}\":")), "{property}");
    }
    let hire = serde_json::to_value(schemars::schema_for!(hiring_ledger::HireRow)).unwrap();
    assert_eq!(hire["properties"]["pay"]["$ref"], "#/$defs/PayTerms", "embedded forms are their own");
    let case = serde_json::to_value(schemars::schema_for!(case_history::CaseHistory)).unwrap();
    assert!(case["properties"]["steps"].is_object());
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries.map(|it| it.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copied(from: &Path) -> TempDir {
    let to = tempdir().unwrap();
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // A snapshot that sled is just replacing may be gone by now; the kill came a moment later then.
            let _ = std::fs::copy(entry.path(), target);
        }
    }
}

impl<V: View> Projection<V> {
    fn verify_digest(&self) -> ViewDigest {
        AnyProjection::verify(self).unwrap()
    }
}
