//! Requests of geo commands.
//!
//! Positions are so random that no two members are equally far from anywhere: Redis sorts those in no particular order.
//! So distances and other small scores, most of which are the same few positions, are kept out of these keys.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{garbage, key, mostly_typed_key, pick, typed_key};

/// How many members one command adds at most: some more than a small sorted set has.
const MAX_MEMBERS: u32 = 150;

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..100) {
        0..=24 => geoadd(rng),
        25..=28 => geoadd_many(rng),
        29..=33 => with_members(rng, "GEOPOS"),
        34..=38 => with_members(rng, "GEOHASH"),
        39..=44 => geodist(rng),
        45..=62 => geosearch(rng),
        63..=72 => geosearchstore(rng),
        73..=80 => georadius(rng),
        81..=87 => georadiusbymember(rng),
        88..=90 => Request::new("ZSCORE").arg(index(rng)).arg(member(rng)),
        91..=93 => with_members(rng, "ZREM"),
        // Any score is a position.
        94 => Request::new("ZADD")
            .arg(target(rng))
            .arg(pick(rng, &["-5", "1.5", "1e19", "inf", "-inf", "4503599627370495", "0"]))
            .arg("odd"),
        95..=96 => Request::new("ZRANGE").arg(index(rng)).args(["0", "-1", "WITHSCORES"]),
        97 => Request::new("SET").arg(index(rng)).arg("text"),
        _ => Request::new("DEL").arg(index(rng)),
    }
}

/// A key that is mostly a geospatial index.
fn index(rng: &mut StdRng) -> Vec<u8> {
    Some(mostly_typed_key(rng, 'g'))
        .filter(|key| !key.starts_with(b"z"))
        .unwrap_or_else(|| typed_key(rng, 'g'))
}

fn target(rng: &mut StdRng) -> Vec<u8> {
    if rng.random_ratio(1, 25) { key(rng) } else { typed_key(rng, 'g') }
}

/// Where distances are stored.
fn distance_target(rng: &mut StdRng) -> Vec<u8> {
    typed_key(rng, 'z')
}

fn member(rng: &mut StdRng) -> Vec<u8> {
    format!("p{}", rng.random_range(0..40)).into_bytes()
}

/// Longitude and latitude, most of them in a region that searches hit.
fn position(rng: &mut StdRng) -> [Vec<u8>; 2] {
    let (longitude, latitude): (f64, f64) = match rng.random_range(0..12) {
        0 => (rng.random_range(-180.0..180.0), rng.random_range(-85.0..85.0)),
        1 => (rng.random_range(-180.0..180.0), rng.random_range(80.0..85.05)),
        2 => (rng.random_range(179.0..180.0), rng.random_range(-30.0..30.0)),
        3 => (rng.random_range(-180.0..-179.0), rng.random_range(-30.0..30.0)),
        4 => (rng.random_range(-10.0..10.0), rng.random_range(-85.05..-60.0)),
        5 => (rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)),
        _ => (rng.random_range(10.0..20.0), rng.random_range(35.0..45.0)),
    };
    [longitude, latitude].map(|degrees| degrees.to_string().into_bytes())
}

/// The same; now and then no position.
fn any_position(rng: &mut StdRng) -> [Vec<u8>; 2] {
    match rng.random_range(0..40) {
        0 => {
            let word =
                |rng: &mut StdRng| pick(rng, &["abc", "nan", "inf", "181", "-180.0001", "86", "1e400", "5"]);
            [word(rng), word(rng)]
        }
        _ => position(rng),
    }
}

fn geoadd(rng: &mut StdRng) -> Request {
    let mut request = Request::new("GEOADD").arg(target(rng));
    for _ in 0..[0, 0, 0, 1, 2][rng.random_range(0..5)] {
        request = request.arg(pick(rng, &["NX", "XX", "CH", "ch", "GT"]));
    }
    for _ in 0..[1, 1, 2, 5][rng.random_range(0..4)] {
        request = request.args(any_position(rng)).arg(member(rng));
    }
    if rng.random_ratio(1, 40) { request.arg("1") } else { request }
}

fn geoadd_many(rng: &mut StdRng) -> Request {
    let first = rng.random_range(0..200);
    let numbers = first..first + rng.random_range(1..MAX_MEMBERS);
    numbers.fold(Request::new("GEOADD").arg(target(rng)), |request, number| {
        request.args(position(rng)).arg(format!("p{number}"))
    })
}

fn with_members(rng: &mut StdRng, name: &str) -> Request {
    let request = Request::new(name).arg(index(rng));
    (0..rng.random_range(0..4)).fold(request, |request, _| request.arg(member(rng)))
}

fn unit(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["m", "km", "km", "km", "KM", "ft", "mi", "M", "km", "yards"])
}

fn geodist(rng: &mut StdRng) -> Request {
    let request = Request::new("GEODIST").arg(index(rng)).arg(member(rng)).arg(member(rng));
    if rng.random() { request.arg(unit(rng)) } else { request }
}

fn extent(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..12) {
        0 => pick(rng, &["0", "-1", "abc", "inf", "1e400", "1e8", "40000"]),
        1..=3 => rng.random_range(1_000..30_000).to_string().into_bytes(),
        _ => format!("{:.3}", rng.random_range(0.0..1_500.0f64)).into_bytes(),
    }
}

/// Where a search begins, and how far it reaches.
fn region(rng: &mut StdRng, mut request: Request) -> Request {
    if rng.random_ratio(29, 30) {
        request = match rng.random_range(0..3) {
            0 => request.arg("FROMMEMBER").arg(member(rng)),
            _ => request.arg("fromlonlat").args(any_position(rng)),
        };
    }
    if rng.random_ratio(29, 30) {
        request = match rng.random_range(0..2) {
            0 => request.arg("BYRADIUS").arg(extent(rng)).arg(unit(rng)),
            _ => request.arg("bybox").arg(extent(rng)).arg(extent(rng)).arg(unit(rng)),
        };
    }
    if rng.random_ratio(1, 40) { request.arg("FROMMEMBER").arg(member(rng)) } else { request }
}

fn options(rng: &mut StdRng, mut request: Request, with: u32) -> Request {
    for _ in 0..rng.random_range(0..4) {
        request = match rng.random_range(0..8) {
            0 => request.arg("ASC"),
            1 => request.arg("desc"),
            2 => request.arg("COUNT").number(rng.random_range(1..20)).maybe(rng, 2, "ANY"),
            3 if rng.random_ratio(1, 5) => request.arg("COUNT").arg(pick(rng, &["0", "-1", "abc"])),
            4 if rng.random_ratio(1, 5) => request.arg("ANY"),
            5 if rng.random_ratio(1, 10) => request.arg(garbage(rng)),
            _ if rng.random_ratio(1, with) => request.arg(pick(rng, &["WITHDIST", "withhash", "WITHCOORD"])),
            _ => request,
        };
    }
    request
}

fn geosearch(rng: &mut StdRng) -> Request {
    let request = Request::new("GEOSEARCH").arg(index(rng));
    let request = region(rng, request);
    options(rng, request, 1).maybe(rng, 40, "STOREDIST")
}

fn geosearchstore(rng: &mut StdRng) -> Request {
    let stores_distances = rng.random_ratio(1, 3);
    let target = if stores_distances { distance_target(rng) } else { target(rng) };
    let request = Request::new("GEOSEARCHSTORE").arg(target).arg(index(rng));
    let request = region(rng, request);
    let request = options(rng, request, 20);
    if stores_distances { request.arg("STOREDIST") } else { request }
}

fn stored(rng: &mut StdRng, request: Request, read_only: bool) -> Request {
    let stores = if read_only { rng.random_ratio(1, 30) } else { rng.random_ratio(1, 3) };
    let request = options(rng, request, if stores { 20 } else { 1 });
    match stores {
        true if rng.random() => request.arg("STORE").arg(target(rng)),
        true => request.arg("storedist").arg(distance_target(rng)),
        false => request,
    }
}

fn georadius(rng: &mut StdRng) -> Request {
    let read_only = rng.random();
    let request = Request::new(if read_only { "GEORADIUS_RO" } else { "GEORADIUS" })
        .arg(index(rng))
        .args(any_position(rng))
        .arg(extent(rng))
        .arg(unit(rng));
    stored(rng, request, read_only)
}

fn georadiusbymember(rng: &mut StdRng) -> Request {
    let read_only = rng.random();
    let request = Request::new(if read_only { "GEORADIUSBYMEMBER_RO" } else { "GEORADIUSBYMEMBER" })
        .arg(index(rng))
        .arg(member(rng))
        .arg(extent(rng))
        .arg(unit(rng));
    stored(rng, request, read_only)
}
