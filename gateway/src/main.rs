//! `linggong`: the one binary.

use std::path::PathBuf;
use std::process::ExitCode;

use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::{chain, serve};

fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    let data = std::env::args().nth(1).map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async move {
        let config = Config { data, ..Config::default() };
        match serve::start(&config, Clock::wall(), std::env::args().nth(2).is_some()).await {
            Ok(running) => {
                let _ = tokio::signal::ctrl_c().await;
                let _ = running.stop().await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "linggong did not start");
                ExitCode::FAILURE
            }
        }
    })
}
