//! What all threads share of scripts: the cache of EVAL, the libraries of functions, what is busy.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::api::sha1_of;
use super::busy::BusyScripts;
use super::libraries::Libraries;
use super::library::{FunctionInfo, Library};
use super::shebang::{ScriptHead, read_script_head};

/// A script that EVAL or SCRIPT LOAD has brought.
#[derive(Debug)]
pub struct Script {
    /// Its SHA-1 in 40 hexadecimal digits.
    pub digest: [u8; 40],
    pub(super) body: Box<[u8]>,
    pub(super) head: ScriptHead,
}

impl Script {
    /// # Errors
    /// Its first line is wrong; the text is an error reply.
    pub(super) fn new(body: &[u8]) -> Result<Self, Cow<'static, str>> {
        Ok(Self { digest: sha1_of(body), head: read_script_head(body)?, body: body.into() })
    }

    /// What Lua compiles.
    pub(super) fn code(&self) -> &[u8] {
        &self.body[self.head.code_start..]
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }
}

/// What one thread's interpreters have allocated.
#[derive(Debug, Default)]
pub(super) struct ThreadMemory {
    pub(super) scripts_bytes: AtomicUsize,
    pub(super) functions_bytes: AtomicUsize,
}

/// Numbers for INFO.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ScriptUsage {
    /// Scripts in the cache.
    pub cached_scripts: usize,
    /// Libraries of functions.
    pub libraries: usize,
    /// Functions in them.
    pub functions: usize,
    /// What the interpreters for scripts have allocated.
    pub scripts_vm_bytes: usize,
    /// What the interpreters for functions have allocated.
    pub functions_vm_bytes: usize,
    /// What the bodies of cached scripts take.
    pub cached_bytes: usize,
    /// What the code of libraries takes.
    pub libraries_bytes: usize,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Scripts {
    /// By their digests. Unbounded, as in Redis: SCRIPT FLUSH empties it.
    cache: RwLock<HashMap<[u8; 40], Arc<Script>>>,
    cached_bytes: AtomicUsize,
    /// How often the cache was emptied: a thread drops what it has compiled before.
    flushes: AtomicU64,
    libraries: RwLock<Libraries>,
    /// How often the libraries have changed.
    library_changes: AtomicU64,
    next_library: AtomicU64,
    /// What runs for too long.
    pub busy: BusyScripts,
    threads: Mutex<Vec<Arc<ThreadMemory>>>,
}

impl Scripts {
    /// Adds a script to the cache.
    pub(super) fn add(&self, script: Arc<Script>) {
        let mut cache = self.cache.write();
        let bytes = script.bytes();
        if cache.insert(script.digest, script).is_none() {
            self.cached_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The script with this digest, in hexadecimal digits of any case.
    pub fn find(&self, digest: &[u8]) -> Option<Arc<Script>> {
        let digest: [u8; 40] = digest.to_ascii_lowercase().try_into().ok()?;
        self.cache.read().get(&digest).cloned()
    }

    /// Empties the cache.
    pub fn flush(&self) {
        let mut cache = self.cache.write();
        cache.clear();
        cache.shrink_to_fit();
        self.cached_bytes.store(0, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Release);
    }

    pub(super) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// The libraries of functions.
    pub fn libraries(&self) -> RwLockReadGuard<'_, Libraries> {
        self.libraries.read()
    }

    pub(super) fn library_changes(&self) -> u64 {
        self.library_changes.load(Ordering::Acquire)
    }

    /// Changes the libraries, unless `change` fails.
    ///
    /// # Errors
    /// As `change`, which must not have changed anything then.
    pub(super) fn change_libraries<T, E>(
        &self,
        change: impl FnOnce(&mut Libraries) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut libraries = self.libraries.write();
        let result = change(&mut libraries)?;
        self.library_changes.fetch_add(1, Ordering::Release);
        Ok(result)
    }

    /// Deletes a library; false if there is none of this name.
    pub fn delete_library(&self, name: &str) -> bool {
        self.change_libraries(|libraries| libraries.remove(name).then_some(()).ok_or(())).is_ok()
    }

    /// Deletes all libraries.
    pub fn flush_libraries(&self) {
        let Ok(()) = self.change_libraries(|libraries| {
            *libraries = Libraries::default();
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// A library that nobody knows yet.
    pub(super) fn new_library(
        &self,
        name: String,
        code: &[u8],
        functions: Vec<FunctionInfo>,
    ) -> Arc<Library> {
        let id = self.next_library.fetch_add(1, Ordering::Relaxed);
        Arc::new(Library { id, name, code: code.into(), functions })
    }

    pub(super) fn add_thread(&self) -> Arc<ThreadMemory> {
        let memory = Arc::new(ThreadMemory::default());
        self.threads.lock().push(Arc::clone(&memory));
        memory
    }

    /// Numbers for INFO.
    pub fn usage(&self) -> ScriptUsage {
        let libraries = self.libraries.read();
        let mut usage = ScriptUsage {
            cached_scripts: self.cache.read().len(),
            libraries: libraries.iter().len(),
            functions: libraries.function_count(),
            cached_bytes: self.cached_bytes.load(Ordering::Relaxed),
            libraries_bytes: libraries.iter().map(|library| size_of::<Library>() + library.code.len()).sum(),
            ..ScriptUsage::default()
        };
        for thread in self.threads.lock().iter() {
            usage.scripts_vm_bytes += thread.scripts_bytes.load(Ordering::Relaxed);
            usage.functions_vm_bytes += thread.functions_bytes.load(Ordering::Relaxed);
        }
        usage
    }
}
