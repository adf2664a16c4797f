//! The sample morning: sheets as an office keeps them, and what then happens, played against any server.
//!
//! `config/sample/morning.toml` is the script. It names people by the rows they stand in, days from the base
//! morning, and what is to be refused: a play that goes otherwise ends with the step that did.

use std::collections::{BTreeMap, BTreeSet};

use linggong_engine::pack::RuleBook;
use linggong_events::commit::Digest;
use linggong_events::id::{
    ActorId, CommandId, EmployerId, EntityRef, HireId, Kind, MarketId, OfficeId, PersonId, WorkerId, new_id,
};
use linggong_events::office::Role;
use linggong_events::region::Region;
use linggong_events::time::{Date, HOUR_MS, Shift, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::import::{self, Answer, FoundHire, HireOnDate, Known, Options, SendError, Summary};

/// The morning that the sheets were written for.
const WRITTEN_FOR: &str = "2026-09-14";
/// What stands for a paper's digest until the paper lies in the vault.
const PAPER: &str = "paper:";
/// How long the clock may stand still between two looks at what is due.
const TICK_MS: i64 = 6 * HOUR_MS;

/// The sheets of the sample, by file name.
pub const FILES: &[(&str, &[u8])] = &[
    ("求职登记表.csv", include_bytes!("../../config/sample/求职登记表.csv")),
    ("求职登记表2.xlsx", include_bytes!("../../config/sample/求职登记表2.xlsx")),
    ("招工登记表.xlsx", include_bytes!("../../config/sample/招工登记表.xlsx")),
    ("招工登记表-农户.csv", include_bytes!("../../config/sample/招工登记表-农户.csv")),
    ("考勤工资表.xlsx", include_bytes!("../../config/sample/考勤工资表.xlsx")),
    ("在办案件表.csv", include_bytes!("../../config/sample/在办案件表.csv")),
];

/// The script of the morning and the weeks after it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The county it plays in.
    pub region: Region,
    /// Who acts.
    pub actor: Vec<CastMember>,
    /// Terms that several steps use, by name.
    pub terms: BTreeMap<String, toml::Value>,
    /// What happens.
    pub step: Vec<ScriptStep>,
}

/// Somebody who acts in the script; whoever plays it has given them a credential and the role before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CastMember {
    /// How the script calls them.
    pub label: String,
    /// What they are.
    pub role: Role,
    /// At which office: `desk` or `supervision`.
    pub office: String,
    /// Where they may act.
    pub regions: Vec<Region>,
}

/// One step of the script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    /// `D0 05:12`: days from the base morning; `E0 16:40`: from the last working day before days off.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What is asked; absent where a sheet is imported.
    pub command: Option<String>,
    /// The fields, with `@…` for what is known only when it is played.
    #[serde(default)]
    pub fields: toml::Table,
    /// The sheet that is imported.
    pub import: Option<String>,
    /// Codes of the rows of the sheet that do not go in, and how many of each.
    #[serde(default)]
    pub codes: BTreeMap<String, usize>,
    /// How later steps call what it makes.
    pub label: Option<String>,
    /// `accepted` where absent, `unchanged`, or `refused:` and the code.
    pub expect: Option<String>,
    /// When it happened, where that was before it was told.
    pub occurred: Option<String>,
    /// Who stands at the window, where the actor speaks for somebody.
    pub on_behalf_of: Option<String>,
    /// What it shows, for readers.
    #[serde(default)]
    pub shows: String,
}

/// The ids of those who act and of where they act, by the labels of the script.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// Credentials.
    pub actors: BTreeMap<String, ActorId>,
    /// Offices: `desk` and `supervision`.
    pub offices: BTreeMap<String, OfficeId>,
}

/// What goes into the vault before a command names it.
#[derive(Clone, Copy, Debug)]
pub enum Kept<'a> {
    /// A paper about something, here only its title.
    Paper {
        /// What it is about.
        about: EntityRef,
        /// What it says.
        text: &'a str,
    },
    /// A sheet whose rows are imported next.
    Sheet(&'a [u8]),
}

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Steps of the script.
    pub steps: usize,
    /// What became of each sheet.
    pub imports: BTreeMap<String, Summary>,
    /// When the last step was.
    pub until: Option<Timestamp>,
}

/// Why a play ended before its end.
#[derive(Debug, Error)]
pub enum PlayError {
    /// The script itself is wrong.
    #[error("step {step} of the sample script cannot be played: {problem}")]
    Script {
        /// Which, from 1.
        step: usize,
        /// Why.
        problem: String,
    },
    /// Something went otherwise than the script says.
    #[error("step {step} (`{command}` at {at}) should have been {expected} but was {found}")]
    Otherwise {
        /// Which, from 1.
        step: usize,
        /// The command or sheet.
        command: String,
        /// When, as the script says.
        at: String,
        /// What the script says.
        expected: String,
        /// What happened.
        found: String,
    },
    /// The server is broken.
    #[error("the sample cannot be played on")]
    Server(#[source] SendError),
}

/// The script that ships with the software.
pub fn script() -> Script {
    toml::from_str(include_str!("../../config/sample/morning.toml"))
        .expect("the sample script in the software is well formed, which a test proves")
}

/// Plays the sample with `base` as its morning, in the order of time.
///
/// `keep` puts into the vault what a command will name, and answers its digest. `set_clock` is called before
/// anything is sent at an instant, and often enough in between for what is due to be stated.
///
/// # Errors
/// The first step that went otherwise than the script says.
pub fn play(
    base: Date,
    cast: &Cast,
    mut send: impl FnMut(Timestamp, &str, &str, Uuid, Value) -> Result<Answer, SendError>,
    mut keep: impl FnMut(&str, Kept<'_>) -> Result<Digest, SendError>,
    mut set_clock: impl FnMut(Timestamp),
) -> Result<Played, PlayError> {
    let script = script();
    let mut stage = Stage::new(&script, base, cast);
    let mut order = Vec::new();
    for (n, step) in script.step.iter().enumerate() {
        let at = stage.instant(&step.at).ok_or_else(|| bad(n, format!("`{}` is no instant", step.at)))?;
        order.push((at, n));
    }
    order.sort_unstable();
    let mut played = Played::default();
    let mut clock: Option<Timestamp> = None;
    for (at, n) in order {
        while let Some(then) = clock.filter(|then| at.ms() - then.ms() > TICK_MS) {
            clock = Some(then.plus_ms(TICK_MS));
            set_clock(then.plus_ms(TICK_MS));
        }
        clock = Some(at);
        set_clock(at);
        let step = &script.step[n];
        match (&step.command, &step.import) {
            (Some(command), None) => stage.command(n, step, command, at, &mut send, &mut keep)?,
            (None, Some(file)) => {
                let summary = stage.import(n, step, file, at, &mut send, &mut keep)?;
                played.imports.insert(file.clone(), summary);
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(bad(n, "it names neither a command nor a sheet, or both"));
            }
        }
        played.steps += 1;
        played.until = Some(at);
    }
    Ok(played)
}

fn bad(step: usize, problem: impl Into<String>) -> PlayError {
    PlayError::Script { step: step + 1, problem: problem.into() }
}

/// What is known while a play goes on.
struct Stage<'a> {
    script: &'a Script,
    cast: &'a Cast,
    base: Date,
    eve: Date,
    known: Known,
    markets: BTreeMap<String, MarketId>,
    /// What a row of a sheet or a step made.
    made: BTreeMap<String, Vec<EntityRef>>,
    postings: BTreeMap<Uuid, Vec<Shift>>,
    hires: Vec<(WorkerId, HireId, Vec<Shift>)>,
}

impl<'a> Stage<'a> {
    fn new(script: &'a Script, base: Date, cast: &'a Cast) -> Stage<'a> {
        Stage {
            script,
            cast,
            base,
            eve: eve_of_days_off(base),
            known: Known::default(),
            markets: BTreeMap::new(),
            made: BTreeMap::new(),
            postings: BTreeMap::new(),
            hires: Vec::new(),
        }
    }

    fn command(
        &mut self,
        n: usize,
        step: &ScriptStep,
        command: &str,
        at: Timestamp,
        send: &mut impl FnMut(Timestamp, &str, &str, Uuid, Value) -> Result<Answer, SendError>,
        keep: &mut impl FnMut(&str, Kept<'_>) -> Result<Digest, SendError>,
    ) -> Result<(), PlayError> {
        let fields = serde_json::to_value(&step.fields).map_err(|error| bad(n, error.to_string()))?;
        let mut body =
            self.resolved(&fields).map_err(|what| bad(n, format!("`{what}` means nothing here")))?;
        if let Some(occurred) = &step.occurred {
            let occurred =
                self.instant(occurred).ok_or_else(|| bad(n, format!("`{occurred}` is no instant")))?;
            body["about"]["occurred_at"] = json!(occurred);
        }
        if let Some(person) = &step.on_behalf_of {
            let person = json!(person);
            let person =
                self.resolved(&person).map_err(|what| bad(n, format!("`{what}` means nothing here")))?;
            body["about"]["on_behalf_of"] = json!({ "person": person, "mandate": "in_person" });
            body["about"]["channel"] = json!("window");
        }
        self.keep_papers(&mut body, &step.actor, keep).map_err(PlayError::Server)?;
        let key = key(at, &format!("step {n}"));
        let found = match send(at, &step.actor, command, key, body.clone()) {
            Ok(answer) => {
                let found = if answer.unchanged { "unchanged" } else { "accepted" };
                self.remember(command, &body, &answer);
                if let Some(label) = &step.label {
                    self.made.insert(label.clone(), answer.subjects);
                }
                found.to_owned()
            }
            Err(SendError::Refused { code, detail, .. }) => {
                if step.expect.as_deref() != Some(&format!("refused:{code}")) {
                    return Err(otherwise(n, step, command, format!("refused:{code} ({detail})")));
                }
                format!("refused:{code}")
            }
            Err(failed @ SendError::Failed(_)) => return Err(PlayError::Server(failed)),
        };
        if step.expect.as_deref().unwrap_or("accepted") == found {
            Ok(())
        } else {
            Err(otherwise(n, step, command, found))
        }
    }

    fn import(
        &mut self,
        n: usize,
        step: &ScriptStep,
        file: &str,
        at: Timestamp,
        send: &mut impl FnMut(Timestamp, &str, &str, Uuid, Value) -> Result<Answer, SendError>,
        keep: &mut impl FnMut(&str, Kept<'_>) -> Result<Digest, SendError>,
    ) -> Result<Summary, PlayError> {
        let (_, bytes) = FILES
            .iter()
            .find(|(name, _)| *name == file)
            .ok_or_else(|| bad(n, format!("there is no sheet `{file}`")))?;
        let written_for: Date = WRITTEN_FOR.parse().map_err(|_| bad(n, "the base morning is no date"))?;
        let options = Options {
            region: self.script.region,
            markets: self.markets.clone(),
            today: at.date(),
            year: written_for.civil().year(),
            shift_days: self.base.days() - written_for.days(),
        };
        let imported = import::read(bytes, file, &options).map_err(|error| bad(n, error.to_string()))?;
        keep(&step.actor, Kept::Sheet(bytes)).map_err(PlayError::Server)?;
        let mut known = std::mem::take(&mut self.known);
        let hires = self.hires.clone();
        let send = |command: &str, key, body| send(at, &step.actor, command, key, body);
        let mut played = Remembered { hires: &hires, sent: Vec::new(), send };
        let summary = import::run(&imported, at, &BTreeMap::new(), &mut known, &mut played)
            .map_err(PlayError::Server)?;
        let sent = played.sent;
        self.known = known;
        for (command, body, answer) in sent {
            self.remember(&command, &body, &answer);
        }
        for line in &summary.lines {
            self.made.insert(format!("{file}!{}", line.row), line.entities.clone());
        }
        if summary.codes == step.codes {
            Ok(summary)
        } else {
            Err(otherwise(n, step, file, format!("{:?}", summary.codes)))
        }
    }

    /// Puts every paper that the command names into the vault, about the first thing that the command names.
    fn keep_papers(
        &self,
        body: &mut Value,
        actor: &str,
        keep: &mut impl FnMut(&str, Kept<'_>) -> Result<Digest, SendError>,
    ) -> Result<(), SendError> {
        let of = |kind: Kind| {
            let id = Uuid::deserialize(&body[kind.name()]).ok()?;
            Some(EntityRef { kind, id })
        };
        let about = [Kind::Case, Kind::Claim, Kind::Wage, Kind::Hire].into_iter().find_map(of);
        for field in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let (Some(paper), Some(about)) = (field.as_str().and_then(|it| it.strip_prefix(PAPER)), about)
            {
                *field = json!(keep(actor, Kept::Paper { about, text: paper })?);
            }
        }
        Ok(())
    }

    /// What later steps and sheets look up: markets by name, the shifts of postings, hires by worker.
    fn remember(&mut self, command: &str, body: &Value, answer: &Answer) {
        let nth = |kind, n| answer.nth(kind, n).map(|it| it.id);
        if let ("market.register", Some(id), Some(name)) =
            (command, nth(Kind::Market, 0), body["name"].as_str())
        {
            self.markets.insert(name.to_owned(), MarketId(id));
        }
        let shifts = || Vec::<Shift>::deserialize(&body["terms"]["shifts"]).unwrap_or_default();
        if let Some(posting) = nth(Kind::Posting, 0)
            && !body["terms"].is_null()
        {
            self.postings.insert(posting, shifts());
        }
        match command {
            "hire.register_on_site" => {
                let workers = Vec::<WorkerId>::deserialize(&body["workers"]).unwrap_or_default();
                for (n, worker) in workers.into_iter().enumerate() {
                    self.hires.extend(nth(Kind::Hire, n).map(|hire| (worker, HireId(hire), shifts())));
                }
            }
            "offer.grab" => {
                let posting = Uuid::deserialize(&body["posting"]).unwrap_or_default();
                let shifts = self.postings.get(&posting).cloned().unwrap_or_default();
                if let (Ok(worker), Some(hire)) = (WorkerId::deserialize(&body["worker"]), nth(Kind::Hire, 0))
                {
                    self.hires.push((worker, HireId(hire), shifts));
                }
            }
            _ => {}
        }
    }

    /// `D-1 15:00`, `E0 16:40`.
    fn instant(&self, text: &str) -> Option<Timestamp> {
        let (day, clock) = text.split_once(' ')?;
        let (hour, minute) = clock.split_once(':')?;
        let minutes: u16 = hour.parse::<u16>().ok()?.checked_mul(60)?.checked_add(minute.parse().ok()?)?;
        (minutes <= 1440).then_some(())?;
        Some(self.day(day)?.at_minute(minutes))
    }

    fn day(&self, text: &str) -> Option<Date> {
        let (from, days) = match (text.strip_prefix('D'), text.strip_prefix('E')) {
            (Some(days), _) => (self.base, days),
            (None, Some(days)) => (self.eve, days),
            (None, None) => return None,
        };
        Some(from.plus_days(days.parse().ok()?))
    }

    /// The value with every `@…` in it replaced by what it means, or the one that means nothing.
    fn resolved(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => match text.strip_prefix('@') {
                Some(name) => self.meaning(name).ok_or_else(|| text.clone()),
                None => Ok(value.clone()),
            },
            Value::Array(items) => items.iter().map(|it| self.resolved(it)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, it)| Ok((name.clone(), self.resolved(it)?)));
                fields.collect::<Result<Map<String, Value>, String>>().map(Value::Object)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    fn meaning(&self, name: &str) -> Option<Value> {
        if let Some((what, rest)) = name.split_once(':') {
            return match what {
                "time" => Some(json!(self.instant(rest)?)),
                "date" => Some(json!(self.day(rest)?)),
                "actor" => Some(json!(self.cast.actors.get(rest)?)),
                "office" => Some(json!(self.cast.offices.get(rest)?)),
                "place" => Some(json!(rest.parse::<Region>().ok()?.centre()?)),
                "year" => Some(json!(self.day(rest)?.civil().year())),
                // Only what lies in the vault has a digest: `keep_papers` puts it there.
                "evidence" => Some(json!(format!("{PAPER}{rest}"))),
                "terms" => self.resolved(&serde_json::to_value(self.script.terms.get(rest)?).ok()?).ok(),
                kind => Some(json!(self.nth(rest, kind.parse().ok()?, 0)?)),
            };
        }
        // `unload.hire.0`, `unload.hire.0.wage`
        let parts: Vec<&str> = name.split('.').collect();
        let (label, kind, n, of_hire) = match parts.as_slice() {
            [label, kind, n] => (label, kind, n, None),
            [label, kind, n, of_hire] => (label, kind, n, Some(*of_hire)),
            _ => return None,
        };
        let id = self.nth(label, kind.parse().ok()?, n.parse().ok()?)?;
        match of_hire {
            None => Some(json!(id)),
            Some(derived @ ("wage" | "attendance")) => Some(json!(new_id(CommandId(id), derived, 0))),
            Some(_) => None,
        }
    }

    fn nth(&self, label: &str, kind: Kind, n: usize) -> Option<Uuid> {
        let mut once = BTreeSet::new();
        let made = self.made.get(label)?.iter().filter(|it| it.kind == kind && once.insert(**it));
        made.map(|it| it.id).nth(n)
    }
}

fn otherwise(n: usize, step: &ScriptStep, command: &str, found: String) -> PlayError {
    let expected = match &step.import {
        Some(_) => format!("{:?}", step.codes),
        None => step.expect.clone().unwrap_or_else(|| "accepted".into()),
    };
    PlayError::Otherwise { step: n + 1, command: command.to_owned(), at: step.at.clone(), expected, found }
}

/// The sample's own memory of what it has played stands in for questions to the server.
struct Remembered<'a, S> {
    hires: &'a [(WorkerId, HireId, Vec<Shift>)],
    sent: Vec<(String, Value, Answer)>,
    send: S,
}

impl<S: FnMut(&str, Uuid, Value) -> Result<Answer, SendError>> import::Registry for Remembered<'_, S> {
    /// The script does not say whose hires they are; no worker of it has two on one day that begin alike.
    fn hires_on(&mut self, worker: WorkerId, date: Date) -> Result<Vec<HireOnDate>, SendError> {
        let mine = self.hires.iter().filter(|(of, _, _)| *of == worker);
        let on_date = mine.flat_map(|(_, hire, shifts)| {
            let nth = (0..).zip(shifts).filter(|(_, shift)| shift.work_date() == date);
            nth.map(|(shift, it)| HireOnDate {
                found: FoundHire { hire: *hire, shift, one_wage: false },
                starts: it.start().minute_of_day(),
                employer_name: None,
                employer_code: None,
            })
        });
        Ok(on_date.collect())
    }

    /// Whoever stands on two sheets is known from the first.
    fn person_of(&mut self, _: WorkerId) -> Result<Option<PersonId>, SendError> {
        Ok(None)
    }

    /// No sheet of the sample corrects another.
    fn claims_of(&mut self, _: &str) -> Result<Vec<Value>, SendError> {
        Ok(Vec::new())
    }

    fn wage(&mut self, _: &str) -> Result<Value, SendError> {
        Ok(Value::Null)
    }

    fn employer_name(&mut self, _: EmployerId) -> Result<Option<String>, SendError> {
        Ok(None)
    }

    fn postings_of(&mut self, _: &str, _: &str) -> Result<Vec<Value>, SendError> {
        Ok(Vec::new())
    }

    fn send(&mut self, command: &str, key: Uuid, body: Value) -> Result<Answer, SendError> {
        let answer = (self.send)(command, key, body.clone())?;
        self.sent.push((command.to_owned(), body, answer.clone()));
        Ok(answer)
    }
}

/// The last working day before days off in the second or third week: those of a holiday where there is one.
fn eve_of_days_off(base: Date) -> Date {
    let Ok(book) = RuleBook::shipped() else { return base.plus_days(10) };
    let calendar = book.calendar();
    let works = |date: Date| calendar.day(date).is_working();
    let days = || (7..21).map(|n| base.plus_days(n));
    let eves = || days().filter(|date| works(*date) && !works(date.plus_days(1)));
    let length = |eve: Date| (1..30).take_while(|n| !works(eve.plus_days(*n))).count();
    // Three days off at least are no weekend.
    eves().find(|eve| length(*eve) >= 3).or_else(|| eves().next()).unwrap_or(base.plus_days(10))
}

fn key(at: Timestamp, what: &str) -> Uuid {
    let digest = Sha256::digest(what.as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    import::uuid_v7(at, &random)
}

#[cfg(test)]
mod tests;
