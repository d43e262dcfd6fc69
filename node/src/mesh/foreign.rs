//! A configured node that is no peer but a Redis, Valkey or KeyDB server: it is followed over PSYNC, and what it sends is
//! merged, see [`crate::upstream`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::status::State;
use super::thread::Shared;
use crate::config::Config;
use crate::config::values::Master;
use crate::upstream::status;
use crate::upstream::wire::Wire;
use crate::worker::unix_ms;

/// How long a server may take to say what it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often its state is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// After so long without a link it is asked again what it is: a peer may have taken its place.
const ASK_AGAIN_S: u64 = 5;
const LINE_MAX: usize = 4096;

/// Whether a server that does not answer as a peer is none at all.
pub async fn is_plain(config: Arc<Config>, master: &Master) -> bool {
    let master = master.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&config, &master).unwrap_or(false));
    asked.await.unwrap_or(false)
}

/// Every node of a mesh knows the command REPLICATION, and nobody else does.
fn ask(config: &Config, master: &Master) -> std::io::Result<bool> {
    let mut wire = Wire::open(config, &master.host, master.port)?;
    match (config.masterauth.is_empty(), config.masteruser.is_empty()) {
        (true, _) => {}
        (false, true) => wire.command(&[b"AUTH", &config.masterauth])?,
        (false, false) => wire.command(&[b"AUTH", &config.masteruser, &config.masterauth])?,
    }
    wire.command(&[b"REPLICATION", b"HELP"])?;
    let began = std::time::Instant::now();
    let mut answers = if config.masterauth.is_empty() { 1 } else { 2 };
    while began.elapsed() < ANSWER_WITHIN {
        if let Some(line) = wire.line(LINE_MAX)? {
            answers -= 1;
            if answers == 0 {
                return Ok(line.starts_with(b"-ERR unknown command"));
            }
        }
    }
    Ok(false)
}

/// Merges what it sends until it is not wanted any more, or gone.
pub async fn keep(shared: &Rc<Shared>, id: usize, master: &Master) {
    let server = shared.server;
    tracing::warn!(
        "{}:{} is no Everwrite node with active-replica: its writes are taken over PSYNC as if they were made here. Between it \
         and this mesh nothing can be promised: the last to arrive wins, what it deletes while there is no link stays, \
         and nothing is sent back to it",
        master.host,
        master.port
    );
    let link = match server.upstream.merge(server, master.clone()) {
        Ok(link) => link,
        Err(e) => return tracing::error!("Can't start a thread: {e}"),
    };
    loop {
        let state = match link.status.state() {
            status::State::Connect => State::Waiting,
            status::State::Connecting | status::State::Handshake => State::Connecting,
            status::State::Sync => State::Syncing,
            status::State::Connected => State::Connected,
        };
        shared.set(id, state, Some(link.status.error()));
        let gone = !state.is_up() && link.status.down_s(unix_ms()) >= ASK_AGAIN_S;
        if shared.wanted(id).is_none() || gone {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.changed.notified() => {}
        }
    }
    let parted = tokio::task::spawn_blocking(move || server.upstream.part(&link));
    let _ = parted.await;
}
