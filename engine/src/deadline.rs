//! 法定期限: from a row, a trigger and a calendar to the last day, with the trace that lets anyone check it.
//!
//! - The day of the trigger is not counted (民法典 201); months and years end on the corresponding day, or the
//!   month's last where there is none (202).
//! - A last day on which nobody works moves forward to the next working day (203), or backward where the row
//!   says so: wages are paid before a rest day, not after it (保障农民工工资支付条例 14).
//! - A negative length counts back from the trigger: notice five days before a hearing.
//! - Suspended days are not counted; a period of months or years is prolonged by those that fall into it.
//! - The last day ends at 24:00 in Shanghai. Hours run from the instant itself and know no calendar.
//!
//! Where the answer rests on something nobody vouched for (an unverified row, a year without a calendar, a day
//! where an instant was needed), it is still computed, by the plain week and from the first minute of the day,
//! but it is [`Effect::Shown`]: nothing may lapse by it, and the trace says why. An adopted calendar that was
//! not compared with its notice keeps the effect, since adopting it was the office's own act; the doubt is
//! told all the same.

use std::collections::BTreeSet;

use linggong_events::rules::DeadlineTrace;
use linggong_events::time::{Date, HOUR_MS, Timestamp};

use crate::calendar::Calendar;
use crate::pack::{DeadlineRow, Extension, Roll, Unit};

/// No period of ours ends after this year; counting stops here whatever is suspended.
const LAST_YEAR: i16 = 2199;

/// What a period counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A civil date; enough for everything but hours.
    On(Date),
    /// An instant; its civil date counts for days, months and years.
    At(Timestamp),
}

impl From<Date> for Trigger {
    fn from(date: Date) -> Trigger {
        Trigger::On(date)
    }
}

impl From<Timestamp> for Trigger {
    fn from(instant: Timestamp) -> Trigger {
        Trigger::At(instant)
    }
}

impl Trigger {
    fn date(self) -> Date {
        match self {
            Trigger::On(date) => date,
            Trigger::At(instant) => instant.date(),
        }
    }
}

/// A stretch of days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
}

impl Days {
    /// Whether `date` is one of them.
    pub fn contains(self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }
}

/// What a computed deadline may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It may lapse, with the consequences the law names.
    Legal,
    /// It is shown as a hint; nothing follows from it.
    Shown,
}

/// What a computed deadline rests on that nobody vouched for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The row was not read against its statute.
    RowUnverified,
    /// No arrangement of that year was adopted; its days went by the plain week.
    NoCalendar {
        /// The year.
        year: i16,
    },
    /// The adopted arrangement of that year was not compared with its notice. Takes no effect away.
    CalendarUnverified {
        /// The year.
        year: i16,
    },
    /// Hours were asked for and only the day is known; counted from its first minute.
    InstantUnknown,
    /// The count left the years this software knows.
    BeyondRange,
}

impl Doubt {
    fn takes_effect_away(&self) -> bool {
        match self {
            Doubt::RowUnverified | Doubt::NoCalendar { .. } | Doubt::InstantUnknown | Doubt::BeyondRange => {
                true
            }
            Doubt::CalendarUnverified { .. } => false,
        }
    }
}

/// A deadline, computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// How it was computed. Its `verified` is true only where `effect` is [`Effect::Legal`].
    pub trace: DeadlineTrace,
    /// The last instant that is in time.
    pub in_time_until: Timestamp,
    /// 安全日: the last working day on or before the day the count ended on, for who does not want to rely on
    /// rolling forward.
    pub safe_day: Date,
    /// What it may do.
    pub effect: Effect,
    /// What it rests on that nobody vouched for.
    pub doubts: Vec<Doubt>,
}

impl Deadline {
    /// The last day, after rolling.
    pub fn last_day(&self) -> Date {
        self.trace.last_day
    }

    /// The first instant that is too late: when time alone makes the lapse true.
    pub fn lapses_at(&self) -> Timestamp {
        self.in_time_until.plus_ms(1)
    }
}

/// The deadline of `row` for `trigger`, `suspended` days not counted.
pub fn deadline(
    row: &DeadlineRow,
    trigger: impl Into<Trigger>,
    calendar: &Calendar,
    suspended: &[Days],
) -> Deadline {
    compute(row, None, trigger.into(), calendar, suspended)
}

/// The same, prolonged as the row allows; `None` where it does not.
///
/// The extension continues the count where it ended before rolling: 45 days and 15 more are 60 days.
pub fn extended(
    row: &DeadlineRow,
    trigger: impl Into<Trigger>,
    calendar: &Calendar,
    suspended: &[Days],
) -> Option<Deadline> {
    let extension = row.extension.as_ref()?;
    Some(compute(row, Some(extension), trigger.into(), calendar, suspended))
}

fn compute(
    row: &DeadlineRow,
    extension: Option<&Extension>,
    trigger: Trigger,
    calendar: &Calendar,
    suspended: &[Days],
) -> Deadline {
    let mut count = Count { calendar, suspended, years: BTreeSet::new(), skipped: 0, beyond: false };
    let mut doubts = Vec::new();
    if !row.basis.verified {
        doubts.push(Doubt::RowUnverified);
    }

    let (counted_to, last_day, in_time_until) = if row.unit == Unit::H {
        let start = match trigger {
            Trigger::At(instant) => instant,
            Trigger::On(date) => {
                doubts.push(Doubt::InstantUnknown);
                date.at_minute(0)
            }
        };
        let end = start.plus_ms(i64::from(row.length) * HOUR_MS);
        (end.date(), end.date(), end)
    } else {
        let mut counted_to = count.run(trigger.date(), row.length, row.unit);
        if let Some(extension) = extension {
            counted_to = count.run(counted_to, i32::from(extension.length), extension.unit);
        }
        let last_day = match row.roll {
            Roll::Forward => count.working_day_from(counted_to, 1),
            Roll::Backward => count.working_day_from(counted_to, -1),
            Roll::None => counted_to,
        };
        (counted_to, last_day, last_day.end())
    };

    if count.beyond {
        doubts.push(Doubt::BeyondRange);
    }
    let mut packs = vec![row.pack.clone()];
    for &year in &count.years {
        match calendar.year(year) {
            Some(pack) => {
                packs.push(pack.label());
                if !pack.verified {
                    doubts.push(Doubt::CalendarUnverified { year });
                }
            }
            None => {
                // The trace must say by itself, years later, that no calendar stood behind this day.
                packs.push(format!("calendar-{year}@none"));
                doubts.push(Doubt::NoCalendar { year });
            }
        }
    }
    let shown = doubts.iter().any(Doubt::takes_effect_away);
    let effect = if shown { Effect::Shown } else { Effect::Legal };

    let trace = DeadlineTrace {
        rule: row.id.clone(),
        citation: row.basis.citation.clone(),
        packs,
        trigger: trigger.date(),
        length: in_words(row, extension, count.skipped),
        counted_to,
        last_day,
        verified: effect == Effect::Legal,
    };
    // The safe day is advice: the calendar it reads takes no part in the deadline's effect.
    let safe_day = match row.unit {
        Unit::H => last_day,
        Unit::Wd | Unit::Nd | Unit::D | Unit::M | Unit::Y => {
            Count { years: BTreeSet::new(), ..count }.working_day_from(counted_to, -1)
        }
    };
    Deadline { trace, in_time_until, safe_day, effect, doubts }
}

fn in_words(row: &DeadlineRow, extension: Option<&Extension>, skipped: u32) -> String {
    let mut words = format!("{} {}", row.length, row.unit);
    if let Some(extension) = extension {
        words += &format!(" + {} {}", extension.length, extension.unit);
    }
    if skipped > 0 {
        words += &format!(", {skipped} d suspended");
    }
    words
}

/// One count, and what it read on its way.
struct Count<'a> {
    calendar: &'a Calendar,
    suspended: &'a [Days],
    years: BTreeSet<i16>,
    skipped: u32,
    beyond: bool,
}

impl Count<'_> {
    /// The day on which `length` units after (or before) `from` end.
    fn run(&mut self, from: Date, length: i32, unit: Unit) -> Date {
        let days = i64::from(length.unsigned_abs());
        match unit {
            Unit::Wd if length < 0 => self.back(from, days, true),
            Unit::Nd | Unit::D if length < 0 => self.back(from, days, false),
            Unit::Wd => self.forth(from, days, true),
            Unit::Nd | Unit::D | Unit::H => self.forth(from, days, false),
            Unit::M => self.forth(from, corresponding_day(from, length).days() - from.days(), false),
            Unit::Y => self.forth(from, corresponding_day(from, 12 * length).days() - from.days(), false),
        }
    }

    fn forth(&mut self, from: Date, mut days: i64, working: bool) -> Date {
        let mut date = from;
        while days > 0 {
            if self.at_the_end(date) {
                return date;
            }
            date = date.plus_days(1);
            if self.suspended.iter().any(|span| span.contains(date)) {
                self.skipped += 1;
            } else if !working || self.is_working(date) {
                days -= 1;
            }
        }
        date
    }

    /// Backward nothing is suspended: what must precede a hearing precedes it whatever happened before.
    fn back(&mut self, from: Date, mut days: i64, working: bool) -> Date {
        let mut date = from;
        while days > 0 {
            date = date.plus_days(-1);
            if !working || self.is_working(date) {
                days -= 1;
            }
        }
        date
    }

    fn working_day_from(&mut self, mut date: Date, step: i64) -> Date {
        while !self.is_working(date) && !self.at_the_end(date) {
            date = date.plus_days(step);
        }
        date
    }

    fn is_working(&mut self, date: Date) -> bool {
        self.years.insert(date.civil().year());
        self.calendar.day(date).is_working()
    }

    fn at_the_end(&mut self, date: Date) -> bool {
        self.beyond |= date.civil().year() > LAST_YEAR;
        self.beyond
    }
}

/// The same day of the month `months` later, or that month's last (民法典 202).
fn corresponding_day(from: Date, months: i32) -> Date {
    let civil = from.civil();
    let month = i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1 + months;
    let year = i16::try_from(month.div_euclid(12)).unwrap_or(LAST_YEAR + 1);
    // 0..12 fits.
    let month = month.rem_euclid(12) as i8 + 1;
    let day = |day| Date::new(year, month, day);
    // Every month has a 28th, so one of these is a date; beyond the library's years it stays where it was.
    (28..=civil.day()).rev().chain([civil.day()]).find_map(|n| day(n).ok()).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;

    use super::*;
    use crate::calendar::CalendarPack;
    use crate::pack::{Pack, RuleBook, RulePack, default_packs};

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// A row with nothing to it but its count; verified, so that only the calendar can take its effect.
    fn row(length: i32, unit: Unit, roll: Roll) -> DeadlineRow {
        static ANY: LazyLock<DeadlineRow> =
            LazyLock::new(|| RuleBook::shipped().unwrap().deadline_row("arb.sue").unwrap().clone());
        DeadlineRow { length, unit, roll, extension: None, ..ANY.clone() }
    }

    /// Calendar C of the golden vectors: only the autumn of 2024.
    fn calendar_c() -> Calendar {
        let text = r#"
            name = "c"
            year = 2024
            source = "golden vectors"
            verified = true
            working_weekends = ["2024-09-14", "2024-09-29", "2024-10-12"]
            [[holidays]]
            name = "中秋节"
            from = "2024-09-15"
            to = "2024-09-17"
            [[holidays]]
            name = "国庆节"
            from = "2024-10-01"
            to = "2024-10-07"
        "#;
        Calendar::new([Arc::new(CalendarPack::parse(text.as_bytes()).unwrap())])
    }

    #[test]
    fn the_golden_vectors_come_out() {
        use Roll::{Backward, Forward, None as Stay};
        use Unit::{D, M, Nd, Wd, Y};
        // (length, unit, roll, trigger, counted to, last day, safe day)
        let vectors = [
            (5, Wd, Forward, "2024-09-27", "2024-10-10", "2024-10-10", "2024-10-10"),
            (15, Nd, Forward, "2024-09-19", "2024-10-04", "2024-10-08", "2024-09-30"),
            (45, Nd, Forward, "2024-08-20", "2024-10-04", "2024-10-08", "2024-09-30"),
            (1, Y, Forward, "2023-02-28", "2024-02-28", "2024-02-28", "2024-02-28"),
            (1, Y, Forward, "2024-02-29", "2025-02-28", "2025-02-28", "2025-02-28"),
            (0, D, Backward, "2024-10-05", "2024-10-05", "2024-09-30", "2024-09-30"),
            // Filed on the eve of Golden Week: the clock starts next day and skips the week.
            (5, Wd, Forward, "2024-09-30", "2024-10-12", "2024-10-12", "2024-10-12"),
            // A worked Saturday is a last day like any other; a plain one rolls to Monday.
            (3, Nd, Forward, "2024-10-09", "2024-10-12", "2024-10-12", "2024-10-12"),
            (3, Nd, Forward, "2024-10-16", "2024-10-19", "2024-10-21", "2024-10-18"),
            // Notice five and three working days before a hearing on the day after the week.
            (-5, Wd, Backward, "2024-10-08", "2024-09-25", "2024-09-25", "2024-09-25"),
            (-3, Nd, Backward, "2024-10-08", "2024-10-05", "2024-09-30", "2024-09-30"),
            // A month from the 31st ends on the last day of a shorter one.
            (1, M, Forward, "2024-08-31", "2024-09-30", "2024-09-30", "2024-09-30"),
            (6, M, Stay, "2024-08-31", "2025-02-28", "2025-02-28", "2025-02-28"),
            (3, D, Stay, "2024-09-30", "2024-10-03", "2024-10-03", "2024-09-30"),
        ];
        for (length, unit, roll, trigger, counted_to, last_day, safe_day) in vectors {
            let it = deadline(&row(length, unit, roll), date(trigger), &calendar_c(), &[]);
            let got = (it.trace.counted_to, it.trace.last_day, it.safe_day);
            assert_eq!(got, (date(counted_to), date(last_day), date(safe_day)), "{length} {unit} {trigger}");
        }
    }

    #[test]
    fn the_shipped_calendar_gives_the_golden_vectors_too() {
        let book = RuleBook::shipped().unwrap();
        let last = |id: &str, trigger: &str| book.deadline(id, date(trigger), &[]).unwrap().last_day();
        assert_eq!(last("arb.accept", "2024-09-27"), date("2024-10-10"));
        assert_eq!(last("arb.sue", "2024-09-19"), date("2024-10-08"));
        assert_eq!(last("arb.award", "2024-08-20"), date("2024-10-08"));
        assert_eq!(last("arb.limitation", "2023-02-28"), date("2024-02-28"));
        assert_eq!(last("arb.limitation", "2024-02-29"), date("2025-02-28"));
        assert_eq!(last("pay.date", "2024-10-05"), date("2024-09-30"));
    }

    #[test]
    fn the_last_day_ends_at_midnight() {
        let it = deadline(&row(15, Unit::Nd, Roll::Forward), date("2024-09-19"), &calendar_c(), &[]);
        assert_eq!(it.in_time_until.local(), "2024-10-08 23:59:59");
        assert_eq!(it.lapses_at().local(), "2024-10-09 00:00:00");
    }

    #[test]
    fn an_extension_continues_the_count_before_rolling() {
        let book = RuleBook::shipped().unwrap();
        let award = book.deadline_row("arb.award").unwrap();
        let it = extended(award, date("2024-08-20"), book.calendar(), &[]).unwrap();
        assert_eq!(it.trace.counted_to, date("2024-10-19"), "60 days, a Saturday");
        assert_eq!(it.last_day(), date("2024-10-21"));
        assert_eq!(it.trace.length, "45 nd + 15 nd");
        let sue = book.deadline_row("arb.sue").unwrap();
        assert_eq!(extended(sue, date("2024-08-20"), book.calendar(), &[]), None, "nobody may prolong it");

        let investigation = book.deadline_row("sup.investigate").unwrap();
        let whole = deadline(&row(90, Unit::Wd, Roll::Forward), date("2025-03-03"), book.calendar(), &[]);
        let it = extended(investigation, date("2025-03-03"), book.calendar(), &[]).unwrap();
        assert_eq!(it.last_day(), whole.last_day(), "60 and 30 working days are 90");
    }

    #[test]
    fn suspended_days_are_not_counted() {
        let spring = [Days { from: date("2024-03-05"), to: date("2024-03-07") }];
        let it = deadline(&row(10, Unit::Nd, Roll::None), date("2024-03-01"), &calendar_c(), &spring);
        assert_eq!(it.last_day(), date("2024-03-14"));
        assert_eq!(it.trace.length, "10 nd, 3 d suspended");
        let year = deadline(&row(1, Unit::Y, Roll::None), date("2024-03-01"), &calendar_c(), &spring);
        assert_eq!(year.last_day(), date("2025-03-04"));
        let earlier = [Days { from: date("2024-01-01"), to: date("2024-03-01") }];
        let it = deadline(&row(10, Unit::Nd, Roll::None), date("2024-03-01"), &calendar_c(), &earlier);
        assert_eq!(it.last_day(), date("2024-03-11"), "what was over before the first day changes nothing");
        let for_ever = [Days { from: date("2024-03-05"), to: date("9999-12-31") }];
        let it = deadline(&row(10, Unit::Nd, Roll::None), date("2024-03-01"), &calendar_c(), &for_ever);
        assert_eq!((it.effect, it.doubts), (Effect::Shown, vec![Doubt::BeyondRange]));
    }

    #[test]
    fn an_unverified_row_is_shown_and_has_no_effect() {
        let book = RuleBook::shipped().unwrap();
        let accept = book.deadline("arb.accept", date("2026-11-20"), &[]).unwrap();
        assert_eq!((accept.effect, accept.trace.verified), (Effect::Shown, false));
        assert!(accept.doubts.contains(&Doubt::RowUnverified));
        let award = book.deadline("arb.award", date("2026-10-20"), &[]).unwrap();
        assert_eq!((award.effect, award.trace.verified), (Effect::Legal, true));
    }

    #[test]
    fn a_year_without_a_calendar_takes_the_effect_away_and_stands_in_the_trace() {
        let it = deadline(&row(15, Unit::Nd, Roll::Forward), date("2025-09-19"), &calendar_c(), &[]);
        assert_eq!(it.last_day(), date("2025-10-06"), "10-04 is a Saturday; that the week is off is unknown");
        assert_eq!((it.effect, it.trace.verified), (Effect::Shown, false));
        assert_eq!(it.doubts, [Doubt::NoCalendar { year: 2025 }]);
        assert!(it.trace.packs.contains(&"calendar-2025@none".to_owned()), "{:?}", it.trace.packs);
        let fixed = deadline(&row(15, Unit::Nd, Roll::None), date("2025-09-19"), &calendar_c(), &[]);
        assert_eq!(fixed.effect, Effect::Legal, "what does not roll asks no calendar");
    }

    #[test]
    fn an_adopted_calendar_nobody_compared_is_told_but_keeps_the_effect() {
        let book = RuleBook::shipped().unwrap();
        let it = book.deadline("arb.sue", date("2026-09-20"), &[]).unwrap();
        assert_eq!(it.effect, Effect::Legal);
        assert_eq!(it.doubts, [Doubt::CalendarUnverified { year: 2026 }]);
    }

    #[test]
    fn hours_run_from_the_instant() {
        let book = RuleBook::shipped().unwrap();
        let approved: Timestamp = "2026-11-20T06:30:00Z".parse().unwrap();
        let transfer = book.deadline("ref.transfer", approved, &[]).unwrap();
        assert_eq!(transfer.in_time_until, approved.plus_ms(24 * HOUR_MS));
        assert_eq!(transfer.effect, Effect::Legal);
        let by_day = book.deadline("ref.transfer", approved.date(), &[]).unwrap();
        assert!(by_day.in_time_until < transfer.in_time_until, "the safest reading of a bare day");
        assert_eq!((by_day.effect, by_day.doubts), (Effect::Shown, vec![Doubt::InstantUnknown]));
    }

    #[test]
    fn a_deadline_filed_shortly_before_the_holiday_is_counted_from_the_civil_date_in_shanghai() {
        // 23:58 of 09-30 in Shanghai is still 15:58Z.
        let filed: Timestamp = "2024-09-30T15:58:00Z".parse().unwrap();
        let it = deadline(&row(5, Unit::Wd, Roll::Forward), filed, &calendar_c(), &[]);
        assert_eq!((it.trace.trigger, it.last_day()), (date("2024-09-30"), date("2024-10-12")));
    }

    /// The seed rows of the rule table, id by id: a pack that loses one fails here.
    #[test]
    fn every_seed_row_is_shipped() {
        let ids = "med.no_agreement arb.limitation arb.limitation_wage_after arb.accept arb.serve_copy \
                   arb.answer arb.answer_copy arb.tribunal_notice arb.hearing_notice arb.adjourn_request \
                   arb.award arb.sue arb.setaside arb.sue_after_annul enf.apply pord.issue pord.object \
                   svc.public_notice sup.accept sup.investigate sup.look_back sup.decide_qingdao ref.decide \
                   ref.transfer ref.police pay.hourly_settlement pay.one_off pay.date ctr.written emp.register \
                   inj.employer inj.worker inj.decide inj.simple acc.report acc.relay bl.term bl.early \
                   pet.handle pet.finish acct.special_close sup.decide pen.hearing_request pen.decide rev.apply \
                   adm.sue adm.remind adm.enforce";
        let book = RuleBook::shipped().unwrap();
        let missing: Vec<_> = ids.split_whitespace().filter(|id| book.deadline_row(id).is_none()).collect();
        assert_eq!(missing, [""; 0]);
    }

    fn book_without_years() -> Vec<RulePack> {
        let packs = default_packs().unwrap().into_iter();
        packs
            .filter_map(|pack| match pack {
                Pack::Statutes(pack) => Some(pack),
                Pack::Calendar(_) | Pack::Policy(_) => None,
            })
            .collect()
    }

    #[test]
    fn every_row_names_its_pack_in_its_trace() {
        for pack in book_without_years() {
            for row in pack.deadlines.values() {
                let it = deadline(row, date("2026-03-02"), &Calendar::default(), &[]);
                assert_eq!(it.trace.packs[0], pack.label(), "{}", row.id);
            }
        }
    }

    proptest! {
        /// Counting by listing every day and taking the n-th, as a clerk does on a wall calendar.
        #[test]
        fn the_count_agrees_with_a_clerk_at_a_wall_calendar(
            start in 0_i64..700,
            length in -60_i32..120,
            kind in 0_usize..4,
            roll in 0_usize..3,
            suspended in proptest::collection::vec((0_i64..900, 0_i64..20), 0..4),
        ) {
            let calendar = shipped_calendar();
            let trigger = date("2024-01-01").plus_days(start);
            let unit = [Unit::Wd, Unit::Nd, Unit::M, Unit::Y][kind];
            let length = match unit {
                Unit::M => length.abs() % 10,
                Unit::Y => length.abs() % 2,
                Unit::Wd | Unit::Nd | Unit::D | Unit::H => length,
            };
            let roll = [Roll::Forward, Roll::Backward, Roll::None][roll];
            let spans: Vec<Days> = suspended.iter().map(|(from, len)| {
                let from = date("2024-01-01").plus_days(*from);
                Days { from, to: from.plus_days(*len) }
            }).collect();

            let it = deadline(&row(length, unit, roll), trigger, calendar, &spans);
            let expected = clerk(length, unit, trigger, calendar, &spans);
            prop_assert_eq!(it.trace.counted_to, expected);

            let worked = |d: &Date| calendar.day(*d).is_working();
            let after = (0..40).map(|n| expected.plus_days(n)).find(|d| worked(d)).unwrap();
            let before = (0..40).map(|n| expected.plus_days(-n)).find(|d| worked(d)).unwrap();
            let rolled = match roll { Roll::Forward => after, Roll::Backward => before, Roll::None => expected };
            prop_assert_eq!(it.trace.last_day, rolled);
            prop_assert_eq!(it.safe_day, before);
        }
    }

    fn shipped_calendar() -> &'static Calendar {
        static BOOK: LazyLock<RuleBook> = LazyLock::new(|| RuleBook::shipped().unwrap());
        BOOK.calendar()
    }

    fn clerk(length: i32, unit: Unit, trigger: Date, calendar: &Calendar, spans: &[Days]) -> Date {
        let n = length.unsigned_abs() as usize;
        if n == 0 {
            return trigger;
        }
        let counts = |d: &Date| unit != Unit::Wd || calendar.day(*d).is_working();
        if length < 0 {
            return (1..).map(|i| trigger.plus_days(-i)).filter(counts).nth(n - 1).unwrap();
        }
        let free = |d: &Date| !spans.iter().any(|span| span.from <= *d && *d <= span.to);
        let until = |span: jiff::Span| {
            let end = Date::of_civil(trigger.civil().checked_add(span).unwrap());
            (end.days() - trigger.days()) as usize
        };
        let days = match unit {
            Unit::M => until(jiff::Span::new().months(length)),
            Unit::Y => until(jiff::Span::new().years(length)),
            Unit::Wd | Unit::Nd | Unit::D | Unit::H => n,
        };
        (1..).map(|i| trigger.plus_days(i)).filter(|d| free(d) && counts(d)).nth(days - 1).unwrap()
    }
}
