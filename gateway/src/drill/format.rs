//! The text of a scenario, read line by line; it names things, and knows nothing of what they mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use linggong_events::time::{DAY_MS, Date, HOUR_MS, MINUTE_MS, Timestamp};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Its line, from 1.
    pub line: usize,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// One scenario, or a setup that scenarios use.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file.
    pub path: PathBuf,
    /// `标题 — title`.
    pub title: String,
    /// What it alone covers, each with its line.
    pub covers: Vec<(Place, String)>,
    /// What it shows and others may show too, each with its line.
    pub shows: Vec<(Place, String)>,
    /// What happens, in order.
    pub items: Vec<Item>,
}

/// One thing of a scenario, and where it stands.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where.
    pub place: Place,
    /// The line as written, without its indentation, for reports.
    pub text: String,
    /// What it is.
    pub what: What,
    /// What is expected of it; `None` where it must merely be accepted.
    pub expected: Option<Expectations>,
    /// The last line of it before its expectations: new ones are written after it.
    pub last_line: usize,
}

/// The `=>` lines of one item.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// What is expected, in order.
    pub lines: Vec<Expected>,
    /// Whether more may happen than is told (`=> …`).
    pub open: bool,
    /// The lines of the file that they take.
    pub at: Vec<usize>,
}

/// One `=>` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its line.
    pub line: usize,
    /// `posting.published`, `refused`, `unchanged`, `same receipt`, `nothing`, or empty for fields alone.
    pub head: String,
    /// The code of a refusal, or the name of the thing an event is about.
    pub name: Option<String>,
    /// What else is told.
    pub fields: Vec<(String, Word)>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub enum What {
    /// What another file tells comes first.
    Use(String),
    /// Fields that commands may take over by `+name`.
    Template {
        /// Its name.
        name: String,
        /// Its fields.
        words: Vec<Token>,
    },
    /// A rule pack that differs from another in some words.
    Pack {
        /// Its name in this scenario.
        name: String,
        /// The pack it is made of.
        of: String,
        /// Words and what stands in their place.
        edits: Vec<(String, String)>,
    },
    /// Somebody who gives commands.
    Actor {
        /// `clerk` of `@clerk`.
        name: String,
        /// The role.
        role: String,
        /// What the role is bound to.
        fields: Vec<(String, Word)>,
    },
    /// Papers go into the vault, where commands may name them by `sha256(words)`.
    Store(Vec<String>),
    /// The clock goes on; what falls due meanwhile happens in time.
    Pass(When),
    /// Nothing runs until then.
    Stop(When),
    /// The clock jumps ahead while the service runs.
    Jump(When),
    /// A command.
    Give {
        /// When; absent: at once.
        when: Option<When>,
        /// Who.
        actor: String,
        /// `posting.submit`.
        command: String,
        /// Names for what it makes, then its fields.
        words: Vec<Token>,
    },
    /// A question to a view.
    View {
        /// Its name.
        view: String,
        /// Which rows.
        fields: Vec<(String, Word)>,
    },
}

/// One word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare word: a name.
    Name(String),
    /// `+name`: the fields of a template.
    Template(String),
    /// `key=value`.
    Field(String, Word),
}

/// A value as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `220` or `"装卸小工"`.
    Text(String),
    /// `[a b]`.
    List(Vec<Word>),
    /// `{key=value key=value}`.
    Object(Vec<(String, Word)>),
}

/// A day and time of Shanghai, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On that day, at that millisecond after midnight; absent: as now.
    At(Day, Option<i64>),
    /// So many milliseconds later.
    Later(i64),
}

/// A day as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// So many days after today.
    Later(i64),
    /// That date.
    On(Date),
}

impl When {
    /// The instant meant at `now`.
    pub fn after(self, now: Timestamp) -> Timestamp {
        match self {
            When::Later(ms) => now.plus_ms(ms),
            When::At(day, at) => {
                let date = day.after(now);
                let since_midnight = now.ms() - now.date().at_minute(0).ms();
                date.at_minute(0).plus_ms(at.unwrap_or(since_midnight))
            }
        }
    }

    /// Reads `2026-03-02 05:10`, `05:10`, `+15m`, `+2h`, `+1d`, `+1d 12:00` from the start of `text`.
    pub fn read(text: &str) -> Option<(When, &str)> {
        let text = text.trim_start();
        let (first, rest) = cut(text);
        let (first, glued) = first.split_once('T').map_or((first, None), |(day, time)| (day, Some(time)));
        if let Some(at) = clock(first) {
            return glued.is_none().then_some((When::At(Day::Later(0), Some(at)), rest));
        }
        let day = match first.strip_prefix('+') {
            Some(span) => {
                let (count, unit) = span.split_at_checked(span.len().checked_sub(1)?)?;
                let count: i64 = count.parse().ok()?;
                match unit {
                    "m" => return Some((When::Later(count * MINUTE_MS), rest)),
                    "h" => return Some((When::Later(count * HOUR_MS), rest)),
                    "d" => Day::Later(count),
                    _ => return None,
                }
            }
            None => Day::On(first.parse().ok()?),
        };
        if let Some(time) = glued {
            return Some((When::At(day, Some(clock(time)?)), rest));
        }
        let (second, after) = cut(rest.trim_start());
        match clock(second) {
            Some(at) => Some((When::At(day, Some(at)), after)),
            None => Some((When::At(day, None), rest)),
        }
    }
}

impl Day {
    /// The date meant at `now`.
    pub fn after(self, now: Timestamp) -> Date {
        match self {
            Day::Later(days) => now.date().plus_days(days),
            Day::On(date) => date,
        }
    }

    /// Reads `2026-03-02`, `today`, `+1d`, `-1d`.
    pub fn read(text: &str) -> Option<Day> {
        if matches!(text, "today" | "今天") {
            return Some(Day::Later(0));
        }
        match text.strip_suffix('d').filter(|it| it.starts_with(['+', '-'])) {
            Some(days) => days.parse().ok().map(Day::Later),
            None => text.parse().ok().map(Day::On),
        }
    }
}

/// Milliseconds since midnight of `05:10`, `23:59:59` or `23:59:59.999`; `24:00` is the end of the day.
pub fn clock(text: &str) -> Option<i64> {
    let (whole, ms) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<&str> = whole.split(':').collect();
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<i64>().ok()).flatten();
    let (h, m, s) = match parts[..] {
        [h, m] => (two(h)?, two(m)?, 0),
        [h, m, s] => (two(h)?, two(m)?, two(s)?),
        _ => return None,
    };
    let ms = h * HOUR_MS + m * MINUTE_MS + s * 1000 + ms.parse::<i64>().ok()?;
    (m < 60 && s < 60 && (0..=DAY_MS).contains(&ms)).then_some(ms)
}

/// The first word of `text`, and what comes after it.
fn cut(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// Reads the scenario in `text`.
pub fn read(path: &Path, text: &str) -> Result<Case, Fault> {
    let file: Arc<Path> = Arc::from(path);
    let mut case = Case {
        path: path.to_owned(),
        title: String::new(),
        covers: Vec::new(),
        shows: Vec::new(),
        items: Vec::new(),
    };
    let mut pending: Option<(usize, usize, String)> = None;
    let lines: Vec<&str> = text.lines().collect();
    for (n, raw) in (1..).zip(&lines) {
        let place = Place { file: file.clone(), line: n };
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            if let (true, Some(title)) = (case.title.is_empty(), trimmed.strip_prefix('#')) {
                title.trim().clone_into(&mut case.title);
            }
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix("=>") {
            flush(&mut case, &file, pending.take())?;
            let fault = |what: &str| Fault { place: place.clone(), what: what.to_owned() };
            let item = case.items.last_mut().ok_or_else(|| fault("nothing stands before this `=>`"))?;
            let expected = item.expected.get_or_insert_default();
            expected.at.push(n);
            read_expected(rest.trim(), n, &item.what, expected).map_err(|what| fault(&what))?;
            continue;
        }
        if raw.starts_with([' ', '\t']) {
            let Some((_, last, words)) = &mut pending else {
                return Err(Fault { place, what: "an indented line continues nothing".into() });
            };
            *last = n;
            words.push(' ');
            words.push_str(trimmed);
            continue;
        }
        flush(&mut case, &file, pending.take())?;
        if let Some(rest) = after_any(trimmed, &["covers:", "涵盖:", "涵盖："]) {
            case.covers.extend(rest.split_whitespace().map(|it| (place.clone(), it.to_owned())));
            continue;
        }
        if let Some(rest) = after_any(trimmed, &["shows:", "展示:", "展示："]) {
            case.shows.extend(rest.split_whitespace().map(|it| (place.clone(), it.to_owned())));
            continue;
        }
        pending = Some((n, n, trimmed.to_owned()));
    }
    flush(&mut case, &file, pending.take())?;
    Ok(case)
}

fn flush(case: &mut Case, file: &Arc<Path>, pending: Option<(usize, usize, String)>) -> Result<(), Fault> {
    let Some((line, last_line, text)) = pending else { return Ok(()) };
    let place = Place { file: file.clone(), line };
    let what = read_item(&text).map_err(|what| Fault { place: place.clone(), what })?;
    case.items.push(Item { place, text, what, expected: None, last_line });
    Ok(())
}

fn after_any<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|word| text.strip_prefix(word)).map(str::trim)
}

fn read_item(text: &str) -> Result<What, String> {
    if let Some(name) = after_any(text, &["use ", "引用 "]) {
        return Ok(What::Use(name.to_owned()));
    }
    if let Some(rest) = after_any(text, &["let ", "模板 "]) {
        let (name, fields) = rest.split_once('=').ok_or("a template is `let name = fields`")?;
        return Ok(What::Template { name: name.trim().to_owned(), words: words(fields)? });
    }
    if let Some(rest) = after_any(text, &["pack ", "规则包 "]) {
        return read_pack(rest);
    }
    if let Some(rest) = after_any(text, &["actor ", "人员 "]) {
        let (name, rest) = cut(rest);
        let (role, rest) = cut(rest.trim_start());
        let name = name.strip_prefix('@').ok_or("an actor is written `@name`")?.to_owned();
        return Ok(What::Actor { name, role: role.to_owned(), fields: only_fields(rest)? });
    }
    if let Some(rest) = after_any(text, &["store ", "存证 "]) {
        return Ok(What::Store(rest.split_whitespace().map(str::to_owned).collect()));
    }
    if let Some(rest) = after_any(text, &["time passes to ", "时间到 "]) {
        return Ok(What::Pass(whole_when(rest)?));
    }
    if let Some(rest) = after_any(text, &["stopped until ", "停机到 "]) {
        return Ok(What::Stop(whole_when(rest)?));
    }
    if let Some(rest) = after_any(text, &["clock jumps to ", "时钟跳到 "]) {
        return Ok(What::Jump(whole_when(rest)?));
    }
    if let Some(rest) = after_any(text, &["view ", "视图 "]) {
        let (view, rest) = cut(rest);
        return Ok(What::View { view: view.to_owned(), fields: only_fields(rest)? });
    }
    let (when, rest) = When::read(text).map_or((None, text), |(when, rest)| (Some(when), rest));
    let rest = rest.trim();
    match (when, rest.strip_prefix('@')) {
        (Some(when), None) if rest.is_empty() => Ok(What::Pass(when)),
        (when, Some(rest)) => {
            let (actor, rest) = cut(rest);
            let (command, rest) = cut(rest.trim_start());
            if !command.contains('.') {
                return Err(format!("`{command}` is no command: write `@actor kind.verb …`"));
            }
            let (actor, command) = (actor.to_owned(), command.to_owned());
            Ok(What::Give { when, actor, command, words: words(rest)? })
        }
        (_, None) => Err(format!("`{text}` is nothing that a scenario knows")),
    }
}

fn read_pack(rest: &str) -> Result<What, String> {
    const FORM: &str = "a pack is `pack NAME of PACK: \"words\" becomes \"words\"`";
    let (name, rest) = rest.split_once(" of ").ok_or(FORM)?;
    let (of, rest) = rest.split_once(':').ok_or(FORM)?;
    let mut edits = Vec::new();
    let mut reader = Reader::of(rest);
    while reader.skip_space() {
        let was = reader.quoted().ok_or(FORM)??;
        reader.skip_space();
        if reader.bare() != "becomes" {
            return Err(FORM.into());
        }
        reader.skip_space();
        edits.push((was, reader.quoted().ok_or(FORM)??));
    }
    Ok(What::Pack { name: name.trim().to_owned(), of: of.trim().to_owned(), edits })
}

fn whole_when(text: &str) -> Result<When, String> {
    match When::read(text) {
        Some((when, rest)) if rest.trim().is_empty() => Ok(when),
        Some(_) | None => Err(format!("`{text}` is no day or time")),
    }
}

fn only_fields(text: &str) -> Result<Vec<(String, Word)>, String> {
    let fields = words(text)?.into_iter().map(|token| match token {
        Token::Field(key, word) => Ok((key, word)),
        Token::Name(name) | Token::Template(name) => Err(format!("`{name}` is no `key=value`")),
    });
    fields.collect()
}

fn read_expected(text: &str, line: usize, of: &What, into: &mut Expectations) -> Result<(), String> {
    if matches!(text, "…" | "...") {
        into.open = true;
        return Ok(());
    }
    if let What::View { .. } = of
        && !matches!(text, "nothing" | "无" | "?")
    {
        let fields = only_fields(text)?;
        into.lines.push(Expected { line, head: String::new(), name: None, fields });
        return Ok(());
    }
    let (head, rest) = match after_any(text, &["same receipt", "同一回执"]) {
        Some(rest) => ("same receipt", rest),
        None => cut(text),
    };
    let head = match head {
        "拒绝" => "refused",
        "无变化" => "unchanged",
        "无" => "nothing",
        head => head,
    };
    let mut tokens = words(rest)?.into_iter().peekable();
    let name = match tokens.next_if(|token| matches!(token, Token::Name(_))) {
        Some(Token::Name(name)) => Some(name),
        Some(Token::Template(_) | Token::Field(..)) | None => None,
    };
    let fields: Result<Vec<(String, Word)>, String> = tokens
        .map(|token| match token {
            Token::Field(key, word) => Ok((key, word)),
            Token::Name(name) | Token::Template(name) => Err(format!("`{name}` is no `key=value`")),
        })
        .collect();
    into.lines.push(Expected { line, head: head.to_owned(), name, fields: fields? });
    Ok(())
}

/// The words of a line.
fn words(text: &str) -> Result<Vec<Token>, String> {
    let mut reader = Reader::of(text);
    let mut tokens = Vec::new();
    while reader.skip_space() {
        if reader.rest.starts_with('+')
            && let Some((name, _)) = Some(cut(&reader.rest[1..])).filter(|(name, _)| !name.contains('='))
        {
            reader.rest = &reader.rest[1 + name.len()..];
            tokens.push(Token::Template(name.to_owned()));
            continue;
        }
        let key = reader.key();
        if let Some(rest) = reader.rest.strip_prefix('=') {
            reader.rest = rest;
            tokens.push(Token::Field(key, reader.value()?));
        } else if key.is_empty() {
            return Err(format!("cannot read `{}`", reader.rest));
        } else {
            tokens.push(Token::Name(key));
        }
    }
    Ok(tokens)
}

/// How deep lists and objects may be nested: no scenario needs five.
const MAX_DEPTH: usize = 32;

/// Reads values from the start of a text.
struct Reader<'a> {
    rest: &'a str,
    /// How deep inside braces and brackets.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn of(text: &'a str) -> Reader<'a> {
        Reader { rest: text, depth: 0 }
    }

    /// Whether anything is left after spaces, and commas within braces.
    fn skip_space(&mut self) -> bool {
        let inside = self.depth > 0;
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || (inside && c == ','));
        !self.rest.is_empty()
    }

    fn key(&mut self) -> String {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '{' | '}' | '[' | ']' | '"'));
        let (key, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        key.to_owned()
    }

    fn bare(&mut self) -> &'a str {
        let inside = self.depth > 0;
        let ends = |c: char| c.is_whitespace() || (inside && matches!(c, ',' | '}' | ']'));
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn quoted(&mut self) -> Option<Result<String, String>> {
        let mut chars = self.rest.strip_prefix('"')?.char_indices();
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(Ok(text));
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Some(Err("a quotation has no end".into()))
    }

    fn value(&mut self) -> Result<Word, String> {
        if let Some(text) = self.quoted() {
            return text.map(Word::Text);
        }
        if self.depth >= MAX_DEPTH && self.rest.starts_with(['[', '{']) {
            return Err(format!("lists and objects are nested more than {MAX_DEPTH} deep"));
        }
        if let Some(rest) = self.rest.strip_prefix('[') {
            self.rest = rest;
            self.depth += 1;
            let mut items = Vec::new();
            while !self.closes(']')? {
                items.push(self.value()?);
            }
            return Ok(Word::List(items));
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            self.depth += 1;
            let mut fields = Vec::new();
            while !self.closes('}')? {
                let key = match self.quoted() {
                    Some(key) => key?,
                    None => self.key().trim_end_matches(':').to_owned(),
                };
                self.rest = self.rest.trim_start_matches([' ', ':', '=']);
                fields.push((key, self.value()?));
            }
            return Ok(Word::Object(fields));
        }
        if let Some(bracket) = self.rest.chars().next().filter(|it| self.depth > 0 && [']', '}'].contains(it))
        {
            return Err(format!("`{bracket}` stands where a value should"));
        }
        Ok(Word::Text(self.bare().to_owned()))
    }

    fn closes(&mut self, bracket: char) -> Result<bool, String> {
        if !self.skip_space() {
            return Err(format!("`{bracket}` is missing"));
        }
        match self.rest.strip_prefix(bracket) {
            Some(rest) => {
                self.rest = rest;
                self.depth -= 1;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn brackets_that_do_not_match_are_refused() {
        let refused = |text: &str| {
            let case = format!("# 题 — title\nuse morning\n\n06:00 @e1 posting.submit P1 {text}\n");
            read(Path::new("a.case"), &case).map(drop).expect_err(text).what
        };
        for text in ["a=[ }", "a={ ]", "a={ b=] }", "a=[[ }]", "a=["] {
            let said = refused(text);
            assert!(said.contains("where a value should") || said.contains("is missing"), "{text}: {said}");
        }
        let deep = format!("a={}", "[".repeat(100_000));
        assert!(refused(&deep).contains("nested more than"), "and nothing overflows");
    }

    #[test]
    fn a_scenario_is_read_into_its_steps_and_expectations() {
        let text = "# 满员 — full\ncovers: full\n\n2026-03-02 05:00\nlet day = pay=day:220.00\n\
            05:20 @clerk posting.submit P1 +day\n    text=\"装卸 小工\" shifts=[06:00-18:00]\n\
            => posting.published P1 relation=task_contract\n=> …\n";
        let case = read(Path::new("x.case"), text).expect("a scenario");
        assert_eq!((case.title.as_str(), case.items.len()), ("满员 — full", 3));
        let step = &case.items[2];
        assert_eq!((step.place.line, step.last_line), (6, 7));
        let What::Give { actor, words, .. } = &step.what else { panic!("{step:?}") };
        assert_eq!(actor, "clerk");
        assert_eq!(words[0], Token::Name("P1".into()));
        assert_eq!(words[1], Token::Template("day".into()));
        assert_eq!(words[2], Token::Field("text".into(), Word::Text("装卸 小工".into())));
        let expected = step.expected.as_ref().expect("expectations");
        assert!(expected.open);
        assert_eq!(expected.lines[0].name.as_deref(), Some("P1"));
    }

    #[test]
    fn times_are_counted_from_the_clock() {
        let now = at("2026-03-02T05:10:00+08:00");
        let read = |text: &str| When::read(text).expect("a time").0.after(now);
        assert_eq!(read("05:20"), at("2026-03-02T05:20:00+08:00"));
        assert_eq!(read("+1d 12:00"), at("2026-03-03T12:00:00+08:00"));
        assert_eq!(read("2026-03-05T23:59:59.999"), at("2026-03-05T23:59:59.999+08:00"));
        assert_eq!(read("+90m"), at("2026-03-02T06:40:00+08:00"));
        assert!(When::read("5:20").is_none());
    }

    #[test]
    fn what_is_no_step_is_refused_with_its_line() {
        let fault = read(Path::new("x.case"), "# t\n\nhello there\n").expect_err("no step");
        assert_eq!(fault.place.line, 3);
        let fault = read(Path::new("x.case"), "# t\n@a b.c x={1\n").expect_err("no end");
        assert!(fault.what.contains("`}` is missing"), "{}", fault.what);
    }
}
