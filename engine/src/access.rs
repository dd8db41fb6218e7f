//! Access history: when a key was used last, or how often.
//!
//! An index entry has 21 bits for it. Under an LRU policy they are seconds; under an LFU policy, 13 bits of
//! minutes and an 8-bit logarithmic counter, as in Redis (<https://redis.io/docs/latest/develop/reference/eviction/>).
//! Residents have a finer stamp of their own, in ticks of the LRU list.

use std::cell::Cell;

use crate::index::entry::ACCESS_BITS;
use crate::tier::lru::TICKS_PER_SECOND;
use crate::time::UnixMillis;

const ACCESS_MASK: u32 = (1 << ACCESS_BITS) - 1;
const COUNTER_BITS: u32 = 8;
const MINUTES_MASK: u32 = ACCESS_MASK >> COUNTER_BITS;
/// The counter of a new key, so that it is not the first to go.
const LFU_INITIAL: u32 = 5;

/// How `maxmemory-policy` wants accesses remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AccessPolicy {
    /// By time.
    Lru,
    /// By a counter that grows with the logarithm of the number of accesses and decays with time.
    Lfu {
        /// `lfu-log-factor`: the higher, the slower the counter grows.
        log_factor: u32,
        /// `lfu-decay-time`: minutes without access that take one from the counter; 0 never does.
        decay_minutes: u32,
    },
}

impl AccessPolicy {
    /// The policy as one word, which is never zero for LFU.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Lru => 0,
            Self::Lfu { log_factor, decay_minutes } => {
                1 << 63 | u64::from(log_factor & 0x7fff_ffff) << 32 | u64::from(decay_minutes)
            }
        }
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Self {
        if bits == 0 {
            return Self::Lru;
        }
        Self::Lfu { log_factor: (bits >> 32) as u32 & 0x7fff_ffff, decay_minutes: bits as u32 }
    }
}

/// Turns an access at a certain time into an entry's new access history.
#[derive(Debug)]
pub(crate) struct AccessClock {
    policy: AccessPolicy,
    now: UnixMillis,
    random: Cell<u64>,
}

impl AccessClock {
    pub(crate) fn new(policy: AccessPolicy, now: UnixMillis) -> Self {
        Self { policy, now, random: Cell::new(now.0 | 1) }
    }

    /// The history of a key that is used now.
    #[inline]
    pub(crate) fn touched(&self, access: u32) -> u32 {
        match self.policy {
            AccessPolicy::Lru => self.seconds(),
            AccessPolicy::Lfu { log_factor, .. } => {
                let counter = self.grown(self.frequency(access), log_factor);
                self.minutes() << COUNTER_BITS | counter
            }
        }
    }

    /// The history of a key that is created now.
    pub(crate) fn new_key(&self) -> u32 {
        match self.policy {
            AccessPolicy::Lru => self.seconds(),
            AccessPolicy::Lfu { .. } => self.minutes() << COUNTER_BITS | LFU_INITIAL,
        }
    }

    /// The history of a key that was last used `idle_s` seconds ago.
    pub(crate) fn idle_for(&self, idle_s: u32) -> u32 {
        self.seconds().wrapping_sub(idle_s) & ACCESS_MASK
    }

    /// The history of a key with this LFU counter.
    pub(crate) fn with_frequency(&self, frequency: u8) -> u32 {
        self.minutes() << COUNTER_BITS | u32::from(frequency)
    }

    /// Seconds since the last access, by a history kept under an LRU policy. Wraps after 24 days.
    pub(crate) fn idle_seconds(&self, access: u32) -> u32 {
        self.seconds().wrapping_sub(access) & ACCESS_MASK
    }

    /// The LFU counter after its decay, by a history kept under an LFU policy.
    pub(crate) fn frequency(&self, access: u32) -> u32 {
        let counter = access & ((1 << COUNTER_BITS) - 1);
        match self.policy {
            AccessPolicy::Lfu { decay_minutes, .. } if decay_minutes > 0 => {
                let minutes = self.minutes().wrapping_sub(access >> COUNTER_BITS) & MINUTES_MASK;
                counter.saturating_sub(minutes / decay_minutes)
            }
            _ => counter,
        }
    }

    /// Whether the LFU counter is above a new key's.
    pub(crate) fn is_used_often(&self, access: u32) -> bool {
        self.frequency(access) > LFU_INITIAL
    }

    fn grown(&self, counter: u32, log_factor: u32) -> u32 {
        if counter == 255 {
            return counter;
        }
        let above_initial = f64::from(counter.saturating_sub(LFU_INITIAL));
        let chance = 1.0 / (above_initial * f64::from(log_factor) + 1.0);
        counter + u32::from(self.draw() < chance)
    }

    /// A number in [0, 1); xorshift is random enough for a counter.
    fn draw(&self) -> f64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        (x >> 11) as f64 / (1u64 << 53) as f64
    }

    #[inline]
    fn seconds(&self) -> u32 {
        (self.now.0 / 1000) as u32 & ACCESS_MASK
    }

    fn minutes(&self) -> u32 {
        (self.now.0 / 60_000) as u32 & MINUTES_MASK
    }
}

/// What an access writes down, computed once for a batch of commands.
#[derive(Debug)]
pub(crate) struct Touch {
    pub(crate) clock: AccessClock,
    pub(crate) tick: u32,
    pub(crate) bump_after_ticks: u32,
}

/// The LRU list's clock at a time.
pub(crate) fn tick_at(now: UnixMillis) -> u32 {
    (now.0 * TICKS_PER_SECOND / 1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_kept_in_seconds() {
        let then = AccessClock::new(AccessPolicy::Lru, UnixMillis(1_700_000_000_000)).touched(0);
        let now = AccessClock::new(AccessPolicy::Lru, UnixMillis(1_700_000_090_000));
        assert_eq!(now.idle_seconds(then), 90);
        assert_eq!(now.idle_seconds(now.idle_for(33)), 33);
    }

    #[test]
    fn the_counter_grows_with_the_logarithm_of_accesses_and_decays() {
        let policy = AccessPolicy::Lfu { log_factor: 10, decay_minutes: 1 };
        let clock = AccessClock::new(policy, UnixMillis(1_700_000_000_000));
        let mut access = clock.new_key();
        assert_eq!(clock.frequency(access), 5);
        for _ in 0..1000 {
            access = clock.touched(access);
        }
        // Redis documents about 18 after 1000 hits with factor 10.
        assert!((12..30).contains(&clock.frequency(access)), "{}", clock.frequency(access));
        let later = AccessClock::new(policy, UnixMillis(1_700_000_000_000 + 10 * 60_000));
        assert_eq!(later.frequency(access), clock.frequency(access) - 10);
    }
}
