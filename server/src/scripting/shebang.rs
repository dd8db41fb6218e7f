//! The first line of scripts and libraries: `#!lua name=value ...`.

use std::borrow::Cow;

use thermocline_protocol::inline;

/// What a script or function may do, and is allowed in spite of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ScriptFlags(u8);

impl ScriptFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// It changes no data.
    pub const NO_WRITES: Self = Self(1);
    /// It runs even when memory is full.
    pub const ALLOW_OOM: Self = Self(2);
    /// It runs on a replica with stale data.
    pub const ALLOW_STALE: Self = Self(4);
    /// It does not run in a cluster.
    pub const NO_CLUSTER: Self = Self(8);
    /// Its keys may be in several slots of a cluster.
    pub const ALLOW_CROSS_SLOT_KEYS: Self = Self(16);

    const NAMES: [(&'static str, Self); 5] = [
        ("no-writes", Self::NO_WRITES),
        ("allow-oom", Self::ALLOW_OOM),
        ("allow-stale", Self::ALLOW_STALE),
        ("no-cluster", Self::NO_CLUSTER),
        ("allow-cross-slot-keys", Self::ALLOW_CROSS_SLOT_KEYS),
    ];

    /// Whether all of these flags are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// All flags of both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flag of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|&(_, flag)| flag)
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(_, flag)| self.has(*flag)).map(|(name, _)| *name)
    }
}

/// What the first line of a script says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ScriptHead {
    pub(super) flags: ScriptFlags,
    /// Whether there is no such line: rules of before Redis 7 apply.
    pub(super) is_plain: bool,
    /// Where the code begins: with the line's end, so that lines keep their numbers.
    pub(super) code_start: usize,
}

/// Reads the first line of a script.
///
/// # Errors
/// The text of the error reply.
pub(super) fn read_script_head(body: &[u8]) -> Result<ScriptHead, Cow<'static, str>> {
    if !body.starts_with(b"#!") {
        return Ok(ScriptHead { flags: ScriptFlags::NONE, is_plain: true, code_start: 0 });
    }
    let code_start = line_end(body).ok_or("ERR Invalid script shebang")?;
    let words = split(&body[..code_start]).unwrap_or_default();
    let (engine, options) = words.split_first().ok_or("ERR Invalid engine in script shebang")?;
    if engine != b"#!lua" {
        return Err(quote("ERR Unexpected engine in script shebang: ", engine));
    }
    let mut flags = ScriptFlags::NONE;
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(quote("ERR Unknown lua shebang option: ", option));
        };
        for name in names.split(|&byte| byte == b',').filter(|_| !names.is_empty()) {
            match ScriptFlags::named(name) {
                Some(flag) => flags = flags.with(flag),
                None => return Err(quote("ERR Unexpected flag in script shebang: ", name)),
            }
        }
    }
    Ok(ScriptHead { flags, is_plain: false, code_start })
}

/// What the first line of a library says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LibraryHead {
    pub(super) name: String,
    /// As in [`ScriptHead`].
    pub(super) code_start: usize,
}

/// Reads the first line of a library.
///
/// # Errors
/// The text of the error reply.
pub(super) fn read_library_head(code: &[u8]) -> Result<LibraryHead, Cow<'static, str>> {
    if !code.starts_with(b"#!") {
        return Err("ERR Missing library metadata".into());
    }
    let code_start = line_end(code).ok_or("ERR Invalid library metadata")?;
    let words = split(&code[..code_start]).ok_or("ERR Invalid library metadata")?;
    let (engine, options) = words.split_first().ok_or("ERR Invalid library metadata")?;
    let mut name = None;
    for option in options {
        let is_name = option.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"name="));
        match is_name {
            false => return Err(quote("ERR Invalid metadata value given: ", option)),
            true if name.is_some() => {
                return Err("ERR Invalid metadata value, name argument was given multiple times".into());
            }
            true => name = Some(&option[5..]),
        }
    }
    let name = valid_name(name.ok_or("ERR Library name was not given")?).ok_or(BAD_NAME)?;
    if !engine[2..].eq_ignore_ascii_case(b"lua") {
        return Err(format!("ERR Engine '{}' not found", String::from_utf8_lossy(&engine[2..])).into());
    }
    Ok(LibraryHead { name: name.to_owned(), code_start })
}

/// Why a library or function cannot have a name.
pub(super) const BAD_NAME: &str = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at \
                                   least one character long";

/// The name, if a library or function may have it.
pub(super) fn valid_name(name: &[u8]) -> Option<&str> {
    let is_valid = !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    std::str::from_utf8(name).ok().filter(|_| is_valid)
}

fn line_end(text: &[u8]) -> Option<usize> {
    text.iter().position(|&byte| byte == b'\n')
}

fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    inline::split_line(line).ok()
}

fn quote(text: &str, quoted: &[u8]) -> Cow<'static, str> {
    format!("{text}{}", String::from_utf8_lossy(quoted)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_without_a_first_line_has_no_flags() {
        let head = read_script_head(b"return 1").expect("a script");
        assert!(head.is_plain);
        assert_eq!(head.flags, ScriptFlags::NONE);
    }

    #[test]
    fn flags_are_read_from_every_option() {
        let head =
            read_script_head(b"#!lua flags=no-writes,allow-oom flags=allow-stale\nreturn 1").expect("flags");
        let names: Vec<_> = head.flags.names().collect();
        assert_eq!(names, ["no-writes", "allow-oom", "allow-stale"]);
        assert_eq!(head.code_start, 49);
        assert!(!head.is_plain);
    }

    #[test]
    fn a_wrong_first_line_is_refused_as_redis_does() {
        for (body, text) in [
            ("#!lua", "ERR Invalid script shebang"),
            ("#!python\n", "ERR Unexpected engine in script shebang: #!python"),
            ("#!lua flags=no-writes,,allow-oom\n", "ERR Unexpected flag in script shebang: "),
            ("#!lua name=a\n", "ERR Unknown lua shebang option: name=a"),
        ] {
            assert_eq!(read_script_head(body.as_bytes()), Err(text.into()), "{body}");
        }
        for (code, text) in [
            ("return 1", "ERR Missing library metadata"),
            ("#!lua name=a", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            ("#!js name=a\n", "ERR Engine 'js' not found"),
            ("#!lua name=a-b\n", BAD_NAME),
            ("#!lua name=a name=b\n", "ERR Invalid metadata value, name argument was given multiple times"),
        ] {
            assert_eq!(read_library_head(code.as_bytes()), Err(text.into()), "{code}");
        }
    }
}
