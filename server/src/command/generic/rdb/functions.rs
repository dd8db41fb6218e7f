//! The payload of FUNCTION DUMP and FUNCTION RESTORE: the code of each library as in an RDB file, and a footer.
//!
//! ```text
//! (245 1 | code)* | RDB version 2 | CRC-64 of all before 8
//! ```

use thermocline_engine::value::IntegerDigits;

use super::string::{Reader, read_string, write_string};
use super::{WRITTEN_VERSION, opened, sealed};
use crate::command::generic::lzf::Compressor;

/// A library's code follows.
const FUNCTION: u8 = 245;
/// The same in a form that candidates of Redis 7.0 wrote.
const FUNCTION_PRE_RELEASE: u8 = 246;

/// Why a payload holds no libraries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FunctionPayloadError {
    /// It is damaged, or of a version to come.
    VersionOrChecksum,
    /// It holds something else.
    NotAFunction,
    /// It is of a form that was given up before it was released.
    PreRelease,
    /// A library's code is malformed.
    BadFormat,
}

/// The payload of libraries with this code.
pub fn dump_functions<'c>(codes: impl Iterator<Item = &'c [u8]>, compressor: &mut Compressor) -> Vec<u8> {
    let mut payload = Vec::new();
    for code in codes {
        payload.push(FUNCTION);
        write_string(&mut payload, code, compressor);
    }
    sealed(payload, WRITTEN_VERSION)
}

/// The code of each library of a payload.
///
/// # Errors
/// [`FunctionPayloadError`], the footer's first.
pub fn restore_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, FunctionPayloadError> {
    let mut body = Reader(opened(payload).ok_or(FunctionPayloadError::VersionOrChecksum)?);
    let mut codes = Vec::new();
    while let Some([kind]) = body.array::<1>() {
        match kind {
            FUNCTION => {}
            FUNCTION_PRE_RELEASE => return Err(FunctionPayloadError::PreRelease),
            _ => return Err(FunctionPayloadError::NotAFunction),
        }
        let code = read_string(&mut body).ok_or(FunctionPayloadError::BadFormat)?;
        codes.push(code.bytes(&mut IntegerDigits::new()).to_vec());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &[u8] =
        b"#!lua name=mylib\nredis.register_function(\"f1\", function(keys,args) return 1 end)";

    #[test]
    fn the_payload_is_that_of_redis() {
        let payload = dump_functions([CODE].into_iter(), &mut Compressor::new());
        let expected = [b"\xf5\x40\x50", CODE, b"\x0a\x00\x40\xe3\x06\xee\x4c\x24\xe0\xf3"].concat();
        assert_eq!(payload.escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert_eq!(restore_functions(&payload), Ok(vec![CODE.to_vec()]));
    }

    #[test]
    fn many_libraries_and_none_come_back() {
        let codes: Vec<Vec<u8>> = (0..20).map(|n| b"#!lua name=x\n".repeat(n + 1)).collect();
        let payload = dump_functions(codes.iter().map(Vec::as_slice), &mut Compressor::new());
        assert_eq!(restore_functions(&payload), Ok(codes));
        let none = dump_functions(std::iter::empty(), &mut Compressor::new());
        assert_eq!(restore_functions(&none), Ok(Vec::new()));
    }

    #[test]
    fn what_holds_no_libraries_is_refused() {
        use FunctionPayloadError::*;
        for (body, error) in [
            (&b"\x00\x01a"[..], NotAFunction),
            (b"\xf6\x01a", PreRelease),
            (b"\xf5\x05a", BadFormat),
            (b"\xf5", BadFormat),
        ] {
            assert_eq!(restore_functions(&sealed(body.to_vec(), WRITTEN_VERSION)), Err(error));
        }
        assert_eq!(restore_functions(b"a"), Err(VersionOrChecksum));
    }
}
