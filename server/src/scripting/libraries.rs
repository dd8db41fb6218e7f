//! All libraries of functions: by their names, and by the names of their functions.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::library::{FunctionInfo, Library};

/// What FUNCTION RESTORE does with libraries that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestorePolicy {
    /// They go.
    Flush,
    /// They stay, and none of the same name may come.
    Append,
    /// They stay, unless one of the same name comes.
    Replace,
}

/// See the module's description. Cloning it copies references.
#[derive(Debug, Default, Clone)]
pub struct Libraries {
    by_name: BTreeMap<String, Arc<Library>>,
    /// By the function's name in lower case: its library, and which of its functions it is.
    functions: HashMap<String, (Arc<Library>, usize)>,
}

impl Libraries {
    /// The library of this name.
    pub fn library(&self, name: &str) -> Option<&Arc<Library>> {
        self.by_name.get(name)
    }

    /// The function of this name, in any case, and its library.
    pub fn function(&self, name: &[u8]) -> Option<(&Arc<Library>, &FunctionInfo)> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let (library, index) = self.functions.get(&name)?;
        Some((library, &library.functions[*index]))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// How many functions there are in all of them.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// Adds a library, in place of one of its name if `replaces`.
    ///
    /// # Errors
    /// Its name, or that of one of its functions, is taken; the text is an error reply. Nothing has changed then.
    pub(super) fn add(&mut self, library: Arc<Library>, replaces: bool) -> Result<(), Cow<'static, str>> {
        let old = self.by_name.get(&library.name).cloned();
        if old.is_some() && !replaces {
            return Err(taken(&library.name));
        }
        let is_old = |other: &Library| old.as_ref().is_some_and(|old| old.id == other.id);
        for function in &library.functions {
            match self.functions.get(&function.name.to_ascii_lowercase()) {
                Some((other, _)) if !is_old(other) => {
                    return Err(format!("ERR Function {} already exists", function.name).into());
                }
                _ => {}
            }
        }
        if let Some(old) = old {
            self.remove(&old.name);
        }
        for (index, function) in library.functions.iter().enumerate() {
            self.functions.insert(function.name.to_ascii_lowercase(), (Arc::clone(&library), index));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// Removes a library and its functions; false if there is none.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        self.functions.retain(|_, (of, _)| of.id != library.id);
        true
    }
}

/// That a library's name is taken.
pub(super) fn taken(name: &str) -> Cow<'static, str> {
    format!("ERR Library '{name}' already exists").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripting::ScriptFlags;

    fn library(id: u64, name: &str, functions: &[&str]) -> Arc<Library> {
        let function = |name: &&str| FunctionInfo {
            name: (*name).to_owned(),
            description: None,
            flags: ScriptFlags::NONE,
        };
        let functions = functions.iter().map(function).collect();
        Arc::new(Library { id, name: name.to_owned(), code: Box::default(), functions })
    }

    #[test]
    fn functions_are_found_in_any_case_and_go_with_their_library() {
        let mut libraries = Libraries::default();
        libraries.add(library(1, "lib", &["One", "two"]), false).expect("both names are free");
        assert_eq!(libraries.function(b"ONE").map(|(_, info)| &*info.name), Some("One"));
        assert!(libraries.remove("lib"));
        assert!(libraries.function(b"one").is_none());
        assert_eq!(libraries.function_count(), 0);
    }

    #[test]
    fn a_name_that_is_taken_changes_nothing() {
        let mut libraries = Libraries::default();
        libraries.add(library(1, "a", &["f"]), false).expect("free");
        libraries.add(library(2, "b", &["g"]), false).expect("free");
        assert_eq!(libraries.add(library(3, "b", &["F"]), true), Err("ERR Function F already exists".into()));
        assert_eq!(libraries.add(library(4, "a", &["h"]), false), Err(taken("a")));
        assert_eq!(libraries.library("b").map(|library| library.id), Some(2));
        libraries.add(library(5, "a", &["f", "h"]), true).expect("it replaces its own function");
        assert_eq!(libraries.function_count(), 3);
    }
}
