//! What a verb of the command line shows, as somebody of the staff runs it.

use clap::Parser as _;
use linggong_gateway::cli::exit::Exit;
use linggong_gateway::cli::output::{Format, Out};
use linggong_gateway::cli::{Cli, Command, perform};
use linggong_gateway::glossary::Lang;
use linggong_tests::Server;

/// Runs a verb against the server; its exit, and what it wrote to stdout.
pub(crate) async fn shown_to(server: &Server, who: &str, verb: &[&str]) -> (Exit, String) {
    let token = server.data().join(format!("tokens/{who}.token")).display().to_string();
    let address = format!("http://{}", server.running.address);
    let args =
        ["linggong", "--server", &address, "--token-file", &token].into_iter().chain(verb.iter().copied());
    let args: Vec<String> = args.map(str::to_owned).collect();
    let clock = server.running.clock.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let cli = Cli::try_parse_from(&args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        let Command::Verb(verb) = &cli.command else { panic!("a verb: {args:?}") };
        let (mut data, mut notes) = (Vec::new(), Vec::new());
        let format = cli.global.output.unwrap_or(Format::Json);
        let lang: Lang = cli.global.lang;
        let mut out = Out::new(&mut data, &mut notes, format, lang);
        let done = perform(&cli.global, verb, &clock, &mut out);
        let exit = out.end(done);
        if exit != Exit::Ok {
            eprintln!("{}", String::from_utf8_lossy(&notes));
        }
        (exit, String::from_utf8(data).expect("text"))
    });
    ran.await.expect("the verb ends")
}
