//! Loading what is there when the server starts.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::load::{self, LoadError, Policy, Resumes, Shards};
use crate::config::Config;
use crate::process;
use crate::server::Server;
use crate::worker::{self, unix_ms};

/// Loads the data, on this thread and another. An error is why the server must not start.
pub fn load_all(server: &'static Server) -> Result<(), String> {
    let (config, began) = (server.config.get(), Instant::now());
    let path = Path::new(&config.dbfilename);
    let loaded = if crate::mesh::disk::load::is_there(&config)? {
        if !config.active_replica {
            return Err(format!(
                "{} holds the log of a member of a mesh, and active-replica is off. Start with active-replica yes, or \
                 move its files named member.* away to begin without what they hold",
                config.appenddirname
            ));
        }
        // The mesh loads it.
        false
    } else if config.appendonly {
        crate::aof::load::at_start(server)?;
        false
    } else {
        crate::offsite::bring(&config)?;
        load_file(server, path, policy(&config), Shards::Free)?
    };
    server.replicas.go_on(server);
    server.persistence.saves.note(|books| {
        books.last_s = unix_ms() / 1000;
        books.changes = worker::changes(server);
    });
    if loaded {
        tracing::info!("DB loaded from disk: {:.3} seconds", began.elapsed().as_secs_f64());
    }
    Ok(())
}

/// What is made of the file at the start. A replica leaves it to its master to say what has expired.
fn policy(config: &Config) -> Policy {
    let resumes = match (config.active_replica, config.replicaof.0.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Resumes::Master),
        (false, false) => Some(Resumes::Replica),
    };
    Policy { resumes, keep_expired: resumes == Some(Resumes::Replica), ..Policy::default() }
}

/// Loads an RDB file; false if it is not there.
pub fn load_file(
    server: &Server,
    path: &Path,
    policy: Policy,
    shards: Shards<'_, '_>,
) -> Result<bool, String> {
    let fatal = |e: &dyn std::fmt::Display| {
        format!("Fatal error loading the DB, check server logs. {}: {e}", path.display())
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(fatal(&process::reason(&e))),
    };
    load_open(server, &mut file, policy, shards).map(|_| true).map_err(|reason| fatal(&reason))
}

/// Loads what is in a file up to its end, or to where something else follows: where that is.
pub fn load_open(
    server: &Server,
    file: &mut File,
    policy: Policy,
    shards: Shards<'_, '_>,
) -> Result<u64, String> {
    let len = file.metadata().map_err(|e| process::reason(&e))?.len();
    server.persistence.loading.add_total(len);
    let result = load::load(server, file, Some(len), policy, shards, unix_ms());
    result.map_err(|e| match e {
        LoadError::Rdb { error: protocol::rdb::Error::Io(e), .. } => process::reason(&e),
        e => e.to_string(),
    })
}
