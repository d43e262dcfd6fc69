//! Clients that wait for peers: WAIT and WAITSTABLE.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::waiting::Ticket;
use protocol::Reply;
use replication::origin::Stream;

use crate::replicas::waits::Mark;

/// What a client waits for.
#[derive(Clone, Debug)]
pub enum For {
    /// So many hold what was written: peers this stream up to this position, replicas up to this mark.
    Held { stream: Stream, seq: u64, mark: Arc<Mark>, holders: usize },
    /// Nothing up to this version is under way.
    Stable { version: u64 },
}

struct Waiter {
    ticket: Arc<Ticket>,
    what: For,
    until: Option<Instant>,
}

/// Those who wait. As many as there are clients at most: a client waits for one thing at a time.
#[derive(Default)]
pub struct Waits(Vec<Waiter>);

/// How far things are.
pub trait Progress {
    /// Peers that hold a stream up to this position, and replicas that are at this mark.
    fn holders(&self, stream: Stream, seq: u64, mark: &Mark) -> usize;
    fn is_stable(&self, version: u64) -> bool;
}

impl Waits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a client. `timeout_ms` 0: it waits for ever.
    pub fn add(&mut self, ticket: Arc<Ticket>, what: For, timeout_ms: u64) {
        let until = (timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(timeout_ms));
        self.0.push(Waiter { ticket, what, until });
    }

    /// When the next one's time is up.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().filter_map(|waiter| waiter.until).min()
    }

    /// Those whose wait has ended, and their replies. Who has gone is forgotten.
    pub fn ended(&mut self, progress: &impl Progress) -> Vec<(Arc<Ticket>, Vec<u8>)> {
        let now = Instant::now();
        let mut ended = Vec::new();
        self.0.retain(|waiter| {
            let (done, value) = match &waiter.what {
                For::Held { stream, seq, mark, holders: wanted } => {
                    let holders = progress.holders(*stream, *seq, mark);
                    (holders >= *wanted, holders as i64)
                }
                For::Stable { version } => {
                    let stable = progress.is_stable(*version);
                    (stable, i64::from(stable))
                }
            };
            let over = done || waiter.until.is_some_and(|until| until <= now);
            if over {
                let mut out = Reply::new(waiter.ticket.resp3);
                out.int(value);
                ended.push((waiter.ticket.clone(), out.buf));
            }
            !over && !waiter.ticket.state.is_over()
        });
        ended
    }
}
