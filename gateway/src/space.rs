//! Space on the disk: commands are turned away while there is still enough for what is decided already.

use std::io;
use std::path::PathBuf;

use rustix::fs::statvfs;

/// How much room there is to write things down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Enough.
    Enough,
    /// Only the reserve is left: what is decided is written, nothing more is taken on.
    Low,
    /// Not even for what is decided.
    Out,
}

impl Room {
    /// A word for it, for operators.
    pub const fn name(self) -> &'static str {
        match self {
            Room::Enough => "enough",
            Room::Low => "low",
            Room::Out => "out",
        }
    }
}

/// The file system on which a log, its views and its vault are, and how much of it is kept free for them.
#[derive(Clone, Debug)]
pub struct Space {
    /// A folder on it.
    pub folder: PathBuf,
    /// With less free than this, commands are turned away.
    pub reserve_bytes: u64,
}

impl Space {
    /// Whether less is free than is to be kept; once it was, a quarter more must be free before it is enough again,
    /// so that one command does not tip it back.
    pub fn is_low(&self, was_low: bool) -> io::Result<bool> {
        let found = statvfs(&self.folder)?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let wanted = if was_low { self.reserve_bytes + self.reserve_bytes / 4 } else { self.reserve_bytes };
        Ok(free < wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_less_than_everything_and_more_than_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let space = |reserve_bytes| Space { folder: folder.path().to_owned(), reserve_bytes };
        assert!(!space(0).is_low(false).unwrap());
        assert!(space(u64::MAX / 2).is_low(false).unwrap());
        assert!(Space { folder: folder.path().join("none"), reserve_bytes: 0 }.is_low(false).is_err());
    }
}
