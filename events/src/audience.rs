//! Who may read an event: declared per event type; the default is nobody outside.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The departments of clause (十三) that read events.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Department {
    /// 人力资源社会保障.
    Hrss,
    /// 社会保险经办.
    Si,
    /// 公安.
    Police,
    /// 住房城乡建设.
    Housing,
    /// 市场监督管理.
    Market,
    /// 卫生健康.
    Health,
    /// 财政.
    Finance,
}

impl Department {
    const NAMES: [(&'static str, Department); 7] = [
        ("hrss", Department::Hrss),
        ("si", Department::Si),
        ("police", Department::Police),
        ("housing", Department::Housing),
        ("market", Department::Market),
        ("health", Department::Health),
        ("finance", Department::Finance),
    ];

    /// The short name used in `audience` and in grants.
    pub fn name(self) -> &'static str {
        Department::NAMES[self as usize].0
    }
}

impl FromStr for Department {
    type Err = BadAudience;
    fn from_str(text: &str) -> Result<Department, BadAudience> {
        Department::NAMES.iter().find(|(name, _)| *name == text).map(|(_, it)| *it).ok_or(BadAudience)
    }
}

pub(crate) const OPEN: &str = "open";
pub(crate) const NEVER: &str = "never";
/// What the names of departments stand behind.
pub(crate) const DEPARTMENTS: &str = "dept:";

/// Who may read an event on the feed, in exports and on the event pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anybody with a credential.
    Open,
    /// The named departments.
    Departments(&'static [Department]),
    /// Nobody but the staff whom the views' own rules admit: never on the feed.
    Never,
}

impl Audience {
    /// Whether a reader of `department` (none: no department) may see such an event.
    pub fn admits(self, department: Option<Department>) -> bool {
        match self {
            Audience::Open => true,
            Audience::Departments(list) => department.is_some_and(|it| list.contains(&it)),
            Audience::Never => false,
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audience::Open => f.write_str(OPEN),
            Audience::Never => f.write_str(NEVER),
            Audience::Departments(list) => {
                f.write_str(DEPARTMENTS)?;
                for (n, department) in list.iter().enumerate() {
                    write!(f, "{}{}", if n == 0 { "" } else { "," }, department.name())?;
                }
                Ok(())
            }
        }
    }
}

/// Whether an audience as it was written, of whichever software, admits a reader of `department`.
pub fn admits(written: &str, department: Option<Department>) -> bool {
    match written.strip_prefix(DEPARTMENTS) {
        Some(list) => department.is_some_and(|it| list.split(',').any(|name| name == it.name())),
        None => is_open(written),
    }
}

/// Whether an audience as it was written is anybody with a credential.
pub fn is_open(written: &str) -> bool {
    written == OPEN
}

/// An audience as recorded in an event: kept as it was written, whatever the type declares today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAudience(Cow<'static, str>);

impl RecordedAudience {
    /// The audience of a new event.
    pub fn of(audience: Audience) -> RecordedAudience {
        RecordedAudience(match audience {
            Audience::Open => OPEN.into(),
            Audience::Never => NEVER.into(),
            Audience::Departments(_) => audience.to_string().into(),
        })
    }

    /// Whether a reader of `department` may see the event.
    pub fn admits(&self, department: Option<Department>) -> bool {
        admits(&self.0, department)
    }

    /// As written in the envelope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for RecordedAudience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for RecordedAudience {
    type Err = BadAudience;
    fn from_str(text: &str) -> Result<RecordedAudience, BadAudience> {
        let department = |name: &str| name.parse::<Department>().is_ok();
        match text {
            OPEN => Ok(RecordedAudience(OPEN.into())),
            NEVER => Ok(RecordedAudience(NEVER.into())),
            _ if text.strip_prefix(DEPARTMENTS).is_some_and(|list| list.split(',').all(department)) => {
                Ok(RecordedAudience(text.to_owned().into()))
            }
            _ => Err(BadAudience),
        }
    }
}

impl<'de> Deserialize<'de> for RecordedAudience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RecordedAudience, D::Error> {
        crate::text::parsed(deserializer)
    }
}

/// A text that names no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an audience: expected `open`, `never` or `dept:` and a list of departments")]
pub struct BadAudience;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_department_reads_only_what_names_it() {
        let audience = Audience::Departments(&[Department::Hrss, Department::Si]);
        assert_eq!(audience.to_string(), "dept:hrss,si");
        let recorded = RecordedAudience::of(audience);
        assert!(recorded.admits(Some(Department::Si)) && audience.admits(Some(Department::Si)));
        assert!(!recorded.admits(Some(Department::Police)) && !recorded.admits(None));
        assert!(!RecordedAudience::of(Audience::Never).admits(Some(Department::Hrss)));
        assert!(serde_json::from_str::<RecordedAudience>("\"dept:hrss,everybody\"").is_err());
    }
}
