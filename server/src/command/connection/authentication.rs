//! AUTH and HELLO: who the client is and which protocol it speaks.

use thermocline_protocol::{Arguments, Protocol, parse_integer};

use super::{ANY_STATE_FAST, CONNECTION, is_plain_name};
use crate::access::Circumstance;
use crate::access::log::{Reason, Refusal};
use crate::access::registry::DEFAULT_USER;
use crate::command::arguments::is_word;
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::server::client_line::describe;

/// The version of Redis that clients take the server for: what it understands is decided by this.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

pub(super) const AUTH: Command = Command {
    name: "auth",
    arity: -2,
    flags: ANY_STATE_FAST.with(Flags::NO_AUTH).with(Flags::ALLOW_BUSY),
    summary: "Authenticates the connection.",
    complexity: "O(N) where N is the number of passwords defined for the user",
    handler: Handler::Server(auth),
    ..CONNECTION
};

pub(super) const HELLO: Command = Command {
    name: "hello",
    arity: -1,
    flags: ANY_STATE_FAST.with(Flags::NO_AUTH).with(Flags::ALLOW_BUSY),
    summary: "Handshakes with the server: protocol version, authentication, client name.",
    since: "6.0.0",
    handler: Handler::Server(hello),
    ..CONNECTION
};

fn auth(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (user, password) = match arguments.len() {
        2 if !context.server.access.default_needs_password() => {
            return Err(Failure::error(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, arguments.get(1)),
        3 => (arguments.get(1), arguments.get(2)),
        _ => return Err(Failure::SYNTAX),
    };
    authenticate(context, arguments.get(0), user, password)?;
    context.reply.ok();
    Ok(())
}

fn hello(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let protocol = match arguments.len() {
        1 => None,
        _ => Some(match parse_integer(arguments.get(1)) {
            None => return Err(Failure::error("ERR Protocol version is not an integer or out of range")),
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Failure::error("NOPROTO unsupported protocol version")),
        }),
    };
    let mut credentials = None;
    let mut name = None;
    let mut at = 2;
    while at < arguments.len() {
        let rest = arguments.len() - at - 1;
        if is_word(arguments.get(at), "AUTH") && rest >= 2 {
            credentials = Some((arguments.get(at + 1), arguments.get(at + 2)));
            at += 3;
        } else if is_word(arguments.get(at), "SETNAME") && rest >= 1 {
            if !is_plain_name(arguments.get(at + 1)) {
                return Err(super::client::BAD_NAME);
            }
            name = Some(arguments.get(at + 1));
            at += 2;
        } else {
            let option = String::from_utf8_lossy(arguments.get(at));
            return Err(Failure::error(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(context, arguments.get(0), user, password)?;
    }
    if !context.session.is_authenticated && context.server.access.asks_for_password() {
        return Err(Failure::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    if let Some(name) = name {
        super::client::set_name(context.session, name);
    }
    if let Some(protocol) = protocol {
        context.session.protocol = protocol;
        context.reply.set_protocol(protocol);
    }
    describe_server(context);
    Ok(())
}

fn describe_server(context: &mut Context<'_>) {
    let reply = &mut context.reply;
    reply.map(7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(context.session.protocol.version());
    reply.bulk(b"id");
    reply.integer(context.session.client.id as i64);
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

/// Checks a user's password and lets the session in. `command` is what the client called, as ACL LOG shows it.
fn authenticate(
    context: &mut Context<'_>,
    command: &[u8],
    name: &[u8],
    password: &[u8],
) -> Result<(), Failure> {
    let (server, session) = (context.server, &mut *context.session);
    if let Some(user) = server.access.authenticate(name, password) {
        session.log_in(user);
        return Ok(());
    }
    let now = server.clock.now();
    session.publish();
    let refusal = Refusal {
        reason: Reason::Authentication,
        circumstance: Circumstance::TopLevel,
        object: command.into(),
        user: name.into(),
        client: describe(
            server,
            &session.client,
            now,
            Some(&*String::from_utf8_lossy(command).to_lowercase()),
        ),
    };
    server.access.log.note(refusal, now, server.config.acl_log_length());
    Err(Failure::error("WRONGPASS invalid username-password pair or user is disabled."))
}
