//! 在招岗位: what can still be filled, with its terms and free places; and what a reviewer must look at.

use linggong_events::Event;
use linggong_events::codec::as_written;
use linggong_events::employer::{EmployerDetails, EmployerEvent, EmployerKind};
use linggong_events::envelope::Meta;
use linggong_events::hire::HireEvent;
use linggong_events::id::{EmployerId, HireId, MarketId, PostingId};
use linggong_events::measure::Position;
use linggong_events::occupation::Occupation;
use linggong_events::offer::OfferEvent;
use linggong_events::place::Point;
use linggong_events::posting::{FillMode, Finding, PostingEvent, PostingTerms, RelationKind};
use linggong_events::region::Region;
use linggong_events::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Table, last_id};
use crate::page::{Page, PageRequest};
use crate::projection::{At, Reader, Source};
use crate::store::StoreError;
use crate::view::{Rows, View};

/// Postings from publication to their end.
pub struct OpenPostings;

/// Where a posting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostingState {
    /// 待审核.
    UnderReview,
    /// 招工中.
    Open,
    /// 已招满.
    Filled,
    /// 审核未通过.
    Rejected,
    /// 已撤回.
    Withdrawn,
    /// 已过期.
    Expired,
}

impl PostingState {
    /// Whether a posting is or was offered to everybody.
    pub fn is_public(self) -> bool {
        match self {
            PostingState::Open | PostingState::Filled | PostingState::Withdrawn | PostingState::Expired => {
                true
            }
            PostingState::UnderReview | PostingState::Rejected => false,
        }
    }
}

/// A posting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostingRow {
    /// The posting.
    pub posting: PostingId,
    /// Where it stands.
    pub state: PostingState,
    /// What is offered, by whom, where, when, for how much.
    #[serde(with = "as_written")]
    #[schemars(with = "PostingTerms")]
    pub terms: PostingTerms,
    /// Where exactly the work is, where that is a home: not for everybody who reads the terms.
    pub home: Option<Home>,
    /// The employer's name, where it is an organisation.
    pub employer_name: Option<String>,
    /// What the employer is.
    pub employer_kind: Option<EmployerKind>,
    /// The relation as presumed.
    pub relation: RelationKind,
    /// By which signs.
    pub relation_basis: String,
    /// Places with a hire.
    pub taken: u16,
    /// Places held by an offer that nobody has answered yet.
    pub held: u16,
    /// Places without a hire.
    pub free: u16,
    /// What rules found, for a person to look at; not for everybody who reads the terms.
    #[schemars(default)]
    pub findings: Vec<Finding>,
    /// Whether a person has still to look: before it is shown, or afterwards where it was struck on the spot.
    #[schemars(default)]
    pub review_pending: bool,
    /// Why the reviewer turned it down.
    pub reason: Option<String>,
    /// When it was first recorded.
    pub recorded_at: Timestamp,
    /// Its last event.
    pub position: Position,
}

/// Somebody's home, as a place of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Home {
    /// The place.
    pub place: Point,
    /// The place in words.
    pub address: String,
}

impl PostingRow {
    /// The instant at which its first shift begins; a posting of no shift sorts first.
    fn begins(&self) -> Option<Timestamp> {
        self.terms.shifts.iter().map(|shift| shift.start()).min()
    }

    /// What a refold of this posting needs.
    pub fn sources(&self) -> Vec<Source> {
        vec![Source::Touching(self.posting.into()), Source::Own(self.terms.employer.into())]
    }
}

/// Which postings are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostingFilter {
    /// In this division.
    pub region: Option<Region>,
    /// Of this trade.
    pub occupation: Option<Occupation>,
    /// With a shift on this work date.
    pub date: Option<Date>,
    /// Shown at this market.
    pub market: Option<MarketId>,
    /// Of this employer.
    pub employer: Option<EmployerId>,
    /// Filled so.
    pub mode: Option<FillMode>,
}

impl PostingFilter {
    fn admits(&self, terms: &PostingTerms) -> bool {
        self.region.is_none_or(|it| it.covers(terms.region))
            && self.occupation.is_none_or(|it| it == terms.occupation)
            && self.date.is_none_or(|it| terms.shifts.iter().any(|shift| shift.work_date() == it))
            && self.market.is_none_or(|it| terms.market == Some(it))
            && self.employer.is_none_or(|it| it == terms.employer)
            && self.mode.is_none_or(|it| it == terms.mode)
    }
}

const POSTINGS: Table<PostingRow> = Table::new(1);
/// Start of the first shift, posting.
const OPEN: Table<()> = Table::new(2);
/// Start of the first shift, posting.
const REVIEW: Table<()> = Table::new(3);
const EMPLOYERS: Table<(Option<String>, EmployerKind)> = Table::new(4);
/// The posting in which a hire takes a place.
const PLACES: Table<PostingId> = Table::new(5);
/// Employer, posting.
const OF_EMPLOYER: Table<()> = Table::new(6);

fn posting(id: PostingId) -> Key<PostingRow> {
    POSTINGS.key().id(id.0)
}

fn listed(table: &Table<()>, row: &PostingRow) -> Key<()> {
    let key = match row.begins() {
        Some(start) => table.key().instant(start),
        None => table.key().number(0).number(0),
    };
    key.id(row.posting.0)
}

impl View for OpenPostings {
    const NAME: &'static str = "open_postings";
    const VERSION: u32 = 2;

    fn apply(rows: &mut Rows<'_>, meta: &Meta, event: &Event) {
        match event {
            Event::Posting(event) => of_posting(rows, meta, event),
            Event::Hire(event) => of_hire(rows, meta, event),
            Event::Offer(event) => of_offer(rows, meta, event),
            Event::Employer(EmployerEvent::Registered(it)) => learn(rows, it.employer, &it.details),
            Event::Employer(EmployerEvent::Changed(it)) => learn(rows, it.employer, &it.details),
            Event::Employer(EmployerEvent::Restricted(_) | EmployerEvent::RestrictionLifted(_))
            | Event::Market(_)
            | Event::Office(_)
            | Event::Person(_)
            | Event::Worker(_)
            | Event::Match(_)
            | Event::Attendance(_)
            | Event::Wage(_)
            | Event::Insurance(_)
            | Event::Claim(_)
            | Event::Case(_)
            | Event::Rules(_) => {}
        }
    }
}

fn learn(rows: &mut Rows<'_>, employer: EmployerId, details: &EmployerDetails) {
    rows.put(EMPLOYERS.key().id(employer.0), &(details.name.clone(), details.employer_kind));
}

fn of_posting(rows: &mut Rows<'_>, meta: &Meta, event: &PostingEvent) {
    match event {
        PostingEvent::Published(it) => {
            let relation = (it.relation, it.relation_basis.clone());
            begin(rows, meta, PostingState::Open, it.posting, &it.terms, relation, Vec::new());
        }
        PostingEvent::PlaceTold(it) => change(rows, meta, it.posting, |row| {
            row.home = Some(Home { place: it.place, address: it.address.clone() });
        }),
        PostingEvent::Flagged(it) => change(rows, meta, it.posting, |row| {
            row.findings = it.findings.clone();
            row.review_pending = true;
        }),
        PostingEvent::ReviewRequested(it) => {
            let (relation, findings) = ((it.relation, it.relation_basis.clone()), it.findings.clone());
            begin(rows, meta, PostingState::UnderReview, it.posting, &it.terms, relation, findings);
        }
        PostingEvent::Approved(it) => change(rows, meta, it.posting, |row| {
            if row.state == PostingState::UnderReview {
                row.state = PostingState::Open;
            }
            row.review_pending = false;
            row.reason = None;
        }),
        PostingEvent::Rejected(it) => change(rows, meta, it.posting, |row| {
            row.state = PostingState::Rejected;
            row.review_pending = false;
            row.reason = Some(it.reason.clone());
        }),
        PostingEvent::Changed(it) => change(rows, meta, it.posting, |row| {
            row.terms = it.terms.clone();
            row.home = None;
            row.relation = it.relation;
            row.relation_basis = it.relation_basis.clone();
        }),
        PostingEvent::Filled(it) => change(rows, meta, it.posting, |row| row.state = PostingState::Filled),
        PostingEvent::Reopened(it) => change(rows, meta, it.posting, |row| {
            row.state = PostingState::Open;
            row.taken = row.terms.headcount.saturating_sub(it.free);
        }),
        PostingEvent::Withdrawn(it) => change(rows, meta, it.posting, |row| {
            row.state = PostingState::Withdrawn;
            row.review_pending = false;
        }),
        PostingEvent::Expired(it) => change(rows, meta, it.posting, |row| row.state = PostingState::Expired),
    }
}

fn of_hire(rows: &mut Rows<'_>, meta: &Meta, event: &HireEvent) {
    match event {
        HireEvent::Agreed(it) => {
            let place = PLACES.key().id(it.hire.0);
            if rows.get(&place).is_none() {
                rows.put(place, &it.terms.posting);
                change(rows, meta, it.terms.posting, |row| row.taken += 1);
            }
        }
        HireEvent::Cancelled(it) => give_back(rows, meta, it.hire),
        HireEvent::NoShow(it) => give_back(rows, meta, it.hire),
        // Who works instead has a hire of their own.
        HireEvent::Replaced(it) => give_back(rows, meta, it.hire),
        // A worker who was sent home had the place; the posting does not look for another by itself.
        HireEvent::SentHome(_)
        | HireEvent::AgreementSigned(_)
        | HireEvent::Started(_)
        | HireEvent::Changed(_)
        | HireEvent::Withdrawn(_)
        | HireEvent::Ended(_)
        | HireEvent::EndCorrected(_)
        | HireEvent::FollowedUp(_)
        | HireEvent::InjuryReported(_) => {}
    }
}

fn of_offer(rows: &mut Rows<'_>, meta: &Meta, event: &OfferEvent) {
    match event {
        OfferEvent::Made(it) => change(rows, meta, it.posting, |row| row.held += 1),
        OfferEvent::Accepted(it) => release(rows, meta, it.posting),
        OfferEvent::Declined(it) => release(rows, meta, it.posting),
        OfferEvent::Expired(it) => release(rows, meta, it.posting),
        OfferEvent::Withdrawn(it) => release(rows, meta, it.posting),
    }
}

fn begin(
    rows: &mut Rows<'_>,
    meta: &Meta,
    state: PostingState,
    id: PostingId,
    terms: &PostingTerms,
    (relation, relation_basis): (RelationKind, String),
    findings: Vec<Finding>,
) {
    let employer = rows.get(&EMPLOYERS.key().id(terms.employer.0));
    let (employer_name, employer_kind) = employer.map_or((None, None), |(name, kind)| (name, Some(kind)));
    let row = PostingRow {
        posting: id,
        state,
        terms: terms.clone(),
        home: None,
        employer_name,
        employer_kind,
        relation,
        relation_basis,
        taken: 0,
        held: 0,
        free: terms.headcount,
        review_pending: !findings.is_empty() || state == PostingState::UnderReview,
        findings,
        reason: None,
        recorded_at: meta.time,
        position: meta.position,
    };
    rows.put(OF_EMPLOYER.key().id(terms.employer.0).id(id.0), &());
    list(rows, &row);
    rows.put(posting(id), &row);
}

fn change(rows: &mut Rows<'_>, meta: &Meta, id: PostingId, change: impl FnOnce(&mut PostingRow)) {
    let Some(mut row) = rows.get(&posting(id)) else { return };
    rows.remove(listed(&OPEN, &row));
    rows.remove(listed(&REVIEW, &row));
    change(&mut row);
    row.free = row.terms.headcount.saturating_sub(row.taken);
    row.position = meta.position;
    list(rows, &row);
    rows.put(posting(id), &row);
}

fn list(rows: &mut Rows<'_>, row: &PostingRow) {
    if row.state == PostingState::Open {
        rows.put(listed(&OPEN, row), &());
    }
    if row.review_pending {
        rows.put(listed(&REVIEW, row), &());
    }
}

fn give_back(rows: &mut Rows<'_>, meta: &Meta, hire: HireId) {
    let place = PLACES.key().id(hire.0);
    let Some(id) = rows.get(&place) else { return };
    rows.remove(place);
    change(rows, meta, id, |row| row.taken = row.taken.saturating_sub(1));
}

fn release(rows: &mut Rows<'_>, meta: &Meta, id: PostingId) {
    change(rows, meta, id, |row| row.held = row.held.saturating_sub(1));
}

impl Reader<OpenPostings> {
    /// What can still be filled, the earliest shift first.
    pub fn open(
        &self,
        filter: &PostingFilter,
        page: &PageRequest,
    ) -> Result<At<Page<PostingRow>>, StoreError> {
        self.list(OPEN.key(), filter, page)
    }

    /// What waits for a reviewer, the earliest shift first.
    pub fn under_review(
        &self,
        filter: &PostingFilter,
        page: &PageRequest,
    ) -> Result<At<Page<PostingRow>>, StoreError> {
        self.list(REVIEW.key(), filter, page)
    }

    /// Every posting of an employer, in any state.
    pub fn of_employer(
        &self,
        employer: EmployerId,
        filter: &PostingFilter,
        page: &PageRequest,
    ) -> Result<At<Page<PostingRow>>, StoreError> {
        self.list(OF_EMPLOYER.key().id(employer.0), filter, page)
    }

    /// One posting, in any state.
    pub fn posting(&self, id: PostingId) -> Result<At<Option<PostingRow>>, StoreError> {
        self.read(|snapshot| snapshot.get(&posting(id)))
    }

    fn list(
        &self,
        prefix: Key<()>,
        filter: &PostingFilter,
        page: &PageRequest,
    ) -> Result<At<Page<PostingRow>>, StoreError> {
        self.read(|snapshot| {
            snapshot.page(prefix, page, |key, ()| {
                let row = snapshot.get(&posting(PostingId(last_id(key))))?;
                Ok(row.filter(|row| filter.admits(&row.terms)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::refold;
    use crate::testing::{self, Ledger, agreed, employer_registered, posting_terms, published};
    use linggong_events::hire::{AssertedBy, NoShow};
    use linggong_events::offer::{Accepted, Made};
    use linggong_events::posting::{
        ApprovalGround, Approved, Changed, Filled, Flagged, PlaceTold, Rejected, Reopened, ReviewRequested,
    };

    const DAY: &str = "2026-11-22";

    fn open(ledger: &Ledger, filter: &PostingFilter) -> Vec<PostingRow> {
        refold::<OpenPostings>(&ledger.events).open(filter, &PageRequest::first(10)).unwrap().value.rows
    }

    fn one_posting(headcount: u16) -> Ledger {
        let mut ledger = Ledger::new();
        ledger.record(employer_registered(1, "甲建筑公司"));
        ledger.record(published(1, posting_terms(1, headcount, DAY)));
        ledger
    }

    fn no_show(n: u128) -> NoShow {
        NoShow {
            hire: testing::hire(n),
            revision: 1,
            supersedes: None,
            terms: agreed(n, DAY).terms,
            asserted_by: AssertedBy::Employer,
        }
    }

    #[test]
    fn a_posting_shows_terms_free_places_and_what_is_held() {
        let mut ledger = one_posting(3);
        let (offer, worker) = (testing::offer(1), testing::worker(1));
        let posting = testing::posting(1);
        let expires = testing::date(DAY).at_minute(400);
        let mode = FillMode::Dispatch;
        ledger.record(Made {
            offer,
            posting,
            worker,
            mode,
            expires,
            proposed_by: None,
            override_reason: None,
        });
        let row = &open(&ledger, &PostingFilter::default())[0];
        assert_eq!((row.free, row.taken, row.held), (3, 0, 1));
        assert_eq!(row.employer_name.as_deref(), Some("甲建筑公司"));
        ledger.record(Accepted { offer, posting, worker });
        ledger.record(agreed(1, DAY));
        let row = &open(&ledger, &PostingFilter::default())[0];
        assert_eq!((row.free, row.taken, row.held), (2, 1, 0));
    }

    #[test]
    fn a_filled_posting_is_gone_until_a_place_comes_free() {
        let mut ledger = one_posting(1);
        ledger.record(agreed(1, DAY));
        ledger.record(Filled { posting: testing::posting(1) });
        assert!(open(&ledger, &PostingFilter::default()).is_empty());
        ledger.record(no_show(1));
        ledger.record(no_show(1));
        ledger.record(Reopened { posting: testing::posting(1), free: 1 });
        let row = &open(&ledger, &PostingFilter::default())[0];
        assert_eq!((row.free, row.taken), (1, 0), "told twice, given back once");
    }

    #[test]
    fn lists_are_cut_by_region_trade_and_date() {
        let mut ledger = one_posting(1);
        let mut other = posting_terms(1, 2, "2026-11-21");
        other.occupation = "painter".parse().unwrap();
        other.region = "370202".parse().unwrap();
        ledger.record(published(2, other));
        let ids = |filter| open(&ledger, &filter).iter().map(|row| row.posting).collect::<Vec<_>>();
        let all = PostingFilter::default();
        assert_eq!(ids(all), [testing::posting(2), testing::posting(1)], "the earliest shift first");
        let city = "370100".parse().ok();
        assert_eq!(ids(PostingFilter { region: city, ..all }), [testing::posting(1)]);
        let painters = "painter".parse().ok();
        assert_eq!(ids(PostingFilter { occupation: painters, ..all }), [testing::posting(2)]);
        let date = Some(testing::date(DAY));
        assert_eq!(ids(PostingFilter { date, ..all }), [testing::posting(1)]);
    }

    #[test]
    fn a_filter_that_lets_little_through_still_leads_to_the_end_of_the_list() {
        let mut ledger = Ledger::new();
        for n in 1..=90 {
            let mut terms = posting_terms(1, 1, DAY);
            if n == 88 {
                terms.occupation = "painter".parse().unwrap();
            }
            ledger.record(published(n, terms));
        }
        let view = refold::<OpenPostings>(&ledger.events);
        let painters = PostingFilter { occupation: "painter".parse().ok(), ..PostingFilter::default() };
        let mut page = view.open(&painters, &PageRequest::first(10)).unwrap().value;
        assert!(page.rows.is_empty() && page.next.is_some(), "handed out short, with a way on");
        let mut found = Vec::new();
        while let Some(next) = page.next {
            page = view.open(&painters, &PageRequest::first(10).at(Some(next))).unwrap().value;
            found.extend(page.rows.iter().map(|row| row.posting));
        }
        assert_eq!(found, [testing::posting(88)]);
    }

    #[test]
    fn what_is_under_review_is_shown_to_the_reviewer_alone() {
        let mut ledger = Ledger::new();
        let finding = Finding {
            rule: "posting.sex".into(),
            citation: "妇女权益保障法43".into(),
            words: "限男性".into(),
        };
        for n in [1, 2] {
            ledger.record(ReviewRequested {
                posting: testing::posting(n),
                terms: posting_terms(1, 1, DAY),
                relation: RelationKind::TaskContract,
                relation_basis: "按天用工".into(),
                findings: vec![finding.clone()],
            });
        }
        assert!(open(&ledger, &PostingFilter::default()).is_empty());
        let review = |ledger: &Ledger| {
            let view = refold::<OpenPostings>(&ledger.events);
            view.under_review(&PostingFilter::default(), &PageRequest::first(10)).unwrap().value.rows
        };
        assert_eq!(review(&ledger).len(), 2);
        assert_eq!(review(&ledger)[0].findings, [finding]);
        ledger.record(Approved { posting: testing::posting(1), reason: ApprovalGround::Verified });
        ledger.record(Rejected { posting: testing::posting(2), reason: "限性别".into() });
        assert!(review(&ledger).is_empty());
        assert_eq!(open(&ledger, &PostingFilter::default()).len(), 1);
    }

    #[test]
    fn what_was_struck_on_the_spot_is_looked_at_afterwards_though_it_is_filled() {
        let mut ledger = Ledger::new();
        let finding =
            Finding { rule: "posting.text".into(), citation: String::new(), words: "夜班".into() };
        ledger.record(published(1, posting_terms(1, 1, DAY)));
        ledger.record(Flagged { posting: testing::posting(1), findings: vec![finding.clone()] });
        ledger.record(Filled { posting: testing::posting(1) });
        let review = |ledger: &Ledger| {
            let view = refold::<OpenPostings>(&ledger.events);
            view.under_review(&PostingFilter::default(), &PageRequest::first(10)).unwrap().value.rows
        };
        assert_eq!(review(&ledger)[0].findings, [finding]);
        assert_eq!(review(&ledger)[0].state, PostingState::Filled);
        ledger.record(Approved { posting: testing::posting(1), reason: ApprovalGround::Lawful });
        assert!(review(&ledger).is_empty());
        let view = refold::<OpenPostings>(&ledger.events);
        let state = view.posting(testing::posting(1)).unwrap().value.unwrap().state;
        assert_eq!(state, PostingState::Filled, "a look afterwards opens nothing");
    }

    #[test]
    fn a_home_stands_beside_the_terms_until_they_are_told_anew() {
        let mut ledger = one_posting(1);
        let home = Home {
            place: Point { lat_e6: 36_651_234, lon_e6: 117_123_456 },
            address: "某村 18 号".into(),
        };
        let (posting, employer) = (testing::posting(1), testing::employer(1));
        ledger.record(PlaceTold { posting, employer, place: home.place, address: home.address.clone() });
        let rows = |ledger: &Ledger| open(ledger, &PostingFilter::default());
        assert_eq!(rows(&ledger)[0].home, Some(home));
        assert_eq!(
            rows(&ledger)[0].terms,
            posting_terms(1, 1, DAY),
            "the terms are those that were published"
        );
        let (relation, relation_basis) = (RelationKind::PartTime, "按小时计酬".to_owned());
        ledger.record(Changed { posting, terms: posting_terms(1, 1, DAY), relation, relation_basis });
        assert_eq!(rows(&ledger)[0].home, None);
    }

    #[test]
    fn changed_terms_move_a_posting_within_the_list() {
        let mut ledger = one_posting(1);
        ledger.record(Changed {
            posting: testing::posting(1),
            terms: posting_terms(1, 5, "2026-12-01"),
            relation: RelationKind::PartTime,
            relation_basis: "按小时计酬".into(),
        });
        let rows = open(&ledger, &PostingFilter::default());
        assert_eq!(rows.len(), 1, "the old place in the list is gone");
        assert_eq!((rows[0].free, rows[0].relation), (5, RelationKind::PartTime));
    }
}
