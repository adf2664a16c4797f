//! The one-way street between the crates, proven by `cargo tree`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools;

/// What the normal dependencies of one crate must and must not hold.
struct Rule {
    package: &'static str,
    features: &'static [&'static str],
    /// Found, or the question was asked wrongly: a misspelt package must not pass.
    must: &'static [&'static str],
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        package: "linggong-events",
        features: &["--no-default-features"],
        must: &["linggong-events", "serde", "uuid"],
        never: &[
            "tokio",
            "async-nats",
            "sled",
            "axum",
            "linggong-engine",
            "linggong-projections",
            "linggong-gateway",
            "linggong-tests",
        ],
    },
    Rule {
        package: "linggong-engine",
        features: &[],
        must: &["linggong-engine", "linggong-events"],
        never: &[
            "tokio",
            "async-nats",
            "sled",
            "axum",
            "linggong-projections",
            "linggong-gateway",
            "linggong-tests",
        ],
    },
    Rule {
        package: "linggong-projections",
        features: &[],
        must: &["linggong-projections", "linggong-events"],
        never: &["tokio", "async-nats", "axum", "linggong-engine", "linggong-gateway", "linggong-tests"],
    },
    Rule {
        package: "linggong-gateway",
        features: &[],
        must: &["linggong-gateway", "linggong-events"],
        never: &["linggong-tests"],
    },
];

/// Forbidden before anything may use it, so the workspace does not name it yet.
const NOT_YET: &[&str] = &["async-nats"];

pub(crate) fn check(root: &Path) -> Result<(), String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))
        .map_err(|cause| format!("cannot read the workspace's Cargo.toml: {cause}"))?;
    let mut faults = misspelt(&manifest);
    for rule in RULES {
        let mut args = vec!["--package", rule.package, "--edges", "normal"];
        args.extend(rule.features);
        faults.extend(broken(rule, &names(&tree(root, &args)?)));
    }
    let users = names(&tree(root, &["--workspace", "--invert", "linggong-tests"])?);
    if users != BTreeSet::from(["linggong-tests".to_owned()]) {
        faults.push(format!("only linggong-tests itself may need linggong-tests: {users:?}"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn tree(root: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["tree", "--locked", "--prefix", "none", "--format", "{p}"]).args(args);
    tools::output(&mut command)
}

/// The package names in what `cargo tree --prefix none` prints: the first word of each line.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn broken(rule: &Rule, found: &BTreeSet<String>) -> Vec<String> {
    let missing = rule.must.iter().filter(|it| !found.contains(**it));
    let present = rule.never.iter().filter(|it| found.contains(**it));
    missing
        .map(|it| format!("`{}` should need `{it}`, and does not: is a name misspelt?", rule.package))
        .chain(present.map(|it| format!("`{}` must not need `{it}`", rule.package)))
        .collect()
}

/// Forbidden names that the workspace's manifest does not know.
fn misspelt(manifest: &str) -> Vec<String> {
    let known = |name: &str| {
        name == "linggong-tests" || manifest.lines().any(|line| line.split(' ').next() == Some(name))
    };
    let forbidden: BTreeSet<&str> = RULES.iter().flat_map(|rule| rule.never).copied().collect();
    forbidden
        .into_iter()
        .filter(|name| !NOT_YET.contains(name) && !known(name))
        .map(|name| {
            format!("`{name}` is forbidden, but the workspace knows no such package: is it misspelt?")
        })
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    const RULE: Rule = Rule { package: "a", features: &[], must: &["a", "serde"], never: &["sled"] };

    #[test]
    fn a_forbidden_dependency_is_named() {
        let found = names("a v0.1.0 (/x)\nserde v1.0.0\nsled v0.34.7 (*)\n");
        assert_eq!(broken(&RULE, &found), ["`a` must not need `sled`"]);
    }

    #[test]
    fn an_answer_without_the_expected_names_does_not_pass() {
        assert_eq!(broken(&RULE, &names("")).len(), 2);
        assert_eq!(broken(&RULE, &names("a v0.1.0\nserde v1.0.0")), Vec::<String>::new());
        assert_eq!(broken(&RULE, &names("a v0.1.0\nserde_core v1.0.0")).len(), 1);
    }

    #[test]
    fn a_misspelt_prohibition_does_not_pass() {
        let manifest = "linggong-engine = {}\nlinggong-projections = {}\nlinggong-gateway = {}\naxum = \"0.8\"\ntokio = {}\n";
        assert_eq!(misspelt(manifest).len(), 1);
        assert!(misspelt(manifest)[0].contains("`sled`"));
    }
}
