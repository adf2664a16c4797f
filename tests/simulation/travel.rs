//! The way from one place of work to the next: how long it takes by the pack in force, and who is sent to two places so
//! close to one another.

use std::collections::BTreeMap;
use std::rc::Rc;

use linggong_events::time::{HOUR_MS, MINUTE_MS, Timestamp};
use serde_json::{Value, json};

use crate::oracle::{Fact, HireIs};
use crate::work::Desk;

/// The minutes of the way by the digest of a pack that says them.
pub(crate) type Ways = Rc<BTreeMap<String, i64>>;

/// How the text of a pack says the minutes.
const SAYS: &str = "travel_minutes = ";
/// What the packs that are adopted in mid-run say; those shipped say none.
pub(crate) const MINUTES: i64 = 30;

/// The way by the pack that was adopted last, as the log says.
#[derive(Debug, Default)]
pub(crate) struct Travel {
    ways: Ways,
    pub(crate) ms: i64,
}

impl Travel {
    pub(crate) fn by(ways: &Ways) -> Travel {
        Travel { ways: ways.clone(), ms: 0 }
    }

    pub(crate) fn learn(&mut self, fact: &Fact<'_>) {
        let minutes = fact.data["digest"].as_str().and_then(|it| self.ways.get(it));
        if let Some(minutes) = minutes.filter(|_| fact.name == "rules.adopted") {
            self.ms = minutes * MINUTE_MS;
        }
    }
}

/// The minutes that the text of a pack says, where it says any.
pub(crate) fn minutes_in(pack: &str) -> Option<i64> {
    let said = pack.lines().find_map(|it| it.strip_prefix(SAYS))?;
    said.trim().parse().ok()
}

/// The pack with a way to go, where it has none.
pub(crate) fn with_a_way(pack: &str) -> String {
    pack.replace(&format!("{SAYS}0"), &format!("{SAYS}{MINUTES}"))
}

/// Whether nobody can work both: for one of them begins before the other has ended and the way is gone.
pub(crate) fn collide(one: &Value, other: &Value, travel_ms: i64) -> bool {
    let (one, other) = (shifts(one), shifts(other));
    one.iter().any(|a| other.iter().any(|b| a.0 < b.1.plus_ms(travel_ms) && b.0 < a.1.plus_ms(travel_ms)))
}

/// Begin and end of each shift that terms name.
pub(crate) fn shifts(terms: &Value) -> Vec<(Timestamp, Timestamp)> {
    let at = |shift: &Value, end: &str| shift[end].as_str().and_then(|it| it.parse().ok());
    let shifts = terms["shifts"].as_array().into_iter().flatten();
    shifts.filter_map(|it| Some((at(it, "start")?, at(it, "end")?))).collect()
}

impl Desk<'_> {
    /// One who is to work already, and a shift that begins soon after theirs ends or ends soon before it begins: not
    /// over yet, and now and then too close for the way.
    pub(crate) fn close_to_another(&mut self) -> Option<(String, Value)> {
        let hires = self.knows.hires.values().filter(|it| matches!(it.is, HireIs::Agreed | HireIs::Started));
        let taken = hires.filter_map(|it| Some((it.terms["worker"].as_str()?, shifts(&it.terms))));
        let taken: Vec<(String, Vec<_>)> = taken.map(|(worker, it)| (worker.to_owned(), it)).collect();
        let (worker, taken) = self.random.pick(&taken)?;
        let shift = self.shift_close_to(&taken)?;
        Some((worker, json!([shift])))
    }

    /// The same beside shifts that are known.
    pub(crate) fn shift_close_to(&mut self, taken: &[(Timestamp, Timestamp)]) -> Option<Value> {
        let way = self.random.between(0, 2 * MINUTES) * MINUTE_MS;
        let hours = self.random.between(1, 5) * HOUR_MS;
        let after = taken.iter().map(|it| it.1).max()?.plus_ms(way);
        let before = taken.iter().map(|it| it.0).min()?.plus_ms(-way);
        let (start, end) =
            if self.random.coin() { (after, after.plus_ms(hours)) } else { (before.plus_ms(-hours), before) };
        (self.now < end).then(|| json!({ "start": start, "end": end }))
    }
}
