//! LLEN, LINDEX, LRANGE, LPOS.

use std::ops::ControlFlow;

use protocol::error::{COUNT_NEGATIVE, MAXLEN_NEGATIVE, RANK_ZERO, SYNTAX};
use protocol::{Args, ErrorReply, Reply};

use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::List;

fn llen(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    out.int(ctx.read_list(&args[1])?.map_or(0, |list| list.len() as i64));
    DONE
}

fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let Some(list) = ctx.read_list(&args[1])? else {
        out.null();
        return DONE;
    };
    match list.resolve(int(&args[2])?) {
        Some(index) => drop(list.get(index, |element| out.bulk_entry(element))),
        None => out.null(),
    }
    DONE
}

/// The first index and the number of elements that a client means by `start` and `stop`, both included.
pub fn range(len: usize, start: i64, stop: i64) -> (usize, usize) {
    let from_end = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = from_end(start).max(0) as usize;
    match usize::try_from(from_end(stop)) {
        Ok(stop) if start <= stop && start < len => (start, stop.min(len - 1) - start + 1),
        _ => (0, 0),
    }
}

fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (start, stop) = (int(&args[2])?, int(&args[3])?);
    let Some(list) = ctx.read_list(&args[1])? else {
        out.array(0);
        return DONE;
    };
    let (from, count) = range(list.len(), start, stop);
    out.array(count);
    list.range(from, false, count, |element| out.bulk_entry(element));
    DONE
}

/// The options of LPOS.
struct Search {
    /// Which match is the first to count, from 1; from the tail if `backwards`.
    rank: u64,
    backwards: bool,
    /// How many matches are wanted (0: all); `None`: one, not as an array.
    count: Option<usize>,
    /// How many elements to look at; 0: all.
    scan_max: usize,
}

fn options(args: Args<'_>) -> Result<Search, ErrorReply> {
    let mut search = Search { rank: 1, backwards: false, count: None, scan_max: 0 };
    let mut at = 3;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(SYNTAX)?;
        if is(&args[at], "RANK") {
            let rank = int(value)?;
            if rank == 0 {
                return Err(RANK_ZERO);
            }
            // The one number without an opposite means the last match, as in Redis.
            (search.rank, search.backwards) = (rank.checked_abs().unwrap_or(1) as u64, rank < 0);
        } else if is(&args[at], "COUNT") {
            search.count = Some(int(value).ok().and_then(|n| usize::try_from(n).ok()).ok_or(COUNT_NEGATIVE)?);
        } else if is(&args[at], "MAXLEN") {
            search.scan_max = int(value).ok().and_then(|n| usize::try_from(n).ok()).ok_or(MAXLEN_NEGATIVE)?;
        } else {
            return Err(SYNTAX);
        }
        at += 2;
    }
    Ok(search)
}

/// Calls `found` with the index of each match that counts.
fn matches(list: &List, element: &[u8], search: &Search, mut found: impl FnMut(usize)) {
    let wanted = match search.count {
        Some(0) => usize::MAX,
        count => count.unwrap_or(1),
    };
    let scan_max = if search.scan_max == 0 { usize::MAX } else { search.scan_max };
    let (mut skip, mut left) = (search.rank - 1, wanted);
    list.find(element, search.backwards, scan_max, |index| {
        if skip > 0 {
            skip -= 1;
            return ControlFlow::Continue(());
        }
        found(index);
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let search = options(args)?;
    let list = ctx.read_list(&args[1])?;
    let mut found = Vec::new();
    if let Some(list) = list {
        matches(list, &args[2], &search, |index| found.push(index));
    }
    if search.count.is_some() {
        out.array(found.len());
        found.into_iter().for_each(|index| out.int(index as i64));
    } else {
        match found.first() {
            Some(index) => out.int(*index as i64),
            None => out.null(),
        }
    }
    DONE
}

pub const ROWS: &[Row] =
    &[row("LLEN", llen), row("LINDEX", lindex), row("LRANGE", lrange), row("LPOS", lpos)];

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_cut_to_the_list() {
        for (start, stop, expected) in [
            (0, -1, (0, 5)),
            (1, 3, (1, 3)),
            (-3, -2, (2, 2)),
            (-100, 100, (0, 5)),
            (3, 2, (0, 0)),
            (5, 9, (0, 0)),
            (0, -6, (0, 0)),
            (i64::MIN, i64::MAX, (0, 5)),
            (i64::MAX, i64::MIN, (0, 0)),
        ] {
            assert_eq!(range(5, start, stop), expected, "{start} {stop}");
        }
        assert_eq!(range(0, 0, -1), (0, 0));
    }
}
