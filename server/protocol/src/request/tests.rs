//! What the request parser accepts, refuses and asks for, checked against Redis 7.0's replies to the same bytes.

use super::*;
use proptest::prelude::*;

/// The arguments of the first request in `bytes`, given whole, and what the parser said.
fn parse(bytes: &[u8], limits: &Limits) -> (Result<Parsed, ProtocolError>, Vec<Vec<u8>>) {
    let mut arguments = ArgumentRanges::new();
    let parsed = RequestParser::new().parse(bytes, limits, &mut arguments);
    let owned = match parsed {
        Ok(Parsed::Complete { .. }) => arguments.in_buffer(bytes).iter().map(<[u8]>::to_vec).collect(),
        _ => Vec::new(),
    };
    (parsed, owned)
}

fn error_of(bytes: &[u8]) -> String {
    parse(bytes, &Limits::REDIS).0.expect_err("a protocol error").to_string()
}

/// Everything that a server gets out of `bytes` when they arrive in pieces cut at `cuts`: the requests, then the
/// error if there was one.
fn parse_in_pieces(
    bytes: &[u8],
    cuts: &[usize],
    limits: &Limits,
) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut parser = RequestParser::new();
    let mut arguments = ArgumentRanges::new();
    let (mut requests, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            let buffer = &bytes[start..end];
            match parser.parse(buffer, limits, &mut arguments) {
                Ok(Parsed::Complete { consumed_bytes }) => {
                    assert!(consumed_bytes <= buffer.len());
                    requests.push(arguments.in_buffer(buffer).iter().map(<[u8]>::to_vec).collect());
                    start += consumed_bytes;
                }
                Ok(Parsed::Empty { consumed_bytes }) => {
                    assert!(0 < consumed_bytes && consumed_bytes <= buffer.len());
                    start += consumed_bytes;
                }
                Ok(Parsed::Incomplete { wanted_bytes }) => {
                    assert!(wanted_bytes > buffer.len());
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

#[test]
fn a_multibulk_request_is_found_with_its_length() {
    let (parsed, arguments) = parse(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nrest", &Limits::REDIS);
    assert_eq!(parsed, Ok(Parsed::Complete { consumed_bytes: 26 }));
    assert_eq!(arguments, [&b"SET"[..], b"k", b""]);
}

#[test]
fn lengths_of_every_number_of_digits_are_read() {
    for length in [0, 9, 10, 99, 100, 999, 1000, 12_345, 123_456] {
        let value = vec![b'v'; length];
        let mut bytes = format!("*1\r\n${length}\r\n").into_bytes();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n");
        assert_eq!(
            parse(&bytes, &Limits::REDIS),
            (Ok(Parsed::Complete { consumed_bytes: bytes.len() }), vec![value])
        );
    }
}

#[test]
fn an_inline_request_is_split_into_words() {
    let (parsed, arguments) = parse(b"SET key \"a\\x00b\"\r\nGET", &Limits::REDIS);
    assert_eq!(parsed, Ok(Parsed::Complete { consumed_bytes: 18 }));
    assert_eq!(arguments, [&b"SET"[..], b"key", b"a\0b"]);
    assert_eq!(parse(b"PING\n", &Limits::REDIS).1, [b"PING"]);
}

#[test]
fn requests_without_arguments_are_told_apart() {
    for (bytes, consumed_bytes) in
        [(&b"\r\nPING"[..], 2), (b"\n", 1), (b" \t\r\n", 4), (b"*0\r\n", 4), (b"*-1\r\n*", 5)]
    {
        assert_eq!(parse(bytes, &Limits::REDIS).0, Ok(Parsed::Empty { consumed_bytes }));
    }
}

#[test]
fn an_announced_argument_is_wanted_whole() {
    let (parsed, _) = parse(b"*2\r\n$3\r\nGET\r\n$1000\r\nab", &Limits::REDIS);
    assert_eq!(parsed, Ok(Parsed::Incomplete { wanted_bytes: 13 + 7 + 1002 }));
    let (parsed, _) = parse(b"*2\r\n$3\r\nGET\r\n$10", &Limits::REDIS);
    assert_eq!(parsed, Ok(Parsed::Incomplete { wanted_bytes: 17 }));
}

#[test]
fn errors_have_redis_texts() {
    for count in ["*2147483648", "*01", "*", "*-0", "*x", "*+1", "*1 ", "*\0", "*99999999999999999999999"] {
        assert_eq!(error_of(format!("{count}\r\n").as_bytes()), "invalid multibulk length", "{count}");
    }
    for length in ["$-1", "$536870913", "$", "$01", "$x", "$9223372036854775808"] {
        assert_eq!(error_of(format!("*1\r\n{length}\r\n").as_bytes()), "invalid bulk length", "{length}");
    }
    assert_eq!(error_of(b"*1\r\nfoo\r\n"), "expected '$', got 'f'");
    assert_eq!(error_of(b"*1\r\n:1\r\n"), "expected '$', got ':'");
    assert_eq!(error_of(b"*1\r\n\r\n"), "expected '$', got ' '");
    assert_eq!(error_of(b"*1\r\n\nfoo\r\n"), "expected '$', got ' '");
    assert_eq!(error_of(b"set \"x\r\n"), "unbalanced quotes in request");
}

#[test]
fn lines_longer_than_the_limit_are_refused() {
    let long = "1".repeat(70_000);
    assert_eq!(error_of(format!("*{long}").as_bytes()), "too big mbulk count string");
    assert_eq!(error_of(format!("*1\r\n${long}\r\n").as_bytes()), "too big bulk count string");
    assert_eq!(error_of(long.as_bytes()), "too big inline request");
    let longest = format!("{}\n", &long[..64 * 1024]);
    assert_eq!(
        parse(longest.as_bytes(), &Limits::REDIS).0,
        Ok(Parsed::Complete { consumed_bytes: 64 * 1024 + 1 })
    );
}

#[test]
fn a_client_that_has_not_authenticated_may_send_little() {
    let limits = Limits { unauthenticated: true, ..Limits::REDIS };
    let refused = |bytes: &[u8]| parse(bytes, &limits).0.unwrap_err().to_string();
    assert_eq!(refused(b"*11\r\n"), "unauthenticated multibulk length");
    assert_eq!(refused(b"*1\r\n$16385\r\n"), "unauthenticated bulk length");
    assert_eq!(refused(b"*2147483648\r\n"), "invalid multibulk length");
    assert_eq!(refused(b"*1\r\n$536870913\r\n"), "invalid bulk length");
    assert!(matches!(parse(b"*10\r\n$16384\r\n", &limits).0, Ok(Parsed::Incomplete { .. })));
}

#[test]
fn no_request_outgrows_its_ranges() {
    let limits = Limits { max_bulk_bytes: usize::MAX, ..Limits::REDIS };
    let refused = parse(b"*1\r\n$4294967295\r\n", &limits).0;
    assert_eq!(refused, Err(ProtocolError::InvalidBulkLength));
    assert!(matches!(parse(b"*1\r\n$4294967000\r\n", &limits).0, Ok(Parsed::Incomplete { .. })));
}

#[test]
fn a_million_arguments_in_small_pieces_are_parsed_once() {
    let count = 1_000_000;
    let mut bytes = format!("*{count}\r\n").into_bytes();
    for _ in 0..count {
        bytes.extend_from_slice(b"$1\r\nx\r\n");
    }
    // One piece per 64 bytes: if every piece began again this would be 10^11 steps.
    let cuts: Vec<usize> = (0..bytes.len()).step_by(64).collect();
    let (requests, error) = parse_in_pieces(&bytes, &cuts, &Limits::REDIS);
    assert_eq!((requests.len(), requests[0].len(), error), (1, count, None));
}

#[test]
fn cutting_anywhere_changes_nothing() {
    let streams: [&[u8]; 9] = [
        b"*3\r\n$3\r\nSET\r\n$10\r\n0123456789\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n",
        b"\r\n*0\r\nSET a 'b c'\r\n*-1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        b"PING\nPING\r\n\nECHO \"\\x41\"\n",
        b"*1\r\n$4\r\nPING\r\n*x\r\n",
        b"*1\r\n$4\r\nPING\r\n*1\r\n:4\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
        b"*1\r\n\r\n",
        b"*1\r\n$1\r\n\r\r\n*1\r\r$1\r\r\r\r\r",
        b"ECHO 'x\r\n",
    ];
    for bytes in streams {
        let whole = parse_in_pieces(bytes, &[], &Limits::REDIS);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = parse_in_pieces(bytes, &[first, second], &Limits::REDIS);
                assert_eq!(
                    pieces,
                    whole,
                    "{:?} cut at {first} and {second}",
                    bytes.escape_ascii().to_string()
                );
            }
        }
        let every_byte: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(parse_in_pieces(bytes, &every_byte, &Limits::REDIS), whole);
    }
}

proptest! {
    #[test]
    fn every_request_is_read_back(
        requests in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        for request in &requests {
            crate::encode_request(&mut bytes, request);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parse_in_pieces(&bytes, &cuts, &Limits::REDIS), (requests, None));
    }

    #[test]
    fn arbitrary_bytes_mean_the_same_in_pieces(
        bytes in prop::collection::vec(prop::sample::select(&b"*$0123\r\n\"'\\x a-"[..]), 0..80),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        // A small limit, so that "too long" is met as well.
        let limits = Limits { max_inline_bytes: 12, max_bulk_bytes: 30, ..Limits::REDIS };
        prop_assert_eq!(parse_in_pieces(&bytes, &cuts, &limits), parse_in_pieces(&bytes, &[], &limits));
    }
}
