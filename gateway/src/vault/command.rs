//! Sealing the personal fields of a command before the engine sees it.

use linggong_engine::command::{PersonalField, PersonalShape};
use linggong_events::id::CommandId;
use linggong_events::time::Date;
use serde::Deserialize as _;
use serde_json::Value;
use thiserror::Error;

use super::person::{BadClear, ClearPerson, ClearRevision, ClearText};
use super::{SecretString, Vault, VaultError};

/// Why a command could not be sealed; names the field, never what it holds.
#[derive(Debug, Error)]
pub enum SealError {
    /// The field holds something else, such as members that are not known.
    #[error("`{field}` is not of the form asked for")]
    Form {
        /// The name of the field.
        field: &'static str,
    },
    /// The field breaks a rule.
    #[error("`{field}` cannot be accepted")]
    Clear {
        /// The name of the field.
        field: &'static str,
        /// The rule.
        source: BadClear,
    },
    /// The vault refused or failed.
    #[error(transparent)]
    Vault(VaultError),
}

impl SealError {
    fn of(field: &'static str) -> impl Fn(VaultError) -> SealError {
        move |error| {
            if let VaultError::Clear(source) = error {
                return SealError::Clear { field, source };
            }
            SealError::Vault(error)
        }
    }
}

impl Vault {
    /// Replaces every clear personal field of `payload` by its sealed form; on an error nothing is replaced.
    ///
    /// A person is a [`ClearPerson`] on the wire and a `KnownPerson` for the engine; a text is a [`ClearText`]
    /// on the wire and a `Sealed` for the engine, with the name of its field as the label; a card's number becomes the card's id. A field that is
    /// absent or null stays so. People are counted in the order of `personal`: the `n`-th new one gets
    /// `new_id(command, "person", n)`. A ready-made sealed object from a client is refused, for it has members
    /// that no clear form knows.
    pub fn seal_command(
        &mut self,
        payload: &mut Value,
        personal: &[PersonalField],
        command: CommandId,
        on: Date,
    ) -> Result<(), SealError> {
        let mut sealed: Vec<(&'static str, Value)> = Vec::new();
        let mut n = 0;
        // Texts last: they may be about a person whom the same command registers.
        let (texts, people): (Vec<_>, Vec<_>) =
            personal.iter().partition(|it| it.shape == PersonalShape::Text);
        for PersonalField { name: field, shape } in people.into_iter().chain(texts) {
            let Some(clear) = payload.get(field).filter(|it| !it.is_null()) else { continue };
            let value = match shape {
                PersonalShape::Person => {
                    let known = self.seal_person(field, clear, command, n, on)?;
                    n += 1;
                    known
                }
                PersonalShape::Text => {
                    // The cause stays behind: it quotes what it could not read.
                    let ClearText { person, text } =
                        ClearText::deserialize(clear).map_err(|_| SealError::Form { field })?;
                    json(self.seal_text(person, &text, command, field).map_err(SealError::of(field))?)
                }
                PersonalShape::Revision => {
                    let clear = ClearRevision::deserialize(clear).map_err(|_| SealError::Form { field })?;
                    json(self.seal_revision(&clear, command, on).map_err(SealError::of(field))?)
                }
                PersonalShape::Card => {
                    let number = SecretString::deserialize(clear).map_err(|_| SealError::Form { field })?;
                    json(self.card_id(&number).map_err(SealError::of(field))?)
                }
            };
            sealed.push((field, value));
        }
        for (field, value) in sealed {
            payload[field] = value;
        }
        Ok(())
    }

    fn seal_person(
        &mut self,
        field: &'static str,
        clear: &Value,
        command: CommandId,
        n: u32,
        on: Date,
    ) -> Result<Value, SealError> {
        let clear = ClearPerson::deserialize(clear).map_err(|_| SealError::Form { field })?;
        let known = self.get_or_create_person(&clear, command, n, on).map_err(SealError::of(field))?;
        Ok(json(known))
    }
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("sealed objects are JSON")
}
