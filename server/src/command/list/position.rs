//! LPOS.

use thermocline_engine::value::{ListEnd, ListValue};
use thermocline_protocol::Arguments;

use super::list;
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};

/// The first of LPOS' arguments that is an option.
const OPTIONS: usize = 3;

/// What LPOS looks for.
struct Search {
    from: ListEnd,
    /// How many equal elements are passed over.
    skipped: usize,
    /// How many positions are replied, 0 for all; `None` for one that is replied alone.
    count: Option<usize>,
    /// How many elements are compared.
    compared: usize,
}

impl Search {
    fn parse(arguments: Arguments<'_>) -> Result<Self, Failure> {
        let mut search = Self { from: ListEnd::Front, skipped: 0, count: None, compared: usize::MAX };
        let mut at = OPTIONS;
        while at < arguments.len() {
            let option = arguments.get(at);
            let Some(value) = (at + 1 < arguments.len()).then(|| arguments.get(at + 1)) else {
                return Err(Failure::SYNTAX);
            };
            if is_word(option, "RANK") {
                search.set_rank(integer(value)?)?;
            } else if is_word(option, "COUNT") {
                search.count = Some(not_negative(value, "ERR COUNT can't be negative")?);
            } else if is_word(option, "MAXLEN") {
                search.compared = match not_negative(value, "ERR MAXLEN can't be negative")? {
                    0 => usize::MAX,
                    compared => compared,
                };
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 2;
        }
        Ok(search)
    }

    fn set_rank(&mut self, rank: i64) -> Result<(), Failure> {
        if rank == 0 {
            return Err(Failure::error(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
                 to start from the end of the list",
            ));
        }
        if rank == i64::MIN {
            return Err(Failure::error(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ));
        }
        self.from = if rank < 0 { ListEnd::Back } else { ListEnd::Front };
        self.skipped = rank.unsigned_abs() as usize - 1;
        Ok(())
    }

    /// The positions that are asked for, in the order in which they are found.
    fn run(&self, list: &ListValue, wanted: &[u8]) -> Vec<usize> {
        let most = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let (mut found, mut passed) = (Vec::new(), 0);
        list.search(wanted, self.from, self.compared, |index| {
            passed += 1;
            if passed > self.skipped {
                found.push(index);
            }
            found.len() < most
        });
        found
    }
}

fn not_negative(argument: &[u8], error: &'static str) -> Result<usize, Failure> {
    let number = integer(argument).ok().and_then(|number| usize::try_from(number).ok());
    number.ok_or(Failure::error(error))
}

pub(super) fn lpos(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let search = Search::parse(arguments)?;
    let found = match context.keys.get(arguments.get(1))? {
        Some(value) => search.run(list(value)?, arguments.get(2)),
        None => Vec::new(),
    };
    if search.count.is_some() {
        context.reply.array(found.len());
        found.iter().for_each(|index| context.reply.integer(*index as i64));
    } else {
        match found.first() {
            Some(index) => context.reply.integer(*index as i64),
            None => context.reply.null(),
        }
    }
    Ok(())
}
