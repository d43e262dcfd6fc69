//! Asking when keys expire, and making them stay.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// Replies with what `shown` makes of the deadline, unix ms; -1: there is none, -2: there is no key.
fn answer(ctx: &Ctx<'_>, key: &[u8], out: &mut Reply, shown: impl Fn(u64) -> u64) {
    out.int(match ctx.glance(key) {
        None => -2,
        Some(entry) => entry.deadline().map_or(-1, |at| shown(at) as i64),
    });
}

/// Whole seconds, rounded to the nearest.
fn seconds(ms: u64) -> u64 {
    (ms + 500) / 1000
}

fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, |at| seconds(at.saturating_sub(ctx.env.now_ms)));
    DONE
}

fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, |at| at.saturating_sub(ctx.env.now_ms));
    DONE
}

fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, seconds);
    DONE
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    answer(ctx, &args[1], out, |at| at);
    DONE
}

fn persist(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    let changed = key.deadline().is_some() && key.apply(Effect::ExpireAt(None)).changed();
    if changed {
        key.notify(notify::GENERIC, "persist");
    }
    out.int(i64::from(changed));
    DONE
}

pub const ROWS: &[Row] = &[
    row("TTL", ttl),
    row("PTTL", pttl),
    row("EXPIRETIME", expiretime),
    row("PEXPIRETIME", pexpiretime),
    row("PERSIST", persist),
];
