//! XADD.

use protocol::error::streams::{EXHAUSTED, ID_TOO_SMALL, ID_ZERO, TOO_LARGE};
use protocol::{Args, ErrorReply, Reply, StreamId, WrittenId};

use super::trim::{NewId, options, trim};
use crate::commands::{DONE, Flow, Row, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::{IdLane, notify};
use crate::types::stream::NODE_BYTES_MAX;

/// The id of an entry that is added to a stream whose last id is `last`. Ids that the server makes are those of its lane.
fn new_id(wanted: NewId, last: StreamId, now_ms: u64, lane: IdLane) -> Result<StreamId, ErrorReply> {
    let id = match wanted {
        NewId::Auto if now_ms > last.ms => Some(StreamId { ms: now_ms, seq: lane.first() }),
        NewId::Auto => match lane.after(last.seq) {
            Some(seq) => Some(StreamId { seq, ..last }),
            None => last.ms.checked_add(1).map(|ms| StreamId { ms, seq: lane.first() }),
        },
        NewId::Given(WrittenId::Auto(ms)) if ms == last.ms => {
            lane.after(last.seq).map(|seq| StreamId { ms, seq })
        }
        NewId::Given(WrittenId::Auto(ms)) => Some(StreamId { ms, seq: lane.first() }),
        NewId::Given(written) => Some(written.or_seq(0)),
    };
    id.filter(|id| *id > last).ok_or(ID_TOO_SMALL)
}

fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = options(args, true, &ctx.env.tuning)?;
    let fields = args.rest(options.next);
    let wanted = match options.id {
        Some(id) if fields.len() >= 2 && fields.len().is_multiple_of(2) => id,
        _ => return Err(ErrorReply::wrong_arity("xadd")),
    };
    if let NewId::Given(id @ (WrittenId::Whole(_) | WrittenId::Ms(_))) = wanted
        && id.or_seq(0) == StreamId::ZERO
    {
        return Err(ID_ZERO);
    }
    let now_ms = ctx.env.now_ms;
    // Members of a mesh make ids with their labels in them.
    let lane = match ctx.keyspace.journal.label() {
        0 => IdLane::default(),
        label => IdLane::new(u64::from(label), u16::BITS),
    };
    let mut key = ctx.key(&args[1]);
    let last = match key.stream()? {
        None if options.no_create => {
            out.null();
            return DONE;
        }
        None => StreamId::ZERO,
        Some(stream) => stream.last_id(),
    };
    if last == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    let id = new_id(wanted, last, now_ms, lane)?;
    if fields.bytes() > NODE_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    key.apply(Effect::AddEntry { id, fields });
    key.notify(notify::STREAM, "xadd");
    if let Some(how) = options.trim {
        trim(&mut key, how, options.references)?;
    }
    out.stream_id(id);
    DONE
}

pub const ROWS: &[Row] = &[row("XADD", xadd)];

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn automatic_ids_follow_the_last_and_the_clock() {
        let plain = IdLane::default();
        let auto = |last, now| new_id(NewId::Auto, last, now, plain).ok();
        assert_eq!(auto(id(5, 3), 9), Some(id(9, 0)));
        assert_eq!(auto(id(5, 3), 5), Some(id(5, 4)));
        assert_eq!(auto(id(5, u64::MAX), 4), Some(id(6, 0)));
        let partly = |ms, last| new_id(NewId::Given(WrittenId::Auto(ms)), last, 1, plain).ok();
        assert_eq!(partly(0, StreamId::ZERO), Some(id(0, 1)));
        assert_eq!(partly(5, id(5, u64::MAX)), None);
        assert_eq!(partly(4, id(5, 0)), None);
    }

    #[test]
    fn nodes_of_a_mesh_never_make_the_same_id() {
        let lanes = [IdLane::new(1, 3), IdLane::new(2, 3)];
        let mut last = id(7, 0);
        for turn in 0..100 {
            let lane = lanes[turn % 3 % 2];
            let next = new_id(NewId::Auto, last, 7, lane).unwrap();
            assert!(next > last && next.ms == 7 && next.seq % 8 == 1 + (turn % 3 % 2) as u64);
            last = next;
        }
        assert_eq!(new_id(NewId::Auto, id(7, 0), 8, lanes[1]), Ok(id(8, 2)));
        assert_eq!(new_id(NewId::Auto, id(7, u64::MAX - 5), 7, lanes[1]), Ok(id(8, 2)));
    }
}
