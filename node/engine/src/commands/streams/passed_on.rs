//! What the commands of consumers are passed on as.
//!
//! Whom an entry is given to depends on the clock and on what was read before, and a log is read at another time than it was
//! written. So replicas and the log get what came of it, in Redis's words:
//!
//! ```text
//! XGROUP CREATECONSUMER key group consumer                       a consumer is new, and has been given nothing
//! XCLAIM key group consumer 0 id... TIME ms RETRYCOUNT n FORCE JUSTID LASTID id
//! XACK key group id...                                           what was pending had been removed from the stream
//! XGROUP SETID key group id [ENTRIESREAD n]                      what XCLAIM cannot say of how far the group has read
//! ```

use protocol::{OwnedArgs, StreamId};

use super::trim::IDS_AT_ONCE;
use crate::ctx::{Ctx, KeyMut};
use crate::types::stream::Group;

/// How far a group has read.
type Progress = (StreamId, Option<u64>);

/// Notes what a command does to a consumer of one group. While nobody wants to hear of it nothing is noted.
pub struct PassedOn<'a> {
    wanted: bool,
    group: &'a [u8],
    consumer: &'a [u8],
    is_new: bool,
    before: Option<Progress>,
    /// What was given to the consumer, with its time and the number of its deliveries.
    claimed: Vec<(StreamId, i64, u64)>,
    acknowledged: Vec<StreamId>,
}

/// A command begins that is passed on in this way. Whether somebody wants to hear of it.
pub fn begin(ctx: &mut Ctx<'_>) -> bool {
    let wanted = ctx.locks.feeds();
    if wanted {
        ctx.out.done_as.clear();
    }
    wanted
}

impl<'a> PassedOn<'a> {
    /// `wanted`: what [`begin`] said.
    pub fn of(wanted: bool, key: &KeyMut<'_, '_>, group: &'a [u8], consumer: &'a [u8]) -> PassedOn<'a> {
        let before = if wanted { progress(key, group) } else { None };
        PassedOn {
            wanted,
            group,
            consumer,
            is_new: false,
            before,
            claimed: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    pub fn created(&mut self, created: bool) {
        self.is_new |= created;
    }

    pub fn claimed(&mut self, id: StreamId, delivered_ms: i64, deliveries: u64) {
        if self.wanted {
            self.claimed.push((id, delivered_ms, deliveries));
        }
    }

    pub fn acknowledged(&mut self, id: StreamId) {
        if self.wanted {
            self.acknowledged.push(id);
        }
    }

    /// All is done: leaves the commands for the feed.
    pub fn end(self, key: &mut KeyMut<'_, '_>) {
        if !self.wanted {
            return;
        }
        let (name, after) = (key.key, progress(key, self.group));
        let last = after.map_or(StreamId::ZERO, |(last, _)| last).to_string();
        let head = |command: &'static [u8]| vec![command, name, self.group];
        let mut commands = Vec::new();
        if self.is_new && self.claimed.is_empty() {
            commands.push(OwnedArgs::from_slices([
                b"XGROUP",
                &b"CREATECONSUMER"[..],
                name,
                self.group,
                self.consumer,
            ]));
        }
        for alike in
            self.claimed.chunk_by(|a, b| (a.1, a.2) == (b.1, b.2)).flat_map(|run| run.chunks(IDS_AT_ONCE))
        {
            let ids: Vec<String> = alike.iter().map(|(id, ..)| id.to_string()).collect();
            let (ms, deliveries) = (alike[0].1.to_string(), alike[0].2.to_string());
            let mut words = head(b"XCLAIM");
            words.extend([self.consumer, b"0"]);
            words.extend(ids.iter().map(String::as_bytes));
            words.extend([&b"TIME"[..], ms.as_bytes(), b"RETRYCOUNT", deliveries.as_bytes()]);
            words.extend([&b"FORCE"[..], b"JUSTID", b"LASTID", last.as_bytes()]);
            commands.push(OwnedArgs::from_slices(words));
        }
        for ids in self.acknowledged.chunks(IDS_AT_ONCE) {
            let ids: Vec<String> = ids.iter().map(StreamId::to_string).collect();
            commands.push(OwnedArgs::from_slices(
                head(b"XACK").into_iter().chain(ids.iter().map(String::as_bytes)),
            ));
        }
        commands.extend(self.how_far(name, after, last.as_bytes()));
        key.out.done_as.extend(commands);
    }

    /// How far the group has read, if what precedes does not say it.
    fn how_far(&self, name: &[u8], after: Option<Progress>, last: &[u8]) -> Option<OwnedArgs> {
        let ((last_before, read_before), (last_after, read)) = self.before.zip(after)?;
        let told = last_before == last_after || !self.claimed.is_empty();
        if told && read_before == read {
            return None;
        }
        let read = read.map(|read| read.to_string());
        let mut words = vec![&b"XGROUP"[..], b"SETID", name, self.group, last];
        words.extend(read.iter().flat_map(|read| [&b"ENTRIESREAD"[..], read.as_bytes()]));
        Some(OwnedArgs::from_slices(words))
    }
}

fn progress(key: &KeyMut<'_, '_>, group: &[u8]) -> Option<Progress> {
    let found: &Group = key.stream().ok()??.group(group)?;
    Some((found.last_id, found.entries_read))
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn what_consumers_do_is_told_by_what_came_of_it() {
        let keyspace = Keyspace::new(1, 1);
        keyspace.feed.listen(true);
        let mut console = Console::new(&keyspace);
        for line in ["XADD s 1-1 f v", "XADD s 2-1 f v", "XADD s 3-1 f v", "XGROUP CREATE s g 0"] {
            console.run(line);
        }
        let now = console.ctx.env.now_ms;
        let claim = |consumer: &str, ids: &str, deliveries: u64, last: &str| {
            format!(
                "XCLAIM s g {consumer} 0 {ids} TIME {now} RETRYCOUNT {deliveries} FORCE JUSTID LASTID {last}"
            )
        };
        for (line, told) in [
            (
                "XREADGROUP GROUP g a COUNT 2 STREAMS s >",
                vec![claim("a", "1-1 2-1", 1, "2-1"), "XGROUP SETID s g 2-1 ENTRIESREAD 2".into()],
            ),
            ("XREADGROUP GROUP g b STREAMS s 0", vec!["XGROUP CREATECONSUMER s g b".into()]),
            ("XREADGROUP GROUP g b STREAMS s 0", vec![]),
            ("XREADGROUP GROUP g a COUNT 1 STREAMS s 0", vec![claim("a", "1-1", 2, "2-1")]),
            ("XREADGROUP GROUP g b NOACK STREAMS s >", vec!["XGROUP SETID s g 3-1 ENTRIESREAD 3".into()]),
            ("XCLAIM s g b 0 1-1 2-1 3-1", vec![claim("b", "1-1", 3, "3-1"), claim("b", "2-1", 2, "3-1")]),
            ("XCLAIM s g b 100000 1-1", vec![]),
            ("XCLAIM s g b 0 9-9 LASTID 4-1", vec!["XGROUP SETID s g 4-1 ENTRIESREAD 3".into()]),
            ("XDEL s 1-1", vec![]),
            ("XAUTOCLAIM s g c 0 0 JUSTID", vec![claim("c", "2-1", 2, "4-1"), "XACK s g 1-1".into()]),
        ] {
            console.ctx.out.done_as.clear();
            console.run(line);
            let text = |args: &protocol::OwnedArgs| {
                let words: Vec<_> = args.view().iter().map(String::from_utf8_lossy).collect();
                words.join(" ")
            };
            let found: Vec<String> = console.ctx.out.done_as.iter().map(text).collect();
            assert_eq!(found, told, "{line}");
        }
    }
}
