//! Reading the append-only files when the server starts, and by DEBUG LOADAOF.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use engine::command::{CommandId, id};
use engine::commands::Locking;
use engine::ctx::Ctx;
use engine::journal::feed::{LATE, TAG};
use protocol::number::parse_u64;
use protocol::{Args, Reply};

use super::Aof;
use super::age::Age;
use super::author::Author;
use super::batch::{self, Batch, Item};
use super::log::Log;
use super::manifest::{Entry, Manifest, Names, Part};
use super::records::{Records, Stop};
use crate::dispatch::{self, Handler, Hint};
use crate::feed;
use crate::feed::pump::Who;
use crate::persist::load::{Policy, Shards};
use crate::persist::rdb_file::{self, About};
use crate::persist::{background, start};
use crate::process;
use crate::scripting::ledger::Mark;
use crate::scripting::{self, libraries};
use crate::server::Server;
use crate::worker::unix_ms;

/// Bytes between two notes of how far loading is.
const NOTE_EVERY: u64 = 1 << 20;
/// Commands whose keys are brought into the cache together.
const AHEAD: usize = 32;
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// Loads the data from the log and goes on writing it. An error is why the server must not start.
pub fn at_start(server: &'static Server) -> Result<(), String> {
    let names = Names::of(&server.config.get());
    let mut manifest = match Manifest::load(&names)? {
        Some(manifest) => {
            finish_adoption(&names, &manifest)?;
            manifest
        }
        None => adopt_old(&names)?,
    };
    manifest.check(&names)?;
    let mut ctx = background::own_context(server);
    let began = Instant::now();
    let found = manifest.entries.iter().any(|entry| entry.part != Part::History);
    load_all(server, &mut ctx, &names, &manifest)?;
    if found {
        tracing::info!("DB loaded from append only file: {:.3} seconds", began.elapsed().as_secs_f64());
    }
    open(server, &mut ctx, &names, &mut manifest).map_err(|e| {
        format!("Can't open or create append-only files in {}: {}", names.dir.display(), process::reason(&e))
    })
}

/// A log of one file, as it was before Redis 7, becomes the base of one of many.
fn adopt_old(names: &Names) -> Result<Manifest, String> {
    let old = Path::new(&names.stem);
    if !old.is_file() {
        return Ok(Manifest::default());
    }
    let entry = Entry { name: names.stem.clone(), seq: 1, part: Part::Base };
    let manifest = Manifest { entries: vec![entry] };
    let written = fs::create_dir_all(&names.dir).and_then(|()| manifest.save(names));
    written.and_then(|()| move_old(names)).map_err(|e| cannot_move(names, &e))?;
    Ok(manifest)
}

/// The server may have died after it had written the manifest, and before it had moved the file.
fn finish_adoption(names: &Names, manifest: &Manifest) -> Result<(), String> {
    let waits = |entry: &Entry| entry.name == names.stem && !names.path(entry).exists();
    if manifest.base().is_some_and(waits) && Path::new(&names.stem).is_file() {
        return move_old(names).map_err(|e| cannot_move(names, &e));
    }
    Ok(())
}

fn move_old(names: &Names) -> std::io::Result<()> {
    rdb_file::replace(Path::new(&names.stem), &names.dir.join(&names.stem))?;
    tracing::info!(
        "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
        names.stem,
        names.dir.display()
    );
    Ok(())
}

fn cannot_move(names: &Names, e: &std::io::Error) -> String {
    format!(
        "Error trying to move the old AOF file {} into dir {}: {}",
        names.stem,
        names.dir.display(),
        process::reason(e)
    )
}

/// Opens the file that is written from now on, after what it takes for a start to find everything.
fn open(
    server: &'static Server,
    ctx: &mut Ctx<'static>,
    names: &Names,
    manifest: &mut Manifest,
) -> std::io::Result<()> {
    fs::create_dir_all(&names.dir)?;
    server.pump.listen(server, Who::Log);
    let before = manifest.clone();
    if manifest.base().is_none() && manifest.increments().next().is_none() {
        let entry = manifest.next_base(names, server.config.get().aof_use_rdb_preamble);
        tracing::info!("Creating AOF base file {} on server start", entry.name);
        ctx.locks.hold_all();
        let begun = background::begin(server, ctx, crate::persist::snapshot::Purpose::Rewrite);
        let (job, _) = begun.map_err(|_| std::io::Error::other("another snapshot is under way"))?;
        let written = rdb_file::write(
            server,
            &job,
            &names.path(&entry),
            About { aof_base: true, ..About::default() },
            rdb_file::Shards::Held(ctx),
        );
        background::end(server, &job);
        ctx.locks.release();
        written?;
        manifest.rebase(entry, 1);
    }
    let last = match manifest.increments().last().cloned() {
        Some(entry) => {
            tracing::info!("Opening AOF incr file {} on server start", entry.name);
            entry
        }
        None => {
            let entry = manifest.add_increment(names);
            tracing::info!("Creating AOF incr file {} on server start", entry.name);
            entry
        }
    };
    let log = Log::open(&names.path(&last))?;
    if *manifest != before {
        rdb_file::sync_directory(&names.path(&last))?;
        manifest.save(names)?;
    }
    let bytes = |entry: &Entry| fs::metadata(names.path(entry)).map_or(0, |data| data.len());
    let settled = manifest.entries.iter().filter(|e| e.part != Part::History && **e != last).map(bytes).sum();
    if !server.config.get().aof_disable_auto_gc && manifest.entries.iter().any(|e| e.part == Part::History) {
        manifest.delete_history(names);
        manifest.save(names)?;
    }
    server.aof.begin(manifest.clone(), log, settled);
    server.aof.configure(&server.config.get());
    Ok(())
}

impl Aof {
    fn begin(&self, manifest: Manifest, log: Log, settled: u64) {
        let mut state = self.state.lock();
        (state.manifest, state.log, state.settled) = (manifest, Some(log), settled);
        state.books.size = state.size();
        state.books.base_size = state.size();
        self.on.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// What DEBUG LOADAOF would load: of a log that is off, what is on the disk. An error if that is nothing.
pub fn found(server: &Server) -> Result<Manifest, String> {
    let manifest = match server.aof.is_on() {
        true => server.aof.state.lock().manifest.clone(),
        false => Manifest::load(&Names::of(&server.config.get()))?.unwrap_or_default(),
    };
    match manifest.entries.iter().any(|entry| entry.part != Part::History) {
        true => Ok(manifest),
        false => Err("There are no append-only files".into()),
    }
}

/// DEBUG LOADAOF: all that was logged again, into what is empty. All shards must be held.
pub fn again(server: &'static Server, ctx: &mut Ctx<'static>, manifest: &Manifest) -> Result<(), String> {
    ctx.locks.mute_feed(true);
    let result = load_all(server, ctx, &Names::of(&server.config.get()), manifest);
    ctx.locks.mute_feed(false);
    result
}

/// Loads all files of a manifest. With all shards held, they stay so.
fn load_all(
    server: &'static Server,
    ctx: &mut Ctx<'static>,
    names: &Names,
    manifest: &Manifest,
) -> Result<(), String> {
    let parts: Vec<&Entry> = manifest.entries.iter().filter(|entry| entry.part != Part::History).collect();
    let (expiry, version_ms) = (std::mem::replace(&mut ctx.env.expiry, false), ctx.env.version_ms);
    let result = load_parts(server, ctx, names, &parts);
    (ctx.env.expiry, ctx.env.version_ms) = (expiry, version_ms);
    result
}

fn load_parts(
    server: &'static Server,
    ctx: &mut Ctx<'static>,
    names: &Names,
    parts: &[&Entry],
) -> Result<(), String> {
    for (i, entry) in parts.iter().enumerate() {
        let began = Instant::now();
        let last = i + 1 == parts.len();
        load_file(server, ctx, &names.path(entry), &entry.name, last)?;
        let kind = if entry.part == Part::Base { "base" } else { "incr" };
        tracing::info!(
            "DB loaded from {kind} file {}: {:.3} seconds",
            entry.name,
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Loads one file: a snapshot, commands, or one before the other.
fn load_file(
    server: &'static Server,
    ctx: &mut Ctx<'static>,
    path: &Path,
    name: &str,
    last: bool,
) -> Result<(), String> {
    let io = |e: std::io::Error| {
        format!("Unrecoverable error reading the append only file {name}: {}", process::reason(&e))
    };
    let mut file = File::open(path).map_err(io)?;
    let mut magic = [0; 5];
    let read = file.read(&mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut at = 0;
    if magic[..read] == *b"REDIS" {
        tracing::info!("Reading RDB base file on AOF loading...");
        let held = ctx.locks.holds_all();
        let shards = if held { Shards::Held(&mut ctx.locks) } else { Shards::Free };
        let policy = Policy { keep_expired: true, ..Policy::default() };
        at = start::load_open(server, &mut file, policy, shards).map_err(|reason| {
            format!("Error reading the RDB base file {name}, AOF loading aborted: {reason}")
        })?;
        file.seek(SeekFrom::Start(at)).map_err(io)?;
    }
    let len = file.metadata().map_err(io)?.len();
    server.persistence.loading.add_total(len.saturating_sub(at));
    let age = Age::at(unix_ms());
    (ctx.env.version_ms, ctx.db) = (age.of_file(&file), 0);
    let source = BufReader::with_capacity(BUFFER, file);
    let (multi, tag, late, author, reply) = (None, None, Vec::new(), None, Reply::default());
    let mut player = Player { server, ctx, age, valid: at, multi, noted: at, tag, late, author, reply };
    match player.play(Records::new(source, at)) {
        Ok(()) => Ok(()),
        Err(Broken::Stop(Stop::Short | Stop::End)) => truncate(server, path, name, player.valid, last),
        Err(Broken::Stop(Stop::Io(e))) => Err(io(e)),
        Err(Broken::Stop(Stop::Format(reason))) => Err(format!(
            "Bad file format reading the append only file {name}: {reason}; make a backup of your AOF file, then use \
             ./redis-check-aof --fix <filename.manifest>"
        )),
        Err(Broken::Command(reason)) => Err(reason),
    }
}

/// The file ends in the middle of a command or a transaction.
fn truncate(server: &Server, path: &Path, name: &str, valid: u64, last: bool) -> Result<(), String> {
    if !last {
        return Err("Fatal error: the truncated file is not the last file".into());
    }
    if !server.config.get().aof_load_truncated {
        return Err(format!(
            "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then \
             use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' \
             configuration option to yes and restart the server."
        ));
    }
    tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
    tracing::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
    tracing::warn!("Truncating the AOF {name} at offset {valid}");
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(valid)?;
        file.sync_all()
    });
    cut.map_err(|e| format!("Error truncating the AOF file {name}: {}", process::reason(&e)))
}

/// Why playing came to a halt.
enum Broken {
    Stop(Stop),
    Command(String),
}

/// Runs the commands of a file.
struct Player<'a> {
    server: &'static Server,
    ctx: &'a mut Ctx<'static>,
    age: Age,
    /// The end of the last command outside of a transaction.
    valid: u64,
    /// Commands of a transaction whose end has not come yet.
    multi: Option<Vec<protocol::OwnedArgs>>,
    noted: u64,
    /// The tag of the string that the next command sets.
    tag: Option<u64>,
    /// Ids of entries that are late for the group that the next command makes.
    late: Vec<u8>,
    /// Who runs scripts, since there was one.
    author: Option<Author>,
    /// What commands answer, which is of no interest.
    reply: Reply,
}

impl Player<'_> {
    fn play<R: BufRead + Send>(&mut self, records: Records<R>) -> Result<(), Broken> {
        batch::each(records, |batch| {
            let mut hints = [Hint::default(); AHEAD];
            for begin in (0..batch.len()).step_by(AHEAD) {
                let run = begin..batch.len().min(begin + AHEAD);
                self.look_ahead(batch, run.clone(), &mut hints);
                for (i, hint) in run.zip(hints) {
                    self.item(batch.item(i), hint)?;
                    self.is_at(batch.position(i));
                }
            }
            match batch.take_stop() {
                None => Ok(()),
                Some(Stop::End) if self.multi.is_none() => Ok(()),
                Some(stop) => Err(Broken::Stop(stop)),
            }
        })
    }

    /// Brings what commands will want into the cache: first the buckets of their keys, then the entries.
    fn look_ahead(&self, batch: &Batch, run: Range<usize>, hints: &mut [Hint; AHEAD]) {
        let (keyspace, db, pinned) = (self.ctx.keyspace, self.ctx.db, crossbeam_epoch::pin());
        for (hint, i) in hints.iter_mut().zip(run.clone()) {
            *hint = match batch.item(i) {
                Item::Command(args) => self.hint(args),
                Item::Annotation(_) => Hint::default(),
            };
            if let Some((_, hash)) = hint.key {
                keyspace.prefetch_bucket(db, hash, &pinned);
            }
        }
        for (_, hash) in hints[..run.len()].iter().filter_map(|hint| hint.key) {
            keyspace.prefetch_entry(db, hash, &pinned);
        }
    }

    fn hint(&self, args: Args<'_>) -> Hint {
        let facts = self.server.lookup.command(&args[0]).map(|id| id.facts());
        let Some(facts) = facts.filter(|facts| !facts.is_container()) else { return Hint::default() };
        let at = usize::try_from(facts.first_key).ok().filter(|at| *at > 0);
        let key = at.and_then(|at| Some((at as u8, self.ctx.keyspace.hash(args.get(at)?))));
        Hint { id: Some(facts.id), key }
    }

    fn item(&mut self, item: Item<'_>, hint: Hint) -> Result<(), Broken> {
        match item {
            Item::Annotation(text) => {
                if let Some(at) = self.age.of_line(text) {
                    self.ctx.env.version_ms = at;
                }
                self.tag = text.strip_prefix(TAG.as_bytes()).and_then(parse_u64).or(self.tag);
                if let Some(ids) = text.strip_prefix(LATE.as_bytes()) {
                    self.late.extend_from_slice(ids);
                    self.late.push(b' ');
                }
                Ok(())
            }
            Item::Command(args) => self.take(args, hint).map_err(Broken::Command),
        }
    }

    /// What ends here has been done.
    fn is_at(&mut self, position: u64) {
        if self.multi.is_none() {
            self.valid = position;
        }
        if position - self.noted >= NOTE_EVERY {
            self.server.persistence.loading.advance(position - self.noted);
            self.noted = position;
        }
    }

    fn take(&mut self, view: Args<'_>, hint: Hint) -> Result<(), String> {
        let unknown = |args: Args<'_>| {
            let name = String::from_utf8_lossy(&args[0]).into_owned();
            format!("Unknown command '{name}' reading the append only file")
        };
        let resolved = hint.id.map_or_else(|| self.server.lookup.resolve(view), Ok);
        let Ok(id) = resolved else { return Err(unknown(view)) };
        match id {
            id::MULTI => self.multi = Some(Vec::new()),
            id::EXEC => {
                // Nobody sees the data meanwhile: one after the other is as good as all at once.
                for args in self.multi.take().unwrap_or_default() {
                    self.take(args.view(), Hint::default())?;
                }
            }
            _ if self.multi.is_some() => {
                if let Some(multi) = &mut self.multi {
                    multi.push(view.to_owned());
                }
            }
            id::SELECT => {
                let db = view.get(1).and_then(parse_u64).map(|db| db as usize);
                match db.filter(|db| *db < self.ctx.keyspace.databases()) {
                    Some(db) => self.ctx.db = db,
                    None => return Err("Invalid database reading the append only file".into()),
                }
            }
            id::FUNCTION_LOAD => {
                self.server.libraries.load(view.at(view.len() - 1), true)?;
            }
            id::FUNCTION_RESTORE if view.len() > 2 => {
                if view.get(3).is_some_and(|policy| policy.eq_ignore_ascii_case(b"flush")) {
                    drop(self.server.libraries.clear());
                }
                for code in libraries::undump(&view[2])? {
                    self.server.libraries.load(&code, true)?;
                }
            }
            id::FUNCTION_DELETE if view.len() > 2 => {
                let name = String::from_utf8_lossy(&view[2]).into_owned();
                let _ = self
                    .server
                    .libraries
                    .change(Mark::default(), |shelf| shelf.remove(&name).ok_or_else(String::new));
            }
            id::FUNCTION_FLUSH => drop(self.server.libraries.clear()),
            id => {
                if let Some((at, hash)) = hint.key {
                    self.ctx.know_hash(view.at(usize::from(at)), hash);
                }
                let known = self.run(id, view);
                self.ctx.forget_hash();
                known.then_some(()).ok_or_else(|| unknown(view))?;
            }
        }
        Ok(())
    }

    /// Runs a command on data; what it answers is of no interest, as it was when it was logged. False: it is none.
    fn run(&mut self, id: CommandId, args: Args<'_>) -> bool {
        if !id.facts().admits(args) {
            return false;
        }
        let Handler::Data(run, locking) = self.server.handler(id) else {
            let scripts =
                scripting::runs_script(id.facts()) || matches!(id, id::SCRIPT_LOAD | id::SCRIPT_FLUSH);
            if scripts {
                self.author.get_or_insert_with(|| Author::new(self.server)).run(self.ctx, id, args);
                self.ctx.out.forget();
            }
            return scripts || matches!(id, id::PUBLISH | id::SPUBLISH | id::PING);
        };
        self.ctx.begin();
        if !self.ctx.locks.holds_all() {
            let locking = if matches!(locking, Locking::Own) { Locking::All } else { locking };
            dispatch::lock(self.ctx, id.facts(), locking, args);
        }
        self.reply.buf.clear();
        let _ = run(self.ctx, args, &mut self.reply);
        self.reply.buf.shrink_to(BUFFER);
        if let (id::SET, Some(tag)) = (id, self.tag.take()) {
            feed::tag(self.ctx, &args[1], tag);
        }
        if id == id::XGROUP_CREATE && !self.late.is_empty() {
            engine::load::late_of(&mut self.ctx.key(&args[2]), &args[3], &std::mem::take(&mut self.late));
        }
        self.ctx.out.forget();
        true
    }
}
