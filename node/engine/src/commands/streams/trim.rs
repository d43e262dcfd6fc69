//! XTRIM, and the options that it shares with XADD.

use protocol::error::SYNTAX;
use protocol::error::streams::*;
use protocol::{Args, ErrorReply, OwnedArgs, Reply, StreamId, WrittenId};

use super::id::id;
use super::remove_with_references::{References, remove_all};
use crate::command::absent;
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
/// Ids that one command names when it is passed on.
pub(super) const IDS_AT_ONCE: usize = 1024;

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
    /// What becomes of references to entries that are trimmed.
    pub references: References,
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
            _ if References::parse(arg).is_some() => {
                reading.options.references = References::parse(arg).unwrap_or_default();
                at + 1
            }
            _ if adds && is(arg, "NOMKSTREAM") => {
                reading.options.no_create = true;
                at + 1
            }
            _ if adds => {
                let written =
                    WrittenId::parse(arg).ok_or_else(|| absent::option("XADD", arg).unwrap_or(INVALID_ID))?;
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
pub fn trim(key: &mut KeyMut<'_, '_>, trim: Trim, references: References) -> Result<u64, ErrorReply> {
    if references != References::Keep {
        key.out.done_as.clear();
    }
    let Some(stream) = key.stream()? else { return Ok(0) };
    let before = stream.len();
    let through: Option<StreamId> = trim.through(stream);
    let Some(through) = through.filter(|_| before > 0) else { return Ok(0) };
    if references != References::Keep {
        let ids = stream.range(StreamId::ZERO, through).map(|entry| entry.id).collect();
        return trim_these(key, ids, references);
    }
    key.apply(Effect::TrimEntries { through });
    let gone = before - key.stream()?.map_or(0, |stream| stream.len());
    if gone > 0 {
        key.notify(notify::STREAM, "xtrim");
    }
    Ok(gone)
}

/// Trims entry by entry, as groups have their say. What is done is passed on in words of Redis 7.0, which has no such policies.
fn trim_these(
    key: &mut KeyMut<'_, '_>,
    ids: Vec<StreamId>,
    references: References,
) -> Result<u64, ErrorReply> {
    let gone = remove_all(key, ids, references)?;
    if !gone.is_empty() {
        key.notify(notify::STREAM, "xtrim");
    }
    let texts: Vec<Vec<u8>> = gone.iter().map(|id| id.to_string().into_bytes()).collect();
    let name = key.key.to_vec();
    let mut commands = Vec::new();
    for ids in texts.chunks(IDS_AT_ONCE) {
        if references == References::Remove
            && let Some(stream) = key.stream()?
        {
            commands.extend(stream.groups().map(|group| words(&[b"XACK", &name, &group.name], ids)));
        }
        commands.push(words(&[b"XDEL", &name], ids));
    }
    key.out.done_as = commands;
    Ok(gone.len() as u64)
}

fn words(head: &[&[u8]], ids: &[Vec<u8>]) -> OwnedArgs {
    OwnedArgs::from_slices(head.iter().copied().chain(ids.iter().map(Vec::as_slice)))
}

fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = options(args, false, &ctx.env.tuning)?;
    let mut key = ctx.key(&args[1]);
    let gone = match options.trim {
        Some(how) => trim(&mut key, how, options.references)?,
        None => 0,
    };
    out.int(gone as i64);
    DONE
}

pub const ROWS: &[Row] = &[row("XTRIM", xtrim)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn groups_have_a_say_in_what_is_trimmed() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for (line, reply) in [
            ("XGROUP CREATE s g 0 MKSTREAM", "+OK¶"),
            ("XADD s 1-1 f v", "$3¶1-1¶"),
            ("XADD s 2-1 f v", "$3¶2-1¶"),
            ("XADD s 3-1 f v", "$3¶3-1¶"),
            ("XADD s 4-1 f v", "$3¶4-1¶"),
            ("XTRIM s ACKED MAXLEN 0", ":0¶"),
            (
                "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
                "*1¶*2¶$1¶s¶*2¶*2¶$3¶1-1¶*2¶$1¶f¶$1¶v¶*2¶$3¶2-1¶*2¶$1¶f¶$1¶v¶",
            ),
            ("XACK s g 1-1", ":1¶"),
            ("XTRIM s MAXLEN 1 ACKED", ":1¶"),
            ("XLEN s", ":3¶"),
            ("XTRIM s MINID = 3-1 DELREF", ":1¶"),
            ("XPENDING s g", "*4¶:0¶$-1¶$-1¶*-1¶"),
            ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", "*1¶*2¶$1¶s¶*1¶*2¶$3¶3-1¶*2¶$1¶f¶$1¶v¶"),
            ("XADD s DELREF MAXLEN 1 5-1 f v", "$3¶5-1¶"),
            ("XPENDING s g", "*4¶:0¶$-1¶$-1¶*-1¶"),
            ("XADD s KEEPREF MAXLEN 1 6-1 f v", "$3¶6-1¶"),
            ("XLEN s", ":1¶"),
            ("XADD s ACKED MAXLEN 1 7-1 f v", "$3¶7-1¶"),
            ("XLEN s", ":2¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
