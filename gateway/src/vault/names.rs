//! Whether somebody is told of by the name that they are known by. What is known is compared in here and told to nobody.

use linggong_events::id::{CommandId, PersonId};
use linggong_events::person::{PersonField, Sealed};
use linggong_events::time::Date;
use unicode_normalization::UnicodeNormalization as _;

use super::seal::{Place, open_field};
use super::{CheckedPerson, ClearPerson, OpenError, SecretString, Vault, person_label};

impl Vault {
    /// The person whom the document in `clear` names here; nobody where it shows none, or a new one.
    pub fn known_by_document(&self, clear: &ClearPerson, on: Date) -> Option<PersonId> {
        let checked = CheckedPerson::of(clear, on).ok()?;
        self.index.by_document(&self.index.document_hash(checked.document.as_ref()?))
    }

    /// Whether `clear` tells the name that lies in `sealed`, however blanks and dots are written. Nothing of it leaves,
    /// so that this is no opening. Nothing is said of what a key sealed that is no longer, or not now, in use.
    pub fn tells_the_name(
        &self,
        clear: &ClearPerson,
        sealed: &Sealed,
        sealed_by: CommandId,
    ) -> Result<Option<bool>, OpenError> {
        let Sealed { person, key, boxed } = sealed;
        let Ok((current, secret)) = self.sealing_key(*person) else { return Ok(None) };
        if current != *key {
            return Ok(None);
        }
        let label = person_label(PersonField::Name);
        let known =
            open_field(&secret, Place { command: sealed_by, label, person: *person, key: *key }, boxed)?;
        Ok(Some(folded(&known).expose() == folded(&clear.name).expose()))
    }
}

/// One spelling of a name.
fn folded(name: &SecretString) -> SecretString {
    let counts = |it: &char| !it.is_whitespace() && !matches!(it, '·' | '•' | '・' | '‧' | '.');
    SecretString::new(name.expose().nfkc().flat_map(char::to_lowercase).filter(counts).collect())
}
