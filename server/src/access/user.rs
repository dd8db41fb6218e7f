//! Users, as sessions hold them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};

use super::password::PasswordDigest;
use super::selector::Selector;

/// A user: a name that stays, and rights that may change at any time. Sessions share it, so a change is in force with
/// their next command.
#[derive(Debug)]
pub struct User {
    name: Box<[u8]>,
    rights: ArcSwap<Rights>,
    /// Whether the rights are less than everything: what every command looks at.
    is_restricted: AtomicBool,
    is_deleted: AtomicBool,
}

impl User {
    /// A user of this name with these rights.
    pub fn new(name: &[u8], rights: Rights) -> Self {
        Self {
            name: name.into(),
            is_restricted: AtomicBool::new(!rights.permit_everything()),
            is_deleted: AtomicBool::new(false),
            rights: ArcSwap::from_pointee(rights),
        }
    }

    /// The name: any bytes but blanks and zeros.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The name as a text.
    pub fn shown_name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Whether there is anything that the user may not do.
    #[inline]
    pub fn is_restricted(&self) -> bool {
        self.is_restricted.load(Ordering::Relaxed)
    }

    /// The rights at the moment.
    pub fn rights(&self) -> Guard<Arc<Rights>> {
        self.rights.load()
    }

    /// Whether the user was deleted, so that its sessions are to end.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::SeqCst)
    }

    pub(super) fn set_rights(&self, rights: Rights) {
        // Restrictions come before the rights that they follow from, and go after them.
        let is_restricted = !rights.permit_everything();
        self.is_restricted.fetch_or(is_restricted, Ordering::SeqCst);
        self.rights.store(Arc::new(rights));
        self.is_restricted.store(is_restricted, Ordering::SeqCst);
    }

    pub(super) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::SeqCst);
    }

    /// The line that makes this user, without the word `user`.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.name.to_vec();
        self.rights().describe(&mut text);
        text
    }
}

/// Whether RESTORE is to check payloads of this user. Payloads are always checked here; the words are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sanitizing {
    /// `sanitize-payload`.
    Always,
    /// `skip-sanitize-payload`.
    Skipped,
}

/// What a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// `on`: clients may become this user.
    pub is_on: bool,
    /// `nopass`: any password is right.
    pub needs_no_password: bool,
    /// See [`Sanitizing`].
    pub sanitizing: Sanitizing,
    /// The passwords that are right.
    pub passwords: Vec<PasswordDigest>,
    /// What a user may do in the first place.
    pub root: Selector,
    /// Further selectors.
    pub others: Vec<Selector>,
}

impl Rights {
    /// The rights of a new user: none, but all channels where `all_channels` says so.
    pub fn of_new_user(all_channels: bool) -> Self {
        let mut root = Selector::default();
        if all_channels {
            root.channels.set_all();
        }
        Self {
            is_on: false,
            needs_no_password: false,
            sanitizing: Sanitizing::Always,
            passwords: Vec::new(),
            root,
            others: Vec::new(),
        }
    }

    /// The rights of the user `default` as long as nothing is said of it: all.
    pub fn of_default_user() -> Self {
        Self { is_on: true, needs_no_password: true, root: Selector::ALL, ..Self::of_new_user(false) }
    }

    /// All selectors.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether everything is permitted.
    pub fn permit_everything(&self) -> bool {
        self.selectors().any(Selector::permits_everything)
    }

    /// Whether a password is right.
    pub fn accept_password(&self, password: &[u8]) -> bool {
        if self.needs_no_password {
            return true;
        }
        let digest = PasswordDigest::of(password);
        // All are compared, so that the time it takes does not tell which one it was.
        self.passwords.iter().fold(false, |is_right, known| is_right | (*known == digest))
    }

    /// Has one password, or needs none: what `requirepass` says of the default user.
    pub fn set_only_password(&mut self, password: Option<&[u8]>) {
        self.needs_no_password = password.is_none();
        self.passwords = password.into_iter().map(PasswordDigest::of).collect();
    }

    /// The words for what is not in a selector, in Redis' order.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitizing = match self.sanitizing {
            Sanitizing::Always => "sanitize-payload",
            Sanitizing::Skipped => "skip-sanitize-payload",
        };
        let needs_none = self.needs_no_password.then_some("nopass");
        [Some(if self.is_on { "on" } else { "off" }), needs_none, Some(sanitizing)].into_iter().flatten()
    }

    /// The rules that make these rights, each after a blank.
    pub fn describe(&self, text: &mut Vec<u8>) {
        for flag in self.flags() {
            text.push(b' ');
            text.extend_from_slice(flag.as_bytes());
        }
        for password in &self.passwords {
            text.extend_from_slice(format!(" #{password}").as_bytes());
        }
        text.push(b' ');
        self.root.describe(text);
        for selector in &self.others {
            text.extend_from_slice(b" (");
            selector.describe(text);
            text.push(b')');
        }
    }
}
