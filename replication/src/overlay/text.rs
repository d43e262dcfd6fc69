//! Effects on one string or one cell, as pure functions of what was there.

use super::plain::{Cell, Plain};
use crate::effect::{Bytes, Effect, Text};

/// A string after an effect on it. What is there is changed in place: a string grows by many edits.
pub(super) fn edit<P: Plain>(old: Option<Text>, effect: &Effect) -> Text {
    let tag = old.as_ref().map_or(0, |old| old.tag);
    Text { bytes: edit_bytes::<P>(old.map(|old| old.bytes), effect), tag }
}

fn edit_bytes<P: Plain>(old: Option<Bytes>, effect: &Effect) -> Bytes {
    match effect {
        Effect::Add { delta, result } => add(old.as_deref(), *delta, *result),
        Effect::AddFloat { delta, result } => add_float::<P>(old.as_deref(), delta, result),
        Effect::Append(bytes) => {
            let mut new = old.unwrap_or_default();
            new.extend_from_slice(bytes);
            new
        }
        Effect::SetRange { offset, bytes } => {
            let (at, mut new) = (*offset as usize, old.unwrap_or_default());
            new.resize(new.len().max(at + bytes.len()), 0);
            new[at..at + bytes.len()].copy_from_slice(bytes);
            new
        }
        Effect::AddBits(add) => P::add_bits(old.unwrap_or_default(), add),
        Effect::RaiseRegisters(bytes) => P::merge_registers(old.as_deref().unwrap_or_default(), bytes),
        other => unreachable!("not an effect on a string: {other:?}"),
    }
}

/// A string after an edit that comes late, where `later` edits, in order, have been carried out already. `None`: what they made
/// of it does not tell; all have to be carried out again.
pub(super) fn edit_late<'e>(
    now: Bytes,
    effect: &Effect,
    later: impl Iterator<Item = Option<&'e Effect>>,
) -> Option<Bytes> {
    match effect {
        Effect::Append(bytes) => append_late(now, bytes, later),
        Effect::SetRange { offset, bytes } => set_range_late(now, *offset as usize, bytes, later),
        _ => None,
    }
}

/// Between what was there then and what was appended since.
fn append_late<'e>(
    mut now: Bytes,
    bytes: &[u8],
    later: impl Iterator<Item = Option<&'e Effect>>,
) -> Option<Bytes> {
    let mut at = now.len();
    for edit in later {
        let Some(Effect::Append(later)) = edit else { return None };
        at = at.checked_sub(later.len())?;
    }
    now.splice(at..at, bytes.iter().copied());
    Some(now)
}

/// Those bytes that nobody has set since.
fn set_range_late<'e>(
    mut now: Bytes,
    at: usize,
    bytes: &[u8],
    later: impl Iterator<Item = Option<&'e Effect>>,
) -> Option<Bytes> {
    let mut since: Vec<(usize, usize)> = Vec::new();
    for edit in later {
        let Some(Effect::SetRange { offset, bytes: later }) = edit else { return None };
        let (from, to) = (*offset as usize, *offset as usize + later.len());
        if from < at + bytes.len() && at < to {
            since.push((from, to));
        }
    }
    now.resize(now.len().max(at + bytes.len()), 0);
    since.sort_unstable();
    let mut from = at;
    for (taken, to) in since.into_iter().chain([(at + bytes.len(), usize::MAX)]) {
        if from < taken {
            now[from..taken].copy_from_slice(&bytes[from - at..taken - at]);
        }
        from = from.max(to);
    }
    Some(now)
}

/// A counter after an addition. What is not an integer, or would overflow, becomes the result at the origin.
fn add(old: Option<&[u8]>, delta: i64, result: i64) -> Bytes {
    let old = match old {
        None => Some(0),
        Some(text) => integer(text),
    };
    old.and_then(|old| old.checked_add(delta)).unwrap_or(result).to_string().into_bytes()
}

fn add_float<P: Plain>(old: Option<&[u8]>, delta: &[u8], result: &[u8]) -> Bytes {
    P::add_float(old.unwrap_or(b"0"), delta).unwrap_or_else(|| result.to_vec())
}

/// An integer written as the server writes integers.
pub fn integer(text: &[u8]) -> Option<i64> {
    let n: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (n.to_string().as_bytes() == text).then_some(n)
}

/// The cell that an effect touches. `None`: it does not touch a named cell.
pub(super) fn cell_name(effect: &Effect) -> Option<&Bytes> {
    use Effect::*;
    match effect {
        SetField { field, .. } | DelField(field) | AddField { field, .. } | AddFieldFloat { field, .. } => {
            Some(field)
        }
        FieldExpire { field, .. } => Some(field),
        AddMember(member) | DelMember(member) | DelScored(member) | MemberExpire { member, .. } => {
            Some(member)
        }
        SetScore { member, .. } | AddScore { member, .. } | ScoredExpire { member, .. } => Some(member),
        SetPart { part, .. } | RaisePart { part, .. } | DelPart(part) => Some(part),
        _ => None,
    }
}

/// Whether an effect is on a part that goes with another one. Where effects are carried out again, such come behind all others:
/// what made the part they need may be forgotten, for an effect that is younger than they are has overwritten it.
pub(super) fn is_of_another<P: Plain>(effect: &Effect) -> bool {
    use Effect::*;
    match effect {
        SetPart { part, .. } | RaisePart { part, .. } | DelPart(part) => P::parent(part).is_some(),
        _ => false,
    }
}

/// Whether what the cell was does not matter to the effect.
pub(super) fn overwrites(effect: &Effect) -> bool {
    use Effect::*;
    match effect {
        SetField { absent, .. } => !absent,
        SetScore { only, .. } => only.is_none(),
        SetPart { present, .. } => !present,
        DelField(_) | AddMember(_) | DelMember(_) | DelScored(_) | DelPart(_) => true,
        _ => false,
    }
}

/// A cell after an effect on it.
pub(super) fn change<P: Plain>(old: Option<Cell>, effect: &Effect) -> Option<Cell> {
    use Effect::*;
    let (text, deadline) = match &old {
        Some(Cell::Text(text, deadline)) => (Some(text.as_slice()), *deadline),
        _ => (None, None),
    };
    match effect {
        SetField { value, absent, .. } => match old {
            Some(old) if *absent => Some(old),
            _ => Some(Cell::Text(value.clone(), None)),
        },
        AddField { delta, result, .. } => Some(Cell::Text(add(text, *delta, *result), deadline)),
        AddFieldFloat { delta, result, .. } | AddFloat { delta, result } => {
            Some(Cell::Text(add_float::<P>(text, delta, result), deadline))
        }
        FieldExpire { at, .. } => match old {
            Some(Cell::Text(text, _)) => Some(Cell::Text(text, *at)),
            other => other,
        },
        AddMember(_) => Some(Cell::Member(None)),
        MemberExpire { at, .. } => old.map(|_| Cell::Member(*at)),
        SetScore { score, only, .. } => match old {
            Some(Cell::Score(old, at)) if !only.permits(old, *score) => Some(Cell::Score(old, at)),
            _ => Some(Cell::Score(*score, None)),
        },
        AddScore { delta, result, .. } => {
            let (sum, at) = match old {
                Some(Cell::Score(old, at)) => (old + delta, at),
                _ => (*delta, None),
            };
            Some(Cell::Score(if sum.is_nan() { *result } else { sum }, at))
        }
        ScoredExpire { at, .. } => match old {
            Some(Cell::Score(score, _)) => Some(Cell::Score(score, *at)),
            other => other,
        },
        SetPart { value, present, .. } => {
            (!present || old.is_some()).then(|| Cell::Text(value.clone(), None))
        }
        RaisePart { value, .. } => {
            Some(Cell::Text(text.filter(|text| *text > &value[..]).unwrap_or(value).to_vec(), None))
        }
        DelField(_) | DelMember(_) | DelScored(_) | DelPart(_) => None,
        other => unreachable!("not an effect on a cell: {other:?}"),
    }
}

/// The effects that give a cell this content.
pub(super) fn assertion(
    kind: crate::effect::Kind,
    name: &[u8],
    cell: Option<Cell>,
) -> (Effect, Option<Effect>) {
    use crate::effect::Kind;
    let name = name.to_vec();
    match (cell, kind) {
        (Some(Cell::Text(value, _)), Kind::Stream) => {
            (Effect::SetPart { part: name, value, present: false }, None)
        }
        (None, Kind::Stream) => (Effect::DelPart(name), None),
        (Some(Cell::Text(value, at)), _) => {
            let expire = at.map(|_| Effect::FieldExpire { field: name.clone(), at });
            (Effect::SetField { field: name, value, absent: false }, expire)
        }
        (Some(Cell::Score(score, at)), _) => {
            let expire = at.map(|_| Effect::ScoredExpire { member: name.clone(), at });
            (Effect::SetScore { member: name, score, only: Default::default() }, expire)
        }
        (Some(Cell::Member(at)), _) => {
            let expire = at.map(|_| Effect::MemberExpire { member: name.clone(), at });
            (Effect::AddMember(name), expire)
        }
        (None, Kind::Hash) => (Effect::DelField(name), None),
        (None, Kind::Zset) => (Effect::DelScored(name), None),
        (None, _) => (Effect::DelMember(name), None),
    }
}
