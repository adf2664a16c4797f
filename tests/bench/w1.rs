//! Workload W1: cases of 50 events each, 197 bytes of data per event, each append guarded by the version of its
//! case. Writers take turns over cases of their own: the first event of each, then the second of each, and so on.
//!
//! In linggong a case is a claim and its events are pieces of evidence added to it.

use std::path::Path;
use std::sync::Arc;

use linggong_engine::command::{About, Actor, Command, Request};
use linggong_engine::partition::{Partition, Receipt};
use linggong_engine::{claim, employer, worker};
use linggong_events::claim::{ClaimItem, EvidenceAdded};
use linggong_events::commit::Digest;
use linggong_events::employer::EmployerKind;
use linggong_events::envelope::Channel;
use linggong_events::id::{ClaimId, EmployerId, KeyId, Kind, PersonId, WorkerId, command_id, new_id};
use linggong_events::log::embedded::EmbeddedLog;
use linggong_events::mandate::{Mandate, OnBehalfOf};
use linggong_events::measure::{Fen, Metres, Version};
use linggong_events::office::Role;
use linggong_events::person::{Age, AgeBand, KnownPerson, PersonField, Sealed};
use linggong_events::region::Region;
use linggong_events::worker::{Profile, Skill, SkillLevel};
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::packs::PackStore;
use linggong_gateway::partition_task::{self, PartitionHandle};
use linggong_gateway::serve::{Founding, Opened, founder_id, open_log};
use linggong_gateway::space::Space;
use uuid::Uuid;

use crate::measure::Failed;

/// Events of one case.
pub(crate) const PER_CASE: u64 = 50;
/// Bytes of the data of one event.
pub(crate) const DATA_BYTES: usize = 197;

/// The engine as the server runs it, without views and HTTP.
pub(crate) struct Engine {
    pub(crate) handle: PartitionHandle,
    pub(crate) clock: Clock,
    thread: std::thread::JoinHandle<()>,
}

impl Engine {
    /// Begins a log in `dir`, or replays the one that is there.
    pub(crate) fn open(dir: &Path) -> Result<Engine, Failed> {
        let clock = Clock::wall();
        let config = config(dir);
        let (log, partition) = open(&config, &clock)?;
        let space = Space { folder: config.data.clone(), reserve_bytes: 0 };
        let (handle, thread) =
            partition_task::start(partition, log, clock.clone(), config.commands, space, |_| ())?;
        Ok(Engine { handle, clock, thread })
    }

    pub(crate) async fn stop(self) -> Result<(), Failed> {
        self.handle.stop().await;
        drop(self.handle);
        self.thread.join().map_err(|_| "the partition panicked".into())
    }
}

pub(crate) fn config(dir: &Path) -> Config {
    Config { data: dir.to_owned(), listen: ([127, 0, 0, 1], 0).into(), ..Config::default() }
}

pub(crate) fn open(config: &Config, clock: &Clock) -> Result<(EmbeddedLog, Partition), Failed> {
    let packs = PackStore::open(config.data.join("packs"))?;
    for (_, kind, text) in linggong_engine::pack::DEFAULT_PACKS {
        packs.store(*kind, Digest::of(text.as_bytes()), text.as_bytes())?;
    }
    let Opened { log, partition, .. } = open_log(config, &packs, clock, &Founding::staffed(config))?;
    Ok((log, partition))
}

/// Gives commands as the demo's clerk.
#[derive(Clone)]
pub(crate) struct Clerk {
    handle: PartitionHandle,
    clock: Clock,
    actor: Arc<Actor>,
    /// What a gateway would have made of a body.
    digest: String,
}

impl Clerk {
    pub(crate) fn of(handle: &PartitionHandle, clock: &Clock) -> Result<Clerk, Failed> {
        let id = founder_id(&Config::default().log, "clerk");
        let actor = handle.grants.borrow().actor(id, Some(Role::Clerk), None).map_err(|_| "no clerk")?;
        let digest = Digest::ZERO.to_string().replace("sha256", "hmac-sha256");
        Ok(Clerk { handle: handle.clone(), clock: clock.clone(), actor: Arc::new(actor), digest })
    }

    pub(crate) async fn give(
        &self,
        command: impl Into<Command>,
        if_version: Option<Version>,
    ) -> Result<Receipt, Failed> {
        self.give_about(command, About { if_version, ..About::default() }).await
    }

    async fn give_about(&self, command: impl Into<Command>, about: About) -> Result<Receipt, Failed> {
        let request = Request {
            key: self.clock.new_key(),
            digest: self.digest.clone(),
            actor: (*self.actor).clone(),
            about,
            received_at: self.clock.now(),
            command: command.into(),
        };
        self.handle.command(request).await?.map_err(|refusal| format!("{refusal:?}").into())
    }

    /// Registers `count` claims of one new worker against one new employer.
    pub(crate) async fn claims(&self, count: u64) -> Result<Vec<ClaimId>, Failed> {
        let [hirer, hired] = [(); 2].map(|()| PersonId(self.clock.new_key()));
        let ids = |receipt: Receipt, kind: Kind| new_id(receipt.command, kind.name(), 0);
        let employed = self.give(
            employer::Register {
                employer_kind: EmployerKind::Household,
                region: Region::SHANDONG,
                name: None,
                code: None,
                person: Some(person(hirer)),
                principal: None,
                licence: None,
                place: None,
            },
            None,
        );
        let employer = EmployerId(ids(employed.await?, Kind::Employer));
        let worked = self.give(worker::Register { person: person(hired), profile: profile() }, None);
        let worker = WorkerId(ids(worked.await?, Kind::Worker));
        let day = self.clock.now().date();
        let mut claims = Vec::new();
        let mut under_way = tokio::task::JoinSet::new();
        for n in 0..count {
            let clerk = self.clone();
            under_way.spawn(async move {
                let item = ClaimItem {
                    wage: None,
                    hire: None,
                    amount: Fen(20_000 + n as i64),
                    from: day.plus_days(-2),
                    until: day.plus_days(-1),
                };
                let items = vec![item];
                clerk
                    .give_about(
                        claim::Register { worker, employer, items, statement: None, external: None },
                        at_the_window(hired),
                    )
                    .await
            });
            while under_way.len() >= 256
                && let Some(done) = under_way.join_next().await
            {
                claims.push(ClaimId(ids(done??, Kind::Claim)));
            }
        }
        while let Some(done) = under_way.join_next().await {
            claims.push(ClaimId(ids(done??, Kind::Claim)));
        }
        Ok(claims)
    }
}

fn person(person: PersonId) -> KnownPerson {
    let sealed = Sealed { person, key: KeyId(person.0), boxed: "c2VhbGVk".into() };
    KnownPerson {
        person,
        age: Some(Age { band: AgeBand::From18To59, changes_on: None }),
        document_verified: true,
        sealed: [(PersonField::Name, sealed)].into(),
        tokens: Default::default(),
        duplicate_suspected: None,
    }
}

fn profile() -> Profile {
    let skills = ["loader"].iter().filter_map(|it| it.parse().ok());
    let skills = skills.map(|occupation| Skill { occupation, level: SkillLevel::Helper }).collect();
    Profile {
        skills,
        certificates: Vec::new(),
        place: None,
        reach: Metres(1000),
        expectation: Fen(20_000),
        available: Vec::new(),
        declines_ranking: false,
    }
}

/// The evidence number `nth` of a claim: 197 bytes of data.
pub(crate) fn evidence(claim: ClaimId, nth: u64) -> claim::AddEvidence {
    claim::AddEvidence {
        claim,
        digest: Digest::of(&[claim.0.as_bytes().as_slice(), &nth.to_le_bytes()].concat()).into(),
        media_type: "image/jpeg".into(),
        bytes: 100_000 + nth,
        label: format!("photo-{nth:08}"),
    }
}

/// The fact that [`evidence`] makes.
pub(crate) fn evidence_added(claim: ClaimId, nth: u64) -> EvidenceAdded {
    let claim::AddEvidence { claim, digest, media_type, bytes, label } = evidence(claim, nth);
    EvidenceAdded { claim, digest, media_type, bytes, label }
}

/// The id of a claim in a log that no engine wrote.
pub(crate) fn nth_claim(nth: u64) -> ClaimId {
    let actor = linggong_events::id::ActorId::ENGINE;
    ClaimId(new_id(command_id(actor, Uuid::from_u128(u128::from(nth))), "claim", 0))
}

/// A command at the window, for a person who stands there.
fn at_the_window(person: PersonId) -> About {
    let on_behalf_of = Some(OnBehalfOf { person, mandate: Mandate::InPerson });
    About { on_behalf_of, channel: Some(Channel::Window), ..About::default() }
}
