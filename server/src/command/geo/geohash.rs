//! Positions as integers: [geohashes](https://en.wikipedia.org/wiki/Geohash), whose order keeps near positions together.
//!
//! Longitude and latitude are each halved so many times (`step`), and the bits that say in which half the position was are
//! interleaved, latitude in the even ones. With 26 steps there are 52 bits, which a score holds exactly. Latitudes end
//! where square maps of the world do.

use std::ops::RangeInclusive;

/// The steps of a score.
pub(super) const MAX_STEP: u32 = 26;

pub(super) const LONGITUDES: RangeInclusive<f64> = -180.0..=180.0;
pub(super) const LATITUDES: RangeInclusive<f64> = -85.05112878..=85.05112878;
/// The latitudes of geohashes as others write them.
const ALL_LATITUDES: RangeInclusive<f64> = -90.0..=90.0;

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Characters of a written geohash. 52 bits are enough for ten; the last is always a zero.
const WRITTEN_CHARACTERS: usize = 11;
/// Bits of a character.
const CHARACTER_BITS: usize = 5;

/// A position on the globe, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Position {
    /// Whether a score can hold it.
    pub(super) fn is_valid(self) -> bool {
        LONGITUDES.contains(&self.longitude) && LATITUDES.contains(&self.latitude)
    }

    /// The score of a member that is here.
    pub(super) fn score(self) -> f64 {
        Cell::of(self, MAX_STEP).bits as f64
    }

    /// Where a member with this score is: in the middle of the cell that the score says. Any score is a position.
    pub(super) fn of_score(score: f64) -> Self {
        let area = Cell { bits: bits_of_score(score), step: MAX_STEP }.area();
        let middle = |range: &RangeInclusive<f64>| (range.start() + range.end()) / 2.0;
        Self {
            longitude: middle(&area.longitudes).clamp(*LONGITUDES.start(), *LONGITUDES.end()),
            latitude: middle(&area.latitudes).clamp(*LATITUDES.start(), *LATITUDES.end()),
        }
    }

    /// The geohash as others write it.
    pub(super) fn written(self) -> [u8; WRITTEN_CHARACTERS] {
        let bits = encode(self, &LONGITUDES, &ALL_LATITUDES, MAX_STEP);
        let mut text = [ALPHABET[0]; WRITTEN_CHARACTERS];
        for (at, character) in text[..WRITTEN_CHARACTERS - 1].iter_mut().enumerate() {
            let below = 2 * MAX_STEP as usize - (at + 1) * CHARACTER_BITS;
            *character = ALPHABET[(bits >> below) as usize % ALPHABET.len()];
        }
        text
    }
}

/// What the processor makes of a score that is no 52-bit integer: Redis leaves it to that.
fn bits_of_score(score: f64) -> u64 {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    if score < 0.0 {
        score as i64 as u64
    } else if score >= TWO_TO_64 {
        0
    } else {
        score as u64
    }
}

/// A part of the world: one of those that it falls into after so many steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    bits: u64,
    step: u32,
}

/// Its limits, in degrees.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Area {
    pub(super) longitudes: RangeInclusive<f64>,
    pub(super) latitudes: RangeInclusive<f64>,
}

impl Cell {
    /// The cell that a position is in.
    pub(super) fn of(position: Position, step: u32) -> Self {
        Self { bits: encode(position, &LONGITUDES, &LATITUDES, step), step }
    }

    /// The lowest score in the cell, and the lowest behind it.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (MAX_STEP - self.step);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }

    /// The cell so many cells further to the east and the north; behind the end of the world it begins anew. Positions at
    /// the very end are in a cell beyond the last, and as in Redis its neighbours are so, too, where they are level with it.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Self {
        let mask = (1u32 << self.step) - 1;
        let moved = |index: u32, by: i32| match by {
            0 => index,
            by => index.wrapping_add_signed(by) & mask,
        };
        let (longitude, latitude) = (even_bits(self.bits >> 1), even_bits(self.bits));
        Self { bits: interleave(moved(latitude, north), moved(longitude, east)), step: self.step }
    }

    pub(super) fn area(self) -> Area {
        let cells = (1u64 << self.step) as f64;
        let side = |index: u32, world: &RangeInclusive<f64>| {
            let extent = world.end() - world.start();
            let limit = |index: f64| world.start() + (index / cells) * extent;
            limit(f64::from(index))..=limit(f64::from(index) + 1.0)
        };
        Area {
            longitudes: side(even_bits(self.bits >> 1), &LONGITUDES),
            latitudes: side(even_bits(self.bits), &LATITUDES),
        }
    }
}

fn encode(
    position: Position,
    longitudes: &RangeInclusive<f64>,
    latitudes: &RangeInclusive<f64>,
    step: u32,
) -> u64 {
    let index = |value: f64, world: &RangeInclusive<f64>| {
        let offset = (value - world.start()) / (world.end() - world.start());
        (offset * (1u64 << step) as f64) as u32
    };
    interleave(index(position.latitude, latitudes), index(position.longitude, longitudes))
}

/// The bits of `even` at the even places, those of `odd` at the odd ones.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// Puts a zero between any two bits.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The opposite of [`spread`]; the odd places do not matter.
fn even_bits(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PALERMO: Position = Position { longitude: 13.361389, latitude: 38.115556 };

    #[test]
    fn scores_and_geohashes_are_those_of_redis() {
        assert_eq!(PALERMO.score(), 3_479_099_956_230_698.0);
        assert_eq!(&Position::of_score(PALERMO.score()).written(), b"sqc8b49rny0");
        // Beyond the last cell in both directions: what Redis makes of it.
        let corner = Position { longitude: 180.0, latitude: 85.05112878 };
        assert_eq!(corner.score(), 13_510_798_882_111_488.0);
    }

    #[test]
    fn any_score_is_a_position() {
        for score in [-1.0, -1e300, 1e300, f64::INFINITY, f64::NEG_INFINITY, 1e19, 0.5] {
            assert!(Position::of_score(score).is_valid(), "{score}");
        }
    }

    #[test]
    fn neighbours_begin_anew_behind_the_end_of_the_world() {
        let cell = Cell { bits: 0, step: 3 };
        assert_eq!(cell.neighbour(1, 0).neighbour(-1, 0), cell);
        assert_eq!(cell.neighbour(-1, -1), Cell { bits: 0x3f, step: 3 });
        assert_eq!((0..8).fold(cell, |cell, _| cell.neighbour(1, 1)), cell);
        let end = Cell::of(Position { longitude: 180.0, latitude: 0.0 }, 1);
        assert_eq!((end.bits, end.neighbour(0, 1).bits, end.neighbour(1, 0).bits), (0b1001, 0b1000, 0b11));
    }

    proptest! {
        #[test]
        fn bits_come_back(even: u32, odd: u32) {
            let bits = interleave(even, odd);
            prop_assert_eq!((even_bits(bits), even_bits(bits >> 1)), (even, odd));
        }

        #[test]
        fn positions_come_back_nearly(longitude in -180.0..180.0f64, latitude in -85.0..85.0f64) {
            let near = Position::of_score(Position { longitude, latitude }.score());
            prop_assert!((near.longitude - longitude).abs() < 1e-5);
            prop_assert!((near.latitude - latitude).abs() < 1e-5);
        }
    }
}
