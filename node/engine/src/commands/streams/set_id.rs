//! XSETID.

use protocol::error::streams::*;
use protocol::error::{NO_SUCH_KEY, SYNTAX};
use protocol::{Args, ErrorReply, Reply, StreamId};

use super::id::id;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::Stream;

/// What XSETID is to set.
struct Marks {
    last: StreamId,
    added: Option<u64>,
    max_deleted: Option<StreamId>,
}

impl Marks {
    fn parse(args: Args<'_>) -> Result<Marks, ErrorReply> {
        let mut marks = Marks { last: id(&args[2])?, added: None, max_deleted: None };
        let mut at = 3;
        while let Some(option) = args.get(at) {
            match args.get(at + 1) {
                Some(value) if is(option, "ENTRIESADDED") => {
                    marks.added = Some(u64::try_from(int(value)?).map_err(|_| ENTRIES_ADDED_NEGATIVE)?);
                }
                Some(value) if is(option, "MAXDELETEDID") => {
                    let max_deleted = id(value)?;
                    if marks.last < max_deleted {
                        return Err(SETID_BELOW_GIVEN_DELETED);
                    }
                    // Zero stands for none given.
                    marks.max_deleted = Some(max_deleted).filter(|id| *id != StreamId::ZERO);
                }
                _ => return Err(SYNTAX),
            }
            at += 2;
        }
        Ok(marks)
    }

    fn check(&self, stream: &Stream) -> Result<(), ErrorReply> {
        if !stream.is_empty() && self.last < stream.last_entry_id() {
            return Err(SETID_BELOW_TOP);
        }
        if self.added.is_some_and(|added| added < stream.len()) {
            return Err(ADDED_BELOW_LENGTH);
        }
        Ok(())
    }
}

fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let marks = Marks::parse(args)?;
    let mut key = ctx.key(&args[1]);
    marks.check(key.stream()?.ok_or(NO_SUCH_KEY)?)?;
    key.apply(Effect::SetMarks { last: marks.last, added: marks.added, max_deleted: marks.max_deleted });
    key.notify(notify::STREAM, "xsetid");
    out.ok();
    DONE
}

pub const ROWS: &[Row] = &[row("XSETID", xsetid)];
