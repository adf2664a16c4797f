//! 刷卡成交: what was struck on the spot, from terms that lie ready and cards as a scanner types them.

use std::io::BufRead;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use linggong_events::time::Date;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::client::Client;
use super::exit::{Failure, Stop};
use super::output::{Out, word};
use crate::clock::Clock;
use crate::glossary::Lang;

/// The most cards of one deal: a crew and its employer.
const MAX_CARDS: usize = 1 + linggong_engine::hire::MAX_CREW;

/// Which terms lie ready.
#[derive(Clone, Debug, Args)]
pub struct ScanArgs {
    /// The fields of `hire.register_on_site` without the people: `{"terms": …, "insurance": …}`. A shift may be
    /// written `"06:00-17:00"`, which means today; without an employer, the first card is the employer's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub terms: PathBuf,
}

pub(super) fn run(
    args: &ScanArgs,
    cards: &mut dyn BufRead,
    client: &Client<'_>,
    clock: &Clock,
    out: &mut Out<'_>,
) -> Result<(), Stop> {
    let bad = |why: String| {
        Failure::local(out.lang, "bad_fields_argument", format!("{}: {why}", args.terms.display()))
    };
    let text = std::fs::read_to_string(&args.terms).map_err(|error| bad(error.to_string()))?;
    let mut fields: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| bad(format!("line {}, column {}", error.line(), error.column())))?;
    let today = clock.now().date();
    for shift in fields.get_mut("terms").and_then(|it| it["shifts"].as_array_mut()).into_iter().flatten() {
        if let Some(written) = shift.as_str() {
            *shift = of_today(written, today).ok_or_else(|| bad("expected 06:00-17:00".to_owned()))?;
        }
    }
    let Some(terms) = fields.get_mut("terms").filter(|it| it.is_object()) else {
        return Err(bad("expected `terms`".to_owned()).into());
    };
    if terms["employer"].is_null() {
        out.note(word("scan_employer", out.lang))?;
        terms["employer"] = card(cards, out.lang)?.ok_or_else(|| no_cards(out.lang))?;
    }
    out.note(word("scan_workers", out.lang))?;
    let mut workers = Vec::new();
    while workers.len() < MAX_CARDS
        && let Some(card) = card(cards, out.lang)?
    {
        // A card held to the reader twice is one worker.
        if !workers.contains(&card) {
            workers.push(card);
        }
    }
    if workers.is_empty() {
        return Err(no_cards(out.lang).into());
    }
    terms["headcount"] = json!(workers.len());
    fields.insert("workers".to_owned(), Value::Array(workers));
    out.record(&client.command("hire.register_on_site", client.new_key(), &Value::Object(fields))?)
}

/// The next card; none at an empty line or the end.
fn card(cards: &mut dyn BufRead, lang: Lang) -> Result<Option<Value>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = cards.read_line(&mut line);
    read.map_err(|error| Failure::local(lang, "bad_fields_argument", error.to_string()))?;
    let number = line.trim();
    Ok((!number.is_empty()).then(|| json!({ "card": number })))
}

fn no_cards(lang: Lang) -> Failure {
    Failure::local(lang, "bad_fields_argument", word("no_cards", lang))
}

/// `06:00-17:00` of that day; until the next morning where the end is not after the start.
fn of_today(written: &str, today: Date) -> Option<Value> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (start, end) = written.split_once('-')?;
    let (start, end) = (minute(start)?, minute(end)?);
    let end = if end > start { end } else { end + 1440 };
    Some(json!({ "start": today.at_minute(start), "end": today.at_minute(end) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_of_today_may_end_tomorrow() {
        let shift = |written| of_today(written, "2026-11-23".parse().unwrap());
        let night = shift("20:00-05:30").unwrap();
        assert_eq!(night, json!({ "start": "2026-11-23T12:00:00.000Z", "end": "2026-11-23T21:30:00.000Z" }));
        for bad in ["", "6-17", "24:00-25:00", "06:00", "a:b-c:d"] {
            assert_eq!(shift(bad), None, "{bad}");
        }
    }
}
