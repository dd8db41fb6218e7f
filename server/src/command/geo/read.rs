//! GEOADD, GEOPOS, GEODIST and GEOHASH.

use thermocline_engine::value::SortedSetValue;
use thermocline_protocol::{Arguments, Protocol, ReplyEncoder};

use super::distance::{distance_m, unit_m};
use super::geohash::Position;
use crate::command::arguments::{float, is_word};
use crate::command::sorted_set::add::{Options, add_members};
use crate::command::sorted_set::sorted_set;
use crate::command::{Failure, KeyContext};

/// Digits behind the point of a distance, and of a coordinate at most.
const DISTANCE_DIGITS: usize = 4;
const COORDINATE_DIGITS: usize = 17;

/// The position that two arguments are, longitude first.
///
/// # Errors
/// Redis' where one is no number, or beyond the world's limits.
pub(super) fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Failure> {
    let position = Position { longitude: float(longitude)?, latitude: float(latitude)? };
    if position.is_valid() {
        return Ok(position);
    }
    Err(Failure::error(format!(
        "ERR invalid longitude,latitude pair {:.6},{:.6}",
        position.longitude, position.latitude
    )))
}

pub(super) fn geoadd(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mut options = Options::default();
    let mut first = 2;
    while first < arguments.len() {
        match arguments.get(first) {
            word if is_word(word, "nx") => options.only_new = true,
            word if is_word(word, "xx") => options.only_known = true,
            word if is_word(word, "ch") => options.replies_changed = true,
            _ => break,
        }
        first += 1;
    }
    let words = arguments.len() - first;
    if words == 0 || !words.is_multiple_of(3) || options.only_new && options.only_known {
        return Err(Failure::SYNTAX);
    }
    let mut members = Vec::with_capacity(words / 3);
    for at in (first..arguments.len()).step_by(3) {
        let position = position(arguments.get(at), arguments.get(at + 1))?;
        members.push((position.score(), arguments.get(at + 2)));
    }
    add_members(context, arguments.get(1), options, members.into_iter())
}

/// Where a member is.
pub(super) fn position_of(set: Option<&SortedSetValue>, member: &[u8]) -> Option<Position> {
    Some(Position::of_score(set?.score(member)?))
}

/// The sorted set at a key, where there is one.
fn find<'a>(context: &'a mut KeyContext<'_>, key: &[u8]) -> Result<Option<&'a SortedSetValue>, Failure> {
    context.keys.get(key)?.map(sorted_set).transpose()
}

pub(super) fn geopos(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let set = context.keys.get(arguments.get(1))?.map(sorted_set).transpose()?;
    context.reply.array(arguments.len() - 2);
    for member in arguments.skip(2).iter() {
        match position_of(set, member) {
            Some(position) => reply_position(&mut context.reply, position),
            None => context.reply.null_array(),
        }
    }
    Ok(())
}

pub(super) fn geohash(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let set = context.keys.get(arguments.get(1))?.map(sorted_set).transpose()?;
    context.reply.array(arguments.len() - 2);
    for member in arguments.skip(2).iter() {
        match position_of(set, member) {
            Some(position) => context.reply.bulk(&position.written()),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn geodist(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let unit_m = match arguments.len() {
        4 => 1.0,
        5 => unit_m(arguments.get(4))?,
        _ => return Err(Failure::SYNTAX),
    };
    let set = find(context, arguments.get(1))?;
    let positions = position_of(set, arguments.get(2)).zip(position_of(set, arguments.get(3)));
    match positions {
        Some((one, other)) => reply_distance(&mut context.reply, distance_m(one, other) / unit_m),
        None => context.reply.null(),
    }
    Ok(())
}

/// Replies a distance, as a string in either protocol.
pub(super) fn reply_distance(reply: &mut ReplyEncoder<'_>, distance: f64) {
    reply.bulk(format!("{distance:.DISTANCE_DIGITS$}").as_bytes());
}

/// Replies longitude and latitude, with all digits that they have.
pub(super) fn reply_position(reply: &mut ReplyEncoder<'_>, position: Position) {
    reply.array(2);
    for coordinate in [position.longitude, position.latitude] {
        let text = format!("{coordinate:.COORDINATE_DIGITS$}");
        let text = match text.trim_end_matches('0').trim_end_matches('.') {
            "-0" => "0",
            text => text,
        };
        match reply.protocol() {
            Protocol::Resp2 => reply.bulk(text.as_bytes()),
            Protocol::Resp3 => reply.raw(format!(",{text}\r\n").as_bytes()),
        }
    }
}
