//! What reads members without changing anything.

use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use crate::commands::scan::{ScanOptions, cursor_of, empty_scan};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;

fn scard(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(ctx.read_set(&args[1])?.map_or(0, |set| set.len() as i64));
    DONE
}

fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let set = ctx.read_set(&args[1])?;
    out.int(i64::from(set.is_some_and(|set| set.contains(&args[2]))));
    DONE
}

fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let set = ctx.read_set(&args[1])?;
    let members = args.rest(2);
    out.array(members.len());
    for member in members.iter() {
        out.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    DONE
}

fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match ctx.read_set(&args[1])? {
        None => out.set(0),
        Some(set) => {
            out.set(set.len());
            set.iter().for_each(|member| out.bulk_entry(member));
        }
    }
    DONE
}

fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let cursor = cursor_of(&args[2])?;
    let Some(set) = ctx.read_set(&args[1])? else {
        empty_scan(out);
        return DONE;
    };
    let options = ScanOptions::parse(args.rest(3), None)?;
    let mut found: SmallVec<[_; 32]> = SmallVec::new();
    let next = set.scan(cursor, options.count, |member| {
        if options.admits(member) {
            found.push(member);
        }
    });
    out.array(2);
    out.bulk_u64(next);
    out.array(found.len());
    found.into_iter().for_each(|member| out.bulk_entry(member));
    DONE
}

pub const ROWS: &[Row] = &[
    row("SCARD", scard),
    row("SISMEMBER", sismember),
    row("SMISMEMBER", smismember),
    row("SMEMBERS", smembers),
    row("SSCAN", sscan),
];
