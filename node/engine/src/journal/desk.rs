//! Where one writer puts its groups for the drain.

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
pub struct State {
    /// Groups, see [`replication::codec::groups`], in the order of their versions.
    pub bytes: Vec<u8>,
    /// The writer may still put groups here with versions above this.
    pub open: Option<u64>,
    /// The writer's last version.
    pub last: u64,
    /// The writer is no more.
    pub left: bool,
}

/// See the [module's page](super).
pub struct Desk {
    /// Stands in the low bits of the versions that are minted here.
    pub number: u16,
    pub state: Mutex<State>,
    /// Told when the desk has been emptied.
    pub emptied: Condvar,
}

impl Desk {
    pub fn new(number: u16) -> Desk {
        Desk { number, state: Mutex::default(), emptied: Condvar::new() }
    }
}
