//! What requests are about to look up, so that the caches are warmed for several look-ups at once.

use thermocline_engine::{Engine, Warming};
use thermocline_protocol::Arguments;

use super::key_positions::keys;
use crate::command::Handler;
use crate::command::table::CommandEntry;

/// A command with so many keys warms the caches for itself, when it runs.
const WARM_FROM_KEYS: usize = 4;

/// Adds what a request will look up, as far as that is easily told; it may well be wrong in its arguments.
///
/// # Panics
/// If nothing more can be added.
#[inline]
pub(super) fn add_request(
    warming: &mut Warming<'_>,
    entry: &CommandEntry,
    database: usize,
    arguments: Arguments<'_>,
) {
    match entry.single_key {
        Some(position) if position < arguments.len() => {
            let member = entry.command.member;
            let member = (member > 0 && member < arguments.len()).then(|| arguments.get(member));
            warming.add(database, arguments.get(position), member);
        }
        Some(_) => {}
        None => {
            let keys = keys(entry.command, arguments);
            let warms_for_itself =
                matches!(entry.command.handler, Handler::Keys(_)) && keys.len() >= WARM_FROM_KEYS;
            if !warms_for_itself {
                for key in keys {
                    if warming.is_full() {
                        return;
                    }
                    warming.add(database, key, None);
                }
            }
        }
    }
}

/// Warms the caches for a command that has many keys.
#[inline]
pub(super) fn warm_up<'k>(
    engine: &Engine,
    database: usize,
    keys: impl ExactSizeIterator<Item = &'k [u8]> + Clone,
) {
    if keys.len() >= WARM_FROM_KEYS && engine.is_worth_warming() {
        warm_up_many(engine, database, keys);
    }
}

#[cold]
fn warm_up_many<'k>(engine: &Engine, database: usize, keys: impl Iterator<Item = &'k [u8]>) {
    let mut warming = engine.warming();
    for key in keys {
        if warming.is_full() {
            std::mem::replace(&mut warming, engine.warming()).finish();
        }
        warming.add(database, key, None);
    }
    warming.finish();
}
