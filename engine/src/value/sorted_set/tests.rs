//! Both forms against a model, with thresholds crossed all the time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMITS: PackLimits = PackLimits { entries: 20, element_bytes: 10 };

/// The model: scores by member.
type Model = BTreeMap<Vec<u8>, f64>;

fn ordered(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut members: Vec<(Vec<u8>, f64)> =
        model.iter().map(|(member, &score)| (member.clone(), score)).collect();
    members.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("no NaN").then_with(|| a.0.cmp(&b.0)));
    members
}

fn listed(members: Members<'_>) -> Vec<(Vec<u8>, f64)> {
    members.map(|(member, score)| (member.to_vec(), score)).collect()
}

fn round_trip(set: &SortedSetValue) -> SortedSetValue {
    let mut payload = Vec::new();
    crate::value::encode(&set.clone().into(), &mut payload);
    assert!(payload.len() <= set.payload_bytes());
    SortedSetValue::decode(set.encoding(), &payload).expect("a payload comes back")
}

fn check(set: &SortedSetValue, model: &Model) {
    let expected = ordered(model);
    assert_eq!(set.len(), expected.len());
    assert_eq!(listed(set.iter()), expected);
    let mut reversed = listed(set.range(0..set.len(), true));
    reversed.reverse();
    assert_eq!(reversed, expected);
    for (rank, (member, score)) in expected.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.score(member), Some(*score));
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 5, |member, _| seen.push(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    seen.sort();
    assert!(seen.iter().eq(model.keys()));
    let mut drawn: Vec<Vec<u8>> = (0..set.len()).map(|index| set.any(index).0.to_vec()).collect();
    drawn.sort();
    assert!(drawn.iter().eq(model.keys()));
    if let Form::Large(large) = &set.0 {
        large.check();
    }
    if !set.is_empty() {
        assert_eq!(&round_trip(set), set);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Grow,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..60u8).prop_map(|i| format!("m{i}").into_bytes()),
        3 => (0..60i32).prop_map(|i| (i * 1000 - 7).to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..10),
        1 => (0..4u8).prop_map(|i| vec![b'a' + i; 12]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-3..4i32).prop_map(f64::from),
        (-100_000..100_000i32).prop_map(|i| f64::from(i) / 8.0),
        any::<f64>().prop_filter("no NaN", |score| !score.is_nan()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        2 => member().prop_map(Step::Remove),
        1 => (any::<usize>(), 0..12usize).prop_map(|(from, count)| Step::RemoveRange(from, count)),
        1 => Just(Step::Grow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_behaves_like_a_sorted_map(steps in prop::collection::vec(step(), 1..150)) {
        let (mut set, mut model) = (SortedSetValue::new(), Model::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(member, score) => {
                    let old = set.insert(&member, score, LIMITS);
                    // An equal score leaves the old one in place, the sign of zero included.
                    let known = model.get(&member).copied();
                    prop_assert_eq!(old, known);
                    if known != Some(score) {
                        model.insert(member, score);
                    }
                }
                Step::Remove(member) => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                Step::RemoveRange(from, count) => {
                    let from = from % (set.len() + 1);
                    let to = (from + count).min(set.len());
                    for (member, _) in &ordered(&model)[from..to] {
                        model.remove(member);
                    }
                    set.remove_range(from..to);
                }
                Step::Grow if number % 10 == 0 => set.grow(),
                Step::Grow => {}
            }
            check(&set, &model);
        }
    }

    #[test]
    fn ranges_are_those_of_a_filter(
        members in prop::collection::vec((member(), score()), 1..60),
        (min, max) in (score(), score()),
        (excludes_min, excludes_max) in any::<(bool, bool)>(),
        (low, high) in (member(), member()),
    ) {
        let mut set = SortedSetValue::new();
        let mut same_score = SortedSetValue::new();
        for (member, score) in &members {
            set.insert(member, *score, LIMITS);
            same_score.insert(member, 1.0, LIMITS);
        }
        let range = ScoreRange { min, max, excludes_min, excludes_max };
        let inside = |score: f64| {
            (if excludes_min { score > min } else { score >= min })
                && if excludes_max { score < max } else { score <= max }
        };
        let expected: Vec<_> = listed(set.iter()).into_iter().filter(|(_, score)| inside(*score)).collect();
        prop_assert_eq!(listed(set.range(set.ranks_by_score(&range), false)), expected);

        for min in [LexBound::First, LexBound::Included(&low), LexBound::Excluded(&low), LexBound::Last] {
            for max in [LexBound::First, LexBound::Included(&high), LexBound::Excluded(&high), LexBound::Last] {
                let range = LexRange { min, max };
                let inside = |member: &[u8]| !range.is_below(member) && !range.is_above(member);
                let mut expected = listed(same_score.iter());
                expected.retain(|(member, _)| inside(member));
                for reverse in [false, true] {
                    let ranks = same_score.ranks_by_lex(&range, reverse);
                    prop_assert_eq!(listed(same_score.range(ranks, false)), expected.clone());
                }
            }
        }
    }

    #[test]
    fn no_payload_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..80)) {
        for encoding in [Encoding::ListPack, Encoding::SkipList, Encoding::HashTable] {
            SortedSetValue::decode(encoding, &payload);
        }
    }
}

#[test]
fn a_sorted_set_grows_beyond_either_limit_and_stays_large() {
    let mut set = SortedSetValue::new();
    for i in 0..20 {
        set.insert(format!("m{i}").as_bytes(), 1.0, LIMITS);
    }
    set.insert(b"m3", 2.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::ListPack);
    set.insert(b"one more", 1.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::SkipList);
    set.remove_range(1..21);
    assert_eq!((set.len(), set.encoding()), (1, Encoding::SkipList));
    let mut set = SortedSetValue::new();
    set.insert(b"0123456789", 1.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::ListPack);
    set.insert(b"0123456789a", 1.0, LIMITS);
    assert_eq!(set.encoding(), Encoding::SkipList);
}

#[test]
fn a_member_in_a_small_sorted_set_takes_little_more_than_its_bytes() {
    let mut set = SortedSetValue::new();
    for i in 0..20 {
        set.insert(format!("member{i:02}").as_bytes(), f64::from(i), LIMITS);
    }
    assert_eq!(set.payload_bytes(), 2 + 20 * (1 + 8 + 1));
}

#[test]
fn payloads_out_of_order_are_refused() {
    let encode = |members: &[(&[u8], f64)]| {
        let mut payload = Vec::new();
        for (member, score) in members {
            payload.extend_from_slice(&score.to_le_bytes());
            payload.extend_from_slice(&(member.len() as u32).to_le_bytes());
            payload.extend_from_slice(member);
        }
        SortedSetValue::decode(Encoding::SkipList, &payload)
    };
    assert!(encode(&[(b"a", 1.0), (b"b", 1.0), (b"0", 2.0)]).is_some());
    assert!(encode(&[(b"b", 1.0), (b"a", 1.0)]).is_none());
    assert!(encode(&[(b"a", 1.0), (b"a", 2.0)]).is_none());
    assert!(encode(&[(b"a", f64::NAN)]).is_none());
    assert!(encode(&[]).is_none());
    for payload in [&b"\0\0"[..], b"\x01\0", b"\x01\0\x81a", b"\x02\0\x81a\x01", b"\x02\0\x81b\x01\x81a\x01"]
    {
        assert_eq!(SortedSetValue::decode(Encoding::ListPack, payload), None, "{}", payload.escape_ascii());
    }
    assert!(SortedSetValue::decode(Encoding::ListPack, b"\x02\0\x81a\x01\x81b\x01").is_some());
}
