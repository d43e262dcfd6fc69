//! Effects as they are read from bytes, borrowing what they carry: for who folds them at once and keeps nothing.

use crate::codec::{self, Malformed, Reader};
use crate::effect::*;
use crate::stamp::Place;

/// A value in bytes, known to be well formed.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    String(&'a [u8]),
    /// A string and its tag.
    Tagged(&'a [u8], u64),
    /// A list or set: elements.
    Elements(Kind, Encoded<'a>),
    /// A sorted set: members, a score behind each.
    Scored(Encoded<'a>),
    /// A hash or stream: fields or parts, a value behind each.
    Fields(Kind, Encoded<'a>),
}

/// Things that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    pub count: usize,
    bytes: &'a [u8],
}

/// An effect that borrows from its bytes. See [`Effect`] for what they mean.
#[derive(Clone, Copy, Debug)]
pub enum EffectRef<'a> {
    Put { value: ValueRef<'a>, deadline: Option<u64>, absent: bool },
    Clear,
    Reclaim { deadline: u64 },
    Evict { cut: u64 },
    ExpireAt { at: Option<u64>, only: DeadlineCondition },
    Create(Kind),
    Adopt(Kind),
    Add { delta: i64, result: i64 },
    AddFloat { delta: &'a [u8], result: &'a [u8] },
    Append(&'a [u8]),
    SetRange { offset: u64, bytes: &'a [u8] },
    RaiseRegisters(&'a [u8]),
    AddBits(BitAdd),
    SetField { field: &'a [u8], value: &'a [u8], absent: bool },
    DelField(&'a [u8]),
    AddField { field: &'a [u8], delta: i64, result: i64 },
    AddFieldFloat { field: &'a [u8], delta: &'a [u8], result: &'a [u8] },
    FieldExpire { field: &'a [u8], at: Option<u64> },
    AddMember(&'a [u8]),
    DelMember(&'a [u8]),
    MemberExpire { member: &'a [u8], at: Option<u64> },
    SetScore { member: &'a [u8], score: f64, only: ScoreCondition },
    AddScore { member: &'a [u8], delta: f64, result: f64 },
    DelScored(&'a [u8]),
    ScoredExpire { member: &'a [u8], at: Option<u64> },
    Insert { spot: Spot, element: &'a [u8] },
    SetElement { id: Element, element: &'a [u8] },
    DelElements(Encoded<'a>),
    SetPart { part: &'a [u8], value: &'a [u8], present: bool },
    RaisePart { part: &'a [u8], value: &'a [u8] },
    DelPart(&'a [u8]),
    ClearDb,
}

/// One effect on one key, within a group.
#[derive(Clone, Copy, Debug)]
pub struct WriteRef<'a> {
    pub db: u32,
    /// The origin saw the key absent.
    pub create: bool,
    pub name: &'a [u8],
    pub effect: EffectRef<'a>,
}

/// The writes of a group. An error, once, where the bytes are something else.
pub fn writes(bytes: &[u8]) -> impl Iterator<Item = Result<WriteRef<'_>, Malformed>> {
    let mut r = Reader(bytes);
    std::iter::from_fn(move || {
        if r.0.is_empty() {
            return None;
        }
        let write = WriteRef::take(&mut r);
        if write.is_err() {
            r = Reader(&[]);
        }
        Some(write)
    })
}

/// Database and name of the first key of a group's writes.
#[inline]
pub fn first_key(writes: &[u8]) -> Option<(u32, &[u8])> {
    let mut r = Reader(writes);
    let db = u32::try_from(r.int().ok()? >> 1).ok()?;
    Some((db, r.bytes().ok()?))
}

/// The member or field that the first of a group's writes is about.
pub fn first_member(bytes: &[u8]) -> Option<&[u8]> {
    match writes(bytes).next()?.ok()?.effect {
        EffectRef::SetField { field: name, .. }
        | EffectRef::DelField(name)
        | EffectRef::AddField { field: name, .. }
        | EffectRef::AddFieldFloat { field: name, .. }
        | EffectRef::AddMember(name)
        | EffectRef::DelMember(name)
        | EffectRef::SetScore { member: name, .. }
        | EffectRef::AddScore { member: name, .. }
        | EffectRef::DelScored(name) => Some(name),
        _ => None,
    }
}

/// One effect, and what is behind it.
pub(crate) fn effect<'a>(r: &mut Reader<'a>) -> Result<EffectRef<'a>, Malformed> {
    EffectRef::take(r)
}

/// One value, and what is behind it.
pub fn take_value<'a>(r: &mut Reader<'a>) -> Result<ValueRef<'a>, Malformed> {
    ValueRef::take(r)
}

/// A value on its own. `None`: it is none, or more than one.
pub fn value(bytes: &[u8]) -> Option<ValueRef<'_>> {
    let mut r = Reader(bytes);
    let value = ValueRef::take(&mut r).ok()?;
    r.end().ok().map(|()| value)
}

impl<'a> WriteRef<'a> {
    #[inline]
    fn take(r: &mut Reader<'a>) -> Result<WriteRef<'a>, Malformed> {
        let head = r.int()?;
        let db = u32::try_from(head >> 1).map_err(|_| Malformed::Varint)?;
        Ok(WriteRef { db, create: head & 1 == 1, name: r.bytes()?, effect: EffectRef::take(r)? })
    }

    pub fn to_owned(&self) -> Write {
        let key = Key { db: self.db, name: self.name.to_vec() };
        Write { key, create: self.create, effect: self.effect.to_owned() }
    }
}

impl<'a> Encoded<'a> {
    /// Reads past `count` things, so that they are known to be there.
    fn take(
        r: &mut Reader<'a>,
        mut one: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
    ) -> Result<Encoded<'a>, Malformed> {
        let count = r.count()?;
        let from = r.0;
        (0..count).try_for_each(|_| one(r))?;
        Ok(Encoded { count, bytes: &from[..from.len() - r.0.len()] })
    }

    fn each<T: 'a>(self, one: fn(&mut Reader<'a>) -> Result<T, Malformed>) -> impl Iterator<Item = T> + 'a {
        let mut r = Reader(self.bytes);
        (0..self.count).map_while(move |_| one(&mut r).ok())
    }

    pub fn bytes(self) -> impl Iterator<Item = &'a [u8]> {
        self.each(|r| r.bytes())
    }

    pub fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.each(|r| Ok((r.bytes()?, r.bytes()?)))
    }

    pub fn scored(self) -> impl Iterator<Item = (&'a [u8], f64)> {
        self.each(|r| Ok((r.bytes()?, r.float()?)))
    }

    pub fn elements(self) -> impl Iterator<Item = Element> + 'a {
        self.each(take_element)
    }
}

impl<'a> ValueRef<'a> {
    fn take(r: &mut Reader<'a>) -> Result<ValueRef<'a>, Malformed> {
        let code = r.int()?;
        if code == codec::TAGGED {
            let (bytes, tag) = (r.bytes()?, r.int()?);
            return if tag == 0 { Err(Malformed::Number) } else { Ok(ValueRef::Tagged(bytes, tag)) };
        }
        let pass = |r: &mut Reader<'a>| r.bytes().map(drop);
        Ok(match Kind::from_code(code).ok_or(Malformed::Tag(code))? {
            Kind::String => ValueRef::String(r.bytes()?),
            Kind::Zset => ValueRef::Scored(Encoded::take(r, |r| pass(r).and_then(|()| score(r)).map(drop))?),
            kind @ (Kind::Hash | Kind::Stream) => {
                ValueRef::Fields(kind, Encoded::take(r, |r| pass(r).and_then(|()| pass(r)))?)
            }
            kind => ValueRef::Elements(kind, Encoded::take(r, pass)?),
        })
    }

    pub fn kind(&self) -> Kind {
        match self {
            ValueRef::String(_) | ValueRef::Tagged(..) => Kind::String,
            ValueRef::Elements(kind, _) | ValueRef::Fields(kind, _) => *kind,
            ValueRef::Scored(_) => Kind::Zset,
        }
    }

    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::String(bytes) => Value::String(bytes.to_vec()),
            ValueRef::Tagged(bytes, tag) => Value::Tagged(Text { bytes: bytes.to_vec(), tag }),
            ValueRef::Elements(Kind::Set, all) => Value::Set(all.bytes().map(<[u8]>::to_vec).collect()),
            ValueRef::Elements(_, all) => Value::List(all.bytes().map(<[u8]>::to_vec).collect()),
            ValueRef::Scored(all) => {
                Value::Zset(all.scored().map(|(m, score)| (m.to_vec(), score)).collect())
            }
            ValueRef::Fields(kind, all) => {
                let pairs = all.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                if kind == Kind::Stream { Value::Stream(pairs) } else { Value::Hash(pairs) }
            }
        }
    }
}

/// A score or a change of one: never NaN, which no client can write.
fn score(r: &mut Reader<'_>) -> Result<f64, Malformed> {
    let score = r.float()?;
    if score.is_nan() { Err(Malformed::Number) } else { Ok(score) }
}

impl<'a> EffectRef<'a> {
    #[inline]
    fn take(r: &mut Reader<'a>) -> Result<EffectRef<'a>, Malformed> {
        use EffectRef::*;
        Ok(match r.int()? {
            tag @ (1 | 2) => Put { deadline: r.option()?, value: ValueRef::take(r)?, absent: tag == 2 },
            3 => Clear,
            4 => Reclaim { deadline: r.int()? },
            5 => Evict { cut: r.int()? },
            6 => {
                let at = r.option()?;
                let [absent, present, greater, less] = flags(r.int()?);
                ExpireAt { at, only: DeadlineCondition { absent, present, greater, less } }
            }
            tag @ (7 | 30) => {
                let code = r.int()?;
                let kind = Kind::from_code(code).ok_or(Malformed::Tag(code))?;
                if tag == 7 { Create(kind) } else { Adopt(kind) }
            }
            8 => Add { delta: r.signed()?, result: r.signed()? },
            9 => AddFloat { delta: r.bytes()?, result: r.bytes()? },
            10 => Append(r.bytes()?),
            11 => SetRange { offset: offset(r.int()?)?, bytes: r.bytes()? },
            12 => RaiseRegisters(r.bytes()?),
            tag @ (13 | 14) => SetField { field: r.bytes()?, value: r.bytes()?, absent: tag == 14 },
            15 => DelField(r.bytes()?),
            16 => AddField { field: r.bytes()?, delta: r.signed()?, result: r.signed()? },
            17 => AddFieldFloat { field: r.bytes()?, delta: r.bytes()?, result: r.bytes()? },
            18 => AddMember(r.bytes()?),
            19 => DelMember(r.bytes()?),
            20 => {
                let (member, score) = (r.bytes()?, score(r)?);
                let [absent, _, greater, less] = flags(r.int()?);
                SetScore { member, score, only: ScoreCondition { absent, greater, less } }
            }
            21 => AddScore { member: r.bytes()?, delta: score(r)?, result: score(r)? },
            22 => DelScored(r.bytes()?),
            23 => Insert { spot: take_spot(r)?, element: r.bytes()? },
            24 => SetElement { id: take_element(r)?, element: r.bytes()? },
            25 => DelElements(Encoded::take(r, |r| take_element(r).map(drop))?),
            26 => ClearDb,
            27 => AddBits(take_bits(r)?),
            28 => FieldExpire { field: r.bytes()?, at: r.option()? },
            29 => MemberExpire { member: r.bytes()?, at: r.option()? },
            tag @ (31 | 32) => SetPart { part: r.bytes()?, value: r.bytes()?, present: tag == 32 },
            33 => RaisePart { part: r.bytes()?, value: r.bytes()? },
            34 => DelPart(r.bytes()?),
            35 => ScoredExpire { member: r.bytes()?, at: r.option()? },
            tag => return Err(Malformed::Tag(tag)),
        })
    }

    pub fn to_owned(&self) -> Effect {
        use EffectRef::*;
        let own = <[u8]>::to_vec;
        match *self {
            Put { value, deadline, absent } => Effect::Put { value: value.to_owned(), deadline, absent },
            Clear => Effect::Clear,
            Reclaim { deadline } => Effect::Reclaim { deadline },
            Evict { cut } => Effect::Evict { cut },
            ExpireAt { at, only } => Effect::ExpireAt { at, only },
            Create(kind) => Effect::Create(kind),
            Adopt(kind) => Effect::Adopt(kind),
            Add { delta, result } => Effect::Add { delta, result },
            AddFloat { delta, result } => Effect::AddFloat { delta: own(delta), result: own(result) },
            Append(bytes) => Effect::Append(own(bytes)),
            SetRange { offset, bytes } => Effect::SetRange { offset, bytes: own(bytes) },
            RaiseRegisters(bytes) => Effect::RaiseRegisters(own(bytes)),
            AddBits(add) => Effect::AddBits(add),
            SetField { field, value, absent } => {
                Effect::SetField { field: own(field), value: own(value), absent }
            }
            DelField(field) => Effect::DelField(own(field)),
            AddField { field, delta, result } => Effect::AddField { field: own(field), delta, result },
            AddFieldFloat { field, delta, result } => {
                Effect::AddFieldFloat { field: own(field), delta: own(delta), result: own(result) }
            }
            FieldExpire { field, at } => Effect::FieldExpire { field: own(field), at },
            AddMember(member) => Effect::AddMember(own(member)),
            DelMember(member) => Effect::DelMember(own(member)),
            MemberExpire { member, at } => Effect::MemberExpire { member: own(member), at },
            SetScore { member, score, only } => Effect::SetScore { member: own(member), score, only },
            AddScore { member, delta, result } => Effect::AddScore { member: own(member), delta, result },
            DelScored(member) => Effect::DelScored(own(member)),
            ScoredExpire { member, at } => Effect::ScoredExpire { member: own(member), at },
            Insert { spot, element } => Effect::Insert { spot, element: own(element) },
            SetElement { id, element } => Effect::SetElement { id, element: own(element) },
            DelElements(ids) => Effect::DelElements(ids.elements().collect()),
            SetPart { part, value, present } => {
                Effect::SetPart { part: own(part), value: own(value), present }
            }
            RaisePart { part, value } => Effect::RaisePart { part: own(part), value: own(value) },
            DelPart(part) => Effect::DelPart(own(part)),
            ClearDb => Effect::ClearDb,
        }
    }
}

fn take_bits(r: &mut Reader<'_>) -> Result<BitAdd, Malformed> {
    let (bit, width, flags) = (r.int()?, r.int()?, r.int()?);
    offset(bit / 8)?;
    if width == 0 || width > 64 {
        return Err(Malformed::Number);
    }
    let overflow = match flags >> 1 {
        0 => BitOverflow::Wrap,
        1 => BitOverflow::Saturate,
        2 => BitOverflow::Fail,
        tag => return Err(Malformed::Tag(tag)),
    };
    let (delta, result) = (r.signed()?, r.signed()?);
    Ok(BitAdd { offset: bit, width: width as u32, signed: flags & 1 == 1, delta, overflow, result })
}

/// An offset within a string: no string is longer than 512 MB, whatever a peer says.
fn offset(n: u64) -> Result<u64, Malformed> {
    if n > 512 << 20 { Err(Malformed::Number) } else { Ok(n) }
}

pub(crate) fn take_spot(r: &mut Reader<'_>) -> Result<Spot, Malformed> {
    Ok(match r.int()? {
        0 => Spot::Head,
        1 => Spot::Tail,
        2 => Spot::Before(take_element(r)?),
        3 => Spot::After(take_element(r)?),
        tag => return Err(Malformed::Tag(tag)),
    })
}

pub(crate) fn take_element(r: &mut Reader<'_>) -> Result<Element, Malformed> {
    match r.int()? {
        0 => {
            let place = Place { version: r.int()?, origin: r.label()?, sub: r.small()? };
            Ok(Element::Id(ElementId { place, index: r.small()? }))
        }
        1 => Ok(Element::Settled { cut: r.int()?, index: r.signed()? }),
        tag => Err(Malformed::Tag(tag)),
    }
}

fn flags(bits: u64) -> [bool; 4] {
    [0, 1, 2, 3].map(|i| bits >> i & 1 == 1)
}
