//! The log in a stream of a NATS server: one stream for a partition, one message for a commit.
//!
//! Message n of the stream is commit n, and its payload is the commit's own bytes. Each is sent with the sequence
//! number after which it must come, and only when the one before has been answered: with more than one on the way
//! that number fences nothing, because the second of a deposed writer may fit behind the first of its successor.
//!
//! What nobody answered for is read back. A message carries an id that only this writer gives to these bytes, so its
//! own late copy is told from the same bytes of another, such as the epoch records of two that take over at once.
//!
//! A server that finds a damaged block forgets what follows and gives the same numbers out again: the numbers prove
//! nothing, the chain of hashes does. It is checked from commit 1 whenever the log is opened.

mod link;
mod stream;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use thiserror::Error;

use self::link::{Link, Stored};
use super::{AppendError, Cause, EventLog, LogReader, ReadError, Resolution, is_last};
use crate::commit::{Commit, Head};
use crate::measure::Position;

pub use stream::{Durability, MIN_SERVER, commit_subject, epoch_subject, stream_name};

/// How many messages are asked for at once when the log is read.
const WINDOW: u64 = 64;
/// How long after an answer that failed the server is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// What the server says where the stream has reached its size, or the account or the server theirs.
const FULL: [u64; 4] = [10_077, 10_023, 10_047, 10_002];

/// Where the log is and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server, `nats://127.0.0.1:4222`, without a name or a password.
    pub url: String,
    /// The file with the credentials, where the server asks for them.
    pub credentials: Option<PathBuf>,
    /// The monitoring address of the same server, `127.0.0.1:8222`, by which its syncing is seen.
    pub monitor: Option<String>,
    /// The partition.
    pub partition: u16,
    /// To how many bytes the stream may grow.
    pub max_bytes: i64,
    /// On how many servers of a cluster it is kept.
    pub replicas: usize,
    /// How long one answer is waited for.
    pub answer_within: Duration,
    /// How often an unknown outcome is asked about before the writer gives up.
    pub settle_attempts: u32,
    /// A position that somebody has seen: a log that ends before it has lost something and is not opened.
    pub known: Position,
}

impl Options {
    /// The log of `partition` on the server at `url`, with the settings of a single server.
    pub fn at(url: &str, partition: u16) -> Options {
        Options {
            url: url.to_owned(),
            credentials: None,
            monitor: None,
            partition,
            max_bytes: 64 << 30,
            replicas: 1,
            answer_within: Duration::from_secs(3),
            settle_attempts: 400,
            known: Position(0),
        }
    }
}

/// Why a log was not opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL holds a password or a token, which would be told wherever settings are.
    #[error("the URL of the NATS server holds a secret; name a file with the credentials instead")]
    SecretInUrl,
    /// The server does not answer, or answers with an error.
    #[error("the NATS server cannot be used")]
    Server {
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The server is older than one that keeps what it acknowledged.
    #[error(
        "the NATS server is version {found}; a ledger needs {}.{}.{} or newer",
        MIN_SERVER.0, MIN_SERVER.1, MIN_SERVER.2
    )]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The server takes no message as large as a commit may be.
    #[error("the NATS server takes messages of at most {found} bytes; set `max_payload` to {needed} or more")]
    SmallPayload {
        /// What it takes.
        found: usize,
        /// What is needed.
        needed: usize,
    },
    /// The monitoring address does not tell.
    #[error("the monitoring address of the NATS server does not tell how it syncs")]
    Monitor {
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The monitoring address is that of another server.
    #[error("the monitoring address is that of another NATS server than the one in use")]
    OtherServer,
    /// The server acknowledges what is not yet on the disk.
    #[error(
        "the NATS server acknowledges before it syncs; set `sync_interval: always` in its `jetstream` section \
         and restart it"
    )]
    NotSynced,
    /// There is no such stream.
    #[error("there is no stream `{stream}`")]
    Missing {
        /// Its name.
        stream: String,
    },
    /// A log was to be created where there is one.
    #[error("there is a stream `{stream}` already")]
    Exists {
        /// Its name.
        stream: String,
    },
    /// The stream is not set up as the log needs it.
    #[error("the stream `{stream}` is set up otherwise than the log needs: {}", join(fields))]
    Drift {
        /// Its name.
        stream: String,
        /// Each setting that differs, as the server names it.
        fields: BTreeSet<String>,
    },
    /// Messages are missing from the stream.
    #[error("the stream `{stream}` holds {messages} messages from {first} to {last}, not every one from 1")]
    Holes {
        /// Its name.
        stream: String,
        /// How many it holds.
        messages: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A commit is not as it was written, or cannot be read.
    #[error("commit {commit} of the stream is not sound")]
    Commit {
        /// The first such commit.
        commit: u64,
        /// What is wrong.
        #[source]
        cause: ReadError,
    },
    /// The log ends before an event that somebody has seen.
    #[error("the log ends with position {found}, but position {known} was seen")]
    Forgotten {
        /// Where it ends.
        found: Position,
        /// What was seen.
        known: Position,
    },
}

impl OpenError {
    /// Whether the log is there but not as it was written.
    pub const fn is_loss(&self) -> bool {
        match self {
            OpenError::Commit { cause: ReadError::Damaged { .. }, .. }
            | OpenError::Holes { .. }
            | OpenError::Forgotten { .. } => true,
            OpenError::Commit { cause: ReadError::Store { .. }, .. }
            | OpenError::SecretInUrl
            | OpenError::Server { .. }
            | OpenError::TooOld { .. }
            | OpenError::SmallPayload { .. }
            | OpenError::Monitor { .. }
            | OpenError::OtherServer
            | OpenError::NotSynced
            | OpenError::Missing { .. }
            | OpenError::Exists { .. }
            | OpenError::Drift { .. } => false,
        }
    }
}

fn join(fields: &BTreeSet<String>) -> String {
    fields.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The writer of a log in a stream.
///
/// Several may be open at once: the one that took over last writes, any other learns with its next append that it is
/// finished.
#[derive(Debug)]
pub struct JetStreamLog {
    reader: JetStreamReader,
    options: Options,
    durability: Durability,
    over: Option<Over>,
    #[cfg(any(test, feature = "conformance"))]
    unfenced: bool,
}

/// Why a writer is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Deposed,
    Poisoned,
}

impl JetStreamLog {
    /// Makes an empty log; its first commit must be a genesis.
    pub fn create(options: Options) -> Result<JetStreamLog, OpenError> {
        let (link, durability) = stream::connect(&options)?;
        let wanted = stream::wanted(&options);
        match link.stream_info().map_err(server)? {
            Some(_) => return Err(OpenError::Exists { stream: link.name().to_owned() }),
            None => link.create(wanted).map_err(server)?,
        }
        JetStreamLog::over(link, options, durability)
    }

    /// Opens the log for writing, and checks every commit of it. Refuses one whose stream has been set up
    /// otherwise, is damaged, or ends before what is known.
    pub fn open(options: Options) -> Result<JetStreamLog, OpenError> {
        let (link, durability) = stream::connect(&options)?;
        JetStreamLog::over(link, options, durability)
    }

    /// Whether what the server acknowledges is known to be on its disk.
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// Sends what follows without the number after which it must come, to show what that number is good for.
    #[cfg(any(test, feature = "conformance"))]
    pub const fn without_fence(&mut self) {
        self.unfenced = true;
    }

    fn over(link: Link, options: Options, durability: Durability) -> Result<JetStreamLog, OpenError> {
        let stream = link.name().to_owned();
        let info = link.stream_info().map_err(server)?;
        let Some(info) = info else { return Err(OpenError::Missing { stream }) };
        let fields = stream::drift(&stream::wanted(&options), &info.config);
        if !fields.is_empty() {
            return Err(OpenError::Drift { stream, fields });
        }
        let (messages, first, last) =
            (info.state.messages, info.state.first_sequence, info.state.last_sequence);
        if messages != last || (last > 0 && first != 1) {
            return Err(OpenError::Holes { stream, messages, first, last });
        }
        let shared = Shared { link, index: RwLock::new(Index { head: Head::EMPTY, firsts: Vec::new() }) };
        let reader = JetStreamReader(Arc::new(shared));
        let mut index = Index { head: Head::EMPTY, firsts: Vec::new() };
        for commit in Reading::new(reader.clone(), 1, last) {
            let nth = index.head.commit + 1;
            let commit = commit.map_err(|cause| OpenError::Commit { commit: nth, cause })?;
            let next = index.head.after(&commit);
            let next =
                next.map_err(|cause| OpenError::Commit { commit: nth, cause: damaged(cause.into()) })?;
            index.push(&commit, next);
        }
        let found = index.head.position;
        if found < options.known {
            return Err(OpenError::Forgotten { found, known: options.known });
        }
        *reader.index_mut() = index;
        Ok(JetStreamLog {
            reader,
            options,
            durability,
            over: None,
            #[cfg(any(test, feature = "conformance"))]
            unfenced: false,
        })
    }

    fn link(&self) -> &Link {
        &self.reader.0.link
    }

    fn still_writes(&self) -> Result<(), AppendError> {
        match self.over {
            None => Ok(()),
            Some(Over::Deposed) => Err(AppendError::Deposed),
            Some(Over::Poisoned) => Err(AppendError::Poisoned { cause: "an earlier append failed".into() }),
        }
    }

    fn depose(&mut self) -> AppendError {
        self.over = Some(Over::Deposed);
        AppendError::Deposed
    }

    fn poison(&mut self, cause: Cause) -> AppendError {
        self.over = Some(Over::Poisoned);
        AppendError::Poisoned { cause }
    }

    /// Takes it into account that `commit` is in the stream.
    fn landed(&mut self, commit: &Commit, next: Head) -> Head {
        self.reader.index_mut().push(commit, next);
        next
    }

    /// The number after which the next message must come.
    const fn expected(&self, head: &Head) -> Option<u64> {
        #[cfg(any(test, feature = "conformance"))]
        if self.unfenced {
            return None;
        }
        Some(head.commit)
    }

    /// Who wrote the message in the place of `commit`, asked of the server that leads the stream.
    fn look(&mut self, commit: &Commit, next: Head) -> Result<Resolution, AppendError> {
        let unknown = |cause| AppendError::Unknown { cause };
        let info = self.link().stream_info().map_err(unknown)?;
        let Some(info) = info else { return Err(self.poison("the stream is gone".into())) };
        let last = info.state.last_sequence;
        if last + 1 == next.commit {
            return Ok(Resolution::Absent);
        }
        if last < next.commit {
            return Err(self.poison(format!("the stream went back to message {last}").into()));
        }
        let Some(stored) = self.link().stored(next.commit).map_err(unknown)? else {
            return Err(self.poison(format!("the stream lost message {}", next.commit).into()));
        };
        let own = stored.payload == commit.bytes() && stored.id.as_deref() == Some(&self.link().id(commit));
        if own && last == next.commit {
            return Ok(Resolution::Landed(self.landed(commit, next)));
        }
        self.over = Some(Over::Deposed);
        Ok(Resolution::Deposed)
    }

    /// As [`JetStreamLog::look`], again and again until the server answers or it was asked often enough.
    fn settle(&mut self, commit: &Commit, next: Head) -> Result<Resolution, AppendError> {
        let mut attempts = 1;
        loop {
            match self.look(commit, next) {
                Err(AppendError::Unknown { .. }) if attempts < self.options.settle_attempts => {
                    attempts += 1;
                    std::thread::sleep(PAUSE);
                }
                settled => return settled,
            }
        }
    }

    /// What a refused or unanswered message means.
    fn refused(&mut self, commit: &Commit, next: Head, error: PublishError) -> Result<Head, AppendError> {
        if error.kind() == PublishErrorKind::WrongLastSequence {
            return match self.look(commit, next)? {
                Resolution::Landed(head) => Ok(head),
                Resolution::Absent => Err(AppendError::Unknown { cause: error.into() }),
                Resolution::Deposed => Err(self.depose()),
            };
        }
        let code = std::error::Error::source(&error)
            .and_then(|it| it.downcast_ref::<async_nats::jetstream::Error>())
            .map(async_nats::jetstream::Error::error_code);
        if code.is_some_and(|it| FULL.map(ErrorCode).contains(&it)) {
            return Err(AppendError::Full { cause: error.into() });
        }
        Err(AppendError::Unknown { cause: error.into() })
    }
}

impl EventLog for JetStreamLog {
    type Reader = JetStreamReader;

    fn head(&self) -> Head {
        self.reader.head()
    }

    fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
        self.still_writes()?;
        let head = self.head();
        if is_last(&head, commit) {
            return Ok(head);
        }
        let next = head.after(commit).map_err(AppendError::NotNext)?;
        let answer = self.link().publish(commit, next.epoch > head.epoch, self.expected(&head));
        match answer.map_err(|cause| AppendError::Unknown { cause })? {
            Ok(sequence) if sequence == next.commit => Ok(self.landed(commit, next)),
            Ok(sequence) => Err(self.poison(format!("the server put the commit at {sequence}").into())),
            Err(error) => self.refused(commit, next, error),
        }
    }

    fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError> {
        self.still_writes()?;
        let head = self.head();
        if is_last(&head, commit) {
            return Ok(Resolution::Landed(head));
        }
        match head.after(commit) {
            Ok(next) => self.settle(commit, next),
            Err(_) => Ok(Resolution::Deposed),
        }
    }

    fn reader(&self) -> JetStreamReader {
        self.reader.clone()
    }
}

/// Reads what one writer has opened and appended; clones share the connection.
#[derive(Clone, Debug)]
pub struct JetStreamReader(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    link: Link,
    index: RwLock<Index>,
}

/// What is known of the stream without asking.
#[derive(Debug)]
struct Index {
    head: Head,
    /// The first position of each commit.
    firsts: Vec<u64>,
}

impl Index {
    fn push(&mut self, commit: &Commit, head: Head) {
        self.firsts.push(commit.header().first);
        self.head = head;
    }
}

impl JetStreamReader {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // Head and list change together, without a step that can panic between.
        self.0.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commit `number`, which is in the log.
    fn commit(&self, number: u64) -> Result<Commit, ReadError> {
        let stored = self.0.link.stored(number).map_err(|cause| ReadError::Store { cause })?;
        sound(number, stored)
    }
}

impl LogReader for JetStreamReader {
    fn head(&self) -> Head {
        self.index().head
    }

    fn commits(&self, from: u64) -> impl Iterator<Item = Result<Commit, ReadError>> + Send {
        Reading::new(self.clone(), from, self.head().commit)
    }

    fn commit_of(&self, position: Position) -> Result<Option<Commit>, ReadError> {
        let index = self.index();
        if position > index.head.position {
            return Ok(None);
        }
        // Of several commits with the same first position only the last one holds it: the others are empty.
        let number = index.firsts.partition_point(|first| *first <= position.0);
        drop(index);
        if number == 0 {
            return Ok(None);
        }
        let commit = self.commit(number as u64)?;
        Ok(Some(commit).filter(|it| it.line_at(position).is_some()))
    }
}

/// Commits on their way from the server, a window ahead of who reads them.
struct Reading {
    reader: JetStreamReader,
    /// The next commit to be handed out, and the last.
    next: u64,
    last: u64,
    here: std::vec::IntoIter<Result<Option<Stored>, Cause>>,
    coming: Option<link::Window>,
    before: Option<Commit>,
}

impl Reading {
    fn new(reader: JetStreamReader, from: u64, last: u64) -> Reading {
        let next = from.max(1);
        let mut reading =
            Reading { reader, next, last, here: Vec::new().into_iter(), coming: None, before: None };
        reading.coming = reading.ask(next);
        reading
    }

    fn ask(&self, from: u64) -> Option<link::Window> {
        let until = self.last.min(from.saturating_add(WINDOW - 1));
        (from <= until).then(|| self.reader.0.link.window(from..=until))
    }

    fn take(&mut self) -> Result<Commit, ReadError> {
        if self.here.len() == 0
            && let Some(window) = self.coming.take()
        {
            let arrived = window.wait().map_err(|cause| ReadError::Store { cause })?;
            self.coming = self.ask(self.next + arrived.len() as u64);
            self.here = arrived.into_iter();
        }
        let stored = self.here.next().unwrap_or(Ok(None)).map_err(|cause| ReadError::Store { cause })?;
        let commit = sound(self.next, stored)?;
        if self.before.as_ref().is_some_and(|it| it.digest() != commit.header().prev) {
            return Err(damaged(format!("commit {} does not follow the one before", self.next).into()));
        }
        self.before = Some(commit.clone());
        Ok(commit)
    }
}

impl Iterator for Reading {
    type Item = Result<Commit, ReadError>;

    fn next(&mut self) -> Option<Result<Commit, ReadError>> {
        if self.next > self.last {
            return None;
        }
        let taken = self.take();
        // Nothing that stands behind what cannot be read is handed out.
        self.next = if taken.is_ok() { self.next + 1 } else { u64::MAX };
        self.last = if taken.is_ok() { self.last } else { 0 };
        Some(taken)
    }
}

/// The commit in a message, if it is that of its place.
fn sound(number: u64, stored: Option<Stored>) -> Result<Commit, ReadError> {
    let stored = stored.ok_or_else(|| damaged(format!("message {number} is missing").into()))?;
    let commit = Commit::parse(stored.payload).map_err(|cause| damaged(cause.into()))?;
    if commit.header().commit != number {
        let found = commit.header().commit;
        return Err(damaged(format!("message {number} holds commit {found}").into()));
    }
    Ok(commit)
}

fn damaged(cause: Cause) -> ReadError {
    ReadError::Damaged { cause }
}

fn server(cause: Cause) -> OpenError {
    OpenError::Server { cause }
}
