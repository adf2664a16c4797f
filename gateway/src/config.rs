//! Settings: a TOML file, then `LINGGONG_*` from the environment, then flags. Secrets are files, never values.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use linggong_events::region::Region;
use serde::Deserialize;
use thiserror::Error;

/// Everything `linggong serve` is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of log, views, vault and packs.
    pub data: PathBuf,
    /// Where HTTP is served; loopback unless set.
    pub listen: SocketAddr,
    /// The log, written into every event once and for ever.
    pub log: String,
    /// The division of the deployment: a province, city or county.
    pub region: Region,
    /// The name of the office that comes with the log's start.
    pub office: String,
    /// The tokens and whose they are; default `<data>/tokens.toml`.
    pub tokens: Option<PathBuf>,
    /// The vault's master key; default `<data>/vault.key`. Keep it apart from the data.
    pub vault_key: Option<PathBuf>,
    /// How many commands may wait; more are told to come back.
    pub queue: usize,
    /// How many bytes a request may have.
    pub body_bytes: usize,
    /// How many seconds a request may take, its body included.
    pub request_seconds: u64,
    /// How many connections there may be; beyond it whoever waited longest makes room.
    pub connections: usize,
    /// How many seconds a connection may wait for the head of a request.
    pub header_seconds: u64,
    /// How many bytes the head of a request may have.
    pub header_bytes: usize,
    /// How many fields the head of a request may have.
    pub header_count: usize,
    /// After how many seconds without taking anything of its answer a connection is closed.
    pub untaken_seconds: u64,
    /// The length of a log segment.
    pub segment_bytes: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 7311)),
            log: "lg-37".into(),
            region: Region::SHANDONG,
            office: "省零工市场服务处".into(),
            tokens: None,
            vault_key: None,
            queue: 4096,
            body_bytes: 256 * 1024,
            request_seconds: 30,
            connections: 768,
            header_seconds: 30,
            header_bytes: 16 * 1024,
            header_count: 64,
            untaken_seconds: 60,
            segment_bytes: 64 << 20,
        }
    }
}

/// Why settings could not be read.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("cannot read the configuration `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not of its form.
    #[error("the configuration `{}` is not of its form", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: Box<toml::de::Error>,
    },
}

impl Config {
    /// Reads a file; what it does not say stays as it is by default.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| ConfigError::File { path: path.to_owned(), cause })?;
        toml::from_str(&text)
            .map_err(|cause| ConfigError::Form { path: path.to_owned(), cause: Box::new(cause) })
    }

    /// The file of the tokens.
    pub fn tokens_file(&self) -> PathBuf {
        self.tokens.clone().unwrap_or_else(|| self.data.join("tokens.toml"))
    }

    /// The file of the vault's master key.
    pub fn vault_key_file(&self) -> PathBuf {
        self.vault_key.clone().unwrap_or_else(|| self.data.join("vault.key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_settings_are_the_defaults() {
        let shipped: Config = toml::from_str(include_str!("../../config/linggong.toml")).unwrap();
        assert_eq!(format!("{shipped:?}"), format!("{:?}", Config::default()));
        assert!(toml::from_str::<Config>("listne = 1").is_err(), "a misspelt setting is not passed over");
    }
}
