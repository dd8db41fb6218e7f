//! How long the value of a key is.
//!
//! A size belongs to a key: it is a function of the key's index, so an overwrite keeps it, and a data set's
//! total is known before it is loaded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::random::mix;
use crate::units::parse_bytes;

/// Longest accepted value.
pub const MAX_VALUE_BYTES: usize = 64 << 20;

/// Sets the draw of a size apart from other uses of a key's hash.
const SIZE_SALT: u64 = 0x73_69_7a_65;

/// The sizes of a data set's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ValueSize {
    /// All values are this long.
    Fixed(usize),
    /// Every size from the first to the last, all equally likely.
    Uniform(usize, usize),
    /// These sizes, each in proportion to its weight.
    Weighted(Vec<(usize, u32)>),
}

impl ValueSize {
    /// The size of the value of key `index`, in bytes.
    #[inline]
    pub fn bytes(&self, index: u64) -> usize {
        match self {
            Self::Fixed(bytes) => *bytes,
            Self::Uniform(low, high) => low + draw(index, (high - low) as u64 + 1) as usize,
            Self::Weighted(choices) => {
                let total: u64 = choices.iter().map(|&(_, weight)| u64::from(weight)).sum();
                let mut at = draw(index, total);
                for &(bytes, weight) in choices {
                    match at.checked_sub(u64::from(weight)) {
                        Some(rest) => at = rest,
                        None => return bytes,
                    }
                }
                unreachable!("the draw is below the sum of the weights")
            }
        }
    }

    /// The shortest value there can be, in bytes.
    pub fn shortest_bytes(&self) -> usize {
        match self {
            Self::Fixed(bytes) | Self::Uniform(bytes, _) => *bytes,
            Self::Weighted(choices) => choices.iter().map(|&(bytes, _)| bytes).min().unwrap_or(0),
        }
    }

    /// The longest value there can be, in bytes.
    pub fn longest_bytes(&self) -> usize {
        match self {
            Self::Fixed(bytes) | Self::Uniform(_, bytes) => *bytes,
            Self::Weighted(choices) => choices.iter().map(|&(bytes, _)| bytes).max().unwrap_or(0),
        }
    }

    /// The mean over all keys, in bytes.
    pub fn mean_bytes(&self) -> f64 {
        match self {
            Self::Fixed(bytes) => *bytes as f64,
            Self::Uniform(low, high) => (low + high) as f64 / 2.0,
            Self::Weighted(choices) => {
                let total: f64 = choices.iter().map(|&(_, weight)| f64::from(weight)).sum();
                choices.iter().map(|&(bytes, weight)| bytes as f64 * f64::from(weight)).sum::<f64>() / total
            }
        }
    }
}

/// The draw of key `index` among `choices` outcomes.
#[inline]
fn draw(index: u64, choices: u64) -> u64 {
    ((u128::from(mix(index ^ SIZE_SALT)) * u128::from(choices)) >> 64) as u64
}

impl FromStr for ValueSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = |text: &str| parse_bytes(text).map(|bytes| bytes as usize);
        let parsed = if text.contains(':') || text.contains(',') {
            let choices = text
                .split(',')
                .map(|choice| {
                    let (bytes, weight) = choice.split_once(':').unwrap_or((choice, "1"));
                    let weight = weight.parse().map_err(|_| format!("'{weight}' is not a weight"))?;
                    Ok((size(bytes)?, weight))
                })
                .collect::<Result<Vec<(usize, u32)>, String>>()?;
            if choices.iter().all(|&(_, weight)| weight == 0) {
                return Err("at least one size needs a weight above 0".to_owned());
            }
            Self::Weighted(choices)
        } else if let Some((low, high)) = text.split_once('-') {
            let (low, high) = (size(low)?, size(high)?);
            if low > high {
                return Err(format!("{low} is above {high}"));
            }
            Self::Uniform(low, high)
        } else {
            Self::Fixed(size(text)?)
        };
        if parsed.longest_bytes() > MAX_VALUE_BYTES {
            return Err(format!("a value may have at most {MAX_VALUE_BYTES} bytes"));
        }
        Ok(parsed)
    }
}

impl TryFrom<String> for ValueSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ValueSize> for String {
    fn from(size: ValueSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for ValueSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(bytes) => write!(f, "{bytes}"),
            Self::Uniform(low, high) => write!(f, "{low}-{high}"),
            Self::Weighted(choices) => {
                for (i, (bytes, weight)) in choices.iter().enumerate() {
                    write!(f, "{}{bytes}:{weight}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> ValueSize {
        text.parse().expect(text)
    }

    #[test]
    fn text_is_read_back_as_it_is_printed() {
        for text in ["100", "100-1000", "100:9,4096:1"] {
            assert_eq!(sizes(text).to_string(), text);
        }
        assert_eq!(sizes("4kb"), ValueSize::Fixed(4096));
        for text in ["", "x", "5-1", "1:x", "1:0", "1gb"] {
            assert!(text.parse::<ValueSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_reaches_both_ends_and_its_mean() {
        let size = sizes("10-20");
        let drawn: Vec<usize> = (0..10_000).map(|index| size.bytes(index)).collect();
        assert_eq!(drawn.iter().min(), Some(&10));
        assert_eq!(drawn.iter().max(), Some(&20));
        let mean = drawn.iter().sum::<usize>() as f64 / drawn.len() as f64;
        assert!((mean - size.mean_bytes()).abs() < 0.2, "{mean}");
    }

    #[test]
    fn weights_decide_how_often_a_size_occurs() {
        let size = sizes("100:9,4096:1");
        let large = (0..100_000).filter(|&index| size.bytes(index) == 4096).count();
        assert!(large.abs_diff(10_000) < 500, "{large}");
        assert_eq!(size.mean_bytes(), 499.6);
        assert_eq!((size.shortest_bytes(), size.longest_bytes()), (100, 4096));
    }
}
