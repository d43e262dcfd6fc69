//! DEBUG RELOAD: the data go to the file and come back from it, while nobody sees them.

use std::path::Path;

use engine::ctx::Ctx;
use protocol::ErrorReply;

use super::{ANY, Sub, sub};
use crate::dispatch::Call;
use crate::persist::background;
use crate::persist::load::{Policy, Shards};
use crate::persist::start;
use crate::standby;
use crate::worker;

/// What is left out, and whether keys of the file replace those that are there.
#[derive(Default)]
struct Options {
    merge: bool,
    no_flush: bool,
    no_save: bool,
}

fn parse(call: &Call<'_>) -> Result<Options, ErrorReply> {
    let mut options = Options::default();
    for word in call.args.rest(2).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"merge" => options.merge = true,
            b"noflush" => options.no_flush = true,
            b"nosave" => options.no_save = true,
            _ => {
                return Err(ErrorReply::err(
                    "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    Ok(options)
}

fn reload(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let options = parse(call)?;
    let server = call.worker.server;
    // What runs in the background holds shards now and then.
    call.ctx.locks.release();
    background::abort(server);
    call.ctx.locks.hold_all();
    let result = reload_held(call, &options);
    call.ctx.locks.release();
    result?;
    tracing::warn!("DB reloaded by DEBUG RELOAD");
    call.out.ok();
    Ok(())
}

fn reload_held(call: &mut Call<'_>, options: &Options) -> Result<(), ErrorReply> {
    let (server, ctx) = (call.worker.server, &mut *call.ctx);
    if !options.no_save && !background::save_held(server, ctx, None).unwrap_or(false) {
        return Err(ErrorReply::new("ERR"));
    }
    if !options.no_flush {
        (0..ctx.keyspace.databases()).for_each(|db| ctx.empty(db));
        drop(server.libraries.clear());
    }
    let name = server.config.get().dbfilename.clone();
    let policy = Policy { replace: options.merge, ..Policy::default() };
    match start::load_file(server, Path::new(&name), policy, Shards::Held(&mut ctx.locks)) {
        Ok(true) => Ok(()),
        _ => Err(ErrorReply::err("Error trying to load the RDB dump, check server logs.")),
    }
}

/// What is in the log comes back from it, while nobody sees the data.
fn load_aof(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let server = call.worker.server;
    call.ctx.locks.release();
    if server.aof.is_on() {
        server.aof.drain(server);
    }
    let manifest = crate::aof::load::found(server).map_err(ErrorReply::err)?;
    let result = while_loading(call, |ctx| {
        (0..ctx.keyspace.databases()).for_each(|db| ctx.empty(db));
        crate::aof::load::again(server, ctx, &manifest)
    });
    if let Err(reason) = result {
        tracing::error!("{reason}");
        return Err(ErrorReply::err("Error trying to load the AOF files, check server logs."));
    }
    // What is there now is what was saved.
    call.ctx.out.dirty = 0;
    let changes = worker::changes(server);
    server.persistence.saves.note(|books| books.changes = changes);
    tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
    call.out.ok();
    Ok(())
}

/// Does something with all shards held. Others are told meanwhile that the data are being loaded: this worker's other
/// clients by another one.
fn while_loading<T>(call: &mut Call<'_>, work: impl FnOnce(&mut Ctx<'static>) -> T) -> T {
    let server = call.worker.server;
    server.persistence.loading.begin();
    server.config.touch();
    standby::hand_over(call.worker);
    let ctx = &mut *call.ctx;
    ctx.locks.hold_all();
    let db = ctx.db;
    let result = work(ctx);
    ctx.db = db;
    ctx.locks.release();
    server.persistence.loading.end();
    server.config.touch();
    if !server.busy.is_on() {
        standby::over(server);
    }
    result
}

pub const SUBS: &[Sub] = &[
    sub(
        "RELOAD",
        0..=ANY,
        reload,
        "[option ...]",
        "Save the RDB on disk and reload it back to memory: [NOSAVE] [NOFLUSH] [MERGE].",
    ),
    sub("LOADAOF", 0..=0, load_aof, "", "Flush the AOF buffers on disk and reload the AOF in memory."),
];
