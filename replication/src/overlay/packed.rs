//! Marks as bytes, for a full sync: not as effects, which could be folded again, but as they are, beside the value that
//! they belong to.

use super::cell::CellMark;
use super::key::{Event, Marks};
use super::list::ListMarks;
use super::ops::Ops;
use super::plain::Cell;
use super::register::{Change, Register};
use crate::codec::{Malformed, Reader, Writer, put_effect};
use crate::effect::{DeadlineCondition, Effect, Kind, Text};
use crate::stamp::Place;

pub(super) fn put_place(w: &mut Writer, place: Place) {
    w.int(place.version);
    w.int(u64::from(place.origin));
    w.int(u64::from(place.sub));
}

pub(super) fn take_place(r: &mut Reader<'_>) -> Result<Place, Malformed> {
    Ok(Place { version: r.int()?, origin: r.label()?, sub: r.small()? })
}

fn put_kind(w: &mut Writer, kind: Option<Kind>) {
    w.int(kind.map_or(0, |kind| kind as u64 + 1));
}

fn take_kind(r: &mut Reader<'_>) -> Result<Option<Kind>, Malformed> {
    match r.int()? {
        0 => Ok(None),
        n => Kind::from_code(n - 1).map(Some).ok_or(Malformed::Tag(n)),
    }
}

fn put_text(w: &mut Writer, text: &Option<Text>) {
    w.int(u64::from(text.is_some()));
    if let Some(text) = text {
        w.bytes(&text.bytes);
        w.int(text.tag);
    }
}

fn take_text(r: &mut Reader<'_>) -> Result<Option<Text>, Malformed> {
    match r.int()? {
        0 => Ok(None),
        _ => Ok(Some(Text { bytes: r.bytes()?.to_vec(), tag: r.int()? })),
    }
}

fn take_effect(r: &mut Reader<'_>) -> Result<Effect, Malformed> {
    crate::borrowed::effect(r).map(|effect| effect.to_owned())
}

fn put_cell(w: &mut Writer, cell: &Option<Cell>) {
    match cell {
        None => w.int(0),
        Some(Cell::Text(text, at)) => {
            w.int(1);
            w.bytes(text);
            w.option(*at);
        }
        Some(Cell::Score(score, None)) => {
            w.int(2);
            w.float(*score);
        }
        Some(Cell::Score(score, at)) => {
            w.int(4);
            w.float(*score);
            w.option(*at);
        }
        Some(Cell::Member(at)) => {
            w.int(3);
            w.option(*at);
        }
    }
}

fn take_cell(r: &mut Reader<'_>) -> Result<Option<Cell>, Malformed> {
    Ok(Some(match r.int()? {
        0 => return Ok(None),
        1 => Cell::Text(r.bytes()?.to_vec(), r.option()?),
        2 => Cell::Score(r.float()?, None),
        3 => Cell::Member(r.option()?),
        4 => Cell::Score(r.float()?, r.option()?),
        tag => return Err(Malformed::Tag(tag)),
    }))
}

fn put_event(w: &mut Writer, event: &Event) {
    match event {
        Event::Put(kind) => {
            w.int(1);
            put_kind(w, Some(*kind));
        }
        Event::Clear => w.int(2),
        Event::Flush => w.int(3),
        Event::Adopt(kind) => {
            w.int(4);
            put_kind(w, Some(*kind));
        }
        Event::Create(kind) => {
            w.int(5);
            put_kind(w, Some(*kind));
        }
        Event::PutAbsent(value, deadline) => {
            w.int(6);
            put_effect(w, &Effect::Put { value: value.clone(), deadline: *deadline, absent: true });
        }
        Event::Edit(edit) => {
            w.int(7);
            put_effect(w, edit);
        }
    }
}

fn take_event(r: &mut Reader<'_>) -> Result<Event, Malformed> {
    let kind = |r: &mut Reader<'_>| take_kind(r)?.ok_or(Malformed::Tag(0));
    Ok(match r.int()? {
        1 => Event::Put(kind(r)?),
        2 => Event::Clear,
        3 => Event::Flush,
        4 => Event::Adopt(kind(r)?),
        5 => Event::Create(kind(r)?),
        6 => match take_effect(r)? {
            Effect::Put { value, deadline, .. } => Event::PutAbsent(value, deadline),
            _ => return Err(Malformed::Tag(6)),
        },
        7 => match take_effect(r)? {
            edit if edit.kind() == Some(Kind::String) => Event::Edit(edit),
            _ => return Err(Malformed::Tag(7)),
        },
        tag => return Err(Malformed::Tag(tag)),
    })
}

fn put_change(w: &mut Writer, change: &Change) {
    w.option(change.at);
    let only = change.only;
    let flags = [only.absent, only.present, only.greater, only.less, change.by_absent];
    w.int(flags.iter().enumerate().map(|(i, on)| u64::from(*on) << i).sum());
}

fn take_change(r: &mut Reader<'_>) -> Result<Change, Malformed> {
    let at = r.option()?;
    let flags = r.int()?;
    let [absent, present, greater, less, by_absent] = [0, 1, 2, 3, 4].map(|i| flags >> i & 1 == 1);
    Ok(Change { at, only: DeadlineCondition { absent, present, greater, less }, by_absent })
}

fn put_many<T>(w: &mut Writer, all: impl ExactSizeIterator<Item = T>, mut one: impl FnMut(&mut Writer, T)) {
    w.int(all.len() as u64);
    all.for_each(|item| one(w, item));
}

fn take_many<T>(
    r: &mut Reader<'_>,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    (0..r.count()?).map(|_| one(r)).collect()
}

fn put_ops<'e>(w: &mut Writer, len: usize, ops: impl Iterator<Item = &'e (Place, Effect)>) {
    w.int(len as u64);
    for (place, effect) in ops {
        put_place(w, *place);
        put_effect(w, effect);
    }
}

fn take_ops(r: &mut Reader<'_>) -> Result<Vec<(Place, Effect)>, Malformed> {
    take_many(r, |r| Ok((take_place(r)?, take_effect(r)?)))
}

fn put_mark(w: &mut Writer, mark: &CellMark) {
    match mark {
        CellMark::Last(place) => {
            w.int(0);
            put_place(w, *place);
        }
        CellMark::Window { base, since, ops } => {
            w.int(1);
            put_cell(w, base);
            put_place(w, *since);
            put_ops(w, ops.len(), ops.iter());
        }
    }
}

fn take_mark(r: &mut Reader<'_>, kind: Option<Kind>) -> Result<CellMark, Malformed> {
    Ok(match r.int()? {
        0 => CellMark::Last(take_place(r)?),
        1 => {
            let (base, since, ops) = (take_cell(r)?, take_place(r)?, take_ops(r)?);
            let fits = |(_, op): &(Place, Effect)| op.kind() == kind && kind != Some(Kind::List);
            if !ops.iter().all(fits) {
                return Err(Malformed::Tag(1));
            }
            CellMark::Window { base, since, ops: Ops::of(ops) }
        }
        tag => return Err(Malformed::Tag(tag)),
    })
}

impl Marks {
    pub fn pack(&self, w: &mut Writer) {
        put_kind(w, self.base_kind);
        w.int(u64::from(self.base_text.is_some()));
        if let Some(text) = &self.base_text {
            put_text(w, text);
        }
        put_many(w, self.events().iter(), |w, (place, event)| {
            put_place(w, *place);
            put_event(w, event);
        });
        w.option(self.register.base());
        put_many(w, self.register.changes().iter(), |w, (place, change)| {
            put_place(w, *place);
            put_change(w, change);
        });
        put_kind(w, self.kind);
        put_place(w, self.wipe);
        put_place(w, self.newest);
        put_many(w, self.cells.iter(), |w, (name, mark)| {
            w.bytes(name);
            put_mark(w, mark);
        });
        put_ops(w, self.skipped.len(), self.skipped.iter());
        put_many(w, self.buried.iter(), |w, (part, place)| {
            w.bytes(part);
            put_place(w, *place);
        });
        w.int(u64::from(self.list.is_some()));
        if let Some(list) = &self.list {
            list.pack(w);
        }
    }

    pub fn unpack(r: &mut Reader<'_>) -> Result<Marks, Malformed> {
        let base_kind = take_kind(r)?;
        let base_text = if r.int()? == 0 { None } else { Some(take_text(r)?) };
        let log = take_many(r, |r| Ok((take_place(r)?, take_event(r)?)))?;
        let base = r.option()?;
        let changes = take_many(r, |r| Ok((take_place(r)?, take_change(r)?)))?;
        let (kind, wipe, newest) = (take_kind(r)?, take_place(r)?, take_place(r)?);
        let cells = take_many(r, |r| Ok((r.bytes()?.to_vec(), take_mark(r, kind)?)))?.into_iter().collect();
        let skipped = take_ops(r)?;
        let buried = take_many(r, |r| Ok((r.bytes()?.to_vec(), take_place(r)?)))?;
        let list = if r.int()? == 0 { None } else { Some(ListMarks::unpack(r)?) };
        let register = Register::from_parts(base, changes);
        let (adds, sums) = Default::default();
        Ok(Marks {
            base_kind,
            base_text,
            log,
            adds,
            sums,
            register,
            kind,
            wipe,
            newest,
            cells,
            list,
            due: 0,
            skipped,
            buried,
        })
    }

    /// Whether the marks can be those of a value of this type, a list with so many elements.
    pub fn fit(&self, kind: Option<Kind>, list_len: usize) -> bool {
        let sorted = self.log.is_sorted_by_key(|(place, _)| *place);
        let put_first = self.log.iter().skip(1).all(|(_, event)| !matches!(event, Event::Put(_)));
        let list = self.list.as_ref().is_none_or(|list| list.alive() == list_len);
        let typed = kind.is_none_or(|kind| self.kind == Some(kind));
        sorted
            && put_first
            && list
            && typed
            && (kind != Some(Kind::List) || self.list.is_some() || self.cells.is_empty())
    }
}
