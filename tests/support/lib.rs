//! What tests of the whole share: a real server on a free port, with a clock that the test drives.

pub mod nats;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use linggong_events::time::Timestamp;
use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::serve::{self, Founding, Running, ServeError};
use linggong_projections::{StoreError, Views};
use serde_json::Value;
use uuid::Uuid;

/// The binary beside the running test, built if it is older than its sources.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().expect("the path of this test");
        let folder = own.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "-p", "linggong-gateway", "--bin", "linggong"]);
        build.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        build.arg("--target-dir").arg(folder.parent().expect("the target directory"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the binary cannot be built");
        folder.join("linggong")
    })
}

/// A demo server in a folder of its own, and the tokens of its staff.
pub struct Server {
    /// Its folder; gone when the server is.
    pub folder: tempfile::TempDir,
    /// The server.
    pub running: Running,
    config: Config,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, where it is JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Server {
    /// Starts a new demo log whose clock stands at `at`.
    pub async fn start(at: &str) -> Server {
        Server::start_with(at, |_| ()).await
    }

    /// Starts a new demo log with settings of the test's own.
    pub async fn start_with(at: &str, change: impl FnOnce(&mut Config)) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut config = Config {
            data: folder.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            segment_bytes: 1 << 20,
            ..Config::default()
        };
        change(&mut config);
        let clock = Clock::driven(instant(at));
        let running =
            serve::start(&config, clock, &Founding::staffed(&config)).await.expect("the server starts");
        Server { folder, running, config }
    }

    /// Starts a new demo log whose views are opened in the test's own way.
    pub async fn start_with_views(
        at: &str,
        change: impl FnOnce(&mut Config),
        views: impl FnOnce(&Path) -> Result<Views, StoreError>,
    ) -> Server {
        let server = Server::start_with(at, change).await;
        let views_of = server.data().join("views");
        server.restart_anyhow(|| std::fs::remove_dir_all(views_of).expect("the views are there"), views).await
    }

    /// Stops and starts again on the same folder, with views opened in the test's own way.
    pub async fn restart_with_views(self, views: impl FnOnce(&Path) -> Result<Views, StoreError>) -> Server {
        self.restart_anyhow(|| (), views).await
    }

    /// Starts on a folder that was put there by something else than this server.
    pub async fn start_on(data: PathBuf, like: &Server) -> Result<Server, ServeError> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let config = Config { data, ..like.config.clone() };
        let clock = like.running.clock.clone();
        let running = serve::start(&config, clock, &Founding::staffed(&config)).await?;
        Ok(Server { folder, running, config })
    }

    /// The settings it was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Stops and starts again on the same folder, the clock standing where it stood.
    pub async fn restart(self) -> Server {
        self.restart_after(|| ()).await
    }

    /// Stops, lets something happen to the folder, and starts again on it.
    pub async fn restart_after(self, meanwhile: impl FnOnce()) -> Server {
        self.restart_anyhow(meanwhile, linggong_projections::open_all).await
    }

    async fn restart_anyhow(
        self,
        meanwhile: impl FnOnce(),
        views: impl FnOnce(&Path) -> Result<Views, StoreError>,
    ) -> Server {
        let Server { folder, running, config } = self;
        let clock = running.clock.clone();
        running.stop().await.expect("the server stops");
        meanwhile();
        let founding = Founding::staffed(&config);
        let running = serve::start_with_views(&config, clock, &founding, views).await;
        Server { folder, running: running.expect("the server starts again"), config }
    }

    /// Stops, tries to start on what `harm` left of the folder, and starts once `mend` has put it right.
    pub async fn restart_mended(self, harm: impl FnOnce(), mend: impl FnOnce()) -> (ServeError, Server) {
        let Server { folder, running, config } = self;
        let clock = running.clock.clone();
        running.stop().await.expect("the server stops");
        harm();
        let refused = serve::start(&config, clock.clone(), &Founding::staffed(&config)).await;
        let refused = refused.expect_err("the server does not start on this");
        mend();
        let running =
            serve::start(&config, clock, &Founding::staffed(&config)).await.expect("the server starts again");
        (refused, Server { folder, running, config })
    }

    /// The folder of log, views and vault.
    pub fn data(&self) -> PathBuf {
        self.config.data.clone()
    }

    /// Moves the clock, and lets everything that is due by then happen.
    pub async fn time_passes_to(&self, at: &str) {
        self.running.clock.set(instant(at));
        self.running.partition.tick();
        // A question is answered after the tick, which was sent before it.
        let last = self.running.partition.ask(|partition, _| partition.state().last()).await;
        let last = last.expect("the partition answers");
        let mut head = self.running.partition.head.clone();
        head.wait_for(|head| head.position >= last).await.expect("the log takes what is due");
    }

    /// Waits until every view shows what is written.
    pub async fn views_catch_up(&self) {
        let head = self.running.partition.head.borrow().position;
        let reached = self.running.projections.all_reached(head).await;
        reached.unwrap_or_else(|_| panic!("{:?}", self.running.projections.standings()));
    }

    /// The token of a member of the demo's staff.
    pub fn token(&self, who: &str) -> String {
        std::fs::read_to_string(self.data().join(format!("tokens/{who}.token")))
            .expect("a token of the staff")
    }

    /// Gives a command under a new key.
    pub async fn command(&self, who: &str, name: &str, body: Value) -> Answer {
        self.command_with_key(who, name, self.running.clock.new_key(), body).await
    }

    /// Gives a command under a key of the test's choice.
    pub async fn command_with_key(&self, who: &str, name: &str, key: Uuid, body: Value) -> Answer {
        let key = key.to_string();
        let headers = [("idempotency-key", key.as_str())];
        self.send(
            "POST",
            &format!("/v1/commands/{name}"),
            Some(&self.token(who)),
            &headers,
            Some(body.to_string()),
        )
        .await
    }

    /// Reads.
    pub async fn get(&self, who: &str, path: &str) -> Answer {
        self.send("GET", path, Some(&self.token(who)), &[], None).await
    }

    /// Stores a text as evidence about `claim/<id>` or another thing, and answers its digest.
    pub async fn store_evidence(&self, who: &str, about: &str, text: &str) -> String {
        let path = format!("/v1/evidence?about={about}");
        let kind = [("content-type", "text/plain")];
        let stored = self.send("POST", &path, Some(&self.token(who)), &kind, Some(text.to_owned())).await;
        stored.ok()["digest"].as_str().expect("a digest").to_owned()
    }

    /// Sends anything at all; JSON, where the headers say nothing else.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.running.address))
            .header("accept-language", "en");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.unwrap_or_default()).expect("a request that can be sent");
        let answered = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut response = agent.run(request).expect("an answer");
            let text = response.body_mut().read_to_string().expect("a body of text");
            let body = serde_json::from_str(&text).unwrap_or(Value::Null);
            Answer { status: response.status().as_u16(), body, text }
        });
        answered.await.expect("the request ends")
    }
}

impl Answer {
    /// The answer of an accepted command or read.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Asserts a refusal by status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        self.body
    }
}

/// The id of the first entity of `kind` that a receipt names.
#[track_caller]
pub fn id_of(receipt: &Value, kind: &str) -> String {
    let subjects = receipt["events"].as_array().into_iter().flatten().filter_map(|it| it["subject"].as_str());
    let mut ids = subjects.filter_map(|it| it.split_once('/')).filter(|(it, _)| *it == kind);
    ids.next().map(|(_, id)| id.to_owned()).unwrap_or_else(|| panic!("no {kind} in {receipt}"))
}

/// An instant as tests write it.
#[track_caller]
pub fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant with its offset")
}
