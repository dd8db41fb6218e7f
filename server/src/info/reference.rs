//! The reference page `docs/reference/metrics.md`, generated from the fields and compared with the file.

use super::sections::SECTIONS;
use super::{FieldValue, View, text};
use crate::command::fixture::Fixture;
use crate::info::Selection;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/metrics.md");

const INTRODUCTION: &str = "\
# Metrics

`INFO [section ...]` shows the server's state; `INFO everything` shows all sections. Every number below is also a metric
of the Prometheus endpoint, under the same name behind `thermocline_`: `tier_hits_ssd` is `thermocline_tier_hits_ssd`.
The endpoint is off unless `metrics-port` is set; it serves `GET /metrics` on the first address of `bind`.

Counters only grow, until `CONFIG RESETSTAT` or the end of the process; gauges go up and down. Bytes are bytes, times
are in the unit that the name ends with. Fields of Redis that have no meaning here are shown with the value that a
Redis without that feature shows, and are not listed. `TIER LATENCY` replies the latencies with their counts and maxima;
`TIER LATENCY RESET` starts them anew.

A command's time is what it ran, as in Redis: what it waited for the SSD before that is told apart. `LATENCY HISTOGRAM
[command ...]` and INFO's `latencystats` and `commandstats` show the time it ran, `TIER LATENCY HISTOGRAM [command ...]`
shows the waits in the same form, for the calls that waited. SLOWLOG and LATENCY judge what a client had to wait for, so there a
command's duration is the sum of both; `TIER SLOWLOG [count]` replies what `SLOWLOG GET` does, each entry with a seventh
element: the microseconds that it waited for the SSD. (`SLOWLOG GET` itself has Redis' six elements, because there are
client libraries that lose track of the connection when there are more.)

Some metrics exist once per command, error code or database:

| Prometheus | INFO | |
|---|---|---|
| `command_calls{command=\"get\"}` | `cmdstat_get:calls=` | counter: calls of a command |
| `command_usec{command=\"get\"}` | `cmdstat_get:usec=` | counter: microseconds that it ran, waits for the SSD not included |
| `command_usec_per_call{command=\"get\"}` | `cmdstat_get:usec_per_call=` | gauge: their quotient |
| `command_rejected_calls{command=\"get\"}` | `cmdstat_get:rejected_calls=` | counter: refused before it ran |
| `command_failed_calls{command=\"get\"}` | `cmdstat_get:failed_calls=` | counter: replied with an error |
| `command_cold_calls{command=\"get\"}` | `cmdstat_get:cold_calls=` | counter: calls that waited for the SSD; absent while there were none |
| `command_cold_usec{command=\"get\"}` | `cmdstat_get:cold_usec=` | counter: microseconds that they waited |
| `error_replies{code=\"ERR\"}` | `errorstat_ERR:count=` | counter: error replies by their first word |
| `database_keys{database=\"db0\"}` | `db0:keys=` | gauge: keys of a database |
| `database_expires{database=\"db0\"}` | `db0:expires=` | gauge: keys of a database that have an expiry |

This page is generated from the server's fields; a test compares them.
";

fn page() -> String {
    let fixture = Fixture::new(&[]);
    let mut page = INTRODUCTION.to_owned();
    for section in &SECTIONS {
        let fields = (section.fields)(&View::new(&fixture.server, fixture.server.engine.databases()));
        let metrics: Vec<_> = fields.iter().filter(|field| !field.help.is_empty()).collect();
        if metrics.is_empty() {
            continue;
        }
        page.push_str(&format!("\n## INFO {}\n\n| name | kind | |\n|---|---|---|\n", section.name));
        for field in metrics {
            let kind = match field.value {
                FieldValue::Counter(_) => "counter",
                _ => "gauge",
            };
            page.push_str(&format!("| `{}` | {kind} | {} |\n", field.name, field.help));
        }
    }
    page
}

#[test]
fn the_reference_page_says_what_the_fields_say() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, page()).expect("the page can be written");
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(written == page(), "run this test with UPDATE_DOCS=1 to write docs/reference/metrics.md anew");
}

#[test]
fn info_shows_default_sections_and_everything_shows_all() {
    let fixture = Fixture::new(&[]);
    let view = View::new(&fixture.server, fixture.server.engine.databases());
    let default = text(&view, &Selection::Default);
    let all = text(&view, &Selection::All);
    for title in ["# Server", "# Clients", "# Memory", "# Tiering", "# Stats", "# Replication", "# Keyspace"]
    {
        assert!(default.contains(title), "{title}");
    }
    assert!(!default.contains("# Commandstats") && all.contains("# Commandstats"));
    assert!(default.contains("redis_version:7.2.4\r\n") && default.contains("server_name:thermocline\r\n"));
    // A section ends with an empty line, a line ends with CR LF.
    assert!(default.lines().all(|line| line.is_empty() || line.starts_with('#') || line.contains(':')));
}
