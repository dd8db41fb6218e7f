//! The process: where it lives and how it ends.

use crate::config::option::OptionRow;
use crate::config::words;

const SIGNAL_ACTIONS: &[&str] = &["default", "save", "nosave", "now", "force"];
const SUPERVISION: &[&str] = &["no", "upstart", "systemd", "auto"];

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::text("dir", ".").at_start().doc("Working folder: relative paths start here."),
    OptionRow::text("pidfile", "").at_start().doc("File that holds the process id while the server runs."),
    OptionRow::count("shutdown-timeout", 10)
        .at_start()
        .doc("Seconds that SHUTDOWN and SIGTERM wait for requests that are being answered."),
    OptionRow::bool("daemonize", false)
        .at_start()
        .only_default("running in the background is not supported: let a service manager do it")
        .doc("Run in the background."),
    OptionRow::choice("supervised", SUPERVISION, 0)
        .at_start()
        .only_default(
            "readiness is not reported to a supervisor: use supervised no, and Type=simple in systemd",
        )
        .doc("Report readiness to a supervisor."),
    OptionRow::choice("shutdown-on-sigterm", SIGNAL_ACTIONS, 0).kept().doc("There is nothing to save."),
    OptionRow::choice("shutdown-on-sigint", SIGNAL_ACTIONS, 0).kept().doc("There is nothing to save."),
    OptionRow::integer("hz", 10, 0, i32::MAX as i64).kept().doc("How often Redis does background work."),
    OptionRow::bool("dynamic-hz", true).kept().doc("How often Redis does background work."),
    OptionRow::choice("oom-score-adj", &["no", "yes", "relative", "absolute"], 0)
        .only_default("the kernel's out-of-memory score is not adjusted: let a service manager do it")
        .doc("Adjust the kernel's out-of-memory score."),
    OptionRow::words("oom-score-adj-values", "0 200 800", words::oom_score_values)
        .kept()
        .doc("Redis' out-of-memory scores."),
    OptionRow::bool("disable-thp", true)
        .at_start()
        .kept()
        .doc("Transparent huge pages are left as they are."),
    OptionRow::bool("set-proc-title", true).at_start().kept().doc("The process' title is left as it is."),
    OptionRow::text("proc-title-template", "{title} {listen-addr} {server-mode}").kept().doc("Redis' title."),
    OptionRow::text("server_cpulist", "").at_start().kept().doc("Redis' CPU affinity; use `taskset`."),
    OptionRow::text("bio_cpulist", "").at_start().kept().doc("Redis' CPU affinity; use `taskset`."),
    OptionRow::text("aof_rewrite_cpulist", "").at_start().kept().doc("Redis' CPU affinity."),
    OptionRow::text("bgsave_cpulist", "").at_start().kept().doc("Redis' CPU affinity."),
    OptionRow::text("ignore-warnings", "").kept().doc("Redis' warnings at start."),
    OptionRow::text("locale-collate", "").kept().doc("The locale of sorting; bytes are compared here."),
];
