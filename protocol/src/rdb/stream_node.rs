//! What is inside a stream's node: a listpack of entries that share what they can.
//!
//! ```text
//! node  = live dead  length field*  0   entry*              the fields most entries will have
//! entry = flags ms seq  values...                  count    if flags & 2: as many values as shared fields
//!       | flags ms seq  length (field value)*      count    otherwise
//! ```
//!
//! All but fields and values are integers. `ms` and `seq` are added to the node's key. `flags & 1` marks a deleted
//! entry. `count` is how many listpack entries there are from `flags` up to it, so that one can walk backwards.

use crate::StreamId;
use crate::listpack::{Entry, Iter, View};
use crate::malformed::Malformed;

const DELETED: i64 = 1;
const SHARED_FIELDS: i64 = 2;

/// What a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeSummary {
    /// Entries that are not deleted.
    pub live: u64,
    pub deleted: u64,
    /// The first one that is not deleted.
    pub first: Option<StreamId>,
}

/// Checks that a listpack is a stream's node with the key `key`, to the last entry; it holds one at least.
pub fn check_node(key: StreamId, node: View<'_>) -> Result<NodeSummary, Malformed> {
    let mut walk = Walk { entries: node.iter(), taken: 0 };
    let (live, deleted) = (walk.count()?, walk.count()?);
    let shared = walk.count()?;
    walk.skip(shared)?;
    if walk.integer()? != 0 {
        return Err(walk.broken("shared fields do not end in 0"));
    }
    let mut summary = NodeSummary::default();
    while !walk.at_end() {
        check_entry(key, shared, &mut walk, &mut summary)?;
    }
    if (summary.live, summary.deleted) != (live, deleted) {
        return Err(walk.broken("counts differ from the entries"));
    }
    if live + deleted == 0 {
        return Err(walk.broken("node without entries"));
    }
    Ok(summary)
}

fn check_entry(
    key: StreamId,
    shared: u64,
    walk: &mut Walk<'_>,
    summary: &mut NodeSummary,
) -> Result<(), Malformed> {
    let start = walk.taken;
    let flags = walk.integer()?;
    let (ms, seq) = (walk.integer()?, walk.integer()?);
    if flags & SHARED_FIELDS != 0 {
        walk.skip(shared)?;
    } else {
        let pairs = walk.count()?;
        walk.skip(pairs.saturating_mul(2))?;
    }
    let size = walk.taken - start;
    if walk.count()? != size {
        return Err(walk.broken("entry's count is wrong"));
    }
    if flags & DELETED != 0 {
        summary.deleted += 1;
    } else {
        summary.live += 1;
        let id = StreamId { ms: key.ms.wrapping_add_signed(ms), seq: key.seq.wrapping_add_signed(seq) };
        summary.first.get_or_insert(id);
    }
    Ok(())
}

struct Walk<'a> {
    entries: Iter<'a>,
    taken: u64,
}

impl<'a> Walk<'a> {
    fn broken(&self, rule: &'static str) -> Malformed {
        Malformed { format: "stream node", offset: self.entries.position(), rule }
    }

    fn at_end(&self) -> bool {
        self.entries.clone().next().is_none()
    }

    fn next(&mut self) -> Result<Entry<'a>, Malformed> {
        self.taken += 1;
        self.entries.next().ok_or_else(|| self.broken("entry cut off"))
    }

    fn integer(&mut self) -> Result<i64, Malformed> {
        self.next()?.as_int().ok_or_else(|| self.broken("not an integer"))
    }

    fn count(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.integer()?).map_err(|_| self.broken("negative count"))
    }

    fn skip(&mut self, count: u64) -> Result<(), Malformed> {
        (0..count).try_for_each(|_| self.next().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack::Listpack;

    const KEY: StreamId = StreamId { ms: 100, seq: 5 };

    /// Fields `a` and `b` shared; a deleted entry, one with shared fields, one with its own.
    const NODE: [i64; 25] = [
        2, 1, 2, -10, -11, 0, // the shared fields
        3, 0, 0, 1, 2, 5, // flags, ms, seq, two values, count
        2, 1, -5, 3, 4, 5, // the same, not deleted
        0, 9, 0, 1, -12, 6, 6,
    ];

    fn check(node: &[i64]) -> Result<NodeSummary, &'static str> {
        let node: Listpack = node.iter().copied().collect();
        check_node(KEY, node.view()).map_err(|error| error.rule)
    }

    #[test]
    fn entries_are_counted() {
        let first = Some(StreamId { ms: 101, seq: 0 });
        assert_eq!(check(&NODE), Ok(NodeSummary { live: 2, deleted: 1, first }));
    }

    #[test]
    fn every_rule_is_checked() {
        for (at, value, rule) in [
            (0, 3, "counts differ from the entries"),
            (1, -1, "negative count"),
            (5, 1, "shared fields do not end in 0"),
            (6, 2, "counts differ from the entries"),
            (11, 6, "entry's count is wrong"),
            (21, 2, "entry cut off"),
            (21, i64::MAX, "entry cut off"),
        ] {
            let mut node = NODE;
            node[at] = value;
            assert_eq!(check(&node), Err(rule), "{at}");
        }
        assert_eq!(check(&NODE[..24]), Err("entry cut off"));
        assert_eq!(check(&[0, 0, 0, 0]), Err("node without entries"));
        let texts: Listpack = [Entry::Str(b"x")].into_iter().collect();
        assert_eq!(check_node(KEY, texts.view()).unwrap_err().rule, "not an integer");
    }
}
