//! How commands have changed, and which ones are advised against, as COMMAND DOCS tells: `history.txt`, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("history.txt");

static ALL: LazyLock<BTreeMap<&str, History>> = LazyLock::new(|| {
    let mut all: BTreeMap<&str, History> = BTreeMap::new();
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').expect("a line is a name and more");
        let history = all.entry(name).or_default();
        if rest == "system" {
            history.is_internal = true;
        } else {
            let (version, text) = rest.split_once(": ").expect("a version and a text");
            match version.strip_prefix("deprecated ") {
                Some(version) => history.deprecated = Some((version, text)),
                None => history.changes.push((version, text)),
            }
        }
    }
    all
});

/// What is told of a command beyond its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Versions of Redis, and what each changed.
    pub changes: Vec<(&'static str, &'static str)>,
    /// The version of Redis that advised against it, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Whether it is for the server's developers.
    pub is_internal: bool,
}

/// The history of a command, by its full name. Most have none.
pub fn history_of(full_name: &str) -> &'static History {
    const NONE: &History = &History { changes: Vec::new(), deprecated: None, is_internal: false };
    ALL.get(full_name).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_changes_advice_or_marks() {
        let auth = history_of("auth");
        assert_eq!(auth.changes, [("6.0.0", "Added ACL style (username and password).")]);
        assert_eq!(history_of("substr").deprecated, Some(("2.0.0", "`GETRANGE`")));
        assert!(history_of("debug").is_internal);
        assert_eq!(history_of("ping"), &History::default());
    }
}
