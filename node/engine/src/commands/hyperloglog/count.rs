//! PFADD, PFCOUNT and PFMERGE.

use protocol::{Args, ErrorReply, Reply};
use smallvec::SmallVec;

use super::{corrupt, well_formed};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::hyperloglog::{REGISTERS, Rank, estimate, keep_estimate, place_of};
use crate::types::string::IntText;

fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let ranks: SmallVec<[Rank; 16]> = args.rest(2).iter().map(place_of).collect();
    let mut key = ctx.key(&args[1]);
    if let Some(bytes) = key.string(&mut IntText::default())? {
        let hll = well_formed(bytes)?;
        let farthest = ranks.iter().map(|rank| rank.0).max();
        if farthest.is_some_and(|index| !hll.reaches(index)) {
            return Err(protocol::error::CORRUPT_HYPERLOGLOG);
        }
    }
    let changed = key.apply(Effect::RaiseRegisters { ranks: &ranks, dense: false }).changed();
    if changed {
        key.notify(notify::STRING, "pfadd");
    }
    out.int(i64::from(changed));
    DONE
}

fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let count = match args.len() {
        2 => count_one(ctx, &args[1])?,
        _ => {
            let union = Union::of(ctx, args.rest(1))?;
            estimate(&union.histogram())
        }
    };
    out.int(count as i64);
    DONE
}

/// The estimate of one key: the one kept in it, or a new one, which is then kept.
fn count_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<u64, ErrorReply> {
    let mut text = IntText::default();
    let Some(bytes) = ctx.read_string(key, &mut text)? else { return Ok(0) };
    let hll = well_formed(bytes)?;
    if let Some(kept) = hll.kept_estimate() {
        return Ok(kept);
    }
    let count = estimate(&hll.histogram().map_err(corrupt)?);
    keep_estimate(&mut ctx.key(key), Some(count));
    Ok(count)
}

fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    // The destination is a source too.
    let mut union = Union::of(ctx, args.rest(1).first(1))?;
    let before = union.all.clone();
    union.add(ctx, args.rest(2))?;
    let raised = union.all.iter().zip(before.iter()).enumerate().filter(|(_, (new, old))| new > old);
    let ranks: Vec<Rank> = raised.map(|(index, (new, _))| (index as u16, *new)).collect();
    let mut key = ctx.key(&args[1]);
    key.apply_counted(Effect::RaiseRegisters { ranks: &ranks, dense: union.dense });
    keep_estimate(&mut key, None);
    key.notify(notify::STRING, "pfadd");
    out.ok();
    DONE
}

/// Several values as one.
struct Union {
    all: Box<[u8; REGISTERS]>,
    /// Whether one of them is dense.
    dense: bool,
}

impl Union {
    fn of(ctx: &Ctx<'_>, keys: Args<'_>) -> Result<Union, ErrorReply> {
        let mut union = Union { all: Box::new([0; REGISTERS]), dense: false };
        union.add(ctx, keys)?;
        Ok(union)
    }

    fn add(&mut self, ctx: &Ctx<'_>, keys: Args<'_>) -> Result<(), ErrorReply> {
        for key in keys.iter() {
            if let Some(bytes) = ctx.read_string(key, &mut IntText::default())? {
                let hll = well_formed(bytes)?;
                self.dense |= hll.is_dense();
                hll.raise_all(&mut self.all).map_err(corrupt)?;
            }
        }
        Ok(())
    }

    fn histogram(&self) -> [u32; 64] {
        let mut histogram = [0; 64];
        self.all.iter().for_each(|rank| histogram[usize::from(*rank)] += 1);
        histogram
    }
}

pub const ROWS: &[Row] = &[row("PFADD", pfadd), row("PFCOUNT", pfcount), row("PFMERGE", pfmerge)];
