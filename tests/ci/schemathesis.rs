//! The server against its own OpenAPI document: schemathesis makes requests from it, good and bad, and looks whether
//! an answer is a server's error, is not in the document, or ignores that nobody said who asks.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::{Ci, tools};

/// In whose name requests are made: one who reads everything, and two whose commands differ.
const ROLES: [&str; 3] = ["auditor1", "clerk1", "lead1"];

/// What an answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,ignored_auth";

/// A stream does not end, and no serializer of schemathesis writes TOML; the tests of the line read both.
const LEFT_OUT: [&str; 2] = ["/v1/events/stream", "/v1/packs"];

/// A demo that ends with its handle.
struct Demo {
    process: Child,
    data: PathBuf,
    url: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

pub(crate) fn check(ci: &Ci) -> Result<(), String> {
    let library = ci.tools.schemathesis(&ci.root.join("tests/ci/pip/schemathesis.txt"))?;
    tools::run(ci.command("cargo").args([
        "build",
        "--locked",
        "-p",
        "linggong-gateway",
        "--bin",
        "linggong",
    ]))?;
    let demo = start(&ci.root)?;
    for role in ROLES {
        run(ci, &library, &demo, role)?;
    }
    Ok(())
}

fn start(root: &Path) -> Result<Demo, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let data = target.join("schemathesis-demo");
    let _ = fs::remove_dir_all(&data);
    let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = address.map_err(|cause| format!("there is no free port: {cause}"))?;
    let mut command = Command::new(target.join("debug/linggong"));
    command.arg("demo").arg("--data").arg(&data).args(["--listen", &address.to_string()]);
    command.env("RUST_LOG", "error").stdout(Stdio::null());
    let process = command.spawn().map_err(|cause| format!("cannot start a demo: {cause}"))?;
    let mut demo = Demo { process, data, url: format!("http://{address}") };
    // The demo plays its weeks first.
    for _ in 0..600 {
        if let Ok(Some(status)) = demo.process.try_wait() {
            return Err(format!("the demo ended with {status}"));
        }
        if ureq::get(format!("{}/readyz", demo.url)).call().is_ok() {
            return Ok(demo);
        }
        sleep(Duration::from_millis(200));
    }
    Err("the demo is not ready after two minutes".into())
}

fn run(ci: &Ci, library: &Path, demo: &Demo, role: &str) -> Result<(), String> {
    let token = demo.data.join(format!("tokens/{role}.token"));
    let token =
        fs::read_to_string(&token).map_err(|cause| format!("cannot read `{}`: {cause}", token.display()))?;
    let (phases, examples) = if ci.long { ("examples,coverage,fuzzing", "40") } else { ("fuzzing", "2") };
    let mut st = ci.command("python3");
    st.env("PYTHONPATH", library)
        .args(["-m", "schemathesis.cli"])
        .args(["--config-file", "tests/ci/schemathesis.toml"]);
    st.args(["run", "docs/openapi.json"]);
    st.args(["--url", &demo.url, "--checks", CHECKS, "--phases", phases, "--max-examples", examples]);
    st.args(["--seed", "1", "--no-shrink", "--generation-database", "none", "--continue-on-failure"]);
    st.args(["--request-timeout", "10", "--no-color", "--warnings", "off"]);
    for path in LEFT_OUT {
        st.args(["--exclude-path", path]);
    }
    // A demo's token is worth nothing, but what a failed step prints must not teach to print others.
    st.args(["--header", &format!("Authorization: Bearer {}", token.trim())]);
    let status = st.status().map_err(|cause| format!("cannot run schemathesis: {cause}"))?;
    if status.success() { Ok(()) } else { Err(format!("as {role}: schemathesis ended with {status}")) }
}
