//! Pages: a stretch of rows with opaque cursors in both directions.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The most rows of one page.
pub const MAX_LIMIT: u16 = 200;

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The smallest key first: the earliest date, the lowest position.
    #[default]
    Up,
    /// The greatest key first.
    Down,
}

/// Which page of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where to go on from; none: the first page.
    pub cursor: Option<Cursor>,
    /// How many rows at most; held within 1 to [`MAX_LIMIT`].
    pub limit: u16,
    /// Which end comes first.
    pub order: Order,
}

impl PageRequest {
    /// The first page of at most `limit` rows.
    pub fn first(limit: u16) -> PageRequest {
        PageRequest { cursor: None, limit, order: Order::Up }
    }

    /// The same list from another place.
    pub fn at(self, cursor: Option<Cursor>) -> PageRequest {
        PageRequest { cursor, ..self }
    }

    /// The same list, with that end first.
    pub fn order(self, order: Order) -> PageRequest {
        PageRequest { order, ..self }
    }
}

/// A stretch of a list. With a filter it may hold fewer rows than asked for and still have a next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// Where the list goes on; absent at its end.
    pub next: Option<Cursor>,
    /// Where the rows before are; absent at its start.
    pub prev: Option<Cursor>,
}

/// A place in a list, opaque to clients. It holds for the list it was given with.
///
/// A key of another list leads out of the list's own range, so a forged cursor shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) side: Side,
    pub(crate) key: Vec<u8>,
}

/// On which side of its key a cursor stands, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    After,
    Before,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::After => 'a',
            Side::Before => 'b',
        };
        write!(f, "{side}{}", hex::encode(&self.key))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;
    fn from_str(text: &str) -> Result<Cursor, BadCursor> {
        let (side, key) = match (text.strip_prefix('a'), text.strip_prefix('b')) {
            (Some(key), _) => (Side::After, key),
            (None, Some(key)) => (Side::Before, key),
            (None, None) => return Err(BadCursor),
        };
        if key.len() > 1024 {
            return Err(BadCursor);
        }
        Ok(Cursor { side, key: hex::decode(key).map_err(|_| BadCursor)? })
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a cursor of a page")]
pub struct BadCursor;

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[ab][0-9a-f]*$" })
    }
}
