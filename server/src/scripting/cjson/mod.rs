//! The `cjson` table: values as JSON, with lua-cjson's settings, number formats and messages.
//!
//! - [`encode`] and [`decode`]: the two directions.
//! - [`number`]: numbers as C's `strtod` reads them.

mod decode;
mod encode;
mod number;

use super::lua::{Kind, Native, Raised, Stack};

/// The settings of one copy of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Whether a table with too few of its elements becomes an object, rather than an error.
    sparse_convert: bool,
    /// A table has too few elements if its highest index is above this many times their number; 0 is never.
    sparse_ratio: i32,
    /// A highest index up to this is never too high.
    sparse_safe: i32,
    encode_depth_max: i32,
    decode_depth_max: i32,
    /// Significant digits of numbers.
    precision: i32,
    keep_buffer: bool,
    encode_invalid: Invalid,
    decode_invalid: bool,
}

/// What becomes of a number that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Invalid {
    /// An error.
    Refuse,
    /// It is written all the same.
    Write,
    /// It becomes null.
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refuse,
            decode_invalid: true,
        }
    }
}

/// The address that `cjson.null` is.
const NULL: usize = 0;

const FUNCTIONS: [(&str, Native); 10] = [
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", |stack| integer(stack, 1..=i32::MAX, |settings| &mut settings.encode_depth_max)),
    ("decode_max_depth", |stack| integer(stack, 1..=i32::MAX, |settings| &mut settings.decode_depth_max)),
    ("encode_number_precision", |stack| integer(stack, 1..=14, |settings| &mut settings.precision)),
    ("encode_keep_buffer", encode_keep_buffer),
    ("encode_invalid_numbers", encode_invalid_numbers),
    ("decode_invalid_numbers", decode_invalid_numbers),
    ("new", |stack| {
        push_module(stack);
        Ok(1)
    }),
];

/// Pushes a copy of the module, with settings of its own.
pub(super) fn push_module(stack: &mut Stack<'_>) {
    let copy = {
        let mut all = stack.context().json.borrow_mut();
        all.push(Settings::default());
        all.len() - 1
    };
    stack.push_table(0, 16);
    for (name, native) in FUNCTIONS {
        stack.push_number(copy as f64);
        stack.push_native(native, 1);
        stack.raw_set_name(-2, name);
    }
    stack.push_pointer(NULL);
    stack.raw_set_name(-2, "null");
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        stack.push_bytes(text.as_bytes());
        stack.raw_set_name(-2, name);
    }
}

/// Which copy of the module the function that runs belongs to.
fn copy(stack: &mut Stack<'_>) -> usize {
    stack.push_upvalue(0);
    let copy = stack.number(-1).expect("its upvalue");
    stack.pop(1);
    copy as usize
}

fn settings(stack: &mut Stack<'_>) -> Settings {
    let copy = copy(stack);
    stack.context().json.borrow()[copy]
}

fn change(stack: &mut Stack<'_>, change: impl FnOnce(&mut Settings)) {
    let copy = copy(stack);
    change(&mut stack.context().json.borrow_mut()[copy]);
}

/// There is one argument.
fn only_argument(stack: &mut Stack<'_>) -> Result<(), Raised> {
    if stack.top() == 1 { Ok(()) } else { Err(stack.raise_argument(1, "expected 1 argument")) }
}

/// There are at most `count` arguments; those that are missing become nil.
fn take_arguments(stack: &mut Stack<'_>, count: i32) -> Result<(), Raised> {
    if stack.top() > count {
        return Err(stack.raise_argument(count + 1, "found too many arguments"));
    }
    stack.set_top(count);
    Ok(())
}

fn integer(
    stack: &mut Stack<'_>,
    range: std::ops::RangeInclusive<i32>,
    setting: fn(&mut Settings) -> &mut i32,
) -> Result<i32, Raised> {
    take_arguments(stack, 1)?;
    let given = integer_at(stack, 1, range)?;
    let mut value = 0;
    change(stack, |settings| {
        let setting = setting(settings);
        *setting = given.unwrap_or(*setting);
        value = *setting;
    });
    stack.push_number(f64::from(value));
    Ok(1)
}

fn integer_at(
    stack: &mut Stack<'_>,
    at: i32,
    range: std::ops::RangeInclusive<i32>,
) -> Result<Option<i32>, Raised> {
    if stack.kind(at) == Kind::Nil {
        return Ok(None);
    }
    let value = super::sandbox::integer_argument(stack, at)? as i32;
    if !range.contains(&value) {
        let problem = format!("expected integer between {} and {}", range.start(), range.end());
        return Err(stack.raise_argument(1, &problem));
    }
    Ok(Some(value))
}

/// A boolean, or one of these words by its number.
fn choice_at(stack: &mut Stack<'_>, at: i32, words: &[&str]) -> Result<Option<usize>, Raised> {
    match stack.kind(at) {
        Kind::Nil => Ok(None),
        Kind::Boolean => Ok(Some(usize::from(stack.is_true(at)))),
        _ => {
            let Some(text) = stack.as_bytes(at) else { return Err(stack.raise_type(at, "string")) };
            match words.iter().position(|word| word.as_bytes() == text) {
                Some(choice) => Ok(Some(choice)),
                None => {
                    let problem = format!("invalid option '{}'", String::from_utf8_lossy(text));
                    Err(stack.raise_argument(at, &problem))
                }
            }
        }
    }
}

fn encode_sparse_array(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    take_arguments(stack, 3)?;
    let convert = choice_at(stack, 1, &[])?;
    let ratio = integer_at(stack, 2, 0..=i32::MAX)?;
    let safe = integer_at(stack, 3, 0..=i32::MAX)?;
    change(stack, |settings| {
        settings.sparse_convert = convert.map_or(settings.sparse_convert, |convert| convert == 1);
        settings.sparse_ratio = ratio.unwrap_or(settings.sparse_ratio);
        settings.sparse_safe = safe.unwrap_or(settings.sparse_safe);
    });
    let settings = settings(stack);
    stack.push_boolean(settings.sparse_convert);
    stack.push_number(f64::from(settings.sparse_ratio));
    stack.push_number(f64::from(settings.sparse_safe));
    Ok(3)
}

fn encode_keep_buffer(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    take_arguments(stack, 1)?;
    let keep = choice_at(stack, 1, &[])?;
    change(stack, |settings| settings.keep_buffer = keep.map_or(settings.keep_buffer, |keep| keep == 1));
    let keep = settings(stack).keep_buffer;
    stack.push_boolean(keep);
    Ok(1)
}

fn encode_invalid_numbers(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    take_arguments(stack, 1)?;
    let given = choice_at(stack, 1, &["off", "on", "null"])?;
    let given = given.map(|choice| [Invalid::Refuse, Invalid::Write, Invalid::Null][choice]);
    change(stack, |settings| settings.encode_invalid = given.unwrap_or(settings.encode_invalid));
    match settings(stack).encode_invalid {
        Invalid::Null => stack.push_bytes(b"null"),
        other => stack.push_boolean(other == Invalid::Write),
    }
    Ok(1)
}

fn decode_invalid_numbers(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    take_arguments(stack, 1)?;
    let given = choice_at(stack, 1, &["off", "on"])?;
    change(stack, |settings| settings.decode_invalid = given.map_or(settings.decode_invalid, |on| on == 1));
    let allowed = settings(stack).decode_invalid;
    stack.push_boolean(allowed);
    Ok(1)
}
