//! INFO: the server's state as text, in sections.

use thermocline_protocol::Arguments;

use super::{ANY_STATE, SERVER};
use crate::command::{Command, Context, Failure, Handler};
use crate::info::{Selection, View, text};

pub(super) const INFO: Command = Command {
    name: "info",
    arity: -1,
    flags: ANY_STATE,
    categories: &["dangerous"],
    summary: "Returns information and statistics about the server.",
    handler: Handler::Server(info),
    ..SERVER
};

fn info(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let selection = Selection::from_words(arguments.iter().skip(1));
    let view = View::new(context.server, context.databases.reborrow());
    context.reply.verbatim(b"txt", text(&view, &selection).as_bytes());
    if view.was_held_up() {
        return Err(Failure::HeldUp);
    }
    Ok(())
}
