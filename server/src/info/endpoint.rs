//! Serves the metrics over HTTP for Prometheus: one thread, one request at a time, off unless `metrics-port` is set.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tiny_http::{Header, Method, Response};

use super::{View, prometheus};
use crate::server::Server;

/// How often the thread looks whether the server ends.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(200);

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Starts to serve where `metrics-port` says, on the first address of `bind`. Returns where, `None` where it is off.
/// Ends with the server.
///
/// # Errors
/// The address cannot be listened on.
pub fn start(server: &Arc<Server>) -> io::Result<Option<SocketAddr>> {
    let port = server.config.metrics_port();
    if port == 0 {
        return Ok(None);
    }
    let address = address(server.config.bind().first().map(String::as_str), port)?;
    let http = tiny_http::Server::http(address)
        .map_err(|error| io::Error::other(format!("metrics-port: {error}")))?;
    let bound = http.server_addr().to_ip();
    let server = Arc::clone(server);
    std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        while !server.shutdown.is_requested() {
            match http.recv_timeout(SHUTDOWN_LOOK) {
                Ok(Some(request)) => answer(&server, request),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the metrics endpoint could not take a request"),
            }
        }
    })?;
    Ok(bound)
}

fn answer(server: &Server, request: tiny_http::Request) {
    let path = request.url().split('?').next().unwrap_or_default();
    let sent = match (request.method(), path) {
        (Method::Get, "/metrics") => {
            let header = Header::from_bytes("Content-Type", CONTENT_TYPE).expect("a valid header");
            request.respond(
                Response::from_string(prometheus::text(&View::new(server, server.engine.databases())))
                    .with_header(header),
            )
        }
        _ => request.respond(Response::from_string("Metrics are at /metrics\n").with_status_code(404)),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a client of the metrics endpoint went away");
    }
}

/// Where to listen: `bind`'s words may have a `-` before them, and `*` is every address.
fn address(bind: Option<&str>, port: u16) -> io::Result<SocketAddr> {
    let host = match bind.map(|address| address.trim_start_matches('-')) {
        None => "127.0.0.1",
        Some("*") => "0.0.0.0",
        Some("::*") => "::",
        Some(host) => host,
    };
    let found = (host, port).to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::other(format!("metrics-port: {host} is no address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_listens_where_clients_do() {
        assert_eq!(address(None, 9).unwrap().to_string(), "127.0.0.1:9");
        assert_eq!(address(Some("*"), 9).unwrap().to_string(), "0.0.0.0:9");
        assert_eq!(address(Some("-::1"), 9).unwrap().to_string(), "[::1]:9");
    }
}
