//! Lists that only grow, such as the steps of a case, kept a few items a row: a row for each item would be slow to read,
//! one row for all slow to write.

use linggong_events::measure::Position;
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::store::StoreError;
use crate::view::{Row, Rows, Snapshot};

/// The most items of one row.
const ITEMS: usize = 8;
/// The place of the part that still grows: behind all that are full.
const OPEN: Position = Position(u64::MAX);

/// A part of such a list. It stands under the list's key and the position of its first item once it is full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part<T> {
    /// The event that its first item came from.
    first: Position,
    /// The first of the part before it.
    before: Option<Position>,
    items: Vec<T>,
}

impl Rows<'_> {
    /// Adds an item, which came from the event at `position`, to the end of a list.
    pub(crate) fn push<T>(&mut self, list: &Key<Part<T>>, position: Position, item: T)
    where
        Part<T>: Row,
    {
        let open = list.at(OPEN);
        let full = match self.look(&open, |part| part.items.len() >= ITEMS) {
            Some(false) => return self.update(open, |part| part.items.push(item)),
            Some(true) => self.get(&open),
            None => None,
        };
        let before = full.as_ref().map(|it| it.first);
        if let Some(full) = full {
            self.add(list.at(full.first), full);
        }
        self.put(open, &Part { first: position, before, items: vec![item] });
    }

    /// Changes the last item of a list that `is_meant`.
    pub(crate) fn change_pushed<T>(
        &mut self,
        list: &Key<Part<T>>,
        is_meant: impl Fn(&T) -> bool,
        change: impl FnOnce(&mut T),
    ) where
        Part<T>: Row,
    {
        let mut at = Some(OPEN);
        while let Some(position) = at {
            let found =
                self.look(&list.at(position), |part| (part.items.iter().rposition(&is_meant), part.before));
            match found {
                Some((Some(nth), _)) => {
                    return self.update(list.at(position), |part| {
                        if let Some(item) = part.items.get_mut(nth) {
                            change(item);
                        }
                    });
                }
                Some((None, before)) => at = before,
                None => return,
            }
        }
    }
}

impl Snapshot<'_> {
    /// Every item of a list, in the order of their events.
    pub(crate) fn pushed<T>(&self, list: Key<Part<T>>) -> Result<Vec<T>, StoreError>
    where
        Part<T>: Row,
    {
        let mut items = Vec::new();
        self.each(list, |_, part: Part<T>| {
            items.extend(part.items);
            Ok(())
        })?;
        Ok(items)
    }
}
