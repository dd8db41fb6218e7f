//! Every sorted set command in process: replies, errors, the order of checks.
