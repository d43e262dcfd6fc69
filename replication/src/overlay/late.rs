//! Many effects that come late at once: what a merge brings.
//!
//! A late effect has those after it carried out again. Where thousands come together, on a counter that many count with,
//! that is done once, when all have found their places; until then the store shows what was before.

use std::collections::HashSet;

use crate::effect::Bytes;

/// What of a key's value has yet to be computed from its marks.
#[derive(Clone, Debug, Default)]
pub(super) struct Stale {
    /// The string.
    pub text: bool,
    pub cells: HashSet<Bytes>,
}
