//! A question that cannot be right is refused, and the refusal names the parameter and what it may be.

use serde_json::json;

use crate::cast::Cast;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_question_is_told_which_parameter_and_what_is_allowed() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let hire = format!("/v1/hires/{}", cast.a.hire);
    let refused = [
        ("/v1/hires?limit=100000".to_owned(), "limit", "1 to 200"),
        ("/v1/hires?limit=201".to_owned(), "limit", "1 to 200"),
        ("/v1/hires?limit=0".to_owned(), "limit", "1 to 200"),
        ("/v1/events?limit=0".to_owned(), "limit", "1 to 200"),
        ("/v1/hires?limit=1&limit=2".to_owned(), "limit", "more than once"),
        ("/v1/hires?foo=1".to_owned(), "foo", "`posting`"),
        ("/v1/hires?bucket=overdue_1_7".to_owned(), "bucket", "`employer`"),
        ("/v1/hires?after=x".to_owned(), "after", "cursor"),
        ("/v1/hires?order=desc".to_owned(), "order", "`down`"),
        ("/v1/hires?region=3701".to_owned(), "region", ""),
        ("/v1/hires?date=2026-02-30".to_owned(), "date", ""),
        ("/v1/events?after=-1".to_owned(), "after", ""),
        ("/v1/events/stream?before=3".to_owned(), "before", "`type`"),
        ("/v1/wages?state=zzz".to_owned(), "state", "`all`"),
        ("/v1/cases?state=settled".to_owned(), "state", "`due`"),
        ("/v1/staff?state=zzz".to_owned(), "state", "`proposed`"),
        ("/v1/wages/summary?by=sum".to_owned(), "by", "`region`"),
        (format!("{hire}?as_of=1"), "as_of", "`as_known`"),
    ];
    for (path, name, allowed) in &refused {
        let problem = server.get("auditor", path).await.refused(400, "bad_request");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&format!("`{name}`")) && detail.contains(allowed), "{path}: {detail}");
    }
    // What stands there is not told back.
    let name = server.get("auditor", "/v1/hires?%E5%BC%A0%E4%B8%89=1").await.refused(400, "bad_request");
    let value = server.get("auditor", "/v1/hires?order=%E5%BC%A0%E4%B8%89").await.refused(400, "bad_request");
    for told in [name, value] {
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(!detail.contains("张三") && !detail.contains("%E5"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_recorded_yet_is_not_told_as_known() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let head = server.get("auditor", "/v1/log/head").await.ok()["position"].clone();
    let end: u64 = head.as_str().and_then(|it| it.parse().ok()).expect("a position");
    for of in [format!("/v1/hires/{}", cast.a.hire), format!("/v1/timelines/hire/{}", cast.a.hire)] {
        server.get("auditor", &format!("{of}?as_known={end}")).await.ok();
        let beyond = server.get("auditor", &format!("{of}?as_known={}", end + 1)).await;
        let detail = beyond.refused(400, "ahead_of_log")["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains("`as_known`") && detail.contains(&end.to_string()), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_lacks_a_field_is_told_which() {
    let cast = Cast::ordinary().await;
    let server = &cast.server;
    let worker = server.get("clerk", &format!("/v1/workers/{}", cast.a.worker)).await.ok();
    let person = worker["value"]["person"].as_str().expect("a person").to_owned();
    let path = format!("/v1/persons/{person}/open");
    for (body, told) in [(json!({}), "`fields`"), (json!({ "fields": ["name"] }), "`purpose`")] {
        let token = server.token("clerk");
        let refused = server.send("POST", &path, Some(&token), &[], Some(body.to_string())).await;
        let problem = refused.refused(422, "bad_fields");
        assert!(problem["detail"].as_str().is_some_and(|it| it.contains(told)), "{problem}");
    }
}
