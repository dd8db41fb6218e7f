//! What is asked of a store: which keys, in which order, reads or writes, and what the values hold.
//!
//! Everything here is a function of a [`WorkloadSpec`] and knows nothing of servers, sockets or time.
//!
//! * [`random`]: the generator that fixes a run by its seed
//! * [`zipf`], [`distribution`]: which key is popular
//! * [`stream`]: the sequence of requests, a scan beside the main stream included
//! * [`key`], [`value_size`], [`value`]: the bytes
//! * [`ledger`]: which versions a read may return

pub mod distribution;
pub mod key;
pub mod ledger;
pub mod random;
pub mod stream;
pub mod value;
pub mod value_size;
pub mod zipf;

use serde::{Deserialize, Serialize};

use distribution::KeyDistribution;
use key::KeyFormat;
use value::{HEADER_BYTES, ValueContent};
use value_size::ValueSize;

/// Most keys that a workload can have: ranks are scrambled in 64-bit arithmetic.
pub const MAX_KEYS: u64 = 1 << 32;

/// The seed of every run that does not ask for another.
pub const DEFAULT_SEED: u64 = 1;

/// A workload, complete: two runs with equal specs send the same requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// Keys in the data set.
    pub keys: u64,
    /// Length of every key.
    pub key_bytes: usize,
    /// Lengths of the values.
    pub value_size: ValueSize,
    /// Share of a value that a compressor can take away, in `0..=1`.
    pub compressibility: f64,
    /// Which keys the main stream asks for.
    pub distribution: KeyDistribution,
    /// Share of the main stream that reads, in `0..=1`; the rest writes.
    pub read_share: f64,
    /// Share of all requests that are a walk over the whole key space, in `0..1`.
    pub scan_share: f64,
    /// Seed of the request sequence.
    pub seed: u64,
}

impl Default for WorkloadSpec {
    /// A million 16-byte keys with incompressible values of 1000 bytes, read uniformly.
    fn default() -> Self {
        Self {
            keys: 1_000_000,
            key_bytes: 16,
            value_size: ValueSize::Fixed(1000),
            compressibility: 0.0,
            distribution: KeyDistribution::Uniform,
            read_share: 1.0,
            scan_share: 0.0,
            seed: DEFAULT_SEED,
        }
    }
}

impl WorkloadSpec {
    /// Checks what the types do not say.
    ///
    /// # Errors
    ///
    /// A sentence for the user about the first setting that is out of range.
    pub fn validate(&self) -> Result<(), String> {
        let shares = [
            ("compressibility", self.compressibility),
            ("reads", self.read_share),
            ("scan", self.scan_share),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} is a share between 0 and 1, not {share}"));
            }
        }
        if !(1..=MAX_KEYS).contains(&self.keys) {
            return Err(format!("the number of keys must be between 1 and {MAX_KEYS}"));
        }
        KeyFormat::new(self.key_bytes, self.keys).map(|_| ())
    }

    /// Whether a value tells by itself that it belongs to its key.
    pub fn is_verifiable(&self) -> bool {
        self.value_size.shortest_bytes() >= HEADER_BYTES
    }

    /// The keys of this data set.
    ///
    /// # Panics
    ///
    /// If the spec is not [valid](Self::validate).
    pub fn key_format(&self) -> KeyFormat {
        KeyFormat::new(self.key_bytes, self.keys).expect("the spec was validated")
    }

    /// The values of this data set.
    pub fn value_content(&self) -> ValueContent {
        ValueContent::new(self.value_size.clone(), self.compressibility)
    }

    /// The same data set, written once in key order.
    pub fn loading(&self) -> Self {
        Self { distribution: KeyDistribution::Sequential, read_share: 0.0, scan_share: 0.0, ..self.clone() }
    }

    /// Bytes of all keys and values, without anything a store adds.
    pub fn data_bytes(&self) -> f64 {
        self.keys as f64 * (self.key_bytes as f64 + self.value_size.mean_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let default = WorkloadSpec::default();
        assert_eq!(default.validate(), Ok(()));
        for (spec, word) in [
            (WorkloadSpec { read_share: 1.5, ..default.clone() }, "reads"),
            (WorkloadSpec { scan_share: -0.1, ..default.clone() }, "scan"),
            (WorkloadSpec { compressibility: f64::NAN, ..default.clone() }, "compressibility"),
            (WorkloadSpec { keys: 0, ..default.clone() }, "keys"),
            (WorkloadSpec { key_bytes: 4, ..default.clone() }, "digits"),
        ] {
            let error = spec.validate().expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_spec_survives_json() {
        let spec = WorkloadSpec {
            value_size: "100:9,4096:1".parse().expect("valid"),
            distribution: "zipf:0.99".parse().expect("valid"),
            ..WorkloadSpec::default()
        };
        let json = serde_json::to_string(&spec).expect("plain data");
        assert_eq!(serde_json::from_str::<WorkloadSpec>(&json).expect("what was written"), spec);
    }
}
