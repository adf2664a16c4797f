//! What a client sends of a human, in clear: checked and brought into one spelling before it is sealed.

use linggong_engine::text::is_hidden_in_line;
use linggong_events::identity::{BadDocument, DocumentKind, IdentityDocument};
use linggong_events::person::PersonField;
use linggong_events::time::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::seal::SecretString;

/// The longest name, in characters; names of the minorities reach it.
const NAME_CHARS: usize = 50;
const LINE_CHARS: usize = 200;
const TEXT_CHARS: usize = 4000;

/// An identity document as shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// Its number.
    pub number: SecretString,
}

/// A human as a client tells of one. Nothing of it leaves the vault in clear.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearPerson {
    /// 姓名.
    pub name: SecretString,
    /// 证件; absent where none was shown.
    #[serde(default)]
    pub document: Option<ClearDocument>,
    /// 联系电话; may be shared, may be absent.
    #[serde(default)]
    pub phone: Option<SecretString>,
    /// 收款账户.
    #[serde(default)]
    pub bank_account: Option<SecretString>,
    /// 住址或送达地址.
    #[serde(default)]
    pub address: Option<SecretString>,
    /// 紧急联系人.
    #[serde(default)]
    pub emergency_contact: Option<SecretString>,
    /// 出生日期, only where no document tells it.
    #[serde(default)]
    pub birth_date: Option<Birth>,
}

/// What a client tells anew of a human; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearRevision {
    /// Whose record it is.
    pub person: linggong_events::id::PersonId,
    /// 姓名.
    #[serde(default)]
    pub name: Option<SecretString>,
    /// 证件, as shown.
    #[serde(default)]
    pub document: Option<ClearDocument>,
    /// 联系电话.
    #[serde(default)]
    pub phone: Option<SecretString>,
    /// 收款账户.
    #[serde(default)]
    pub bank_account: Option<SecretString>,
    /// 住址或送达地址.
    #[serde(default)]
    pub address: Option<SecretString>,
    /// 紧急联系人.
    #[serde(default)]
    pub emergency_contact: Option<SecretString>,
    /// 出生日期, only with a document that does not tell it.
    #[serde(default)]
    pub birth_date: Option<Birth>,
}

/// A birth date that its `Debug` does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Birth(pub Date);

impl std::fmt::Debug for Birth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Birth")
    }
}

/// A free text about a human, as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearText {
    /// The human under whose key it is sealed.
    pub person: linggong_events::id::PersonId,
    /// The text.
    pub text: SecretString,
}

/// What is wrong with clear personal data; names the field, never what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadClear {
    /// No name, a longer one than there are, or one with characters that hide or reorder others.
    #[error(
        "the name is empty, longer than {NAME_CHARS} characters, or holds characters that cannot be seen"
    )]
    Name,
    /// The number fails the check of its kind.
    #[error("the document number cannot be one of its kind")]
    Document(#[source] BadDocument),
    /// Not the digits of a phone.
    #[error("the phone number is not one of 5 to 15 digits")]
    Phone,
    /// Not an account.
    #[error("the account is not one of 6 to 64 letters and digits")]
    BankAccount,
    /// Too long, or not one line.
    #[error("the address is not one line of at most {LINE_CHARS} characters")]
    Address,
    /// Too long, or not one line.
    #[error("the emergency contact is not one line of at most {LINE_CHARS} characters")]
    EmergencyContact,
    /// The document already tells it, or nobody born then can stand at the desk.
    #[error("the birth date is told by the document already, or lies in the future")]
    BirthDate,
    /// An age is put right by what proves it.
    #[error("a birth date is told anew with the document that goes with it")]
    BirthDateAlone,
    /// Empty or too long.
    #[error("the text is empty or longer than {TEXT_CHARS} characters")]
    Text,
    /// Not a card number.
    #[error("the card number is not one of 4 to 64 letters and digits")]
    Card,
}

/// A human as told, checked and in one spelling.
pub(crate) struct CheckedPerson {
    pub(crate) document: Option<IdentityDocument>,
    pub(crate) phone: Option<SecretString>,
    pub(crate) birth_date: Option<Date>,
    /// What will be sealed.
    pub(crate) fields: Vec<(PersonField, SecretString)>,
}

impl CheckedPerson {
    pub(crate) fn of(clear: &ClearPerson, on: Date) -> Result<CheckedPerson, BadClear> {
        let named = vec![(PersonField::Name, name(&clear.name)?)];
        CheckedPerson::told(named, clear, on)
    }

    /// What is told anew; a name is optional then.
    pub(crate) fn revised(clear: &ClearRevision, on: Date) -> Result<CheckedPerson, BadClear> {
        if clear.birth_date.is_some() && clear.document.is_none() {
            return Err(BadClear::BirthDateAlone);
        }
        let named = clear.name.as_ref().map(name).transpose()?.map(|it| (PersonField::Name, it));
        let others = ClearPerson {
            name: SecretString::default(),
            document: clear.document.clone(),
            phone: clear.phone.clone(),
            bank_account: clear.bank_account.clone(),
            address: clear.address.clone(),
            emergency_contact: clear.emergency_contact.clone(),
            birth_date: clear.birth_date,
        };
        CheckedPerson::told(named.into_iter().collect(), &others, on)
    }

    fn told(
        mut fields: Vec<(PersonField, SecretString)>,
        clear: &ClearPerson,
        on: Date,
    ) -> Result<CheckedPerson, BadClear> {
        let document = match &clear.document {
            Some(it) => {
                Some(IdentityDocument::parse(it.kind, it.number.expose()).map_err(BadClear::Document)?)
            }
            None => None,
        };
        let told_by_document = document.as_ref().and_then(IdentityDocument::birth_date);
        if told_by_document.is_some() && clear.birth_date.is_some() {
            return Err(BadClear::BirthDate);
        }
        let birth_date = told_by_document.or(clear.birth_date.map(|it| it.0));
        if birth_date.is_some_and(|it| it > on || it.civil().year() < 1880) {
            return Err(BadClear::BirthDate);
        }
        if let Some(document) = &document {
            let text = serde_json::json!({ "kind": document.kind(), "number": document.number() });
            fields.push((PersonField::Document, SecretString::new(text.to_string())));
        }
        let phone = clear.phone.as_ref().map(phone).transpose()?;
        fields.extend(phone.clone().map(|it| (PersonField::Phone, it)));
        if let Some(account) = &clear.bank_account {
            fields.push((PersonField::BankAccount, bank_account(account)?));
        }
        if let Some(address) = &clear.address {
            fields.push((PersonField::Address, one_line(address).ok_or(BadClear::Address)?));
        }
        if let Some(contact) = &clear.emergency_contact {
            let contact = one_line(contact).ok_or(BadClear::EmergencyContact)?;
            fields.push((PersonField::EmergencyContact, contact));
        }
        Ok(CheckedPerson { document, phone, birth_date, fields })
    }
}

/// A name in NFC. Rare characters and `·` stay; what reorders or hides characters is refused.
fn name(clear: &SecretString) -> Result<SecretString, BadClear> {
    let name = SecretString::new(clear.expose().trim().nfc().collect());
    let length = name.expose().chars().count();
    let visible =
        name.expose().chars().all(|it| !is_hidden_in_line(it) && (it == ' ' || !it.is_whitespace()));
    if (1..=NAME_CHARS).contains(&length) && visible { Ok(name) } else { Err(BadClear::Name) }
}

/// The digits of a phone, without the country's own prefix.
pub(crate) fn phone(clear: &SecretString) -> Result<SecretString, BadClear> {
    let folded: String = clear
        .expose()
        .nfkc()
        .filter(|it| !it.is_whitespace() && !matches!(it, '-' | '\u{2010}'..='\u{2015}' | '(' | ')'))
        .collect();
    let folded = SecretString::new(folded);
    let text = folded.expose();
    let at_home = text.strip_prefix("+86").or_else(|| text.strip_prefix("0086")).unwrap_or(text);
    let digits = at_home.strip_prefix('+').unwrap_or(at_home);
    let fits = (5..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    if fits { Ok(SecretString::new(at_home.to_owned())) } else { Err(BadClear::Phone) }
}

fn bank_account(clear: &SecretString) -> Result<SecretString, BadClear> {
    let account: String = clear.expose().nfkc().filter(|it| !it.is_whitespace()).take(65).collect();
    let account = SecretString::new(account);
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"@._-+".contains(&it);
    let fits = (6..=64).contains(&account.expose().len()) && account.expose().bytes().all(allowed);
    if fits { Ok(account) } else { Err(BadClear::BankAccount) }
}

/// The number of a market card, as printed and as scanned.
pub(crate) fn card(clear: &SecretString) -> Result<SecretString, BadClear> {
    let folded = clear.expose().nfkc().filter(|it| !it.is_whitespace()).flat_map(char::to_uppercase);
    let card = SecretString::new(folded.take(65).collect());
    let allowed = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    let fits = (4..=64).contains(&card.expose().len()) && card.expose().bytes().all(allowed);
    if fits { Ok(card) } else { Err(BadClear::Card) }
}

fn one_line(clear: &SecretString) -> Option<SecretString> {
    let line = SecretString::new(clear.expose().trim().nfc().collect());
    let fits = (1..=LINE_CHARS).contains(&line.expose().chars().count());
    (fits && !line.expose().chars().any(char::is_control)).then_some(line)
}

/// A free text in NFC, as long as a statement may be.
pub(crate) fn text(clear: &SecretString) -> Result<SecretString, BadClear> {
    let text = SecretString::new(clear.expose().trim().nfc().collect());
    let fits = (1..=TEXT_CHARS).contains(&text.expose().chars().count());
    if fits { Ok(text) } else { Err(BadClear::Text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }

    #[test]
    fn legal_names_are_kept_and_hidden_characters_refused() {
        for good in ["𡘙", "阿卜杜拉·买买提·吐尔逊", "张三", "Anna Müller", "〇"] {
            assert_eq!(name(&secret(good)).unwrap().expose(), good);
        }
        assert_eq!(name(&secret("Mu\u{308}ller")).unwrap().expose(), "Müller", "stored composed");
        for bad in ["", "  ", "张\u{202E}三", "张\u{200B}三", "张\n三", "\u{2067}张三", &"长".repeat(51)]
        {
            assert_eq!(name(&secret(bad)), Err(BadClear::Name), "{bad:?}");
        }
    }

    #[test]
    fn one_phone_has_one_spelling() {
        for spelt in ["13800138000", "+86 138-0013-8000", "008613800138000", "１３８００１３８０００"]
        {
            assert_eq!(phone(&secret(spelt)).unwrap().expose(), "13800138000", "{spelt}");
        }
        assert_eq!(phone(&secret("0531-12345678")).unwrap().expose(), "053112345678");
        for bad in ["", "1234", "同上", "1.38E+10", "1380013800013800"] {
            assert_eq!(phone(&secret(bad)), Err(BadClear::Phone), "{bad}");
        }
    }
}
