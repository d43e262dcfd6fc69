//! The section about memory, and the figures behind it and MEMORY STATS.

use super::keyspace::{Database, databases};
use super::{Info, Lines, human, ratio};
use crate::client::{Class, Client};
use crate::server::Server;
use crate::{memory, system};

/// Where the memory is, bytes.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    pub used: u64,
    pub peak: u64,
    pub startup: u64,
    pub clients_normal: u64,
    pub clients_replicas: u64,
    pub databases: Vec<Database>,
    /// Everything but the data: what was there at the start, clients, tables.
    pub overhead: u64,
    pub keys: u64,
    pub rss: u64,
    pub allocator: memory::Allocator,
}

impl Overview {
    pub fn new(info: &mut Info<'_>) -> Overview {
        let databases = databases(info);
        let class = |class: Class| -> u64 {
            info.clients
                .iter()
                .filter(|c| (c.class() == Class::Replica) == (class == Class::Replica))
                .map(|c| c.memory())
                .sum()
        };
        // What is kept of the stream beyond the backlog's size is kept for replicas that are behind.
        let behind = info.server.replicas.bytes().saturating_sub(info.config.repl_backlog_size);
        let (clients_normal, clients_replicas) = (class(Class::Normal), class(Class::Replica) + behind);
        let tables: u64 = databases.iter().map(|db| db.table_bytes as u64).sum();
        let (used, rss) = (memory::used(), system::resident_bytes());
        let startup = info.server.memory_at_start();
        Overview {
            used,
            peak: memory::peak().max(used),
            startup,
            clients_normal,
            clients_replicas,
            keys: databases.iter().map(|db| db.keys as u64).sum(),
            databases,
            // Empty tables are part of what was there at the start.
            overhead: startup
                + clients_normal
                + clients_replicas
                + tables.saturating_sub(info.server.tables_at_start()),
            rss,
            allocator: memory::Allocator::look(used, rss),
        }
    }

    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead)
    }

    /// The data's part of what has been taken since the start, percent.
    pub fn dataset_percent(&self) -> f64 {
        100.0 * ratio(self.dataset(), self.used.saturating_sub(self.startup)).min(1.0)
    }

    pub fn peak_percent(&self) -> f64 {
        100.0 * ratio(self.used, self.peak)
    }
}

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let o = Overview::new(info);
    let config = &info.config;
    lines.put_bytes("used_memory", o.used);
    lines.put_bytes("used_memory_rss", o.rss);
    lines.put_bytes("used_memory_peak", o.peak);
    lines.put("used_memory_peak_perc", format_args!("{:.2}%", o.peak_percent()));
    lines.put("used_memory_overhead", o.overhead);
    lines.put("used_memory_startup", o.startup);
    lines.put("used_memory_dataset", o.dataset());
    lines.put("used_memory_dataset_perc", format_args!("{:.2}%", o.dataset_percent()));
    lines.put("allocator_allocated", o.allocator.allocated);
    lines.put("allocator_active", o.allocator.active);
    lines.put("allocator_resident", o.allocator.resident);
    lines.put_bytes("total_system_memory", system::total_memory());
    scripts(info.server, lines);
    lines.put_bytes("maxmemory", config.maxmemory);
    lines.put("maxmemory_policy", config.maxmemory_policy.word());
    o.allocator.write(o.rss, lines);
    lines.put("mem_fragmentation_ratio", format_args!("{:.2}", ratio(o.rss, o.used)));
    lines.put("mem_fragmentation_bytes", o.rss as i64 - o.used as i64);
    let kept = info.server.replicas.bytes();
    lines.put("mem_not_counted_for_evict", info.server.memory.uncounted());
    lines.put("mem_replication_backlog", kept.min(config.repl_backlog_size));
    lines.put("mem_total_replication_buffers", kept);
    lines.put("mem_clients_slaves", o.clients_replicas);
    lines.put("mem_clients_normal", o.clients_normal);
    lines.put("mem_cluster_links", 0);
    lines.put("mem_aof_buffer", 0);
    lines.put("mem_allocator", memory::allocator_name());
    lines.put("active_defrag_running", 0);
    lines.put("lazyfree_pending_objects", info.server.reclaim.pending());
    lines.put("lazyfreed_objects", info.server.reclaim.freed());
}

/// What scripts and functions take: in the workers' Lua states, and the texts.
fn scripts(server: &Server, lines: &mut Lines) {
    let eval: u64 = server.workers().iter().map(|w| w.stats.lua_scripts.get()).sum();
    let functions: u64 = server.workers().iter().map(|w| w.stats.lua_functions.get()).sum();
    let (texts, code) = (server.scripts.bytes() as u64, server.libraries.bytes() as u64);
    lines.put("used_memory_lua", eval);
    lines.put("used_memory_vm_eval", eval);
    lines.put_human("used_memory_lua_human", eval);
    lines.put("used_memory_scripts_eval", texts);
    lines.put("number_of_cached_scripts", server.scripts.len());
    lines.put("number_of_functions", server.libraries.read(|shelf| shelf.function_count()));
    lines.put("number_of_libraries", server.libraries.read(|shelf| shelf.libraries().len()));
    lines.put("used_memory_vm_functions", functions);
    lines.put("used_memory_vm_total", eval + functions);
    lines.put_human("used_memory_vm_total_human", eval + functions);
    lines.put("used_memory_functions", code);
    lines.put_bytes("used_memory_scripts", texts + code);
}

impl memory::Allocator {
    fn write(&self, rss: u64, lines: &mut Lines) {
        let (allocated, active, resident) = (self.allocated, self.active, self.resident);
        lines.put("allocator_frag_ratio", format_args!("{:.2}", ratio(active, allocated)));
        lines.put("allocator_frag_bytes", active.saturating_sub(allocated));
        lines.put("allocator_rss_ratio", format_args!("{:.2}", ratio(resident, active)));
        lines.put("allocator_rss_bytes", resident as i64 - active as i64);
        lines.put("rss_overhead_ratio", format_args!("{:.2}", ratio(rss, resident)));
        lines.put("rss_overhead_bytes", rss as i64 - resident as i64);
    }
}

impl Client {
    /// Bytes that the client takes: itself, its buffers, its queued commands.
    pub fn memory(&self) -> u64 {
        use std::sync::atomic::Ordering::Relaxed;
        let buffers = [
            &self.query_bytes,
            &self.query_free,
            &self.argv_bytes,
            &self.output_bytes,
            &self.multi_bytes,
            &self.kept_bytes,
        ];
        size_of::<Client>() as u64 + self.mail_bytes() + buffers.iter().map(|b| b.load(Relaxed)).sum::<u64>()
    }
}

impl Overview {
    /// A summary for people, in a sentence or two: MEMORY DOCTOR.
    pub fn advice(&self) -> String {
        advice(self)
    }
}

fn advice(o: &Overview) -> String {
    /// Below this much data, ratios say nothing.
    const SMALL: u64 = 5 << 20;
    if o.used < SMALL {
        return "This node holds too little data for its ratios to mean anything: ask again when it is in use.".into();
    }
    let mut text = String::new();
    if o.peak > o.used / 2 * 3 {
        text.push_str(&format!(
            " * Peak: {} were in use once, {} are now. The system may still count what was freed as resident; MEMORY PURGE \
             gives it back.\n",
            human(o.peak),
            human(o.used)
        ));
    }
    if o.rss > o.used / 5 * 7 {
        text.push_str(&format!(
            " * Fragmentation: {} are resident for {} in use. MEMORY PURGE may help, as does a restart.\n",
            human(o.rss),
            human(o.used)
        ));
    }
    if o.clients_normal > o.used / 4 {
        text.push_str(&format!(
            " * Clients: {} are in the buffers of clients. Look for slow readers in CLIENT LIST, or set maxmemory-clients.\n",
            human(o.clients_normal)
        ));
    }
    if text.is_empty() { "Memory is in order.".into() } else { format!("What stands out:\n{text}") }
}
