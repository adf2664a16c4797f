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
