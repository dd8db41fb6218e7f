//! The sequence of requests: fixed by the workload and its seed, whatever the server does with it.
//!
//! A run is split into lanes (one per client thread), and each lane draws its own sequence. Nothing in it depends
//! on time or on answers, so the very same sequence can be drawn again after a run, to ask what an exact LRU cache
//! would have made of it.

use super::WorkloadSpec;
use super::distribution::{KeySampler, Walk};
use super::random::Random;

/// Which of the two streams a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The workload itself.
    Main,
    /// The walk over the whole key space beside it, which a good cache does not let disturb the main stream.
    Scan,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// GET.
    Read,
    /// SET.
    Write,
}

/// One request, without the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The stream it is accounted to.
    pub stream: Stream,
    /// Read or write; a scan only reads.
    pub operation: Operation,
    /// Index of the key, in `0..keys`.
    pub key: u64,
}

/// Draws the requests of one lane, without end.
#[derive(Clone, Debug)]
pub struct RequestStream {
    random: Random,
    sampler: KeySampler,
    scan: Walk,
    read_share: f64,
    scan_share: f64,
}

impl RequestStream {
    /// The sequence of lane `lane` of `lanes`.
    pub fn new(spec: &WorkloadSpec, lane: u64, lanes: u64) -> Self {
        Self {
            random: Random::new(spec.seed, lane),
            sampler: KeySampler::new(spec.distribution, spec.keys, lane, lanes),
            scan: Walk::new(spec.keys, lane, lanes),
            read_share: spec.read_share,
            scan_share: spec.scan_share,
        }
    }

    /// The next request.
    #[inline]
    pub fn draw(&mut self) -> Request {
        if self.scan_share > 0.0 && self.random.chance(self.scan_share) {
            return Request { stream: Stream::Scan, operation: Operation::Read, key: self.scan.next_key() };
        }
        let key = self.sampler.sample(&mut self.random);
        // No number is drawn where the outcome is certain: a third of the cost of a read-only uniform stream.
        let is_read =
            self.read_share >= 1.0 || (self.read_share > 0.0 && self.random.chance(self.read_share));
        let operation = if is_read { Operation::Read } else { Operation::Write };
        Request { stream: Stream::Main, operation, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> WorkloadSpec {
        WorkloadSpec { keys: 1000, ..WorkloadSpec::default() }
    }

    #[test]
    fn the_same_seed_draws_the_same_requests() {
        let draw = |seed, lane| {
            let mut stream = RequestStream::new(&WorkloadSpec { seed, ..spec() }, lane, 2);
            (0..100).map(|_| stream.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    #[test]
    fn the_scan_walks_every_key_in_order_at_its_share() {
        let spec = WorkloadSpec { scan_share: 0.25, read_share: 0.5, ..spec() };
        let mut stream = RequestStream::new(&spec, 0, 1);
        let requests: Vec<Request> = (0..100_000).map(|_| stream.draw()).collect();
        let scans: Vec<Request> = requests.into_iter().filter(|r| r.stream == Stream::Scan).collect();
        assert!(scans.len().abs_diff(25_000) < 700, "{}", scans.len());
        for (i, request) in scans.iter().enumerate() {
            assert_eq!((request.key, request.operation), (i as u64 % 1000, Operation::Read));
        }
    }

    #[test]
    fn the_read_share_is_kept() {
        for (read_share, low, high) in [(0.0, 0, 0), (0.9, 89_500, 90_500), (1.0, 100_000, 100_000)] {
            let mut stream = RequestStream::new(&WorkloadSpec { read_share, ..spec() }, 0, 1);
            let reads = (0..100_000).filter(|_| stream.draw().operation == Operation::Read).count();
            assert!((low..=high).contains(&reads), "{read_share}: {reads}");
        }
    }

    #[test]
    fn a_sequential_write_stream_loads_every_key_once() {
        let spec =
            WorkloadSpec { read_share: 0.0, distribution: "sequential".parse().expect("valid"), ..spec() };
        let mut stream = RequestStream::new(&spec, 0, 1);
        assert!((0..1000).all(|key| {
            stream.draw() == Request { stream: Stream::Main, operation: Operation::Write, key }
        }));
    }
}
