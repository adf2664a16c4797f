//! `cargo ci`: the one test command. It fetches the tools it needs, pinned, and proves what the documents promise.

#![expect(clippy::print_stdout, reason = "a runner for the terminal")]
#![expect(clippy::disallowed_methods, reason = "it tells how long its steps took")]

mod schemathesis;
mod simulation;
mod street;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use tools::Tools;

const USAGE: &str = "\
usage: cargo ci [--quick | --long | --only STEP...] [--keep-going]

  --quick       fmt and clippy
  --long        adds what takes long (LINGGONG_LONG=1 for the tests) and the advisories
  --only STEP   this step; may be given several times
  --keep-going  runs the steps after a failed one too";

/// One thing that is proven.
struct Step {
    name: &'static str,
    quick: bool,
    run: fn(&Ci) -> Verdict,
}

/// `Ok` or why it failed.
type Verdict = Result<Outcome, String>;

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// Not proven this time, and why.
    Skipped(String),
    Failed(String),
}

const STEPS: &[Step] = &[
    Step { name: "fmt", quick: true, run: |ci| ci.cargo(&["fmt", "--all", "--check"]) },
    Step { name: "tidy", quick: false, run: |ci| done(tidy::check(&ci.root)) },
    Step { name: "clippy", quick: true, run: clippy },
    Step { name: "tests", quick: false, run: tests },
    Step { name: "simulation", quick: false, run: simulation::seeds },
    Step { name: "planted", quick: false, run: simulation::planted },
    Step { name: "docs", quick: false, run: docs },
    Step { name: "street", quick: false, run: |ci| done(street::check(&ci.root)) },
    Step { name: "deny", quick: false, run: |ci| deny(ci, &["check", "bans", "licenses", "sources"]) },
    Step { name: "advisories", quick: false, run: advisories },
    Step { name: "machete", quick: false, run: machete },
    Step { name: "typos", quick: false, run: typos },
    Step { name: "openapi", quick: false, run: openapi },
    Step { name: "schemathesis", quick: false, run: |ci| done(schemathesis::check(ci)) },
];

/// What was asked for, and where.
struct Ci {
    root: PathBuf,
    tools: Tools,
    long: bool,
}

impl Ci {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_INCREMENTAL", "0");
        if self.long {
            command.env("LINGGONG_LONG", "1");
        }
        command
    }

    fn cargo(&self, args: &[&str]) -> Verdict {
        done(tools::run(self.command("cargo").args(args)))
    }
}

fn done(result: Result<(), String>) -> Verdict {
    result.map(|()| Outcome::Ok)
}

fn clippy(ci: &Ci) -> Verdict {
    ci.cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Documentation tests first, so that the runner's own summary of all other tests closes the step.
fn tests(ci: &Ci) -> Verdict {
    ci.cargo(&["test", "--workspace", "--locked", "--doc", "--quiet"])?;
    if tools::on_path("cargo-nextest") {
        return ci.cargo(&["nextest", "run", "--workspace", "--locked"]);
    }
    ci.cargo(&["test", "--workspace", "--locked", "--all-targets"])
}

fn docs(ci: &Ci) -> Verdict {
    let args = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    done(tools::run(ci.command("cargo").args(args).env("RUSTDOCFLAGS", "-Dwarnings")))
}

fn deny(ci: &Ci, args: &[&str]) -> Verdict {
    let program = ci.tools.cargo_tool("cargo-deny", "0.20.2")?;
    done(tools::run(ci.command(program).args(["--workspace", "--locked"]).args(args)))
}

fn advisories(ci: &Ci) -> Verdict {
    if !ci.long {
        return Ok(Outcome::Skipped("known vulnerabilities are looked up with --long only".into()));
    }
    let program = ci.tools.cargo_tool("cargo-deny", "0.20.2")?;
    let mut fetch = ci.command("timeout");
    if tools::run(fetch.arg("120").arg(program).args(["fetch", "db"])).is_err() {
        return Ok(Outcome::Skipped("the advisory database cannot be reached; NOTHING WAS LOOKED UP".into()));
    }
    deny(ci, &["--offline", "check", "advisories"])
}

fn machete(ci: &Ci) -> Verdict {
    let program = ci.tools.cargo_tool("cargo-machete", "0.9.2")?;
    done(tools::run(ci.command(program).args(["--with-metadata", "."])))
}

fn typos(ci: &Ci) -> Verdict {
    let program = ci.tools.typos("1.52.0")?;
    done(tools::run(ci.command(program).args(["--config", "typos.toml"])))
}

fn openapi(ci: &Ci) -> Verdict {
    if !ci.root.join("docs/openapi.json").exists() {
        return Ok(Outcome::Skipped("there is no docs/openapi.json".into()));
    }
    let program = ci.tools.spectral(&ci.root.join("tests/ci/npm"))?;
    let args =
        ["lint", "docs/openapi.json", "--ruleset", "tests/ci/spectral.yaml", "--fail-severity", "warn"];
    done(tools::run(ci.command(program).args(args)))
}

/// The command line, read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    quick: bool,
    long: bool,
    keep_going: bool,
    help: bool,
    only: Vec<String>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--long" => options.long = true,
            "--keep-going" => options.keep_going = true,
            "-h" | "--help" => options.help = true,
            "--only" => options.only.push(step_name(args.next())?),
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    if options.quick && (options.long || !options.only.is_empty()) {
        return Err("--quick goes with neither --long nor --only".into());
    }
    Ok(options)
}

fn step_name(given: Option<String>) -> Result<String, String> {
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    match given {
        Some(name) if names.contains(&name.as_str()) => Ok(name),
        Some(name) => Err(format!("no step `{name}`; there are {}", names.join(", "))),
        None => Err(format!("--only needs one of {}", names.join(", "))),
    }
}

/// The steps that `options` ask for, in order.
fn chosen(options: &Options) -> Vec<&'static Step> {
    let wanted = |step: &&Step| {
        (!options.quick || step.quick)
            && (options.only.is_empty() || options.only.iter().any(|it| it == step.name))
    };
    STEPS.iter().filter(wanted).collect()
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        eprintln!("run this as `cargo ci`");
        return ExitCode::from(2);
    };
    let root = manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf);
    let ci = Ci { tools: Tools::below(&root), root, long: options.long };
    let results = run_all(&ci, &options);
    println!("\n{}", table(&results));
    if results.iter().any(|it| matches!(it.1, Outcome::Failed(_))) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

type Line = (&'static str, Outcome, Duration);

fn run_all(ci: &Ci, options: &Options) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in chosen(options) {
        println!("\n━━ {} ━━", step.name);
        let started = Instant::now();
        let outcome = (step.run)(ci).unwrap_or_else(Outcome::Failed);
        match &outcome {
            Outcome::Ok => println!("{} ok, {:.1?}", step.name, started.elapsed()),
            Outcome::Skipped(why) => println!("{} SKIPPED: {why}", step.name),
            Outcome::Failed(why) => println!("{} FAILED: {why}", step.name),
        }
        let failed = matches!(outcome, Outcome::Failed(_));
        lines.push((step.name, outcome, started.elapsed()));
        if failed && !options.keep_going {
            break;
        }
    }
    lines
}

/// The closing table and one line that sums it up.
fn table(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut counts = [0; 3];
    for (name, outcome, took) in lines {
        let (column, word, why) = match outcome {
            Outcome::Ok => (0, "ok", String::new()),
            Outcome::Failed(why) => (1, "FAILED", format!("  {}", why.lines().next().unwrap_or_default())),
            Outcome::Skipped(why) => (2, "skipped", format!("  {why}")),
        };
        counts[column] += 1;
        text += &format!("{name:<14}{word:<9}{:>7.1} s{why}\n", took.as_secs_f64());
    }
    let [ok, failed, skipped] = counts;
    text + &format!("cargo ci: {ok} steps ok, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod unit {
    use super::*;

    fn options(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(|it| it.to_string()))
    }

    #[test]
    fn quick_is_fmt_and_clippy() {
        let names: Vec<&str> = chosen(&options(&["--quick"]).unwrap()).iter().map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "clippy"]);
    }

    #[test]
    fn only_takes_known_steps_and_runs_them_in_the_usual_order() {
        let both = options(&["--only", "typos", "--only", "fmt"]).unwrap();
        let names: Vec<&str> = chosen(&both).iter().map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "typos"]);
        assert!(options(&["--only", "typo"]).unwrap_err().contains("typos"));
        assert!(options(&["--only"]).is_err());
        assert!(options(&["--quick", "--long"]).is_err());
        assert!(options(&["quick"]).is_err());
    }

    #[test]
    fn the_table_tells_what_failed_and_what_was_not_proven() {
        let second = Duration::from_secs(1);
        let lines = [
            ("fmt", Outcome::Ok, second),
            ("clippy", Outcome::Failed("two\nlines".into()), second),
            ("advisories", Outcome::Skipped("out of reach".into()), second),
        ];
        let text = table(&lines);
        assert!(
            text.contains("clippy        FAILED")
                && text.contains("  two\n")
                && text.contains("out of reach")
        );
        assert!(text.ends_with("1 steps ok, 1 failed, 1 skipped"));
    }
}
