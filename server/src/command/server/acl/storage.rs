//! ACL LOAD and ACL SAVE.

use std::path::PathBuf;

use thermocline_protocol::Arguments;

use super::users::{close_sessions, close_subscribers};
use crate::access::file;
use crate::command::{Context, Failure};
use crate::server::Server;

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via \
    the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
    order to store users in the Redis configuration.";

pub(super) fn load(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let (path, shown) = acl_file(context.server)?;
    let users = file::read(&path, &shown, context.server.config.acl_gives_all_channels());
    let users = users.map_err(|error| Failure::error(format!("ERR {error}")))?;
    let gone = context.server.access.replace_all(users);
    close_sessions(context.server, context.session, &gone);
    close_subscribers(context.server, context.session, |_| true);
    context.reply.ok();
    Ok(())
}

pub(super) fn save(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let (path, _) = acl_file(context.server)?;
    if let Err(error) = context.server.access.save(&path) {
        tracing::warn!(%error, file = %path.display(), "ACL SAVE failed");
        let text = "ERR There was an error trying to save the ACLs. Please check the server logs for more information";
        return Err(Failure::error(text));
    }
    context.reply.ok();
    Ok(())
}

/// The file of users, and what it is called in the configuration.
fn acl_file(server: &Server) -> Result<(PathBuf, String), Failure> {
    server.config.acl_file().ok_or(Failure::error(NO_FILE))
}
