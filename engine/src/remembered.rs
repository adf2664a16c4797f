//! What is remembered of commands, so that one which is given again is answered as it was.
#![expect(
    clippy::disallowed_types,
    reason = "the one table by hash is asked, never walked through, written or shown"
)]

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use linggong_events::envelope::Meta;
use linggong_events::id::{ActorId, CommandId};
use linggong_events::measure::Position;
use linggong_events::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{KEY_WINDOW_MS, MAX_DOUBT_MS, MAX_KEY_AHEAD_MS};

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Who gave it.
    pub actor: ActorId,
    /// The keyed digest of its content.
    pub digest: String,
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event, follow-ups included.
    pub last: Position,
    /// When it was recorded.
    pub time: Timestamp,
    /// From when on its key is too old to be accepted, so that it need not be remembered.
    pub over: Timestamp,
}

/// The accepted commands whose keys could still be given again.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    /// In the order of recording.
    commands: VecDeque<(CommandId, Remembered)>,
    /// How many have been forgotten, which came before these.
    forgotten: u64,
    /// The number of each command, counted from the first ever. It is asked and never walked through, so that no order
    /// but that of recording can be seen; every command is looked for here, which in a tree would be its dearest step.
    numbers: HashMap<u128, u64, BuildHasherDefault<OfId>>,
}

impl Memory {
    /// What is remembered of a command.
    pub(crate) fn get(&self, command: CommandId) -> Option<&Remembered> {
        let number = self.numbers.get(&command.0.as_u128())?;
        let nth = usize::try_from(number - self.forgotten).ok()?;
        self.commands.get(nth).map(|(_, it)| it)
    }

    /// Takes in an event; of a command, where one made it.
    pub(crate) fn note(&mut self, meta: &Meta) {
        if let Some((command, digest)) = &meta.command {
            let next = self.forgotten + self.commands.len() as u64;
            let number = *self.numbers.entry(command.0.as_u128()).or_insert(next);
            if number == next {
                let (actor, first, last, time) = (meta.actor, meta.position, meta.position, meta.time);
                // The key was made that far ahead at most: of recorded time, or of a clock that this lagged behind.
                let lag = meta.received_at.map_or(0, |it| (it.ms() - time.ms()).clamp(0, MAX_DOUBT_MS));
                let over = time.plus_ms(KEY_WINDOW_MS + MAX_KEY_AHEAD_MS + lag);
                let digest = digest.clone();
                self.commands.push_back((*command, Remembered { actor, digest, first, last, time, over }));
            } else if let Some((_, it)) = self.commands.get_mut((number - self.forgotten) as usize) {
                it.last = meta.position;
            }
        }
        // One that is remembered longer keeps those after it so long, which is of no harm.
        while let Some((command, _)) = self.commands.pop_front_if(|(_, it)| it.over < meta.time) {
            self.forgotten += 1;
            self.numbers.remove(&command.0.as_u128());
        }
    }
}

/// As it is written.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.commands.fmt(f)
    }
}

/// Written in the order of recording, whatever was forgotten before.
impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.commands.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Memory, D::Error> {
        let commands = VecDeque::<(CommandId, Remembered)>::deserialize(deserializer)?;
        let numbers = commands.iter().map(|(command, _)| command.0.as_u128()).zip(0..).collect();
        Ok(Memory { commands, forgotten: 0, numbers })
    }
}

/// The ids of commands are bits of a hash already.
#[derive(Default)]
struct OfId(u64);

impl Hasher for OfId {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        // Where one half has bits that name the form of the id, the other has none.
        self.0 = (id >> 64) as u64 ^ (id as u64).rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use linggong_events::envelope::Meta;
    use linggong_events::id::OfficeId;
    use linggong_events::office::ClockConfirmed;
    use linggong_events::time::DAY_MS;
    use uuid::Uuid;

    use super::*;
    use crate::testing;

    fn some() -> Meta {
        let (office, reason) = (OfficeId(Uuid::from_u128(8)), "已与授时核对".to_owned());
        let (_, told) = testing::given([]).told(ClockConfirmed { office, reason }.into());
        told[0].meta.clone()
    }

    /// An event of a command, so long after the first.
    fn noted(memory: &mut Memory, some: &Meta, nth: u128, after_ms: i64, lag_ms: i64) {
        let mut meta = some.clone();
        meta.time = meta.time.plus_ms(after_ms);
        meta.received_at = Some(meta.time.plus_ms(lag_ms));
        meta.command = Some((CommandId(Uuid::from_u128(nth)), "digest".into()));
        memory.note(&meta);
    }

    #[test]
    fn a_year_of_commands_leaves_those_of_the_window() {
        let (mut memory, some, each) = (Memory::default(), some(), DAY_MS / 50);
        let (mut most, mut nth) = (0, 0);
        for at in (0..365 * DAY_MS).step_by(each as usize) {
            nth += 1;
            noted(&mut memory, &some, nth, at, 0);
            most = most.max(memory.commands.len());
            assert_eq!(memory.numbers.len(), memory.commands.len(), "neither outlives the other");
        }
        let window = (KEY_WINDOW_MS + MAX_KEY_AHEAD_MS) / each;
        assert_eq!(most as i64, window + 1, "50 commands a day for 90 days and 10 minutes");
        assert!(memory.get(CommandId(Uuid::from_u128(nth - window as u128))).is_some());
        assert!(memory.get(CommandId(Uuid::from_u128(nth - window as u128 - 1))).is_none());
    }

    #[test]
    fn what_came_while_recorded_time_lagged_is_remembered_longer_and_bounded() {
        let (mut memory, some) = (Memory::default(), some());
        noted(&mut memory, &some, 1, 0, 400 * DAY_MS);
        noted(&mut memory, &some, 2, 1, 0);
        noted(&mut memory, &some, 3, KEY_WINDOW_MS + MAX_KEY_AHEAD_MS + MAX_DOUBT_MS, 0);
        assert_eq!(memory.commands.len(), 3, "as long as its key can be taken");
        noted(&mut memory, &some, 4, KEY_WINDOW_MS + MAX_KEY_AHEAD_MS + MAX_DOUBT_MS + 1, 0);
        assert_eq!(
            memory.commands.len(),
            2,
            "and no longer, whatever the clock said; nor what came after it"
        );
    }
}
