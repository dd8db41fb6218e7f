//! The servers that a comparison knows, and how each is set up to do its best.

use rustix::process::getuid;

use super::process::ServerCommand;
use super::wire::Wire;

/// How ours is started if the user does not say otherwise.
pub const THERMOCLINE_TEMPLATE: &str = "target/release/thermocline --port {port} --dir {dir} --threads {threads} \
     --maxmemory {maxmemory} --tier-capacity {tier_capacity}";

/// redis-server with everything in DRAM and nothing on disk, as it runs as a cache. Its maxmemory stays off: it has
/// no second tier, so it shows what DRAM for the whole data set would buy.
pub const REDIS_TEMPLATE: &str =
    "redis-server --port {port} --bind 127.0.0.1 --save '' --appendonly no --io-threads 1 --dir {dir}";

/// A server that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// Thermocline.
    Ours,
    /// redis-server, or another server of its kind.
    Redis,
    /// memcached with extstore.
    Memcached,
}

impl Contestant {
    /// All of them, in the order of reports; ratios are those of the first to each other.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Redis, Self::Memcached];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "thermocline",
            Self::Redis => "redis-server",
            Self::Memcached => "memcached",
        }
    }
}

impl std::str::FromStr for Contestant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ours" | "thermocline" => Ok(Self::Ours),
            "redis" | "redis-server" => Ok(Self::Redis),
            "memcached" => Ok(Self::Memcached),
            _ => Err("use ours, redis, memcached".to_owned()),
        }
    }
}

/// Where a scenario wants the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// All in DRAM: the memory is larger than the data set.
    AllInMemory,
    /// All on SSD, as far as the server can be told.
    AllOnSsd,
    /// Where the server puts them by itself.
    AsTheServerLikes,
}

/// The resources of every contestant, the same for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// DRAM.
    pub maxmemory_bytes: u64,
    /// SSD.
    pub tier_capacity_bytes: u64,
    /// Threads that serve clients.
    pub threads: usize,
    /// The CPUs to run on, as taskset takes them.
    pub cpus: Option<String>,
}

/// The user's own commands, instead of the usual ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Templates {
    /// For ours.
    pub ours: Option<String>,
    /// For redis-server.
    pub redis: Option<String>,
    /// For memcached.
    pub memcached: Option<String>,
    /// memcached's number of reading threads, where its command is the usual one.
    pub ext_threads: usize,
}

impl Templates {
    /// Whether a contestant's program is where its command says, or on the PATH.
    pub fn is_installed(&self, contestant: Contestant) -> bool {
        let resources = Resources { maxmemory_bytes: 0, tier_capacity_bytes: 0, threads: 1, cpus: None };
        let template = self.command(contestant, Placement::AllInMemory, &resources).template;
        let Some(program) = shlex::split(&template).and_then(|words| words.into_iter().next()) else {
            return false;
        };
        if program.contains('/') {
            return std::path::Path::new(&program).is_file();
        }
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&program).is_file()))
    }

    /// How to start a contestant with these resources.
    pub fn command(
        &self,
        contestant: Contestant,
        placement: Placement,
        resources: &Resources,
    ) -> ServerCommand {
        let template = match contestant {
            Contestant::Ours => self.ours.clone().unwrap_or_else(|| THERMOCLINE_TEMPLATE.to_owned()),
            Contestant::Redis => self.redis.clone().unwrap_or_else(|| REDIS_TEMPLATE.to_owned()),
            Contestant::Memcached => {
                self.memcached.clone().unwrap_or_else(|| memcached_template(self.ext_threads, placement))
            }
        };
        ServerCommand {
            name: contestant.name().to_owned(),
            wire: if contestant == Contestant::Memcached { Wire::Memcached } else { Wire::Resp },
            template,
            maxmemory_bytes: resources.maxmemory_bytes,
            tier_capacity_bytes: resources.tier_capacity_bytes,
            threads: resources.threads,
            cpus: resources.cpus.clone(),
        }
    }
}

/// memcached with extstore. Every setting beside its reason:
///
/// * `-t`: as many serving threads as the others have.
/// * `ext_threads`: extstore reads with blocking calls, one at a time per thread, so this is its queue depth.
/// * `ext_wbuf_size=16`, `ext_max_sleep=1000`: the thread that writes to SSD wakes within a millisecond and has room,
///   so that a load is not held up; with the defaults items are dropped at a fraction of the rate.
/// * `slab_automove=2`: memory follows the load at once instead of over minutes.
/// * `ext_item_size=64`: values from 64 bytes on may go to SSD (the default is 512).
/// * `ext_item_age=0`, while it is loaded with more than fits DRAM: nothing is too recent to be written. Without it
///   items are dropped by the thousand, at any setting of the others. [`MEMCACHED_LOADED`] ends it where the server
///   shall place values by itself.
/// * `ext_recache_rate=1`, there: a value read from SSD goes back to DRAM if it was read before (the default takes one
///   in 2000 such reads, which keeps hot values on SSD for minutes).
fn memcached_template(ext_threads: usize, placement: Placement) -> String {
    // memcached refuses to run as root unless it is told to.
    let user = if getuid().is_root() { " -u root" } else { "" };
    let placing = match placement {
        Placement::AllInMemory => "",
        Placement::AllOnSsd => ",ext_item_age=0",
        Placement::AsTheServerLikes => ",ext_item_age=0,ext_recache_rate=1",
    };
    format!(
        "memcached -l 127.0.0.1 -p {{port}} -U 0{user} -m {{maxmemory_mb}} -t {{threads}} -c 4096 \
         -o ext_path={{dir}}/extstore:{{tier_capacity_mb}}M,ext_threads={ext_threads},ext_wbuf_size=16,\
         ext_max_sleep=1000,slab_automove=2,ext_item_size=64{placing}"
    )
}

/// What a memcached that was loaded with `ext_item_age=0` is told afterwards: from here on only what does not fit DRAM
/// goes to SSD.
pub const MEMCACHED_LOADED: &str = "extstore item_age 4294967295";

/// The file below a memcached's folder that the usual command makes extstore read.
pub const EXTSTORE_FILE: &str = "extstore";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memcached_keeps_values_in_dram_where_they_all_fit() {
        let resources =
            Resources { maxmemory_bytes: 64 << 20, tier_capacity_bytes: 1 << 30, threads: 2, cpus: None };
        let templates = Templates { ext_threads: 8, ..Templates::default() };
        let template = |placement| templates.command(Contestant::Memcached, placement, &resources).template;
        assert!(template(Placement::AllOnSsd).contains("ext_item_age=0"));
        assert!(!template(Placement::AllInMemory).contains("ext_item_age"));
        assert!(template(Placement::AsTheServerLikes).contains("ext_recache_rate=1"));
        assert!(template(Placement::AllOnSsd).contains("ext_threads=8"));
    }

    #[test]
    fn the_users_own_command_replaces_the_usual_one() {
        let resources = Resources { maxmemory_bytes: 1, tier_capacity_bytes: 1, threads: 1, cpus: None };
        let templates = Templates { ours: Some("mine {port}".to_owned()), ..Templates::default() };
        let command = templates.command(Contestant::Ours, Placement::AllOnSsd, &resources);
        assert_eq!((command.template.as_str(), command.wire), ("mine {port}", Wire::Resp));
    }
}
