//! Configuration files, in the form of `redis.conf`: a line is an option's name and its words; `#` begins a
//! comment at the start of a line; quotes are those of inline commands; `include` reads another file in place.

use std::fmt;
use std::path::{Path, PathBuf};

use thermocline_protocol::inline::split_line;

use super::Config;
use super::table::{OPTIONS, find};

/// How deep `include` may nest: a file that includes itself must end somewhere.
const MAX_INCLUDE_DEPTH: u32 = 16;

/// Directives that Redis still reads and ignores.
const IGNORED: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Directives that are no options, and why they are refused.
const REFUSED: [(&str, &str); 3] = [
    ("loadmodule", "modules are not supported"),
    ("rename-command", "renaming commands is not supported"),
    ("sentinel", "sentinel mode is not supported"),
];

/// What is wrong with a configuration file. Displays as `file:line: name: reason`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// The line's number from 1 on; `None` where the file could not be read.
    pub line: Option<usize>,
    /// What is wrong, for the operator. Shows no value: it may be a password.
    pub reason: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for FileError {}

impl FileError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self { file: file.to_owned(), line: None, reason: error.to_string() }
    }
}

/// Takes over what a file and the files it includes say.
pub(super) fn read(config: &mut Config, path: &Path) -> Result<(), FileError> {
    read_nested(config, path, 0)
}

/// As [`read`], for a text that is already there.
pub(super) fn read_text(config: &mut Config, text: &str, origin: &Path) -> Result<(), FileError> {
    read_lines(config, text, origin, 0)
}

fn read_nested(config: &mut Config, path: &Path, depth: u32) -> Result<(), FileError> {
    let text = std::fs::read_to_string(path).map_err(|error| FileError::unreadable(path, &error))?;
    read_lines(config, &text, path, depth)
}

fn read_lines(config: &mut Config, text: &str, origin: &Path, depth: u32) -> Result<(), FileError> {
    for (number, line) in text.lines().enumerate() {
        let wrong = |reason: String| FileError { file: origin.to_owned(), line: Some(number + 1), reason };
        let words = split_directive(line).map_err(|reason| wrong(reason.to_owned()))?;
        let Some((name, words)) = words.split_first() else { continue };
        if name == "include" {
            let [path] = words else { return Err(wrong("include: one file is expected".to_owned())) };
            if depth == MAX_INCLUDE_DEPTH {
                return Err(wrong(format!("include: more than {MAX_INCLUDE_DEPTH} levels")));
            }
            read_nested(config, Path::new(path), depth + 1)?;
        } else if name == "user" {
            let at = format!("{}:{}", origin.display(), number + 1);
            config.add_user_line(at, words).map_err(|reason| wrong(format!("user: {reason}")))?;
        } else if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            return Err(wrong(format!("{name}: {why}")));
        } else if !IGNORED.contains(&name.as_str()) {
            let at = find(name).ok_or_else(|| wrong(format!("{name}: there is no such option")))?;
            let set = config.set_at_start(at, words);
            set.map_err(|reason| wrong(format!("{}: {reason}", OPTIONS[at].name)))?;
        }
    }
    Ok(())
}

/// A line's words, the first in lower case; none where it is empty or a comment.
pub(super) fn split_directive(line: &str) -> Result<Vec<String>, &'static str> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.starts_with('#') {
        return Ok(Vec::new());
    }
    let words = split_line(line.as_bytes()).map_err(|_| "unbalanced quotes")?;
    let mut words: Vec<String> =
        words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect();
    if let Some(name) = words.first_mut() {
        name.make_ascii_lowercase();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UserLine;

    fn read_string(text: &str) -> Result<Config, String> {
        let mut config = Config::new();
        read_text(&mut config, text, Path::new("test.conf")).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn lines_are_options_and_comments_are_not() {
        let text =
            "# a comment\n\n  PORT 7000\r\nmaxmemory 10mb\nbind 127.0.0.1 -::1\nrequirepass \"a b#c\"\n";
        let config = read_string(text).unwrap();
        assert_eq!((config.port(), config.max_memory_bytes()), (7000, 10 << 20));
        assert_eq!(config.bind(), ["127.0.0.1", "-::1"]);
        assert_eq!(config.password().as_deref(), Some("a b#c"));
    }

    #[test]
    fn options_of_one_class_of_clients_come_line_by_line() {
        let text = "client-output-buffer-limit normal 1mb 0 0\nclient-output-buffer-limit pubsub 2mb 0 0\n";
        let config = read_string(text).unwrap();
        assert_eq!(config.output_limit(super::super::ClientClass::Normal).hard_bytes, 1 << 20);
        assert_eq!(config.output_limit(super::super::ClientClass::Subscriber).hard_bytes, 2 << 20);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let wrong = |text| read_string(text).unwrap_err();
        assert_eq!(wrong("port 1\nnonsense 1"), "test.conf:2: nonsense: there is no such option");
        assert_eq!(wrong("port \"1"), "test.conf:1: unbalanced quotes");
        assert_eq!(wrong("port 1 2"), "test.conf:1: port: wrong number of arguments");
        assert_eq!(wrong("user"), "test.conf:1: user: a name is expected");
        assert_eq!(
            wrong("user a on\nuser a off"),
            "test.conf:2: user: Duplicate user found. A user can only be defined once in config files"
        );
    }

    #[test]
    fn users_are_kept_word_by_word() {
        let config = read_string("user alice on >\"a b\" ~*\nuser bob\n").unwrap();
        let line = |at: &str, words: &[&str]| UserLine {
            origin: at.to_owned(),
            words: words.iter().map(|word| word.to_string()).collect(),
        };
        assert_eq!(
            config.user_lines(),
            [line("test.conf:1", &["alice", "on", ">a b", "~*"]), line("test.conf:2", &["bob"])]
        );
    }

    #[test]
    fn what_redis_ignores_is_ignored() {
        assert!(read_string("list-max-ziplist-entries 5").is_ok());
    }

    #[test]
    fn an_included_file_counts_where_it_is_included() {
        let directory = tempfile::tempdir().unwrap();
        let (outer, inner) = (directory.path().join("outer.conf"), directory.path().join("inner.conf"));
        std::fs::write(&inner, "port 2\ntimeout 2\n").unwrap();
        std::fs::write(&outer, format!("port 1\ninclude {}\ntimeout 3\n", inner.display())).unwrap();
        let mut config = Config::new();
        config.read_file(&outer).unwrap();
        assert_eq!((config.port(), config.timeout_s()), (2, 3));
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("loop.conf");
        std::fs::write(&path, format!("include {}\n", path.display())).unwrap();
        let error = Config::new().read_file(&path).unwrap_err();
        assert!(error.to_string().contains("more than 16 levels"), "{error}");
    }
}
