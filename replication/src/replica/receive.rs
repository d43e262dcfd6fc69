//! Effects: those made here, and those that come.

use super::{Action, Link, Replica, Rules};
use crate::codec::{self, Malformed};
use crate::log::{Chunk, Spill};
use crate::message::{Message, Part, Reason};
use crate::origin::Stream;
use crate::shared::Shared;
use crate::stamp::COUNTER_BITS;
use crate::vector::{Arrival, Have};

impl<S: Spill> Replica<S> {
    pub(super) fn local(&mut self, groups: Shared, actions: &mut Vec<Action>) {
        let stream = self.own_stream();
        let chunk = Chunk::of(self.vector.have(stream).seq + 1, groups);
        self.clock.observe(chunk.version);
        self.extend_bound(actions);
        self.vector.advance(stream, Have { seq: chunk.last(), version: chunk.version });
        self.log.append(stream, chunk);
        self.pump_all(actions);
    }

    pub(super) fn part(&mut self, now_ms: u64, link: Link, part: Part, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if part.offset == 0 && part.last {
            session.partial = None;
            return self.chunk(now_ms, link, part.stream, part.seq, part.bytes, actions);
        }
        let mut bytes = match session.partial.take() {
            Some((stream, seq, bytes)) if (stream, seq) == (part.stream, part.seq) && part.offset > 0 => {
                bytes
            }
            _ => Vec::new(),
        };
        if bytes.len() as u64 != part.offset {
            // A repeated part is ignored; after a missing one the group is discarded, and the next shows the gap.
            if bytes.len() as u64 > part.offset {
                session.partial = Some((part.stream, part.seq, bytes));
            }
            return;
        }
        if bytes.len() + part.bytes.len() > self.options.group_bytes_max {
            return self.close(link, Reason::Malformed, actions);
        }
        bytes.extend_from_slice(&part.bytes);
        if !part.last {
            session.partial = Some((part.stream, part.seq, bytes));
            return;
        }
        self.chunk(now_ms, link, part.stream, part.seq, bytes.into(), actions);
    }

    /// Whole groups have come: duplicate, gap, clock bound, fold (S5).
    pub(super) fn chunk(
        &mut self,
        now_ms: u64,
        link: Link,
        stream: Stream,
        seq: u64,
        bytes: Shared,
        actions: &mut Vec<Action>,
    ) {
        let Ok(groups) = survey(&bytes) else { return self.close(link, Reason::Malformed, actions) };
        let fresh = groups
            .iter()
            .zip(seq..)
            .position(|((version, _), seq)| self.judge(stream, seq, *version) != Arrival::Duplicate);
        let Some(fresh) = fresh else { return };
        let (first, from) = (seq + fresh as u64, groups[fresh].1);
        if self.judge(stream, first, groups[fresh].0) == Arrival::Gap {
            return self.resync(link, actions);
        }
        let latest = groups.iter().map(|(version, _)| version >> COUNTER_BITS).max().unwrap_or(0);
        if self.options.rules.order && latest > now_ms + self.options.max_clock_drift_ms {
            return self.close(link, Reason::ClockAhead, actions);
        }
        if self.origins.meet(stream.author).is_err() {
            return self.close(link, Reason::Malformed, actions);
        }
        let chunk = Chunk::of(first, bytes.part(from..bytes.len()));
        let have = Have { seq: chunk.last(), version: chunk.version };
        self.take(stream, chunk, actions);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.resyncing = false;
            session.sent.advance(stream, have);
        }
        self.pump_all(actions);
    }

    pub(super) fn judge(&self, stream: Stream, seq: u64, version: u64) -> Arrival {
        let rules = self.options.rules;
        match rules {
            Rules { order: false, .. } => Arrival::Next,
            Rules { dense: false, .. } if version <= self.vector.have(stream).version => Arrival::Duplicate,
            Rules { dense: false, .. } => Arrival::Next,
            _ => self.vector.judge(stream, seq),
        }
    }

    pub(super) fn take(&mut self, stream: Stream, chunk: Chunk, actions: &mut Vec<Action>) {
        self.clock.observe(chunk.version);
        self.extend_bound(actions);
        self.vector.advance(stream, Have { seq: chunk.last(), version: chunk.version });
        actions.push(Action::Apply {
            stream,
            seq: chunk.first,
            version: chunk.version,
            groups: chunk.bytes.clone(),
        });
        self.log.append(stream, chunk);
    }

    pub(super) fn resync(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if !session.resyncing {
            session.resyncing = true;
            actions.push(Action::Send(link, Message::Resync(self.vector.clone())));
        }
    }
}

/// Version and place of each group; an error if the bytes are anything else than groups of effects.
pub(super) fn survey(bytes: &Shared) -> Result<Vec<(u64, usize)>, Malformed> {
    let mut found = Vec::new();
    let mut at = 0;
    for group in codec::groups(bytes) {
        let (version, writes) = group?;
        codec::check_writes(writes)?;
        found.push((version, at));
        at += codec::GROUP_HEAD + writes.len();
    }
    if found.is_empty() { Err(Malformed::Short) } else { Ok(found) }
}
