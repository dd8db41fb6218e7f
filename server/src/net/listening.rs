//! What a server listens on, and how that changes while it runs.
//!
//! Sockets are bound by whoever asks for the change, so a failure is known at once and changes nothing. The threads,
//! which accept, hear of it in an inbox each. Addresses that stay keep their sockets, and the connections that wait
//! there.

use super::listener::{
    BindOptions, Bound, BoundAddress, Listener, bind_tcp_addresses, bind_unix_path, by_thread,
};
use super::thread::ThreadWaker;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The listening sockets of all threads of a server.
#[derive(Debug, Default)]
pub struct Listening {
    state: Mutex<State>,
    inboxes: Vec<ListenerInbox>,
}

#[derive(Debug, Default)]
struct State {
    options: BindOptions,
    bound: Vec<Bound>,
}

impl Listening {
    /// Binds all addresses for so many server threads.
    ///
    /// # Errors
    /// As [`bind_listeners`](super::bind_listeners).
    pub fn bind(options: BindOptions, threads: usize) -> io::Result<Self> {
        let mut bound = bind_tcp_addresses(&options, threads, &[])?;
        bound.extend(bind_unix_path(&options, threads)?);
        let inboxes = (0..threads).map(|_| ListenerInbox::default()).collect();
        Ok(Self { state: Mutex::new(State { options, bound }), inboxes })
    }

    /// What is being listened on now, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<BoundAddress> {
        self.state().bound.iter().map(|bound| bound.address.clone()).collect()
    }

    /// What each thread accepts from, and where it hears of changes.
    pub fn for_threads(&self) -> Vec<(Vec<Listener>, ListenerInbox)> {
        by_thread(&self.state().bound, self.inboxes.len()).into_iter().zip(self.inboxes.clone()).collect()
    }

    /// Listens on these TCP addresses instead of the present ones: connections are refused there, and taken here, when
    /// this returns. A unix socket stays.
    ///
    /// # Errors
    /// As [`bind_listeners`](super::bind_listeners); everything is as it was before.
    pub fn listen_instead(&self, addresses: Vec<String>, port: u16) -> io::Result<()> {
        let mut state = self.state();
        let options = BindOptions { addresses, port, ..state.options.clone() };
        let mut bound = bind_tcp_addresses(&options, self.inboxes.len(), &state.bound)?;
        let is_unix = |bound: &&Bound| matches!(bound.address, BoundAddress::Unix(_));
        bound.extend(state.bound.iter().find(is_unix).cloned());
        for (inbox, listeners) in self.inboxes.iter().zip(by_thread(&bound, self.inboxes.len())) {
            inbox.put(listeners);
        }
        let is_kept = |old: &Bound| bound.iter().any(|new| new.address == old.address);
        for old in state.bound.iter().filter(|old| !is_kept(old)) {
            old.listeners.iter().for_each(Listener::stop);
        }
        *state = State { options, bound };
        Ok(())
    }

    /// From how many seconds of silence on clients that connect from now on are probed; 0 for never.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn set_keepalive(&self, idle_s: u32) -> io::Result<()> {
        let mut state = self.state();
        state.options.tcp_keepalive_s = idle_s;
        state.bound.iter().flat_map(|bound| &bound.listeners).try_for_each(|one| one.set_keepalive(idle_s))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Where a server thread finds the listeners that it shall have instead of its present ones.
#[derive(Debug, Clone, Default)]
pub struct ListenerInbox(Arc<InboxState>);

#[derive(Debug, Default)]
struct InboxState {
    listeners: Mutex<Option<Vec<Listener>>>,
    /// Known once the thread runs.
    thread: OnceLock<ThreadWaker>,
}

impl ListenerInbox {
    fn put(&self, listeners: Vec<Listener>) {
        *lock(&self.0.listeners) = Some(listeners);
        if let Some(thread) = self.0.thread.get() {
            thread.wake();
        }
    }

    /// From now on this thread is woken when there is something. What came before is found at its first look.
    pub(super) fn register(&self, thread: ThreadWaker) {
        thread.wake();
        let is_first = self.0.thread.set(thread).is_ok();
        assert!(is_first, "an inbox belongs to one thread");
    }

    /// The newest listeners, if there are any that were not taken yet.
    pub(super) fn take(&self) -> Option<Vec<Listener>> {
        lock(&self.0.listeners).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Everything behind a lock here is replaced as a whole: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpStream};

    fn listening(addresses: &[&str]) -> Listening {
        let options = BindOptions { addresses: texts(addresses), port: 0, ..BindOptions::default() };
        Listening::bind(options, 2).expect("free ports")
    }

    fn texts(addresses: &[&str]) -> Vec<String> {
        addresses.iter().map(|&address| address.to_owned()).collect()
    }

    fn tcp_addresses(listening: &Listening) -> Vec<SocketAddr> {
        let tcp = |address| match address {
            BoundAddress::Tcp(address) => Some(address),
            BoundAddress::Unix(_) => None,
        };
        listening.addresses().into_iter().filter_map(tcp).collect()
    }

    #[test]
    fn addresses_that_stay_keep_their_sockets_and_others_are_refused_at_once() {
        let listening = listening(&["127.0.0.1", "127.0.0.2"]);
        let [kept, gone] = tcp_addresses(&listening)[..] else { panic!("two addresses") };
        let before = listening.for_threads();
        listening.listen_instead(texts(&["127.0.0.3", "127.0.0.1"]), kept.port()).expect("a free port");
        let after = listening.for_threads();
        assert!(before.iter().zip(&after).all(|((before, _), (after, _))| before[0].is_same(&after[1])));
        for (_, inbox) in &after {
            assert_eq!(inbox.take().map(|listeners| listeners.len()), Some(2));
        }
        assert!(TcpStream::connect(gone).is_err());
        TcpStream::connect(kept).expect("it still listens");
        TcpStream::connect(("127.0.0.3", kept.port())).expect("it listens there too");
    }

    #[test]
    fn one_address_may_become_all_addresses_of_the_same_port_and_back() {
        let listening = listening(&["127.0.0.1"]);
        let port = tcp_addresses(&listening)[0].port();
        for addresses in [["*"], ["127.0.0.1"]] {
            listening.listen_instead(texts(&addresses), port).expect("the port is ours");
            TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        }
        assert!(TcpStream::connect(("127.0.0.2", port)).is_err());
    }

    #[test]
    fn a_port_that_is_taken_changes_nothing() {
        let (taken, listening) = (listening(&["127.0.0.1"]), listening(&["127.0.0.1"]));
        let before = tcp_addresses(&listening);
        let result = listening.listen_instead(texts(&["127.0.0.1"]), tcp_addresses(&taken)[0].port());
        assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        assert_eq!(tcp_addresses(&listening), before);
        assert!(listening.inboxes.iter().all(|inbox| inbox.take().is_none()));
        TcpStream::connect(before[0]).expect("it still listens");
    }
}
