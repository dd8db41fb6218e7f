//! Redis' listpacks: small collections as one string.
//!
//! ```text
//! all bytes 4 | elements 2 (65535 where there are more) | element | ... | 0xff        little-endian
//! ```
//!
//! What an element is, the engine knows: its own packs are made of the same.

use thermocline_engine::value::Element;

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
/// The number of elements that says: count them.
const MANY: u16 = u16::MAX;

/// A listpack of these elements.
pub(super) fn write<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<u8> {
    let mut listpack = vec![0; HEADER_BYTES];
    let mut count = 0usize;
    for element in elements {
        element.write_to_listpack(&mut listpack);
        count += 1;
    }
    listpack.push(END);
    let bytes = u32::try_from(listpack.len()).expect("a listpack is far smaller than 4 GiB");
    listpack[..4].copy_from_slice(&bytes.to_le_bytes());
    let count = u16::try_from(count).unwrap_or(MANY);
    listpack[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    listpack
}

/// The elements of a listpack, and how many they are; `None` where the bytes are no listpack.
pub(super) fn read(listpack: &[u8]) -> Option<(Elements<'_>, usize)> {
    let (header, body) = listpack.split_at_checked(HEADER_BYTES)?;
    let (&END, body) = body.split_last()? else { return None };
    let bytes = u32::from_le_bytes(header[..4].try_into().ok()?);
    let announced = u16::from_le_bytes(header[4..].try_into().ok()?);
    let (mut at, mut count) = (0, 0);
    while at < body.len() {
        at += Element::read_from_listpack(&body[at..])?.1;
        count += 1;
    }
    let is_announced = announced == MANY || usize::from(announced) == count;
    (usize::try_from(bytes) == Ok(listpack.len()) && is_announced).then_some((Elements(body), count))
}

/// The elements of a listpack that was found sound, in order.
#[derive(Clone)]
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, bytes) = Element::read_from_listpack(self.0)?;
        self.0 = &self.0[bytes..];
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listpacks_are_those_of_redis() {
        // What redis-server 7.0 keeps for `HSET h f 1 long <70 x>`.
        let long = [b'x'; 70];
        let elements = [&b"f"[..], b"1", b"long", &long].map(Element::of);
        let listpack = write(elements.into_iter());
        let expected = [
            &b"\x5b\0\0\0\x04\0"[..],
            b"\x81f\x02",
            b"\x01\x01",
            b"\x84long\x05",
            b"\xe0\x46",
            &long,
            b"\x48\xff",
        ]
        .concat();
        assert_eq!(listpack.escape_ascii().to_string(), expected.escape_ascii().to_string());
        let (read, count) = read(&listpack).expect("a listpack");
        assert_eq!((read.collect::<Vec<_>>(), count), (elements.to_vec(), 4));
    }

    #[test]
    fn damaged_listpacks_are_refused() {
        let sound = write([Element::Integer(5), Element::Bytes(b"abc")].into_iter());
        for length in 0..sound.len() {
            assert!(read(&sound[..length]).is_none());
        }
        for (at, byte) in [(0, 0), (4, 3), (6, 0x85), (7, 2), (8, 0x84), (12, 3), (13, 0xfe)] {
            let mut damaged = sound.clone();
            damaged[at] = byte;
            assert!(read(&damaged).is_none(), "byte {at}");
        }
        let mut counted_by_the_reader = sound;
        counted_by_the_reader[4..6].fill(0xff);
        assert!(read(&counted_by_the_reader).is_some_and(|(_, count)| count == 2));
    }
}
