//! What a search covers: a circle or a box around a position, and the cells of scores that it may reach into.

use super::distance::{degrees_of, distance_m, latitude_distance_m, longitude_degrees_of};
use super::geohash::{Cell, MAX_STEP, Position};

/// Half of the equator on a square map of the world, in metres.
const HALF_WORLD_M: f64 = 20_037_726.37;
/// Towards the poles a degree of longitude is so short that larger cells are needed.
const NEAR_POLE: f64 = 66.0;
const AT_POLE: f64 = 80.0;

/// The shape of a search, in metres.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Shape {
    Circle { radius_m: f64 },
    Box { width_m: f64, height_m: f64 },
}

impl Shape {
    /// The distance of a position from the centre, if it is inside.
    pub(super) fn distance_m(self, centre: Position, position: Position) -> Option<f64> {
        match self {
            Self::Circle { radius_m } => {
                Some(distance_m(centre, position)).filter(|&distance| distance <= radius_m)
            }
            Self::Box { width_m, height_m } => {
                if latitude_distance_m(position.latitude, centre.latitude) > height_m / 2.0 {
                    return None;
                }
                // The width is measured where the position is.
                let level = Position { latitude: position.latitude, ..centre };
                if distance_m(position, level) > width_m / 2.0 {
                    return None;
                }
                Some(distance_m(centre, position))
            }
        }
    }

    /// The farthest from the centre that it reaches.
    fn reach_m(self) -> f64 {
        match self {
            Self::Circle { radius_m } => radius_m,
            Self::Box { width_m, height_m } => {
                ((width_m / 2.0) * (width_m / 2.0) + (height_m / 2.0) * (height_m / 2.0)).sqrt()
            }
        }
    }

    fn bounds(self, centre: Position) -> Bounds {
        let (half_width_m, half_height_m) = match self {
            Self::Circle { radius_m } => (radius_m, radius_m),
            Self::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let latitudes = degrees_of(half_height_m);
        // As Redis has it: the parallel nearer to the equator's other side.
        let parallel =
            if centre.latitude < 0.0 { centre.latitude - latitudes } else { centre.latitude + latitudes };
        let longitudes = longitude_degrees_of(half_width_m, parallel);
        Bounds {
            west: centre.longitude - longitudes,
            east: centre.longitude + longitudes,
            south: centre.latitude - latitudes,
            north: centre.latitude + latitudes,
        }
    }

    /// The cells that may have something inside, in the order in which Redis looks at them. One may come twice in a row
    /// where they are so large that their neighbours are themselves.
    pub(super) fn cells(self, centre: Position) -> Vec<Cell> {
        let bounds = self.bounds(centre);
        let mut step = steps_for(self.reach_m(), centre.latitude);
        if step > 1 && !is_covered(Cell::of(centre, step), &bounds) {
            step -= 1;
        }
        let middle = Cell::of(centre, step);
        let area = middle.area();
        // With large cells, the bounds say nothing.
        let is_fine = step >= 2;
        let reaches = [
            !(is_fine && *area.longitudes.start() < bounds.west),
            !(is_fine && *area.longitudes.end() > bounds.east),
            !(is_fine && *area.latitudes.start() < bounds.south),
            !(is_fine && *area.latitudes.end() > bounds.north),
        ];
        let [west, east, south, north] = reaches;
        let reaches = |direction_east: i32, direction_north: i32| {
            (direction_east >= 0 || west)
                && (direction_east <= 0 || east)
                && (direction_north >= 0 || south)
                && (direction_north <= 0 || north)
        };
        const DIRECTIONS: [(i32, i32); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        DIRECTIONS
            .into_iter()
            .filter(|&(east, north)| reaches(east, north))
            .map(|(east, north)| middle.neighbour(east, north))
            .collect()
    }
}

/// Limits in degrees, which may lie beyond the world's.
struct Bounds {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// Steps with which nine cells most likely cover a search of this reach.
fn steps_for(reach_m: f64, latitude: f64) -> u32 {
    if reach_m == 0.0 {
        return MAX_STEP;
    }
    let mut reach_m = reach_m;
    let mut steps = 1i32;
    while reach_m < HALF_WORLD_M {
        reach_m *= 2.0;
        steps += 1;
    }
    steps -= 2;
    if latitude.abs() > NEAR_POLE {
        steps -= 1;
        if latitude.abs() > AT_POLE {
            steps -= 1;
        }
    }
    steps.clamp(1, MAX_STEP as i32) as u32
}

/// Whether the cell and its neighbours cover the bounds.
fn is_covered(cell: Cell, bounds: &Bounds) -> bool {
    *cell.neighbour(0, 1).area().latitudes.end() >= bounds.north
        && *cell.neighbour(0, -1).area().latitudes.start() <= bounds.south
        && *cell.neighbour(1, 0).area().longitudes.end() >= bounds.east
        && *cell.neighbour(-1, 0).area().longitudes.start() <= bounds.west
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_inside_is_in_one_of_the_cells(
            longitude in -179.0..179.0f64,
            latitude in -70.0..70.0f64,
            (east, north) in (-0.5..0.5f64, -0.5..0.5f64),
            reach_m in 1.0..50_000.0f64,
            is_box: bool,
        ) {
            let centre = Position { longitude, latitude };
            let position = Position { longitude: longitude + east, latitude: latitude + north };
            let shape = match is_box {
                true => Shape::Box { width_m: reach_m * 2.0, height_m: reach_m },
                false => Shape::Circle { radius_m: reach_m },
            };
            let score = position.score();
            let is_in = |cell: &Cell| (cell.scores().0..cell.scores().1).contains(&score);
            if shape.distance_m(centre, Position::of_score(score)).is_some() {
                prop_assert!(shape.cells(centre).iter().any(is_in));
            }
        }
    }

    #[test]
    fn a_box_is_measured_along_its_sides() {
        let centre = Position { longitude: 15.0, latitude: 37.0 };
        let east = Position { longitude: 16.0, ..centre };
        let wide = Shape::Box { width_m: 200_000.0, height_m: 10.0 };
        let high = Shape::Box { width_m: 10.0, height_m: 200_000.0 };
        assert!(wide.distance_m(centre, east).is_some());
        assert!(high.distance_m(centre, east).is_none());
        assert_eq!(wide.distance_m(centre, centre), Some(0.0));
    }
}
