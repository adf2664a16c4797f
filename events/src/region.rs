//! 行政区划: codes of GB/T 2260.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A six-digit division code: county `370102`, city `370100`, province `370000`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u32);

impl Region {
    /// Whether `other` is this division or lies in it.
    pub fn covers(self, other: Region) -> bool {
        if self.0 % 10_000 == 0 {
            self.0 / 10_000 == other.0 / 10_000
        } else if self.0 % 100 == 0 {
            self.0 / 100 == other.0 / 100
        } else {
            self == other
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

impl FromStr for Region {
    type Err = BadRegion;
    fn from_str(text: &str) -> Result<Region, BadRegion> {
        let digits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(code) if digits && code >= 110_000 => Ok(Region(code)),
            Ok(_) | Err(_) => Err(BadRegion { text: text.chars().take(16).collect() }),
        }
    }
}

/// A text that is no division code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a six-digit division code of GB/T 2260")]
pub struct BadRegion {
    /// What was given, shortened.
    pub text: String,
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Region {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Region".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{5}$" })
    }
}
