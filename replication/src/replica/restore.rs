//! What is on disk, and coming back from it.

use super::receive::survey;
use super::{Action, Durable, Replica};
use crate::codec::Malformed;
use crate::horizon::Horizon;
use crate::log::{Chunk, Spill};
use crate::message::Head;
use crate::origin::{Author, Origins, Stream};
use crate::overlay::Levels;
use crate::shared::Shared;
use crate::stamp::Place;

impl<S: Spill> Replica<S> {
    /// The state as of now is on disk.
    pub fn persisted(&mut self) {
        self.durable = self.state();
    }

    /// What may be announced once the state as of now is on disk, see [`Replica::persisted_as`].
    pub fn state(&self) -> Durable {
        let Horizon { horizon, known, settled, .. } = self.horizon;
        Durable { vector: self.vector.clone(), horizon, known, settled }
    }

    /// The state that was so once is on disk.
    pub fn persisted_as(&mut self, state: Durable) {
        self.durable = state;
    }

    /// What describes a copy of the data as they are now.
    pub fn head(&self) -> Head {
        Head {
            vector: self.vector.clone(),
            horizon: self.horizon.horizon,
            newcomer: self.is_newcomer(),
            beats: self.horizon.beats().cloned().collect(),
        }
    }

    /// Takes up what a copy with this head had: this node's own, from its disk, or a peer's.
    pub fn restore(&mut self, head: &Head, actions: &mut Vec<Action>) {
        for (stream, have) in head.vector.iter() {
            self.clock.observe(have.version);
            let _ = self.origins.meet(stream.author);
        }
        self.extend_bound(actions);
        self.vector.join(&head.vector);
        for beat in head.beats.iter().filter(|beat| beat.author.uuid != self.me.uuid) {
            self.horizon.hear(beat, &self.vector);
        }
    }

    /// Takes groups from this node's own disk, of any stream. Those it has are left out; false if others before them are
    /// missing.
    pub fn replay(
        &mut self,
        stream: Stream,
        seq: u64,
        bytes: &Shared,
        actions: &mut Vec<Action>,
    ) -> Result<bool, Malformed> {
        let groups = survey(bytes)?;
        let have = self.vector.have(stream).seq;
        let Some(known) = (have + 1).checked_sub(seq) else { return Ok(false) };
        let Some((_, from)) = groups.get(known as usize) else { return Ok(true) };
        self.origins.meet(stream.author).map_err(|_| Malformed::Number)?;
        let chunk = Chunk::of(seq + known, bytes.part(*from..bytes.len()));
        self.take(stream, chunk, actions);
        Ok(true)
    }

    /// This node had come so far: what is known to be everywhere need not be passed on.
    pub fn reach(&mut self, levels: Levels) {
        let Horizon { horizon, known, settled, agreed, .. } = &mut self.horizon;
        *horizon = levels.horizon.max(*horizon);
        *known = levels.known.max(*known);
        *settled = levels.settled.max(*settled);
        *agreed = levels.agreed.max(*agreed);
        self.log.trim_known(levels.known);
    }

    /// Whether a state described by `head` has the effect at a place.
    pub fn covered(&self, head: &Head, place: Place) -> bool {
        covered(self.me, &self.origins, head, place)
    }

    /// [`Replica::covered`] as it is now, to be kept.
    pub fn coverage(&self, head: &Head) -> impl Fn(Place) -> bool + Send + 'static {
        let (me, origins, head) = (self.me, self.origins.clone(), head.clone());
        move |place| covered(me, &origins, &head, place)
    }
}

fn covered(me: Author, origins: &Origins, head: &Head, place: Place) -> bool {
    let author = match place.origin {
        // A computed delete stands earlier than the write it came with: that may still be on its way.
        u16::MAX => return false,
        0 => Some(me),
        label => origins.of(label),
    };
    match author {
        // Of an author it never met, the other end has nothing, however far its horizon is.
        Some(author) => head.vector.covers_stamp(author, place.stamp()),
        None => place.version <= head.horizon,
    }
}
