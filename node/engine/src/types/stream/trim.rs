//! Trimming: which entries go, and their going.
//!
//! What is to go is decided where the command runs and named by the highest id that goes: so every node removes the same
//! entries. A node of the stream whose entries all go is dropped, in others they are marked.

use protocol::StreamId;

use super::Stream;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub keep: Keep,
    /// Only whole nodes.
    pub approximate: bool,
    /// Entries that go at most, as whole nodes are counted; 0: any number.
    pub limit: u64,
}

/// What is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many entries.
    MaxLen(u64),
    /// Entries with this id or a higher one.
    MinId(StreamId),
}

impl Trim {
    /// The highest id that is to go, if any is.
    pub fn through(&self, stream: &Stream) -> Option<StreamId> {
        let (mut left, mut gone, mut through) = (stream.len, 0, None);
        for (key, node) in stream.nodes.iter() {
            let live = node.live();
            let done = matches!(self.keep, Keep::MaxLen(max) if left <= max);
            if done || (self.limit > 0 && gone + live > self.limit) {
                break;
            }
            let last = node.last_id(key);
            let whole = match self.keep {
                Keep::MaxLen(max) => left - live >= max,
                Keep::MinId(id) => last < id,
            };
            if whole {
                (left, gone, through) = (left - live, gone + live, Some(last));
                continue;
            }
            if !self.approximate {
                through = match self.keep {
                    Keep::MaxLen(max) => {
                        node.live_entries(key).nth((left - max - 1) as usize).map(|entry| entry.id)
                    }
                    Keep::MinId(id) => id.previous(),
                };
            }
            break;
        }
        through
    }
}

impl Stream {
    /// Removes the entries up to an id; returns how many there were.
    pub fn trim(&mut self, through: StreamId) -> u64 {
        let mut gone = 0;
        while let Some((key, node)) = self.nodes.first() {
            if node.last_id(key) > through {
                break;
            }
            gone += node.live();
            self.nodes.remove(key);
        }
        if let Some((key, _)) = self.nodes.first()
            && let Some(node) = self.nodes.get_mut(key)
        {
            gone += node.remove_through(key, through);
        }
        self.len -= gone;
        if gone > 0 {
            self.keep_last(through);
            self.find_first();
        }
        gone
    }
}
