//! The values that a native function works on.
//!
//! A stack has its arguments at 1, 2, ... and what is pushed above them; negative positions count from the top. Every
//! position is checked before Lua sees it, and every push makes sure of its room, so that no call is undefined.
//!
//! **Invariant:** no operation runs Lua code or raises an error.

#![allow(unsafe_code)] // Lua's interface is C.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::slice;

use mlua_sys as ffi;

use super::Raised;
use crate::scripting::context::Context;

/// More elements than this are put into no table at once: Lua raises an error at 2^26.
pub(in crate::scripting) const TABLE_SIZE_MAX: usize = 1 << 25;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::scripting) enum Kind {
    /// There is no such position.
    None,
    /// `nil`.
    Nil,
    /// True or false.
    Boolean,
    /// An address: only cjson.null is one.
    Pointer,
    /// A number.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function.
    Function,
    /// An object of a library written in C.
    Userdata,
    /// A coroutine.
    Thread,
}

impl Kind {
    /// Lua's name for it.
    pub(in crate::scripting) fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Pointer | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }
}

/// A value that an interpreter keeps until it is told to forget it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::scripting) struct Reference(c_int);

/// Where a function on the call stack is in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scripting) struct Origin {
    /// Whether it is a function of a library, without Lua source.
    pub(in crate::scripting) is_native: bool,
    /// The source's name, as in `@user_script`.
    pub(in crate::scripting) source: String,
    /// The line it is at; -1 where there are none.
    pub(in crate::scripting) line: i32,
}

/// The stack of a native function, or of the interpreter itself.
pub(in crate::scripting) struct Stack<'l> {
    raw: *mut ffi::lua_State,
    /// Tables being walked through: none may be changed meanwhile.
    walks: u32,
    _lua: PhantomData<&'l mut ffi::lua_State>,
}

impl Stack<'_> {
    /// The stack of a Lua thread.
    ///
    /// # Safety
    /// `raw` is a thread of a live state made by [`Lua::new`](super::Lua::new), nothing else uses its stack while the result
    /// lives, and the caller has returned nothing to Lua by then.
    pub(super) unsafe fn new(raw: *mut ffi::lua_State) -> Self {
        Self { raw, walks: 0, _lua: PhantomData }
    }

    /// What belongs to the interpreter.
    #[inline]
    pub(in crate::scripting) fn context(&self) -> &Context {
        let mut context: *mut c_void = ptr::null_mut();
        // SAFETY: every state was made with its allocator's data pointing to its context, which outlives it and is never
        // borrowed exclusively.
        unsafe {
            ffi::lua_getallocf(self.raw, &mut context);
            &*context.cast::<Context>()
        }
    }

    /// How many values there are.
    #[inline]
    pub(in crate::scripting) fn top(&self) -> i32 {
        // SAFETY: always allowed.
        unsafe { ffi::lua_gettop(self.raw) }
    }

    /// Drops values, or adds nils, until there are `top`.
    pub(in crate::scripting) fn set_top(&mut self, top: i32) {
        assert!(top >= 0);
        // A function that was called with as many values as Lua allows has room for none, not even for no more.
        if top > self.top() {
            self.make_room(top - self.top());
        }
        // SAFETY: there is room.
        unsafe { ffi::lua_settop(self.raw, top) }
    }

    /// Drops the `count` topmost values.
    #[inline]
    pub(in crate::scripting) fn pop(&mut self, count: i32) {
        assert!(count >= 0 && count <= self.top());
        // SAFETY: there are that many.
        unsafe { ffi::lua_settop(self.raw, -count - 1) }
    }

    /// Whether `count` more values fit: Lua allows a native function some 8000.
    #[inline]
    pub(in crate::scripting) fn has_room(&mut self, count: i32) -> bool {
        // SAFETY: always allowed; memory does not run out.
        unsafe { ffi::lua_checkstack(self.raw, count) != 0 }
    }

    #[inline]
    fn make_room(&mut self, count: i32) {
        assert!(self.has_room(count), "a script's native functions need few values");
    }

    /// What the value at `at` is.
    #[inline]
    pub(in crate::scripting) fn kind(&self, at: i32) -> Kind {
        if at.abs() > self.top() || at == 0 {
            return Kind::None;
        }
        // SAFETY: there is such a position.
        match unsafe { ffi::lua_type(self.raw, at) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::Pointer,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            other => unreachable!("Lua has no type {other}"),
        }
    }

    /// Whether a condition would take it as true.
    pub(in crate::scripting) fn is_true(&self, at: i32) -> bool {
        !matches!(self.kind(at), Kind::None | Kind::Nil)
            // SAFETY: there is such a position.
            && unsafe { ffi::lua_toboolean(self.raw, at) } != 0
    }

    /// The number at `at`, if it is one.
    #[inline]
    pub(in crate::scripting) fn number(&self, at: i32) -> Option<f64> {
        // SAFETY: there is such a position.
        (self.kind(at) == Kind::Number).then(|| unsafe { ffi::lua_tonumber(self.raw, at) })
    }

    /// The number at `at`, or what a string there says as one.
    pub(in crate::scripting) fn as_number(&self, at: i32) -> Option<f64> {
        match self.kind(at) {
            // SAFETY: there is such a position.
            Kind::Number | Kind::String => unsafe {
                (ffi::lua_isnumber(self.raw, at) != 0).then(|| ffi::lua_tonumber(self.raw, at))
            },
            _ => None,
        }
    }

    /// The string at `at`, if it is one.
    #[inline]
    pub(in crate::scripting) fn bytes(&self, at: i32) -> Option<&[u8]> {
        if self.kind(at) != Kind::String {
            return None;
        }
        let mut length = 0;
        // SAFETY: it is a string, so nothing is converted. It stays where it is while the stack is not changed, which the
        // borrow of `self` prevents.
        unsafe {
            let start = ffi::lua_tolstring(self.raw, at, &mut length);
            Some(slice::from_raw_parts(start.cast(), length))
        }
    }

    /// The string at `at`; a number becomes one, there on the stack.
    pub(in crate::scripting) fn as_bytes(&mut self, at: i32) -> Option<&[u8]> {
        if self.kind(at) == Kind::Number {
            assert!(self.walks == 0, "a key of a table that is walked through stays what it is");
            let mut length = 0;
            self.make_room(1);
            // SAFETY: it is a number, of which a string is made.
            unsafe { ffi::lua_tolstring(self.raw, at, &mut length) };
        }
        self.bytes(at)
    }

    /// The length of the string or table at `at`: of a table, where its elements end.
    pub(in crate::scripting) fn length(&self, at: i32) -> usize {
        match self.kind(at) {
            // SAFETY: there is such a position.
            Kind::String | Kind::Table => unsafe { ffi::lua_objlen(self.raw, at) },
            _ => 0,
        }
    }

    /// Pushes nil.
    #[inline]
    pub(in crate::scripting) fn push_nil(&mut self) {
        self.make_room(1);
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.raw) }
    }

    /// Pushes true or false.
    #[inline]
    pub(in crate::scripting) fn push_boolean(&mut self, value: bool) {
        self.make_room(1);
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.raw, c_int::from(value)) }
    }

    /// Pushes a number.
    #[inline]
    pub(in crate::scripting) fn push_number(&mut self, value: f64) {
        self.make_room(1);
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.raw, value) }
    }

    /// Pushes a string.
    #[inline]
    pub(in crate::scripting) fn push_bytes(&mut self, bytes: &[u8]) {
        self.make_room(1);
        // SAFETY: there is room, and Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.raw, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes an address, which only compares.
    pub(in crate::scripting) fn push_pointer(&mut self, address: usize) {
        self.make_room(1);
        // SAFETY: there is room; the address is never followed.
        unsafe { ffi::lua_pushlightuserdata(self.raw, ptr::without_provenance_mut(address)) }
    }

    /// Whether the value at `at` is this address.
    pub(in crate::scripting) fn is_pointer(&self, at: i32, address: usize) -> bool {
        self.kind(at) == Kind::Pointer
            // SAFETY: there is such a position; the address is not followed.
            && unsafe { ffi::lua_touserdata(self.raw, at) }.addr() == address
    }

    /// Pushes what is at `at` once more.
    #[inline]
    pub(in crate::scripting) fn push_copy(&mut self, at: i32) {
        assert!(self.kind(at) != Kind::None);
        self.make_room(1);
        // SAFETY: there is such a position, and room.
        unsafe { ffi::lua_pushvalue(self.raw, at) }
    }

    /// Pushes an upvalue of the native function that runs: those given to [`push_native`](Self::push_native), from 0.
    pub(in crate::scripting) fn push_upvalue(&mut self, index: i32) {
        assert!((0..8).contains(&index));
        self.make_room(1);
        // SAFETY: upvalues that are not there are nil, up to 255; the first one is the function itself.
        unsafe { ffi::lua_pushvalue(self.raw, ffi::lua_upvalueindex(index + 2)) }
    }

    /// Pushes an empty table with room for so many elements and named fields.
    #[inline]
    pub(in crate::scripting) fn push_table(&mut self, elements: usize, fields: usize) {
        assert!(elements <= TABLE_SIZE_MAX && fields <= TABLE_SIZE_MAX);
        self.make_room(1);
        // SAFETY: there is room, and the sizes are below those at which Lua raises an error.
        unsafe { ffi::lua_createtable(self.raw, elements as c_int, fields as c_int) }
    }

    /// Replaces the key on top by its value in the table at `table`.
    #[inline]
    pub(in crate::scripting) fn raw_get(&mut self, table: i32) {
        assert!(self.kind(table) == Kind::Table && self.top() > 1);
        // SAFETY: it is a table, and there is a key.
        unsafe { ffi::lua_rawget_(self.raw, table) }
    }

    /// Pushes the element number `index` of the table at `table`.
    #[inline]
    pub(in crate::scripting) fn raw_get_index(&mut self, table: i32, index: i32) {
        assert!(self.kind(table) == Kind::Table);
        self.make_room(1);
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.raw, table, index) }
    }

    /// Pushes the field `name` of the table at `table`, and says what it is.
    #[inline]
    pub(in crate::scripting) fn raw_get_name(&mut self, table: i32, name: &str) -> Kind {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.raw_get(table);
        self.kind(-1)
    }

    /// Makes the value on top the value of the key below it in the table at `table`, and drops both.
    #[inline]
    pub(in crate::scripting) fn raw_set(&mut self, table: i32) {
        assert!(self.kind(table) == Kind::Table && self.top() > 2);
        assert!(self.walks == 0, "a table that is walked through stays as it is");
        assert!(!matches!(self.number(-2), Some(number) if number.is_nan()) && self.kind(-2) != Kind::Nil);
        // SAFETY: it is a table, and there are a key that may be one and a value.
        unsafe { ffi::lua_rawset(self.raw, table) }
    }

    /// Makes the value on top the element number `index` of the table at `table`, and drops it.
    #[inline]
    pub(in crate::scripting) fn raw_set_index(&mut self, table: i32, index: i32) {
        assert!(self.kind(table) == Kind::Table && self.top() > 1);
        assert!(self.walks == 0, "a table that is walked through stays as it is");
        // SAFETY: it is a table, and there is a value.
        unsafe { ffi::lua_rawseti_(self.raw, table, index) }
    }

    /// Makes the value on top the field `name` of the table at `table`, and drops it.
    pub(in crate::scripting) fn raw_set_name(&mut self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(table);
    }

    /// Calls `visit` for each field of the table at `table`, with its key at -2 and its value at -1. `visit` leaves the
    /// stack as it was; it ends the walk by returning an error, and may leave that on top.
    pub(in crate::scripting) fn walk<E>(
        &mut self,
        table: i32,
        mut visit: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let table = self.absolute(table);
        assert!(self.kind(table) == Kind::Table);
        self.make_room(2);
        self.push_nil();
        self.walks += 1;
        let mut result = Ok(());
        // SAFETY: it is a table, there is room for a key and a value, and the key on top is its last one: nothing changes a
        // table while `walks` is above zero, since this stack has no other way to and runs no Lua code.
        while unsafe { ffi::lua_next(self.raw, table) } != 0 {
            let top = self.top();
            result = visit(self);
            if result.is_err() {
                break;
            }
            assert_eq!(self.top(), top, "a visit leaves the stack as it was");
            self.pop(1);
        }
        self.walks -= 1;
        result
    }

    /// Pushes the metatable of the value at `at`, if it has one.
    #[inline]
    pub(in crate::scripting) fn push_metatable(&mut self, at: i32) -> bool {
        assert!(self.kind(at) != Kind::None);
        self.make_room(1);
        // SAFETY: there is such a position, and room.
        unsafe { ffi::lua_getmetatable(self.raw, at) != 0 }
    }

    /// Makes the table on top the metatable of the table at `at`, and drops it.
    pub(in crate::scripting) fn set_metatable(&mut self, at: i32) {
        assert!(self.kind(at) == Kind::Table && self.kind(-1) == Kind::Table);
        // SAFETY: both are tables.
        unsafe { ffi::lua_setmetatable(self.raw, at) };
    }

    /// Moves the value on top to `at`; those from there on move up.
    pub(in crate::scripting) fn insert(&mut self, at: i32) {
        assert!(self.kind(at) != Kind::None);
        // SAFETY: there is such a position.
        unsafe { ffi::lua_insert(self.raw, at) }
    }

    /// Takes the value at `at` out.
    pub(in crate::scripting) fn remove(&mut self, at: i32) {
        assert!(self.kind(at) != Kind::None);
        // SAFETY: there is such a position.
        unsafe { ffi::lua_remove(self.raw, at) }
    }

    /// Puts the value on top in the place of that at `at`.
    pub(in crate::scripting) fn replace(&mut self, at: i32) {
        assert!(self.kind(at) != Kind::None && self.walks == 0);
        // SAFETY: there is such a position.
        unsafe { ffi::lua_replace(self.raw, at) }
    }

    /// Keeps the value on top, which it takes.
    pub(in crate::scripting) fn keep(&mut self) -> Reference {
        assert!(self.top() > 0);
        self.make_room(2);
        // SAFETY: there is a value, and room.
        Reference(unsafe { ffi::luaL_ref(self.raw, ffi::LUA_REGISTRYINDEX) })
    }

    /// Pushes a kept value.
    #[inline]
    pub(in crate::scripting) fn push_kept(&mut self, reference: &Reference) {
        self.make_room(1);
        // SAFETY: there is room; an index that is not there gives nil.
        unsafe { ffi::lua_rawgeti_(self.raw, ffi::LUA_REGISTRYINDEX, reference.0) }
    }

    /// Forgets a kept value.
    pub(in crate::scripting) fn forget(&mut self, reference: Reference) {
        self.make_room(2);
        // SAFETY: there is room, and the reference is given up.
        unsafe { ffi::luaL_unref(self.raw, ffi::LUA_REGISTRYINDEX, reference.0) }
    }

    /// The same position, counted from the bottom.
    #[inline]
    pub(in crate::scripting) fn absolute(&self, at: i32) -> i32 {
        if at < 0 { self.top() + at + 1 } else { at }
    }

    /// Where the function at `level` is: 0 is the one that runs, 1 its caller, and so on.
    pub(in crate::scripting) fn origin(&self, level: i32) -> Option<Origin> {
        // SAFETY: a `lua_Debug` is plain data, for which zeros are a value; Lua fills the fields asked for, and its strings
        // are there while the function is, which is longer than they are used.
        unsafe {
            let mut debug: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.raw, level, &mut debug) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.raw, c"Sl".as_ptr(), &mut debug);
            Some(Origin {
                is_native: CStr::from_ptr(debug.what) == c"C",
                source: String::from_utf8_lossy(CStr::from_ptr(debug.source).to_bytes()).into_owned(),
                line: debug.currentline,
            })
        }
    }

    /// The function's name as its caller knows it, as Lua's own error messages give it.
    pub(in crate::scripting) fn own_name(&self) -> String {
        // SAFETY: as in `origin`; the name may be missing.
        unsafe {
            let mut debug: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.raw, 0, &mut debug) == 0 {
                return "?".to_owned();
            }
            ffi::lua_getinfo(self.raw, c"n".as_ptr(), &mut debug);
            match debug.name.is_null() {
                true => "?".to_owned(),
                false => String::from_utf8_lossy(CStr::from_ptr(debug.name).to_bytes()).into_owned(),
            }
        }
    }

    /// Pushes `text` with the place of the calling function before it, to be raised.
    pub(in crate::scripting) fn raise(&mut self, text: impl AsRef<[u8]>) -> Raised {
        self.make_room(4);
        // SAFETY: there is room.
        unsafe { ffi::luaL_where(self.raw, 1) };
        let mut message = self.bytes(-1).unwrap_or_default().to_vec();
        message.extend_from_slice(text.as_ref());
        self.push_bytes(&message);
        Raised(())
    }

    /// Raises the value on top as it is.
    pub(in crate::scripting) fn raise_top(&mut self) -> Raised {
        assert!(self.top() > 0);
        Raised(())
    }

    /// Argument number `at` is not what it should be.
    pub(in crate::scripting) fn raise_argument(&mut self, at: i32, problem: &str) -> Raised {
        let name = self.own_name();
        self.raise(format!("bad argument #{at} to '{name}' ({problem})"))
    }

    /// Argument number `at` is of another type than `expected`.
    pub(in crate::scripting) fn raise_type(&mut self, at: i32, expected: &str) -> Raised {
        let found = self.kind(at).name();
        self.raise_argument(at, &format!("{expected} expected, got {found}"))
    }

    pub(super) fn raw(&mut self) -> *mut ffi::lua_State {
        self.raw
    }
}
