//! The glossary holds a label for everything that is shown, and nothing that no longer exists.

use std::collections::{BTreeMap, BTreeSet};

use linggong_engine::matching::Excluded;
use linggong_events::Event;
use linggong_events::envelope::{Channel, FiledBasis};
use linggong_events::id::Kind;
use linggong_events::occupation::{CertificateKind, Occupation};
use linggong_events::office::Role;
use linggong_events::person::PersonField;
use schemars::SchemaGenerator;
use serde_json::Value;

const GLOSSARY: &str = include_str!("../docs/glossary.md");

struct Label {
    zh: &'static str,
    en: &'static str,
}

type Sections = BTreeMap<&'static str, BTreeMap<&'static str, Label>>;

/// Reads the form that the head of the glossary describes; anything else in a section is a fault.
fn read(text: &'static str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut section: Option<&'static str> = None;
    for (n, line) in text.lines().enumerate() {
        let fault = |what: &str| Err(format!("line {}: {what}: {line}", n + 1));
        if let Some(name) = line.strip_prefix("## ") {
            if sections.insert(name, BTreeMap::new()).is_some() {
                return fault("this section stands twice");
            }
            section = Some(name);
            continue;
        }
        let Some(rows) = section.and_then(|name| sections.get_mut(name)) else { continue };
        if line.is_empty() || line == "| key | 中文 | English | note |" || line == "|---|---|---|---|" {
            continue;
        }
        let cells: Vec<&'static str> = line.split('|').map(str::trim).collect();
        let ["", key, zh, en, _note, ""] = cells[..] else { return fault("not a row of four cells") };
        if key.is_empty() || zh.is_empty() || en.is_empty() {
            return fault("an empty label");
        }
        if rows.insert(key, Label { zh, en }).is_some() {
            return fault("this key stands twice");
        }
    }
    Ok(sections)
}

fn keys(section: &str) -> BTreeSet<String> {
    let sections = read(GLOSSARY).expect("the glossary is of its form");
    sections[section].keys().map(|key| key.to_string()).collect()
}

#[track_caller]
fn assert_same(section: &str, expected: BTreeSet<String>) {
    let there = keys(section);
    let missing: Vec<_> = expected.difference(&there).collect();
    let stale: Vec<_> = there.difference(&expected).collect();
    assert!(missing.is_empty(), "docs/glossary.md, {section}: no row for {missing:?}");
    assert!(stale.is_empty(), "docs/glossary.md, {section}: rows for what does not exist: {stale:?}");
}

fn snake<T: serde::Serialize>(value: T) -> String {
    let value = serde_json::to_value(value).expect("a code can be serialized");
    value.as_str().expect("a code is a text").to_owned()
}

/// What the schemas of all event types say: their fields, and their codes as `Type.code`.
#[derive(Default)]
struct Said {
    fields: BTreeSet<String>,
    codes: BTreeSet<String>,
}

impl Said {
    fn by_all_events() -> Said {
        let mut generator = SchemaGenerator::default();
        let mut said = Said::default();
        for event in Event::types() {
            let schema = (event.schema)(&mut generator).to_value();
            said.take(&event.schema_name(), &schema);
        }
        let definitions = generator.take_definitions(true);
        said.take_definitions(&definitions);
        said
    }

    fn by_type<T: schemars::JsonSchema>(name: &str) -> BTreeSet<String> {
        let mut said = Said::default();
        said.take(name, &T::json_schema(&mut SchemaGenerator::default()).to_value());
        said.codes
    }

    fn take_definitions(&mut self, definitions: &serde_json::Map<String, Value>) {
        for (name, schema) in definitions {
            self.take(name, schema);
        }
    }

    fn take(&mut self, owner: &str, schema: &Value) {
        for code in schema.get("const").into_iter().chain(schema["enum"].as_array().into_iter().flatten()) {
            self.codes.extend(code.as_str().map(|code| format!("{owner}.{code}")));
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            self.take(owner, choice);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.fields.insert(name.clone());
            self.take(owner, property);
        }
    }
}

/// The attributes of the envelope and the columns of views, which no schema of event data names.
const OTHER_FIELDS: &[&str] = &[
    "audience",
    "basedon",
    "causation",
    "channel",
    "commandid",
    "correlation",
    "days_overdue",
    "filedat",
    "filedbasis",
    "kind",
    "occurredat",
    "onbehalfof",
    "position",
    "receivedat",
    "sourcedoc",
    "status",
    "subject",
    "time",
    "type",
    "version",
];

#[test]
fn every_section_has_its_place() {
    let names: Vec<_> = read(GLOSSARY).unwrap().into_keys().collect();
    assert_eq!(
        names,
        [
            "codes",
            "commands",
            "events",
            "exclusions",
            "fields",
            "kinds",
            "refusals",
            "roles",
            "screens",
            "views"
        ]
    );
}

#[test]
fn every_kind_has_a_label() {
    assert_same("kinds", Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect());
}

#[test]
fn every_view_has_a_label() {
    assert_same("views", linggong_projections::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn every_event_type_has_a_label() {
    assert_same("events", Event::types().map(|it| it.short_name()).collect());
}

#[test]
fn every_role_has_a_label() {
    assert_same("roles", Role::ALL.iter().map(|role| snake(*role)).collect());
}

#[test]
fn every_code_that_events_hold_has_a_label() {
    let mut codes = Said::by_all_events().codes;
    codes.retain(|code| !code.starts_with("Role."));
    codes.extend(Said::by_type::<Channel>("Channel"));
    codes.extend(Said::by_type::<FiledBasis>("FiledBasis"));
    codes.extend(Said::by_type::<PersonField>("PersonField"));
    for expected in
        ["PayKind.day", "PayDue.on_date", "Occupation.bricklayer", "Channel.window", "PersonField.phone"]
    {
        assert!(codes.contains(expected), "the schemas no longer tell {expected}");
    }
    assert_same("codes", codes);
}

#[test]
fn every_rule_that_excludes_somebody_has_a_label() {
    let codes = Said::by_type::<Excluded>("");
    assert!(
        codes.contains(&format!(".{}", Excluded::LawfulBar.name())),
        "the schema no longer tells the rules"
    );
    assert_same("exclusions", codes.iter().map(|code| code.trim_start_matches('.').to_owned()).collect());
}

#[test]
fn every_field_that_events_hold_has_a_label() {
    let mut fields = Said::by_all_events().fields;
    assert!(
        fields.contains("outstanding") && fields.contains("lat_e6"),
        "the schemas no longer tell the fields"
    );
    fields.extend(OTHER_FIELDS.iter().map(|it| it.to_string()));
    assert_same("fields", fields);
}

#[test]
fn trades_and_certificates_are_called_as_on_the_forms() {
    let codes = &read(GLOSSARY).unwrap()["codes"];
    for trade in Occupation::all() {
        assert_eq!(codes[format!("Occupation.{trade}").as_str()].zh, trade.label());
    }
    for certificate in CertificateKind::all() {
        assert_eq!(codes[format!("CertificateKind.{certificate}").as_str()].zh, certificate.label());
    }
}

#[test]
fn chinese_labels_are_chinese_and_english_ones_are_not() {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for (key, label) in read(GLOSSARY).unwrap().values().flatten() {
        assert!(chinese(label.zh) && !chinese(label.en), "{key}: `{}` / `{}`", label.zh, label.en);
    }
}

#[test]
fn a_malformed_row_is_a_fault() {
    assert!(read("# Words\n\nany | text\n\n## kinds\n\n| a | 甲 | a | |\n").is_ok());
    for bad in ["| a | 甲 | | |", "| a | 甲 | a |", "text", "| a | 甲 | a | |\n| a | 甲 | a | |"] {
        let text: &'static str = String::leak(format!("## kinds\n\n{bad}\n"));
        assert!(read(text).is_err(), "{bad}");
    }
}
