//! ACL SETUSER, GETUSER, DELUSER, LIST, USERS and WHOAMI.

use std::sync::Arc;

use thermocline_protocol::{Arguments, ReplyEncoder};

use crate::access::registry::{DEFAULT_USER, UserError};
use crate::access::rule::join_selectors;
use crate::access::selector::Selector;
use crate::access::{User, permits_channel};
use crate::command::{Context, Failure};
use crate::server::Server;
use crate::server::clients::ClientShared;
use crate::server::pubsub::TopicKind;
use crate::session::Session;

pub(super) fn setuser(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.get(2);
    let rules = join_selectors(arguments.iter().skip(3)).map_err(|rule| {
        let rule = String::from_utf8_lossy(&rule.0).into_owned();
        Failure::error(format!("ERR Unmatched parenthesis in acl selector starting at '{rule}'."))
    })?;
    let all_channels = context.server.config.acl_gives_all_channels();
    let set = context.server.access.set_user(name, rules.iter().map(|rule| &**rule), all_channels);
    let user = set.map_err(|error| match error {
        UserError::Name => Failure::error("ERR Usernames can't contain spaces or null characters"),
        UserError::Rule(number, error) => {
            let rule = String::from_utf8_lossy(&rules[number]).into_owned();
            Failure::error(format!("ERR Error in ACL SETUSER modifier '{rule}': {error}"))
        }
    })?;
    close_subscribers(context.server, context.session, |candidate| Arc::ptr_eq(candidate, &user));
    context.reply.ok();
    Ok(())
}

/// Ends the sessions of these users that are subscribed to something that they may not be any more, this one only
/// after its reply.
pub(super) fn close_subscribers(
    server: &Server,
    session: &mut Session,
    affected: impl Fn(&Arc<User>) -> bool,
) {
    let may = |client: &ClientShared, kind: TopicKind, name: &[u8]| {
        let user = client.user(server.access.default_user());
        !affected(&user) || permits_channel(&user, name, kind == TopicKind::Pattern)
    };
    for client in server.pubsub.subscribers_unless(may) {
        if client.id == session.client.id {
            session.is_closing = true;
        } else {
            client.close();
        }
    }
}

pub(super) fn deluser(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let names = arguments.iter().skip(2);
    if names.clone().any(|name| name == DEFAULT_USER) {
        return Err(Failure::error("ERR The 'default' user cannot be removed"));
    }
    let deleted: Vec<Arc<User>> = names.filter_map(|name| context.server.access.delete(name)).collect();
    close_sessions(context.server, context.session, &deleted);
    context.reply.integer(deleted.len() as i64);
    Ok(())
}

/// Ends the sessions of users who are no more, this one only after its reply.
pub(super) fn close_sessions(server: &Server, session: &mut Session, deleted: &[Arc<User>]) {
    if deleted.is_empty() {
        return;
    }
    for client in server.clients.all() {
        if client.id != session.client.id && deleted.iter().any(|user| client.is_user(user)) {
            client.close();
        }
    }
    session.is_closing |= session.user.is_deleted();
}

pub(super) fn getuser(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let reply = &mut context.reply;
    let Some(user) = context.server.access.find(arguments.get(2)) else {
        reply.null();
        return Ok(());
    };
    let rights = user.rights();
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(rights.flags().count());
    rights.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(rights.passwords.len());
    rights.passwords.iter().for_each(|digest| reply.bulk(digest.to_string().as_bytes()));
    reply_selector(reply, &rights.root);
    reply.bulk(b"selectors");
    reply.array(rights.others.len());
    for selector in &rights.others {
        reply.map(3);
        reply_selector(reply, selector);
    }
    Ok(())
}

/// Three pairs.
fn reply_selector(reply: &mut ReplyEncoder<'_>, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(selector.commands.describe().as_bytes());
    let mut text = Vec::new();
    selector.keys.describe(&mut text);
    reply.bulk(b"keys");
    reply.bulk(&text);
    text.clear();
    selector.channels.describe(&mut text);
    reply.bulk(b"channels");
    reply.bulk(&text);
}

pub(super) fn list(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let lines = context.server.access.lines();
    context.reply.array(lines.len());
    lines.iter().for_each(|line| context.reply.bulk(line));
    Ok(())
}

pub(super) fn users(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let users = context.server.access.all();
    context.reply.array(users.len());
    users.iter().for_each(|user| context.reply.bulk(user.name()));
    Ok(())
}

pub(super) fn whoami(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.bulk(context.session.user.name());
    Ok(())
}
