//! The office's own forms: 求职登记表, 招工登记表, 考勤工资表, 在办案件表, read with the dirt they come with.
//!
//! [`read`] is pure: bytes in, and for every row the commands it asks for, or what is wrong with it. [`run`]
//! sends them through whatever it is given. A row is told by file digest, sheet and number, so that a file
//! imported again changes nothing.

mod cells;
mod forms;
mod sheet;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use linggong_events::id::{
    CommandId, EmployerId, EntityRef, HireId, Kind, MarketId, PersonId, WorkerId, new_id,
};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use crate::cli::exit::Failure;
use crate::vault::MediaType;

pub use cells::{FAULTS, Fault};
pub use sheet::{FileProblem, MAX_CELLS, MAX_COLUMNS, MAX_FILE_BYTES, MAX_ROWS};

/// What the reader must be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The county of the office whose forms they are.
    pub region: Region,
    /// Markets by the names that forms use.
    pub markets: BTreeMap<String, MarketId>,
    /// The day of reading; dates far from it are typing errors.
    pub today: Date,
    /// The year of dates that name none.
    pub year: i16,
    /// Moves every date, for samples that play on another day.
    pub shift_days: i64,
}

/// Which of the office's forms it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FormKind {
    /// 求职登记表.
    Seeker,
    /// 招工登记表.
    Posting,
    /// 考勤工资表.
    Attendance,
    /// 在办案件表.
    Case,
}

impl FormKind {
    /// Every form, in the order of documents.
    pub const ALL: [FormKind; 4] =
        [FormKind::Seeker, FormKind::Posting, FormKind::Attendance, FormKind::Case];

    /// The office's word.
    pub fn label(self) -> &'static str {
        match self {
            FormKind::Seeker => "求职登记表",
            FormKind::Posting => "招工登记表",
            FormKind::Attendance => "考勤工资表",
            FormKind::Case => "在办案件表",
        }
    }
}

/// A file as read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// The form of each sheet that is one, by the name of the sheet.
    pub forms: Vec<(String, FormKind)>,
    /// Sheets and headings that nothing was read from.
    pub notes: Vec<String>,
    /// The rows below the headings, in order.
    pub rows: Vec<Row>,
}

/// One row of a form.
#[derive(Clone, Debug)]
pub struct Row {
    /// The sheet.
    pub sheet: String,
    /// Its number, as the spreadsheet shows it.
    pub number: u32,
    /// What it comes to.
    pub outcome: Outcome,
}

impl Row {
    /// `sheet!row`, as `GET /v1/sources/{digest}` lists it.
    pub fn place(&self) -> String {
        format!("{}!{}", self.sheet, self.number)
    }
}

/// What a row comes to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Commands to be sent in order.
    Steps {
        /// The commands.
        steps: Vec<Step>,
        /// What was left out of them and why.
        notes: Vec<String>,
    },
    /// What is wrong with it; nothing of it is sent.
    Bad(Vec<RowProblem>),
    /// A total or a footer.
    Skipped(String),
}

/// What is wrong with one cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// The heading of the column.
    pub column: String,
    /// What stands there, shortened, long numbers hidden.
    pub value: String,
    /// Why it cannot be taken.
    pub fault: Fault,
}

/// Somebody or something that several rows mean, without their numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    fn of(parts: &[&str]) -> Key {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Key(hex::encode(hash.finalize()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Few digits: a whole hash of an identity number can be searched for.
        write!(f, "Key({})", &self.0[..6])
    }
}

/// An id that is known only once an earlier step was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// What the step that makes `key` made, or what was there already.
    Made {
        /// Its kind.
        kind: Kind,
        /// Who or what.
        key: Key,
    },
    /// The worker's hire of a day.
    Hire(Box<HireOf>),
    /// Which shift of that hire the day is.
    Shift(Box<HireOf>),
    /// The wage of that shift.
    Wage(Box<HireOf>),
}

/// How a form names a hire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HireOf {
    /// Who.
    pub worker: Reference,
    /// On which work date.
    pub date: Date,
    /// Where the worker has two hires on that date: the one that begins nearest to this minute.
    pub starts_near: Option<u16>,
    /// With whom, as the form has it: a name or a code.
    pub employer: String,
}

impl HireOf {
    /// Which of the worker's hires on the date is meant: never one with somebody else, never one of two by chance.
    fn among(&self, hires: &[HireOnDate]) -> Result<FoundHire, NoHire> {
        let named = |it: &&HireOnDate| {
            it.employer_code.as_ref() == Some(&self.employer)
                || it.employer_name.as_ref() == Some(&self.employer)
        };
        let mut fits: Vec<&HireOnDate> = hires.iter().filter(named).collect();
        if fits.is_empty() {
            fits =
                hires.iter().filter(|it| it.employer_name.is_none() && it.employer_code.is_none()).collect();
        }
        let away = |it: &HireOnDate| self.starts_near.map_or(0, |near| near.abs_diff(it.starts));
        fits.sort_by_key(|it| (away(it), it.found.shift));
        match fits.as_slice() {
            [] if hires.is_empty() => Err(NoHire::None),
            [] => Err(NoHire::OfOthers),
            [first, second, ..] if second.found.hire != first.found.hire && away(first) == away(second) => {
                Err(NoHire::Several)
            }
            [first, ..] => Ok(first.found),
        }
    }
}

/// Why no hire can be told from what a form says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoHire {
    /// There is none on the date.
    None,
    /// There is one, with another employer.
    OfOthers,
    /// There are several alike.
    Several,
}

/// The types of events that a command of a form leaves, by which it is known that it was given. Whatever registers
/// somebody is not here: it is told again, and answered with who is there.
fn leaves(command: &str) -> &'static [&'static str] {
    match command {
        "worker.arrive" => &["worker.arrived"],
        "posting.submit" => &["posting.published", "posting.review_requested"],
        "wage.state_due" => &["wage.due", "wage.adjusted"],
        "attendance.sign_in" => &["attendance.signed_in"],
        "attendance.sign_out" => &["attendance.signed_out"],
        "wage.record_payment" => &["wage.paid", "wage.paid_to_third"],
        "claim.register" => &["claim.registered"],
        _ => &[],
    }
}

/// One command that a row asks for. Its `Debug` does not tell the body, which holds people's data.
#[derive(Clone, PartialEq)]
pub struct Step {
    /// `worker.register`.
    pub command: &'static str,
    /// The fields and `about`; null where `needs` says.
    pub body: Value,
    /// What is filled in, by JSON pointer.
    pub needs: Vec<(&'static str, Reference)>,
    /// What the command makes; where several rows make the same, only the first is sent.
    pub makes: Option<(Kind, Key)>,
    /// The heading of the column that holds what is looked at before it is sent: a name, or a sum.
    pub column: String,
    /// What is sent instead where the state does not allow the command (`not_possible`).
    pub or_else: Option<Box<Step>>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("command", &self.command)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Step {
    fn tell_when(&mut self, at: Timestamp) {
        self.body["about"]["occurred_at"] = json!(at);
    }

    fn tell_source(&mut self, source: &str) {
        self.body["about"]["channel"] = json!("import");
        self.body["about"]["source_doc"] = json!(source);
        // Nobody stands at a window while a sheet is read: the paper that names them is what the desk goes by.
        if let Some(on_behalf_of) = self.body["about"].get_mut("on_behalf_of") {
            on_behalf_of["mandate"] = json!(source.split('#').next());
        }
        if let Some(other) = &mut self.or_else {
            other.tell_source(source);
        }
    }
}

/// Reads a form. Never panics, whatever the bytes are.
///
/// # Errors
/// What keeps the whole file from being read; a bad row is no error.
pub fn read(bytes: &[u8], file_name: &str, options: &Options) -> Result<Imported, FileProblem> {
    let sheets = sheet::sheets(bytes)?;
    let digest = hex::encode(Sha256::digest(bytes));
    let (mut forms, mut notes, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for sheet in &sheets {
        let Some(located) = forms::locate(sheet, file_name) else {
            if !sheet.rows.is_empty() {
                notes.push(format!("工作表“{}”没有认得的列名, 未读", cells::shown(&sheet.name)));
            }
            continue;
        };
        if !located.unknown.is_empty() {
            notes.push(format!(
                "工作表“{}”有不认识的列: {}",
                cells::shown(&sheet.name),
                located.unknown.join("、")
            ));
        }
        let unread = located.unread();
        if !unread.is_empty() {
            let (name, unread) = (cells::shown(&sheet.name), unread.join("、"));
            notes.push(format!("工作表“{name}”有认得而不登记的列: {unread}"));
        }
        forms.push((sheet.name.clone(), located.kind));
        rows.extend(located.rows(&digest, options));
    }
    if forms.is_empty() { Err(FileProblem::NoForm) } else { Ok(Imported { digest, forms, notes, rows }) }
}

/// What the file is, as it is stored before its rows are told of.
pub fn media_type(bytes: &[u8]) -> MediaType {
    if sheet::is_workbook(bytes) { MediaType::Xlsx } else { MediaType::Csv }
}

/// What the server answered to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether all of it was so already.
    pub unchanged: bool,
    /// The subjects of the events it made, in order; those of the first receipt where it was repeated.
    pub subjects: Vec<EntityRef>,
}

impl Answer {
    /// The `n`-th entity of `kind` among the subjects, each counted once.
    pub fn nth(&self, kind: Kind, n: usize) -> Option<EntityRef> {
        let mut seen = BTreeSet::new();
        self.subjects.iter().filter(|it| it.kind == kind && seen.insert(**it)).nth(n).copied()
    }
}

/// Why a command was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// A lawful no.
    #[error("refused as `{code}`: {detail}")]
    Refused {
        /// The stable code.
        code: String,
        /// The sentence.
        detail: String,
        /// The entity it is about, where it names one.
        entity: Option<EntityRef>,
    },
    /// The server cannot be reached or is broken: the import stops, to be run again.
    #[error("the server could not be asked: {}", .0.detail.as_deref().unwrap_or(&.0.title))]
    Failed(Box<Failure>),
}

/// A hire of a worker on a date, as a registry lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HireOnDate {
    /// Which.
    pub found: FoundHire,
    /// The minute of the day at which the shift begins.
    pub starts: u16,
    /// Whose, where the name stands in clear: of a person it does not.
    pub employer_name: Option<String>,
    /// The employer's code, where it has one.
    pub employer_code: Option<String>,
}

/// A hire as a lookup found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundHire {
    /// The hire.
    pub hire: HireId,
    /// Which of its shifts is on the date, from 0.
    pub shift: u32,
    /// Whether the whole of it has one wage, as a task has.
    pub one_wage: bool,
}

/// A server, as far as an import asks it.
pub trait Registry {
    /// The worker's hires with a shift on that date.
    ///
    /// # Errors
    /// Where the server could not be asked; likewise below.
    fn hires_on(&mut self, worker: WorkerId, date: Date) -> Result<Vec<HireOnDate>, SendError>;

    /// The human behind a worker who was registered before; none where that cannot be seen.
    fn person_of(&mut self, worker: WorkerId) -> Result<Option<PersonId>, SendError>;

    /// The worker's claims, as `GET /v1/claims` lists them.
    fn claims_of(&mut self, worker: &str) -> Result<Vec<Value>, SendError>;

    /// A wage, as `GET /v1/wages/{id}` tells it; null where it is not on the books yet.
    fn wage(&mut self, wage: &str) -> Result<Value, SendError>;

    /// The name by which an organisation is registered; none where that cannot be seen, or where it is a person.
    fn employer_name(&mut self, employer: EmployerId) -> Result<Option<String>, SendError>;

    /// The employer's postings with a shift on that work date, in any state, as `GET /v1/postings` lists them; each with
    /// the member `source`, the form that it came from.
    fn postings_of(&mut self, employer: &str, date: &str) -> Result<Vec<Value>, SendError>;

    /// Told before each row: how many of all are done.
    fn comes_to(&mut self, _done: usize, _all: usize) {}

    /// Gives a command.
    fn send(&mut self, command: &str, key: Uuid, body: Value) -> Result<Answer, SendError>;
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum RowResult {
    /// Something new was recorded.
    Accepted,
    /// All of it was recorded before.
    Unchanged,
    /// The engine said no.
    Refused {
        /// The command that was refused.
        command: String,
        /// The heading of the column in which the words stand that are refused; empty where it is the row as a whole.
        column: String,
        /// The stable code.
        code: String,
        /// The sentence.
        detail: String,
    },
    /// The row cannot be read.
    Bad {
        /// Column, value, code and reasons.
        problems: Vec<Told>,
    },
    /// A total or footer.
    Skipped {
        /// Which.
        note: String,
    },
}

/// A problem of a row as told to people and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The heading of the column.
    pub column: String,
    /// What stands there, shortened.
    pub value: String,
    /// The stable code.
    pub code: &'static str,
    /// For the office.
    pub zh: &'static str,
    /// For engineers.
    pub en: &'static str,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The sheet.
    pub sheet: String,
    /// The row, as the spreadsheet shows it.
    pub row: u32,
    /// What became of it.
    #[serde(flatten)]
    pub result: RowResult,
    /// What was left out of it and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it made, or found there already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityRef>,
}

/// Who and what is registered already, by the keys of rows; kept from one file of a run to the next.
#[derive(Clone, Debug, Default)]
pub struct Known {
    ids: BTreeMap<(Kind, Key), Uuid>,
    /// By which name rows of this run told of whom.
    names: BTreeMap<(Kind, Key), Key>,
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// SHA-256 of the file.
    pub digest: String,
    /// Rows below the headings, totals and footers left out.
    pub read: usize,
    /// Rows of which something new was recorded.
    pub accepted: usize,
    /// Rows recorded before.
    pub unchanged: usize,
    /// Rows that the engine refused.
    pub refused: usize,
    /// Rows that cannot be read.
    pub bad: usize,
    /// Refusals and faults by code.
    pub codes: BTreeMap<String, usize>,
    /// Each row, in order.
    pub lines: Vec<Line>,
}

/// What the server has of a file: by row, as `sheet!row`, the types of its events.
pub type Recorded = BTreeMap<String, BTreeSet<String>>;

/// Sends what was read. `recorded` is what the server has of this file already; `started` is the start of this import, from which the keys are made.
///
/// Run again with the same `started`, the same keys are sent; run again later, what is recorded is left out, and
/// where a row broke off in the middle the rest of it goes in. Of a
/// corrected file, which is another one, what cannot be told from its own words is told from what is on record:
/// a claim or a payment that stands there already is not made again, and one that differs is refused.
///
/// # Errors
/// Only where the server could not be asked; what was sent by then is recorded and is left out next time.
pub fn run(
    imported: &Imported,
    started: Timestamp,
    recorded: &Recorded,
    known: &mut Known,
    registry: &mut impl Registry,
) -> Result<Summary, SendError> {
    let mut summary = Summary { digest: imported.digest.clone(), ..Summary::default() };
    for (n, row) in imported.rows.iter().enumerate() {
        registry.comes_to(n, imported.rows.len());
        let mut entities = Vec::new();
        let (result, notes) = match &row.outcome {
            Outcome::Skipped(note) => (RowResult::Skipped { note: note.clone() }, Vec::new()),
            Outcome::Bad(problems) => {
                (RowResult::Bad { problems: problems.iter().map(told).collect() }, Vec::new())
            }
            Outcome::Steps { steps, .. } if is_whole(steps, recorded.get(&row.place())) => {
                (RowResult::Unchanged, Vec::new())
            }
            Outcome::Steps { steps, notes } => {
                let done = recorded.get(&row.place());
                let key = |n| key(&imported.digest, row, n, started);
                let mut notes = notes.clone();
                let result = send_row(steps, done, key, known, (&mut entities, &mut notes), registry)?;
                (result, notes)
            }
        };
        summary.count(&result);
        summary.lines.push(Line { sheet: row.sheet.clone(), row: row.number, result, notes, entities });
    }
    Ok(summary)
}

impl Summary {
    fn count(&mut self, result: &RowResult) {
        self.read += 1;
        match result {
            RowResult::Accepted => self.accepted += 1,
            RowResult::Unchanged => self.unchanged += 1,
            RowResult::Refused { code, .. } => {
                self.refused += 1;
                *self.codes.entry(code.clone()).or_default() += 1;
            }
            RowResult::Bad { problems } => {
                self.bad += 1;
                for problem in problems {
                    *self.codes.entry(problem.code.to_owned()).or_default() += 1;
                }
            }
            RowResult::Skipped { .. } => self.read -= 1,
        }
    }
}

fn told(problem: &RowProblem) -> Told {
    let Fault { code, zh, en } = problem.fault;
    Told { column: problem.column.clone(), value: problem.value.clone(), code, zh, en }
}

/// A UUIDv7 made at `started`, its random part drawn from what is sent: the same import sends the same keys.
fn key(digest: &str, row: &Row, step: usize, started: Timestamp) -> Uuid {
    let drawn = Key::of(&["import", digest, &row.sheet, &row.number.to_string(), &step.to_string()]);
    let mut random = [0; 10];
    for (byte, pair) in random.iter_mut().zip(drawn.0.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("00"), 16).unwrap_or(0);
    }
    uuid_v7(started, &random)
}

/// The UUIDv7 of an instant and ten bytes.
pub fn uuid_v7(at: Timestamp, random: &[u8; 10]) -> Uuid {
    let ms = u64::try_from(at.ms()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, random).into_uuid()
}

/// Whether a step left its event when the file was imported before.
fn was_given(step: &Step, done: &BTreeSet<String>) -> bool {
    leaves(step.command).iter().any(|it| done.contains(*it))
}

/// Whether all of a row is on record. Of a row that only registers somebody, any event will do.
fn is_whole(steps: &[Step], done: Option<&BTreeSet<String>>) -> bool {
    done.is_some_and(|done| steps.iter().all(|step| step.makes.is_some() || was_given(step, done)))
}

fn send_row(
    steps: &[Step],
    done: Option<&BTreeSet<String>>,
    key: impl Fn(usize) -> Uuid,
    known: &mut Known,
    (entities, notes): (&mut Vec<EntityRef>, &mut Vec<String>),
    registry: &mut impl Registry,
) -> Result<RowResult, SendError> {
    let mut changed = false;
    let left = |step: &Step| done.is_none_or(|done| !was_given(step, done));
    let mut queue: VecDeque<(usize, &Step)> = steps.iter().enumerate().filter(|(_, it)| left(it)).collect();
    while let Some((n, step)) = queue.pop_front() {
        if let Some((made, id)) = step.makes.as_ref().and_then(|made| Some((made, known.ids.get(made)?))) {
            if known.names.get(made).is_some_and(|name| *name != named(&step.body)) {
                return Ok(bad(step, cells::NAME_DIFFERS));
            }
            entities.push(EntityRef { kind: made.0, id: *id });
            continue;
        }
        let mut body = step.body.clone();
        for (pointer, reference) in &step.needs {
            match resolve(reference, &known.ids, registry)? {
                Ok(value) => fill(&mut body, pointer, value),
                // A statement can be left out, whoever it is about cannot be guessed.
                Err(_) if *pointer == "/statement/person" => {
                    if let Some(fields) = body.as_object_mut() {
                        fields.remove("statement");
                    }
                }
                Err(why) => return Ok(nothing_found(step, why)),
            }
        }
        match on_record(step.command, &body, registry)? {
            OnRecord::No => {}
            OnRecord::Same(what) => {
                notes.push(format!("{what}, 未重复登记"));
                continue;
            }
            OnRecord::Different(detail) => {
                return Ok(refused(step, "duplicate".into(), detail.into()));
            }
            OnRecord::Higher => return Ok(bad(step, cells::LOWER_THAN_BOOKS)),
        }
        match registry.send(step.command, key(n), body) {
            Ok(answer) => {
                changed |= !answer.unchanged;
                entities.extend(&answer.subjects);
                if let Some((kind, key)) = &step.makes {
                    remember(&mut known.ids, *kind, key, &answer);
                    known.names.insert((*kind, key.clone()), named(&step.body));
                }
            }
            Err(SendError::Refused { code, entity: Some(entity), detail }) if code == "exists" => {
                match &step.makes {
                    Some((kind, key)) if *kind == entity.kind => {
                        if entity.kind == Kind::Employer
                            && let Some(name) = registry.employer_name(EmployerId(entity.id))?
                            && step.body["name"].as_str().is_some_and(|it| folded(it) != folded(&name))
                        {
                            return Ok(bad(step, cells::NAME_DIFFERS));
                        }
                        entities.push(entity);
                        known.ids.insert((*kind, key.clone()), entity.id);
                        known.names.insert((*kind, key.clone()), named(&step.body));
                        if entity.kind == Kind::Worker
                            && let Some(person) = registry.person_of(WorkerId(entity.id))?
                        {
                            known.ids.insert((Kind::Person, key.clone()), person.0);
                        }
                    }
                    Some(_) | None => return Ok(refused(step, code, detail)),
                }
            }
            Err(SendError::Refused { code, .. }) if code == cells::NAME_DIFFERS.code => {
                return Ok(bad(step, cells::NAME_DIFFERS));
            }
            Err(SendError::Refused { code, detail, .. }) => match &step.or_else {
                // Its key is that of a step no row has.
                Some(other) if code == "not_possible" => queue.push_front((n + steps.len(), other)),
                Some(_) | None => return Ok(refused(step, code, detail)),
            },
            Err(failed @ SendError::Failed(_)) => return Err(failed),
        }
    }
    Ok(if changed { RowResult::Accepted } else { RowResult::Unchanged })
}

/// Whether the server has what a command would record, from another file or from the desk.
enum OnRecord {
    No,
    /// Just so.
    Same(&'static str),
    /// The same matter with other words: making it again would double it.
    Different(&'static str),
    /// A wage that is higher than what it would be made.
    Higher,
}

fn on_record(command: &str, body: &Value, registry: &mut impl Registry) -> Result<OnRecord, SendError> {
    match command {
        "claim.register" => {
            let Some(worker) = body["worker"].as_str() else { return Ok(OnRecord::No) };
            Ok(claim_on_record(body, &registry.claims_of(worker)?))
        }
        "wage.record_payment" => {
            let Some(wage) = body["wage"].as_str() else { return Ok(OnRecord::No) };
            let wage = registry.wage(wage)?;
            let payments = wage["payments"].as_array().map(Vec::as_slice).unwrap_or_default();
            Ok(payment_on_record(body, payments))
        }
        "wage.adjust" => {
            let Some(wage) = body["wage"].as_str() else { return Ok(OnRecord::No) };
            let booked = registry.wage(wage)?["amount"].as_i64();
            let told = body["amount"].as_i64();
            Ok(if booked.zip(told).is_some_and(|(booked, told)| told < booked) {
                OnRecord::Higher
            } else {
                OnRecord::No
            })
        }
        "posting.submit" => {
            let terms = &body["terms"];
            let first = terms["shifts"][0]["start"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
            let Some((employer, first)) = terms["employer"].as_str().zip(first) else {
                return Ok(OnRecord::No);
            };
            let postings = registry.postings_of(employer, &first.date().to_string())?;
            Ok(posting_on_record(body, &postings))
        }
        // All others are told twice without harm: the engine sees that it is so already, or refuses.
        _ => Ok(OnRecord::No),
    }
}

/// A paper's number and a person name one claim; without a number, the sum, the days and the day of filing do.
fn claim_on_record(body: &Value, claims: &[Value]) -> OnRecord {
    let against = claims.iter().filter(|it| it["employer"] == body["employer"]);
    let same = |it: &Value| {
        let sums = |of: &Value| {
            let items = of["items"].as_array().into_iter().flatten();
            items.map(|it| ["amount", "from", "until"].map(|field| it[field].clone())).collect::<Vec<_>>()
        };
        sums(it) == sums(body) && it["filed_at"] == body["about"]["filed"]["at"]
    };
    let numbered: Vec<&Value> = match body["external"]["number"].as_str() {
        Some(number) => claims.iter().filter(|it| it["external"]["number"] == number).collect(),
        None => against.filter(|it| same(it)).collect(),
    };
    match numbered.as_slice() {
        [] => OnRecord::No,
        found if found.iter().any(|it| same(it)) => OnRecord::Same("此投诉已在册"),
        _ => OnRecord::Different(
            "a claim of this person under this number is on record with another sum, period or day of filing: \
             an officer puts it right there",
        ),
    }
}

/// One sheet may tell of several payments; another sheet that tells of the same day's tells of the same one.
fn payment_on_record(body: &Value, payments: &[Value]) -> OnRecord {
    let of_others = payments.iter().filter(|it| it["evidence"] != body["evidence"]);
    let mut of_the_day =
        of_others.filter(|it| it["at"] == body["at"] && it["means"] == body["means"]).peekable();
    if of_the_day.peek().is_none() {
        OnRecord::No
    } else if of_the_day.any(|it| it["amount"] == body["amount"]) {
        OnRecord::Same("此笔付款已在册")
    } else {
        OnRecord::Different(
            "another sheet tells of a payment of this wage at this time by these means, of another amount: \
             put that one right",
        )
    }
}

/// Trade, place and first shift name a posting of an employer; another sheet that tells of it tells of the same one.
/// Two rows of one sheet are two postings. What was withdrawn or rejected stays so, and does not stand in the way of
/// other words.
fn posting_on_record(body: &Value, postings: &[Value]) -> OnRecord {
    let terms = &body["terms"];
    let source = |of: &Value| of.as_str().and_then(|it| it.split('#').next()).map(str::to_owned);
    let this_file = source(&body["about"]["source_doc"]);
    let of_others = postings.iter().filter(|it| this_file.is_none() || source(&it["source"]) != this_file);
    let start = |of: &Value| of["shifts"][0]["start"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    let same_matter = |it: &&Value| {
        let known = &it["terms"];
        // Of a home everybody reads no more than the township; whoever imports reads the rest beside it.
        let address = it["home"].get("address").unwrap_or(&known["address"]);
        let named = known["occupation"] == terms["occupation"] && *address == terms["address"];
        named && start(known) == start(terms)
    };
    let alike: Vec<&Value> = of_others.filter(same_matter).collect();
    let same_words = |it: &&Value| {
        let fields = ["text", "headcount", "pay", "requirements", "mode", "market"];
        let ends = |of: &Value| {
            let shifts = of["shifts"].as_array().into_iter().flatten();
            shifts
                .map(|it| it["end"].as_str().and_then(|it| it.parse().ok()))
                .collect::<Vec<Option<Timestamp>>>()
        };
        fields.iter().all(|field| it["terms"][*field] == terms[*field]) && ends(&it["terms"]) == ends(terms)
    };
    let ended = |it: &&Value| matches!(it["state"].as_str(), Some("withdrawn" | "rejected"));
    if alike.iter().any(same_words) {
        OnRecord::Same("此岗位已在册")
    } else if alike.iter().all(ended) {
        OnRecord::No
    } else {
        OnRecord::Different(
            "a posting of this employer for this trade, place and hour is on record from elsewhere, with other words: \
             withdraw that one first, or leave it",
        )
    }
}

/// The row is not taken, for what stands in the step's column. The value is not repeated: it may be a name.
fn bad(step: &Step, fault: Fault) -> RowResult {
    let problem = RowProblem { column: step.column.clone(), value: String::new(), fault };
    RowResult::Bad { problems: vec![told(&problem)] }
}

/// The name by which a step tells of whom it registers, however it is written.
fn named(body: &Value) -> Key {
    let name = |of: &Value| of["name"].as_str().map(folded).unwrap_or_default();
    Key::of(&["name", &name(body), &name(&body["person"])])
}

/// One spelling of a name: blanks, brackets and dots are written in many ways.
fn folded(name: &str) -> String {
    let counts = |it: &char| !it.is_whitespace() && !matches!(it, '·' | '•' | '・' | '‧' | '.');
    name.nfkc().flat_map(char::to_lowercase).filter(counts).collect()
}

fn refused(step: &Step, code: String, detail: String) -> RowResult {
    // What is blocked may stand in the address or in no cell at all; the words that are told tell where.
    let text = step.body["terms"]["text"].as_str().unwrap_or_default();
    let mut quoted = detail.split('「').skip(1).filter_map(|it| it.split('」').next());
    let is_in_text = quoted.any(|words| !words.is_empty() && text.contains(words));
    let column = if is_in_text { step.column.clone() } else { String::new() };
    RowResult::Refused { command: step.command.to_owned(), column, code, detail }
}

fn nothing_found(step: &Step, why: Option<NoHire>) -> RowResult {
    let (code, detail) = match why {
        None => ("depends", "what this row needs was not registered: see the row that names it first"),
        Some(NoHire::None) => {
            ("no_hire", "no hire of this worker is on record for this date: register the hire first")
        }
        Some(NoHire::OfOthers) => {
            ("no_hire", "the worker's hire on this date is with another employer than this row names")
        }
        Some(NoHire::Several) => (
            "several_hires",
            "the worker has several hires with this employer on this date: fill in 上工时间",
        ),
    };
    refused(step, code.into(), detail.into())
}

fn remember(known: &mut BTreeMap<(Kind, Key), Uuid>, kind: Kind, key: &Key, answer: &Answer) {
    for kind in [kind, Kind::Person] {
        if let Some(entity) = answer.nth(kind, 0) {
            known.insert((kind, key.clone()), entity.id);
        }
    }
}

/// What a reference means; where it is a hire that cannot be told, why.
fn resolve(
    reference: &Reference,
    known: &BTreeMap<(Kind, Key), Uuid>,
    registry: &mut impl Registry,
) -> Result<Result<Value, Option<NoHire>>, SendError> {
    let mut hire = |of: &HireOf| {
        let Reference::Made { kind, key } = &of.worker else { return Ok(Err(None)) };
        let Some(worker) = known.get(&(*kind, key.clone())) else { return Ok(Err(None)) };
        let hires = registry.hires_on(WorkerId(*worker), of.date)?;
        Ok::<_, SendError>(of.among(&hires).map_err(Some))
    };
    Ok(match reference {
        Reference::Made { kind, key } => known.get(&(*kind, key.clone())).map(|id| json!(id)).ok_or(None),
        Reference::Hire(of) => hire(of)?.map(|found| json!(found.hire)),
        Reference::Shift(of) => hire(of)?.map(|found| json!(found.shift)),
        Reference::Wage(of) => hire(of)?.map(|found| {
            let shift = if found.one_wage { 0 } else { found.shift };
            json!(new_id(CommandId(found.hire.0), Kind::Wage.name(), shift))
        }),
    })
}

/// Puts `value` where `pointer` says; the last step of it may be new.
fn fill(body: &mut Value, pointer: &str, value: Value) {
    let Some((parent, field)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
