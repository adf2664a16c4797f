//! How long a server takes from its first instruction to its first answer, and what it holds then; and how fast
//! a whole log is read again and checked.

use std::path::Path;

use linggong_events::log::embedded::verify as read_again;
use linggong_gateway::clock::Clock;
use linggong_gateway::serve::{self, Founding};
use serde_json::{Map, json};

use crate::Options;
use crate::append::Size;
use crate::measure::{Failed, Row, Rows, Watch};
use crate::{read, w1};

/// Makes a log, and starts a server on it twice, each in a process of its own: what it holds is its own. The first start
/// reads the whole log and builds the views; the second has snapshot and views.
pub(crate) fn start(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    if let Some(data) = &options.data {
        return started(data, rows);
    }
    let folder = options.folder()?;
    read::make_log(folder.path(), Size::of(256, options))?;
    for _ in 0..2 {
        let mut own = std::process::Command::new(std::env::current_exe()?);
        own.args(["start", "--data"]).arg(folder.path()).args(options.json.then_some("--json"));
        if !own.status()?.success() {
            return Err("the start failed".into());
        }
    }
    Ok(())
}

fn started(data: &Path, rows: &mut Rows) -> Result<(), Failed> {
    let case = if data.join("views").exists() { "again" } else { "first" };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = w1::config(data);
        let watch = Watch::start();
        let running = serve::start(&config, Clock::wall(), &Founding::staffed(&config)).await?;
        let took = watch.stop();
        let head = running.partition.head.borrow().position;
        let mut more = Map::new();
        more.insert("ms".into(), json!(took.wall.as_millis() as u64));
        let (case, each, n) = (case.to_owned(), Vec::new(), head.0);
        rows.add(Row { bench: "start", case, system: "linggong", n, each, took, more })?;
        running.projections.all_reached(head).await?;
        running.stop().await?;
        Ok(())
    })
}

pub(crate) fn verify(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let size = Size::of(256, options);
    let folder = options.folder()?;
    read::make_log(folder.path(), size)?;
    let watch = Watch::start();
    let report = read_again(&folder.path().join("log"), |_, _| ());
    let took = watch.stop();
    if let Some(fault) = report.fault {
        return Err(fault.into());
    }
    let mb = report.bytes as f64 / 1e6;
    let mut more = Map::new();
    more.insert("mb".into(), json!(mb.round()));
    more.insert("mb_per_s".into(), json!((mb / took.wall.as_secs_f64()).round()));
    let (case, n) = ("whole".to_owned(), report.head.position.0);
    rows.add(Row { bench: "verify", case, system: "linggong", n, each: Vec::new(), took, more })
}
