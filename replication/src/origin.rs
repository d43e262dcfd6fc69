//! Who writes: node identities, incarnations, and the 16-bit labels that stand for them in stamps.
//!
//! A node's uuid and its data live together on disk. An *incarnation* is one uninterrupted life of the node's own
//! stream: it changes whenever the process cannot prove that it continues where it stopped. The pair is an [`Author`].
//!
//! Ties between equal versions are broken by author, and every node must break them alike. So the label is not a number
//! that each node hands out, but belongs to the author and is the same everywhere: sixteen bits of a hash of the pair.
//! Two authors whose labels collide never meet: whoever learns of the second refuses it, and that one draws a new
//! incarnation.

use std::collections::BTreeMap;

/// A node's identity.
pub type Uuid = u128;

/// One incarnation of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    pub uuid: Uuid,
    pub incarnation: u64,
}

impl Author {
    /// The label that stands for this author in stamps. Never 0 (writes without peers) nor 65535 (computed deletes).
    pub fn label(self) -> u16 {
        let mut h = (self.uuid as u64) ^ (self.uuid >> 64) as u64 ^ self.incarnation.rotate_left(17);
        h = (h ^ h >> 31).wrapping_mul(0x7fb5_d329_728e_a185);
        h = (h ^ h >> 27).wrapping_mul(0x81da_def4_bc2d_d44d);
        ((h ^ h >> 33) % 65_534) as u16 + 1
    }
}

/// One stream of effects. An author with several lanes numbers the effects of each lane on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    pub author: Author,
    pub lane: u16,
}

/// The authors a node has met, by label.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    by_label: BTreeMap<u16, Author>,
}

/// Two authors have one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelTaken {
    pub label: u16,
    pub by: Author,
}

impl Origins {
    /// Learns of an author. Refused if another one has its label.
    pub fn meet(&mut self, author: Author) -> Result<u16, LabelTaken> {
        let label = author.label();
        match *self.by_label.entry(label).or_insert(author) {
            same if same == author => Ok(label),
            by => Err(LabelTaken { label, by }),
        }
    }

    pub fn of(&self, label: u16) -> Option<Author> {
        self.by_label.get(&label).copied()
    }

    /// Gives the label of an author free whose stream is closed and whose stamps are all forgotten.
    pub fn forget(&mut self, author: Author) {
        if self.of(author.label()) == Some(author) {
            self.by_label.remove(&author.label());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_belongs_to_one_author_at_a_time() {
        let mut origins = Origins::default();
        let first = Author { uuid: 7, incarnation: 1 };
        let label = origins.meet(first).unwrap();
        assert_eq!(origins.meet(first), Ok(label));
        let mut other = Author { uuid: 7, incarnation: 2 };
        while other.label() != label {
            other.incarnation += 1;
        }
        assert_eq!(origins.meet(other), Err(LabelTaken { label, by: first }));
        origins.forget(first);
        assert_eq!(origins.meet(other), Ok(label));
    }

    #[test]
    fn labels_are_spread() {
        let labels: std::collections::BTreeSet<u16> =
            (0..1000).map(|incarnation| Author { uuid: 1, incarnation }.label()).collect();
        assert!(labels.len() > 980, "{}", labels.len());
    }
}
