//! Instants, civil dates of Asia/Shanghai, and shifts.
//!
//! China has kept one zone without daylight saving since 1991-09-15, so civil time here is UTC+8 by rule;
//! no zone database takes part in anything that replays.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const SHANGHAI_MS: i64 = 8 * 3_600_000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// 1992-01-01T00:00:00Z and 2200-01-01T00:00:00Z: what lies outside is a typing error, not an instant of ours.
const RANGE_MS: std::ops::Range<i64> = 694_224_000_000..7_258_118_400_000;

/// The most days that the calendar's library takes as one span.
const SPAN_DAYS: i64 = 4_371_587;

/// Days from the last one of February of the year 0 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_469;

/// An instant in milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 with three decimals and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant of the range.
    pub const EARLIEST: Timestamp = Timestamp(RANGE_MS.start);

    /// The instant at `ms` milliseconds; refused outside the years 1992–2199.
    pub fn from_ms(ms: i64) -> Result<Timestamp, BadTime> {
        if RANGE_MS.contains(&ms) { Ok(Timestamp(ms)) } else { Err(BadTime { text: ms.to_string() }) }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms`, held within the years 1992–2199.
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms).clamp(RANGE_MS.start, RANGE_MS.end - 1))
    }

    /// The civil date in Shanghai.
    pub fn date(self) -> Date {
        Date::from_days((self.0 + SHANGHAI_MS).div_euclid(DAY_MS))
    }

    /// Minutes since midnight in Shanghai, 0..1440.
    pub fn minute_of_day(self) -> u16 {
        ((self.0 + SHANGHAI_MS).rem_euclid(DAY_MS) / MINUTE_MS) as u16
    }

    /// `2026-11-22 13:31:07`, civil time of Shanghai, for people.
    pub fn local(self) -> String {
        let second = (self.0 + SHANGHAI_MS).rem_euclid(DAY_MS) / 1000;
        format!("{} {:02}:{:02}:{:02}", self.date(), second / 3600, second / 60 % 60, second % 60)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Timestamp {
    /// The one form in which it is written.
    pub(crate) fn text(self) -> [u8; 24] {
        // Every instant of ours is one of jiff's, whose range is wider.
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let at = jiff::tz::Offset::UTC.to_datetime(instant);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put_digits(&mut text[0..4], at.year().unsigned_abs());
        put_digits(&mut text[5..7], at.month().unsigned_abs().into());
        put_digits(&mut text[8..10], at.day().unsigned_abs().into());
        put_digits(&mut text[11..13], at.hour().unsigned_abs().into());
        put_digits(&mut text[14..16], at.minute().unsigned_abs().into());
        put_digits(&mut text[17..19], at.second().unsigned_abs().into());
        put_digits(&mut text[20..23], at.millisecond().unsigned_abs());
        text
    }
}

/// The instant of a text in the one form that [`Timestamp`] is written in: `2026-11-22T05:31:07.123Z`.
///
/// Nearly every instant that is read was written here. `None` says nothing: another form may be an instant too.
fn ms_as_written(text: &str) -> Option<i64> {
    let text: &[u8; 24] = text.as_bytes().as_array()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let number = |places: std::ops::Range<usize>| {
        let digit = |sum: i64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'));
        text[places].iter().try_fold(0, digit)
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second, ms) = (number(11..13)?, number(14..16)?, number(17..19)?, number(20..23)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    Some(Date(date).days() * DAY_MS + of_day)
}

/// Puts the last digits of `number` there, as many as have a place.
fn put_digits(places: &mut [u8], mut number: u16) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl FromStr for Timestamp {
    type Err = BadTime;

    /// Reads any RFC 3339 instant; a local time without an offset is refused.
    fn from_str(text: &str) -> Result<Timestamp, BadTime> {
        if let Some(ms) = ms_as_written(text) {
            return Timestamp::from_ms(ms).map_err(|_| BadTime::of(text));
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| BadTime::of(text))?;
        Timestamp::from_ms(instant.as_millisecond()).map_err(|_| BadTime::of(text))
    }
}

/// A civil date in Shanghai, written `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

impl Date {
    /// The date of that year, month and day, if there is one.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Date, BadTime> {
        civil::Date::new(year, month, day)
            .map(Date)
            .map_err(|_| BadTime { text: format!("{year}-{month}-{day}") })
    }

    fn from_days(days: i64) -> Date {
        let epoch = civil::date(1970, 1, 1);
        let days = days.clamp(-SPAN_DAYS, SPAN_DAYS);
        Date(epoch.saturating_add(jiff::Span::new().days(days)))
    }

    /// The library's date, for calendar arithmetic.
    pub const fn civil(self) -> civil::Date {
        self.0
    }

    /// The library's date as ours.
    pub const fn of_civil(date: civil::Date) -> Date {
        Date(date)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i64 {
        // Years begin in March, so that a leap day is the last of its year and the months before it never shift.
        let (year, month) = (i64::from(self.0.year()), i64::from(self.0.month()));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        365 * year + leap_days + (153 * month + 2) / 5 + i64::from(self.0.day()) - DAYS_BEFORE_1970
    }

    /// The date `days` later (earlier where negative), held within the years of the calendar.
    pub fn plus_days(self, days: i64) -> Date {
        Date::from_days(self.days().saturating_add(days))
    }

    /// The instant at `minute` after midnight of this date in Shanghai (1440 = the end of the day).
    pub fn at_minute(self, minute: u16) -> Timestamp {
        Timestamp(
            (self.days() * DAY_MS - SHANGHAI_MS + i64::from(minute) * MINUTE_MS)
                .clamp(RANGE_MS.start, RANGE_MS.end - 1),
        )
    }

    /// The last millisecond of this date in Shanghai: a period that ends on it ends here (民法典 203, 24:00).
    pub fn end(self) -> Timestamp {
        self.at_minute(1440).plus_ms(-1)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for Date {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Date, BadTime> {
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
        let date = text.parse().map(Date).map_err(|_| BadTime::of(text));
        if shape { date } else { Err(BadTime::of(text)) }
    }
}

/// A text or number that is no instant or date of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a time of the form asked for")]
pub struct BadTime {
    /// What was given, shortened.
    pub text: String,
}

impl BadTime {
    fn of(text: &str) -> BadTime {
        BadTime { text: text.chars().filter(|c| !c.is_control()).take(40).collect() }
    }
}

macro_rules! as_text {
    ($name:ident, $format:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                crate::text::parsed(deserializer)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}
as_text!(Timestamp, "date-time");
as_text!(Date, "date");

/// A stretch of whole minutes in which somebody works; it may cross midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Shift {
    start: Timestamp,
    end: Timestamp,
}

impl Shift {
    /// The longest shift that can be written down: two days in minutes.
    pub const MAX_MINUTES: i64 = 2 * 1440;

    /// A shift from `start` up to, not including, `end`; both on whole minutes, at most two days apart.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Shift, BadShift> {
        let whole = |t: Timestamp| t.ms() % MINUTE_MS == 0;
        let minutes = (end.ms() - start.ms()) / MINUTE_MS;
        if whole(start) && whole(end) && (1..=Shift::MAX_MINUTES).contains(&minutes) {
            Ok(Shift { start, end })
        } else {
            Err(BadShift { start, end })
        }
    }

    /// The first instant of the shift.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// The first instant after the shift.
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// Its length in minutes, at least 1.
    pub const fn minutes(self) -> i64 {
        (self.end.0 - self.start.0) / MINUTE_MS
    }

    /// The work date: the civil date of its start, also for a night shift.
    pub fn work_date(self) -> Date {
        self.start.date()
    }

    /// Whether the two share at least one minute.
    pub fn overlaps(self, other: Shift) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether `other` lies wholly within this stretch.
    pub fn contains(self, other: Shift) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

impl<'de> Deserialize<'de> for Shift {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shift, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            start: Timestamp,
            end: Timestamp,
        }
        let Wire { start, end } = Wire::deserialize(deserializer)?;
        Shift::new(start, end).map_err(serde::de::Error::custom)
    }
}

/// Two instants between which nobody can work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{start}` to `{end}` is not a shift of whole minutes, at most two days long")]
pub struct BadShift {
    /// The start that was given.
    pub start: Timestamp,
    /// The end that was given.
    pub end: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_reads_back_as_written() {
        let instant = at("2026-11-22T05:31:07.123Z");
        assert_eq!(instant.to_string(), "2026-11-22T05:31:07.123Z");
        assert_eq!(at("2026-11-22T13:31:07.123+08:00"), instant);
        assert_eq!(instant.local(), "2026-11-22 13:31:07");
        assert!("2026-11-22T05:31:07".parse::<Timestamp>().is_err(), "no offset");
        assert!("1026-11-22T05:31:07Z".parse::<Timestamp>().is_err(), "a typing error");
    }

    #[test]
    fn the_form_that_is_written_reads_as_the_library_reads_it() {
        for year in [1991, 1992, 1999, 2000, 2023, 2024, 2100, 2199, 2200] {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                for time in ["00:00:00.000", "23:59:59.999", "24:00:00.000", "12:60:00.000", "07:08:09.010"] {
                    let text = format!("{year}-{month:02}-{day:02}T{time}Z");
                    let library = text.parse::<jiff::Timestamp>().ok().map(|it| it.as_millisecond());
                    assert_eq!(ms_as_written(&text), library, "{text}");
                }
            }
        }
        for text in
            ["2026-11-22T05:31:07.12", "2026-11-22t05:31:07.123Z", "2026-11-22T05:31:60.123Z", "+026-11-22"]
        {
            assert_eq!(ms_as_written(text), None, "{text}");
        }
    }

    #[test]
    fn the_days_of_a_date_are_those_that_the_library_counts() {
        let epoch = civil::date(1970, 1, 1);
        for days in (-SPAN_DAYS..SPAN_DAYS).step_by(97).chain(-40_000..100_000) {
            let Ok(date) = epoch.checked_add(jiff::Span::new().days(days)) else { continue };
            assert_eq!(Date(date).days(), days, "{date}");
        }
    }

    #[test]
    fn a_night_shift_belongs_to_the_date_it_starts_on() {
        let night = Shift::new(at("2026-11-22T14:00:00Z"), at("2026-11-22T22:00:00Z")).unwrap();
        assert_eq!(night.work_date().to_string(), "2026-11-22");
        assert_eq!(night.minutes(), 480);
        let morning = Shift::new(at("2026-11-22T22:00:00Z"), at("2026-11-23T01:00:00Z")).unwrap();
        assert!(!night.overlaps(morning), "the end is not part of a shift");
    }

    #[test]
    fn a_date_knows_its_days() {
        let date: Date = "2024-02-28".parse().unwrap();
        assert_eq!(date.plus_days(2).to_string(), "2024-03-01");
        assert_eq!(date.at_minute(0).date(), date);
        assert_eq!(date.end().date(), date);
        assert!("2024-2-8".parse::<Date>().is_err());
        assert_eq!(date.plus_days(i64::MAX).plus_days(1), date.plus_days(i64::MAX), "never a panic");
        assert!(date.plus_days(i64::MIN) < date);
    }
}
