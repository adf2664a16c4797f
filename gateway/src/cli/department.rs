//! 部门密钥: fetches the key that is to be handed to a department, into a file that only its owner reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use linggong_events::audience::Department;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::client::Client;
use super::exit::{Failure, Stop};
use super::output::Out;

/// What can be done for a department.
#[derive(Debug, Subcommand)]
pub enum DepartmentVerb {
    /// Gets the key of a department's person tokens; that, and who did it, stands in the access log.
    IssueKey {
        /// Which: `hrss`, `si`, `police`, …
        #[arg(value_name = "DEPARTMENT", value_parser = department)]
        department: Department,
        /// Where to leave the key; a file that is there already stays as it is.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// Makes a new version of the key, where this one is in force.
        #[arg(long, value_name = "VERSION")]
        rotate_from: Option<u32>,
    },
}

pub(super) fn run(verb: &DepartmentVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let DepartmentVerb::IssueKey { department, out: path, rotate_from } = verb;
    let unusable = |why: String| Failure::local(client.lang(), "file", format!("{}: {why}", path.display()));
    // The file first: a key that cannot be kept is not asked for.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| unusable(error.to_string()))?;
    let asked = rotate_from.map_or_else(|| json!({}), |from| json!({ "rotate_from": from }));
    let route = format!("/v1/departments/{}/key", department.name());
    let issued = client.post(&route, client.new_key(), &asked);
    let mut issued = match issued {
        Ok(issued) => issued,
        Err(failure) => {
            // Nothing was written to it; where it cannot be taken away it is empty.
            let _ = std::fs::remove_file(path);
            return Err(failure.into());
        }
    };
    let key = Zeroizing::new(match issued["key"].take() {
        Value::String(key) => key,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => String::new(),
    });
    let written = file.write_all(key.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| unusable(error.to_string()))?;
    let (department, version) = (&issued["department"], &issued["version"]);
    out.record(&json!({ "department": department, "version": version, "file": path.display().to_string() }))
}

fn department(text: &str) -> Result<Department, String> {
    text.parse().map_err(|_| "expected hrss, si, police, housing, market, health or finance".to_owned())
}
