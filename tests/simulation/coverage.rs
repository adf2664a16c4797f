//! What the seeds of a run reached, and what they must reach: every command, every refusal, every fault.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use linggong_engine::command::Command;
use linggong_engine::refusal::Refusal;
use linggong_events::event::{Event, EventType};

use crate::world::Outcome;

/// Refusals that commands of a simulated client do not meet, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("rule_missing", "the rules that are shipped have every row, and no pack without one can be adopted"),
    (
        "too_large",
        "a decision that fills half a commit takes a thousand wages; the engine's own tests make one",
    ),
];

/// Events that a simulated run does not come to, and why.
const UNSEEN_EVENTS: &[(&str, &str)] = &[
    (
        "attendance.absence_reported",
        "every hire of a run has one shift; see scenario attendance/absent-from-one-shift",
    ),
    ("case.deadline_recounted", "the calendar of a run is adopted before it; see scenario case/calendar-*"),
    ("claim.answer_recounted", "as case.deadline_recounted"),
];

/// The commands that no run gives with success.
const UNGIVEN: &[(&str, &str)] = &[("attendance.report_absence", "as the event attendance.absence_reported")];

/// The invariants by the number that a broken one is told with.
const INVARIANTS: &[(&str, &str)] = &[
    ("1", "what is acknowledged is in the log, once, where its receipt says"),
    ("2", "what was refused left nothing"),
    ("3", "positions, versions and times run on; what was altered is seen"),
    ("4", "every event has its cause, its authority and its evidence"),
    ("5", "a replay, from the start or a snapshot, comes to the same state"),
    ("6", "every view is what a rebuild gives"),
    ("7", "every root is reproduced and every receipt proved by it"),
    ("8", "every offer ends once"),
    ("9", "nobody is in two places or on the way, no posting takes more than it has places"),
    ("10", "every fen is accounted for, in claims too"),
    ("11", "a deadline ends one way, once, and none is missed"),
    ("12", "a closed case stays closed; two file, two reopen"),
    ("13", "cover is taken out once, and nobody works without it untold"),
    ("14", "a ranking is by its scores"),
    ("15", "no worker pays to work"),
    ("16", "nothing personal stands in clear, and what is sealed opens for its own key alone"),
    ("17", "roles and keys take two; a destroyed key is gone"),
    ("18", "every opening is written down"),
    ("19", "a subscriber gets every line once"),
    ("20", "lines, commits and queues have bounds"),
    ("liveness", "once faults stop, everything is answered and everything due happens"),
    ("engine", "the engine itself does not stop"),
    ("form", "events are of the form that the simulation knows"),
    ("harness", "the simulation itself is sound"),
];

/// What broke, with the invariant's sentence; what has no number is a panic of the code that runs.
pub(crate) fn with_its_name(broken: &str) -> String {
    let known = broken.split_once(": ").and_then(|(number, rest)| {
        INVARIANTS.iter().find(|(it, _)| *it == number).map(|(number, name)| (number, name, rest))
    });
    match known {
        Some((number, name, rest)) => format!("invariant {number} ({name}): {rest}"),
        None => format!("invariant engine (no code panics): {broken}"),
    }
}

/// Every fault that a run injects: none may be forgotten.
const FAULTS: &[&str] = &[
    "clock jump",
    "commit handed over twice",
    "commit lands late",
    "corrupt write: a flip",
    "crash after a write",
    "crash before a write",
    "crash between vault and log",
    "crash between write and acknowledgement",
    "crash while idle",
    "damaged snapshot",
    "deposed",
    "disk full",
    "doubled write",
    "duplicate",
    "files: a corrupt write",
    "files: a misdirected write",
    "files: a torn write",
    "key change untold",
    "late ack",
    "log fails after a write",
    "log fails before a write",
    "long pause",
    "lost ack",
    "lost commit",
    "lost message",
    "lost paper",
    "lost write",
    "misdirected write",
    "other content",
    "rival",
    "slow reader",
    "start from a snapshot",
    "torn append in the vault",
    "torn write",
    "upgrade",
];

impl Outcome {
    pub(crate) fn add(&mut self, other: Outcome) {
        self.events += other.events;
        self.types.extend(other.types);
        for (name, (accepted, refused)) in other.commands {
            let sum = self.commands.entry(name).or_default();
            *sum = (sum.0 + accepted, sum.1 + refused);
        }
        let counted = [
            (&mut self.faults, other.faults),
            (&mut self.refusals, other.refusals),
            (&mut self.looks, other.looks),
        ];
        for (sums, times) in counted {
            for (name, times) in times {
                *sums.entry(name).or_default() += times;
            }
        }
    }

    /// What happened how often, in words and tables.
    pub(crate) fn report(&self) -> String {
        let accepted: u64 = self.commands.values().map(|it| it.0).sum();
        let refused: u64 = self.commands.values().map(|it| it.1).sum();
        let (events, types) = (self.events, self.types.len());
        let mut text =
            format!("{events} events of {types} types, {accepted} commands accepted, {refused} refused");
        let _ = write!(text, "\n  command: accepted / refused");
        for (name, (accepted, refused)) in &self.commands {
            let _ = write!(text, "\n    {name:32} {accepted:>7} / {refused}");
        }
        for (title, counts) in [
            ("refusal", &self.refusals),
            ("fault", &self.faults),
            ("looked at the end or now and then", &self.looks),
        ] {
            let _ = write!(text, "\n  {title}: times");
            for (name, times) in counts {
                let _ = write!(text, "\n    {name:40} {times:>7}");
            }
        }
        text
    }

    /// The kinds of which no command was accepted, and the faults that never were: what even a short run reaches.
    pub(crate) fn blind(&self) -> Vec<String> {
        let kind = |name: &str| name.split_once('.').map_or(name, |(kind, _)| kind).to_owned();
        let accepted = self.commands.iter().filter(|(_, it)| it.0 > 0);
        let known: BTreeSet<String> = accepted.map(|(name, _)| kind(name)).collect();
        let all: BTreeSet<String> = Command::types().map(|it| kind(&it.name())).collect();
        let kinds = all.difference(&known).map(|it| format!("nothing is known of: {it}"));
        kinds.chain(self.not_injected()).collect()
    }

    fn not_injected(&self) -> impl Iterator<Item = String> {
        let never = FAULTS.iter().filter(|it| !self.faults.contains_key(*it));
        never.map(|it| format!("never injected: {it}"))
    }

    /// What should have been reached and was not.
    pub(crate) fn missing(&self) -> Vec<String> {
        let is_accepted = |name: &String| self.commands.get(name.as_str()).is_some_and(|it| it.0 > 0);
        let commands = Command::types().map(linggong_engine::command::CommandType::name);
        let ungiven = |name: &String| UNGIVEN.iter().any(|(it, _)| it == name);
        let commands = commands.filter(|it| is_accepted(it) == ungiven(it));
        let commands = commands.map(|it| format!("never accepted, or after all: {it}"));
        let excused: BTreeSet<&str> = UNSEEN.iter().map(|(code, _)| *code).collect();
        let codes = Refusal::CODES.iter().map(|(code, _)| *code);
        let unseen = codes.clone().filter(|it| !excused.contains(it) && !self.refusals.contains_key(it));
        let unseen = unseen.map(|it| format!("never refused as: {it}"));
        let seen = excused
            .iter()
            .filter(|it| self.refusals.contains_key(*it))
            .map(|it| format!("seen after all: {it}"));
        commands.chain(unseen).chain(seen).chain(self.unrecorded()).chain(self.not_injected()).collect()
    }

    /// The events of the registry that no log of the run has, and those that were held to be out of reach.
    fn unrecorded(&self) -> impl Iterator<Item = String> {
        let excused: BTreeSet<&str> = UNSEEN_EVENTS.iter().map(|(name, _)| *name).collect();
        let all: BTreeSet<String> = Event::types().map(EventType::short_name).collect();
        let never: Vec<String> = all
            .difference(&self.types)
            .filter(|it| !excused.contains(it.as_str()))
            .map(|it| format!("never recorded: {it}"))
            .collect();
        let after_all = excused.into_iter().filter(|it| self.types.contains(*it));
        never.into_iter().chain(after_all.map(|it| format!("recorded after all: {it}")))
    }
}
