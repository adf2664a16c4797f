//! What can be read: folds over the log into rows that can always be rebuilt.
//!
//! A view is one file: its rows, its fold, its questions; a long one has a folder with a file for each. It is named
//! after its reader's question, registered in `views!` below, and run by the gateway through [`AnyProjection`].
//! Nothing here decides anything.

mod digest;
mod key;
mod memory;
mod page;
mod part;
mod projection;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;

pub mod case_history;
pub mod directory;
pub mod hiring_ledger;
pub mod insured;
pub mod morning_board;
pub mod open_postings;
pub mod sources;
pub mod staff;
pub mod timeline;
pub mod wage_protection_board;

use std::path::Path;

pub use digest::ViewDigest;
pub use memory::InMemory;
pub use page::{BadCursor, Cursor, MAX_LIMIT, Order, Page, PageRequest};
pub use projection::{AnyProjection, AsOf, At, Projection, Reader, Source, Switched, refold};
pub use store::{Quarantined, StoreError};
pub use view::{Rows, Snapshot, View};

/// Registers every view: one line each.
macro_rules! views {
    ($($name:ident: $module:ident::$View:ident,)*) => {
        /// Reads every view.
        #[derive(Clone)]
        pub struct Readers {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] pub $name: Reader<$module::$View>,)*
        }

        impl std::fmt::Debug for Readers {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("Readers")
            }
        }

        /// Opens every view under `dir`.
        pub fn open_all(dir: &Path) -> Result<Views, StoreError> {
            let mut projections: Vec<Box<dyn AnyProjection>> = Vec::new();
            let mut quarantined = Vec::new();
            $(
                let (projection, aside) = Projection::<$module::$View>::open(dir)?;
                let $name = projection.reader();
                projections.push(Box::new(projection));
                quarantined.extend(aside);
            )*
            Ok(Views { projections, readers: Readers { $($name),* }, quarantined })
        }

        /// Every view, in memory and before the first event.
        pub fn in_memory() -> Vec<InMemory> {
            vec![$(InMemory::of::<$module::$View>()),*]
        }

        /// The name and version of every view.
        pub const NAMES: &[(&str, u32)] =
            &[$((<$module::$View as View>::NAME, <$module::$View as View>::VERSION)),*];
    };
}

/// Every view of this software, opened.
pub struct Views {
    /// Their writers, to be brought forward by one task each or all by one.
    pub projections: Vec<Box<dyn AnyProjection>>,
    /// Their readers.
    pub readers: Readers,
    /// What could not be trusted and starts from zero.
    pub quarantined: Vec<Quarantined>,
}

views! {
    case_history: case_history::CaseHistories,
    directory: directory::Directory,
    hiring_ledger: hiring_ledger::HiringLedger,
    insured: insured::Insured,
    morning_board: morning_board::MorningBoard,
    open_postings: open_postings::OpenPostings,
    sources: sources::Sources,
    staff: staff::Staff,
    timeline: timeline::Timeline,
    wage_protection_board: wage_protection_board::WageProtectionBoard,
}
