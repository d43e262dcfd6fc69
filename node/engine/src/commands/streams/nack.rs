//! XNACK: what is pending is given back to its group, for others to take over.
//!
//! ```text
//! XNACK key group SILENT | FAIL | FATAL [FORCE] [RETRYCOUNT n] IDS numids id ... [FORCE] [RETRYCOUNT n]
//! ```
//! It belongs to [nobody](crate::types::stream::Consumers::NOBODY) then, a consumer without a name that no list of consumers shows,
//! and was delivered at the beginning of all time: so whoever claims gets it first. Redis 7 and its files know no such thing, but
//! they know consumers without a name.

use protocol::error::streams::*;
use protocol::{Args, ErrorReply, Reply, StreamId};
use smallvec::SmallVec;

use super::claim::group;
use super::id::ids;
use super::passed_on::{self, PassedOn};
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::Ctx;
use crate::effect::Effect;
use crate::types::stream::Consumers;

/// How often an entry counts as delivered that nobody can work with.
const HOPELESS: u64 = i64::MAX as u64;

#[derive(Clone, Copy)]
enum Mode {
    /// As if it had not been delivered the last time.
    Silent,
    Fail,
    Fatal,
}

struct Request {
    mode: Mode,
    deliveries: Option<u64>,
    force: bool,
    ids: SmallVec<[StreamId; 4]>,
}

impl Request {
    fn parse(args: Args<'_>) -> Result<Request, ErrorReply> {
        let mode = match args.at(3) {
            word if is(word, "SILENT") => Mode::Silent,
            word if is(word, "FAIL") => Mode::Fail,
            word if is(word, "FATAL") => Mode::Fatal,
            _ => return Err(NACK_MODE),
        };
        let (mut at, mut wanted) = (4, None);
        let mut request = Request { mode, deliveries: None, force: false, ids: SmallVec::new() };
        while let Some(word) = args.get(at) {
            at += match args.get(at + 1) {
                _ if is(word, "FORCE") => {
                    request.force = true;
                    1
                }
                Some(count) if is(word, "RETRYCOUNT") => {
                    request.deliveries = Some(u64::try_from(int(count)?).map_err(|_| RETRYCOUNT_NEGATIVE)?);
                    2
                }
                Some(count) if is(word, "IDS") && wanted.is_none() => {
                    let count = int(count).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
                    let count = count.ok_or(NACK_IDS_NOT_POSITIVE)?;
                    wanted = Some((at + 2, count));
                    count.saturating_add(2)
                }
                _ => return Err(unrecognized_nack_option(word)),
            };
            if at > args.len() {
                return Err(NACK_IDS_MISMATCH);
            }
        }
        let (from, count) = wanted.ok_or(IDS_EXPECTED)?;
        request.ids = ids(args.rest(from).iter().take(count))?;
        Ok(request)
    }

    /// How often an entry counts as delivered from now on.
    fn deliveries(&self, before: u64) -> u64 {
        self.deliveries.unwrap_or(match self.mode {
            Mode::Silent => before.saturating_sub(1),
            Mode::Fail => before,
            Mode::Fatal => HOPELESS,
        })
    }
}

fn xnack(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let (name, nobody, listened) = (args.at(2), Consumers::NOBODY, passed_on::begin(ctx));
    let mut key = ctx.key(&args[1]);
    group(&key, name)?;
    let request = Request::parse(args)?;
    let mut told = PassedOn::of(listened, &key, name, nobody);
    let mut released = 0;
    for id in request.ids.iter().copied() {
        let (stream, found) = group(&key, name)?;
        let forced = request.force && stream.get(id).is_some();
        let Some(before) = found.pending(id).map(|pending| pending.deliveries).or(forced.then_some(0)) else {
            continue;
        };
        if found.consumers().get(nobody).is_none() {
            key.apply(Effect::SeeConsumer { group: name, consumer: nobody, at_ms: 0 });
        }
        let deliveries = request.deliveries(before);
        key.apply(Effect::Claim { group: name, consumer: nobody, id, delivered_ms: 0, deliveries });
        told.claimed(id, 0, deliveries);
        released += 1;
    }
    told.end(&mut key);
    out.int(released);
    DONE
}

pub const ROWS: &[Row] = &[row("XNACK", xnack)];

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn what_is_given_back_belongs_to_nobody() {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for line in ["XADD s 1-1 f a", "XADD s 2-1 f b", "XADD s 3-1 f c", "XGROUP CREATE s g 0"] {
            console.run(line);
        }
        for (line, reply) in [
            ("XNACK s h FAIL IDS 1 1-1", "-NOGROUP No such key 's' or consumer group 'h'¶"),
            ("XNACK s g FAIL IDS 1 1-1", ":0¶"),
            ("XREADGROUP GROUP g one COUNT 2 MAXSIZE 1 STREAMS s >", "*1¶*2¶$1¶s¶*1¶*2¶$3¶1-1¶*2¶$1¶f¶$1¶a¶"),
            ("XNACK s g FAIL IDS 2 1-1 9-9", ":1¶"),
            ("XPENDING s g - + 9", "*1¶*4¶$3¶1-1¶$0¶¶:-1¶:1¶"),
            ("XPENDING s g", "*4¶:1¶$3¶1-1¶$3¶1-1¶*0¶"),
            ("XNACK s g SILENT IDS 2 1-1 1-1", ":2¶"),
            ("XNACK s g FATAL FORCE IDS 2 3-1 4-1", ":1¶"),
            ("XNACK s g SILENT RETRYCOUNT 7 IDS 1 2-1 FORCE", ":1¶"),
            (
                "XPENDING s g - + 9",
                "*3¶*4¶$3¶1-1¶$0¶¶:-1¶:0¶*4¶$3¶2-1¶$0¶¶:-1¶:7¶*4¶$3¶3-1¶$0¶¶:-1¶:9223372036854775807¶",
            ),
            ("XCLAIM s g two 99999 1-1 3-1 JUSTID", "*2¶$3¶1-1¶$3¶3-1¶"),
            ("XAUTOCLAIM s g two 99999 0", "*3¶$3¶0-0¶*1¶*2¶$3¶2-1¶*2¶$1¶f¶$1¶b¶*0¶"),
            ("XCLAIM s g two 0 3-1", "*1¶*2¶$3¶3-1¶*2¶$1¶f¶$1¶c¶"),
            ("XPENDING s g 3-1 + 9", "*1¶*4¶$3¶3-1¶$3¶two¶:0¶:9223372036854775807¶"),
            (
                "XINFO CONSUMERS s g",
                "*2¶*6¶$4¶name¶$3¶one¶$7¶pending¶:0¶$4¶idle¶:0¶*6¶$4¶name¶$3¶two¶$7¶pending¶:3¶$4¶idle¶:0¶",
            ),
            ("XNACK s g GONE IDS 1 1-1", "-ERR mode must be SILENT, FAIL, or FATAL¶"),
            ("XNACK s g FAIL FATAL IDS 1 1-1", "-ERR Unrecognized XNACK option 'FATAL'¶"),
            ("XNACK s g FAIL IDS 1 1-1 2-1", "-ERR Unrecognized XNACK option '2-1'¶"),
            ("XNACK s g FAIL IDS 2 1-1", "-ERR number of IDs doesn't match numids¶"),
            ("XNACK s g FAIL IDS 0 1-1", "-ERR numids must be a positive integer¶"),
            ("XNACK s g FAIL FORCE RETRYCOUNT 5", "-ERR syntax error, expected IDS keyword¶"),
            ("XNACK s g FAIL IDS 1 1-1 RETRYCOUNT", "-ERR Unrecognized XNACK option 'RETRYCOUNT'¶"),
            ("XNACK s g FAIL IDS 1 1-1 RETRYCOUNT -1", "-ERR Invalid RETRYCOUNT value, must be >= 0¶"),
            ("XNACK s g FAIL IDS 1 x", "-ERR Invalid stream ID specified as stream command argument¶"),
        ] {
            assert_eq!(console.text(line), reply, "{line}");
        }
    }
}
