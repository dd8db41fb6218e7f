//! What belongs to one interpreter and its native functions share: what the running script asks, and how far it may go.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use thermocline_protocol::{OwnedArguments, Protocol};

use super::Host;
use super::cjson::Settings;
use super::library::Registration;
use super::lua::fiber::{CurrentFiber, Pause};
use super::lua::{Raised, Stack};
use super::random::Random;

/// For how long the code of a library may run when it is loaded. Redis' number.
const LOAD_LIMIT: Duration = Duration::from_millis(500);

/// A reply's memory above this is given back after it was read.
const KEPT_REPLY_BYTES: usize = 64 << 10;

/// Which of the two kinds of interpreter it is: they have different functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Engine {
    /// For EVAL.
    Scripts,
    /// For FCALL.
    Functions,
}

/// What a script asks the host to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// Run the command that the arguments are.
    Call,
    /// Say whether the user may run it.
    CheckAccess,
}

/// Why a script is to end at once, whatever it catches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unwinding {
    /// It needs data that must be read first.
    Restart,
    /// SCRIPT KILL or FUNCTION KILL.
    Killed,
    /// The code of a library took too long.
    LoadTimeout,
}

/// What runs in the interpreter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Activity {
    Nothing,
    /// A script or function, which is suspended now and then from this time on.
    Script {
        suspended_after: Duration,
    },
    /// The code of a library.
    Load,
}

/// See the module's description.
pub(super) struct Context {
    pub(super) engine: Engine,
    /// What the script runs on.
    pub(super) fiber: CurrentFiber,
    /// The command that it calls.
    pub(super) arguments: RefCell<OwnedArguments>,
    /// The reply to that.
    reply: RefCell<Vec<u8>>,
    request: Cell<Request>,
    /// The answer to [`Request::CheckAccess`]; `None` where there is no such command.
    pub(super) access: Cell<Option<bool>>,
    /// What redis.setresp set.
    pub(super) protocol: Cell<Protocol>,
    /// Whether the script that ended last did so without an error.
    pub(super) succeeded: Cell<bool>,
    unwinding: Cell<Option<Unwinding>>,
    activity: Cell<Activity>,
    began: Cell<Instant>,
    /// What the library that is being loaded has registered.
    pub(super) registrations: RefCell<Vec<Registration>>,
    /// The settings of cjson and of every copy that cjson.new made.
    pub(super) json: RefCell<Vec<Settings>>,
    pub(super) random: Cell<Random>,
    memory_bytes: Cell<usize>,
}

impl Context {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            fiber: CurrentFiber::default(),
            arguments: RefCell::default(),
            reply: RefCell::default(),
            request: Cell::new(Request::Call),
            access: Cell::new(None),
            protocol: Cell::new(Protocol::Resp2),
            succeeded: Cell::new(false),
            unwinding: Cell::new(None),
            activity: Cell::new(Activity::Nothing),
            began: Cell::new(Instant::now()),
            registrations: RefCell::default(),
            json: RefCell::default(),
            random: Cell::new(Random::INITIAL),
            memory_bytes: Cell::new(0),
        }
    }

    /// A script begins, which is suspended now and then from `suspended_after` on.
    pub(super) fn begin_script(&self, suspended_after: Duration) {
        self.begin(Activity::Script { suspended_after });
    }

    /// The code of a library begins.
    pub(super) fn begin_load(&self) {
        self.begin(Activity::Load);
        self.registrations.borrow_mut().clear();
    }

    fn begin(&self, activity: Activity) {
        assert_eq!(self.activity.get(), Activity::Nothing, "one script at a time");
        self.activity.set(activity);
        self.began.set(Instant::now());
        self.unwinding.set(None);
        self.protocol.set(Protocol::Resp2);
    }

    /// What ran has ended; says whether it was ended from outside.
    pub(super) fn end(&self) -> Option<Unwinding> {
        self.activity.set(Activity::Nothing);
        self.unwinding.take()
    }

    /// Whether the code of a library runs.
    pub(super) fn is_loading(&self) -> bool {
        self.activity.get() == Activity::Load
    }

    /// When what runs began.
    pub(super) fn began(&self) -> Instant {
        self.began.get()
    }

    /// What runs has to end.
    pub(super) fn unwind(&self, why: Unwinding) {
        if self.unwinding.get().is_none() {
            self.unwinding.set(Some(why));
        }
    }

    /// Whether what runs has to end.
    pub(super) fn is_unwinding(&self) -> bool {
        self.unwinding.get().is_some()
    }

    /// Asks the host, and waits for its answer. False if there is no host, or the script has to end.
    pub(super) fn ask(&self, request: Request) -> bool {
        if self.is_unwinding() {
            return false;
        }
        self.request.set(request);
        self.fiber.suspend(Pause::Request) && !self.is_unwinding()
    }

    /// The host's side of [`ask`](Self::ask).
    pub(super) fn answer(&self, host: &mut dyn Host) {
        let arguments = self.arguments.borrow();
        match self.request.get() {
            Request::CheckAccess => self.access.set(host.check_access(arguments.as_arguments())),
            Request::Call => {
                let mut reply = self.reply.borrow_mut();
                reply.clear();
                match host.call(arguments.as_arguments(), self.protocol.get(), &mut reply) {
                    super::Called::Replied => {}
                    super::Called::Restart => self.unwind(Unwinding::Restart),
                }
            }
        }
    }

    /// Whether the script asks for a command that writes.
    pub(super) fn asks_to_write(&self, host: &dyn Host) -> bool {
        self.request.get() == Request::Call && host.writes(self.arguments.borrow().as_arguments())
    }

    /// Calls `read` with the last reply, which it takes out meanwhile.
    pub(super) fn with_reply<T>(stack: &mut Stack<'_>, read: impl FnOnce(&mut Stack<'_>, &[u8]) -> T) -> T {
        let mut reply = stack.context().reply.take();
        let result = read(stack, &reply);
        reply.clear();
        reply.shrink_to(KEPT_REPLY_BYTES);
        stack.context().reply.replace(reply);
        result
    }

    /// Every so many instructions: ends what has to end, and suspends what takes long.
    pub(super) fn look(stack: &mut Stack<'_>) -> Result<(), Raised> {
        let context = stack.context();
        if !context.is_unwinding() {
            let ran_for = || context.began.get().elapsed();
            match context.activity.get() {
                Activity::Script { suspended_after } if ran_for() >= suspended_after => {
                    context.fiber.suspend(Pause::Rest);
                }
                Activity::Load if ran_for() >= LOAD_LIMIT => context.unwind(Unwinding::LoadTimeout),
                _ => {}
            }
        }
        if context.is_unwinding() { Err(Self::raise_unwinding(stack)) } else { Ok(()) }
    }

    /// Raises the error that ends what has to end.
    #[cold]
    pub(super) fn raise_unwinding(stack: &mut Stack<'_>) -> Raised {
        let text = match stack.context().unwinding.get() {
            // So says Redis of functions, too.
            Some(Unwinding::Killed) => "ERR Script killed by user with SCRIPT KILL...",
            Some(Unwinding::LoadTimeout) => "ERR FUNCTION LOAD timeout",
            Some(Unwinding::Restart) | None => "ERR the script starts again",
        };
        super::api::push_error(stack, text.as_bytes());
        stack.raise_top()
    }

    /// Lua's allocator has replaced a block.
    #[inline]
    pub(super) fn note_memory(&self, old_bytes: usize, new_bytes: usize) {
        self.memory_bytes.set(self.memory_bytes.get() + new_bytes - old_bytes);
    }

    /// What the interpreter has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes.get()
    }
}
