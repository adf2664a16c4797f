//! Habits that no compiler checks: file names, unfinished code, numbered decisions, links that lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "common", "helpers", "types", "misc"];

/// Code that is not there, and tests that do not run. Written in two parts, so that this line is none of them.
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];

const MAX_ARCHITECTURE_LINES: usize = 150;

pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    walk(root, &mut files).map_err(|cause| format!("cannot read the sources: {cause}"))?;
    files.sort();
    let mut faults = Vec::new();
    for file in &files {
        let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
        let extension = file.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !matches!(extension, "rs" | "md") {
            continue;
        }
        let text = fs::read_to_string(file).map_err(|cause| format!("cannot read `{shown}`: {cause}"))?;
        if extension == "rs" {
            faults.extend(rust_faults(&shown, &text));
            continue;
        }
        let folder = file.parent().unwrap_or(root);
        let dead = links(&text).into_iter().filter(|it| !folder.join(it).exists());
        faults.extend(dead.map(|it| format!("{shown}: `{it}` leads nowhere")));
        if shown == "ARCHITECTURE.md" && text.lines().count() > MAX_ARCHITECTURE_LINES {
            faults.push(format!("{shown} is longer than {MAX_ARCHITECTURE_LINES} lines"));
        }
    }
    faults.extend(decision_faults(root)?);
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Every file that is ours: neither built, nor fetched, nor hidden.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || matches!(name.as_ref(), "target" | "node_modules") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn rust_faults(path: &str, text: &str) -> Vec<String> {
    let stem = Path::new(path).file_stem().and_then(|it| it.to_str()).unwrap_or_default();
    let name = EMPTY_NAMES.contains(&stem).then(|| format!("{path}: a name that says nothing"));
    let unfinished = text.lines().enumerate().flat_map(|(n, line)| {
        UNFINISHED
            .iter()
            .filter(move |word| line.contains(**word))
            .map(move |word| format!("{path}:{}: `{word}`", n + 1))
    });
    name.into_iter().chain(unfinished).collect()
}

/// The targets of relative links in Markdown, without their fragments; code blocks are not read.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(it, _)| it);
        found.extend(
            targets
                .filter(|it| !it.contains("://") && !it.starts_with("mailto:"))
                .map(|it| it.split('#').next().unwrap_or_default())
                .filter(|it| !it.is_empty()),
        );
    }
    found
}

/// Decisions are numbered from 1 without gaps, and the index names each.
fn decision_faults(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("docs/decisions");
    let cannot = |cause: std::io::Error| format!("cannot read docs/decisions: {cause}");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(cannot)? {
        names.push(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|it| it != "README.md");
    names.sort();
    let index = fs::read_to_string(folder.join("README.md")).map_err(cannot)?;
    let mut faults = numbering_faults(&names);
    let missing = names.iter().filter(|name| !index.contains(&format!("({name})")));
    faults.extend(missing.map(|name| format!("docs/decisions/README.md does not name {name}")));
    Ok(faults)
}

fn numbering_faults(sorted: &[String]) -> Vec<String> {
    let wrong = sorted.iter().enumerate().find(|(n, name)| {
        !(name.starts_with(&format!("{:04}-", n + 1))
            && name.ends_with(".md")
            && name.len() > "0000-.md".len())
    });
    wrong
        .map(|(n, name)| format!("docs/decisions/{name} should be number {:04}", n + 1))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn unfinished_code_and_empty_names_are_found() {
        let text = format!("fn a() {{\n    {}) }}\n", UNFINISHED[0]);
        assert_eq!(rust_faults("x/claim.rs", &text), [format!("x/claim.rs:2: `{}`", UNFINISHED[0])]);
        assert_eq!(rust_faults("x/utils.rs", ""), ["x/utils.rs: a name that says nothing"]);
        assert_eq!(rust_faults("x/claim.rs", "// nothing to do\n"), Vec::<String>::new());
    }

    #[test]
    fn only_relative_links_outside_code_are_followed() {
        let text = "[a](b.md#c) and [d](https://e.f) and [g](#h) [i](../j)\n```\n[k](l)\n```\n[m](n)";
        assert_eq!(links(text), ["b.md", "../j", "n"]);
    }

    #[test]
    fn decisions_have_no_gap_and_no_double() {
        let names = |list: &[&str]| list.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        assert!(numbering_faults(&names(&["0001-a.md", "0002-b.md"])).is_empty());
        assert_eq!(
            numbering_faults(&names(&["0001-a.md", "0003-b.md"])),
            ["docs/decisions/0003-b.md should be number 0002"]
        );
        assert_eq!(numbering_faults(&names(&["0001-a.md", "0001-b.md"])).len(), 1);
        assert_eq!(numbering_faults(&names(&["1-a.md"])).len(), 1);
    }
}
