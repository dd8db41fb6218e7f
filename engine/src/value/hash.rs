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

use super::Encoding;
use super::counted_pack::CountedPack;
use super::element::{Element, Encoded};
use super::hash_table::{Field, HashTable, encoded_expiry};
use super::pack::Pack;
use crate::time::UnixMillis;

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

    /// Whether [`Self::purge_expired`] would find anything.
    pub fn has_expired(&self, now: UnixMillis) -> bool {
        self.may_expire() && self.live_len(now) < self.len()
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
            super::pack::PackEditor::<false>(&mut bytes).insert(end, &elements);
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

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Form::Small(pack) => out.extend_from_slice(pack.bytes()),
            Form::Large(table) => table.encode(out),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::value::{Value, decode, encode};

    const LIMITS: PackLimits = PackLimits { entries: 8, element_bytes: 20 };
    const NOW: UnixMillis = UnixMillis(1000);

    fn filled(fields: usize) -> HashValue {
        let mut hash = HashValue::new();
        for field in 0..fields {
            assert!(hash.set(format!("f{field}").as_bytes(), b"v", LIMITS));
        }
        hash
    }

    /// What a record of the value is read back as.
    fn stored(hash: &HashValue) -> HashValue {
        let mut payload = Vec::new();
        let value = Value::from(hash.clone());
        encode(&value, &mut payload);
        assert!(payload.len() <= hash.payload_bytes());
        let value = decode(value.value_type(), value.encoding(), &payload).expect("what was just written");
        value.as_hash().expect("a hash").clone()
    }

    /// The heap memory of a value that was never larger, and of one that grew.
    fn recount(hash: &HashValue) -> usize {
        match &hash.0 {
            Form::Small(pack) => super::super::allocation_bytes(pack.bytes().len()),
            Form::Large(table) => super::super::allocation_bytes(size_of::<HashTable>()) + table.recount(),
        }
    }

    #[test]
    fn a_hash_with_too_many_fields_becomes_a_table() {
        let mut hash = filled(8);
        assert_eq!(hash.encoding(), Encoding::ListPack);
        assert!(!hash.set(b"f3", b"w", LIMITS) && hash.encoding() == Encoding::ListPack);
        assert!(hash.set(b"f8", b"v", LIMITS));
        assert_eq!((hash.encoding(), hash.len()), (Encoding::HashTable, 9));
        assert!(hash.remove(b"f8") && hash.encoding() == Encoding::HashTable);
    }

    #[test]
    fn a_hash_with_a_long_field_or_value_becomes_a_table() {
        for (name, value) in [(&[b'n'; 21][..], &b"v"[..]), (b"f1", &[b'v'; 21])] {
            let mut hash = filled(2);
            assert!(!hash.set(b"f1", &[b'v'; 20], LIMITS));
            assert_eq!(hash.encoding(), Encoding::ListPack);
            hash.set(name, value, LIMITS);
            assert_eq!(hash.encoding(), Encoding::HashTable);
            assert_eq!(hash.get(name, NOW).map(Element::to_vec), Some(value.to_vec()));
        }
    }

    #[test]
    fn however_high_the_limit_a_pack_is_bounded() {
        let limits = PackLimits { entries: 100_000, element_bytes: 64 };
        let mut pack = Vec::from([0; CountedPack::START]);
        for field in 0..CountedPack::MAX_COUNT as i64 {
            let elements = [Encoded::integer(field), Encoded::integer(0)];
            let end = pack.len();
            super::super::pack::PackEditor::<false>(&mut pack).insert(end, &elements);
        }
        let mut hash = HashValue(Form::Small(CountedPack::from_vec(false, CountedPack::MAX_COUNT, pack)));
        assert!(hash.set(b"one more", b"", limits));
        assert_eq!((hash.encoding(), hash.len()), (Encoding::HashTable, CountedPack::MAX_COUNT + 1));
    }

    #[test]
    fn expired_fields_are_invisible_before_they_are_taken_away() {
        for fields in [4, 40] {
            let mut hash = filled(fields);
            assert!(hash.set_expiry(b"f1", Some(NOW)) && hash.set_expiry(b"f2", Some(UnixMillis(1001))));
            assert!(hash.has_expired(NOW) && !hash.has_expired(UnixMillis(999)));
            assert_eq!((hash.len(), hash.live_len(NOW)), (fields, fields - 1));
            assert_eq!((hash.get(b"f1", NOW), hash.expiry(b"f1", NOW)), (None, None));
            assert_eq!(hash.expiry(b"f2", NOW), Some(Some(UnixMillis(1001))));
            assert_eq!(hash.iter(NOW).count(), fields - 1);
            let mut seen = 0;
            assert_eq!(hash.scan(0, 1000, NOW, |_, _| seen += 1), 0);
            assert_eq!(seen, fields - 1);
            assert!((0..100).all(|bits| hash.random(NOW, || bits).unwrap().0 != b"f1"[..]));
            assert_eq!((hash.purge_expired(NOW), hash.purge_expired(NOW), hash.len()), (1, 0, fields - 1));
        }
    }

    #[test]
    fn a_field_that_is_set_anew_does_not_expire() {
        for (fields, encoding) in [(4, Encoding::ListPackEx), (40, Encoding::HashTable)] {
            let mut hash = filled(fields);
            hash.set_expiry(b"f1", Some(UnixMillis(5000)));
            assert!(hash.may_expire());
            hash.set(b"f1", b"w", LIMITS);
            assert_eq!((hash.expiry(b"f1", NOW), hash.encoding()), (Some(None), encoding));
            assert!(!hash.set_expiry(b"none", None) && hash.set_expiry(b"f1", None));
        }
    }

    #[test]
    fn payloads_that_are_no_hash_are_refused() {
        for (encoding, payload) in [
            (Encoding::ListPack, &b""[..]),
            (Encoding::ListPack, b"\0\0"),
            (Encoding::ListPack, b"\x01\0\x01"),
            (Encoding::ListPack, b"\x02\0\x01\x01"),
            (Encoding::ListPack, b"\x01\x80\x01\x01\x01"),
            (Encoding::ListPackEx, b"\x01\x80\x01\x01\x81x"),
            (Encoding::ListPackEx, b"\x01\x80\x01\x01\xdf\xff"),
            (Encoding::ListPackEx, b"\x01\0\x01\x01"),
            (Encoding::HashTable, b"\0\0\0\0"),
            (Encoding::HashTable, b"\xff\xff\xff\xff\x01\x01"),
            (Encoding::HashTable, b"\x02\0\0\0\x01\x01\x01\x02"),
            (Encoding::HashTableEx, b"\x01\0\0\0\x01\x01\x00"),
            (Encoding::IntSet, b"\x01\0\x01\x01"),
        ] {
            assert_eq!(HashValue::decode(encoding, payload), None, "{encoding:?} {}", payload.escape_ascii());
        }
    }

    #[derive(Clone, Debug)]
    enum Change {
        Set(u8, Vec<u8>),
        Remove(u8),
        Expire(u8, u64),
        Persist(u8),
        Purge(u64),
    }

    fn change() -> impl Strategy<Value = Change> {
        let value = prop_oneof![
            any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..30),
        ];
        prop_oneof![
            4 => (0u8..60, value).prop_map(|(field, value)| Change::Set(field, value)),
            2 => (0u8..60).prop_map(Change::Remove),
            1 => (0u8..60, 1u64..100).prop_map(|(field, at)| Change::Expire(field, at)),
            1 => (0u8..60).prop_map(Change::Persist),
            1 => (0u64..100).prop_map(Change::Purge),
        ]
    }

    fn name(number: u8) -> Vec<u8> {
        if number.is_multiple_of(2) { number.to_string().into() } else { format!("field {number}").into() }
    }

    proptest! {
        #[test]
        fn any_changes_agree_with_a_map(
            changes in prop::collection::vec(change(), 0..150),
            entries in 0usize..60,
            with_expiries in any::<bool>(),
        ) {
            let limits = PackLimits { entries, element_bytes: 25 };
            let mut hash = HashValue::new();
            let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)> = BTreeMap::new();
            for (step, change) in changes.into_iter().enumerate() {
                match change {
                    Change::Set(number, value) => {
                        let is_new = model.insert(name(number), (value.clone(), None)).is_none();
                        prop_assert_eq!(hash.set(&name(number), &value, limits), is_new);
                    }
                    Change::Remove(number) => {
                        prop_assert_eq!(hash.remove(&name(number)), model.remove(&name(number)).is_some());
                    }
                    Change::Expire(number, at) if with_expiries => {
                        let field = model.get_mut(&name(number));
                        let expiry = Some(UnixMillis(at));
                        prop_assert_eq!(hash.set_expiry(&name(number), expiry), field.is_some());
                        field.into_iter().for_each(|field| field.1 = expiry);
                    }
                    Change::Persist(number) => {
                        let field = model.get_mut(&name(number));
                        prop_assert_eq!(hash.set_expiry(&name(number), None), field.is_some());
                        field.into_iter().for_each(|field| field.1 = None);
                    }
                    Change::Purge(at) if with_expiries => {
                        let now = UnixMillis(at);
                        let before = model.len();
                        model.retain(|_, (_, expiry)| expiry.is_none_or(|at| !at.is_due(now)));
                        prop_assert_eq!(hash.live_len(now), model.len());
                        prop_assert_eq!(hash.purge_expired(now), before - model.len());
                    }
                    _ => {}
                }
                prop_assert_eq!(hash.len(), model.len());
                prop_assert_eq!(hash.heap_bytes(), recount(&hash));
                if step % 5 == 0 && !hash.is_empty() {
                    let copy = stored(&hash);
                    prop_assert_eq!((&copy, copy.encoding()), (&hash, hash.encoding()));
                    hash = copy;
                }
                let all: BTreeMap<_, _> = hash
                    .iter_with_expiries()
                    .map(|(name, value, expiry)| (name.to_vec(), (value.to_vec(), expiry)))
                    .collect();
                prop_assert!(all == model);
                for number in 0..60 {
                    let expected = model.get(&name(number)).map(|(value, _)| value.clone());
                    prop_assert_eq!(hash.get(&name(number), UnixMillis(0)).map(Element::to_vec), expected);
                }
            }
        }

        #[test]
        fn any_payload_is_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            for encoding in
                [Encoding::ListPack, Encoding::ListPackEx, Encoding::HashTable, Encoding::HashTableEx]
            {
                if let Some(hash) = HashValue::decode(encoding, &payload) {
                    prop_assert_eq!(hash.encoding(), encoding);
                    prop_assert_eq!(hash.fields().count(), hash.len());
                }
            }
        }
    }
}
