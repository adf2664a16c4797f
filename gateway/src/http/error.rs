//! RFC 9457 problems: a stable code, a title in the reader's language, a sentence to act on.

use std::io::ErrorKind;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linggong_engine::refusal::{Class, Refusal};
use linggong_events::measure::Position;
use linggong_projections::{BadCursor, StoreError};
use serde_json::{Value, json};

use crate::glossary::{self, Lang};
use crate::identity::NoRole;
use crate::partition_task::Unavailable;

/// The codes of this layer; those of refusals stand in the engine.
pub const CODES: &[&str] = &[
    "unauthenticated",
    "no_role",
    "several_roles",
    "not_found",
    "bad_request",
    "bad_fields",
    "busy",
    "timed_out",
    "stopped",
    "no_space",
    "read_only",
    "not_yet",
    "ahead_of_log",
    "view_unavailable",
    "view_building",
    "view_parked",
    "evidence_refused",
    "opening_refused",
    "name_differs",
    "internal",
];

/// All that is said of what broke on our side.
const BROKEN: &str = "something broke on our side; it is on record";

/// Something that went wrong, told to whoever asked.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: Option<Value>,
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of this layer.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, code, detail: detail.into(), more: None, retry_after: None }
    }

    /// The view stands before an event that it cannot take: it is of no use until the software is mended.
    pub fn parked(view: &str, position: Position) -> Problem {
        let detail = format!("the view `{view}` stands before event {position}, which it cannot take");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "view_parked", detail).retry_after(60)
    }

    /// Nothing there, or not for this reader: the two look alike on purpose.
    pub fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing, or not for you")
    }

    /// A request that cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Something of ours broke; what it was stands in the trace, not in the answer.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error = %crate::chain(error), "a request failed");
        if is_no_space(error) {
            return Unavailable::NoSpace.into();
        }
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", BROKEN)
    }

    /// What is told where a handler panicked; the panic itself stands in the trace.
    pub(super) fn panicked() -> Problem {
        tracing::error!("a handler panicked");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", BROKEN)
    }

    /// With a moment after which to come back.
    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// With further members.
    pub fn with(mut self, more: Value) -> Problem {
        self.more = Some(more);
        self
    }
}

/// Whether something failed because the disk, or a limit on it, has no more room.
fn is_no_space(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |it| it.source());
    causes.any(|it| {
        let kind = it.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge))
    })
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let status = match refusal.class() {
            Class::NotFound => StatusCode::NOT_FOUND,
            Class::Conflict => StatusCode::CONFLICT,
            Class::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Class::NotPermitted => StatusCode::FORBIDDEN,
        };
        let more = serde_json::to_value(&refusal).ok().filter(Value::is_object);
        Problem { more, ..Problem::new(status, refusal.code(), refusal.to_string()) }
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Problem {
        let (code, seconds) = match error {
            Unavailable::Busy => ("busy", 1),
            // Somebody has to make room first.
            Unavailable::NoSpace => ("no_space", 30),
            // Somebody has to repair the log first.
            Unavailable::ReadOnly => ("read_only", 60),
            Unavailable::Stopped => ("stopped", 1),
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()).retry_after(seconds)
    }
}

impl From<NoRole> for Problem {
    fn from(error: NoRole) -> Problem {
        match error {
            NoRole::NotHeld => Problem::new(StatusCode::FORBIDDEN, "no_role", error.to_string()),
            NoRole::Several => Problem::new(StatusCode::BAD_REQUEST, "several_roles", error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let of = |code, detail: &str, retry| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry)
        };
        match error {
            StoreError::Building { .. } => {
                of("view_building", "this view is being built: come back in a moment", 2)
            }
            StoreError::Poison { view, position } => Problem::parked(view, position),
            StoreError::Locked { .. }
            | StoreError::Io { .. }
            | StoreError::Broken { .. }
            | StoreError::Gap { .. }
            | StoreError::AheadOfLog { .. } => {
                tracing::error!(error = %crate::chain(&error), "a view could not be read");
                of("view_unavailable", "this view cannot be read: come back in a moment", 2)
            }
        }
    }
}

impl From<BadCursor> for Problem {
    fn from(error: BadCursor) -> Problem {
        Problem::bad_request(error.to_string())
    }
}

impl From<linggong_events::log::ReadError> for Problem {
    fn from(error: linggong_events::log::ReadError) -> Problem {
        Problem::internal(&error)
    }
}

impl From<linggong_events::envelope::EnvelopeError> for Problem {
    fn from(error: linggong_events::envelope::EnvelopeError) -> Problem {
        Problem::internal(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // The words come last, in `in_words`, which knows whom they are for.
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a problem out in the language of the reader, whoever found it; any other answer stays as it is.
pub(super) fn in_words(response: Response, lang: Lang) -> Response {
    let found = response.extensions().get::<Problem>().cloned();
    let problem = match found {
        Some(problem) => problem,
        // What the router and its layers refuse by themselves gets the same form.
        None if response.status().is_client_error() && !is_problem(&response) => {
            let code = match response.status() {
                StatusCode::NOT_FOUND => "not_found",
                StatusCode::PAYLOAD_TOO_LARGE => "too_large",
                _ => "bad_request",
            };
            let reason = response.status().canonical_reason().unwrap_or("refused").to_lowercase();
            Problem::new(response.status(), code, reason)
        }
        None => return response,
    };
    written(problem, lang)
}

fn is_problem(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/problem+json"))
}

fn written(problem: Problem, lang: Lang) -> Response {
    let title = glossary::label("refusals", problem.code, lang).unwrap_or(problem.code);
    let mut body = json!({
        "type": format!("/v1/problems/{}", problem.code),
        "title": title,
        "status": problem.status.as_u16(),
        "code": problem.code,
        "detail": problem.detail,
    });
    if let (Some(Value::Object(more)), Some(body)) = (problem.more, body.as_object_mut()) {
        for (key, value) in more {
            body.entry(key).or_insert(value);
        }
    }
    let mut response = (problem.status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let language = match lang {
        Lang::Zh => "zh-CN",
        Lang::En => "en",
    };
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
