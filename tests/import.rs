//! 导入 against a server: a corrected sheet is another file, and what it repeats is not doubled.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use linggong_gateway::cli::{Cli, Command, import};
use linggong_tests::{Server, id_of};
use serde_json::{Value, json};

const DOCUMENT: &str = "371622199001011235";
const CODE: &str = "91350100M000100Y43";

/// A worker with a hire on 23 November; the evening of the next day.
async fn after_a_day_of_work() -> Server {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let place = json!({ "lat_e6": 37_640_000, "lon_e6": 117_570_000 });
    let market = json!({ "name": "阳信县中心零工市场", "region": "371622", "market_kind": "public_benefit", "place": place });
    let market = id_of(&server.command("manager", "market.register", market).await.ok(), "market");
    let employer =
        json!({ "employer_kind": "enterprise", "region": "371622", "name": "阳信甲有限公司", "code": CODE });
    let employer = id_of(&server.command("clerk", "employer.register", employer).await.ok(), "employer");
    let person = json!({ "name": "甲某", "document": { "kind": "resident_id", "number": DOCUMENT } });
    let profile = json!({ "skills": [{ "occupation": "bricklayer", "level": "skilled" }], "certificates": [],
                          "reach": 20_000, "expectation": 20_000, "available": [], "declines_ranking": false });
    let register = json!({ "person": person, "profile": profile });
    let worker = id_of(&server.command("clerk", "worker.register", register).await.ok(), "worker");
    let arrive = json!({ "worker": worker, "market": market, "means": "card" });
    server.command("gate", "worker.arrive", arrive).await.ok();
    let terms = json!({
        "employer": employer, "occupation": "bricklayer", "text": "砌墙, 管午饭", "region": "371622", "place": place,
        "address": "河流镇工地", "shifts": [{ "start": "2026-11-23T06:00:00+08:00", "end": "2026-11-23T17:00:00+08:00" }],
        "headcount": 1, "requirements": { "level": "helper", "certificates": [] }, "mode": "on_site", "market": market,
        "pay": { "pay_kind": "day", "rate": 28_000, "due": { "when": "on_completion" } },
    });
    let struck = json!({ "terms": terms, "workers": [worker], "insurance": "open" });
    server.command("dispatcher", "hire.register_on_site", struck).await.ok();
    server.time_passes_to("2026-11-24T20:00:00+08:00").await;
    server.views_catch_up().await;
    server
}

fn file(server: &Server, name: &str, text: &str) -> PathBuf {
    let path = server.folder.path().join(name);
    std::fs::write(&path, text).expect("a sheet");
    path
}

/// Imports as the command line does, and waits until the views show it; every row goes in.
async fn imported(server: &Server, path: &Path) {
    assert!(goes_in(server, path).await, "rows of {} were left out", path.display());
}

/// Imports as the command line does, and waits until the views show it; says whether every row went in.
async fn goes_in(server: &Server, path: &Path) -> bool {
    let token = server.data().join("tokens/clerk.token");
    let args: Vec<String> =
        ["linggong", "import", &path.display().to_string(), "--region", "371622", "--server"]
            .into_iter()
            .map(str::to_owned)
            .chain([
                format!("http://{}", server.running.address),
                "--token-file".into(),
                token.display().to_string(),
            ])
            .collect();
    let clock = server.running.clock.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let cli = Cli::try_parse_from(args).expect("the arguments of an import");
        let Command::Import(args) = &cli.command else { panic!("an import") };
        format!("{:?}", import::run(&cli.global, args, &clock))
    });
    let ended = ended.await.expect("the import ends");
    server.views_catch_up().await;
    ended == format!("{:?}", std::process::ExitCode::SUCCESS)
}

/// Imports, and answers the report as text and as JSON.
async fn reported(server: &Server, path: &Path) -> (String, Value) {
    let token = server.data().join("tokens/clerk.token");
    let ran = std::process::Command::new(linggong_tests::binary())
        .args(["import", "--region", "371622", "-o", "json"])
        .arg(path)
        .arg("--token-file")
        .arg(token)
        .args(["--server", &format!("http://{}", server.running.address)])
        .output();
    let ran = ran.expect("the import runs");
    server.views_catch_up().await;
    let text = String::from_utf8(ran.stdout).expect("text");
    let report =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    (text, report)
}

async fn items(server: &Server, path: &str) -> Vec<Value> {
    server.get("clerk", path).await.ok()["items"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_wage_sheet_corrects_the_sum_and_pays_nobody_twice() {
    let server = after_a_day_of_work().await;
    let sheet = |due: u32, paid: u32, remark: &str| {
        format!(
            "考勤工资表\n姓名,身份证号,用人单位,信用代码,日期,上工时间,下工时间,应发工资,实发工资,支付方式,备注\n\
             甲某,{DOCUMENT},阳信甲有限公司,{CODE},2026/11/23,6:00,17:00,{due},{paid},现金,{remark}\n"
        )
    };
    imported(&server, &file(&server, "考勤工资表.csv", &sheet(280, 100, ""))).await;
    let paid = |wages: &[Value]| {
        let [wage] = wages else { panic!("one wage: {wages:?}") };
        let payments = wage["payments"].as_array().expect("payments").len();
        (wage["amount"].as_i64(), wage["outstanding"].as_i64(), payments)
    };
    assert_eq!(paid(&items(&server, "/v1/wages?state=all").await), (Some(28_000), Some(18_000), 1));
    // The same words in another file, then another sum of the same day's work.
    imported(&server, &file(&server, "考勤工资表-更正.csv", &sheet(280, 100, "更正"))).await;
    assert_eq!(paid(&items(&server, "/v1/wages?state=all").await), (Some(28_000), Some(18_000), 1));
    imported(&server, &file(&server, "考勤工资表-再更正.csv", &sheet(300, 100, "再更正"))).await;
    assert_eq!(paid(&items(&server, "/v1/wages?state=all").await), (Some(30_000), Some(20_000), 1));
    // Another amount paid at the same time is not one more payment.
    assert!(!goes_in(&server, &file(&server, "考勤工资表-三.csv", &sheet(300, 120, "三更正"))).await);
    assert_eq!(paid(&items(&server, "/v1/wages?state=all").await), (Some(30_000), Some(20_000), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_table_of_cases_makes_no_claim_twice_and_accepts_none() {
    let server = after_a_day_of_work().await;
    let sheet = |number: &str, amount: u32, remark: &str| {
        format!(
            "在办案件表\n案号,投诉人,身份证号,用人单位,信用代码,拖欠金额,起,止,投诉日期,受理日期,承办人,备注\n\
             {number},甲某,{DOCUMENT},阳信甲有限公司,{CODE},{amount},2026-10-1,2026-10-7,2026-11-3,2026-11-5,王某,{remark}\n"
        )
    };
    let numbered = "阳人社投诉〔2026〕31号";
    imported(&server, &file(&server, "在办案件表.csv", &sheet(numbered, 2400, ""))).await;
    imported(&server, &file(&server, "在办案件表-更正.csv", &sheet(numbered, 2400, "更正"))).await;
    assert!(
        !goes_in(&server, &file(&server, "在办案件表-再更正.csv", &sheet(numbered, 2600, "再更正"))).await
    );
    let claims = items(&server, "/v1/claims").await;
    let [claim] = claims.as_slice() else { panic!("one claim: {claims:?}") };
    assert_eq!((&claim["total"], &claim["external"]["number"]), (&json!(240_000), &json!(numbered)));
    assert_eq!(claim["case"], Value::Null, "受理 is an act of an officer of the office");
    // Without a number, sum, days and day of filing tell.
    imported(&server, &file(&server, "案件.csv", &sheet("", 2500, ""))).await;
    imported(&server, &file(&server, "案件-更正.csv", &sheet("", 2500, "更正"))).await;
    assert_eq!(items(&server, "/v1/claims").await.len(), 2);
    assert_eq!(items(&server, "/v1/cases").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_sheet_of_postings_offers_no_place_twice() {
    let server = after_a_day_of_work().await;
    let sheet = |rows: &[(u32, u32)], remark: &str| {
        let heading = "招工登记表\n用人单位,信用代码,工种,人数,工作地点,用工日期,工作时间,工价,备注\n";
        let row = |(headcount, pay): &(u32, u32)| {
            format!(
                "阳信甲有限公司,{CODE},小工,{headcount},阳信县城,2026/11/26,6:00-18:00,{pay}/天,{remark}\n"
            )
        };
        format!("{heading}{}", rows.iter().map(row).collect::<String>())
    };
    let offered = async || {
        let known = items(&server, "/v1/postings").await.into_iter();
        let mut known: Vec<_> = known
            .map(|it| (it["terms"]["headcount"].as_u64(), it["terms"]["pay"]["rate"].as_i64()))
            .collect();
        known.sort_unstable();
        known
    };
    // Two rows of one sheet are two postings, even where they say the same.
    let twice = file(&server, "招工登记表.csv", &sheet(&[(2, 200), (2, 200)], ""));
    imported(&server, &twice).await;
    let both = [(Some(2), Some(20_000)), (Some(2), Some(20_000))];
    assert_eq!(offered().await, both);
    imported(&server, &twice).await;
    imported(&server, &file(&server, "招工登记表-更正.csv", &sheet(&[(2, 200), (2, 200)], "更正"))).await;
    assert_eq!(offered().await, both, "another file with the same words");
    assert!(!goes_in(&server, &file(&server, "招工登记表-再更正.csv", &sheet(&[(3, 220)], "再更正"))).await);
    assert_eq!(offered().await, both, "other words are a person's to put right");
    // Once the old ones are withdrawn, the corrected words go in; the withdrawn ones never come back.
    for it in items(&server, "/v1/postings").await {
        let withdraw = json!({ "posting": it["posting"], "reason": "wrongly_posted" });
        server.command("clerk", "posting.withdraw", withdraw).await.ok();
    }
    server.views_catch_up().await;
    imported(&server, &file(&server, "招工登记表-四.csv", &sheet(&[(3, 220)], "四"))).await;
    imported(&server, &file(&server, "招工登记表-五.csv", &sheet(&[(2, 200)], "五"))).await;
    assert_eq!(offered().await, [(Some(3), Some(22_000))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_on_a_corrected_sheet_is_known_by_the_house_that_everybody_else_reads_nothing_of() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let sheet = |house: &str, remark: &str| {
        format!(
            "户主姓名,身份证号,电话,干什么活,人数,工作内容,干活地点,哪天,几点到几点,给多少钱,招工方式,备注\n\
             陈某,{DOCUMENT},10000000601,刷墙,1,刷三间屋,{house},2026/11/26,7:00-17:00,200元/天,抢单,{remark}\n"
        )
    };
    let (first, second) = ("阳信县温店镇陈家村 12 号", "阳信县温店镇陈家村 14 号");
    imported(&server, &file(&server, "招工登记表-农户.csv", &sheet(first, ""))).await;
    imported(&server, &file(&server, "招工登记表-农户-更正.csv", &sheet(first, "更正"))).await;
    let offered = items(&server, "/v1/postings").await;
    let [only] = offered.as_slice() else { panic!("one posting: {offered:?}") };
    assert_eq!(
        (&only["terms"]["address"], &only["home"]["address"]),
        (&json!("阳信县温店镇"), &json!(first))
    );
    let open = server.get("officer", "/v1/postings").await.ok();
    assert_eq!(open["items"][0]["terms"], only["terms"]);
    assert!(!open["items"][0].as_object().unwrap().contains_key("home"), "{open}");
    // Another house of the same village is another posting.
    imported(&server, &file(&server, "招工登记表-农户-二.csv", &sheet(second, ""))).await;
    assert_eq!(items(&server, "/v1/postings").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_raises_a_wage_and_lowers_none() {
    let server = after_a_day_of_work().await;
    let sheet = |due: u32| {
        format!(
            "考勤工资表\n姓名,身份证号,用人单位,日期,应发工资,实发工资,支付方式\n\
             甲某,{DOCUMENT},阳信甲有限公司,2026/11/23,{due},100,现金\n"
        )
    };
    let booked = async || {
        let wages = items(&server, "/v1/wages?state=all").await;
        let [wage] = wages.as_slice() else { panic!("one wage: {wages:?}") };
        (wage["amount"].as_i64(), wage["payments"].as_array().map(Vec::len))
    };
    let (_, report) = reported(&server, &file(&server, "考勤工资表.csv", &sheet(280))).await;
    assert_eq!(report["accepted"], 1, "{report}");
    assert_eq!(booked().await, (Some(28_000), Some(1)));
    let lower = file(&server, "考勤工资表-少.csv", &sheet(150));
    let (_, report) = reported(&server, &lower).await;
    let line = &report["lines"][0];
    assert_eq!((&line["result"], &line["row"]), (&json!("bad"), &json!(3)), "{report}");
    assert_eq!(
        (&line["problems"][0]["column"], &line["problems"][0]["code"]),
        (&json!("应发工资"), &json!("lower_than_books")),
        "{report}"
    );
    assert_eq!(booked().await, (Some(28_000), Some(1)), "nothing of the row is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_known_under_another_name_is_told_and_never_taken() {
    let server = after_a_day_of_work().await;
    let before = server.get("auditor", "/v1/log/head").await.ok()["position"].clone();
    let forms = [
        ("求职登记表.csv", "姓名", format!("姓名,身份证号,工种\n乙某,{DOCUMENT},瓦工\n")),
        (
            "考勤工资表.csv",
            "姓名",
            format!("姓名,身份证号,用人单位,日期,应发工资\n乙某,{DOCUMENT},阳信甲有限公司,2026/11/23,300\n"),
        ),
        (
            "在办案件表.csv",
            "投诉人",
            format!(
                "投诉人,身份证号,用人单位,信用代码,拖欠金额,投诉日期\n乙某,{DOCUMENT},阳信甲有限公司,{CODE},300,2026-11-3\n"
            ),
        ),
        (
            "招工登记表.csv",
            "用人单位",
            format!(
                "用人单位,信用代码,工种,人数,工作地点,用工日期,工作时间,工价,市场\n\
                 另名有限公司,{CODE},小工,1,阳信县城,2026/11/25,6:00-18:00,200/天,阳信县中心零工市场\n"
            ),
        ),
    ];
    for (name, column, text) in forms {
        let (report_text, report) = reported(&server, &file(&server, name, &text)).await;
        let line = &report["lines"][0];
        let problem = &line["problems"][0];
        assert_eq!((&line["result"], &problem["code"]), (&json!("bad"), &json!("name_differs")), "{report}");
        assert_eq!(problem["column"], column, "{report}");
        for hidden in ["乙某", "甲某", "另名有限公司"] {
            assert!(!report_text.contains(hidden), "a name in {report_text}");
        }
    }
    assert_eq!(server.get("auditor", "/v1/log/head").await.ok()["position"], before, "nothing was taken");

    // The same name, as somebody else spaces it, is the same name; a second row of a run is held to the first.
    let spaced = format!("姓名,身份证号,工种\n甲　某,{DOCUMENT},瓦工\n乙 某,{DOCUMENT},瓦工\n");
    let (_, report) = reported(&server, &file(&server, "求职登记表-二.csv", &spaced)).await;
    assert_eq!((&report["unchanged"], &report["bad"]), (&json!(1), &json!(1)), "{report}");
}
