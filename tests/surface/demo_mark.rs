//! A demo log says so: every answer, every export and every screen.

use std::collections::BTreeMap;
use std::io::Read as _;

use clap::CommandFactory as _;
use linggong_gateway::cli::Cli;
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::openapi;
use linggong_gateway::serve::{self, Founding, ServeError};
use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

use crate::screens::shown_to;

/// A market, an employer, a worker, a hire: enough that most verbs have something to show.
async fn morning(server: &Server) -> BTreeMap<&'static str, String> {
    let place = json!({ "lat_e6": 36_666_000, "lon_e6": 117_077_000 });
    let market = json!({ "name": "历下区零工市场", "region": "370102", "market_kind": "public_benefit", "place": place });
    let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
    let employer = json!({ "employer_kind": "enterprise", "region": "370102", "name": "甲建筑公司",
                           "code": "91350100M000100Y43" });
    let employer = id_of(&server.command("clerk", "employer.register", employer).await.ok(), "employer");
    let document = json!({ "kind": "resident_id", "number": "11010519491231002X" });
    let worker = json!({
        "person": { "name": "张三", "document": document, "phone": "13800000000" },
        "profile": {
            "skills": [{ "occupation": "bricklayer", "level": "skilled" }], "certificates": [], "reach": 20_000,
            "expectation": 20_000, "available": [], "declines_ranking": false,
        },
    });
    let worker = id_of(&server.command("clerk", "worker.register", worker).await.ok(), "worker");
    let terms = |mode: &str| {
        json!({
            "employer": employer, "occupation": "bricklayer", "text": "砌墙, 管午饭", "region": "370102",
            "place": place, "address": "经十路工地",
            "shifts": [{ "start": "2026-11-23T06:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
            "headcount": 1, "requirements": { "level": "helper", "certificates": [] }, "mode": mode,
            "market": market,
            "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
        })
    };
    let posted = json!({ "terms": terms("dispatch") });
    let posting = id_of(&server.command("dispatcher", "posting.submit", posted).await.ok(), "posting");
    let struck = json!({ "terms": terms("on_site"), "workers": [worker], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");
    server.time_passes_to("2026-11-25T09:00:00+08:00").await;
    server.views_catch_up().await;
    let person = server.get("clerk", &format!("/v1/workers/{worker}")).await.ok()["value"]["person"].clone();
    let claim = json!({
        "worker": worker, "employer": employer,
        "items": [{ "hire": hire, "amount": 28_000, "from": "2026-11-23", "until": "2026-11-23" }],
        "about": { "channel": "window", "on_behalf_of": { "person": person, "mandate": "in_person" } },
    });
    let claim = server.command("officer", "claim.register", claim).await.ok();
    let command = claim["command"].as_str().expect("a command").to_owned();
    let claim = id_of(&claim, "claim");
    let office = server.get("auditor", "/v1/events?limit=1").await.ok()["items"][0]["data"]["office"].clone();
    let series =
        json!({ "office": office, "series": "acceptance", "year": 2026, "prefix": "鲁人社监", "next": 1 });
    server.command("lead", "office.open_series", series).await.ok();
    let accept = json!({ "claims": [claim], "track": "supervision" });
    let case = id_of(&server.command("officer", "case.accept", accept).await.ok(), "case");
    server.views_catch_up().await;
    let due = server.get("officer", "/v1/events?type=wage.presumed_due").await.ok();
    let wage = due["items"][0]["data"]["wage"].as_str().expect("a wage").to_owned();
    BTreeMap::from([
        ("markets", market),
        ("employers", employer),
        ("workers", worker),
        ("postings", posting),
        ("hires", hire),
        ("wages", wage),
        ("claims", claim),
        ("cases", case),
        ("receipts", command),
    ])
}

/// The path with its parameters filled in.
fn filled(path: &str, ids: &BTreeMap<&'static str, String>) -> String {
    let resource = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    let id = ids.get(resource).map_or("nobody", String::as_str);
    path.replace("{kind}/{id}", &format!("hire/{}", ids["hires"]))
        .replace("{market}", id)
        .replace("{command}", id)
        .replace("{id}", id)
        .replace("{position}", "2")
        .replace("/v1/schemas/{name}", "/v1/schemas/hire.agreed.v1")
        .replace("{name}", "timeline")
        .replace("{digest}", &"0".repeat(64))
        .replace("{field}", "name")
}

/// The head and, where it ends, the body of an answer.
async fn asked(
    server: &Server,
    method: &str,
    path: &str,
    who: &str,
) -> (u16, Option<String>, String, String) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.running.address))
        .header("authorization", format!("Bearer {}", server.token(who)));
    let request = request.header("content-type", "application/json");
    let request = request.body(if method == "GET" { "" } else { "{}" }).expect("a request");
    let streams = path.ends_with("/stream");
    let answered = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.run(request).expect("an answer");
        let header =
            |name: &str| response.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let (mark, form) = (header("linggong-log"), header("content-type").unwrap_or_default());
        let mut text = String::new();
        if streams {
            let mut first = [0; 26];
            response.body_mut().as_reader().read_exact(&mut first).expect("the beginning of a stream");
            text = String::from_utf8_lossy(&first).into_owned();
        } else {
            response.body_mut().as_reader().read_to_string(&mut text).expect("text");
        }
        (response.status().as_u16(), mark, form, text)
    });
    answered.await.expect("the request ends")
}

/// Documents of another form than ours, or that say it in their own words.
const NO_MEMBER: &[&str] = &["/v1/events/{position}", "/v1/openapi.json", "/v1/schemas/{name}"];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_a_demo_says_so() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let ids = morning(&server).await;
    let document = openapi::document();
    let (mut good, mut members) = (0, 0);
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let at = filled(path, &ids);
            // Nobody may read everything: of several, the first who gets an answer.
            let mut answer = asked(&server, &method.to_uppercase(), &at, "officer").await;
            for who in ["clerk", "keeper1", "privacy", "lead"] {
                assert_eq!(answer.1.as_deref(), Some("demo"), "{method} {at}");
                if answer.0 == 200 || method != "get" {
                    break;
                }
                answer = asked(&server, "GET", &at, who).await;
            }
            let (status, mark, form, text) = answer;
            assert_eq!(mark.as_deref(), Some("demo"), "{method} {at}");
            let expected = !NO_MEMBER.contains(&path.as_str());
            if method != "get" || status != 200 {
                continue;
            }
            good += 1;
            if form == "application/json" && path.starts_with("/v1/") {
                let body: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(body["demo"] == true, expected, "{at}: {text}");
                members += usize::from(expected);
            } else if form.starts_with("text/event-stream") {
                assert!(text.starts_with(": demo data"), "{text}");
            }
        }
    }
    assert!(good >= 33 && members >= 27, "{good} good answers, {members} with the member");
}

/// Verbs that show nothing of a log, or write files of their own; import, drill and backups have tests of their own.
const NOT_OF_A_LOG: &[&str] = &[
    "serve",
    "demo",
    "import",
    "drill",
    "hire scan",
    "department issue-key",
    "log repair",
    "token issue",
    "token list",
    "token revoke",
    "schema list",
    "schema show",
    "completions",
    "man",
    "evidence add",
    "backup create",
    "backup check",
    "backup restore",
    "projection rebuild",
];

/// Every verb that has no verbs below it, by its words.
fn verbs(command: &clap::Command, before: &str, found: &mut Vec<String>) {
    for sub in command.get_subcommands() {
        let name = format!("{before}{}", sub.get_name());
        if sub.has_subcommands() { verbs(sub, &format!("{name} "), found) } else { found.push(name) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_shows_a_demo_says_so_in_what_it_writes() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let ids = morning(&server).await;
    let hire = format!("hire/{}", ids["hires"]);
    let data = server.data().display().to_string();
    let id = |kind: &'static str| ids[kind].as_str();
    let accepted =
        json!({ "market": id("markets"), "market_kind": "commercial", "reason": "重新认定" }).to_string();
    let shown: &[(&str, &[&str], &str)] = &[
        ("events tail", &[], "officer"),
        ("events show", &["2"], "keeper1"),
        ("events why", &["2"], "keeper1"),
        ("timeline", &[&hire], "officer"),
        ("case show", &[id("cases")], "officer"),
        ("case history", &[id("cases")], "officer"),
        ("case list", &[], "officer"),
        ("claim show", &[id("claims")], "officer"),
        ("claim receipt", &[id("claims")], "officer"),
        ("claim list", &[], "officer"),
        ("posting show", &[id("postings")], "dispatcher"),
        ("posting list", &["--state", "open"], "dispatcher"),
        ("posting explain", &[id("postings")], "dispatcher"),
        ("hire show", &[id("hires")], "clerk"),
        ("hire cover", &[id("hires")], "clerk"),
        ("hire list", &[], "clerk"),
        ("market list", &[], "clerk"),
        ("market board", &[id("markets"), "--date", "2026-11-23"], "clerk"),
        ("wage show", &[id("wages")], "clerk"),
        ("wage list", &[], "clerk"),
        ("wage board", &[], "clerk"),
        ("log verify", &["--data", &data], "keeper1"),
        ("log head", &[], "keeper1"),
        ("log seal-day", &["--date", "2026-11-23"], "keeper1"),
        ("projection list", &[], "keeper1"),
        ("command", &["market.reclassify", "--fields", &accepted], "keeper1"),
        ("doctor", &[], "keeper1"),
    ];
    let mut all = Vec::new();
    verbs(&Cli::command(), "", &mut all);
    let listed = |it: &String| shown.iter().any(|row| row.0 == it) || NOT_OF_A_LOG.contains(&it.as_str());
    let unlisted: Vec<_> = all.iter().filter(|it| !listed(it)).collect();
    assert!(unlisted.is_empty(), "say how these are shown: {unlisted:?}");
    let marks = ["演示数据", "\"demo\":true", "\"demo\": true"];
    let here: &[&str] = &["--data", &data];
    let offline = ["log head", "log seal-day", "doctor"].map(|verb| (verb, here, "keeper1"));
    let rows = shown.iter().copied().chain(offline);
    for (verb, args, who) in rows {
        for form in ["table", "json", "ndjson", "csv"] {
            let words: Vec<&str> = verb.split(' ').chain(args.iter().copied()).chain(["-o", form]).collect();
            let (exit, text) = shown_to(&server, who, &words).await;
            // Its own machine's checks may come out bad; it still says of what.
            assert!(exit == Exit::Ok || verb == "doctor", "{words:?}: {exit:?}");
            let marked = marks.iter().any(|it| text.contains(it));
            let as_recorded =
                matches!((verb, form), ("events show", "json" | "ndjson") | ("events tail", "ndjson"));
            if as_recorded {
                assert!(
                    !marked && text.contains(r#"{"specversion":"1.0","id":"#),
                    "{words:?} changes what is on record"
                );
                continue;
            }
            // Where a list is empty a table shows nothing.
            assert!(marked || text.is_empty(), "{words:?} does not say that it is a demo:\n{text}");
            assert!(!text.is_empty() || verb == "posting list", "{words:?} shows nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_server_refuses_the_log_of_a_demo() {
    let Server { folder, running, .. } = Server::start("2026-11-23T04:50:00+08:00").await;
    running.stop().await.expect("the demo stops");
    let config = Config {
        data: folder.path().join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        segment_bytes: 1 << 20,
        ..Config::default()
    };
    let refused = serve::start(&config, Clock::wall(), &Founding::production(&config)).await;
    assert!(matches!(refused, Err(ServeError::Sort { .. })), "a demo is served as production");
}
