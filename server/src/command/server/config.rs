//! CONFIG: read and change settings, write them into the configuration file, start counting anew.

use std::collections::BTreeMap;

use thermocline_protocol::Arguments;

use super::{HELP, OPERATOR, SERVER};
use crate::command::generic::glob::{self, Case};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::config::{OPTIONS, SetError, find};
use crate::log;
use crate::server::Server;

pub(super) const CONFIG: Command = Command {
    name: "config",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for server configuration commands.",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: -3,
        flags: OPERATOR,
        summary: "Returns the effective values of configuration parameters.",
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        handler: Handler::Server(get),
        ..SERVER
    },
    Command {
        name: "set",
        arity: -4,
        flags: OPERATOR,
        summary: "Sets configuration parameters in-flight.",
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        handler: Handler::Server(set),
        ..SERVER
    },
    Command {
        name: "rewrite",
        arity: 2,
        flags: OPERATOR,
        summary: "Persists the effective configuration to file.",
        since: "2.8.0",
        handler: Handler::Server(rewrite),
        ..SERVER
    },
    Command {
        name: "resetstat",
        arity: 2,
        flags: OPERATOR,
        summary: "Resets the server's statistics.",
        since: "2.0.0",
        handler: Handler::Server(resetstat),
        ..SERVER
    },
    Command { handler: Handler::Server(help), ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("GET <pattern>", &["Return the options that match the pattern, and their values."]),
    ("SET <directive> <value> [<directive> <value> [...]]", &["Change options: all of them, or none."]),
    ("RESETSTAT", &["Start the counters of INFO anew."]),
    ("REWRITE", &["Write the values in force into the configuration file."]),
];

fn get(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    // By the name to be shown: a name that is no pattern comes back as it was written, and older names are names.
    let mut matches = BTreeMap::new();
    for pattern in arguments.iter().skip(2) {
        if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
            let name = String::from_utf8_lossy(pattern);
            if let Some(at) = find(&name) {
                matches.insert(name, at);
            }
            continue;
        }
        for (at, row) in OPTIONS.iter().enumerate() {
            for name in [Some(row.name), row.alias].into_iter().flatten() {
                if glob::matches(pattern, name.as_bytes(), Case::Insensitive) {
                    matches.insert(name.into(), at);
                }
            }
        }
    }
    context.reply.map(matches.len());
    for (name, at) in matches {
        context.reply.bulk(name.as_bytes());
        context.reply.bulk(context.server.config.show(at).as_bytes());
    }
    Ok(())
}

fn set(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if !arguments.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    let words: Vec<_> = arguments.iter().skip(2).map(String::from_utf8_lossy).collect();
    let pairs: Vec<(&str, &str)> = words.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    let server = context.server;
    let may_change_protected = server.config.enable_protected_configs().allows(is_local(context));
    let set = server.config.set_and(&pairs, may_change_protected, |names| apply(server, names));
    set.map_err(|error| Failure::error(format!("ERR {error}")))?;
    context.reply.ok();
    Ok(())
}

/// Tells the rest of the server of options that were changed. What can fail comes first.
fn apply(server: &Server, names: &[&'static str]) -> Result<(), SetError> {
    let config = &server.config;
    let has = |name| names.contains(&name);
    if has("port") || has("bind") {
        let listening = server.listening.listen_instead(config.tcp_addresses(), config.port());
        listening.map_err(|error| {
            tracing::warn!(%error, "CONFIG SET changed nothing");
            let (name, reason) = match has("port") {
                true => ("port", "Unable to listen on this port. Check server logs."),
                false => ("bind", "Failed to bind to specified addresses."),
            };
            SetError::Refused { name: name.to_owned(), reason: reason.into() }
        })?;
    }
    if has("tcp-keepalive")
        && let Err(error) = server.listening.set_keepalive(config.tcp_keepalive_s())
    {
        tracing::warn!(%error, "tcp-keepalive stays as it was");
    }
    if has("requirepass") {
        server.access.set_default_password(config.password().as_deref().map(str::as_bytes));
    }
    if has("loglevel") {
        log::set_level(config.log_level());
    }
    if has("notify-keyspace-events") {
        server.events.listen_to(config.notified_events());
        server.observe_what_is_needed();
    }
    if has("tracking-table-max-keys") {
        server.tracking.shrink_to(config.tracking_table_keys_max());
    }
    server.engine.set_settings(config.engine_settings());
    Ok(())
}

fn rewrite(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let users = context.server.access.lines_for_config(&context.server.config);
    context.server.config.rewrite(&users).map_err(|error| Failure::error(format!("ERR {error}")))?;
    tracing::info!("CONFIG REWRITE wrote the configuration file");
    context.reply.ok();
    Ok(())
}

fn resetstat(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.server.metrics.reset();
    context.server.courier.reset();
    context.server.access.log.reset_counts();
    context.server.client_eviction.reset();
    context.databases.reset_metrics();
    context.reply.ok();
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "CONFIG", ENTRIES);
    Ok(())
}

/// Whether the client is on this machine.
pub(super) fn is_local(context: &Context<'_>) -> bool {
    context.session.client.peer.is_none_or(|address| address.ip().to_canonical().is_loopback())
}
