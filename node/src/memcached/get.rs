//! get, gets, gat and gats; delete and touch.

use engine::command::id;
use engine::types::string::IntText;
use protocol::memcached::Retrieval;

use super::call::{Call, Halt};
use super::item::{self, Exptime, Item};
use super::tally::Tally;
use crate::feed;

pub fn get(call: &mut Call<'_>, request: Retrieval<'_>) -> Result<(), Halt> {
    let command = if request.touch.is_some() { id::GETEX } else { id::GET };
    for key in request.keys() {
        call.on_key(command, key, |call| one(call, key, request))?;
    }
    call.line("END");
    Ok(())
}

fn one(call: &mut Call<'_>, key: &[u8], request: Retrieval<'_>) {
    // The unique number is that after the touch, which counts as a write; the value is that before it.
    let lasts = |exptime| Exptime::of(exptime, call.ctx.env.now_ms) != Exptime::Past;
    let touches_first = request.touch.is_some_and(lasts);
    if let (Some(exptime), true) = (request.touch, touches_first) {
        touch_item(call, key, exptime);
    }
    show(call, key, request.unique);
    if let (Some(exptime), false) = (request.touch, touches_first) {
        touch_item(call, key, exptime);
    }
}

fn show(call: &mut Call<'_>, key: &[u8], unique: bool) {
    let (mut text, tallies) = (IntText::default(), call.tallies());
    let Call { ctx, out, .. } = call;
    tallies.add(Tally::CmdGet);
    let Some(item) = Item::read(ctx, key, &mut text) else { return tallies.add(Tally::GetMisses) };
    tallies.add(Tally::GetHits);
    let (buf, mut int) = (&mut out.buf, itoa::Buffer::new());
    buf.extend_from_slice(b"VALUE ");
    buf.extend_from_slice(key);
    buf.push(b' ');
    buf.extend_from_slice(int.format(item.client_flags()).as_bytes());
    buf.push(b' ');
    buf.extend_from_slice(int.format(item.bytes.len()).as_bytes());
    if unique {
        buf.push(b' ');
        buf.extend_from_slice(int.format(item.unique).as_bytes());
    }
    buf.extend_from_slice(b"\r\n");
    buf.extend_from_slice(item.bytes);
    buf.extend_from_slice(b"\r\n");
}

/// Gives an item another exptime; false if it is not there. The shard must be held.
pub fn touch_item(call: &mut Call<'_>, key: &[u8], exptime: i64) -> bool {
    let found = Item::peek(call.ctx, key, &mut IntText::default()).is_some();
    call.tally(Tally::CmdTouch);
    call.tallies().add_either(found, Tally::TouchHits, Tally::TouchMisses);
    if found {
        let exptime = Exptime::of(exptime, call.ctx.env.now_ms);
        item::touch(&mut call.ctx.key(key), exptime);
        feed::note_deadline(call.ctx, key);
    }
    found
}

pub fn touch(call: &mut Call<'_>, key: &[u8], exptime: i64) -> Result<(), Halt> {
    let found = call.on_key(id::EXPIRE, key, |call| touch_item(call, key, exptime))?;
    call.line(if found { "TOUCHED" } else { "NOT_FOUND" });
    Ok(())
}

pub fn delete(call: &mut Call<'_>, key: &[u8]) -> Result<(), Halt> {
    let found = call.on_key(id::DEL, key, |call| delete_item(call, key))?;
    call.line(if found { "DELETED" } else { "NOT_FOUND" });
    Ok(())
}

/// Removes a key of whatever type; false if it is not there. The shard must be held.
pub fn delete_item(call: &mut Call<'_>, key: &[u8]) -> bool {
    let mut handle = call.ctx.key(key);
    let found = handle.exists();
    item::remove(&mut handle);
    call.tallies().add_either(found, Tally::DeleteHits, Tally::DeleteMisses);
    if found {
        feed::note_string(call.ctx, key);
    }
    found
}
