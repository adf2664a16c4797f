//! Secrets, keyed hashes, and boxes: XChaCha20-Poly1305 with all that a box belongs to as associated data.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use linggong_events::id::{CommandId, KeyId, PersonId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

/// What a boxed field begins with: the algorithm.
const ALGORITHM: &str = "xc20p:";
/// The length of a nonce of XChaCha20-Poly1305, in bytes.
pub(crate) const NONCE_BYTES: usize = 24;

/// 32 secret bytes; wiped when dropped, never shown.
pub struct Secret([u8; 32]);

impl Secret {
    /// New bytes from the machine's source of chance.
    pub(crate) fn random() -> Result<Secret, NoChance> {
        let mut secret = Secret([0; 32]);
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The secret in `bytes`, if there are 32.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Secret> {
        let mut secret = Secret([0; 32]);
        if bytes.len() != secret.0.len() {
            return None;
        }
        secret.0.copy_from_slice(bytes);
        Some(secret)
    }

    /// Another secret, which tells nothing about this one.
    pub(crate) fn derive(&self, what: &str) -> Secret {
        Secret(mac(self, &[b"linggong:derive:v1", what.as_bytes()]))
    }

    /// The bytes, for writing them where they belong.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Clear personal data; wiped when dropped, never shown, never serialized.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes a clear text into custody.
    pub fn new(text: String) -> SecretString {
        SecretString(Zeroizing::new(text))
    }

    /// The clear text, for the one who is entitled to it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString")
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
        String::deserialize(deserializer).map(SecretString::new)
    }
}

impl JsonSchema for SecretString {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretString".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// The machine has no source of chance.
#[derive(Debug, Error)]
#[error("the machine has no source of chance")]
pub struct NoChance(#[source] getrandom::Error);

/// A box that does not open: another key, another place, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the box does not open: it was not sealed with this key for this place, or was changed since")]
pub struct BoxShut;

/// HMAC-SHA256 over length-prefixed parts: no two lists of parts run into each other.
pub(crate) fn mac(key: &Secret, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256>>::new_from_slice(&key.0).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// `hmac-sha256:` and the keyed hash of the parts.
pub(crate) fn keyed_hash(key: &Secret, parts: &[&[u8]]) -> String {
    format!("hmac-sha256:{}", hex::encode(mac(key, parts)))
}

/// Fresh bytes for a nonce or an id.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Fills `bytes` from the machine's source of chance.
fn fill(bytes: &mut [u8]) -> Result<(), NoChance> {
    #[cfg(debug_assertions)]
    if super::drawn::fill(bytes) {
        return Ok(());
    }
    getrandom::fill(bytes).map_err(NoChance)
}

/// Nonce and ciphertext of `clear`, bound to `belongs_to`.
pub(crate) fn seal_bytes(key: &Secret, belongs_to: &[&[u8]], clear: &[u8]) -> Result<Vec<u8>, NoChance> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let payload = Payload { msg: clear, aad: &associated(belongs_to) };
    let sealed = XChaCha20Poly1305::new(&key.0.into())
        .encrypt(&XNonce::from(nonce), payload)
        .expect("the cipher takes up to 256 GiB");
    Ok([nonce.as_slice(), &sealed].concat())
}

/// The clear bytes again.
pub(crate) fn open_bytes(
    key: &Secret,
    belongs_to: &[&[u8]],
    boxed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BoxShut> {
    let (nonce, sealed) = boxed.split_first_chunk::<NONCE_BYTES>().ok_or(BoxShut)?;
    let payload = Payload { msg: sealed, aad: &associated(belongs_to) };
    let clear = XChaCha20Poly1305::new(&key.0.into()).decrypt(&XNonce::from(*nonce), payload);
    clear.map(Zeroizing::new).map_err(|_| BoxShut)
}

/// What one sealed field belongs to: it opens nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) command: CommandId,
    pub(crate) label: &'a str,
    pub(crate) person: PersonId,
    pub(crate) key: KeyId,
}

impl Place<'_> {
    fn parts(&self) -> [&[u8]; 5] {
        [
            b"linggong:field:v1",
            self.command.0.as_bytes(),
            self.label.as_bytes(),
            self.person.0.as_bytes(),
            self.key.0.as_bytes(),
        ]
    }
}

/// `xc20p:` and base64 of nonce and ciphertext.
pub(crate) fn seal_field(key: &Secret, place: Place<'_>, clear: &str) -> Result<String, NoChance> {
    let boxed = seal_bytes(key, &place.parts(), clear.as_bytes())?;
    Ok(format!("{ALGORITHM}{}", URL_SAFE_NO_PAD.encode(boxed)))
}

/// The clear text of a field.
pub(crate) fn open_field(key: &Secret, place: Place<'_>, boxed: &str) -> Result<SecretString, BoxShut> {
    let encoded = boxed.strip_prefix(ALGORITHM).ok_or(BoxShut)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BoxShut)?;
    let clear = open_bytes(key, &place.parts(), &bytes)?;
    let text = std::str::from_utf8(&clear).map_err(|_| BoxShut)?;
    Ok(SecretString::new(text.to_owned()))
}

/// `bytes` wrapped under `key` for a file of ours.
pub(crate) fn wrap(key: &Secret, belongs_to: &[&[u8]], inner: &Secret) -> Result<String, NoChance> {
    Ok(URL_SAFE_NO_PAD.encode(seal_bytes(key, belongs_to, &inner.0)?))
}

/// The wrapped secret again.
pub(crate) fn unwrap(key: &Secret, belongs_to: &[&[u8]], wrapped: &str) -> Result<Secret, BoxShut> {
    let bytes = URL_SAFE_NO_PAD.decode(wrapped).map_err(|_| BoxShut)?;
    Secret::from_slice(&open_bytes(key, belongs_to, &bytes)?).ok_or(BoxShut)
}

fn associated(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}
