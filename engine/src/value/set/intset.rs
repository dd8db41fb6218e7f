//! Small sets of integers: sorted, each as wide as the widest needs to be.
//!
//! ```text
//! count | integers of 1 to 8 bytes, little-endian, ascending
//! ```
//!
//! The width is the length divided by the count; it does not shrink, since no client sees it.

use crate::value::counted_pack::CountedPack;

/// Reads a [`CountedPack`] whose body are integers.
#[derive(Clone, Copy)]
pub(super) struct Integers<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl<'a> Integers<'a> {
    pub(super) fn new(set: &'a CountedPack) -> Self {
        let bytes = set.body();
        let width = if bytes.is_empty() { 1 } else { bytes.len() / set.count() };
        Self { bytes, width }
    }

    /// Whether stored bytes are such integers.
    pub(super) fn check(set: &'a CountedPack) -> bool {
        let length = set.body().len();
        let width = length.checked_div(set.count()).unwrap_or(0);
        if width * set.count() != length || !matches!(width, 1..=8) {
            return false;
        }
        Self::new(set).iter().is_sorted_by(|one, next| one < next)
    }

    pub(super) fn len(self) -> usize {
        self.bytes.len() / self.width
    }

    /// Integer number `index` in ascending order.
    #[inline]
    pub(super) fn get(self, index: usize) -> i64 {
        let bytes = &self.bytes[index * self.width..][..self.width];
        let is_negative = bytes[self.width - 1] & 0x80 != 0;
        let mut wide = [if is_negative { 0xff } else { 0 }; size_of::<i64>()];
        wide[..self.width].copy_from_slice(bytes);
        i64::from_le_bytes(wide)
    }

    /// Where the integer is, or else where it belongs.
    pub(super) fn search(self, integer: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&integer) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = i64> + Clone + 'a {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// How many bytes an integer takes at least, its sign included.
fn width_of(integer: i64) -> usize {
    let magnitude = if integer < 0 { !integer } else { integer };
    let bits = i64::BITS - magnitude.leading_zeros() + 1;
    bits.div_ceil(u8::BITS) as usize
}

/// Adds an integer; false where it is there already.
pub(super) fn insert(set: &mut CountedPack, integer: i64) -> bool {
    let integers = Integers::new(set);
    let Err(index) = integers.search(integer) else { return false };
    let (old_width, width) = (integers.width, integers.width.max(width_of(integer)));
    let widened: Option<Vec<u8>> = (width > old_width).then(|| {
        let mut bytes = Vec::with_capacity(CountedPack::START + (integers.len() + 1) * width);
        bytes.resize(CountedPack::START, 0);
        integers.iter().for_each(|integer| bytes.extend_from_slice(&integer.to_le_bytes()[..width]));
        bytes
    });
    set.edit(set.count() + 1, |bytes| {
        if let Some(widened) = widened {
            *bytes = widened;
        }
        let at = CountedPack::START + index * width;
        let length = bytes.len();
        bytes.reserve_exact(width);
        bytes.resize(length + width, 0);
        bytes.copy_within(at..length, at + width);
        bytes[at..at + width].copy_from_slice(&integer.to_le_bytes()[..width]);
    });
    true
}

/// Takes an integer out; false where it is not there.
pub(super) fn remove(set: &mut CountedPack, integer: i64) -> bool {
    let integers = Integers::new(set);
    let Ok(index) = integers.search(integer) else { return false };
    let width = integers.width;
    let at = CountedPack::START + index * width;
    set.edit(set.count() - 1, |bytes| drop(bytes.drain(at..at + width)));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_wide_as_the_widest_and_in_order() {
        let mut set = CountedPack::new(true);
        let mut expected = Vec::new();
        for (integer, width) in
            [(5, 1), (-128, 1), (127, 1), (128, 2), (-32_769, 3), (9, 3), (1 << 40, 6), (i64::MIN, 8)]
        {
            assert!(insert(&mut set, integer) && !insert(&mut set, integer));
            expected.push(integer);
            expected.sort_unstable();
            assert_eq!(set.body().len(), width * expected.len());
            assert!(Integers::new(&set).iter().eq(expected.iter().copied()));
            assert!(Integers::check(&set));
        }
        assert!(remove(&mut set, 9) && !remove(&mut set, 9));
        assert_eq!(Integers::new(&set).search(9), Err(4));
        assert_eq!((Integers::new(&set).search(i64::MIN), set.count()), (Ok(0), 7));
    }

    #[test]
    fn bytes_that_are_no_integers_in_order_are_refused() {
        for (count, body) in [
            (0, &b""[..]),
            (0, b"12"),
            (2, b"1"),
            (2, b"123"),
            (1, b"123456789"),
            (2, b"\x01\x01"),
            (2, b"\x02\0\x01\0"),
        ] {
            let bytes = [&[0, 0], body].concat();
            assert!(!Integers::check(&CountedPack::from_vec(true, count, bytes)), "{count} {body:?}");
        }
    }
}
