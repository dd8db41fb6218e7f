//! Scripts against a host that knows a handful of commands. What they reply is what redis-server 7.0 replies.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use thermocline_protocol::{Arguments, OwnedArguments, Protocol, ReplyEncoder};

use super::*;

/// A host whose commands reply what they are told to.
#[derive(Default)]
struct Mock {
    calls: Vec<String>,
    has_written: bool,
    /// That many calls ask for a restart first.
    restarts: usize,
}

impl Host for Mock {
    fn call(&mut self, arguments: Arguments<'_>, protocol: Protocol, reply: &mut Vec<u8>) -> Called {
        let words: Vec<String> =
            arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        self.calls.push(words.join(" "));
        if self.restarts > 0 {
            self.restarts -= 1;
            return Called::Restart;
        }
        let mut reply = ReplyEncoder::new(reply, protocol);
        match &*words[0] {
            "PING" => reply.simple("PONG"),
            "ECHO" => reply.bulk(words[1].as_bytes()),
            "NONE" => reply.null(),
            "FAIL" => reply.error("WRONGTYPE no"),
            "RAW" => reply.raw(arguments.get(1)),
            "WRITE" => {
                self.has_written = true;
                reply.ok();
            }
            "MAP" => {
                reply.map(1);
                reply.bulk(b"field");
                reply.double(1.5);
            }
            _ => reply.error("ERR Unknown Redis command called from script"),
        }
        Called::Replied
    }

    fn check_access(&mut self, arguments: Arguments<'_>) -> Option<bool> {
        match &arguments[0] {
            b"PING" => Some(true),
            b"SECRET" => Some(false),
            _ => None,
        }
    }

    fn writes(&self, arguments: Arguments<'_>) -> bool {
        &arguments[0] == b"WRITE"
    }

    fn has_written(&self) -> bool {
        self.has_written
    }

    fn command(&self) -> Vec<Vec<u8>> {
        vec![b"EVAL".to_vec()]
    }
}

/// One server thread.
struct World {
    thread: Rc<ThreadScripts>,
    host: Mock,
    protocol: Protocol,
    busy_after: Option<Duration>,
}

impl World {
    fn new() -> Self {
        Self {
            thread: Rc::new(ThreadScripts::new(Arc::new(Scripts::default()))),
            host: Mock::default(),
            protocol: Protocol::Resp2,
            busy_after: None,
        }
    }

    fn start(&self, program: Rc<Program>, keys: &[&str], values: &[&str]) -> ScriptRun {
        let mut list = OwnedArguments::default();
        for word in keys.iter().chain(values) {
            assert!(list.push(word.as_bytes()));
        }
        let request = ScriptRequest {
            program,
            arguments: list.as_arguments(),
            first_key: 0,
            key_count: keys.len(),
            is_read_only: false,
        };
        let suspended_after = self.busy_after.unwrap_or(Duration::MAX);
        ScriptRun::start(&self.thread, &request, suspended_after, self.busy_after).expect("nothing else runs")
    }

    fn resume(&mut self, run: &mut ScriptRun) -> (Progress, String) {
        let mut out = Vec::new();
        let progress = run.resume(&mut self.host, &mut ReplyEncoder::new(&mut out, self.protocol));
        (progress, out.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\""))
    }

    fn finish(&mut self, program: Rc<Program>, keys: &[&str], values: &[&str]) -> (Outcome, String) {
        let mut run = self.start(program, keys, values);
        match self.resume(&mut run) {
            (Progress::Finished(outcome), reply) => (outcome, reply),
            (Progress::Suspended, _) => panic!("it takes no time"),
        }
    }

    /// The reply of a script, with its digest replaced by `<sha>`.
    fn eval(&mut self, body: &str) -> String {
        let program = match self.thread.script(body.as_bytes()) {
            Ok(program) => program,
            Err(text) => return format!("-{text}"),
        };
        let name = program.name().to_owned();
        let (_, reply) = self.finish(program, &["key1", "key2"], &["value"]);
        reply.strip_suffix("\\r\\n").expect("a reply ends its line").replace(&name, "<sha>")
    }

    fn expect(&mut self, table: &[(&str, &str)]) {
        for (body, expected) in table {
            assert_eq!(self.eval(body), *expected, "{body}");
        }
    }
}

#[test]
fn values_become_replies_as_in_redis() {
    World::new().expect(&[
        ("return 1.9", ":1"),
        ("return -1.9", ":-1"),
        ("return 1e300", ":-9223372036854775808"),
        ("return 'text'", "$4\\r\\ntext"),
        ("return true", ":1"),
        ("return false", "$-1"),
        ("return nil", "$-1"),
        ("", "$-1"),
        ("return {1,2,nil,4}", "*2\\r\\n:1\\r\\n:2"),
        ("return {ok='fine\\r\\n'}", "+fine  "),
        ("return {err='MY error'}", "-MY error"),
        ("return {double=3.5}", "$3\\r\\n3.5"),
        ("return {map={a=1}}", "*2\\r\\n$1\\r\\na\\r\\n:1"),
        ("return {big_number='12'}", "$2\\r\\n12"),
        ("return {verbatim_string={format='txt',string='hi'}}", "$2\\r\\nhi"),
        ("return {KEYS, ARGV}", "*2\\r\\n*2\\r\\n$4\\r\\nkey1\\r\\n$4\\r\\nkey2\\r\\n*1\\r\\n$5\\r\\nvalue"),
    ]);
}

#[test]
fn resp3_clients_get_maps_and_doubles() {
    let mut world = World::new();
    world.protocol = Protocol::Resp3;
    world.expect(&[
        ("return {double=3.5}", ",3.5"),
        ("return {map={a=1}}", "%1\\r\\n$1\\r\\na\\r\\n:1"),
        ("return {set={a=true}}", "~1\\r\\n$1\\r\\na"),
        ("return false", "_"),
        ("redis.setresp(3) return false", "#f"),
        ("return {big_number='12'}", "(12"),
        ("return {verbatim_string={format='txt',string='hi'}}", "=6\\r\\ntxt:hi"),
    ]);
}

#[test]
fn replies_become_values_as_in_redis() {
    World::new().expect(&[
        ("return redis.call('PING').ok", "$4\\r\\nPONG"),
        ("return redis.call('ECHO', 'x') .. 'y'", "$2\\r\\nxy"),
        ("return redis.call('NONE') == false", ":1"),
        ("redis.setresp(3) return redis.call('NONE') == nil", ":1"),
        ("return redis.call('MAP')[2]", "$3\\r\\n1.5"),
        ("redis.setresp(3) return tostring(redis.call('MAP').map.field.double)", "$3\\r\\n1.5"),
        ("return redis.call('RAW', '*2\\r\\n:1\\r\\n*1\\r\\n$-1\\r\\n')[2][1] == false", ":1"),
        ("return redis.call('ECHO', 1)", "$1\\r\\n1"),
        ("return redis.call('ECHO', 0.1)", "$19\\r\\n0.10000000000000001"),
        ("return redis.call('ECHO', -0)", "$2\\r\\n-0"),
        (
            "redis.setresp(3) return redis.call('RAW', '|1\\r\\n+a\\r\\n*1\\r\\n:1\\r\\n+real\\r\\n').ok",
            "$4\\r\\nreal",
        ),
        ("redis.setresp(3) return redis.call('RAW', '~1\\r\\n$1\\r\\na\\r\\n').set.a", ":1"),
    ]);
}

#[test]
fn errors_say_where_they_were_raised() {
    World::new().expect(&[
        ("return redis.call('FAIL')", "-WRONGTYPE no script: <sha>, on @user_script:1."),
        ("\nreturn redis.call('nosuch')", "-ERR Unknown Redis command called from script script: <sha>, on @user_script:2."),
        ("return redis.pcall('FAIL')", "-WRONGTYPE no"),
        ("error('abc')", "-ERR user_script:1: abc script: <sha>, on @user_script:1."),
        ("error({err='MY abc'})", "-MY abc script: <sha>, on @user_script:1."),
        ("error()", "-ERR nil script: <sha>, on @user_script:1."),
        ("return redis.call()", "-ERR Please specify at least one argument for this redis lib call script: <sha>, on @user_script:1."),
        ("return redis.pcall({})", "-ERR Lua redis lib command arguments must be strings or integers"),
        ("return 1 +", "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'"),
        ("local x = nil + 1", "-ERR user_script:1: attempt to perform arithmetic on a nil value script: <sha>, on @user_script:1."),
        ("local ok, x = pcall(redis.call, 'FAIL') return {type(x), x}", "*2\\r\\n$6\\r\\nstring\\r\\n$12\\r\\nWRONGTYPE no"),
        ("local a = {} a[1] = a return #{a}", ":1"),
        ("#!lua flags=bad\nreturn 1", "-ERR Unexpected flag in script shebang: bad"),
        ("#!lua\nerror('x')", "-ERR user_script:2: x script: <sha>, on @user_script:2."),
    ]);
}

#[test]
fn nothing_that_scripts_share_can_be_changed() {
    let read_only =
        "-ERR user_script:1: Attempt to modify a readonly table script: <sha>, on @user_script:1.";
    let raw = "-ERR Attempt to modify a readonly table script: <sha>, on @user_script:1.";
    let mut world = World::new();
    for body in [
        "x = 1",
        "KEYS = 5",
        "redis.call = 1",
        "redis = 1",
        "string.format = 1",
        "cjson.encode = 1",
        "_G.x = 1",
        "getmetatable(_G).__index = {}",
        "getmetatable('').__index = {}",
        "getmetatable('').__index.len = 1",
    ] {
        assert_eq!(world.eval(body), read_only, "{body}");
    }
    for body in
        ["setmetatable(_G, {})", "rawset(_G, 'x', 1)", "rawset(redis, 'x', 1)", "table.insert(redis, 1)"]
    {
        assert_eq!(world.eval(body), raw, "{body}");
    }
    for name in
        ["print", "dofile", "loadfile", "require", "newproxy", "setfenv", "getfenv", "debug", "io", "foo"]
    {
        let expected = format!(
            "-ERR user_script:1: Script attempted to access nonexistent global variable '{name}' script: <sha>, \
             on @user_script:1."
        );
        assert_eq!(world.eval(&format!("return {name}")), expected);
    }
}

#[test]
fn protected_tables_read_as_any_other() {
    World::new().expect(&[
        ("local n = 0 for k in pairs(redis) do n = n + 1 end return n > 20", ":1"),
        ("return type(next(_G))", "$6\\r\\nstring"),
        ("return rawget(redis, 'LOG_DEBUG')", ":0"),
        ("return getmetatable(redis) == nil", ":1"),
        ("return type(getmetatable(_G).__index)", "$8\\r\\nfunction"),
        ("return redis.nothing == nil", ":1"),
        ("return ('x'):rep(3)", "$3\\r\\nxxx"),
        ("KEYS[1] = 5 return KEYS[1]", ":5"),
        ("for k, v in pairs(_G) do if v == nil then return k end end return 'none'", "$4\\r\\nnone"),
        ("return type(os.clock())", "$6\\r\\nnumber"),
        ("return os.exit == nil", ":1"),
    ]);
}

#[test]
fn precompiled_code_is_refused() {
    World::new().expect(&[
        ("return loadstring(string.dump(function() return 5 end)) == nil", ":1"),
        ("local n = 0 return load(function() n = n + 1 if n == 1 then return string.dump(function() end) end end) == nil", ":1"),
        ("return loadstring('return 7')()", ":7"),
        ("local n = 0 return load(function() n = n + 1 if n == 1 then return 'return 8' end end)()", ":8"),
        ("return select(2, loadstring(string.dump(function() end)))", "$53\\r\\n[string \"\\x1bLuaQ\"]:1: unexpected symbol near 'char(27)'"),
    ]);
    let mut world = World::new();
    let reply = world.eval("\u{1b}LuaQ");
    assert!(reply.starts_with("-ERR Error compiling script"), "{reply}");
}

#[test]
fn a_restart_cannot_be_caught() {
    for body in [
        "redis.call('ECHO', 'first') return redis.call('ECHO', 'x')",
        "redis.pcall('ECHO', 'x') while true do end",
        "pcall(redis.call, 'ECHO', 'x') while true do end",
        "pcall(pcall, redis.call, 'ECHO', 'x') while true do end",
        "xpcall(function() redis.call('ECHO', 'x') end, function() while true do end end) while true do end",
        "coroutine.resume(coroutine.create(function() redis.call('ECHO', 'x') end)) while true do end",
        "string.gsub('x', '.', function() redis.call('ECHO', 'x') end) while true do end",
        "setmetatable({}, {__index = function() return redis.call('ECHO', 'x') end}).y() ",
    ] {
        let mut world = World::new();
        world.host.restarts = 1;
        let program = world.thread.script(body.as_bytes()).expect("it compiles");
        assert_eq!(world.finish(program, &[], &[]), (Outcome::Restart, String::new()), "{body}");
        assert_eq!(world.host.calls.len(), 1, "{body}");
        assert_eq!(world.eval("return redis.call('PING')"), "+PONG", "the interpreter is as before");
    }
}

#[test]
fn a_busy_script_is_suspended_and_can_be_killed() {
    let mut world = World::new();
    world.busy_after = Some(Duration::ZERO);
    let busy = Arc::clone(world.thread.shared());
    for body in ["while true do end", "while true do pcall(function() while true do end end) end"] {
        let program = world.thread.script(body.as_bytes()).expect("it compiles");
        let mut run = world.start(program, &[], &[]);
        for _ in 0..3 {
            assert_eq!(world.resume(&mut run).0, Progress::Suspended);
        }
        assert!(busy.busy.refusal().is_some());
        let other = world.thread.script(b"return 1").expect_err("the interpreter is in use");
        assert!(other.contains("busy"), "{other}");
        assert_eq!(busy.busy.kill(true), Killed::OtherKind);
        assert_eq!(busy.busy.kill(false), Killed::Ended);
        let (progress, reply) = world.resume(&mut run);
        assert_eq!(progress, Progress::Finished(Outcome::Failed { is_counted: false }));
        assert!(reply.contains("Script killed by user with SCRIPT KILL."), "{reply}");
        drop(run);
        assert_eq!(busy.busy.refusal(), None);
    }
    assert_eq!(world.eval("return 1"), ":1");
}

#[test]
fn a_script_that_has_written_cannot_be_killed() {
    let mut world = World::new();
    world.busy_after = Some(Duration::ZERO);
    let program =
        world.thread.script(b"redis.call('WRITE') for i = 1, 300000 do end return 'end'").expect("Lua");
    let mut run = world.start(program, &[], &[]);
    assert_eq!(world.resume(&mut run).0, Progress::Suspended);
    assert_eq!(world.thread.shared().busy.kill(false), Killed::HasWritten);
    let reply = loop {
        if let (Progress::Finished(_), reply) = world.resume(&mut run) {
            break reply;
        }
    };
    assert_eq!(reply, "$3\\r\\nend\\r\\n");
}

#[test]
fn a_run_that_is_dropped_leaves_the_interpreter_as_it_was() {
    let mut world = World::new();
    world.busy_after = Some(Duration::ZERO);
    let program =
        world.thread.script(b"while true do pcall(function() while true do end end) end").expect("Lua");
    let mut run = world.start(Rc::clone(&program), &[], &[]);
    assert_eq!(world.resume(&mut run).0, Progress::Suspended);
    drop(run);
    drop(world.start(program, &[], &[]));
    world.busy_after = None;
    assert_eq!(world.eval("return redis.call('PING')"), "+PONG");
}

#[test]
fn flushing_forgets_what_was_compiled() {
    let mut world = World::new();
    assert_eq!(world.eval("return 1"), ":1");
    let digest = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    assert!(world.thread.cached_script(digest).expect("not busy").is_some());
    assert_eq!(world.thread.shared().usage().cached_scripts, 1);
    world.thread.shared().flush();
    assert!(world.thread.cached_script(digest).expect("not busy").is_none());
    assert_eq!(world.eval("return 1"), ":1");
}

#[test]
fn a_script_of_one_thread_is_found_by_the_others() {
    let world = World::new();
    let other = ThreadScripts::new(Arc::clone(world.thread.shared()));
    let program = other.script(b"return 2").expect("Lua");
    let found =
        world.thread.cached_script(program.name().as_bytes()).expect("not busy").expect("it is cached");
    assert_eq!(found.name(), program.name());
}

const LIBRARY: &str = "#!lua name=mylib
local count = 0
redis.register_function('echo', function(keys, args) return {keys, args} end)
redis.register_function{function_name='Count', callback=function() count = count + 1 return count end,
                        flags={'no-writes'}, description='counts'}
redis.register_function('keys', function() return KEYS end)
redis.register_function('fail', function() return redis.call('FAIL') end)
";

#[test]
fn functions_keep_their_state_and_have_no_keys_table() {
    let mut world = World::new();
    assert_eq!(world.thread.load_library(LIBRARY.as_bytes(), false).as_deref(), Ok("mylib"));
    let mut call = |name: &str| {
        let program = world.thread.function(name.as_bytes()).expect("it loads").expect("it is there");
        world.finish(program, &["k"], &["v"]).1
    };
    assert_eq!(call("echo"), "*2\\r\\n*1\\r\\n$1\\r\\nk\\r\\n*1\\r\\n$1\\r\\nv\\r\\n");
    assert_eq!([call("count"), call("COUNT")], [":1\\r\\n", ":2\\r\\n"]);
    assert_eq!(call("fail"), "-WRONGTYPE no script: fail, on @user_function:7.\\r\\n");
    assert!(call("keys").contains("nonexistent global variable 'KEYS'"));
    let libraries = world.thread.shared().libraries().clone();
    let changed = world.thread.shared().delete_library("mylib");
    let (_, count) = libraries.function(b"count").expect("it was there");
    assert_eq!((count.description.as_deref(), count.flags), (Some(&b"counts"[..]), ScriptFlags::NO_WRITES));
    assert!(changed && world.thread.function(b"echo").expect("not busy").is_none());
}

#[test]
fn a_library_that_does_not_load_changes_nothing() {
    let world = World::new();
    let prefix = "ERR Error registering functions: ";
    for (code, text) in [
        ("return 1", "ERR No functions registered".to_owned()),
        (
            "redis.register_function('f', 5)",
            format!("{prefix}ERR second argument to redis.register_function must be a function"),
        ),
        (
            "redis.register_function({})",
            format!("{prefix}ERR redis.register_function must get a function name argument"),
        ),
        (
            "redis.register_function{function_name='a', callback=function() end, flags={'x'}}",
            format!("{prefix}ERR unknown flag given"),
        ),
        (
            "redis.call('PING')",
            format!(
                "{prefix}ERR user_function:2: Script attempted to access nonexistent global variable 'call'"
            ),
        ),
        (
            "return math",
            format!(
                "{prefix}ERR user_function:2: Script attempted to access nonexistent global variable 'math'"
            ),
        ),
        ("x = 1", format!("{prefix}ERR user_function:2: Attempt to modify a readonly table")),
        (
            "local x = 1 +",
            "ERR Error compiling function: user_function:2: unexpected symbol near '<eof>'".to_owned(),
        ),
        ("while true do end", format!("{prefix}ERR FUNCTION LOAD timeout")),
    ] {
        let code = format!("#!lua name=a\n{code}");
        assert_eq!(world.thread.load_library(code.as_bytes(), false), Err(text.into()), "{code}");
    }
    assert_eq!(world.thread.shared().usage().libraries, 0);
}

#[test]
fn every_thread_runs_the_libraries_that_are_there_now() {
    let first = World::new();
    let second = ThreadScripts::new(Arc::clone(first.thread.shared()));
    first
        .thread
        .load_library(b"#!lua name=a\nredis.register_function('f', function() return 1 end)", false)
        .expect("it loads");
    assert!(second.function(b"f").expect("it loads").is_some());
    first
        .thread
        .load_library(b"#!lua name=a\nredis.register_function('g', function() return 1 end)", true)
        .expect("it loads");
    assert!(second.function(b"f").expect("it loads").is_none());
    assert!(second.function(b"g").expect("it loads").is_some());
    let codes = [b"#!lua name=b\nredis.register_function('g', function() return 1 end)".to_vec()];
    let append = second.restore_libraries(&codes, RestorePolicy::Append);
    assert_eq!(append, Err("ERR Function g already exists".into()));
    assert_eq!(second.restore_libraries(&codes, RestorePolicy::Flush), Ok(()));
    assert!(first.thread.shared().libraries().library("a").is_none());
}

#[test]
fn what_would_take_more_than_the_stack_is_an_error() {
    let mut world = World::new();
    let error = |text: &str| format!("-ERR user_script:1: {text} script: <sha>, on @user_script:1.");
    for (body, text) in [
        ("return string.find(string.rep('a', 1e6), string.rep('a?', 1e6))", "pattern too complex"),
        (
            "return cmsgpack.unpack(string.rep('\\145', 9000))",
            "stack overflow (in function mp_decode_to_lua_type)",
        ),
        ("local t = {} t.t = t return cjson.encode(t)", "Cannot serialise, excessive nesting (1001)"),
        (
            "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}) return t.x",
            "C stack overflow",
        ),
    ] {
        assert_eq!(world.eval(body), error(text), "{body}");
    }
    assert!(world.eval("local t = {} t[1] = t return t").ends_with("-ERR reached lua stack limit"));
    assert!(world.eval("local function f() return 1 + f() end return f()").contains("stack overflow"));
    assert!(
        world
            .eval("local function f() return coroutine.wrap(f)() end return f()")
            .contains("C stack overflow")
    );
}

/// Bytes that the formats give a meaning to come more often than others.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let telling: &[u8] = b"{}[]:,\"\\u0 19.-+eEnatrufxsbBhHlLTiIcd<>!%\x80\x90\x91\x93\xa1\xc0\xc4\xca\xcb\xcf\xd3\xd9\xdb\xdc\xdd\xde\xdf\xff\x00";
    let byte = prop_oneof![4 => proptest::sample::select(telling), 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A native function must not panic, since that ends the process.
    #[test]
    fn whatever_a_script_is_given_it_ends(one in noise(), other in noise(), number in -9i64..99) {
        let mut world = World::new();
        let quoted = |bytes: &[u8]| -> String {
            let escape = |byte: &u8| format!("\\{byte:03}");
            format!("'{}'", bytes.iter().map(escape).collect::<String>())
        };
        let (one, other) = (quoted(&one), quoted(&other));
        let reply = world.eval(&format!(
            "local a, b, n, t = {one}, {other}, {number}, {{}}
             local function try(f, ...) local r = {{pcall(f, ...)}} t[#t + 1] = r[2] pcall(cjson.encode, r) pcall(cmsgpack.pack, r) end
             try(cjson.decode, a) try(cjson.encode, {{[a]=b, [n]=a}}) try(cmsgpack.unpack, a) try(cmsgpack.unpack_one, a, n)
             try(cmsgpack.unpack_limit, a, n, #b) try(struct.unpack, a, b) try(struct.unpack, a, b, n) try(struct.size, a)
             try(struct.pack, a, n, b, n, a, b) try(bit.tohex, n, n * 7) try(bit.lshift, a, b) try(loadstring, a, b)
             try(redis.call, a, b) try(redis.call, 'RAW', a) try(redis.error_reply, a) try(redis.log, a, b) try(redis.setresp, a)
             try(redis.sha1hex, a) try(redis.acl_check_cmd, a) try(math.random, n) try(string.find, b, a) try(string.format, a, n, b)
             try(cjson.encode_sparse_array, a, n) try(cjson.encode_max_depth, n) try(setmetatable, a, b) try(rawset, t, a, b)
             try(unpack, t, n) try(select, n, a) try(next, t, a) try(load, function() return a end and nil)
             redis.setresp(2) return {{t, map={{[a]=b}}}}"
        ));
        prop_assert!(!reply.is_empty());
    }
}

#[test]
fn the_user_may_be_asked_about() {
    World::new().expect(&[
        ("return redis.acl_check_cmd('PING')", ":1"),
        ("return redis.acl_check_cmd('SECRET')", "$-1"),
        (
            "return redis.acl_check_cmd('nosuch')",
            "-ERR Invalid command passed to redis.acl_check_cmd() script: <sha>, on @user_script:1.",
        ),
    ]);
}
