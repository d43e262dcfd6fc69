//! Squeezed nodes: what `list-compress-depth` makes of those in the middle.

use std::borrow::Cow;

use protocol::listpack::Listpack;
use protocol::lzf;

use super::node::{Body, Node};

/// Smaller nodes are not worth squeezing.
const SQUEEZE_BYTES_MIN: usize = 48;
/// Squeezing that saves less is not worth it.
const SQUEEZE_GAIN_MIN: usize = 8;

/// What was a listpack, or a plain element, as LZF.
#[derive(Clone)]
pub(super) struct Squeezed {
    pub(super) lzf: Box<[u8]>,
    /// Bytes it was, and will be again.
    pub(super) len: u32,
    pub(super) plain: bool,
}

impl Node {
    /// The node itself, or an open copy if it is squeezed.
    pub(super) fn raw(&self) -> Cow<'_, Node> {
        match &self.body {
            Body::Squeezed(squeezed) => Cow::Owned(Self::new(squeezed.open(), self.count())),
            _ => Cow::Borrowed(self),
        }
    }

    /// Undoes squeezing.
    pub(super) fn unsqueeze(&mut self) {
        if let Body::Squeezed(squeezed) = &self.body {
            self.body = squeezed.open();
        }
    }

    /// Makes it ready to be changed.
    pub(super) fn open(&mut self) {
        self.unsqueeze();
        self.hopeless = false;
    }

    /// Squeezes it, if that pays.
    pub(super) fn squeeze(&mut self) {
        let len = self.bytes();
        if self.hopeless || self.is_squeezed() || len < SQUEEZE_BYTES_MIN {
            return;
        }
        self.straighten();
        let (bytes, plain) = match &self.body {
            Body::Packed(listpack) => (listpack.as_bytes(), false),
            Body::Plain(value) => (&value[..], true),
            Body::Squeezed(_) => return,
        };
        let mut lzf = Vec::with_capacity(len);
        let shrunk = lzf::compress(bytes, &mut lzf);
        if shrunk && lzf.len() + SQUEEZE_GAIN_MIN <= len {
            self.body = Body::Squeezed(Squeezed { lzf: lzf.into(), len: len as u32, plain });
        } else {
            self.hopeless = true;
        }
    }
}

impl Squeezed {
    fn open(&self) -> Body {
        let bytes = expand(&self.lzf, self.len as usize);
        if self.plain {
            return Body::Plain(bytes.into());
        }
        Body::Packed(Listpack::from_bytes(bytes).expect("squeezed from a listpack"))
    }
}

/// Expands what this module compressed.
pub(super) fn expand(lzf: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    lzf::decompress(lzf, len, &mut bytes).expect("compressed by this module");
    bytes
}
