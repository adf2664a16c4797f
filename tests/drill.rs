//! 演练 by an office's own rules: a pack in a folder, a pack that a log has adopted, and what is no pack.

use std::fs;
use std::path::{Path, PathBuf};

use linggong_events::commit::Digest;
use linggong_gateway::drill;
use linggong_tests::Server;
use serde_json::json;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository").to_owned()
}

/// A scenario whose claim must be accepted within five working days, by the packs that are shipped.
fn scenario() -> PathBuf {
    repository().join("tests/scenarios/case/accepted.case")
}

/// The national pack of an office that gives itself three working days.
fn stricter() -> String {
    let shipped = fs::read_to_string(repository().join("config/rules/cn-national.toml"));
    let shipped = shipped.expect("the pack that is shipped");
    let row = "id = \"sup.accept\"\ntrigger = \"ComplaintReceived|Supplemented\"\nlength = ";
    assert!(shipped.contains(&format!("{row}5\n")));
    shipped.replace(&format!("{row}5\n"), &format!("{row}3\n"))
}

#[track_caller]
fn differs_by_two_days(report: &str) {
    let line = |sign: char, day: &str| {
        let shown = |it: &&str| {
            it.trim_start().starts_with(sign) && it.contains(&format!("deadlines.0.last_day={day}"))
        };
        report.lines().find(shown).unwrap_or_else(|| panic!("no `{sign} …{day}` in\n{report}")).to_owned()
    };
    assert!(line('-', "2026-03-11").contains("=> case.accepted"));
    assert!(line('+', "2026-03-09").contains("=> case.accepted"));
    assert!(report.contains("1 differ"), "{report}");
}

#[test]
fn a_pack_in_a_folder_stands_in_for_the_shipped_one_and_the_difference_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (file, laid_out) in [("any-name.toml", "flat"), ("rules/any-name.toml", "in parts")] {
        let packs = folder.path().join(laid_out);
        let file = packs.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, stricter()).unwrap();
        let shipped = drill::shipped_rules();
        assert!(drill::run(&[scenario()], false, &shipped).is_good());
        let own = drill::with_folder(shipped.clone(), &packs).unwrap();
        assert_eq!(own.len(), shipped.len(), "it takes the place of the one of its name");
        let report = drill::run(&[scenario()], false, &own).to_string();
        differs_by_two_days(&report);
        let label = format!("cn-national@{}", &hex::encode(Digest::of(stricter().as_bytes()).bytes())[..8]);
        assert!(report.contains(&format!("own packs: {label}\n")), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_goes_by_the_packs_that_a_log_has_adopted_while_it_is_served() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let before = drill::adopted_rules(&server.data()).unwrap();
    assert_eq!(before, drill::shipped_rules(), "a new log adopts what is shipped, in that order");
    let token = server.token("keeper1");
    let stored =
        server.send("PUT", "/v1/packs?kind=statutes", Some(&token), &[], Some(stricter())).await.ok();
    let adopt = json!({ "name": "cn-national", "pack_kind": "statutes", "digest": stored["digest"],
                        "reason": "本局从严" });
    server.command("keeper1", "rules.adopt", adopt).await.ok();
    let data = server.data();
    let drilled = tokio::task::spawn_blocking(move || {
        let adopted = drill::adopted_rules(&data).unwrap();
        drill::run(&[scenario()], false, &adopted).to_string()
    });
    differs_by_two_days(&drilled.await.unwrap());
}

#[test]
fn a_folder_without_packs_and_a_file_that_is_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = drill::with_folder(Vec::new(), folder.path()).unwrap_err();
    assert!(empty.to_string().contains("holds no pack"), "{empty}");
    fs::write(folder.path().join("broken.toml"), "name = \"cn-national\"\nlenght = 3\n").unwrap();
    let broken = drill::with_folder(Vec::new(), folder.path()).unwrap_err();
    assert!(broken.to_string().contains("broken.toml"), "{broken}");
    let no_log = drill::adopted_rules(folder.path()).unwrap_err();
    assert!(no_log.to_string().contains("holds no log"), "{no_log}");
}

#[test]
fn an_instant_that_a_server_refuses_is_not_played_as_another() {
    let folder = tempfile::tempdir().unwrap();
    let setup = folder.path().join("_setup");
    fs::create_dir_all(&setup).unwrap();
    for it in fs::read_dir(repository().join("tests/scenarios/_setup")).unwrap() {
        let it = it.unwrap();
        fs::copy(it.path(), setup.join(it.file_name())).unwrap();
    }
    let case = folder.path().join("past.case");
    let told = |at: &str| {
        let text = format!(
            "# 很久以前 — long ago\nuse morning\n\n05:20 @w1 worker.arrive worker=W1 means=desk about.occurred_at={at}\n=> …\n"
        );
        fs::write(&case, text).unwrap();
        drill::run(std::slice::from_ref(&case), false, &drill::shipped_rules()).to_string()
    };
    for at in ["1990-01-01T00:00", "2300-01-01T00:00"] {
        let report = told(at);
        assert!(report.contains("1992–2199"), "{report}");
    }
    assert!(!told("2026-03-02T05:10").contains("1992–2199"));
}
