//! What a view is: a pure fold of events into rows, and queries over them.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use linggong_events::Event;
use linggong_events::codec;
use linggong_events::envelope::Meta;
use linggong_events::measure::Position;
use linggong_events::newer::RawEnvelope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::Key;
use crate::page::{Cursor, MAX_LIMIT, Order, Page, PageRequest, Side};
use crate::store::{Backing, Changes, StoreError, broken};

/// How many rows one page looks at before it is handed out short, with a cursor to go on from.
const MAX_SCANNED: usize = if cfg!(test) { 25 } else { 20_000 };

/// A fold of events into rows. It cannot fail on content: what does not fit what it knows is passed over.
pub trait View: Send + Sync + 'static {
    /// The name of its directory and on every screen.
    const NAME: &'static str;
    /// Raised with every change of rows or fold: the new version is built beside the old one.
    const VERSION: u32;

    /// Folds one event into the rows.
    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event);

    /// Folds an event of a newer software; most views only count it.
    fn apply_unknown(_rows: &mut Rows<'_>, _raw: &RawEnvelope) {}
}

/// The rows of a view while events are folded into them: what is stored, overlaid by what this batch made of it.
///
/// A row is read and decoded once and written once, however often the events of a batch change it.
pub struct Rows<'a> {
    backing: Backing<'a>,
    schema: u16,
    view: &'static str,
    held: BTreeMap<Vec<u8>, Held>,
    /// The first row that could not be read; the whole batch is dropped then, whatever was written after it.
    pub(crate) fault: Option<StoreError>,
}

/// One row of a batch.
struct Held {
    before: Before,
    now: Now,
}

/// What is stored under a key.
enum Before {
    /// It was not looked at.
    Unread,
    Read(Option<Vec<u8>>),
}

/// What the events of the batch made of a row.
enum Now {
    /// Nothing: it was read, decoded where it is there.
    AsBefore(Option<Box<dyn AnyRow>>),
    Row(Box<dyn AnyRow>),
    Gone,
}

impl Now {
    fn row(&self) -> Option<&dyn AnyRow> {
        match self {
            Now::Row(row) | Now::AsBefore(Some(row)) => Some(row.as_ref()),
            Now::Gone | Now::AsBefore(None) => None,
        }
    }
}

/// A row of whatever type its table has.
trait AnyRow: Any {
    fn encode(&self, schema: u16, key: &[u8]) -> Vec<u8>;
}

impl<R: Row> AnyRow for R {
    fn encode(&self, schema: u16, key: &[u8]) -> Vec<u8> {
        codec::encode(schema, key, self)
    }
}

/// What a row can be.
pub(crate) trait Row: Clone + Serialize + DeserializeOwned + 'static {}

impl<R: Clone + Serialize + DeserializeOwned + 'static> Row for R {}

/// A row of a table is asked for as what its table says, so that this never misses.
fn of_table<R: Row>(row: &dyn AnyRow) -> Option<&R> {
    (row as &dyn Any).downcast_ref()
}

impl<'a> Rows<'a> {
    pub(crate) fn over(backing: Backing<'a>, schema: u16, view: &'static str) -> Rows<'a> {
        Rows { backing, schema, view, held: BTreeMap::new(), fault: None }
    }

    pub(crate) fn get<R: Row>(&mut self, key: &Key<R>) -> Option<R> {
        of_table(self.held(key)?.now.row()?).cloned()
    }

    /// What `ask` says of a row that is there.
    pub(crate) fn look<R: Row, T>(&mut self, key: &Key<R>, ask: impl FnOnce(&R) -> T) -> Option<T> {
        of_table(self.held(key)?.now.row()?).map(ask)
    }

    /// Adds a row under a key that holds the event's own position, so that none can be there.
    pub(crate) fn add<R: Row>(&mut self, key: Key<R>, row: R) {
        self.held.insert(key.bytes, Held { before: Before::Read(None), now: Now::Row(Box::new(row)) });
    }

    pub(crate) fn put<R: Row>(&mut self, key: Key<R>, row: &R) {
        self.set(key.bytes, Now::Row(Box::new(row.clone())));
    }

    pub(crate) fn remove<R>(&mut self, key: Key<R>) {
        self.set(key.bytes, Now::Gone);
    }

    /// Changes a row that is there.
    pub(crate) fn update<R: Row>(&mut self, key: Key<R>, change: impl FnOnce(&mut R)) {
        let Some(held) = self.held(&key) else { return };
        held.now = match std::mem::replace(&mut held.now, Now::Gone) {
            Now::Row(mut row) | Now::AsBefore(Some(mut row)) => {
                if let Some(row) = (row.as_mut() as &mut dyn Any).downcast_mut() {
                    change(row);
                }
                Now::Row(row)
            }
            other @ (Now::Gone | Now::AsBefore(None)) => other,
        };
    }

    /// What the batch comes to: the rows as they are to be stored.
    pub(crate) fn changes(self) -> Changes {
        let mut changes = Changes { rows: BTreeMap::new(), found: BTreeMap::new() };
        for (key, held) in self.held {
            let row = match held.now {
                Now::AsBefore(_) => continue,
                Now::Row(row) => Some(row.encode(self.schema, &key)),
                Now::Gone => None,
            };
            if let Before::Read(found) = held.before {
                changes.found.insert(key.clone(), found);
            }
            changes.rows.insert(key, row);
        }
        changes
    }

    /// The row as it is at this event, read where nothing of the batch has touched it yet; none where it cannot be.
    fn held<R: Row>(&mut self, key: &Key<R>) -> Option<&mut Held> {
        if !self.held.contains_key(&key.bytes) {
            let read = self.backing.get(&key.bytes).and_then(|stored| {
                let row = stored.as_deref().map(|it| codec::decode::<R>(self.schema, &key.bytes, it));
                let row = row.transpose().map_err(|bad| broken(self.view, bad.to_string()))?;
                Ok((stored, row))
            });
            let (stored, row) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.fault.get_or_insert(error);
                    return None;
                }
            };
            let now = Now::AsBefore(row.map(|it| Box::new(it) as Box<dyn AnyRow>));
            self.held.insert(key.bytes.clone(), Held { before: Before::Read(stored), now });
        }
        self.held.get_mut(&key.bytes)
    }

    fn set(&mut self, key: Vec<u8>, now: Now) {
        match self.held.entry(key) {
            Entry::Occupied(mut held) => held.get_mut().now = now,
            Entry::Vacant(free) => {
                free.insert(Held { before: Before::Unread, now });
            }
        }
    }
}

/// One state of a view, for queries.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    pub(crate) backing: Backing<'a>,
    pub(crate) schema: u16,
    pub(crate) view: &'static str,
    /// The last event in it.
    pub position: Position,
}

impl Snapshot<'_> {
    pub(crate) fn get<R: DeserializeOwned>(&self, key: &Key<R>) -> Result<Option<R>, StoreError> {
        let Some(bytes) = self.backing.get(&key.bytes)? else { return Ok(None) };
        self.decode(&key.bytes, &bytes).map(Some)
    }

    /// Every row under `prefix`, in order, until `each` says to stop.
    pub(crate) fn each<R: DeserializeOwned>(
        &self,
        prefix: Key<R>,
        mut each: impl FnMut(&[u8], R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let to = Bound::Excluded(prefix.end());
        for found in self.backing.range(Bound::Included(prefix.bytes), to, false) {
            let (key, bytes) = found?;
            each(&key, self.decode(&key, &bytes)?)?;
        }
        Ok(())
    }

    /// Every row under `prefix`, in order.
    pub(crate) fn all<R: DeserializeOwned>(&self, prefix: Key<R>) -> Result<Vec<R>, StoreError> {
        let mut rows = Vec::new();
        self.each(prefix, |_, row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// One page of the rows under `prefix` that `pick` lets through.
    pub(crate) fn page<R: DeserializeOwned, T>(
        &self,
        prefix: Key<R>,
        request: &PageRequest,
        mut pick: impl FnMut(&[u8], R) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let limit = usize::from(request.limit.clamp(1, MAX_LIMIT));
        let forward = request.cursor.as_ref().is_none_or(|cursor| cursor.side == Side::After);
        let ascending = forward == (request.order == Order::Up);
        let end = prefix.end();
        let mut from = Bound::Included(prefix.bytes.clone());
        let mut to = Bound::Excluded(end.clone());
        // A cursor of another list is held within this one, where it finds nothing or the whole of it.
        match &request.cursor {
            Some(cursor) if ascending => {
                if cursor.key >= end {
                    return Ok(Page { rows: Vec::new(), next: None, prev: None });
                }
                if cursor.key >= prefix.bytes {
                    from = Bound::Excluded(cursor.key.clone());
                }
            }
            Some(cursor) => {
                if cursor.key <= prefix.bytes {
                    return Ok(Page { rows: Vec::new(), next: None, prev: None });
                }
                if cursor.key < end {
                    to = Bound::Excluded(cursor.key.clone());
                }
            }
            None => {}
        }
        let mut rows: Vec<(Vec<u8>, T)> = Vec::new();
        let mut more: Option<Vec<u8>> = None;
        let mut last_seen = Vec::new();
        for (scanned, found) in self.backing.range(from, to, !ascending).enumerate() {
            let (key, bytes) = found?;
            if scanned == MAX_SCANNED {
                more = Some(last_seen);
                break;
            }
            if let Some(row) = pick(&key, self.decode(&key, &bytes)?)? {
                if rows.len() == limit {
                    more = rows.last().map(|(key, _)| key.clone());
                    break;
                }
                rows.push((key.clone(), row));
            }
            last_seen = key;
        }
        if !forward {
            rows.reverse();
        }
        let cursor = |side| move |key: Vec<u8>| Cursor { side, key };
        let first = rows.first().map(|(key, _)| key.clone());
        let last = rows.last().map(|(key, _)| key.clone());
        let (next, prev) = match (forward, &request.cursor) {
            (true, None) => (more.map(cursor(Side::After)), None),
            (true, Some(_)) => (more.map(cursor(Side::After)), first.map(cursor(Side::Before))),
            (false, _) => (last.map(cursor(Side::After)), more.map(cursor(Side::Before))),
        };
        Ok(Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next, prev })
    }

    fn decode<R: DeserializeOwned>(&self, key: &[u8], bytes: &[u8]) -> Result<R, StoreError> {
        codec::decode(self.schema, key, bytes).map_err(|bad| broken(self.view, bad.to_string()))
    }
}
