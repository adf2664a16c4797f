//! 岗位审查: which words and fields of a posting a rule blocks or sends to review, and the text that would pass.
//!
//! Words are compared letter by letter after folding: full width, case, traditional forms that forms use,
//! spaces and punctuation do not hide a word (`限 男`, `限-男`, `限　男`). A word put together across the end
//! of a sentence is no certain find (`工期有限。男女不限`), so it goes to review instead of being blocked.
//! A rule nobody verified against its statute only ever sends to review.

use std::ops::Range;

use linggong_events::employer::EmployerKind;
use linggong_events::posting::{Finding, PayDue, PayKind, PostingTerms};
use linggong_events::time::DAY_MS;

use crate::pack::{Action, Basis, FieldCheck, LimitId, Office, PostingRule, RuleBook};

/// What a check of a posting found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was found, in the order of the text; fields after words.
    pub found: Vec<Found>,
    /// The whole text with every blocked word replaced or removed, so that its words pass when checked again.
    /// `None` where no word was blocked, or nothing would be left.
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
        // Nobody corrects an address by machine: a street may be called anything.
        found.push(Found { action: Action::Review, span: None, ..hit.into_found() });
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
        hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
        let swallowed = |inner: &Hit<'_>| {
            hits.iter().any(|outer| {
                let within = outer.span.start <= inner.span.start && inner.span.end <= outer.span.end;
                within && outer.span.len() > inner.span.len() && outer.action >= inner.action
            })
        };
        hits.iter().filter(|hit| !swallowed(hit)).cloned().collect()
    }

    /// `text` with blocked words replaced, until none is left; `None` where no words would remain.
    fn corrected(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        let mut replacing = true;
        loop {
            let blocked: Vec<Hit<'_>> =
                self.words(&text).into_iter().filter(|hit| hit.action == Action::Block).collect();
            if blocked.is_empty() {
                return text.chars().any(char::is_alphanumeric).then_some(text);
            }
            text = replaced(&text, &blocked, replacing);
            // What removing put together is removed without a replacement, so that every further round
            // shortens the text and the loop ends.
            replacing = false;
        }
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
                row: self.row,
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
    row: &'a PostingRule,
    action: Action,
    /// In bytes of the original text.
    span: Range<usize>,
    words: String,
}

impl Hit<'_> {
    fn into_found(self) -> Found {
        Found {
            action: self.action,
            finding: Finding {
                rule: self.row.id.clone(),
                citation: self.row.basis.citation.clone(),
                words: self.words,
            },
            span: Some(self.span),
            correction: self.row.correction.clone(),
        }
    }
}

/// `text` without the spans of `blocked`, each replaced by its rule's correction if `replacing`.
fn replaced(text: &str, blocked: &[Hit<'_>], replacing: bool) -> String {
    let mut new = String::with_capacity(text.len());
    let mut from = 0;
    for hit in blocked {
        if hit.span.start >= from {
            new.push_str(&text[from..hit.span.start]);
            if replacing {
                new.push_str(&hit.row.correction);
            }
        }
        from = from.max(hit.span.end);
        if !(replacing && !hit.row.correction.is_empty()) {
            from += drop_comma(&mut new, &text[from..]);
        }
    }
    new.push_str(&text[from..]);
    new
}

/// After words were removed: drops the comma that stood before them if one, or the end, comes after, and the
/// comma after them if nothing stands before. Returns how many bytes of `rest` to leave out.
fn drop_comma(new: &mut String, rest: &str) -> usize {
    let is_comma = |c: char| matches!(c, ',' | '，' | '、' | ';' | '；');
    let next = rest.chars().next();
    if new.ends_with(is_comma) && next.is_none_or(|c| !c.is_alphanumeric()) {
        new.pop();
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
            let c = fold(c);
            if c.is_alphanumeric() {
                letters.push(Letter {
                    folded: c,
                    start,
                    end: start + text[start..].chars().next().map_or(0, char::len_utf8),
                    opens,
                });
                opens = false;
            } else {
                opens |= matches!(c, '。' | '.' | '!' | '?' | ';' | '\n' | '\r' | '\u{2028}' | '\u{2029}');
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
        ('薪', '薪'),
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

fn touches_night(shift: linggong_events::time::Shift, office: &Office) -> bool {
    let (from, to) = (i64::from(office.night_from_minute), i64::from(office.night_to_minute));
    let night = if from < to { to - from } else { to - from + 1440 };
    let into_night = |minute: i64| (minute - from).rem_euclid(1440);
    let start = into_night(i64::from(shift.start().minute_of_day()));
    // Within the night already, or long enough to reach the next.
    night > 0 && (start < night || start + shift.minutes() > DAY_MS / 60_000)
}
