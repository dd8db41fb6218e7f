//! Who may connect, and how much a client may take.

use crate::config::option::OptionRow;
use crate::config::words;

const LOCAL_OR_NOT: &[&str] = &["no", "yes", "local"];
const MIB: i64 = 1 << 20;

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::text("requirepass", "").secret().doc("The password of the user `default`; empty for none."),
    OptionRow::integer("maxclients", 10_000, 1, u32::MAX as i64).doc("How many clients may be connected at once."),
    OptionRow::count("timeout", 0).doc("Seconds without a request after which a client is disconnected; 0 never."),
    OptionRow::size("proto-max-bulk-len", 512 * MIB, MIB).doc("The longest string in a request, in bytes."),
    OptionRow::size("client-query-buffer-limit", 1024 * MIB, MIB)
        .doc("How much of unfinished requests is kept for a client, in bytes, before it is disconnected."),
    OptionRow::words(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        words::output_limits,
    )
    .doc("How much unread output a client may leave before it is disconnected: class, hard limit, soft limit and the \
          seconds that the soft one may be exceeded. `pubsub` is for all messages that are no replies."),
    OptionRow::choice("enable-debug-command", LOCAL_OR_NOT, 2)
        .at_start()
        .doc("Who may use DEBUG: nobody, everybody, or clients of this machine."),
    OptionRow::choice("enable-protected-configs", LOCAL_OR_NOT, 0)
        .at_start()
        .doc("Who may change protected options with CONFIG SET."),
    OptionRow::choice("enable-module-command", LOCAL_OR_NOT, 0).at_start().kept().doc("There are no modules."),
    OptionRow::size_or_percent("maxmemory-clients", 0)
        .doc("What all clients together may take, in bytes or as a part of `maxmemory` (`5%`), before those that take most \
              are disconnected; 0 for no limit."),
    OptionRow::text("aclfile", "")
        .at_start()
        .doc("File of users, a line `user <name> <rule> ...` for each, which ACL LOAD reads and ACL SAVE writes; empty for \
              none. Without it, users are `user` lines of the configuration file, or `--user <name> <rule> ...`."),
    OptionRow::integer("acllog-max-len", 128, 0, i64::MAX).doc("How many entries ACL LOG keeps."),
    OptionRow::choice("acl-pubsub-default", &["resetchannels", "allchannels"], 0)
        .doc("Which channels a new user may use."),
    OptionRow::integer("tracking-table-max-keys", 1_000_000, 0, i64::MAX)
        .doc("How many keys are remembered for clients that cache them; 0 for any number. Where there are more, some are \
              reported as changed."),
    OptionRow::count("busy-reply-threshold", 5000)
        .alias("lua-time-limit")
        .doc("Milliseconds after which a running script is reported as busy."),
];
