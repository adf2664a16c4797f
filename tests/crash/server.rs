//! The real binary as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use linggong_tests::binary;
use serde_json::Value;

/// How large its segments are.
pub(crate) const SEGMENT_BYTES: u64 = 262_144;

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    data: PathBuf,
    traces: Arc<Mutex<Vec<String>>>,
}

/// How a server is started: through another program, with an environment of its own.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) wrapper: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Settings beside the usual ones, as TOML.
    pub(crate) settings: String,
}

impl Server {
    /// Starts it on `data`; returns once it answers.
    pub(crate) fn start(data: &Path) -> Server {
        Server::start_within(data, &Around::default()).expect("the server starts")
    }

    /// Starts it so; what it said before it ended where it does not come to answer.
    pub(crate) fn start_within(data: &Path, around: &Around) -> Result<Server, String> {
        let config = data.with_extension("toml");
        // Small segments, frequent snapshots: what happens rarely happens in each round.
        let settings = format!(
            "segment_bytes = {SEGMENT_BYTES}\nsnapshot_events = 40\nreserve_bytes = 4194304\n{}",
            around.settings
        );
        fs::write(&config, settings).expect("the settings");
        let mut command = match around.wrapper.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config).arg("--data").arg(data);
        command.env("RUST_LOG", "info").envs(around.env.iter().cloned());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().expect("its traces")).lines();
        let mut said = String::new();
        while let Some(Ok(line)) = lines.next() {
            let traced: Value = serde_json::from_str(&line).unwrap_or_default();
            if traced["fields"]["message"] == "linggong serves" {
                let address = traced["fields"]["address"].as_str().unwrap_or_default().to_owned();
                let traces = Arc::<Mutex<Vec<String>>>::default();
                let told = traces.clone();
                // Traces that nobody reads would fill the pipe and stop the server.
                std::thread::spawn(move || {
                    lines.map_while(Result::ok).for_each(|it| told.lock().expect("no test panics").push(it));
                });
                return Ok(Server { child, address, data: data.to_owned(), traces });
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = child.wait();
        Err(said)
    }

    /// The status and body of an answer to a read.
    pub(crate) fn get(&self, path: &str, who: Option<&str>) -> (u16, Value) {
        let (status, said) = self.text(path, who);
        (status, serde_json::from_str(&said).unwrap_or(Value::String(said)))
    }

    /// The same with the body as it was sent.
    pub(crate) fn text(&self, path: &str, who: Option<&str>) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut asked = agent.get(format!("http://{}{path}", self.address));
        if let Some(who) = who {
            asked = asked.header("authorization", format!("Bearer {}", self.token(who)));
        }
        let mut answer = asked.call().expect("an answer");
        let said = answer.body_mut().read_to_string().expect("a body");
        (answer.status().as_u16(), said)
    }

    /// What it has traced since it began to serve.
    pub(crate) fn traces(&self) -> Vec<String> {
        self.traces.lock().expect("no test panics").clone()
    }

    /// The bearer token of a member of its staff.
    pub(crate) fn token(&self, who: &str) -> String {
        let path = self.data.join(format!("tokens/{who}.token"));
        fs::read_to_string(path).expect("a token").trim().to_owned()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Stops it as an operator does, and expects it to end well.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "an orderly stop ends with {status}");
    }

    /// Waits until it ends by itself.
    pub(crate) fn ends(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// What it has in memory, in megabytes.
    pub(crate) fn resident_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Server {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
