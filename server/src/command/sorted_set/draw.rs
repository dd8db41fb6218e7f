//! ZRANDMEMBER and ZSCAN: members in no particular order.

use rand::Rng;
use thermocline_engine::value::{IntegerDigits, SortedSetValue};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::pairs::{Shape, bulk_score};
use super::{check_type, sorted_set};
use crate::command::arguments::{integer, is_word};
use crate::command::generic::iteration::{CollectionScan, cursor};
use crate::command::{Failure, KeyContext};

/// A sample of at least one in so many members is picked up on one walk over all of them, a smaller one member by member.
const WALKED_FRACTION: usize = 3;

pub(super) fn zrandmember(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    if arguments.len() == 2 {
        match context.keys.get(key)? {
            Some(value) => {
                let set = sorted_set(value)?;
                let (member, _) = set.any(rand::rng().random_range(0..set.len()));
                context.reply.bulk(member.bytes(&mut IntegerDigits::new()));
            }
            None => context.reply.null(),
        }
        return Ok(());
    }
    let count = integer(arguments.get(2))?;
    if count == i64::MIN {
        return Err(Failure::error(format!(
            "ERR value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    let with_scores = arguments.len() > 3;
    if with_scores && (arguments.len() > 4 || !is_word(arguments.get(3), "withscores")) {
        return Err(Failure::SYNTAX);
    }
    if with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Failure::error("ERR value is out of range"));
    }
    let Some(value) = context.keys.get(key)? else {
        context.reply.array(0);
        return Ok(());
    };
    let set = sorted_set(value)?;
    let shape = Shape::of(with_scores, context.reply.protocol());
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        shape.begin(&mut context.reply, wanted);
        for _ in 0..wanted {
            let (member, score) = set.any(rand::rng().random_range(0..set.len()));
            shape.member(&mut context.reply, member, score);
        }
    } else {
        draw_different(&mut context.reply, set, wanted, shape);
    }
    Ok(())
}

/// Replies `wanted` different members, or all.
fn draw_different(reply: &mut ReplyEncoder<'_>, set: &SortedSetValue, wanted: usize, shape: Shape) {
    let len = set.len();
    if wanted >= len {
        shape.begin(reply, len);
        set.iter().for_each(|(member, score)| shape.member(reply, member, score));
        return;
    }
    let mut indices = rand::seq::index::sample(&mut rand::rng(), len, wanted).into_vec();
    shape.begin(reply, wanted);
    if wanted * WALKED_FRACTION >= len {
        indices.sort_unstable();
        let mut next = indices.into_iter().peekable();
        for (at, (member, score)) in set.iter().enumerate() {
            if next.next_if_eq(&at).is_some() {
                shape.member(reply, member, score);
            }
        }
    } else {
        for index in indices {
            let (member, score) = set.any(index);
            shape.member(reply, member, score);
        }
    }
}

pub(super) fn zscan(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, cursor) = (arguments.get(1), cursor(arguments.get(2))?);
    let Some(info) = context.keys.info(key) else {
        context.reply.array(2);
        context.reply.bulk(b"0");
        context.reply.array(0);
        return Ok(());
    };
    check_type(&info)?;
    let scan = CollectionScan::parse(arguments.skip(3))?;
    let set = sorted_set(context.keys.get_to_change(key)?.expect("the key is there"))?;
    // The cursor comes first in the reply and is known last.
    let mut found = Vec::new();
    let mut found_count = 0;
    let mut pairs = ReplyEncoder::new(&mut found, context.reply.protocol());
    let mut digits = IntegerDigits::new();
    let next = set.scan(cursor, scan.count, |member, score| {
        let member = member.bytes(&mut digits);
        if scan.admits(member) {
            pairs.bulk(member);
            bulk_score(&mut pairs, score);
            found_count += 1;
        }
    });
    context.reply.array(2);
    context.reply.bulk(next.to_string().as_bytes());
    context.reply.array(2 * found_count);
    context.reply.raw(&found);
    Ok(())
}
