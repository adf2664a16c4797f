//! 演练: runs scenarios with the configured rules in a sandbox and tells what differs.
//!
//! A scenario is a text that an office can read and write:
//!
//! ```text
//! # 名额已满 — a posting takes no more people than it has places
//! covers: full
//! use morning
//!
//! 05:20 @clerk posting.submit P1 +loading headcount=1
//! 05:22 @clerk offer.grab H1 posting=P1 worker=W1
//! => hire.agreed H1
//! => posting.filled P1
//! 05:23 @clerk offer.grab posting=P1 worker=W2
//! => refused full entity=P1
//! ```
//!
//! `covers:` says what it alone covers, `shows:` what its own expectations show as others may. Every other line but
//! those that begin with `=>` is a step. A step without an expectation must merely be accepted;
//! one with expectations makes exactly these events, in this order, unless the last says `=> …`. Of an event,
//! only the fields that are told are compared. Each run is made twice and replayed: the three must agree.

pub mod format;
pub mod report;
mod rules;
pub mod sandbox;
pub mod values;
pub mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use linggong_engine::command::{About, Actor, Command, Request};
use linggong_engine::pack::Pack;
use linggong_engine::partition::Receipt;
use linggong_engine::refusal::Refusal;
use linggong_events::commit::Digest;
use linggong_events::envelope::Envelope;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{
    ActorId, CommandId, EmployerId, EntityRef, Kind, MarketId, OfficeId, PersonId, WorkerId, new_id,
};
use linggong_events::measure::Fen;
use linggong_events::time::Timestamp;
use schemars::JsonSchema;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chain;
use format::{Case, Day, Expectations, Expected, Fault, Item, Place, Token, What, When, Word};
pub use report::{CaseReport, DrillReport, Problem};
pub use rules::{RulesError, adopted_rules, shipped_rules, with_folder};
pub use sandbox::PackSource;
use sandbox::{ReadPack, Sandbox, SandboxError};
use values::{Form, Names, find, put, quote};

/// Runs the scenarios in `files` under `rules`; with `update`, writes what happens into their `=>` lines.
pub fn run(files: &[PathBuf], update: bool, rules: &[PackSource]) -> DrillReport {
    let read: Result<Vec<ReadPack>, SandboxError> = rules.iter().map(PackSource::read).collect();
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            let unread = |path: &PathBuf| CaseReport {
                problems: vec![Problem::new(Place { file: path.as_path().into(), line: 1 }, &chain(&error))],
                ..CaseReport::of(path)
            };
            return DrillReport { cases: files.iter().map(unread).collect(), ..DrillReport::default() };
        }
    };
    let cases = files.iter().map(|path| run_file(path, update, &read)).collect();
    let shipped = shipped_rules();
    // An office must see whose rules it was: what is not the software's own is named.
    let own = read.iter().filter(|it| shipped.iter().all(|other| other.text != it.text));
    DrillReport { cases, rules: rule_ids(&read), own: own.map(|it| it.pack.label()).collect() }
}

/// The rows that scenarios can show at work: words and fields of postings, and deadlines.
fn rule_ids(rules: &[ReadPack]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for read in rules {
        if let Pack::Statutes(pack) = &*read.pack {
            ids.extend(pack.posting_rules.iter().map(|row| format!("rule {}", row.id)));
            ids.extend(pack.posting_fields.keys().map(|check| format!("rule {}", check.name())));
            ids.extend(pack.deadlines.keys().map(|id| format!("rule {id}")));
        }
    }
    ids
}

fn run_file(path: &Path, update: bool, rules: &[ReadPack]) -> CaseReport {
    let mut report = CaseReport::of(path);
    let case = match load(path) {
        Ok(case) => case,
        Err(fault) => {
            report.problems.push(fault.into());
            return report;
        }
    };
    case.title.clone_into(&mut report.title);
    report.covers = case.covers.iter().map(|(_, it)| it.clone()).collect();
    report.shows = case.shows.iter().map(|(_, it)| it.clone()).collect();
    let first = Rehearsal::of(&case, update, rules);
    let second = Rehearsal::of(&case, update, rules);
    report.steps = first.steps;
    report.shown = first.shown;
    report.problems = first.problems;
    if report.problems.is_empty() && (first.digest != second.digest || first.digest.is_none()) {
        let place = Place { file: path.into(), line: 1 };
        report.problems.push(Problem::new(place, "two runs of it come to different states"));
    }
    if report.problems.is_empty() {
        let open = case.covers.iter().filter(|(_, it)| !is_shown(it, &report.shown));
        let untrue = |(place, it): &(Place, String)| {
            Problem::new(place.clone(), &format!("it covers `{it}`, it says, but shows nothing of it"))
        };
        report.problems.extend(open.map(untrue));
        let unseen = case.shows.iter().filter(|(_, it)| !is_seen(it, &first.shown_itself));
        let untrue = |(place, it): &(Place, String)| {
            Problem::new(
                place.clone(),
                &format!("it shows `{it}`, it says, but no expectation of its own does"),
            )
        };
        report.problems.extend(unseen.map(untrue));
    }
    if update && !first.edits.is_empty() {
        match rewrite(path, &first.edits) {
            Ok(changed) => report.rewritten = changed,
            Err(error) => {
                let place = Place { file: path.into(), line: 1 };
                report.problems.push(Problem::new(place, &format!("cannot be written: {error}")));
            }
        }
    }
    report
}

/// Whether what a scenario says it covers was shown; `case:…` names a matter that no code stands for.
fn is_shown(covered: &str, shown: &BTreeSet<String>) -> bool {
    report::is_matter(covered) || is_seen(covered, shown)
}

/// Whether a command, refusal, event or rule of that name was seen, or that refusal of a command (`hire.end:ended`).
fn is_seen(name: &str, shown: &BTreeSet<String>) -> bool {
    let of = |word: &str| shown.contains(&format!("{word} {name}"));
    ["command", "refusal", "event", "rule", "answer"].into_iter().any(of)
}

fn load(path: &Path) -> Result<Case, Fault> {
    let unread = |error: std::io::Error| Fault {
        place: Place { file: path.into(), line: 1 },
        what: format!("cannot be read: {error}"),
    };
    format::read(path, &fs::read_to_string(path).map_err(unread)?)
}

/// Finds `_setup/<name>.case` beside `from` or above it.
fn setup_path(from: &Path, name: &str) -> Option<PathBuf> {
    let within = |dir: &Path| dir.join("_setup").join(format!("{name}.case"));
    from.ancestors().skip(1).map(within).find(|it| it.is_file())
}

/// The new `=>` lines of one item: after which line they stand, which lines they replace.
#[derive(Clone, Debug)]
struct Edit {
    after: usize,
    replaced: Vec<usize>,
    lines: Vec<String>,
}

fn rewrite(path: &Path, edits: &[Edit]) -> std::io::Result<bool> {
    let text = fs::read_to_string(path)?;
    let mut lines = Vec::new();
    for (n, line) in (1..).zip(text.lines()) {
        if !edits.iter().any(|edit| edit.replaced.contains(&n)) {
            lines.push(line.to_owned());
        }
        let new = edits.iter().filter(|edit| edit.after == n).flat_map(|edit| &edit.lines);
        lines.extend(new.cloned());
    }
    let new = lines.join("\n") + "\n";
    if new == text {
        return Ok(false);
    }
    fs::write(path, new)?;
    Ok(true)
}

impl Problem {
    fn new(place: Place, what: &str) -> Problem {
        Problem { place, what: what.to_owned(), expected: Vec::new(), found: Vec::new() }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        Problem::new(fault.place, &fault.what)
    }
}

/// Somebody of a scenario; what the role is bound to is looked up whenever they act.
#[derive(Clone, Debug)]
struct Person {
    role: linggong_events::office::Role,
    fields: Vec<(String, Word)>,
}

/// What came of one item.
enum Outcome {
    /// Nothing that could be expected.
    Quiet,
    /// A command was accepted, or time passed: what happened.
    Happened(Vec<Envelope>),
    /// Nothing was written because all of it is so already.
    Unchanged,
    /// The answer of an earlier command was given again.
    SameReceipt,
    /// A refusal.
    Refused(Refusal),
    /// What a view answered, and the form of its rows.
    Row(Box<Form>, Option<Value>),
}

/// Every `rule` named anywhere in `value` was seen at work.
fn add_rules(value: &Value, seen: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(rule)) = fields.get("rule") {
                seen.insert(format!("rule {rule}"));
            }
            fields.values().for_each(|it| add_rules(it, seen));
        }
        Value::Array(items) => items.iter().for_each(|it| add_rules(it, seen)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One run of one scenario.
struct Rehearsal<'a> {
    rules: &'a [ReadPack],
    update: bool,
    main: &'a Path,
    /// Made when the clock is first set.
    sandbox: Option<Sandbox>,
    names: Names,
    people: BTreeMap<String, Person>,
    templates: BTreeMap<String, Vec<Token>>,
    packs: Vec<ReadPack>,
    keys: BTreeMap<String, Uuid>,
    receipts: Vec<Receipt>,
    forms: BTreeMap<String, Form>,
    steps: usize,
    /// What expectations showed that were met, of the scenario and of its setups.
    shown: BTreeSet<String>,
    /// Of that, what expectations of the scenario itself showed.
    shown_itself: BTreeSet<String>,
    problems: Vec<Problem>,
    edits: Vec<Edit>,
    digest: Option<Digest>,
}

impl<'a> Rehearsal<'a> {
    fn of(case: &'a Case, update: bool, rules: &'a [ReadPack]) -> Rehearsal<'a> {
        let epoch =
            Timestamp::from_ms(1_767_196_800_000).unwrap_or_else(|_| unreachable!("2026 is in range"));
        let mut rehearsal = Rehearsal {
            rules,
            update,
            main: &case.path,
            sandbox: None,
            names: Names::at(epoch),
            people: BTreeMap::new(),
            templates: BTreeMap::new(),
            packs: rules.to_vec(),
            keys: BTreeMap::new(),
            receipts: Vec::new(),
            forms: BTreeMap::new(),
            steps: 0,
            shown: BTreeSet::new(),
            shown_itself: BTreeSet::new(),
            problems: Vec::new(),
            edits: Vec::new(),
            digest: None,
        };
        rehearsal.play(&case.items, 0);
        if rehearsal.problems.is_empty()
            && let Some(sandbox) = &rehearsal.sandbox
        {
            match sandbox.digest() {
                Ok(digest) => rehearsal.digest = Some(digest),
                Err(error) => {
                    let place = Place { file: case.path.as_path().into(), line: 1 };
                    rehearsal.problems.push(Problem::new(place, &error.to_string()));
                }
            }
        }
        rehearsal
    }

    /// Plays until the first problem: what comes after it would only repeat it.
    fn play(&mut self, items: &[Item], depth: usize) {
        for item in items {
            if !self.problems.is_empty() {
                return;
            }
            if let What::Use(name) = &item.what {
                self.play_setup(item, name, depth);
                continue;
            }
            let outcome = self.perform(item);
            let checked = outcome.and_then(|outcome| self.check(item, outcome));
            if let Err(problem) = checked {
                self.problems.push(problem);
            }
        }
    }

    fn play_setup(&mut self, item: &Item, name: &str, depth: usize) {
        let fault = |what: String| Problem::new(item.place.clone(), &what);
        let Some(path) = setup_path(&item.place.file, name).filter(|_| depth < 8) else {
            self.problems.push(fault(format!("there is no `_setup/{name}.case` here or above")));
            return;
        };
        match load(&path) {
            Ok(case) => self.play(&case.items, depth + 1),
            Err(fault) => self.problems.push(fault.into()),
        }
    }

    fn perform(&mut self, item: &Item) -> Result<Outcome, Problem> {
        let fault = |what: String| Problem::new(item.place.clone(), &what);
        match &item.what {
            What::Use(_) => Ok(Outcome::Quiet),
            What::Template { name, words } => {
                let words = self.expanded(words).map_err(fault)?;
                self.templates.insert(name.clone(), words);
                Ok(Outcome::Quiet)
            }
            What::Pack { name, of, edits } => {
                self.make_pack(name, of, edits).map_err(fault)?;
                Ok(Outcome::Quiet)
            }
            What::Actor { name, role, fields } => {
                let role =
                    serde_json::from_value(json!(role)).map_err(|_| fault(format!("no role `{role}`")))?;
                let id = new_id(CommandId(Uuid::nil()), &format!("actor:{name}"), 0);
                self.names.bind_actor(name, ActorId(id));
                self.people.insert(name.clone(), Person { role, fields: fields.clone() });
                Ok(Outcome::Quiet)
            }
            What::Store(papers) => {
                let sandbox = self.sandbox.as_mut().ok_or_else(|| fault("no clock is set yet".into()))?;
                for paper in papers {
                    sandbox.store_evidence(EvidenceDigest(Digest::of(paper.as_bytes())));
                }
                Ok(Outcome::Quiet)
            }
            What::Pass(when) => self.pass(*when).map(Outcome::Happened).map_err(fault),
            What::Stop(when) => self.leap(*when, Sandbox::stop_until).map_err(fault),
            What::Jump(when) => self.leap(*when, Sandbox::jump_to).map_err(fault),
            What::Give { when, actor, command, words } => {
                self.steps += 1;
                if let Some(when) = when {
                    self.pass(*when).map_err(fault)?;
                }
                self.give(actor, command, words).map_err(fault)
            }
            What::View { view, fields } => self.ask(view, fields).map_err(fault),
        }
    }

    /// The clock goes on to `when` at once.
    fn leap(
        &mut self,
        when: When,
        how: impl FnOnce(&mut Sandbox, Timestamp) -> Result<Vec<Envelope>, SandboxError>,
    ) -> Result<Outcome, String> {
        let until = when.after(self.names.now);
        let sandbox = self.sandbox.as_mut().ok_or("no clock is set yet")?;
        let events = how(sandbox, until).map_err(|error| chain(&error))?;
        self.names.now = until;
        self.note(&events);
        Ok(Outcome::Happened(events))
    }

    fn pass(&mut self, when: When) -> Result<Vec<Envelope>, String> {
        let until = when.after(self.names.now);
        let Some(sandbox) = &mut self.sandbox else {
            let sandbox = Sandbox::new(self.rules, until).map_err(|error| chain(&error))?;
            for read in self.rules {
                self.names.bind_pack(&read.name, read.pack.digest());
            }
            self.sandbox = Some(sandbox);
            self.names.now = until;
            return Ok(Vec::new());
        };
        if until < self.names.now {
            return Err(format!(
                "the clock stands at {} already and never goes back",
                self.names.now.local()
            ));
        }
        let events = sandbox.pass_to(until).map_err(|error| chain(&error))?;
        self.names.now = until;
        self.note(&events);
        Ok(events)
    }

    fn make_pack(&mut self, name: &str, of: &str, edits: &[(String, String)]) -> Result<(), String> {
        let source = self.packs.iter().find(|it| it.name == of).ok_or_else(|| format!("no pack `{of}`"))?;
        let mut text = source.text.clone();
        for (was, new) in edits {
            if !text.contains(was) {
                return Err(format!("`{of}` does not say `{was}`"));
            }
            text = text.replace(was, new);
        }
        let source = PackSource { name: name.to_owned(), kind: source.kind, text };
        let read = source.read().map_err(|error| chain(&error))?;
        let sandbox = self.sandbox.as_mut().ok_or("no clock is set yet")?;
        self.names.bind_pack(name, sandbox.store(&read));
        self.packs.push(read);
        Ok(())
    }

    fn expanded(&self, words: &[Token]) -> Result<Vec<Token>, String> {
        let mut all = Vec::new();
        for word in words {
            match word {
                Token::Template(name) => {
                    let known = self.templates.get(name).ok_or_else(|| format!("no template `{name}`"))?;
                    all.extend(known.iter().cloned());
                }
                Token::Name(_) | Token::Field(..) => all.push(word.clone()),
            }
        }
        Ok(all)
    }

    fn give(&mut self, actor: &str, name: &str, words: &[Token]) -> Result<Outcome, String> {
        let command_type = Command::find(name).ok_or_else(|| format!("there is no command `{name}`"))?;
        let form = self.form(name, command_type.schema);
        let actor = self.actor(actor)?;
        let (mut fields, mut about, mut key, mut wanted) = (json!({}), json!({}), None, Vec::new());
        for word in self.expanded(words)? {
            match word {
                Token::Name(name) => wanted.push(name),
                Token::Template(_) => {}
                Token::Field(path, Word::Text(text)) if path == "about.key" => key = Some(text),
                Token::Field(path, word) => {
                    if let Some(path) = path.strip_prefix("about.") {
                        let about_form = self.form("about", About::json_schema);
                        let schema = about_form.at(path).ok_or_else(|| format!("no field `about.{path}`"))?;
                        put(&mut about, path, about_form.value(&word, schema, &mut self.names)?)?;
                        continue;
                    }
                    let path =
                        form.path_of(&path).ok_or_else(|| format!("`{name}` has no field `{path}`"))?;
                    let schema = form.at(&path).ok_or_else(|| format!("`{name}` has no field `{path}`"))?;
                    put(&mut fields, &path, form.value(&word, schema, &mut self.names)?)?;
                }
            }
        }
        let canonical = format!("{name} {fields} {about}");
        let about = serde_json::from_value(about).map_err(|error| error.to_string())?;
        let command = sandbox::command(name, fields)?;
        let key = self.key(key.as_deref())?;
        let now = self.names.now;
        let digest =
            format!("hmac-sha256:{}", Digest::of(canonical.as_bytes()).to_string().replace("sha256:", ""));
        let request = Request { key, digest, actor, about, received_at: now, command };
        let sandbox = self.sandbox.as_mut().ok_or("no clock is set yet")?;
        let answer = sandbox.give(request).map_err(|error| chain(&error))?;
        self.note(&answer.events);
        self.bind(&wanted, &answer.events)?;
        Ok(match answer.result {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(receipt) if receipt.unchanged => Outcome::Unchanged,
            Ok(receipt) if self.receipts.contains(&receipt) => Outcome::SameReceipt,
            Ok(receipt) => {
                self.receipts.push(receipt);
                self.shown.insert(format!("given {name}"));
                Outcome::Happened(answer.events)
            }
        })
    }

    /// The key told as `about.key`: a name that is used again, `made:<time>`, or a UUID; else a new one.
    fn key(&mut self, told: Option<&str>) -> Result<Uuid, String> {
        let sandbox = self.sandbox.as_mut().ok_or("no clock is set yet")?;
        let Some(told) = told else { return Ok(sandbox.new_key()) };
        if let Some(made) = told.strip_prefix("made:") {
            let made = self.names.time(made)?;
            return Ok(sandbox.key_made_at(made));
        }
        if let Ok(key) = told.parse() {
            return Ok(key);
        }
        Ok(*self.keys.entry(told.to_owned()).or_insert_with(|| sandbox.new_key()))
    }

    fn actor(&mut self, name: &str) -> Result<Actor, String> {
        let person = self.people.get(name).cloned().ok_or_else(|| format!("no actor `@{name}`"))?;
        let id = ActorId(new_id(CommandId(Uuid::nil()), &format!("actor:{name}"), 0));
        let mut actor = sandbox::actor(id, person.role, Vec::new());
        for (key, word) in &person.fields {
            let Word::Text(text) = word else { return Err(format!("`{key}` of @{name} is one word")) };
            let id = |kind: Kind| match self.names.get(text) {
                Some(entity) if entity.kind == kind => Ok(entity.id),
                Some(_) | None => Err(format!("`{text}` of @{name} is the name of no {kind} yet")),
            };
            match key.as_str() {
                "region" | "regions" => {
                    let regions: Result<Vec<_>, _> = text.split(',').map(str::parse).collect();
                    actor.regions = regions.map_err(|_| format!("`{text}` is no division"))?;
                }
                "office" => actor.office = Some(OfficeId(id(Kind::Office)?)),
                "person" => actor.person = Some(PersonId(id(Kind::Person)?)),
                "worker" => actor.worker = Some(WorkerId(id(Kind::Worker)?)),
                "employer" => actor.employer = Some(EmployerId(id(Kind::Employer)?)),
                "market" => actor.market = Some(MarketId(id(Kind::Market)?)),
                "insurer" => {
                    let insurer = text.parse();
                    actor.insurer = Some(insurer.map_err(|_| format!("`{text}` is no organisation code"))?);
                }
                "department" => {
                    let department = serde_json::from_value(json!(text));
                    actor.department = Some(department.map_err(|_| format!("no department `{text}`"))?);
                }
                "actor" => {
                    let same = new_id(CommandId(Uuid::nil()), &format!("actor:{text}"), 0);
                    actor.id = ActorId(same);
                }
                _ => return Err(format!("@{name} has no `{key}`")),
            }
        }
        Ok(actor)
    }

    fn ask(&mut self, view: &str, fields: &[(String, Word)]) -> Result<Outcome, String> {
        let (mut entity, mut date) = (None, self.names.now.date());
        for (key, word) in fields {
            let Word::Text(text) = word else { return Err(format!("`{key}` is one word")) };
            if key == "date" {
                date = Day::read(text).ok_or_else(|| format!("`{text}` is no date"))?.after(self.names.now);
                continue;
            }
            entity = self.names.get(text);
            if entity.is_none_or(|it| it.kind.name() != key) {
                return Err(format!("`{text}` is the name of no {key} yet"));
            }
        }
        let entity = entity.ok_or("say what the view is asked about, as `hire=H1`")?;
        let sandbox = self.sandbox.as_ref().ok_or("no clock is set yet")?;
        let asked = views::ask(view, entity, date, sandbox.commits());
        let (form, row) = asked.map_err(|error| chain(&error))?;
        Ok(Outcome::Row(Box::new(form), row))
    }

    /// Gives the names of a step to what it made: each to the next new thing of its kind.
    fn bind(&mut self, wanted: &[String], events: &[Envelope]) -> Result<(), String> {
        let mut made: Vec<EntityRef> = Vec::new();
        for envelope in events.iter().filter(|it| it.meta.version.0 == 1) {
            made.push(envelope.meta.subject);
        }
        for name in wanted {
            let free = made.iter().position(|entity| {
                let unnamed = self.names.get(name).is_none();
                unnamed && self.names.clone().bind(name, *entity).is_ok()
            });
            // What was refused made nothing; the name may be used again.
            if let Some(at) = free {
                self.names.bind(name, made.remove(at))?;
            } else if !events.is_empty() {
                return Err(format!("nothing new that could be called `{name}`"));
            }
        }
        Ok(())
    }

    fn note(&mut self, events: &[Envelope]) {
        for envelope in events {
            let type_name = envelope.event.event_type().short_name();
            self.names.note_event(envelope.meta.subject, type_name, envelope.meta.id.to_string());
        }
    }

    fn form(&mut self, name: &str, schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema) -> Form {
        self.forms.entry(name.to_owned()).or_insert_with(|| Form::of(schema)).clone()
    }

    /// Compares what happened with what was expected, or writes down what happened.
    fn check(&mut self, item: &Item, outcome: Outcome) -> Result<(), Problem> {
        let own = item.place.file.as_ref() == self.main;
        let Some(expected) = &item.expected else {
            return match outcome {
                Outcome::Refused(refusal) if !(self.update && own) => {
                    let mut problem = Problem::new(item.place.clone(), &format!("refused: {}", item.text));
                    problem.found = vec![self.show_refusal(&refusal, &[])];
                    Err(problem)
                }
                Outcome::Refused(refusal) => {
                    let lines = vec![self.show_refusal(&refusal, &[])];
                    self.edits.push(Edit { after: item.last_line, replaced: Vec::new(), lines });
                    Ok(())
                }
                Outcome::Quiet
                | Outcome::Happened(_)
                | Outcome::Unchanged
                | Outcome::SameReceipt
                | Outcome::Row(..) => Ok(()),
            };
        };
        let before = self.names.clone();
        let met = self.meets(expected, &outcome).map_err(|what| Problem::new(item.place.clone(), &what));
        let met = match met {
            // A rewritten expectation may be one that could not even be read.
            Err(_) if self.update && own => false,
            met => met?,
        };
        if met {
            self.show(item, expected, &outcome);
            return Ok(());
        }
        self.names = before;
        let found = self.lines_of(expected, &outcome);
        if self.update && own {
            self.show(item, expected, &outcome);
            let replaced = expected.at.clone();
            self.edits.push(Edit { after: item.last_line, replaced, lines: found });
            return Ok(());
        }
        let lines = expected.lines.iter().map(|line| self.as_written(line)).collect();
        let what = format!("differs: {}", item.text);
        Err(Problem { place: item.place.clone(), what, expected: lines, found })
    }

    /// Marks what this item has shown, now that its expectations are met.
    fn show(&mut self, item: &Item, expected: &Expectations, outcome: &Outcome) {
        let mut seen = BTreeSet::new();
        if let What::Give { command, .. } = &item.what {
            seen.insert(match outcome {
                Outcome::Refused(refusal) => format!("answer {command}:{}", refusal.code()),
                Outcome::Quiet
                | Outcome::Happened(_)
                | Outcome::Unchanged
                | Outcome::SameReceipt
                | Outcome::Row(..) => format!("command {command}"),
            });
        }
        match outcome {
            Outcome::Refused(refusal) => {
                seen.insert(format!("refusal {}", refusal.code()));
                let fields = serde_json::to_value(refusal).unwrap_or_default();
                add_rules(&fields, &mut seen);
            }
            Outcome::Happened(events) => {
                // Those that a line tells of; what `=> …` leaves out is not shown.
                let told: BTreeSet<&str> = expected.lines.iter().map(|line| line.head.as_str()).collect();
                for envelope in events {
                    let name = envelope.event.event_type().short_name();
                    if told.contains(name.as_str()) || self.update {
                        seen.insert(format!("event {name}"));
                        let data = data_of(&envelope.event);
                        add_rules(&data, &mut seen);
                    }
                }
            }
            Outcome::Quiet | Outcome::Unchanged | Outcome::SameReceipt | Outcome::Row(..) => {}
        }
        if item.place.file.as_ref() == self.main {
            self.shown_itself.extend(seen.iter().cloned());
        }
        self.shown.extend(seen);
    }

    fn meets(&mut self, expected: &Expectations, outcome: &Outcome) -> Result<bool, String> {
        let lines = &expected.lines;
        match outcome {
            Outcome::Refused(refusal) => match &lines[..] {
                [line] if line.head == "refused" => self.is_refusal(line, refusal),
                _ => Ok(false),
            },
            Outcome::Unchanged => Ok(matches!(&lines[..], [line] if line.head == "unchanged")),
            Outcome::SameReceipt => Ok(matches!(&lines[..], [line] if line.head == "same receipt")),
            Outcome::Happened(events) if events.is_empty() => {
                Ok(matches!(&lines[..], [line] if line.head == "nothing"))
            }
            Outcome::Happened(events) if expected.open => {
                // In this order, with others between and after them.
                let mut rest = events.iter();
                for line in lines {
                    let mut found = false;
                    for envelope in rest.by_ref() {
                        let before = self.names.clone();
                        if self.is_event(line, envelope)? {
                            found = true;
                            break;
                        }
                        self.names = before;
                    }
                    if !found {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Outcome::Happened(events) => {
                if lines.len() != events.len() {
                    return Ok(false);
                }
                for (line, envelope) in lines.iter().zip(events) {
                    if !self.is_event(line, envelope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Outcome::Row(_, None) => Ok(matches!(&lines[..], [line] if line.head == "nothing")),
            Outcome::Row(form, Some(row)) => {
                for (path, word) in lines.iter().flat_map(|line| &line.fields) {
                    let schema = form.at(path).ok_or_else(|| format!("the view has no field `{path}`"))?;
                    let Some(found) = find(row, path) else { return Ok(false) };
                    if !form.is(word, schema, found, &mut self.names)? {
                        return Ok(false);
                    }
                }
                Ok(lines.iter().all(|line| line.head.is_empty()))
            }
            Outcome::Quiet => Err("nothing can be expected of this".into()),
        }
    }

    fn is_event(&mut self, line: &Expected, envelope: &Envelope) -> Result<bool, String> {
        let event_type = envelope.event.event_type();
        if line.head != event_type.short_name() {
            return Ok(false);
        }
        let form = self.form(&line.head, event_type.schema);
        let data = data_of(&envelope.event);
        if let Some(name) = &line.name {
            let subject = envelope.meta.subject;
            match self.names.get(name) {
                Some(known) if known != subject => return Ok(false),
                Some(_) => {}
                None => self.names.bind(name, subject)?,
            }
        }
        for (path, word) in &line.fields {
            if let Some(attribute) = path.strip_prefix("meta.") {
                let found = attribute_of(envelope, attribute).unwrap_or_default();
                if !self.is_untyped(attribute, word, &found)? {
                    return Ok(false);
                }
                continue;
            }
            let schema = form.at(path).ok_or_else(|| format!("`{}` has no field `{path}`", line.head))?;
            let Some(found) = find(&data, path) else { return Ok(false) };
            if !form.is(word, schema, found, &mut self.names)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_refusal(&mut self, line: &Expected, refusal: &Refusal) -> Result<bool, String> {
        if line.name.as_deref() != Some(refusal.code()) {
            return Ok(false);
        }
        let fields = serde_json::to_value(refusal).map_err(|error| error.to_string())?;
        for (path, word) in &line.fields {
            let found = find(&fields, path).cloned().unwrap_or_default();
            if !self.is_untyped(path, word, &found)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refusals and envelopes have no schema: their values say themselves what they are.
    fn is_untyped(&mut self, path: &str, word: &Word, found: &Value) -> Result<bool, String> {
        let Word::Text(text) = word else { return Err(format!("`{path}` is one word")) };
        Ok(*text == self.show_untyped(path, found)
            || match found {
                Value::String(found) => match found.parse::<Timestamp>() {
                    Ok(at) => self.names.time(text).ok() == Some(at),
                    Err(_) => text == found,
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
            })
    }

    fn show_untyped(&mut self, path: &str, found: &Value) -> String {
        match found {
            Value::String(text) => {
                if let Ok(entity) = text.parse::<EntityRef>() {
                    return self.names.name_of(entity);
                }
                if let Ok(at) = text.parse::<Timestamp>() {
                    let form = self.form("about", About::json_schema);
                    let schema = form.at("occurred_at").cloned().unwrap_or_default();
                    return form.show(&json!(at), &schema, &mut self.names);
                }
                text.clone()
            }
            Value::Number(number) if matches!(path, "amount" | "outstanding") => {
                Fen(number.as_i64().unwrap_or_default()).to_string()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                found.to_string()
            }
        }
    }

    /// What happened, written like the expectation: with its fields where it told any, else the plain ones.
    fn lines_of(&mut self, expected: &Expectations, outcome: &Outcome) -> Vec<String> {
        let mut lines = match outcome {
            Outcome::Quiet => Vec::new(),
            Outcome::Unchanged => vec!["=> unchanged".to_owned()],
            Outcome::SameReceipt => vec!["=> same receipt".to_owned()],
            Outcome::Refused(refusal) => {
                let fields = expected.lines.first().filter(|line| line.head == "refused");
                let paths: Vec<String> = fields
                    .map(|line| line.fields.iter().map(|(path, _)| path.clone()).collect())
                    .unwrap_or_default();
                vec![self.show_refusal(refusal, &paths)]
            }
            Outcome::Row(_, None) => vec!["=> nothing".to_owned()],
            Outcome::Row(form, Some(row)) => {
                let told = expected.lines.iter().flat_map(|line| &line.fields);
                let mut paths: Vec<String> = told.map(|(path, _)| path.clone()).collect();
                if paths.is_empty() {
                    let mut all = Vec::new();
                    leaves(row, "", &mut all);
                    paths = all.into_iter().map(|(path, _)| path).collect();
                }
                let mut line = "=>".to_owned();
                for path in paths {
                    if let (Some(schema), Some(found)) = (form.at(&path), find(row, &path)) {
                        let shown = form.show(found, schema, &mut self.names);
                        line.push_str(&format!(" {path}={shown}"));
                    }
                }
                vec![line]
            }
            Outcome::Happened(events) if events.is_empty() => vec!["=> nothing".to_owned()],
            Outcome::Happened(events) => {
                let mut left = expected.lines.clone();
                let mut lines = Vec::new();
                for envelope in events {
                    let name = envelope.event.event_type().short_name();
                    let like = left.iter().position(|line| line.head == name).map(|at| left.remove(at));
                    if expected.open && like.is_none() {
                        continue;
                    }
                    lines.push(self.show_event(envelope, like.as_ref()));
                }
                lines
            }
        };
        if expected.open {
            lines.push("=> …".to_owned());
        }
        lines
    }

    fn show_event(&mut self, envelope: &Envelope, like: Option<&Expected>) -> String {
        let event_type = envelope.event.event_type();
        let form = self.form(&event_type.short_name(), event_type.schema);
        let data = data_of(&envelope.event);
        if let Some(name) = like.and_then(|line| line.name.as_ref())
            && self.names.get(name).is_none()
        {
            // A name that does not fit is left out, and the thing gets one that does.
            self.names.bind(name, envelope.meta.subject).ok();
        }
        let mut line =
            format!("=> {} {}", event_type.short_name(), self.names.name_of(envelope.meta.subject));
        let paths: Vec<String> = match like {
            Some(like) => like.fields.iter().map(|(path, _)| path.clone()).collect(),
            None => plain_fields(&data, envelope.meta.subject),
        };
        for path in paths {
            if let Some(attribute) = path.strip_prefix("meta.") {
                let found = attribute_of(envelope, attribute).unwrap_or_default();
                let shown = self.show_untyped(attribute, &found);
                line.push_str(&format!(" {path}={}", quote(&shown)));
                continue;
            }
            if let (Some(schema), Some(found)) = (form.at(&path), find(&data, &path)) {
                let shown = form.show(found, schema, &mut self.names);
                line.push_str(&format!(" {path}={shown}"));
            }
        }
        line
    }

    fn show_refusal(&mut self, refusal: &Refusal, paths: &[String]) -> String {
        let fields = serde_json::to_value(refusal).unwrap_or_default();
        let mut all = Vec::new();
        leaves(&fields, "", &mut all);
        let chosen = all.iter().filter(|(path, _)| paths.is_empty() || paths.contains(path));
        let chosen: Vec<(String, Value)> = chosen.cloned().collect();
        let mut line = format!("=> refused {}", refusal.code());
        for (path, found) in chosen {
            let shown = self.show_untyped(&path, &found);
            line.push_str(&format!(" {path}={}", quote(&shown)));
        }
        line
    }

    fn as_written(&self, line: &Expected) -> String {
        let mut text = format!("=> {}", line.head);
        if let Some(name) = &line.name {
            text.push_str(&format!(" {name}"));
        }
        for (path, word) in &line.fields {
            text.push_str(&format!(" {path}={}", written(word)));
        }
        text
    }
}

fn written(word: &Word) -> String {
    match word {
        Word::Text(text) => quote(text),
        Word::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(" ")),
        Word::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, it)| format!("{key}={}", written(it))).collect();
            format!("{{{}}}", fields.join(" "))
        }
    }
}

fn data_of(event: &Event) -> Value {
    event.data().ok().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// An attribute of the envelope, by its name on the line.
fn attribute_of(envelope: &Envelope, name: &str) -> Option<Value> {
    let line: Value = serde_json::from_slice(&envelope.to_line().ok()?).ok()?;
    line.get(name).cloned()
}

/// The fields that a new expectation tells: single values, short, other than the thing itself.
fn plain_fields(data: &Value, subject: EntityRef) -> Vec<String> {
    let Value::Object(fields) = data else { return Vec::new() };
    let own = subject.id.to_string();
    let plain = |value: &Value| match value {
        Value::String(text) => *text != own && text.chars().count() <= 40,
        Value::Bool(_) | Value::Number(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    fields.iter().filter(|(_, value)| plain(value)).map(|(key, _)| key.clone()).collect()
}

fn leaves(value: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, it)| leaves(it, &below(key), into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, it)| leaves(it, &below(&n.to_string()), into));
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => into.push((path.to_owned(), value.clone())),
    }
}
