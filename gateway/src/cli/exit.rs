//! What a verb exits with, and why it failed, in words for people.

use std::io;
use std::process::ExitCode;

use linggong_events::id::EntityRef;
use serde_json::Value;

use crate::glossary::{Lang, label};

/// What the process exits with; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed in a way that has no number of its own.
    Failure = 1,
    /// The arguments cannot be right.
    Usage = 2,
    /// The thing does not exist, or not for this reader.
    NotFound = 3,
    /// The thing has changed, or is not in a state that allows it.
    Conflict = 4,
    /// Something kept is not as it was written.
    Integrity = 5,
    /// No answer from the server, or none for now.
    Unreachable = 6,
    /// The actor may not.
    NotPermitted = 7,
}

impl Exit {
    /// What an answer of `status` with the problem's `code` comes to.
    pub fn of_problem(status: u16, code: &str) -> Exit {
        if code.starts_with("integrity") {
            return Exit::Integrity;
        }
        match status {
            401 | 403 => Exit::NotPermitted,
            404 | 410 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            429 | 502..=504 => Exit::Unreachable,
            _ => Exit::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to exit with.
    pub exit: Exit,
    /// The stable code.
    pub code: String,
    /// What happened, in the language chosen.
    pub title: String,
    /// More about it.
    pub detail: Option<String>,
    /// Field by field, where a request was wrong in several.
    pub errors: Vec<String>,
    /// The entity it is about, where the server names one.
    pub entity: Option<EntityRef>,
}

/// Failures that the command line itself finds: their code, which has a row in the glossary, and their exit.
pub(super) const LOCAL: &[(&str, Exit)] = &[
    ("unreachable", Exit::Unreachable),
    ("bad_answer", Exit::Failure),
    ("bad_server", Exit::Usage),
    ("bad_fields_argument", Exit::Usage),
    ("token_file", Exit::Usage),
    ("file", Exit::Failure),
    ("unknown_schema", Exit::NotFound),
    ("unknown_command", Exit::NotFound),
    ("not_sound", Exit::Integrity),
    ("unhealthy", Exit::Failure),
    ("no_log", Exit::NotFound),
    ("bad_head_file", Exit::Usage),
    ("day_to_come", Exit::Usage),
    ("rows_left_out", Exit::Failure),
    ("unknown_token", Exit::NotFound),
    ("token_taken", Exit::Conflict),
    ("bad_token_name", Exit::Usage),
    ("log_in_use", Exit::Conflict),
    ("nothing_to_repair", Exit::Conflict),
    ("not_empty", Exit::Conflict),
    ("no_backup", Exit::NotFound),
];

impl Failure {
    /// A failure that the command line itself finds, by its stable `code`.
    pub fn local(lang: Lang, code: &str, detail: impl Into<String>) -> Failure {
        let exit = LOCAL.iter().find(|(it, _)| *it == code).map_or(Exit::Failure, |(_, exit)| *exit);
        let title = label("screens", &format!("failure.{code}"), lang).unwrap_or(code).to_owned();
        Failure {
            exit,
            code: code.to_owned(),
            title,
            detail: Some(detail.into()),
            errors: Vec::new(),
            entity: None,
        }
    }

    /// What the server said with `status`: a problem document, or something that is none.
    pub fn of_answer(lang: Lang, status: u16, body: &[u8]) -> Failure {
        let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |name: &str| problem[name].as_str().map(str::to_owned);
        let code = text("code").unwrap_or_else(|| format!("http_{status}"));
        let translated = label("refusals", &code, lang).map(str::to_owned);
        let title = text("title").or(translated).unwrap_or_else(|| format!("HTTP {status}"));
        let listed = |name: &str| problem[name].as_array().into_iter().flatten();
        let mut errors: Vec<String> = listed("errors")
            .map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned))
            .collect();
        // What a blocked posting breaks, and the text that would pass.
        let word = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        errors
            .extend(listed("findings").map(|it| {
                format!("{} 「{}」 {}", word(it, "rule"), word(it, "words"), word(it, "citation"))
            }));
        errors.extend(text("corrected").map(|corrected| format!("→ {corrected}")));
        Failure {
            exit: Exit::of_problem(status, &code),
            title,
            detail: text("detail"),
            errors,
            entity: problem["entity"].as_str().and_then(|it| it.parse().ok()),
            code,
        }
    }
}

/// Why a verb stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Failed(Box<Failure>),
    /// Nobody reads the output any more, as with `| head`: a quiet success.
    NoReader,
    /// The output or a file could not be written.
    Io(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(Box::new(failure))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        if error.kind() == io::ErrorKind::BrokenPipe { Stop::NoReader } else { Stop::Io(error) }
    }
}

impl From<csv::Error> for Stop {
    fn from(error: csv::Error) -> Stop {
        if error.is_io_error()
            && let csv::ErrorKind::Io(error) = error.into_kind()
        {
            return error.into();
        }
        Stop::Io(io::Error::other("the row is no row of CSV"))
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Stop {
        io::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linggong_engine::refusal::{Class, Refusal};

    #[test]
    fn every_refusal_exits_with_the_number_of_its_class() {
        for (code, class) in Refusal::CODES {
            let (status, exit) = match class {
                Class::NotFound => (404, Exit::NotFound),
                Class::Conflict => (409, Exit::Conflict),
                Class::Invalid => (422, Exit::Failure),
                Class::NotPermitted => (403, Exit::NotPermitted),
            };
            assert_eq!(Exit::of_problem(status, code), exit, "{code}");
        }
    }

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let problems = [
            (400, "not_json", 1),
            (401, "unauthenticated", 7),
            (403, "outside_region", 7),
            (404, "unknown", 3),
            (409, "version_conflict", 4),
            (413, "too_large", 1),
            (422, "bad_field", 1),
            (429, "busy", 6),
            (500, "integrity_view", 5),
            (500, "internal", 1),
            (503, "busy", 6),
        ];
        for (status, code, exit) in problems {
            assert_eq!(Exit::of_problem(status, code) as u8, exit, "{status} {code}");
        }
        assert_eq!(Exit::Ok as u8, 0);
        assert_eq!(Exit::Usage as u8, 2);
    }

    #[test]
    fn a_failure_of_our_own_is_told_in_both_languages() {
        for (code, exit) in LOCAL {
            let zh = Failure::local(Lang::Zh, code, "…");
            let en = Failure::local(Lang::En, code, "…");
            assert_ne!(zh.title, *code, "docs/glossary.md, screens: no row for failure.{code}");
            assert_ne!(zh.title, en.title);
            assert_eq!(en.exit, *exit);
        }
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_still_told() {
        let failure = Failure::of_answer(Lang::En, 502, b"<html>bad gateway</html>");
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Unreachable, "http_502"));
    }
}
