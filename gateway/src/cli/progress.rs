//! How far something has come: on a terminal only, on stderr, and only where it takes longer than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is quicker needs no bar.
const QUICK: Duration = Duration::from_secs(1);

/// A bar that shows itself once it is worth it.
pub(super) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// A bar that nobody sees yet; never where `terminal` is false.
    pub(super) fn new(terminal: bool) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        Progress { bar, terminal, shown: false }
    }

    /// It has come to `done` of `all`.
    pub(super) fn at(&mut self, done: u64, all: u64) {
        if self.terminal && !self.shown && self.bar.elapsed() > QUICK {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
