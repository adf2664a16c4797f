//! How values that stand on the wire as one text are read.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a value from its text where it stands, without a copy of the text.
pub(crate) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Text(PhantomData))
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// What no lower-case hexadecimal digit stands for.
const NO_DIGIT: u8 = 0xFF;

/// What each byte stands for as a lower-case hexadecimal digit: one value has one spelling.
const HEX: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The bytes that so many lower-case hexadecimal digits stand for.
pub(crate) fn of_hex<const N: usize, const DIGITS: usize>(digits: &[u8; DIGITS]) -> Option<[u8; N]> {
    const { assert!(DIGITS == 2 * N, "two digits for each byte") };
    let (mut bytes, mut seen) = ([0; N], 0);
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|it| HEX[usize::from(it)]);
        // Asked once for all of them: a digit is below 16, what is none is not.
        seen |= high | low;
        *byte = high << 4 | low & 0xF;
    }
    (seen < 16).then_some(bytes)
}
