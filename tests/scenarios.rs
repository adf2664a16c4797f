//! Every scenario is as written, and together they show every command, refusal, event and rule that the
//! list of exceptions does not name.
//!
//! `UPDATE_CASES=1 cargo test -p linggong-tests --test scenarios` writes what happens into the `=>` lines;
//! `CASES=hire/` runs only the files whose path contains that.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linggong_gateway::drill::{self, DrillReport};

fn cases_under(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("_setup") {
            cases_under(&path, found);
        } else if path.extension().is_some_and(|it| it == "case") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn drilled() -> DrillReport {
    let mut files = Vec::new();
    cases_under(&root(), &mut files);
    if let Ok(part) = std::env::var("CASES") {
        files.retain(|path| path.to_string_lossy().contains(&part));
    }
    let update = std::env::var("UPDATE_CASES").is_ok_and(|it| it == "1");
    drill::run(&files, update, &drill::shipped_rules())
}

/// The names in `uncovered.txt`, each with the reason why nothing shows it.
fn exceptions() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("uncovered.txt")).expect("the list of exceptions");
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, reason) = line.split_once(" — ").unwrap_or((line, ""));
        assert!(!reason.is_empty(), "`{name}` stands in uncovered.txt without a reason");
        names.insert(name.to_owned());
    }
    names
}

fn list(names: &BTreeSet<&String>) -> String {
    names.iter().map(|name| format!("\n  {name}")).collect()
}

#[test]
fn every_scenario_is_as_written_and_together_they_leave_nothing_out() {
    let report = drilled();
    println!("{report}");
    assert!(report.is_good(), "\n{report}");
    if std::env::var("CASES").is_ok() {
        return;
    }

    assert!(report.cases.len() >= 60, "only {} scenarios", report.cases.len());
    let twice = report.claimed_twice();
    assert!(
        twice.is_empty(),
        "more than one scenario says that it alone covers{}",
        list(&twice.iter().collect())
    );
    let silent = report.cases.iter().filter(|case| case.covers.is_empty());
    let silent: Vec<&PathBuf> = silent.map(|case| &case.path).collect();
    assert!(silent.is_empty(), "these do not say what they cover: {silent:?}");
    let nameless: Vec<&PathBuf> = report.nameless().into_iter().map(|case| &case.path).collect();
    assert!(
        nameless.is_empty(),
        "these name no command, refusal, event or rule that they show: {nameless:?}"
    );

    let (uncovered, exceptions) = (report.uncovered(), exceptions());
    let new: BTreeSet<&String> = uncovered.difference(&exceptions).collect();
    println!("没有情景涉及 no scenario covers ({}):{}", uncovered.len(), list(&uncovered.iter().collect()));
    assert!(new.is_empty(), "no scenario covers, and uncovered.txt does not excuse:{}", list(&new));
    let stale: BTreeSet<&String> = exceptions.difference(&uncovered).collect();
    assert!(stale.is_empty(), "uncovered.txt excuses what is covered, or is no more:{}", list(&stale));
}

#[test]
fn a_scenario_shows_what_its_own_expectations_meet_and_nothing_that_it_only_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("shows.case");
    let setup = dir.path().join("_setup");
    fs::create_dir(&setup).expect("a folder");
    let given = "2026-03-02 05:00\nactor @keeper keeper region=370000\n\
        @keeper market.register M1 name=东站 region=370102 place=36.65,117.12 market_kind=public_benefit\n";
    fs::write(setup.join("expecting.case"), format!("{given}=> market.registered M1\n")).expect("a file");
    fs::write(setup.join("silent.case"), given).expect("a file");
    let told = |shows: &str, setup: &str, steps: &str| {
        let text = format!("# 见 — shown\ncovers: case:shown\n{shows}\nuse {setup}\n{steps}\n");
        fs::write(&path, text).expect("a file");
        drill::run(std::slice::from_ref(&path), false, &drill::shipped_rules())
    };
    let again = "@keeper market.register M2 name=西站 region=370102 place=36.65,117.12 \
        market_kind=public_benefit\n=> market.registered M2";
    let barred = "actor @e employer region=370102\n@e market.register name=西站 region=370102 \
        place=36.65,117.12 market_kind=public_benefit\n=> refused role_not_allowed";

    assert_eq!(told("", "silent", again).nameless().len(), 1, "a matter of its own names nothing");
    for shows in ["shows: market.register", "展示: market.registered market.register"] {
        let report = told(shows, "silent", again);
        assert!(report.is_good() && report.nameless().is_empty(), "{report}");
    }
    let report = told("shows: market.register:role_not_allowed role_not_allowed", "silent", barred);
    assert!(report.is_good(), "{report}");

    for untrue in ["market.registered", "market.register", "market.register:full", "full", "case:shown"] {
        let report = told(&format!("shows: {untrue}"), "expecting", barred);
        let sentence =
            format!("shows.case:3: it shows `{untrue}`, it says, but no expectation of its own does");
        assert!(report.to_string().contains(&sentence), "{report}");
    }
}

#[test]
fn a_scenario_that_differs_is_told_by_file_line_and_difference_and_can_be_rewritten() {
    let dir = std::env::temp_dir().join(format!("linggong-drill-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder");
    let path = dir.join("wrong.case");
    let text = "# 错 — wrong\ncovers: market.register\n2026-03-02 05:00\nactor @keeper keeper region=370000\n\
        @keeper market.register M1 name=东站 region=370102 place=36.65,117.12 market_kind=public_benefit\n\
        => market.registered M1 name=西站\n";
    fs::write(&path, text).expect("a file");
    let told = drill::run(std::slice::from_ref(&path), false, &drill::shipped_rules());
    assert!(!told.is_good());
    let shown = told.to_string();
    assert!(shown.contains("wrong.case:5: differs"), "{shown}");
    assert!(shown.contains("- => market.registered M1 name=西站"), "{shown}");
    assert!(shown.contains("+ => market.registered M1 name=东站"), "{shown}");

    let rewritten = drill::run(std::slice::from_ref(&path), true, &drill::shipped_rules());
    assert!(rewritten.is_good() && rewritten.cases[0].rewritten, "{rewritten}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), text.replace("name=西站", "name=东站"));
    assert!(drill::run(std::slice::from_ref(&path), false, &drill::shipped_rules()).is_good());
    fs::remove_dir_all(&dir).expect("removed");
}
