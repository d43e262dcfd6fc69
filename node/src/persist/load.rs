//! Loading RDB: one thread reads and decodes, others put what they get into the shards.
//!
//! Keys travel in batches: their bytes, and those of short strings, one behind the other in one buffer that goes to and
//! fro. At most [`BATCHES`] of them wait; then the reader does. Whoever must not let go of the shards loads on one thread.

use std::fmt;
use std::io::Read;
use std::ops::Range;

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::access;
use engine::effect::NewValue;
use engine::entry::Entry;
use engine::keyspace::{Keyspace, Locks};
use engine::load;
use engine::shard::Shard;
use engine::snapshot::VERSION;
use engine::stored;
use engine::stored::{LATE, LATE_GROUP, SUBKEY, SUBKEY_DEADLINE, TAG};
use engine::tuning::Tuning;
use engine::value::Value;
use protocol::number::parse_u64;
use protocol::rdb::{Error, File, KeyRecord, Kind, Reader, Record};
use replication::Stamp;
use replication::stamp::{COUNTER_BITS, UNDATED};

use crate::replicas::history::Position;
use crate::server::Server;

/// Keys and bytes that make a batch.
const BATCH_KEYS: usize = 256;
const BATCH_BYTES: usize = 64 * 1024;
/// Batches on their way.
const BATCHES: usize = 8;
/// Threads that put keys into the shards. One has more to do than the reader, and less than two.
const INSERTERS: usize = 2;
/// Bytes of a file for each key that it announces for which room is made at once: what a damaged number costs is less than the
/// file then. Where the length is unknown, so many keys are believed. Room for more is made as they come.
const BYTES_PER_KEY: u64 = 16;
const TRUST: u64 = 16 << 20;
/// How far ahead of the clock a key may say it was written, ms.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Why a file was not loaded.
#[derive(Debug)]
pub enum LoadError {
    Rdb { error: Error, offset: u64 },
    Duplicate { db: usize, key: Vec<u8> },
    Databases { db: u64, databases: usize },
    Function(String),
}

impl LoadError {
    /// The bytes could not be had; nothing is known to be wrong with them.
    pub fn is_reading(&self) -> bool {
        matches!(self, LoadError::Rdb { error: Error::Io(_), .. })
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Rdb { error: Error::Checksum { stated, computed }, .. } => write!(
                f,
                "Wrong RDB checksum expected: ({computed:x}) but got ({stated:x}). RDB CRC error: the file is damaged"
            ),
            LoadError::Rdb { error: Error::NotRdb, .. } => {
                f.write_str("Wrong signature trying to load DB from file")
            }
            LoadError::Rdb { error: Error::Version(version), .. } => {
                write!(f, "Can't handle RDB format version {version}")
            }
            LoadError::Rdb { error, offset } => {
                write!(f, "Internal error in RDB reading offset {offset} -> {error}")
            }
            LoadError::Duplicate { db, key } => {
                write!(f, "RDB has duplicated key '{}' in DB {db}", String::from_utf8_lossy(key))
            }
            LoadError::Function(reason) => write!(f, "Failed creating a library of functions: {reason}"),
            LoadError::Databases { db, databases } => write!(
                f,
                "FATAL: Data file was created with a server configured to handle more than {databases} databases: it \
                 has keys in database {db}"
            ),
        }
    }
}

/// What is done with what is in a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Keys that have expired are loaded, too: what follows in the log relies on them.
    pub keep_expired: bool,
    /// A key that is there already is replaced.
    pub replace: bool,
    /// Libraries of functions are kept for the caller: they come into force with the data.
    pub shelve_aside: bool,
    /// The server goes on where the one was that wrote the file: as a master, or as a replica.
    pub resumes: Option<Resumes>,
}

/// What a server is that goes on where another was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumes {
    /// Its replicas hear of keys that have expired meanwhile.
    Master,
    Replica,
}

/// Where the keys go.
pub enum Shards<'a, 'e> {
    /// Each shard is taken when one of its keys comes.
    Free,
    /// All are held.
    Held(&'a mut Locks<'e>),
}

/// One key.
struct Item {
    key: Range<usize>,
    value: ItemValue,
    deadline: Option<u64>,
    version: u64,
    access: u32,
}

enum ItemValue {
    /// A string in the batch's buffer.
    Text(Range<usize>),
    Value(Value),
}

/// Some keys of one database.
#[derive(Default)]
struct Batch {
    db: usize,
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.items.len() >= BATCH_KEYS || self.bytes.len() >= BATCH_BYTES
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    fn entry(&self, value: ItemValue, item: &ItemHead) -> Entry {
        let value = match value {
            ItemValue::Text(range) => NewValue::String(&self.bytes[range]),
            ItemValue::Value(value) => NewValue::Built(value),
        };
        let stamp = Stamp { version: item.version, origin: 0 };
        load::entry(&self.bytes[item.key.clone()], value, item.deadline, stamp, item.access)
    }
}

/// An item without its value.
struct ItemHead {
    key: Range<usize>,
    deadline: Option<u64>,
    version: u64,
    access: u32,
}

/// Loads all of `source`, of `len` bytes if that is known, and returns where it ended. It may have been read beyond that,
/// unless that is its end.
pub fn load(
    server: &Server,
    source: &mut dyn Read,
    len: Option<u64>,
    policy: Policy,
    shards: Shards<'_, '_>,
    now_ms: u64,
) -> Result<u64, LoadError> {
    let keyspace = &server.keyspace;
    match shards {
        Shards::Held(locks) => {
            let mut give = |batch: &mut Batch| {
                insert_all(keyspace, batch, policy, |shard, put| put(locks.get_mut(shard)))
            };
            Decoder::new(server, policy, now_ms).run(source, len, &mut give)
        }
        Shards::Free => load_into(server, keyspace, source, len, policy, now_ms),
    }
}

/// [`load`] into a keyspace that need not be the server's, each shard being taken when one of its keys comes.
pub fn load_into(
    server: &Server,
    keyspace: &Keyspace,
    source: &mut dyn Read,
    len: Option<u64>,
    policy: Policy,
    now_ms: u64,
) -> Result<u64, LoadError> {
    std::thread::scope(|scope| {
        let (full, to_insert) = bounded::<Batch>(BATCHES);
        let (emptied, spare) = bounded::<Batch>(BATCHES + INSERTERS + 1);
        let inserters = [(); INSERTERS].map(|()| {
            let (to_insert, emptied) = (to_insert.clone(), emptied.clone());
            scope.spawn(move || insert(keyspace, policy, &to_insert, &emptied))
        });
        drop(to_insert);
        let mut give = |batch: &mut Batch| hand_over(batch, &full, &spare);
        let read = Decoder { roomy: Some(keyspace), ..Decoder::new(server, policy, now_ms) }
            .run(source, len, &mut give);
        drop(full);
        let inserted = inserters.map(|inserter| inserter.join().expect("a panic ends the process"));
        // What went wrong while inserting comes before what was read later.
        inserted.into_iter().collect::<Result<(), _>>().and(read)
    })
}

/// A key as it is in a file.
pub struct Loaded<'a> {
    pub db: usize,
    pub key: &'a [u8],
    pub value: NewValue<'a>,
    pub deadline: Option<u64>,
    /// When it was written, as far as the file tells; 0: it does not.
    pub version: u64,
}

/// Reads all of `source` and hands over each key, to do with it whatever is to be done.
pub fn decode(
    server: &Server,
    source: &mut dyn Read,
    len: Option<u64>,
    policy: Policy,
    now_ms: u64,
    take: &mut dyn FnMut(Loaded<'_>),
) -> Result<u64, LoadError> {
    let mut give = |batch: &mut Batch| {
        let db = batch.db;
        for Item { key, value, deadline, version, .. } in std::mem::take(&mut batch.items) {
            let value = match value {
                ItemValue::Text(range) => NewValue::String(&batch.bytes[range]),
                ItemValue::Value(value) => NewValue::Built(value),
            };
            take(Loaded { db, key: &batch.bytes[key], value, deadline, version });
        }
        batch.clear();
        Ok(())
    };
    Decoder::new(server, policy, now_ms).run(source, len, &mut give)
}

/// Passes a batch on. Nobody takes it if all who would have found errors, which they will tell.
fn hand_over(batch: &mut Batch, full: &Sender<Batch>, spare: &Receiver<Batch>) -> Result<(), LoadError> {
    let next = spare.try_recv().unwrap_or_default();
    let _ = full.send(std::mem::replace(batch, next));
    Ok(())
}

fn insert(
    keyspace: &Keyspace,
    policy: Policy,
    batches: &Receiver<Batch>,
    emptied: &Sender<Batch>,
) -> Result<(), LoadError> {
    for mut batch in batches {
        insert_all(keyspace, &mut batch, policy, |shard, put| put(&mut keyspace.cell(shard).lock.lock()))?;
        let _ = emptied.try_send(batch);
    }
    Ok(())
}

/// Puts a batch into the shards, which `with` gives access to.
fn insert_all(
    keyspace: &Keyspace,
    batch: &mut Batch,
    policy: Policy,
    mut with: impl FnMut(usize, &mut dyn FnMut(&mut Shard)),
) -> Result<(), LoadError> {
    let db = batch.db;
    let hashes: Vec<u64> =
        batch.items.iter().map(|item| keyspace.hash(&batch.bytes[item.key.clone()])).collect();
    let pinned = crossbeam_epoch::pin();
    hashes.iter().for_each(|hash| keyspace.prefetch_bucket(db, *hash, &pinned));
    drop(pinned);
    let mut items = std::mem::take(&mut batch.items);
    for (item, hash) in items.drain(..).zip(hashes) {
        let Item { key, value, deadline, version, access } = item;
        let head = ItemHead { key, deadline, version, access };
        let entry = batch.entry(value, &head);
        let key = &batch.bytes[head.key.clone()];
        let mut loaded = false;
        with(keyspace.shard_of(hash), &mut |shard| {
            shard.clock.observe(version);
            if policy.replace
                && let Some(pos) = shard.dbs[db].find(hash, key)
            {
                shard.dbs[db].remove(pos);
            }
            loaded = shard.dbs[db].load(hash, key, entry);
        });
        if !loaded {
            return Err(LoadError::Duplicate { db, key: key.to_vec() });
        }
    }
    batch.items = items;
    batch.clear();
    Ok(())
}

/// Makes batches of what is in a file.
struct Decoder<'s> {
    server: &'s Server,
    policy: Policy,
    tuning: Tuning,
    now_ms: u64,
    clock: u32,
    batch: Batch,
    /// The version of the next key.
    version: u64,
    /// The last key is the last of the batch: it was not left out.
    kept: bool,
    /// A member of it, whose deadline comes next, or a group of it, with what is late.
    subkey: Option<Vec<u8>>,
    passed: u64,
    keys: u64,
    expired: u64,
    empty: u64,
    /// What the file has said so far of where its data are in a history: its name, and the bytes of it.
    history: (Option<String>, Option<u64>),
    resumed: bool,
    /// Where room may be made for the keys that the file announces.
    roomy: Option<&'s Keyspace>,
}

type Give<'g> = &'g mut dyn FnMut(&mut Batch) -> Result<(), LoadError>;

impl<'s> Decoder<'s> {
    fn new(server: &'s Server, policy: Policy, now_ms: u64) -> Decoder<'s> {
        let tuning = crate::settings::tuning(&server.config.get(), server);
        let clock = access::clock(now_ms, tuning.policy);
        let batch = Batch::default();
        Decoder {
            server,
            policy,
            tuning,
            now_ms,
            clock,
            batch,
            version: UNDATED,
            kept: false,
            subkey: None,
            passed: 0,
            keys: 0,
            expired: 0,
            empty: 0,
            history: (None, None),
            resumed: false,
            roomy: None,
        }
    }

    fn run(mut self, source: &mut dyn Read, len: Option<u64>, give: Give<'_>) -> Result<u64, LoadError> {
        let config = self.server.config.get();
        let sanitize = config.sanitize_dump_payload == crate::config::choice::SanitizePayload::Yes;
        let reader = Reader::from_source(source, len).sanitizing(sanitize);
        let at = |error| LoadError::Rdb { error, offset: 0 };
        let mut file = File::open(reader, config.rdbchecksum).map_err(at)?;
        loop {
            let more = self.record(&mut file, give).map_err(|failure| match failure {
                Failure::Load(error) => error,
                Failure::Rdb(error) => LoadError::Rdb { error, offset: file.reader().position() },
            })?;
            if !more {
                break;
            }
        }
        self.pass_on(&mut file, give)?;
        if self.empty > 0 {
            tracing::info!(
                "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
                self.keys,
                self.expired,
                self.empty
            );
        } else {
            tracing::info!("Done loading RDB, keys loaded: {}, keys expired: {}.", self.keys, self.expired);
        }
        Ok(file.reader().position())
    }

    /// Takes one record; false at the end.
    fn record(&mut self, file: &mut File<'_>, give: Give<'_>) -> Result<bool, Failure> {
        match file.next_record()? {
            Record::Key(head) => {
                if self.batch.is_full() {
                    self.pass_on(file, give)?;
                }
                self.key(file, &head)?;
                file.recycle(head.key);
            }
            Record::Aux { name, value } => self.aux(&name, value),
            Record::Select(db) => {
                self.pass_on(file, give)?;
                let databases = self.server.keyspace.databases();
                match usize::try_from(db).ok().filter(|db| *db < databases) {
                    Some(db) => self.batch.db = db,
                    None => return Err(LoadError::Databases { db, databases }.into()),
                }
            }
            Record::Resize { keys, .. } => self.make_room(keys, file.reader().remaining()),
            Record::Function(code) if self.policy.shelve_aside => {
                self.server.persistence.loading.keep_function(code);
            }
            Record::Function(code) => {
                let loaded = self.server.libraries.load(&code, self.policy.replace);
                loaded.map_err(LoadError::Function)?;
            }
            Record::ModuleAux { name } => tracing::warn!(
                "The RDB file contains AUX module data I can't load: no matching module '{name}': skipped"
            ),
            Record::End => return Ok(false),
        }
        Ok(true)
    }

    /// So many keys are said to follow, in so many bytes.
    fn make_room(&self, keys: u64, remaining: Option<u64>) {
        let most = remaining.map_or(TRUST, |bytes| bytes / BYTES_PER_KEY);
        if let Some(keyspace) = self.roomy {
            keyspace.reserve(self.batch.db, keys.min(most) as usize);
        }
    }

    fn pass_on(&mut self, file: &mut File<'_>, give: Give<'_>) -> Result<(), LoadError> {
        let (loading, position) = (&self.server.persistence.loading, file.reader().position());
        loading.advance(position - self.passed);
        self.passed = position;
        loading.keys.store(self.keys, std::sync::atomic::Ordering::Relaxed);
        loading.expired.store(self.expired, std::sync::atomic::Ordering::Relaxed);
        if self.batch.items.is_empty() {
            return Ok(());
        }
        let delay = self.server.config.get().key_load_delay;
        if delay > 0 {
            let all = delay as u64 * self.batch.items.len() as u64;
            std::thread::sleep(std::time::Duration::from_micros(all));
        }
        let db = self.batch.db;
        give(&mut self.batch)?;
        self.batch.db = db;
        Ok(())
    }

    fn key(&mut self, file: &mut File<'_>, head: &KeyRecord) -> Result<(), Failure> {
        let version = std::mem::replace(&mut self.version, UNDATED);
        (self.kept, self.subkey) = (false, None);
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(&head.key);
        let key = start..self.batch.bytes.len();
        let value = match self.value(file, head.kind) {
            Ok(value) => value,
            Err(Error::Empty) => {
                tracing::info!("rdbLoadObject skipping empty key: {}", String::from_utf8_lossy(&head.key));
                self.empty += 1;
                self.batch.bytes.truncate(start);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let deadline = head.expire_ms.map(|at| at.max(0) as u64);
        if !self.policy.keep_expired && deadline.is_some_and(|at| at < self.now_ms) {
            self.expired += 1;
            if self.resumed && self.policy.resumes == Some(Resumes::Master) {
                self.server.replicas.expired_in_file(self.server, self.batch.db, &head.key);
            }
            self.batch.bytes.truncate(start);
            return Ok(());
        }
        let access = self.access(head);
        self.keys += 1;
        self.batch.items.push(Item { key, value, deadline, version, access });
        self.kept = true;
        Ok(())
    }

    fn value(&mut self, file: &mut File<'_>, kind: Kind) -> Result<ItemValue, Error> {
        if kind != Kind::String {
            return stored::read(file.reader(), kind, &self.tuning).map(ItemValue::Value);
        }
        let start = self.batch.bytes.len();
        Ok(match file.reader().text_onto(&mut self.batch.bytes)? {
            Some(n) => ItemValue::Value(Value::Int(n)),
            None => ItemValue::Text(start..self.batch.bytes.len()),
        })
    }

    fn access(&self, head: &KeyRecord) -> u32 {
        let lfu = self.tuning.policy.is_lfu();
        match (head.idle_s, head.frequency) {
            (Some(idle), _) if !lfu => access::idle_for(u32::try_from(idle).unwrap_or(u32::MAX), self.clock),
            (_, Some(counter)) if lfu => access::used_often(counter, self.clock),
            _ => access::untouched(self.clock, &self.tuning),
        }
    }

    fn aux(&mut self, name: &[u8], value: Vec<u8>) {
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name {
            // KeyDB has a word for a time it does not know, which is in the far future; from there no clock can go on.
            VERSION => {
                let known =
                    parse_u64(&value).filter(|version| version >> COUNTER_BITS < self.now_ms + DAY_MS);
                self.version = known.unwrap_or(UNDATED).max(UNDATED);
            }
            SUBKEY | LATE_GROUP => self.subkey = Some(value),
            SUBKEY_DEADLINE => self.expire_member(parse_u64(&value)),
            LATE => self.late(&value),
            TAG => self.tag(parse_u64(&value).unwrap_or(0)),
            b"redis-ver" => tracing::info!("Loading RDB produced by version {}", text()),
            b"ctime" => {
                let age = (self.now_ms / 1000).saturating_sub(parse_u64(&value).unwrap_or(0));
                tracing::info!("RDB age {age} seconds");
            }
            b"used-mem" => {
                let bytes = parse_u64(&value).unwrap_or(0);
                tracing::info!("RDB memory usage when created {:.2} Mb", bytes as f64 / (1024.0 * 1024.0));
                self.server.persistence.loading.note_used(bytes);
            }
            b"repl-stream-db" => {
                let db = parse_u64(&value).unwrap_or(0) as usize;
                self.server.persistence.loading.stream_db.store(db, std::sync::atomic::Ordering::Relaxed);
            }
            b"repl-id" if value.len() == 40 => {
                self.history.0 = Some(text());
                self.resume();
            }
            b"repl-offset" => {
                self.history.1 = parse_u64(&value);
                self.resume();
            }
            b"aof-base" if value == b"1" => tracing::info!("RDB is base AOF"),
            b"aof-preamble" if value == b"1" => tracing::info!("RDB has an AOF tail"),
            _ if name.starts_with(b"%") => {
                tracing::info!("RDB '{}': {}", String::from_utf8_lossy(name), text());
            }
            _ => tracing::debug!("Unrecognized RDB AUX field: '{}'", String::from_utf8_lossy(name)),
        }
    }

    /// The data are where the file says they are in a history. Behind keys that have expired that would come too late.
    fn resume(&mut self) {
        let Some(resumes) = self.policy.resumes else { return };
        if let (Some(id), Some(offset)) = &self.history
            && self.expired == 0
        {
            let db = self.server.persistence.loading.stream_db.load(std::sync::atomic::Ordering::Relaxed);
            let position = Position { id: id.clone(), offset: *offset, db };
            self.server.replicas.resume_from(&position, resumes == Resumes::Replica);
            self.resumed = true;
        }
    }

    /// The string before it has this tag.
    fn tag(&mut self, tag: u64) {
        if !self.kept {
            return;
        }
        let bytes = &self.batch.bytes;
        if let Some(Item { value, .. }) = self.batch.items.last_mut() {
            let old = match value {
                ItemValue::Text(range) => Value::Bytes(bytes[range.clone()].to_vec()),
                ItemValue::Value(value) => std::mem::replace(value, Value::Int(0)),
            };
            *value = ItemValue::Value(load::tag(old, tag));
        }
    }

    /// These entries of the stream before it are late for the group named before.
    fn late(&mut self, ids: &[u8]) {
        if let (true, Some(group)) = (self.kept, self.subkey.take())
            && let Some(Item { value: ItemValue::Value(value), .. }) = self.batch.items.last_mut()
        {
            load::late(value, &group, ids);
        }
    }

    /// The member named before, of the key before it, expires then.
    fn expire_member(&mut self, deadline: Option<u64>) {
        if let (true, Some(member), Some(deadline)) = (self.kept, self.subkey.take(), deadline)
            && let Some(Item { value: ItemValue::Value(value), .. }) = self.batch.items.last_mut()
        {
            load::expire_member(value, &member, deadline);
        }
    }
}

/// Why a record could not be taken.
enum Failure {
    Rdb(Error),
    Load(LoadError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Rdb(error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        Failure::Load(error)
    }
}
