//! Who is asking: bearer tokens bound to actors, whose roles come from events.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use linggong_engine::command::Actor;
use linggong_events::commit::Digest;
use linggong_events::id::{ActorId, OfficeId};
use linggong_events::office::{Grant, Role};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which token is whose: the digest of each token, never the token.
#[derive(Clone, Default)]
pub struct Tokens {
    by_digest: BTreeMap<Digest, ActorId>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.by_digest.len())
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// For people: whose it is.
    name: String,
    actor: ActorId,
    /// `sha256:` of the token.
    digest: String,
}

/// Why tokens could not be read or written.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot use the token file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not of its form; what it holds is not repeated here.
    #[error("the token file `{}` is not of its form: {what}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

impl Tokens {
    /// Reads the file of digests.
    pub fn read(path: &Path) -> Result<Tokens, TokenError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| TokenError::File { path: path.to_owned(), cause })?;
        let form = |what| TokenError::Form { path: path.to_owned(), what };
        let file: File =
            toml::from_str(&text).map_err(|_| form("expected [[token]] with name, actor, digest"))?;
        let mut tokens = Tokens::default();
        for entry in file.token {
            let digest = entry.digest.parse().map_err(|_| form("a digest is not `sha256:` and 64 digits"))?;
            if tokens.by_digest.insert(digest, entry.actor).is_some() {
                return Err(form("one token is listed twice"));
            }
        }
        Ok(tokens)
    }

    /// Writes a file of digests for freshly made tokens.
    pub fn write(path: &Path, tokens: &[(&str, ActorId, &str)]) -> Result<(), TokenError> {
        let entry = |(name, actor, token): &(&str, ActorId, &str)| Entry {
            name: (*name).to_owned(),
            actor: *actor,
            digest: Digest::of(token.as_bytes()).to_string(),
        };
        let file = File { token: tokens.iter().map(entry).collect() };
        let form = || TokenError::Form { path: path.to_owned(), what: "it cannot be written as TOML" };
        let text = toml::to_string(&file).map_err(|_| form())?;
        std::fs::write(path, text).map_err(|cause| TokenError::File { path: path.to_owned(), cause })
    }

    /// Whose token this is. Comparing digests tells nothing of how much of a guess was right.
    pub fn actor(&self, token: &str) -> Option<ActorId> {
        self.by_digest.get(&Digest::of(token.as_bytes())).copied()
    }
}

/// Every grant in force, as of the last durable commit.
#[derive(Clone, Debug, Default)]
pub struct Grants(BTreeMap<(ActorId, Role), (OfficeId, Grant)>);

impl Grants {
    /// The grants of a state.
    pub fn of(state: &linggong_engine::state::State) -> Grants {
        Grants(
            state
                .grants()
                .map(|(office, grant)| ((grant.actor, grant.role), (office, grant.clone())))
                .collect(),
        )
    }

    /// The actor acting as `role`, or as their only role where none is named.
    pub fn actor(&self, id: ActorId, role: Option<Role>) -> Result<Actor, NoRole> {
        let mut held = self.0.range((id, Role::Engine)..=(id, Role::Subscriber));
        let (office, grant) = match role {
            Some(role) => self.0.get(&(id, role)).ok_or(NoRole::NotHeld)?,
            None => {
                let (_, only) = held.next().ok_or(NoRole::NotHeld)?;
                if held.next().is_some() {
                    return Err(NoRole::Several);
                }
                only
            }
        };
        Ok(Actor::holding(grant, *office))
    }
}

/// Why somebody with a token may still not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoRole {
    /// The actor does not hold the role, or none at all.
    #[error("you do not hold this role")]
    NotHeld,
    /// The actor holds several and named none.
    #[error("you hold several roles: name one in the header `Linggong-Role`")]
    Several,
}
