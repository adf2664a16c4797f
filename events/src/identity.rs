//! Identity documents and organisation codes, with their check digits.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Date;

/// 统一社会信用代码 (GB 32100), check digit verified.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgCode(String);

impl OrgCode {
    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrgCode {
    type Err = BadOrgCode;
    fn from_str(text: &str) -> Result<OrgCode, BadOrgCode> {
        const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
        const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        let bad = || BadOrgCode { text: text.chars().take(24).collect() };
        let value = |byte: u8| ALPHABET.iter().position(|it| *it == byte).map(|n| n as u32);
        let values: Option<Vec<u32>> = text.bytes().map(value).collect();
        let values = values.filter(|it| it.len() == 18).ok_or_else(bad)?;
        let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
        if (31 - sum % 31) % 31 == values[17] { Ok(OrgCode(text.to_owned())) } else { Err(bad()) }
    }
}

/// A text that is no organisation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a unified social credit code of GB 32100")]
pub struct BadOrgCode {
    /// What was given, shortened.
    pub text: String,
}

impl Serialize for OrgCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for OrgCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrgCode, D::Error> {
        crate::text::parsed(deserializer)
    }
}
impl JsonSchema for OrgCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OrgCode".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9A-HJ-NP-RTUW-Y]{18}$" })
    }
}

/// What somebody shows to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

impl DocumentKind {
    /// The word in requests and in canonical forms.
    pub const fn name(self) -> &'static str {
        match self {
            DocumentKind::ResidentId => "resident_id",
            DocumentKind::ResidentId15 => "resident_id_15",
            DocumentKind::Passport => "passport",
            DocumentKind::ResidencePermit => "residence_permit",
            DocumentKind::Other => "other",
        }
    }
}

/// One identity document, its number checked and in one spelling.
///
/// It has no `Serialize`, so that no event, view or answer can contain one; its `Debug` tells the kind only.
/// Sex and the region of first registration stand in the number too and have no accessor: matching must not
/// know them.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityDocument {
    kind: DocumentKind,
    number: String,
}

impl IdentityDocument {
    /// Reads a number as people and spreadsheets write it: full-width digits, spaces, a small `x`, the
    /// apostrophe that marks text. A resident ID of 15 digits becomes [`DocumentKind::ResidentId15`].
    pub fn parse(kind: DocumentKind, text: &str) -> Result<IdentityDocument, BadDocument> {
        let number = normalized(text);
        let kind = match kind {
            DocumentKind::ResidentId | DocumentKind::ResidentId15 => check_resident(&number)?,
            DocumentKind::ResidencePermit => {
                check_spreadsheet(&number)?;
                // Those issued since 2018 are numbered as resident IDs are, with the same check character.
                if number.len() == 18 && number.starts_with(|it: char| it.is_ascii_digit()) {
                    check_resident(&number)?;
                } else {
                    check_letters_and_digits(&number)?;
                }
                kind
            }
            DocumentKind::Passport => {
                check_spreadsheet(&number)?;
                check_letters_and_digits(&number)?;
                kind
            }
            DocumentKind::Other => {
                if number.is_empty() || number.chars().count() > 64 || number.chars().any(char::is_control) {
                    return Err(BadDocument::Length);
                }
                kind
            }
        };
        Ok(IdentityDocument { kind, number })
    }

    /// What it is.
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The number as shown, in its one spelling. Personal data: to be sealed or hashed, never written in clear.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// What the identity index hashes: kind and number, a 15-digit ID as the 18 characters it became, so that
    /// one person is one entry. Personal data like the number.
    pub fn canonical(&self) -> String {
        match self.kind {
            DocumentKind::ResidentId15 => {
                format!("{}:{}", DocumentKind::ResidentId.name(), lengthened(&self.number))
            }
            DocumentKind::ResidentId
            | DocumentKind::Passport
            | DocumentKind::ResidencePermit
            | DocumentKind::Other => format!("{}:{}", self.kind.name(), self.number),
        }
    }

    /// The date of birth, where the number holds one.
    pub fn birth_date(&self) -> Option<Date> {
        match self.kind {
            DocumentKind::ResidentId => birth_date_in(&self.number),
            DocumentKind::ResidentId15 => birth_date_in(&lengthened(&self.number)),
            DocumentKind::ResidencePermit if self.number.len() == 18 => birth_date_in(&self.number),
            DocumentKind::ResidencePermit | DocumentKind::Passport | DocumentKind::Other => None,
        }
    }
}

impl fmt::Debug for IdentityDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityDocument({})", self.kind.name())
    }
}

impl<'de> Deserialize<'de> for IdentityDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IdentityDocument, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            kind: DocumentKind,
            number: String,
        }
        let Wire { kind, number } = Wire::deserialize(deserializer)?;
        IdentityDocument::parse(kind, &number).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for IdentityDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IdentityDocument".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kind = generator.subschema_for::<DocumentKind>();
        schemars::json_schema!({
            "type": "object",
            "properties": { "kind": kind, "number": { "type": "string", "minLength": 1 } },
            "required": ["kind", "number"],
            "additionalProperties": false,
        })
    }
}

/// Why a text is no number of such a document. The text itself is not told: it may be one with a slip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// A spreadsheet kept the number as a number, which holds 15 digits and no more.
    #[error("a spreadsheet has rounded the number: its last digits are lost and must be asked for again")]
    LastDigitsLost,
    /// Too many or too few characters.
    #[error("the number has not as many characters as such a document's")]
    Length,
    /// A character that cannot stand where it does.
    #[error("the number has characters that such a document's cannot have")]
    Characters,
    /// The digits where the date of birth stands are no date.
    #[error("the number holds no date of birth where it should")]
    BirthDate,
    /// The check character is that of another number.
    #[error("the last character does not fit the others: one of them is wrong")]
    CheckDigit,
}

fn normalized(text: &str) -> String {
    let half_width = |it: char| match it {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(it as u32 - 0xfee0).unwrap_or(it),
        other => other,
    };
    let kept = text.chars().filter(|it| !it.is_whitespace()).map(half_width);
    let number = kept.collect::<String>().to_ascii_uppercase();
    number.trim_start_matches(['\'', '\u{2018}', '\u{2019}']).to_owned()
}

/// `3.70102E+17`, or `370102199001011000.0`: what is left when a cell held a number.
fn check_spreadsheet(number: &str) -> Result<(), BadDocument> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let scientific = number.split_once('E').is_some_and(|(mantissa, exponent)| {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let positive = exponent.strip_prefix('+');
        digits(whole) && digits(fraction) && positive.is_some_and(digits)
    });
    let decimal = number
        .split_once('.')
        .is_some_and(|(whole, fraction)| whole.len() > 15 && digits(whole) && digits(fraction));
    if scientific || decimal { Err(BadDocument::LastDigitsLost) } else { Ok(()) }
}

fn check_resident(number: &str) -> Result<DocumentKind, BadDocument> {
    check_spreadsheet(number)?;
    let bytes = number.as_bytes();
    let old = match bytes.len() {
        18 => false,
        15 => true,
        _ => return Err(BadDocument::Length),
    };
    let (body, last) = if old { (bytes, None) } else { (&bytes[..17], Some(bytes[17])) };
    let fits = body.iter().all(u8::is_ascii_digit) && last.is_none_or(|it| it.is_ascii_digit() || it == b'X');
    if !fits || bytes[0] == b'0' {
        return Err(BadDocument::Characters);
    }
    if let Some(last) = last
        && check_character(body) != last
    {
        // A cell keeps 15 digits and fills up with zeros. A true number may end in three zeros as well, but
        // then its check character fits.
        let rounded = number.ends_with("000");
        return Err(if rounded { BadDocument::LastDigitsLost } else { BadDocument::CheckDigit });
    }
    let full = if old { lengthened(number) } else { number.to_owned() };
    birth_date_in(&full).ok_or(BadDocument::BirthDate)?;
    Ok(if old { DocumentKind::ResidentId15 } else { DocumentKind::ResidentId })
}

fn check_letters_and_digits(number: &str) -> Result<(), BadDocument> {
    if !(5..=20).contains(&number.len()) {
        return Err(BadDocument::Length);
    }
    let fits = number.bytes().all(|it| it.is_ascii_alphanumeric());
    if fits { Ok(()) } else { Err(BadDocument::Characters) }
}

/// The check character of GB 11643 (ISO 7064 MOD 11-2) for the first 17 digits.
fn check_character(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    b"10X98765432"[(sum % 11) as usize]
}

/// A number of 15 digits as the 18 characters it became in 1999: the century and the check character added.
fn lengthened(old: &str) -> String {
    let mut number = format!("{}19{}", &old[..6], &old[6..]);
    number.push(char::from(check_character(number.as_bytes())));
    number
}

fn birth_date_in(number: &str) -> Option<Date> {
    let digits = number.get(6..14)?;
    let (year, month, day) =
        (digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?);
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(text: &str) -> Result<IdentityDocument, BadDocument> {
        IdentityDocument::parse(DocumentKind::ResidentId, text)
    }

    #[test]
    fn an_organisation_code_with_one_wrong_character_is_refused() {
        let good = "91350100M000100Y43";
        assert_eq!(good.parse::<OrgCode>().unwrap().as_str(), good);
        for wrong in [
            "91350100M000100Y44",
            "91350100M000100Y4",
            "91350100M000100Y433",
            "91350100m000100y43",
            "91350100M000100I43",
            "19350100M000100Y43",
            "",
        ] {
            assert!(wrong.parse::<OrgCode>().is_err(), "{wrong}");
        }
        for at in 0..good.len() {
            let mut wrong = good.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
            assert!(String::from_utf8(wrong).unwrap().parse::<OrgCode>().is_err(), "wrong at {at}");
        }
    }

    #[test]
    fn a_resident_id_is_read_as_people_write_it() {
        for text in [
            "11010519491231002X",
            "11010519491231002x",
            "１１０１０５１９４９１２３１００２Ｘ",
            " 110105 19491231 002X\u{3000}",
            "'11010519491231002X",
        ] {
            let document = resident(text).unwrap();
            assert_eq!(document.number(), "11010519491231002X", "{text}");
            assert_eq!(document.birth_date(), Some(Date::new(1949, 12, 31).unwrap()));
        }
    }

    #[test]
    fn a_resident_id_with_one_wrong_character_is_refused() {
        let good = "11010519491231002X";
        for at in 0..17 {
            let mut wrong = good.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'9' { b'8' } else { wrong[at] + 1 };
            assert!(resident(&String::from_utf8(wrong).unwrap()).is_err(), "wrong at {at}");
        }
        assert_eq!(resident("110105194912310021"), Err(BadDocument::CheckDigit));
        assert_eq!(resident("1101051949123100"), Err(BadDocument::Length));
        assert_eq!(resident("11010519491231OO2X"), Err(BadDocument::Characters));
        assert_eq!(resident("X10105194912310021"), Err(BadDocument::Characters));
        // The check character fits, the date does not exist.
        let mut no_date = b"11010519490230002".to_vec();
        no_date.push(check_character(&no_date));
        assert_eq!(resident(&String::from_utf8(no_date).unwrap()), Err(BadDocument::BirthDate));
    }

    #[test]
    fn a_number_that_a_spreadsheet_rounded_says_that_its_last_digits_are_lost() {
        for text in
            ["3.70E+17", "3.70102199001011E+17", "4E+17", "370102199001011000", "370102199001011000.0"]
        {
            assert_eq!(resident(text), Err(BadDocument::LastDigitsLost), "{text}");
        }
        assert!(BadDocument::LastDigitsLost.to_string().contains("last digits are lost"));
        assert_eq!(
            IdentityDocument::parse(DocumentKind::Passport, "1.2E+11"),
            Err(BadDocument::LastDigitsLost)
        );
    }

    #[test]
    fn a_15_digit_id_and_the_18_it_became_are_one_person() {
        let old = resident("110105491231002").unwrap();
        assert_eq!(old.kind(), DocumentKind::ResidentId15);
        assert_eq!(old.number(), "110105491231002", "as shown");
        assert_eq!(old.birth_date(), Some(Date::new(1949, 12, 31).unwrap()));
        assert_eq!(old.canonical(), resident("11010519491231002x").unwrap().canonical());
        assert_eq!(old.canonical(), "resident_id:11010519491231002X");
    }

    #[test]
    fn documents_of_two_kinds_are_never_one_entry() {
        let passport = IdentityDocument::parse(DocumentKind::Passport, "e 1234 5678").unwrap();
        assert_eq!(passport.canonical(), "passport:E12345678");
        assert_eq!(passport.birth_date(), None);
        let other = IdentityDocument::parse(DocumentKind::Other, "E12345678").unwrap();
        assert_ne!(passport.canonical(), other.canonical());
        let permit = IdentityDocument::parse(DocumentKind::ResidencePermit, "11010519491231002X").unwrap();
        assert!(permit.birth_date().is_some(), "numbered as resident IDs are");
        assert!(IdentityDocument::parse(DocumentKind::ResidencePermit, "110105194912310021").is_err());
        assert!(IdentityDocument::parse(DocumentKind::Passport, "E1").is_err());
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_number() {
        let document = resident("11010519491231002X").unwrap();
        assert_eq!(format!("{document:?}"), "IdentityDocument(resident_id)");
        let json = r#"{"kind":"resident_id","number":"110105194912310021"}"#;
        let error = serde_json::from_str::<IdentityDocument>(json).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("1101"), "{error}");
        let json = r#"{"kind":"resident_id_15","number":"110105491231002"}"#;
        assert_eq!(
            serde_json::from_str::<IdentityDocument>(json).unwrap().kind(),
            DocumentKind::ResidentId15
        );
    }
}
