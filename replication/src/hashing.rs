//! How this crate's maps hash: with one secret for the process, that nobody can guess.
//!
//! Tests that replay a seed need a known one, so that maps are gone through in the same order each time: debug builds have one, others
//! are told to.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use ahash::{AHasher, RandomState};

static SECRET: OnceLock<RandomState> = OnceLock::new();

/// Takes no room in a map.
#[derive(Clone, Copy, Debug, Default)]
pub struct Secret;

impl BuildHasher for Secret {
    type Hasher = AHasher;

    #[inline]
    fn build_hasher(&self) -> AHasher {
        SECRET
            .get_or_init(|| if cfg!(debug_assertions) { known() } else { RandomState::new() })
            .build_hasher()
    }
}

fn known() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

/// From now on everything is hashed as in every other process that asked for this: for tests only, and before any map is made.
pub fn hash_alike() {
    let _ = SECRET.set(known());
}
