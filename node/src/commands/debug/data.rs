//! DEBUG subcommands that look at data or make some.

use engine::ctx::Ctx;
use engine::digest::Digest;
use engine::effect::{Deadline, Effect, NewValue};
use engine::value::ValueRef;
use protocol::rdb::Writer;
use protocol::{ErrorReply, error, number};

use super::{ANY, Sub, sub};
use crate::dispatch::Call;

fn digest(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let ctx = &mut *call.ctx;
    ctx.locks.hold_all();
    let mut digest = Digest::default();
    for db in 0..ctx.keyspace.databases() {
        if ctx.locks.iter().any(|shard| !shard.dbs[db].is_empty()) {
            digest.database(db);
        }
        for entry in ctx.locks.iter().flat_map(|shard| shard.dbs[db].iter()) {
            digest.key(entry);
        }
    }
    ctx.locks.release();
    call.out.simple(&digest.text());
    Ok(())
}

fn digest_value(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let keys = call.args.rest(2);
    call.out.array(keys.len());
    for key in keys.iter() {
        hold(call.ctx, key);
        let mut digest = Digest::default();
        if let Some(entry) = call.ctx.peek(key) {
            digest.value(entry);
        }
        call.out.simple(&digest.text());
    }
    call.ctx.locks.release();
    Ok(())
}

fn hold(ctx: &mut Ctx<'_>, key: &[u8]) {
    ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(key)));
}

/// What a key's value looks like from inside.
fn object(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let key = &call.args[2];
    hold(call.ctx, key);
    let env = &call.ctx.env;
    let hash = call.ctx.keyspace.hash(key);
    let shard = call.ctx.locks.get(call.ctx.keyspace.shard_of(hash));
    // What has expired and has not been removed yet is there, too.
    let text = shard.dbs[call.ctx.db].get(hash, key).map(|entry| {
        let value = entry.value();
        let mut writer = Writer::new(false);
        engine::stored::write(value, env.due(), &mut writer);
        let mut text = format!(
            "Value at:{:#x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
            entry.address(),
            value.encoding(),
            writer.as_bytes().len(),
            entry.access(),
            engine::access::idle_seconds(entry.access(), env.clock)
        );
        if let ValueRef::List(list) = value {
            let (nodes, elements) = (list.node_count(), list.len());
            text.push_str(&format!(
                " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
                elements as f64 / nodes.max(1) as f64,
                env.tuning.list_max_listpack_size,
                u8::from(env.tuning.list_compress_depth > 0),
                list.content_bytes()
            ));
        }
        text
    });
    call.ctx.locks.release();
    call.out.simple(&text.ok_or(error::NO_SUCH_KEY)?);
    Ok(())
}

/// `POPULATE count [prefix] [size]`: string keys `prefix:0`, `prefix:1`, ... that are not there yet.
fn populate(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let args = call.args;
    let natural = |at: usize| match args.get(at).map(number::parse_i64) {
        None => Ok(None),
        Some(Some(n)) => usize::try_from(n).map(Some).map_err(|_| error::MUST_BE_POSITIVE),
        Some(None) => Err(error::MUST_BE_POSITIVE),
    };
    let (count, size) = (natural(2)?.unwrap_or(0), natural(4)?);
    let prefix = args.get(3).unwrap_or(b"key");
    call.ctx.begin();
    for n in 0..count {
        let key = [prefix, format!(":{n}").as_bytes()].concat();
        let mut value = format!("value:{n}").into_bytes();
        // A value of a given size is filled up with zero bytes, or cut.
        value.resize(size.unwrap_or(value.len()), 0);
        hold(call.ctx, &key);
        let mut place = call.ctx.key(&key);
        if !place.exists() {
            place.apply(Effect::Put {
                value: NewValue::String(&value),
                deadline: Deadline::Clear,
                absent: true,
            });
        }
    }
    call.ctx.locks.release();
    call.out.ok();
    Ok(())
}

fn packed_threshold(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    const MAX: u64 = 4 << 30;
    let server = call.worker.server;
    let bytes = crate::config::memory(&call.args[2])
        .filter(|bytes| *bytes < MAX)
        .ok_or(ErrorReply::new("ERR argument must be a memory value bigger than 1 and smaller than 4gb"))?;
    let bytes = if bytes == 0 { crate::switches::PACKED_THRESHOLD } else { bytes as usize };
    server.switches.set_packed_threshold(bytes);
    super::server::settings_changed(call);
    call.out.ok();
    Ok(())
}

/// Sizes of a database's tables. There are no chains in them: an element has its slot.
fn table_stats(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let db = number::parse_i64(&call.args[2]).ok_or(error::NOT_INTEGER)?;
    let db = usize::try_from(db).ok().filter(|db| *db < call.ctx.keyspace.databases());
    let db = db.ok_or(ErrorReply::new("ERR Out of range database"))?;
    let (mut keys, mut expiring, mut bytes, mut shards) = (0, 0, 0, 0);
    call.ctx.each_shard(|shard| {
        keys += shard.dbs[db].len();
        expiring += shard.dbs[db].expiring();
        bytes += shard.dbs[db].table_bytes();
        shards += 1;
    });
    let text = format!(
        "[Dictionary HT]\n shards: {shards}\n table bytes: {bytes}\n number of elements: {keys}\n\
         [Expires HT]\n number of elements: {expiring}\n"
    );
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn value_table_stats(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let key = &call.args[2];
    hold(call.ctx, key);
    let stats = match call.ctx.peek(key).map(|entry| entry.value()) {
        None => Err(error::NO_SUCH_KEY),
        Some(ValueRef::Hash(v)) if v.encoding() == "hashtable" => Ok((v.len(), v.heap_bytes())),
        Some(ValueRef::Set(v)) if v.encoding() == "hashtable" => Ok((v.len(), v.heap_bytes())),
        Some(ValueRef::Zset(v)) if v.encoding() == "skiplist" => Ok((v.len(), v.heap_bytes())),
        Some(_) => Err(ErrorReply::new(
            "ERR The value stored at the specified key is not represented using an hash table",
        )),
    };
    call.ctx.locks.release();
    let (len, bytes) = stats?;
    let text = format!(
        "Hash table 0 stats (main hash table):\n bytes: {bytes}\n number of elements: {len}\n different slots: {len}\n \
         max chain length: 1\n"
    );
    call.out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) const SUBS: &[Sub] = &[
    sub("DIGEST", 0..=0, digest, "", "A digest of all data: equal data, equal digest."),
    sub(
        "DIGEST-VALUE",
        0..=ANY,
        digest_value,
        "<key> [<key> ...]",
        "The digest of each key's value; zeros for no key.",
    ),
    sub("OBJECT", 1..=1, object, "<key>", "What a key's value looks like from inside."),
    sub(
        "POPULATE",
        1..=3,
        populate,
        "<count> [<prefix>] [<size>]",
        "Makes string keys <prefix>:0, <prefix>:1 and so on.",
    ),
    sub(
        "QUICKLIST-PACKED-THRESHOLD",
        1..=1,
        packed_threshold,
        "<bytes>",
        "Larger list elements are not packed with others; 0 for the default.",
    ),
    sub("HTSTATS", 1..=2, table_stats, "<db>", "Sizes of a database's tables."),
    sub(
        "HTSTATS-KEY",
        1..=1,
        value_table_stats,
        "<key>",
        "Sizes of the table that a key's value is kept in.",
    ),
];
