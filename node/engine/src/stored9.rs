//! Values as version 9 of RDB holds them, for servers that know no later one: Redis 5 and 6, KeyDB. What is packed in memory
//! is written element by element there, but for sets of integers and the nodes of streams, which have stayed the same.

use std::ops::ControlFlow;

use protocol::rdb::{Kind, Writer};

use crate::stored::{self, text};
use crate::value::ValueRef;

/// The kind that a value is written as. `due`: members with deadlines up to this are left out.
pub fn kind(value: ValueRef<'_>, due: u64) -> Kind {
    match value {
        ValueRef::List(_) => Kind::List,
        ValueRef::Zset(_) => Kind::Zset,
        ValueRef::Hash(_) => Kind::Hash,
        ValueRef::Stream(_) => Kind::Stream1,
        other => stored::kind(other, due),
    }
}

/// Writes a value, whose [`kind`] has been written with the same `due`.
pub fn write(value: ValueRef<'_>, due: u64, out: &mut Writer) {
    match value {
        ValueRef::List(list) => {
            out.length(list.len() as u64);
            list.walk(0, false, |element| {
                text(element, out);
                ControlFlow::Continue(())
            });
        }
        ValueRef::Zset(zset) => {
            let live = zset.live(due);
            out.length(live.len() as u64);
            for (member, score) in live.walk(0..live.len(), true) {
                text(member, out);
                out.double(score);
            }
        }
        ValueRef::Hash(hash) => {
            let fields = hash.live(due);
            out.length(fields.len() as u64);
            for (field, value) in fields.iter() {
                text(field, out);
                text(value, out);
            }
        }
        ValueRef::Stream(stream) => stream.write_old(out),
        other => stored::write(other, due, out),
    }
}

#[cfg(test)]
mod tests {
    use protocol::rdb::Reader;

    use super::*;
    use crate::tuning::Tuning;
    use crate::value::Value;

    /// What was written in the new form is read, written in the old one, and read again.
    #[test]
    fn the_old_form_says_the_same() {
        let tuning = Tuning::default();
        let mut packed = protocol::listpack::Listpack::default();
        for word in [&b"a"[..], b"1", b"b", b"2.5"] {
            packed.push_back(word);
        }
        for new in [Kind::ZsetListpack, Kind::HashListpack] {
            let mut out = Writer::new(false);
            out.text(packed.as_bytes());
            let value = stored::read(&mut Reader::new(out.as_bytes()), new, &tuning).unwrap();
            let again = through_the_old_form(&value, &tuning);
            let mut rewritten = Writer::new(false);
            stored::write(again.as_ref(), 0, &mut rewritten);
            assert_eq!(rewritten.as_bytes(), out.as_bytes(), "{new:?}");
        }
    }

    fn through_the_old_form(value: &Value, tuning: &Tuning) -> Value {
        let mut out = Writer::new(false);
        write(value.as_ref(), 0, &mut out);
        stored::read(&mut Reader::new(out.as_bytes()), kind(value.as_ref(), 0), tuning).unwrap()
    }
}
