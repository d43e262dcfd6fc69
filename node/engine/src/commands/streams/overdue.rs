//! What XREADGROUP's CLAIM takes over: entries that have been pending for long, those first that have been so for longest.
//!
//! A group keeps what is pending in the order of ids, so all of it is looked at. A reader that waits does so until the next
//! entry has been pending for long enough, or could have: what is delivered to others while it waits becomes overdue, too.

use protocol::StreamId;

use crate::types::Stream;
use crate::types::stream::Group;

/// A reader that waits looks again after no less than this, ms.
const LOOK_AGAIN_MS: u64 = 20;

/// See the [module's page](self). Of each entry: when it was delivered last, its id, how often it was delivered.
#[derive(Default)]
pub struct Overdue {
    entries: Vec<(i64, StreamId, u64)>,
    /// When more may be, ms from now.
    pub next_ms: Option<u64>,
}

impl Overdue {
    /// What a group has of a stream, `count` entries at most.
    pub fn of(stream: &Stream, group: &Group, min_idle_ms: i64, now_ms: i64, count: usize) -> Overdue {
        let (mut entries, mut next_ms) = (Vec::new(), min_idle_ms as u64);
        for (id, pending) in group.pending_range(StreamId::ZERO, StreamId::MAX) {
            let idle_ms = now_ms.saturating_sub(pending.delivered_ms).max(0);
            if idle_ms < min_idle_ms {
                next_ms = next_ms.min((min_idle_ms - idle_ms) as u64);
            } else if stream.get(id).is_some() {
                entries.push((pending.delivered_ms, id, pending.deliveries));
            }
        }
        if count < entries.len() {
            entries.select_nth_unstable(count);
            entries.truncate(count);
        }
        entries.sort_unstable();
        Overdue { entries, next_ms: Some(next_ms.max(LOOK_AGAIN_MS)) }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl IntoIterator for Overdue {
    type Item = (i64, StreamId, u64);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// The earlier of two times, of which there may be none.
pub fn soonest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    /// Replies of lines, each at a time in ms after the beginning.
    fn play(lines: &[(u64, &str, &str)]) {
        let keyspace = Keyspace::new(1, 1);
        let mut console = Console::new(&keyspace);
        for line in ["XADD s 1-1 f a", "XADD s 2-1 f b", "XADD s 3-1 f c", "XGROUP CREATE s g 0"] {
            console.run(line);
        }
        for (at, line, reply) in lines {
            console.ctx.env.tick(1_700_000_000_000 + at);
            let expected = match reply.strip_prefix('-') {
                Some(error) if error != "1" => format!("{reply}¶"),
                _ => reply.replace(' ', "¶"),
            };
            assert_eq!(console.text(line), expected, "{line}");
        }
    }

    const A: &str = "*2 $1 f $1 a";
    const B: &str = "*2 $1 f $1 b";
    const C: &str = "*2 $1 f $1 c";

    #[test]
    fn what_is_overdue_comes_before_what_is_new() {
        play(&[
            (0, "XREADGROUP GROUP g one COUNT 1 STREAMS s >", &format!("*1 *2 $1 s *1 *2 $3 1-1 {A} ")),
            (40, "XREADGROUP GROUP g one COUNT 1 STREAMS s >", &format!("*1 *2 $1 s *1 *2 $3 2-1 {B} ")),
            (
                100,
                "XREADGROUP GROUP g two CLAIM 60 COUNT 3 STREAMS s >",
                &format!("*1 *2 $1 s *3 *4 $3 1-1 {A} :100 :1 *4 $3 2-1 {B} :60 :1 *4 $3 3-1 {C} :0 :0 "),
            ),
            (
                100,
                "XPENDING s g - + 9",
                "*3 *4 $3 1-1 $3 two :0 :2 *4 $3 2-1 $3 two :0 :2 *4 $3 3-1 $3 two :0 :1 ",
            ),
            (150, "XREADGROUP GROUP g one CLAIM 60 STREAMS s >", "*-1 "),
            (150, "XREADGROUP GROUP g one CLAIM 60 BLOCK 0 STREAMS s >", "(blocked)"),
            (160, "XDEL s 1-1", ":1 "),
            // Longest pending first; what has been removed is passed over, and one for a count of one.
            (160, "XCLAIM s g one 0 2-1 IDLE 10 JUSTID", "*1 $3 2-1 "),
            (
                300,
                "XREADGROUP GROUP g one CLAIM 60 COUNT 1 NOACK STREAMS s >",
                &format!("*1 *2 $1 s *1 *4 $3 3-1 {C} :200 :1 "),
            ),
            (
                300,
                "XREADGROUP GROUP g one CLAIM 0 COUNT 1 STREAMS s 0",
                &format!("*1 *2 $1 s *1 *2 $3 2-1 {B} "),
            ),
        ]);
    }

    #[test]
    fn times_that_are_none() {
        play(&[
            (0, "XREADGROUP GROUP g one CLAIM x STREAMS s >", "-ERR min-idle-time is not an integer"),
            (0, "XREADGROUP GROUP g one CLAIM -0 STREAMS s >", "-ERR min-idle-time is not an integer"),
            (
                0,
                "XREADGROUP GROUP g one CLAIM -1 STREAMS s >",
                "-ERR min-idle-time must be a positive integer",
            ),
            (0, "XREADGROUP CLAIM GROUP g one STREAMS s >", "-ERR min-idle-time is not an integer"),
            (
                0,
                "XREAD CLAIM 5 STREAMS s 0",
                "-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
            ),
        ]);
    }

    #[test]
    fn a_reply_is_bounded_over_all_keys() {
        let all = format!("*1 *2 $1 s *2 *2 $3 1-1 {A} *2 $3 2-1 {B} ");
        play(&[
            (0, "XADD t 1-1 f a", "$3 1-1 "),
            (0, "XADD t 2-1 f b", "$3 2-1 "),
            (0, "XREAD MAXCOUNT 2 STREAMS s t 0 0", &all),
            (
                0,
                "XREAD MAXCOUNT 3 COUNT 2 STREAMS s t 0 0",
                &format!("*2 *2 $1 s *2 *2 $3 1-1 {A} *2 $3 2-1 {B} *2 $1 t *1 *2 $3 1-1 {A} "),
            ),
            (0, "XREAD MAXSIZE 1 STREAMS t s 0 1-1", &format!("*1 *2 $1 t *1 *2 $3 1-1 {A} ")),
            (0, "XREAD MAXSIZE 60 STREAMS s t 0 0", &all),
            (0, "XREAD MAXCOUNT x STREAMS s 0", "-ERR value is not an integer or out of range"),
            (0, "XGROUP CREATE t g 0", "+OK "),
            (0, "XREADGROUP GROUP g one MAXCOUNT 2 STREAMS s t > >", &all),
            // What was not shown is not delivered.
            (0, "XREADGROUP GROUP g one MAXSIZE 1 STREAMS t s > >", &format!("*1 *2 $1 t *1 *2 $3 1-1 {A} ")),
            (
                0,
                "XREADGROUP GROUP g one MAXCOUNT 1 STREAMS t s 0 0",
                &format!("*1 *2 $1 t *1 *2 $3 1-1 {A} "),
            ),
            (
                0,
                "XREADGROUP GROUP g one STREAMS t s > >",
                &format!("*2 *2 $1 t *1 *2 $3 2-1 {B} *2 $1 s *1 *2 $3 3-1 {C} "),
            ),
        ]);
    }
}
