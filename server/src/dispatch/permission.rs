//! Requests that the client's user may not run: the refusal, and its note in ACL LOG.

use thermocline_protocol::{Arguments, ReplyEncoder};

use super::batch::Batch;
use super::execute::Outcome;
use crate::access::log::Refusal;
use crate::access::{Circumstance, Denied};
use crate::command::table::CommandEntry;
use crate::server::client_line::describe;
use crate::server::{Server, Thread};
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
        let circumstance = match self.session.transaction {
            Some(_) => Circumstance::Transaction,
            None => Circumstance::TopLevel,
        };
        let noted = Request { command: &entry.full_name, entry, arguments };
        note_denied(self.server, self.session, circumstance, noted, denied);
        let text = denied.refusal(&self.session.user, entry);
        self.refuse(Some(entry), text.as_bytes())
    }
}

/// Replies that the user may not run a command of a transaction any more.
#[cold]
#[inline(never)]
pub(super) fn refuse_at_exec(
    thread: &Thread,
    session: &Session,
    output: &mut Vec<u8>,
    (entry, arguments): (&CommandEntry, Arguments<'_>),
    denied: Denied,
) {
    let server = &*thread.server;
    let request = Request { command: "exec", entry, arguments };
    note_denied(server, session, Circumstance::Transaction, request, denied);
    thread.metrics.command(entry.id).rejected.add(1);
    let text = denied.refusal_at_exec();
    server.metrics.note_error(text.as_bytes());
    ReplyEncoder::new(output, session.protocol).error(text);
}

/// What was denied.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What the client runs: the command itself, EXEC, or what runs the script.
    pub command: &'a str,
    /// The command that was denied.
    pub entry: &'a CommandEntry,
    /// Its arguments.
    pub arguments: Arguments<'a>,
}

/// Notes in ACL LOG that a client may not run a command, wherever that came up.
pub fn note_denied(
    server: &Server,
    session: &Session,
    circumstance: Circumstance,
    request: Request<'_>,
    denied: Denied,
) {
    let now = server.clock.now();
    session.publish();
    let refusal = Refusal {
        reason: denied.into(),
        circumstance,
        object: denied.object(request.entry, request.arguments).into(),
        user: session.user.name().into(),
        client: describe(server, &session.client, now, Some(request.command)),
    };
    server.access.log.note(refusal, now, server.config.acl_log_length());
}
