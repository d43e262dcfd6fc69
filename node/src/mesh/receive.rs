//! Frames from peers: unpacked, checked, and given to the machine. Whatever makes no sense ends the link and changes
//! nothing.

use std::time::Instant;

use engine::active::sync::Merge;
use proto::peer::frame::Body;
use proto::peer::{Frame, Why};
use replication::message::{Beat, Head, Hello, Message};
use replication::replica::{Event, Link};

use super::driver::Driver;
use super::frames;
use super::identity::show_uuid;
use super::link::{End, Incoming, Owes};

/// Bytes of a piece of a snapshot at most: of a key with all that belongs to it.
const PIECE_MAX: usize = 4 << 30;
/// Bytes of what only a newcomer has that are written at a time, if one key is not larger by itself.
const REST_BYTES: usize = 256 << 10;

impl Driver {
    /// A frame has come.
    pub fn frame(&mut self, link: Link, frame: Frame) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.heard = Instant::now();
        state.bytes_in += frame.body.as_ref().map_or(0, frames::size) as u64;
        match frame.body {
            Some(Body::Messages(bytes)) => self.messages(link, &bytes),
            Some(Body::Packed(packed)) => match frames::unpack(&packed) {
                Some(bytes) => self.messages(link, &bytes),
                None => self.malformed(link, "a frame that cannot be unpacked"),
            },
            Some(Body::Snapshot(head)) => self.begin_merge(link, &head),
            Some(Body::Piece(piece)) => self.piece(link, &piece, true),
            Some(Body::Partial(piece)) => self.piece(link, &piece, false),
            Some(Body::Goodbye(goodbye)) => self.farewell(link, goodbye.why(), goodbye.text),
            None => self.malformed(link, "a frame without anything in it"),
        }
        self.acknowledge(link);
        if self.server.mesh.refuses_writes() {
            self.show_serves();
        }
    }

    fn messages(&mut self, link: Link, bytes: &[u8]) {
        for message in frames::messages(bytes) {
            if !self.links.contains_key(&link) {
                return;
            }
            match message {
                Ok(Message::Hello(hello)) => self.hello(link, hello),
                // The end of a snapshot counts only behind its pieces.
                Ok(Message::Snapshot(head)) => {
                    let Some(state) = self.links.get_mut(&link) else { return };
                    match state.incoming.take() {
                        Some(incoming) if incoming.head == head => self.complete(link, head, incoming.merge),
                        _ => self.malformed(link, "the end of a snapshot that did not begin"),
                    }
                }
                Ok(Message::Libraries(told)) => self.hear_libraries(link, &told),
                Ok(message) => {
                    if let (Message::Part(part), Some(state)) = (&message, self.links.get_mut(&link)) {
                        state.unacknowledged += part.bytes.len().max(1);
                    }
                    if let Message::Beats(beats) = &message {
                        self.hear_owed(link, beats);
                    }
                    self.step(Event::Received(link, message));
                }
                Err(e) => self.malformed(link, &format!("a message that cannot be read: {e:?}")),
            }
        }
    }

    /// How far a peer was behind the snapshot that it sent.
    fn hear_owed(&mut self, link: Link, beats: &[Beat]) {
        let peer = self.replica.peer(link).map(|peer| peer.author);
        let Some(state) = self.links.get_mut(&link).filter(|l| matches!(l.owes, Owes::Beat)) else { return };
        if let Some(beat) = beats.iter().find(|beat| Some(beat.author) == peer) {
            state.owes = Owes::Effects(beat.held.clone());
        }
    }

    pub(super) fn malformed(&mut self, link: Link, what: &str) {
        let addr = self.links.get(&link).map(|state| state.addr.clone()).unwrap_or_default();
        let text = format!("Peer {addr} sent {what}");
        tracing::error!("{text}. The link is closed.");
        self.last_error = text.clone();
        self.links_refused += 1;
        self.hang_up(link, Why::Malformed, &text, End::Refused(text.clone()));
    }

    /// Who is at the other end?
    fn hello(&mut self, link: Link, hello: Hello) {
        let (author, boot) = (hello.author, hello.boot);
        if let Some(state) = self.links.get_mut(&link).filter(|_| hello.lost) {
            // It has nothing to give, or not yet.
            state.owes = Owes::Nothing;
        }
        if author.uuid == self.replica.me().uuid && boot == self.boot {
            return self.hang_up(link, Why::Self_, "this is the node that called", End::Itself);
        }
        if let Some(target) = self.links.get(&link).and_then(|state| state.target) {
            self.met.push((target, author.uuid));
        }
        if self.replica.peer(link).is_none()
            && let Some(loser) = self.twin(link, author.uuid, boot)
        {
            self.hang_up(loser, Why::Duplicate, "there is another link", End::Duplicate);
            if loser == link {
                return;
            }
        }
        let known: Vec<_> = self.replica.horizon().members().collect();
        self.step(Event::Received(link, Message::Hello(hello)));
        if let Some(state) = self.links.get(&link)
            && self.replica.peer(link).is_some()
        {
            tracing::info!("Linked with node {} at {}", show_uuid(author.uuid), state.addr);
        }
        if !known.iter().eq(&self.replica.horizon().members().collect::<Vec<_>>()) {
            self.save(true);
        }
    }

    fn begin_merge(&mut self, link: Link, head: &[u8]) {
        let known = self.replica.peer(link).is_some();
        let Ok(Message::Snapshot(head)) = Message::decode(head) else {
            return self.malformed(link, "a snapshot that begins with something else");
        };
        let Some(state) = self.links.get(&link) else { return };
        if !known || state.incoming.is_some() {
            return self.malformed(link, "a snapshot that was not expected");
        }
        self.look_for_data();
        if let Some(text) = self.objection_to(link, &head) {
            return self.hang_up(link, Why::Restart, text, End::Broken(text.into()));
        }
        let Some(state) = self.links.get(&link) else { return };
        tracing::info!("Full sync from {}: receiving", state.addr);
        let versions = head.vector.iter().map(|(_, have)| have.version);
        self.server.keyspace.journal.raise_floor(versions.max().unwrap_or(0));
        let merge = self.data.merge(Box::new(self.replica.coverage(&head)), self.replica.is_newcomer());
        if let Some(state) = self.links.get_mut(&link) {
            state.incoming = Some(Incoming { head, merge, partial: Vec::new() });
        }
    }

    /// Why a full sync is not taken, if it is not. A newcomer takes one at a time, and once it has begun with that of a member
    /// takes no other newcomer's data: those come once that one has joined, too.
    fn objection_to(&mut self, link: Link, head: &Head) -> Option<&'static str> {
        if head.newcomer && (self.replica.rooted() || self.joining.is_some()) {
            return Some(
                "this node is a member by now: it gives its data before it takes those of a newcomer",
            );
        }
        if !self.replica.is_newcomer() {
            return None;
        }
        let busy: Vec<Link> =
            self.links.iter().filter(|(_, l)| l.incoming.is_some()).map(|(l, _)| *l).collect();
        let joins = busy.iter().any(|other| self.replica.joins(*other)) || self.joining.is_some();
        if joins {
            return Some("this node joins by another full sync");
        }
        let text = "this node joins a mesh first";
        let joins = self.replica.joins(link);
        for other in busy.into_iter().filter(|other| *other != link && joins) {
            self.hang_up(other, Why::Restart, text, End::Broken(text.into()));
        }
        None
    }

    fn piece(&mut self, link: Link, piece: &[u8], whole: bool) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let Some(incoming) = &mut state.incoming else {
            return self.malformed(link, "a piece of no snapshot");
        };
        if incoming.partial.len() + piece.len() > PIECE_MAX {
            return self.malformed(link, "a piece of a snapshot that is too large");
        }
        if !whole || !incoming.partial.is_empty() {
            incoming.partial.extend_from_slice(piece);
        }
        if !whole {
            return;
        }
        let gathered = std::mem::take(&mut incoming.partial);
        let piece = if gathered.is_empty() { piece } else { &gathered };
        if self.data.merge_piece(&mut incoming.merge, piece).is_err() {
            self.malformed(link, "a piece of a snapshot that cannot be read");
        }
    }

    fn complete(&mut self, link: Link, head: Head, mut merge: Merge) {
        let Ok(more) = self.data.end_merge(&mut merge) else {
            return self.malformed(link, "a snapshot that is not whole");
        };
        let from_member = !head.newcomer;
        if let Some(keep) = &mut self.keep {
            keep.merged();
        }
        self.step(Event::Received(link, Message::Snapshot(head)));
        self.full_syncs.1 += 1;
        if let Some(state) = self.links.get_mut(&link) {
            if matches!(state.owes, Owes::Snapshot) {
                state.owes = Owes::Beat;
            }
            tracing::info!("Full sync from {}: done", state.addr);
        }
        if more {
            self.joining = Some(merge);
        } else {
            drop(merge);
            if from_member {
                self.joined();
            }
        }
    }

    /// This node's data are those of the mesh.
    fn joined(&mut self) {
        let mut actions = Vec::new();
        self.replica.joined(&mut actions);
        self.act(actions);
        self.see_membership();
    }

    /// Writes some of what only this node had before it became a member. True: there is more.
    pub fn write_rest(&mut self) -> bool {
        let Some(mut merge) = self.joining.take() else { return false };
        if self.data.write_rest(&mut merge, REST_BYTES) {
            self.joining = Some(merge);
        } else {
            drop(merge);
            self.drain();
            tracing::info!("What only this node had goes to the other members");
            self.joined();
        }
        self.joining.is_some()
    }

    fn farewell(&mut self, link: Link, why: Why, text: String) {
        let end = match why {
            Why::Duplicate => End::Duplicate,
            Why::Self_ => End::Itself,
            Why::Restart | Why::Unspecified => End::Broken(text),
            _ => End::Refused(text),
        };
        if let End::Refused(text) = &end {
            let addr = self.links.get(&link).map(|state| state.addr.clone()).unwrap_or_default();
            tracing::error!("Peer {addr} closed the link: {text}");
            self.last_error = text.clone();
        }
        // The machine's part of it: a label that is taken calls for another incarnation.
        if let Some(mut state) = self.links.remove(&link) {
            state.outbox.close(None);
            if let Some(stop) = state.stop.take() {
                let _ = stop.send(end);
            }
            self.step(Event::Disconnected(link));
        }
    }

    /// Tells the other end how far this node is, if it is time.
    pub fn acknowledge(&mut self, link: Link) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if state.owes() {
            state.unacknowledged = 0;
            state.acknowledged = Instant::now();
            let mut actions = Vec::new();
            self.replica.acknowledge(link, &mut actions);
            self.act(actions);
        }
    }
}
