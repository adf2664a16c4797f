//! Who is to work without cover, and whether they were told.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::time::{MINUTE_MS, Timestamp};
use serde_json::Value;

use crate::oracle::{Fact, Holds};
use crate::travel::shifts;

/// From when and until when, not included.
type Span = (Timestamp, Timestamp);

/// One who is to work, as far as cover goes.
#[derive(Debug, Default)]
struct Hired {
    shifts: Vec<Span>,
    /// What was decided about cover, as the terms say it.
    decided: Value,
    /// Whether the work is over, or will never be.
    is_over: bool,
    /// Whether the worker wants no cover.
    refuses: bool,
    lead_ms: i64,
    /// What insurers confirmed, up to where it was ended.
    covers: BTreeMap<String, Span>,
    /// The shifts of which somebody was told that they lack cover.
    told: BTreeSet<Span>,
    /// When it is to be told of the others that lack cover.
    to_tell: BTreeMap<Span, Timestamp>,
}

impl Hired {
    /// Whether some minute of the shift lies in no cover.
    fn has_gap(&self, (start, end): Span) -> bool {
        let mut at = start;
        while at < end {
            // Some cover that holds at this instant ends later: the gap can only begin there.
            let ends = self.covers.values().filter(|it| it.0 <= at && at < it.1).map(|it| it.1);
            match ends.max() {
                Some(until) => at = until,
                None => return true,
            }
        }
        false
    }

    /// What is to be told from `now` on: what was to be told before is not put off, but for what is over by now.
    fn look(&mut self, now: Timestamp) {
        let before = std::mem::take(&mut self.to_tell);
        if self.is_over || self.refuses {
            return;
        }
        for shift in self.shifts.clone() {
            let (start, end) = shift;
            if now < end && !self.told.contains(&shift) && self.has_gap(shift) {
                let at = start.plus_ms(-self.lead_ms).max(now);
                self.to_tell.insert(shift, before.get(&shift).copied().unwrap_or(at).min(at));
            }
        }
    }
}

/// Everybody who is hired, and their cover.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    hires: BTreeMap<String, Hired>,
}

impl Covered {
    pub(crate) fn learn(&mut self, fact: &Fact<'_>) -> Holds {
        if !fact.name.starts_with("hire.") && !fact.name.starts_with("insurance.") {
            return Ok(());
        }
        let hire = fact.id("hire")?;
        let hired = self.hires.entry(hire.clone()).or_default();
        match fact.name {
            "hire.agreed" | "hire.changed" => {
                let terms = &fact.data["terms"];
                if hired.decided != terms["insurance"] {
                    hired.decided = terms["insurance"].clone();
                    hired.refuses = hired.decided == "refused_by_worker";
                }
                hired.shifts = shifts(terms);
            }
            "hire.cancelled" | "hire.no_show" | "hire.sent_home" | "hire.replaced" | "hire.ended" => {
                hired.is_over = true;
            }
            "insurance.check_planned" => hired.lead_ms = fact.sum("lead_minutes")? * MINUTE_MS,
            "insurance.applied" => hired.refuses = false,
            "insurance.refused_by_worker" => hired.refuses = true,
            "insurance.confirmed" => {
                let span = (fact.instant("effective_from")?, fact.instant("effective_until")?);
                hired.covers.insert(fact.id("insurance")?, span);
            }
            "insurance.ended" => {
                let at = fact.instant("at")?;
                if let Some(span) = hired.covers.get_mut(&fact.id("insurance")?) {
                    span.1 = at;
                }
            }
            "insurance.gap_alarmed" => return hired.i13_a_gap_is_told_of_once_and_is_one(fact),
            _ => return Ok(()),
        }
        hired.look(fact.time);
        Ok(())
    }

    /// Invariant 13: Whoever is to work without cover, of that is told before the work begins, or as soon as the cover
    /// is gone: also where there was one that was ended early.
    pub(crate) fn i13_nobody_works_uncovered_untold(&self, now: Timestamp) -> Holds {
        for (hire, hired) in &self.hires {
            if let Some(((start, _), at)) = hired.to_tell.iter().find(|(_, at)| **at < now) {
                return Err(format!("13: that {hire} lacks cover at {start} was to be told at {at}"));
            }
        }
        Ok(())
    }
}

impl Hired {
    /// Invariant 13: What is told to lack cover does, is told once, and no earlier than it is to be.
    fn i13_a_gap_is_told_of_once_and_is_one(&mut self, fact: &Fact<'_>) -> Holds {
        let start = fact.instant("shift_start")?;
        let known = self.to_tell.iter().find(|(shift, _)| shift.0 == start).map(|(shift, at)| (*shift, *at));
        let happened = fact.happened()?;
        let Some((shift, _)) = known.filter(|(_, at)| *at <= happened) else {
            return Err(format!("13: the gap at {start} was told of at {happened}, not as known: {known:?}"));
        };
        self.to_tell.remove(&shift);
        self.told.insert(shift);
        Ok(())
    }
}
