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
        reason: "7.2: COMMAND GETKEYS takes commands without arguments, so it can say that they have no keys",
        applies: |request, reference, _| {
            request.name() == "COMMAND"
                && request.upper(1) == "GETKEYS"
                && request.0.len() == 3
                && reference.as_bytes().is_some_and(|text| text.ends_with(b"for 'command|getkeys' command"))
        },
    },
    KnownDifference {
        reason: "7.2: BITCOUNT and BITPOS check their arguments before they look at the key (redis#11734)",
        applies: |request, reference, subject| {
            matches!(request.name().as_str(), "BITCOUNT" | "BITPOS")
                && (reference.as_integer().is_some()
                    || reference.as_bytes().is_some_and(|error| error.starts_with(b"WRONGTYPE")))
                && subject.is_error()
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
];

/// Why the two replies may differ, if they may.
pub fn reason(request: &Request, reference: &Reply, subject: &Reply) -> Option<&'static str> {
    let known = KNOWN_DIFFERENCES.iter().find(|known| (known.applies)(request, reference, subject))?;
    Some(known.reason)
}
