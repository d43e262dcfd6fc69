//! Strings with a tag: a number that other protocols than Redis's keep with a value, and that Redis's commands neither
//! show nor change.
//!
//! The tag belongs to the value. What edits the string in place (APPEND, SETRANGE, INCR) leaves it, what moves or copies the
//! key takes it along, and what replaces the value (SET) removes it. It is in snapshots and append-only files, where Redis
//! skips it, but not in what DUMP answers.

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Not 0: such strings have no tag.
    pub tag: u64,
    pub bytes: Vec<u8>,
}

impl crate::value::ValueRef<'_> {
    /// The tag of a string, 0 if it has none.
    #[inline]
    pub fn tag(&self) -> u64 {
        match self {
            crate::value::ValueRef::Tagged(string) => string.tag,
            _ => 0,
        }
    }
}
