//! 证据: stores what proves something, before a command names it.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use linggong_events::id::EntityRef;

use super::client::Client;
use super::exit::{Failure, Stop};
use super::output::Out;
use crate::vault::{MAX_EVIDENCE_BYTES, MediaType};

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
pub enum EvidenceVerb {
    /// 存证: stores a file and prints the digest by which commands name it.
    Add {
        /// The photo, recording, paper or sheet.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// What it is about: `wage/<id>`, `claim/<id>`, `person/<id>` …
        #[arg(long, value_name = "KIND/ID")]
        about: EntityRef,
    },
}

pub(super) fn run(verb: &EvidenceVerb, client: &Client<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    match verb {
        EvidenceVerb::Add { file, about } => {
            let unusable =
                |why: String| Failure::local(client.lang(), "file", format!("{}: {why}", file.display()));
            let bytes = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            if bytes.len() > MAX_EVIDENCE_BYTES {
                return Err(unusable(format!("more than {MAX_EVIDENCE_BYTES} bytes")).into());
            }
            let media = media_type(file).ok_or_else(|| {
                unusable("expected .jpg, .png, .pdf, .mp4, .m4a, .txt, .csv or .xlsx".into())
            })?;
            out.json(&client.store_evidence(*about, media, &bytes)?)
        }
    }
}

/// What a file is by its name; the server looks at its bytes.
fn media_type(file: &Path) -> Option<MediaType> {
    match file.extension()?.to_str()?.to_lowercase().as_str() {
        "jpg" | "jpeg" => Some(MediaType::Jpeg),
        "png" => Some(MediaType::Png),
        "pdf" => Some(MediaType::Pdf),
        "mp4" => Some(MediaType::Mp4),
        "m4a" => Some(MediaType::M4a),
        "txt" => Some(MediaType::Text),
        "csv" => Some(MediaType::Csv),
        "xlsx" => Some(MediaType::Xlsx),
        _ => None,
    }
}
