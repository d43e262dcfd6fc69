//! MONITOR: clients that are shown every command.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use engine::command::{CommandId, Flags};
use parking_lot::Mutex;
use protocol::Args;

use crate::client::{Client, Mail, flag};
use crate::session::Session;

/// See the [module's page](self).
#[derive(Default)]
pub struct Monitors {
    count: AtomicUsize,
    clients: Mutex<Vec<Arc<Client>>>,
}

impl Monitors {
    #[inline]
    pub fn any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    pub fn join(&self, session: &mut Session) {
        session.monitoring = true;
        let mut clients = self.clients.lock();
        if !session.client.has(flag::MONITOR) {
            session.client.set(flag::MONITOR, true);
            clients.push(session.client.clone());
            self.count.store(clients.len(), Relaxed);
        }
    }

    pub fn leave(&self, session: &mut Session) {
        session.monitoring = false;
        if session.client.has(flag::MONITOR) {
            let mut clients = self.clients.lock();
            clients.retain(|c| c.id != session.client.id);
            session.client.set(flag::MONITOR, false);
            self.count.store(clients.len(), Relaxed);
        }
    }

    /// Shows a command that is about to run.
    #[cold]
    pub fn feed(&self, session: &Session, id: CommandId, args: Args<'_>, now_ms: u64) {
        if !id.facts().flags.meets(Flags::SKIP_MONITOR.or(Flags::ADMIN)) {
            self.show(session, id, args, now_ms);
        }
    }

    /// Shows a command whatever its flags are.
    #[cold]
    pub fn show(&self, session: &Session, id: CommandId, args: Args<'_>, now_ms: u64) {
        let micros = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(now_ms as u128 * 1000, |d| d.as_micros());
        let unix = if session.client.has(flag::UNIX) { "unix:" } else { "" };
        let (unix, from) = if session.in_script { ("", "lua") } else { (unix, session.client.addr.as_str()) };
        let mut line =
            format!("+{}.{:06} [{} {unix}{from}]", micros / 1_000_000, micros % 1_000_000, session.db,)
                .into_bytes();
        for (i, arg) in args.iter().enumerate() {
            line.push(b' ');
            if crate::slowlog::hidden(id, args, i) {
                line.extend_from_slice(b"\"(redacted)\"");
            } else {
                line.extend(protocol::quote::quoted(arg));
            }
        }
        line.extend_from_slice(b"\r\n");
        let line: Arc<[u8]> = line.into();
        for client in self.clients.lock().iter() {
            client.post(Mail::Send(line.clone()), crate::client::MONITOR_LIMIT);
        }
    }
}
