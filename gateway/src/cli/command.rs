//! 办理: any command of the registry.

use std::io::Read as _;

use clap::Args;
use linggong_engine::command::{Command, CommandType};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::client::Client;
use super::exit::{Failure, Stop};
use super::output::Out;
use crate::glossary::Lang;

/// Which command.
#[derive(Clone, Debug, Args)]
pub struct CommandArgs {
    /// Its name: `worker.arrive`; `schema list` lists them.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its fields as JSON, @FILE, or @- for stdin. Others can list arguments: personal data goes in a file.
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    pub fields: String,
    /// What is told besides, as JSON or @FILE: `{"occurred_at": …, "channel": "window"}`.
    #[arg(long, value_name = "JSON|@FILE")]
    pub about: Option<String>,
    /// The version of the thing that you looked at; another is a conflict.
    #[arg(long, value_name = "N")]
    pub if_version: Option<u64>,
    /// The key, a UUIDv7, where it is sent again; else a new one.
    #[arg(long, value_name = "UUID")]
    pub key: Option<Uuid>,
}

pub(super) fn run(args: &CommandArgs, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    if Command::find(&args.name).is_none() {
        return Err(Failure::local(out.lang, "unknown_command", nearest(&args.name)).into());
    }
    let mut fields = object(&args.fields, out.lang)?;
    let mut about = match &args.about {
        Some(about) => object(about, out.lang)?,
        None => Map::new(),
    };
    if let Some(version) = args.if_version {
        about.insert("if_version".to_owned(), json!(version.to_string()));
    }
    if !about.is_empty() {
        fields.insert("about".to_owned(), Value::Object(about));
    }
    let key = args.key.unwrap_or_else(|| client.new_key());
    match client.command(&args.name, key, &Value::Object(fields)) {
        Ok(receipt) => out.record(&receipt),
        Err(failure) => {
            // Where it stayed open whether it happened, the same key asks for the same receipt.
            if failure.code == "unreachable" {
                out.note(&format!("--key {key}"))?;
            }
            Err(failure.into())
        }
    }
}

/// The JSON object that `text` is or whose file it names.
fn object(text: &str, lang: Lang) -> Result<Map<String, Value>, Failure> {
    let bad = |why: String| Failure::local(lang, "bad_fields_argument", why);
    let text = match text.strip_prefix('@') {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
            text
        }
        Some(path) => std::fs::read_to_string(path).map_err(|error| bad(format!("{path}: {error}")))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("expected a JSON object".to_owned())),
        // The text itself may be personal, so only the place is told.
        Err(error) => Err(bad(format!("line {}, column {}", error.line(), error.column()))),
    }
}

/// The commands of the same kind, for whoever mistyped one.
fn nearest(name: &str) -> String {
    let kind = name.split('.').next().unwrap_or_default();
    let same: Vec<_> = Command::types().filter(|it| it.kind.name() == kind).map(CommandType::name).collect();
    if same.is_empty() { name.to_owned() } else { format!("{name}; {}", same.join(", ")) }
}
