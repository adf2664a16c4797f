//! From a bearer token to an actor acting as one role.

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use linggong_engine::command::Actor;
use linggong_events::id::OfficeId;
use linggong_events::office::Role;
use serde::de::DeserializeOwned;

use super::App;
use super::error::Problem;

/// Who is asking, established from the request's headers.
#[derive(Clone, Debug)]
pub(super) struct Asking(pub(super) Actor);

impl FromRequestParts<App> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Asking, Problem> {
        let unknown = || {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "send `Authorization: Bearer` with a valid token",
            )
        };
        let token = bearer(&parts.headers).ok_or_else(unknown)?;
        let id = app.tokens.borrow().actor(token).ok_or_else(unknown)?;
        let role: Option<Role> = named(&parts.headers, "linggong-role")?;
        let office: Option<OfficeId> = named(&parts.headers, "linggong-office")?;
        let grants = app.partition.grants.borrow().clone();
        Ok(Asking(grants.actor(id, role, office)?))
    }
}

/// The token of the one `Authorization` header; two of them are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let token = value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))?;
    (!token.is_empty() && token.len() <= 512).then_some(token)
}

/// What the one header of that name says; none where there is none.
fn named<T: DeserializeOwned>(headers: &HeaderMap, header: &str) -> Result<Option<T>, Problem> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let said = serde_json::from_value(serde_json::Value::from(text)).ok();
    let said = said.filter(|_| values.next().is_none());
    said.map(Some)
        .ok_or_else(|| Problem::bad_request(format!("the header `{header}` names none, or several")))
}
