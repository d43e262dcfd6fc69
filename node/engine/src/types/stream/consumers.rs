//! The consumers of a group. Each has a number, by which pending entries name it, and stands in the order of names.

use protocol::StreamId;

use super::IdMap;

/// One of those who read as a group.
#[derive(Clone)]
pub struct Consumer {
    pub name: Box<[u8]>,
    /// When it last asked for something, unix ms.
    pub seen_ms: i64,
    /// What it has been given and has not acknowledged.
    pub pending: IdMap<()>,
    /// It was removed by another node while it was given something here: it is there as long as that is pending.
    pub leaving: bool,
}

/// See the [module's page](self).
#[derive(Clone, Default)]
pub struct Consumers {
    /// By number.
    all: Vec<Option<Box<Consumer>>>,
    /// Numbers that are not in use.
    free: Vec<u32>,
    /// Numbers in the order of names.
    sorted: Vec<u32>,
}

impl Consumers {
    /// With whom is what XNACK has given back. As long as no client calls itself so it has never been seen, and is not shown.
    pub const NOBODY: &[u8] = b"";

    /// Those who read, in the order of names.
    pub fn shown(&self) -> impl Iterator<Item = &Consumer> {
        self.iter().filter(|consumer| !consumer.is_nobody())
    }

    pub fn shown_len(&self) -> usize {
        self.len() - usize::from(self.get(Consumers::NOBODY).is_some_and(Consumer::is_nobody))
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// In the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.sorted.iter().map(|number| self.at(*number))
    }

    pub fn get(&self, name: &[u8]) -> Option<&Consumer> {
        self.number(name).map(|number| self.at(number))
    }

    /// The consumer with a number that a pending entry has.
    pub fn at(&self, number: u32) -> &Consumer {
        let consumer = self.all.get(number as usize).and_then(Option::as_deref);
        consumer.unwrap_or_else(|| panic!("no consumer has the number {number}"))
    }

    pub fn number(&self, name: &[u8]) -> Option<u32> {
        self.place(name).ok().map(|at| self.sorted[at])
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.sorted.binary_search_by(|number| (*self.at(*number).name).cmp(name))
    }

    fn at_mut(&mut self, number: u32) -> &mut Consumer {
        let consumer = self.all.get_mut(number as usize).and_then(Option::as_deref_mut);
        consumer.unwrap_or_else(|| panic!("no consumer has the number {number}"))
    }

    pub(super) fn pending_mut(&mut self, number: u32) -> &mut IdMap<()> {
        &mut self.at_mut(number).pending
    }

    /// Adds a consumer, or notes that it has been seen. True if it is new.
    pub fn see(&mut self, name: &[u8], now_ms: i64) -> bool {
        let at = match self.place(name) {
            Ok(at) => {
                let consumer = self.at_mut(self.sorted[at]);
                (consumer.seen_ms, consumer.leaving) = (now_ms, false);
                return false;
            }
            Err(at) => at,
        };
        let consumer = Box::new(Consumer {
            name: name.into(),
            seen_ms: now_ms,
            pending: IdMap::default(),
            leaving: false,
        });
        let number = self.free.pop().unwrap_or(self.all.len() as u32);
        if number as usize == self.all.len() {
            self.all.push(Some(consumer));
        } else {
            self.all[number as usize] = Some(consumer);
        }
        self.sorted.insert(at, number);
        true
    }

    /// A consumer is there only as long as something is pending with it.
    pub(super) fn leave(&mut self, name: &[u8]) {
        if let Ok(at) = self.place(name) {
            let number = self.sorted[at];
            self.at_mut(number).leaving = true;
            self.part_with(number);
        }
    }

    /// Takes a consumer out that is leaving and has nothing pending any more.
    pub(super) fn part_with(&mut self, number: u32) {
        let consumer = self.at(number);
        if consumer.leaving && consumer.pending.is_empty() {
            let name = consumer.name.clone();
            self.remove(&name);
        }
    }

    /// Takes a consumer out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Box<Consumer>> {
        let at = self.place(name).ok()?;
        let number = self.sorted.remove(at);
        self.free.push(number);
        self.all[number as usize].take()
    }

    /// Bytes allocated.
    pub fn heap_bytes(&self) -> usize {
        let own =
            |consumer: &Consumer| size_of::<Consumer>() + consumer.name.len() + consumer.pending.heap_bytes();
        self.all.capacity() * size_of::<usize>()
            + (self.free.capacity() + self.sorted.capacity()) * size_of::<u32>()
            + self.iter().map(own).sum::<usize>()
    }
}

impl Consumer {
    /// See [`Consumers::NOBODY`].
    pub fn is_nobody(&self) -> bool {
        self.name.is_empty() && self.seen_ms == 0
    }

    /// The ids of what is pending with it, from one to another.
    pub fn pending_range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.range(from, to).map(|(id, ())| id)
    }
}
