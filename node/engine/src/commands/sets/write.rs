//! Adding, removing and moving members.

use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;

fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.set()?;
    let mut added = 0;
    for member in args.rest(2).iter() {
        added += i64::from(key.apply(Effect::AddMember(member)).created());
    }
    if added > 0 {
        key.notify(notify::SET, "sadd");
    }
    out.int(added);
    DONE
}

fn srem(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.set()?;
    let mut removed = 0;
    for member in args.rest(2).iter() {
        removed += i64::from(key.apply(Effect::DelMember(member)).changed());
        if !key.exists() {
            break;
        }
    }
    if removed > 0 {
        announce_removal(&mut key, "srem");
    }
    out.int(removed);
    DONE
}

/// Announces that members were removed, and the key if it went with the last.
pub(super) fn announce_removal(key: &mut KeyMut<'_, '_>, event: &'static str) {
    key.notify(notify::SET, event);
    if !key.exists() {
        key.notify(notify::GENERIC, "del");
    }
}

fn smove(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (from, to, member) = (&args[1], &args[2], &args[3]);
    // A missing source is answered before the types are looked at.
    let mut source = ctx.key(from);
    let there = match source.exists() {
        true => source.set()?.is_some_and(|set| set.contains(member)),
        false => {
            out.int(0);
            return DONE;
        }
    };
    if from == to {
        out.int(i64::from(there));
        return DONE;
    }
    ctx.key(to).set()?;
    if there {
        source = ctx.key(from);
        source.apply(Effect::DelMember(member));
        announce_removal(&mut source, "srem");
        let mut target = ctx.key(to);
        if target.apply(Effect::AddMember(member)).created() {
            target.notify(notify::SET, "sadd");
        }
    }
    out.int(i64::from(there));
    DONE
}

pub const ROWS: &[Row] = &[row("SADD", sadd), row("SREM", srem), row("SMOVE", smove)];
