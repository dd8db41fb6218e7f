//! Commands: one table row and one handler each, grouped by folder.
//!
//! A row says all that the rest of the server knows of a command: COMMAND and its kin, key extraction, the
//! prefetch of cold values and the checks before a handler runs read nothing else. A handler parses its
//! arguments, works on [`KeyContext::keys`], and writes its reply.
//!
//! **Invariant:** a handler that returns a [`Failure`] has changed nothing; what it wrote to the reply is discarded.
//!
//! **Invariant:** no handler knows which tier a value was on: `?` hands [`Cold`] up to the dispatcher.

pub mod arguments;
pub mod bitmap;
pub mod blocking;
pub mod categories;
pub mod connection;
#[cfg(test)]
pub(crate) mod fixture;
pub mod generic;
pub mod geo;
pub mod hash;
pub(crate) mod help;
pub mod history;
pub mod hyperloglog;
pub mod key_use;
pub mod list;
pub mod pubsub;
pub(crate) mod sampling;
pub mod scripting;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod strtod;
pub mod syntax;
pub mod table;
pub mod tier;
pub mod tips;
pub mod transaction;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use thermocline_engine::{Cold, Databases, HeldUp, Keys};
use thermocline_protocol::{Arguments, ReplyEncoder};

use crate::scripting::ScriptRequest;
use crate::server::Server;
use crate::server::events::EventClass;
use crate::session::Session;
use blocking::Block;
use key_use::KeyUse;

/// One command, or one subcommand of a container such as CLIENT.
pub struct Command {
    /// The name in lower case, without the container's.
    pub name: &'static str,
    /// How many arguments, the name included (and the container's); at least that many where negative.
    pub arity: i32,
    /// What kind of command it is: see [`Flags`].
    pub flags: Flags,
    /// Where its keys are.
    pub keys: KeyPositions,
    /// What it does with them, as clients are told: one element for all of them, or one for the first and one for the
    /// others. Empty where that follows from `flags` and `reads`.
    pub key_use: &'static [KeyUse],
    /// Whether it needs its keys' values, so that cold ones are read before it runs.
    pub reads: Reads,
    /// The position of the first member or field of its key that it looks up, 0 where it looks up none. Only a hint: it may
    /// be elsewhere behind options.
    pub member: usize,
    /// ACL categories beyond those that follow from the flags, such as `"string"`.
    pub categories: &'static [&'static str],
    /// The group of COMMAND DOCS, such as `"string"`.
    pub group: &'static str,
    /// One sentence for COMMAND DOCS.
    pub summary: &'static str,
    /// The version of Redis that introduced it.
    pub since: &'static str,
    /// Its complexity, such as `"O(1)"`; empty where Redis does not say.
    pub complexity: &'static str,
    /// What runs it.
    pub handler: Handler,
    /// The subcommands of a container.
    pub subcommands: &'static [Command],
}

impl Command {
    /// A row to fill in with struct update syntax: a server command without keys.
    pub const NEW: Self = Self {
        name: "",
        arity: 0,
        flags: Flags::NONE,
        keys: KeyPositions::None,
        key_use: &[],
        reads: Reads::Nothing,
        member: 0,
        categories: &[],
        group: "server",
        summary: "",
        since: "1.0.0",
        complexity: "O(1)",
        handler: Handler::Container,
        subcommands: &[],
    };
}

/// Bits that COMMAND INFO shows as flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// May change data.
    pub const WRITE: Self = Self(1);
    /// Reads data and changes none.
    pub const READONLY: Self = Self(1 << 1);
    /// May take memory: refused when there is none left.
    pub const DENYOOM: Self = Self(1 << 2);
    /// Administers the server.
    pub const ADMIN: Self = Self(1 << 3);
    /// Takes constant or logarithmic time.
    pub const FAST: Self = Self(1 << 4);
    /// Works before AUTH.
    pub const NO_AUTH: Self = Self(1 << 5);
    /// Works while the data set is loading.
    pub const LOADING: Self = Self(1 << 6);
    /// Works on a replica whose data may be stale.
    pub const STALE: Self = Self(1 << 7);
    /// Not allowed in scripts.
    pub const NOSCRIPT: Self = Self(1 << 8);
    /// Not shown to MONITOR or SLOWLOG, because it may carry secrets.
    pub const SKIP_MONITOR: Self = Self(1 << 9);
    /// Not counted in SLOWLOG.
    pub const SKIP_SLOWLOG: Self = Self(1 << 10);
    /// Not allowed inside MULTI.
    pub const NO_MULTI: Self = Self(1 << 11);
    /// Its keys cannot be told from the positions alone.
    pub const MOVABLE_KEYS: Self = Self(1 << 12);
    /// May wait for other clients.
    pub const BLOCKING: Self = Self(1 << 13);
    /// Publishes or subscribes.
    pub const PUBSUB: Self = Self(1 << 14);
    /// Allowed while a script is busy.
    pub const ALLOW_BUSY: Self = Self(1 << 15);
    /// Not allowed while the data set is loading in the background.
    pub const NO_ASYNC_LOADING: Self = Self(1 << 16);
    /// Works on a slot that a cluster's node is only about to get.
    pub const ASKING: Self = Self(1 << 17);
    /// May be called without any key, though it has key positions.
    pub const NO_MANDATORY_KEYS: Self = Self(1 << 18);

    /// Is run, not written down, after MULTI. Not shown.
    pub const RUNS_IN_MULTI: Self = Self(1 << 24);
    /// May turn out to need keys that its arguments do not name. Not shown.
    pub const MORE_KEYS: Self = Self(1 << 25);

    /// All flags of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's keys are among its arguments.
#[derive(Clone, Copy)]
pub enum KeyPositions {
    /// It has none.
    None,
    /// Every `step`-th argument from `first` to `last`; `last` counts from the end where it is negative.
    Range {
        /// The first key's position; the command's name is at 0.
        first: usize,
        /// The last key's position.
        last: i32,
        /// The distance between keys.
        step: usize,
    },
    /// It has none, but clients of a cluster are to treat the first argument, and the others up to `last`, like keys:
    /// they are shard channels.
    Channels {
        /// The last channel's position, from the end where it is negative.
        last: i32,
    },
    /// As many as the argument at `count` says, right after it.
    Counted {
        /// The position of the number of keys.
        count: usize,
    },
    /// The first argument, which is written to, and as many as the argument at `count` says, right after that.
    TargetAndCounted {
        /// The position of the number of keys.
        count: usize,
    },
    /// The first half of what follows this word, searched from argument `from` on.
    HalfBehind {
        /// The word, in upper case.
        word: &'static str,
        /// Where the search begins, as clients are told.
        from: usize,
        /// Options before it, in upper case, with the number of their arguments, none of which is the word.
        options: &'static [(&'static str, usize)],
    },
    /// The first argument, and what follows the last of these words, which is written to.
    FirstAndBehind {
        /// The words, in upper case.
        words: &'static [&'static str],
        /// Where the search begins.
        from: usize,
        /// Other options, in upper case, and how many arguments each takes, which may look like one of the words.
        others: &'static [(&'static str, usize)],
    },
    /// The argument at `at`; where that is empty and one of the options is this word, all that follows the word.
    OneOrBehind {
        /// The position of the key that may be empty.
        at: usize,
        /// The word, in upper case.
        word: &'static str,
        /// Where the options begin.
        from: usize,
        /// Options with arguments of their own, in upper case, and how many; they are not searched for the word.
        options: &'static [(&'static str, usize)],
    },
    /// SORT's: the first argument, and what follows the last STORE, which is written to. The keys that its patterns lead
    /// to are not among the arguments.
    Sort {
        /// Whether there may be a STORE.
        stores: bool,
    },
}

/// Which of a command's keys it reads the values of.
#[derive(Clone, Copy)]
pub enum Reads {
    /// None: it works on the index alone, or replaces values blindly.
    Nothing,
    /// All of them.
    Values,
    /// As these arguments tell: true where it needs the values.
    When(fn(Arguments<'_>) -> bool),
}

/// What runs a command.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Runs on its keys, whose shards are locked. May run again if a value was cold.
    Keys(KeyHandler),
    /// Names no keys: works on the session, the server, or whole databases.
    Server(fn(&mut Context<'_>, Arguments<'_>) -> Result<(), Failure>),
    /// The same, and may wait.
    Waiting(for<'a> fn(&'a mut Context<'_>, Arguments<'a>) -> Waiting<'a>),
    /// Says which script is to run, on what; the dispatcher runs it. The row has [`Flags::MORE_KEYS`].
    Script(ScriptHandler),
    /// EXEC: the dispatcher runs the transaction.
    Exec,
    /// Has subcommands only.
    Container,
}

/// Runs on keys.
pub type KeyHandler = fn(&mut KeyContext<'_>, Arguments<'_>) -> Result<(), Failure>;

/// Says which script is to run.
pub type ScriptHandler = for<'a> fn(&mut Context<'_>, Arguments<'a>) -> Result<ScriptRequest<'a>, Failure>;

/// A handler's future.
pub type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// What a command on keys works with.
pub struct KeyContext<'a> {
    /// Its keys; their shards are locked until the handler returns.
    pub keys: Keys<'a>,
    /// Where its reply goes.
    pub reply: ReplyEncoder<'a>,
    /// The client's session.
    pub session: &'a mut Session,
    /// The server.
    pub server: &'a Server,
}

impl KeyContext<'_> {
    /// Tells of an event in the key space, in Redis' words: `notify(EventClass::LIST, "lpush", key)`. Call it once for
    /// each event that Redis documents, after the change was made; it costs next to nothing where nobody listens.
    #[inline]
    pub fn notify(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        if self.server.events.listens_to(class) {
            self.server.events.emit(class, event, key, self.keys.database());
        }
    }
}

/// What any other command works with.
pub struct Context<'a> {
    /// Where its reply goes.
    pub reply: ReplyEncoder<'a>,
    /// The client's session.
    pub session: &'a mut Session,
    /// The server.
    pub server: &'a Server,
    /// This server thread's own things.
    pub thread: &'a crate::server::Thread,
    /// Whole databases. Inside a transaction their shards are locked, so a handler works on keys through this only.
    pub databases: Databases<'a>,
}

/// Why a command did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A value it needs is on the SSD.
    Cold,
    /// A script holds its keys for long: it is to run again in a while.
    HeldUp,
    /// The error reply, with its code: `ERR syntax error`.
    Error(Cow<'static, str>),
    /// It needs these keys, too, which its arguments do not name: lock them as well, and run it again. Its row has
    /// [`Flags::MORE_KEYS`]. Ask [`Keys::covers`] which are locked, and note which values are missing with
    /// [`Keys::is_readable`] before returning [`Failure::Cold`], so that all are read at once.
    NeedsKeys(Vec<Vec<u8>>),
    /// There is nothing for it yet: the client waits until another one changes that. It may have noted who waits, if it
    /// told nobody: each time that it runs again, it does so. Inside a transaction or script
    /// it does not wait, but gets the reply of a wait whose time is over.
    Blocked(Box<Block>),
}

impl Failure {
    /// `WRONGTYPE`: the key holds another type.
    pub const WRONG_TYPE: Self =
        Self::Error(Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value"));
    /// Arguments that make no sense together.
    pub const SYNTAX: Self = Self::Error(Cow::Borrowed("ERR syntax error"));
    /// An argument that is no 64-bit integer.
    pub const NOT_AN_INTEGER: Self =
        Self::Error(Cow::Borrowed("ERR value is not an integer or out of range"));
    /// An argument that is no number.
    pub const NOT_A_FLOAT: Self = Self::Error(Cow::Borrowed("ERR value is not a valid float"));
    /// A key that must be there is not.
    pub const NO_SUCH_KEY: Self = Self::Error(Cow::Borrowed("ERR no such key"));

    /// An error reply, with its code.
    pub fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Error(text.into())
    }
}

impl From<HeldUp> for Failure {
    fn from(_: HeldUp) -> Self {
        Self::HeldUp
    }
}

impl From<Cold> for Failure {
    fn from(_: Cold) -> Self {
        Self::Cold
    }
}
