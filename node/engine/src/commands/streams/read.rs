//! XREAD, and the options that it shares with XREADGROUP.
//!
//! A client that waits is served later by running its command again, for the key that has become ready alone. By then `$`
//! would mean another entry: it is replaced when the client begins to wait.
//!
//! COUNT is for each key; MAXCOUNT and MAXSIZE bound the whole reply, in entries and in bytes. One entry is shown however long
//! it is, and keys for which nothing is left are not in the reply.

use std::ops::Range;

use protocol::error::streams::*;
use protocol::error::{SYNTAX, TIMEOUT_NEGATIVE};
use protocol::{Args, Deferred, ErrorReply, Reply, StreamId, number};
use smallvec::SmallVec;

use super::id::id;
use super::show;
use crate::commands::{Block, DONE, Flow, NullReply, Row, int, is, row};
use crate::ctx::Ctx;
use crate::types::Stream;
use crate::value::{Kind, ValueRef};

/// Entries that a client who has waited is given at most, if it does not say how many.
const SERVED_MAX: usize = 1000;

/// XREAD's and XREADGROUP's options.
pub struct Request<'a> {
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub no_ack: bool,
    count: i64,
    max_count: usize,
    max_size: usize,
    /// How long an entry must have been pending for the reader to take it over, ms.
    pub claim_ms: Option<i64>,
    /// `None`: does not wait; `Some(None)`: for ever.
    timeout_ms: Option<Option<u64>>,
    /// Indexes of the keys. As many ids follow.
    pub keys: Range<usize>,
}

impl<'a> Request<'a> {
    pub fn parse(args: Args<'a>, grouped: bool) -> Result<Request<'a>, ErrorReply> {
        let mut request = Request {
            group: None,
            no_ack: false,
            count: 0,
            max_count: usize::MAX,
            max_size: usize::MAX,
            claim_ms: None,
            timeout_ms: None,
            keys: 0..0,
        };
        let mut at = 1;
        while at < args.len() && request.keys.start == 0 {
            let following = args.len() - at - 1;
            at += match args.at(at) {
                word if is(word, "BLOCK") && following > 0 => {
                    request.timeout_ms = Some(timeout(&args[at + 1])?);
                    2
                }
                word if is(word, "COUNT") && following > 0 => {
                    request.count = int(&args[at + 1])?;
                    2
                }
                word if is(word, "MAXCOUNT") && following > 0 => {
                    request.max_count = show::limit(int(&args[at + 1])?);
                    2
                }
                word if is(word, "MAXSIZE") && following > 0 => {
                    request.max_size = show::limit(int(&args[at + 1])?);
                    2
                }
                word if is(word, "CLAIM") && following > 0 => {
                    request.claim_ms = Some(min_idle(&args[at + 1])?);
                    if !grouped {
                        return Err(CLAIM_IN_XREAD);
                    }
                    2
                }
                word if is(word, "STREAMS") && following > 0 => {
                    request.keys = at + 1..at + 1 + following / 2;
                    1
                }
                word if is(word, "GROUP") && following > 1 => {
                    request.group = Some((args.at(at + 1), args.at(at + 2)));
                    if !grouped {
                        return Err(GROUP_IN_XREAD);
                    }
                    3
                }
                word if is(word, "NOACK") => {
                    request.no_ack = true;
                    if !grouped {
                        return Err(NOACK_IN_XREAD);
                    }
                    1
                }
                _ => return Err(SYNTAX),
            };
        }
        match args.len() - at {
            _ if request.keys.start == 0 => Err(SYNTAX),
            left if left % 2 == 1 => Err(UNBALANCED),
            _ if grouped && request.group.is_none() => Err(GROUP_MISSING),
            _ => Ok(request),
        }
    }

    /// The index of the id that belongs to a key.
    pub fn id_at(&self, key: usize) -> usize {
        key + self.keys.len()
    }

    /// How many entries are asked for. Who has waited is not given a large stream by surprise.
    pub fn count(&self, ctx: &Ctx<'_>) -> usize {
        match show::limit(self.count) {
            usize::MAX if ctx.serving.is_some() => SERVED_MAX,
            count => count,
        }
    }

    /// What the whole reply may have, which begins here.
    pub fn budget(&self, out: &Reply) -> Budget {
        Budget { start: out.buf.len(), left: self.max_count, size: self.max_size, shown: 0 }
    }

    /// There is nothing to read: waits or says so. `again_ms`: when there may be something although nothing is added.
    pub fn wait(
        self,
        resolved: Vec<(usize, Vec<u8>)>,
        again_ms: Option<u64>,
        out: &mut Reply,
    ) -> Result<Flow, ErrorReply> {
        let Some(timeout_ms) = self.timeout_ms else {
            out.null_array();
            return DONE;
        };
        Ok(Flow::Block(Block {
            keys: self.keys.collect(),
            kind: Kind::Stream,
            timeout_ms,
            again_ms,
            wake_on_removal: self.group.is_some(),
            refusal: NullReply::Array,
            resolved,
        }))
    }
}

/// What is left of a reply's bounds.
pub struct Budget {
    start: usize,
    left: usize,
    size: usize,
    shown: usize,
}

impl Budget {
    /// Whether one more entry may be shown.
    #[inline]
    pub fn admits(&self, out: &Reply) -> bool {
        self.left > 0 && (self.shown == 0 || out.buf.len() - self.start < self.size)
    }

    /// An entry has been shown.
    #[inline]
    pub fn spend(&mut self) {
        self.left -= 1;
        self.shown += 1;
    }

    pub fn is_boundless(&self) -> bool {
        self.left == usize::MAX && self.size == usize::MAX
    }
}

fn min_idle(arg: &[u8]) -> Result<i64, ErrorReply> {
    let ms = number::parse_i64(arg).ok_or(MIN_IDLE_NOT_INTEGER)?;
    if ms < 0 { Err(MIN_IDLE_NEGATIVE) } else { Ok(ms) }
}

fn timeout(arg: &[u8]) -> Result<Option<u64>, ErrorReply> {
    let ms = number::parse_i64(arg).ok_or(TIMEOUT_NOT_INTEGER)?;
    let ms = u64::try_from(ms).map_err(|_| TIMEOUT_NEGATIVE)?;
    Ok(Some(ms).filter(|ms| *ms > 0))
}

/// Begins the reply of a command that has something of `streams` keys.
pub fn begin(streams: usize, out: &mut Reply) {
    if out.resp3 { out.map(streams) } else { out.array(streams) }
}

/// Puts the head of a reply before the parts of `streams` keys, which begin at `place`.
pub fn finish(place: Deferred, streams: usize, out: &mut Reply) {
    if out.resp3 { out.fill_map(place, streams) } else { out.fill_array(place, streams) }
}

/// Begins the part of one key.
pub fn begin_key(key: &[u8], out: &mut Reply) {
    if !out.resp3 {
        out.array(2);
    }
    out.bulk(key);
}

/// The id behind which a key is to be read.
fn after(stream: Option<&Stream>, arg: &[u8]) -> Result<StreamId, ErrorReply> {
    match arg {
        b"$" => Ok(stream.map_or(StreamId::ZERO, |stream| stream.last_id())),
        // The last entry itself, if there is one: what is behind the id before it.
        b"+" => match stream.filter(|stream| !stream.is_empty()) {
            Some(stream) => Ok(stream.last_entry_id().previous().unwrap_or(StreamId::ZERO)),
            None => Ok(stream.map_or(StreamId::ZERO, |stream| stream.last_id())),
        },
        b">" => Err(NEW_WITHOUT_GROUP),
        arg => id(arg),
    }
}

fn xread(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let request = Request::parse(args, false)?;
    let count = request.count(ctx);
    // Keys that have something, with the first id that is looked for.
    let mut found = SmallVec::<[(usize, StreamId); 4]>::new();
    let mut resolved = Vec::new();
    for at in request.keys.clone() {
        if !ctx.offers(&args[at]) {
            continue;
        }
        let stream = ctx.read_stream(&args[at])?;
        let wanted = args.at(request.id_at(at));
        let after = after(stream, wanted)?;
        if let (Some(stream), Some(first)) = (stream, after.next())
            && stream.last_id() > after
            && stream.range(first, StreamId::MAX).next().is_some()
        {
            found.push((at, first));
        }
        if matches!(wanted, b"$" | b"+") {
            resolved.push((request.id_at(at), after.to_string().into_bytes()));
        }
    }
    if found.is_empty() {
        return request.wait(resolved, None, out);
    }
    let mut budget = request.budget(out);
    if budget.is_boundless() {
        begin(found.len(), out);
        for (at, first) in found {
            if let Some(ValueRef::Stream(stream)) = ctx.peek(&args[at]).map(|entry| entry.value()) {
                begin_key(&args[at], out);
                show::entries(stream, first, StreamId::MAX, count, false, out);
            }
        }
        return DONE;
    }
    let (place, mut keys) = (out.deferred(), 0);
    for (at, first) in found {
        if let Some(ValueRef::Stream(stream)) = ctx.peek(&args[at]).map(|entry| entry.value())
            && budget.admits(out)
        {
            begin_key(&args[at], out);
            keys += 1;
            let entries = stream.range(first, StreamId::MAX).take(count);
            show::within(entries, &mut budget, out);
        }
    }
    finish(place, keys, out);
    DONE
}

pub const ROWS: &[Row] = &[row("XREAD", xread)];
