//! Around a command: who hears of it, and what its client hears.

use thermocline_protocol::Arguments;

use super::key_positions::keys;
use crate::command::table::CommandEntry;
use crate::server::Server;
use crate::server::monitors::{self, Sender};
use crate::session::Session;

/// Notes the keys that a client which keeps copies has just read. Their shards must still be locked: see
/// [`tracking`](crate::server::tracking).
#[cold]
pub(super) fn remember_keys(
    server: &Server,
    session: &Session,
    entry: &CommandEntry,
    arguments: Arguments<'_>,
) {
    if session.hearing.as_ref().is_some_and(|hearing| hearing.remembers_reads()) {
        remember_reads(server, session, entry, arguments);
    }
}

/// The same for a client that is known to keep copies of what this command reads.
pub(super) fn remember_reads(
    server: &Server,
    session: &Session,
    entry: &CommandEntry,
    arguments: Arguments<'_>,
) {
    if entry.reads_for_its_client() {
        for key in keys(entry.command, arguments) {
            server.tracking.remember(session.client.id, key);
        }
        server.tracking.shrink_to(server.config.tracking_table_keys_max());
    }
}

/// Shows a command that was run to those who watch, if there are any.
#[inline]
pub(super) fn show(server: &Server, session: &Session, entry: &CommandEntry, arguments: Arguments<'_>) {
    if server.monitors.is_watched() && monitors::is_shown(entry) {
        let sender = Sender::Client(&session.client);
        server.monitors.show(&[monitors::line(sender, session.database(), entry, arguments)]);
    }
}
