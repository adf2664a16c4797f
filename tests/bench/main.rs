//! `cargo run --release -p linggong-tests --bin bench -- append|replay|case-read|rebuild|overload|start|verify
//! [--json]`:
//! what linggong does in a second on this machine, beside the floor of the disk and, with the feature `peers`,
//! beside a peer, all in one run.
//!
//! Rows say what the machine was doing meanwhile (`load`); only rows of one run on a quiet machine compare.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and is never replayed")]

mod append;
mod http;
mod measure;
mod overload;
#[cfg(feature = "peers")]
mod peer;
mod read;
mod start;
mod w1;

use std::path::PathBuf;
use std::process::ExitCode;

use measure::{Failed, Rows};

/// As in the binary: see `gateway/src/main.rs`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: bench append|replay|case-read|rebuild|overload|start|verify|all [options]
  --json            one JSON object per row
  --writers 1,16    the cases of append (default 1,16,256)
  --systems a,b     only these systems
  --events N        how many events at most (default 102400; of start and verify, the size of the log)
  --dir DIR         where to write (default: the system's folder for temporary files)
  --data DIR        of start: this data directory, and none that is made for it";

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) writers: Vec<usize>,
    systems: Vec<String>,
    pub(crate) events: u64,
    dir: PathBuf,
    pub(crate) data: Option<PathBuf>,
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn wants(&self, system: &str) -> bool {
        self.systems.is_empty() || self.systems.iter().any(|it| it == system)
    }

    /// A folder of its own, on the disk to be measured, gone when it is dropped.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir, Failed> {
        Ok(tempfile::Builder::new().prefix("linggong-bench-").tempdir_in(&self.dir)?)
    }
}

type Bench = fn(&Options, &mut Rows) -> Result<(), Failed>;

const BENCHES: &[(&str, Bench)] = &[
    ("append", append::run),
    ("replay", read::replay),
    ("case-read", read::case_read),
    ("rebuild", read::rebuild),
    ("overload", overload::run),
    ("start", start::start),
    ("verify", start::verify),
];

fn main() -> ExitCode {
    let (benches, options) = match parse(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut rows = Rows::new(options.json);
    for (name, bench) in benches {
        if let Err(error) = bench(&options, &mut rows) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

type Parsed = (Vec<(&'static str, Bench)>, Options);

fn parse(mut args: impl Iterator<Item = String>) -> Result<Parsed, String> {
    let mut options = Options {
        writers: vec![1, 16, 256],
        systems: Vec::new(),
        events: 102_400,
        dir: std::env::temp_dir(),
        data: None,
        json: false,
    };
    let mut benches = Vec::new();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        let number = |it: &str| it.parse().map_err(|_| format!("`{it}` is no number"));
        match arg.as_str() {
            "--json" => options.json = true,
            "--writers" => options.writers = value()?.split(',').map(number).collect::<Result<_, _>>()?,
            "--systems" => options.systems = value()?.split(',').map(str::to_owned).collect(),
            "--events" => options.events = number(&value()?)? as u64,
            "--dir" => options.dir = value()?.into(),
            "--data" => options.data = Some(value()?.into()),
            "all" => benches.extend(BENCHES),
            name => {
                let known = BENCHES.iter().find(|(it, _)| *it == name);
                benches.push(*known.ok_or(format!("`{name}` is no bench"))?);
            }
        }
    }
    if benches.is_empty() { Err("name a bench".into()) } else { Ok((benches, options)) }
}
