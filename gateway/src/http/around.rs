//! What all answers share, in one layer around every route: each layer of its own costs every request some boxes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio_stream::StreamExt as _;
use uuid::Uuid;

use super::error::{Problem, in_words};
use super::{Limits, ROUTES, Route};
use crate::clock::Clock;
use crate::glossary;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LOG: HeaderName = HeaderName::from_static("linggong-log");

/// How many bytes beyond the limit of a body are still heard, and dropped, before the refusal.
const HEARD_OUT_BYTES: usize = 4 << 20;

/// What the layer goes by.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) limits: Limits,
    /// Which sort of log this is, on every answer.
    pub(super) sort: &'static str,
    /// Makes the ids of requests that come without one.
    pub(super) clock: Clock,
}

/// Answers within the time there is, in the reader's language, under an id.
pub(super) async fn around(State(it): State<Around>, request: Request, next: Next) -> Response {
    let id = safe_id(request.headers()).cloned().or_else(|| new_id(&it.clock));
    let accepted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|it| it.to_str().ok());
    let lang = glossary::accepted(accepted);
    let answered = unless_it_panics(in_time(it.limits.request, heard_out(it.limits, request, next))).await;
    let mut response = in_words(answered.unwrap_or_else(|| Problem::panicked().into_response()), lang);
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.entry(REQUEST_ID).or_insert(id);
    }
    headers.insert(LOG, HeaderValue::from_static(it.sort));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The request's own id, where it is one and of the safe form: it is echoed.
fn safe_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut given = headers.get_all(REQUEST_ID).iter();
    let first = given.next().filter(|_| given.next().is_none())?;
    let id = first.as_bytes();
    let safe = (1..=64).contains(&id.len()) && id.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'-');
    safe.then_some(first)
}

fn new_id(clock: &Clock) -> Option<HeaderValue> {
    HeaderValue::from_str(clock.new_key().hyphenated().encode_lower(&mut Uuid::encode_buffer())).ok()
}

/// Ends what takes longer than `limit`, the arrival of the body included.
async fn in_time(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!(
                "this took longer than {} seconds; ask again, a command under the same key",
                limit.as_secs()
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail).retry_after(1).into_response()
        }
    }
}

/// Refuses a body that is announced as longer than its route takes, once it was heard (and dropped) where
/// that is within [`HEARD_OUT_BYTES`]: who is hung up on while still sending may never see the refusal.
async fn heard_out(limits: Limits, request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let announced = announced.and_then(|it| it.parse::<usize>().ok()).unwrap_or(0);
    let most = if announced == 0 { None } else { most(limits, &request) };
    let Some(most) = most.filter(|most| announced > *most) else { return next.run(request).await };
    if announced <= most + HEARD_OUT_BYTES {
        let mut body = request.into_body().into_data_stream();
        while let Some(Ok(_)) = body.next().await {}
    }
    let detail = format!("the body has {announced} bytes; at most {most} are taken here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).into_response()
}

/// The most bytes of a body that the route of a request takes; none where there is no such route.
fn most(limits: Limits, request: &Request) -> Option<usize> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    let is_it = |it: &&Route| it.path == path && request.method().as_str().eq_ignore_ascii_case(it.method);
    Some(ROUTES.iter().find(is_it).map_or(limits.body_bytes, |it| it.most(limits)))
}

/// What `work` comes to; none where it panics.
async fn unless_it_panics<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        // Not polled again after a panic, and what it shares with others is behind locks that know of panics.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
