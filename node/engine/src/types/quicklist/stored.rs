//! The list as RDB files and DUMP payloads hold it: its nodes, each with the kind of its container.

use std::borrow::Cow;

use protocol::listpack::Listpack;

use super::node::{Body, Node};
use super::squeezed::{Squeezed, expand};
use super::{Quicklist, Shape};

/// What a stored node's bytes are. The numbers stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Container {
    /// One element.
    Plain = 1,
    /// A listpack.
    Packed = 2,
}

/// One node, ready to be written.
pub struct Stored<'a> {
    pub container: Container,
    pub payload: Payload<'a>,
}

/// A node's bytes.
pub enum Payload<'a> {
    Raw(Cow<'a, [u8]>),
    /// The node is compressed in memory; a format that knows LZF strings can take it as it is.
    Lzf {
        lzf: &'a [u8],
        len: usize,
    },
}

impl Payload<'_> {
    /// The bytes, uncompressed.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Payload::Raw(bytes) => Cow::Borrowed(bytes),
            Payload::Lzf { lzf, len } => Cow::Owned(expand(lzf, *len)),
        }
    }
}

impl Quicklist {
    /// The nodes in order.
    pub fn stored(&self) -> impl ExactSizeIterator<Item = Stored<'_>> {
        self.nodes.iter().map(stored)
    }

    /// Adds the elements of a listpack behind the last, as a node; an empty one adds none.
    pub fn append_packed(&mut self, shape: Shape, listpack: Listpack) {
        if !listpack.is_empty() {
            self.append(shape, Node::packed(listpack));
        }
    }

    /// Adds one element behind the last, as a plain node.
    pub fn append_plain(&mut self, shape: Shape, value: Vec<u8>) {
        self.append(shape, Node::plain(value.into()));
    }

    fn append(&mut self, shape: Shape, node: Node) {
        self.len += node.count();
        self.nodes.push_back(node);
        self.settle(shape);
    }
}

fn stored(node: &Node) -> Stored<'_> {
    let container = if node.is_plain() { Container::Plain } else { Container::Packed };
    let payload = match &node.body {
        Body::Squeezed(Squeezed { lzf, len, .. }) => Payload::Lzf { lzf, len: *len as usize },
        Body::Plain(value) => Payload::Raw(Cow::Borrowed(value)),
        Body::Packed(listpack) if !node.is_reversed() => Payload::Raw(Cow::Borrowed(listpack.as_bytes())),
        Body::Packed(listpack) => Payload::Raw(Cow::Owned(listpack.reversed().as_bytes().to_vec())),
    };
    Stored { container, payload }
}
