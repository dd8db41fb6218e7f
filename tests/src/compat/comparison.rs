//! When two replies to the same command count as the same: byte for byte, unless a rule here says otherwise.
//!
//! This is the only place with tolerances. An error must be the same error under every rule.

use thermocline_protocol::Reply;

use crate::compat::commands::scripts;
use crate::compat::known_differences;
use crate::compat::request::Request;
use crate::compat::stream_replies;

/// How far apart in time two servers may run the same command, and a little more: the slack of relative expiry times.
const CLOCK_TOLERANCE_MS: i64 = 3_000;

/// What must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Every byte.
    Exact,
    /// The elements, in any order.
    AnyOrder,
    /// The elements, those in any order that are the same up to a zero byte, where C's comparison of texts ends.
    OrderUpToZeros,
    /// The fields and their values, in any order of fields.
    AnyFieldOrder,
    /// Fields and their values, in any order of fields, as an array of arrays or in turn.
    AnyPairOrder,
    /// A cursor and what was found: the elements in any order if the iteration ended for both, else the type only. With
    /// `pairs`, elements come in twos.
    Scan { pairs: bool },
    /// A time that runs: negative answers exactly, others about.
    Time { tolerance: i64 },
    /// The type of the reply only, for replies that are a matter of chance or of the server.
    Kind,
    /// What is told of a stream, where times run.
    StreamTimes,
    /// The server's greeting, but for its name, version and client id.
    Greeting,
}

/// More than any collection of these streams has: commands that reply random members reply all then.
const ALL_OF_THEM: &str = "2000";

fn rule_for(request: &Request) -> Rule {
    match request.name().as_str() {
        "KEYS" => Rule::AnyOrder,
        // Fields of large hashes and members of large sets are in no order.
        "HKEYS" | "HVALS" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" => Rule::AnyOrder,
        "HGETALL" => Rule::AnyFieldOrder,
        "SORT" | "SORT_RO" if has_no_order(request) => Rule::AnyOrder,
        "SORT" | "SORT_RO" => Rule::OrderUpToZeros,
        "HSCAN" | "SSCAN" if request.0.get(2).is_some_and(|cursor| cursor != b"0") => Rule::Kind,
        "HSCAN" => Rule::Scan { pairs: true },
        "SSCAN" => Rule::Scan { pairs: false },
        // All of them, or any one or some.
        "SPOP" | "SRANDMEMBER" | "HRANDFIELD" if request.upper(2) == ALL_OF_THEM => match request.0.len() {
            3 => Rule::AnyOrder,
            _ => Rule::AnyPairOrder,
        },
        "SRANDMEMBER" | "HRANDFIELD" => Rule::Kind,
        "TTL" | "EXPIRETIME" => Rule::Time { tolerance: CLOCK_TOLERANCE_MS / 1000 },
        "PTTL" | "PEXPIRETIME" => Rule::Time { tolerance: CLOCK_TOLERANCE_MS },
        // Which keys one call returns is up to the server; whole iterations are compared as sets.
        "SCAN" | "ZSCAN" | "RANDOMKEY" | "ZRANDMEMBER" | "TIME" => Rule::Kind,
        // Payloads end in a version and a checksum, and compress as they like: they are compared by what they restore to.
        "DUMP" => Rule::Kind,
        // Whether a small integer is shared between keys is nobody's business but the server's.
        "OBJECT" if matches!(request.upper(1).as_str(), "IDLETIME" | "FREQ" | "REFCOUNT") => Rule::Kind,
        // Redis lists settings in the order of a hash table with a random seed.
        "CONFIG" if request.upper(1) == "GET" => Rule::AnyFieldOrder,
        // The server chooses the id by its clock.
        "XADD" if request.0.iter().skip(2).any(|word| word == b"*") => Rule::Kind,
        "XINFO" | "XPENDING" => Rule::StreamTimes,
        // 7.2 makes a consumer even if a command finds nothing for it.
        "XGROUP" if request.upper(1) == "CREATECONSUMER" => Rule::Kind,
        "HELLO" => Rule::Greeting,
        _ => Rule::Exact,
    }
}

/// Whether SORT is told not to sort, which leaves a set's members in no order, or to compare texts that a pattern leads to,
/// which may be equal.
fn has_no_order(request: &Request) -> bool {
    let by = (2..request.0.len() - 1).find(|at| request.upper(*at) == "BY").map(|at| &request.0[at + 1]);
    let is_alphabetic = (2..request.0.len()).any(|at| request.upper(at) == "ALPHA");
    by.is_some_and(|by| is_alphabetic || !by.contains(&b'*'))
}

/// `Err` says what is wrong with the subject's reply.
///
/// # Errors
///
/// The difference in words.
pub fn compare(request: &Request, reference: &[u8], subject: &[u8]) -> Result<(), String> {
    if reference == subject {
        return Ok(());
    }
    compare_replies(request, &decode(reference), &decode(subject))
}

/// As [`compare`], for the reply to EXEC: each reply in it is compared as the reply to its own command is.
///
/// # Errors
///
/// The difference in words.
pub fn compare_transaction(commands: &[&Request], reference: &[u8], subject: &[u8]) -> Result<(), String> {
    if reference == subject {
        return Ok(());
    }
    let replies = (decode(reference), decode(subject));
    let (Reply::Array(reference), Reply::Array(subject)) = &replies else {
        return Err(format!("reference: {:?}\nsubject:   {:?}", replies.0, replies.1));
    };
    if reference.len() != commands.len() || subject.len() != commands.len() {
        return Err(format!("{} and {} replies to {}", reference.len(), subject.len(), commands.len()));
    }
    for (command, (reference, subject)) in commands.iter().zip(reference.iter().zip(subject)) {
        compare_replies(command, reference, subject).map_err(|what| format!("{command:?}\n{what}"))?;
    }
    Ok(())
}

fn compare_replies(request: &Request, reference: &Reply, subject: &Reply) -> Result<(), String> {
    if reference == subject {
        return Ok(());
    }
    if let Some(called) = scripts::called(request) {
        return compare_replies(&called, reference, subject);
    }
    let is_same = match rule_for(request) {
        _ if reference.is_error() || subject.is_error() => false,
        Rule::Exact => false,
        Rule::AnyOrder => sorted(reference) == sorted(subject) && is_same_kind(reference, subject),
        Rule::OrderUpToZeros => {
            sorted(reference).is_some_and(|elements| Some(elements) == sorted(subject))
                && up_to_zeros(reference) == up_to_zeros(subject)
        }
        Rule::AnyFieldOrder => {
            is_same_kind(reference, subject) && sorted_fields(reference) == sorted_fields(subject)
        }
        Rule::AnyPairOrder => {
            is_same_kind(reference, subject) && sorted_pairs(reference) == sorted_pairs(subject)
        }
        Rule::Scan { pairs } => is_same_scan(reference, subject, pairs),
        Rule::Time { tolerance } => match (reference, subject) {
            (Reply::Integer(a), Reply::Integer(b)) => *a >= 0 && *b >= 0 && (a - b).abs() <= tolerance,
            _ => false,
        },
        Rule::Kind => is_same_kind(reference, subject),
        Rule::StreamTimes => stream_replies::is_same(reference, subject, CLOCK_TOLERANCE_MS),
        Rule::Greeting => is_same_kind(reference, subject) && greeting(reference) == greeting(subject),
    };
    if is_same || known_differences::reason(request, reference, subject).is_some() {
        return Ok(());
    }
    Err(format!("reference: {reference:?}\nsubject:   {subject:?}"))
}

fn decode(raw: &[u8]) -> Reply {
    Reply::decode(raw).expect("a reply").expect("a whole reply").0
}

fn is_same_kind(a: &Reply, b: &Reply) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn sorted(reply: &Reply) -> Option<Vec<&[u8]>> {
    let mut elements: Vec<&[u8]> =
        reply.as_elements()?.iter().map(|element| element.as_bytes()).collect::<Option<_>>()?;
    elements.sort_unstable();
    Some(elements)
}

fn up_to_zeros(reply: &Reply) -> Vec<Option<&[u8]>> {
    fn up_to_zero(text: &Reply) -> Option<&[u8]> {
        text.as_bytes()?.split(|byte| *byte == 0).next()
    }
    reply.as_elements().unwrap_or_default().iter().map(up_to_zero).collect()
}

/// The fields and values of a map, or of the array that stands for one in RESP2.
fn fields(reply: &Reply) -> Vec<(Reply, Reply)> {
    match reply {
        Reply::Map(pairs) => pairs.clone(),
        Reply::Array(elements) => {
            elements.chunks(2).map(|pair| (pair[0].clone(), pair[pair.len() - 1].clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn sorted_fields(reply: &Reply) -> Vec<(Reply, Reply)> {
    let mut fields = fields(reply);
    fields.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(&b.as_bytes()));
    fields
}

/// The elements two by two, whether each pair is an array of its own or not, in the order of the first.
fn sorted_pairs(reply: &Reply) -> Option<Vec<Vec<Reply>>> {
    let elements = reply.as_elements()?;
    let mut pairs: Vec<Vec<Reply>> = match elements.first() {
        Some(Reply::Array(_)) => {
            elements.iter().filter_map(|pair| pair.as_elements().map(<[_]>::to_vec)).collect()
        }
        _ => elements.chunks(2).map(<[Reply]>::to_vec).collect(),
    };
    pairs.sort_by(|one, other| one[0].as_bytes().cmp(&other[0].as_bytes()));
    Some(pairs)
}

/// Compares a cursor and elements with another.
fn is_same_scan(reference: &Reply, subject: &Reply, pairs: bool) -> bool {
    let parts = |reply: &Reply| match reply.as_elements() {
        Some([cursor, found]) => Some((cursor.as_bytes() == Some(b"0"), found.clone())),
        _ => None,
    };
    let (Some((reference_ended, reference)), Some((subject_ended, subject))) =
        (parts(reference), parts(subject))
    else {
        return false;
    };
    // Where an iteration pauses is up to the server.
    if !reference_ended || !subject_ended {
        return is_same_kind(&reference, &subject);
    }
    if pairs {
        sorted_pairs(&reference) == sorted_pairs(&subject)
    } else {
        sorted(&reference) == sorted(&subject)
    }
}

/// A greeting's fields and values, but for those that differ between any two servers.
fn greeting(reply: &Reply) -> Vec<(Reply, Reply)> {
    let is_own = |field: &Reply| matches!(field.as_bytes(), Some(b"server" | b"version" | b"id"));
    fields(reply)
        .into_iter()
        .map(|(field, value)| if is_own(&field) { (field, Reply::Null) } else { (field, value) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_same(command: &str, reference: &str, subject: &str) -> bool {
        let words = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        compare(&Request(words), reference.as_bytes(), subject.as_bytes()).is_ok()
    }

    #[test]
    fn replies_are_compared_byte_for_byte() {
        assert!(is_same("GET k", "$1\r\na\r\n", "$1\r\na\r\n"));
        assert!(!is_same("GET k", "$1\r\na\r\n", "$1\r\nb\r\n"));
        assert!(!is_same("GET k", "$-1\r\n", "_\r\n"));
        assert!(!is_same("GET k", "-ERR a\r\n", "-ERR b\r\n"));
    }

    #[test]
    fn times_may_differ_a_little_and_their_absence_not_at_all() {
        assert!(is_same("PTTL k", ":100000\r\n", ":99000\r\n"));
        assert!(!is_same("PTTL k", ":100000\r\n", ":90000\r\n"));
        assert!(!is_same("TTL k", ":-1\r\n", ":-2\r\n"));
        assert!(!is_same("TTL k", ":0\r\n", ":-1\r\n"));
        assert!(!is_same("TTL k", ":100\r\n", "$3\r\n100\r\n"));
    }

    #[test]
    fn sets_of_keys_are_compared_in_any_order() {
        assert!(is_same("KEYS *", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
        assert!(!is_same("KEYS *", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\nb\r\n"));
    }

    #[test]
    fn sorted_texts_are_compared_in_order_up_to_zero_bytes() {
        let (one, other) = ("*2\r\n$2\r\n\0a\r\n$0\r\n\r\n", "*2\r\n$0\r\n\r\n$2\r\n\0a\r\n");
        assert!(is_same("SORT z ALPHA", one, other));
        assert!(!is_same("SORT z ALPHA", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
        assert!(is_same("SORT z BY #", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"));
    }

    #[test]
    fn a_greeting_may_name_another_server() {
        let redis = "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n";
        assert!(is_same("HELLO", redis, "*4\r\n$6\r\nserver\r\n$5\r\nother\r\n$5\r\nproto\r\n:2\r\n"));
        assert!(!is_same("HELLO", redis, "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"));
    }

    #[test]
    fn errors_are_equal_under_every_rule() {
        assert!(!is_same("RANDOMKEY", "-ERR a\r\n", "$1\r\nb\r\n"));
        assert!(!is_same("SCAN x", "-ERR invalid cursor\r\n", "-ERR syntax error\r\n"));
    }
}
