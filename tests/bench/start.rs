//! How long a server takes from its first instruction to its first answer, and what it holds then; and how fast
//! a whole log is read again and checked.

use linggong_events::log::embedded::verify as read_again;
use linggong_gateway::clock::Clock;
use linggong_gateway::serve::{self, Founding};
use serde_json::{Map, json};

use crate::Options;
use crate::append::Size;
use crate::measure::{Failed, Row, Rows, Watch, resident_mb};
use crate::{read, w1};

pub(crate) fn start(options: &Options, rows: &mut Rows) -> Result<(), Failed> {
    let size = Size::of(256, options);
    let folder = options.folder()?;
    read::make_log(folder.path(), size)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = w1::config(folder.path());
        for case in ["first", "again"] {
            let (before, watch) = (resident_mb(), Watch::start());
            let running = serve::start(&config, Clock::wall(), &Founding::staffed(&config)).await?;
            let took = watch.stop();
            let n = running.partition.head.borrow().position.0;
            let mut more = Map::new();
            more.insert("ms".into(), json!(took.wall.as_millis() as u64));
            more.insert("rss_before_mb".into(), json!(before));
            let (case, each) = (case.to_owned(), Vec::new());
            rows.add(Row { bench: "start", case, system: "linggong", n, each, took, more })?;
            let head = running.partition.head.borrow().position;
            running.projections.all_reached(head).await?;
            running.stop().await?;
        }
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
