//! BITFIELD: several operations on integers inside one string.
//!
//! ```text
//! BITFIELD key [GET type offset] [OVERFLOW WRAP|SAT|FAIL] [SET type offset value] [INCRBY type offset increment] ...
//! ```
//! A type is `i1` to `i64` or `u1` to `u63`; an offset is in bits, or in integers of the type if it begins with `#`.

use protocol::error::{BITFIELD_READ_ONLY, BITFIELD_TYPE, OVERFLOW_TYPE, SYNTAX};
use protocol::number::parse_i64;
use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::bit_offset;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::{Tuning, notify};
use crate::types::bits::{Field, Overflow};
use crate::types::string::IntText;

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

type Operations = SmallVec<[Operation; 4]>;

fn parse(args: Args<'_>, tuning: &Tuning) -> Result<Operations, ErrorReply> {
    let (mut operations, mut overflow, mut at) = (Operations::new(), Overflow::default(), 2);
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if is(word, "OVERFLOW") && left >= 1 {
            overflow = parse_overflow(&args[at + 1])?;
            at += 2;
            continue;
        }
        let (get, set, add) = (is(word, "GET"), is(word, "SET"), is(word, "INCRBY"));
        if !(get && left >= 2 || (set || add) && left >= 3) {
            return Err(SYNTAX);
        }
        let field = parse_field(&args[at + 1], &args[at + 2], tuning)?;
        let action = match () {
            _ if get => Action::Get,
            _ if set => Action::Set(int(&args[at + 3])?),
            _ => Action::Add(int(&args[at + 3])?),
        };
        operations.push(Operation { field, action, overflow });
        at += if get { 3 } else { 4 };
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, ErrorReply> {
    match word {
        w if is(w, "WRAP") => Ok(Overflow::Wrap),
        w if is(w, "SAT") => Ok(Overflow::Saturate),
        w if is(w, "FAIL") => Ok(Overflow::Fail),
        _ => Err(OVERFLOW_TYPE),
    }
}

fn parse_field(kind: &[u8], offset: &[u8], tuning: &Tuning) -> Result<Field, ErrorReply> {
    let (signed, digits) = match kind {
        [b'i', digits @ ..] => (true, digits),
        [b'u', digits @ ..] => (false, digits),
        _ => return Err(BITFIELD_TYPE),
    };
    let max = if signed { 64 } else { 63 };
    let width = parse_i64(digits).filter(|n| (1..=max).contains(n)).ok_or(BITFIELD_TYPE)?;
    let offset = match offset {
        [b'#', index @ ..] => bit_offset(index, width as usize, tuning)?,
        offset => bit_offset(offset, 1, tuning)?,
    };
    Ok(Field { offset, width: width as u32, signed })
}

fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let operations = parse(args, &ctx.env.tuning)?;
    if operations.iter().all(|o| matches!(o.action, Action::Get)) {
        return read(ctx, &args[1], &operations, out);
    }
    let mut key = ctx.key(&args[1]);
    let old_len = key.string(&mut IntText::default())?.map_or(0, <[u8]>::len);
    out.array(operations.len());
    let mut done = Done::default();
    for operation in &operations {
        operation.run(&mut key, &mut done, out);
    }
    let grown = grow(&mut key, &operations, old_len)?;
    if !done.wrote && old_len > 0 {
        // A value that was to be written is kept as bytes from then on, even if nothing came of it.
        key.apply(Effect::SetRange { offset: 0, bytes: b"" });
    }
    if done.changed || done.wrote && grown {
        key.notify(notify::STRING, "setbit");
    }
    DONE
}

fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let operations = parse(args, &ctx.env.tuning)?;
    if operations.iter().any(|o| !matches!(o.action, Action::Get)) {
        return Err(BITFIELD_READ_ONLY);
    }
    read(ctx, &args[1], &operations, out)
}

fn read(ctx: &Ctx<'_>, key: &[u8], operations: &[Operation], out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut text = IntText::default();
    let bytes = ctx.read_string(key, &mut text)?.unwrap_or(b"");
    out.array(operations.len());
    operations.iter().for_each(|operation| out.int(operation.field.read(bytes)));
    DONE
}

/// What the operations did so far.
#[derive(Default)]
struct Done {
    /// Some field was written.
    wrote: bool,
    /// Some field's value changed.
    changed: bool,
}

impl Operation {
    /// Replies with the value read, the value replaced, the sum, or null if it overflows and that fails.
    fn run(&self, key: &mut KeyMut<'_, '_>, done: &mut Done, out: &mut Reply) {
        let field = self.field;
        let mut text = IntText::default();
        let bytes = key.string(&mut text).ok().flatten().unwrap_or(b"");
        let old = field.read(bytes);
        let new = match self.action {
            Action::Get => return out.int(old),
            Action::Set(value) => field.add(value, 0, self.overflow),
            Action::Add(delta) => field.add(old, delta, self.overflow),
        };
        let Some(new) = new else { return out.null() };
        if let Action::Add(delta) = self.action {
            out.int(new);
            key.apply(Effect::AddBits { field, delta, overflow: self.overflow, result: new });
        } else {
            out.int(old);
            let patch = field.patch(bytes, new);
            key.apply(Effect::SetRange { offset: field.offset / 8, bytes: &patch });
        }
        done.wrote = true;
        done.changed |= new != old;
    }
}

/// Makes room for every field that was to be written, even where that failed. Whether the string is longer than before.
fn grow(key: &mut KeyMut<'_, '_>, operations: &[Operation], old_len: usize) -> Result<bool, ErrorReply> {
    let written = operations.iter().filter(|o| !matches!(o.action, Action::Get));
    let needed = written.map(|o| o.field.last() / 8 + 1).max().unwrap_or(0);
    if key.string(&mut IntText::default())?.map_or(0, <[u8]>::len) < needed {
        key.apply(Effect::SetRange { offset: needed - 1, bytes: &[0] });
    }
    Ok(old_len < needed)
}

pub const ROWS: &[Row] = &[row("BITFIELD", bitfield), row("BITFIELD_RO", bitfield_ro)];
