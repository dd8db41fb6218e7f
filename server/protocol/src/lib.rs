//! RESP2 and RESP3 as pure functions of bytes.
