//! What others ask of the mesh's thread.

use std::sync::Arc;

use engine::waiting::Ticket;
use proto::peer::Frame;
use replication::origin::Uuid;
use tonic::Streaming;

use super::outbox::Outbox;
use crate::config::values::Master;
use crate::connection::Socket;
use crate::replicas::waits::Mark;

/// See the [module's page](self).
pub enum Order {
    /// A connection on the server's port that speaks HTTP/2, and what was read of it.
    Adopt { socket: Socket, read: Vec<u8>, addr: String },
    /// A peer has called, and may.
    Incoming { stream: Box<Streaming<Frame>>, outbox: Outbox, addr: String, local: bool },
    /// Links to exactly these.
    Follow(Vec<Master>),
    /// A client waits until so many peers and replicas hold what has been written so far (WAIT).
    Wait { ticket: Arc<Ticket>, mark: Arc<Mark>, holders: usize, timeout_ms: u64 },
    /// A replica holds more: somebody may have waited for that.
    Look,
    /// Functions have changed.
    Libraries,
    /// The log on disk is to be rewritten.
    Rewrite,
    /// A client waits until nothing can sort before what has been written so far (WAITSTABLE).
    WaitStable { ticket: Arc<Ticket>, timeout_ms: u64 },
    /// What the operator wants (REPLICATION), and where the answer goes.
    Ask { ticket: Arc<Ticket>, wish: Wish },
}

/// What REPLICATION asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Forget(Uuid),
    Detach(Uuid),
    Attach(Uuid),
    NewId,
}
