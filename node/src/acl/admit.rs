//! Where commands meet the rules: whether a client's command may run, and what is noted if it may not.

use std::sync::atomic::Ordering::Relaxed;

use engine::command::{Facts, Flags};
use protocol::{Args, ErrorReply, error};

use super::denial::Denial;
use super::journal::{Context, Entry, Reason};
use crate::commands::client::list;
use crate::session::Session;
use crate::worker::{Worker, unix_ms};

/// Whether a client that may not do everything may run this command.
#[cold]
pub fn admit(
    worker: &Worker,
    session: &Session,
    facts: &'static Facts,
    args: Args<'_>,
) -> Result<(), ErrorReply> {
    if session.access.is_locked() && !facts.flags.has(Flags::NO_AUTH) {
        return Err(error::NO_AUTH);
    }
    session.access.check(facts, args).map_err(|denial| {
        // The log tells of the client at that.
        session.client.command.store(u32::from(facts.id.0), Relaxed);
        note(worker, session, denial, context(session), facts, args);
        denial.reply(facts)
    })
}

fn context(session: &Session) -> Context {
    if session.multi.is_some() { Context::Multi } else { Context::TopLevel }
}

/// Notes that a command was denied.
pub fn note(
    worker: &Worker,
    session: &Session,
    denial: Denial,
    context: Context,
    facts: &Facts,
    args: Args<'_>,
) {
    let (reason, object) = match denial {
        Denial::Command => (Reason::Command, facts.full_name.as_bytes()),
        Denial::Key(at) => (Reason::Key, args.at(at)),
        Denial::Channel(at) => (Reason::Channel, args.at(at)),
    };
    record(worker, session, reason, context, object, session.access.user());
}

/// Notes that a name and password were not right. `command`: that which brought them.
pub fn note_failed_login(worker: &Worker, session: &Session, command: &[u8], user: &[u8]) {
    record(worker, session, Reason::Auth, context(session), command, user);
}

fn record(worker: &Worker, session: &Session, reason: Reason, context: Context, object: &[u8], user: &[u8]) {
    let now = unix_ms();
    let entry = Entry {
        count: 1,
        reason,
        context,
        object: object.to_vec(),
        user: user.to_vec(),
        at_ms: now,
        client: list::line(&session.client, now),
    };
    worker.server.users.journal.record(entry, worker.config.borrow().acllog_max_len);
}
