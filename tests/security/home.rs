//! A household's address is told to those hired there, to the household and to the office of its county, and stands in
//! no event and no answer for anybody else.

use std::collections::{BTreeMap, BTreeSet};

use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

use crate::canary::{Search, traces};
use crate::cast::{self, DAWN, actor};

const HOUSE: &str = "鵲華煙雨里四百一十九弄乙單元";
/// Some metres around which nothing else of the test lies.
const PLACE: (i32, i32) = (36_673_819, 117_047_523);

/// Who has no other business here than each their own.
const OUTSIDERS: &[&str] =
    &["hired", "idle", "household", "builder", "si", "police", "clerk_b", "auditor_b", "clerk_a"];

struct Homes {
    server: Server,
    market: String,
    household: String,
    hired: String,
    idle: String,
    /// Filled by whoever takes it; flagged and struck on the spot; reviewed and approved; under review.
    postings: [String; 4],
    hires: [String; 2],
}

fn secrets() -> Search {
    Search::new(&[
        ("house", HOUSE.to_owned()),
        ("latitude", PLACE.0.to_string()),
        ("longitude", PLACE.1.to_string()),
    ])
}

fn at_home(household: &str, market: &str, mode: &str, hours: (&str, &str), text: &str) -> Value {
    let at = |hour| format!("2026-11-23T{hour}:00+08:00");
    let mut terms = cast::terms(household, market, "370102", mode, 2);
    terms["text"] = json!(text);
    terms["address"] = json!(HOUSE);
    terms["place"] = json!({ "lat_e6": PLACE.0, "lon_e6": PLACE.1 });
    terms["shifts"] = json!([{ "start": at(hours.0), "end": at(hours.1) }]);
    terms
}

impl Homes {
    async fn gather() -> Homes {
        let server = Server::start(DAWN).await;
        let market = cast::market(&server, "历下区零工市场", "370102").await;
        let household =
            json!({ "employer_kind": "household", "region": "370102", "person": cast::person("孙六", 61) });
        let receipt = server.command("clerk", "employer.register", household).await.ok();
        let household = id_of(&receipt, "employer");
        let builder = cast::employer(&server, "济南某建筑有限公司", "91350100M000100Y43", "370102").await;
        let (hired, person) = cast::worker(&server, cast::person("张三", 62)).await;
        let (idle, idle_person) = cast::worker(&server, cast::person("李四", 63)).await;
        let office =
            server.get("auditor", "/v1/events?limit=1").await.ok()["items"][0]["data"]["office"].clone();
        let office = office.as_str().expect("an office").to_owned();
        let server = cast::with_credentials(server, OUTSIDERS).await;
        let (whole, west, east) = (json!(["370000"]), json!(["370102"]), json!(["370202"]));
        for grant in [
            json!({ "actor": actor("hired"), "role": "worker", "regions": west, "worker": hired, "person": person }),
            json!({ "actor": actor("idle"), "role": "worker", "regions": west, "worker": idle, "person": idle_person }),
            json!({ "actor": actor("household"), "role": "employer", "regions": west, "employer": household }),
            json!({ "actor": actor("builder"), "role": "employer", "regions": west, "employer": builder }),
            json!({ "actor": actor("si"), "role": "subscriber", "regions": whole, "department": "si" }),
            json!({ "actor": actor("police"), "role": "subscriber", "regions": whole, "department": "police" }),
            json!({ "actor": actor("clerk_a"), "role": "clerk", "regions": west }),
            json!({ "actor": actor("clerk_b"), "role": "clerk", "regions": east }),
            json!({ "actor": actor("auditor_b"), "role": "auditor", "regions": east }),
        ] {
            cast::grant(&server, &office, grant).await;
        }
        for worker in [&hired, &idle] {
            cast::arrives(&server, worker, &market).await;
        }

        // Taken by whoever comes first, then moved within the house: told anew.
        let terms = at_home(&household, &market, "grab", ("06:00", "08:00"), "砌院墙");
        let posted = server.command("household", "posting.submit", json!({ "terms": terms })).await.ok();
        let grabbed = id_of(&posted, "posting");
        let grab = json!({ "posting": grabbed, "worker": hired });
        let hire = id_of(&server.command("hired", "offer.grab", grab).await.ok(), "hire");
        let mut moved = terms.clone();
        moved["address"] = json!(format!("{HOUSE}後院"));
        let change = json!({ "posting": grabbed, "terms": moved });
        server.command("household", "posting.change", change).await.ok();
        // Struck on the spot, and so long that somebody has to look at it.
        let struck = at_home(&household, &market, "on_site", ("09:00", "21:30"), "砌牆");
        let struck = json!({ "terms": struck, "workers": [hired], "insurance": "open" });
        let struck = server.command("dispatcher", "hire.register_on_site", struck).await.ok();
        // Looked at first: one passes, one waits.
        let asked = at_home(&household, &market, "grab", ("06:00", "08:00"), "擦窗, 要女工");
        let mut reviewed = Vec::new();
        for headcount in [1, 2] {
            let mut terms = asked.clone();
            terms["headcount"] = json!(headcount);
            let posted = server.command("household", "posting.submit", json!({ "terms": terms })).await.ok();
            reviewed.push(id_of(&posted, "posting"));
        }
        let approve = json!({ "posting": reviewed[0], "reason": "household_use" });
        server.command("reviewer", "posting.approve", approve).await.ok();
        server.views_catch_up().await;
        let [approved, waiting] = reviewed.try_into().expect("two of them");
        let (on_site, second) = (id_of(&struck, "posting"), id_of(&struck, "hire"));
        let (postings, hires) = ([grabbed, on_site, approved, waiting], [hire, second]);
        Homes { server, market, household, hired, idle, postings, hires }
    }

    /// Whatever there is to be read about the household and its work.
    fn paths(&self) -> Vec<String> {
        let Homes { market, household, hired, idle, .. } = self;
        let mut paths = vec![
            "/v1/postings".to_owned(),
            "/v1/postings?state=review".to_owned(),
            format!("/v1/postings?state=all&employer={household}"),
            "/v1/hires".to_owned(),
            "/v1/hires?date=2026-11-23".to_owned(),
            "/v1/wages".to_owned(),
            "/v1/insurances".to_owned(),
            "/v1/events?limit=200".to_owned(),
            "/v1/events?type=posting.&limit=200".to_owned(),
            format!("/v1/employers/{household}"),
            format!("/v1/markets/{market}/board?date=2026-11-23"),
            format!("/v1/timelines/employer/{household}?limit=200"),
            format!("/v1/timelines/worker/{hired}?limit=200"),
        ];
        for posting in &self.postings {
            let of_one = ["", "?as_known=100000", "?as_happened=2026-11-24T00:00:00%2B08:00", "/explain"];
            paths.extend(of_one.map(|it| format!("/v1/postings/{posting}{it}")));
            for worker in [hired, idle] {
                paths.push(format!("/v1/postings/{posting}/explain?worker={worker}"));
                paths.push(format!("/v1/postings/{posting}/explain?worker={worker}&as_known=100000"));
            }
            paths.push(format!("/v1/timelines/posting/{posting}?limit=200"));
        }
        for hire in &self.hires {
            paths.extend(["", "/cover", "?as_known=100000"].map(|it| format!("/v1/hires/{hire}{it}")));
            paths.push(format!("/v1/timelines/hire/{hire}?limit=200"));
        }
        paths
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_told_to_those_hired_there_its_household_and_the_office_of_its_county_alone() {
    let traces = traces();
    let homes = Homes::gather().await;
    let (server, search, paths) = (&homes.server, secrets(), homes.paths());
    let everybody = [
        "hired",
        "idle",
        "household",
        "builder",
        "si",
        "police",
        "clerk_a",
        "clerk_b",
        "auditor_b",
        "crew",
        "clerk",
        "dispatcher",
        "reviewer",
        "manager",
        "gate",
        "insurer",
        "officer",
        "lead",
        "mediator",
        "auditor",
        "privacy",
        "keeper1",
    ];
    // Where each of them reads it: lists of postings, one posting, hires, events.
    let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for who in everybody {
        for path in &paths {
            let answer = server.get(who, path).await;
            assert!(answer.status < 500, "{who} {path}: {}", answer.text);
            if !search.found(answer.text.as_bytes()).is_empty() {
                let resource = path.split(['/', '?']).nth(2).expect("a resource");
                told.entry(who).or_default().insert(resource);
            }
        }
    }
    let office = BTreeSet::from(["events", "hires", "postings", "timelines"]);
    let expected = BTreeMap::from([
        ("hired", BTreeSet::from(["hires"])),
        ("household", BTreeSet::from(["events", "hires", "postings", "timelines"])),
        ("clerk", office.clone()),
        ("clerk_a", office.clone()),
        ("dispatcher", office.clone()),
        ("manager", office.clone()),
        ("auditor", office),
        // Looks at postings, not at hires.
        ("reviewer", BTreeSet::from(["events", "postings", "timelines"])),
        // Read hires and what happened to postings, for the case that may come of it.
        ("officer", BTreeSet::from(["events", "hires", "timelines"])),
        ("lead", BTreeSet::from(["events", "hires", "timelines"])),
        ("mediator", BTreeSet::from(["events", "hires", "timelines"])),
    ]);
    assert_eq!(told, expected);

    // What is written down tells it in one event type, which is for nobody outside.
    let mut types = BTreeSet::new();
    let (mut after, mut seen) = ("0".to_owned(), 0);
    loop {
        let page = server.get("auditor", &format!("/v1/events?limit=200&after={after}")).await.ok();
        for event in page["items"].as_array().expect("events") {
            seen += 1;
            if !search.found(event.to_string().as_bytes()).is_empty() {
                types.insert((event["type"].to_string(), event["audience"].to_string()));
            }
        }
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(seen, server.running.partition.head.borrow().position.0, "the auditor of all reads all");
    let place_told = ("\"cn.linggong.posting.place_told.v1\"".to_owned(), "\"never\"".to_owned());
    assert_eq!(types, BTreeSet::from([place_told]));
    for line in traces.0.lock().unwrap().split(|it| *it == b'\n') {
        assert!(search.found(line).is_empty(), "a trace: {}", String::from_utf8_lossy(line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_reads_the_same_for_whoever_may_not_know_it_wherever_in_its_cell_it_lies() {
    let homes = Homes::gather().await;
    let server = &homes.server;
    let [grabbed, on_site, approved, waiting] = &homes.postings;
    let row = |who, posting: &String| {
        let path = format!("/v1/postings/{posting}");
        async move { server.get(who, &path).await }
    };
    for posting in [grabbed, on_site, approved] {
        let seen = row("idle", posting).await.ok();
        assert_eq!(seen["value"]["terms"]["address"], "历下区");
        assert_eq!(seen["value"]["terms"]["place"], json!({ "lat_e6": 36_670_000, "lon_e6": 117_050_000 }));
    }
    row("idle", waiting).await.refused(404, "not_found");
    assert_eq!(row("household", waiting).await.ok()["value"]["home"]["address"], HOUSE);
    // What waits to be looked at is between the reviewer and the law; the household was told why the other one waits.
    let pending = |row: &Value| row["value"].get("review_pending").cloned();
    assert_eq!(pending(&row("reviewer", on_site).await.ok()), Some(json!(true)));
    assert_eq!(row("reviewer", on_site).await.ok()["value"]["findings"][0]["rule"], "long_shift");
    for who in ["household", "idle", "hired", "si", "officer"] {
        let seen = row(who, on_site).await.ok();
        assert_eq!((pending(&seen), seen["value"].get("findings")), (None, None), "{who}");
    }
    assert_eq!(row("household", waiting).await.ok()["value"]["findings"][0]["rule"], "sex.limit");
    let flagged = server.get("idle", "/v1/events?type=posting.flagged&limit=200").await.ok();
    assert_eq!(flagged["items"], json!([]));
    // Whoever is hired reads the house as it was told to them, and as of then.
    let hire = &homes.hires[0];
    let end = server.get("hired", "/v1/log/head").await.ok()["position"].clone();
    let then = format!("/v1/hires/{hire}?as_known={}", end.as_str().expect("a position"));
    for path in [format!("/v1/hires/{hire}"), then] {
        let own = server.get("hired", &path).await.ok();
        assert_eq!(own["value"]["address"], HOUSE, "as it was when they were hired");
        assert_eq!(own["value"]["place"], json!({ "lat_e6": PLACE.0, "lon_e6": PLACE.1 }));
    }
    server.get("idle", &format!("/v1/hires/{hire}")).await.refused(404, "not_found");
}
