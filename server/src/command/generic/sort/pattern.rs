//! BY and GET patterns: from an element to the string or hash field that it stands for.

use thermocline_engine::value::{IntegerDigits, Value, ValueType};
use thermocline_engine::{Cold, Keys};

use crate::command::Failure;

/// What a pattern says of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// It has no place for the element, so it leads nowhere.
    Nowhere,
    /// The key that has the element between these, or a field of the hash there.
    Key { prefix: &'a [u8], suffix: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Self::Nowhere };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        // An arrow that nothing follows is a part of the name.
        match rest.windows(2).position(|pair| pair == b"->").filter(|arrow| arrow + 2 < rest.len()) {
            Some(arrow) => Self::Key { prefix, suffix: &rest[..arrow], field: Some(&rest[arrow + 2..]) },
            None => Self::Key { prefix, suffix: rest, field: None },
        }
    }

    /// The key that an element leads to, if to one.
    fn key(&self, element: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Key { prefix, suffix, .. } => Some([prefix, element, suffix].concat()),
            Self::Element | Self::Nowhere => None,
        }
    }

    /// What it finds there must be.
    fn value_type(&self) -> ValueType {
        match self {
            Self::Key { field: Some(_), .. } => ValueType::Hash,
            _ => ValueType::String,
        }
    }

    /// The string that an element leads to, which [`Lookups::prepare`] has made available.
    pub(super) fn look_up(&self, keys: &mut Keys<'_>, element: &[u8]) -> Result<Option<Vec<u8>>, Cold> {
        let Some(key) = self.key(element) else {
            return Ok((*self == Self::Element).then(|| element.to_vec()));
        };
        if keys.peek(&key).is_none_or(|info| info.value_type != self.value_type()) {
            // It counts as looked up all the same.
            keys.info(&key);
            return Ok(None);
        }
        let now = keys.now();
        Ok(match (keys.get(&key)?, self) {
            (Some(Value::Hash(hash)), Self::Key { field: Some(field), .. }) => {
                hash.get(field, now).map(|value| value.to_vec())
            }
            (Some(Value::String(string)), _) => Some(string.bytes(&mut IntegerDigits::new()).to_vec()),
            _ => None,
        })
    }
}

/// The keys that a run of the command looks up beside those that it names.
#[derive(Default)]
pub(super) struct Lookups {
    keys: Vec<Vec<u8>>,
}

impl Lookups {
    /// Makes sure that what these pairs lead to can be looked up.
    ///
    /// # Errors
    /// [`Failure::NeedsKeys`] where keys are not locked, [`Failure::Cold`] where values must be read.
    pub(super) fn prepare<'p>(
        &mut self,
        keys: &mut Keys<'_>,
        pairs: impl Iterator<Item = (&'p Pattern<'p>, &'p [u8])>,
    ) -> Result<(), Failure> {
        let known = self.keys.len();
        let mut types = Vec::new();
        for (pattern, element) in pairs {
            if let Some(key) = pattern.key(element) {
                self.keys.push(key);
                types.push(pattern.value_type());
            }
        }
        let new = &self.keys[known..];
        if !new.iter().all(|key| keys.covers(key)) {
            return Err(Failure::NeedsKeys(std::mem::take(&mut self.keys)));
        }
        let mut are_readable = true;
        for (key, value_type) in new.iter().zip(types) {
            // All that are cold become known, so that they are read at once.
            if keys.peek(key).is_some_and(|info| info.value_type == value_type) {
                are_readable &= keys.is_readable(key);
            }
        }
        if are_readable { Ok(()) } else { Err(Failure::Cold) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_keys_around_the_first_star_and_perhaps_a_field() {
        let key = |prefix, suffix, field: Option<&'static [u8]>| Pattern::Key { prefix, suffix, field };
        for (text, pattern) in [
            (&b"#"[..], Pattern::Element),
            (b"nosort", Pattern::Nowhere),
            (b"", Pattern::Nowhere),
            (b"##", Pattern::Nowhere),
            (b"w_*", key(b"w_", b"", None)),
            (b"*", key(b"", b"", None)),
            (b"a*b*c", key(b"a", b"b*c", None)),
            (b"w_*->f", key(b"w_", b"", Some(b"f"))),
            (b"w_*_x->f->g", key(b"w_", b"_x", Some(b"f->g"))),
            (b"w_*->", key(b"w_", b"->", None)),
            (b"w->*", key(b"w->", b"", None)),
        ] {
            assert_eq!(Pattern::parse(text), pattern, "{}", text.escape_ascii());
        }
    }
}
