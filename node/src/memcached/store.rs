//! set, add, replace, append, prepend and cas, and what ms has in common with them.

use engine::command::{CommandId, id};
use engine::effect::Effect;
use engine::tuning::notify;
use engine::types::string::IntText;
use protocol::memcached::{Mode, Storage, TOO_LARGE, Verb};

use super::call::{Call, Halt};
use super::item::{self, Exptime, Item, Lasts, PROMISED, STALE};
use super::tally::Tally;
use crate::feed;

/// How and what to store.
pub struct Order<'a> {
    pub mode: Mode,
    pub data: &'a [u8],
    pub flags: u32,
    pub exptime: Exptime,
    /// The item must be the one with this unique number.
    pub unique: Option<u64>,
    /// With an older unique number it is stored all the same, as a stale one.
    pub may_be_stale: bool,
    /// An append to what is not there makes it, with this exptime.
    pub makes: Option<Exptime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Yes,
    No,
    Exists,
    NotFound,
    TooLarge,
}

pub fn store(call: &mut Call<'_>, request: &Storage<'_>) -> Result<(), Halt> {
    let (mode, unique) = match request.verb {
        Verb::Set => (Mode::Set, None),
        Verb::Add => (Mode::Add, None),
        Verb::Replace => (Mode::Replace, None),
        Verb::Append => (Mode::Append, None),
        Verb::Prepend => (Mode::Prepend, None),
        Verb::Cas(unique) => (Mode::Set, Some(unique)),
    };
    let order = Order {
        mode,
        data: request.data,
        flags: request.flags,
        exptime: Exptime::of(request.exptime, call.ctx.env.now_ms),
        unique,
        may_be_stale: false,
        makes: None,
    };
    let key = request.key;
    let stored = call.on_key(command(mode), key, |call| store_item(call, key, &order))?;
    call.line(match stored {
        Stored::Yes => "STORED",
        Stored::No => "NOT_STORED",
        Stored::Exists => "EXISTS",
        Stored::NotFound => "NOT_FOUND",
        Stored::TooLarge => TOO_LARGE,
    });
    Ok(())
}

/// The command of Redis that does about the same.
pub fn command(mode: Mode) -> CommandId {
    match mode {
        Mode::Append => id::APPEND,
        Mode::Prepend => id::PREPEND,
        _ => id::SET,
    }
}

/// Carries an order out. The shard must be held.
pub fn store_item(call: &mut Call<'_>, key: &[u8], order: &Order<'_>) -> Stored {
    call.tally(Tally::CmdSet);
    let mut text = IntText::default();
    let found = Item::peek(call.ctx, key, &mut text);
    let mut tag = u64::from(order.flags);
    let mut exptime = Lasts::As(order.exptime);
    if let Some(wanted) = order.unique {
        match &found {
            // There is none that could be another one: these say by themselves what then.
            None if matches!(order.mode, Mode::Add | Mode::Append | Mode::Prepend) => {}
            None => {
                call.tally(Tally::CasMisses);
                return Stored::NotFound;
            }
            Some(item) if item.unique == wanted => call.tally(Tally::CasHits),
            Some(item) if order.may_be_stale && wanted < item.unique => {
                tag |= STALE | (item.tag & PROMISED);
                exptime = Lasts::Keep;
            }
            Some(_) => {
                call.tally(Tally::CasBadval);
                return Stored::Exists;
            }
        }
    }
    let any = call.ctx.peek(key).is_some();
    match order.mode {
        Mode::Add if any => return Stored::No,
        Mode::Replace if !any => return Stored::No,
        Mode::Append | Mode::Prepend => {
            let len = found.map(|item| item.bytes.len());
            return extend(call, key, order, any, len);
        }
        _ => {}
    }
    let absent = order.mode == Mode::Add;
    item::put(&mut call.ctx.key(key), order.data, tag, exptime, absent);
    feed::note_string(call.ctx, key);
    Stored::Yes
}

/// Appends to or prepends to an item of the length `len`. `any`: there is something at the key.
fn extend(call: &mut Call<'_>, key: &[u8], order: &Order<'_>, any: bool, len: Option<usize>) -> Stored {
    let max = call.worker.config.borrow().memcached_item_size_max;
    match (len, order.makes) {
        (Some(len), _) if (len + order.data.len()) as u64 > max => return Stored::TooLarge,
        (Some(_), _) => {}
        (None, Some(exptime)) if !any => {
            let (tag, lasts) = (u64::from(order.flags), Lasts::As(exptime));
            item::put(&mut call.ctx.key(key), order.data, tag, lasts, false);
            feed::note_string(call.ctx, key);
            return Stored::Yes;
        }
        (None, _) => return Stored::No,
    }
    let mut handle = call.ctx.key(key);
    if order.mode == Mode::Append {
        handle.apply(Effect::Append(order.data));
        handle.notify(notify::STRING, "append");
    } else {
        let mut text = IntText::default();
        let old = handle.string(&mut text).ok().flatten().unwrap_or_default();
        let whole = [order.data, old].concat();
        let tag = handle.value().map_or(0, |value| value.tag());
        item::put(&mut handle, &whole, tag, Lasts::Keep, false);
    }
    feed::note_string(call.ctx, key);
    Stored::Yes
}
