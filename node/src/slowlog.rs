//! SLOWLOG: the commands that took longest.

use std::collections::VecDeque;

use engine::command::{CommandId, Flags};
use parking_lot::Mutex;
use protocol::Args;

use crate::client::Client;
use crate::config::Config;
use crate::worker::unix_ms;

/// Arguments and bytes per argument that an entry keeps.
const ARGS_MAX: usize = 32;
const ARG_MAX: usize = 128;

/// A slow command.
#[derive(Clone, Debug)]
pub struct SlowCommand {
    pub id: u64,
    /// Unix seconds.
    pub at: u64,
    pub us: u64,
    pub args: Vec<Vec<u8>>,
    pub addr: String,
    pub name: String,
}

#[derive(Default)]
struct Log {
    next: u64,
    entries: VecDeque<SlowCommand>,
}

/// See the [module's page](self). Newest first, at most `slowlog-max-len`.
#[derive(Default)]
pub struct Slowlog(Mutex<Log>);

impl Slowlog {
    #[cold]
    pub fn record(&self, client: &Client, id: CommandId, args: Args<'_>, us: u64, config: &Config) {
        if id.facts().flags.has(Flags::SKIP_SLOWLOG) || config.slowlog_max_len == 0 {
            return;
        }
        let mut log = self.0.lock();
        let entry = SlowCommand {
            id: log.next,
            at: unix_ms() / 1000,
            us,
            args: shortened(id, args),
            addr: client.addr.clone(),
            name: client.names.lock().name.clone(),
        };
        log.next += 1;
        log.entries.push_front(entry);
        log.entries.truncate(config.slowlog_max_len);
    }

    pub fn newest(&self, n: usize) -> Vec<SlowCommand> {
        self.0.lock().entries.iter().take(n).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn clear(&self) {
        self.0.lock().entries.clear();
    }

    pub fn truncate(&self, n: usize) {
        self.0.lock().entries.truncate(n);
    }
}

fn shortened(id: CommandId, args: Args<'_>) -> Vec<Vec<u8>> {
    let shown = args.len().min(ARGS_MAX);
    let mut out = Vec::with_capacity(shown);
    for (i, arg) in args.iter().take(shown).enumerate() {
        if args.len() > shown && i == shown - 1 {
            out.push(format!("... ({} more arguments)", args.len() - shown + 1).into_bytes());
        } else if hidden(id, args, i) {
            out.push(b"(redacted)".to_vec());
        } else if arg.len() > ARG_MAX {
            let mut cut = arg[..ARG_MAX].to_vec();
            cut.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_MAX).as_bytes());
            out.push(cut);
        } else {
            out.push(arg.to_vec());
        }
    }
    out
}

/// Passwords are not shown.
fn hidden(id: CommandId, args: Args<'_>, i: usize) -> bool {
    match id.facts().name {
        "AUTH" => i > 0,
        "HELLO" => i > 2 && args.iter().skip(2).take(i - 2).any(|a| a.eq_ignore_ascii_case(b"auth")),
        "CONFIG SET" => {
            i >= 3
                && i % 2 == 1
                && ["requirepass", "masterauth", "masteruser", "tls-key-file-pass"]
                    .iter()
                    .any(|n| args[i - 1].eq_ignore_ascii_case(n.as_bytes()))
        }
        "ACL SETUSER" | "ACL DELUSER" | "ACL GETUSER" => i > 1,
        "MIGRATE" => {
            i > 5
                && args
                    .iter()
                    .take(i)
                    .any(|a| a.eq_ignore_ascii_case(b"auth") || a.eq_ignore_ascii_case(b"auth2"))
        }
        _ => false,
    }
}
