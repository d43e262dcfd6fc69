//! HSCAN.

use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use crate::commands::scan::{ScanOptions, cursor_of, empty_scan};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;

fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let cursor = cursor_of(&args[2])?;
    let Some(hash) = ctx.read_hash(&args[1])? else {
        empty_scan(out);
        return DONE;
    };
    let options = ScanOptions::parse(args.rest(3), Some("NOVALUES"))?;
    let mut found: SmallVec<[_; 32]> = SmallVec::new();
    let next = hash.scan(cursor, options.count, |field, value| {
        if options.admits(field) {
            found.push((field, value));
        }
    });
    out.array(2);
    out.bulk_u64(next);
    out.array(if options.flag { found.len() } else { 2 * found.len() });
    for (field, value) in found {
        out.bulk_entry(field);
        if !options.flag {
            out.bulk_entry(value);
        }
    }
    DONE
}

pub const ROWS: &[Row] = &[row("HSCAN", hscan)];
