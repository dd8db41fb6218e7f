//! Prometheus' text format, version 0.0.4:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::collections::BTreeMap;

use super::View;
use super::sections::SECTIONS;
use super::{Field, FieldValue, Sample, put};

/// Before every metric's name.
const PREFIX: &str = "thermocline_";

/// All fields of all sections that are numbers.
pub(super) fn text(server: &View<'_>) -> String {
    let mut text = String::with_capacity(16 * 1024);
    let mut families: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
    for field in SECTIONS.iter().flat_map(|section| (section.fields)(server)) {
        match field.value {
            FieldValue::Family(samples) => {
                for sample in samples {
                    families.entry(sample.metric).or_default().push(sample);
                }
            }
            _ => write_field(&mut text, &field),
        }
    }
    // All samples of a metric stand together.
    for (metric, samples) in families {
        write_heading(&mut text, metric, samples[0].help, samples[0].is_counter);
        for Sample { label: (label, value), number, .. } in samples {
            let value = escape_label(&value);
            put(&mut text, format_args!("{PREFIX}{metric}{{{label}=\"{value}\"}} {number}\n"));
        }
    }
    text
}

fn write_field(text: &mut String, field: &Field) {
    let (is_counter, number) = match field.value {
        FieldValue::Counter(number) => (true, number as f64),
        FieldValue::Gauge(number) => (false, number as f64),
        FieldValue::Fraction(number, _) => (false, number),
        FieldValue::Text(_) | FieldValue::Family(_) => return,
    };
    write_heading(text, &field.name, field.help, is_counter);
    put(text, format_args!("{PREFIX}{} {number}\n", field.name));
}

fn write_heading(text: &mut String, metric: &str, help: &str, is_counter: bool) {
    let kind = if is_counter { "counter" } else { "gauge" };
    put(text, format_args!("# HELP {PREFIX}{metric} {help}\n# TYPE {PREFIX}{metric} {kind}\n"));
}

fn escape_label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_metric_with_help_and_type() {
        let mut text = String::new();
        write_field(&mut text, &Field::counter("expired_keys", 3, "Keys."));
        write_field(&mut text, &Field::text("role", "master"));
        assert_eq!(
            text,
            "# HELP thermocline_expired_keys Keys.\n# TYPE thermocline_expired_keys counter\n\
             thermocline_expired_keys 3\n"
        );
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escape_label("a\"b\\c\n"), "a\\\"b\\\\c\\n");
    }
}
