//! What the shell of an engine can expect of it before anything is in the log: which instant it decides at, and that what
//! fell due stands before what is decided after.

use std::collections::BTreeSet;

use linggong_engine::partition::Partition;
use linggong_events::commit::Commit;
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use serde_json::Value;

use crate::oracle::Holds;

/// Kept as long as the engine runs.
#[derive(Default)]
pub(crate) struct Expected {
    /// The last instant told while the clock was trusted, or the first in doubt, and the true time then.
    told: Option<(Timestamp, Timestamp)>,
    was_held: bool,
    /// Where something must stand that fell due.
    due: BTreeSet<Position>,
}

impl Expected {
    /// Invariant 3: While the clock is in doubt, recorded time goes on from the last instant that was trusted.
    pub(crate) fn i03_in_doubt_time_goes_on_from_what_was_trusted(
        &mut self,
        told: Timestamp,
        truly: Timestamp,
        partition: &Partition,
    ) -> Holds {
        let is_held = partition.clock_is_held();
        let going_on = self.told.map(|(at, then)| (at, at.plus_ms(truly.ms() - then.ms())));
        if let Some((last, going_on)) = going_on.filter(|_| is_held) {
            let right = if self.was_held { told == going_on } else { (last..=going_on).contains(&told) };
            if !right {
                return Err(format!("3: in doubt, {told} follows on {last} where {going_on} should"));
            }
        }
        if !(is_held && self.was_held) {
            self.told = Some((told, truly));
        }
        self.note_whether_the_clock_is_held(partition);
        Ok(())
    }

    /// Whoever confirms the clock ends one doubt; the next begins where it was trusted last.
    pub(crate) fn note_whether_the_clock_is_held(&mut self, partition: &Partition) {
        self.was_held = partition.clock_is_held();
    }

    /// Takes note of what is due before something else comes in.
    pub(crate) fn note_what_is_due(&mut self, told: Timestamp, partition: &Partition) {
        let state = partition.state();
        let is_due = state.next_deadline().is_some_and(|at| at <= told) && !partition.clock_is_held();
        if is_due {
            self.due.insert(state.last().next());
        }
    }

    /// Invariant 11: What fell due by the instant of a decision is stated before it.
    pub(crate) fn i11_what_fell_due_stands_first(&mut self, commit: &Commit) -> Holds {
        let (first, after) = (Position(commit.header().first), commit.last().next());
        let stands = self.due.range(first..after).copied();
        for (position, line) in stands.filter_map(|it| Some((it, commit.line_at(it)?))) {
            let line: Value = serde_json::from_slice(line).unwrap_or_default();
            if line["channel"] != "engine" {
                return Err(format!(
                    "11: at {position} stands {} where something fell due before",
                    line["type"]
                ));
            }
        }
        self.due = self.due.split_off(&after);
        Ok(())
    }
}
