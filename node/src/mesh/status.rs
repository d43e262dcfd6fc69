//! What is shown of the mesh: INFO, ROLE and REPLICATION read it, the mesh's thread renews it with each beat.

use replication::origin::Author;
use replication::overlay::Counts;

use crate::config::values::{Master, Masters};

/// How far a link to a configured node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Waiting before the next try.
    #[default]
    Waiting,
    Connecting,
    /// A snapshot is being received.
    Syncing,
    Connected,
    /// It is this node.
    Itself,
}

impl State {
    /// As ROLE names it.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "connect",
            State::Connecting => "connecting",
            State::Syncing => "sync",
            State::Connected => "connected",
            State::Itself => "itself",
        }
    }

    pub fn is_up(self) -> bool {
        matches!(self, State::Connected | State::Syncing)
    }
}

/// A node that is to be followed.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub state: State,
    /// The link that serves it, whoever opened it.
    pub peer: Option<Author>,
    pub error: String,
    /// Unix ms since when there is no link.
    pub down_since_ms: u64,
}

/// A member of the mesh.
#[derive(Clone, Debug)]
pub struct Member {
    pub author: Author,
    pub detached: bool,
    /// There while there is a link.
    pub link: Option<LinkStatus>,
    /// Unix ms of its last beat that was heard, directly or from others; 0: none.
    pub beat_ms: u64,
}

/// A link to a member.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    pub addr: String,
    /// This node called.
    pub outbound: bool,
    pub since_ms: u64,
    /// Unix ms of the last frame.
    pub heard_ms: u64,
    /// Age of the oldest write made here that the peer does not hold.
    pub lag_ms: u64,
    /// How many such writes there are, in groups.
    pub lag_effects: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// How far the peer's clock is ahead.
    pub clock_ms: i64,
    /// A snapshot goes out; comes in.
    pub sends_snapshot: bool,
    pub takes_snapshot: bool,
}

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub me: Option<Author>,
    /// As far as the mesh has heard of them; see [`Status::targets`].
    pub targets: Vec<Target>,
    pub members: Vec<Member>,
    /// Groups written here since the stream began.
    pub written: u64,
    /// Milliseconds by which the horizon is behind the clock.
    pub horizon_age_ms: u64,
    pub log_bytes: u64,
    /// On disk.
    pub spilled_bytes: u64,
    pub full_syncs_out: u64,
    pub full_syncs_in: u64,
    pub applied: u64,
    /// Keys of which late writes of others are still awaited.
    pub overlay_keys: u64,
    /// Writes of different nodes that could not both be, by the rule that decided.
    pub conflicts: Counts,
    pub links_refused: u64,
    pub last_error: String,
    /// Clients may write.
    pub serves: bool,
}

impl Status {
    /// These nodes, with what is known of each. Who has just been added may not be known yet.
    pub fn targets(&self, masters: &Masters) -> Vec<Target> {
        let known = |m: &Master| self.targets.iter().find(|t| t.host == m.host && t.port == m.port).cloned();
        let new = |m: &Master| Target { host: m.host.clone(), port: m.port, ..Target::default() };
        masters.0.iter().map(|m| known(m).unwrap_or_else(|| new(m))).collect()
    }

    /// The link that serves a target.
    pub fn link_of(&self, target: &Target) -> Option<&LinkStatus> {
        let author = target.peer?;
        self.members.iter().find(|m| m.author.uuid == author.uuid)?.link.as_ref()
    }

    /// Linked peers that are less than so many seconds behind.
    pub fn good_peers(&self, max_lag_s: u64) -> usize {
        self.linked().filter(|(_, link)| link.lag_ms <= max_lag_s * 1000).count()
    }

    /// Members that have a link here.
    pub fn linked(&self) -> impl Iterator<Item = (&Member, &LinkStatus)> {
        self.members.iter().filter_map(|member| Some((member, member.link.as_ref()?)))
    }
}
