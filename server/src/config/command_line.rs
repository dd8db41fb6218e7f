//! The command line, in Redis' form: `thermocline [file | -] [--option value [value ...]] [--option=value]`.
//!
//! clap knows the options from the table, checks their names and prints help; it sees each option with its
//! values joined into one, because Redis lets an option take any number of values without saying how many.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::builder::{Arg, ArgAction, Command};

use super::file::{self, FileError};
use super::option::{Effect, OptionRow, Refusal};
use super::table::{GROUPS, OPTIONS};
use super::{Config, words};

/// Fewer segments than this leave gc nothing to work with.
const MIN_TIER_SEGMENTS: u64 = 16;

const CONFIG_FILE: &str = "config-file";
const USER: &str = "user";

/// What the command line asks for.
#[derive(Debug)]
pub enum Startup {
    /// To run with this configuration.
    Run(Box<Config>),
    /// To print this text and be done: help, or the version.
    Print(String),
}

/// Why the server does not start. Displays as a text for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// The configuration file cannot be read, or makes no sense.
    #[error(transparent)]
    File(#[from] FileError),
    /// An option does not take its value.
    #[error("--{name}: {reason}")]
    Refused {
        /// The option.
        name: &'static str,
        /// Why.
        reason: Refusal,
    },
    /// Options contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

impl Startup {
    /// Reads the command line, whose first word is the program's name, and the file it names. What the command line
    /// says comes after the file.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, StartupError> {
        let arguments = arguments.into_iter().map(|word| word.to_string_lossy().into_owned());
        let matches = match command().try_get_matches_from(join_values(arguments)) {
            Ok(matches) => matches,
            Err(error) if !error.use_stderr() => return Ok(Self::Print(error.render().to_string())),
            Err(error) => return Err(error.into()),
        };
        let mut config = Config::new();
        match matches.get_one::<String>(CONFIG_FILE).map(String::as_str) {
            Some("-") => read_standard_input(&mut config)?,
            Some(path) => config.read_file(Path::new(path))?,
            None => {}
        }
        for (at, row) in OPTIONS.iter().enumerate() {
            for line in matches.get_many::<String>(row.name).into_iter().flatten() {
                let set = config.set_at_start(at, &words::split(line));
                set.map_err(|reason| StartupError::Refused { name: row.name, reason })?;
            }
        }
        for line in matches.get_many::<String>(USER).into_iter().flatten() {
            let added = config.add_user_line("the command line".to_owned(), &words::split(line));
            added.map_err(|reason| StartupError::Refused { name: USER, reason: reason.into() })?;
        }
        check(&config)?;
        Ok(Self::Run(Box::new(config)))
    }
}

impl Config {
    /// Takes over what a file says, and remembers the file for CONFIG REWRITE.
    ///
    /// # Errors
    /// The line that makes no sense.
    pub fn read_file(&mut self, path: &Path) -> Result<(), FileError> {
        file::read(self, path)?;
        self.file = Some(std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)));
        Ok(())
    }
}

fn read_standard_input(config: &mut Config) -> Result<(), FileError> {
    let mut text = String::new();
    let origin = Path::new("standard input");
    std::io::stdin().read_to_string(&mut text).map_err(|error| FileError::unreadable(origin, &error))?;
    file::read_text(config, &text, origin)
}

/// What no option can check alone.
fn check(config: &Config) -> Result<(), StartupError> {
    let (capacity_bytes, segment_bytes) = (config.tier_capacity_bytes(), config.tier_segment_bytes());
    if !segment_bytes.is_power_of_two() {
        let text = format!("tier-segment-size {segment_bytes} is no power of two");
        return Err(StartupError::Inconsistent(text));
    }
    if capacity_bytes > 0 && capacity_bytes / segment_bytes < MIN_TIER_SEGMENTS {
        return Err(StartupError::Inconsistent(format!(
            "tier-capacity {capacity_bytes} is too small: at least {MIN_TIER_SEGMENTS} segments of \
             tier-segment-size {segment_bytes} are needed"
        )));
    }
    Ok(())
}

/// `--bind a b` becomes `--bind=a b`, and names become lower case.
fn join_values(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    // Whether the last word is an option whose values may follow, and how many have.
    let mut values_of_last = None;
    for word in arguments {
        if let Some(option) = word.strip_prefix("--") {
            match option.split_once('=') {
                Some((name, value)) => {
                    let name = name.to_lowercase();
                    joined.push(format!("--{name}={}", as_line(&name, value)));
                    values_of_last = None;
                }
                None => {
                    joined.push(format!("--{}", option.to_lowercase()));
                    values_of_last = Some(0);
                }
            }
        } else if let Some(count) = &mut values_of_last {
            let last = joined.last_mut().expect("an option was pushed");
            let name = last[2..].split('=').next().unwrap_or_default().to_owned();
            let value = if *count == 0 { as_line(&name, &word) } else { words::quote(&word) };
            last.push(if *count == 0 { '=' } else { ' ' });
            last.push_str(&value);
            *count += 1;
        } else {
            joined.push(word);
        }
    }
    joined
}

/// The first value of an option. One that takes several words may have all of them in one value, as in
/// `--save "3600 1"`; otherwise blanks belong to the word.
fn as_line(name: &str, value: &str) -> String {
    let takes_words = OPTIONS.iter().any(|row| row.is_named(name) && row.takes_words());
    if takes_words && !value.is_empty() { value.to_owned() } else { words::quote(value) }
}

fn command() -> Command {
    let file = Arg::new(CONFIG_FILE).value_name("FILE").help(
        "Configuration file in the form of redis.conf; `-` reads it from the standard input. Options on the command \
         line come after it",
    );
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this help");
    let version =
        Arg::new("version").short('v').long("version").action(ArgAction::Version).help("Print the version");
    let user = Arg::new(USER)
        .long(USER)
        .action(ArgAction::Append)
        .value_name("NAME RULE")
        .help("A user and what it may do, as in ACL SETUSER. May be given several times");
    let mut command = Command::new("thermocline")
        .about(
            "A Redis-compatible server whose data lives on two tiers: hot values in DRAM, cold ones on NVMe",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("thermocline [FILE] [--OPTION VALUE]...")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args([file, user, help, version])
        .after_help(
            "Options of redis.conf that are not listed are accepted where they change nothing, and refused \
                     where they would promise something.",
        );
    for group in GROUPS {
        command = command.next_help_heading(group.title);
        for row in group.rows {
            command = command.arg(argument(row));
        }
    }
    command
}

fn argument(row: &OptionRow) -> Arg {
    let default = row.format_for_file(&row.default_value());
    let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
    let argument = Arg::new(row.name)
        .long(row.name)
        .value_name("VALUE")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .hide(row.effect == Effect::Kept)
        .help(format!("{}{default}", row.documentation));
    match row.alias {
        Some(alias) => argument.alias(alias),
        None => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::find;

    fn start(words: &[&str]) -> Result<Startup, StartupError> {
        Startup::from_arguments(
            std::iter::once("thermocline").chain(words.iter().copied()).map(OsString::from),
        )
    }

    fn run(words: &[&str]) -> Box<Config> {
        match start(words).unwrap() {
            Startup::Run(config) => config,
            other => panic!("{other:?}"),
        }
    }

    fn shown(config: &Config, name: &str) -> String {
        config.show(find(name).unwrap())
    }

    #[test]
    fn options_are_given_in_redis_form_or_with_an_equals_sign() {
        let config = run(&["--port", "7000", "--MaxMemory=1gb", "--slowlog-log-slower-than", "-1"]);
        assert_eq!(config.port(), 7000);
        assert_eq!(config.max_memory_bytes(), 1 << 30);
        assert_eq!(config.slowlog_threshold_us(), -1);
    }

    #[test]
    fn an_option_may_take_several_words() {
        let config = run(&["--bind", "127.0.0.1", "-::1", "--save", "", "--port", "0"]);
        assert_eq!(config.bind(), ["127.0.0.1", "-::1"]);
        assert_eq!(run(&["--bind", "127.0.0.1 ::1"]).bind(), ["127.0.0.1", "::1"]);
        assert_eq!(run(&["--bind=*"]).bind(), ["*"]);
    }

    #[test]
    fn blanks_belong_to_a_value_that_is_one_word() {
        assert_eq!(run(&["--dir", "/a b"]).dir(), PathBuf::from("/a b"));
        assert_eq!(run(&["--dir=/a b"]).dir(), PathBuf::from("/a b"));
        assert_eq!(shown(&run(&["--requirepass", "x\"y"]), "requirepass"), "x\"y");
    }

    #[test]
    fn the_last_of_several_values_holds() {
        assert_eq!(run(&["--port", "1", "--port", "2"]).port(), 2);
    }

    #[test]
    fn the_command_line_comes_after_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("thermocline.conf");
        std::fs::write(&path, "port 1111\ntimeout 5\n").unwrap();
        let config = run(&[path.to_str().unwrap(), "--port", "2222"]);
        assert_eq!((config.port(), config.timeout_s()), (2222, 5));
        assert_eq!(config.file(), Some(&path));
    }

    #[test]
    fn what_makes_no_sense_is_explained() {
        let explained = |words: &[&str]| start(words).unwrap_err().to_string();
        assert!(explained(&["--maxmemry", "1"]).contains("--maxmemory"), "a similar name is suggested");
        assert!(explained(&["--port"]).contains("value is required"));
        assert_eq!(explained(&["--port", "1", "2"]), "--port: wrong number of arguments");
        assert_eq!(explained(&["--port", "x"]), "--port: argument couldn't be parsed into an integer");
        assert!(explained(&["--tier-capacity", "1mb"]).contains("too small"));
        assert!(explained(&["--tier-segment-size", "100kb"]).contains("no power of two"));
        assert!(explained(&["/nonexistent/file"]).contains("/nonexistent/file"));
    }

    #[test]
    fn users_may_be_given() {
        let config = run(&["--user", "alice", "on", ">p q", "--port", "0", "--user", "bob"]);
        let words: Vec<&[String]> = config.user_lines().iter().map(|line| &*line.words).collect();
        assert_eq!(words, [&["alice", "on", ">p q"].map(String::from)[..], &["bob".to_owned()]]);
        let twice = start(&["--user", "bob", "--user", "bob", "on"]).unwrap_err().to_string();
        assert!(twice.contains("Duplicate user"), "{twice}");
    }

    #[test]
    fn help_lists_what_has_an_effect() {
        let Startup::Print(help) = start(&["--help"]).unwrap() else { panic!("help is printed") };
        assert!(help.contains("--tier-capacity") && help.contains("--maxmemory"));
        assert!(!help.contains("--repl-timeout"));
        let Startup::Print(version) = start(&["-v"]).unwrap() else { panic!("the version is printed") };
        assert!(version.contains(env!("CARGO_PKG_VERSION")));
    }
}
