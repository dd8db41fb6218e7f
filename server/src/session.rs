//! A client's session: what the server remembers of a connection between commands.

use std::sync::Arc;

use thermocline_protocol::Protocol;

use crate::access::User;
use crate::command::transaction::Transaction;
use crate::server::Server;
use crate::server::blocking::Blocked;
use crate::server::clients::{ClientFlags, ClientShared};
use crate::server::hearing::Hearing;
use crate::server::waiting::Waiter;
use crate::server::watches::Watch;

/// One client's state. Ten thousand idle connections hold ten thousand of these: what few clients need goes into
/// a box of its own.
#[derive(Debug)]
pub struct Session {
    /// The client as other threads see it: its id and names, and what dispatch notes of it.
    pub client: Arc<ClientShared>,
    /// Who the client is: the default user, unless it said otherwise.
    pub user: Arc<User>,
    /// RESP2 or RESP3.
    pub protocol: Protocol,
    /// The selected database. Together with the small fields around it this is one word.
    database: u16,
    /// Whether the client may run commands.
    pub is_authenticated: bool,
    /// Whether the connection is to be closed after the replies were sent.
    pub is_closing: bool,
    /// Whether accesses leave no trace in LRU and LFU: `CLIENT NO-TOUCH`.
    pub no_touch: bool,
    /// Whether the client is not to be closed for the memory it takes: `CLIENT NO-EVICT`.
    pub no_evict: bool,
    /// Which replies are sent: `CLIENT REPLY`.
    pub reply_mode: ReplyMode,
    /// What the client hears beyond the replies to its commands.
    pub(crate) hearing: Option<Box<Hearing>>,
    /// The transaction that is being written down, after MULTI.
    pub(crate) transaction: Option<Box<Transaction>>,
    /// What WATCH watches.
    pub(crate) watch: Option<Box<Watch>>,
    /// The wait that a blocking command has just begun; the dispatcher takes it at once.
    pub(crate) waiting: Option<Box<(Arc<Waiter>, Blocked)>>,
}

/// Which replies a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// `CLIENT REPLY SKIP` was run just now: that command has no reply, and the next has none.
    SkipNext,
    /// This command's reply is not sent.
    Skip,
}

impl Session {
    /// The session of a client that has just connected, as the default user.
    pub fn new(client: Arc<ClientShared>, default_user: &Arc<User>, is_authenticated: bool) -> Self {
        Self {
            client,
            user: Arc::clone(default_user),
            protocol: Protocol::Resp2,
            database: 0,
            is_authenticated,
            is_closing: false,
            no_touch: false,
            no_evict: false,
            reply_mode: ReplyMode::On,
            hearing: None,
            transaction: None,
            watch: None,
            waiting: None,
        }
    }

    /// Forgets the transaction that is being written down, and what is watched.
    pub(crate) fn discard_transaction(&mut self, server: &Server) {
        self.transaction = None;
        self.unwatch(server);
    }

    /// Watches nothing any more. Locks shards.
    pub(crate) fn unwatch(&mut self, server: &Server) {
        if let Some(watch) = self.watch.take() {
            watch.end(&server.observers.watches, &server.engine);
        }
    }

    /// The selected database.
    #[inline]
    pub fn database(&self) -> usize {
        usize::from(self.database)
    }

    /// Selects a database, which exists.
    pub fn select(&mut self, database: usize) {
        self.database = u16::try_from(database).expect("there are fewer");
    }

    /// Hears nothing more but the replies to its commands.
    pub(crate) fn stop_hearing(&mut self, server: &Server) {
        if let Some(mut hearing) = self.hearing.take() {
            hearing.end(server, &self.client);
        }
    }

    /// The client is this user from now on, and may run commands.
    pub fn log_in(&mut self, user: Arc<User>) {
        self.become_user(user);
        self.is_authenticated = true;
    }

    /// The client is this user from now on. Whether it may run commands does not change.
    pub fn become_user(&mut self, user: Arc<User>) {
        self.client.note_user(&user);
        // A user who is deleted at this moment: either who deletes it sees this client, or this sees that it is gone.
        self.is_closing |= user.is_deleted();
        self.user = user;
    }

    /// Shows others what is written down and watched.
    pub(crate) fn publish_transaction(&self) {
        let queued =
            self.transaction.as_ref().map(|transaction| (transaction.commands.len(), transaction.heap_bytes));
        let watched = self.watch.as_ref().map_or(0, |watch| watch.len());
        let is_broken = self.watch.as_ref().is_some_and(|watch| watch.is_broken());
        self.client.note_transaction(queued, watched, is_broken);
    }

    /// Shows others what has changed.
    pub(crate) fn publish(&self) {
        let mut flags = ClientFlags::NONE;
        for (is_set, flag) in [
            (self.no_evict, ClientFlags::NO_EVICT),
            (self.no_touch, ClientFlags::NO_TOUCH),
            (self.is_closing, ClientFlags::CLOSING),
        ] {
            flags = ClientFlags(flags.0 | if is_set { flag.0 } else { 0 });
        }
        self.client.note_session(self.database(), self.protocol.version() as u8, flags);
        self.publish_transaction();
    }
}
