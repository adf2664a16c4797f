//! The whole in one thread, under faults, by seed: engine, log, views, vault and clients of two partitions.
//!
//! `SEED=17 cargo test -p linggong-tests --test simulation` runs one seed and prints how it went; `SEEDS=50000`
//! runs so many, `UNTIL_BROKEN=1` no further than the first that breaks; `SHOW=1` prints every line of the history, `TRACE=<id>` every event that names it. The same seed gives the same history on every machine.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot be set up ends there")]
#![expect(clippy::print_stdout, reason = "the figures are what a simulation reports")]

mod claimed;
mod coverage;
mod covered;
mod days;
mod disk;
mod expected;
mod gate;
mod oracle;
mod papers;
mod random;
mod safe;
mod stories;
mod travel;
mod work;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use world::{History, Library, Outcome, run};

/// How many broken seeds are shown before a run ends.
const MOST_BROKEN: usize = 12;
/// Seeds that once broke something, and so are run first, each time.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// Whether a seed of either half has broken.
static BROKEN: AtomicBool = AtomicBool::new(false);
/// How many seeds run where nothing else is said.
const SEEDS: u64 = 500;
/// How many reach every command, refusal and fault.
const SEEDS_FOR_ALL: u64 = 5000;

#[test]
fn every_invariant_holds_under_faults_for_even_seeds() {
    simulate(0);
}

#[test]
fn every_invariant_holds_under_faults_for_odd_seeds() {
    simulate(1);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let library = Library::read();
    for seed in [3, 4] {
        let (one, other) = (one_run(seed, &library).unwrap(), one_run(seed, &library).unwrap());
        assert_eq!(one.history, other.history, "seed {seed} went two ways");
    }
}

/// Runs the seeds of one half, so that two tests keep two cores busy.
fn simulate(half: u64) {
    let library = Library::read();
    let asked = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().expect("a number"));
    if let Some(seed) = asked("SEED") {
        if seed % 2 == half {
            println!("{:#?}", one_run(seed, &library).unwrap_or_else(|broken| panic!("{broken}")));
        }
        return;
    }
    let fixed = REGRESSIONS.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let all = fixed.chain(0..asked("SEEDS").unwrap_or(SEEDS)).filter(|seed| seed % 2 == half);
    let mut total = Outcome::default();
    let (mut seeds, mut broken) = (0, Vec::new());
    let most = if std::env::var_os("UNTIL_BROKEN").is_some() { 1 } else { MOST_BROKEN };
    for seed in all {
        if most == 1 && BROKEN.load(Ordering::Relaxed) {
            return;
        }
        seeds += 1;
        let outcome = match one_run(seed, &library) {
            Ok(outcome) => outcome,
            Err(what) => {
                broken.push(what);
                BROKEN.store(true, Ordering::Relaxed);
                if broken.len() == most {
                    break;
                }
                continue;
            }
        };
        total.add(outcome);
    }
    let first_lines: Vec<&str> = broken.iter().filter_map(|it| it.lines().next()).collect();
    assert!(broken.is_empty(), "{}\n\nall of them:\n{}", broken[0], first_lines.join("\n"));
    println!("{seeds} seeds: {}", total.report());
    let missing = total.missing();
    println!("  not reached: {missing:#?}");
    let blind = total.blind();
    assert!(seeds < SEEDS / 2 || blind.is_empty(), "what every run reaches is reached no more: {blind:#?}");
    // Rare ends take more seeds than every run has.
    assert!(
        seeds < SEEDS_FOR_ALL / 2 || missing.is_empty(),
        "not everything is reached any more: {missing:#?}"
    );
}

/// One seed; a broken invariant comes with what is needed to see it again.
fn one_run(seed: u64, library: &Library) -> Result<Outcome, String> {
    let shows = std::env::var_os("SHOW").is_some();
    let history = Rc::new(RefCell::new(History { shows, ..History::default() }));
    let ran = catch_unwind(AssertUnwindSafe(|| run(seed, library, &history)));
    let broken = match ran {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
        }
    };
    let history = history.borrow();
    let lines: Vec<&str> = history.last.iter().map(String::as_str).collect();
    let broken = coverage::with_its_name(&broken);
    Err(format!(
        "seed {seed}, step {}: {broken}\nrepeat: SEED={seed} cargo test -p linggong-tests --test simulation\n{}",
        history.step,
        lines.join("\n")
    ))
}
