//! Which key a request asks for.
//!
//! A distribution draws a *rank* (rank 0 is the most popular) and a [`Scramble`] turns it into a key index, so
//! that popular keys are spread over the key space: without it the hottest keys would be the ones that were
//! loaded first, lie side by side in a log, and flatter every store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::random::Random;
use super::zipf::{MAX_THETA, Zipf};

/// How requests spread over the keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum KeyDistribution {
    /// Every key is as likely as any other.
    Uniform,
    /// The k-th most popular key is asked for with probability proportional to `k^-theta`.
    Zipf {
        /// The exponent; 0.99 is the customary cache workload.
        theta: f64,
    },
    /// A share of the keys gets a share of the requests; inside and outside of it all keys are alike.
    Hotspot {
        /// Share of the keys that are hot, in `0..=1`.
        keys_share: f64,
        /// Share of the requests that go to them, in `0..=1`.
        requests_share: f64,
    },
    /// One key after the other, from the first, starting again after the last.
    Sequential,
}

impl FromStr for KeyDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let numbers = parts
            .map(|part| part.parse::<f64>().map_err(|_| format!("'{part}' is not a number")))
            .collect::<Result<Vec<_>, _>>()?;
        let distribution = match (name, numbers.as_slice()) {
            ("uniform", []) => Self::Uniform,
            ("sequential", []) => Self::Sequential,
            ("zipf", []) => Self::Zipf { theta: 0.99 },
            ("zipf", &[theta]) => Self::Zipf { theta },
            ("hotspot", []) => Self::Hotspot { keys_share: 0.2, requests_share: 0.8 },
            ("hotspot", &[keys_share, requests_share]) => Self::Hotspot { keys_share, requests_share },
            _ => return Err("use uniform, zipf[:THETA], hotspot[:KEYS:REQUESTS] or sequential".to_owned()),
        };
        match distribution {
            Self::Zipf { theta } if !(theta > 0.0 && theta <= MAX_THETA) => {
                Err(format!("zipf's theta must be above 0 and at most {MAX_THETA}"))
            }
            Self::Hotspot { keys_share, requests_share }
                if !(0.0..=1.0).contains(&keys_share) || !(0.0..=1.0).contains(&requests_share) =>
            {
                Err("hotspot's two shares must be between 0 and 1".to_owned())
            }
            valid => Ok(valid),
        }
    }
}

impl fmt::Display for KeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf { theta } => write!(f, "zipf:{theta}"),
            Self::Hotspot { keys_share, requests_share } => {
                write!(f, "hotspot:{keys_share}:{requests_share}")
            }
            Self::Sequential => f.write_str("sequential"),
        }
    }
}

/// Draws key indices from a [`KeyDistribution`].
#[derive(Clone, Debug)]
pub(super) struct KeySampler {
    shape: Shape,
    keys: u64,
    scramble: Scramble,
}

#[derive(Clone, Debug)]
enum Shape {
    Uniform,
    Zipf(Zipf),
    Hotspot { hot_keys: u64, requests_share: f64 },
    Sequential(Walk),
}

impl KeySampler {
    /// A sampler of `0..keys` for one of `lanes` concurrent generators. Together the lanes of a sequential
    /// distribution visit every key once per pass.
    pub(super) fn new(distribution: KeyDistribution, keys: u64, lane: u64, lanes: u64) -> Self {
        let shape = match distribution {
            KeyDistribution::Uniform => Shape::Uniform,
            KeyDistribution::Zipf { theta } => Shape::Zipf(Zipf::new(keys, theta)),
            KeyDistribution::Hotspot { keys_share, requests_share } => {
                let hot_keys = ((keys as f64 * keys_share).round() as u64).min(keys);
                Shape::Hotspot { hot_keys, requests_share }
            }
            KeyDistribution::Sequential => Shape::Sequential(Walk::new(keys, lane, lanes)),
        };
        Self { shape, keys, scramble: Scramble::new(keys) }
    }

    #[inline]
    pub(super) fn sample(&mut self, random: &mut Random) -> u64 {
        let rank = match &mut self.shape {
            // A permutation of a uniform distribution is the same distribution.
            Shape::Uniform => return random.below(self.keys),
            Shape::Sequential(walk) => return walk.next_key(),
            Shape::Zipf(zipf) => zipf.sample(random) - 1,
            Shape::Hotspot { hot_keys, requests_share } => {
                let cold_keys = self.keys - *hot_keys;
                if cold_keys == 0 || (*hot_keys > 0 && random.chance(*requests_share)) {
                    random.below(*hot_keys)
                } else {
                    *hot_keys + random.below(cold_keys)
                }
            }
        };
        self.scramble.key(rank)
    }
}

/// One lane's part of a walk over the whole key space: its lane number, and every `lanes`-th key from there.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    keys: u64,
    next: u64,
    lane: u64,
    lanes: u64,
}

impl Walk {
    pub(super) fn new(keys: u64, lane: u64, lanes: u64) -> Self {
        assert!(lane < lanes, "lane {lane} of {lanes}");
        // With more lanes than keys the surplus lanes start again at the front.
        Self { keys, next: lane % keys, lane: lane % keys, lanes }
    }

    #[inline]
    pub(super) fn next_key(&mut self) -> u64 {
        let key = self.next;
        self.next += self.lanes;
        if self.next >= self.keys {
            self.next = self.lane;
        }
        key
    }
}

/// A permutation of `0..keys` that spreads neighbouring ranks evenly: `rank * multiplier mod keys`, where the
/// multiplier is close to the golden section of the key space and has no factor in common with its size.
#[derive(Clone, Debug)]
struct Scramble {
    keys: u64,
    multiplier: u64,
}

impl Scramble {
    fn new(keys: u64) -> Self {
        // Ranks and multiplier are below 2^32, so their product fits 64 bits.
        assert!((1..=super::MAX_KEYS).contains(&keys), "{keys} keys");
        let golden_section = 0.618_033_988_749_894_9;
        let mut multiplier = ((keys as f64 * golden_section) as u64).max(1);
        while greatest_common_divisor(multiplier, keys) != 1 {
            multiplier += 1;
        }
        Self { keys, multiplier }
    }

    #[inline]
    fn key(&self, rank: u64) -> u64 {
        debug_assert!(rank < self.keys);
        rank * self.multiplier % self.keys
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(distribution: &str, keys: u64, samples: usize) -> Vec<u64> {
        let mut sampler = KeySampler::new(distribution.parse().expect("valid"), keys, 0, 1);
        let mut random = Random::new(1, 0);
        let mut counts = vec![0; keys as usize];
        for _ in 0..samples {
            counts[sampler.sample(&mut random) as usize] += 1;
        }
        counts
    }

    #[test]
    fn names_are_read_back_as_they_are_printed() {
        for text in ["uniform", "zipf:0.8", "hotspot:0.1:0.9", "sequential"] {
            assert_eq!(text.parse::<KeyDistribution>().expect(text).to_string(), text);
        }
        assert_eq!("zipf".parse(), Ok(KeyDistribution::Zipf { theta: 0.99 }));
        for text in ["zipf:0", "zipf:x", "zipf:1:2", "hotspot:2:0.5", "hotspot:0.5", "latest", "zipf:NaN", ""]
        {
            assert!(text.parse::<KeyDistribution>().is_err(), "{text}");
        }
    }

    #[test]
    fn scrambling_is_a_permutation() {
        for keys in [1, 2, 3, 10, 97, 1000, 65_536] {
            let scramble = Scramble::new(keys);
            let mut seen: Vec<u64> = (0..keys).map(|rank| scramble.key(rank)).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..keys), "{keys}");
        }
        let largest = Scramble::new(super::super::MAX_KEYS);
        assert!(largest.key(super::super::MAX_KEYS - 1) < super::super::MAX_KEYS);
    }

    #[test]
    fn the_hottest_keys_of_zipf_are_spread_over_the_key_space() {
        let counts = counts("zipf:0.99", 10_000, 200_000);
        let mut by_heat: Vec<usize> = (0..counts.len()).collect();
        by_heat.sort_by_key(|&key| std::cmp::Reverse(counts[key]));
        // Of the hundred hottest keys, each tenth of the key space holds about ten.
        let mut tenths = [0; 10];
        for &key in &by_heat[..100] {
            tenths[key / 1000] += 1;
        }
        assert!(tenths.iter().all(|&count| (5..=15).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn hotspot_gives_a_fifth_of_the_keys_four_fifths_of_the_requests() {
        let mut counts = counts("hotspot:0.2:0.8", 1000, 1_000_000);
        counts.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
        let hot: u64 = counts[..200].iter().sum();
        // Standard deviation: sqrt(1e6 * 0.8 * 0.2) = 400.
        assert!(hot.abs_diff(800_000) < 2_000, "{hot}");
        // A hot key expects 4000 requests and a cold one 250: the groups are far apart.
        assert!(counts[199] > 3_500 && counts[200] < 400, "{} {}", counts[199], counts[200]);
    }

    #[test]
    fn hotspot_reaches_its_extremes() {
        assert!(counts("hotspot:0:0.8", 10, 1000).iter().all(|&count| count > 0));
        assert!(counts("hotspot:1:0", 10, 1000).iter().all(|&count| count > 0));
    }

    #[test]
    fn uniform_reaches_every_key_equally_often() {
        let counts = counts("uniform", 100, 1_000_000);
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 500), "{counts:?}");
    }

    #[test]
    fn the_lanes_of_a_walk_visit_every_key_once_per_pass() {
        let mut visited: Vec<u64> = (0..3)
            .flat_map(|lane| {
                let mut walk = Walk::new(10, lane, 3);
                let share = (10 - lane).div_ceil(3);
                (0..share).map(move |_| walk.next_key()).collect::<Vec<_>>()
            })
            .collect();
        visited.sort_unstable();
        assert_eq!(visited, (0..10).collect::<Vec<_>>());
        let mut single = Walk::new(3, 0, 1);
        assert_eq!((0..7).map(|_| single.next_key()).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0]);
    }
}
