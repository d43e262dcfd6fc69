//! The number of nodes that Redis's radix tree would have, which XINFO STREAM tells.
//!
//! That tree has the 16 bytes of each stream node's key as a path: a leaf at its end, a node wherever paths part, and one
//! for each stretch between those on which they don't.

use protocol::StreamId;

use super::Stream;

impl Stream {
    /// Linear in the number of nodes.
    pub fn radix_node_count(&self) -> usize {
        count(self.nodes.iter().map(|(key, _)| key))
    }
}

/// Bytes of a key: the depth of leaves.
const KEY: usize = 16;

/// Counts the nodes of the tree of ascending keys, where keys that follow each other tell where paths part.
fn count(keys: impl Iterator<Item = StreamId>) -> usize {
    // Depths at which paths part, on the way to the last key, the root's first; and the last key.
    let (mut parts, mut last) = (Vec::new(), None);
    let (mut nodes, mut parted) = (0, None);
    for key in keys {
        if let Some(last) = last {
            let depth = (u128::from_be_bytes(StreamId::to_bytes(last))
                ^ u128::from_be_bytes(StreamId::to_bytes(key)))
            .leading_zeros() as usize
                / 8;
            nodes += with_stretch(KEY, parted.max(Some(depth)));
            nodes += leave(&mut parts, Some(depth));
            if parts.last() != Some(&depth) {
                parts.push(depth);
            }
            parted = Some(depth);
        }
        last = Some(key);
    }
    match last {
        None => 1,
        Some(_) => nodes + with_stretch(KEY, parted) + leave(&mut parts, None),
    }
}

/// A node at a depth, and one more if there is a stretch between it and the node above, which paths part at.
fn with_stretch(depth: usize, above: Option<usize>) -> usize {
    1 + usize::from(depth > above.map_or(0, |above| above + 1))
}

/// Counts the nodes below `depth` that no further key has on its way.
fn leave(parts: &mut Vec<usize>, depth: Option<usize>) -> usize {
    let mut nodes = 0;
    while let Some(left) = parts.pop_if(|part| Some(*part) > depth) {
        nodes += with_stretch(left, parts.last().copied().max(depth));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_leaves_partings_and_stretches() {
        let nodes = |keys: &[(u64, u64)]| count(keys.iter().map(|&(ms, seq)| StreamId { ms, seq }));
        assert_eq!(nodes(&[]), 1);
        assert_eq!(nodes(&[(1, 1)]), 2);
        // Seven zeros, a parting, and twice eight bytes with a leaf.
        assert_eq!(nodes(&[(1, 1), (2, 1)]), 6);
        // No stretch between the parting and the leaves.
        assert_eq!(nodes(&[(1, 1), (1, 2)]), 4);
        assert_eq!(nodes(&[(1, 1), (1, 2), (1, 3)]), 5);
        assert_eq!(nodes(&[(1, 1), (1, 2), (2, 1)]), 8);
    }
}
