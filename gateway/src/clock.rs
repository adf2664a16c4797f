//! The only clock, and the only place where keys are made.
#![expect(clippy::disallowed_methods, reason = "this is the one place that may ask for the time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linggong_engine::partition::{Fault, Partition};
use linggong_events::time::Timestamp;
use uuid::Uuid;

/// A jump of the wall clock against the monotonic one that stops deadlines until somebody confirms the clock.
const MAX_JUMP_MS: i64 = 5_000;

/// Tells the time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// The machine's clock, and what it said when we started.
    Wall { started: Instant, started_ms: i64 },
    /// The clock of a demo log, which its player drives.
    Driven(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Clock {
        Clock(Kind::Wall { started: Instant::now(), started_ms: wall_ms() })
    }

    /// A clock that stands still until it is set; for demo logs alone.
    pub fn driven(at: Timestamp) -> Clock {
        Clock(Kind::Driven(Arc::new(AtomicI64::new(at.ms()))))
    }

    /// Now. A machine whose clock lies outside 1992–2199 gets the nearest instant of that range.
    pub fn now(&self) -> Timestamp {
        let ms = match &self.0 {
            Kind::Wall { .. } => wall_ms(),
            Kind::Driven(ms) => ms.load(Ordering::Acquire),
        };
        Timestamp::EARLIEST.plus_ms(ms.saturating_sub(Timestamp::EARLIEST.ms()))
    }

    /// Moves a driven clock; never backward. The machine's clock is not ours to move.
    pub fn set(&self, at: Timestamp) {
        if let Kind::Driven(ms) = &self.0 {
            ms.fetch_max(at.ms(), Ordering::AcqRel);
        }
    }

    /// How far the wall clock stands from the monotonic one since start, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        match &self.0 {
            Kind::Wall { started, started_ms } => {
                let elapsed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                wall_ms() - started_ms.saturating_add(elapsed)
            }
            Kind::Driven(_) => 0,
        }
    }

    /// Milliseconds that have passed since some instant, whatever the wall clock was set to.
    pub fn monotonic_ms(&self) -> i64 {
        match &self.0 {
            Kind::Wall { started, .. } => i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
            Kind::Driven(ms) => ms.load(Ordering::Acquire),
        }
    }

    /// How long this clock has run, finely; a driven clock stands still.
    pub fn since_start(&self) -> Duration {
        match &self.0 {
            Kind::Wall { started, .. } => started.elapsed(),
            Kind::Driven(_) => Duration::ZERO,
        }
    }

    /// A new key for a command, as of this clock.
    pub fn new_key(&self) -> Uuid {
        let ms = u64::try_from(self.now().ms()).unwrap_or(0);
        let mut random = [0; 10];
        // Without chance a key would not be unique: better none than a wrong one.
        getrandom::fill(&mut random).expect("the system gives random bytes");
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }
}

/// Tells a partition at which instant to decide: by the wall clock as long as it is trusted, else by what the
/// monotonic clock says since the last trusted instant.
#[derive(Debug, Default)]
pub struct Timekeeper {
    /// The last instant told, what the monotonic clock said then, and whether the partition's clock was held.
    told: Option<(Timestamp, i64, bool)>,
}

impl Timekeeper {
    /// The instant to decide at. Where the wall clock jumped, the partition is told so.
    pub fn instant(
        &mut self,
        wall: Timestamp,
        monotonic_ms: i64,
        partition: &mut Partition,
    ) -> Result<Timestamp, Fault> {
        let going_on = self.told.map(|(at, then, _)| at.plus_ms(monotonic_ms.saturating_sub(then)));
        if !partition.clock_is_held() {
            let was_trusted = self.told.is_some_and(|(_, _, held)| !held);
            let by_ms = going_on.filter(|_| was_trusted).map_or(0, |it| wall.ms() - it.ms());
            if by_ms.abs() > MAX_JUMP_MS {
                partition.hold_clock(by_ms)?;
            }
        }
        let now = if partition.clock_is_held() {
            // Started while the clock was held: nothing says how long nothing ran.
            going_on.or(partition.last_trusted()).unwrap_or(wall)
        } else {
            partition.trusted(wall)?
        };
        self.told = Some((now, monotonic_ms, partition.clock_is_held()));
        Ok(now)
    }
}

fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
