//! The file of users, `aclfile`: a line for each, `user <name> <rule> ...`. Also what makes rights of the `user` lines
//! of a configuration file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::registry::{Access, DEFAULT_USER, is_name};
use super::rule::join_selectors;
use super::user::{Rights, User};
use crate::config::{Config, UserLine, replace_file};

/// How errors in the file end.
const NOTHING_CHANGED: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

/// Reads a file of users, named `shown` in errors.
///
/// # Errors
/// What is wrong with it, in Redis' words: all that is wrong in it, line by line.
pub fn read(path: &Path, shown: &str, all_channels: bool) -> Result<BTreeMap<Box<[u8]>, Rights>, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("Error loading ACLs, opening file '{shown}': {}", text_of(&error)))?;
    parse(&bytes, shown, all_channels)
}

fn parse(bytes: &[u8], shown: &str, all_channels: bool) -> Result<BTreeMap<Box<[u8]>, Rights>, String> {
    let mut users = BTreeMap::new();
    let mut errors = String::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let at = format!("{shown}:{}", number + 1);
        let mut words = line.split(|&byte| byte == b' ');
        let name = match (words.next(), words.next()) {
            (Some(b"user"), Some(name)) => name,
            _ => {
                errors += &format!("{at} should start with user keyword followed by the username. ");
                continue;
            }
        };
        if users.contains_key(name) {
            let name = String::from_utf8_lossy(name);
            errors += &format!("WARNING: Duplicate user '{name}' found on line {}. ", number + 1);
            continue;
        }
        match rights(name, words, all_channels) {
            Ok(rights) => {
                users.insert(name.into(), rights);
            }
            Err(error) => errors += &format!("{at}: {error}. "),
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(errors + NOTHING_CHANGED) }
}

/// The rights that a line gives a user, from nothing on.
///
/// # Errors
/// What is wrong with the line.
pub fn rights<'a>(
    name: &[u8],
    words: impl Iterator<Item = &'a [u8]>,
    all_channels: bool,
) -> Result<Rights, String> {
    if !is_name(name) {
        return Err("Usernames can't contain spaces or null characters".to_owned());
    }
    let rules = join_selectors(words);
    let rules = rules.map_err(|rule| {
        format!("Unmatched parenthesis in selector definition '{}'", String::from_utf8_lossy(&rule.0))
    })?;
    let mut rights = Rights::of_new_user(all_channels);
    for rule in rules {
        rights.apply(&rule, all_channels).map_err(|error| error.to_string())?;
    }
    Ok(rights)
}

impl Access {
    /// The lines that make all users.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.all().iter().map(|user| [b"user ", &*user.describe()].concat()).collect()
    }

    /// The lines that CONFIG REWRITE writes: none where users have a file of their own, and none for the default user
    /// as long as `requirepass` alone says all of it.
    pub fn lines_for_config(&self, config: &Config) -> Vec<String> {
        if config.acl_file().is_some() {
            return Vec::new();
        }
        let mut plain = Rights::of_default_user();
        plain.set_only_password(config.password().as_deref().map(str::as_bytes));
        let users = self.all();
        let is_written = |user: &&Arc<User>| user.name() != DEFAULT_USER || **user.rights() != plain;
        let line = |user: &Arc<User>| format!("user {}", String::from_utf8_lossy(&user.describe()));
        users.iter().filter(is_written).map(line).collect()
    }

    /// Takes over what the configuration says of users at start.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn load(&self, config: &Config) -> Result<(), String> {
        let all_channels = config.acl_gives_all_channels();
        let lines = config.user_lines();
        let users = match config.acl_file() {
            Some(_) if !lines.is_empty() => {
                return Err("users are either in aclfile or in `user` lines, not in both".to_owned());
            }
            Some((path, shown)) => read(&path, &shown, all_channels)?,
            None => {
                let default = Rights::clone(&self.default_user().rights());
                let mut users = BTreeMap::from([(DEFAULT_USER.into(), default)]);
                for UserLine { origin, words } in lines {
                    let (name, rules) = words.split_first().expect("a line has a name");
                    let rights = rights(name.as_bytes(), rules.iter().map(String::as_bytes), all_channels);
                    let rights = rights.map_err(|error| format!("{origin}: user {name}: {error}"))?;
                    users.insert(name.as_bytes().into(), rights);
                }
                users
            }
        };
        self.replace_all(users);
        Ok(())
    }

    /// Writes all users to a file, which is replaced as a whole.
    ///
    /// # Errors
    /// Of the file system; the file is as it was.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut text = self.lines().join(&b'\n');
        text.push(b'\n');
        replace_file(path, &text)
    }
}

/// What the system says of an error, without the number.
fn text_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = parse(text.as_bytes(), "users.acl", false).expect_err("it makes no sense");
        error.strip_suffix(NOTHING_CHANGED).expect("errors end so").trim_end().to_owned()
    }

    #[test]
    fn lines_are_users_and_selectors_may_be_written_in_several_words() {
        let users =
            parse(b"user alice on >p ~* +@all\n\n user  \nuser bob  off ( ~x +get ) (+set)\r\n", "f", false);
        // The third line has no name.
        assert!(users.is_err());
        let users =
            parse(b"user alice on >p ~* +@all\n\nuser bob  off ( ~x +get ) (+set)\r\n", "f", false).unwrap();
        let shown = |name: &str| {
            let mut text = Vec::new();
            users[name.as_bytes()].describe(&mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            shown("alice"),
            " on sanitize-payload #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~* \
             resetchannels +@all"
        );
        assert_eq!(
            shown("bob"),
            " off sanitize-payload resetchannels -@all (~x resetchannels -@all +get) (resetchannels -@all +set)"
        );
    }

    #[test]
    fn all_errors_are_told_with_their_lines() {
        assert_eq!(error("usr b\n"), "users.acl:1 should start with user keyword followed by the username.");
        assert_eq!(
            error("user b off\nuser c off foo bar\nuser d >x ~* ~x\n"),
            "users.acl:2: Syntax error. users.acl:3: Adding a pattern after the * pattern (or the 'allkeys' flag) is \
             not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns."
        );
        assert_eq!(error("user a on\nuser a on\n"), "WARNING: Duplicate user 'a' found on line 2.");
        assert!(error("# comment\n").contains("should start with user keyword"));
        assert_eq!(
            error("user a on (+get\n"),
            "users.acl:1: Unmatched parenthesis in selector definition '(+get'."
        );
    }
}
