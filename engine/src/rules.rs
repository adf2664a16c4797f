//! 规则: which packs are in force, adopted by events.

use linggong_events::commit::Digest;
use linggong_events::envelope::Meta;
use linggong_events::event::Event;
use linggong_events::id::RulesId;
use linggong_events::rules::{Adopted, PackKind, RulesEvent};

use crate::command::{Context, commands};
use crate::partition::Packs;
use crate::refusal::Refusal;
use crate::state::{AdoptedPack, State};
use crate::text;

pub use crate::pack::{Pack, RuleBook};

commands! {
    /// What can be asked of the rules.
    RulesCommand: Rules {
        /// Puts a stored pack in force for new triggers. Running deadlines keep the law they were counted by; by a
        /// calendar, they are counted again.
        Adopt = "adopt", [Keeper, CaseLead] => { name: String, pack_kind: PackKind, digest: String, reason: String }
    }
}

/// The rules entity of a pack: one per name, so that its adoptions form one history.
pub fn rules_id(pack_kind: PackKind, name: &str) -> RulesId {
    let seed = linggong_events::id::CommandId(uuid::Uuid::nil());
    RulesId(linggong_events::id::new_id(seed, &format!("rules:{pack_kind:?}:{name}"), 0))
}

/// Refuses to adopt what is not in the store.
pub(crate) fn check_stored(command: &RulesCommand, packs: &Packs) -> Result<(), Refusal> {
    let RulesCommand::Adopt(it) = command;
    let digest = parse_digest(&it.digest)?;
    let pack = packs.get(&digest).ok_or_else(|| Refusal::PackMissing { digest: it.digest.clone() })?;
    if pack.kind() == it.pack_kind {
        Ok(())
    } else {
        Err(Refusal::bad_field("pack_kind", "is not what the pack holds"))
    }
}

fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error: linggong_events::commit::BadDigest| Refusal::bad_field("digest", error.to_string()))
}

pub(crate) fn decide(
    state: &State,
    command: &RulesCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Refusal> {
    let RulesCommand::Adopt(it) = command;
    // The rules of a log are those of all its counties: whoever changes them answers for every office.
    for office in state.offices.values() {
        context.actor.check_region(office.region)?;
    }
    text::check("name", &it.name, 60)?;
    text::check("reason", &it.reason, text::LINE)?;
    if !it.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        return Err(Refusal::bad_field("name", "may hold letters, digits, `-` and `.` only"));
    }
    let digest = parse_digest(&it.digest)?;
    let adopted = AdoptedPack { pack_kind: it.pack_kind, name: it.name.clone(), digest };
    if state.packs.contains(&adopted) {
        return Ok(Vec::new());
    }
    let event = Adopted {
        rules: rules_id(it.pack_kind, &it.name),
        name: it.name.clone(),
        pack_kind: it.pack_kind,
        digest: it.digest.clone(),
        reason: it.reason.clone(),
    };
    Ok(vec![event.into()])
}

pub(crate) fn evolve(state: &mut State, event: &RulesEvent, meta: &Meta) {
    let RulesEvent::Adopted(it) = event;
    let Ok(digest) = it.digest.parse() else { return };
    if it.pack_kind == PackKind::Calendar {
        state.calendars.insert(digest, (meta.position, meta.id));
    }
    put(&mut state.packs, AdoptedPack { pack_kind: it.pack_kind, name: it.name.clone(), digest });
}

/// The packs in force once `command` is carried out.
pub(crate) fn put_in_force(packs: &mut Vec<AdoptedPack>, command: &RulesCommand) {
    let RulesCommand::Adopt(it) = command;
    let Ok(digest) = parse_digest(&it.digest) else { return };
    put(packs, AdoptedPack { pack_kind: it.pack_kind, name: it.name.clone(), digest });
}

/// A pack takes the place of the one of its name; a new name goes last.
fn put(packs: &mut Vec<AdoptedPack>, adopted: AdoptedPack) {
    match packs.iter_mut().find(|held| (held.pack_kind, &held.name) == (adopted.pack_kind, &adopted.name)) {
        Some(held) => *held = adopted,
        None => packs.push(adopted),
    }
}
