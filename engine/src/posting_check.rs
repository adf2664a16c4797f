//! 岗位审查: which words and fields of a posting a rule blocks or sends to review, and the text that would pass.
//!
//! Words are compared letter by letter after folding: full width, case, traditional forms that forms use,
//! spaces and punctuation do not hide a word (`限 男`, `限-男`, `限　男`). A word put together across the end
//! of a sentence is no certain find (`工期有限。男女不限`), so it goes to review instead of being blocked.
//! A rule nobody verified against its statute only ever sends to review.

use std::ops::Range;

use linggong_events::employer::EmployerKind;
use linggong_events::posting::{Finding, PayDue, PayKind, PostingTerms};
use linggong_events::time::{DAY_MS, MINUTE_MS, Shift};

use crate::pack::{Action, Basis, FieldCheck, LimitId, Office, PostingRule, RuleBook};

/// The id of the finding that a text tells a telephone or identity number: a posting is shown to everybody.
const PERSONAL_NUMBER: &str = "personal_number";

/// What a check of a posting found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was found, in the order of the text; fields after words.
    pub found: Vec<Found>,
    /// The whole text with every blocked word replaced, or removed with the clause in which it stands, so that its words
    /// pass when checked again. `None` where no word was blocked, or nothing would be left.
    pub corrected: Option<String>,
}

impl Checked {
    /// Whether something keeps the posting from being shown.
    pub fn is_blocked(&self) -> bool {
        self.found.iter().any(|found| found.action == Action::Block)
    }

    /// Whether a person must look at it first.
    pub fn needs_review(&self) -> bool {
        self.found.iter().any(|found| found.action == Action::Review)
    }

    /// The findings of one action, as events and refusals carry them.
    pub fn findings(&self, action: Action) -> Vec<Finding> {
        self.found.iter().filter(|found| found.action == action).map(|found| found.finding.clone()).collect()
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it does.
    pub action: Action,
    /// The rule, its source, and the words as they stand in the text.
    pub finding: Finding,
    /// Where the words stand in the text, in bytes; `None` for a field or for the address.
    pub span: Option<Range<usize>>,
    /// What stands there in the corrected text; empty where the words are removed or it is about a field.
    pub correction: String,
}

/// Checks the words and fields of a posting by the rules in force.
pub fn check_posting(terms: &PostingTerms, employer: EmployerKind, book: &RuleBook) -> Checked {
    let rules = Rules::applying(terms, employer, book);
    let mut found: Vec<Found> = rules.words(&terms.text).into_iter().map(Hit::into_found).collect();
    let blocked = found.iter().any(|found| found.action == Action::Block);
    let corrected = if blocked { rules.corrected(&terms.text) } else { None };

    for hit in rules.words(&terms.address) {
        // Nobody corrects an address by machine: a street may be called anything, but no street is a telephone.
        let action = if hit.rule == PERSONAL_NUMBER { hit.action } else { Action::Review };
        found.push(Found { action, span: None, ..hit.into_found() });
    }
    found.extend(fields(terms, employer, book));
    Checked { found, corrected }
}

/// The rules about words that apply to one posting.
struct Rules<'a> {
    rules: Vec<Rule<'a>>,
}

struct Rule<'a> {
    row: &'a PostingRule,
    action: Action,
    patterns: Vec<Vec<char>>,
    except: Vec<Vec<char>>,
    review_if: Vec<Vec<char>>,
}

impl<'a> Rules<'a> {
    fn applying(terms: &PostingTerms, employer: EmployerKind, book: &'a RuleBook) -> Rules<'a> {
        let mut rules: Vec<Rule<'a>> = Vec::new();
        let here = book.statutes().filter(|pack| pack.region.is_none_or(|it| it.covers(terms.region)));
        for row in here.flat_map(|pack| &pack.posting_rules) {
            // A nearer pack's row goes before a row of the same id further away.
            let overruled = rules.iter().any(|rule| rule.row.id == row.id);
            if overruled || row.allowed_occupations.contains(&terms.occupation) {
                continue;
            }
            rules.push(Rule::new(row, employer));
        }
        Rules { rules }
    }

    /// Every find in `text`, in its order; what lies within a find at least as strict is not told twice.
    fn words(&self, text: &str) -> Vec<Hit<'a>> {
        let text = Folded::of(text);
        let mut hits: Vec<Hit<'a>> = self.rules.iter().flat_map(|rule| rule.hits(&text)).collect();
        hits.extend(text.personal_numbers().iter().map(|range| Hit::of_number(text.span(range))));
        hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
        let swallowed = |inner: &Hit<'_>| {
            hits.iter().any(|outer| {
                let within = outer.span.start <= inner.span.start && inner.span.end <= outer.span.end;
                within && outer.span.len() > inner.span.len() && outer.action >= inner.action
            })
        };
        hits.iter().filter(|hit| !swallowed(hit)).cloned().collect()
    }

    /// `text` with blocked words replaced or their clauses left out, until none is left; `None` where no words would
    /// remain. Where it would be nothing but for telephone numbers, these alone are taken out.
    fn corrected(&self, text: &str) -> Option<String> {
        self.corrected_by(text, &clause).or_else(|| {
            let alone = |hit: &Hit<'_>| hit.rule == PERSONAL_NUMBER;
            let is_alone = self.blocking(text).iter().all(alone);
            is_alone.then(|| self.corrected_by(text, &|_, span| span.clone())).flatten()
        })
    }

    fn corrected_by(
        &self,
        text: &str,
        left_out: &dyn Fn(&str, &Range<usize>) -> Range<usize>,
    ) -> Option<String> {
        let mut text = text.to_owned();
        let mut replacing = true;
        loop {
            let blocked = self.blocking(&text);
            if blocked.is_empty() {
                return text.chars().any(char::is_alphanumeric).then_some(text);
            }
            text = replaced(&text, &blocked, replacing, left_out);
            // What removing put together is removed without a replacement, so that every further round
            // shortens the text and the loop ends.
            replacing = false;
        }
    }

    fn blocking(&self, text: &str) -> Vec<Hit<'a>> {
        self.words(text).into_iter().filter(|hit| hit.action == Action::Block).collect()
    }
}

impl<'a> Rule<'a> {
    fn new(row: &'a PostingRule, employer: EmployerKind) -> Rule<'a> {
        let stated = match employer {
            EmployerKind::Household => row.household.unwrap_or(row.action),
            EmployerKind::Enterprise
            | EmployerKind::IndividualBusiness
            | EmployerKind::Cooperative
            | EmployerKind::Unlicensed
            | EmployerKind::Foreman
            | EmployerKind::Agency => row.action,
        };
        let action = effective(stated, &row.basis);
        let folded = |words: &[String]| words.iter().map(|word| Folded::of(word).letters()).collect();
        Rule {
            row,
            action,
            patterns: folded(&row.patterns),
            except: folded(&row.except),
            review_if: folded(&row.review_if),
        }
    }

    /// The finds of this rule: leftmost first, longest first, none overlapping.
    fn hits(&self, text: &Folded<'_>) -> Vec<Hit<'a>> {
        let excused = self.review_if.iter().any(|word| (0..text.0.len()).any(|at| text.has(word, at)));
        let harmless: Vec<Range<usize>> =
            (0..text.0.len()).filter_map(|at| text.longest(&self.except, at)).collect();
        let mut hits = Vec::new();
        let mut at = 0;
        while at < text.0.len() {
            let Some(range) = text.longest(&self.patterns, at) else {
                at += 1;
                continue;
            };
            if harmless.iter().any(|it| it.start <= range.start && range.end <= it.end) {
                at += 1;
                continue;
            }
            at = range.end;
            let action =
                if excused || text.crosses_a_sentence(&range) { Action::Review } else { self.action };
            hits.push(Hit {
                rule: &self.row.id,
                citation: &self.row.basis.citation,
                correction: &self.row.correction,
                action,
                span: text.span(&range),
                words: text.words(&range).to_owned(),
            });
        }
        hits
    }
}

/// A row that nobody verified must not keep a posting from being shown.
fn effective(action: Action, basis: &Basis) -> Action {
    match action {
        Action::Block if basis.verified => Action::Block,
        Action::Block | Action::Review => Action::Review,
    }
}

#[derive(Clone)]
struct Hit<'a> {
    rule: &'a str,
    citation: &'a str,
    correction: &'a str,
    action: Action,
    /// In bytes of the original text.
    span: Range<usize>,
    words: String,
}

impl Hit<'_> {
    /// A number that finds one person. Its words are left out: a refusal does not repeat what must not be told.
    fn of_number(span: Range<usize>) -> Hit<'static> {
        Hit {
            rule: PERSONAL_NUMBER,
            // The register's own rule and no statute's: what anybody may read can never be taken back from the log.
            citation: "本登记规则: 公开的岗位不写电话和证件号",
            correction: "",
            action: Action::Block,
            span,
            words: String::new(),
        }
    }

    fn into_found(self) -> Found {
        Found {
            action: self.action,
            finding: Finding {
                rule: self.rule.to_owned(),
                citation: self.citation.to_owned(),
                words: self.words,
            },
            span: Some(self.span),
            correction: self.correction.to_owned(),
        }
    }
}

/// The clause around `span`: words taken out of the middle of one leave what nobody meant (`先交200服装费`).
fn clause(text: &str, span: &Range<usize>) -> Range<usize> {
    let ends = |at: usize, c: char| {
        let digit = |c: Option<char>| c.is_some_and(|it| it.is_ascii_digit());
        let within_a_number =
            digit(text[..at].chars().next_back()) && digit(text[at + c.len_utf8()..].chars().next());
        match c {
            '.' | ',' | ':' | '：' => !within_a_number && !matches!(c, ':' | '：'),
            '，' | '、' | ';' | '；' | '。' | '!' | '！' | '?' | '？' | '(' | ')' | '（' | '）' | '【'
            | '】' | '[' | ']' | '/' | '|' => true,
            c => c.is_whitespace(),
        }
    };
    let before = text[..span.start].char_indices().rev().find(|(at, c)| ends(*at, *c));
    let after = text[span.end..].char_indices().find(|(at, c)| ends(span.end + at, *c));
    let start = before.map_or(0, |(at, c)| at + c.len_utf8());
    start..after.map_or(text.len(), |(at, _)| span.end + at)
}

/// `text` with each of `blocked` replaced by its rule's correction if `replacing`, and without what `left_out` takes
/// along with those that have none.
fn replaced(
    text: &str,
    blocked: &[Hit<'_>],
    replacing: bool,
    left_out: &dyn Fn(&str, &Range<usize>) -> Range<usize>,
) -> String {
    let is_replaced = |hit: &Hit<'_>| replacing && !hit.correction.is_empty();
    let removed: Vec<Range<usize>> =
        blocked.iter().filter(|hit| !is_replaced(hit)).map(|hit| left_out(text, &hit.span)).collect();
    let stays = |span: &Range<usize>| !removed.iter().any(|it| it.start < span.end && span.start < it.end);
    let in_place = blocked.iter().filter(|hit| is_replaced(hit) && stays(&hit.span));
    let mut edits: Vec<(Range<usize>, &str)> =
        in_place.map(|hit| (hit.span.clone(), hit.correction)).collect();
    edits.extend(removed.iter().map(|it| (it.clone(), "")));
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut new = String::with_capacity(text.len());
    let mut from = 0;
    for (span, correction) in edits {
        if span.start >= from {
            new.push_str(&text[from..span.start]);
            new.push_str(not_said_yet(&new, correction));
        }
        from = from.max(span.end);
        if correction.is_empty() {
            from += drop_around(&mut new, &text[from..]);
            from += drop_comma(&mut new, &text[from..]);
        }
    }
    new.push_str(&text[from..]);
    new
}

/// Drops brackets of which nothing is left, and one of two blanks. Returns how many bytes of `rest` to leave out.
fn drop_around(new: &mut String, rest: &str) -> usize {
    const PAIRS: [(char, char); 4] = [('(', ')'), ('（', '）'), ('[', ']'), ('【', '】')];
    let (last, next) = (new.chars().next_back(), rest.chars().next());
    if let Some(blank) = next.filter(|c| c.is_whitespace() && last.is_none_or(char::is_whitespace)) {
        return blank.len_utf8();
    }
    let empty = PAIRS.iter().find(|(open, close)| last == Some(*open) && next == Some(*close));
    let Some((_, close)) = empty else { return 0 };
    new.pop();
    close.len_utf8()
}

/// `correction` without its beginning where that stands there already (`年满` before `年满16周岁`).
fn not_said_yet<'a>(before: &str, correction: &'a str) -> &'a str {
    let cuts = correction.char_indices().map(|(at, _)| at).rev();
    let said = cuts.filter(|at| *at > 0).find(|at| before.ends_with(&correction[..*at]));
    &correction[said.unwrap_or(0)..]
}

/// After words were removed: drops the comma that stood before them if one, or the end, comes after, and the
/// comma after them if nothing stands before. Returns how many bytes of `rest` to leave out.
fn drop_comma(new: &mut String, rest: &str) -> usize {
    let is_comma = |c: char| matches!(c, ',' | '，' | '、' | ';' | '；');
    let next = rest.chars().next();
    let kept = new.trim_end().trim_end_matches(is_comma).len();
    if kept < new.trim_end().len() && next.is_none_or(|c| !c.is_alphanumeric()) {
        new.truncate(kept);
        return 0;
    }
    match next {
        Some(c) if new.is_empty() && is_comma(c) => c.len_utf8(),
        Some(_) | None => 0,
    }
}

/// A text as its letters and digits, folded, each with its place in the original.
struct Folded<'a>(Vec<Letter>, &'a str);

struct Letter {
    folded: char,
    start: usize,
    end: usize,
    /// Whether a sentence or line ended between the letter before and this one.
    opens: bool,
}

impl<'a> Folded<'a> {
    fn of(text: &'a str) -> Folded<'a> {
        let mut letters = Vec::new();
        let mut opens = false;
        for (start, c) in text.char_indices() {
            let folded = fold(c);
            if folded.is_alphanumeric() {
                letters.push(Letter { folded, start, end: start + c.len_utf8(), opens });
                opens = false;
            } else {
                opens |= matches!(folded, '。' | '!' | '?' | ';' | '\n' | '\r' | '\u{2028}' | '\u{2029}');
            }
        }
        Folded(letters, text)
    }

    fn letters(&self) -> Vec<char> {
        self.0.iter().map(|letter| letter.folded).collect()
    }

    fn has(&self, word: &[char], at: usize) -> bool {
        self.0.get(at..at + word.len()).is_some_and(|here| here.iter().map(|l| &l.folded).eq(word))
    }

    /// The letters that the longest of `words` takes at `at`.
    fn longest(&self, words: &[Vec<char>], at: usize) -> Option<Range<usize>> {
        let longest = words.iter().filter(|word| self.has(word, at)).map(Vec::len).max()?;
        Some(at..at + longest)
    }

    /// The runs of digits, written together or with blanks and hyphens, that have the shape of a telephone or
    /// identity number.
    fn personal_numbers(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut start = 0;
        while start < self.0.len() {
            let mut end = start;
            while end < self.0.len() && self.continues_a_number(start, end) {
                end += 1;
            }
            let number: String = self.0[start..end].iter().map(|letter| letter.folded).collect();
            if is_telephone(&number) || is_identity(&number) {
                found.push(start..end);
            }
            start = end.max(start + 1);
        }
        found
    }

    /// Whether the letter at `at` goes on a number that begins at `start`; an identity number may end with an x.
    fn continues_a_number(&self, start: usize, at: usize) -> bool {
        let c = self.0[at].folded;
        if !(c.is_ascii_digit() || c == 'x' && at == start + 17) {
            return false;
        }
        let gap = if at == start { "" } else { &self.1[self.0[at - 1].end..self.0[at].start] };
        gap.chars().all(|c| matches!(fold(c), ' ' | '-'))
    }

    fn crosses_a_sentence(&self, range: &Range<usize>) -> bool {
        self.0[range.clone()].iter().skip(1).any(|letter| letter.opens)
    }

    fn span(&self, range: &Range<usize>) -> Range<usize> {
        self.0[range.start].start..self.0[range.end - 1].end
    }

    fn words(&self, range: &Range<usize>) -> &'a str {
        &self.1[self.span(range)]
    }
}

/// A mobile number, with the country or without, or a landline with its area.
fn is_telephone(number: &str) -> bool {
    let local = number.strip_prefix("86").filter(|it| it.len() >= 10).unwrap_or(number);
    match local.as_bytes() {
        [b'1', b'3'..=b'9', rest @ ..] => rest.len() == 9,
        [b'0', b'1'..=b'9', rest @ ..] => matches!(rest.len(), 8..=10),
        _ => false,
    }
}

/// Eighteen characters around a date of birth. A credit code has none.
fn is_identity(number: &str) -> bool {
    if number.len() != 18 {
        return false;
    }
    let (year, month, day) = (&number[6..8], &number[10..12], &number[12..14]);
    matches!(year, "19" | "20") && ("01"..="12").contains(&month) && ("01"..="31").contains(&day)
}

/// One width, one case, and the simplified form of the traditional letters that evade a word list.
fn fold(c: char) -> char {
    const TRADITIONAL: &[(char, char)] = &[
        ('證', '证'),
        ('収', '收'),
        ('費', '费'),
        ('優', '优'),
        ('戶', '户'),
        ('陽', '阳'),
        ('殘', '残'),
        ('歲', '岁'),
        ('齡', '龄'),
        ('僅', '仅'),
        ('隻', '只'),
        ('衹', '只'),
        ('壓', '压'),
        ('錢', '钱'),
        ('擔', '担'),
        ('婦', '妇'),
        ('懷', '怀'),
        ('漢', '汉'),
        ('農', '农'),
        ('籤', '签'),
        ('報', '报'),
        ('訓', '训'),
        ('資', '资'),
        ('體', '体'),
        ('檢', '检'),
        ('實', '实'),
        ('務', '务'),
    ];
    let narrow = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    };
    let lower = narrow.to_ascii_lowercase();
    TRADITIONAL.iter().find(|(traditional, _)| *traditional == lower).map_or(lower, |(_, simple)| *simple)
}

fn fields(terms: &PostingTerms, employer: EmployerKind, book: &RuleBook) -> Vec<Found> {
    let here = || book.statutes().filter(|pack| pack.region.is_none_or(|it| it.covers(terms.region)));
    let mut found = Vec::new();
    for check in FieldCheck::ALL {
        let Some(row) = here().find_map(|pack| pack.posting_fields.get(check)) else { continue };
        let Some(strongest) = applies(*check, terms, employer, book) else { continue };
        found.push(Found {
            action: effective(row.action, &row.basis).min(strongest),
            finding: Finding {
                rule: check.name().to_owned(),
                citation: row.basis.citation.clone(),
                words: String::new(),
            },
            span: None,
            correction: String::new(),
        });
    }
    found
}

/// Whether the check finds something, and the most it may then do.
fn applies(
    check: FieldCheck,
    terms: &PostingTerms,
    employer: EmployerKind,
    book: &RuleBook,
) -> Option<Action> {
    let block_if = |found: bool| found.then_some(Action::Block);
    match check {
        FieldCheck::TextMissing => block_if(!terms.text.chars().any(char::is_alphanumeric)),
        FieldCheck::PayMissing => block_if(terms.pay.rate.0 <= 0),
        FieldCheck::HeadcountMissing => block_if(terms.headcount == 0),
        FieldCheck::ShiftsMissing => block_if(terms.shifts.is_empty()),
        FieldCheck::PayUnderFloor => under_floor(terms, employer, book),
        // A household and a contract of result pay as agreed; only a 用人单位 is bound (工资支付暂行规定 2).
        FieldCheck::PayLate => {
            let most = book.limit(LimitId::PartTimeSettlement)?.legal()?;
            block_if(employer.is_supervised() && days_until_paid(terms) > i64::from(most))
        }
        FieldCheck::PayDeferred => {
            let most = book.office()?.pay_deferral_review_days;
            block_if(employer.is_supervised() && days_until_paid(terms) > i64::from(most))
        }
        FieldCheck::EmployerUnlicensed => block_if(employer == EmployerKind::Unlicensed),
        FieldCheck::EmployerForeman => block_if(employer == EmployerKind::Foreman),
        FieldCheck::NightWork => {
            let office = book.office()?;
            block_if(terms.shifts.iter().any(|shift| touches_night(*shift, office)))
        }
        FieldCheck::LongShift => {
            let most = book.office()?.long_shift_review_minutes;
            block_if(terms.shifts.iter().any(|shift| shift.minutes() > i64::from(most)))
        }
    }
}

/// Hourly pay under the floor of any work date blocks only where that floor was verified.
fn under_floor(terms: &PostingTerms, employer: EmployerKind, book: &RuleBook) -> Option<Action> {
    if terms.pay.pay_kind != PayKind::Hour || !employer.is_supervised() {
        return None;
    }
    let floors = terms.shifts.iter().filter_map(|shift| book.minimum_wage(terms.region, shift.work_date()));
    let under = floors.filter(|floor| terms.pay.rate < floor.hourly);
    under.map(|floor| if floor.basis.verified { Action::Block } else { Action::Review }).max()
}

/// Days from the last day of work until pay is due.
fn days_until_paid(terms: &PostingTerms) -> i64 {
    match terms.pay.due {
        PayDue::OnCompletion {} => 0,
        PayDue::WithinDays { days } => i64::from(days),
        PayDue::OnDate { date } => {
            // A shift that ends at midnight ends on the day before.
            let ends = terms.shifts.iter().map(|shift| shift.end().plus_ms(-1).date()).max();
            ends.map_or(0, |end| date.days() - end.days())
        }
    }
}

fn touches_night(shift: Shift, office: &Office) -> bool {
    let (from, to) = (i64::from(office.night_from_minute), i64::from(office.night_to_minute));
    let night = if from < to { to - from } else { to - from + 1440 };
    let into_night = |minute: i64| (minute - from).rem_euclid(1440);
    let start = into_night(i64::from(shift.start().minute_of_day()));
    // Within the night already, or long enough to reach the next.
    night > 0 && (start < night || start + shift.minutes() > DAY_MS / MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use linggong_events::id::EmployerId;
    use linggong_events::measure::Fen;
    use linggong_events::place::Point;
    use linggong_events::posting::{FillMode, PayTerms, Requirements};
    use linggong_events::worker::SkillLevel;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::pack::{DEFAULT_PACKS, Pack};

    const JINAN: &str = "370102";

    fn posting(text: &str) -> PostingTerms {
        let at = |text: &str| text.parse().unwrap();
        PostingTerms {
            employer: EmployerId(Uuid::nil()),
            occupation: "loader".parse().unwrap(),
            text: text.to_owned(),
            region: JINAN.parse().unwrap(),
            place: Point { lat_e6: 36_650_000, lon_e6: 117_000_000 },
            address: "经十路 1 号".to_owned(),
            shifts: vec![Shift::new(at("2026-11-23T00:00:00Z"), at("2026-11-23T09:00:00Z")).unwrap()],
            headcount: 5,
            pay: PayTerms {
                pay_kind: PayKind::Day,
                rate: Fen(20_000),
                unit: None,
                usual_day: None,
                due: PayDue::OnCompletion {},
            },
            requirements: Requirements { level: SkillLevel::Helper, certificates: Vec::new() },
            mode: FillMode::Dispatch,
            market: None,
        }
    }

    fn book() -> RuleBook {
        static BOOK: LazyLock<RuleBook> = LazyLock::new(|| RuleBook::shipped().unwrap());
        BOOK.clone()
    }

    fn check(text: &str) -> Checked {
        check_posting(&posting(text), EmployerKind::Enterprise, &book())
    }

    fn rules_of(checked: &Checked, action: Action) -> Vec<String> {
        checked.findings(action).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn discriminating_and_charging_words_are_blocked_with_a_text_that_passes() {
        let cases = [
            ("限男性，卸货五小时", "sex.limit", "男女不限，卸货五小时"),
            ("卸货，男工优先", "sex.limit", "卸货，男女不限"),
            ("卸货，本地户口优先，日结", "household.registration", "卸货，日结"),
            ("限本地人，卸货", "household.registration", "卸货"),
            ("已婚已育，卸货", "family.state", "卸货"),
            ("卸货，乙肝勿扰", "disease.carrier", "卸货"),
            ("卸货，不要少数民族。日结", "ethnicity", "卸货。日结"),
            ("无宗教信仰，卸货", "religion", "卸货"),
            ("卸货，残疾人勿扰", "disability", "卸货"),
            ("卸货，押身份证，日结", "document.seized", "卸货，日结"),
            ("卸货，工具押金100", "fee.charged", "卸货"),
            ("装卸小工，先交200服装费，日结", "fee.charged", "装卸小工，日结"),
            ("装卸小工, 体检费自理80元", "fee.charged", "装卸小工"),
            ("装卸小工, 需乙肝五项正常", "disease.carrier", "装卸小工"),
            ("装卸小工 扣押 证件 日结", "document.seized", "装卸小工 日结"),
            ("装卸小工（已婚已育优先），日结", "family.state", "装卸小工，日结"),
            ("搬运限男5名日结4.5元一件", "sex.limit", "搬运男女不限5名日结4.5元一件"),
            ("卸货，年满14周岁即可", "age.child", "卸货，年满16周岁即可"),
            ("卸货，女的勿扰", "sex.limit", "卸货，男女不限"),
            ("卸货，回民勿扰", "ethnicity", "卸货"),
            ("卸货，農村户口不要", "rural.origin", "卸货"),
            ("卸货，身份证先放我这", "document.seized", "卸货"),
            ("卸货，工资用大米抵", "pay.in_kind", "卸货"),
            ("卸货，先交二百块工具钱，干完退", "fee.charged", "卸货，干完退"),
            ("卸货，先扣一天工资，日结", "fee.charged", "卸货，日结"),
            ("卸货，交保证金", "fee.charged", "卸货"),
            ("卸货，15岁以上", "age.child", "卸货，年满16周岁"),
        ];
        for (text, rule, corrected) in cases {
            let checked = check(text);
            assert_eq!(rules_of(&checked, Action::Block), [rule], "{text}");
            assert_eq!(checked.corrected.as_deref(), Some(corrected), "{text}");
            assert!(!check(corrected).is_blocked(), "{corrected}");
        }
    }

    #[test]
    fn width_spaces_and_punctuation_hide_nothing_and_the_find_tells_the_original_words() {
        for (text, words) in [
            ("卸货 限 男 工", "限 男 工"),
            ("卸货 限-男", "限-男"),
            ("卸货 限　男", "限　男"),
            ("卸货 【限】·【男】", "限】·【男"),
            ("卸货 押*身*份*證", "押*身*份*證"),
            ("卸货 １５周岁", "１５周岁"),
            ("卸货 限\u{200b}男", "限\u{200b}男"),
        ] {
            let checked = check(text);
            let found = checked.found.iter().find(|found| found.action == Action::Block);
            let found = found.unwrap_or_else(|| panic!("{text} passed"));
            assert_eq!(found.finding.words, words);
            assert_eq!(&text[found.span.clone().unwrap()], words);
        }
    }

    #[test]
    fn harmless_words_pass() {
        for text in [
            "卸货，男女不限",
            "卸货，不限，男女均可",
            "卸货，性别男女不限，无押金，不押身份证，不收任何费用",
            "工地搬砖，不收费，日结",
            "卸货，免中介费",
            "停车收费员两名",
            "登记时收身份证复印件",
            "卸货，16岁以下勿扰",
        ] {
            let checked = check(text);
            assert!(!checked.is_blocked() && !checked.needs_review(), "{text}: {:?}", checked.found);
            assert_eq!(checked.corrected, None);
        }
    }

    #[test]
    fn words_joined_across_a_sentence_go_to_a_person() {
        let checked = check("卸货，工期有限。男女都要");
        assert_eq!(rules_of(&checked, Action::Review), ["sex.limit"]);
        assert!(!checked.is_blocked());
    }

    #[test]
    fn doubtful_words_go_to_review() {
        for (text, rule) in [
            ("卸货，50岁以下", "age.upper"),
            ("传单，身高165", "looks"),
            ("卸货，三天后付", "pay.deferred"),
            ("卸货，免费培训", "training.offer"),
            ("高空清洗", "hazard"),
            ("卸货，通宵", "night.abroad"),
            ("女工5名，缝纫", "sex.mention"),
        ] {
            let checked = check(text);
            assert_eq!(rules_of(&checked, Action::Review), [rule], "{text}");
            assert!(!checked.is_blocked(), "{text}");
        }
    }

    #[test]
    fn a_household_asking_for_a_woman_cleaner_is_asked_not_blocked() {
        let posting = posting("家庭保洁，只要女工，半天");
        let home = check_posting(&posting, EmployerKind::Household, &book());
        assert_eq!(rules_of(&home, Action::Review), ["sex.limit"]);
        assert_eq!(home.found[0].correction, "男女不限", "the suggested text");
        assert!(!home.is_blocked());
        assert!(check_posting(&posting, EmployerKind::Enterprise, &book()).is_blocked());
    }

    #[test]
    fn a_health_certificate_passes_in_catering_and_is_looked_at_elsewhere() {
        let mut posting = posting("帮厨，须持健康证");
        posting.occupation = "kitchen_helper".parse().unwrap();
        assert_eq!(check_posting(&posting, EmployerKind::Enterprise, &book()).found, []);
        posting.occupation = "loader".parse().unwrap();
        let elsewhere = check_posting(&posting, EmployerKind::Enterprise, &book());
        assert_eq!(rules_of(&elsewhere, Action::Review), ["health.certificate"]);
    }

    #[test]
    fn work_the_law_keeps_women_from_is_judged_by_a_person_when_the_item_is_named() {
        assert!(check("架子工，限男性，高空").is_blocked(), "no listed item is named");
        let named = check("限男性，矿山井下作业");
        assert!(!named.is_blocked() && rules_of(&named, Action::Review).contains(&"sex.limit".to_owned()));
    }

    #[test]
    fn a_provinces_rule_holds_only_there() {
        let mut posting = posting("卸货，本地户口优先");
        posting.region = "320102".parse().unwrap();
        assert!(!check_posting(&posting, EmployerKind::Enterprise, &book()).is_blocked());
    }

    #[test]
    fn missing_fields_are_blocked() {
        let mut posting = posting("");
        posting.pay.rate = Fen(0);
        posting.headcount = 0;
        posting.shifts.clear();
        let checked = check_posting(&posting, EmployerKind::Enterprise, &book());
        let all = ["text_missing", "pay_missing", "headcount_missing", "shifts_missing"];
        assert_eq!(rules_of(&checked, Action::Block), all);
        assert_eq!(checked.corrected, None, "no word was blocked");
    }

    #[test]
    fn a_text_of_nothing_but_blocked_words_has_no_correction() {
        assert_eq!(check("押金").corrected, None);
    }

    #[test]
    fn pay_due_late_goes_to_review_but_not_for_a_household() {
        let mut posting = posting("卸货");
        posting.pay.due = PayDue::WithinDays { days: 16 };
        let unit = check_posting(&posting, EmployerKind::Enterprise, &book());
        assert_eq!(rules_of(&unit, Action::Review), ["pay_late", "pay_deferred"]);
        assert_eq!(check_posting(&posting, EmployerKind::Household, &book()).found, []);
        posting.pay.due = PayDue::OnDate { date: "2026-11-26".parse().unwrap() };
        assert_eq!(check_posting(&posting, EmployerKind::Enterprise, &book()).found, [], "three days");
    }

    #[test]
    fn an_unverified_floor_is_a_hint_and_a_verified_one_blocks() {
        let mut posting = posting("卸货");
        posting.pay = PayTerms { pay_kind: PayKind::Hour, rate: Fen(1_700), ..posting.pay };
        let shipped = check_posting(&posting, EmployerKind::Enterprise, &book());
        assert_eq!(rules_of(&shipped, Action::Review), ["pay_under_floor"]);
        assert!(!shipped.is_blocked());

        let book = book_with(&format!(
            "[[minimum_wage]]\nregion = \"370102\"\nfrom = \"2025-01-01\"\nmonthly_fen = 220000\n\
             hourly_fen = 2200\n[minimum_wage.basis]\ncitation = \"c\"\nsource = \"s\"\n{}\n",
            read()
        ));
        posting.pay.rate = Fen(2_199);
        let checked = check_posting(&posting, EmployerKind::Enterprise, &book);
        assert_eq!(rules_of(&checked, Action::Block), ["pay_under_floor"]);
        posting.pay.rate = Fen(2_200);
        assert_eq!(check_posting(&posting, EmployerKind::Enterprise, &book).found, []);
    }

    #[test]
    fn an_unlicensed_employer_is_blocked_by_the_nearer_packs_article() {
        let checked = check_posting(&posting("卸货"), EmployerKind::Unlicensed, &book());
        assert_eq!(rules_of(&checked, Action::Block), ["employer_unlicensed"]);
        assert_eq!(checked.found[0].finding.citation, "山东省人力资源市场条例 28");
        let foreman = check_posting(&posting("卸货"), EmployerKind::Foreman, &book());
        assert_eq!(rules_of(&foreman, Action::Review), ["employer_foreman"]);
    }

    #[test]
    fn night_and_long_shifts_go_to_review() {
        let shift = |from: &str, to: &str| Shift::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let review = |shift: Shift| {
            let mut posting = posting("卸货");
            posting.shifts = vec![shift];
            rules_of(&check_posting(&posting, EmployerKind::Enterprise, &book()), Action::Review)
        };
        assert_eq!(
            review(shift("2026-11-22T14:00:00Z", "2026-11-22T18:00:00Z")),
            ["night_work"],
            "22:00–02:00"
        );
        assert_eq!(review(shift("2026-11-22T10:00:00Z", "2026-11-22T14:01:00Z")), ["night_work"], "to 22:01");
        assert_eq!(review(shift("2026-11-22T10:00:00Z", "2026-11-22T14:00:00Z")), [""; 0], "18:00–22:00");
        assert_eq!(
            review(shift("2026-11-21T22:00:00Z", "2026-11-22T11:00:00Z")),
            ["long_shift"],
            "06:00–19:00"
        );
    }

    #[test]
    fn a_telephone_or_identity_number_is_blocked_and_never_repeated() {
        for number in [
            "13800138000",
            "138-0013 8000",
            "１３８００１３８０００",
            "+86 13800138000",
            "0531-88881234",
            "370102196505140015",
            "37010219650514001x",
        ] {
            let checked = check(&format!("卸货，电话{number}，日结"));
            assert_eq!(rules_of(&checked, Action::Block), ["personal_number"], "{number}");
            let corrected = checked.corrected.clone().unwrap();
            assert!(!corrected.contains("8000") && !corrected.contains("1234"), "{corrected}");
            assert!(!check(&corrected).is_blocked(), "{corrected}");
            assert!(checked.found.iter().all(|it| it.finding.words.is_empty()), "{number}");

            let mut at = posting("卸货");
            at.address = format!("经十路 1 号, {number}");
            let checked = check_posting(&at, EmployerKind::Household, &book());
            assert_eq!(rules_of(&checked, Action::Block), ["personal_number"], "{number}");
        }
        for harmless in
            ["日结180-200元，8:00-17:00", "2026-11-22至2026-11-25", "91370100MA3C12345X", "共1380013件"]
        {
            assert_eq!(check(&format!("卸货，{harmless}")).found, [], "{harmless}");
        }
    }

    #[test]
    fn blocked_words_in_the_address_are_looked_at() {
        let mut posting = posting("卸货");
        posting.address = "经十路，限男工".to_owned();
        let checked = check_posting(&posting, EmployerKind::Enterprise, &book());
        assert_eq!(rules_of(&checked, Action::Review), ["sex.limit"]);
        assert_eq!((checked.is_blocked(), checked.corrected), (false, None));
    }

    /// A book of the shipped packs and one rule more.
    fn book_with(rule: &str) -> RuleBook {
        let text = format!("name = \"more\"\nversion = \"1\"\n{rule}");
        let more = Pack::parse(linggong_events::rules::PackKind::Statutes, text.as_bytes()).unwrap();
        let packs = DEFAULT_PACKS.iter().map(|(_, kind, text)| Pack::parse(*kind, text.as_bytes()).unwrap());
        RuleBook::new(packs.chain([more]).map(Arc::new))
    }

    fn rule_toml(basis: &str, correction: &str) -> String {
        format!(
            "[[posting_rule]]\nid = \"more\"\naction = \"block\"\npatterns = [\"蓝色\"]\ncorrection = \"{correction}\"\n\
             [posting_rule.basis]\ncitation = \"c\"\nsource = \"s\"\n{basis}\n"
        )
    }

    /// What a row must show to be verified.
    fn read() -> String {
        let digest = linggong_events::commit::Digest::of("五日".as_bytes()).to_string();
        format!(
            "conf = \"V\"\nverified = true\nquote = \"五日\"\nquoted_text_sha256 = \"{}\"\n\
             verified_by = \"an officer\"\nverified_at = \"2026-11-22\"",
            digest.trim_start_matches("sha256:")
        )
    }

    #[test]
    fn a_rule_nobody_verified_never_blocks() {
        let unread = book_with(&rule_toml("conf = \"M\"\nverified = false", ""));
        let checked = check_posting(&posting("卸货，蓝色"), EmployerKind::Enterprise, &unread);
        assert_eq!(
            (checked.is_blocked(), rules_of(&checked, Action::Review)),
            (false, vec!["more".to_owned()])
        );
        let verified = book_with(&rule_toml(&read(), ""));
        assert!(check_posting(&posting("卸货，蓝色"), EmployerKind::Enterprise, &verified).is_blocked());
    }

    #[test]
    fn a_correction_that_is_itself_blocked_is_removed_in_the_end() {
        let book = book_with(&rule_toml(&read(), "蓝色蓝色"));
        let checked = check_posting(&posting("卸货，蓝色，日结"), EmployerKind::Enterprise, &book);
        assert_eq!(checked.corrected.as_deref(), Some("卸货，日结"));
    }

    /// Every blocked word of the shipped packs alone is blocked, whatever the exceptions say.
    #[test]
    fn every_shipped_word_is_found() {
        for pack in book().statutes() {
            for rule in &pack.posting_rules {
                for word in &rule.patterns {
                    let checked = check(&format!("卸货。{word}。日结"));
                    let found = checked.found.iter().any(|found| found.action == rule.action);
                    assert!(found, "{}: {word}: {:?}", rule.id, checked.found);
                }
            }
        }
    }

    proptest! {
        /// Whatever blocked words, halves of them, noise and exceptions are put together.
        #[test]
        fn a_corrected_text_passes_when_checked_again(
            parts in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..8, 0_usize..7), 1..12),
        ) {
            let book = book();
            let rules: Vec<_> = book.statutes().flat_map(|pack| &pack.posting_rules).collect();
            let words: Vec<&String> = rules.iter().flat_map(|r| r.patterns.iter().chain(&r.except)).collect();
            let text: String = parts.iter().map(|(index, cut, glue)| {
                let word: Vec<char> = index.get(&words).chars().collect();
                let kept: String = match cut {
                    0 => word[..word.len() / 2].iter().collect(),
                    1 => word[word.len() / 2..].iter().collect(),
                    _ => word.iter().collect(),
                };
                kept + ["", "", "，", "。", " ", "限", "卸货"][*glue]
            }).collect();
            let checked = check_posting(&posting(&text), EmployerKind::Enterprise, &book);
            if let Some(corrected) = checked.corrected {
                let again = check_posting(&posting(&corrected), EmployerKind::Enterprise, &book);
                prop_assert!(!again.is_blocked(), "{} -> {}: {:?}", text, corrected, again.found);
            }
            for found in &checked.found {
                if let Some(span) = &found.span {
                    prop_assert_eq!(&text[span.clone()], found.finding.words.as_str());
                }
            }
        }
    }
}
