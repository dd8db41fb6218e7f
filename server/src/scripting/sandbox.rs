//! What a script sees: the global table, its libraries, and that none of it can be changed.
//!
//! Lua 5.1 has no read-only tables. What a script sees of a protected table is an empty proxy, whose metatable reads from
//! the table behind it and refuses to write; the library functions that look into tables without asking metatables
//! (`next`, `rawget`, `rawset`, ...) are wrapped to know proxies.
//!
//! **Invariant:** no script gets hold of a table behind a proxy, nor of a proxy's metatable.

use super::api;
use super::context::{Context, Engine};
use super::lua::{BINARY_MARK, Check, Kind, Lua, Native, Raised, Reference, Stack, Verdict};
use super::random::Random;
use super::{bit, cjson, cmsgpack, structs};

/// The key, in a proxy's metatable, of the table behind it. No script has such a key: it would need the address.
const BEHIND: usize = 1;
/// The key, in a proxy's metatable, of what getmetatable says is its metatable.
const SHOWN: usize = 2;

/// Functions of Lua's base library that scripts have, with what is put around them.
const BASE: &[(&str, Option<Check>, Option<Native>)] = &[
    ("assert", None, None),
    ("collectgarbage", None, None),
    ("error", None, None),
    ("gcinfo", None, None),
    ("getmetatable", Some(before_getmetatable), None),
    ("load", Some(before_load), None),
    ("loadstring", Some(before_loadstring), None),
    ("next", Some(look_behind), None),
    ("rawequal", None, None),
    ("rawget", Some(look_behind), None),
    ("rawset", Some(refuse_change), None),
    ("select", None, None),
    ("setmetatable", Some(refuse_change), None),
    ("tonumber", None, None),
    ("tostring", None, None),
    ("type", None, None),
    ("unpack", None, None),
];

/// Functions in libraries that something is put around.
const WRAPPED: &[(&str, &str, Option<Check>, Option<Native>)] = &[
    ("table", "insert", Some(refuse_change), None),
    ("table", "foreach", Some(look_behind), None),
    ("coroutine", "resume", None, Some(after_xpcall)),
    ("string", "find", Some(refuse_long_pattern), None),
    ("string", "gfind", Some(refuse_long_pattern), None),
    ("string", "gmatch", Some(refuse_long_pattern), None),
    ("string", "gsub", Some(refuse_long_pattern), None),
    ("string", "match", Some(refuse_long_pattern), None),
];

/// The longest pattern in bytes. Lua recurses once for each optional item of a pattern, so that a longer one could take more
/// than the stack has.
const PATTERN_BYTES_MAX: usize = 100_000;

/// The tables that an interpreter's owner works with.
pub(super) struct Globals {
    /// The global table itself, behind its proxy.
    pub(super) table: Reference,
    /// The metatable of its proxy.
    metatable: Reference,
    /// What the code of a library sees instead.
    load_table: Option<Reference>,
}

impl Globals {
    /// Makes everything that scripts of this interpreter see.
    pub(super) fn build(lua: &mut Lua) -> Self {
        let engine = lua.context().engine;
        lua.push_globals();
        let mut stack = lua.stack();
        let original = stack.top();
        stack.push_table(0, 64);
        let globals = stack.top();
        copy_base(&mut stack, original, globals);
        add_libraries(&mut stack, original, globals);
        let mut functions = vec![api::SHARED];
        if engine == Engine::Scripts {
            functions.push(api::SCRIPTS_ONLY);
        }
        api::push_redis(&mut stack, &functions, true);
        push_proxy(&mut stack);
        stack.raw_set_name(globals, "redis");
        refuse_missing(&mut stack, globals);
        protect_strings(&mut stack, globals);
        stack.push_copy(globals);
        push_proxy(&mut stack);
        stack.push_copy(-1);
        stack.raw_set_name(globals, "_G");
        let metatable = show_metatable(&mut stack);
        let load_table = (engine == Engine::Functions).then(|| load_table(&mut stack));
        stack.push_copy(globals);
        let table = stack.keep();
        lua.set_globals();
        lua.stack().set_top(0);
        Self { table, metatable, load_table }
    }

    /// From now on, until [`end_load`](Self::end_load), global names mean what they mean to the code of a library.
    pub(super) fn begin_load(&self, stack: &mut Stack<'_>) {
        if let Some(table) = &self.load_table {
            self.look_up_in(stack, table);
        }
    }

    /// Global names mean again what they mean to functions.
    pub(super) fn end_load(&self, stack: &mut Stack<'_>) {
        self.look_up_in(stack, &self.table);
    }

    fn look_up_in(&self, stack: &mut Stack<'_>, table: &Reference) {
        stack.push_kept(&self.metatable);
        stack.push_kept(table);
        stack.raw_set_name(-2, "__index");
        stack.pop(1);
    }
}

fn copy_base(stack: &mut Stack<'_>, original: i32, globals: i32) {
    for &(name, before, after) in BASE {
        assert_eq!(stack.raw_get_name(original, name), Kind::Function, "Lua has {name}");
        if before.is_some() || after.is_some() {
            stack.wrap_library(before, after);
        }
        stack.raw_set_name(globals, name);
    }
    for name in ["_VERSION", "ipairs"] {
        stack.raw_get_name(original, name);
        stack.raw_set_name(globals, name);
    }
    stack.push_pcall(after_pcall);
    stack.raw_set_name(globals, "pcall");
    stack.push_xpcall(after_xpcall);
    stack.raw_set_name(globals, "xpcall");
    // `pairs` gives `next` away: the plain one for plain tables, which is faster, the wrapped one for proxies.
    stack.raw_get_name(original, "next");
    stack.raw_get_name(globals, "next");
    stack.push_native(pairs, 2);
    stack.raw_set_name(globals, "pairs");
}

fn add_libraries(stack: &mut Stack<'_>, original: i32, globals: i32) {
    for name in ["table", "string", "math", "coroutine"] {
        assert_eq!(stack.raw_get_name(original, name), Kind::Table, "Lua has {name}");
        for &(library, function, before, after) in WRAPPED {
            if library == name {
                stack.raw_get_name(-1, function);
                stack.wrap_library(before, after);
                stack.raw_set_name(-2, function);
            }
        }
        if name == "math" {
            add_natives(stack, &[("random", random), ("randomseed", randomseed)]);
        }
        push_proxy(stack);
        stack.raw_set_name(globals, name);
    }
    stack.push_table(0, 1);
    stack.raw_get_name(original, "os");
    stack.raw_get_name(-1, "clock");
    stack.remove(-2);
    stack.raw_set_name(-2, "clock");
    push_proxy(stack);
    stack.raw_set_name(globals, "os");
    type PushModule = fn(&mut Stack<'_>);
    let modules: [(&str, PushModule); 4] = [
        ("bit", bit::push_module),
        ("cjson", cjson::push_module),
        ("cmsgpack", cmsgpack::push_module),
        ("struct", structs::push_module),
    ];
    for (name, push_module) in modules {
        push_module(stack);
        push_proxy(stack);
        stack.raw_set_name(globals, name);
    }
}

/// Puts functions into the table on top.
pub(super) fn add_natives(stack: &mut Stack<'_>, functions: &[(&str, Native)]) {
    for &(name, native) in functions {
        stack.push_native(native, 0);
        stack.raw_set_name(-2, name);
    }
}

/// Replaces the table on top by a proxy of it.
fn push_proxy(stack: &mut Stack<'_>) {
    let behind = stack.top();
    stack.push_table(0, 0);
    stack.push_table(0, 4);
    stack.push_copy(behind);
    stack.raw_set_name(-2, "__index");
    stack.push_native(refuse_assignment, 0);
    stack.raw_set_name(-2, "__newindex");
    stack.push_pointer(BEHIND);
    stack.push_copy(behind);
    stack.raw_set(-3);
    stack.set_metatable(-2);
    stack.remove(behind);
}

/// Makes reading what is not in the table at `at` an error.
fn refuse_missing(stack: &mut Stack<'_>, at: i32) {
    stack.push_table(0, 1);
    stack.push_native(refuse_unknown, 0);
    stack.raw_set_name(-2, "__index");
    stack.set_metatable(at);
}

/// Says what getmetatable gives for the proxy on top: a table like Redis has it. Keeps the proxy's metatable.
fn show_metatable(stack: &mut Stack<'_>) -> Reference {
    assert!(stack.push_metatable(-1));
    stack.push_pointer(SHOWN);
    stack.push_table(0, 1);
    stack.push_native(refuse_unknown, 0);
    stack.raw_set_name(-2, "__index");
    push_proxy(stack);
    stack.raw_set(-3);
    stack.keep()
}

/// The metatable that all strings share finds their methods; what scripts see of it is a proxy.
fn protect_strings(stack: &mut Stack<'_>, globals: i32) {
    stack.push_bytes(b"");
    assert!(stack.push_metatable(-1));
    stack.push_pointer(SHOWN);
    stack.push_table(0, 1);
    stack.raw_get_name(globals, "string");
    stack.raw_set_name(-2, "__index");
    push_proxy(stack);
    stack.raw_set(-3);
    stack.pop(2);
}

/// What the code of a library sees: `redis` with few functions, and nothing else.
fn load_table(stack: &mut Stack<'_>) -> Reference {
    stack.push_table(0, 1);
    let table = stack.top();
    api::push_redis(stack, &[api::LOAD_ONLY], false);
    let redis = stack.top();
    refuse_missing(stack, redis);
    push_proxy(stack);
    stack.raw_set_name(table, "redis");
    refuse_missing(stack, table);
    stack.keep()
}

/// Whether the value at `at` is a proxy; then its metatable is on top.
fn is_proxy(stack: &mut Stack<'_>, at: i32) -> bool {
    if stack.kind(at) != Kind::Table || !stack.push_metatable(at) {
        return false;
    }
    stack.push_pointer(BEHIND);
    stack.raw_get(-2);
    let is_proxy = stack.kind(-1) == Kind::Table;
    stack.pop(if is_proxy { 1 } else { 2 });
    is_proxy
}

/// Whether the value at `at` is protected from changes.
pub(super) fn is_protected(stack: &mut Stack<'_>, at: i32) -> bool {
    let at = stack.absolute(at);
    let is_proxy = is_proxy(stack, at);
    if is_proxy {
        stack.pop(1);
    }
    is_proxy
}

const READ_ONLY: &str = "Attempt to modify a readonly table";

/// For functions that change their first argument.
fn refuse_change(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    if is_proxy(stack, 1) {
        stack.push_bytes(READ_ONLY.as_bytes());
        return Err(stack.raise_top());
    }
    Ok(Verdict::Proceed)
}

/// For functions that read their first argument: they get the table behind a proxy.
fn look_behind(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    if is_proxy(stack, 1) {
        stack.push_pointer(BEHIND);
        stack.raw_get(-2);
        stack.replace(1);
        stack.pop(1);
    }
    Ok(Verdict::Proceed)
}

/// For functions whose second argument is a pattern.
fn refuse_long_pattern(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    match stack.kind(2) == Kind::String && stack.length(2) > PATTERN_BYTES_MAX {
        true => Err(stack.raise("pattern too complex")),
        false => Ok(Verdict::Proceed),
    }
}

fn before_getmetatable(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    let is_string = stack.kind(1) == Kind::String && stack.push_metatable(1);
    if !is_string && !is_proxy(stack, 1) {
        return Ok(Verdict::Proceed);
    }
    stack.push_pointer(SHOWN);
    stack.raw_get(-2);
    Ok(Verdict::Return(1))
}

fn before_load(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    if stack.kind(1) == Kind::Function {
        stack.push_copy(1);
        stack.wrap_reader();
        stack.replace(1);
    }
    Ok(Verdict::Proceed)
}

/// Precompiled code could make the interpreter do anything. A blank before its mark makes it text, and an error as Redis
/// has it.
fn before_loadstring(stack: &mut Stack<'_>) -> Result<Verdict, Raised> {
    let text = stack.bytes(1).filter(|text| text.first() == Some(&BINARY_MARK));
    if let Some(text) = text {
        let spaced = [b" ", text].concat();
        if stack.top() == 1 {
            stack.push_copy(1);
        }
        stack.push_bytes(&spaced);
        stack.replace(1);
    }
    Ok(Verdict::Proceed)
}

/// What has to end is not to be caught.
fn after_xpcall(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    match stack.context().is_unwinding() {
        true => Err(Context::raise_unwinding(stack)),
        false => Ok(stack.top()),
    }
}

/// As Redis does it, pcall gives the text of an error that is a table.
fn after_pcall(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if stack.kind(1) == Kind::Boolean && !stack.is_true(1) && stack.kind(2) == Kind::Table {
        match stack.raw_get_name(2, "err") {
            Kind::String | Kind::Number => stack.replace(2),
            _ => stack.pop(1),
        }
    }
    after_xpcall(stack)
}

fn pairs(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    if stack.kind(1) != Kind::Table {
        return Err(stack.raise_type(1, "table"));
    }
    let is_protected = is_protected(stack, 1);
    stack.push_upvalue(i32::from(is_protected));
    stack.push_copy(1);
    stack.push_nil();
    Ok(3)
}

fn refuse_assignment(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    Err(stack.raise(READ_ONLY))
}

fn refuse_unknown(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let Some(name) = stack.as_bytes(2) else {
        return Err(stack.raise("Second argument to luaProtectedTableError must be a string or number"));
    };
    let text = [b"Script attempted to access nonexistent global variable '", name, b"'"].concat();
    Err(stack.raise(text))
}

fn random(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    /// Redis draws from fewer numbers than there are, by one.
    const NUMBERS: u32 = i32::MAX as u32;
    let mut state: Random = stack.context().random.get();
    let fraction = f64::from(state.next() % NUMBERS) / f64::from(NUMBERS);
    stack.context().random.set(state);
    let (low, high) = match stack.top() {
        0 => {
            stack.push_number(fraction);
            return Ok(1);
        }
        1 => (1.0, integer_argument(stack, 1)?),
        2 => (integer_argument(stack, 1)?, integer_argument(stack, 2)?),
        _ => return Err(stack.raise("wrong number of arguments")),
    };
    if low > high {
        let at = stack.top();
        return Err(stack.raise_argument(at, "interval is empty"));
    }
    stack.push_number((fraction * (high - low + 1.0)).floor() + low);
    Ok(1)
}

fn randomseed(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let seed = integer_argument(stack, 1)?;
    stack.context().random.set(Random::seeded(seed as i64 as u32));
    Ok(0)
}

/// Argument number `at` as an integer of 32 bits, as C cuts it.
pub(super) fn integer_argument(stack: &mut Stack<'_>, at: i32) -> Result<f64, Raised> {
    match stack.as_number(at) {
        Some(number) => Ok(f64::from(number as i64 as i32)),
        None => Err(stack.raise_type(at, "number")),
    }
}
