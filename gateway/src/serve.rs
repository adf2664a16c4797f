//! Putting it together: log, partition, views, vault and HTTP in one process, started in order, stopped in order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use linggong_engine::pack::DEFAULT_PACKS;
use linggong_engine::partition::{Fault, Output, Partition, Setting, founding_id};
use linggong_engine::rules::rules_id;
use linggong_events::audience::Department;
use linggong_events::commit::{CommitError, Digest, Head};
use linggong_events::envelope::Recorded;
use linggong_events::event::Event;
use linggong_events::head::{BadKey, HeadKey};
use linggong_events::id::{ActorId, OfficeId, PersonId, new_id};
use linggong_events::log::embedded::{EmbeddedLog, EmbeddedReader, OpenError, Options};
use linggong_events::log::{AppendError, Author, EventLog, LogReader, ReadError};
use linggong_events::measure::Position;
use linggong_events::office::{Grant, Registered, Role, RoleGranted};
use linggong_events::region::Region;
use linggong_events::rules::{Adopted, PackKind};
use linggong_projections::{Readers, StoreError, Views};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::exit::Exit;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{App, Limits, Parts, SharedVault, listen, router};
use crate::identity::{TokenError, TokenList, Tokens};
use crate::packs::{PackStore, PackStoreError};
use crate::snapshot::{self, SnapshotAlarm, SnapshotStore};
use crate::space::Space;
use crate::vault::{Vault, VaultError, VaultSettings};
use crate::{partition_task, projection_task};

/// How long requests under way may take once the process is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A file or folder cannot be used.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The log was not opened.
    #[error("the log was not opened")]
    Log(#[from] OpenError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log did not take its first commits.
    #[error("the log does not take commits")]
    Append(#[from] AppendError),
    /// A commit could not be built.
    #[error("a commit cannot be built")]
    Commit(#[from] CommitError),
    /// The engine cannot run on this log.
    #[error("the engine cannot run on this log")]
    Engine(#[from] Fault),
    /// The log is of the other sort: demo logs have a clock of their own and prove nothing.
    #[error("`{}` holds a {found} log and is not served as a {asked} one", path.display())]
    Sort {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// The rules in force lack something that the engine needs.
    #[error("the rules in force lack {}", missing.join(", "))]
    Rules {
        /// What.
        missing: Vec<String>,
    },
    /// A snapshot knows of what the log does not have.
    #[error("the log is not what a snapshot of it remembers")]
    Snapshot(#[from] SnapshotAlarm),
    /// The packs cannot be read.
    #[error(transparent)]
    Packs(#[from] PackStoreError),
    /// The views cannot be opened.
    #[error("the views cannot be opened")]
    Views(#[from] StoreError),
    /// The vault cannot be opened.
    #[error("the vault cannot be opened")]
    Vault(#[from] VaultError),
    /// The log names people whose data only its vault holds, and there is none.
    #[error("the log needs its vault `{}`, which is not there: restore it from its backup", path.display())]
    VaultLost {
        /// Where it should be.
        path: PathBuf,
    },
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The key of signed heads cannot be used.
    #[error("the key `{}` is not 32 bytes", path.display())]
    HeadKey {
        /// The file.
        path: PathBuf,
    },
    /// The name of the log is none that a key may have.
    #[error("the name of the log cannot name a key")]
    Name(#[from] BadKey),
}

impl ServeError {
    /// The stable code of what kept the server from starting, where it has one.
    pub fn code(&self) -> Option<&'static str> {
        matches!(self, ServeError::Log(OpenError::Locked { .. })).then_some("log_in_use")
    }

    /// Whether the log is there and must not be written to, but can be read as far as it is sound.
    pub fn is_loss(&self) -> bool {
        let damaged = matches!(self, ServeError::Log(error) if error.is_loss())
            || matches!(self, ServeError::Read(ReadError::Damaged { .. }));
        let forgotten =
            matches!(self, ServeError::Snapshot(SnapshotAlarm::Ahead { .. } | SnapshotAlarm::Other { .. }));
        // What this software cannot decide past, it can still show.
        let beyond = matches!(self, ServeError::Engine(Fault::UnknownEvent { .. } | Fault::Gap { .. }));
        damaged || forgotten || beyond
    }

    /// What the process exits with: whether something kept is not as it was written, or cannot be reached.
    pub fn exit(&self) -> Exit {
        match self {
            ServeError::Log(error) if error.is_loss() => Exit::Integrity,
            ServeError::Read(ReadError::Damaged { .. })
            | ServeError::Snapshot(SnapshotAlarm::Ahead { .. } | SnapshotAlarm::Other { .. })
            | ServeError::Engine(_) => Exit::Integrity,
            ServeError::Log(OpenError::Locked { .. })
            | ServeError::Views(StoreError::Locked { .. })
            | ServeError::Vault(VaultError::Locked { .. }) => Exit::Conflict,
            ServeError::Sort { .. } | ServeError::Name(_) => Exit::Usage,
            ServeError::Vault(VaultError::Missing { .. } | VaultError::Access(_))
            | ServeError::VaultLost { .. } => Exit::Integrity,
            ServeError::Io { .. }
            | ServeError::Log(_)
            | ServeError::Read(ReadError::Store { .. })
            | ServeError::Append(_)
            | ServeError::Commit(_)
            | ServeError::Rules { .. }
            | ServeError::Snapshot(_)
            | ServeError::Packs(_)
            | ServeError::Views(_)
            | ServeError::Vault(_)
            | ServeError::Tokens(_)
            | ServeError::HeadKey { .. } => Exit::Failure,
        }
    }
}

/// Why a server did not start or did not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What to exit with.
    pub exit: Exit,
    /// The stable code, where there is one.
    pub code: Option<&'static str>,
    /// In words.
    pub why: String,
}

impl From<String> for Ended {
    fn from(why: String) -> Ended {
        Ended { exit: Exit::Failure, code: None, why }
    }
}

impl From<ServeError> for Ended {
    fn from(error: ServeError) -> Ended {
        Ended { exit: error.exit(), code: error.code(), why: crate::chain(&error) }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ServeError + use<> {
    let path = path.to_owned();
    move |cause| ServeError::Io { path, cause }
}

/// What a new log begins with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Whether it is a demo: its clock may be driven, and every answer says so.
    pub demo: bool,
    /// Its offices; the first is the one that stands where nothing says another.
    pub offices: Vec<FoundingOffice>,
    /// Who may act from the first moment on.
    pub staff: Vec<Founder>,
}

/// An office with which a log begins.
#[derive(Clone, Debug)]
pub struct FoundingOffice {
    /// A word for it, unique in the founding.
    pub label: String,
    /// Its name.
    pub name: String,
    /// Where it acts.
    pub region: Region,
}

/// Somebody who may act from a log's first moment on.
#[derive(Clone, Debug)]
pub struct Founder {
    /// The name of the credential and of its token file, unique in the founding.
    pub label: String,
    /// What they may be.
    pub role: Role,
    /// At which office, by its label.
    pub office: String,
    /// Where they may act.
    pub regions: Vec<Region>,
}

/// The staff of a demo that tests share: one of each role, and a second where two must act.
const STAFF: &[(&str, Role)] = &[
    ("keeper1", Role::Keeper),
    ("keeper2", Role::Keeper),
    ("clerk", Role::Clerk),
    ("dispatcher", Role::Dispatcher),
    ("reviewer", Role::Reviewer),
    ("manager", Role::MarketManager),
    ("crew", Role::CrewLeader),
    ("gate", Role::Gate),
    ("insurer", Role::Insurer),
    ("officer", Role::CaseOfficer),
    ("officer2", Role::CaseOfficer),
    ("lead", Role::CaseLead),
    ("mediator", Role::Mediator),
    ("auditor", Role::Auditor),
    ("privacy", Role::PrivacyOfficer),
];

/// The insurer that the demo's staff acts for.
const DEMO_INSURER: &str = "91350100M000100Y43";

impl Founding {
    /// A production log begins with one office and two keepers, who grant all other roles, each confirming the
    /// other's proposals.
    pub fn production(config: &Config) -> Founding {
        Founding { demo: false, ..Founding::with_staff(config, &STAFF[..2]) }
    }

    /// A demo log with one of each role at one office.
    pub fn staffed(config: &Config) -> Founding {
        Founding::with_staff(config, STAFF)
    }

    fn with_staff(config: &Config, staff: &[(&str, Role)]) -> Founding {
        let label = "office".to_owned();
        let founder = |(name, role): &(&str, Role)| Founder {
            label: (*name).to_owned(),
            role: *role,
            office: "office".to_owned(),
            regions: vec![config.region],
        };
        Founding {
            demo: true,
            offices: vec![FoundingOffice { label, name: config.office.clone(), region: config.region }],
            staff: staff.iter().map(founder).collect(),
        }
    }

    /// The offices, who may act, and the rules that this software ships.
    fn events(&self, log: &str) -> Vec<Event> {
        let office = |it: &FoundingOffice| {
            let (office, name) = (founding_office(log, &it.label), it.name.clone());
            Registered { office, name, region: it.region, department: Department::Hrss }.into()
        };
        let granted = |it: &Founder| {
            let grant = Grant {
                actor: founder_id(log, &it.label),
                role: it.role,
                regions: it.regions.clone(),
                person: None,
                worker: None,
                employer: None,
                market: None,
                department: None,
                insurer: (it.role == Role::Insurer).then(|| DEMO_INSURER.parse().ok()).flatten(),
            };
            RoleGranted { office: founding_office(log, &it.office), grant, basis: "建库时设立".into() }.into()
        };
        let adopted = |(name, pack_kind, text): &(&str, PackKind, &str)| {
            Adopted {
                rules: rules_id(*pack_kind, name),
                name: (*name).to_owned(),
                pack_kind: *pack_kind,
                digest: Digest::of(text.as_bytes()).to_string(),
                reason: "建库时采用".into(),
            }
            .into()
        };
        let offices = self.offices.iter().map(office);
        offices.chain(self.staff.iter().map(granted)).chain(DEFAULT_PACKS.iter().map(adopted)).collect()
    }
}

/// The actor behind a label of a log's beginning.
pub fn founder_id(log: &str, label: &str) -> ActorId {
    ActorId(new_id(founding_id(log), &format!("actor:{label}"), 0))
}

/// The office behind a label of a log's beginning.
pub fn founding_office(log: &str, label: &str) -> OfficeId {
    OfficeId(new_id(founding_id(log), &format!("office:{label}"), 0))
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether the log had to be begun.
    pub is_new: bool,
    /// The clock, to be driven where the log is a demo.
    pub clock: Clock,
    /// The partition.
    pub partition: partition_task::PartitionHandle,
    /// The projections.
    pub projections: projection_task::ProjectionsHandle,
    /// What reads them.
    pub readers: Readers,
    /// The last event that the newest snapshot of the state holds: a start reads what comes after it.
    pub newest_snapshot: watch::Receiver<Position>,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    ticker: tokio::task::JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Stops in order: no new requests, those under way finish, what is decided is written, views catch up.
    pub async fn stop(self) -> io::Result<()> {
        self.stop.send_replace(true);
        let mut server = self.server;
        let served = tokio::time::timeout(GRACE, &mut server).await.unwrap_or_else(|_| {
            tracing::warn!("some requests did not finish in time and are cut off");
            server.abort();
            Ok(())
        });
        self.ticker.abort();
        self.partition.stop().await;
        let threads = self.threads;
        drop(self.partition);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|it| drop(it.join())));
        let _ = joined.await;
        tracing::info!("linggong stopped");
        served.map_err(io::Error::other)
    }

    /// Waits until the server ends by itself, which it does only when it breaks.
    pub async fn broken(&self) {
        let mut stopped = self.partition.stopped.clone();
        let _ = stopped.wait_for(Option::is_some).await;
    }
}

/// Where another process holds the log of a data directory: that, whatever was met first.
fn held(data: &Path) -> Option<ServeError> {
    let (dir, file) = (data.join("log"), data.join("log/lock"));
    let lock = fs::File::open(&file).ok()?.try_lock();
    let holder = || fs::read_to_string(&file).ok().and_then(|it| it.trim().parse().ok());
    matches!(lock, Err(fs::TryLockError::WouldBlock))
        .then(|| ServeError::Log(OpenError::Locked { holder: holder(), dir }))
}

/// Starts everything and returns once requests are answered.
pub async fn start(config: &Config, clock: Clock, founding: &Founding) -> Result<Running, ServeError> {
    start_with_views(config, clock, founding, linggong_projections::open_all).await
}

/// The same with views opened in a way of one's own, such as with other folds.
pub async fn start_with_views(
    config: &Config,
    clock: Clock,
    founding: &Founding,
    open_views: impl FnOnce(&Path) -> Result<Views, StoreError>,
) -> Result<Running, ServeError> {
    let (data, demo) = (config.data.clone(), founding.demo);
    let packs = open_packs(&data)?;
    // The views come first: a log that ends before what one of them has seen is not written to.
    let views =
        open_views(&data.join("views")).map_err(|error| held(&data).unwrap_or_else(|| error.into()))?;
    for quarantined in &views.quarantined {
        tracing::warn!(?quarantined, "a view could not be trusted and is built anew");
    }
    let Opened { log, partition, is_new, started_from } =
        open_log_seen_to(seen_by(&views), config, &packs, &clock, founding)?;
    let key_states: Vec<_> = partition.state().key_states().collect();
    let cards: Vec<_> = partition.state().cards().collect();
    let people: Vec<_> = partition.state().people().collect();
    let told_anew: BTreeMap<_, _> = people.iter().map(|it| (*it, partition.state().told_anew(*it))).collect();
    let at_vault = vault_of(config, demo, &people)?;
    let missing = partition.rules().missing();
    if !missing.is_empty() {
        return Err(ServeError::Rules { missing });
    }
    let reader = log.reader();
    let snapshots = snapshots(config);
    let (store, at_stop) = (snapshots.clone(), snapshot::at_stop);
    let space = Space { folder: data.clone(), reserve_bytes: config.reserve_bytes };
    let (partition, writer) =
        partition_task::start(partition, log, clock.clone(), config.commands, space, move |it| {
            at_stop(&snapshots, it);
        })
        .map_err(at(&data))?;
    let (heads, every) = (partition.head.clone(), config.snapshot_events);
    let (newest_snapshot, snapshotter) =
        snapshot::start(store, reader.clone(), heads, every, started_from).map_err(at(&data))?;

    make_tokens(config, &founding.staff)?;
    let mut vault = Vault::open(&at_vault)?;
    let unknown = vault.unknown(&people);
    if unknown > 0 {
        tracing::error!(unknown, "the log names people whom the vault does not know: is it an older backup?");
    }
    for (person, key, state) in key_states {
        // What the log says of a key holds, also where the process ended before the vault was told.
        if vault.key_of(person).is_some_and(|(own, is)| own == key && is != state) {
            vault.change_key_state(key, state)?;
        }
    }
    for (person, card, live) in cards {
        vault.set_card(person, card, live)?;
    }
    for person in vault.waiting_revisions() {
        vault.settle_all_revisions(person, told_anew.get(&person).copied().unwrap_or_default())?;
    }
    let threads = vec![writer, snapshotter];
    let parts = Started { partition, reader, views, vault, packs, newest_snapshot, threads, is_new, demo };
    answer(config, clock, parts).await
}

/// Serves a log that is not as it was written, because of `why`: what its sound part holds is answered, nothing is
/// added, and nothing on the disk is changed but the record of who opened what.
pub async fn start_read_only(
    config: &Config,
    clock: Clock,
    founding: &Founding,
    why: &ServeError,
) -> Result<Running, ServeError> {
    let (data, demo) = (config.data.clone(), founding.demo);
    let packs = open_packs(&data)?;
    let reader = EmbeddedLog::open_read_only(&data.join("log"))?.reader;
    check_sort(&reader, &data, demo)?;
    let (partition, head) = sound_part(config, &packs, &reader)?;
    let reader = reader.ending_at(head);
    let mut views = linggong_projections::open_all(&data.join("views"))?;
    if head.position < seen_by(&views) {
        // They hold what the log does not prove now. They are kept for when it is repaired; others are built.
        drop(views);
        let beside = data.join("views-read-only");
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(at(&beside))?;
        }
        views = linggong_projections::open_all(&beside)?;
    }
    let people: Vec<_> = partition.state().people().collect();
    // The vault may know later than this log that a key is gone or a card dead: it is left as it is.
    let vault = Vault::open(&vault_of(config, demo, &people)?)?;
    let why = crate::chain(why);
    let (partition, thread) =
        partition_task::start_read_only(partition, head, clock.clone(), &why).map_err(at(&data))?;
    tracing::error!(why, position = head.position.0, "the log is read up to there and not written to");
    let (_, newest_snapshot) = watch::channel(Position::default());
    let (threads, is_new) = (vec![thread], false);
    let parts = Started { partition, reader, views, vault, packs, newest_snapshot, threads, is_new, demo };
    answer(config, clock, parts).await
}

/// What requests are answered from.
struct Started {
    partition: partition_task::PartitionHandle,
    reader: EmbeddedReader,
    views: Views,
    vault: Vault,
    packs: PackStore,
    newest_snapshot: watch::Receiver<Position>,
    threads: Vec<JoinHandle<()>>,
    is_new: bool,
    demo: bool,
}

/// Brings the views forward and answers requests.
async fn answer(config: &Config, clock: Clock, parts: Started) -> Result<Running, ServeError> {
    let Started { partition, reader, views, vault, packs, newest_snapshot, mut threads, is_new, demo } =
        parts;
    let data = config.data.clone();
    let readers = views.readers;
    let (heads, patience) = (partition.head.clone(), Duration::from_secs(config.view_frozen_seconds));
    let (projections, projector) =
        projection_task::start(views.projections, reader.clone(), heads, patience).map_err(at(&data))?;
    threads.push(projector);
    let (stop, stopping) = watch::channel(false);
    let (listed, tokens) = watch::channel(Tokens::read(&config.tokens_file())?);
    let app = App::new(Parts {
        clock: clock.clone(),
        partition: partition.clone(),
        log: reader,
        readers: readers.clone(),
        projections: projections.clone(),
        tokens,
        packs,
        metrics: metrics_handle(),
        head_key: head_key(config)?,
        demo,
        limits: Limits {
            body_bytes: config.body_bytes,
            request: Duration::from_secs(config.request_seconds),
        },
        vault: SharedVault::new(vault),
        streams: Arc::default(),
        stopping: stopping.clone(),
    });
    if is_new {
        // The few events of a log's beginning are soon in every view: nobody is told to come back for them.
        let begun = partition.head.borrow().position;
        let _ = projections.all_reached(begun).await;
    }
    let listener = TcpListener::bind(config.listen).await.map_err(at(&data))?;
    let address = listener.local_addr().map_err(at(&data))?;
    let server = tokio::spawn(listen::serve(listener, router(app), config.into(), stopping));
    let (ticking, watched) = (partition.clone(), projections.clone());
    let tokens_file = config.tokens_file();
    let ticker = tokio::spawn(async move {
        let ticks = async {
            let mut every = tokio::time::interval(Duration::from_secs(1));
            let began = every.tick().await;
            loop {
                ticking.tick();
                let at = every.tick().await;
                watched.look(at - began, ticking.head.borrow().position);
            }
        };
        tokio::join!(ticks, keep_tokens(tokens_file, listed));
    });
    tracing::info!(%address, demo, is_new, "linggong serves");
    Ok(Running {
        address,
        is_new,
        clock,
        partition,
        projections,
        readers,
        newest_snapshot,
        stop,
        server,
        ticker,
        threads,
    })
}

/// The store of packs, with those that this software ships.
fn open_packs(data: &Path) -> Result<PackStore, ServeError> {
    let dir = data.join("packs");
    fs::create_dir_all(data).map_err(at(data))?;
    let packs = PackStore::open(dir.clone()).map_err(at(&dir))?;
    for (_, kind, text) in DEFAULT_PACKS {
        packs.store(*kind, Digest::of(text.as_bytes()), text.as_bytes()).map_err(at(&dir))?;
    }
    Ok(packs)
}

/// The last event that any of the views has seen.
fn seen_by(views: &Views) -> Position {
    views.projections.iter().filter_map(|it| it.checkpoint().ok()).max().unwrap_or_default()
}

/// Where the vault is that belongs to a log which names these people.
fn vault_of(config: &Config, demo: bool, people: &[PersonId]) -> Result<VaultSettings, ServeError> {
    let settings = VaultSettings {
        directory: config.data.join("vault"),
        master_key: config.vault_key_file(),
        log: config.log.clone(),
        demo,
    };
    if !people.is_empty() && !Vault::is_there(&settings) {
        // A new vault would take everybody for somebody new, and hide that all evidence is gone.
        return Err(ServeError::VaultLost { path: settings.directory });
    }
    Ok(settings)
}

/// What is so by the part of a log that can be read, and where that part ends.
fn sound_part(
    config: &Config,
    packs: &PackStore,
    log: &EmbeddedReader,
) -> Result<(Partition, Head), ServeError> {
    let mut partition = Partition::new(setting(config), packs.load()?);
    // A snapshot that knows of more than is left is no help here.
    partition.resume(snapshots(config).newest(log).unwrap_or_default().replay)?;
    let (mut head, mut understood) = (partition.head(), true);
    for commit in log.commits(head.commit + 1) {
        let Ok(commit) = commit else { break };
        let Ok(next) = head.after(&commit) else { break };
        // An event of a newer software is shown as it is, but nothing is concluded past it.
        understood &= commit.events().all(|it| matches!(it, Ok(Recorded::Known(_))));
        if understood {
            partition.replay(&commit)?;
        }
        head = next;
    }
    Ok((partition, head))
}

/// What a partition knows of itself.
fn setting(config: &Config) -> Setting {
    Setting {
        log: config.log.clone(),
        partition: 0,
        software: env!("CARGO_PKG_VERSION").to_owned(),
        region: config.region,
    }
}

/// A log that is taken over, and what is so by it.
#[derive(Debug)]
pub struct Opened {
    /// The log.
    pub log: EmbeddedLog,
    /// What is so.
    pub partition: Partition,
    /// Whether it had to be begun.
    pub is_new: bool,
    /// The last event that a snapshot held.
    pub started_from: Position,
}

/// The snapshots of the log that is served.
fn snapshots(config: &Config) -> SnapshotStore {
    SnapshotStore::new(config.data.join("snapshots"), &config.log, 0)
}

/// Opens or begins the log, replays what no snapshot holds, and takes the partition over.
pub fn open_log(
    config: &Config,
    packs: &PackStore,
    clock: &Clock,
    founding: &Founding,
) -> Result<Opened, ServeError> {
    open_log_seen_to(Position::default(), config, packs, clock, founding)
}

/// The same, where somebody has seen the event at `known`: a log that ends before it is left as it is.
fn open_log_seen_to(
    known: Position,
    config: &Config,
    packs: &PackStore,
    clock: &Clock,
    founding: &Founding,
) -> Result<Opened, ServeError> {
    let dir = config.data.join("log");
    let options = Options { segment_bytes: config.segment_bytes, known, ..Options::default() };
    let author =
        Author { log: config.log.clone(), partition: 0, software: env!("CARGO_PKG_VERSION").to_owned() };
    let begun = dir.join("head").exists() || dir.join("segments").exists();
    let mut log = if begun { EmbeddedLog::open(&dir, options)? } else { EmbeddedLog::create(&dir, options)? };
    if log.head().commit == 0 {
        log.append(&author.genesis(founding.demo)?)?;
    }
    check_sort(&log.reader(), &config.data, founding.demo)?;
    let mut partition = Partition::new(setting(config), packs.load()?);
    let found = snapshots(config).newest(&log.reader())?;
    for (path, why) in &found.ignored {
        metrics::counter!("linggong_snapshots_ignored_total").increment(1);
        tracing::warn!(path = %path.display(), %why, "a snapshot is not started from");
    }
    let started_from = found.replay.head.position;
    partition.resume(found.replay)?;
    for commit in log.reader().commits(partition.head().commit + 1) {
        partition.replay(&commit?)?;
    }
    let tail = partition.state().last().0 - started_from.0;
    tracing::info!(snapshot = started_from.0, tail, "the state is as the log has it");
    let takeover = author.takeover(&log.head(), clock.offset_ms())?;
    log.append(&takeover)?;
    partition.replay(&takeover)?;
    let is_new = partition_task::is_new(partition.state());
    if is_new {
        partition.found(founding.events(&config.log), clock.now())?;
        while let Some(Output::Append(commit)) = partition.poll_output()? {
            log.append(&commit)?;
            partition.handle(linggong_engine::partition::Input::Committed, clock.now())?;
        }
    }
    Ok(Opened { log, partition, is_new, started_from })
}

fn check_sort(reader: &EmbeddedReader, path: &Path, demo: bool) -> Result<(), ServeError> {
    let word = |demo: bool| if demo { "demo" } else { "production" };
    let first = reader.commits(1).next().transpose()?;
    let found = first.and_then(|it| it.header().genesis.clone()).is_some_and(|it| it.demo);
    if found == demo {
        return Ok(());
    }
    Err(ServeError::Sort { path: path.to_owned(), found: word(found), asked: word(demo) })
}

/// Makes a token for each founder where there is no token file yet; each stands in a file that only its owner reads.
fn make_tokens(config: &Config, founders: &[Founder]) -> Result<(), ServeError> {
    let path = config.tokens_file();
    if path.exists() {
        return Ok(());
    }
    let mut list = TokenList::default();
    for founder in founders {
        let file = config.data.join("tokens").join(format!("{}.token", founder.label));
        list.issue(&founder.label, founder_id(&config.log, &founder.label), &file)?;
    }
    list.write(&path)?;
    Ok(())
}

/// Reads the list of tokens again whenever its file changes; one that cannot be read changes nothing.
async fn keep_tokens(path: PathBuf, tokens: watch::Sender<Tokens>) {
    let stamp = || fs::metadata(&path).ok().map(|it| (it.modified().ok(), it.len()));
    let mut known = stamp();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        let now = stamp();
        if now == known {
            continue;
        }
        known = now;
        match Tokens::read(&path) {
            Ok(read) => {
                tracing::info!("the list of tokens was read again");
                tokens.send_replace(read);
            }
            Err(error) => tracing::warn!(error = %crate::chain(&error), "the list of tokens stays as it was"),
        }
    }
}

fn head_key(config: &Config) -> Result<HeadKey, ServeError> {
    let path = config.data.join("head.key");
    if !path.exists() {
        write_secret(&path, &secret().map_err(at(&path))?)?;
    }
    read_head_key(&config.data, &config.log)
}

/// The key that signs the heads of the log of that name in a data directory.
pub fn read_head_key(data: &Path, log: &str) -> Result<HeadKey, ServeError> {
    let path = data.join("head.key");
    let bytes = fs::read(&path).map_err(at(&path))?;
    let secret: [u8; 32] = bytes.try_into().map_err(|_| ServeError::HeadKey { path })?;
    Ok(HeadKey::new(&format!("linggong/{log}/0"), &secret)?)
}

fn secret() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), ServeError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(at(path))
}

/// One recorder serves the whole process, however many servers a test starts in it.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let made = HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder takes the metrics of this process");
        }
        handle
    });
    made.clone()
}
