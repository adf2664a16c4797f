//! The sample morning: made anew it is what is committed, and it holds all that a morning is made of.

#![expect(clippy::unwrap_used, reason = "a sample that cannot be made or read fails its test")]

mod generate;
mod holds;

#[test]
fn the_sheets_are_what_the_generator_makes() {
    for (name, bytes) in generate::files() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sample").join(name);
        if std::env::var_os("UPDATE_SAMPLE").is_some() {
            std::fs::write(&path, bytes).unwrap();
            continue;
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "`{name}` differs: run again with UPDATE_SAMPLE=1");
    }
}
