//! The network between two nodes: holds up what passes, and can be cut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Pieces under way in one direction; more hold up the sender.
const UNDER_WAY: usize = 256;

#[derive(Default)]
struct State {
    cut: AtomicBool,
    /// Both ends of each connection.
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
}

/// A way to a node. Its threads end with the process.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub fn before(target: u16, delay: Duration) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten().filter(|_| !shared.cut.load(SeqCst)) {
                let _ = join(stream, target, delay, &shared);
            }
        });
        Ok(Proxy { port, state })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.state.cut.store(true, SeqCst);
        for (a, b) in self.state.open.lock().drain(..) {
            let _ = (a.shutdown(Shutdown::Both), b.shutdown(Shutdown::Both));
        }
    }

    pub fn heal(&self) {
        self.state.cut.store(false, SeqCst);
    }
}

fn join(client: TcpStream, target: u16, delay: Duration, state: &State) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pump(client.try_clone()?, server.try_clone()?, delay);
    pump(server.try_clone()?, client.try_clone()?, delay);
    state.open.lock().push((client, server));
    Ok(())
}

/// Passes on what comes from one end, each piece so much later.
fn pump(mut from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, pieces): (SyncSender<(Instant, Vec<u8>)>, Receiver<_>) = sync_channel(UNDER_WAY);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
    });
    thread::spawn(move || deliver(to, &pieces));
}

fn deliver(mut to: TcpStream, pieces: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, piece)) = pieces.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
