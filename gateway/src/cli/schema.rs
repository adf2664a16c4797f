//! 格式: the JSON Schemas of events and commands, from the very types that are written and read.

use clap::Subcommand;
use linggong_engine::command::{Command, CommandType};
use linggong_events::event::{Event, EventType};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::exit::{Failure, Stop};
use super::output::{Column, Out, Show, column};

/// What can be asked about formats.
#[derive(Debug, Subcommand)]
pub enum SchemaVerb {
    /// Every event type and command.
    List,
    /// The JSON Schema (2020-12) of an event's data or a command's fields.
    Show {
        /// `hire.agreed`, `hire.agreed.v1` or `hire.register_on_site`.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(super) const SCHEMAS: &[Column] = &[
    column("name", "name", Show::Text),
    column("what", "what", Show::Code(&["SchemaOf"])),
    column("audience", "audience", Show::Text),
    column("roles", "roles", Show::Role),
];

pub(super) fn run(verb: &SchemaVerb, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        SchemaVerb::List => {
            let items: Vec<_> =
                Event::types().map(event_row).chain(Command::types().map(command_row)).collect();
            out.list(SCHEMAS, &json!({ "items": items }), &items)
        }
        SchemaVerb::Show { name } => match schema(name) {
            Some(schema) => out.json(&schema),
            None => Err(Failure::local(out.lang, "unknown_schema", name.clone()).into()),
        },
    }
}

fn event_row(it: &EventType) -> Value {
    json!({ "name": it.schema_name(), "what": "event", "audience": it.audience.to_string() })
}

fn command_row(it: &CommandType) -> Value {
    json!({ "name": it.name(), "what": "command", "roles": it.roles })
}

/// The schema of that name; a schema is a document of its own, its definitions within.
fn schema(name: &str) -> Option<Value> {
    let event = Event::types().find(|it| it.schema_name() == name || it.short_name() == name);
    if let Some(event) = event {
        return Some(document(&event.schema_name(), event.schema));
    }
    let command = Command::find(name)?;
    Some(document(&command.name(), command.schema))
}

fn document(name: &str, schema: fn(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = schema(&mut generator);
    let definitions = generator.take_definitions(true);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".to_owned(), json!(format!("/v1/schemas/{name}")));
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_a_document_whose_references_lead_somewhere() {
        let names: Vec<_> = Event::types()
            .map(EventType::schema_name)
            .chain(Command::types().map(CommandType::name))
            .collect();
        assert!(names.len() > 100);
        for name in names {
            let schema = schema(&name).unwrap();
            assert_eq!(schema["$id"], format!("/v1/schemas/{name}"));
            let mut open = vec![&schema];
            while let Some(value) = open.pop() {
                if let Some(pointer) = value.get("$ref").and_then(Value::as_str) {
                    let path = pointer.strip_prefix('#').unwrap();
                    assert!(schema.pointer(path).is_some(), "{name}: {pointer} leads nowhere");
                }
                open.extend(value.as_object().into_iter().flat_map(|it| it.values()));
                open.extend(value.as_array().into_iter().flatten());
            }
        }
    }

    #[test]
    fn an_event_is_found_under_its_name_with_and_without_its_version() {
        assert_eq!(schema("hire.agreed"), schema("hire.agreed.v1"));
        assert!(schema("hire.register_on_site").is_some());
        assert_eq!(schema("hire.agreed.v9"), None);
    }
}
