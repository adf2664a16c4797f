//! What stands in a cell, as people and spreadsheets write it: dates, times, pay, numbers, people's documents.

use linggong_engine::text;
use linggong_events::identity::{BadDocument, DocumentKind, IdentityDocument};
use linggong_events::measure::Fen;
use linggong_events::posting::PayKind;
use linggong_events::time::{Date, Shift};

/// The text of a cell in half width, trimmed; a number as its digits.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell(String);

impl std::fmt::Debug for Cell {
    // Cells hold names and numbers of people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell({} characters)", self.0.chars().count())
    }
}

impl Cell {
    pub(crate) fn text(text: &str) -> Cell {
        let visible = text.chars().filter(|c| !is_hidden(*c)).map(half_width);
        Cell(visible.collect::<String>().trim().to_owned())
    }

    /// A number as a spreadsheet holds it: 15 digits are true, what lies beyond is lost.
    pub(crate) fn number(number: f64) -> Cell {
        if !number.is_finite() {
            return Cell("#错误".into());
        }
        if number.abs() >= 1e15 {
            return Cell(format!("{number:E}").replace('E', "E+"));
        }
        // 0.1 + 0.2 of a formula is 0.3 for people.
        let rounded = format!("{number:.6}");
        Cell(rounded.trim_end_matches('0').trim_end_matches('.').to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' | '\t' => ' ',
        other => other,
    }
}

/// What a spreadsheet may break lines and columns with is no dirt.
fn is_hidden(c: char) -> bool {
    text::is_hidden(c) && !matches!(c, '\t' | '\r')
}

/// What is wrong with a cell, with a stable code and words for both readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub code: &'static str,
    /// For the office.
    pub zh: &'static str,
    /// For engineers.
    pub en: &'static str,
}

macro_rules! faults {
    ($($name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        $(pub(crate) const $name: Fault = Fault { code: $code, zh: $zh, en: $en };)*
        /// Every fault of a cell there is, for documents.
        pub const FAULTS: &[Fault] = &[$($name),*];
    };
}

faults! {
    NAME_DIFFERS = "name_differs", "此证件号或信用代码已登记在另一姓名（名称）下, 须核对是号码还是姓名写错", "the number in this row is known under another name: one of the two is wrong";
    LOWER_THAN_BOOKS = "lower_than_books", "低于账上应发数, 表格不能减少工钱, 由监察员核定", "less than stands on the books: a sheet lowers no wage, an officer decides";
    MISSING = "missing", "必填项为空", "a required field is empty";
    NOTHING_ABOVE = "nothing_above", "写了“同上”, 但上面没有内容", "it says `ditto`, but nothing stands above";
    DIGITS_LOST = "digits_lost", "电子表格把号码当作数字, 末几位已丢失, 须向本人重新核对", "the spreadsheet kept the number as a number: its last digits are lost and must be asked for again";
    DOCUMENT_LENGTH = "document_length", "身份证号位数不对", "the identity number has the wrong length";
    DOCUMENT_CHARACTERS = "document_characters", "身份证号有不该有的字符", "the identity number has characters that it cannot have";
    DOCUMENT_BIRTH = "document_birth", "身份证号里的出生日期不存在", "the identity number holds no date of birth";
    DOCUMENT_CHECK = "document_check", "身份证号校验位不符, 有一位写错", "the check character of the identity number does not fit: one of them is wrong";
    BAD_PHONE = "bad_phone", "电话号码不是5到15位数字", "the phone number is not one of 5 to 15 digits";
    BAD_DATE = "bad_date", "看不懂的日期", "no date can be read";
    DATE_RANGE = "date_range", "日期离今天太远, 可能写错", "the date lies too far from today";
    DATE_ROUNDED = "date_rounded", "电子表格把3.10存成3.1, 分不清是1日还是10日, 请写成3月1日", "a spreadsheet keeps 3.10 as 3.1: write the date out, as 3月1日";
    BAD_TIME = "bad_time", "看不懂的时间", "no time of day can be read";
    BAD_HOURS = "bad_hours", "看不懂的起止时间, 或一班超过16小时", "no stretch of hours can be read, or it is longer than 16 hours";
    BAD_PAY = "bad_pay", "看不懂的工价", "no pay can be read";
    PAY_UNIT = "pay_unit", "没写按天、按小时、按件还是包活", "it is not said whether pay is by day, hour, piece or task";
    BAD_MODE = "bad_mode", "招工方式应为派工、抢单或点工", "the way of filling is none of those there are";
    BAD_MONEY = "bad_money", "不是金额, 或多于两位小数", "not a sum of money with at most two decimals";
    BAD_COUNT = "bad_count", "不是数目", "not a count";
    UNKNOWN_OCCUPATION = "unknown_occupation", "工种代码表里没有这个工种", "no trade of the code set is called so";
    UNKNOWN_LEVEL = "unknown_level", "技能等级应为大工、熟练工或小工", "no level of skill is called so";
    UNKNOWN_KIND = "unknown_employer_kind", "不认识的单位类型", "no kind of employer is called so";
    UNKNOWN_MARKET = "unknown_market", "没有登记过这个市场", "no registered market is called so";
    UNKNOWN_MEANS = "unknown_means", "支付方式应为银行、现金或电子钱包", "means of payment are bank, cash or e-wallet";
    UNKNOWN_DOCUMENT = "unknown_document", "不认识的证件类型", "no such kind of identity document";
    BAD_CODE = "bad_org_code", "统一社会信用代码校验位不符", "the organisation code's check character does not fit";
    TOO_LONG = "too_long", "文字太长", "the text is too long";
    ENDS_FIRST = "ends_first", "结束早于开始", "it ends before it begins";
    MANY_SHIFTS = "many_shifts", "一个岗位最多31天", "a posting holds at most 31 days";
    ERROR_CELL = "error_cell", "单元格是公式错误", "the cell holds the error of a formula";
}

/// A value for a report: short, and with the middle of long numbers hidden, since those are people's.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut run = 0;
    for c in text.chars().filter(|c| !c.is_control()).take(40) {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        if run <= 4 {
            out.push(c);
        } else if !out.ends_with('*') {
            out.push('*');
        }
    }
    if text.chars().count() > 40 {
        out.push('…');
    }
    out
}

/// 证件类型 as forms write it.
pub(crate) fn document_kind(text: &str) -> Result<DocumentKind, Fault> {
    match text {
        "身份证" | "居民身份证" | "二代身份证" => Ok(DocumentKind::ResidentId),
        "护照" => Ok(DocumentKind::Passport),
        "居住证"
        | "港澳台居民居住证"
        | "港澳居民居住证"
        | "台湾居民居住证"
        | "永久居留身份证"
        | "外国人永久居留身份证" => Ok(DocumentKind::ResidencePermit),
        "其他" | "其他证件" | "港澳居民来往内地通行证" | "台湾居民来往大陆通行证" | "回乡证" | "台胞证" => {
            Ok(DocumentKind::Other)
        }
        _ => Err(UNKNOWN_DOCUMENT),
    }
}

pub(crate) fn document(kind: DocumentKind, text: &str) -> Result<IdentityDocument, Fault> {
    IdentityDocument::parse(kind, text).map_err(|bad| match bad {
        BadDocument::LastDigitsLost => DIGITS_LOST,
        BadDocument::Length => DOCUMENT_LENGTH,
        BadDocument::Characters => DOCUMENT_CHARACTERS,
        BadDocument::BirthDate => DOCUMENT_BIRTH,
        BadDocument::CheckDigit => DOCUMENT_CHECK,
    })
}

/// The digits of a phone; `无` and the like mean that there is none.
pub(crate) fn phone(text: &str) -> Result<Option<String>, Fault> {
    if matches!(text, "无" | "没有" | "-" | "--" | "/" | "无电话") {
        return Ok(None);
    }
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '\'')).collect();
    if digits.contains(['E', 'e']) {
        return Err(DIGITS_LOST);
    }
    let digits = digits.strip_prefix("+86").unwrap_or(&digits);
    let fits = (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(Some(digits.to_owned())) } else { Err(BAD_PHONE) }
}

/// A date as forms write it; a serial of a spreadsheet counts days from 1899-12-30.
pub(crate) fn date(text: &str, year: i16, today: Date) -> Result<Date, Fault> {
    if is_rounded(text) {
        return Err(DATE_ROUNDED);
    }
    let date = read_date(text, year).ok_or(BAD_DATE)?;
    let away = date.days() - today.days();
    if (-15 * 366..=2 * 366).contains(&away) { Ok(date) } else { Err(DATE_RANGE) }
}

/// Whether the text is a month and a day that may have lost its nought: `3.10` is the number 3.1.
fn is_rounded(text: &str) -> bool {
    let month = |it: &str| it.parse::<u8>().is_ok_and(|it| (1..=12).contains(&it));
    text.split_once('.').is_some_and(|(before, day)| month(before) && matches!(day, "1" | "2" | "3"))
}

fn read_date(text: &str, year: i16) -> Option<Date> {
    // What follows a date is a time or a weekday, never another date.
    let text = text.split(['T', '(', '星', '周']).next()?.trim();
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if all_digits && text.len() == 8 {
        return Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok();
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() == 5 && format!("{whole}{fraction}").bytes().all(|b| b.is_ascii_digit()) {
        let serial: i64 = whole.parse().ok()?;
        let epoch = Date::new(1899, 12, 30).ok()?;
        return (20_000..=80_000).contains(&serial).then(|| epoch.plus_days(serial));
    }
    let text = text.replace("日", " ").replace('号', " ");
    let (date, time) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let mut known = time.chars().chain(date.chars()).all(|c| c.is_ascii_digit() || "年月-/.: ".contains(c));
    known &= time.is_empty() || time.trim().is_empty() || time.contains(':');
    if !known {
        return None;
    }
    let parts: Option<Vec<i16>> = date
        .split(['年', '月', '-', '/', '.'])
        .filter(|it| !it.is_empty())
        .map(|it| it.parse().ok())
        .collect();
    match parts?.as_slice() {
        [y, m, d] if *y >= 1900 => Date::new(*y, i8::try_from(*m).ok()?, i8::try_from(*d).ok()?).ok(),
        [m, d] => Date::new(year, i8::try_from(*m).ok()?, i8::try_from(*d).ok()?).ok(),
        _ => None,
    }
}

/// Minutes after midnight: `6:30`, `早6点半`, `晚上8点`, `0.25` of a day.
pub(crate) fn time(text: &str) -> Result<u16, Fault> {
    point_in_time(text).map(|it| it.minute).filter(|minute| *minute < DAY_MINUTES).ok_or(BAD_TIME)
}

pub(crate) const DAY_MINUTES: u16 = 1440;

/// How people say that something is on the day after.
const NEXT_DAY: &[&str] = &["次日", "第二天", "翌日", "隔天", "转天"];

/// Minutes after midnight of the day on which the work began: `次日6:00` stands on the day after.
pub(crate) fn time_of_end(text: &str) -> Result<u16, Fault> {
    match NEXT_DAY.iter().find_map(|it| text.strip_prefix(it)) {
        Some(rest) => time(rest).map(|minute| minute + DAY_MINUTES),
        None => time(text),
    }
}

struct PointInTime {
    minute: u16,
    /// Morning, noon or evening was said.
    said: bool,
    /// The next day was said, or it is after noon by the clock of 24 hours: no other hour can be meant.
    certain: bool,
}

fn point_in_time(text: &str) -> Option<PointInTime> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(fraction) = text.strip_prefix("0.") {
        // A time of day that lost its format is a part of a day.
        let digits: String = fraction.chars().take(6).collect();
        let scale = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
        let minute = (digits.parse::<u64>().ok()? * 1440 + scale / 2) / scale;
        return Some(PointInTime { minute: u16::try_from(minute).ok()?, said: false, certain: true });
    }
    let next_day = NEXT_DAY.iter().find_map(|it| text.strip_prefix(it));
    let rest = next_day.unwrap_or(&text);
    let said = PARTS.iter().find_map(|(words, part)| {
        words.iter().find_map(|word| rest.strip_prefix(word)).map(|rest| (rest, *part))
    });
    let (rest, part) = said.map_or((rest, None), |(rest, part)| (rest, Some(part)));
    if rest.is_empty() && part == Some(PartOfDay::Noon) {
        return Some(PointInTime { minute: 720, said: true, certain: true });
    }
    let rest = rest.replace("点半", ":30").replace("点钟", ":00").replace(['点', '时'], ":");
    let rest = rest.trim_end_matches('分');
    let (hour, minute) = rest.split_once(':').unwrap_or((rest, "0"));
    let minute = minute.split(':').next().filter(|it| !it.is_empty()).unwrap_or("0");
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    if hour > 24 || minute > 59 {
        return None;
    }
    let certain = next_day.is_some() || hour > 12;
    let hour = match part {
        Some(PartOfDay::Morning) if hour == 12 => 0,
        // 中午11点 is before noon, 中午1点 after it.
        Some(PartOfDay::Noon) if hour < 10 => hour + 12,
        Some(PartOfDay::Afternoon | PartOfDay::Evening) if hour < 12 => hour + 12,
        // 下午12点 is noon, 晚上12点 midnight.
        Some(PartOfDay::Evening) if hour == 12 => 24,
        Some(_) | None => hour,
    };
    let days = if next_day.is_some() { DAY_MINUTES } else { 0 };
    Some(PointInTime { minute: days + hour * 60 + minute, said: part.is_some(), certain })
}

/// The words for each part of the day.
const PARTS: &[(&[&str], PartOfDay)] = &[
    (&["早上", "上午", "早晨", "清晨", "凌晨", "早"], PartOfDay::Morning),
    (&["中午"], PartOfDay::Noon),
    (&["下午"], PartOfDay::Afternoon),
    (&["晚上", "傍晚", "夜里", "夜间", "晚"], PartOfDay::Evening),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartOfDay {
    Morning,
    Noon,
    Afternoon,
    Evening,
}

/// Start and end in minutes after midnight of the work date; the end may lie on the next day.
pub(crate) fn hours(text: &str) -> Result<(u16, u16), Fault> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.replace(['至', '到', '~', '—', '–', '－', '―', '～'], "-").replace("--", "-");
    let (from, until) = text.split_once('-').ok_or(BAD_HOURS)?;
    let (from, until) = (point_in_time(from).ok_or(BAD_HOURS)?, point_in_time(until).ok_or(BAD_HOURS)?);
    if from.minute >= DAY_MINUTES {
        return Err(BAD_HOURS);
    }
    let mut end = until.minute;
    if from.said && !until.said && !until.certain {
        // 下午1点到5点, 晚8点到12点: the next time at which a clock of 12 hours shows it.
        end = [0, 720, 1440].iter().map(|more| end + more).find(|end| *end > from.minute).ok_or(BAD_HOURS)?;
    } else if end <= from.minute {
        // 18:00-6:00 is a night; 8:00-5:00 is nobody knows what.
        let known = from.said || from.certain || until.said || until.certain;
        if !known || from.minute < 12 * 60 {
            return Err(BAD_HOURS);
        }
        end += DAY_MINUTES;
    }
    if end - from.minute > 16 * 60 { Err(BAD_HOURS) } else { Ok((from.minute, end)) }
}

/// The shift of those hours on `date`.
pub(crate) fn shift(date: Date, (from, until): (u16, u16)) -> Option<Shift> {
    let end = date.plus_days(i64::from(until / DAY_MINUTES)).at_minute(until % DAY_MINUTES);
    Shift::new(date.at_minute(from), end).ok()
}

/// Pay as written: kind, rate and, for piece-work, the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pay {
    pub(crate) kind: PayKind,
    pub(crate) rate: Fen,
    pub(crate) unit: Option<String>,
}

/// `200/天`, `22元一小时`, `0.8元/斤`, `包活600`; `heading` tells the unit where the cell holds a bare number.
pub(crate) fn pay(text: &str, heading: &str) -> Result<Pay, Fault> {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    let (rate, rest) = one_number(&text).ok_or(BAD_PAY)?;
    let rate: Fen = rate.parse().map_err(|_| BAD_PAY)?;
    let (rate, rest) = match rest.strip_prefix(['毛', '角']) {
        Some(rest) if rate.0 % 10 == 0 => (Fen(rate.0 / 10), rest.to_owned()),
        Some(_) => return Err(BAD_PAY),
        None => (rate, rest),
    };
    if rate.0 <= 0 {
        return Err(BAD_PAY);
    }
    let (kind, unit) = pay_unit(&rest).or_else(|| pay_unit(heading)).ok_or(PAY_UNIT)?;
    Ok(Pay { kind, rate, unit })
}

fn pay_unit(text: &str) -> Option<(PayKind, Option<String>)> {
    // When it is paid out is not by what it is reckoned: 1.5元/袋日结 is pay by the bag.
    let text = ["当日结", "当天结", "日结", "天结", "日清", "周结", "月结", "现结"]
        .iter()
        .fold(text.to_owned(), |text, it| text.replace(it, ""));
    let has = |words: &[&str]| words.iter().any(|it| text.contains(it));
    if has(&["包活", "包干", "一口价", "全包", "整活", "总价", "包工"]) {
        return Some((PayKind::Task, None));
    }
    if has(&["小时", "钟头", "时薪", "/时", "/h"]) {
        return Some((PayKind::Hour, None));
    }
    // The longer word first: 公斤 is no 斤.
    const UNITS: &[&str] = &[
        "公斤", "千克", "斤", "袋", "箱", "筐", "件", "亩", "棵", "平米", "平方", "吨", "车", "米", "个",
        "单",
    ];
    if has(&["天", "日", "/工"]) {
        return Some((PayKind::Day, None));
    }
    UNITS.iter().find(|it| text.contains(**it)).map(|unit| (PayKind::Piece, Some((*unit).to_owned())))
}

/// The only number in a text, and the text without it.
fn one_number(text: &str) -> Option<(String, String)> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let start = text.find(is_part)?;
    let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
    let rest = format!("{}{}", text[end..].trim_start_matches(['元', '块', '钱']), &text[..start]);
    if rest.contains(is_part) { None } else { Some((text[start..end].to_owned(), rest)) }
}

/// A sum of money: `1,200`, `￥1200.50`, `1200元`.
pub(crate) fn money(text: &str) -> Result<Fen, Fault> {
    let text: String = text.chars().filter(|c| !matches!(c, ',' | ' ' | '¥' | '￥' | '元' | '块')).collect();
    text.parse().map_err(|_| BAD_MONEY)
}

/// A count: `5`, `5人`, `5名`, `12.0`.
pub(crate) fn count(text: &str) -> Result<u32, Fault> {
    let digits = text.trim_end_matches(['人', '名', '个', '位', '分', '钟', '斤', '袋', '件', ' ']);
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    digits.parse().map_err(|_| BAD_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn one_date_is_written_in_ten_ways() {
        let today = day("2026-03-10");
        for text in [
            "2026-03-02",
            "2026/3/2",
            "2026.3.2",
            "2026年3月2日",
            "3/2",
            "3月2日",
            "3月2号",
            "3.02",
            "20260302",
            "46083",
            "46083.25",
            "2026-03-02 06:00",
            "2026-03-02T00:00:00",
            "2026年3月2日(周一)",
        ] {
            assert_eq!(date(text, 2026, today), Ok(day("2026-03-02")), "{text}");
        }
        assert_eq!(date("46000", 2026, today), Ok(day("2025-12-09")));
        for text in ["", "昨天", "2026-2-30", "13/40", "26.3.2", "3", "1e400", "2026-03-02至05"] {
            assert_eq!(date(text, 2026, today), Err(BAD_DATE), "{text}");
        }
        for text in ["3.1", "10.2", "12.3"] {
            assert_eq!(date(text, 2026, today), Err(DATE_ROUNDED), "{text} may be the 10th, 20th or 30th");
        }
        assert_eq!(date("3.4", 2026, today), Ok(day("2026-03-04")), "no month has 40 days");
        assert_eq!(date("2062-03-02", 2026, today), Err(DATE_RANGE));
    }

    #[test]
    fn hours_are_read_as_the_market_writes_them() {
        for (text, expected) in [
            ("6:00-18:00", (360, 1080)),
            ("早6点到晚6点", (360, 1080)),
            ("18:00-次日6:00", (1080, 1440 + 360)),
            ("晚6点至第二天早6点", (1080, 1440 + 360)),
            ("18:00-6:00", (1080, 1440 + 360)),
            ("上午8点半至下午5点", (510, 1020)),
            ("6:30~11:00", (390, 660)),
            ("8-12", (480, 720)),
            ("12:00—14:00", (720, 840)),
            ("晚上8点到晚上12点", (1200, 1440)),
            ("晚上8点到12点", (1200, 1440)),
            ("晚8点到2点", (1200, 1440 + 120)),
            ("中午1点到5点", (780, 1020)),
            ("下午1点到5点", (780, 1020)),
            ("中午11点半到下午2点", (690, 840)),
            ("早8点到5点", (480, 1020)),
            ("晚6点到6点", (1080, 1440 + 360)),
        ] {
            assert_eq!(hours(text), Ok(expected), "{text}");
        }
        for text in ["", "全天", "8:00-5:00", "6点", "25:00-26:00", "6:00-6:00", "5:00-23:00"] {
            assert_eq!(hours(text), Err(BAD_HOURS), "{text}");
        }
        assert_eq!(time("0.25"), Ok(360), "a time that lost its format");
        assert_eq!(time("晚上8点"), Ok(1200));
        assert_eq!(time_of_end("隔天6点"), Ok(1440 + 360));
        assert_eq!(time_of_end("6:00"), Ok(360));
    }

    #[test]
    fn pay_is_read_with_its_unit_or_not_at_all() {
        let of =
            |kind, rate, unit: Option<&str>| Ok(Pay { kind, rate: Fen(rate), unit: unit.map(str::to_owned) });
        for (text, expected) in [
            ("200/天", of(PayKind::Day, 20_000, None)),
            ("200元/天", of(PayKind::Day, 20_000, None)),
            ("一天200", of(PayKind::Day, 20_000, None)),
            ("日薪220元", of(PayKind::Day, 22_000, None)),
            ("22元一小时", of(PayKind::Hour, 2_200, None)),
            ("0.8元/斤", of(PayKind::Piece, 80, Some("斤"))),
            ("8毛/斤", of(PayKind::Piece, 80, Some("斤"))),
            ("1.5元/袋 日结", of(PayKind::Piece, 150, Some("袋"))),
            ("0.8元/斤(当日结)", of(PayKind::Piece, 80, Some("斤"))),
            ("25元/小时,周结", of(PayKind::Hour, 2_500, None)),
            ("200元/天,日结", of(PayKind::Day, 20_000, None)),
            ("1.5元一袋", of(PayKind::Piece, 150, Some("袋"))),
            ("包活600", of(PayKind::Task, 60_000, None)),
            ("1,200元包干", of(PayKind::Task, 120_000, None)),
            ("200", Err(PAY_UNIT)),
            ("200日结", Err(PAY_UNIT)),
            ("200-220/天", Err(BAD_PAY)),
            ("面议", Err(BAD_PAY)),
            ("0元/天", Err(BAD_PAY)),
            ("0.835元/斤", Err(BAD_PAY)),
        ] {
            assert_eq!(pay(text, "工价"), expected, "{text}");
        }
        assert_eq!(pay("200", "日工资"), of(PayKind::Day, 20_000, None));
    }

    #[test]
    fn a_number_that_a_spreadsheet_rounded_is_told_from_a_wrong_one() {
        for text in ["3.71622E+17", "3.70E+17"] {
            assert_eq!(document(DocumentKind::ResidentId, text).unwrap_err(), DIGITS_LOST, "{text}");
        }
        let held_as_number = Cell::number(371_622_199_001_011_234.0);
        assert_eq!(document(DocumentKind::ResidentId, held_as_number.as_str()).unwrap_err(), DIGITS_LOST);
        assert_eq!(document(DocumentKind::ResidentId, "37162219900101123").unwrap_err(), DOCUMENT_LENGTH);
        assert!(document(DocumentKind::ResidentId, "371622800101123").is_ok(), "15 digits of before 1999");
        assert_eq!(phone("1.38E+10"), Err(DIGITS_LOST));
        assert_eq!(phone("无"), Ok(None));
    }

    #[test]
    fn a_report_never_shows_a_number_of_a_person_in_full() {
        assert_eq!(shown("371622199001011234"), "3716*");
        assert_eq!(shown("电话13800138000"), "电话1380*");
        assert_eq!(shown("200-220/天"), "200-220/天");
    }

    #[test]
    fn cells_are_half_width_and_without_what_nobody_sees() {
        assert_eq!(Cell::text("　２００元／天\u{200b} ").as_str(), "200元/天");
        assert_eq!(Cell::number(200.0).as_str(), "200");
        assert_eq!(Cell::number(0.1 + 0.2).as_str(), "0.3");
        assert_eq!(Cell::number(f64::NAN).as_str(), "#错误");
        assert_eq!(Cell::text("=cmd|'/c calc'!A1").as_str(), "=cmd|'/c calc'!A1", "data, never executed");
    }
}
