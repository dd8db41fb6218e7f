//! Streams against a model that is too simple to be wrong.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::time::UnixMillis;

const LIMITS: NodeLimits = NodeLimits { bytes: 300, entries: 7 };

type Model = BTreeMap<StreamId, Vec<Vec<u8>>>;

fn fields_of(entry: Entry<'_>) -> Vec<Vec<u8>> {
    entry.fields.flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect()
}

fn contents<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<(StreamId, Vec<Vec<u8>>)> {
    entries.map(|entry| (entry.id, fields_of(entry))).collect()
}

fn payload(stream: &StreamValue) -> Vec<u8> {
    let mut payload = Vec::new();
    crate::value::encode(&stream.clone().into(), &mut payload);
    payload
}

fn append(stream: &mut StreamValue, id: StreamId, fields: &[&str]) {
    let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
    stream.log_mut().append(id, &fields, LIMITS);
}

/// A stream of entries 1-0, 2-0, ... with one group that has delivered nothing.
fn stream_of(entries: u64) -> StreamValue {
    let mut stream = StreamValue::default();
    (1..=entries).for_each(|ms| append(&mut stream, StreamId::new(ms, 0), &["name", "value"]));
    stream.create_group(b"group", StreamId::MIN, Some(0));
    stream
}

fn deliver(stream: &mut StreamValue, consumer: &str, limit: usize, now: u64) -> usize {
    let deliver = |group: &mut Group, log: &Log| {
        let number = group.find_consumer(consumer.as_bytes());
        let number = number.unwrap_or_else(|| {
            group.create_consumer(consumer.as_bytes(), UnixMillis(now)).expect("a new one")
        });
        group.deliver(log, number, limit, UnixMillis(now), true, |_| {})
    };
    stream.change_group(b"group", deliver).expect("the group is there")
}

/// What is pending: id, consumer, deliveries.
fn pending(stream: &StreamValue) -> Vec<(u64, String, u64)> {
    let group = stream.group(b"group").expect("the group is there");
    let of = |(id, pending): (StreamId, Pending)| {
        let name = String::from_utf8_lossy(group.consumer(pending.consumer).name()).into_owned();
        (id.ms, name, pending.deliveries)
    };
    group.pending_from(StreamId::MIN).map(of).collect()
}

/// Everything that can be counted again is counted again.
fn check(stream: &StreamValue) {
    let payload = payload(stream);
    assert_eq!(payload.len(), stream.payload_bytes());
    let decoded = StreamValue::decode(Encoding::Stream, &payload).expect("what was written is read");
    assert_eq!(&decoded, stream);
    assert_eq!(decoded.len(), stream.len());
    assert_eq!(decoded.log().first_id(), stream.log().first_id());
    let mut recounted = decoded.clone();
    recounted.0.log = stream.0.log.clone();
    for node in stream.log().nodes() {
        let entries: Vec<_> = node.entries().collect();
        assert_eq!(entries.iter().filter(|at| at.is_deleted).count() as u64, node.deleted());
        assert_eq!(entries.len() as u64, node.live() + node.deleted());
    }
    let group_bytes: usize = stream.0.groups.iter().map(Group::heap_bytes).sum();
    assert_eq!(group_bytes, stream.0.group_heap_bytes);
    for group in stream.groups() {
        let by_consumer: usize = group.consumers().map(|(_, consumer)| consumer.pending_count()).sum();
        assert_eq!(by_consumer, group.pending_count());
        for (id, pending) in group.pending_from(StreamId::MIN) {
            let (found, _) =
                group.pending_with(pending.consumer, id).next().expect("it is with its consumer");
            assert_eq!(found, id);
        }
    }
    // Only the slack of vectors may differ.
    let (ours, fresh) = (stream.heap_bytes(), decoded.heap_bytes());
    assert!(ours >= fresh / 2 && ours <= 2 * fresh + 2048, "{ours} bytes, {fresh} when decoded");
}

#[derive(Clone, Debug)]
enum Step {
    Append { ms: u64, sequence: u64, names: u8, value: Vec<u8> },
    Delete(u64),
    TrimLength { keep: u64, is_approximate: bool, limit: u64 },
    TrimId { least: u64, is_approximate: bool },
    Deliver { consumer: u8, limit: usize },
    Acknowledge(u64),
    RemoveConsumer(u8),
    Claim { id: u64, consumer: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let value =
        prop_oneof!["[0-9]{1,6}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..90)];
    prop_oneof![
        12 => (0u64..3, 0u64..3, 0u8..3, value)
            .prop_map(|(ms, sequence, names, value)| Step::Append { ms, sequence, names, value }),
        3 => (0u64..200).prop_map(Step::Delete),
        1 => (0u64..60, any::<bool>(), 0u64..20)
            .prop_map(|(keep, is_approximate, limit)| Step::TrimLength { keep, is_approximate, limit }),
        1 => (0u64..200, any::<bool>()).prop_map(|(least, is_approximate)| Step::TrimId { least, is_approximate }),
        3 => (0u8..4, 1usize..9).prop_map(|(consumer, limit)| Step::Deliver { consumer, limit }),
        3 => (0u64..200).prop_map(Step::Acknowledge),
        1 => (0u8..4).prop_map(Step::RemoveConsumer),
        2 => (0u64..200, 0u8..4).prop_map(|(id, consumer)| Step::Claim { id, consumer }),
    ]
}

/// The id of the entry, present or past, that a number stands for.
fn id_at(ids: &[StreamId], number: u64) -> StreamId {
    ids.get(number as usize).copied().unwrap_or(StreamId::new(number, 99))
}

fn trim(stream: &mut StreamValue, model: &mut Model, trim: Trim) {
    let surplus = match trim.to {
        TrimTo::Length(length) => model.len().saturating_sub(length as usize),
        TrimTo::Id(least) => model.range(..least).count(),
    };
    let removed = stream.log_mut().trim(trim) as usize;
    match trim.is_approximate || trim.limit != 0 {
        true => assert!(removed <= surplus && (trim.limit == 0 || removed as u64 <= trim.limit)),
        false => assert_eq!(removed, surplus),
    }
    for _ in 0..removed {
        model.pop_first();
    }
}

fn apply(stream: &mut StreamValue, model: &mut Model, ids: &mut Vec<StreamId>, step: Step, now: u64) {
    let change = |stream: &mut StreamValue, change: &mut dyn FnMut(&mut Group)| {
        stream.change_group(b"group", |group, _| change(group)).expect("the group is there");
    };
    match step {
        Step::Append { ms, sequence, names, value } => {
            let last = stream.log().last_id();
            let id = StreamId::new(last.ms + ms, sequence);
            let Some(id) = (if id > last { Some(id) } else { last.next() }) else { return };
            let mut fields: Vec<Vec<u8>> = vec![b"name".to_vec(), value.clone()];
            (0..names).for_each(|name| fields.extend([vec![b'a' + name], value.clone()]));
            let slices: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            stream.log_mut().append(id, &slices, LIMITS);
            model.insert(id, fields);
            ids.push(id);
        }
        Step::Delete(number) => {
            let id = id_at(ids, number);
            assert_eq!(stream.log_mut().delete(id), model.remove(&id).is_some());
        }
        Step::TrimLength { keep, is_approximate, limit } => {
            trim(stream, model, Trim { to: TrimTo::Length(keep), is_approximate, limit });
        }
        Step::TrimId { least, is_approximate } => {
            trim(stream, model, Trim { to: TrimTo::Id(id_at(ids, least)), is_approximate, limit: 0 });
        }
        Step::Deliver { consumer, limit } => {
            let ahead = stream.group(b"group").expect("it is there").last_delivered();
            let expected = model.range(ahead..).filter(|(id, _)| **id > ahead).count().min(limit);
            assert_eq!(deliver(stream, &consumer.to_string(), limit, now), expected);
        }
        Step::Acknowledge(number) => change(stream, &mut |group| {
            let id = id_at(ids, number);
            let was_pending = group.pending(id).is_some();
            assert_eq!(group.acknowledge(id), was_pending);
        }),
        Step::RemoveConsumer(name) => change(stream, &mut |group| {
            if let Some(number) = group.find_consumer(name.to_string().as_bytes()) {
                let pending = group.pending_with(number, StreamId::MIN).count();
                assert_eq!(group.remove_consumer(number), pending);
            }
        }),
        Step::Claim { id, consumer } => change(stream, &mut |group| {
            if let Some(consumer) = group.find_consumer(consumer.to_string().as_bytes()) {
                let pending = Pending { consumer, delivered_at: UnixMillis(now), deliveries: 3 };
                group.set_pending(id_at(ids, id), pending);
            }
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_stream_behaves_like_its_model(
        steps in prop::collection::vec(step(), 1..250),
        start in 0u64..250,
        end in 0u64..250,
    ) {
        let (mut stream, mut model, mut ids) = (StreamValue::default(), Model::new(), Vec::new());
        stream.create_group(b"group", StreamId::MIN, Some(0));
        for (at, step) in steps.into_iter().enumerate() {
            apply(&mut stream, &mut model, &mut ids, step, 1_000 + at as u64);
            prop_assert_eq!(stream.len(), model.len());
            let first = model.keys().next().copied().unwrap_or(StreamId::MIN);
            prop_assert_eq!(stream.log().first_id(), first);
            prop_assert_eq!(stream.log().last_entry_id(), model.keys().next_back().copied());
            if at % 10 == 0 {
                check(&stream);
            }
        }
        check(&stream);
        let (start, end) = (id_at(&ids, start), id_at(&ids, end));
        let expected: Vec<_> = match start <= end {
            true => model.range(start..=end).map(|(id, fields)| (*id, fields.clone())).collect(),
            false => Vec::new(),
        };
        prop_assert_eq!(&contents(stream.log().range(start, end)), &expected);
        let mut back = contents(stream.log().range_back(start, end));
        back.reverse();
        prop_assert_eq!(back, expected);
        for id in ids {
            prop_assert_eq!(stream.log().contains(id), model.contains_key(&id));
        }
    }

    #[test]
    fn a_damaged_payload_is_refused_or_harmless(at in 0usize..4_000, byte: u8, cut in 0usize..4_000) {
        let mut stream = stream_of(20);
        deliver(&mut stream, "consumer", 9, 5);
        let mut payload = payload(&stream);
        let length = payload.len();
        payload[at % length] = byte;
        payload.truncate(if cut < 200 { length - 1 - cut % (length - 1) } else { length });
        if let Some(stream) = StreamValue::decode(Encoding::Stream, &payload) {
            check(&stream);
            contents(stream.log().range_back(StreamId::MIN, StreamId::MAX));
        }
    }
}

#[test]
fn approximate_trimming_takes_whole_nodes() {
    let mut stream = stream_of(30);
    assert_eq!(stream.log().node_count(), 5);
    let to = TrimTo::Length(15);
    let trim = Trim { to, is_approximate: true, limit: 0 };
    assert_eq!(stream.log_mut().trim(trim), 14);
    assert_eq!((stream.len(), stream.log().first_id()), (16, StreamId::new(15, 0)));
    assert_eq!(stream.log_mut().trim(trim), 0);
    assert_eq!(stream.log_mut().trim(Trim { is_approximate: false, ..trim }), 1);
}

#[test]
fn a_node_counts_its_deleted_entries() {
    let mut stream = stream_of(6);
    (1..=5).for_each(|ms| assert!(stream.log_mut().delete(StreamId::new(ms, 0))));
    append(&mut stream, StreamId::new(7, 0), &["name", "value"]);
    append(&mut stream, StreamId::new(8, 0), &["name", "value"]);
    assert_eq!((stream.len(), stream.log().node_count()), (3, 2));
    assert_eq!(stream.log().max_deleted_id(), StreamId::new(5, 0));
}

#[test]
fn what_is_delivered_is_pending_with_one_consumer_until_it_is_acknowledged() {
    let mut stream = stream_of(4);
    assert_eq!(deliver(&mut stream, "b", 2, 10), 2);
    assert_eq!(deliver(&mut stream, "a", 9, 20), 2);
    let b = |ms| (ms, "b".to_owned(), 1);
    let a = |ms| (ms, "a".to_owned(), 1);
    assert_eq!(pending(&stream), [b(1), b(2), a(3), a(4)]);
    stream.change_group(b"group", |group, _| assert!(group.acknowledge(StreamId::new(2, 0))));
    let number = stream.group(b"group").and_then(|group| group.find_consumer(b"b")).expect("it is there");
    let again = stream.change_group(b"group", |group, log| {
        let mut seen = Vec::new();
        let visit = |id: StreamId, entry: Option<Entry<'_>>| seen.push((id.ms, entry.is_some()));
        group.deliver_again(log, number, StreamId::MIN, 9, UnixMillis(30), visit);
        seen
    });
    assert_eq!(again, Some(vec![(1, true)]));
    assert_eq!(pending(&stream), [(1, "b".to_owned(), 2), a(3), a(4)]);
    stream.change_group(b"group", |group, _| assert_eq!(group.remove_consumer(number), 1));
    assert_eq!(pending(&stream), [a(3), a(4)]);
    check(&stream);
}

#[test]
fn a_review_may_keep_change_and_drop() {
    let mut stream = stream_of(5);
    deliver(&mut stream, "a", 5, 10);
    let next = stream.change_group(b"group", |group, _| {
        group.review(StreamId::new(2, 0), |id, pending| match id.ms {
            2 => ControlFlow::Continue(Review::Drop),
            3 => ControlFlow::Continue(Review::Change(Pending { deliveries: 7, ..pending })),
            4 => ControlFlow::Continue(Review::Keep),
            _ => ControlFlow::Break(()),
        })
    });
    assert_eq!(next, Some(Some(StreamId::new(5, 0))));
    let deliveries: Vec<(u64, u64)> =
        pending(&stream).into_iter().map(|(ms, _, count)| (ms, count)).collect();
    assert_eq!(deliveries, [(1, 1), (3, 7), (4, 1), (5, 1)]);
}

#[test]
fn the_lag_is_known_unless_entries_were_deleted_ahead() {
    let mut stream = stream_of(5);
    let lag = |stream: &StreamValue| {
        let group = stream.group(b"group").expect("it is there");
        (group.entries_read(), group.lag(stream.log()))
    };
    assert_eq!(lag(&stream), (Some(0), Some(5)));
    deliver(&mut stream, "a", 2, 1);
    assert_eq!(lag(&stream), (Some(2), Some(3)));
    stream.log_mut().delete(StreamId::new(4, 0));
    assert_eq!(lag(&stream), (Some(2), None));
    deliver(&mut stream, "a", 9, 1);
    assert_eq!(lag(&stream), (Some(5), Some(0)));
}

#[test]
fn a_small_stream_is_small_and_a_long_one_costs_little_per_entry() {
    let small = stream_of(1);
    assert!(small.heap_bytes() < 1_000, "{}", small.heap_bytes());
    let mut stream = StreamValue::default();
    for number in 0..50_000u64 {
        let value = number.to_string();
        let id = StreamId::new(1_700_000_000_000 + number, 0);
        stream.log_mut().append(id, &[b"name", value.as_bytes()], NodeLimits::REDIS);
    }
    // redis-server 7.0 takes 15 bytes for each of these, and 148 for each that is pending.
    let entry_bytes = stream.heap_bytes() as f64 / 50_000.0;
    assert!(entry_bytes < 9.0, "{entry_bytes}");
    stream.create_group(b"group", StreamId::MIN, Some(0));
    let before_bytes = stream.heap_bytes();
    deliver(&mut stream, "a", 50_000, 1);
    let pending_bytes = (stream.heap_bytes() - before_bytes) as f64 / 50_000.0;
    assert!(pending_bytes < 62.0, "{pending_bytes}");
}
