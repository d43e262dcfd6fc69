//! From the command line to a running server.

use std::time::Duration;

use crate::acceptor::Acceptor;
use crate::config::{Config, Loaded};
use crate::listener::Listeners;
use crate::server::Server;
use crate::{control, crash, cron, live, log, mesh, persist, process, shutdown, ticks, upstream, worker};

/// How long the first client waits for data to be loaded, rather than to be told that they are being loaded.
const SOON: Duration = Duration::from_millis(100);

/// Runs the server until it is told to stop.
pub fn run(loaded: Loaded) -> Result<(), String> {
    let settings = loaded.config.clone();
    if settings.daemonize {
        process::daemonize()?;
    }
    std::env::set_current_dir(settings.dir.path()).map_err(|e| {
        format!("Can't chdir to '{}': {}", settings.dir.path().display(), process::reason(&e))
    })?;
    process::prepare(&settings, loaded.path.as_deref());
    crate::system::ignore_file_limit();
    ticks::start();
    stop_on_panic();
    log::start(settings.loglevel.word(), &settings.logfile)
        .map_err(|e| format!("Can't open the log file: {e}"))?;
    let maxclients = possible_clients(&settings);
    tracing::info!(
        "Everwrite {} (Redis {}), port: {}, PID: {}",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        settings.port,
        std::process::id()
    );
    let listeners = Listeners::open(&settings)?;
    let server: &'static Server = Box::leak(Box::new(Server::new(&loaded)?));
    server.tls.configure(&settings).map_err(|e| format!("Failed to configure TLS. {e}"))?;
    server.config.update(|config| config.maxclients = maxclients);
    for row in server.config.unmet() {
        tracing::warn!("{} is set, but has no effect yet", row.name);
    }
    server.memory.set_limit(settings.maxmemory);
    server.client_memory.set_limit(&settings);
    live::register(server);
    crash::watch(server).map_err(|e| format!("Can't watch for crashes: {e}"))?;
    process::write_pid_file(&settings);
    // From the first connection on: no one may see half of the data.
    server.persistence.loading.begin();
    crate::memory::keep_ready();
    start_workers(server).map_err(|e| format!("Can't start a worker thread: {e}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("Can't start the acceptor: {e}"))?;
    runtime.block_on(async {
        let orders = server.control.open();
        load_soon(server).map_err(|e| format!("Can't start a thread: {e}"))?;
        let acceptor = Acceptor::start(server, listeners).map_err(|e| e.to_string())?;
        tokio::spawn(cron::run(server));
        tokio::spawn(shutdown::heed_signals(server));
        server.note_memory_at_start();
        control::obey(acceptor, orders).await;
        Ok(())
    })
}

/// Starts the workers; the one that stands by is only made known.
fn start_workers(server: &'static Server) -> std::io::Result<()> {
    let (handles, orders): (Vec<_>, Vec<_>) =
        (0..=server.threads).map(|i| worker::prepare(i == server.threads)).unzip();
    let stats: Vec<_> = handles.iter().map(|handle| handle.stats).collect();
    let _ = server.workers.set(handles);
    for (index, orders) in orders.into_iter().enumerate() {
        if index == server.threads {
            server.standby.keep(orders);
        } else {
            worker::spawn(index, server, stats[index], orders)?;
        }
    }
    Ok(())
}

/// Begins to load, and returns when that is done or takes longer: then clients are told.
fn load_soon(server: &'static Server) -> std::io::Result<()> {
    let (done, soon) = std::sync::mpsc::channel();
    let run = move || {
        load(server);
        let _ = done.send(());
    };
    std::thread::Builder::new().name("load".into()).spawn(run)?;
    let _ = soon.recv_timeout(SOON);
    Ok(())
}

/// Brings the data into memory, then lets commands at them. What cannot be loaded is not to be overwritten: the process ends.
fn load(server: &'static Server) {
    tracing::info!("Server initialized");
    let loaded = persist::start::load_all(server);
    if let Err(reason) =
        loaded.and_then(|()| mesh::thread::start(server)).and_then(|()| upstream::at_start(server))
    {
        tracing::error!("{}. Exiting.", reason.trim_end_matches('.'));
        std::process::exit(1);
    }
    server.persistence.loading.end();
    server.config.touch();
    tracing::info!("Ready to accept connections");
}

/// A broken invariant stops the node rather than corrupt data: no thread may die alone.
fn stop_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tracing::error!("=== EVERWRITE BUG REPORT: {info}");
        report(info);
        std::process::abort();
    }));
}

/// Asks the system for as many descriptors as `maxclients` needs; how many clients those are that it gives.
fn possible_clients(config: &Config) -> u32 {
    let wanted = u64::from(config.maxclients) + process::OTHER_FILES;
    let Err(files) = crate::system::raise_file_limit(wanted) else { return config.maxclients };
    let clients = files.saturating_sub(process::OTHER_FILES).clamp(1, u64::from(config.maxclients));
    tracing::warn!(
        "maxclients is {}, but only {files} files may be open: it has been reduced to {clients}",
        config.maxclients
    );
    clients as u32
}

/// What `--version` prints; the `v=` is what tools look for.
pub fn version() -> String {
    format!(
        "Everwrite server v={} sha=00000000:0 malloc=mimalloc bits=64 build=everwrite-{}",
        crate::REDIS_VERSION,
        env!("CARGO_PKG_VERSION")
    )
}

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: everwrite [/path/to/redis.conf] [options] [-]
       everwrite - (read config from stdin)
       everwrite demo (three nodes that all take writes, on this machine)
       everwrite -v or --version
       everwrite -h or --help

Options are the directives of the configuration file with two dashes before them:
       everwrite (run the server with the default configuration)
       everwrite /etc/redis/6379.conf
       everwrite --port 7777
       everwrite --port 7777 --server-threads 4
       everwrite /etc/myredis.conf --loglevel verbose -
";
