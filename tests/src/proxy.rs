//! A TCP proxy between two servers that can be cut and healed: what a network between them would do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Debug, Default)]
struct State {
    target: Mutex<Option<SocketAddr>>,
    cut: AtomicBool,
    stopped: AtomicBool,
    /// Added to each piece of data, ms.
    delay_ms: AtomicU64,
    /// Both ends of each connection.
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
    passed: AtomicU64,
}

/// A proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// A proxy before a server.
    pub fn before(target: SocketAddr) -> Proxy {
        let proxy = Proxy::open();
        proxy.lead_to(target);
        proxy
    }

    /// A proxy that leads nowhere yet.
    pub fn open() -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("the port it got");
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(SeqCst) {
                    return;
                }
                if !shared.cut.load(SeqCst) {
                    let _ = join(stream, &shared);
                }
            }
        });
        Proxy { address, state }
    }

    /// Where it leads from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.state.target.lock().expect("no thread panics here") = Some(target);
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and lets none through from now on.
    pub fn cut(&self) {
        self.state.cut.store(true, SeqCst);
        self.hang_up();
    }

    /// Ends all connections; new ones come through.
    pub fn hang_up(&self) {
        for (a, b) in self.state.open.lock().expect("no thread panics here").drain(..) {
            let _ = (a.shutdown(Shutdown::Both), b.shutdown(Shutdown::Both));
        }
    }

    /// Lets connections through again.
    pub fn heal(&self) {
        self.state.cut.store(false, SeqCst);
    }

    /// Holds up each piece of data for so long.
    pub fn delay(&self, by: Duration) {
        self.state.delay_ms.store(by.as_millis() as u64, SeqCst);
    }

    /// Bytes that have passed.
    pub fn passed(&self) -> u64 {
        self.state.passed.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, SeqCst);
        self.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

fn join(client: TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    let Some(target) = *state.target.lock().expect("no thread panics here") else { return Ok(()) };
    let server = TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let pair = (client.try_clone()?, server.try_clone()?);
    state.open.lock().expect("no thread panics here").push(pair);
    pump(client.try_clone()?, server.try_clone()?, state.clone());
    pump(server, client, state.clone());
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: Arc<State>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let delay = state.delay_ms.load(SeqCst);
            if delay > 0 {
                thread::sleep(Duration::from_millis(delay));
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
            state.passed.fetch_add(n as u64, SeqCst);
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
