//! The arguments of one request, as ranges.
//!
//! A multibulk request's arguments are ranges into the receive buffer, so parsing copies nothing. An inline
//! request's arguments had their quotes resolved, so they live in a small buffer of [`ArgumentRanges`] itself;
//! [`ArgumentRanges::in_buffer`] hides the difference. Both vectors are kept from request to request: a
//! connection in a steady state allocates nothing.

use std::fmt;
use std::ops::Index;

/// Ranges longer lists than this many arguments are given back by [`ArgumentRanges::clear`], so that one huge
/// request does not leave its memory behind on an idle connection.
const KEPT_RANGES: usize = 1024;

/// As [`KEPT_RANGES`], for the bytes of an unquoted inline request.
const KEPT_INLINE_BYTES: usize = 4096;

/// Where one argument starts and how long it is. 32 bits are enough: see
/// [`MAX_REQUEST_BYTES`](crate::request::MAX_REQUEST_BYTES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArgumentRange {
    start: u32,
    length_bytes: u32,
}

/// The storage that [`RequestParser::parse`](crate::RequestParser::parse) fills: reuse it for every request.
#[derive(Clone, Debug, Default)]
pub struct ArgumentRanges {
    ranges: Vec<ArgumentRange>,
    /// The bytes that the ranges point into, if the request was inline.
    inline_bytes: Vec<u8>,
    is_inline: bool,
}

impl ArgumentRanges {
    /// No arguments, no memory.
    pub const fn new() -> Self {
        Self { ranges: Vec::new(), inline_bytes: Vec::new(), is_inline: false }
    }

    /// How many arguments were parsed so far (all of them once the parser said `Complete`).
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether no argument was parsed.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The arguments themselves. `buffer` starts at the request's first byte, as it did for the parser.
    ///
    /// # Panics
    ///
    /// The slices are taken when they are asked for; that panics if `buffer` is shorter than what was parsed.
    #[inline]
    pub fn in_buffer<'a>(&'a self, buffer: &'a [u8]) -> Arguments<'a> {
        let bytes = if self.is_inline { &self.inline_bytes } else { buffer };
        Arguments { bytes, ranges: &self.ranges }
    }

    /// Forgets the arguments; keeps a modest amount of memory for the next request.
    #[inline]
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.is_inline = false;
        if self.ranges.capacity() > KEPT_RANGES || self.inline_bytes.capacity() > 0 {
            self.release();
        }
    }

    #[cold]
    fn release(&mut self) {
        self.inline_bytes.clear();
        self.inline_bytes.shrink_to(KEPT_INLINE_BYTES);
        self.ranges.shrink_to(KEPT_RANGES);
    }

    /// Room for a request that announced `arguments`, as far as that may be believed before they arrive.
    #[inline]
    pub(crate) fn reserve(&mut self, arguments: usize) {
        self.ranges.reserve(arguments.min(KEPT_RANGES));
    }

    /// Adds an argument that lies in the receive buffer.
    #[inline]
    pub(crate) fn push(&mut self, start: usize, length_bytes: usize) {
        debug_assert!(start + length_bytes <= crate::request::MAX_REQUEST_BYTES);
        self.ranges.push(ArgumentRange { start: start as u32, length_bytes: length_bytes as u32 });
    }

    /// From here on arguments are made of the bytes given to [`push_inline_byte`](Self::push_inline_byte).
    pub(crate) fn begin_inline(&mut self) {
        self.is_inline = true;
        self.inline_bytes.clear();
    }

    pub(crate) fn begin_inline_argument(&mut self) {
        self.push(self.inline_bytes.len(), 0);
    }

    pub(crate) fn push_inline_byte(&mut self, byte: u8) {
        let last = self.ranges.last_mut().expect("begin_inline_argument was called");
        last.length_bytes += 1;
        self.inline_bytes.push(byte);
    }
}

/// Arguments with memory of their own: a request that is to be run later, or by somebody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedArguments {
    bytes: Vec<u8>,
    ranges: Vec<ArgumentRange>,
}

impl OwnedArguments {
    /// These words, copied.
    ///
    /// # Panics
    ///
    /// If they are longer than a request may be, together.
    pub fn new<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Self {
        let mut arguments = Self::default();
        arguments.replace(words);
        arguments
    }

    /// These words instead, in the same memory.
    ///
    /// # Panics
    ///
    /// If they are longer than a request may be, together.
    pub fn replace<'w>(&mut self, words: impl IntoIterator<Item = &'w [u8]>) {
        self.bytes.clear();
        self.ranges.clear();
        for word in words {
            let start = self.bytes.len();
            assert!(start + word.len() <= crate::request::MAX_REQUEST_BYTES, "no request is as long");
            self.bytes.extend_from_slice(word);
            self.ranges.push(ArgumentRange { start: start as u32, length_bytes: word.len() as u32 });
        }
    }

    /// The arguments.
    #[inline]
    pub fn as_arguments(&self) -> Arguments<'_> {
        Arguments { bytes: &self.bytes, ranges: &self.ranges }
    }

    /// Memory behind them, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * size_of::<ArgumentRange>()
    }
}

/// The arguments of one complete request, the command's name first. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    ranges: &'a [ArgumentRange],
}

impl<'a> Arguments<'a> {
    /// How many there are, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The argument at `index`, with the buffer's lifetime; 0 is the command's name.
    ///
    /// # Panics
    ///
    /// If there is no such argument: arity is checked before a handler runs.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        slice(self.bytes, self.ranges[index])
    }

    /// The arguments from `first` on, which is at most [`len`](Self::len).
    ///
    /// # Panics
    ///
    /// If `first` is greater than that.
    #[inline]
    pub fn skip(&self, first: usize) -> Arguments<'a> {
        Arguments { bytes: self.bytes, ranges: &self.ranges[first..] }
    }

    /// The first `count` arguments; there are at least as many.
    ///
    /// # Panics
    ///
    /// If there are not.
    #[inline]
    pub fn first(&self, count: usize) -> Arguments<'a> {
        Arguments { bytes: self.bytes, ranges: &self.ranges[..count] }
    }

    /// All of them, in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.ranges.iter().map(move |&range| slice(bytes, range))
    }
}

#[inline]
fn slice(bytes: &[u8], range: ArgumentRange) -> &[u8] {
    let start = range.start as usize;
    &bytes[start..start + range.length_bytes as usize]
}

impl Index<usize> for Arguments<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|argument| argument.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_slices_of_the_buffer() {
        let mut ranges = ArgumentRanges::new();
        ranges.push(2, 3);
        ranges.push(5, 0);
        let arguments = ranges.in_buffer(b"xxGETyy");
        assert_eq!(arguments.len(), 2);
        assert_eq!(&arguments[0], b"GET");
        assert_eq!(arguments.get(1), b"");
        assert_eq!(arguments.iter().rev().collect::<Vec<_>>(), [&b""[..], b"GET"]);
        assert_eq!(arguments.skip(1).len(), 1);
        assert_eq!(format!("{arguments:?}"), r#"["GET", ""]"#);
    }

    #[test]
    fn clearing_gives_back_the_memory_of_a_huge_request() {
        let mut ranges = ArgumentRanges::new();
        for start in 0..100_000 {
            ranges.push(start, 1);
        }
        ranges.clear();
        assert!(ranges.is_empty());
        assert!(ranges.ranges.capacity() <= 2 * KEPT_RANGES);
    }

    #[test]
    fn owned_arguments_are_the_words_they_were_made_of() {
        let mut owned = OwnedArguments::new([&b"SET"[..], b"", b"value"]);
        assert_eq!(owned.as_arguments().iter().collect::<Vec<_>>(), [&b"SET"[..], b"", b"value"]);
        owned.replace([&b"GET"[..]]);
        assert_eq!(owned.as_arguments().iter().collect::<Vec<_>>(), [&b"GET"[..]]);
    }
}
