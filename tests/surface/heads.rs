//! Signed heads and closing sheets: what an auditor takes from the surface is enough to hold a log against.

use linggong_events::head::HeadKey;
use linggong_gateway::cli::exit::Exit;
use linggong_tests::Server;

use crate::screens::shown_to;

/// The key that a screen told, as the last of its blank-separated words that is one.
fn key_in(text: &str) -> &str {
    let mut words = text.split([' ', '\n', ',', '"', '\\']);
    words.rfind(|it| it.starts_with("linggong/lg-37/0+")).unwrap_or_else(|| panic!("a key: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_told_on_the_surface_holds_a_log_against_its_head_and_its_sheet() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let data = server.data().display().to_string();
    let of_http = server.get("auditor", "/v1/log/head").await.ok();
    let key = of_http["public_key"].as_str().expect("the key").to_owned();

    let (_, head) = shown_to(&server, "auditor", &["log", "head", "-o", "json"]).await;
    let (_, offline) = shown_to(&server, "auditor", &["log", "head", "-o", "json", "--data", &data]).await;
    let (_, sheet) = shown_to(&server, "manager", &["log", "seal-day", "-o", "json"]).await;
    let (_, printed) = shown_to(&server, "manager", &["log", "seal-day", "-o", "table"]).await;
    let (_, doctor) = shown_to(&server, "keeper1", &["doctor", "-o", "csv"]).await;
    let (_, at_rest) = shown_to(&server, "keeper1", &["doctor", "-o", "csv", "--data", &data]).await;
    for text in [&head, &offline, &sheet, &printed, &doctor, &at_rest] {
        assert_eq!(key_in(text), key, "{text}");
    }

    let other = HeadKey::new("linggong/lg-37/0", &[7; 32]).unwrap().public().to_string();
    let file = server.folder.path().join("kept");
    let kept = file.display().to_string();
    let (_, note) = shown_to(&server, "auditor", &["log", "head", "-o", "table"]).await;
    for text in [&head, &sheet, &note] {
        std::fs::write(&file, text).unwrap();
        let verify = ["log", "verify", "--data", &data, "--against", &kept, "-o", "json"];
        for (key, exit) in [(&key, Exit::Ok), (&other, Exit::Usage)] {
            let with_key = [&verify[..], &["--key", key.as_str()]].concat();
            assert_eq!(shown_to(&server, "auditor", &with_key).await.0, exit, "{key}: {text}");
        }
        assert_eq!(shown_to(&server, "auditor", &verify).await.0, Exit::Usage, "without any key: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_one_closing_sheet_and_only_once_it_is_over() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let data = server.data().display().to_string();
    let sheet = |date: &'static str, at: &'static [&'static str]| {
        let of = [&["log", "seal-day", "--date", date, "-o", "json"][..], at].concat();
        let (server, data) = (&server, data.clone());
        async move {
            let of: Vec<&str> = of.into_iter().chain(at.iter().map(|_| data.as_str())).collect();
            shown_to(server, "manager", &of).await
        }
    };
    server.get("manager", "/v1/log/seal-day?date=2026-11-24").await.refused(400, "bad_request");
    assert_eq!(sheet("2026-11-24", &[]).await.0, Exit::Failure);
    assert_eq!(sheet("2026-11-24", &["--data"]).await.0, Exit::Usage);

    for at in [&[][..], &["--data"]] {
        let (exit, today) = sheet("2026-11-23", at).await;
        assert!(exit == Exit::Ok && today.contains("\"closed\": false"), "{today}");
        assert!(today.contains("当日未结束") && !today.contains("签字"), "{today}");
    }
    server.time_passes_to("2026-11-24T00:00:01+08:00").await;
    let closed = server.get("manager", "/v1/log/seal-day?date=2026-11-23").await.ok();
    assert_eq!(closed["closed"], true);
    assert!(
        closed["sheet"].as_str().is_some_and(|it| it.starts_with("零工市场日结单") && it.contains("签字"))
    );
    let market = serde_json::json!({ "name": "南关市场", "region": "370102", "market_kind": "public_benefit",
                                     "place": { "lat_e6": 36_650_000, "lon_e6": 117_120_000 } });
    server.command("manager", "market.register", market).await.ok();
    let again = server.get("manager", "/v1/log/seal-day?date=2026-11-23").await.ok();
    assert_eq!((&again["signed_head"], &again["count"]), (&closed["signed_head"], &closed["count"]));
    let (_, offline) = sheet("2026-11-23", &["--data"]).await;
    assert!(offline.contains("\"closed\": true"), "{offline}");
}
