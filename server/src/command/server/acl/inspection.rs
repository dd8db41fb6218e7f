//! ACL CAT, DRYRUN, LOG and GENPASS.

use thermocline_protocol::{Arguments, parse_integer};

use super::wrong_arguments;
use crate::access::log::Entry;
use crate::access::permits;
use crate::command::arguments::{integer, is_word};
use crate::command::categories::{CATEGORIES, category_named, is_in_category};
use crate::command::table::CommandEntry;
use crate::command::{Context, Failure};

/// How many entries ACL LOG shows unless told otherwise.
const SHOWN_BY_DEFAULT: usize = 10;

/// How many bits ACL GENPASS gives unless told otherwise, and at most.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

pub(super) fn cat(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    match arguments.len() {
        2 => {
            context.reply.array(CATEGORIES.len());
            CATEGORIES.iter().for_each(|name| context.reply.bulk(name.as_bytes()));
        }
        3 => {
            let category = category_named(arguments.get(2)).ok_or_else(|| {
                let shown = String::from_utf8_lossy(arguments.get(2)).into_owned();
                Failure::error(format!("ERR Unknown category '{shown}'"))
            })?;
            let belongs = |entry: &&CommandEntry| is_in_category(entry.command, category);
            let commands: Vec<&CommandEntry> =
                context.server.commands.entries().iter().filter(belongs).collect();
            context.reply.array(commands.len());
            commands.iter().for_each(|entry| context.reply.bulk(entry.full_name.as_bytes()));
        }
        _ => return Err(wrong_arguments("CAT")),
    }
    Ok(())
}

pub(super) fn dryrun(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let shown = |at| String::from_utf8_lossy(arguments.get(at)).into_owned();
    let user = context.server.access.find(arguments.get(2));
    let user = user.ok_or_else(|| Failure::error(format!("ERR User '{}' not found", shown(2))))?;
    let request = arguments.skip(3);
    let entry = context.server.commands.resolve(request);
    let entry = entry.map_err(|_| Failure::error(format!("ERR Command '{}' not found", shown(3))))?;
    if !entry.accepts(request.len()) {
        return Err(crate::command::arguments::wrong_arity(&entry.full_name));
    }
    match permits(&user, entry, request) {
        Ok(()) => context.reply.ok(),
        Err(denied) => context.reply.bulk(&denied.explanation(&user, entry, request)),
    }
    Ok(())
}

pub(super) fn log(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let log = &context.server.access.log;
    let count = match arguments.len() {
        2 => SHOWN_BY_DEFAULT,
        3 if is_word(arguments.get(2), "RESET") => {
            log.clear();
            context.reply.ok();
            return Ok(());
        }
        3 => usize::try_from(integer(arguments.get(2))?).unwrap_or(0),
        _ => return Err(wrong_arguments("LOG")),
    };
    let entries = log.newest(count);
    context.reply.array(entries.len());
    entries.iter().for_each(|entry| reply_entry(context, entry));
    Ok(())
}

fn reply_entry(context: &mut Context<'_>, entry: &Entry) {
    let age_ms = context.server.clock.now().0.saturating_sub(entry.updated.0);
    let (reply, refusal) = (&mut context.reply, &entry.refusal);
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(entry.count as i64);
    for (name, value) in [
        ("reason", refusal.reason.name().as_bytes()),
        ("context", refusal.circumstance.name().as_bytes()),
        ("object", &refusal.object),
        ("username", &refusal.user),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value);
    }
    reply.bulk(b"age-seconds");
    reply.double(age_ms as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(refusal.client.as_bytes());
    for (name, number) in [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created.0),
        ("timestamp-last-updated", entry.updated.0),
    ] {
        reply.bulk(name.as_bytes());
        reply.integer(number as i64);
    }
}

pub(super) fn genpass(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let bits = match arguments.len() {
        2 => PASSWORD_BITS,
        3 => parse_integer(arguments.get(2)).ok_or(Failure::NOT_AN_INTEGER)?,
        _ => return Err(wrong_arguments("GENPASS")),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(Failure::error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    // Four bits a digit.
    let digits = (bits as usize).div_ceil(4);
    let password: String =
        (0..digits).map(|_| char::from_digit(rand::random_range(0..16), 16).expect("a digit")).collect();
    context.reply.bulk(password.as_bytes());
    Ok(())
}
