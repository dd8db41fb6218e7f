//! Who may connect: `protected-mode`, which keeps a server without a password from being open to the network.
//!
//! As in Redis 7, what the server was told to `bind` does not matter: only where the client comes from.

use std::net::SocketAddr;

use crate::access::Access;

/// Whether a client from this address may send commands; `None` is a Unix socket. `is_protected` is `protected-mode`.
pub(super) fn is_let_in(peer: Option<SocketAddr>, is_protected: bool, access: &Access) -> bool {
    let is_local = peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    is_local || !is_protected || access.default_needs_password()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_password_only_this_machine_is_let_in() {
        let access = Access::new(None);
        assert!(is_let_in(None, true, &access), "a Unix socket");
        for peer in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(is_let_in(Some(peer.parse().expect("an address")), true, &access), "{peer}");
        }
        for peer in ["192.0.2.1:5", "10.0.0.1:5", "[fe80::1]:5", "[::ffff:10.0.0.1]:5", "[::]:5"] {
            assert!(!is_let_in(Some(peer.parse().expect("an address")), true, &access), "{peer}");
        }
    }

    #[test]
    fn a_password_or_the_setting_lets_everybody_in() {
        let peer = Some("192.0.2.1:5".parse().expect("an address"));
        assert!(is_let_in(peer, false, &Access::new(None)));
        assert!(is_let_in(peer, true, &Access::new(Some(b"secret"))));
        assert!(!is_let_in(peer, true, &Access::new(None)));
    }
}
