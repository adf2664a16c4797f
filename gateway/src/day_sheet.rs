//! 日结单: the sheet that closes a civil date, printed and signed by hand, so that somebody else holds the log's head.

use std::cmp::Ordering;

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
    /// The date of the newest event, of whatever date.
    newest: Option<Date>,
}

/// How a date stands to the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing more is recorded on it: a sheet closes it.
    Over,
    /// More may be recorded on it.
    GoesOn,
    /// It has not begun: nothing can be said of it.
    ToCome,
}

impl Day {
    /// Nothing of `date` seen yet.
    pub fn new(date: Date) -> Day {
        Day { date, count: 0, first: None, last: Position::default(), head: None, newest: None }
    }

    /// Takes the next commit into account; `audit` has just found it sound. Recorded time never runs backward, so
    /// that what begins after the date is none of its business.
    pub fn commit(&mut self, commit: &Commit, audit: &Audit) {
        let mut begun = false;
        for event in commit.events().flatten() {
            let (date, position) = (event.outline().time.date(), event.outline().position);
            begun |= date <= self.date;
            self.newest = self.newest.max(Some(date));
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

    /// How the date stands where the clock shows `today`. Recorded time never runs backward: what a log says of a later
    /// date holds also against a clock that is behind.
    pub fn standing(&self, today: Date) -> Standing {
        let today = self.newest.map_or(today, |it| it.max(today));
        match self.date.cmp(&today) {
            Ordering::Less => Standing::Over,
            Ordering::Equal => Standing::GoesOn,
            Ordering::Greater => Standing::ToCome,
        }
    }

    /// The sheet: what is to be kept, and the lines to be printed and signed; `access` is the head of the access
    /// log, where whoever asks can read it. The public key stands on it so that paper which was signed by hand pins
    /// the key for later: that which the log tells of itself proves nothing.
    ///
    /// Of a date that goes on it says so, and nobody is asked to sign it: a date has one closing sheet.
    pub fn sheet(&self, key: &HeadKey, access: Option<&Head>, demo: bool, standing: Standing) -> Value {
        let over = standing == Standing::Over;
        let title = if over {
            "零工市场日结单"
        } else {
            "零工市场当日账目 (当日未结束, 不是日结单)"
        };
        let mut lines = vec![format!("{title}  {}{}", self.date, if demo { "  (演示数据)" } else { "" })];
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
        let public = key.public().to_string();
        lines.push(format!("账本公钥 {public}"));
        if over {
            lines.push("经办人签字: ______________    复核人签字: ______________".to_owned());
        }
        json!({
            "date": self.date, "closed": over, "count": self.count, "first": self.first, "last": self.last,
            "signed_head": self.head.map(|(head, root)| SignedHead::of(head, root, key).text().to_owned()),
            "public_key": public,
            "access_log": access.map(|it| json!({ "commit": it.commit, "digest": it.digest })),
            "sheet": lines.join("\n"), "demo": demo,
        })
    }
}
