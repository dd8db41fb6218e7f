//! Where Redis 7.2, which we follow, is known to depart from the 7.0 that distributions ship and tests compare with.
//!
//! Every entry is a change of behaviour that Redis documents. Nothing else belongs here: a difference that is ours is a
//! bug.

use thermocline_protocol::Reply;

use crate::compat::request::Request;

/// One documented change.
struct KnownDifference {
    reason: &'static str,
    applies: fn(&Request, &Reply, &Reply) -> bool,
}

const KNOWN_DIFFERENCES: &[KnownDifference] = &[
    KnownDifference {
        reason: "7.2: lists that fit into one node are listpacks (redis#11303)",
        applies: |request, reference, subject| {
            request.name() == "OBJECT"
                && reference.as_bytes() == Some(b"quicklist")
                && subject.as_bytes() == Some(b"listpack")
        },
    },
    KnownDifference {
        reason: "7.2: LPOS refuses the one RANK whose sign cannot be changed",
        applies: |request, _, subject| {
            request.name() == "LPOS"
                && subject
                    .as_bytes()
                    .is_some_and(|text| text.starts_with(b"ERR value is out of range, value must"))
        },
    },
    KnownDifference {
        reason: "7.2: COMMAND GETKEYS takes commands without arguments, so it can say that they have no keys",
        applies: |request, reference, _| {
            request.name() == "COMMAND"
                && request.upper(1) == "GETKEYS"
                && request.0.len() == 3
                && reference.as_bytes().is_some_and(|text| text.ends_with(b"for 'command|getkeys' command"))
        },
    },
    KnownDifference {
        reason: "7.2: BITCOUNT and BITPOS check their arguments first, whatever the key is (redis#11734)",
        applies: |request, reference, subject| {
            matches!(request.name().as_str(), "BITCOUNT" | "BITPOS")
                && (reference.as_integer().is_some() || is_wrong_type(reference))
                && subject.is_error()
        },
    },
    KnownDifference {
        reason: "7.2: XREAD and XREADGROUP say which of them they are where a stream has no id (redis#12238)",
        applies: |request, reference, subject| {
            let begin = |reply: &Reply, text: &str| matches!(reply, Reply::Error(error) if error.starts_with(text.as_bytes()));
            matches!(request.name().as_str(), "XREAD" | "XREADGROUP")
                && begin(reference, "ERR Unbalanced XREAD list of streams")
                && begin(subject, "ERR Unbalanced 'xread")
        },
    },
    KnownDifference {
        reason: "7.2: XSETID refuses an id below the highest that was deleted (redis#11444)",
        applies: |request, reference, subject| {
            let error = b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
            request.name() == "XSETID" && reference.is_error() && *subject == Reply::Error(error.to_vec())
        },
    },
    KnownDifference {
        reason: "7.2: who waits in XREADGROUP for a key or group that goes is told what XREADGROUP says of it then",
        applies: |request, reference, subject| {
            let is_one_of = |reply: &Reply, beginnings: [&[u8]; 2]| {
                let error = reply.as_bytes().filter(|_| reply.is_error()).unwrap_or_default();
                beginnings.iter().any(|beginning| error.starts_with(beginning))
            };
            request.name() == "XREADGROUP"
                && is_one_of(
                    reference,
                    [b"UNBLOCKED the stream key no longer", b"NOGROUP the consumer group"],
                )
                && is_one_of(subject, [b"NOGROUP No such key", b"WRONGTYPE"])
        },
    },
    KnownDifference {
        reason: "7.2: XREAD finds that a time to wait is too long",
        applies: |request, _, subject| {
            request.name() == "XREAD" && subject.as_bytes() == Some(b"ERR timeout is out of range")
        },
    },
    KnownDifference {
        reason: "7.4: XREAD takes + for the last entry",
        applies: |request, reference, _| {
            request.name() == "XREAD"
                && request.0.contains(&b"+".to_vec())
                && matches!(reference, Reply::Error(error) if error.starts_with(b"ERR Invalid stream ID"))
        },
    },
    KnownDifference {
        reason: "7.2: small sets that are not all integers are listpacks (redis#11290)",
        applies: |request, reference, subject| {
            request.name() == "OBJECT"
                && request.upper(1) == "ENCODING"
                && reference.as_bytes() == Some(b"hashtable")
                && subject.as_bytes() == Some(b"listpack")
        },
    },
    KnownDifference {
        reason: "7.2: ZRANK and ZREVRANK take WITHSCORE",
        applies: |request, reference, _| {
            matches!(request.name().as_str(), "ZRANK" | "ZREVRANK")
                && request.0.len() == 4
                && reference.as_bytes().is_some_and(|text| text.starts_with(b"ERR wrong number of arguments"))
        },
    },
    KnownDifference {
        reason: "7.2: a timeout that is too long is called that, not negative",
        applies: |_, reference, subject| {
            reference.as_bytes() == Some(b"ERR timeout is negative")
                && subject.as_bytes() == Some(b"ERR timeout is out of range")
        },
    },
    KnownDifference {
        reason: "7.2: the error for what a user may not do is worded otherwise",
        applies: |_, reference, subject| {
            let is_refusal =
                |reply: &Reply| matches!(reply, Reply::Error(text) if text.starts_with(b"NOPERM "));
            is_refusal(reference) && is_refusal(subject)
        },
    },
];

fn is_wrong_type(reply: &Reply) -> bool {
    reply.is_error() && reply.as_bytes().is_some_and(|text| text.starts_with(b"WRONGTYPE"))
}

/// Why the two replies may differ, if they may.
pub fn reason(request: &Request, reference: &Reply, subject: &Reply) -> Option<&'static str> {
    let known = KNOWN_DIFFERENCES.iter().find(|known| (known.applies)(request, reference, subject))?;
    Some(known.reason)
}
