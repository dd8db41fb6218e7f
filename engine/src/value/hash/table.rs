//! Large hashes: fields found by their hashes, and those that expire in the order in which they do.

use std::collections::BTreeSet;

use crate::time::UnixMillis;
use crate::value::codec::PIECE_BYTES;
use crate::value::element::{Element, Encoded};
use crate::value::member::{Member, element_hash};
use crate::value::member_table::MemberTable;
use crate::value::pack::Pack;

/// What an expiring field takes in the order of expiries, about: nodes of a B-tree are mostly two thirds full.
const EXPIRY_BYTES: usize = 26;
/// Expired fields taken away in one go at most: what is left is invisible, and waits for the next time.
const PURGED_AT_ONCE: usize = 1000;

/// A field, its value, and when it expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: Element<'a>,
    pub(super) value: Element<'a>,
    pub(super) expiry: Option<UnixMillis>,
}

impl<'a> Field<'a> {
    /// The field at a position of a pack of fields, values and, if they have them, expiries: integers, 0 for none.
    #[inline]
    pub(super) fn at(pack: Pack<'a>, at: usize, has_expiry: bool) -> Option<(Self, usize)> {
        let (name, at) = pack.get(at)?;
        let (value, at) = pack.get(at)?;
        let (expiry, at) = if has_expiry { read_expiry(pack, at)? } else { (None, at) };
        Some((Self { name, value, expiry }, at))
    }

    #[inline]
    pub(super) fn is_live(&self, now: UnixMillis) -> bool {
        self.expiry.is_none_or(|at| !at.is_due(now))
    }
}

/// How an expiry is kept among elements.
pub(super) fn encoded_expiry(expiry: Option<UnixMillis>) -> Encoded<'static> {
    Encoded::integer(expiry.map_or(0, |at| at.0 as i64))
}

fn read_expiry(pack: Pack<'_>, at: usize) -> Option<(Option<UnixMillis>, usize)> {
    let (element, end) = pack.get(at)?;
    let ms = u64::try_from(element.as_integer()?).ok()?;
    Some(((ms > 0).then_some(UnixMillis(ms)), end))
}

/// The fields of a large hash.
#[derive(Clone, Debug)]
pub(super) struct HashTable {
    fields: MemberTable<Member>,
    member_heap_bytes: usize,
    /// How long all fields and values are as elements.
    packed_bytes: usize,
    /// When fields expire, and their hashes.
    expiries: BTreeSet<(UnixMillis, u64)>,
}

impl HashTable {
    /// A table that is about to get so many fields.
    pub(super) fn for_fields(fields: usize) -> Self {
        Self {
            fields: MemberTable::for_items(fields),
            member_heap_bytes: 0,
            packed_bytes: 0,
            expiries: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// How many fields have not expired.
    pub(super) fn live_len(&self, now: UnixMillis) -> usize {
        self.len() - self.expiries.range(..=(now, u64::MAX)).count()
    }

    /// When the first field expires, if any does.
    pub(super) fn earliest_expiry(&self) -> Option<UnixMillis> {
        self.expiries.first().map(|&(at, _)| at)
    }

    /// Whether any field expires.
    pub(super) fn has_expiries(&self) -> bool {
        !self.expiries.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, name: Element<'_>) -> Option<Field<'_>> {
        let wanted = Encoded::from(name);
        self.fields.find(element_hash(name), |member| member.is(&wanted)).map(field)
    }

    /// See [`MemberTable::warm`].
    pub(super) fn warm(&self, hashes: &[u64]) {
        self.fields.warm(hashes);
        hashes.iter().filter_map(|&hash| self.fields.candidate(hash)).for_each(Member::prefetch);
    }

    /// Sets a field; true where it is new.
    pub(super) fn set(&mut self, name: Element<'_>, value: Element<'_>, expiry: Option<UnixMillis>) -> bool {
        let hash = element_hash(name);
        let wanted = Encoded::from(name);
        let elements = [wanted, value.into(), encoded_expiry(expiry)];
        let member = Member::new(if expiry.is_some() { &elements } else { &elements[..2] });
        self.member_heap_bytes += member.heap_bytes();
        self.packed_bytes += elements[0].len() + elements[1].len();
        let old = match self.fields.find_mut(hash, |member| member.is(&wanted)) {
            Some(place) => Some(std::mem::replace(place, member)),
            None => {
                self.fields.insert(hash, member, |member| element_hash(member.first()));
                None
            }
        };
        if let Some(old) = &old {
            self.forget(hash, old);
        }
        if let Some(at) = expiry {
            self.expiries.insert((at, hash));
        }
        old.is_none()
    }

    /// Takes a field out; false where there is none.
    pub(super) fn remove(&mut self, name: Element<'_>) -> bool {
        let wanted = Encoded::from(name);
        let hash = element_hash(name);
        let removed = self.fields.remove(hash, |member| member.is(&wanted));
        if let Some(member) = &removed {
            self.forget(hash, member);
        }
        removed.is_some()
    }

    /// Takes expired fields out, not too many at once. Returns how many.
    pub(super) fn purge_expired(&mut self, now: UnixMillis) -> usize {
        let mut purged = 0;
        while purged < PURGED_AT_ONCE
            && let Some(&(at, hash)) = self.expiries.first()
            && at.is_due(now)
        {
            let removed = self.fields.remove(hash, |member| field(member).expiry == Some(at));
            match &removed {
                Some(member) => self.forget(hash, member),
                None => drop(self.expiries.pop_first()),
            }
            purged += usize::from(removed.is_some());
        }
        purged
    }

    /// Takes a member that is no longer in the table out of all totals.
    fn forget(&mut self, hash: u64, member: &Member) {
        self.member_heap_bytes -= member.heap_bytes();
        self.packed_bytes -= member.elements(2).len();
        if let Some(at) = field(member).expiry {
            self.expiries.remove(&(at, hash));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.fields.iter().map(field)
    }

    /// See [`MemberTable::scan`].
    pub(super) fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Field<'a>)) -> u64 {
        self.fields.scan(cursor, count, |member| visit(field(member)))
    }

    /// See [`MemberTable::random`].
    pub(super) fn random(&self, random: impl FnMut() -> u64) -> Option<Field<'_>> {
        self.fields.random(random).map(field)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.fields.heap_bytes() + self.member_heap_bytes + self.expiries.len() * EXPIRY_BYTES
    }

    /// [`Self::heap_bytes`], counted anew.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        let member_bytes: usize = self.fields.iter().map(Member::heap_bytes).sum();
        self.fields.heap_bytes() + member_bytes + self.expiries.len() * EXPIRY_BYTES
    }

    /// How long what [`Self::encode_piece`] writes is at most.
    pub(super) fn payload_bytes(&self) -> usize {
        // An expiry takes at most nine bytes, its absence one.
        let expiry_bytes = if self.has_expiries() { self.len() + 8 * self.expiries.len() } else { 0 };
        size_of::<u32>() + self.packed_bytes + expiry_bytes
    }

    /// Positions are leaves of the table.
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        let end = out.len() + PIECE_BYTES;
        if position == 0 {
            let count = u32::try_from(self.len()).expect("a value in a record has fewer fields than bytes");
            out.extend_from_slice(&count.to_le_bytes());
        }
        for (leaf, members) in self.fields.leaves_from(position) {
            if out.len() >= end {
                return Some(leaf);
            }
            for member in members {
                out.extend_from_slice(member.elements(2));
                if self.has_expiries() {
                    encoded_expiry(field(member).expiry).append::<false>(out);
                }
            }
        }
        None
    }

    pub(super) fn decode(has_expiries: bool, payload: &[u8]) -> Option<Self> {
        let (count, elements) = payload.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let stride = if has_expiries { 3 } else { 2 };
        if Pack::check(elements)? != count.checked_mul(stride)? {
            return None;
        }
        let mut table = Self::for_fields(count);
        let mut at = 0;
        while let Some((field, end)) = Field::at(Pack::new(elements), at, has_expiries) {
            table.set(field.name, field.value, field.expiry);
            at = end;
        }
        // A field that is there twice, or an expiry that is none.
        (table.len() == count && count > 0 && has_expiries == table.has_expiries()).then_some(table)
    }
}

impl PartialEq for HashTable {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|field| other.get(field.name) == Some(field))
    }
}

impl Eq for HashTable {}

/// A member's field. Where it does not expire, a zero or nothing follows the value.
#[inline]
fn field(member: &Member) -> Field<'_> {
    let pack = member.pack();
    let (mut field, at) = Field::at(pack, 0, false).expect("a member of a hash has a field and a value");
    field.expiry = read_expiry(pack, at).and_then(|(expiry, _)| expiry);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_has_expired_is_taken_away_at_a_time() {
        let mut table = HashTable::for_fields(0);
        let count = 3 * PURGED_AT_ONCE as i64;
        for field in 0..count {
            let expiry = (field % 2 == 0).then_some(UnixMillis(1 + field as u64));
            assert!(table.set(Element::Integer(field), Element::Bytes(b"a value"), expiry));
        }
        let now = UnixMillis(count as u64);
        assert_eq!((table.len(), table.live_len(now)), (3000, 1500));
        assert_eq!(
            [table.purge_expired(now), table.purge_expired(now), table.purge_expired(now)],
            [1000, 500, 0]
        );
        assert_eq!((table.len(), table.live_len(now), table.has_expiries()), (1500, 1500, false));
    }

    #[test]
    fn a_value_of_any_length_is_told_from_an_expiry() {
        let mut table = HashTable::for_fields(0);
        for length in 0..20 {
            let value = vec![b'v'; length];
            for (name, expiry) in [(b"p", None), (b"e", Some(UnixMillis(5 + length as u64)))] {
                table.set(Element::Bytes(name), Element::Bytes(&value), expiry);
                let field = table.get(Element::Bytes(name)).unwrap();
                assert_eq!((field.value, field.expiry), (Element::Bytes(&value[..]), expiry));
            }
        }
        assert_eq!(table.expiries.len(), 1);
    }
}
