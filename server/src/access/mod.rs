//! Who may do what: users, their rules, and the check before a command runs.
//!
//! - [`user`]: a user, as sessions hold it, and the [`Rights`](user::Rights) it has at the moment.
//! - [`rule`]: what ACL SETUSER, the file of users and `user` lines say, word by word.
//! - [`selector`]: a set of commands, keys and channels that may be used together: a user has at least one.
//!   [`commands`] and [`patterns`] are its parts.
//! - [`permission`]: the check itself, and what is told to those who are refused.
//! - [`registry`]: all users by name, and AUTH.
//! - [`log`]: ACL LOG. [`mod@file`]: `aclfile` and ACL LOAD. [`password`]: digests of passwords.
//!
//! The rules are [Redis'](https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
//!
//! **Invariant:** a user's rights are replaced as a whole: who checks a command sees all of ACL SETUSER or nothing.
//!
//! **Invariant:** a client whose user was deleted runs no further command.

pub mod commands;
pub mod file;
pub mod log;
pub mod password;
pub mod patterns;
pub mod permission;
pub mod registry;
pub mod rule;
pub mod selector;
pub mod user;

pub use log::Circumstance;
pub use permission::{Denied, permits, permits_channel, reads_all_keys};
pub use registry::Access;
pub use user::User;
