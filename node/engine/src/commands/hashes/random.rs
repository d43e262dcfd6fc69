//! HRANDFIELD.

use protocol::error::{OUT_OF_RANGE, SYNTAX};
use protocol::listpack::Entry;
use protocol::{Args, ErrorReply, Reply};

use crate::commands::random::{random_count, written};
use crate::commands::{DONE, Flow, Row, is, row};
use crate::ctx::Ctx;
use crate::types::LiveHash;

fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if args.len() == 2 {
        match ctx.read_hash(&args[1])?.and_then(|hash| hash.random(|| ctx.env.random())) {
            Some((field, _)) => out.bulk_entry(field),
            None => out.null(),
        }
        return DONE;
    }
    let count = random_count(&args[2], ctx.env.tuning.max_rand_count)?;
    let with_values = args.len() > 3;
    if args.len() > 4 || (with_values && !is(&args[3], "WITHVALUES")) {
        return Err(SYNTAX);
    }
    // Twice as many replies have to be countable.
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let repeats = written(count, out)?;
    match ctx.read_hash(&args[1])? {
        None => out.array(0),
        Some(hash) => many(ctx, hash, count, repeats, with_values, out),
    }
    DONE
}

fn many(ctx: &Ctx<'_>, hash: LiveHash<'_>, count: i64, repeats: usize, with_values: bool, out: &mut Reply) {
    let rng = || ctx.env.random();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let fields = if count < 0 { wanted } else { wanted.min(hash.len()) };
    // Pairs are arrays of two in RESP3, and two more elements in RESP2.
    let nested = with_values && out.resp3;
    out.array(if with_values && !nested { 2 * fields } else { fields });
    let each = |field: Entry<'_>, value: Entry<'_>| {
        if nested {
            out.array(2);
        }
        out.bulk_entry(field);
        if with_values {
            out.bulk_entry(value);
        }
    };
    if count < 0 {
        hash.random_repeated(repeats, rng, each);
    } else {
        hash.random_distinct(wanted, rng, each);
    }
}

pub const ROWS: &[Row] = &[row("HRANDFIELD", hrandfield)];
