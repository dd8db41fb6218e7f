//! A look at what many connections have just sent, before their requests run one after the other.
//!
//! Every request waits for DRAM several times, to find its key. Requests that have come together can do that waiting
//! together: this asks for the memory of all of them before the first is run. It is a guess: only the first request
//! of each connection is looked at, in the default database, and whatever it is, it is parsed again when it runs.

use thermocline_protocol::{Limits, Parsed, RequestParser};

use super::warming::add_request;
use crate::net::{Connection, ConnectionHandler};
use crate::server::Thread;
use std::future::Future;
use std::rc::Rc;

/// A longer input is a pipeline or a long value: its batch warms up for itself, or has other things to do.
const PREVIEWED_INPUT_BYTES_MAX: usize = 512;

/// The connections of one thread, served by [`super::serve`].
pub struct Service(pub Rc<Thread>);

impl ConnectionHandler for Service {
    fn serve(&self, connection: Connection) -> impl Future<Output = ()> + use<> + 'static {
        super::serve(connection, Rc::clone(&self.0))
    }

    fn preview(&self, inputs: &mut dyn Iterator<Item = &[u8]>) {
        let server = &*self.0.server;
        if !server.engine.is_worth_warming() {
            return;
        }
        let arguments = &mut self.0.scratch.borrow_mut().arguments;
        let mut warming = server.engine.warming();
        for input in inputs.filter(|input| input.len() <= PREVIEWED_INPUT_BYTES_MAX) {
            let Ok(Parsed::Complete { .. }) = RequestParser::new().parse(input, &Limits::REDIS, arguments)
            else {
                continue;
            };
            let arguments = arguments.in_buffer(input);
            if let Some(entry) = server.commands.find(arguments.get(0)) {
                if warming.is_full() {
                    std::mem::replace(&mut warming, server.engine.warming()).finish();
                }
                add_request(&mut warming, entry, 0, arguments);
            }
        }
        warming.finish();
    }
}
