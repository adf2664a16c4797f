//! What the gateway does around a decision: a scanned card gives way to its holder, and the vault follows the ledger.

use linggong_engine::command::{Command, CommandType, Holder};
use linggong_engine::person::{PersonCommand, ToldAnew};
use linggong_engine::state::State;
use linggong_events::id::{CommandId, PersonId};
use linggong_events::office::Role;
use linggong_gateway::vault::CardHolder;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::safe::Safe;

/// What the vault is told once the ledger has decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Follows {
    Key(PersonId),
    Cards(PersonId),
    /// Whether what was told anew is so, also where it was refused.
    Revision(PersonId, ToldAnew),
}

impl Follows {
    pub(crate) fn of(command: &Command) -> Option<Follows> {
        let Command::Person(command) = command else { return None };
        match command {
            PersonCommand::SetKeyState(it) => Some(Follows::Key(it.person)),
            PersonCommand::IssueCard(it) => Some(Follows::Cards(it.person)),
            PersonCommand::EndCard(it) => Some(Follows::Cards(it.person)),
            PersonCommand::Revise(it) => {
                Some(Follows::Revision(it.revision.person, ToldAnew::by(&it.revision)))
            }
            PersonCommand::Link(_) | PersonCommand::Unlink(_) => None,
            PersonCommand::ProposeOpening(_) | PersonCommand::ConfirmOpening(_) => None,
        }
    }

    /// Whether it follows an answer too that is a refusal.
    pub(crate) fn follows_a_refusal(self) -> bool {
        match self {
            Follows::Revision(..) => true,
            Follows::Key(_) | Follows::Cards(_) => false,
        }
    }
}

/// Puts the id of its holder in the place of each card, by what the vault knows and `state` says.
pub(crate) fn resolve(
    safe: &mut Safe,
    state: &State,
    (role, command): (Role, CommandId),
    command_type: &CommandType,
    body: &mut Value,
) -> Result<(), &'static str> {
    let is_repeated = state.remembered(command).is_some();
    for place in command_type.scanned {
        let pointer = format!("/{}", place.path.replace('.', "/"));
        let found = match body.pointer_mut(&pointer) {
            Some(Value::Array(items)) => items.iter_mut().collect(),
            Some(value) => vec![value],
            None => Vec::new(),
        };
        for value in found {
            let Some(number) = value["card"].as_str() else { continue };
            if !reads_cards(role) {
                return Err("role_not_allowed");
            }
            let id = match holder(safe, state, place.holder, number) {
                // Whoever repeats a command gets its first receipt, whatever became of the card since.
                Err(_) if is_repeated => Uuid::nil(),
                found => found?,
            };
            *value = json!(id);
        }
    }
    Ok(())
}

fn holder(safe: &mut Safe, state: &State, meant: Holder, number: &str) -> Result<Uuid, &'static str> {
    let person = match safe.holder_of(number) {
        CardHolder::Live(person) => person,
        CardHolder::Dead(_) => return Err("card_dead"),
        CardHolder::Nobody => return Err("card_unknown"),
    };
    match meant {
        Holder::Worker => state.worker_of(person).map(|it| it.0).ok_or("not_possible"),
        Holder::Employer => {
            let mut own = state.employers_of(person);
            own.next().filter(|_| own.next().is_none()).map(|it| it.0).ok_or("not_possible")
        }
    }
}

/// Nobody reads cards from home.
fn reads_cards(role: Role) -> bool {
    [Role::Clerk, Role::Dispatcher, Role::MarketManager, Role::Gate, Role::CrewLeader].contains(&role)
}
