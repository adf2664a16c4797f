//! `linggong import`: reads the office's own forms and sends what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use linggong_events::id::{EmployerId, HireId, MarketId, PersonId, WorkerId};
use linggong_events::time::{Date, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, Wanted};
use super::exit::{Failure, Stop};
use super::output::{Column, Show, column};
use super::progress::Progress;
use super::{Global, ImportArgs};
use crate::clock::Clock;
use crate::import::{
    self, Answer, FoundHire, HireOnDate, Known, Line, Options, Recorded, RowResult, SendError,
};

/// Imports every file, in the order given, and prints what became of each row.
pub fn run(global: &Global, args: &ImportArgs, clock: &Clock) -> ExitCode {
    super::with_output(global, |out| {
        let client = super::client(global, clock, out)?;
        let now = clock.now();
        let options = options(&client, args, now.date())?;
        let (mut known, mut left_out) = (Known::default(), 0);
        for file in &args.files {
            let unreadable =
                |why: String| Failure::local(global.lang, "file", format!("{}: {why}", file.display()));
            let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let imported =
                import::read(&bytes, &name, &options).map_err(|error| unreadable(crate::chain(&error)))?;
            client.store_source(import::media_type(&bytes), &bytes)?;
            let recorded = recorded(&client, &imported.digest)?;
            for note in &imported.notes {
                out.note(&format!("{name}: {note}"))?;
            }
            let mut asked = Asked::of(&client, Progress::new(out.terminal));
            let summary = import::run(&imported, now, &recorded, &mut known, &mut asked).map_err(
                |error| match error {
                    // Not every failure is a server out of reach: a role may be missing.
                    SendError::Failed(failure) => *failure,
                    SendError::Refused { .. } => {
                        Failure::local(global.lang, "unreachable", error.to_string())
                    }
                },
            )?;
            drop(asked);
            out.note(&format!(
                "{name}: 读 {} 行, 登记 {}, 原已登记 {}, 被拒 {}, 读不懂 {}",
                summary.read, summary.accepted, summary.unchanged, summary.refused, summary.bad
            ))?;
            left_out += summary.refused + summary.bad;
            let lines: Vec<Value> = summary.lines.iter().map(|line| told(&name, line)).collect();
            out.list(ROWS, &json!(summary), &lines)?;
        }
        match left_out {
            0 => Ok(()),
            rows => Err(Stop::from(Failure::local(global.lang, "rows_left_out", rows.to_string()))),
        }
    })
}

// The plain words mean other things on other screens: `sheet` is 日结单 there, `code` is a credit code.
pub(super) const ROWS: &[Column] = &[
    column("import_file", "file", Show::Text),
    column("import_sheet", "sheet", Show::Text),
    column("import_row", "row", Show::Text),
    column("import_result", "result", Show::Code(&["RowResult"])),
    column("import_code", "code", Show::Text),
    column("import_column", "column", Show::Text),
    column("import_detail", "detail", Show::Text),
];

/// One line of the report as a row of a table: the first reason, where something is wrong.
fn told(file: &str, line: &Line) -> Value {
    let (result, code, column, detail) = match &line.result {
        RowResult::Accepted => ("accepted", String::new(), String::new(), line.notes.join("; ")),
        RowResult::Unchanged => ("unchanged", String::new(), String::new(), line.notes.join("; ")),
        RowResult::Skipped { note } => ("skipped", String::new(), String::new(), note.clone()),
        RowResult::Refused { command, column, code, detail } => {
            ("refused", code.clone(), column.clone(), format!("{command}: {detail}"))
        }
        RowResult::Bad { problems } => {
            let each =
                |say: fn(&import::Told) -> &str| problems.iter().map(say).collect::<Vec<_>>().join("; ");
            ("bad", each(|it| it.code), each(|it| &it.column), each(|it| it.zh))
        }
    };
    json!({
        "file": file, "sheet": line.sheet, "row": line.row, "result": result, "code": code, "column": column,
        "detail": detail,
    })
}

fn options(client: &Client<'_>, args: &ImportArgs, today: Date) -> Result<Options, Failure> {
    let markets = client.get("/v1/markets", &[])?;
    let market = |row: &Value| {
        let id: MarketId = row["market"].as_str()?.parse().ok()?;
        Some((row["name"].as_str()?.to_owned(), id))
    };
    let markets: BTreeMap<_, _> =
        markets["items"].as_array().into_iter().flatten().filter_map(market).collect();
    Ok(Options { region: args.region, markets, today, year: today.civil().year(), shift_days: 0 })
}

/// What the server has of a file already.
pub fn recorded(client: &Client<'_>, digest: &str) -> Result<Recorded, Failure> {
    let rows = client.get(&format!("/v1/sources/{digest}"), &[])?;
    let row = |row: &Value| {
        let types = row["types"].as_array().into_iter().flatten();
        let types: BTreeSet<String> = types.filter_map(|it| it.as_str().map(str::to_owned)).collect();
        Some((row["place"].as_str()?.to_owned(), types))
    };
    Ok(rows["rows"].as_array().into_iter().flatten().filter_map(row).collect())
}

/// Sends one command and reads what an import must know of the answer.
pub fn send(client: &Client<'_>, command: &str, key: Uuid, body: &Value) -> Result<Answer, SendError> {
    read_answer(client.command(command, key, body))
}

pub(super) fn read_answer(answered: Result<Value, Failure>) -> Result<Answer, SendError> {
    match answered {
        Ok(receipt) => {
            let subject = |event: &Value| event["subject"].as_str()?.parse().ok();
            let subjects = receipt["events"].as_array().into_iter().flatten().filter_map(subject).collect();
            Ok(Answer { unchanged: receipt["unchanged"] == true, subjects })
        }
        Err(failure) if is_lawful(&failure) => Err(SendError::Refused {
            code: failure.code,
            // With what a blocked posting breaks and the text that would pass: the row is mended from this report.
            detail: [failure.detail.unwrap_or(failure.title)]
                .into_iter()
                .chain(failure.errors)
                .collect::<Vec<_>>()
                .join("; "),
            entity: failure.entity,
        }),
        Err(failure) => Err(failed(failure)),
    }
}

/// A refusal of the engine is an answer about the row; anything else is trouble with the server.
fn is_lawful(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "bad_fields" | "name_differs")
        || linggong_engine::refusal::Refusal::CODES.iter().any(|(code, _)| *code == failure.code)
}

/// The server behind a client; each look takes into account what this import has sent.
pub struct Asked<'a> {
    client: &'a Client<'a>,
    last: Option<String>,
    progress: Progress,
}

impl<'a> Asked<'a> {
    /// Nothing sent yet.
    fn of(client: &'a Client<'a>, progress: Progress) -> Asked<'a> {
        Asked { client, last: None, progress }
    }

    fn at_least(&self) -> Vec<(&'static str, String)> {
        self.last.iter().map(|it| ("at_least", it.clone())).collect()
    }

    fn listed(&self, path: &str, worker: &str) -> Result<Vec<Value>, SendError> {
        let mut query = self.at_least();
        query.push(("worker", worker.to_owned()));
        let (_, rows) = self.client.list(path, &query, &Wanted::default()).map_err(failed)?;
        Ok(rows)
    }
}

fn failed(failure: Failure) -> SendError {
    SendError::Failed(Box::new(failure))
}

impl import::Registry for Asked<'_> {
    fn hires_on(&mut self, worker: WorkerId, date: Date) -> Result<Vec<HireOnDate>, SendError> {
        Ok(on_date(&self.listed("/v1/hires", &worker.to_string())?, date))
    }

    fn comes_to(&mut self, done: usize, all: usize) {
        self.progress.at(done as u64, all as u64);
    }

    fn person_of(&mut self, worker: WorkerId) -> Result<Option<PersonId>, SendError> {
        match self.client.get(&format!("/v1/workers/{worker}"), &self.at_least()) {
            Ok(answer) => Ok(answer["value"]["person"].as_str().and_then(|it| it.parse().ok())),
            Err(failure) if failure.code == "not_found" => Ok(None),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn claims_of(&mut self, worker: &str) -> Result<Vec<Value>, SendError> {
        self.listed("/v1/claims", worker)
    }

    fn wage(&mut self, wage: &str) -> Result<Value, SendError> {
        match self.client.get(&format!("/v1/wages/{wage}"), &self.at_least()) {
            // Without these nobody could tell what is doubled, or lowered.
            Ok(mut answer)
                if answer["value"]["payments"].is_array() && answer["value"]["amount"].is_i64() =>
            {
                Ok(answer["value"].take())
            }
            Ok(_) => {
                let detail = "the wage lists no amount or no payments";
                Err(failed(Failure::local(self.client.lang(), "bad_answer", detail)))
            }
            Err(failure) if failure.code == "not_found" => Ok(Value::Null),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn employer_name(&mut self, employer: EmployerId) -> Result<Option<String>, SendError> {
        match self.client.get(&format!("/v1/employers/{employer}"), &self.at_least()) {
            Ok(answer) => Ok(answer["value"]["details"]["name"].as_str().map(str::to_owned)),
            Err(failure) if failure.code == "not_found" => Ok(None),
            Err(failure) => Err(failed(failure)),
        }
    }

    fn postings_of(&mut self, employer: &str, date: &str) -> Result<Vec<Value>, SendError> {
        let mut query = self.at_least();
        let asked = [("employer", employer), ("date", date), ("state", "all")];
        query.extend(asked.map(|(name, value)| (name, value.to_owned())));
        let (_, mut rows) = self.client.list("/v1/postings", &query, &Wanted::default()).map_err(failed)?;
        for row in &mut rows {
            let id = row["posting"].as_str().unwrap_or_default();
            let path = format!("/v1/timelines/posting/{id}");
            let mut first = self.at_least();
            first.push(("limit", "1".to_owned()));
            let mut timeline = self.client.get(&path, &first).map_err(failed)?;
            row["source"] = timeline["items"][0]["event"]["sourcedoc"].take();
        }
        Ok(rows)
    }

    fn send(&mut self, command: &str, key: Uuid, body: Value) -> Result<Answer, SendError> {
        let answered = self.client.command(command, key, &body);
        if let Some(position) = answered.as_ref().ok().and_then(|it| it["position"].as_str()) {
            self.last = Some(position.to_owned());
        }
        read_answer(answered)
    }
}

/// The shifts on that date of hires as they are listed.
fn on_date(rows: &[Value], date: Date) -> Vec<HireOnDate> {
    let mut found = Vec::new();
    for row in rows {
        let Some(hire) = row["hire"].as_str().and_then(|it| it.parse::<HireId>().ok()) else { continue };
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        for (shift, n) in row["shifts"].as_array().into_iter().flatten().zip(0..) {
            let start = shift["start"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
            let Some(start) = start.filter(|it| it.date() == date) else { continue };
            let one_wage = row["pay"]["pay_kind"] == "task";
            found.push(HireOnDate {
                found: FoundHire { hire, shift: n, one_wage },
                starts: start.minute_of_day(),
                employer_name: text("employer_name"),
                employer_code: text("employer_code"),
            });
        }
    }
    found
}
