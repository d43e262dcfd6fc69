//! The section about replication: KeyDB's fields, and ours about the mesh.

use super::{Info, Lines};
use crate::mesh::Status;
use crate::mesh::identity::show_uuid;
use crate::mesh::status::Target;

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let status = info.server.mesh.status();
    let targets = status.targets(&info.config.replicaof);
    let follows = info.server.mesh.is_on() && !targets.is_empty();
    lines.put("role", if follows { "active-replica" } else { "master" });
    if follows {
        let up = targets.iter().all(|target| target.state.is_up());
        lines.put("master_global_link_status", if up { "up" } else { "down" });
        lines.put("connected_masters", targets.iter().filter(|t| t.state.is_up()).count());
        for (i, target) in targets.iter().enumerate() {
            write_target(info, &status, i, target, lines);
        }
        lines.put("slave_priority", info.config.replica_priority);
        lines.put("slave_read_only", u8::from(info.config.replica_read_only));
        lines.put("replica_announced", u8::from(info.config.replica_announced));
    }
    let linked: Vec<_> = status.linked().collect();
    lines.put("connected_slaves", linked.len());
    for (i, (_, link)) in linked.iter().enumerate() {
        let (ip, port) = link.addr.rsplit_once(':').unwrap_or((&link.addr, "0"));
        let offset = status.written.saturating_sub(link.lag_effects);
        let lag = link.lag_ms / 1000;
        lines.put(
            format_args!("slave{i}"),
            format_args!("ip={ip},port={port},state=online,offset={offset},lag={lag}"),
        );
    }
    if info.config.min_replicas_to_write > 0 && info.config.min_replicas_max_lag > 0 {
        lines.put("min_slaves_good_slaves", status.good_peers(u64::from(info.config.min_replicas_max_lag)));
    }
    lines.put("master_failover_state", "no-failover");
    write_history(info, &status, lines);
    write_mesh(info, &status, lines);
}

fn write_history(info: &Info<'_>, status: &Status, lines: &mut Lines) {
    info.server.replicas.history(|history| {
        let (second, second_from) = history.second();
        let backlog = history.backlog.as_ref();
        lines.put("master_replid", history.id());
        lines.put("master_replid2", second);
        // Without a stream of its own it counts what the mesh has.
        let offset = if backlog.is_some() { history.offset() } else { status.written };
        lines.put("master_repl_offset", offset);
        lines.put("second_repl_offset", second_from);
        lines.put("repl_backlog_active", u8::from(backlog.is_some()));
        lines.put("repl_backlog_size", info.config.repl_backlog_size);
        lines.put("repl_backlog_first_byte_offset", backlog.map_or(0, |backlog| backlog.first()));
        lines.put("repl_backlog_histlen", backlog.map_or(0, |backlog| backlog.len()));
    });
}

/// The first target's fields have no number in their names.
fn write_target(info: &Info<'_>, status: &Status, i: usize, target: &Target, lines: &mut Lines) {
    let name = if i == 0 { "master".to_owned() } else { format!("master_{i}") };
    let link = status.link_of(target);
    lines.put(format_args!("{name}_host"), &target.host);
    lines.put(format_args!("{name}_port"), target.port);
    lines.put(format_args!("{name}_link_status"), if target.state.is_up() { "up" } else { "down" });
    let silent = link.map_or(-1, |link| (info.now_ms.saturating_sub(link.heard_ms) / 1000) as i64);
    lines.put(format_args!("{name}_last_io_seconds_ago"), silent);
    let syncing = link.is_some_and(|link| link.takes_snapshot);
    lines.put(format_args!("{name}_sync_in_progress"), u8::from(syncing));
    if !target.state.is_up() {
        let down = info.now_ms.saturating_sub(target.down_since_ms) / 1000;
        lines.put(format_args!("{name}_link_down_since_seconds"), down);
        lines.put(format_args!("{name}_last_error"), one_line(&target.error));
    }
}

fn write_mesh(info: &Info<'_>, status: &Status, lines: &mut Lines) {
    let Some(me) = status.me else { return };
    lines.put("mesh_uuid", show_uuid(me.uuid));
    lines.put("mesh_incarnation", me.incarnation);
    lines.put("mesh_takes_writes", u8::from(status.serves));
    lines.put("mesh_members", status.members.len());
    lines.put("mesh_detached", status.members.iter().filter(|m| m.detached).count());
    for (i, member) in status.members.iter().enumerate() {
        let uuid = show_uuid(member.author.uuid);
        let text = match &member.link {
            Some(link) => format!(
                "uuid={uuid},addr={},state={},lag_ms={},lag_effects={},bytes_in={},bytes_out={},clock_offset_ms={}",
                link.addr,
                if link.sends_snapshot || link.takes_snapshot { "syncing" } else { "online" },
                link.lag_ms,
                link.lag_effects,
                link.bytes_in,
                link.bytes_out,
                link.clock_ms,
            ),
            None => format!("uuid={uuid},state={}", if member.detached { "detached" } else { "away" }),
        };
        lines.put(format_args!("mesh_peer{i}"), text);
    }
    lines.put("mesh_effects_written", status.written);
    lines.put("mesh_effects_applied", status.applied);
    lines.put("mesh_full_syncs_sent", status.full_syncs_out);
    lines.put("mesh_full_syncs_received", status.full_syncs_in);
    lines.put("mesh_horizon_age_ms", status.horizon_age_ms);
    lines.put_bytes("mesh_log_bytes", status.log_bytes);
    lines.put_bytes("mesh_spilled_bytes", status.spilled_bytes);
    lines.put("mesh_overlay_keys", status.overlay_keys);
    lines.put("mesh_conflicts_skipped", status.conflicts_skipped);
    lines.put("mesh_conflicts_replaced", status.conflicts_replaced);
    lines.put("mesh_links_refused", status.links_refused);
    lines.put("mesh_last_error", one_line(&status.last_error));
    lines.put("mesh_journal_bytes", info.server.keyspace.journal.bytes());
}

/// A text in one line of INFO.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
