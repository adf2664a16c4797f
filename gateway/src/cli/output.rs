//! How data is written: tables for people, JSON, NDJSON and CSV for programs. Nothing that the server says
//! reaches the terminal as a control character, and no cell of a CSV file is a formula.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use linggong_events::measure::Fen;
use linggong_events::time::Timestamp;
use serde_json::{Map, Value};

use super::exit::{Exit, Failure, Stop};
use crate::glossary::{Lang, label};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One document; money in fen, instants in RFC 3339.
    Json,
    /// One item a line; money in fen, instants in RFC 3339.
    Ndjson,
    /// For spreadsheets: UTF-8 with BOM, CRLF; money in yuan, instants in China's time.
    Csv,
}

/// Where a verb writes to.
pub struct Out<'a> {
    data: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    /// The form.
    pub format: Format,
    /// The language of headings and messages.
    pub lang: Lang,
    /// Whether stdout is a terminal, whose width tables keep to.
    pub terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Whether what is told comes of a demo log, as its server says.
    pub(super) of_demo: Arc<AtomicBool>,
    began: bool,
    /// Whether a table or a line of text was written, below which the mark of a demo log stands.
    unmarked: bool,
}

/// How a value is shown in tables and CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// As it is.
    Text,
    /// A number.
    Count,
    /// Fen as yuan.
    Money,
    /// An instant, in China's time.
    Time,
    /// Yes or no.
    YesNo,
    /// The id of an entity, or `kind/id`; the table may show its first part only.
    Id,
    /// The CloudEvents `type` by its label.
    Event,
    /// A role by its label.
    Role,
    /// A kind by its label.
    Kind,
    /// A view by its label.
    View,
    /// What keeps a worker out of a posting, by its label.
    Exclusion,
    /// A code by its label as `Type.code`, where one of the types has it.
    Code(&'static [&'static str]),
    /// The first and last minute of shifts, in China's time.
    Shifts,
    /// The nearest last day among deadlines that still run.
    Deadlines,
    /// Claims about a wage, by their ids.
    Claims,
    /// What sets a deadline: a row of the rule pack, or what an officer or the parties set, by its label.
    Rule,
}

/// A column: its heading in the glossary, and where its value stands in an item.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The key in the sections `fields` or `screens`.
    pub heading: &'static str,
    /// Dotted path in the item; several, parted by `|`, are tried in turn.
    pub path: &'static str,
    /// How it is shown.
    pub show: Show,
}

/// A column.
pub(super) const fn column(heading: &'static str, path: &'static str, show: Show) -> Column {
    Column { heading, path, show }
}

impl<'a> Out<'a> {
    /// Writes data to `data` and notes to `notes`.
    pub fn new(data: &'a mut dyn Write, notes: &'a mut dyn Write, format: Format, lang: Lang) -> Out<'a> {
        let (terminal, colour) = (false, false);
        Out {
            data,
            notes,
            format,
            lang,
            terminal,
            colour,
            of_demo: Arc::default(),
            began: false,
            unmarked: false,
        }
    }

    /// What follows is of a demo log.
    pub(super) fn is_of_demo(&self) {
        self.of_demo.store(true, Ordering::Relaxed);
    }

    pub(super) fn demo(&self) -> bool {
        self.of_demo.load(Ordering::Relaxed)
    }

    /// The value as it leaves: of a demo log, it says so itself, wherever it is kept.
    fn marked<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        match value {
            Value::Object(members) if self.demo() && !members.contains_key("demo") => {
                let mut members = members.clone();
                members.insert("demo".to_owned(), Value::Bool(true));
                Cow::Owned(Value::Object(members))
            }
            Value::Object(_) | Value::Array(_) => Cow::Borrowed(value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Cow::Borrowed(value),
        }
    }

    /// A list that the server gave as `answer`, whose items are `items`.
    pub fn list(&mut self, columns: &[Column], answer: &Value, items: &[Value]) -> Result<(), Stop> {
        match self.format {
            Format::Json => self.json(answer),
            Format::Ndjson | Format::Csv => {
                items.iter().try_for_each(|item| self.item(columns, item)).and_then(|()| {
                    // A file without rows still has its heading.
                    if self.format == Format::Csv && items.is_empty() {
                        self.csv_row(&self.headings(columns))
                    } else {
                        Ok(())
                    }
                })
            }
            Format::Table if items.is_empty() => self.note(word("nothing", self.lang)),
            Format::Table => {
                let rows = items.iter().map(|item| cells(columns, item, self.lang, true)).collect();
                self.table(columns, rows)
            }
        }
    }

    /// One more item of a list without an end.
    pub fn item(&mut self, columns: &[Column], item: &Value) -> Result<(), Stop> {
        match self.format {
            Format::Json | Format::Ndjson => {
                let line = json_line(&self.marked(item))?;
                self.data.write_all(line.as_bytes())?;
                self.data.write_all(b"\n")?;
            }
            Format::Csv => {
                if !self.began {
                    self.csv_row(&self.headings(columns))?;
                }
                let row: Vec<_> =
                    columns.iter().map(|it| csv_cell(it.show, at(item, it.path), self.lang)).collect();
                self.csv_row(&row)?;
            }
            Format::Table => {
                // Rows without an end have nothing below them.
                if !self.began && self.demo() {
                    writeln!(self.data, "{}", word("demo_data", self.lang))?;
                }
                self.began = true;
                let row = cells(columns, item, self.lang, true);
                writeln!(self.data, "{}", row.join("  ").trim_end())?;
            }
        }
        Ok(self.data.flush()?)
    }

    /// One thing with all its fields.
    pub fn record(&mut self, value: &Value) -> Result<(), Stop> {
        match self.format {
            Format::Json => self.json(value),
            Format::Ndjson => {
                let line = json_line(&self.marked(value))?;
                self.data.write_all(line.as_bytes())?;
                Ok(self.data.write_all(b"\n")?)
            }
            Format::Csv => {
                self.csv_row(&[word("field", self.lang).to_owned(), word("value", self.lang).to_owned()])?;
                for Leaf { names, show, value } in leaves(value) {
                    let name = heading_of_path(&names, show, self.lang);
                    self.csv_row(&[guard(&name), csv_cell(show, Some(value), self.lang)])?;
                }
                Ok(())
            }
            Format::Table => {
                let rows = leaves(value)
                    .into_iter()
                    .map(|Leaf { names, show, value }| {
                        let name = heading_of_path(&names, show, self.lang);
                        vec![name, shown(show, Some(value), self.lang, false)]
                    })
                    .collect();
                const PAIR: &[Column] = &[column("field", "", Show::Text), column("value", "", Show::Text)];
                self.table(PAIR, rows)
            }
        }
    }

    /// A JSON document.
    pub fn json(&mut self, value: &Value) -> Result<(), Stop> {
        let text = harmless_json(&serde_json::to_string_pretty(&*self.marked(value))?);
        Ok(writeln!(self.data, "{text}")?)
    }

    /// What is on record, as it was written: nothing is put in order, and nothing is added, not even that it is of a
    /// demo; a note says that. Only a terminal is spared what would play with it.
    pub fn recorded(&mut self, json: &str) -> Result<(), Stop> {
        let text = if self.terminal { Cow::Owned(harmless_json(json)) } else { Cow::Borrowed(json) };
        self.data.write_all(text.as_bytes())?;
        self.data.write_all(b"\n")?;
        Ok(self.data.flush()?)
    }

    /// A line of text that may hold what the server said.
    pub fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.unmarked = true;
        Ok(writeln!(self.data, "{}", clean(text))?)
    }

    /// Bytes that we made ourselves.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.data.write_all(bytes)?;
        Ok(self.data.flush()?)
    }

    /// A note, to stderr.
    pub fn note(&mut self, text: &str) -> Result<(), Stop> {
        Ok(writeln!(self.notes, "{}", clean(text))?)
    }

    /// Says why it failed, where it did; the exit of the process.
    pub fn end(&mut self, done: Result<(), Stop>) -> Exit {
        let mark = word("demo_data", self.lang);
        let done = done.and_then(|()| match self.unmarked && self.demo() {
            // A table that goes into a file or to a printer takes the mark along.
            true => Ok(writeln!(self.data, "{mark}")?),
            false => Ok(()),
        });
        let done = done.and_then(|()| self.data.flush().map_err(Stop::from));
        if self.demo() && !self.unmarked {
            // As below: where stderr cannot be written there is nobody to be told.
            let _ = self.note(mark);
        }
        let failure = match done {
            Ok(()) | Err(Stop::NoReader) => return Exit::Ok,
            Err(Stop::Failed(failure)) => *failure,
            Err(Stop::Io(error)) => Failure::local(self.lang, "file", error.to_string()),
        };
        // Nothing is left to be done where even stderr cannot be written.
        let _ = self.failure(&failure);
        failure.exit
    }

    fn failure(&mut self, failure: &Failure) -> io::Result<()> {
        let (red, plain) = if self.colour { ("\u{1b}[31m", "\u{1b}[0m") } else { ("", "") };
        let Failure { title, code, detail, errors, .. } = failure;
        writeln!(self.notes, "{red}{}{plain} ({})", clean(title), clean(code))?;
        for line in detail.iter().chain(errors) {
            writeln!(self.notes, "  {}", clean(line))?;
        }
        Ok(())
    }

    fn table(&mut self, columns: &[Column], rows: Vec<Vec<String>>) -> Result<(), Stop> {
        let mut table = Table::new();
        table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')));
        let width = self.terminal.then(|| table.width()).flatten();
        keep_within(&mut table, width);
        let colour = self.colour;
        let head = |text: String| {
            let cell = Cell::new(text);
            if colour { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(self.headings(columns).into_iter().map(head));
        for row in rows {
            table.add_row(row);
        }
        for (n, it) in columns.iter().enumerate() {
            if let (Show::Count | Show::Money, Some(column)) = (it.show, table.column_mut(n)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.unmarked = true;
        Ok(writeln!(self.data, "{}", table.trim_fmt())?)
    }

    fn headings(&self, columns: &[Column]) -> Vec<String> {
        columns.iter().map(|it| heading(it.heading, it.show, self.lang)).collect()
    }

    /// Of a demo log each file has one more column, whose heading says so.
    fn csv_row(&mut self, row: &[String]) -> Result<(), Stop> {
        let is_heading = !self.began;
        if is_heading {
            self.began = true;
            self.data.write_all("\u{feff}".as_bytes())?;
        }
        let mark = self.demo().then(|| word(if is_heading { "demo_data" } else { "yes" }, self.lang));
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut *self.data);
        writer.write_record(row.iter().map(String::as_str).chain(mark))?;
        Ok(writer.flush()?)
    }
}

/// Wraps cells so that a row has its place in `columns`. A terminal that reports none at all, as a fresh pseudo-terminal
/// does, is of unknown width.
fn keep_within(table: &mut Table, columns: Option<u16>) {
    match columns.filter(|it| *it > 0) {
        Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.force_no_tty(),
    };
}

/// A word of the screens.
pub(super) fn word(key: &'static str, lang: Lang) -> &'static str {
    label("screens", key, lang).unwrap_or(key)
}

/// The label of a column, with its unit.
pub(super) fn heading(key: &str, show: Show, lang: Lang) -> String {
    let name = ["fields", "screens", "exclusions"].iter().find_map(|it| label(it, key, lang)).unwrap_or(key);
    match show {
        Show::Time | Show::Shifts => format!("{name} (UTC+8)"),
        Show::Money => format!("{name} ({})", word("yuan", lang)),
        Show::Text
        | Show::Count
        | Show::YesNo
        | Show::Id
        | Show::Event
        | Show::Role
        | Show::Kind
        | Show::View
        | Show::Exclusion
        | Show::Deadlines
        | Show::Claims
        | Show::Rule
        | Show::Code(_) => name.to_owned(),
    }
}

fn cells(columns: &[Column], item: &Value, lang: Lang, short: bool) -> Vec<String> {
    // The first column says which thing it is, in full, so that it can be asked for.
    let cell = |(n, it): (usize, &Column)| shown(it.show, at(item, it.path), lang, short && n > 0);
    columns.iter().enumerate().map(cell).collect()
}

/// The value in `item` at the first of the `paths` that leads to one.
pub(super) fn at<'a>(item: &'a Value, paths: &str) -> Option<&'a Value> {
    paths.split('|').find_map(|path| {
        let step = |value: &'a Value, name: &str| match name.parse::<usize>() {
            Ok(n) => value.get(n),
            Err(_) => value.get(name),
        };
        let found = path.split('.').try_fold(item, step)?;
        if found.is_null() { None } else { Some(found) }
    })
}

/// The value as text for people, without any control character.
pub(super) fn shown(show: Show, value: Option<&Value>, lang: Lang, short: bool) -> String {
    let Some(value) = value else { return String::new() };
    if let Value::Array(items) = value
        && !matches!(show, Show::Shifts | Show::Deadlines)
    {
        let items: Vec<_> = items.iter().map(|it| shown(show, Some(it), lang, short)).collect();
        return items.join(if lang == Lang::Zh { "、" } else { ", " });
    }
    let text = value.as_str();
    let known = match show {
        Show::Text | Show::Count => None,
        Show::Money => value.as_i64().map(|fen| Fen(fen).to_string()),
        Show::Time => text.and_then(|it| it.parse::<Timestamp>().ok()).map(Timestamp::local),
        Show::YesNo => value.as_bool().map(|it| word(if it { "yes" } else { "no" }, lang).to_owned()),
        Show::Id => text.filter(|_| short).map(short_id),
        Show::Event => text.map(event_name).map(|it| label("events", it, lang).unwrap_or(it).to_owned()),
        Show::Role => text.and_then(|it| label("roles", it, lang)).map(str::to_owned),
        Show::Kind => text.and_then(|it| label("kinds", it, lang)).map(str::to_owned),
        Show::View => text.and_then(|it| label("views", it, lang)).map(str::to_owned),
        Show::Exclusion => text.and_then(|it| label("exclusions", it, lang)).map(str::to_owned),
        Show::Code(types) => {
            text.or_else(|| only_key(value)).and_then(|it| code(types, it, lang)).map(str::to_owned)
        }
        Show::Shifts => shifts(value),
        Show::Deadlines => Some(nearest(value).unwrap_or_default()),
        Show::Claims => value["claim"].as_str().map(|it| if short { short_id(it) } else { it.to_owned() }),
        Show::Rule => text.map(|it| rule(it, lang)),
    };
    clean(&known.unwrap_or_else(|| text.map_or_else(|| value.to_string(), str::to_owned)))
}

/// `hire.agreed` of `cn.linggong.hire.agreed.v1`; anything else as it is.
pub(super) fn event_name(type_name: &str) -> &str {
    let short = type_name.strip_prefix(linggong_events::event::TYPE_PREFIX).unwrap_or(type_name);
    match short.rsplit_once(".v") {
        Some((name, version)) if version.bytes().all(|it| it.is_ascii_digit()) => name,
        Some(_) | None => short,
    }
}

fn code(types: &[&str], code: &str, lang: Lang) -> Option<&'static str> {
    types.iter().find_map(|name| {
        let key = format!("{name}.{code}");
        label("codes", &key, lang).or_else(|| label("screens", &key, lang))
    })
}

/// `ended` of `{"ended": {…}}`: a state that holds more than its name.
fn only_key(value: &Value) -> Option<&str> {
    let object = value.as_object()?;
    if object.len() == 1 { object.keys().next().map(String::as_str) } else { None }
}

/// `settlement:<claim>` and its like by their labels; a row of a rule pack keeps its name, which its trace explains.
fn rule(text: &str, lang: Lang) -> String {
    let (name, of) = text.split_once(':').unwrap_or((text, ""));
    let name = match name {
        "document" => word("deadline_of_document", lang),
        "settlement" => word("deadline_of_settlement", lang),
        "supplement" => word("deadline_of_supplement", lang),
        _ => return text.to_owned(),
    };
    format!("{name} {}", short_id(of)).trim_end().to_owned()
}

fn short_id(text: &str) -> String {
    let (kind, id) = text.split_once('/').unwrap_or(("", text));
    if id.len() != 36 {
        return text.to_owned();
    }
    let first: String = id.chars().take(8).collect();
    if kind.is_empty() { first } else { format!("{kind}/{first}") }
}

fn shifts(value: &Value) -> Option<String> {
    let shifts = value.as_array()?;
    let instant =
        |value: &Value| value.as_str().and_then(|it| it.parse::<Timestamp>().ok()).map(Timestamp::local);
    let minute = |text: String| text.get(..16).map(str::to_owned);
    let first = instant(&shifts.first()?["start"]).and_then(minute)?;
    let last = instant(&shifts.last()?["end"]).and_then(minute)?;
    let more = if shifts.len() > 1 { format!(" ×{}", shifts.len()) } else { String::new() };
    // The date is told once where both lie on one.
    let last = if first.get(..10) == last.get(..10) { last.get(11..)?.to_owned() } else { last };
    Some(format!("{first} – {last}{more}"))
}

fn nearest(value: &Value) -> Option<String> {
    let running = value.as_array()?.iter().filter(|it| it["state"] == "running");
    running.filter_map(|it| it["last_day"].as_str()).min().map(str::to_owned)
}

/// One value that is no object, with the names on the way to it.
struct Leaf<'a> {
    names: Vec<String>,
    show: Show,
    value: &'a Value,
}

fn leaves(value: &Value) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    gather(value, &mut Vec::new(), Show::Text, &mut found);
    found
}

fn gather<'a>(value: &'a Value, names: &mut Vec<String>, show: Show, found: &mut Vec<Leaf<'a>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(label_of(name, value).to_owned());
                gather(value, names, show_of(name, value, fields), found);
                names.pop();
            }
        }
        Value::Array(items) if items.iter().any(|it| it.is_object() || it.is_array()) => {
            for (n, item) in items.iter().enumerate() {
                names.push((n + 1).to_string());
                gather(item, names, show, found);
                names.pop();
            }
        }
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.push(Leaf { names: names.clone(), show, value });
        }
    }
}

/// The word that a name stands for: the first of a receipt or a sheet is a position, of a dispute a side; an event is
/// known, of a person something is.
fn label_of<'a>(name: &'a str, value: &Value) -> &'a str {
    let is_position = value.as_str().is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()));
    match name {
        "first" if is_position => "first_position",
        "known" if value.is_boolean() => "known_here",
        _ => name,
    }
}

fn heading_of_path(names: &[String], show: Show, lang: Lang) -> String {
    let last = names.len().saturating_sub(1);
    let name =
        |(n, it): (usize, &String)| clean(&heading(it, if n == last { show } else { Show::Text }, lang));
    names.iter().enumerate().map(name).collect::<Vec<_>>().join(" · ")
}

/// How a field of this name is shown where no column says so.
fn show_of(key: &str, value: &Value, beside: &Map<String, Value>) -> Show {
    const MONEY: &[&str] = &[
        "amount",
        "counted",
        "disputed",
        "expectation",
        "outstanding",
        "owed_note",
        "paid",
        "paid_to_third",
        "premium",
        "rate",
        "receipt_confirmed",
        "received",
        "recorded",
        "total",
        "usual_day",
    ];
    let text = value.as_str().or_else(|| value.as_array()?.first()?.as_str());
    if value.is_boolean() {
        return Show::YesNo;
    }
    if value.is_i64() && MONEY.contains(&key) {
        return Show::Money;
    }
    if text.is_some_and(|it| it.contains('T') && it.parse::<Timestamp>().is_ok()) {
        return Show::Time;
    }
    if text.is_none() {
        return Show::Text;
    }
    match key {
        "rule" => Show::Rule,
        "type" | "type_name" => Show::Event,
        "role" => Show::Role,
        "kind" => Show::Kind,
        "excluded" => Show::Exclusion,
        "state" => {
            let types = STATES.iter().find(|(field, _)| beside.contains_key(*field));
            types.map_or(Show::Text, |(_, types)| Show::Code(types))
        }
        _ => code_types(key).map_or(Show::Text, Show::Code),
    }
}

/// The types whose codes a field of this name holds; the first that has the code gives its label.
pub(super) fn code_types(field: &str) -> Option<&'static [&'static str]> {
    CODES.iter().find(|(it, _)| *it == field).map(|(_, types)| *types)
}

pub(super) const CODES: &[(&str, &[&str])] = &[
    ("age", &["AgeBand"]),
    ("asserted_by", &["AssertedBy"]),
    ("band", &["AgeBand"]),
    ("basis", &["WageBasis", "FiledBasis", "EndBasis"]),
    ("bucket", &["Bucket"]),
    ("by", &["AssertedBy"]),
    ("certificate", &["CertificateKind"]),
    ("certificates", &["CertificateKind"]),
    ("channel", &["Channel"]),
    ("conclusion", &["Conclusion"]),
    ("cover", &["Standing"]),
    ("decision", &["InsuranceDecision"]),
    ("department", &["Department"]),
    ("employer_kind", &["EmployerKind"]),
    ("filedbasis", &["FiledBasis"]),
    ("insurance", &["InsuranceDecision"]),
    ("level", &["SkillLevel"]),
    ("market_kind", &["MarketKind"]),
    ("means", &["PayMeans", "DemandMeans", "ArrivalMeans"]),
    ("mode", &["FillMode"]),
    ("occupation", &["Occupation"]),
    ("occupations", &["Occupation"]),
    ("outcome", &["ClaimOutcome"]),
    ("excess", &["Excess"]),
    ("pack_kind", &["PackKind"]),
    ("paper", &["SettlementPaper"]),
    ("pay_kind", &["PayKind"]),
    ("payer", &["PremiumPayer"]),
    ("presence", &["Presence"]),
    (
        "reason",
        &[
            "CancelReason",
            "WithdrawReason",
            "ClockDoubt",
            "PostingWithdrawal",
            "ApprovalGround",
            "ChangeReason",
            "CoverRejection",
            "CoverEnd",
        ],
    ),
    ("relation", &["RelationKind"]),
    ("served", &["ServiceMode"]),
    ("standing", &["Standing"]),
    ("suggested_track", &["Track"]),
    ("track", &["Track"]),
    ("what", &["Proposed"]),
    ("when", &["PayDue"]),
];

/// Whose state it is, by a field that stands beside it.
pub(super) const STATES: &[(&str, &[&str])] = &[
    ("safe_day", &["DeadlineState"]),
    ("terms", &["PostingState"]),
    ("revision", &["HireState"]),
    ("insurer", &["CoverState"]),
    ("suggested_track", &["ClaimState"]),
    ("deadlines", &["CaseState"]),
    ("lag", &["ViewState"]),
];

/// Text without anything that a terminal would obey or that would turn its order around.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if harmful(c) { cleaned.extend(c.escape_default()) } else { cleaned.push(c) }
    }
    cleaned
}

/// Controls (C0, DEL, C1), line and paragraph separators, and the marks that change the direction of text.
fn harmful(c: char) -> bool {
    let mark = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    c.is_control() || mark || c == '\u{feff}'
}

/// The same JSON with every harmful character written as an escape; they stand within texts only.
fn harmless_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && harmful(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn json_line(value: &Value) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|it| harmless_json(&it))
}

fn csv_cell(show: Show, value: Option<&Value>, lang: Lang) -> String {
    let text = shown(show, value, lang, false);
    let number = value.is_some_and(Value::is_number) && matches!(show, Show::Count | Show::Money);
    // A number of our own making may begin with a minus.
    if number { text } else { guard_raw(value.and_then(Value::as_str).unwrap_or_default(), text) }
}

fn guard(text: &str) -> String {
    guard_raw(text, clean(text))
}

/// `shown` with an apostrophe before it where a spreadsheet would take it, or the `raw` text, for a formula.
fn guard_raw(raw: &str, shown: String) -> String {
    let formula = |text: &str| {
        let begins =
            |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\t' | '\r' | '\0');
        let inner = text.trim_start_matches([' ', '"', '\'', '\u{3000}', '\n']);
        text.starts_with(begins) || inner.starts_with(begins)
    };
    if formula(raw) || formula(&shown) { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[
        column("worker", "worker", Show::Id),
        column("occupation", "terms.occupation|occupation", Show::Code(&["Occupation"])),
        column("note", "note", Show::Text),
        column("amount", "amount", Show::Money),
        column("at", "at", Show::Time),
    ];

    fn written(format: Format, lang: Lang, items: &[Value]) -> String {
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        let mut out = Out::new(&mut data, &mut notes, format, lang);
        out.list(COLUMNS, &json!({ "items": items }), items).unwrap();
        String::from_utf8(data).unwrap()
    }

    fn item(note: &str, amount: i64) -> Value {
        json!({
            "worker": "0d5c1f0e-0000-8000-8000-000000000001", "occupation": "bricklayer", "note": note,
            "amount": amount, "at": "2026-11-22T05:31:07.123Z",
        })
    }

    #[test]
    fn a_terminal_without_columns_is_of_unknown_width() {
        let shown = |columns| {
            let mut table = Table::new();
            table.set_header(["一个单元", "另一个单元"]).add_row(["甲乙丙丁", "戊己庚辛"]);
            keep_within(&mut table, columns);
            table.trim_fmt()
        };
        assert_eq!(shown(Some(0)), shown(None));
        assert!(shown(Some(0)).contains("戊己庚辛"));
        assert!(!shown(Some(14)).contains("戊己庚辛"), "a narrow terminal wraps");
    }

    #[test]
    fn columns_of_chinese_text_line_up() {
        let table = written(Format::Table, Lang::Zh, &[item("砌墙", 28_000), item("brick, long", 5)]);
        insta::assert_snapshot!(table, @r"
          零工                                   工种   备注          金额 (元)   时刻 (UTC+8)
        ───────────────────────────────────────────────────────────────────────────────────────────────
          0d5c1f0e-0000-8000-8000-000000000001   瓦工   砌墙             280.00   2026-11-22 13:31:07
          0d5c1f0e-0000-8000-8000-000000000001   瓦工   brick, long        0.05   2026-11-22 13:31:07
        ");
    }

    #[test]
    fn csv_is_what_spreadsheets_of_the_office_open_rightly() {
        let csv = written(Format::Csv, Lang::Zh, &[item("砌墙, \"急\"", -120)]);
        assert_eq!(
            csv,
            "\u{feff}零工,工种,备注,金额 (元),时刻 (UTC+8)\r\n\
             0d5c1f0e-0000-8000-8000-000000000001,瓦工,\"砌墙, \"\"急\"\"\",-1.20,2026-11-22 13:31:07\r\n"
        );
        assert_eq!(
            written(Format::Csv, Lang::En, &[]),
            "\u{feff}worker,trade,note,amount (yuan),at (UTC+8)\r\n"
        );
    }

    #[test]
    fn no_cell_of_a_csv_file_is_a_formula() {
        for note in [
            "=1+1",
            "+1",
            "-1",
            "@a",
            "\t=1",
            "\r=1",
            "＝1",
            "＋1",
            "－1",
            "＠a",
            " =1",
            "\"=1",
            "'=1",
            "\u{3000}=1",
        ] {
            let shown = csv_cell(Show::Text, Some(&json!(note)), Lang::Zh);
            assert!(shown.starts_with('\''), "{note:?} became {shown:?}");
        }
        assert_eq!(csv_cell(Show::Text, Some(&json!("a=1")), Lang::Zh), "a=1");
    }

    #[test]
    fn nothing_that_the_server_says_moves_the_cursor_or_the_order() {
        let evil = "a\u{1b}[2J\u{9b}31m\u{7f}\r\n\u{202e}b\u{2066}c\u{2028}\u{200b}";
        for format in [Format::Table, Format::Json, Format::Ndjson, Format::Csv] {
            let text = written(format, Lang::En, &[item(evil, 1)]);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "").replace('\n', "");
            assert!(!text.contains(harmful), "{format:?}: {text:?}");
        }
        let line = written(Format::Ndjson, Lang::En, &[item(evil, 1)]);
        let again: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(again["note"], evil, "JSON still says what was said");
    }

    #[test]
    fn a_record_shows_every_field_under_its_label() {
        let record = json!({
            "state": "open", "terms": { "pay": { "pay_kind": "day", "rate": 28_000 }, "headcount": 3 },
            "shifts": [{ "start": "2026-11-22T00:00:00.000Z", "end": "2026-11-22T09:00:00.000Z" }],
            "certificates": ["welding", "scaffolding"], "covered": true, "nothing": null,
        });
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        Out::new(&mut data, &mut notes, Format::Table, Lang::Zh).record(&record).unwrap();
        insta::assert_snapshot!(String::from_utf8(data).unwrap(), @r"
          项目                          内容
        ─────────────────────────────────────────────────────
          证书                          焊工证、架子工证
          当时有保险                    是
          工作时段 · 1 · 结束 (UTC+8)   2026-11-22 17:00:00
          工作时段 · 1 · 开始 (UTC+8)   2026-11-22 08:00:00
          状态                          招工中
          约定内容 · 招工人数           3
          约定内容 · 报酬 · 计酬方式    日结
          约定内容 · 报酬 · 单价 (元)   280.00
        ");
    }

    #[test]
    fn what_sets_a_deadline_has_a_label_and_claims_about_a_wage_are_their_ids() {
        let claim = "0d5c1f0e-0000-8000-8000-000000000001";
        for (rule, expected) in [
            (format!("settlement:{claim}"), "约定付款日 0d5c1f0e"),
            ("document:历下改〔2026〕1号".to_owned(), "文书期限 历下改〔2026〕1号"),
            ("supplement".to_owned(), "补正期限"),
            ("sup.investigate".to_owned(), "sup.investigate"),
        ] {
            assert_eq!(shown(Show::Rule, Some(&json!(rule)), Lang::Zh, false), expected);
        }
        let claims = json!([{ "claim": claim, "pending": true, "agreed": null }]);
        assert_eq!(shown(Show::Claims, Some(&claims), Lang::Zh, true), "0d5c1f0e");
        assert_eq!(shown(Show::Claims, Some(&claims), Lang::Zh, false), claim);
    }

    #[test]
    fn shifts_are_shown_by_their_ends() {
        let night = json!([
            { "start": "2026-11-22T14:00:00.000Z", "end": "2026-11-22T22:00:00.000Z" },
            { "start": "2026-11-23T14:00:00.000Z", "end": "2026-11-23T22:00:00.000Z" },
        ]);
        assert_eq!(shifts(&night).unwrap(), "2026-11-22 22:00 – 2026-11-24 06:00 ×2");
        let day = json!([{ "start": "2026-11-22T00:00:00.000Z", "end": "2026-11-22T09:00:00.000Z" }]);
        assert_eq!(shifts(&day).unwrap(), "2026-11-22 08:00 – 17:00");
    }

    #[test]
    fn an_event_type_that_nobody_knows_is_shown_raw() {
        let known = json!("cn.linggong.hire.agreed.v1");
        assert_eq!(shown(Show::Event, Some(&known), Lang::Zh, false), "用工谈成");
        let unknown = json!("cn.linggong.moon.landed.v3");
        assert_eq!(shown(Show::Event, Some(&unknown), Lang::Zh, false), "moon.landed");
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut gone, mut notes) = (Gone, Vec::new());
        let mut out = Out::new(&mut gone, &mut notes, Format::Json, Lang::Zh);
        let done = out.json(&json!({}));
        assert_eq!(out.end(done), Exit::Ok);
        assert!(notes.is_empty());
    }
}
