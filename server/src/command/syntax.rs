//! The arguments of commands, as COMMAND DOCS describes their structure: `syntax.txt`, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("syntax.txt");

static ALL: LazyLock<BTreeMap<&str, Vec<Argument>>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &'static str| {
        let (name, arguments) = line.split_once(": ").expect("a line is a name and arguments");
        let mut parser = Parser { rest: arguments };
        let arguments = parser.sequence(None);
        assert!(parser.rest.is_empty(), "{name}: {:?} is left", parser.rest);
        (name, arguments)
    };
    lines.map(read).collect()
});

/// One argument.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Argument {
    /// What it is called.
    pub name: String,
    /// What it is: `integer`, or `oneof`, `block` for a group.
    pub kind: &'static str,
    /// The word before it, or that it is.
    pub token: Option<&'static str>,
    /// Which of the command's key specifications it belongs to.
    pub key_specification: Option<i64>,
    /// The version of Redis that introduced it, if it is younger than the command.
    pub since: Option<&'static str>,
    /// The version of Redis that advised against it.
    pub deprecated_since: Option<&'static str>,
    /// Whether it may be left out.
    pub is_optional: bool,
    /// Whether it may come several times.
    pub is_multiple: bool,
    /// Whether its word comes before each of them.
    pub repeats_token: bool,
    /// The members of a group.
    pub members: Vec<Argument>,
}

/// The arguments of a command, by its full name.
pub fn arguments_of(full_name: &str) -> &'static [Argument] {
    ALL.get(full_name).map_or(&[], Vec::as_slice)
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    /// Arguments up to `end`, which is taken.
    fn sequence(&mut self, end: Option<char>) -> Vec<Argument> {
        let mut arguments = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '|']);
            match end {
                None if self.rest.is_empty() => return arguments,
                Some(end) if self.takes(end) => return arguments,
                _ => arguments.push(self.argument()),
            }
        }
    }

    fn argument(&mut self) -> Argument {
        if self.takes('[') {
            let argument = self.argument();
            assert!(self.takes(']'), "a bracket is closed before {:?}", self.rest);
            return Argument { is_optional: true, ..argument };
        }
        let token = self.takes('"').then(|| {
            let (token, rest) = self.rest.split_once("\" ").expect("a word ends, and something follows");
            self.rest = rest;
            token
        });
        let word = self.until(&[' ', '=', '#', '@', '!', '.', ']', ')', '>']);
        let mut argument = Argument { name: word.to_owned(), kind: word, token, ..Argument::default() };
        if self.takes('=') && self.rest.starts_with(|letter: char| letter.is_ascii_uppercase()) {
            (argument.kind, argument.token) = ("pure-token", Some(self.until(&[' ', ']', ')', '>'])));
        } else if self.rest.starts_with(['<', '(']) {
            (argument.kind, argument.members) = match self.takes('<') {
                true => ("oneof", self.sequence(Some('>'))),
                false => {
                    assert!(self.takes('('), "a group begins before {:?}", self.rest);
                    ("block", self.sequence(Some(')')))
                }
            };
        } else if let Some((name, kind)) = word.rsplit_once(':') {
            (argument.name, argument.kind) = (name.to_owned(), kind);
        } else if word.starts_with(|letter: char| letter.is_ascii_uppercase()) {
            argument.name = word.to_ascii_lowercase();
            (argument.kind, argument.token) = ("pure-token", Some(word));
        }
        self.suffixes(&mut argument);
        argument
    }

    fn suffixes(&mut self, argument: &mut Argument) {
        if self.takes('#') {
            let number = self.until(&[' ', '@', '!', '.', ']', ')', '>']);
            argument.key_specification = Some(number.parse().expect("a number"));
        }
        if self.takes('@') {
            argument.since = Some(self.version());
        }
        if self.takes('!') {
            argument.deprecated_since = Some(self.version());
        }
        if let Some(rest) = self.rest.strip_prefix("...") {
            self.rest = rest;
            argument.is_multiple = true;
            argument.repeats_token = self.takes('+');
        }
    }

    /// A version, which three dots may follow.
    fn version(&mut self) -> &'static str {
        let dots = self.rest.find("...").unwrap_or(self.rest.len());
        let end = self.rest.find([' ', ']', ')', '>', '!']).unwrap_or(self.rest.len()).min(dots);
        let (version, rest) = self.rest.split_at(end);
        self.rest = rest;
        version
    }

    fn takes(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn until(&mut self, ends: &[char]) -> &'static str {
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        assert!(!word.is_empty(), "a word before {rest:?}");
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::table;

    #[test]
    fn groups_words_and_marks_are_told_apart() {
        let mut parser =
            Parser { rest: "key#0 [how=<NX | \"EX\" s:integer@6.2.0 | b=(x:string A)>!7.0.0...+]" };
        let arguments = parser.sequence(None);
        let [key, how] = &arguments[..] else { panic!("two arguments: {arguments:?}") };
        assert_eq!((&*key.name, key.kind, key.key_specification), ("key", "key", Some(0)));
        assert_eq!((&*how.name, how.kind, how.deprecated_since), ("how", "oneof", Some("7.0.0")));
        assert!(how.is_optional && how.is_multiple && how.repeats_token && !key.is_optional);
        let [nx, ex, block] = &how.members[..] else { panic!("three members: {how:?}") };
        assert_eq!((&*nx.name, nx.kind, nx.token), ("nx", "pure-token", Some("NX")));
        assert_eq!((&*ex.name, ex.kind, ex.token, ex.since), ("s", "integer", Some("EX"), Some("6.2.0")));
        assert_eq!((block.kind, block.members.len()), ("block", 2));
    }

    #[test]
    fn every_line_belongs_to_a_command() {
        for name in ALL.keys() {
            assert!(table().find_full_name(name.as_bytes()).is_some(), "{name}");
        }
    }
}
