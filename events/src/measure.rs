//! Units: money, distance, positions and versions, each with a type of its own.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The greatest integer that every JSON reader keeps exactly (2^53 − 1).
pub const MAX_JSON_INTEGER: i64 = (1 << 53) - 1;

/// Money in 分 (1/100 yuan).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Fen(pub i64);

impl Fen {
    /// No money.
    pub const ZERO: Fen = Fen(0);

    /// The sum, or `None` where it leaves the range that JSON readers keep exactly.
    pub fn plus(self, other: Fen) -> Option<Fen> {
        in_json_range(self.0.checked_add(other.0)?)
    }

    /// The difference, or `None` out of range.
    pub fn minus(self, other: Fen) -> Option<Fen> {
        in_json_range(self.0.checked_sub(other.0)?)
    }

    /// The product, or `None` out of range.
    pub fn times(self, factor: i64) -> Option<Fen> {
        in_json_range(self.0.checked_mul(factor)?)
    }
}

fn in_json_range(fen: i64) -> Option<Fen> {
    (-MAX_JSON_INTEGER..=MAX_JSON_INTEGER).contains(&fen).then_some(Fen(fen))
}

impl fmt::Display for Fen {
    /// Yuan with two decimals, as the office writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

impl FromStr for Fen {
    type Err = BadMoney;

    /// Reads yuan with at most two decimals (`280`, `280.5`, `280.50`), as on the office's forms.
    fn from_str(text: &str) -> Result<Fen, BadMoney> {
        let bad = || BadMoney { text: text.chars().take(32).collect() };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (yuan, fen) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if yuan.is_empty() || !all_digits(yuan) || !all_digits(fen) || fen.len() > 2 {
            return Err(bad());
        }
        let yuan: i64 = yuan.parse().map_err(|_| bad())?;
        let fen: i64 = format!("{fen:0<2}").parse().map_err(|_| bad())?;
        Fen(yuan)
            .times(100)
            .and_then(|whole| whole.plus(Fen(fen)))
            .and_then(|sum| sum.times(sign))
            .ok_or_else(bad)
    }
}

/// A text that is no sum of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a sum in yuan with at most two decimals")]
pub struct BadMoney {
    /// What was given, shortened.
    pub text: String,
}

/// A distance in whole metres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Metres(pub u32);

impl Metres {
    /// The sum; beyond what the type holds it stays at the greatest.
    pub const fn plus(self, other: Metres) -> Metres {
        Metres(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Metres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} m", self.0)
    }
}

/// Declares a counter that counts from 1 and is written as a string of digits on the wire.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The counter one further on.
            pub const fn next(self) -> $name { $name(self.0 + 1) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl FromStr for $name {
            type Err = BadCounter;
            /// Accepts only the one spelling it is written in: no sign, no zero in front.
            fn from_str(text: &str) -> Result<$name, BadCounter> {
                let bad = || BadCounter { text: text.chars().take(24).collect() };
                if text.starts_with('+') || (text.starts_with('0') && text != "0") {
                    return Err(bad());
                }
                text.parse().map($name).map_err(|_| bad())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                crate::text::parsed(deserializer)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{1,20}$" })
            }
        }
    };
}

/// A text that is no position or version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a counter: expected digits without a zero in front")]
pub struct BadCounter {
    /// What was given, shortened.
    pub text: String,
}

counter! {
    /// The place of an event in its partition: 1..n without gaps; 0 means "before the first".
    Position
}
counter! {
    /// The place of an event among those of its own entity: 1..n without gaps.
    Version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_the_forms_write_it() {
        for (text, fen) in [("280", 28_000), ("280.5", 28_050), ("0.05", 5), ("-1.20", -120)] {
            assert_eq!(text.parse(), Ok(Fen(fen)), "{text}");
        }
        for text in ["", ".", "1.234", "1e3", "1,000", "１", "99999999999999999"] {
            assert!(text.parse::<Fen>().is_err(), "{text}");
        }
        assert_eq!(Fen(28_005).to_string(), "280.05");
        assert_eq!(Fen(-5).to_string(), "-0.05");
    }

    #[test]
    fn a_position_has_one_spelling() {
        assert_eq!("118".parse(), Ok(Position(118)));
        for text in ["", "0118", "+118", " 118", "１１８", "18446744073709551616"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
