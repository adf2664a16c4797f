//! A view kept in memory, brought forward in batches like a stored one: for simulations of many short lives.

use std::collections::BTreeMap;

use linggong_events::envelope::Recorded;
use linggong_events::measure::Position;

use crate::digest::ViewDigest;
use crate::projection::step;
use crate::store::{Backing, StoreError};
use crate::view::{Rows, View};

/// The rows of one view, folded by its own code and lost with the process.
pub struct InMemory {
    name: &'static str,
    schema: u16,
    fold: fn(&mut Rows<'_>, &Recorded),
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    digest: ViewDigest,
    position: Position,
}

impl InMemory {
    /// The view before the first event.
    pub fn of<V: View>() -> InMemory {
        let (name, schema, fold) = (V::NAME, V::VERSION as u16, step::<V> as fn(&mut Rows<'_>, &Recorded));
        InMemory {
            name,
            schema,
            fold,
            rows: BTreeMap::new(),
            digest: ViewDigest::default(),
            position: Position(0),
        }
    }

    /// The view's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The last event folded in.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The digest of the rows, kept up with every batch.
    pub fn digest(&self) -> ViewDigest {
        self.digest
    }

    /// Every row as it would be stored.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.values().map(Vec::as_slice)
    }

    /// Folds events in, all or none. Events that the view has already are skipped.
    pub fn apply_batch(&mut self, events: &[Recorded]) -> Result<Position, StoreError> {
        let known = events.partition_point(|event| event.outline().position <= self.position);
        let mut rows = Rows::over(Backing::Memory(&self.rows), self.schema, self.name);
        let mut position = self.position;
        for event in &events[known..] {
            let (expected, found) = (position.next(), event.outline().position);
            if found != expected {
                return Err(StoreError::Gap { view: self.name, expected, found });
            }
            (self.fold)(&mut rows, event);
            position = found;
        }
        if let Some(fault) = rows.fault.take() {
            return Err(fault);
        }
        for (key, row) in rows.changes().rows {
            let old = match &row {
                Some(row) => self.rows.insert(key.clone(), row.clone()),
                None => self.rows.remove(&key),
            };
            if let Some(old) = old {
                self.digest = self.digest.minus(&key, &old);
            }
            if let Some(row) = row {
                self.digest = self.digest.plus(&key, &row);
            }
        }
        self.position = position;
        Ok(position)
    }
}
