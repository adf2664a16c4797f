//! The people and things that the tests of this binary share: two of each, so that one can look at the other's.

use linggong_events::commit::Digest;
use linggong_events::id::ActorId;
use linggong_events::office::Role;
use linggong_gateway::serve::founder_id;
use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

/// An early morning.
pub(crate) const DAWN: &str = "2026-11-23T04:50:00+08:00";

/// One worker with a hire, a wage and perhaps a claim against one employer.
pub(crate) struct Story {
    pub(crate) worker: String,
    pub(crate) person: String,
    pub(crate) employer: String,
    pub(crate) posting: String,
    pub(crate) hire: String,
    pub(crate) wage: String,
    pub(crate) claim: String,
}

/// Everything there is.
pub(crate) struct Cast {
    pub(crate) server: Server,
    pub(crate) office: String,
    pub(crate) market: String,
    pub(crate) other_market: String,
    /// In 历下区 370102: claimed, accepted, filed.
    pub(crate) a: Story,
    /// In 市南区 370202: claimed.
    pub(crate) b: Story,
    pub(crate) case: String,
}

/// An id that a label stands for, the same in every test.
pub(crate) fn actor(label: &str) -> ActorId {
    let digest = hex::decode(token_of(label)).expect("hexadecimal digits");
    let bytes = digest[..16].try_into().expect("sixteen bytes");
    ActorId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Gives each label a token, and starts the server again so that it reads them.
pub(crate) async fn with_credentials(server: Server, labels: &[&str]) -> Server {
    let file = server.config().tokens_file();
    let mut text = std::fs::read_to_string(&file).expect("the tokens of the staff");
    for label in labels {
        let token = token_of(label);
        std::fs::write(server.data().join(format!("tokens/{label}.token")), &token).expect("a token file");
        let digest = Digest::of(token.as_bytes());
        text += &format!(
            "\n[[token]]\nname = \"{label}\"\nactor = \"{}\"\ndigest = \"{digest}\"\n",
            actor(label)
        );
    }
    std::fs::write(&file, text).expect("the tokens are written");
    server.restart().await
}

/// An insurer, and one that covers the same people.
pub(crate) const INSURER: &str = "91350100M000100Y43";
pub(crate) const OTHER_INSURER: &str = "91370200MA3TE5T035";

/// A token that no other label has; secrecy is no concern of a test.
fn token_of(label: &str) -> String {
    Digest::of(format!("token of {label}").as_bytes()).to_string().trim_start_matches("sha256:").to_owned()
}

/// Two keepers grant a role.
pub(crate) async fn grant(server: &Server, office: &str, grant: Value) {
    let (holder, role) = (grant["actor"].clone(), grant["role"].clone());
    let proposal = json!({ "office": office, "grant": grant, "reason": "上岗" });
    server.command("keeper1", "office.role_grant.propose", proposal).await.ok();
    let confirm = json!({ "office": office, "holder": holder, "role": role, "basis": "批准" });
    server.command("keeper2", "office.role_grant.confirm", confirm).await.ok();
}

pub(crate) fn role_name(role: Role) -> String {
    serde_json::to_value(role).expect("a role").as_str().expect("a word").to_owned()
}

pub(crate) fn terms(employer: &str, market: &str, region: &str, mode: &str, headcount: u16) -> Value {
    json!({
        "employer": employer, "occupation": "bricklayer", "text": "砌墙, 管午饭", "region": region,
        "place": { "lat_e6": 36_670_000, "lon_e6": 117_080_000 }, "address": "经十路工地",
        "shifts": [{ "start": "2026-11-23T06:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
        "headcount": headcount, "requirements": { "level": "helper", "certificates": [] }, "mode": mode,
        "market": market,
        "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
    })
}

pub(crate) fn profile() -> Value {
    json!({ "skills": [{ "occupation": "bricklayer", "level": "skilled" }], "certificates": [], "reach": 20_000,
            "expectation": 20_000, "available": [], "declines_ranking": false })
}

/// A resident id of that serial with a valid check character.
pub(crate) fn document(serial: u32) -> String {
    let body = format!("37010219900307{serial:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{body}{}", check as char)
}

pub(crate) fn person(name: &str, serial: u32) -> Value {
    json!({ "name": name, "document": { "kind": "resident_id", "number": document(serial) },
            "phone": format!("139{serial:08}") })
}

pub(crate) async fn market(server: &Server, name: &str, region: &str) -> String {
    let market = json!({ "name": name, "region": region, "market_kind": "public_benefit",
                         "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    id_of(&server.command("manager", "market.register", market).await.ok(), "market")
}

pub(crate) async fn employer(server: &Server, name: &str, code: &str, region: &str) -> String {
    let employer = json!({ "employer_kind": "enterprise", "region": region, "name": name, "code": code });
    id_of(&server.command("clerk", "employer.register", employer).await.ok(), "employer")
}

pub(crate) async fn worker(server: &Server, person: Value) -> (String, String) {
    let body = json!({ "person": person, "profile": profile() });
    let receipt = server.command("clerk", "worker.register", body).await.ok();
    (id_of(&receipt, "worker"), id_of(&receipt, "person"))
}

pub(crate) async fn arrives(server: &Server, worker: &str, market: &str) {
    let arrive = json!({ "worker": worker, "market": market, "means": "card" });
    server.command("gate", "worker.arrive", arrive).await.ok();
}

async fn struck(
    server: &Server,
    market: &str,
    region: &str,
    worker: &str,
    employer: &str,
) -> (String, String) {
    arrives(server, worker, market).await;
    let terms = terms(employer, market, region, "on_site", 1);
    let struck = json!({ "terms": terms, "workers": [worker], "insurance": "open" });
    let receipt = server.command("dispatcher", "hire.register_on_site", struck).await.ok();
    (id_of(&receipt, "posting"), id_of(&receipt, "hire"))
}

async fn wage_of(server: &Server, hire: &str) -> String {
    let found = server.get("auditor", &format!("/v1/timelines/hire/{hire}?limit=200")).await.ok();
    let events = found["items"].as_array().expect("events").iter();
    let wages = events.filter_map(|it| it["event"]["data"]["wage"].as_str());
    wages.map(str::to_owned).next().unwrap_or_else(|| panic!("no wage of {hire} in {found}"))
}

pub(crate) async fn claimed(server: &Server, story: &Story, statement: &str) -> Value {
    let claim = json!({
        "worker": story.worker, "employer": story.employer,
        "about": { "on_behalf_of": { "person": story.person, "mandate": "in_person" }, "channel": "window" },
        "items": [{ "wage": story.wage, "hire": story.hire, "amount": 28_000, "from": "2026-11-23",
                    "until": "2026-11-23" }],
        "statement": { "person": story.person, "text": statement },
    });
    server.command("clerk", "claim.register", claim).await.ok()
}

impl Cast {
    /// Two markets, two employers, two workers who were not paid; the first one's claim has become a case.
    pub(crate) async fn gather(one: Value, other: Value, statement: &str) -> Cast {
        let server = Server::start(DAWN).await;
        let market_a = market(&server, "历下区零工市场", "370102").await;
        let market_b = market(&server, "市南区零工市场", "370202").await;
        let employer_a = employer(&server, "济南某建筑有限公司", "91350100M000100Y43", "370102").await;
        let employer_b = employer(&server, "青岛某建筑有限公司", "91370200MA3TE5T035", "370202").await;
        let (worker_a, person_a) = worker(&server, one).await;
        let (worker_b, person_b) = worker(&server, other).await;
        let (posting_a, hire_a) = struck(&server, &market_a, "370102", &worker_a, &employer_a).await;
        let (posting_b, hire_b) = struck(&server, &market_b, "370202", &worker_b, &employer_b).await;
        // Two insurers are asked about the first of them; neither has answered.
        for (insurer, code) in [("某财险", INSURER), ("某寿险", OTHER_INSURER)] {
            let apply = json!({ "hire": hire_a, "insurer": insurer, "insurer_code": code, "product": "日结意外险",
                                "premium": 300, "payer": "employer" });
            server.command("clerk", "insurance.apply", apply).await.ok();
        }
        // Nobody signs out: at noon of the next day the wage is presumed due, and the day's end makes it overdue.
        server.time_passes_to("2026-11-25T00:30:00+08:00").await;
        server.views_catch_up().await;
        let (wage_a, wage_b) = (wage_of(&server, &hire_a).await, wage_of(&server, &hire_b).await);
        let mut a = Story {
            worker: worker_a,
            person: person_a,
            employer: employer_a,
            posting: posting_a,
            hire: hire_a,
            wage: wage_a,
            claim: String::new(),
        };
        let mut b = Story {
            worker: worker_b,
            person: person_b,
            employer: employer_b,
            posting: posting_b,
            hire: hire_b,
            wage: wage_b,
            claim: String::new(),
        };
        a.claim = id_of(&claimed(&server, &a, statement).await, "claim");
        b.claim = id_of(&claimed(&server, &b, statement).await, "claim");
        let office =
            server.get("auditor", "/v1/events?limit=1").await.ok()["items"][0]["data"]["office"].clone();
        let office = office.as_str().expect("an office").to_owned();
        for series in ["acceptance", "filing"] {
            let body =
                json!({ "office": office, "series": series, "year": 2026, "prefix": "鲁人社监", "next": 1 });
            server.command("lead", "office.open_series", body).await.ok();
        }
        let accept = json!({ "claims": [a.claim], "track": "supervision" });
        let accepted = server.command("officer", "case.accept", accept).await.ok();
        let case = id_of(&accepted, "case");
        let officer = founder_id(&server.config().log, "officer");
        let assign = json!({ "case": case, "officer": officer, "reason": "分工" });
        server.command("lead", "case.assign", assign).await.ok();
        server.views_catch_up().await;
        Cast { server, office, market: market_a, other_market: market_b, a, b, case }
    }

    /// The cast with people of no interest.
    pub(crate) async fn ordinary() -> Cast {
        Cast::gather(person("张三", 11), person("李四", 22), "干了一天, 老板说没钱").await
    }
}
