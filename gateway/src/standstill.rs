//! The alarm for views that stand still although the log goes on, whatever keeps them: a lock, a disk, a fold.

use std::collections::BTreeMap;
use std::time::Duration;

use linggong_events::measure::Position;

/// Looks now and then where views are. Time is told to it, by a clock that only goes forward.
#[derive(Debug)]
pub struct Standstill {
    patience: Duration,
    now: Duration,
    seen: BTreeMap<&'static str, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    position: Position,
    /// When it last moved, or last had nothing to go on with.
    since: Duration,
    frozen: bool,
}

impl Standstill {
    /// Views may stand before something new for `patience`.
    pub fn new(patience: Duration) -> Standstill {
        Standstill { patience, now: Duration::ZERO, seen: BTreeMap::new() }
    }

    /// Looks at the views, at `now` since some beginning: those that freeze and those that thaw with this look.
    pub fn look(
        &mut self,
        now: Duration,
        head: Position,
        views: impl IntoIterator<Item = (&'static str, Position)>,
    ) -> Vec<(&'static str, bool)> {
        self.now = self.now.max(now);
        let mut changed = Vec::new();
        for (view, position) in views {
            let new = Seen { position, since: self.now, frozen: false };
            let seen = self.seen.entry(view).or_insert(new);
            if position != seen.position || position >= head {
                let thawed = seen.frozen;
                *seen = new;
                changed.extend(thawed.then_some((view, false)));
            } else if !seen.frozen && self.now - seen.since >= self.patience {
                seen.frozen = true;
                changed.push((view, true));
            }
        }
        changed
    }

    /// Whether the view stood still at the last look.
    pub fn is_frozen(&self, view: &str) -> bool {
        self.seen.get(view).is_some_and(|it| it.frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_view_freezes_after_its_time_behind_the_head_and_thaws_when_it_moves() {
        let mut watch = Standstill::new(s(30));
        let mut look = |now, head, at| watch.look(s(now), Position(head), [("board", Position(at))]);
        assert_eq!(look(0, 7, 7), []);
        assert_eq!(look(1000, 7, 7), [], "nothing came that it could show");
        assert_eq!(look(1001, 8, 7), []);
        assert_eq!(look(1029, 9, 7), [], "29 s behind");
        assert_eq!(look(1030, 9, 7), [("board", true)], "30 s since it last had all there was");
        assert_eq!(look(1031, 9, 7), [], "told once");
        assert_eq!(look(1032, 9, 8), [("board", false)], "it moves, if slowly");
        assert_eq!(look(1061, 9, 8), []);
        assert_eq!(look(1000, 9, 8), [], "time does not go back");
        assert_eq!(look(1062, 9, 8), [("board", true)]);
        assert_eq!(look(1063, 9, 0), [("board", false)], "built anew from the first event");
        assert!(!watch.is_frozen("board"));
    }
}
