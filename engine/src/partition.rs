//! The one writer of a partition, without I/O: requests and acknowledgements in, commits and replies out.
//!
//! Deciding runs ahead of writing: while one commit is in flight, the next is being decided. A reply leaves
//! only after everything it rests on is durable. If a commit is lost, the shell drops the partition and
//! replays the log; nothing that was answered is affected.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use linggong_events::audience::RecordedAudience;
use linggong_events::commit::{
    Commit, CommitError, Digest, FORMAT, Head, Header, MAX_COMMIT_BYTES, MAX_COMMIT_EVENTS,
};
use linggong_events::envelope::{Channel, Envelope, EnvelopeError, Meta, Recorded, WriteError};
use linggong_events::event::Event;
use linggong_events::id::{ActorId, CommandId, EntityRef, EventId, command_id, deadline_id, new_id};
use linggong_events::measure::Position;
use linggong_events::newer::Beyond;
use linggong_events::office::{ClockDoubt, ClockHeld};
use linggong_events::region::Region;
use linggong_events::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::command::{About, Actor, Context, Request};
use crate::refusal::{Class, Refusal};
use crate::rules::{Pack, RuleBook};
use crate::snapshot::{self, Replay};
use crate::state::{KEY_WINDOW_MS, MAX_DOUBT_MS, MAX_KEY_AHEAD_MS, State};
use crate::{matching, office, recount};

/// Room for the header line within [`MAX_COMMIT_BYTES`].
const HEADER_ROOM: usize = 1024;

/// How much may hang on what a command names before the whole decision is tried: half a commit holds it safely.
const LITTLE: usize = 60;

/// How many commands that changed nothing are remembered.
const MAX_UNCHANGED: usize = 20_000;

/// Room by which a line may grow between trial and record: its position and version get longer.
const LINE_ROOM: usize = 16;

/// A pause of the log after which deadlines wait for an operator: one bad clock must not lapse every case.
pub const MAX_PAUSE_MS: i64 = 7 * DAY_MS;

/// What the shell knows about the log and the software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The log, `lg-37`.
    pub log: String,
    /// The partition of it.
    pub partition: u16,
    /// The version of the software.
    pub software: String,
    /// The division that holds where nothing nearer does: the province or county of the deployment.
    pub region: Region,
}

/// What goes out to whoever gave a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The command.
    pub command: CommandId,
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event: a read with `at_least` of it sees everything.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Whether nothing new was written because all of it was so already.
    pub unchanged: bool,
}

/// Marks a request until its reply leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A command.
    Command(Ticket, Box<Request>),
    /// The commit in flight is durable.
    Committed,
    /// Time passes; facts that are due are stated.
    Tick,
}

/// What goes out.
#[derive(Clone, Debug)]
pub enum Output {
    /// To be written; exactly one is in flight at a time.
    Append(Commit),
    /// To be answered.
    Reply(Ticket, Result<Receipt, Refusal>),
}

/// Why a partition cannot go on; the shell drops it and replays.
#[derive(Debug, Error)]
pub enum Fault {
    /// An event could not be written down.
    #[error("an event cannot be written down")]
    Write(#[from] WriteError),
    /// A line of the log could not be read as an event.
    #[error("the log holds a line that cannot be read as an event")]
    Line(#[from] EnvelopeError),
    /// A commit could not be built.
    #[error("a commit cannot be built")]
    Commit(#[from] CommitError),
    /// The log holds an event of a newer software: this one must not decide past it.
    #[error(
        "the event `{type_name}` at position {position} is of a newer software: {beyond} is not known here"
    )]
    UnknownEvent {
        /// The type.
        type_name: String,
        /// What of it is not known.
        beyond: Beyond,
        /// Where.
        position: Position,
    },
    /// The log does not continue where it should.
    #[error("the log has position {found} where {expected} should be")]
    Gap {
        /// The position found.
        found: Position,
        /// The position expected.
        expected: Position,
    },
    /// A pack that the log adopted is not in the store.
    #[error("the rule pack `{name}` with digest {digest} was adopted but is not stored")]
    PackMissing {
        /// Its name.
        name: String,
        /// Its digest.
        digest: Digest,
    },
}

/// The packs that are stored, by digest.
pub type Packs = BTreeMap<Digest, Arc<Pack>>;

/// The rules that `state` has adopted.
pub(crate) fn rules_in_force(state: &State, packs: &Packs) -> Result<RuleBook, Fault> {
    let mut adopted = Vec::new();
    for it in &state.packs {
        let missing = || Fault::PackMissing { name: it.name.clone(), digest: it.digest };
        adopted.push(packs.get(&it.digest).ok_or_else(missing)?.clone());
    }
    Ok(RuleBook::new(adopted))
}

/// One partition: its state, what is decided and not yet written, and who waits.
#[derive(Debug)]
pub struct Partition {
    setting: Setting,
    state: State,
    rules: RuleBook,
    packs: Packs,
    /// Where the log ends, as far as it is known to be durable.
    head: Head,
    in_flight: Option<InFlight>,
    decided: VecDeque<Group>,
    out: VecDeque<Output>,
    clock_offset_ms: i64,
    /// Commands that changed nothing, and so stand in no log, oldest first out.
    unchanged: BTreeMap<CommandId, Unchanged>,
    unchanged_since: VecDeque<CommandId>,
    /// The last instant at which something came in, a tick too: a quiet log is no pause.
    last_seen: Option<Timestamp>,
    /// Whether there may be periods that another calendar than is in force has counted.
    may_recount: bool,
}

/// A command of which everything was so already.
#[derive(Debug)]
struct Unchanged {
    actor: ActorId,
    digest: String,
    receipt: Receipt,
}

/// A command that was answered before; its id is of its actor.
struct Answered<'a> {
    actor: ActorId,
    digest: &'a str,
    receipt: Receipt,
}

/// Somebody who waits, and the answer they will get.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    answer: Result<Receipt, Refusal>,
}

/// The commit that is being written, and who waits for it.
#[derive(Debug)]
struct InFlight {
    commit: Commit,
    waiting: Vec<Waiting>,
}

/// The events of one decision, which are written together, and who waits for them.
#[derive(Debug, Default)]
struct Group {
    lines: Vec<Vec<u8>>,
    bytes: usize,
    waiting: Vec<Waiting>,
}

impl Group {
    /// Whether so much more fits into one commit with it.
    fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.lines.len() + events <= MAX_COMMIT_EVENTS as usize
            && self.bytes + bytes <= MAX_COMMIT_BYTES - HEADER_ROOM
    }
}

/// An event as it is written down.
#[derive(Debug)]
struct Written {
    envelope: Envelope,
    line: Vec<u8>,
}

/// What all events of one decision share.
struct Basis<'a> {
    seed: CommandId,
    actor: &'a Actor,
    about: &'a About,
    channel: Channel,
    received_at: Option<Timestamp>,
    command: Option<(CommandId, &'a str)>,
    occurred_at: Timestamp,
    time: Timestamp,
}

/// The engine itself, for what it states of its own.
struct Itself {
    actor: Actor,
    about: About,
}

impl Itself {
    fn new() -> Itself {
        Itself { actor: Actor::engine(), about: About::default() }
    }

    /// What happened at `occurred_at` and is recorded at `time`, by nobody's command.
    fn states(&self, seed: CommandId, occurred_at: Timestamp, time: Timestamp) -> Basis<'_> {
        Basis {
            seed,
            actor: &self.actor,
            about: &self.about,
            channel: Channel::Engine,
            received_at: None,
            command: None,
            occurred_at,
            time,
        }
    }
}

impl Partition {
    /// A partition before its first event. `head` is where the log ends after `history` was replayed.
    pub fn new(setting: Setting, packs: Packs) -> Partition {
        Partition {
            setting,
            state: State::default(),
            rules: RuleBook::default(),
            packs,
            head: Head::EMPTY,
            in_flight: None,
            decided: VecDeque::new(),
            out: VecDeque::new(),
            clock_offset_ms: 0,
            unchanged: BTreeMap::new(),
            unchanged_since: VecDeque::new(),
            last_seen: None,
            may_recount: true,
        }
    }

    /// Applies what the log holds, commit by commit in order.
    pub fn replay(&mut self, commit: &Commit) -> Result<(), Fault> {
        self.head = self.head.after(commit)?;
        for recorded in commit.events() {
            match recorded? {
                Recorded::Known(envelope) => {
                    let expected = self.state.last().next();
                    if envelope.meta.position != expected {
                        return Err(Fault::Gap { found: envelope.meta.position, expected });
                    }
                    self.apply(&envelope)?;
                }
                Recorded::Unknown(raw) => {
                    let position = raw.outline().position;
                    return Err(Fault::UnknownEvent {
                        type_name: raw.type_name,
                        beyond: raw.beyond,
                        position,
                    });
                }
            }
        }
        Ok(())
    }

    /// Goes on from where a snapshot stands, as if the log had been replayed up to there.
    pub fn resume(&mut self, replay: Replay) -> Result<(), Fault> {
        (self.head, self.state) = (replay.head, replay.state);
        self.rules = self.rule_book()?;
        Ok(())
    }

    /// What is so, written down; `None` while something is decided and not yet emitted.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        let quiet = self.state.last() == self.head.position;
        quiet.then(|| snapshot::write(&self.setting.log, self.setting.partition, &self.head, &self.state))
    }

    /// Adds a pack to the store, so that it can be adopted.
    pub fn store_pack(&mut self, digest: Digest, pack: Arc<Pack>) {
        self.packs.insert(digest, pack);
    }

    /// Where the log ends, as far as it is known to be durable.
    pub fn head(&self) -> Head {
        self.head
    }

    /// What is so, including what is decided and not yet durable.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleBook {
        &self.rules
    }

    /// The packs that are stored.
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// Whether nothing is in flight, decided or unanswered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.decided.is_empty() && self.out.is_empty()
    }

    /// Told by the shell: how far the wall clock stands from the monotonic one since start.
    pub fn set_clock_offset(&mut self, ms: i64) {
        self.clock_offset_ms = ms;
    }

    /// The last instant that is trusted: of the last input, or of the last event where nothing came in yet.
    pub fn last_trusted(&self) -> Option<Timestamp> {
        self.last_seen.max(self.state.last_time())
    }

    /// Whether deadlines wait for an operator. Meanwhile the shell tells the time by its monotonic clock, from
    /// [`Partition::last_trusted`] on.
    pub fn clock_is_held(&self) -> bool {
        self.state.clock_doubt().is_some()
    }

    /// Told by the shell: the wall clock jumped by so much. Deadlines wait until an operator confirms the clock.
    pub fn hold_clock(&mut self, by_ms: i64) -> Result<(), Fault> {
        if let Some(at) = self.last_trusted() {
            self.doubt_clock(ClockDoubt::Jump, by_ms, at)?;
        }
        Ok(())
    }

    /// The instant to decide at: `now`, or the last trusted one where the log paused for too long before `now`.
    pub fn trusted(&mut self, now: Timestamp) -> Result<Timestamp, Fault> {
        let paused = self.last_trusted().filter(|last| now.ms() - last.ms() > MAX_PAUSE_MS);
        if let Some(last) = paused.filter(|_| !self.clock_is_held()) {
            self.doubt_clock(ClockDoubt::Pause, now.ms() - last.ms(), last)?;
        }
        let now = paused.filter(|_| self.clock_is_held()).unwrap_or(now);
        self.last_seen = self.last_seen.max(Some(now));
        Ok(now)
    }

    /// Records that the clock is not trusted, at the last instant that was: the doubtful one must not enter the
    /// log, whose time never runs back. Without an office nobody could vouch for the clock, and nobody acts.
    fn doubt_clock(&mut self, reason: ClockDoubt, by_ms: i64, at: Timestamp) -> Result<(), Fault> {
        let office = self.state.offices.keys().next().copied().filter(|_| !self.clock_is_held());
        let Some(office) = office else { return Ok(()) };
        let engine = Itself::new();
        let label = format!("clock_held:{}", self.state.last());
        let basis = engine.states(deadline_id(office.into(), &label, at.ms()), at, at);
        let group = self.record(vec![ClockHeld { office, reason, by_ms }.into()], None, &basis)?;
        self.decided.push_back(group);
        Ok(())
    }

    /// States what a new log begins with: its office, its first grants, its rules. Nobody waits for it.
    ///
    /// # Panics
    /// Where the log has events already: a log begins once.
    pub fn found(&mut self, events: Vec<Event>, now: Timestamp) -> Result<(), Fault> {
        assert!(self.state.last().0 == 0, "a log begins once");
        let engine = Itself::new();
        let basis = engine.states(founding_id(&self.setting.log), now, now);
        let group = self.record(events, None, &basis)?;
        self.decided.push_back(group);
        Ok(())
    }

    /// Takes one input at the instant `now`.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<(), Fault> {
        let now = self.trusted(now)?;
        match input {
            Input::Committed => {
                // Its digest is known by now: whoever wrote it asked for it first, in another thread.
                if let Some(InFlight { commit, waiting }) = self.in_flight.take() {
                    self.head = self.head.after(&commit)?;
                    self.out.extend(waiting.into_iter().map(|it| Output::Reply(it.ticket, it.answer)));
                }
            }
            Input::Tick => {
                self.state_due_facts(now)?;
                self.state_recounts(now)?;
                self.state_owed_offers(now)?;
            }
            Input::Command(ticket, request) => {
                self.state_due_facts(now)?;
                self.state_recounts(now)?;
                self.state_owed_offers(now)?;
                self.decide(ticket, &request, now)?;
                self.state_recounts(now)?;
                self.state_owed_offers(now)?;
            }
        }
        Ok(())
    }

    /// What is to be done next, in order. Everything decided until nothing else is to be done goes into the next commit:
    /// whoever gives all inputs that wait before asking gets fewer and fuller ones.
    pub fn poll_output(&mut self) -> Result<Option<Output>, Fault> {
        if self.out.is_empty() {
            self.emit()?;
        }
        Ok(self.out.pop_front())
    }

    /// The instant of recording: never before the last one.
    fn recording_time(&self, now: Timestamp) -> Timestamp {
        self.state.last_time().map_or(now, |last| last.max(now))
    }

    fn state_due_facts(&mut self, now: Timestamp) -> Result<(), Fault> {
        if self.clock_is_held() {
            return Ok(());
        }
        let time = self.recording_time(now);
        while let Some((deadline, events)) = self.state.due(time, &self.rules) {
            let seed = deadline_id(deadline.entity, &deadline.due.label(), deadline.at.ms());
            let engine = Itself::new();
            let basis = engine.states(seed, deadline.at, time);
            let group = self.record(events, None, &basis)?;
            assert!(!self.state.deadlines.contains(&deadline), "the fact of {deadline:?} did not end it");
            self.decided.push_back(group);
        }
        Ok(())
    }

    fn decide(&mut self, ticket: Ticket, request: &Request, now: Timestamp) -> Result<(), Fault> {
        // Whoever vouches for the clock vouches for the instant that it shows: their word is the first by it.
        let confirms_clock = self.clock_is_held() && office::confirms_clock(&request.command);
        let now = if confirms_clock { request.received_at } else { now };
        let command = command_id(request.actor.id, request.key);
        let touches = request.command.touches();
        let answer = match self.consider(request, command, &touches, now) {
            Ok(Considered::Known(receipt)) => Ok(receipt),
            Ok(Considered::Unchanged(receipt)) => {
                self.remember_unchanged(request, receipt);
                Ok(receipt)
            }
            Err(refusal) => Err(refusal),
            Ok(Considered::New(events)) => {
                let time = self.recording_time(now);
                let basis = Basis {
                    seed: command,
                    actor: &request.actor,
                    about: &request.about,
                    channel: request.about.channel_of(&request.actor),
                    received_at: Some(request.received_at),
                    command: Some((command, &request.digest)),
                    occurred_at: request.about.occurred_at.unwrap_or(time),
                    time,
                };
                match self.check_writable(&touches, &events, &basis) {
                    Err(refusal) => Err(refusal),
                    Ok(first_written) => {
                        let first = self.state.last().next();
                        let mut group = self.record(events, first_written, &basis)?;
                        if confirms_clock {
                            self.last_seen = Some(time);
                        }
                        let position = self.state.last();
                        let receipt =
                            Receipt { command, first, position, recorded_at: time, unchanged: false };
                        group.waiting.push(Waiting { ticket, answer: Ok(receipt) });
                        self.decided.push_back(group);
                        return Ok(());
                    }
                }
            }
        };
        // The answer may rest on events that are not durable yet: it waits for the last of them.
        let waiting = Waiting { ticket, answer };
        match (self.decided.back_mut(), &mut self.in_flight) {
            (Some(group), _) => group.waiting.push(waiting),
            (None, Some(in_flight)) => in_flight.waiting.push(waiting),
            (None, None) => self.out.push_back(Output::Reply(waiting.ticket, waiting.answer)),
        }
        Ok(())
    }

    /// The receipt of a command, for whoever gave it.
    pub fn receipt_of(&self, actor: ActorId, command: CommandId) -> Option<Receipt> {
        let answered = self.answered(command).filter(|it| it.actor == actor);
        answered.map(|it| it.receipt)
    }

    /// What was answered to a command that is remembered.
    fn answered(&self, command: CommandId) -> Option<Answered<'_>> {
        if let Some(it) = self.state.remembered(command) {
            let receipt = Receipt {
                command,
                first: it.first,
                position: it.last,
                recorded_at: it.time,
                unchanged: false,
            };
            return Some(Answered { actor: it.actor, digest: &it.digest, receipt });
        }
        let unchanged = self.unchanged.get(&command)?;
        Some(Answered { actor: unchanged.actor, digest: &unchanged.digest, receipt: unchanged.receipt })
    }

    fn remember_unchanged(&mut self, request: &Request, receipt: Receipt) {
        let (actor, digest) = (request.actor.id, request.digest.clone());
        self.unchanged.insert(receipt.command, Unchanged { actor, digest, receipt });
        self.unchanged_since.push_back(receipt.command);
        if self.unchanged_since.len() > MAX_UNCHANGED
            && let Some(oldest) = self.unchanged_since.pop_front()
        {
            self.unchanged.remove(&oldest);
        }
    }

    fn consider(
        &self,
        request: &Request,
        command: CommandId,
        touches: &[EntityRef],
        now: Timestamp,
    ) -> Result<Considered, Refusal> {
        match self.answered(command) {
            Some(it) if it.digest != request.digest => return Err(Refusal::KeyReused),
            Some(it) => return Ok(Considered::Known(it.receipt)),
            None => {}
        }
        // The keys of clients go by their own clocks, which may be right where ours lags behind in doubt.
        let recording = self.recording_time(now);
        let in_doubt = request.received_at.min(recording.plus_ms(MAX_DOUBT_MS));
        let ahead = if self.clock_is_held() { now.max(in_doubt) } else { now };
        check_key(request, ahead, recording)?;
        let command_type = request.command.command_type();
        if !command_type.roles.contains(&request.actor.role) {
            return Err(Refusal::RoleNotAllowed);
        }
        if let Some(at) = request.about.occurred_at.filter(|at| *at > self.recording_time(now)) {
            return Err(Refusal::InTheFuture { at });
        }
        if let Some(filed) = request.about.filed {
            if filed.at > self.recording_time(now) {
                return Err(Refusal::InTheFuture { at: filed.at });
            }
            // A stamp or postmark is seen at a desk; what is sent online is filed when it arrives.
            if !request.actor.is_staff() {
                return Err(Refusal::bad_field("about.filed", "is for the desk to state"));
            }
        }
        if request.about.channel.is_some_and(|it| !request.actor.channels().contains(&it)) {
            return Err(Refusal::bad_field("about.channel", "is not how your role reaches us"));
        }
        if request.about.based_on.is_some_and(|it| it > self.state.last()) {
            return Err(Refusal::bad_field("about.based_on", "is no position of this log yet"));
        }
        request.about.source()?;
        let context = Context {
            now: self.recording_time(now),
            command,
            actor: &request.actor,
            about: &request.about,
            rules: &self.rules,
        };
        if let crate::command::Command::Rules(adopt) = &request.command {
            crate::rules::check_stored(adopt, &self.packs)?;
            self.check_whole_with(adopt)?;
        }
        let decided = request.command.decide(&self.state, &context);
        // Who may not act on the thing is not told how often it changed.
        let may_act =
            !matches!(&decided, Err(it) if matches!(it.class(), Class::NotFound | Class::NotPermitted));
        if let Some(expected) = request.about.if_version.filter(|_| may_act) {
            let entity = request.command.versioned_among(touches).ok_or(Refusal::NoVersionedEntity)?;
            let actual = self.state.version(entity);
            if actual != expected {
                return Err(Refusal::VersionConflict { entity, expected, actual });
            }
        }
        let events = decided?;
        if events.is_empty() {
            // All of it is so already: the receipt points at the entity's last event.
            let entity = request.command.versioned_among(touches);
            let last = (self.state.last(), self.state.last_time().unwrap_or(context.now));
            let (position, recorded_at) = entity.and_then(|it| self.state.last_of(it)).unwrap_or(last);
            let receipt = Receipt { command, first: position, position, recorded_at, unchanged: true };
            return Ok(Considered::Unchanged(receipt));
        }
        Ok(Considered::New(events))
    }

    /// Refuses what could not be written down, before anything changes: a fault later would stop the partition.
    ///
    /// A decision may fill half a commit; the other half is for what it makes necessary. Where much hangs on what
    /// the command names, all of it is tried on a copy of the state.
    ///
    /// The first event stands where the log ends now, so that its trial is its very line and is given back. Where the
    /// others stand depends on what the first makes necessary.
    fn check_writable(
        &self,
        named: &[EntityRef],
        events: &[Event],
        basis: &Basis<'_>,
    ) -> Result<Option<Written>, Refusal> {
        let (mut bytes, mut first) = (0, None);
        for event in events {
            let envelope = self.envelope(event.clone(), basis.about.causation, 0, basis);
            match envelope.to_line() {
                Ok(line) => {
                    bytes += line.len() + 1;
                    first.get_or_insert(Written { envelope, line });
                }
                Err(WriteError::TooLong { .. }) => return Err(Refusal::TooLarge),
                Err(error) => return Err(Refusal::bad_field("fields", error.to_string())),
            }
        }
        let fits = events.len() <= MAX_COMMIT_EVENTS as usize / 2 && bytes <= MAX_COMMIT_BYTES / 2;
        if !fits {
            return Err(Refusal::TooLarge);
        }
        if named.iter().map(|it| self.state.hanging_on(*it)).sum::<usize>() <= LITTLE {
            return Ok(first);
        }
        let mut trial = Partition {
            state: self.state.clone(),
            rules: self.rules.clone(),
            ..Partition::new(self.setting.clone(), self.packs.clone())
        };
        match trial.record(events.to_vec(), None, basis) {
            Ok(_) => Ok(first),
            Err(_) => Err(Refusal::TooLarge),
        }
    }

    /// Writes down `events` and whatever they make necessary, in the order of their causes; `first` is the first of
    /// them where it is written already.
    fn record(
        &mut self,
        events: Vec<Event>,
        first: Option<Written>,
        basis: &Basis<'_>,
    ) -> Result<Group, Fault> {
        let mut group = Group::default();
        let causation = basis.about.causation;
        self.write(&mut group, events.into_iter().map(|event| (event, causation)).collect(), first, basis)?;
        self.offer_owed(&mut group, basis)?;
        if group.has_room(0, 0) {
            return Ok(group);
        }
        Err(CommitError::TooLarge { events: group.lines.len(), bytes: group.bytes }.into())
    }

    fn write(
        &mut self,
        group: &mut Group,
        mut queue: VecDeque<(Event, Option<EventId>)>,
        mut first: Option<Written>,
        basis: &Basis<'_>,
    ) -> Result<(), Fault> {
        while let Some((event, causation)) = queue.pop_front() {
            let Written { envelope, line } = match first.take() {
                Some(written) => written,
                None => {
                    let n = u32::try_from(group.lines.len()).unwrap_or(u32::MAX);
                    let envelope = self.envelope(event, causation, n, basis);
                    let line = envelope.to_line()?;
                    Written { envelope, line }
                }
            };
            group.bytes += line.len() + 1;
            group.lines.push(line);
            self.apply(&envelope)?;
            let cause = Some(envelope.meta.id);
            // Depth first: what an event makes necessary stands right behind it.
            for follow_up in self.state.follow_up(&envelope, &self.rules).into_iter().rev() {
                queue.push_front((follow_up, cause));
            }
        }
        Ok(())
    }

    /// Offers the places that came free, each posting once; what has no room left here waits for the next commit.
    fn offer_owed(&mut self, group: &mut Group, basis: &Basis<'_>) -> Result<(), Fault> {
        for (posting, cause) in matching::owed(&self.state) {
            let offers = matching::offer_owed(&self.state, posting, cause, basis.time, &self.rules);
            let mut bytes = 0;
            for offer in &offers {
                bytes += self.envelope(offer.clone(), Some(cause), 0, basis).to_line()?.len() + LINE_ROOM;
            }
            if !group.has_room(offers.len(), bytes) {
                return Ok(());
            }
            self.write(group, offers.into_iter().map(|it| (it, Some(cause))).collect(), None, basis)?;
        }
        Ok(())
    }

    /// Offers the places for which a decision's own commit had no room.
    fn state_owed_offers(&mut self, now: Timestamp) -> Result<(), Fault> {
        let time = self.recording_time(now);
        while let Some((_, cause)) = matching::owed(&self.state).first().copied() {
            let engine = Itself::new();
            let basis = engine.states(
                CommandId(new_id(CommandId(cause.0), &format!("offers:{}", self.state.last()), 0)),
                time,
                time,
            );
            let mut group = Group::default();
            self.offer_owed(&mut group, &basis)?;
            if group.lines.is_empty() {
                return Ok(());
            }
            self.decided.push_back(group);
        }
        Ok(())
    }

    /// Counts again what another calendar than is in force has counted, each case and each claim for itself: no
    /// adoption is too large to be recorded, and a restart goes on where it broke off. Whether a day has passed is not
    /// known while the clock is in doubt.
    fn state_recounts(&mut self, now: Timestamp) -> Result<(), Fault> {
        if !self.may_recount || self.clock_is_held() {
            return Ok(());
        }
        let time = self.recording_time(now);
        for (cause, events) in recount::recounts(&self.state, &self.rules, &self.packs, time.date()) {
            let engine = Itself::new();
            let seed = new_id(CommandId(cause.0), &format!("recounts:{}", self.state.last()), 0);
            let basis = engine.states(CommandId(seed), time, time);
            let mut group = Group::default();
            let events = events.into_iter().map(|it| (it, Some(cause))).collect();
            self.write(&mut group, events, None, &basis)?;
            self.decided.push_back(group);
        }
        self.may_recount = false;
        Ok(())
    }

    fn envelope(&self, event: Event, causation: Option<EventId>, n: u32, basis: &Basis<'_>) -> Envelope {
        let touches = event.touches();
        let subject = event.subject_among(&touches);
        let region = touches.iter().find_map(|entity| self.state.region_of(*entity));
        let own_region = region_in(&self.state, &event);
        let office_region = basis.actor.office.and_then(|office| self.state.region_of(office.into()));
        let meta = Meta {
            id: EventId(new_id(basis.seed, "event", n)),
            source: format!("/linggong/{}/{}", self.setting.log, self.setting.partition),
            subject,
            time: basis.time,
            position: self.state.last().next(),
            version: self.state.version(subject).next(),
            occurred_at: basis.occurred_at,
            received_at: basis.received_at,
            filed: basis.about.filed,
            region: own_region.or(region).or(office_region).unwrap_or(self.setting.region),
            actor: basis.actor.id,
            role: basis.actor.role,
            office: basis.actor.office,
            on_behalf_of: basis.about.on_behalf_of,
            channel: basis.channel,
            source_doc: basis.about.source_doc.clone(),
            based_on: basis.about.based_on,
            command: basis.command.map(|(command, digest)| (command, digest.to_owned())),
            causation,
            correlation: basis.about.correlation,
            touches,
            audience: RecordedAudience::of(event.event_type().audience),
            rules: self.rules.in_force(),
        };
        Envelope { meta, event }
    }

    fn apply(&mut self, envelope: &Envelope) -> Result<(), Fault> {
        self.state.evolve(envelope);
        if let Event::Rules(_) = &envelope.event {
            self.rules = self.rule_book()?;
        }
        self.may_recount |= recount::may_follow(&envelope.event);
        Ok(())
    }

    fn rule_book(&self) -> Result<RuleBook, Fault> {
        rules_in_force(&self.state, &self.packs)
    }

    /// Refuses a pack with which the rules would lack what the engine needs.
    fn check_whole_with(&self, command: &crate::rules::RulesCommand) -> Result<(), Refusal> {
        let mut packs = self.state.packs.clone();
        crate::rules::put_in_force(&mut packs, command);
        let stored = packs.iter().filter_map(|it| self.packs.get(&it.digest).cloned());
        let missing = RuleBook::new(stored).missing();
        let lacked = self.rules.missing();
        match missing.into_iter().find(|it| !lacked.contains(it)) {
            Some(rule) => Err(Refusal::RuleMissing { rule }),
            None => Ok(()),
        }
    }

    /// Sends the next commit out where none is in flight.
    fn emit(&mut self) -> Result<(), Fault> {
        if self.in_flight.is_some() || self.decided.is_empty() {
            return Ok(());
        }
        let (mut lines, mut bytes, mut waiting) = (Vec::new(), 0, Vec::new());
        while let Some(group) = self.decided.front() {
            if !group.has_room(lines.len(), bytes) {
                break;
            }
            if let Some(group) = self.decided.pop_front() {
                bytes += group.bytes;
                lines.extend(group.lines);
                waiting.extend(group.waiting);
            }
        }
        let header = Header {
            v: FORMAT,
            log: self.setting.log.clone(),
            partition: self.setting.partition,
            commit: self.head.commit + 1,
            epoch: self.head.epoch,
            first: self.head.position.0 + 1,
            count: 0,
            prev: self.head.digest,
            software: self.setting.software.clone(),
            clock_offset_ms: self.clock_offset_ms,
            genesis: None,
        };
        let commit = Commit::build(header, &lines)?;
        self.in_flight = Some(InFlight { commit: commit.clone(), waiting });
        self.out.push_back(Output::Append(commit));
        Ok(())
    }
}

/// The stand-in for a command where a log begins; ids of what it begins with follow from it.
pub fn founding_id(log: &str) -> CommandId {
    CommandId(new_id(CommandId(uuid::Uuid::nil()), &format!("founding:{log}"), 0))
}

enum Considered {
    /// The command was given before.
    Known(Receipt),
    /// Nothing is to be written: all of it is so already.
    Unchanged(Receipt),
    /// The command makes these events.
    New(Vec<Event>),
}

/// The county that an event names itself, or of the office that holds what begins with it; it wins over that of the
/// things it touches: a claim is its office's, wherever the employer has its seat.
fn region_in(state: &State, event: &Event) -> Option<Region> {
    use linggong_events::case::CaseEvent;
    use linggong_events::claim::ClaimEvent;
    use linggong_events::employer::EmployerEvent;
    use linggong_events::hire::HireEvent;
    use linggong_events::market::MarketEvent;
    use linggong_events::posting::PostingEvent;
    match event {
        Event::Hire(HireEvent::Agreed(it)) => Some(it.terms.region),
        Event::Hire(HireEvent::Changed(it)) => Some(it.terms.region),
        Event::Hire(HireEvent::Withdrawn(it)) => Some(it.terms.region),
        Event::Posting(PostingEvent::Published(it)) => Some(it.terms.region),
        Event::Posting(PostingEvent::ReviewRequested(it)) => Some(it.terms.region),
        Event::Posting(PostingEvent::Changed(it)) => Some(it.terms.region),
        Event::Market(MarketEvent::Registered(it)) => Some(it.region),
        Event::Employer(EmployerEvent::Registered(it)) => Some(it.details.region),
        Event::Office(linggong_events::office::OfficeEvent::Registered(it)) => Some(it.region),
        Event::Claim(ClaimEvent::Registered(it)) => state.region_of(it.office.into()),
        Event::Claim(ClaimEvent::Referred(it)) => Some(it.to_region),
        Event::Case(CaseEvent::Accepted(it)) => state.region_of(it.office.into()),
        Event::Case(CaseEvent::Refused(it)) => state.region_of(it.office.into()),
        Event::Case(CaseEvent::SupplementAsked(it)) => state.region_of(it.office.into()),
        Event::Case(CaseEvent::DirectedElsewhere(it)) => state.region_of(it.office.into()),
        Event::Market(_)
        | Event::Office(_)
        | Event::Person(_)
        | Event::Worker(_)
        | Event::Employer(_)
        | Event::Posting(_)
        | Event::Offer(_)
        | Event::Match(_)
        | Event::Hire(_)
        | Event::Attendance(_)
        | Event::Wage(_)
        | Event::Insurance(_)
        | Event::Claim(_)
        | Event::Case(_)
        | Event::Rules(_) => None,
    }
}

/// A key is a UUIDv7 made within the window in which commands are remembered.
///
/// Its age is counted by recorded time, by which commands are forgotten: a clock set back revives no key.
fn check_key(request: &Request, now: Timestamp, recording: Timestamp) -> Result<(), Refusal> {
    if request.key.get_version_num() != 7 {
        return Err(Refusal::BadKey);
    }
    let (seconds, nanos) = request.key.get_timestamp().map(|it| it.to_unix()).ok_or(Refusal::BadKey)?;
    let ms = i64::try_from(seconds).ok().and_then(|s| s.checked_mul(1000)).ok_or(Refusal::BadKey)?;
    let made = Timestamp::from_ms(ms + i64::from(nanos / 1_000_000)).map_err(|_| Refusal::BadKey)?;
    if recording.ms() - made.ms() > KEY_WINDOW_MS {
        return Err(Refusal::KeyTooOld { made });
    }
    // A key of the far future would outlive the memory of commands and could be used twice.
    if made.ms() - now.ms() > MAX_KEY_AHEAD_MS { Err(Refusal::InTheFuture { at: made }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::worker;
    use linggong_events::employer::{EmployerDetails, EmployerKind};
    use linggong_events::id::{
        ActorId, EmployerId, MarketId, OfferId, OfficeId, PersonId, PostingId, WorkerId,
    };
    use linggong_events::measure::{Fen, Metres};
    use linggong_events::office::Role;
    use linggong_events::person::{Age, AgeBand, KnownPerson};
    use linggong_events::place::Point;
    use linggong_events::posting::{
        FillMode, PayDue, PayKind, PayTerms, PostingTerms, RelationKind, Requirements,
    };
    use linggong_events::time::Shift;
    use linggong_events::worker::{Profile, Skill, SkillLevel};
    use uuid::Uuid;

    fn now() -> Timestamp {
        "2026-11-23T05:00:00+08:00".parse().unwrap()
    }

    fn partition() -> Partition {
        let region = Region::SHANDONG;
        let setting = Setting { log: "lg-test".into(), partition: 0, software: "0".into(), region };
        let mut partition = Partition::new(setting, Packs::new());
        let desk = office::Office {
            name: "a desk".into(),
            region,
            grants: BTreeMap::new(),
            proposed: BTreeMap::new(),
            series: BTreeMap::new(),
        };
        partition.state.offices.insert(OfficeId(Uuid::from_u128(8)), desk);
        let header = Header {
            v: FORMAT,
            log: "lg-test".into(),
            partition: 0,
            commit: 1,
            epoch: 1,
            first: 1,
            count: 0,
            prev: Digest::ZERO,
            software: "0".into(),
            clock_offset_ms: 0,
            genesis: Some(linggong_events::commit::Genesis {
                format: FORMAT,
                hash: "sha256".into(),
                demo: false,
            }),
        };
        partition.replay(&Commit::build(header, &[]).unwrap()).unwrap();
        partition
    }

    /// A worker whose sealed name is `letters` long and who comes for `fen` a day.
    fn register(n: u128, letters: usize, fen: i64) -> Request {
        let person = PersonId(Uuid::from_u128(n));
        let sealed = linggong_events::person::Sealed {
            person,
            key: linggong_events::id::KeyId(Uuid::from_u128(n)),
            boxed: "x".repeat(letters),
        };
        let known = KnownPerson {
            person,
            age: Some(Age { band: AgeBand::From18To59, changes_on: None }),
            document_verified: true,
            sealed: [(linggong_events::person::PersonField::Name, sealed)].into(),
            tokens: Default::default(),
            duplicate_suspected: None,
        };
        let occupation = "loader".parse().unwrap();
        let profile = Profile {
            skills: vec![Skill { occupation, level: SkillLevel::Helper }],
            certificates: Vec::new(),
            place: None,
            reach: Metres(1000),
            expectation: Fen(fen),
            available: Vec::new(),
            declines_ranking: false,
        };
        let mut actor = Actor::engine();
        (actor.id, actor.role, actor.office) =
            (ActorId(Uuid::from_u128(9)), Role::Clerk, Some(OfficeId(Uuid::from_u128(8))));
        actor.regions = vec![Region::SHANDONG];
        Request {
            key: uuid::Builder::from_unix_timestamp_millis(
                now().ms() as u64,
                &(n as u64).to_be_bytes().repeat(2)[..10].try_into().unwrap(),
            )
            .into_uuid(),
            digest: format!("d{n}"),
            actor,
            about: About::default(),
            received_at: now(),
            command: Command::from(worker::Register { person: known, profile }),
        }
    }

    /// Something happened, as the log will tell.
    fn happens(partition: &mut Partition, event: Event) {
        let engine = Itself::new();
        let n = i64::try_from(partition.state.last().0).unwrap();
        let basis = engine.states(deadline_id(event.subject(), "told", n), now(), now());
        let group = partition.record(vec![event], None, &basis).expect("no fault");
        partition.decided.push_back(group);
        while let Some(output) = partition.poll_output().expect("no fault") {
            assert!(matches!(output, Output::Append(_)));
            partition.handle(Input::Committed, now()).expect("no fault");
        }
    }

    /// A posting of 60 places, each taken for that many days by a worker whom every department knows.
    fn full_posting(days: u32) -> (Partition, Request) {
        use linggong_events::hire::{Agreed, HireTerms};
        use linggong_events::id::{HireId, WorkerId};
        use linggong_events::posting::{FillMode, PostingTerms, Published, Requirements};
        use linggong_events::time::{MINUTE_MS, Shift};

        let mut partition = partition();
        partition.rules = RuleBook::shipped().unwrap();
        let token = || format!("hmac-sha256:{}", "1a".repeat(32));
        let departments = ["hrss", "si", "police", "housing", "market", "health", "finance"];
        let hire_terms = HireTerms {
            person_tokens: Some(departments.iter().map(|it| ((*it).to_owned(), token())).collect()),
            employer_code: Some("91370102MA3LDCHX0R".parse().unwrap()),
            shifts: (1..=i64::from(days))
                .map(|day| now().plus_ms(day * DAY_MS))
                .map(|start| Shift::new(start, start.plus_ms(10 * 60 * MINUTE_MS)).unwrap())
                .collect(),
            relation_basis: "一天一结, 自带工具, 不受单位规章制度约束, 干完即走".into(),
            ..crate::testing::terms()
        };
        let posting = hire_terms.posting;
        let terms = PostingTerms {
            employer: hire_terms.employer,
            occupation: hire_terms.occupation,
            text: "装卸".into(),
            region: hire_terms.region,
            place: Point { lat_e6: 36_650_000, lon_e6: 117_120_000 },
            address: "物流园".into(),
            shifts: hire_terms.shifts.clone(),
            headcount: crate::posting::MAX_HEADCOUNT,
            pay: hire_terms.pay.clone(),
            requirements: Requirements { level: SkillLevel::Helper, certificates: Vec::new() },
            mode: FillMode::Grab,
            market: None,
        };
        let (relation, relation_basis) = (hire_terms.relation, hire_terms.relation_basis.clone());
        happens(&mut partition, Published { posting, terms, relation, relation_basis }.into());
        for n in 0..u128::from(crate::posting::MAX_HEADCOUNT) {
            let hire = HireId(Uuid::from_u128(0xc000 + n));
            let terms = HireTerms { worker: WorkerId(Uuid::from_u128(0xa000 + n)), ..hire_terms.clone() };
            let (mode, presumed) = (FillMode::Grab, crate::testing::presumed());
            happens(&mut partition, Agreed { hire, revision: 1, terms, mode, presumed, offer: None }.into());
        }
        let withdraw = crate::posting::Withdraw {
            posting,
            reason: linggong_events::posting::PostingWithdrawal::NotNeeded,
        };
        (partition, Request { command: withdraw.into(), ..register(1, 1, 1) })
    }

    #[test]
    fn a_withdrawal_tells_every_hire_completely_or_asks_to_cancel_some_first() {
        let (mut partition, withdraw) = full_posting(16);
        let before = partition.state().last();
        assert_eq!(give(&mut partition, withdraw).unwrap().position, Position(before.0 + 61));

        let (mut partition, withdraw) = full_posting(31);
        let before = partition.state().last();
        assert_eq!(give(&mut partition, withdraw).unwrap_err().code(), "not_possible");
        assert_eq!(partition.state().last(), before, "nothing was written");
    }

    fn give(partition: &mut Partition, request: Request) -> Result<Receipt, Refusal> {
        give_at(partition, request, now())
    }

    fn give_at(partition: &mut Partition, request: Request, at: Timestamp) -> Result<Receipt, Refusal> {
        partition.handle(Input::Command(Ticket(1), Box::new(request)), at).expect("no fault");
        loop {
            match partition.poll_output().expect("no fault").expect("an answer") {
                Output::Append(_) => partition.handle(Input::Committed, at).expect("no fault"),
                Output::Reply(_, answer) => return answer,
            }
        }
    }

    #[test]
    fn what_cannot_be_written_down_is_refused_and_the_partition_goes_on() {
        let mut partition = partition();
        assert_eq!(give(&mut partition, register(1, 70_000, 20_000)), Err(Refusal::TooLarge));
        let refused = give(&mut partition, register(2, 100, i64::MAX)).unwrap_err();
        assert_eq!(refused.code(), "bad_field", "an integer that not every JSON reader keeps");
        assert_eq!(partition.state().last(), Position(0), "nothing was written");
        assert!(give(&mut partition, register(3, 100, 20_000)).is_ok());
    }

    #[test]
    fn a_reply_waits_for_the_commit_it_rests_on() {
        let mut partition = partition();
        let (first, second) = (register(1, 100, 20_000), register(1, 100, 20_000));
        partition.handle(Input::Command(Ticket(1), Box::new(first)), now()).unwrap();
        partition.handle(Input::Command(Ticket(2), Box::new(second)), now()).unwrap();
        assert!(matches!(partition.poll_output(), Ok(Some(Output::Append(_)))));
        assert!(
            matches!(partition.poll_output(), Ok(None)),
            "the repeated key rests on a commit that is not durable yet"
        );
        partition.handle(Input::Committed, now()).unwrap();
        let answers: Vec<_> = std::iter::from_fn(|| partition.poll_output().unwrap()).collect();
        let [Output::Reply(_, Ok(one)), Output::Reply(_, Ok(two))] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(one, two, "the same key gets the same receipt");
    }

    /// What happened, told by the engine.
    fn tell(partition: &mut Partition, events: Vec<Event>) {
        let engine = Itself::new();
        let seed = CommandId(new_id(CommandId(Uuid::nil()), &partition.state.last().to_string(), 0));
        let basis = engine.states(seed, now(), now());
        let group = partition.record(events, None, &basis).unwrap();
        partition.decided.push_back(group);
    }

    const EMPLOYER: EmployerId = EmployerId(Uuid::from_u128(0xe1));

    fn loading(headcount: u16, mode: FillMode) -> PostingTerms {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        PostingTerms {
            employer: EMPLOYER,
            occupation: "loader".parse().unwrap(),
            text: "装卸小工".into(),
            region: "370102".parse().unwrap(),
            place: Point { lat_e6: 36_670_000, lon_e6: 117_050_000 },
            address: "历下区工业南路仓库".into(),
            shifts: vec![
                Shift::new(at("2026-11-23T07:00:00+08:00"), at("2026-11-23T17:00:00+08:00")).unwrap(),
            ],
            headcount,
            pay: PayTerms {
                pay_kind: PayKind::Day,
                rate: Fen(28_000),
                unit: None,
                usual_day: None,
                due: PayDue::OnCompletion {},
            },
            requirements: Requirements { level: SkillLevel::Helper, certificates: Vec::new() },
            mode,
            market: None,
        }
    }

    /// A morning with so many workers at the market.
    fn morning(workers: u128) -> (Partition, Vec<WorkerId>) {
        let mut partition = partition();
        partition.rules = RuleBook::shipped().unwrap();
        let market = MarketId(Uuid::from_u128(0x30));
        let details = EmployerDetails {
            employer_kind: EmployerKind::Enterprise,
            name: Some("历下区顺达装卸有限公司".into()),
            code: None,
            person: None,
            principal: None,
            licence: None,
            region: "370102".parse().unwrap(),
            place: None,
        };
        let name = "东站零工市场".to_owned();
        let (region, place) = ("370102".parse().unwrap(), Point { lat_e6: 36_670_000, lon_e6: 117_050_000 });
        let market_kind = linggong_events::market::MarketKind::PublicBenefit;
        let opened =
            linggong_events::market::Registered { market, name, region, place, market_kind, operator: None };
        tell(
            &mut partition,
            vec![opened.into(), linggong_events::employer::Registered { employer: EMPLOYER, details }.into()],
        );
        let ids: Vec<WorkerId> = (1..=workers).map(|n| WorkerId(Uuid::from_u128(0xa000 + n))).collect();
        for (n, worker) in (1..).zip(&ids) {
            let Command::Worker(worker::WorkerCommand::Register(it)) = register(n, 100, 20_000).command
            else {
                panic!()
            };
            let registered = linggong_events::worker::Registered {
                worker: *worker,
                person: it.person.person,
                profile: it.profile,
                document_verified: true,
                age: it.person.age,
                person_tokens: None,
            };
            let arrived = linggong_events::worker::Arrived {
                worker: *worker,
                market,
                queue_no: n as u32,
                date: now().date(),
                means: linggong_events::worker::ArrivalMeans::Desk,
                until: now().date().at_minute(1440),
            };
            tell(&mut partition, vec![registered.into(), arrived.into()]);
        }
        (partition, ids)
    }

    fn publish(partition: &mut Partition, n: u128, mode: FillMode) -> PostingId {
        let posting = PostingId(Uuid::from_u128(0xd000 + n));
        let published = linggong_events::posting::Published {
            posting,
            terms: loading(1, mode),
            relation: RelationKind::TaskContract,
            relation_basis: "以完成一定工作任务为期限".into(),
        };
        tell(partition, vec![published.into()]);
        posting
    }

    fn on_site(workers: &[WorkerId]) -> Request {
        let terms = loading(workers.len() as u16, FillMode::OnSite);
        let insurance = linggong_events::hire::InsuranceDecision::ByEmployer;
        let it = crate::hire::RegisterOnSite { terms, workers: workers.to_vec(), insurance };
        Request { command: it.into(), ..register(0x77, 0, 0) }
    }

    #[test]
    fn a_command_that_changed_nothing_keeps_its_receipt_and_its_key() {
        let mut partition = partition();
        let registered = give(&mut partition, register(1, 100, 20_000)).unwrap();
        let worker = WorkerId(new_id(registered.command, linggong_events::id::Kind::Worker.name(), 0));
        let profile = partition.state.workers[&worker].profile.clone();
        let same: Command = worker::ChangeProfile { worker, profile: profile.clone() }.into();
        let request = Request { command: same, ..register(2, 0, 0) };
        let command = command_id(request.actor.id, request.key);
        let first = give(&mut partition, request.clone()).unwrap();
        assert!(first.unchanged && first.position == registered.position);
        assert_eq!(first.recorded_at, registered.recorded_at, "of the event that it points at");
        let dearer = Profile { expectation: Fen(30_000), ..profile };
        let other = Request { digest: "another".into(), ..request.clone() };
        assert_eq!(give(&mut partition, other), Err(Refusal::KeyReused));
        let change: Command = worker::ChangeProfile { worker, profile: dearer }.into();
        assert!(!give(&mut partition, Request { command: change, ..register(3, 0, 0) }).unwrap().unchanged);
        assert_eq!(
            give(&mut partition, request.clone()),
            Ok(first),
            "the first receipt, whatever came since"
        );
        assert_eq!(partition.receipt_of(request.actor.id, command), Some(first));
        assert_eq!(
            partition.receipt_of(ActorId::ENGINE, command),
            None,
            "for whoever gave it, and nobody else"
        );
    }

    #[test]
    fn forty_people_who_all_hold_offers_are_hired_at_once_and_every_place_is_offered_on() {
        let mut twin = partition();
        twin.rules = RuleBook::shipped().unwrap();
        let (mut partition, workers) = morning(60);
        let mut postings: Vec<_> = (0..40).map(|n| publish(&mut partition, n, FillMode::Dispatch)).collect();
        let holds = |it: &&WorkerId| !partition.state.workers[it].offers.is_empty();
        let crew: Vec<WorkerId> = workers.iter().filter(holds).copied().collect();
        assert_eq!(crew.len(), 40, "each posting made its offer to somebody");
        let told = partition.state.last();
        partition.emit().unwrap();
        let mut commits = Vec::new();
        partition.handle(Input::Command(Ticket(1), Box::new(on_site(&crew))), now()).expect("no fault");
        let mut answer = None;
        while let Some(output) = partition.poll_output().expect("no fault") {
            match output {
                Output::Append(commit) => {
                    commits.push(commit);
                    partition.handle(Input::Committed, now()).expect("no fault");
                }
                Output::Reply(_, it) => answer = Some(it),
            }
        }
        let receipt = answer.expect("an answer").expect("hired");
        assert!(crew.iter().all(|it| partition.state.workers[it].hires.len() == 1));
        assert!(receipt.first > told && receipt.position < partition.state.last(), "the rest came after it");
        postings.retain(|it| partition.state.postings[it].free() == 0);
        assert_eq!(postings.len(), 20, "as many places are offered on as there are people left");
        assert!(partition.state.owed.is_empty(), "each posting was looked at once more");
        for commit in &commits {
            twin.replay(commit).unwrap();
        }
        assert_eq!(twin.state.digest(), partition.state.digest());
    }

    #[test]
    fn every_free_place_is_offered_though_the_reasons_of_twenty_are_recorded() {
        let (mut partition, _) = morning(70);
        let before = partition.state.last();
        let published = linggong_events::posting::Published {
            posting: PostingId(Uuid::from_u128(0xd1)),
            terms: loading(60, FillMode::Dispatch),
            relation: RelationKind::TaskContract,
            relation_basis: "以完成一定工作任务为期限".into(),
        };
        tell(&mut partition, vec![published.into()]);
        assert_eq!(partition.state.last().0 - before.0, 1 + 1 + 60, "posting, reasons, one offer per place");
        let group = partition.decided.back().unwrap();
        let reasons = String::from_utf8(group.lines[1].clone()).unwrap();
        assert_eq!(reasons.matches("\"score\"").count(), matching::MAX_CANDIDATES);
    }

    #[test]
    fn what_a_decision_sets_in_motion_is_refused_where_no_commit_would_hold_it() {
        let (mut partition, workers) = morning(2);
        for n in 0..450 {
            let posting = publish(&mut partition, n, FillMode::Grab);
            let made = linggong_events::offer::Made {
                offer: OfferId(Uuid::from_u128(0x0ff0_0000 + n)),
                posting,
                worker: workers[0],
                mode: FillMode::Named,
                expires: "2026-11-23T06:00:00+08:00".parse().unwrap(),
                proposed_by: None,
                override_reason: None,
            };
            tell(&mut partition, vec![made.into()]);
        }
        let before = partition.state.digest();
        partition.emit().unwrap();
        assert_eq!(give(&mut partition, on_site(&workers[..1])), Err(Refusal::TooLarge));
        assert_eq!(partition.state.digest(), before, "nothing changed");
        assert!(give(&mut partition, on_site(&workers[1..])).is_ok(), "and the partition goes on");
    }

    /// Everything that comes out of `input`; each commit is durable at once.
    fn commits_of(partition: &mut Partition, input: Input, now: Timestamp) -> Vec<Commit> {
        let mut commits = Vec::new();
        partition.handle(input, now).expect("no fault");
        while let Some(output) = partition.poll_output().expect("no fault") {
            if let Output::Append(commit) = output {
                commits.push(commit);
                partition.handle(Input::Committed, now).expect("no fault");
            }
        }
        commits
    }

    fn only_event(commits: &[Commit]) -> Envelope {
        let events: Vec<_> = commits.iter().flat_map(Commit::events).collect();
        let [Ok(Recorded::Known(envelope))] = &events[..] else { panic!("{events:?}") };
        envelope.clone()
    }

    fn confirm_clock(n: u128, received_at: Timestamp) -> Request {
        let confirm = office::ConfirmClock {
            office: OfficeId(Uuid::from_u128(8)),
            reason: "已与授时核对".into(),
        };
        let mut request = Request { command: confirm.into(), received_at, ..register(n, 0, 0) };
        request.actor.role = Role::Keeper;
        request.key =
            uuid::Builder::from_unix_timestamp_millis(received_at.ms() as u64, &[n as u8; 10]).into_uuid();
        request
    }

    #[test]
    fn a_jump_of_the_clock_is_recorded_at_the_last_trusted_instant_and_a_replay_knows_of_it() {
        let mut twin = partition();
        let mut partition = partition();
        commits_of(&mut partition, Input::Tick, now());
        partition.hold_clock(DAY_MS).unwrap();
        let held = commits_of(&mut partition, Input::Tick, now().plus_ms(1000));
        let event = only_event(&held);
        let office = OfficeId(Uuid::from_u128(8));
        assert_eq!(event.event, ClockHeld { office, reason: ClockDoubt::Jump, by_ms: DAY_MS }.into());
        assert_eq!((event.meta.time, event.meta.role), (now(), Role::Engine));
        assert_eq!(event.meta.audience.as_str(), "never");

        twin.replay(&held[0]).unwrap();
        assert!(twin.clock_is_held(), "after a restart too");
        assert_eq!(twin.state.digest(), partition.state.digest());
        partition.hold_clock(-DAY_MS).unwrap();
        assert!(matches!(partition.poll_output(), Ok(None)), "it is in doubt already");
    }

    #[test]
    fn a_long_pause_is_recorded_at_its_beginning_and_ends_with_the_first_word_by_the_confirmed_clock() {
        let mut partition = partition();
        give(&mut partition, register(1, 100, 20_000)).unwrap();
        let later = now().plus_ms(8 * DAY_MS);
        let event = only_event(&commits_of(&mut partition, Input::Tick, later));
        assert_eq!(event.event.event_type().short_name(), "office.clock_held");
        assert_eq!(event.meta.time, now());

        // The operator's key is of their own clock, days ahead of what the partition trusts.
        let request = confirm_clock(2, later);
        let commits = commits_of(&mut partition, Input::Command(Ticket(2), Box::new(request)), now());
        let event = only_event(&commits);
        assert_eq!((event.event.event_type().name, event.meta.time), ("clock_confirmed", later));
        assert!(!partition.clock_is_held());
        assert!(commits_of(&mut partition, Input::Tick, later.plus_ms(1000)).is_empty(), "no new doubt");
    }

    #[test]
    fn a_key_that_was_made_while_recorded_time_lagged_is_remembered_until_it_is_too_old() {
        let mut partition = partition();
        give(&mut partition, register(1, 100, 20_000)).unwrap();
        let later = now().plus_ms(8 * DAY_MS);
        commits_of(&mut partition, Input::Tick, later);
        assert!(partition.clock_is_held());
        // By a right clock, eight days ahead of what is recorded meanwhile.
        let key = |at: Timestamp, request: Request| {
            let key = uuid::Builder::from_unix_timestamp_millis(at.ms() as u64, &[7; 10]).into_uuid();
            Request { key, received_at: at, ..request }
        };
        let asked = key(later, register(3, 101, 20_000));
        let first = give(&mut partition, asked.clone()).unwrap();
        assert_eq!(first.recorded_at, now());
        let too_far = key(now().plus_ms(31 * DAY_MS), register(4, 102, 20_000));
        assert!(matches!(give(&mut partition, too_far), Err(Refusal::InTheFuture { .. })), "not even then");

        let request = confirm_clock(2, later);
        commits_of(&mut partition, Input::Command(Ticket(2), Box::new(request)), now());
        // Something is recorded just before the key is too old: forgetting is its work.
        let end = later.plus_ms(90 * DAY_MS - 1);
        for day in 1..90 {
            commits_of(&mut partition, Input::Tick, later.plus_ms(day * DAY_MS));
        }
        give_at(&mut partition, key(end, register(5, 103, 20_000)), end).unwrap();
        assert_eq!(give_at(&mut partition, asked.clone(), end).unwrap(), first, "its first receipt");
        let later = end.plus_ms(11 * 60_000);
        give_at(&mut partition, key(later, register(6, 104, 20_000)), later).unwrap();
        let over = give_at(&mut partition, asked, later);
        assert!(matches!(over, Err(Refusal::KeyTooOld { .. })));
    }

    #[test]
    fn a_confirmed_clock_that_was_set_back_never_lets_recorded_time_run_back() {
        let mut partition = partition();
        give(&mut partition, register(1, 100, 20_000)).unwrap();
        partition.hold_clock(-DAY_MS).unwrap();
        commits_of(&mut partition, Input::Tick, now());
        let back = now().plus_ms(-DAY_MS);
        let request = confirm_clock(2, back);
        let commits = commits_of(&mut partition, Input::Command(Ticket(2), Box::new(request)), now());
        assert_eq!(only_event(&commits).meta.time, now());
    }
}
