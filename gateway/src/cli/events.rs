//! 事件: the log as readers may see it.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use linggong_events::id::EntityRef;
use linggong_events::measure::Position;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::case::position_of;
use super::client::{Client, Going, Wanted, items_of};
use super::exit::{Failure, Stop};
use super::list::AsOf;
use super::output::{Column, Format, Out, Show, at, clean, column, shown, word};

/// The most events that one `why` gathers.
const MOST_RELATED: usize = 500;

/// What can be asked about events.
#[derive(Debug, Subcommand)]
pub enum EventsVerb {
    /// The newest events, and with --follow those to come.
    Tail(TailArgs),
    /// One event, whole.
    Show {
        /// Its position.
        #[arg(value_name = "POSITION")]
        position: Position,
    },
    /// What an event follows from, and what followed from it.
    Why {
        /// Its position.
        #[arg(value_name = "POSITION")]
        position: Position,
        /// As a graph in DOT.
        #[arg(long)]
        dot: bool,
    },
}

/// Which events.
#[derive(Clone, Debug, Args)]
pub struct TailArgs {
    /// Only types that begin so: `hire.`.
    #[arg(long = "type", value_name = "PREFIX")]
    pub type_prefix: Option<String>,
    /// From after this position.
    #[arg(long, value_name = "POSITION", conflicts_with = "last")]
    pub after: Option<Position>,
    /// How many of the newest positions to look at.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub last: u64,
    /// Go on with what happens from now on; JSON is then one event a line.
    #[arg(short, long)]
    pub follow: bool,
}

/// Whose timeline.
#[derive(Clone, Debug, Args)]
pub struct TimelineArgs {
    /// Its kind and id: `hire/0d5c1f0e-…`.
    #[arg(value_name = "KIND/ID", value_parser = super::posting::entity)]
    pub entity: EntityRef,
    /// As of when.
    #[command(flatten)]
    pub as_of: AsOf,
}

pub(super) const EVENTS: &[Column] = &[
    column("position", "position", Show::Count),
    column("time", "time", Show::Time),
    column("occurredat", "occurredat", Show::Time),
    column("role", "role", Show::Role),
    column("region", "region", Show::Text),
    column("subject", "subject", Show::Id),
    column("type", "type", Show::Event),
];

/// A timeline tells of each event also what it follows from and what followed.
pub(super) const TIMELINE: &[Column] = &[
    column("position", "event.position", Show::Count),
    column("time", "event.time", Show::Time),
    column("occurredat", "event.occurredat", Show::Time),
    column("role", "event.role", Show::Role),
    column("subject", "event.subject", Show::Id),
    column("type", "event.type", Show::Event),
    column("causes", "causes", Show::Count),
    column("effects", "effects", Show::Count),
];

pub(super) fn run(verb: &EventsVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        EventsVerb::Tail(args) => tail(args, client, out),
        EventsVerb::Show { position } => {
            let event = client.get_raw(&format!("/v1/events/{position}"))?;
            match out.format {
                Format::Json | Format::Ndjson => out.recorded(event.get()),
                Format::Table | Format::Csv => out.record(&serde_json::from_str(event.get())?),
            }
        }
        EventsVerb::Why { position, dot } => why(*position, *dot, client, out),
    }
}

pub(super) fn timeline(args: &TimelineArgs, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let path = format!("/v1/timelines/{}", args.entity);
    let (answer, items) = client.list(&path, &args.as_of.query(), &Wanted::default())?;
    out.list(TIMELINE, &answer, &items)
}

fn tail(args: &TailArgs, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let wanted = args.type_prefix.as_deref().unwrap_or_default();
    let types: Vec<_> = args.type_prefix.iter().map(|it| ("type", it.clone())).collect();
    let after = match args.after {
        Some(after) => after,
        None => {
            let head = client.get("/v1/events", &[("limit", "1".to_owned())])?;
            let last =
                head["position"].as_str().and_then(|it| it.parse::<Position>().ok()).unwrap_or_default();
            Position(last.0.saturating_sub(args.last))
        }
    };
    if !args.follow {
        let events = client.events(&types, after)?;
        return match out.format {
            Format::Json => out.recorded(&serde_json::to_string_pretty(&events)?),
            Format::Ndjson => events.items.iter().try_for_each(|it| out.recorded(it.get())),
            Format::Table | Format::Csv => {
                let items: Result<Vec<Value>, _> =
                    events.items.iter().map(|it| serde_json::from_str(it.get())).collect();
                out.list(EVENTS, &Value::Null, &items?)
            }
        };
    }
    client.follow(after, wanted, |event: Box<RawValue>| {
        match out.format {
            Format::Json | Format::Ndjson => out.recorded(event.get())?,
            Format::Table | Format::Csv => out.item(EVENTS, &serde_json::from_str(event.get())?)?,
        }
        Ok(Going::On)
    })
}

fn why(position: Position, dot: bool, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let event = client.get(&format!("/v1/events/{position}"), &[])?;
    let mut web = Web { asked: position, events: BTreeMap::from([(position, event)]) };
    web.gather("causes", client)?;
    web.gather("effects", client)?;
    if dot {
        return out.bytes(web.dot(out).as_bytes());
    }
    match out.format {
        Format::Table => web.tree(out),
        Format::Json | Format::Ndjson | Format::Csv => {
            let mut items: Vec<Value> = web.events.values().cloned().collect();
            for item in &mut items {
                item["asked"] = json!(position_of(item) == Some(position));
            }
            out.list(EVENTS, &json!({ "items": items }), &items)
        }
    }
}

/// Events that follow from one another.
struct Web {
    asked: Position,
    events: BTreeMap<Position, Value>,
}

impl Web {
    /// Adds what stands `side` of the event asked for, and of what that adds in turn.
    fn gather(&mut self, side: &str, client: &Client<'_>) -> Result<(), Failure> {
        let mut open = vec![self.asked];
        while let Some(position) = open.pop() {
            let mut answer = client.get(&format!("/v1/events/{position}/{side}"), &[])?;
            for event in items_of(&mut answer) {
                let Some(found) = position_of(&event) else { continue };
                if self.events.len() < MOST_RELATED && self.events.insert(found, event).is_none() {
                    open.push(found);
                }
            }
        }
        Ok(())
    }

    /// The event that `position` follows from, as far as it is in the web.
    fn cause(&self, position: Position) -> Option<Position> {
        let cause = self.events.get(&position)?["causation"].as_str()?;
        // A cause stands before its effects, so no chain runs in a circle.
        self.events.range(..position).find(|(_, event)| event["id"] == cause).map(|(position, _)| *position)
    }

    fn effects(&self, of: Position) -> impl Iterator<Item = Position> {
        self.events.keys().copied().filter(move |it| self.cause(*it) == Some(of))
    }

    fn tree(&self, out: &mut Out<'_>) -> Result<(), Stop> {
        let roots: Vec<_> = self.events.keys().copied().filter(|it| self.cause(*it).is_none()).collect();
        roots.into_iter().try_for_each(|root| self.branch(root, 0, out))
    }

    fn branch(&self, position: Position, depth: usize, out: &mut Out<'_>) -> Result<(), Stop> {
        let mark =
            if position == self.asked { format!("  ◀ {}", word("asked", out.lang)) } else { String::new() };
        let arrow = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
        out.line(&format!("{arrow}{}{mark}", self.name(position, out)))?;
        let effects: Vec<_> = self.effects(position).collect();
        effects.into_iter().try_for_each(|effect| self.branch(effect, depth + 1, out))
    }

    fn name(&self, position: Position, out: &Out<'_>) -> String {
        let Some(event) = self.events.get(&position) else { return position.to_string() };
        let cell = |path, show| shown(show, at(event, path), out.lang, true);
        format!(
            "{position}  {}  {}  {}",
            cell("type", Show::Event),
            cell("subject", Show::Id),
            cell("time", Show::Time)
        )
    }

    fn dot(&self, out: &Out<'_>) -> String {
        let mut text = "digraph why {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
        for position in self.events.keys() {
            let label = clean(&self.name(*position, out)).replace('\\', "\\\\").replace('"', "\\\"");
            let bold = if *position == self.asked { ", style=bold" } else { "" };
            text.push_str(&format!("  n{position} [label=\"{label}\"{bold}];\n"));
        }
        for position in self.events.keys() {
            if let Some(cause) = self.cause(*position) {
                text.push_str(&format!("  n{cause} -> n{position};\n"));
            }
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glossary::Lang;

    fn web() -> Web {
        let event = |position: u64, name: &str, causation: Option<&str>| {
            let event = json!({
                "id": format!("e{position}"), "position": position.to_string(), "causation": causation,
                "type": format!("cn.linggong.{name}.v1"), "time": "2026-11-22T05:31:07.123Z",
                "subject": "wage/0d5c1f0e-0000-8000-8000-000000000001",
            });
            (Position(position), event)
        };
        let events = [
            event(4, "hire.ended", None),
            event(5, "wage.due", Some("e4")),
            event(9, "wage.overdue", Some("e5")),
            event(11, "wage.\"paid\\", Some("e5")),
        ];
        Web { asked: Position(5), events: BTreeMap::from(events) }
    }

    fn written(write: impl FnOnce(&mut Out<'_>)) -> String {
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        write(&mut Out::new(&mut data, &mut notes, Format::Table, Lang::Zh));
        String::from_utf8(data).unwrap()
    }

    #[test]
    fn what_follows_from_what_stands_under_it() {
        let tree = written(|out| web().tree(out).unwrap_or_else(|stop| panic!("{stop:?}")));
        insta::assert_snapshot!(tree, @r#"
        4  用工结束  wage/0d5c1f0e  2026-11-22 13:31:07
        └─ 5  工钱应付  wage/0d5c1f0e  2026-11-22 13:31:07  ◀ 所问事件
           └─ 9  工钱逾期  wage/0d5c1f0e  2026-11-22 13:31:07
           └─ 11  wage."paid\  wage/0d5c1f0e  2026-11-22 13:31:07
        "#);
    }

    #[test]
    fn a_graph_keeps_its_form_whatever_a_type_is_called() {
        let dot = written(|out| {
            let dot = web().dot(out);
            out.bytes(dot.as_bytes()).unwrap_or_else(|stop| panic!("{stop:?}"));
        });
        assert!(dot.contains(r#"n11 [label="11  wage.\"paid\\  wage/0d5c1f0e"#), "{dot}");
        assert!(dot.contains("  n4 -> n5;\n  n5 -> n9;\n  n5 -> n11;\n}\n"), "{dot}");
        assert_eq!(dot.matches("style=bold").count(), 1, "only what was asked for");
    }
}
