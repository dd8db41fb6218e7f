//! What holds for any bytes whatever: run by the seeded test next to this folder and by the fuzz targets.

use thermocline_protocol::{
    ArgumentRanges, Limits, Parsed, ProtocolError, Reply, ReplyDecoder, RequestParser, encode_request,
    skip_reply,
};

/// Limits small enough that a fuzzer meets them.
const LIMITS: Limits =
    Limits { max_bulk_bytes: 4096, max_arguments: 64, max_inline_bytes: 256, unauthenticated: false };

/// What a server gets out of a stream: each request's arguments, and the error that ended it.
type Outcome = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Requests in `bytes` mean the same whole and in pieces of `piece_bytes`, and each is as long as its parts.
pub(crate) fn check_requests(bytes: &[u8], piece_bytes: usize) {
    let whole = read_requests(bytes, bytes.len().max(1));
    let pieces = read_requests(bytes, piece_bytes.max(1));
    assert_eq!(whole, pieces, "cut into pieces of {piece_bytes}");
}

fn read_requests(bytes: &[u8], piece_bytes: usize) -> Outcome {
    let mut parser = RequestParser::new();
    let mut ranges = ArgumentRanges::new();
    let (mut requests, mut start, mut end) = (Vec::new(), 0, 0);
    while end < bytes.len() {
        end = (end + piece_bytes).min(bytes.len());
        loop {
            let buffer = &bytes[start..end];
            match parser.parse(buffer, &LIMITS, &mut ranges) {
                Ok(Parsed::Complete { consumed_bytes }) => {
                    let arguments: Vec<Vec<u8>> =
                        ranges.in_buffer(buffer).iter().map(<[u8]>::to_vec).collect();
                    check_extent(&buffer[..consumed_bytes], &arguments);
                    requests.push(arguments);
                    start += consumed_bytes;
                }
                Ok(Parsed::Empty { consumed_bytes }) => {
                    assert!(0 < consumed_bytes && consumed_bytes <= buffer.len());
                    start += consumed_bytes;
                }
                Ok(Parsed::Incomplete { wanted_bytes }) => {
                    assert!(wanted_bytes > buffer.len());
                    assert!(wanted_bytes <= buffer.len() + LIMITS.max_bulk_bytes + 2);
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

/// `request` is exactly the request that has these arguments.
fn check_extent(request: &[u8], arguments: &[Vec<u8>]) {
    assert!(!arguments.is_empty());
    if request[0] != b'*' {
        assert_eq!(request.iter().position(|&byte| byte == b'\n'), Some(request.len() - 1));
        return;
    }
    assert!(arguments.len() <= LIMITS.max_arguments);
    let mut canonical = Vec::new();
    encode_request(&mut canonical, arguments);
    assert_eq!(request.len(), canonical.len());
    // The parser does not look at the line feeds nor at what follows an argument; everything else is one to one.
    let differing = request.iter().zip(&canonical).filter(|(sent, meant)| sent != meant);
    assert!(differing.clone().all(|(_, meant)| matches!(meant, b'\r' | b'\n')));
}

/// Replies in `bytes` end at the same place whole, in pieces, skipped and decoded.
pub(crate) fn check_replies(bytes: &[u8], piece_bytes: usize) {
    let mut rest = bytes;
    // Each round consumes something, so this ends.
    while !rest.is_empty() {
        let whole = skip_reply(rest);
        let mut decoder = ReplyDecoder::new();
        let mut in_pieces = Ok(None);
        let mut end = 0;
        while end < rest.len() && in_pieces == Ok(None) {
            end = (end + piece_bytes.max(1)).min(rest.len());
            in_pieces = decoder.next(&rest[..end]);
        }
        assert_eq!(whole, in_pieces, "cut into pieces of {piece_bytes}");
        match whole {
            Ok(Some(frame)) => {
                assert!(0 < frame.consumed_bytes && frame.consumed_bytes <= rest.len());
                if let Ok(decoded) = Reply::decode(rest) {
                    assert_eq!(decoded.expect("a whole reply").1, frame.consumed_bytes);
                }
                rest = &rest[frame.consumed_bytes..];
            }
            Ok(None) => {
                assert_eq!(Reply::decode(rest), Ok(None));
                return;
            }
            Err(error) => {
                assert_eq!(Reply::decode(rest), Err(error));
                return;
            }
        }
    }
}
