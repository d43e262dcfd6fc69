//! Keys that get another name or go to another database, and copies of them. The deadline travels along.

use protocol::error::{NO_SUCH_KEY, SAME_OBJECT, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, database, is, row};
use crate::ctx::Ctx;
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::value::Value;

/// A value on its way, with what stays with it.
struct Parcel {
    value: Value,
    deadline: Deadline,
    access: u32,
}

impl Parcel {
    /// Takes the value of a key out of its place.
    fn take(ctx: &mut Ctx<'_>, db: usize, name: &[u8]) -> Option<Parcel> {
        let mut key = ctx.key_in(db, name);
        let deadline = key.deadline().map_or(Deadline::Clear, Deadline::At);
        let access = key.access();
        key.take().map(|value| Parcel { value, deadline, access })
    }

    /// Puts it in the place of another key, whatever that had.
    fn put(self, ctx: &mut Ctx<'_>, db: usize, name: &[u8], event: &'static str) {
        let mut key = ctx.key_in(db, name);
        let value = NewValue::Built(self.value);
        key.apply(Effect::Put { value, deadline: self.deadline, absent: false });
        if let Some(entry) = key.entry() {
            entry.set_access(self.access);
        }
        key.notify(notify::GENERIC, event);
    }
}

/// Renames; `None`: the source is not there. `free`: only if nothing has the new name.
fn rename_key(ctx: &mut Ctx<'_>, args: Args<'_>, free: bool) -> Result<bool, ErrorReply> {
    let (from, to, db) = (&args[1], &args[2], ctx.db);
    if !ctx.key(from).exists() {
        return Err(NO_SUCH_KEY);
    }
    if from == to {
        return Ok(!free);
    }
    if free && ctx.key(to).exists() {
        return Ok(false);
    }
    let parcel = Parcel::take(ctx, db, from).ok_or(NO_SUCH_KEY)?;
    ctx.notify(notify::GENERIC, "rename_from", from);
    parcel.put(ctx, db, to, "rename_to");
    Ok(true)
}

fn rename(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    rename_key(ctx, args, false)?;
    out.ok();
    DONE
}

fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(i64::from(rename_key(ctx, args, true)?));
    DONE
}

fn relocate(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (name, from, to) = (&args[1], ctx.db, database(ctx, &args[2])?);
    if from == to {
        return Err(SAME_OBJECT);
    }
    let moves = ctx.key_in(from, name).exists() && !ctx.key_in(to, name).exists();
    if moves && let Some(parcel) = Parcel::take(ctx, from, name) {
        ctx.notify(notify::GENERIC, "move_from", name);
        parcel.put(ctx, to, name, "move_to");
    }
    out.int(i64::from(moves));
    DONE
}

/// `COPY source destination [DB destination-db] [REPLACE]`
fn copy(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (from, to) = (&args[1], &args[2]);
    let (mut db, mut replace, mut at) = (ctx.db, false, 3);
    while let Some(word) = args.get(at) {
        match args.get(at + 1) {
            _ if is(word, "REPLACE") => replace = true,
            Some(number) if is(word, "DB") => {
                db = database(ctx, number)?;
                at += 1;
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    if from == to && db == ctx.db {
        return Err(SAME_OBJECT);
    }
    let source = ctx.read(from).map(|entry| Parcel {
        value: entry.value().to_owned(),
        deadline: entry.deadline().map_or(Deadline::Clear, Deadline::At),
        access: entry.access(),
    });
    let free = replace || !ctx.key_in(db, to).exists();
    let parcel = source.filter(|_| free);
    out.int(i64::from(parcel.is_some()));
    if let Some(parcel) = parcel {
        parcel.put(ctx, db, to, "copy_to");
    }
    DONE
}

pub const ROWS: &[Row] =
    &[row("RENAME", rename), row("RENAMENX", renamenx), row("MOVE", relocate), row("COPY", copy)];
