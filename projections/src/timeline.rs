//! 时间线: which events concern an entity, and which event made which necessary.

use linggong_events::Event;
use linggong_events::envelope::{Channel, Meta, Outline};
use linggong_events::event::TYPE_PREFIX;
use linggong_events::id::{ActorId, CommandId, EntityRef, EventId, OfficeId};
use linggong_events::measure::{Position, Version};
use linggong_events::newer::RawEnvelope;
use linggong_events::office::Role;
use linggong_events::region::Region;
use linggong_events::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table, last_position};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, Snapshot, View};

/// Every event by entity, and the links of causation.
pub struct Timeline;

/// One event without its data; the log has its line under the position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its place in the log.
    pub position: Position,
    /// The event.
    pub event: EventId,
    /// `hire.agreed`, with the version of its data: `hire.agreed.v1`; whatever was written, if it is unknown.
    pub type_name: String,
    /// Whether this software knows the type; an unknown one is shown raw.
    pub known: bool,
    /// The entity whose history it belongs to first; absent where its kind is not known here, as are the other words
    /// of a newer software.
    pub subject: Option<EntityRef>,
    /// Its place in that history.
    pub version: Version,
    /// When it happened, as asserted.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The county it concerns.
    pub region: Region,
    /// Who did it.
    pub actor: ActorId,
    /// As what.
    pub role: Option<Role>,
    /// At which office.
    pub office: Option<OfficeId>,
    /// How it reached us.
    pub channel: Option<Channel>,
    /// The command it came from; absent where time alone made it true.
    pub command: Option<CommandId>,
    /// The event that made it necessary.
    pub causation: Option<EventId>,
    /// Who may read it, as it was written: `open`, `never`, `dept:…`.
    pub audience: String,
}

const EVENTS: Table<Entry> = Table::new(1);
const BY_ID: Table<Position> = Table::new(2);
/// Entity, position: whether it belongs to the entity's own history.
const TOUCHING: Table<bool> = Table::new(3);
/// Position of the cause, position of the effect.
const EFFECTS: Table<()> = Table::new(4);
/// Entity, county: where anything about it happened.
const REGIONS: Table<Region> = Table::new(5);

fn entry(position: Position) -> Key<Entry> {
    EVENTS.key().position(position)
}

fn by_id(event: EventId) -> Key<Position> {
    BY_ID.key().id(event.0)
}

impl View for Timeline {
    const NAME: &'static str = "timeline";
    const VERSION: u32 = 4;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        record(rows, &meta.outline(), event.event_type().schema_name(), true);
    }

    fn apply_unknown(rows: &mut Rows<'_>, raw: &RawEnvelope) {
        let name = raw.type_name.strip_prefix(TYPE_PREFIX).unwrap_or(&raw.type_name);
        record(rows, &raw.outline(), name.to_owned(), false);
    }
}

fn record(rows: &mut Rows<'_>, outline: &Outline<'_>, type_name: String, known: bool) {
    let county = outline.region.to_string();
    let subject = outline.subject.known();
    for entity in outline.touches.iter().chain(subject.as_ref().filter(|it| !outline.touches.contains(it))) {
        let own = subject == Some(*entity);
        rows.add(TOUCHING.key().entity(*entity).position(outline.position), own);
        rows.put(REGIONS.key().entity(*entity).word(&county), &outline.region);
    }
    rows.put(by_id(outline.id), &outline.position);
    let cause = outline.causation.and_then(|cause| rows.get(&by_id(cause)));
    if let Some(cause) = cause {
        rows.add(EFFECTS.key().position(cause).position(outline.position), ());
    }
    let row = Entry {
        position: outline.position,
        event: outline.id,
        type_name,
        known,
        subject,
        version: outline.version,
        occurred_at: outline.occurred_at,
        recorded_at: outline.time,
        region: outline.region,
        actor: outline.actor,
        role: outline.role,
        office: outline.office,
        channel: outline.channel,
        command: outline.command,
        causation: outline.causation,
        audience: outline.audience.to_owned(),
    };
    rows.add(entry(outline.position), row);
}

impl Reader<Timeline> {
    /// The events that concern `entity`.
    pub fn touching(&self, entity: EntityRef, page: &PageRequest) -> Result<At<Page<Entry>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(TOUCHING.key().entity(entity), page, |key, _own| {
                snapshot.get(&entry(last_position(key)))
            })
        })
    }

    /// The divisions in which anything about `entity` happened.
    pub fn regions(&self, entity: EntityRef) -> Result<At<Vec<Region>>, StoreError> {
        self.read(|snapshot| snapshot.all(REGIONS.key().entity(entity)))
    }

    /// The event at `position`.
    pub fn event(&self, position: Position) -> Result<At<Option<Entry>>, StoreError> {
        self.read(|snapshot| snapshot.get(&entry(position)))
    }

    /// Where the event of that id is.
    pub fn position_of(&self, event: EventId) -> Result<At<Option<Position>>, StoreError> {
        self.read(|snapshot| snapshot.get(&by_id(event)))
    }

    /// What led to the event at `position`: its cause, the cause of that one, and so on; the nearest first.
    pub fn causes(&self, position: Position) -> Result<At<Vec<Entry>>, StoreError> {
        self.read(|snapshot| {
            let mut causes: Vec<Entry> = Vec::new();
            let mut at = snapshot.get(&entry(position))?;
            while let Some(cause) = at.and_then(|it: Entry| it.causation) {
                at = cause_of(snapshot, cause)?;
                // A cause is always recorded before its effect, so the walk ends.
                causes.extend(at.clone());
            }
            Ok(causes)
        })
    }

    /// What the event at `position` made necessary, directly.
    pub fn effects(&self, position: Position, page: &PageRequest) -> Result<At<Page<Entry>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(EFFECTS.key().position(position), page, |key, ()| {
                snapshot.get(&entry(last_position(key)))
            })
        })
    }

    /// Every position that a refold of `sources` needs, in order.
    pub fn positions(&self, sources: &[Source]) -> Result<At<Vec<Position>>, StoreError> {
        self.read(|snapshot| {
            let mut positions = std::collections::BTreeSet::new();
            for source in sources {
                let (entity, whole) = match source {
                    Source::Touching(entity) => (entity, true),
                    Source::Own(entity) => (entity, false),
                };
                snapshot.each(TOUCHING.key().entity(*entity), |key, own| {
                    if whole || own {
                        positions.insert(last_position(key));
                    }
                    Ok(())
                })?;
            }
            Ok(positions.into_iter().collect())
        })
    }
}

fn cause_of(snapshot: Snapshot<'_>, cause: EventId) -> Result<Option<Entry>, StoreError> {
    match snapshot.get(&by_id(cause))? {
        Some(position) => snapshot.get(&entry(position)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Cursor, Order};
    use crate::projection::refold;
    use crate::testing::{Ledger, market, region, worker};
    use linggong_events::market::{MarketKind, Registered};
    use linggong_events::place::Point;
    use linggong_events::worker::{Called, Left};

    fn types(page: &Page<Entry>) -> Vec<(u64, &str)> {
        page.rows.iter().map(|row| (row.position.0, row.type_name.as_str())).collect()
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new();
        ledger.record(Registered {
            market: market(1),
            name: "县零工市场".into(),
            region: region(),
            place: Point { lat_e6: 0, lon_e6: 0 },
            market_kind: MarketKind::PublicBenefit,
            operator: None,
        });
        for n in 1..=5 {
            ledger.record(Called { worker: worker(n % 2), market: market(1), posting: None });
        }
        ledger
    }

    #[test]
    fn an_entity_is_shown_whatever_names_it() {
        let timeline = refold::<Timeline>(&ledger().events);
        let of_market = timeline.touching(market(1).into(), &PageRequest::first(10)).unwrap();
        assert_eq!(of_market.position, Position(6));
        assert_eq!(types(&of_market.value)[..2], [(1, "market.registered.v1"), (2, "worker.called.v1")]);
        assert_eq!(of_market.value.rows.len(), 6);
        let of_worker = timeline.touching(worker(0).into(), &PageRequest::first(10)).unwrap().value;
        assert_eq!(types(&of_worker), [(3, "worker.called.v1"), (5, "worker.called.v1")]);
        assert_eq!(timeline.regions(market(1).into()).unwrap().value, [region()]);
        assert!(timeline.regions(worker(9).into()).unwrap().value.is_empty(), "nothing of nobody");
        let own = timeline.positions(&[Source::Own(market(1).into())]).unwrap().value;
        assert_eq!(own, [Position(1)], "of the market's own history there is one");
    }

    #[test]
    fn pages_lead_both_ways_over_the_same_rows() {
        let timeline = refold::<Timeline>(&ledger().events);
        for order in [Order::Up, Order::Down] {
            let first = PageRequest::first(4).order(order);
            let one = timeline.touching(market(1).into(), &first).unwrap().value;
            assert!(one.prev.is_none());
            let two = timeline.touching(market(1).into(), &first.clone().at(one.next.clone())).unwrap().value;
            assert!(two.next.is_none());
            let mut seen: Vec<u64> = one.rows.iter().chain(&two.rows).map(|row| row.position.0).collect();
            let back =
                timeline.touching(market(1).into(), &first.clone().at(two.prev.clone())).unwrap().value;
            assert_eq!(back.rows, one.rows, "{order:?}");
            assert!(back.prev.is_none());
            assert_eq!(back.next, one.next);
            if order == Order::Down {
                seen.reverse();
            }
            assert_eq!(seen, [1, 2, 3, 4, 5, 6], "{order:?}");
        }
    }

    #[test]
    fn a_cursor_of_one_list_shows_nothing_outside_another() {
        let timeline = refold::<Timeline>(&ledger().events);
        let page = PageRequest::first(2);
        let cursor = timeline.touching(market(1).into(), &page).unwrap().value.next.unwrap();
        let read_back: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(read_back, cursor);
        let order = PageRequest::first(10).order(Order::Down);
        for request in [page.at(Some(cursor.clone())), order.at(Some(cursor))] {
            let other = timeline.touching(worker(1).into(), &request).unwrap().value;
            assert!(other.rows.iter().all(|row| row.subject == Some(worker(1).into())));
        }
        assert!("x00".parse::<Cursor>().is_err());
    }

    #[test]
    fn causes_and_effects_are_one_link_seen_from_both_ends() {
        let mut ledger = ledger();
        let left = ledger.record(Left { worker: worker(1), market: market(1) });
        let cause = ledger.events[1].outline().id;
        ledger.meta_of(left, |meta| meta.causation = Some(cause));
        let again = ledger.record(Left { worker: worker(1), market: market(1) });
        let middle = ledger.events[6].outline().id;
        ledger.meta_of(again, |meta| meta.causation = Some(middle));

        let timeline = refold::<Timeline>(&ledger.events);
        let causes: Vec<u64> =
            timeline.causes(again).unwrap().value.iter().map(|row| row.position.0).collect();
        assert_eq!(causes, [7, 2]);
        let effects = timeline.effects(Position(2), &PageRequest::first(10)).unwrap().value;
        assert_eq!(types(&effects), [(7, "worker.left.v1")]);
    }

    #[test]
    fn an_unknown_event_is_shown_raw_in_the_timeline_of_what_it_touches() {
        let mut ledger = ledger();
        ledger.record_unknown("cn.linggong.worker.promoted.v1", worker(1).into());
        let timeline = refold::<Timeline>(&ledger.events);
        let page = timeline.touching(worker(1).into(), &PageRequest::first(10).order(Order::Down)).unwrap();
        assert_eq!(types(&page.value)[0], (7, "worker.promoted.v1"));
        assert!(!page.value.rows[0].known);
    }
}
