//! How that is written which nobody reads but us and which the log can always give again: rows of views and
//! snapshots of the engine's state. The only bincode there is.
//!
//! A row is `[magic u8][schema u16][crc32 u32][bincode]`. The checksum covers key, schema and body: a row that
//! stands under another key is not one. Facts are never written so: events are JSON.

use std::io;

use bincode::config::{Configuration, Limit, LittleEndian, NoLimit, Varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::commit::Digest;

const MAGIC: u8 = 0xA7;
const HEADER: usize = 7;
/// Frozen: another configuration is another magic byte.
const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_ROW_BYTES>> =
    bincode::config::standard().with_limit::<MAX_ROW_BYTES>();
/// The longest body of a row.
const MAX_ROW_BYTES: usize = 16 << 20;
/// For bodies whose digest was checked before they are read: nothing in them is longer than they are.
const WHOLE: Configuration<LittleEndian, Varint, NoLimit> = bincode::config::standard();

/// Why bytes are not the row they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadRow {
    /// Shorter than a header, or of another magic byte.
    #[error("it has no header of ours")]
    Header,
    /// Written by another version of the view.
    #[error("it is of another schema")]
    Schema,
    /// Its bytes are not those that were written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right, but the body is not of the row's form.
    #[error("its body is not of the row's form")]
    Body,
}

/// Writes a row.
///
/// # Panics
/// Where a row type cannot be written by bincode at all; every row type has a test.
pub fn encode(schema: u16, key: &[u8], row: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![MAGIC, 0, 0, 0, 0, 0, 0];
    bytes[1..3].copy_from_slice(&schema.to_be_bytes());
    let body = bincode::serde::encode_to_vec(row, CONFIG)
        .unwrap_or_else(|error| panic!("a row type that bincode cannot write: {error}"));
    bytes.extend_from_slice(&body);
    let sum = checksum(key, &bytes[1..3], &bytes[HEADER..]);
    bytes[3..HEADER].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Reads a row back, or says why it is none.
pub fn decode<R: DeserializeOwned>(schema: u16, key: &[u8], bytes: &[u8]) -> Result<R, BadRow> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else { return Err(BadRow::Header) };
    if header[0] != MAGIC {
        return Err(BadRow::Header);
    }
    if header[3..] != checksum(key, &header[1..3], body).to_be_bytes() {
        return Err(BadRow::Checksum);
    }
    if header[1..3] != schema.to_be_bytes() {
        return Err(BadRow::Schema);
    }
    match bincode::serde::decode_from_slice(body, CONFIG) {
        Ok((row, read)) if read == body.len() => Ok(row),
        Ok(_) | Err(_) => Err(BadRow::Body),
    }
}

/// Writes a value whole; equal values give equal bytes on every machine, where its maps are ordered.
///
/// # Panics
/// Where the type cannot be written by bincode at all.
pub fn write_whole(value: &impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, WHOLE)
        .unwrap_or_else(|error| panic!("a type that bincode cannot write: {error}"))
}

/// Reads a value back that [`write_whole`] wrote; its bytes must have been checked before.
pub fn read_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadRow> {
    match bincode::serde::decode_from_slice(bytes, WHOLE) {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) | Err(_) => Err(BadRow::Body),
    }
}

/// SHA-256 of the bytes that [`write_whole`] would give.
///
/// # Panics
/// Where the type cannot be written by bincode at all.
pub fn digest_of_whole(value: &impl Serialize) -> Digest {
    let mut hasher = Hasher(Sha256::new());
    bincode::serde::encode_into_std_write(value, &mut hasher, WHOLE)
        .unwrap_or_else(|error| panic!("a type that bincode cannot write: {error}"));
    Digest::from_sha256(hasher.0.finalize().into())
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn checksum(key: &[u8], schema: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u32).to_be_bytes());
    hasher.update(key);
    hasher.update(schema);
    hasher.update(body);
    hasher.finalize()
}

/// For fields whose own form is made for JSON (absent fields, tagged variants): in a row they stand as JSON text.
///
/// bincode is not self-describing, so it cannot read such forms back; towards people nothing changes.
pub mod as_written {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the value as JSON text, where the form is not read by people.
    pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return value.serialize(serializer);
        }
        let text = serde_json::to_string(value).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }

    /// Reads what [`serialize`] wrote.
    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            return T::deserialize(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(serde::de::Error::custom)
    }
}

/// JSON that is kept and shown as it was written, and looked into by nobody on the way; in a row it stands as its text.
#[derive(Clone, Debug)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Its text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl Default for Json {
    fn default() -> Json {
        Json(RawValue::NULL.to_owned())
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Json {
        Json(raw)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        if deserializer.is_human_readable() {
            return Box::deserialize(deserializer).map(Json);
        }
        RawValue::from_string(String::deserialize(deserializer)?).map(Json).map_err(serde::de::Error::custom)
    }
}

/// [`as_written`] for the values of a map whose keys are no texts.
pub mod values_as_written {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes each value as JSON text.
    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = |(key, value)| serde_json::to_string(value).map(|text| (key, text));
        let pairs: Result<Vec<(&K, String)>, _> = map.iter().map(written).collect();
        pairs.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    /// Reads what [`serialize`] wrote.
    pub fn deserialize<'de, K: Deserialize<'de> + Ord, V: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        let pairs = Vec::<(K, String)>::deserialize(deserializer)?;
        let read = |(key, text): (K, String)| serde_json::from_str(&text).map(|value| (key, value));
        pairs.into_iter().map(read).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::measure::Fen;
    use crate::posting::{PayDue, PayKind, PayTerms};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        amount: Fen,
        #[serde(with = "as_written")]
        pay: PayTerms,
        note: Option<String>,
    }

    fn row() -> Row {
        let pay = PayTerms {
            pay_kind: PayKind::Day,
            rate: Fen(28_000),
            unit: None,
            usual_day: None,
            due: PayDue::WithinDays { days: 3 },
        };
        Row { amount: Fen(-5), pay, note: None }
    }

    #[test]
    fn a_row_reads_back_as_written() {
        let bytes = encode(3, b"key", &row());
        assert_eq!(decode::<Row>(3, b"key", &bytes), Ok(row()));
        assert_eq!(decode::<Row>(4, b"key", &bytes), Err(BadRow::Schema));
        assert_eq!(decode::<Row>(3, b"kez", &bytes), Err(BadRow::Checksum), "under another key");
        assert_eq!(decode::<Row>(3, b"key", &bytes[..6]), Err(BadRow::Header));
    }

    #[test]
    fn json_is_kept_as_it_was_written_in_rows_and_towards_people() {
        let text = r#"{ "b":1, "a":"零工" }"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let bytes = encode(1, b"k", &json);
        assert_eq!(decode::<Json>(1, b"k", &bytes), Ok(json.clone()));
        assert_eq!((json.text(), serde_json::to_string(&json).unwrap().as_str()), (text, text));
        assert_eq!(Json::default().text(), "null");
        let no_json = encode(1, b"k", &"{");
        assert_eq!(decode::<Json>(1, b"k", &no_json), Err(BadRow::Body));
    }

    #[test]
    fn the_bytes_of_a_row_are_frozen() {
        let bytes = encode(1, b"k", &(7u32, "派工", Some(Fen(300))));
        assert_eq!(hex::encode(bytes), "a7000136c89e270706e6b4bee5b7a501fb5802");
    }

    #[test]
    fn a_whole_value_reads_back_and_its_digest_is_that_of_its_bytes() {
        let rows: std::collections::BTreeMap<u32, Row> = (0..300).map(|n| (n, row())).collect();
        let bytes = write_whole(&rows);
        assert_eq!(read_whole(&bytes), Ok(rows));
        assert_eq!(digest_of_whole(&bytes[..].len()), Digest::of(&write_whole(&bytes.len())));
        assert_eq!(read_whole::<Vec<Row>>(&bytes[..bytes.len() - 1]), Err(BadRow::Body));
    }

    #[test]
    fn no_flipped_bit_is_read_as_a_row() {
        let bytes = encode(1, b"key", &row());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(decode::<Row>(1, b"key", &bad).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}
