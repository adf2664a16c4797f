//! The schemas that are served are those of the events that were written.

use std::fs;
use std::path::Path;

use linggong_events::Event;
use linggong_gateway::openapi::event_schema;
use serde_json::Value;

#[test]
fn the_data_of_every_golden_event_is_valid_by_the_schema_it_names() {
    for event in Event::types() {
        let name = event.schema_name();
        let validator = validator(&name);
        let golden = golden(&name);
        assert_eq!(golden["dataschema"], format!("/v1/schemas/{name}"));
        let faults: Vec<String> = validator
            .iter_errors(&golden["data"])
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}

#[test]
fn data_that_lacks_a_field_or_has_one_too_many_is_not_valid() {
    for event in Event::types() {
        let name = event.schema_name();
        let validator = validator(&name);
        let data = golden(&name)["data"].clone();
        let mut more = data.clone();
        more["of_another_world"] = Value::from(1);
        assert!(!validator.is_valid(&more), "{name} takes a field that it does not have");
        for field in event_schema(&name).unwrap()["required"].as_array().unwrap() {
            let mut less = data.clone();
            less.as_object_mut().unwrap().remove(field.as_str().unwrap());
            assert!(!validator.is_valid(&less), "{name} does without {field}");
        }
    }
}

fn validator(name: &str) -> jsonschema::Validator {
    let schema = event_schema(name).unwrap_or_else(|| panic!("no schema `{name}`"));
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("`{name}` is no schema: {error}"))
}

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/golden/{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{name}`: {error}"));
    serde_json::from_str(&text).expect("a golden file is JSON")
}
