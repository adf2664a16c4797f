//! 口令: giving out and taking back the bearer tokens of a server, on its own machine.
//!
//! A token says who somebody is; what they may do is granted by events (`office.role_grant.propose`, `.confirm`).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use linggong_events::id::ActorId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::exit::{Failure, Stop};
use super::output::{Column, Out, Show, column};
use crate::chain;
use crate::clock::Clock;
use crate::identity::{TokenError, TokenList};

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Makes a token and leaves it in a file that only its owner reads; a running server knows it within seconds.
    Issue {
        /// For people: whose it is. Also the name of the file.
        name: String,
        /// Who they are, where they acted before; somebody new where it is not given.
        #[arg(long, value_name = "ID")]
        actor: Option<Uuid>,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Whose tokens there are; never the tokens.
    List {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Takes a token back; a running server forgets it within seconds.
    Revoke {
        /// Whose it is.
        name: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Which server's tokens.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "data", value_hint = ValueHint::DirPath)]
    data: PathBuf,
    /// The list of tokens, where the settings name another than the data directory's tokens.toml.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tokens: Option<PathBuf>,
}

impl Place {
    fn list(&self) -> PathBuf {
        self.tokens.clone().unwrap_or_else(|| self.data.join("tokens.toml"))
    }
}

pub(super) const TOKENS: &[Column] =
    &[column("name", "name", Show::Text), column("actor", "actor", Show::Text)];

pub(super) fn run(verb: &TokenVerb, clock: &Clock, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        TokenVerb::Issue { name, actor, place } => {
            issue(name, actor.unwrap_or_else(|| clock.new_key()), place, out)
        }
        TokenVerb::List { place } => {
            let list = TokenList::read(&place.list()).map_err(|error| failed(&error, out))?;
            let items: Vec<Value> =
                list.holders().map(|(name, actor)| json!({ "name": name, "actor": actor })).collect();
            out.list(TOKENS, &json!({ "items": items }), &items)
        }
        TokenVerb::Revoke { name, place } => {
            let mut list = TokenList::read(&place.list()).map_err(|error| failed(&error, out))?;
            if !list.remove(name) {
                return Err(Failure::local(out.lang, "unknown_token", name.as_str()).into());
            }
            list.write(&place.list()).map_err(|error| failed(&error, out))?;
            out.record(&json!({ "name": name }))
        }
    }
}

fn issue(name: &str, actor: Uuid, place: &Place, out: &mut Out<'_>) -> Result<(), Stop> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Err(Failure::local(out.lang, "bad_token_name", name).into());
    }
    let mut list = TokenList::read(&place.list()).map_err(|error| failed(&error, out))?;
    let actor = ActorId(actor);
    let file = place.data.join("tokens").join(format!("{name}.token"));
    list.issue(name, actor, &file).map_err(|error| failed(&error, out))?;
    list.write(&place.list()).map_err(|error| failed(&error, out))?;
    out.record(&json!({ "name": name, "actor": actor, "file": shown(&file) }))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn failed(error: &TokenError, out: &Out<'_>) -> Failure {
    let code = match error {
        TokenError::File { .. } | TokenError::Chance => "file",
        TokenError::Form { .. } => "token_file",
        TokenError::Taken { .. } => "token_taken",
    };
    Failure::local(out.lang, code, chain(error))
}
