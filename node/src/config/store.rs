//! The configuration in force, for all threads.
//!
//! A reader holds an `Arc<Config>` that never changes; a change publishes another. Workers hold a [`View`], which looks
//! once for each batch of requests at a generation number whether there is another, and costs them one relaxed load.
//! That makes every field of the configuration cheap on the hot path, and these are the ones it is made for: maxmemory and
//! its policy and samples, the encoding thresholds of the types, notify-keyspace-events, slowlog-log-slower-than,
//! latency-tracking and latency-monitor-threshold, timeout, maxclients, proto-max-bulk-len, client-query-buffer-limit,
//! client-output-buffer-limit, the lazyfree flags, busy-reply-threshold, min-replicas-to-write, replica-read-only and
//! replica-serve-stale-data. Within one batch they do not change, so a command sees one state of affairs.

use std::collections::HashSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use protocol::ErrorReply;

use super::load::Loaded;
use super::rewrite::{self, Extra};
use super::row::Effect;
use super::rows::ROWS;
use super::set::{self, Caller};
use super::table::find;
use super::{Config, Row};

/// The configuration in force and the ways to change it.
pub struct ConfigStore {
    current: RwLock<Arc<Config>>,
    /// Grows with each change.
    generation: AtomicU64,
    /// Held while a change is under way; hooks in the order in which they are called.
    hooks: Mutex<Vec<Hook>>,
    /// The file for CONFIG REWRITE.
    path: Option<PathBuf>,
    /// Directives that were already reported as not in effect.
    reported: Mutex<HashSet<&'static str>>,
}

/// A change that is about to happen, or to be taken back.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub old: &'a Config,
    pub new: &'a Config,
    names: &'a [(&'static Row, &'static str)],
}

impl Change<'_> {
    /// Whether this directive, by its canonical name, is part of it.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|(row, _)| row.name == name)
    }
}

struct Hook {
    names: &'static [&'static str],
    apply: Box<dyn Fn(Change) -> Result<(), String> + Send + Sync>,
}

impl ConfigStore {
    /// Begins with what was loaded.
    pub fn new(loaded: &Loaded) -> ConfigStore {
        ConfigStore {
            current: RwLock::new(Arc::new(loaded.config.clone())),
            generation: AtomicU64::new(1),
            hooks: Mutex::new(Vec::new()),
            path: loaded.path.clone(),
            reported: Mutex::new(HashSet::new()),
        }
    }

    /// The configuration at this moment.
    pub fn get(&self) -> Arc<Config> {
        self.current.read().clone()
    }

    /// A number that has changed if the configuration has.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The configuration file, as an absolute path.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Calls `apply` before a change of any of `names` (canonical) comes into force.
    ///
    /// It does what the change entails or refuses with a reason, leaving everything as it was; then hooks that were called
    /// before it are called once more, the other way round. It must not change the configuration itself.
    pub fn on_change(
        &self,
        names: &'static [&'static str],
        apply: impl Fn(Change) -> Result<(), String> + Send + Sync + 'static,
    ) {
        for name in names {
            assert!(find(name.as_bytes()).is_some_and(|(row, _)| row.name == *name), "no directive {name}");
        }
        self.hooks.lock().push(Hook { names, apply: Box::new(apply) });
    }

    /// CONFIG SET: sets all pairs of name and value, or none.
    pub fn set_many(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<(), ErrorReply> {
        let hooks = self.hooks.lock();
        let old = self.get();
        let settings = set::judge(&old, pairs, caller)?;
        let new = set::read(&old, &settings)?;
        let names = set::changed(&old, &new, &settings);
        call(&hooks, Change { old: &old, new: &new, names: &names })?;
        self.publish(new);
        Ok(())
    }

    /// Changes the configuration from within, as REPLICAOF does: nobody is asked.
    pub fn update(&self, edit: impl FnOnce(&mut Config)) {
        let _hooks = self.hooks.lock();
        let mut new = Config::clone(&self.get());
        edit(&mut new);
        self.publish(new);
    }

    /// Has everybody look again at what depends on the configuration and on something else that has changed.
    pub fn touch(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn publish(&self, config: Config) {
        *self.current.write() = Arc::new(config);
        // Release: who sees the new number finds the new configuration, or a later one, behind the lock.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// CONFIG REWRITE: brings the file up to date.
    pub fn rewrite(&self, extra: &Extra) -> Result<(), ErrorReply> {
        let Some(path) = &self.path else {
            return Err(ErrorReply::new("ERR The server is running without a config file"));
        };
        // No change may come between reading the values and writing them.
        let _hooks = self.hooks.lock();
        rewrite::rewrite(path, &self.get(), extra)
            .map_err(|e| ErrorReply::err(format!("Rewriting config file: {}", super::os_reason(&e))))
    }

    /// Directives that were set and have no effect yet, each only once: for the log.
    pub fn unmet(&self) -> Vec<&'static Row> {
        let (config, defaults) = (self.get(), Config::new(Path::new("")));
        let mut reported = self.reported.lock();
        let unmet = |row: &&Row| row.effect == Effect::Later && !row.same(&config, &defaults);
        ROWS.iter().filter(unmet).filter(|row| reported.insert(row.name)).collect()
    }
}

/// Calls the hooks that a change concerns, and takes it back if one refuses.
fn call(hooks: &[Hook], change: Change) -> Result<(), ErrorReply> {
    let concerned: Vec<&Hook> =
        hooks.iter().filter(|hook| hook.names.iter().any(|name| change.has(name))).collect();
    for (i, hook) in concerned.iter().enumerate() {
        let Err(reason) = (hook.apply)(change) else { continue };
        let back = Change { old: change.new, new: change.old, names: change.names };
        for done in concerned[..i].iter().rev() {
            // What it did is undone as far as it can be; the client hears of the first refusal.
            let _ = (done.apply)(back);
        }
        let blamed = change.names.iter().find(|(row, _)| hook.names.contains(&row.name));
        return Err(set::failed(blamed.map_or("", |(_, name)| name), &reason));
    }
    Ok(())
}

/// A worker's own hold on the configuration.
pub struct View {
    store: Arc<ConfigStore>,
    generation: u64,
    config: Arc<Config>,
}

impl View {
    pub fn new(store: Arc<ConfigStore>) -> View {
        let generation = store.generation();
        let config = store.get();
        View { store, generation, config }
    }

    /// Takes over a change if there is one; returns whether there was. To be called once for each batch.
    #[inline]
    pub fn refresh(&mut self) -> bool {
        let generation = self.store.generation();
        if generation == self.generation {
            return false;
        }
        self.config = self.store.get();
        self.generation = generation;
        true
    }
}

impl Deref for View {
    type Target = Config;

    #[inline]
    fn deref(&self) -> &Config {
        &self.config
    }
}
