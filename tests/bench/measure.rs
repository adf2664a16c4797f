//! One measurement and the row that tells it.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Where rows go.
pub(crate) struct Rows {
    json: bool,
    headed: bool,
}

/// What one system did in one case.
pub(crate) struct Row<'a> {
    pub(crate) bench: &'a str,
    pub(crate) case: String,
    pub(crate) system: &'a str,
    /// How many were done.
    pub(crate) n: u64,
    /// How long each took that somebody waited for, where somebody did.
    pub(crate) each: Vec<Duration>,
    pub(crate) took: Took,
    /// Fields of the bench's own.
    pub(crate) more: Map<String, Value>,
}

impl Rows {
    pub(crate) const fn new(json: bool) -> Rows {
        Rows { json, headed: false }
    }

    pub(crate) fn add(&mut self, row: Row<'_>) -> Result<(), Failed> {
        let Row { bench, case, system, n, mut each, took, more } = row;
        each.sort_unstable();
        let at = |share: f64| {
            let nth = ((each.len() as f64 * share) as usize).min(each.len().checked_sub(1)?);
            each.get(nth).map(|it| (it.as_secs_f64() * 1e7).round() / 10.0)
        };
        let per_s = (n as f64 / took.wall.as_secs_f64()).round();
        let (p50, p99) = (at(0.5), at(0.99));
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut line = json!({
                "bench": bench, "case": case, "system": system, "n": n, "per_s": per_s, "p50_us": p50, "p99_us": p99,
                "cpu_s": took.cpu, "rss_mb": resident_mb(), "load": load(),
            });
            if let Value::Object(fields) = &mut line {
                fields.extend(more);
            }
            writeln!(out, "{line}")?;
        } else {
            if !self.headed {
                self.headed = true;
                writeln!(
                    out,
                    "{:<10}{:>10} {:<18}{:>9}{:>12}{:>10}{:>11}{:>8}{:>8}{:>7}",
                    "bench", "case", "system", "n", "per_s", "p50_us", "p99_us", "cpu_s", "rss_mb", "load"
                )?;
            }
            let shown = |it: Option<f64>| it.map_or_else(|| "-".to_owned(), |it| format!("{it:.1}"));
            let more: Vec<String> = more.iter().map(|(name, value)| format!("  {name}={value}")).collect();
            writeln!(
                out,
                "{bench:<10}{case:>10} {system:<18}{n:>9}{per_s:>12}{:>10}{:>11}{:>8.2}{:>8.0}{:>7.2}{}",
                shown(p50),
                shown(p99),
                took.cpu,
                resident_mb(),
                load(),
                more.concat()
            )?;
        }
        Ok(())
    }
}

/// Measures wall and processor time from its making on.
pub(crate) struct Watch {
    started: Instant,
    cpu: f64,
}

#[derive(Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// Seconds of all processors.
    pub(crate) cpu: f64,
}

impl Watch {
    pub(crate) fn start() -> Watch {
        Watch { started: Instant::now(), cpu: cpu_s() }
    }

    pub(crate) fn stop(self) -> Took {
        let wall = self.started.elapsed();
        Took { wall, cpu: ((cpu_s() - self.cpu) * 100.0).round() / 100.0 }
    }
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

pub(crate) fn resident_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(0.0, |it| (it / 1024.0).round())
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0)
}
