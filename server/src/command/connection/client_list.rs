//! CLIENT LIST, INFO and KILL.

use std::sync::Arc;

use thermocline_protocol::{Arguments, parse_integer};

use crate::access::Access;
use crate::command::arguments::is_word;
use crate::command::{Context, Failure};
use crate::server::client_line::{describe, show_address};
use crate::server::clients::ClientShared;

/// What a client is that is subscribed to something, and what all others are. MASTER and REPLICA name classes without
/// members.
const PUBSUB: &str = "pubsub";
const NORMAL: &str = "normal";
const CLASSES: [&str; 5] = [NORMAL, "master", "replica", "slave", PUBSUB];

pub(super) fn info(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.session.publish();
    let now = context.server.clock.now();
    let line = describe(context.server, &context.session.client, now, Some("client|info")) + "\n";
    context.reply.verbatim(b"txt", line.as_bytes());
    Ok(())
}

pub(super) fn list(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.session.publish();
    let server = context.server;
    let clients: Vec<Arc<ClientShared>> = match arguments.len() {
        2 => server.clients.all(),
        4 if is_word(arguments.get(2), "TYPE") => {
            let class = class(arguments.get(3))?;
            server.clients.all().into_iter().filter(|client| is_of(client, class)).collect()
        }
        4.. if is_word(arguments.get(2), "ID") => {
            let ids: Option<Vec<i64>> = arguments.iter().skip(3).map(parse_integer).collect();
            let ids = ids.ok_or(Failure::error("ERR Invalid client ID"))?;
            ids.into_iter().filter_map(|id| server.clients.get(u64::try_from(id).ok()?)).collect()
        }
        _ => return Err(Failure::SYNTAX),
    };
    let now = server.clock.now();
    let mut text = String::new();
    for client in clients {
        // Its own command is counted as its last only when it is over.
        let command = (client.id == context.session.client.id).then_some("client|list");
        text.push_str(&describe(server, &client, now, command));
        text.push('\n');
    }
    context.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn kill(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let filter = Filter::parse(arguments, &context.server.access)?;
    let mut killed = 0;
    for client in context.server.clients.all() {
        if filter.matches(&client) && !(filter.skips_self && client.id == context.session.client.id) {
            killed += 1;
            if client.id == context.session.client.id {
                // The reply still goes out.
                context.session.is_closing = true;
            } else {
                client.close();
            }
        }
    }
    match (filter.is_old_form, killed) {
        (true, 0) => return Err(Failure::error("ERR No such client")),
        (true, _) => context.reply.ok(),
        (false, _) => context.reply.integer(killed),
    }
    Ok(())
}

/// Which clients CLIENT KILL closes: those that match everything that is given.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    class: Option<&'static str>,
    user: Option<&'a [u8]>,
    skips_self: bool,
    is_old_form: bool,
}

impl<'a> Filter<'a> {
    fn parse(arguments: Arguments<'a>, access: &Access) -> Result<Self, Failure> {
        if arguments.len() == 3 {
            return Ok(Self { address: Some(arguments.get(2)), is_old_form: true, ..Self::default() });
        }
        let mut filter = Self { skips_self: true, ..Self::default() };
        for at in (2..arguments.len()).step_by(2) {
            if at + 1 == arguments.len() {
                return Err(Failure::SYNTAX);
            }
            let (option, value) = (arguments.get(at), arguments.get(at + 1));
            match option {
                _ if is_word(option, "ID") => {
                    let id = parse_integer(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                    filter.id = Some(id.ok_or(Failure::error("ERR client-id should be greater than 0"))?);
                }
                _ if is_word(option, "TYPE") => filter.class = Some(class(value)?),
                _ if is_word(option, "ADDR") => filter.address = Some(value),
                _ if is_word(option, "LADDR") => filter.local_address = Some(value),
                _ if is_word(option, "USER") => {
                    if access.find(value).is_none() {
                        let user = String::from_utf8_lossy(value);
                        return Err(Failure::error(format!("ERR No such user '{user}'")));
                    }
                    filter.user = Some(value);
                }
                _ if is_word(option, "SKIPME") && is_word(value, "YES") => filter.skips_self = true,
                _ if is_word(option, "SKIPME") && is_word(value, "NO") => filter.skips_self = false,
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(filter)
    }

    fn matches(&self, client: &ClientShared) -> bool {
        self.id.is_none_or(|id| id == client.id)
            && self.class.is_none_or(|class| is_of(client, class))
            && self.user.is_none_or(|user| user == &*client.user_name())
            && self.address.is_none_or(|address| show_address(client.peer).as_bytes() == address)
            && self.local_address.is_none_or(|address| show_address(client.local).as_bytes() == address)
    }
}

fn is_of(client: &ClientShared, class: &str) -> bool {
    class == if client.is_subscriber() { PUBSUB } else { NORMAL }
}

fn class(word: &[u8]) -> Result<&'static str, Failure> {
    let found = CLASSES.into_iter().find(|class| is_word(word, class));
    found
        .ok_or_else(|| Failure::error(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word))))
}
