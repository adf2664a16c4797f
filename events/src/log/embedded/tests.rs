use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;

use super::load::segment_paths;
use super::segment::FrameHeader;
use super::*;
use crate::commit::Digest;
use crate::log::LogReader;
use crate::log::audit::AuditError;
use crate::log::conformance::{self, Store, author, commit_after, fill, genesis, line};
use crate::time::Timestamp;

/// Room for a few commits only, so that small logs have several segments.
pub(super) const SMALL: Options = Options { segment_bytes: 4096, head_every: 2, known: Position(0) };

/// Room for every commit of a test in one segment.
const ROOMY: Options = Options { segment_bytes: 16384, head_every: 100, known: Position(0) };

struct Files {
    dir: TempDir,
    options: Options,
}

impl Store for Files {
    type Log = EmbeddedLog;
    fn open(&mut self) -> EmbeddedLog {
        match EmbeddedLog::open(self.dir.path(), self.options) {
            Err(OpenError::Missing { .. }) => EmbeddedLog::create(self.dir.path(), self.options).unwrap(),
            opened => opened.unwrap(),
        }
    }
}

#[test]
fn the_embedded_log_is_a_log() {
    conformance::run(|| Files { dir: TempDir::new().unwrap(), options: Options::default() });
}

#[test]
fn small_segments_make_no_difference() {
    conformance::run(|| Files { dir: TempDir::new().unwrap(), options: SMALL });
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let (dir, log) = small_log(&[1]);
    let refused = EmbeddedLog::open(dir.path(), SMALL).unwrap_err();
    let OpenError::Locked { holder, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(EmbeddedLog::create(dir.path(), SMALL).is_err());
    assert_eq!(EmbeddedLog::open_read_only(dir.path()).unwrap().reader.head(), log.head());
    drop(log);
    EmbeddedLog::open(dir.path(), SMALL).unwrap();
}

#[test]
fn a_log_is_neither_made_over_another_nor_opened_where_there_is_none() {
    let (dir, log) = small_log(&[]);
    drop(log);
    assert!(matches!(EmbeddedLog::create(dir.path(), SMALL), Err(OpenError::Exists { .. })));
    let elsewhere = TempDir::new().unwrap();
    assert!(matches!(EmbeddedLog::open(elsewhere.path(), SMALL), Err(OpenError::Missing { .. })));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "a mistyped path leaves no trace");
}

#[test]
fn a_commit_just_written_is_at_hand_without_reading_the_disk() {
    let (dir, mut log) = small_log(&[1]);
    let next = commit_after(&log.head(), 2);
    log.append(&next).unwrap();
    for path in segment_paths(dir.path()).unwrap() {
        fs::rename(&path, path.with_extension("away")).unwrap();
    }
    let (reader, last) = (log.reader(), next.last());
    assert!(reader.commit_of(last).is_err(), "it is not on the disk");
    assert_eq!(reader.shared_commit_of(last).unwrap().as_ref(), Some(&next));
    assert!(reader.shared_commit_of(last.next()).unwrap().is_none());
}

#[test]
fn whatever_moment_a_copy_is_taken_it_holds_every_commit_appended_before() {
    let (dir, mut log) = small_log(&[]);
    let mut commits = vec![genesis()];
    for size in [1, 2, 1, 3, 0, 1, 4, 1, 1] {
        let next = if size == 0 {
            author().takeover(&log.head(), 0).unwrap()
        } else {
            commit_after(&log.head(), size)
        };
        log.append(&next).unwrap();
        commits.push(next);
        let copied = copy(dir.path());
        let again = EmbeddedLog::open(copied.path(), SMALL).unwrap();
        assert_eq!(again.head(), log.head());
        assert_eq!(again.torn(), None);
        let read: Vec<Commit> = again.reader().commits(1).map(Result::unwrap).collect();
        assert_eq!(read, commits);
        assert!(verify(copied.path(), |_, _| {}).is_sound());
    }
    assert!(segments(dir.path()).len() > 2, "several segments took part");
}

#[test]
fn verify_counts_what_there_is_and_names_its_root() {
    let (dir, log) = small_log(&[3, 400, 2]);
    let mut seen = Vec::new();
    let report = verify(dir.path(), |commit, audit| seen.push((commit.header().commit, audit.tree().size())));
    assert!(report.is_sound(), "{:?}", report.fault);
    assert_eq!(report.head, log.head());
    assert_eq!(seen, [(1, 0), (2, 3), (3, 403), (4, 405)]);
    let leaves: Vec<Digest> = (1..=405).map(|n| crate::merkle::leaf_hash(&line(Position(n)))).collect();
    assert_eq!(report.root, crate::merkle::root_of(&leaves));
}

#[test]
fn verify_finds_what_no_checksum_shows() {
    let sound = |position| line(Position(position));
    let edited = |from: &str, to: &str| {
        let text = String::from_utf8(sound(4)).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    };
    let what = |fourth: Vec<u8>| {
        let (dir, mut log) = small_log(&[3]);
        log.append(&author().commit(&log.head(), 0, &[fourth]).unwrap()).unwrap();
        let report = verify(dir.path(), |_, _| {});
        assert_eq!(report.head.commit, 2, "up to the commit before");
        match report.fault {
            Some(VerifyFault::Commit { cause: AuditError::Event { what, position }, .. }) => {
                assert_eq!(position, Position(4));
                what
            }
            Some(VerifyFault::Commit { cause: AuditError::Line { .. }, .. }) => "unreadable",
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(what(sound(5)), "its position is not its place");
    assert_eq!(what(edited("lg-37", "lg-38")), "its source is not this log");
    let time = Timestamp::from_ms(1_800_000_000_003).unwrap();
    let earlier = Timestamp::from_ms(1_800_000_000_001).unwrap();
    let backward = edited(&format!("\"time\":\"{time}"), &format!("\"time\":\"{earlier}"));
    assert_eq!(what(backward), "its time is before that of the event before");
    assert_eq!(
        what(edited("\"version\":\"2\"", "\"version\":\"3\"")),
        "its version is not the next one of its subject"
    );
    assert_eq!(what(b"{}".to_vec()), "unreadable");
}

#[test]
fn a_last_frame_cut_off_anywhere_is_taken_back_and_nothing_before_it() {
    let (dir, log) = small_log(&[1, 1]);
    let (before, path, last) = (log.head(), newest(dir.path()), log.active.as_ref().unwrap().at);
    let mut log = log;
    let next = commit_after(&before, 1);
    log.append(&next).unwrap();
    let end = log.active.as_ref().unwrap().at;
    let copied = copy(dir.path());
    drop(log);
    let name = path.file_name().unwrap().to_owned();
    let path = copied.path().join("segments").join(name);
    let sound = fs::read(&path).unwrap();
    let body_end = last as usize + FRAME_HEADER + next.bytes().len();
    for at in last as usize..end as usize {
        let mut bytes = sound.clone();
        bytes[at..end as usize].fill(0);
        fs::write(&path, &bytes).unwrap();
        // The head file knows nothing of the commit yet.
        remember_again(copied.path(), before);
        let mut again = EmbeddedLog::open(copied.path(), SMALL).unwrap();
        if at >= body_end {
            assert_eq!(again.head().commit, before.commit + 1, "only padding is missing");
            continue;
        }
        assert_eq!(again.head(), before, "cut at {at}");
        assert_eq!(again.torn().is_some(), at > last as usize, "cut at {at}");
        assert_eq!(again.append(&next).unwrap().commit, before.commit + 1);
        drop(again);
    }
}

#[test]
fn a_file_cut_off_or_lengthened_is_never_taken_for_a_torn_one() {
    let (dir, log) = small_log(&[1]);
    let path = newest(dir.path());
    let end = log.active.as_ref().unwrap().at as usize;
    let copied = copy(dir.path());
    drop(log);
    let path = copied.path().join("segments").join(path.file_name().unwrap());
    let sound = fs::read(&path).unwrap();
    for length in (0..=end).chain([sound.len() - 1, sound.len() + 1]) {
        let mut bytes = sound.clone();
        bytes.resize(length, 0);
        fs::write(&path, &bytes).unwrap();
        let refused = EmbeddedLog::open(copied.path(), SMALL).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged(_)), "{length}: {refused}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing was changed");
    }
}

#[test]
fn a_frame_of_which_one_sector_never_arrived_is_torn() {
    let (dir, mut log) = log_of(ROOMY, &[1]);
    let before = log.head();
    let at = log.active.as_ref().unwrap().at as usize;
    let path = newest(dir.path());
    log.append(&commit_after(&before, 2)).unwrap();
    let copied = copy(dir.path());
    remember_again(copied.path(), before);
    let path = copied.path().join("segments").join(path.file_name().unwrap());
    let sound = fs::read(&path).unwrap();
    let sectors = [at..at.next_multiple_of(512), at.next_multiple_of(512)..at.next_multiple_of(512) + 512];
    for sector in sectors {
        let mut bytes = sound.clone();
        bytes[sector].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert!(verify(copied.path(), |_, _| {}).torn.is_some());
        let again = EmbeddedLog::open(copied.path(), ROOMY).unwrap();
        assert_eq!(again.head(), before);
        assert_eq!(again.torn().unwrap().bytes.start, at as u64);
    }
    // The same in a frame with a whole one after it cannot come from a torn write.
    log.append(&commit_after(&log.head(), 1)).unwrap();
    let copied = copy(dir.path());
    let path = copied.path().join("segments").join(path.file_name().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[at..at.next_multiple_of(512)].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(EmbeddedLog::open(copied.path(), ROOMY), Err(OpenError::Damaged(_))));
}

/// The residual case, named: a bit that flips where nothing was ever written, in the place of the next frame,
/// looks like a torn frame. It is reported and taken back, and no commit is lost by it.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let (dir, mut log) = log_of(Options { segment_bytes: 1536, head_every: 1, known: Position(0) }, &[]);
    log.append(&author().takeover(&log.head(), 0).unwrap()).unwrap();
    let head = log.head();
    let copied = copy(dir.path());
    drop(log);
    let files: Vec<PathBuf> =
        segments(copied.path()).into_iter().chain([copied.path().join("head")]).collect();
    assert!(files.len() > 2, "a sealed and an open segment, and the head file");
    let mut torn = 0;
    for path in files {
        let sound = fs::read(&path).unwrap();
        let starts = frame_starts(&sound);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let byte = sound[bit / 8] ^ (1 << (bit % 8));
            file.write_all_at(&[byte], bit as u64 / 8).unwrap();
            let report = verify(copied.path(), |_, _| {});
            assert!(!report.is_sound(), "bit {bit} of {}", path.display());
            match &report.fault {
                Some(VerifyFault::File(OpenError::Damaged(damage))) => {
                    let place = starts.range(..=bit as u64 / 8).next_back();
                    assert_eq!((&damage.file, Some(&damage.offset)), (&path, place), "of byte {}", bit / 8);
                }
                Some(other) => panic!("bit {bit} of {}: {other}", path.display()),
                None => {
                    assert_eq!(sound[bit / 8..].iter().find(|it| **it != 0), None, "no commit stands there");
                    assert_eq!(report.head, head);
                    torn += 1;
                }
            }
            file.write_all_at(&sound[bit / 8..=bit / 8], bit as u64 / 8).unwrap();
        }
    }
    assert!(torn > 0, "the residual case was met");
    assert!(verify(copied.path(), |_, _| {}).is_sound());
}

#[test]
fn opening_refuses_every_changed_byte_of_the_newest_segment() {
    let (dir, log) = small_log(&[1]);
    let head = log.head();
    let end = log.active.as_ref().unwrap().at as usize;
    let copied = copy(dir.path());
    drop(log);
    let path = newest(copied.path());
    let sound = fs::read(&path).unwrap();
    for at in 0..end {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let loaded = load(copied.path());
        assert!(matches!(loaded.trouble, Some(OpenError::Damaged(_))), "byte {at}");
        assert!(loaded.index.head.commit <= head.commit);
    }
}

#[test]
fn a_damaged_log_can_be_read_up_to_the_damage() {
    let (dir, log) = small_log(&[1, 1, 1]);
    let commits: Vec<Commit> = log.reader().commits(1).map(Result::unwrap).collect();
    drop(log);
    let path = newest(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = END_FRAME + frame(Tag::Commit, 1, 1, commits[0].bytes()).len();
    bytes[at + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = EmbeddedLog::open(dir.path(), SMALL).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("`{}` is damaged at offset {at}: a damaged frame before a whole one", path.display())
    );
    let ReadOnly { reader, trouble, .. } = EmbeddedLog::open_read_only(dir.path()).unwrap();
    assert!(trouble.is_some());
    let sound: Vec<Commit> = reader.commits(1).map(Result::unwrap).collect();
    assert_eq!(sound, commits[..1]);
}

#[test]
fn rot_in_a_sealed_segment_is_met_by_whoever_reads_it() {
    let (dir, log) = small_log(&[1; 8]);
    drop(log);
    let path = segments(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - END_FRAME - 100;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let log = EmbeddedLog::open(dir.path(), SMALL).unwrap();
    let outcomes: Vec<bool> = log.reader().commits(1).map(|it| it.is_ok()).collect();
    assert!(outcomes.contains(&false) && outcomes.len() < 9, "reading stops there: {outcomes:?}");
    assert!(verify(dir.path(), |_, _| {}).fault.is_some());
}

#[test]
fn a_log_shorter_than_its_head_file_is_refused() {
    let (dir, mut log) = small_log(&[1]);
    let earlier = copy(dir.path());
    log.append(&commit_after(&log.head(), 1)).unwrap();
    let known = log.head().commit;
    drop(log);
    fs::copy(dir.path().join("head"), earlier.path().join("head")).unwrap();
    let refused = EmbeddedLog::open(earlier.path(), SMALL).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("the log ends with commit {}, but it once reached commit {known}", known - 1)
    );
    assert!(verify(earlier.path(), |_, _| {}).fault.is_some());
}

#[test]
fn a_history_written_anew_contradicts_the_head_file() {
    let (dir, log) = small_log(&[1, 1]);
    drop(log);
    let (forged, mut log) = small_log(&[1]);
    log.append(&author().commit(&log.head(), 99, &[line(Position(2))]).unwrap()).unwrap();
    log.append(&commit_after(&log.head(), 1)).unwrap();
    drop(log);
    fs::copy(dir.path().join("head"), forged.path().join("head")).unwrap();
    assert!(matches!(EmbeddedLog::open(forged.path(), SMALL), Err(OpenError::Other { commit: 3 })));
    assert!(matches!(
        verify(forged.path(), |_, _| {}).fault,
        Some(VerifyFault::File(OpenError::Other { commit: 3 }))
    ));
}

#[test]
fn a_segment_that_disappears_or_changes_places_is_missed() {
    let (dir, log) = small_log(&[1; 8]);
    drop(log);
    let count = segments(dir.path()).len();
    assert!(count > 2);
    for gone in 0..count {
        let copied = copy(dir.path());
        fs::remove_file(&segments(copied.path())[gone]).unwrap();
        assert!(EmbeddedLog::open(copied.path(), SMALL).is_err(), "segment {gone}");
        assert!(verify(copied.path(), |_, _| {}).fault.is_some(), "segment {gone}");
    }
    let copied = copy(dir.path());
    let paths = segments(copied.path());
    let aside = copied.path().join("aside");
    fs::rename(&paths[0], &aside).unwrap();
    fs::rename(&paths[1], &paths[0]).unwrap();
    fs::rename(&aside, &paths[1]).unwrap();
    assert!(EmbeddedLog::open(copied.path(), SMALL).is_err());
    assert!(verify(copied.path(), |_, _| {}).fault.is_some());
}

#[test]
fn a_closing_of_an_earlier_build_is_held_against_the_bytes_that_it_names() {
    let (dir, log) = small_log(&[1]);
    let (head, at) = (log.head(), log.active.as_ref().unwrap().at as usize);
    drop(log);
    let path = newest(dir.path());
    let sound = fs::read(&path).unwrap();
    for (content, is_sound) in [(Digest::of(&sound[..at]), true), (Digest::of(b"others"), false)] {
        let closing = Closing { head: head.into(), commits: head.commit, content: Some(content) };
        let mut bytes = sound.clone();
        bytes[at..at + END_FRAME].copy_from_slice(&closing.to_frame().unwrap());
        fs::write(&path, &bytes).unwrap();
        assert_eq!(verify(dir.path(), |_, _| {}).is_sound(), is_sound);
    }
}

#[test]
fn a_sealing_that_was_interrupted_is_finished() {
    let (dir, log) = small_log(&[1]);
    let head = log.head();
    let active = log.active.as_ref().unwrap();
    let closing = Closing { head: head.into(), commits: head.commit, content: None };
    let (at, closing) = (active.at, closing.to_frame().unwrap());
    let copied = copy(dir.path());
    drop(log);
    let path = newest(copied.path());
    let sound = fs::read(&path).unwrap();
    for written in [40, 300, END_FRAME] {
        let mut bytes = sound.clone();
        bytes[at as usize..at as usize + written].copy_from_slice(&closing[..written]);
        fs::write(&path, &bytes).unwrap();
        let mut again = EmbeddedLog::open(copied.path(), SMALL).unwrap();
        assert_eq!(again.head(), head);
        assert_eq!(again.torn().is_some(), written < END_FRAME);
        let again_copied = copy(copied.path());
        again.append(&commit_after(&head, 1)).unwrap();
        assert!(verify(copied.path(), |_, _| {}).is_sound());
        drop(again);
        drop(again_copied);
        for path in segments(copied.path()).iter().skip(1) {
            fs::remove_file(path).unwrap();
        }
        remember_again(copied.path(), head);
    }
}

#[test]
fn a_segment_that_never_got_its_name_is_forgotten() {
    let (dir, log) = small_log(&[1]);
    drop(log);
    let unfinished = dir.path().join("segments/00000000000000000003.new");
    fs::write(&unfinished, b"half").unwrap();
    EmbeddedLog::open(dir.path(), SMALL).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn a_writer_whose_disk_failed_is_finished_and_says_so() {
    let (dir, mut log) = small_log(&[1]);
    // A handle that cannot write stands in for a disk that fails.
    let path = newest(dir.path());
    log.active.as_mut().unwrap().file = File::open(&path).unwrap();
    let head = log.head();
    let next = commit_after(&head, 1);
    assert!(matches!(log.append(&next), Err(AppendError::Poisoned { .. })));
    assert!(matches!(log.append(&next), Err(AppendError::Poisoned { .. })), "it is not tried again");
    assert!(matches!(log.resolve(&next), Err(AppendError::Poisoned { .. })));
    assert_eq!(log.reader().head(), head, "readers see what is durable");
    drop(log);
    let mut again = EmbeddedLog::open(dir.path(), SMALL).unwrap();
    assert_eq!(again.resolve(&next).unwrap(), Resolution::Absent);
    again.append(&next).unwrap();
}

#[test]
fn a_head_file_that_cannot_be_written_ends_the_writer_behind_what_is_durable() {
    let (dir, mut log) = small_log(&[1]);
    // A folder where the new head file is to be: no lack of space.
    fs::create_dir(dir.path().join("head.new")).unwrap();
    let mut head = log.head();
    for _ in 0..SMALL.head_every {
        head = log.append(&commit_after(&head, 1)).unwrap();
    }
    assert_eq!(log.reader().head(), head, "the commit itself is durable");
    assert!(matches!(log.append(&commit_after(&head, 1)), Err(AppendError::Poisoned { .. })));
}

#[test]
fn a_full_disk_takes_nothing_and_the_writer_goes_on_when_there_is_space() {
    let (dir, mut log) = small_log(&[1]);
    let (head, next) = (log.head(), commit_after(&log.head(), 1));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let file = std::mem::replace(&mut log.active.as_mut().unwrap().file, full);
    for _ in 0..2 {
        assert!(matches!(log.append(&next), Err(AppendError::Full { .. })));
        assert_eq!(log.resolve(&next).unwrap(), Resolution::Absent);
        assert_eq!(log.reader().head(), head);
    }
    log.active.as_mut().unwrap().file = file;
    log.append(&next).unwrap();
    assert!(verify(dir.path(), |_, _| {}).is_sound());
}

#[test]
fn a_sealed_segment_is_frames_from_its_first_byte_to_its_last() {
    let (dir, log) = small_log(&[1; 8]);
    drop(log);
    let sealed = fs::read(&segments(dir.path())[0]).unwrap();
    let mut tags = BTreeMap::new();
    let mut at = 0;
    while let Some(header) = FrameHeader::read(&sealed[at..]) {
        *tags.entry(format!("{:?}", header.tag)).or_insert(0) += 1;
        at += FRAME_HEADER + (header.length as usize).next_multiple_of(FRAME_HEADER);
    }
    assert_eq!(at, sealed.len());
    assert_eq!((tags["Opening"], tags["Closing"]), (1, 1));
    assert!(tags["Commit"] > 1);
}

pub(super) fn small_log(sizes: &[u64]) -> (TempDir, EmbeddedLog) {
    log_of(SMALL, sizes)
}

pub(super) fn log_of(options: Options, sizes: &[u64]) -> (TempDir, EmbeddedLog) {
    let dir = TempDir::new().unwrap();
    let mut log = EmbeddedLog::create(dir.path(), options).unwrap();
    fill(&mut log, sizes);
    (dir, log)
}

/// Where each frame of a segment begins, and what comes behind the last; of any other file its first byte.
fn frame_starts(bytes: &[u8]) -> BTreeSet<u64> {
    let (mut starts, mut at) = (BTreeSet::from([0]), 0);
    while let Some(header) = bytes.get(at..).and_then(FrameHeader::read) {
        at += FRAME_HEADER + (header.length as usize).next_multiple_of(FRAME_HEADER);
        starts.insert(at as u64);
    }
    starts
}

/// The directory as a crash at this moment would leave it, with everything that was written.
pub(super) fn copy(dir: &Path) -> TempDir {
    let copied = TempDir::new().unwrap();
    fs::create_dir(copied.path().join("segments")).unwrap();
    for path in segments(dir) {
        fs::copy(&path, copied.path().join("segments").join(path.file_name().unwrap())).unwrap();
    }
    fs::copy(dir.join("head"), copied.path().join("head")).unwrap();
    copied
}

/// The head file as it was when the log had reached `head` in its first segment.
fn remember_again(dir: &Path, head: Head) {
    let mut tree = Tree::default();
    (1..=head.position.0).for_each(|n| tree.push(&line(Position(n))));
    write_head(dir, &Remembered::new(head, 1, &tree)).unwrap();
}

pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    segment_paths(dir).unwrap()
}

pub(super) fn newest(dir: &Path) -> PathBuf {
    segments(dir).pop().unwrap()
}
