//! `linggong`: the one binary. What is not the server speaks HTTP to one.

use std::process::ExitCode;

use clap::Parser as _;
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::cli::{self, Cli, Command, DrillArgs, ServeArgs};
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::demo;
use linggong_gateway::serve::{self, Founding};
use linggong_gateway::{chain, drill};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
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

/// Runs a server, tracing as JSON to stderr.
fn running(server: impl Future<Output = Result<(), String>>) -> ExitCode {
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
        Err(why) => {
            tracing::error!(why, "linggong ends");
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_told(args: &ServeArgs) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| chain(error);
    let mut config = match args.config.exists() {
        true => Config::read(&args.config).map_err(|error| told(&error))?,
        false => Config::default(),
    };
    if let Some(data) = &args.data {
        config.data = data.clone();
    }
    if let Some(listen) = &args.listen {
        config.listen = listen.parse().map_err(|error| told(&error))?;
    }
    let running = serve::start(&config, Clock::wall(), &Founding::production(&config))
        .await
        .map_err(|error| told(&error))?;
    if running.is_new {
        let tokens = config.data.join("tokens");
        tracing::info!(tokens = %tokens.display(), "a new log has begun; its two keepers' tokens are here");
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| told(&error))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = running.broken() => return Err("the partition stopped; start again to replay its log".into()),
    }
    running.stop().await.map_err(|error| told(&error))
}

/// Runs scenarios in a sandbox and says what differs.
fn rehearse(args: &DrillArgs) -> ExitCode {
    let report = drill::run(&args.files, args.update, &drill::shipped_rules());
    let shown = cli::say(&report.to_string());
    if shown && report.is_good() { Exit::Ok.into() } else { Exit::Failure.into() }
}
