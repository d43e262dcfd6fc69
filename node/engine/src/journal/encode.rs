//! The engine's effects in the bytes of [`replication::codec`], written from what they borrow.

use protocol::listpack::Entry;
use replication::codec::{self, Writer};
use replication::effect::{BitAdd, BitOverflow, DeadlineCondition, Element, Kind, Spot};

use crate::effect::{Effect, NewValue, ScoreCondition};
use crate::family::Family;
use crate::types::bits::Overflow;
use crate::types::hyperloglog::Rank;
use crate::types::string::IntText;
use crate::value::ValueRef;

/// Names list elements so that others understand it.
pub trait Names {
    /// The element that has the index `at` before the effect.
    fn element(&mut self, at: usize) -> Element;
    fn count(&self) -> usize;
}

/// Appends an effect on a key. `deadline`: what a Put makes of the key's deadline. `due`: what has expired in a value is left
/// out.
pub fn effect(w: &mut Writer, effect: &Effect<'_>, deadline: Option<u64>, due: u64, names: &mut impl Names) {
    use Effect::*;
    match effect {
        Put { value, absent, .. } => put(w, value, deadline, due, *absent),
        Clear => codec::clear(w),
        ExpireAt(at) => codec::expire_at(w, *at, DeadlineCondition::default()),
        ExpireOnly { at, only } => codec::expire_at(w, Some(*at), *only),
        Add { delta, result } => codec::add(w, *delta, *result),
        AddFloat { delta, result } => codec::add_float(w, delta, result),
        Append(bytes) => codec::append(w, bytes),
        SetRange { offset, bytes } => codec::set_range(w, *offset as u64, bytes),
        AddBits { field, delta, overflow, result } => codec::add_bits(
            w,
            &BitAdd {
                offset: field.offset as u64,
                width: field.width,
                signed: field.signed,
                delta: *delta,
                overflow: overflow_of(*overflow),
                result: *result,
            },
        ),
        SetField { field, value, absent } => codec::set_field(w, field, value, *absent),
        DelField(field) => codec::del_field(w, field),
        FieldExpire { field, deadline } => codec::field_expire(w, field, *deadline),
        AddField { field, delta, result } => codec::add_field(w, field, *delta, *result),
        AddFieldFloat { field, delta, result } => codec::add_field_float(w, field, delta, result),
        AddMember(member) => codec::add_member(w, member),
        DelMember(member) => codec::del_member(w, member),
        MemberExpire { member, deadline } => codec::member_expire(w, member, *deadline),
        SetScore { member, score, only } => codec::set_score(w, member, *score, condition(*only)),
        AddScore { member, delta, result } => codec::add_score(w, member, *delta, *result),
        DelScored(member) => codec::del_scored(w, member),
        ScoredExpire { member, deadline } => codec::scored_expire(w, member, *deadline),
        Insert { at, element } => {
            let spot = spot(*at, names);
            codec::insert(w, spot, element);
        }
        SetElement { at, element } => codec::set_element(w, names.element(*at), element),
        DelElements { at, count } => {
            let end = (at + count).min(names.count());
            codec::del_elements(w, end.saturating_sub(*at), (*at..end).map(|at| names.element(at)));
        }
        DelElementsAt(indices) => {
            codec::del_elements(w, indices.len(), indices.iter().map(|at| names.element(*at)));
        }
        RaiseRegisters { ranks, dense } => raise(w, ranks, *dense),
        AddEntry { .. }
        | DelEntry(_)
        | TrimEntries { .. }
        | SetMarks { .. }
        | AddGroup { .. }
        | SetGroup { .. }
        | DelGroup(_)
        | SeeConsumer { .. }
        | DelConsumer { .. }
        | Deliver(_)
        | Claim { .. }
        | Acknowledge { .. } => {
            unreachable!("what happens to streams is told part by part")
        }
    }
}

fn spot(at: usize, names: &mut impl Names) -> Spot {
    match at {
        0 => Spot::Head,
        at if at >= names.count() => Spot::Tail,
        at => Spot::After(names.element(at - 1)),
    }
}

fn condition(only: ScoreCondition) -> replication::effect::ScoreCondition {
    replication::effect::ScoreCondition { absent: only.absent, greater: only.greater, less: only.less }
}

fn overflow_of(overflow: Overflow) -> BitOverflow {
    match overflow {
        Overflow::Wrap => BitOverflow::Wrap,
        Overflow::Saturate => BitOverflow::Saturate,
        Overflow::Fail => BitOverflow::Fail,
    }
}

/// A register is three bytes, its index first; before them stands whether the value must be dense.
fn raise(w: &mut Writer, ranks: &[Rank], dense: bool) {
    codec::raise_registers(w, 1 + 3 * ranks.len(), |bytes| {
        bytes.push(u8::from(dense));
        for (index, rank) in ranks {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.push(*rank);
        }
    });
}

/// Registers as [`raise`] writes them.
pub fn raised(bytes: &[u8]) -> (bool, Vec<Rank>) {
    let Some((dense, ranks)) = bytes.split_first() else { return (false, Vec::new()) };
    let ranks = ranks.chunks_exact(3).map(|rank| (u16::from_le_bytes([rank[0], rank[1]]), rank[2]));
    let sound = |rank: &Rank| usize::from(rank.0) < crate::types::hyperloglog::REGISTERS && rank.1 < 64;
    (*dense == 1, ranks.filter(sound).collect())
}

fn put(w: &mut Writer, new: &NewValue<'_>, deadline: Option<u64>, due: u64, absent: bool) {
    codec::put(w, deadline, absent);
    match new {
        NewValue::String(bytes) => codec::string(w, bytes),
        NewValue::Built(built) => value(w, built.as_ref(), due),
    }
}

/// Appends a whole value, without deadlines of members. `due`: members with deadlines up to this are left out.
pub fn value(w: &mut Writer, value: ValueRef<'_>, due: u64) {
    let mut int = itoa::Buffer::new();
    match value {
        ValueRef::Tagged(string) if string.tag != 0 => codec::tagged(w, &string.bytes, string.tag),
        ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_) => {
            let mut text = IntText::default();
            codec::string(w, value.string_bytes(&mut text).unwrap_or_default());
        }
        ValueRef::List(list) => {
            codec::collection(w, Kind::List, list.len());
            list.range(0, false, list.len(), |element| text(w, element, &mut int));
        }
        ValueRef::Set(set) => {
            let live = set.live(due);
            codec::collection(w, Kind::Set, live.len());
            live.iter().for_each(|member| text(w, member, &mut int));
        }
        ValueRef::Zset(zset) => {
            let live = zset.live(due);
            codec::collection(w, Kind::Zset, live.len());
            for (member, score) in live.iter() {
                text(w, member, &mut int);
                w.float(score);
            }
        }
        ValueRef::Hash(hash) => {
            let live = hash.live(due);
            codec::collection(w, Kind::Hash, live.len());
            for (field, value) in live.iter() {
                text(w, field, &mut int);
                text(w, value, &mut int);
            }
        }
        ValueRef::Stream(stream) => {
            codec::collection(w, Kind::Stream, stream.part_count());
            stream.each_part(|part, value| {
                w.bytes(&part.name());
                w.bytes(&value);
            });
        }
    }
}

fn text(w: &mut Writer, entry: Entry<'_>, int: &mut itoa::Buffer) {
    w.bytes(entry.text(int));
}

/// Appends the deadlines of a value's members that are above `due`, each as an effect of its own. `head` begins a write.
pub fn member_deadlines(w: &mut Writer, value: ValueRef<'_>, due: u64, mut head: impl FnMut(&mut Writer)) {
    let mut int = itoa::Buffer::new();
    let (Some(family), Some(deadlines)) = (Family::of(value), value.deadlines()) else { return };
    for (member, at) in deadlines.iter().filter(|(_, at)| *at > due) {
        head(w);
        let member = member.text(&mut int);
        match family {
            Family::Hash => codec::field_expire(w, member, Some(at)),
            Family::Set => codec::member_expire(w, member, Some(at)),
            Family::Zset => codec::scored_expire(w, member, Some(at)),
        }
    }
}
