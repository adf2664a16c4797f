//! As much of JSON Schema as the types of events use, and one demand more: nothing optional is left out.

use serde_json::{Map, Value};

/// The first place where `data` does not conform, with the reason.
pub(crate) fn problem(data: &Value, schema: &Value, definitions: &Map<String, Value>) -> Option<String> {
    check(data, schema, definitions).err()
}

fn check(data: &Value, schema: &Value, definitions: &Map<String, Value>) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        return if schema == &Value::Bool(false) { Err("nothing may stand here".into()) } else { Ok(()) };
    };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.strip_prefix("#/$defs/").ok_or("a reference outwards")?;
        check(data, definitions.get(name).ok_or("a reference to nothing")?, definitions)?;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(Value::Array(ways)) = schema.get(word) {
            let failures: Vec<String> =
                ways.iter().filter_map(|way| check(data, way, definitions).err()).collect();
            if failures.len() == ways.len() {
                return Err(format!("no way fits: {}", failures.join(" | ")));
            }
        }
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(data)
    {
        return Err(format!("{data} is none of the allowed"));
    }
    if schema.get("const").is_some_and(|it| it != data) {
        return Err(format!("{data} is not the constant"));
    }
    match schema.get("type") {
        Some(Value::String(name)) if !is_of(data, name) => return Err(format!("{data} is no {name}")),
        Some(Value::Array(names)) if !names.iter().filter_map(Value::as_str).any(|it| is_of(data, it)) => {
            return Err(format!("{data} is of no allowed type"));
        }
        _ => {}
    }
    if let Some(number) = data.as_f64() {
        let bound = |word| schema.get(word).and_then(Value::as_f64);
        if bound("minimum").is_some_and(|it| number < it) || bound("maximum").is_some_and(|it| number > it) {
            return Err(format!("{data} is out of bounds"));
        }
    }
    match data {
        Value::Null => Err("null: an optional field is absent instead".into()),
        Value::Object(fields) => check_fields(fields, schema, definitions),
        Value::Array(items) => match schema.get("items") {
            Some(item) => items.iter().enumerate().try_for_each(|(n, it)| {
                check(it, item, definitions).map_err(|problem| format!("[{n}] {problem}"))
            }),
            None => Ok(()),
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn check_fields(
    fields: &Map<String, Value>,
    schema: &Map<String, Value>,
    definitions: &Map<String, Value>,
) -> Result<(), String> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("`{name}` is required"));
        }
    }
    // A map with keys of a closed set lists them all as properties and forbids others; it need not be full.
    if required.is_some()
        && let Some(name) = properties.keys().find(|it| !fields.contains_key(*it))
    {
        return Err(format!("the sample leaves out the optional `{name}`"));
    }
    for (name, value) in fields {
        let found = properties.get(name).or_else(|| schema.get("additionalProperties"));
        if let Some(inner) = found {
            check(value, inner, definitions).map_err(|problem| format!("{name}: {problem}"))?;
        }
    }
    Ok(())
}

fn is_of(data: &Value, name: &str) -> bool {
    match name {
        "object" => data.is_object(),
        "array" => data.is_array(),
        "string" => data.is_string(),
        "integer" => data.is_i64() || data.is_u64(),
        "boolean" => data.is_boolean(),
        "null" => data.is_null(),
        _ => false,
    }
}
