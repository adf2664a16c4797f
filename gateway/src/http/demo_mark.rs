//! What a demo log answers says so: in a header on everything, and in a member of what is kept and passed on.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Problem;

/// Adds the member `demo` to an answer that is a JSON object; every other byte stays as it was.
pub(super) async fn told(request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "application/json");
    if !is_json {
        return Response::from_parts(parts, body);
    }
    let bytes = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    Response::from_parts(parts, Body::from(marked(bytes)))
}

fn marked(bytes: Bytes) -> Bytes {
    match bytes.strip_prefix(b"{") {
        None => bytes,
        Some(b"}") => Bytes::from_static(br#"{"demo":true}"#),
        Some(rest) => [br#"{"demo":true,"#, rest].concat().into(),
    }
}
