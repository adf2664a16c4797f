//! What a view is: a pure fold of events into rows, and queries over them.

use std::collections::BTreeMap;
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
use crate::store::{Backing, StoreError, broken};

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

/// The rows of a view while events are folded into them: what is stored, overlaid by what this batch wrote.
pub struct Rows<'a> {
    backing: Backing<'a>,
    schema: u16,
    view: &'static str,
    pub(crate) pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What is stored under the keys that were read, so that writing them does not read them again.
    pub(crate) found: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The first row that could not be read; the whole batch is dropped then, whatever was written after it.
    pub(crate) fault: Option<StoreError>,
}

impl<'a> Rows<'a> {
    pub(crate) fn over(backing: Backing<'a>, schema: u16, view: &'static str) -> Rows<'a> {
        Rows { backing, schema, view, pending: BTreeMap::new(), found: BTreeMap::new(), fault: None }
    }

    pub(crate) fn get<R: DeserializeOwned>(&mut self, key: &Key<R>) -> Option<R> {
        let known = self.pending.get(&key.bytes).or_else(|| self.found.get(&key.bytes));
        let row = match known {
            Some(known) => codec::decode(self.schema, &key.bytes, known.as_deref()?),
            None => {
                let stored = match self.backing.get(&key.bytes) {
                    Ok(stored) => stored,
                    Err(error) => return self.fail(error),
                };
                let row = stored.as_deref().map(|it| codec::decode(self.schema, &key.bytes, it));
                self.found.insert(key.bytes.clone(), stored);
                row?
            }
        };
        row.map_or_else(|bad| self.fail(broken(self.view, bad.to_string())), Some)
    }

    pub(crate) fn put<R: Serialize>(&mut self, key: Key<R>, row: &R) {
        let bytes = codec::encode(self.schema, &key.bytes, row);
        self.pending.insert(key.bytes, Some(bytes));
    }

    pub(crate) fn remove<R>(&mut self, key: Key<R>) {
        self.pending.insert(key.bytes, None);
    }

    /// Changes a row that is there.
    pub(crate) fn update<R: Serialize + DeserializeOwned>(
        &mut self,
        key: Key<R>,
        change: impl FnOnce(&mut R),
    ) {
        if let Some(mut row) = self.get(&key) {
            change(&mut row);
            self.put(key, &row);
        }
    }

    fn fail<T>(&mut self, error: StoreError) -> Option<T> {
        self.fault.get_or_insert(error);
        None
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
