//! Streams as RDB files have them.

use thermocline_engine::value::StreamValue;

use super::string::Reader;
use crate::command::generic::lzf::Compressor;

/// Appends the type's number and the value.
pub(super) fn write(value: &StreamValue, _out: &mut Vec<u8>, _compressor: &mut Compressor) {
    match *value {}
}

/// The value behind the type's number.
pub(super) fn read(_type_number: u8, _body: &mut Reader<'_>) -> Option<StreamValue> {
    None
}
