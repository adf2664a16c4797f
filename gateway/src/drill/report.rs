//! What a drill found: which scenarios differ and where, and what none of them covers.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use linggong_engine::command::Command;
use linggong_engine::refusal::Refusal;
use linggong_events::event::Event;

use super::format::Place;

/// One thing that is not as a scenario says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in a sentence.
    pub what: String,
    /// The lines that the scenario expects.
    pub expected: Vec<String>,
    /// The lines that would be right.
    pub found: Vec<String>,
}

/// One scenario after its run.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Its file.
    pub path: PathBuf,
    /// Its title.
    pub title: String,
    /// How many steps were taken.
    pub steps: usize,
    /// What it says that it alone covers.
    pub covers: BTreeSet<String>,
    /// What it says that it shows, as others may.
    pub shows: BTreeSet<String>,
    /// What it has shown, by expectations that were met: `command …`, `refusal …`, `event …`, `rule …`, and
    /// `answer …` for a command with the refusal it met.
    pub shown: BTreeSet<String>,
    /// What differs; empty where all is as written.
    pub problems: Vec<Problem>,
    /// Whether its file was written anew.
    pub rewritten: bool,
}

/// A drill of some files.
#[derive(Clone, Debug, Default)]
pub struct DrillReport {
    /// Each scenario, in the order given.
    pub cases: Vec<CaseReport>,
    /// The rules that the configured packs hold, as `rule …`.
    pub rules: BTreeSet<String>,
    /// The packs that are not as the software ships them, as `name@digest`.
    pub own: Vec<String>,
}

/// Whether that is the name of a matter (`case:…`), for which no code stands.
pub(super) fn is_matter(covered: &str) -> bool {
    covered.starts_with("case:")
}

impl CaseReport {
    /// Nothing known yet of the scenario in that file.
    pub(super) fn of(path: &Path) -> CaseReport {
        CaseReport {
            path: path.to_owned(),
            title: path.display().to_string(),
            steps: 0,
            covers: BTreeSet::new(),
            shows: BTreeSet::new(),
            shown: BTreeSet::new(),
            problems: Vec::new(),
            rewritten: false,
        }
    }
}

impl DrillReport {
    /// The scenarios that name no command, refusal, event or rule, but at most matters of their own.
    pub fn nameless(&self) -> Vec<&CaseReport> {
        let named = |case: &CaseReport| !case.shows.is_empty() || case.covers.iter().any(|it| !is_matter(it));
        self.cases.iter().filter(|case| !named(case)).collect()
    }

    /// Whether every scenario is as written.
    pub fn is_good(&self) -> bool {
        self.cases.iter().all(|case| case.problems.is_empty())
    }

    /// Everything that scenarios can show: commands, refusals, events and rules.
    pub fn showable(&self) -> BTreeSet<String> {
        let commands = Command::types().map(|it| format!("command {}", it.name()));
        let refusals = Refusal::CODES.iter().map(|(code, _)| format!("refusal {code}"));
        let events = Event::types().map(|it| format!("event {}", it.short_name()));
        commands.chain(refusals).chain(events).chain(self.rules.iter().cloned()).collect()
    }

    /// What no scenario has shown.
    pub fn uncovered(&self) -> BTreeSet<String> {
        let shown: BTreeSet<&String> = self.cases.iter().flat_map(|case| &case.shown).collect();
        self.showable().into_iter().filter(|it| !shown.contains(it)).collect()
    }

    /// What more than one scenario says that it alone covers.
    pub fn claimed_twice(&self) -> BTreeSet<String> {
        let mut once = BTreeSet::new();
        let all = self.cases.iter().flat_map(|case| &case.covers);
        all.filter(|it| !once.insert(*it)).cloned().collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}:{}: {}", self.place.file.display(), self.place.line, self.what)?;
        for line in &self.expected {
            let sign = if self.found.contains(line) { ' ' } else { '-' };
            writeln!(f, "    {sign} {line}")?;
        }
        for line in self.found.iter().filter(|line| !self.expected.contains(line)) {
            writeln!(f, "    + {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DrillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            let mark = match (case.problems.is_empty(), case.rewritten) {
                (true, false) => "一致 ok     ",
                (true, true) => "已改写 new  ",
                (false, _) => "不一致 DIFF ",
            };
            writeln!(f, "{mark} {} ({} 步 steps)", case.title, case.steps)?;
            for problem in &case.problems {
                write!(f, "{problem}")?;
            }
        }
        if !self.own.is_empty() {
            writeln!(f, "本机构规则包 own packs: {}", self.own.join(" "))?;
        }
        let bad = self.cases.iter().filter(|case| !case.problems.is_empty()).count();
        let steps: usize = self.cases.iter().map(|case| case.steps).sum();
        writeln!(
            f,
            "演练 {} 例, {steps} 步, {bad} 例不一致 — {} scenarios, {steps} steps, {bad} differ",
            self.cases.len(),
            self.cases.len(),
        )
    }
}
