//! One link to a master, and the thread that keeps it: connects, catches up, executes what comes, and begins again when
//! the link breaks, after ever longer pauses.

use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::apply::Applier;
use super::handshake::{Answer, Handshake, announced_port};
use super::status::{State, Status};
use super::sync;
use super::wire::Wire;
use crate::config::Config;
use crate::config::values::Master;
use crate::server::Server;

/// Pauses between tries: at first, and at most. Redis tries once a second.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The pause after a refusal: something has to be put right, or to come to an end, at the other side.
const PAUSE_REFUSED: Duration = Duration::from_secs(1);

/// What becomes of the data that were here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A plain replica: the data are the master's.
    Follow,
    /// One of several equals: what the master sends comes in addition, as writes made here.
    Merge,
}

/// Why a link has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The network, or the other end, is gone.
    Lost(String),
    /// The other end does not want us, or speaks another language.
    Refused(String),
    /// Nobody wants this link any more.
    Unwanted,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Lost(text) | Broken::Refused(text) => f.write_str(text),
            Broken::Unwanted => f.write_str("the master is not followed any more"),
        }
    }
}

/// See the [module's page](self).
pub struct Link {
    pub server: &'static Server,
    pub master: Master,
    pub mode: Mode,
    pub status: Status,
    unwanted: AtomicBool,
    /// The database that the stream has selected, as of the offset.
    pub db: AtomicUsize,
    /// Held while something of the master's goes into the data.
    pub applying: Mutex<()>,
    socket: Mutex<Option<TcpStream>>,
    rested: Mutex<()>,
    wake: Condvar,
}

/// What is said of a master that has been silent for `repl-timeout`: Redis's words.
fn silence(state: State) -> &'static str {
    match state {
        State::Connect | State::Connecting | State::Handshake => "Timeout connecting to the MASTER...",
        State::Sync => {
            "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in \
             redis.conf to a larger value."
        }
        State::Connected => "MASTER timeout: no data nor PING received...",
    }
}

impl Link {
    /// `db`: what the stream has selected where it is gone on with.
    pub fn start(
        server: &'static Server,
        master: Master,
        mode: Mode,
        db: usize,
    ) -> std::io::Result<Arc<Link>> {
        let link = Arc::new(Link {
            server,
            master,
            mode,
            status: Status::default(),
            unwanted: AtomicBool::new(false),
            db: AtomicUsize::new(db),
            applying: Mutex::new(()),
            socket: Mutex::new(None),
            rested: Mutex::new(()),
            wake: Condvar::new(),
        });
        let own = link.clone();
        std::thread::Builder::new().name("upstream".into()).spawn(move || own.keep())?;
        Ok(link)
    }

    /// Nothing of the master's goes into the data once this has returned. The caller must hold no shard.
    pub fn stop(&self) {
        self.unwanted.store(true, Release);
        self.hang_up();
        drop(self.applying.lock());
        drop(self.rested.lock());
        self.wake.notify_all();
    }

    /// Ends the connection; the link is tried again if it is still wanted.
    pub fn hang_up(&self) {
        if let Some(socket) = &*self.socket.lock() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Bytes of the master's stream that are in the data.
    pub fn offset(&self) -> u64 {
        match self.mode {
            Mode::Follow => self.server.replicas.history(|history| history.offset()),
            Mode::Merge => self.status.offset.load(Relaxed),
        }
    }

    pub fn is_unwanted(&self) -> bool {
        self.unwanted.load(Acquire)
    }

    pub fn heard(&self) {
        self.status.heard();
    }

    pub fn received(&self, bytes: u64) {
        self.status.received(bytes);
    }

    /// Whether to go on waiting for the master.
    pub fn check(&self, config: &Config) -> Result<(), Broken> {
        if self.is_unwanted() {
            return Err(Broken::Unwanted);
        }
        if self.status.silent_s(crate::worker::unix_ms()) > u64::from(config.repl_timeout) {
            return Err(Broken::Lost(silence(self.status.state()).into()));
        }
        Ok(())
    }

    /// Shows how far the link is. Whether it is up matters to commands.
    pub fn set(&self, state: State) {
        if self.status.set(state) {
            self.server.config.touch();
        }
    }

    /// Keeps the link as long as it is wanted.
    fn keep(&self) {
        let mut applier = Applier::new(self);
        let mut pause = PAUSE_MIN;
        while !self.is_unwanted() {
            let began = Instant::now();
            let broken = self.once(&mut applier).expect_err("a link ends in one way or another");
            applier.hung_up();
            *self.socket.lock() = None;
            let was_up = self.status.is_up();
            // What broke when the data were on their way has nothing to do with why a master could not be reached.
            if matches!(self.status.state(), State::Sync | State::Connected) {
                pause = PAUSE_MIN;
            }
            self.set(State::Connect);
            self.status.set_error(&broken.to_string());
            if self.is_unwanted() {
                return;
            }
            let Master { host, port } = &self.master;
            // A replica that can't be reached can't take over.
            if self.mode == Mode::Follow {
                self.server.upstream.failover.abort(self.server, &broken.to_string());
            }
            match broken {
                Broken::Refused(text) => {
                    tracing::warn!("MASTER {host}:{port}: {text}");
                    pause = PAUSE_REFUSED;
                }
                Broken::Lost(text) if was_up => {
                    tracing::warn!("Connection with master {host}:{port} lost: {text}");
                    // At once: the backlog may not reach for long. But not over and over.
                    pause = PAUSE_MIN.saturating_sub(began.elapsed());
                }
                Broken::Lost(text) => {
                    tracing::warn!("Error condition on socket for SYNC with {host}:{port}: {text}");
                    pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                }
                Broken::Unwanted => return,
            }
            let mut rested = self.rested.lock();
            if !self.is_unwanted() {
                self.wake.wait_for(&mut rested, pause);
            }
        }
    }

    /// One connection from beginning to end.
    fn once(&self, applier: &mut Applier<'_>) -> Result<(), Broken> {
        let config = self.server.config.get();
        let Master { host, port } = &self.master;
        if self.mode == Mode::Merge && self.server.mesh.refuses_writes() {
            return Err(Broken::Lost("this node has yet to get its own data back".into()));
        }
        self.set(State::Connecting);
        tracing::info!("Connecting to MASTER {host}:{port}");
        let mut wire = Wire::open(&config, host, *port)?;
        *self.socket.lock() = Some(wire.handle()?);
        self.heard();
        self.check(&config)?;
        tracing::info!("MASTER <-> REPLICA sync started");
        self.set(State::Handshake);
        let mut handshake = Handshake { link: self, wire: &mut wire, config: &config, peer: None };
        handshake.introduce()?;
        applier.meet_again(handshake.peer.take());
        let (replid, offset) = applier.position();
        match handshake.psync(&replid, offset)? {
            Answer::Continue { replid } => applier.go_on(replid)?,
            Answer::Full { replid, offset } => {
                tracing::info!("Full resync from master: {replid}:{offset}");
                sync::full(&mut handshake, applier, &replid, offset)?;
            }
            Answer::Later(text) => {
                return Err(Broken::Refused(format!(
                    "is currently unable to PSYNC but should be in the future: {text}"
                )));
            }
            Answer::Unknown => {
                return Err(Broken::Refused(
                    "does not understand PSYNC: it is too old to be followed".into(),
                ));
            }
        }
        tracing::debug!("Replicas of this node find it at port {}", announced_port(&config));
        applier.stream(&mut wire)
    }
}
