//! All users by name, and AUTH.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::log::AccessLog;
use super::rule::{RuleError, is_blank};
use super::user::{Rights, User};

/// The user that every client is until it says otherwise.
pub const DEFAULT_USER: &[u8] = b"default";

/// All users.
#[derive(Debug)]
pub struct Access {
    users: RwLock<BTreeMap<Box<[u8]>, Arc<User>>>,
    default: Arc<User>,
    /// Whether clients have to log in: the default user needs a password, or is off.
    asks_for_password: AtomicBool,
    /// Who was refused what.
    pub log: AccessLog,
}

/// Why ACL SETUSER changed nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserError {
    /// No user can have this name.
    Name,
    /// This rule, by its number, is wrong.
    Rule(usize, RuleError),
}

impl Access {
    /// The default user only, who has this password, if any, and may do everything.
    pub fn new(default_password: Option<&[u8]>) -> Self {
        let mut rights = Rights::of_default_user();
        rights.set_only_password(default_password);
        let default = Arc::new(User::new(DEFAULT_USER, rights));
        let access = Self {
            users: RwLock::new(BTreeMap::from([(DEFAULT_USER.into(), Arc::clone(&default))])),
            default,
            asks_for_password: AtomicBool::new(false),
            log: AccessLog::default(),
        };
        access.note_default_rights();
        access
    }

    /// The user that every client is until it says otherwise.
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// Whether clients have to log in before they may do anything.
    #[inline]
    pub fn asks_for_password(&self) -> bool {
        self.asks_for_password.load(Ordering::Relaxed)
    }

    /// Whether AUTH with a password alone makes sense: the default user has one.
    pub fn default_needs_password(&self) -> bool {
        !self.default.rights().needs_no_password
    }

    /// The user of this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// All users, ordered by their names.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user of this name, if it is on and this is its password.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let user = self.find(name)?;
        let rights = user.rights();
        (rights.is_on && rights.accept_password(password)).then_some(user)
    }

    /// Makes a user, or changes one: by all of these rules, or not at all. Returns the user.
    ///
    /// # Errors
    /// What is wrong with the name or with a rule.
    pub fn set_user<'a>(
        &self,
        name: &[u8],
        rules: impl IntoIterator<Item = &'a [u8]>,
        all_channels: bool,
    ) -> Result<Arc<User>, UserError> {
        if !is_name(name) {
            return Err(UserError::Name);
        }
        let mut users = self.users.write();
        let known = users.get(name).cloned();
        let mut rights = match &known {
            Some(user) => Rights::clone(&user.rights()),
            None => Rights::of_new_user(all_channels),
        };
        for (number, rule) in rules.into_iter().enumerate() {
            rights.apply(rule, all_channels).map_err(|error| UserError::Rule(number, error))?;
        }
        let user = match known {
            Some(user) => {
                user.set_rights(rights);
                user
            }
            None => {
                let user = Arc::new(User::new(name, rights));
                users.insert(name.into(), Arc::clone(&user));
                user
            }
        };
        drop(users);
        self.note_default_rights();
        Ok(user)
    }

    /// Deletes a user, who is not the default one; the caller ends its sessions.
    pub fn delete(&self, name: &[u8]) -> Option<Arc<User>> {
        assert_ne!(name, DEFAULT_USER, "the default user stays");
        let user = self.users.write().remove(name)?;
        user.mark_deleted();
        Some(user)
    }

    /// Has exactly these users; the default one has all rights where it is not among them. Users that there were
    /// before stay who they are, with new rights. Returns those that are gone; the caller ends their sessions.
    pub fn replace_all(&self, rights: BTreeMap<Box<[u8]>, Rights>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        let mut rights = rights;
        rights.entry(DEFAULT_USER.into()).or_insert_with(Rights::of_default_user);
        let mut before = std::mem::take(&mut *users);
        for (name, rights) in rights {
            let user = match before.remove(&name) {
                Some(user) => {
                    user.set_rights(rights);
                    user
                }
                None => Arc::new(User::new(&name, rights)),
            };
            users.insert(name, user);
        }
        drop(users);
        self.note_default_rights();
        before.values().for_each(|user| user.mark_deleted());
        before.into_values().collect()
    }

    /// Gives the default user this password, or says that it needs none: `requirepass`.
    pub fn set_default_password(&self, password: Option<&[u8]>) {
        let users = self.users.write();
        let mut rights = Rights::clone(&self.default.rights());
        rights.set_only_password(password);
        self.default.set_rights(rights);
        drop(users);
        self.note_default_rights();
    }

    fn note_default_rights(&self) {
        let rights = self.default.rights();
        self.asks_for_password.store(!rights.is_on || !rights.needs_no_password, Ordering::Relaxed);
    }
}

/// Whether a user may have this name: it is one word of a line.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.iter().any(|&byte| is_blank(byte))
}
