//! Pure functions that lift the data of an older version of an event type to the next.
//!
//! A landed version is never edited: a change of form is a new version and a step here.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::id::Kind;

/// One step: data of `from` becomes data of `from + 1`.
struct Step {
    kind: Kind,
    name: &'static str,
    from: u32,
    lift: fn(&mut Map<String, Value>),
}

/// Every step there is, oldest first within a type.
const STEPS: &[Step] = &[];

/// The version that the steps lead to from `version`, and the data lifted to it; `None` where no step applied.
pub(crate) fn lift(
    kind: Kind,
    name: &str,
    version: u32,
    data: &str,
) -> Result<(u32, Option<Box<RawValue>>), serde_json::Error> {
    lift_by(STEPS, kind, name, version, data)
}

fn lift_by(
    steps: &[Step],
    kind: Kind,
    name: &str,
    version: u32,
    data: &str,
) -> Result<(u32, Option<Box<RawValue>>), serde_json::Error> {
    let mut reached = version;
    let mut lifted: Option<Map<String, Value>> = None;
    for step in steps.iter().filter(|step| step.kind == kind && step.name == name) {
        if step.from == reached {
            let mut object = match lifted.take() {
                Some(object) => object,
                None => serde_json::from_str(data)?,
            };
            (step.lift)(&mut object);
            lifted = Some(object);
            reached += 1;
        }
    }
    let lifted = lifted.map(|object| serde_json::value::to_raw_value(&object)).transpose()?;
    Ok((reached, lifted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 2] = [
        Step {
            kind: Kind::Hire,
            name: "agreed",
            from: 1,
            lift: |data| drop(data.insert("b".into(), 2.into())),
        },
        Step {
            kind: Kind::Hire,
            name: "agreed",
            from: 2,
            lift: |data| drop(data.insert("c".into(), 3.into())),
        },
    ];

    fn lift(version: u32, data: &str) -> Result<(u32, Option<String>), serde_json::Error> {
        lift_by(&STEPS, Kind::Hire, "agreed", version, data)
            .map(|(reached, data)| (reached, data.map(|it| it.to_string())))
    }

    #[test]
    fn data_climbs_every_step_from_its_own_version() {
        assert_eq!(lift(1, r#"{"a":1}"#).unwrap(), (3, Some(r#"{"a":1,"b":2,"c":3}"#.into())));
        assert_eq!(lift(2, r#"{"a":1}"#).unwrap(), (3, Some(r#"{"a":1,"c":3}"#.into())));
        assert_eq!(lift(3, r#"{"a":1}"#).unwrap(), (3, None), "already the newest");
        assert_eq!(lift(0, r#"{"a":1}"#).unwrap(), (0, None), "no step leads on from there");
    }

    proptest! {
        /// As fuzz targets for decoders: there is no step in use yet, so this is the mechanism on steps of a test.
        #[test]
        fn whatever_stands_as_data_is_lifted_to_json_or_refused(text in ".{0,40}|\\{\"[a-c]\":[0-9e.\"\\[{]{0,12}\\}?", version in 0_u32..5) {
            if let Ok((reached, lifted)) = lift(version, &text) {
                prop_assert!(reached >= version && reached <= version.max(3));
                if let Some(lifted) = lifted {
                    let object: Map<String, Value> = serde_json::from_str(&lifted).unwrap();
                    prop_assert_eq!(object.get("c"), Some(&Value::from(3)));
                }
            }
        }
    }

    #[test]
    fn data_that_is_no_object_is_refused_before_any_step_touches_it() {
        for data in ["[]", "1", "null", r#""b""#] {
            assert!(lift(1, data).is_err(), "{data}");
        }
    }
}
