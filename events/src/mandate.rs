//! 代办: for whom somebody acts, and what shows that they may.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::commit::{BadDigest, Digest};
use crate::evidence::EvidenceDigest;
use crate::id::PersonId;

/// Acting for a person: whom, and by what mandate. The one is never told without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBehalfOf {
    /// For whom.
    pub person: PersonId,
    /// What shows that one may.
    pub mandate: Mandate,
}

/// What shows that somebody may act for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mandate {
    /// 本人到场: the person stands at the desk and says so.
    InPerson,
    /// 授权委托书: a paper of theirs, which lies in the vault.
    Paper(EvidenceDigest),
}

const IN_PERSON: &str = "in_person";

impl Mandate {
    /// The paper, where there is one: it must lie in the vault.
    pub fn paper(self) -> Option<EvidenceDigest> {
        match self {
            Mandate::Paper(digest) => Some(digest),
            Mandate::InPerson => None,
        }
    }
}

impl fmt::Display for Mandate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mandate::InPerson => f.write_str(IN_PERSON),
            Mandate::Paper(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl FromStr for Mandate {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Mandate, BadDigest> {
        if text == IN_PERSON {
            return Ok(Mandate::InPerson);
        }
        text.parse().map(|digest: Digest| Mandate::Paper(EvidenceDigest(digest)))
    }
}

impl Serialize for Mandate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mandate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Mandate, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl JsonSchema for Mandate {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mandate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^(in_person|sha256:[0-9a-f]{64})$",
            "description": "`in_person` where the person stands at the desk, else the digest of their paper mandate."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mandate_is_the_person_at_the_desk_or_a_paper_and_nothing_else() {
        let paper = Mandate::Paper(EvidenceDigest(Digest::of(b"paper")));
        for mandate in [Mandate::InPerson, paper] {
            assert_eq!(mandate.to_string().parse::<Mandate>().unwrap(), mandate);
        }
        for text in ["", "IN_PERSON", "trusted", "sha256:", "md5:00"] {
            assert!(text.parse::<Mandate>().is_err(), "{text}");
        }
    }
}
