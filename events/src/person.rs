//! 人: what the ledger knows of a human. Everything that names one is sealed before it comes here.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{ActorId, CardId, EventId, KeyId, PersonId};
use crate::time::{Date, Timestamp};

/// One field that only the vault can open: XChaCha20-Poly1305 under one person's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The person whose key it is.
    pub person: PersonId,
    /// The key in the vault.
    pub key: KeyId,
    /// `xc20p:` and base64 of nonce and ciphertext.
    #[serde(rename = "box")]
    pub boxed: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({})", self.key)
    }
}

/// Which fields of a person are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonField {
    /// 姓名.
    Name,
    /// 证件 (type and number).
    Document,
    /// 联系电话.
    Phone,
    /// 收款账户.
    BankAccount,
    /// 住址或送达地址.
    Address,
    /// 紧急联系人.
    EmergencyContact,
}

/// The band of ages that statutes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgeBand {
    /// Under 16: never introduced to work (劳动法 15; 禁止使用童工规定 2, 4).
    Under16,
    /// 16 and 17: 未成年工, barred from listed work (劳动法 64).
    From16To17,
    /// 18 to 59.
    From18To59,
    /// 60 and over.
    From60,
}

/// A verified age: the band on the day it was verified and the date on which it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Age {
    /// The band at verification.
    pub band: AgeBand,
    /// From this civil date on the next band holds; absent where no later band exists or none is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_on: Option<Date>,
}

impl Age {
    /// The age on `on` of somebody born on `birth`.
    ///
    /// A year of age is full on the day *after* the birthday: so counts the only rule there is on it (法释〔2006〕1号,
    /// art. 2, written for criminal cases), and for 16 and 18 it is the safe one here: nobody is hired out a day
    /// too young. Whoever was born on a 29 February has the birthday on the 28th in common years (民法典 202: the
    /// month's last day where there is no such day), so every birth on that day counts from 1 March.
    pub fn at(birth: Date, on: Date) -> Age {
        let steps = [
            (AgeBand::Under16, full_years(birth, 16)),
            (AgeBand::From16To17, full_years(birth, 18)),
            (AgeBand::From18To59, full_years(birth, 60)),
        ];
        let now = steps.into_iter().find(|(_, until)| on < *until);
        match now {
            // An adult's next change tells the birth date and bars nothing: it is told only when it is near.
            Some((AgeBand::From18To59, until)) if until.days() - on.days() > 366 => {
                Age { band: AgeBand::From18To59, changes_on: None }
            }
            Some((band, until)) => Age { band, changes_on: Some(until) },
            None => Age { band: AgeBand::From60, changes_on: None },
        }
    }

    /// The band on `date`, which is what a rule about a work date asks.
    pub fn on(self, date: Date) -> AgeBand {
        match (self.changes_on, self.band) {
            (Some(change), AgeBand::Under16) if change <= date => AgeBand::From16To17,
            // 16 was reached two years before 18; where a leap day leaves a doubt, the later day is the safe one.
            (Some(change), AgeBand::From16To17) if date < two_years_before(change) => AgeBand::Under16,
            (Some(change), AgeBand::From16To17) if change <= date => AgeBand::From18To59,
            (Some(change), AgeBand::From18To59) if change <= date => AgeBand::From60,
            (_, band) => band,
        }
    }
}

/// The first day of 16 of somebody whose first day of 18 is `change`.
fn two_years_before(change: Date) -> Date {
    let before = |date: Date| Date::of_civil(date.civil().saturating_sub(jiff::Span::new().years(2)));
    before(change).max(before(change.plus_days(-1)).plus_days(1))
}

/// The first day on which somebody born on `birth` counts as having `years` full years.
fn full_years(birth: Date, years: i16) -> Date {
    let birthday = birth.civil().saturating_add(jiff::Span::new().years(years));
    Date::of_civil(birthday).plus_days(1)
}

/// A free text that may name people: sealed under the key of the person it is about.
pub type SealedText = Sealed;

/// What the vault tells about a human: ids, verified facts, sealed fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownPerson {
    /// The person in the vault's index.
    pub person: PersonId,
    /// The age, where a document with a birth date was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Whether a valid identity document was shown.
    pub document_verified: bool,
    /// The sealed fields.
    pub sealed: BTreeMap<PersonField, Sealed>,
    /// A keyed hash of the identity document per department, to be told to that department alone.
    pub tokens: BTreeMap<String, String>,
    /// Somebody else who may be the same human; an officer decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_suspected: Option<PersonId>,
}

/// What the vault tells of a human whose data was put right: only what is told anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// The person in the vault's index.
    pub person: PersonId,
    /// The fields that are told anew, sealed; the others stay as they are.
    pub sealed: BTreeMap<PersonField, Sealed>,
    /// What another document proves; absent where the document stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentFacts>,
    /// Somebody else who has this document or phone and may be the same human; an officer decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_suspected: Option<PersonId>,
}

/// What an identity document proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentFacts {
    /// The age, where the document tells a birth date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// A keyed hash of the document per department.
    pub tokens: BTreeMap<String, String>,
}

/// Why what is known of a human is told anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevisionReason {
    /// 登记有误: it was written down wrongly.
    Mistaken,
    /// 情况变更: it is another one now.
    Changed,
    /// 补验证件: the document was shown later.
    DocumentShown,
}

events! {
    /// What happens to the record of a human.
    PersonEvent: Person {
        /// The vault knows this human from now on.
        Registered = "registered", 1, Never => { person: PersonId, known: KnownPerson }
        /// Some of it is told anew; it points at the event that told it last, which stays as it is.
        Revised = "revised", 1, Never => {
            person: PersonId, revision: Revision, reason: RevisionReason, corrects: EventId,
        }
        /// Two records may be one human; nothing changes until somebody decides.
        DuplicateSuspected = "duplicate_suspected", 1, Never => { person: PersonId, other: PersonId }
        /// An officer found two records to be one human; earlier events stay as they are.
        IdentityLinked = "identity_linked", 1, Never => { person: PersonId, other: PersonId, basis: String }
        /// The link was wrong and is dissolved.
        IdentityUnlinked = "identity_unlinked", 1, Never => { person: PersonId, other: PersonId, basis: String }
        /// The vault changed the state of this person's key.
        KeyStateChanged = "key_state_changed", 1, Never => { person: PersonId, key: KeyId, state: KeyState, basis: String }
        /// An officer asks to open what a sealed key keeps; a second one must agree.
        KeyOpeningProposed = "key_opening_proposed", 1, Never => { person: PersonId, key: KeyId, basis: String }
        /// A second officer agreed: until then the first may open, each time for a stated purpose. The key stays sealed.
        KeyOpened = "key_opened", 1, Never => {
            person: PersonId, key: KeyId, officer: ActorId, until: Timestamp, basis: String,
        }
        /// 到场卡 given out: whoever shows it is taken for this human.
        CardIssued = "card_issued", 1, Never => { person: PersonId, card: CardId }
        /// The card is dead for ever, whoever finds it.
        CardEnded = "card_ended", 1, Never => { person: PersonId, card: CardId, why: CardEnd }
    }
}

/// Why a market card is no longer in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CardEnd {
    /// 遗失.
    Lost,
    /// 损坏.
    Damaged,
    /// 交回.
    Returned,
}

/// What the vault may do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Storage only: opening takes two officers (PIPL 47 ¶2).
    Sealed,
    /// Destroyed: what it sealed can never be opened again.
    Shredded,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_year_of_age_is_full_on_the_day_after_the_birthday() {
        let birth = day("2010-11-22");
        let on_birthday = Age::at(birth, day("2026-11-22"));
        assert_eq!(on_birthday, Age { band: AgeBand::Under16, changes_on: Some(day("2026-11-23")) });
        assert_eq!(
            Age::at(birth, day("2026-11-23")),
            Age { band: AgeBand::From16To17, changes_on: Some(day("2028-11-23")) }
        );
        assert_eq!(on_birthday.on(day("2026-11-23")), AgeBand::From16To17, "the work date decides");
        let later = Age::at(birth, day("2027-05-01"));
        assert_eq!(later.on(day("2026-11-22")), AgeBand::Under16, "a day that lay before the verification");
        assert_eq!(later.on(day("2026-11-23")), AgeBand::From16To17);
    }

    #[test]
    fn the_bands_change_at_16_18_and_60() {
        let birth = day("1966-11-22");
        assert_eq!(Age::at(birth, day("1984-11-22")).band, AgeBand::From16To17);
        assert_eq!(Age::at(birth, day("1984-11-23")).band, AgeBand::From18To59);
        assert_eq!(Age::at(birth, day("2026-11-22")).changes_on, Some(day("2026-11-23")));
        assert_eq!(Age::at(birth, day("2026-11-23")), Age { band: AgeBand::From60, changes_on: None });
    }

    #[test]
    fn whoever_was_born_on_a_leap_day_counts_from_the_first_of_march() {
        let birth = day("2008-02-29");
        assert_eq!(Age::at(birth, day("2024-02-29")).changes_on, Some(day("2024-03-01")), "16, a leap year");
        assert_eq!(
            Age::at(birth, day("2026-02-28")).changes_on,
            Some(day("2026-03-01")),
            "18, a common year"
        );
        assert_eq!(Age::at(birth, day("2026-03-01")).band, AgeBand::From18To59);
        let at_17 = Age::at(birth, day("2025-05-01"));
        assert_eq!(at_17.on(day("2024-02-29")), AgeBand::Under16);
        assert_eq!(at_17.on(day("2024-03-01")), AgeBand::From16To17);
    }
}
