//! Snapshots in S3-compatible storage, beside the local file: `db-s3-object`.
//!
//! A snapshot that has been saved is put there by a thread of its own, from the file, which stays what it is when the next
//! one takes its name. One waits at most: who comes while another is on its way takes the place of one that waits, as
//! only the newest is worth sending. [`fetch`] brings one back: at a start without a local file, or for `everwrite restore`.

pub mod fetch;
pub mod restore;

pub use fetch::bring;

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use backup::{Address, Error, Settings, Store, copies};
use parking_lot::{Condvar, Mutex};

use crate::config::Config;
use crate::info::{Info, Lines};
use crate::server::Server;
use crate::worker::unix_ms;

/// What was sent, and what waits.
#[derive(Default)]
pub struct Offsite {
    state: Mutex<State>,
    /// The thread has nothing more to do.
    rests: Condvar,
}

#[derive(Default)]
struct State {
    /// The newest snapshot that has not been begun with, and when it was saved, unix ms.
    next: Option<(File, u64)>,
    running: bool,
    books: Books,
}

/// What INFO tells.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Bytes of the upload under way that have been sent; `None`: there is none.
    pub sent: Option<u64>,
    pub uploads: u64,
    pub failures: u64,
    /// Of the last one that succeeded: when it ended, unix seconds, how long it took, and its size.
    pub last_s: u64,
    pub seconds: u64,
    pub bytes: u64,
    /// Why the last one failed; empty: it did not.
    pub error: String,
}

/// Where a configuration wants snapshots; `None`: nowhere.
pub fn address(config: &Config) -> Result<Option<Address>, Error> {
    let text = &config.db_s3_object;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// The storage that a configuration names, for an address.
pub fn open(config: &Config, address: &Address) -> Result<Store, Error> {
    let text = |secret: &[u8]| String::from_utf8_lossy(secret).into_owned();
    let settings = Settings {
        endpoint: config.db_s3_endpoint.clone(),
        region: config.db_s3_region.clone(),
        access_key: config.db_s3_access_key.clone(),
        secret_key: text(&config.db_s3_secret_key),
    };
    Store::open(address, &settings)
}

impl Offsite {
    pub fn books(&self) -> Books {
        self.state.lock().books.clone()
    }

    /// A snapshot has been saved: it is to be sent, if that is wanted.
    pub fn send(&self, server: &'static Server, path: &Path) {
        if server.config.get().db_s3_object.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        match File::open(path) {
            Ok(file) => state.next = Some((file, unix_ms())),
            Err(e) => {
                return tracing::warn!("Can't open the snapshot to send it: {}", crate::process::reason(&e));
            }
        }
        if !std::mem::replace(&mut state.running, true) {
            let run = move || run(server);
            std::thread::Builder::new().name("offsite".into()).spawn(run).expect("a thread can be started");
        }
    }

    /// Returns when what was saved has been sent, or could not be.
    pub fn finish(&self) {
        let mut state = self.state.lock();
        if state.running {
            tracing::info!("Waiting until the snapshot has been sent to S3.");
        }
        while state.running {
            self.rests.wait(&mut state);
        }
    }
}

/// The fields of INFO, where snapshots are sent to S3.
pub fn write_info(info: &mut Info<'_>, lines: &mut Lines) {
    if info.config.db_s3_object.is_empty() {
        return;
    }
    let books = info.server.offsite.books();
    lines.put("s3_upload_in_progress", u8::from(books.sent.is_some()));
    lines.put("s3_upload_sent_bytes", books.sent.unwrap_or(0));
    lines.put("s3_uploads", books.uploads);
    lines.put("s3_upload_failures", books.failures);
    lines.put("s3_last_upload_status", if books.error.is_empty() { "ok" } else { "err" });
    lines.put("s3_last_upload_time", books.last_s);
    lines.put("s3_last_upload_time_sec", books.seconds);
    lines.put("s3_last_upload_bytes", books.bytes);
    lines.put("s3_last_error", books.error.replace(['\r', '\n'], " "));
}

fn run(server: &'static Server) {
    let offsite = &server.offsite;
    loop {
        let next = {
            let mut state = offsite.state.lock();
            let next = state.next.take();
            if next.is_none() {
                state.running = false;
                offsite.rests.notify_all();
            }
            next
        };
        let Some((file, saved_ms)) = next else { return };
        let began = Instant::now();
        let result = upload(server, &file, saved_ms);
        let books = &mut offsite.state.lock().books;
        books.sent = None;
        match result {
            Ok(bytes) => {
                tracing::info!(
                    "The snapshot is in S3: {bytes} bytes in {:.1} s",
                    began.elapsed().as_secs_f64()
                );
                (books.uploads, books.bytes) = (books.uploads + 1, bytes);
                (books.last_s, books.seconds) = (unix_ms() / 1000, began.elapsed().as_secs());
                books.error.clear();
            }
            Err(e) => {
                tracing::warn!("The snapshot could not be sent to S3: {e}");
                books.failures += 1;
                books.error = e.to_string();
            }
        }
    }
}

/// Puts a snapshot where it is wanted, and a copy that stays beside it.
fn upload(server: &Server, file: &File, saved_ms: u64) -> Result<u64, Error> {
    let config = server.config.get();
    let Some(address) = address(&config)? else { return Ok(0) };
    let store = open(&config, &address)?;
    let mut told = |sent| {
        server.offsite.state.lock().books.sent = Some(sent);
        true
    };
    told(0);
    let bytes = store.put(&address.key, file, &mut told)?;
    let keep = config.db_s3_keep as usize;
    if keep > 0 {
        store.put(&copies::key_at(&address.key, saved_ms), file, &mut told)?;
        let gone = store.prune(&address.key, keep)?;
        tracing::debug!("{gone} older copies were removed from S3");
    }
    Ok(bytes)
}
