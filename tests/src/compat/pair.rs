//! The two servers and the clients that are connected to both.

use thermocline_protocol::{Reply, encode_request};

use crate::compat::request::Request;
use crate::{Connection, Product, Server, ServerOptions};

/// The reference and the subject, both empty.
#[derive(Debug)]
pub struct Pair {
    /// redis-server.
    pub reference: Server,
    /// The server under test.
    pub subject: Server,
}

impl Pair {
    /// Starts both.
    pub fn start() -> Self {
        Self {
            reference: ServerOptions::new(Product::Redis).start(),
            subject: ServerOptions::subject().start(),
        }
    }

    /// A client of both.
    pub fn connect(&self) -> PairedClient {
        PairedClient {
            reference: self.reference.connect(),
            subject: self.subject.connect(),
            output: Vec::new(),
        }
    }

    /// A client that moves the subject's values to its SSD; `None` if it has no such thing.
    pub fn demoter(&self) -> Option<Demoter> {
        self.subject.is_thermocline().then(|| Demoter { connection: self.subject.connect(), database: 0 })
    }
}

/// A client with a connection to each server.
#[derive(Debug)]
pub struct PairedClient {
    /// Its connection to the reference.
    pub reference: Connection,
    /// Its connection to the subject.
    pub subject: Connection,
    output: Vec<u8>,
}

impl PairedClient {
    /// Sends `requests` to both servers in one piece; the raw replies of the reference and the subject to each.
    pub fn exchange(&mut self, requests: &[Request]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.send(requests);
        requests.iter().map(|_| self.receive()).collect()
    }

    /// Sends `requests` to both servers in one piece.
    pub fn send(&mut self, requests: &[Request]) {
        self.output.clear();
        for request in requests {
            encode_request(&mut self.output, &request.0);
        }
        self.reference.send_raw(&self.output);
        self.subject.send_raw(&self.output);
    }

    /// The next raw replies of the reference and the subject.
    pub fn receive(&mut self) -> (Vec<u8>, Vec<u8>) {
        (self.reference.receive_raw(), self.subject.receive_raw())
    }
}

/// Moves values to the subject's SSD.
#[derive(Debug)]
pub struct Demoter {
    connection: Connection,
    database: u32,
}

impl Demoter {
    /// How many of `keys` in `database` were moved.
    ///
    /// # Panics
    ///
    /// If the server does not do it.
    pub fn demote(&mut self, database: u32, keys: &[Vec<u8>]) -> i64 {
        if self.database != database {
            assert_eq!(self.connection.line(&format!("SELECT {database}")), Reply::Simple(b"OK".to_vec()));
            self.database = database;
        }
        let request = Request::new("TIER").arg("DEMOTE").args(keys.iter().cloned());
        let reply = self.connection.call(&request.0);
        reply.as_integer().unwrap_or_else(|| panic!("{request:?} replied {reply:?}"))
    }
}
