//! The connections behind the routes: how many, how long each may take, and how they end.
//!
//! A connection waits, for the head of its first or next request, or it is busy, from that head until the last
//! frame of the answer was taken. When there are as many as may be, whoever waited longest makes room for
//! whoever comes; who is busy is never hung up on for another.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::Config;

/// After how long without a word the other side is asked whether it is still there, and how often.
const ASKED_AFTER: Duration = Duration::from_secs(60);
const ASKED_EVERY: Duration = Duration::from_secs(15);
const ASKED_TIMES: u32 = 4;

/// How long nothing is taken in after the system had no socket to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(200);

/// What a connection may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    most: usize,
    head: Duration,
    head_bytes: usize,
    head_fields: usize,
    untaken: Duration,
}

impl From<&Config> for ConnectionLimits {
    fn from(config: &Config) -> ConnectionLimits {
        ConnectionLimits {
            most: config.connections.max(1),
            head: Duration::from_secs(config.header_seconds.max(1)),
            head_bytes: config.header_bytes,
            head_fields: config.header_count,
            untaken: Duration::from_secs(config.untaken_seconds.max(1)),
        }
    }
}

/// Serves until `stopping`; then those who wait are hung up on, and those who are busy finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) {
    let (room, waiting) = (Arc::new(Semaphore::new(limits.most)), Arc::new(Waiting::default()));
    let mut connections = JoinSet::new();
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopping.changed() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_theirs(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "the system gives no socket");
                waiting.hang_up_on_the_first();
                tokio::time::sleep(OUT_OF_SOCKETS).await;
                continue;
            }
        };
        let place = tokio::select! {
            place = place(&room, &waiting) => place,
            _ = stopping.changed() => break,
        };
        if let Err(error) = tune(&stream, limits.untaken) {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        let (router, waiting, stopping) = (router.clone(), waiting.clone(), stopping.clone());
        connections.spawn(async move {
            let line = Arc::new(Line::default());
            attend(stream, router, limits, &waiting, &line, stopping).await;
            waiting.forget(&line);
            drop::<OwnedSemaphorePermit>(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A place among the connections, freed by whoever waited longest where there is none.
async fn place(room: &Arc<Semaphore>, waiting: &Waiting) -> OwnedSemaphorePermit {
    loop {
        if let Ok(place) = room.clone().try_acquire_owned() {
            return place;
        }
        let changed = waiting.changed.notified();
        waiting.hang_up_on_the_first();
        tokio::select! {
            Ok(place) = room.clone().acquire_owned() => return place,
            () = changed => {}
        }
    }
}

/// One connection from its first byte to its last.
async fn attend(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    waiting: &Arc<Waiting>,
    line: &Arc<Line>,
    mut stopping: watch::Receiver<bool>,
) {
    waiting.enter(line);
    let (routes, held) = (TowerToHyperService::new(router), (waiting.clone(), line.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = Busy::new(&held.0, &held.1);
        let answer = routes.call(request.map(Body::new));
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| Answering { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(limits.head_bytes)
        .max_headers(limits.head_fields)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %crate::chain(&error), "a connection broke off");
                }
                return;
            }
            _ = stopping.wait_for(|it| *it), if !told => {
                if line.waits() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                told = true;
            }
            () = line.hang_up.notified() => {
                if line.waits() {
                    return;
                }
                // The request came first: another has to make room.
                waiting.changed.notify_one();
            }
        }
    }
}

/// Small answers leave at once; who is gone, or takes nothing, is noticed.
fn tune(stream: &TcpStream, untaken: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let asked = TcpKeepalive::new().with_time(ASKED_AFTER).with_interval(ASKED_EVERY);
    socket.set_tcp_keepalive(&asked.with_retries(ASKED_TIMES))?;
    socket.set_tcp_user_timeout(Some(untaken))
}

/// Whether it was the other side that went away before it was taken in.
fn is_theirs(error: &io::Error) -> bool {
    let theirs = [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::Interrupted,
    ];
    theirs.contains(&error.kind())
}

/// One connection, as the others see it.
#[derive(Debug, Default)]
struct Line {
    /// Since when it waits, as a number that grows; 0 while it is busy.
    turn: AtomicU64,
    hang_up: Notify,
}

impl Line {
    fn waits(&self) -> bool {
        self.turn.load(Ordering::Acquire) != 0
    }
}

/// The connections that wait, longest first.
#[derive(Debug, Default)]
struct Waiting {
    turns: Mutex<Turns>,
    /// Told when there may be another to hang up on.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Turns {
    last: u64,
    lines: BTreeMap<u64, Arc<Line>>,
}

impl Waiting {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, line: &Arc<Line>) {
        let mut turns = self.turns();
        turns.last += 1;
        let turn = turns.last;
        turns.lines.insert(turn, line.clone());
        line.turn.store(turn, Ordering::Release);
        self.changed.notify_one();
    }

    fn forget(&self, line: &Line) {
        let mut turns = self.turns();
        let turn = line.turn.swap(0, Ordering::AcqRel);
        turns.lines.remove(&turn);
    }

    fn hang_up_on_the_first(&self) {
        if let Some((_, line)) = self.turns().lines.pop_first() {
            line.hang_up.notify_one();
        }
    }
}

/// A request under way; over when dropped.
struct Busy {
    waiting: Arc<Waiting>,
    line: Arc<Line>,
}

impl Busy {
    fn new(waiting: &Arc<Waiting>, line: &Arc<Line>) -> Busy {
        waiting.forget(line);
        Busy { waiting: waiting.clone(), line: line.clone() }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.waiting.enter(&self.line);
    }
}

/// The body of an answer, which keeps its connection busy until its last frame.
struct Answering {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
