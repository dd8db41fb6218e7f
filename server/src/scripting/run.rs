//! One run of a script or function, on a fiber of its own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use thermocline_protocol::{Arguments, ReplyEncoder};

use super::Host;
use super::busy::RunningScript;
use super::context::{Context, Engine, Unwinding};
use super::interpreter::take_error;
use super::lua::fiber::{Fiber, Pause};
use super::lua::{Kind, Stack};
use super::reply::write_reply;
use super::thread::{Program, ThreadScripts};

/// What is to run, and on what.
#[derive(Debug, Clone)]
pub struct ScriptRequest<'a> {
    /// What runs.
    pub program: Rc<Program>,
    /// The command's arguments.
    pub arguments: Arguments<'a>,
    /// Which of them is the first key; what follows the keys are the script's own arguments.
    pub first_key: usize,
    /// How many keys there are.
    pub key_count: usize,
    /// Whether it may not write, whatever it says of itself: EVAL_RO and its kin.
    pub is_read_only: bool,
}

impl<'a> ScriptRequest<'a> {
    /// The keys that the script was given.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.arguments.skip(self.first_key).iter().take(self.key_count)
    }

    fn values(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.arguments.skip(self.first_key + self.key_count).iter()
    }
}

/// Where a run is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has ended.
    Finished(Outcome),
    /// It has run for long. Let other tasks run, then resume it.
    Suspended,
}

/// How a run has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its reply was written.
    Replied,
    /// Its reply was written, and is an error.
    Failed {
        /// Whether it is a command's, which was counted when that failed.
        is_counted: bool,
    },
    /// It must run again from its start, when what it needs was read or locked. Nothing was written to the reply.
    Restart,
}

/// See the module's description.
pub struct ScriptRun {
    thread: Rc<ThreadScripts>,
    program: Rc<Program>,
    /// There until the run is dropped.
    fiber: Option<Fiber>,
    running: Option<Arc<RunningScript>>,
    busy_after: Option<Duration>,
}

impl ScriptRun {
    /// Makes a run ready. It is suspended now and then from `suspended_after` on, and counts as busy from `busy_after` on;
    /// never if that is `None`.
    ///
    /// # Errors
    /// Another script is suspended on this thread, or there is no memory for a stack; the text is an error reply.
    pub fn start(
        thread: &Rc<ThreadScripts>,
        request: &ScriptRequest<'_>,
        suspended_after: Duration,
        busy_after: Option<Duration>,
    ) -> Result<Self, &'static str> {
        let program = Rc::clone(&request.program);
        let interpreter = &program.interpreter;
        let Ok(mut lua) = interpreter.lua.try_borrow_mut() else {
            return Err(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            );
        };
        let stack = thread.take_stack().map_err(|_| "ERR out of memory for the stack of a script")?;
        let mut values = lua.stack();
        values.set_top(0);
        values.push_kept(&interpreter.on_error);
        values.push_kept(program.function.as_ref().expect("a program has it until it is dropped"));
        push_list(&mut values, request.keys());
        push_list(&mut values, request.values());
        let argument_count = match interpreter.context.engine {
            Engine::Functions => 2,
            Engine::Scripts => {
                values.push_kept(&interpreter.globals.table);
                values.insert(-3);
                values.raw_set_name(-3, "ARGV");
                values.raw_set_name(-2, "KEYS");
                values.pop(1);
                0
            }
        };
        drop(lua);
        interpreter.context.begin_script(suspended_after);
        let owned = Rc::clone(&program);
        let fiber = Fiber::new(stack, move |suspender| {
            let interpreter = &owned.interpreter;
            let mut lua = interpreter.lua.borrow_mut();
            let succeeded = interpreter.context.fiber.during(suspender, || lua.call(argument_count, 1));
            interpreter.context.succeeded.set(succeeded);
        });
        Ok(Self { thread: Rc::clone(thread), program, fiber: Some(fiber), running: None, busy_after })
    }

    /// Runs on until the script has ended or is busy. When it has ended, its reply was written to `reply`.
    ///
    /// # Panics
    /// It has ended already.
    pub fn resume(&mut self, host: &mut dyn Host, reply: &mut ReplyEncoder<'_>) -> Progress {
        if self.running.as_ref().is_some_and(|running| running.is_killed()) {
            self.context().unwind(Unwinding::Killed);
        }
        loop {
            let fiber = self.fiber.as_mut().expect("it is there until the run is dropped");
            assert!(!fiber.is_done(), "a run that has ended is not resumed");
            match fiber.resume() {
                Some(Pause::Request) => self.answer(host),
                Some(Pause::Rest) => {
                    self.note_busy(host);
                    return Progress::Suspended;
                }
                None => return Progress::Finished(self.finish(reply)),
            }
        }
    }

    fn context(&self) -> &Context {
        &self.program.interpreter.context
    }

    fn answer(&self, host: &mut dyn Host) {
        let context = self.context();
        if let Some(running) = &self.running {
            let may_go_on = !running.is_killed() && (!context.asks_to_write(host) || running.begin_write());
            if !may_go_on {
                return context.unwind(Unwinding::Killed);
            }
        }
        context.answer(host);
    }

    fn note_busy(&mut self, host: &dyn Host) {
        let began = self.context().began();
        let is_busy = self.busy_after.is_some_and(|busy_after| began.elapsed() >= busy_after);
        if !is_busy || self.running.is_some() {
            return;
        }
        let program = &self.program;
        let wrote = host.has_written();
        let running = RunningScript::new(&program.name, program.is_function(), host.command(), began, wrote);
        let running = Arc::new(running);
        tracing::warn!("Slow script detected: still in execution after {:?}", began.elapsed());
        self.thread.shared().busy.add(Arc::clone(&running));
        self.running = Some(running);
    }

    /// Writes the reply of what has ended.
    fn finish(&mut self, reply: &mut ReplyEncoder<'_>) -> Outcome {
        let interpreter = &self.program.interpreter;
        let mut lua = interpreter.lua.borrow_mut();
        let mut stack = lua.stack();
        let protocol = interpreter.context.protocol.get();
        let why = interpreter.context.end();
        let outcome = if why == Some(Unwinding::Restart) {
            Outcome::Restart
        } else if interpreter.context.succeeded.get() && why.is_none() {
            let is_error = stack.kind(-1) == Kind::Table && stack.raw_get_name(-1, "err") == Kind::String;
            let is_counted = is_error && stack.raw_get_name(-2, "ignore_error_stats_update") == Kind::Boolean;
            stack.set_top(2);
            write_reply(&mut stack, protocol, reply);
            if is_error { Outcome::Failed { is_counted } } else { Outcome::Replied }
        } else {
            let mut error = take_error(&mut stack);
            if let Some(place) = error.place {
                let script = format!(" script: {}, on {place}.", self.program.name);
                error.text.extend_from_slice(script.as_bytes());
            }
            reply.error(&error.text);
            Outcome::Failed { is_counted: error.is_counted }
        };
        stack.set_top(0);
        outcome
    }
}

fn push_list<'k>(stack: &mut Stack<'_>, list: impl ExactSizeIterator<Item = &'k [u8]>) {
    stack.push_table(list.len(), 0);
    for (index, element) in list.enumerate() {
        stack.push_bytes(element);
        stack.raw_set_index(-2, index as i32 + 1);
    }
}

impl Drop for ScriptRun {
    /// A run that is dropped before its end ends as if it were killed.
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else { return };
        let context = Rc::clone(&self.program.interpreter.context);
        if let Some(running) = self.running.take() {
            self.thread.shared().busy.remove(&running);
        }
        if !fiber.is_done() {
            if fiber.has_begun() {
                context.unwind(Unwinding::Killed);
                while fiber.resume().is_some() {}
            }
            context.end();
        }
        if fiber.is_done() {
            self.thread.give_back(fiber.into_stack(), context.engine, context.memory_bytes());
        }
    }
}
