//! The identity index: keyed hashes of documents, phones and market cards to person ids.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linggong_events::commit::Digest;
use linggong_events::id::{CardId, PersonId};
use linggong_events::identity::{DocumentKind, IdentityDocument};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::records::{Check, RecordError, RecordFile};
use super::seal::{Secret, SecretString, keyed_hash, mac};

/// A hash that tells nothing without the index key.
pub(crate) type KeyedHash = String;

/// What became known of one person at once.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) person: PersonId,
    /// A keyed hash of all that was told when the person was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<KeyedHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<(String, KeyedHash)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<KeyedHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<CardKnown>,
    /// What a command told anew, before anybody decided about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<Waiting>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) settled: Vec<Settled>,
}

impl Known {
    /// Nothing yet.
    pub(crate) fn of(person: PersonId) -> Known {
        let (waiting, settled) = (Vec::new(), Vec::new());
        Known { person, origin: None, document: None, phone: None, card: None, waiting, settled }
    }
}

/// Another document or phone, told by a command about which the ledger still has to decide.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiting {
    /// The hash of its sealed box, by which the ledger names it.
    pub(crate) told: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<(String, KeyedHash)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<KeyedHash>,
}

/// Whether it is so. What was refused, or told anew since, leaves nothing.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settled {
    pub(crate) told: Digest,
    pub(crate) so: bool,
}

/// Whose card it is, and whether gates still take it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardKnown {
    pub(crate) card: CardId,
    pub(crate) live: bool,
}

/// Whom a card names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardHolder {
    /// It was given to nobody here.
    Nobody,
    /// This human, at gates and desks.
    Live(PersonId),
    /// It was this human's and is no longer in use.
    Dead(PersonId),
}

#[derive(Default)]
struct Entry {
    origin: Option<KeyedHash>,
    /// The kinds of document that were shown.
    documents: BTreeSet<String>,
}

#[derive(Default)]
struct Maps {
    persons: BTreeMap<PersonId, Entry>,
    documents: BTreeMap<KeyedHash, PersonId>,
    phones: BTreeMap<KeyedHash, BTreeSet<PersonId>>,
    cards: BTreeMap<CardId, (PersonId, bool)>,
    waiting: BTreeMap<Digest, (PersonId, Waiting)>,
}

impl Maps {
    fn learn(&mut self, known: Known) {
        let entry = self.persons.entry(known.person).or_default();
        entry.origin = entry.origin.take().or(known.origin);
        if let Some((kind, hash)) = known.document {
            entry.documents.insert(kind);
            self.documents.insert(hash, known.person);
        }
        if let Some(hash) = known.phone {
            self.phones.entry(hash).or_default().insert(known.person);
        }
        if let Some(it) = known.card {
            self.cards.insert(it.card, (known.person, it.live));
        }
        for it in known.waiting {
            self.waiting.insert(it.told, (known.person, it));
        }
        for it in known.settled {
            self.settle(it);
        }
    }

    /// The new takes the place of the old; a document that is somebody else's stays theirs.
    fn settle(&mut self, settled: Settled) {
        let Some((person, told)) = self.waiting.remove(&settled.told) else { return };
        if !settled.so {
            return;
        }
        if let Some((kind, hash)) = told.document {
            self.documents.retain(|_, holder| *holder != person);
            self.documents.entry(hash).or_insert(person);
            self.persons.entry(person).or_default().documents = BTreeSet::from([kind]);
        }
        if let Some(hash) = told.phone {
            for holders in self.phones.values_mut() {
                holders.remove(&person);
            }
            self.phones.retain(|_, holders| !holders.is_empty());
            self.phones.entry(hash).or_default().insert(person);
        }
    }
}

/// The open index.
pub(crate) struct Index {
    file: RecordFile,
    key: Secret,
    maps: Maps,
}

impl Index {
    pub(crate) fn open(path: &Path, key: Secret, check: Secret) -> Result<Index, RecordError> {
        let (file, records) = RecordFile::open(path, Check::Mac(check))?;
        let mut index = Index { file, key, maps: Maps::default() };
        for (record, number) in records.iter().zip(1..) {
            let damaged = |_| RecordError::Damaged { path: path.to_owned(), record: number };
            index.maps.learn(serde_json::from_slice(record).map_err(damaged)?);
        }
        Ok(index)
    }

    pub(crate) fn learn(&mut self, known: Known) -> Result<(), RecordError> {
        let record = serde_json::to_vec(&known).expect("a record of ids and hashes is JSON");
        self.file.append(&record)?;
        self.maps.learn(known);
        Ok(())
    }

    /// Takes every trace of a person out of the index and out of its file.
    pub(crate) fn forget(&mut self, person: PersonId) -> Result<(), RecordError> {
        if !self.maps.persons.contains_key(&person) {
            return Ok(());
        }
        let mut kept = Vec::new();
        let mut maps = Maps::default();
        for record in self.file.reread()? {
            let known: Known = serde_json::from_slice(&record).expect("it was read at open or written since");
            if known.person != person {
                maps.learn(known);
                kept.push(record);
            }
        }
        self.file.rewrite(&kept)?;
        self.maps = maps;
        Ok(())
    }

    /// What was told of whom, and not yet what was decided.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (PersonId, Digest)> {
        self.maps.waiting.iter().map(|(told, (person, _))| (*person, *told))
    }

    pub(crate) fn waits(&self, told: Digest) -> bool {
        self.maps.waiting.contains_key(&told)
    }

    pub(crate) fn knows(&self, person: PersonId) -> bool {
        self.maps.persons.contains_key(&person)
    }

    pub(crate) fn origin(&self, person: PersonId) -> Option<&KeyedHash> {
        self.maps.persons.get(&person)?.origin.as_ref()
    }

    pub(crate) fn by_document(&self, hash: &KeyedHash) -> Option<PersonId> {
        self.maps.documents.get(hash).copied()
    }

    pub(crate) fn by_card(&self, card: CardId) -> CardHolder {
        match self.maps.cards.get(&card) {
            Some((person, true)) => CardHolder::Live(*person),
            Some((person, false)) => CardHolder::Dead(*person),
            None => CardHolder::Nobody,
        }
    }

    pub(crate) fn has_phone(&self, person: PersonId, hash: &KeyedHash) -> bool {
        self.maps.phones.get(hash).is_some_and(|it| it.contains(&person))
    }

    /// Somebody else who gave the same phone and may be the same human.
    ///
    /// Two who both showed a resident ID are two humans, whatever phone they share.
    pub(crate) fn suspected(&self, person: PersonId, phone: &KeyedHash) -> Option<PersonId> {
        let resident = |it: &PersonId| {
            self.maps.persons.get(it).is_some_and(|it| it.documents.contains(DocumentKind::ResidentId.name()))
        };
        let proven = resident(&person);
        let sharing = self.maps.phones.get(phone)?;
        sharing.iter().find(|it| **it != person && !(proven && resident(it))).copied()
    }

    pub(crate) fn document_hash(&self, document: &IdentityDocument) -> KeyedHash {
        keyed_hash(&self.key, &[b"document", canonical(document).expose().as_bytes()])
    }

    pub(crate) fn phone_hash(&self, phone: &SecretString) -> KeyedHash {
        keyed_hash(&self.key, &[b"phone", phone.expose().as_bytes()])
    }

    /// The id of a card: its number's keyed hash, so that one number has one id and the id tells nothing.
    pub(crate) fn card_id(&self, number: &SecretString) -> CardId {
        let hash = mac(&self.key, &[b"card", number.expose().as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        CardId(Uuid::new_v8(bytes))
    }

    pub(crate) fn origin_hash(&self, fields: &[&[u8]]) -> KeyedHash {
        let parts: Vec<&[u8]> = [b"origin".as_slice()].into_iter().chain(fields.iter().copied()).collect();
        keyed_hash(&self.key, &parts)
    }
}

/// What index and tokens hash of a document: kind and number in one spelling.
pub(crate) fn canonical(document: &IdentityDocument) -> SecretString {
    SecretString::new(document.canonical())
}

/// The kind in the canonical form: an old resident ID is a resident ID.
pub(crate) fn kind_name(document: &IdentityDocument) -> &'static str {
    match document.kind() {
        DocumentKind::ResidentId | DocumentKind::ResidentId15 => DocumentKind::ResidentId.name(),
        kind @ (DocumentKind::Passport | DocumentKind::ResidencePermit | DocumentKind::Other) => kind.name(),
    }
}
