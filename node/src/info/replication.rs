//! The section about replication: KeyDB's fields, and ours about the mesh.

use std::sync::atomic::Ordering::Relaxed;

use replication::overlay::Rule;

use super::{Info, Lines};
use crate::config::values::Master;
use crate::mesh::Status;
use crate::mesh::identity::show_uuid;
use crate::mesh::status::Target;
use crate::replicas::link::{Link, Stage};
use crate::server::Server;
use crate::upstream::link::Link as Upstream;
use crate::upstream::status::{State, Transfer};

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    // Whoever has written asks next how far that is.
    info.ctx.locks.release();
    info.server.replicas.catch_up(info.server);
    let status = info.server.mesh.status();
    let targets = status.targets(&info.config.replicaof);
    let follows = info.server.mesh.is_on() && !targets.is_empty();
    let followed = info.server.upstream.followed();
    if let Some(link) = &followed {
        write_followed(info, link, lines);
    } else if !follows {
        lines.put("role", "master");
    } else {
        lines.put("role", "active-replica");
        let up = targets.iter().all(|target| target.state.is_up());
        lines.put("master_global_link_status", if up { "up" } else { "down" });
        lines.put("connected_masters", targets.iter().filter(|t| t.state.is_up()).count());
        for (i, target) in targets.iter().enumerate() {
            write_target(info, &status, i, target, lines);
        }
        write_self(info, lines);
    }
    let linked: Vec<_> = status.linked().collect();
    let replicas: Vec<_> =
        info.server.replicas.links().into_iter().filter(|link| link.stage() != Stage::Served).collect();
    lines.put("connected_slaves", replicas.len() + linked.len());
    if info.config.min_replicas_to_write > 0 && info.config.min_replicas_max_lag > 0 {
        let good =
            info.server.replicas.good() + status.good_peers(u64::from(info.config.min_replicas_max_lag));
        lines.put("min_slaves_good_slaves", good);
    }
    for (i, link) in replicas.iter().enumerate() {
        write_replica(info, i, link, lines);
    }
    for (i, (_, link)) in linked.iter().enumerate() {
        let i = replicas.len() + i;
        let (ip, port) = link.addr.rsplit_once(':').unwrap_or((&link.addr, "0"));
        let offset = status.written.saturating_sub(link.lag_effects);
        let lag = link.lag_ms / 1000;
        lines.put(
            format_args!("slave{i}"),
            format_args!("ip={ip},port={port},state=online,offset={offset},lag={lag}"),
        );
    }
    lines.put("master_failover_state", info.server.upstream.failover.phase().word());
    write_history(info, &status, lines);
    if let Some(link) = &followed {
        write_upstream(link, lines);
    }
    for (i, link) in info.server.upstream.merging().iter().enumerate() {
        write_merged(i, link, lines);
    }
    write_mesh(info, &status, lines);
}

/// What others are to know of a replica.
fn write_self(info: &Info<'_>, lines: &mut Lines) {
    lines.put("slave_priority", info.config.replica_priority);
    lines.put("slave_read_only", u8::from(info.config.replica_read_only));
    lines.put("replica_announced", u8::from(info.config.replica_announced));
}

/// The master of a plain replica.
fn write_followed(info: &Info<'_>, link: &Upstream, lines: &mut Lines) {
    let (status, state) = (&link.status, link.status.state());
    let up = state == State::Connected;
    lines.put("role", "slave");
    lines.put("master_host", &link.master.host);
    lines.put("master_port", link.master.port);
    lines.put("master_link_status", if up { "up" } else { "down" });
    lines.put("master_last_io_seconds_ago", if up { status.silent_s(info.now_ms) as i64 } else { -1 });
    lines.put("master_sync_in_progress", u8::from(state == State::Sync));
    let offset = link.offset();
    lines.put("slave_read_repl_offset", status.read_offset.load(Relaxed).max(offset));
    lines.put("slave_repl_offset", offset);
    if state == State::Sync {
        let Transfer { total, received } = status.transfer();
        lines.put("master_sync_total_bytes", total.map_or(-1, |n| n as i64));
        lines.put("master_sync_read_bytes", received);
        lines.put("master_sync_left_bytes", total.map_or(-1, |n| n.saturating_sub(received) as i64));
        let percent = total.filter(|n| *n > 0).map_or(0.0, |n| received as f64 * 100.0 / n as f64);
        lines.put("master_sync_perc", format_args!("{percent:.2}"));
        lines.put("master_sync_last_io_seconds_ago", status.silent_s(info.now_ms));
    }
    if !up {
        lines.put("master_link_down_since_seconds", status.down_s(info.now_ms));
    }
    write_self(info, lines);
}

/// A server that is no peer, and whose writes are taken all the same.
fn write_merged(i: usize, link: &Upstream, lines: &mut Lines) {
    let (Master { host, port }, status) = (&link.master, &link.status);
    lines.put(
        format_args!("merged_master{i}"),
        format_args!(
            "host={host},port={port},state={},offset={},full_syncs={},partial_syncs={},failed={},ignored={}",
            status.state().word(),
            link.offset(),
            status.full_syncs.load(Relaxed),
            status.partial_syncs.load(Relaxed),
            status.failed.load(Relaxed),
            status.ignored.load(Relaxed),
        ),
    );
}

/// What links to masters have been through, beyond what Redis tells.
fn write_upstream(link: &Upstream, lines: &mut Lines) {
    let status = &link.status;
    lines.put("master_full_syncs", status.full_syncs.load(Relaxed));
    lines.put("master_partial_syncs", status.partial_syncs.load(Relaxed));
    lines.put("master_commands_failed", status.failed.load(Relaxed));
    lines.put("master_last_error", status.error());
}

/// A replica that follows over PSYNC.
fn write_replica(info: &Info<'_>, i: usize, link: &Link, lines: &mut Lines) {
    let (ip, port) = link.address();
    let lag = if link.is_online() { link.lag_s(info.now_ms) } else { 0 };
    lines.put(
        format_args!("slave{i}"),
        format_args!("ip={ip},port={port},state={},offset={},lag={lag}", link.stage().word(), link.acked()),
    );
}

/// How far the data have come: bytes of the stream, or, while there is none, what the mesh has counted.
pub fn offset(server: &Server, status: &Status) -> u64 {
    let streamed = server.replicas.history(|history| history.backlog.is_some().then(|| history.offset()));
    streamed.unwrap_or(status.written)
}

fn write_history(info: &Info<'_>, status: &Status, lines: &mut Lines) {
    let offset = offset(info.server, status);
    info.server.replicas.history(|history| {
        let (second, second_from) = history.second();
        let backlog = history.backlog.as_ref();
        lines.put("master_replid", history.id());
        lines.put("master_replid2", second);
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
    lines.put("keydb_commands_withheld", info.server.replicas.history(|history| history.withheld()));
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
    for rule in Rule::ALL {
        let name = rule.name().replace('-', "_");
        lines.put(format_args!("mesh_conflicts_{name}"), status.conflicts.of(rule));
    }
    lines.put("mesh_links_refused", status.links_refused);
    lines.put("mesh_last_error", one_line(&status.last_error));
    lines.put("mesh_journal_bytes", info.server.keyspace.journal.bytes());
}

/// A text in one line of INFO.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
