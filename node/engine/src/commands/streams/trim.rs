//! XTRIM, and the options that it shares with XADD.

use protocol::error::SYNTAX;
use protocol::error::streams::*;
use protocol::{Args, ErrorReply, Reply, StreamId, WrittenId};

use super::id::id;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, KeyMut};
use crate::effect::Effect;
use crate::tuning::{Tuning, notify};
use crate::types::stream::{Keep, Trim};

/// Entries that an approximate trim removes at most if the client does not say how many: that many nodes' worth.
const NODES_PER_TRIM: u64 = 100;
/// The same where nodes have no number of entries, and the most that it is.
const ENTRIES_PER_TRIM: u64 = 10_000;
const ENTRIES_PER_TRIM_MAX: u64 = 1_000_000;

/// The id that an entry is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`
    Auto,
    Given(WrittenId),
}

/// What precedes the entry in XADD, and all of XTRIM.
#[derive(Default)]
pub struct Options {
    pub trim: Option<Trim>,
    /// XADD adds to a stream that is there only.
    pub no_create: bool,
    /// XADD's id.
    pub id: Option<NewId>,
    /// The index of the argument that is not read yet.
    pub next: usize,
}

/// The options as they are read, before they are looked at together.
#[derive(Default)]
struct Reading {
    keep: Option<Keep>,
    approximate: bool,
    limit: Option<u64>,
    options: Options,
}

/// Reads the options of XTRIM, or of XADD (`adds`) up to its id.
pub fn options(args: Args<'_>, adds: bool, tuning: &Tuning) -> Result<Options, ErrorReply> {
    let (mut at, mut reading) = (2, Reading::default());
    while let Some(arg) = args.get(at) {
        let following = args.len() - at - 1;
        at = match arg {
            b"*" if adds => {
                reading.options.id = Some(NewId::Auto);
                at + 1
            }
            _ if is(arg, "MAXLEN") && following > 0 => reading.threshold(args, at, true)?,
            _ if is(arg, "MINID") && following > 0 => reading.threshold(args, at, false)?,
            _ if is(arg, "LIMIT") && following > 0 => {
                let limit = u64::try_from(int(&args[at + 1])?).map_err(|_| LIMIT_NEGATIVE)?;
                reading.limit = Some(limit);
                at + 2
            }
            _ if adds && is(arg, "NOMKSTREAM") => {
                reading.options.no_create = true;
                at + 1
            }
            _ if adds => {
                let written = WrittenId::parse(arg).ok_or(INVALID_ID)?;
                reading.options.id = Some(NewId::Given(written));
                at + 1
            }
            _ => return Err(SYNTAX),
        };
        if reading.options.id.is_some() {
            break;
        }
    }
    reading.options.next = at;
    reading.finish(adds, tuning)
}

impl Reading {
    /// Reads a threshold behind MAXLEN or MINID; returns where the next option is.
    fn threshold(&mut self, args: Args<'_>, at: usize, length: bool) -> Result<usize, ErrorReply> {
        if self.keep.is_some() {
            return Err(MAXLEN_AND_MINID);
        }
        let (sign, more) = (&args[at + 1], args.len() - at > 2);
        self.approximate = more && sign == b"~";
        let at = at + 1 + usize::from(more && (sign == b"~" || sign == b"="));
        self.keep = Some(if length {
            Keep::MaxLen(u64::try_from(int(&args[at])?).map_err(|_| MAXLEN_NEGATIVE)?)
        } else {
            Keep::MinId(id(&args[at])?)
        });
        Ok(at + 1)
    }

    fn finish(self, adds: bool, tuning: &Tuning) -> Result<Options, ErrorReply> {
        let Some(keep) = self.keep else {
            return match self.limit {
                Some(1..) => Err(LIMIT_ALONE),
                _ if !adds => Err(NO_TRIMMING),
                Some(0) => Err(LIMIT_EXACT),
                None => Ok(self.options),
            };
        };
        let limit = match self.limit {
            Some(_) if !self.approximate => return Err(LIMIT_EXACT),
            Some(limit) => limit,
            None if self.approximate => match tuning.stream_node_max_entries as u64 {
                0 => ENTRIES_PER_TRIM,
                entries => entries.saturating_mul(NODES_PER_TRIM).min(ENTRIES_PER_TRIM_MAX),
            },
            None => 0,
        };
        let trim = Trim { keep, approximate: self.approximate, limit };
        Ok(Options { trim: Some(trim), ..self.options })
    }
}

/// Trims a stream and announces it; returns how many entries have gone.
pub fn trim(key: &mut KeyMut<'_, '_>, trim: Trim) -> Result<u64, ErrorReply> {
    let Some(stream) = key.stream()? else { return Ok(0) };
    let before = stream.len();
    let through: Option<StreamId> = trim.through(stream);
    let Some(through) = through.filter(|_| before > 0) else { return Ok(0) };
    key.apply(Effect::TrimEntries { through });
    let gone = before - key.stream()?.map_or(0, |stream| stream.len());
    if gone > 0 {
        key.notify(notify::STREAM, "xtrim");
    }
    Ok(gone)
}

fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = options(args, false, &ctx.env.tuning)?;
    let mut key = ctx.key(&args[1]);
    let gone = match options.trim {
        Some(how) => trim(&mut key, how)?,
        None => 0,
    };
    out.int(gone as i64);
    DONE
}

pub const ROWS: &[Row] = &[row("XTRIM", xtrim)];
