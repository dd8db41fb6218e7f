//! How many different elements a sketch has seen, from how often its registers have each value: the estimator of
//! O. Ertl, [New cardinality estimation algorithms for HyperLogLog sketches](https://arxiv.org/abs/1702.01284),
//! algorithm 6.

use super::sketch::REGISTERS;

/// How many registers have each value.
pub(super) type Histogram = [u32; 64];

/// The highest rank that 50 bits of a hash give, less one.
const RANK_BITS: usize = 50;

/// About how many different elements there are. Where no sketch of elements could be like this, with all registers at
/// their highest, the number is negative, as Redis has it.
pub(super) fn estimate(histogram: &Histogram) -> i64 {
    // 1 / (2 ln 2), the bias of infinitely many registers.
    const ALPHA: f64 = 0.5 / std::f64::consts::LN_2;
    let registers = REGISTERS as f64;
    let share = |count: u32| f64::from(count) / registers;
    let full = histogram[RANK_BITS + 1];
    let highest = registers * tau((registers - f64::from(full)) / registers);
    let middle =
        histogram[1..=RANK_BITS].iter().rev().fold(highest, |sum, count| 0.5 * (sum + f64::from(*count)));
    let sum = middle + registers * sigma(share(histogram[0]));
    let estimate = (ALPHA * registers * registers / sum).round();
    if estimate.is_finite() { estimate as i64 } else { i64::MIN }
}

/// The correction for registers at zero: the sum of x^(2^k) * 2^(k-1) for k from 1 on, and x.
fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (x, 1.0, x);
    loop {
        power *= power;
        let previous = sum;
        sum += power * weight;
        weight += weight;
        if sum == previous {
            return sum;
        }
    }
}

/// The correction for registers at their highest: a third of 1 - x less the sum of (1 - x^(2^-k))^2 * 2^-k for k from 1
/// on.
fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        root = root.sqrt();
        let previous = sum;
        weight *= 0.5;
        sum -= (1.0 - root) * (1.0 - root) * weight;
        if sum == previous {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sketches_of_nothing_and_of_too_much_are_told_apart() {
        let all_at = |value: usize| {
            let mut histogram = [0; 64];
            histogram[value] = REGISTERS as u32;
            estimate(&histogram)
        };
        assert_eq!(all_at(0), 0);
        assert!(all_at(1) < all_at(2) && all_at(49) < all_at(50));
        assert_eq!(all_at(63), i64::MIN);
    }
}
