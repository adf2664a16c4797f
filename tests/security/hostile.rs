//! Input that means harm: over the whole registry, every text field, every header, every query.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use linggong_engine::command::Command;
use linggong_engine::command::CommandType;
use linggong_tests::Server;
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cast::{self, Cast, DAWN, role_name};

fn hostile() -> Vec<(&'static str, String)> {
    vec![
        ("a wildcard", "*".into()),
        ("a deep wildcard", ">".into()),
        ("a token of two", "a.b".into()),
        ("a system name", "$SYS.REQ.>".into()),
        ("a line break", "甲\r\nX-Admin: 1\r\n\r\n乙".into()),
        ("a null", "甲\u{0}乙".into()),
        ("an escape sequence", "\u{1b}[2J甲".into()),
        ("5,000 characters", "长".repeat(5000)),
        ("a turn of direction", "甲\u{202e}乙".into()),
        ("an isolate", "甲\u{2066}乙".into()),
        ("zero width", "甲\u{200b}\u{feff}乙".into()),
        ("nothing", String::new()),
        ("blanks", " \u{3000} ".into()),
        ("a path", "../../../../etc/passwd".into()),
        ("a tag", "<script>alert(1)</script>".into()),
        ("a formula", "=cmd|' /C calc'!A0".into()),
    ]
}

/// Characters that no event may carry raw: they hide, or turn or break what is read.
fn is_forbidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Builds bodies from the registry's own schemas, with ids of things that are really there.
struct Bodies<'a> {
    cast: &'a Cast,
    definitions: Value,
    /// Evidence that the vault holds.
    paper: String,
}

impl Bodies<'_> {
    fn id(&self, name: &str) -> Option<Value> {
        let cast = self.cast;
        let id = match name {
            "MarketId" => &cast.market,
            "OfficeId" => &cast.office,
            "PersonId" => &cast.a.person,
            "WorkerId" => &cast.a.worker,
            "EmployerId" => &cast.a.employer,
            "PostingId" => &cast.a.posting,
            "HireId" => &cast.a.hire,
            "WageId" => &cast.a.wage,
            "ClaimId" => &cast.a.claim,
            "CaseId" => &cast.case,
            _ => return None,
        };
        Some(json!(id))
    }

    /// A value of `schema`, with its optional members too; `path` collects where free texts stand.
    fn value(&self, schema: &Value, path: &str, texts: &mut Vec<String>, depth: u32) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(id) = self.id(name) {
                return id;
            }
            return self.value(&self.definitions[name], path, texts, depth + 1);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema["enum"].as_array().and_then(|it| it.first()) {
            return first.clone();
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            if let Some(first) = schema[choice].as_array().and_then(|it| it.first()) {
                return self.value(first, path, texts, depth + 1);
            }
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
        match kind {
            "string" => self.string(schema, path, texts),
            "integer" | "number" => schema["minimum"].as_i64().map_or(json!(1), |it| json!(it.max(1))),
            "boolean" => json!(true),
            "array" if depth > 12 => json!([]),
            "array" => json!([self.value(&schema["items"], &format!("{path}/0"), texts, depth + 1)]),
            _ => {
                let mut object = serde_json::Map::new();
                for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                    object.insert(
                        name.clone(),
                        self.value(schema, &format!("{path}/{name}"), texts, depth + 1),
                    );
                }
                Value::Object(object)
            }
        }
    }

    fn string(&self, schema: &Value, path: &str, texts: &mut Vec<String>) -> Value {
        texts.push(path.to_owned());
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        match schema["format"].as_str() {
            Some("date") => json!("2026-12-01"),
            Some("date-time") => json!("2026-11-25T00:10:00+08:00"),
            Some("uuid") => json!(uuid::Uuid::nil()),
            _ if pattern.starts_with("^sha256:") => json!(self.paper),
            _ if path.ends_with("region") || path.ends_with("regions/0") || pattern.contains("{6}") => {
                json!("370102")
            }
            _ => json!("事由清楚"),
        }
    }

    /// The body of a command and where its texts stand; personal fields as they are on the wire.
    fn of(&self, command: &CommandType, schema: &Value) -> (Value, Vec<String>) {
        let mut texts = Vec::new();
        let mut body = self.value(schema, "", &mut texts, 0);
        for field in command.personal {
            let path = format!("/{}", field.name);
            texts.retain(|it| !it.starts_with(&format!("{path}/")));
            use linggong_engine::command::PersonalShape::{Card, Person, Revision, Text};
            let (value, inner): (Value, &[&str]) = match field.shape {
                Person => (
                    json!({ "name": "张三", "document": { "kind": "resident_id", "number": cast::document(31) },
                            "phone": "13900000031", "bank_account": "6217000000000000031", "address": "某街",
                            "emergency_contact": "李四" }),
                    &["name", "document/number", "phone", "bank_account", "address", "emergency_contact"],
                ),
                Text => (json!({ "person": self.cast.a.person, "text": "说了" }), &["text", "person"]),
                Revision => (
                    json!({ "person": self.cast.a.person, "name": "张三", "phone": "13900000032", "address": "某街" }),
                    &["name", "phone", "address", "person"],
                ),
                Card => (json!("LX-2026-0031"), &[""]),
            };
            body[field.name] = value;
            texts.extend(inner.iter().map(|it| format!("{path}/{it}").trim_end_matches('/').to_owned()));
        }
        (body, texts)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_text_of_any_command_breaks_the_server_or_smuggles_a_control_character_into_an_event() {
    let cast = Cast::ordinary().await;
    let mut generator = SchemaGenerator::default();
    let schemas: Vec<(&CommandType, Value)> =
        Command::types().map(|it| (it, serde_json::to_value((it.schema)(&mut generator)).unwrap())).collect();
    let definitions = serde_json::to_value(generator.definitions()).unwrap();
    let paper = cast.server.store_evidence("clerk", &format!("wage/{}", cast.a.wage), "收条").await;
    let bodies = Bodies { cast: &cast, definitions, paper };
    // Who of the staff may give it; what only outsiders may give is given by nobody here.
    let staff = [
        ("clerk", "clerk"),
        ("dispatcher", "dispatcher"),
        ("reviewer", "reviewer"),
        ("market_manager", "manager"),
        ("case_officer", "officer"),
        ("case_lead", "lead"),
        ("privacy_officer", "privacy"),
        ("keeper", "keeper1"),
        ("insurer", "insurer"),
    ];
    let mut sendings: Vec<(String, String, String, Value)> = Vec::new();
    for (command, schema) in &schemas {
        let may = |(role, _): &&(&str, &str)| command.roles.iter().any(|it| role_name(*it) == *role);
        let (_, who) = staff.iter().find(may).unwrap_or_else(|| panic!("nobody gives {}", command.name()));
        let (body, texts) = bodies.of(command, schema);
        // Commands that end what others need come last.
        let texts: BTreeSet<String> = texts.into_iter().chain(["/about/source_doc".to_owned()]).collect();
        for path in texts {
            for (what, text) in hostile() {
                let mut body = body.clone();
                if path == "/about/source_doc" {
                    body["about"] = json!({ "source_doc": text });
                } else if let Some(place) = body.pointer_mut(&path) {
                    *place = json!(text);
                }
                sendings.push((
                    format!("{} {path} = {what}", command.name()),
                    command.name(),
                    (*who).to_owned(),
                    body,
                ));
            }
        }
    }
    assert!(sendings.len() > 2_000, "the registry has many texts: {}", sendings.len());
    let before = cast.server.running.partition.head.borrow().position.0;
    let Cast { server, .. } = cast;
    let server = Arc::new(server);
    let sendings = Arc::new(sendings);
    let mut all = JoinSet::new();
    for lane in 0..8 {
        let (server, sendings) = (server.clone(), sendings.clone());
        all.spawn(async move {
            let mut faults = Vec::new();
            let mut accepted = 0;
            for (what, name, who, body) in sendings.iter().skip(lane).step_by(8) {
                let answer = server.command(who, name, body.clone()).await;
                accepted += u32::from(answer.status == 200);
                if answer.status >= 500 || answer.text.chars().any(is_forbidden) {
                    faults.push(format!("{what}: {} {:?}", answer.status, answer.text));
                }
            }
            (accepted, faults)
        });
    }
    let (accepted, faults): (Vec<u32>, Vec<Vec<String>>) = all.join_all().await.into_iter().unzip();
    assert_eq!(faults.concat(), Vec::<String>::new());
    assert!(accepted.iter().sum::<u32>() > 0, "some of it is lawful text, and goes in");

    let head = server.running.partition.head.borrow().position.0;
    let mut smuggled = Vec::new();
    let mut after = before;
    while after < head {
        let page = server.get("auditor", &format!("/v1/events?limit=200&after={after}")).await.ok();
        for event in page["items"].as_array().unwrap() {
            let bad = texts(event)
                .into_iter()
                .filter(|it| it.chars().any(is_forbidden) || it.chars().count() > 4_000);
            let shown = bad.map(|it| it.chars().take(30).collect::<String>());
            smuggled.extend(
                shown.map(|it| format!("{}: {it:?} in {:.300}", event["type"], event["data"].to_string())),
            );
        }
        after = page["next"].as_str().map_or(head, |it| it.parse().unwrap());
    }
    assert_eq!(smuggled, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_no_command_knows_are_refused_and_leave_no_event() {
    let server = Server::start(DAWN).await;
    let before = server.running.partition.head.borrow().position;
    let body = json!({ "name": "零工市场", "region": "370102", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    for member in [
        "role",
        "status",
        "market",
        "market_id",
        "event_time",
        "time",
        "actor",
        "verified",
        "recorded_at",
        "ABOUT",
    ] {
        let mut body = body.clone();
        body[member] = json!("keeper");
        server.command("manager", "market.register", body).await.refused(422, "bad_fields");
    }
    for member in ["time", "recorded_at", "received_at", "actor", "role", "office"] {
        let mut body = body.clone();
        body["about"] = json!({ member: "2026-11-23T04:50:00+08:00" });
        server.command("manager", "market.register", body).await.refused(422, "bad_fields");
    }
    let mut nested = body.clone();
    nested["place"]["admin"] = json!(true);
    server.command("manager", "market.register", nested).await.refused(422, "bad_fields");
    for (member, wrong) in [
        ("name", json!(7)),
        ("name", json!(null)),
        ("region", json!(370_102)),
        ("region", json!("37010２")),
        ("market_kind", json!(["public_benefit"])),
        ("place", json!("36.6,117.0")),
        ("place", json!({ "lat_e6": 36.666, "lon_e6": 1 })),
        ("place", json!({ "lat_e6": 1u64 << 60, "lon_e6": 1 })),
    ] {
        let mut body = body.clone();
        body[member] = wrong;
        let answer = server.command("manager", "market.register", body).await;
        assert_eq!(answer.status, 422, "{member}: {}", answer.text);
    }
    assert_eq!(server.running.partition.head.borrow().position, before);
    server.command("manager", "market.register", body).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_too_deep_too_big_or_no_json_are_refused() {
    let server = Server::start(DAWN).await;
    let key = server.running.clock.new_key().to_string();
    let token = server.token("manager");
    let big = format!("{{\"name\":\"{}\"}}", "长".repeat(400_000));
    let bodies = [
        ("deep lists", "[".repeat(10_000), 400),
        ("deep objects", "{\"a\":".repeat(10_000), 400),
        ("a deep member", format!("{{\"name\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)), 400),
        ("a million bytes", big, 413),
        ("nothing", String::new(), 400),
        ("a list", "[]".into(), 400),
        ("a number", "1e999".into(), 400),
        ("half of it", "{\"name\":".into(), 400),
        ("no text", "\u{0}".into(), 400),
    ];
    for (what, body, expected) in bodies {
        let headers = [("idempotency-key", key.as_str())];
        let answer =
            server.send("POST", "/v1/commands/market.register", Some(&token), &headers, Some(body)).await;
        assert_eq!(answer.status, expected, "{what}: {}", answer.text);
        let code = if expected == 413 { "too_large" } else { "bad_request" };
        assert_eq!(answer.body["code"], code, "{what}: {}", answer.text);
    }
    // The server is none the worse for it.
    server.get("manager", "/v1/markets").await.ok();
}

/// Sends the very bytes and reads what comes until the other side has no more.
async fn raw(server: &Server, request: String) -> String {
    let address = server.running.address;
    let heard = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        // The other side may hang up before it has heard everything.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    heard.await.expect("the connection ends")
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_doubled_endless_or_forged_change_nothing() {
    let server = Server::start(DAWN).await;
    let token = server.token("clerk");
    let auditor = server.token("auditor");
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
    };
    let authorized = format!("authorization: Bearer {token}\r\n");
    assert_eq!(status_of(&raw(&server, get("/v1/hires", &authorized)).await), 200);
    let doubled = format!("{authorized}authorization: Bearer {auditor}\r\n");
    assert_eq!(status_of(&raw(&server, get("/v1/hires", &doubled)).await), 401);
    for bad in [
        "authorization: Basic Y2xlcms6\r\n".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        format!("authorization: Bearer  {token}\r\n"),
        format!("authorization: {token}\r\n"),
        format!("authorization: Bearer {}\r\n", "a".repeat(10_000)),
        format!("cookie: token={token}\r\nx-user-id: keeper\r\nx-forwarded-for: 127.0.0.1\r\n"),
    ] {
        assert_eq!(status_of(&raw(&server, get("/v1/hires", &bad)).await), 401, "{bad:.80}");
    }
    let in_the_query = get(&format!("/v1/hires?token={token}"), "");
    assert_eq!(status_of(&raw(&server, in_the_query).await), 401);
    for role in ["engine", "keeper", "auditor"] {
        let forged = format!("{authorized}linggong-role: {role}\r\n");
        assert_eq!(status_of(&raw(&server, get("/v1/hires", &forged)).await), 403, "{role}");
    }
    for roles in [
        "linggong-role: clerk\r\nlinggong-role: keeper\r\n",
        "linggong-role: clerk,keeper\r\n",
        "linggong-role: Clerk\r\n",
    ] {
        let forged = format!("{authorized}{roles}");
        assert_eq!(status_of(&raw(&server, get("/v1/hires", &forged)).await), 400, "{roles}");
    }
    let long =
        raw(&server, get("/v1/hires", &format!("{authorized}x-long: {}\r\n", "a".repeat(1 << 20)))).await;
    assert!(matches!(status_of(&long), 431 | 400), "{long:.80}");
    let many: String = (0..500).map(|n| format!("x-many-{n}: 1\r\n")).collect();
    let many = raw(&server, get("/v1/hires", &format!("{authorized}{many}"))).await;
    assert!(matches!(status_of(&many), 431 | 400), "{many:.80}");
    let path = raw(&server, get(&format!("/v1/hires?region={}", "3".repeat(100_000)), &authorized)).await;
    assert!(matches!(status_of(&path), 414 | 431 | 400), "{path:.80}");
    let smuggled = format!(
        "POST /v1/commands/market.register HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{authorized}\
         content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let smuggled = raw(&server, smuggled).await;
    assert!(!smuggled.contains("linggong_log_position"), "{smuggled:.200}");

    // A request's id is taken only in the safe form, and never twice.
    for (given, kept) in [
        ("abc-123", true),
        (&"a".repeat(64) as &str, true),
        (&"a".repeat(65) as &str, false),
        ("a b", false),
        ("<script>", false),
        ("../x", false),
        ("甲", false),
        ("", false),
    ] {
        let answer =
            raw(&server, get("/v1/markets", &format!("{authorized}x-request-id: {given}\r\n"))).await;
        assert_eq!(status_of(&answer), 200, "{given}: {answer:.200}");
        let echoed =
            answer.lines().find_map(|it| it.strip_prefix("x-request-id: ")).expect("each answer has an id");
        assert_eq!(echoed == given, kept, "{given}: {echoed}");
        assert!(echoed.chars().all(|it| it.is_ascii_alphanumeric() || it == '-'), "{echoed}");
    }
    let twice = format!("{authorized}x-request-id: one\r\nx-request-id: two\r\n");
    let answer = raw(&server, get("/v1/markets", &twice)).await;
    assert!(!answer.contains("x-request-id: one") && !answer.contains("x-request-id: two"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_about_somebody_whom_the_vault_does_not_know_is_the_senders_mistake() {
    let server = Server::start(DAWN).await;
    let nobody = "a2250c6a-acaa-4b9b-8ae1-098d3e262f39";
    let claim = json!({
        "worker": nobody, "employer": nobody, "about": {},
        "items": [{ "amount": 100, "from": "2026-11-22", "until": "2026-11-22" }],
        "statement": { "person": nobody, "text": "干了一天" },
    });
    server.command("clerk", "claim.register", claim).await.refused(422, "bad_fields");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_in_one_form_and_names_of_commands_in_one() {
    let server = Server::start(DAWN).await;
    let body = json!({ "name": "零工市场", "region": "370102", "market_kind": "public_benefit",
                       "place": { "lat_e6": 36_666_000, "lon_e6": 117_077_000 } });
    let before = server.running.partition.head.borrow().position;
    let token = server.token("manager");
    let good = server.running.clock.new_key();
    let post = |name: &str, key: &str| {
        let path = format!("/v1/commands/{name}");
        let (token, body, key) = (token.clone(), body.to_string(), key.to_owned());
        let server = &server;
        async move {
            server.send("POST", &path, Some(&token), &[("idempotency-key", key.as_str())], Some(body)).await
        }
    };
    let forms = [
        (good.simple().to_string(), 400),
        (good.braced().to_string(), 400),
        (good.urn().to_string(), 400),
        (String::new(), 400),
        ("*".into(), 400),
        (">".into(), 400),
        ("a".repeat(5_000), 400),
        (uuid::Uuid::nil().to_string(), 422),
        (uuid::Uuid::max().to_string(), 422),
        ("00000000-0000-4000-8000-000000000000".into(), 422),
        ("00000000-0000-7000-8000-000000000000".into(), 422),
    ];
    for (key, expected) in forms {
        let answer = post("market.register", &key).await;
        assert_eq!(answer.status, expected, "{key:.60}: {}", answer.text);
    }
    let none =
        server.send("POST", "/v1/commands/market.register", Some(&token), &[], Some(body.to_string())).await;
    none.refused(400, "bad_request");
    for name in [
        "market.*",
        "market.%3E",
        "%3E",
        "market",
        "market.",
        ".register",
        "$SYS.register",
        "Market.register",
        "market.register%00",
        "market%2Eregister%20",
        "%2e%2e/v1",
    ] {
        let answer = post(name, &good.to_string()).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.text);
    }
    assert_eq!(server.running.partition.head.borrow().position, before);
    assert_eq!(
        post("market.register", &good.to_string().to_uppercase()).await.ok(),
        post("market.register", &good.to_string()).await.ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_out_of_range_or_of_two_minds_are_refused() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let hire = format!("/v1/hires/{}", cast.a.hire);
    let refused = [
        format!("{hire}?as_known=2026-11-23"),
        format!("{hire}?as_happened=2026-11-23"),
        format!("{hire}?as_known=2026-11-23T08:00:00"),
        format!("{hire}?as_known=1&as_happened=2026-11-23T08:00:00%2B08:00"),
        format!("{hire}?as_of=1"),
        format!("{hire}?as_known="),
        format!("{hire}?as_known=-1"),
        "/v1/hires?limit=1000000000".to_owned(),
        "/v1/hires?limit=-1".to_owned(),
        "/v1/hires?limit=ten".to_owned(),
        "/v1/hires?after=AAAA&before=AAAA".to_owned(),
        "/v1/hires?after=zzzz".to_owned(),
        "/v1/hires?after=../../etc".to_owned(),
        "/v1/hires?after=%00".to_owned(),
        "/v1/hires?region=*".to_owned(),
        "/v1/hires?region=3701".to_owned(),
        "/v1/hires?worker=*".to_owned(),
        "/v1/hires?date=2026-02-30".to_owned(),
        "/v1/hires?sort=name;drop".to_owned(),
        "/v1/hires?limit=1&limit=2".to_owned(),
        "/v1/wages/summary?by=worker'--".to_owned(),
        "/v1/wages?bucket=all".to_owned(),
        "/v1/events?after=-1".to_owned(),
        "/v1/events?after=1e3".to_owned(),
        "/v1/events?limit=1000000000".to_owned(),
        format!("/v1/timelines/hire/{}?as_known=2026-11-23", cast.a.hire),
        format!("/v1/timelines/hire/{}?after=zzzz", cast.a.hire),
    ];
    for path in &refused {
        let answer = server.get("auditor", path).await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (400, Some("bad_request")),
            "{path}: {}",
            answer.text
        );
    }
    for path in [
        "/v1/hires/*",
        "/v1/hires/%3E",
        "/v1/hires/..%2F..%2Fetc",
        "/v1/timelines/*/*",
        "/v1/timelines/$SYS/00000000-0000-0000-0000-000000000000",
        "/v1/timelines/hire/00000000-0000-0000-0000-000000000000",
        "/v1/events/18446744073709551615",
        "/v1/events/0",
        "/v1/receipts/*",
        "/v1/sources/..%2F..%2Ftokens.toml",
        "/v1/schemas/..%2F..%2Ftokens.toml",
        "/v1/nothing",
        "/debug/pprof",
        "/.git/config",
    ] {
        let answer = server.get("clerk", path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.text);
        assert!(answer.body["code"].is_string(), "{path}: {}", answer.text);
    }
    // A cursor of another list, or one made up, leads out of the list and never to what is not theirs.
    let page = server.get("auditor", "/v1/hires?limit=1").await.ok();
    let cursor = page["next"].as_str().expect("two hires make two pages of one").to_owned();
    for list in ["/v1/wages", "/v1/claims", "/v1/cases", "/v1/insurances", "/v1/postings"] {
        let answer = server.get("auditor", &format!("{list}?after={cursor}")).await;
        assert!(answer.status < 500, "{list}: {}", answer.text);
    }
    for id in ["abc", "-1", "1.5", "18446744073709551616", "1;2", "%00"] {
        let token = server.token("auditor");
        let answer =
            server.send("GET", "/v1/events/stream", Some(&token), &[("last-event-id", id)], None).await;
        answer.refused(400, "bad_request");
    }
    let token = server.token("auditor");
    let beyond =
        server.send("GET", "/v1/events/stream", Some(&token), &[("last-event-id", "999999")], None).await;
    beyond.refused(400, "ahead_of_log");
    for ignored in ["limit=5", "at_least=1"] {
        server.get("auditor", &format!("/v1/events/stream?{ignored}")).await.refused(400, "bad_request");
    }
}
