//! What SORT is asked for.

use std::ops::Range;

use thermocline_protocol::Arguments;

use super::Pattern;
use crate::command::Failure;
use crate::command::arguments::{integer, is_word};

/// The arguments behind the key.
pub(super) struct SortOptions<'a> {
    /// The pattern that leads to what elements are compared by; `None` where that is themselves.
    pub(super) by: Option<Pattern<'a>>,
    /// Whether BY says not to sort.
    by_nothing: bool,
    pub(super) get: Vec<Pattern<'a>>,
    /// How many are passed over, and how many are wanted; the second is below zero for all.
    limit: (i64, i64),
    pub(super) is_descending: bool,
    pub(super) is_alphabetic: bool,
    pub(super) store: Option<&'a [u8]>,
}

impl<'a> SortOptions<'a> {
    /// Reads them. `may_look_up` is asked whether the client may read keys that it does not name.
    pub(super) fn parse(
        arguments: Arguments<'a>,
        may_store: bool,
        may_look_up: impl Fn() -> bool,
    ) -> Result<Self, Failure> {
        let mut options = Self {
            by: None,
            by_nothing: false,
            get: Vec::new(),
            limit: (0, -1),
            is_descending: false,
            is_alphabetic: false,
            store: None,
        };
        let mut at = 2;
        while at < arguments.len() {
            let word = arguments.get(at);
            let left = arguments.len() - at - 1;
            at += 1 + match word {
                word if is_word(word, "ASC") => {
                    options.is_descending = false;
                    0
                }
                word if is_word(word, "DESC") => {
                    options.is_descending = true;
                    0
                }
                word if is_word(word, "ALPHA") => {
                    options.is_alphabetic = true;
                    0
                }
                word if is_word(word, "LIMIT") && left >= 2 => {
                    options.limit = (integer(arguments.get(at + 1))?, integer(arguments.get(at + 2))?);
                    2
                }
                word if may_store && is_word(word, "STORE") && left >= 1 => {
                    options.store = Some(arguments.get(at + 1));
                    1
                }
                word if is_word(word, "BY") && left >= 1 => {
                    options.set_by(arguments.get(at + 1), &may_look_up)?;
                    1
                }
                word if is_word(word, "GET") && left >= 1 => {
                    if !may_look_up() {
                        return Err(denied("GET"));
                    }
                    options.get.push(Pattern::parse(arguments.get(at + 1)));
                    1
                }
                _ => return Err(Failure::SYNTAX),
            };
        }
        if options.by_nothing {
            options.by = None;
        }
        Ok(options)
    }

    fn set_by(&mut self, pattern: &'a [u8], may_look_up: &impl Fn() -> bool) -> Result<(), Failure> {
        match Pattern::parse(pattern) {
            by @ Pattern::Key { .. } => {
                if !may_look_up() {
                    return Err(denied("BY"));
                }
                self.by = Some(by);
            }
            // Once a pattern leads nowhere, nothing is sorted, whatever other BY there is.
            _ => self.by_nothing = true,
        }
        Ok(())
    }

    /// Whether there is an order to establish.
    pub(super) fn is_sorted(&self) -> bool {
        !self.by_nothing
    }

    /// The positions among so many elements that are asked for.
    pub(super) fn range(&self, length: usize) -> Range<usize> {
        let (skipped, wanted) = self.limit;
        let start = usize::try_from(skipped).unwrap_or(0).min(length);
        let end = usize::try_from(wanted).map_or(length, |wanted| start.saturating_add(wanted).min(length));
        start..end
    }
}

fn denied(option: &str) -> Failure {
    Failure::error(format!("ERR {option} option of SORT denied due to insufficient ACL permissions."))
}
