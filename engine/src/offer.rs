//! 派工: made, answered once, over.

use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::{HireId, Kind, OfferId, PostingId, WorkerId};
use linggong_events::offer::{Accepted, Declined, Expired, Made, OfferEvent, WithdrawReason, Withdrawn};
use linggong_events::posting::FillMode;
use linggong_events::time::{MINUTE_MS, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Context, commands};
use crate::hire;
use crate::posting::Posting;
use crate::refusal::Refusal;
use crate::relation::{self, Sides};
use crate::rules::RuleBook;
use crate::state::{Deadline, Due, State};
use crate::{matching, text};

commands! {
    /// What can be asked of an offer.
    OfferCommand: Offer {
        /// 点工 or the desk's choice: holds a place for one worker; tells why where it overrides a proposal.
        Make = "make", [Dispatcher, Clerk, MarketManager, Employer] => { posting: PostingId, worker: WorkerId } + optional { override_reason: String }
        /// 抢单: takes a free place at once.
        Grab = "grab", [Worker, Dispatcher, Clerk] => { posting: PostingId, worker: WorkerId }
        /// 接单.
        Accept = "accept", [Worker, Dispatcher, Clerk, CrewLeader] => { offer: OfferId }
        /// 拒单.
        Decline = "decline", [Worker, Dispatcher, Clerk, CrewLeader] => { offer: OfferId } + optional { reason: String }
        /// Takes the offer back.
        Withdraw = "withdraw", [Dispatcher, Clerk, MarketManager] => { offer: OfferId }
    }
}

/// An offer as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) posting: PostingId,
    pub(crate) worker: WorkerId,
    pub(crate) mode: FillMode,
    pub(crate) open: bool,
}

impl State {
    fn open_offer(&self, id: OfferId, context: &Context<'_>) -> Result<&Offer, Refusal> {
        let offer = self.offers.get(&id).ok_or_else(|| Refusal::unknown(id))?;
        let region = self.posting(offer.posting)?.terms.region;
        relation::check(self, context.actor, &Sides::of_worker(offer.worker).at(region))?;
        if offer.open { Ok(offer) } else { Err(Refusal::Ended { entity: id.into() }) }
    }
}

/// The instant at which an offer for `posting` made at `now` lapses; never after the first shift began.
pub(crate) fn expiry(posting: &Posting, now: Timestamp, rules: &RuleBook) -> Option<Timestamp> {
    let minutes = i64::from(rules.office()?.offer_expiry_minutes);
    let expires = now.plus_ms(minutes * MINUTE_MS).min(posting.starts().0);
    (expires > now).then_some(expires)
}

pub(crate) fn decide(
    state: &State,
    command: &OfferCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        OfferCommand::Make(it) => {
            let posting = state.open_posting(it.posting)?;
            relation::check(state, context.actor, &Sides::of_employer(posting.terms.employer))?;
            context.actor.check_region(posting.terms.region)?;
            check_place(state, it.posting, posting, it.worker, context)?;
            if let Some(reason) = &it.override_reason {
                text::check("override_reason", reason, text::LINE)?;
            }
            if posting.terms.mode == FillMode::Dispatch && it.override_reason.is_none() {
                return Err(Refusal::bad_field(
                    "override_reason",
                    "is needed where the desk chooses otherwise",
                ));
            }
            let expires = expiry(posting, context.now, context.rules)
                .ok_or(Refusal::TooLate { at: posting.starts().0 })?;
            let made = Made {
                offer: OfferId(context.new_id(Kind::Offer, 0)),
                posting: it.posting,
                worker: it.worker,
                mode: FillMode::Named,
                expires,
                proposed_by: None,
                override_reason: it.override_reason.clone(),
            };
            Ok(vec![made.into()])
        }
        OfferCommand::Grab(it) => {
            let region = state.posting(it.posting)?.terms.region;
            relation::check(state, context.actor, &Sides::of_worker(it.worker).at(region))?;
            let posting = state.open_posting(it.posting)?;
            if posting.terms.mode != FillMode::Grab {
                return Err(Refusal::not_possible(it.posting, "not open for grabbing"));
            }
            check_place(state, it.posting, posting, it.worker, context)?;
            let hire = HireId(context.new_id(Kind::Hire, 0));
            Ok(vec![hire::agreed(
                state,
                hire,
                it.posting,
                posting,
                it.worker,
                (FillMode::Grab, None),
                context,
            )?])
        }
        OfferCommand::Accept(it) => {
            let offer = state.open_offer(it.offer, context)?;
            let posting = state.posting(offer.posting)?;
            hire::check_lawful(state, offer.worker, &posting.terms, context.rules)?;
            let hire = HireId(context.new_id(Kind::Hire, 0));
            let accepted = Accepted { offer: it.offer, posting: offer.posting, worker: offer.worker };
            let agreed = hire::agreed(
                state,
                hire,
                offer.posting,
                posting,
                offer.worker,
                (offer.mode, Some(it.offer)),
                context,
            )?;
            Ok(vec![accepted.into(), agreed])
        }
        OfferCommand::Decline(it) => {
            let offer = state.open_offer(it.offer, context)?;
            if let Some(reason) = &it.reason {
                text::check("reason", reason, text::LINE)?;
            }
            let (posting, worker, reason) = (offer.posting, offer.worker, it.reason.clone());
            Ok(vec![Declined { offer: it.offer, posting, worker, reason }.into()])
        }
        OfferCommand::Withdraw(it) => {
            let offer = state.open_offer(it.offer, context)?;
            Ok(vec![withdrawn(it.offer, offer, WithdrawReason::Desk)])
        }
    }
}

/// A free place, a worker who may lawfully and actually do the work, and no second place for them.
fn check_place(
    state: &State,
    id: PostingId,
    posting: &Posting,
    worker: WorkerId,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    state.employer(posting.terms.employer)?.check_unrestricted(context.now.date())?;
    if posting.free() == 0 {
        return Err(Refusal::Full { entity: id.into() });
    }
    if posting.starts().0 <= context.now {
        return Err(Refusal::TooLate { at: posting.starts().0 });
    }
    let held =
        posting.offers.iter().find(|offer| state.offers.get(*offer).is_some_and(|it| it.worker == worker));
    if let Some(offer) = held {
        return Err(Refusal::Exists { entity: (*offer).into() });
    }
    let hired = |hire: &&HireId| state.hires.get(*hire).is_some_and(|it| it.terms.worker == worker);
    if let Some(hire) = posting.hires.iter().find(hired) {
        return Err(Refusal::AlreadyHired { entity: (*hire).into() });
    }
    // Last: a place of this very posting takes the same minutes, and is the plainer reason.
    hire::check_lawful(state, worker, &posting.terms, context.rules)
}

fn withdrawn(id: OfferId, offer: &Offer, reason: WithdrawReason) -> Event {
    Withdrawn { offer: id, posting: offer.posting, worker: offer.worker, reason }.into()
}

/// Takes back every open offer of a posting.
pub(crate) fn withdraw_all_of(state: &State, posting: PostingId, reason: WithdrawReason) -> Vec<Event> {
    let offers = state.postings.get(&posting).map(|it| &it.offers).into_iter().flatten();
    offers.filter_map(|id| state.offers.get(id).map(|offer| withdrawn(*id, offer, reason))).collect()
}

/// Takes back the worker's open offers that the hire leaves no time for.
pub(crate) fn withdraw_overlapping(
    state: &State,
    worker: WorkerId,
    hire: HireId,
    rules: &RuleBook,
) -> Vec<Event> {
    let (Some(worker), Some(hire)) = (state.workers.get(&worker), state.hires.get(&hire)) else {
        return Vec::new();
    };
    let overlaps = |offer: &Offer| {
        state
            .postings
            .get(&offer.posting)
            .is_some_and(|it| it.terms.shifts.iter().any(|shift| hire.occupies(*shift, rules.travel_ms())))
    };
    let offers = worker.offers.iter().filter_map(|id| state.offers.get(id).map(|offer| (*id, offer)));
    offers
        .filter(|(_, it)| overlaps(it))
        .map(|(id, it)| withdrawn(id, it, WithdrawReason::WorkerHired))
        .collect()
}

pub(crate) fn evolve(state: &mut State, event: &OfferEvent, meta: &Meta) {
    match event {
        OfferEvent::Made(it) => {
            let offer = Offer { posting: it.posting, worker: it.worker, mode: it.mode, open: true };
            state.offers.insert(it.offer, offer);
            if let Some(posting) = state.postings.get_mut(&it.posting) {
                posting.offers.insert(it.offer);
            }
            if let Some(worker) = state.workers.get_mut(&it.worker) {
                worker.offers.insert(it.offer);
            }
            state.expect_by(it.expires, it.offer, Due::OfferExpires);
        }
        OfferEvent::Accepted(it) => end(state, it.offer),
        OfferEvent::Declined(it) => {
            end(state, it.offer);
            state.decline(it.worker, it.posting);
            matching::owe(state, it.posting, meta);
        }
        OfferEvent::Expired(it) => {
            end(state, it.offer);
            // Whoever did not answer is not asked again for the same posting.
            state.decline(it.worker, it.posting);
            matching::owe(state, it.posting, meta);
        }
        OfferEvent::Withdrawn(it) => {
            end(state, it.offer);
            match it.reason {
                // The desk did not mean the same worker to get the place right back.
                WithdrawReason::Desk => state.decline(it.worker, it.posting),
                WithdrawReason::WorkerHired | WithdrawReason::PostingEnded | WithdrawReason::Filled => {}
            }
            matching::owe(state, it.posting, meta);
        }
    }
}

fn end(state: &mut State, id: OfferId) {
    let Some(offer) = state.offers.get_mut(&id) else { return };
    offer.open = false;
    let (posting, worker) = (offer.posting, offer.worker);
    if let Some(posting) = state.postings.get_mut(&posting) {
        posting.offers.remove(&id);
    }
    if let Some(worker) = state.workers.get_mut(&worker) {
        worker.offers.remove(&id);
    }
    state.no_longer_expect(id, |due| *due == Due::OfferExpires);
}

pub(crate) fn due(state: &State, deadline: &Deadline) -> Vec<Event> {
    let id = OfferId(deadline.entity.id);
    let offer = state.offers.get(&id);
    offer.map(|it| Expired { offer: id, posting: it.posting, worker: it.worker }.into()).into_iter().collect()
}
