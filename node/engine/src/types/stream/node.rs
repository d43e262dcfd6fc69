//! A node of a stream: up to some hundred entries in one listpack, in Redis's own format. `protocol::rdb::stream_node`
//! shows it.
//!
//! The first entry says which fields most will have: entries that have just these hold their values only. A removed entry
//! is marked and stays, so that nothing moves; a node goes with its last entry that is not marked.

use protocol::StreamId;
use protocol::listpack::{Entry, Iter, Listpack, Run, View};

use super::NodeLimits;

/// Marks in an entry's flags.
const DELETED: i64 = 1;
const SHARED_FIELDS: i64 = 2;

/// See the [module's page](self). It does not know its own key, which its entries' ids are relative to.
#[derive(Clone)]
pub struct Node(Listpack);

/// A field and its value.
pub type Pair<'a> = (Entry<'a>, Entry<'a>);

/// What stands before the entries.
#[derive(Clone, Copy)]
struct Head {
    /// How many fields are shared, and where they are.
    shared: usize,
    fields: usize,
    entries: usize,
}

/// An entry where it lies.
#[derive(Clone, Copy)]
pub struct StreamEntry<'a> {
    pub id: StreamId,
    deleted: bool,
    view: View<'a>,
    at: usize,
    /// Where its fields are, if not among its values.
    fields: Option<usize>,
    values: usize,
    pairs: usize,
}

/// Entries of a node, removed ones among them.
#[derive(Clone)]
pub struct Entries<'a> {
    view: View<'a>,
    key: StreamId,
    head: Head,
    front: usize,
    back: usize,
}

/// Fields and values of an entry.
#[derive(Clone)]
pub struct Pairs<'a> {
    fields: Option<Iter<'a>>,
    values: Iter<'a>,
    left: usize,
}

fn int(view: View<'_>, at: usize) -> i64 {
    view.get(at).as_int().unwrap_or(0)
}

/// The position `count` entries after `at`; the end if there are fewer.
#[inline]
fn skip(view: View<'_>, mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        match view.next(at) {
            Some(next) => at = next,
            None => return view.end(),
        }
    }
    at
}

fn same(own: Entry<'_>, other: Entry<'_>) -> bool {
    match other {
        Entry::Str(text) => own.is_text(text),
        Entry::Int(n) => own.as_int() == Some(n),
    }
}

impl Head {
    #[inline]
    fn of(view: View<'_>) -> Head {
        let at = |index| skip(view, view.first().unwrap_or(view.end()), index);
        let shared = usize::try_from(int(view, at(2))).unwrap_or(0);
        let fields = at(3);
        let entries = skip(view, fields, shared + 1);
        Head { shared, fields, entries }
    }
}

impl Node {
    /// A node that begins with an entry, whose id is its key.
    pub fn of<'e>(fields: impl Iterator<Item = Pair<'e>> + Clone) -> Node {
        let mut run = Run::default();
        let count = fields.clone().count();
        [1, 0, count as i64].into_iter().for_each(|n| run.push(n));
        fields.clone().for_each(|(field, _)| run.push(field));
        run.push(0);
        [SHARED_FIELDS, 0, 0].into_iter().for_each(|n| run.push(n));
        fields.for_each(|(_, value)| run.push(value));
        run.push(count as i64 + 3);
        let mut node = Listpack::new();
        node.push_run(&run);
        Node(node)
    }

    /// Adopts a listpack that is known to be a node.
    pub fn from_listpack(listpack: Listpack) -> Node {
        Node(listpack)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Entries that are not removed.
    pub fn live(&self) -> u64 {
        let view = self.0.view();
        int(view, view.first().unwrap_or(view.end())) as u64
    }

    /// Whether another entry of `bytes` of text belongs here.
    pub fn has_room(&self, bytes: usize, limits: NodeLimits) -> bool {
        let view = self.0.view();
        let at = view.first().unwrap_or(view.end());
        let count = int(view, at) + int(view, skip(view, at, 1));
        self.0.total() + bytes < limits.bytes && (limits.entries == 0 || count < limits.entries as i64)
    }

    /// The node is not going to get more entries.
    pub fn close(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Adds an entry behind the last.
    pub fn push<'e>(&mut self, key: StreamId, id: StreamId, fields: impl Iterator<Item = Pair<'e>> + Clone) {
        self.put(self.0.end(), key, id, fields);
    }

    /// Adds an entry before the first one with a higher id.
    pub fn insert<'e>(
        &mut self,
        key: StreamId,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'e>> + Clone,
    ) {
        let at = self.entries(key).find(|entry| entry.id > id).map_or(self.0.end(), |entry| entry.at);
        self.put(at, key, id, fields);
    }

    fn put<'e>(
        &mut self,
        at: usize,
        key: StreamId,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'e>> + Clone,
    ) {
        let head = Head::of(self.0.view());
        let own = self.0.view().iter_from(head.fields).take(head.shared);
        let count = fields.clone().count();
        let shares =
            count == head.shared && own.zip(fields.clone()).all(|(own, (field, _))| same(own, field));
        let mut run = Run::default();
        run.push(if shares { SHARED_FIELDS } else { 0 });
        run.push(id.ms.wrapping_sub(key.ms) as i64);
        run.push(id.seq.wrapping_sub(key.seq) as i64);
        if shares {
            fields.for_each(|(_, value)| run.push(value));
            run.push(count as i64 + 3);
        } else {
            run.push(count as i64);
            fields.for_each(|(field, value)| {
                run.push(field);
                run.push(value);
            });
            run.push(2 * count as i64 + 4);
        }
        self.0.insert_run(at, &run);
        self.count(1, 0);
    }

    /// Changes the numbers of entries.
    fn count(&mut self, live: i64, dead: i64) {
        for (index, change) in [(0, live), (1, dead)] {
            if change != 0 {
                let view = self.0.view();
                let at = skip(view, view.first().unwrap_or(view.end()), index);
                let count = int(view, at) + change;
                self.0.replace(at, count);
            }
        }
    }

    /// Marks an entry as removed. False if it is not there.
    pub fn remove(&mut self, key: StreamId, id: StreamId) -> bool {
        let Some(at) = self.get(key, id).map(|entry| entry.at) else { return false };
        self.mark(at);
        self.count(-1, 1);
        true
    }

    /// Marks the entries up to an id as removed; returns how many there were.
    pub fn remove_through(&mut self, key: StreamId, through: StreamId) -> u64 {
        let mut removed = 0;
        let doomed = |entry: &StreamEntry<'_>| !entry.deleted && entry.id <= through;
        let mut marked: Vec<usize> =
            self.entries(key).take_while(|e| e.id <= through).filter(doomed).map(|e| e.at).collect();
        // From the end, as a longer mark would move what follows.
        while let Some(at) = marked.pop() {
            self.mark(at);
            removed += 1;
        }
        self.count(-removed, removed);
        removed as u64
    }

    fn mark(&mut self, at: usize) {
        let flags = int(self.0.view(), at);
        self.0.replace(at, flags | DELETED);
    }

    /// All entries, removed ones too.
    pub fn entries(&self, key: StreamId) -> Entries<'_> {
        let view = self.0.view();
        let head = Head::of(view);
        Entries { view, key, head, front: head.entries, back: view.end() }
    }

    /// The entries that are not removed.
    pub fn live_entries(&self, key: StreamId) -> impl DoubleEndedIterator<Item = StreamEntry<'_>> {
        self.entries(key).filter(|entry| !entry.deleted)
    }

    /// The entry with an id, unless it is removed.
    pub fn get(&self, key: StreamId, id: StreamId) -> Option<StreamEntry<'_>> {
        self.live_entries(key).find(|entry| entry.id == id)
    }

    /// The id of the last entry, removed or not.
    pub fn last_id(&self, key: StreamId) -> StreamId {
        self.entries(key).next_back().map_or(key, |entry| entry.id)
    }
}

impl<'a> Entries<'a> {
    #[inline]
    fn parse(&self, at: usize) -> (StreamEntry<'a>, usize) {
        let view = self.view;
        let mut numbers = view.iter_from(at);
        let mut number = || numbers.next().and_then(|entry| entry.as_int()).unwrap_or(0);
        let (flags, ms, seq) = (number(), number(), number());
        let shares = flags & SHARED_FIELDS != 0;
        let pairs = if shares { self.head.shared } else { usize::try_from(number()).unwrap_or(0) };
        let values = numbers.position();
        let entry = StreamEntry {
            id: StreamId {
                ms: self.key.ms.wrapping_add_signed(ms),
                seq: self.key.seq.wrapping_add_signed(seq),
            },
            deleted: flags & DELETED != 0,
            view,
            at,
            fields: shares.then_some(self.head.fields),
            values,
            pairs,
        };
        (entry, values)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = StreamEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<StreamEntry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (entry, values) = self.parse(self.front);
        let cells = if entry.fields.is_some() { entry.pairs } else { 2 * entry.pairs };
        self.front = skip(self.view, values, cells + 1);
        Some(entry)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let mut at = self.view.prev(self.back)?;
        for _ in 0..int(self.view, at) {
            at = self.view.prev(at)?;
        }
        self.back = at;
        Some(self.parse(at).0)
    }
}

impl<'a> StreamEntry<'a> {
    pub fn pair_count(&self) -> usize {
        self.pairs
    }

    pub fn pairs(&self) -> Pairs<'a> {
        Pairs {
            fields: self.fields.map(|at| self.view.iter_from(at)),
            values: self.view.iter_from(self.values),
            left: self.pairs,
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        self.left = self.left.checked_sub(1)?;
        let field = match &mut self.fields {
            Some(fields) => fields.next()?,
            None => self.values.next()?,
        };
        Some((field, self.values.next()?))
    }
}
