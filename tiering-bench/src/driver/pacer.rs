//! When the requests of an open loop are due.
//!
//! The schedule is fixed before the run and independent of it: a slow answer delays no later request, and a request
//! that is sent late, because the client or a connection was busy, keeps the time it was due. Latencies are counted
//! from there. That is what makes them free of coordinated omission
//! (<https://github.com/giltene/wrk2#acknowledgements> explains the term): a server that stalls for a second shows
//! a second's worth of slow requests, not one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::workload::random::Random;

/// How due times follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// As from many independent users: exponentially distributed gaps.
    Poisson,
    /// Evenly spaced.
    Fixed,
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "poisson" => Ok(Self::Poisson),
            "fixed" => Ok(Self::Fixed),
            _ => Err("use poisson or fixed".to_owned()),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisson => "poisson",
            Self::Fixed => "fixed",
        })
    }
}

/// The due times of one client thread's requests, from the start of the phase.
#[derive(Clone, Debug)]
pub struct Pacer {
    arrivals: Arrivals,
    random: Random,
    mean_gap_ns: f64,
    /// Kept as a sum of gaps in floating point: at 2^53 ns, a hundred days, it is still exact to a nanosecond.
    due_ns: f64,
}

/// Keeps the arrivals' random numbers apart from the requests' of the same seed.
const ARRIVALS_STREAM: u64 = 1 << 32;

impl Pacer {
    /// Requests at `rate_per_s`, for client thread `lane`.
    ///
    /// # Panics
    ///
    /// If the rate is not a positive number.
    pub fn new(arrivals: Arrivals, rate_per_s: f64, seed: u64, lane: u64) -> Self {
        assert!(rate_per_s > 0.0 && rate_per_s.is_finite(), "a rate of {rate_per_s} requests per second");
        let mut pacer = Self {
            arrivals,
            random: Random::new(seed, ARRIVALS_STREAM + lane),
            mean_gap_ns: 1e9 / rate_per_s,
            due_ns: 0.0,
        };
        if arrivals == Arrivals::Poisson {
            pacer.advance();
        }
        pacer
    }

    /// When the next request is due, in nanoseconds from the start.
    #[inline]
    pub fn due_ns(&self) -> u64 {
        self.due_ns as u64
    }

    /// Goes on to the request after it.
    #[inline]
    pub fn advance(&mut self) {
        let gaps = match self.arrivals {
            Arrivals::Poisson => self.random.exponential(),
            Arrivals::Fixed => 1.0,
        };
        self.due_ns += gaps * self.mean_gap_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_times(arrivals: Arrivals, rate_per_s: f64, count: usize) -> Vec<u64> {
        let mut pacer = Pacer::new(arrivals, rate_per_s, 1, 0);
        (0..count)
            .map(|_| {
                let due_ns = pacer.due_ns();
                pacer.advance();
                due_ns
            })
            .collect()
    }

    #[test]
    fn fixed_arrivals_are_evenly_spaced() {
        assert_eq!(due_times(Arrivals::Fixed, 1000.0, 4), [0, 1_000_000, 2_000_000, 3_000_000]);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_variance() {
        let due = due_times(Arrivals::Poisson, 10_000.0, 100_001);
        // 100,000 gaps of 100 us take 10 s; the standard deviation of their sum is 32 ms.
        assert!(due[100_000].abs_diff(10_000_000_000) < 150_000_000, "{}", due[100_000]);
        // In a Poisson process the number of arrivals in a window has mean = variance; here ten per millisecond.
        let mut per_ms = vec![0f64; 9_000];
        for at in &due {
            if let Some(count) = per_ms.get_mut((at / 1_000_000) as usize) {
                *count += 1.0;
            }
        }
        let mean = per_ms.iter().sum::<f64>() / 9_000.0;
        let variance = per_ms.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 9_000.0;
        assert!((mean - 10.0).abs() < 0.2 && (variance / mean - 1.0).abs() < 0.1, "{mean} {variance}");
    }

    /// A server in virtual time that answers one request after the other and stalls once.
    #[test]
    fn a_stall_shows_in_the_latency_of_every_request_due_meanwhile() {
        const SERVICE_NS: u64 = 100_000;
        const STALL: std::ops::Range<u64> = 1_000_000_000..1_500_000_000;
        let mut free_at_ns = 0;
        let slow = due_times(Arrivals::Fixed, 1000.0, 3000)
            .into_iter()
            .filter(|&due_ns| {
                let mut start_ns = free_at_ns.max(due_ns);
                if STALL.contains(&start_ns) {
                    start_ns = STALL.end;
                }
                free_at_ns = start_ns + SERVICE_NS;
                free_at_ns - due_ns > 10 * SERVICE_NS
            })
            .count();
        // 500 requests fall due in the stall; a closed loop would have sent, and counted, one of them.
        assert!(slow >= 500, "{slow}");
    }

    #[test]
    fn lanes_do_not_arrive_together() {
        let mut one = Pacer::new(Arrivals::Poisson, 1000.0, 1, 0);
        let mut other = Pacer::new(Arrivals::Poisson, 1000.0, 1, 1);
        one.advance();
        other.advance();
        assert_ne!(one.due_ns(), other.due_ns());
    }
}
