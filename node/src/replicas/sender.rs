//! What a replica's connection sends: its snapshot, then the stream. Owned by the connection, on whatever worker that is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::Poll;

use super::backlog::Block;
use super::link::{Link, Payload, Stage};
use super::transfer::{Next, Reader};
use crate::server::Server;
use crate::worker::unix_ms;

/// Bytes of a file that are read at once.
const READ: usize = 128 << 10;
/// Bytes after which other connections of the worker have their turn.
const TURN: usize = 1 << 20;

/// See the [module's page](self).
pub struct Sender {
    pub link: Arc<Link>,
    piece: Piece,
    snapshot: Snapshot,
    new: bool,
}

/// What is being sent.
enum Piece {
    None,
    /// Bytes, and how many of them are sent.
    Own(Vec<u8>, usize),
    Shared(Arc<[u8]>, usize),
    /// A block of the stream: how far is the link's position.
    Stream(Arc<Block>),
}

/// Where the snapshot comes from.
enum Snapshot {
    None,
    /// The file, its length, and how much of it has been read.
    File(File, u64, u64),
    Transfer(Reader),
}

/// The connection is to be closed.
#[derive(Debug)]
pub struct Broken;

impl Sender {
    /// `first`: what is sent before anything else.
    pub fn new(link: Arc<Link>, first: Vec<u8>) -> Sender {
        let piece = if first.is_empty() { Piece::None } else { Piece::Own(first, 0) };
        Sender { link, piece, snapshot: Snapshot::None, new: true }
    }

    /// Whether this is asked for the first time.
    pub fn is_new(&mut self) -> bool {
        std::mem::take(&mut self.new)
    }

    /// Sends what there is until the socket takes no more. True: it would take more, but others have their turn first.
    pub fn send(
        &mut self,
        server: &Server,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Result<bool, Broken> {
        let mut sent = 0;
        while sent < TURN {
            if matches!(self.piece, Piece::None) {
                self.link.rest();
                if !self.find(server)? {
                    return Ok(false);
                }
                // Who has waited for more has not been slow.
                self.note_progress();
                self.link.work();
            }
            let rest = match &self.piece {
                Piece::None => continue,
                Piece::Own(bytes, at) => &bytes[*at..],
                Piece::Shared(bytes, at) => &bytes[*at..],
                Piece::Stream(block) => block.from(self.link.position().unwrap_or(u64::MAX)),
            };
            match write(rest) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    sent += n;
                    server.replicas.count_sent(n as u64);
                    self.advance(n);
                }
                Poll::Ready(_) => return Err(Broken),
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    fn advance(&mut self, n: usize) {
        let done = match &mut self.piece {
            Piece::None => true,
            Piece::Own(bytes, at) => {
                *at += n;
                *at == bytes.len()
            }
            Piece::Shared(bytes, at) => {
                *at += n;
                *at == bytes.len()
            }
            Piece::Stream(block) => {
                self.link.sent(n as u64);
                block.from(self.link.position().unwrap_or(u64::MAX)).is_empty()
            }
        };
        if done {
            // A block that nobody reads can grow.
            self.piece = Piece::None;
        }
        self.note_progress();
    }

    fn note_progress(&self) {
        if !matches!(self.snapshot, Snapshot::None) {
            self.link.sent_of_snapshot(unix_ms());
        }
    }

    /// Looks for the next piece; false if there is none now.
    fn find(&mut self, server: &Server) -> Result<bool, Broken> {
        if let Some(payload) = self.link.take_payload() {
            self.begin(payload);
        }
        if !matches!(self.piece, Piece::None) {
            return Ok(true);
        }
        match &mut self.snapshot {
            Snapshot::None => Ok(self.find_in_stream(server)),
            Snapshot::File(file, len, at) if *at < *len => {
                let mut bytes = vec![0; READ.min((*len - *at) as usize)];
                if let Err(e) = file.read_exact_at(&mut bytes, *at) {
                    tracing::warn!("Read error sending DB to replica: {}", crate::process::reason(&e));
                    return Err(Broken);
                }
                *at += bytes.len() as u64;
                self.piece = Piece::Own(bytes, 0);
                Ok(true)
            }
            Snapshot::File(..) => self.snapshot_sent(server, true),
            Snapshot::Transfer(reader) => match reader.next() {
                Next::Piece(piece) => {
                    self.piece = Piece::Shared(piece, 0);
                    Ok(true)
                }
                Next::Wait => Ok(false),
                Next::End => self.snapshot_sent(server, false),
                Next::Broken => Err(Broken),
            },
        }
    }

    fn begin(&mut self, payload: Payload) {
        self.snapshot = match payload {
            Payload::File(file, len) => {
                self.link.turn(Stage::Receiving);
                self.piece = Piece::Own(format!("${len}\r\n").into_bytes(), 0);
                Snapshot::File(file, len, 0)
            }
            Payload::Transfer(reader) => Snapshot::Transfer(reader),
        };
    }

    fn find_in_stream(&mut self, server: &Server) -> bool {
        let position = self.link.position().filter(|_| self.link.flows());
        let Some(block) = position.and_then(|position| server.replicas.block(position)) else { return false };
        self.piece = Piece::Stream(block);
        true
    }

    /// All of the snapshot is sent. After one of unknown length the stream waits for the replica's word that it has found
    /// the end: it might take the first commands for a part of it.
    fn snapshot_sent(&mut self, server: &Server, of_known_length: bool) -> Result<bool, Broken> {
        self.snapshot = Snapshot::None;
        if self.link.about.rdb_only {
            self.link.turn(Stage::Served);
            tracing::info!(
                "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
                self.link.name()
            );
            return Err(Broken);
        }
        self.link.go_online(unix_ms());
        if of_known_length || self.link.about.old {
            self.link.flow();
        }
        server.replicas.came_online(server, &self.link);
        Ok(self.find_in_stream(server))
    }
}
