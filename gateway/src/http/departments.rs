//! 部门密钥: a department gets the key under which hires name people to it; each handing over is on record.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linggong_events::audience::Department;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::asked::Body;
use super::auth::Asking;
use super::error::Problem;
use crate::permission::{Reach, Resource, reach};
use crate::vault::{IssueError, Purpose, PurposeKind};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Makes a new version, where this one is in force.
    #[serde(default)]
    rotate_from: Option<u32>,
}

/// Answers the key of a department in clear, once it is on record who got it.
pub(super) async fn issue_key(
    State(app): State<App>,
    Asking(actor): Asking,
    Path(department): Path<Department>,
    Body(asked): Body<Asked>,
) -> Result<Json<Value>, Problem> {
    let office = actor.office.filter(|_| reach(actor.role, Resource::Control) != Reach::Nothing);
    let office = office.ok_or_else(Problem::not_found)?;
    let purpose = Purpose {
        actor: actor.id,
        role: actor.role,
        reason: PurposeKind::KeyDelivery,
        case: None,
        second_officer: None,
        at: app.clock.now(),
    };
    let issued = app
        .vault
        .at(move |vault| vault.issue_department_key(department, asked.rotate_from, office, &purpose));
    let (version, key) = match issued.await? {
        Ok(issued) => issued,
        Err(rotated @ IssueError::Rotated { .. }) => {
            return Err(Problem::new(StatusCode::CONFLICT, "not_possible", rotated.to_string()));
        }
        Err(error @ (IssueError::Unrecorded(_) | IssueError::Vault(_))) => {
            return Err(Problem::internal(&error));
        }
    };
    let key = URL_SAFE_NO_PAD.encode(key.expose());
    Ok(Json(json!({ "department": department, "version": version, "algorithm": "hmac-sha256", "key": key })))
}
