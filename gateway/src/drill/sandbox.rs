//! A partition with a clock of its own and a log in memory: nothing of it ever leaves.

use std::collections::BTreeSet;
use std::sync::Arc;

use linggong_engine::command::{About, Actor, Command, Request};
use linggong_engine::pack::{Pack, PackError};
use linggong_engine::partition::{Fault, Input, Output, Packs, Partition, Receipt, Setting, Ticket};
use linggong_engine::refusal::Refusal;
use linggong_engine::rules::Adopt;
use linggong_engine::snapshot::Snapshot;
use linggong_events::commit::{Commit, CommitError, Digest, FORMAT, Genesis, Header};
use linggong_events::envelope::{Envelope, EnvelopeError, Recorded};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, command_id};
use linggong_events::office::Role;
use linggong_events::region::{BadRegion, Region};
use linggong_events::rules::PackKind;
use linggong_events::time::{DAY_MS, Timestamp};
use thiserror::Error;
use uuid::Uuid;

use crate::clock::Timekeeper;

/// The province whose deployment is rehearsed.
const PROVINCE: &str = "370000";

/// A rule pack as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackSource {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: PackKind,
    /// Its text.
    pub text: String,
}

/// A rule pack that was read once and can be put into many sandboxes.
#[derive(Clone, Debug)]
pub struct ReadPack {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: PackKind,
    /// Its text.
    pub text: String,
    /// What was read.
    pub pack: Arc<Pack>,
}

impl PackSource {
    /// Reads the pack.
    pub fn read(&self) -> Result<ReadPack, SandboxError> {
        let unread = |cause| SandboxError::Pack { name: self.name.clone(), cause };
        let pack = Arc::new(Pack::parse(self.kind, self.text.as_bytes()).map_err(unread)?);
        Ok(ReadPack { name: self.name.clone(), kind: self.kind, text: self.text.clone(), pack })
    }
}

/// Why a sandbox cannot go on.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The engine broke.
    #[error("the engine broke")]
    Engine(#[from] Fault),
    /// An event cannot be read back.
    #[error("an event cannot be read back")]
    Event(#[from] EnvelopeError),
    /// A pack cannot be read.
    #[error("the rule pack `{name}` cannot be read")]
    Pack {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: PackError,
    },
    /// A pack was not adopted.
    #[error("the rule pack `{name}` was refused")]
    NotAdopted {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: Refusal,
    },
    /// The province is not in the table.
    #[error("the province is not in the table of divisions")]
    Province(#[from] BadRegion),
    /// A replay of what was written came to something else.
    #[error("a replay of the log comes to another state: the run is not deterministic")]
    ReplayDiffers,
    /// The log cannot begin.
    #[error("the log cannot begin")]
    Genesis(#[from] CommitError),
    /// A command got no answer.
    #[error("a command got no answer")]
    NoAnswer,
}

/// What became of a command: its answer, and what happened in time before it and because of it.
#[derive(Debug)]
pub struct Answer {
    /// The receipt or the refusal.
    pub result: Result<Receipt, Refusal>,
    /// What it made happen.
    pub events: Vec<Envelope>,
}

/// A partition under a controlled clock.
#[derive(Debug)]
pub struct Sandbox {
    partition: Partition,
    setting: Setting,
    packs: Packs,
    commits: Vec<Commit>,
    /// What its vault holds.
    evidence: BTreeSet<EvidenceDigest>,
    /// What its wall clock says.
    now: Timestamp,
    /// How far the wall clock jumped ahead of the monotonic one.
    jumped_ms: i64,
    timekeeper: Timekeeper,
    keys: u32,
}

impl Sandbox {
    /// A sandbox at `start` that has adopted `rules`.
    pub fn new(rules: &[ReadPack], start: Timestamp) -> Result<Sandbox, SandboxError> {
        let setting = Setting {
            log: "drill".into(),
            partition: 0,
            software: env!("CARGO_PKG_VERSION").into(),
            region: PROVINCE.parse()?,
        };
        let genesis = genesis(&setting)?;
        let mut partition = Partition::new(setting.clone(), Packs::new());
        partition.replay(&genesis)?;
        let (packs, commits) = (Packs::new(), vec![genesis]);
        let mut sandbox = Sandbox {
            partition,
            setting,
            packs,
            commits,
            evidence: BTreeSet::new(),
            now: start,
            jumped_ms: 0,
            timekeeper: Timekeeper::default(),
            keys: 0,
        };
        for source in rules {
            sandbox.adopt(source)?;
        }
        Ok(sandbox)
    }

    fn adopt(&mut self, source: &ReadPack) -> Result<(), SandboxError> {
        let digest = self.store(source);
        let adopt = Adopt {
            name: source.name.clone(),
            pack_kind: source.kind,
            digest: digest.to_string(),
            reason: "演练所用规则".into(),
        };
        let request = Request {
            key: self.new_key(),
            digest: digest.to_string(),
            actor: Actor {
                id: ActorId(Uuid::from_u128(1)),
                role: Role::Keeper,
                regions: vec![self.setting.region],
                ..Actor::engine()
            },
            about: About::default(),
            received_at: self.now,
            command: adopt.into(),
        };
        let not_adopted = |cause| SandboxError::NotAdopted { name: source.name.clone(), cause };
        self.give(request)?.result.map(|_| ()).map_err(not_adopted)
    }

    /// Puts a pack into the store, so that it can be adopted.
    pub fn store(&mut self, read: &ReadPack) -> Digest {
        let digest = read.pack.digest();
        self.packs.insert(digest, read.pack.clone());
        self.partition.store_pack(digest, read.pack.clone());
        digest
    }

    /// Puts evidence into the vault, so that commands can name it.
    pub fn store_evidence(&mut self, digest: EvidenceDigest) {
        self.evidence.insert(digest);
    }

    /// What keeps a command from being decided at all: evidence that the vault does not hold, unless the command
    /// was given before.
    fn missing_evidence(&self, request: &Request) -> Result<(), Refusal> {
        let may = request.command.command_type().roles.contains(&request.actor.role);
        let repeated = self.partition.state().remembered(command_id(request.actor.id, request.key)).is_some();
        if !may || repeated {
            return Ok(());
        }
        let missing = request.evidence()?.into_iter().find(|it| !self.evidence.contains(it));
        missing.map_or(Ok(()), |digest| Err(Refusal::EvidenceUnknown { digest }))
    }

    /// The sandbox's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The partition, to be asked.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// What was written.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// A key made at `made`; no two are alike.
    pub fn key_made_at(&mut self, made: Timestamp) -> Uuid {
        self.keys += 1;
        let ms = u64::try_from(made.ms()).unwrap_or_default();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        bytes[12..].copy_from_slice(&self.keys.to_be_bytes());
        uuid::Builder::from_bytes(bytes)
            .with_version(uuid::Version::SortRand)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }

    /// A key made now.
    pub fn new_key(&mut self) -> Uuid {
        self.key_made_at(self.now)
    }

    /// The clock goes on to `until` while the service runs: what falls due happens in its minute.
    pub fn pass_to(&mut self, until: Timestamp) -> Result<Vec<Envelope>, SandboxError> {
        let from = self.commits.len();
        while self.now < until {
            let due = self.partition.state().next_deadline().filter(|at| *at > self.now);
            let day = self.now.plus_ms(DAY_MS);
            self.now = due.map_or(day, |due| due.min(day)).min(until);
            self.handle(Input::Tick)?;
        }
        self.since(from)
    }

    /// The wall clock jumps to `until` while the service runs.
    pub fn jump_to(&mut self, until: Timestamp) -> Result<Vec<Envelope>, SandboxError> {
        let from = self.commits.len();
        self.jumped_ms += until.ms() - self.now.ms();
        self.now = until;
        self.handle(Input::Tick)?;
        self.since(from)
    }

    /// Nothing runs until `until`; then it starts again, with nothing but the log.
    pub fn stop_until(&mut self, until: Timestamp) -> Result<Vec<Envelope>, SandboxError> {
        let from = self.commits.len();
        self.partition = self.replayed()?;
        self.timekeeper = Timekeeper::default();
        self.now = self.now.max(until);
        self.handle(Input::Tick)?;
        self.since(from)
    }

    /// Gives a command.
    pub fn give(&mut self, request: Request) -> Result<Answer, SandboxError> {
        if let Err(refusal) = self.missing_evidence(&request) {
            return Ok(Answer { result: Err(refusal), events: Vec::new() });
        }
        let from = self.commits.len();
        let answer = self.handle(Input::Command(Ticket(0), Box::new(request)))?;
        let result = answer.ok_or(SandboxError::NoAnswer)?;
        Ok(Answer { result, events: self.since(from)? })
    }

    /// A digest of everything that is so; checked against a replay that goes through a snapshot at every commit.
    pub fn digest(&self) -> Result<Digest, SandboxError> {
        let replayed = self.replayed()?;
        let digest = self.partition.state().digest();
        if replayed.state().digest() == digest && replayed.head() == self.partition.head() {
            Ok(digest)
        } else {
            Err(SandboxError::ReplayDiffers)
        }
    }

    /// The partition as the log alone makes it.
    fn replayed(&self) -> Result<Partition, SandboxError> {
        let anew = || Partition::new(self.setting.clone(), self.packs.clone());
        let mut replayed = anew();
        for commit in &self.commits {
            replayed.replay(commit)?;
            // Each step rests on what a snapshot of the step before gives back.
            if let Some(bytes) = replayed.snapshot() {
                let snapshot = Snapshot::check(&bytes).and_then(|it| it.open());
                replayed = anew();
                replayed.resume(snapshot.map_err(|_| SandboxError::ReplayDiffers)?)?;
            }
        }
        Ok(replayed)
    }

    fn handle(&mut self, input: Input) -> Result<Option<Result<Receipt, Refusal>>, SandboxError> {
        let mut answer = None;
        let monotonic_ms = self.now.ms() - self.jumped_ms;
        let now = self.timekeeper.instant(self.now, monotonic_ms, &mut self.partition)?;
        self.partition.handle(input, now)?;
        while let Some(output) = self.partition.poll_output()? {
            match output {
                Output::Append(commit) => {
                    self.commits.push(commit);
                    self.partition.handle(Input::Committed, now)?;
                }
                Output::Reply(_, result) => answer = Some(result),
            }
        }
        Ok(answer)
    }

    fn since(&self, from: usize) -> Result<Vec<Envelope>, SandboxError> {
        let mut events = Vec::new();
        for commit in &self.commits[from..] {
            for recorded in commit.events() {
                // What this very software has written is of a type that it knows.
                if let Recorded::Known(envelope) = recorded? {
                    events.push(envelope);
                }
            }
        }
        Ok(events)
    }
}

/// The first commit of a log that drives its own clock.
fn genesis(setting: &Setting) -> Result<Commit, CommitError> {
    let header = Header {
        v: FORMAT,
        log: setting.log.clone(),
        partition: setting.partition,
        commit: 1,
        epoch: 1,
        first: 1,
        count: 0,
        prev: Digest::ZERO,
        software: setting.software.clone(),
        clock_offset_ms: 0,
        genesis: Some(Genesis { format: FORMAT, hash: "sha256".into(), demo: true }),
    };
    Commit::build(header, &[])
}

/// Who gives a command, as a scenario names them.
pub fn actor(id: ActorId, role: Role, regions: Vec<Region>) -> Actor {
    Actor { id, role, regions, ..Actor::engine() }
}

/// A command as the registry reads it.
pub fn command(name: &str, fields: serde_json::Value) -> Result<Command, String> {
    Command::decode(name, fields).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}
