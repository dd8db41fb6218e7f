//! `INFO` as a map.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::Connection;

/// The fields of one `INFO` reply.
#[derive(Clone, Debug)]
pub struct Info {
    fields: BTreeMap<String, String>,
    sections: Vec<String>,
}

impl Info {
    /// Asks for `section`, such as `tiering` or `everything`.
    pub fn fetch(connection: &mut Connection, section: &str) -> Self {
        let reply = connection.call(&["INFO", section]);
        let text = reply.as_bytes().unwrap_or_else(|| panic!("INFO {section} replied {reply:?}"));
        Self::parse(std::str::from_utf8(text).expect("INFO is text"))
    }

    /// Reads the text of an `INFO` reply.
    pub fn parse(text: &str) -> Self {
        let mut info = Self { fields: BTreeMap::new(), sections: Vec::new() };
        for line in text.split("\r\n") {
            if let Some(section) = line.strip_prefix("# ") {
                info.sections.push(section.to_owned());
            } else if let Some((name, value)) = line.split_once(':') {
                info.fields.insert(name.to_owned(), value.to_owned());
            }
        }
        info
    }

    /// The headings, in order.
    pub fn sections(&self) -> &[String] {
        &self.sections
    }

    /// Whether there is such a field.
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// A field's text.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_else(|| panic!("INFO has no {field}, only {:?}", self.fields.keys()))
    }

    /// A field as a number.
    ///
    /// # Panics
    ///
    /// If there is none, or it is no number.
    pub fn number<T: FromStr>(&self, field: &str) -> T {
        let text = self.text(field);
        text.parse().unwrap_or_else(|_| panic!("INFO field {field} is {text:?}, not a number"))
    }

    /// A field as an unsigned integer.
    pub fn count(&self, field: &str) -> u64 {
        self.number(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_name() {
        let info =
            Info::parse("# Server\r\nversion:7.2.4\r\n\r\n# Tiering\r\ntier_hits_ssd:12\r\nratio:0.5\r\n");
        assert_eq!(info.sections(), ["Server", "Tiering"]);
        assert_eq!(info.text("version"), "7.2.4");
        assert_eq!(info.count("tier_hits_ssd"), 12);
        assert_eq!(info.number::<f64>("ratio"), 0.5);
        assert!(!info.has("absent"));
    }
}
