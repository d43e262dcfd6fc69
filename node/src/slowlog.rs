//! Logs of commands that were notable: SLOWLOG has those that took long, COMMANDLOG (from Valkey) also those with large requests
//! or replies.

use std::collections::VecDeque;

use engine::command::{CommandId, Flags};
use parking_lot::Mutex;
use protocol::Args;

use crate::client::Client;
use crate::worker::unix_ms;

/// Arguments and bytes per argument that an entry keeps.
const ARGS_MAX: usize = 32;
const ARG_MAX: usize = 128;

/// A notable command.
#[derive(Clone, Debug)]
pub struct LoggedCommand {
    pub id: u64,
    /// Unix seconds.
    pub at: u64,
    /// What was notable: microseconds, or bytes.
    pub amount: u64,
    pub args: Vec<Vec<u8>>,
    pub addr: String,
    pub name: String,
}

#[derive(Default)]
struct Log {
    next: u64,
    entries: VecDeque<LoggedCommand>,
}

/// One log. Newest first.
#[derive(Default)]
pub struct CommandLog(Mutex<Log>);

/// See the [module's page](self).
#[derive(Default)]
pub struct CommandLogs {
    pub slow: CommandLog,
    pub large_requests: CommandLog,
    pub large_replies: CommandLog,
}

impl CommandLog {
    /// Notes a command; the oldest go beyond `max_len`.
    #[cold]
    pub fn record(&self, client: &Client, id: CommandId, args: Args<'_>, amount: u64, max_len: usize) {
        if id.facts().flags.has(Flags::SKIP_SLOWLOG) || max_len == 0 {
            return;
        }
        let mut log = self.0.lock();
        let entry = LoggedCommand {
            id: log.next,
            at: unix_ms() / 1000,
            amount,
            args: shortened(id, args),
            addr: client.addr.clone(),
            name: client.names.lock().name.clone(),
        };
        log.next += 1;
        log.entries.push_front(entry);
        log.entries.truncate(max_len);
    }

    pub fn newest(&self, n: usize) -> Vec<LoggedCommand> {
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
pub fn hidden(id: CommandId, args: Args<'_>, i: usize) -> bool {
    match id.facts().name {
        "AUTH" => i > 0,
        "HELLO" => follows(args, i, 2, b"auth", 2),
        "CONFIG SET" => {
            i >= 3
                && i % 2 == 1
                && ["requirepass", "masterauth", "masteruser", "tls-key-file-pass"]
                    .iter()
                    .any(|n| args[i - 1].eq_ignore_ascii_case(n.as_bytes()))
        }
        "ACL SETUSER" | "ACL DELUSER" | "ACL GETUSER" => i > 1,
        "MIGRATE" => follows(args, i, 6, b"auth", 1) || follows(args, i, 6, b"auth2", 2),
        _ => false,
    }
}

/// Whether argument `i` is one of the `count` behind `word`, which stands at `from` or later.
fn follows(args: Args<'_>, i: usize, from: usize, word: &[u8], count: usize) -> bool {
    (from..i).rev().take(count).any(|at| args[at].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use engine::command::id;
    use protocol::OwnedArgs;

    use super::*;

    fn shown(id: CommandId, line: &str) -> String {
        let args = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
        let words = shortened(id, args.view());
        words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown(id::AUTH, "auth a b"), "auth (redacted) (redacted)");
        let hello = shown(id::HELLO, "hello 3 auth user pass setname me");
        assert_eq!(hello, "hello 3 auth (redacted) (redacted) setname me");
        let config = shown(id::CONFIG_SET, "config set port 1 requirepass x");
        assert_eq!(config, "config set port 1 requirepass (redacted)");
        let migrate = shown(id::MIGRATE, "migrate host 1 key 9 5000 AUTH pass COPY");
        assert_eq!(migrate, "migrate host 1 key 9 5000 AUTH (redacted) COPY");
        let migrate = shown(id::MIGRATE, "migrate host 1 key 9 5000 AUTH2 user pass");
        assert_eq!(migrate, "migrate host 1 key 9 5000 AUTH2 (redacted) (redacted)");
    }

    #[test]
    fn long_commands_are_cut() {
        let words: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let text = shown(id::MSET, &words.join(" "));
        assert!(text.ends_with(" 30 ... (9 more arguments)"), "{text}");
        let text = shown(id::GET, &format!("get {}", "a".repeat(130)));
        assert_eq!(text, format!("get {}... (2 more bytes)", "a".repeat(128)));
    }
}
