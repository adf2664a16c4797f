//! 重新计算: periods that were counted before a calendar was adopted, counted again by it and by nothing else new.
//!
//! A period names the packs by which it was counted. Where the calendar in force differs from them, it is counted
//! again by the very row of then. What an officer set or approved is not, nor what has lapsed or whose day has passed:
//! whoever was told that a day is over is not told otherwise.

use linggong_events::case::{CaseEvent, Deadline as Period};
use linggong_events::event::Event;
use linggong_events::id::EventId;
use linggong_events::measure::Position;
use linggong_events::rules::{PackKind, RulesEvent};
use linggong_events::time::Date;

use crate::pack::{DeadlineRow, Pack, RuleBook};
use crate::partition::Packs;
use crate::state::State;
use crate::{case, claim, deadline};

/// A period as it was counted.
pub(crate) struct Counted<'a> {
    pub(crate) trigger: Date,
    pub(crate) last_day: Date,
    /// The packs of its trace: that of its row, then the calendars.
    pub(crate) by: &'a [String],
}

/// A period as it is by the calendar in force.
pub(crate) struct Recounted {
    pub(crate) deadline: Period,
    /// What the count came to, where that day had passed.
    pub(crate) had_passed: Option<Date>,
}

/// The rules by which is recounted, and the day on which.
pub(crate) struct Recount<'a> {
    rules: &'a RuleBook,
    packs: &'a Packs,
    today: Date,
}

impl Recount<'_> {
    /// The period counted again; nothing where the same calendar stands behind it, where it is over, or where the
    /// pack of its row is stored no more.
    pub(crate) fn again(&self, row: &str, counted: &Counted<'_>) -> Option<Recounted> {
        if counted.last_day < self.today {
            return None;
        }
        let computed =
            deadline::deadline(self.row(row, counted)?, counted.trigger, self.rules.calendar(), &[]);
        if computed.trace.packs == counted.by {
            return None;
        }
        let mut deadline = case::written(row, computed);
        let had_passed = Some(deadline.last_day).filter(|day| *day < self.today);
        if had_passed.is_some() {
            // Nobody can act in the past: the day that was told stays.
            (deadline.last_day, deadline.safe_day) = (counted.last_day, counted.last_day);
        }
        Some(Recounted { deadline, had_passed })
    }

    /// The row of the pack by which was counted, also where a newer one is in force.
    fn row(&self, row: &str, counted: &Counted<'_>) -> Option<&DeadlineRow> {
        let pack = counted.by.first()?;
        let in_force = self.rules.deadline_row(row).filter(|it| it.pack == *pack);
        let stored = || self.packs.values().find_map(|it| row_of(it, row).filter(|it| it.pack == *pack));
        in_force.or_else(stored)
    }
}

fn row_of<'a>(pack: &'a Pack, row: &str) -> Option<&'a DeadlineRow> {
    match pack {
        Pack::Statutes(pack) => pack.deadlines.get(row),
        Pack::Calendar(_) | Pack::Policy(_) => None,
    }
}

/// Whether periods may have to be counted again after `event`: a calendar was adopted, or what closing had halted
/// runs again.
pub(crate) fn may_follow(event: &Event) -> bool {
    match event {
        Event::Rules(RulesEvent::Adopted(it)) => it.pack_kind == PackKind::Calendar,
        Event::Case(CaseEvent::Reopened(_)) => true,
        Event::Market(_)
        | Event::Office(_)
        | Event::Person(_)
        | Event::Worker(_)
        | Event::Employer(_)
        | Event::Posting(_)
        | Event::Offer(_)
        | Event::Match(_)
        | Event::Hire(_)
        | Event::Attendance(_)
        | Event::Wage(_)
        | Event::Insurance(_)
        | Event::Claim(_)
        | Event::Case(_) => false,
    }
}

/// What is to be counted again on `today`, case by case and claim by claim, with the adoption that causes it.
pub(crate) fn recounts(
    state: &State,
    rules: &RuleBook,
    packs: &Packs,
    today: Date,
) -> Vec<(EventId, Vec<Event>)> {
    // What counts now was adopted last, of the calendars in force.
    let calendars = || rules.calendar().packs().filter_map(|it| state.calendars.get(&it.digest));
    let Some((_, cause)) = calendars().max_by_key(|(at, _): &&(Position, EventId)| *at).copied() else {
        return Vec::new();
    };
    let recount = Recount { rules, packs, today };
    let of_cases = state.cases.keys().map(|id| case::recounted(state, *id, &recount));
    let of_claims =
        state.claims.keys().map(|id| claim::recounted(state, *id, &recount).into_iter().collect());
    let found = of_cases.chain(of_claims).filter(|events: &Vec<Event>| !events.is_empty());
    found.map(|events| (cause, events)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use linggong_events::rules::DeadlineTrace;

    use super::*;
    use crate::calendar::CalendarPack;
    use crate::pack::{RulePack, default_packs};

    const ROW: &str = "sup.investigate";

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// The first of 2027 is a holiday, as every year; and so is all of its February, or not.
    fn calendar_2027(february: bool) -> Pack {
        let of_february = "[[holidays]]\nname = \"春节\"\nfrom = \"2027-02-01\"\nto = \"2027-02-28\"\n";
        let text = format!(
            "name = \"cn-2027\"\nyear = 2027\nsource = \"test\"\nverified = true\nworking_weekends = []\n\
             [[holidays]]\nname = \"元旦\"\nfrom = \"2027-01-01\"\nto = \"2027-01-01\"\n{}",
            if february { of_february } else { "" }
        );
        Pack::Calendar(CalendarPack::parse(text.as_bytes()).unwrap())
    }

    fn stored(packs: &[Pack]) -> Packs {
        packs.iter().map(|pack| (pack.digest(), Arc::new(pack.clone()))).collect()
    }

    fn book(packs: &[Pack]) -> RuleBook {
        RuleBook::new(packs.iter().cloned().map(Arc::new))
    }

    fn shipped_and(pack: Option<Pack>) -> Vec<Pack> {
        default_packs().unwrap().into_iter().chain(pack).collect()
    }

    /// What 立案 on that day led to under `packs`.
    fn counted_under(packs: &[Pack], trigger: &str) -> Period {
        case::period(&book(packs), ROW, date(trigger)).unwrap()
    }

    fn again(was: &Period, packs: &[Pack], store: &Packs, today: &str) -> Option<Recounted> {
        let DeadlineTrace { trigger, packs: by, .. } = &was.trace;
        let rules = book(packs);
        let recount = Recount { rules: &rules, packs: store, today: date(today) };
        recount.again(ROW, &Counted { trigger: *trigger, last_day: was.last_day, by })
    }

    #[test]
    fn a_period_counted_without_a_calendar_has_effect_once_there_is_one_and_is_counted_once() {
        let was = counted_under(&shipped_and(None), "2026-12-01");
        assert!(was.trace.packs.contains(&"calendar-2027@none".to_owned()) && !was.trace.verified);
        let packs = shipped_and(Some(calendar_2027(true)));
        let now = again(&was, &packs, &stored(&packs), "2026-12-20").unwrap();
        assert!(now.deadline.trace.verified, "a calendar stands behind it");
        assert!(now.deadline.last_day > was.last_day && now.had_passed.is_none(), "February is not worked");
        assert!(again(&now.deadline, &packs, &stored(&packs), "2026-12-20").is_none());
    }

    #[test]
    fn the_row_of_then_counts_also_where_another_is_in_force() {
        let shipped = shipped_and(None);
        let was = counted_under(&shipped, "2026-12-01");
        let mut packs = shipped_and(Some(calendar_2027(false)));
        for pack in &mut packs {
            if let Pack::Statutes(RulePack { deadlines, digest, .. }) = pack
                && let Some(row) = deadlines.get_mut(ROW)
            {
                (row.length, row.pack) = (row.length + 20, "cn-national@00000000".into());
                *digest = linggong_events::commit::Digest::of(b"longer");
            }
        }
        let both: Packs = stored(&shipped).into_iter().chain(stored(&packs)).collect();
        let now = again(&was, &packs, &both, "2026-12-20").unwrap();
        assert_eq!(
            (&now.deadline.trace.length, &now.deadline.trace.packs[0]),
            (&was.trace.length, &was.trace.packs[0])
        );
        assert!(again(&was, &packs, &stored(&packs), "2026-12-20").is_none(), "that row is stored no more");
    }

    #[test]
    fn a_day_that_has_passed_stays_and_none_is_moved_into_the_past() {
        let with_february = shipped_and(Some(calendar_2027(true)));
        let was = counted_under(&with_february, "2026-12-01");
        let packs = shipped_and(Some(calendar_2027(false)));
        let earlier = again(&was, &packs, &stored(&packs), "2026-12-20").unwrap().deadline.last_day;
        assert!(earlier < was.last_day);
        let late = earlier.plus_days(1).to_string();
        let kept = again(&was, &packs, &stored(&packs), &late).unwrap();
        assert_eq!((kept.deadline.last_day, kept.had_passed), (was.last_day, Some(earlier)));
        let over = was.last_day.plus_days(1).to_string();
        assert!(again(&was, &packs, &stored(&packs), &over).is_none());
    }
}
