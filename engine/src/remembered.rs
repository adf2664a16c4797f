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
