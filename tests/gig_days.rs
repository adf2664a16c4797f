//! Two real gig days through the whole system: each task a posting, each worker an arrival, in order of time.
//!
//! A minute of ours stands for a second of the day. Utility (pay times the worker's success rate) is no term of
//! our score, so what is reported is what fair ranking reaches, not what a utility maximiser would.

#![expect(clippy::print_stdout, reason = "the figures are what this test reports")]
#![expect(clippy::unwrap_used, reason = "what an answer lacks is shown by the line that asks for it")]

use std::collections::BTreeMap;
use std::path::Path;

use linggong_events::time::{MINUTE_MS, Timestamp};
use linggong_tests::{Server, id_of, instant};
use serde_json::{Value, json};

/// Midnight before the first second of a day.
const START: &str = "2026-03-02T00:00:00+08:00";
/// One unit of the day's plane in metres.
const UNIT_METRES: f64 = 1000.0;

#[derive(Clone, Debug)]
struct Worker {
    begin: i64,
    x: f64,
    y: f64,
    radius: f64,
    duration: i64,
    success: f64,
}

#[derive(Clone, Debug)]
struct Task {
    begin: i64,
    x: f64,
    y: f64,
    duration: i64,
    pay: f64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_paid_micro_tasks_runs_through_the_whole_system() {
    run("gmission_00.txt", 1878.43, 90.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_campus_deliveries_runs_through_the_whole_system() {
    run("everysender_00.txt", 1566.87, 85.0).await;
}

/// Plays the day of `file` and holds its utility against the offline `optimum`: at least `floor` per cent of it.
async fn run(file: &str, optimum: f64, floor: f64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/gig-days").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {file} is not beside the checkout, so this real day was not run");
        return;
    };
    let (workers, tasks) = parse(&text);
    let server = Server::start(START).await;
    let (market, employer) = registers(&server).await;
    let mut worker_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids = Vec::new();
    for (n, worker) in workers.iter().enumerate() {
        let id = register(&server, n, worker).await;
        worker_of.insert(id.clone(), n);
        ids.push(id);
    }

    let mut day: Vec<(i64, Step)> = Vec::new();
    for (n, worker) in workers.iter().enumerate() {
        // Presence ends with the civil day; whoever stays longer is there again at midnight.
        let end = worker.begin + worker.duration;
        day.push((worker.begin, Step::Arrive(n)));
        day.extend((worker.begin + 1..end).filter(|at| at % 1440 == 0).map(|at| (at, Step::Arrive(n))));
        day.push((end, Step::Leave(n)));
    }
    day.extend(tasks.iter().enumerate().map(|(n, task)| (task.begin, Step::Post(n))));
    day.sort_by_key(|(at, _)| *at);

    let mut hired: Vec<Option<usize>> = vec![None; workers.len()];
    let mut task_of: BTreeMap<String, usize> = BTreeMap::new();
    for (at, step) in day {
        server.time_passes_to(&minute(at).to_string()).await;
        let answer = match step {
            Step::Arrive(n) if hired[n].is_none() => {
                let body = json!({ "worker": ids[n], "market": market, "means": "card" });
                server.command("gate", "worker.arrive", body).await.ok()
            }
            Step::Leave(n) if hired[n].is_none() => {
                // Whoever's presence ended at midnight sharp has left already.
                server.command("gate", "worker.leave", json!({ "worker": ids[n], "market": market })).await;
                continue;
            }
            Step::Arrive(_) | Step::Leave(_) => continue,
            Step::Post(n) => {
                let posted =
                    server.command("dispatcher", "posting.submit", terms(&employer, &tasks[n])).await.ok();
                let posting = id_of(&posted, "posting");
                task_of.insert(posting.clone(), n);
                // Work at night is looked at first; the reviewer lets these pass at once.
                if posted["events"][0]["type"] == "posting.review_requested" {
                    let approve = json!({ "posting": posting, "reason": "verified" });
                    server.command("reviewer", "posting.approve", approve).await.ok()
                } else {
                    posted
                }
            }
        };
        accept(&server, &answer, &worker_of, &task_of, &mut hired).await;
    }

    let mut utility = 0.0;
    let mut taken = vec![false; tasks.len()];
    for (worker, task) in workers.iter().zip(&hired).filter_map(|(worker, task)| Some((worker, (*task)?))) {
        assert!(!std::mem::replace(&mut taken[task], true), "a task of one place was given twice");
        let (task, distance) = (&tasks[task], ((worker.x - tasks[task].x).hypot(worker.y - tasks[task].y)));
        assert!(distance <= worker.radius * 1.002, "out of reach by {distance}");
        assert!(worker.begin <= task.begin + task.duration && task.begin <= worker.begin + worker.duration);
        utility += task.pay * worker.success;
    }
    let matched = hired.iter().flatten().count();
    let share = utility / optimum * 100.0;
    println!("{file}: matched {matched}, utility {utility:.2}, {share:.1} % of the offline optimum");
    assert!(share <= 100.1, "more than the optimum cannot be");
    assert!(share >= floor, "{share:.1} % of the optimum, and it was above {floor} % before");
    server.running.stop().await.unwrap();
}

enum Step {
    Arrive(usize),
    Leave(usize),
    Post(usize),
}

/// Accepts the offer that an answer made, if it made one.
async fn accept(
    server: &Server,
    answer: &Value,
    workers: &BTreeMap<String, usize>,
    tasks: &BTreeMap<String, usize>,
    hired: &mut [Option<usize>],
) {
    let types: Vec<&str> =
        answer["events"].as_array().unwrap().iter().filter_map(|it| it["type"].as_str()).collect();
    if !types.contains(&"offer.made") {
        return;
    }
    let accepted =
        server.command("dispatcher", "offer.accept", json!({ "offer": id_of(answer, "offer") })).await.ok();
    let agreed =
        accepted["events"].as_array().unwrap().iter().find(|it| it["type"] == "hire.agreed").unwrap();
    let event =
        server.get("auditor", &format!("/v1/events/{}", agreed["position"].as_str().unwrap())).await.ok();
    let terms = &event["data"]["terms"];
    let (worker, task) =
        (workers[terms["worker"].as_str().unwrap()], tasks[terms["posting"].as_str().unwrap()]);
    assert!(hired[worker].replace(task).is_none(), "a worker of capacity one was hired twice");
    // One task is all a worker of these days takes: the worker goes to it.
    let market = server.get("gate", "/v1/markets").await.ok()["items"][0]["market"].clone();
    let leave = json!({ "worker": terms["worker"], "market": market });
    server.command("gate", "worker.leave", leave).await.ok();
}

fn minute(at: i64) -> Timestamp {
    instant(START).plus_ms(at * MINUTE_MS)
}

fn place(x: f64, y: f64) -> Value {
    let (lat, lon) = (36.0 + y * UNIT_METRES / 110_960.0, 117.0 + x * UNIT_METRES / 90_160.0);
    json!({ "lat_e6": (lat * 1e6) as i64, "lon_e6": (lon * 1e6) as i64 })
}

async fn registers(server: &Server) -> (String, String) {
    let market = json!({ "name": "真实一日", "region": "370102", "market_kind": "public_benefit", "place": place(0.0, 0.0) });
    let market = server.command("manager", "market.register", market).await.ok();
    let employer = json!({ "employer_kind": "enterprise", "region": "370102", "name": "某平台", "code": "91350100M000100Y43" });
    let employer = server.command("clerk", "employer.register", employer).await.ok();
    (id_of(&market, "market"), id_of(&employer, "employer"))
}

async fn register(server: &Server, n: usize, worker: &Worker) -> String {
    let body = json!({
        "person": { "name": "甲", "document": { "kind": "resident_id", "number": document(n) } },
        "profile": {
            "skills": [{ "occupation": "courier", "level": "skilled" }], "certificates": [],
            "reach": (worker.radius * UNIT_METRES).ceil() as i64, "expectation": 0, "available": [],
            "declines_ranking": false, "place": place(worker.x, worker.y),
        },
    });
    id_of(&server.command("clerk", "worker.register", body).await.ok(), "worker")
}

fn terms(employer: &str, task: &Task) -> Value {
    let start = minute(task.begin + task.duration);
    json!({ "terms": {
        "employer": employer, "occupation": "courier", "text": "取送一次", "region": "370102",
        "place": place(task.x, task.y), "address": "校园内", "headcount": 1, "mode": "dispatch",
        "shifts": [{ "start": start, "end": start.plus_ms(MINUTE_MS) }],
        "requirements": { "level": "helper", "certificates": [] },
        "pay": { "pay_kind": "task", "rate": (task.pay * 100.0).round() as i64, "due": { "when": "on_completion" } },
    } })
}

/// An invented document with a valid check digit (GB 11643).
fn document(n: usize) -> String {
    let digits = format!("370102199001{:02}{:03}", n / 999 % 28 + 1, n % 999 + 1);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 =
        digits.chars().zip(weights).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    let check = b"10X98765432"[sum as usize % 11] as char;
    format!("{digits}{check}")
}

fn parse(text: &str) -> (Vec<Worker>, Vec<Task>) {
    let (mut workers, mut tasks) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |n: usize| fields[n].parse::<f64>().expect("a number");
        let (begin, x, y) = (number(0) as i64, number(2), number(3));
        match fields[1] {
            "w" => {
                let (radius, duration, success) = (number(4), number(6) as i64, number(7));
                workers.push(Worker { begin, x, y, radius, duration, success });
            }
            _ => tasks.push(Task { begin, x, y, duration: number(4) as i64, pay: number(5) }),
        }
    }
    (workers, tasks)
}
