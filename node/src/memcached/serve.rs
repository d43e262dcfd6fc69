//! From bytes to replies.

use engine::command::id;
use engine::ctx::Ctx;
use protocol::Reply;
use protocol::memcached::{Limits, Refusal, Request, Step, TOO_LARGE, parse};

use super::call::{Call, Halt};
use super::{count, flush, get, limit, meta, stats, store};
use crate::session::Session;
use crate::worker::Worker;

/// Where a connection is in what its client sends.
#[derive(Default)]
pub struct Talk {
    /// It makes no sense to look before there are so many bytes.
    need: usize,
    /// Bytes at the front that hold no line end.
    scanned: usize,
    /// Bytes still to be thrown away.
    skip: u64,
}

/// Why [`Talk::serve`] has come back.
#[derive(Debug)]
pub enum End {
    /// More must arrive first.
    Waits,
    /// The replies are to be sent now.
    Full,
    /// Clients are paused.
    Paused,
    /// The connection is to be closed.
    Closing,
}

impl Talk {
    /// Bytes that are missing of a request of which `had` are here.
    pub fn wanted(&self, had: usize) -> usize {
        self.need.saturating_sub(had)
    }

    /// Answers the requests at the front of `data`. Returns how many bytes they took, and why it did not go on.
    pub fn serve(
        &mut self,
        worker: &Worker,
        session: &mut Session,
        ctx: &mut Ctx<'static>,
        out: &mut Reply,
        data: &[u8],
        full: usize,
    ) -> (usize, End) {
        let item_max = worker.config.borrow().memcached_item_size_max as usize;
        let mut call = Call { worker, session, ctx, out };
        let mut used = 0;
        let end = loop {
            used += self.throw_away(data.len() - used);
            let rest = &data[used..];
            if rest.is_empty() {
                self.need = 0;
                break End::Waits;
            }
            if call.out.buf.len() >= full {
                break End::Full;
            }
            match parse(rest, self.scanned, Limits { item_max }) {
                Step::Request { request, used: took, skip } => {
                    if answer(&mut call, request) {
                        break End::Paused;
                    }
                    used += took;
                    self.skip = skip;
                }
                Step::Refused(Refusal { text, used: took, skip, quiet }) => {
                    worker.stats.error("ERR");
                    if !quiet {
                        call.line(text);
                    }
                    used += took;
                    self.skip = skip;
                }
                Step::Need(need) => {
                    (self.need, self.scanned) = (need, 0);
                    break End::Waits;
                }
                Step::Line => {
                    (self.need, self.scanned) = (0, rest.len());
                    break End::Waits;
                }
                Step::Foreign => call.session.closing = true,
            }
            (self.need, self.scanned) = (0, 0);
            if call.session.closing {
                break End::Closing;
            }
        };
        call.ctx.locks.release();
        (used, end)
    }

    fn throw_away(&mut self, here: usize) -> usize {
        let gone = self.skip.min(here as u64);
        self.skip -= gone;
        gone as usize
    }
}

/// Answers one request. True: it has to wait.
fn answer(call: &mut Call<'_>, request: Request<'_>) -> bool {
    call.worker.stats.processed.add(1);
    let start = call.out.buf.len();
    let quiet = is_quiet(&request);
    let paused = match run(call, request) {
        Ok(()) | Err(Halt::Answered) => false,
        Err(Halt::Paused) => true,
    };
    if paused || quiet {
        call.out.buf.truncate(start);
    }
    paused
}

fn is_quiet(request: &Request<'_>) -> bool {
    match request {
        Request::Store(storage) => storage.quiet,
        Request::TooLarge { quiet, .. }
        | Request::Delete { quiet, .. }
        | Request::Count { quiet, .. }
        | Request::Touch { quiet, .. }
        | Request::Flush { quiet, .. }
        | Request::Memory { quiet, .. }
        | Request::Verbosity { quiet } => *quiet,
        _ => false,
    }
}

fn run(call: &mut Call<'_>, request: Request<'_>) -> Result<(), Halt> {
    if call.log_in(&request) {
        return Ok(());
    }
    match request {
        Request::Get(retrieval) => get::get(call, retrieval)?,
        Request::Store(storage) => store::store(call, &storage)?,
        Request::TooLarge { key, removes, .. } => {
            if removes {
                call.on_key(id::DEL, key, |call| get::delete_item(call, key))?;
            }
            call.line(TOO_LARGE);
        }
        Request::Delete { key, .. } => get::delete(call, key)?,
        Request::Count { key, delta, up, .. } => count::count(call, key, delta, up)?,
        Request::Touch { key, exptime, .. } => get::touch(call, key, exptime)?,
        Request::Flush { at, .. } => flush::flush_all(call, at)?,
        Request::Memory { megabytes, .. } => limit::set(call, megabytes)?,
        Request::Stats(what) => stats::stats(call, what),
        Request::Version => call.line(&format!("VERSION {}", stats::VERSION)),
        Request::Verbosity { .. } => call.line("OK"),
        Request::Quit => call.session.closing = true,
        Request::Meta(request) => meta::run(call, &request)?,
        Request::Describe { key, shown } => meta::describe(call, &key, shown)?,
        Request::Nothing => call.line("MN"),
    }
    Ok(())
}
