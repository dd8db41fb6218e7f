//! An interpreter: its memory, what it runs, and what interrupts it.

#![allow(unsafe_code)] // Lua's interface is C.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ffi::{CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;
use std::ptr;
use std::rc::Rc;

use mlua_sys as ffi;

use super::stack::{Kind, Stack};
use crate::scripting::context::Context;

/// After so many instructions the interpreter looks whether it is to go on. Redis' number: about a millisecond.
const INSTRUCTIONS_BETWEEN_LOOKS: c_int = 100_000;

/// What precompiled code begins with. It can make the interpreter do anything, so none is ever loaded.
pub(in crate::scripting) const BINARY_MARK: u8 = 0x1b;

/// A Lua interpreter.
pub(in crate::scripting) struct Lua {
    raw: *mut ffi::lua_State,
    /// What its allocator and its native functions use: dropped after the state.
    context: Rc<Context>,
}

impl Lua {
    /// An interpreter with Lua's libraries that a script may use: base, table, string, math and os, unchanged.
    pub(in crate::scripting) fn new(context: Rc<Context>) -> Self {
        // SAFETY: the allocator gets a context that outlives the state. Opening a library raises only errors of memory,
        // which there are none of; it is called as a C function all the same, as its contract wants it.
        unsafe {
            let raw = ffi::lua_newstate(allocate, Rc::as_ptr(&context).cast_mut().cast());
            assert!(!raw.is_null(), "memory does not run out");
            let lua = Self { raw, context };
            for (name, open) in [
                (c"", ffi::luaopen_base as ffi::lua_CFunction),
                (c"table", ffi::luaopen_table),
                (c"string", ffi::luaopen_string),
                (c"math", ffi::luaopen_math),
                (c"os", ffi::luaopen_os),
            ] {
                ffi::lua_pushcclosure(raw, open, 0);
                ffi::lua_pushlstring_(raw, name.as_ptr(), name.count_bytes());
                assert_eq!(ffi::lua_pcall(raw, 1, 0, 0), ffi::LUA_OK, "libraries open");
            }
            ffi::lua_sethook(raw, Some(look), ffi::LUA_MASKCOUNT, INSTRUCTIONS_BETWEEN_LOOKS);
            lua
        }
    }

    /// What belongs to it.
    pub(in crate::scripting) fn context(&self) -> &Rc<Context> {
        &self.context
    }

    /// Its stack.
    #[inline]
    pub(in crate::scripting) fn stack(&mut self) -> Stack<'_> {
        // SAFETY: the state is live and borrowed exclusively.
        unsafe { Stack::new(self.raw) }
    }

    /// Compiles `text` and pushes the function that it is.
    ///
    /// # Errors
    /// Lua's message, with the place.
    pub(in crate::scripting) fn load(&mut self, text: &[u8], name: &str) -> Result<(), Vec<u8>> {
        let spaced;
        let text = match text.first() {
            Some(&BINARY_MARK) => {
                spaced = [b" ", text].concat();
                &spaced[..]
            }
            _ => text,
        };
        let name = CString::new(name).expect("a name of our own");
        let mut stack = self.stack();
        assert!(stack.has_room(1));
        // SAFETY: there is room; Lua reads the text, and catches its own errors.
        let status =
            unsafe { ffi::luaL_loadbuffer(stack.raw(), text.as_ptr().cast(), text.len(), name.as_ptr()) };
        if status == ffi::LUA_OK {
            return Ok(());
        }
        let message = stack.as_bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        Err(message)
    }

    /// Calls the function below its `arguments`, the topmost values, which it replaces by its first result. Errors go through
    /// the message handler at `handler`, and what that returns is on top then.
    pub(in crate::scripting) fn call(&mut self, arguments: i32, handler: i32) -> bool {
        let stack = self.stack();
        let top = stack.top();
        assert!(top > arguments && stack.kind(top - arguments) == Kind::Function);
        assert!(handler > 0 && handler < top - arguments && stack.kind(handler) == Kind::Function);
        // SAFETY: there are a function and its arguments; errors end here.
        unsafe { ffi::lua_pcall(self.raw, arguments, 1, handler) == ffi::LUA_OK }
    }

    /// Makes the table on top the one that global names are looked up in, by all code loaded from now on.
    pub(in crate::scripting) fn set_globals(&mut self) {
        let mut stack = self.stack();
        assert!(stack.kind(-1) == Kind::Table);
        // SAFETY: it is a table.
        unsafe { ffi::lua_replace(stack.raw(), ffi::LUA_GLOBALSINDEX) }
    }

    /// Pushes the table that global names are looked up in.
    pub(in crate::scripting) fn push_globals(&mut self) {
        let mut stack = self.stack();
        assert!(stack.has_room(1));
        // SAFETY: there is room.
        unsafe { ffi::lua_pushvalue(stack.raw(), ffi::LUA_GLOBALSINDEX) }
    }

    /// Frees what is not in use any more.
    pub(in crate::scripting) fn collect_garbage(&mut self) {
        // SAFETY: always allowed. No destructor of Lua's runs: scripts can make none.
        unsafe { ffi::lua_gc(self.raw, ffi::LUA_GCCOLLECT, 0) };
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: nothing uses the state any more: stacks borrow it.
        unsafe { ffi::lua_close(self.raw) }
    }
}

/// Lua's allocator: the process' own, counted, which ends the process where there is no memory.
unsafe extern "C" fn allocate(
    context: *mut c_void,
    old: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    // Of all that Lua allocates, numbers and pointers need the most.
    let layout = |bytes| match Layout::from_size_align(bytes, 8) {
        Ok(layout) => layout,
        Err(_) => abort(),
    };
    // SAFETY: the context was given to `lua_newstate` with this function and outlives the state. Lua says truly how large a
    // block is that this function gave it.
    unsafe {
        let context = &*context.cast::<Context>();
        let old_bytes = if old.is_null() { 0 } else { old_bytes };
        context.note_memory(old_bytes, new_bytes);
        let block = match (old_bytes, new_bytes) {
            (0, 0) => return ptr::null_mut(),
            (_, 0) => {
                dealloc(old.cast(), layout(old_bytes));
                return ptr::null_mut();
            }
            (0, _) => alloc(layout(new_bytes)),
            _ => realloc(old.cast(), layout(old_bytes), layout(new_bytes).size()),
        };
        if block.is_null() {
            handle_alloc_error(layout(new_bytes));
        }
        block.cast()
    }
}

/// Runs every so many instructions: may suspend the script, or end it.
unsafe extern "C-unwind" fn look(raw: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: the hook has a frame of its own with Lua's usual room, which nothing else uses meanwhile. When the error is
    // raised, this frame owns nothing.
    let raised = unsafe {
        catch_unwind(AssertUnwindSafe(|| Context::look(&mut Stack::new(raw)).is_err()))
            .unwrap_or_else(|_| abort())
    };
    if raised {
        // SAFETY: as above.
        unsafe { ffi::lua_error(raw) };
    }
}
