//! What of a wage counts as paid while not everybody says the same.
//!
//! A payment on record is its recorder's word. Where the worker says that less of it came, it counts for what the
//! worker says, since whoever pays has to keep the proof of it (条例 15, 50; 调解仲裁法 6); a paper with the worker's own
//! signature is such proof. The worker's later word that the money came settles it, and so does an officer's finding.

use std::collections::BTreeMap;

use linggong_events::id::EventId;
use linggong_events::measure::Fen;
use linggong_events::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The money of one wage: what was recorded, what the worker says has come, what an officer found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Money {
    /// Every payment on record, by the event that recorded it.
    payments: BTreeMap<EventId, Payment>,
    /// What the worker said to have received in all.
    confirmed: Option<InAll>,
    /// What an officer found to have been paid in all.
    found: Option<InAll>,
}

/// A payment on record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) amount: Fen,
    at: Timestamp,
    /// Whether a desk has seen the worker's own signature for it.
    signed: bool,
    /// What came of it, as the worker says who contradicts it.
    pub(crate) received: Option<Fen>,
}

/// A sum for everything up to an instant, and the event that says so.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct InAll {
    by: EventId,
    amount: Fen,
    until: Timestamp,
}

impl Payment {
    /// What counts as paid.
    fn counted(&self) -> Fen {
        if self.signed { self.amount } else { self.as_the_worker_says() }
    }

    fn as_the_worker_says(&self) -> Fen {
        self.received.unwrap_or(self.amount)
    }
}

impl Money {
    pub(crate) fn record(&mut self, id: EventId, amount: Fen, at: Timestamp, signed: bool) {
        self.payments.insert(id, Payment { amount, at, signed, received: None });
    }

    /// The worker says what has come in all; as much as is on record, or more, settles what was disputed.
    pub(crate) fn confirm(&mut self, by: EventId, amount: Fen, until: Timestamp) {
        if amount >= self.recorded() {
            self.settle(None);
        }
        self.confirmed = Some(InAll { by, amount, until });
    }

    pub(crate) fn contradict(&mut self, payment: EventId, received: Fen) {
        if let Some(payment) = self.payments.get_mut(&payment) {
            payment.received = Some(received);
        }
    }

    /// An officer found what has been paid by `until`: no earlier word stands against it.
    pub(crate) fn find(&mut self, by: EventId, amount: Fen, until: Timestamp) {
        self.settle(Some(until));
        self.confirmed = self.confirmed.filter(|it| it.until > until);
        self.found = Some(InAll { by, amount, until });
    }

    /// Nothing that was paid by `until` is disputed any more; without it nothing at all.
    fn settle(&mut self, until: Option<Timestamp>) {
        for payment in self.payments.values_mut().filter(|it| until.is_none_or(|until| it.at <= until)) {
            payment.received = None;
        }
    }

    /// What counts as paid.
    pub(crate) fn paid(&self) -> Fen {
        self.reckon(Payment::counted)
    }

    /// What of the payments on record the worker says never came.
    pub(crate) fn disputed(&self) -> Fen {
        if self.payments.values().all(|it| it.received.is_none()) {
            return Fen::ZERO;
        }
        let said = self.reckon(Payment::as_the_worker_says);
        self.recorded().minus(said).map_or(Fen::ZERO, |it| it.max(Fen::ZERO))
    }

    /// What has been paid by the records alone.
    pub(crate) fn recorded(&self) -> Fen {
        self.since(self.found, |it| it.amount)
    }

    /// The records, or the worker's word where that is more; money that came after the word adds to it.
    fn reckon(&self, counted: impl Fn(&Payment) -> Fen + Copy) -> Fen {
        let by_records = self.since(self.found, counted);
        if self.confirmed.is_none() {
            return by_records;
        }
        by_records.max(self.since(self.confirmed, counted))
    }

    /// A sum in all, and what was paid after it.
    fn since(&self, sum: Option<InAll>, counted: impl Fn(&Payment) -> Fen) -> Fen {
        let later = self.payments.values().filter(|it| sum.is_none_or(|sum| it.at > sum.until));
        later.map(counted).fold(sum.map_or(Fen::ZERO, |it| it.amount), |sum, it| sum.plus(it).unwrap_or(sum))
    }

    /// The payment that the event `id` recorded.
    pub(crate) fn payment(&self, id: EventId) -> Option<&Payment> {
        self.payments.get(&id)
    }

    /// Whether an officer's finding covers the payment.
    pub(crate) fn is_found(&self, payment: &Payment) -> bool {
        self.found.is_some_and(|found| payment.at <= found.until)
    }

    /// What an officer found, where nothing was disputed or paid since.
    pub(crate) fn found_in_all(&self) -> Option<Fen> {
        let found = self.found?.amount;
        (self.disputed() == Fen::ZERO && self.paid() == found).then_some(found)
    }

    /// What the worker said to have received in all.
    pub(crate) fn confirmed(&self) -> Option<Fen> {
        self.confirmed.map(|it| it.amount)
    }

    /// What counts as paid of the payment that the event `id` recorded.
    pub(crate) fn counted(&self, id: EventId) -> Fen {
        self.payments.get(&id).map_or(Fen::ZERO, Payment::counted)
    }

    /// The sum that the event `id` put on record, while it is in force.
    pub(crate) fn entry(&self, id: EventId) -> Option<Fen> {
        let confirmed = self.confirmed.filter(|it| it.by == id).map(|it| it.amount);
        self.payments.get(&id).map(|it| it.amount).or(confirmed)
    }

    pub(crate) fn put_right(&mut self, id: EventId, amount: Fen) {
        if let Some(payment) = self.payments.get_mut(&id) {
            payment.amount = amount;
            // What is on record is now what the worker says came, or less: nothing is left to dispute.
            payment.received = payment.received.filter(|received| *received < amount);
        } else if let Some(confirmed) = self.confirmed.as_mut().filter(|it| it.by == id) {
            confirmed.amount = amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::at;

    const fn id(n: u128) -> EventId {
        EventId(Uuid::from_u128(n))
    }

    fn noon(minute: i64) -> Timestamp {
        at("2026-11-22 12:00").plus_ms(minute * 60_000)
    }

    fn paid(amounts: &[i64]) -> Money {
        let mut money = Money::default();
        for (n, fen) in (1..).zip(amounts) {
            money.record(id(n), Fen(*fen), noon(i64::try_from(n).unwrap()), false);
        }
        money
    }

    #[test]
    fn a_contradicted_payment_counts_for_what_the_worker_says() {
        let mut money = paid(&[100, 120]);
        money.contradict(id(2), Fen(30));
        assert_eq!((money.paid(), money.disputed(), money.recorded()), (Fen(130), Fen(90), Fen(220)));
        money.contradict(id(1), Fen(0));
        assert_eq!((money.paid(), money.disputed()), (Fen(30), Fen(190)));
    }

    #[test]
    fn what_the_worker_signed_for_counts_and_is_disputed_all_the_same() {
        let mut money = Money::default();
        money.record(id(1), Fen(220), noon(0), true);
        money.contradict(id(1), Fen(0));
        assert_eq!((money.paid(), money.disputed()), (Fen(220), Fen(220)));
    }

    #[test]
    fn the_workers_word_that_all_of_it_came_settles_and_less_does_not() {
        let mut money = paid(&[220]);
        money.contradict(id(1), Fen(0));
        money.confirm(id(8), Fen(150), noon(60));
        assert_eq!((money.paid(), money.disputed()), (Fen(150), Fen(70)));
        money.confirm(id(9), Fen(220), noon(61));
        assert_eq!((money.paid(), money.disputed()), (Fen(220), Fen::ZERO));
    }

    #[test]
    fn money_that_came_after_a_word_adds_to_it_and_money_before_is_in_it() {
        let mut money = Money::default();
        money.confirm(id(9), Fen(100), noon(10));
        money.record(id(1), Fen(100), noon(5), false);
        assert_eq!(money.paid(), Fen(100));
        money.record(id(2), Fen(120), noon(20), false);
        assert_eq!(money.paid(), Fen(220));
        money.contradict(id(2), Fen(20));
        assert_eq!((money.paid(), money.disputed()), (Fen(120), Fen(100)));
    }

    #[test]
    fn a_finding_stands_above_both_words_and_later_money_adds_to_it() {
        let mut money = paid(&[220]);
        money.confirm(id(8), Fen(220), noon(30));
        money.contradict(id(1), Fen(0));
        assert_eq!(money.paid(), Fen(220), "the worker had confirmed it");
        money.find(id(9), Fen(50), noon(60));
        assert_eq!((money.paid(), money.disputed(), money.recorded()), (Fen(50), Fen::ZERO, Fen(50)));
        assert!(money.is_found(money.payment(id(1)).unwrap()));
        money.record(id(2), Fen(170), noon(70), false);
        assert_eq!(money.paid(), Fen(220));
    }

    #[test]
    fn a_corrected_record_leaves_nothing_to_dispute_once_both_say_the_same() {
        let mut money = paid(&[220]);
        money.contradict(id(1), Fen(22));
        money.put_right(id(1), Fen(22));
        assert_eq!((money.paid(), money.disputed()), (Fen(22), Fen::ZERO));
    }
}
