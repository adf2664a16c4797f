//! The committed OpenAPI document is what the gateway serves.
//!
//! `UPDATE_OPENAPI=1` writes it anew; what changed for clients is then seen in review.

use std::fs;
use std::path::Path;

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let document = linggong_gateway::openapi::document();
    let served = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some_and(|it| it == "1") {
        fs::write(&path, &served).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(served.lines()).position(|(a, b)| a != b);
    assert!(
        committed == served,
        "docs/openapi.json differs from line {} on: run once with UPDATE_OPENAPI=1",
        differs.unwrap_or_else(|| committed.lines().count().min(served.lines().count())) + 1
    );
}
