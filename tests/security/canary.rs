//! Personal data driven through the main line turns up nowhere but in the one answer that lawfully opens it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use linggong_gateway::vault::{ClearPerson, ClearText};
use linggong_tests::Answer;
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cast::{self, Cast};

const NAME: &str = "金絲雀鸝鷯";
const PHONE: &str = "13971354682";
const BANK: &str = "6217903104477118853";
const ADDRESS: &str = "獅子張莊街四百二十七弄己單元";
const EMERGENCY: &str = "鸝鷯氏 15066117739";
const STATEMENT: &str = "老闆欠我工錢還罵人, 鸝鷯親筆";
const NOTE: &str = "回訪時本人哭訴鸝鷯甚苦";
const INJURY: &str = "鸝鷯左腕骨折兩處送市立醫院";
const EVIDENCE: &str = "欠條: 今欠鸝鷯工錢貳佰捌拾圓";
const CARD: &str = "LX-5590-3171-8826";
const SERIAL: u32 = 773;

fn canaries() -> Vec<(&'static str, String)> {
    let fixed = [
        ("name", NAME),
        ("phone", PHONE),
        ("bank card", BANK),
        ("address", ADDRESS),
        ("emergency contact", EMERGENCY),
        ("statement", STATEMENT),
        ("note", NOTE),
        ("injury", INJURY),
        ("evidence", EVIDENCE),
        ("market card", CARD),
    ];
    let mut all: Vec<_> = fixed.into_iter().map(|(what, text)| (what, text.to_owned())).collect();
    all.push(("document", cast::document(SERIAL)));
    all
}

/// Looks for texts in every encoding that somebody might have thought harmless.
pub(crate) struct Search {
    needles: BTreeMap<[u8; 2], Vec<(String, Vec<u8>)>>,
    begins: Vec<bool>,
}

impl Search {
    pub(crate) fn new(texts: &[(&str, String)]) -> Search {
        let mut search = Search { needles: BTreeMap::new(), begins: vec![false; 1 << 16] };
        for (what, text) in texts {
            for (encoding, bytes) in encodings(text) {
                let begin = [bytes[0], bytes[1]];
                search.begins[usize::from(u16::from_be_bytes(begin))] = true;
                search.needles.entry(begin).or_default().push((format!("{what} as {encoding}"), bytes));
            }
        }
        search
    }

    pub(crate) fn found(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, begin) in bytes.windows(2).enumerate() {
            let begin = [begin[0], begin[1]];
            if !self.begins[usize::from(u16::from_be_bytes(begin))] {
                continue;
            }
            for (what, needle) in &self.needles[&begin] {
                if bytes[at..].starts_with(needle) {
                    found.push(what.as_str());
                }
            }
        }
        found
    }

    /// What stands in each file under `folder`, by file.
    fn in_folder(&self, folder: &Path) -> Vec<String> {
        let mut hits = Vec::new();
        for entry in fs::read_dir(folder).expect("a folder of the test") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                hits.extend(self.in_folder(&path));
                continue;
            }
            let found = self.found(&fs::read(&path).expect("a file of the test"));
            hits.extend(found.iter().map(|it| format!("{}: {it}", path.display())));
            let named = self.found(path.to_string_lossy().as_bytes());
            hits.extend(named.iter().map(|it| format!("the name {}: {it}", path.display())));
        }
        hits
    }
}

fn encodings(text: &str) -> Vec<(String, Vec<u8>)> {
    let utf8 = text.as_bytes();
    let units: Vec<u16> = text.encode_utf16().collect();
    let escaped = |lower: bool| {
        let unit = |it: &u16| if lower { format!("\\u{it:04x}") } else { format!("\\u{it:04X}") };
        units.iter().map(unit).collect::<String>()
    };
    let percent = |lower: bool| {
        let byte = |it: &u8| if lower { format!("%{it:02x}") } else { format!("%{it:02X}") };
        utf8.iter().map(byte).collect::<String>()
    };
    // What JSON writers escape is only what is not ASCII.
    let mixed: String = text
        .encode_utf16()
        .map(|it| match u8::try_from(it) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{it:04x}"),
        })
        .collect();
    let mut all = vec![
        ("UTF-8".to_owned(), utf8.to_vec()),
        ("UTF-16LE".to_owned(), units.iter().flat_map(|it| it.to_le_bytes()).collect()),
        ("UTF-16BE".to_owned(), units.iter().flat_map(|it| it.to_be_bytes()).collect()),
        ("hex".to_owned(), hex::encode(utf8).into_bytes()),
        ("HEX".to_owned(), hex::encode_upper(utf8).into_bytes()),
        ("percent".to_owned(), percent(false).into_bytes()),
        ("percent, lower".to_owned(), percent(true).into_bytes()),
        ("JSON escapes".to_owned(), escaped(true).into_bytes()),
        ("JSON ESCAPES".to_owned(), escaped(false).into_bytes()),
        ("JSON escapes of what is not ASCII".to_owned(), mixed.into_bytes()),
    ];
    for shift in 0..3 {
        for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(utf8.iter().copied()).collect();
            let whole = engine.encode(&padded);
            // The characters at both ends depend on what stands around; those between do not.
            let first = (shift * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            all.push((format!("{name} from {shift}"), whole.as_bytes()[first..last].to_vec()));
        }
    }
    all
}

/// Keeps every trace of this process.
#[derive(Clone)]
pub(crate) struct Traces(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer of traces panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn traces() -> &'static Traces {
    static TRACES: OnceLock<Traces> = OnceLock::new();
    TRACES.get_or_init(|| {
        let traces = Traces(Arc::default());
        let writer = traces.clone();
        // Everything of this process but the test's own HTTP client, which says what it sends, and the store's
        // inner workings, which are told while threads die and hold rows that are searched on disk anyway.
        let quiet =
            [("ureq", LevelFilter::OFF), ("ureq_proto", LevelFilter::OFF), ("sled", LevelFilter::INFO)];
        let wanted = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        tracing_subscriber::registry().with(wanted).with(lines).init();
        traces
    })
}

#[test]
fn the_search_finds_every_encoding_wherever_it_stands() {
    let search = Search::new(&canaries());
    let folder = tempfile::tempdir().unwrap();
    for (what, text) in canaries() {
        for (n, (encoding, bytes)) in encodings(&text).into_iter().enumerate() {
            let planted: Vec<u8> = std::iter::repeat_n(b'#', n).chain(bytes).chain(*b"##").collect();
            assert!(
                search.found(&planted).contains(&format!("{what} as {encoding}").as_str()),
                "{what}, {encoding}"
            );
        }
        // As a real writer would have put it, inside something longer.
        for shift in 0..3 {
            let inside = format!("{}{text} und so weiter", "x".repeat(shift));
            let boxed = [STANDARD_NO_PAD.encode(&inside), URL_SAFE_NO_PAD.encode(&inside)];
            for boxed in boxed {
                assert!(!search.found(boxed.as_bytes()).is_empty(), "{what} in base64 after {shift} bytes");
            }
        }
        fs::write(folder.path().join("planted"), json!({ "deep": [text] }).to_string()).unwrap();
        assert!(!search.in_folder(folder.path()).is_empty(), "{what} in a file");
    }
    assert!(search.found(&vec![b'7'; 10_000]).is_empty(), "and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_nowhere_but_in_the_answer_that_opens_it() {
    let traces = traces();
    let mut answers: Vec<String> = Vec::new();
    let mut hear = |answer: Answer| {
        answers.push(answer.text.clone());
        answer
    };
    let document = cast::document(SERIAL);
    let person = json!({
        "name": NAME, "document": { "kind": "resident_id", "number": document }, "phone": PHONE,
        "bank_account": BANK, "address": ADDRESS, "emergency_contact": EMERGENCY,
    });
    let debug = |value: &Value| {
        let clear: ClearPerson = serde_json::from_value(value.clone()).unwrap();
        let text: ClearText =
            serde_json::from_value(json!({ "person": uuid::Uuid::nil(), "text": STATEMENT })).unwrap();
        format!("{clear:?} {clear:#?} {text:?}")
    };
    let shown = debug(&person);
    let cast = Cast::gather(person.clone(), cast::person("李四", 22), STATEMENT).await;
    let server = &cast.server;
    let a = &cast.a;

    // Evidence, a call back, an injury.
    let stored = server
        .send(
            "POST",
            &format!("/v1/evidence?about=claim/{}", a.claim),
            Some(&server.token("clerk")),
            &[],
            None,
        )
        .await;
    hear(stored).refused(422, "evidence_refused");
    let note = json!({ "hire": a.hire, "worked": true, "paid": false, "note": { "person": a.person, "text": NOTE } });
    hear(server.command("clerk", "hire.follow_up", note).await).ok();
    let injury = |person: &str| json!({ "hire": a.hire, "at": "2026-11-23T09:00:00+08:00", "note": { "person": person, "text": INJURY } });
    hear(server.command("clerk", "hire.report_injury", injury(&cast.b.person)).await)
        .refused(422, "bad_field");
    hear(server.command("clerk", "hire.report_injury", injury(&a.person)).await).ok();
    let digest = evidence(&cast).await;
    let add = json!({ "claim": a.claim, "digest": digest, "media_type": "text/plain", "bytes": EVIDENCE.len(),
                      "label": "欠条" });
    hear(server.command("clerk", "claim.add_evidence", add).await).ok();

    // Put right, twice: what was wrong is as personal as what is right.
    for name in [format!("{NAME}{NAME}"), NAME.to_owned()] {
        let revision =
            json!({ "person": a.person, "name": name, "phone": PHONE, "document": person["document"] });
        let body = json!({ "revision": revision, "reason": "mistaken" });
        hear(server.command("clerk", "person.revise", body).await).ok();
    }

    // A card, given out, read, lost, and found by somebody.
    let issue = |card: &str| json!({ "person": a.person, "card": card });
    hear(server.command("clerk", "person.issue_card", issue(CARD)).await).ok();
    let arrive = json!({ "worker": { "card": CARD }, "market": cast.market, "means": "card" });
    hear(server.command("dispatcher", "worker.arrive", arrive.clone()).await).ok();
    let end = json!({ "person": a.person, "why": "lost" });
    hear(server.command("clerk", "person.end_card", end).await).ok();
    hear(server.command("dispatcher", "worker.arrive", arrive.clone()).await).refused(409, "card_dead");
    hear(server.command("dispatcher", "person.issue_card", issue(CARD)).await).refused(409, "card_dead");
    hear(server.command("clerk", "person.issue_card", issue(&format!("{CARD}?"))).await);

    // Refusals of every layer, with the data where it does not belong.
    let again = json!({ "person": person, "profile": cast::profile() });
    hear(server.command("clerk", "worker.register", again.clone()).await);
    let bad: Vec<(&str, Value)> = vec![
        ("worker.register", json!({ "person": person, "profile": cast::profile(), NAME: document })),
        ("worker.register", json!({ "person": { "name": NAME, document.clone(): PHONE }, "profile": {} })),
        ("worker.register", json!({ "person": NAME, "profile": BANK })),
        (
            "worker.register",
            json!({ "person": { "name": NAME, "phone": BANK.repeat(3) }, "profile": cast::profile() }),
        ),
        (
            "worker.register",
            json!({ "person": { "name": NAME, "document": { "kind": PHONE, "number": 1 } }, "profile": {} }),
        ),
        ("worker.arrive", json!({ "worker": { "card": CARD, "x": CARD }, "market": CARD, "means": CARD })),
        ("worker.arrive", json!({ "worker": { "card": [CARD] }, "market": cast.market, "means": "card" })),
        ("worker.call", json!({ "worker": { "card": CARD }, "market": cast.market })),
        ("worker.arrive", json!({ "worker": PHONE, "market": NAME, "means": STATEMENT })),
        ("worker.arrive", json!({ NAME: 1, PHONE: 2, "about": { ADDRESS: BANK } })),
        ("claim.register", json!({ "worker": a.worker, "employer": a.employer, "items": STATEMENT })),
        (
            "claim.register",
            json!({ "worker": a.worker, "employer": a.employer, "items": [],
                                    "statement": { "person": a.person, "text": STATEMENT } }),
        ),
        ("claim.register", json!({ "statement": { "person": uuid::Uuid::nil(), "text": STATEMENT } })),
        ("employer.register", json!({ "employer_kind": NAME, "region": PHONE, "code": BANK })),
        ("posting.submit", json!({ "terms": { "text": 1, ADDRESS: [NAME] } })),
    ];
    for (name, body) in bad {
        let answer = hear(server.command("clerk", name, body.clone()).await);
        assert_ne!(answer.status, 200, "{name} with {body}");
    }
    let key = server.running.clock.new_key();
    hear(server.command_with_key("clerk", "worker.register", key, again.clone()).await);
    let mut other = again;
    other["person"]["name"] = json!("張鸝");
    hear(server.command_with_key("clerk", "worker.register", key, other).await);
    for path in [
        format!("/v1/hires?worker={PHONE}"),
        format!("/v1/workers/{PHONE}"),
        format!("/v1/postings?state={PHONE}"),
    ] {
        assert!(hear(server.get("clerk", &path).await).status >= 400, "{path}");
    }
    hear(
        server
            .send(
                "POST",
                "/v1/commands/worker.register",
                Some(&server.token("clerk")),
                &[],
                Some(format!("{{{PHONE}")),
            )
            .await,
    );
    hear(server.send("GET", "/v1/hires", Some(PHONE), &[("linggong-role", PHONE)], None).await);

    // One lawful opening, and others that are refused.
    let path = format!("/v1/persons/{}/open", a.person);
    let open = |who: &str, body: Value| {
        let token = server.token(who);
        let path = path.clone();
        async move { server.send("POST", &path, Some(&token), &[], Some(body.to_string())).await }
    };
    let fields = json!(["name", "document", "phone", "bank_account", "address", "emergency_contact"]);
    let lawful = json!({ "fields": fields, "purpose": "case_handling", "case": cast.case });
    hear(open("officer2", lawful.clone()).await).refused(403, "opening_refused");
    hear(open("officer", json!({ "fields": fields, "purpose": "case_handling" })).await)
        .refused(403, "opening_refused");
    hear(open("dispatcher", json!({ "fields": fields, "purpose": "audit" })).await)
        .refused(403, "opening_refused");
    hear(open("auditor", json!({ "fields": fields, "purpose": "audit" })).await).refused(404, "not_found");
    let opened = open("officer", lawful).await.ok();
    assert_eq!((opened["name"].as_str(), opened["phone"].as_str()), (Some(NAME), Some(PHONE)));
    let accesses = hear(server.get("privacy", "/v1/accesses").await).ok();
    assert!(accesses["items"].as_array().unwrap().len() >= 6, "each opened field is on record: {accesses}");

    // Everything that everybody can read.
    let head = server.running.partition.head.borrow().position;
    for who in
        ["clerk", "dispatcher", "reviewer", "manager", "officer", "lead", "auditor", "privacy", "keeper1"]
    {
        for path in [
            format!("/v1/hires?at_least={head}"),
            "/v1/wages".into(),
            "/v1/wages/summary?by=employer".into(),
            "/v1/insurances".into(),
            "/v1/claims".into(),
            "/v1/cases".into(),
            "/v1/postings".into(),
            "/v1/events?limit=200".into(),
            "/v1/accesses".into(),
            format!("/v1/workers/{}", a.worker),
            format!("/v1/claims/{}", a.claim),
            format!("/v1/cases/{}", cast.case),
            format!("/v1/timelines/worker/{}", a.worker),
            format!("/v1/timelines/person/{}", a.person),
            format!("/v1/markets/{}/board?date=2026-11-23", cast.market),
            "/v1/projections".into(),
        ] {
            hear(server.get(who, &path).await);
        }
    }
    let metrics = hear(server.send("GET", "/metrics", None, &[], None).await);
    assert!(metrics.text.contains("linggong_log_position"), "{}", metrics.text);
    hear(server.send("GET", "/readyz", None, &[], None).await);

    let data = server.data();
    let Cast { server, .. } = cast;
    let address = server.running.address;
    let folder = server.folder;
    server.running.stop().await.unwrap();

    let search = Search::new(&canaries());
    let mut hits = search.in_folder(&data);
    for answer in &answers {
        let found = search.found(answer.as_bytes());
        hits.extend(found.iter().map(|it| format!("an answer of {address}: {it} in {answer}")));
    }
    let traces = traces.0.lock().unwrap().clone();
    assert!(traces.windows(15).any(|it| it == b"linggong serves"), "traces were captured");
    for line in traces.split(|it| *it == b'\n') {
        let found = search.found(line);
        hits.extend(found.iter().map(|it| format!("a trace: {it} in {}", String::from_utf8_lossy(line))));
    }
    hits.extend(search.found(shown.as_bytes()).iter().map(|it| format!("Debug: {it}")));
    assert_eq!(hits, Vec::<String>::new());
    drop(folder);
}

async fn evidence(cast: &Cast) -> String {
    cast.server.store_evidence("clerk", &format!("claim/{}", cast.a.claim), EVIDENCE).await
}
