//! Two partitions with their logs, views, vaults and clients in one thread: every step is drawn from the seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use linggong_engine::command::{Actor, Command, Request};
use linggong_engine::pack::{DEFAULT_PACKS, Pack};
use linggong_engine::partition::{
    self, Input, MAX_PAUSE_MS, Output, Packs, Partition, Receipt, Setting, Ticket,
};
use linggong_engine::person::PersonCommand;
use linggong_engine::rules::rules_id;
use linggong_engine::snapshot::Snapshot;
use linggong_engine::state::KEY_WINDOW_MS;
use linggong_events::audience::Department;
use linggong_events::commit::{Commit, Digest, Head};
use linggong_events::envelope::Recorded;
use linggong_events::event::Event;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, CardId, EntityRef, KeyId, Kind, OfficeId, PersonId, command_id};
use linggong_events::log::simulated::{Fault, FaultPlan, SimulatedLog, SimulatedStore};
use linggong_events::log::{AppendError, Author, EventLog, LogReader, Resolution};
use linggong_events::measure::Position;
use linggong_events::office::{Grant, Registered, Role, RoleGranted};
use linggong_events::person::{PersonEvent, PersonField, Sealed};
use linggong_events::rules::{Adopted, PackKind};
use linggong_events::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use linggong_gateway::clock::Timekeeper;
use linggong_gateway::vault::CardHolder;
use linggong_projections::{AsOf, InMemory};
use serde_json::Value;
use uuid::Uuid;

use crate::disk;
use crate::expected::Expected;
use crate::gate::{self, Follows};
use crate::oracle::{Broken, Holds, Oracle, i16_nothing_personal_stands_in_clear};
use crate::random::Random;
use crate::safe::Safe;
use crate::stories::{Story, made_by};
use crate::travel::{Ways, minutes_in, with_a_way};
use crate::work::{COUNTY, Desk, EVIDENCE, NEXT_COUNTY, Wish};

/// The insurer of the staff, of which cover is asked.
pub(crate) const INSURER: &str = "91350100M000100Y43";
/// How many matters are carried on at one site at once.
const STORIES_AT_ONCE: usize = 3;
/// A keeper of another county.
pub(crate) const ABROAD: Uuid = Uuid::from_u128(0xB000);
/// How many lines of its history a broken run shows.
const SHOWN: usize = 20;
/// Steps of the first phase; faults happen in it.
const STEPS: u32 = 900;
/// Rounds within which everything must have settled once faults have stopped.
const SETTLING: u32 = 400;

/// What happened in a run: its last lines, and a digest of all of them.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) last: VecDeque<String>,
    pub(crate) digest: Option<Digest>,
    pub(crate) step: u32,
    /// Whether each line is printed as it is noted.
    pub(crate) shows: bool,
}

impl History {
    fn note(&mut self, line: String) {
        let before = self.digest.map(|it| it.to_string()).unwrap_or_default();
        self.digest = Some(Digest::of(format!("{before}{line}").as_bytes()));
        if self.shows {
            println!("{:>5} {line}", self.step);
        }
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(format!("{:>5} {line}", self.step));
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) history: Option<Digest>,
    pub(crate) events: usize,
    pub(crate) types: BTreeSet<String>,
    /// How often each command was accepted, and refused.
    pub(crate) commands: BTreeMap<&'static str, (u64, u64)>,
    /// How often each refusal was given.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// How often each invariant that takes a while was looked at.
    pub(crate) looks: BTreeMap<&'static str, u64>,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

/// Which faults a seed switches on: a random half of them.
#[derive(Clone, Copy, Debug)]
struct Faults {
    lost_acks: bool,
    full_disks: bool,
    poison: bool,
    duplicates: bool,
    other_content: bool,
    lost_messages: bool,
    crashes: bool,
    rivals: bool,
    clock_jumps: bool,
    slow_readers: bool,
    upgrades: bool,
    rot: bool,
    long_pauses: bool,
    late_acks: bool,
    lost_papers: bool,
    snapshots: bool,
}

impl Faults {
    fn of(random: &mut Random) -> Faults {
        Faults {
            lost_acks: random.coin(),
            full_disks: random.coin(),
            poison: random.coin(),
            duplicates: random.coin(),
            other_content: random.coin(),
            lost_messages: random.coin(),
            crashes: random.coin(),
            rivals: random.coin(),
            clock_jumps: random.coin(),
            slow_readers: random.coin(),
            upgrades: random.coin(),
            rot: random.coin(),
            long_pauses: random.one_in_thousand(250),
            late_acks: random.coin(),
            lost_papers: random.coin(),
            snapshots: random.coin(),
        }
    }

    const NONE: Faults = Faults {
        lost_acks: false,
        full_disks: false,
        poison: false,
        duplicates: false,
        other_content: false,
        lost_messages: false,
        crashes: false,
        rivals: false,
        clock_jumps: false,
        slow_readers: false,
        upgrades: false,
        rot: false,
        long_pauses: false,
        late_acks: false,
        lost_papers: false,
        snapshots: false,
    };

    /// What goes wrong with the appends of one writer.
    fn plan(self, random: &mut Random) -> FaultPlan {
        let mut kinds = Vec::new();
        if self.lost_acks {
            kinds.extend([Fault::LostAck, Fault::LostCommit, Fault::LandsLate, Fault::Duplicated]);
        }
        if self.full_disks {
            kinds.push(Fault::Refused);
        }
        if self.poison {
            kinds.extend([Fault::PoisonedAfter, Fault::PoisonedBefore]);
        }
        let mut plan = FaultPlan::new();
        // The first append is the epoch record, which goes wrong too.
        for nth in 1..400 {
            if random.one_in_thousand(100)
                && let Some(fault) = random.pick(&kinds)
            {
                plan.insert(nth, fault);
            }
        }
        plan
    }
}

/// A command that a client gave, until it has its answer.
struct Call {
    site: usize,
    wish: Wish,
    key: Uuid,
    /// The same key with other content, where the client is a careless one.
    other: Option<Value>,
    answered: bool,
    sent: u32,
    /// Whose next step it is.
    story: Option<usize>,
}

/// Who waits for an answer of an engine.
#[derive(Clone, Copy)]
struct Asked {
    call: usize,
    is_other: bool,
    /// Whether the command was in the log when the request came.
    was_in_log: bool,
    /// What the vault is told after the answer.
    follows: Option<Follows>,
    /// Whose version the command was given for, where it names one.
    of_version: Option<EntityRef>,
}

/// On its way between client and engine, in no order.
enum Message {
    Request { call: usize, is_other: bool },
    Reply { call: usize, is_other: bool, answer: Result<Receipt, &'static str> },
}

/// One engine of a partition. A partition may for a while have two: one of them is deposed and does not know.
struct Engine {
    partition: Partition,
    log: SimulatedLog,
    in_flight: Option<Commit>,
    /// Whether it is durable and the engine does not know yet.
    is_durable: bool,
    unknown: bool,
    /// What goes wrong with its appends, and how many there were.
    plan: FaultPlan,
    appends: u64,
    tickets: BTreeMap<Ticket, Asked>,
    next_ticket: u64,
    /// How far its clock is wrong.
    skew_ms: i64,
    timekeeper: Timekeeper,
    expected: Expected,
    software: &'static str,
}

impl Engine {
    /// As the gateway's shell: by its own clock where that is trusted. `now` is the true time, and the monotonic one.
    fn handle(&mut self, input: Input, now: Timestamp) -> Holds {
        let fault = |it: partition::Fault| linggong_gateway::chain(&it);
        let wall = now.plus_ms(self.skew_ms);
        let told = self.timekeeper.instant(wall, now.ms(), &mut self.partition).map_err(fault)?;
        self.expected.i03_in_doubt_time_goes_on_from_what_was_trusted(told, now, &self.partition)?;
        if !matches!(input, Input::Committed) {
            self.expected.note_what_is_due(told, &self.partition);
        }
        self.partition.handle(input, told).map_err(fault)?;
        self.expected.note_whether_the_clock_is_held(&self.partition);
        Ok(())
    }
}

struct Site {
    number: u16,
    store: SimulatedStore,
    engines: Vec<Engine>,
    oracle: Oracle,
    read: u64,
    /// What is durable, decoded once for all that read it.
    events: Vec<Recorded>,
    views: Vec<InMemory>,
    subscriber: Vec<Vec<u8>>,
    subscribed: u64,
    upgrades: u32,
    /// How often the engine answered each command: accepted, refused, never.
    answers: BTreeMap<String, (u32, u32, u32)>,
    accepted: BTreeMap<String, (u64, u64)>,
    safe: Safe,
    stories: Vec<Story>,
    /// Whom the vault took each document to be of.
    documents: BTreeMap<String, String>,
    /// States written down on the way, the newest last.
    snapshots: Vec<Vec<u8>>,
    /// The numbers of the cards that were to be given out.
    numbers: BTreeSet<String>,
}

impl Engine {
    fn append(&mut self, commit: &Commit) -> Result<Head, AppendError> {
        self.appends += 1;
        self.log.append(commit)
    }
}

impl Site {
    /// Whether this engine is the one writer, not a deposed one that has not noticed.
    fn writes(&self, engine: &Engine) -> bool {
        engine.partition.head().epoch == self.store.head().epoch
    }
}

pub(crate) struct World {
    random: Random,
    faults: Faults,
    now: Timestamp,
    sites: Vec<Site>,
    calls: Vec<Call>,
    messages: Vec<Message>,
    packs: Packs,
    adoptable: Vec<(&'static str, &'static str, Digest)>,
    keys: u32,
    history: Rc<RefCell<History>>,
    outcome: Outcome,
    /// Runs whose every step is checked against a replay are rare: they are slow.
    is_thorough: bool,
}

/// The packs of every run, read once: those shipped, and a second policy to be adopted in mid-run.
pub(crate) struct Library {
    packs: Packs,
    shipped: Vec<(&'static str, PackKind, Digest)>,
    adoptable: Vec<(&'static str, &'static str, Digest)>,
    ways: Ways,
}

impl Library {
    pub(crate) fn read() -> Library {
        let mut packs = Packs::new();
        let mut shipped = Vec::new();
        let mut adoptable = Vec::new();
        let mut ways = BTreeMap::new();
        for (name, kind, text) in DEFAULT_PACKS {
            let pack = Arc::new(Pack::parse(*kind, text.as_bytes()).unwrap());
            ways.extend(minutes_in(text).map(|it| (pack.digest().to_string(), it)));
            shipped.push((*name, *kind, pack.digest()));
            packs.insert(pack.digest(), pack);
            let renewed = match kind {
                PackKind::Policy => {
                    text.replace("reliability_of_newcomers = 90", "reliability_of_newcomers = 60")
                }
                PackKind::Statutes => {
                    format!("{}\n# 重印\n", with_a_way(&somebody_read(text, "sup.accept")))
                }
                PackKind::Calendar => continue,
            };
            let pack = Arc::new(Pack::parse(*kind, renewed.as_bytes()).unwrap());
            ways.extend(minutes_in(&renewed).map(|it| (pack.digest().to_string(), it)));
            adoptable.push((
                *name,
                if *kind == PackKind::Policy { "policy" } else { "statutes" },
                pack.digest(),
            ));
            packs.insert(pack.digest(), pack);
        }
        Library { packs, shipped, adoptable, ways: Rc::new(ways) }
    }
}

/// The pack after somebody has read the row of a deadline, so that it has effect.
fn somebody_read(text: &str, row: &str) -> String {
    let Some((before, after)) = text.split_once(&format!("id = \"{row}\"")) else { return text.to_owned() };
    let quote = "自接到投诉之日起5个工作日内依法受理";
    let digest = Digest::of(quote.as_bytes()).to_string();
    let read = format!(
        "conf = \"V\"\nverified = true\nquote = \"{quote}\"\nquoted_text_sha256 = \"{}\"\nverified_by = \"模拟\"\nverified_at = \"2026-03-01\"\n",
        digest.trim_start_matches("sha256:"),
    );
    let after = after.replacen("conf = \"S\"\nverified = false\n", &read, 1);
    format!("{before}id = \"{row}\"{after}")
}

/// Runs one seed to its end.
pub(crate) fn run(seed: u64, library: &Library, history: &Rc<RefCell<History>>) -> Result<Outcome, Broken> {
    let mut random = Random::new(seed);
    let faults = Faults::of(&mut random);
    #[cfg(debug_assertions)]
    linggong_gateway::vault::draw_by(Some(seed));
    let mut world = World {
        faults,
        now: "2026-03-02T05:00:00+08:00".parse().unwrap(),
        sites: Vec::new(),
        calls: Vec::new(),
        messages: Vec::new(),
        packs: library.packs.clone(),
        adoptable: library.adoptable.clone(),
        keys: 0,
        history: history.clone(),
        outcome: Outcome::default(),
        is_thorough: random.one_in_thousand(10),
        random,
    };
    world.note(|| format!("{faults:?}"));
    for number in 0..2 {
        let site = world.found(number, library)?;
        world.sites.push(site);
    }
    for step in 0..STEPS {
        history.borrow_mut().step = step;
        world.step()?;
        world.look()?;
    }
    world.settle()?;
    if world.random.one_in_thousand(60) {
        world.ask_again_when_the_window_ends()?;
    }
    world.last_look()?;
    for site in &world.sites {
        world.outcome.events += site.oracle.lines.len();
        world.outcome.types.extend(site.oracle.seen_types.iter().cloned());
    }
    world.outcome.history = history.borrow().digest;
    Ok(world.outcome)
}

fn author(number: u16, software: &str) -> Author {
    Author { log: format!("lg-{number}"), partition: number, software: software.into() }
}

fn broke(what: &'static str) -> impl Fn(partition::Fault) -> Broken {
    move |fault| format!("engine: {what}: {}", linggong_gateway::chain(&fault))
}

impl World {
    fn note(&mut self, line: impl FnOnce() -> String) {
        self.history.borrow_mut().note(line());
    }

    fn count(&mut self, fault: &'static str) {
        *self.outcome.faults.entry(fault).or_default() += 1;
    }

    /// Begins a log: its genesis, then its office, staff and rules.
    fn found(&mut self, number: u16, library: &Library) -> Result<Site, Broken> {
        let store = SimulatedStore::default();
        let mut log = store.writer(FaultPlan::new());
        let genesis = author(number, "1").genesis(true).map_err(|error| error.to_string())?;
        log.append(&genesis).map_err(|error| error.to_string())?;
        let mut site = Site {
            number,
            store,
            engines: Vec::new(),
            oracle: Oracle::tracing(std::env::var("TRACE").ok(), &library.ways),
            read: 0,
            events: Vec::new(),
            views: linggong_projections::in_memory(),
            subscriber: Vec::new(),
            subscribed: 0,
            upgrades: 0,
            answers: BTreeMap::new(),
            accepted: BTreeMap::new(),
            safe: Safe::new(&format!("lg-{number}"))?,
            stories: Vec::new(),
            documents: BTreeMap::new(),
            snapshots: Vec::new(),
            numbers: BTreeSet::new(),
        };
        let mut engine =
            self.start(&site, Faults::NONE)?.ok_or("engine: a sound log does not take the epoch")?;
        let is_read = self.random.one_in_thousand(300);
        engine.partition.found(founding(number, library, is_read), self.now).map_err(broke("founding"))?;
        site.engines.push(engine);
        Ok(site)
    }

    /// Starts an engine as the gateway does: replay, then the epoch record.
    fn start(&mut self, site: &Site, faults: Faults) -> Result<Option<Engine>, Broken> {
        let software = ["1", "2", "3"][site.upgrades.min(2) as usize];
        let author = author(site.number, software);
        let setting = Setting {
            log: author.log.clone(),
            partition: site.number,
            software: software.into(),
            region: "370000".parse().unwrap(),
        };
        let mut partition = Partition::new(setting, self.packs.clone());
        let from = self.resume(site, &mut partition)?;
        for commit in site.store.commits(from) {
            partition.replay(&commit.map_err(|error| error.to_string())?).map_err(broke("replay"))?;
        }
        let plan = faults.plan(&mut self.random);
        let mut log = site.store.writer(plan.clone());
        let mut appends = 1;
        let takeover = author.takeover(&log.head(), 0).map_err(|error| error.to_string())?;
        let mut outcome = log.append(&takeover);
        if let Some(fault) = plan.get(&1) {
            self.count(named(*fault));
        }
        if let Err(AppendError::Unknown { .. }) = outcome {
            outcome = match log.resolve(&takeover) {
                Ok(Resolution::Landed(head)) => Ok(head),
                Ok(Resolution::Absent) => {
                    appends += 1;
                    log.append(&takeover)
                }
                Ok(Resolution::Deposed) => Err(AppendError::Deposed),
                Err(error) => Err(error),
            };
        }
        if outcome.is_err() {
            return Ok(None);
        }
        partition.replay(&takeover).map_err(broke("epoch"))?;
        Ok(Some(Engine {
            partition,
            log,
            in_flight: None,
            is_durable: false,
            unknown: false,
            plan,
            appends,
            tickets: BTreeMap::new(),
            next_ticket: 0,
            skew_ms: 0,
            timekeeper: Timekeeper::default(),
            expected: Expected::default(),
            software,
        }))
    }

    /// Goes on from a snapshot where there is one that is whole, as a start does; says from which commit on.
    fn resume(&mut self, site: &Site, partition: &mut Partition) -> Result<u64, Broken> {
        let Some(mut bytes) = self.random.pick(&site.snapshots).filter(|_| self.random.one_in_thousand(850))
        else {
            return Ok(1);
        };
        if self.faults.snapshots && self.random.one_in_thousand(100) {
            let at = self.random.below(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
            self.count("damaged snapshot");
            if Snapshot::check(&bytes).is_ok() {
                return Err(format!("5: a snapshot that was changed at byte {at} goes unseen"));
            }
            return Ok(1);
        }
        self.count("start from a snapshot");
        let from = resume(&bytes, partition)?;
        Ok(from)
    }

    fn step(&mut self) -> Holds {
        let at = self.random.below(2);
        self.now = self.now.plus_ms(self.random.between(50, 40_000));
        match self.random.below(100) {
            0..30 => self.wish(at)?,
            30..58 => {
                // Now and then one alone, so that the others are late.
                for _ in 0..self.random.between(1, 4) {
                    self.deliver()?;
                }
            }
            58..78 => self.write(at),
            78..84 => self.tick(at)?,
            84..90 => self.read_on(at)?,
            90..94 => self.retry(),
            94 => self.pass_time(),
            95 => self.crash(at)?,
            96 if self.random.coin() => self.rival(at)?,
            97 => self.jump_clock(at),
            98 if self.random.coin() => self.upgrade(at),
            _ => self.rot(at)?,
        }
        if self.sites[at].engines.is_empty() && self.random.one_in_thousand(300) {
            self.restart(at)?;
        }
        Ok(())
    }

    /// A client makes up its mind: more often than not one who is in the middle of something.
    fn wish(&mut self, at: usize) -> Holds {
        let open = self.calls.iter().filter(|it| !it.answered).count();
        if open > 40 {
            return Ok(());
        }
        let (now, adoptable) = (self.now, self.adoptable.clone());
        let site = &mut self.sites[at];
        let mut desk = Desk { knows: &site.oracle, random: &mut self.random, now, packs: &adoptable };
        let (mut wish, mut story) = (None, None);
        if desk.is_ready() && desk.random.one_in_thousand(850) {
            if site.stories.len() < STORIES_AT_ONCE {
                site.stories.extend(Story::begin(&mut desk));
            }
            let free: Vec<usize> = (0..site.stories.len()).filter(|nth| !site.stories[*nth].waits).collect();
            if let Some(nth) = desk.random.pick(&free) {
                if site.stories[nth].is_over()
                    && let Some(another) = Story::begin(&mut desk)
                {
                    site.stories[nth] = another;
                }
                wish = site.stories[nth].next(&mut desk);
                site.stories[nth].waits = wish.is_some();
                story = Some(nth);
            }
        } else {
            wish = desk.wish();
        }
        let Some(mut wish) = wish else { return Ok(()) };
        let careless = self.faults.other_content && desk.random.one_in_thousand(100);
        let other = if careless { desk.wish() } else { None };
        let other = other.filter(|it| it.name == wish.name && it.body != wish.body).map(|it| it.body);
        // Another body of the same command, where no other wish was for it.
        let other = other.or_else(|| {
            let mut body = wish.body.clone();
            body["basis"].is_string().then(|| body["basis"] = "另一依据".into())?;
            Some(body).filter(|_| careless)
        });
        let key = match wish.how {
            "key4" => Uuid::from_u128(0x1234_5678_9ABC_4DEF_8123_4567_89AB_CDEF),
            "old" => self.new_key(-400 * DAY_MS),
            // Some clocks run ahead, by less than is refused.
            _ if self.random.one_in_thousand(100) => {
                let ms = self.random.between(5 * MINUTE_MS, 10 * MINUTE_MS);
                self.new_key(ms)
            }
            _ => self.new_key(0),
        };
        self.store_papers(at, &mut wish);
        self.hand_in(at);
        let site = &mut self.sites[at];
        site.numbers.extend(wish.body["card"].as_str().map(str::to_owned));
        let call = self.calls.len();
        self.note(|| format!("p{at} call {call}: {} {} {}", wish.name, wish.body, wish.about));
        self.calls.push(Call { site: at, wish, key, other, answered: false, sent: 0, story });
        self.send(call);
        Ok(())
    }

    /// A client stores what it is going to name, about whom it concerns where that is known; some forget to.
    fn store_papers(&mut self, at: usize, wish: &mut Wish) {
        let Some(fields) = wish.body.as_object_mut() else { return };
        let stand_in = |it: &&mut Value| it.as_str().is_some_and(|it| it.starts_with(EVIDENCE));
        for field in fields.values_mut().filter(stand_in) {
            // Now and then what was stored for something else, however long ago and whatever became of it.
            if (wish.how == "again" || self.random.one_in_thousand(150))
                && let Some(paper) = self.sites[at].safe.papers.again(&mut self.random)
            {
                *field = Value::String(paper.to_string());
                continue;
            }
            let shows = field.as_str().and_then(|it| it.strip_prefix(EVIDENCE)).unwrap_or_default();
            let site = &mut self.sites[at];
            let people: Vec<&str> = site.oracle.workers.values().map(|it| it.person.as_str()).collect();
            let person = self.random.pick(&people).filter(|_| self.random.coin());
            let about = match person.and_then(|it| Uuid::parse_str(it).ok()) {
                Some(id) => EntityRef { kind: Kind::Person, id },
                None => OfficeId(Uuid::from_u128(0x0F00 + u128::from(site.number))).into(),
            };
            let is_lost = self.faults.lost_papers && self.random.one_in_thousand(60);
            let stored = if is_lost { None } else { site.safe.store(about, shows) };
            let stored = stored.unwrap_or_else(|| Digest::of(&self.random.next().to_be_bytes()));
            *field = Value::String(stored.to_string());
            if is_lost {
                *self.outcome.faults.entry("lost paper").or_default() += 1;
            }
        }
    }

    /// Some of those whom matters are about hand in a paper that nobody names yet.
    fn hand_in(&mut self, at: usize) {
        let Site { stories, safe, .. } = &mut self.sites[at];
        for person in stories.iter_mut().filter_map(|it| it.hands_in(&mut self.random)) {
            safe.store(EntityRef { kind: Kind::Person, id: id(&person) }, "证明");
        }
    }

    fn send(&mut self, call: usize) {
        self.calls[call].sent += 1;
        self.messages.push(Message::Request { call, is_other: false });
        if self.calls[call].other.is_some() && self.random.coin() {
            self.messages.push(Message::Request { call, is_other: true });
            self.count("other content");
        }
        if self.faults.duplicates && self.random.one_in_thousand(150) {
            self.messages.push(Message::Request { call, is_other: false });
            self.count("duplicate");
        }
    }

    /// A client that has waited long enough asks again under the same key.
    fn retry(&mut self) {
        let waiting: Vec<usize> =
            self.calls.iter().enumerate().filter(|(_, it)| !it.answered).map(|(nth, _)| nth).collect();
        if let Some(call) = self.random.pick(&waiting) {
            self.send(call);
        }
    }

    /// Some message arrives; which one is chance, so that all of them may be late or overtaken.
    fn deliver(&mut self) -> Holds {
        if self.messages.is_empty() {
            return Ok(());
        }
        let nth = self.random.below(self.messages.len());
        let message = self.messages.swap_remove(nth);
        if self.faults.lost_messages && self.random.one_in_thousand(60) {
            self.count("lost message");
            return Ok(());
        }
        match message {
            Message::Request { call, is_other } => self.arrive(call, is_other),
            Message::Reply { call, is_other, answer } => {
                self.hear(call, is_other, answer);
                Ok(())
            }
        }
    }

    /// A request reaches a gateway: it says who asks, by the grants that are durable, seals what is personal, looks
    /// for the evidence, and asks an engine.
    fn arrive(&mut self, nth: usize, is_other: bool) -> Holds {
        let call = &self.calls[nth];
        let at = call.site;
        let say = |answer| Message::Reply { call: nth, is_other, answer: Err(answer) };
        if self.sites[at].engines.is_empty() {
            return Ok(());
        }
        let Some((office, grant)) = self.sites[at].oracle.grants.get(&(call.wish.actor, call.wish.role))
        else {
            self.messages.push(say("gateway: no_role"));
            return Ok(());
        };
        let actor = Actor::holding(grant, *office);
        let mut clear = call.other.as_ref().filter(|_| is_other).unwrap_or(&call.wish.body).clone();
        let (name, key) = (call.wish.name, call.key);
        let command_id = command_id(actor.id, key);
        let about = serde_json::from_value(call.wish.about.clone()).expect("harness: about");
        let asked = format!("{name}\n{clear} {}", call.wish.about);
        let was_in_log = self.sites[at].oracle.commands.contains_key(&command_id.0.to_string());
        let number = clear["person"]["document"]["number"].as_str().map(str::to_owned);
        let chosen = self.random.below(self.sites[at].engines.len());
        let now = self.now.plus_ms(self.sites[at].engines[chosen].skew_ms);
        let command_type = Command::find(name).expect("harness: a command of the registry");
        let Site { safe, engines, .. } = &mut self.sites[at];
        let (state, asking) = (engines[chosen].partition.state(), (call.wish.role, command_id));
        if let Err(code) = gate::resolve(safe, state, asking, command_type, &mut clear) {
            *self.outcome.refusals.entry(code).or_default() += 1;
            self.messages.push(say(code));
            return Ok(());
        }
        let sealed = self.sites[at].safe.seal((actor.id, name, command_id), &asked, clear, now.date());
        let (digest, body) = match sealed {
            Ok(sealed) => sealed,
            Err(code) => {
                self.messages.push(say(code));
                return Ok(());
            }
        };
        if let Some(number) = number {
            self.i16_one_document_is_one_human(at, number, &body)?;
        }
        if self.faults.crashes && self.random.one_in_thousand(4) {
            // The vault has it, the engine never hears of it.
            self.count("crash between vault and log");
            return self.end_process(at, chosen);
        }
        let command = match Command::decode(name, body) {
            Ok(command) => command,
            // Whoever says something else under a key may say nonsense.
            Err(_) if is_other => {
                self.messages.push(say("gateway: bad_fields"));
                return Ok(());
            }
            Err(error) => panic!("harness: {name}: {}", linggong_gateway::chain(&error)),
        };
        if let Command::Person(PersonCommand::SetKeyState(it)) = &command
            && !self.sites[at].safe.is_key_of(it.person, it.key)
        {
            self.messages.push(say("gateway: not its key"));
            return Ok(());
        }
        let follows = Follows::of(&command);
        let request = Request { key, digest, actor, about, received_at: now, command };
        let named: Vec<EvidenceDigest> = request.evidence().unwrap_or_default();
        if self.sites[at].safe.lacks(&named) && !was_in_log {
            *self.outcome.refusals.entry("evidence_unknown").or_default() += 1;
            let gone = u64::from(self.sites[at].safe.papers.names_what_is_gone(&named));
            *self.outcome.looks.entry("4: refused, for its key is destroyed").or_default() += gone;
            self.messages.push(say("evidence_unknown"));
            return Ok(());
        }
        let engine = &mut self.sites[at].engines[chosen];
        let ticket = Ticket(engine.next_ticket);
        engine.next_ticket += 1;
        let of_version = request.command.versioned_entity();
        engine.tickets.insert(ticket, Asked { call: nth, is_other, was_in_log, follows, of_version });
        engine
            .handle(Input::Command(ticket, Box::new(request)), self.now)
            .map_err(|broken| format!("{broken} ({name})"))?;
        self.carry_out(at, chosen);
        Ok(())
    }

    /// Invariant 16: Who shows the same document is the same human, unless nothing is known of them any more.
    fn i16_one_document_is_one_human(&mut self, at: usize, number: String, sealed: &Value) -> Holds {
        let person = sealed["person"]["person"].as_str().unwrap_or_default().to_owned();
        let site = &mut self.sites[at];
        let before = site.documents.insert(number, person.clone());
        let Some(before) = before.filter(|it| *it != person) else { return Ok(()) };
        match site.oracle.keys.get(&before) {
            Some((_, state, _)) if state == "shredded" => Ok(()),
            // Who has shown another since is known by that one.
            _ if site.oracle.told_anew.get(&before).is_some_and(|it| it.document.is_some()) => Ok(()),
            _ => Err(format!("16: one document is of {before} and of {person}")),
        }
    }

    fn carry_out(&mut self, at: usize, chosen: usize) {
        while let Some(output) =
            self.sites[at].engines[chosen].partition.poll_output().expect("what was decided makes a commit")
        {
            match output {
                Output::Append(commit) => {
                    let engine = &mut self.sites[at].engines[chosen];
                    assert!(engine.in_flight.is_none(), "20: two commits are in flight");
                    if let Err(broken) = engine.expected.i11_what_fell_due_stands_first(&commit) {
                        panic!("{broken}");
                    }
                    engine.in_flight = Some(commit);
                }
                Output::Reply(ticket, answer) => self.answer(at, chosen, ticket, answer),
            }
        }
    }

    /// The engine lets an answer go: from here on it must hold.
    fn answer(
        &mut self,
        at: usize,
        chosen: usize,
        ticket: Ticket,
        answer: Result<Receipt, linggong_engine::refusal::Refusal>,
    ) {
        if let Err(broken) = self.see(at) {
            panic!("{broken}");
        }
        let Some(Asked { call: nth, is_other, was_in_log, follows, of_version }) =
            self.sites[at].engines[chosen].tickets.remove(&ticket)
        else {
            panic!("1: ticket {ticket:?} is answered twice");
        };
        let call = &self.calls[nth];
        let command = command_id(call.wish.actor, call.key).0.to_string();
        let follows = follows.filter(|it| answer.is_ok() || it.follows_a_refusal());
        let site = &mut self.sites[at];
        let tally = site.answers.entry(command.clone()).or_default();
        let in_log = site.oracle.commands.get(&command);
        match &answer {
            Ok(receipt) => {
                tally.0 += 1;
                i01_an_acknowledged_command_is_durable(receipt, in_log, site.store.head());
                if let Some(expected) = call.wish.about["if_version"].as_str().filter(|_| !receipt.unchanged)
                    && let Some(entity) = of_version
                    && let Err(broken) = (site.oracle).i01_it_met_the_version_it_was_given_for(
                        receipt,
                        &entity.to_string(),
                        expected,
                    )
                {
                    panic!("{broken}");
                }
                if let Err(broken) = Oracle::i04_the_role_may(call.wish.name, call.wish.role) {
                    panic!("{broken}");
                }
            }
            Err(refusal) => {
                tally.1 += 1;
                // A deposed engine answers from what it knew; what it refuses may since have happened.
                let is_current = site.engines.get(chosen).is_some_and(|it| site.writes(it));
                // Recorded time may stand a day ahead of the true one.
                let recording = self.now.plus_ms(DAY_MS);
                let is_over = || made_at(call.key).is_some_and(|at| recording.ms() - at.ms() > KEY_WINDOW_MS);
                let is_right = match refusal.code() {
                    "key_reused" => true,
                    "key_too_old" => is_over(),
                    _ => false,
                };
                if is_current && was_in_log && !is_right {
                    panic!("2: {} was refused as {} and is in the log", call.wish.name, refusal.code());
                }
            }
        }
        let count = self.outcome.commands.entry(call.wish.name).or_default();
        let said = match &answer {
            Ok(receipt) => format!("{}..={}", receipt.first, receipt.position),
            Err(refusal) => format!("{}: {refusal:?}", refusal.code()),
        };
        let answer = match answer {
            Ok(receipt) => {
                count.0 += 1;
                Ok(receipt)
            }
            Err(refusal) => {
                count.1 += 1;
                *self.outcome.refusals.entry(refusal.code()).or_default() += 1;
                Err(refusal.code())
            }
        };
        if let Some(follows) = follows {
            self.tell_the_vault(at, follows);
        }
        self.note(|| format!("p{at} answers call {nth}: {said}"));
        self.messages.push(Message::Reply { call: nth, is_other, answer });
    }

    /// The vault hears what the ledger says of a key, a card or a revision now; or the process ends just before, and a
    /// start makes it good.
    fn tell_the_vault(&mut self, at: usize, follows: Follows) {
        if self.faults.crashes && self.random.one_in_thousand(200) {
            self.count("key change untold");
            return;
        }
        let site = &mut self.sites[at];
        let told = match follows {
            Follows::Key(person) => {
                let Some((key, state, _)) = site.oracle.keys.get(&person.0.to_string()) else { return };
                let (key, state) = (Value::from(key.as_str()), Value::from(state.as_str()));
                let (key, state) =
                    (serde_json::from_value(key).unwrap(), serde_json::from_value(state).unwrap());
                site.safe.change(key, state)
            }
            Follows::Cards(person) => {
                let own = site.oracle.cards.iter().filter(|(_, it)| it.0 == person.0.to_string());
                own.map(|(card, (_, live))| (CardId(id(card)), *live))
                    .try_for_each(|(card, live)| site.safe.set_card(person, card, live))
            }
            Follows::Revision(person, asked) => {
                let ledger = site.oracle.told_anew.get(&person.0.to_string()).copied().unwrap_or_default();
                site.safe.settle_revision(person, asked, ledger)
            }
        };
        if let Err(broken) = told {
            panic!("{broken}");
        }
    }

    /// The client hears its answer. The same key gets the same receipt, however often it asks.
    fn hear(&mut self, nth: usize, is_other: bool, answer: Result<Receipt, &'static str>) {
        let call = &mut self.calls[nth];
        let is_first = !call.answered && !is_other;
        call.answered |= !is_other;
        if let Some(story) = call.story.filter(|_| is_first) {
            let command = command_id(call.wish.actor, call.key).0.to_string();
            let site = &mut self.sites[call.site];
            let made = made_by(&site.oracle, &command);
            if let Some(story) = site.stories.get_mut(story) {
                story.hear(answer.as_ref().map(|_| made.as_slice()).map_err(|code| *code));
            }
        }
        let Ok(receipt) = answer else { return };
        if receipt.unchanged {
            return;
        }
        let said = (receipt.first.0, receipt.position.0);
        let site = &mut self.sites[call.site];
        let before = *site.accepted.entry(receipt.command.0.to_string()).or_insert(said);
        if before != said {
            panic!("1: call {nth} was told {before:?} and then {said:?}");
        }
    }

    /// The log takes the commit in flight, or does not.
    fn write(&mut self, at: usize) {
        let engines = self.sites[at].engines.len();
        if engines == 0 {
            return;
        }
        let chosen = self.random.below(engines);
        let now = self.now;
        let engine = &mut self.sites[at].engines[chosen];
        let Some(commit) = engine.in_flight.clone() else { return };
        let met = engine.appends;
        let outcome = match (engine.is_durable, engine.unknown) {
            (true, _) => Ok(engine.log.head()),
            (false, false) => engine.append(&commit),
            (false, true) => match engine.log.resolve(&commit) {
                Ok(Resolution::Landed(head)) => Ok(head),
                Ok(Resolution::Absent) => engine.append(&commit),
                Ok(Resolution::Deposed) => Err(AppendError::Deposed),
                Err(error) => Err(error),
            },
        };
        engine.unknown = false;
        let fault = engine.plan.get(&engine.appends).filter(|_| engine.appends > met).copied();
        if let Some(fault) = fault {
            self.count(named(fault));
        }
        let is_late = self.faults.late_acks && self.random.one_in_thousand(300);
        let engine = &mut self.sites[at].engines[chosen];
        match outcome {
            Ok(_) if is_late => {
                engine.is_durable = true;
                self.count("late ack");
            }
            Ok(_) => {
                (engine.in_flight, engine.is_durable) = (None, false);
                if let Err(broken) = engine.handle(Input::Committed, now) {
                    panic!("{broken}");
                }
                let number = commit.header().commit;
                self.note(|| format!("p{at} commit {number} is durable"));
                self.carry_out(at, chosen);
            }
            Err(AppendError::Unknown { .. }) => {
                engine.unknown = true;
            }
            // What is in flight stays so until there is room.
            Err(AppendError::Full { .. }) => {}
            Err(AppendError::NotNext(error)) => panic!("3: the engine's commit is not the next: {error}"),
            Err(AppendError::Deposed) => {
                self.count("deposed");
                self.drop_engine(at, chosen, "is deposed");
            }
            Err(AppendError::Poisoned { .. }) => {
                self.drop_engine(at, chosen, "is poisoned");
            }
        }
    }

    fn drop_engine(&mut self, at: usize, chosen: usize, why: &str) {
        let engine = self.sites[at].engines.remove(chosen);
        for asked in engine.tickets.values() {
            let call = &self.calls[asked.call];
            let command = command_id(call.wish.actor, call.key).0.to_string();
            self.sites[at].answers.entry(command).or_default().2 += 1;
        }
        self.note(|| format!("p{at} an engine {why}"));
    }

    fn tick(&mut self, at: usize) -> Holds {
        for chosen in 0..self.sites[at].engines.len() {
            let engine = &mut self.sites[at].engines[chosen];
            engine.handle(Input::Tick, self.now)?;
            self.carry_out(at, chosen);
        }
        Ok(())
    }

    /// Views and subscribers take what they get round to.
    fn read_on(&mut self, at: usize) -> Holds {
        let slow = self.faults.slow_readers;
        if slow {
            self.count("slow reader");
        }
        let site = &mut self.sites[at];
        for view in &mut site.views {
            if slow && !self.random.one_in_thousand(150) {
                continue;
            }
            let had = view.position().0 as usize;
            let most = if slow { 1 + self.random.below(5) } else { 200 };
            // Now and then it is given again what it has: it skips that.
            let from = had.saturating_sub(self.random.below(3));
            let until = (had + most).min(site.events.len());
            view.apply_batch(&site.events[from..until])
                .map_err(|error| format!("6: {}: {error}", view.name()))?;
            if view.position() > site.store.head().position {
                return Err(format!("6: the view {} is ahead of the log", view.name()));
            }
        }
        let from = site.subscribed + 1;
        for position in from..from + if slow { 3 } else { 100 } {
            let line = site.store.line(Position(position));
            let Some(line) = line.map_err(|error| error.to_string())? else { break };
            site.subscriber.push(line);
            site.subscribed = position;
        }
        Ok(())
    }

    fn pass_time(&mut self) {
        let most = if self.faults.long_pauses { 9 * DAY_MS } else { 40 * HOUR_MS };
        let ms = match self.random.below(4) {
            0 => self.random.between(HOUR_MS, most),
            _ => self.random.between(MINUTE_MS, 5 * HOUR_MS),
        };
        self.now = self.now.plus_ms(ms);
        if ms > MAX_PAUSE_MS {
            self.count("long pause");
        }
        let now = self.now;
        self.note(|| format!("it is {now}"));
    }

    /// The process ends between two steps; what was in flight may still have been written, or be torn.
    fn crash(&mut self, at: usize) -> Holds {
        let engines = self.sites[at].engines.len();
        if !self.faults.crashes || engines == 0 {
            return Ok(());
        }
        let chosen = self.random.below(engines);
        let lands = self.random.coin();
        let engine = &mut self.sites[at].engines[chosen];
        let when = match (&engine.in_flight, engine.is_durable) {
            (None, _) => "crash while idle",
            (Some(_), true) => "crash between write and acknowledgement",
            (Some(_), false) if lands => "crash after a write",
            (Some(_), false) => "crash before a write",
        };
        if let Some(commit) = engine.in_flight.clone().filter(|_| lands) {
            let _ = engine.append(&commit);
        }
        self.count(when);
        self.end_process(at, chosen)
    }

    /// Engine and vault end together; the vault may have been in the middle of an append.
    fn end_process(&mut self, at: usize, chosen: usize) -> Holds {
        self.drop_engine(at, chosen, "crashes");
        if self.sites[at].safe.crash(&mut self.random)? {
            self.count("torn append in the vault");
        }
        Ok(())
    }

    fn restart(&mut self, at: usize) -> Holds {
        let faults = self.faults;
        let placeholder = std::mem::take(&mut self.sites[at].engines);
        assert!(placeholder.is_empty(), "harness: an engine is there");
        let site = self.sites.remove(at);
        let started = self.start(&site, faults);
        self.sites.insert(at, site);
        if let Some(engine) = started? {
            self.sites[at].safe.reconcile(engine.partition.state())?;
            self.sites[at].engines.push(engine);
            self.note(|| format!("p{at} starts"));
        }
        Ok(())
    }

    /// A second engine takes the partition over while the first still believes that it writes.
    fn rival(&mut self, at: usize) -> Holds {
        if !self.faults.rivals || self.sites[at].engines.len() != 1 {
            return Ok(());
        }
        let faults = self.faults;
        let site = self.sites.remove(at);
        let started = self.start(&site, faults);
        self.sites.insert(at, site);
        if let Some(engine) = started? {
            self.sites[at].engines.push(engine);
            self.count("rival");
            self.note(|| format!("p{at} has a rival"));
        }
        Ok(())
    }

    /// The clock of an engine jumps up to a day; the timekeeper notices, and the partition holds deadlines.
    fn jump_clock(&mut self, at: usize) {
        if !self.faults.clock_jumps {
            return;
        }
        // Somebody puts it right before long.
        let ms = if self.random.one_in_thousand(300) { self.random.between(-DAY_MS, DAY_MS) } else { 0 };
        for engine in &mut self.sites[at].engines {
            engine.skew_ms = ms;
            engine.partition.set_clock_offset(ms);
        }
        self.count("clock jump");
        self.note(|| format!("p{at} clocks jump to {ms} ms"));
    }

    fn upgrade(&mut self, at: usize) {
        if !self.faults.upgrades || self.sites[at].engines.len() != 1 {
            return;
        }
        self.sites[at].upgrades += 1;
        self.count("upgrade");
        self.drop_engine(at, 0, "makes way for new software");
    }

    /// Something writes over the log: a flip, a lost, doubled or misplaced commit, a cut. It must be seen.
    fn rot(&mut self, at: usize) -> Holds {
        if !self.faults.rot {
            return Ok(());
        }
        let store = &self.sites[at].store;
        let head = store.head();
        if self.random.one_in_thousand(150) {
            let commits: Vec<Commit> = store.commits(1).map(|it| it.unwrap()).collect();
            let happened = disk::files_tell_what_was_done_to_them(&commits, &mut self.random)?;
            self.count(happened);
            return Ok(());
        }
        let mut commits: Vec<Vec<u8>> = store.commits(1).map(|it| it.unwrap().bytes().to_vec()).collect();
        let nth = self.random.below(commits.len());
        let other = self.random.below(commits.len());
        let what = match self.random.below(5) {
            0 => {
                let byte = self.random.below(commits[nth].len());
                commits[nth][byte] ^= 1 << self.random.below(8);
                "a flip"
            }
            1 => {
                commits.remove(nth);
                "a commit lost"
            }
            2 => {
                let copy = commits[nth].clone();
                commits.insert(other, copy);
                "a commit twice"
            }
            3 => {
                commits[nth] = commits[other].clone();
                if nth == other {
                    commits.truncate(nth);
                }
                "a commit misplaced"
            }
            _ => {
                let keep = self.random.below(commits[nth].len());
                commits[nth].truncate(keep);
                "a commit cut"
            }
        };
        self.count(match what {
            "a flip" => "corrupt write: a flip",
            "a commit lost" => "lost write",
            "a commit twice" => "doubled write",
            "a commit misplaced" => "misdirected write",
            _ => "torn write",
        });
        if is_sound(commits, head) {
            return Err(format!("3: {what} at commit {} goes unseen", nth + 1));
        }
        Ok(())
    }

    /// Reads what has become durable; every invariant of single events is looked at here.
    fn see(&mut self, at: usize) -> Holds {
        let site = &mut self.sites[at];
        let head = site.store.head().commit;
        if head == site.read {
            return Ok(());
        }
        let commits: Vec<Commit> =
            site.store.commits(site.read + 1).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        for commit in commits {
            site.oracle.read(&commit)?;
            site.read = commit.header().commit;
            for event in commit.events() {
                site.events.push(event.map_err(|error| error.to_string())?);
            }
        }
        if self.random.one_in_thousand(50) {
            site.oracle.state_root();
        }
        Ok(())
    }

    fn look(&mut self) -> Holds {
        for at in 0..self.sites.len() {
            self.see(at)?;
            let often = if self.is_thorough { 40 } else { 1 };
            if self.random.one_in_thousand(often) {
                self.i05_a_replay_comes_to_the_same(at)?;
            }
            if self.random.one_in_thousand(often * 4) {
                self.i05_a_snapshot_and_the_rest_come_to_the_same(at)?;
            }
            if self.random.one_in_thousand(100) {
                let agreed = i17_who_may_open_is_as_agreed(&self.sites[at], self.now)?;
                *self.outcome.looks.entry("17: openings held against the ledger").or_default() += agreed;
            }
        }
        Ok(())
    }

    /// Invariant 5: Replaying the log gives the state that the engine has, bit by bit.
    fn i05_a_replay_comes_to_the_same(&mut self, at: usize) -> Holds {
        let site = &self.sites[at];
        let Some(engine) = site.engines.last().filter(|it| it.partition.is_idle() && site.writes(it)) else {
            return Ok(());
        };
        let setting = Setting {
            log: format!("lg-{}", site.number),
            partition: site.number,
            software: engine.software.into(),
            region: "370000".parse().unwrap(),
        };
        let mut replayed = Partition::new(setting, self.packs.clone());
        for commit in site.store.commits(1) {
            replayed.replay(&commit.unwrap()).map_err(broke("replay"))?;
        }
        if replayed.head() != engine.partition.head() {
            return Err("5: the engine stands elsewhere than its log".into());
        }
        if replayed.state().digest() != engine.partition.state().digest() {
            return Err("5: a replay comes to another state".into());
        }
        *self.outcome.looks.entry("5: replay").or_default() += 1;
        Ok(())
    }

    /// Invariant 5: A state written down and read back, with the rest of the log, is the state that the engine has.
    fn i05_a_snapshot_and_the_rest_come_to_the_same(&mut self, at: usize) -> Holds {
        let site = &self.sites[at];
        let Some(engine) = site.engines.last().filter(|it| it.partition.is_idle() && site.writes(it)) else {
            return Ok(());
        };
        let setting = Setting {
            log: format!("lg-{}", site.number),
            partition: site.number,
            software: engine.software.into(),
            region: "370000".parse().unwrap(),
        };
        if let Some(bytes) = self.random.pick(&site.snapshots) {
            let mut resumed = Partition::new(setting, self.packs.clone());
            let from = resume(&bytes, &mut resumed)?;
            for commit in site.store.commits(from) {
                resumed.replay(&commit.unwrap()).map_err(broke("replay"))?;
            }
            if resumed.state().digest() != engine.partition.state().digest() {
                return Err(format!(
                    "5: the snapshot before commit {from} and the rest come to another state"
                ));
            }
            *self.outcome.looks.entry("5: snapshot and tail").or_default() += 1;
        }
        // An engine that has written nothing since may stand before a commit that its clock held back: all is durable.
        let taken = engine.partition.snapshot().ok_or("5: an idle engine gives no snapshot")?;
        let site = &mut self.sites[at];
        site.snapshots.push(taken);
        if site.snapshots.len() > 3 {
            site.snapshots.remove(0);
        }
        Ok(())
    }

    /// Faults stop: everything that was asked is answered, everything that is due happens, all views arrive.
    fn settle(&mut self) -> Holds {
        self.faults = Faults::NONE;
        let now = self.now;
        self.note(|| format!("faults stop at {now}"));
        for at in 0..self.sites.len() {
            // Writers keep their plans: new ones have none.
            while !self.sites[at].engines.is_empty() {
                self.drop_engine(at, 0, "is stopped");
            }
            self.restart(at)?;
        }
        // Now and then days pass first, each shorter than a pause that is doubted: periods that take a week end too.
        let days = if self.random.one_in_thousand(250) { 12 } else { 0 };
        self.come_to_rest(days)
    }

    /// Goes on, a day at a time as long as `days` last, until nothing is left to do.
    fn come_to_rest(&mut self, days: u32) -> Holds {
        for round in 0..SETTLING {
            self.history.borrow_mut().step = STEPS + round;
            self.now = self.now.plus_ms(if round < days { DAY_MS } else { 1000 });
            for call in 0..self.calls.len() {
                if !self.calls[call].answered && round % 8 == 0 {
                    self.send(call);
                }
            }
            while !self.messages.is_empty() {
                self.deliver()?;
            }
            for at in 0..self.sites.len() {
                self.write(at);
                self.tick(at)?;
                self.read_on(at)?;
            }
            self.look()?;
            if round >= days && self.is_settled() {
                return Ok(());
            }
        }
        let unanswered = self.calls.iter().filter(|it| !it.answered).count();
        Err(format!("liveness: {unanswered} commands have no answer, or something due has not happened"))
    }

    /// Somebody gives a key again that was made by a clock that ran ahead: after the window, counted from when the command
    /// was recorded, and within it, counted from when the key was made. It gets its receipt or is refused as too old.
    fn ask_again_when_the_window_ends(&mut self) -> Holds {
        let ahead = |call: &Call| {
            let made = made_at(call.key)?.ms();
            let command = command_id(call.wish.actor, call.key).0.to_string();
            let oracle = &self.sites[call.site].oracle;
            let line = oracle.lines.get(oracle.commands.get(&command)?.first as usize - 1)?;
            let line: Value = serde_json::from_slice(line).ok()?;
            let recorded: Timestamp = line["time"].as_str()?.parse().ok()?;
            Some((recorded, made - recorded.ms())).filter(|(_, by_ms)| *by_ms > MINUTE_MS)
        };
        let early: Vec<(usize, Timestamp, i64)> = (0..self.calls.len())
            .filter_map(|nth| ahead(&self.calls[nth]).map(|(recorded, by_ms)| (nth, recorded, by_ms)))
            .collect();
        let Some((call, recorded, by_ms)) = self.random.pick(&early) else { return Ok(()) };
        let at = self.calls[call].site;
        let then = recorded.plus_ms(KEY_WINDOW_MS + by_ms / 2);
        while self.now < then {
            self.now = self.now.plus_ms(DAY_MS.min(then.ms() - self.now.ms()));
            for at in 0..self.sites.len() {
                self.tick(at)?;
                self.write(at);
            }
        }
        let length = self.sites[at].oracle.lines.len();
        // Forgetting is the work of whatever is recorded next.
        for _ in 0..40 {
            self.wish(at)?;
            while !self.messages.is_empty() {
                self.deliver()?;
            }
            self.write(at);
            self.look()?;
            if self.sites[at].oracle.lines.len() > length {
                break;
            }
        }
        self.count("a key again at the end of its window");
        self.send(call);
        self.come_to_rest(0)
    }

    fn is_settled(&self) -> bool {
        let due = |site: &Site| {
            let partition = site.engines.first().map(|it| &it.partition);
            partition.is_none_or(|it| {
                !it.is_idle()
                    || !it.clock_is_held() && it.state().next_deadline().is_some_and(|at| at <= self.now)
            })
        };
        let behind =
            |site: &Site| site.views.iter().any(|view| view.position() != site.store.head().position);
        self.calls.iter().all(|it| it.answered)
            && self.messages.is_empty()
            && !self.sites.iter().any(|site| due(site) || behind(site))
    }

    /// What is looked at once everything has settled.
    fn last_look(&mut self) -> Holds {
        for at in 0..self.sites.len() {
            self.i05_a_replay_comes_to_the_same(at)?;
            let site = &self.sites[at];
            site.oracle.i07_every_root_is_reproduced()?;
            i02_whatever_is_in_the_log_was_accepted(site)?;
            i06_every_view_is_what_a_rebuild_gives(site)?;
            i19_a_subscriber_got_every_line_once(site)?;
            for view in &site.views {
                for row in view.rows() {
                    i16_nothing_personal_stands_in_clear(row)?;
                }
            }
            i01_every_receipt_still_stands(site)?;
            let held = site.engines.iter().any(|it| it.partition.clock_is_held());
            if held {
                *self.outcome.looks.entry("11: not asked, deadlines held").or_default() += 1;
            } else {
                site.oracle.i11_nothing_due_was_missed(self.now)?;
                *self.outcome.looks.entry("11: nothing missed").or_default() += 1;
            }
            i06_a_moment_holds_what_its_axis_says(site, &mut self.random)?;
            let proved = site.oracle.i07_receipts_are_proved_against_later_heads(&mut self.random)?;
            *self.outcome.looks.entry("7: receipts proved").or_default() += proved;
            self.look_into_the_vault(at)?;
        }
        Ok(())
    }

    /// The vault, held against the log.
    fn look_into_the_vault(&mut self, at: usize) -> Holds {
        let (now, site) = (self.now, &mut self.sites[at]);
        for (person, (key, state, _)) in &site.oracle.keys {
            site.safe.i17_a_key_is_what_the_ledger_says(person, key, state)?;
        }
        let mut opened = 0;
        for recorded in &site.events {
            let Recorded::Known(it) = recorded else { continue };
            let Event::Person(event) = &it.event else { continue };
            let Some((command, _)) = it.meta.command else { continue };
            if let Some(sealed) = name_in(event) {
                let state = site.oracle.keys.get(&sealed.person.0.to_string()).map(|it| it.1.as_str());
                let place = (command, linggong_gateway::vault::person_label(PersonField::Name));
                site.safe.i16_what_was_sealed_opens(sealed, place, state, now)?;
                opened += 1;
            }
        }
        site.safe.i17_no_revision_waits()?;
        let agreed = i17_who_may_open_is_as_agreed(site, now)?;
        for number in &site.numbers {
            let (keys, cards) = (&site.oracle.keys, &site.oracle.cards);
            let said = |card: CardId| match cards.get(&card.0.to_string()) {
                Some((of, _)) if keys.get(of).is_some_and(|it| it.1 == "shredded") => CardHolder::Nobody,
                Some((of, true)) => CardHolder::Live(PersonId(id(of))),
                Some((of, false)) => CardHolder::Dead(PersonId(id(of))),
                None => CardHolder::Nobody,
            };
            site.safe.i17_a_card_names_its_holder(number, said)?;
        }
        let named: Vec<EvidenceDigest> =
            site.oracle.evidence.iter().filter_map(|it| it.parse().ok()).map(EvidenceDigest).collect();
        site.safe.i04_what_is_named_is_there(&named)?;
        site.safe.i16_no_file_tells_a_name()?;
        for (look, times) in [
            ("16: sealed names opened", opened),
            ("17: openings held against the ledger", agreed),
            ("17: cards held against the ledger", site.numbers.len() as u64),
        ] {
            *self.outcome.looks.entry(look).or_default() += times;
        }
        Ok(())
    }

    /// A key as clients make them: by their clock, which is right, and a number.
    fn new_key(&mut self, later_ms: i64) -> Uuid {
        self.keys += 1;
        let mut bytes = [0; 10];
        bytes[6..].copy_from_slice(&self.keys.to_be_bytes());
        let ms = u64::try_from(self.now.ms() + later_ms).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
    }
}

/// Invariant 6: What is shown as of a moment rests on the events that were recorded, or had happened, by then.
fn i06_a_moment_holds_what_its_axis_says(site: &Site, random: &mut Random) -> Holds {
    let lines: Vec<Value> =
        site.oracle.lines.iter().map(|it| serde_json::from_slice(it).unwrap_or_default()).collect();
    let instant = |line: &Value, axis: &str| line[axis].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    for _ in 0..8 {
        let Some(chosen) = random.pick(&lines) else { return Ok(()) };
        let (Some(recorded), Some(happened)) = (instant(&chosen, "time"), instant(&chosen, "occurredat"))
        else {
            return Err(format!("form: an event without its times: {chosen}"));
        };
        let last = Position(1 + random.below(lines.len()) as u64);
        for ((line, event), position) in lines.iter().zip(&site.events).zip((1..).map(Position)) {
            let by = |axis, at| instant(line, axis).is_some_and(|it| it <= at);
            for (moment, belongs) in [
                (AsOf::KnownAt(last), position <= last),
                (AsOf::Known(recorded), by("time", recorded)),
                (AsOf::Happened(happened), by("occurredat", happened)),
            ] {
                if moment.includes(event) != belongs {
                    return Err(format!("6: of {moment:?}, the event at {position} is wrongly told: {line}"));
                }
            }
        }
    }
    Ok(())
}

/// Invariant 1: What is acknowledged is durable, at the positions that the receipt says.
fn i01_an_acknowledged_command_is_durable(
    receipt: &Receipt,
    in_log: Option<&crate::oracle::Recorded>,
    head: Head,
) {
    assert!(receipt.position <= head.position, "1: acknowledged before it is durable: {receipt:?}");
    if receipt.unchanged {
        return;
    }
    let said = Some((receipt.first.0, receipt.position.0));
    let is = in_log.map(|it| (it.first, it.last));
    assert!(is == said, "1: the receipt says {said:?}, the log has {is:?}");
}

/// Invariant 1: What was acknowledged once stands in the log at the end, where its receipt said.
fn i01_every_receipt_still_stands(site: &Site) -> Holds {
    for (command, said) in &site.accepted {
        let is = site.oracle.commands.get(command).map(|it| (it.first, it.last));
        if is != Some(*said) {
            return Err(format!("1: {command} was acknowledged at {said:?} and stands at {is:?}"));
        }
    }
    Ok(())
}

/// Invariant 2: No command is in the log that was only ever refused.
fn i02_whatever_is_in_the_log_was_accepted(site: &Site) -> Holds {
    for command in site.oracle.commands.keys() {
        let (accepted, refused, never) = site.answers.get(command).copied().unwrap_or_default();
        if accepted == 0 && never == 0 {
            return Err(format!("2: command {command} was refused {refused} times and is in the log"));
        }
    }
    Ok(())
}

/// Invariant 6: Each view is, row by row, what folding the whole log at once gives.
fn i06_every_view_is_what_a_rebuild_gives(site: &Site) -> Holds {
    for (view, mut rebuilt) in site.views.iter().zip(linggong_projections::in_memory()) {
        // One event at a time, which no reader does: whatever depends on where a batch ends shows.
        for event in &site.events {
            rebuilt.apply_batch(std::slice::from_ref(event)).map_err(|error| format!("6: {error}"))?;
        }
        if rebuilt.digest() != view.digest() {
            return Err(format!("6: the view {} is not what a rebuild gives", view.name()));
        }
    }
    Ok(())
}

/// Invariant 19: A subscriber has the lines of the log, each once, in order, byte by byte.
fn i19_a_subscriber_got_every_line_once(site: &Site) -> Holds {
    let had = site.subscriber.len();
    if site.oracle.lines.get(..had) == Some(&site.subscriber) {
        return Ok(());
    }
    Err(format!("19: a subscriber's {had} lines are not the log's"))
}

/// Invariant 17: What a sealed key keeps opens for whom two officers agreed on, until the end of it and for nobody else,
/// and not once the key has been in use again.
fn i17_who_may_open_is_as_agreed(site: &Site, now: Timestamp) -> Result<u64, Broken> {
    let Some(engine) = site.engines.last().filter(|it| it.partition.is_idle() && site.writes(it)) else {
        return Ok(0);
    };
    for asked in &site.oracle.opened_once {
        let (person, key, officer) = asked;
        let may = |at| {
            let (person, key, officer) = (PersonId(id(person)), KeyId(id(key)), ActorId(id(officer)));
            engine.partition.state().opened_with(person, key, officer, at)
        };
        let opening = site.oracle.openings.get(asked);
        let agreed = opening.filter(|(_, until)| now < *until).map(|(second, _)| ActorId(id(second)));
        if may(now) != agreed || opening.is_some_and(|(_, until)| may(*until).is_some()) {
            return Err(format!("17: {officer} opens what the key of {person} keeps with {:?}", may(now)));
        }
    }
    Ok(site.oracle.opened_once.len() as u64)
}

/// The sealed name that an event tells.
fn name_in(event: &PersonEvent) -> Option<&Sealed> {
    let sealed = match event {
        PersonEvent::Registered(it) => &it.known.sealed,
        PersonEvent::Revised(it) => &it.revision.sealed,
        PersonEvent::DuplicateSuspected(_)
        | PersonEvent::IdentityLinked(_)
        | PersonEvent::IdentityUnlinked(_)
        | PersonEvent::KeyStateChanged(_)
        | PersonEvent::KeyOpeningProposed(_)
        | PersonEvent::KeyOpened(_)
        | PersonEvent::CardIssued(_)
        | PersonEvent::CardEnded(_) => return None,
    };
    sealed.get(&PersonField::Name)
}

/// An id as a line of the log has it.
/// When a key was made, by the clock of whoever made it.
fn made_at(key: Uuid) -> Option<Timestamp> {
    let seconds = i64::try_from(key.get_timestamp()?.to_unix().0).ok()?;
    Timestamp::from_ms(seconds.checked_mul(1000)?).ok()
}

fn id(text: &str) -> Uuid {
    Uuid::parse_str(text).expect("form: ids are UUIDs")
}

/// Lets a partition go on from a snapshot; says which commit it wants next.
fn resume(bytes: &[u8], partition: &mut Partition) -> Result<u64, Broken> {
    let opened = Snapshot::check(bytes).and_then(|it| it.open());
    let replay = opened.map_err(|error| format!("5: a snapshot cannot be read back: {error}"))?;
    let next = replay.head.commit + 1;
    partition.resume(replay).map_err(broke("resume"))?;
    Ok(next)
}

/// What a planned fault is called in the report.
fn named(fault: Fault) -> &'static str {
    match fault {
        Fault::LostAck => "lost ack",
        Fault::LostCommit => "lost commit",
        Fault::LandsLate => "commit lands late",
        Fault::Duplicated => "commit handed over twice",
        Fault::Refused => "disk full",
        Fault::Deposed => "deposed",
        Fault::PoisonedAfter => "log fails after a write",
        Fault::PoisonedBefore => "log fails before a write",
    }
}

/// Whether commits read from a damaged store pass for the log that ended at `head`.
fn is_sound(commits: Vec<Vec<u8>>, head: Head) -> bool {
    let mut at = Head::EMPTY;
    for bytes in commits {
        let Ok(next) = Commit::parse(bytes).and_then(|commit| at.after(&commit)) else { return false };
        at = next;
    }
    at == head
}

/// One of each role at one office, and a second where two must act.
///
/// Some begin with the statutes that somebody has read further than those shipped: periods that pass take a week.
fn founding(number: u16, library: &Library, is_read: bool) -> Vec<Event> {
    let office = OfficeId(Uuid::from_u128(0x0F00 + u128::from(number)));
    let region = COUNTY.parse().unwrap();
    let name = "历下区人社局".to_owned();
    let mut events: Vec<Event> =
        vec![Registered { office, name, region, department: Department::Hrss }.into()];
    let staff = [
        Role::Keeper,
        Role::Keeper,
        Role::Clerk,
        Role::Clerk,
        Role::Dispatcher,
        Role::Reviewer,
        Role::MarketManager,
        Role::CrewLeader,
        Role::Gate,
        Role::Insurer,
        Role::CaseOfficer,
        Role::CaseOfficer,
        Role::CaseLead,
        Role::Mediator,
        Role::PrivacyOfficer,
        Role::PrivacyOfficer,
    ];
    let other = OfficeId(Uuid::from_u128(0x0E00 + u128::from(number)));
    let name = "历下区劳动监察大队".to_owned();
    events.push(Registered { office: other, name, region, department: Department::Hrss }.into());
    let here = staff.into_iter().zip(0xA000..).map(|(role, actor)| (office, role, actor, region));
    let there = [Role::CaseOfficer, Role::Clerk, Role::CaseLead].into_iter().zip(0xA100..);
    let there = there.map(|(role, actor)| (other, role, actor, region));
    let abroad = (office, Role::Keeper, ABROAD.as_u128(), "370202".parse().unwrap());
    for (office, role, actor, region) in here.chain(there).chain([abroad]) {
        let grant = Grant {
            actor: ActorId(Uuid::from_u128(actor)),
            role,
            // A dispatcher sends people over the border of the county too.
            regions: if role == Role::Dispatcher {
                vec![region, NEXT_COUNTY.parse().unwrap()]
            } else {
                vec![region]
            },
            person: None,
            worker: None,
            employer: None,
            market: None,
            department: None,
            insurer: (role == Role::Insurer).then(|| INSURER.parse().unwrap()),
        };
        events.push(RoleGranted { office, grant, basis: "建库时设立".into() }.into());
    }
    for (name, pack_kind, digest) in &library.shipped {
        let renewed = library.adoptable.iter().find(|it| it.0 == *name && it.1 == "statutes");
        let digest = renewed.filter(|_| is_read).map_or(digest, |it| &it.2);
        let adopted = Adopted {
            rules: rules_id(*pack_kind, name),
            name: (*name).to_owned(),
            pack_kind: *pack_kind,
            digest: digest.to_string(),
            reason: "建库时采用".into(),
        };
        events.push(adopted.into());
    }
    events
}
