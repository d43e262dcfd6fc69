//! The section about clients.

use std::sync::atomic::Ordering::Relaxed;

use super::{Info, Lines};
use crate::client::flag;

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let server = info.server;
    let most =
        |of: &dyn Fn(&crate::client::Client) -> u64| info.clients.iter().map(|c| of(c)).max().unwrap_or(0);
    let replicas = info.clients.iter().filter(|c| c.has(flag::REPLICA)).count();
    lines.put("connected_clients", info.clients.len() - replicas);
    lines.put("cluster_connections", 0);
    lines.put("maxclients", info.config.maxclients);
    lines.put(
        "client_recent_max_input_buffer",
        most(&|c| c.query_bytes.load(Relaxed) + c.query_free.load(Relaxed)),
    );
    lines.put("client_recent_max_output_buffer", most(&|c| c.output_bytes.load(Relaxed) + c.mail_bytes()));
    lines.put("blocked_clients", server.blocked.load(Relaxed));
    lines.put("tracking_clients", server.tracking.clients());
    lines.put("clients_in_timeout_table", info.clients.iter().filter(|c| c.has(flag::TIMED)).count());
    lines.put("current_client_thread", info.worker);
    for (i, worker) in server.workers().iter().enumerate() {
        lines.put(format_args!("thread_{i}_clients"), worker.stats.clients.get());
    }
}
