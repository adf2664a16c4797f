//! 名录: who and what stands behind an id: markets, workers, people, employers, rule packs.

use std::collections::BTreeMap;

use linggong_events::Event;
use linggong_events::codec::as_written;
use linggong_events::employer::{EmployerDetails, EmployerEvent};
use linggong_events::envelope::Meta;
use linggong_events::id::{
    CommandId, EmployerId, EventId, KeyId, MarketId, OfficeId, PersonId, RulesId, WorkerId,
};
use linggong_events::identity::OrgCode;
use linggong_events::market::{MarketEvent, MarketKind};
use linggong_events::occupation::Occupation;
use linggong_events::person::{Age, KeyState, KnownPerson, PersonEvent, PersonField};
use linggong_events::place::Point;
use linggong_events::region::Region;
use linggong_events::rules::{PackKind, RulesEvent};
use linggong_events::time::{Date, Timestamp};
use linggong_events::worker::{Profile, WorkerEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// The newest state of everything that has a name or details of its own.
pub struct Directory;

/// A market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarketRow {
    /// The market.
    pub market: MarketId,
    /// Its name.
    pub name: String,
    /// Its county.
    pub region: Region,
    /// Where it is.
    pub place: Point,
    /// Its category.
    pub market_kind: MarketKind,
    /// Who runs it.
    pub operator: Option<String>,
    /// Whether it is no longer in use.
    pub closed: bool,
}

/// A statutory bar that an officer attested; its ground is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BarRow {
    /// The trades that are barred.
    pub occupations: Vec<Occupation>,
    /// Last day.
    pub until: Date,
    /// Which office attested it.
    pub office: OfficeId,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerRow {
    /// The worker.
    pub worker: WorkerId,
    /// The human.
    pub person: PersonId,
    /// What the worker can do, where and for how much.
    #[serde(with = "as_written")]
    #[schemars(with = "Profile")]
    pub profile: Profile,
    /// Whether a valid identity document was shown.
    pub document_verified: bool,
    /// The verified age.
    #[serde(with = "as_written")]
    #[schemars(with = "Option<Age>")]
    pub age: Option<Age>,
    /// What an officer barred.
    pub bars: Vec<BarRow>,
    /// Since when.
    pub registered_at: Timestamp,
    /// The county of registration.
    pub region: Region,
}

/// A human, all that names one sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonRow {
    /// The person.
    pub person: PersonId,
    /// Verified facts and sealed fields, the newest.
    #[serde(with = "as_written")]
    #[schemars(with = "KnownPerson")]
    pub known: KnownPerson,
    /// The command under which each field was sealed: it opens with its id alone.
    pub sealed_by: BTreeMap<PersonField, CommandId>,
    /// The workers that they are.
    pub workers: Vec<WorkerId>,
    /// Records that may be the same human.
    pub suspected: Vec<PersonId>,
    /// Records that an officer found to be the same human.
    pub linked: Vec<PersonId>,
    /// What the vault did with keys of this person.
    pub keys: Vec<KeyRow>,
}

/// The state of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRow {
    /// The key.
    pub key: KeyId,
    /// What the vault may do with it.
    pub state: KeyState,
}

/// A lawful restriction from hiring here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestrictionRow {
    /// The event that put it on; whoever lifts it names it.
    pub restriction: EventId,
    /// Who restricted.
    pub authority: String,
    /// On what basis.
    pub basis: String,
    /// Last day.
    pub until: Date,
}

/// An employer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmployerRow {
    /// The employer.
    pub employer: EmployerId,
    /// Who it is.
    #[serde(with = "as_written")]
    #[schemars(with = "EmployerDetails")]
    pub details: EmployerDetails,
    /// The restrictions that were put on it and not lifted, the oldest first; they may have run out.
    pub restrictions: Vec<RestrictionRow>,
    /// Since when.
    pub registered_at: Timestamp,
}

/// A pack of rules in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackRow {
    /// The pack.
    pub rules: RulesId,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub pack_kind: PackKind,
    /// The digest of its bytes.
    pub digest: String,
    /// Since when.
    pub since: Timestamp,
}

const MARKETS: Table<MarketRow> = Table::new(1);
const WORKERS: Table<WorkerRow> = Table::new(2);
const PERSONS: Table<PersonRow> = Table::new(3);
const EMPLOYERS: Table<EmployerRow> = Table::new(4);
/// Person, worker.
const WORKERS_OF_PERSON: Table<()> = Table::new(5);
/// By name of the pack.
const PACKS: Table<PackRow> = Table::new(6);
/// By 统一社会信用代码.
const CODES: Table<EmployerId> = Table::new(7);

fn market(id: MarketId) -> Key<MarketRow> {
    MARKETS.key().id(id.0)
}

fn worker(id: WorkerId) -> Key<WorkerRow> {
    WORKERS.key().id(id.0)
}

fn person(id: PersonId) -> Key<PersonRow> {
    PERSONS.key().id(id.0)
}

fn employer(id: EmployerId) -> Key<EmployerRow> {
    EMPLOYERS.key().id(id.0)
}

impl View for Directory {
    const NAME: &'static str = "directory";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Market(event) => of_market(rows, event),
            Event::Worker(event) => of_worker(rows, meta, event),
            Event::Person(event) => of_person(rows, meta, event),
            Event::Employer(event) => of_employer(rows, meta, event),
            Event::Rules(RulesEvent::Adopted(it)) => {
                let row = PackRow {
                    rules: it.rules,
                    name: it.name.clone(),
                    pack_kind: it.pack_kind,
                    digest: it.digest.clone(),
                    since: meta.time,
                };
                rows.put(PACKS.key().word(&it.name), &row);
            }
            Event::Office(_)
            | Event::Posting(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Hire(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Claim(_)
            | Event::Case(_) => {}
        }
    }
}

fn of_market(rows: &mut Rows<'_>, event: &MarketEvent) {
    match event {
        MarketEvent::Registered(it) => {
            let row = MarketRow {
                market: it.market,
                name: it.name.clone(),
                region: it.region,
                place: it.place,
                market_kind: it.market_kind,
                operator: it.operator.clone(),
                closed: false,
            };
            rows.put(market(it.market), &row);
        }
        MarketEvent::Reclassified(it) => {
            rows.update(market(it.market), |row| row.market_kind = it.market_kind);
        }
        MarketEvent::Closed(it) => rows.update(market(it.market), |row| row.closed = true),
    }
}

fn of_worker(rows: &mut Rows<'_>, meta: &Meta, event: &WorkerEvent) {
    match event {
        WorkerEvent::Registered(it) => {
            let row = WorkerRow {
                worker: it.worker,
                person: it.person,
                profile: it.profile.clone(),
                document_verified: it.document_verified,
                age: it.age,
                bars: Vec::new(),
                registered_at: meta.time,
                region: meta.region,
            };
            rows.put(worker(it.worker), &row);
            rows.put(WORKERS_OF_PERSON.key().id(it.person.0).id(it.worker.0), &());
            rows.update(person(it.person), |row| row.workers.push(it.worker));
        }
        WorkerEvent::ProfileChanged(it) => {
            rows.update(worker(it.worker), |row| row.profile = it.profile.clone());
        }
        WorkerEvent::BarAttested(it) => {
            let bar = BarRow { occupations: it.occupations.clone(), until: it.until, office: it.office };
            rows.update(worker(it.worker), |row| row.bars.push(bar));
        }
        WorkerEvent::Arrived(_)
        | WorkerEvent::Called(_)
        | WorkerEvent::Left(_)
        | WorkerEvent::WentHomeUnhired(_)
        | WorkerEvent::JoinedCrew(_)
        | WorkerEvent::LeftCrew(_) => {}
    }
}

fn of_person(rows: &mut Rows<'_>, meta: &Meta, event: &PersonEvent) {
    match event {
        PersonEvent::Registered(it) => {
            // Told again, the facts and sealed fields are the newer ones; links and keys stay.
            let mut row = rows.get(&person(it.person)).unwrap_or_else(|| PersonRow {
                person: it.person,
                known: it.known.clone(),
                sealed_by: BTreeMap::new(),
                workers: Vec::new(),
                suspected: it.known.duplicate_suspected.into_iter().collect(),
                linked: Vec::new(),
                keys: Vec::new(),
            });
            row.known = it.known.clone();
            row.sealed_by.clear();
            sealed_under(&mut row, meta, it.known.sealed.keys());
            rows.put(person(it.person), &row);
        }
        PersonEvent::Revised(it) => {
            let revision = &it.revision;
            rows.update(person(it.person), |row| {
                row.known.sealed.extend(revision.sealed.clone());
                sealed_under(row, meta, revision.sealed.keys());
                if let Some(document) = &revision.document {
                    (row.known.age, row.known.document_verified) = (document.age, true);
                    row.known.tokens = document.tokens.clone();
                }
            });
            let Some(document) = &revision.document else { return };
            let workers = rows.get(&person(it.person)).map(|row| row.workers).unwrap_or_default();
            for id in workers {
                rows.update(worker(id), |row| (row.age, row.document_verified) = (document.age, true));
            }
        }
        PersonEvent::DuplicateSuspected(it) => both(rows, it.person, it.other, |row, other| {
            if !row.suspected.contains(&other) {
                row.suspected.push(other);
            }
        }),
        PersonEvent::IdentityLinked(it) => both(rows, it.person, it.other, |row, other| {
            row.suspected.retain(|id| *id != other);
            if !row.linked.contains(&other) {
                row.linked.push(other);
            }
        }),
        PersonEvent::IdentityUnlinked(it) => {
            both(rows, it.person, it.other, |row, other| row.linked.retain(|id| *id != other));
        }
        PersonEvent::KeyStateChanged(it) => rows.update(person(it.person), |row| {
            row.keys.retain(|key| key.key != it.key);
            row.keys.push(KeyRow { key: it.key, state: it.state });
        }),
        PersonEvent::KeyOpeningProposed(_) | PersonEvent::KeyOpened(_) => {}
        PersonEvent::CardIssued(_) | PersonEvent::CardEnded(_) => {}
    }
}

/// Notes under which command these fields were sealed.
fn sealed_under<'a>(row: &mut PersonRow, meta: &Meta, fields: impl Iterator<Item = &'a PersonField>) {
    let Some((command, _)) = &meta.command else { return };
    row.sealed_by.extend(fields.map(|it| (*it, *command)));
}

/// Changes both ends of a relation between two records.
fn both(rows: &mut Rows<'_>, one: PersonId, other: PersonId, change: impl Fn(&mut PersonRow, PersonId)) {
    rows.update(person(one), |row| change(row, other));
    rows.update(person(other), |row| change(row, one));
}

fn of_employer(rows: &mut Rows<'_>, meta: &Meta, event: &EmployerEvent) {
    match event {
        EmployerEvent::Registered(it) => {
            let row = EmployerRow {
                employer: it.employer,
                details: it.details.clone(),
                restrictions: Vec::new(),
                registered_at: meta.time,
            };
            rows.put(employer(it.employer), &row);
            index_code(rows, it.employer, &it.details);
        }
        EmployerEvent::Changed(it) => {
            let before = rows.get(&employer(it.employer)).and_then(|row| row.details.code);
            if let Some(code) = before {
                rows.remove(CODES.key().word(code.as_str()));
            }
            rows.update(employer(it.employer), |row| row.details = it.details.clone());
            index_code(rows, it.employer, &it.details);
        }
        EmployerEvent::Restricted(it) => rows.update(employer(it.employer), |row| {
            let (authority, basis, until) = (it.authority.clone(), it.basis.clone(), it.until);
            row.restrictions.push(RestrictionRow { restriction: meta.id, authority, basis, until });
        }),
        EmployerEvent::RestrictionLifted(it) => {
            rows.update(employer(it.employer), |row| {
                row.restrictions.retain(|known| known.restriction != it.restriction);
            });
        }
    }
}

fn index_code(rows: &mut Rows<'_>, id: EmployerId, details: &EmployerDetails) {
    if let Some(code) = &details.code {
        rows.put(CODES.key().word(code.as_str()), &id);
    }
}

/// What a refold of one worker or employer, market or person needs.
pub fn sources(entity: linggong_events::id::EntityRef) -> Vec<Source> {
    vec![Source::Own(entity)]
}

impl Reader<Directory> {
    /// Every market, of one region where it is named.
    pub fn markets(&self, region: Option<Region>) -> Result<At<Vec<MarketRow>>, StoreError> {
        self.read(|snapshot| {
            let mut markets = snapshot.all(MARKETS.key())?;
            markets.retain(|row| region.is_none_or(|it| it.covers(row.region)));
            Ok(markets)
        })
    }

    /// One market.
    pub fn market(&self, id: MarketId) -> Result<At<Option<MarketRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&market(id)))
    }

    /// One worker.
    pub fn worker(&self, id: WorkerId) -> Result<At<Option<WorkerRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&worker(id)))
    }

    /// Workers, of one region or trade where it is named.
    pub fn workers(
        &self,
        region: Option<Region>,
        occupation: Option<Occupation>,
        page: &PageRequest,
    ) -> Result<At<Page<WorkerRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(WORKERS.key(), page, |_, row| {
                let here = region.is_none_or(|it| it.covers(row.region));
                let able =
                    occupation.is_none_or(|it| row.profile.skills.iter().any(|skill| skill.occupation == it));
                Ok((here && able).then_some(row))
            })
        })
    }

    /// One human's record.
    pub fn person(&self, id: PersonId) -> Result<At<Option<PersonRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&person(id)))
    }

    /// The workers that a human is, linked records included.
    pub fn workers_of(&self, id: PersonId) -> Result<At<Vec<WorkerId>>, StoreError> {
        self.read(|snapshot| {
            let linked = snapshot.get(&person(id))?.map(|row| row.linked).unwrap_or_default();
            let mut workers = Vec::new();
            for person in std::iter::once(id).chain(linked) {
                snapshot.each(WORKERS_OF_PERSON.key().id(person.0), |key, ()| {
                    workers.push(WorkerId(last_id(key)));
                    Ok(())
                })?;
            }
            Ok(workers)
        })
    }

    /// One employer.
    pub fn employer(&self, id: EmployerId) -> Result<At<Option<EmployerRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&employer(id)))
    }

    /// The employer of that 统一社会信用代码.
    pub fn employer_of_code(&self, code: &OrgCode) -> Result<At<Option<EmployerId>>, StoreError> {
        self.read(|snapshot| snapshot.get(&CODES.key().word(code.as_str())))
    }

    /// Employers, of one region where it is named.
    pub fn employers(
        &self,
        region: Option<Region>,
        page: &PageRequest,
    ) -> Result<At<Page<EmployerRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(EMPLOYERS.key(), page, |_, row| {
                Ok(region.is_none_or(|it| it.covers(row.details.region)).then_some(row))
            })
        })
    }

    /// The rule packs in force, by name.
    pub fn packs(&self) -> Result<At<Vec<PackRow>>, StoreError> {
        self.read(|snapshot| snapshot.all(PACKS.key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{self, Ledger};
    use linggong_events::employer::{Changed, Restricted, RestrictionLifted};
    use linggong_events::person::{IdentityLinked, IdentityUnlinked};
    use linggong_events::worker::BarAttested;

    #[test]
    fn an_employer_shows_its_newest_details_and_a_restriction_until_it_is_lifted() {
        let employer = testing::employer(1);
        let mut ledger = Ledger::new();
        ledger.record(testing::employer_registered(1, "甲建筑公司"));
        let mut details = testing::employer_registered(1, "乙建筑公司").details;
        details.licence = Some("鲁人许1号".into());
        ledger.record(Changed { employer, details: details.clone() });
        let until = testing::date("2027-01-01");
        ledger.record(Restricted {
            employer,
            authority: "县人社局".into(),
            basis: "决定书5号".into(),
            until,
        });
        let row = refold::<Directory>(&ledger.events).employer(employer).unwrap().value.unwrap();
        assert_eq!((row.details, row.restrictions[0].until), (details, until));
        let restriction = row.restrictions[0].restriction;
        ledger.record(RestrictionLifted { employer, restriction, basis: "决定书6号".into() });
        let row = refold::<Directory>(&ledger.events).employer(employer).unwrap().value.unwrap();
        assert_eq!(row.restrictions, []);
    }

    #[test]
    fn an_employer_is_found_by_its_code_and_not_by_one_it_gave_up() {
        let (old, new) = ("91350100M000100Y43", "91370102M000200X0J");
        let employer = testing::employer(1);
        let mut registered = testing::employer_registered(1, "甲建筑公司");
        registered.details.code = Some(old.parse().unwrap());
        let mut details = registered.details.clone();
        let mut ledger = Ledger::new();
        ledger.record(registered);
        let found = |ledger: &Ledger, code: &str| {
            let view = refold::<Directory>(&ledger.events);
            view.employer_of_code(&code.parse().unwrap()).unwrap().value
        };
        assert_eq!(found(&ledger, old), Some(employer));
        details.code = Some(new.parse().unwrap());
        ledger.record(Changed { employer, details });
        assert_eq!((found(&ledger, old), found(&ledger, new)), (None, Some(employer)));
    }

    #[test]
    fn linked_records_are_read_as_one_human_until_they_are_unlinked() {
        let (one, two) = (testing::person(1), testing::person(2));
        let mut ledger = Ledger::new();
        for n in [1, 2] {
            ledger.record(testing::person_registered(n));
            ledger.record(testing::worker_registered(n));
        }
        let workers = |ledger: &Ledger| refold::<Directory>(&ledger.events).workers_of(one).unwrap().value;
        assert_eq!(workers(&ledger), [testing::worker(1)]);
        ledger.record(IdentityLinked { person: one, other: two, basis: "身份证核对".into() });
        assert_eq!(workers(&ledger), [testing::worker(1), testing::worker(2)]);
        ledger.record(IdentityUnlinked { person: two, other: one, basis: "误并".into() });
        assert_eq!(workers(&ledger), [testing::worker(1)]);
    }

    #[test]
    fn a_bar_shows_its_trades_and_never_its_ground() {
        let mut ledger = Ledger::new();
        ledger.record(testing::worker_registered(1));
        ledger.record(BarAttested {
            worker: testing::worker(1),
            occupations: vec!["scaffolder".parse().unwrap()],
            until: testing::date("2027-01-01"),
            office: testing::office(1),
            basis: "医嘱".into(),
        });
        let row = refold::<Directory>(&ledger.events).worker(testing::worker(1)).unwrap().value.unwrap();
        assert_eq!(row.bars.len(), 1);
        assert!(!serde_json::to_string(&row).unwrap().contains("医嘱"));
    }
}
