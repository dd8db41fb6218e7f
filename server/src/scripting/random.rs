//! Lua's math.random as scripts see it: the generator of C's `drand48`, the same numbers after the same seed everywhere.

/// 48 bits of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Random(u64);

const MULTIPLIER: u64 = 0x5_deec_e66d;
const INCREMENT: u64 = 0xb;
const MASK: u64 = (1 << 48) - 1;
/// What the low bits are after seeding.
const SEED_TAIL: u64 = 0x330e;

impl Random {
    /// As Redis starts.
    pub(super) const INITIAL: Self = Self(0x1234_abcd_330e);

    pub(super) fn seeded(seed: u32) -> Self {
        Self(u64::from(seed) << 16 | SEED_TAIL)
    }

    /// The next number, from 0 up to but not including 2^31.
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        (self.0 >> 17) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_redis() {
        // `math.randomseed(5) return {math.random(1000), math.random(1000)}`
        let mut random = Random::seeded(5);
        let mut draw = || (f64::from(random.next()) / f64::from(i32::MAX) * 1000.0).floor() + 1.0;
        assert_eq!([draw(), draw()], [525.0, 273.0]);
        // The first numbers of a server.
        random = Random::INITIAL;
        let mut draw = || (f64::from(random.next()) / f64::from(i32::MAX) * 1000.0).floor() + 1.0;
        assert_eq!([draw(), draw()], [397.0, 841.0]);
    }
}
