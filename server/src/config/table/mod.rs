//! The one table of options, in groups. Command line, configuration file, CONFIG, `--help` and the reference page
//! read nothing else.

mod clients;
mod data;
mod network;
mod observation;
mod process;
mod tier;
mod unavailable;

use super::option::OptionRow;

/// A group of options, as `--help` and the reference page show them.
#[derive(Clone, Copy)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Its options.
    pub rows: &'static [OptionRow],
}

/// All groups.
pub const GROUPS: [Group; 7] = [
    Group { title: "Network", rows: network::ROWS },
    Group { title: "Clients and limits", rows: clients::ROWS },
    Group { title: "Memory and data", rows: data::ROWS },
    Group { title: "SSD tier", rows: tier::ROWS },
    Group { title: "Logs and observation", rows: observation::ROWS },
    Group { title: "Process", rows: process::ROWS },
    Group { title: "Not available yet", rows: unavailable::ROWS },
];

const COUNT: usize = {
    let mut count = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        count += GROUPS[group].rows.len();
        group += 1;
    }
    count
};

/// All options, group after group.
pub static OPTIONS: [OptionRow; COUNT] = {
    let mut all = [GROUPS[0].rows[0]; COUNT];
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].rows.len() {
            all[at] = GROUPS[group].rows[row];
            at += 1;
            row += 1;
        }
        group += 1;
    }
    all
};

/// The position in [`OPTIONS`] of an option; meant for `const` contexts, where a wrong name does not compile.
pub(super) const fn position_of(name: &str) -> usize {
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].rows.len() {
            if is_same(GROUPS[group].rows[row].name, name) {
                return at;
            }
            at += 1;
            row += 1;
        }
        group += 1;
    }
    panic!("there is no such option")
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The option that `name` means, by its name or its older one, in any case.
pub fn find(name: &str) -> Option<usize> {
    OPTIONS.iter().position(|row| row.is_named(name))
}

#[cfg(test)]
mod tests {
    use super::super::option::Kind;
    use super::*;

    #[test]
    fn names_are_unique_lower_case_and_documented() {
        let mut names: Vec<&str> =
            OPTIONS.iter().flat_map(|row| [Some(row.name), row.alias]).flatten().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for row in &OPTIONS {
            assert_eq!(row.name, row.name.to_lowercase());
            assert!(!row.documentation.is_empty(), "{} is undocumented", row.name);
        }
    }

    #[test]
    fn every_default_is_a_value_that_the_option_accepts() {
        for row in &OPTIONS {
            let default = row.default_value();
            let shown = row.format(&default);
            let words = match row.kind {
                Kind::Words(_) => super::super::words::split(&shown),
                _ => vec![shown.clone()],
            };
            assert_eq!(row.parse(&words, &default).as_ref(), Ok(&default), "{}", row.name);
        }
    }
}
