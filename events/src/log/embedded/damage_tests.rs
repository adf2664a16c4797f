//! What is done to a small log, and that it is noticed, placed and, where that can be proved right, mended.

use std::collections::BTreeMap;

use super::load::segment_paths;
use super::repair::{self, Proof, RepairError, Witness};
use super::segment::FrameHeader;
use super::tests::{SMALL, copy, log_of, newest, segments, small_log};
use super::*;
use crate::commit::Digest;
use crate::log::AuditError;
use crate::log::conformance::{author, commit_after, line};

/// Every frame of a file: where it begins and ends.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..).and_then(FrameHeader::read) {
        let end = at + FRAME_HEADER + (header.length as usize).next_multiple_of(FRAME_HEADER);
        found.push(at..end);
        at = end;
    }
    found
}

/// Where the first fault that verification finds stands.
#[track_caller]
fn place(dir: &Path) -> (PathBuf, u64) {
    match verify(dir, |_, _| {}).fault {
        Some(VerifyFault::File(OpenError::Damaged(Damage { file, offset, .. }))) => (file, offset),
        Some(VerifyFault::Commit { file, offset, .. }) => (file, offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_record_put_in_the_place_of_another_is_found_where_it_stands() {
    let (dir, log) = log_of(Options { segment_bytes: 4096, ..SMALL }, &[1; 9]);
    drop(log);
    let mut changes = 0;
    for path in segments(dir.path()) {
        let sound = fs::read(&path).unwrap();
        let all = frames(&sound);
        for one in 0..all.len() {
            for other in 0..all.len() {
                let (from, to) = (all[one].clone(), all[other].clone());
                if from == to || from.len() != to.len() {
                    continue;
                }
                // A duplicate: `from` stands in the place of `to` as well.
                let mut bytes = sound.clone();
                bytes.copy_within(from.clone(), to.start);
                fs::write(&path, &bytes).unwrap();
                assert_eq!(place(dir.path()), (path.clone(), to.start as u64), "{from:?} over {to:?}");
                // A swap.
                bytes[from.clone()].copy_from_slice(&sound[to.clone()]);
                fs::write(&path, &bytes).unwrap();
                let first = from.start.min(to.start) as u64;
                assert_eq!(place(dir.path()), (path.clone(), first), "{from:?} and {to:?}");
                changes += 2;
            }
        }
        fs::write(&path, &sound).unwrap();
    }
    assert!(changes > 12, "{changes} changes were made");
    assert!(verify(dir.path(), |_, _| {}).is_sound());
}

#[test]
fn a_record_left_out_or_put_in_twice_is_found_where_it_stands() {
    let (dir, log) = log_of(Options { segment_bytes: 16384, ..SMALL }, &[1, 2, 1, 3]);
    drop(log);
    let path = newest(dir.path());
    let sound = fs::read(&path).unwrap();
    let all = frames(&sound);
    assert_eq!(all.len(), 6, "an opening and five commits");
    let end = all.last().unwrap().end;
    for frame in &all[1..] {
        let rest = [&sound[..frame.start], &sound[frame.end..end]].concat();
        let twice = [&sound[..frame.end], &sound[frame.clone()], &sound[frame.end..end]].concat();
        for (bytes, at) in [(rest, frame.start), (twice, frame.end)] {
            let mut bytes = bytes;
            bytes.resize(sound.len(), 0);
            fs::write(&path, &bytes).unwrap();
            let report = verify(dir.path(), |_, _| {});
            let found = match report.fault {
                Some(VerifyFault::File(OpenError::Damaged(it))) => it.offset,
                // The last commit is missing: the head file remembers it.
                Some(VerifyFault::File(OpenError::Shorter { found: 4, known: 5 })) => frame.start as u64,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, at as u64);
            assert!(EmbeddedLog::open(dir.path(), SMALL).is_err());
        }
    }
}

#[test]
fn a_log_cut_at_any_byte_of_any_file_is_refused() {
    let (dir, log) = log_of(Options { segment_bytes: 2048, ..SMALL }, &[1]);
    drop(log);
    let paths = segments(dir.path());
    assert!(paths.len() > 1);
    for path in paths {
        let sound = fs::read(&path).unwrap();
        for length in 0..sound.len() {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length as u64).unwrap();
            let fault = verify(dir.path(), |_, _| {}).fault;
            let Some(VerifyFault::File(OpenError::Damaged(damage))) = fault else {
                panic!("{} cut at {length}: {fault:?}", path.display());
            };
            assert_eq!(damage.file, path);
            assert!(damage.offset <= length as u64, "placed at {} of {length}", damage.offset);
            file.write_all_at(&sound[length..], length as u64).unwrap();
        }
    }
    assert!(verify(dir.path(), |_, _| {}).is_sound());
}

#[test]
fn a_log_that_ends_before_what_a_view_has_seen_is_refused_and_left_as_it_is() {
    let (dir, mut log) = small_log(&[2]);
    let before = log.head();
    log.append(&commit_after(&before, 1)).unwrap();
    let copied = copy(dir.path());
    // The disk forgot a sector of the last commit, and the head file is from before it.
    let path = newest(copied.path());
    let mut bytes = fs::read(&path).unwrap();
    let last = frames(&bytes).pop().unwrap();
    let end = (last.start + 1).next_multiple_of(512);
    bytes[last.start..end].fill(0);
    fs::write(&path, &bytes).unwrap();
    let mut tree = Tree::default();
    (1..=2).for_each(|n| tree.push(&line(Position(n))));
    write_head(copied.path(), &Remembered::new(before, 1, &tree)).unwrap();

    let refused = EmbeddedLog::open(copied.path(), Options { known: Position(3), ..SMALL }).unwrap_err();
    assert_eq!(refused.to_string(), "the log ends with position 2, but position 3 was seen");
    assert!(refused.is_loss());
    assert_eq!(fs::read(&path).unwrap(), bytes, "the evidence is still there");
    let torn = EmbeddedLog::open(copied.path(), SMALL).unwrap();
    assert!(torn.torn().is_some(), "nobody who saw it was asked");
}

#[test]
fn the_tree_is_kept_over_every_start_and_is_that_of_the_recursion() {
    let (dir, mut log) = small_log(&[3, 1]);
    for size in [1, 0, 5, 2, 1, 1, 4] {
        let next = match size {
            0 => author().takeover(&log.head(), 0).unwrap(),
            _ => commit_after(&log.head(), size),
        };
        log.append(&next).unwrap();
        let leaves: Vec<Digest> =
            (1..=log.head().position.0).map(|n| crate::merkle::leaf_hash(&line(Position(n)))).collect();
        let root = crate::merkle::root_of(&leaves);
        let (head, tree) = log.reader().tree().unwrap();
        assert_eq!((head, tree.root()), (log.head(), root));
        // As a crash leaves it, with a head file that is some commits old; and as a stop leaves it.
        let copied = copy(dir.path());
        assert_eq!(EmbeddedLog::open(copied.path(), SMALL).unwrap().reader().tree().unwrap().1.root(), root);
        drop(log);
        log = EmbeddedLog::open(dir.path(), SMALL).unwrap();
        assert_eq!(log.reader().tree().unwrap().1.root(), root);
    }
}

#[test]
fn a_segment_has_its_space_before_a_commit_needs_it() {
    use std::os::unix::fs::MetadataExt as _;
    let options = Options { segment_bytes: 1 << 20, ..SMALL };
    let (dir, log) = log_of(options, &[1]);
    let meta = fs::metadata(newest(dir.path())).unwrap();
    assert_eq!(meta.len(), 1 << 20);
    assert!(meta.blocks() * 512 >= 1 << 20, "every block of it is the log's own");
    drop(log);
}

/// The sound log and a copy of it, both closed.
fn sound_and_copy() -> (tempfile::TempDir, tempfile::TempDir, Vec<Commit>) {
    let (dir, log) = small_log(&[1; 6]);
    let commits = log.reader().commits(1).map(Result::unwrap).collect();
    drop(log);
    let copied = copy(dir.path());
    (dir, copied, commits)
}

fn proof_of(commit: &Commit) -> Proof {
    Proof { commit: commit.header().commit, digest: commit.digest(), tree: None }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_log_is_mended_from_a_copy_and_what_was_there_is_kept() {
    let (dir, copied, commits) = sound_and_copy();
    let path = segments(dir.path()).remove(0);
    flip(&path, END_FRAME + 40);
    let damaged = fs::read(&path).unwrap();
    let proofs = [proof_of(commits.last().unwrap())];
    let repaired = repair::from_copy(dir.path(), copied.path(), &proofs).unwrap();
    assert_eq!(repaired.head.commit, 7);
    assert!(verify(dir.path(), |_, _| {}).is_sound());
    assert_eq!(fs::read(repaired.aside.join(path.file_name().unwrap())).unwrap(), damaged);
    let mut log = EmbeddedLog::open(dir.path(), SMALL).unwrap();
    assert_eq!(log.reader().commits(1).map(Result::unwrap).collect::<Vec<_>>(), commits);
    log.append(&commit_after(&log.head(), 1)).unwrap();
}

#[test]
fn a_copy_that_lacks_or_changes_what_is_known_mends_nothing() {
    let (dir, copied, commits) = sound_and_copy();
    flip(&segments(dir.path())[0], END_FRAME + 40);
    let as_it_was: BTreeMap<_, _> =
        segments(dir.path()).into_iter().map(|it| (it.clone(), fs::read(it).unwrap())).collect();
    let lost = |copy: &Path, proofs: &[Proof]| match repair::from_copy(dir.path(), copy, proofs) {
        Err(RepairError::Lost { commit, source_of } | RepairError::Other { commit, source_of }) => {
            (commit, source_of)
        }
        other => panic!("{other:?}"),
    };
    // An older copy: the damaged log shows later commits itself.
    let (older, log) = small_log(&[1; 3]);
    drop(log);
    assert_eq!(lost(older.path(), &[]), (5, Witness::Log));
    // A proof from outside goes further than both.
    let beyond = Proof { commit: 9, digest: Digest::of(b"9"), tree: None };
    assert_eq!(lost(copied.path(), &[beyond]), (9, Witness::Proof));
    // A copy with another history.
    let (forged, mut log) = small_log(&[1]);
    log.append(&author().commit(&log.head(), 99, &[line(Position(2))]).unwrap()).unwrap();
    fill_on(&mut log, 4);
    drop(log);
    assert_eq!(lost(forged.path(), &[]).0, 3);
    // A copy that is damaged too.
    flip(&segments(copied.path())[1], END_FRAME + 40);
    let refused = repair::from_copy(dir.path(), copied.path(), &[proof_of(&commits[0])]);
    assert!(matches!(refused, Err(RepairError::Copy(_) | RepairError::Lost { .. })), "{refused:?}");
    for (path, bytes) in as_it_was {
        assert_eq!(fs::read(path).unwrap(), bytes, "nothing was changed");
    }
}

fn fill_on(log: &mut EmbeddedLog, count: u64) {
    for _ in 0..count {
        log.append(&commit_after(&log.head(), 1)).unwrap();
    }
}

#[test]
fn damage_behind_the_last_commit_is_cut_when_a_proof_says_how_far_the_log_went() {
    let (dir, mut log) = small_log(&[1]);
    let last = log.reader().commits(2).next().unwrap().unwrap();
    let head = log.head();
    log.append(&commit_after(&head, 1)).unwrap();
    drop(log);
    // A commit that nobody was told of, half of it on the disk with a wrong bit: no torn frame, and no commit.
    let path = newest(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let frame = frames(&bytes).pop().unwrap();
    bytes[frame.start + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut tree = Tree::default();
    tree.push(&line(Position(1)));
    write_head(dir.path(), &Remembered::new(head, 1, &tree)).unwrap();
    assert!(matches!(EmbeddedLog::open(dir.path(), SMALL), Err(OpenError::Damaged(_))));

    assert!(matches!(repair::cut(dir.path(), &[]), Err(RepairError::Unproved)));
    let told = Proof { commit: 3, digest: Digest::of(b"3"), tree: None };
    assert!(
        matches!(
            repair::cut(dir.path(), &[told]),
            Err(RepairError::Lost { commit: 3, source_of: Witness::Proof })
        ),
        "somebody was told of it after all"
    );
    let repaired = repair::cut(dir.path(), &[proof_of(&last)]).unwrap();
    assert_eq!(repaired.head, head);
    assert_eq!(fs::read(repaired.aside.join(path.file_name().unwrap())).unwrap(), bytes);
    let mut log = EmbeddedLog::open(dir.path(), SMALL).unwrap();
    assert_eq!(log.head(), head);
    log.append(&commit_after(&head, 2)).unwrap();
    assert!(verify(dir.path(), |_, _| {}).is_sound());
}

#[test]
fn no_commit_is_ever_cut_off() {
    let (dir, _, commits) = sound_and_copy();
    let proofs = [proof_of(&commits[0])];
    assert!(matches!(repair::cut(dir.path(), &proofs), Err(RepairError::Sound)));
    for path in segment_paths(dir.path()).unwrap() {
        let sound = fs::read(&path).unwrap();
        for frame in frames(&sound) {
            flip(&path, frame.start + 40);
            let refused = repair::cut(dir.path(), &proofs);
            // Of a sealed segment's own end nothing is lost, but it is not the end of the log.
            assert!(
                matches!(refused, Err(RepairError::Lost { .. } | RepairError::NotAtTheEnd(_))),
                "{refused:?} at {frame:?} of {}",
                path.display()
            );
            fs::write(&path, &sound).unwrap();
        }
    }
    assert!(verify(dir.path(), |_, _| {}).is_sound());
}

#[test]
fn a_head_file_that_is_damaged_is_written_anew_when_a_proof_stands_in_for_it() {
    let (dir, _, commits) = sound_and_copy();
    flip(&dir.path().join("head"), 20);
    assert!(matches!(EmbeddedLog::open(dir.path(), SMALL), Err(OpenError::Damaged(_))));
    let forged = Proof { digest: Digest::of(b"7"), ..proof_of(&commits[6]) };
    assert!(matches!(repair::cut(dir.path(), &[forged]), Err(RepairError::Other { commit: 7, .. })));
    assert_eq!(repair::cut(dir.path(), &[proof_of(&commits[6])]).unwrap().head.commit, 7);
    assert_eq!(EmbeddedLog::open(dir.path(), SMALL).unwrap().head().commit, 7);
}

#[test]
fn a_tree_in_the_head_file_that_is_not_that_of_the_events_is_found() {
    let (dir, mut log) = small_log(&[]);
    fill_on(&mut log, 3);
    let (head, mut tree) = (log.head(), Tree::default());
    drop(log);
    (1..=3).for_each(|n: u64| tree.push(&n.to_be_bytes()));
    write_head(dir.path(), &Remembered::new(head, 1, &tree)).unwrap();
    let fault = verify(dir.path(), |_, _| {}).fault;
    assert!(matches!(fault, Some(VerifyFault::File(OpenError::Other { commit: 4 }))), "{fault:?}");
}

#[test]
fn what_breaks_the_audit_is_placed_in_its_file() {
    let (dir, mut log) = small_log(&[]);
    let wrong = author().commit(&log.head(), 0, &[line(Position(2))]).unwrap();
    log.append(&wrong).unwrap();
    drop(log);
    let Some(VerifyFault::Commit { offset, cause: AuditError::Event { position, .. }, .. }) =
        verify(dir.path(), |_, _| {}).fault
    else {
        panic!("an event that is not at its place");
    };
    let bytes = fs::read(newest(dir.path())).unwrap();
    assert_eq!((offset, position), (frames(&bytes)[2].start as u64, Position(1)));
}

#[test]
fn a_flipped_bit_far_before_the_end_is_named_as_a_frame_that_is_not_sound() {
    let (dir, log) = log_of(Options { segment_bytes: 1 << 21, ..SMALL }, &[300; 6]);
    drop(log);
    let path = newest(dir.path());
    let bytes = fs::read(&path).unwrap();
    let frame = frames(&bytes).swap_remove(2);
    let written = bytes.iter().rposition(|it| *it != 0).unwrap();
    assert!(written - frame.start > segment::MAX_FRAME, "more stands behind it than one frame can have");
    flip(&path, frame.start + 60);
    let fault = verify(dir.path(), |_, _| {}).fault.expect("a fault").to_string();
    assert!(
        fault.contains("a frame that is not sound") && fault.contains(&frame.start.to_string()),
        "{fault}"
    );
}
