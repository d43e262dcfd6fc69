//! LMOVE and RPOPLPUSH: an element goes from one list to another, or to the other end of its own.

use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::end::End;
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;

/// A move between two keys.
pub struct Move<'a> {
    pub from: (&'a [u8], End),
    pub to: (&'a [u8], End),
}

impl Move<'_> {
    /// Moves one element and replies with it. False if there is none.
    pub fn run(&self, ctx: &mut Ctx<'_>, out: &mut Reply) -> Result<bool, ErrorReply> {
        let (from, from_end) = self.from;
        let (to, to_end) = self.to;
        let source = ctx.key(from);
        let Some(list) = source.list()? else { return Ok(false) };
        let at = if from_end == End::Head { 0 } else { list.len() - 1 };
        let mut element = SmallVec::<[u8; 128]>::new();
        list.get(at, |entry| element.extend_from_slice(entry.text(&mut itoa::Buffer::new())));

        // The element is added before it is removed: a list of one that it is moved within stays the same key.
        let mut target = ctx.key(to);
        let len = target.list()?.map_or(0, |list| list.len());
        target.apply(Effect::Insert { at: to_end.place(len), element: &element });
        target.notify(notify::LIST, to_end.push_event());
        let shifted = usize::from(from == to && to_end == End::Head);
        let mut source = ctx.key(from);
        source.apply(Effect::DelElements { at: at + shifted, count: 1 });
        super::pop::removed(&mut source, from_end.pop_event());
        out.bulk(&element);
        Ok(true)
    }
}

/// The move that LMOVE and BLMOVE ask for.
pub fn parse<'a>(args: Args<'a>) -> Result<Move<'a>, ErrorReply> {
    let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
    Ok(Move { from: (args.at(1), from), to: (args.at(2), to) })
}

/// The move that RPOPLPUSH and BRPOPLPUSH stand for.
pub fn tail_to_head<'a>(args: Args<'a>) -> Move<'a> {
    Move { from: (args.at(1), End::Tail), to: (args.at(2), End::Head) }
}

fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if !parse(args)?.run(ctx, out)? {
        out.null();
    }
    DONE
}

fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if !tail_to_head(args).run(ctx, out)? {
        out.null();
    }
    DONE
}

pub const ROWS: &[Row] = &[row("LMOVE", lmove), row("RPOPLPUSH", rpoplpush)];
