//! The options of SET and GETEX: conditions, expiry, and whether the old value is wanted.

use thermocline_engine::UnixMillis;
use thermocline_protocol::Arguments;

use crate::command::Failure;
use crate::command::arguments::{TimeOrigin, TimeUnit, expiry, is_word};

/// Where SET's options start.
const SET_OPTIONS: usize = 3;
/// Where GETEX' options start.
const GETEX_OPTIONS: usize = 2;

/// When SET sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Always,
    /// NX.
    IfMissing,
    /// XX.
    IfPresent,
}

/// What is to become of the key's expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExpiryOption<'a> {
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// EX, PX, EXAT, PXAT.
    At(Time<'a>),
}

/// A time as it was given. It is read after all options were, as Redis does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time<'a> {
    argument: &'a [u8],
    unit: TimeUnit,
    pub(super) origin: TimeOrigin,
}

impl Time<'_> {
    pub(super) fn read(&self, now: UnixMillis, command: &str) -> Result<UnixMillis, Failure> {
        expiry(self.argument, self.unit, self.origin, now, command)
    }
}

/// What SET was told.
#[derive(Debug)]
pub(super) struct SetOptions<'a> {
    pub(super) condition: Condition,
    /// GET.
    pub(super) returns_old: bool,
    pub(super) expiry: ExpiryOption<'a>,
}

impl<'a> SetOptions<'a> {
    /// # Errors
    /// [`Failure::SYNTAX`] for unknown options and those that exclude each other.
    pub(super) fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let mut options =
            Self { condition: Condition::Always, returns_old: false, expiry: ExpiryOption::Unsaid };
        let mut words = arguments.skip(SET_OPTIONS).iter();
        while let Some(word) = words.next() {
            if is_word(word, "nx") {
                options.put_condition(Condition::IfMissing)?;
            } else if is_word(word, "xx") {
                options.put_condition(Condition::IfPresent)?;
            } else if is_word(word, "get") {
                options.returns_old = true;
            } else if is_word(word, "keepttl") {
                put_expiry(&mut options.expiry, ExpiryOption::Keep)?;
            } else {
                put_expiry(&mut options.expiry, time_option(word, &mut words)?)?;
            }
        }
        Ok(options)
    }

    fn put_condition(&mut self, condition: Condition) -> Result<(), Failure> {
        if self.condition != Condition::Always && self.condition != condition {
            return Err(Failure::SYNTAX);
        }
        self.condition = condition;
        Ok(())
    }
}

/// What GETEX was told about the expiry.
///
/// # Errors
/// [`Failure::SYNTAX`] for unknown options and those that exclude each other.
pub(super) fn parse_getex(arguments: Arguments<'_>) -> Result<ExpiryOption<'_>, Failure> {
    let mut expiry = ExpiryOption::Unsaid;
    let mut words = arguments.skip(GETEX_OPTIONS).iter();
    while let Some(word) = words.next() {
        let option =
            if is_word(word, "persist") { ExpiryOption::Persist } else { time_option(word, &mut words)? };
        put_expiry(&mut expiry, option)?;
    }
    Ok(expiry)
}

/// Whether SET is told to reply the old value, so that it must be read.
pub(super) fn wants_old_value(arguments: Arguments<'_>) -> bool {
    arguments.len() > SET_OPTIONS && arguments.skip(SET_OPTIONS).iter().any(|word| is_word(word, "get"))
}

fn time_option<'a>(
    word: &[u8],
    words: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<ExpiryOption<'a>, Failure> {
    let (unit, origin) = if is_word(word, "ex") {
        (TimeUnit::Seconds, TimeOrigin::Now)
    } else if is_word(word, "px") {
        (TimeUnit::Milliseconds, TimeOrigin::Now)
    } else if is_word(word, "exat") {
        (TimeUnit::Seconds, TimeOrigin::Epoch)
    } else if is_word(word, "pxat") {
        (TimeUnit::Milliseconds, TimeOrigin::Epoch)
    } else {
        return Err(Failure::SYNTAX);
    };
    let argument = words.next().ok_or(Failure::SYNTAX)?;
    Ok(ExpiryOption::At(Time { argument, unit, origin }))
}

/// Of different options there may be one only; of the same one the last counts.
fn put_expiry<'a>(expiry: &mut ExpiryOption<'a>, option: ExpiryOption<'a>) -> Result<(), Failure> {
    let may_follow = match (*expiry, option) {
        (ExpiryOption::Unsaid, _) => true,
        (ExpiryOption::At(old), ExpiryOption::At(new)) => old.unit == new.unit && old.origin == new.origin,
        (old, new) => old == new,
    };
    if !may_follow {
        return Err(Failure::SYNTAX);
    }
    *expiry = option;
    Ok(())
}
