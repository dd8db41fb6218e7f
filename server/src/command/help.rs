//! The HELP subcommands of containers, in the form that Redis gives them.

use thermocline_protocol::ReplyEncoder;

/// A subcommand with its arguments, and what it does; a long text has several lines.
pub(crate) type Entry = (&'static str, &'static [&'static str]);

/// Replies the help of a container: a heading, each subcommand with its text, and HELP itself.
pub(crate) fn reply_help(reply: &mut ReplyEncoder<'_>, container: &str, entries: &[Entry]) {
    let lines: usize = entries.iter().map(|(_, text)| 1 + text.len()).sum();
    reply.array(lines + 3);
    let heading = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply.simple(&heading);
    for (usage, text) in entries {
        reply.simple(usage);
        for line in *text {
            reply.simple(&format!("    {line}"));
        }
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}
