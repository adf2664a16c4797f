//! What the vault does for people at desks and gates, over HTTP: cards, keys, corrections, loss.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use linggong_events::time::HOUR_MS;
use linggong_gateway::clock::Clock;
use linggong_tests::{Answer, Server, binary, id_of};
use serde_json::{Value, json};

/// An early morning.
const DAWN: &str = "2026-11-23T04:50:00+08:00";

fn person(name: &str, document: &str, phone: &str) -> Value {
    json!({ "name": name, "document": { "kind": "resident_id", "number": document }, "phone": phone })
}

fn profile() -> Value {
    json!({ "skills": [{ "occupation": "loader", "level": "skilled" }], "certificates": [], "reach": 20_000,
            "expectation": 20_000, "available": [], "declines_ranking": false })
}

const DOCUMENTS: [&str; 4] =
    ["370102199003070016", "370102199003070024", "370102199003070032", "370102199003070040"];

/// A market with its gate, workers, and a household that hires.
struct Dawn {
    server: Server,
    market: String,
    /// Worker and person.
    workers: Vec<(String, String)>,
    household: (String, String),
}

impl Dawn {
    async fn breaks() -> Dawn {
        Dawn::breaks_at(DAWN).await
    }

    async fn breaks_at(now: &str) -> Dawn {
        let server = Server::start(now).await;
        let market = json!({ "name": "东站零工市场", "region": "370102", "market_kind": "public_benefit",
                             "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
        let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
        let mut workers = Vec::new();
        for (n, document) in DOCUMENTS[..3].iter().enumerate() {
            let person = person(["张三", "李四", "王五"][n], document, &format!("1390000000{n}"));
            let register = json!({ "person": person, "profile": profile() });
            let receipt = server.command("clerk", "worker.register", register).await.ok();
            workers.push((id_of(&receipt, "worker"), id_of(&receipt, "person")));
        }
        let household = json!({ "employer_kind": "household", "region": "370102",
                                "person": person("赵家", DOCUMENTS[3], "13900000009") });
        let receipt = server.command("clerk", "employer.register", household).await.ok();
        let household = (id_of(&receipt, "employer"), id_of(&receipt, "person"));
        Dawn { server, market, workers, household }
    }

    async fn issue(&self, person: &str, card: &str) -> Answer {
        let body = json!({ "person": person, "card": card });
        self.server.command("clerk", "person.issue_card", body).await
    }

    async fn arrive(&self, who: &str, card: &str) -> Answer {
        let body = json!({ "worker": { "card": card }, "market": self.market, "means": "card" });
        self.server.command(who, "worker.arrive", body).await
    }

    /// What was struck between whom the cards say.
    fn deal(&self, employer: &str, workers: &[&str]) -> Value {
        let card = |it: &&str| json!({ "card": *it });
        json!({
            "terms": {
                "employer": card(&employer), "occupation": "loader", "text": "卸一车砖, 自带手套",
                "region": "370102", "place": { "lat_e6": 36_670_000, "lon_e6": 117_080_000 }, "address": "某小区",
                "shifts": [{ "start": "2026-11-23T08:00:00+08:00", "end": "2026-11-23T12:00:00+08:00" }],
                "headcount": workers.len(), "requirements": { "level": "helper", "certificates": [] },
                "mode": "on_site", "market": self.market,
                "pay": { "pay_kind": "day", "rate": 22_000, "due": { "when": "on_completion" } },
            },
            "workers": workers.iter().map(card).collect::<Vec<_>>(),
            "insurance": "open",
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_at_the_gate_is_its_holder_and_no_other_card_is() {
    let dawn = Dawn::breaks().await;
    let (worker, holder) = &dawn.workers[0].clone();
    dawn.arrive("dispatcher", "LX-0001").await.refused(404, "card_unknown");
    dawn.issue(holder, "LX-0001").await.ok();
    dawn.issue(&dawn.workers[1].1, "lx-0001").await.refused(409, "card_taken");

    let arrived = dawn.arrive("dispatcher", " lx-0001").await.ok();
    assert_eq!(id_of(&arrived, "worker"), *worker);
    let leave = json!({ "worker": { "card": "LX-0001" }, "market": dawn.market });
    dawn.server.command("dispatcher", "worker.leave", leave).await.ok();

    // Lost: the old card is dead, the new one works, also after a start of the server.
    let replace = json!({ "person": holder, "card": "LX-0002", "replaces": "lost" });
    dawn.server.command("manager", "person.issue_card", replace).await.ok();
    dawn.arrive("dispatcher", "LX-0001").await.refused(409, "card_dead");
    let Dawn { server, market, workers, household } = dawn;
    let dawn = Dawn { server: server.restart().await, market, workers, household };
    dawn.arrive("dispatcher", "LX-0001").await.refused(409, "card_dead");
    assert_eq!(id_of(&dawn.arrive("dispatcher", "LX-0002").await.ok(), "worker"), dawn.workers[0].0);

    // The household has no worker behind its card, and nobody reads cards but desks, gates and crew leaders.
    dawn.issue(&dawn.household.1, "LX-0003").await.ok();
    let refused = dawn.arrive("dispatcher", "LX-0003").await.refused(409, "not_possible");
    assert!(refused["detail"].as_str().unwrap().contains("no worker of the register"), "{refused}");
    let end = json!({ "person": holder, "why": "returned" });
    dawn.server.command("clerk", "person.end_card", end).await.ok();
    dawn.arrive("dispatcher", "LX-0002").await.refused(409, "card_dead");
    dawn.arrive("dispatcher", "卡片").await.refused(404, "card_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_scanned_cards_are_a_deal_and_the_same_key_finds_it_again_though_the_card_is_lost_since() {
    let dawn = Dawn::breaks().await;
    for (n, (_, person)) in dawn.workers.iter().enumerate() {
        dawn.issue(person, &format!("LX-100{n}")).await.ok();
    }
    dawn.issue(&dawn.household.1, "LX-2000").await.ok();

    let key = dawn.server.running.clock.new_key();
    let deal = dawn.deal("LX-2000", &["LX-1000"]);
    let struck = |body: Value| dawn.server.command_with_key("dispatcher", "hire.register_on_site", key, body);
    let receipt = struck(deal.clone()).await.ok();
    let hire = dawn
        .server
        .get(
            "clerk",
            &format!(
                "/v1/hires/{}?at_least={}",
                id_of(&receipt, "hire"),
                receipt["position"].as_str().unwrap()
            ),
        )
        .await
        .ok();
    let found = (&hire["value"]["worker"], &hire["value"]["employer"]);
    assert_eq!(found, (&json!(dawn.workers[0].0), &json!(dawn.household.0)));

    let end = json!({ "person": dawn.workers[0].1, "why": "lost" });
    dawn.server.command("clerk", "person.end_card", end).await.ok();
    assert_eq!(struck(deal).await.ok()["command"], receipt["command"], "the first receipt");
    struck(dawn.deal("LX-2000", &["LX-1001"])).await.refused(409, "key_reused");

    // Nobody is hired by half: one dead card stops the deal.
    let deal = dawn.deal("LX-2000", &["LX-1001", "LX-1000"]);
    dawn.server.command("dispatcher", "hire.register_on_site", deal).await.refused(409, "card_dead");
    let deal = dawn.deal("LX-2000", &["LX-1001", "LX-1002"]);
    let both = dawn.server.command("dispatcher", "hire.register_on_site", deal).await.ok();
    let hired = both["events"].as_array().unwrap().iter().filter(|it| it["type"] == "hire.agreed").count();
    assert_eq!(hired, 2);
    // A worker's card is no employer's.
    let deal = dawn.deal("LX-1001", &["LX-1002"]);
    dawn.server.command("dispatcher", "hire.register_on_site", deal).await.refused(409, "not_possible");
}

/// The id of the key that seals for a person.
async fn key_of(server: &Server, person: &str) -> Value {
    let page = server.get("privacy", "/v1/events?type=person.registered&limit=200").await.ok();
    let events = page["items"].as_array().expect("a page of events");
    let event = events
        .iter()
        .find(|it| it["subject"] == format!("person/{person}"))
        .expect("the person is registered");
    event["data"]["known"]["sealed"]["name"]["key"].clone()
}

async fn open(server: &Server, who: &str, person: &str, purpose: &str) -> Answer {
    let body = json!({ "fields": ["name"], "purpose": purpose }).to_string();
    let path = format!("/v1/persons/{person}/open");
    server.send("POST", &path, Some(&server.token(who)), &[], Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_key_opens_for_whom_two_officers_agreed_on_for_a_day_and_a_shredded_one_never() {
    let dawn = Dawn::breaks().await;
    let (server, person) = (&dawn.server, dawn.workers[0].1.as_str());
    server.views_catch_up().await;
    let key = key_of(server, person).await;
    let act = |more: Value| {
        let mut body = json!({ "person": person, "key": key, "basis": "仲裁委调阅函 12 号" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    server.command("privacy", "person.set_key_state", act(json!({ "key_state": "sealed" }))).await.ok();
    open(server, "officer", person, "claim_handling").await.refused(403, "opening_refused");

    let proposed = server.command("officer", "person.key_opening.propose", act(json!({}))).await.ok();
    open(server, "officer", person, "claim_handling").await.refused(403, "opening_refused");
    let page = format!("/v1/events/{}", proposed["position"].as_str().unwrap());
    let officer = server.get("auditor", &page).await.ok()["actor"].clone();
    let confirm = act(json!({ "officer": officer }));
    server
        .command("officer", "person.key_opening.confirm", confirm.clone())
        .await
        .refused(403, "role_not_allowed");
    server.command("lead", "person.key_opening.confirm", confirm).await.ok();
    assert_eq!(open(server, "officer", person, "claim_handling").await.ok(), json!({ "name": "张三" }));
    // What was agreed on is the one officer's, and no purpose comes with it.
    open(server, "clerk", person, "desk_service").await.refused(403, "opening_refused");
    open(server, "officer2", person, "claim_handling").await.refused(403, "opening_refused");
    open(server, "officer", person, "audit").await.refused(403, "opening_refused");

    let log = server.get("privacy", "/v1/accesses").await.ok();
    let opened: Vec<&Value> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["type"] == "cn.linggong.access.opened.v1")
        .collect();
    assert_eq!(opened.len(), 1, "{log}");
    assert_eq!(opened[0]["actor"], officer);
    assert!(opened[0]["data"]["second_officer"].is_string(), "both stand on record: {log}");

    server.time_passes_to("2026-11-24T05:00:00+08:00").await;
    open(server, "officer", person, "claim_handling").await.refused(403, "opening_refused");

    // Shredded: no opening can even be asked for, and the human comes back as somebody new.
    server.command("lead", "person.set_key_state", act(json!({ "key_state": "shredded" }))).await.ok();
    server.command("officer", "person.key_opening.propose", act(json!({}))).await.refused(409, "ended");
    let server = dawn.server.restart().await;
    open(&server, "officer", &dawn.workers[0].1, "claim_handling").await.refused(403, "opening_refused");
    let again = json!({ "person": self::person("张三", DOCUMENTS[0], "13900000000"), "profile": profile() });
    let receipt = server.command("clerk", "worker.register", again).await.ok();
    assert_ne!(id_of(&receipt, "person"), dawn.workers[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_needs_a_vault_that_is_gone_says_so_and_makes_no_new_one() {
    let Dawn { server, workers, .. } = Dawn::breaks().await;
    server.views_catch_up().await;
    let (vault, backup) = (server.data().join("vault"), server.folder.path().join("backup"));
    let harm = || std::fs::rename(&vault, &backup).unwrap();
    let mend = || {
        assert!(!vault.exists(), "no new vault hides the loss");
        std::fs::rename(&backup, &vault).unwrap();
    };
    let (refused, server) = server.restart_mended(harm, mend).await;
    assert!(refused.to_string().contains("restore it from its backup"), "{refused}");
    // Put back, everything opens again.
    assert_eq!(open(&server, "clerk", &workers[0].1, "desk_service").await.ok(), json!({ "name": "张三" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_hands_a_department_its_key_and_it_is_on_record() {
    let dawn = Dawn::breaks().await;
    let server = &dawn.server;
    server.views_catch_up().await;
    let ask = |who: &'static str, department: &'static str, body: Value| {
        let path = format!("/v1/departments/{department}/key");
        async move { server.send("POST", &path, Some(&server.token(who)), &[], Some(body.to_string())).await }
    };
    for who in ["clerk", "manager", "officer", "lead", "auditor", "privacy"] {
        ask(who, "si", json!({})).await.refused(404, "not_found");
    }
    let first = ask("keeper1", "si", json!({})).await.ok();
    assert_eq!((&first["version"], first["key"].as_str().map(str::len)), (&json!(1), Some(43)));
    assert_eq!(ask("keeper2", "si", json!({})).await.ok(), first, "the same key until it is rotated");
    assert_ne!(ask("keeper1", "hrss", json!({})).await.ok()["key"], first["key"]);
    let second = ask("keeper1", "si", json!({ "rotate_from": 1 })).await.ok();
    assert_eq!(second["version"], 2);
    assert_ne!(second["key"], first["key"]);
    ask("keeper1", "si", json!({ "rotate_from": 1 })).await.refused(409, "not_possible");
    assert_eq!(ask("keeper1", "nobody", json!({})).await.status, 400);

    let log = server.get("privacy", "/v1/accesses").await.ok();
    let labels: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|it| it["data"]["label"].clone()).collect();
    let expected = ["si:1", "si:1", "hrss:1", "si:2"].map(|it| json!(format!("department_key:{it}")));
    assert_eq!(labels, expected, "{log}");

    // The next worker's tokens say which key made them.
    let register =
        json!({ "person": person("孙六", "370102199003070059", "13900000008"), "profile": profile() });
    server.command("clerk", "worker.register", register).await.ok();
    let page = server.get("auditor", "/v1/events?type=worker.registered&limit=200").await.ok();
    let tokens = |it: &Value| it["data"]["person_tokens"]["si"].as_str().unwrap().to_owned();
    let (old, new) = (tokens(&page["items"][0]), tokens(page["items"].as_array().unwrap().last().unwrap()));
    assert!(old.starts_with("hmac-sha256:") && new.starts_with("k2:hmac-sha256:"), "{old} {new}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_wrongly_is_told_anew_and_the_old_stays_on_record() {
    let dawn = Dawn::breaks().await;
    let (server, (worker, holder)) = (&dawn.server, dawn.workers[0].clone());
    let revise = |revision: Value| {
        let mut body = json!({ "revision": { "person": holder }, "reason": "mistaken" });
        body["revision"].as_object_mut().unwrap().extend(revision.as_object().unwrap().clone());
        server.command("clerk", "person.revise", body)
    };
    let told = revise(json!({ "name": "章三", "phone": "13900000077" })).await.ok();
    server.views_catch_up().await;
    assert_eq!(open(server, "clerk", &holder, "desk_service").await.ok(), json!({ "name": "章三" }));
    let registered = server.get("privacy", "/v1/events?type=person.registered&limit=200").await.ok();
    let first = &registered["items"][0];
    let revised =
        server.get("auditor", &format!("/v1/events/{}", told["position"].as_str().unwrap())).await.ok();
    assert_eq!((&revised["data"]["corrects"], &revised["subject"]), (&first["id"], &first["subject"]));
    assert_eq!(revised["data"]["revision"].get("document"), None, "the document stays");

    // Another document: new tokens and age from now on; the old number is nobody's.
    let document = |number: &str| json!({ "document": { "kind": "resident_id", "number": number } });
    revise(document("370102199003070059")).await.ok();
    server.views_catch_up().await;
    assert_eq!(open(server, "clerk", &holder, "desk_service").await.ok(), json!({ "name": "章三" }));
    let register = json!({ "person": person("张三", DOCUMENTS[0], "13900000066"), "profile": profile() });
    let stranger = id_of(&server.command("clerk", "worker.register", register.clone()).await.ok(), "person");
    assert_ne!(stranger, holder);
    let same = json!({ "person": person("章三", "370102199003070059", "13900000077"), "profile": profile() });
    let refused = server.command("clerk", "worker.register", same).await.refused(409, "exists");
    assert!(refused.to_string().contains(&worker), "{refused}");

    // Refused: the index holds nothing of it, under whatever key it came.
    let elsewhere = json!({ "revision": { "person": holder, "phone": "13900000088",
                                          "document": { "kind": "resident_id", "number": "370102199003070067" } },
                            "reason": "mistaken" });
    let key = server.running.clock.new_key();
    let telling = |body: Value| server.command_with_key("clerk", "person.revise", key, body);
    let mut right = elsewhere.clone();
    right["revision"] = json!({ "person": holder, "address": "幸福巷七号" });
    let receipt = telling(right.clone()).await.ok();
    telling(elsewhere).await.refused(409, "key_reused");
    assert_eq!(telling(right).await.ok()["command"], receipt["command"]);
    let other =
        json!({ "person": person("钱七", "370102199003070067", "13900000088"), "profile": profile() });
    let other = id_of(&server.command("clerk", "worker.register", other).await.ok(), "person");
    assert_ne!(other, holder, "what was refused is nobody's");

    // A number that is somebody else's: both stay, and somebody decides.
    let told = revise(document(DOCUMENTS[1])).await.ok();
    let types: Vec<_> = told["events"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(types, ["person.revised", "person.duplicate_suspected"]);
    revise(json!({})).await.refused(422, "bad_field");
    let bad = revise(document("370102199003070058")).await;
    assert!(bad.status == 422 && !bad.text.contains("370102199003070058"), "{}", bad.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_decided_and_the_vault_was_never_told_is_made_good_at_the_next_start() {
    let Dawn { server, market, workers, household } = Dawn::breaks().await;
    let vault = server.data().join("vault");
    let (index, keys) = (vault.join("index.log"), vault.join("keys.log"));
    let document = "370102199003070059";
    let revision =
        json!({ "person": workers[1].1, "document": { "kind": "resident_id", "number": document } });
    let body = json!({ "revision": revision, "reason": "mistaken" });
    server.command("clerk", "person.revise", body).await.ok();
    // The record by which the vault was told is half written, and nothing after it.
    let mut old_index = std::fs::read(&index).unwrap();
    old_index.pop();
    let old_keys = std::fs::read(&keys).unwrap();

    let dawn = Dawn { server, market, workers, household };
    dawn.issue(&dawn.workers[0].1, "LX-0001").await.ok();
    let replace = json!({ "person": dawn.workers[0].1, "card": "LX-0002", "replaces": "lost" });
    dawn.server.command("clerk", "person.issue_card", replace).await.ok();
    dawn.server.views_catch_up().await;
    let sealed = &dawn.workers[2].1;
    let body = json!({ "person": sealed, "key": key_of(&dawn.server, sealed).await, "key_state": "sealed",
                       "basis": "停止处理" });
    dawn.server.command("privacy", "person.set_key_state", body).await.ok();

    let Dawn { server, market, workers, household } = dawn;
    let crashed = || {
        std::fs::write(&index, &old_index).unwrap();
        std::fs::write(&keys, &old_keys).unwrap();
    };
    let server = server.restart_after(crashed).await;
    let dawn = Dawn { server, market, workers, household };
    dawn.arrive("dispatcher", "LX-0001").await.refused(409, "card_dead");
    assert_eq!(id_of(&dawn.arrive("dispatcher", "LX-0002").await.ok(), "worker"), dawn.workers[0].0);
    let same = json!({ "person": person("李四", document, "13900000001"), "profile": profile() });
    let refused = dawn.server.command("clerk", "worker.register", same).await.refused(409, "exists");
    assert!(refused.to_string().contains(&dawn.workers[1].0), "{refused}");
    dawn.server.views_catch_up().await;
    open(&dawn.server, "clerk", &dawn.workers[2].1, "desk_service").await.refused(403, "opening_refused");
}

/// Runs the binary as `who`, who types `keys`.
async fn typed(server: &Server, who: &str, args: &[&str], keys: &'static str) -> Output {
    let mut verb = Command::new(binary());
    verb.args(["--server", &format!("http://{}", server.running.address), "-o", "json"]).args(args);
    verb.env("LINGGONG_TOKEN", server.token(who)).stdin(Stdio::piped());
    let run = tokio::task::spawn_blocking(move || {
        let mut verb = verb.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        verb.stdin.take().expect("a keyboard").write_all(keys.as_bytes()).expect("it reads");
        verb.wait_with_output().expect("it ends")
    });
    run.await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_typed_by_a_scanner_strike_a_deal_on_the_spot() {
    // The binary goes by its own clock.
    let now = Clock::wall().now();
    let dawn = Dawn::breaks_at(&now.to_string()).await;
    let server = &dawn.server;
    for (person, card) in
        [(&dawn.household.1, "LX-0009"), (&dawn.workers[0].1, "LX-0001"), (&dawn.workers[1].1, "LX-0002")]
    {
        dawn.issue(person, card).await.ok();
    }
    let mut ready = dawn.deal("", &[]);
    ready.as_object_mut().unwrap().remove("workers");
    for taken_from_cards in ["employer", "headcount"] {
        ready["terms"].as_object_mut().unwrap().remove(taken_from_cards);
    }
    let hour = now.plus_ms(-now.ms().rem_euclid(HOUR_MS));
    let at = |hours: i64| hour.plus_ms(hours * HOUR_MS).to_string();
    ready["terms"]["shifts"] = json!([{ "start": at(1), "end": at(4) }]);
    let file = server.folder.path().join("terms.json");
    std::fs::write(&file, ready.to_string()).unwrap();
    let scan = ["hire", "scan", "--terms", file.to_str().unwrap()];

    // One of two workers holds the card to the reader twice.
    let run = typed(server, "dispatcher", &scan, "LX-0009\nlx-0001\nLX-0002\nLX-0002\n\n").await;
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    assert!(!told.contains("LX-00"), "no card leaves the desk: {told}");
    server.views_catch_up().await;
    let hires = server.get("dispatcher", "/v1/hires").await.ok();
    let hires = hires["items"].as_array().unwrap();
    let mut hired: Vec<_> = hires.iter().map(|it| it["worker"].as_str().unwrap()).collect();
    hired.sort_unstable();
    let mut expected: Vec<_> = dawn.workers[..2].iter().map(|it| it.0.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(hired, expected);
    assert!(hires.iter().all(|it| it["employer"] == dawn.household.0.as_str()), "{hires:#?}");

    let unknown = typed(server, "dispatcher", &scan, "LX-0009\nLX-7777\n").await;
    let told = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!((unknown.status.code(), told.contains("(card_unknown)")), (Some(3), true), "{told}");
    let nobody = typed(server, "dispatcher", &scan, "LX-0009\n\n").await;
    assert_eq!(nobody.status.code(), Some(2), "{}", String::from_utf8_lossy(&nobody.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_department_goes_to_a_file_that_nobody_else_reads_and_never_over_another() {
    let server = Server::start(&Clock::wall().now().to_string()).await;
    let file = server.folder.path().join("si.key");
    let issue = ["department", "issue-key", "si", "--out", file.to_str().unwrap()];
    let refused = typed(&server, "clerk", &issue, "").await;
    assert!(!refused.status.success() && !file.exists(), "nothing is left of what was refused");

    let run = typed(&server, "keeper1", &issue, "").await;
    let (told, noted) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{noted}");
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!((key.len(), std::fs::metadata(&file).unwrap().permissions().mode() & 0o777), (43, 0o600));
    assert!(!told.contains(&key) && !noted.contains(&key), "the key stands in the file alone");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["department"], &told["version"]), (&json!("si"), &json!(1)));

    assert!(!typed(&server, "keeper1", &issue, "").await.status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key, "a file that is there stays as it is");
}
