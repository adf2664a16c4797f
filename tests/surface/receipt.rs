//! 登记回执: what the claimant takes along says who, what, when and where it stands, and can be checked without us.

use linggong_gateway::cli::exit::Exit;
use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

use crate::screens::shown_to;

/// A claim over a day of work that nobody paid, with one piece of evidence.
async fn claimed(server: &Server) -> String {
    let market = json!({ "name": "历下区零工市场", "region": "370102", "market_kind": "public_benefit",
                         "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
    let employer = json!({ "employer_kind": "enterprise", "region": "370102", "name": "济南<甲>建筑公司",
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
    let terms = json!({
        "employer": employer, "occupation": "bricklayer", "text": "砌墙, 管午饭", "region": "370102",
        "place": { "lat_e6": 36_670_000, "lon_e6": 117_080_000 }, "address": "经十路工地",
        "shifts": [{ "start": "2026-11-23T06:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
        "headcount": 1, "requirements": { "level": "helper", "certificates": [] }, "mode": "on_site",
        "market": market,
        "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
    });
    let struck = json!({ "terms": terms, "workers": [worker], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");
    server.time_passes_to("2026-11-25T09:00:00+08:00").await;
    server.views_catch_up().await;
    let person = server.get("clerk", &format!("/v1/workers/{worker}")).await.ok()["value"]["person"].clone();
    let filed = json!({ "at": "2026-11-25T08:30:00+08:00", "basis": "window_stamp" });
    let claim = json!({
        "worker": worker, "employer": employer,
        "about": { "on_behalf_of": { "person": person, "mandate": "in_person" }, "channel": "window", "filed": filed },
        "items": [{ "hire": hire, "amount": 28_000, "from": "2026-11-23", "until": "2026-11-23" }],
    });
    let claim = id_of(&server.command("clerk", "claim.register", claim).await.ok(), "claim");
    let digest = server.store_evidence("clerk", &format!("claim/{claim}"), "工地记工本").await;
    let added = json!({ "claim": claim, "digest": digest, "media_type": "text/plain", "bytes": 15, "label": "记工本" });
    server.command("clerk", "claim.add_evidence", added).await.ok();
    server.views_catch_up().await;
    claim
}

/// Asks for the receipt as `who`, in the form `accept`.
async fn receipt(server: &Server, who: &str, claim: &str, accept: &str) -> linggong_tests::Answer {
    let body = json!({ "purpose": "claim_handling" }).to_string();
    let path = format!("/v1/claims/{claim}/receipt");
    server.send("POST", &path, Some(&server.token(who)), &[("accept", accept)], Some(body)).await
}

async fn openings(server: &Server) -> Vec<Value> {
    server.get("privacy", "/v1/accesses").await.ok()["items"].as_array().expect("records").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_who_claims_what_when_and_where_it_stands() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let claim = claimed(&server).await;
    assert_eq!(openings(&server).await.len(), 0);
    let (exit, page) = shown_to(&server, "clerk", &["claim", "receipt", &claim, "-o", "table"]).await;
    assert_eq!(exit, Exit::Ok);
    for said in [
        "欠薪反映登记回执",
        "演示数据",
        claim.as_str(),
        "张三",
        "济南<甲>建筑公司",
        "280.00 元, 2026-11-23 – 2026-11-23",
        "提出时间: 2026-11-25 08:30:00",
        "窗口收件章",
        "记工本",
        "调解仲裁法27条2款",
        "linggong log verify",
        "不产生法律效力",
    ] {
        assert!(page.contains(said), "`{said}` is not in\n{page}");
    }
    let registered = server.get("officer", "/v1/events?type=claim.registered").await.ok();
    let position = registered["items"][0]["position"].as_str().unwrap();
    assert!(page.contains(&format!("记录号: {position}")), "{page}");
    let (_, english) =
        shown_to(&server, "clerk", &["claim", "receipt", &claim, "-o", "table", "--lang", "en"]).await;
    assert!(english.contains("Receipt of a wage claim") && english.contains("280.00 yuan"), "{english}");
    let opened = openings(&server).await;
    assert_eq!(opened.len(), 2, "each printing is on record: {opened:?}");
    assert!(opened.iter().all(|it| it.to_string().contains("claim_handling")), "{opened:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_a_browser_loads_and_runs_nothing() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let claim = claimed(&server).await;
    let page = receipt(&server, "clerk", &claim, "text/html,*/*").await.text;
    assert!(page.starts_with("<!doctype html>") && page.contains("张三"), "{page}");
    assert!(page.contains("济南&lt;甲&gt;建筑公司") && page.contains("demo data, of nobody real"), "{page}");
    for outside in ["http", "src=", "href", "<script", "url("] {
        assert!(!page.contains(outside), "{outside}: {page}");
    }
    let text = receipt(&server, "officer", &claim, "text/plain").await.text;
    assert!(text.starts_with("Receipt of a wage claim\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_checked_against_the_log_and_a_forged_one_fails() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let claim = claimed(&server).await;
    let receipt = receipt(&server, "clerk", &claim, "application/json").await.ok();
    let data = server.data().display().to_string();
    let file = server.folder.path().join("receipt.json");
    let kept = file.display().to_string();
    let verify = ["log", "verify", "--data", &data, "--against", &kept, "-o", "json"];
    std::fs::write(&file, receipt.to_string()).unwrap();
    assert_eq!(shown_to(&server, "clerk", &verify).await.0, Exit::Ok);
    // The one line on the paper is enough.
    let line =
        receipt["text"].as_str().unwrap().lines().find_map(|it| it.strip_prefix("keep as receipt.json: "));
    std::fs::write(&file, line.expect("the line to keep")).unwrap();
    assert_eq!(shown_to(&server, "clerk", &verify).await.0, Exit::Ok);
    let forged =
        json!({ "commit": receipt["commit"], "commit_digest": format!("sha256:{}", "0".repeat(64)) });
    std::fs::write(&file, forged.to_string()).unwrap();
    assert_eq!(shown_to(&server, "clerk", &verify).await.0, Exit::Integrity);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_printed_by_those_who_handle_claims_and_nobody_else() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let claim = claimed(&server).await;
    for who in ["dispatcher", "manager", "auditor", "keeper1", "gate"] {
        receipt(&server, who, &claim, "application/json").await.refused(404, "not_found");
    }
    let path = format!("/v1/claims/{claim}/receipt");
    let audit = Some(json!({ "purpose": "audit" }).to_string());
    let refused = server.send("POST", &path, Some(&server.token("clerk")), &[], audit).await;
    refused.refused(403, "opening_refused");
    assert_eq!(openings(&server).await.len(), 0, "nothing was opened");
}
