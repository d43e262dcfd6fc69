//! Hashes: fields, each with a value.
//!
//! ```text
//! listpack    field value field value ...          in the order of arrival; found by walking
//! hashtable   table  field -> [lengths, field, value]   one allocation per field
//! ```
//!
//! The first becomes the second when it outgrows `hash-max-listpack-entries` or `-value`, and never back.

mod big;
mod sample;
#[cfg(test)]
mod tests;

use protocol::Malformed;
use protocol::listpack::{Entry, Listpack};
use smallvec::SmallVec;

use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::tuning::Tuning;
use crate::types::{Either, member_hash};
use crate::value::{Value, ValueMut};
use big::Big;

/// A hash. See the [module's page](self).
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    /// Field, value, field, value.
    Packed(Listpack),
    Big(Box<Big>),
}

/// What a listpack may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: usize,
    /// Longest field or value, bytes.
    pub value: usize,
}

impl Limits {
    pub fn of(tuning: &Tuning) -> Limits {
        Limits { entries: tuning.hash_max_listpack_entries, value: tuning.hash_max_listpack_value }
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash(Form::Packed(Listpack::new()))
    }
}

impl Hash {
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len() / 2,
            Form::Big(big) => big.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.is_empty(),
            Form::Big(big) => big.len() == 0,
        }
    }

    /// See [`Value::free_effort`].
    pub fn free_effort(&self) -> usize {
        match &self.0 {
            Form::Packed(_) => 1,
            Form::Big(big) => big.len(),
        }
    }

    /// The encoding as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Big(_) => "hashtable",
        }
    }

    /// Bytes allocated for the fields. Linear in the size of the table's directory.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.capacity(),
            Form::Big(big) => size_of::<Big>() + big.heap_bytes(),
        }
    }

    /// The listpack, for saving, if that is what the hash is.
    pub fn listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Form::Packed(packed) => Some(packed),
            Form::Big(_) => None,
        }
    }

    /// Adopts a listpack from outside: checks that it has pairs and no field twice.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Result<Hash, Malformed> {
        let broken = |rule| Err(Malformed { format: "hash", offset: 0, rule });
        if listpack.len() % 2 == 1 {
            return broken("a field without a value");
        }
        if has_repeats(&listpack) {
            return broken("a field occurs twice");
        }
        let long = |text: Entry<'_>| text.text_len() > limits.value;
        let large = listpack.len() / 2 > limits.entries || listpack.iter().any(long);
        let mut hash = Hash(Form::Packed(listpack));
        if large {
            hash.grow();
        }
        Ok(hash)
    }

    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Entry<'_>> {
        match &self.0 {
            Form::Packed(packed) => packed.find_value(field),
            Form::Big(big) => big.get(field).map(Entry::Str),
        }
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.find_first(field, 1).is_some(),
            Form::Big(big) => big.get(field).is_some(),
        }
    }

    /// All fields with their values: a listpack's in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (Entry<'_>, Entry<'_>)> {
        match &self.0 {
            Form::Packed(packed) => Either::Left(packed.pairs()),
            Form::Big(big) => Either::Right(big.iter().map(|(f, v)| (Entry::Str(f), Entry::Str(v)))),
        }
    }

    /// Hands over at least `count` fields from `cursor` on, if there are as many; returns the cursor to go on with,
    /// 0 at the end. Fields present from the first call to the last are handed over once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>, Entry<'a>)) -> u64 {
        match &self.0 {
            Form::Packed(packed) => {
                packed.pairs().for_each(|(field, value)| each(field, value));
                0
            }
            Form::Big(big) => big.scan(cursor, count, |f, v| each(Entry::Str(f), Entry::Str(v))),
        }
    }

    /// Gives a field a value; `absent`: only if it has none.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8], absent: bool, limits: Limits) -> Outcome {
        if let Form::Packed(packed) = &mut self.0 {
            let fits = field.len() <= limits.value && value.len() <= limits.value;
            // An entry takes ten bytes beyond its text, which `has_room_for` counts once.
            if fits && packed.has_room_for(field.len() + value.len() + 10) {
                let outcome = set_packed(packed, field, value, absent);
                if outcome == Outcome::Created && packed.len() > limits.entries.saturating_mul(2) {
                    self.grow();
                }
                return outcome;
            }
            if absent && packed.find_first(field, 1).is_some() {
                return Outcome::Unchanged;
            }
            self.grow();
        }
        match &mut self.0 {
            Form::Packed(packed) => set_packed(packed, field, value, absent),
            Form::Big(big) => big.set(field, value, absent),
        }
    }

    /// Removes a field; false if it is not there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Packed(packed) => match packed.find_first(field, 1) {
                Some(at) => packed.remove_from(at, 2) == 2,
                None => false,
            },
            Form::Big(big) => big.remove(field),
        }
    }

    /// Turns the listpack into the other form.
    fn grow(&mut self) {
        if let Form::Packed(packed) = &self.0 {
            let big = Big::from_pairs(packed.pairs()).expect("the fields of a hash are different");
            self.0 = Form::Big(Box::new(big));
        }
    }
}

/// Whether a field occurs twice.
fn has_repeats(packed: &Listpack) -> bool {
    let hash = |field: Entry<'_>| member_hash(field.text(&mut itoa::Buffer::new()));
    let mut hashes: SmallVec<[u64; 64]> = packed.pairs().map(|(field, _)| hash(field)).collect();
    hashes.sort_unstable();
    // Equal hashes of different fields are not impossible, only rare: then the fields themselves decide.
    let same_field = || Big::from_pairs(packed.pairs()).is_none();
    hashes.windows(2).any(|pair| pair[0] == pair[1]) && same_field()
}

fn set_packed(packed: &mut Listpack, field: &[u8], value: &[u8], absent: bool) -> Outcome {
    match packed.find_first(field, 1) {
        Some(_) if absent => Outcome::Unchanged,
        Some(at) => {
            let at = packed.next(at).expect("every field has a value");
            packed.replace(at, value);
            Outcome::Changed
        }
        None => {
            packed.push_pair(field, value);
            Outcome::Created
        }
    }
}

/// Gives a field of the key's hash a value. Creates the key.
pub(crate) fn apply_set(key: &mut KeyMut<'_, '_>, field: &[u8], value: &[u8], absent: bool) -> Outcome {
    let limits = Limits::of(&key.env.tuning);
    if let Some(hash) = hash_mut(key) {
        return hash.set(field, value, absent, limits);
    }
    let mut hash = Hash::default();
    hash.set(field, value, absent, limits);
    key.put_value(Value::Hash(Box::new(hash)))
}

/// Removes a field of the key's hash, and the key with the last one.
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, field: &[u8]) -> Outcome {
    let Some(hash) = hash_mut(key) else { return Outcome::Unchanged };
    if !hash.remove(field) {
        return Outcome::Unchanged;
    }
    let empty = hash.is_empty();
    key.remove_if_empty(empty);
    Outcome::Changed
}

fn hash_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut Hash> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::Hash(hash)) => Some(hash),
        _ => panic!("an effect on a hash meets a value of another type"),
    }
}
