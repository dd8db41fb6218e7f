//! Sets: sorted integers or packs while they are small, tables from then on.
//!
//! The representation follows Redis' so that `OBJECT ENCODING` does. A set of integers is an intset until it has more
//! members than its limit; a member that is no integer makes it a pack, or a table where it has too many members for a
//! pack. A pack becomes a table when it gets too many members or one that is too long. Nothing turns back.
//!
//! | encoding | payload |
//! |---|---|
//! | listpack | the number of members (2 bytes) and a pack of them |
//! | intset | the same number with its top bit set, and the members: integers of 1 to 8 bytes, all of the same width, ascending |
//! | hashtable | the number of members (4 bytes) and a pack of them, in no order |

mod intset;
mod table;
#[cfg(test)]
mod tests;

use super::Encoding;
use super::counted_pack::CountedPack;
use super::element::{Element, Encoded};
use super::hash::PackLimits;
use super::pack::Pack;
use intset::Integers;
use table::SetTable;

/// Up to which size a set has which representation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetLimits {
    /// How many members a set of integers may have to be an intset.
    pub intset_entries: usize,
    /// Up to which size a set is a pack.
    pub pack: PackLimits,
}

/// A set value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetValue(Form);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// Flagged where it is an intset.
    Small(CountedPack),
    Large(Box<SetTable>),
}

impl SetValue {
    /// A set of integers without members, which is no value of a key yet.
    pub fn new_intset() -> Self {
        Self(Form::Small(CountedPack::new(true)))
    }

    /// A pack without members, which is no value of a key yet.
    pub fn new_pack() -> Self {
        Self(Form::Small(CountedPack::new(false)))
    }

    /// A table without members that is about to get so many, which is no value of a key yet.
    pub fn new_table(members: usize) -> Self {
        Self(Form::Large(Box::new(SetTable::for_members(members))))
    }

    /// A set that is about to get so many members, of which this is the first.
    pub fn for_members(first: &[u8], members: usize, limits: SetLimits) -> Self {
        if matches!(Element::of(first), Element::Integer(_)) && members <= limits.intset_entries {
            Self::new_intset()
        } else if members <= limits.pack.entries {
            Self::new_pack()
        } else {
            Self::new_table(members)
        }
    }

    /// Asks for the memory that look-ups of members with these hashes will touch, if they are many.
    pub(crate) fn warm_members(&self, hashes: &[u64]) {
        if let Form::Large(large) = &self.0 {
            large.warm(hashes);
        }
    }

    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Form::Small(set) if set.is_flagged() => Encoding::IntSet,
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::HashTable,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(set) => set.count(),
            Form::Large(table) => table.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a byte string is a member.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.contains_element(Element::of(member))
    }

    /// The same for a member of another set.
    #[inline]
    pub fn contains_element(&self, member: Element<'_>) -> bool {
        match &self.0 {
            Form::Small(set) if set.is_flagged() => {
                member.as_integer().is_some_and(|integer| Integers::new(set).search(integer).is_ok())
            }
            Form::Small(set) => set.find(&member.into(), 1).is_some(),
            Form::Large(table) => table.contains(member),
        }
    }

    /// All members: those of an intset in ascending order, those of a pack in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        let (mut integers, mut pack, mut table) = (None, None, None);
        match &self.0 {
            Form::Small(set) if set.is_flagged() => integers = Some(Integers::new(set).iter()),
            Form::Small(set) => pack = Some(set.pack().iter_from(CountedPack::START)),
            Form::Large(members) => table = Some(members.iter()),
        }
        let integers = integers.into_iter().flatten().map(Element::Integer);
        integers.chain(pack.into_iter().flatten()).chain(table.into_iter().flatten())
    }

    /// Visits members from a cursor on, about as many as `count`, and returns the cursor behind them: 0 at the end, as at
    /// the start. A small set is visited as a whole.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>)) -> u64 {
        match &self.0 {
            Form::Small(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Large(table) => table.scan(cursor, count, &mut visit),
        }
    }

    /// Any member, each as likely as any other. `random` gives uniformly distributed bits.
    pub fn random(&self, mut random: impl FnMut() -> u64) -> Option<Element<'_>> {
        match &self.0 {
            Form::Small(set) => {
                let index = random().checked_rem(set.count() as u64)? as usize;
                if set.is_flagged() {
                    Some(Element::Integer(Integers::new(set).get(index)))
                } else {
                    self.iter().nth(index)
                }
            }
            Form::Large(table) => table.random(random),
        }
    }

    /// Makes the set a table if it cannot stay what it is with so many members.
    pub fn prepare(&mut self, members: usize, limits: SetLimits) {
        let limit = match self.encoding() {
            Encoding::IntSet => limits.intset_entries,
            Encoding::ListPack => limits.pack.entries,
            _ => return,
        };
        if members > limit {
            self.become_table(members);
        }
    }

    /// Adds a member; false where it is there already.
    pub fn insert(&mut self, member: &[u8], limits: SetLimits) -> bool {
        self.insert_element(Element::of(member), limits)
    }

    /// The same for a member of another set.
    pub fn insert_element(&mut self, member: Element<'_>, limits: SetLimits) -> bool {
        match &mut self.0 {
            Form::Small(set) if set.is_flagged() => match member {
                Element::Integer(integer) => {
                    let max_count = limits.intset_entries.min(CountedPack::MAX_COUNT);
                    if set.count() < max_count {
                        return intset::insert(set, integer);
                    }
                    if Integers::new(set).search(integer).is_ok() {
                        return false;
                    }
                }
                Element::Bytes(_) => {
                    if self.fits_pack(member, limits.pack) {
                        let mut pack = Self::new_pack();
                        for member in self.iter() {
                            pack.push(member);
                        }
                        *self = pack;
                        return self.push(member);
                    }
                }
            },
            Form::Small(set) => {
                if set.find(&member.into(), 1).is_some() {
                    return false;
                }
                if self.fits_pack(member, limits.pack) {
                    return self.push(member);
                }
            }
            Form::Large(_) => {}
        }
        self.become_table(1).insert(member)
    }

    /// Whether a pack may hold all members and this one. All integers are short enough.
    fn fits_pack(&self, member: Element<'_>, limits: PackLimits) -> bool {
        let longest = match &self.0 {
            Form::Small(set) if set.is_flagged() => {
                let integers = Integers::new(set);
                let ends = [integers.len().checked_sub(1), (integers.len() > 0).then_some(0)];
                ends.iter().flatten().map(|&at| Element::Integer(integers.get(at)).len()).max().unwrap_or(0)
            }
            _ => 0,
        };
        self.len() < limits.entries.min(CountedPack::MAX_COUNT)
            && longest.max(member.len()) <= limits.element_bytes
    }

    /// Appends a member to a pack.
    fn push(&mut self, member: Element<'_>) -> bool {
        match &mut self.0 {
            Form::Small(set) => set.push(&[Encoded::from(member)]),
            Form::Large(_) => unreachable!("only a pack is appended to"),
        }
        true
    }

    /// Takes a member out; false where there is no such member.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_element(Element::of(member))
    }

    /// The same for a member of another set.
    pub fn remove_element(&mut self, member: Element<'_>) -> bool {
        match &mut self.0 {
            Form::Small(set) if set.is_flagged() => {
                member.as_integer().is_some_and(|integer| intset::remove(set, integer))
            }
            Form::Small(set) => {
                let found = set.find(&member.into(), 1);
                found.inspect(|&at| set.remove(at, 1)).is_some()
            }
            Form::Large(table) => table.remove(member),
        }
    }

    /// An intset of the same members, if they are integers and not too many.
    pub fn to_intset(&self, limits: SetLimits) -> Option<Self> {
        if self.len() > limits.intset_entries.min(CountedPack::MAX_COUNT) {
            return None;
        }
        let mut integers = self.iter().map(Element::as_integer).collect::<Option<Vec<i64>>>()?;
        integers.sort_unstable();
        let mut set = CountedPack::new(true);
        for integer in integers {
            intset::insert(&mut set, integer);
        }
        Some(Self(Form::Small(set)))
    }

    fn become_table(&mut self, new_members: usize) -> &mut SetTable {
        if let Form::Small(set) = &self.0 {
            let mut table = SetTable::for_members(set.count() + new_members);
            for member in self.iter() {
                table.insert(member);
            }
            self.0 = Form::Large(Box::new(table));
        }
        match &mut self.0 {
            Form::Large(table) => table,
            Form::Small(_) => unreachable!("the set was just made a table"),
        }
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(set) => set.heap_bytes(),
            Form::Large(table) => super::allocation_bytes(size_of::<SetTable>()) + table.heap_bytes(),
        }
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Small(set) => Some(set.bytes()),
            Form::Large(_) => None,
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(set) => set.bytes().len(),
            Form::Large(table) => table.payload_bytes(),
        }
    }

    /// See [`encode_piece`](super::codec::encode_piece).
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        match &self.0 {
            Form::Small(set) => {
                out.extend_from_slice(set.bytes());
                None
            }
            Form::Large(table) => table.encode_piece(position, out),
        }
    }

    pub(super) fn decode(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        if encoding == Encoding::HashTable {
            return SetTable::decode(payload).map(|table| Self(Form::Large(Box::new(table))));
        }
        let set = CountedPack::from_payload(payload)?;
        let is_well_formed = match (encoding, set.is_flagged()) {
            (Encoding::IntSet, true) => Integers::check(&set),
            (Encoding::ListPack, false) => set.count() > 0 && Pack::check(set.body()) == Some(set.count()),
            _ => false,
        };
        is_well_formed.then_some(Self(Form::Small(set)))
    }
}
