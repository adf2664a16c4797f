//! Who is asking: bearer tokens bound to actors, whose roles come from events.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use linggong_engine::command::Actor;
use linggong_events::commit::Digest;
use linggong_events::id::{ActorId, OfficeId};
use linggong_events::office::{Grant, Role};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

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

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Clone, Deserialize, Serialize)]
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
    /// Somebody of that name has a token already.
    #[error("`{name}` has a token already: take it back first")]
    Taken {
        /// Whose it is.
        name: String,
    },
    /// The system gives no chance for a secret.
    #[error("the system gives no randomness")]
    Chance,
}

/// The file of tokens, for whoever gives them out.
#[derive(Clone, Default)]
pub struct TokenList(File);

impl TokenList {
    /// Reads the file of digests.
    pub fn read(path: &Path) -> Result<TokenList, TokenError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| TokenError::File { path: path.to_owned(), cause })?;
        let what = "expected [[token]] with name, actor, digest";
        let file = toml::from_str(&text).map_err(|_| TokenError::Form { path: path.to_owned(), what })?;
        Ok(TokenList(file))
    }

    /// Replaces the file whole: whoever reads it at that moment reads the old list or the new one.
    pub fn write(&self, path: &Path) -> Result<(), TokenError> {
        let what = "it cannot be written as TOML";
        let text = toml::to_string(&self.0).map_err(|_| TokenError::Form { path: path.to_owned(), what })?;
        let fails = |cause| TokenError::File { path: path.to_owned(), cause };
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fails)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(fails)?;
        file.persist(path).map_err(|error| fails(error.error))?;
        Ok(())
    }

    /// Whose tokens there are.
    pub fn holders(&self) -> impl Iterator<Item = (&str, ActorId)> {
        self.0.token.iter().map(|it| (it.name.as_str(), it.actor))
    }

    /// Makes a token for `actor` and leaves it in a new `file` that only its owner reads.
    pub fn issue(&mut self, name: &str, actor: ActorId, file: &Path) -> Result<(), TokenError> {
        if self.0.token.iter().any(|it| it.name == name) {
            return Err(TokenError::Taken { name: name.to_owned() });
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| TokenError::Chance)?;
        let token = Zeroizing::new(hex::encode(secret));
        let fails = |cause| TokenError::File { path: file.to_owned(), cause };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(fails)?;
        }
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let written = made.and_then(|mut made| {
            made.write_all(token.as_bytes())?;
            made.sync_all()
        });
        written.map_err(fails)?;
        let digest = Digest::of(token.as_bytes()).to_string();
        self.0.token.push(Entry { name: name.to_owned(), actor, digest });
        Ok(())
    }

    /// Takes a token back; `false` where nobody of that name has one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.token.len();
        self.0.token.retain(|it| it.name != name);
        self.0.token.len() < before
    }
}

impl Tokens {
    /// Reads the file of digests.
    pub fn read(path: &Path) -> Result<Tokens, TokenError> {
        let list = TokenList::read(path)?;
        let form = |what| TokenError::Form { path: path.to_owned(), what };
        let mut tokens = Tokens::default();
        for entry in list.0.token {
            let digest = entry.digest.parse().map_err(|_| form("a digest is not `sha256:` and 64 digits"))?;
            if tokens.by_digest.insert(digest, entry.actor).is_some() {
                return Err(form("one token is listed twice"));
            }
        }
        Ok(tokens)
    }

    /// Whose token this is. Comparing digests tells nothing of how much of a guess was right.
    pub fn actor(&self, token: &str) -> Option<ActorId> {
        self.by_digest.get(&Digest::of(token.as_bytes())).copied()
    }
}

/// Every grant in force, as of the last durable commit.
#[derive(Clone, Debug, Default)]
pub struct Grants(BTreeMap<(ActorId, Role, OfficeId), Grant>);

impl Grants {
    /// The grants of a state.
    pub fn of(state: &linggong_engine::state::State) -> Grants {
        let row = |(office, grant): (OfficeId, &Grant)| ((grant.actor, grant.role, office), grant.clone());
        Grants(state.grants().map(row).collect())
    }

    /// The actor acting as `role` at `office`; where one is not named, there must be only one.
    pub fn actor(&self, id: ActorId, role: Option<Role>, office: Option<OfficeId>) -> Result<Actor, NoRole> {
        let first = (id, Role::Engine, OfficeId(Uuid::nil()));
        let mut held =
            self.0.range(first..).take_while(|((actor, ..), _)| *actor == id).filter(|((_, is, at), _)| {
                role.is_none_or(|it| it == *is) && office.is_none_or(|it| it == *at)
            });
        let ((_, _, office), grant) = held.next().ok_or(NoRole::NotHeld)?;
        match held.next() {
            Some(_) => Err(NoRole::Several),
            None => Ok(Actor::holding(grant, *office)),
        }
    }
}

/// Why somebody with a token may still not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoRole {
    /// The actor does not hold the role, or none at all.
    #[error("you do not hold this role")]
    NotHeld,
    /// The actor holds several and named none.
    #[error(
        "you hold several roles: name one in the header `Linggong-Role`, and its office in `Linggong-Office`"
    )]
    Several,
}
