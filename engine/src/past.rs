//! What is over: kept whole for as long as commands may be repeated, then only what later commands need.
//!
//! | | after [`KEPT_MS`] |
//! |---|---|
//! | an offer that is over, a run of matching | gone |
//! | a posting whose last shift began and whose hires are settled | gone, and who declined it |
//! | a hire that is over and settled | its terms, wages and covers stay; its signing in and out goes |
//! | a claim, a case, a person, an employer | stay: a claim may come late, a closed case may be reopened |
//!
//! What goes can have no event any more, so its version goes with it. What a command names that is gone is
//! refused as unknown; the ledger and the views show it for ever.

use linggong_events::event::Event;
use linggong_events::hire::HireEvent;
use linggong_events::id::{AttendanceId, EntityRef, HireId, Kind, OfferId, PostingId};
use linggong_events::measure::Fen;
use linggong_events::offer::OfferEvent;
use linggong_events::time::{DAY_MS, Timestamp};

use crate::attendance::attendance_id;
use crate::hire::Stage;
use crate::state::{KEY_WINDOW_MS, State};
use crate::wage::wage_id;
use crate::{insurance, posting};

/// How long everything about a thing is kept once it is over: as long as a command is remembered.
pub const KEPT_MS: i64 = KEY_WINDOW_MS;
/// After how long it is looked at again whether a thing is over at last.
const LOOK_AGAIN_MS: i64 = 30 * DAY_MS;

/// Notes when it is to be looked at what `event` concerns; called after the event has changed the state.
pub(crate) fn note(state: &mut State, event: &Event, subject: EntityRef, time: Timestamp) {
    let over_at = match event {
        Event::Match(_) => Some(time),
        Event::Offer(event) => match event {
            OfferEvent::Accepted(_)
            | OfferEvent::Declined(_)
            | OfferEvent::Expired(_)
            | OfferEvent::Withdrawn(_) => Some(time),
            OfferEvent::Made(_) => None,
        },
        Event::Posting(event) => {
            let stated = event.terms().and_then(|(posting, _)| state.postings.get(&posting));
            stated.map(|it| it.starts().1)
        }
        Event::Hire(event) => match event {
            HireEvent::Agreed(_) | HireEvent::Changed(_) => {
                let hire = state.hires.get(&HireId(subject.id));
                hire.and_then(|it| it.terms.shifts.iter().map(|shift| shift.end()).max())
            }
            HireEvent::AgreementSigned(_)
            | HireEvent::Started(_)
            | HireEvent::Withdrawn(_)
            | HireEvent::Cancelled(_)
            | HireEvent::NoShow(_)
            | HireEvent::SentHome(_)
            | HireEvent::Replaced(_)
            | HireEvent::Ended(_)
            | HireEvent::EndCorrected(_)
            | HireEvent::FollowedUp(_)
            | HireEvent::InjuryReported(_) => None,
        },
        Event::Market(_)
        | Event::Office(_)
        | Event::Person(_)
        | Event::Worker(_)
        | Event::Employer(_)
        | Event::Attendance(_)
        | Event::Wage(_)
        | Event::Insurance(_)
        | Event::Claim(_)
        | Event::Case(_)
        | Event::Rules(_) => None,
    };
    if let Some(at) = over_at {
        state.passing.insert((at.plus_ms(KEPT_MS), subject));
    }
}

/// Lets go of what is over by `now`.
pub(crate) fn let_go(state: &mut State, now: Timestamp) {
    while let Some((at, entity)) = state.passing.first().copied()
        && at <= now
    {
        state.passing.pop_first();
        if !is_let_go(state, entity) {
            state.passing.insert((now.plus_ms(LOOK_AGAIN_MS), entity));
        }
    }
}

/// Lets go of one thing, unless it is not over yet.
fn is_let_go(state: &mut State, entity: EntityRef) -> bool {
    match entity.kind {
        Kind::Match => {
            state.forget_version(entity);
            true
        }
        Kind::Offer => {
            state.offers.remove(&OfferId(entity.id));
            state.forget_version(entity);
            true
        }
        Kind::Posting => let_posting_go(state, PostingId(entity.id)),
        Kind::Hire => let_hire_go(state, HireId(entity.id)),
        Kind::Market
        | Kind::Office
        | Kind::Person
        | Kind::Worker
        | Kind::Employer
        | Kind::Attendance
        | Kind::Wage
        | Kind::Insurance
        | Kind::Claim
        | Kind::Case
        | Kind::Rules => true,
    }
}

fn let_posting_go(state: &mut State, id: PostingId) -> bool {
    let Some(posting) = state.postings.get(&id) else { return true };
    let is_settled = |hire: &HireId| state.hires.get(hire).is_none_or(|it| it.settled);
    let waits = matches!(posting.status, posting::Status::Open | posting::Status::UnderReview);
    if waits || !posting.offers.is_empty() || !posting.hires.iter().all(is_settled) {
        return false;
    }
    state.postings.remove(&id);
    for worker in state.declined_by.remove(&id).unwrap_or_default() {
        if let Some(worker) = state.workers.get_mut(&worker) {
            worker.declined.remove(&id);
        }
    }
    state.forget_version(id.into());
    true
}

fn let_hire_go(state: &mut State, id: HireId) -> bool {
    if !is_settled(state, id) {
        return false;
    }
    let Some(hire) = state.hires.get_mut(&id) else { return true };
    hire.settled = true;
    let (worker, shifts) = (hire.terms.worker, hire.terms.shifts.len());
    if let Some(worker) = state.workers.get_mut(&worker) {
        worker.hires.remove(&id);
    }
    for attendance in (0..).take(shifts).map(|n| attendance_id(id, n)) {
        forget_attendance(state, attendance);
    }
    for look in insurance::let_looks_go(state, id) {
        state.forget_version(look.into());
    }
    true
}

fn forget_attendance(state: &mut State, id: AttendanceId) {
    let Some(known) = state.attendances.remove(&id) else { return };
    let on = (known.worker, known.shift.work_date());
    if let Some(others) = state.attended.get_mut(&on) {
        others.remove(&id);
        if others.is_empty() {
            state.attended.remove(&on);
        }
    }
    state.forget_version(id.into());
}

/// Whether a hire is void or ended, everything is paid, nothing is expected of it and nobody claims anything.
fn is_settled(state: &State, id: HireId) -> bool {
    let Some(hire) = state.hires.get(&id) else { return true };
    let was_to_be = match hire.stage {
        Stage::Agreed | Stage::Started { .. } => return false,
        Stage::Void(_) => false,
        Stage::Ended { .. } => true,
    };
    let shifts = (0..).take(hire.terms.shifts.len());
    let claimed = |entity: EntityRef| {
        let claims = state.claimed.get(&entity).into_iter().flatten();
        claims.filter_map(|claim| state.claims.get(claim)).any(|it| it.is_open())
    };
    let mut on_books = false;
    for n in shifts {
        let attendance = state.attendances.get(&attendance_id(id, n));
        if attendance.is_some_and(|it| it.presumes_a_wage()) {
            return false;
        }
        let wage_id = wage_id(id, hire.terms.pay.pay_kind, n);
        let Some(wage) = state.wages.get(&wage_id) else { continue };
        on_books = true;
        if wage.outstanding() > Fen::ZERO || claimed(wage_id.into()) {
            return false;
        }
    }
    (on_books || !was_to_be) && !claimed(id.into()) && !insurance::is_looked_at(state, id)
}

#[cfg(test)]
mod tests {
    use linggong_events::attendance::{SignedIn, SignedOut};
    use linggong_events::commit::{Digest, Head};
    use linggong_events::employer::EmployerKind;
    use linggong_events::hire::{AssertedBy, HireTerms};
    use linggong_events::offer::{Declined, Made};
    use linggong_events::place::Point;
    use linggong_events::posting::{FillMode, PayKind, PostingTerms, Published, RelationKind, Requirements};
    use linggong_events::time::Shift;
    use linggong_events::wage::{Paid, PayMeans};
    use linggong_events::worker::SkillLevel;
    use uuid::Uuid;

    use super::*;
    use crate::snapshot;
    use crate::testing::{self, DIGEST, EMPLOYER, Given, HIRE, WORKER, at, region, registered, terms};

    /// One posting, one offer declined, one hire worked, which ends it, and paid: a day at the market.
    fn a_day(given: Given, day: u32, paid: bool) -> Given {
        let id = |kind: u128| Uuid::from_u128(kind << 64 | u128::from(day));
        let (posting, offer, hire) = (PostingId(id(1)), OfferId(id(2)), HireId(id(3)));
        let morning = at("2026-11-23 07:00").plus_ms(i64::from(day) * DAY_MS);
        let shift = Shift::new(morning, morning.plus_ms(DAY_MS / 3)).unwrap();
        let date = shift.work_date();
        let posted = PostingTerms {
            employer: EMPLOYER,
            occupation: "loader".parse().unwrap(),
            text: "装卸工一名，搬运瓷砖".into(),
            region: region(),
            place: Point::new(36_650_000, 117_120_000).unwrap(),
            address: "物流园三号库".into(),
            shifts: vec![shift],
            headcount: 1,
            pay: testing::pay(PayKind::Day, 28_000),
            requirements: Requirements { level: SkillLevel::Helper, certificates: Vec::new() },
            mode: FillMode::OnSite,
            market: None,
        };
        let (relation, relation_basis) = (RelationKind::TaskContract, "one task".to_owned());
        let published = Published { posting, terms: posted, relation, relation_basis };
        let made = Made {
            offer,
            posting,
            worker: WORKER,
            mode: FillMode::Named,
            expires: morning,
            proposed_by: None,
            override_reason: None,
        };
        let agreed = HireTerms { posting, shifts: vec![shift], ..terms() };
        let attendance = attendance_id(hire, 0);
        let (wage, worker, employer) = (wage_id(hire, PayKind::Day, 0), WORKER, EMPLOYER);
        let evening = shift.end().plus_ms(DAY_MS / 24);
        let asserted_by = AssertedBy::Worker;
        let (break_minutes, pieces) = (60, None);
        let out =
            SignedOut { attendance, hire, worker, date, at: shift.end(), asserted_by, break_minutes, pieces };
        let given = given
            .at(&morning.plus_ms(-DAY_MS / 24).local()[..16])
            .happened(published)
            .happened(made)
            .happened(Declined { offer, posting, worker: WORKER, reason: None })
            .hired(hire, agreed)
            .at(&evening.local()[..16])
            .happened(out);
        if !paid {
            return given;
        }
        let (amount, outstanding, means) = (Fen(28_000), Fen::ZERO, PayMeans::Cash);
        let evidence = DIGEST.to_owned();
        given.happened(Paid {
            wage,
            hire,
            worker,
            employer,
            amount,
            outstanding,
            means,
            at: evening,
            evidence,
            signature: None,
        })
    }

    /// What a snapshot of it takes.
    fn bytes(given: &Given) -> usize {
        let head = Head { commit: 1, epoch: 1, position: given.state.last(), digest: Digest::ZERO };
        snapshot::write("lg-test", 0, &head, &given.state).len()
    }

    #[test]
    fn after_the_window_a_year_adds_what_is_settled_and_nothing_else() {
        let mut given = registered(EmployerKind::Unlicensed);
        let (mut sizes, mut kept) = (Vec::new(), Vec::new());
        for day in 0..=360 {
            given = a_day(given, day, true);
            if day % 30 == 0 && day >= 120 {
                let state = &given.state;
                sizes.push(bytes(&given));
                kept.push((
                    (state.postings.len(), state.offers.len(), state.attendances.len(), state.attended.len()),
                    (state.workers[&WORKER].hires.len(), state.workers[&WORKER].declined.len()),
                    (state.passing.len(), state.declined_by.len(), state.deadlines.len()),
                    state.hires.values().filter(|it| !it.settled).count(),
                ));
            }
        }
        assert!(kept.windows(2).all(|pair| pair[0] == pair[1]), "{kept:?}");
        assert_eq!(given.state.hires.len(), 361, "every hire can still be claimed for");
        // What remains of a hire for ever: its terms, its wage, their versions.
        let growth: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (growth.iter().min().unwrap(), growth.iter().max().unwrap());
        assert!(most - least < 100, "every month adds the same: {growth:?}");
        let per_hire = most / 30;
        assert!(per_hire < 1_300, "{per_hire} bytes for one settled hire");
    }

    /// A hire of three days on which somebody signed in and nobody ever says that it ended, paid day by day.
    fn never_ended(given: Given) -> Given {
        let mornings = ["2026-11-24 07:00", "2026-11-25 07:00", "2026-11-26 07:00"].map(at);
        let shifts = mornings.map(|it| Shift::new(it, it.plus_ms(DAY_MS / 3)).unwrap());
        let (hire, worker, employer, asserted_by) = (HIRE, WORKER, EMPLOYER, AssertedBy::Gate);
        let (attendance, date) = (attendance_id(hire, 0), shifts[0].work_date());
        let mut given = given
            .hired(hire, HireTerms { shifts: shifts.into(), ..terms() })
            .at("2026-11-24 07:00")
            .happened(SignedIn { attendance, hire, worker, date, at: mornings[0], asserted_by })
            .at("2026-11-28 12:00");
        for n in 0..3 {
            let (wage, means, evidence) = (wage_id(hire, PayKind::Day, n), PayMeans::Cash, DIGEST);
            let (amount, outstanding, at) = (given.state.wages[&wage].amount, Fen::ZERO, mornings[2]);
            given = given.happened(Paid {
                wage,
                hire,
                worker,
                employer,
                amount,
                outstanding,
                means,
                at,
                evidence,
                signature: None,
            });
        }
        given
    }

    #[test]
    fn a_hire_that_nobody_ends_is_ended_by_time_and_let_go_like_any_other() {
        let given = never_ended(registered(EmployerKind::Unlicensed));
        let hire = &given.state.hires[&HIRE];
        assert!(matches!(hire.stage, Stage::Ended { on, .. } if on == "2026-11-26".parse().unwrap()));
        assert!(!hire.settled && given.state.attendances.len() == 3, "within the window it is kept whole");
        // Something else happens, when the window of its last shift is over.
        let given = a_day(given, 95, true);
        assert!(given.state.hires[&HIRE].settled);
        assert!((0..3).all(|n| !given.state.attendances.contains_key(&attendance_id(HIRE, n))));
        assert!(!given.state.workers[&WORKER].hires.contains(&HIRE));
        let still_live = given.state.hires.values().filter(|it| matches!(it.stage, Stage::Started { .. }));
        assert_eq!(still_live.count(), 0);
    }

    #[test]
    fn what_is_owed_or_claimed_is_kept_whole_however_old() {
        let given = a_day(registered(EmployerKind::Unlicensed), 0, false);
        let hire = *given.state.hires.keys().next().unwrap();
        let given = a_day(given, 200, true);
        assert!(!given.state.hires[&hire].settled, "the wage was never paid");
        assert!(given.state.attendances.contains_key(&attendance_id(hire, 0)));
        assert!(given.state.postings.contains_key(&given.state.hires[&hire].terms.posting));
    }
}
