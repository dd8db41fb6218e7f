//! Who may connect: `protected-mode`, which keeps a server without a password from being open to the network.
//!
//! As in Redis 7, what the server was told to `bind` does not matter: only where the client comes from.

use std::net::SocketAddr;

use crate::config::Config;

/// Whether a client from this address may send commands, as the settings are now; `None` is a Unix socket.
pub(super) fn is_let_in(peer: Option<SocketAddr>, config: &Config) -> bool {
    let is_local = peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    is_local || !config.protected_mode() || config.has_password()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> Config {
        let config = Config::new();
        config.set(options, false).expect("options");
        config
    }

    #[test]
    fn without_a_password_only_this_machine_is_let_in() {
        let config = config(&[]);
        assert!(is_let_in(None, &config), "a Unix socket");
        for peer in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(is_let_in(Some(peer.parse().expect("an address")), &config), "{peer}");
        }
        for peer in ["192.0.2.1:5", "10.0.0.1:5", "[fe80::1]:5", "[::ffff:10.0.0.1]:5", "[::]:5"] {
            assert!(!is_let_in(Some(peer.parse().expect("an address")), &config), "{peer}");
        }
    }

    #[test]
    fn a_password_or_the_setting_lets_everybody_in() {
        let peer = Some("192.0.2.1:5".parse().expect("an address"));
        assert!(is_let_in(peer, &config(&[("protected-mode", "no")])));
        assert!(is_let_in(peer, &config(&[("requirepass", "secret")])));
        assert!(!is_let_in(peer, &config(&[("protected-mode", "yes")])));
    }
}
