//! Logs, SLOWLOG, LATENCY.

use crate::config::option::OptionRow;
use crate::config::words;

const LEVELS: &[&str] = &["debug", "verbose", "notice", "warning", "nothing"];
const FACILITIES: &[&str] =
    &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::choice("loglevel", LEVELS, 2).doc("How much is logged."),
    OptionRow::text("logfile", "").at_start().doc("File to log to; empty is the standard output."),
    OptionRow::integer("slowlog-log-slower-than", 10_000, -1, i64::MAX)
        .doc("Microseconds of running after which a command is kept in SLOWLOG; 0 keeps all, -1 none."),
    OptionRow::integer("slowlog-max-len", 128, 0, i64::MAX).doc("How many commands SLOWLOG keeps."),
    OptionRow::integer("latency-monitor-threshold", 0, 0, i64::MAX)
        .doc("Milliseconds from which on LATENCY remembers an event; 0 remembers none."),
    OptionRow::bool("latency-tracking", true).doc("Whether INFO latencystats shows anything."),
    OptionRow::words("latency-tracking-info-percentiles", "50 99 99.9", words::latency_percentiles)
        .doc("The percentiles in INFO latencystats."),
    OptionRow::bool("syslog-enabled", false)
        .at_start()
        .only_default("logging to syslog is not supported: log to a file or the standard output")
        .doc("Log to syslog."),
    OptionRow::text("syslog-ident", "redis").at_start().kept().doc("Redis' name in syslog."),
    OptionRow::choice("syslog-facility", FACILITIES, 1).at_start().kept().doc("Redis' facility in syslog."),
    OptionRow::bool("crash-log-enabled", true).at_start().kept().doc("Redis' report of a crash."),
    OptionRow::bool("crash-memcheck-enabled", true)
        .at_start()
        .kept()
        .doc("Redis' memory check after a crash."),
    OptionRow::bool("always-show-logo", false).at_start().kept().doc("There is no logo."),
    OptionRow::count("watchdog-period", 0).kept().doc("Redis' software watchdog."),
];
