//! What the server tells of itself: INFO's text and Prometheus' metrics, from one list of fields.
//!
//! - [`sections`]: the fields of each section of INFO, computed anew for every question.
//! - [`tiering`]: the section about the SSD tier.
//! - [`prometheus`]: the same fields in Prometheus' text format.
//! - [`endpoint`]: a thread that serves that over HTTP.
//!
//! A field that is a number is a metric: INFO shows it under its name, Prometheus under the same name behind
//! `thermocline_`.

pub mod endpoint;
mod prometheus;
#[cfg(test)]
mod reference;
mod sections;
mod tiering;

use std::borrow::Cow;
use std::cell::{RefCell, RefMut};
use std::fmt::Write;
use std::ops::Deref;

use thermocline_engine::Databases;

use crate::server::Server;
use sections::SECTIONS;

/// One line of INFO.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The name in INFO.
    pub(crate) name: Cow<'static, str>,
    /// The value.
    pub(crate) value: FieldValue,
    /// What it is, for Prometheus and the reference page; empty for texts.
    pub(crate) help: &'static str,
}

/// A value of INFO.
#[derive(Clone, Debug)]
pub(crate) enum FieldValue {
    /// No metric.
    Text(String),
    /// Only ever grows, until CONFIG RESETSTAT or the end of the process.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Goes up and down, and is shown with this many decimals.
    Fraction(f64, usize),
    /// Several metrics in one line, each with what it is called and how it is counted.
    Family(Vec<Sample>),
}

/// One metric of a family.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The metric, without prefix, such as `command_calls`.
    pub(crate) metric: &'static str,
    /// The name in the line of INFO, such as `calls`.
    pub(crate) key: &'static str,
    /// The label that tells members of the family apart, with its value.
    pub(crate) label: (&'static str, String),
    /// What it is, for Prometheus.
    pub(crate) help: &'static str,
    /// Whether it only grows.
    pub(crate) is_counter: bool,
    /// The value.
    pub(crate) number: f64,
    /// How many decimals INFO shows.
    pub(crate) decimals: usize,
}

impl Field {
    fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: FieldValue::Text(value.into()), help: "" }
    }

    fn counter(name: &'static str, value: u64, help: &'static str) -> Self {
        Self { name: name.into(), value: FieldValue::Counter(value), help }
    }

    fn gauge(name: &'static str, value: u64, help: &'static str) -> Self {
        Self { name: name.into(), value: FieldValue::Gauge(value), help }
    }

    fn fraction(name: &'static str, value: f64, decimals: usize, help: &'static str) -> Self {
        Self { name: name.into(), value: FieldValue::Fraction(value, decimals), help }
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.name);
        text.push(':');
        match &self.value {
            FieldValue::Text(value) => text.push_str(value),
            FieldValue::Counter(number) | FieldValue::Gauge(number) => put(text, format_args!("{number}")),
            FieldValue::Fraction(number, decimals) => put(text, format_args!("{number:.decimals$}")),
            FieldValue::Family(samples) => {
                for (at, sample) in samples.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    let Sample { key, number, decimals, .. } = sample;
                    put(text, format_args!("{comma}{key}={number:.decimals$}"));
                }
            }
        }
        text.push_str("\r\n");
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes everything");
}

/// A section of INFO.
pub(crate) struct Section {
    /// The name in INFO's argument, in lower case.
    pub(crate) name: &'static str,
    /// The heading.
    pub(crate) title: &'static str,
    /// Whether INFO without arguments shows it.
    pub(crate) is_default: bool,
    /// Its fields at this moment.
    pub(crate) fields: fn(&View<'_>) -> Vec<Field>,
}

/// Which sections are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Selection {
    /// Those of INFO without arguments.
    Default,
    /// All.
    All,
    /// Those of these names, in INFO's own order; names of none are ignored.
    Named(Vec<&'static str>),
}

impl Selection {
    /// What INFO's arguments ask for.
    pub(crate) fn from_words<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut names = Vec::new();
        let mut is_empty = true;
        for word in words {
            is_empty = false;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("all") || is("everything") {
                return Self::All;
            }
            if is("default") {
                names
                    .extend(SECTIONS.iter().filter(|section| section.is_default).map(|section| section.name));
            }
            names.extend(SECTIONS.iter().filter(|section| is(section.name)).map(|section| section.name));
        }
        if is_empty { Self::Default } else { Self::Named(names) }
    }

    fn contains(&self, section: &Section) -> bool {
        match self {
            Self::Default => section.is_default,
            Self::All => true,
            Self::Named(names) => names.contains(&section.name),
        }
    }
}

/// What INFO tells of.
pub(crate) struct View<'a> {
    server: &'a Server,
    databases: RefCell<Databases<'a>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(server: &'a Server, databases: Databases<'a>) -> Self {
        Self { server, databases: RefCell::new(databases) }
    }

    /// Whether something is missing, because a script holds the keys for long.
    pub(crate) fn was_held_up(&self) -> bool {
        self.databases.borrow().was_held_up()
    }

    fn databases(&self) -> RefMut<'_, Databases<'a>> {
        self.databases.borrow_mut()
    }
}

impl Deref for View<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server
    }
}

/// INFO's text.
pub(crate) fn text(view: &View<'_>, selection: &Selection) -> String {
    let mut text = String::with_capacity(4096);
    for section in SECTIONS.iter().filter(|section| selection.contains(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        put(&mut text, format_args!("# {}\r\n", section.title));
        (section.fields)(view).iter().for_each(|field| field.write(&mut text));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(words: &[&str]) -> Selection {
        Selection::from_words(words.iter().map(|word| word.as_bytes()))
    }

    #[test]
    fn sections_are_selected_by_name_and_by_groups_of_names() {
        assert_eq!(select(&[]), Selection::Default);
        assert_eq!(select(&["server", "ALL"]), Selection::All);
        assert_eq!(select(&["Clients", "nonsense", "server"]), Selection::Named(vec!["clients", "server"]));
        let Selection::Named(names) = select(&["default", "commandstats"]) else { panic!("some are named") };
        assert!(
            names.contains(&"tiering") && names.contains(&"commandstats") && !names.contains(&"latencystats")
        );
    }

    #[test]
    fn fields_are_written_as_redis_writes_them() {
        let mut text = String::new();
        Field::text("role", "master").write(&mut text);
        Field::counter("calls", 3, "").write(&mut text);
        Field::fraction("ratio", 0.51, 3, "").write(&mut text);
        assert_eq!(text, "role:master\r\ncalls:3\r\nratio:0.510\r\n");
    }
}
