//! What a text of a command may be: not empty, not endless, nothing that hides or turns what is read.

use crate::refusal::Refusal;

/// The longest line: a reason, a basis, an address, in characters.
pub(crate) const LINE: usize = 200;
/// The longest paragraph: the words of a posting, in characters.
pub(crate) const PARAGRAPH: usize = 2000;

/// Refuses a text that is empty, longer than `most` characters, or holds control or direction characters.
pub(crate) fn check(field: &str, text: &str, most: usize) -> Result<(), Refusal> {
    let problem = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.chars().count() > most {
        format!("is longer than {most} characters")
    } else if text.chars().any(is_hidden) {
        "holds characters that cannot be seen or that turn the direction of reading".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::bad_field(field, problem))
}

/// Whether a character changes what is read without being seen (line feeds are seen).
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n') || turns_or_hides(c)
}

/// The same for a line: nothing in it begins another one, and nothing breaks a word where nobody sees it.
pub fn is_hidden_in_line(c: char) -> bool {
    c.is_control()
        || turns_or_hides(c)
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061C}' | '\u{00AD}' | '\u{180E}' | '\u{FFFD}')
}

/// Marks without a width of their own, and those that turn the direction of reading; no control is among them.
fn turns_or_hides(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_all_that_it_says() {
        assert_eq!(check("name", "历下区零工市场", 60), Ok(()));
        assert_eq!(check("name", "𡘙·吐尔逊", 60), Ok(()), "rare characters and the dot of names are lawful");
        for bad in ["", "  ", "a\u{202E}b", "a\u{200B}b", "a\rb", "a\u{0}b"] {
            assert!(check("name", bad, 60).is_err(), "{bad:?}");
        }
        assert!(check("name", "一二三四", 3).is_err());
    }
}
