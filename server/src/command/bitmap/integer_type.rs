//! The integers of BITFIELD: up to 64 bits at any bit position, signed or not, with what to do on overflow.
//!
//! Values are handled as `i128`, in which every sum of a field and an increment is exact.

use thermocline_protocol::parse_integer;

use crate::command::Failure;

/// What INCRBY and SET do with a value that the type cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overflow {
    /// Keep the lowest bits.
    Wrap,
    /// Store the nearest value that it can hold.
    Saturate,
    /// Store nothing.
    Fail,
}

/// `i8`, `u63` and the like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IntegerType {
    is_signed: bool,
    /// 1 to 64, to 63 where it is unsigned.
    bits: u32,
}

impl IntegerType {
    /// # Errors
    /// Redis' error for anything but `i1` to `i64` and `u1` to `u63`.
    pub(super) fn parse(argument: &[u8]) -> Result<Self, Failure> {
        let (is_signed, max_bits, bits) = match argument {
            [b'i', bits @ ..] => (true, 64, bits),
            [b'u', bits @ ..] => (false, 63, bits),
            _ => (false, 0, &[][..]),
        };
        match parse_integer(bits) {
            Some(bits) if (1..=max_bits).contains(&bits) => Ok(Self { is_signed, bits: bits as u32 }),
            _ => Err(Failure::error(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )),
        }
    }

    pub(super) fn bits(self) -> u64 {
        u64::from(self.bits)
    }

    fn min(self) -> i128 {
        if self.is_signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        if self.is_signed { (1 << (self.bits - 1)) - 1 } else { (1 << self.bits) - 1 }
    }

    /// What SET stores for its operand; `None` where that is nothing.
    pub(super) fn fit_operand(self, operand: i64, overflow: Overflow) -> Option<i128> {
        if !self.is_signed {
            // Redis takes a negative operand for a very large one.
            return self.fit(i128::from(operand as u64), overflow);
        }
        let value = i128::from(operand);
        // Redis computes this distance in 64 bits, and where it overflows, takes the value for one above the greatest.
        let seems_too_large = value < self.min() && self.max() - value > i128::from(i64::MAX);
        if seems_too_large && overflow == Overflow::Saturate {
            return Some(self.max());
        }
        self.fit(value, overflow)
    }

    /// What is stored for a value; `None` where that is nothing.
    pub(super) fn fit(self, value: i128, overflow: Overflow) -> Option<i128> {
        if (self.min()..=self.max()).contains(&value) {
            return Some(value);
        }
        match overflow {
            Overflow::Wrap => Some(self.interpret(value as u64 & self.mask())),
            Overflow::Saturate => Some(value.clamp(self.min(), self.max())),
            Overflow::Fail => None,
        }
    }

    /// The integer at a bit position. Bytes beyond the end are zero.
    pub(super) fn read(self, bytes: &[u8], offset: u64) -> i128 {
        let window = Window::at(bytes, offset);
        self.interpret((window.bits >> self.shift(&window)) as u64 & self.mask())
    }

    /// Stores an integer that [`Self::fit`] made.
    ///
    /// # Panics
    /// If the bytes end before it does.
    pub(super) fn write(self, bytes: &mut [u8], offset: u64, value: i128) {
        let mut window = Window::at(bytes, offset);
        let shift = self.shift(&window);
        window.bits &= !(u128::from(self.mask()) << shift);
        window.bits |= u128::from(value as u64 & self.mask()) << shift;
        let last_byte = (offset + self.bits() - 1) / 8;
        let span = window.first_byte..last_byte as usize + 1;
        let length = span.len();
        bytes[span].copy_from_slice(&window.bits.to_be_bytes()[..length]);
    }

    fn shift(self, window: &Window) -> u32 {
        u128::BITS - window.bit - self.bits
    }

    fn mask(self) -> u64 {
        u64::MAX >> (u64::BITS - self.bits)
    }

    fn interpret(self, field: u64) -> i128 {
        let unused_bits = u64::BITS - self.bits;
        if self.is_signed {
            i128::from((field << unused_bits) as i64 >> unused_bits)
        } else {
            i128::from(field)
        }
    }
}

/// The sixteen bytes from the one on in which a field starts: enough for any field.
struct Window {
    first_byte: usize,
    /// Where in the window the field starts.
    bit: u32,
    bits: u128,
}

impl Window {
    fn at(bytes: &[u8], offset: u64) -> Self {
        let first_byte = (offset / 8) as usize;
        let rest = bytes.get(first_byte..).unwrap_or_default();
        let mut window = [0; size_of::<u128>()];
        let length = rest.len().min(window.len());
        window[..length].copy_from_slice(&rest[..length]);
        Self { first_byte, bit: (offset % 8) as u32, bits: u128::from_be_bytes(window) }
    }
}
