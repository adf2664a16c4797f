//! The gateway's own vault at one site, in a folder in memory, and what it does with a command on its way.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use linggong_engine::command::Command;
use linggong_engine::person::ToldAnew;
use linggong_engine::state::State;
use linggong_events::commit::Digest;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, CardId, CommandId, EntityRef, KeyId, Kind, PersonId};
use linggong_events::person::{KeyState, Sealed};
use linggong_events::time::{Date, Timestamp};
use linggong_gateway::vault::{
    CardHolder, MediaType, OpenError, Purpose, PurposeKind, SealError, SecretString, Vault, VaultError,
    VaultSettings,
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::oracle::{Broken, Holds};
use crate::papers::Papers;
use crate::random::Random;

/// The files whose last append a crash may tear.
const APPENDED: [&str; 3] = ["keys.log", "index.log", "access.log"];

pub(crate) struct Safe {
    folder: TempDir,
    log: String,
    /// None only while it is opened again.
    vault: Option<Vault>,
    pub(crate) papers: Papers,
}

impl Safe {
    pub(crate) fn new(log: &str) -> Result<Safe, Broken> {
        // Where there is memory to write to: thousands of vaults sync every record.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = TempDir::with_prefix_in("linggong-simulation-", parent).map_err(|it| it.to_string())?;
        let mut safe = Safe { folder, log: log.to_owned(), vault: None, papers: Papers::default() };
        safe.open()?;
        Ok(safe)
    }

    fn open(&mut self) -> Holds {
        self.vault = None;
        let settings = VaultSettings {
            directory: self.path("vault"),
            master_key: self.path("master.key"),
            log: self.log.clone(),
            demo: true,
        };
        let opened = Vault::open(&settings)
            .map_err(|error| format!("17: the vault does not open: {}", chain(&error)))?;
        self.vault = Some(opened);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn vault(&mut self) -> &mut Vault {
        self.vault.as_mut().expect("harness: the vault is open")
    }

    /// The process ends; half of an append that nobody was told of may be left behind. Says whether it is.
    pub(crate) fn crash(&mut self, random: &mut Random) -> Result<bool, Broken> {
        self.vault = None;
        let torn = random.one_in_thousand(300);
        if torn {
            let name = random.pick(&APPENDED).unwrap_or(APPENDED[0]);
            let path = self.path("vault").join(name);
            let file = std::fs::OpenOptions::new().append(true).open(path);
            let half = &b"7f3a91c2 {\"made\":{\"key\""[..=random.below(22)];
            file.and_then(|mut it| it.write_all(half)).map_err(|error| error.to_string())?;
        }
        self.open()?;
        Ok(torn)
    }

    /// Takes a paper into custody, as a client asks for before it names it.
    pub(crate) fn store(&mut self, about: EntityRef, shows: &str) -> Option<Digest> {
        let paper = self.vault().store_evidence(about, MediaType::Text, shows.as_bytes()).ok()?;
        let person = (about.kind == Kind::Person).then_some(PersonId(about.id));
        let key = person.and_then(|it| self.vault().key_of(it)).map(|(key, _)| key);
        self.papers.keep(paper, key);
        Some(paper)
    }

    /// The digest of what was asked for, and that with every personal field sealed.
    pub(crate) fn seal(
        &mut self,
        (actor, name, command): (ActorId, &str, CommandId),
        asked: &str,
        mut body: Value,
        on: Date,
    ) -> Result<(String, Value), &'static str> {
        let digest = self.vault().command_digests().of(actor, asked);
        let personal = Command::find(name).map_or(&[][..], |it| it.personal);
        match self.vault().seal_command(&mut body, personal, command, on) {
            Ok(()) => Ok((digest, body)),
            Err(SealError::Form { .. } | SealError::Clear { .. }) => Err("gateway: bad_fields"),
            // Of whom nothing is known any more, nothing is told anew.
            Err(SealError::Vault(VaultError::UnknownPerson { .. })) => Err("gateway: bad_fields"),
            Err(SealError::Vault(VaultError::CommandReused)) => Err("gateway: key_reused"),
            Err(SealError::Vault(VaultError::Sealed { .. } | VaultError::Shredded { .. })) => {
                Err("gateway: sealed")
            }
            Err(SealError::Vault(error)) => panic!("17: the vault does not seal: {}", chain(&error)),
        }
    }

    /// Whether something that a command names does not lie here.
    pub(crate) fn lacks(&mut self, named: &[EvidenceDigest]) -> bool {
        match self.vault().missing_evidence(named) {
            Ok(Some(_)) => true,
            Ok(None) => {
                let there = self.papers.i04_what_lost_its_key_is_not_there(named);
                there.map_or_else(|broken| panic!("{broken}"), |()| false)
            }
            Err(error) => panic!("17: the vault cannot say what it holds: {}", chain(&error)),
        }
    }

    /// Whether that is the key of the person.
    pub(crate) fn is_key_of(&mut self, person: PersonId, key: KeyId) -> bool {
        self.vault().key_of(person).is_some_and(|(own, _)| own == key)
    }

    /// The ledger has changed what may be done with a key.
    pub(crate) fn change(&mut self, key: KeyId, state: KeyState) -> Holds {
        let changed = self.vault().change_key_state(key, state);
        changed.map_err(|error| format!("17: a key is not made {state:?}: {}", chain(&error)))?;
        if state == KeyState::Shredded {
            self.papers.destroy(key);
        }
        Ok(())
    }

    /// What the ledger says of keys, cards and revisions, told again at a start.
    pub(crate) fn reconcile(&mut self, ledger: &State) -> Holds {
        for (person, key, state) in ledger.key_states() {
            if self.vault().key_of(person).is_some_and(|(own, is)| own == key && is != state) {
                self.change(key, state)?;
            }
        }
        for (person, card, live) in ledger.cards() {
            self.set_card(person, card, live)?;
        }
        for person in self.vault().waiting_revisions() {
            let settled = self.vault().settle_all_revisions(person, ledger.told_anew(person));
            settled.map_err(|error| format!("17: a revision is not settled: {}", chain(&error)))?;
        }
        Ok(())
    }

    /// Whom the card with this number names.
    pub(crate) fn holder_of(&mut self, number: &str) -> CardHolder {
        self.vault().holder_of(&SecretString::new(number.to_owned())).unwrap_or(CardHolder::Nobody)
    }

    /// The ledger says whose a card is and whether it is in use.
    pub(crate) fn set_card(&mut self, person: PersonId, card: CardId, live: bool) -> Holds {
        let set = self.vault().set_card(person, card, live);
        set.map_err(|error| format!("17: a card is not learnt: {}", chain(&error)))
    }

    /// The ledger says whether what was told anew is so.
    pub(crate) fn settle_revision(&mut self, person: PersonId, asked: ToldAnew, ledger: ToldAnew) -> Holds {
        let settled = self.vault().settle_revision(person, asked, ledger);
        settled.map_err(|error| format!("17: a revision is not settled: {}", chain(&error)))
    }

    /// Invariant 17: The card with this number names whom the ledger says, and nobody of whom nothing is known any more.
    pub(crate) fn i17_a_card_names_its_holder(
        &mut self,
        number: &str,
        said: impl Fn(CardId) -> CardHolder,
    ) -> Holds {
        let id = self.vault().card_id(&SecretString::new(number.to_owned()));
        let id = id.map_err(|error| format!("harness: {}", chain(&error)))?;
        let (is, said) = (self.holder_of(number), said(id));
        if is == said { Ok(()) } else { Err(format!("17: a card names {is:?}, the ledger says {said:?}")) }
    }

    /// Invariant 17: Of all that was told anew the vault knows what was decided.
    pub(crate) fn i17_no_revision_waits(&mut self) -> Holds {
        match self.vault().waiting_revisions().first() {
            None => Ok(()),
            Some(person) => Err(format!("17: what was told anew of {person} waits for ever")),
        }
    }

    /// Invariant 17: The key of a person is what the ledger says of it: gone where it was destroyed.
    pub(crate) fn i17_a_key_is_what_the_ledger_says(
        &mut self,
        person: &str,
        key: &str,
        state: &str,
    ) -> Holds {
        let (Ok(person), Ok(key)) = (Uuid::parse_str(person), Uuid::parse_str(key)) else {
            return Err(format!("form: {person} {key}"));
        };
        let is =
            self.vault().key_of(PersonId(person)).filter(|(own, _)| *own == KeyId(key)).map(|(_, is)| is);
        let says = match state {
            "active" => Some(KeyState::Active),
            "sealed" => Some(KeyState::Sealed),
            _ => None,
        };
        if is == says {
            Ok(())
        } else {
            Err(format!("17: the vault's key of {person} is {is:?}, the ledger says {state}"))
        }
    }

    /// Invariant 16: What was sealed opens as it was told, and only while its key is there.
    pub(crate) fn i16_what_was_sealed_opens(
        &mut self,
        sealed: &Sealed,
        (command, label): (CommandId, &str),
        state: Option<&str>,
        now: Timestamp,
    ) -> Holds {
        let is_shredded = state == Some("shredded");
        let purpose = Purpose {
            actor: ActorId(Uuid::from_u128(7)),
            role: linggong_events::office::Role::PrivacyOfficer,
            reason: PurposeKind::Audit,
            case: None,
            second_officer: Some(ActorId(Uuid::from_u128(8))),
            at: now,
        };
        if state == Some("sealed") {
            let alone = Purpose { second_officer: None, ..purpose.clone() };
            match self.vault().open_sealed(sealed, command, label, &alone) {
                Err(OpenError::SecondOfficer { .. }) => {}
                opened => return Err(format!("17: a sealed key and one officer: {:?}", opened.map(|_| ()))),
            }
        }
        match self.vault().open_sealed(sealed, command, label, &purpose) {
            Ok(clear) if !is_shredded && clear.expose().contains(crate::oracle::CANARY) => Ok(()),
            Err(OpenError::Key(VaultError::Shredded { .. })) if is_shredded => Ok(()),
            Ok(_) if is_shredded => Err("16: what a destroyed key sealed opens".into()),
            Ok(_) => Err("16: what was sealed opens as something else".into()),
            Err(error) => Err(format!("16: what was sealed does not open: {}", chain(&error))),
        }
    }

    /// Invariant 4: What an event rests on lies in the vault, unless its key was destroyed since.
    pub(crate) fn i04_what_is_named_is_there(&mut self, named: &[EvidenceDigest]) -> Holds {
        for it in named {
            if self.lacks(&[*it]) && self.vault().evidence_about(it.0).is_none() {
                return Err(format!("4: an event names the evidence {}, which was never stored", it.0));
            }
        }
        Ok(())
    }

    /// Invariant 16: No name stands in clear in any file of the vault; openings are chained.
    pub(crate) fn i16_no_file_tells_a_name(&mut self) -> Holds {
        let files = std::fs::read_dir(self.path("vault")).map_err(|error| error.to_string())?;
        for file in files.flatten().filter(|it| it.path().is_file()) {
            let bytes = std::fs::read(file.path()).map_err(|error| error.to_string())?;
            crate::oracle::i16_nothing_personal_stands_in_clear(&bytes)?;
        }
        self.vault()
            .accesses()
            .map(|_| ())
            .map_err(|error| format!("18: the openings do not chain: {}", chain(&error)))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    linggong_gateway::chain(error)
}
