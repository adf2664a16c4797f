//! `linggong`: the one binary. What is not the server speaks HTTP to one.

use std::net::AddrParseError;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::cli::{self, Cli, Command, DrillArgs, ServeArgs};
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::demo;
use linggong_gateway::serve::{self, Ended, Founding};
use linggong_gateway::{chain, drill};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What is made in one thread is mostly dropped in another: see `docs/decisions/0041-who-writes-a-commit.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = outlive_long_files() {
        cli::complain(&chain(&error));
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    let clock = Clock::wall();
    match &cli.command {
        Command::Serve(args) => running(serve_until_told(args)),
        Command::Demo(args) => running(demo::run(args)),
        Command::Import(args) => cli::import::run(&cli.global, args, &clock),
        Command::Drill(args) => rehearse(args),
        Command::Verb(verb) => cli::run(&cli.global, verb, &clock),
    }
}

/// The file has reached the length that the system allows; its number on Linux.
const SIGXFSZ: i32 = 25;

/// Takes note of the signal of a file at its limit, and nothing more: it is a full disk like another, which the write
/// tells of, and not a reason to die.
fn outlive_long_files() -> std::io::Result<()> {
    // Once asked for, the signal is never left to the system again.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)).map(drop) })
}

/// Runs a server, tracing as JSON to stderr.
fn running(server: impl Future<Output = Result<(), Ended>>) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %chain(&error), "the system gives no threads");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended { exit, code, why }) => {
            tracing::error!(code, why, "linggong ends");
            exit.into()
        }
    }
}

async fn serve_until_told(args: &ServeArgs) -> Result<(), Ended> {
    let told = |error: &dyn std::error::Error| chain(error);
    let usage = |error: &dyn std::error::Error| Ended { exit: Exit::Usage, code: None, why: chain(error) };
    let usual = Path::new("linggong.toml");
    let path = args.config.as_deref().or_else(|| usual.exists().then_some(usual));
    let mut config = Config::read(path, variables()).map_err(|error| usage(&error))?;
    if let Some(data) = &args.data {
        config.data = data.clone();
    }
    if let Some(listen) = &args.listen {
        config.listen = listen.parse().map_err(|error: AddrParseError| usage(&error))?;
    }
    let founding = Founding::production(&config);
    let mut lost = None;
    let running = match serve::start(&config, Clock::wall(), &founding).await {
        Err(error) if error.is_loss() => {
            let running = serve::start_read_only(&config, Clock::wall(), &founding, &error).await;
            lost = Some(Ended::from(error));
            running
        }
        started => started,
    }
    .map_err(Ended::from)?;
    if running.is_new {
        let tokens = config.data.join("tokens");
        tracing::info!(tokens = %tokens.display(), "a new log has begun; its two keepers' tokens are here");
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| told(&error))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = running.broken() => return Err("the partition stopped; start again to replay its log".to_owned().into()),
    }
    running.stop().await.map_err(|error| told(&error))?;
    lost.map_or(Ok(()), Err)
}

/// Runs scenarios in a sandbox and says what differs.
fn rehearse(args: &DrillArgs) -> ExitCode {
    let rules = match rules(args) {
        Ok(rules) => rules,
        Err(error) => {
            cli::complain(&chain(&*error));
            return Exit::Failure.into();
        }
    };
    let report = drill::run(&args.files, args.update, &rules);
    let shown = cli::say(&report.to_string());
    if shown && report.is_good() { Exit::Ok.into() } else { Exit::Failure.into() }
}

/// The environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The packs to rehearse by: those of a log where one is named, else the shipped ones; a folder's go before either.
fn rules(args: &DrillArgs) -> Result<Vec<drill::PackSource>, Box<dyn std::error::Error>> {
    let data = match (&args.config, &args.data) {
        (Some(config), _) => Some(Config::read(Some(config), variables())?.data),
        (None, data) => data.clone(),
    };
    let rules = match data {
        Some(data) => drill::adopted_rules(&data)?,
        None => drill::shipped_rules(),
    };
    match &args.packs {
        Some(folder) => Ok(drill::with_folder(rules, folder)?),
        None => Ok(rules),
    }
}
