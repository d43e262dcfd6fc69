//! DUMP and RESTORE: values that travel on their own, in RDB's format with a version and a checksum.
//!
//! Deadlines of members stand behind the object, as KeyDB has them in files, so every Redis restores what DUMP gives; one that
//! does not know of them (before 7.4, and later ones, which have kinds of their own for such hashes) leaves them out.

use protocol::dump;
use protocol::error::{
    BAD_DATA_FORMAT, BAD_PAYLOAD, BUSY_KEY, INVALID_FREQ, INVALID_IDLETIME, INVALID_TTL, SYNTAX,
};
use protocol::rdb::{self, Writer};
use protocol::{Args, ErrorReply, Reply};

use crate::access;
use crate::commands::{DONE, Flow, Row, int, is, row};
use crate::ctx::{Ctx, Env};
use crate::effect::{Deadline, Effect, NewValue};
use crate::stored;
use crate::tuning::{Tuning, notify};
use crate::value::Value;

fn dump(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    match payload(ctx, &args[1]) {
        Some(payload) => out.bulk(&payload),
        None => out.null(),
    }
    DONE
}

/// A value as DUMP shows it; `None` if the key is not there. Its shard is held.
pub fn payload(ctx: &Ctx<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let (value, due) = (ctx.value(key)?, ctx.env.due());
    let mut writer = Writer::new(ctx.env.tuning.rdb_compression);
    writer.kind(stored::kind(value, due));
    stored::write(value, due, &mut writer);
    stored::write_facts(value, due, &mut writer);
    dump::seal(writer.buffer(), rdb::VERSION);
    Some(std::mem::take(writer.buffer()))
}

#[derive(Default)]
struct Options {
    replace: bool,
    /// The time to live is a point in time.
    absolute: bool,
    /// Seconds.
    idle: Option<u32>,
    frequency: Option<u8>,
}

fn parse(args: Args<'_>) -> Result<Options, ErrorReply> {
    let mut options = Options::default();
    let mut at = 4;
    while let Some(word) = args.get(at) {
        match args.get(at + 1) {
            _ if is(word, "REPLACE") => options.replace = true,
            _ if is(word, "ABSTTL") => options.absolute = true,
            Some(seconds) if is(word, "IDLETIME") && options.frequency.is_none() => {
                let seconds = u64::try_from(int(seconds)?).map_err(|_| INVALID_IDLETIME)?;
                options.idle = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
                at += 1;
            }
            Some(counter) if is(word, "FREQ") && options.idle.is_none() => {
                options.frequency = Some(u8::try_from(int(counter)?).map_err(|_| INVALID_FREQ)?);
                at += 1;
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    Ok(options)
}

/// The access record of a key that comes with one, if it is of the kind that is kept here.
fn access_of(options: &Options, env: &Env) -> Option<u32> {
    match (options.idle, options.frequency) {
        (Some(idle), _) if !env.tuning.policy.is_lfu() => Some(access::idle_for(idle, env.clock)),
        (_, Some(counter)) if env.tuning.policy.is_lfu() => Some(access::used_often(counter, env.clock)),
        _ => None,
    }
}

/// The value in a payload; or the reply, and, where the payload is not what it claims to be, why.
fn open(payload: &[u8], tuning: &Tuning) -> Result<Value, (ErrorReply, Option<String>)> {
    let object = match tuning.skip_checksum {
        false => dump::verify(payload),
        true => dump::unseal(payload),
    };
    let object = object.ok_or((BAD_PAYLOAD, None))?;
    let (kind, reader) = dump::open(object).map_err(|e| (BAD_DATA_FORMAT, Some(e.to_string())))?;
    let mut reader = reader.sanitizing(tuning.sanitize_dump_payload);
    let value = stored::read(&mut reader, kind, tuning)
        .map_err(|e| (BAD_DATA_FORMAT, Some(format!("{} integrity check failed: {e}", kind.called()))))?;
    Ok(stored::read_facts(&mut reader, value))
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ counter]`; the time to live in ms, 0 for none.
fn restore(ctx: &mut Ctx<'_>, args: Args<'_>, out: &mut Reply) -> Result<Flow, ErrorReply> {
    let options = parse(args)?;
    let mut key = ctx.key(&args[1]);
    if key.exists() && !options.replace {
        return Err(BUSY_KEY);
    }
    let ttl = u64::try_from(int(&args[2])?).map_err(|_| INVALID_TTL)?;
    let value = match open(&args[3], &key.env.tuning) {
        Ok(value) => value,
        Err((reply, why)) => {
            ctx.out.refused = why;
            return Err(reply);
        }
    };
    let base = if options.absolute { 0 } else { key.env.write_ms };
    let deadline = if ttl > 0 { Deadline::At(ttl.saturating_add(base)) } else { Deadline::Clear };
    out.ok();
    let spent = value.as_ref().is_spent(key.env.due());
    if spent || matches!(deadline, Deadline::At(at) if at <= key.env.due()) {
        if key.apply(Effect::Clear).changed() {
            key.notify(notify::GENERIC, "del");
        }
        return DONE;
    }
    key.apply(Effect::Put { value: NewValue::Built(value), deadline, absent: false });
    if let (Some(access), Some(entry)) = (access_of(&options, key.env), key.entry()) {
        entry.set_access(access);
    }
    key.notify(notify::GENERIC, "restore");
    DONE
}

pub const ROWS: &[Row] = &[row("DUMP", dump), row("RESTORE", restore), row("RESTORE-ASKING", restore)];
