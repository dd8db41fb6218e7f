//! What expires in a keyspace: keys, and fields of hashes.
//!
//! An index segment promises that nothing in it expires before some time: no key, and no field of a hash in DRAM. A
//! hash on the SSD makes no promise; it is looked at from when it is promoted on.

use super::Keyspace;
use crate::index::entry::{Handle, Place};
use crate::observer::Change;
use crate::time::UnixMillis;

impl Keyspace {
    /// Whether [`Self::expire_segments`] may find anything, now or later.
    pub(crate) fn may_expire(&self) -> bool {
        self.keys_with_expiry > 0 || self.had_expiring_fields
    }

    /// Makes sure that the index segment of a resident is looked at when the first of its fields expires.
    #[inline]
    pub(super) fn note_expiring_fields(&mut self, handle: Handle, number: u32) {
        if let Some(at) = self.residents.get(number).value.earliest_field_expiry() {
            self.had_expiring_fields = true;
            self.table.note_expiry(self.hasher.table_hash(self.entries.key(handle)), at.0);
        }
    }

    /// Removes expired keys of the index segments `from..`, and expired fields of hashes in DRAM, looking at no more than
    /// `segment_limit` segments that may have any. Returns where to go on, `None` at the end.
    pub(crate) fn expire_segments(
        &mut self,
        from: usize,
        segment_limit: usize,
        now: UnixMillis,
        mut tell: impl FnMut(&[u8], Change),
    ) -> Option<usize> {
        let mut looked_at = 0;
        let mut number = from;
        // Removing entries may merge segments, so the count is asked for anew each time.
        while number < self.table.segment_count() {
            if self.table.segment_earliest_expiry_ms(number) > now.0 {
                number += 1;
                continue;
            }
            if looked_at == segment_limit {
                return Some(number);
            }
            looked_at += 1;
            let mut earliest_ms = u64::MAX;
            let (mut due, mut with_due_fields) = (Vec::new(), Vec::new());
            for handle in self.table.segment_handles(number) {
                match self.entries.expiry_ms(handle) {
                    Some(expiry_ms) if expiry_ms <= now.0 => {
                        due.push(handle);
                        continue;
                    }
                    Some(expiry_ms) => earliest_ms = earliest_ms.min(expiry_ms),
                    None => {}
                }
                match self.earliest_field_expiry(handle) {
                    Some(expiry) if expiry.is_due(now) => with_due_fields.push(handle),
                    Some(expiry) => earliest_ms = earliest_ms.min(expiry.0),
                    None => {}
                }
            }
            self.table.set_segment_earliest_expiry_ms(number, earliest_ms);
            for handle in due {
                tell(self.entries.key(handle), Change::Expired);
                let hash = self.hasher.table_hash(self.entries.key(handle));
                self.remove(hash, handle);
            }
            for handle in with_due_fields {
                self.expire_fields(handle, now, &mut tell);
            }
            number += 1;
        }
        None
    }

    /// When the first field of a hash in DRAM expires. One that is cold is looked at when it has been promoted.
    fn earliest_field_expiry(&self, handle: Handle) -> Option<UnixMillis> {
        match self.entries.head(handle).place() {
            Place::Dram(number) if self.had_expiring_fields => {
                self.residents.get(number).value.earliest_field_expiry()
            }
            _ => None,
        }
    }

    /// Takes expired fields out of a hash; one without fields is removed.
    fn expire_fields(&mut self, handle: Handle, now: UnixMillis, tell: &mut impl FnMut(&[u8], Change)) {
        let (is_empty, _) = self.modify_if(handle, |value| {
            let hash = value.as_hash_mut().expect("only hashes have fields");
            let is_changed = hash.purge_expired(now) > 0;
            (hash.is_empty(), is_changed)
        });
        tell(self.entries.key(handle), if is_empty { Change::Removed } else { Change::Written });
        if is_empty {
            let hash = self.hasher.table_hash(self.entries.key(handle));
            self.remove(hash, handle);
        }
    }
}
