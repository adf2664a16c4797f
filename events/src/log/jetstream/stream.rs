//! What the log asks of the server and of its stream.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use serde_json::Value;

use super::link::Link;
use super::{OpenError, Options, server};
use crate::commit::MAX_COMMIT_BYTES;
use crate::log::Cause;

/// The oldest server whose acknowledgements are to be trusted: those before lost writes after crashes.
pub const MIN_SERVER: (u32, u32, u32) = (2, 12, 8);
/// What a message may hold beside the commit.
const HEADERS: usize = 4096;
/// For how long the server knows a message that is sent again.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Settings that say nothing of what the stream keeps or takes.
const FREE: [&str; 4] = ["description", "metadata", "placement", "consumer_limits"];

/// Whether what the server acknowledges is known to be on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The server has said that it syncs each message before it acknowledges it.
    Synced,
    /// There was no monitoring address to ask.
    Unverified,
}

/// The name of the stream of `partition`, `LGL_P00`.
pub fn stream_name(partition: u16) -> String {
    format!("LGL_P{partition:02}")
}

/// The NATS subject of its commits, `lgl.v1.p00.commit`.
pub fn commit_subject(partition: u16) -> String {
    format!("lgl.v1.p{partition:02}.commit")
}

/// The NATS subject of its epoch records, `lgl.v1.p00.epoch`.
pub fn epoch_subject(partition: u16) -> String {
    format!("lgl.v1.p{partition:02}.epoch")
}

/// Connects, and refuses a server that cannot keep a ledger.
pub(super) fn connect(options: &Options) -> Result<(Link, Durability), OpenError> {
    if options.url.contains('@') {
        return Err(OpenError::SecretInUrl);
    }
    let link = Link::connect(options).map_err(server)?;
    let told = link.server_info();
    if !new_enough(&told.version) {
        return Err(OpenError::TooOld { found: told.version });
    }
    let needed = MAX_COMMIT_BYTES + HEADERS;
    if told.max_payload < needed {
        return Err(OpenError::SmallPayload { found: told.max_payload, needed });
    }
    let Some(monitor) = &options.monitor else { return Ok((link, Durability::Unverified)) };
    let varz = ask_monitor(monitor, options.answer_within).map_err(|cause| OpenError::Monitor { cause })?;
    if varz["server_id"] != told.server_id.as_str() {
        return Err(OpenError::OtherServer);
    }
    if varz["jetstream"]["config"]["sync_always"] != true {
        return Err(OpenError::NotSynced);
    }
    Ok((link, Durability::Synced))
}

/// Whether a server of this version is new enough; a version that cannot be read is not.
fn new_enough(version: &str) -> bool {
    // What a version before its release ends in does not make it newer than the release.
    let (release, before) = version.split_once('-').map_or((version, false), |(it, _)| (it, true));
    let mut parts = release.splitn(3, '.').map(|it| it.parse().ok());
    let (Some(Some(major)), Some(Some(minor)), Some(Some(patch))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let found: (u32, u32, u32) = (major, minor, patch);
    found > MIN_SERVER || (found == MIN_SERVER && !before)
}

/// How the server is set up, as its monitoring address says.
fn ask_monitor(address: &str, within: Duration) -> Result<Value, Cause> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let to = address.to_socket_addrs()?.next().ok_or("the address has no host")?;
    let mut connection = TcpStream::connect_timeout(&to, within)?;
    connection.set_read_timeout(Some(within))?;
    connection.set_write_timeout(Some(within))?;
    write!(connection, "GET /varz HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(1 << 20).read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or("the answer is not one of HTTP")?;
    Ok(serde_json::from_slice(&answer[body + 4..])?)
}

/// The stream as the log needs it.
pub(super) fn wanted(options: &Options) -> Config {
    Config {
        name: stream_name(options.partition),
        subjects: vec![commit_subject(options.partition), epoch_subject(options.partition)],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_bytes: options.max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: (MAX_COMMIT_BYTES + HEADERS) as i32,
        num_replicas: options.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        ..Config::default()
    }
}

/// The settings in which a stream differs from the one that is needed.
pub(super) fn drift(wanted: &Config, found: &Config) -> BTreeSet<String> {
    // A stream that cannot be written down as it was read differs in all.
    let written = |config: &Config| match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (wanted, found) = (written(wanted), written(found));
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differs = |name: &String| match (wanted.get(name), found.get(name)) {
        (Some(wanted), Some(found)) => wanted != found && !(is_unset(wanted) && is_unset(found)),
        (Some(one), None) | (None, Some(one)) => !is_unset(one),
        (None, None) => false,
    };
    let drifted = names.into_iter().filter(|it| !FREE.contains(&it.as_str()) && differs(it));
    drifted.cloned().collect()
}

/// Whether a setting says what its absence says.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => matches!(text.as_str(), "" | "none" | "default"),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_from_2_12_8_on_is_new_enough() {
        for version in ["2.12.8", "2.12.10", "2.14.0-RC.1", "2.15.1", "3.0.0"] {
            assert!(new_enough(version), "{version}");
        }
        for version in ["2.9.10", "2.12.7", "2.12.8-RC.2", "1.99.99", "2.12", "", "2.x.9"] {
            assert!(!new_enough(version), "{version}");
        }
    }

    #[test]
    fn each_setting_that_differs_is_named() {
        let wanted = wanted(&Options::at("nats://127.0.0.1:4222", 0));
        assert_eq!(drift(&wanted, &wanted), BTreeSet::new());
        let found = Config { deny_delete: false, max_age: Duration::from_secs(9), ..wanted.clone() };
        assert_eq!(drift(&wanted, &found), BTreeSet::from(["deny_delete".to_owned(), "max_age".to_owned()]));
    }
}
