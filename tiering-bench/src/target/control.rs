//! A blocking connection for what is not measured: who the server is, what it has counted, TIER DRAIN.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use thermocline_protocol::{Reply, encode_request};

use super::Endpoint;
use super::wire::Wire;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a reply. TIER DRAIN moves all of a server's memory to its SSD.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);

/// Longest reply: INFO of any server is far below.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Settings that a report keeps of a RESP server, besides those that start with `tier-`.
const REPORTED_SETTINGS: [&str; 10] = [
    "maxmemory",
    "maxmemory-policy",
    "appendonly",
    "appendfsync",
    "save",
    "threads",
    "io-threads",
    "hz",
    "activedefrag",
    "databases",
];

/// Which server it is, as far as this tool treats them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Ours: answers TIER and INFO tiering.
    Thermocline,
    /// Any other RESP server: one tier.
    Redis,
    /// memcached, with or without extstore.
    Memcached,
}

/// Who answers, and how it is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// What kind of server.
    pub kind: ServerKind,
    /// Its own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process, if it says so.
    pub pid: Option<u32>,
    /// The settings that decide how fast it is.
    pub config: BTreeMap<String, String>,
}

/// The connection.
#[derive(Debug)]
pub struct Control {
    wire: Wire,
    socket: TcpStream,
    input: Vec<u8>,
}

impl Control {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nobody accepts within a few seconds.
    pub fn connect(endpoint: &Endpoint) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&endpoint.address, CONNECT_TIMEOUT)
            .with_context(|| format!("cannot connect to {endpoint}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(REPLY_TIMEOUT))?;
        socket.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Self { wire: endpoint.wire, socket, input: Vec::new() })
    }

    /// Sends one command in RESP and returns the reply, an error reply included.
    ///
    /// # Errors
    ///
    /// If the connection fails or the reply is no RESP.
    ///
    /// # Panics
    ///
    /// If the server does not speak RESP.
    pub fn command(&mut self, words: &[&str]) -> Result<Reply> {
        assert_eq!(self.wire, Wire::Resp, "{words:?} is a RESP command");
        let mut request = Vec::new();
        encode_request(&mut request, words);
        self.socket.write_all(&request).with_context(|| words.join(" "))?;
        loop {
            if let Some((reply, bytes)) = Reply::decode(&self.input)? {
                self.input.drain(..bytes);
                return Ok(reply);
            }
            self.receive().with_context(|| format!("no reply to {}", words.join(" ")))?;
        }
    }

    /// The fields of one section of INFO.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command), or if the server refuses.
    pub fn info(&mut self, section: &str) -> Result<BTreeMap<String, String>> {
        let reply = self.command(&["INFO", section])?;
        let text = text(&reply).with_context(|| format!("INFO {section} was answered with {reply:?}"))?;
        Ok(text.lines().filter_map(|line| line.split_once(':')).map(owned).collect())
    }

    /// Sends one line in memcached's text protocol and returns the one line of its reply.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    ///
    /// # Panics
    ///
    /// If the server does not speak that protocol.
    pub fn line(&mut self, line: &str) -> Result<String> {
        assert_eq!(self.wire, Wire::Memcached, "'{line}' is memcached's");
        self.socket.write_all(format!("{line}\r\n").as_bytes())?;
        loop {
            if let Some(reply) = self.take_line() {
                return Ok(reply);
            }
            self.receive().with_context(|| format!("no reply to {line}"))?;
        }
    }

    /// The first whole line of what was received.
    fn take_line(&mut self) -> Option<String> {
        let end = self.input.windows(2).position(|pair| pair == b"\r\n")?;
        let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// memcached's `stats`, or `stats <what>`.
    ///
    /// # Errors
    ///
    /// If the connection fails or the reply is no list of STAT lines.
    pub fn stats(&mut self, what: &str) -> Result<BTreeMap<String, String>> {
        self.socket.write_all(format!("{}\r\n", format!("stats {what}").trim_end()).as_bytes())?;
        let mut stats = BTreeMap::new();
        loop {
            while let Some(line) = self.take_line() {
                match line.strip_prefix("STAT ") {
                    Some(stat) => stats.extend(stat.split_once(' ').map(owned)),
                    None if line == "END" => return Ok(stats),
                    None => bail!("stats was answered with {line}"),
                }
            }
            self.receive().context("no reply to stats")?;
        }
    }

    /// Asks the server who it is.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn identify(&mut self) -> Result<ServerIdentity> {
        match self.wire {
            Wire::Resp => self.identify_resp(),
            Wire::Memcached => self.identify_memcached(),
        }
    }

    fn identify_resp(&mut self) -> Result<ServerIdentity> {
        let info = self.info("server")?;
        let field = |name: &str| info.get(name).cloned();
        let is_ours = field("server_name").as_deref() == Some("thermocline");
        let kind = if is_ours { ServerKind::Thermocline } else { ServerKind::Redis };
        let name = field("server_name").unwrap_or_else(|| "redis".to_owned());
        let version = field(if is_ours { "thermocline_version" } else { "redis_version" });
        let mut config = BTreeMap::new();
        let settings = self.command(&["CONFIG", "GET", "*"])?;
        if let Reply::Array(items) = &settings {
            for pair in items.chunks_exact(2) {
                if let (Some(name), Some(value)) = (text(&pair[0]), text(&pair[1]))
                    && (REPORTED_SETTINGS.contains(&name.as_str()) || name.starts_with("tier-"))
                {
                    config.insert(name, value);
                }
            }
        }
        let pid = field("process_id").and_then(|pid| pid.parse().ok());
        Ok(ServerIdentity { kind, name, version: version.unwrap_or_default(), pid, config })
    }

    fn identify_memcached(&mut self) -> Result<ServerIdentity> {
        let stats = self.stats("")?;
        let mut config = self.stats("settings")?;
        config.retain(|name, _| {
            name.starts_with("ext_")
                || ["maxbytes", "num_threads", "item_size_max", "lru_maintainer_thread"]
                    .contains(&name.as_str())
        });
        let version = stats.get("version").cloned().unwrap_or_default();
        let pid = stats.get("pid").and_then(|pid| pid.parse().ok());
        let extstore = stats.contains_key("get_extstore");
        let name = if extstore { "memcached extstore" } else { "memcached" };
        Ok(ServerIdentity { kind: ServerKind::Memcached, name: name.to_owned(), version, pid, config })
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        if self.input.len() > MAX_REPLY_BYTES {
            bail!("a reply of more than {MAX_REPLY_BYTES} bytes");
        }
        match self.socket.read(&mut buffer)? {
            0 => bail!("the server closed the connection"),
            bytes => self.input.extend_from_slice(&buffer[..bytes]),
        }
        Ok(())
    }
}

fn text(reply: &Reply) -> Option<String> {
    if reply.is_error() {
        return None;
    }
    reply.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.trim_end().to_owned())
}
