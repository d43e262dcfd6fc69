//! Elements pulled from a reader one at a time.
//!
//! They have to be pulled to the end before the reader can go on to the next object. What `next` lends is valid
//! until the next `next`; so they are no `Iterator`s.

use super::{Error, Reader};
use crate::listpack::Listpack;
use crate::ziplist::Ziplist;

/// How many elements follow, and where.
#[derive(Debug)]
struct Left<'r, 'a> {
    reader: &'r mut Reader<'a>,
    count: u64,
}

impl Left<'_, '_> {
    /// The reader, if there is another element.
    fn pull(&mut self) -> Option<&mut Self> {
        self.count = self.count.checked_sub(1)?;
        Some(self)
    }

    fn hint(&self, size: u64) -> usize {
        self.count.min(self.reader.remaining().map_or(1 << 16, |bytes| bytes / size)) as usize
    }
}

/// Strings: elements of a list or members of a set.
#[derive(Debug)]
pub struct Texts<'r, 'a> {
    left: Left<'r, 'a>,
    text: Vec<u8>,
}

impl<'r, 'a> Texts<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, count: u64) -> Self {
        Texts { left: Left { reader, count }, text: Vec::new() }
    }

    /// How many are left at most; safe to make room for.
    pub fn hint(&self) -> usize {
        self.left.hint(1)
    }

    #[expect(clippy::should_implement_trait, reason = "what it returns is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        let Some(left) = self.left.pull() else { return Ok(None) };
        self.text.clear();
        left.reader.text_into(&mut self.text)?;
        Ok(Some(&self.text))
    }
}

/// A field and its value.
pub type TextPair<'t> = (&'t [u8], &'t [u8]);

/// Fields and values of a hash.
#[derive(Debug)]
pub struct TextPairs<'r, 'a> {
    left: Left<'r, 'a>,
    field: Vec<u8>,
    value: Vec<u8>,
}

impl<'r, 'a> TextPairs<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, count: u64) -> Self {
        TextPairs { left: Left { reader, count }, field: Vec::new(), value: Vec::new() }
    }

    /// How many are left at most; safe to make room for.
    pub fn hint(&self) -> usize {
        self.left.hint(2)
    }

    #[expect(clippy::should_implement_trait, reason = "what it returns is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<TextPair<'_>>, Error> {
        let Some(left) = self.left.pull() else { return Ok(None) };
        self.field.clear();
        left.reader.text_into(&mut self.field)?;
        self.value.clear();
        left.reader.text_into(&mut self.value)?;
        Ok(Some((&self.field, &self.value)))
    }
}

/// The latest deadline of a field that is taken: what a double, which is how others keep it, holds exactly.
pub(super) const DEADLINE_MAX: i64 = 1 << 53;
pub(super) const NO_DATE: &str = "deadline of a field out of range";

/// Where the deadline of a field is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dates {
    /// Before it, as a length: 0 for none, 1 for the earliest, which is this.
    Before(i64),
    /// Behind its value, as millis: -1 for none.
    Behind,
}

/// A field, its value, and when it expires, unix ms.
pub type DatedPair<'t> = (&'t [u8], &'t [u8], Option<u64>);

/// Fields and values of a hash some of which have deadlines.
#[derive(Debug)]
pub struct DatedPairs<'r, 'a> {
    left: Left<'r, 'a>,
    dates: Dates,
    field: Vec<u8>,
    value: Vec<u8>,
}

impl<'r, 'a> DatedPairs<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, count: u64, dates: Dates) -> Self {
        DatedPairs { left: Left { reader, count }, dates, field: Vec::new(), value: Vec::new() }
    }

    #[expect(clippy::should_implement_trait, reason = "what it returns is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<DatedPair<'_>>, Error> {
        let Some(left) = self.left.pull() else { return Ok(None) };
        let before = match self.dates {
            Dates::Before(earliest) => match i64::try_from(left.reader.length()?) {
                Ok(0) => Some(-1),
                Ok(later) => earliest.checked_add(later - 1),
                Err(_) => None,
            },
            Dates::Behind => Some(-1),
        };
        self.field.clear();
        left.reader.text_into(&mut self.field)?;
        self.value.clear();
        left.reader.text_into(&mut self.value)?;
        let date = match self.dates {
            Dates::Before(_) => before,
            Dates::Behind => Some(left.reader.millis()?),
        };
        match date.filter(|at| (-1..=DEADLINE_MAX).contains(at)) {
            Some(at) => Ok(Some((&self.field, &self.value, u64::try_from(at).ok()))),
            None => Err(left.reader.malformed(NO_DATE).into()),
        }
    }
}

/// Members of a sorted set with their scores, which are never NaN. Redis writes the highest first.
#[derive(Debug)]
pub struct Scored<'r, 'a> {
    left: Left<'r, 'a>,
    member: Vec<u8>,
    /// Whether scores are text, as of old.
    as_text: bool,
}

impl<'r, 'a> Scored<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, count: u64, as_text: bool) -> Self {
        Scored { left: Left { reader, count }, member: Vec::new(), as_text }
    }

    /// How many are left at most; safe to make room for.
    pub fn hint(&self) -> usize {
        self.left.hint(2)
    }

    #[expect(clippy::should_implement_trait, reason = "what it returns is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<(&[u8], f64)>, Error> {
        let Some(left) = self.left.pull() else { return Ok(None) };
        self.member.clear();
        left.reader.text_into(&mut self.member)?;
        let score = if self.as_text { left.reader.double_text()? } else { left.reader.double()? };
        if score.is_nan() {
            return Err(left.reader.malformed("score is not a number").into());
        }
        Ok(Some((&self.member, score)))
    }
}

/// A list: element by element, or node by node.
#[derive(Debug)]
pub enum List<'r, 'a> {
    Elements(Texts<'r, 'a>),
    Nodes(Nodes<'r, 'a>),
}

/// A node of a list; never empty, except that a big element may be an empty string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// One element, on its own because it is big.
    Big(Vec<u8>),
    /// Elements in order.
    Packed(Listpack),
}

/// How nodes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeFormat {
    Ziplist,
    Contained,
}

const CONTAINER_BIG: u64 = 1;
const CONTAINER_PACKED: u64 = 2;

/// The nodes of a list. Empty ones are left out, as in Redis; if all are, that is [`Error::Empty`] at the end.
#[derive(Debug)]
pub struct Nodes<'r, 'a> {
    left: Left<'r, 'a>,
    format: NodeFormat,
    found: bool,
}

impl<'r, 'a> Nodes<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, count: u64, format: NodeFormat) -> Self {
        Nodes { left: Left { reader, count }, format, found: false }
    }

    #[expect(clippy::should_implement_trait, reason = "like its siblings; it can fail")]
    pub fn next(&mut self) -> Result<Option<Node>, Error> {
        while let Some(left) = self.left.pull() {
            let node = match self.format {
                NodeFormat::Ziplist => Node::Packed(read_ziplist(left.reader)?),
                NodeFormat::Contained => read_contained(left.reader)?,
            };
            if !matches!(&node, Node::Packed(listpack) if listpack.is_empty()) {
                self.found = true;
                return Ok(Some(node));
            }
        }
        if self.found { Ok(None) } else { Err(Error::Empty) }
    }
}

fn read_contained(reader: &mut Reader<'_>) -> Result<Node, Error> {
    match reader.length()? {
        CONTAINER_BIG => match reader.bytes()? {
            bytes if bytes.is_empty() => {
                Err(reader.malformed("list node of one big element that is empty").into())
            }
            bytes => Ok(Node::Big(bytes)),
        },
        CONTAINER_PACKED => Ok(Node::Packed(read_listpack(reader)?)),
        _ => Err(reader.malformed("undefined container of a list node").into()),
    }
}

/// A string that is a listpack.
pub(super) fn read_listpack(reader: &mut Reader<'_>) -> Result<Listpack, Error> {
    Ok(Listpack::from_bytes(reader.bytes()?)?)
}

/// A string that is a ziplist, as a listpack.
pub(super) fn read_ziplist(reader: &mut Reader<'_>) -> Result<Listpack, Error> {
    Ok(Ziplist::new(&reader.bytes()?)?.to_listpack())
}
