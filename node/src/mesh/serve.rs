//! The end of a link that is called: HTTP/2 connections that came in on the server's own port.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engine::command::id;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proto::peer::peer_server::{Peer, PeerServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::UnboundedSender;
use tonic::codegen::http;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::frames::FRAME_MAX;
use super::order::Order;
use super::outbox::{Outbox, Replies};
use super::transport::{self, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT};
use crate::connection::Stream;
use crate::server::Server;

/// Metadata in which a caller says who it is.
pub const USER: &str = "everwrite-user-bin";
pub const PASSWORD: &str = "everwrite-password-bin";

/// Calls that one connection may make at once: peers make one.
const STREAMS_MAX: u32 = 4;
/// Bytes of headers of a call.
const HEADERS_MAX: u32 = 16 << 10;

/// A connection whose first bytes have been read already.
struct Prefixed {
    read: Vec<u8>,
    at: usize,
    stream: Stream,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let left = &self.read[self.at..];
        if left.is_empty() {
            return self.stream.poll_read(cx, buf);
        }
        let n = left.len().min(buf.remaining());
        buf.put_slice(&left[..n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, b: &[u8]) -> Poll<std::io::Result<usize>> {
        self.stream.poll_write(cx, b)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.stream.poll_flush(cx))?;
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Stream::Tls(tcp, session) => {
                session.close(tcp);
                Pin::new(tcp).poll_shutdown(cx)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            stream => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                stream.poll_write(cx, first.map_or(&[], |buf| &buf[..]))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }
}

/// Serves one connection to its end. `read`: what was read from it to find out what it speaks.
pub async fn serve(
    server: &'static Server,
    orders: UnboundedSender<Order>,
    stream: Stream,
    read: Vec<u8>,
    addr: String,
) {
    let (tcp, way) = match &stream {
        Stream::Tcp(tcp) => (Some(tcp), Way::Plain),
        Stream::Unix(_) => (None, Way::Plain),
        Stream::Tls(tcp, session) => (Some(tcp), Way::Tls { vouched: session.has_certificate() }),
    };
    let _ = tcp.map(|tcp| tcp.set_nodelay(true));
    let local = tcp.and_then(|tcp| tcp.peer_addr().ok()).is_none_or(|addr| addr.ip().is_loopback());
    let service = PeerServer::new(Door { server, orders, addr: addr.as_str().into(), local, way })
        .max_decoding_message_size(FRAME_MAX)
        .max_encoding_message_size(usize::MAX);
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(transport::STREAM_WINDOW)
        .initial_connection_window_size(transport::CONNECTION_WINDOW)
        .max_frame_size(transport::H2_FRAME)
        .max_send_buf_size(transport::SEND_BUFFER)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_MAX)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .serve_connection(
            TokioIo::new(Prefixed { read, at: 0, stream }),
            TowerToHyperService::new(ToGrpc(service)),
        )
        .await;
    if let Err(e) = served {
        tracing::debug!("Connection of {addr} over HTTP/2 ended: {e}");
    }
}

/// Answers what is not a peer's call as HTTP.
#[derive(Clone)]
struct ToGrpc(PeerServer<Door>);

impl tonic::codegen::Service<http::Request<hyper::body::Incoming>> for ToGrpc {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        self.0.call(request)
    }
}

/// The service: lets peers in, and hands them to the mesh.
struct Door {
    server: &'static Server,
    orders: UnboundedSender<Order>,
    addr: Arc<str>,
    local: bool,
    way: Way,
}

/// How a caller came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// `vouched`: it has shown a certificate of an authority that this node knows.
    Tls {
        vouched: bool,
    },
}

#[async_trait]
impl Peer for Door {
    type LinkStream = Replies;

    async fn link(
        &self,
        request: Request<Streaming<proto::peer::Frame>>,
    ) -> Result<Response<Replies>, Status> {
        if let Err(reason) = admit(self.server, self.way, request.metadata()) {
            tracing::warn!("Refused a link from {}: {reason}", self.addr);
            return Err(Status::unauthenticated(reason));
        }
        let outbox = Outbox::default();
        let frames = Replies(outbox.frames());
        let (stream, addr, local) = (Box::new(request.into_inner()), self.addr.to_string(), self.local);
        self.orders
            .send(Order::Incoming { stream, outbox, addr, local })
            .map_err(|_| Status::unavailable("the node is stopping"))?;
        Ok(Response::new(frames))
    }
}

/// Whether the caller may be a peer: it has to be a user that may replicate (`+psync`), and where links go over TLS it has to
/// have shown a certificate.
fn admit(server: &Server, way: Way, metadata: &MetadataMap) -> Result<(), &'static str> {
    match way {
        _ if !server.config.get().tls_replication => {}
        Way::Plain => return Err("tls-replication is on here: peers come over TLS, to tls-port"),
        Way::Tls { vouched: false } => {
            return Err("tls-replication is on here: a peer has to show a certificate");
        }
        Way::Tls { vouched: true } => {}
    }
    let word = |name| metadata.get_bin(name).and_then(|value| value.to_bytes().ok()).unwrap_or_default();
    let (user, password) = (word(USER), word(PASSWORD));
    let user = if user.is_empty() { b"default" } else { &user[..] };
    let Some(account) = server.users.authenticate(user, &password) else {
        return Err("wrong masteruser or masterauth");
    };
    let may = account.rules().selectors().any(|selector| selector.commands.has(id::PSYNC));
    if may { Ok(()) } else { Err("the user may not replicate: it lacks +psync") }
}
