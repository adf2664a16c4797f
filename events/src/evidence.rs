//! 证据: what proves something lies encrypted in the vault; events and commands name it by its digest alone.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::commit::Digest;

/// A piece of evidence: the SHA-256 of what the vault stores, or of a source file that it stores.
///
/// Whatever field of a command names evidence has this type: from the type alone the gateway knows what must lie
/// in the vault before the command is decided, so that no new command can forget it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvidenceDigest(pub Digest);

impl EvidenceDigest {
    /// The name under which serde knows the type.
    pub(crate) const SERDE_NAME: &'static str = "EvidenceDigest";
}

impl fmt::Display for EvidenceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for EvidenceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<Digest> for EvidenceDigest {
    fn from(digest: Digest) -> EvidenceDigest {
        EvidenceDigest(digest)
    }
}

impl JsonSchema for EvidenceDigest {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EvidenceDigest".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}
