//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO: client-side caching, as far as a client asks for it.
//!
//! What follows from that is [`tracking`](crate::server::tracking)'s work.

use std::collections::BTreeSet;
use std::sync::Arc;

use thermocline_protocol::Arguments;

use super::client::on_or_off;
use crate::command::arguments::{integer, is_word};
use crate::command::{Context, Failure};
use crate::server::hearing::{Choice, TrackingMode};
use crate::server::tracking::Tracker;

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<u64>,
    broadcasts: bool,
    prefixes: Vec<&'a [u8]>,
    opts_in: bool,
    opts_out: bool,
    no_loop: bool,
}

impl<'a> Options<'a> {
    fn parse(context: &Context<'_>, arguments: Arguments<'a>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = arguments.skip(3).iter();
        while let Some(word) = words.next() {
            match word {
                _ if is_word(word, "BCAST") => options.broadcasts = true,
                _ if is_word(word, "OPTIN") => options.opts_in = true,
                _ if is_word(word, "OPTOUT") => options.opts_out = true,
                _ if is_word(word, "NOLOOP") => options.no_loop = true,
                _ if is_word(word, "PREFIX") => {
                    options.prefixes.push(words.next().ok_or(Failure::SYNTAX)?);
                }
                _ if is_word(word, "REDIRECT") => {
                    let id = words.next().ok_or(Failure::SYNTAX)?;
                    if options.redirect.is_some() {
                        let text = "ERR A client can only redirect to a single other client";
                        return Err(Failure::error(text));
                    }
                    let id = u64::try_from(integer(id)?).ok();
                    let found = id.filter(|id| context.server.clients.get(*id).is_some());
                    let text = "ERR The client ID you want redirect to does not exist";
                    options.redirect = Some(found.ok_or(Failure::error(text))?);
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }

    /// Whether the options go together, and with how the client tracks so far.
    fn check(&self, before: Option<&TrackingMode>) -> Result<(), Failure> {
        let (was_in, was_out) = before.map_or((false, false), |before| {
            (before.choice == Choice::OptIn, before.choice == Choice::OptOut)
        });
        let text = if !self.broadcasts && !self.prefixes.is_empty() {
            "ERR PREFIX option requires BCAST mode to be enabled"
        } else if before.is_some_and(|before| before.prefixes.is_some() != self.broadcasts) {
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode."
        } else if self.broadcasts && (self.opts_in || self.opts_out) {
            "ERR OPTIN and OPTOUT are not compatible with BCAST"
        } else if self.opts_in && self.opts_out {
            "ERR You can't specify both OPTIN mode and OPTOUT mode"
        } else if self.opts_in && was_out || self.opts_out && was_in {
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode."
        } else {
            return self.check_prefixes(before.and_then(|before| before.prefixes.as_ref()));
        };
        Err(Failure::error(text))
    }

    /// A client is to be told of a key once, so no prefix may begin with another one.
    fn check_prefixes(&self, before: Option<&BTreeSet<Box<[u8]>>>) -> Result<(), Failure> {
        let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let existing = before.into_iter().flatten().map(|other| (&**other, "an existing"));
            let provided = self.prefixes[at + 1..].iter().map(|other| (*other, "another provided"));
            if let Some((other, which)) = existing.chain(provided).find(|(other, _)| overlap(prefix, other)) {
                let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
                return Err(Failure::error(format!(
                    "ERR Prefix '{prefix}' overlaps with {which} prefix '{other}'. Prefixes for a single client must \
                     not overlap."
                )));
            }
        }
        Ok(())
    }
}

pub(super) fn tracking(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let options = Options::parse(context, arguments)?;
    let (server, session) = (context.server, &mut *context.session);
    if on_or_off(arguments.get(2))? {
        options.check(session.hearing.as_ref().and_then(|hearing| hearing.tracking.as_ref()))?;
        let hearing = session.hearing.get_or_insert_default();
        let before = hearing.tracking.take().and_then(|tracking| tracking.prefixes);
        let prefixes = options.broadcasts.then(|| {
            let mut prefixes = before.unwrap_or_default();
            prefixes.extend(options.prefixes.iter().map(|prefix| Box::from(*prefix)));
            if options.prefixes.is_empty() {
                prefixes.insert(Box::default());
            }
            prefixes
        });
        let tracker =
            Tracker::new(Arc::clone(&session.client), options.redirect, options.broadcasts, options.no_loop);
        server.tracking.start(tracker, prefixes.as_ref().unwrap_or(&BTreeSet::new()));
        hearing.tracking = Some(TrackingMode {
            prefixes,
            choice: match (options.opts_in, options.opts_out) {
                (true, _) => Choice::OptIn,
                (_, true) => Choice::OptOut,
                _ => Choice::All,
            },
            redirect: options.redirect,
            no_loop: options.no_loop,
            is_exception: false,
        });
    } else if let Some(hearing) = &mut session.hearing {
        hearing.tracking = None;
        server.tracking.stop(session.client.id);
        if hearing.is_empty() {
            session.hearing = None;
        }
    }
    server.observe_what_is_needed();
    context.reply.ok();
    Ok(())
}

pub(super) fn caching(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let tracking = context.session.hearing.as_mut().and_then(|hearing| hearing.tracking.as_mut());
    let Some(tracking) = tracking else {
        return Err(Failure::error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    let word = arguments.get(2);
    if is_word(word, "YES") {
        if tracking.choice != Choice::OptIn {
            let text = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
            return Err(Failure::error(text));
        }
    } else if is_word(word, "NO") {
        if tracking.choice != Choice::OptOut {
            let text = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
            return Err(Failure::error(text));
        }
    } else {
        return Err(Failure::SYNTAX);
    }
    tracking.is_exception = true;
    context.reply.ok();
    Ok(())
}

pub(super) fn getredir(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let tracking = context.session.hearing.as_ref().and_then(|hearing| hearing.tracking.as_ref());
    context.reply.integer(redirection(tracking));
    Ok(())
}

/// 0 where nobody else is told, -1 where nobody is told at all.
fn redirection(tracking: Option<&TrackingMode>) -> i64 {
    tracking.map_or(-1, |tracking| tracking.redirect.map_or(0, |id| id as i64))
}

pub(super) fn trackinginfo(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let tracking = context.session.hearing.as_ref().and_then(|hearing| hearing.tracking.as_ref());
    let flags = tracking.map_or_else(
        || vec!["off"],
        |tracking| {
            let is_broken = context
                .server
                .tracking
                .tracker(context.session.client.id)
                .is_some_and(|tracker| tracker.is_broken());
            let is = |choice| tracking.choice == choice;
            let flags = [
                (true, "on"),
                (tracking.prefixes.is_some(), "bcast"),
                (is(Choice::OptIn), "optin"),
                (is(Choice::OptIn) && tracking.is_exception, "caching-yes"),
                (is(Choice::OptOut), "optout"),
                (is(Choice::OptOut) && tracking.is_exception, "caching-no"),
                (tracking.no_loop, "noloop"),
                (is_broken, "broken_redirect"),
            ];
            flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect()
        },
    );
    let reply = &mut context.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirection(tracking));
    reply.bulk(b"prefixes");
    let prefixes = tracking.and_then(|tracking| tracking.prefixes.as_ref());
    reply.array(prefixes.map_or(0, BTreeSet::len));
    prefixes.into_iter().flatten().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
