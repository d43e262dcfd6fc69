//! Listpack: a list of strings and integers in one compact allocation, byte for byte as Redis keeps and saves it.
//!
//! Small hashes, sorted sets, list nodes and stream nodes are listpacks, in memory and inside RDB files and DUMP
//! payloads, so a payload can be adopted without looking at each element twice.
//!
//! ```text
//! listpack = total:u32le  count:u16le  entry*  0xFF       total counts every byte, itself and the 0xFF included
//! entry    = encoding [data]  back                        count 65535 means: too many, count them yourself
//!
//! encoding (first byte, in bits)                          data
//! 0vvvvvvv                      integer 0..=127            none
//! 10llllll                      string of l bytes          l bytes
//! 110vvvvv vvvvvvvv             13 bit signed integer      none (the second byte belongs to the encoding)
//! 1110llll llllllll             string of l bytes          l bytes
//! 11110000                      string                     u32le length, then that many bytes
//! 11110001 | 010 | 011 | 100    16 | 24 | 32 | 64 bit integer   2 | 3 | 4 | 8 bytes, little endian, signed
//! ```
//!
//! `back` is the length of encoding and data together, so that one can walk backwards: groups of seven bits, the
//! most significant group first, every byte but the first with its high bit set. Read from the right, it ends at
//! the first byte without the high bit.
//!
//! A text that is a canonical integer is always stored as one ([`crate::number::parse_i64`]).
//!
//! Positions are byte offsets of entries. They stay valid until the listpack is changed before them.
//!
//! [`Listpack`] owns its bytes, [`View`] borrows them; both hold only bytes that passed [`validate`].

mod edit;
mod entry;
mod find;
mod owned;
mod run;
mod validate;
mod view;

pub use entry::Entry;
pub use owned::Listpack;
pub use run::Run;
pub use validate::validate;
pub use view::{Iter, Pairs, View};

/// Bytes before the first entry.
pub(crate) const HEADER: usize = 6;
/// The byte after the last entry.
pub(crate) const END: u8 = 0xff;
/// The count that means "too many for 16 bits".
const COUNT_UNKNOWN: u16 = u16::MAX;
/// A listpack does not grow beyond this many bytes; larger collections belong elsewhere.
pub const BYTES_MAX: usize = 1 << 30;
