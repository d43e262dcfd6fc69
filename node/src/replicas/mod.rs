//! Replicas: servers that follow this one over PSYNC, as Redis's replicas do.
//!
//! In reading order: [`history`] is what the data's past is called and how far it has come, [`backlog`] keeps its end.
//!
//! All replicas get the same stream of bytes: the commands of the feed, in order. One that follows another server passes
//! that one's stream on instead, byte by byte ([`Replicas::relay`]).

pub mod backlog;
pub mod history;

use parking_lot::Mutex;

use crate::feed::pump::Consumer;
use crate::server::Server;
use history::History;

/// See the [module's page](self).
#[derive(Default)]
pub struct Replicas {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: History,
}

impl Replicas {
    /// Looks at the history of the data, or changes it.
    pub fn history<T>(&self, look: impl FnOnce(&mut History) -> T) -> T {
        look(&mut self.state.lock().history)
    }

    /// The name of the data's history.
    pub fn id(&self) -> String {
        self.history(|history| history.id().to_owned())
    }

    /// Passes on what came from this server's own master.
    pub fn relay(&self, bytes: &[u8]) {
        self.state.lock().history.append(bytes);
    }
}

impl Consumer for Replicas {
    fn group(&self, _version: u64, group: &[u8]) {
        let mut state = self.state.lock();
        if !state.history.is_relayed() {
            state.history.append_group(group);
        }
    }

    fn done(&self, _server: &'static Server, _promise: u64) {}
}
