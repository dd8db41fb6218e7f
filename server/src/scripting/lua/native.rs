//! Rust functions that Lua calls, and functions of Lua's own library behind a check.

#![allow(unsafe_code)] // Lua's interface is C.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;

use mlua_sys as ffi;

use super::Raised;
use super::stack::{Kind, Stack};
use super::state::BINARY_MARK;

/// A function that Lua calls: its arguments are on the stack. It returns how many of the topmost values are its results.
pub(in crate::scripting) type Native = fn(&mut Stack<'_>) -> Result<i32, Raised>;

/// What runs before a function of Lua's library, on its arguments.
pub(in crate::scripting) type Check = fn(&mut Stack<'_>) -> Result<Verdict, Raised>;

/// What a check decides.
pub(in crate::scripting) enum Verdict {
    /// The function runs, on what is on the stack.
    Proceed,
    /// It does not: so many of the topmost values are its results.
    Return(i32),
}

/// A bug in a native function must not unwind through Lua's frames, which know nothing of it: the process ends, after the
/// message of the panic was written.
fn or_abort<T>(run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| abort())
}

impl Stack<'_> {
    /// Pushes a function; the `upvalues` topmost values become its own, in [`push_upvalue`](Self::push_upvalue)'s order.
    pub(in crate::scripting) fn push_native(&mut self, native: Native, upvalues: i32) {
        // SAFETY: `call_native` takes its first upvalue for a `Native`.
        unsafe { self.push_closure(call_native, native as *mut c_void, upvalues) }
    }

    /// Puts `before`, on its arguments, and `after`, on its results, around the library function on top, which it replaces.
    pub(in crate::scripting) fn wrap_library(&mut self, before: Option<Check>, after: Option<Native>) {
        assert!(self.kind(-1) == Kind::Function && self.has_room(2));
        let before = before.map_or(std::ptr::null_mut(), |check| check as *mut c_void);
        let after = after.map_or(std::ptr::null_mut(), |native| native as *mut c_void);
        // SAFETY: `call_wrapped` takes its first upvalue for a `Check` or null, its second for a C function, as asserted, and
        // its third for a `Native` or null. The C function runs on the frame and the upvalues of the wrapper, so it may
        // have none of its own.
        unsafe {
            let is_native = ffi::lua_iscfunction(self.raw(), -1) != 0;
            assert!(is_native && ffi::lua_getupvalue(self.raw(), -1, 1).is_null());
            ffi::lua_pushlightuserdata(self.raw(), after);
            self.push_closure(call_wrapped, before, 2);
        }
    }

    /// Pushes `pcall`; `after` sees its results. Lua's own leaves itself no room for its first result, which Lua's checks of its
    /// interface mind.
    pub(in crate::scripting) fn push_pcall(&mut self, after: Native) {
        // SAFETY: `call_protected` takes its first upvalue for a `Native`.
        unsafe { self.push_closure(call_protected, after as *mut c_void, 0) }
    }

    /// Pushes `xpcall`, for the same reason.
    pub(in crate::scripting) fn push_xpcall(&mut self, after: Native) {
        // SAFETY: `call_protected_handled` takes its first upvalue for a `Native`.
        unsafe { self.push_closure(call_protected_handled, after as *mut c_void, 0) }
    }

    /// Wraps the function on top as a message handler: it does not run while the script is being unwound.
    pub(in crate::scripting) fn wrap_handler(&mut self) {
        assert!(self.kind(-1) == Kind::Function);
        // SAFETY: `call_handler` takes its second upvalue for a function.
        unsafe { self.push_closure(call_handler, std::ptr::null_mut(), 1) }
    }

    /// Wraps the function on top as a reader of source text: what it reads is never taken for precompiled code.
    pub(in crate::scripting) fn wrap_reader(&mut self) {
        assert!(self.kind(-1) == Kind::Function);
        self.push_boolean(true);
        // SAFETY: `call_reader` takes its second upvalue for a function, its third for whether nothing was read yet.
        unsafe { self.push_closure(call_reader, std::ptr::null_mut(), 2) }
    }

    /// # Safety
    /// `function` reads its first upvalue as what `data` is.
    unsafe fn push_closure(&mut self, function: ffi::lua_CFunction, data: *mut c_void, upvalues: i32) {
        assert!((0..8).contains(&upvalues) && self.has_room(1));
        // SAFETY: there is room for the pointer, which goes below the other upvalues.
        unsafe {
            ffi::lua_pushlightuserdata(self.raw(), data);
            ffi::lua_insert(self.raw(), -upvalues - 1);
            ffi::lua_pushcclosure(self.raw(), function, upvalues + 1);
        }
    }
}

/// Runs the `Native` that is its first upvalue.
unsafe extern "C-unwind" fn call_native(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: only `push_native` makes closures of this, and puts a `Native` there, as do those who make closures of what ends
    // with this. The
    // stack is used by nothing else until the function has returned and dropped all it had; then this frame owns
    // nothing, and `lua_error` may leave it.
    unsafe {
        let native: Native = std::mem::transmute(ffi::lua_touserdata(raw, ffi::lua_upvalueindex(1)));
        match or_abort(|| native(&mut Stack::new(raw))) {
            Ok(results) => results,
            Err(Raised(())) => ffi::lua_error(raw),
        }
    }
}

/// Runs a library function between a check of its arguments and one of its results.
unsafe extern "C-unwind" fn call_wrapped(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: only `wrap_library` makes closures of this, with these upvalues: null is no `Check` or `Native`. The library
    // function runs as if Lua had called it, on a stack with at least the room that Lua grants. This frame owns nothing when
    // it, or a check that failed, raises an error.
    unsafe {
        let before: Option<Check> = std::mem::transmute(ffi::lua_touserdata(raw, ffi::lua_upvalueindex(1)));
        if let Some(check) = before {
            match or_abort(|| check(&mut Stack::new(raw))) {
                Ok(Verdict::Proceed) => {}
                Ok(Verdict::Return(results)) => return results,
                Err(Raised(())) => ffi::lua_error(raw),
            }
        }
        let Some(library) = ffi::lua_tocfunction(raw, ffi::lua_upvalueindex(2)) else { abort() };
        let results = library(raw);
        let after: Option<Native> = std::mem::transmute(ffi::lua_touserdata(raw, ffi::lua_upvalueindex(3)));
        let Some(native) = after else { return results };
        while ffi::lua_gettop(raw) > results {
            ffi::lua_remove(raw, 1);
        }
        match or_abort(|| native(&mut Stack::new(raw))) {
            Ok(results) => results,
            Err(Raised(())) => ffi::lua_error(raw),
        }
    }
}

/// `pcall(function, ...)`.
unsafe extern "C-unwind" fn call_protected(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: this frame owns nothing when an error is raised. Lua grants a function room for 20 values.
    unsafe {
        let arguments = ffi::lua_gettop(raw) - 1;
        if arguments < 0 {
            // Redis calls the `true` that is to be its first result.
            ffi::lua_pushboolean(raw, 1);
        }
        let status = ffi::lua_pcall(raw, arguments.max(0), ffi::LUA_MULTRET, 0);
        end_protected(raw, status)
    }
}

/// `xpcall(function, handler)`.
unsafe extern "C-unwind" fn call_protected_handled(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as above. The stack is the handler and the function, then the results.
    unsafe {
        ffi::luaL_checkany(raw, 2);
        ffi::lua_settop(raw, 2);
        if ffi::lua_type(raw, 2) == ffi::LUA_TFUNCTION {
            or_abort(|| Stack::new(raw).wrap_handler());
        }
        ffi::lua_insert(raw, 1);
        let status = ffi::lua_pcall(raw, 0, ffi::LUA_MULTRET, 1);
        ffi::lua_remove(raw, 1);
        end_protected(raw, status)
    }
}

/// Puts whether it succeeded before the results of a protected call, and runs the `Native` that is the first upvalue on them.
///
/// # Safety
/// All of the stack are the results, and the caller owns nothing.
unsafe fn end_protected(raw: *mut ffi::lua_State, status: c_int) -> c_int {
    // SAFETY: by contract; room is asked for.
    unsafe {
        ffi::luaL_checkstack_(raw, 1, c"too many results".as_ptr());
        ffi::lua_pushboolean(raw, c_int::from(status == ffi::LUA_OK));
        ffi::lua_insert(raw, 1);
        call_native(raw)
    }
}

/// A message handler: passes the error on as it is while the script is unwound, else to the function that is its second
/// upvalue.
unsafe extern "C-unwind" fn call_handler(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: the stack is used by nothing else meanwhile. Lua grants a function room for 20 values. This frame owns nothing
    // when the function raises an error.
    unsafe {
        if !or_abort(|| Stack::new(raw).context().is_unwinding()) {
            ffi::lua_settop(raw, 1);
            ffi::lua_pushvalue(raw, ffi::lua_upvalueindex(2));
            ffi::lua_insert(raw, 1);
            ffi::lua_call(raw, 1, 1);
        }
        1
    }
}

/// A reader: passes on what the function that is its second upvalue reads. Its third upvalue says whether that is the first
/// piece, which must not begin as precompiled code does; with a blank before it, it is text.
unsafe extern "C-unwind" fn call_reader(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `call_handler`.
    unsafe {
        ffi::lua_settop(raw, 0);
        ffi::lua_pushvalue(raw, ffi::lua_upvalueindex(2));
        ffi::lua_call(raw, 0, 1);
        let is_first = ffi::lua_toboolean(raw, ffi::lua_upvalueindex(3)) != 0;
        if is_first && or_abort(|| make_text(&mut Stack::new(raw))) {
            ffi::lua_pushboolean(raw, 0);
            ffi::lua_replace(raw, ffi::lua_upvalueindex(3));
        }
        1
    }
}

/// Whether the value on top is a piece of source text, which it makes of precompiled code.
fn make_text(stack: &mut Stack<'_>) -> bool {
    let Some(piece) = stack.bytes(-1) else { return false };
    if piece.first() == Some(&BINARY_MARK) {
        let spaced = [b" ", piece].concat();
        stack.push_bytes(&spaced);
    }
    stack.length(-1) > 0
}
