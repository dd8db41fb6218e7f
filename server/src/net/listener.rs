//! The addresses a server listens on.
//!
//! Owns binding: one TCP socket per address *and thread* (SO_REUSEPORT lets the kernel spread connections), and a
//! unix socket shared by all threads. Options that every connection shall have (TCP_NODELAY, keepalive) are set
//! here, because an accepted socket inherits them from its listener: no system call per connection.

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Probes after which a silent peer is given up, as in Redis.
const KEEPALIVE_RETRIES: u32 = 3;

/// What to listen on; the names in brackets are the settings that users know.
#[derive(Debug, Clone)]
pub struct BindOptions {
    /// Addresses (`bind`): an IP address or host name, `*` for all of IPv4, `::*` for all of IPv6; a leading `-`
    /// makes the address optional: it is skipped where the machine does not have it.
    pub addresses: Vec<String>,
    /// TCP port (`port`); 0 lets the kernel choose one, the same for all addresses.
    pub port: u16,
    /// Path of a unix socket (`unixsocket`); a socket left there by an earlier run is replaced.
    pub unix_path: Option<PathBuf>,
    /// Mode bits of the unix socket (`unixsocketperm`).
    pub unix_mode: Option<u32>,
    /// How many connections may wait to be accepted (`tcp-backlog`).
    pub backlog: i32,
    /// Seconds of silence until a peer is asked whether it is alive (`tcp-keepalive`); 0 never asks.
    pub tcp_keepalive_s: u32,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            addresses: vec!["127.0.0.1".into(), "-::1".into()],
            port: 6379,
            unix_path: None,
            unix_mode: None,
            backlog: 511,
            tcp_keepalive_s: 300,
        }
    }
}

/// One listening socket of one thread; clones are the same socket.
#[derive(Debug, Clone)]
pub struct Listener {
    pub(super) socket: Arc<OwnedFd>,
    pub(super) tcp: bool,
}

impl Listener {
    fn new(socket: impl Into<OwnedFd>, tcp: bool) -> Self {
        Self { socket: Arc::new(socket.into()), tcp }
    }

    /// Whether both are one socket.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }

    /// Refuses connections from now on, though whoever accepts still holds the socket.
    pub(super) fn stop(&self) {
        // The only error is a socket that is down already.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
    }

    /// From how many seconds of silence on peers that connect from now on are probed; 0 for never.
    pub(super) fn set_keepalive(&self, idle_s: u32) -> io::Result<()> {
        if self.tcp { set_keepalive(&SockRef::from(&self.socket), idle_s) } else { Ok(()) }
    }
}

/// One address and its sockets: element `i` belongs to thread `i`.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) address: BoundAddress,
    pub(super) listeners: Vec<Listener>,
}

/// An address that is being listened on, with the port the kernel chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// Binds all addresses for `threads` server threads: element `i` of the first result belongs to thread `i`.
///
/// # Errors
/// An address cannot be resolved or bound (in use, not permitted, not on this machine); the text names it.
pub fn bind_listeners(
    options: &BindOptions,
    threads: usize,
) -> io::Result<(Vec<Vec<Listener>>, Vec<BoundAddress>)> {
    let mut bound = bind_tcp_addresses(options, threads, &[])?;
    bound.extend(bind_unix_path(options, threads)?);
    Ok((by_thread(&bound, threads), bound.into_iter().map(|bound| bound.address).collect()))
}

/// The sockets of all addresses, thread by thread.
pub(super) fn by_thread(bound: &[Bound], threads: usize) -> Vec<Vec<Listener>> {
    let of_thread =
        |thread: usize| bound.iter().map(|bound| bound.listeners[thread].clone()).collect::<Vec<_>>();
    (0..threads).map(of_thread).collect()
}

/// Binds the TCP addresses. Those that are among `held` already are taken over as they are.
pub(super) fn bind_tcp_addresses(
    options: &BindOptions,
    threads: usize,
    held: &[Bound],
) -> io::Result<Vec<Bound>> {
    assert!(threads > 0, "a server has at least one thread");
    let mut all = Vec::new();
    let mut port = options.port;
    for text in &options.addresses {
        let (name, optional) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text.as_str(), false),
        };
        let attempt = resolve(name, port).and_then(|address| {
            match held.iter().find(|held| held.address == BoundAddress::Tcp(address)) {
                Some(held) => Ok((held.clone(), address)),
                None => bind_tcp(address, options, threads, held),
            }
        });
        match attempt {
            Ok((bound, address)) => {
                port = address.port();
                all.push(bound);
            }
            Err(error) if optional && is_absent(&error) => {
                tracing::debug!(address = name, %error, "optional address skipped");
            }
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("cannot listen on {name} port {port}: {error}"),
                ));
            }
        }
    }
    Ok(all)
}

/// Binds the unix socket, if one is wanted.
pub(super) fn bind_unix_path(options: &BindOptions, threads: usize) -> io::Result<Option<Bound>> {
    let Some(path) = &options.unix_path else { return Ok(None) };
    let socket = bind_unix(path, options).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()))
    })?;
    let own = |_| Ok(Listener::new(socket.try_clone()?, false));
    let listeners = (0..threads).map(own).collect::<io::Result<Vec<_>>>()?;
    Ok(Some(Bound { address: BoundAddress::Unix(path.clone()), listeners }))
}

fn resolve(name: &str, port: u16) -> io::Result<SocketAddr> {
    match name {
        "*" => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        "::*" => Ok((Ipv6Addr::UNSPECIFIED, port).into()),
        _ => match name.parse::<IpAddr>() {
            Ok(ip) => Ok((ip, port).into()),
            Err(_) => (name, port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        },
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT)
    )
}

fn bind_tcp(
    mut address: SocketAddr,
    options: &BindOptions,
    threads: usize,
    held: &[Bound],
) -> io::Result<(Bound, SocketAddr)> {
    if address.port() != 0 && !held.iter().any(|held| overlaps(&held.address, address)) {
        // SO_REUSEPORT would let a second server of the same user share our port without a word. A socket
        // without it is refused while anyone holds the port, so it is tried first.
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        prepare(&socket, address)?;
        socket.bind(&address.into())?;
    }
    let mut listeners = Vec::with_capacity(threads);
    for _ in 0..threads {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        prepare(&socket, address)?;
        socket.set_reuse_port(true)?;
        socket.set_tcp_nodelay(true)?;
        if options.tcp_keepalive_s > 0 {
            set_keepalive(&SockRef::from(&socket), options.tcp_keepalive_s)?;
        }
        socket.bind(&address.into())?;
        socket.listen(options.backlog)?;
        if address.port() == 0 {
            let chosen = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
            address.set_port(chosen);
        }
        listeners.push(Listener::new(socket, true));
    }
    Ok((Bound { address: BoundAddress::Tcp(address), listeners }, address))
}

/// Whether listening on both addresses needs SO_REUSEPORT: one port, and one of them may be all addresses.
fn overlaps(held: &BoundAddress, address: SocketAddr) -> bool {
    let BoundAddress::Tcp(held) = held else { return false };
    let is_one_family = held.is_ipv4() == address.is_ipv4();
    let meets = held.ip() == address.ip() || held.ip().is_unspecified() || address.ip().is_unspecified();
    held.port() == address.port() && is_one_family && meets
}

fn set_keepalive(socket: &SockRef<'_>, idle_s: u32) -> io::Result<()> {
    if idle_s == 0 {
        return socket.set_keepalive(false);
    }
    let interval = Duration::from_secs((idle_s / KEEPALIVE_RETRIES).max(1).into());
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(idle_s.into()))
        .with_interval(interval)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that `*` and `::*` can be bound side by side.
        socket.set_only_v6(true)?;
    }
    Ok(())
}

fn bind_unix(path: &Path, options: &BindOptions) -> io::Result<Socket> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if let Some(mode) = options.unix_mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(options.backlog)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(addresses: &[&str], port: u16) -> BindOptions {
        BindOptions {
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            port,
            ..BindOptions::default()
        }
    }

    fn tcp_port(address: &BoundAddress) -> u16 {
        match address {
            BoundAddress::Tcp(address) => address.port(),
            BoundAddress::Unix(path) => panic!("unix socket {}", path.display()),
        }
    }

    #[test]
    fn port_zero_gives_every_thread_and_address_the_same_real_port() {
        let (per_thread, bound) = bind_listeners(&options(&["127.0.0.1", "127.0.0.2"], 0), 3).expect("bind");
        assert_eq!(per_thread.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        assert_ne!(tcp_port(&bound[0]), 0);
        assert_eq!(tcp_port(&bound[0]), tcp_port(&bound[1]));
    }

    #[test]
    fn a_port_held_by_another_server_is_refused() {
        let (_held, bound) = bind_listeners(&options(&["127.0.0.1"], 0), 1).expect("bind");
        let again = bind_listeners(&options(&["127.0.0.1"], tcp_port(&bound[0])), 1);
        let error = again.expect_err("the port is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn an_optional_address_may_be_missing_and_a_required_one_may_not() {
        // 192.0.2.0/24 is reserved for documentation: no machine has such an address.
        let (per_thread, bound) = bind_listeners(&options(&["127.0.0.1", "-192.0.2.1"], 0), 1).expect("bind");
        assert_eq!((per_thread[0].len(), bound.len()), (1, 1));
        assert!(bind_listeners(&options(&["192.0.2.1"], 0), 1).is_err());
    }
}
