//! 岗位: checked by form, shown, filled.

use std::collections::BTreeSet;

use linggong_events::codec::as_written;
use linggong_events::employer::EmployerKind;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{EmployerId, HireId, Kind, OfferId, PostingId};
use linggong_events::offer::WithdrawReason;
use linggong_events::place::Point;
use linggong_events::posting::{
    ApprovalGround, Approved, Changed, Expired, FillMode, Filled, Finding, Flagged, PayKind, PayTerms,
    PlaceTold, PostingEvent, PostingTerms, PostingWithdrawal, Published, Rejected, RelationKind, Reopened,
    ReviewRequested, Withdrawn,
};
use linggong_events::time::{Date, Shift, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::hire;
use crate::pack::{Action, LimitId};
use crate::posting_check::check_posting;
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::{matching, offer, text};

/// The most people of one posting: what ends them all must fit into one commit.
pub const MAX_HEADCOUNT: u16 = 60;
/// The most shifts of one posting.
pub const MAX_SHIFTS: usize = 31;
/// The most shifts, over all hires, that one withdrawal cancels: each hire is told with all of its own.
const MAX_SHIFTS_CANCELLED_AT_ONCE: usize = 1_000;

commands! {
    /// What can be asked of a posting.
    PostingCommand: Posting {
        /// 发布岗位: shown at once where form and words pass, else blocked with a corrected text, or reviewed.
        Submit = "submit", [Employer, Clerk, Dispatcher, Reviewer, MarketManager, CrewLeader] => { terms: PostingTerms }
        /// Lets a posting under review pass, or says of one that was struck on the spot that it is in order.
        Approve = "approve", [Reviewer, MarketManager] => { posting: PostingId, reason: ApprovalGround }
        /// Turns a posting under review down.
        Reject = "reject", [Reviewer, MarketManager] => { posting: PostingId, reason: String }
        /// States the terms as they are from now on; hires already agreed keep theirs.
        Change = "change", [Employer, Clerk, Dispatcher, MarketManager] => { posting: PostingId, terms: PostingTerms }
        /// Takes the posting back; hires not yet started are cancelled.
        Withdraw = "withdraw", [Employer, Clerk, Dispatcher, MarketManager] => { posting: PostingId, reason: PostingWithdrawal }
        /// 推荐: runs the matching core and offers the free places to the best.
        Match = "match", [Dispatcher, Clerk, MarketManager] => { posting: PostingId }
    }
}

/// A posting as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posting {
    /// As everybody may read them: what is matched and explained tells no more.
    #[serde(with = "as_written")]
    pub(crate) terms: PostingTerms,
    /// Where exactly the work is, where that is a home.
    home: Option<Home>,
    pub(crate) relation: RelationKind,
    pub(crate) relation_basis: String,
    pub(crate) status: Status,
    /// Whether it was struck on the spot with something in it that a person has still to look at.
    flagged: bool,
    /// Hires that take a place.
    pub(crate) hires: BTreeSet<HireId>,
    /// Offers that hold a place.
    pub(crate) offers: BTreeSet<OfferId>,
}

/// Somebody's home, as a place of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Home {
    place: Point,
    address: String,
}

/// Where a posting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// A person must look first.
    UnderReview,
    /// Shown; places are free.
    Open,
    /// Shown; every place is taken.
    Filled,
    /// Over: rejected, withdrawn or expired.
    Ended,
}

impl Posting {
    /// A posting nobody has a place of yet.
    pub(crate) fn new(terms: &PostingTerms, relation: RelationKind, relation_basis: &str) -> Posting {
        Posting {
            terms: terms.clone(),
            home: None,
            relation,
            relation_basis: relation_basis.to_owned(),
            status: Status::Open,
            flagged: false,
            hires: BTreeSet::new(),
            offers: BTreeSet::new(),
        }
    }

    /// Places neither taken nor held open.
    pub(crate) fn free(&self) -> u16 {
        let taken = self.hires.len() + self.offers.len();
        self.terms.headcount.saturating_sub(u16::try_from(taken).unwrap_or(u16::MAX))
    }

    /// Places not taken.
    pub(crate) fn not_taken(&self) -> u16 {
        self.terms.headcount.saturating_sub(u16::try_from(self.hires.len()).unwrap_or(u16::MAX))
    }

    /// The start of the first and of the last shift.
    pub(crate) fn starts(&self) -> (Timestamp, Timestamp) {
        starts(&self.terms)
    }
}

fn starts(terms: &PostingTerms) -> (Timestamp, Timestamp) {
    let mut starts: Vec<Timestamp> = terms.shifts.iter().map(|shift| shift.start()).collect();
    starts.sort_unstable();
    match (starts.first(), starts.last()) {
        (Some(first), Some(last)) => (*first, *last),
        (None, _) | (_, None) => unreachable!("terms without a shift are refused"),
    }
}

impl State {
    pub(crate) fn posting(&self, id: PostingId) -> Result<&Posting, Refusal> {
        self.postings.get(&id).ok_or_else(|| Refusal::unknown(id))
    }

    /// The posting, if it is shown and has places left.
    pub(crate) fn open_posting(&self, id: PostingId) -> Result<&Posting, Refusal> {
        let posting = self.posting(id)?;
        match posting.status {
            Status::Open => Ok(posting),
            Status::Filled => Err(Refusal::Full { entity: id.into() }),
            Status::UnderReview => Err(Refusal::not_possible(id, "under review")),
            Status::Ended => Err(Refusal::Ended { entity: id.into() }),
        }
    }
}

pub(crate) fn decide(
    state: &State,
    command: &PostingCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        PostingCommand::Submit(it) => {
            publish(state, PostingId(context.new_id(Kind::Posting, 0)), &it.terms, context)
        }
        PostingCommand::Approve(it) => {
            let approved = || vec![Approved { posting: it.posting, reason: it.reason }.into()];
            // What was struck on the spot is looked at afterwards, whatever became of it.
            if state.posting(it.posting)?.flagged {
                context.actor.check_region(state.posting(it.posting)?.terms.region)?;
                return Ok(approved());
            }
            let posting = under_review(state, it.posting, context)?;
            if posting.starts().1 <= context.now {
                return Err(Refusal::TooLate { at: posting.starts().1 });
            }
            Ok(approved())
        }
        PostingCommand::Reject(it) => {
            under_review(state, it.posting, context)?;
            text::check("reason", &it.reason, text::LINE)?;
            Ok(vec![Rejected { posting: it.posting, reason: it.reason.clone() }.into()])
        }
        PostingCommand::Change(it) => change(state, it, context),
        PostingCommand::Withdraw(it) => {
            let posting = state.posting(it.posting)?;
            relation::check(state, context.actor, &Sides::of_employer(posting.terms.employer))?;
            context.actor.check_region(posting.terms.region)?;
            if posting.status == Status::Ended {
                return Err(Refusal::Ended { entity: it.posting.into() });
            }
            if hire::shifts_cancelled_with(state, it.posting, context.now) > MAX_SHIFTS_CANCELLED_AT_ONCE {
                let is = "too large to be withdrawn at once: cancel some of its hires first";
                return Err(Refusal::not_possible(it.posting, is));
            }
            Ok(vec![Withdrawn { posting: it.posting, reason: it.reason }.into()])
        }
        PostingCommand::Match(it) => {
            let posting = state.open_posting(it.posting)?;
            context.actor.check_region(posting.terms.region)?;
            let run = context.new_id(Kind::Match, 0);
            Ok(matching::offer_places(state, it.posting, run, context.now, context.rules))
        }
    }
}

/// The events by which terms become a posting.
///
/// # Errors
/// Terms that cannot be, words or fields that the law blocks, an employer who may not hire.
pub(crate) fn publish(
    state: &State,
    posting: PostingId,
    terms: &PostingTerms,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let Checked { terms, home, relation, relation_basis, review } = check(state, terms, context)?;
    let place_told = home.map(|it| it.told(posting, terms.employer));
    // Struck on the spot, work begins in minutes: what must be looked at is looked at afterwards.
    let on_site = terms.mode == FillMode::OnSite;
    let flagged =
        (on_site && !review.is_empty()).then(|| Flagged { posting, findings: review.clone() }.into());
    let event = if review.is_empty() || on_site {
        Published { posting, terms, relation, relation_basis }.into()
    } else {
        ReviewRequested { posting, terms, relation, relation_basis, findings: review }.into()
    };
    Ok(std::iter::once(event).chain(place_told).chain(flagged).collect())
}

/// Terms that may be posted, and what follows from them.
struct Checked {
    /// As everybody may read them.
    terms: PostingTerms,
    home: Option<Home>,
    relation: RelationKind,
    relation_basis: String,
    /// What a person must look at.
    review: Vec<Finding>,
}

fn check(state: &State, terms: &PostingTerms, context: &Context<'_>) -> Result<Checked, Refusal> {
    let employer = state.employer(terms.employer)?;
    let kind = employer.details.employer_kind;
    relation::check(state, context.actor, &Sides::of_employer(terms.employer))?;
    context.actor.check_region(terms.region)?;
    check_terms(state, terms, context.now)?;
    let (shown, home) = as_shown(kind, terms, context.now.date());
    if home.is_some() && shown.address != terms.address && terms.text.contains(&terms.address) {
        return Err(Refusal::bad_field(
            "terms.text",
            "tells the address of a home, which only `address` may",
        ));
    }
    employer.check_unrestricted(context.now.date())?;
    let checked = check_posting(terms, kind, context.rules);
    if checked.is_blocked() {
        let findings = checked.findings(Action::Block);
        return Err(Refusal::PostingBlocked { findings, corrected: checked.corrected });
    }
    let review = checked.findings(Action::Review);
    let (relation, relation_basis) = presumed_relation(kind, terms, context.rules);
    Ok(Checked { terms: shown, home, relation, relation_basis, review })
}

/// The terms as everybody may read them, and apart from them a home that is the place of work.
fn as_shown(kind: EmployerKind, terms: &PostingTerms, on: Date) -> (PostingTerms, Option<Home>) {
    let mut shown = terms.clone();
    if !kind.works_at_home() {
        return (shown, None);
    }
    let area = match terms.region.name(on) {
        Some(county) => area(&terms.address, county),
        None => terms.region.to_string(),
    };
    let address = std::mem::replace(&mut shown.address, area);
    let place = std::mem::replace(&mut shown.place, terms.place.coarse());
    (shown, Some(Home { place, address }))
}

/// What the name of a township or of a street office ends in.
const TOWNSHIP_ENDS: [&str; 3] = ["街道", "镇", "乡"];
/// Characters of names that lie closer than a township: an address that has them before its end is not cut there.
const CLOSER: &str = "路街道巷弄胡同村庄屯里苑园区院楼栋号";
/// The longest name of a township without its end; beyond, more than a name stands there.
const TOWNSHIP_CHARS: usize = 4;

/// The county, and the township where the address begins with one: as close as everybody may come to a home.
fn area(address: &str, county: &str) -> String {
    let within = address.split_once(county).map_or(address, |(_, rest)| rest);
    let ends = TOWNSHIP_ENDS.iter().filter_map(|end| within.split_once(end).map(|(name, _)| (name, end)));
    let nearest = ends.min_by_key(|(name, _)| name.len());
    let is_name = |name: &str| {
        let han = |it: char| ('\u{4e00}'..='\u{9fff}').contains(&it);
        (1..=TOWNSHIP_CHARS).contains(&name.chars().count())
            && name.chars().all(|it| han(it) && !CLOSER.contains(it))
    };
    match nearest.filter(|(name, _)| is_name(name)) {
        Some((name, end)) => format!("{county}{name}{end}"),
        None => county.to_owned(),
    }
}

impl Home {
    fn told(self, posting: PostingId, employer: EmployerId) -> Event {
        PlaceTold { posting, employer, place: self.place, address: self.address }.into()
    }
}

fn check_terms(state: &State, terms: &PostingTerms, now: Timestamp) -> Result<(), Refusal> {
    text::check("terms.text", &terms.text, text::PARAGRAPH)?;
    text::check("terms.address", &terms.address, text::LINE)?;
    if terms.headcount == 0 || terms.headcount > MAX_HEADCOUNT {
        return Err(Refusal::bad_field("terms.headcount", format!("is not between 1 and {MAX_HEADCOUNT}")));
    }
    check_shifts("terms.shifts", &terms.shifts)?;
    if let Some(over) = terms.shifts.iter().map(|shift| shift.end()).max().filter(|end| *end <= now) {
        return Err(Refusal::TooLate { at: over });
    }
    check_pay("terms.pay.unit", &terms.pay)?;
    match terms.market {
        Some(market) => state.open_market(market).map(|_| ()),
        None => Ok(()),
    }
}

/// Some shifts, no more than one commit tells of, and none in the minutes of another.
pub(crate) fn check_shifts(field: &str, shifts: &[Shift]) -> Result<(), Refusal> {
    if shifts.is_empty() || shifts.len() > MAX_SHIFTS {
        return Err(Refusal::bad_field(field, format!("does not name between 1 and {MAX_SHIFTS} shifts")));
    }
    let mut sorted = shifts.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0].overlaps(pair[1])) {
        return Err(Refusal::bad_field(field, "names two that overlap"));
    }
    Ok(())
}

/// A rate that can be paid, and a unit where pieces are counted.
pub(crate) fn check_pay(unit_field: &str, pay: &PayTerms) -> Result<(), Refusal> {
    if pay.rate.0 <= 0 || pay.rate.times(i64::from(MAX_HEADCOUNT) * 10_000).is_none() {
        return Err(Refusal::BadAmount { amount: pay.rate });
    }
    match (pay.pay_kind, &pay.unit) {
        (PayKind::Piece, Some(unit)) => text::check(unit_field, unit, 10),
        (PayKind::Piece, None) => Err(Refusal::bad_field(unit_field, "is needed for piece-work")),
        (PayKind::Day | PayKind::Hour | PayKind::Task, _) => Ok(()),
    }
}

/// What the relation is presumed to be (domain.md §2.6, §8); a tribunal decides.
pub(crate) fn presumed_relation(
    kind: EmployerKind,
    terms: &PostingTerms,
    rules: &RuleBook,
) -> (RelationKind, String) {
    // Hours a day up to which hourly work counts as part-time, where the rules know them with effect.
    let part_time =
        rules.limit(LimitId::PartTimePerDay).and_then(|row| Some((row.legal()?, &row.basis.citation)));
    let longest = terms.shifts.iter().map(|shift| shift.minutes()).max().unwrap_or(0);
    let short_day = part_time.filter(|(hours, _)| longest <= i64::from(*hours) * 60);
    let task = || (RelationKind::TaskContract, "以完成一定工作任务为期限 (劳动合同法 15)".into());
    match kind {
        EmployerKind::Household => match terms.pay.pay_kind {
            // Paid once for a result: 承揽. By time or piece a household hires somebody's labour.
            PayKind::Task => (RelationKind::Contract, "家庭或农户自用, 按成果一次计酬 (民法典 770)".into()),
            PayKind::Day | PayKind::Hour | PayKind::Piece => {
                (RelationKind::PersonalService, "用人主体为家庭或农户, 自用".into())
            }
        },
        EmployerKind::Agency => (RelationKind::Dispatched, "用人主体为人力资源服务机构".into()),
        EmployerKind::Enterprise
        | EmployerKind::IndividualBusiness
        | EmployerKind::Cooperative
        | EmployerKind::Unlicensed
        | EmployerKind::Foreman => match (terms.pay.pay_kind, short_day) {
            (PayKind::Hour, Some((hours, citation))) => {
                (RelationKind::PartTime, format!("按小时计酬, 每日不超过 {hours} 小时 ({citation})"))
            }
            (PayKind::Hour, None) | (PayKind::Day | PayKind::Piece | PayKind::Task, _) => task(),
        },
    }
}

fn under_review<'a>(state: &'a State, id: PostingId, context: &Context<'_>) -> Result<&'a Posting, Refusal> {
    let posting = state.posting(id)?;
    context.actor.check_region(posting.terms.region)?;
    match posting.status {
        Status::UnderReview => Ok(posting),
        Status::Open | Status::Filled => Err(Refusal::not_possible(id, "not under review")),
        Status::Ended => Err(Refusal::Ended { entity: id.into() }),
    }
}

fn change(state: &State, it: &Change, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
    let posting = state.posting(it.posting)?;
    relation::check(state, context.actor, &Sides::of_employer(posting.terms.employer))?;
    context.actor.check_region(posting.terms.region)?;
    if posting.status == Status::Ended {
        return Err(Refusal::Ended { entity: it.posting.into() });
    }
    if it.terms.employer != posting.terms.employer {
        return Err(Refusal::bad_field("terms.employer", "cannot be changed: withdraw and post anew"));
    }
    let kind = state.employer(it.terms.employer)?.details.employer_kind;
    let (shown, home) = as_shown(kind, &it.terms, context.now.date());
    if (&posting.terms, &posting.home) == (&shown, &home) {
        return Ok(Vec::new());
    }
    if usize::from(it.terms.headcount) < posting.hires.len() {
        return Err(Refusal::bad_field("terms.headcount", "is less than the places already taken"));
    }
    // The same checks as for a new posting; what needs review goes back to review only if it was there.
    let Checked { terms, home, relation, relation_basis, review } = check(state, &it.terms, context)?;
    if !review.is_empty() && posting.status != Status::UnderReview {
        return Err(Refusal::bad_field("terms.text", "needs a review: withdraw and post anew"));
    }
    let (posting, employer) = (it.posting, terms.employer);
    let changed = Changed { posting, terms, relation, relation_basis }.into();
    Ok(std::iter::once(changed).chain(home.map(|it| it.told(posting, employer))).collect())
}

pub(crate) fn evolve(state: &mut State, event: &PostingEvent, meta: &Meta) {
    match event {
        PostingEvent::Published(it) => {
            enter(state, it.posting, &it.terms, it.relation, &it.relation_basis, Status::Open);
            matching::owe(state, it.posting, meta);
        }
        PostingEvent::PlaceTold(it) => {
            let Some(posting) = state.postings.get_mut(&it.posting) else { return };
            posting.home = Some(Home { place: it.place, address: it.address.clone() });
        }
        PostingEvent::Flagged(it) => set_flagged(state, it.posting, true),
        PostingEvent::ReviewRequested(it) => {
            enter(state, it.posting, &it.terms, it.relation, &it.relation_basis, Status::UnderReview);
        }
        PostingEvent::Approved(it) => {
            // A look afterwards opens nothing.
            if state.postings.get(&it.posting).is_some_and(|it| it.flagged) {
                return set_flagged(state, it.posting, false);
            }
            set_status(state, it.posting, Status::Open);
            matching::owe(state, it.posting, meta);
        }
        PostingEvent::Rejected(it) => set_status(state, it.posting, Status::Ended),
        PostingEvent::Changed(it) => {
            let Some(posting) = state.postings.get_mut(&it.posting) else { return };
            posting.terms = it.terms.clone();
            posting.home = None;
            posting.relation = it.relation;
            posting.relation_basis = it.relation_basis.clone();
            let status = posting.status;
            set_status(state, it.posting, status);
            matching::owe(state, it.posting, meta);
        }
        PostingEvent::Filled(it) => set_status(state, it.posting, Status::Filled),
        PostingEvent::Reopened(it) => {
            set_status(state, it.posting, Status::Open);
            matching::owe(state, it.posting, meta);
        }
        PostingEvent::Withdrawn(it) => {
            set_flagged(state, it.posting, false);
            set_status(state, it.posting, Status::Ended);
        }
        PostingEvent::Expired(it) => set_status(state, it.posting, Status::Ended),
    }
}

fn enter(
    state: &mut State,
    id: PostingId,
    terms: &PostingTerms,
    relation: RelationKind,
    basis: &str,
    status: Status,
) {
    state.postings.insert(id, Posting::new(terms, relation, basis));
    set_status(state, id, status);
}

fn set_flagged(state: &mut State, id: PostingId, flagged: bool) {
    if let Some(posting) = state.postings.get_mut(&id) {
        posting.flagged = flagged;
    }
}

/// A posting that is not full expires when its last shift begins.
fn set_status(state: &mut State, id: PostingId, status: Status) {
    let Some(posting) = state.postings.get_mut(&id) else { return };
    posting.status = status;
    let last_start = posting.starts().1;
    state.no_longer_expect(id, |due| *due == Due::PostingExpires);
    match status {
        Status::Open => {}
        Status::UnderReview | Status::Filled | Status::Ended => matching::owe_not(state, id),
    }
    if matches!(status, Status::Open | Status::UnderReview) {
        state.expect_by(last_start, id, Due::PostingExpires);
    }
}

pub(crate) fn follow_up(state: &State, event: &PostingEvent, meta: &Meta) -> Vec<Event> {
    match event {
        PostingEvent::Withdrawn(it) => {
            let mut events = offer::withdraw_all_of(state, it.posting, WithdrawReason::PostingEnded);
            events.extend(hire::cancel_all_of(state, it.posting, meta.time));
            events
        }
        PostingEvent::Expired(it) => offer::withdraw_all_of(state, it.posting, WithdrawReason::PostingEnded),
        PostingEvent::Changed(it) => {
            let mut events = offer::withdraw_all_of(state, it.posting, WithdrawReason::PostingEnded);
            let Some(posting) = state.postings.get(&it.posting) else { return events };
            match posting.status {
                Status::Open if posting.not_taken() == 0 => {
                    events.push(Filled { posting: it.posting }.into())
                }
                Status::Filled if posting.not_taken() > 0 && posting.starts().1 > meta.time => {
                    events.push(Reopened { posting: it.posting, free: posting.not_taken() }.into());
                }
                Status::Open | Status::Filled | Status::UnderReview | Status::Ended => {}
            }
            events
        }
        PostingEvent::Filled(it) => offer::withdraw_all_of(state, it.posting, WithdrawReason::Filled),
        // Places that are free now are offered once the whole decision is made.
        PostingEvent::Published(_)
        | PostingEvent::PlaceTold(_)
        | PostingEvent::Flagged(_)
        | PostingEvent::Approved(_)
        | PostingEvent::Reopened(_)
        | PostingEvent::ReviewRequested(_)
        | PostingEvent::Rejected(_) => Vec::new(),
    }
}

pub(crate) fn due(state: &State, deadline: &Deadline) -> Vec<Event> {
    let id = PostingId(deadline.entity.id);
    let unfilled = state.postings.get(&id).map(Posting::not_taken);
    unfilled.map(|unfilled| Expired { posting: id, unfilled }.into()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::area;

    #[test]
    fn everybody_comes_no_closer_to_a_home_than_its_township() {
        let cases = [
            ("阳信县温店镇陈家村 12 号", "阳信县", "阳信县温店镇"),
            ("山东省滨州市阳信县温店镇", "阳信县", "阳信县温店镇"),
            ("洋湖乡东张村西头第三家", "阳信县", "阳信县洋湖乡"),
            ("历下区龙洞街道孟家庄 18 号", "历下区", "历下区龙洞街道"),
            // No township, or none that the address begins with.
            ("历下区甸柳新村八区 7 号楼", "历下区", "历下区"),
            ("历下区经十路 12345 号镇兴楼 201", "历下区", "历下区"),
            ("历下区镇江路 5 号", "历下区", "历下区"),
            ("解放路五号院三单元二零一室乡亲饭店楼上", "历下区", "历下区"),
            ("王家胡同七号温店镇", "阳信县", "阳信县"),
            ("3 号楼 2 单元温店镇", "阳信县", "阳信县"),
            ("", "历下区", "历下区"),
        ];
        for (address, county, shown) in cases {
            assert_eq!(area(address, county), shown, "{address}");
        }
    }
}
