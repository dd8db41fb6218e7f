//! What becomes of values that a keyspace gives up.

use super::*;
use crate::access::{AccessClock, AccessPolicy};
use crate::value::{PackLimits, SetLimits, SetValue, StringValue};

fn set_of(members: u32) -> Value {
    let limits = SetLimits { intset_entries: 0, pack: PackLimits { entries: 0, element_bytes: 0 } };
    let mut set = SetValue::new_table(members as usize);
    for member in 0..members {
        set.insert(format!("member:{member}").as_bytes(), limits);
    }
    set.into()
}

#[test]
fn only_large_collections_are_left_to_be_dropped_later() {
    let hasher = KeyHasher::new([1, 2, 3, 4], 1);
    let mut keyspace = Keyspace::new(0, hasher.clone(), Arc::new(Ledger::new(1)));
    let clock = AccessClock::new(AccessPolicy::Lru, UnixMillis(0));
    let touch = Touch { clock, tick: 0, bump_after_ticks: 0 };
    let long_string = || Value::from(StringValue::raw(vec![7; 1 << 20]));
    for (value, is_left) in [(set_of(10_000), true), (set_of(100), false), (long_string(), false)] {
        let (_, hash) = hasher.locate(b"key");
        let handle = keyspace.set(hash, b"key", None, value.clone(), None, &touch);
        keyspace.remove(hash, handle);
        let left = keyspace.take_given_up();
        assert_eq!(left.as_deref(), is_left.then_some(&[value.clone()][..]));
        let handle = keyspace.set(hash, b"key", None, value.clone(), None, &touch);
        keyspace.set(hash, b"key", Some(handle), set_of(1), None, &touch);
        assert_eq!(keyspace.take_given_up().is_some(), is_left, "where it is overwritten");
        keyspace.remove(hash, handle);
        keyspace.verify();
    }
}
