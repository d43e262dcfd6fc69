//! Effects on streams that overwrite parts, whatever was there: entries that come or are trimmed, and how far the stream is. They
//! need not be folded; a producer, trimming or not, is jotted down like a client that sets fields.

use replication::borrowed::{EffectRef, WriteRef};
use replication::effect::Kind;
use replication::overlay::{Jot, Overlay};
use replication::{Place, Stamp};
use smallvec::{SmallVec, smallvec};

use crate::ctx::KeyMut;
use crate::effect::Effect;
use crate::types::stream::{Part, fold_part};

type Names = SmallVec<[Vec<u8>; 2]>;

impl KeyMut<'_, '_> {
    /// The parts that an effect on a stream overwrites, in the order in which they are told; `None`: it does more.
    fn overwritten(&self, effect: &Effect<'_>) -> Option<Names> {
        let Some(stream) = self.stream().ok()? else {
            return match effect {
                Effect::AddEntry { id, .. } => Some(smallvec![Part::Marks.name(), Part::Entry(*id).name()]),
                _ => None,
            };
        };
        match effect {
            Effect::AddEntry { id, .. } => Some(smallvec![Part::Entry(*id).name()]),
            Effect::SetMarks { max_deleted: None, .. } => Some(smallvec![Part::Marks.name()]),
            Effect::TrimEntries { through } if *through < stream.last_id() => {
                let gone = stream.range(protocol::StreamId::ZERO, *through);
                Some(gone.map(|entry| Part::Entry(entry.id).name()).collect())
            }
            _ => None,
        }
    }

    /// Jots down what an effect does to parts. False: it has to be noted.
    pub(super) fn jot_parts(&mut self, effect: &Effect<'_>) -> bool {
        let Some(names) = self.overwritten(effect).filter(|_| self.takes(effect)) else { return false };
        let mut place = self.next_place();
        let mut before = self.entry().map_or(Stamp::default(), |entry| entry.stamp());
        let mut create = !self.exists();
        for name in names {
            if !self.jot_behind(place, before, create, Jot::Cell(Kind::Stream, &name)) {
                return false;
            }
            // The group's next record follows this one.
            (before, create) = (place.stamp(), false);
            place.sub += 1;
        }
        true
    }

    /// Notes what an effect does to parts. False: it takes more than that.
    pub(super) fn note_parts(
        &mut self,
        overlay: &mut Overlay,
        mut place: Place,
        effect: &Effect<'_>,
    ) -> bool {
        let Some(names) = self.overwritten(effect).filter(|_| self.exists()) else { return false };
        let key = (self.db as u32, self.key);
        names.iter().all(|name| {
            let noted = overlay.note_cell(&self.stage(), place, key, false, Kind::Stream, name);
            place.sub += 1;
            noted
        })
    }

    /// Carries out what another node did to a part of a stream, which came in time. False: it has to be folded.
    pub(super) fn overwrite_directly(&mut self, place: Place, write: &WriteRef<'_>) -> bool {
        let (name, value) = match write.effect {
            EffectRef::SetPart { part, value, present: false } => (part, Some(value)),
            EffectRef::DelPart(part) => (part, None),
            _ => return false,
        };
        let part = Part::parse(name);
        let stays = match self.stream() {
            Ok(Some(stream)) => value.is_some() || stream.len() > 1,
            Ok(None) => value.is_some() && matches!(part, Ok(Part::Marks)),
            Err(_) => false,
        };
        if !stays || self.writer.feeds() || !matches!(part, Ok(Part::Entry(_) | Part::Marks)) {
            return false;
        }
        if !self.jot(place, Jot::Cell(Kind::Stream, name)) {
            return false;
        }
        fold_part(self, name, value);
        self.restamp();
        true
    }
}
