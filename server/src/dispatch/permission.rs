//! Requests that the client's user may not run: the refusal, and its note in ACL LOG.

use thermocline_protocol::Arguments;

use super::batch::Batch;
use super::execute::Outcome;
use crate::access::log::Refusal;
use crate::access::{Circumstance, Denied};
use crate::command::table::CommandEntry;
use crate::server::Server;
use crate::server::client_line::describe;
use crate::session::Session;

impl Batch<'_> {
    /// Refuses a request that the user may not run.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse_access(
        &mut self,
        entry: &CommandEntry,
        arguments: Arguments<'_>,
        denied: Denied,
    ) -> Outcome {
        note_denied(self.server, self.session, Circumstance::TopLevel, entry, arguments, denied);
        let text = denied.refusal(&self.session.user, entry);
        self.refuse(Some(entry), text.as_bytes())
    }
}

/// Notes in ACL LOG that a client may not run a command, wherever that came up.
pub fn note_denied(
    server: &Server,
    session: &Session,
    circumstance: Circumstance,
    entry: &CommandEntry,
    arguments: Arguments<'_>,
    denied: Denied,
) {
    let now = server.clock.now();
    // A transaction or script is what the client ran; by itself the command is.
    let command = match circumstance {
        Circumstance::TopLevel => Some(&*entry.full_name),
        Circumstance::Transaction | Circumstance::Script => None,
    };
    session.publish();
    let refusal = Refusal {
        reason: denied.into(),
        circumstance,
        object: denied.object(entry, arguments).into(),
        user: session.user.name().into(),
        client: describe(server, &session.client, now, command),
    };
    server.access.log.note(refusal, now, server.config.acl_log_length());
}
