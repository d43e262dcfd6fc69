//! The section about persistence.

use super::{Info, Lines};
use crate::persist::snapshot::Purpose;
use crate::worker;

/// How a background job ended, in Redis's words.
fn status(ok: bool) -> &'static str {
    if ok { "ok" } else { "err" }
}

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let persistence = &info.server.persistence;
    let loading = persistence.loading.is_active();
    let (job, books) = (persistence.job(), persistence.saves.books());
    let (done, all) = job.as_ref().map_or((0, 0), |job| job.progress());
    let copied = job.as_ref().map_or(0, |job| job.copied());
    lines.put("loading", u8::from(loading));
    lines.put("async_loading", u8::from(persistence.loading.is_beside()));
    lines.put("current_cow_peak", copied);
    lines.put("current_cow_size", copied);
    lines.put("current_cow_size_age", 0);
    let percent = if all == 0 { 0.0 } else { done as f64 * 100.0 / all as f64 };
    lines.put("current_fork_perc", format_args!("{percent:.2}"));
    lines.put("current_save_keys_processed", done);
    lines.put("current_save_keys_total", all);
    let changes = worker::changes(info.server);
    lines.put("rdb_changes_since_last_save", changes.saturating_sub(books.changes));
    let saving = job.as_ref().filter(|job| job.purpose != Purpose::Rewrite);
    lines.put("rdb_bgsave_in_progress", u8::from(saving.is_some()));
    lines.put("rdb_last_save_time", books.last_s);
    lines.put("rdb_last_bgsave_status", status(books.ok));
    lines.put("rdb_last_bgsave_time_sec", books.seconds);
    lines.put("rdb_current_bgsave_time_sec", saving.map_or(-1, |job| job.started.elapsed().as_secs() as i64));
    lines.put("rdb_saves", books.count);
    lines.put("rdb_last_cow_size", books.copied);
    let loaded = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    lines.put("rdb_last_load_keys_expired", loaded(&persistence.loading.expired));
    lines.put("rdb_last_load_keys_loaded", loaded(&persistence.loading.keys));
    write_log(info, lines);
    crate::offsite::write_info(info, lines);
    if loading {
        write_loading(info, lines);
    }
}

fn write_log(info: &Info<'_>, lines: &mut Lines) {
    let (aof, books) = (&info.server.aof, info.server.aof.books());
    let job = info.server.persistence.job().filter(|job| job.purpose == Purpose::Rewrite);
    let (on, copied) = (aof.is_on(), job.as_ref().map_or(0, |job| job.copied()));
    lines.put("aof_enabled", u8::from(on));
    lines.put("aof_rewrite_in_progress", u8::from(books.rewriting));
    lines.put("aof_rewrite_scheduled", u8::from(books.scheduled));
    lines.put("aof_last_rewrite_time_sec", books.rewrite_seconds);
    let seconds = job.as_ref().map_or(-1, |job| job.started.elapsed().as_secs() as i64);
    lines.put("aof_current_rewrite_time_sec", seconds);
    lines.put("aof_last_bgrewrite_status", status(books.rewrite_ok));
    lines.put("aof_rewrites", books.rewrites);
    lines.put("aof_rewrites_consecutive_failures", books.failures_in_a_row);
    lines.put("aof_last_write_status", status(books.error().is_none()));
    lines.put("aof_last_cow_size", copied);
    lines.put("module_fork_in_progress", 0);
    lines.put("module_fork_last_cow_size", 0);
    if on {
        lines.put("aof_current_size", books.size);
        lines.put("aof_base_size", books.base_size);
        lines.put("aof_pending_rewrite", 0);
        lines.put("aof_buffer_length", books.pending);
        lines.put("aof_pending_bio_fsync", 0);
        lines.put("aof_delayed_fsync", books.delayed_syncs);
    }
}

fn write_loading(info: &Info<'_>, lines: &mut Lines) {
    let progress = info.server.persistence.loading.progress();
    lines.put("loading_start_time", progress.started_s);
    lines.put("loading_total_bytes", progress.total);
    lines.put("loading_rdb_used_mem", progress.used);
    lines.put("loading_loaded_bytes", progress.loaded);
    lines.put("loading_loaded_perc", format_args!("{:.2}", progress.percent()));
    lines.put("loading_eta_seconds", progress.eta_s);
}
