//! The two threads of a partition: one decides, one writes. Everything else talks to them by messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;

use linggong_engine::command::Request;
use linggong_engine::partition::{Fault, Input, Output, Partition, Receipt, Ticket};
use linggong_engine::refusal::Refusal;
use linggong_engine::rules::Pack;
use linggong_engine::state::State;
use linggong_events::commit::{Commit, Digest, Head};
use linggong_events::event::Event;
use linggong_events::log::{AppendError, EventLog, Resolution};
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Clock, Timekeeper};
use crate::identity::Grants;

/// How often an append whose outcome is unknown is asked about before the writer gives up.
const RESOLVE_ATTEMPTS: u32 = 20;

/// Reads a partition at an instant; what it found is sent once it is durable.
type Question = Box<dyn FnOnce(&Partition, Timestamp) -> Delivery + Send>;
/// Sends what a question found.
type Delivery = Box<dyn FnOnce() + Send>;

enum Message {
    Command(Box<Request>, oneshot::Sender<Result<Receipt, Refusal>>),
    /// A question about what is so, answered between two decisions.
    Ask(Question),
    StorePack(Digest, Arc<Pack>, oneshot::Sender<()>),
    Tick,
    Written(Result<Head, AppendError>),
    Stop,
}

/// Talks to a partition.
#[derive(Clone, Debug)]
pub struct PartitionHandle {
    messages: mpsc::Sender<Message>,
    /// The last durable commit.
    pub head: watch::Receiver<Head>,
    /// Who may act as what.
    pub grants: watch::Receiver<Arc<Grants>>,
    /// Why the partition stopped, once it has.
    pub stopped: watch::Receiver<Option<String>>,
}

/// Why a command got no answer of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// Too many wait already.
    #[error("too many commands wait: come back in a moment")]
    Busy,
    /// The partition stopped; whether the command landed shows when the same key is sent again.
    #[error("the log does not take commands now: send the same key again later")]
    Stopped,
}

impl PartitionHandle {
    /// Gives a command and waits for its answer.
    pub async fn command(&self, request: Request) -> Result<Result<Receipt, Refusal>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.messages.try_send(Message::Command(Box::new(request), reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopped,
        })?;
        answer.await.map_err(|_| Unavailable::Stopped)
    }

    /// Asks what is so after every decision so far; answered once all of them are durable.
    pub async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Partition, Timestamp) -> A + Send + 'static,
    ) -> Result<A, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let ask = move |partition: &Partition, now: Timestamp| {
            let found = question(partition, now);
            Box::new(move || drop(reply.send(found))) as Delivery
        };
        self.messages.try_send(Message::Ask(Box::new(ask))).map_err(|_| Unavailable::Busy)?;
        answer.await.map_err(|_| Unavailable::Stopped)
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

/// Starts the threads of a partition that has replayed its log up to `log.head()`; `at_stop` sees it once more
/// where it stops in order, everything durable.
pub fn start<L: EventLog + 'static>(
    partition: Partition,
    log: L,
    clock: Clock,
    queue: usize,
    at_stop: impl FnOnce(&Partition) + Send + 'static,
) -> std::io::Result<(PartitionHandle, std::thread::JoinHandle<()>)> {
    let (messages, inbox) = mpsc::channel(queue.max(16));
    let (head, heads) = watch::channel(log.head());
    let (grants, granted) = watch::channel(Arc::new(Grants::of(partition.state())));
    let (stopped, stops) = watch::channel(None);
    let (to_writer, commits) = std_mpsc::channel::<Commit>();

    let answers = messages.downgrade();
    let writer = std::thread::Builder::new().name("log-writer".into()).spawn(move || {
        let mut log = log;
        for commit in commits {
            let outcome = write(&mut log, &commit);
            let Some(answers) = answers.upgrade() else { return };
            if answers.blocking_send(Message::Written(outcome)).is_err() {
                return;
            }
        }
    })?;
    let mut decider = Decider {
        partition,
        clock,
        timekeeper: Timekeeper::default(),
        waiting: BTreeMap::new(),
        found: VecDeque::new(),
        granted: VecDeque::new(),
        next_ticket: 0,
        to_writer,
        head,
        grants,
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
    Ok((PartitionHandle { messages, head: heads, grants: granted, stopped: stops }, thread))
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

struct Decider {
    partition: Partition,
    clock: Clock,
    timekeeper: Timekeeper,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Receipt, Refusal>>>,
    /// Answers that rest on what is not durable yet, each with the position it waits for, in order.
    found: VecDeque<(Position, Delivery)>,
    /// Grants that a commit under way changes, in order of the commits.
    granted: VecDeque<(u64, Arc<Grants>)>,
    next_ticket: u64,
    to_writer: std_mpsc::Sender<Commit>,
    head: watch::Sender<Head>,
    grants: watch::Sender<Arc<Grants>>,
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
}

impl Decider {
    fn run(&mut self, mut inbox: mpsc::Receiver<Message>) -> Result<(), Ended> {
        let mut stopping = false;
        while !(stopping && self.partition.is_idle()) {
            let Some(message) = inbox.blocking_recv() else { return Ok(()) };
            let was_held = self.partition.clock_is_held();
            self.partition.set_clock_offset(self.clock.offset_ms());
            let (wall, monotonic_ms) = (self.clock.now(), self.clock.monotonic_ms());
            let now = self.timekeeper.instant(wall, monotonic_ms, &mut self.partition)?;
            if self.partition.clock_is_held() && !was_held {
                tracing::error!(%wall, trusted = %now, "the clock is in doubt: deadlines wait for an operator");
            }
            match message {
                Message::Command(request, reply) => {
                    let ticket = Ticket(self.next_ticket);
                    self.next_ticket += 1;
                    self.waiting.insert(ticket, reply);
                    self.partition.handle(Input::Command(ticket, request), now)?;
                }
                Message::Ask(question) => {
                    let rests_on = self.partition.state().last();
                    self.found.push_back((rests_on, question(&self.partition, now)));
                    self.deliver();
                }
                Message::StorePack(digest, pack, reply) => {
                    self.partition.store_pack(digest, pack);
                    let _ = reply.send(());
                }
                Message::Tick => self.partition.handle(Input::Tick, now)?,
                Message::Written(outcome) => {
                    self.durable(outcome?);
                    self.partition.handle(Input::Committed, now)?;
                }
                Message::Stop => stopping = true,
            }
            self.carry_out()?;
        }
        Ok(())
    }

    /// The log ends at `head` now: what waited for that is said.
    fn durable(&mut self, head: Head) {
        // Grants go before the head, which wakes whoever looks at them.
        while let Some((_, grants)) = self.granted.pop_front_if(|(commit, _)| *commit <= head.commit) {
            self.grants.send_replace(grants);
        }
        self.head.send_replace(head);
        self.deliver();
    }

    fn deliver(&mut self) {
        let durable = self.head.borrow().position;
        while let Some((_, delivery)) = self.found.pop_front_if(|(rests_on, _)| *rests_on <= durable) {
            delivery();
        }
    }

    fn carry_out(&mut self) -> Result<(), Ended> {
        while let Some(output) = self.partition.poll_output() {
            match output {
                Output::Append(commit) => {
                    if grants_changed(&commit) {
                        let grants = Arc::new(Grants::of(self.partition.state()));
                        self.granted.push_back((commit.header().commit, grants));
                    }
                    self.to_writer.send(commit).map_err(|_| Ended::Writer)?;
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
}

fn grants_changed(commit: &Commit) -> bool {
    use linggong_events::office::OfficeEvent::{RoleGranted, RoleRevoked};
    commit.events().filter_map(Result::ok).any(|recorded| match recorded {
        linggong_events::envelope::Recorded::Known(it) => {
            matches!(it.event, Event::Office(RoleGranted(_) | RoleRevoked(_)))
        }
        linggong_events::envelope::Recorded::Unknown(_) => false,
    })
}

/// Whether a state has any event at all.
pub fn is_new(state: &State) -> bool {
    state.last().0 == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use linggong_engine::command::{About, Command};
    use linggong_engine::pack::DEFAULT_PACKS;
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
        let (handle, thread) = start(partition, Held { log, let_go }, clock.clone(), 16, |_| ()).unwrap();
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
