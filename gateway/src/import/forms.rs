//! Which form a sheet is, where its columns are, and what its rows ask for.
//!
//! Columns are known by their headings, never by their place: `config/import/headings.toml` lists every way of
//! writing one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use linggong_events::employer::EmployerKind;
use linggong_events::id::Kind;
use linggong_events::identity::{DocumentKind, OrgCode};
use linggong_events::measure::Metres;
use linggong_events::occupation::{CertificateKind, Occupation};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use linggong_events::worker::SkillLevel;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cells::{self, Cell, DAY_MINUTES, Fault};
use super::sheet::Sheet;
use super::{FormKind, Key, Options, Outcome, Reference, Row, RowProblem, Step};

/// The most rows in which headings are looked for: titles and notes stand above them.
const HEAD_ROWS: usize = 15;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Column {
    AcceptedOn,
    Address,
    Amount,
    Arrival,
    BankAccount,
    BreakMinutes,
    Certificates,
    Crew,
    Date,
    DateEnd,
    Document,
    DocumentKind,
    Due,
    EmergencyContact,
    EmployerCode,
    EmployerContact,
    EmployerDocument,
    EmployerKind,
    EmployerName,
    EmployerPhone,
    Expectation,
    FiledOn,
    From,
    Headcount,
    Level,
    Licence,
    Market,
    Means,
    Mode,
    Name,
    Number,
    Occupation,
    Officer,
    Paid,
    PaidAt,
    Pay,
    PayDue,
    PayUsual,
    Phone,
    Pieces,
    PrincipalCode,
    Reach,
    RegisteredOn,
    Remark,
    SignIn,
    SignOut,
    Signature,
    Statement,
    Status,
    Text,
    Time,
    Until,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Headings {
    seeker: Form,
    posting: Form,
    attendance: Form,
    case: Form,
    words: Words,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    titles: Vec<String>,
    required: Vec<Column>,
    columns: BTreeMap<Column, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    ditto: BTreeSet<String>,
    totals: Vec<String>,
    footers: Vec<String>,
    occupations: BTreeMap<String, String>,
    employer_kinds: BTreeMap<String, EmployerKind>,
}

static HEADINGS: LazyLock<Headings> = LazyLock::new(|| {
    let text = include_str!("../../../config/import/headings.toml");
    toml::from_str(text).expect("the table of headings in the software is well formed, which a test proves")
});

impl Headings {
    fn form(&self, kind: FormKind) -> &Form {
        match kind {
            FormKind::Seeker => &self.seeker,
            FormKind::Posting => &self.posting,
            FormKind::Attendance => &self.attendance,
            FormKind::Case => &self.case,
        }
    }
}

/// A sheet whose headings were found.
pub(crate) struct Located<'a> {
    pub(crate) kind: FormKind,
    sheet: &'a Sheet,
    columns: BTreeMap<Column, (usize, String)>,
    /// The first row below the headings.
    first: usize,
    /// Headings that no column of the form is called.
    pub(crate) unknown: Vec<String>,
}

/// The form of a sheet, by most columns known; a title or the file's name decides where two forms fit alike.
pub(crate) fn locate<'a>(sheet: &'a Sheet, file_name: &str) -> Option<Located<'a>> {
    let mut best: Option<(usize, Located<'a>)> = None;
    for first in 0..sheet.rows.len().min(HEAD_ROWS) {
        for height in [1, 2] {
            let Some(labels) = labels(sheet, first, height) else { continue };
            for kind in FormKind::ALL {
                let form = HEADINGS.form(kind);
                let (columns, unknown) = known_columns(form, &labels);
                if form.required.iter().any(|it| !columns.contains_key(it)) {
                    continue;
                }
                let title = |text: &str| form.titles.iter().any(|it| text.contains(it.as_str()));
                let above = sheet.rows[..first].iter().flat_map(|(_, row)| row);
                let titled =
                    title(file_name) || title(&sheet.name) || above.clone().any(|it| title(it.as_str()));
                let score = columns.len() * 4 + usize::from(titled);
                if best.as_ref().is_none_or(|(most, _)| score > *most) {
                    best = Some((score, Located { kind, sheet, columns, first: first + height, unknown }));
                }
            }
        }
    }
    best.map(|(_, located)| located)
}

/// The label of each column; with two rows of headings both the lower alone and the two together.
fn labels(sheet: &Sheet, first: usize, height: usize) -> Option<Vec<(usize, Vec<String>)>> {
    let upper = &sheet.rows.get(first)?.1;
    if height == 1 {
        return Some(upper.iter().enumerate().map(|(n, it)| (n, vec![it.as_str().to_owned()])).collect());
    }
    let lower = &sheet.rows.get(first + 1)?.1;
    // A merged heading stands in its first cell only, above the headings it spans.
    let mut spanning = String::new();
    let mut labels = Vec::new();
    for n in 0..upper.len().max(lower.len()) {
        let [above, below] = [upper, lower].map(|row| row.get(n).map_or("", Cell::as_str));
        if !above.is_empty() {
            spanning = above.to_owned();
        }
        let label = match (above.is_empty(), below.is_empty()) {
            (_, false) => vec![format!("{spanning}{below}"), below.to_owned()],
            (false, true) => vec![above.to_owned()],
            (true, true) => Vec::new(),
        };
        labels.push((n, label));
    }
    Some(labels)
}

type Columns = BTreeMap<Column, (usize, String)>;

fn known_columns(form: &Form, labels: &[(usize, Vec<String>)]) -> (Columns, Vec<String>) {
    let mut columns = Columns::new();
    let mut unknown = Vec::new();
    for (n, candidates) in labels {
        let known = candidates.iter().find_map(|label| {
            let spellings = [folded(label), folded(&without_parentheses(label))];
            let called = |names: &Vec<String>| names.iter().any(|name| spellings.contains(&folded(name)));
            form.columns.iter().find(|(_, names)| called(names)).map(|(column, _)| (*column, label))
        });
        match known {
            // The first column of a name is the one that is meant.
            Some((column, label)) => {
                columns.entry(column).or_insert((*n, label.clone()));
            }
            None => unknown.extend(candidates.last().filter(|it| !it.is_empty()).map(|it| cells::shown(it))),
        }
    }
    (columns, unknown)
}

fn folded(label: &str) -> String {
    let text = Cell::text(label);
    text.as_str().chars().filter(|c| !c.is_whitespace() && !matches!(c, '*' | ':' | '_')).collect()
}

fn without_parentheses(label: &str) -> String {
    let text = Cell::text(label);
    let cut = text.as_str().find(['(', '【', '[']).unwrap_or(text.as_str().len());
    text.as_str()[..cut].to_owned()
}

impl Located<'_> {
    /// The headings that are known and of which nothing is recorded.
    pub(crate) fn unread(&self) -> Vec<String> {
        let unread: &[Column] = match self.kind {
            FormKind::Seeker => &[Column::Crew, Column::Remark],
            FormKind::Posting => &[Column::Remark],
            FormKind::Attendance => &[Column::Signature, Column::Remark],
            FormKind::Case => &[Column::Status, Column::Officer, Column::Remark],
        };
        let headings = unread.iter().filter_map(|it| self.columns.get(it));
        headings.map(|(_, heading)| cells::shown(heading)).collect()
    }

    /// What every row below the headings asks for; blank rows are no rows.
    pub(crate) fn rows(&self, digest: &str, options: &Options) -> Vec<Row> {
        let mut above = BTreeMap::new();
        let mut rows = Vec::new();
        for (number, cells) in &self.sheet.rows[self.first..] {
            if cells.iter().all(Cell::is_empty) {
                continue;
            }
            let outcome = match aside(cells) {
                Some(note) => Outcome::Skipped(note),
                None => self.outcome(*number, cells, &mut above, digest, options),
            };
            rows.push(Row { sheet: self.sheet.name.clone(), number: *number, outcome });
        }
        rows
    }

    fn outcome(
        &self,
        number: u32,
        cells: &[Cell],
        above: &mut BTreeMap<Column, String>,
        digest: &str,
        options: &Options,
    ) -> Outcome {
        let mut row = Reader {
            located: self,
            options,
            values: BTreeMap::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        };
        for (column, (n, _)) in &self.columns {
            let text = cells.get(*n).map_or("", Cell::as_str);
            if text.starts_with("#错误")
                || matches!(text, "#N/A" | "#REF!" | "#VALUE!" | "#NAME?" | "#DIV/0!")
            {
                row.problem(*column, text, cells::ERROR_CELL);
            } else if HEADINGS.words.ditto.contains(text) {
                match above.get(column) {
                    Some(value) => {
                        row.values.insert(*column, value.clone());
                    }
                    None => row.problem(*column, text, cells::NOTHING_ABOVE),
                }
            } else if !text.is_empty() {
                row.values.insert(*column, text.to_owned());
            }
        }
        for (column, value) in &row.values {
            above.insert(*column, value.clone());
        }
        let steps = match self.kind {
            FormKind::Seeker => seeker(&mut row),
            FormKind::Posting => posting(&mut row),
            FormKind::Attendance => attendance(&mut row, digest),
            FormKind::Case => case(&mut row),
        };
        match steps {
            Some(mut steps) if row.problems.is_empty() => {
                let source = format!("sha256:{digest}#{}!{number}", self.sheet.name);
                for step in &mut steps {
                    step.tell_source(&source);
                }
                Outcome::Steps { steps, notes: row.notes }
            }
            Some(_) | None => Outcome::Bad(row.problems),
        }
    }
}

/// Totals and what people write below a table are no rows of it.
fn aside(cells: &[Cell]) -> Option<String> {
    let words = &HEADINGS.words;
    let filled: Vec<&str> = cells.iter().map(Cell::as_str).filter(|it| !it.is_empty()).collect();
    let total = filled.iter().take(2).find(|it| {
        let text = folded(it);
        words.totals.iter().any(|total| text == folded(total))
    });
    if let Some(total) = total {
        return Some(format!("合计行: {total}"));
    }
    let footer = filled
        .first()
        .filter(|it| filled.len() <= 3 && words.footers.iter().any(|word| it.starts_with(word.as_str())));
    footer.map(|_| "表尾".into())
}

/// One row with its values by column; whatever is wrong with one is noted and reading goes on.
struct Reader<'a> {
    located: &'a Located<'a>,
    options: &'a Options,
    values: BTreeMap<Column, String>,
    problems: Vec<RowProblem>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn problem(&mut self, column: Column, text: &str, fault: Fault) {
        let heading = self.located.columns.get(&column).map_or("", |(_, heading)| heading.as_str());
        let column = if heading.is_empty() { format!("{column:?}") } else { cells::shown(heading) };
        self.problems.push(RowProblem { column, value: cells::shown(text), fault });
    }

    fn text(&self, column: Column) -> Option<&str> {
        self.values.get(&column).map(String::as_str)
    }

    fn heading(&self, column: Column) -> &str {
        self.located.columns.get(&column).map_or("", |(_, heading)| heading.as_str())
    }

    fn need(&mut self, column: Column) -> Option<String> {
        let text = self.text(column).map(str::to_owned);
        if text.is_none() {
            self.problem(column, "", cells::MISSING);
        }
        text
    }

    /// The value of a column that may be empty; what cannot be read is a problem.
    fn parsed<T>(&mut self, column: Column, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let text = self.text(column)?.to_owned();
        parse(&text).map_err(|fault| self.problem(column, &text, fault)).ok()
    }

    /// The value of a column that must be there.
    fn needed<T>(&mut self, column: Column, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        self.need(column)?;
        self.parsed(column, parse)
    }

    fn date(&mut self, column: Column) -> Option<Date> {
        let (year, today, shift) = (self.options.year, self.options.today, self.options.shift_days);
        let read =
            |text: &str| cells::date(text, year, today.plus_days(-shift)).map(|it| it.plus_days(shift));
        self.parsed(column, read)
    }

    fn needed_date(&mut self, column: Column) -> Option<Date> {
        self.need(column)?;
        self.date(column)
    }

    /// The human of this row as the vault wants to be told, and the key by which rows mean the same one.
    fn person(&mut self, name: Column, document: Column, phone: Column) -> Option<(Value, Key)> {
        let name = self.needed(name, |text| short(text, 50))?;
        let kind = self.parsed(Column::DocumentKind, cells::document_kind);
        let kind = kind.unwrap_or(DocumentKind::ResidentId);
        let held = self.parsed(document, |text| cells::document(kind, text));
        let tel = self.parsed(phone, cells::phone).flatten();
        let mut person = json!({ "name": name });
        if let Some(tel) = &tel {
            person["phone"] = json!(tel);
        }
        let key = match &held {
            Some(held) => {
                person["document"] = json!({ "kind": held.kind().name(), "number": held.number() });
                Key::of(&["person", &held.canonical()])
            }
            None => Key::of(&["person", &name, tel.as_deref().unwrap_or_default()]),
        };
        Some((person, key))
    }

    fn occupations(&mut self, text: &str) -> Result<Vec<(Occupation, Option<SkillLevel>)>, Fault> {
        let separators = ['、', ',', ';', '/', '，', '；', ' ', '\n', '+'];
        let words = text.split(separators).filter(|it| !it.is_empty());
        let found: Result<Vec<_>, Fault> = words.map(occupation).collect();
        found.and_then(|it| if it.is_empty() { Err(cells::UNKNOWN_OCCUPATION) } else { Ok(it) })
    }

    /// The market of the row, where one is named.
    fn market(&mut self) -> Option<String> {
        let markets = &self.options.markets;
        let known = |text: &str| {
            let by_name = markets.get(text).or_else(|| {
                let mut alike = markets.iter().filter(|(name, _)| name.contains(text));
                alike.next().filter(|_| alike.next().is_none()).map(|(_, id)| id)
            });
            by_name.map(|id| id.to_string()).ok_or(cells::UNKNOWN_MARKET)
        };
        self.parsed(Column::Market, known)
    }

    /// The county in which an address lies: the nearest named one, else the form's own.
    fn county(&self, address: &str) -> Region {
        let named = Region::counties(self.options.today)
            .filter(|county| county.name(self.options.today).is_some_and(|name| address.contains(name)));
        // Two counties may bear one name; the one in the form's own city is meant.
        let own_city = self.options.region.city();
        let mut named: Vec<Region> = named.collect();
        named.sort_by_key(|county| county.city() != own_city);
        named.first().copied().unwrap_or(self.options.region)
    }

    /// Who hires, and the command that registers them.
    fn employer(&mut self) -> Option<(Step, Key)> {
        let name = self.needed(Column::EmployerName, |text| short(text, 100))?;
        let code = self.parsed(Column::EmployerCode, |text| {
            let code = text.trim_start_matches('\'').to_ascii_uppercase();
            code.parse::<OrgCode>()
                .map_err(|_| if code.contains("E+") { cells::DIGITS_LOST } else { cells::BAD_CODE })
        });
        let kind = self.employer_kind(&name, code.as_ref())?;
        let mut body = json!({ "employer_kind": kind, "region": self.options.region });
        let mut needs = Vec::new();
        let key = match kind {
            EmployerKind::Enterprise
            | EmployerKind::IndividualBusiness
            | EmployerKind::Cooperative
            | EmployerKind::Agency => {
                let Some(code) = &code else {
                    if self.text(Column::EmployerCode).is_none() {
                        self.problem(Column::EmployerCode, "", cells::MISSING);
                    }
                    return None;
                };
                body["name"] = json!(name);
                body["code"] = json!(code);
                if let Some(licence) = self.text(Column::Licence) {
                    body["licence"] = json!(licence);
                }
                Key::of(&["org", code.as_str()])
            }
            EmployerKind::Household | EmployerKind::Unlicensed | EmployerKind::Foreman => {
                let (document, phone) = (Column::EmployerDocument, Column::EmployerPhone);
                let (mut person, key) = self.person(Column::EmployerName, document, phone)?;
                if kind == EmployerKind::Unlicensed {
                    // A signboard is no organisation; the person behind it is who answers.
                    if let Some(contact) = self.text(Column::EmployerContact) {
                        person["name"] = json!(contact);
                        body["name"] = json!(name);
                    }
                }
                body["person"] = person;
                key
            }
        };
        if let Some(principal) = self.parsed(Column::PrincipalCode, |text| {
            text.to_ascii_uppercase().parse::<OrgCode>().map_err(|_| cells::BAD_CODE)
        }) {
            let key = Key::of(&["org", principal.as_str()]);
            needs.push(("/principal", Reference::Made { kind: Kind::Employer, key }));
        }
        let step = Step {
            command: "employer.register",
            body,
            needs,
            makes: Some((Kind::Employer, key.clone())),
            column: cells::shown(self.heading(Column::EmployerName)),
            or_else: None,
        };
        Some((step, key))
    }

    fn employer_kind(&mut self, name: &str, code: Option<&OrgCode>) -> Option<EmployerKind> {
        if self.text(Column::EmployerKind).is_some() {
            let kinds = &HEADINGS.words.employer_kinds;
            return self
                .parsed(Column::EmployerKind, |text| kinds.get(text).copied().ok_or(cells::UNKNOWN_KIND));
        }
        // The code's first two digits say what is registered (GB 32100); a name says it at its end.
        let by_code = code.and_then(|code| match &code.as_str()[..2] {
            "91" => Some(EmployerKind::Enterprise),
            "92" => Some(EmployerKind::IndividualBusiness),
            "93" => Some(EmployerKind::Cooperative),
            _ => None,
        });
        let by_name = [
            ("公司", EmployerKind::Enterprise),
            ("厂", EmployerKind::Enterprise),
            ("合作社", EmployerKind::Cooperative),
        ]
        .into_iter()
        .find(|(end, _)| name.ends_with(end))
        .map(|(_, kind)| kind);
        let farm = self.located.heading_says("户主") || self.located.sheet.name.contains("农户");
        let kind = by_code.or(by_name).or(farm.then_some(EmployerKind::Household));
        if kind.is_none() {
            self.problem(Column::EmployerKind, "", cells::UNKNOWN_KIND);
        }
        kind
    }
}

impl Located<'_> {
    fn heading_says(&self, word: &str) -> bool {
        self.columns.values().any(|(_, heading)| heading.contains(word))
    }
}

fn short(text: &str, most: usize) -> Result<String, Fault> {
    if text.chars().count() <= most { Ok(text.to_owned()) } else { Err(cells::TOO_LONG) }
}

/// A trade with its level: `瓦工(大工)`, `大工瓦工`, `小工`.
fn occupation(word: &str) -> Result<(Occupation, Option<SkillLevel>), Fault> {
    let known = |text: &str| {
        let name = HEADINGS.words.occupations.get(text).map_or(text, String::as_str);
        Occupation::of_label(name)
    };
    if let Some(found) = known(word) {
        return Ok((found, None));
    }
    const LEVELS: &[(&str, SkillLevel)] = &[
        ("大工", SkillLevel::Master),
        ("师傅", SkillLevel::Master),
        ("熟练工", SkillLevel::Skilled),
        ("熟练", SkillLevel::Skilled),
        ("小工", SkillLevel::Helper),
        ("学徒", SkillLevel::Helper),
    ];
    for (name, level) in LEVELS {
        if word.contains(name) {
            let rest: String =
                word.replacen(name, "", 1).chars().filter(|c| !"()（）-".contains(*c)).collect();
            if let Some(found) = known(&rest) {
                return Ok((found, Some(*level)));
            }
        }
    }
    Err(cells::UNKNOWN_OCCUPATION)
}

fn level(text: &str) -> Option<SkillLevel> {
    match text {
        "大工" | "师傅" | "技工" | "高级" => Some(SkillLevel::Master),
        "熟练工" | "熟练" | "中工" | "中级" => Some(SkillLevel::Skilled),
        "小工" | "普工" | "学徒" | "初级" | "不限" => Some(SkillLevel::Helper),
        _ => None,
    }
}

fn step(command: &'static str, body: Value) -> Step {
    Step { command, body, needs: Vec::new(), makes: None, column: String::new(), or_else: None }
}

/// 求职登记表: the worker and, where a time of arrival stands, 到场.
fn seeker(row: &mut Reader<'_>) -> Option<Vec<Step>> {
    let person = row.person(Column::Name, Column::Document, Column::Phone);
    let stated = row.parsed(Column::Level, |text| level(text).ok_or(cells::UNKNOWN_LEVEL));
    let text = row.need(Column::Occupation);
    let trades = text.and_then(|text| {
        let found = row.occupations(&text);
        found.map_err(|fault| row.problem(Column::Occupation, &text, fault)).ok()
    });
    let registered_on = row.date(Column::Date);
    let certificates = certificates_held(row, registered_on);
    let expectation = row.parsed(Column::Expectation, |text| {
        let amount = text.trim_end_matches(['天', '日', '/', '起', '上', '以']);
        cells::money(amount)
    });
    let reach = row.parsed(Column::Reach, |text| {
        let kilometres = text.to_lowercase().replace("公里", "").replace("km", "").replace("以内", "");
        kilometres.trim().parse::<u32>().ok().filter(|km| *km <= 500).ok_or(cells::BAD_COUNT)
    });
    let market = row.market();
    let arrival = row.parsed(Column::Arrival, cells::time);
    let (mut person, key) = person?;
    for (column, field, most) in [
        (Column::Address, "address", 200),
        (Column::BankAccount, "bank_account", 64),
        (Column::EmergencyContact, "emergency_contact", 200),
    ] {
        if let Some(value) = row.parsed(column, |text| short(text, most)) {
            person[field] = json!(value);
        }
    }
    let mut seen = BTreeSet::new();
    let skills: Vec<Value> = trades?
        .into_iter()
        .filter(|(trade, _)| seen.insert(*trade))
        .map(|(trade, own)| {
            json!({ "occupation": trade, "level": own.or(stated).unwrap_or(SkillLevel::Helper) })
        })
        .collect();
    let profile = json!({
        "skills": skills,
        "certificates": certificates,
        // Who names no distance goes as far as the county reaches.
        "reach": Metres(reach.unwrap_or(40) * 1000),
        "expectation": expectation.unwrap_or_default(),
        "available": [],
        "declines_ranking": false,
    });
    let mut register = step("worker.register", json!({ "person": person, "profile": profile }));
    register.makes = Some((Kind::Worker, key.clone()));
    register.column = cells::shown(row.heading(Column::Name));
    if let Some(date) = registered_on {
        register.tell_when(date.at_minute(0));
    }
    let mut steps = vec![register];
    if let (Some(market), Some(minute)) = (market, arrival) {
        let date = registered_on.unwrap_or(row.options.today);
        let mut arrive = step("worker.arrive", json!({ "worker": null, "market": market, "means": "desk" }));
        arrive.needs.push(("/worker", Reference::Made { kind: Kind::Worker, key }));
        arrive.tell_when(date.at_minute(minute));
        steps.push(arrive);
    }
    Some(steps)
}

/// `健康证(2026.1.1-2027.1.1)`, `低压电工证 至2028年5月1日`; one without its last day cannot be relied on.
fn certificates_held(row: &mut Reader<'_>, registered_on: Option<Date>) -> Vec<Value> {
    let Some(text) = row.text(Column::Certificates).map(str::to_owned) else { return Vec::new() };
    let from = registered_on.unwrap_or(row.options.today);
    let mut held = Vec::new();
    for part in text.split(['、', ',', ';', '；', '，', '\n']).map(str::trim) {
        if part.is_empty() || matches!(part, "无" | "没有" | "-") {
            continue;
        }
        let Some((kind, rest)) = certificate(part) else {
            row.notes.push(format!("证书“{}”不在代码表中, 未登记", cells::shown(part)));
            continue;
        };
        let dates = rest.split(['-', '至', '到', '~', '(', ')', ' ']).filter(|it| !it.is_empty());
        let shift = row.options.shift_days;
        // A certificate runs for years: only what is no date at all is refused.
        let read = |text: &str| {
            let near = row.options.today.plus_days(-shift);
            cells::date(text, row.options.year, near)
                .or_else(|_| cells::date(text, row.options.year, near.plus_days(4 * 366)))
        };
        let dates: Result<Vec<Date>, Fault> =
            dates.filter(|it| !matches!(*it, "有效期" | "有效期:" | "有效")).map(read).collect();
        match dates.as_deref() {
            Ok([until]) => held.push(json!({
                "certificate": kind, "from": from.min(until.plus_days(shift)), "until": until.plus_days(shift),
            })),
            Ok([from, until]) => held.push(json!({
                "certificate": kind, "from": from.plus_days(shift), "until": until.plus_days(shift),
            })),
            Ok(_) | Err(_) => row.notes.push(format!("{}没有写明有效期, 未登记", kind.label())),
        }
    }
    held
}

fn certificate(text: &str) -> Option<(CertificateKind, &str)> {
    CertificateKind::all().find_map(|kind| text.strip_prefix(kind.label()).map(|rest| (kind, rest)))
}

/// 招工登记表: who hires, then the posting.
fn posting(row: &mut Reader<'_>) -> Option<Vec<Step>> {
    let employer = row.employer();
    let market = row.market();
    let text = row.need(Column::Occupation);
    let trade = text.and_then(|text| {
        let found = row.occupations(&text).and_then(|it| match it.as_slice() {
            [one] => Ok(*one),
            _ => Err(cells::UNKNOWN_OCCUPATION),
        });
        found.map_err(|fault| row.problem(Column::Occupation, &text, fault)).ok()
    });
    let stated = row.parsed(Column::Level, |text| level(text).ok_or(cells::UNKNOWN_LEVEL));
    let headcount = row.needed(Column::Headcount, |text| {
        cells::count(text).and_then(|it| u16::try_from(it).map_err(|_| cells::BAD_COUNT))
    });
    let from = row.needed_date(Column::Date);
    let until = row.date(Column::DateEnd);
    let hours = row.needed(Column::Time, cells::hours);
    let heading = row.heading(Column::Pay).to_owned();
    let pay = row.needed(Column::Pay, |text| cells::pay(text, &heading));
    let usual = row.parsed(Column::PayUsual, cells::money);
    let address = row.needed(Column::Address, |text| short(text, 200));
    let words = row.parsed(Column::Text, |text| short(text, 2000));
    let due = pay_due(row);
    let mode = row.parsed(Column::Mode, |text| match text {
        "派工" | "推荐" | "派单" => Ok("dispatch"),
        "抢单" => Ok("grab"),
        "点工" | "指定" => Ok("named"),
        _ => Err(cells::BAD_MODE),
    });
    let needed = certificates_needed(row);
    let registered_on = row.date(Column::RegisteredOn);
    let shifts = match (from, hours) {
        (Some(from), Some(hours)) => shifts(row, from, until.unwrap_or(from), hours),
        (None, _) | (_, None) => None,
    };
    let (register, key) = employer?;
    let ((trade, own), pay, address) = (trade?, pay?, address?);
    let region = row.county(&address);
    let place = region.centre().or(row.options.region.centre())?;
    let mut terms = json!({
        "employer": null,
        "occupation": trade,
        "text": words.unwrap_or_else(|| trade.label().to_owned()),
        "region": region,
        "place": place,
        "address": address,
        "shifts": shifts?,
        "headcount": headcount?,
        "pay": { "pay_kind": pay.kind, "rate": pay.rate, "due": due? },
        "requirements": { "level": own.or(stated).unwrap_or(SkillLevel::Helper), "certificates": needed },
        "mode": mode.unwrap_or("dispatch"),
    });
    if let Some(unit) = pay.unit {
        terms["pay"]["unit"] = json!(unit);
    }
    if let Some(usual) = usual {
        terms["pay"]["usual_day"] = json!(usual);
    }
    if let Some(market) = market {
        terms["market"] = json!(market);
    }
    let mut submit = step("posting.submit", json!({ "terms": terms }));
    submit.column = cells::shown(row.heading(Column::Text));
    submit.needs.push(("/terms/employer", Reference::Made { kind: Kind::Employer, key }));
    if let Some(date) = registered_on {
        submit.tell_when(date.at_minute(0));
    }
    Some(vec![register, submit])
}

fn shifts(row: &mut Reader<'_>, from: Date, until: Date, hours: (u16, u16)) -> Option<Vec<Value>> {
    let days = until.days() - from.days();
    if days < 0 {
        row.problem(Column::DateEnd, &until.to_string(), cells::ENDS_FIRST);
        return None;
    }
    if days > 30 {
        row.problem(Column::DateEnd, &until.to_string(), cells::MANY_SHIFTS);
        return None;
    }
    let shifts = (0..=days).map(|n| cells::shift(from.plus_days(n), hours));
    shifts.map(|it| it.map(|shift| json!(shift))).collect()
}

/// Nothing said means what the trade is used to: paid when the work is done.
fn pay_due(row: &mut Reader<'_>) -> Option<Value> {
    let on_completion = json!({ "when": "on_completion" });
    let Some(text) = row.text(Column::PayDue).map(str::to_owned) else { return Some(on_completion) };
    if ["日结", "当天", "当日", "干完", "完工", "现结", "做完"].iter().any(|it| text.contains(it))
    {
        return Some(on_completion);
    }
    let days: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    if text.contains('天')
        && let Ok(days) = days.parse::<u16>()
    {
        return Some(json!({ "when": "within_days", "days": days }));
    }
    if text.contains("周结") {
        return Some(json!({ "when": "within_days", "days": 7 }));
    }
    row.date(Column::PayDue).map(|date| json!({ "when": "on_date", "date": date }))
}

fn certificates_needed(row: &mut Reader<'_>) -> Vec<Value> {
    let Some(text) = row.text(Column::Certificates).map(str::to_owned) else { return Vec::new() };
    let mut needed = Vec::new();
    for part in
        text.split(['、', ',', ';', '，', ' ']).filter(|it| !it.is_empty() && !matches!(*it, "无" | "不限"))
    {
        match certificate(part) {
            Some((kind, _)) => needed.push(json!(kind)),
            None => row.notes.push(format!("证书“{}”不在代码表中, 未列入要求", cells::shown(part))),
        }
    }
    needed
}

/// Whoever stands on a wage sheet or in a case is registered already, or is from now on: the server answers
/// with the worker whom the document belongs to. Nobody is offered work by it.
fn known_worker(person: Value, trade: Option<Occupation>, key: Key) -> Step {
    let trade = trade.map_or_else(|| json!("general_helper"), |it| json!(it));
    let profile = json!({
        "skills": [{ "occupation": trade, "level": SkillLevel::Helper }], "certificates": [],
        "reach": 0, "expectation": 0, "available": [], "declines_ranking": true,
    });
    let mut register = step("worker.register", json!({ "person": person, "profile": profile }));
    register.makes = Some((Kind::Worker, key));
    register
}

/// 考勤/工资表: presence, the wage as the sheet states it, and what was paid; each on the hire of that day.
fn attendance(row: &mut Reader<'_>, digest: &str) -> Option<Vec<Step>> {
    // Without a document nobody can tell whose hire it is.
    row.need(Column::Document);
    let trade = row.parsed(Column::Occupation, occupation).map(|(trade, _)| trade);
    let person = row.person(Column::Name, Column::Document, Column::Phone);
    let date = row.needed_date(Column::Date);
    let begins = row.parsed(Column::SignIn, cells::time);
    let ends = row.parsed(Column::SignOut, cells::time_of_end);
    let rest = row.parsed(Column::BreakMinutes, |text| {
        cells::count(text).and_then(|it| u16::try_from(it).map_err(|_| cells::BAD_COUNT))
    });
    let pieces = row.parsed(Column::Pieces, cells::count);
    let due = row.parsed(Column::Due, cells::money);
    let paid = row.parsed(Column::Paid, cells::money).filter(|it| it.0 > 0);
    let paid_on = row.date(Column::PaidAt);
    let means = row.parsed(Column::Means, |text| match text {
        "现金" => Ok("cash"),
        "银行" | "转账" | "银行转账" | "打卡" | "银行卡" => Ok("bank"),
        "微信" | "支付宝" | "电子钱包" | "数字人民币" => Ok("e_wallet"),
        _ => Err(cells::UNKNOWN_MEANS),
    });
    if paid.is_some() && means.is_none() && row.text(Column::Means).is_none() {
        row.problem(Column::Means, "", cells::MISSING);
    }
    let employer = row.need(Column::EmployerName);
    let ((person, key), date, employer) = (person?, date?, employer?);
    let ends = ends.map(|end| if begins.is_some_and(|begin| end <= begin) { end + DAY_MINUTES } else { end });
    let at = |minute: u16| date.plus_days(i64::from(minute / DAY_MINUTES)).at_minute(minute % DAY_MINUTES);

    let worker = Reference::Made { kind: Kind::Worker, key: key.clone() };
    let hire = |of: fn(Box<super::HireOf>) -> Reference| {
        let (worker, employer) = (worker.clone(), employer.clone());
        of(Box::new(super::HireOf { worker, date, starts_near: begins, employer }))
    };
    let mut known = known_worker(person, trade, key);
    known.column = cells::shown(row.heading(Column::Name));
    let mut steps = vec![known];
    if let Some(due) = due {
        // Before presence, so that the sheet's own sum is on the books and not what presence comes to.
        let mut state = step("wage.state_due", json!({ "hire": null, "amount": due, "basis": "wage_sheet" }));
        state.needs.push(("/hire", hire(Reference::Hire)));
        state.needs.push(("/shift", hire(Reference::Shift)));
        let body = json!({ "wage": null, "amount": due, "basis": "wage_sheet", "reason": "按考勤工资表" });
        let mut adjust = step("wage.adjust", body);
        adjust.column = cells::shown(row.heading(Column::Due));
        adjust.needs.push(("/wage", hire(Reference::Wage)));
        state.or_else = Some(Box::new(adjust));
        steps.push(state);
    }
    let mut on_hire = |command: &'static str, body: Value, when: Option<Timestamp>| {
        let mut step = step(command, body);
        step.needs.push(("/hire", hire(Reference::Hire)));
        step.needs.push(("/shift", hire(Reference::Shift)));
        if let Some(when) = when {
            step.tell_when(when);
        }
        steps.push(step);
    };
    if let Some(begin) = begins {
        on_hire("attendance.sign_in", json!({ "hire": null }), Some(at(begin)));
    }
    if let Some(end) = ends {
        let mut body = json!({ "hire": null, "break_minutes": rest.unwrap_or(0) });
        if let Some(pieces) = pieces {
            body["pieces"] = json!(pieces);
        }
        on_hire("attendance.sign_out", body, Some(at(end)));
    }
    if let (Some(paid), Some(means)) = (paid, means) {
        let when = paid_on.map_or_else(|| at(ends.unwrap_or(18 * 60)), |date| date.at_minute(0));
        let body = json!({
            "wage": null, "amount": paid, "means": means, "at": when,
            // The signed sheet itself is what proves it.
            "evidence": format!("sha256:{digest}"),
        });
        let mut pay = step("wage.record_payment", body);
        pay.needs.push(("/wage", hire(Reference::Wage)));
        steps.push(pay);
    }
    Some(steps)
}

/// 在办案件表: the claimant, whom the claim is against, and the claim with its filing date.
fn case(row: &mut Reader<'_>) -> Option<Vec<Step>> {
    let person = row.person(Column::Name, Column::Document, Column::Phone);
    let employer = row.employer();
    let amount = row.needed(Column::Amount, cells::money);
    let filed_on = row.needed_date(Column::FiledOn);
    let from = row.date(Column::From);
    let until = row.date(Column::Until);
    let statement = row.parsed(Column::Statement, |text| short(text, 2000));
    let number = row.parsed(Column::Number, |text| short(text, 60));
    let accepted_on = row.date(Column::AcceptedOn);
    let ((person, key), (register, employer), filed_on) = (person?, employer?, filed_on?);
    let (from, until) = (from.or(until).unwrap_or(filed_on), until.or(from).unwrap_or(filed_on));
    if until < from {
        row.problem(Column::Until, &until.to_string(), cells::ENDS_FIRST);
    }

    if let Some(accepted_on) = accepted_on {
        // 受理 is an act of the office's own officer, under a number of the office's series: no sheet performs it.
        row.notes.push(format!("投诉已登记; 受理({accepted_on})由承办人在案件中办理, 纸质案号留作外部编号"));
    }

    let mut claimant = known_worker(person, None, key.clone());
    claimant.column = cells::shown(row.heading(Column::Name));
    // The desk speaks for the right-holder: only their own asking counts (调解仲裁法 27 ¶2).
    let claimant_key = key.clone();
    let mut body = Map::new();
    body.insert("worker".into(), Value::Null);
    body.insert("employer".into(), Value::Null);
    body.insert("items".into(), json!([{ "amount": amount?, "from": from, "until": until }]));
    if let Some(number) = number {
        body.insert("external".into(), json!({ "system": "纸质案卷", "number": number }));
    }
    if let Some(statement) = statement {
        body.insert("statement".into(), json!({ "person": null, "text": statement }));
    }
    let mut claim = step("claim.register", Value::Object(body));
    claim.needs.push(("/worker", Reference::Made { kind: Kind::Worker, key: key.clone() }));
    claim.needs.push(("/employer", Reference::Made { kind: Kind::Employer, key: employer }));
    if claim.body.get("statement").is_some() {
        claim.needs.push(("/statement/person", Reference::Made { kind: Kind::Person, key }));
    }
    claim
        .needs
        .push(("/about/on_behalf_of/person", Reference::Made { kind: Kind::Person, key: claimant_key }));
    claim.tell_when(filed_on.at_minute(0));
    claim.body["about"]["on_behalf_of"] = json!({ "person": null });
    claim.body["about"]["filed"] = json!({ "at": filed_on.at_minute(0), "basis": "window_stamp" });
    Some(vec![claimant, register, claim])
}

/// Whether no way of writing a heading belongs to two columns of the form.
#[cfg(test)]
pub(super) fn headings_are_told_apart(kind: FormKind) -> bool {
    let form = HEADINGS.form(kind);
    let mut seen = BTreeMap::new();
    let spelt =
        form.columns.iter().flat_map(|(column, names)| names.iter().map(move |name| (folded(name), *column)));
    let mut spelt = spelt
        .filter(|(name, column)| seen.insert(name.clone(), *column).is_some_and(|other| other != *column));
    spelt.next().is_none() && form.required.iter().all(|it| form.columns.contains_key(it))
}
