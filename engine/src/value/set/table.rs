//! Large sets: members found by their hashes.

use crate::value::codec::PIECE_BYTES;
use crate::value::element::{Element, Encoded};
use crate::value::member::{Member, element_hash};
use crate::value::member_table::MemberTable;
use crate::value::pack::Pack;

/// The members of a large set.
#[derive(Clone, Debug)]
pub(super) struct SetTable {
    members: MemberTable<Member>,
    member_heap_bytes: usize,
    /// How long all members are as elements.
    packed_bytes: usize,
}

impl SetTable {
    /// A table that is about to get so many members.
    pub(super) fn for_members(members: usize) -> Self {
        Self { members: MemberTable::for_items(members), member_heap_bytes: 0, packed_bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    #[inline]
    pub(super) fn contains(&self, member: Element<'_>) -> bool {
        let wanted = Encoded::from(member);
        self.members.find(element_hash(member), |member| member.is(&wanted)).is_some()
    }

    /// See [`MemberTable::warm`].
    pub(super) fn warm(&self, hashes: &[u64]) {
        self.members.warm(hashes);
        hashes.iter().filter_map(|&hash| self.members.candidate(hash)).for_each(Member::prefetch);
    }

    /// Adds a member; false where it is there already.
    pub(super) fn insert(&mut self, member: Element<'_>) -> bool {
        let hash = element_hash(member);
        let encoded = Encoded::from(member);
        if self.members.find(hash, |member| member.is(&encoded)).is_some() {
            return false;
        }
        let member = Member::new(&[encoded]);
        self.member_heap_bytes += member.heap_bytes();
        self.packed_bytes += encoded.len();
        self.members.insert(hash, member, |member| element_hash(member.first()));
        true
    }

    /// Takes a member out; false where it is not there.
    pub(super) fn remove(&mut self, member: Element<'_>) -> bool {
        let wanted = Encoded::from(member);
        let removed = self.members.remove(element_hash(member), |member| member.is(&wanted));
        if let Some(member) = &removed {
            self.member_heap_bytes -= member.heap_bytes();
            self.packed_bytes -= wanted.len();
        }
        removed.is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        self.members.iter().map(Member::first)
    }

    /// See [`MemberTable::scan`].
    pub(super) fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>)) -> u64 {
        self.members.scan(cursor, count, |member| visit(member.first()))
    }

    /// See [`MemberTable::random`].
    pub(super) fn random(&self, random: impl FnMut() -> u64) -> Option<Element<'_>> {
        self.members.random(random).map(Member::first)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.member_heap_bytes
    }

    /// [`Self::heap_bytes`], counted anew.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.members.heap_bytes() + self.members.iter().map(Member::heap_bytes).sum::<usize>()
    }

    /// How long what [`Self::encode_piece`] writes is.
    pub(super) fn payload_bytes(&self) -> usize {
        size_of::<u32>() + self.packed_bytes
    }

    /// Positions are leaves of the table.
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        let end = out.len() + PIECE_BYTES;
        if position == 0 {
            let count = u32::try_from(self.len()).expect("a value in a record has fewer members than bytes");
            out.extend_from_slice(&count.to_le_bytes());
        }
        for (leaf, members) in self.members.leaves_from(position) {
            if out.len() >= end {
                return Some(leaf);
            }
            members.iter().for_each(|member| out.extend_from_slice(member.elements(1)));
        }
        None
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (count, elements) = payload.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        if Pack::check(elements)? != count {
            return None;
        }
        let mut table = Self::for_members(count);
        let all_are_new = Pack::new(elements).iter().all(|member| table.insert(member));
        (all_are_new && count > 0).then_some(table)
    }
}

impl PartialEq for SetTable {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|member| other.contains(member))
    }
}

impl Eq for SetTable {}
