//! The command line: verbs, where their output goes, and what they exit with.
//!
//! Data goes to stdout, notes and progress to stderr. Every verb of [`Verb`] is done by [`run`]; those that
//! serve, import or rehearse are done by the binary.

pub mod backup;
pub mod case;
pub mod client;
pub mod command;
pub mod department;
pub mod doctor;
pub mod events;
pub mod evidence;
pub mod exit;
pub mod import;
pub mod list;
pub mod log;
pub mod output;
pub mod posting;
mod progress;
pub mod projection;
pub mod repair;
pub mod scan;
pub mod schema;
pub mod token;
pub mod wage;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use linggong_events::office::Role;
use linggong_events::region::Region;
use zeroize::Zeroizing;

use self::client::{Client, Server};
use self::exit::{Failure, Stop};
use self::output::{Format, Out};
use crate::clock::Clock;
use crate::glossary::Lang;

/// 零工: matching day labour and following its wages, every step an event.
#[derive(Debug, Parser)]
#[command(name = "linggong", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Where the server listens.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LINGGONG_SERVER",
        default_value = "http://127.0.0.1:7311"
    )]
    pub server: String,
    /// The file with the bearer token; without one, the token is taken from LINGGONG_TOKEN.
    #[arg(long, global = true, value_name = "FILE", env = "LINGGONG_TOKEN_FILE")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// Which of your roles to act in.
    #[arg(long, global = true, value_name = "ROLE", value_parser = role)]
    pub role: Option<String>,
    /// The form of the output: a table on a terminal, JSON elsewhere.
    #[arg(short, long = "output", global = true, value_name = "FORM")]
    pub output: Option<Format>,
    /// The language of headings and messages.
    #[arg(long, global = true, env = "LINGGONG_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
    /// No colours (also with NO_COLOR set).
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// Every verb; the binary does the first four itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 服务: run the server.
    Serve(ServeArgs),
    /// 演示: replay a sample morning on a demo log, then keep serving.
    Demo(DemoArgs),
    /// 导入: read the office's own forms (CSV, XLSX).
    Import(ImportArgs),
    /// 演练: run scenario files with the configured rules in a sandbox.
    Drill(DrillArgs),
    /// Everything else.
    #[command(flatten)]
    Verb(Verb),
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The settings; linggong.toml where it is there and none is named. LINGGONG_… variables go before the file,
    /// flags before both.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Where log, vault and views are kept; overrides the settings.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Where to listen; overrides the settings.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where the log is.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogKind,
}

/// Where a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogKind {
    /// In files of our own.
    #[default]
    Embedded,
}

/// How to demonstrate.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to keep the demo; one that is there already is served again as it is.
    #[arg(long, value_name = "DIR", default_value = "demo-data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Where to listen; loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7311")]
    pub listen: String,
}

/// What to import.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The forms.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The county of the office whose forms they are, by its code: `371622`.
    #[arg(long, value_name = "CODE")]
    pub region: Region,
}

/// What to rehearse.
#[derive(Clone, Debug, Args)]
pub struct DrillArgs {
    /// The scenario files.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Write what happened into the files as what is expected.
    #[arg(long)]
    pub update: bool,
    /// Go by the packs that this server's log has adopted, whose settings these are.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "data")]
    pub config: Option<PathBuf>,
    /// Go by the packs that the log in this data folder has adopted.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Packs that stand in for those of their names: a folder of TOML files, or one with `rules`, `calendars`, `policies`.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub packs: Option<PathBuf>,
}

/// The verbs that [`run`] does.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// 事件: follow the log, look at one event, ask why it happened.
    #[command(subcommand)]
    Events(events::EventsVerb),
    /// 时间线: everything that happened to one thing.
    Timeline(events::TimelineArgs),
    /// 案件: show, follow or list cases.
    #[command(subcommand)]
    Case(case::CaseVerb),
    /// 欠薪反映: show or list claims.
    #[command(subcommand)]
    Claim(case::ClaimVerb),
    /// 岗位: show or list postings, explain a match.
    #[command(subcommand)]
    Posting(posting::PostingVerb),
    /// 用工: show or list hires.
    #[command(subcommand)]
    Hire(posting::HireVerb),
    /// 市场: list markets, show the board of a morning.
    #[command(subcommand)]
    Market(posting::MarketVerb),
    /// 工钱: list wages, show the wage protection board.
    #[command(subcommand)]
    Wage(wage::WageVerb),
    /// 日志: check or mend the log, print its signed head or the day's closing sheet.
    #[command(subcommand)]
    Log(log::LogVerb),
    /// 备份: make a backup while the server runs, check one, put one back; on the server's own machine.
    #[command(subcommand)]
    Backup(Box<backup::BackupVerb>),
    /// 口令: give out tokens, list them, take one back; on the server's own machine.
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// 视图: list projections, rebuild one.
    #[command(subcommand)]
    Projection(projection::ProjectionVerb),
    /// 办理: send any command of the registry and print the receipt.
    Command(command::CommandArgs),
    /// 证据: store what proves something, before a command names it.
    #[command(subcommand)]
    Evidence(evidence::EvidenceVerb),
    /// 部门: get the key that a department is to be handed.
    #[command(subcommand)]
    Department(department::DepartmentVerb),
    /// 体检: check a server, or with --data a data directory.
    Doctor(doctor::DoctorArgs),
    /// 格式: JSON Schemas of events and commands.
    #[command(subcommand)]
    Schema(schema::SchemaVerb),
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Manual pages: the first to stdout, or all of them into a directory.
    Man {
        /// Where to write one file per verb.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: Option<PathBuf>,
    },
}

/// Does `verb` and says what to exit with.
pub fn run(global: &Global, verb: &Verb, clock: &Clock) -> ExitCode {
    with_output(global, |out| perform(global, verb, clock, out))
}

/// Does something that writes to the output that `global` asks for.
fn with_output(global: &Global, act: impl FnOnce(&mut Out<'_>) -> Result<(), Stop>) -> ExitCode {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let plain = global.no_color || std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let format = global.output.unwrap_or(if terminal { Format::Table } else { Format::Json });
    let (mut data, mut notes) = (stdout.lock(), io::stderr());
    let mut out = Out::new(&mut data, &mut notes, format, global.lang);
    out.terminal = terminal;
    out.colour = terminal && !plain;
    let done = act(&mut out);
    out.end(done).into()
}

/// Does `verb`, writing to `out`.
pub fn perform(global: &Global, verb: &Verb, clock: &Clock, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        Verb::Events(verb) => events::run(verb, &client(global, clock, out)?, out),
        Verb::Timeline(args) => events::timeline(args, &client(global, clock, out)?, out),
        Verb::Case(verb) => case::run(verb, &client(global, clock, out)?, out),
        Verb::Claim(verb) => case::claim(verb, &client(global, clock, out)?, out),
        Verb::Posting(verb) => posting::run(verb, &client(global, clock, out)?, out),
        Verb::Hire(verb) => posting::hire(verb, &client(global, clock, out)?, out, clock),
        Verb::Market(verb) => posting::market(verb, &client(global, clock, out)?, out, clock),
        Verb::Wage(verb) => wage::run(verb, &client(global, clock, out)?, out),
        Verb::Log(log::LogVerb::Verify(args)) => log::verify(args, out),
        Verb::Log(log::LogVerb::Repair(args)) => repair::run(args, out),
        Verb::Log(log::LogVerb::Head { data: Some(data) }) => log::head_of(data, out),
        Verb::Log(log::LogVerb::Head { data: None }) => log::head(&client(global, clock, out)?, out),
        Verb::Log(log::LogVerb::SealDay { date, data: Some(data) }) => {
            log::seal_day_of(*date, clock.now().date(), data, out)
        }
        Verb::Log(log::LogVerb::SealDay { date, data: None }) => {
            log::seal_day(*date, &client(global, clock, out)?, out)
        }
        Verb::Backup(verb) => backup::run(verb, clock, out),
        Verb::Token(verb) => token::run(verb, clock, out),
        Verb::Projection(verb) => projection::run(verb, &client(global, clock, out)?, out),
        Verb::Command(args) => command::run(args, &client(global, clock, out)?, out),
        Verb::Evidence(verb) => evidence::run(verb, &client(global, clock, out)?, out),
        Verb::Department(verb) => department::run(verb, &client(global, clock, out)?, out),
        Verb::Doctor(args) => match &args.data {
            Some(data) => doctor::offline(data, args.master_key.as_deref(), out),
            None => doctor::online(&client(global, clock, out)?, out),
        },
        Verb::Schema(verb) => schema::run(verb, out),
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "linggong", &mut text);
            out.bytes(&text)
        }
        Verb::Man { directory } => man(directory.as_deref(), out),
    }
}

/// Writes a text for people to stdout; `false` where nobody could read it.
pub fn say(text: &str) -> bool {
    io::stdout().write_all(text.as_bytes()).is_ok()
}

/// Says on stderr why nothing was done.
pub fn complain(why: &str) {
    // Where nobody hears it, the exit code still tells.
    let _ = writeln!(io::stderr(), "linggong: {why}");
}

/// The client that `global` asks for. The token never comes from the arguments, which others can list.
pub fn client<'a>(global: &Global, clock: &'a Clock, out: &mut Out<'_>) -> Result<Client<'a>, Stop> {
    let token = match (&global.token_file, std::env::var("LINGGONG_TOKEN")) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::local(out.lang, "token_file", format!("{}: {error}", path.display()))
            })?;
            Some(Zeroizing::new(text.trim().to_owned()))
        }
        (None, Ok(token)) => Some(Zeroizing::new(token)),
        (None, Err(_)) => None,
    };
    let server = Server { url: global.server.clone(), token, role: global.role.clone(), lang: global.lang };
    Ok(Client::new(server, clock)?.telling_demo(out.of_demo.clone()))
}

fn man(directory: Option<&std::path::Path>, out: &mut Out<'_>) -> Result<(), Stop> {
    let Some(directory) = directory else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut text)?;
        return out.bytes(&text);
    };
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)?;
    out.note(&directory.display().to_string())
}

fn lang(text: &str) -> Result<Lang, &'static str> {
    match text {
        "zh" => Ok(Lang::Zh),
        "en" => Ok(Lang::En),
        _ => Err("expected zh or en"),
    }
}

fn role(text: &str) -> Result<String, String> {
    match serde_json::from_value::<Role>(text.into()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
