//! LCS: the longest common subsequence of two strings, its length, or where its runs lie.
//!
//! The classic table: `len(i, j)` is the length for the first `i` bytes of one and the first `j` of the other. Walking
//! back from the far corner gives the subsequence from its end. Where both ways back are equally long the walk drops a
//! byte of the second string: clients see which of several longest subsequences they get, so that choice is part of
//! the contract.

use protocol::error::{
    LCS_KEYS_OR_STRINGS, LCS_LEN_AND_IDX, LCS_NO_STRINGS, LCS_NOT_STRINGS, LCS_TOO_LARGE, SYNTAX,
};
use protocol::{Args, ErrorReply, OwnedArgs, Reply};

use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::string::IntText;

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    min_match_len: i64,
    with_match_len: bool,
}

fn parse_options(args: Args<'_>) -> Result<Options, ErrorReply> {
    let mut options = Options::default();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        match (word, args.get(at + 1)) {
            (w, _) if is(w, "LEN") => options.len = true,
            (w, _) if is(w, "IDX") => options.idx = true,
            (w, _) if is(w, "WITHMATCHLEN") => options.with_match_len = true,
            (w, Some(n)) if is(w, "MINMATCHLEN") => {
                options.min_match_len = int(n)?;
                at += 1;
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    if options.len && options.idx { Err(LCS_LEN_AND_IDX) } else { Ok(options) }
}

fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (mut text_a, mut text_b) = (IntText::default(), IntText::default());
    let (a, b) = strings_at(ctx, [&args[1], &args[2]], [&mut text_a, &mut text_b])?;
    answer(a, b, &parse_options(args.rest(3))?, ctx.env.tuning.proto_max_bulk_len, out)?;
    DONE
}

/// The strings at two keys, empty where there is no key.
fn strings_at<'s>(
    ctx: &'s Ctx<'_>,
    keys: [&[u8]; 2],
    [text_a, text_b]: [&'s mut IntText; 2],
) -> Result<(&'s [u8], &'s [u8]), ErrorReply> {
    let a = ctx.read_string(keys[0], text_a).map_err(|_| LCS_NOT_STRINGS)?;
    let b = ctx.read_string(keys[1], text_b).map_err(|_| LCS_NOT_STRINGS)?;
    Ok((a.unwrap_or(b""), b.unwrap_or(b"")))
}

/// `STRALGO LCS KEYS key key | STRINGS string string [options]`: the form before LCS, from Redis 6 and KeyDB.
fn stralgo(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    if !is(&args[1], "LCS") {
        return Err(SYNTAX);
    }
    let place = |word| (2..args.len()).find(|at| is(&args[*at], word) && at + 2 < args.len());
    let (keys, strings) = (place("KEYS"), place("STRINGS"));
    let at = match (keys, strings) {
        (Some(at), None) | (None, Some(at)) => at,
        (Some(_), Some(_)) => return Err(LCS_KEYS_OR_STRINGS),
        (None, None) => return Err(LCS_NO_STRINGS),
    };
    let others = args.iter().enumerate().filter(|(i, _)| *i > 1 && !(at..at + 3).contains(i));
    let options = parse_options(OwnedArgs::from_slices(others.map(|(_, word)| word)).view())?;
    let (mut text_a, mut text_b) = (IntText::default(), IntText::default());
    let mut pair = (args.at(at + 1), args.at(at + 2));
    if keys.is_some() {
        pair = strings_at(ctx, [pair.0, pair.1], [&mut text_a, &mut text_b])?;
    }
    answer(pair.0, pair.1, &options, ctx.env.tuning.proto_max_bulk_len, out)?;
    DONE
}

fn answer(
    a: &[u8],
    b: &[u8],
    options: &Options,
    bytes_max: usize,
    out: &mut Reply,
) -> Result<(), ErrorReply> {
    let table = Table::fill(a, b, bytes_max)?;
    if options.len {
        out.int(i64::from(table.total()));
    } else if options.idx {
        reply_with_runs(&table, options, out);
    } else {
        out.bulk(&table.subsequence());
    }
    Ok(())
}

fn reply_with_runs(table: &Table<'_>, options: &Options, out: &mut Reply) {
    let runs = table.runs();
    let long_enough = || runs.iter().filter(|run| run.len as i64 >= options.min_match_len);
    out.map(2);
    out.bulk_str("matches");
    out.array(long_enough().count());
    for run in long_enough() {
        out.array(if options.with_match_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            out.array(2);
            out.int(start as i64);
            out.int((start + run.len - 1) as i64);
        }
        if options.with_match_len {
            out.int(run.len as i64);
        }
    }
    out.bulk_str("len");
    out.int(i64::from(table.total()));
}

struct Table<'s> {
    a: &'s [u8],
    b: &'s [u8],
    /// Rows of `b.len() + 1` lengths, one for each prefix of `a`.
    lens: Vec<u32>,
}

/// Bytes that follow each other in both strings.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

impl<'s> Table<'s> {
    /// Refuses strings whose table would take more than `bytes_max`.
    fn fill(a: &'s [u8], b: &'s [u8], bytes_max: usize) -> Result<Table<'s>, ErrorReply> {
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width).filter(|n| n.saturating_mul(4) <= bytes_max);
        let mut lens = vec![0u32; cells.ok_or(LCS_TOO_LARGE)?];
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = lens[i * width..(i + 2) * width].split_at_mut(width);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = if byte == other { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Ok(Table { a, b, lens })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lens[i * (self.b.len() + 1) + j]
    }

    fn total(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// The pairs of positions of the subsequence's bytes, last first.
    fn walk(&self) -> impl Iterator<Item = (usize, usize)> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if self.a[i - 1] == self.b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.at(i - 1, j) > self.at(i, j - 1) { i -= 1 } else { j -= 1 }
            }
            None
        })
    }

    fn subsequence(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.walk().map(|(i, _)| self.a[i]).collect();
        bytes.reverse();
        bytes
    }

    /// The subsequence cut into runs, last first.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (a, b) in self.walk() {
            match runs.last_mut() {
                Some(run) if run.a == a + 1 && run.b == b + 1 => *run = Run { a, b, len: run.len + 1 },
                _ => runs.push(Run { a, b, len: 1 }),
            }
        }
        runs
    }
}

pub const ROWS: &[Row] = &[row("LCS", lcs), row("STRALGO", stralgo)];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_subsequence(part: &[u8], of: &[u8]) -> bool {
        let mut rest = of.iter();
        part.iter().all(|byte| rest.any(|other| other == byte))
    }

    proptest! {
        #[test]
        fn runs_spell_the_subsequence(a in "[abc]{0,30}", b in "[abc]{0,30}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let table = Table::fill(a, b, 1 << 20).unwrap();
            let subsequence = table.subsequence();
            prop_assert_eq!(subsequence.len(), table.total() as usize);
            prop_assert!(is_subsequence(&subsequence, a) && is_subsequence(&subsequence, b));
            let spelled: Vec<u8> =
                table.runs().iter().rev().flat_map(|run| a[run.a..run.a + run.len].to_vec()).collect();
            prop_assert_eq!(spelled, subsequence);
        }
    }

    #[test]
    fn the_table_is_bounded() {
        assert!(Table::fill(b"abcd", b"abc", 80).is_ok());
        assert_eq!(Table::fill(b"abcd", b"abc", 79).err(), Some(LCS_TOO_LARGE));
    }
}
