//! The client's end of the wire: writes requests, finds and decodes replies.
//!
//! * [`frame`]: where a reply ends, without decoding it or allocating: what a load generator needs.
//! * [`value`]: a reply as a tree: what tests compare.

pub mod frame;
pub mod value;

pub use frame::{DecodeError, Frame, FrameKind, ReplyDecoder, skip_reply};
pub use value::Reply;

/// Appends a multibulk request to `out`.
pub fn encode_request<T: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[T]) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(arguments.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for argument in arguments {
        let argument = argument.as_ref();
        out.push(b'$');
        out.extend_from_slice(digits.format(argument.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_array_of_strings() {
        let mut out = Vec::new();
        encode_request(&mut out, &["GET", ""]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }
}
