//! A blocking client: sends requests, waits for replies, gives up after a while.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use thermocline_protocol::inline::split_line;
use thermocline_protocol::{Reply, ReplyDecoder, encode_request};

/// How long a reply may take. Nothing that a test asks for takes a tenth of it on an idle machine.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// An address of this machine that is not the loopback interface's, if it has one. A connection to it comes from it, as
/// from another machine.
pub fn foreign_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the kernel only looks up from which address it would be. The address belongs to nobody.
    socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// One connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Received and not yet taken: from `start` on.
    input: Vec<u8>,
    start: usize,
    output: Vec<u8>,
}

impl Connection {
    /// Connects to `127.0.0.1:port`.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    pub fn open(port: u16) -> io::Result<Self> {
        Self::open_at(Ipv4Addr::LOCALHOST.into(), port)
    }

    /// Connects to a port of any address.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    pub fn open_at(address: IpAddr, port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((address, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Self { stream, input: Vec::new(), start: 0, output: Vec::new() })
    }

    /// Sends one command and returns its reply.
    ///
    /// # Panics
    ///
    /// If the connection ends, or no reply comes within [`REPLY_TIMEOUT`].
    pub fn call<T: AsRef<[u8]>>(&mut self, arguments: &[T]) -> Reply {
        self.send(arguments);
        self.receive()
    }

    /// As [`call`](Self::call), with the command as text: words and quotes as in an inline command.
    pub fn line(&mut self, command: &str) -> Reply {
        let arguments = split_line(command.as_bytes()).expect("balanced quotes in a test");
        self.call(&arguments)
    }

    /// As [`line`](Self::line), for a reply that is a string or a status.
    ///
    /// # Panics
    ///
    /// If it is anything else.
    pub fn text(&mut self, command: &str) -> String {
        let reply = self.line(command);
        match reply.as_bytes() {
            Some(bytes) if !reply.is_error() => String::from_utf8_lossy(bytes).into_owned(),
            _ => panic!("{command} replied {reply:?}"),
        }
    }

    /// As [`line`](Self::line), for a reply that is an error; its text, code included.
    ///
    /// # Panics
    ///
    /// If it is anything else.
    pub fn error(&mut self, command: &str) -> String {
        match self.line(command) {
            Reply::Error(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{command} replied {other:?}, not an error"),
        }
    }

    /// As [`line`](Self::line), for a reply that is an integer.
    ///
    /// # Panics
    ///
    /// If it is anything else.
    pub fn integer(&mut self, command: &str) -> i64 {
        let reply = self.line(command);
        reply.as_integer().unwrap_or_else(|| panic!("{command} replied {reply:?}, not an integer"))
    }

    /// Sends one command.
    pub fn send<T: AsRef<[u8]>>(&mut self, arguments: &[T]) {
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        encode_request(&mut output, arguments);
        self.send_raw(&output);
        self.output = output;
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads requests");
    }

    /// Sends bytes as they are, to a server that may close the connection meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Write::write_all`].
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply, decoded.
    pub fn receive(&mut self) -> Reply {
        let raw = self.receive_raw();
        let (reply, _) = Reply::decode(&raw).expect("a reply").expect("a whole reply");
        reply
    }

    /// The next reply's bytes.
    pub fn receive_raw(&mut self) -> Vec<u8> {
        match self.try_receive_raw() {
            Ok(Some(raw)) => raw,
            Ok(None) => panic!("the server closed the connection instead of a reply"),
            Err(error) => panic!("no reply: {error}"),
        }
    }

    /// The next reply's bytes, or `None` if the server closed the connection first.
    ///
    /// # Errors
    ///
    /// Of the socket; [`io::ErrorKind::WouldBlock`] if none came in time; [`io::ErrorKind::InvalidData`] for bytes that
    /// are no reply.
    pub fn try_receive_raw(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut decoder = ReplyDecoder::new();
        loop {
            let found = decoder.next(&self.input[self.start..]).map_err(|error| {
                let sent =
                    self.input[self.start..].escape_ascii().take(200).map(char::from).collect::<String>();
                io::Error::new(io::ErrorKind::InvalidData, format!("{error}: {sent}"))
            })?;
            if let Some(frame) = found {
                let end = self.start + frame.consumed_bytes;
                let raw = self.input[self.start..end].to_vec();
                self.start = end;
                if self.start == self.input.len() {
                    self.input.clear();
                    self.start = 0;
                }
                return Ok(Some(raw));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Everything until the server closes the connection.
    ///
    /// # Panics
    ///
    /// If it does not close it in time.
    pub fn receive_until_closed(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                // A server that closes while bytes of ours are unread resets the connection.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("the server did not close the connection: {error}"),
            }
        }
        let rest = self.input.split_off(self.start);
        self.input.clear();
        self.start = 0;
        rest
    }

    /// Whether the server has closed the connection, or does so in time.
    pub fn is_closed_by_server(&mut self) -> bool {
        self.receive_until_closed().is_empty()
    }

    /// Says that nothing more will be sent; replies still arrive.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// How long replies may take from here on.
    pub fn set_reply_timeout(&mut self, timeout: Duration) {
        self.stream.set_read_timeout(Some(timeout)).expect("a timeout that is not zero");
    }

    /// The local port, by which `CLIENT LIST` knows the connection.
    pub fn local_port(&self) -> u16 {
        self.stream.local_addr().expect("connected").port()
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.input.drain(..self.start);
        self.start = 0;
        let filled = self.input.len();
        self.input.resize(filled + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[filled..]);
        self.input.truncate(filled + *read.as_ref().unwrap_or(&0));
        read
    }
}
