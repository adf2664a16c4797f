//! 日结单: the sheet that closes a civil date, printed and signed by hand, so that somebody else holds the log's head.

use linggong_events::commit::{Commit, Digest, Head};
use linggong_events::head::{HeadKey, SignedHead};
use linggong_events::log::Audit;
use linggong_events::measure::Position;
use linggong_events::time::Date;
use serde_json::{Value, json};

/// What a log says of one civil date, gathered commit by commit from the first.
///
/// The head is that of the date's own end, not of now: a sheet of a past date is the same whenever it is printed.
#[derive(Clone, Debug)]
pub struct Day {
    date: Date,
    count: u64,
    first: Option<Position>,
    last: Position,
    head: Option<(Head, Digest)>,
}

impl Day {
    /// Nothing of `date` seen yet.
    pub fn new(date: Date) -> Day {
        Day { date, count: 0, first: None, last: Position::default(), head: None }
    }

    /// Takes the next commit into account; `audit` has just found it sound. Recorded time never runs backward, so
    /// that what begins after the date is none of its business.
    pub fn commit(&mut self, commit: &Commit, audit: &Audit) {
        let mut begun = false;
        for event in commit.events().flatten() {
            let (date, position) = (event.outline().time.date(), event.outline().position);
            begun |= date <= self.date;
            if date <= self.date {
                self.last = position;
            }
            if date == self.date {
                self.count += 1;
                self.first.get_or_insert(position);
            }
        }
        if begun {
            self.head = Some((audit.head(), audit.root()));
        }
    }

    /// The sheet: what is to be kept, and the lines to be printed and signed; `access` is the head of the access
    /// log, where whoever asks can read it.
    pub fn sheet(&self, key: &HeadKey, access: Option<&Head>, demo: bool) -> Value {
        let mut lines =
            vec![format!("零工市场日结单  {}{}", self.date, if demo { "  (演示数据)" } else { "" })];
        lines.push(match self.first {
            Some(first) => format!("当日事件 {} 条, 序号 {first} 至 {}", self.count, self.last),
            None => format!("当日无事件, 此前最后序号 {}", self.last),
        });
        if let Some((head, root)) = &self.head {
            lines.push(format!("账本至序号 {}, 根摘要 {root}", head.position));
        }
        if let Some(access) = access {
            lines.push(format!("查阅记录第 {} 号, 摘要 {}", access.commit, access.digest));
        }
        lines.push("经办人签字: ______________    复核人签字: ______________".to_owned());
        json!({
            "date": self.date, "count": self.count, "first": self.first, "last": self.last,
            "signed_head": self.head.map(|(head, root)| SignedHead::of(head, root, key).text().to_owned()),
            "access_log": access.map(|it| json!({ "commit": it.commit, "digest": it.digest })),
            "sheet": lines.join("\n"), "demo": demo,
        })
    }
}
