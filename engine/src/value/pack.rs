//! Packs: [elements](super::element) back to back in one run of bytes, the small form of every collection.
//!
//! There is no header and no end mark: who holds a pack knows how long it is. A [`Pack`] can be walked forwards only; in a
//! [`TwoWayPack`] each element is followed by its length, so that it can be walked backwards too.
//!
//! Positions are offsets in bytes at which an element begins, or the pack's length.

use std::ops::Range;

use super::element::{
    ELEMENT_BYTES, Element, Encoded, back_length_bytes, decode, element_bytes, read_back_length,
    write_back_length,
};

/// Elements back to back, for reading: [`Pack`] or [`TwoWayPack`].
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a, const TWO_WAY: bool>(&'a [u8]);

/// A pack that is walked forwards only.
pub(crate) type Pack<'a> = Elements<'a, false>;
/// A pack that is walked both ways.
pub(crate) type TwoWayPack<'a> = Elements<'a, true>;

impl<'a, const TWO_WAY: bool> Elements<'a, TWO_WAY> {
    /// The elements of a pack that was made by a [`PackEditor`] of the same kind, or passed [`Self::check`].
    #[inline]
    pub(crate) fn new(pack: &'a [u8]) -> Self {
        Self(pack)
    }

    /// How many elements the bytes are, `None` where they are no pack: of bytes from elsewhere.
    pub(crate) fn check(bytes: &'a [u8]) -> Option<usize> {
        let mut count = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let element_bytes = element_bytes(rest)?;
            let (element, _) = decode(rest.get(..element_bytes)?)?;
            let encoded = match element {
                Element::Bytes(bytes) => Encoded::new(bytes),
                Element::Integer(integer) => Encoded::integer(integer),
            };
            let (stored, after) = rest.split_at_checked(encoded.len_in::<TWO_WAY>())?;
            let mut expected_back = [0; 5];
            let expected_back = &mut expected_back[..stored.len() - encoded.len()];
            if TWO_WAY {
                write_back_length(encoded.len(), expected_back);
            }
            if encoded.len() != element_bytes || !encoded.begins(stored) || !stored.ends_with(expected_back) {
                return None;
            }
            rest = after;
            count += 1;
        }
        Some(count)
    }

    /// The element at a position, and the position after it; `None` at the end.
    #[inline]
    pub(crate) fn get(self, at: usize) -> Option<(Element<'a>, usize)> {
        let rest = self.0.get(at..).filter(|rest| !rest.is_empty())?;
        let (element, bytes) = decode(rest).expect("a pack is well formed");
        let back_bytes = if TWO_WAY { back_length_bytes(bytes) } else { 0 };
        Some((element, at + bytes + back_bytes))
    }

    /// The position after the element at a position.
    #[inline]
    pub(crate) fn after(self, at: usize) -> usize {
        let bytes = match ELEMENT_BYTES[usize::from(self.0[at])] {
            0 => element_bytes(&self.0[at..]).expect("a pack is well formed"),
            // Such elements have at most 64 bytes, and a back length of one.
            bytes => return at + usize::from(bytes) + usize::from(TWO_WAY),
        };
        at + bytes + if TWO_WAY { back_length_bytes(bytes) } else { 0 }
    }

    /// The position of element number `index`, counted from 0; the end where there are at most so many.
    pub(crate) fn position(self, index: usize) -> usize {
        let mut at = 0;
        for _ in 0..index {
            if at >= self.0.len() {
                break;
            }
            at = self.after(at);
        }
        at
    }

    /// The position of the first element equal to `wanted`, of those at `from`, `stride` elements later, and so on.
    #[inline]
    pub(crate) fn find(self, wanted: &Encoded<'_>, from: usize, stride: usize) -> Option<usize> {
        let first = wanted.first();
        let mut at = from;
        while let Some(&byte) = self.0.get(at) {
            if byte == first && wanted.begins(&self.0[at..]) {
                return Some(at);
            }
            for _ in 0..stride {
                if at < self.0.len() {
                    at = self.after(at);
                }
            }
        }
        None
    }

    /// The elements in order, from a position on.
    #[inline]
    pub(crate) fn iter_from(self, at: usize) -> PackIter<'a, TWO_WAY> {
        PackIter { pack: self, at }
    }

    /// The elements in order.
    #[inline]
    pub(crate) fn iter(self) -> PackIter<'a, TWO_WAY> {
        self.iter_from(0)
    }
}

impl TwoWayPack<'_> {
    /// The position of the element before a position; `None` at the start.
    #[inline]
    pub(crate) fn before(self, at: usize) -> Option<usize> {
        if at == 0 {
            return None;
        }
        let (bytes, back_bytes) = read_back_length(&self.0[..at]).expect("a pack is well formed");
        Some(at - bytes - back_bytes)
    }
}

/// The elements of a pack in order.
#[derive(Clone)]
pub(crate) struct PackIter<'a, const TWO_WAY: bool> {
    pack: Elements<'a, TWO_WAY>,
    at: usize,
}

impl<'a, const TWO_WAY: bool> Iterator for PackIter<'a, TWO_WAY> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (element, at) = self.pack.get(self.at)?;
        self.at = at;
        Some(element)
    }
}

/// Changes a pack. The vector grows by exactly what is needed, so that as a box it wastes nothing.
pub(crate) struct PackEditor<'a, const TWO_WAY: bool>(pub(crate) &'a mut Vec<u8>);

impl<const TWO_WAY: bool> PackEditor<'_, TWO_WAY> {
    /// Appends an element.
    #[inline]
    pub(crate) fn push(&mut self, element: &Encoded<'_>) {
        self.splice(self.0.len()..self.0.len(), &[*element]);
    }

    /// Puts elements at a position.
    #[inline]
    pub(crate) fn insert(&mut self, at: usize, elements: &[Encoded<'_>]) {
        self.splice(at..at, elements);
    }

    /// Puts another element in the place of the one at a position.
    #[inline]
    pub(crate) fn replace(&mut self, at: usize, element: &Encoded<'_>) {
        let end = Elements::<TWO_WAY>::new(self.0).after(at);
        self.splice(at..end, &[*element]);
    }

    /// Takes `count` elements out, from the one at a position on.
    pub(crate) fn remove(&mut self, at: usize, count: usize) {
        let pack = Elements::<TWO_WAY>::new(self.0);
        let mut end = at;
        for _ in 0..count {
            end = pack.after(end);
        }
        self.splice(at..end, &[]);
    }

    /// Puts elements in the place of those between two positions.
    pub(crate) fn splice(&mut self, range: Range<usize>, elements: &[Encoded<'_>]) {
        let new_bytes: usize = elements.iter().map(Encoded::len_in::<TWO_WAY>).sum();
        let old_bytes = range.len();
        let pack = &mut *self.0;
        let length = pack.len();
        if new_bytes > old_bytes {
            let growth = new_bytes - old_bytes;
            pack.reserve_exact(growth);
            pack.resize(length + growth, 0);
            pack.copy_within(range.end..length, range.end + growth);
        } else if new_bytes < old_bytes {
            pack.copy_within(range.end.., range.start + new_bytes);
            pack.truncate(length - (old_bytes - new_bytes));
        }
        let mut at = range.start;
        for element in elements {
            let end = at + element.len_in::<TWO_WAY>();
            element.write::<TWO_WAY>(&mut pack[at..end]);
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed<const TWO_WAY: bool>(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut pack = Vec::new();
        elements.iter().for_each(|bytes| PackEditor::<TWO_WAY>(&mut pack).push(&Encoded::new(bytes)));
        pack
    }

    fn unpacked<const TWO_WAY: bool>(pack: &[u8]) -> Vec<Vec<u8>> {
        Elements::<TWO_WAY>::new(pack).iter().map(Element::to_vec).collect()
    }

    #[test]
    fn elements_are_as_short_as_they_can_be() {
        for (text, bytes) in [
            ("", &b"\x80"[..]),
            ("a", b"\x81a"),
            ("0", b"\x00"),
            ("127", b"\x7f"),
            ("128", b"\xc0\x80"),
            ("-1", b"\xdf\xff"),
            ("4095", b"\xcf\xff"),
            ("-4096", b"\xd0\x00"),
            ("4096", b"\xf1\x00\x10"),
            ("-32768", b"\xf1\x00\x80"),
            ("32768", b"\xf2\x00\x80\x00"),
            ("8388607", b"\xf2\xff\xff\x7f"),
            ("-8388609", b"\xf3\xff\xff\x7f\xff"),
            ("2147483648", b"\xf4\x00\x00\x00\x80\x00\x00\x00\x00"),
            ("007", b"\x83007"),
            ("-0", b"\x82-0"),
        ] {
            let pack = packed::<false>(&[text.into()]);
            assert_eq!(pack.escape_ascii().to_string(), bytes.escape_ascii().to_string(), "{text}");
            assert_eq!(unpacked::<false>(&pack), [text.as_bytes()]);
        }
    }

    #[test]
    fn strings_of_every_length_come_back_both_ways() {
        let lengths = [0, 1, 63, 64, 4095, 4096, 16_376, 16_377, 16_378, 16_379, 100_000, 2_097_150];
        let elements: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![b'x'; length]).collect();
        let (one_way, two_way) = (packed::<false>(&elements), packed::<true>(&elements));
        assert!(unpacked::<false>(&one_way) == elements && unpacked::<true>(&two_way) == elements);
        assert_eq!(Pack::check(&one_way), Some(elements.len()));
        assert_eq!(TwoWayPack::check(&two_way), Some(elements.len()));
        let pack = TwoWayPack::new(&two_way);
        let mut at = two_way.len();
        for element in elements.iter().rev() {
            at = pack.before(at).expect("there are more");
            assert!(pack.get(at).unwrap().0 == **element);
        }
        assert_eq!(pack.before(at), None);
    }

    #[test]
    fn only_some_elements_are_searched() {
        let pack = packed::<false>(&[b"a".to_vec(), b"b".to_vec(), b"b".to_vec(), b"a".to_vec()]);
        let pack = Pack::new(&pack);
        assert_eq!(pack.find(&Encoded::new(b"b"), 0, 1), Some(2));
        assert_eq!(pack.find(&Encoded::new(b"b"), 0, 2), Some(4));
        assert_eq!(pack.find(&Encoded::new(b"a"), 2, 2), Some(6));
        assert_eq!(pack.find(&Encoded::new(b"c"), 0, 1), None);
        // An odd one at the end is no pair.
        assert_eq!(Pack::new(b"\x01\x02\x03").find(&Encoded::new(b"2"), 0, 2), None);
    }

    #[test]
    fn what_is_no_pack_is_refused() {
        for bytes in [
            &b"\xf5"[..],
            b"\xff",
            b"\x82a",
            b"\xe0",
            b"\xe0\x01a",
            b"\xf0\xff\xff\xff\xff",
            b"\xf0\x01",
            b"\xc0\x01",
            b"\xc0",
            b"\xf1\x01\x00",
            b"\xf4\0\0\0\0\0\0\0\0",
            b"\x8212",
        ] {
            assert_eq!(Pack::check(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(TwoWayPack::check(b"\x81a\x03"), None);
        assert_eq!(TwoWayPack::check(b"\x81a"), None);
        assert_eq!(TwoWayPack::check(b"\x81a\x02"), Some(1));
    }

    fn element() -> impl Strategy<Value = Vec<u8>> {
        let integer = any::<(i64, u8)>().prop_map(|(bits, shift)| (bits >> (shift % 64)).to_string().into());
        let word = "[a-c0-2-]{0,3}".prop_map(String::into_bytes);
        let long = (0usize..5000).prop_map(|length| vec![b'y'; length]);
        prop_oneof![integer, word, long]
    }

    fn edits_agree<const TWO_WAY: bool>(edits: &[(u8, usize, Vec<u8>, Vec<u8>)]) {
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut pack = Vec::new();
        for (kind, index, one, other) in edits {
            let index = index % (model.len() + 1);
            let at = Elements::<TWO_WAY>::new(&pack).position(index);
            let mut editor = PackEditor::<TWO_WAY>(&mut pack);
            match kind {
                0 => {
                    editor.push(&Encoded::new(one));
                    model.push(one.clone());
                }
                1 => {
                    editor.insert(at, &[Encoded::new(one), Encoded::new(other)]);
                    model.splice(index..index, [one.clone(), other.clone()]);
                }
                2 if index < model.len() => {
                    editor.replace(at, &Encoded::new(one));
                    model[index] = one.clone();
                }
                3 => {
                    let count = (model.len() - index).min(2);
                    editor.remove(at, count);
                    model.drain(index..index + count);
                }
                _ => {}
            }
            let elements = Elements::<TWO_WAY>::new(&pack);
            assert_eq!(unpacked::<TWO_WAY>(&pack), model);
            assert_eq!(Elements::<TWO_WAY>::check(&pack), Some(model.len()));
            let expected = model.iter().position(|element| element == one);
            let found = elements.find(&Encoded::new(one), 0, 1);
            assert_eq!(found, expected.map(|index| elements.position(index)));
        }
    }

    proptest! {
        #[test]
        fn any_edits_agree_with_a_vector(
            edits in prop::collection::vec((0u8..4, any::<usize>(), element(), element()), 0..40),
        ) {
            edits_agree::<false>(&edits);
            edits_agree::<true>(&edits);
        }

        #[test]
        fn any_bytes_are_checked_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(count) = Pack::check(&bytes) {
                prop_assert_eq!(packed::<false>(&unpacked::<false>(&bytes)), bytes.clone());
                prop_assert_eq!(Pack::new(&bytes).iter().count(), count);
            }
            if TwoWayPack::check(&bytes).is_some() {
                prop_assert_eq!(packed::<true>(&unpacked::<true>(&bytes)), bytes);
            }
        }
    }
}
