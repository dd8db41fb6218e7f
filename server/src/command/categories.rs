//! ACL categories: which there are, and which a command is in.

use super::{Command, Flags};

/// All categories in Redis' order.
pub const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The category of this name, in any case.
pub fn category_named(name: &[u8]) -> Option<&'static str> {
    CATEGORIES.into_iter().find(|category| name.eq_ignore_ascii_case(category.as_bytes()))
}

/// Whether a command is in a category: its row says so, or it follows from its flags.
pub fn is_in_category(command: &Command, category: &str) -> bool {
    let has = |flag| command.flags.has(flag);
    let follows = match category {
        "read" => has(Flags::READONLY) && !command.categories.contains(&"scripting"),
        "write" => has(Flags::WRITE),
        "admin" | "dangerous" => has(Flags::ADMIN),
        "pubsub" => has(Flags::PUBSUB),
        "fast" => has(Flags::FAST),
        "slow" => !has(Flags::FAST),
        "blocking" => has(Flags::BLOCKING),
        _ => false,
    };
    follows || command.categories.contains(&category)
}

/// A command's categories, in Redis' order.
pub fn categories(command: &Command) -> impl Iterator<Item = &'static str> {
    CATEGORIES.into_iter().filter(|category| is_in_category(command, category))
}
