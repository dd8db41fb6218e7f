//! The sections of INFO, in the order in which it shows them.

use thermocline_engine::EngineMetrics;

use super::View;
use super::{Field, FieldValue, Sample, Section, tiering};
use crate::access::log::Reason;
use crate::command::connection::REDIS_VERSION;
use crate::command::server::Allocator;
use crate::config::total_memory_bytes;
use crate::net::BoundAddress;
use crate::server::clients::ClientFlags;
use crate::server::metrics::CommandSummary;
use crate::server::pubsub::TopicKind;

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// All sections.
pub(super) const SECTIONS: [Section; 14] = [
    Section { name: "server", title: "Server", is_default: true, fields: server_fields },
    Section { name: "clients", title: "Clients", is_default: true, fields: clients },
    Section { name: "memory", title: "Memory", is_default: true, fields: memory },
    Section { name: "tiering", title: "Tiering", is_default: true, fields: tiering::fields },
    Section { name: "persistence", title: "Persistence", is_default: true, fields: persistence },
    Section { name: "stats", title: "Stats", is_default: true, fields: stats },
    Section { name: "replication", title: "Replication", is_default: true, fields: replication },
    Section { name: "cpu", title: "CPU", is_default: true, fields: cpu },
    Section { name: "modules", title: "Modules", is_default: true, fields: |_| Vec::new() },
    Section { name: "commandstats", title: "Commandstats", is_default: false, fields: commandstats },
    Section { name: "errorstats", title: "Errorstats", is_default: true, fields: errorstats },
    Section { name: "latencystats", title: "Latencystats", is_default: false, fields: latencystats },
    Section { name: "cluster", title: "Cluster", is_default: true, fields: cluster },
    Section { name: "keyspace", title: "Keyspace", is_default: true, fields: keyspace },
];

fn server_fields(server: &View<'_>) -> Vec<Field> {
    let now_ms = server.clock.now().0;
    let uptime_s = now_ms.saturating_sub(server.started_at.0) / 1000;
    let kernel = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_owned()
    };
    let os = format!("{} {} {}", kernel("ostype"), kernel("osrelease"), std::env::consts::ARCH);
    let executable = std::env::current_exe().unwrap_or_default().display().to_string();
    let file = server.config.file().map(|path| path.display().to_string()).unwrap_or_default();
    let port = server.listening.addresses().iter().find_map(|address| match address {
        BoundAddress::Tcp(address) => Some(address.port()),
        BoundAddress::Unix(_) => None,
    });
    vec![
        Field::text("redis_version", REDIS_VERSION),
        Field::text("server_name", "thermocline"),
        Field::text("thermocline_version", env!("CARGO_PKG_VERSION")),
        Field::text("redis_git_sha1", "00000000"),
        Field::text("redis_git_dirty", "0"),
        Field::text("redis_build_id", "0"),
        Field::text("redis_mode", "standalone"),
        Field::text("os", os),
        Field::text("arch_bits", usize::BITS.to_string()),
        Field::text("monotonic_clock", "POSIX clock_gettime"),
        Field::text("multiplexing_api", "io_uring"),
        Field::text("process_id", std::process::id().to_string()),
        Field::text("process_supervised", "no"),
        Field::text("run_id", server.run_id.as_str()),
        Field::text("tcp_port", port.unwrap_or(server.config.port()).to_string()),
        Field::text("server_time_usec", (now_ms * 1000).to_string()),
        Field::gauge("uptime_in_seconds", uptime_s, "Seconds since the server started."),
        Field::text("uptime_in_days", (uptime_s / DAY_S).to_string()),
        Field::text("hz", server.config.hz().to_string()),
        Field::text("configured_hz", server.config.hz().to_string()),
        Field::text("lru_clock", ((now_ms / 1000) & 0xff_ffff).to_string()),
        Field::text("executable", executable),
        Field::text("config_file", file),
        Field::gauge("server_threads", server.config.threads() as u64, "Threads that serve clients."),
        Field::text("io_threads_active", "0"),
    ]
}

fn clients(server: &View<'_>) -> Vec<Field> {
    let clients = server.clients.all();
    let largest = |bytes: fn(&crate::server::clients::ClientShared) -> usize| {
        clients.iter().map(|client| bytes(client)).max().unwrap_or(0) as u64
    };
    vec![
        Field::gauge("connected_clients", clients.len() as u64, "Clients that are connected."),
        Field::text("cluster_connections", "0"),
        Field::gauge("maxclients", server.config.max_clients() as u64, "How many may be connected."),
        Field::gauge(
            "client_recent_max_input_buffer",
            largest(|client| client.query_buffer_bytes()),
            "Bytes of the longest unfinished request.",
        ),
        Field::gauge(
            "client_recent_max_output_buffer",
            largest(|client| client.output_buffer_bytes()),
            "Bytes of the longest unread output.",
        ),
        Field::gauge(
            "blocked_clients",
            clients.iter().filter(|client| client.flags().has(ClientFlags::BLOCKED)).count() as u64,
            "Clients that wait in a blocking command, or are held back by CLIENT PAUSE.",
        ),
        Field::gauge(
            "tracking_clients",
            server.tracking.client_count() as u64,
            "Clients that cache keys and want to hear of their changes.",
        ),
        Field::text("clients_in_timeout_table", "0"),
    ]
}

fn memory(server: &View<'_>) -> Vec<Field> {
    let metrics = server.databases().metrics();
    let allocator = Allocator::read();
    let (rss, peak) = (metrics.resident_set_bytes, metrics.resident_set_peak_bytes);
    let dataset = metrics.dram_index_bytes + metrics.dram_values_bytes;
    let limit = server.config.max_memory_bytes();
    let machine = total_memory_bytes();
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let used = allocator.allocated;
    let scripts = server.scripts.usage();
    let (vm_eval, vm_functions) = (scripts.scripts_vm_bytes as u64, scripts.functions_vm_bytes as u64);
    let vm_total = vm_eval + vm_functions;
    let scripts_bytes = (scripts.cached_bytes + scripts.libraries_bytes) as u64;
    vec![
        Field::gauge("used_memory", used, "Bytes that the allocator has handed out."),
        Field::text("used_memory_human", human(used)),
        Field::gauge("used_memory_rss", rss, "Resident set size of the process in bytes."),
        Field::text("used_memory_rss_human", human(rss)),
        Field::gauge("used_memory_peak", peak, "The largest resident set size seen, in bytes."),
        Field::text("used_memory_peak_human", human(peak)),
        Field::text("used_memory_peak_perc", format!("{:.2}%", 100.0 * ratio(rss, peak))),
        Field::gauge(
            "used_memory_overhead",
            used.saturating_sub(dataset),
            "Bytes that are neither keys nor values.",
        ),
        Field::text("used_memory_startup", "0"),
        Field::gauge("used_memory_dataset", dataset, "Bytes of keys, index and values in DRAM."),
        Field::text("used_memory_dataset_perc", format!("{:.2}%", 100.0 * ratio(dataset, used))),
        Field::gauge("allocator_allocated", allocator.allocated, "Bytes that the allocator has handed out."),
        Field::gauge("allocator_active", allocator.active, "Bytes of pages that hold something."),
        Field::gauge(
            "allocator_resident",
            allocator.resident,
            "Bytes of pages that the allocator holds resident.",
        ),
        Field::gauge("total_system_memory", machine, "Bytes of the machine's memory."),
        Field::text("total_system_memory_human", human(machine)),
        Field::gauge("used_memory_vm_eval", vm_eval, "Bytes of the interpreters for scripts."),
        Field::text("used_memory_lua", vm_eval.to_string()),
        Field::text("used_memory_lua_human", human(vm_eval)),
        Field::gauge("used_memory_scripts_eval", scripts.cached_bytes as u64, "Bytes of cached scripts."),
        Field::gauge("number_of_cached_scripts", scripts.cached_scripts as u64, "Cached scripts."),
        Field::gauge("number_of_functions", scripts.functions as u64, "Functions of all libraries."),
        Field::gauge("number_of_libraries", scripts.libraries as u64, "Libraries of functions."),
        Field::gauge("used_memory_vm_functions", vm_functions, "Bytes of the interpreters for functions."),
        Field::text("used_memory_vm_total", vm_total.to_string()),
        Field::text("used_memory_vm_total_human", human(vm_total)),
        Field::gauge(
            "used_memory_functions",
            scripts.libraries_bytes as u64,
            "Bytes of libraries of functions.",
        ),
        Field::text("used_memory_scripts", scripts_bytes.to_string()),
        Field::text("used_memory_scripts_human", human(scripts_bytes)),
        Field::gauge("maxmemory", limit, "The limit on the process' memory in bytes; 0 is none."),
        Field::text("maxmemory_human", human(limit)),
        Field::text("maxmemory_policy", server.config.eviction_policy().name()),
        Field::fraction(
            "allocator_frag_ratio",
            ratio(allocator.active, allocator.allocated),
            2,
            "Pages in use by what is handed out of them.",
        ),
        Field::text("allocator_frag_bytes", allocator.active.saturating_sub(allocator.allocated).to_string()),
        Field::fraction(
            "allocator_rss_ratio",
            ratio(allocator.resident, allocator.active),
            2,
            "Resident pages by pages in use.",
        ),
        Field::text("allocator_rss_bytes", allocator.resident.saturating_sub(allocator.active).to_string()),
        Field::fraction(
            "mem_fragmentation_ratio",
            ratio(rss, used),
            2,
            "Resident set size by what is handed out.",
        ),
        Field::text("mem_fragmentation_bytes", rss.saturating_sub(used).to_string()),
        Field::text("mem_not_counted_for_evict", "0"),
        Field::text("mem_replication_backlog", "0"),
        Field::text("mem_clients_slaves", "0"),
        Field::gauge(
            "mem_clients_normal",
            server.client_memory_bytes(),
            "Bytes of all clients, as far as accounted for.",
        ),
        Field::text("mem_cluster_links", "0"),
        Field::text("mem_aof_buffer", "0"),
        Field::text("mem_allocator", "jemalloc"),
        Field::text("active_defrag_running", "0"),
        Field::text("lazyfree_pending_objects", "0"),
        Field::text("lazyfreed_objects", "0"),
    ]
}

fn persistence(server: &View<'_>) -> Vec<Field> {
    let mut fields = vec![Field::text("loading", "0"), Field::text("async_loading", "0")];
    fields.push(Field::text("rdb_last_save_time", (server.started_at.0 / 1000).to_string()));
    // What Redis shows of a server that neither saves nor logs.
    const REST: [(&str, &str); 12] = [
        ("rdb_changes_since_last_save", "0"),
        ("rdb_bgsave_in_progress", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("rdb_last_bgsave_time_sec", "-1"),
        ("rdb_current_bgsave_time_sec", "-1"),
        ("rdb_saves", "0"),
        ("aof_enabled", "0"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_last_write_status", "ok"),
    ];
    fields.extend(REST.map(|(name, value)| Field::text(name, value)));
    fields
}

fn stats(server: &View<'_>) -> Vec<Field> {
    let denied = |reason| server.access.log.count(reason);
    let totals = server.metrics.totals();
    let EngineMetrics { keyspace_hits, keyspace_misses, expired_keys, evicted_keys, .. } =
        server.databases().metrics();
    let topics = |name, kind, help| Field::gauge(name, server.pubsub.topic_count(kind) as u64, help);
    let (tracked_keys, tracked_items) = server.tracking.table_size();
    vec![
        Field::counter("total_connections_received", totals.connections, "Connections taken in."),
        Field::counter("total_commands_processed", totals.commands, "Commands run."),
        Field::text("instantaneous_ops_per_sec", server.command_rate.per_second(totals.commands).to_string()),
        Field::counter("total_net_input_bytes", totals.input_bytes, "Bytes received."),
        Field::counter("total_net_output_bytes", totals.output_bytes, "Bytes sent."),
        Field::counter(
            "rejected_connections",
            totals.refused_connections,
            "Connections refused for maxclients.",
        ),
        Field::text("sync_full", "0"),
        Field::text("sync_partial_ok", "0"),
        Field::text("sync_partial_err", "0"),
        Field::counter("expired_keys", expired_keys, "Keys whose time had come."),
        Field::counter("evicted_keys", evicted_keys, "Keys deleted for lack of room."),
        Field::counter(
            "evicted_clients",
            server.client_eviction.evicted(),
            "Clients disconnected for maxmemory-clients.",
        ),
        Field::counter("keyspace_hits", keyspace_hits, "Look-ups of keys that exist."),
        Field::counter("keyspace_misses", keyspace_misses, "Look-ups of keys that do not exist."),
        topics("pubsub_channels", TopicKind::Channel, "Channels that somebody is subscribed to."),
        topics("pubsub_patterns", TopicKind::Pattern, "Patterns that somebody is subscribed to."),
        topics(
            "pubsubshard_channels",
            TopicKind::ShardChannel,
            "Shard channels that somebody is subscribed to.",
        ),
        Field::text("latest_fork_usec", "0"),
        Field::text("total_forks", "0"),
        Field::gauge("tracking_total_keys", tracked_keys as u64, "Keys that caching clients have read."),
        Field::gauge(
            "tracking_total_items",
            tracked_items as u64,
            "Keys that caching clients have read, counted for each of them.",
        ),
        Field::gauge(
            "tracking_total_prefixes",
            server.tracking.prefix_count() as u64,
            "Prefixes of keys whose changes are broadcast.",
        ),
        Field::counter("total_error_replies", totals.errors, "Error replies."),
        Field::counter(
            "client_query_buffer_limit_disconnections",
            totals.query_limit_closings,
            "Connections closed for client-query-buffer-limit.",
        ),
        Field::counter(
            "client_output_buffer_limit_disconnections",
            totals.output_limit_closings + server.courier.closings(),
            "Connections closed for client-output-buffer-limit.",
        ),
        Field::counter("acl_access_denied_auth", denied(Reason::Authentication), "Log-ins refused."),
        Field::counter("acl_access_denied_cmd", denied(Reason::Command), "Commands refused by ACL."),
        Field::counter("acl_access_denied_key", denied(Reason::Key), "Commands refused by ACL for a key."),
        Field::counter(
            "acl_access_denied_channel",
            denied(Reason::Channel),
            "Commands refused by ACL for a channel.",
        ),
        Field::counter("total_cold_requests", totals.cold_requests, "Requests that waited for the SSD."),
    ]
}

fn replication(server: &View<'_>) -> Vec<Field> {
    vec![
        Field::text("role", "master"),
        Field::text("connected_slaves", "0"),
        Field::text("master_failover_state", "no-failover"),
        Field::text("master_replid", server.run_id.as_str()),
        Field::text("master_replid2", "0".repeat(40)),
        Field::text("master_repl_offset", "0"),
        Field::text("second_repl_offset", "-1"),
        Field::text("repl_backlog_active", "0"),
        Field::text("repl_backlog_size", "0"),
        Field::text("repl_backlog_first_byte_offset", "0"),
        Field::text("repl_backlog_histlen", "0"),
    ]
}

fn cpu(_: &View<'_>) -> Vec<Field> {
    let (system_s, user_s) = cpu_seconds().unwrap_or_default();
    vec![
        Field::fraction("used_cpu_sys", system_s, 6, "Seconds of CPU time in the kernel."),
        Field::fraction("used_cpu_user", user_s, 6, "Seconds of CPU time outside the kernel."),
        Field::text("used_cpu_sys_children", "0.000000"),
        Field::text("used_cpu_user_children", "0.000000"),
    ]
}

/// Seconds in and outside the kernel, by `/proc/self/stat`: see proc(5), fields 14 and 15.
fn cpu_seconds() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((system / ticks_per_second, user / ticks_per_second))
}

fn commandstats(server: &View<'_>) -> Vec<Field> {
    let field = |(name, summary): (&str, CommandSummary)| {
        let duration_us = summary.duration_ns as f64 / 1000.0;
        let sample = |metric, key, help, is_counter, number, decimals| Sample {
            metric,
            key,
            label: ("command", name.to_owned()),
            help,
            is_counter,
            number,
            decimals,
        };
        let mean_us = if summary.calls == 0 { 0.0 } else { duration_us / summary.calls as f64 };
        let mut samples = vec![
            sample("command_calls", "calls", "Calls of a command.", true, summary.calls as f64, 0),
            sample("command_usec", "usec", "Microseconds that a command ran.", true, duration_us, 0),
            sample("command_usec_per_call", "usec_per_call", "Mean of the above.", false, mean_us, 2),
            sample(
                "command_rejected_calls",
                "rejected_calls",
                "Refused before it ran.",
                true,
                summary.rejected as f64,
                0,
            ),
            sample(
                "command_failed_calls",
                "failed_calls",
                "Replied with an error.",
                true,
                summary.failed as f64,
                0,
            ),
        ];
        if summary.waits > 0 {
            // Clients read these lines as Redis writes them, so what was hot all along looks as in Redis.
            let wait_us = summary.wait_ns as f64 / 1000.0;
            let help = "Calls that waited for the SSD.";
            samples.push(sample("command_cold_calls", "cold_calls", help, true, summary.waits as f64, 0));
            let help = "Microseconds that they waited.";
            samples.push(sample("command_cold_usec", "cold_usec", help, true, wait_us, 0));
        }
        Field { name: format!("cmdstat_{name}").into(), help: "", value: FieldValue::Family(samples) }
    };
    called_commands(server).map(field).collect()
}

fn errorstats(server: &View<'_>) -> Vec<Field> {
    let field = |(code, count): (String, u64)| Field {
        name: format!("errorstat_{code}").into(),
        help: "",
        value: FieldValue::Family(vec![Sample {
            metric: "error_replies",
            key: "count",
            label: ("code", code),
            help: "Error replies by their first word.",
            is_counter: true,
            number: count as f64,
            decimals: 0,
        }]),
    };
    server.metrics.errors().into_iter().map(field).collect()
}

fn latencystats(server: &View<'_>) -> Vec<Field> {
    if !server.config.latency_tracking() {
        return Vec::new();
    }
    let percentiles = server.config.latency_percentiles();
    let field = |(name, summary): (&str, CommandSummary)| {
        let show = |percentile: &f64| {
            format!(
                "p{percentile}={:.3}",
                summary.histogram.percentile_ns(percentile / 100.0) as f64 / 1000.0
            )
        };
        let shown: Vec<String> = percentiles.iter().map(show).collect();
        Field {
            name: format!("latency_percentiles_usec_{name}").into(),
            help: "",
            value: FieldValue::Text(shown.join(",")),
        }
    };
    called_commands(server).filter(|(_, summary)| !summary.histogram.is_empty()).map(field).collect()
}

/// Commands that were called, or refused.
fn called_commands(server: &View<'_>) -> impl Iterator<Item = (&'static str, CommandSummary)> {
    let summaries = (0..server.commands.len())
        .map(|id| (&*server.commands.entry(id).full_name, server.metrics.command(id)))
        .filter(|(_, summary)| summary.calls + summary.rejected > 0);
    summaries.collect::<Vec<_>>().into_iter()
}

fn cluster(_: &View<'_>) -> Vec<Field> {
    vec![Field::text("cluster_enabled", "0")]
}

fn keyspace(server: &View<'_>) -> Vec<Field> {
    let field = |database: usize| {
        let keys = server.databases().key_count(database);
        let expires = server.databases().expiry_count(database);
        let sample = |metric, key, help, number| Sample {
            metric,
            key,
            label: ("database", format!("db{database}")),
            help,
            is_counter: false,
            number,
            decimals: 0,
        };
        (keys > 0).then(|| Field {
            name: format!("db{database}").into(),
            help: "",
            value: FieldValue::Family(vec![
                sample("database_keys", "keys", "Keys of a database.", keys as f64),
                sample(
                    "database_expires",
                    "expires",
                    "Keys of a database that have an expiry.",
                    expires as f64,
                ),
                sample("database_avg_ttl", "avg_ttl", "Not measured: always 0.", 0.0),
            ]),
        })
    };
    (0..server.engine.database_count()).filter_map(field).collect()
}

/// Bytes as Redis shows them to people: `1.50M`.
fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes}B"),
        _ => {
            let exponent = (bytes.ilog2() / 10).min(5);
            let unit = ["B", "K", "M", "G", "T", "P"][exponent as usize];
            format!("{:.2}{unit}", bytes as f64 / 1024f64.powi(exponent as i32))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people_have_two_decimals_and_a_unit() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(941_264), "919.20K");
        assert_eq!(human(25_276_510_208), "23.54G");
    }

    #[test]
    fn the_process_has_used_some_cpu_time() {
        let before = cpu_seconds().expect("the kernel tells");
        let mut sum = 0u64;
        while cpu_seconds().expect("the kernel tells") == before {
            sum = (0..1_000_000u64).fold(sum, u64::wrapping_add);
        }
        std::hint::black_box(sum);
    }
}
