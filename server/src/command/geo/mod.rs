//! Geo commands: positions as the scores of sorted sets.
//!
//! * `geohash`: positions as 52-bit integers, and the cells of the world that they name.
//! * `distance`: distances on the globe. `area`: circles and boxes, and the cells that they reach into.
//! * `read`: GEOADD, GEOPOS, GEODIST, GEOHASH. `search`: GEOSEARCH, GEORADIUS and their kin.
//!
//! A position's score equals redis-server's bit for bit, so both can work on the same sorted set.

mod area;
mod distance;
mod geohash;
mod read;
mod search;
#[cfg(test)]
mod tests;

use super::key_use::KeyUse;
use super::{Command, Flags, Handler, KeyPositions, Reads};

/// What the key of a stored result comes behind.
const STORE_WORDS: &[&str] = &["STORE", "STOREDIST"];

const READ_AND_OVERWRITE: &[KeyUse] = &[KeyUse::READ, KeyUse::OVERWRITE];

/// A command of this group on one key, whose value it needs.
const GEO: Command = Command {
    group: "geo",
    categories: &["geo"],
    keys: KeyPositions::Range { first: 1, last: 1, step: 1 },
    reads: Reads::Values,
    since: "3.2.0",
    ..Command::NEW
};

const READ: Flags = Flags::READONLY;
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const STORE: Flags = GROW.with(Flags::MOVABLE_KEYS);

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: GROW,
        key_use: &[KeyUse::CHANGE],
        summary: "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        handler: Handler::Keys(read::geoadd),
        ..GEO
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: READ,
        summary: "Returns the distance between two members of a geospatial index.",
        complexity: "O(log(N))",
        handler: Handler::Keys(read::geodist),
        ..GEO
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: READ,
        summary: "Returns members from a geospatial index as geohash strings.",
        complexity: "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
        handler: Handler::Keys(read::geohash),
        ..GEO
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: READ,
        summary: "Returns the longitude and latitude of members from a geospatial index.",
        complexity: "O(N) where N is the number of members requested.",
        handler: Handler::Keys(read::geopos),
        ..GEO
    },
    Command {
        name: "georadius",
        arity: -6,
        flags: STORE,
        keys: KeyPositions::FirstAndBehind { words: STORE_WORDS, from: 6, others: &[] },
        key_use: READ_AND_OVERWRITE,
        summary: "Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.",
        handler: Handler::Keys(search::georadius),
        ..GEO
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: READ,
        summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
        since: "3.2.10",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.",
        handler: Handler::Keys(search::georadius_ro),
        ..GEO
    },
    Command {
        name: "georadiusbymember",
        arity: -5,
        flags: STORE,
        keys: KeyPositions::FirstAndBehind { words: STORE_WORDS, from: 5, others: &[] },
        key_use: READ_AND_OVERWRITE,
        summary: "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.",
        handler: Handler::Keys(search::georadiusbymember),
        ..GEO
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: READ,
        summary: "Returns members from a geospatial index that are within a distance from a member.",
        since: "3.2.10",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.",
        handler: Handler::Keys(search::georadiusbymember_ro),
        ..GEO
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: READ,
        summary: "Queries a geospatial index for members inside an area of a box or a circle.",
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape",
        handler: Handler::Keys(search::geosearch),
        ..GEO
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: GROW,
        keys: KeyPositions::Range { first: 1, last: 2, step: 1 },
        key_use: &[KeyUse::OVERWRITE, KeyUse::READ],
        summary: "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.",
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape",
        handler: Handler::Keys(search::geosearchstore),
        ..GEO
    },
];
