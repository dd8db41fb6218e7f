//! The coroutine that a script runs on: its own stack, from which it comes back to the server thread in its midst.

#![allow(unsafe_code)] // A native function reaches its coroutine through a pointer, since Lua is in between.

use std::cell::Cell;
use std::ptr::NonNull;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// Room for what Lua and its native functions need: it nests at most 200 C calls, some with a buffer of 8 KiB, and its pattern
/// matching recurses. As large as the stack that redis-server runs scripts on; pages that were never used are not there.
const STACK_BYTES: usize = 8 << 20;

/// Why a script came back before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::scripting) enum Pause {
    /// It calls a command, or asks something else of the host.
    Request,
    /// It has run for long.
    Rest,
}

/// The stack of a coroutine, kept for the next script.
pub(in crate::scripting) type FiberStack = DefaultStack;

/// A new stack.
///
/// # Errors
/// No memory can be mapped.
pub(in crate::scripting) fn new_stack() -> std::io::Result<FiberStack> {
    FiberStack::new(STACK_BYTES)
}

/// Something that runs on a stack of its own.
pub(in crate::scripting) struct Fiber {
    coroutine: Coroutine<(), Pause, ()>,
}

impl Fiber {
    /// Nothing runs before the first [`resume`](Self::resume).
    pub(in crate::scripting) fn new(stack: FiberStack, run: impl FnOnce(&Suspender<'_>) + 'static) -> Self {
        Self { coroutine: Coroutine::with_stack(stack, move |yielder, ()| run(&Suspender { yielder })) }
    }

    /// Runs on; `None` when it has ended.
    pub(in crate::scripting) fn resume(&mut self) -> Option<Pause> {
        match self.coroutine.resume(()) {
            CoroutineResult::Yield(pause) => Some(pause),
            CoroutineResult::Return(()) => None,
        }
    }

    /// Whether it was ever resumed.
    pub(in crate::scripting) fn has_begun(&self) -> bool {
        self.coroutine.started()
    }

    /// Whether it has ended.
    pub(in crate::scripting) fn is_done(&self) -> bool {
        self.coroutine.done()
    }

    /// The stack of what has ended.
    pub(in crate::scripting) fn into_stack(self) -> FiberStack {
        self.coroutine.into_stack()
    }
}

/// What suspends the fiber that it belongs to.
pub(in crate::scripting) struct Suspender<'f> {
    yielder: &'f Yielder<(), Pause>,
}

/// Where native functions find the fiber they run on.
#[derive(Default)]
pub(in crate::scripting) struct CurrentFiber {
    yielder: Cell<Option<NonNull<Yielder<(), Pause>>>>,
}

impl CurrentFiber {
    /// While `run` runs, on the suspender's fiber, [`suspend`](Self::suspend) suspends that.
    pub(in crate::scripting) fn during<T>(&self, suspender: &Suspender<'_>, run: impl FnOnce() -> T) -> T {
        struct Leave<'c>(&'c CurrentFiber);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.yielder.set(None);
            }
        }
        assert!(self.yielder.get().is_none(), "one fiber at a time");
        self.yielder.set(Some(NonNull::from(suspender.yielder)));
        let _leave = Leave(self);
        run()
    }

    /// Goes back to who resumed the fiber, until it is resumed again. False if nothing runs on a fiber.
    pub(in crate::scripting) fn suspend(&self, pause: Pause) -> bool {
        let Some(yielder) = self.yielder.get() else { return false };
        // SAFETY: the pointer is there only within `during`, whose suspender holds the yielder's borrow. Whoever calls this
        // meanwhile does so on that fiber: whoever resumed it waits for it, and when it is suspended, only its owner
        // runs, who cannot reach this call: the context that it is part of answers only to native functions of the
        // interpreter, which is in use.
        unsafe { yielder.as_ref() }.suspend(pause);
        true
    }
}
