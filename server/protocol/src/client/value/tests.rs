//! Replies round trip, whole and in pieces.

use super::*;
use crate::{FrameKind, Protocol, ReplyDecoder, ReplyEncoder};
use proptest::prelude::*;

fn decode(bytes: &[u8]) -> Reply {
    let (reply, consumed_bytes) = Reply::decode(bytes).expect("a reply").expect("a whole reply");
    assert_eq!(consumed_bytes, bytes.len());
    reply
}

/// The wire form of any reply, written independently of the encoder, whose RESP2 fallbacks lose types.
fn encode(out: &mut Vec<u8>, reply: &Reply) {
    let line = |out: &mut Vec<u8>, kind: u8, text: &[u8]| {
        out.push(kind);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    };
    let string = |out: &mut Vec<u8>, kind: u8, bytes: &[u8]| {
        line(out, kind, bytes.len().to_string().as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    };
    match reply {
        Reply::Simple(text) => line(out, b'+', text),
        Reply::Error(text) => line(out, b'-', text),
        Reply::Integer(value) => line(out, b':', value.to_string().as_bytes()),
        Reply::Double(text) => line(out, b',', text),
        Reply::BigNumber(text) => line(out, b'(', text),
        Reply::Boolean(value) => line(out, b'#', if *value { b"t" } else { b"f" }),
        Reply::Null => line(out, b'_', b""),
        Reply::NullBulk => line(out, b'$', b"-1"),
        Reply::NullArray => line(out, b'*', b"-1"),
        Reply::Bulk(bytes) => string(out, b'$', bytes),
        Reply::Verbatim(bytes) => string(out, b'=', bytes),
        Reply::BulkError(bytes) => string(out, b'!', bytes),
        Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => {
            let kind = match reply {
                Reply::Array(_) => b'*',
                Reply::Set(_) => b'~',
                _ => b'>',
            };
            line(out, kind, elements.len().to_string().as_bytes());
            elements.iter().for_each(|element| encode(out, element));
        }
        Reply::Map(pairs) | Reply::Attributed(pairs, _) => {
            let kind = if matches!(reply, Reply::Map(_)) { b'%' } else { b'|' };
            line(out, kind, pairs.len().to_string().as_bytes());
            for (key, value) in pairs {
                encode(out, key);
                encode(out, value);
            }
            if let Reply::Attributed(_, reply) = reply {
                encode(out, reply);
            }
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let text = || "[ -~]{0,20}".prop_map(String::into_bytes);
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        text().prop_map(Reply::Simple),
        text().prop_map(Reply::Error),
        any::<i64>().prop_map(Reply::Integer),
        bytes().prop_map(Reply::Bulk),
        bytes().prop_map(Reply::BulkError),
        bytes().prop_map(Reply::Verbatim),
        any::<f64>().prop_map(|value| Reply::Double(value.to_string().into_bytes()).shortened()),
        any::<i128>().prop_map(|value| Reply::BigNumber(value.to_string().into_bytes())),
        any::<bool>().prop_map(Reply::Boolean),
        Just(Reply::Null),
        Just(Reply::NullBulk),
        Just(Reply::NullArray),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let elements = prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            elements.clone().prop_map(Reply::Array),
            elements.clone().prop_map(Reply::Set),
            elements.prop_map(Reply::Push),
            pairs.clone().prop_map(Reply::Map),
            (pairs, inner).prop_map(|(pairs, reply)| Reply::Attributed(pairs, Box::new(reply))),
        ]
    })
}

impl Reply {
    /// A double's text within the length that the decoder takes for a number.
    fn shortened(self) -> Reply {
        match self {
            Reply::Double(mut text) => {
                text.truncate(40);
                Reply::Double(text)
            }
            other => other,
        }
    }
}

#[test]
fn every_type_is_decoded() {
    let bytes = b"*13\r\n+OK\r\n-ERR x\r\n:1\r\n$1\r\na\r\n$-1\r\n*-1\r\n_\r\n%1\r\n+k\r\n:2\r\n~1\r\n#t\r\n,1.5\r\n=5\r\ntxt:x\r\n(12\r\n!3\r\nERR\r\n";
    let expected = r#"[+OK, -ERR x, :1, "a", $-1, *-1, _, %{+k: :2}, ~[#true], ,1.5, ="txt:x", (12, !ERR]"#;
    assert_eq!(format!("{:?}", decode(bytes)), expected);
}

#[test]
fn what_the_server_writes_the_client_reads() {
    let mut out = Vec::new();
    let mut encoder = ReplyEncoder::new(&mut out, Protocol::Resp3);
    encoder.map(2);
    encoder.bulk(b"double");
    encoder.double(0.5);
    encoder.verbatim(b"txt", b"hello");
    encoder.null();
    let expected = Reply::Map(vec![
        (Reply::Bulk(b"double".to_vec()), Reply::Double(b"0.5".to_vec())),
        (Reply::Verbatim(b"txt:hello".to_vec()), Reply::Null),
    ]);
    assert_eq!(decode(&out), expected);
}

#[test]
fn endless_nesting_is_refused() {
    let mut bytes = b"*1\r\n".repeat(100_000);
    bytes.extend_from_slice(b":1\r\n");
    assert_eq!(Reply::decode(&bytes), Err(DecodeError::TooDeep));
}

#[test]
fn accessors_see_through_the_types() {
    assert_eq!(Reply::Verbatim(b"txt:x".to_vec()).as_bytes(), Some(&b"x"[..]));
    assert_eq!(Reply::Integer(4).as_integer(), Some(4));
    assert!(Reply::NullArray.is_null() && Reply::BulkError(vec![]).is_error());
    assert_eq!(Reply::Set(vec![Reply::Null]).as_elements(), Some(&[Reply::Null][..]));
}

proptest! {
    #[test]
    fn every_reply_is_read_back(reply in any_reply()) {
        let mut bytes = Vec::new();
        encode(&mut bytes, &reply);
        prop_assert_eq!(decode(&bytes), reply);
    }

    #[test]
    fn a_reply_in_pieces_ends_where_it_ends_whole(reply in any_reply()) {
        let mut bytes = Vec::new();
        encode(&mut bytes, &reply);
        let whole = skip_reply(&bytes).unwrap().expect("whole");
        prop_assert_eq!(whole.consumed_bytes, bytes.len());
        prop_assert_eq!(matches!(whole.kind, FrameKind::Error), match &reply {
            Reply::Attributed(_, inner) => innermost(inner).is_error(),
            other => other.is_error(),
        });
        bytes.extend_from_slice(b"+next\r\n");
        let mut decoder = ReplyDecoder::new();
        for end in 0..whole.consumed_bytes {
            prop_assert_eq!(decoder.next(&bytes[..end]), Ok(None));
            prop_assert_eq!(Reply::decode(&bytes[..end]), Ok(None));
        }
        prop_assert_eq!(decoder.next(&bytes), Ok(Some(whole)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop::sample::select(&b"+-:$*_,#!=(%~>|0123-tf\r\n"[..]), 0..60)) {
        let _ = Reply::decode(&bytes);
    }
}

fn innermost(reply: &Reply) -> &Reply {
    match reply {
        Reply::Attributed(_, inner) => innermost(inner),
        other => other,
    }
}
