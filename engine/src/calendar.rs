//! 工作日: which days are worked, from the yearly arrangement of holidays and 调休.
//!
//! A rest day is a Saturday, a Sunday or a day of the arrangement; a Saturday or Sunday that the arrangement
//! turns into a working day is none. 民法典 203 and 民诉法 85 speak of 法定休假日; like the courts, we take that
//! to cover every rest day, because nobody receives a paper on a Sunday. A year whose arrangement was not
//! adopted is not guessed at: whoever asks about a day learns that the answer is by the plain week only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Weekday;
use linggong_events::commit::Digest;
use linggong_events::time::Date;
use serde::Deserialize;

use crate::pack::{PackError, label, read_toml};

/// The arrangement of one year, as adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarPack {
    /// Its name, `cn-2026`.
    pub name: String,
    /// The year it covers.
    pub year: i16,
    /// Where its days come from.
    pub source: String,
    /// Whether its days were compared with the notice of the State Council itself.
    pub verified: bool,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    holidays: BTreeSet<Date>,
    working_weekends: BTreeSet<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    year: i16,
    source: String,
    verified: bool,
    holidays: Vec<WireHoliday>,
    working_weekends: Vec<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHoliday {
    #[serde(rename = "name")]
    _name: String,
    from: Date,
    to: Date,
}

impl CalendarPack {
    /// The arrangement written in `bytes` (TOML).
    pub fn parse(bytes: &[u8]) -> Result<CalendarPack, PackError> {
        let wire: Wire = read_toml(bytes)?;
        let within = |date: Date| date.civil().year() == wire.year;
        let mut holidays = BTreeSet::new();
        for WireHoliday { _name, from, to } in &wire.holidays {
            if from > to || !within(*from) || !within(*to) {
                return Err(PackError::row(from, "a holiday must begin before it ends, within its year"));
            }
            holidays.extend((from.days()..=to.days()).map(|day| from.plus_days(day - from.days())));
        }
        let mut working_weekends = BTreeSet::new();
        for date in wire.working_weekends {
            let fits = date.civil().year() == wire.year && is_weekend(date) && !holidays.contains(&date);
            if !fits || !working_weekends.insert(date) {
                return Err(PackError::row(date, "not a weekend of its year to be worked"));
            }
        }
        Ok(CalendarPack {
            name: wire.name,
            year: wire.year,
            source: wire.source,
            verified: wire.verified,
            digest: Digest::of(bytes),
            holidays,
            working_weekends,
        })
    }

    /// `name@digest8`, as traces and envelopes name it.
    pub fn label(&self) -> String {
        label(&self.name, &self.digest)
    }
}

/// What a day is, and how we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Day {
    /// A working day of a year whose arrangement is in force.
    Working,
    /// A rest day of such a year.
    Rest,
    /// A Monday to Friday of a year without an arrangement: it may be a holiday.
    PerhapsWorking,
    /// A Saturday or Sunday of a year without an arrangement: it may be worked.
    PerhapsRest,
}

impl Day {
    /// Whether it counts as worked; by the plain week where the year has no arrangement.
    pub fn is_working(self) -> bool {
        match self {
            Day::Working | Day::PerhapsWorking => true,
            Day::Rest | Day::PerhapsRest => false,
        }
    }
}

/// The arrangements in force, one per year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, Arc<CalendarPack>>,
}

impl Calendar {
    /// A calendar of these arrangements; a later one for the same year replaces the earlier.
    pub fn new(packs: impl IntoIterator<Item = Arc<CalendarPack>>) -> Calendar {
        Calendar { years: packs.into_iter().map(|pack| (pack.year, pack)).collect() }
    }

    /// Whether the arrangement of `year` is in force.
    pub fn covers(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// The arrangement of `year`.
    pub fn year(&self, year: i16) -> Option<&CalendarPack> {
        self.years.get(&year).map(Arc::as_ref)
    }

    /// The arrangements in force, by year.
    pub fn packs(&self) -> impl Iterator<Item = &CalendarPack> {
        self.years.values().map(Arc::as_ref)
    }

    /// What `date` is.
    pub fn day(&self, date: Date) -> Day {
        let Some(pack) = self.year(date.civil().year()) else {
            return if is_weekend(date) { Day::PerhapsRest } else { Day::PerhapsWorking };
        };
        let rest =
            pack.holidays.contains(&date) || (is_weekend(date) && !pack.working_weekends.contains(&date));
        if rest { Day::Rest } else { Day::Working }
    }
}

fn is_weekend(date: Date) -> bool {
    matches!(date.civil().weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{Pack, default_packs};

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn shipped() -> Calendar {
        Calendar::new(default_packs().unwrap().into_iter().filter_map(|pack| match pack {
            Pack::Calendar(calendar) => Some(Arc::new(calendar)),
            Pack::Statutes(_) | Pack::Policy(_) => None,
        }))
    }

    #[test]
    fn a_saturday_may_be_worked_and_a_monday_may_be_off() {
        let calendar = shipped();
        for worked in ["2024-09-14", "2024-09-29", "2024-10-12", "2025-01-26", "2026-02-28", "2026-11-20"] {
            assert_eq!(calendar.day(date(worked)), Day::Working, "{worked}");
        }
        for off in ["2024-09-16", "2024-10-07", "2025-10-08", "2026-01-02", "2026-02-23", "2026-11-21"] {
            assert_eq!(calendar.day(date(off)), Day::Rest, "{off}");
        }
    }

    #[test]
    fn a_year_without_an_arrangement_is_not_guessed_at() {
        let calendar = shipped();
        assert!(calendar.covers(2026) && !calendar.covers(2027));
        assert_eq!(calendar.day(date("2027-10-01")), Day::PerhapsWorking, "a Friday, for all we know");
        assert_eq!(calendar.day(date("2027-10-02")), Day::PerhapsRest);
    }

    /// Every arrangement gives as many working days as the weeks of its year less the statutory holidays
    /// (全国年节及纪念日放假办法 2): bridging only moves days about.
    #[test]
    fn bridging_neither_makes_nor_loses_working_days() {
        for (year, statutory) in [(2024, 11), (2025, 13), (2026, 13)] {
            let calendar = shipped();
            let first = Date::new(year, 1, 1).unwrap();
            let dates = || (0..366).map(|n| first.plus_days(n)).filter(|d| d.civil().year() == year);
            let weekdays = dates().filter(|d| !is_weekend(*d)).count();
            let worked = dates().filter(|d| calendar.day(*d).is_working()).count();
            assert_eq!(worked, weekdays - statutory, "{year}");
        }
    }

    #[test]
    fn an_arrangement_that_contradicts_itself_is_refused() {
        let pack = |holidays: &str, weekends: &str| {
            format!(
                "name = \"x\"\nyear = 2026\nsource = \"s\"\nverified = false\n\
                 holidays = [{holidays}]\nworking_weekends = [{weekends}]\n"
            )
        };
        let refused = |text: String| CalendarPack::parse(text.as_bytes()).is_err();
        assert!(!refused(pack(
            r#"{ name = "n", from = "2026-01-01", to = "2026-01-03" }"#,
            r#""2026-01-04""#
        )));
        assert!(refused(pack(r#"{ name = "n", from = "2026-01-03", to = "2026-01-01" }"#, "")), "backward");
        assert!(refused(pack(r#"{ name = "n", from = "2027-01-01", to = "2027-01-01" }"#, "")), "other year");
        assert!(refused(pack("", r#""2026-01-05""#)), "a Monday is worked anyway");
        assert!(refused(pack(
            r#"{ name = "n", from = "2026-01-01", to = "2026-01-04" }"#,
            r#""2026-01-04""#
        )));
    }
}
