//! Where the demo speaks: lines that stay, and on a terminal one line below them that changes in place.
//!
//! Knows terminals and pipes. Must not know what is said. A reader that has gone away is no error: it ends the demo.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use ambient::Ambient;
use jiff::Timestamp;

/// In a pipe a progress line comes this often.
const PIPED_EVERY: Duration = Duration::from_millis(500);
/// On a terminal the changing line changes no more often: faster than people read is only work.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// Back to the line's beginning, and clear it.
const CLEAR: &str = "\r\x1b[K";

/// Standard output.
pub(super) struct Screen {
    ambient: Ambient,
    terminal: bool,
    changing: bool,
    spoke_at: Option<Timestamp>,
    gone: bool,
}

impl Screen {
    pub(super) fn new(ambient: Ambient) -> Self {
        Self {
            ambient,
            terminal: io::stdout().is_terminal(),
            changing: false,
            spoke_at: None,
            gone: false,
        }
    }

    /// Nobody reads any more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// A line that stays.
    pub(super) fn line(&mut self, text: &str) {
        let clear = if std::mem::take(&mut self.changing) {
            CLEAR
        } else {
            ""
        };
        self.write(&format!("{clear}{text}\n"));
    }

    /// How far something is: in place on a terminal, now and then a line in a pipe.
    pub(super) fn progress(&mut self, text: &str) {
        if self.terminal {
            self.status(text);
        } else if self.is_time(PIPED_EVERY) {
            self.line(text);
        }
    }

    /// What is going on, on a terminal only.
    pub(super) fn status(&mut self, text: &str) {
        if self.terminal && (!self.changing || self.is_time(DRAWN_EVERY)) {
            self.changing = true;
            self.write(&format!("{CLEAR}{text}"));
        }
    }

    fn is_time(&mut self, every: Duration) -> bool {
        let now = self.ambient.now();
        let due = self.spoke_at.is_none_or(|at| ambient::add(at, every) <= now);
        if due {
            self.spoke_at = Some(now);
        }
        due
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.gone |= written.is_err();
    }
}
