//! Key space notifications: who listens, and what is told.

/// The classes of `notify-keyspace-events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventClass(pub u32);

impl EventClass {
    /// `g`: commands that are not of one type, such as DEL and EXPIRE.
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted sets.
    pub const SORTED_SET: Self = Self(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: keys that were evicted.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: keys that were looked for and not there.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `n`: new keys.
    pub const NEW: Self = Self(1 << 14);
}

/// Who listens to events.
#[derive(Debug, Default)]
pub struct Events {}

impl Events {
    /// Whether anybody wants events of this class.
    #[inline]
    pub fn listens_to(&self, _class: EventClass) -> bool {
        false
    }

    /// Tells those who listen.
    #[cold]
    pub fn emit(&self, _class: EventClass, _event: &str, _key: &[u8], _database: usize) {}
}
