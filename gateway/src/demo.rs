//! `linggong demo`: founds a demo log, plays the sample morning and the weeks after it, then keeps serving.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use linggong_events::commit::Digest;
use linggong_events::id::{ActorId, OfficeId};
use linggong_events::office::Role;
use linggong_events::time::{DAY_MS, Timestamp};
use serde_json::Value;
use tokio::runtime::Handle;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::chain;
use crate::cli::client::{Client, Server};
use crate::cli::exit::Failure;
use crate::cli::{DemoArgs, import, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::glossary::Lang;
use crate::import::SendError;
use crate::sample::{self, Cast, Kept, Played, Script};
use crate::serve::{self, Ended, Founder, Founding, FoundingOffice, Running, founder_id, founding_office};
use crate::vault::MediaType;

/// How long before today the morning of the sample is.
const WEEKS_AGO_MS: i64 = 28 * DAY_MS;

/// Who is there beside the cast of the script, so that every reader's view can be looked at.
const READERS: &[(&str, Role, &str)] =
    &[("auditor1", Role::Auditor, "supervision"), ("privacy1", Role::PrivacyOfficer, "desk")];

/// Runs the demo until it is told to stop.
pub async fn run(args: &DemoArgs) -> Result<(), Ended> {
    let wall = Clock::wall();
    let script = sample::script();
    let config = Config {
        data: args.data.clone(),
        listen: args.listen.parse().map_err(|error| chain(&error as &dyn std::error::Error))?,
        log: "demo".into(),
        region: script.region,
        ..Config::default()
    };
    if !config.listen.ip().is_loopback() {
        return Err("a demo listens on this machine only".to_owned().into());
    }
    let founding = founding(&script);
    let morning = wall.now().plus_ms(-WEEKS_AGO_MS).date();
    let clock = Clock::driven(morning.plus_days(-3).at_minute(8 * 60));
    let running = serve::start(&config, clock, &founding).await?;
    if running.is_new {
        say(&format!(
            "正在重演 {morning} 的一个上午和此后几周 — replaying a morning of {morning} and the weeks after it\n"
        ));
        let played = play(&running, &config, &founding, morning).await?;
        say(&report(&played));
    }
    come_to(&running, wall.now()).await?;
    // From here on the demo's clock goes with the machine's.
    let clock = running.clock.clone();
    let going = tokio::spawn(async move {
        loop {
            clock.set(wall.now());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    say(&what_next(&config.data, &running));
    let ended = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        () = running.broken() => Err("the partition stopped".to_owned().into()),
    };
    going.abort();
    running.stop().await.map_err(|error| chain(&error))?;
    ended
}

/// Lets a demo's time pass up to `now`, a day at a time. Nobody is there who could vouch for a clock that jumped
/// over the weeks in which nothing ran, and a demo has no deadlines to be careful of.
pub async fn come_to(running: &Running, now: Timestamp) -> Result<(), String> {
    let asked = running.partition.ask(|partition, _| partition.last_trusted()).await;
    let mut at = asked.map_err(|error| chain(&error))?.unwrap_or(now);
    while at < now {
        at = at.plus_ms(DAY_MS).min(now);
        running.clock.set(at);
        running.partition.tick();
        running.partition.ask(|_, _| ()).await.map_err(|error| chain(&error))?;
    }
    Ok(())
}

/// Who gets a role only in the course of the script.
const NEWCOMERS: &[&str] = &["dispatcher2"];

/// The offices and staff of the script, and readers.
pub fn founding(script: &Script) -> Founding {
    let office = |label: &str, name: &str| FoundingOffice {
        label: label.into(),
        name: name.into(),
        region: script.region,
    };
    let cast = script.actor.iter().map(|it| Founder {
        label: it.label.clone(),
        role: it.role,
        office: it.office.clone(),
        regions: it.regions.clone(),
    });
    let readers = READERS.iter().map(|(label, role, office)| Founder {
        label: (*label).into(),
        role: *role,
        office: (*office).into(),
        regions: script.actor.first().map(|it| it.regions.clone()).unwrap_or_default(),
    });
    Founding {
        demo: true,
        offices: vec![
            office("desk", "阳信县公共就业服务中心零工市场"),
            office("supervision", "阳信县劳动保障监察大队"),
        ],
        staff: cast.chain(readers).collect(),
    }
}

/// The ids that the labels of a founding stand for.
pub fn cast(log: &str, founding: &Founding) -> Cast {
    let actor = |it: &Founder| (it.label.clone(), founder_id(log, &it.label));
    let office = |it: &FoundingOffice| (it.label.clone(), founding_office(log, &it.label));
    let newcomer = |it: &&str| ((*it).to_owned(), founder_id(log, it));
    let newcomers = NEWCOMERS.iter().map(newcomer);
    let actors: BTreeMap<String, ActorId> = founding.staff.iter().map(actor).chain(newcomers).collect();
    let offices: BTreeMap<String, OfficeId> = founding.offices.iter().map(office).collect();
    Cast { actors, offices }
}

/// Plays the sample over HTTP, each step with the token of whoever takes it, at the instant it is told for.
pub async fn play(
    running: &Running,
    config: &Config,
    founding: &Founding,
    morning: linggong_events::time::Date,
) -> Result<Played, String> {
    let (clock, partition) = (running.clock.clone(), running.partition.clone());
    let url = format!("http://{}", running.address);
    let cast = cast(&config.log, founding);
    let mut tokens: BTreeMap<String, Zeroizing<String>> = BTreeMap::new();
    for founder in &founding.staff {
        let path = config.data.join(format!("tokens/{}.token", founder.label));
        let token = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        tokens.insert(founder.label.clone(), Zeroizing::new(token));
    }
    let runtime = Handle::current();
    let played = tokio::task::spawn_blocking(move || {
        let mut clients: BTreeMap<String, Client<'_>> = BTreeMap::new();
        for (label, token) in tokens {
            let server = Server { url: url.clone(), token: Some(token), role: None, lang: Lang::Zh };
            clients.insert(label, Client::new(server, &clock).map_err(|failure| failure.title)?);
        }
        let send = |_: Timestamp, actor: &str, command: &str, key: Uuid, body: Value| match clients.get(actor)
        {
            Some(client) => import::send(client, command, key, &body),
            None => Err(unknown_token(actor)),
        };
        let keep = |actor: &str, kept: Kept<'_>| match clients.get(actor) {
            Some(client) => keep(client, kept),
            None => Err(unknown_token(actor)),
        };
        let set_clock = |at: Timestamp| {
            clock.set(at);
            partition.tick();
            let _ = runtime.block_on(partition.ask(|_, _| ()));
        };
        sample::play(morning, &cast, send, keep, set_clock).map_err(|error| chain(&error))
    });
    played.await.map_err(|error| error.to_string())?
}

/// Uploads what the next command names.
fn keep(client: &Client<'_>, kept: Kept<'_>) -> Result<Digest, SendError> {
    let stored = match kept {
        Kept::Paper { about, text } => client.store_evidence(about, MediaType::Text, text.as_bytes()),
        Kept::Sheet(bytes) => client.store_source(crate::import::media_type(bytes), bytes),
    };
    let stored = stored.map_err(|failure| SendError::Failed(Box::new(failure)))?;
    let digest = stored["digest"].as_str().and_then(|it| it.parse().ok());
    digest.ok_or_else(|| {
        SendError::Failed(Box::new(Failure::local(Lang::Zh, "bad_answer", "the server named no digest")))
    })
}

fn unknown_token(actor: &str) -> SendError {
    SendError::Failed(Box::new(Failure::local(Lang::Zh, "unknown_token", actor)))
}

fn report(played: &Played) -> String {
    let mut lines = vec![format!("重演完毕: {} 步 — {} steps played", played.steps, played.steps)];
    for (file, summary) in &played.imports {
        lines.push(format!(
            "  {file}: 读 {} 行, 登记 {}, 被拒 {}, 读不懂 {}",
            summary.read, summary.accepted, summary.refused, summary.bad
        ));
    }
    lines.join("\n") + "\n"
}

fn what_next(data: &Path, running: &Running) -> String {
    let data = data.display();
    format!(
        "\n演示在 http://{address} 服务, 数据在 {data} (全部人物和单位均为虚构)。\n\
         The demo serves on http://{address}; everybody in it is invented. Try in another terminal:\n\n\
         \x20 export LINGGONG_SERVER=http://{address} LINGGONG_TOKEN_FILE={data}/tokens/officer1.token\n\
         \x20 linggong wage board              # 谁被欠多少\n\
         \x20 linggong case list               # 案件与期限\n\
         \x20 linggong market list             # 零工市场\n\
         \x20 linggong events tail             # 事件\n\
         \x20 linggong log verify --data {data}  # 逐字节核验\n\n\
         (linggong = target/debug/linggong; 按 Ctrl-C 结束 — Ctrl-C ends it)\n",
        address = running.address,
    )
}
