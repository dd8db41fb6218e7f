//! The connections of a thread, by slot.
//!
//! Owns the numbering: a slot is what a completion carries, so it is given to a new connection only after the kernel
//! holds nothing of the old one.

use super::state::ConnectionState;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[derive(Default)]
pub(super) struct ConnectionTable {
    slots: RefCell<Vec<Option<Rc<ConnectionState>>>>,
    free: RefCell<Vec<u32>>,
    live: Cell<usize>,
}

impl ConnectionTable {
    /// How many connections there are, those included that only wait for the kernel to finish.
    pub(super) fn len(&self) -> usize {
        self.live.get()
    }

    pub(super) fn get(&self, slot: u32) -> Option<Rc<ConnectionState>> {
        self.slots.borrow().get(slot as usize)?.clone()
    }

    /// Makes a connection in a free slot.
    pub(super) fn insert_with(&self, make: impl FnOnce(u32) -> Rc<ConnectionState>) -> Rc<ConnectionState> {
        let mut slots = self.slots.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(None);
            (slots.len() - 1) as u32
        });
        let state = make(slot);
        let previous = slots[slot as usize].replace(Rc::clone(&state));
        assert!(previous.is_none(), "a free slot has no connection");
        self.live.set(self.live.get() + 1);
        state
    }

    pub(super) fn remove(&self, slot: u32) {
        let removed = self.slots.borrow_mut()[slot as usize].take();
        assert!(removed.is_some(), "a connection is removed once");
        self.free.borrow_mut().push(slot);
        self.live.set(self.live.get() - 1);
    }

    /// Looks at every connection; `look` must not insert or remove any.
    pub(super) fn for_each(&self, look: impl FnMut(&Rc<ConnectionState>)) {
        self.slots.borrow().iter().flatten().for_each(look);
    }
}
