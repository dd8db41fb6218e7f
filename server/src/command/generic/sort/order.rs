//! What elements are compared by: numbers, or texts.

use std::cmp::Ordering;

use super::options::SortOptions;
use crate::command::strtod::strtod;

/// An element to sort.
pub(super) struct Item {
    pub(super) element: Vec<u8>,
    /// What it is compared by where that is a number; 0 where there is none.
    pub(super) weight: f64,
    /// What it is compared by where that is a text that BY leads to, if there is one.
    pub(super) by: Option<Vec<u8>>,
}

impl Item {
    pub(super) fn new(element: Vec<u8>) -> Self {
        Self { element, weight: 0.0, by: None }
    }
}

/// The number that a text is, as C reads it: behind blanks, and up to a zero byte.
pub(super) fn weight(text: &[u8]) -> Option<f64> {
    let text = up_to_zero(text);
    let number = strtod(text);
    (number.length == text.len() && !number.is_out_of_range && !number.value.is_nan()).then_some(number.value)
}

/// Sorts the items. Those that are equal stay in order.
pub(super) fn sort(items: &mut [Item], options: &SortOptions<'_>) {
    items.sort_by(|a, b| {
        let order = compare(a, b, options);
        if options.is_descending { order.reverse() } else { order }
    });
}

fn compare(a: &Item, b: &Item, options: &SortOptions<'_>) -> Ordering {
    if !options.is_sorted() {
        return a.element.cmp(&b.element);
    }
    if !options.is_alphabetic {
        let order = a.weight.partial_cmp(&b.weight).expect("no weight is NaN");
        return order.then_with(|| a.element.cmp(&b.element));
    }
    // What is stored is compared by all of its bytes, what is shown as C does.
    let text = |text| if options.store.is_some() { text } else { up_to_zero(text) };
    match (&options.by, &a.by, &b.by) {
        (None, ..) => text(&a.element).cmp(text(&b.element)),
        (Some(_), Some(a), Some(b)) => text(a).cmp(text(b)),
        // No text comes before any.
        (Some(_), a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn up_to_zero(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_c_reads() {
        for (text, number) in [
            (&b"5"[..], 5.0),
            (b"", 0.0),
            (b"  1", 1.0),
            (b"+5", 5.0),
            (b"0x10", 16.0),
            (b"-inf", f64::NEG_INFINITY),
            (b"1\0abc", 1.0),
        ] {
            assert_eq!(weight(text), Some(number), "{}", text.escape_ascii());
        }
        for text in [&b"a"[..], b"1 ", b" ", b"nan", b"1e400", b"1x"] {
            assert_eq!(weight(text), None, "{}", text.escape_ascii());
        }
    }
}
