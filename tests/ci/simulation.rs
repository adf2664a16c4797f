//! The long form of the simulation: many seeds, and bugs planted on purpose that it must find.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools;
use crate::{Ci, Outcome, Verdict};

/// How many seeds the long form runs.
const SEEDS: &str = "50000";
/// Where the bugs are, one patch each.
const PLANTED: &str = "tests/simulation/planted";

/// Runs `SEEDS` seeds, optimised; the environment may say another number.
pub(crate) fn seeds(ci: &Ci) -> Verdict {
    if !ci.long {
        return Ok(Outcome::Skipped("500 seeds ran among the tests; 50,000 run with --long only".into()));
    }
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| SEEDS.into());
    let mut command = ci.command("cargo");
    command.args([
        "test",
        "--release",
        "--locked",
        "-p",
        "linggong-tests",
        "--test",
        "simulation",
        "--",
        "--nocapture",
    ]);
    tools::run(command.env("SEEDS", seeds))?;
    Ok(Outcome::Ok)
}

/// Applies each planted bug to a copy of the sources and runs the simulation on it, which must break.
pub(crate) fn planted(ci: &Ci) -> Verdict {
    if !ci.long {
        return Ok(Outcome::Skipped("bugs are planted with --long only".into()));
    }
    let listed =
        fs::read_dir(ci.root.join(PLANTED)).map_err(|cause| format!("cannot list {PLANTED}: {cause}"))?;
    let mut patches: Vec<PathBuf> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "patch"))
        .collect();
    patches.sort();
    let copy = ci.root.join("target/planted/sources");
    let mut unseen = Vec::new();
    for patch in &patches {
        copy_sources(ci, &copy)?;
        // Git looks no further up than the copy: else it would take the patch to be about the repository around it.
        let mut apply = ci.command("git");
        apply.current_dir(&copy).env("GIT_CEILING_DIRECTORIES", ci.root.join("target/planted"));
        tools::run(apply.arg("apply").arg(patch))?;
        let mut command = ci.command("cargo");
        command
            .current_dir(&copy)
            .args(["test", "--locked", "-p", "linggong-tests", "--test", "simulation"])
            .env("CARGO_TARGET_DIR", ci.root.join("target/planted/target"))
            .env("CARGO_INCREMENTAL", "1")
            .env("RUST_BACKTRACE", "0")
            .env_remove("SEEDS");
        let found = command.output().map_err(|cause| format!("cannot run cargo: {cause}"))?;
        let text = String::from_utf8_lossy(&found.stdout) + String::from_utf8_lossy(&found.stderr);
        let first = text.lines().find(|line| line.starts_with("seed "));
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        match first {
            Some(line) => println!("found `{name}`: {line}"),
            None if found.status.success() => unseen.push(name.into_owned()),
            None => return Err(format!("`{name}` does not build:\n{text}")),
        }
    }
    if unseen.is_empty() { Ok(Outcome::Ok) } else { Err(format!("not found: {}", unseen.join(", "))) }
}

/// Brings the copy to the state of the sources; files that are the same stay, so that little is built again.
fn copy_sources(ci: &Ci, copy: &Path) -> Result<(), String> {
    let listed =
        tools::output(ci.command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    for name in listed.lines() {
        let (from, to) = (ci.root.join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|is| is == bytes) {
            continue;
        }
        let written = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&to, bytes));
        written.map_err(|cause| format!("cannot copy {name}: {cause}"))?;
    }
    Ok(())
}
