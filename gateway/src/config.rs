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
    /// How many commands may be under way at once; more are told to come back.
    pub commands: usize,
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
    /// With less than so many bytes free on the disk, commands are turned away and reads go on.
    pub reserve_bytes: u64,
    /// After how many events a snapshot of the engine's state is written; a start reads at most the rest.
    pub snapshot_events: u64,
    /// After how many seconds a view that stands still behind the log is an alarm.
    pub view_frozen_seconds: u64,
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
            commands: 256,
            body_bytes: 256 * 1024,
            request_seconds: 30,
            connections: 768,
            header_seconds: 30,
            header_bytes: 16 * 1024,
            header_count: 64,
            untaken_seconds: 60,
            segment_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            snapshot_events: 50_000,
            view_frozen_seconds: 30,
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

/// What begins the name of a variable that says a setting: `LINGGONG_LISTEN`.
const PREFIX: &str = "LINGGONG_";

/// Variables that begin so too and tell the command line, not the server.
const OF_CLIENTS: &[&str] = &["SERVER", "TOKEN", "TOKEN_FILE", "LANG", "LONG"];

impl Config {
    /// Reads a file, where one is named, and then what `variables` say; the rest stays as it is by default. A
    /// variable that is no setting is an error: a misspelt one must not be passed over.
    pub fn read(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let form = |path: &Path| {
            let path = path.to_owned();
            move |cause| ConfigError::Form { path, cause: Box::new(cause) }
        };
        let mut table = toml::Table::new();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|cause| ConfigError::File { path: path.to_owned(), cause })?;
            table = toml::from_str(&text).map_err(form(path))?;
            Config::deserialize(table.clone()).map_err(form(path))?;
        }
        for (name, value) in variables {
            let Some(setting) = name.strip_prefix(PREFIX) else { continue };
            if OF_CLIENTS.contains(&setting) {
                continue;
            }
            // Numbers first: no setting that is a text looks like one, but for a region's code.
            let setting = setting.to_lowercase();
            let number = value.parse::<i64>().ok().filter(|_| setting != "region");
            table.insert(setting, number.map_or(toml::Value::String(value), toml::Value::Integer));
            Config::deserialize(table.clone()).map_err(form(Path::new(&name)))?;
        }
        Config::deserialize(table).map_err(form(Path::new(PREFIX)))
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

    #[test]
    fn variables_go_before_the_file_and_the_file_before_the_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "commands = 7\nlog = \"lg-1\"\n").unwrap();
        let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = [
            said("LINGGONG_COMMANDS", "9"),
            said("LINGGONG_REGION", "370102"),
            said("LINGGONG_DATA", "/srv/linggong"),
            said("LINGGONG_TOKEN_FILE", "is for clients"),
            said("PATH", "/bin"),
        ];
        let config = Config::read(Some(file.path()), variables).unwrap();
        assert_eq!((config.commands, config.log.as_str()), (9, "lg-1"));
        assert_eq!((config.region.to_string(), config.data), ("370102".into(), "/srv/linggong".into()));
        assert_eq!(config.body_bytes, Config::default().body_bytes);

        let wrong = Config::read(None, [said("LINGGONG_LISTNE", "127.0.0.1:1")]).unwrap_err();
        assert!(wrong.to_string().contains("LINGGONG_LISTNE"), "{wrong}");
        let wrong = Config::read(None, [said("LINGGONG_COMMANDS", "many")]).unwrap_err();
        assert!(wrong.to_string().contains("LINGGONG_COMMANDS"), "{wrong}");
        let missing = Config::read(Some(Path::new("no/such/file.toml")), []).unwrap_err();
        assert!(matches!(missing, ConfigError::File { .. }), "{missing}");
    }
}
