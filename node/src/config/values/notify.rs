//! `notify-keyspace-events`: which events are published.

use crate::config::row::{Origin, Row};
use crate::config::value::{Value, quoted_line};

/// A set of letters, each one class of events or one of the two channels they go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(u16);

/// Letters in the order they are shown, classes first. The class `m` (a key that was looked for and missed) and `n` (a new
/// key) are not part of `A`.
const LETTERS: &[(u8, NotifyFlags)] = &[
    (b'g', NotifyFlags::GENERIC),
    (b'$', NotifyFlags::STRING),
    (b'l', NotifyFlags::LIST),
    (b's', NotifyFlags::SET),
    (b'h', NotifyFlags::HASH),
    (b'z', NotifyFlags::ZSET),
    (b'x', NotifyFlags::EXPIRED),
    (b'e', NotifyFlags::EVICTED),
    (b't', NotifyFlags::STREAM),
    (b'd', NotifyFlags::MODULE),
    (b'n', NotifyFlags::NEW),
    (b'K', NotifyFlags::KEYSPACE),
    (b'E', NotifyFlags::KEYEVENT),
    (b'm', NotifyFlags::MISS),
];

impl NotifyFlags {
    pub const NONE: NotifyFlags = NotifyFlags(0);
    /// Channel `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1);
    /// Channel `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 1);
    pub const GENERIC: NotifyFlags = NotifyFlags(1 << 2);
    pub const STRING: NotifyFlags = NotifyFlags(1 << 3);
    pub const LIST: NotifyFlags = NotifyFlags(1 << 4);
    pub const SET: NotifyFlags = NotifyFlags(1 << 5);
    pub const HASH: NotifyFlags = NotifyFlags(1 << 6);
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 7);
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 8);
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 9);
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 10);
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 11);
    pub const MISS: NotifyFlags = NotifyFlags(1 << 12);
    pub const NEW: NotifyFlags = NotifyFlags(1 << 13);
    /// `A`: all classes but MISS and NEW.
    pub const ALL: NotifyFlags = NotifyFlags(0b1111_1111_1100);

    /// Whether all of `other` is in it.
    #[inline]
    pub fn has(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether an event of `class` is published to anyone.
    #[inline]
    pub fn publishes(self, class: NotifyFlags) -> bool {
        self.0 & class.0 != 0 && self.0 & (Self::KEYSPACE.0 | Self::KEYEVENT.0) != 0
    }

    fn parse(text: &[u8]) -> Option<NotifyFlags> {
        let mut flags = 0;
        for byte in text {
            flags |= match byte {
                b'A' => Self::ALL.0,
                _ => LETTERS.iter().find(|(letter, _)| letter == byte)?.1.0,
            };
        }
        Some(NotifyFlags(flags))
    }
}

impl Value for NotifyFlags {
    fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
        *self =
            NotifyFlags::parse(words[0]).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    }

    /// Letters in a fixed order, `A` for all it stands for. Redis 7.0 drops `n` beside `A`, and so loses it in a rewrite;
    /// it is shown here.
    fn show(&self, _: &Row) -> Vec<u8> {
        let mut text = Vec::new();
        let mut rest = self.0;
        if self.has(Self::ALL) {
            text.push(b'A');
            rest &= !Self::ALL.0;
        }
        text.extend(LETTERS.iter().filter(|(_, flag)| rest & flag.0 != 0).map(|(letter, _)| *letter));
        text
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        quoted_line(&self.show(row), row)
    }

    fn syntax(_: &Row) -> String {
        "letters of `Ag$lshzxeKEtmdn`".into()
    }
}
