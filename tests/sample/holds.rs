//! What a sample morning must contain, item by item, looked for in what the reader makes of the sheets.

use std::collections::{BTreeMap, BTreeSet};

use linggong_events::id::MarketId;
use linggong_gateway::import::{self, Imported, Options, Outcome, Row, Step};
use linggong_gateway::sample::{FILES, ScriptStep, script};
use serde_json::Value;

use crate::generate;

fn read(name: &str) -> Imported {
    let markets = ["阳信县中心零工市场", "河流镇零工驿站", "商店镇大集零工点"];
    let options = Options {
        region: "371622".parse().unwrap(),
        markets: markets.iter().map(|it| ((*it).to_owned(), MarketId(uuid::Uuid::nil()))).collect(),
        today: generate::day(0),
        year: 2026,
        shift_days: 0,
    };
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name).unwrap();
    import::read(bytes, name, &options).unwrap()
}

fn steps<'a>(imported: &'a Imported, command: &'a str) -> impl Iterator<Item = (&'a Row, &'a Step)> {
    imported.rows.iter().flat_map(move |row| {
        let steps = match &row.outcome {
            Outcome::Steps { steps, .. } => steps.as_slice(),
            Outcome::Bad(_) | Outcome::Skipped(_) => &[],
        };
        steps.iter().filter(move |step| step.command == command).map(move |step| (row, step))
    })
}

fn workers() -> Vec<Value> {
    let sheets = [read(generate::SEEKERS), read(generate::SEEKERS_2)];
    sheets.iter().flat_map(|it| steps(it, "worker.register").map(|(_, step)| step.body.clone())).collect()
}

fn terms() -> Vec<Value> {
    let sheets = [read(generate::POSTINGS), read(generate::FARMERS)];
    sheets
        .iter()
        .flat_map(|it| steps(it, "posting.submit").map(|(_, step)| step.body["terms"].clone()))
        .collect()
}

fn employers() -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    for sheet in [read(generate::POSTINGS), read(generate::FARMERS)] {
        for (_, step) in steps(&sheet, "employer.register") {
            kinds
                .insert(format!("{:?}", step.makes), step.body["employer_kind"].as_str().unwrap().to_owned());
        }
    }
    kinds
}

fn codes(imported: &Imported) -> BTreeSet<&'static str> {
    let problems = imported.rows.iter().flat_map(|row| match &row.outcome {
        Outcome::Bad(problems) => problems.as_slice(),
        Outcome::Steps { .. } | Outcome::Skipped(_) => &[],
    });
    problems.map(|it| it.fault.code).collect()
}

fn shown(words: &str) -> Vec<ScriptStep> {
    script().step.into_iter().filter(|it| it.shows.contains(words)).collect()
}

#[test]
fn there_are_people_work_and_employers_enough_and_a_third_of_these_are_households() {
    assert!(workers().len() >= 120, "{}", workers().len());
    assert!(terms().len() >= 40, "{}", terms().len());
    let employers = employers();
    let households = employers.values().filter(|kind| *kind == "household").count();
    assert!(
        employers.len() >= 35 && households * 3 >= employers.len(),
        "{households} of {}",
        employers.len()
    );
    assert_eq!(shown("市场").len(), 3);
}

#[test]
fn helpers_and_masters_are_paid_what_the_market_pays() {
    let by_day = |level: &str| {
        let terms = terms().into_iter().filter(|it| it["pay"]["pay_kind"] == "day");
        let of_level = terms.filter(|it| it["requirements"]["level"] == level);
        of_level.map(|it| it["pay"]["rate"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let helpers = by_day("helper");
    assert!(helpers.iter().filter(|rate| (18_000..=22_000).contains(*rate)).count() >= 10, "{helpers:?}");
    let masters = by_day("master");
    assert!(masters.len() >= 5 && masters.iter().all(|rate| (28_000..=35_000).contains(rate)), "{masters:?}");
}

#[test]
fn every_trade_and_every_way_of_counting_pay_is_there() {
    let trades: BTreeSet<String> =
        terms().iter().map(|it| it["occupation"].as_str().unwrap().to_owned()).collect();
    for trade in [
        "bricklayer",
        "carpenter",
        "rebar_worker",
        "plumber",
        "loader",
        "cleaner",
        "wall_painter",
        "garlic_picker",
        "apple_picker",
    ] {
        assert!(trades.contains(trade), "{trade}");
    }
    let kinds: BTreeSet<String> = terms().iter().map(|it| it["pay"]["pay_kind"].to_string()).collect();
    assert_eq!(kinds.len(), 4, "by day, hour, piece and task");
    let units: BTreeSet<String> =
        terms().iter().filter_map(|it| it["pay"]["unit"].as_str().map(str::to_owned)).collect();
    assert!(units.contains("斤") && units.contains("袋"));
}

#[test]
fn people_are_as_various_as_at_a_market() {
    let people: Vec<Value> = workers().into_iter().map(|it| it["person"].clone()).collect();
    let number = |it: &Value| it["document"]["number"].as_str().unwrap_or_default().to_owned();
    let base = generate::day(0).civil().year();
    for years in [15, 17, 67] {
        let born = (base - years).to_string();
        assert!(people.iter().any(|it| number(it).get(6..10) == Some(&born)), "somebody of {years}");
    }
    assert!(people.iter().any(|it| number(it).len() == 15), "a 15-digit ID");
    assert!(people.iter().any(|it| it["document"].is_null()), "nobody saw a document");
    assert!(people.iter().any(|it| it["phone"].is_null()), "no phone");
    let twice = |field: &str| {
        let mut seen = BTreeSet::new();
        people.iter().filter_map(|it| it[field].as_str()).any(|it| !seen.insert(it))
    };
    assert!(twice("phone"), "a shared phone");
    assert!(twice("name"), "the same name");
    let mut numbers = BTreeSet::new();
    assert!(people.iter().map(number).filter(|it| !it.is_empty()).all(|it| numbers.insert(it)));
}

#[test]
fn some_postings_break_the_law_and_one_asks_for_a_certificate_lawfully() {
    let texts: Vec<String> = terms().iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    for words in ["限男", "押身份证", "健康证", "女工"] {
        assert!(texts.iter().any(|it| it.contains(words)), "{words}");
    }
    let under_floor =
        |it: &Value| it["pay"]["pay_kind"] == "hour" && it["pay"]["rate"].as_i64() < Some(1_800);
    assert!(terms().iter().any(under_floor));
    let counties: BTreeSet<String> =
        terms().iter().map(|it| it["region"].as_str().unwrap().to_owned()).collect();
    assert_eq!(counties.len(), 2, "one is in the next county");
    let nights =
        terms().iter().filter(|it| it["shifts"][0]["end"].as_str() > Some("2026-09-14T16:00")).count();
    assert!(nights > 0, "one is at night");
    let unload =
        terms().iter().filter(|it| it["text"].as_str().is_some_and(|it| it.starts_with("卸一车"))).count();
    assert_eq!(unload, 2, "two unloadings on one day");
}

#[test]
fn the_sheets_are_as_dirty_as_sheets_are() {
    let seekers = FILES.iter().find(|(name, _)| *name == generate::SEEKERS).unwrap().1;
    assert!(std::str::from_utf8(seekers).is_err(), "GB18030");
    assert!(codes(&read(generate::SEEKERS)).contains("digits_lost"), "3.70E+17");
    assert!(codes(&read(generate::SEEKERS_2)).contains("digits_lost"), "an ID held as a number");
    assert!(codes(&read(generate::CASES)).contains("bad_org_code"));
    for name in [generate::SEEKERS, generate::SEEKERS_2, generate::POSTINGS, generate::WAGES] {
        let skipped = |row: &Row| matches!(&row.outcome, Outcome::Skipped(note) if note.contains("合计"));
        assert!(read(name).rows.iter().any(skipped), "{name}: a total row");
    }
    let text = encoding_rs::GB18030.decode(seekers).0.into_owned();
    assert!(text.contains("同上") && text.contains('〃') && text.contains("\r\n\r\n"));
}

#[test]
fn the_script_shows_what_happens_to_work_and_wages() {
    for (words, what) in [
        ("班组十一人", "a crew of eleven"),
        ("班组五人", "a second crew"),
        ("下雨停工", "rain-off"),
        ("爽约", "no-show"),
        ("换人", "swap"),
        ("到了没活", "sent home"),
        ("第一车", "two unloadings by one person"),
        ("第二车", "two unloadings by one person"),
        ("夜班", "a night shift"),
        ("现金先给一半", "cash part-pay"),
        ("包工头跑了", "a foreman who ran"),
        ("打了欠条", "a 欠条"),
        ("农户没给钱", "a household case"),
        ("向总包要", "a subcontract chain"),
        ("跨县用工", "a cross-county hire"),
        ("保险还没生效", "an injury before cover began"),
        ("放假前一天", "a claim on the eve of a holiday"),
        ("授权两人办", "roles by two officers"),
    ] {
        assert!(!shown(words).is_empty(), "{what}");
    }
    assert_eq!(shown("17岁")[0].expect.as_deref(), Some("refused:minor_barred"));
    let imports = shown("求职登记");
    assert_eq!(imports[0].codes["under_age"], 1, "the 15-year-old is refused");
}
