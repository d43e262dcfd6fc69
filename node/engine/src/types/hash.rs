//! Hashes: fields, each with a value, and if somebody says so with a deadline.
//!
//! ```text
//! listpack    field value field value ...          in the order of arrival; found by walking
//! hashtable   table  field -> [lengths, field, value]   one allocation per field
//! ```
//!
//! The first becomes the second when it outgrows `hash-max-listpack-entries` or `-value`, and never back.
//!
//! Deadlines are in a side table ([`Deadlines`]) that hashes without them do not have. A field whose time has come is
//! hidden from readers at once ([`LiveHash`]) and removed when the key is written to or the expiry cycle comes by.

mod apply;
mod big;
mod live;
mod sample;
#[cfg(test)]
mod tests;

use protocol::Malformed;
use protocol::listpack::{Entry, Listpack};
use smallvec::SmallVec;

use crate::effect::Outcome;
use crate::tuning::Tuning;
use crate::types::{Deadlines, Either, member_hash};
pub(crate) use apply::{apply_del, apply_edit, apply_expire, apply_set, fold_del, fold_set};
use big::Big;
pub use live::LiveHash;

/// A hash. See the [module's page](self).
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    /// A small hash without deadlines: what most are, so they take no more than this.
    Plain(Listpack),
    Rich(Box<Rich>),
}

#[derive(Clone)]
struct Rich {
    fields: Fields,
    deadlines: Option<Deadlines>,
}

#[derive(Clone)]
enum Fields {
    /// Field, value, field, value.
    Packed(Listpack),
    Big(Big),
}

/// [`Fields`], borrowed from either form.
#[derive(Clone, Copy)]
enum View<'a> {
    Packed(&'a Listpack),
    Big(&'a Big),
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
        Hash(Form::Plain(Listpack::new()))
    }
}

impl Hash {
    #[inline]
    fn view(&self) -> View<'_> {
        match &self.0 {
            Form::Plain(packed) => View::Packed(packed),
            Form::Rich(rich) => match &rich.fields {
                Fields::Packed(packed) => View::Packed(packed),
                Fields::Big(big) => View::Big(big),
            },
        }
    }

    /// Brings what is looked for next into the cache.
    pub(crate) fn prefetch<'a>(&self, fields: impl Iterator<Item = &'a [u8]>) {
        if let View::Big(big) = self.view() {
            big.table.prefetch(fields.map(member_hash));
        }
    }

    /// Fields, those included that are due.
    pub fn len(&self) -> usize {
        match self.view() {
            View::Packed(packed) => packed.len() / 2,
            View::Big(big) => big.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self.view() {
            View::Packed(packed) => packed.is_empty(),
            View::Big(big) => big.len() == 0,
        }
    }

    /// See [`Value::free_effort`](crate::value::Value::free_effort).
    pub fn free_effort(&self) -> usize {
        let fields = match self.view() {
            View::Packed(_) => 1,
            View::Big(big) => big.len(),
        };
        fields + self.deadlines().map_or(0, Deadlines::free_effort)
    }

    /// The encoding as OBJECT ENCODING names it, in 7.4 if there are deadlines.
    pub fn encoding(&self) -> &'static str {
        match self.view() {
            View::Packed(_) if self.deadlines().is_some() => "listpackex",
            View::Packed(_) => "listpack",
            View::Big(_) => "hashtable",
        }
    }

    /// Bytes allocated for the fields. Linear in the size of the table's directory.
    pub fn heap_bytes(&self) -> usize {
        let fields = match self.view() {
            View::Packed(packed) => packed.capacity(),
            View::Big(big) => big.heap_bytes(),
        };
        let rich = if matches!(self.0, Form::Rich(_)) { size_of::<Rich>() } else { 0 };
        fields + rich + self.deadlines().map_or(0, Deadlines::heap_bytes)
    }

    /// The listpack, for saving, if that is what holds the fields. Deadlines are not in it.
    pub fn listpack(&self) -> Option<&Listpack> {
        match self.view() {
            View::Packed(packed) => Some(packed),
            View::Big(_) => None,
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
        let mut hash = Hash(Form::Plain(listpack));
        if large {
            hash.grow();
        }
        Ok(hash)
    }

    /// The deadlines of the fields that have one.
    #[inline]
    pub fn deadlines(&self) -> Option<&Deadlines> {
        match &self.0 {
            Form::Plain(_) => None,
            Form::Rich(rich) => rich.deadlines.as_ref(),
        }
    }

    /// The earliest deadline of a field, unix ms.
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines().map(Deadlines::next)
    }

    /// The hash as it is at `now`: what readers are shown.
    #[inline]
    pub fn live(&self, now: u64) -> LiveHash<'_> {
        LiveHash::new(self, now)
    }

    /// All fields with their values, those included that are due: a listpack's in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (Entry<'_>, Entry<'_>)> {
        match self.view() {
            View::Packed(packed) => Either::Left(packed.pairs()),
            View::Big(big) => Either::Right(big.iter().map(|(f, v)| (Entry::Str(f), Entry::Str(v)))),
        }
    }

    /// A field's value, due or not.
    #[inline]
    fn get(&self, field: &[u8]) -> Option<Entry<'_>> {
        match self.view() {
            View::Packed(packed) => packed.find_value(field),
            View::Big(big) => big.get(field).map(Entry::Str),
        }
    }

    /// Makes room for fields and values that are about to come, if they stay packed.
    pub(crate) fn make_room<'e>(&mut self, limits: Limits, texts: impl ExactSizeIterator<Item = &'e [u8]>) {
        if let Form::Plain(packed) = &mut self.0
            && packed.len() + texts.len() <= limits.entries * 2
        {
            packed.reserve(texts.map(Listpack::entry_bytes).sum());
        }
    }

    /// Gives a field a value; `absent`: only if it has none. Its deadline is forgotten. A field that is due is not there.
    pub(crate) fn set(
        &mut self,
        field: &[u8],
        value: &[u8],
        absent: bool,
        limits: Limits,
        now: u64,
    ) -> Outcome {
        self.drop_if_due(field, now);
        let outcome = self.put(field, value, absent, limits);
        if outcome == Outcome::Changed {
            self.expire_at(field, None);
        }
        outcome
    }

    /// Gives a field a value that continues the old one: its deadline stays.
    pub(crate) fn edit(&mut self, field: &[u8], value: &[u8], limits: Limits, now: u64) -> Outcome {
        self.drop_if_due(field, now);
        self.put(field, value, false, limits)
    }

    /// Removes a field; false if it is not there or is due.
    pub(crate) fn remove(&mut self, field: &[u8], now: u64) -> bool {
        if self.drop_if_due(field, now) {
            return false;
        }
        self.expire_at(field, None);
        self.take(field)
    }

    /// Sets or forgets the deadline of a field that is there; false if that changes nothing.
    pub(crate) fn expire_at(&mut self, field: &[u8], deadline: Option<u64>) -> bool {
        let Some(deadline) = deadline else { return self.forget(field) };
        if self.deadlines().and_then(|d| d.get(field)) == Some(deadline) {
            return false;
        }
        self.rich().deadlines.get_or_insert_default().set(field, deadline);
        true
    }

    /// Removes up to `max` fields that are due; returns how many.
    pub(crate) fn reclaim(&mut self, now: u64, max: usize) -> usize {
        let mut removed = 0;
        while removed < max
            && let Some(field) = self.deadlines().and_then(|d| d.first_due(now))
        {
            self.forget(&field);
            self.take(&field);
            removed += 1;
        }
        removed
    }

    fn drop_if_due(&mut self, field: &[u8], now: u64) -> bool {
        let due = self.deadlines().and_then(|d| d.due(now)).is_some_and(|due| due.hides(field));
        if due {
            self.forget(field);
            self.take(field);
        }
        due
    }

    fn put(&mut self, field: &[u8], value: &[u8], absent: bool, limits: Limits) -> Outcome {
        if let Some(packed) = self.packed_mut() {
            let fits = field.len() <= limits.value && value.len() <= limits.value;
            // An entry takes ten bytes beyond its text, which `has_room_for` counts once.
            if fits && packed.has_room_for(field.len() + value.len() + 10) {
                let outcome = put_packed(packed, field, value, absent);
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
        match &mut self.rich().fields {
            Fields::Packed(packed) => put_packed(packed, field, value, absent),
            Fields::Big(big) => big.set(field, value, absent),
        }
    }

    fn take(&mut self, field: &[u8]) -> bool {
        if let Some(packed) = self.packed_mut() {
            return match packed.find_first(field, 1) {
                Some(at) => packed.remove_from(at, 2) == 2,
                None => false,
            };
        }
        match &mut self.rich().fields {
            Fields::Packed(_) => false,
            Fields::Big(big) => big.remove(field),
        }
    }

    /// Forgets a field's deadline, and with the last the table of them.
    fn forget(&mut self, field: &[u8]) -> bool {
        let Form::Rich(rich) = &mut self.0 else { return false };
        let Some(deadlines) = &mut rich.deadlines else { return false };
        let forgotten = deadlines.remove(field);
        if deadlines.is_empty() {
            rich.deadlines = None;
        }
        forgotten
    }

    #[inline]
    fn packed_mut(&mut self) -> Option<&mut Listpack> {
        match &mut self.0 {
            Form::Plain(packed) => Some(packed),
            Form::Rich(rich) => match &mut rich.fields {
                Fields::Packed(packed) => Some(packed),
                Fields::Big(_) => None,
            },
        }
    }

    /// The form that may have everything; the hash takes it on.
    fn rich(&mut self) -> &mut Rich {
        if let Form::Plain(packed) = &mut self.0 {
            let fields = Fields::Packed(std::mem::take(packed));
            self.0 = Form::Rich(Box::new(Rich { fields, deadlines: None }));
        }
        match &mut self.0 {
            Form::Rich(rich) => rich,
            Form::Plain(_) => unreachable!("made rich above"),
        }
    }

    /// Turns the listpack into a table.
    fn grow(&mut self) {
        let rich = self.rich();
        if let Fields::Packed(packed) = &rich.fields {
            let big = Big::from_pairs(packed.pairs()).expect("the fields of a hash are different");
            rich.fields = Fields::Big(big);
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

fn put_packed(packed: &mut Listpack, field: &[u8], value: &[u8], absent: bool) -> Outcome {
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
