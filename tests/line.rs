//! The first line, over HTTP on the embedded log: post, match, hire, work, wage, claim, case.

use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

/// Registers a market, an enterprise and a worker who lays bricks; returns their ids.
async fn registers(server: &Server) -> (String, String, String) {
    let market = json!({ "name": "历下区零工市场", "region": "370102", "market_kind": "public_benefit",
                         "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    let market = server.command("manager", "market.register", market).await.ok();
    let employer = json!({ "employer_kind": "enterprise", "region": "370102", "name": "济南某建筑有限公司",
                           "code": "91350100M000100Y43" });
    let employer = server.command("clerk", "employer.register", employer).await.ok();
    let worker = worker(server, "11010519491231002X", "bricklayer").await;
    (id_of(&market, "market"), id_of(&employer, "employer"), worker)
}

async fn worker(server: &Server, document: &str, occupation: &str) -> String {
    let worker = json!({
        "person": { "name": "张三", "document": { "kind": "resident_id", "number": document }, "phone": "13800000000" },
        "profile": {
            "skills": [{ "occupation": occupation, "level": "skilled" }], "certificates": [], "reach": 20_000,
            "expectation": 20_000, "available": [], "declines_ranking": false,
        },
    });
    id_of(&server.command("clerk", "worker.register", worker).await.ok(), "worker")
}

fn terms(employer: &str, market: &str, mode: &str, headcount: u16) -> Value {
    json!({
        "employer": employer, "occupation": "bricklayer", "text": "砌墙, 管午饭", "region": "370102",
        "place": { "lat_e6": 36_670_000, "lon_e6": 117_080_000 }, "address": "经十路工地",
        "shifts": [{ "start": "2026-11-23T06:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
        "headcount": headcount, "requirements": { "level": "helper", "certificates": [] }, "mode": mode,
        "market": market,
        "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posting_is_matched_accepted_and_hired() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, employer, worker) = registers(&server).await;
    let arrive = json!({ "worker": worker, "market": market, "means": "card" });
    server.command("gate", "worker.arrive", arrive).await.ok();

    let posted = server
        .command("dispatcher", "posting.submit", json!({ "terms": terms(&employer, &market, "dispatch", 1) }))
        .await
        .ok();
    let types: Vec<_> =
        posted["events"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["posting.published", "match.reasoned", "offer.made"], "matched in the same commit");

    let offer = id_of(&posted, "offer");
    let accepted = server.command("dispatcher", "offer.accept", json!({ "offer": offer })).await.ok();
    let hire = id_of(&accepted, "hire");
    let position = accepted["position"].as_str().unwrap();
    let row = server.get("clerk", &format!("/v1/hires/{hire}?at_least={position}")).await.ok();
    assert_eq!(row["value"]["state"], "agreed");
    assert_eq!(row["value"]["pay"]["rate"], 28_000);

    let again = server.command("dispatcher", "offer.accept", json!({ "offer": offer })).await;
    again.refused(409, "ended");
    let board =
        server.get("dispatcher", &format!("/v1/markets/{market}/board?at_least={position}")).await.ok();
    assert_eq!(board["board"]["counts"]["hired"], 1, "{board}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_receipt_also_after_a_restart() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let key = server.running.clock.new_key();
    let body = json!({ "employer_kind": "enterprise", "region": "370102", "name": "甲", "code": "91350100M000100Y43" });
    let first = server.command_with_key("clerk", "employer.register", key, body.clone()).await.ok();
    assert_eq!(server.command_with_key("clerk", "employer.register", key, body.clone()).await.ok(), first);
    let server = server.restart().await;
    assert_eq!(server.command_with_key("clerk", "employer.register", key, body.clone()).await.ok(), first);
    let mut other = body;
    other["name"] = json!("乙");
    server.command_with_key("clerk", "employer.register", key, other).await.refused(409, "key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hire_of_three_days_is_listed_on_each_of_them_and_once_where_no_day_is_asked_for() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, employer, worker) = registers(&server).await;
    let arrive = json!({ "worker": worker, "market": market, "means": "card" });
    server.command("gate", "worker.arrive", arrive).await.ok();
    let mut terms = terms(&employer, &market, "on_site", 1);
    let days = ["2026-11-23", "2026-11-24", "2026-11-26"];
    let shift = |day: &str| json!({ "start": format!("{day}T06:00:00+08:00"), "end": format!("{day}T16:00:00+08:00") });
    terms["shifts"] = days.iter().copied().map(shift).collect();
    let struck = json!({ "terms": terms, "workers": [worker], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");
    server.views_catch_up().await;
    let listed = async |query: &str| {
        let answer = server.get("clerk", &format!("/v1/hires{query}")).await.ok();
        let rows = answer["items"].as_array().unwrap().clone();
        rows.into_iter().map(|it| it["hire"].clone()).collect::<Vec<Value>>()
    };
    for day in days {
        assert_eq!(listed(&format!("?date={day}")).await, [json!(hire)], "{day}");
        assert_eq!(listed(&format!("?date={day}&worker={worker}")).await, [json!(hire)], "{day}");
        assert_eq!(listed(&format!("?date={day}&employer={employer}")).await, [json!(hire)], "{day}");
    }
    assert_eq!(listed("?date=2026-11-25").await, [json!(null); 0]);
    assert_eq!(listed("").await, [json!(hire)]);
    let row = server.get("clerk", &format!("/v1/hires/{hire}")).await.ok();
    assert_eq!((&row["value"]["headcount"], &row["value"]["market"]), (&json!(1), &json!(market)));
    assert_eq!(row["value"]["place"], terms["place"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_on_a_second_sheet_is_the_employer_of_the_first() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    // Two sheets say it in their own words; the document is the same, so the vault knows the person again.
    let named = |name: &str, phone: &str| {
        let document = json!({ "kind": "resident_id", "number": "11010519491231002X" });
        json!({ "employer_kind": "household", "region": "370102",
                "person": { "name": name, "document": document, "phone": phone } })
    };
    let first = server.command("clerk", "employer.register", named("李四", "13800000001")).await.ok();
    let second = server.command("clerk", "employer.register", named("李 四", "13900000002")).await;
    let refused = second.refused(409, "exists");
    assert_eq!(refused["entity"], format!("employer/{}", id_of(&first, "employer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posting_that_bars_women_is_blocked_and_the_corrected_text_passes() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, employer, _) = registers(&server).await;
    let mut terms = terms(&employer, &market, "dispatch", 1);
    terms["text"] = json!("砌墙, 限男工, 管午饭");
    let refused = server.command("dispatcher", "posting.submit", json!({ "terms": terms })).await;
    let refused = refused.refused(422, "posting_blocked");
    assert_eq!(refused["findings"][0]["rule"], "sex.limit");
    terms["text"] = refused["corrected"].clone();
    server.command("dispatcher", "posting.submit", json!({ "terms": terms })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wage_not_paid_becomes_a_claim_a_case_and_is_settled() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, employer, worker) = registers(&server).await;
    server
        .command("gate", "worker.arrive", json!({ "worker": worker, "market": market, "means": "card" }))
        .await
        .ok();
    let terms = terms(&employer, &market, "on_site", 1);
    let struck = json!({ "terms": terms, "workers": [worker], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");

    // Nobody signs out: at noon of the next day the wage is presumed due, and the day's end makes it overdue.
    server.time_passes_to("2026-11-25T00:30:00+08:00").await;
    let known = server.get("officer", "/v1/events?type=wage.&limit=10&after=20").await.ok();
    let events = known["items"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["cn.linggong.wage.presumed_due.v1", "cn.linggong.wage.overdue.v1"]);
    assert_eq!(events[0]["data"]["amount"], 28_000);
    assert_eq!(events[0]["actor"], "00000000-0000-0000-0000-000000000000", "time alone made it true");
    let wage = events[0]["data"]["wage"].as_str().unwrap().to_owned();

    let person = server.get("clerk", &format!("/v1/workers/{worker}")).await.ok()["value"]["person"].clone();
    let claim = json!({
        "worker": worker, "employer": employer, "about": { "on_behalf_of": { "person": person, "mandate": "in_person" }, "channel": "window" },
        "items": [{ "wage": wage, "hire": hire, "amount": 28_000, "from": "2026-11-23", "until": "2026-11-23" }],
        "statement": { "person": person, "text": "干了一天, 老板说没钱" },
    });
    let registered = server.command("clerk", "claim.register", claim).await.ok();
    let claim = id_of(&registered, "claim");
    let office = server.get("auditor", "/v1/events?limit=1").await.ok()["items"][0]["data"]["office"].clone();
    let series = |series: &str| json!({ "office": office, "series": series, "year": 2026, "prefix": "鲁人社监", "next": 1 });
    server.command("lead", "office.open_series", series("acceptance")).await.ok();
    server.command("lead", "office.open_series", series("filing")).await.ok();

    let accepted = server
        .command("officer", "case.accept", json!({ "claims": [claim], "track": "supervision" }))
        .await
        .ok();
    let case = id_of(&accepted, "case");
    let propose = json!({ "case": case, "reason": "欠付事实清楚" });
    server.command("officer", "case.file.propose", propose).await.ok();
    let confirm = json!({ "case": case });
    server
        .command("officer", "case.file.confirm", confirm.clone())
        .await
        .refused(403, "second_officer_needed");
    server.command("lead", "case.file.confirm", confirm).await.ok();

    let proof = server.store_evidence("clerk", &format!("wage/{wage}"), "今收到工钱贰佰捌拾元整").await;
    let paid = json!({ "wage": wage, "amount": 28_000, "means": "cash", "at": "2026-11-25T00:20:00+08:00", "evidence": proof });
    let paid = server.command("clerk", "wage.record_payment", paid).await.ok();
    let types: Vec<_> =
        paid["events"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["wage.paid", "claim.amount_changed", "case.payment_seen"],
        "claim and case see the money at once"
    );
    let close = json!({ "case": case, "conclusion": "paid", "reason": "已足额支付" });
    let closed = server.command("officer", "case.close", close).await.ok();

    let position = closed["position"].as_str().unwrap();
    let history = server.get("officer", &format!("/v1/cases/{case}?at_least={position}")).await.ok();
    assert_eq!(history["value"]["case"]["outstanding"], 0, "{history}");
    assert_eq!(history["value"]["case"]["conclusion"], "paid");
    // As it was known when the case was accepted, nothing was paid yet.
    let then = accepted["position"].as_str().unwrap();
    let history = server.get("officer", &format!("/v1/cases/{case}?as_known={then}")).await.ok();
    assert_eq!(history["value"]["case"]["outstanding"], 28_000, "{history}");
    server.get("dispatcher", &format!("/v1/cases/{case}")).await.refused(404, "not_found");

    let timeline = server.get("auditor", &format!("/v1/timelines/wage/{wage}")).await.ok();
    assert_eq!(
        timeline["items"].as_array().unwrap().len(),
        5,
        "due, overdue, claimed, paid, seen: {timeline}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_name_opens_for_a_purpose_until_its_key_is_shredded() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let registered = worker(&server, "11010519491231002X", "loader").await;
    server.views_catch_up().await;
    let person =
        server.get("clerk", &format!("/v1/workers/{registered}")).await.ok()["value"]["person"].clone();
    let (token, path) = (server.token("clerk"), format!("/v1/persons/{}/open", person.as_str().unwrap()));
    let asked = json!({ "fields": ["name"], "purpose": "desk_service" }).to_string();
    let opened = server.send("POST", &path, Some(&token), &[], Some(asked.clone())).await.ok();
    assert_eq!(opened["name"], "张三");
    let log = server.get("privacy", "/v1/accesses").await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "the opening is on record: {log}");

    let event = server.get("privacy", "/v1/events?type=person.registered").await.ok();
    let key = event["items"][0]["data"]["known"]["sealed"]["name"]["key"].clone();
    let shred = |person: &Value, key: &Value| json!({ "person": person, "key": key, "key_state": "shredded", "basis": "本人申请, 期限已满" });
    let foreign = json!("00000000-0000-8000-8000-000000000001");
    server
        .command("privacy", "person.set_key_state", shred(&person, &foreign))
        .await
        .refused(422, "bad_field");
    server
        .command("privacy", "person.set_key_state", shred(&person, &key))
        .await
        .refused(409, "not_possible");
    let mut seal = shred(&person, &key);
    seal["key_state"] = json!("sealed");
    server.command("privacy", "person.set_key_state", seal).await.ok();
    let answer = server.send("POST", &path, Some(&token), &[], Some(asked.clone())).await;
    assert_eq!(answer.status, 403, "storage only: {}", answer.text);
    server
        .command("privacy", "person.set_key_state", shred(&person, &key))
        .await
        .refused(403, "second_officer_needed");
    server.command("lead", "person.set_key_state", shred(&person, &key)).await.ok();
    let answer = server.send("POST", &path, Some(&token), &[], Some(asked.clone())).await;
    assert_eq!((answer.status, answer.text.contains("张三")), (403, false), "{}", answer.text);
    let server = server.restart().await;
    let answer = server.send("POST", &path, Some(&server.token("clerk")), &[], Some(asked)).await;
    assert_eq!(answer.status, 403, "shredded stays shredded: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_versions_says_what_changed_and_by_whom() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, ..) = registers(&server).await;
    let change = |kind: &str, version: u64| json!({ "market": market, "market_kind": kind, "reason": "重新认定", "about": { "if_version": version.to_string() } });
    server.command("keeper1", "market.reclassify", change("commercial", 1)).await.ok();
    server.views_catch_up().await;
    let conflict = server.command("keeper2", "market.reclassify", change("spontaneous", 1)).await;
    let conflict = conflict.refused(409, "version_conflict");
    assert_eq!(conflict["actual"], "2");
    assert_eq!(conflict["changed"][0]["type"], "market.reclassified.v1", "{conflict}");
    assert_eq!(conflict["changed"][0]["role"], "keeper");
    server.command("keeper2", "market.reclassify", change("spontaneous", 2)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_lies_in_the_vault_before_a_command_names_it() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let (market, employer, worker) = registers(&server).await;
    let struck =
        json!({ "terms": terms(&employer, &market, "on_site", 1), "workers": [worker], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");
    let position = |server: &Server| server.running.partition.head.borrow().position;
    let signed = |document: &str| json!({ "hire": hire, "template": "零工用工协议", "document": document });

    let (nothing, before) = (format!("sha256:{}", "0".repeat(64)), position(&server));
    let refused = server.command("clerk", "hire.sign_agreement", signed(&nothing)).await;
    assert_eq!(refused.refused(422, "evidence_unknown")["digest"], nothing, "it says what is missing");
    assert_eq!(position(&server), before, "nothing is recorded");

    let paper = server.store_evidence("clerk", &format!("hire/{hire}"), "双方自愿, 日工资贰佰捌拾元").await;
    let server = server.restart().await;
    let key = server.running.clock.new_key();
    let first = server.command_with_key("clerk", "hire.sign_agreement", key, signed(&paper)).await.ok();
    assert_eq!(first["events"][0]["type"], "hire.agreement_signed", "a restart keeps the paper");

    // The paper is lost: nothing new can rest on it, and what rested on it stays as it was answered.
    let name = paper.trim_start_matches("sha256:").to_owned();
    std::fs::remove_file(server.data().join("vault/evidence").join(&name[..2]).join(&name)).unwrap();
    let again = server.command_with_key("clerk", "hire.sign_agreement", key, signed(&paper)).await.ok();
    assert_eq!(again, first);
    server.command("clerk", "hire.sign_agreement", signed(&paper)).await.refused(422, "evidence_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_is_stored_before_its_rows_are_told_of() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let sheet = "姓名,电话\n张三,13800000000\n";
    let digest = linggong_events::commit::Digest::of(sheet.as_bytes()).to_string();
    let row = |source: &str| {
        json!({ "employer_kind": "enterprise", "region": "370102", "name": "甲",
        "code": "91350100M000100Y43", "about": { "channel": "import", "source_doc": format!("{source}#csv!2") } })
    };
    server.command("clerk", "employer.register", row("昨天的表")).await.refused(422, "bad_field");
    let refused = server.command("clerk", "employer.register", row(&digest)).await;
    assert_eq!(refused.refused(422, "evidence_unknown")["digest"], digest);

    let put = async |body: &str| {
        let (token, kind) = (server.token("clerk"), [("content-type", "text/csv")]);
        server.send("PUT", &format!("/v1/sources/{digest}"), Some(&token), &kind, Some(body.to_owned())).await
    };
    put("姓名,电话\n").await.refused(422, "evidence_refused");
    let stored = put(sheet).await.ok();
    assert_eq!(stored["digest"], digest, "a row names the file by the hash of its own bytes");
    assert_eq!(put(sheet).await.ok()["evidence"], stored["evidence"], "stored once");
    server.command("clerk", "employer.register", row(&digest)).await.ok();
    let stored_file = std::fs::read_dir(server.data().join("vault/evidence")).unwrap().count();
    assert_eq!(stored_file, 1);
}
