//! What somebody at the server's own machine meets.

use std::process::Command;

use linggong_tests::{Server, binary};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_a_served_directory_names_the_lock_and_exits_as_a_conflict() {
    let server = Server::start("2026-11-23T04:50:00+08:00").await;
    let data = server.data();
    for verb in ["serve", "demo"] {
        let mut second = Command::new(binary());
        second.args([verb, "--listen", "127.0.0.1:0", "--data"]).arg(&data).current_dir(server.folder.path());
        let ended =
            tokio::task::spawn_blocking(move || second.output().expect("it runs")).await.expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(4), "{verb}: {said}");
        let holder = format!("in use by process {}", std::process::id());
        assert!(said.contains("log_in_use") && said.contains(&holder), "{verb}: {said}");
    }
}
