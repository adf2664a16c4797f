//! 到场卡: a scanned card stands for its holder. Only the vault knows the number; the engine hears of ids alone.

use linggong_engine::command::{CommandType, Holder};
use linggong_engine::refusal::Refusal;
use linggong_engine::state::State;
use linggong_events::id::{CommandId, PersonId};
use linggong_events::office::Role;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::error::Problem;
use crate::vault::{CardHolder, SecretString};

/// Puts the id of its holder in the place of each card that the command may name; everything else stays.
///
/// Whoever repeats a command still gets its first receipt, whatever became of the card since.
pub(super) async fn resolve(
    app: &App,
    role: Role,
    command: CommandId,
    command_type: &CommandType,
    fields: &mut Map<String, Value>,
) -> Result<(), Problem> {
    let places = command_type.scanned.iter();
    let scanned: Vec<(Holder, SecretString)> = places
        .flat_map(|place| at(fields, place.path).into_iter().map(|it| (place.holder, it)))
        .filter_map(|(holder, value)| Some((holder, number(value)?)))
        .collect();
    if scanned.is_empty() {
        return Ok(());
    }
    if !reads_cards(role) {
        return Err(Refusal::RoleNotAllowed.into());
    }
    let holders = app.vault.look(move |vault| {
        scanned.into_iter().map(|(holder, number)| (holder, vault.holder_of(&number))).collect::<Vec<_>>()
    });
    let holders = holders.await?;
    let ask = move |state: &State| {
        let known = holders.into_iter().map(|(holder, card)| {
            let person = match card {
                Ok(CardHolder::Live(person)) => person,
                Ok(CardHolder::Dead(_)) => return Err(Refusal::CardDead),
                Ok(CardHolder::Nobody) | Err(_) => return Err(Refusal::CardUnknown),
            };
            match holder {
                Holder::Worker => state.worker_of(person).map(|it| it.0).ok_or(not(person, "worker")),
                Holder::Employer => {
                    let mut own = state.employers_of(person);
                    match (own.next(), own.next()) {
                        (Some(employer), None) => Ok(employer.0),
                        (Some(_), Some(_)) => Err(not(person, "single employer")),
                        (None, _) => Err(not(person, "employer")),
                    }
                }
            }
        });
        let repeated = state.remembered(command).is_some();
        known.map(|it| it.or_else(|no| if repeated { Ok(Uuid::nil()) } else { Err(no) })).collect()
    };
    let ids: Result<Vec<Uuid>, Refusal> =
        app.partition.ask(move |partition, _| ask(partition.state())).await?;
    let mut ids = ids?.into_iter();
    for place in command_type.scanned {
        for value in at_mut(fields, place.path).into_iter().filter(|it| number(it).is_some()) {
            *value = json!(ids.next());
        }
    }
    Ok(())
}

fn not(person: PersonId, what: &str) -> Refusal {
    Refusal::not_possible(person, format!("no {what} of the register"))
}

/// A card is read at a gate, at a desk, or by the one who leads a crew; nobody reads cards from home.
fn reads_cards(role: Role) -> bool {
    match role {
        Role::Clerk | Role::Dispatcher | Role::MarketManager | Role::Gate | Role::CrewLeader => true,
        Role::Engine
        | Role::Worker
        | Role::Employer
        | Role::Reviewer
        | Role::Insurer
        | Role::CaseOfficer
        | Role::CaseLead
        | Role::Mediator
        | Role::Auditor
        | Role::PrivacyOfficer
        | Role::Keeper
        | Role::Subscriber => false,
    }
}

/// The number in `{"card": "…"}`.
fn number(value: &Value) -> Option<SecretString> {
    let members = value.as_object().filter(|it| it.len() == 1)?;
    members.get("card")?.as_str().map(|it| SecretString::new(it.to_owned()))
}

/// What stands at `path`; of a list, each item.
fn at<'a>(fields: &'a Map<String, Value>, path: &str) -> Vec<&'a Value> {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| fields.get(name));
    match names.try_fold(first, |value, name| value.map(|it| it.get(name))).flatten() {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

fn at_mut<'a>(fields: &'a mut Map<String, Value>, path: &str) -> Vec<&'a mut Value> {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| fields.get_mut(name));
    match names.try_fold(first, |value, name| value.map(|it| it.get_mut(name))).flatten() {
        Some(Value::Array(items)) => items.iter_mut().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_where_a_command_takes_one_and_nowhere_else() {
        let fields = json!({
            "workers": [{ "card": "A-1001" }, "an id", { "card": "A-1002" }],
            "terms": { "employer": { "card": "A-1003" }, "text": { "card": "A-1004" } },
            "worker": { "card": "A-1005", "name": "x" },
        });
        let Value::Object(fields) = fields else { unreachable!("an object was written") };
        let numbers = |path| {
            let found = at(&fields, path).into_iter().filter_map(number);
            found.map(|it| it.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(numbers("workers"), ["A-1001", "A-1002"]);
        assert_eq!(numbers("terms.employer"), ["A-1003"]);
        assert_eq!(numbers("worker"), Vec::<String>::new(), "an object with more than a card is none");
        assert_eq!(numbers("terms.nothing.there"), Vec::<String>::new());
    }
}
