//! Signed heads: what the log held at one moment, in a form that others can keep and hold against it.
//!
//! The text is a checkpoint in a signed note (C2SP `tlog-checkpoint`, `signed-note`), signed with Ed25519:
//! ```text
//! linggong/lg-37/0                                     the origin, which is also the name of the key
//! 118                                                  how many events
//! 9f…=                                                 the root of their Merkle tree, base64
//! commit 42 sha256:9f…                                 the last commit and the hash of its bytes
//!
//! — linggong/lg-37/0 x08go…=
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::commit::{Digest, Head};
use crate::log::Audit;
use crate::measure::Position;

/// The longest text that is looked at as a signed head.
const MAX_TEXT_BYTES: usize = 4096;
/// Ed25519, among the signature types of signed notes.
const ED25519: u8 = 1;

/// What a log says of itself: how many events it holds, under which root, up to which commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Which log and partition: `linggong/lg-37/0`.
    pub origin: String,
    /// The position of the last event, which is also the number of leaves.
    pub size: Position,
    /// The root of the Merkle tree over the event lines.
    pub root: Digest,
    /// The last commit.
    pub commit: u64,
    /// The hash of its bytes.
    pub digest: Digest,
}

impl TreeHead {
    fn body(&self) -> String {
        let TreeHead { origin, size, root, commit, digest } = self;
        format!("{origin}\n{size}\n{}\ncommit {commit} {digest}\n", BASE64.encode(root.bytes()))
    }

    fn parse(body: &str) -> Result<TreeHead, BadSignedHead> {
        let mut lines = body.lines();
        let mut line = || lines.next().ok_or(BadSignedHead::Form);
        let (origin, size, root, last) = (line()?.to_owned(), line()?, line()?, line()?);
        let size = size.parse().map_err(|_| BadSignedHead::Form)?;
        let root = BASE64.decode(root).ok().and_then(|it| it.try_into().ok()).ok_or(BadSignedHead::Form)?;
        let (commit, digest) =
            last.strip_prefix("commit ").and_then(|it| it.split_once(' ')).ok_or(BadSignedHead::Form)?;
        let head = TreeHead {
            origin,
            size,
            root: Digest::from_sha256(root),
            commit: commit.parse().map_err(|_| BadSignedHead::Form)?,
            digest: digest.parse().map_err(|_| BadSignedHead::Form)?,
        };
        // One head has one spelling.
        if head.body() == body { Ok(head) } else { Err(BadSignedHead::Form) }
    }
}

/// The key that signs the heads of one log. It never shows itself.
pub struct HeadKey {
    name: KeyName,
    key: SigningKey,
}

impl HeadKey {
    /// The key with this name and these 32 secret bytes.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<HeadKey, BadKey> {
        Ok(HeadKey { name: KeyName::parse(name)?, key: SigningKey::from_bytes(secret) })
    }

    /// What others need to check a signature of this key.
    pub fn public(&self) -> HeadPublicKey {
        HeadPublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }
}

impl fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadKey({})", self.name.0)
    }
}

/// The public half of a [`HeadKey`], written `name+hash+key` as signed notes do.
#[derive(Clone, PartialEq, Eq)]
pub struct HeadPublicKey {
    name: KeyName,
    key: VerifyingKey,
}

impl HeadPublicKey {
    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// The type of the key and its bytes.
    fn typed(&self) -> Vec<u8> {
        [&[ED25519], self.key.as_bytes().as_slice()].concat()
    }

    /// Four bytes by which a signature says which key it is of.
    fn hash(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name.0).chain_update("\n").chain_update(self.typed());
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }
}

impl fmt::Display for HeadPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name.0, hex::encode(self.hash()), BASE64.encode(self.typed()))
    }
}

impl fmt::Debug for HeadPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadPublicKey({self})")
    }
}

impl FromStr for HeadPublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<HeadPublicKey, BadKey> {
        let (name, rest) = text.split_once('+').ok_or(BadKey)?;
        let (_, typed) = rest.split_once('+').ok_or(BadKey)?;
        let typed = BASE64.decode(typed).map_err(|_| BadKey)?;
        let Some((&ED25519, key)) = typed.split_first() else { return Err(BadKey) };
        let key = VerifyingKey::try_from(key).map_err(|_| BadKey)?;
        let public = HeadPublicKey { name: KeyName::parse(name)?, key };
        // The hash guards against typing errors.
        if public.to_string() == text { Ok(public) } else { Err(BadKey) }
    }
}

/// A name that can stand in a signature line.
#[derive(Clone, PartialEq, Eq)]
struct KeyName(String);

impl KeyName {
    fn parse(text: &str) -> Result<KeyName, BadKey> {
        let bad = text.is_empty()
            || text.len() > 200
            || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
        if bad { Err(BadKey) } else { Ok(KeyName(text.to_owned())) }
    }
}

/// A text that is no key, or a name that no key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a key for signed heads: expected `name+hash+key`, the name without spaces")]
pub struct BadKey;

/// Why a text is not a signed head of the key in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadSignedHead {
    /// It is no checkpoint in a signed note.
    #[error("the text is not a signed head")]
    Form,
    /// The key in question has not signed it.
    #[error("the head is not signed with the key in question")]
    Unsigned,
    /// It carries a signature in the name of the key that is not one.
    #[error("the signature under the head is false")]
    False,
    /// It is of another log than its key signs for.
    #[error("the head is of another log than the key")]
    Foreign,
}

/// A head with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    head: TreeHead,
    text: String,
}

impl SignedHead {
    /// Signs what the log named like the key holds.
    pub fn sign(audit: &Audit, key: &HeadKey) -> SignedHead {
        SignedHead::of(audit.head(), audit.root(), key)
    }

    /// Signs what the log named like the key held: its `head`, with the `root` of its tree there.
    pub fn of(head: Head, root: Digest, key: &HeadKey) -> SignedHead {
        let Head { commit, position, digest, .. } = head;
        let head = TreeHead { origin: key.name.0.clone(), size: position, root, commit, digest };
        let text = sign_note(&head.body(), key);
        SignedHead { head, text }
    }

    /// Reads a signed head and checks that `key` has signed it.
    pub fn verify(text: &str, key: &HeadPublicKey) -> Result<SignedHead, BadSignedHead> {
        let head = TreeHead::parse(verify_note(text, key)?)?;
        if head.origin != key.name() {
            return Err(BadSignedHead::Foreign);
        }
        Ok(SignedHead { head, text: text.to_owned() })
    }

    /// What was signed.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// What others keep.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `body`, an empty line, and the signature line of `key`.
fn sign_note(body: &str, key: &HeadKey) -> String {
    let signature = key.key.sign(body.as_bytes());
    let named = [key.public().hash().as_slice(), &signature.to_bytes()].concat();
    format!("{body}\n— {} {}\n", key.name.0, BASE64.encode(named))
}

/// The body of a signed note, if `key` has signed it; signatures of others are let pass unread.
fn verify_note<'a>(text: &'a str, key: &HeadPublicKey) -> Result<&'a str, BadSignedHead> {
    let control = |c: char| c.is_control() && c != '\n';
    if text.len() > MAX_TEXT_BYTES || text.contains(control) {
        return Err(BadSignedHead::Form);
    }
    let end = text.rfind("\n\n").ok_or(BadSignedHead::Form)?;
    let (body, signatures) = (&text[..=end], &text[end + 2..]);
    let lines = signatures.strip_suffix('\n').ok_or(BadSignedHead::Form)?;
    let mut signed = false;
    for line in lines.split('\n') {
        let (name, named) =
            line.strip_prefix("— ").and_then(|it| it.split_once(' ')).ok_or(BadSignedHead::Form)?;
        let named = BASE64.decode(named).map_err(|_| BadSignedHead::Form)?;
        let Some((hash, signature)) = named.split_first_chunk() else { return Err(BadSignedHead::Form) };
        if name != key.name() || *hash != key.hash() {
            continue;
        }
        let signature = Signature::from_slice(signature).map_err(|_| BadSignedHead::Form)?;
        let holds = key.key.verify_strict(body.as_bytes(), &signature);
        holds.map_err(|_| BadSignedHead::False)?;
        signed = true;
    }
    if signed { Ok(body) } else { Err(BadSignedHead::Unsigned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::conformance::fill;
    use crate::log::simulated::{FaultPlan, SimulatedStore};

    #[test]
    fn a_signed_head_is_read_back_by_whoever_holds_the_public_key() {
        let signed = signed();
        let again = SignedHead::verify(signed.text(), &key().public()).unwrap();
        assert_eq!(again, signed);
        assert_eq!((again.head().size, again.head().commit), (Position(5), 3));
        let public: HeadPublicKey = key().public().to_string().parse().unwrap();
        assert_eq!(public, key().public());
    }

    #[test]
    fn no_changed_byte_of_a_signed_head_goes_unnoticed() {
        let (signed, public) = (signed(), key().public());
        for at in 0..signed.text().len() {
            let mut bytes = signed.text().as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(SignedHead::verify(text, &public).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_head_signed_by_another_key_is_unsigned() {
        let other = HeadKey::new("linggong/lg-37/0", &[8; 32]).unwrap();
        assert_eq!(SignedHead::verify(signed().text(), &other.public()), Err(BadSignedHead::Unsigned));
        let renamed = HeadKey::new("linggong/lg-38/0", &[7; 32]).unwrap();
        assert_eq!(SignedHead::verify(signed().text(), &renamed.public()), Err(BadSignedHead::Unsigned));
        let of_another_log = sign_note(&signed().head().body(), &renamed);
        assert_eq!(SignedHead::verify(&of_another_log, &renamed.public()), Err(BadSignedHead::Foreign));
    }

    #[test]
    fn a_cosigned_head_is_still_signed() {
        let witness = HeadKey::new("witness.example", &[9; 32]).unwrap();
        let cosigned = sign_note(&signed().head().body(), &witness);
        let line = cosigned.lines().last().unwrap();
        let both = format!("{}{line}\n", signed().text());
        assert!(SignedHead::verify(&both, &key().public()).is_ok());
    }

    #[test]
    fn the_note_is_that_of_other_software() {
        // The example in the documentation of the Go package `note`.
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let body = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let text = format!(
            "{body}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZIn\
             NIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(verify_note(&text, &public), Ok(body));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", key()), "HeadKey(linggong/lg-37/0)");
    }

    fn key() -> HeadKey {
        HeadKey::new("linggong/lg-37/0", &[7; 32]).unwrap()
    }

    fn signed() -> SignedHead {
        let mut log = SimulatedStore::default().writer(FaultPlan::new());
        let mut audit = Audit::default();
        for commit in fill(&mut log, &[2, 3]) {
            audit.commit(&commit).unwrap();
        }
        SignedHead::sign(&audit, &key())
    }
}
