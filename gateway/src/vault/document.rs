//! Identity documents in their one canonical spelling, and the age they prove.

use linggong_events::person::{Age, AgeBand};
use linggong_events::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::seal::SecretString;

/// What somebody shows to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// 居民身份证 (GB 11643), 18 characters.
    ResidentId,
    /// 居民身份证 of before 1999, 15 digits; no longer valid, but on many old lists.
    #[serde(rename = "resident_id_15")]
    ResidentId15,
    /// 护照.
    Passport,
    /// 居住证 of 港澳台居民, 外国人永久居留身份证.
    ResidencePermit,
    /// Anything else that an officer accepted.
    Other,
}

/// A document whose number can be one of its kind.
pub(crate) struct Document {
    /// The kind; never the old resident ID, whose number is written as the 18 characters it became.
    pub(crate) kind: DocumentKind,
    /// The number: half-width, upper case, without blanks.
    pub(crate) number: SecretString,
    /// The birth date written in the number.
    pub(crate) birth_date: Option<Date>,
}

impl Document {
    /// Reads a number of `kind`; `None` where no document of that kind can bear it.
    pub(crate) fn parse(kind: DocumentKind, number: &SecretString) -> Option<Document> {
        let folded = number.expose().nfkc().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase);
        let number = SecretString::new(folded.take(65).collect());
        let text = number.expose();
        match kind {
            DocumentKind::ResidentId | DocumentKind::ResidentId15 => {
                let number = with_check_digit(text)?;
                let birth_date = birth_date(number.expose())?;
                Some(Document { kind: DocumentKind::ResidentId, number, birth_date: Some(birth_date) })
            }
            // Those issued since 2018 are numbered as resident IDs are.
            DocumentKind::ResidencePermit
                if text.len() == 18 && text.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                let number = with_check_digit(text)?;
                let birth_date = birth_date(number.expose())?;
                Some(Document { kind, number, birth_date: Some(birth_date) })
            }
            DocumentKind::ResidencePermit | DocumentKind::Passport => {
                let fits =
                    (5..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric());
                fits.then_some(Document { kind, number, birth_date: None })
            }
            DocumentKind::Other => {
                let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
                fits.then_some(Document { kind, number, birth_date: None })
            }
        }
    }

    /// The word of the kind, in canonical forms and in the index.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            DocumentKind::ResidentId | DocumentKind::ResidentId15 => RESIDENT,
            DocumentKind::Passport => "passport",
            DocumentKind::ResidencePermit => "residence_permit",
            DocumentKind::Other => "other",
        }
    }

    /// What index and tokens hash: kind and number, so that one document is one entry.
    pub(crate) fn canonical(&self) -> SecretString {
        SecretString::new(format!("{}:{}", self.kind_name(), self.number.expose()))
    }
}

/// The kind of which everybody has one and no more.
pub(crate) const RESIDENT: &str = "resident_id";

/// The 18 characters of GB 11643; an old number of 15 digits gets its century and check character.
fn with_check_digit(number: &str) -> Option<SecretString> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if !number.is_ascii() {
        return None;
    }
    let (digits, check) = match number.len() {
        15 => (format!("{}19{}", &number[..6], &number[6..]), None),
        18 => (number[..17].to_owned(), number.chars().last()),
        _ => return None,
    };
    let digits = SecretString::new(digits);
    let values: Option<Vec<u32>> = digits.expose().chars().map(|it| it.to_digit(10)).collect();
    let sum: u32 = values?.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let right = char::from(b"10X98765432"[sum as usize % 11]);
    if check.is_some_and(|it| it != right) {
        return None;
    }
    Some(SecretString::new(format!("{}{right}", digits.expose())))
}

fn birth_date(number: &str) -> Option<Date> {
    let date =
        Date::new(number[6..10].parse().ok()?, number[10..12].parse().ok()?, number[12..14].parse().ok()?);
    date.ok().filter(|it| it.civil().year() >= 1880)
}

/// The age on `date` of somebody born on `birth`.
pub(crate) fn age_at(birth: Date, date: Date) -> Age {
    let steps = [(AgeBand::Under16, 16), (AgeBand::From16To17, 18), (AgeBand::From18To59, 60)];
    let now = steps.into_iter().map(|(band, years)| (band, full_years(birth, years))).find(|it| date < it.1);
    match now {
        Some((band, until)) => Age { band, changes_on: Some(until) },
        None => Age { band: AgeBand::From60, changes_on: None },
    }
}

/// The day after the birthday (法释〔2006〕1号 2); born on 29 February, always 1 March.
fn full_years(birth: Date, years: i16) -> Date {
    let birth = birth.civil();
    let year = birth.year() + years;
    Date::new(year, birth.month(), birth.day())
        .map(|birthday| birthday.plus_days(1))
        .or_else(|_| Date::new(year, 3, 1))
        .expect("the years of a life are within the calendar")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(number: &str) -> Option<Document> {
        Document::parse(DocumentKind::ResidentId, &SecretString::new(number.to_owned()))
    }

    #[test]
    fn one_document_has_one_spelling() {
        let spelt = |text| resident(text).unwrap().number.expose().to_owned();
        assert_eq!(spelt("11010519491231002X"), "11010519491231002X");
        assert_eq!(spelt("11010519491231002x"), "11010519491231002X");
        assert_eq!(spelt("１１０１０５１９４９１２３１００２Ｘ"), "11010519491231002X");
        assert_eq!(spelt(" 110105 19491231 002X "), "11010519491231002X");
        assert_eq!(spelt("110105491231002"), "11010519491231002X");
    }

    #[test]
    fn a_number_that_no_document_bears_is_refused() {
        for bad in ["110105194912310021", "1101051949123100", "11010519490231002X", "3.70E+17", "", "１１"]
        {
            assert!(resident(bad).is_none(), "{bad}");
        }
        let digits = "11010519491231002X";
        for at in 0..17 {
            let mut changed = digits.to_owned().into_bytes();
            changed[at] = if changed[at] == b'9' { b'8' } else { changed[at] + 1 };
            assert!(resident(&String::from_utf8(changed).unwrap()).is_none(), "digit {at}");
        }
    }

    #[test]
    fn an_age_changes_on_the_day_after_the_birthday() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let on = |at| age_at(date("2010-02-27"), date(at));
        assert_eq!(on("2026-02-27").band, AgeBand::Under16);
        assert_eq!(on("2026-02-28").band, AgeBand::From16To17);
        assert_eq!(on("2026-02-28").changes_on, Some(date("2028-02-28")));
        assert_eq!(age_at(date("2012-02-29"), date("2029-12-31")).changes_on, Some(date("2030-03-01")));
        assert_eq!(age_at(date("1960-01-01"), date("2026-01-01")).changes_on, None);
    }

    #[test]
    fn a_canonical_form_names_its_kind() {
        let canonical = |text| resident(text).unwrap().canonical().expose().to_owned();
        assert_eq!(canonical("110105491231002"), "resident_id:11010519491231002X");
        let passport =
            |text: &str| Document::parse(DocumentKind::Passport, &SecretString::new(text.to_owned()));
        assert_eq!(passport("e12345678").unwrap().canonical().expose(), "passport:E12345678");
        assert!(passport("3.70E+17").is_none(), "what a spreadsheet left of a number");
    }
}
