//! Identity documents and organisation codes, with their check digits.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 统一社会信用代码 (GB 32100), check digit verified.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgCode(String);

impl OrgCode {
    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrgCode {
    type Err = BadOrgCode;
    fn from_str(text: &str) -> Result<OrgCode, BadOrgCode> {
        const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
        const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        let bad = || BadOrgCode { text: text.chars().take(24).collect() };
        let value = |byte: u8| ALPHABET.iter().position(|it| *it == byte).map(|n| n as u32);
        let values: Option<Vec<u32>> = text.bytes().map(value).collect();
        let values = values.filter(|it| it.len() == 18).ok_or_else(bad)?;
        let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
        if (31 - sum % 31) % 31 == values[17] { Ok(OrgCode(text.to_owned())) } else { Err(bad()) }
    }
}

/// A text that is no organisation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a unified social credit code of GB 32100")]
pub struct BadOrgCode {
    /// What was given, shortened.
    pub text: String,
}

impl Serialize for OrgCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for OrgCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrgCode, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for OrgCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OrgCode".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9A-HJ-NP-RTUW-Y]{18}$" })
    }
}
