//! A link as the driver keeps it, from the call to its end.

use std::time::{Duration, Instant};

use engine::active::sync::Merge;
use replication::message::Head;
use replication::vector::Vector;
use tokio::sync::oneshot;

use super::outbox::Outbox;

/// Acknowledgements go out at most this often, if not for bytes.
pub const ACK_EVERY: Duration = Duration::from_millis(2);
/// Bytes after which one goes out at once.
pub const ACK_BYTES: usize = 512 << 10;

/// What is owed and does not come for so long, nobody waits for any more.
const OWED_WITHIN: Duration = Duration::from_secs(10);

/// Why a link ended, as far as the one who dialled it has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The other end is no peer, but a server to follow over PSYNC.
    Foreign,
    /// The connection broke, or the other end closed it without a reason.
    Broken(String),
    /// The two nodes have another link.
    Duplicate,
    /// Both ends are one node.
    Itself,
    /// Worth another try, but not soon.
    Refused(String),
    /// The target is not wanted any more.
    Unwanted,
}

/// What a link that was opened by a node without its data is still to bring, before anybody may look at them: a snapshot
/// is read key by key while clients write, so it is whole only together with the effects behind it.
#[derive(Clone, Debug, Default)]
pub enum Owes {
    #[default]
    Nothing,
    Snapshot,
    /// The peer's word how far it was at the snapshot's end.
    Beat,
    /// All this.
    Effects(Vector),
}

/// A snapshot being received.
pub struct Incoming {
    pub head: Head,
    pub merge: Merge,
    /// The beginning of a piece that did not fit into a frame.
    pub partial: Vec<u8>,
}

/// See the [module's page](self).
pub struct LinkState {
    pub outbox: Outbox,
    pub addr: String,
    /// The target that was dialled. `None`: the other end called.
    pub target: Option<usize>,
    pub opened: Instant,
    pub opened_ms: u64,
    pub heard: Instant,
    pub bytes_in: u64,
    pub clock_ms: i64,
    pub incoming: Option<Incoming>,
    pub owes: Owes,
    pub sends_snapshot: bool,
    /// The last change of the functions that the other end has been told of.
    pub libraries: u64,
    /// Bytes of effects that were not acknowledged yet.
    pub unacknowledged: usize,
    pub acknowledged: Instant,
    /// Tells its reader to stop.
    pub stop: Option<oneshot::Sender<End>>,
}

impl LinkState {
    pub fn new(
        outbox: Outbox,
        addr: String,
        target: Option<usize>,
        now_ms: u64,
    ) -> (LinkState, oneshot::Receiver<End>) {
        let (stop, stopped) = oneshot::channel();
        let now = Instant::now();
        let link = LinkState {
            outbox,
            addr,
            target,
            opened: now,
            opened_ms: now_ms,
            heard: now,
            bytes_in: 0,
            clock_ms: 0,
            incoming: None,
            owes: Owes::Nothing,
            sends_snapshot: false,
            libraries: 0,
            unacknowledged: 0,
            acknowledged: now,
            stop: Some(stop),
        };
        (link, stopped)
    }

    /// Whether it still owes something to a node that has this much.
    pub fn is_in_debt(&self, vector: &Vector) -> bool {
        match &self.owes {
            Owes::Nothing => false,
            Owes::Snapshot | Owes::Beat => self.incoming.is_some() || self.opened.elapsed() < OWED_WITHIN,
            Owes::Effects(all) => !vector.covers(all) && self.opened.elapsed() < OWED_WITHIN,
        }
    }

    /// Whether an acknowledgement is due now.
    pub fn owes(&self) -> bool {
        self.unacknowledged > ACK_BYTES || self.unacknowledged > 0 && self.acknowledged.elapsed() >= ACK_EVERY
    }
}
