//! HIMPORT: hashes that share their fields, which a connection names once. From Redis 8.10.
//!
//! What is prepared belongs to the connection, ends with it or with RESET, and takes no more than [`BYTES_MAX`].

use std::collections::BTreeMap;

use engine::commands::hashes;
use protocol::{ErrorReply, OwnedArgs};

use super::{NodeRow, row};
use crate::dispatch::{self, Call, Next};
use crate::feed;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Bytes of names that a connection may prepare.
const BYTES_MAX: usize = 1024 * 1024;

const DUPLICATE: ErrorReply = ErrorReply::new("ERR duplicate field name in fieldset");
const UNKNOWN: ErrorReply = ErrorReply::new("ERR no such fieldset");
const MISMATCH: ErrorReply = ErrorReply::new("ERR number of values does not match the fieldset");
const TOO_MUCH: ErrorReply = ErrorReply::new("ERR too many fieldsets are prepared by this connection");

/// Lists of fields by their names.
#[derive(Default)]
pub struct Fieldsets {
    sets: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Fieldsets {
    fn add(&mut self, name: &[u8], fields: Vec<Vec<u8>>) -> Result<(), ErrorReply> {
        self.remove(name);
        let bytes = weight(name, &fields);
        if self.bytes + bytes > BYTES_MAX {
            return Err(TOO_MUCH);
        }
        self.bytes += bytes;
        self.sets.insert(name.to_vec(), fields);
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        let removed = self.sets.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |fields| weight(name, fields));
        removed.is_some()
    }
}

/// Bytes that a list of fields takes, about.
fn weight(name: &[u8], fields: &[Vec<u8>]) -> usize {
    64 + name.len() + fields.iter().map(|field| 24 + field.len()).sum::<usize>()
}

/// `PREPARE name field...`
fn prepare(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let fields: Vec<Vec<u8>> = call.args.rest(3).iter().map(<[u8]>::to_vec).collect();
    let mut sorted: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(DUPLICATE);
    }
    call.session.fieldsets.get_or_insert_default().add(&call.args[2], fields)?;
    call.out.ok();
    DONE
}

/// `SET key name value...`: the values in the order of the fields.
fn set(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let (args, name) = (call.args, &call.args[3]);
    let fields = call.session.fieldsets.as_ref().and_then(|all| all.sets.get(name)).ok_or(UNKNOWN)?;
    let values = args.rest(4);
    if values.len() != fields.len() {
        return Err(MISMATCH);
    }
    if !call.session.in_exec {
        dispatch::lock(call.ctx, call.id.facts(), engine::commands::Locking::Keys, args);
    }
    let pairs = || fields.iter().map(Vec::as_slice).zip(values.iter());
    let before = hashes::import(call.ctx, &args[2], pairs())?;
    let mut commands = Vec::new();
    if before {
        commands.push(OwnedArgs::from_slices([&b"DEL"[..], &args[2]]));
    }
    let words = [&b"HSET"[..], &args[2]].into_iter();
    commands.push(OwnedArgs::from_slices(words.chain(pairs().flat_map(|(field, value)| [field, value]))));
    feed::note_commands(call.ctx, &commands);
    call.out.ok();
    DONE
}

/// `DISCARD name`
fn discard(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let removed = call.session.fieldsets.as_mut().is_some_and(|all| all.remove(&call.args[2]));
    call.out.int(i64::from(removed));
    DONE
}

fn discard_all(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let all = call.session.fieldsets.take();
    call.out.int(all.map_or(0, |all| all.sets.len()) as i64);
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("HIMPORT PREPARE", prepare),
    row("HIMPORT SET", set),
    row("HIMPORT DISCARD", discard),
    row("HIMPORT DISCARDALL", discard_all),
];
