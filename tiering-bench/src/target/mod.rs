//! What is measured: any server that speaks RESP or memcached's text protocol, and the engine in this process.
//!
//! * [`wire`]: the adapter of a server: three requests to encode, their replies to decode
//! * [`resp`], [`memcached`]: the two protocols
//! * [`control`]: a blocking connection for everything that is not measured: INFO, stats, TIER DRAIN
//! * [`counters`]: what a server counts of its tiers, under one set of names
//! * [`engine`]: the engine, without a server around it
//! * [`process`]: servers that this tool starts and stops; [`contestants`]: which ones, and how set up

pub mod contestants;
pub mod control;
pub mod counters;
pub mod engine;
pub mod memcached;
pub mod process;
pub mod resp;
pub mod wire;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use wire::Wire;

/// Where a server is and what it speaks: `resp://host:port`, `memcached://host:port`, or `host:port` for RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// What to speak.
    pub wire: Wire,
    /// Whom to.
    pub address: SocketAddr,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, place) = text.split_once("://").unwrap_or(("resp", text));
        let wire = match scheme {
            "resp" | "redis" => Wire::Resp,
            "memcached" | "memcache" => Wire::Memcached,
            other => return Err(format!("'{other}' is no protocol: use resp:// or memcached://")),
        };
        let mut addresses = place.to_socket_addrs().map_err(|e| format!("'{place}' is no host:port: {e}"))?;
        let address = addresses.next().ok_or_else(|| format!("'{place}' has no address"))?;
        Ok(Self { wire, address })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wire {
            Wire::Resp => write!(f, "resp://{}", self.address),
            Wire::Memcached => write!(f, "memcached://{}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_back_as_it_is_printed() {
        for text in ["resp://127.0.0.1:6379", "memcached://127.0.0.1:11211", "resp://[::1]:1"] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
        assert_eq!("127.0.0.1:6379".parse::<Endpoint>().expect("no scheme").wire, Wire::Resp);
        for text in ["http://127.0.0.1:80", "127.0.0.1", ""] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
