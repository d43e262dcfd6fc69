//! The arguments of one command: slices of the buffer they arrived in, never copies.

use std::ops::Index;

/// Where one argument lies in its buffer, as byte offsets. Buffers are below 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The span of `len` bytes from `start`.
    pub fn new(start: usize, len: usize) -> Span {
        Span { start: start as u32, end: (start + len) as u32 }
    }
}

/// An indexable list of byte slices; the first is the command's name.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments at `spans` of `buf`. Every span must lie within the buffer.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { buf, spans }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `i`, living as long as the buffer. Panics past the end, like indexing.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        let s = self.spans[i];
        &self.buf[s.start as usize..s.end as usize]
    }

    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        let s = self.spans.get(i)?;
        self.buf.get(s.start as usize..s.end as usize)
    }

    /// The arguments from `from` on.
    pub fn rest(&self, from: usize) -> Args<'a> {
        Args { buf: self.buf, spans: self.spans.get(from..).unwrap_or(&[]) }
    }

    /// The first `n` arguments.
    pub fn first(&self, n: usize) -> Args<'a> {
        Args { buf: self.buf, spans: &self.spans[..n.min(self.spans.len())] }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + use<'a> {
        let buf = self.buf;
        self.spans.iter().map(move |s| &buf[s.start as usize..s.end as usize])
    }

    /// About how many bytes the request took, from the first argument's begin to the last one's end: quickly told.
    #[inline]
    pub fn extent(&self) -> usize {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => last.end.saturating_sub(first.start) as usize,
            _ => 0,
        }
    }

    /// Bytes of all arguments together.
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|s| (s.end - s.start) as usize).sum()
    }

    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> OwnedArgs {
        OwnedArgs::from_slices(self.iter())
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}

/// Arguments that own their bytes: a queued transaction, a blocked client, a script's call.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    buf: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    pub fn from_slices<'b>(items: impl IntoIterator<Item = &'b [u8]>) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        for item in items {
            owned.push(item);
        }
        owned
    }

    #[inline]
    pub fn push(&mut self, item: &[u8]) {
        self.spans.push(Span::new(self.buf.len(), item.len()));
        self.buf.extend_from_slice(item);
    }

    /// Makes it empty, keeping its memory.
    #[inline]
    pub fn clear(&mut self) {
        self.buf.clear();
        self.spans.clear();
    }

    pub fn view(&self) -> Args<'_> {
        Args::new(&self.buf, &self.spans)
    }

    /// Bytes held, for memory accounting.
    pub fn heap_bytes(&self) -> usize {
        self.buf.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}
