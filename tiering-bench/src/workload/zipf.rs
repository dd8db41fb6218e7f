//! Zipf-distributed ranks, drawn in constant time and without a table.
//!
//! Rank `k` of `1..=n` has probability `k^-theta / sum(i^-theta)`. The method is rejection-inversion:
//! W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
//! distributions", ACM TOMACS 6(3), 1996. It is exact for every `theta > 0`, one included, where the widespread
//! approximation of Gray et al. is neither exact nor defined at one; it needs no set-up that grows with `n`.

use super::random::Random;

/// Largest accepted theta: beyond it practically every request goes to one key.
pub const MAX_THETA: f64 = 10.0;

/// A sampler of Zipf-distributed ranks.
#[derive(Clone, Debug)]
pub struct Zipf {
    theta: f64,
    ranks: f64,
    /// The hat's integral at 1.5 less the whole of rank 1, and at n + 0.5: the inversion's range.
    integral_low: f64,
    integral_high: f64,
    /// An inverted point this close below its rank is accepted without a look at the hat.
    squeeze: f64,
}

impl Zipf {
    /// A sampler of the ranks `1..=ranks` with exponent `theta`.
    ///
    /// # Panics
    ///
    /// If `ranks` is zero, or `theta` is not in `0 < theta <=` [`MAX_THETA`]: options are checked before.
    pub fn new(ranks: u64, theta: f64) -> Self {
        assert!(ranks > 0, "a distribution needs at least one rank");
        assert!(theta > 0.0 && theta <= MAX_THETA, "theta {theta} is not in (0, {MAX_THETA}]");
        let integral_low = integral(theta, 1.5) - 1.0;
        let integral_high = integral(theta, ranks as f64 + 0.5);
        let squeeze = 2.0 - inverse_integral(theta, integral(theta, 2.5) - weight(theta, 2.0));
        Self { theta, ranks: ranks as f64, integral_low, integral_high, squeeze }
    }

    /// One rank, in `1..=ranks`; rank 1 is the most frequent.
    #[inline]
    pub fn sample(&self, random: &mut Random) -> u64 {
        loop {
            let u = self.integral_high + random.unit() * (self.integral_low - self.integral_high);
            let x = inverse_integral(self.theta, u);
            let rank = x.round().clamp(1.0, self.ranks);
            if rank - x <= self.squeeze || u >= integral(self.theta, rank + 0.5) - weight(self.theta, rank) {
                return rank as u64;
            }
        }
    }
}

/// `x^-theta`.
fn weight(theta: f64, x: f64) -> f64 {
    (-theta * x.ln()).exp()
}

/// The integral of [`weight`] from 1 to `x`: `(x^(1-theta) - 1) / (1 - theta)`, or `ln x` at one.
fn integral(theta: f64, x: f64) -> f64 {
    let log = x.ln();
    exp_m1_over((1.0 - theta) * log) * log
}

/// The `x` whose [`integral`] is `y`.
#[inline]
fn inverse_integral(theta: f64, y: f64) -> f64 {
    // Rounding may push the argument a little below -1, where ln_1p is not defined.
    let t = (y * (1.0 - theta)).max(-1.0);
    (ln_1p_over(t) * y).exp()
}

/// `(e^x - 1) / x`, continued at 0. The series keeps theta = 1 and its neighbourhood exact.
fn exp_m1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x * 0.5 * (1.0 + x / 3.0) }
}

/// `ln(1 + x) / x`, continued at 0.
#[inline]
fn ln_1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x * (0.5 - x / 3.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's statistic of `samples` draws against the exact probabilities. Ranks that are expected fewer
    /// than ten times are taken together.
    fn chi_square(ranks: u64, theta: f64, samples: u64, seed: u64) -> (f64, usize) {
        let zipf = Zipf::new(ranks, theta);
        let mut random = Random::new(seed, 0);
        let mut observed = vec![0u64; ranks as usize + 1];
        for _ in 0..samples {
            observed[zipf.sample(&mut random) as usize] += 1;
        }
        let total: f64 = (1..=ranks).map(|k| (k as f64).powf(-theta)).sum();
        let (mut statistic, mut cells) = (0.0, 0);
        let (mut rest_expected, mut rest_observed) = (0.0, 0.0);
        for rank in 1..=ranks {
            rest_expected += (rank as f64).powf(-theta) / total * samples as f64;
            rest_observed += observed[rank as usize] as f64;
            if rest_expected >= 10.0 {
                statistic += (rest_observed - rest_expected).powi(2) / rest_expected;
                cells += 1;
                (rest_expected, rest_observed) = (0.0, 0.0);
            }
        }
        (statistic, cells - 1)
    }

    #[test]
    fn ranks_follow_the_exact_distribution() {
        for theta in [0.1, 0.5, 0.9, 0.99, 1.0, 1.000_000_01, 1.3, 2.0] {
            let (statistic, degrees) = chi_square(1000, theta, 400_000, 42);
            // A chi-square has mean d and variance 2d: five deviations above are a one in a million event.
            let bound = degrees as f64 + 5.0 * (2.0 * degrees as f64).sqrt();
            assert!(statistic < bound, "theta {theta}: {statistic} with {degrees} degrees of freedom");
        }
    }

    #[test]
    fn the_test_tells_a_wrong_exponent() {
        // The same statistic with the exact probabilities of another exponent must fail clearly, otherwise the
        // test above proves nothing.
        let zipf = Zipf::new(1000, 0.95);
        let mut random = Random::new(42, 0);
        let firsts = (0..400_000).filter(|_| zipf.sample(&mut random) == 1).count() as f64;
        let total: f64 = (1..=1000u32).map(|k| f64::from(k).powf(-0.99)).sum();
        let expected = 400_000.0 / total;
        assert!((firsts - expected).abs() > 5.0 * expected.sqrt());
    }

    #[test]
    fn a_billion_ranks_need_no_table_and_stay_in_range() {
        let zipf = Zipf::new(1_000_000_000, 0.99);
        let mut random = Random::new(3, 0);
        let samples: Vec<u64> = (0..100_000).map(|_| zipf.sample(&mut random)).collect();
        assert!(samples.iter().all(|rank| (1..=1_000_000_000).contains(rank)));
        assert!(samples.iter().any(|&rank| rank > 100_000_000), "the tail must be reached");
    }

    #[test]
    fn a_single_rank_is_always_drawn() {
        let mut random = Random::new(3, 0);
        assert!((0..100).all(|_| Zipf::new(1, 0.99).sample(&mut random) == 1));
    }
}
