//! PFDEBUG and PFSELFTEST.

use std::fmt::Write;

use thermocline_engine::value::IntegerDigits;
use thermocline_protocol::Arguments;

use super::hash::Mark;
use super::sketch::{self, Form, REGISTERS, Sketch};
use super::sparse;
use crate::command::arguments::is_word;
use crate::command::string::edit_and_tell_if;
use crate::command::{Context, Failure, KeyContext};

/// What PFSELFTEST adds.
const TESTED_ELEMENTS: u32 = 4_096;
/// How far it lets an estimate be off, as a share: four standard errors of 1.04 / 128 each.
const TOLERANCE: f64 = 0.0325;

pub(super) fn pfdebug(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (word, key) = (arguments.get(1), arguments.get(2));
    let value = context.keys.get_to_change(key)?;
    let value = value.ok_or(Failure::error("ERR The specified key does not exist"))?;
    let mut digits = IntegerDigits::new();
    let sketch = Sketch::of(value, &mut digits)?;
    if is_word(word, "GETREG") {
        let mut registers = Box::new([0; REGISTERS]);
        sketch.merge_into(&mut registers)?;
        make_dense(context, key)?;
        context.reply.array(REGISTERS);
        registers.iter().for_each(|value| context.reply.integer(i64::from(*value)));
    } else if is_word(word, "DECODE") {
        if sketch.form != Form::Sparse {
            return Err(Failure::error("ERR HLL encoding is not sparse"));
        }
        context.reply.bulk(describe(sketch.body()).as_bytes());
    } else if is_word(word, "ENCODING") {
        context.reply.simple(match sketch.form {
            Form::Dense => "dense",
            Form::Sparse => "sparse",
        });
    } else if is_word(word, "TODENSE") {
        let was_sparse = make_dense(context, key)?;
        context.reply.integer(i64::from(was_sparse));
    } else {
        let word = String::from_utf8_lossy(word);
        return Err(Failure::error(format!("ERR Unknown PFDEBUG subcommand '{word}'")));
    }
    Ok(())
}

/// Makes a sketch dense; false where it is. As in Redis, nobody who watches the key is told.
fn make_dense(context: &mut KeyContext<'_>, key: &[u8]) -> Result<bool, Failure> {
    let value = context.keys.get_to_change(key)?.expect("the key was looked up");
    let mut digits = IntegerDigits::new();
    let sketch = Sketch::of(value, &mut digits)?;
    if sketch.form == Form::Dense {
        return Ok(false);
    }
    let dense = sketch.to_dense()?;
    edit_and_tell_if(&mut context.keys, key, |bytes| {
        *bytes = dense;
        ((), false)
    })?;
    Ok(true)
}

/// Runs in words: `Z` for zeros in two bytes, `z` for zeros in one, `v` for a value.
fn describe(body: &[u8]) -> String {
    let mut text = String::new();
    for run in sparse::runs(body) {
        let separator = if text.is_empty() { "" } else { " " };
        let written = match run.value {
            0 if run.is_long => write!(text, "{separator}Z:{}", run.length),
            0 => write!(text, "{separator}z:{}", run.length),
            value => write!(text, "{separator}v:{value},{}", run.length),
        };
        written.expect("a string takes any text");
    }
    text
}

/// Counts elements in a sparse and in a dense sketch, which must agree with each other and with the truth.
pub(super) fn pfselftest(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let failed = |what: &str| Failure::error(format!("ERR TESTFAILED {what}"));
    let mut sparse = sketch::empty();
    let empty = Sketch { form: Form::Sparse, bytes: &sparse };
    let mut dense = empty.to_dense()?;
    for number in 0..TESTED_ELEMENTS {
        let mark = || std::iter::once(Mark::of(&number.to_le_bytes()));
        sketch::raise(&mut sparse, mark(), usize::MAX)?;
        sketch::raise(&mut dense, mark(), 0)?;
        if !(number + 1).is_power_of_two() {
            continue;
        }
        let count = Sketch { form: Form::Sparse, bytes: &sparse }.count()?;
        let dense_count = Sketch { form: Form::Dense, bytes: &dense }.count()?;
        if dense_count != count {
            return Err(failed("sparse and dense sketches of the same elements differ"));
        }
        let truth = f64::from(number + 1);
        if (count as f64 - truth).abs() > (truth * TOLERANCE).max(1.0) {
            return Err(failed("the estimate is too far off"));
        }
    }
    context.reply.ok();
    Ok(())
}
