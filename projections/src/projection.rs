//! Running a view: bringing it forward, reading it, refolding a part of it as of another moment.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use linggong_events::envelope::Recorded;
use linggong_events::id::EntityRef;
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::ViewDigest;
use crate::store::{Backing, Changes, Quarantined, Shown, Store, StoreError};
use crate::view::{Rows, Snapshot, View};

/// How many events are written at once while people read: readers wait for no more than these.
const AT_ONCE: usize = 64;

/// A view on disk and its one writer.
pub struct Projection<V> {
    store: Arc<Store>,
    /// The event that the fold failed on; the view stands before it until it is opened again.
    parked: Option<Position>,
    /// The same view, built anew beside this one.
    successor: Option<Box<Projection<V>>>,
    view: PhantomData<fn() -> V>,
}

impl<V: View> Projection<V> {
    /// Opens the view under `dir`. Files that cannot be trusted are put aside and the view starts from zero.
    pub fn open(dir: &Path) -> Result<(Projection<V>, Option<Quarantined>), StoreError> {
        let (store, quarantined) = Store::open(dir, V::NAME, V::VERSION)?;
        Ok((Projection::over(store), quarantined))
    }

    fn over(store: Store) -> Projection<V> {
        Projection { store: Arc::new(store), parked: None, successor: None, view: PhantomData }
    }

    /// The last event folded in; 0 before the first.
    pub fn checkpoint(&self) -> Result<Position, StoreError> {
        self.store.checkpoint().map(|it| it.position)
    }

    /// How many events of unknown types were passed over.
    pub fn unknown(&self) -> Result<u64, StoreError> {
        self.store.checkpoint().map(|it| it.unknown)
    }

    /// Folds events in, rows and checkpoint together, a part at a time where people read. Events that the view has already are skipped.
    ///
    /// Where the fold fails on an event, those before it are kept and the view is parked.
    pub fn apply_batch(&mut self, events: &[Recorded]) -> Result<Position, StoreError> {
        if let Some(position) = self.parked {
            return Err(StoreError::Poison { view: V::NAME, position });
        }
        let checkpoint = self.store.checkpoint()?;
        let known = events.partition_point(|event| event.outline().position <= checkpoint.position);
        let fresh = &events[known..];
        for (event, n) in fresh.iter().zip(checkpoint.position.0 + 1..) {
            let found = event.outline().position;
            if found != Position(n) {
                return Err(StoreError::Gap { view: V::NAME, expected: Position(n), found });
            }
        }
        let at_once = if self.store.shown() == Shown::Yes { AT_ONCE } else { fresh.len().max(1) };
        let mut position = checkpoint.position;
        for events in fresh.chunks(at_once) {
            match self.fold(events)? {
                Folded::Whole(changes) => position = self.write(changes, events)?,
                Folded::FailedAt(nth) => {
                    let sound = &events[..nth];
                    if let Folded::Whole(changes) = self.fold(sound)? {
                        self.write(changes, sound)?;
                    }
                    let position = events[nth].outline().position;
                    self.parked = Some(position);
                    // What it holds is old, and nobody can tell for how long.
                    self.store.show(Shown::Parked(position));
                    return Err(StoreError::Poison { view: V::NAME, position });
                }
            }
        }
        Ok(position)
    }

    /// Whether the log is at least as long as this view; a shorter log is an alarm, not a reason to forget.
    pub fn check_head(&self, head: Position) -> Result<(), StoreError> {
        let checkpoint = self.checkpoint()?;
        if checkpoint <= head {
            return Ok(());
        }
        // What it tells is on no record: nobody may take it for true.
        self.store.show(Shown::BeyondLog(head));
        Err(StoreError::AheadOfLog { view: V::NAME, checkpoint, head })
    }

    /// Reads over the rows as they are, now and whenever asked.
    pub fn reader(&self) -> Reader<V> {
        Reader { rows: ReaderRows::Stored(self.store.clone()), view: PhantomData }
    }

    /// The same reader for a view of the same name with other folds, such as another version of it.
    pub fn reader_as<W: View>(&self) -> Option<Reader<W>> {
        let rows = ReaderRows::Stored(self.store.clone());
        (V::NAME == W::NAME).then_some(Reader { rows, view: PhantomData })
    }

    fn fold(&self, events: &[Recorded]) -> Result<Folded, StoreError> {
        self.store.read(|backing, _| {
            let mut rows = Rows::over(backing, self.store.schema(), V::NAME);
            for (nth, event) in events.iter().enumerate() {
                if catch_unwind(AssertUnwindSafe(|| step::<V>(&mut rows, event))).is_err() {
                    return Ok(Folded::FailedAt(nth));
                }
                if let Some(fault) = rows.fault.take() {
                    return Err(fault);
                }
            }
            Ok(Folded::Whole(rows.changes()))
        })
    }

    /// Writes what those events came to.
    fn write(&self, changes: Changes, events: &[Recorded]) -> Result<Position, StoreError> {
        let before = self.store.checkpoint()?;
        let Some(last) = events.last() else { return Ok(before.position) };
        let unknown = events.iter().filter(|event| matches!(event, Recorded::Unknown(_))).count() as u64;
        let position = last.outline().position;
        self.store.write(changes, position, before.unknown + unknown)?;
        Ok(position)
    }
}

enum Folded {
    Whole(Changes),
    /// The index of the event that the fold panicked on.
    FailedAt(usize),
}

pub(crate) fn step<V: View>(rows: &mut Rows<'_>, event: &Recorded) {
    match event {
        Recorded::Known(envelope) => V::apply(rows, &envelope.meta, &envelope.event),
        Recorded::Unknown(raw) => V::apply_unknown(rows, raw),
    }
}

/// What was read, and the last event that it takes into account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct At<T> {
    /// The last event taken into account.
    pub position: Position,
    /// What was read.
    pub value: T,
}

/// Reads one view; each view adds its own questions.
pub struct Reader<V> {
    rows: ReaderRows,
    view: PhantomData<fn() -> V>,
}

#[derive(Clone)]
enum ReaderRows {
    Stored(Arc<Store>),
    Refolded { rows: Arc<BTreeMap<Vec<u8>, Vec<u8>>>, position: Position },
}

impl<V> Clone for Reader<V> {
    fn clone(&self) -> Reader<V> {
        Reader { rows: self.rows.clone(), view: PhantomData }
    }
}

impl<V: View> Reader<V> {
    /// The last event in the view.
    pub fn position(&self) -> Result<Position, StoreError> {
        self.read(|_| Ok(())).map(|it| it.position)
    }

    /// Runs `query` on one state of the view; the writer waits meanwhile, so queries are short.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<At<T>, StoreError> {
        match &self.rows {
            ReaderRows::Stored(store) => store.read_shown(|backing, checkpoint| {
                let (schema, view, position) = (store.schema(), V::NAME, checkpoint.position);
                Ok(At { position, value: query(Snapshot { backing, schema, view, position })? })
            }),
            ReaderRows::Refolded { rows, position } => {
                let (backing, position) = (Backing::Memory(rows), *position);
                let snapshot = Snapshot { backing, schema: V::VERSION as u16, view: V::NAME, position };
                Ok(At { position, value: query(snapshot)? })
            }
        }
    }
}

/// An earlier moment, with the axis it is meant on; a bare date without an axis is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// What was recorded up to and including that event.
    KnownAt(Position),
    /// What was recorded up to that instant.
    Known(Timestamp),
    /// What had happened in the world up to that instant, by all that is known today.
    Happened(Timestamp),
}

impl AsOf {
    /// Whether an event belongs to that moment.
    pub fn includes(self, event: &Recorded) -> bool {
        let outline = event.outline();
        match self {
            AsOf::KnownAt(position) => outline.position <= position,
            AsOf::Known(instant) => outline.time <= instant,
            AsOf::Happened(instant) => outline.occurred_at <= instant,
        }
    }
}

/// Which events a refold of one thing needs; the timeline view turns them into positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Every event that names the entity.
    Touching(EntityRef),
    /// Only the events of the entity's own history.
    Own(EntityRef),
}

/// Folds events, given in order of position, in memory: the same fold and the same questions as the stored view.
pub fn refold<'a, V: View>(events: impl IntoIterator<Item = &'a Recorded>) -> Reader<V> {
    let nothing = BTreeMap::new();
    let mut rows = Rows::over(Backing::Memory(&nothing), V::VERSION as u16, V::NAME);
    let mut position = Position(0);
    for event in events {
        step::<V>(&mut rows, event);
        position = event.outline().position;
    }
    let written = rows.changes().rows.into_iter().filter_map(|(key, row)| Some((key, row?)));
    let rows = Arc::new(written.collect());
    Reader { rows: ReaderRows::Refolded { rows, position }, view: PhantomData }
}

/// A view went on with the rows that were built beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Where both stood.
    pub position: Position,
    /// The old rows, where they were others than those that the log gives: an alarm.
    pub aside: Option<Quarantined>,
}

/// Any view, for the one loop that brings all of them forward.
pub trait AnyProjection: Send {
    /// The view's name.
    fn name(&self) -> &'static str;
    /// The view's version.
    fn version(&self) -> u32;
    /// See [`Projection::checkpoint`].
    fn checkpoint(&self) -> Result<Position, StoreError>;
    /// See [`Projection::unknown`].
    fn unknown(&self) -> Result<u64, StoreError>;
    /// The event that the view is parked before.
    fn parked(&self) -> Option<Position>;
    /// See [`Projection::apply_batch`].
    fn apply_batch(&mut self, events: &[Recorded]) -> Result<Position, StoreError>;
    /// See [`Projection::check_head`].
    fn check_head(&self, head: Position) -> Result<(), StoreError>;
    /// The digest of the rows as kept up with every write.
    fn digest(&self) -> Result<ViewDigest, StoreError>;
    /// Reads every row and compares with the digest.
    fn verify(&self) -> Result<ViewDigest, StoreError>;
    /// Puts the files aside and starts from zero; readers go on with the new rows.
    fn rebuild(&mut self, reason: &str) -> Result<Quarantined, StoreError>;
    /// Begins the same view beside this one, empty, unless that was begun already.
    fn begin_successor(&mut self) -> Result<(), StoreError>;
    /// The view that is built beside this one.
    fn successor(&mut self) -> Option<&mut dyn AnyProjection>;
    /// Gives up what was begun beside this view.
    fn drop_successor(&mut self);
    /// Goes on with the successor's rows, once both stand at the same event; or once the successor stands at `stuck`,
    /// where this view cannot get there. Whatever the successor holds was read back before.
    fn switch(&mut self, stuck: Option<Position>) -> Result<Option<Switched>, StoreError>;
    /// Whether the view is being built and shows nothing.
    fn is_building(&self) -> bool;
    /// Whether the view ever caught up with its log.
    fn is_built(&self) -> bool;
    /// Readers get nothing until [`AnyProjection::show`]: the view is being built.
    fn withhold(&self);
    /// Readers get answers: the view has caught up with its log.
    fn show(&self) -> Result<(), StoreError>;
    /// What a reader found broken since this was asked last.
    fn noticed(&self) -> Option<String>;
    /// Hands what is written to the system; not a promise of durability.
    fn flush(&self) -> Result<(), StoreError>;
    /// What the files take.
    fn bytes_on_disk(&self) -> Result<u64, StoreError>;
}

impl<V: View> AnyProjection for Projection<V> {
    fn name(&self) -> &'static str {
        self.store.view()
    }
    fn version(&self) -> u32 {
        V::VERSION
    }
    fn checkpoint(&self) -> Result<Position, StoreError> {
        Projection::checkpoint(self)
    }
    fn unknown(&self) -> Result<u64, StoreError> {
        Projection::unknown(self)
    }
    fn parked(&self) -> Option<Position> {
        self.parked
    }
    fn apply_batch(&mut self, events: &[Recorded]) -> Result<Position, StoreError> {
        Projection::apply_batch(self, events)
    }
    fn check_head(&self, head: Position) -> Result<(), StoreError> {
        Projection::check_head(self, head)
    }
    fn digest(&self) -> Result<ViewDigest, StoreError> {
        self.store.checkpoint().map(|it| it.digest)
    }
    fn verify(&self) -> Result<ViewDigest, StoreError> {
        self.store.verify()
    }
    fn rebuild(&mut self, reason: &str) -> Result<Quarantined, StoreError> {
        self.drop_successor();
        let quarantined = self.store.quarantine(reason)?;
        self.parked = None;
        Ok(quarantined)
    }
    fn begin_successor(&mut self) -> Result<(), StoreError> {
        if self.successor.is_none() {
            self.successor = Some(Box::new(Projection::over(self.store.beside()?)));
        }
        Ok(())
    }
    fn successor(&mut self) -> Option<&mut dyn AnyProjection> {
        self.successor.as_deref_mut().map(|it| it as &mut dyn AnyProjection)
    }
    fn drop_successor(&mut self) {
        if let Some(successor) = self.successor.take() {
            successor.store.abandon();
        }
    }
    fn switch(&mut self, stuck: Option<Position>) -> Result<Option<Switched>, StoreError> {
        let Some(successor) = &self.successor else { return Ok(None) };
        let next = successor.store.checkpoint()?;
        let own = self.store.checkpoint().ok();
        let together = own.is_some_and(|own| own.position == next.position);
        if !together && stuck.is_none_or(|head| next.position < head) {
            return Ok(None);
        }
        successor.store.verify()?;
        successor.store.set_built()?;
        // Where both stand at one place and differ, it is the log that is right.
        let same = !together || own.is_some_and(|own| own.digest == next.digest);
        let reason = (!same).then_some("its rows are not those that the log gives");
        let aside = self.store.succeed(&successor.store, reason)?;
        self.parked = None;
        self.successor = None;
        self.store.show(Shown::Yes);
        Ok(Some(Switched { position: next.position, aside }))
    }
    fn is_building(&self) -> bool {
        self.store.shown() == Shown::Building
    }
    fn is_built(&self) -> bool {
        self.store.is_built()
    }
    fn withhold(&self) {
        self.store.show(Shown::Building);
    }
    fn show(&self) -> Result<(), StoreError> {
        if !self.store.is_built() {
            self.store.set_built()?;
        }
        self.store.show(Shown::Yes);
        Ok(())
    }
    fn noticed(&self) -> Option<String> {
        self.store.noticed()
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }
    fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        self.store.bytes_on_disk()
    }
}
