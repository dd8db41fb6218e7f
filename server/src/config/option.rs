//! One option: its name, what values it takes, and how they are read and shown.
//!
//! An option's value is a number (booleans, choices and sizes too) or a text. Reading checks everything that can
//! be checked without looking at other options; error texts are Redis'.

use std::borrow::Cow;
use std::sync::Arc;

use super::size::{format_size, parse_size};

/// Why a value was refused; goes behind `CONFIG SET failed (possibly related to argument 'x') - `.
pub type Refusal = Cow<'static, str>;

/// A row of the table of options. Built with the `const` methods below.
#[derive(Clone, Copy)]
pub struct OptionRow {
    /// The name in lower case.
    pub name: &'static str,
    /// Its older name in Redis.
    pub alias: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
    /// The value where none is given.
    pub default: Initial,
    /// When it may change.
    pub change: Change,
    /// Whether it changes what the server does.
    pub effect: Effect,
    /// Whether its value is kept from logs, SLOWLOG and MONITOR.
    pub is_secret: bool,
    /// What it does, in one or two sentences.
    pub documentation: &'static str,
    /// Where only the default is accepted: why.
    pub only_default: Option<&'static str>,
}

/// What values an option takes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// An integer between both bounds, inclusive.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// Permission bits, written in octal.
    Octal {
        /// The greatest value.
        max: i64,
    },
    /// Bytes, with Redis' units (`1k` is 1000 bytes, `1kb` 1024).
    Size {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// Bytes, or a part of something, such as `5%`, which is kept as a negative number.
    SizeOrPercent,
    /// One of these words; the value is its position.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// Several words, which this function checks and puts in their canonical order. It is given the words and
    /// the value so far.
    Words(fn(&[String], &str) -> Result<String, Refusal>),
}

/// A default.
#[derive(Clone, Copy)]
pub enum Initial {
    /// Of a boolean, integer, size or choice.
    Number(i64),
    /// Of a text or words.
    Text(&'static str),
}

/// When an option may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// By `CONFIG SET`.
    AtRuntime,
    /// On the command line and in the file only.
    AtStart,
    /// By `CONFIG SET` where `enable-protected-configs` allows it.
    Protected,
}

/// What an option is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changes what the server does.
    Used,
    /// It is accepted and shown, because clients and tools set it, and changes nothing.
    Kept,
}

/// A value that was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionValue {
    /// Of a boolean, integer, size or choice.
    Number(i64),
    /// Of a text or words.
    Text(Arc<str>),
}

impl OptionRow {
    const fn new(name: &'static str, kind: Kind, default: Initial) -> Self {
        Self {
            name,
            alias: None,
            kind,
            default,
            change: Change::AtRuntime,
            effect: Effect::Used,
            is_secret: false,
            documentation: "",
            only_default: None,
        }
    }

    /// `yes` or `no`.
    pub const fn bool(name: &'static str, default: bool) -> Self {
        Self::new(name, Kind::Bool, Initial::Number(default as i64))
    }

    /// An integer from `min` to `max`.
    pub const fn integer(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Integer { min, max }, Initial::Number(default))
    }

    /// An integer that a C `int` holds, not negative: the range of most of Redis' options.
    pub const fn count(name: &'static str, default: i64) -> Self {
        Self::integer(name, default, 0, i32::MAX as i64)
    }

    /// A size in bytes from `min` on.
    pub const fn size(name: &'static str, default: i64, min: i64) -> Self {
        Self::new(name, Kind::Size { min, max: i64::MAX }, Initial::Number(default))
    }

    /// A size in bytes from `min` to `max`.
    pub const fn size_within(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Size { min, max }, Initial::Number(default))
    }

    /// A size in bytes, or a percentage.
    pub const fn size_or_percent(name: &'static str, default: i64) -> Self {
        Self::new(name, Kind::SizeOrPercent, Initial::Number(default))
    }

    /// Permission bits.
    pub const fn octal(name: &'static str, default: i64, max: i64) -> Self {
        Self::new(name, Kind::Octal { max }, Initial::Number(default))
    }

    /// One of several words; `default` is a position.
    pub const fn choice(name: &'static str, words: &'static [&'static str], default: i64) -> Self {
        Self::new(name, Kind::Choice(words), Initial::Number(default))
    }

    /// A text.
    pub const fn text(name: &'static str, default: &'static str) -> Self {
        Self::new(name, Kind::Text, Initial::Text(default))
    }

    /// Several words.
    pub const fn words(
        name: &'static str,
        default: &'static str,
        canonical: fn(&[String], &str) -> Result<String, Refusal>,
    ) -> Self {
        Self::new(name, Kind::Words(canonical), Initial::Text(default))
    }

    /// Also known by an older name.
    pub const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    /// Fixed once the server runs.
    pub const fn at_start(self) -> Self {
        Self { change: Change::AtStart, ..self }
    }

    /// Changed at runtime only where `enable-protected-configs` allows it.
    pub const fn protected(self) -> Self {
        Self { change: Change::Protected, ..self }
    }

    /// Accepted and shown without any effect.
    pub const fn kept(self) -> Self {
        Self { effect: Effect::Kept, ..self }
    }

    /// Kept from logs.
    pub const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Only the default is accepted: another value would promise something that does not happen.
    pub const fn only_default(self, why: &'static str) -> Self {
        Self { only_default: Some(why), effect: Effect::Kept, ..self }
    }

    /// What it does.
    pub const fn doc(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }

    /// Whether this is what `name` means, in any case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Whether it takes several words, as in a line of the configuration file.
    pub fn takes_words(&self) -> bool {
        matches!(self.kind, Kind::Words(_))
    }

    /// The default value.
    pub fn default_value(&self) -> OptionValue {
        match self.default {
            Initial::Number(number) => OptionValue::Number(number),
            Initial::Text(text) => OptionValue::Text(text.into()),
        }
    }

    /// Checks the words of a line (or of `CONFIG SET`, split) against what the option takes.
    ///
    /// # Errors
    /// Redis' words for what is wrong.
    pub fn parse(&self, words: &[String], current: &OptionValue) -> Result<OptionValue, Refusal> {
        let value = match (self.kind, words) {
            (Kind::Words(canonical), words) => {
                let OptionValue::Text(current) = current else { panic!("words are kept as text") };
                OptionValue::Text(canonical(words, current)?.into())
            }
            (kind, [word]) => kind.parse_word(word)?,
            _ => return Err("wrong number of arguments".into()),
        };
        match self.only_default {
            Some(why) if value != self.default_value() => Err(why.into()),
            _ => Ok(value),
        }
    }

    /// The value as CONFIG GET shows it.
    pub fn format(&self, value: &OptionValue) -> String {
        match (self.kind, value) {
            (Kind::Bool, OptionValue::Number(number)) => if *number != 0 { "yes" } else { "no" }.to_owned(),
            (Kind::Octal { .. }, OptionValue::Number(number)) => format!("{number:o}"),
            (Kind::Choice(words), OptionValue::Number(number)) => words[*number as usize].to_owned(),
            (Kind::SizeOrPercent, OptionValue::Number(number @ ..0)) => format!("{}%", -number),
            (_, OptionValue::Number(number)) => number.to_string(),
            (_, OptionValue::Text(text)) => text.to_string(),
        }
    }

    /// The value as a person would write it: sizes with units.
    pub fn format_for_file(&self, value: &OptionValue) -> String {
        match (self.kind, value) {
            (Kind::Size { .. }, OptionValue::Number(bytes)) => format_size(*bytes),
            (Kind::SizeOrPercent, OptionValue::Number(bytes @ 0..)) => format_size(*bytes),
            _ => self.format(value),
        }
    }
}

impl Kind {
    fn parse_word(self, word: &str) -> Result<OptionValue, Refusal> {
        let number = match self {
            Self::Bool => match word {
                _ if word.eq_ignore_ascii_case("yes") => 1,
                _ if word.eq_ignore_ascii_case("no") => 0,
                _ => return Err("argument must be 'yes' or 'no'".into()),
            },
            Self::Integer { min, max } => {
                let number = thermocline_protocol::parse_integer(word.as_bytes());
                within(number.ok_or("argument couldn't be parsed into an integer")?, min, max)?
            }
            Self::Octal { max } => {
                let number = i64::from_str_radix(word, 8);
                within(number.map_err(|_| "argument couldn't be parsed as an octal number")?, 0, max)?
            }
            Self::Size { min, max } => {
                let Some(bytes) = parse_size(word) else {
                    return Err(match word.parse::<u64>() {
                        Ok(_) => outside(min, max),
                        Err(_) => "argument must be a memory value".into(),
                    });
                };
                within(bytes, min, max)?
            }
            Self::SizeOrPercent => match word.strip_suffix('%') {
                Some(percent) => {
                    let percent = thermocline_protocol::parse_integer(percent.as_bytes());
                    let percent = percent.filter(|percent| *percent >= 0).ok_or(NEITHER_SIZE_NOR_PERCENT)?;
                    if percent > 100 {
                        return Err("percentage argument must be less or equal to 100".into());
                    }
                    -percent
                }
                None => parse_size(word).ok_or(NEITHER_SIZE_NOR_PERCENT)?,
            },
            Self::Choice(words) => {
                let position = words.iter().position(|choice| choice.eq_ignore_ascii_case(word));
                let refusal = || format!("argument(s) must be one of the following: {}", words.join(", "));
                position.ok_or_else(refusal)? as i64
            }
            Self::Text => return Ok(OptionValue::Text(word.into())),
            Self::Words(_) => panic!("words are checked by their own function"),
        };
        Ok(OptionValue::Number(number))
    }
}

const NEITHER_SIZE_NOR_PERCENT: &str = "argument must be a memory or percent value";

fn within(number: i64, min: i64, max: i64) -> Result<i64, Refusal> {
    if (min..=max).contains(&number) { Ok(number) } else { Err(outside(min, max)) }
}

fn outside(min: i64, max: i64) -> Refusal {
    format!("argument must be between {min} and {max} inclusive").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(row: OptionRow, words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let value = row.parse(&words, &row.default_value()).map_err(Cow::into_owned)?;
        Ok(row.format(&value))
    }

    #[test]
    fn each_kind_reads_what_redis_reads() {
        assert_eq!(parse(OptionRow::bool("b", false), &["YES"]), Ok("yes".into()));
        assert_eq!(parse(OptionRow::integer("i", 0, -1, 9), &["-1"]), Ok("-1".into()));
        assert_eq!(parse(OptionRow::octal("o", 0, 0o777), &["700"]), Ok("700".into()));
        assert_eq!(parse(OptionRow::size("s", 0, 0), &["1Gb"]), Ok("1073741824".into()));
        assert_eq!(parse(OptionRow::size_or_percent("p", 0), &["1kb"]), Ok("1024".into()));
        assert_eq!(parse(OptionRow::size_or_percent("p", 0), &["5%"]), Ok("5%".into()));
        assert_eq!(parse(OptionRow::size_or_percent("p", 0), &["0%"]), Ok("0".into()));
        assert_eq!(parse(OptionRow::choice("c", &["one", "two"], 0), &["TWO"]), Ok("two".into()));
        assert_eq!(parse(OptionRow::text("t", "x"), &[""]), Ok("".into()));
    }

    #[test]
    fn each_kind_refuses_in_redis_words() {
        let refusal = |row, word| parse(row, &[word]).unwrap_err();
        assert_eq!(refusal(OptionRow::bool("b", false), "1"), "argument must be 'yes' or 'no'");
        let integer = OptionRow::integer("i", 0, 0, 9);
        assert_eq!(refusal(integer, "01"), "argument couldn't be parsed into an integer");
        assert_eq!(refusal(integer, "10"), "argument must be between 0 and 9 inclusive");
        assert_eq!(refusal(OptionRow::size("s", 0, 0), "-1"), "argument must be a memory value");
        let beyond = "argument must be between 0 and 9223372036854775807 inclusive";
        assert_eq!(refusal(OptionRow::size("s", 0, 0), "9223372036854775808"), beyond);
        assert_eq!(
            refusal(OptionRow::size("s", 0, 0), "18446744073709551616"),
            "argument must be a memory value"
        );
        let either = OptionRow::size_or_percent("p", 0);
        assert_eq!(refusal(either, "101%"), "percentage argument must be less or equal to 100");
        assert_eq!(refusal(either, "5x"), "argument must be a memory or percent value");
        let choice = OptionRow::choice("c", &["one", "two"], 0);
        assert_eq!(refusal(choice, "three"), "argument(s) must be one of the following: one, two");
        assert_eq!(parse(integer, &["1", "2"]).unwrap_err(), "wrong number of arguments");
    }

    #[test]
    fn an_option_without_effect_takes_its_default_only() {
        let row = OptionRow::bool("appendonly", false).only_default("not supported");
        assert_eq!(parse(row, &["no"]), Ok("no".into()));
        assert_eq!(parse(row, &["yes"]), Err("not supported".into()));
    }
}
