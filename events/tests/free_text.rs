//! What departments or anybody may read holds no free words in which personal data could stand: text is a typed id or
//! code, sealed, or stands in the list below with the reason why it may be free.

use std::collections::BTreeSet;

use linggong_events::Event;
use linggong_events::audience::Audience;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Free text that may be read, by event or type and field, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    ("market.registered.name", "a market's own name, in the public register"),
    ("market.registered.operator", "an organisation that runs a market, in the public register"),
    ("market.reclassified.reason", "the public act of an office about a market: no person is its matter"),
    ("market.closed.reason", "the public act of an office about a market: no person is its matter"),
    ("office.registered.name", "an office's own name"),
    ("employer.restricted.authority", "names the authority that restricted"),
    ("employer.restricted.basis", "names the paper and article of the restriction"),
    ("employer.restriction_lifted.basis", "names the paper that lifted it"),
    ("posting.published.relation_basis", "written by the engine from its own phrases"),
    ("posting.changed.relation_basis", "written by the engine from its own phrases"),
    ("PostingTerms.text", "the words of the posting itself, shown to everybody and checked before"),
    ("PostingTerms.address", "the place of work, shown to everybody; of a home the township only"),
    ("PayTerms.unit", "a piece: `袋`, at most ten letters"),
    ("HireTerms.relation_basis", "written by the engine from its own phrases"),
    ("HireTerms.person_tokens.*", "a keyed hash, under a key of the reading department"),
    ("hire.agreement_signed.template", "names a template of an agreement"),
    ("Sealed.box", "sealed under the person's own key"),
    ("insurance.applied.insurer", "an insurance company's name"),
    ("insurance.applied.product", "an insurance product's name"),
    ("insurance.confirmed.policy", "the number of a policy"),
    ("rules.adopted.name", "names a rule pack: letters, digits, `-`, `.`"),
    ("rules.adopted.digest", "the digest of a rule pack"),
    ("rules.adopted.reason", "the public act of an office about rules: no person is its matter"),
];

#[test]
fn no_event_that_leaves_the_house_has_free_words_without_a_reason() {
    let mut found = BTreeSet::new();
    for event in Event::types() {
        match event.audience {
            Audience::Never => continue,
            Audience::Open | Audience::Departments(_) => {}
        }
        let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
        let schema = Value::from((event.schema)(&mut generator));
        let definitions = Value::from(generator.take_definitions(true));
        free_text(&event.short_name(), &schema, &definitions, &mut BTreeSet::new(), &mut found);
    }
    let allowed: BTreeSet<String> = ALLOWED.iter().map(|(field, _)| (*field).to_owned()).collect();
    let free: Vec<_> = found.difference(&allowed).collect();
    assert!(free.is_empty(), "make these codes, seal them, or say here why they may be free: {free:#?}");
    let stale: Vec<_> = allowed.difference(&found).collect();
    assert!(stale.is_empty(), "these are no free text any more: {stale:#?}");
}

/// Collects every place below `schema` where any text may stand. What is defined by name as a text (an id, a date, a
/// code) is typed: its parser refuses anything else.
fn free_text(
    path: &str,
    schema: &Value,
    definitions: &Value,
    seen: &mut BTreeSet<String>,
    found: &mut BTreeSet<String>,
) {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        let target = &definitions[name];
        assert!(!target.is_null(), "{path}: no definition `{name}`");
        if !is_text(target) && seen.insert(name.to_owned()) {
            free_text(name, target, definitions, seen, found);
        }
        return;
    }
    if is_text(schema) && ["const", "enum", "format", "pattern"].iter().all(|it| schema.get(it).is_none()) {
        found.insert(path.to_owned());
    }
    for (field, part) in schema["properties"].as_object().into_iter().flatten() {
        free_text(&format!("{path}.{field}"), part, definitions, seen, found);
    }
    if schema["additionalProperties"].is_object() {
        free_text(&format!("{path}.*"), &schema["additionalProperties"], definitions, seen, found);
    }
    if schema["items"].is_object() {
        free_text(path, &schema["items"], definitions, seen, found);
    }
    for word in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for part in schema[word].as_array().into_iter().flatten() {
            free_text(path, part, definitions, seen, found);
        }
    }
}

fn is_text(schema: &Value) -> bool {
    match &schema["type"] {
        Value::String(it) => it == "string",
        Value::Array(all) => all.iter().any(|it| it == "string"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
