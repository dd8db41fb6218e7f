//! The random numbers that every workload is drawn from.
//!
//! One seed gives one sequence for good: results of two versions of this tool are compared request by
//! request, so the generator is written out here (xoshiro256++, seeded through splitmix64) instead of being
//! whatever a library calls its default this year. It is fast and well distributed, and no secret depends on it.

/// Added to splitmix64's state at every step; also what tells the streams of one seed apart.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits so that every input bit changes about half of the output bits (splitmix64's finalizer).
#[inline]
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN_GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A xoshiro256++ generator: <https://prng.di.unimi.it/xoshiro256plusplus.c>.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of `seed`, for its stream number `stream`: two streams of one seed are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut z = mix(seed) ^ mix(stream.wrapping_mul(GOLDEN_GAMMA)).rotate_left(17);
        let state = std::array::from_fn(|_| {
            z = z.wrapping_add(GOLDEN_GAMMA);
            mix(z)
        });
        Self { state }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..bound`. The bias of the multiply-shift is below 2^-32 for any bound under 2^32.
    ///
    /// # Panics
    ///
    /// If `bound` is zero.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below zero to draw");
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `0.0..1.0`, with 53 random bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability: 0 never, 1 always.
    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An exponentially distributed number with mean 1: the gap between two events of a Poisson process.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        // 1 - unit() is in (0, 1], so the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_for_good() {
        let mut random = Random::new(1, 0);
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        let mut again = Random::new(1, 0);
        assert_eq!(first, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        // Written down: a change here makes new results incomparable with old ones.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_ne!(first[0], Random::new(1, 1).bits());
        assert_ne!(first[0], Random::new(2, 0).bits());
    }

    #[test]
    fn below_reaches_every_number_equally_often() {
        let mut random = Random::new(7, 0);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[random.below(10) as usize] += 1;
        }
        // Five standard deviations of a binomial(100000, 0.1) are 475.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 475), "{counts:?}");
    }

    #[test]
    fn exponential_has_mean_and_deviation_one() {
        let mut random = Random::new(7, 0);
        let samples: Vec<f64> = (0..100_000).map(|_| random.exponential()).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.06, "{variance}");
    }

    #[test]
    fn chance_is_never_at_zero_and_always_at_one() {
        let mut random = Random::new(7, 0);
        assert!((0..1000).all(|_| !random.chance(0.0) && random.chance(1.0)));
    }
}
