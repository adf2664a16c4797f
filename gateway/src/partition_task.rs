//! The two threads of a partition: one decides, one writes. Everything else talks to them by messages.
//!
//! While one commit is written, what comes in meanwhile is decided for the next. Where only few are under way, the disk
//! sets the pace: the deciding thread then waits a moment for all of them, so that they share one sync, and writes their
//! commit itself. Handing it over would cost two changes of threads, and nobody would be left to decide for meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linggong_engine::command::Request;
use linggong_engine::partition::{Fault, Input, Output, Partition, Receipt, Ticket};
use linggong_engine::refusal::Refusal;
use linggong_engine::rules::Pack;
use linggong_engine::state::State;
use linggong_events::commit::{Commit, Digest, Head};
use linggong_events::id::{ActorId, CommandId};
use linggong_events::log::{AppendError, EventLog, Resolution};
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::clock::{Clock, Timekeeper};
use crate::identity::Grants;
use crate::space::{Room, Space};

/// How many messages may wait that are no commands: questions, ticks, what the writer tells.
const OTHER_MESSAGES: usize = 1024;
/// How often the writer looks how much space there is, and tries a commit again for which there was none.
const SPACE_EVERY: Duration = Duration::from_millis(200);
/// So many commands are many: deciding as many more takes as long as the disk takes for these.
const MANY: usize = 32;
/// How often, and how long, the deciding thread looks for who is on the way before it goes on without them; less than a
/// sync takes.
const LOOKS: u32 = 64;
const LOOKING: Duration = Duration::from_micros(100);
/// How many messages are taken in, and looked for, before what is decided is written.
const MOST_AT_ONCE: usize = 256;
/// How often an append whose outcome is unknown is asked about before the writer gives up.
const RESOLVE_ATTEMPTS: u32 = 20;

/// Reads a partition at an instant; what it found is sent once it is durable.
type Question = Box<dyn FnOnce(&Partition, Timestamp) -> Found + Send>;
/// What a question found, and the position it rests on.
type Found = (Position, Delivery);
/// Sends what a question found.
type Delivery = Box<dyn FnOnce() + Send>;

enum Message {
    Command(Box<Request>, oneshot::Sender<Result<Receipt, Refusal>>),
    /// A question about what is so, answered between two decisions.
    Ask(Question),
    StorePack(Digest, Arc<Pack>, oneshot::Sender<()>),
    Tick,
    Written(Result<Head, AppendError>),
    /// The commit in flight waits for space.
    NoSpace,
    Stop,
}

/// Talks to a partition.
#[derive(Clone, Debug)]
pub struct PartitionHandle {
    messages: mpsc::Sender<Message>,
    /// A place for each command that may be under way.
    places: Arc<Semaphore>,
    /// The last durable commit.
    pub head: watch::Receiver<Head>,
    /// Who may act as what.
    pub grants: watch::Receiver<Arc<Grants>>,
    /// Why the partition stopped, once it has.
    pub stopped: watch::Receiver<Option<String>>,
    /// How much room the disk has.
    pub room: watch::Receiver<Room>,
    /// Whether the clock is in doubt, so that deadlines wait for an operator.
    pub clock_held: watch::Receiver<bool>,
    /// Why the log is only read, where it is.
    pub read_only: Option<Arc<str>>,
}

/// A place among the commands under way; kept until the answer.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why a command got no answer of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// As many are under way as may be: whoever is let in is answered soon, so others are told at once.
    #[error("too many commands are under way: come back in a moment")]
    Busy,
    /// The disk is full; whether a command that was taken on before that landed shows when its key is sent again.
    #[error("there is no space left to write it down: send the same key again later")]
    NoSpace,
    /// The log is not as it was written: it is read as far as it is sound, and nothing is added to it.
    #[error("the log is damaged and only read until it is repaired: send the same key again then")]
    ReadOnly,
    /// The partition stopped; whether the command landed shows when the same key is sent again.
    #[error("the log does not take commands now: send the same key again later")]
    Stopped,
}

impl PartitionHandle {
    /// A place for one more command, where there is one and it could be written down.
    pub fn enter(&self) -> Result<Place, Unavailable> {
        self.check_writable()?;
        let permit = self.places.clone().try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        Ok(Place { _permit: permit })
    }

    /// Gives a command and waits for its answer.
    pub async fn command(&self, request: Request) -> Result<Result<Receipt, Refusal>, Unavailable> {
        self.command_from(self.enter()?, request).await
    }

    /// Gives a command that has its place already, and waits for its answer.
    pub async fn command_from(
        &self,
        place: Place,
        request: Request,
    ) -> Result<Result<Receipt, Refusal>, Unavailable> {
        self.check_writable()?;
        let (reply, answer) = oneshot::channel();
        self.messages.try_send(Message::Command(Box::new(request), reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopped,
        })?;
        let answered = answer.await.map_err(|_| self.unanswered());
        drop(place);
        answered
    }

    /// Refuses what rests on the whole log where only a part of it can be read.
    pub fn check_whole(&self) -> Result<(), Unavailable> {
        if self.read_only.is_some() { Err(Unavailable::ReadOnly) } else { Ok(()) }
    }

    /// Refuses what would have to be written down where nothing can be.
    pub fn check_writable(&self) -> Result<(), Unavailable> {
        self.check_whole()?;
        match *self.room.borrow() {
            Room::Enough => Ok(()),
            Room::Low | Room::Out => Err(Unavailable::NoSpace),
        }
    }

    /// Why an answer that was waited for does not come.
    fn unanswered(&self) -> Unavailable {
        if self.stopped.borrow().is_some() { Unavailable::Stopped } else { Unavailable::NoSpace }
    }

    /// The receipt of a command, for whoever gave it; it rests on the command's own events and no later ones.
    pub async fn receipt_of(
        &self,
        actor: ActorId,
        command: CommandId,
    ) -> Result<Option<Receipt>, Unavailable> {
        self.ask_resting(move |partition, _| {
            let receipt = partition.receipt_of(actor, command);
            (receipt.map_or(partition.state().last(), |it| it.position), receipt)
        })
        .await
    }

    /// Asks what is so after every decision so far; answered once all of them are durable.
    pub async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Partition, Timestamp) -> A + Send + 'static,
    ) -> Result<A, Unavailable> {
        self.ask_resting(move |partition, now| (partition.state().last(), question(partition, now))).await
    }

    /// Asks what says itself on which event it rests; answered once that is durable.
    async fn ask_resting<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Partition, Timestamp) -> (Position, A) + Send + 'static,
    ) -> Result<A, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let ask = move |partition: &Partition, now: Timestamp| {
            let (rests_on, found) = question(partition, now);
            (rests_on, Box::new(move || drop(reply.send(found))) as Delivery)
        };
        self.messages.try_send(Message::Ask(Box::new(ask))).map_err(|_| Unavailable::Busy)?;
        answer.await.map_err(|_| self.unanswered())
    }

    /// Makes a stored pack known, so that it can be adopted.
    pub async fn store_pack(&self, digest: Digest, pack: Arc<Pack>) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        let message = Message::StorePack(digest, pack, reply);
        self.messages.send(message).await.map_err(|_| Unavailable::Stopped)?;
        answer.await.map_err(|_| Unavailable::Stopped)
    }

    /// Lets time pass: states every fact that is due. Nothing happens where too many messages wait.
    pub fn tick(&self) {
        let _ = self.messages.try_send(Message::Tick);
    }

    /// Finishes what is decided, then stops.
    pub async fn stop(&self) {
        let _ = self.messages.send(Message::Stop).await;
    }
}

/// Starts the threads of a partition that has replayed its log up to `log.head()`, for at most so many commands at
/// once; `at_stop` sees it once more where it stops in order, everything durable.
pub fn start<L: EventLog + 'static>(
    partition: Partition,
    log: L,
    clock: Clock,
    most: usize,
    space: Space,
    at_stop: impl FnOnce(&Partition) + Send + 'static,
) -> std::io::Result<(PartitionHandle, std::thread::JoinHandle<()>)> {
    let (messages, inbox) = mpsc::channel(most + OTHER_MESSAGES);
    let (head, heads) = watch::channel(log.head());
    let (grants, granted) = watch::channel(Arc::new(Grants::of(partition.state())));
    let (stopped, stops) = watch::channel(None);
    let (clock_held, holds) = watch::channel(partition.clock_is_held());
    let (to_writer, commits) = std_mpsc::channel::<Commit>();

    let answers = messages.downgrade();
    let (tell_room, room) = watch::channel(Room::Enough);
    let log = Arc::new(Mutex::new(log));
    let writer = Writer { log: Arc::clone(&log), space, room: tell_room, answers };
    let writer = std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run(&commits))?;
    let places = Arc::new(Semaphore::new(most.max(1)));
    let mut decider = Decider {
        partition,
        log,
        most: most.max(1),
        places: Arc::clone(&places),
        clock,
        timekeeper: Timekeeper::default(),
        waiting: BTreeMap::new(),
        found: VecDeque::new(),
        is_writing: false,
        no_space: false,
        granted: VecDeque::new(),
        next_ticket: 0,
        to_writer,
        head,
        grants,
        clock_held,
    };
    let thread = std::thread::Builder::new().name("partition".into()).spawn(move || {
        let why = decider.run(inbox);
        if let Err(fault) = &why {
            tracing::error!(fault = %crate::chain(fault), "the partition stopped");
        }
        // An orderly stop has time; what stopped by a fault must not vouch for its state.
        if why.is_ok() {
            at_stop(&decider.partition);
        }
        let _ = stopped.send(Some(why.map_or_else(|fault| crate::chain(&fault), |()| "stopped".into())));
        drop(decider);
        let _ = writer.join();
    })?;
    let handle = PartitionHandle {
        messages,
        places,
        head: heads,
        grants: granted,
        stopped: stops,
        room,
        clock_held: holds,
        read_only: None,
    };
    Ok((handle, thread))
}

/// Starts the thread that answers for a partition whose log ends at `head` and is not written to, because of
/// `why`. Nothing happens in it: questions are answered as of its last event, and no time passes.
pub fn start_read_only(
    partition: Partition,
    head: Head,
    clock: Clock,
    why: &str,
) -> std::io::Result<(PartitionHandle, std::thread::JoinHandle<()>)> {
    let (messages, mut inbox) = mpsc::channel(OTHER_MESSAGES);
    let (head, heads) = watch::channel(head);
    let (grants, granted) = watch::channel(Arc::new(Grants::of(partition.state())));
    let (stopped, stops) = watch::channel(None);
    let (held, clock_held) = watch::channel(partition.clock_is_held());
    let (enough, room) = watch::channel(Room::Enough);
    let thread = std::thread::Builder::new().name("partition".into()).spawn(move || {
        // What others watch lives as long as this thread.
        let _told = (head, grants, held, enough);
        while let Some(message) = inbox.blocking_recv() {
            match message {
                Message::Ask(question) => {
                    let now = partition.last_trusted().map_or(clock.now(), |it| it.max(clock.now()));
                    let (_, delivery) = question(&partition, now);
                    delivery();
                }
                // Whoever waits for an answer is told that there is none.
                Message::Command(..) | Message::StorePack(..) => {}
                Message::Tick | Message::Written(_) | Message::NoSpace => {}
                Message::Stop => break,
            }
        }
        stopped.send_replace(Some("stopped".into()));
    })?;
    let handle = PartitionHandle {
        messages,
        places: Arc::new(Semaphore::new(0)),
        head: heads,
        grants: granted,
        stopped: stops,
        room,
        clock_held,
        read_only: Some(why.into()),
    };
    Ok((handle, thread))
}

/// The thread that writes: one commit after the other, and a look at the disk in between.
struct Writer<L> {
    log: Arc<Mutex<L>>,
    space: Space,
    room: watch::Sender<Room>,
    answers: mpsc::WeakSender<Message>,
}

impl<L: EventLog> Writer<L> {
    fn run(mut self, commits: &std_mpsc::Receiver<Commit>) {
        loop {
            match commits.recv_timeout(SPACE_EVERY) {
                Ok(commit) => {
                    let Some(outcome) = self.settle(&commit, commits) else { return };
                    // First who waits is told, then others are let in behind them.
                    if !self.tell(Message::Written(outcome)) {
                        return;
                    }
                    self.look();
                }
                Err(std_mpsc::RecvTimeoutError::Timeout) => self.look(),
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes one commit, however long there is no space for it; `None` where nobody waits for it any more.
    fn settle(
        &mut self,
        commit: &Commit,
        commits: &std_mpsc::Receiver<Commit>,
    ) -> Option<Result<Head, AppendError>> {
        let mut out = false;
        loop {
            // A thread that panicked while it wrote has left nothing to go on from.
            let outcome = write(&mut *self.log.lock().ok()?, commit);
            let Err(AppendError::Full { cause }) = &outcome else { return Some(outcome) };
            if !out {
                tracing::error!(cause = %crate::chain(&**cause), "the disk is full: a commit waits, reads go on");
                self.room.send_replace(Room::Out);
                if !self.tell(Message::NoSpace) {
                    return None;
                }
                out = true;
            }
            match commits.recv_timeout(SPACE_EVERY) {
                Err(std_mpsc::RecvTimeoutError::Timeout) => {}
                // One commit is in flight at a time: the deciding thread is gone.
                Ok(_) | Err(std_mpsc::RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Whether the deciding thread still hears.
    fn tell(&self, message: Message) -> bool {
        self.answers.upgrade().is_some_and(|it| it.blocking_send(message).is_ok())
    }

    fn look(&self) {
        let was = *self.room.borrow();
        // A file system that does not say how full it is shows it when it takes no more.
        let low = self.space.is_low(was != Room::Enough).unwrap_or(false);
        let now = if low { Room::Low } else { Room::Enough };
        if now == was {
            return;
        }
        match now {
            Room::Enough => tracing::info!("there is enough space again: commands are taken on"),
            Room::Low | Room::Out => tracing::error!("the disk is nearly full: commands wait, reads go on"),
        }
        self.room.send_replace(now);
    }
}

/// One append, settled: an outcome that nobody knows is asked about until somebody does.
fn write<L: EventLog>(log: &mut L, commit: &Commit) -> Result<Head, AppendError> {
    let mut outcome = log.append(commit);
    for _ in 0..RESOLVE_ATTEMPTS {
        let Err(AppendError::Unknown { cause }) = outcome else { return outcome };
        tracing::warn!(cause = %cause, "an append has an unknown outcome");
        outcome = match log.resolve(commit)? {
            Resolution::Landed(head) => Ok(head),
            Resolution::Absent => log.append(commit),
            Resolution::Deposed => Err(AppendError::Deposed),
        };
    }
    outcome
}

struct Decider<L> {
    partition: Partition,
    /// Held by whichever thread is writing.
    log: Arc<Mutex<L>>,
    /// How many commands may be under way, and the places that are left.
    most: usize,
    places: Arc<Semaphore>,
    clock: Clock,
    timekeeper: Timekeeper,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Receipt, Refusal>>>,
    /// Answers that rest on what is not durable yet, each with the position it waits for, in order.
    found: VecDeque<Found>,
    /// Whether the writing thread has a commit.
    is_writing: bool,
    /// Whether the commit in flight waits for space: nothing is decided on top of it.
    no_space: bool,
    /// Grants that a commit under way changes, in order of the commits.
    granted: VecDeque<(u64, Arc<Grants>)>,
    next_ticket: u64,
    to_writer: std_mpsc::Sender<Commit>,
    head: watch::Sender<Head>,
    grants: watch::Sender<Arc<Grants>>,
    clock_held: watch::Sender<bool>,
}

/// Why the deciding thread ended.
#[derive(Debug, Error)]
enum Ended {
    #[error("the engine cannot go on")]
    Fault(#[from] Fault),
    #[error("the log took a commit no more")]
    Log(#[from] AppendError),
    #[error("the writer is gone")]
    Writer,
    #[error("there was no space for what was decided last; nobody was told that it is recorded")]
    NoSpace,
}

impl<L: EventLog> Decider<L> {
    fn run(&mut self, mut inbox: mpsc::Receiver<Message>) -> Result<(), Ended> {
        let mut stopping = false;
        while !(stopping && self.partition.is_idle()) {
            let Some(message) = inbox.blocking_recv() else { return Ok(()) };
            stopping |= self.take(message)?;
            stopping |= self.take_what_waits(&mut inbox)?;
            if stopping && self.no_space {
                return Err(Ended::NoSpace);
            }
            self.carry_out()?;
        }
        Ok(())
    }

    /// Takes in what goes into the same commit: what waits already, and what comes in a moment. The disk is not to wait
    /// for many, nor a command for a flood of questions.
    fn take_what_waits(&mut self, inbox: &mut mpsc::Receiver<Message>) -> Result<bool, Ended> {
        let (mut stopping, mut looks, begun) = (false, 0, self.clock.since_start());
        for _ in 0..MOST_AT_ONCE {
            if self.is_writing || self.waiting.len() >= MANY {
                break;
            }
            match inbox.try_recv() {
                Ok(message) => stopping |= self.take(message)?,
                Err(_) if self.more_are_on_the_way() && looks < LOOKS => {
                    looks += 1;
                    // Others may hold the core for long: no number of looks says how much time they take.
                    if self.clock.since_start().saturating_sub(begun) > LOOKING {
                        break;
                    }
                    std::thread::yield_now();
                }
                Err(_) => break,
            }
        }
        Ok(stopping)
    }

    /// Whether something is decided that could be written now, and more will come that would better go with it.
    fn more_are_on_the_way(&self) -> bool {
        let under_way = self.most - self.places.available_permits();
        (1..under_way).contains(&self.waiting.len())
    }

    /// Takes one message in; whether it says to stop.
    fn take(&mut self, message: Message) -> Result<bool, Ended> {
        let now = self.now()?;
        match message {
            // Not looked at: whoever asks is told that there is no space.
            Message::Command(..) | Message::Tick if self.no_space => {}
            Message::Command(request, reply) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.waiting.insert(ticket, reply);
                self.partition.handle(Input::Command(ticket, request), now)?;
            }
            Message::Ask(question) => {
                let (rests_on, delivery) = question(&self.partition, now);
                if rests_on <= self.head.borrow().position {
                    delivery();
                } else if !self.no_space {
                    self.found.push_back((rests_on, delivery));
                }
            }
            Message::StorePack(digest, pack, reply) => {
                self.partition.store_pack(digest, pack);
                let _ = reply.send(());
            }
            Message::Tick => self.partition.handle(Input::Tick, now)?,
            Message::Written(outcome) => {
                (self.no_space, self.is_writing) = (false, false);
                self.durable(outcome?, now)?;
            }
            Message::NoSpace => {
                // What is decided stays so and is written when there is space; until then nobody sees it.
                self.no_space = true;
                self.waiting.clear();
                self.found.clear();
            }
            Message::Stop => return Ok(true),
        }
        Ok(false)
    }

    /// The instant to decide at.
    fn now(&mut self) -> Result<Timestamp, Fault> {
        let was_held = self.partition.clock_is_held();
        self.partition.set_clock_offset(self.clock.offset_ms());
        let (wall, monotonic_ms) = (self.clock.now(), self.clock.monotonic_ms());
        let now = self.timekeeper.instant(wall, monotonic_ms, &mut self.partition)?;
        if self.partition.clock_is_held() && !was_held {
            tracing::error!(%wall, trusted = %now, "the clock is in doubt: deadlines wait for an operator");
        }
        Ok(now)
    }

    /// The log ends at `head` now: what waited for that is said.
    fn durable(&mut self, head: Head, now: Timestamp) -> Result<(), Fault> {
        // Grants go before the head, which wakes whoever looks at them.
        while let Some((_, grants)) = self.granted.pop_front_if(|(commit, _)| *commit <= head.commit) {
            self.grants.send_replace(grants);
        }
        self.head.send_replace(head);
        self.deliver();
        self.partition.handle(Input::Committed, now)
    }

    fn deliver(&mut self) {
        let durable = self.head.borrow().position;
        while let Some((_, delivery)) = self.found.pop_front_if(|(rests_on, _)| *rests_on <= durable) {
            delivery();
        }
    }

    fn carry_out(&mut self) -> Result<(), Ended> {
        let is_held = self.partition.clock_is_held();
        self.clock_held.send_if_modified(|held| std::mem::replace(held, is_held) != is_held);
        while let Some(output) = self.partition.poll_output()? {
            match output {
                Output::Append(commit) => {
                    if grants_changed(&commit) {
                        let grants = Arc::new(Grants::of(self.partition.state()));
                        self.granted.push_back((commit.header().commit, grants));
                    }
                    self.append(commit)?;
                }
                Output::Reply(ticket, answer) => {
                    if let Some(reply) = self.waiting.remove(&ticket) {
                        let _ = reply.send(answer);
                    }
                }
            }
        }
        Ok(())
    }

    /// Has a commit written: here where only few wait for it, else by the writing thread.
    fn append(&mut self, commit: Commit) -> Result<(), Ended> {
        if self.waiting.len().max(commit.header().count as usize) >= MANY {
            return self.hand_over(commit);
        }
        // Nothing is in flight, so nobody else holds the log.
        let outcome = write(&mut *self.log.lock().map_err(|_| Ended::Writer)?, &commit);
        match outcome {
            Ok(head) => {
                let now = self.now()?;
                Ok(self.durable(head, now)?)
            }
            // Waiting for space is the writing thread's.
            Err(AppendError::Full { .. }) => self.hand_over(commit),
            Err(error) => Err(error.into()),
        }
    }

    fn hand_over(&mut self, commit: Commit) -> Result<(), Ended> {
        self.is_writing = true;
        self.to_writer.send(commit).map_err(|_| Ended::Writer)
    }
}

/// Whether a commit grants or revokes a role, told from the types of its lines. The type is the fourth attribute: what
/// comes before it is ids and the name of the log, which hold no quotes. A line of another form may be anything.
fn grants_changed(commit: &Commit) -> bool {
    const QUOTES_BEFORE: usize = 13;
    let changes = [&b"cn.linggong.office.role_granted."[..], b"cn.linggong.office.role_revoked."];
    commit.lines().any(|line| {
        let mut between_quotes = line.split(|it| *it == b'"').skip(QUOTES_BEFORE);
        between_quotes.next() != Some(b"type")
            || between_quotes.nth(1).is_none_or(|it| changes.iter().any(|change| it.starts_with(change)))
    })
}

/// Whether a state has any event at all.
pub fn is_new(state: &State) -> bool {
    state.last().0 == 0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use linggong_engine::command::{About, Command};
    use linggong_engine::pack::DEFAULT_PACKS;
    use linggong_events::log::Author;
    use linggong_events::log::embedded::{EmbeddedLog, EmbeddedReader};
    use linggong_events::office::Role;
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::packs::PackStore;
    use crate::serve::{Founding, Opened, founder_id, founding_office, open_log};

    /// A log that appends only when it is let.
    struct Held {
        log: EmbeddedLog,
        let_go: std_mpsc::Receiver<()>,
    }

    impl EventLog for Held {
        type Reader = EmbeddedReader;

        fn head(&self) -> Head {
            self.log.head()
        }

        fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
            let _ = self.let_go.recv();
            self.log.append(commit)
        }

        fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError> {
            self.log.resolve(commit)
        }

        fn reader(&self) -> EmbeddedReader {
            self.log.reader()
        }
    }

    /// A log on a disk that somebody else may have filled.
    struct Crowded {
        log: EmbeddedLog,
        full: Arc<AtomicBool>,
    }

    impl EventLog for Crowded {
        type Reader = EmbeddedReader;

        fn head(&self) -> Head {
            self.log.head()
        }

        fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
            if self.full.load(Ordering::Relaxed) {
                return Err(AppendError::Full { cause: "no space".into() });
            }
            self.log.append(commit)
        }

        fn resolve(&mut self, commit: &Commit) -> Result<Resolution, AppendError> {
            self.log.resolve(commit)
        }

        fn reader(&self) -> EmbeddedReader {
            self.log.reader()
        }
    }

    #[test]
    fn a_commit_that_grants_or_revokes_is_told_from_any_other_by_the_types_of_its_lines() {
        let changes = |types: &[&str]| {
            let author = Author { log: "lg-37".into(), partition: 0, software: "0".into() };
            let head = Head { commit: 1, epoch: 1, ..Head::EMPTY };
            let line = |it: &&str| {
                format!(
                    r#"{{"specversion":"1.0","id":"1","source":"/l/0","type":"cn.linggong.{it}.v1","data":{{}}}}"#
                )
            };
            let lines: Vec<Vec<u8>> = types.iter().map(|it| line(it).into_bytes()).collect();
            grants_changed(&author.commit(&head, 0, &lines).unwrap())
        };
        assert!(changes(&["claim.closed", "office.role_granted"]) && changes(&["office.role_revoked"]));
        assert!(!changes(&["office.registered", "claim.closed", "office.role_proposed"]) && !changes(&[]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_decision_without_space_is_seen_by_nobody_and_lands_under_its_key_when_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        let packs = PackStore::open(config.data.join("packs")).unwrap();
        for (_, kind, text) in DEFAULT_PACKS {
            packs.store(*kind, Digest::of(text.as_bytes()), text.as_bytes()).unwrap();
        }
        let clock = Clock::driven("2026-11-23T04:50:00+08:00".parse().unwrap());
        let Opened { log, partition, .. } =
            open_log(&config, &packs, &clock, &Founding::staffed(&config)).unwrap();
        let full = Arc::new(AtomicBool::new(true));
        let space = Space { folder: config.data.clone(), reserve_bytes: 0 };
        let log = Crowded { log, full: Arc::clone(&full) };
        let (handle, thread) = start(partition, log, clock.clone(), 16, space, |_| ()).unwrap();
        let durable = handle.head.borrow().position;
        let founder = |label| founder_id(&config.log, label);
        let actor = handle.grants.borrow().actor(founder("keeper1"), Some(Role::Keeper), None).unwrap();
        let body = json!({ "office": founding_office(&config.log, "office"), "holder": founder("gate"),
                           "role": "gate", "reason": "离岗" });
        let key = clock.new_key();
        let request = || Request {
            key,
            digest: "d".into(),
            actor: actor.clone(),
            about: About::default(),
            received_at: clock.now(),
            command: Command::decode("office.revoke_role", body.clone()).unwrap(),
        };

        assert_eq!(handle.command(request()).await, Err(Unavailable::NoSpace));
        assert_eq!(*handle.room.borrow(), Room::Out);
        assert_eq!(handle.command(request()).await, Err(Unavailable::NoSpace), "nothing more is taken on");
        let seen = handle.ask(|it, _| it.state().last()).await;
        assert_eq!(seen, Err(Unavailable::NoSpace), "what is not recorded is not told");
        assert!(handle.grants.borrow().actor(founder("gate"), Some(Role::Gate), None).is_ok());
        assert_eq!(handle.head.borrow().position, durable);

        full.store(false, Ordering::Relaxed);
        let mut room = handle.room.clone();
        room.wait_for(|it| *it == Room::Enough).await.unwrap();
        let receipt = handle.command(request()).await.unwrap().unwrap();
        assert_eq!(receipt.position, durable.next(), "written once, as it was decided");
        assert_eq!(handle.receipt_of(actor.id, receipt.command).await.unwrap(), Some(receipt));
        handle.stop().await;
        thread.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_on_a_full_disk_does_not_wait_for_space() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        let packs = PackStore::open(config.data.join("packs")).unwrap();
        for (_, kind, text) in DEFAULT_PACKS {
            packs.store(*kind, Digest::of(text.as_bytes()), text.as_bytes()).unwrap();
        }
        let clock = Clock::driven("2026-11-23T04:50:00+08:00".parse().unwrap());
        let Opened { log, partition, .. } =
            open_log(&config, &packs, &clock, &Founding::staffed(&config)).unwrap();
        let space = Space { folder: config.data.clone(), reserve_bytes: 0 };
        let log = Crowded { log, full: Arc::new(AtomicBool::new(true)) };
        let (handle, thread) = start(partition, log, clock.clone(), 16, space, |_| ()).unwrap();
        let founder = |label| founder_id(&config.log, label);
        let body = json!({ "office": founding_office(&config.log, "office"), "holder": founder("gate"),
                           "role": "gate", "reason": "离岗" });
        let request = Request {
            key: clock.new_key(),
            digest: "d".into(),
            actor: handle.grants.borrow().actor(founder("keeper1"), Some(Role::Keeper), None).unwrap(),
            about: About::default(),
            received_at: clock.now(),
            command: Command::decode("office.revoke_role", body).unwrap(),
        };
        assert_eq!(handle.command(request).await, Err(Unavailable::NoSpace));
        handle.stop().await;
        thread.join().unwrap();
        assert!(handle.stopped.borrow().as_ref().is_some_and(|why| why.contains("no space")));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn neither_an_answer_nor_a_grant_gets_ahead_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        let packs = PackStore::open(config.data.join("packs")).unwrap();
        for (_, kind, text) in DEFAULT_PACKS {
            packs.store(*kind, Digest::of(text.as_bytes()), text.as_bytes()).unwrap();
        }
        let clock = Clock::driven("2026-11-23T04:50:00+08:00".parse().unwrap());
        let Opened { log, partition, .. } =
            open_log(&config, &packs, &clock, &Founding::staffed(&config)).unwrap();
        let (go, let_go) = std_mpsc::channel();
        let space = Space { folder: config.data.clone(), reserve_bytes: 0 };
        let (handle, thread) =
            start(partition, Held { log, let_go }, clock.clone(), 16, space, |_| ()).unwrap();
        let founder = |label| founder_id(&config.log, label);
        let durable = handle.head.borrow().position;
        assert_eq!(handle.ask(|it, _| it.state().last()).await, Ok(durable), "at once, for it is durable");

        let body = json!({ "office": founding_office(&config.log, "office"), "holder": founder("gate"),
                           "role": "gate", "reason": "离岗" });
        let request = Request {
            key: clock.new_key(),
            digest: "d".into(),
            actor: handle.grants.borrow().actor(founder("keeper1"), Some(Role::Keeper), None).unwrap(),
            about: About::default(),
            received_at: clock.now(),
            command: Command::decode("office.revoke_role", body).unwrap(),
        };
        let given = tokio::spawn({
            let handle = handle.clone();
            async move { handle.command(request).await }
        });
        // The question comes after the decision, which a held log keeps from being durable.
        let asked = loop {
            let mut asked = Box::pin(handle.ask(|it, _| it.state().last()));
            match tokio::time::timeout(Duration::from_millis(100), &mut asked).await {
                Ok(found) => assert_eq!(found, Ok(durable), "what is told is written"),
                Err(_) => break asked,
            }
        };
        assert!(
            handle.grants.borrow().actor(founder("gate"), Some(Role::Gate), None).is_ok(),
            "not taken back yet"
        );
        go.send(()).unwrap();
        let found = asked.await.unwrap();
        assert!(found > durable && found <= handle.head.borrow().position);
        assert!(handle.grants.borrow().actor(founder("gate"), Some(Role::Gate), None).is_err());
        given.await.unwrap().unwrap().unwrap();
        handle.stop().await;
        drop(handle);
        thread.join().unwrap();
    }
}
