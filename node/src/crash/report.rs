//! The report: written by a thread that is well, about one that is not.

use engine::ctx::Ctx;

use super::signal::{self, Crash, say};
use super::symbols::Symbols;
use crate::commands::client::list;
use crate::info::Info;
use crate::server::Server;
use crate::worker::unix_ms;

/// Clients that are listed.
const CLIENTS_MAX: usize = 100;

/// Sections of INFO; those of which locks are taken come last.
const SECTIONS: &[&str] = &[
    "server",
    "clients",
    "persistence",
    "replication",
    "cpu",
    "commandstats",
    "errorstats",
    "stats",
    "memory",
    "keyspace",
];

pub fn write(server: &'static Server, crash: &Crash) {
    heading("WHAT HAPPENED");
    part(&what(crash));
    heading("STACK TRACE");
    part(&stack(crash));
    heading("CURRENT CLIENT");
    part(&current(server, crash));
    heading("CLIENT LIST OUTPUT");
    part(&clients(server));
    heading("INFO OUTPUT");
    let mut ctx = Ctx::new(&server.keyspace, server.seed);
    for section in SECTIONS {
        part(&Info::new(server, &mut ctx, 0).text(&[section.as_bytes()]));
        ctx.locks.release();
    }
    part(
        "\n=== EVERWRITE BUG REPORT END. Please report this, with all of the above, to who maintains the program. ===\n",
    );
}

fn heading(text: &str) {
    part(&format!("\n------ {text} ------\n"));
}

fn part(text: &str) {
    say(text.as_bytes());
    signal::progress();
}

fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        _ => "another signal",
    }
}

fn thread_name(crash: &Crash) -> String {
    let end = crash.thread_name.iter().position(|byte| *byte == 0).unwrap_or(crash.thread_name.len());
    String::from_utf8_lossy(&crash.thread_name[..end]).into_owned()
}

fn what(crash: &Crash) -> String {
    let mut text = format!(
        "Everwrite {} (Redis {}) crashed by signal: {} ({})\nThread: {} ({})\n",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        crash.signal,
        name(crash.signal),
        thread_name(crash),
        crash.thread
    );
    if matches!(crash.signal, libc::SIGSEGV | libc::SIGBUS) && crash.sender.is_none() {
        text += &format!("Accessing address: {:#x}\n", crash.address);
    }
    if let Some(sender) = crash.sender {
        text += &format!("Killed by PID: {sender}\n");
    }
    text
}

fn stack(crash: &Crash) -> String {
    let symbols = Symbols::of_this_process();
    let frames = &crash.frames[..crash.depth];
    frames.iter().map(|address| format!("{address:#x} {}\n", symbols.name(*address))).collect()
}

/// The client that the thread was serving, if it is a worker.
fn current(server: &Server, crash: &Crash) -> String {
    let worker = thread_name(crash).strip_prefix("worker-").and_then(|number| number.parse::<usize>().ok());
    let serving =
        worker.and_then(|number| server.workers().get(number)).map(|worker| worker.stats.serving.get());
    let Some(client) = serving.filter(|id| *id > 0).and_then(|id| server.clients.get(id)) else {
        return "(none)\n".into();
    };
    format!("{}\n(arguments are not logged)\n", list::line(&client, unix_ms()))
}

fn clients(server: &Server) -> String {
    let (all, now) = (server.clients.all(), unix_ms());
    let mut text: String =
        all.iter().take(CLIENTS_MAX).map(|client| list::line(client, now) + "\n").collect();
    if all.len() > CLIENTS_MAX {
        text += &format!("({} more)\n", all.len() - CLIENTS_MAX);
    }
    text
}
