//! From a bearer token to an actor acting as one role.

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use linggong_engine::command::Actor;
use linggong_events::office::Role;

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
        let id = app.tokens.actor(token).ok_or_else(unknown)?;
        let role = role(&parts.headers)?;
        let grants = app.partition.grants.borrow().clone();
        Ok(Asking(grants.actor(id, role)?))
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

fn role(headers: &HeaderMap) -> Result<Option<Role>, Problem> {
    let mut values = headers.get_all("linggong-role").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let role = serde_json::from_value(serde_json::Value::from(text)).ok();
    let role = role.filter(|_| values.next().is_none());
    role.map(Some).ok_or_else(|| Problem::bad_request("the header `Linggong-Role` names no one role"))
}
