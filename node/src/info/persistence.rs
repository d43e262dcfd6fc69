//! The section about persistence.

use super::{Info, Lines};

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let changes = info.sum(|w| w.stats.dirty.get());
    for field in ["loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]
    {
        lines.put(field, 0);
    }
    lines.put("current_fork_perc", "0.00");
    lines.put("current_save_keys_processed", 0);
    lines.put("current_save_keys_total", 0);
    lines.put("rdb_changes_since_last_save", changes);
    lines.put("rdb_bgsave_in_progress", 0);
    lines.put("rdb_last_save_time", info.server.started_ms / 1000);
    lines.put("rdb_last_bgsave_status", "ok");
    lines.put("rdb_last_bgsave_time_sec", -1);
    lines.put("rdb_current_bgsave_time_sec", -1);
    for field in ["rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"]
    {
        lines.put(field, 0);
    }
    lines.put("aof_enabled", u8::from(info.config.appendonly));
    lines.put("aof_rewrite_in_progress", 0);
    lines.put("aof_rewrite_scheduled", 0);
    lines.put("aof_last_rewrite_time_sec", -1);
    lines.put("aof_current_rewrite_time_sec", -1);
    lines.put("aof_last_bgrewrite_status", "ok");
    lines.put("aof_rewrites", 0);
    lines.put("aof_rewrites_consecutive_failures", 0);
    lines.put("aof_last_write_status", "ok");
    for field in ["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"] {
        lines.put(field, 0);
    }
}
