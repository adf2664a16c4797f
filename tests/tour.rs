//! `docs/tour.md` is run: every command of it, against the demo on a fixed day, and its output is held against the page.
//!
//! The page says by comments what is run. `<!-- as officer1 -->` names who acts; `<!-- {case} = case list | number=… | case -->`
//! looks an id up, as a reader does in a list; `<!-- run: case show {case} -->` or `<!-- sh: … -->` runs what the block below
//! shows, `<!-- file posting.json: … -->` writes a file, `<!-- clock: 2026-11-24T09:00:00+08:00 -->` lets time pass. Ids, digests, times and numbers differ from run to run, so that they are not compared. `UPDATE_TOUR=1` writes
//! the page anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use linggong_gateway::clock::Clock;
use linggong_gateway::config::Config;
use linggong_gateway::serve::Running;
use linggong_gateway::{demo, sample, serve};
use linggong_tests::{binary, instant};
use serde_json::Value;

/// The Monday on which the tour is taken; the sample's morning lies four weeks before.
const TODAY: &str = "2026-11-23T04:50:00+08:00";
/// So many columns are shown, and so many lines where the page cuts.
const COLUMNS: usize = 140;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_tour_says_what_the_page_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tour.md");
    let written = std::fs::read_to_string(&page).expect("docs/tour.md");
    let folder = tempfile::tempdir().unwrap();
    // The tour is taken where the sources are.
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(tests, folder.path().join("tests")).unwrap();
    let running = a_demo(folder.path()).await;
    let running = Arc::new(running);
    let mut tour = Tour {
        running: running.clone(),
        runtime: tokio::runtime::Handle::current(),
        keys: 0,
        url: format!("http://{}", running.address),
        folder: folder.path().to_owned(),
        actor: "dispatcher1".into(),
        names: BTreeMap::new(),
    };
    let text = written.clone();
    let shown = tokio::task::spawn_blocking(move || tour.take(&text)).await.unwrap();
    Arc::into_inner(running).expect("the tour is over").stop().await.unwrap();
    if std::env::var_os("UPDATE_TOUR").is_some() {
        std::fs::write(&page, shown).unwrap();
        return;
    }
    let (is, was): (Vec<String>, Vec<String>) =
        (shown.lines().map(shape).collect(), written.lines().map(shape).collect());
    for (n, (is, was)) in is.iter().zip(&was).enumerate() {
        assert_eq!(is, was, "docs/tour.md:{}; UPDATE_TOUR=1 writes it anew", n + 1);
    }
    assert_eq!(is.len(), was.len(), "docs/tour.md has more or fewer lines; UPDATE_TOUR=1 writes it anew");
}

/// The demo, come to `TODAY`.
async fn a_demo(folder: &Path) -> Running {
    let script = sample::script();
    let config = Config {
        data: folder.join("demo-data"),
        listen: ([127, 0, 0, 1], 0).into(),
        log: "demo".into(),
        region: script.region,
        segment_bytes: 4 << 20,
        ..Config::default()
    };
    let today = instant(TODAY);
    let morning = today.date().plus_days(-28);
    let founding = demo::founding(&script);
    let clock = Clock::driven(morning.plus_days(-3).at_minute(480));
    let running = serve::start(&config, clock, &founding).await.expect("a demo starts");
    demo::play(&running, &config, &founding, morning).await.expect("it plays");
    demo::come_to(&running, today).await.expect("time passes");
    let head = running.partition.head.borrow().position;
    assert!(running.projections.all_reached(head).await.is_ok());
    running
}

struct Tour {
    running: Arc<Running>,
    runtime: tokio::runtime::Handle,
    keys: u64,
    url: String,
    folder: PathBuf,
    actor: String,
    /// What the ids that were looked up are called.
    names: BTreeMap<String, String>,
}

impl Tour {
    /// The page as it should be.
    fn take(&mut self, page: &str) -> String {
        let mut shown = String::new();
        let mut lines = page.lines().peekable();
        while let Some(line) = lines.next() {
            shown.push_str(line);
            shown.push('\n');
            let Some(told) = line.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->")) else {
                continue;
            };
            if let Some(actor) = told.strip_prefix("as ") {
                self.actor = actor.to_owned();
                continue;
            }
            if let Some((name, asked)) = told.split_once("} = ") {
                let found = self.look_up(asked);
                self.names.insert(format!("{name}}}"), found);
                continue;
            }
            let Some((how, command)) = told.split_once(": ") else { continue };
            if how == "clock" {
                self.runtime.block_on(demo::come_to(&self.running, instant(command))).expect("time passes");
                continue;
            }
            let most = how.split_once(", ").map_or(30, |(_, most)| most.parse().expect("a number of lines"));
            let block = match how.split(", ").next() {
                Some("run") => self.block("linggong ", &self.named(command), most),
                Some("sh") => self.block("", &self.named(command), most),
                Some(file) => {
                    let Some(name) = file.strip_prefix("file ") else { continue };
                    std::fs::write(self.folder.join(name), self.named(command) + "\n").expect("a file");
                    self.block("", &format!("cat {name}"), most)
                }
                None => continue,
            };
            if lines.next_if_eq(&"```console").is_some() {
                for old in lines.by_ref() {
                    if old == "```" {
                        break;
                    }
                }
            }
            shown.push_str(&block);
        }
        shown
    }

    fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, is)| text.replace(name.as_str(), is))
    }

    /// `LIST | FIELD=VALUE | TAKE`: the member TAKE of the first item of a list whose FIELD is VALUE.
    fn look_up(&self, asked: &str) -> String {
        let asked = self.named(asked);
        let parts: Vec<&str> = asked.split(" | ").collect();
        let [list, is, take] = parts[..] else { panic!("not `LIST | FIELD=VALUE | TAKE`: {asked}") };
        let (field, value) = is.split_once('=').expect("FIELD=VALUE");
        let said = self.sh(&format!("linggong -o ndjson {list}"));
        let items = said.0.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let at = |item: &Value, path: &str| {
            let found = path.split('.').try_fold(item, |item, name| match name.parse::<usize>() {
                Ok(n) => item.get(n),
                Err(_) => item.get(name),
            });
            found.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        };
        let mut found = items.filter(|it| at(it, field).is_some_and(|it| it.contains(value)));
        let found = found.next().and_then(|item| at(&item, take));
        found.unwrap_or_else(|| format!("(no {take} with {is} in `{list}`: {} {})", said.0, said.1))
    }

    /// The next UUIDv7 at the demo's time.
    fn key(&mut self) -> String {
        self.keys += 1;
        let ms = self.running.clock.now().ms();
        format!("{:08x}-{:04x}-7000-8000-{:012x}", ms >> 16, ms & 0xffff, self.keys)
    }

    fn block(&mut self, program: &str, command: &str, most: usize) -> String {
        let for_people = if program.is_empty() || command.contains("-o ") || command.starts_with("drill") {
            String::new()
        } else {
            "-o table ".to_owned()
        };
        // A client's key goes by its clock, which here is the demo's.
        let key =
            if command.starts_with("command ") { format!(" --key {}", self.key()) } else { String::new() };
        let (out, notes, code) = self.sh(&format!("{program}{for_people}{command}{key}"));
        let mut lines: Vec<String> = out.lines().map(cut).collect();
        let is_cut = lines.len() > most;
        lines.truncate(most);
        if is_cut {
            lines.push("…".into());
        } else {
            lines.extend(notes.lines().filter(|it| !it.trim().is_empty()).map(cut));
        }
        let mut block = format!("```console\n$ {program}{command}\n");
        for line in lines {
            let _ = writeln!(block, "{}", line.trim_end());
        }
        if code != 0 {
            let _ = writeln!(block, "(exit {code})");
        }
        block + "```\n"
    }

    fn sh(&self, command: &str) -> (String, String, i32) {
        // Whoever types is slower than the views.
        let head = self.running.partition.head.borrow().position;
        assert!(self.runtime.block_on(self.running.projections.all_reached(head)).is_ok());
        let path = binary();
        let path = format!(
            "{}:{}",
            path.parent().expect("a folder").display(),
            std::env::var("PATH").expect("PATH")
        );
        let token = self.folder.join(format!("demo-data/tokens/{}.token", self.actor));
        let said = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("LINGGONG_SERVER", &self.url)
            .env("LINGGONG_TOKEN_FILE", token)
            .output()
            .expect("sh runs");
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(self.folder.to_str().expect("a plain path"), "")
        };
        (text(&said.stdout), text(&said.stderr), said.status.code().unwrap_or(-1))
    }
}

/// A line as it is shown on the page.
fn cut(line: &str) -> String {
    let mut width = 0;
    for (at, c) in line.char_indices() {
        width += if c.is_ascii() || ('\u{2500}'..='\u{257f}').contains(&c) { 1 } else { 2 };
        if width > COLUMNS {
            // No word is cut in two.
            let whole = line[..at].rsplit_once(' ').map_or(&line[..at], |(whole, _)| whole);
            return format!("{} …", whole.trim_end());
        }
    }
    line.trim_end().to_owned()
}

/// What of a line is the same in every run: its words, without ids, digests, numbers and the room they take.
fn shape(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split(|c: char| c.is_whitespace() || c == '─') {
        let is_id = |it: &str| it.len() >= 8 && it.chars().any(|c| c.is_ascii_digit());
        let parts = word.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '-' | '/')));
        let mut word = word.to_owned();
        for part in parts.filter(|it| is_id(it)) {
            word = word.replace(part, "#");
        }
        let mut shaped = String::new();
        for c in word.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }) {
            if !(c == '#' && shaped.ends_with('#')) {
                shaped.push(c);
            }
        }
        if !shaped.is_empty() {
            words.push(shaped);
        }
    }
    words.join(" ")
}
