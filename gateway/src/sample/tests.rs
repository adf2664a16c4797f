use std::cell::{Cell, RefCell};
use std::sync::Arc;

use linggong_engine::command::{About, Actor, Command, Request};
use linggong_engine::pack::default_packs;
use linggong_engine::partition::{Input, Output, Packs, Partition, Setting, Ticket};
use linggong_events::audience::Department;
use linggong_events::commit::Commit;
use linggong_events::envelope::Recorded;
use linggong_events::event::Event;
use linggong_events::hire::HireEvent;
use linggong_events::id::command_id;
use linggong_events::log::Author;

use super::*;
use crate::vault::{MediaType, Vault, VaultSettings};

/// An engine with a vault before it, as a server has them, without a network or disk for the log.
struct Bench {
    partition: Partition,
    vault: Vault,
    actors: BTreeMap<String, Actor>,
    events: Vec<(EntityRef, Event)>,
    by_position: BTreeMap<u64, EntityRef>,
    _directory: tempfile::TempDir,
}

fn actor(n: usize, role: Role, regions: &[Region]) -> Actor {
    Actor {
        id: ActorId(Uuid::from_u128(0xac_0000 + n as u128)),
        role,
        office: None,
        regions: regions.to_vec(),
        person: None,
        worker: None,
        employer: None,
        market: None,
        department: None,
        insurer: None,
    }
}

impl Bench {
    fn new(at: Timestamp) -> (Bench, Cast) {
        let directory = tempfile::tempdir().unwrap();
        let settings = VaultSettings {
            directory: directory.path().join("vault"),
            master_key: directory.path().join("master.key"),
            log: "lg-sample".into(),
            demo: true,
        };
        let packs: Vec<_> = default_packs().unwrap();
        let store: Packs = packs.iter().map(|pack| (pack.digest(), Arc::new(pack.clone()))).collect();
        let region = Region::SHANDONG;
        let setting = Setting { log: "lg-sample".into(), partition: 0, software: "0".into(), region };
        let mut partition = Partition::new(setting, store);
        let author = Author { log: "lg-sample".into(), partition: 0, software: "0".into() };
        partition.replay(&author.genesis(true).unwrap()).unwrap();
        let mut bench = Bench {
            partition,
            vault: Vault::open(&settings).unwrap(),
            actors: BTreeMap::new(),
            events: Vec::new(),
            by_position: BTreeMap::new(),
            _directory: directory,
        };
        let root = actor(0, Role::Keeper, &[region]);
        bench.actors.insert("root".into(), root);
        let mut cast = Cast::default();
        for (n, pack) in packs.iter().enumerate() {
            let fields = json!({
                "name": pack.name(), "pack_kind": pack.kind(), "digest": pack.digest().to_string(), "reason": "试用",
            });
            bench.send(at, "root", "rules.adopt", key(at, &format!("pack {n}")), fields).unwrap();
        }
        for (label, name) in [("desk", "阳信县零工市场窗口"), ("supervision", "阳信县劳动保障监察大队")]
        {
            let fields = json!({ "name": name, "region": "371622", "department": Department::Hrss });
            let answer = bench.send(at, "root", "office.register", key(at, label), fields).unwrap();
            cast.offices.insert(label.into(), OfficeId(answer.nth(Kind::Office, 0).unwrap().id));
        }
        for (n, member) in script().actor.iter().enumerate() {
            let known = Actor {
                office: Some(cast.offices[&member.office]),
                ..actor(n + 1, member.role, &member.regions)
            };
            cast.actors.insert(member.label.clone(), known.id);
            bench.actors.insert(member.label.clone(), known);
        }
        cast.actors.insert("dispatcher2".into(), ActorId(Uuid::from_u128(0xad_0000)));
        (bench, cast)
    }

    fn tick(&mut self, now: Timestamp) {
        self.partition.handle(Input::Tick, now).unwrap();
        self.settle(now);
    }

    fn send(
        &mut self,
        now: Timestamp,
        who: &str,
        name: &str,
        key: Uuid,
        mut body: Value,
    ) -> Result<Answer, SendError> {
        let refused =
            |code: &str, detail: String, entity| SendError::Refused { code: code.into(), detail, entity };
        let actor = self.actors[who].clone();
        let command_type = Command::find(name).unwrap_or_else(|| panic!("no command `{name}`"));
        if !command_type.roles.contains(&actor.role) {
            return Err(refused("role_not_allowed", name.into(), None));
        }
        let about = body.as_object_mut().unwrap().remove("about").unwrap_or_else(|| json!({}));
        let about = About::deserialize(about).unwrap();
        let command = command_id(actor.id, key);
        let sealed = self.vault.seal_command(&mut body, command_type.personal, command, now.date());
        sealed.map_err(|error| refused("bad_fields", crate::chain(&error), None))?;
        let decoded =
            Command::decode(name, body).map_err(|error| refused("bad_fields", crate::chain(&error), None))?;
        let request =
            Request { key, digest: "keyed".into(), actor, about, received_at: now, command: decoded };
        let missing = request.evidence().map(|named| self.vault.missing_evidence(&named).unwrap());
        if let Some(digest) = missing.unwrap_or_default() {
            return Err(refused("evidence_unknown", digest.to_string(), None));
        }
        self.partition.handle(Input::Command(Ticket(1), Box::new(request)), now).unwrap();
        let reply = self.settle(now).expect("a command is answered");
        let receipt = reply.map_err(|refusal| {
            let mut entity = None;
            if let linggong_engine::refusal::Refusal::Exists { entity: there } = &refusal {
                entity = Some(*there);
            }
            refused(refusal.code(), refusal.to_string(), entity)
        })?;
        let subjects = self.by_position.range(receipt.first.0..=receipt.position.0);
        Ok(Answer { unchanged: receipt.unchanged, subjects: subjects.map(|(_, it)| *it).collect() })
    }

    fn keep(&mut self, who: &str, kept: Kept<'_>) -> Result<Digest, SendError> {
        let office = self.actors[who].office.expect("staff store for their office");
        let stored = match kept {
            Kept::Paper { about, text } => {
                self.vault.store_evidence(about, MediaType::Text, text.as_bytes()).unwrap()
            }
            Kept::Sheet(bytes) => {
                self.vault.store_source(office, import::media_type(bytes), bytes).unwrap().0
            }
        };
        Ok(stored)
    }

    fn settle(
        &mut self,
        now: Timestamp,
    ) -> Option<Result<linggong_engine::partition::Receipt, linggong_engine::refusal::Refusal>> {
        let mut answer = None;
        while let Some(output) = self.partition.poll_output().unwrap() {
            match output {
                Output::Append(commit) => {
                    self.read(&commit);
                    self.partition.handle(Input::Committed, now).unwrap();
                }
                Output::Reply(_, reply) => answer = Some(reply),
            }
        }
        answer
    }

    fn read(&mut self, commit: &Commit) {
        for recorded in commit.events() {
            let Recorded::Known(envelope) = recorded.unwrap() else { panic!("an unknown event") };
            self.by_position.insert(envelope.meta.position.0, envelope.meta.subject);
            self.events.push((envelope.meta.subject, envelope.event));
        }
    }
}

fn played(base: &str) -> (Played, Bench) {
    let base: Date = base.parse().unwrap();
    let (bench, cast) = Bench::new(base.plus_days(-2).at_minute(480));
    let bench = RefCell::new(bench);
    let clock = Cell::new(base.plus_days(-2).at_minute(480));
    let played = play(
        base,
        &cast,
        |at, who, command, key, body| bench.borrow_mut().send(at, who, command, key, body),
        |who, kept| bench.borrow_mut().keep(who, kept),
        |now| {
            assert!(now >= clock.replace(now), "the clock never runs backward");
            bench.borrow_mut().tick(now);
        },
    );
    (played.unwrap_or_else(|error| panic!("{}", crate::chain(&error))), bench.into_inner())
}

fn types(bench: &Bench) -> BTreeMap<String, usize> {
    let mut types = BTreeMap::new();
    for (_, event) in &bench.events {
        *types.entry(format!("{}.{}", event.event_type().kind, event.event_type().name)).or_insert(0) += 1;
    }
    types
}

#[test]
fn everything_in_the_script_happens_as_it_says() {
    let (played, bench) = played(WRITTEN_FOR);
    assert_eq!(played.steps, script().step.len());
    assert_eq!(played.imports.len(), FILES.len());
    let types = types(&bench);
    for (happened, least) in [
        ("worker.registered", 120),
        ("posting.published", 35),
        ("employer.registered", 35),
        ("worker.arrived", 60),
        ("offer.made", 1),
        ("offer.expired", 1),
        ("worker.went_home_unhired", 1),
        ("hire.agreed", 30),
        ("wage.paid", 10),
        ("wage.presumed_due", 1),
        ("wage.overdue", 1),
        ("wage.paid_to_third", 1),
        ("claim.registered", 9),
        ("case.closed", 1),
        ("insurance.gap_alarmed", 1),
    ] {
        assert!(types.get(happened).copied().unwrap_or(0) >= least, "{happened}: {types:?}");
    }
    let hurt = bench.events.iter().find_map(|(_, event)| {
        let Event::Hire(HireEvent::InjuryReported(it)) = event else { return None };
        Some(it.covered)
    });
    assert_eq!(hurt, Some(false), "the cover begins at midnight");
}

#[test]
fn the_same_script_plays_on_another_day() {
    let (first, _) = played(WRITTEN_FOR);
    let (moved, _) = played("2026-10-19");
    let codes = |it: &Played| it.imports.values().map(|it| it.codes.clone()).collect::<Vec<_>>();
    assert_eq!(codes(&first), codes(&moved));
}
