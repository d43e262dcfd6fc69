//! What peers have, what they lack, and sending that.

use super::{Action, Link, Replica};
use crate::log::{Chunk, Spill};
use crate::message::{Beat, Head, Message, Part};
use crate::origin::Stream;
use crate::vector::{Have, Vector};

impl<S: Spill> Replica<S> {
    pub(super) fn heard(&mut self, now_ms: u64, link: Link, beats: Vec<Beat>, actions: &mut Vec<Action>) {
        let peer = self.sessions.get(&link).and_then(|s| s.peer).map(|(author, _)| author);
        for beat in &beats {
            if beat.author.uuid != self.me.uuid {
                for author in beat.members.iter().copied().chain([beat.author]) {
                    self.meet(author, u64::MAX, actions);
                }
                self.horizon.hear(beat, &self.vector);
            }
            if Some(beat.author) == peer {
                self.acknowledged(now_ms, link, beat);
            }
        }
        self.pump(link, actions);
        let streams: Vec<Stream> = self.vector.iter().map(|(stream, _)| stream).collect();
        for stream in streams {
            let seq = self.horizon.acknowledged(stream).min(self.announced().vector.have(stream).seq);
            self.log.trim(stream, seq);
        }
    }

    /// The peer told what it has.
    pub(super) fn acknowledged(&mut self, now_ms: u64, link: Link, beat: &Beat) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        for (stream, have) in self.vector.iter() {
            let now = beat.held.have(stream).seq;
            if now >= have.seq {
                session.relay.remove(&stream);
                session.stalled.remove(&stream);
                continue;
            }
            match session.stalled.get(&stream) {
                Some((seq, since)) if *seq == now => {
                    if now_ms.saturating_sub(*since) >= self.options.forward_after_ms {
                        session.relay.insert(stream);
                    }
                }
                _ => drop(session.stalled.insert(stream, (now, now_ms))),
            }
        }
        self.holds(link, &beat.held);
    }

    /// The peer has this much.
    pub(super) fn holds(&mut self, link: Link, held: &Vector) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.held.join(held);
        session.sent.join(held);
        while let Some((stream, seq, bytes)) = session.in_flight.front().copied()
            && held.have(stream).seq >= seq
        {
            session.in_flight.pop_front();
            session.in_flight_bytes -= bytes;
        }
    }

    pub(super) fn pump_all(&mut self, actions: &mut Vec<Action>) {
        let links: Vec<Link> = self.sessions.keys().copied().collect();
        for link in links {
            self.pump(link, actions);
        }
    }

    /// Sends what the peer lacks, as far as its window allows.
    pub(super) fn pump(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let Some((peer, _)) = session.peer.filter(|_| !session.wants_all) else { return };
        let mut dropped = false;
        'streams: for (stream, have) in self.vector.iter() {
            if stream.author == peer {
                // What it wrote in this life it has.
                continue;
            }
            let own = stream.author.uuid == self.me.uuid || stream.author.uuid == peer.uuid;
            // Who has gone cannot give it to anybody.
            let forward = self.options.forward || self.horizon.is_away(stream.author.uuid);
            let passed_on = self.options.relay || forward && session.relay.contains(&stream);
            if !own && !passed_on {
                continue;
            }
            while session.sent.have(stream).seq < have.seq
                && session.in_flight_bytes < self.options.window_bytes
            {
                let seq = session.sent.have(stream).seq + 1;
                let Some(chunk) = self.log.get(stream, seq) else {
                    dropped = true;
                    break 'streams;
                };
                let chunk = chunk.stretch(seq, self.options.part_bytes);
                session.sent.advance(stream, Have { seq: chunk.last(), version: chunk.version });
                session.in_flight.push_back((stream, chunk.last(), chunk.bytes.len()));
                session.in_flight_bytes += chunk.bytes.len();
                send(link, stream, &chunk, self.options.part_bytes, actions);
            }
        }
        if dropped {
            self.full_sync(link, actions);
        }
    }

    /// Sends all there is.
    pub(super) fn full_sync(&mut self, link: Link, actions: &mut Vec<Action>) {
        let (head, waits) = (self.head(), self.lost || self.joins(link));
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.wants_all = waits;
        if !waits {
            session.sent.join(&self.vector);
            actions.push(Action::SendSnapshot(link, head));
        }
    }

    /// Gives those a full sync who could not get one before, and everybody what they lack.
    pub(super) fn serve_waiting(&mut self, actions: &mut Vec<Action>) {
        let waiting: Vec<Link> =
            self.sessions.iter().filter(|(_, s)| s.wants_all).map(|(link, _)| *link).collect();
        for link in waiting {
            self.full_sync(link, actions);
        }
        self.pump_all(actions);
    }

    pub(super) fn snapshot(&mut self, link: Link, head: Head, actions: &mut Vec<Action>) {
        actions.push(Action::Merge(link, head.clone()));
        self.restore(&head, actions);
        if let Some(session) = self.sessions.get_mut(&link) {
            session.sent.join(&head.vector);
            session.resyncing = false;
        }
        self.lost = false;
        self.serve_waiting(actions);
    }
}

/// Sends groups, or one in as many parts as it needs.
fn send(link: Link, stream: Stream, chunk: &Chunk, part_bytes: usize, actions: &mut Vec<Action>) {
    let (mut offset, whole) = (0, chunk.bytes.len());
    while offset < whole {
        let end = (offset + part_bytes.max(1)).min(whole);
        let bytes = chunk.bytes.part(offset..end);
        let part = Part { stream, seq: chunk.first, offset: offset as u64, last: end == whole, bytes };
        actions.push(Action::Send(link, Message::Part(part)));
        offset = end;
    }
}
