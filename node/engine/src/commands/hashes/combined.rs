//! HGETDEL, HGETEX and HSETEX: values and deadlines in one command.

use protocol::error::{
    EXPIRE_MISSING, FIELDS_COUNT_INVALID, FIELDS_MISSING, FXX_OR_FNX, NUMFIELDS_NOT_POSITIVE,
    ONE_DEADLINE_OR_KEEPTTL, ONE_DEADLINE_OR_PERSIST,
};
use protocol::{Args, ErrorReply, Reply};

use super::expire::{announce, expire_field};
use super::fields::{count_of, deadline_of, fields_of};
use crate::commands::strings::expiry::Unit;
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;

/// Writes a field's value, or null; whether it is there.
fn reply_value(key: &KeyMut<'_, '_>, field: &[u8], out: &mut Reply) -> Result<bool, ErrorReply> {
    match key.hash()?.and_then(|hash| hash.get(field)) {
        Some(value) => {
            out.bulk_entry(value);
            Ok(true)
        }
        None => {
            out.null();
            Ok(false)
        }
    }
}

fn hgetdel(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    let fields = fields_of(args.rest(2), NUMFIELDS_NOT_POSITIVE)?;
    out.array(fields.len());
    let mut deleted = false;
    for field in fields.iter() {
        if reply_value(&key, field, out)? {
            key.apply(Effect::DelField(field));
            deleted = true;
        }
    }
    announce(&mut key, false, deleted);
    DONE
}

/// What is to be done to the deadlines of the fields named.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    /// HGETEX: nothing. HSETEX: they go with the old values.
    None,
    /// HGETEX's PERSIST: they go. HSETEX's KEEPTTL: they stay.
    Word,
    To(u64),
}

/// Reads an expire option at `args[0]`: `word`, or a unit and a time. What it says and how many arguments it takes;
/// `None`: it is something else.
fn change_of(
    args: Args<'_>,
    word: &str,
    now_ms: u64,
    command: &str,
) -> Result<Option<(Change, usize)>, ErrorReply> {
    if is(&args[0], word) {
        return Ok(Some((Change::Word, 1)));
    }
    let Some(unit) = Unit::of_option(&args[0]) else { return Ok(None) };
    let time = args.get(1).ok_or(EXPIRE_MISSING)?;
    Ok(Some((Change::To(deadline_of(unit, time, now_ms, command)?), 2)))
}

fn hgetex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut rest = args.rest(2);
    let mut change = Change::None;
    while let Some((next, taken)) = change_of(rest, "PERSIST", ctx.env.write_ms, "hgetex")? {
        if change != Change::None {
            return Err(ONE_DEADLINE_OR_PERSIST);
        }
        (change, rest) = (next, rest.rest(taken));
        if rest.is_empty() {
            return Err(FIELDS_MISSING);
        }
    }
    let fields = fields_of(rest, NUMFIELDS_NOT_POSITIVE)?;
    let mut key = ctx.key(&args[1]);
    key.hash()?;
    out.array(fields.len());
    let (mut set, mut deleted, mut persisted) = (false, false, false);
    for field in fields.iter() {
        match (reply_value(&key, field, out)?, change) {
            (false, _) | (true, Change::None) => {}
            (true, Change::Word) => {
                persisted |= key.apply(Effect::FieldExpire { field, deadline: None }).changed();
            }
            (true, Change::To(deadline)) => {
                let past = deadline <= key.env.write_ms;
                expire_field(&mut key, field, deadline);
                (set, deleted) = (set || !past, deleted || past);
            }
        }
    }
    if persisted {
        key.notify(notify::HASH, "hpersist");
    }
    announce(&mut key, set, deleted);
    DONE
}

/// HSETEX's options and its pairs of field and value.
struct SetWithDeadline<'a> {
    /// FXX (true) or FNX: only if all, or none, of the fields are there.
    all_there: Option<bool>,
    change: Change,
    pairs: Args<'a>,
}

impl<'a> SetWithDeadline<'a> {
    fn parse(args: Args<'a>, now_ms: u64) -> Result<SetWithDeadline<'a>, ErrorReply> {
        let (mut all_there, mut change) = (None, Change::None);
        let mut rest = args;
        while !rest.is_empty() && !is(&rest[0], "FIELDS") {
            let mut taken = 1;
            if is(&rest[0], "FXX") || is(&rest[0], "FNX") {
                if all_there.replace(is(&rest[0], "FXX")).is_some() {
                    return Err(FXX_OR_FNX);
                }
            } else {
                let next = change_of(rest, "KEEPTTL", now_ms, "hsetex")?;
                let (next, length) = next.ok_or_else(|| ErrorReply::unknown_argument(&rest[0]))?;
                if change != Change::None {
                    return Err(ONE_DEADLINE_OR_KEEPTTL);
                }
                (change, taken) = (next, length);
            }
            rest = rest.rest(taken);
        }
        let count = rest.get(1).ok_or(FIELDS_MISSING)?;
        let count = count_of(count).ok_or(FIELDS_COUNT_INVALID)?;
        let pairs = rest.rest(2);
        if count.checked_mul(2) != Some(pairs.len()) {
            return Err(ErrorReply::wrong_arity("hsetex"));
        }
        Ok(SetWithDeadline { all_there, change, pairs })
    }

    fn permits(&self, key: &KeyMut<'_, '_>) -> Result<bool, ErrorReply> {
        let hash = key.hash()?;
        let there = |field| hash.is_some_and(|hash| hash.contains(field));
        let mut fields = self.pairs.iter().step_by(2);
        Ok(self.all_there.is_none_or(|wanted| fields.all(|field| there(field) == wanted)))
    }

    /// Sets one field. A deadline in the past means that it is not there afterwards.
    fn set(&self, key: &mut KeyMut<'_, '_>, field: &[u8], value: &[u8]) -> Result<(), ErrorReply> {
        let deadline = match self.change {
            Change::None => None,
            Change::Word => {
                key.hash()?.filter(|hash| hash.contains(field)).and_then(|hash| hash.deadline(field))
            }
            Change::To(deadline) => Some(deadline),
        };
        if deadline.is_some_and(|at| at <= key.env.write_ms) {
            key.apply(Effect::DelField(field));
            return Ok(());
        }
        key.apply(Effect::SetField { field, value, absent: false });
        if deadline.is_some() {
            key.apply(Effect::FieldExpire { field, deadline });
        }
        Ok(())
    }
}

fn hsetex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = SetWithDeadline::parse(args.rest(2), ctx.env.write_ms)?;
    let mut key = ctx.key(&args[1]);
    if !request.permits(&key)? {
        out.int(0);
        return DONE;
    }
    for i in (0..request.pairs.len()).step_by(2) {
        request.set(&mut key, &request.pairs[i], &request.pairs[i + 1])?;
    }
    key.notify(notify::HASH, "hset");
    if let Change::To(deadline) = request.change {
        let past = deadline <= key.env.write_ms;
        announce(&mut key, !past, past);
    }
    out.int(1);
    DONE
}

pub const ROWS: &[Row] = &[row("HGETDEL", hgetdel), row("HGETEX", hgetex), row("HSETEX", hsetex)];
