//! 招工用工登记台账: one row per hire, with what the register asks and nothing that is sealed.

use std::collections::BTreeSet;

use linggong_events::Event;
use linggong_events::codec::as_written;
use linggong_events::employer::{EmployerEvent, EmployerKind};
use linggong_events::envelope::{Channel, Meta};
use linggong_events::evidence::EvidenceDigest;
use linggong_events::hire::{
    AssertedBy, CancelReason, ChangeReason, EndBasis, HireEvent, HireTerms, InsuranceDecision,
};
use linggong_events::id::{ActorId, EmployerId, HireId, MarketId, OfficeId, PostingId, WorkerId};
use linggong_events::identity::OrgCode;
use linggong_events::insurance::InsuranceEvent;
use linggong_events::measure::Position;
use linggong_events::occupation::Occupation;
use linggong_events::office::Role;
use linggong_events::place::Point;
use linggong_events::posting::{FillMode, PayTerms, PostingEvent, RelationKind};
use linggong_events::region::Region;
use linggong_events::time::{Date, Shift, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::insured::{self, Cover, Standing};
use crate::key::{Key, Table, is_at, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Hires, as the office's ledger lists them.
pub struct HiringLedger;

/// Where a hire stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HireState {
    /// 已成交.
    Agreed,
    /// 已上工.
    Started,
    /// 已下工.
    Ended,
    /// 已取消.
    Cancelled,
    /// 爽约.
    NoShow,
    /// 到了没活.
    SentHome,
    /// 已换人.
    Replaced,
}

/// One hire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HireRow {
    /// The hire.
    pub hire: HireId,
    /// Where it stands.
    pub state: HireState,
    /// How many complete statements of its terms there were.
    pub revision: u32,
    /// What was posted.
    pub posting: PostingId,
    /// The work in the posting's words.
    pub work: Option<String>,
    /// The place of work in the posting's words, also where that is a home.
    pub address: Option<String>,
    /// The place of work.
    pub place: Option<Point>,
    /// How many people were looked for.
    pub headcount: Option<u16>,
    /// The market at which the work was shown.
    pub market: Option<MarketId>,
    /// Who works.
    pub worker: WorkerId,
    /// Who hires.
    pub employer: EmployerId,
    /// The name at the time of hiring, where the employer is an organisation.
    pub employer_name: Option<String>,
    /// 统一社会信用代码.
    pub employer_code: Option<OrgCode>,
    /// What the employer is.
    pub employer_kind: EmployerKind,
    /// The county of the place of work.
    pub region: Region,
    /// The trade.
    pub occupation: Occupation,
    /// The first work date.
    pub date: Option<Date>,
    /// When.
    pub shifts: Vec<Shift>,
    /// Pay, rate and when it is due.
    #[serde(with = "as_written")]
    #[schemars(with = "PayTerms")]
    pub pay: PayTerms,
    /// The relation as presumed.
    pub relation: RelationKind,
    /// By which signs.
    pub relation_basis: String,
    /// What was decided about cover.
    pub insurance: InsuranceDecision,
    /// How cover stands; see the view `insured` for the covers.
    pub cover: Standing,
    /// The agreement that was signed.
    pub agreement: Option<Agreement>,
    /// How the place was filled.
    pub mode: FillMode,
    /// 上工.
    pub started: Option<Asserted>,
    /// How it ended, where it did.
    pub end: Option<HireEnd>,
    /// Changes of its terms, the oldest first.
    pub changes: Vec<TermsChange>,
    /// 回访.
    pub follow_ups: Vec<HireFollowUp>,
    /// When it was agreed, as asserted.
    pub agreed_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who registered it.
    pub registered_by: ActorId,
    /// As what.
    pub role: Role,
    /// At which office.
    pub office: Option<OfficeId>,
    /// How it reached the office.
    pub channel: Channel,
    /// The form and row that it came from.
    pub source_doc: Option<String>,
    /// Its last event.
    pub position: Position,
}

/// A signed agreement; its text is in the vault under the hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// The template and its version.
    pub template: String,
    /// The hash of the signed text.
    pub document: EvidenceDigest,
    /// When.
    pub signed_at: Timestamp,
}

/// An instant and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asserted {
    /// The instant.
    pub at: Timestamp,
    /// Who says so.
    pub asserted_by: AssertedBy,
}

/// How a hire ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HireEnd {
    /// The engagement ended on that date, from which a year counts.
    Ended {
        /// The date.
        date: Date,
        /// By what.
        basis: EndBasis,
        /// Who says so.
        asserted_by: AssertedBy,
    },
    /// It did not take place.
    Cancelled {
        /// Why.
        reason: CancelReason,
    },
    /// The worker did not come.
    NoShow {
        /// Who says so.
        asserted_by: AssertedBy,
    },
    /// The worker came and there was no work.
    SentHome {
        /// When.
        at: Timestamp,
        /// Who says so.
        asserted_by: AssertedBy,
    },
    /// Somebody else worked instead.
    Replaced {
        /// Under this hire.
        by: HireId,
    },
}

/// A change of terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TermsChange {
    /// The revision that it made.
    pub revision: u32,
    /// Why.
    pub reason: ChangeReason,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The event.
    pub position: Position,
}

/// What the worker said afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HireFollowUp {
    /// When.
    pub at: Timestamp,
    /// Whether they worked.
    pub worked: bool,
    /// Whether they were paid.
    pub paid: bool,
}

impl HireRow {
    /// What a refold of this row needs.
    pub fn sources(&self) -> Vec<Source> {
        vec![
            Source::Touching(self.hire.into()),
            Source::Own(self.posting.into()),
            Source::Own(self.employer.into()),
        ]
    }

    fn set_terms(&mut self, terms: &HireTerms, revision: u32) {
        self.revision = revision;
        self.employer_code = terms.employer_code.clone();
        self.employer_kind = terms.employer_kind;
        self.region = terms.region;
        self.occupation = terms.occupation;
        self.date = work_dates(&terms.shifts).first().copied();
        self.shifts = terms.shifts.clone();
        self.pay = terms.pay.clone();
        self.relation = terms.relation;
        self.relation_basis = terms.relation_basis.clone();
        self.insurance = terms.insurance;
    }
}

/// The days on which shifts begin, each once.
fn work_dates(shifts: &[Shift]) -> BTreeSet<Date> {
    shifts.iter().map(|shift| shift.work_date()).collect()
}

/// Which hires are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HireFilter {
    /// Worked in this division.
    pub region: Option<Region>,
    /// Of this trade.
    pub occupation: Option<Occupation>,
    /// With a work date from this one on; together with `until`, with one between the two.
    pub from: Option<Date>,
    /// With a work date up to this one.
    pub until: Option<Date>,
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// Of this employer.
    pub employer: Option<EmployerId>,
    /// For this posting.
    pub posting: Option<PostingId>,
    /// That stand so.
    pub state: Option<HireState>,
}

impl HireFilter {
    fn admits(&self, row: &HireRow) -> bool {
        self.region.is_none_or(|it| it.covers(row.region))
            && self.occupation.is_none_or(|it| it == row.occupation)
            && self.worker.is_none_or(|it| it == row.worker)
            && self.employer.is_none_or(|it| it == row.employer)
            && self.posting.is_none_or(|it| it == row.posting)
            && self.state.is_none_or(|it| it == row.state)
    }

    /// The one day by which a hire is listed, of those that it is worked on: the first that is asked for.
    fn day_of(&self, row: &HireRow) -> Option<Date> {
        let asked = |it: &Date| {
            self.from.is_none_or(|from| from <= *it) && self.until.is_none_or(|until| *it <= until)
        };
        work_dates(&row.shifts).into_iter().find(asked)
    }
}

const HIRES: Table<HireRow> = Table::new(1);
/// Work date, hire: one for each day of a hire.
const BY_DATE: Table<()> = Table::new(2);
/// Worker, work date, hire.
const BY_WORKER: Table<()> = Table::new(3);
/// Employer, work date, hire.
const BY_EMPLOYER: Table<()> = Table::new(4);
const EMPLOYER_NAMES: Table<String> = Table::new(5);
const POSTINGS: Table<Posted> = Table::new(6);
const COVERS: Table<Vec<Cover>> = Table::new(7);

/// What a row tells of the posting, which may be a home that only the row tells of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Posted {
    work: String,
    address: String,
    place: Point,
    headcount: u16,
    market: Option<MarketId>,
}

fn hire(id: HireId) -> Key<HireRow> {
    HIRES.key().id(id.0)
}

/// The keys under which a row is listed: three for each work date, of which a hire has no more than shifts.
fn lists(row: &HireRow) -> Vec<Key<()>> {
    let of_day = |date: Date| {
        [
            BY_DATE.key().date(date).id(row.hire.0),
            BY_WORKER.key().id(row.worker.0).date(date).id(row.hire.0),
            BY_EMPLOYER.key().id(row.employer.0).date(date).id(row.hire.0),
        ]
    };
    work_dates(&row.shifts).into_iter().flat_map(of_day).collect()
}

impl View for HiringLedger {
    const NAME: &'static str = "hiring_ledger";
    const VERSION: u32 = 3;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Hire(event) => of_hire(rows, meta, event),
            Event::Insurance(event) => of_insurance(rows, meta, event),
            Event::Employer(EmployerEvent::Registered(it)) => {
                name(rows, it.employer, it.details.name.as_ref());
            }
            Event::Employer(EmployerEvent::Changed(it)) => name(rows, it.employer, it.details.name.as_ref()),
            Event::Posting(event) => of_posting(rows, event),
            Event::Employer(EmployerEvent::Restricted(_) | EmployerEvent::RestrictionLifted(_))
            | Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Offer(_)
            | Event::Match(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Claim(_)
            | Event::Case(_)
            | Event::Rules(_) => {}
        }
    }
}

fn name(rows: &mut Rows<'_>, employer: EmployerId, name: Option<&String>) {
    let key = EMPLOYER_NAMES.key().id(employer.0);
    match name {
        Some(name) => rows.put(key, name),
        None => rows.remove(key),
    }
}

fn of_posting(rows: &mut Rows<'_>, event: &PostingEvent) {
    if let PostingEvent::PlaceTold(it) = event {
        return rows.update(POSTINGS.key().id(it.posting.0), |posted| {
            (posted.address, posted.place) = (it.address.clone(), it.place);
        });
    }
    let Some((posting, terms)) = event.terms() else { return };
    let (work, address) = (terms.text.clone(), terms.address.clone());
    let (place, headcount, market) = (terms.place, terms.headcount, terms.market);
    rows.put(POSTINGS.key().id(posting.0), &Posted { work, address, place, headcount, market });
}

fn of_hire(rows: &mut Rows<'_>, meta: &Meta, event: &HireEvent) {
    match event {
        HireEvent::Agreed(it) => begin(rows, meta, it),
        HireEvent::AgreementSigned(it) => change(rows, meta, it.hire, |row| {
            let (template, document) = (it.template.clone(), it.document);
            row.agreement = Some(Agreement { template, document, signed_at: meta.occurred_at });
        }),
        HireEvent::Started(it) => change(rows, meta, it.hire, |row| {
            row.started = Some(Asserted { at: it.at, asserted_by: it.asserted_by });
            if row.state == HireState::Agreed {
                row.state = HireState::Started;
            }
        }),
        HireEvent::Changed(it) => change(rows, meta, it.hire, |row| {
            row.set_terms(&it.terms, it.revision);
            row.changes.push(TermsChange {
                revision: it.revision,
                reason: it.reason,
                recorded_at: meta.time,
                position: meta.position,
            });
        }),
        HireEvent::Cancelled(it) => {
            let end = HireEnd::Cancelled { reason: it.reason };
            finish(rows, meta, it.hire, HireState::Cancelled, end);
        }
        HireEvent::NoShow(it) => {
            finish(rows, meta, it.hire, HireState::NoShow, HireEnd::NoShow { asserted_by: it.asserted_by });
        }
        HireEvent::SentHome(it) => {
            let end = HireEnd::SentHome { at: it.at, asserted_by: it.asserted_by };
            finish(rows, meta, it.hire, HireState::SentHome, end);
        }
        HireEvent::Replaced(it) => {
            finish(rows, meta, it.hire, HireState::Replaced, HireEnd::Replaced { by: it.by });
        }
        HireEvent::Ended(it) => {
            let end = HireEnd::Ended { date: it.date, basis: it.basis, asserted_by: it.asserted_by };
            finish(rows, meta, it.hire, HireState::Ended, end);
        }
        HireEvent::EndCorrected(it) => change(rows, meta, it.hire, |row| {
            row.revision = it.revision;
            row.end = Some(HireEnd::Ended { date: it.date, basis: it.basis, asserted_by: it.asserted_by });
        }),
        HireEvent::FollowedUp(it) => change(rows, meta, it.hire, |row| {
            let (at, worked, paid) = (meta.occurred_at, it.worked, it.paid);
            row.follow_ups.push(HireFollowUp { at, worked, paid });
        }),
        // Told under the old county for subscribers there; the new terms come as a change.
        HireEvent::Withdrawn(_) => {}
        HireEvent::InjuryReported(_) => {}
    }
}

fn begin(rows: &mut Rows<'_>, meta: &Meta, it: &linggong_events::hire::Agreed) {
    let terms = &it.terms;
    let employer_name = rows.get(&EMPLOYER_NAMES.key().id(terms.employer.0));
    let posted = rows.get(&POSTINGS.key().id(terms.posting.0));
    let mut row = HireRow {
        hire: it.hire,
        state: HireState::Agreed,
        revision: it.revision,
        posting: terms.posting,
        work: posted.as_ref().map(|it| it.work.clone()),
        address: posted.as_ref().map(|it| it.address.clone()),
        place: posted.as_ref().map(|it| it.place),
        headcount: posted.as_ref().map(|it| it.headcount),
        market: posted.and_then(|it| it.market),
        worker: terms.worker,
        employer: terms.employer,
        employer_name,
        employer_code: None,
        employer_kind: terms.employer_kind,
        region: terms.region,
        occupation: terms.occupation,
        date: None,
        shifts: Vec::new(),
        pay: terms.pay.clone(),
        relation: terms.relation,
        relation_basis: String::new(),
        insurance: terms.insurance,
        cover: insured::standing(terms.insurance, &[]),
        agreement: None,
        mode: it.mode,
        started: None,
        end: None,
        changes: Vec::new(),
        follow_ups: Vec::new(),
        agreed_at: meta.occurred_at,
        recorded_at: meta.time,
        registered_by: meta.actor,
        role: meta.role,
        office: meta.office,
        channel: meta.channel,
        source_doc: meta.source_doc.clone(),
        position: meta.position,
    };
    row.set_terms(terms, it.revision);
    enlist(rows, &row);
    rows.put(hire(row.hire), &row);
}

fn finish(rows: &mut Rows<'_>, meta: &Meta, id: HireId, state: HireState, end: HireEnd) {
    change(rows, meta, id, |row| {
        row.state = state;
        row.end = Some(end);
    });
}

fn change(rows: &mut Rows<'_>, meta: &Meta, id: HireId, change: impl FnOnce(&mut HireRow)) {
    let Some(mut row) = rows.get(&hire(id)) else { return };
    let (dates, keys) = (work_dates(&row.shifts), lists(&row));
    change(&mut row);
    // Both what was decided and what was covered since move it.
    row.cover = insured::standing(row.insurance, &rows.get(&COVERS.key().id(id.0)).unwrap_or_default());
    row.position = meta.position;
    if dates != work_dates(&row.shifts) {
        keys.into_iter().for_each(|key| rows.remove(key));
        enlist(rows, &row);
    }
    rows.put(hire(row.hire), &row);
}

fn enlist(rows: &mut Rows<'_>, row: &HireRow) {
    for key in lists(row) {
        rows.put(key, &());
    }
}

fn of_insurance(rows: &mut Rows<'_>, meta: &Meta, event: &InsuranceEvent) {
    let id = insured::hire_of(event);
    let key = || COVERS.key().id(id.0);
    let mut covers = rows.get(&key()).unwrap_or_default();
    insured::step(&mut covers, event);
    rows.put(key(), &covers);
    change(rows, meta, id, |_| {});
}

impl Reader<HiringLedger> {
    /// Hires by work date; by worker or employer where one is named. Each stands once, by the first day asked for.
    pub fn hires(&self, filter: &HireFilter, page: &PageRequest) -> Result<At<Page<HireRow>>, StoreError> {
        let prefix = match (filter.worker, filter.employer) {
            (Some(worker), _) => BY_WORKER.key().id(worker.0),
            (None, Some(employer)) => BY_EMPLOYER.key().id(employer.0),
            (None, None) => BY_DATE.key(),
        };
        let prefix = match filter.from {
            Some(day) if filter.until == Some(day) => prefix.date(day),
            Some(_) | None => prefix,
        };
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                let row = snapshot.get(&hire(HireId(last_id(key))))?;
                let here = |row: &HireRow| filter.day_of(row).is_some_and(|day| is_at(key, day));
                Ok(row.filter(|row| here(row) && filter.admits(row)))
            })
        })
    }

    /// One hire.
    pub fn hire(&self, id: HireId) -> Result<At<Option<HireRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&hire(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Order;
    use crate::projection::refold;
    use crate::testing::{self, Ledger, agreed, date, employer_registered, posting_terms, published};
    use linggong_events::hire::{AgreementSigned, Changed, EndCorrected, Ended, Started};
    use linggong_events::insurance::RefusedByWorker;
    use linggong_events::measure::Fen;
    use linggong_events::posting::PlaceTold;

    const DAY: &str = "2026-11-22";

    fn one_hire() -> Ledger {
        let mut ledger = Ledger::new();
        ledger.record(employer_registered(1, "甲建筑公司"));
        ledger.record(published(1, posting_terms(1, 3, DAY)));
        let at = ledger.record(agreed(1, DAY));
        ledger.meta_of(at, |meta| {
            meta.channel = Channel::Import;
            meta.source_doc = Some("sha256:00#sheet1!17".into());
        });
        ledger
    }

    fn row(ledger: &Ledger) -> HireRow {
        refold::<HiringLedger>(&ledger.events).hire(testing::hire(1)).unwrap().value.unwrap()
    }

    #[test]
    fn a_row_holds_what_the_register_asks() {
        let row = row(&one_hire());
        assert_eq!(row.employer_name.as_deref(), Some("甲建筑公司"));
        assert_eq!((row.work.as_deref(), row.address.as_deref()), (Some("砌墙"), Some("历下区工地")));
        assert_eq!(row.place, Some(posting_terms(1, 3, DAY).place));
        assert_eq!((row.headcount, row.market), (Some(3), Some(testing::market(1))));
        assert_eq!((row.date, row.pay.rate, row.state), (Some(date(DAY)), Fen(28_000), HireState::Agreed));
        assert_eq!((row.registered_by, row.office), (testing::actor(1), Some(testing::office(1))));
        assert_eq!(row.channel, Channel::Import);
        assert_eq!(row.source_doc.as_deref(), Some("sha256:00#sheet1!17"));
    }

    #[test]
    fn a_row_follows_the_hire_to_its_end() {
        let mut ledger = one_hire();
        let (hire, worker, revision, supersedes) = (testing::hire(1), testing::worker(1), 1, None);
        let terms = agreed(1, DAY).terms;
        ledger.record(AgreementSigned {
            hire,
            revision,
            supersedes,
            terms: terms.clone(),
            template: "用工协议v1".into(),
            document: testing::EVIDENCE,
        });
        let (at, asserted_by) = (date(DAY).at_minute(420), AssertedBy::Gate);
        ledger.record(Started { hire, revision, supersedes, terms: terms.clone(), at, asserted_by });
        assert_eq!(row(&ledger).state, HireState::Started);
        assert_eq!(row(&ledger).agreement.unwrap().document, testing::EVIDENCE);
        ledger.record(RefusedByWorker { insurance: testing::insurance(1), hire, worker });
        assert_eq!(row(&ledger).cover, Standing::Refused);
        let by = AssertedBy::Employer;
        let basis = EndBasis::WorkDone;
        let ended = Ended {
            hire,
            revision,
            supersedes,
            terms: terms.clone(),
            date: date(DAY),
            basis,
            asserted_by: by,
        };
        ledger.record(ended);
        let row = row(&ledger);
        assert_eq!(row.state, HireState::Ended);
        assert_eq!(row.end, Some(HireEnd::Ended { date: date(DAY), basis, asserted_by: by }));
        let (was, day, basis, by) = (date(DAY), date("2026-11-21"), EndBasis::LeftByWorker, AssertedBy::Desk);
        let corrected =
            EndCorrected { hire, revision: 2, terms, was, date: day, basis, asserted_by: by, supersedes: 1 };
        ledger.record(corrected);
        let row = self::row(&ledger);
        assert_eq!((row.state, row.revision), (HireState::Ended, 2));
        assert_eq!(row.end, Some(HireEnd::Ended { date: day, basis, asserted_by: by }));
    }

    #[test]
    fn changed_terms_are_a_new_revision_and_move_the_row() {
        let mut ledger = one_hire();
        let mut terms = agreed(1, "2026-11-25").terms;
        terms.pay.rate = Fen(30_000);
        let hire = testing::hire(1);
        ledger.record(Changed { hire, revision: 2, terms, reason: ChangeReason::Agreed, supersedes: 1 });
        let changed = row(&ledger);
        assert_eq!((changed.revision, changed.pay.rate), (2, Fen(30_000)));
        assert_eq!(changed.changes[0].reason, ChangeReason::Agreed);
        let view = refold::<HiringLedger>(&ledger.events);
        let on = |day| {
            let filter =
                HireFilter { from: Some(date(day)), until: Some(date(day)), ..HireFilter::default() };
            view.hires(&filter, &PageRequest::first(10)).unwrap().value.rows.len()
        };
        assert_eq!((on(DAY), on("2026-11-25")), (0, 1));
    }

    #[test]
    fn who_is_hired_at_a_home_is_told_where_it_is() {
        let (place, address) = (Point { lat_e6: 36_651_234, lon_e6: 117_123_456 }, "历下区某村 18 号");
        let told = |address: &str| PlaceTold {
            posting: testing::posting(1),
            employer: testing::employer(1),
            place,
            address: address.into(),
        };
        let mut ledger = Ledger::new();
        ledger.record(published(1, posting_terms(1, 3, DAY)));
        ledger.record(told(address));
        ledger.record(agreed(1, DAY));
        ledger.record(told("历下区某村 20 号"));
        ledger.record(agreed(2, DAY));
        assert_eq!((row(&ledger).address.as_deref(), row(&ledger).place), (Some(address), Some(place)));
        let second = refold::<HiringLedger>(&ledger.events).hire(testing::hire(2)).unwrap().value.unwrap();
        assert_eq!(second.address.as_deref(), Some("历下区某村 20 号"), "as it was when they were hired");
    }

    /// The hires that the filter finds, page by page.
    fn found(ledger: &Ledger, filter: &HireFilter) -> Vec<HireId> {
        let view = refold::<HiringLedger>(&ledger.events);
        let mut page = PageRequest::first(1);
        let mut all = Vec::new();
        loop {
            let found = view.hires(filter, &page).unwrap().value;
            all.extend(found.rows.iter().map(|it| it.hire));
            match found.next {
                Some(next) => page = PageRequest::first(1).at(Some(next)),
                None => return all,
            }
        }
    }

    #[test]
    fn a_hire_of_several_days_is_found_by_each_of_them_and_listed_once() {
        let mut ledger = one_hire();
        let days = ["2026-11-24", "2026-11-25", "2026-11-27"];
        let mut long = agreed(2, days[0]);
        // Two shifts on one day are one work date.
        long.terms.shifts = vec![testing::shift(days[0], 7, 4), testing::shift(days[0], 13, 4)];
        long.terms.shifts.extend(days[1..].iter().map(|day| testing::shift(day, 7, 9)));
        ledger.record(long.clone());
        let between = |from: &str, until: &str| HireFilter {
            from: Some(date(from)),
            until: Some(date(until)),
            ..HireFilter::default()
        };
        for filter in [
            HireFilter::default(),
            HireFilter { worker: Some(testing::worker(2)), ..HireFilter::default() },
            HireFilter { employer: Some(testing::employer(1)), ..HireFilter::default() },
        ] {
            for day in days {
                let on = HireFilter { from: Some(date(day)), until: Some(date(day)), ..filter };
                assert_eq!(found(&ledger, &on), [testing::hire(2)], "{day} {filter:?}");
            }
            let on = HireFilter { from: Some(date("2026-11-26")), until: Some(date("2026-11-26")), ..filter };
            assert_eq!(found(&ledger, &on), [], "a day between two is none of its days");
        }
        assert_eq!(found(&ledger, &HireFilter::default()), [testing::hire(1), testing::hire(2)]);
        assert_eq!(found(&ledger, &between(DAY, days[2])), [testing::hire(1), testing::hire(2)]);
        assert_eq!(
            found(&ledger, &between(days[1], days[2])),
            [testing::hire(2)],
            "its first day lies before"
        );
        assert_eq!(found(&ledger, &between("2026-11-28", "2026-12-01")), []);
        // It is moved: the days that were are given up.
        long.terms.shifts = vec![testing::shift(days[1], 7, 9), testing::shift("2026-12-01", 7, 9)];
        let (hire, terms, reason) = (testing::hire(2), long.terms, ChangeReason::Agreed);
        ledger.record(Changed { hire, revision: 2, terms, reason, supersedes: 1 });
        assert_eq!(found(&ledger, &between(days[0], days[0])), []);
        assert_eq!(found(&ledger, &between(days[2], days[2])), []);
        assert_eq!(found(&ledger, &between(days[1], days[1])), [testing::hire(2)]);
        assert_eq!(found(&ledger, &between("2026-12-01", "2026-12-01")), [testing::hire(2)]);
        assert_eq!(found(&ledger, &HireFilter::default()), [testing::hire(1), testing::hire(2)]);
    }

    #[test]
    fn what_is_decided_anew_about_cover_shows_at_once() {
        let mut ledger = one_hire();
        let mut terms = agreed(1, DAY).terms;
        terms.insurance = InsuranceDecision::RefusedByWorker;
        let (hire, reason) = (testing::hire(1), ChangeReason::Insurance);
        ledger.record(Changed { hire, revision: 2, terms, reason, supersedes: 1 });
        assert_eq!(row(&ledger).cover, Standing::Refused);
    }

    #[test]
    fn the_ledger_is_read_by_date_worker_and_employer_newest_first_where_asked() {
        let mut ledger = one_hire();
        ledger.record(agreed(2, "2026-11-23"));
        ledger.record(agreed(3, "2026-11-21"));
        let view = refold::<HiringLedger>(&ledger.events);
        let hires = |filter: HireFilter| {
            let page = PageRequest::first(10).order(Order::Down);
            let rows = view.hires(&filter, &page).unwrap().value.rows;
            rows.iter().map(|row| row.hire).collect::<Vec<_>>()
        };
        let all = HireFilter::default();
        assert_eq!(hires(all), [testing::hire(2), testing::hire(1), testing::hire(3)]);
        assert_eq!(hires(HireFilter { worker: Some(testing::worker(3)), ..all }), [testing::hire(3)]);
        assert_eq!(hires(HireFilter { employer: Some(testing::employer(1)), ..all }).len(), 3);
        assert!(hires(HireFilter { employer: Some(testing::employer(2)), ..all }).is_empty());
        assert!(hires(HireFilter { state: Some(HireState::Ended), ..all }).is_empty());
    }
}
