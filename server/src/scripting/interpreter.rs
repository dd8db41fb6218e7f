//! One interpreter of a server thread, for scripts or for functions: what it runs, and what becomes of errors.

use std::cell::RefCell;
use std::rc::Rc;

use super::api::push_error;
use super::context::{Context, Engine, Unwinding};
use super::library::Registration;
use super::lua::{Kind, Lua, Raised, Reference, Stack};
use super::sandbox::{Globals, is_protected};

/// See the module's description. Its cell is borrowed while something runs in it.
pub(super) struct Interpreter {
    pub(super) lua: RefCell<Lua>,
    pub(super) context: Rc<Context>,
    pub(super) globals: Globals,
    /// Makes a table of every error, with its place.
    pub(super) on_error: Reference,
}

/// An error that a script did not catch.
pub(super) struct ScriptError {
    /// With its code.
    pub(super) text: Vec<u8>,
    /// Where it was raised, as in `@user_script:1`.
    pub(super) place: Option<String>,
    /// Whether it is a command's, which was counted when the command failed.
    pub(super) is_counted: bool,
}

impl Interpreter {
    pub(super) fn new(engine: Engine) -> Self {
        let context = Rc::new(Context::new(engine));
        let mut lua = Lua::new(Rc::clone(&context));
        let globals = Globals::build(&mut lua);
        let mut stack = lua.stack();
        stack.push_native(on_error, 0);
        let on_error = stack.keep();
        lua.collect_garbage();
        Self { lua: RefCell::new(lua), context, globals, on_error }
    }

    /// Compiles a script or library, and keeps the function that it is.
    ///
    /// # Errors
    /// Lua's message; or something runs in it.
    pub(super) fn compile(&self, text: &[u8], name: &str) -> Result<Reference, Vec<u8>> {
        let Ok(mut lua) = self.lua.try_borrow_mut() else {
            return Err(b"the interpreter is busy running a script".to_vec());
        };
        lua.load(text, name)?;
        Ok(lua.stack().keep())
    }

    /// Forgets what was kept; not while something runs in it.
    pub(super) fn forget(&self, reference: Reference) {
        if let Ok(mut lua) = self.lua.try_borrow_mut() {
            lua.stack().forget(reference);
        }
    }

    /// Runs the code of a library, and returns what it registered.
    ///
    /// # Errors
    /// What went wrong, with its code.
    pub(super) fn load_library(&self, code: &[u8]) -> Result<Vec<Registration>, Vec<u8>> {
        let Ok(mut lua) = self.lua.try_borrow_mut() else {
            return Err(b"BUSY the interpreter is busy running a function".to_vec());
        };
        let mut stack = lua.stack();
        stack.set_top(0);
        stack.push_kept(&self.on_error);
        if let Err(message) = lua.load(code, "@user_function") {
            return Err([b"ERR Error compiling function: ", &message[..]].concat());
        }
        self.globals.begin_load(&mut lua.stack());
        self.context.begin_load();
        let succeeded = lua.call(0, 1);
        let why = self.context.end();
        let mut stack = lua.stack();
        self.globals.end_load(&mut stack);
        let registrations = self.context.registrations.take();
        if succeeded && why != Some(Unwinding::LoadTimeout) {
            stack.set_top(0);
            return Ok(registrations);
        }
        let error = take_error(&mut stack);
        stack.set_top(0);
        for registration in registrations {
            stack.forget(registration.callback);
        }
        Err([b"ERR Error registering functions: ", &error.text[..]].concat())
    }
}

/// The message handler: `{err = text, source = ..., line = ...}`.
fn on_error(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let mut origin = stack.origin(1);
    if origin.as_ref().is_some_and(|origin| origin.is_native) {
        origin = stack.origin(2);
    }
    stack.set_top(1);
    if stack.kind(1) != Kind::Table {
        let text = [b"ERR ", &text_of(stack, 1)[..]].concat();
        push_error(stack, &text);
        stack.replace(1);
    } else if is_protected(stack, 1) {
        push_error(stack, b"ERR unknown error");
        stack.replace(1);
    }
    if let Some(origin) = origin {
        stack.push_bytes(origin.source.as_bytes());
        stack.raw_set_name(1, "source");
        stack.push_number(f64::from(origin.line));
        stack.raw_set_name(1, "line");
    }
    Ok(1)
}

/// What `tostring` says of an error that is no table.
fn text_of(stack: &mut Stack<'_>, at: i32) -> Vec<u8> {
    match stack.kind(at) {
        Kind::Nil => b"nil".to_vec(),
        Kind::Boolean => stack.is_true(at).to_string().into_bytes(),
        Kind::Number | Kind::String => stack.as_bytes(at).unwrap_or_default().to_vec(),
        other => other.name().as_bytes().to_vec(),
    }
}

/// Takes the error on top, which went through [`on_error`] unless that failed.
pub(super) fn take_error(stack: &mut Stack<'_>) -> ScriptError {
    let mut error = ScriptError { text: b"ERR unknown error".to_vec(), place: None, is_counted: false };
    match stack.kind(-1) {
        Kind::Table => read_error(stack, &mut error),
        Kind::String => error.text = [b"ERR ", stack.bytes(-1).unwrap_or_default()].concat(),
        _ => {}
    }
    stack.pop(1);
    error
}

fn read_error(stack: &mut Stack<'_>, error: &mut ScriptError) {
    stack.raw_get_name(-1, "err");
    if let Some(text) = stack.as_bytes(-1) {
        error.text = text.to_vec();
    }
    stack.raw_get_name(-2, "source");
    stack.raw_get_name(-3, "line");
    let line = stack.as_bytes(-1).map(|line| String::from_utf8_lossy(line).into_owned());
    let source = stack.bytes(-2).map(|source| String::from_utf8_lossy(source).into_owned());
    if let (Some(source), Some(line)) = (source, line) {
        error.place = Some(format!("{source}:{line}"));
    }
    stack.pop(3);
    error.is_counted = stack.raw_get_name(-1, "ignore_error_stats_update") == Kind::Boolean;
    stack.pop(1);
}
