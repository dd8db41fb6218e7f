//! What one server thread has of scripts: its interpreters, made at first use, and what it has compiled.

use std::borrow::{Borrow, Cow};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::context::Engine;
use super::interpreter::Interpreter;
use super::libraries::{Libraries, RestorePolicy, taken};
use super::library::{Library, Registration};
use super::lua::Reference;
use super::lua::fiber::{FiberStack, new_stack};
use super::scripts::{Script, Scripts, ThreadMemory};
use super::shebang::{ScriptFlags, read_library_head};

/// What a run's stack is kept for: the next run. More are needed only while scripts are busy.
const KEPT_STACKS: usize = 2;

/// Which keys a script or function needs, as far as its runs on this thread have shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// It has not run.
    #[default]
    Unknown,
    /// Those that it declares.
    Declared,
    /// Any.
    All,
}

/// A function that a thread has compiled, ready to run.
pub struct Program {
    pub(super) interpreter: Rc<Interpreter>,
    pub(super) function: Option<Reference>,
    /// The script's digest, or the function's name.
    pub(super) name: Box<str>,
    /// Which keys its runs have needed, for whoever runs it.
    pub reach: Cell<Reach>,
    flags: ScriptFlags,
    is_plain: bool,
}

impl Program {
    /// The script's digest, or the function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself.
    pub fn flags(&self) -> ScriptFlags {
        self.flags
    }

    /// Whether it is a script without a first line: then only what its commands do is checked, not the script as a whole.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether it is a function, for FCALL.
    pub fn is_function(&self) -> bool {
        self.interpreter.context.engine == Engine::Functions
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("flags", &self.flags).finish()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(function) = self.function.take() {
            self.interpreter.forget(function);
        }
    }
}

/// See the module's description.
pub struct ThreadScripts {
    shared: Arc<Scripts>,
    scripts: RefCell<Option<CompiledScripts>>,
    functions: RefCell<Option<CompiledFunctions>>,
    stacks: RefCell<Vec<FiberStack>>,
    memory: Arc<ThreadMemory>,
}

/// What clients choose is hashed with keys that they do not know.
fn hasher() -> ahash::RandomState {
    let seeds: [u64; 4] = rand::random();
    ahash::RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3])
}

struct CompiledScripts {
    interpreter: Rc<Interpreter>,
    /// [`Scripts::flushes`] when it was made.
    flushes: u64,
    by_body: HashMap<Body, Rc<Program>, ahash::RandomState>,
    by_digest: HashMap<[u8; 40], Rc<Program>, ahash::RandomState>,
}

/// A script, found by its body.
struct Body(Arc<Script>);

impl Borrow<[u8]> for Body {
    fn borrow(&self) -> &[u8] {
        &self.0.body
    }
}

impl std::hash::Hash for Body {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.body.hash(state);
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.0.body == other.0.body
    }
}

impl Eq for Body {}

struct CompiledFunctions {
    interpreter: Rc<Interpreter>,
    /// [`Scripts::library_changes`] when `by_name` was emptied last.
    changes: u64,
    /// By the names that were asked for.
    by_name: HashMap<Box<[u8]>, Rc<Program>, ahash::RandomState>,
    /// By the library's id.
    by_library: HashMap<u64, Vec<Rc<Program>>, ahash::RandomState>,
}

impl ThreadScripts {
    /// Nothing is made before it is needed.
    pub fn new(shared: Arc<Scripts>) -> Self {
        let memory = shared.add_thread();
        Self {
            shared,
            scripts: RefCell::default(),
            functions: RefCell::default(),
            stacks: RefCell::default(),
            memory,
        }
    }

    /// What all threads share.
    pub fn shared(&self) -> &Arc<Scripts> {
        &self.shared
    }

    /// The script that `body` is, which is in the cache then.
    ///
    /// # Errors
    /// It is no Lua; the text is an error reply.
    pub fn script(&self, body: &[u8]) -> Result<Rc<Program>, Cow<'static, str>> {
        self.with_scripts(|compiled| {
            if let Some(program) = compiled.by_body.get(body) {
                return Ok(Rc::clone(program));
            }
            let script = Arc::new(Script::new(body)?);
            let program = compiled.compile(&script)?;
            self.shared.add(script);
            Ok(program)
        })
    }

    /// The script with this digest, if it is in the cache.
    ///
    /// # Errors
    /// The interpreter is busy; the text is an error reply.
    pub fn cached_script(&self, digest: &[u8]) -> Result<Option<Rc<Program>>, Cow<'static, str>> {
        let Ok(key) = <[u8; 40]>::try_from(digest) else { return Ok(None) };
        self.with_scripts(|compiled| {
            if let Some(program) = compiled.by_digest.get(&key) {
                return Ok(Some(Rc::clone(program)));
            }
            match self.shared.find(&key) {
                None => Ok(None),
                Some(script) => compiled.compile(&script).map(Some),
            }
        })
    }

    fn with_scripts<T>(&self, work: impl FnOnce(&mut CompiledScripts) -> T) -> T {
        let mut scripts = self.scripts.borrow_mut();
        let flushes = self.shared.flushes();
        if scripts.as_ref().is_some_and(|scripts| scripts.flushes != flushes) {
            *scripts = None;
        }
        work(scripts.get_or_insert_with(|| CompiledScripts {
            interpreter: Rc::new(Interpreter::new(Engine::Scripts)),
            flushes,
            by_body: HashMap::with_hasher(hasher()),
            by_digest: HashMap::with_hasher(hasher()),
        }))
    }

    /// The function of this name, in any case, if there is one.
    ///
    /// # Errors
    /// Its library does not load on this thread, though it did when it was added; the text is an error reply.
    pub fn function(&self, name: &[u8]) -> Result<Option<Rc<Program>>, Cow<'static, str>> {
        let mut functions = self.functions.borrow_mut();
        let functions = self.current(&mut functions);
        if let Some(program) = functions.by_name.get(name) {
            return Ok(Some(Rc::clone(program)));
        }
        let Some((library, function)) = ({
            let libraries = self.shared.libraries();
            libraries.function(name).map(|(library, info)| (Arc::clone(library), info.name.clone()))
        }) else {
            return Ok(None);
        };
        let program = functions.find(&library, &function)?;
        if let Some(program) = &program {
            functions.by_name.insert(name.into(), Rc::clone(program));
        }
        Ok(program)
    }

    fn current<'f>(&self, functions: &'f mut Option<CompiledFunctions>) -> &'f mut CompiledFunctions {
        let changes = self.shared.library_changes();
        let functions = functions.get_or_insert_with(|| CompiledFunctions {
            interpreter: Rc::new(Interpreter::new(Engine::Functions)),
            changes,
            by_name: HashMap::with_hasher(hasher()),
            by_library: HashMap::with_hasher(hasher()),
        });
        if functions.changes != changes {
            functions.changes = changes;
            functions.forget_missing(&self.shared.libraries());
        }
        functions
    }

    /// FUNCTION LOAD: returns the library's name.
    ///
    /// # Errors
    /// The text of the error reply; nothing has changed.
    pub fn load_library(&self, code: &[u8], replaces: bool) -> Result<String, Cow<'static, str>> {
        let name = read_library_head(code)?.name;
        if !replaces && self.shared.libraries().library(&name).is_some() {
            return Err(taken(&name));
        }
        let library = self.run_library(code)?;
        let added = self.shared.change_libraries(|libraries| libraries.add(Arc::clone(&library), replaces));
        if added.is_err() {
            self.forget_library(&library);
        }
        added.map(|()| name)
    }

    /// FUNCTION RESTORE: adds all libraries, or none.
    ///
    /// # Errors
    /// The text of the error reply; nothing has changed.
    pub fn restore_libraries(
        &self,
        codes: &[Vec<u8>],
        policy: RestorePolicy,
    ) -> Result<(), Cow<'static, str>> {
        let mut loaded = Vec::with_capacity(codes.len());
        let result = codes.iter().try_for_each(|code| {
            loaded.push(self.run_library(code)?);
            Ok(())
        });
        let result = result.and_then(|()| {
            self.shared.change_libraries(|libraries| {
                let mut changed = match policy {
                    RestorePolicy::Flush => Libraries::default(),
                    RestorePolicy::Append | RestorePolicy::Replace => libraries.clone(),
                };
                for library in &loaded {
                    if policy == RestorePolicy::Append && libraries.library(&library.name).is_some() {
                        return Err(format!("ERR Library {} already exists", library.name).into());
                    }
                    changed.add(Arc::clone(library), policy == RestorePolicy::Replace)?;
                }
                *libraries = changed;
                Ok(())
            })
        });
        if result.is_err() {
            loaded.iter().for_each(|library| self.forget_library(library));
        }
        result
    }

    /// Runs the code of a library on this thread; nobody else knows of it yet.
    fn run_library(&self, code: &[u8]) -> Result<Arc<Library>, Cow<'static, str>> {
        let head = read_library_head(code)?;
        let mut functions = self.functions.borrow_mut();
        let functions = self.current(&mut functions);
        let registrations = functions.load(&code[head.code_start..])?;
        if registrations.is_empty() {
            return Err("ERR No functions registered".into());
        }
        let infos = registrations.iter().map(|registration| registration.info.clone()).collect();
        let library = self.shared.new_library(head.name, code, infos);
        functions.keep(&library, registrations);
        Ok(library)
    }

    fn forget_library(&self, library: &Library) {
        if let Some(functions) = &mut *self.functions.borrow_mut() {
            functions.by_library.remove(&library.id);
        }
    }

    /// A stack for a run.
    ///
    /// # Errors
    /// No memory can be mapped.
    pub(super) fn take_stack(&self) -> std::io::Result<FiberStack> {
        match self.stacks.borrow_mut().pop() {
            Some(stack) => Ok(stack),
            None => new_stack(),
        }
    }

    /// Takes back the stack of a run that has ended.
    pub(super) fn give_back(&self, stack: FiberStack, engine: Engine, memory_bytes: usize) {
        let mut stacks = self.stacks.borrow_mut();
        if stacks.len() < KEPT_STACKS {
            stacks.push(stack);
        }
        let counter = match engine {
            Engine::Scripts => &self.memory.scripts_bytes,
            Engine::Functions => &self.memory.functions_bytes,
        };
        counter.store(memory_bytes, Ordering::Relaxed);
    }
}

impl CompiledScripts {
    fn compile(&mut self, script: &Arc<Script>) -> Result<Rc<Program>, Cow<'static, str>> {
        let function = self.interpreter.compile(script.code(), "@user_script").map_err(|message| {
            format!("ERR Error compiling script (new function): {}", String::from_utf8_lossy(&message))
        })?;
        let program = Rc::new(Program {
            interpreter: Rc::clone(&self.interpreter),
            function: Some(function),
            name: String::from_utf8_lossy(&script.digest).into(),
            reach: Cell::default(),
            flags: script.head.flags,
            is_plain: script.head.is_plain,
        });
        self.by_body.insert(Body(Arc::clone(script)), Rc::clone(&program));
        self.by_digest.insert(script.digest, Rc::clone(&program));
        Ok(program)
    }
}

impl CompiledFunctions {
    fn find(&mut self, library: &Arc<Library>, name: &str) -> Result<Option<Rc<Program>>, Cow<'static, str>> {
        if !self.by_library.contains_key(&library.id) {
            let code_start = read_library_head(&library.code)?.code_start;
            let registrations = self.load(&library.code[code_start..])?;
            self.keep(library, registrations);
        }
        let programs = &self.by_library[&library.id];
        Ok(programs.iter().find(|program| &*program.name == name).cloned())
    }

    fn load(&self, code: &[u8]) -> Result<Vec<Registration>, Cow<'static, str>> {
        let loaded = self.interpreter.load_library(code);
        loaded.map_err(|text| String::from_utf8_lossy(&text).into_owned().into())
    }

    fn keep(&mut self, library: &Library, registrations: Vec<Registration>) {
        let program = |registration: Registration| {
            Rc::new(Program {
                interpreter: Rc::clone(&self.interpreter),
                function: Some(registration.callback),
                name: registration.info.name.into(),
                reach: Cell::default(),
                flags: registration.info.flags,
                is_plain: false,
            })
        };
        let programs = registrations.into_iter().map(program).collect();
        self.by_library.insert(library.id, programs);
    }

    fn forget_missing(&mut self, libraries: &Libraries) {
        self.by_name.clear();
        let alive: Vec<u64> = libraries.iter().map(|library| library.id).collect();
        self.by_library.retain(|id, _| alive.contains(id));
    }
}
