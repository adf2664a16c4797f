//! 来源: which rows of an imported form are on record already.

use std::collections::BTreeSet;

use linggong_events::Event;
use linggong_events::envelope::{Meta, Outline};
use linggong_events::measure::Position;
use linggong_events::newer::RawEnvelope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table};
use crate::projection::{At, Reader};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Every row of every source file that an event came from.
pub struct Sources;

/// One row of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRow {
    /// Where in the file: `sheet!row`.
    pub place: String,
    /// The first event that came from it.
    pub first: Position,
    /// How many events came from it.
    pub events: u32,
    /// Their types: `worker.arrived`. An import that broke off knows by them what of the row is still to be told.
    pub types: BTreeSet<String>,
}

const ROWS: Table<SourceRow> = Table::new(1);

fn file(digest: &str) -> Key<SourceRow> {
    ROWS.key().word(digest)
}

impl View for Sources {
    const NAME: &'static str = "sources";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        count(rows, &meta.outline(), event.event_type().short_name());
    }

    fn apply_unknown(rows: &mut Rows<'_>, raw: &RawEnvelope) {
        count(rows, &raw.outline(), raw.type_name.clone());
    }
}

/// A source is written `sha256:…#sheet!row`.
fn count(rows: &mut Rows<'_>, outline: &Outline<'_>, type_name: String) {
    let Some((digest, place)) = outline.source_doc.and_then(|it| it.split_once('#')) else { return };
    let key = || file(digest).word(place);
    let mut row = rows.get(&key()).unwrap_or_else(|| SourceRow {
        place: place.to_owned(),
        first: outline.position,
        events: 0,
        types: BTreeSet::new(),
    });
    row.events = row.events.saturating_add(1);
    row.types.insert(type_name);
    rows.put(key(), &row);
}

impl Reader<Sources> {
    /// The rows of the file with that digest (`sha256:…`) that are on record.
    pub fn rows(&self, digest: &str) -> Result<At<Vec<SourceRow>>, StoreError> {
        if digest.contains('\0') {
            return self.read(|_| Ok(Vec::new()));
        }
        self.read(|snapshot| snapshot.all(file(digest)))
    }
}
