//! mg, ms, md, ma and me.
//!
//! ```text
//! HD flags     done, or found           VA length flags   found, with the value
//! EN           not there (mg, me)       NS                not stored
//! NF           not there (others)       EX                the unique number is another one
//! ```
//!
//! Of a stale item the first who asks is told to make it anew (`W`), the others that somebody has been (`Z`); with `X` all
//! know that it is stale. The same goes for an item that mg made because there was none (`N`), and one that is about to
//! expire (`R`).

use std::borrow::Cow;

use engine::command::id;
use engine::types::string::IntText;
use protocol::memcached::{Meta, MetaVerb, Mode, NOT_A_NUMBER, TOO_LARGE, encode_base64};

use super::call::{Call, Halt};
use super::count::{self, Counted};
use super::get::{delete_item, touch_item};
use super::item::{self, Exptime, Item, Lasts, PROMISED, STALE};
use super::store::{self, Order, Stored};
use super::tally::Tally;
use crate::feed;

pub fn run(call: &mut Call<'_>, request: &Meta<'_>) -> Result<(), Halt> {
    call.tally(Tally::CmdMeta);
    let key = &request.key[..];
    match request.verb {
        MetaVerb::Get => {
            let writes = [b'N', b'R', b'T'].into_iter().any(|letter| request.has(letter));
            call.on_key(if writes { id::GETEX } else { id::GET }, key, |call| get(call, request))
        }
        MetaVerb::Set => call.on_key(store::command(request.mode), key, |call| set(call, request)),
        MetaVerb::Delete => call.on_key(id::DEL, key, |call| delete(call, request)),
        MetaVerb::Count => call.on_key(id::INCRBY, key, |call| count(call, request)),
    }
}

/// The item as it is now, for what comes back of it.
struct Shown {
    bytes: Vec<u8>,
    flags: u32,
    unique: u64,
    ttl_s: i64,
    idle_s: u64,
    hit: bool,
}

impl Shown {
    fn of(item: &Item<'_>, now_ms: u64, with_value: bool) -> Shown {
        Shown {
            bytes: if with_value { item.bytes.to_vec() } else { Vec::new() },
            flags: item.client_flags(),
            unique: item.unique,
            ttl_s: item.ttl_s(now_ms),
            idle_s: item.idle_s,
            hit: item.hit,
        }
    }
}

/// Writes the flags that come back, in the order in which they were asked for, and ends the line. Without an item
/// there are only those that repeat what the client has sent.
fn flags(call: &mut Call<'_>, request: &Meta<'_>, size: usize, item: Option<&Shown>, marks: &str) {
    let buf = &mut call.out.buf;
    let mut int = itoa::Buffer::new();
    for flag in &request.flags {
        let text: Cow<'_, [u8]> = match (flag.letter, item) {
            (b'k', _) => shown_key(request),
            (b'O', _) => Cow::Borrowed(flag.token),
            (b'c', Some(item)) => int.format(item.unique).as_bytes().to_vec().into(),
            (b'f', Some(item)) => int.format(item.flags).as_bytes().to_vec().into(),
            (b's', Some(_)) => int.format(size).as_bytes().to_vec().into(),
            (b't', Some(item)) => int.format(item.ttl_s).as_bytes().to_vec().into(),
            (b'l', Some(item)) => int.format(item.idle_s).as_bytes().to_vec().into(),
            (b'h', Some(item)) => Cow::Borrowed(if item.hit { b"1" } else { b"0" }),
            _ => continue,
        };
        buf.extend_from_slice(&[b' ', flag.letter]);
        buf.extend_from_slice(&text);
    }
    buf.extend_from_slice(marks.as_bytes());
    buf.extend_from_slice(b"\r\n");
}

fn shown_key<'a>(request: &'a Meta<'_>) -> Cow<'a, [u8]> {
    if !request.has(b'b') {
        return Cow::Borrowed(request.shown);
    }
    let mut text = Vec::new();
    encode_base64(&mut text, &request.key);
    text.extend_from_slice(b" b");
    Cow::Owned(text)
}

/// A line without an item.
fn bare(call: &mut Call<'_>, request: &Meta<'_>, code: &str) {
    call.bytes(code.as_bytes());
    flags(call, request, 0, None, "");
}

/// A line with an item, and its value if that was asked for.
fn found(call: &mut Call<'_>, request: &Meta<'_>, item: &Shown, size: usize, marks: &str) {
    if !request.has(b'v') {
        call.bytes(b"HD");
        return flags(call, request, size, Some(item), marks);
    }
    call.bytes(b"VA ");
    call.number(item.bytes.len() as u64);
    flags(call, request, size, Some(item), marks);
    call.bytes(&item.bytes);
    call.bytes(b"\r\n");
}

fn get(call: &mut Call<'_>, request: &Meta<'_>) {
    let (key, now_ms) = (&request.key[..], call.ctx.env.now_ms);
    call.tally(Tally::CmdGet);
    let mut text = IntText::default();
    // What is told of its use is how it was before.
    let before = match request.has(b'l') || request.has(b'h') {
        true => Item::peek(call.ctx, key, &mut text).map(|item| (item.idle_s, item.hit)),
        false => None,
    };
    // With `u` this is no use of it.
    let item = match request.has(b'u') {
        true => Item::peek(call.ctx, key, &mut text),
        false => Item::read(call.ctx, key, &mut text),
    };
    let there = item.map(|item| (item.tag, item.deadline));
    call.tallies().add_either(there.is_some(), Tally::GetHits, Tally::GetMisses);
    let mut won = false;
    let (tag, deadline) = match (there, request.exptime(b'N')) {
        (Some(there), _) => there,
        (None, Some(exptime)) if call.ctx.peek(key).is_none() => {
            let lasts = Lasts::As(Exptime::of(exptime, now_ms));
            won = true;
            item::put(&mut call.ctx.key(key), b"", PROMISED, lasts, true);
            feed::note_string(call.ctx, key);
            (0, None)
        }
        _ => {
            if !request.has(b'q') {
                bare(call, request, "EN");
            }
            return;
        }
    };
    if let Some(exptime) = request.exptime(b'T') {
        touch_item(call, key, exptime);
    }
    let promised = tag & PROMISED != 0;
    if let Some(limit) = request.exptime(b'R')
        && let Some(at) = deadline
        && !promised
    {
        won |= at < now_ms + (limit.max(0) as u64).saturating_mul(1000).min(1 << 52);
    }
    won |= tag & STALE != 0 && !promised;
    if won && tag & PROMISED == 0 {
        promise(call, key);
    }
    let mut text = IntText::default();
    let Some(item) = Item::peek(call.ctx, key, &mut text) else { return bare(call, request, "EN") };
    let (size, mut shown) = (item.bytes.len(), Shown::of(&item, now_ms, request.has(b'v')));
    (shown.idle_s, shown.hit) = before.unwrap_or_default();
    let marks = match (promised, tag & STALE != 0, won) {
        (true, stale, _) => {
            if stale {
                " Z X"
            } else {
                " Z"
            }
        }
        (false, true, _) => " X W",
        (false, false, true) => " W",
        (false, false, false) => "",
    };
    found(call, request, &shown, size, marks);
}

/// Notes that a client has been told to make the item anew.
fn promise(call: &mut Call<'_>, key: &[u8]) {
    retag(call, key, |tag| tag | PROMISED);
}

fn retag(call: &mut Call<'_>, key: &[u8], change: impl FnOnce(u64) -> u64) {
    let mut handle = call.ctx.key(key);
    let mut text = IntText::default();
    let Ok(Some(bytes)) = handle.string(&mut text) else { return };
    let (bytes, tag) = (bytes.to_vec(), handle.value().map_or(0, |value| value.tag()));
    let new = change(tag);
    if new != tag {
        item::put(&mut handle, &bytes, new, Lasts::Keep, false);
        feed::note_string(call.ctx, key);
    }
}

fn set(call: &mut Call<'_>, request: &Meta<'_>) {
    let (key, now_ms) = (&request.key[..], call.ctx.env.now_ms);
    let exptime = |letter| request.exptime(letter).map(|exptime| Exptime::of(exptime, now_ms));
    let order = Order {
        mode: request.mode,
        data: request.data,
        flags: request.client_flags(),
        exptime: exptime(b'T').unwrap_or(Exptime::Never),
        unique: request.number(b'C'),
        may_be_stale: request.has(b'I'),
        makes: exptime(b'N'),
    };
    let code = match store::store_item(call, key, &order) {
        Stored::Yes if request.has(b'q') => return,
        Stored::Yes => "HD",
        Stored::No => "NS",
        Stored::Exists => "EX",
        Stored::NotFound => "NF",
        Stored::TooLarge => return call.line(TOO_LARGE),
    };
    answer(call, request, code, request.data.len());
}

/// A line with what there is of the item after a write.
fn answer(call: &mut Call<'_>, request: &Meta<'_>, code: &str, size: usize) {
    let mut text = IntText::default();
    let now_ms = call.ctx.env.now_ms;
    let shown = Item::peek(call.ctx, &request.key, &mut text).map(|item| Shown::of(&item, now_ms, false));
    let shown = shown.filter(|_| code == "HD");
    call.bytes(code.as_bytes());
    flags(call, request, size, shown.as_ref(), "");
}

fn delete(call: &mut Call<'_>, request: &Meta<'_>) {
    let key = &request.key[..];
    let mut text = IntText::default();
    let unique = Item::peek(call.ctx, key, &mut text).map(|item| item.unique);
    let there = unique.is_some() || call.ctx.peek(key).is_some();
    let code = match (there, request.number(b'C')) {
        (false, _) => {
            call.tally(Tally::DeleteMisses);
            "NF"
        }
        (true, Some(wanted)) if unique != Some(wanted) => "EX",
        _ if request.has(b'I') => {
            if let Some(exptime) = request.exptime(b'T') {
                touch_item(call, key, exptime);
            }
            retag(call, key, |tag| (tag | STALE) & !PROMISED);
            "HD"
        }
        _ => {
            delete_item(call, key);
            "HD"
        }
    };
    if code != "HD" || !request.has(b'q') {
        bare(call, request, code);
    }
}

fn count(call: &mut Call<'_>, request: &Meta<'_>) {
    let (key, now_ms) = (&request.key[..], call.ctx.env.now_ms);
    let (delta, up) = (request.number(b'D').unwrap_or(1), request.mode == Mode::Up);
    let mut text = IntText::default();
    let unique = Item::peek(call.ctx, key, &mut text).map(|item| item.unique);
    if let (Some(wanted), Some(unique)) = (request.number(b'C'), unique)
        && wanted != unique
    {
        return bare(call, request, "EX");
    }
    match count::count_item(call, key, delta, up) {
        Counted::NotANumber => return call.line(NOT_A_NUMBER),
        Counted::NotFound => {
            let Some(exptime) = request.exptime(b'N') else { return bare(call, request, "NF") };
            let first = request.number(b'J').unwrap_or(0).to_string();
            let lasts = Lasts::As(Exptime::of(exptime, now_ms));
            item::put(&mut call.ctx.key(key), first.as_bytes(), 0, lasts, true);
            feed::note_string(call.ctx, key);
        }
        Counted::Now(_) => {
            if let Some(exptime) = request.exptime(b'T') {
                touch_item(call, key, exptime);
            }
        }
    }
    if request.has(b'q') {
        return;
    }
    let mut text = IntText::default();
    let Some(item) = Item::peek(call.ctx, key, &mut text) else { return bare(call, request, "NF") };
    let shown = Shown::of(&item, now_ms, request.has(b'v'));
    found(call, request, &shown, shown.bytes.len(), "");
}

/// me: what is known of an item.
pub fn describe(call: &mut Call<'_>, key: &[u8], shown: &[u8]) -> Result<(), Halt> {
    call.on_key(id::GET, key, |call| {
        let (mut text, now_ms) = (IntText::default(), call.ctx.env.now_ms);
        let Some(item) = Item::peek(call.ctx, key, &mut text) else { return call.line("EN") };
        let tail = format!(
            " exp={} la={} cas={} size={}",
            item.ttl_s(now_ms),
            item.idle_s,
            item.unique,
            item.bytes.len()
        );
        call.bytes(b"ME ");
        call.bytes(shown);
        call.line(&tail);
    })
}
