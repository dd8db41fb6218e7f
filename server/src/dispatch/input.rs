//! What a client sent and the server has not answered yet.
//!
//! Requests are parsed where the kernel put them. Only one that is cut off by the end of a buffer is copied, and
//! only as much of what follows as completes it; the copy is freed as soon as it is used up.
//!
//! **Invariant:** bytes are given up by [`Input::consume`] only, so a request may be parsed again and again.

use thermocline_protocol::{ArgumentRanges, Arguments, Limits, Parsed, ProtocolError, RequestParser};

use crate::net::RecvBuffer;

/// How many bytes are added to a request that is cut off, where the parser cannot tell how many it lacks: enough for
/// every header, little enough to copy.
const HEADER_BYTES: usize = 256;

/// The least and the first step in which memory for a long argument grows: it doubles as bytes really arrive, so
/// that announcing 512 MB costs a client more than a line of text.
const GROWTH_BYTES_MIN: usize = 16 * 1024;

/// The input of one connection. Owns nothing while there is none.
#[derive(Default)]
pub(super) struct Input {
    /// What came last, unread from `at` on.
    received: Option<RecvBuffer>,
    at: usize,
    /// The length of the request that [`Self::next`] found last.
    request_bytes: usize,
    /// What came before `received`, where a request is not there as a whole.
    kept: Option<Box<Kept>>,
}

/// Bytes that are copied, and the progress through the request they start with.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Where the first request in `bytes` that was not consumed starts.
    start: usize,
    /// How many bytes at the end of `bytes` were taken from `received`, which still holds them.
    borrowed: usize,
    parser: RequestParser,
    arguments: ArgumentRanges,
}

/// What [`Input::next`] found.
pub(super) enum Next<'a> {
    /// A whole request.
    Request(Arguments<'a>),
    /// No whole request is left.
    Nothing,
    /// This is not the protocol.
    Broken(ProtocolError),
}

enum Step {
    /// A whole request is there.
    Request,
    /// One without arguments was passed over, or more bytes were added: look again.
    Skipped,
    Nothing,
    Broken(ProtocolError),
}

impl Input {
    /// More has come.
    ///
    /// # Panics
    /// If what came before was not read to its end.
    pub(super) fn receive(&mut self, received: RecvBuffer) {
        assert!(self.received.is_none(), "input is read to its end before there is more");
        self.received = Some(received);
        self.at = 0;
    }

    /// Whether nothing is there, not even the beginning of a request.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_none() && self.kept.is_none()
    }

    /// The bytes that were copied and wait for the rest of their request.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.bytes.len())
    }

    /// The first request that was not consumed. `scratch` is where its arguments are noted.
    #[inline]
    pub(super) fn next<'a>(&'a mut self, limits: &Limits, scratch: &'a mut ArgumentRanges) -> Next<'a> {
        loop {
            let step = if self.kept.is_some() {
                self.step_kept(limits)
            } else {
                self.step_in_place(limits, scratch)
            };
            match step {
                Step::Request => break,
                Step::Skipped => {}
                Step::Nothing => return Next::Nothing,
                Step::Broken(error) => return Next::Broken(error),
            }
        }
        Next::Request(match (&self.kept, &self.received) {
            (None, Some(received)) => scratch.in_buffer(&received[self.at..]),
            (Some(kept), _) => kept.arguments.in_buffer(&kept.bytes[kept.start..]),
            (None, None) => unreachable!("a request was found"),
        })
    }

    #[inline]
    fn step_in_place(&mut self, limits: &Limits, scratch: &mut ArgumentRanges) -> Step {
        let Some(received) = &self.received else { return Step::Nothing };
        let bytes = &received[self.at..];
        if bytes.is_empty() {
            self.received = None;
            return Step::Nothing;
        }
        let mut parser = RequestParser::new();
        match parser.parse(bytes, limits, scratch) {
            Ok(Parsed::Complete { consumed_bytes }) => {
                self.request_bytes = consumed_bytes;
                Step::Request
            }
            Ok(Parsed::Empty { consumed_bytes }) => {
                self.at += consumed_bytes;
                Step::Skipped
            }
            Ok(Parsed::Incomplete { .. }) => {
                self.keep_rest(parser, scratch);
                Step::Nothing
            }
            Err(error) => Step::Broken(error),
        }
    }

    #[cold]
    fn step_kept(&mut self, limits: &Limits) -> Step {
        let kept = self.kept.as_mut().expect("the caller has looked");
        match kept.parser.parse(&kept.bytes[kept.start..], limits, &mut kept.arguments) {
            Ok(Parsed::Complete { consumed_bytes }) => {
                self.request_bytes = consumed_bytes;
                Step::Request
            }
            Ok(Parsed::Empty { consumed_bytes }) => {
                self.request_bytes = consumed_bytes;
                self.consume_kept();
                Step::Skipped
            }
            Ok(Parsed::Incomplete { wanted_bytes }) if self.append(wanted_bytes) => Step::Skipped,
            Ok(Parsed::Incomplete { .. }) => Step::Nothing,
            Err(error) => Step::Broken(error),
        }
    }

    /// The request that [`Self::next`] found last was answered.
    #[inline]
    pub(super) fn consume(&mut self) {
        if self.kept.is_some() {
            return self.consume_kept();
        }
        self.at += self.request_bytes;
    }

    /// Gives the buffer that was received back, keeping a copy of what was not read: for waits whose end another
    /// client decides.
    pub(super) fn detach(&mut self) {
        let Some(received) = self.received.take() else { return };
        let kept = self.kept.get_or_insert_default();
        kept.bytes.extend_from_slice(&received[self.at..]);
        kept.borrowed = 0;
        if kept.bytes.len() == kept.start {
            self.kept = None;
        }
    }

    /// Whether bytes follow the request that was consumed last.
    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.received.as_ref().is_some_and(|received| received.len() > self.at) || self.kept.is_some()
    }

    /// Whether bytes follow the request that [`Self::next`] found last and that was not consumed yet.
    #[inline]
    pub(super) fn has_successors(&self) -> bool {
        self.kept.is_some()
            || self.received.as_ref().is_some_and(|received| received.len() > self.at + self.request_bytes)
    }

    /// Calls `visit` with the first whole requests of the input, as many as lie within its first `bytes_max` bytes,
    /// until it returns false. Consumes nothing.
    pub(super) fn look_ahead(
        &self,
        limits: &Limits,
        bytes_max: usize,
        scratch: &mut ArgumentRanges,
        mut visit: impl FnMut(Arguments<'_>) -> bool,
    ) {
        let (mut rest, received_from) = match &self.kept {
            Some(kept) => (&kept.bytes[kept.start..], self.at),
            None => (&[][..], self.at),
        };
        let mut bytes_left = bytes_max;
        let mut received = self.received.as_ref().map(|received| &received[received_from..]);
        loop {
            let Some(consumed_bytes) = visit_next(rest, limits, scratch, &mut visit) else {
                // Past a request that is kept in part nothing can be found without copying more.
                match received.take().filter(|_| rest.is_empty()) {
                    Some(bytes) => rest = bytes,
                    None => return,
                }
                continue;
            };
            if consumed_bytes == 0 || consumed_bytes > bytes_left {
                return;
            }
            bytes_left -= consumed_bytes;
            rest = &rest[consumed_bytes..];
        }
    }

    #[cold]
    fn keep_rest(&mut self, parser: RequestParser, scratch: &mut ArgumentRanges) {
        let received = self.received.take().expect("there is a rest");
        let bytes = received[self.at..].to_vec();
        let arguments = std::mem::take(scratch);
        self.kept = Some(Box::new(Kept { bytes, start: 0, borrowed: 0, parser, arguments }));
    }

    /// Adds bytes of `received` to a request that is kept in part; false if there are none.
    fn append(&mut self, wanted_bytes: usize) -> bool {
        let Some(received) = &self.received else { return false };
        let kept = self.kept.as_mut().expect("a request is kept");
        let rest = &received[self.at..];
        if rest.is_empty() {
            self.received = None;
            kept.borrowed = 0;
            return false;
        }
        if kept.start > 0 {
            kept.bytes.drain(..kept.start);
            kept.start = 0;
        }
        let missing = wanted_bytes.saturating_sub(kept.bytes.len()).max(HEADER_BYTES);
        let taken = missing.min(rest.len());
        if kept.bytes.capacity() - kept.bytes.len() < taken {
            kept.bytes.reserve_exact(missing.min(kept.bytes.len().max(GROWTH_BYTES_MIN)).max(taken));
        }
        kept.bytes.extend_from_slice(&rest[..taken]);
        kept.borrowed += taken;
        self.at += taken;
        true
    }

    #[cold]
    fn consume_kept(&mut self) {
        let kept = self.kept.as_mut().expect("the caller has looked");
        kept.start += self.request_bytes;
        let rest = kept.bytes.len() - kept.start;
        if rest <= kept.borrowed && (rest == 0 || self.received.is_some()) {
            // What follows the request is still in `received`: go on there, in place.
            self.at -= rest;
            self.kept = None;
        }
    }
}

/// Parses the request at the start of `bytes`, and shows it; returns its length, 0 to stop, `None` if it is not
/// there as a whole.
fn visit_next(
    bytes: &[u8],
    limits: &Limits,
    scratch: &mut ArgumentRanges,
    visit: &mut impl FnMut(Arguments<'_>) -> bool,
) -> Option<usize> {
    match RequestParser::new().parse(bytes, limits, scratch) {
        Ok(Parsed::Complete { consumed_bytes }) => {
            Some(if visit(scratch.in_buffer(bytes)) { consumed_bytes } else { 0 })
        }
        Ok(Parsed::Empty { consumed_bytes }) => Some(consumed_bytes),
        Ok(Parsed::Incomplete { .. }) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces one by one and consumes all requests; each as its words joined by blanks.
    fn requests(pieces: &[&[u8]]) -> (Vec<String>, Input) {
        let (mut input, mut scratch, mut found) = (Input::default(), ArgumentRanges::new(), Vec::new());
        for piece in pieces {
            input.receive(RecvBuffer::owned(piece.to_vec()));
            loop {
                let request = match input.next(&Limits::REDIS, &mut scratch) {
                    Next::Request(arguments) => arguments
                        .iter()
                        .map(|word| word.escape_ascii().to_string())
                        .collect::<Vec<_>>()
                        .join(" "),
                    Next::Nothing => break,
                    Next::Broken(error) => panic!("{error}"),
                };
                found.push(request);
                input.consume();
            }
        }
        (found, input)
    }

    const STREAM: &[u8] =
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n\r\n*0\r\nPING x\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5\r\nhello\r\n*1\r\n$4\r\nQUIT\r\n";

    #[test]
    fn requests_are_the_same_wherever_the_stream_is_cut() {
        let (whole, input) = requests(&[STREAM]);
        assert_eq!(whole, ["GET a", "PING x", "SET b hello", "QUIT"]);
        assert!(input.is_empty());
        for first in 0..STREAM.len() {
            for second in first..STREAM.len() {
                let pieces = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
                let (found, input) = requests(&pieces);
                assert_eq!(found, whole, "cut at {first} and {second}");
                assert!(input.is_empty(), "cut at {first} and {second}");
            }
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(requests(&bytes).0, whole);
    }

    #[test]
    fn a_request_that_was_not_consumed_is_found_again() {
        let mut scratch = ArgumentRanges::new();
        let mut input = Input::default();
        input.receive(RecvBuffer::owned(STREAM[..40].to_vec()));
        for _ in 0..3 {
            let Next::Request(arguments) = input.next(&Limits::REDIS, &mut scratch) else {
                panic!("a request")
            };
            assert_eq!(arguments.get(0), b"GET");
        }
    }

    #[test]
    fn detached_input_is_read_on_where_it_was() {
        for cut in 1..STREAM.len() {
            let (mut input, mut scratch, mut found) = (Input::default(), ArgumentRanges::new(), Vec::new());
            for piece in [&STREAM[..cut], &STREAM[cut..]] {
                input.receive(RecvBuffer::owned(piece.to_vec()));
                while let Next::Request(arguments) = input.next(&Limits::REDIS, &mut scratch) {
                    found.push(arguments.get(0).to_vec());
                    input.detach();
                    assert!(matches!(input.next(&Limits::REDIS, &mut scratch), Next::Request(_)));
                    input.consume();
                }
            }
            assert_eq!(found, [&b"GET"[..], b"PING", b"SET", b"QUIT"], "cut at {cut}");
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_large_argument_is_kept_in_little_more_memory_than_has_come() {
        let mut input = Input::default();
        let mut scratch = ArgumentRanges::new();
        input.receive(RecvBuffer::owned(b"*2\r\n$3\r\nGET\r\n$500000000\r\nabc".to_vec()));
        assert!(matches!(input.next(&Limits::REDIS, &mut scratch), Next::Nothing));
        for _ in 0..10 {
            input.receive(RecvBuffer::owned(vec![b'x'; 10_000]));
            assert!(matches!(input.next(&Limits::REDIS, &mut scratch), Next::Nothing));
        }
        assert_eq!(input.kept_bytes(), 100_028);
        let capacity = input.kept.as_ref().map_or(0, |kept| kept.bytes.capacity());
        assert!(capacity <= 3 * 100_028, "{capacity}");
    }

    #[test]
    fn looking_ahead_shows_what_follows_and_consumes_nothing() {
        for cut in [0, 5, 30, STREAM.len()] {
            let (mut input, mut scratch) = (Input::default(), ArgumentRanges::new());
            input.receive(RecvBuffer::owned(STREAM[..cut].to_vec()));
            assert!(
                cut == STREAM.len() || !matches!(input.next(&Limits::REDIS, &mut scratch), Next::Broken(_))
            );
            let mut seen = Vec::new();
            input.look_ahead(&Limits::REDIS, 1 << 20, &mut scratch, |arguments| {
                seen.push(arguments.get(0).to_vec());
                seen.len() < 3
            });
            let expected: &[&[u8]] = match cut {
                0 | 5 => &[],
                30 => &[b"GET"],
                _ => &[b"GET", b"PING", b"SET"],
            };
            assert_eq!(seen, expected, "cut at {cut}");
            assert!(
                expected.is_empty() || matches!(input.next(&Limits::REDIS, &mut scratch), Next::Request(_))
            );
        }
    }
}
