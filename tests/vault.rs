//! What the vault does for people at desks and gates, over HTTP: cards, keys, corrections, loss.

use linggong_tests::{Answer, Server, id_of};
use serde_json::{Value, json};

/// An early morning.
const DAWN: &str = "2026-11-23T04:50:00+08:00";

fn person(name: &str, document: &str, phone: &str) -> Value {
    json!({ "name": name, "document": { "kind": "resident_id", "number": document }, "phone": phone })
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
        let server = Server::start(DAWN).await;
        let market = json!({ "name": "东站零工市场", "region": "370102", "market_kind": "public_benefit",
                             "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
        let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
        let profile = json!({ "skills": [{ "occupation": "loader", "level": "skilled" }], "certificates": [],
            "reach": 20_000, "expectation": 20_000, "available": [], "declines_ranking": false });
        let mut workers = Vec::new();
        for (n, document) in DOCUMENTS[..3].iter().enumerate() {
            let person = person(["张三", "李四", "王五"][n], document, &format!("1390000000{n}"));
            let register = json!({ "person": person, "profile": profile });
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
