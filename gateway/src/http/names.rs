//! 姓名核对: a sheet that names somebody by another name than they are known by is not taken, for one of the two is
//! somebody else. At a desk the person stands there; of a sheet nobody can be asked.

use axum::http::StatusCode;
use linggong_engine::command::{PersonalField, PersonalShape};
use linggong_events::id::CommandId;
use linggong_events::person::PersonField;
use linggong_events::time::Timestamp;
use linggong_projections::View as _;
use linggong_projections::directory::Directory;
use serde::Deserialize as _;
use serde_json::Value;

use super::App;
use super::error::Problem;
use crate::vault::ClearPerson;

/// Refuses what tells of people whose documents are known under another name.
pub(super) async fn check(
    app: &App,
    command: CommandId,
    personal: &[PersonalField],
    payload: &Value,
    on: Timestamp,
) -> Result<(), Problem> {
    let people = personal.iter().filter(|it| it.shape == PersonalShape::Person);
    for field in people {
        let told = payload.get(field.name).filter(|it| !it.is_null());
        // What is no person at all is told by the sealing.
        let Some(Ok(clear)) = told.map(ClearPerson::deserialize) else { continue };
        if differs(app, clear, on).await? && !is_repeated(app, command).await? {
            let detail = format!("the document in `{}` is known under another name", field.name);
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "name_differs", detail));
        }
    }
    Ok(())
}

async fn differs(app: &App, clear: ClearPerson, on: Timestamp) -> Result<bool, Problem> {
    let shown = clear.clone();
    let Some(person) = app.vault.look(move |vault| vault.known_by_document(&shown, on.date())).await? else {
        return Ok(false);
    };
    let head = app.partition.head.borrow().position;
    app.wait_for(Some(head), &[Directory::NAME]).await?;
    // Sealed by a command that was refused: nobody is known by that.
    let Some(row) = app.readers.directory.person(person)?.value else { return Ok(false) };
    let named = row.known.sealed.get(&PersonField::Name).zip(row.sealed_by.get(&PersonField::Name));
    let Some((sealed, sealed_by)) = named.map(|(sealed, by)| (sealed.clone(), *by)) else { return Ok(false) };
    let told = app.vault.look(move |vault| vault.tells_the_name(&clear, &sealed, sealed_by)).await?;
    Ok(told.map_err(|error| Problem::internal(&error))? == Some(false))
}

/// Whoever repeats a command gets its first receipt, whatever was told of the person since.
async fn is_repeated(app: &App, command: CommandId) -> Result<bool, Problem> {
    Ok(app.partition.ask(move |partition, _| partition.state().remembered(command).is_some()).await?)
}
