//! The options of XADD and XTRIM: what to trim, and for XADD whether to make a stream.

use thermocline_engine::value::stream::{NodeLimits, Trim, TrimTo};
use thermocline_protocol::Arguments;

use super::id::parse;
use crate::command::Failure;
use crate::command::arguments::{integer, is_word};

/// The first argument that may be an option.
const OPTIONS: usize = 2;
/// Without a LIMIT, approximate trimming stops after so many nodes' worth of entries.
const DEFAULT_LIMIT_NODES: u64 = 100;
/// The same where nodes have any number of entries.
const DEFAULT_LIMIT: u64 = 10_000;
const MAX_DEFAULT_LIMIT: u64 = 1_000_000;

const TWO_STRATEGIES: &str = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
const LIMIT_WITHOUT_STRATEGY: &str =
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
const LIMIT_WITHOUT_APPROXIMATION: &str =
    "ERR syntax error, LIMIT cannot be used without the special ~ option";
const NO_STRATEGY: &str = "ERR syntax error, XTRIM must be called with MAXLEN or MINID";

/// What XADD or XTRIM was told.
#[derive(Debug)]
pub(super) struct TrimOptions {
    pub(super) trim: Option<Trim>,
    /// NOMKSTREAM.
    pub(super) only_existing: bool,
    /// Where XADD's id is.
    pub(super) id_at: usize,
}

impl TrimOptions {
    /// The options of XADD, up to the id. Whether that is one, is not looked at.
    ///
    /// # Errors
    /// Redis' errors, in Redis' order.
    pub(super) fn of_xadd(arguments: Arguments<'_>, limits: NodeLimits) -> Result<Self, Failure> {
        Parser::parse(arguments, limits, true)
    }

    /// The options of XTRIM.
    ///
    /// # Errors
    /// Redis' errors, in Redis' order.
    pub(super) fn of_xtrim(arguments: Arguments<'_>, limits: NodeLimits) -> Result<Trim, Failure> {
        let options = Parser::parse(arguments, limits, false)?;
        options.trim.ok_or_else(|| Failure::error(NO_STRATEGY))
    }
}

struct Parser<'a> {
    arguments: Arguments<'a>,
    at: usize,
    to: Option<TrimTo>,
    is_approximate: bool,
    limit: Option<u64>,
    only_existing: bool,
}

impl Parser<'_> {
    fn parse(arguments: Arguments<'_>, limits: NodeLimits, is_xadd: bool) -> Result<TrimOptions, Failure> {
        let mut parser = Parser {
            arguments,
            at: OPTIONS,
            to: None,
            is_approximate: false,
            limit: None,
            only_existing: false,
        };
        while parser.at < arguments.len() {
            let word = arguments.get(parser.at);
            let has_value = parser.at + 1 < arguments.len();
            if is_xadd && word == b"*" {
                break;
            } else if has_value && is_word(word, "MAXLEN") {
                let length = integer(parser.threshold()?)?;
                let length = u64::try_from(length)
                    .map_err(|_| Failure::error("ERR The MAXLEN argument must be >= 0."))?;
                parser.to = Some(TrimTo::Length(length));
            } else if has_value && is_word(word, "MINID") {
                parser.to = Some(TrimTo::Id(parse(parser.threshold()?, 0)?));
            } else if has_value && is_word(word, "LIMIT") {
                parser.at += 1;
                let limit = integer(arguments.get(parser.at))?;
                let limit = u64::try_from(limit)
                    .map_err(|_| Failure::error("ERR The LIMIT argument must be >= 0."))?;
                parser.limit = Some(limit);
            } else if is_xadd && is_word(word, "NOMKSTREAM") {
                parser.only_existing = true;
            } else if is_xadd {
                // What is no option is the id, or an error that is found when it is read.
                super::id::NewId::parse(word)?;
                break;
            } else {
                return Err(Failure::SYNTAX);
            }
            parser.at += 1;
        }
        parser.finish(limits, is_xadd)
    }

    /// The argument of MAXLEN or MINID, behind an `=` or `~`.
    fn threshold(&mut self) -> Result<&[u8], Failure> {
        if self.to.is_some() {
            return Err(Failure::error(TWO_STRATEGIES));
        }
        self.at += 1;
        let has_more = self.at + 1 < self.arguments.len();
        let mark = self.arguments.get(self.at);
        self.is_approximate = has_more && mark == b"~";
        if has_more && (mark == b"~" || mark == b"=") {
            self.at += 1;
        }
        Ok(self.arguments.get(self.at))
    }

    fn finish(self, limits: NodeLimits, is_xadd: bool) -> Result<TrimOptions, Failure> {
        if self.limit.is_some_and(|limit| limit != 0) && self.to.is_none() {
            return Err(Failure::error(LIMIT_WITHOUT_STRATEGY));
        }
        if !is_xadd && self.to.is_none() {
            return Err(Failure::error(NO_STRATEGY));
        }
        let limit = match (self.limit, self.is_approximate) {
            (Some(_), false) => return Err(Failure::error(LIMIT_WITHOUT_APPROXIMATION)),
            (Some(limit), true) => limit,
            (None, true) => default_limit(limits),
            (None, false) => 0,
        };
        let trim = self.to.map(|to| Trim { to, is_approximate: self.is_approximate, limit });
        Ok(TrimOptions { trim, only_existing: self.only_existing, id_at: self.at })
    }
}

fn default_limit(limits: NodeLimits) -> u64 {
    match limits.entries.saturating_mul(DEFAULT_LIMIT_NODES) {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_DEFAULT_LIMIT),
    }
}
