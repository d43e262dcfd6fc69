//! Room ahead of what a command adds to a new collection: one allocation of the right size instead of one per step of
//! growth. It changes no value, so it is no effect.

use protocol::Args;

use crate::ctx::KeyMut;
use crate::types::hash::Limits;
use crate::value::ValueMut;

/// For fewer texts than this it is not worth looking at them twice.
const TEXTS_MIN: usize = 4;

impl KeyMut<'_, '_> {
    /// Makes room for `texts`, which follow what this command has already put into its new key.
    #[inline]
    pub(crate) fn make_room(&mut self, texts: Args<'_>) {
        if texts.len() >= TEXTS_MIN {
            self.make_room_for(texts);
        }
    }

    fn make_room_for(&mut self, texts: Args<'_>) {
        let tuning = &self.env.tuning;
        match self.value_mut() {
            Some(ValueMut::List(list)) => list.make_room(tuning, texts.iter()),
            Some(ValueMut::Hash(hash)) => hash.make_room(Limits::of(tuning), texts.iter()),
            _ => {}
        }
    }
}
