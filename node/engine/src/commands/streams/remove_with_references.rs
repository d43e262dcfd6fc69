//! XDELEX and XACKDEL: removing entries with a say in what becomes of those that groups still have pending.
//!
//! ```text
//! XDELEX  key       [KEEPREF | DELREF | ACKED] IDS numids id ...
//! XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id ...
//! ```
//! The reply says of each id: 1 removed (and acknowledged), 2 kept because a group still needs it, -1 not there (XACKDEL: not
//! pending in the group).

use protocol::error::SYNTAX;
use protocol::error::streams::{IDS_MISMATCH, IDS_NOT_POSITIVE};
use protocol::{Args, ErrorReply, Reply, StreamId};
use smallvec::SmallVec;

use super::id::ids;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::notify;
use crate::types::Stream;

/// What becomes of references to a removed entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum References {
    #[default]
    Keep,
    Remove,
    /// There must be none: all groups have read and acknowledged the entry.
    Forbid,
}

impl References {
    /// The policy that a word names.
    pub fn parse(word: &[u8]) -> Option<References> {
        let named = |name| is(word, name);
        match () {
            () if named("KEEPREF") => Some(References::Keep),
            () if named("DELREF") => Some(References::Remove),
            () if named("ACKED") => Some(References::Forbid),
            () => None,
        }
    }
}

const REMOVED: i64 = 1;
const KEPT: i64 = 2;
const MISSING: i64 = -1;

struct Options {
    references: References,
    ids: SmallVec<[StreamId; 4]>,
}

fn parse(mut args: Args<'_>) -> Result<Options, ErrorReply> {
    let mut references = References::Keep;
    loop {
        references = match args.get(0).map(|word| (word, References::parse(word))) {
            Some((_, Some(references))) => references,
            Some((word, None)) if is(word, "IDS") => break,
            _ => return Err(SYNTAX),
        };
        args = args.rest(1);
    }
    let count = int(args.get(1).ok_or(SYNTAX)?).ok().and_then(|n| usize::try_from(n).ok());
    let count = count.filter(|n| *n > 0).ok_or(IDS_NOT_POSITIVE)?;
    if count != args.len() - 2 {
        return Err(IDS_MISMATCH);
    }
    Ok(Options { references, ids: ids(args.rest(2).iter())? })
}

/// Whether a group has yet to acknowledge an entry, which may have been removed since, or to read one that is there.
fn is_needed(stream: &Stream, id: StreamId) -> bool {
    let is_there = stream.get(id).is_some();
    stream.groups().any(|group| group.pending(id).is_some() || (is_there && group.last_id < id))
}

/// Removes an entry unless a group needs it that may not lose it.
fn remove(key: &mut KeyMut<'_, '_>, id: StreamId, references: References) -> Result<i64, ErrorReply> {
    let Some(stream) = key.stream()? else { return Ok(MISSING) };
    if references == References::Forbid && is_needed(stream, id) {
        return Ok(KEPT);
    }
    if references == References::Remove {
        let pending = stream.groups().filter(|group| group.pending(id).is_some());
        let groups: SmallVec<[Box<[u8]>; 4]> = pending.map(|group| group.name.clone()).collect();
        for group in groups {
            key.apply(Effect::Acknowledge { group: &group, id });
        }
    }
    Ok(if key.apply(Effect::DelEntry(id)).changed() { REMOVED } else { MISSING })
}

/// Removes entries of a trim, each unless a group needs it that may not lose it; those that have gone.
pub fn remove_all(
    key: &mut KeyMut<'_, '_>,
    ids: Vec<StreamId>,
    references: References,
) -> Result<Vec<StreamId>, ErrorReply> {
    let mut gone = Vec::new();
    for id in ids {
        if remove(key, id, references)? == REMOVED {
            gone.push(id);
        }
    }
    Ok(gone)
}

fn xdelex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.stream()?;
    let options = parse(args.rest(2))?;
    let mut removed = false;
    out.array(options.ids.len());
    for id in options.ids {
        let result = remove(&mut key, id, options.references)?;
        removed |= result == REMOVED;
        out.int(result);
    }
    if removed {
        key.notify(notify::STREAM, "xdel");
    }
    DONE
}

fn xackdel(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let mut key = ctx.key(&args[1]);
    key.stream()?;
    let (group, options) = (&args[2], parse(args.rest(3))?);
    let mut removed = false;
    out.array(options.ids.len());
    for id in options.ids {
        if !key.apply_acknowledge(group, id)? {
            out.int(MISSING);
            continue;
        }
        let result = remove(&mut key, id, options.references)?;
        removed |= result == REMOVED;
        // Removed before, and only pending: it is gone as was asked for.
        out.int(if result == MISSING { REMOVED } else { result });
    }
    if removed {
        key.notify(notify::STREAM, "xdel");
    }
    DONE
}

impl KeyMut<'_, '_> {
    /// Acknowledges an entry; false if it is not pending in the group, or there is no such group.
    fn apply_acknowledge(&mut self, group: &[u8], id: StreamId) -> Result<bool, ErrorReply> {
        let known = self.stream()?.is_some_and(|stream| stream.group(group).is_some());
        Ok(known && self.apply(Effect::Acknowledge { group, id }).changed())
    }
}

pub const ROWS: &[Row] = &[row("XDELEX", xdelex), row("XACKDEL", xackdel)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn references_are_kept_removed_or_in_the_way() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in [
            ("XDELEX s IDS 1 1-1", "*1¶:-1¶"),
            ("XACKDEL s g IDS 1 1-1", "*1¶:-1¶"),
            ("XADD s 1-1 f v", "$3¶1-1¶"),
            ("XADD s 2-1 f v", "$3¶2-1¶"),
            ("XADD s 3-1 f v", "$3¶3-1¶"),
            ("XADD s 4-1 f v", "$3¶4-1¶"),
            ("XGROUP CREATE s g 0", "+OK¶"),
            ("XGROUP CREATE s h 3-1", "+OK¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
        console.text("XREADGROUP GROUP g c COUNT 3 STREAMS s >");
        for (line, reply) in [
            // Pending in g, and not read by h.
            ("XDELEX s ACKED IDS 3 1-1 4-1 9-9", "*3¶:2¶:2¶:-1¶"),
            ("XACKDEL s g ACKED IDS 2 1-1 1-1", "*2¶:1¶:-1¶"),
            ("XDELEX s DELREF IDS 1 2-1", "*1¶:1¶"),
            ("XACK s g 2-1", ":0¶"),
            ("XDELEX s IDS 1 3-1", "*1¶:1¶"),
            // Not there, and pending still.
            ("XDELEX s ACKED IDS 1 3-1", "*1¶:2¶"),
            ("XACKDEL s g IDS 1 3-1", "*1¶:1¶"),
            ("XLEN s", ":1¶"),
            ("XDELEX s IDS 0 3-1", "-ERR Number of IDs must be a positive integer¶"),
            ("XDELEX s IDS 2 3-1", "-ERR The `numids` parameter must match the number of arguments¶"),
            ("XDELEX s SOMEREF IDS 1 3-1", "-ERR syntax error¶"),
            ("XDELEX s KEEPREF 1 3-1", "-ERR syntax error¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
