//! Hashes: packs of fields and values while they are small, tables from then on.
//!
//! The representation follows Redis' so that `OBJECT ENCODING` does: a hash becomes a table when it has more fields, or
//! a longer field or value, than its limits say, and stays one. A pack whose fields have had an expiry keeps a place for
//! one behind each value.
//!
//! A field that has expired is there until [`HashValue::purge_expired`] takes it away, but nobody sees it: all that
//! reads a hash is told the time.
//!
//! | encoding | payload |
//! |---|---|
//! | listpack | the number of fields (2 bytes) and a pack: field, value, field, value, ... |
//! | listpackex | the same with the top bit of the number set, and an integer behind each value: when the field expires, in Unix milliseconds, or 0 |
//! | hashtable | the number of fields (4 bytes) and a pack as for listpack, in no order |
//! | hashtable, some fields expire | the same with a pack as for listpackex |

mod table;
#[cfg(test)]
mod tests;

use super::Encoding;
use super::counted_pack::CountedPack;
use super::element::{Element, Encoded};
use super::pack::{Pack, PackEditor};
use crate::time::UnixMillis;
use table::{Field, HashTable, encoded_expiry};

/// Up to which size a collection is a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackLimits {
    /// How many entries it may have.
    pub entries: usize,
    /// How long, in bytes, each part of an entry may be.
    pub element_bytes: usize,
}

/// A hash value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashValue(Form);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// Flagged where there are expiries.
    Small(CountedPack),
    Large(Box<HashTable>),
}

impl Default for HashValue {
    fn default() -> Self {
        Self::new()
    }
}

impl HashValue {
    /// A hash without fields, which is no value of a key yet.
    pub fn new() -> Self {
        Self(Form::Small(CountedPack::new(false)))
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
            Form::Small(pack) if pack.is_flagged() => Encoding::ListPackEx,
            Form::Small(_) => Encoding::ListPack,
            Form::Large(table) if table.has_expiries() => Encoding::HashTableEx,
            Form::Large(_) => Encoding::HashTable,
        }
    }

    /// How many fields there are, those included that have expired and were not taken away yet.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.count(),
            Form::Large(table) => table.len(),
        }
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any field may expire. Otherwise [`Self::len`] is what clients see.
    pub fn may_expire(&self) -> bool {
        matches!(self.encoding(), Encoding::ListPackEx | Encoding::HashTableEx)
    }

    /// How many fields there are for a client at this time.
    pub fn live_len(&self, now: UnixMillis) -> usize {
        match &self.0 {
            Form::Small(pack) if pack.is_flagged() => {
                self.fields().filter(|field| field.is_live(now)).count()
            }
            Form::Small(pack) => pack.count(),
            Form::Large(table) => table.live_len(now),
        }
    }

    fn field(&self, name: &[u8], now: UnixMillis) -> Option<Field<'_>> {
        let name = Element::of(name);
        let field = match &self.0 {
            Form::Small(pack) => {
                let at = pack.find(&name.into(), stride(pack))?;
                Field::at(pack.pack(), at, pack.is_flagged())?.0
            }
            Form::Large(table) => table.get(name)?,
        };
        field.is_live(now).then_some(field)
    }

    /// A field's value.
    #[inline]
    pub fn get(&self, name: &[u8], now: UnixMillis) -> Option<Element<'_>> {
        self.field(name, now).map(|field| field.value)
    }

    /// When a field expires, if it does; `None` where there is no such field.
    pub fn expiry(&self, name: &[u8], now: UnixMillis) -> Option<Option<UnixMillis>> {
        self.field(name, now).map(|field| field.expiry)
    }

    /// All fields with their values.
    pub fn iter(&self, now: UnixMillis) -> impl Iterator<Item = (Element<'_>, Element<'_>)> + Clone {
        self.fields().filter(move |field| field.is_live(now)).map(|field| (field.name, field.value))
    }

    /// All fields with their values and expiries, whether or not they have expired.
    pub fn iter_with_expiries(
        &self,
    ) -> impl Iterator<Item = (Element<'_>, Element<'_>, Option<UnixMillis>)> + Clone {
        self.fields().map(|field| (field.name, field.value, field.expiry))
    }

    fn fields(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        let (small, large) = match &self.0 {
            Form::Small(pack) => {
                let has_expiry = pack.is_flagged();
                (Some(PackedFields { pack: pack.pack(), at: CountedPack::START, has_expiry }), None)
            }
            Form::Large(table) => (None, Some(table.iter())),
        };
        small.into_iter().flatten().chain(large.into_iter().flatten())
    }

    /// Visits fields and values from a cursor on, about as many as `count`, and returns the cursor behind them: 0 at the
    /// end, as at the start. A small hash is visited as a whole.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        now: UnixMillis,
        mut visit: impl FnMut(Element<'a>, Element<'a>),
    ) -> u64 {
        let mut visit = |field: Field<'a>| {
            if field.is_live(now) {
                visit(field.name, field.value);
            }
        };
        match &self.0 {
            Form::Small(_) => {
                self.fields().for_each(visit);
                0
            }
            Form::Large(table) => table.scan(cursor, count, &mut visit),
        }
    }

    /// Any field with its value, each as likely as any other. `random` gives uniformly distributed bits.
    pub fn random(
        &self,
        now: UnixMillis,
        mut random: impl FnMut() -> u64,
    ) -> Option<(Element<'_>, Element<'_>)> {
        match &self.0 {
            Form::Large(table) if table.live_len(now) == table.len() => {
                table.random(random).map(|field| (field.name, field.value))
            }
            _ => {
                let live = self.live_len(now) as u64;
                let index = random().checked_rem(live)?;
                self.iter(now).nth(index as usize)
            }
        }
    }

    /// Makes the hash a table if it cannot stay a pack with so many new fields, or any part as long as `longest` bytes:
    /// what Redis does before it sets anything.
    pub fn prepare(&mut self, new_fields: usize, longest: usize, limits: PackLimits) {
        if new_fields > limits.entries || longest > limits.element_bytes {
            self.become_table(new_fields);
        }
    }

    /// Sets a field; true where it is new. The field does not expire from then on.
    pub fn set(&mut self, name: &[u8], value: &[u8], limits: PackLimits) -> bool {
        self.set_with_expiry(name, value, None, limits)
    }

    /// Sets a field and when it expires; true where it is new.
    pub fn set_with_expiry(
        &mut self,
        name: &[u8],
        value: &[u8],
        expiry: Option<UnixMillis>,
        limits: PackLimits,
    ) -> bool {
        self.prepare(0, name.len().max(value.len()), limits);
        if expiry.is_some() {
            self.make_room_for_expiries();
        }
        let (name, value) = (Element::of(name), Element::of(value));
        if let Form::Small(pack) = &mut self.0 {
            let (stride, max_count) = (stride(pack), limits.entries.min(CountedPack::MAX_COUNT));
            let elements = [Encoded::from(name), value.into(), encoded_expiry(expiry)];
            if let Some(at) = pack.find(&elements[0], stride) {
                let value_at = pack.pack().after(at);
                pack.replace(value_at, &elements[1..stride]);
                return false;
            }
            if pack.count() < max_count {
                pack.push(&elements[..stride]);
                return true;
            }
        }
        self.become_table(1).set(name, value, expiry)
    }

    /// Changes when a field expires; false where there is no such field.
    pub fn set_expiry(&mut self, name: &[u8], expiry: Option<UnixMillis>) -> bool {
        if expiry.is_some() {
            self.make_room_for_expiries();
        }
        let name = Element::of(name);
        match &mut self.0 {
            Form::Small(pack) => {
                let Some(at) = pack.find(&name.into(), stride(pack)) else { return false };
                if pack.is_flagged() {
                    let value_at = pack.pack().after(at);
                    let expiry_at = pack.pack().after(value_at);
                    pack.replace(expiry_at, &[encoded_expiry(expiry)]);
                }
            }
            Form::Large(table) => {
                let Some(field) = table.get(name) else { return false };
                let value = field.value.to_vec();
                table.set(name, Element::of(&value), expiry);
            }
        }
        true
    }

    /// Takes a field out; false where there is no such field.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let name = Element::of(name);
        match &mut self.0 {
            Form::Small(pack) => {
                let stride = stride(pack);
                let Some(at) = pack.find(&name.into(), stride) else { return false };
                pack.remove(at, stride);
                true
            }
            Form::Large(table) => table.remove(name),
        }
    }

    /// Takes fields away that have expired, perhaps not all of very many. Returns how many.
    pub fn purge_expired(&mut self, now: UnixMillis) -> usize {
        match &mut self.0 {
            Form::Small(pack) if pack.is_flagged() => {
                let (mut at, before) = (CountedPack::START, pack.count());
                while let Some((field, end)) = Field::at(pack.pack(), at, true) {
                    if field.is_live(now) {
                        at = end;
                    } else {
                        pack.remove(at, 3);
                    }
                }
                before - pack.count()
            }
            Form::Small(_) => 0,
            Form::Large(table) => table.purge_expired(now),
        }
    }

    /// When the first field expires, if any does.
    pub fn earliest_expiry(&self) -> Option<UnixMillis> {
        match &self.0 {
            Form::Small(pack) if pack.is_flagged() => self.fields().filter_map(|field| field.expiry).min(),
            Form::Small(_) => None,
            Form::Large(table) => table.earliest_expiry(),
        }
    }

    fn become_table(&mut self, new_fields: usize) -> &mut HashTable {
        if let Form::Small(pack) = &self.0 {
            let mut table = HashTable::for_fields(pack.count() + new_fields);
            for field in self.fields() {
                table.set(field.name, field.value, field.expiry);
            }
            self.0 = Form::Large(Box::new(table));
        }
        match &mut self.0 {
            Form::Large(table) => table,
            Form::Small(_) => unreachable!("the hash was just made a table"),
        }
    }

    /// Puts a place for an expiry behind each value of a small hash.
    fn make_room_for_expiries(&mut self) {
        let Form::Small(pack) = &self.0 else { return };
        if pack.is_flagged() {
            return;
        }
        let mut bytes = Vec::with_capacity(pack.bytes().len() + pack.count());
        bytes.resize(CountedPack::START, 0);
        for field in self.fields() {
            let elements = [field.name.into(), field.value.into(), encoded_expiry(None)];
            let end = bytes.len();
            PackEditor::<false>(&mut bytes).insert(end, &elements);
        }
        self.0 = Form::Small(CountedPack::from_vec(true, pack.count(), bytes));
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.heap_bytes(),
            Form::Large(table) => super::allocation_bytes(size_of::<HashTable>()) + table.heap_bytes(),
        }
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Small(pack) => Some(pack.bytes()),
            Form::Large(_) => None,
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.bytes().len(),
            Form::Large(table) => table.payload_bytes(),
        }
    }

    /// See [`encode_piece`](super::codec::encode_piece).
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        match &self.0 {
            Form::Small(pack) => {
                out.extend_from_slice(pack.bytes());
                None
            }
            Form::Large(table) => table.encode_piece(position, out),
        }
    }

    pub(super) fn decode(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        let has_expiries = match encoding {
            Encoding::ListPack => false,
            Encoding::ListPackEx => true,
            Encoding::HashTable | Encoding::HashTableEx => {
                let table = HashTable::decode(encoding == Encoding::HashTableEx, payload)?;
                return Some(Self(Form::Large(Box::new(table))));
            }
            _ => return None,
        };
        let pack = CountedPack::from_payload(payload)?;
        let elements = Pack::check(pack.body())?;
        let is_well_formed =
            pack.is_flagged() == has_expiries && elements == pack.count() * stride(&pack) && elements > 0;
        let value = Self(Form::Small(pack));
        (is_well_formed && value.fields().count() == value.len()).then_some(value)
    }
}

/// How many elements of a small hash make up a field.
#[inline]
fn stride(pack: &CountedPack) -> usize {
    if pack.is_flagged() { 3 } else { 2 }
}

#[derive(Clone)]
struct PackedFields<'a> {
    pack: Pack<'a>,
    at: usize,
    has_expiry: bool,
}

impl<'a> Iterator for PackedFields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let (field, at) = Field::at(self.pack, self.at, self.has_expiry)?;
        self.at = at;
        Some(field)
    }
}
