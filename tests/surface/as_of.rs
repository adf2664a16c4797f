//! One thing as it was known, and as it had happened: a correction filed later changes the one and not the other.

use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

const KNOWN: &str = "as_known=2026-11-23T05:30:00%2B08:00";
const HAPPENED: &str = "as_happened=2026-11-23T05:30:00%2B08:00";

/// A market, an enterprise, a bricklayer who came, and a posting for carpenters, all before half past five.
struct Morning {
    server: Server,
    employer: String,
    worker: String,
    posting: String,
    hire: String,
}

async fn morning() -> Morning {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let market = json!({ "name": "历下区零工市场", "region": "370102", "market_kind": "public_benefit",
                         "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
    let registered = server.command("clerk", "employer.register", details("甲建筑公司")).await.ok();
    let employer = id_of(&registered, "employer");
    let worker = register(&server, "11010519491231002X", "张三").await;
    let other = register(&server, "440524188001010014", "李四").await;
    let arrive = json!({ "worker": worker, "market": market, "means": "card" });
    server.command("gate", "worker.arrive", arrive).await.ok();
    let terms = |occupation: &str, mode: &str| {
        json!({
            "employer": employer, "occupation": occupation, "text": "支模板, 管午饭", "region": "370102",
            "place": { "lat_e6": 36_670_000, "lon_e6": 117_080_000 }, "address": "经十路工地",
            "shifts": [{ "start": "2026-11-23T08:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
            "headcount": 1, "requirements": { "level": "helper", "certificates": [] }, "mode": mode,
            "market": market,
            "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
        })
    };
    let posted = json!({ "terms": terms("carpenter", "dispatch") });
    let posting = id_of(&server.command("dispatcher", "posting.submit", posted).await.ok(), "posting");
    let struck = json!({ "terms": terms("bricklayer", "on_site"), "workers": [other], "insurance": "open" });
    let hire = id_of(&server.command("dispatcher", "hire.register_on_site", struck).await.ok(), "hire");
    server.time_passes_to("2026-11-23T06:00:00+08:00").await;
    Morning { server, employer, worker, posting, hire }
}

fn details(name: &str) -> Value {
    json!({ "employer_kind": "enterprise", "region": "370102", "name": name, "code": "91350100M000100Y43" })
}

fn profile(occupations: &[&str]) -> Value {
    let skills: Vec<_> =
        occupations.iter().map(|it| json!({ "occupation": it, "level": "skilled" })).collect();
    json!({ "skills": skills, "certificates": [], "reach": 20_000, "expectation": 20_000, "available": [],
            "declines_ranking": false })
}

async fn register(server: &Server, document: &str, name: &str) -> String {
    let document = json!({ "kind": "resident_id", "number": document });
    let person = json!({ "name": name, "document": document, "phone": "13800000000" });
    let worker = json!({ "person": person, "profile": profile(&["bricklayer"]) });
    id_of(&server.command("clerk", "worker.register", worker).await.ok(), "worker")
}

/// Told at six, so at ten past five.
async fn filed_late(server: &Server, name: &str, mut body: Value) {
    body["about"] = json!({ "occurred_at": "2026-11-23T05:10:00+08:00", "channel": "window" });
    server.command("clerk", name, body).await.ok();
    server.views_catch_up().await;
}

/// What stands at `pointer` now, as it was known by half past five, and as it had happened by then.
async fn on_three_axes(server: &Server, path: &str, pointer: &str) -> [Value; 3] {
    let and = if path.contains('?') { '&' } else { '?' };
    let mut found = [Value::Null, Value::Null, Value::Null];
    let paths = [path.to_owned(), format!("{path}{and}{KNOWN}"), format!("{path}{and}{HAPPENED}")];
    for (found, path) in found.iter_mut().zip(paths) {
        let answer = server.get("clerk", &path).await.ok();
        *found = answer.pointer(pointer).cloned().unwrap_or_default();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employer_renamed_and_told_late_was_known_by_the_old_name() {
    let Morning { server, employer, .. } = morning().await;
    let change = json!({ "employer": employer, "details": details("乙建筑公司") });
    filed_late(&server, "employer.change", change).await;
    let names = on_three_axes(&server, &format!("/v1/employers/{employer}"), "/value/details/name").await;
    assert_eq!(names, ["乙建筑公司", "甲建筑公司", "乙建筑公司"]);
    let early = format!("/v1/employers/{employer}?as_known=2026-11-23T04:00:00%2B08:00");
    server.get("clerk", &early).await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_told_late_was_not_known_and_explains_what_was_not_proposed() {
    let Morning { server, worker, posting, .. } = morning().await;
    let change = json!({ "worker": worker, "profile": profile(&["bricklayer", "carpenter"]) });
    let explain = format!("/v1/postings/{posting}/explain?worker={worker}");
    filed_late(&server, "worker.change_profile", change).await;
    let skills = on_three_axes(&server, &format!("/v1/workers/{worker}"), "/value/profile/skills").await;
    assert_eq!(skills.map(|it| it.as_array().map(Vec::len)), [Some(2), Some(1), Some(2)]);
    let [now, known, happened] = on_three_axes(&server, &explain, "/excluded").await;
    assert_eq!([known, happened, now], [json!("skill"), Value::Null, Value::Null]);
    let scores = on_three_axes(&server, &explain, "/score").await;
    assert!(scores[2].as_i64().unwrap() > 0, "{scores:?}");
    // Without a worker: what the last run by then had counted, on record.
    let all = format!("/v1/postings/{posting}/explain?{KNOWN}");
    let counted = server.get("clerk", &all).await.ok();
    assert_eq!(counted["considered"], 2, "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cover_applied_for_and_told_late_was_not_known() {
    let Morning { server, hire, .. } = morning().await;
    let applied = json!({ "hire": hire, "insurer": "某保险", "product": "日结意外险", "premium": 300, "payer": "employer" });
    filed_late(&server, "insurance.apply", applied).await;
    let standings = on_three_axes(&server, &format!("/v1/hires/{hire}/cover"), "/value/standing").await;
    assert_eq!(standings, ["applied", "none", "applied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterday_s_arrival_told_today_is_of_yesterday_and_was_not_known() {
    let Morning { server, worker, .. } = morning().await;
    let market = server.get("clerk", "/v1/markets").await.ok()["items"][0]["market"].clone();
    let mut told = json!({ "worker": worker, "market": market, "means": "desk" });
    told["about"] = json!({ "occurred_at": "2026-11-22T05:40:00+08:00", "channel": "window" });
    server.command("clerk", "worker.arrive", told).await.ok();
    server.views_catch_up().await;
    let board = format!("/v1/markets/{}/board", market.as_str().unwrap());
    for (date, counts) in [("2026-11-22", [1, 0, 1]), ("2026-11-23", [1, 1, 0])] {
        let found = server.get("clerk", &format!("{board}?date={date}")).await.ok();
        let of = ["came", "present", "went_home_unhired"].map(|it| found["board"]["counts"][it].as_i64());
        assert_eq!(of, counts.map(Some), "{date}");
    }
    let timeline = format!("/v1/timelines/worker/{worker}");
    let arrivals = async |and: &str| {
        let found = server.get("clerk", &format!("{timeline}?{and}")).await.ok().to_string();
        found.matches("cn.linggong.worker.arrived").count()
    };
    assert_eq!([arrivals("limit=50").await, arrivals(KNOWN).await, arrivals(HAPPENED).await], [2, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_without_an_axis_or_of_a_list_is_refused_and_says_why() {
    let Morning { server, employer, worker, posting, hire } = morning().await;
    let things = [
        format!("/v1/employers/{employer}?"),
        format!("/v1/workers/{worker}?"),
        format!("/v1/postings/{posting}/explain?"),
        format!("/v1/postings/{posting}/explain?worker={worker}&"),
        format!("/v1/hires/{hire}/cover?"),
    ];
    for thing in &things {
        for moment in ["as_of=2026-11-23", "as_known=2026-11-23", "as_happened=2026-11-23"] {
            server.get("clerk", &format!("{thing}{moment}")).await.refused(400, "bad_request");
        }
    }
    let board = server.get("clerk", "/v1/markets").await.ok()["items"][0]["market"].clone();
    let board = format!("/v1/markets/{}/board", board.as_str().unwrap());
    for list in [
        "/v1/markets",
        board.as_str(),
        "/v1/postings",
        "/v1/postings?state=review",
        "/v1/hires",
        "/v1/wages",
        "/v1/wages/summary",
        "/v1/insurances",
        "/v1/claims",
        "/v1/cases",
    ] {
        let and = if list.contains('?') { '&' } else { '?' };
        for moment in [KNOWN, HAPPENED, "as_known=1"] {
            let refused = server.get("clerk", &format!("{list}{and}{moment}")).await;
            let refused = refused.refused(400, "bad_request");
            let why = refused["detail"].as_str().unwrap();
            assert!(why.starts_with("a list is read as it stands"), "{list}: {why}");
        }
    }
}
