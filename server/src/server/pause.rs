//! `CLIENT PAUSE`: holds commands back until a moment.

use std::sync::atomic::{AtomicU64, Ordering};

use thermocline_engine::UnixMillis;

use crate::command::Flags;

/// Until when which commands are held back. Two relaxed loads tell that nothing is.
#[derive(Debug, Default)]
pub struct Pause {
    all_until_ms: AtomicU64,
    writes_until_ms: AtomicU64,
}

impl Pause {
    /// Holds all commands back, or writes only, until a moment. A longer pause of the same kind stays in force.
    pub fn pause(&self, until: UnixMillis, writes_only: bool) {
        let until_ms = if writes_only { &self.writes_until_ms } else { &self.all_until_ms };
        until_ms.fetch_max(until.0, Ordering::Relaxed);
    }

    /// Holds nothing back any more.
    pub fn resume(&self) {
        self.all_until_ms.store(0, Ordering::Relaxed);
        self.writes_until_ms.store(0, Ordering::Relaxed);
    }

    /// Until when a command of these flags has to wait, `None` if it may run at `now`.
    #[inline]
    pub fn holds_back(&self, flags: Flags, now: UnixMillis) -> Option<UnixMillis> {
        let all_until_ms = self.all_until_ms.load(Ordering::Relaxed);
        let writes_until_ms = self.writes_until_ms.load(Ordering::Relaxed);
        if all_until_ms | writes_until_ms == 0 {
            return None;
        }
        let until_ms = if flags.has(Flags::WRITE) { all_until_ms.max(writes_until_ms) } else { all_until_ms };
        (until_ms > now.0).then_some(UnixMillis(until_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_writes_lets_reads_run_and_ends_by_itself() {
        let pause = Pause::default();
        pause.pause(UnixMillis(50), true);
        assert_eq!(pause.holds_back(Flags::WRITE, UnixMillis(10)), Some(UnixMillis(50)));
        assert_eq!(pause.holds_back(Flags::READONLY, UnixMillis(10)), None);
        assert_eq!(pause.holds_back(Flags::WRITE, UnixMillis(50)), None);
    }

    #[test]
    fn the_longer_pause_wins_until_it_is_lifted() {
        let pause = Pause::default();
        pause.pause(UnixMillis(50), false);
        pause.pause(UnixMillis(20), false);
        assert_eq!(pause.holds_back(Flags::NONE, UnixMillis(30)), Some(UnixMillis(50)));
        pause.resume();
        assert_eq!(pause.holds_back(Flags::NONE, UnixMillis(30)), None);
    }
}
