//! What LATENCY remembers: for each class of events, the slowest of each of the last seconds in which there was one.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use thermocline_engine::UnixMillis;

/// How many samples of an event are kept. Redis' number.
const SAMPLES_MAX: usize = 160;

/// Events from `latency-monitor-threshold` on.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    /// Names come from the program, so their number is bounded by it.
    events: Mutex<BTreeMap<&'static str, Event>>,
}

/// The samples of one class of events.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The longest ever seen, in milliseconds.
    pub max_ms: u64,
    /// Oldest first: at most one a second.
    pub samples: VecDeque<Sample>,
}

/// The slowest event of a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The second, as a Unix time.
    pub at_s: u64,
    /// How long the event took, in milliseconds.
    pub duration_ms: u64,
}

impl LatencyMonitor {
    /// An event took that long, which is at least `latency-monitor-threshold`.
    pub fn note(&self, event: &'static str, now: UnixMillis, duration_ms: u64) {
        let mut events = self.events.lock();
        let event = events.entry(event).or_default();
        event.max_ms = event.max_ms.max(duration_ms);
        let at_s = now.0 / 1000;
        match event.samples.back_mut() {
            Some(last) if last.at_s == at_s => last.duration_ms = last.duration_ms.max(duration_ms),
            _ => {
                if event.samples.len() == SAMPLES_MAX {
                    event.samples.pop_front();
                }
                event.samples.push_back(Sample { at_s, duration_ms });
            }
        }
    }

    /// All classes of events that have samples.
    pub fn events(&self) -> Vec<(&'static str, Event)> {
        self.events.lock().iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    /// The samples of a class, by its name in any case.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, Event)> {
        self.events().into_iter().find(|(event, _)| event.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Forgets the classes of which `forgets` is true; returns how many.
    pub fn reset(&self, forgets: impl Fn(&str) -> bool) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|name, _| !forgets(name));
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_second_is_kept() {
        let monitor = LatencyMonitor::default();
        for (at_ms, duration_ms) in [(1000, 5), (1999, 9), (1999, 3), (2000, 1)] {
            monitor.note("command", UnixMillis(at_ms), duration_ms);
        }
        let (_, event) = monitor.event(b"COMMAND").expect("there are samples");
        let sample = |at_s, duration_ms| Sample { at_s, duration_ms };
        assert_eq!(event.samples, [sample(1, 9), sample(2, 1)]);
        assert_eq!(event.max_ms, 9);
    }

    #[test]
    fn old_samples_make_room_and_a_reset_forgets() {
        let monitor = LatencyMonitor::default();
        for second in 0..1000 {
            monitor.note("command", UnixMillis(second * 1000), 1);
        }
        let (_, event) = monitor.event(b"command").expect("there are samples");
        assert_eq!(event.samples.len(), SAMPLES_MAX);
        assert_eq!(monitor.reset(|name| name == "other"), 0);
        assert_eq!(monitor.reset(|_| true), 1);
        assert!(monitor.events().is_empty());
    }
}
