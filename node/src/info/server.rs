//! The sections about the process and its processor time.

use std::sync::LazyLock;

use super::{Info, Lines};
use crate::{process, shown_version, system, ticks};

/// As the kernel and the build say; they do not change.
static OS: LazyLock<String> = LazyLock::new(system::os_name);

pub fn write(info: &mut Info<'_>, lines: &mut Lines) {
    let (server, config) = (info.server, &info.config);
    let uptime = server.started.elapsed().as_secs();
    lines.put("redis_version", shown_version(config));
    lines.put("redis_git_sha1", "00000000");
    lines.put("redis_git_dirty", 0);
    lines.put("redis_build_id", format_args!("everwrite-{}", env!("CARGO_PKG_VERSION")));
    lines.put("redis_mode", "standalone");
    lines.put("os", &*OS);
    lines.put("arch_bits", usize::BITS);
    lines.put("monotonic_clock", format_args!("processor ticks @ {:.0} ticks/us", ticks::per_us()));
    lines.put("multiplexing_api", "epoll");
    lines.put("atomicvar_api", "rust");
    lines.put("gcc_version", "0.0.0");
    lines.put("process_id", std::process::id());
    lines.put("process_supervised", "no");
    lines.put("run_id", &server.run_id);
    lines.put("tcp_port", if config.port == 0 { config.tls_port } else { config.port });
    lines.put("server_time_usec", system::unix_us());
    lines.put("uptime_in_seconds", uptime);
    lines.put("uptime_in_days", uptime / 86_400);
    lines.put("hz", crate::upkeep::hz(config, info.server.clients.len()));
    lines.put("configured_hz", config.hz);
    lines.put("lru_clock", (info.now_ms / 1000) & 0xff_ffff);
    lines.put("executable", process::executable());
    lines.put("config_file", server.config.path().map_or_else(String::new, |p| p.display().to_string()));
    lines.put("io_threads_active", 0);
    if !config.availability_zone.is_empty() {
        lines.put("availability_zone", &config.availability_zone);
    }
    if let Some(left_ms) = server.shutdown.departure.left_ms(info.now_ms) {
        lines.put("shutdown_in_milliseconds", left_ms);
    }
    lines.put("server_name", "everwrite");
    lines.put("everwrite_version", env!("CARGO_PKG_VERSION"));
}

pub fn write_cpu(info: &mut Info<'_>, lines: &mut Lines) {
    let (own, children, main) = (system::cpu_own(), system::cpu_children(), system::cpu_main_thread());
    for (who, used) in [("", own), ("_children", children), ("_main_thread", main)] {
        lines.put(format_args!("used_cpu_sys{who}"), format_args!("{:.6}", used.system.as_secs_f64()));
        lines.put(format_args!("used_cpu_user{who}"), format_args!("{:.6}", used.user.as_secs_f64()));
    }
    lines.put("server_threads", info.server.threads);
    for (i, worker) in info.server.workers().iter().enumerate() {
        lines.put(
            format_args!("thread_{i}_busy_percent"),
            format_args!("{:.1}", worker.stats.busy.get() as f64 / 10.0),
        );
    }
}
