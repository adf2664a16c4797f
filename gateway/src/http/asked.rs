//! What a request asks with, read so that a refusal names the parameter or field and what is allowed there. What stands
//! in it is never told back: it may be anybody's data.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use linggong_projections::MAX_LIMIT;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::commands::bad_fields;
use super::error::Problem;
use crate::openapi;

/// The parameters of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Problem> {
        let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let taken = openapi::query_of(parts.method.as_str(), path);
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|it| !it.is_empty());
        for name in pairs.map(|it| it.split_once('=').map_or(it, |(name, _)| name)) {
            // Why a list has no moments is told by the list.
            if !taken.contains(&name) && !matches!(name, "as_known" | "as_happened") {
                return Err(unknown(name, &taken));
            }
        }
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(asked)) => Ok(Query(asked)),
            Err(rejection) => Err(unread(&rejection.body_text(), &taken)),
        }
    }
}

fn unknown(name: &str, taken: &[&str]) -> Problem {
    let ours = taken.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    let ours = if ours.is_empty() { "no parameter".to_owned() } else { ours };
    let is_name = name.len() <= 40 && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    let what = if is_name {
        format!("`{name}` is not asked for here")
    } else {
        "one parameter is not asked for here".to_owned()
    };
    Problem::bad_request(format!("{what}: this takes {ours}"))
}

/// The parameter that could not be read, and what it may be as far as that is told without what stood there.
fn unread(why: &str, taken: &[&str]) -> Problem {
    let name =
        taken.iter().find(|it| why.contains(&format!(": {it}: ")) || why.contains(&format!("field `{it}`")));
    let Some(name) = name else { return Problem::bad_request("a parameter cannot be read") };
    if why.contains("duplicate field") {
        return Problem::bad_request(format!("`{name}` stands there more than once"));
    }
    if why.contains("missing field") {
        return Problem::bad_request(format!("`{name}` is missing"));
    }
    let words = why.split_once(&format!(": {name}: ")).map_or("", |(_, words)| words);
    let allowed = match words.split_once(", expected ") {
        Some((_, ours)) => format!("expected {ours}"),
        None if words.contains(['`', '"', '\'']) => "it is not of its form".to_owned(),
        None => words.to_owned(),
    };
    Problem::bad_request(format!("`{name}` cannot be read: {allowed}"))
}

/// How many rows a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(pub(super) u16);

impl Default for Limit {
    fn default() -> Limit {
        Limit(50)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        let text = String::deserialize(deserializer)?;
        let limit = text.parse().ok().filter(|it| (1..=MAX_LIMIT).contains(it));
        limit.map(Limit).ok_or_else(|| D::Error::custom(format!("expected a number from 1 to {MAX_LIMIT}")))
    }
}

/// A JSON body; what it lacks is told as with commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Response> {
        let Json(body): Json<Value> =
            Json::from_request(request, state).await.map_err(|rejection| rejection.into_response())?;
        T::deserialize(body).map(Body).map_err(|error| bad_fields("body", &error).into_response())
    }
}
