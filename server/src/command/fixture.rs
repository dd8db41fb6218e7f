//! Runs one command at a time in process: no socket, no device, a clock that stands still until told to move.
//!
//! It stands in for the dispatcher as far as a handler can tell: arity is checked, keys are found by the row's
//! positions, their shards are locked, and a failure discards what was written and becomes an error reply.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use thermocline_engine::{
    Components, Engine, EngineConfig, Fetched, KeyInfo, ManualClock, NoMemoryGauge, UnixMillis,
};
use thermocline_protocol::{
    ArgumentRanges, Arguments, Limits, Parsed, ReplyEncoder, RequestParser, encode_request,
};

use super::arguments::wrong_arity;
use super::blocking::{Block, UnwaitedReply};
use super::{Command, Context, Failure, Handler, KeyContext};
use crate::config::Config;
use crate::dispatch::key_positions::keys;
use crate::server::clients::ClientShared;
use crate::server::{Server, Thread};
use crate::session::Session;

/// When a fixture's clock starts: some time in 2023.
pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// A server without a socket, and one client of it.
pub(crate) struct Fixture {
    pub(crate) server: Arc<Server>,
    pub(crate) session: Session,
    thread: Thread,
    clock: Arc<ManualClock>,
    now: UnixMillis,
    changes: u64,
    groups: &'static [&'static [Command]],
}

impl Fixture {
    /// An empty server that knows the commands of these groups.
    pub(crate) fn new(groups: &'static [&'static [Command]]) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let components = Components {
            device: None,
            clock: Arc::clone(&clock) as _,
            memory: Arc::new(NoMemoryGauge),
            seed: [1, 2, 3, 4],
        };
        let engine = Engine::new(EngineConfig::default(), components).expect("the default configuration");
        let server = Arc::new(Server::new(Arc::new(engine), Config::default(), Arc::clone(&clock) as _));
        let thread = Thread::new(Arc::clone(&server)).expect("an engine without a device needs no ring");
        let client = Arc::new(ClientShared::new(1, START, None));
        let session = Session::new(client, server.access.default_user(), true);
        Self { server, session, thread, clock, now: START, changes: 0, groups }
    }

    /// Lets time pass.
    pub(crate) fn advance_ms(&mut self, ms: u64) {
        self.clock.advance_us(1000 * ms);
        self.now = UnixMillis(self.now.0 + ms);
    }

    /// The reply to a command given as words with blanks between them, escaped where it is no ASCII text but
    /// with quotes as they are: `"+OK\\r\\n"`.
    pub(crate) fn run(&mut self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.run_words(&words).escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
    }

    /// The reply to a command, whose arguments may be any bytes.
    pub(crate) fn run_words<T: AsRef<[u8]>>(&mut self, words: &[T]) -> Vec<u8> {
        let mut request = Vec::new();
        encode_request(&mut request, words);
        let mut ranges = ArgumentRanges::new();
        let parsed = RequestParser::default().parse(&request, &Limits::default(), &mut ranges);
        assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{parsed:?}");
        let arguments = ranges.in_buffer(&request);
        let mut out = Vec::new();
        if let Err(failure) = self.dispatch(arguments, &mut out) {
            out.clear();
            let mut reply = ReplyEncoder::new(&mut out, self.session.protocol);
            match failure {
                Failure::Error(text) => reply.error(text.as_bytes()),
                Failure::Blocked(block) if block.unwaited == UnwaitedReply::Null => reply.null(),
                Failure::Blocked(_) => reply.null_array(),
                Failure::Cold => panic!("nothing is cold without a device"),
                Failure::HeldUp => panic!("there are no scripts"),
                Failure::NeedsKeys(_) => panic!("the fixture locks the keys that the arguments name"),
            }
        }
        out
    }

    /// What a command waits for, if it does. It is given as for [`Self::run`].
    pub(crate) fn blocked(&mut self, words: &str) -> Option<Box<Block>> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut request = Vec::new();
        encode_request(&mut request, &words);
        let mut ranges = ArgumentRanges::new();
        let parsed = RequestParser::default().parse(&request, &Limits::default(), &mut ranges);
        assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{parsed:?}");
        match self.dispatch(ranges.in_buffer(&request), &mut Vec::new()) {
            Err(Failure::Blocked(block)) => Some(block),
            _ => None,
        }
    }

    /// Runs each command and compares its reply, as [`Self::run`] gives it but without the final line end.
    pub(crate) fn expect(&mut self, table: &[(&str, &str)]) {
        for (words, expected) in table {
            let reply = self.run(words);
            let reply = reply.strip_suffix("\\r\\n").expect("a reply ends its line");
            assert_eq!(reply, *expected, "{words}");
        }
    }

    /// How many changes all commands made.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What the index knows of a key of the selected database.
    pub(crate) fn info(&self, key: &str) -> Option<KeyInfo> {
        let mut fetched = Fetched::new();
        let engine = &self.server.engine;
        engine.lock_key(self.session.database(), key.as_bytes(), self.now, &mut fetched).peek(key.as_bytes())
    }

    fn dispatch(&mut self, arguments: Arguments<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let (command, name) = self.look_up(arguments);
        let count = i32::try_from(arguments.len()).expect("tests send few arguments");
        if command.arity >= 0 && count != command.arity || count < -command.arity {
            return Err(wrong_arity(&name));
        }
        let engine = Arc::clone(&self.server.engine);
        let mut fetched = Fetched::new();
        let reply = ReplyEncoder::new(out, self.session.protocol);
        match command.handler {
            Handler::Keys(handler) => {
                let mut keys = engine.lock_keys(
                    self.session.database(),
                    keys(command, arguments),
                    self.now,
                    &mut fetched,
                );
                if self.session.no_touch {
                    keys.stop_touching();
                }
                let session = &mut self.session;
                let mut context = KeyContext { keys, reply, session, server: &self.server };
                let result = handler(&mut context, arguments);
                self.changes += context.keys.changes();
                let may_have_changed = matches!(result, Ok(()) | Err(Failure::Blocked(_)));
                assert!(
                    may_have_changed || context.keys.changes() == 0,
                    "a command that fails changes nothing"
                );
                result
            }
            Handler::Server(handler) => {
                let session = &mut self.session;
                let databases = self.server.engine.databases();
                let (server, thread) = (&*self.server, &self.thread);
                let mut context = Context { reply, session, server, thread, databases };
                handler(&mut context, arguments)
            }
            Handler::Waiting(handler) => {
                let session = &mut self.session;
                let databases = self.server.engine.databases();
                let (server, thread) = (&*self.server, &self.thread);
                let mut context = Context { reply, session, server, thread, databases };
                let mut handling = handler(&mut context, arguments);
                match handling.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
                    Poll::Ready(result) => result,
                    Poll::Pending => panic!("{name} needs a runtime"),
                }
            }
            Handler::Script(_) | Handler::Exec => panic!("{name} needs a dispatcher"),
            Handler::Container => Err(Failure::error(format!("ERR unknown subcommand of '{name}'"))),
        }
    }

    fn look_up(&self, arguments: Arguments<'_>) -> (&'static Command, String) {
        let find = |commands: &'static [Command], name: &[u8]| {
            commands.iter().find(|command| name.eq_ignore_ascii_case(command.name.as_bytes()))
        };
        let name = arguments.get(0);
        let command = self.groups.iter().find_map(|group| find(group, name));
        let command = command.unwrap_or_else(|| panic!("the fixture knows no {}", name.escape_ascii()));
        if !command.subcommands.is_empty() && arguments.len() > 1 {
            let name = arguments.get(1);
            let subcommand = find(command.subcommands, name);
            let subcommand = subcommand.unwrap_or_else(|| panic!("no subcommand {}", name.escape_ascii()));
            return (subcommand, format!("{}|{}", command.name, subcommand.name));
        }
        (command, command.name.to_owned())
    }
}
