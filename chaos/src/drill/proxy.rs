//! The network between two nodes, one direction of calling: it delays, reorders across connections, throttles, falls silent,
//! and cuts.
//!
//! Each connection has a delay of its own that changes now and then, so that what went over one connection later may arrive
//! before what went over another one earlier. A connection keeps its order, as TCP does. *Silence* is what a broken
//! network looks like: nothing passes and nobody is told; what was under way arrives when it ends.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use chaos::rng::Rng;

/// Pieces under way in one direction of a connection; more hold up the sender.
const UNDER_WAY: usize = 64;
/// A connection draws a new delay after so many pieces.
const PIECES_PER_DELAY: u32 = 50;
/// How often a silent connection looks whether silence has ended.
const LISTEN_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct State {
    target: Mutex<Option<SocketAddr>>,
    cut: AtomicBool,
    silent: AtomicBool,
    /// Delays are up to this, microseconds.
    delay_us: AtomicU64,
    /// Bytes a second; 0: as fast as it goes.
    rate: AtomicU64,
    /// Both ends of each connection.
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
    rng: Mutex<Rng>,
}

/// See the [module's page](self). Its threads end with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub fn open(seed: u64) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            target: Mutex::new(None),
            cut: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            delay_us: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            open: Mutex::default(),
            rng: Mutex::new(Rng::new(seed)),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten().filter(|_| !shared.cut.load(SeqCst)) {
                let _ = join(stream, &shared);
            }
        });
        Ok(Proxy { port, state })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn lead_to(&self, target: SocketAddr) {
        *self.state.target.lock().expect("no thread panics here") = Some(target);
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.state.cut.store(true, SeqCst);
        for (a, b) in self.state.open.lock().expect("no thread panics here").drain(..) {
            let _ = (a.shutdown(Shutdown::Both), b.shutdown(Shutdown::Both));
        }
    }

    pub fn silence(&self) {
        self.state.silent.store(true, SeqCst);
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.state.cut.store(false, SeqCst);
        self.state.silent.store(false, SeqCst);
    }

    pub fn delay(&self, up_to: Duration) {
        self.state.delay_us.store(up_to.as_micros() as u64, SeqCst);
    }

    pub fn throttle(&self, bytes_per_s: u64) {
        self.state.rate.store(bytes_per_s, SeqCst);
    }
}

fn join(client: TcpStream, state: &Arc<State>) -> io::Result<()> {
    let target = *state.target.lock().expect("no thread panics here");
    let server = TcpStream::connect_timeout(&target.ok_or(io::ErrorKind::NotFound)?, Duration::from_secs(2))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pump(client.try_clone()?, server.try_clone()?, state);
    pump(server.try_clone()?, client.try_clone()?, state);
    state.open.lock().expect("no thread panics here").push((client, server));
    Ok(())
}

/// Passes on what comes from one end, each piece when it is due.
fn pump(mut from: TcpStream, to: TcpStream, state: &Arc<State>) {
    let (sender, pieces): (SyncSender<(Instant, Vec<u8>)>, Receiver<_>) = sync_channel(UNDER_WAY);
    let (reading, delivering) = (state.clone(), state.clone());
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let (mut delay, mut left) = (Duration::ZERO, 0);
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if left == 0 {
                (delay, left) = (reading.draw(), PIECES_PER_DELAY);
            }
            left -= 1;
            if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
    });
    thread::spawn(move || deliver(to, &pieces, &delivering));
}

fn deliver(mut to: TcpStream, pieces: &Receiver<(Instant, Vec<u8>)>, state: &State) {
    while let Ok((due, piece)) = pieces.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        while state.silent.load(SeqCst) && !state.cut.load(SeqCst) {
            thread::sleep(LISTEN_EVERY);
        }
        if to.write_all(&piece).is_err() {
            break;
        }
        let rate = state.rate.load(SeqCst);
        if rate > 0 {
            thread::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64));
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl State {
    fn draw(&self) -> Duration {
        let up_to = self.delay_us.load(SeqCst);
        let mut rng = self.rng.lock().expect("no thread panics here");
        Duration::from_micros(if up_to == 0 { 0 } else { rng.below(up_to + 1) })
    }
}
