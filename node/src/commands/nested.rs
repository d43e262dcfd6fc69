//! KEYDB.NHSET and KEYDB.NHGET, see [`engine::commands::hashes::nested`]. Their argument is a path, of which the first name is the
//! key, which is what rights and shards are about: the table knows of no keys among their arguments.

use engine::command::{CommandId, id};
use engine::commands::hashes::nested::{self, Path};
use engine::commands::is;
use protocol::{ErrorReply, OwnedArgs, error};

use super::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::feed;

const DONE: Result<Next, ErrorReply> = Ok(Next::Done);

/// Holds the key's shard, if the user may do to it what a command on hashes would.
fn enter(call: &mut Call<'_>, path: &Path<'_>, like: CommandId, words: &[&[u8]]) -> Result<(), ErrorReply> {
    let like_args = OwnedArgs::from_slices(words.iter().copied());
    if let Err(denial) = call.session.access.check(like.facts(), like_args.view()) {
        return Err(denial.reply(call.id.facts()));
    }
    if !call.session.in_exec {
        let shard = call.ctx.keyspace.shard_of(call.ctx.keyspace.hash(path.key));
        call.ctx.locks.hold_one(shard);
    }
    Ok(())
}

/// `KEYDB.NHSET path value [value ...]`: 1 if the path named something before.
fn set(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let args = call.args;
    let path = Path::parse(&args[1])?;
    enter(call, &path, id::HSET, &[b"HSET", path.key, b"", b""])?;
    let (was_there, commands) = nested::set(call.ctx, &path, args.rest(2))?;
    feed::note_commands(call.ctx, &commands);
    call.out.int(i64::from(was_there));
    DONE
}

/// `KEYDB.NHGET [JSON|RESP] path`
fn get(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let args = call.args;
    let (json, path) = match args.len() {
        2 => (false, &args[1]),
        3 if is(&args[1], "JSON") => (true, &args[2]),
        3 if is(&args[1], "RESP") => (false, &args[2]),
        _ => return Err(error::SYNTAX),
    };
    let path = Path::parse(path)?;
    enter(call, &path, id::HGETALL, &[b"HGETALL", path.key])?;
    nested::get(call.ctx, &path, json, call.out)?;
    DONE
}

pub const ROWS: &[NodeRow] = &[row("KEYDB.NHSET", set), row("KEYDB.NHGET", get)];
