//! Sealing the personal fields of a command before the engine sees it.

use linggong_events::id::CommandId;
use linggong_events::time::Date;
use serde::Deserialize as _;
use serde_json::Value;
use thiserror::Error;

use super::person::{BadClear, ClearPerson, ClearText};
use super::{Vault, VaultError};

/// The most people that one command may name.
const MAX_PEOPLE: usize = 200;

/// What a personal field of a command holds in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A [`ClearPerson`]; the engine gets a `KnownPerson`.
    Person,
    /// A list of them.
    People,
    /// A [`ClearText`]; the engine gets a `Sealed` whose label is the name of the field.
    Text,
}

/// One field of a command that a client fills in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalField {
    /// Where it stands: a JSON pointer such as `/person`.
    pub pointer: &'static str,
    /// What it holds.
    pub shape: Shape,
}

impl PersonalField {
    /// The label under which a text of this field is sealed.
    pub fn label(&self) -> &'static str {
        self.pointer.trim_start_matches('/')
    }
}

/// Why a command could not be sealed; names the field, never what it holds.
#[derive(Debug, Error)]
pub enum SealError {
    /// The field holds something else, such as members that are not known.
    #[error("`{field}` is not of the form asked for")]
    Form {
        /// The JSON pointer.
        field: &'static str,
    },
    /// The field breaks a rule.
    #[error("`{field}` cannot be accepted")]
    Clear {
        /// The JSON pointer.
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
    /// A field that is absent or null stays so. People are counted in the order of `personal`, then of the
    /// list: the `n`-th new one gets `new_id(command, "person", n)`. A ready-made sealed object from a client
    /// is refused, for it has members that no clear form knows.
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
        let texts_last = |it: &&PersonalField| it.shape == Shape::Text;
        let (texts, people): (Vec<_>, Vec<_>) = personal.iter().partition(texts_last);
        for PersonalField { pointer, shape } in people.into_iter().chain(texts) {
            let Some(clear) = payload.pointer(pointer).filter(|it| !it.is_null()) else { continue };
            let form = SealError::Form { field: pointer };
            let value = match shape {
                Shape::Person => self.seal_person(pointer, clear, command, &mut n, on)?,
                Shape::People => {
                    let list = clear.as_array().filter(|it| it.len() <= MAX_PEOPLE).ok_or(form)?;
                    let known: Result<Vec<Value>, SealError> =
                        list.iter().map(|it| self.seal_person(pointer, it, command, &mut n, on)).collect();
                    Value::Array(known?)
                }
                Shape::Text => {
                    // The cause stays behind: it quotes what it could not read.
                    let ClearText { person, text } = ClearText::deserialize(clear).map_err(|_| form)?;
                    let label = pointer.trim_start_matches('/');
                    let text =
                        self.seal_text(person, &text, command, label).map_err(SealError::of(pointer))?;
                    json(text)
                }
            };
            sealed.push((pointer, value));
        }
        for (pointer, value) in sealed {
            if let Some(field) = payload.pointer_mut(pointer) {
                *field = value;
            }
        }
        Ok(())
    }

    fn seal_person(
        &mut self,
        field: &'static str,
        clear: &Value,
        command: CommandId,
        n: &mut u32,
        on: Date,
    ) -> Result<Value, SealError> {
        let clear = ClearPerson::deserialize(clear).map_err(|_| SealError::Form { field })?;
        let known = self.get_or_create_person(&clear, command, *n, on).map_err(SealError::of(field))?;
        *n += 1;
        Ok(json(known))
    }
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("sealed objects are JSON")
}
