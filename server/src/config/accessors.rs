//! The value of each option that the server uses, with its type and unit.
//!
//! A name that is not in the table does not compile.

use std::time::Duration;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thermocline_engine::value::stream::NodeLimits;
use thermocline_engine::value::{ListLimits, PackLimits, SetLimits};
use thermocline_engine::{EvictionPolicy, Settings};

use super::table::position_of;
use super::{Config, OutputLimit, words};
use crate::server::events::{self, EventClass};

/// The most server threads that `threads 0` starts.
const MAX_AUTOMATIC_THREADS: usize = 8;

/// A class of clients in `client-output-buffer-limit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientClass {
    /// Any client that is neither of the others.
    Normal = 0,
    /// A replica.
    Replica = 1,
    /// A subscriber.
    Subscriber = 2,
}

/// `loglevel`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// Everything, for developers.
    Debug,
    /// Much that is rarely useful.
    Verbose,
    /// What an operator wants to know.
    Notice,
    /// What an operator must know.
    Warning,
    /// Nothing.
    Nothing,
}

/// Who may do something dangerous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Nobody.
    Nobody,
    /// Everybody.
    Everybody,
    /// Clients of this machine.
    Local,
}

impl Permission {
    /// Whether a client may, by where it is.
    pub fn allows(self, is_local: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Local => is_local,
        }
    }

    fn from_number(number: i64) -> Self {
        [Self::Nobody, Self::Everybody, Self::Local][number as usize]
    }
}

macro_rules! number {
    ($config:expr, $name:literal) => {
        $config.number(const { position_of($name) })
    };
}

macro_rules! text {
    ($config:expr, $name:literal) => {
        $config.text(const { position_of($name) })
    };
}

// ---- network

impl Config {
    /// `port`; 0 for none.
    pub fn port(&self) -> u16 {
        number!(self, "port") as u16
    }

    /// `bind`: the addresses, some with a leading `-`.
    pub fn bind(&self) -> Vec<String> {
        words::split(&text!(self, "bind"))
    }

    /// The addresses of `bind`; none where `port` is 0, which is how Redis is told not to listen on TCP at all.
    pub fn tcp_addresses(&self) -> Vec<String> {
        if self.port() == 0 { Vec::new() } else { self.bind() }
    }

    /// `protected-mode`.
    pub fn protected_mode(&self) -> bool {
        number!(self, "protected-mode") != 0
    }

    /// `unixsocket`, if one is wanted.
    pub fn unix_socket(&self) -> Option<PathBuf> {
        non_empty_path(&text!(self, "unixsocket"))
    }

    /// `unixsocketperm`, if given.
    pub fn unix_socket_permissions(&self) -> Option<u32> {
        Some(number!(self, "unixsocketperm") as u32).filter(|bits| *bits != 0)
    }

    /// `tcp-backlog`, in connections.
    pub fn tcp_backlog(&self) -> u32 {
        number!(self, "tcp-backlog") as u32
    }

    /// `tcp-keepalive` in seconds; 0 for none.
    pub fn tcp_keepalive_s(&self) -> u32 {
        number!(self, "tcp-keepalive") as u32
    }

    /// `threads`; one per core up to 8 where it is 0.
    pub fn threads(&self) -> usize {
        match number!(self, "threads") as usize {
            0 => {
                std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_AUTOMATIC_THREADS))
            }
            threads => threads,
        }
    }

    /// `busy-poll-us`.
    #[inline]
    pub fn busy_poll_us(&self) -> u64 {
        number!(self, "busy-poll-us") as u64
    }

    /// `metrics-port`; 0 for none.
    pub fn metrics_port(&self) -> u16 {
        number!(self, "metrics-port") as u16
    }
}

// ---- clients and limits

impl Config {
    /// `requirepass`, if there is one.
    pub fn password(&self) -> Option<Arc<str>> {
        Some(text!(self, "requirepass")).filter(|password| !password.is_empty())
    }

    /// `aclfile`, if there is one: where it is, relative ones within `dir`, and what it was called.
    pub fn acl_file(&self) -> Option<(PathBuf, String)> {
        let name = text!(self, "aclfile");
        Some((self.dir().join(non_empty_path(&name)?), name.to_string()))
    }

    /// `acl-pubsub-default`: whether new users may use all channels.
    pub fn acl_gives_all_channels(&self) -> bool {
        number!(self, "acl-pubsub-default") != 0
    }

    /// `acllog-max-len`, in entries.
    pub fn acl_log_length(&self) -> usize {
        number!(self, "acllog-max-len") as usize
    }

    /// `maxmemory-clients` in bytes, if there is a limit.
    pub fn client_memory_limit_bytes(&self) -> Option<u64> {
        match number!(self, "maxmemory-clients") {
            0 => None,
            bytes @ 1.. => Some(bytes as u64),
            percent => {
                Some(self.max_memory_bytes() / 100 * percent.unsigned_abs()).filter(|bytes| *bytes > 0)
            }
        }
    }

    /// `maxclients`.
    pub fn max_clients(&self) -> usize {
        number!(self, "maxclients") as usize
    }

    /// `timeout` in seconds; 0 for none.
    #[inline]
    pub fn timeout_s(&self) -> u64 {
        number!(self, "timeout") as u64
    }

    /// `proto-max-bulk-len`.
    #[inline]
    pub fn proto_max_bulk_bytes(&self) -> u64 {
        number!(self, "proto-max-bulk-len") as u64
    }

    /// `client-query-buffer-limit`.
    #[inline]
    pub fn query_buffer_limit_bytes(&self) -> u64 {
        number!(self, "client-query-buffer-limit") as u64
    }

    /// Whether `client-output-buffer-limit` has any limit for normal clients.
    pub fn limits_normal_output(&self) -> bool {
        !self.texts[const { position_of("client-output-buffer-limit") }].read().starts_with(words::NO_LIMIT)
    }

    /// `client-output-buffer-limit` of a class of clients. Takes a lock and parses: not for every reply.
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        words::parse_output_limits(&text!(self, "client-output-buffer-limit"))[class as usize]
    }

    /// `busy-reply-threshold`: when a script counts as busy; `None` is never.
    pub fn busy_reply_threshold(&self) -> Option<Duration> {
        let ms = number!(self, "busy-reply-threshold") as u64;
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    /// `enable-debug-command`.
    pub fn enable_debug_command(&self) -> Permission {
        Permission::from_number(number!(self, "enable-debug-command"))
    }

    /// `enable-protected-configs`.
    pub fn enable_protected_configs(&self) -> Permission {
        Permission::from_number(number!(self, "enable-protected-configs"))
    }
}

// ---- memory and data

impl Config {
    /// `databases`.
    pub fn databases(&self) -> usize {
        number!(self, "databases") as usize
    }

    /// The memory limit in force, in bytes; 0 for none. See `maxmemory` in the table.
    pub fn max_memory_bytes(&self) -> u64 {
        match number!(self, "maxmemory") as u64 {
            0 if self.tier_capacity_bytes() > 0 => machine_memory_bytes() / 4 * 3,
            limit => limit,
        }
    }

    /// `maxmemory-policy`.
    pub fn eviction_policy(&self) -> EvictionPolicy {
        let name = self.show(const { position_of("maxmemory-policy") });
        EvictionPolicy::from_name(&name).expect("every choice is a policy")
    }

    /// `hash-max-listpack-entries` and `hash-max-listpack-value`.
    #[inline]
    pub fn hash_limits(&self) -> PackLimits {
        PackLimits {
            entries: number!(self, "hash-max-listpack-entries") as usize,
            element_bytes: number!(self, "hash-max-listpack-value") as usize,
        }
    }

    /// `set-max-intset-entries`, `set-max-listpack-entries` and `set-max-listpack-value`.
    #[inline]
    pub fn set_limits(&self) -> SetLimits {
        SetLimits {
            intset_entries: number!(self, "set-max-intset-entries") as usize,
            pack: PackLimits {
                entries: number!(self, "set-max-listpack-entries") as usize,
                element_bytes: number!(self, "set-max-listpack-value") as usize,
            },
        }
    }

    /// `zset-max-listpack-entries` and `zset-max-listpack-value`.
    #[inline]
    pub fn sorted_set_limits(&self) -> PackLimits {
        PackLimits {
            entries: number!(self, "zset-max-listpack-entries") as usize,
            element_bytes: number!(self, "zset-max-listpack-value") as usize,
        }
    }

    /// `stream-node-max-bytes` and `stream-node-max-entries`.
    pub fn stream_node_limits(&self) -> NodeLimits {
        NodeLimits {
            bytes: number!(self, "stream-node-max-bytes") as u64,
            entries: number!(self, "stream-node-max-entries") as u64,
        }
    }

    /// `list-max-listpack-size`.
    #[inline]
    pub fn list_limits(&self) -> ListLimits {
        ListLimits::from_setting(number!(self, "list-max-listpack-size"))
    }

    /// `hll-sparse-max-bytes`.
    pub fn hll_sparse_max_bytes(&self) -> usize {
        number!(self, "hll-sparse-max-bytes") as usize
    }

    /// `notify-keyspace-events`.
    pub fn notified_events(&self) -> EventClass {
        let letters = text!(self, "notify-keyspace-events");
        events::parse_classes(&letters).expect("the letters were checked")
    }

    /// `tracking-table-max-keys`; 0 for any number.
    #[inline]
    pub fn tracking_table_keys_max(&self) -> usize {
        number!(self, "tracking-table-max-keys") as usize
    }

    /// What the engine is to be told with `set_settings`.
    pub fn engine_settings(&self) -> Settings {
        Settings {
            max_memory_bytes: self.max_memory_bytes(),
            eviction_policy: self.eviction_policy(),
            eviction_samples: number!(self, "maxmemory-samples") as u32,
            lfu_log_factor: number!(self, "lfu-log-factor") as u32,
            lfu_decay_minutes: number!(self, "lfu-decay-time") as u32,
            compression_level: number!(self, "tier-compression") as i32,
            write_timeout_ms: number!(self, "tier-write-timeout") as u64,
        }
    }
}

// ---- SSD tier

impl Config {
    /// `tier-capacity`; 0 for no tier.
    pub fn tier_capacity_bytes(&self) -> u64 {
        number!(self, "tier-capacity") as u64
    }

    /// `tier-path`: at least one folder, relative ones within `dir`.
    pub fn tier_paths(&self) -> Vec<PathBuf> {
        let dir = self.dir();
        let mut paths = words::split(&text!(self, "tier-path"));
        if paths.is_empty() {
            paths.push("tier".to_owned());
        }
        paths.into_iter().map(|path| dir.join(path)).collect()
    }

    /// `tier-segment-size`.
    pub fn tier_segment_bytes(&self) -> u64 {
        number!(self, "tier-segment-size") as u64
    }
}

// ---- logs and observation

impl Config {
    /// `loglevel`.
    pub fn log_level(&self) -> LogLevel {
        [LogLevel::Debug, LogLevel::Verbose, LogLevel::Notice, LogLevel::Warning, LogLevel::Nothing]
            [number!(self, "loglevel") as usize]
    }

    /// `logfile`, if there is one; relative ones within `dir`.
    pub fn log_file(&self) -> Option<PathBuf> {
        non_empty_path(&text!(self, "logfile")).map(|path| self.dir().join(path))
    }

    /// `slowlog-log-slower-than` in microseconds; negative for none.
    #[inline]
    pub fn slowlog_threshold_us(&self) -> i64 {
        number!(self, "slowlog-log-slower-than")
    }

    /// `slowlog-max-len`, in commands.
    pub fn slowlog_max_length(&self) -> usize {
        number!(self, "slowlog-max-len") as usize
    }

    /// `latency-monitor-threshold` in milliseconds; 0 for none.
    #[inline]
    pub fn latency_monitor_threshold_ms(&self) -> u64 {
        number!(self, "latency-monitor-threshold") as u64
    }

    /// `latency-tracking`.
    #[inline]
    pub fn latency_tracking(&self) -> bool {
        number!(self, "latency-tracking") != 0
    }

    /// `latency-tracking-info-percentiles`.
    pub fn latency_percentiles(&self) -> Vec<f64> {
        let text = text!(self, "latency-tracking-info-percentiles");
        text.split(' ').filter_map(|percentile| percentile.parse().ok()).collect()
    }
}

// ---- process

impl Config {
    /// `dir`.
    pub fn dir(&self) -> PathBuf {
        PathBuf::from(&*text!(self, "dir"))
    }

    /// `pidfile`, if there is one; relative ones within `dir`.
    pub fn pid_file(&self) -> Option<PathBuf> {
        non_empty_path(&text!(self, "pidfile")).map(|path| self.dir().join(path))
    }

    /// `shutdown-timeout` in seconds.
    pub fn shutdown_timeout_s(&self) -> u64 {
        number!(self, "shutdown-timeout") as u64
    }

    /// `hz`, which INFO shows.
    pub fn hz(&self) -> i64 {
        number!(self, "hz")
    }
}

fn non_empty_path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// What this process may use of the machine's memory, in bytes: all of it, or what its control group may.
pub(crate) fn machine_memory_bytes() -> u64 {
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits =
        cgroup.iter().filter_map(|path| std::fs::read_to_string(Path::new(path)).ok()?.trim().parse().ok());
    limits.fold(total_memory_bytes(), u64::min)
}

/// The machine's memory in bytes, 0 where it cannot be told.
pub(crate) fn total_memory_bytes() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Config {
        let mut config = Config::new();
        for (name, value) in pairs {
            let at = super::super::find(name).unwrap();
            let words = if super::super::OPTIONS[at].takes_words() {
                words::split(value)
            } else {
                vec![value.to_string()]
            };
            config.set_at_start(at, &words).unwrap();
        }
        config
    }

    #[test]
    fn without_a_tier_there_is_no_memory_limit_unless_given() {
        assert_eq!(Config::new().max_memory_bytes(), 0);
        assert_eq!(with(&[("maxmemory", "1mb")]).max_memory_bytes(), 1 << 20);
    }

    #[test]
    fn with_a_tier_the_limit_is_three_quarters_of_the_machine_unless_given() {
        let limit = with(&[("tier-capacity", "1gb")]).max_memory_bytes();
        assert!(limit > 0 && limit <= total_memory_bytes() / 4 * 3);
        assert_eq!(with(&[("tier-capacity", "1gb"), ("maxmemory", "1mb")]).max_memory_bytes(), 1 << 20);
    }

    #[test]
    fn the_tier_lives_in_dir_unless_told_otherwise() {
        assert_eq!(with(&[("dir", "/data")]).tier_paths(), [PathBuf::from("/data/tier")]);
        let several = with(&[("dir", "/data"), ("tier-path", "/nvme0/t \"a b\"")]);
        assert_eq!(several.tier_paths(), [PathBuf::from("/nvme0/t"), PathBuf::from("/data/a b")]);
    }

    #[test]
    fn normal_clients_have_no_output_limit_unless_given_one() {
        assert!(!Config::new().limits_normal_output());
        assert!(!with(&[("client-output-buffer-limit", "pubsub 1 1 1")]).limits_normal_output());
        for limit in ["normal 1 0 0", "normal 0 1kb 0", "normal 0 0 1"] {
            assert!(with(&[("client-output-buffer-limit", limit)]).limits_normal_output(), "{limit}");
        }
    }

    #[test]
    fn the_engine_gets_the_settings_in_force() {
        let config = Config::new();
        assert_eq!(config.engine_settings(), Settings::default());
        config.set(&[("maxmemory-policy", "allkeys-lfu"), ("lfu-log-factor", "3")], false).unwrap();
        let settings = config.engine_settings();
        assert_eq!((settings.eviction_policy, settings.lfu_log_factor), (EvictionPolicy::AllKeysLfu, 3));
    }

    #[test]
    fn permissions_distinguish_local_clients() {
        assert!(!Permission::Nobody.allows(true));
        assert!(Permission::Local.allows(true) && !Permission::Local.allows(false));
        assert!(Permission::Everybody.allows(false));
    }
}
