//! 修复: mending a damaged log, only when asked for and only as far as it is proved.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueHint};
use linggong_events::head::HeadPublicKey;
use linggong_events::log::embedded::OpenError;
use linggong_events::log::embedded::repair::{self, Plan, Proof, RepairError};
use serde_json::json;

use super::exit::{Failure, Stop};
use super::log::{Kept, folder};
use super::output::{Out, word};
use crate::chain;

/// How to mend a log.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("way").required(true).args(["from", "cut"])))]
pub struct RepairArgs {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Take this sound copy of the log (a data directory or the log in it) in the place of the damaged one.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub from: Option<PathBuf>,
    /// Give up what stands behind the last sound commit; needs something from outside that says how far the log went.
    #[arg(long, requires = "against")]
    pub cut: bool,
    /// Signed heads, closing sheets (JSON) and receipts (JSON) that were kept elsewhere: what they name must stay.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub against: Vec<PathBuf>,
    /// The public key of signed heads, `name+hash+key`.
    #[arg(long, value_name = "KEY", requires = "against")]
    pub key: Option<HeadPublicKey>,
    /// Do it. Without this nothing is changed, and what would be done is shown.
    #[arg(long)]
    pub yes: bool,
}

pub(super) fn run(args: &RepairArgs, out: &mut Out<'_>) -> Result<(), Stop> {
    let kept = args.against.iter().map(|path| Kept::read(path, args.key.as_ref(), out.lang));
    let proofs: Vec<Proof> = kept.map(|it| it.map(|it| it.proof())).collect::<Result<_, _>>()?;
    let log = folder(&args.data);
    if !log.is_dir() {
        return Err(Failure::local(out.lang, "no_log", log.display().to_string()).into());
    }
    let lang = out.lang;
    let not_done = |error: RepairError| -> Stop { Failure::local(lang, code(&error), chain(&error)).into() };
    let plan = match &args.from {
        Some(copy) => repair::plan_from_copy(&log, &folder(copy), &proofs),
        None => repair::plan_cut(&log, &proofs),
    };
    let Plan { head, gives_up } = plan.map_err(not_done)?;
    let mut report = json!({
        "way": if args.from.is_some() { "from" } else { "cut" }, "log": log.display().to_string(),
        "commit": head.commit, "position": head.position, "digest": head.digest, "proofs": proofs.len(),
        "file": gives_up.as_ref().map(|it| it.0.display().to_string()),
        "offset": gives_up.as_ref().map(|it| it.1), "done": false,
    });
    if !args.yes {
        out.note(word("repair_dry", out.lang))?;
        return out.record(&report);
    }
    let repaired = match &args.from {
        Some(copy) => repair::from_copy(&log, &folder(copy), &proofs),
        None => repair::cut(&log, &proofs),
    };
    let repaired = repaired.map_err(not_done)?;
    report["commit"] = json!(repaired.head.commit);
    report["position"] = json!(repaired.head.position);
    report["digest"] = json!(repaired.head.digest);
    report["aside"] = json!(repaired.aside.display().to_string());
    report["done"] = json!(true);
    out.record(&report)
}

/// The stable code of what kept a log from being mended.
fn code(error: &RepairError) -> &'static str {
    match error {
        RepairError::Open(OpenError::Locked { .. }) => "log_in_use",
        RepairError::Open(error) if !error.is_loss() => "file",
        RepairError::Sound => "nothing_to_repair",
        RepairError::Unproved => "bad_head_file",
        RepairError::Open(_)
        | RepairError::Copy(_)
        | RepairError::TornCopy
        | RepairError::Lost { .. }
        | RepairError::Other { .. }
        | RepairError::NotAtTheEnd(_) => "not_sound",
    }
}
