//! Bytes of effects and messages: varints, little-endian floats, length-prefixed bytes.
//!
//! A group is encoded once, by its origin, and travels and is stored verbatim. The decoder takes hostile input: lengths
//! are checked before anything is allocated, and what is left over or unknown is an error.

use crate::borrowed;
use crate::effect::*;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    Short,
    Long,
    Varint,
    /// A number that cannot be meant.
    Number,
    Tag(u64),
}

/// Appends values to bytes.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn int(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub fn signed(&mut self, n: i64) {
        self.int((n << 1 ^ n >> 63) as u64);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.int(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn fixed(&mut self, n: u128) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub fn float(&mut self, x: f64) {
        self.0.extend_from_slice(&x.to_bits().to_le_bytes());
    }

    pub fn option(&mut self, n: Option<u64>) {
        match n {
            None => self.int(0),
            Some(n) => {
                self.int(1);
                self.int(n);
            }
        }
    }
}

/// Takes values off bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn int(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed::Short)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed::Varint);
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(Malformed::Varint)
    }

    pub fn small(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.int()?).map_err(|_| Malformed::Varint)
    }

    pub fn label(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.int()?).map_err(|_| Malformed::Varint)
    }

    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let n = self.int()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A count of things that take at least a byte each.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let n = self.int()?;
        if n > self.0.len() as u64 { Err(Malformed::Short) } else { Ok(n as usize) }
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.count()?;
        self.take(n)
    }

    pub fn fixed(&mut self) -> Result<u128, Malformed> {
        let mut raw = [0; 16];
        raw.copy_from_slice(self.take(16)?);
        Ok(u128::from_le_bytes(raw))
    }

    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn float(&mut self) -> Result<f64, Malformed> {
        let mut raw = [0; 8];
        raw.copy_from_slice(self.take(8)?);
        Ok(f64::from_bits(u64::from_le_bytes(raw)))
    }

    pub fn option(&mut self) -> Result<Option<u64>, Malformed> {
        match self.int()? {
            0 => Ok(None),
            1 => self.int().map(Some),
            tag => Err(Malformed::Tag(tag)),
        }
    }
}

/// Bytes before the writes of a group in a chunk: its version and how many bytes follow, both of fixed width, so that
/// the length can be filled in when the group ends.
pub const GROUP_HEAD: usize = 12;

/// Begins a group at the end of a chunk.
pub fn begin_group(w: &mut Writer, version: u64) {
    w.0.extend_from_slice(&version.to_le_bytes());
    w.0.extend_from_slice(&[0; 4]);
}

/// Ends the group that begins at `at`. A group is far below 4 GB: what one command can carry is.
pub fn end_group(w: &mut Writer, at: usize) {
    let len = u32::try_from(w.0.len() - at - GROUP_HEAD).expect("a group is below 4 GB");
    w.0[at + 8..at + GROUP_HEAD].copy_from_slice(&len.to_le_bytes());
}

/// Version and length, head included, of the group at the start of a chunk. `None`: there is none, or not all of it.
#[inline]
pub fn peek_group(chunk: &[u8]) -> Option<(u64, usize)> {
    let (version, rest) = chunk.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    (rest.len() >= len).then_some((u64::from_le_bytes(*version), GROUP_HEAD + len))
}

/// The groups of a chunk: version and writes of each. An error, once, if there is something else.
pub fn groups(mut chunk: &[u8]) -> impl Iterator<Item = Result<(u64, &[u8]), Malformed>> {
    std::iter::from_fn(move || {
        if chunk.is_empty() {
            return None;
        }
        let Some((version, len)) = peek_group(chunk) else {
            chunk = &[];
            return Some(Err(Malformed::Short));
        };
        let (group, rest) = chunk.split_at(len);
        chunk = rest;
        Some(Ok((version, &group[GROUP_HEAD..])))
    })
}

/// The head of a write: its database, whether the origin saw the key absent, and the key. The effect follows.
#[inline]
pub fn put_head(w: &mut Writer, db: u32, create: bool, name: &[u8]) {
    w.int(u64::from(db) << 1 | u64::from(create));
    w.bytes(name);
}

/// Appends one write.
pub fn put_write(w: &mut Writer, write: &Write) {
    put_head(w, write.key.db, write.create, &write.key.name);
    put_effect(w, &write.effect);
}

/// The writes of a group, one behind the other.
pub fn encode_writes(writes: &[Write]) -> Vec<u8> {
    let mut w = Writer::default();
    writes.iter().for_each(|write| put_write(&mut w, write));
    w.0
}

pub fn decode_writes(bytes: &[u8]) -> Result<Vec<Write>, Malformed> {
    borrowed::writes(bytes).map(|write| write.map(|write| write.to_owned())).collect()
}

/// Whether bytes are the writes of a group.
pub fn check_writes(bytes: &[u8]) -> Result<(), Malformed> {
    borrowed::writes(bytes).try_for_each(|write| write.map(drop))
}

/// Appends an effect.
pub fn put_effect(w: &mut Writer, effect: &Effect) {
    use Effect::*;
    match effect {
        Put { value, deadline, absent } => {
            put(w, *deadline, *absent);
            put_value(w, value);
        }
        Clear => clear(w),
        Reclaim { deadline } => reclaim(w, *deadline),
        Evict { cut } => evict(w, *cut),
        ExpireAt { at, only } => expire_at(w, *at, *only),
        Create(kind) => {
            w.int(7);
            w.int(*kind as u64);
        }
        Adopt(kind) => {
            w.int(30);
            w.int(*kind as u64);
        }
        Add { delta, result } => add(w, *delta, *result),
        AddFloat { delta, result } => add_float(w, delta, result),
        Append(bytes) => append(w, bytes),
        SetRange { offset, bytes } => set_range(w, *offset, bytes),
        RaiseRegisters(bytes) => raise_registers(w, bytes.len(), |w| w.extend_from_slice(bytes)),
        SetField { field, value, absent } => set_field(w, field, value, *absent),
        DelField(field) => del_field(w, field),
        AddField { field, delta, result } => add_field(w, field, *delta, *result),
        AddFieldFloat { field, delta, result } => add_field_float(w, field, delta, result),
        AddMember(member) => add_member(w, member),
        DelMember(member) => del_member(w, member),
        SetScore { member, score, only } => set_score(w, member, *score, *only),
        AddScore { member, delta, result } => add_score(w, member, *delta, *result),
        DelScored(member) => del_scored(w, member),
        Insert { spot, element } => insert(w, *spot, element),
        SetElement { id, element } => set_element(w, *id, element),
        DelElements(ids) => del_elements(w, ids.len(), ids.iter().copied()),
        ClearDb => clear_db(w),
        AddBits(add) => add_bits(w, add),
        FieldExpire { field, at } => field_expire(w, field, *at),
        MemberExpire { member, at } => member_expire(w, member, *at),
        ScoredExpire { member, at } => scored_expire(w, member, *at),
        SetPart { part, value, present } => set_part(w, part, value, *present),
        RaisePart { part, value } => raise_part(w, part, value),
        DelPart(part) => del_part(w, part),
    }
}

/// The head of a Put. A value follows: [`string`], or [`collection`] and its elements.
#[inline]
pub fn put(w: &mut Writer, deadline: Option<u64>, absent: bool) {
    w.int(if absent { 2 } else { 1 });
    w.option(deadline);
}

#[inline]
pub fn string(w: &mut Writer, bytes: &[u8]) {
    w.int(Kind::String as u64);
    w.bytes(bytes);
}

/// What stands for a tagged string where the kind of a value stands.
pub(crate) const TAGGED: u64 = 6;

/// A string with a tag, which is not 0.
pub fn tagged(w: &mut Writer, bytes: &[u8], tag: u64) {
    w.int(TAGGED);
    w.bytes(bytes);
    w.int(tag);
}

/// The head of a list, set, sorted set, hash or stream: elements follow as bytes, each with its score or value behind it.
pub fn collection(w: &mut Writer, kind: Kind, len: usize) {
    w.int(kind as u64);
    w.int(len as u64);
}

pub fn clear(w: &mut Writer) {
    w.int(3);
}

pub fn reclaim(w: &mut Writer, deadline: u64) {
    w.int(4);
    w.int(deadline);
}

pub fn evict(w: &mut Writer, cut: u64) {
    w.int(5);
    w.int(cut);
}

pub fn expire_at(w: &mut Writer, at: Option<u64>, only: DeadlineCondition) {
    w.int(6);
    w.option(at);
    w.int(bits([only.absent, only.present, only.greater, only.less]));
}

#[inline]
pub fn add(w: &mut Writer, delta: i64, result: i64) {
    w.int(8);
    w.signed(delta);
    w.signed(result);
}

pub fn add_float(w: &mut Writer, delta: &[u8], result: &[u8]) {
    w.int(9);
    w.bytes(delta);
    w.bytes(result);
}

pub fn append(w: &mut Writer, bytes: &[u8]) {
    w.int(10);
    w.bytes(bytes);
}

pub fn set_range(w: &mut Writer, offset: u64, bytes: &[u8]) {
    w.int(11);
    w.int(offset);
    w.bytes(bytes);
}

/// `write` must append `len` bytes.
pub fn raise_registers(w: &mut Writer, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
    w.int(12);
    w.int(len as u64);
    write(&mut w.0);
}

#[inline]
pub fn set_field(w: &mut Writer, field: &[u8], value: &[u8], absent: bool) {
    w.int(if absent { 14 } else { 13 });
    w.bytes(field);
    w.bytes(value);
}

pub fn del_field(w: &mut Writer, field: &[u8]) {
    w.int(15);
    w.bytes(field);
}

pub fn add_field(w: &mut Writer, field: &[u8], delta: i64, result: i64) {
    w.int(16);
    w.bytes(field);
    w.signed(delta);
    w.signed(result);
}

pub fn add_field_float(w: &mut Writer, field: &[u8], delta: &[u8], result: &[u8]) {
    w.int(17);
    w.bytes(field);
    w.bytes(delta);
    w.bytes(result);
}

#[inline]
pub fn add_member(w: &mut Writer, member: &[u8]) {
    w.int(18);
    w.bytes(member);
}

pub fn del_member(w: &mut Writer, member: &[u8]) {
    w.int(19);
    w.bytes(member);
}

#[inline]
pub fn set_score(w: &mut Writer, member: &[u8], score: f64, only: ScoreCondition) {
    w.int(20);
    w.bytes(member);
    w.float(score);
    w.int(bits([only.absent, false, only.greater, only.less]));
}

pub fn add_score(w: &mut Writer, member: &[u8], delta: f64, result: f64) {
    w.int(21);
    w.bytes(member);
    w.float(delta);
    w.float(result);
}

pub fn del_scored(w: &mut Writer, member: &[u8]) {
    w.int(22);
    w.bytes(member);
}

#[inline]
pub fn insert(w: &mut Writer, spot: Spot, element: &[u8]) {
    w.int(23);
    put_spot(w, spot);
    w.bytes(element);
}

pub fn set_element(w: &mut Writer, id: Element, element: &[u8]) {
    w.int(24);
    put_element(w, id);
    w.bytes(element);
}

pub fn del_elements(w: &mut Writer, len: usize, ids: impl Iterator<Item = Element>) {
    w.int(25);
    w.int(len as u64);
    ids.for_each(|id| put_element(w, id));
}

pub fn clear_db(w: &mut Writer) {
    w.int(26);
}

pub fn add_bits(w: &mut Writer, add: &BitAdd) {
    w.int(27);
    w.int(add.offset);
    w.int(u64::from(add.width));
    w.int(u64::from(add.signed) | (add.overflow as u64) << 1);
    w.signed(add.delta);
    w.signed(add.result);
}

pub fn field_expire(w: &mut Writer, field: &[u8], at: Option<u64>) {
    w.int(28);
    w.bytes(field);
    w.option(at);
}

pub fn member_expire(w: &mut Writer, member: &[u8], at: Option<u64>) {
    w.int(29);
    w.bytes(member);
    w.option(at);
}

pub fn scored_expire(w: &mut Writer, member: &[u8], at: Option<u64>) {
    w.int(35);
    w.bytes(member);
    w.option(at);
}

pub fn set_part(w: &mut Writer, part: &[u8], value: &[u8], present: bool) {
    w.int(if present { 32 } else { 31 });
    w.bytes(part);
    w.bytes(value);
}

pub fn raise_part(w: &mut Writer, part: &[u8], value: &[u8]) {
    w.int(33);
    w.bytes(part);
    w.bytes(value);
}

pub fn del_part(w: &mut Writer, part: &[u8]) {
    w.int(34);
    w.bytes(part);
}

fn put_value(w: &mut Writer, value: &Value) {
    if let Value::Tagged(text) = value {
        return tagged(w, &text.bytes, text.tag);
    }
    w.int(value.kind() as u64);
    let list = |w: &mut Writer, all: &[Bytes]| {
        w.int(all.len() as u64);
        all.iter().for_each(|one| w.bytes(one));
    };
    match value {
        Value::String(text) => w.bytes(text),
        Value::Tagged(text) => w.bytes(&text.bytes),
        Value::List(all) | Value::Set(all) => list(w, all),
        Value::Zset(all) => {
            w.int(all.len() as u64);
            for (member, score) in all {
                w.bytes(member);
                w.float(*score);
            }
        }
        Value::Hash(all) | Value::Stream(all) => {
            w.int(all.len() as u64);
            for (field, value) in all {
                w.bytes(field);
                w.bytes(value);
            }
        }
    }
}

pub(crate) fn put_spot(w: &mut Writer, spot: Spot) {
    match spot {
        Spot::Head => w.int(0),
        Spot::Tail => w.int(1),
        Spot::Before(element) => {
            w.int(2);
            put_element(w, element);
        }
        Spot::After(element) => {
            w.int(3);
            put_element(w, element);
        }
    }
}

pub(crate) fn put_element(w: &mut Writer, element: Element) {
    match element {
        Element::Id(id) => {
            w.int(0);
            w.int(id.place.version);
            w.int(u64::from(id.place.origin));
            w.int(u64::from(id.place.sub));
            w.int(u64::from(id.index));
        }
        Element::Settled { cut, index } => {
            w.int(1);
            w.int(cut);
            w.signed(index);
        }
    }
}

fn bits(flags: [bool; 4]) -> u64 {
    flags.iter().enumerate().map(|(i, on)| u64::from(*on) << i).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Place;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..6)
    }

    fn element() -> impl Strategy<Value = Element> {
        prop_oneof![
            (any::<u64>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
                |(version, origin, sub, index)| {
                    Element::Id(ElementId { place: Place { version, origin, sub }, index })
                }
            ),
            (any::<u64>(), any::<i64>()).prop_map(|(cut, index)| Element::Settled { cut, index }),
        ]
    }

    fn effect() -> impl Strategy<Value = Effect> {
        prop_oneof![
            (word(), any::<Option<u64>>(), any::<bool>(), 0..3u64).prop_map(
                |(bytes, deadline, absent, tag)| {
                    Effect::Put { value: Text { bytes, tag }.into(), deadline, absent }
                }
            ),
            proptest::collection::vec((word(), -9.0..9.0f64), 0..4).prop_map(|all| Effect::Put {
                value: Value::Zset(all),
                deadline: None,
                absent: false
            }),
            Just(Effect::Clear),
            Just(Effect::ClearDb),
            (any::<i64>(), any::<i64>()).prop_map(|(delta, result)| Effect::Add { delta, result }),
            (any::<Option<u64>>(), any::<bool>(), any::<bool>()).prop_map(|(at, greater, absent)| {
                Effect::ExpireAt { at, only: DeadlineCondition { greater, absent, ..Default::default() } }
            }),
            (word(), word(), any::<bool>()).prop_map(|(field, value, absent)| Effect::SetField {
                field,
                value,
                absent
            }),
            (element(), word()).prop_map(|(id, element)| Effect::SetElement { id, element }),
            (element(), word()).prop_map(|(e, element)| Effect::Insert { spot: Spot::After(e), element }),
            proptest::collection::vec(element(), 0..4).prop_map(Effect::DelElements),
            (word(), word(), any::<bool>()).prop_map(|(part, value, present)| Effect::SetPart {
                part,
                value,
                present
            }),
            (word(), word()).prop_map(|(part, value)| Effect::RaisePart { part, value }),
            word().prop_map(Effect::DelPart),
            proptest::collection::vec((word(), word()), 0..4).prop_map(|all| Effect::Put {
                value: Value::Stream(all),
                deadline: None,
                absent: false
            }),
        ]
    }

    fn writes_of(bytes: &[u8]) -> usize {
        decode_writes(bytes).map_or(0, |writes| writes.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_decoded_is_what_was_encoded(effects in proptest::collection::vec((effect(), word(), any::<bool>()), 0..5)) {
            let writes: Vec<Write> = effects
                .into_iter()
                .map(|(effect, name, create)| Write { key: Key { db: 3, name }, create, effect })
                .collect();
            let bytes = encode_writes(&writes);
            prop_assert_eq!(decode_writes(&bytes).unwrap(), writes);
            for cut in 0..bytes.len() {
                let short = decode_writes(&bytes[..cut]).ok();
                prop_assert!(short.is_none_or(|some| some.len() < writes_of(&bytes)));
            }
        }

        #[test]
        fn hostile_bytes_are_refused_or_decoded_but_never_more(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(writes) = decode_writes(&bytes) {
                prop_assert!(writes.len() <= bytes.len());
            }
        }
    }
}
