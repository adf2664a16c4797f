//! The long form of the simulation: many seeds, and bugs planted on purpose that it must find.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::tools;
use crate::{Ci, Outcome, Verdict};

/// How many seeds the long form runs.
const SEEDS: &str = "50000";
/// Where the bugs are, one patch each.
const PLANTED: &str = "tests/simulation/planted";

/// How many seeds a planted bug may hide in.
const SEEDS_PER_BUG: &str = "2000";
/// How long building with one bug and looking for it may take: a bug after which nothing ends is no bug to plant.
const SECONDS_PER_BUG: &str = "3600";

/// Runs `SEEDS` seeds, optimised and with every assertion; the environment may say another number.
pub(crate) fn seeds(ci: &Ci) -> Verdict {
    if !ci.long {
        return Ok(Outcome::Skipped("500 seeds ran among the tests; 50,000 run with --long only".into()));
    }
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| SEEDS.into());
    let mut command = ci.command("cargo");
    command.args(["test", "--profile", "simulation", "--locked", "-p", "linggong-tests"]);
    command.args(["--test", "simulation", "--", "--nocapture"]);
    tools::run(command.env("SEEDS", seeds))?;
    Ok(Outcome::Ok)
}

/// Applies each planted bug to a copy of the sources and runs the simulation on it, which must break. `PLANTED=word`
/// takes those whose names hold the word.
pub(crate) fn planted(ci: &Ci) -> Verdict {
    if !ci.long {
        return Ok(Outcome::Skipped("bugs are planted with --long only".into()));
    }
    let patches = patches(ci)?;
    let copy = ci.root.join("target/planted/sources");
    let mut wrong = Vec::new();
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let begun = Instant::now();
        copy_sources(ci, &copy)?;
        if let Err(cause) = apply(ci, &copy, patch) {
            wrong.push(format!("`{name}` does not apply: {cause}"));
            continue;
        }
        match hunt(ci, &copy)? {
            Hunt::Found(how) => println!("found `{name}` in {} s: {how}", begun.elapsed().as_secs()),
            Hunt::Unseen => wrong.push(format!("`{name}` is not found in {SEEDS_PER_BUG} seeds")),
            Hunt::Unbuilt(why) => wrong.push(format!("`{name}` does not build or run:\n{why}")),
        }
    }
    // Whoever looks into the copy later finds the sources as they are.
    copy_sources(ci, &copy)?;
    println!("{} of {} planted bugs found", patches.len() - wrong.len(), patches.len());
    if wrong.is_empty() { Ok(Outcome::Ok) } else { Err(wrong.join("\n")) }
}

/// How a hunt for one bug ends.
enum Hunt {
    /// The seed, the step and the invariant.
    Found(String),
    Unseen,
    Unbuilt(String),
}

fn patches(ci: &Ci) -> Result<Vec<PathBuf>, String> {
    let listed =
        fs::read_dir(ci.root.join(PLANTED)).map_err(|cause| format!("cannot list {PLANTED}: {cause}"))?;
    let word = std::env::var("PLANTED").unwrap_or_default();
    let is_meant = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        path.extension().is_some_and(|it| it == "patch") && name.contains(&word)
    };
    let mut patches: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(is_meant).collect();
    patches.sort();
    Ok(patches)
}

fn apply(ci: &Ci, copy: &Path, patch: &Path) -> Result<(), String> {
    // Git looks no further up than the copy: else it would take the patch to be about the repository around it.
    let mut apply = ci.command("git");
    apply.current_dir(copy).env("GIT_CEILING_DIRECTORIES", ci.root.join("target/planted"));
    tools::output(apply.arg("apply").arg(patch)).map(|_| ())
}

/// Builds the copy, in one folder for all of them so that little is built again, and runs seeds until one breaks. Not in
/// the folder of the tree: cargo knows our crates by where they stand below their workspace, and takes one for the other.
fn hunt(ci: &Ci, copy: &Path) -> Result<Hunt, String> {
    let mut command = ci.command("timeout");
    command
        .current_dir(copy)
        .args([SECONDS_PER_BUG, "cargo"])
        .args(["test", "--profile", "simulation", "--locked", "-p", "linggong-tests", "--test", "simulation"])
        .arg("every_invariant")
        .env("CARGO_TARGET_DIR", ci.root.join("target/planted/target"))
        .env("CARGO_INCREMENTAL", "1")
        .env("RUST_BACKTRACE", "0")
        .env("SEEDS", SEEDS_PER_BUG)
        .env("UNTIL_BROKEN", "1");
    let output = command.output().map_err(|cause| format!("cannot run cargo: {cause}"))?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let tells = |line: &&str| {
        line.starts_with("seed ") && line.contains("invariant") || line.contains(" reached no more: ")
    };
    if let Some(how) = text.lines().find(tells) {
        return Ok(Hunt::Found(how.to_owned()));
    }
    Ok(if output.status.success() { Hunt::Unseen } else { Hunt::Unbuilt(text.into_owned()) })
}

/// Brings the copy to the state of the sources; files that are the same stay, so that little is built again, and what a
/// patch has added goes.
fn copy_sources(ci: &Ci, copy: &Path) -> Result<(), String> {
    let listed = tools::output(ci.command("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    // Between NULs, for names are Chinese too, which git would quote.
    let names: BTreeSet<&str> = listed.split_terminator('\0').collect();
    let mut folders = vec![copy.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(copy).ok().and_then(Path::to_str);
            if path.is_dir() {
                folders.push(path);
            } else if name.is_none_or(|it| !names.contains(it)) {
                fs::remove_file(&path)
                    .map_err(|cause| format!("cannot remove `{}`: {cause}", path.display()))?;
            }
        }
    }
    for name in names {
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
