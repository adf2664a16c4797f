//! Pure functions that lift the data of an older version of an event type to the next.
//!
//! A landed version is never edited: a change of form is a new version and a step here.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::Kind;

/// One step: data of `from` becomes data of `from + 1`.
struct Step {
    kind: Kind,
    name: &'static str,
    from: u32,
    lift: fn(Value) -> Value,
}

/// Every step there is, oldest first within a type.
const STEPS: &[Step] = &[];

/// The data lifted to the newest version, or `None` where it already is of it.
pub(crate) fn lift(
    kind: Kind,
    name: &str,
    version: u32,
    data: &RawValue,
) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    lift_by(STEPS, kind, name, version, data)
}

fn lift_by(
    steps: &[Step],
    kind: Kind,
    name: &str,
    version: u32,
    data: &RawValue,
) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    let mut at = version;
    let mut lifted: Option<Value> = None;
    for step in steps.iter().filter(|step| step.kind == kind && step.name == name) {
        if step.from == at {
            let value = match lifted.take() {
                Some(value) => value,
                None => serde_json::from_str(data.get())?,
            };
            lifted = Some((step.lift)(value));
            at += 1;
        }
    }
    lifted.map(|value| serde_json::value::to_raw_value(&value)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_climbs_every_step_from_its_own_version() {
        let steps = [
            Step {
                kind: Kind::Hire,
                name: "agreed",
                from: 1,
                lift: |mut v| {
                    v["b"] = 2.into();
                    v
                },
            },
            Step {
                kind: Kind::Hire,
                name: "agreed",
                from: 2,
                lift: |mut v| {
                    v["c"] = 3.into();
                    v
                },
            },
        ];
        let raw = RawValue::from_string(r#"{"a":1}"#.into()).unwrap();
        let lift =
            |version| lift_by(&steps, Kind::Hire, "agreed", version, &raw).unwrap().map(|it| it.to_string());
        assert_eq!(lift(1).as_deref(), Some(r#"{"a":1,"b":2,"c":3}"#));
        assert_eq!(lift(2).as_deref(), Some(r#"{"a":1,"c":3}"#));
        assert_eq!(lift(3), None, "already the newest");
    }
}
