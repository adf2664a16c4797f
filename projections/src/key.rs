//! Tables and keys: bytes whose order is the order of what they say.

use std::marker::PhantomData;

use linggong_events::id::EntityRef;
use linggong_events::measure::Position;
use linggong_events::time::{Date, Timestamp};
use uuid::Uuid;

/// A table of a view: every key of it begins with its number. 0 is the store's own, 255 stays free.
pub(crate) struct Table<R>(u8, PhantomData<fn() -> R>);

impl<R> Table<R> {
    /// The table of that number within its view.
    pub(crate) const fn new(number: u8) -> Table<R> {
        assert!(number > 0 && number < u8::MAX, "numbers 0 and 255 are no tables of a view");
        Table(number, PhantomData)
    }

    /// The start of every key of the table.
    pub(crate) fn key(&self) -> Key<R> {
        Key { bytes: vec![self.0], row: PhantomData }
    }
}

/// A key, or the start of one, of a row `R`; each part has a fixed length or a terminator.
pub(crate) struct Key<R> {
    pub(crate) bytes: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

impl<R> Key<R> {
    fn and(mut self, part: &[u8]) -> Key<R> {
        self.bytes.extend_from_slice(part);
        self
    }

    pub(crate) fn id(self, id: Uuid) -> Key<R> {
        self.and(id.as_bytes())
    }

    /// Four-digit years make the text order the order of dates.
    pub(crate) fn date(self, date: Date) -> Key<R> {
        self.and(date.to_string().as_bytes())
    }

    pub(crate) fn instant(self, at: Timestamp) -> Key<R> {
        self.and(&at.ms().to_be_bytes())
    }

    pub(crate) fn position(self, position: Position) -> Key<R> {
        self.and(&position.0.to_be_bytes())
    }

    /// The key of one row of what this one begins.
    pub(crate) fn at(&self, position: Position) -> Key<R> {
        Key { bytes: self.bytes.clone(), row: PhantomData }.position(position)
    }

    pub(crate) fn number(self, number: u32) -> Key<R> {
        self.and(&number.to_be_bytes())
    }

    /// A sum of money, the greatest first.
    pub(crate) fn falling(self, amount: i64) -> Key<R> {
        self.and(&(i64::MAX - amount.max(0)).to_be_bytes())
    }

    /// A word without a zero byte.
    pub(crate) fn word(self, word: &str) -> Key<R> {
        self.and(word.as_bytes()).and(&[0])
    }

    pub(crate) fn entity(self, entity: EntityRef) -> Key<R> {
        self.word(entity.kind.name()).id(entity.id)
    }

    /// The smallest key that does not begin with this one.
    pub(crate) fn end(&self) -> Vec<u8> {
        let mut end = self.bytes.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        end
    }
}

/// The id at the end of an index key.
pub(crate) fn last_id(key: &[u8]) -> Uuid {
    key.last_chunk::<16>().map_or(Uuid::nil(), |bytes| Uuid::from_bytes(*bytes))
}

/// Whether the date before the id at the end of an index key is this one.
pub(crate) fn is_at(key: &[u8], date: Date) -> bool {
    key.len().checked_sub(16).is_some_and(|end| key[..end].ends_with(date.to_string().as_bytes()))
}

/// The position at the end of an index key.
pub(crate) fn last_position(key: &[u8]) -> Position {
    key.last_chunk::<8>().map_or(Position(0), |bytes| Position(u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table<()> = Table::new(1);

    #[test]
    fn keys_order_as_what_they_say() {
        let date = |text: &str| TABLE.key().date(text.parse().unwrap()).bytes;
        assert!(date("2026-09-30") < date("2026-10-01"));
        let at = |n| TABLE.key().position(Position(n)).bytes;
        assert!(at(9) < at(10) && at(255) < at(256));
        let owed = |fen| TABLE.key().falling(fen).bytes;
        assert!(owed(500) < owed(20), "who owes most comes first");
        assert_eq!(last_position(&at(256)), Position(256));
    }

    #[test]
    fn the_end_of_a_prefix_is_beyond_every_key_that_begins_with_it() {
        let prefix = TABLE.key().position(Position(u64::MAX));
        assert_eq!(prefix.end(), [2], "bytes of 255 carry over");
        assert_eq!(Table::<()>::new(254).key().end(), [255]);
    }
}
