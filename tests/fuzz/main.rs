//! Every decoder under whatever bytes: its corpus and mutations of it, within seconds; with `LINGGONG_LONG` many more;
//! `FUZZ=word` takes the targets whose names hold the word.
//!
//! Each target is a `target(bytes: &[u8])` as cargo-fuzz calls one; it may refuse, and never panics. Chance comes from
//! a seed, so that a failure is found again by running the test again; the input is kept, and its path is told.

mod office;
mod request;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use targets::TARGETS;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The files of a folder, by name.
pub(crate) fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect()
}

/// How many mutations are tried where `short` are tried in a hurry.
pub(crate) fn rounds(short: usize) -> usize {
    if std::env::var_os("LINGGONG_LONG").is_some() { short * 100 } else { short }
}

/// xorshift64*: small, and the same everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(name: &str) -> Chance {
        // FNV-1a, so that each target has a seed of its own.
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Chance(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).expect("less than a length")
    }
}

/// Words that decoders look out for.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1e999",
    b"null",
    b"{}",
    b"[]",
    b"\"",
    b"\\u0000",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    "年".as_bytes(),
    "\u{202e}".as_bytes(),
    b",",
    b"..",
    b"LGco",
    b"sha256:",
    b"9999-12-31",
    b"0000-01-01T00:00:00Z",
    b"24:00",
    b".v2",
    b".v0",
];

/// One of `seeds` with a few changes.
pub(crate) fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(7) {
            0 if !bytes.is_empty() => {
                let at = chance.below(bytes.len());
                bytes[at] ^= 1 << chance.below(8);
            }
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..(at + chance.below(16)).min(bytes.len()))),
            3 => {
                let word = WORDS[chance.below(WORDS.len())];
                drop(bytes.splice(at..at, word.iter().copied()));
            }
            4 => {
                let end = (at + chance.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = chance.below(bytes.len() + 1);
                drop(bytes.splice(to..to, piece));
            }
            5 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = (at + 8).min(bytes.len());
                let random = chance.next().to_le_bytes();
                drop(bytes.splice(at..end, random));
            }
        }
    }
    bytes
}

fn holds(name: &str, target: fn(&[u8]), bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(bytes))).is_ok() {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    fs::write(&kept, bytes).expect("the input is kept");
    panic!("`{name}` panics on {}: mend it, and put the file into its corpus", kept.display());
}

#[test]
fn no_decoder_panics_on_its_corpus_or_on_what_is_made_of_it() {
    let wanted = std::env::var("FUZZ").unwrap_or_default();
    for (name, seeds, short, target) in TARGETS.iter().filter(|it| it.0.contains(&wanted)) {
        let seeds = seeds(&folder());
        assert!(!seeds.is_empty(), "`{name}` has a corpus");
        for bytes in &seeds {
            holds(name, *target, bytes);
        }
        let mut chance = Chance::of(name);
        for _ in 0..rounds(*short) {
            holds(name, *target, &mutated(&seeds, &mut chance));
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_mutations() {
    let seeds = [b"one two three".to_vec(), b"four".to_vec()];
    let made = |name| {
        let mut chance = Chance::of(name);
        (0..50).map(|_| mutated(&seeds, &mut chance)).collect::<Vec<_>>()
    };
    assert_eq!(made("commit"), made("commit"));
    assert_ne!(made("commit"), made("event"));
}
