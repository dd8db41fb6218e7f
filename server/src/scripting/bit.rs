//! The `bit` table: operations on 32-bit integers, as LuaJIT's BitOp has them.

use super::lua::{Raised, Stack};
use super::sandbox::add_natives;

/// Pushes the module.
pub(super) fn push_module(stack: &mut Stack<'_>) {
    stack.push_table(0, 12);
    add_natives(
        stack,
        &[
            ("tobit", |stack| unary(stack, |bits| bits)),
            ("bnot", |stack| unary(stack, |bits| !bits)),
            ("bswap", |stack| unary(stack, u32::swap_bytes)),
            ("band", |stack| fold(stack, |one, other| one & other)),
            ("bor", |stack| fold(stack, |one, other| one | other)),
            ("bxor", |stack| fold(stack, |one, other| one ^ other)),
            ("lshift", |stack| shift(stack, |bits, by| bits << by)),
            ("rshift", |stack| shift(stack, |bits, by| bits >> by)),
            ("arshift", |stack| shift(stack, |bits, by| (bits as i32 >> by) as u32)),
            ("rol", |stack| shift(stack, u32::rotate_left)),
            ("ror", |stack| shift(stack, u32::rotate_right)),
            ("tohex", to_hex),
        ],
    );
}

/// Adding this to a number leaves its value modulo 2^32, rounded to the nearest integer, in the low bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

fn bits(stack: &mut Stack<'_>, at: i32) -> Result<u32, Raised> {
    match stack.as_number(at) {
        Some(number) => Ok((number + ROUNDING).to_bits() as u32),
        None => Err(stack.raise_type(at, "number")),
    }
}

fn reply(stack: &mut Stack<'_>, bits: u32) -> Result<i32, Raised> {
    stack.push_number(f64::from(bits as i32));
    Ok(1)
}

fn unary(stack: &mut Stack<'_>, operation: fn(u32) -> u32) -> Result<i32, Raised> {
    let value = bits(stack, 1)?;
    reply(stack, operation(value))
}

fn fold(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Result<i32, Raised> {
    let mut value = bits(stack, 1)?;
    for at in 2..=stack.top() {
        value = operation(value, bits(stack, at)?);
    }
    reply(stack, value)
}

fn shift(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Result<i32, Raised> {
    let value = bits(stack, 1)?;
    let by = bits(stack, 2)? & 31;
    reply(stack, operation(value, by))
}

fn to_hex(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let value = bits(stack, 1)?;
    let digits = if stack.top() < 2 { 8 } else { bits(stack, 2)? as i32 };
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let shown = (digits.unsigned_abs() as usize).min(8);
    stack.push_bytes(&text.as_bytes()[8 - shown..]);
    Ok(1)
}
