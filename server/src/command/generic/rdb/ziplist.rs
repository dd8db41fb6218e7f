//! Redis' ziplists, which small collections were before Redis 7.0, and zipmaps, which small hashes were before 2.6. They
//! are only read.
//!
//! ```text
//! ziplist:  all bytes 4 | offset of the last entry 4 | entries 2 (65535 where there are more) | entry | ... | 0xff
//!           entry: length of the entry before it, 1 byte below 254, or 254 and 4 bytes | content
//!           content: 00llllll | bytes    01llllll llllllll | bytes    10xxxxxx l(4 bytes) | bytes   lengths big-endian
//!                    0xc0 i16   0xd0 i32   0xe0 i64   0xf0 i24   0xfe i8   0xf1 to 0xfd: 0 to 12      little-endian
//! zipmap:   fields 1 | length | field | length | unused bytes 1 | value | unused bytes | ... | 0xff
//!           length: 1 byte below 254, or 254 and 4 bytes                                            little-endian
//! ```

use thermocline_engine::value::Element;

use super::string::Reader;

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
const MANY: u16 = u16::MAX;
/// Lengths from here on take four more bytes.
const LONG: u8 = 254;

/// The elements of a ziplist, and how many they are; `None` where the bytes are no ziplist.
pub(super) fn read(ziplist: &[u8]) -> Option<(Elements<'_>, usize)> {
    let (header, body) = ziplist.split_at_checked(HEADER_BYTES)?;
    let (&END, body) = body.split_last()? else { return None };
    let bytes = u32::from_le_bytes(header[..4].try_into().ok()?);
    let announced = u16::from_le_bytes(header[8..].try_into().ok()?);
    let mut rest = Reader(body);
    let (mut count, mut length_before) = (0, 0);
    while !rest.0.is_empty() {
        let before = rest.0.len();
        if read_length(&mut rest)? != length_before {
            return None;
        }
        content(&mut rest)?;
        length_before = before - rest.0.len();
        count += 1;
    }
    let is_announced = announced == MANY || usize::from(announced) == count;
    (usize::try_from(bytes) == Ok(ziplist.len()) && is_announced).then_some((Elements(Reader(body)), count))
}

/// The elements of a ziplist that was found sound, in order.
pub(super) struct Elements<'a>(Reader<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        read_length(&mut self.0)?;
        content(&mut self.0)
    }
}

/// A length of one byte, or of four behind a byte that says so.
fn read_length(rest: &mut Reader<'_>) -> Option<usize> {
    match rest.array()? {
        [LONG] => usize::try_from(u32::from_le_bytes(rest.array()?)).ok(),
        [END] => None,
        [length] => Some(usize::from(length)),
    }
}

fn content<'a>(rest: &mut Reader<'a>) -> Option<Element<'a>> {
    let [first] = rest.array()?;
    let low_bits = usize::from(first & 0x3f);
    let integer = match first {
        0..0x40 => return rest.take(low_bits).map(Element::Bytes),
        0x40..0x80 => {
            let [low] = rest.array()?;
            return rest.take(low_bits << 8 | usize::from(low)).map(Element::Bytes);
        }
        0x80..0xc0 => {
            let length = usize::try_from(u32::from_be_bytes(rest.array()?)).ok()?;
            return rest.take(length).map(Element::Bytes);
        }
        0xc0 => i64::from(i16::from_le_bytes(rest.array()?)),
        0xd0 => i64::from(i32::from_le_bytes(rest.array()?)),
        0xe0 => i64::from_le_bytes(rest.array()?),
        0xf0 => {
            let [low, middle, high] = rest.array()?;
            i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)
        }
        0xfe => i64::from(i8::from_le_bytes(rest.array()?)),
        0xf1..=0xfd => i64::from(first - 0xf1),
        _ => return None,
    };
    Some(Element::Integer(integer))
}

/// The next field and value of a zipmap whose first byte was taken off; `Some(None)` at its end.
pub(super) fn next_of_zipmap<'a>(rest: &mut Reader<'a>) -> Option<Option<(&'a [u8], &'a [u8])>> {
    if rest.0 == [END] {
        return Some(None);
    }
    let length = read_length(rest)?;
    let field = rest.take(length)?;
    let length = read_length(rest)?;
    let [unused] = rest.array()?;
    let value = rest.take(length)?;
    rest.take(usize::from(unused))?;
    Some(Some((field, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_kind_are_read() {
        let long = [b'y'; 300];
        let entries: [(&[u8], Element<'_>); 10] = [
            (b"\x03abc", Element::Bytes(b"abc")),
            (b"\xf1", Element::Integer(0)),
            (b"\xfd", Element::Integer(12)),
            (b"\xfe\x80", Element::Integer(-128)),
            (b"\xc0\x39\x30", Element::Integer(12345)),
            (b"\xf0\xff\xff\xff", Element::Integer(-1)),
            (b"\xd0\x00\x00\x00\x80", Element::Integer(-(1 << 31))),
            (b"\xe0\0\0\0\0\0\0\0\x40", Element::Integer(1 << 62)),
            (b"\x41\x2c", Element::Bytes(&long)),
            (b"\x80\0\0\0\x01z", Element::Bytes(b"z")),
        ];
        let mut body = Vec::new();
        let mut before = 0;
        for (content, element) in &entries {
            let start = body.len();
            match before {
                0..254 => body.push(before as u8),
                _ => {
                    body.push(LONG);
                    body.extend((before as u32).to_le_bytes());
                }
            }
            body.extend_from_slice(content);
            if element.len() == long.len() {
                body.extend_from_slice(&long);
            }
            before = body.len() - start;
        }
        let total = (HEADER_BYTES + body.len() + 1) as u32;
        let ziplist = [&total.to_le_bytes()[..], &[0; 4], &[entries.len() as u8, 0], &body, &[END]].concat();
        let (elements, count) = read(&ziplist).expect("a ziplist");
        assert!(elements.eq(entries.iter().map(|(_, element)| *element)) && count == entries.len());
        for length in 0..ziplist.len() {
            assert!(read(&ziplist[..length]).is_none());
        }
        for at in [0, 8, 10, 15] {
            let mut damaged = ziplist.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn fields_of_a_zipmap_are_read() {
        let mut rest = Reader(b"\x03key\x05\x02value??\x01a\x00\x00\xff");
        assert_eq!(next_of_zipmap(&mut rest), Some(Some((&b"key"[..], &b"value"[..]))));
        assert_eq!(next_of_zipmap(&mut rest), Some(Some((&b"a"[..], &b""[..]))));
        assert_eq!(next_of_zipmap(&mut rest), Some(None));
        assert_eq!(next_of_zipmap(&mut Reader(b"\x03key\x05\x02value\xff")), None);
        assert_eq!(next_of_zipmap(&mut Reader(b"\xff\xff")), None);
    }
}
