//! Every geo command in process: replies, errors, the order of checks.

use thermocline_protocol::Protocol;

use crate::command::fixture::Fixture;
use crate::command::{geo, sorted_set, string};

const SYNTAX: &str = "-ERR syntax error";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_A_FLOAT: &str = "-ERR value is not a valid float";
const NO_UNIT: &str = "-ERR unsupported unit provided. please use M, KM, FT, MI";
const NO_MEMBER: &str = "-ERR could not decode requested zset member";

/// A fixture with `g`, two towns of Sicily, and a string `s`.
fn sicily() -> Fixture {
    let mut fixture = Fixture::new(&[geo::COMMANDS, sorted_set::COMMANDS, string::COMMANDS]);
    fixture.expect(&[
        ("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
        ("SET s text", "+OK"),
    ]);
    fixture
}

#[test]
fn geoadd_stores_positions_as_scores() {
    sicily().expect(&[
        ("ZSCORE g Palermo", r"$16\r\n3479099956230698"),
        ("ZSCORE g Catania", r"$16\r\n3479447370796909"),
        ("GEOADD g NX 1 1 Palermo 1 1 Rome", ":1"),
        ("GEOADD g XX CH 13.4 38.1 Palermo 1 1 Pisa", ":1"),
        ("GEOADD g NX XX 1 1 a", SYNTAX),
        ("GEOADD g GT 1 1 a", SYNTAX),
        ("GEOADD g 1 1 a 2", SYNTAX),
        ("GEOADD g NX CH CH", SYNTAX),
        ("GEOADD g x 1 a", NOT_A_FLOAT),
        ("GEOADD g 1 1 a 181 1 b", "-ERR invalid longitude,latitude pair 181.000000,1.000000"),
        ("GEOADD g 1 -86.5 a", "-ERR invalid longitude,latitude pair 1.000000,-86.500000"),
        ("ZCARD g", ":3"),
        ("GEOADD s 181 1 b", "-ERR invalid longitude,latitude pair 181.000000,1.000000"),
        ("GEOADD s 1 1 b", WRONG_TYPE),
    ]);
}

#[test]
fn positions_distances_and_geohashes_are_read() {
    let mut fixture = sicily();
    fixture.expect(&[
        (
            "GEOPOS g Palermo none",
            r"*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1",
        ),
        ("GEOPOS none a", r"*1\r\n*-1"),
        ("GEOPOS g", "*0"),
        ("GEOPOS s a", WRONG_TYPE),
        ("GEODIST g Palermo Catania", r"$11\r\n166274.1516"),
        ("GEODIST g Palermo Catania km", r"$8\r\n166.2742"),
        ("GEODIST g Palermo Catania MI", r"$8\r\n103.3182"),
        ("GEODIST g Palermo Palermo", r"$6\r\n0.0000"),
        ("GEODIST g Palermo none", "$-1"),
        ("GEODIST none a b yards", NO_UNIT),
        ("GEODIST g a b m x", SYNTAX),
        ("GEOHASH g Palermo none Catania", r"*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsqdtr74hyu0"),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("GEOPOS g Palermo none", r"*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_"),
        ("GEODIST g Palermo Catania", r"$11\r\n166274.1516"),
        ("GEODIST g Palermo none", "_"),
    ]);
}

#[test]
fn searches_find_what_is_inside() {
    let both = r"*2\r\n$7\r\nCatania\r\n$7\r\nPalermo";
    sicily().expect(&[
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC", both),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km DESC", r"*2\r\n$7\r\nPalermo\r\n$7\r\nCatania"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 100 km", r"*1\r\n$7\r\nCatania"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC", both),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 10 km", "*0"),
        ("GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m", r"*1\r\n$7\r\nPalermo"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", r"*1\r\n$7\r\nCatania"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY", r"*1\r\n$7\r\nPalermo"),
        ("GEORADIUS g 15 37 200 km ASC", both),
        ("GEORADIUS_RO g 15 37 200 km ASC", both),
        ("GEORADIUSBYMEMBER g Catania 200 km ASC", both),
        ("GEORADIUSBYMEMBER_RO g Catania 200 km ASC", both),
        ("GEOSEARCH none FROMMEMBER a BYRADIUS 1 m", "*0"),
        ("GEORADIUSBYMEMBER none a x yards", "*0"),
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 100 km WITHDIST WITHHASH WITHCOORD",
            r"*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n*2\r\n$20\r\n15.08726745843887329\r\n$20\r\n37.50266842333162032",
        ),
    ]);
}

#[test]
fn searches_store_positions_or_distances() {
    let mut fixture = sicily();
    fixture.expect(&[
        ("GEOSEARCHSTORE s g FROMLONLAT 15 37 BYRADIUS 200 km", ":2"),
        ("ZSCORE s Palermo", r"$16\r\n3479099956230698"),
        ("GEOSEARCHSTORE s g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST COUNT 1", ":1"),
        ("ZSCORE s Catania", r"$18\r\n56.441257870158204"),
        ("GEORADIUS g 15 37 200 km STORE a STOREDIST s", ":2"),
        ("ZSCORE s Palermo", r"$18\r\n190.44242984775784"),
        ("GEORADIUSBYMEMBER g Palermo 1 m STORE s", ":1"),
        ("GEORADIUSBYMEMBER g Palermo 1 m STORE STOREDIST ASC", ":1"),
        ("GEORADIUSBYMEMBER g Palermo 1 m STOREDIST STORE", ":1"),
        ("GEORADIUSBYMEMBER none a 1 m STORE s", ":0"),
    ]);
    assert_eq!(fixture.info("s"), None);
    assert_eq!(fixture.info("a"), None);
}

#[test]
fn searches_refuse_what_makes_no_sense() {
    sicily().expect(&[
        ("GEOSEARCH g FROMLONLAT 15 37 FROMMEMBER a BYRADIUS 1 m", SYNTAX),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 m BYBOX 1 1 m", SYNTAX),
        (
            "geosearch g BYRADIUS 1 m ASC DESC COUNT 1",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch",
        ),
        (
            "GEOSEARCH g FROMLONLAT 15 37 ASC DESC ASC",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
        ),
        ("GEOSEARCH g FROMMEMBER none BYRADIUS 1 m ASC", NO_MEMBER),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS -1 m", "-ERR radius cannot be negative"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS x m", "-ERR need numeric radius"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 x", NO_UNIT),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX x 1 m", "-ERR need numeric width"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 x m", "-ERR need numeric height"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 -1 m", "-ERR height or width cannot be negative"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 m ANY", "-ERR the ANY argument requires COUNT argument"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 m STORE d", SYNTAX),
        ("GEORADIUS_RO g 15 37 1 m STORE d", SYNTAX),
        ("GEORADIUS g 15 37 1 m FROMLONLAT 1 1", SYNTAX),
        (
            "GEORADIUS g 15 37 1 m WITHDIST STORE d",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        (
            "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 1 m WITHHASH",
            "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        ("GEORADIUS s 200 37 1 m bogus", WRONG_TYPE),
    ]);
}
