//! Who may do and see what: role by role against tables written by hand, and relation by relation over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use linggong_engine::command::Command;
use linggong_events::id::Kind;
use linggong_events::office::Role;
use linggong_gateway::identity::TokenList;
use linggong_gateway::permission::{Reach, Resource, reach};
use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

use crate::cast::{self, Cast, actor, role_name};

const COMMANDS: &str = include_str!("commands.txt");
const READS: &str = include_str!("reads.txt");
const EVENTS: &str = include_str!("events.txt");
const FIELDS: &str = include_str!("fields.txt");

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().filter(|it| !it.starts_with('#') && !it.trim().is_empty());
    lines.map(|it| it.split_whitespace().collect())
}

#[test]
fn every_command_is_given_by_those_roles_that_the_table_names_and_no_other() {
    let expected: BTreeMap<String, BTreeSet<String>> = lines(COMMANDS)
        .map(|cells| (cells[0].to_owned(), cells[1..].iter().map(|it| (*it).to_owned()).collect()))
        .collect();
    let actual: BTreeMap<String, BTreeSet<String>> = Command::types()
        .map(|it| (it.name(), it.roles.iter().map(|role| role_name(*role)).collect()))
        .collect();
    for (name, roles) in &expected {
        assert_eq!(Some(roles), actual.get(name), "{name}");
    }
    let untested: Vec<_> = actual.keys().filter(|it| !expected.contains_key(*it)).collect();
    assert!(untested.is_empty(), "commands that no cell of the table covers: {untested:?}");
}

/// A table of cells: role, column, how much.
fn table(text: &'static str) -> BTreeMap<(String, String), &'static str> {
    let mut rows = lines(text);
    let heads = rows.next().expect("a row of headings");
    let cells = rows.flat_map(|row| {
        assert_eq!(row.len(), heads.len() + 1, "{row:?}");
        let role = row[0].to_owned();
        heads
            .clone()
            .into_iter()
            .zip(row.into_iter().skip(1))
            .map(move |(head, cell)| ((role.clone(), head.to_owned()), cell))
    });
    cells.collect()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[test]
fn every_resource_is_seen_by_every_role_as_far_as_the_table_says() {
    let table = table(READS);
    assert_eq!(table.len(), Role::ALL.len() * Resource::ALL.len(), "a cell for each");
    for role in Role::ALL {
        for resource in Resource::ALL {
            let expected = match table[&(role_name(*role), snake(&format!("{resource:?}")))] {
                "-" => Reach::Nothing,
                "own" => Reach::Own,
                "insured" => Reach::Insured,
                "regions" => Reach::Regions,
                "all" => Reach::All,
                other => panic!("no such cell: {other}"),
            };
            assert_eq!(reach(*role, *resource), expected, "{role:?} of {resource:?}");
        }
    }
}

/// Everybody who is not of the demo's staff.
const OUTSIDERS: &[&str] = &[
    "worker_a",
    "worker_b",
    "employer_a",
    "employer_b",
    "clerk_b",
    "clerk_ab",
    "clerk_of_market_a",
    "si",
    "police",
    "double",
    "passing",
    "auditor_b",
    "insurer_a",
    "insurer_b",
    "insurer_east",
    "insurer_of_nothing",
];

/// The cast, and people who are bound to parts of it.
async fn with_outsiders() -> Cast {
    let Cast { server, office, market, other_market, a, b, case } = Cast::ordinary().await;
    let server = cast::with_credentials(server, OUTSIDERS).await;
    let whole = json!(["370000"]);
    let (east, west) = (json!(["370202"]), json!(["370102"]));
    let grants = [
        json!({ "actor": actor("worker_a"), "role": "worker", "regions": west, "worker": a.worker, "person": a.person }),
        json!({ "actor": actor("worker_b"), "role": "worker", "regions": east, "worker": b.worker, "person": b.person }),
        json!({ "actor": actor("employer_a"), "role": "employer", "regions": whole, "employer": a.employer }),
        json!({ "actor": actor("employer_b"), "role": "employer", "regions": whole, "employer": b.employer }),
        json!({ "actor": actor("clerk_b"), "role": "clerk", "regions": east }),
        json!({ "actor": actor("clerk_ab"), "role": "clerk", "regions": ["370202", "370203"] }),
        json!({ "actor": actor("clerk_of_market_a"), "role": "clerk", "regions": whole, "market": market }),
        json!({ "actor": actor("si"), "role": "subscriber", "regions": whole, "department": "si" }),
        json!({ "actor": actor("police"), "role": "subscriber", "regions": whole, "department": "police" }),
        // One human who works for A and is an employer's clerk elsewhere: the roles never run together.
        json!({ "actor": actor("double"), "role": "worker", "regions": whole, "worker": b.worker, "employer": a.employer }),
        json!({ "actor": actor("passing"), "role": "case_officer", "regions": whole }),
        json!({ "actor": actor("auditor_b"), "role": "auditor", "regions": east }),
        json!({ "actor": actor("insurer_a"), "role": "insurer", "regions": whole, "insurer": cast::INSURER }),
        json!({ "actor": actor("insurer_b"), "role": "insurer", "regions": whole, "insurer": cast::OTHER_INSURER }),
        json!({ "actor": actor("insurer_east"), "role": "insurer", "regions": east, "insurer": cast::INSURER }),
        json!({ "actor": actor("insurer_of_nothing"), "role": "insurer", "regions": whole,
                "insurer": "91370102MA3LDCHX0R" }),
    ];
    for grant in grants {
        cast::grant(&server, &office, grant).await;
    }
    server.views_catch_up().await;
    Cast { server, office, market, other_market, a, b, case }
}

async fn status(server: &Server, who: &str, path: &str) -> u16 {
    let answer = server.get(who, path).await;
    assert!(answer.status < 500, "{who} {path}: {}", answer.text);
    answer.status
}

/// Each role, and who of the cast holds it.
const HOLDERS: &[(&str, &str)] = &[
    ("worker", "worker_a"),
    ("employer", "employer_a"),
    ("crew_leader", "crew"),
    ("clerk", "clerk"),
    ("dispatcher", "dispatcher"),
    ("reviewer", "reviewer"),
    ("market_manager", "manager"),
    ("gate", "gate"),
    ("insurer", "insurer_a"),
    ("case_officer", "officer"),
    ("case_lead", "lead"),
    ("mediator", "mediator"),
    ("auditor", "auditor"),
    ("privacy_officer", "privacy"),
    ("keeper", "keeper1"),
    ("subscriber", "si"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_role_gets_of_every_route_what_the_table_says() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    let table = table(READS);
    let who = HOLDERS.iter().copied();
    assert_eq!(who.len(), Role::ALL.len() - 1, "everybody but the engine, who has no credential");
    let routes = [
        ("board", format!("/v1/markets/{}/board", cast.market)),
        ("postings", "/v1/postings".to_owned()),
        ("postings", format!("/v1/postings/{}", cast.a.posting)),
        ("review", "/v1/postings?state=review".to_owned()),
        ("hires", "/v1/hires".to_owned()),
        ("hires", format!("/v1/hires/{}", cast.a.hire)),
        ("wages", "/v1/wages".to_owned()),
        ("wages", format!("/v1/wages/{}", cast.a.wage)),
        ("arrears", "/v1/wages/summary".to_owned()),
        ("arrears", "/v1/wages/summary?by=employer".to_owned()),
        ("arrears", "/v1/wages/summary?by=region".to_owned()),
        ("insurances", "/v1/insurances".to_owned()),
        ("insurances", "/v1/insurances?gaps=true".to_owned()),
        ("insurances", format!("/v1/hires/{}/cover", cast.a.hire)),
        ("cases", "/v1/claims".to_owned()),
        ("cases", format!("/v1/claims/{}", cast.a.claim)),
        ("cases", "/v1/cases".to_owned()),
        ("cases", format!("/v1/cases/{}", cast.case)),
        ("explain", format!("/v1/postings/{}/explain?worker={}", cast.a.posting, cast.a.worker)),
        ("access_log", "/v1/accesses".to_owned()),
        ("directory", format!("/v1/workers/{}", cast.a.worker)),
        ("directory", format!("/v1/employers/{}", cast.a.employer)),
        ("staff", "/v1/staff".to_owned()),
        ("staff", "/v1/staff?state=proposed".to_owned()),
        ("operation", "/v1/projections".to_owned()),
    ];
    for (role, who) in who {
        for (resource, path) in &routes {
            // Of the register people see themselves only.
            let other = (role == "worker" && path.contains("/employers/"))
                || (role == "employer" && path.contains("/workers/"))
                || (role == "insurer" && path.contains("gaps=true"));
            let expected = match table[&(role.to_owned(), (*resource).to_owned())] {
                "-" => 404,
                "own" | "insured" if other => 404,
                _ => 200,
            };
            assert_eq!(status(server, who, path).await, expected, "{role} {path}");
        }
        // Changing the machine, and opening what is sealed.
        let changes = table[&(role.to_owned(), "control".to_owned())] != "-";
        let token = server.token(who);
        let rebuilt = server
            .send("POST", "/v1/projections/sources/rebuild", Some(&token), &[], Some(String::new()))
            .await;
        assert_eq!(rebuilt.status, if changes { 202 } else { 404 }, "{role} rebuilds");
        let pack = Some("name = 7".to_owned());
        let stored = server.send("PUT", "/v1/packs?kind=statutes", Some(&token), &[], pack).await;
        assert_eq!(stored.status, if changes { 422 } else { 404 }, "{role} stores a pack: {}", stored.text);
        let opens = table[&(role.to_owned(), "sealed".to_owned())] != "-";
        let path = format!("/v1/persons/{}/open", cast.a.person);
        let no_fields = json!({ "fields": [], "purpose": "safety_contact" });
        let opened = opened(server, who, &path, &no_fields).await;
        assert_eq!(opened.status == 404, !opens, "{role} opens: {}", opened.text);
    }
    for (_, path) in &routes {
        let nobody = server.send("GET", path, None, &[], None).await;
        nobody.refused(401, "unauthenticated");
    }
}

/// Events of a kind that an actor finds, and those that everybody may.
async fn events_of(server: &Server, who: &str, kind: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let path = format!("/v1/events?type={kind}.&limit=200&after={after}");
        let mut page = server.get(who, &path).await.ok();
        found.append(page["items"].as_array_mut().expect("items"));
        let Some(next) = page["next"].as_str() else { return found };
        next.clone_into(&mut after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reads_of_every_kind_of_event_what_the_table_says() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    let table = table(EVENTS);
    let mut seen_at_all = BTreeSet::new();
    for kind in Kind::ALL {
        let kind = kind.name();
        let all = events_of(server, "auditor", kind).await;
        for (role, who) in HOLDERS {
            let cell = table[&((*role).to_owned(), kind.to_owned())];
            // What subscribers get is told by each event's audience, in a test of its own.
            if *role == "subscriber" {
                continue;
            }
            let own = match *role {
                "worker" => format!("worker/{}", cast.a.worker),
                "employer" => format!("employer/{}", cast.a.employer),
                _ => String::new(),
            };
            let touches = |it: &Value| -> bool {
                let touched = it["touches"].as_str().unwrap_or_default();
                it["subject"] == own.as_str() || touched.split(' ').any(|it| it == own)
            };
            let confided = |it: &Value| it["type"].as_str().unwrap().contains("hire.followed_up");
            let expected: Vec<&Value> = all
                .iter()
                .filter(|it| {
                    it["audience"] == "open"
                        || match cell {
                            "-" => false,
                            "own" => touches(it) && !(*role == "employer" && confided(it)),
                            "insured" => it["data"]["insurer_code"] == cast::INSURER,
                            "regions" => true,
                            other => panic!("no such cell: {other}"),
                        }
                })
                .collect();
            let found = events_of(server, who, kind).await;
            let positions =
                |of: &[&Value]| -> Vec<String> { of.iter().map(|it| it["position"].to_string()).collect() };
            assert_eq!(
                positions(&found.iter().collect::<Vec<_>>()),
                positions(&expected),
                "{role} of {kind}"
            );
            if !found.is_empty() {
                seen_at_all.insert(kind);
            }
        }
    }
    assert!(seen_at_all.len() >= 12, "kinds of which the cast has events: {seen_at_all:?}");
}

/// Every member that a row shows, at any depth; members of lists without their number. An event's data, and how a
/// date was computed, are seen or not seen whole.
fn members(of: &Value, under: &str, into: &mut BTreeSet<String>) {
    match of {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if under.is_empty() { name.clone() } else { format!("{under}.{name}") };
                into.insert(path.clone());
                if !matches!(name.as_str(), "data" | "trace" | "safe_trace") {
                    members(value, &path, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| members(it, under, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_sees_of_every_row_those_fields_that_the_table_names() {
    let cast = with_outsiders().await;
    let (server, a) = (&cast.server, &cast.a);
    let table: BTreeMap<(&str, &str), BTreeSet<&str>> = lines(FIELDS)
        .map(|cells| ((cells[0], cells[1]), cells[2..].iter().map(|it| it.trim_start_matches('-')).collect()))
        .collect();
    let rows = [
        ("postings", format!("/v1/postings/{}", a.posting)),
        ("hires", format!("/v1/hires/{}", a.hire)),
        ("wages", format!("/v1/wages/{}", a.wage)),
        ("insurances", format!("/v1/insurances?worker={}&employer={}", a.worker, a.employer)),
        ("claims", format!("/v1/claims/{}", a.claim)),
        ("cases", format!("/v1/cases/{}", cast.case)),
        ("workers", format!("/v1/workers/{}", a.worker)),
        ("employers", format!("/v1/employers/{}", a.employer)),
        ("staff", "/v1/staff?limit=200".to_owned()),
    ];
    let mut shown: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut readers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (role, who) in HOLDERS {
        for (row, path) in &rows {
            let answer = server.get(who, path).await;
            if answer.status == 404 {
                continue;
            }
            let mut answer = answer.ok();
            readers.entry(row).or_default().insert(role);
            let value =
                if answer["value"].is_null() { answer["items"].take() } else { answer["value"].take() };
            let mut fields = BTreeSet::new();
            members(&value, "", &mut fields);
            for field in fields {
                shown.entry((row, field)).or_default().insert(role);
            }
        }
    }
    let mut wrong = Vec::new();
    for ((row, field), roles) in &shown {
        let Some(not) = table.get(&(row, field.as_str())) else {
            wrong.push(format!("{row} {field} is not in the table"));
            continue;
        };
        let expected: BTreeSet<&str> = readers[row].difference(not).copied().collect();
        if &expected != roles {
            wrong.push(format!("{row} {field}: seen by {roles:?}, expected {expected:?}"));
        }
    }
    let names: BTreeSet<(&str, &str)> = shown.keys().map(|(row, field)| (*row, field.as_str())).collect();
    let absent: Vec<_> = table.keys().filter(|it| !names.contains(*it)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(absent.is_empty(), "in the table and in no row: {absent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_things_are_as_if_they_were_not_there() {
    let cast = with_outsiders().await;
    let (server, a, b) = (&cast.server, &cast.a, &cast.b);
    let theirs = [
        format!("/v1/hires/{}", a.hire),
        format!("/v1/hires/{}/cover", a.hire),
        format!("/v1/hires?worker={}", a.worker),
        format!("/v1/wages/{}", a.wage),
        format!("/v1/wages?worker={}", a.worker),
        format!("/v1/insurances?worker={}", a.worker),
        format!("/v1/claims/{}", a.claim),
        format!("/v1/claims?worker={}", a.worker),
        format!("/v1/cases/{}", cast.case),
        format!("/v1/cases/{}?as_known=1000", cast.case),
        format!("/v1/workers/{}", a.worker),
        format!("/v1/employers/{}", a.employer),
        format!("/v1/postings/{}/explain?worker={}", a.posting, a.worker),
        format!("/v1/postings/{}/explain", a.posting),
        format!("/v1/workers/{}?as_known=1000", a.worker),
        format!("/v1/employers/{}?as_known=1000", a.employer),
        format!("/v1/postings/{}/explain?worker={}&as_known=1000", a.posting, a.worker),
        format!("/v1/timelines/hire/{}", a.hire),
        format!("/v1/timelines/wage/{}", a.wage),
        format!("/v1/timelines/claim/{}", a.claim),
        format!("/v1/timelines/case/{}", cast.case),
        format!("/v1/timelines/worker/{}", a.worker),
        format!("/v1/timelines/person/{}", a.person),
    ];
    for path in &theirs {
        assert_eq!(status(server, "worker_b", path).await, 404, "{path}");
    }
    // The office's own clerk at the other end of the province sees no more of it.
    for path in theirs.iter().filter(|it| !it.contains('?') || it.contains("explain")) {
        assert_eq!(status(server, "clerk_b", path).await, 404, "{path}");
        assert_eq!(status(server, "clerk_ab", path).await, 404, "{path}");
    }
    // And in no list: not by naming, not by not naming anything, not by pages.
    for who in ["worker_b", "clerk_b", "clerk_ab", "double", "employer_b"] {
        for list in [
            "/v1/hires?limit=200",
            "/v1/wages?limit=200",
            "/v1/insurances?limit=200",
            "/v1/claims?limit=200",
            "/v1/cases?limit=200",
            "/v1/wages/summary?by=employer",
            "/v1/wages/summary?by=region",
            "/v1/events?limit=200",
        ] {
            let answer = server.get(who, list).await;
            for id in [&a.hire, &a.wage, &a.claim, &a.worker, &a.person, &cast.case] {
                assert!(!answer.text.contains(id.as_str()), "{who} {list}: {}", answer.text);
            }
            if list.contains("summary") && answer.status == 200 {
                assert!(!answer.text.contains("370102"), "{who} {list}: {}", answer.text);
                assert!(!answer.text.contains(a.employer.as_str()), "{who} {list}: {}", answer.text);
            }
        }
    }
    // What is theirs is there; a claim is of the county whose office holds it, here of the whole province.
    assert_eq!(status(server, "worker_b", &format!("/v1/claims/{}", b.claim)).await, 200);
    for who in ["clerk_b", "clerk_ab"] {
        assert_eq!(status(server, who, &format!("/v1/claims/{}", b.claim)).await, 404, "{who}");
    }
    for path in [format!("/v1/hires/{}", b.hire), format!("/v1/wages/{}", b.wage)] {
        for who in ["worker_b", "clerk_b", "clerk_ab"] {
            assert_eq!(status(server, who, &path).await, 200, "{who} {path}");
        }
    }
    for list in ["/v1/hires", "/v1/wages"] {
        for who in ["worker_b", "clerk_b", "clerk_ab"] {
            let rows = server.get(who, list).await.ok();
            assert_eq!(rows["items"].as_array().map(Vec::len), Some(1), "{who} {list}: {rows}");
        }
    }
    let sum = |rows: &Value| {
        let of = rows["value"].as_array().unwrap().iter().map(|it| it["outstanding"].as_i64().unwrap());
        of.sum::<i64>()
    };
    for (who, owed) in [("clerk_b", 28_000), ("clerk_ab", 28_000), ("clerk", 56_000)] {
        assert_eq!(sum(&server.get(who, "/v1/wages/summary").await.ok()), owed, "{who}");
    }
    // A role is bound to one side only, whatever else its grant names.
    assert_eq!(status(server, "double", &format!("/v1/hires/{}", a.hire)).await, 404);
    assert_eq!(status(server, "double", &format!("/v1/employers/{}", a.employer)).await, 404);
    // Who serves one market looks at no other.
    let board = |market: &str| format!("/v1/markets/{market}/board");
    assert_eq!(status(server, "clerk_of_market_a", &board(&cast.market)).await, 200);
    assert_eq!(status(server, "clerk_of_market_a", &board(&cast.other_market)).await, 404);
    assert_eq!(status(server, "clerk_b", &board(&cast.market)).await, 404);
    // Sealed fields of somebody else's county do not open for this desk.
    let open = json!({ "fields": ["name"], "purpose": "desk_service" }).to_string();
    let path = format!("/v1/persons/{}/open", a.person);
    let opened = server.send("POST", &path, Some(&server.token("clerk_b")), &[], Some(open.clone())).await;
    opened.refused(404, "not_found");
    for who in ["worker_a", "employer_a", "insurer", "keeper1", "si"] {
        let opened = server.send("POST", &path, Some(&server.token(who)), &[], Some(open.clone())).await;
        opened.refused(404, "not_found");
    }
    // Nor may a stranger make the vault keep things about what is not theirs.
    let evidence = format!("/v1/evidence?about=claim/{}", a.claim);
    let sent = server.send("POST", &evidence, Some(&server.token("worker_b")), &[], Some("x".into())).await;
    sent.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurer_reads_what_it_was_asked_to_cover_and_nothing_of_another_s() {
    let cast = with_outsiders().await;
    let (server, hire) = (&cast.server, &cast.a.hire);
    let cover = format!("/v1/hires/{hire}/cover");
    for (who, own) in [("insurer_a", cast::INSURER), ("insurer_b", cast::OTHER_INSURER)] {
        let listed = server.get(who, "/v1/insurances").await.ok();
        let rows = listed["items"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{who} reads the one hire that it was asked about: {listed}");
        let one = server.get(who, &cover).await.ok();
        for row in [&rows[0], &one["value"]] {
            let codes: Vec<_> =
                row["covers"].as_array().unwrap().iter().map(|it| &it["insurer_code"]).collect();
            assert_eq!((row["hire"].as_str(), codes), (Some(hire.as_str()), vec![&json!(own)]), "{who}");
        }
        for path in ["/v1/events?limit=200".to_owned(), format!("/v1/timelines/hire/{hire}?limit=200")] {
            let told = server.get(who, &path).await;
            let of = |name: &str| told.text.matches(&format!("cn.linggong.insurance.{name}.v1")).count();
            assert_eq!((of("applied"), of("gap_alarmed"), of("check_planned")), (1, 0, 0), "{who} {path}");
            assert!(told.text.contains(own), "{who} {path}");
        }
    }
    // Of another county, or asked for nothing: as if it were not there.
    for who in ["insurer_east", "insurer_of_nothing"] {
        assert_eq!(server.get(who, "/v1/insurances").await.ok()["items"], json!([]), "{who}");
        assert_eq!(status(server, who, &cover).await, 404, "{who}");
        assert_eq!(status(server, who, &format!("{cover}?as_known=1000")).await, 404, "{who}");
        let told = server.get(who, "/v1/events?limit=200").await;
        assert!(!told.text.contains("cn.linggong.insurance."), "{who}: {}", told.text);
    }
    assert_eq!(
        status(server, "insurer_a", "/v1/insurances?gaps=true").await,
        404,
        "who is not covered at all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_for_somebody_else() {
    let cast = with_outsiders().await;
    let (server, a) = (&cast.server, &cast.a);
    let at = "2026-11-25T00:10:00+08:00";
    let paper = server.store_evidence("clerk", &format!("wage/{}", a.wage), "收条").await;
    let acts = [
        ("worker_b", "wage.confirm_receipt", json!({ "wage": a.wage, "amount": 28_000 })),
        ("worker_b", "wage.contradict_payment", json!({ "wage": a.wage, "payment": a.wage, "received": 0 })),
        (
            "passing",
            "wage.determine_payment",
            json!({ "wage": a.wage, "paid": 0, "basis": "查无付款", "case": cast.case }),
        ),
        ("worker_b", "claim.withdraw", json!({ "claim": a.claim, "reason": "算了" })),
        ("worker_b", "worker.change_profile", json!({ "worker": a.worker, "profile": cast::profile() })),
        ("worker_b", "hire.end", json!({ "hire": a.hire, "date": "2026-11-23", "basis": "work_done" })),
        ("worker_b", "hire.report_sent_home", json!({ "hire": a.hire, "at": at })),
        ("employer_b", "hire.report_no_show", json!({ "hire": a.hire })),
        (
            "employer_b",
            "wage.record_payment",
            json!({ "wage": a.wage, "amount": 28_000, "means": "cash", "at": at, "evidence": paper }),
        ),
        ("employer_b", "posting.withdraw", json!({ "posting": a.posting, "reason": "not_needed" })),
        ("clerk_b", "claim.withdraw", json!({ "claim": a.claim, "reason": "算了" })),
        ("clerk_b", "hire.end", json!({ "hire": a.hire, "date": "2026-11-23", "basis": "work_done" })),
        ("passing", "case.close", json!({ "case": cast.case, "conclusion": "paid", "reason": "结清" })),
        ("officer2", "case.close", json!({ "case": cast.case, "conclusion": "paid", "reason": "结清" })),
        ("officer2", "case.file.propose", json!({ "case": cast.case, "reason": "欠付事实清楚" })),
        ("auditor", "case.close", json!({ "case": cast.case, "conclusion": "paid", "reason": "结清" })),
        ("keeper1", "case.close", json!({ "case": cast.case, "conclusion": "paid", "reason": "结清" })),
    ];
    let before = server.running.partition.head.borrow().position;
    let mut done = Vec::new();
    for (who, name, body) in acts {
        let answer = server.command(who, name, body).await;
        if !matches!(answer.status, 403 | 404) {
            done.push(format!("{who} {name}: {} {}", answer.status, answer.text));
        }
    }
    assert_eq!(done, Vec::<String>::new());
    assert_eq!(server.running.partition.head.borrow().position, before, "and nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_persons_are_needed_where_two_are_asked_for() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    let propose = json!({ "case": cast.case, "reason": "欠付事实清楚" });
    server.command("officer", "case.file.propose", propose).await.ok();
    let confirm = json!({ "case": cast.case });
    let same = server.command("officer", "case.file.confirm", confirm.clone()).await;
    same.refused(403, "second_officer_needed");
    server.command("lead", "case.file.confirm", confirm).await.ok();
    // A keeper can give nobody a role alone, least of all themself.
    let me = linggong_gateway::serve::founder_id(&server.config().log, "keeper1");
    let grant = json!({ "actor": me, "role": "case_lead", "regions": ["370000"] });
    let proposal = json!({ "office": cast.office, "grant": grant, "reason": "兼任" });
    server.command("keeper1", "office.role_grant.propose", proposal).await.ok();
    let confirm = json!({ "office": cast.office, "holder": me, "role": "case_lead", "basis": "批准" });
    let same = server.command("keeper1", "office.role_grant.confirm", confirm).await;
    same.refused(403, "second_officer_needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_up_why_or_how_something_reached_us() {
    let cast = with_outsiders().await;
    let (server, a) = (&cast.server, &cast.a);
    let note = |about: Value| json!({ "hire": a.hire, "worked": true, "paid": false, "about": about });
    let first = server.command("clerk", "hire.follow_up", note(json!({}))).await.ok();
    let event = first["events"][0]["id"].clone();
    let told = note(json!({ "causation": event, "channel": "phone", "based_on": first["position"] }));
    server.command("clerk", "hire.follow_up", told).await.ok();
    let hidden = server.get("auditor", "/v1/events?type=match.reasoned&limit=1").await.ok();
    let unseen = hidden["items"][0]["id"].clone();
    for about in [
        json!({ "causation": "0192d3c4-0000-8000-8000-000000000001" }),
        json!({ "channel": "engine" }),
        json!({ "channel": "device" }),
        json!({ "based_on": "1000000" }),
    ] {
        server.command("clerk", "hire.follow_up", note(about)).await.refused(422, "bad_field");
    }
    if unseen.is_string() {
        let told = json!({ "hire": a.hire, "date": "2026-11-23", "basis": "自述", "about": { "causation": unseen } });
        server.command("worker_a", "hire.end", told).await.refused(422, "bad_field");
    }
    for channel in ["window", "phone", "import", "device", "engine"] {
        let told = json!({ "wage": a.wage, "amount": 1, "about": { "channel": channel } });
        server.command("worker_a", "wage.confirm_receipt", told).await.refused(422, "bad_field");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_taken_back_is_gone_with_the_next_request() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    server.get("clerk_ab", "/v1/hires").await.ok();
    let revoke =
        json!({ "office": cast.office, "holder": actor("clerk_ab"), "role": "clerk", "reason": "离岗" });
    server.command("keeper1", "office.revoke_role", revoke).await.ok();
    server.get("clerk_ab", "/v1/hires").await.refused(403, "no_role");
    let body = json!({ "worker": cast.b.worker, "market": cast.other_market, "means": "card" });
    server.command("clerk_ab", "worker.arrive", body).await.refused(403, "no_role");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employer_never_learns_who_complained() {
    let cast = with_outsiders().await;
    let (server, a) = (&cast.server, &cast.a);
    let note = json!({ "hire": a.hire, "worked": true, "paid": false });
    let asked = server.command("clerk", "hire.follow_up", note).await.ok();
    let position = asked["position"].as_str().unwrap().to_owned();
    let mut seen = String::new();
    for path in [
        format!("/v1/hires?at_least={position}"),
        format!("/v1/hires/{}", a.hire),
        format!("/v1/hires/{}?as_known={position}", a.hire),
        "/v1/wages".to_owned(),
        "/v1/wages?state=all".to_owned(),
        format!("/v1/wages/{}", a.wage),
        format!("/v1/wages/{}?as_known={position}", a.wage),
        "/v1/insurances".to_owned(),
        "/v1/events?limit=200".to_owned(),
        format!("/v1/timelines/hire/{}?limit=200", a.hire),
        format!("/v1/timelines/wage/{}?limit=200", a.wage),
        format!("/v1/timelines/employer/{}?limit=200", a.employer),
        format!("/v1/employers/{}", a.employer),
    ] {
        let answer = server.get("employer_a", &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.text.contains(&a.hire) || answer.text.contains(&a.employer), "{path} shows their own");
        seen.push_str(&answer.text);
    }
    // Nor by what a conflict says has changed; and whoever has nothing to do with it learns not even its version.
    let cancel = json!({ "hire": a.hire, "reason": "weather", "about": { "if_version": "1" } });
    let conflict = server.command("employer_a", "hire.cancel", cancel.clone()).await;
    assert!(conflict.text.contains("version_conflict"), "{}", conflict.text);
    seen.push_str(&conflict.text);
    server.command("employer_b", "hire.cancel", cancel).await.refused(403, "not_yours");
    for secret in [&a.claim, &cast.case, &a.person] {
        assert!(!seen.contains(secret.as_str()), "{secret}");
    }
    for word in ["claim", "case.", "followed_up", "follow_ups", "person.registered", "phone"] {
        assert!(!seen.contains(word), "{word} in what an employer sees");
    }
    // Nor by the positions of what they cannot read.
    let timeline = server.get("employer_a", &format!("/v1/timelines/wage/{}?limit=200", a.wage)).await.ok();
    for moment in timeline["items"].as_array().unwrap() {
        for hop in ["causes", "effects"] {
            for position in moment[hop].as_array().unwrap() {
                let path = format!("/v1/events/{}", position.as_str().unwrap());
                assert_eq!(status(server, "employer_a", &path).await, 200, "{hop} {position}");
            }
        }
    }
    for path in [format!("/v1/timelines/claim/{}", a.claim), format!("/v1/timelines/case/{}", cast.case)] {
        assert_eq!(status(server, "employer_a", &path).await, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimant_reads_the_file_of_their_case_and_not_what_the_office_writes_for_itself() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    let propose = json!({ "case": cast.case, "reason": "拟立案, 疑与另案同一雇主" });
    server.command("officer", "case.file.propose", propose).await.ok();
    let confirmed = server.command("lead", "case.file.confirm", json!({ "case": cast.case })).await.ok();
    let path = format!("/v1/cases/{}?at_least={}", cast.case, confirmed["position"].as_str().unwrap());
    let office = server.get("officer", &path).await.ok();
    assert!(office.to_string().contains("疑与另案"), "the office reads all of it");
    let list = format!("/v1/cases?at_least={}", confirmed["position"].as_str().unwrap());
    for path in [path, list, format!("/v1/claims/{}", cast.a.claim)] {
        let party = server.get("worker_a", &path).await.ok().to_string();
        assert!(party.contains(&cast.case), "{path} shows their own");
        for inner in ["疑与另案", "filing_proposed", "proposed_by", "approved_by"] {
            assert!(!party.contains(inner), "{inner} in {path}: {party}");
        }
        for officer in ["officer", "lead"] {
            assert!(!party.contains(&actor(officer).to_string()), "{officer} in {path}: {party}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_gets_what_its_audience_admits_and_nothing_else() {
    let cast = with_outsiders().await;
    let server = &cast.server;
    let head = server.running.partition.head.borrow().position.0;
    for (who, department) in [("si", "si"), ("police", "police")] {
        let mut positions = BTreeSet::new();
        let mut after = 0;
        while after < head {
            let page = server.get(who, &format!("/v1/events?limit=7&after={after}")).await.ok();
            for event in page["items"].as_array().unwrap() {
                let audience = event["audience"].as_str().unwrap();
                let admitted = audience == "open"
                    || audience
                        .strip_prefix("dept:")
                        .is_some_and(|it| it.split(',').any(|it| it == department));
                assert!(admitted, "{who}: {event}");
                positions.insert(event["position"].as_str().unwrap().parse::<u64>().unwrap());
            }
            after = page["next"].as_str().map_or(head, |it| it.parse().unwrap());
        }
        // Exactly what an auditor of everything would pick out for it.
        let mut expected = BTreeSet::new();
        for position in 1..=head {
            let event = server.get("auditor", &format!("/v1/events/{position}")).await.ok();
            let audience = event["audience"].as_str().unwrap().to_owned();
            let admitted = audience == "open"
                || audience.contains(&format!(":{department}"))
                || audience.contains(&format!(",{department}"));
            assert_eq!(
                status(server, who, &format!("/v1/events/{position}")).await == 200,
                admitted,
                "{event}"
            );
            if admitted {
                expected.insert(position);
            } else {
                let subject = event["subject"].as_str().unwrap();
                let found = server.get(who, &format!("/v1/timelines/{subject}?limit=200")).await;
                assert!(
                    !found.text.contains(event["id"].as_str().unwrap()),
                    "{who} {subject}: {}",
                    found.text
                );
            }
        }
        assert_eq!(positions, expected, "{who}");
        assert!(!positions.is_empty() && positions.len() < head as usize, "{who}: {positions:?} of {head}");
    }
}

/// Opens what lies under `path`, saying why.
async fn opened(server: &Server, who: &str, path: &str, why: &Value) -> linggong_tests::Answer {
    server.send("POST", path, Some(&server.token(who)), &[], Some(why.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_statement_and_evidence_open_for_those_who_handle_the_case() {
    let cast = with_outsiders().await;
    let (server, a) = (&cast.server, &cast.a);
    let (address, clerk) = (server.running.address, server.token("clerk"));
    let about = format!("http://{address}/v1/evidence?about=claim/{}", a.claim);
    let stored = tokio::task::spawn_blocking(move || {
        let request = ureq::post(about).header("authorization", format!("Bearer {clerk}"));
        let mut answer = request.header("content-type", "text/plain").send("欠条一张").unwrap();
        answer.body_mut().read_json::<Value>().unwrap()["digest"].as_str().unwrap().to_owned()
    });
    let digest = stored.await.unwrap();
    let claims = server.get("officer", "/v1/events?type=claim.registered&limit=200").await.ok();
    let of_a = |it: &&Value| it["subject"] == format!("claim/{}", a.claim);
    let claim = claims["items"].as_array().unwrap().iter().find(of_a).unwrap().clone();
    let statement = format!("/v1/sealed/{}/statement/open", claim["position"].as_str().unwrap());
    let proof = format!("/v1/evidence/{digest}/open");

    let handling = json!({ "purpose": "claim_handling" });
    let in_case = json!({ "purpose": "case_handling", "case": cast.case });
    for path in [&statement, &proof] {
        for who in ["dispatcher", "employer_a", "worker_a", "worker_b", "clerk_b", "auditor", "keeper1", "si"]
        {
            opened(server, who, path, &handling).await.refused(404, "not_found");
        }
        // Their own case: another officer has it; and none may be left out, or be somebody else's.
        opened(server, "officer2", path, &in_case).await.refused(403, "opening_refused");
        opened(server, "officer", path, &json!({ "purpose": "case_handling" }))
            .await
            .refused(403, "opening_refused");
        opened(server, "officer", path, &json!({ "purpose": "audit" })).await.refused(403, "opening_refused");
    }
    let log = server.get("privacy", "/v1/accesses?limit=200").await.ok();
    assert_eq!(log["items"], json!([]), "nothing was opened so far");

    let read = opened(server, "officer", &statement, &in_case).await.ok();
    assert_eq!(read, json!({ "statement": "干了一天, 老板说没钱" }));
    for why in [&in_case, &handling] {
        let read = opened(server, "officer", &proof, why).await;
        assert_eq!((read.status, read.text.as_str()), (200, "欠条一张"));
    }
    let no_text = statement.replace("/statement/", "/items/");
    opened(server, "officer", &no_text, &in_case).await.refused(404, "not_found");
    let unknown = format!("/v1/evidence/{}/open", "0".repeat(64));
    opened(server, "officer", &unknown, &in_case).await.refused(404, "not_found");

    // Each is on record, and the record pages.
    let first = server.get("privacy", "/v1/accesses?limit=2").await.ok();
    let rest =
        server.get("privacy", &format!("/v1/accesses?after={}", first["next"].as_str().unwrap())).await.ok();
    let labels = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|it| it["data"]["label"].clone()).collect()
    };
    assert_eq!(labels(&first), ["statement", "evidence"]);
    assert_eq!((labels(&rest), &rest["next"]), (vec![json!("evidence")], &Value::Null));
    assert_eq!(first["items"][0]["data"]["case"], json!(cast.case));
    let back = server.get("privacy", "/v1/accesses?limit=2&before=3").await.ok();
    assert_eq!((&back["items"], &back["prev"]), (&first["items"], &Value::Null));
    // Who opened what in one county is nothing to another county's auditor.
    assert_eq!(server.get("auditor", "/v1/accesses").await.ok()["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.get("auditor_b", "/v1/accesses").await.ok()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_from_when_it_is_listed_until_it_is_not() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let (path, file) = (server.config().tokens_file(), server.data().join("tokens/late.token"));
    let mut list = TokenList::read(&path).unwrap();
    list.issue("late", actor("late"), &file).unwrap();
    list.write(&path).unwrap();
    // Nobody yet, but somebody: without a role a known token is told so.
    let answers = async |expected: u16| {
        while status(server, "late", "/v1/postings").await != expected {
            tokio::task::yield_now().await;
        }
    };
    let soon = std::time::Duration::from_secs(20);
    tokio::time::timeout(soon, answers(403)).await.expect("the list is read again");
    let office = json!({ "name": "历下区分办", "region": "370102", "department": "hrss" });
    let other = id_of(&server.command("keeper1", "office.register", office).await.ok(), "office");
    for office in [&cast.office, &other] {
        let grant = json!({ "actor": actor("late"), "role": "clerk", "regions": ["370102"] });
        cast::grant(server, office, grant).await;
    }
    // The same role at two offices: one is to be named.
    assert_eq!(status(server, "late", "/v1/postings").await, 400);
    let at = [("linggong-office", other.as_str())];
    let token = server.token("late");
    assert_eq!(server.send("GET", "/v1/postings", Some(&token), &at, None).await.status, 200);
    list.remove("late");
    list.write(&path).unwrap();
    tokio::time::timeout(soon, answers(401)).await.expect("the list is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_of_then_tells_nothing_of_later() {
    let cast = Cast::ordinary().await;
    let (server, a) = (&cast.server, &cast.a);
    let path = format!("/v1/timelines/hire/{}", a.hire);
    let now = server.get("officer", &path).await.ok();
    let last = |moment: &Value| -> u64 {
        let effects = moment["effects"].as_array().unwrap().iter();
        effects.map(|it| it.as_str().unwrap().parse().unwrap()).max().unwrap_or(0)
    };
    let moments = now["items"].as_array().unwrap();
    let (at, with_effect) = moments.iter().enumerate().find(|(_, it)| last(it) > 0).expect("an effect");
    let position: u64 = with_effect["event"]["position"].as_str().unwrap().parse().unwrap();
    let then = server.get("officer", &format!("{path}?as_known={position}")).await.ok();
    assert_eq!(then["items"].as_array().map(Vec::len), Some(at + 1), "{then}");
    assert_eq!(then["items"][at]["effects"], json!([]), "what it caused came later");
    // All effects are there in pages, both ways.
    let effects = format!("/v1/events/{position}/effects?limit=1");
    let first = server.get("officer", &effects).await.ok();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1), "{first}");
    if let Some(next) = first["next"].as_str() {
        let second = server.get("officer", &format!("{effects}&after={next}")).await.ok();
        let back = second["prev"].as_str().expect("a way back");
        let back = server.get("officer", &format!("{effects}&before={back}")).await.ok();
        assert_eq!(back["items"], first["items"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sealed_key_keeps_does_not_open_by_naming_a_second_officer() {
    let cast = Cast::ordinary().await;
    let (server, a) = (&cast.server, &cast.a);
    let known = server.get("privacy", "/v1/events?type=person.registered&limit=200").await.ok();
    let of_a = |it: &&Value| it["subject"] == format!("person/{}", a.person);
    let event = known["items"].as_array().unwrap().iter().find(of_a).unwrap().clone();
    let key = &event["data"]["known"]["sealed"]["name"]["key"];
    let seal = json!({ "person": a.person, "key": key, "key_state": "sealed", "basis": "结案归档" });
    server.command("privacy", "person.set_key_state", seal).await.ok();
    let path = format!("/v1/persons/{}/open", a.person);
    let ask = json!({ "fields": ["name"], "purpose": "desk_service" });
    opened(server, "clerk", &path, &ask).await.refused(403, "opening_refused");
    let named = json!({ "fields": ["name"], "purpose": "desk_service", "second_officer": actor("officer2") });
    let answer = opened(server, "clerk", &path, &named).await;
    assert!(matches!(answer.status, 400 | 422) && !answer.text.contains("张三"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_page_both_ways_over_the_same_lines() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let positions = |page: &Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|it| it["position"].as_str().unwrap().parse().unwrap()).collect()
    };
    let (mut forth, mut path) = (Vec::new(), "/v1/events?limit=7".to_owned());
    loop {
        let page = server.get("officer", &path).await.ok();
        forth.extend(positions(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/events?limit=7&after={next}");
    }
    let (mut back, mut path) = (Vec::new(), "/v1/events?limit=7&before=1000000".to_owned());
    loop {
        let page = server.get("officer", &path).await.ok();
        back.splice(0..0, positions(&page));
        let Some(prev) = page["prev"].as_str() else { break };
        path = format!("/v1/events?limit=7&before={prev}");
    }
    assert!(forth.len() > 7 && forth == back, "{forth:?} {back:?}");
    // A page back from a page on is the page before it.
    let one = server.get("officer", "/v1/events?limit=7").await.ok();
    let two = format!("/v1/events?limit=7&after={}", one["next"].as_str().unwrap());
    let two = server.get("officer", &two).await.ok();
    let back = format!("/v1/events?limit=7&before={}", two["prev"].as_str().unwrap());
    assert_eq!(server.get("officer", &back).await.ok()["items"], one["items"]);
    server.get("officer", "/v1/events?before=5&after=2").await.refused(400, "bad_request");
}
