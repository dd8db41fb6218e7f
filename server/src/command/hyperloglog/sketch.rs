//! A HyperLogLog as Redis keeps it in a string.
//!
//! ```text
//! "HYLL" | form 1 | unused 3 | cardinality 8, little-endian | registers
//! ```
//!
//! The form is 0 for [`dense`] and 1 for [`sparse`] registers. The cardinality is that of
//! the last PFCOUNT; its highest bit says that the registers have changed since.
//!
//! Strings come from clients and may be anything: what is read here is checked, and what turns out to make no sense is
//! [`Corrupted`].

use thermocline_engine::value::{IntegerDigits, Value};

use super::estimate::{Histogram, estimate};
use super::hash::Mark;
use super::{dense, sparse};
use crate::command::Failure;
use crate::command::string::string;

/// How many registers there are.
pub(super) const REGISTERS: usize = 1 << 14;
/// What comes before the registers.
pub(super) const HEADER_BYTES: usize = 16;

const MAGIC: &[u8] = b"HYLL";
const FORM_AT: usize = 4;
const CARDINALITY: std::ops::Range<usize> = 8..HEADER_BYTES;
/// In the cardinality's last byte: it is out of date.
const STALE: u8 = 0x80;

/// Every register's value.
pub(super) type Registers = [u8; REGISTERS];

/// The registers cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Corrupted;

impl Corrupted {
    /// The error reply.
    pub(super) const REPLY: &str = "INVALIDOBJ Corrupted HLL object detected";
}

impl From<Corrupted> for Failure {
    fn from(_: Corrupted) -> Self {
        Self::error(Corrupted::REPLY)
    }
}

/// How the registers are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Dense = 0,
    Sparse = 1,
}

/// A string that begins as a HyperLogLog does.
#[derive(Clone, Copy)]
pub(super) struct Sketch<'a> {
    pub(super) form: Form,
    /// All of it, header included.
    pub(super) bytes: &'a [u8],
}

impl<'a> Sketch<'a> {
    /// # Errors
    /// `WRONGTYPE` where the value is no string, or one that is no HyperLogLog.
    pub(super) fn of(value: &'a Value, digits: &'a mut IntegerDigits) -> Result<Self, Failure> {
        let bytes = string(value)?.bytes(digits);
        let form = match bytes.get(FORM_AT) {
            Some(0) if bytes.len() == HEADER_BYTES + dense::BYTES => Form::Dense,
            Some(1) if bytes.len() >= HEADER_BYTES => Form::Sparse,
            _ => return Err(NOT_A_SKETCH),
        };
        if bytes.starts_with(MAGIC) { Ok(Self { form, bytes }) } else { Err(NOT_A_SKETCH) }
    }

    /// The registers as they are written.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Whether an element with this mark would change a register; true as well where the register cannot be read.
    pub(super) fn is_raised_by(&self, mark: Mark) -> bool {
        let register = match self.form {
            Form::Dense => Some(dense::get(self.body(), mark.index)),
            Form::Sparse => sparse::get(self.body(), mark.index),
        };
        register.is_none_or(|value| value < mark.rank)
    }

    /// The cardinality that was computed last, unless the registers have changed since.
    pub(super) fn cached_cardinality(&self) -> Option<i64> {
        let bytes: [u8; 8] = self.bytes[CARDINALITY].try_into().expect("eight bytes");
        (bytes[7] & STALE == 0).then(|| i64::from_le_bytes(bytes))
    }

    /// About how many different elements were added.
    pub(super) fn count(&self) -> Result<i64, Corrupted> {
        let mut histogram: Histogram = [0; 64];
        match self.form {
            Form::Dense => dense::values(self.body()).for_each(|value| histogram[usize::from(value)] += 1),
            Form::Sparse => {
                sparse::whole_runs(self.body())?
                    .for_each(|run| histogram[usize::from(run.value)] += run.length as u32);
            }
        }
        Ok(estimate(&histogram))
    }

    /// Raises each register to the value that it has here.
    pub(super) fn merge_into(&self, registers: &mut Registers) -> Result<(), Corrupted> {
        match self.form {
            Form::Dense => {
                for (register, value) in registers.iter_mut().zip(dense::values(self.body())) {
                    *register = value.max(*register);
                }
            }
            Form::Sparse => {
                let mut rest = registers.as_mut_slice();
                for run in sparse::whole_runs(self.body())? {
                    let (these, others) = rest.split_at_mut(run.length);
                    these.iter_mut().for_each(|register| *register = run.value.max(*register));
                    rest = others;
                }
            }
        }
        Ok(())
    }

    /// All of it in dense form.
    pub(super) fn to_dense(self) -> Result<Vec<u8>, Corrupted> {
        if self.form == Form::Dense {
            return Ok(self.bytes.to_vec());
        }
        let mut registers = [0; REGISTERS];
        self.merge_into(&mut registers)?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + dense::BYTES);
        bytes.extend_from_slice(&self.bytes[..HEADER_BYTES]);
        bytes[FORM_AT] = Form::Dense as u8;
        bytes.resize(HEADER_BYTES + dense::BYTES, 0);
        dense::write(&mut bytes[HEADER_BYTES..], &registers);
        Ok(bytes)
    }
}

const NOT_A_SKETCH: Failure =
    Failure::Error(std::borrow::Cow::Borrowed("WRONGTYPE Key is not a valid HyperLogLog string value."));

/// A sketch of no elements.
pub(super) fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[FORM_AT] = Form::Sparse as u8;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Raises the register of each mark where it is lower. A sparse sketch becomes a dense one when it would take more than
/// `sparse_max_bytes` or cannot hold a value. What was raised
/// before an error stays so.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    marks: impl Iterator<Item = Mark>,
    sparse_max_bytes: usize,
) -> Result<(), Corrupted> {
    for mark in marks {
        if bytes[FORM_AT] == Form::Sparse as u8 {
            if sparse::raise(bytes, mark, sparse_max_bytes)? {
                continue;
            }
            *bytes = Sketch { form: Form::Sparse, bytes }.to_dense()?;
        }
        dense::raise(&mut bytes[HEADER_BYTES..], mark);
    }
    Ok(())
}

/// Notes that the registers have changed.
pub(super) fn forget_cardinality(bytes: &mut [u8]) {
    bytes[CARDINALITY.end - 1] |= STALE;
}

/// Notes what was counted.
pub(super) fn remember_cardinality(bytes: &mut [u8], cardinality: i64) {
    bytes[CARDINALITY].copy_from_slice(&cardinality.to_le_bytes());
}
