//! 保险箱: the only place where personal data is read in clear. It seals fields before the engine sees them,
//! knows who is who by keyed hashes, keeps evidence encrypted, and writes down every opening.
//!
//! On the disk, outside ledger, feed and views, with a backup of its own:
//! - the master key, in a file elsewhere; without it nothing here can be read;
//! - `keys.log`: wrapped keys and their states; `shredded.log`: keys that must never come back;
//! - `index.log`: the identity index; `access.log`: every opening; `evidence/`: encrypted files;
//!   `sources.log`: imported files among them.
//!
//! Invariant: what a method returned is on the disk. Invariant: no opening without its record before it.

mod access;
mod command;
#[cfg(debug_assertions)]
mod drawn;
mod evidence;
mod index;
mod keys;
mod names;
mod person;
mod records;
mod seal;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linggong_engine::person::ToldAnew;
use linggong_events::audience::Department;
use linggong_events::commit::{Digest, Head};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::{ActorId, CardId, CommandId, EntityRef, KeyId, Kind, OfficeId, PersonId, new_id};
use linggong_events::identity::IdentityDocument;
use linggong_events::person::{Age, DocumentFacts, KeyState, KnownPerson, PersonField, Revision, Sealed};
use linggong_events::time::Date;
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use access::{Access, AccessData, AccessError, AccessRecord, Purpose, PurposeKind};
pub use command::SealError;
#[cfg(debug_assertions)]
pub use drawn::draw_by;
pub use evidence::{Evidence, EvidenceError, MAX_EVIDENCE_BYTES, MediaType};
pub use index::CardHolder;
pub use person::{BadClear, Birth, ClearDocument, ClearPerson, ClearRevision, ClearText};
pub use records::RecordError;
pub use seal::{BoxShut, NoChance, Secret, SecretString};

use access::AccessLog;
use evidence::{EvidenceStore, Stored, make_directory};
use index::{CardKnown, Index, Known, Settled, Waiting};
use keys::Keys;
use person::CheckedPerson;
use records::{Check, RecordFile, write_whole};
use seal::{Place, keyed_hash, mac, open_field, random, seal_field};
use sources::Sources;

/// Where a vault is, and whose.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Its folder.
    pub directory: PathBuf,
    /// The file of the master key; made on the first start.
    pub master_key: PathBuf,
    /// The log that it belongs to, `lg-37`.
    pub log: String,
    /// Whether that is a demo log.
    pub demo: bool,
}

/// Why the vault cannot be opened, or cannot do what was asked.
#[derive(Debug, Error)]
pub enum VaultError {
    /// Another process has it open.
    #[error("another process has the vault `{directory}` open")]
    Locked {
        /// Its folder.
        directory: PathBuf,
    },
    /// There is a vault, but not its key.
    #[error("the master key `{path}` is missing: without it the vault cannot be read")]
    MasterKeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is not a master key.
    #[error("`{path}` is no master key: expected 32 bytes")]
    MasterKeyForm {
        /// The file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("the master key `{path}` can be read by others: take their permission away (mode 0600)")]
    MasterKeyExposed {
        /// The file.
        path: PathBuf,
    },
    /// The key of another vault.
    #[error("the master key is not the one this vault was made with")]
    WrongMasterKey,
    /// A file of an existing vault is gone.
    #[error("the file `{path}` of the vault is missing: restore the vault from its backup")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The key file is of a newer format.
    #[error("the vault is of a format that this software does not read")]
    Format,
    /// A record file.
    #[error(transparent)]
    File(#[from] RecordError),
    /// The access log.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No chance for a key or a nonce.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// Nobody has that id here.
    #[error("the vault does not know the person `{person}`")]
    UnknownPerson {
        /// The id.
        person: PersonId,
    },
    /// There is no such key.
    #[error("the vault has no key `{key}`")]
    UnknownKey {
        /// The id.
        key: KeyId,
    },
    /// The key is for storage only.
    #[error("the key `{key}` is sealed: it takes nothing new")]
    Sealed {
        /// The id.
        key: KeyId,
    },
    /// The key was destroyed and stays so.
    #[error("the key `{key}` was shredded")]
    Shredded {
        /// The id.
        key: KeyId,
    },
    /// A wrapped key does not unwrap.
    #[error("the key `{key}` is damaged: restore the vault from its backup")]
    KeyDamaged {
        /// The id.
        key: KeyId,
    },
    /// The same command told something else of its person before.
    #[error("the command was given before with other personal data")]
    CommandReused,
    /// The personal data breaks a rule.
    #[error(transparent)]
    Clear(#[from] BadClear),
}

/// Why a sealed field or evidence was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Handling a case needs its number.
    #[error("this purpose needs the case")]
    CaseMissing,
    /// A sealed key needs two officers.
    #[error("the key `{key}` is sealed: opening takes a second officer")]
    SecondOfficer {
        /// The key.
        key: KeyId,
    },
    /// It does not open at this place.
    #[error(transparent)]
    Shut(#[from] BoxShut),
    /// The evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The access could not be written down, so nothing was opened.
    #[error("nothing was opened, for the access could not be recorded")]
    Unrecorded(#[source] AccessError),
    /// The key is not there, or not there any more.
    #[error(transparent)]
    Key(VaultError),
}

/// Why a department's key was not handed out.
#[derive(Debug, Error)]
pub enum IssueError {
    /// Another version is in force than the one to be replaced.
    #[error("version {current} of this key is in force")]
    Rotated {
        /// That version.
        current: u32,
    },
    /// It could not be written down, so nobody got it.
    #[error("the key was not handed out, for that could not be recorded")]
    Unrecorded(#[source] AccessError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Takes the keyed digests of commands; nobody waits for the vault to have one taken.
#[derive(Clone)]
pub struct CommandDigests(Arc<Secret>);

impl CommandDigests {
    /// The digest of the canonical clear request of a command, taken before anything of it is sealed.
    pub fn of(&self, actor: ActorId, canonical: &str) -> String {
        keyed_hash(&self.0, &[b"command", actor.0.as_bytes(), canonical.as_bytes()])
    }
}

impl std::fmt::Debug for CommandDigests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommandDigests")
    }
}

/// An open vault; one process at a time.
pub struct Vault {
    keys: Keys,
    index: Index,
    access: AccessLog,
    evidence: EvidenceStore,
    sources: Sources,
    digests: CommandDigests,
    departments: Secret,
    /// Held until the vault is dropped.
    _lock: File,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

const DEPARTMENTS: [Department; 7] = [
    Department::Hrss,
    Department::Si,
    Department::Police,
    Department::Housing,
    Department::Market,
    Department::Health,
    Department::Finance,
];

impl Vault {
    /// Opens the vault, or makes a new one where there is none; reads and verifies every record.
    pub fn open(settings: &VaultSettings) -> Result<Vault, VaultError> {
        let directory = &settings.directory;
        make_directory(directory)?;
        let lock = locked(directory)?;
        let [keys, shredded, index, access, sources] =
            ["keys.log", "shredded.log", "index.log", "access.log", "sources.log"]
                .map(|name| directory.join(name));
        if !keys.exists() {
            let remains =
                [&shredded, &index].into_iter().any(|it| fs::metadata(it).is_ok_and(|it| it.len() > 0));
            if remains || directory.join("evidence").exists() {
                return Err(VaultError::Missing { path: keys });
            }
            let master = master_key(&settings.master_key, true)?;
            let (first, root) = Keys::new_root(&master)?;
            let check = |file| Check::Mac(root.derive(file));
            let genesis = AccessLog::genesis(&settings.log, settings.demo)?;
            RecordFile::create(&shredded, &check("shredded.log"), &[])?;
            RecordFile::create(&index, &check("index.log"), &[])?;
            RecordFile::create(&access, &check("access.log"), &[genesis])?;
            RecordFile::create(&sources, &check("sources.log"), &[])?;
            // The key file last: where it stands, the vault is whole.
            RecordFile::create(&keys, &Check::Crc, &[first])?;
        }
        if let Some(path) = [&shredded, &index, &access, &sources].into_iter().find(|it| !it.exists()) {
            return Err(VaultError::Missing { path: path.clone() });
        }
        let keys = Keys::open(&keys, &shredded, master_key(&settings.master_key, false)?)?;
        let index = Index::open(&index, keys.derive("index"), keys.derive("index.log"))?;
        let mut vault = Vault {
            access: AccessLog::open(&access, &settings.log, keys.derive("access.log"))?,
            evidence: EvidenceStore::at(directory.join("evidence")),
            sources: Sources::open(&sources, keys.derive("sources.log"))?,
            digests: CommandDigests(Arc::new(keys.derive("command digests"))),
            departments: keys.derive("departments"),
            keys,
            index,
            _lock: lock,
        };
        vault.forget_shredded()?;
        Ok(vault)
    }

    /// Whether a vault was made at this place.
    pub fn is_there(settings: &VaultSettings) -> bool {
        settings.directory.join("keys.log").exists()
    }

    /// How many of `people` the vault does not know, though nobody shredded them: more than none after an older
    /// backup was put back.
    pub fn unknown(&self, people: &[PersonId]) -> usize {
        people.iter().filter(|it| !self.index.knows(**it)).count()
    }

    /// What takes the digests of commands, to be kept apart from the vault.
    pub fn command_digests(&self) -> CommandDigests {
        self.digests.clone()
    }

    /// The key of a department, with which it computes the person tokens that it is told.
    fn department_key(&self, department: Department, version: u32) -> Secret {
        match version {
            1 => self.departments.derive(department.name()),
            later => self.departments.derive(&format!("{}:{later}", department.name())),
        }
    }

    /// Hands a department its key, of the version in force; with `rotate_from` a new version, where that one is in
    /// force still. On record before anybody has it.
    pub fn issue_department_key(
        &mut self,
        department: Department,
        rotate_from: Option<u32>,
        office: OfficeId,
        purpose: &Purpose,
    ) -> Result<(u32, Secret), IssueError> {
        let current = self.keys.department_version(department);
        if rotate_from.is_some_and(|it| it != current) {
            return Err(IssueError::Rotated { current });
        }
        let version = if rotate_from.is_some() { current + 1 } else { current };
        let secret = self.department_key(department, version);
        let name = format!("department_key:{}:{version}", department.name());
        let mut id = [0; 16];
        id.copy_from_slice(&mac(&self.departments, &[b"id", name.as_bytes()])[..16]);
        let data = access_data(purpose, KeyId(Uuid::new_v8(id)), &name, None, None);
        self.access.append(Access::Issued, office.into(), purpose, data).map_err(IssueError::Unrecorded)?;
        if rotate_from.is_some() {
            self.keys.rotate(department, version)?;
        }
        Ok((version, secret))
    }

    fn tokens(&self, document: &IdentityDocument) -> BTreeMap<String, String> {
        DEPARTMENTS.iter().map(|it| (it.name().to_owned(), self.token(*it, document))).collect()
    }

    /// What a department is told of a human: a keyed hash of the document, after the key's version from the second on.
    fn token(&self, department: Department, document: &IdentityDocument) -> String {
        let version = self.keys.department_version(department);
        let canonical = index::canonical(document);
        let key = self.department_key(department, version);
        let hash = keyed_hash(&key, &[b"person", canonical.expose().as_bytes()]);
        if version == 1 { hash } else { format!("k{version}:{hash}") }
    }

    /// The person whom `clear` tells of: known by the document, else made under `command` as its `n`-th.
    ///
    /// A shared phone never makes two records one; it makes a suspicion, for an officer to decide. The same
    /// command finds the same person again.
    pub fn get_or_create_person(
        &mut self,
        clear: &ClearPerson,
        command: CommandId,
        n: u32,
        on: Date,
    ) -> Result<KnownPerson, VaultError> {
        let checked = CheckedPerson::of(clear, on)?;
        let document = checked
            .document
            .as_ref()
            .map(|it| (index::kind_name(it).to_owned(), self.index.document_hash(it)));
        let phone = checked.phone.as_ref().map(|it| self.index.phone_hash(it));

        let by_document = document.as_ref().and_then(|(_, hash)| self.index.by_document(hash));
        let person = by_document.unwrap_or(PersonId(new_id(command, "person", n)));
        if by_document.is_some() {
            if phone.as_ref().is_some_and(|hash| !self.index.has_phone(person, hash)) {
                let phone = phone.clone();
                self.index.learn(Known { phone, ..Known::of(person) })?;
            }
        } else {
            let origin = self.origin(&checked);
            if self.index.knows(person) {
                if self.index.origin(person) != Some(&origin) {
                    return Err(VaultError::CommandReused);
                }
            } else {
                // The key first: whoever is in the index has one.
                self.keys.make(KeyId(new_id(command, "key", n)), person.into())?;
                let phone = phone.clone();
                self.index.learn(Known { origin: Some(origin), document, phone, ..Known::of(person) })?;
            }
        }

        let (key, secret) = self.sealing_key(person)?;
        let mut known = KnownPerson {
            person,
            age: checked.birth_date.map(|birth| Age::at(birth, on)),
            document_verified: checked.document.is_some(),
            sealed: Default::default(),
            tokens: Default::default(),
            duplicate_suspected: phone.and_then(|it| self.index.suspected(person, &it)),
        };
        for (field, text) in &checked.fields {
            let place = Place { command, label: person_label(*field), person, key };
            let boxed = seal_field(&secret, place, text.expose())?;
            known.sealed.insert(*field, Sealed { person, key, boxed });
        }
        if let Some(document) = &checked.document {
            known.tokens = self.tokens(document);
        }
        Ok(known)
    }

    /// Seals what `command` tells anew of a human whom the vault knows. The index holds the new document and phone
    /// back until [`Vault::settle_revision`] says what was decided.
    pub fn seal_revision(
        &mut self,
        clear: &ClearRevision,
        command: CommandId,
        on: Date,
    ) -> Result<Revision, VaultError> {
        let (person, checked) = (clear.person, CheckedPerson::revised(clear, on)?);
        let (key, secret) = self.sealing_key(person)?;
        let mut revision =
            Revision { person, sealed: BTreeMap::new(), document: None, duplicate_suspected: None };
        for (field, text) in &checked.fields {
            let place = Place { command, label: person_label(*field), person, key };
            revision
                .sealed
                .insert(*field, Sealed { person, key, boxed: seal_field(&secret, place, text.expose())? });
        }
        let mut known = Known::of(person);
        let waiting = |told| Waiting { told, document: None, phone: None };
        let told = ToldAnew::by(&revision);
        if let (Some(shown), Some(told)) = (&checked.document, told.document) {
            let age = checked.birth_date.map(|birth| Age::at(birth, on));
            revision.document = Some(DocumentFacts { age, tokens: self.tokens(shown) });
            let hash = self.index.document_hash(shown);
            revision.duplicate_suspected = self.index.by_document(&hash).filter(|it| *it != person);
            let document = Some((index::kind_name(shown).to_owned(), hash));
            known.waiting.push(Waiting { document, ..waiting(told) });
        }
        if let (Some(phone), Some(told)) = (&checked.phone, told.phone) {
            let hash = self.index.phone_hash(phone);
            let suspected = self.index.suspected(person, &hash);
            revision.duplicate_suspected = revision.duplicate_suspected.or(suspected);
            known.waiting.push(Waiting { phone: Some(hash), ..waiting(told) });
        }
        if !known.waiting.is_empty() {
            self.index.learn(known)?;
        }
        Ok(revision)
    }

    /// What was told anew of whom, and of which it is not known here what was decided.
    pub fn waiting_revisions(&self) -> BTreeSet<PersonId> {
        self.index.waiting().map(|(person, _)| person).collect()
    }

    /// Takes over what the ledger says that it was told of `person` last. Of `asked`, what the ledger does not hold is
    /// dropped; what others tell meanwhile goes on waiting.
    pub fn settle_revision(
        &mut self,
        person: PersonId,
        asked: ToldAnew,
        ledger: ToldAnew,
    ) -> Result<(), VaultError> {
        let mut settled = Vec::new();
        for (asked, ledger) in [(asked.document, ledger.document), (asked.phone, ledger.phone)] {
            let dropped = asked.filter(|it| Some(*it) != ledger).map(|told| Settled { told, so: false });
            let taken = ledger.map(|told| Settled { told, so: true });
            settled.extend(dropped.into_iter().chain(taken).filter(|it| self.index.waits(it.told)));
        }
        if !settled.is_empty() {
            self.index.learn(Known { settled, ..Known::of(person) })?;
        }
        Ok(())
    }

    /// Settles, at a start, all that was told of `person`: nobody decides about any of it any more.
    pub fn settle_all_revisions(&mut self, person: PersonId, ledger: ToldAnew) -> Result<(), VaultError> {
        let said = [ledger.document, ledger.phone];
        let own = self.index.waiting().filter(|it| it.0 == person).map(|(_, told)| told);
        let settled: Vec<_> = own.map(|told| Settled { told, so: said.contains(&Some(told)) }).collect();
        if !settled.is_empty() {
            self.index.learn(Known { settled, ..Known::of(person) })?;
        }
        Ok(())
    }

    /// The id of the market card with this number.
    pub fn card_id(&self, number: &SecretString) -> Result<CardId, VaultError> {
        Ok(self.index.card_id(&person::card(number)?))
    }

    /// Whom the market card with this number names.
    pub fn holder_of(&self, number: &SecretString) -> Result<CardHolder, VaultError> {
        Ok(self.index.by_card(self.card_id(number)?))
    }

    /// Learns what the ledger says of a card. Of whoever is not known here, or no longer, nothing is learnt.
    pub fn set_card(&mut self, person: PersonId, card: CardId, live: bool) -> Result<(), VaultError> {
        let said = if live { CardHolder::Live(person) } else { CardHolder::Dead(person) };
        let known = self.index.by_card(card);
        // A dead card stays dead, in whatever order two are told.
        if !self.index.knows(person) || known == said || known == CardHolder::Dead(person) {
            return Ok(());
        }
        let card = Some(CardKnown { card, live });
        self.index.learn(Known { card, ..Known::of(person) })?;
        Ok(())
    }

    /// Seals a free text under the key of the person it is about.
    pub fn seal_text(
        &mut self,
        person: PersonId,
        text: &SecretString,
        command: CommandId,
        label: &str,
    ) -> Result<Sealed, VaultError> {
        let text = person::text(text)?;
        let (key, secret) = self.sealing_key(person)?;
        let boxed = seal_field(&secret, Place { command, label, person, key }, text.expose())?;
        Ok(Sealed { person, key, boxed })
    }

    /// Opens a sealed field at the place it was sealed for. The access is on the disk before anything opens.
    pub fn open_sealed(
        &mut self,
        sealed: &Sealed,
        command: CommandId,
        label: &str,
        purpose: &Purpose,
    ) -> Result<SecretString, OpenError> {
        let Sealed { person, key, boxed } = sealed;
        let data = access_data(purpose, *key, label, Some(command), None);
        let secret = self.admitted((*person).into(), purpose, data)?;
        Ok(open_field(&secret, Place { command, label, person: *person, key: *key }, boxed)?)
    }

    /// Stores evidence about a person, or about a matter such as a case, and names it by what is stored.
    pub fn store_evidence(
        &mut self,
        about: EntityRef,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Result<Digest, OpenError> {
        EvidenceStore::check(media_type, bytes)?;
        if self.keys.of(about).is_none() && about.kind != Kind::Person {
            let key = KeyId(Uuid::new_v8(random().map_err(EvidenceError::from)?));
            self.keys.make(key, about).map_err(OpenError::Key)?;
        }
        let (key, secret) = self.sealing_key_of(about).map_err(OpenError::Key)?;
        Ok(self.evidence.store(key, &secret, media_type, bytes)?)
    }

    /// Stores a file from which commands will be read, for the office that imports it: the SHA-256 of the file,
    /// under which its rows stand in the ledger, and where it lies. A file that lies there already stays.
    pub fn store_source(
        &mut self,
        office: OfficeId,
        media_type: MediaType,
        bytes: &[u8],
    ) -> Result<(Digest, Digest), OpenError> {
        let source = Digest::of(bytes);
        if let Some(evidence) = self.sources.evidence(source)
            && self.lies_here(evidence)?
        {
            return Ok((source, evidence));
        }
        let evidence = self.store_evidence(office.into(), media_type, bytes)?;
        self.sources.learn(source, evidence).map_err(EvidenceError::from)?;
        Ok((source, evidence))
    }

    /// The first of `named` that does not lie here, as evidence or as a source file, or whose key is gone.
    pub fn missing_evidence(&self, named: &[EvidenceDigest]) -> Result<Option<EvidenceDigest>, OpenError> {
        for it in named {
            let stored = self.sources.evidence(it.0).unwrap_or(it.0);
            if !self.lies_here(stored)? {
                return Ok(Some(*it));
            }
        }
        Ok(None)
    }

    /// Whether all of `named` was stored or found lately, still lies there, and its keys are there; where that is not
    /// known, [`Vault::missing_evidence`] reads the disk.
    pub fn saw_evidence(&self, named: &[EvidenceDigest]) -> bool {
        named.iter().all(|it| {
            let stored = self.sources.evidence(it.0).unwrap_or(it.0);
            let state = self.evidence.seen_key_of(stored).and_then(|key| self.keys.state(key));
            match state {
                Some(KeyState::Active | KeyState::Sealed) => true,
                Some(KeyState::Shredded) | None => false,
            }
        })
    }

    fn lies_here(&self, evidence: Digest) -> Result<bool, OpenError> {
        let key = self.evidence.key_of(evidence)?;
        let state = key.and_then(|it| self.keys.state(it));
        Ok(match state {
            Some(KeyState::Active | KeyState::Sealed) => true,
            Some(KeyState::Shredded) | None => false,
        })
    }

    /// What a piece of evidence is about; none where there is no such evidence, or its key is gone.
    pub fn evidence_about(&self, digest: Digest) -> Option<EntityRef> {
        let stored = self.evidence.find(digest).ok()?;
        self.keys.owner(stored.key)
    }

    /// Reads evidence. The access is on the disk before anything opens.
    pub fn read_evidence(&mut self, digest: Digest, purpose: &Purpose) -> Result<Evidence, OpenError> {
        let stored: Stored = self.evidence.find(digest)?;
        let key = stored.key;
        let about = self.keys.owner(key).ok_or(OpenError::Key(VaultError::UnknownKey { key }))?;
        let data = access_data(purpose, key, "evidence", None, Some(digest));
        let secret = self.admitted(about, purpose, data)?;
        Ok(EvidenceStore::open(&stored, &secret)?)
    }

    /// The key that seals for a person today, and its state.
    pub fn key_of(&self, person: PersonId) -> Option<(KeyId, KeyState)> {
        let key = self.keys.of(person.into())?;
        Some((key, self.keys.state(key)?))
    }

    /// Changes what may be done with a key. Whether the law allows it is decided before, in the ledger.
    ///
    /// Shredding is for ever: the key leaves the key file, the person leaves the index, and the shred list
    /// keeps both from coming back with an older file.
    pub fn change_key_state(&mut self, key: KeyId, state: KeyState) -> Result<(), VaultError> {
        self.keys.change_state(key, state)?;
        match state {
            KeyState::Shredded => self.forget_shredded(),
            KeyState::Active | KeyState::Sealed => Ok(()),
        }
    }

    /// Every access in order, read again from the disk with the whole chain verified.
    pub fn accesses(&self) -> Result<Vec<AccessRecord>, AccessError> {
        self.access.records()
    }

    /// Where the access log ends: to be printed and compared, for a cut tail shows nowhere else.
    pub fn access_head(&self) -> Head {
        self.access.head()
    }

    /// Writes the access down, then hands out the key; or writes the refusal down.
    fn admitted(
        &mut self,
        about: EntityRef,
        purpose: &Purpose,
        data: AccessData,
    ) -> Result<Secret, OpenError> {
        let secret = self.admission(about, purpose, data.key);
        let access = if secret.is_ok() { Access::Opened } else { Access::Refused };
        self.access.append(access, about, purpose, data).map_err(OpenError::Unrecorded)?;
        secret
    }

    fn admission(&self, about: EntityRef, purpose: &Purpose, key: KeyId) -> Result<Secret, OpenError> {
        let needs_case = purpose.reason == PurposeKind::CaseHandling;
        if needs_case && purpose.case.is_none() {
            return Err(OpenError::CaseMissing);
        }
        let two = purpose.second_officer.is_some_and(|second| second != purpose.actor);
        match self.keys.state(key) {
            Some(KeyState::Sealed) if !two => return Err(OpenError::SecondOfficer { key }),
            Some(KeyState::Shredded) => return Err(OpenError::Key(VaultError::Shredded { key })),
            Some(KeyState::Active | KeyState::Sealed) | None => {}
        }
        let secret = self.keys.secret(key).map_err(OpenError::Key)?;
        if self.keys.owner(key) != Some(about) {
            return Err(OpenError::Shut(BoxShut));
        }
        Ok(secret)
    }

    fn sealing_key(&self, person: PersonId) -> Result<(KeyId, Secret), VaultError> {
        if !self.index.knows(person) {
            return Err(VaultError::UnknownPerson { person });
        }
        self.sealing_key_of(person.into())
    }

    fn sealing_key_of(&self, about: EntityRef) -> Result<(KeyId, Secret), VaultError> {
        let key = self.keys.of(about).ok_or(VaultError::UnknownPerson { person: PersonId(about.id) })?;
        match self.keys.state(key) {
            Some(KeyState::Sealed) => Err(VaultError::Sealed { key }),
            Some(KeyState::Active | KeyState::Shredded) | None => Ok((key, self.keys.secret(key)?)),
        }
    }

    /// A keyed hash of all that was told of a person.
    fn origin(&self, checked: &CheckedPerson) -> String {
        let birth = checked.birth_date.map(|it| Zeroizing::new(it.to_string()));
        let mut parts: Vec<&[u8]> = Vec::new();
        for (field, text) in &checked.fields {
            parts.extend([person_label(*field).as_bytes(), text.expose().as_bytes()]);
        }
        if let Some(birth) = &birth {
            parts.extend([b"birth_date".as_slice(), birth.as_bytes()]);
        }
        self.index.origin_hash(&parts)
    }

    fn forget_shredded(&mut self) -> Result<(), VaultError> {
        for owner in self.keys.shredded_owners() {
            if owner.kind == Kind::Person && self.keys.of(owner).is_none() {
                self.index.forget(PersonId(owner.id))?;
            }
        }
        Ok(())
    }
}

/// The label under which a field of a person is sealed.
pub fn person_label(field: PersonField) -> &'static str {
    match field {
        PersonField::Name => "name",
        PersonField::Document => "document",
        PersonField::Phone => "phone",
        PersonField::BankAccount => "bank_account",
        PersonField::Address => "address",
        PersonField::EmergencyContact => "emergency_contact",
    }
}

fn access_data(
    purpose: &Purpose,
    key: KeyId,
    label: &str,
    command: Option<CommandId>,
    evidence: Option<Digest>,
) -> AccessData {
    AccessData {
        reason: purpose.reason,
        case: purpose.case,
        second_officer: purpose.second_officer,
        key,
        label: label.to_owned(),
        command,
        evidence,
    }
}

fn locked(directory: &Path) -> Result<File, VaultError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(RecordError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(VaultError::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(RecordError::io("lock", &path)(source).into()),
    }
}

/// Reads the master key; makes one where `new_vault` has none yet.
fn master_key(path: &Path, new_vault: bool) -> Result<Secret, VaultError> {
    if new_vault && !path.exists() {
        write_whole(path, Secret::random()?.expose())?;
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(VaultError::MasterKeyMissing { path: path.to_owned() });
        }
        Err(source) => return Err(RecordError::io("read", path)(source).into()),
    };
    let mode = fs::metadata(path).map_err(RecordError::io("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(VaultError::MasterKeyExposed { path: path.to_owned() });
    }
    Secret::from_slice(&bytes).ok_or_else(|| VaultError::MasterKeyForm { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
