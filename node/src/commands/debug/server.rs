//! DEBUG subcommands about the server.

use std::time::Duration;

use protocol::{ErrorReply, error, number};

use super::{ANY, Sub, sub};
use crate::commands::config::rewrite_file;
use crate::dispatch::Call;
use crate::replicas::history::History;
use crate::worker::unix_ms;

/// Nothing runs meanwhile that touches data: every shard is held.
fn sleep(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let seconds = std::str::from_utf8(&call.args[2]).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    call.ctx.locks.hold_all();
    call.worker.server.switches.sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    call.ctx.locks.release();
    // For a script time stands still.
    if !call.session.in_script {
        call.ctx.env.tick(unix_ms());
    }
    call.out.ok();
    Ok(())
}

fn error_reply(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    Err(ErrorReply(error::shown(&call.args[2], usize::MAX).into()))
}

fn log(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(&call.args[2]));
    call.out.ok();
    Ok(())
}

/// An argument that is 1 for yes; any other number is no.
fn switch(call: &Call<'_>) -> bool {
    number::parse_i64(&call.args[2]).is_some_and(|n| n != 0)
}

fn set_active_expire(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    call.worker.server.switches.set_active_expire(switch(call));
    call.out.ok();
    Ok(())
}

fn pause_cron(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    call.worker.server.switches.set_cron(!switch(call));
    call.out.ok();
    Ok(())
}

fn set_skip_checksum(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    call.worker.server.switches.set_skip_checksum(switch(call));
    settings_changed(call);
    call.out.ok();
    Ok(())
}

fn aof_flush_sleep(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let us = number::parse_i64(&call.args[2]).unwrap_or(0);
    call.worker.server.switches.set_aof_flush_sleep(us.try_into().unwrap_or(0));
    call.out.ok();
    Ok(())
}

fn set_disable_deny_scripts(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    call.worker.server.switches.set_deny_scripts_ignored(switch(call));
    call.out.ok();
    Ok(())
}

/// Has every worker take over its settings anew.
pub(super) fn settings_changed(call: &mut Call<'_>) {
    call.worker.server.config.update(|_| {});
    call.worker.refresh(call.ctx);
}

/// Buffers belong to workers, not to clients, and grow and shrink with each batch: there is nothing for a timer to do, so
/// whatever is asked for holds.
fn reply_buffer(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let value = call.args.at(3);
    match call.args[2].to_ascii_lowercase().as_slice() {
        b"resizing" => {}
        b"peak-reset-time"
            if value.eq_ignore_ascii_case(b"never") || value.eq_ignore_ascii_case(b"reset") => {}
        b"peak-reset-time" => {
            number::parse_i64(value).ok_or(error::NOT_INTEGER)?;
        }
        _ => return Err(super::unknown(call.args.at(1))),
    }
    call.out.ok();
    Ok(())
}

fn change_replication_id(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    tracing::info!("Changing replication IDs after receiving change-repl-id");
    call.worker.server.replicas.history(History::begin_anew);
    call.out.ok();
    Ok(())
}

/// What replicas are sent need not be what was done here.
fn replicate(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let words: Vec<_> = call.args.rest(2).iter().collect();
    call.worker.server.replicas.mislead(call.worker.server, &words);
    call.out.ok();
    Ok(())
}

fn rewrite_all(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    rewrite_file(call.worker.server, true)?;
    call.out.ok();
    Ok(())
}

fn no_jemalloc(_: &mut Call<'_>) -> Result<(), ErrorReply> {
    Err(ErrorReply::new("ERR the memory allocator in use has no such settings"))
}

fn segfault(_: &mut Call<'_>) -> Result<(), ErrorReply> {
    crate::system::segfault();
    Ok(())
}

fn panic(_: &mut Call<'_>) -> Result<(), ErrorReply> {
    tracing::error!("DEBUG PANIC was called");
    std::process::abort()
}

pub(super) const SUBS: &[Sub] = &[
    sub(
        "SLEEP",
        1..=1,
        sleep,
        "<seconds>",
        "Stops everything that touches data for so long; decimals are allowed.",
    ),
    sub("ERROR", 1..=1, error_reply, "<text>", "An error reply of this text."),
    sub("LOG", 1..=1, log, "<text>", "Writes a line to the log."),
    sub(
        "SET-ACTIVE-EXPIRE",
        1..=1,
        set_active_expire,
        "<0|1>",
        "Whether expired keys are removed that nobody asks for.",
    ),
    sub("PAUSE-CRON", 1..=1, pause_cron, "<0|1>", "Whether housekeeping stops."),
    sub(
        "SET-SKIP-CHECKSUM-VALIDATION",
        1..=1,
        set_skip_checksum,
        "<0|1>",
        "Whether checksums of dump payloads are passed over.",
    ),
    sub(
        "AOF-FLUSH-SLEEP",
        1..=1,
        aof_flush_sleep,
        "<microseconds>",
        "Whoever writes to the append-only file waits for so long before.",
    ),
    sub(
        "SET-DISABLE-DENY-SCRIPTS",
        1..=1,
        set_disable_deny_scripts,
        "<0|1>",
        "Whether scripts may call commands that are not for scripts.",
    ),
    sub(
        "REPLYBUFFER",
        2..=2,
        reply_buffer,
        "RESIZING <0|1> | PEAK-RESET-TIME <never|reset|ms>",
        "For tests of Redis: buffers have no timer here.",
    ),
    sub("CHANGE-REPL-ID", 0..=0, change_replication_id, "", "Gives the node a new replication id."),
    sub(
        "REPLICATE",
        1..=ANY,
        replicate,
        "<command> [<arg> ...]",
        "Sends replicas a command that is not run here.",
    ),
    sub("CONFIG-REWRITE-FORCE-ALL", 0..=0, rewrite_all, "", "CONFIG REWRITE, with defaults as well."),
    sub("MALLCTL", 1..=2, no_jemalloc, "<key> [<value>]", "Not supported: the allocator is not jemalloc."),
    sub(
        "MALLCTL-STR",
        1..=2,
        no_jemalloc,
        "<key> [<value>]",
        "Not supported: the allocator is not jemalloc.",
    ),
    sub("SEGFAULT", 0..=0, segfault, "", "Crashes the server by a bad memory access."),
    sub("PANIC", 0..=0, panic, "", "Crashes the server as a bug would."),
];
