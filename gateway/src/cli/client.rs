//! The HTTP client of the command line: one server, one credential, answers as JSON.
//!
//! A request that got no answer is sent again with the same key, so that a command happens once however often
//! the line breaks.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use linggong_events::commit::Digest;
use linggong_events::id::EntityRef;
use linggong_events::measure::Position;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body, RequestBuilder};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::complain;
use super::exit::{Failure, Stop};
use super::output::word;
use crate::clock::Clock;
use crate::glossary::Lang;
use crate::vault::MediaType;

/// How often one request is sent.
const ATTEMPTS: u32 = 4;
/// The longest wait before the next attempt, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// The longest line of a stream; an event is at most 60 KiB.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// A stream that says nothing for three heartbeats is dead.
const STREAM_SILENCE: Duration = Duration::from_secs(45);
/// How many items one page is asked to have.
const PAGE: usize = 200;

/// Lists that are answered whole and take no limit.
const WHOLE: &[&str] = &["/v1/markets", "/v1/projections"];

/// Which server, and as whom.
pub struct Server {
    /// Where it listens.
    pub url: String,
    /// The bearer token.
    pub token: Option<Zeroizing<String>>,
    /// Which of the holder's roles.
    pub role: Option<String>,
    /// The language of problems.
    pub lang: Lang,
}

/// A client of one server.
pub struct Client<'a> {
    agent: Agent,
    streams: Agent,
    base: String,
    server: Server,
    clock: &'a Clock,
    /// Set once an answer says that it comes of a demo log.
    demo: Arc<AtomicBool>,
    /// Over once an answer said that it comes of a damaged log.
    damaged: Once,
    /// The wait before the second attempt; it doubles with each.
    first_wait: Duration,
}

/// Which items of a list are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// At most so many; absent: all of them.
    pub limit: Option<usize>,
    /// The cursor to begin after.
    pub after: Option<String>,
}

impl<'a> Client<'a> {
    /// A client of `server`; refuses what is no address, and to send a token in clear to another machine.
    pub fn new(server: Server, clock: &'a Clock) -> Result<Client<'a>, Failure> {
        let base = server.url.trim_end_matches('/').to_owned();
        let bad = |why: &str| Failure::local(server.lang, "bad_server", format!("{base}: {why}"));
        let uri: Uri = base.parse().map_err(|_| bad("not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(bad("expected http:// or https://")),
        };
        if uri.query().is_some() || uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err(bad("expected only scheme, host, port and path"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        if server.token.is_some() && !secure && !loopback {
            return Err(bad("a token goes in clear to this machine only: use https"));
        }
        // A redirect or a proxy from the environment would carry the token elsewhere.
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(None)
                .user_agent(concat!("linggong/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(Duration::from_secs(5)))
        };
        let agent = config().timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        let streams = config()
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(STREAM_SILENCE))
            .build()
            .new_agent();
        let (demo, damaged, first_wait) = (Arc::default(), Once::new(), Duration::from_millis(200));
        Ok(Client { agent, streams, base, server, clock, demo, damaged, first_wait })
    }

    /// The same client, telling by `demo` whether a demo log answered.
    pub fn telling_demo(self, demo: Arc<AtomicBool>) -> Client<'a> {
        Client { demo, ..self }
    }

    /// The same client, with another wait between attempts.
    pub fn first_wait(self, first_wait: Duration) -> Client<'a> {
        Client { first_wait, ..self }
    }

    /// The language of problems.
    pub fn lang(&self) -> Lang {
        self.server.lang
    }

    /// A new key for a command.
    pub fn new_key(&self) -> Uuid {
        self.clock.new_key()
    }

    /// One thing.
    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        self.json(path, &self.get_bytes(path, query)?)
    }

    /// What stands under `path`, whatever its form.
    pub fn get_bytes(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, Failure> {
        self.attempt(|| self.dressed(self.agent.get(self.url(path)), query).call())
    }

    /// The status under `path` and what is said there, whether it is good or bad news; asked once.
    pub fn probe(&self, path: &str) -> Result<(u16, Value), Failure> {
        let response = self.dressed(self.agent.get(self.url(path)), &[]).call();
        let response = response.map_err(|error| self.unreachable(&error))?;
        self.look_at_log(&response);
        let status = response.status().as_u16();
        let body = read(response).map_err(|error| self.unreachable(&error))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// Sends `body` to `path`, once however often it takes.
    pub fn post(&self, path: &str, key: Uuid, body: &Value) -> Result<Value, Failure> {
        let text = Zeroizing::new(body.to_string());
        let bytes = self.attempt(|| {
            let request = self.dressed(self.agent.post(self.url(path)), &[]);
            request
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", key.to_string())
                .send(text.as_bytes())
        })?;
        if bytes.is_empty() { Ok(Value::Null) } else { self.json(path, &bytes) }
    }

    /// What `path` answers to `body` in the form `accept`.
    pub fn post_for(&self, path: &str, accept: &str, body: &Value) -> Result<Vec<u8>, Failure> {
        let text = Zeroizing::new(body.to_string());
        self.attempt(|| {
            let request = self.dressed(self.agent.post(self.url(path)), &[]);
            request.header("Content-Type", "application/json").header("Accept", accept).send(text.as_bytes())
        })
    }

    /// Stores `bytes` as evidence about `about`; the answer names its digest. Where the answer is lost on the way
    /// it is stored once more, under another digest.
    pub fn store_evidence(
        &self,
        about: EntityRef,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Result<Value, Failure> {
        let send = || {
            let request = self.agent.post(self.url("/v1/evidence"));
            let request = self.dressed(request, &[("about", about.to_string())]);
            request.header("Content-Type", media_type.name()).send(bytes)
        };
        self.json("/v1/evidence", &self.attempt(send)?)
    }

    /// Stores the file `bytes`, from which commands will be read, under its own digest.
    pub fn store_source(&self, media_type: MediaType, bytes: &[u8]) -> Result<Value, Failure> {
        let path = format!("/v1/sources/{}", Digest::of(bytes));
        let send = || {
            let request = self.dressed(self.agent.put(self.url(&path)), &[]);
            request.header("Content-Type", media_type.name()).send(bytes)
        };
        self.json(&path, &self.attempt(send)?)
    }

    fn json<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(bytes)
            .map_err(|error| Failure::local(self.lang(), "bad_answer", format!("{path}: {error}")))
    }

    /// Gives the command `name`; `fields` may hold `about`. The answer is the receipt.
    pub fn command(&self, name: &str, key: Uuid, fields: &Value) -> Result<Value, Failure> {
        self.post(&format!("/v1/commands/{name}"), key, fields)
    }

    /// What a path answers, to the byte.
    pub fn get_raw(&self, path: &str) -> Result<Box<RawValue>, Failure> {
        self.json(path, &self.get_bytes(path, &[])?)
    }

    /// Events from after a position on, page after page, each to the byte.
    pub fn events(&self, query: &[(&str, String)], after: Position) -> Result<RawEvents, Failure> {
        const PATH: &str = "/v1/events";
        let (mut items, mut after) = (Vec::new(), Some(after.to_string()));
        loop {
            let mut query: Vec<_> = query.to_vec();
            query.push(("limit", PAGE.to_string()));
            query.extend(after.iter().map(|it| ("after", it.clone())));
            let mut page: RawEvents = self.json(PATH, &self.get_bytes(PATH, &query)?)?;
            items.append(&mut page.items);
            // A server that gives the same cursor again would be asked for ever.
            if page.next.is_none() || page.next == after {
                return Ok(RawEvents { items, ..page });
            }
            after = page.next;
        }
    }

    /// Items of a list, page after page: an answer as of one page, and its items.
    pub fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        wanted: &Wanted,
    ) -> Result<(Value, Vec<Value>), Failure> {
        let (mut items, mut after) = (Vec::new(), wanted.after.clone());
        loop {
            let left = wanted.limit.map_or(PAGE, |limit| limit.saturating_sub(items.len()).min(PAGE));
            let mut query: Vec<_> = query.to_vec();
            if !WHOLE.contains(&path) {
                query.push(("limit", left.to_string()));
            }
            query.extend(after.iter().map(|it| ("after", it.clone())));
            let mut answer = self.get(path, &query)?;
            items.extend(items_of(&mut answer));
            let next = answer["next"].as_str().map(str::to_owned);
            let enough = wanted.limit.is_some_and(|limit| items.len() >= limit);
            // A server that gives the same cursor again would be asked for ever.
            if next.is_none() || next == after || enough {
                items.truncate(wanted.limit.unwrap_or(usize::MAX));
                let position = answer["position"].take();
                return Ok((json!({ "items": items, "next": next, "position": position }), items));
            }
            after = next;
        }
    }

    /// Follows the events after `after` whose type begins with `type_prefix`, for as long as `each` wants more;
    /// a broken line is taken up again where it broke, so that no event is missed or told twice.
    pub fn follow<T: DeserializeOwned>(
        &self,
        after: Position,
        type_prefix: &str,
        mut each: impl FnMut(T) -> Result<Going, Stop>,
    ) -> Result<(), Stop> {
        let (mut last, mut failures) = (after, 0);
        loop {
            let before = last;
            let broke = match self.stream(&mut last, type_prefix, &mut each)? {
                Streamed::Enough => return Ok(()),
                Streamed::Broke(failure) => failure,
            };
            failures = if last == before { failures + 1 } else { 1 };
            if failures >= ATTEMPTS {
                return Err(broke.into());
            }
            std::thread::sleep(self.wait(failures, None));
        }
    }

    fn stream<T: DeserializeOwned>(
        &self,
        last: &mut Position,
        type_prefix: &str,
        each: &mut impl FnMut(T) -> Result<Going, Stop>,
    ) -> Result<Streamed, Stop> {
        let lang = self.lang();
        let types: Vec<_> =
            Some(("type", type_prefix.to_owned())).filter(|(_, it)| !it.is_empty()).into_iter().collect();
        let request = self.dressed(self.streams.get(self.url("/v1/events/stream")), &types);
        let request = request.header("Accept", "text/event-stream").header("Last-Event-ID", last.to_string());
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Streamed::Broke(self.unreachable(&error))),
        };
        self.look_at_log(&response);
        let status = response.status().as_u16();
        if status != 200 {
            let failure = Failure::of_answer(lang, status, &read(response).unwrap_or_default());
            let later = matches!(status, 429 | 502..=504);
            return if later { Ok(Streamed::Broke(failure)) } else { Err(failure.into()) };
        }
        let mut lines = BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader());
        let mut message = Message::default();
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            match read {
                Ok(_) if line.ends_with(b"\n") => {}
                Ok(_) => {
                    let failure = Failure::local(lang, "unreachable", "the stream ended");
                    return Ok(Streamed::Broke(failure));
                }
                Err(error) => {
                    return Ok(Streamed::Broke(Failure::local(lang, "unreachable", error.to_string())));
                }
            }
            let Some((id, data)) = message.line(&line) else { continue };
            let position = id.parse::<Position>().ok();
            // What was told before the line broke is not told again.
            if position.is_some_and(|it| it <= *last) {
                continue;
            }
            if each(self.json("/v1/events/stream", &data)?)? == Going::Enough {
                return Ok(Streamed::Enough);
            }
            *last = position.unwrap_or(*last);
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn dressed<B>(&self, request: RequestBuilder<B>, query: &[(&str, String)]) -> RequestBuilder<B> {
        let language = match self.lang() {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        let mut request = request.header("Accept-Language", language);
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(role) = &self.server.role {
            request = request.header("Linggong-Role", role);
        }
        match &self.server.token {
            Some(token) => {
                request.header("Authorization", Zeroizing::new(format!("Bearer {}", **token)).as_str())
            }
            None => request,
        }
    }

    fn attempt(&self, send: impl Fn() -> Result<Response<Body>, ureq::Error>) -> Result<Vec<u8>, Failure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (failure, wait) = match send() {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let wait = retry_after(&response);
                    self.look_at_log(&response);
                    match read(response) {
                        Ok(body) if (200..300).contains(&status) => return Ok(body),
                        Ok(body) => {
                            let failure = Failure::of_answer(self.lang(), status, &body);
                            if !matches!(status, 429 | 503) {
                                return Err(failure);
                            }
                            (failure, wait)
                        }
                        // The answer broke off: what was asked for may have happened, and is asked for again.
                        Err(error) => (self.unreachable(&error), None),
                    }
                }
                Err(error) => {
                    let failure = self.unreachable(&error);
                    if !may_mend(&error) {
                        return Err(failure);
                    }
                    (failure, None)
                }
            };
            if attempts >= ATTEMPTS {
                return Err(failure);
            }
            std::thread::sleep(self.wait(attempts, wait));
        }
    }

    /// Takes note of what an answer says of the log that it comes from.
    fn look_at_log(&self, response: &Response<Body>) {
        let sort = response.headers().get("linggong-log");
        if sort.is_some_and(|it| it == "demo") {
            self.demo.store(true, Ordering::Relaxed);
        }
        if sort.is_some_and(|it| it == "damaged") {
            self.damaged.call_once(|| complain(word("damaged_log", self.lang())));
        }
    }

    fn wait(&self, attempts: u32, asked: Option<Duration>) -> Duration {
        asked.unwrap_or(self.first_wait * 2u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_WAIT)
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::local(self.lang(), "unreachable", format!("{}: {error}", self.base))
    }
}

/// A list of events, each as it is on record.
#[derive(Debug, Deserialize, Serialize)]
pub struct RawEvents {
    /// Of a demo log the list says so, for the events cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<bool>,
    /// The events.
    pub items: Vec<Box<RawValue>>,
    /// Where more would be.
    pub next: Option<String>,
    /// Where the log ended.
    pub position: Value,
}

/// Whether whoever follows wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// The next one, please.
    On,
    /// No more.
    Enough,
}

enum Streamed {
    Enough,
    Broke(Failure),
}

/// The items of a list's answer: a page has `items`, a list that is always whole is the `value` read.
pub(super) fn items_of(answer: &mut Value) -> Vec<Value> {
    let list = if answer.is_array() {
        Some(answer)
    } else {
        ["items", "value"].into_iter().find(|name| answer[*name].is_array()).map(|name| &mut answer[name])
    };
    match list.map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    }
}

fn read(response: Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    response.into_body().into_with_config().limit(MAX_ANSWER_BYTES).read_to_vec()
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether the same request may fare better in a moment; where nobody listens, the user should know at once.
fn may_mend(error: &ureq::Error) -> bool {
    let refused = matches!(error, ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused);
    let broken = matches!(
        error,
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::BodyStalled
    );
    broken && !refused
}

/// One message of a stream, as far as it has been read.
#[derive(Default)]
struct Message {
    id: String,
    data: Vec<u8>,
}

impl Message {
    /// Takes a line; at the empty line after a message, the message's id and data.
    fn line(&mut self, line: &[u8]) -> Option<(String, Vec<u8>)> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let Message { id, data } = std::mem::take(self);
            return if data.is_empty() { None } else { Some((id, data)) };
        }
        let colon = line.iter().position(|it| *it == b':');
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"id" => self.id = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            // A heartbeat is a comment; `event` and `retry` tell us nothing.
            _ => {}
        }
        None
    }
}
