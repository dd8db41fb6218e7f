//! Distances on a globe, in metres, and their units.

use super::geohash::Position;
use crate::command::Failure;
use crate::command::arguments::is_word;

/// The globe's radius.
const EARTH_RADIUS_M: f64 = 6_372_797.560856;

/// The distance between two positions, by the [haversine formula](https://en.wikipedia.org/wiki/Haversine_formula).
pub(super) fn distance_m(one: Position, other: Position) -> f64 {
    let (one_longitude, other_longitude) = (radians(one.longitude), radians(other.longitude));
    let v = ((other_longitude - one_longitude) / 2.0).sin();
    if v == 0.0 {
        return latitude_distance_m(one.latitude, other.latitude);
    }
    let (one_latitude, other_latitude) = (radians(one.latitude), radians(other.latitude));
    let u = ((other_latitude - one_latitude) / 2.0).sin();
    let a = u * u + one_latitude.cos() * other_latitude.cos() * v * v;
    2.0 * EARTH_RADIUS_M * a.sqrt().asin()
}

/// The distance between two latitudes.
pub(super) fn latitude_distance_m(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other) - radians(one)).abs()
}

/// The angle, in degrees, that so many metres are on the equator.
pub(super) fn degrees_of(metres: f64) -> f64 {
    degrees(metres / EARTH_RADIUS_M)
}

/// The same on another parallel, as degrees of longitude.
pub(super) fn longitude_degrees_of(metres: f64, latitude: f64) -> f64 {
    degrees(metres / EARTH_RADIUS_M / radians(latitude).cos())
}

const DEGREE: f64 = std::f64::consts::PI / 180.0;

// The standard library's own conversions round otherwise, and the last bits are to be Redis'.
fn radians(degrees: f64) -> f64 {
    degrees * DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / DEGREE
}

/// How many metres a unit has.
///
/// # Errors
/// Redis' for any other word.
pub(super) fn unit_m(word: &[u8]) -> Result<f64, Failure> {
    match word {
        word if is_word(word, "m") => Ok(1.0),
        word if is_word(word, "km") => Ok(1000.0),
        word if is_word(word, "ft") => Ok(0.3048),
        word if is_word(word, "mi") => Ok(1609.34),
        _ => Err(Failure::error("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_redis() {
        let position = |longitude, latitude| Position { longitude, latitude };
        let palermo = Position::of_score(position(13.361389, 38.115556).score());
        let catania = Position::of_score(position(15.087269, 37.502669).score());
        assert_eq!(format!("{:.4}", distance_m(palermo, catania)), "166274.1516");
        assert_eq!(distance_m(palermo, palermo), 0.0);
        let north = position(palermo.longitude, palermo.latitude + 1.0);
        assert_eq!(distance_m(palermo, north), latitude_distance_m(palermo.latitude, north.latitude));
    }
}
