//! The verbs against real sockets: the server itself, and a responder for what a sound server does not do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser as _;
use linggong_events::log::LogReader as _;
use linggong_events::log::embedded::EmbeddedLog;
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use linggong_projections::wage_protection_board as wages;
use linggong_projections::{
    At, case_history, directory, hiring_ledger, insured, morning_board, open_postings,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::client::{Client, Going, Server};
use super::exit::{Exit, Failure};
use super::output::{CODES, Column, Format, Out, STATES, Show};
use super::{Cli, Command, Verb, perform};
use crate::clock::Clock;
use crate::config::Config;
use crate::glossary::{Lang, label};
use crate::import::SendError;

#[test]
fn the_arguments_hold_together() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn every_column_has_a_label_and_every_code_it_shows_too() {
    let sheets = [
        super::events::EVENTS,
        super::events::TIMELINE,
        super::case::CASES,
        super::case::CLAIMS,
        super::posting::POSTINGS,
        super::posting::HIRES,
        super::posting::MARKETS,
        super::posting::BOARD,
        super::posting::QUEUE,
        super::wage::WAGES,
        super::wage::BY_EMPLOYER,
        super::wage::BY_REGION,
        super::wage::BY_AGE,
        super::projection::PROJECTIONS,
        super::doctor::CHECKS,
        super::import::ROWS,
        super::schema::SCHEMAS,
    ];
    let columns = || sheets.into_iter().flatten();
    let labelled = |key: &str| ["fields", "screens"].iter().any(|it| label(it, key, Lang::Zh).is_some());
    let unlabelled: Vec<_> = columns().map(|it| it.heading).filter(|it| !labelled(it)).collect();
    assert!(unlabelled.is_empty(), "docs/glossary.md: no row for the columns {unlabelled:?}");

    let glossary = include_str!("../../../docs/glossary.md");
    let of_columns = columns().flat_map(|it| if let Show::Code(types) = it.show { types } else { &[] });
    for name in of_columns.chain(CODES.iter().chain(STATES).flat_map(|(_, types)| *types)) {
        assert!(glossary.contains(&format!("\n| {name}.")), "docs/glossary.md: no code of {name}");
    }
}

#[test]
fn a_report_of_an_import_reads_in_the_office_s_words() {
    for (lang, headings) in [
        (Lang::Zh, "文件,工作表,行,结果,原因代码,列,说明"),
        (Lang::En, "file,sheet,row,result,code,column,detail"),
    ] {
        let rows = ["accepted", "unchanged", "refused", "bad", "skipped"].map(|it| {
            json!({ "file": "表.csv", "sheet": "表一", "row": 3, "result": it, "code": "", "column": "", "detail": "" })
        });
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        Out::new(&mut data, &mut notes, Format::Csv, lang)
            .list(super::import::ROWS, &json!({}), &rows)
            .unwrap();
        let text = String::from_utf8(data).unwrap();
        let (first, rest) = text.trim_start_matches('\u{feff}').split_once("\r\n").unwrap();
        assert_eq!(first, headings);
        let words: Vec<_> = rest.lines().filter_map(|it| it.split(',').nth(3)).collect();
        let expected = match lang {
            Lang::Zh => ["已登记", "原已登记", "被拒", "读不懂或可疑", "略过"],
            Lang::En => ["accepted", "unchanged", "refused", "bad", "skipped"],
        };
        assert_eq!(words, expected);
    }
}

#[test]
fn a_row_with_a_blocked_posting_is_told_the_rule_the_words_and_the_text_that_would_pass() {
    let problem = json!({
        "code": "posting_blocked", "title": "岗位内容违法",
        "findings": [{ "rule": "fee.charged", "words": "押金", "citation": "劳动合同法 9" }],
        "corrected": "装卸",
    });
    let failure = Failure::of_answer(Lang::Zh, 422, problem.to_string().as_bytes());
    let Err(SendError::Refused { code, detail, .. }) = super::import::read_answer(Err(failure)) else {
        panic!("a lawful no")
    };
    assert_eq!(code, "posting_blocked");
    assert_eq!(detail, "岗位内容违法; fee.charged 「押金」 劳动合同法 9; → 装卸");
}

#[test]
fn every_code_of_a_view_has_a_label() {
    let mut generator = SchemaGenerator::default();
    view_rows(&mut generator);
    let mut missing = Vec::new();
    for (name, schema) in generator.take_definitions(true) {
        // A role has a section of its own.
        for code in codes_in(&schema).into_iter().filter(|_| name != "Role") {
            let key = format!("{name}.{code}");
            if label("codes", &key, Lang::Zh).or_else(|| label("screens", &key, Lang::Zh)).is_none() {
                missing.push(key);
            }
        }
    }
    assert!(missing.is_empty(), "docs/glossary.md, screens: no row for {missing:?}");
}

#[test]
fn every_field_of_a_view_has_a_label() {
    let mut generator = SchemaGenerator::default();
    let rows = view_rows(&mut generator);
    let mut open: Vec<Value> =
        rows.into_iter().chain(generator.take_definitions(true).into_values()).collect();
    let mut missing = std::collections::BTreeSet::new();
    while let Some(value) = open.pop() {
        for (name, property) in value["properties"].as_object().into_iter().flatten() {
            if label("fields", name, Lang::Zh).or_else(|| label("screens", name, Lang::Zh)).is_none() {
                missing.insert(name.clone());
            }
            open.push(property.clone());
        }
        open.extend(value["oneOf"].as_array().into_iter().flatten().cloned());
    }
    assert!(missing.is_empty(), "docs/glossary.md, screens: no row for {missing:?}");
}

#[test]
fn every_column_shows_a_field_that_its_row_has() {
    fn check<T: JsonSchema>(columns: &[Column]) {
        let mut generator = SchemaGenerator::default();
        let root = schema::<T>(&mut generator);
        let definitions = Value::Object(generator.take_definitions(true));
        for column in columns {
            for path in column.path.split('|') {
                let mut at = root.clone();
                for name in path.split('.') {
                    at = if name.parse::<usize>().is_ok() {
                        at["items"].clone()
                    } else {
                        at["properties"][name].clone()
                    };
                    assert!(!at.is_null(), "`{path}` leads nowhere in {}", T::schema_name());
                    let one = at["anyOf"].as_array().and_then(|it| it.first()).unwrap_or(&at);
                    if let Some(name) = one["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
                        at = definitions[name].clone();
                    }
                }
            }
        }
    }
    check::<case_history::CaseRow>(super::case::CASES);
    check::<case_history::ClaimRow>(super::case::CLAIMS);
    check::<open_postings::PostingRow>(super::posting::POSTINGS);
    check::<hiring_ledger::HireRow>(super::posting::HIRES);
    check::<directory::MarketRow>(super::posting::MARKETS);
    check::<morning_board::QueueRow>(super::posting::QUEUE);
    check::<wages::EmployerArrears>(super::wage::BY_EMPLOYER);
    check::<wages::RegionArrears>(super::wage::BY_REGION);
    check::<wages::WorkerArrears>(super::wage::BY_WORKER);
    check::<wages::WarningSum>(super::wage::BY_WARNING);
    check::<wages::Ageing>(super::wage::BY_AGE);
    check::<At<wages::WageRow>>(&[super::output::column("value", "value.outstanding", Show::Money)]);
}

#[test]
fn a_server_is_worked_with_from_the_command_line() {
    let office = Office::open();
    let market = json!({
        "name": "历下零工市场", "region": "370102", "market_kind": "public_benefit",
        "place": { "lat_e6": 36_660_000, "lon_e6": 117_060_000 },
    });
    let receipt = office.says("keeper1", &["command", "market.register", "--fields", &market.to_string()]);
    let receipt = receipt.or_else(|_| {
        office.says("manager", &["command", "market.register", "--fields", &market.to_string()])
    });
    let receipt: Value = serde_json::from_str(&receipt.unwrap()).unwrap();
    let position = receipt["position"].as_str().unwrap();

    let tail = office.says("auditor", &["-o", "ndjson", "events", "tail", "--type", "market."]).unwrap();
    let event: Value = serde_json::from_str(tail.lines().next().unwrap()).unwrap();
    assert_eq!(event["position"], position);
    let recorded = office.line(position);
    assert_eq!(
        tail.lines().next(),
        Some(recorded.as_str()),
        "to the byte, in the order in which it was written"
    );
    for form in ["json", "ndjson"] {
        let shown = office.says("auditor", &["-o", form, "events", "show", position]).unwrap();
        assert_eq!(shown, format!("{recorded}\n"), "{form}");
    }
    let tail = office.says("auditor", &["-o", "json", "events", "tail", "--type", "market."]).unwrap();
    assert!(tail.contains(&recorded), "{tail}");
    let shown = office.says("auditor", &["-o", "table", "events", "show", position]).unwrap();
    assert!(shown.contains("历下零工市场") && shown.contains("市场登记"), "{shown}");
    let subject = event["subject"].as_str().unwrap();
    let timeline = office.says("auditor", &["-o", "csv", "timeline", subject]).unwrap();
    assert!(
        timeline.starts_with("\u{feff}记录号,记录时间 (UTC+8)") && timeline.contains("市场登记"),
        "{timeline}"
    );
    let why = office.says("auditor", &["-o", "table", "--lang", "en", "events", "why", position]).unwrap();
    assert!(why.contains("market registered") && why.contains("◀ asked about"), "{why}");

    let id = subject.strip_prefix("market/").unwrap();
    let at_least = ["--at-least", position];
    let list =
        office.says("dispatcher", &[&["-o", "csv", "market", "list"][..], &at_least].concat()).unwrap();
    assert!(list.contains("历下零工市场,公益性,370102"), "{list}");
    let board = office
        .says("dispatcher", &["-o", "csv", "market", "board", subject, "--date", "2026-11-22"])
        .unwrap();
    assert_eq!(
        board,
        "\u{feff}工种,到场,在场,已派,待派,离场,未派离场,演示数据，并非真实业务\r\n全部,0,0,0,0,0,0,是\r\n"
    );
    assert!(!id.is_empty());
    for list in [
        &["posting", "list"][..],
        &["hire", "list"],
        &["wage", "list"],
        &["wage", "board"],
        &["case", "list", "--due"],
        &["wage", "board", "--by", "region"],
        &["wage", "board", "--by", "age"],
        &["claim", "list"],
    ] {
        let role = if list[0] == "case" || list[0] == "claim" { "officer" } else { "dispatcher" };
        let said = office.says(role, &[&["-o", "json"][..], list].concat());
        let said: Value =
            serde_json::from_str(&said.unwrap_or_else(|failed| panic!("{list:?}: {failed:?}"))).unwrap();
        assert!(said["items"].is_array(), "{list:?}: {said}");
    }

    let views = office.says("keeper1", &["-o", "csv", "projection", "list"]).unwrap();
    assert!(views.contains("morning_board,早市看板"), "{views}");
    let rebuilt = office.says("keeper1", &["projection", "rebuild", "morning_board", "--wait"]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&rebuilt).unwrap()["state"], "current");
    let doctor = office.says("keeper1", &["-o", "csv", "doctor"]).unwrap();
    assert!(doctor.contains("服务就绪,正常"), "{doctor}");
    assert!(doctor.contains("时钟,正常"), "{doctor}");

    let head = office.says("auditor", &["-o", "table", "log", "head"]).unwrap();
    assert!(head.starts_with("# 演示数据，并非真实业务\nlinggong/lg-37/0\n"), "{head}");
    let sheet = office.says("manager", &["-o", "table", "log", "seal-day"]).unwrap();
    assert!(
        sheet.starts_with("零工市场当日账目 (当日未结束, 不是日结单)")
            && sheet.contains("\n— linggong/lg-37/0 "),
        "{sheet}"
    );
    let of_day: Value =
        serde_json::from_str(&office.says("manager", &["-o", "json", "log", "seal-day"]).unwrap()).unwrap();
    let date = of_day["date"].as_str().unwrap().to_owned();
    let kept = office.data().join("kept.json");
    std::fs::write(&kept, receipt.to_string()).unwrap();
    office.close_then(|data| {
        let data = data.to_str().unwrap();
        let found = offline(&["log", "verify", "--data", data, "--against", kept.to_str().unwrap()]).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["sound"], true, "{found}");
        // Without a server or a token the same is told from the files.
        assert_eq!(offline(&["-o", "table", "log", "head", "--data", data]).unwrap(), head);
        let told = offline(&["-o", "json", "log", "seal-day", "--data", data, "--date", &date]).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["signed_head"], &told["count"]), (&of_day["signed_head"], &of_day["count"]));
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["sound"], true, "{found}");
        let found = offline(&["-o", "csv", "doctor", "--data", data]).unwrap();
        assert!(found.contains("保险箱,正常") && found.contains("视图进度,正常"), "{found}");
    });
}

#[test]
fn a_token_is_given_out_once_and_taken_back() {
    Office::open().close_then(|folder| {
        let data = folder.to_str().unwrap();
        let issued = offline(&["-o", "json", "token", "issue", "wang", "--data", data]).unwrap();
        let issued: Value = serde_json::from_str(&issued).unwrap();
        let token = std::fs::read_to_string(issued["file"].as_str().unwrap()).unwrap();
        let actor = crate::identity::Tokens::read(&folder.join("tokens.toml")).unwrap().actor(&token);
        assert_eq!(actor.map(|it| it.to_string()).as_deref(), issued["actor"].as_str());
        let listed = offline(&["-o", "csv", "token", "list", "--data", data]).unwrap();
        assert!(listed.contains("wang") && !listed.contains(&token), "{listed}");
        let (exit, _) = offline(&["token", "issue", "wang", "--data", data]).unwrap_err();
        assert_eq!(exit, Exit::Conflict);
        let (exit, _) = offline(&["token", "issue", "../wang", "--data", data]).unwrap_err();
        assert_eq!(exit, Exit::Usage);
        offline(&["token", "revoke", "wang", "--data", data]).unwrap();
        assert!(crate::identity::Tokens::read(&folder.join("tokens.toml")).unwrap().actor(&token).is_none());
        let (exit, _) = offline(&["token", "revoke", "wang", "--data", data]).unwrap_err();
        assert_eq!(exit, Exit::NotFound);
    });
}

#[test]
fn failures_of_a_server_exit_with_their_numbers() {
    let office = Office::open();
    let unknown = "hire/00000000-0000-8000-8000-000000000001";
    let (exit, said) = office.says("dispatcher", &["hire", "show", unknown]).unwrap_err();
    assert_eq!((exit, said.contains("(not_found)")), (Exit::NotFound, true), "{said}");
    let (exit, said) = office.says("auditor", &["command", "worker.arrive"]).unwrap_err();
    assert!(exit == Exit::NotPermitted || exit == Exit::Failure, "{exit:?} {said}");
    let (exit, said) = office.says("nobody", &["--lang", "en", "events", "tail"]).unwrap_err();
    assert_eq!((exit, said.contains("(unauthenticated)")), (Exit::NotPermitted, true), "{said}");
}

#[test]
fn a_flipped_byte_of_a_log_is_an_integrity_failure() {
    Office::open().close_then(|data| {
        let segments = std::fs::read_dir(data.join("log/segments")).unwrap();
        let segment = segments.map(|it| it.unwrap().path()).min().unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        let at = bytes.iter().position(|it| *it == b'{').unwrap() + 40;
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        let data = data.to_str().unwrap();
        for verb in [&["log", "verify", "--data", data][..], &["doctor", "--data", data]] {
            let (exit, said) = offline(verb).unwrap_err();
            assert_eq!(exit, Exit::Integrity, "{verb:?}: {said}");
        }
    });
}

#[test]
fn a_log_that_never_held_what_was_kept_is_an_integrity_failure() {
    Office::open().close_then(|data| {
        let kept = data.join("kept.json");
        let forged = json!({ "commit": 2, "commit_digest": format!("sha256:{}", "0".repeat(64)) });
        let longer = json!({ "commit": 9999, "commit_digest": format!("sha256:{}", "0".repeat(64)) });
        for receipt in [forged, longer] {
            std::fs::write(&kept, receipt.to_string()).unwrap();
            let verb =
                ["log", "verify", "--data", data.to_str().unwrap(), "--against", kept.to_str().unwrap()];
            assert_eq!(offline(&verb).unwrap_err().0, Exit::Integrity);
        }
        assert!(EmbeddedLog::open_read_only(&data.join("log")).unwrap().trouble.is_none());
    });
}

#[test]
fn an_older_log_put_back_is_noticed_by_a_head_a_sheet_and_a_receipt() {
    let office = Office::open();
    let older = tempfile::tempdir().unwrap();
    copy_log(&office.data().join("log"), older.path());
    let receipt = office.says("keeper1", &["-o", "json", "command", "market.register", "--fields", MARKET]);
    let kept = [
        ("receipt", receipt.unwrap()),
        ("signed head", office.says("auditor", &["-o", "json", "log", "head"]).unwrap()),
        ("closing sheet", office.says("manager", &["-o", "json", "log", "seal-day"]).unwrap()),
    ];
    office.close_then(|data| {
        let head: Value = serde_json::from_str(&kept[1].1).unwrap();
        let key = head["public_key"].as_str().unwrap().to_owned();
        let file = data.join("kept.json");
        let held_against = |what: &str| {
            std::fs::write(&file, what).unwrap();
            let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
            offline(&["--lang", "en", "log", "verify", "--data", data, "--against", file, "--key", &key])
        };
        for (name, text) in &kept {
            assert!(held_against(text).is_ok(), "{name}");
        }
        let mut other: Value = serde_json::from_str(&kept[0].1).unwrap();
        other["events"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
        let (exit, said) = held_against(&other.to_string()).unwrap_err();
        let position = other["events"][0]["position"].as_str().unwrap();
        assert_eq!(exit, Exit::Integrity);
        assert!(
            said.contains(&format!("the event at position {position} is not what the receipt knows")),
            "{said}"
        );

        std::fs::remove_dir_all(data.join("log")).unwrap();
        copy_log(older.path(), &data.join("log"));
        for (name, text) in &kept {
            let (exit, said) = held_against(text).unwrap_err();
            assert_eq!(exit, Exit::Integrity, "{name}");
            let shorter = said.contains("the log is shorter than it was: it ends with commit ");
            assert!(shorter && said.contains(&format!("but the {name} knows commit ")), "{said}");
        }
    });
}

#[test]
fn a_damaged_log_is_mended_from_a_copy_when_it_is_confirmed() {
    let office = Office::open();
    let data = office.data().to_owned();
    let copy = tempfile::tempdir().unwrap();
    let (exit, said) =
        offline(&["log", "repair", "--data", data.to_str().unwrap(), "--from", data.to_str().unwrap()])
            .unwrap_err();
    assert_eq!((exit, said.contains("(log_in_use)")), (Exit::Conflict, true), "{said}");
    office.close_then(|data| {
        copy_log(&data.join("log"), copy.path());
        let (text, from) = (data.to_str().unwrap(), copy.path().to_str().unwrap());
        let repair =
            |more: &[&str]| offline(&[&["-o", "json", "log", "repair", "--data", text], more].concat());
        assert_eq!(repair(&["--from", from]).unwrap_err().0, Exit::Conflict, "nothing is to be mended");
        assert_eq!(repair(&["--cut", "--against", "none.json"]).unwrap_err().0, Exit::Usage);

        let segments = std::fs::read_dir(data.join("log/segments")).unwrap();
        let segment = segments.map(|it| it.unwrap().path()).min().unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        let at = bytes.iter().position(|it| *it == b'{').unwrap() + 40;
        bytes[at] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let planned: Value = serde_json::from_str(&repair(&["--from", from]).unwrap()).unwrap();
        assert_eq!(planned["done"], false);
        assert_eq!(std::fs::read(&segment).unwrap(), bytes, "a trial changes nothing");
        let done: Value = serde_json::from_str(&repair(&["--from", from, "--yes"]).unwrap()).unwrap();
        assert_eq!((&done["done"], &done["digest"]), (&json!(true), &planned["digest"]));
        assert!(Path::new(done["aside"].as_str().unwrap()).is_dir(), "what was there is kept");
        assert!(offline(&["log", "verify", "--data", text]).is_ok());
    });
}

const MARKET: &str = r#"{"name":"南关市场","region":"370102","market_kind":"public_benefit","place":{"lat_e6":36650000,"lon_e6":117120000}}"#;

/// Copies a log as it lies there, also from under a server.
fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("segments")).unwrap();
    std::fs::copy(from.join("head"), to.join("head")).unwrap();
    for entry in std::fs::read_dir(from.join("segments")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join("segments").join(entry.file_name())).unwrap();
    }
}

#[test]
fn nobody_listening_is_told_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (exit, said) =
        run(&format!("http://{address}"), None, &["--lang", "en", "events", "show", "1"]).unwrap_err();
    assert_eq!(exit, Exit::Unreachable);
    assert!(said.starts_with("the server cannot be reached (unreachable)\n"), "{said}");
}

#[test]
fn a_token_goes_in_clear_to_this_machine_only() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "secret").unwrap();
    let (exit, said) =
        run("http://192.0.2.1:7311", Some(token.path()), &["events", "show", "1"]).unwrap_err();
    assert_eq!(
        (exit, said.contains("(bad_server)"), said.contains("secret")),
        (Exit::Usage, true, false),
        "{said}"
    );
}

#[test]
fn a_busy_server_is_asked_again_with_the_same_key() {
    let (server, asked) = responder(vec![
        answer("503 Service Unavailable", "Retry-After: 0\r\n", r#"{"code":"busy","status":503}"#),
        Reply::HangUp,
        answer("200 OK", "", r#"{"position":"7","unchanged":false}"#),
    ]);
    let receipt = client(server).command("worker.arrive", Clock::wall().new_key(), &json!({})).unwrap();
    assert_eq!(receipt["position"], "7");
    let keys: Vec<_> = asked.try_iter().map(|it| header(&it, "idempotency-key")).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0].is_some() && keys.iter().all(|it| *it == keys[0]), "{keys:?}");
}

#[test]
fn a_demo_log_is_named_once_beside_an_answer_of_which_nothing_was_shown() {
    let page = r#"{"items":[],"next":null,"prev":null,"position":"7"}"#;
    for (headers, marks) in [("Linggong-Log: demo\r\n", 1), ("Linggong-Log: production\r\n", 0), ("", 0)] {
        let (server, _) = responder(vec![answer("200 OK", headers, page), answer("200 OK", headers, page)]);
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        let mut out = Out::new(&mut data, &mut notes, Format::Json, Lang::En);
        let client = client(server).telling_demo(out.of_demo.clone());
        for _ in 0..2 {
            client.get("/v1/wages", &[]).unwrap();
        }
        assert_eq!(out.end(Ok(())), Exit::Ok);
        let notes = String::from_utf8(notes).unwrap();
        assert_eq!((notes.matches("demo data").count(), data.len()), (marks, 0), "{headers}: {notes}");
    }
}

#[test]
fn a_server_that_stays_busy_is_not_asked_for_ever() {
    let busy = || {
        answer(
            "503 Service Unavailable",
            "Retry-After: 0\r\n",
            r#"{"code":"busy","title":"忙","status":503}"#,
        )
    };
    let (server, asked) = responder((0..9).map(|_| busy()).collect());
    let failure = client(server).get("/v1/cases", &[]).unwrap_err();
    assert_eq!((failure.exit, failure.title.as_str()), (Exit::Unreachable, "忙"));
    assert_eq!(asked.try_iter().count(), 4);
}

#[test]
fn a_refusal_is_not_asked_for_again() {
    let body = r#"{"title":"岗位已满","status":409,"code":"full","detail":"every place is taken\u001b[2J"}"#;
    let (server, asked) = responder(vec![answer("409 Conflict", "", body)]);
    let url = format!("http://{server}");
    let (exit, said) = run(&url, None, &["command", "offer.accept", "--fields", "{}"]).unwrap_err();
    assert_eq!(exit, Exit::Conflict);
    assert_eq!(said, "岗位已满 (full)\n  every place is taken\\u{1b}[2J\n");
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn a_broken_stream_is_taken_up_where_it_broke() {
    let event = |n: u64| {
        format!("id: {n}\ndata: {{\"position\":\"{n}\",\"type\":\"cn.linggong.hire.agreed.v1\"}}\n\n")
    };
    let stream = |events: &[u64]| {
        let body: String = events.iter().map(|n| event(*n)).collect();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        Reply::Say(format!("{head}: beat\n\n{body}id: 9\ndata: {{\"half"))
    };
    // The second answer repeats what was told already, as a server may.
    let (server, asked) = responder(vec![stream(&[4, 5]), stream(&[5, 6, 7])]);
    let mut seen = Vec::new();
    let followed = client(server).follow(Position(3), "hire.", |event: Value| {
        seen.push(event["position"].as_str().unwrap().to_owned());
        Ok(if seen.len() == 4 { Going::Enough } else { Going::On })
    });
    followed.unwrap_or_else(|stop| panic!("{stop:?}"));
    assert_eq!(seen, ["4", "5", "6", "7"]);
    let asked: Vec<_> = asked.try_iter().collect();
    let after: Vec<_> = asked.iter().filter_map(|it| header(it, "last-event-id")).collect();
    assert_eq!(after, ["3", "5"]);
    assert!(asked[0].starts_with("GET /v1/events/stream?type=hire. "), "{}", asked[0]);
}

#[test]
fn pages_are_read_until_the_last() {
    let (server, asked) = responder(vec![
        answer("200 OK", "", r#"{"items":[{"case":"a"},{"case":"b"}],"next":"c1","position":"9"}"#),
        answer("200 OK", "", r#"{"items":[{"case":"c"}],"next":null,"position":"9"}"#),
    ]);
    let said = run(&format!("http://{server}"), None, &["-o", "json", "case", "list", "--all"]).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((said["items"].as_array().unwrap().len(), &said["position"]), (3, &json!("9")));
    let asked: Vec<_> = asked.try_iter().map(|it| it.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["GET /v1/cases?limit=200 HTTP/1.1", "GET /v1/cases?limit=200&after=c1 HTTP/1.1"]);
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_is_sent() {
    for arguments in [
        &["case", "show", "1"][..],
        &["case", "show", "00000000-0000-8000-8000-000000000001", "--as-known", "2026-11-22"],
        &["case", "show", "00000000-0000-8000-8000-000000000001", "--as-happened", "118"],
        &["timeline", "moon/1"],
        &["events", "show", "-1"],
        &["--role", "king", "events", "tail"],
        &["projection", "rebuild", "../x"],
    ] {
        let parsed = Cli::try_parse_from(["linggong"].iter().chain(arguments));
        assert_eq!(parsed.unwrap_err().exit_code(), Exit::Usage as i32, "{arguments:?}");
    }
    let (exit, said) = run("http://127.0.0.1:9", None, &["command", "hire.agreed"]).unwrap_err();
    assert_eq!((exit, said.contains("hire.register_on_site")), (Exit::NotFound, true), "{said}");
    let (exit, said) =
        run("http://127.0.0.1:9", None, &["command", "worker.arrive", "--fields", "{\"a\": 王}"])
            .unwrap_err();
    assert_eq!((exit, said.contains('王')), (Exit::Usage, false), "{said}");
}

#[test]
fn every_page_of_the_manual_and_every_shell_is_made() {
    let directory = tempfile::tempdir().unwrap();
    offline(&["man", directory.path().to_str().unwrap()]).unwrap();
    let pages = std::fs::read_dir(directory.path()).unwrap().count();
    assert!(pages > 30, "{pages}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(offline(&["completions", shell]).unwrap().contains("projection"), "{shell}");
    }
    assert!(
        offline(&["-o", "csv", "schema", "list"]).unwrap().contains("hire.agreed.v1,事件,\"dept:hrss,si\",")
    );
}

/// A server in this process, on a log of its own.
#[test]
fn a_clock_in_doubt_is_said_by_the_server_and_by_doctor() {
    let at: Timestamp = "2026-11-23T04:50:00+08:00".parse().unwrap();
    let clock = Clock::driven(at);
    let office = Office::open_by(clock.clone());
    let held = || client(office.running.address).probe("/readyz").unwrap().1["clock_held"].clone();
    assert_eq!(held(), json!(false));
    clock.set(at.plus_ms(9 * 86_400_000));
    office.running.partition.tick();
    // A question is answered after the tick, which was sent before it.
    office.runtime.block_on(office.running.partition.ask(|_, _| ())).unwrap();
    assert_eq!(held(), json!(true));
    let (_, said) = office.says("keeper1", &["doctor"]).unwrap_err();
    assert!(said.contains("clock"), "{said}");
}

struct Office {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    running: crate::serve::Running,
}

impl Office {
    fn open() -> Office {
        Office::open_by(Clock::wall())
    }

    fn open_by(clock: Clock) -> Office {
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let data = folder.path().to_owned();
        let config = Config { data, listen, segment_bytes: 1 << 20, ..Config::default() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let running =
            runtime.block_on(crate::serve::start(&config, clock, &crate::serve::Founding::staffed(&config)));
        Office {
            folder,
            runtime,
            running: running.unwrap_or_else(|error| panic!("{}", crate::chain(&error))),
        }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    /// What `linggong` says to whoever holds the token of that label.
    fn says(&self, label: &str, arguments: &[&str]) -> Said {
        let token = self.data().join(format!("tokens/{label}.token"));
        if !token.exists() {
            std::fs::write(&token, "no token at all").unwrap();
        }
        run(&format!("http://{}", self.running.address), Some(&token), arguments)
    }

    /// The line on record at a position.
    fn line(&self, position: &str) -> String {
        let log = EmbeddedLog::open_read_only(&self.data().join("log")).unwrap();
        String::from_utf8(log.reader.line(position.parse().unwrap()).unwrap().unwrap()).unwrap()
    }

    fn close_then(self, look: impl FnOnce(&Path)) {
        self.runtime.block_on(self.running.stop()).unwrap();
        look(self.folder.path());
    }
}

/// Stdout, or the exit and stderr.
type Said = Result<String, (Exit, String)>;

fn run(server: &str, token: Option<&Path>, arguments: &[&str]) -> Said {
    let token = token.map(|it| ["--token-file", it.to_str().unwrap()]);
    let before = ["linggong", "--server", server];
    let cli = Cli::try_parse_from(before.iter().chain(token.iter().flatten()).chain(arguments));
    let cli = cli.unwrap_or_else(|error| panic!("{error}"));
    let Command::Verb(verb) = &cli.command else { panic!("{arguments:?} is not for `run`") };
    said(&cli, verb)
}

fn offline(arguments: &[&str]) -> Said {
    run("http://127.0.0.1:9", None, arguments)
}

fn said(cli: &Cli, verb: &Verb) -> Said {
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let format = cli.global.output.unwrap_or(Format::Json);
    let mut out = Out::new(&mut data, &mut notes, format, cli.global.lang);
    let done = perform(&cli.global, verb, &Clock::wall(), &mut out);
    let exit = out.end(done);
    if exit == Exit::Ok {
        Ok(String::from_utf8(data).unwrap())
    } else {
        Err((exit, String::from_utf8(notes).unwrap()))
    }
}

fn client(server: SocketAddr) -> Client<'static> {
    let clock: &'static Clock =
        Box::leak(Box::new(Clock::driven(Timestamp::from_ms(1_800_000_000_000).unwrap())));
    let server = Server { url: format!("http://{server}"), token: None, role: None, lang: Lang::Zh };
    Client::new(server, clock).unwrap().first_wait(Duration::from_millis(1))
}

enum Reply {
    Say(String),
    HangUp,
}

fn answer(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    ))
}

/// Gives each connection the next reply; what was asked comes through the channel.
fn responder(replies: Vec<Reply>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = mpsc::channel();
    let _: JoinHandle<()> = std::thread::spawn(move || {
        for reply in replies {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let request = read_request(&stream);
            let _ = sender.send(request);
            if let Reply::Say(text) = reply {
                let _ = stream.write_all(text.as_bytes());
            }
        }
    });
    (address, asked)
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while reader.read_line(&mut text).is_ok_and(|read| read > 2) {}
    let length = header(&text, "content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    text + &String::from_utf8_lossy(&body)
}

fn header(request: &str, name: &str) -> Option<String> {
    let mut headers = request.lines().filter_map(|it| it.split_once(": "));
    headers.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// The schemas of the rows that the views are read as.
fn view_rows(generator: &mut SchemaGenerator) -> Vec<Value> {
    vec![
        schema::<case_history::CaseRow>(generator),
        schema::<case_history::ClaimRow>(generator),
        schema::<open_postings::PostingRow>(generator),
        schema::<hiring_ledger::HireRow>(generator),
        schema::<morning_board::QueueRow>(generator),
        schema::<morning_board::Board>(generator),
        schema::<wages::AgedWage>(generator),
        schema::<wages::EmployerArrears>(generator),
        schema::<wages::RegionArrears>(generator),
        schema::<wages::WorkerArrears>(generator),
        schema::<wages::WarningSum>(generator),
        schema::<insured::InsuredRow>(generator),
        schema::<directory::MarketRow>(generator),
    ]
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    // The subschema puts the type among the definitions, whose names are those of the codes.
    let _ = generator.subschema_for::<T>();
    T::json_schema(generator).to_value()
}

fn codes_in(schema: &Value) -> Vec<String> {
    let own = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    let mut codes: Vec<_> = own.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        codes.extend(codes_in(choice));
        // A code that holds more than its name is written as an object with that one field.
        let only = choice["properties"].as_object().filter(|it| it.len() == 1).into_iter().flatten();
        codes.extend(only.filter(|(_, it)| it.get("const").is_none()).map(|(name, _)| name.clone()));
    }
    codes
}
