//! Coming back: the base is taken like a full sync into an empty node, the logs like what followed it.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use replication::message::Message;
use replication::overlay::Levels;

use super::files::Files;
use super::records::{MAGIC, Record, Records, Stop};
use crate::config::Config;
use crate::mesh::driver::Driver;
use crate::process;
use crate::scripting::libraries;

const BUFFER: usize = 1 << 20;

/// Whether there is a member's log to begin with.
pub fn is_there(config: &Config) -> Result<bool, String> {
    Ok(config.appendonly && find(config)?.base().is_some())
}

fn find(config: &Config) -> Result<Files, String> {
    Files::find(config)
        .map_err(|e| format!("Can't look into {}: {}", config.appenddirname, process::reason(&e)))
}

/// What has been found besides data.
#[derive(Default)]
struct Found {
    /// The functions there were.
    functions: Option<Vec<u8>>,
    libraries: Option<Vec<u8>>,
    /// A peer's copy was merged that is not in the files: what peers wrote behind it cannot be used.
    merged: bool,
    /// Groups that were left out.
    left_out: u64,
}

impl Driver {
    /// Loads the log that is there; an error is why the server must not start.
    pub fn load(&mut self) -> Result<(), String> {
        let config = self.server.config.get();
        let files = find(&config)?;
        let Some(base) = files.base() else { return Ok(()) };
        let began = Instant::now();
        self.server.persistence.loading.add_total(files.size());
        self.data.listen(self.replica.label());
        let mut found = Found::default();
        self.load_base(&base, &mut found)?;
        let logs = files.logs();
        for (i, log) in logs.iter().enumerate() {
            self.load_log(log, i + 1 == logs.len() && config.aof_load_truncated, &mut found)?;
        }
        if let Some(dump) = found.functions {
            for code in libraries::undump(&dump)? {
                self.server.libraries.load(&code, true)?;
            }
        }
        if let Some(told) = found.libraries {
            self.server.libraries.take(&told)?;
        }
        if found.left_out > 0 {
            tracing::info!("{} chunks of peers' writes will be fetched from them again", found.left_out);
        }
        self.replica.persisted();
        tracing::info!("DB loaded from a member's log: {:.3} seconds", began.elapsed().as_secs_f64());
        Ok(())
    }

    fn load_base(&mut self, path: &Path, found: &mut Found) -> Result<(), String> {
        let wrong = |what: &str| {
            format!("Bad file format reading the base of a member's log {}: {what}", path.display())
        };
        let mut records = open(path)?.map_err(|stop| wrong(&text(&stop)))?;
        let mut next = || match records.read() {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(wrong("it is not whole")),
            Err(stop) => Err(wrong(&text(&stop))),
        };
        let Record::Head(Message::Snapshot(head)) = next()? else {
            return Err(wrong("it does not begin as one"));
        };
        let mut merge = self.data.merge(Box::new(self.replica.coverage(&head)), false);
        let levels = loop {
            match next()? {
                Record::Piece(piece) => {
                    self.data.merge_piece(&mut merge, &piece).map_err(|e| wrong(&format!("{e:?}")))?;
                    self.server.persistence.loading.advance(piece.len() as u64);
                }
                Record::Functions(dump) => found.functions = Some(dump),
                Record::Libraries(told) => found.libraries = Some(told),
                Record::End(levels) => break levels,
                record => return Err(wrong(&format!("{record:?} does not belong there"))),
            }
        };
        self.data.end_merge(&mut merge).map_err(|e| wrong(&format!("{e:?}")))?;
        drop(merge);
        let mut actions = Vec::new();
        self.replica.restore(&head, &mut actions);
        self.act(actions);
        self.come_to(levels);
        Ok(())
    }

    /// `may_end`: the file may end within a record.
    fn load_log(&mut self, path: &Path, may_end: bool, found: &mut Found) -> Result<(), String> {
        let (mut at, result) = (0, open(path)?);
        let stop = match result {
            Err(stop) => stop,
            Ok(mut records) => loop {
                at = records.at;
                match records.read() {
                    Ok(Some(record)) => self.load_record(record, found).map_err(|e| {
                        format!(
                            "Bad file format reading the log of a member {}: byte {at}: {e}",
                            path.display()
                        )
                    })?,
                    Ok(None) => return Ok(()),
                    Err(stop) => break stop,
                }
                self.server.persistence.loading.advance(records.at - at);
            },
        };
        match stop {
            Stop::Torn if may_end => truncate(path, at),
            Stop::Torn => Err(format!(
                "Unexpected end of file reading the log of a member {}, at byte {at}. With aof-load-truncated yes the \
                 last one may end so.",
                path.display()
            )),
            stop => Err(format!(
                "Bad file format reading the log of a member {}: {}. `everwrite check-aof` tells more. Its peers have what it had: \
                 without member.* it comes back with their data.",
                path.display(),
                text(&stop)
            )),
        }
    }

    fn load_record(&mut self, record: Record, found: &mut Found) -> Result<(), String> {
        let mut actions = Vec::new();
        match record {
            Record::Groups(Message::Part(part)) => {
                let own = part.stream.author.uuid == self.replica.me().uuid;
                let taken = (own || !found.merged)
                    && self
                        .replica
                        .replay(part.stream, part.seq, &part.bytes, &mut actions)
                        .map_err(|e| format!("{e:?}"))?;
                found.left_out += u64::from(!taken);
            }
            Record::Levels(levels) if !found.merged => self.come_to(levels),
            Record::Levels(_) => {}
            Record::Merged => found.merged = true,
            Record::Head(Message::Snapshot(head)) => self.replica.restore(&head, &mut actions),
            Record::Functions(dump) => found.functions = Some(dump),
            Record::Libraries(told) => found.libraries = Some(told),
            record => return Err(format!("{record:?} does not belong there")),
        }
        self.act(actions);
        Ok(())
    }

    /// The members were this far.
    fn come_to(&mut self, levels: Levels) {
        self.replica.reach(levels);
        self.data.settle(levels);
        self.replica.heeded(levels);
    }
}

type Opened = Result<Records<BufReader<File>>, Stop>;

fn open(path: &Path) -> Result<Opened, String> {
    let file =
        File::open(path).map_err(|e| format!("Can't open {}: {}", path.display(), process::reason(&e)))?;
    Ok(Records::open(BufReader::with_capacity(BUFFER, file)))
}

fn text(stop: &Stop) -> String {
    match stop {
        Stop::Torn => "it ends too soon".into(),
        Stop::Damaged(what) => what.clone(),
        Stop::Io(e) => process::reason(e),
    }
}

/// The writer was killed: what it had not finished goes.
fn truncate(path: &Path, at: u64) -> Result<(), String> {
    tracing::warn!("!!! Warning: short read while loading the log of a member {} !!!", path.display());
    tracing::warn!("Truncating it at offset {at}");
    let done = if at < MAGIC.len() as u64 {
        fs::remove_file(path)
    } else {
        File::options().write(true).open(path).and_then(|file| file.set_len(at))
    };
    done.map_err(|e| format!("Can't truncate {}: {}", path.display(), process::reason(&e)))
}
