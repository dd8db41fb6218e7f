//! PFADD, PFCOUNT and PFMERGE.

use thermocline_engine::value::{Encoding, IntegerDigits, StringValue};
use thermocline_engine::{Keys, SetExpiry};
use thermocline_protocol::Arguments;

use super::estimate::estimate;
use super::hash::Mark;
use super::sketch::{
    Corrupted, Form, REGISTERS, Registers, Sketch, empty, forget_cardinality, raise, remember_cardinality,
};
use crate::command::string::edit;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// The event of every change; Redis tells of PFMERGE as of many elements added.
const EVENT: &str = "pfadd";

pub(super) fn pfadd(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let marks = || arguments.skip(2).iter().map(Mark::of);
    let sparse_max_bytes = context.server.config.hll_sparse_max_bytes();
    let Some(value) = context.keys.get_to_change(key)? else {
        let mut bytes = empty();
        raise(&mut bytes, marks(), sparse_max_bytes)?;
        forget_cardinality(&mut bytes);
        context.keys.set(key, StringValue::raw(bytes).into(), SetExpiry::Clear);
        context.notify(EventClass::STRING, EVENT, key);
        context.reply.integer(1);
        return Ok(());
    };
    let mut digits = IntegerDigits::new();
    let sketch = Sketch::of(value, &mut digits)?;
    let is_raw = value.encoding() == Encoding::Raw;
    let Some(unchanged) = marks().position(|mark| sketch.is_raised_by(mark)) else {
        if !is_raw {
            make_raw(&mut context.keys, key)?;
        }
        context.reply.integer(0);
        return Ok(());
    };
    let marks = marks().skip(unchanged);
    match sketch.form {
        Form::Dense => edit(&mut context.keys, key, |bytes| {
            raise(bytes, marks, sparse_max_bytes).expect("a dense sketch is never corrupted");
            forget_cardinality(bytes);
        })?,
        Form::Sparse => {
            let mut changed = sketch.bytes.to_vec();
            let result = raise(&mut changed, marks, sparse_max_bytes);
            if result.is_err() && changed == sketch.bytes {
                return Err(Corrupted.into());
            }
            forget_cardinality(&mut changed);
            edit(&mut context.keys, key, |bytes| *bytes = changed)?;
            if result.is_err() {
                // Redis notices that registers are missing when it comes to them, and keeps what it added before.
                context.reply.error(Corrupted::REPLY);
                return Ok(());
            }
        }
    }
    context.notify(EventClass::STRING, EVENT, key);
    context.reply.integer(1);
    Ok(())
}

pub(super) fn pfcount(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let keys = arguments.skip(1);
    let cardinality = if keys.len() == 1 {
        count_one(&mut context.keys, keys.get(0))?
    } else {
        let (registers, _) = merged(&mut context.keys, keys)?;
        let mut histogram = [0; 64];
        registers.iter().for_each(|value| histogram[usize::from(*value)] += 1);
        estimate(&histogram)
    };
    context.reply.integer(cardinality);
    Ok(())
}

/// The cardinality of one key, which is kept with it.
fn count_one(keys: &mut Keys<'_>, key: &[u8]) -> Result<i64, Failure> {
    let Some(value) = keys.get(key)? else { return Ok(0) };
    let mut digits = IntegerDigits::new();
    let sketch = Sketch::of(value, &mut digits)?;
    match sketch.cached_cardinality() {
        Some(cardinality) => {
            if value.encoding() != Encoding::Raw {
                make_raw(keys, key)?;
            }
            Ok(cardinality)
        }
        None => {
            let cardinality = sketch.count()?;
            edit(keys, key, |bytes| remember_cardinality(bytes, cardinality))?;
            Ok(cardinality)
        }
    }
}

/// Has a sketch stored as a string that was edited, as it is in Redis once it was looked at.
fn make_raw(keys: &mut Keys<'_>, key: &[u8]) -> Result<(), Failure> {
    keys.reencode(key, |value| value.as_string_mut().expect("the type was checked").edit(|_| ()))?;
    Ok(())
}

pub(super) fn pfmerge(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let target = arguments.get(1);
    let (registers, becomes_dense) = merged(&mut context.keys, arguments.skip(1))?;
    let old = context.keys.get_to_change(target)?;
    let exists = old.is_some();
    let mut digits = IntegerDigits::new();
    let empty = empty();
    let sketch = match old {
        Some(value) => Sketch::of(value, &mut digits)?,
        None => Sketch { form: Form::Sparse, bytes: &empty },
    };
    let mut bytes = if becomes_dense { sketch.to_dense()? } else { sketch.bytes.to_vec() };
    let marks = registers.iter().enumerate().filter(|(_, rank)| **rank > 0);
    let marks = marks.map(|(index, rank)| Mark { index, rank: *rank });
    raise(&mut bytes, marks, context.server.config.hll_sparse_max_bytes())?;
    forget_cardinality(&mut bytes);
    if exists {
        edit(&mut context.keys, target, |old| *old = bytes)?;
    } else {
        context.keys.set(target, StringValue::raw(bytes).into(), SetExpiry::Clear);
    }
    context.notify(EventClass::STRING, EVENT, target);
    context.reply.ok();
    Ok(())
}

/// The highest value of each register, and whether any key is dense.
fn merged(keys: &mut Keys<'_>, names: Arguments<'_>) -> Result<(Box<Registers>, bool), Failure> {
    let mut registers = Box::new([0; REGISTERS]);
    let mut any_dense = false;
    for key in names.iter() {
        if let Some(value) = keys.get(key)? {
            let mut digits = IntegerDigits::new();
            let sketch = Sketch::of(value, &mut digits)?;
            any_dense |= sketch.form == Form::Dense;
            sketch.merge_into(&mut registers)?;
        }
    }
    Ok((registers, any_dense))
}
