//! What holds for every input: what is written reads back, and nothing that is read makes us fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use linggong_events::commit::{Commit, Digest, FORMAT, Genesis, Head, Header, MAX_COMMIT_EVENTS};
use linggong_events::envelope::Recorded;
use linggong_events::id::{EntityRef, Kind};
use linggong_events::identity::{DocumentKind, IdentityDocument, OrgCode};
use linggong_events::measure::{Fen, MAX_JSON_INTEGER, Metres, Position};
use linggong_events::place::Point;
use linggong_events::region::Region;
use linggong_events::time::{Date, Shift, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use uuid::Uuid;

proptest! {
    #[test]
    fn a_commit_reads_back_as_built(header in header(), lines in lines()) {
        let commit = Commit::build(header.clone(), &lines).unwrap();
        let again = Commit::parse(commit.bytes().to_vec()).unwrap();
        prop_assert_eq!(&again, &commit);
        prop_assert_eq!(again.header(), &Header { count: lines.len() as u32, ..header });
        prop_assert_eq!(again.lines().map(<[u8]>::to_vec).collect::<Vec<_>>(), lines.clone());
        for (n, line) in lines.iter().enumerate() {
            let position = Position(commit.header().first + n as u64);
            prop_assert_eq!(again.line_at(position), Some(&line[..]));
        }
        prop_assert_eq!(again.line_at(again.last().next()), None);
    }

    #[test]
    fn bytes_that_parse_as_a_commit_are_exactly_its_bytes(
        header in header(), lines in lines(), at in any::<Index>(), bit in 0..8_u8,
    ) {
        let mut bytes = Commit::build(header, &lines).unwrap().bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        check_parse(bytes);
    }

    #[test]
    fn a_commit_cut_short_is_never_whole(header in header(), lines in lines(), at in any::<Index>()) {
        let whole = Commit::build(header, &lines).unwrap();
        let cut = whole.bytes()[..at.index(whole.bytes().len())].to_vec();
        prop_assert!(Commit::parse(cut).is_err());
    }

    #[test]
    fn no_bytes_make_parsing_a_commit_fail(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check_parse(bytes);
    }

    #[test]
    fn no_header_makes_parsing_a_commit_fail(
        numbers in prop::array::uniform6(prop_oneof![0..4_u64, Just(u64::MAX), any::<u64>()]), text in "\\PC*",
    ) {
        let [v, partition, commit, epoch, first, count] = numbers;
        let text = serde_json::to_string(&text).unwrap();
        let digest = Digest::of(text.as_bytes());
        let header = format!(
            r#"{{"v":{v},"log":{text},"partition":{partition},"commit":{commit},"epoch":{epoch},"first":{first},"count":{count},"prev":"{digest}","software":"0.1.0","clock_offset_ms":0}}"#
        );
        check_parse(format!("{header}\n").into_bytes());
    }

    #[test]
    fn a_changed_commit_does_not_continue_the_log(header in header(), at in any::<Index>(), bit in 0..8_u8) {
        let commit = Commit::build(header, &[b"{}".to_vec()]).unwrap();
        let mut bytes = commit.bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Commit::parse(bytes) {
            prop_assert_ne!(changed.digest(), commit.digest());
        }
    }

    #[test]
    fn no_line_makes_reading_an_event_fail(line in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Recorded::from_line(&line);
    }

    #[test]
    fn no_change_of_a_true_line_makes_reading_it_fail(
        golden in select(GOLDEN), at in any::<Index>(), new in any::<u8>(), cut in any::<Option<Index>>(),
    ) {
        let mut line = golden.trim_end().as_bytes().to_vec();
        let at = at.index(line.len());
        line[at] = new;
        if let Some(cut) = cut {
            line.truncate(cut.index(line.len()));
        }
        if let Ok(Recorded::Known(envelope)) = Recorded::from_line(&line) {
            let again = Recorded::from_line(&envelope.to_line().unwrap());
            prop_assert!(matches!(again, Ok(Recorded::Known(it)) if it == envelope), "what is known reads back");
        }
    }

    #[test]
    fn an_entity_reads_back_as_written(kind in select(Kind::ALL), id in any::<u128>()) {
        reads_back(EntityRef { kind, id: Uuid::from_u128(id) });
    }

    #[test]
    fn an_instant_reads_back_as_written(ms in 694_224_000_000..7_258_118_400_000_i64) {
        let instant = Timestamp::from_ms(ms).unwrap();
        reads_back(instant);
        prop_assert_eq!(instant.date().at_minute(instant.minute_of_day()).ms(), ms - ms.rem_euclid(60_000));
        prop_assert!(instant <= instant.date().end());
    }

    #[test]
    fn a_date_reads_back_as_written_and_counts_its_days(days in -719_000..2_932_000_i64) {
        let epoch = Date::new(1970, 1, 1).unwrap();
        let date = epoch.plus_days(days);
        reads_back(date);
        prop_assert_eq!(date.days(), days);
        prop_assert_eq!(date.plus_days(-days), epoch);
    }

    #[test]
    fn money_reads_back_as_written(fen in -MAX_JSON_INTEGER..=MAX_JSON_INTEGER) {
        reads_back(Fen(fen));
    }

    #[test]
    fn two_shifts_overlap_if_and_only_if_they_share_a_minute(
        a in 0..600_i64, long_a in 1..600_i64, b in 0..600_i64, long_b in 1..600_i64,
    ) {
        let minute = |n: i64| Timestamp::from_ms(1_700_000_040_000 + n * 60_000).unwrap();
        let shift = |from: i64, long: i64| Shift::new(minute(from), minute(from + long)).unwrap();
        let shared = (a..a + long_a).any(|it| (b..b + long_b).contains(&it));
        prop_assert_eq!(shift(a, long_a).overlaps(shift(b, long_b)), shared);
        prop_assert_eq!(shift(b, long_b).overlaps(shift(a, long_a)), shared);
    }

    #[test]
    fn a_distance_is_the_same_both_ways_and_none_is_shorter_than_nothing(
        a in place(), b in place(),
    ) {
        prop_assert_eq!(a.distance(b), b.distance(a));
        prop_assert_eq!(a.distance(a), Metres(0));
    }

    #[test]
    fn no_text_makes_a_parser_fail(text in "\\PC{0,40}") {
        let _ = (text.parse::<EntityRef>(), text.parse::<Timestamp>(), text.parse::<Date>());
        let _ = (text.parse::<Fen>(), text.parse::<Region>(), text.parse::<OrgCode>(), text.parse::<Digest>());
        for kind in DOCUMENTS {
            let _ = IdentityDocument::parse(kind, &text);
        }
    }

    #[test]
    fn no_text_that_looks_like_a_number_makes_a_parser_fail(text in "[0-9０-９XxE+.' 　-]{0,20}") {
        let _ = (text.parse::<Timestamp>(), text.parse::<Date>(), text.parse::<Fen>(), text.parse::<Region>());
        for kind in DOCUMENTS {
            if let Ok(document) = IdentityDocument::parse(kind, &text) {
                let again = IdentityDocument::parse(kind, document.number()).unwrap();
                prop_assert_eq!(again.canonical(), document.canonical());
            }
        }
    }
}

/// Lines to be damaged: with every optional attribute, with sealed fields, with nested terms.
const GOLDEN: &[&str] = &[
    include_str!("../golden/hire.agreed.v1.json"),
    include_str!("../golden/person.registered.v1.json"),
    include_str!("../golden/claim.registered.v1.json"),
    include_str!("../golden/case.filed.v1.json"),
    include_str!("../golden/match.reasoned.v1.json"),
    include_str!("../golden/posting.filled.v1.json"),
];

const DOCUMENTS: [DocumentKind; 5] = [
    DocumentKind::ResidentId,
    DocumentKind::ResidentId15,
    DocumentKind::Passport,
    DocumentKind::ResidencePermit,
    DocumentKind::Other,
];

/// Either no commit, or one whose parts can be asked for and are the bytes given.
fn check_parse(bytes: Vec<u8>) {
    let Ok(commit) = Commit::parse(bytes.clone()) else { return };
    assert_eq!(commit.bytes(), bytes);
    assert!(commit.header().count <= MAX_COMMIT_EVENTS);
    let lines: Vec<Vec<u8>> = commit.lines().map(<[u8]>::to_vec).collect();
    assert_eq!(Commit::build(commit.header().clone(), &lines).unwrap(), commit, "and would be built so");
    let _ = (commit.last(), commit.events().count(), Head::EMPTY.after(&commit));
}

fn reads_back<T: Display + FromStr + Debug + PartialEq>(value: T)
where
    T::Err: Debug,
{
    assert_eq!(value.to_string().parse::<T>().unwrap(), value);
}

fn header() -> impl Strategy<Value = Header> {
    (1..1_000_000_u64, 1..100_u64, 1..1_000_000_u64, any::<[u8; 32]>(), "\\PC{0,12}", any::<i32>()).prop_map(
        |(commit, epoch, first, prev, text, clock_offset_ms)| Header {
            v: FORMAT,
            log: text.clone(),
            partition: 0,
            commit,
            epoch,
            first,
            count: 0,
            prev: Digest::from_sha256(prev),
            software: text,
            clock_offset_ms: clock_offset_ms.into(),
            genesis: None,
        },
    )
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![0..10_u8, 11..=255_u8];
    prop::collection::vec(prop::collection::vec(byte, 1..60), 0..12)
}

fn place() -> impl Strategy<Value = Point> {
    (-90_000_000..=90_000_000_i32, -180_000_000..=180_000_000_i32)
        .prop_map(|(lat_e6, lon_e6)| Point::new(lat_e6, lon_e6).unwrap())
}

#[test]
fn a_genesis_that_is_not_the_first_commit_or_holds_events_is_refused() {
    let genesis = Some(Genesis { format: FORMAT, hash: "sha256".into(), demo: true });
    let header = |commit, first| Header {
        v: FORMAT,
        log: "lg-37".into(),
        partition: 0,
        commit,
        epoch: 1,
        first,
        count: 0,
        prev: Digest::ZERO,
        software: "0.1.0".into(),
        clock_offset_ms: 0,
        genesis: genesis.clone(),
    };
    assert!(Commit::build(header(1, 1), &[]).is_ok());
    assert!(Commit::build(header(1, 1), &[b"{}".to_vec()]).is_err());
    assert!(Commit::build(header(2, 1), &[]).is_err());
    assert!(Commit::build(header(1, 2), &[]).is_err());
    assert!(Commit::build(header(1, 0), &[]).is_err(), "positions count from 1");
}

#[test]
fn an_event_that_does_not_stand_at_its_position_is_refused() {
    let line = include_str!("../golden/posting.filled.v1.json").trim_end().as_bytes().to_vec();
    let header = |first| Header {
        v: FORMAT,
        log: "lg-37".into(),
        partition: 0,
        commit: 42,
        epoch: 3,
        first,
        count: 0,
        prev: Digest::of(b"41"),
        software: "0.1.0".into(),
        clock_offset_ms: 0,
        genesis: None,
    };
    let events = |first| Commit::build(header(first), std::slice::from_ref(&line)).unwrap();
    assert!(events(118).events().all(|it| it.is_ok()));
    assert!(events(117).events().all(|it| it.is_err()));
}
