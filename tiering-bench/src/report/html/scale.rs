//! Axes: from a value to a place on the plot, and which values get a tick.

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From zero to this, evenly.
    Linear(f64),
    /// From the first to the second, evenly in the logarithm. Both are above zero.
    Log(f64, f64),
    /// Percentiles from 0 up to this many nines, evenly in the number of nines: 90, 99 and 99.9 are equally far apart.
    Percentile(f64),
}

impl Scale {
    /// A linear scale whose end is a round number at or above `highest`.
    pub(super) fn linear_to(highest: f64) -> Self {
        Self::Linear(if highest > 0.0 { round_up(highest) } else { 1.0 })
    }

    /// As [`linear_to`](Self::linear_to), for bytes: the end is a round number of KiB, MiB, GiB or TiB.
    pub(super) fn bytes_to(highest: f64) -> Self {
        let unit = std::iter::successors(Some(1.0), |unit| Some(unit * 1024.0))
            .take_while(|&unit| unit <= highest)
            .last()
            .unwrap_or(1.0);
        let Self::Linear(end) = Self::linear_to(highest / unit) else { unreachable!("it is linear") };
        Self::Linear(end * unit)
    }

    /// A logarithmic scale around `lowest` and `highest`, which ends at 1, 2 or 5 times a power of ten.
    pub(super) fn log_around(lowest: f64, highest: f64) -> Self {
        let lowest = lowest.max(f64::MIN_POSITIVE);
        let low = steps_of_ten(lowest).rfind(|&step| step <= lowest).unwrap_or(lowest);
        let high = steps_of_ten(highest).find(|&step| step >= highest).unwrap_or(highest);
        Self::Log(low, if high > low { high } else { low * 10.0 })
    }

    /// Where a value lies, from 0 (start of the axis) to 1 (its end).
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(end) => value / end,
            Self::Log(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
            Self::Percentile(end) => nines(value).min(end) / end,
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that get a tick.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(end) => (0..=4).map(|i| end * f64::from(i) / 4.0).collect(),
            Self::Log(low, high) => {
                let is_long = high / low > 1000.0;
                steps_of_ten(low)
                    .chain(steps_of_ten(high))
                    .chain(
                        std::iter::successors(Some(low), |step| Some(step * 10.0))
                            .take_while(|s| *s < high)
                            .flat_map(steps_of_ten),
                    )
                    .filter(|step| (low..=high * 1.000_001).contains(step))
                    .filter(|step| {
                        !is_long
                            || step.log10().fract().abs() < 1e-9
                            || (1.0 - step.log10().fract().abs()) < 1e-9
                    })
                    .fold(Vec::new(), |mut ticks: Vec<f64>, step| {
                        if !ticks.iter().any(|tick| (tick / step - 1.0).abs() < 1e-6) {
                            ticks.push(step);
                        }
                        ticks
                    })
            }
            Self::Percentile(end) => [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999]
                .into_iter()
                .filter(|&p| nines(p) <= end + 1e-9)
                .collect(),
        }
    }
}

/// 90 -> 1, 99 -> 2, 99.9 -> 3, ...
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-12).log10()
}

/// 1, 2 and 5 times the power of ten at or below `value`, and ten times it.
fn steps_of_ten(value: f64) -> std::vec::IntoIter<f64> {
    let power = 10f64.powf(value.log10().floor());
    vec![power, 2.0 * power, 5.0 * power, 10.0 * power].into_iter()
}

/// The next number at or above `value` whose quarters are round as well.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= value * 0.999_999)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_ends_at_a_round_number() {
        assert_eq!(Scale::linear_to(71_000.0), Scale::Linear(80_000.0));
        assert_eq!(Scale::linear_to(0.0), Scale::Linear(1.0));
        assert_eq!(Scale::Linear(80.0).ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(Scale::Linear(80.0).place(20.0), 0.25);
    }

    #[test]
    fn an_axis_of_bytes_ends_at_a_round_number_of_a_unit() {
        assert_eq!(Scale::bytes_to(27.0 * 1_048_576.0), Scale::Linear(32.0 * 1_048_576.0));
        assert_eq!(Scale::bytes_to(0.0), Scale::Linear(1.0));
    }

    #[test]
    fn a_logarithmic_axis_has_equal_decades() {
        let scale = Scale::log_around(30.0, 7_000.0);
        assert_eq!(scale, Scale::Log(20.0, 10_000.0));
        let decade = |value: f64| scale.place(value * 10.0) - scale.place(value);
        assert!((decade(30.0) - decade(300.0)).abs() < 1e-9);
        assert_eq!((scale.place(20.0), scale.place(10_000.0), scale.place(1.0)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn logarithmic_ticks_are_within_the_axis_and_rise() {
        for (low, high) in [(30.0, 7_000.0), (1.0, 2.0), (10.0, 1_000_000.0), (45.0, 52.0)] {
            let scale = Scale::log_around(low, high);
            let mut ticks = scale.ticks();
            ticks.sort_by(f64::total_cmp);
            assert!((2..=12).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
        }
    }

    #[test]
    fn each_nine_takes_as_much_room_as_the_last() {
        let scale = Scale::Percentile(4.0);
        assert_eq!(scale.ticks(), [0.0, 50.0, 90.0, 99.0, 99.9, 99.99]);
        for (percentile, place) in [(0.0, 0.0), (90.0, 0.25), (99.0, 0.5), (99.9, 0.75), (100.0, 1.0)] {
            assert!((scale.place(percentile) - place).abs() < 1e-9, "{percentile}");
        }
    }
}
