//! What a comparison puts servers through.

use serde::{Deserialize, Serialize};

use crate::driver::DriverConfig;
use crate::target::contestants::Placement;
use crate::workload::WorkloadSpec;
use crate::workload::value_size::ValueSize;

/// The comparison's scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// GETs of values in DRAM, one request per round trip.
    Hot,
    /// GETs of values in DRAM, 16 requests per round trip.
    HotPipelined,
    /// SETs of values in DRAM, one request per round trip.
    HotSet,
    /// GETs of values on SSD, uniformly, at 128 clients.
    Cold,
    /// GETs of values on SSD, one client: the latency without queueing.
    ColdSingle,
    /// 95 % GETs, Zipf-distributed, over a data set several times the memory.
    Zipf,
}

/// The sizes that a comparison's data sets have.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSizes {
    /// Keys of the data set that fits DRAM.
    pub hot_keys: u64,
    /// Its values.
    pub hot_value_bytes: usize,
    /// Keys of the data set that does not.
    pub cold_keys: u64,
    /// Its values.
    pub cold_value_bytes: usize,
    /// DRAM for the former.
    pub hot_memory_bytes: u64,
    /// DRAM for the latter.
    pub cold_memory_bytes: u64,
    /// Seed of all requests.
    pub seed: u64,
}

impl Scenario {
    /// All, in an order that lets neighbours share a loaded data set.
    pub const ALL: [Self; 6] =
        [Self::Hot, Self::HotPipelined, Self::HotSet, Self::Cold, Self::ColdSingle, Self::Zipf];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::HotPipelined => "hot-p16",
            Self::HotSet => "hot-set",
            Self::Cold => "cold",
            Self::ColdSingle => "cold-1",
            Self::Zipf => "zipf",
        }
    }

    /// What happens in it, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Hot => "GET from DRAM, 50 clients",
            Self::HotPipelined => "GET from DRAM, 50 clients, 16 requests in flight each",
            Self::HotSet => "SET in DRAM, 50 clients",
            Self::Cold => "GET from SSD, uniform keys, 128 clients",
            Self::ColdSingle => "GET from SSD, uniform keys, one client",
            Self::Zipf => "95 % GET, Zipf 0.99, data several times the memory, 64 clients",
        }
    }

    /// Where it wants the values. Scenarios with the same answer share servers and data.
    pub fn placement(self) -> Placement {
        match self {
            Self::Hot | Self::HotPipelined | Self::HotSet => Placement::AllInMemory,
            Self::Cold | Self::ColdSingle => Placement::AllOnSsd,
            Self::Zipf => Placement::AsTheServerLikes,
        }
    }

    /// The requests.
    pub fn workload(self, sizes: &DataSizes) -> WorkloadSpec {
        let hot = WorkloadSpec {
            keys: sizes.hot_keys,
            value_size: ValueSize::Fixed(sizes.hot_value_bytes),
            seed: sizes.seed,
            ..WorkloadSpec::default()
        };
        let cold = WorkloadSpec {
            keys: sizes.cold_keys,
            value_size: ValueSize::Fixed(sizes.cold_value_bytes),
            seed: sizes.seed,
            ..WorkloadSpec::default()
        };
        match self {
            Self::Hot | Self::HotPipelined => hot,
            Self::HotSet => WorkloadSpec { read_share: 0.0, ..hot },
            Self::Cold | Self::ColdSingle => cold,
            Self::Zipf => WorkloadSpec {
                distribution: crate::workload::distribution::KeyDistribution::Zipf { theta: 0.99 },
                read_share: 0.95,
                ..cold
            },
        }
    }

    /// The clients.
    pub fn driver(self) -> DriverConfig {
        let (clients, pipeline) = match self {
            Self::Hot | Self::HotSet => (50, 1),
            Self::HotPipelined => (50, 16),
            Self::Cold => (128, 1),
            Self::ColdSingle => (1, 1),
            Self::Zipf => (64, 1),
        };
        DriverConfig { clients, pipeline, ..DriverConfig::default() }
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text)
            .ok_or_else(|| format!("use {}", Self::ALL.map(Self::name).join(", ")))
    }
}
