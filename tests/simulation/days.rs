//! When things are said to have happened, against the days that they are about.

use linggong_events::time::{DAY_MS, Date, HOUR_MS, Timestamp};

use crate::oracle::{Fact, Holds};

/// What time alone does once a day has passed, and the field that names the day.
const AFTER_A_DAY: [(&str, &str); 3] =
    [("case.deadline_lapsed", "last_day"), ("claim.unanswered", "last_day"), ("wage.overdue", "due_on")];
/// What warns of a day.
const WARNS_OF: &str = "case.deadline_warned";

/// Invariant 11: What a day brings about happens strictly after that day has ended in China, to the millisecond; what
/// warns of one happens before it has.
pub(crate) fn i11_a_day_has_ended_before_it_is_missed(fact: &Fact<'_>) -> Holds {
    let after = AFTER_A_DAY.iter().find(|(name, _)| *name == fact.name);
    let field = after.map_or("last_day", |(_, field)| *field);
    if after.is_none() && fact.name != WARNS_OF {
        return Ok(());
    }
    let named = fact.id(field)?;
    let day: Date = named.parse().map_err(|_| format!("form: `{named}` is no day"))?;
    let happened = fact.happened()?;
    let has_ended = day_in_china(happened) > day.days();
    if has_ended == after.is_some() && happened <= fact.time {
        return Ok(());
    }
    Err(format!("11: {} of {day} is said to have happened at {happened}, recorded {}", fact.name, fact.time))
}

/// Days since 1970-01-01 on the calendars of China, which has kept eight hours ahead of UTC all year since 1991.
fn day_in_china(at: Timestamp) -> i64 {
    (at.ms() + 8 * HOUR_MS).div_euclid(DAY_MS)
}
