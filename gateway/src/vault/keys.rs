//! Keys: one per person or matter, wrapped under the master key, with their states and the list of the shredded.
//!
//! Shredding writes the shred list first, then the key file anew without the key. The list outlives any older
//! key file that is put back: what stands in it is thrown out again at open.

use std::collections::BTreeMap;
use std::path::Path;

use linggong_events::audience::Department;
use linggong_events::id::{EntityRef, KeyId};
use linggong_events::person::KeyState;
use serde::{Deserialize, Serialize};

use super::VaultError;
use super::records::{Check, RecordError, RecordFile};
use super::seal::{Secret, unwrap, wrap};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum KeyRecord {
    /// The first record: the vault's own secret, from which index, digest and department keys derive.
    Root { format: u32, wrapped: String },
    /// A key from now on.
    Made { key: KeyId, owner: EntityRef, wrapped: String },
    /// Another state from now on.
    State { key: KeyId, state: KeyState },
    /// From now on a department's tokens are made under this version of its key; the first needs no record.
    Department { department: Department, version: u32 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shredded {
    key: KeyId,
    owner: EntityRef,
}

struct Entry {
    owner: EntityRef,
    wrapped: String,
    state: KeyState,
}

/// The open key file.
pub(crate) struct Keys {
    file: RecordFile,
    shred_list: RecordFile,
    master: Secret,
    root: Secret,
    keys: BTreeMap<KeyId, Entry>,
    current: BTreeMap<EntityRef, KeyId>,
    shredded: BTreeMap<KeyId, EntityRef>,
    departments: BTreeMap<Department, u32>,
}

impl Keys {
    /// The first record of a new vault, and the secret in it.
    pub(crate) fn new_root(master: &Secret) -> Result<(Vec<u8>, Secret), VaultError> {
        let root = Secret::random()?;
        let record =
            KeyRecord::Root { format: FORMAT, wrapped: wrap(master, &[b"linggong:root:v1"], &root)? };
        Ok((json(&record), root))
    }

    pub(crate) fn open(path: &Path, shred_path: &Path, master: Secret) -> Result<Keys, VaultError> {
        let (file, records) = RecordFile::open(path, Check::Crc)?;
        let damaged = |record| RecordError::Damaged { path: path.to_owned(), record };
        let first = records.first().and_then(|it| serde_json::from_slice(it).ok()).ok_or(damaged(1))?;
        let KeyRecord::Root { format: FORMAT, wrapped } = first else {
            return Err(VaultError::Format);
        };
        let root =
            unwrap(&master, &[b"linggong:root:v1"], &wrapped).map_err(|_| VaultError::WrongMasterKey)?;

        let check = Check::Mac(root.derive("shredded.log"));
        let (shred_list, shredded_records) = RecordFile::open(shred_path, check)?;
        let mut shredded = BTreeMap::new();
        for (record, number) in shredded_records.iter().zip(1..) {
            let damaged = |_| RecordError::Damaged { path: shred_path.to_owned(), record: number };
            let it: Shredded = serde_json::from_slice(record).map_err(damaged)?;
            shredded.insert(it.key, it.owner);
        }

        let (keys, current, departments) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut opened = Keys { file, shred_list, master, root, keys, current, shredded, departments };
        for (record, number) in records.iter().zip(1..).skip(1) {
            let record = serde_json::from_slice(record).map_err(|_| damaged(number))?;
            opened.replay(record).ok_or_else(|| damaged(number))?;
        }
        if opened.keys.keys().any(|key| opened.shredded.contains_key(key)) {
            opened.throw_out_shredded()?;
        }
        Ok(opened)
    }

    fn replay(&mut self, record: KeyRecord) -> Option<()> {
        match record {
            KeyRecord::Root { .. } => None,
            KeyRecord::Made { key, owner, wrapped } => {
                self.keys.insert(key, Entry { owner, wrapped, state: KeyState::Active });
                self.current.insert(owner, key);
                Some(())
            }
            KeyRecord::State { key, state } => {
                self.keys.get_mut(&key)?.state = state;
                Some(())
            }
            KeyRecord::Department { department, version } => {
                self.departments.insert(department, version);
                Some(())
            }
        }
    }

    /// The secret for one purpose of the vault itself.
    pub(crate) fn derive(&self, what: &str) -> Secret {
        self.root.derive(what)
    }

    /// The version of a department's key under which tokens are made today.
    pub(crate) fn department_version(&self, department: Department) -> u32 {
        self.departments.get(&department).copied().unwrap_or(1)
    }

    /// Makes a department's tokens under `version` from now on.
    pub(crate) fn rotate(&mut self, department: Department, version: u32) -> Result<(), VaultError> {
        let record = KeyRecord::Department { department, version };
        self.file.append(&json(&record))?;
        self.replay(record);
        Ok(())
    }

    /// The key that seals for `owner` today.
    pub(crate) fn of(&self, owner: EntityRef) -> Option<KeyId> {
        self.current.get(&owner).copied()
    }

    /// Whose key it is or was.
    pub(crate) fn owner(&self, key: KeyId) -> Option<EntityRef> {
        self.keys.get(&key).map(|it| it.owner).or_else(|| self.shredded.get(&key).copied())
    }

    /// The state of a key; `None` for one that never was.
    pub(crate) fn state(&self, key: KeyId) -> Option<KeyState> {
        if self.shredded.contains_key(&key) {
            return Some(KeyState::Shredded);
        }
        self.keys.get(&key).map(|it| it.state)
    }

    /// The owners whose key is gone.
    pub(crate) fn shredded_owners(&self) -> impl Iterator<Item = EntityRef> {
        self.shredded.values().copied()
    }

    /// Makes a key durable; a key that is there already stays, one that was shredded never comes back.
    pub(crate) fn make(&mut self, key: KeyId, owner: EntityRef) -> Result<(), VaultError> {
        match self.state(key) {
            Some(KeyState::Shredded) => return Err(VaultError::Shredded { key }),
            Some(KeyState::Active | KeyState::Sealed) => return Ok(()),
            None => {}
        }
        let secret = Secret::random()?;
        let wrapped = wrap(&self.master, &wrapped_for(key, owner).parts(), &secret)?;
        let record = KeyRecord::Made { key, owner, wrapped };
        self.file.append(&json(&record))?;
        self.replay(record);
        Ok(())
    }

    /// The key itself; also of a sealed one: whether that may be used is for the caller to decide.
    pub(crate) fn secret(&self, key: KeyId) -> Result<Secret, VaultError> {
        match self.state(key) {
            Some(KeyState::Shredded) => return Err(VaultError::Shredded { key }),
            Some(KeyState::Active | KeyState::Sealed) => {}
            None => return Err(VaultError::UnknownKey { key }),
        }
        let entry = self.keys.get(&key).ok_or(VaultError::UnknownKey { key })?;
        unwrap(&self.master, &wrapped_for(key, entry.owner).parts(), &entry.wrapped)
            .map_err(|_| VaultError::KeyDamaged { key })
    }

    pub(crate) fn change_state(&mut self, key: KeyId, state: KeyState) -> Result<(), VaultError> {
        let entry = self.keys.get(&key);
        let owner = self.owner(key).ok_or(VaultError::UnknownKey { key })?;
        match (entry.map(|it| it.state), state) {
            (None, KeyState::Shredded) => Ok(()),
            (None, KeyState::Active | KeyState::Sealed) => Err(VaultError::Shredded { key }),
            (Some(now), wanted) if now == wanted => Ok(()),
            (Some(_), KeyState::Shredded) => {
                self.shred_list.append(&json(&Shredded { key, owner }))?;
                self.shredded.insert(key, owner);
                self.throw_out_shredded()
            }
            (Some(_), KeyState::Active | KeyState::Sealed) => {
                let record = KeyRecord::State { key, state };
                self.file.append(&json(&record))?;
                self.replay(record);
                Ok(())
            }
        }
    }

    /// Writes the key file anew without what the shred list names.
    fn throw_out_shredded(&mut self) -> Result<(), VaultError> {
        let kept = |record: &Vec<u8>| match serde_json::from_slice(record) {
            Ok(KeyRecord::Made { key, .. } | KeyRecord::State { key, .. }) => {
                !self.shredded.contains_key(&key)
            }
            Ok(KeyRecord::Root { .. } | KeyRecord::Department { .. }) | Err(_) => true,
        };
        let records: Vec<Vec<u8>> = self.file.reread()?.into_iter().filter(kept).collect();
        self.file.rewrite(&records)?;
        let shredded = &self.shredded;
        self.keys.retain(|key, _| !shredded.contains_key(key));
        self.current.retain(|_, key| !shredded.contains_key(key));
        Ok(())
    }
}

/// What a wrapped key belongs to, so that no two can be exchanged in the file.
struct WrappedFor {
    key: KeyId,
    owner: String,
}

fn wrapped_for(key: KeyId, owner: EntityRef) -> WrappedFor {
    WrappedFor { key, owner: owner.to_string() }
}

impl WrappedFor {
    fn parts(&self) -> [&[u8]; 3] {
        [b"linggong:key:v1", self.key.0.as_bytes(), self.owner.as_bytes()]
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of ids and texts is JSON")
}
