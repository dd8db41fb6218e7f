//! Draws requests, encodes them, and judges their answers; knows nothing of sockets and schedules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Pending;
use super::recorder::{Class, Interval, Record};
use crate::target::wire::{Answer, Question, Wire};
use crate::workload::WorkloadSpec;
use crate::workload::key::KeyFormat;
use crate::workload::ledger::VersionLedger;
use crate::workload::random::Random;
use crate::workload::stream::{Operation, Request, RequestStream, Stream};
use crate::workload::value::ValueContent;

/// Keeps the choice of probed reads apart from the requests of the same seed: a run with probes sends the same
/// requests as one without.
const PROBE_STREAM: u64 = 2 << 32;

/// Which versions are written and expected.
#[derive(Clone, Debug)]
pub enum Versions {
    /// Writes carry this version; nothing is checked.
    Fixed(u32),
    /// Writes carry rising versions; nothing is checked.
    Rising,
    /// Every value read is checked against what was written, as far as this ledger knows.
    Verified(Arc<Mutex<VersionLedger>>),
}

pub(super) struct Requester {
    wire: Wire,
    stream: RequestStream,
    keys: KeyFormat,
    content: Arc<ValueContent>,
    versions: Versions,
    probe_share: f64,
    probes: Random,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Requests drawn so far, over all phases: enough to draw the same sequence again.
    pub(super) drawn: u64,
    pub(super) record: Record,
}

impl Requester {
    pub(super) fn new(
        wire: Wire,
        spec: &WorkloadSpec,
        content: Arc<ValueContent>,
        versions: Versions,
        probe_share: f64,
        (lane, lanes): (u64, u64),
    ) -> Self {
        Self {
            wire,
            stream: RequestStream::new(spec, lane, lanes),
            keys: spec.key_format(),
            content,
            versions,
            probe_share,
            probes: Random::new(spec.seed, PROBE_STREAM + lane),
            key: Vec::new(),
            value: Vec::new(),
            drawn: 0,
            record: Record::new(),
        }
    }

    /// Draws the next request and appends it to `out`. Its latency counts from `since_ns`.
    #[inline]
    pub(super) fn ask_next(&mut self, since_ns: u64, out: &mut Vec<u8>) -> Pending {
        let pending = self.prepare(since_ns);
        match pending.question {
            Question::Read => self.wire.encode_read(&self.key, out),
            Question::Where => self.wire.encode_where(&self.key, out),
            Question::Write => self.wire.encode_write(&self.key, &self.value, out),
        }
        pending
    }

    /// Draws the next request; its key, and a write's value, are in [`key`](Self::key) and [`value`](Self::value).
    #[inline]
    pub(super) fn prepare(&mut self, since_ns: u64) -> Pending {
        loop {
            self.drawn += 1;
            let request = self.stream.draw();
            if let Some(pending) = self.prepare_request(request, since_ns) {
                self.keys.write(request.key, &mut self.key);
                return pending;
            }
        }
    }

    /// `None` if the request must not be sent now.
    #[inline]
    fn prepare_request(&mut self, request: Request, since_ns: u64) -> Option<Pending> {
        let mut pending = Pending { question: Question::Read, request, version: 0, tier: None, since_ns };
        match request.operation {
            Operation::Read if self.probe_share > 0.0 && self.probes.chance(self.probe_share) => {
                pending.question = Question::Where;
            }
            Operation::Read => pending.version = self.floor(request.key),
            Operation::Write => {
                pending.question = Question::Write;
                pending.version = match &self.versions {
                    Versions::Fixed(version) => *version,
                    Versions::Rising => self.drawn as u32,
                    Versions::Verified(ledger) => lock(ledger).begin_write(request.key).ok()?,
                };
                self.content.write(request.key, pending.version, &mut self.value);
                self.record.counts.value_bytes_written += self.value.len() as u64;
            }
        }
        Some(pending)
    }

    /// Appends the read of `pending`, whose tier is known by now, to `out`.
    #[inline]
    pub(super) fn ask_read(&mut self, pending: &mut Pending, out: &mut Vec<u8>) {
        pending.version = self.floor(pending.request.key);
        self.keys.write(pending.request.key, &mut self.key);
        self.wire.encode_read(&self.key, out);
    }

    /// The lowest version that a read sent now may return.
    #[inline]
    fn floor(&self, key: u64) -> u32 {
        match &self.versions {
            Versions::Verified(ledger) => lock(ledger).floor(key),
            _ => 0,
        }
    }

    /// The key of the request prepared last.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value of the write prepared last.
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Accounts for an answer. A probe's answer puts the read that it was for into `carried`.
    #[inline]
    pub(super) fn judge(
        &mut self,
        pending: Pending,
        answer: Answer<'_>,
        now_ns: u64,
        interval: &mut Interval,
        carried: &mut Vec<Pending>,
    ) {
        let latency_ns = now_ns.saturating_sub(pending.since_ns);
        match (pending.question, answer) {
            (Question::Where, answer) => {
                let tier = match answer {
                    Answer::Tier(tier) => Some(tier),
                    Answer::Refused(message) => {
                        self.record.note(&String::from_utf8_lossy(message));
                        self.probe_share = 0.0;
                        None
                    }
                    _ => None,
                };
                // The read starts now: the probe's round trip is not its own.
                carried.push(Pending { question: Question::Read, tier, since_ns: now_ns, ..pending });
                return;
            }
            (_, Answer::Refused(message)) => {
                self.record.counts.refused += 1;
                interval.refused += 1;
                self.record.note(&String::from_utf8_lossy(message));
                if pending.question == Question::Write {
                    self.end_write(&pending, false);
                }
            }
            (Question::Write, _) => {
                self.record.counts.stored += 1;
                self.record.record_latency(Class::Write, latency_ns);
                self.end_write(&pending, true);
            }
            (Question::Read, Answer::Value(value)) => {
                self.verify(&pending, value);
                self.record.record_read(pending.request.stream, Some(value.len()), pending.tier, latency_ns);
            }
            (Question::Read, _) => {
                if pending.version > 0 {
                    self.record.counts.lost += 1;
                    let text = format!(
                        "key {} is missing; version {} was stored",
                        pending.request.key, pending.version
                    );
                    self.record.note(&text);
                }
                self.record.record_read(pending.request.stream, None, pending.tier, latency_ns);
            }
        }
        self.record.counts.answered += 1;
        interval.answered += 1;
        if pending.request.stream == Stream::Main {
            interval.latency.saturating_record(latency_ns);
        }
    }

    fn end_write(&self, pending: &Pending, stored: bool) {
        if let Versions::Verified(ledger) = &self.versions {
            lock(ledger).end_write(pending.request.key, stored);
        }
    }

    #[inline]
    fn verify(&mut self, pending: &Pending, value: &[u8]) {
        if !matches!(self.versions, Versions::Verified(_)) {
            return;
        }
        let key = pending.request.key;
        match self.content.verify(key, value) {
            Ok(version) if version >= pending.version => {}
            Ok(version) => {
                self.record.counts.lost += 1;
                self.record.note(&format!(
                    "key {key} has version {version}; version {} was stored",
                    pending.version
                ));
            }
            Err(corruption) => {
                self.record.counts.corrupt += 1;
                self.record.note(&format!("key {key}: {corruption}"));
            }
        }
    }
}

fn lock(ledger: &Mutex<VersionLedger>) -> MutexGuard<'_, VersionLedger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::wire::Tier;

    fn requester(versions: Versions, read_share: f64, probe_share: f64) -> Requester {
        let spec = WorkloadSpec { keys: 10, read_share, ..WorkloadSpec::default() };
        let content = Arc::new(spec.value_content());
        Requester::new(Wire::Resp, &spec, content, versions, probe_share, (0, 1))
    }

    fn verified(loaded_version: u32) -> Versions {
        Versions::Verified(Arc::new(Mutex::new(VersionLedger::new(10, loaded_version))))
    }

    /// Judges one answer at time 1000 and returns what is to be sent next.
    fn judge(requester: &mut Requester, pending: Pending, answer: Answer<'_>) -> Vec<Pending> {
        let mut carried = Vec::new();
        requester.judge(pending, answer, 1000, &mut Interval::new(), &mut carried);
        carried
    }

    #[test]
    fn a_probed_read_is_asked_after_its_tier_is_known() {
        let mut requester = requester(Versions::Rising, 1.0, 1.0);
        let mut out = Vec::new();
        let probe = requester.ask_next(0, &mut out);
        assert_eq!(probe.question, Question::Where);
        let carried = judge(&mut requester, probe, Answer::Tier(Tier::Ssd));
        let [read] = carried[..] else { panic!("one read follows") };
        assert_eq!((read.question, read.tier, read.since_ns), (Question::Read, Some(Tier::Ssd), 1000));
        assert_eq!(requester.record.counts.answered, 0, "a probe is no request");
        judge(&mut requester, read, Answer::Value(b"x"));
        assert_eq!((requester.record.counts.answered, requester.record.counts.probed_ssd), (1, 1));
    }

    #[test]
    fn a_server_that_cannot_say_where_a_key_is_is_asked_once() {
        let mut requester = requester(Versions::Rising, 1.0, 1.0);
        let mut out = Vec::new();
        let probe = requester.ask_next(0, &mut out);
        assert_eq!(judge(&mut requester, probe, Answer::Refused(b"ERR unknown command")).len(), 1);
        assert_eq!(requester.ask_next(0, &mut out).question, Question::Read);
    }

    #[test]
    fn probes_do_not_change_the_requests() {
        let draw = |probe_share| {
            let mut requester = requester(Versions::Rising, 0.5, probe_share);
            (0..100).map(|_| requester.ask_next(0, &mut Vec::new()).request).collect::<Vec<_>>()
        };
        assert_eq!(draw(0.0), draw(0.5));
    }

    #[test]
    fn a_value_older_than_an_acknowledged_write_is_lost() {
        let mut requester = requester(verified(1), 0.0, 0.0);
        let mut out = Vec::new();
        let write = requester.ask_next(0, &mut out);
        let (key, mut old, mut new) = (write.request.key, Vec::new(), Vec::new());
        requester.content.write(key, 1, &mut old);
        requester.content.write(key, write.version, &mut new);
        judge(&mut requester, write, Answer::Stored);
        let mut read = Pending { question: Question::Read, ..write };
        requester.ask_read(&mut read, &mut out);
        judge(&mut requester, read, Answer::Value(&new));
        assert_eq!(requester.record.counts.lost, 0);
        judge(&mut requester, read, Answer::Value(&old));
        assert_eq!(requester.record.counts.lost, 1);
        judge(&mut requester, read, Answer::Missing);
        assert_eq!((requester.record.counts.lost, requester.record.counts.misses), (2, 1));
    }

    #[test]
    fn a_damaged_value_is_corrupt() {
        let mut requester = requester(verified(0), 1.0, 0.0);
        let read = requester.ask_next(0, &mut Vec::new());
        judge(&mut requester, read, Answer::Value(&[0; 1000]));
        assert_eq!(requester.record.counts.corrupt, 1);
    }

    #[test]
    fn a_refusal_is_counted_with_its_message() {
        let mut requester = requester(verified(1), 0.0, 0.0);
        let write = requester.ask_next(0, &mut Vec::new());
        judge(&mut requester, write, Answer::Refused(b"OOM command not allowed"));
        assert_eq!((requester.record.counts.refused, requester.record.counts.stored), (1, 0));
        assert_eq!(requester.record.messages, [("OOM command not allowed".to_owned(), 1)]);
        assert_eq!(requester.record.latency(Class::Write).len(), 0);
    }
}
