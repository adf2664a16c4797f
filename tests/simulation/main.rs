//! The whole in one thread, under faults, by seed: engine, log, views, vault and clients of two partitions.
//!
//! `SEED=17 cargo test -p linggong-tests --test simulation` runs one seed and prints how it went; `SEEDS=50000`
//! runs so many; `TRACE=<id>` prints every event that names it. The same seed gives the same history on every machine.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot be set up ends there")]
#![expect(clippy::print_stdout, reason = "the figures are what a simulation reports")]

mod oracle;
mod random;
mod work;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use world::{History, Library, Outcome, run};

/// Seeds that once broke something, and so are run first, each time.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// How many seeds run where nothing else is said.
const SEEDS: u64 = 500;

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
    for seed in all {
        seeds += 1;
        let outcome = match one_run(seed, &library) {
            Ok(outcome) => outcome,
            Err(what) => {
                broken.push(what);
                if broken.len() == 12 {
                    break;
                }
                continue;
            }
        };
        total.events += outcome.events;
        total.types.extend(outcome.types);
        for (name, (accepted, refused)) in outcome.commands {
            let sum = total.commands.entry(name).or_default();
            *sum = (sum.0 + accepted, sum.1 + refused);
        }
        for (name, times) in outcome.faults {
            *total.faults.entry(name).or_default() += times;
        }
    }
    let first_lines: Vec<&str> = broken.iter().filter_map(|it| it.lines().next()).collect();
    assert!(broken.is_empty(), "{}\n\nall of them:\n{}", broken[0], first_lines.join("\n"));
    let accepted: u64 = total.commands.values().map(|it| it.0).sum();
    let refused: u64 = total.commands.values().map(|it| it.1).sum();
    println!(
        "{seeds} seeds: {} events of {} types, {accepted} commands accepted, {refused} refused, faults {:?}",
        total.events,
        total.types.len(),
        total.faults
    );
    let is_never = |name: &&str| total.commands.get(name).is_none_or(|it| it.0 == 0);
    let never: BTreeSet<&str> = work::Desk::names().filter(is_never).collect();
    println!("never accepted: {never:?}");
    let kind = |name: &'static str| name.split_once('.').map_or(name, |(kind, _)| kind);
    let reached: BTreeSet<&str> = work::Desk::names().filter(|it| !never.contains(it)).map(kind).collect();
    let all: BTreeSet<&str> = work::Desk::names().map(kind).collect();
    assert!(seeds < SEEDS / 2 || reached == all, "nothing is known of some kinds: {reached:?}");
}

/// One seed; a broken invariant comes with what is needed to see it again.
fn one_run(seed: u64, library: &Library) -> Result<Outcome, String> {
    let history = Rc::new(RefCell::new(History::default()));
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
    Err(format!(
        "seed {seed}, step {}: {broken}\nrepeat: SEED={seed} cargo test -p linggong-tests --test simulation\n{}",
        history.step,
        lines.join("\n")
    ))
}
