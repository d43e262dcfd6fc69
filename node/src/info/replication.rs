//! The section about replication.

use super::{Info, Lines};

/// The second replication id while there is none.
const NO_ID: &str = "0000000000000000000000000000000000000000";

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    lines.put("role", "master");
    lines.put("connected_slaves", 0);
    if info.config.min_replicas_to_write > 0 && info.config.min_replicas_max_lag > 0 {
        lines.put("min_slaves_good_slaves", 0);
    }
    lines.put("master_failover_state", "no-failover");
    lines.put("master_replid", info.server.replication_id());
    lines.put("master_replid2", NO_ID);
    lines.put("master_repl_offset", 0);
    lines.put("second_repl_offset", -1);
    lines.put("repl_backlog_active", 0);
    lines.put("repl_backlog_size", info.config.repl_backlog_size);
    lines.put("repl_backlog_first_byte_offset", 0);
    lines.put("repl_backlog_histlen", 0);
}
