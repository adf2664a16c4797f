//! The words of the office: every label that a person reads comes from `docs/glossary.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use linggong_events::case::DeadlineOf;

const SOURCE: &str = include_str!("../../docs/glossary.md");

/// The language of a text for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lang {
    /// 简体中文.
    #[default]
    Zh,
    /// English.
    En,
}

type Rows = BTreeMap<(&'static str, &'static str), [&'static str; 2]>;

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let mut rows = Rows::new();
    let mut section = "";
    for line in SOURCE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            section = name.trim();
        }
        let Some(cells) = line.strip_prefix("| ") else { continue };
        let mut cells = cells.split('|').map(str::trim);
        if let (Some(key), Some(zh), Some(en)) = (cells.next(), cells.next(), cells.next()) {
            rows.insert((section, key), [zh, en]);
        }
    }
    rows
});

/// The label of `key` in a section of the glossary.
pub fn label(section: &str, key: &str, lang: Lang) -> Option<&'static str> {
    let row = ROWS.get(&(section, key))?;
    Some(match lang {
        Lang::Zh => row[0],
        Lang::En => row[1],
    })
}

/// What a deadline of a case is for: a row of the rule pack by its name, else in words.
pub fn deadline(of: &DeadlineOf, lang: Lang) -> String {
    let word = |key| label("screens", key, lang).unwrap_or(key);
    match of {
        DeadlineOf::Row(row) => row.clone(),
        DeadlineOf::Document(number) => format!("{} {number}", word("DeadlineOf.document")),
        DeadlineOf::Supplement(_) => word("DeadlineOf.supplement").to_owned(),
        DeadlineOf::Settlement(_) => word("DeadlineOf.settlement").to_owned(),
    }
}

/// The language that an `Accept-Language` asks for: English where it comes before Chinese, else Chinese.
pub fn accepted(header: Option<&str>) -> Lang {
    let mut tags = header.unwrap_or_default().split(',').map(|tag| tag.trim().to_ascii_lowercase());
    match tags.find(|tag| tag.starts_with("zh") || tag.starts_with("en")) {
        Some(tag) if tag.starts_with("en") => Lang::En,
        Some(_) | None => Lang::Zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_we_speak_is_taken() {
        assert_eq!(accepted(None), Lang::Zh);
        assert_eq!(accepted(Some("de, en-GB;q=0.9, zh;q=0.8")), Lang::En);
        assert_eq!(accepted(Some("zh-CN,en")), Lang::Zh);
        assert_eq!(label("kinds", "hire", Lang::En), Some("hire"));
    }

    #[test]
    fn every_command_and_refusal_has_its_words() {
        let commands = linggong_engine::command::Command::types().map(|it| ("commands", it.name()));
        let refusals =
            linggong_engine::refusal::Refusal::CODES.iter().map(|(code, _)| ("refusals", (*code).to_owned()));
        let own = crate::http::CODES.iter().map(|code| ("refusals", (*code).to_owned()));
        let missing: Vec<_> = commands
            .chain(refusals)
            .chain(own)
            .filter(|(section, key)| label(section, key, Lang::Zh).is_none())
            .collect();
        assert!(missing.is_empty(), "docs/glossary.md lacks {missing:?}");
    }
}
