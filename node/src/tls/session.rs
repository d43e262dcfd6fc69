//! The machine of one connection: ciphertext in, plaintext out, and back.
//!
//! Ciphertext is read into a buffer that all connections of a thread share, and decrypted there. A connection keeps only
//! what is left over: the beginning of a record whose end has not come, plaintext that its reader had no room for, and
//! ciphertext that the socket did not take. The first is at most a record, the others at most what one read or write handles.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use protocol::glob;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeTlsData, UnbufferedStatus};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::names::names;
use super::server::Terms;

/// Bytes handled by one read or write.
const STEP: usize = 64 * 1024;
/// What a record may hold, and what it takes beside: header, content type, authentication; generously.
const RECORD: usize = 16 * 1024;
const OVERHEAD: usize = 256;

/// Buffers of a thread.
struct Shared {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

thread_local! {
    static SHARED: RefCell<Shared> = const { RefCell::new(Shared { incoming: Vec::new(), outgoing: Vec::new() }) };
}

/// See the [module's page](self).
pub struct Session {
    machine: UnbufferedServerConnection,
    rest: Rest,
    /// Names one of which the client must have; `None` once that is settled.
    terms: Option<Terms>,
    /// The client will send no more.
    ended: bool,
    /// The machine must not be asked any more.
    failed: bool,
}

/// What is left over between two turns: usually nothing.
#[derive(Default)]
struct Rest {
    /// Ciphertext that came: not a whole record.
    incoming: Vec<u8>,
    /// Plaintext that nobody has read, from `read` on.
    plain: Vec<u8>,
    read: usize,
    /// Ciphertext to be sent, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
}

impl Session {
    /// The side of the server, before the first byte has come.
    pub fn accept(terms: Terms) -> Result<Session, rustls::Error> {
        let machine = UnbufferedServerConnection::new(terms.config.clone())?;
        let terms = (!terms.allowed.is_empty()).then_some(terms);
        Ok(Session { machine, rest: Rest::default(), terms, ended: false, failed: false })
    }

    /// Whether the other end has shown a certificate; what is shown is checked.
    pub fn has_certificate(&self) -> bool {
        self.machine.peer_certificates().is_some_and(|chain| !chain.is_empty())
    }

    /// Whether everything written has been sent.
    pub fn is_flushed(&self) -> bool {
        self.rest.outgoing.is_empty()
    }

    /// Reads plaintext. Nothing is read at the end.
    pub fn poll_read(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.give_plain(buf) {
            return Poll::Ready(Ok(()));
        }
        SHARED.with_borrow_mut(|shared| {
            let data = &mut shared.incoming;
            data.resize(STEP + RECORD + OVERHEAD, 0);
            while !self.ended {
                let had = self.rest.incoming.len();
                let end = data.len().min(had + STEP);
                let mut read = ReadBuf::new(&mut data[had..end]);
                ready!(Pin::new(&mut *tcp).poll_read(cx, &mut read))?;
                let n = read.filled().len();
                if n == 0 {
                    break;
                }
                data[..had].copy_from_slice(&self.rest.incoming);
                let processed = self.process(&mut data[..had + n], buf);
                // A flush that can't go on is gone on with later; what matters now is what came.
                let _ = self.rest.poll_flush(tcp, cx)?;
                processed?;
                if !buf.filled().is_empty() {
                    break;
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Decrypts what has come; plaintext goes to the reader, and what is not a whole record is kept.
    fn process(&mut self, data: &mut [u8], buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut at = 0;
        let result = loop {
            let UnbufferedStatus { mut discard, state } = self.machine.process_tls_records(&mut data[at..]);
            let more = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut error = None;
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                discard += record.discard;
                                self.rest.take_plain(record.payload, buf);
                            }
                            Err(e) => error = Some(invalid(e)),
                        }
                    }
                    error.map_or(Ok(true), Err)
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(&mut self.rest.outgoing, data).map(|()| true)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(true)
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    Ok(false)
                }
                // Either more is needed, or there is nothing to do but to write.
                Ok(_) => Ok(false),
                Err(e) => Err(invalid(e)),
            };
            at += discard;
            match more {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        match at < data.len() {
            true => {
                self.rest.incoming.clear();
                self.rest.incoming.extend_from_slice(&data[at..]);
            }
            false => self.rest.incoming = Vec::new(),
        }
        result.map_err(|e| self.fail(e))?;
        self.check_names()
    }

    /// The handshake has failed, or a record was not genuine: the client is told why, if it can be.
    #[cold]
    fn fail(&mut self, error: io::Error) -> io::Error {
        (self.ended, self.failed) = (true, true);
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
                tracing::warn!("A connection over TLS was refused: {error}");
            }
            _ => tracing::debug!("TLS: {error}"),
        }
        // Asked once, the machine tells what it has left to say. Asked again it would look at what came, and it must not
        // find a second mistake there.
        let state = self.machine.process_tls_records(&mut self.rest.incoming).state;
        if let Ok(ConnectionState::EncodeTlsData(data)) = state {
            let _ = encode(&mut self.rest.outgoing, data);
        }
        error
    }

    /// Once the client is known: whether its certificate has one of the names that are let in.
    fn check_names(&mut self) -> io::Result<()> {
        if self.machine.is_handshaking() {
            return Ok(());
        }
        let Some(terms) = self.terms.take() else { return Ok(()) };
        let certificate = self.machine.peer_certificates().and_then(|chain| chain.first());
        let names = certificate.map(|certificate| names(certificate)).unwrap_or_default();
        let fits = |pattern: &String| {
            names.iter().any(|name| glob::matches(pattern.as_bytes(), name.as_bytes(), glob::Case::Ignored))
        };
        if terms.allowed.iter().any(fits) {
            return Ok(());
        }
        self.ended = true;
        Err(io::Error::new(
            ErrorKind::PermissionDenied,
            format!("the names in the certificate ({}) are not in tls-allowlist", names.join(", ")),
        ))
    }

    /// Encrypts and sends plaintext; returns how much of it. What the socket does not take is sent before anything else.
    pub fn poll_write(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.failed {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        }
        ready!(self.rest.poll_flush(tcp, cx))?;
        let bytes = &bytes[..bytes.len().min(STEP)];
        SHARED.with_borrow_mut(|shared| {
            let out = &mut shared.outgoing;
            out.resize(STEP + (STEP / RECORD + 1) * OVERHEAD, 0);
            let n = self.encrypt(bytes, out)?;
            // Key updates and the like, if there are any, go first.
            let mut sent = 0;
            if self.rest.poll_flush(tcp, cx)?.is_ready() {
                while sent < n {
                    match Pin::new(&mut *tcp).poll_write(cx, &out[sent..n])? {
                        Poll::Ready(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                        Poll::Ready(more) => sent += more,
                        Poll::Pending => break,
                    }
                }
            }
            self.rest.outgoing.extend_from_slice(&out[sent..n]);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn encrypt(&mut self, bytes: &[u8], out: &mut [u8]) -> io::Result<usize> {
        loop {
            // What has come and is not whole must be there: the machine knows where in it it is.
            let UnbufferedStatus { discard, state } =
                self.machine.process_tls_records(&mut self.rest.incoming);
            debug_assert_eq!(discard, 0, "all that was whole has been processed");
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return traffic.encrypt(bytes, out).map_err(io::Error::other);
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(&mut self.rest.outgoing, data)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(_) => return Err(ErrorKind::NotConnected.into()),
                Err(e) => return Err(io::Error::other(e)),
            }
        }
    }

    pub fn poll_flush(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rest.poll_flush(tcp, cx)
    }

    /// Says that no more will come, if that can be said at once.
    pub fn close(&mut self, tcp: &TcpStream) {
        if self.failed || self.machine.is_handshaking() || !self.is_flushed() {
            return;
        }
        let mut out = [0; OVERHEAD];
        let state = self.machine.process_tls_records(&mut self.rest.incoming).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state
            && let Ok(n) = traffic.queue_close_notify(&mut out)
        {
            let _ = tcp.try_write(&out[..n]);
        }
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Takes what the handshake has to say.
fn encode<D>(outgoing: &mut Vec<u8>, mut data: EncodeTlsData<'_, D>) -> io::Result<()> {
    let at = outgoing.len();
    outgoing.resize(at + RECORD + OVERHEAD, 0);
    let written = data.encode(&mut outgoing[at..]);
    outgoing.truncate(at + *written.as_ref().unwrap_or(&0));
    written.map(drop).map_err(io::Error::other)
}

impl Rest {
    /// Gives plaintext that is waiting to a reader; false if none is.
    fn give_plain(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.plain.is_empty() {
            return false;
        }
        let n = buf.remaining().min(self.plain.len() - self.read);
        buf.put_slice(&self.plain[self.read..self.read + n]);
        self.read += n;
        if self.read == self.plain.len() {
            (self.plain, self.read) = (Vec::new(), 0);
        }
        true
    }

    fn take_plain(&mut self, plain: &[u8], buf: &mut ReadBuf<'_>) {
        let n = if self.plain.is_empty() { buf.remaining().min(plain.len()) } else { 0 };
        buf.put_slice(&plain[..n]);
        self.plain.extend_from_slice(&plain[n..]);
    }

    fn poll_flush(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            match ready!(Pin::new(&mut *tcp).poll_write(cx, &self.outgoing[self.sent..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        if self.sent > 0 {
            (self.outgoing, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}
